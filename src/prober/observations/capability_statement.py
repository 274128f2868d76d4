"""The CapabilityStatement: what a server says that it can do (FHIR R4, http.html#capabilities)."""

import re
from dataclasses import dataclass, field

from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Citation
from prober.observations.disguises import refuse_disguise
from prober.session.observation import observation
from prober.session.session import Session
from prober.session.withheld import closed

LEGACY_JSON = "application/json"
US_CORE = "http://hl7.org/fhir/us/core/"
_MAJOR = re.compile(r"([0-9]{1,3})\.")


@dataclass(frozen=True)
class DeclaredResource:
    """What the statement says of one resource type. `index` is its place in `rest[server].resource`."""

    type: str
    index: int
    interactions: frozenset[str]
    search_params: frozenset[str]
    profiles: tuple[str, ...]
    operations: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CapabilityStatement:
    """A CapabilityStatement in the shapes that probes ask for. Members of the wrong type read as not there."""

    answer: Exchange
    json: dict[str, JSON]
    rest_index: int | None
    rest: dict[str, JSON] = field(default_factory=dict)
    resources: tuple[DeclaredResource, ...] = ()

    @property
    def fhir_version(self) -> str:
        """`fhirVersion` as text; empty if there is none."""
        return text(self.json.get("fhirVersion"))

    @property
    def operations(self) -> tuple[tuple[str, str], ...]:
        """System level operations as (name, definition)."""
        return _operations(self.rest.get("operation"))

    @property
    def profiles(self) -> frozenset[str]:
        """Every supportedProfile, without `|version`."""
        return frozenset(without_version(profile) for one in self.resources for profile in one.profiles)

    @property
    def canonicals(self) -> frozenset[str]:
        """`instantiates`, `imports` and `implementationGuide`, without `|version`."""
        named = [*items(self.json.get("instantiates")), *items(self.json.get("imports"))]
        named += items(self.json.get("implementationGuide"))
        return frozenset(without_version(text(one)) for one in named if text(one))

    @property
    def us_core_versions(self) -> tuple[int, ...]:
        """The major versions of US Core that `instantiates` and `implementationGuide` name, sorted."""
        named = [*items(self.json.get("instantiates")), *items(self.json.get("implementationGuide"))]
        versions = [text(one).partition("|")[2] for one in named if text(one).startswith(US_CORE)]
        return tuple(sorted({int(one[1]) for one in map(_MAJOR.match, versions) if one is not None}))

    @property
    def security(self) -> dict[str, JSON]:
        """`rest[server].security`; empty if there is none."""
        security = self.rest.get("security")
        return security if isinstance(security, dict) else {}

    def resource(self, type_: str) -> DeclaredResource | None:
        """What is declared of that type, or None."""
        return next((one for one in self.resources if one.type == type_), None)

    def cite(self, pointer: str = "") -> Citation:
        """A place in the statement: a JSON pointer from its root."""
        return self.answer.cite(pointer)

    def cite_rest(self, pointer: str = "") -> Citation:
        """A place in its server part: a JSON pointer from there. Without a server part, what stands in its place."""
        if self.rest_index is None:
            return self.answer.cite("/rest" if "rest" in self.json else "")
        return self.answer.cite(f"/rest/{self.rest_index}{pointer}")


@observation(asks=("GET [base]/metadata",), requests=2, chain=1)
async def metadata_answer(session: Session) -> Exchange:
    """What `GET [base]/metadata` answers, whatever it is; after 406 or 415 once more with the other JSON media type."""
    answer = await session.get("metadata", bearer="none")
    if answer.status in (406, 415):
        other = await session.get("metadata", accept=LEGACY_JSON, bearer="none", label="application/json")
        return other if other.status == 200 else answer
    return answer


@observation(asks=("GET [base]/metadata, with the token, after a 401",), needs=(metadata_answer,))
async def capability_statement(session: Session) -> CapabilityStatement:
    """The CapabilityStatement, if the server served one as JSON (behind a login only if this run has a token)."""
    answer = (await session.see(metadata_answer)).value
    if closed(answer) and session.has_credentials:
        answer = await session.get("metadata", label="with the token")
    if how := closed(answer):
        session.trouble("protected", f"The server asks for a login before it shows /metadata ({how}).")
    if answer.status != 200:
        session.trouble("no_data", f"The server serves no CapabilityStatement (status {answer.status}).")
    refuse_disguise(session, answer, "its CapabilityStatement")
    document = answer.document
    if answer.resource_type != "CapabilityStatement":
        session.trouble("masquerade", "What the server serves at /metadata is not a CapabilityStatement.")
    return read_statement(answer, document)


def read_statement(answer: Exchange, document: dict[str, JSON]) -> CapabilityStatement:
    """Read a statement that a stranger wrote: members of the wrong type count as not there."""
    rests = document.get("rest")
    servers = [
        (index, one)
        for index, one in enumerate(rests if isinstance(rests, list) else [])
        if isinstance(one, dict) and one.get("mode") == "server"
    ]
    if not servers:
        return CapabilityStatement(answer, document, None)
    index, rest = servers[0]
    declared = rest.get("resource")
    resources = tuple(
        DeclaredResource(
            type=text(one.get("type")),
            index=place,
            interactions=frozenset(
                text(each.get("code")) for each in items(one.get("interaction")) if _is_object(each)
            ),
            search_params=frozenset(
                text(each.get("name")) for each in items(one.get("searchParam")) if _is_object(each)
            ),
            profiles=tuple(text(each) for each in items(one.get("supportedProfile")) if text(each)),
            operations=_operations(one.get("operation")),
        )
        for place, one in enumerate(declared if isinstance(declared, list) else [])
        if isinstance(one, dict) and text(one.get("type"))
    )
    return CapabilityStatement(answer, document, index, rest, resources)


def _operations(value: JSON) -> tuple[tuple[str, str], ...]:
    return tuple(
        (text(one.get("name")), without_version(text(one.get("definition")))) for one in items(value) if _is_object(one)
    )


def _is_object(value: JSON) -> bool:
    return isinstance(value, dict)


def items(value: JSON) -> list[JSON]:
    """The value if it is a list, else an empty list."""
    return value if isinstance(value, list) else []


def text(value: JSON) -> str:
    """The value if it is text, else an empty text."""
    return value if isinstance(value, str) else ""


def without_version(canonical: str) -> str:
    """A canonical URL without its `|version`."""
    return canonical.partition("|")[0]
