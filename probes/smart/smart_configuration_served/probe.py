"""Does the server publish a SMART configuration?"""

from prober.api import Exchange, Seen, Verdict, absent, present, probe, unknown
from prober.observations import (
    closed,
    disguise_of,
    leads_away,
    not_there,
    shortened,
    smart_answer,
)


@probe(smart_answer)
def judge(seen: Seen[Exchange]) -> Verdict:
    answer = seen.value
    if closed(answer):
        return unknown("protected", "The SMART configuration lies behind a login.", answer.cite())
    if leads_away(answer):
        message = "The server redirects its SMART configuration to another host, where prober does not follow it."
        return unknown("no_data", message, answer.cite("#location"))
    if not_there(answer):
        return absent(f"The server publishes no SMART configuration (status {answer.status}).", answer.cite())
    if answer.status != 200:
        message = f"Status {answer.status} neither shows a SMART configuration nor says that there is none."
        return unknown("no_data", message, answer.cite())
    disguise = disguise_of(answer)
    if disguise is not None:
        message = f"Where its SMART configuration should be, the server answers with {disguise.words}."
        return absent(message, answer.cite(), values={"found": disguise.kind})
    if answer.resource_type is not None:
        return absent(
            f"The SMART address answers with a FHIR {shortened(answer.resource_type)}.", answer.cite("/resourceType")
        )
    if answer.content_type != "application/json":
        return absent("The SMART configuration is not served as application/json.", answer.cite("#content-type"))
    return present("The server publishes a SMART configuration.", answer.cite())
