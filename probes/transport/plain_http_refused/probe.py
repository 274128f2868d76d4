"""Does the server refuse FHIR over plain http?"""

from urllib.parse import urlsplit

from prober.api import Exchange, Reason, Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import InClear, ModernTls, closed, modern_tls, passing, plain_http


@probe(plain_http, modern_tls)
def judge(seen: Seen[InClear], base: Seen[ModernTls]) -> Verdict:
    answer, hello = seen.value.answer, base.value.hello
    if answer is None:
        return not_applicable("The FHIR base is plain http on this machine, so there is no TLS to insist on.")
    if answer.failure is not None and hello is not None and hello.undecided is not None:
        # A host that is silent everywhere refuses nothing.
        return unknown(hello.undecided, "The base itself does not answer, so silence over plain http says nothing.")
    if answer.failure is not None:
        return _silence(answer, answer.failure.reason)
    status = answer.status or 0
    if 200 <= status < 300 and (answer.resource_type is not None or answer.content_type.startswith("application/fhir")):
        return absent("The server answers FHIR requests over plain http.", answer.cite())
    if 300 <= status < 400 and urlsplit(answer.header("location") or "").scheme.lower() == "https":
        return present("The server sends plain http on to https.", answer.cite("#location"))
    if closed(answer):
        return unknown("protected", "Something answers over plain http and asks for a login.", answer.cite())
    if trouble := passing(answer):
        return unknown(trouble[0], f"What answers over plain http has trouble (status {status}).", answer.cite())
    return present(f"Over plain http the server serves no FHIR (status {status}).", answer.cite())


def _silence(answer: Exchange, reason: Reason) -> Verdict:
    kind = answer.failure.kind if answer.failure is not None else ""
    if kind in ("refused", "reset", "protocol"):
        return present("The server takes no plain http.", answer.cite())
    return unknown(reason, "Whether the server takes plain http could not be told.", answer.cite())
