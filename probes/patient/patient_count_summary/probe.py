"""Can a search be counted without fetching its records?"""

from prober.api import Exchange, Seen, Session, Verdict, absent, not_applicable, observation, present, probe, unknown
from prober.observations import CapabilityStatement, capability_statement, items, known_patient, searchset, told


def declares_summary(statement: CapabilityStatement) -> bool:
    """True if `_summary` stands among the search parameters of the server or of its Patient."""
    named = {one.get("name") for one in items(statement.rest.get("searchParam")) if isinstance(one, dict)}
    patient = statement.resource("Patient")
    return "_summary" in named or (patient is not None and "_summary" in patient.search_params)


@observation(
    asks=("GET [base]/Patient?_id={id}&_summary=count",),
    permits=("active", "patient_data"),
    family="patient",
    needs=(capability_statement, known_patient),
)
async def patient_count_answer(session: Session) -> Exchange | None:
    """What a count of one known patient answers; None if the server does not declare `_summary`."""
    statement = (await session.see(capability_statement)).value
    if not declares_summary(statement):
        return None
    patient = (await session.see(known_patient)).value
    return told(session, await session.get("Patient?_id={id}&_summary=count", id=patient.id))


@probe(capability_statement, patient_count_answer)
def judge(statement: Seen[CapabilityStatement], seen: Seen[Exchange | None]) -> Verdict:
    answer = seen.value
    if answer is None:
        return not_applicable("The server does not declare _summary.", statement.value.cite_rest("/searchParam"))
    bundle = searchset(answer)
    if bundle is None and answer.status in (200, 400, 422):
        return absent(f"A count of patients gives no searchset (status {answer.status}).", answer.cite())
    if bundle is None:
        return unknown("no_data", f"A count of patients was answered with status {answer.status}.", answer.cite())
    if bundle.total is None:
        return absent("A count of patients gives no total.", answer.cite("/total"))
    if bundle.entries:
        return absent("A count of patients hands the records out as well.", answer.cite("/entry"))
    return present("A search is counted without fetching its records.", answer.cite("/total"))
