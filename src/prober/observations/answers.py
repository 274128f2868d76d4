"""How an answer reads: what a searchset holds, what is refuted, and whether there is anything to be judged."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange, Seen, Trouble
from prober.observations.capability_statement import LEGACY_JSON, CapabilityStatement, items, text
from prober.session.session import Session
from prober.session.withheld import NOT_SUPPORTED, cannot_tell, closed

NOT_THERE = frozenset({404, 405, 410, 501})
"""Statuses that say that a server does not do this: what was declared is then refuted."""


@dataclass(frozen=True)
class Match:
    """An entry of a searchset that matches the search (not one that was included or that explains)."""

    type: str
    id: str
    index: int


@dataclass(frozen=True)
class Searchset:
    """A Bundle of type searchset. Members of the wrong type read as not there."""

    answer: Exchange
    json: dict[str, JSON]

    @property
    def matches(self) -> tuple[Match, ...]:
        """The matching entries, in their order. An entry without a search mode counts as a match."""
        return tuple(_matches(self.json))

    @property
    def entries(self) -> int:
        """How many entries of any kind it holds."""
        return len(items(self.json.get("entry")))

    @property
    def total(self) -> int | None:
        """`total`, or None if there is no such number."""
        total = self.json.get("total")
        return total if isinstance(total, int) and not isinstance(total, bool) else None

    def link(self, relation: str) -> str:
        """The URL of the first link of that relation; empty if there is none."""
        links = (one for one in items(self.json.get("link")) if isinstance(one, dict))
        return next((text(one.get("url")) for one in links if one.get("relation") == relation), "")


def _matches(bundle: dict[str, JSON]) -> Iterator[Match]:
    for index, entry in enumerate(items(bundle.get("entry"))):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        search = entry.get("search") if isinstance(entry, dict) else None
        mode = search.get("mode") if isinstance(search, dict) else None
        if (
            isinstance(resource, dict)
            and mode in (None, "match")
            and resource.get("resourceType") != "OperationOutcome"
        ):
            yield Match(text(resource.get("resourceType")), text(resource.get("id")), index)


def searchset(answer: Exchange) -> Searchset | None:
    """The searchset that this answer is, or None (FHIR R4, http.html#search: status 200 and a Bundle)."""
    document = answer.document
    if answer.status != 200 or not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        return None
    return Searchset(answer, document) if document.get("type") == "searchset" else None


def explained(answer: Exchange) -> bool:
    """True if the body is an OperationOutcome."""
    return answer.resource_type == "OperationOutcome"


def issue_members(answer: Exchange, member: str) -> frozenset[str]:
    """The values of that member (`code`, `severity`) in the issues of an OperationOutcome."""
    document = answer.document
    issues = items(document.get("issue")) if isinstance(document, dict) and explained(answer) else []
    return frozenset(text(one.get(member)) for one in issues if isinstance(one, dict) and text(one.get(member)))


def refuted(answer: Exchange) -> bool:
    """True if the server says that it does not do this at all. What passes, or asks for a login, refutes nothing."""
    status = answer.status or 0
    says_so = status in NOT_THERE or (400 <= status < 500 and NOT_SUPPORTED in issue_members(answer, "code"))
    return says_so and cannot_tell(answer, with_token=False) is None


def not_there(answer: Exchange) -> bool:
    """True if the server says that it has no such document or record: like `refuted`, or by the code `not-found`."""
    explicit = 400 <= (answer.status or 0) < 500 and "not-found" in issue_members(answer, "code")
    return refuted(answer) or (explicit and cannot_tell(answer, with_token=False) is None)


def from_nowhere(answer: Exchange, stated: Seen[CapabilityStatement] | Trouble) -> bool:
    """True if this refusal may come from no FHIR server at all: none was seen here, and the refusal is bare.

    Any web server says 404 of what it does not know. A closed door and an OperationOutcome speak for themselves.
    """
    bare = (answer.status or 0) >= 400 and not explained(answer) and closed(answer) is None
    return bare and isinstance(stated, Trouble)


def no_fhir(answer: Exchange) -> str:
    """The sentence about such a refusal."""
    return f"No CapabilityStatement was seen, so a bare status {answer.status} may not come from a FHIR server at all."


def carried_token(answer: Exchange) -> bool:
    """True if the request of this answer showed a token, whichever it was."""
    return any(name.lower() == "authorization" for name, _ in answer.request_headers)


def told(session: Session, answer: Exchange) -> Exchange:
    """The answer, if it is one to be judged. Ends the observation otherwise."""
    hidden = cannot_tell(answer, with_token=session.has_credentials)
    if hidden is not None:
        session.trouble(*hidden)
    return answer


async def get_fhir(session: Session, template: str, *, id: str) -> Exchange:
    """GET with this id; after 406 or 415 once more with the other JSON media type. Ends on what cannot tell."""
    answer = await session.get(template, id=id)
    if answer.status in (406, 415):
        answer = await session.get(template, accept=LEGACY_JSON, label=LEGACY_JSON, id=id)
    return told(session, answer)


def shows_patients(answer: Exchange) -> bool:
    """True if what the reducer `open-data/1` kept of a search says that records were counted or handed out."""
    kept = answer.document if answer.status == 200 and isinstance(answer.document, dict) else {}
    found = kept.get("total_over_zero") is True or kept.get("entries") is True
    return kept.get("json") is True and found and kept.get("resource_type") in (None, "Bundle")


def moment(written: str | None) -> datetime | None:
    """A FHIR instant or an HTTP date, in UTC and to the second; None if it is neither."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(written or "")
            if found.tzinfo is not None:
                return found.astimezone(UTC).replace(microsecond=0)
        except (ValueError, OverflowError):
            continue
    return None
