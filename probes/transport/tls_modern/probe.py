"""Does the server speak TLS 1.2 or later?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import (
    ModernTls,
    modern_tls,
)


@probe(modern_tls)
def judge(seen: Seen[ModernTls]) -> Verdict:
    hello, clear = seen.value.hello, seen.value.clear
    if hello is None and clear is not None:
        return absent("The FHIR base is plain http, so whatever passes can be read on the way.", clear.cite())
    if hello is None:
        return not_applicable("The FHIR base is plain http on this machine, where nothing passes over a network.")
    if hello.outcome == "accepted":
        version = hello.exchange.transport.tls_version or "TLS"
        return present(
            f"The server speaks {version.replace('v', ' ')}.", hello.exchange.cite(), values={"tls": version}
        )
    if hello.outcome == "certificate_invalid":
        message = "The server speaks TLS 1.2 or later; its certificate, which is not accepted, is judged apart."
        return present(message, hello.exchange.cite("/outcome"))
    if "UNSUPPORTED_PROTOCOL" in hello.detail or hello.outcome == "refused_by_server":
        return absent("The server refuses a handshake by TLS 1.2 or 1.3.", hello.exchange.cite("/detail"))
    if "WRONG_VERSION_NUMBER" in hello.detail:
        return absent("What listens at the port of the https base does not speak TLS.", hello.exchange.cite("/detail"))
    reason = hello.undecided or "no_data"
    return unknown(reason, "The handshake did not come far enough to tell.", hello.exchange.cite())
