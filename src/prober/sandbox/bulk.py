"""The bulk export of the sandbox: kick-off parameters, jobs, the manifest and its files."""

import json
import re
import secrets
import threading
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from prober.sandbox.data import GROUP_ID, GROUP_MEMBERS, PATIENT_IDS, Store, patient_of
from prober.sandbox.outcome import Json, Refusal, operation_outcome
from prober.sandbox.search import interval

NDJSON = "application/fhir+ndjson"
_FORMATS = (NDJSON, "application/ndjson", "ndjson")
_PARAMETERS = ("_type", "_since", "_outputFormat")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ERRORS_FILE = "errors.ndjson"


@dataclass(frozen=True)
class Job:
    """An accepted export: the kick-off URL, when it began (UTC instant), and its files as (type, lines)."""

    identity: str
    request: str
    began: str
    files: tuple[tuple[str, tuple[str, ...]], ...]


class Jobs:
    """The exports of one sandbox, by id; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._polls: dict[str, int] = {}

    def add(self, job: Job) -> None:
        with self._lock:
            self._jobs[job.identity] = job
            self._polls[job.identity] = 0

    def get(self, identity: str) -> Job:
        """The job, or Refusal 404 when it never was or is deleted."""
        with self._lock:
            job = self._jobs.get(identity)
        if job is None:
            raise Refusal(404, "not-found", "There is no such export, or it has been deleted.")
        return job

    def polled(self, identity: str) -> int:
        """Counts one poll of the job and returns how many came before it."""
        with self._lock:
            before = self._polls.get(identity, 0)
            self._polls[identity] = before + 1
        return before

    def delete(self, identity: str) -> None:
        """Forgets the job and its files; Refusal 404 when there is none."""
        self.get(identity)
        with self._lock:
            self._jobs.pop(identity, None)
            self._polls.pop(identity, None)


def from_parameters(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """The kick-off parameters of a POST: a Parameters resource or a form. Raises Refusal for anything else."""
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    if not body.strip():
        return []
    try:
        listed = json.loads(body).get("parameter", [])
        return [
            (str(item["name"]), str(next(value for name, value in item.items() if name.startswith("value"))))
            for item in listed
        ]
    except (ValueError, AttributeError, KeyError, TypeError, StopIteration) as problem:
        raise Refusal(400, "invalid", "The body of the kick-off is not a Parameters resource.") from problem


def _members(level: str, group: str | None) -> tuple[str, ...] | None:
    if level == "Group":
        if group != GROUP_ID:
            raise Refusal(404, "not-found", "There is no such Group.")
        return GROUP_MEMBERS
    return PATIENT_IDS if level == "Patient" else None


def _types(store: Store, level: str, values: Iterable[str], lenient: bool) -> list[str]:
    wanted = [name for value in values for name in value.split(",") if name]
    unknown = [name for name in wanted if name not in store]
    if unknown and not lenient:
        raise Refusal(400, "not-supported", f"This server cannot export the type {unknown[0]!r}.")
    # A Group names people by its own list; it belongs to no patient's record, so only a system export holds it.
    offered = [kind for kind in store if level == "system" or kind != "Group"]
    return [kind for kind in offered if not wanted or kind in wanted]


def kick_off(
    store: Store, level: str, group: str | None, pairs: Sequence[tuple[str, str]], prefer: str, url: str
) -> Job:
    """Accepts an export at `level` (system, Patient or Group) or raises Refusal (Bulk Data 2.0.0, export.html)."""
    if "respond-async" not in prefer:
        raise Refusal(400, "required", "An export needs the header Prefer: respond-async.")
    lenient = "handling=lenient" in prefer
    members = _members(level, group)
    since: datetime | None = None
    for name, value in pairs:
        if name not in _PARAMETERS and not lenient:
            raise Refusal(400, "not-supported", f"This server does not know the export parameter {name!r}.")
        if name == "_outputFormat" and value not in _FORMATS:
            raise Refusal(400, "not-supported", "This server exports only as application/fhir+ndjson.")
        if name == "_since":
            since = _instant(value)
    kinds = _types(store, level, (value for name, value in pairs if name == "_type"), lenient)
    files = []
    for kind in kinds:
        lines = tuple(
            json.dumps(item, separators=(",", ":"))
            for item in store[kind].values()
            if (members is None or patient_of(item) in (None, *members))
            and (since is None or _instant(item["meta"]["lastUpdated"]) > since)
        )
        if lines:
            files.append((kind, lines))
    return Job(secrets.token_urlsafe(12), url, _now(), tuple(files))


def _instant(text: str) -> datetime:
    text = text.replace(" ", "+")
    try:
        if _INSTANT.fullmatch(text):
            return interval(text)[1]
    except ValueError:
        pass
    raise Refusal(400, "invalid", "The value of _since is not an instant.")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def manifest(job: Job, address: str, defects: Set[str]) -> Json:
    """The manifest of a finished job whose files lie under `address` (Bulk Data Access 2.0.0, export.html)."""
    extra = 1 if "ndjson_wrong_count" in defects else 0
    output: list[Json] = [
        {"type": kind, "url": f"{address}/{kind}.ndjson", "count": len(lines) + extra} for kind, lines in job.files
    ]
    document: Json = {
        "transactionTime": job.began,
        "request": job.request,
        "requiresAccessToken": True,
        "output": [] if "export_empty" in defects else output,
        "error": [],
    }
    if "export_file_in_error" in defects:
        document["error"] = [{"type": "OperationOutcome", "url": f"{address}/{_ERRORS_FILE}", "count": 1}]
    if "manifest_broken" in defects:
        del document["request"], document["error"]
        document |= {"transactionTime": "this morning", "requiresAccessToken": "true"}
        for entry in output:
            entry["url"] = "/" + entry["url"].split("/", 3)[3]
    return document


def file_text(job: Job, name: str, defects: Set[str]) -> str:
    """The NDJSON text of one file of the job; Refusal 404 for a name that the manifest does not list."""
    if name == _ERRORS_FILE and "export_file_in_error" in defects:
        return json.dumps(operation_outcome("processing", "One record could not be exported.")) + "\n"
    for kind, lines in job.files:
        if name == f"{kind}.ndjson":
            text = "".join(f"{line}\n" for line in lines)
            return text[: len(text) - len(lines[-1]) // 2] if "ndjson_truncated" in defects else text
    raise Refusal(404, "not-found", "This export has no such file.")
