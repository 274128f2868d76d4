"""Does the server publish a SMART configuration?"""

from prober.api import Exchange, Seen, Verdict, absent, present, probe, unknown
from prober.observations import smart_answer


@probe(smart_answer)
def judge(seen: Seen[Exchange]) -> Verdict:
    answer = seen.value
    if answer.status in (401, 403):
        return unknown("protected", "The SMART configuration lies behind a login.", answer.cite())
    if answer.status != 200:
        return absent(f"The server publishes no SMART configuration (status {answer.status}).", answer.cite())
    if answer.media == "html":
        return absent("The server answers with a web page where its SMART configuration should be.", answer.cite())
    if not isinstance(answer.document, dict):
        return absent("What stands at the SMART address is not a JSON object.", answer.cite())
    if answer.resource_type is not None:
        return absent(f"The SMART address answers with a FHIR {answer.resource_type}.", answer.cite("/resourceType"))
    if answer.content_type != "application/json":
        return absent("The SMART configuration is not served as application/json.", answer.cite("#content-type"))
    return present("The server publishes a SMART configuration.", answer.cite())
