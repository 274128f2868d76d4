"""Does the server list the granular scopes that US Core requires?"""

import re

from prober.api import JSON, Seen, Trouble, Verdict, absent, either, not_applicable, present, probe, unknown
from prober.observations import (
    CapabilityStatement,
    SmartConfiguration,
    capability_statement,
    smart_configuration,
)

CONDITION = "http://terminology.hl7.org/CodeSystem/condition-category"
OBSERVATION = "http://terminology.hl7.org/CodeSystem/observation-category"
US_CORE = "http://hl7.org/fhir/us/core/CodeSystem"
US_CORE_PROFILES = "http://hl7.org/fhir/us/core/StructureDefinition/"
REQUIRED = frozenset(
    {
        ("Condition", f"{CONDITION}|encounter-diagnosis"),
        ("Condition", f"{CONDITION}|problem-list-item"),
        ("Condition", f"{US_CORE}/condition-category|health-concern"),
        ("Observation", f"{OBSERVATION}|laboratory"),
        ("Observation", f"{OBSERVATION}|social-history"),
        ("Observation", f"{OBSERVATION}|survey"),
        ("Observation", f"{OBSERVATION}|vital-signs"),
        ("Observation", f"{US_CORE}/us-core-category|sdoh"),
    }
)
SCOPE = r"(?:patient|user|system)/(Condition|Observation)\.c?ru?d?s\?category=(\S+)"
FIRST_BINDING = 7
"""The US Core version from which on servers must publish the scopes that they support."""


@probe(smart_configuration, either(capability_statement))
def judge(seen: Seen[SmartConfiguration | None], stated: Seen[CapabilityStatement] | Trouble) -> Verdict:
    smart = seen.value
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    matches = [re.fullmatch(SCOPE, one) for one in smart.texts("scopes_supported")]
    listed = {(one[1], one[2]) for one in matches if one is not None}
    missing: list[JSON] = sorted(f"{kind} {code.rpartition('|')[2]}" for kind, code in REQUIRED - listed)
    proof = smart.cite("/scopes_supported" if "scopes_supported" in smart.json else "")
    if not missing:
        return present("The server lists every granular scope that US Core requires.", proof)
    statement = None if isinstance(stated, Trouble) else stated.value
    if statement is not None and max(statement.us_core_versions, default=0) >= FIRST_BINDING:
        bound = bound_resources(statement, {kind for kind, _ in REQUIRED - listed})
        if bound:
            message = "The server declares US Core 7 or later, and does not list every granular scope that it requires."
            cited = [statement.cite_rest(f"/resource/{index}/supportedProfile") for index in bound]
            return absent(message, proof, *cited, values={"missing": missing})
    message = "Not every granular scope of US Core is listed, but the list need not be complete."
    return unknown("no_data", message, proof, values={"missing": missing})


def bound_resources(statement: CapabilityStatement, kinds: set[str]) -> list[int]:
    """Places of those types for which the server lists a US Core profile: only their scopes must be supported."""
    return [
        one.index
        for one in statement.resources
        if one.type in kinds and any(profile.startswith(US_CORE_PROFILES) for profile in one.profiles)
    ]
