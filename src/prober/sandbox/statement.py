"""The CapabilityStatement of the sandbox, its older and its broken relatives, and the answer to $versions."""

import json
from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType
from xml.sax.saxutils import quoteattr

from prober.sandbox.data import US_CORE, US_CORE_VERSION
from prober.sandbox.outcome import Json
from prober.sandbox.search import COMMON, PARAMETERS

FHIR_VERSION = "4.0.1"
_DATE = "2026-03-01T00:00:00Z"
BULK = "http://hl7.org/fhir/uv/bulkdata"
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_PROFILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Patient": ("patient",),
        "Observation": ("body-weight", "blood-pressure", "observation-lab"),
        "Condition": ("condition-problems-health-concerns", "condition-encounter-diagnosis"),
        "AllergyIntolerance": ("allergyintolerance",),
        "Immunization": ("immunization",),
        "MedicationRequest": ("medicationrequest",),
        "Encounter": ("encounter",),
        "DocumentReference": ("documentreference",),
        "Procedure": ("procedure",),
        "DiagnosticReport": ("diagnosticreport-lab",),
        "Practitioner": ("practitioner",),
        "Organization": ("organization",),
        "Location": ("location",),
        "Group": (),
    }
)
_EXPORTS = {"Patient": "patient-export", "Group": "group-export"}
RESOURCE_TYPES = tuple(_PROFILES)


def _resource(kind: str, boilerplate: bool, profiled: bool) -> Json:
    declared: Json = {"type": kind}
    profiles = [f"{US_CORE}/us-core-{name}" for name in _PROFILES[kind]]
    if profiles and profiled and not boilerplate:
        declared["supportedProfile"] = profiles
    if not boilerplate:
        declared["interaction"] = [{"code": "read"}, {"code": "search-type"}]
        declared["versioning"] = "versioned"
        declared["searchParam"] = [
            {"name": name, "type": parameter.kind} for name, parameter in {**COMMON, **PARAMETERS[kind]}.items()
        ]
    if kind in _EXPORTS:
        declared["operation"] = [
            {"name": "export", "definition": f"{BULK}/OperationDefinition/{_EXPORTS[kind]}"},
        ]
    return declared


def security(addresses: Mapping[str, str], defects: Set[str]) -> Json:
    """What the statement says of OAuth at `addresses` (FHIR R4, capabilitystatement.html, rest.security)."""
    suffix = "-old" if "smart_disagrees" in defects else ""
    declared: Json = {
        "extension": [
            {
                "url": _OAUTH_URIS,
                "extension": [
                    {"url": "authorize", "valueUri": addresses["authorization_endpoint"] + suffix},
                    {"url": "token", "valueUri": addresses["token_endpoint"] + suffix},
                ],
            }
        ],
        "cors": "no_cors" not in defects,
    }
    if "smart_not_declared" in defects:
        del declared["extension"]
    else:
        declared["service"] = [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                        "display": "SMART-on-FHIR",
                    }
                ],
                "text": "OAuth2 by SMART App Launch.",
            }
        ]
    declared["description"] = "Everything but discovery needs a bearer token."
    return declared


