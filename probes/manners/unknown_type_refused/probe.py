"""Does the server refuse a resource type that does not exist?"""

from prober.api import Exchange, Seen, Trouble, Verdict, absent, either, present, probe, unknown
from prober.observations import (
    CapabilityStatement,
    capability_statement,
    explained,
    from_nowhere,
    no_fhir,
    not_there,
    unknown_type_answer,
)

REFUSALS = (400, 422)
"""Beside what says that there is no such thing: the statuses that call the request itself wrong."""


@probe(unknown_type_answer, either(capability_statement))
def judge(seen: Seen[Exchange], stated: Seen[CapabilityStatement] | Trouble) -> Verdict:
    answer = seen.value
    status = answer.status or 0
    values = {"status": status, "explained": explained(answer)}
    if from_nowhere(answer, stated):
        return unknown("no_data", no_fhir(answer), answer.cite(), values=values)
    if status in REFUSALS or not_there(answer):
        message = f"The server refuses a resource type that does not exist (status {status})."
        return present(message, answer.cite(), values=values)
    if 200 <= status < 300:
        what = "a web page" if answer.media == "html" else "a success"
        message = f"Asked for a resource type that does not exist, the server answers with {what} (status {status})."
        return absent(message, answer.cite(), values=values)
    message = f"The server neither answers nor refuses a resource type that does not exist (status {status})."
    return unknown("no_data", message, answer.cite(), values=values)
