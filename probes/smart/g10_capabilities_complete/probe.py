"""Does the server declare everything that United States certification expects of SMART?"""

from prober.api import JSON, Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import (
    VOCABULARY,
    SmartConfiguration,
    smart_configuration,
)

CAPABILITIES = VOCABULARY - {"permission-online", "context-standalone-encounter", "smart-app-state"}
GRANTS = frozenset({"authorization_code", "client_credentials"})


@probe(smart_configuration)
def judge(seen: Seen[SmartConfiguration | None]) -> Verdict:
    smart = seen.value
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    if not smart.offers_app_launch and not smart.capabilities:
        return unknown("no_data", "The SMART configuration lists no capabilities that can be read.", smart.cite())
    if not smart.offers_app_launch:
        return not_applicable("The server offers no app launch.", smart.cite("/capabilities"))
    missing: list[JSON] = sorted(CAPABILITIES - smart.capabilities)
    missing_grants: list[JSON] = sorted(GRANTS - smart.grant_types)
    if not missing and not missing_grants:
        return present("The server declares the whole set that certification expects.", smart.cite("/capabilities"))
    lacking = [*missing, *missing_grants]
    more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    proof = [smart.cite("/capabilities")] if missing and "capabilities" in smart.json else []
    proof += [smart.cite("/grant_types_supported")] if missing_grants and "grant_types_supported" in smart.json else []
    values: dict[str, JSON] = {"missing": missing, "missing_grants": missing_grants}
    return absent(f"The server does not declare {lacking[0]}{more}.", *(proof or [smart.cite()]), values=values)
