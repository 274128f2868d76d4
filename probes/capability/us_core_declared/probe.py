"""Does the server declare that it follows US Core?"""

from prober.api import JSON, Seen, Verdict, absent, present, probe
from prober.observations import (
    CapabilityStatement,
    capability_statement,
)

PROFILES = "http://hl7.org/fhir/us/core/StructureDefinition/"
PATIENT = f"{PROFILES}us-core-patient"
SERVER = "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server"


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    profiles = sorted(one for one in statement.profiles if one.startswith(PROFILES))
    values: dict[str, JSON] = {"profiles": len(profiles), "major_versions": list(statement.us_core_versions)}
    instantiates = statement.json.get("instantiates")
    for place, one in enumerate(instantiates if isinstance(instantiates, list) else []):
        if isinstance(one, str) and one.partition("|")[0] == SERVER:
            proof = statement.cite(f"/instantiates/{place}")
            return present("The statement instantiates the US Core server.", proof, values=values)
    proof = statement.cite_rest("/resource")
    if PATIENT in profiles and len(profiles) > 1:
        return present("The statement lists the US Core Patient profile and another one.", proof, values=values)
    if PATIENT in profiles:
        return absent("The statement lists the US Core Patient profile and no other one.", proof, values=values)
    if profiles:
        return absent("The statement lists US Core profiles, but not that of Patient.", proof, values=values)
    return absent("The statement declares nothing of US Core.", statement.cite_rest(), values=values)
