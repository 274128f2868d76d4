"""User-access brands: the names by which patients know a provider, and the endpoints behind them (SMART 2.2.0)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Citation
from prober.observations.answers import not_there
from prober.observations.authorization_documents import Published, published
from prober.observations.capability_statement import items, text
from prober.observations.disguises import refuse_disguise
from prober.observations.smart_configuration import SmartConfiguration, smart_configuration
from prober.observations.web_addresses import difference, is_absolute, leads_away
from prober.redact.published import PUBLIC_TYPES, PUBLISHED_BUNDLES
from prober.session.ask import FHIR_JSON
from prober.session.observation import observation
from prober.session.session import Session
from prober.session.withheld import closed

LINK, PRIMARY = "user_access_brand_bundle", "user_access_brand_identifier"
FHIR_VERSION = "http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version"
_PORTAL = "http://hl7.org/fhir/StructureDefinition/organization-portal"
_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@dataclass(frozen=True)
class BrandEntry:
    """An Organization or an Endpoint of a brand bundle, with the place of its entry."""

    index: int
    json: dict[str, JSON]
    full_url: str = ""

    @property
    def pointer(self) -> str:
        """Where it stands in the bundle (RFC 6901)."""
        return f"/entry/{self.index}/resource"

    @property
    def address(self) -> str:
        """`Endpoint.address`, without a slash at its end; empty if it is no text."""
        return text(self.json.get("address")).strip().rstrip("/")

    @property
    def fhir_versions(self) -> tuple[str, ...]:
        """The versions of FHIR that an Endpoint says to speak (extension `endpoint-fhir-version`)."""
        found = (text(one.get("valueCode")) for one in _extensions(self.json, FHIR_VERSION))
        return tuple(one for one in found if one)

    @property
    def identifiers(self) -> frozenset[tuple[str, str]]:
        """System (empty if it has none) and value of every identifier that has a value."""
        found = (one for one in items(self.json.get("identifier")) if isinstance(one, dict))
        return frozenset((text(one.get("system")), text(one.get("value"))) for one in found if text(one.get("value")))

    @property
    def references(self) -> tuple[str, ...]:
        """The references in `Organization.endpoint`, in their order; an entry that names nothing is an empty text."""
        return tuple(_reference(one) for one in items(self.json.get("endpoint")))

    @property
    def portal_references(self) -> tuple[str, ...]:
        """The references of the portals (extension `organization-portal`, `portalEndpoint`), in their order."""
        found = (
            _reference(inner.get("valueReference"))
            for portal in _extensions(self.json, _PORTAL)
            for inner in _extensions(portal, "portalEndpoint")
        )
        return tuple(one for one in found if one)


@dataclass(frozen=True)
class BrandBundle:
    """A bundle of user-access brands, and the SMART configuration that links it. Wrong types read as not there."""

    smart: SmartConfiguration
    answer: Exchange
    json: dict[str, JSON]
    base: str

    @cached_property
    def brands(self) -> tuple[BrandEntry, ...]:
        """The Organizations, in their order."""
        return tuple(_entries(self.json, "Organization"))

    @cached_property
    def endpoints(self) -> tuple[BrandEntry, ...]:
        """The Endpoints, in their order."""
        return tuple(_entries(self.json, "Endpoint"))

    def is_base(self, endpoint: BrandEntry) -> bool:
        """True if this endpoint is the FHIR base that was asked."""
        return is_absolute(endpoint.address) and difference(endpoint.address, self.base) is None

    def places(self, reference: str) -> frozenset[int]:
        """The places of the Endpoints in this bundle that a reference means (FHIR R4, bundle.html#references).

        By the full URL of the entry, as `Endpoint/ID`, or by the ID in a URL where the entry has no URL of its own.
        """
        plain = reference.partition("/_history/")[0]
        by_url, by_id = self._named
        return by_url.get(plain) or by_id.get("/".join(plain.split("/")[-2:]), frozenset())

    @cached_property
    def _named(self) -> tuple[dict[str, frozenset[int]], dict[str, frozenset[int]]]:
        """Endpoints by all that names them, and those whose entry has no URL by their id alone."""
        named: dict[str, set[int]] = {}
        bare: dict[str, set[int]] = {}
        for one in self.endpoints:
            by_id = f"Endpoint/{text(one.json.get('id'))}"
            for name in filter(None, (one.full_url, by_id)):
                named.setdefault(name, set()).add(one.index)
            if not one.full_url:
                bare.setdefault(by_id, set()).add(one.index)
        named.pop("Endpoint/", None)
        bare.pop("Endpoint/", None)
        return _frozen(named), _frozen(bare)

    def cite(self, pointer: str = "") -> Citation:
        """A place in the bundle."""
        return self.answer.cite(pointer)


@observation(asks=(f"GET [{LINK}]",), requests=1, needs=(smart_configuration,))
async def brands_answer(session: Session) -> Published:
    """What `user_access_brand_bundle` of the SMART configuration answers, whatever it is."""
    return await published(session, LINK, accept=FHIR_JSON)


@observation(needs=(brands_answer,), requests=0)
async def brand_bundle(session: Session) -> BrandBundle | None:
    """The bundle of user-access brands, or None if none is linked, or the server says that there is none."""
    found = (await session.see(brands_answer)).value
    if found.smart is None or found.answer is None:
        return None
    answer = found.answer
    if how := closed(answer):
        session.trouble("protected", f"The server asks for a login before it shows its brands ({how}).")
    if leads_away(answer):
        session.trouble("no_data", "The address of the brand bundle redirects to another host.")
    if not_there(answer):
        return None
    if answer.status != 200:
        session.trouble("no_data", f"Status {answer.status} neither shows brands nor says that there are none.")
    refuse_disguise(session, answer, "the brand bundle")
    if answer.resource_type != "Bundle":
        session.trouble("masquerade", "What is served at the address of the brand bundle is no Bundle.")
    if not session.synthetic and not is_for_everybody(answer.document):
        message = "The brand bundle also holds resources that may be somebody's records, so its words were not kept."
        session.trouble("no_data", message)
    return BrandBundle(found.smart, answer, answer.document, session.base)


def is_for_everybody(bundle: JSON) -> bool:
    """True if anybody may read every resource in it: of a real server, only such a bundle is kept as it was served."""
    waiting = [bundle]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict) and "resourceType" in one and not _is_public(one):
            return False
        inner = one.values() if isinstance(one, dict) else items(one)
        waiting.extend(part for part in inner if isinstance(part, dict | list))
    return True


def _is_public(resource: dict[str, JSON]) -> bool:
    kind = text(resource["resourceType"])
    return text(resource.get("type")) in PUBLISHED_BUNDLES if kind == "Bundle" else kind in PUBLIC_TYPES


def reason_for_absence(value: JSON) -> str | None:
    """The code of a data-absent-reason directly on this element (empty if it has none); None without the extension."""
    found = next(_extensions(value, _ABSENT_REASON), None)
    return None if found is None else text(found.get("valueCode"))


def _entries(bundle: dict[str, JSON], kind: str) -> Iterator[BrandEntry]:
    for index, entry in enumerate(items(bundle.get("entry"))):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(entry, dict) and isinstance(resource, dict) and resource.get("resourceType") == kind:
            yield BrandEntry(index, resource, text(entry.get("fullUrl")))


def _extensions(element: JSON, url: str) -> Iterator[dict[str, JSON]]:
    members = element.get("extension") if isinstance(element, dict) else None
    return (one for one in items(members) if isinstance(one, dict) and one.get("url") == url)


def _frozen(found: dict[str, set[int]]) -> dict[str, frozenset[int]]:
    return {name: frozenset(places) for name, places in found.items()}


def _reference(value: JSON) -> str:
    return text(value.get("reference")) if isinstance(value, dict) else ""
