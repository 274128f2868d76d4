"""Does the server refuse a token that nobody issued?"""

from prober.api import (
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
from prober.observations import CapabilityStatement, capability_statement, from_nowhere, no_fhir, shows_patients


@observation(asks=("GET [base]/Patient?_summary=count (invented token)",), permits=("active",), family="access")
async def patients_with_invented_token(session: Session) -> Exchange:
    """Whether a count of patients is answered to an invented token; nothing but that is kept of the answer."""
    return await session.get("Patient?_summary=count", bearer="invented", reducer="open-data/1", label="invented token")


@probe(patients_with_invented_token, either(capability_statement))
def judge(seen: Seen[Exchange], stated: Seen[CapabilityStatement] | Trouble) -> Verdict:
    answer = seen.value
    scheme = (answer.header("www-authenticate") or "").split(" ")[0].lower()
    values = {"status": answer.status, "challenges_with_bearer": scheme == "bearer"}
    if from_nowhere(answer, stated):
        return unknown("no_data", no_fhir(answer), answer.cite(), values=values)
    if answer.status == 401:
        cited = answer.cite("#www-authenticate") if scheme else answer.cite()
        return present("The server refuses an invented token with status 401.", cited, values=values)
    if answer.status in (400, 403, 404):
        message = f"The server refuses an invented token, though with status {answer.status} instead of 401."
        return present(message, answer.cite(), values=values)
    if shows_patients(answer):
        message = "The server takes an invented token and answers a search for patients."
        return absent(message, answer.cite("/total_over_zero"), values=values)
    if answer.status == 200:
        message = "To an invented token the server answers 200, but shows no patient."
        return unknown("no_data", message, answer.cite(), values=values)
    message = f"Status {answer.status} neither takes nor refuses an invented token."
    return unknown("no_data", message, answer.cite(), values=values)
