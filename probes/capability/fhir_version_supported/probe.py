"""Does the server speak a FHIR version that is in use today?"""

from prober.api import Seen, Verdict, absent, present, probe
from prober.observations import (
    CapabilityStatement,
    capability_statement,
    shortened,
)

SUPPORTED = {"4.0.1": "R4", "4.3.0": "R4B", "5.0.0": "R5"}


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    version = statement.fhir_version
    if not version:
        return absent("The CapabilityStatement names no FHIR version.", statement.cite())
    values = {"fhir_version": shortened(version)}
    proof = statement.cite("/fhirVersion")
    if version in SUPPORTED:
        return present(f"The server speaks FHIR {SUPPORTED[version]} ({version}).", proof, values=values)
    return absent(f"FHIR {shortened(version)} is none of 4.0.1, 4.3.0 and 5.0.0.", proof, values=values)
