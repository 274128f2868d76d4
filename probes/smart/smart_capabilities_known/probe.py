"""Are the declared SMART capabilities ones that clients can know?"""

import re

from prober.api import JSON, Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import (
    VOCABULARY,
    SmartConfiguration,
    shortened,
    smart_configuration,
)

URI = r"(https?://[^/\s]+\S*|urn:[A-Za-z0-9-]+:\S+)"
MOST_NAMED = 5


@probe(smart_configuration)
def judge(seen: Seen[SmartConfiguration | None]) -> Verdict:
    smart = seen.value
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    proof = smart.cite("/capabilities" if "capabilities" in smart.json else "")
    if not smart.capabilities:
        return unknown("no_data", "The SMART configuration lists no capabilities that can be read.", proof)
    strangers = sorted(one for one in smart.capabilities if one not in VOCABULARY and not re.fullmatch(URI, one))
    if strangers:
        named: list[JSON] = [shortened(one) for one in strangers[:MOST_NAMED]]
        message = f"The capability {named[0]} is neither in HL7's vocabulary nor a full URI."
        return absent(message, proof, values={"unknown": named})
    return present("Every declared capability is in HL7's vocabulary or a full URI.", proof)
