"""Does the server offer PKCE by S256, and never by plain?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe
from prober.observations import (
    SmartConfiguration,
    smart_configuration,
)

FIELD = "code_challenge_methods_supported"


@probe(smart_configuration)
def judge(seen: Seen[SmartConfiguration | None]) -> Verdict:
    smart = seen.value
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    if not smart.offers_app_launch:
        return not_applicable("The server offers no app launch, so there is no code to protect.", smart.cite())
    methods = smart.texts(FIELD)
    proof = smart.cite(f"/{FIELD}" if FIELD in smart.json else "")
    if "plain" in methods:
        return absent("The server offers the PKCE method plain, which protects nothing.", proof)
    if "S256" not in methods:
        return absent("The server does not declare the PKCE method S256.", proof)
    return present("The server offers PKCE by S256 and not by plain.", proof)
