"""The synthetic US Core records that the sandbox serves: invented people, the same at every start."""

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from prober.sandbox.outcome import Json

GROUP_ID = "cohort-1"
PATIENT_IDS = tuple(f"example-patient-{number:02d}" for number in range(1, 13))
GROUP_MEMBERS = PATIENT_IDS[:3]

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
US_CORE_VERSION = "6.1.0"
_HL7 = "http://terminology.hl7.org/CodeSystem"
_LOINC = "http://loinc.org"
_SNOMED = "http://snomed.info/sct"
_UCUM = "http://unitsofmeasure.org"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_OMB = "urn:oid:2.16.840.1.113883.6.238"
_IDENTIFIERS = "https://sandbox.prober.example/identifiers"

_FAMILIES = ("Example", "Specimen", "Placeholder", "Fictitious", "Imaginary", "Sample")
_GIVEN = ("Ada", "Bruno", "Clara", "Dario", "Edda", "Felix", "Greta", "Hugo", "Ida", "Jonas", "Karla", "Leo")
_RACES = (("2106-3", "White"), ("2054-5", "Black or African American"), ("2028-9", "Asian"))
_PROBLEMS = (
    ("38341003", "Hypertensive disorder, systemic arterial (disorder)", "High blood pressure"),
    ("44054006", "Diabetes mellitus type 2 (disorder)", "Type 2 diabetes"),
    ("195967001", "Asthma (disorder)", "Asthma"),
)
_ALLERGENS = (("91936005", "Allergy to penicillin (finding)"), ("91935009", "Allergy to peanut (finding)"))
_VACCINES = (("140", "Influenza, split virus, trivalent, PF"), ("115", "Tdap"))
_MEDICATIONS = (("314076", "lisinopril 10 MG Oral Tablet"), ("860975", "metformin hydrochloride 500 MG 24HR Tablet"))

_PRACTITIONER = {"reference": "Practitioner/example-practitioner-01", "display": "Dr. Nora Invented"}
_ORGANIZATION = {"reference": "Organization/example-organization-01", "display": "Make-Believe General Hospital"}
_LOCATION = {"reference": "Location/example-location-01", "display": "Make-Believe Outpatient Clinic"}

Store = Mapping[str, Mapping[str, Json]]


