"""The user-access brands of the sandbox: whose patients it serves, under which names (SMART App Launch 2.2.0)."""

from collections.abc import Set

from prober.sandbox.outcome import Json

PATH = "/brands"
PRIMARY: Json = {"system": "urn:ietf:rfc:3986", "value": "https://hospital.prober.example"}
ETAG = 'W/"2026-02-01"'
_CHANGED = "2026-02-01T08:00:00Z"
_STRUCTURE = "http://hl7.org/fhir/StructureDefinition"
_HL7 = "http://terminology.hl7.org/CodeSystem"


def primary(defects: Set[str]) -> Json:
    """The `user_access_brand_identifier` of the SMART configuration."""
    return {**PRIMARY, "value": "https://elsewhere.prober.example"} if "brands_primary_unknown" in defects else PRIMARY


def bundle(base: str, defects: Set[str]) -> Json:
    """The bundle of brands (brands.html#brand-bundle-profile): a hospital with its portal, and a clinic within it."""
    own = "https://other.prober.example/fhir" if "brands_without_base" in defects else base
    resources = [
        _brand(
            "hospital",
            "Make-Believe General Hospital",
            PRIMARY["value"],
            {"extension": [_portal("Make-Believe Portal", "https://portal.prober.example")]},
        ),
        _brand(
            "clinic",
            "Make-Believe Outpatient Clinic",
            "https://clinic.prober.example",
            {"partOf": {"reference": "Organization/hospital"}},
        ),
        _endpoint("r4", own),
    ]
    if "brands_dangling" in defects:
        resources.append(_endpoint("forgotten", "https://forgotten.prober.example/fhir"))
    return {
        "resourceType": "Bundle",
        "id": "brands",
        "meta": {"lastUpdated": _CHANGED},
        "type": "collection",
        "timestamp": _CHANGED,
        "entry": [
            {"fullUrl": f"https://hospital.prober.example/{one['resourceType']}/{one['id']}", "resource": one}
            for one in resources
        ],
    }


def _brand(identity: str, name: str, website: str, more: Json) -> Json:
    return {
        "resourceType": "Organization",
        "id": identity,
        "active": True,
        "identifier": [{"system": PRIMARY["system"], "value": website}],
        "type": [{"coding": [{"system": f"{_HL7}/organization-type", "code": "prov"}]}],
        "name": name,
        "telecom": [{"system": "url", "value": website}],
        "address": [{"city": "Nowhere", "state": "MA", "postalCode": "00000", "country": "US"}],
        "endpoint": [{"reference": "Endpoint/r4"}],
        **more,
    }


def _portal(name: str, url: str) -> Json:
    return {
        "url": f"{_STRUCTURE}/organization-portal",
        "extension": [
            {"url": "portalName", "valueString": name},
            {"url": "portalUrl", "valueUrl": url},
            {"url": "portalEndpoint", "valueReference": {"reference": "Endpoint/r4"}},
        ],
    }


def _endpoint(identity: str, address: str) -> Json:
    return {
        "resourceType": "Endpoint",
        "id": identity,
        "extension": [{"url": f"{_STRUCTURE}/endpoint-fhir-version", "valueCode": "4.0.1"}],
        "status": "active",
        "connectionType": {"system": f"{_HL7}/endpoint-connection-type", "code": "hl7-fhir-rest"},
        "name": "FHIR R4 for patients' apps",
        "contact": [{"system": "url", "value": "https://developers.prober.example"}],
        "payloadType": [{"coding": [{"system": f"{_HL7}/endpoint-payload-type", "code": "none"}]}],
        "address": address,
    }
