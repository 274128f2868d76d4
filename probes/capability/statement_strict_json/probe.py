"""Is the CapabilityStatement sent as FHIR's JSON is meant to be sent?"""

from prober.api import Seen, Verdict, absent, present, probe
from prober.observations import (
    CapabilityStatement,
    capability_statement,
    has_duplicate_keys,
)

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    answer = seen.value.answer
    faults = {
        "duplicate_keys": has_duplicate_keys(answer.content) and "a member stands twice in one object",
        "byte_order_mark": answer.content.startswith(BYTE_ORDER_MARK) and "the text begins with a byte order mark",
        "content_type": answer.content_type != "application/fhir+json"
        and "the media type is not application/fhir+json",
    }
    found = {name: words for name, words in faults.items() if words}
    if not found:
        return present("The CapabilityStatement is sent as strict FHIR JSON.", answer.cite())
    proof = [answer.cite("#content-type" if name == "content_type" else "") for name in found]
    return absent(
        f"The JSON is not as FHIR wants it: {'; '.join(found.values())}.", *proof, values={"faults": list(found)}
    )
