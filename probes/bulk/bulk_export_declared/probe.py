"""Does the server declare a bulk export?"""

from prober.api import Seen, Verdict, absent, present, probe
from prober.observations import CapabilityStatement, capability_statement, declared_exports

GUIDE = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    declared = declared_exports(statement)
    values = {"levels": [one.level for one in declared], "instantiates": GUIDE in statement.canonicals}
    if not declared:
        return absent("The server declares no bulk export.", statement.cite_rest(), values=values)
    levels = ", ".join(one.level for one in declared)
    cited = [statement.cite_rest(one.pointer) for one in declared]
    return present(f"The server declares a bulk export ({levels}).", *cited, values=values)
