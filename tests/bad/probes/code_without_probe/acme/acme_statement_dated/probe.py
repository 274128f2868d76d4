"""Does the CapabilityStatement say when it was published?"""

from prober.api import Seen, Verdict, absent, present, probe
from prober.observations import CapabilityStatement, capability_statement


def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    if isinstance(statement.json.get("date"), str):
        return present("The CapabilityStatement says when it was published.", statement.cite("/date"))
    return absent("The CapabilityStatement does not say when it was published.", statement.cite())
