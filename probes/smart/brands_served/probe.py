"""Is the brand bundle that the SMART configuration names served to anybody?"""

from prober.api import JSON, Citation, Exchange, Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import (
    Published,
    brands_answer,
    closed,
    disguise_of,
    items,
    leads_away,
    moment,
    not_there,
    text,
)


@probe(brands_answer)
def judge(seen: Seen[Published]) -> Verdict:
    smart, answer = seen.value.smart, seen.value.answer
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    if answer is None:
        return not_applicable("The SMART configuration names no user_access_brand_bundle.", smart.cite())
    if closed(answer):
        return unknown("protected", "The server asks for a login before it shows its brands.", answer.cite())
    if leads_away(answer):
        return unknown("no_data", "The address of the brand bundle redirects to another host.", answer.cite())
    if not_there(answer):
        message = f"There is no brand bundle where user_access_brand_bundle points (status {answer.status})."
        return absent(message, answer.cite())
    if answer.status != 200:
        message = f"Status {answer.status} neither shows a brand bundle nor says that there is none."
        return unknown("no_data", message, answer.cite())
    disguise = disguise_of(answer)
    if disguise is not None and disguise.kind == "login_page":
        return unknown("masquerade", "Where the brand bundle should be stands a login page.", answer.cite())
    if disguise is not None:
        return absent(f"Where the brand bundle should be stands {disguise.words}.", answer.cite())
    if answer.resource_type != "Bundle":
        return absent("What stands where the brand bundle should be is no Bundle.", answer.cite())
    return _bundle(answer)


def _bundle(answer: Exchange) -> Verdict:
    document = answer.document
    if document.get("type") != "collection":
        return absent(
            "The brand bundle is not of the type collection.", _cite(answer, "type"), values={"fault": "type"}
        )
    if moment(text(document.get("timestamp"))) is None:
        message = "The brand bundle does not say in timestamp when it last changed."
        return absent(message, _cite(answer, "timestamp"), values={"fault": "timestamp"})
    kinds = [text(one.get("resourceType")) for one in map(_resource, items(document.get("entry")))]
    brands, endpoints = kinds.count("Organization"), kinds.count("Endpoint")
    if not brands:
        message = "The brand bundle holds no brand: none of its entries is an Organization."
        return absent(message, _cite(answer, "entry"), values={"fault": "no_brand", "endpoints": endpoints})
    message = "The brand bundle is served to anybody, says when it last changed, and holds at least one brand."
    return present(message, answer.cite(), values={"brands": brands, "endpoints": endpoints})


def _resource(entry: JSON) -> dict[str, JSON]:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    return resource if isinstance(resource, dict) else {}


def _cite(answer: Exchange, member: str) -> Citation:
    return answer.cite(f"/{member}" if member in answer.document else "")
