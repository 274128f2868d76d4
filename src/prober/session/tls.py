"""TLS as prober speaks it: what it trusts, what it offers, and what a handshake shows of the server."""

import hashlib
import ssl
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

import certifi
from anyio.streams.tls import TLSAttribute, TLSStream
from cryptography import x509

from prober.session.wire import TlsFacts

ClientCertificate = str | tuple[str, str]
"""A PEM file with certificate and key, or a certificate file and a key file."""

# Servers without RFC 5746 belong to what a downgrade probe looks for; Python names the option from 3.12 on only.
_LEGACY_SERVER_CONNECT = getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
# Received alerts whose OpenSSL name does not say "alert" (RFC 5246, 7.2; RFC 6066, 9).
_ALERT_NAMES = frozenset(
    {
        "TLSV1_UNSUPPORTED_EXTENSION",
        "TLSV1_CERTIFICATE_UNOBTAINABLE",
        "TLSV1_UNRECOGNIZED_NAME",
        "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE",
        "TLSV1_BAD_CERTIFICATE_HASH_VALUE",
    }
)


def request_context(ca_file: str | None, certificate: ClientCertificate | None) -> ssl.SSLContext:
    """The context for ordinary requests: TLS 1.2 or later, verified against the system's trust and `ca_file`.

    Raises ValueError if a file cannot be used.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # From Python 3.13 on these are defaults; a verdict must not depend on the Python that runs it.
    context.verify_flags &= ~(ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN)
    if not context.cert_store_stats()["x509_ca"] and ssl.get_default_verify_paths().capath is None:
        context.load_verify_locations(certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise ValueError(f"The CA file {ca_file} cannot be used: {_why(error)}.") from error
    _load_certificate(context, certificate)
    context.set_alpn_protocols(["http/1.1"])
    return context


def trust_store(ca_file: str | None) -> str:
    """SHA-256 over the certificates of the authorities that ordinary requests trust, sorted. Raises ValueError.

    Those that OpenSSL looks up in a folder one by one are not known beforehand and not in it.
    """
    authorities = request_context(ca_file, None).get_ca_certs(binary_form=True)
    return hashlib.sha256(b"".join(sorted(hashlib.sha256(one).digest() for one in authorities))).hexdigest()


def probing_context(
    version: ssl.TLSVersion | None, *, verify: bool, ca_file: str | None, certificate: ClientCertificate | None
) -> ssl.SSLContext:
    """A context for handshakes that carry no HTTP: exactly that version, with every cipher that OpenSSL still has.

    Versions before TLS 1.2 can be offered only at security level 0. Without a version: what ordinary requests offer.

    Raises ValueError if a file cannot be used.
    """
    context = request_context(ca_file, certificate)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # offering the old versions is the purpose
            context.minimum_version = version
            context.maximum_version = version
        if version < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.options |= _LEGACY_SERVER_CONNECT
    return context


def facts_of(stream: TLSStream) -> TlsFacts:
    """What the finished handshake of this stream shows; fields of a certificate that cannot be read are empty."""
    shown = stream.extra(TLSAttribute.ssl_object)  # noqa: S610 - anyio's, not Django's
    cipher = shown.cipher()
    named = _certificate_facts(shown.getpeercert(binary_form=True) or b"")
    return TlsFacts(
        version=shown.version() or "",
        cipher=cipher[0] if cipher else "",
        alpn=shown.selected_alpn_protocol(),
        subject=named[0],
        issuer=named[1],
        names=named[2],
        not_before=named[3],
        not_after=named[4],
        sha256=named[5],
    )


def is_alert(error: ssl.SSLError, first_byte: int | None) -> bool:
    """Whether the server itself ended the handshake with an alert (record type 21, RFC 8446, 5.1)."""
    reason = error.reason or ""
    return "_ALERT_" in reason or reason in _ALERT_NAMES or first_byte == 21


def reason_of(error: ssl.SSLError) -> str:
    """OpenSSL's own word for what went wrong, such as ``WRONG_VERSION_NUMBER``."""
    return error.reason or type(error).__name__


@lru_cache(maxsize=256)
def _certificate_facts(der: bytes) -> tuple[str, str, tuple[str, ...], str, str, str]:
    """Subject, issuer, names, both ends of validity, fingerprint."""
    subject = issuer = not_before = not_after = ""
    names: tuple[str, ...] = ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sloppy certificate is the server's affair
        # A hostile certificate may break the parser in any field; what it broke stays empty.
        with suppress(Exception):
            read = x509.load_der_x509_certificate(der)
            not_before, not_after = _instant(read.not_valid_before_utc), _instant(read.not_valid_after_utc)
            with suppress(Exception):
                subject = read.subject.rfc4514_string()
            with suppress(Exception):
                issuer = read.issuer.rfc4514_string()
            with suppress(Exception):
                listed = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
                addresses = map(str, listed.get_values_for_type(x509.IPAddress))
                names = (*listed.get_values_for_type(x509.DNSName), *addresses)
    return subject, issuer, names, not_before, not_after, hashlib.sha256(der).hexdigest() if der else ""


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _load_certificate(context: ssl.SSLContext, certificate: ClientCertificate | None) -> None:
    if certificate is None:
        return
    chain, key = certificate if isinstance(certificate, tuple) else (certificate, None)
    try:
        # Without this, OpenSSL would ask for the passphrase on the terminal and wait.
        context.load_cert_chain(chain, key, password=lambda: b"")
    except (OSError, ValueError) as error:
        raise ValueError(f"The client certificate {chain} cannot be used: {_why(error)}.") from error


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return "it is not a readable PEM file"
    return (error.strerror if isinstance(error, OSError) else None) or "it cannot be read"
