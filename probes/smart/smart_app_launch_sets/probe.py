"""Can an app of a patient and an app of a clinician be launched with what the server declares?"""

from prober.api import JSON, Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import (
    SmartConfiguration,
    smart_configuration,
)

CLIENTS = frozenset({"client-public", "client-confidential-symmetric"})
SETS = {
    "patient_standalone": frozenset({"launch-standalone", "context-standalone-patient", "permission-patient"}),
    "patient_ehr": frozenset({"launch-ehr", "context-ehr-patient", "permission-patient"}),
    "clinician_standalone": frozenset({"launch-standalone", "permission-user", "permission-patient"}),
    "clinician_ehr": frozenset(
        {"launch-ehr", "context-ehr-patient", "context-ehr-encounter", "permission-user", "permission-patient"}
    ),
}


@probe(smart_configuration)
def judge(seen: Seen[SmartConfiguration | None]) -> Verdict:
    smart = seen.value
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    proof = smart.cite("/capabilities" if "capabilities" in smart.json else "")
    if not smart.capabilities:
        return unknown("no_data", "The SMART configuration lists no capabilities that can be read.", proof)
    if not smart.offers_app_launch:
        return not_applicable("The server offers no app launch.", proof)
    missing = {name: _missing(wanted, smart.capabilities) for name, wanted in SETS.items()}
    complete = [name for name, lacking in missing.items() if not lacking]
    listed: dict[str, JSON] = {name: lacking for name, lacking in missing.items() if lacking}
    values: dict[str, JSON] = {"complete": list(complete), "missing": listed}
    lacking = [who for who in ("patient", "clinician") if not any(one.startswith(who) for one in complete)]
    if lacking:
        message = f"No set of capabilities is complete for the apps of a {' or of a '.join(lacking)}."
        return absent(message, proof, values=values)
    return present(
        "A set of capabilities is complete for patients' apps and one for clinicians' apps.", proof, values=values
    )


def _missing(wanted: frozenset[str], declared: frozenset[str]) -> list[str]:
    client = [] if declared & CLIENTS else ["client-public or client-confidential-symmetric"]
    return sorted(wanted - declared) + client
