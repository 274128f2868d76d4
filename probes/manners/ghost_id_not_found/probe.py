"""Does the server say that a record is not there when it is not there?"""

from prober.api import Exchange, Seen, Trouble, Verdict, absent, either, present, probe, unknown
from prober.observations import (
    CapabilityStatement,
    capability_statement,
    explained,
    from_nowhere,
    ghost_answer,
    no_fhir,
    refuted,
)

REFUSALS = (400, 422)
"""Beside what says that a read is not supported: the statuses that call the request itself wrong."""


@probe(ghost_answer, either(capability_statement))
def judge(seen: Seen[Exchange], stated: Seen[CapabilityStatement] | Trouble) -> Verdict:
    answer = seen.value
    status = answer.status or 0
    values = {"status": status, "explained": explained(answer)}
    if from_nowhere(answer, stated):
        return unknown("no_data", no_fhir(answer), answer.cite(), values=values)
    if status in (404, 410):
        message = f"The server says that a patient who does not exist is not there (status {status})."
        return present(message, answer.cite(), values=values)
    if 200 <= status < 300:
        what = "an OperationOutcome" if explained(answer) else "something"
        message = f"Asked for a patient who does not exist, the server answers with {what} under status {status}."
        return absent(message, answer.cite(), values=values)
    if status in REFUSALS or refuted(answer):
        message = f"The server refuses a patient who does not exist with status {status} instead of 404."
        return absent(message, answer.cite(), values=values)
    message = f"The server neither answers nor refuses a patient who does not exist (status {status})."
    return unknown("no_data", message, answer.cite(), values=values)
