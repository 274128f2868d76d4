"""Puts fictional US Core patients on the HAPI server that scripts/hapi started, through its REST API."""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
READY_WITHIN_S = 60.0

Resource = dict[str, Any]


class Person(NamedTuple):
    """One fictional patient: race and problem are a code and its words; the pulse is per minute, HbA1c in %."""

    given: str
    family: str
    gender: str
    born: str
    race: tuple[str, str]
    problem: tuple[str, str]
    pulse: int
    hba1c: float


WHITE = ("2106-3", "White")
BLACK = ("2054-5", "Black or African American")
ASIAN = ("2028-9", "Asian")
NATIVE = ("1002-5", "American Indian or Alaska Native")
DIABETES = ("44054006", "Type 2 diabetes mellitus")
HYPERTENSION = ("38341003", "Hypertensive disorder")
ASTHMA = ("195967001", "Asthma")
MIGRAINE = ("37796009", "Migraine")
ANEMIA = ("271737000", "Anemia")

PEOPLE = (
    Person("Ada", "Quillfeather", "female", "1951-03-14", WHITE, DIABETES, 72, 7.4),
    Person("Bertram", "Okonjo-Vale", "male", "1964-11-02", BLACK, HYPERTENSION, 81, 5.6),
    Person("Celestine", "Marrowby", "female", "1978-07-29", ASIAN, ASTHMA, 66, 5.2),
    Person("Dmitri", "Fennimore", "male", "1983-01-19", WHITE, MIGRAINE, 70, 5.1),
    Person("Esperanza", "Tallow", "female", "1990-05-08", WHITE, ANEMIA, 88, 5.0),
    Person("Finnegan", "Achebe-Stone", "male", "1996-09-23", BLACK, HYPERTENSION, 75, 5.7),
    Person("Guinevere", "Sandoval", "female", "2001-12-31", WHITE, ASTHMA, 69, 4.9),
    Person("Hideo", "Pemberwick", "male", "2008-02-29", ASIAN, ASTHMA, 92, 5.0),
    Person("Isolde", "Whitlock", "female", "2015-06-17", BLACK, MIGRAINE, 98, 4.8),
    Person("Jasper", "Redfeather", "male", "1947-10-05", NATIVE, DIABETES, 77, 8.1),
)
GROUP_SIZE = 3


def patient_id(number: int) -> str:
    """The id of the patient with this number, counted from 1: `hapi-patient-01` and so on."""
    return f"hapi-patient-{number:02}"


