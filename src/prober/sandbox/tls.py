"""Throw-away authorities and certificates for the sandbox, and the server's TLS settings."""

import ipaddress
import ssl
import warnings
from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class _Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "prober sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(common: str, now: datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common)
    certificate = (
        _builder(name, name, key.public_key())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Authority(key, certificate)


def _subject_names(host: str, wrong: bool) -> x509.SubjectAlternativeName:
    if wrong:
        return x509.SubjectAlternativeName([x509.DNSName("another-host.prober.example")])
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    addresses = ["127.0.0.1", "::1"]
    try:
        addresses += [host] if ipaddress.ip_address(host).compressed not in addresses else []
    except ValueError:
        names += [x509.DNSName(host)] if host != "localhost" else []
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    return x509.SubjectAlternativeName(names)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def prepare(folder: Path, host: str, defects: Set[str], days: int = 60) -> tuple[ssl.SSLContext, bytes]:
    """The server's TLS context for `host` and the PEM of the authority that clients are to trust.

    The certificate lasts `days` days, at most the 90 of its authority. The private key lies in `folder` only while
    OpenSSL reads it.
    """
    now = datetime.now(UTC)
    published = _authority("Throw-away authority", now)
    issuer = _authority("Unknown authority", now) if "certificate_unknown_issuer" in defects else published
    key = ec.generate_private_key(ec.SECP256R1())
    expired = "certificate_expired" in defects
    certificate = (
        _builder(_name("prober sandbox"), issuer.certificate.subject, key.public_key())
        .not_valid_before(now - timedelta(days=31 if expired else 1))
        .not_valid_after(now + timedelta(days=-1 if expired else days))
        .add_extension(_subject_names(host, "certificate_wrong_host" in defects), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.certificate.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
        .sign(issuer.key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(_pem(certificate) + _pem(issuer.certificate))
    secret.touch(mode=0o600)
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(chain, secret)
    finally:
        secret.unlink()
    _accept_versions(context, defects)
    return context, _pem(published.certificate)


def _accept_versions(context: ssl.SSLContext, defects: Set[str]) -> None:
    old = [name for name in ("tls10_accepted", "tls11_accepted") if name in defects]
    if not old:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return
    # OpenSSL signs TLS 1.0 and 1.1 handshakes with SHA-1, which it allows only at security level 0.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1 if "tls10_accepted" in old else ssl.TLSVersion.TLSv1_1
        if old == ["tls10_accepted"]:
            context.options |= ssl.OP_NO_TLSv1_1
