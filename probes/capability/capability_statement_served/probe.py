"""Does the server publish its CapabilityStatement as JSON, without a login?"""

from prober.api import Exchange, Seen, Verdict, absent, present, probe, unknown
from prober.observations import (
    closed,
    disguise_of,
    leads_away,
    metadata_answer,
    not_there,
    shortened,
)

GENERATIONS = {"1.0": "DSTU2", "3.0": "STU3", "4.0": "R4", "4.3": "R4B", "5.0": "R5"}
REFUSED = (400, 422)
"""FHIR R4, http.html#capabilities: every server answers this request, so to call it wrong is to refuse it."""


@probe(metadata_answer)
def judge(seen: Seen[Exchange]) -> Verdict:
    answer = seen.value
    status = answer.status or 0
    if closed(answer):
        return unknown("protected", "The server asks for a login before it shows what it can do.", answer.cite())
    if leads_away(answer):
        message = "The server redirects /metadata to another host, where prober does not follow it."
        return unknown("no_data", message, answer.cite("#location"))
    if 300 <= status < 400:
        return absent("The server redirects /metadata without end.", answer.cite(), values={"found": "redirect_loop"})
    if status in (406, 415):
        return absent("The server serves no JSON at /metadata, under neither media type.", answer.cite())
    if status in REFUSED or not_there(answer):
        return absent(f"The server serves no CapabilityStatement (status {status}).", answer.cite())
    if status != 200:
        message = f"Status {status} neither shows a CapabilityStatement nor says that there is none."
        return unknown("no_data", message, answer.cite())
    disguise = disguise_of(answer)
    if disguise is not None:
        message = f"Where its CapabilityStatement should be, the server answers with {disguise.words}."
        return absent(message, answer.cite(), values={"found": disguise.kind})
    return _resource(answer)


def _resource(answer: Exchange) -> Verdict:
    version = answer.document.get("fhirVersion")
    generation = GENERATIONS.get(".".join(version.split(".")[:2])) if isinstance(version, str) else None
    proof = answer.cite("/resourceType")
    match answer.resource_type:
        case "CapabilityStatement":
            words = f"FHIR {generation}" if generation else "an unnamed FHIR version"
            return present(f"The server publishes a CapabilityStatement of {words}.", proof)
        case "Conformance":
            message = (
                "The server answers with a Conformance resource of DSTU2, the forerunner of the CapabilityStatement."
            )
            return absent(message, proof, values={"found": "conformance_dstu2"})
        case "OperationOutcome":
            message = "The server answers with an OperationOutcome under status 200 instead of a CapabilityStatement."
            return absent(message, proof, values={"found": "operation_outcome"})
        case None:
            message = "Where its CapabilityStatement should be, the server answers with JSON that is no FHIR resource."
            return absent(message, answer.cite(), values={"found": "other_json"})
        case other:
            message = f"The server answers with a {shortened(other)} instead of a CapabilityStatement."
            return absent(message, proof, values={"found": "other_resource"})
