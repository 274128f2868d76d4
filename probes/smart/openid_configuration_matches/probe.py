"""Does the OpenID configuration name the issuer that the SMART configuration names?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import (
    Published,
    closed,
    disguise_of,
    not_there,
    openid_configuration,
)


@probe(openid_configuration)
def judge(seen: Seen[Published]) -> Verdict:
    smart, answer = seen.value.smart, seen.value.answer
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    if answer is None and smart.declares("sso-openid-connect"):
        return absent("Sign-on by OpenID Connect is declared, but no issuer is named.", smart.cite("/capabilities"))
    if answer is None:
        return not_applicable("The SMART configuration names no issuer.", smart.cite())
    if closed(answer):
        return unknown("protected", "The issuer asks for a login before it shows its configuration.", answer.cite())
    if not_there(answer):
        return absent(f"The issuer publishes no OpenID configuration (status {answer.status}).", answer.cite())
    if answer.status != 200:
        message = f"Status {answer.status} neither shows an OpenID configuration nor says that there is none."
        return unknown("no_data", message, answer.cite())
    disguise = disguise_of(answer)
    if disguise is not None:
        return absent(f"Where the OpenID configuration should be stands {disguise.words}.", answer.cite())
    if "issuer" not in answer.document:
        return absent("The OpenID configuration names no issuer.", answer.cite())
    proof = (smart.cite("/issuer"), answer.cite("/issuer"))
    if answer.document["issuer"] != smart.url("issuer"):
        return absent("The OpenID configuration names another issuer than the SMART configuration.", *proof)
    return present("The OpenID configuration and the SMART configuration name the same issuer.", *proof)
