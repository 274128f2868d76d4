"""Why an answer tells nothing of what was asked: the server was busy or in trouble, or the door was closed."""

from collections.abc import Iterator

from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Reason

Why = tuple[Reason, str]
"""The reason that a finding carries, and a sentence for people."""

CLOSED = frozenset({401, 403, 407, 451, 498, 499})
"""Statuses of a closed door: RFC 9110 sections 15.5.2, 15.5.4 and 15.5.8, RFC 7725 section 3, and the two statuses
that gateways use for a token that is invalid (498) or missing (499)."""

NOT_SUPPORTED = "not-supported"
"""The issue code that says plainly that a server does not do this, whatever else it says beside it."""

_PASSING_STATUSES: dict[int, Why] = {
    408: ("timed_out", "The server waited too long for the request (status 408)."),
    421: ("unavailable", "The server that answered is not the one that was asked (status 421)."),
    423: ("unavailable", "The server said that what was asked for is locked (status 423)."),
    425: ("unavailable", "The server did not want to answer so early (status 425)."),
    429: ("rate_limited", "The server asked prober to slow down (status 429)."),
    503: ("unavailable", "The server said that it is unavailable (status 503)."),
}

_PASSING_CODES: dict[str, Why] = {
    "throttled": ("rate_limited", "The server asked prober to slow down"),
    "transient": ("unavailable", "The server said that it could not answer for the moment"),
    "lock-error": ("unavailable", "The server said that what was asked for is locked"),
    "no-store": ("unavailable", "The server said that its store is out of reach"),
    "incomplete": ("unavailable", "The server said that not all of its sources could be reached"),
    "too-costly": ("unavailable", "The server stopped to protect its resources"),
    "timeout": ("server_error", "The server said that its own work took too long"),
    "exception": ("server_error", "The server said that it failed unexpectedly"),
}
"""FHIR R4, valueset-issue-type.html: the codes below `transient`, and the one for an operation that was cut short."""

_CLOSED_CODES = frozenset({"security", "login", "unknown", "expired", "forbidden", "suppressed"})
"""FHIR R4, valueset-issue-type.html: `security` and the codes below it."""

_REMARKS = frozenset({"warning", "information", "success"})


def passing(answer: Exchange) -> Why | None:
    """What kept the server from answering this time: no answer at all, rest, or a fault. None if nothing did.

    The status tells, or else the code of an error in an OperationOutcome, whatever its status: a program that takes
    such an answer for a refusal takes a bad day of a server for a lack of it.
    """
    if answer.failure is not None:
        return answer.failure.reason, answer.failure.message
    status = answer.status or 0
    if status in _PASSING_STATUSES:
        return _PASSING_STATUSES[status]
    if status >= 500 and status != 501:
        return "server_error", f"The server answered with status {status}."
    codes = error_codes(answer)
    code = next((one for one in _PASSING_CODES if one in codes), None)
    if code is None or NOT_SUPPORTED in codes:
        return None
    reason, words = _PASSING_CODES[code]
    return reason, f"{words} (status {status}, issue code {code})."


def closed(answer: Exchange) -> str | None:
    """How the door was closed, as words in brackets (the status, or the code of an issue); None if it was not."""
    if answer.failure is not None:
        return None
    status = answer.status or 0
    if status in CLOSED:
        return f"status {status}"
    codes = error_codes(answer)
    code = min(_CLOSED_CODES & codes, default=None)
    return f"status {status}, issue code {code}" if code is not None and NOT_SUPPORTED not in codes else None


def cannot_tell(answer: Exchange, *, with_token: bool) -> Why | None:
    """Why this answer says nothing of what was asked, or None if it is one to be judged.

    `with_token` says whether this run carries credentials: a door closed to them is `denied`, any other `protected`.
    """
    why = passing(answer)
    if why is not None:
        return why
    how = closed(answer)
    if how is None:
        return None
    if with_token:
        return "denied", f"The server denies this to the token of this run ({how})."
    return "protected", f"The server asks for a login first ({how})."


def error_codes(answer: Exchange) -> frozenset[str]:
    """The codes of the errors in an OperationOutcome (FHIR R4, operationoutcome.html); warnings and remarks aside.

    None under 202 and its like: what was accepted is under way, whatever is said beside it.
    """
    final = answer.status == 200 or (answer.status or 0) >= 400
    return frozenset(_codes(answer.document)) if final and answer.resource_type == "OperationOutcome" else frozenset()


def _codes(outcome: dict[str, JSON]) -> Iterator[str]:
    issues = outcome.get("issue")
    for issue in issues if isinstance(issues, list) else ():
        code = issue.get("code") if isinstance(issue, dict) else None
        severity = issue.get("severity") if isinstance(issue, dict) else None
        if isinstance(code, str) and not (isinstance(severity, str) and severity in _REMARKS):
            yield code
