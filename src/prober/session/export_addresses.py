"""Which of the addresses that a server names for its export are followed, fetched and deleted, and which never are."""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, unquote, urlsplit

from prober.nouns.fhir import R4_TYPES
from prober.session.addresses import normal_name

ELSEWHERE = "is neither on the server's own origin (scheme, host and port) nor on an allowed host"
RECORDS = "reads like records, like an operation or like the FHIR base itself"

_TYPES_IN_LOWER_CASE = frozenset(one.lower() for one in R4_TYPES)
_NEVER = frozenset({"_history", "_search", "metadata", ".well-known"})
_STATUS = re.compile(r"\$([\w.-]*(export|bulk|async|job|poll)[\w.-]*)?status", re.IGNORECASE)
"""Operations that tell how a job is doing: $export-poll-status (HAPI), $exportstatus (Firely), $bulkdata-status."""
_FILE = re.compile(r"\$[\w.-]*(export|bulk)[\w.-]*(file|data|download|output|result)[\w.-]*", re.IGNORECASE)
"""Operations that hand out one file of an export: $exportfilerequest (Firely)."""
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


def why_no_job(url: str, base: str, hosts: Collection[str]) -> str | None:
    """Why this URL is not taken for the status address of an export, as a sentence; None if it is taken for one.

    Bulk Data Access 2.0.0, export.html, lets a server name any URL, and has clients ask it and DELETE it. So it is
    taken only on the base's own origin or on one of `hosts` (those besides the base's that the user allowed), and only
    if no record, search or operation can be meant by it, however it is encoded.
    """
    found = _elsewhere(url, base, hosts) or _reads_like_records(url, base, _STATUS)
    return found and f"The address that the server names for its export {found}; nothing was sent there."


def why_no_file(url: str, base: str, hosts: Collection[str]) -> str | None:
    """Why this URL is not taken for a file of an export, as a sentence; None if it is taken for one.

    The same rule as for a status address, but a Binary below the base is a file: HAPI keeps its exports in them.
    """
    found = _elsewhere(url, base, hosts)
    if found is None and not _is_binary(url, base):
        found = _reads_like_records(url, base, _FILE)
    return found and f"The address that the manifest names for a file {found}; nothing was sent there."


def _elsewhere(url: str, base: str, hosts: Collection[str]) -> str | None:
    try:
        there, home = urlsplit(url), urlsplit(base)
        if there.scheme not in ("http", "https") or "@" in there.netloc:
            return ELSEWHERE
        origin, own = _origin(there), _origin(home)
    except ValueError:
        return ELSEWHERE
    # Another port of the base's own host is another service, even where the list of allowed hosts repeats that host.
    allowed = {normal_name(host) for host in hosts} - {own[1], ""}
    return None if origin == own or origin[1] in allowed else ELSEWHERE


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, normal_name(parts.hostname or ""), parts.port or (443 if parts.scheme == "https" else 80)


def _is_binary(url: str, base: str) -> bool:
    below = _below(_steps(urlsplit(url).path), _steps(urlsplit(base).path))
    own = _elsewhere(url, base, ()) is None
    return own and below is not None and len(below) == 2 and below[0] == "Binary" and bool(_ID.fullmatch(below[1]))


def _reads_like_records(url: str, base: str, operation: re.Pattern[str]) -> str | None:
    parts = urlsplit(url)
    decoded = _decoded(parts.path)
    if not decoded.isascii() or not decoded.isprintable() or "?" in decoded or "#" in decoded:
        return RECORDS
    if "%" in unquote(parts.path):
        # Encoded twice: who knows how often the next one decodes.
        return RECORDS
    steps, above = _steps(parts.path), _steps(urlsplit(base).path)
    folded = [step.lower() for step in steps]
    # The base, what lies above it, and whatever ends as a base does: a neighbour's base on the same host.
    if folded == [step.lower() for step in above][: len(steps)] or folded[-1:] == [step.lower() for step in above[-1:]]:
        return RECORDS
    below = _below(steps, above) or steps
    operations = [step for step in below if step.startswith("$")]
    if any(operation.fullmatch(one) is None for one in operations) or (operations == below and not parts.query):
        return RECORDS
    strays = ".." in steps or not _NEVER.isdisjoint(folded)
    # Some servers read the type in any case; further down, "task" or "group" is a plain word.
    named = not R4_TYPES.isdisjoint(below) or below[0].lower() in _TYPES_IN_LOWER_CASE
    return RECORDS if strays or named else None


def _below(steps: list[str], above: list[str]) -> list[str] | None:
    """The steps below the base; None if these do not lie below it."""
    head = [step.lower() for step in steps[: len(above)]]
    return steps[len(above) :] if head == [step.lower() for step in above] else None


def _steps(path: str) -> list[str]:
    """The steps as the laxest server reads them: decoded, without matrix parameters, final dots and blanks."""
    read = (step.partition(";")[0].strip() for step in _decoded(path).replace("\\", "/").split("/"))
    return [step if step == ".." else step.rstrip(". ") for step in read if step == ".." or step.rstrip(". ")]


def _decoded(path: str) -> str:
    """The path as somebody reads it who decodes more than once."""
    for _ in range(3):
        path = unquote(path)
    return path
