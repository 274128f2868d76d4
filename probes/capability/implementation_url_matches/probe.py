"""Does the statement name the address at which it was asked for?"""

from prober.api import Seen, Verdict, absent, present, probe
from prober.observations import (
    CapabilityStatement,
    capability_statement,
    difference,
    is_absolute,
    is_internal,
)

WORDS = {
    "host": "The statement names another host than the one that was asked.",
    "scheme": "The statement names the base under another scheme than the one that was asked.",
    "port": "The statement names another port than the one that was asked.",
    "path": "The statement names another base on the same host.",
}


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    implementation = statement.json.get("implementation")
    url = implementation.get("url") if isinstance(implementation, dict) else None
    if not isinstance(url, str) or not url:
        return absent("The statement does not give the address of the implementation.", statement.cite())
    proof = statement.cite("/implementation/url")
    if not is_absolute(url):
        return absent("What the statement gives as its address is not an absolute URL.", proof)
    base = statement.answer.url.removesuffix("/metadata")
    differs = difference(url, base)
    if differs is None:
        return present("The statement names the base at which it was asked for.", proof)
    if differs == "host" and is_internal(url):
        message = "The statement names an internal address that means nothing outside."
        return absent(message, proof, values={"differs_in": "host", "internal": True})
    return absent(WORDS[differs], proof, values={"differs_in": differs, "internal": False})
