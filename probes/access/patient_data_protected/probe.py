"""Does the server refuse patient data to somebody who shows no token?"""

from collections.abc import Iterator

from prober.api import (
    Citation,
    Exchange,
    Seen,
    Session,
    Trouble,
    Verdict,
    absent,
    either,
    observation,
    present,
    probe,
    unknown,
)
from prober.observations import (
    CapabilityStatement,
    capability_statement,
    carried_token,
    from_nowhere,
    known_patient,
    no_fhir,
    patient_read_answer,
    patient_search_answer,
    searchset,
    shows_patients,
)


@observation(asks=("GET [base]/Patient?_summary=count (no token)",), permits=("active",), family="access")
async def patients_without_token(session: Session) -> Exchange:
    """Whether a count of patients is answered without a token; nothing but that is kept of the answer."""
    return await session.get("Patient?_summary=count", bearer="none", reducer="open-data/1", label="without token")


@observation(
    requests=0,
    permits=("active", "patient_data"),
    family="access",
    needs=(known_patient, patient_read_answer, patient_search_answer),
)
async def open_records(session: Session) -> tuple[Citation, ...]:
    """Where patients lie open in what this run was answered without showing a token; nothing more is asked."""
    known = await session.try_see(known_patient)
    others = [await session.try_see(one) for one in (patient_read_answer, patient_search_answer)]
    listing = None if isinstance(known, Trouble) else known.value.listing
    answers = (listing, *(None if isinstance(one, Trouble) else one.value for one in others))
    return tuple(proof for one in answers if one is not None and not carried_token(one) for proof in patients_in(one))


def patients_in(answer: Exchange) -> Iterator[Citation]:
    """Where this answer holds a Patient: the first match of a searchset, or the record itself."""
    bundle = searchset(answer)
    found = [match for match in bundle.matches if match.type == "Patient"] if bundle else []
    if found:
        yield answer.cite(f"/entry/{found[0].index}/resource")
    elif answer.status == 200 and answer.resource_type == "Patient":
        yield answer.cite("/resourceType")


@probe(either(patients_without_token), either(open_records), either(capability_statement))
def judge(
    counted: Seen[Exchange] | Trouble,
    records: Seen[tuple[Citation, ...]] | Trouble,
    stated: Seen[CapabilityStatement] | Trouble,
) -> Verdict:
    open_to_all = () if isinstance(records, Trouble) else records.value
    if open_to_all:
        return absent("The server hands out a patient's record to somebody who shows no token.", *open_to_all)
    if isinstance(counted, Trouble):
        cited = (Citation(exchange=one) for one in counted.exchanges[-1:])
        return unknown(counted.reason, counted.message, *cited)
    return judge_count(counted.value, stated)


def judge_count(answer: Exchange, stated: Seen[CapabilityStatement] | Trouble) -> Verdict:
    """What the answer to a count of patients says, where no record was seen in clear."""
    values = {"status": answer.status}
    if from_nowhere(answer, stated):
        return unknown("no_data", no_fhir(answer), answer.cite(), values=values)
    if answer.status in (401, 403, 404):
        message = f"Without a token the server refuses patient data (status {answer.status})."
        return present(message, answer.cite(), values=values)
    if shows_patients(answer):
        message = "The server answers a search for patients without a token, and it holds records."
        return absent(message, answer.cite("/total_over_zero"), values=values)
    if answer.status == 200 and isinstance(answer.document, dict) and answer.document.get("resource_type") == "Bundle":
        message = "Without a token the server answers a search but shows no patient, so there was nothing to protect."
        return unknown("no_data", message, answer.cite(), values=values)
    if answer.status == 200:
        message = "Without a token something other than a search result comes under status 200."
        return unknown("masquerade", message, answer.cite(), values=values)
    message = f"Status {answer.status} neither opens nor closes the door to patient data."
    return unknown("no_data", message, answer.cite(), values=values)
