"""Does the server refuse TLS 1.0 and TLS 1.1?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import (
    OLD_VERSIONS,
    Hello,
    old_tls,
)


@probe(old_tls)
def judge(seen: Seen[tuple[Hello, ...]]) -> Verdict:
    hellos = seen.value
    if not hellos:
        return not_applicable("The FHIR base is plain http, so there is no TLS to ask about.")
    accepted = [one for one in hellos if one.outcome in ("accepted", "certificate_invalid")]
    if accepted:
        names = " and ".join(OLD_VERSIONS[one.version] for one in accepted)
        proof = [one.exchange.cite("/outcome") for one in accepted]
        return absent(
            f"The server still accepts {names}.", *proof, values={"accepted": [one.version for one in accepted]}
        )
    undecided = next((one for one in hellos if one.outcome != "refused_by_server"), None)
    if undecided is not None:
        message = f"The offer of {OLD_VERSIONS[undecided.version]} did not come far enough to tell."
        return unknown(undecided.undecided or "no_data", message, undecided.exchange.cite())
    return present("The server refuses TLS 1.0 and TLS 1.1.", *(one.exchange.cite("/outcome") for one in hellos))