def capability_statement(base: str, addresses: Mapping[str, str], defects: Set[str]) -> Json:
    """The CapabilityStatement served for `base` (FHIR R4, capabilitystatement.html)."""
    boilerplate = "statement_boilerplate" in defects
    profiled = "national_core_missing" not in defects
    url = "http://fhir-app-01.corp.internal:8080/fhir" if "internal_implementation_url" in defects else base
    statement: Json = {
        "resourceType": "CapabilityStatement",
        "id": "sandbox",
        "name": "ProberSandbox",
        "title": "The sandbox of prober",
        "status": "active",
        "experimental": True,
        "date": _DATE,
        "publisher": "The prober project",
        "contact": [{"name": "The prober project", "telecom": [{"system": "url", "value": "https://prober.example"}]}],
        "description": "A small FHIR server with invented patients, made to try prober on.",
        "kind": "instance",
        "instantiates": [
            f"http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server|{US_CORE_VERSION}",
            f"{BULK}/CapabilityStatement/bulk-data",
        ],
        "software": {"name": "prober sandbox", "version": "1.0.0"},
        "implementation": {"description": "The sandbox that answers at this address", "url": url},
        "fhirVersion": FHIR_VERSION,
        "format": ["application/fhir+json", "json"],
        "implementationGuide": [f"http://hl7.org/fhir/us/core/ImplementationGuide/hl7.fhir.us.core|{US_CORE_VERSION}"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Read and search only; GET and POST searches; bulk export by GET and POST.",
                "security": security(addresses, defects),
                "resource": [_resource(kind, boilerplate, profiled) for kind in RESOURCE_TYPES],
                "searchParam": [
                    *({"name": name, "type": parameter.kind} for name, parameter in COMMON.items()),
                    {"name": "_count", "type": "number", "documentation": "The size of a page, at most 100."},
                    {"name": "_summary", "type": "token", "documentation": "Only the values count and false."},
                ],
                "operation": [
                    {
                        "name": "versions",
                        "definition": "http://hl7.org/fhir/OperationDefinition/CapabilityStatement-versions",
                    },
                    {"name": "export", "definition": f"{BULK}/OperationDefinition/export"},
                ],
            }
        ],
    }
    if not profiled:
        statement["instantiates"] = [f"{BULK}/CapabilityStatement/bulk-data"]
        del statement["implementationGuide"]
    if boilerplate:
        for name in ("instantiates", "implementationGuide", "title", "publisher", "contact"):
            statement.pop(name, None)
        statement["software"] = {"name": "FHIR Server"}
        del statement["rest"][0]["searchParam"]
    if "statement_unsound" in defects:
        statement["kind"] = "capability"
        del statement["date"], statement["format"]
    if "metadata_stu3" in defects:
        statement |= {"fhirVersion": "3.0.1", "acceptUnknown": "no"}
    return statement


def conformance(base: str) -> Json:
    """The DSTU2 forerunner of the CapabilityStatement (FHIR DSTU2, conformance.html)."""
    return {
        "resourceType": "Conformance",
        "status": "active",
        "date": "2016-03-01",
        "kind": "instance",
        "software": {"name": "prober sandbox", "version": "0.2.0"},
        "implementation": {"description": "The sandbox as it would have been in 2016", "url": base},
        "fhirVersion": "1.0.2",
        "acceptUnknown": "no",
        "format": ["application/json+fhir"],
        "rest": [
            {
                "mode": "server",
                "resource": [{"type": "Patient", "interaction": [{"code": "read"}, {"code": "search-type"}]}],
            }
        ],
    }


def as_xml(base: str) -> str:
    """A short CapabilityStatement in XML, for the server that knows nothing else."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><CapabilityStatement xmlns="http://hl7.org/fhir">'
        f'<status value="active"/><date value="{_DATE}"/><kind value="instance"/>'
        '<software><name value="prober sandbox"/><version value="1.0.0"/></software>'
        f'<implementation><description value="The sandbox"/><url value={quoteattr(base)}/></implementation>'
        f'<fhirVersion value="{FHIR_VERSION}"/><format value="application/fhir+xml"/>'
        '<rest><mode value="server"/></rest></CapabilityStatement>'
    )


def with_duplicate_keys(statement: Json) -> str:
    """The statement as JSON text in which the member `status` stands twice with different values."""
    return '{"status":"draft",' + json.dumps(statement, separators=(",", ":"))[1:]


def versions(plain: bool) -> Json:
    """The answer to $versions: a Parameters resource, or plain JSON.

    FHIR R4, capabilitystatement-operation-versions.html.
    """
    number = FHIR_VERSION.rpartition(".")[0]
    if plain:
        return {"versions": [number], "default": number}
    listed: Sequence[Json] = ({"name": "version", "valueCode": number}, {"name": "default", "valueCode": number})
    return {"resourceType": "Parameters", "parameter": list(listed)}