def _concept(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _quantity(value: float, unit: str, code: str) -> Json:
    return {"value": value, "unit": unit, "system": _UCUM, "code": code}


def _resource(kind: str, identity: str, number: int, profile: str | None, content: Json) -> Json:
    meta: Json = {"versionId": "1" if number % 3 else "2", "lastUpdated": f"2026-02-{number + 1:02d}T08:00:00.000Z"}
    if profile:
        meta["profile"] = [f"{US_CORE}/us-core-{profile}"]
    return {"resourceType": kind, "id": identity, "meta": meta, **content}


def _identifier(kind: str, number: int) -> Json:
    return {"system": f"{_IDENTIFIERS}/{kind}", "value": f"{kind.upper()}-{number:04d}"}


def _day(number: int, month: int = 1) -> str:
    return f"2026-{month:02d}-{number + 3:02d}"


def _patient(number: int) -> Json:
    race_code, race = _RACES[number % len(_RACES)]
    female = number % 2 == 1
    given, family = _GIVEN[number - 1], _FAMILIES[number % len(_FAMILIES)]
    return _resource(
        "Patient",
        PATIENT_IDS[number - 1],
        number,
        "patient",
        {
            "extension": [
                {
                    "url": f"{US_CORE}/us-core-race",
                    "extension": [
                        {
                            "url": "ombCategory",
                            "valueCoding": {"system": _OMB, "code": race_code, "display": race},
                        },
                        {"url": "text", "valueString": race},
                    ],
                },
                {
                    "url": f"{US_CORE}/us-core-ethnicity",
                    "extension": [
                        {
                            "url": "ombCategory",
                            "valueCoding": {"system": _OMB, "code": "2186-5", "display": "Not Hispanic or Latino"},
                        },
                        {"url": "text", "valueString": "Not Hispanic or Latino"},
                    ],
                },
                {"url": f"{US_CORE}/us-core-birthsex", "valueCode": "F" if female else "M"},
            ],
            "identifier": [
                {
                    "use": "usual",
                    "type": _concept(f"{_HL7}/v2-0203", "MR", "Medical record number"),
                    **_identifier("patient", number),
                }
            ],
            "active": True,
            "name": [{"use": "official", "family": family, "given": [given, "Test"]}],
            "telecom": [
                {"system": "phone", "value": f"555-555-01{number:02d}", "use": "home"},
                {"system": "email", "value": f"{given.lower()}.{family.lower()}@patients.prober.example"},
            ],
            "gender": "female" if female else "male",
            "birthDate": f"{1940 + 5 * number}-{number:02d}-{2 * number:02d}",
            "address": [
                {
                    "use": "home",
                    "line": [f"{number} Imaginary Lane"],
                    "city": "Nowhere",
                    "state": "MA",
                    "postalCode": "00000",
                    "country": "US",
                }
            ],
            "communication": [{"language": _concept("urn:ietf:bcp:47", "en", "English"), "preferred": True}],
            "managingOrganization": _ORGANIZATION,
        },
    )


def _clinical(number: int) -> list[Json]:
    subject = {"reference": f"Patient/{PATIENT_IDS[number - 1]}"}
    encounter = {"reference": f"Encounter/example-encounter-{number:02d}"}
    problem = _PROBLEMS[number % len(_PROBLEMS)]
    medication = _MEDICATIONS[number % len(_MEDICATIONS)]
    laboratory = f"example-observation-glucose-{number:02d}"
    visit = f"{_day(number)}T09:30:00Z"

    def vital_signs() -> Json:
        return {
            "status": "final",
            "category": [_concept(f"{_HL7}/observation-category", "vital-signs", "Vital Signs")],
            "subject": subject,
            "encounter": encounter,
            "effectiveDateTime": visit,
            "performer": [_PRACTITIONER],
        }

    def condition(category_display: str, category: str) -> Json:
        return {
            "clinicalStatus": _concept(f"{_HL7}/condition-clinical", "active", "Active"),
            "verificationStatus": _concept(f"{_HL7}/condition-ver-status", "confirmed", "Confirmed"),
            "category": [_concept(f"{_HL7}/condition-category", category, category_display)],
            "code": {
                "coding": [{"system": _SNOMED, "code": problem[0], "display": problem[1]}],
                "text": problem[2],
            },
            "subject": subject,
            "onsetDateTime": f"20{10 + number}-03-01",
            "recordedDate": _day(number),
        }

    return [
        _resource(
            "Observation",
            f"example-observation-weight-{number:02d}",
            number,
            "body-weight",
            {
                **vital_signs(),
                "code": _concept(_LOINC, "29463-7", "Body weight"),
                "valueQuantity": _quantity(60 + number / 2, "kg", "kg"),
            },
        ),
        _resource(
            "Observation",
            f"example-observation-pressure-{number:02d}",
            number,
            "blood-pressure",
            {
                **vital_signs(),
                "code": _concept(_LOINC, "85354-9", "Blood pressure panel with all children optional"),
                "component": [
                    {
                        "code": _concept(_LOINC, "8480-6", "Systolic blood pressure"),
                        "valueQuantity": _quantity(112 + number, "mmHg", "mm[Hg]"),
                    },
                    {
                        "code": _concept(_LOINC, "8462-4", "Diastolic blood pressure"),
                        "valueQuantity": _quantity(70 + number, "mmHg", "mm[Hg]"),
                    },
                ],
            },
        ),
        _resource(
            "Observation",
            laboratory,
            number,
            "observation-lab",
            {
                "status": "final",
                "category": [_concept(f"{_HL7}/observation-category", "laboratory", "Laboratory")],
                "code": _concept(_LOINC, "2345-7", "Glucose [Mass/volume] in Serum or Plasma"),
                "subject": subject,
                "encounter": encounter,
                "effectiveDateTime": visit,
                "issued": f"{_day(number)}T11:00:00.000Z",
                "performer": [_ORGANIZATION],
                "valueQuantity": _quantity(80 + number, "mg/dL", "mg/dL"),
                "referenceRange": [{"low": _quantity(70, "mg/dL", "mg/dL"), "high": _quantity(99, "mg/dL", "mg/dL")}],
            },
        ),
        _resource(
            "Condition",
            f"example-condition-problem-{number:02d}",
            number,
            "condition-problems-health-concerns",
            condition("Problem List Item", "problem-list-item"),
        ),
        _resource(
            "Condition",
            f"example-condition-diagnosis-{number:02d}",
            number,
            "condition-encounter-diagnosis",
            {**condition("Encounter Diagnosis", "encounter-diagnosis"), "encounter": encounter},
        ),
        _resource(
            "AllergyIntolerance",
            f"example-allergy-{number:02d}",
            number,
            "allergyintolerance",
            {
                "clinicalStatus": _concept(f"{_HL7}/allergyintolerance-clinical", "active", "Active"),
                "verificationStatus": _concept(f"{_HL7}/allergyintolerance-verification", "confirmed", "Confirmed"),
                "code": _concept(_SNOMED, *_ALLERGENS[number % len(_ALLERGENS)]),
                "patient": subject,
                "recordedDate": _day(number),
                "reaction": [{"manifestation": [_concept(_SNOMED, "247472004", "Wheal (finding)")]}],
            },
        ),
        _resource(
            "Immunization",
            f"example-immunization-{number:02d}",
            number,
            "immunization",
            {
                "status": "completed",
                "vaccineCode": _concept("http://hl7.org/fhir/sid/cvx", *_VACCINES[number % len(_VACCINES)]),
                "patient": subject,
                "encounter": encounter,
                "occurrenceDateTime": visit,
                "primarySource": True,
                "location": _LOCATION,
            },
        ),
        _resource(
            "MedicationRequest",
            f"example-medication-request-{number:02d}",
            number,
            "medicationrequest",
            {
                "status": "active",
                "intent": "order",
                "category": [_concept(f"{_HL7}/medicationrequest-category", "outpatient", "Outpatient")],
                "reportedBoolean": False,
                "medicationCodeableConcept": _concept(_RXNORM, *medication),
                "subject": subject,
                "encounter": encounter,
                "authoredOn": visit,
                "requester": _PRACTITIONER,
                "dosageInstruction": [
                    {
                        "text": "One tablet by mouth every day.",
                        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                        "doseAndRate": [{"doseQuantity": _quantity(1, "tablet", "{tablet}")}],
                    }
                ],
                "dispenseRequest": {"numberOfRepeatsAllowed": 2, "quantity": _quantity(30, "tablet", "{tablet}")},
            },
        ),
        _resource(
            "Encounter",
            f"example-encounter-{number:02d}",
            number,
            "encounter",
            {
                "identifier": [_identifier("encounter", number)],
                "status": "finished",
                "class": {"system": f"{_HL7}/v3-ActCode", "code": "AMB", "display": "ambulatory"},
                "type": [_concept(_SNOMED, "185349003", "Encounter for check up (procedure)")],
                "subject": subject,
                "participant": [
                    {
                        "type": [_concept(f"{_HL7}/v3-ParticipationType", "PPRF", "primary performer")],
                        "individual": _PRACTITIONER,
                    }
                ],
                "period": {"start": f"{_day(number)}T09:00:00Z", "end": f"{_day(number)}T10:00:00Z"},
                "reasonCode": [_concept(_SNOMED, problem[0], problem[1])],
                "location": [{"location": _LOCATION}],
                "serviceProvider": _ORGANIZATION,
            },
        ),
        _resource(
            "DocumentReference",
            f"example-document-{number:02d}",
            number,
            "documentreference",
            {
                "identifier": [_identifier("document", number)],
                "status": "current",
                "type": _concept(_LOINC, "11506-3", "Progress note"),
                "category": [
                    _concept(
                        "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                        "clinical-note",
                        "Clinical Note",
                    )
                ],
                "subject": subject,
                "date": f"{_day(number)}T12:00:00.000Z",
                "author": [_PRACTITIONER],
                "custodian": _ORGANIZATION,
                "content": [
                    {
                        "attachment": {
                            "contentType": "text/plain",
                            "data": b64encode(f"Invented progress note number {number}.".encode()).decode(),
                            "title": "Progress note",
                        },
                        "format": {
                            "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                            "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
                            "display": "mimeType Sufficient",
                        },
                    }
                ],
                "context": {
                    "encounter": [encounter],
                    "period": {"start": f"{_day(number)}T09:00:00Z", "end": f"{_day(number)}T10:00:00Z"},
                },
            },
        ),
        _resource(
            "Procedure",
            f"example-procedure-{number:02d}",
            number,
            "procedure",
            {
                "status": "completed",
                "code": _concept(_SNOMED, "165171009", "Initial patient assessment (procedure)"),
                "subject": subject,
                "encounter": encounter,
                "performedDateTime": visit,
                "performer": [{"actor": _PRACTITIONER}],
            },
        ),
        _resource(
            "DiagnosticReport",
            f"example-report-{number:02d}",
            number,
            "diagnosticreport-lab",
            {
                "status": "final",
                "category": [_concept(f"{_HL7}/v2-0074", "LAB", "Laboratory")],
                "code": _concept(_LOINC, "24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma"),
                "subject": subject,
                "encounter": encounter,
                "effectiveDateTime": visit,
                "issued": f"{_day(number)}T11:30:00.000Z",
                "performer": [_ORGANIZATION],
                "resultsInterpreter": [_PRACTITIONER],
                "result": [{"reference": f"Observation/{laboratory}"}],
            },
        ),
    ]


def _shared() -> list[Json]:
    address = {
        "line": ["1 Make-Believe Road"],
        "city": "Nowhere",
        "state": "MA",
        "postalCode": "00000",
        "country": "US",
    }
    return [
        _resource(
            "Practitioner",
            "example-practitioner-01",
            1,
            "practitioner",
            {
                "identifier": [_identifier("practitioner", 1)],
                "active": True,
                "name": [{"use": "official", "family": "Invented", "given": ["Nora"], "prefix": ["Dr."]}],
                "telecom": [{"system": "phone", "value": "555-555-0190", "use": "work"}],
                "address": [address],
            },
        ),
        _resource(
            "Organization",
            "example-organization-01",
            1,
            "organization",
            {
                "identifier": [_identifier("organization", 1)],
                "active": True,
                "name": "Make-Believe General Hospital",
                "telecom": [{"system": "phone", "value": "555-555-0191"}],
                "address": [address],
            },
        ),
        _resource(
            "Location",
            "example-location-01",
            1,
            "location",
            {
                "status": "active",
                "name": "Make-Believe Outpatient Clinic",
                "telecom": [{"system": "phone", "value": "555-555-0192"}],
                "address": address,
                "managingOrganization": _ORGANIZATION,
            },
        ),
        _resource(
            "Group",
            GROUP_ID,
            1,
            None,
            {
                "identifier": [_identifier("group", 1)],
                "active": True,
                "type": "person",
                "actual": True,
                "name": "Three invented patients",
                "quantity": len(GROUP_MEMBERS),
                "member": [{"entity": {"reference": f"Patient/{member}"}} for member in GROUP_MEMBERS],
            },
        ),
    ]


@cache
def store() -> Store:
    """Every record, by type and then by id, in a stable order; readers must not change what they get."""
    records: dict[str, dict[str, Json]] = {}
    resources = [_patient(number) for number in range(1, len(PATIENT_IDS) + 1)]
    for number in range(1, len(PATIENT_IDS) + 1):
        resources += _clinical(number)
    for resource in resources + _shared():
        records.setdefault(resource["resourceType"], {})[resource["id"]] = resource
    return MappingProxyType({kind: MappingProxyType(entries) for kind, entries in records.items()})


def patient_of(resource: Json) -> str | None:
    """The id of the patient whose record this is (the Patient compartment), or None."""
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    reference = (resource.get("subject") or resource.get("patient") or {}).get("reference", "")
    kind, _, identity = reference.partition("/")
    return identity if kind == "Patient" else None
