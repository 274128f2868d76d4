"""Does the SMART configuration hold what every client must find in it?"""

from prober.api import JSON, Seen, Verdict, absent, not_applicable, present, probe
from prober.observations import (
    SmartConfiguration,
    smart_configuration,
)


@probe(smart_configuration)
def judge(seen: Seen[SmartConfiguration | None]) -> Verdict:
    smart = seen.value
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    faults = sorted({*_no_text(smart), *_no_list(smart)})
    if not faults:
        return present("The SMART configuration holds everything that it must.", smart.cite())
    proof = [smart.cite(f"/{name}" if name in smart.json else "") for name in faults]
    listed: list[JSON] = list(faults)
    message = f"The SMART configuration lacks or misshapes {', '.join(faults)}."
    return absent(message, *proof, values={"faults": listed})


def _no_text(smart: SmartConfiguration) -> list[str]:
    required = ["token_endpoint"]
    required += ["authorization_endpoint"] if smart.offers_app_launch else []
    required += ["issuer", "jwks_uri"] if smart.declares("sso-openid-connect") else []
    return [name for name in required if not smart.url(name).strip()]


def _no_list(smart: SmartConfiguration) -> list[str]:
    lists = {name: smart.json.get(name) for name in ("grant_types_supported", "capabilities")}
    return [
        name
        for name, value in lists.items()
        if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value)
    ]
