"""One bulk export of one run, from its kick-off to its end (Bulk Data Access 2.0.0, export.html)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange
from prober.nouns.fhir import R4_TYPES
from prober.nouns.finding import Reason
from prober.nouns.run import Permit
from prober.observations.answers import issue_members, searchset, told
from prober.observations.capability_statement import CapabilityStatement, capability_statement, items, text
from prober.observations.web_addresses import resolved
from prober.session.ask import Bearer
from prober.session.observation import observation
from prober.session.session import EXPORT_ADDRESS, Session, retry_after_seconds
from prober.session.withheld import cannot_tell, closed, passing

Level = Literal["Group", "Patient", "system"]

MOST_POLLS = 12
MOST_FILES = 10
MOST_MEMBERS = 50
"""A Group of real people is exported only if it is no larger than this and all in it are test patients."""

PERMITS: tuple[Permit, ...] = ("active", "patient_data", "jobs")
_CANONICAL = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
_NAMES: dict[Level, frozenset[str]] = {
    "Group": frozenset({"export", "group-export"}),
    "Patient": frozenset({"export", "patient-export"}),
    "system": frozenset({"export"}),
}
_DEFINITIONS: dict[Level, str] = {"Group": "group-export", "Patient": "patient-export", "system": "export"}
_KICK_OFFS: dict[Level, str] = {
    "Group": "Group/{group}/$export?_type=Patient",
    "Patient": "Patient/$export?_type=Patient",
    "system": "$export?_type=Patient",
}


@dataclass(frozen=True)
class DeclaredExport:
    """A level at which a server declares an export, and where in its statement's server part."""

    level: Level
    pointer: str


def declared_exports(statement: CapabilityStatement) -> tuple[DeclaredExport, ...]:
    """The declared exports, narrowest first, by the guide's canonical or by name: both are met in the field."""
    found: list[DeclaredExport] = []
    levels: tuple[Level, ...] = ("Group", "Patient", "system")
    for level in levels:
        resource = statement.resource(level)
        operations = statement.operations if level == "system" else resource.operations if resource else ()
        pointer = "/operation" if level == "system" else f"/resource/{resource.index if resource else 0}/operation"
        for name, definition in operations:
            if definition == _CANONICAL + _DEFINITIONS[level] or name.removeprefix("$") in _NAMES[level]:
                found.append(DeclaredExport(level, pointer))
                break
    return tuple(found)


@dataclass(frozen=True)
class ExportScope:
    """What one export of this run would be about."""

    level: Level
    group: str = ""


@dataclass(frozen=True)
class ExportedFile:
    """A file that the manifest lists as output: its place, and what came of it. None: it has no usable address."""

    index: int
    type: str
    count: int | None
    answer: Exchange | None


@dataclass(frozen=True)
class BulkJob:
    """One export from kick-off to deletion. What did not happen is empty."""

    scope: ExportScope
    kick_off: Exchange
    with_token: bool
    polls: tuple[Exchange, ...] = ()
    files: tuple[ExportedFile, ...] = ()
    without_token: Exchange | None = None
    ended: Exchange | None = None
    after: Exchange | None = None

    @property
    def accepted(self) -> bool:
        """True if the kick-off was accepted and named an address to follow it by."""
        return bool(self.polls)

    @property
    def complete(self) -> bool:
        """True if the last poll said that the export is complete."""
        return bool(self.polls) and self.polls[-1].status == 200


@dataclass(frozen=True)
class FinishedExport:
    """An export that came to its end: the answer that said so."""

    job: BulkJob
    answer: Exchange


@dataclass(frozen=True)
class ExportManifest:
    """The manifest of a finished export, as a JSON object."""

    job: BulkJob
    answer: Exchange
    json: dict[str, JSON]


@observation(
    asks=("GET [base]/Group?_count=1 or GET [base]/Group/{id}",),
    permits=PERMITS,
    family="bulk",
    needs=(capability_statement,),
)
async def export_scope(session: Session) -> ExportScope | None:
    """The narrowest declared export that this run may start; None if none is declared."""
    statement = (await session.see(capability_statement)).value
    levels = [one.level for one in declared_exports(statement)]
    if not levels:
        return None
    if not session.synthetic:
        return await _real_scope(session, levels)
    if "Group" in levels:
        group = session.groups[0] if session.groups else await _first_group(session)
        if group:
            return ExportScope("Group", group)
    wider = next((level for level in levels if level != "Group"), None)
    if wider is None:
        session.trouble("no_data", "The server declares an export of Groups but shows no Group to export.")
    return ExportScope(wider)


