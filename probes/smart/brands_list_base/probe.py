"""Is the server's own FHIR base among the endpoints of its brand bundle?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe
from prober.observations import BrandBundle, brand_bundle


@probe(brand_bundle)
def judge(seen: Seen[BrandBundle | None]) -> Verdict:
    bundle = seen.value
    if bundle is None:
        return not_applicable("The server publishes no brand bundle.")
    proof = next((one.pointer for one in bundle.endpoints if bundle.is_base(one)), None)
    if proof is None:
        message = "None of the endpoints in the brand bundle is the FHIR base that was asked."
        return absent(message, bundle.cite(), values={"endpoints": len(bundle.endpoints)})
    return present("The brand bundle lists the FHIR base that was asked.", bundle.cite(f"{proof}/address"))