def concept(system: str, code: str, text: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def meta(profile: str) -> Resource:
    test_data = {"system": f"{TERMINOLOGY}v3-ActReason", "code": "HTEST", "display": "test health data"}
    return {"profile": [US_CORE + profile], "security": [test_data]}


def omb_extension(profile: str, code: str, text: str) -> Resource:
    coding = {"system": "urn:oid:2.16.840.1.113883.6.238", "code": code, "display": text}
    return {
        "url": US_CORE + profile,
        "extension": [{"url": "ombCategory", "valueCoding": coding}, {"url": "text", "valueString": text}],
    }


def patient(number: int, person: Person) -> Resource:
    return {
        "resourceType": "Patient",
        "id": patient_id(number),
        "meta": meta("us-core-patient"),
        "extension": [
            omb_extension("us-core-race", *person.race),
            omb_extension("us-core-ethnicity", "2186-5", "Not Hispanic or Latino"),
        ],
        "identifier": [{"system": "https://example.org/medical-record-number", "value": f"HAPI{number:04}"}],
        "active": True,
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "telecom": [{"system": "phone", "value": f"555-01{number:02}", "use": "home"}],
        "gender": person.gender,
        "birthDate": person.born,
        "address": [
            {
                "use": "home",
                "line": [f"{number} Example Street"],
                "city": "Springfield",
                "state": "VT",
                "postalCode": "05156",
                "country": "US",
            }
        ],
        "generalPractitioner": [{"reference": "Practitioner/hapi-practitioner"}],
        "managingOrganization": {"reference": "Organization/hapi-organization"},
    }


def condition(number: int, person: Person) -> Resource:
    return {
        "resourceType": "Condition",
        "id": f"hapi-condition-{number:02}",
        "meta": meta("us-core-condition-problems-health-concerns"),
        "clinicalStatus": concept(f"{TERMINOLOGY}condition-clinical", "active", "Active"),
        "verificationStatus": concept(f"{TERMINOLOGY}condition-ver-status", "confirmed", "Confirmed"),
        "category": [concept(f"{TERMINOLOGY}condition-category", "problem-list-item", "Problem List Item")],
        "code": concept("http://snomed.info/sct", *person.problem),
        "subject": {"reference": f"Patient/{patient_id(number)}"},
        "recordedDate": "2024-02-01",
    }


def observation(
    number: int, what: str, profile: str, category: str, code: Resource, value: float, unit: str
) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"hapi-{what}-{number:02}",
        "meta": meta(profile),
        "status": "final",
        "category": [concept(f"{TERMINOLOGY}observation-category", category, category)],
        "code": code,
        "subject": {"reference": f"Patient/{patient_id(number)}"},
        "effectiveDateTime": f"2024-02-{number:02}T09:30:00Z",
        "performer": [{"reference": "Practitioner/hapi-practitioner"}],
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


def heart_rate(number: int, person: Person) -> Resource:
    code = concept("http://loinc.org", "8867-4", "Heart rate")
    return observation(number, "heart-rate", "us-core-heart-rate", "vital-signs", code, person.pulse, "/min")


def hba1c(number: int, person: Person) -> Resource:
    code = concept("http://loinc.org", "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood")
    return observation(number, "hba1c", "us-core-observation-lab", "laboratory", code, person.hba1c, "%")


def organization() -> Resource:
    return {
        "resourceType": "Organization",
        "id": "hapi-organization",
        "meta": meta("us-core-organization"),
        "active": True,
        "name": "Fictional Community Hospital",
    }


def practitioner() -> Resource:
    return {
        "resourceType": "Practitioner",
        "id": "hapi-practitioner",
        "meta": meta("us-core-practitioner"),
        "identifier": [{"system": "https://example.org/staff-number", "value": "HAPI-STAFF-1"}],
        "active": True,
        "name": [{"family": "Umberfield", "given": ["Philippa"], "prefix": ["Dr."]}],
    }


def group() -> Resource:
    members = [{"entity": {"reference": f"Patient/{patient_id(number)}"}} for number in range(1, GROUP_SIZE + 1)]
    return {
        "resourceType": "Group",
        "id": "hapi-group",
        "active": True,
        "type": "person",
        "actual": True,
        "name": "Three fictional patients",
        "quantity": len(members),
        "member": members,
    }


def resources() -> Iterator[Resource]:
    """Every resource that is loaded, each with its fixed id."""
    yield organization()
    yield practitioner()
    for number, person in enumerate(PEOPLE, start=1):
        yield patient(number, person)
        yield condition(number, person)
        yield heart_rate(number, person)
        yield hba1c(number, person)
    yield group()


def transaction() -> Resource:
    """One FHIR transaction that creates or replaces everything (R4, http.html#transaction)."""
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in resources()
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def call(base: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Asks the server on loopback directly: a proxy from the environment must not see this.

    Raises OSError or http.client.HTTPException if it does not answer.
    """
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    headers = {"Accept": "application/fhir+json"}
    if body is not None:
        headers["Content-Type"] = "application/fhir+json"
    try:
        connection.request(method, parts.path + path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_until_ready(base: str) -> None:
    """Returns when `metadata` answers 200; raises TimeoutError with the last answer otherwise."""
    give_up = time.monotonic() + READY_WITHIN_S
    last = "no answer"
    while time.monotonic() < give_up:
        try:
            status, _ = call(base, "GET", "/metadata")
        except (OSError, http.client.HTTPException) as error:
            last = str(error)
        else:
            if status == http.HTTPStatus.OK:
                return
            last = f"status {status}"
        time.sleep(0.3)
    raise TimeoutError(f"{base}/metadata did not become ready within {READY_WITHIN_S:.0f} s ({last}).")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("Usage: load.py BASE_URL.", file=sys.stderr)
        return 2
    base = arguments[0].rstrip("/")
    try:
        wait_until_ready(base)
        bundle = transaction()
        status, answer = call(base, "POST", "", json.dumps(bundle).encode())
    except (OSError, http.client.HTTPException) as error:
        print(f"The data could not be loaded: {error}", file=sys.stderr)
        return 1
    if status != http.HTTPStatus.OK:
        words = answer[:2000].decode(errors="replace")
        print(f"The data could not be loaded: the server answered {status}: {words}", file=sys.stderr)
        return 1
    print(f"Loaded {len(bundle['entry'])} fictional resources.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