async def _first_group(session: Session) -> str:
    bundle = searchset(await session.attempt("Group?_count=1"))
    return next((one.id for one in bundle.matches if one.type == "Group"), "") if bundle else ""


async def _real_scope(session: Session, levels: Sequence[Level]) -> ExportScope:
    """Only a Group that was named, all of whose members are named test patients: nobody else is exported."""
    if "Group" not in levels or not session.groups:
        session.trouble("needs_authorization", "No Group of test patients was named, so nothing is exported.")
    group = session.groups[0]
    answer = told(session, await session.get("Group/{group}", group=group))
    document = answer.document
    members = items(document.get("member")) if isinstance(document, dict) and answer.status == 200 else []
    named = {f"Patient/{one}" for one in session.patients}
    everybody = [_member(one) for one in members]
    if not 0 < len(everybody) <= MOST_MEMBERS or not named.issuperset(everybody):
        session.trouble("needs_authorization", "The named Group does not consist of named test patients only.")
    return ExportScope("Group", group)


def _member(member: JSON) -> str:
    entity = member.get("entity") if isinstance(member, dict) else None
    reference = text(entity.get("reference")) if isinstance(entity, dict) else ""
    return "/".join(reference.split("/")[-2:])


async def kick_off(session: Session, scope: ExportScope, *, bearer: Bearer = "run", label: str = "") -> Exchange:
    """Ask for this export. Ends the observation on no answer, a request to rest, or a fault of the server."""
    template = _KICK_OFFS[scope.level]
    if scope.group:
        answer = await session.kick_off(template, bearer=bearer, label=label, group=scope.group)
    else:
        answer = await session.kick_off(template, bearer=bearer, label=label)
    return answer if closed(answer) and not passing(answer) else told(session, answer)


def status_address(session: Session, answer: Exchange) -> str | None:
    """Where an accepted export can be followed and ended; None if it was not accepted or names no such place."""
    location = answer.header("content-location")
    return resolved(session.base, location) if location and answer.status == 202 else None


def _of_an_export(session: Session, answer: Exchange) -> Exchange:
    """The answer of a status address. Ends the observation if what the server named is not taken for one."""
    if answer.failure is not None and answer.failure.kind == EXPORT_ADDRESS:
        session.trouble(answer.failure.reason, answer.failure.message)
    return answer


@observation(
    asks=(
        "GET [base]/{level}/$export?_type=Patient (Prefer: respond-async)",
        "GET [job]",
        "GET [file]",
        "DELETE [job]",
    ),
    requests=1 + MOST_POLLS + MOST_FILES + 1 + 2,
    permits=PERMITS,
    family="bulk",
    needs=(export_scope,),
)
async def bulk_job(session: Session) -> BulkJob | None:
    """One export of Patients: started, followed, its files streamed, and deleted whatever happens."""
    scope = (await session.see(export_scope)).value
    if scope is None:
        return None
    started = told(session, await kick_off(session, scope))
    job = status_address(session, started)
    if job is None:
        return BulkJob(scope, started, session.has_credentials)
    polls = [_of_an_export(session, await session.poll(job))]
    files: list[ExportedFile] = []
    without_token: Exchange | None = None
    try:
        await _follow(session, job, polls)
        manifest = _manifest(polls[-1])
        await _fetch(session, manifest, job, files)
        if not any(one.answer is not None and holds_somebody_else(one.answer) for one in files):
            without_token = await _fetch_without_token(session, manifest, job)
    finally:
        ended = await session.end_job(job)
        after = await session.poll(job, label="after deletion")
    return BulkJob(scope, started, session.has_credentials, tuple(polls), tuple(files), without_token, ended, after)


async def _follow(session: Session, job: str, polls: list[Exchange]) -> None:
    """Ask for the status until the export has ended, a bounded number of times, as late as the server wishes."""
    while still_running(polls[-1]) and len(polls) < MOST_POLLS:
        await session.wait(retry_after_seconds(polls[-1]) or 2 ** (len(polls) - 1))
        polls.append(await session.poll(job))


