"""Does the brand bundle keep the rules by which apps connect a brand with its endpoints?"""

from collections.abc import Callable, Iterator

from prober.api import JSON, Citation, Seen, Verdict, absent, not_applicable, present, probe
from prober.observations import BrandBundle, BrandEntry, brand_bundle, items, reason_for_absence, text

IDENTIFIER = "user_access_brand_identifier"
CONNECTION = ("http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "hl7-fhir-rest")
PAYLOAD = ("http://terminology.hl7.org/CodeSystem/endpoint-payload-type", "none")
REASONS = frozenset({"asked-declined", "asked-unknown"})

Fault = tuple[str, str, Citation]
"""A word for machines, a sentence for people, and the place."""


@probe(brand_bundle)
def judge(seen: Seen[BrandBundle | None]) -> Verdict:
    bundle = seen.value
    if bundle is None:
        return not_applicable("The server publishes no brand bundle.")
    counts: dict[str, JSON] = {"brands": len(bundle.brands), "endpoints": len(bundle.endpoints)}
    first = next(_faults(bundle), None)
    if first is not None:
        fault, message, place = first
        return absent(message, place, values={"fault": fault, **counts})
    return present(
        "The brand bundle keeps the rules of the guide that it can be held against.", bundle.cite(), values=counts
    )


def _faults(bundle: BrandBundle) -> Iterator[Fault]:
    meta = bundle.json.get("meta")
    if not (isinstance(meta, dict) and text(meta.get("lastUpdated"))):
        place = bundle.cite("/meta" if "meta" in bundle.json else "")
        yield "last_updated", "The brand bundle does not say in meta.lastUpdated when it was last changed.", place
    yield from _each(bundle, bundle.brands, _brand_fault)
    yield from _each(bundle, bundle.endpoints, _endpoint_fault)
    yield from _unreferenced(bundle)
    yield from _forbidden_reasons(bundle)
    yield from _primary(bundle)


def _each(
    bundle: BrandBundle,
    entries: tuple[BrandEntry, ...],
    fault_of: Callable[[BrandBundle, BrandEntry], tuple[str, str, str] | None],
) -> Iterator[Fault]:
    for one in entries:
        fault = fault_of(bundle, one)
        if fault is not None:
            kind, message, member = fault
            yield kind, message, bundle.cite(one.pointer + (f"/{member}" if member in one.json else ""))


def _brand_fault(bundle: BrandBundle, brand: BrandEntry) -> tuple[str, str, str] | None:
    if not text(brand.json.get("name")).strip() and reason_for_absence(brand.json.get("_name")) is None:
        return "name", "A brand in the brand bundle has no name.", "name"
    websites = items(brand.json.get("telecom"))
    if len(websites) != 1 or not _website(websites[0]):
        return "website", "A brand does not have exactly one telecom with the address of its website.", "telecom"
    if not all(map(bundle.places, brand.references)):
        return "reference", "A brand refers to an endpoint that is not in the brand bundle.", "endpoint"
    if not set(brand.portal_references) <= set(brand.references):
        return "portal", "An endpoint of a brand's portal is not among the endpoints of the brand.", "extension"
    return None


def _website(telecom: JSON) -> bool:
    if not isinstance(telecom, dict):
        return False
    if any(reason_for_absence(one) is not None for one in (telecom, telecom.get("_value"))):
        return True
    return telecom.get("system") == "url" and bool(text(telecom.get("value")).strip())


def _endpoint_fault(_: BrandBundle, endpoint: BrandEntry) -> tuple[str, str, str] | None:
    json = endpoint.json
    if not endpoint.address:
        return "address", "An endpoint in the brand bundle has no address.", "address"
    if not text(json.get("status")):
        return "status", "An endpoint in the brand bundle has no status.", "status"
    if not _is_coding(json.get("connectionType"), CONNECTION):
        return "connection_type", "An endpoint's connectionType is not hl7-fhir-rest.", "connectionType"
    if not endpoint.fhir_versions:
        return "fhir_version", "An endpoint does not say in endpoint-fhir-version which FHIR it speaks.", "extension"
    contacts = [one for one in _objects(json.get("contact")) if one.get("system") == "url"]
    if not any(text(one.get("value")) for one in contacts):
        return "contact", "An endpoint has no contact with the address of a page for developers.", "contact"
    payloads = _objects(json.get("payloadType"))
    codings = [coding for one in payloads for coding in items(one.get("coding"))]
    if len(payloads) != 1 or not any(_is_coding(one, PAYLOAD) for one in codings):
        return "payload_type", "An endpoint's payloadType is not the one code none.", "payloadType"
    return None


def _unreferenced(bundle: BrandBundle) -> Iterator[Fault]:
    named = {place for brand in bundle.brands for one in brand.references for place in bundle.places(one)}
    for one in bundle.endpoints:
        if one.index not in named:
            yield "unreferenced", "No brand refers to an endpoint in the brand bundle.", bundle.cite(one.pointer)


def _forbidden_reasons(bundle: BrandBundle) -> Iterator[Fault]:
    for entry in (*bundle.brands, *bundle.endpoints):
        waiting: list[JSON] = [entry.json]
        while waiting:
            one = waiting.pop()
            reason = reason_for_absence(one)
            if reason is not None and reason not in REASONS:
                message = "The brand bundle gives another reason for absent data than asked-declined and asked-unknown."
                yield "absent_reason", message, bundle.cite(entry.pointer)
                return
            waiting.extend(one.values() if isinstance(one, dict) else items(one))


def _primary(bundle: BrandBundle) -> Iterator[Fault]:
    given, place = bundle.smart.json.get(IDENTIFIER), bundle.smart.cite(f"/{IDENTIFIER}")
    if given is None:
        if len(bundle.brands) > 1:
            message = f"The brand bundle holds several brands, and the SMART configuration has no {IDENTIFIER}."
            yield "no_identifier", message, bundle.smart.cite()
        return
    value = text(given.get("value")) if isinstance(given, dict) else ""
    if not isinstance(given, dict) or not value:
        yield "identifier_value", f"The {IDENTIFIER} of the SMART configuration has no value.", place
        return
    system = text(given.get("system"))
    fitting = sum(
        any(theirs == value and system in ("", its) for its, theirs in brand.identifiers) for brand in bundle.brands
    )
    if fitting != 1:
        many = "no brand" if not fitting else f"{fitting} brands"
        message = f"The {IDENTIFIER} must mean exactly one brand of the brand bundle, and it means {many}."
        yield "identifier", message, place


def _is_coding(value: JSON, wanted: tuple[str, str]) -> bool:
    return isinstance(value, dict) and (text(value.get("system")), text(value.get("code"))) == wanted


def _objects(value: JSON) -> list[dict[str, JSON]]:
    return [one for one in items(value) if isinstance(one, dict)]
