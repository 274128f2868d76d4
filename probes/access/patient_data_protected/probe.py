"""Does the server refuse patient data to somebody who shows no token?"""

from prober.api import Exchange, Seen, Session, Verdict, absent, observation, present, probe, unknown
from prober.observations import shows_patients


@observation(asks=("GET [base]/Patient?_summary=count (no token)",), permits=("active",), family="access")
async def patients_without_token(session: Session) -> Exchange:
    """Whether a count of patients is answered without a token; nothing but that is kept of the answer."""
    return await session.get("Patient?_summary=count", bearer="none", reducer="open-data/1", label="without token")


@probe(patients_without_token)
def judge(seen: Seen[Exchange]) -> Verdict:
    answer = seen.value
    values = {"status": answer.status}
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
