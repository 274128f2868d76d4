"""Does the server refuse an unknown search parameter when it is asked to be strict?"""

from prober.api import Exchange, Seen, Trouble, Verdict, absent, either, present, probe, unknown
from prober.observations import (
    CapabilityStatement,
    capability_statement,
    explained,
    from_nowhere,
    no_fhir,
    searchset,
    strict_search_answer,
)


@probe(strict_search_answer, either(capability_statement))
def judge(seen: Seen[Exchange], stated: Seen[CapabilityStatement] | Trouble) -> Verdict:
    answer = seen.value
    status = answer.status or 0
    values = {"status": status, "explained": explained(answer)}
    if from_nowhere(answer, stated):
        return unknown("no_data", no_fhir(answer), answer.cite(), values=values)
    if status in (400, 422):
        how = "and explains itself" if explained(answer) else "but does not explain itself"
        message = f"Asked to be strict, the server refuses an unknown search parameter {how} (status {status})."
        return present(message, answer.cite(), values=values)
    if searchset(answer) is not None:
        message = "The server ignores an unknown search parameter although it was asked to be strict."
        return absent(message, answer.cite(), values=values)
    if status == 200:
        message = "In place of a search result the strict search was answered with something else under status 200."
        return unknown("masquerade", message, answer.cite(), values=values)
    message = f"The strict search was answered with status {status}, which says nothing about the parameter."
    return unknown("no_data", message, answer.cite(), values=values)
