"""Is the server's certificate valid for its host name today?"""

from datetime import datetime, timedelta

from prober.api import JSON, Exchange, Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import (
    ModernTls,
    modern_tls,
)

FAULTS = (
    ("certificate has expired", "expired", "The certificate has expired."),
    ("certificate is not yet valid", "not_yet_valid", "The certificate is not valid yet."),
    ("Hostname mismatch", "wrong_host", "The certificate was issued for another host."),
    ("IP address mismatch", "wrong_host", "The certificate was issued for another address."),
    (
        "certificate in certificate chain",
        "unknown_issuer",
        "The certificate leads to an authority that is not trusted.",
    ),
    ("self-signed certificate", "unknown_issuer", "The certificate is signed by itself."),
    ("self signed certificate", "unknown_issuer", "The certificate is signed by itself."),
    ("unable to get local issuer", "unknown_issuer", "The certificate's issuer is not trusted, or not sent along."),
    ("unable to verify the first", "unknown_issuer", "The certificate's issuer is not trusted, or not sent along."),
)
SOON = timedelta(days=14)


@probe(modern_tls)
def judge(seen: Seen[ModernTls]) -> Verdict:
    hello = seen.value.hello
    if hello is None:
        return not_applicable("The FHIR base is plain http, which has no certificate.")
    proof = hello.exchange.cite("/outcome")
    if hello.outcome == "certificate_invalid":
        fits = [one for one in FAULTS if one[0] in hello.verify_message]
        _, fault, message = fits[0] if fits else ("", "other", "The certificate is not accepted.")
        return absent(message, hello.exchange.cite("/verify_message"), values={"fault": fault})
    if hello.outcome != "accepted":
        return unknown(
            hello.undecided or "no_data", "The handshake did not get as far as the certificate.", hello.exchange.cite()
        )
    life = remaining_life(hello.exchange)
    if life.get("renewal_due"):
        return present("The certificate is valid, but its renewal is due.", proof, values=life)
    return present("The certificate is valid: chain, host name and dates.", proof, values=life)


def remaining_life(exchange: Exchange) -> dict[str, JSON]:
    """Whether renewal is due: a third of the life is left, at most 14 days. Nothing if the dates cannot be read."""
    begins, ends = exchange.transport.certificate_not_before, exchange.transport.certificate_not_after
    if not (begins and ends and exchange.started):
        return {}
    start, end, now = (datetime.fromisoformat(one) for one in (begins, ends, exchange.started))
    third = (end - start) / 3
    return {"more_than_a_third_of_life_left": end - now > third, "renewal_due": end - now <= min(third, SOON)}