def still_running(answer: Exchange) -> bool:
    """True if a status answer says that it is worth asking again: in progress, asked too often, or a passing fault."""
    status = answer.status or 0
    return status in (202, 429, 503) or (status >= 500 and "transient" in issue_members(answer, "code"))


def _manifest(answer: Exchange) -> dict[str, JSON]:
    return answer.document if answer.status == 200 and isinstance(answer.document, dict) else {}


def _entries(manifest: dict[str, JSON]) -> list[dict[str, JSON]]:
    return [one if isinstance(one, dict) else {} for one in items(manifest.get("output"))][:MOST_FILES]


def _address(entry: dict[str, JSON], job: str) -> str | None:
    """Where a listed file lies. A relative URL is wrong, but another probe says so: here it is followed."""
    url = text(entry.get("url"))
    return resolved(job, url) if url else None


async def _fetch(session: Session, manifest: dict[str, JSON], job: str, files: list[ExportedFile]) -> None:
    """The listed files, with the token unless the manifest says that none is needed: then none may be sent."""
    bearer: Bearer = "none" if manifest.get("requiresAccessToken") is False else "run"
    for index, entry in enumerate(_entries(manifest)):
        url = _address(entry, job)
        kind, count = text(entry.get("type")), entry.get("count")
        expects = kind if kind in R4_TYPES else ""
        answer = await session.file(url, reducer="ndjson/1", bearer=bearer, expects=expects) if url else None
        counted = count if isinstance(count, int) and not isinstance(count, bool) else None
        files.append(ExportedFile(index, kind, counted, answer))
        if answer is not None and holds_somebody_else(answer):
            # On production nothing more of such an export may be read.
            return


async def _fetch_without_token(session: Session, manifest: dict[str, JSON], job: str) -> Exchange | None:
    """Whether the first file also comes without the token, if the manifest says that one is needed."""
    if manifest.get("requiresAccessToken") is not True:
        return None
    for entry in _entries(manifest):
        url = _address(entry, job)
        if url is not None:
            return await session.file(url, reducer="opened/1", bearer="none", label="without token")
    return None


@observation(requests=0, permits=PERMITS, family="bulk", needs=(bulk_job,))
async def finished_export(session: Session) -> FinishedExport | None:
    """The export, if it came to its end; None if the server declares none."""
    job = (await session.see(bulk_job)).value
    if job is None:
        return None
    if not job.accepted:
        session.trouble("no_data", "No export was accepted, so there is nothing to look at.")
    last = job.polls[-1]
    if last.status not in {429, 503} and still_running(last):
        session.trouble("job_unfinished", "The export was still in progress when prober stopped waiting.")
    told(session, last)
    if last.status != 200:
        session.trouble("no_data", f"The export did not complete: its status address answers {last.status}.")
    return FinishedExport(job, last)


@observation(requests=0, permits=PERMITS, family="bulk", needs=(finished_export,))
async def export_manifest(session: Session) -> ExportManifest | None:
    """The manifest of the finished export, if it can be read; None if the server declares no export."""
    finished = (await session.see(finished_export)).value
    if finished is None:
        return None
    if not isinstance(finished.answer.document, dict):
        session.trouble("unparseable", "The export completed, but its manifest is not a JSON object.")
    return ExportManifest(finished.job, finished.answer, finished.answer.document)


def untold_file(file: ExportedFile, job: BulkJob) -> tuple[Reason, str] | None:
    """Why nothing can be said of this file; None if something can."""
    if file.answer is None:
        return None
    if holds_somebody_else(file.answer):
        return "needs_authorization", "The export holds somebody who is no listed test patient: prober read no further."
    return cannot_tell(file.answer, with_token=job.with_token)


def unread_lines(file: ExportedFile) -> int:
    """How many lines of this file prober passed over because they are larger than it reads."""
    kept = file.answer.document if file.answer is not None else None
    count = kept.get("unread") if isinstance(kept, dict) else 0
    return count if isinstance(count, int) else 0


UNREAD: tuple[Reason, str] = ("too_large", "An exported file holds lines that are larger than prober reads.")
"""Why nothing can be said of what stands in such lines."""


def holds_somebody_else(answer: Exchange) -> bool:
    """True if the door stopped reading, because a line was about somebody who is no listed test patient."""
    return isinstance(answer.document, dict) and answer.document.get("somebody_else") is True
