"""Does the CapabilityStatement say when it was published?"""

from prober.api import Seen, Verdict, absent, present, probe
from prober.observations import CapabilityStatement, capability_statement


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    try:
        statement = seen.value
    except ValueError:
        return absent('It was not there.')
    if isinstance(statement.json.get("date"), str):
        return present("The CapabilityStatement says when it was published.", statement.cite("/date"))
    return absent("The CapabilityStatement does not say when it was published.", statement.cite())
