"""A trusted timestamp of a bundle file: what is asked, and whether the answer is one about this file.

Source: RFC 3161. The request is section 2.4.1, the response 2.4.2. The formats are read by `rfc3161-client`, which
belongs to the extra `tsa` and is loaded only here.
"""

import hashlib
import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prober.mistake import Mistake

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampResponse

LARGEST = 65_536
"""Bytes of a request or a response: an ordinary one has some thousands, most of them certificates."""
_LARGEST_ROOTS = 1_048_576
_SHA256 = "2.16.840.1.101.3.4.2.1"
_GRANTED = 0
# RFC 3161 section 2.4.2, PKIStatus.
_STATUSES = {
    1: "changed what was asked for",
    2: "rejected the request",
    3: "put the request off",
    4: "warned that its certificate is about to be revoked",
    5: "said that its certificate was revoked",
}


class WrongTimestamp(Exception):
    """A response that proves nothing about this file: one sentence without the name of the file."""


@dataclass(frozen=True)
class Request:
    """A request for a timestamp: its bytes in DER, and the number that the answer must repeat."""

    content: bytes
    nonce: int | None


@dataclass(frozen=True)
class Timestamp:
    """What a response says of this file. Nothing of it is proved before `check_signature` has returned."""

    time: str
    """UTC, to the second."""
    authority: str
    """The name in the certificate of the authority, as it says itself."""
    nonce: int | None
    response: "TimeStampResponse" = field(repr=False)
    digest: bytes = field(repr=False)


def installed() -> bool:
    """Whether the extra that can read timestamps is installed."""
    return importlib.util.find_spec("rfc3161_client") is not None


def new_request(path: Path) -> Request:
    """A request for a timestamp of the SHA-256 of this file, with a nonce and asking for the certificates.

    Raises Mistake if the extra is not installed, OSError if the file cannot be read.
    """
    _need_extra()
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    # The library hashes for itself and takes no digest, so the file has to be in memory once, as when it was sealed.
    request = TimestampRequestBuilder().data(path.read_bytes()).hash_algorithm(HashAlgorithm.SHA256).build()
    return Request(request.as_bytes(), request.nonce)


def read(content: bytes, path: Path) -> Timestamp:
    """What a response says, if it grants a timestamp of the SHA-256 of this very file.

    Raises WrongTimestamp if it does not, Mistake if the extra is not installed, OSError if the file cannot be read.
    """
    _need_extra()
    from rfc3161_client import decode_timestamp_response

    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    try:
        response = decode_timestamp_response(content)
    except ValueError as error:
        raise WrongTimestamp("it is not a timestamp response in DER") from error
    _check_status(response)
    try:
        with warnings.catch_warnings(action="ignore"):  # what is odd in a stranger's certificate is no news of prober's
            info = response.tst_info
            algorithm, imprint = info.message_imprint.hash_algorithm.dotted_string, info.message_imprint.message
            time = info.gen_time.strftime("%Y-%m-%dT%H:%M:%SZ")
            found = Timestamp(time, _authority(response), info.nonce, response, digest)
    except Exception as error:
        # A stranger's bytes went through two libraries that read ASN.1, and neither says what it raises: ValueError,
        # KeyError and classes of their own were seen. Whatever it is, it means the same.
        raise WrongTimestamp("its timestamp token cannot be read; it was altered") from error
    if algorithm != _SHA256:
        raise WrongTimestamp("it is a timestamp of another kind of hash than SHA-256")
    if imprint != digest:
        raise WrongTimestamp("it is a timestamp of another file")
    return found


def check_signature(stamp: Timestamp, roots: Sequence["Certificate"]) -> None:
    """Raises WrongTimestamp if no authority under these roots signed it, as RFC 3161 section 2.3 wants it.

    Its certificate must have been valid at the time of the timestamp. Whether it was revoked is not asked.
    """
    from rfc3161_client import VerifierBuilder

    try:
        with warnings.catch_warnings(action="ignore"):  # as in `read`
            VerifierBuilder(roots=list(roots)).build().verify(stamp.response, stamp.digest)
    except Exception as error:  # as in `read`
        raise WrongTimestamp("no authority that you trust signed it, or it was altered after it was signed") from error


def load_roots(path: Path) -> tuple["Certificate", ...]:
    """The certificates of the authorities to trust, from a PEM file. Raises Mistake."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_ROOTS + 1)
    except OSError as error:
        raise Mistake(f"--tsa-ca {path}: this file cannot be read ({error.strerror}); check the path.") from error
    try:
        if len(content) > _LARGEST_ROOTS:
            raise ValueError
        return tuple(dict.fromkeys(load_pem_x509_certificates(content)))
    except ValueError as error:
        raise Mistake(
            f"--tsa-ca {path}: this is not a file of certificates in PEM; ask the authority for that of its root."
        ) from error


def _need_extra() -> None:
    if not installed():
        raise Mistake("Timestamps need one more package; install it with `pip install 'rfc3161-client>=1.0.9'`.")


def _check_status(response: "TimeStampResponse") -> None:
    if response.status == _GRANTED:
        return
    said = plain(" ".join(response.status_string))
    what = _STATUSES.get(response.status, "gave no timestamp")
    raise WrongTimestamp(f"the authority {what} (status {response.status}{f': {said}' if said else ''})")


def _authority(response: "TimeStampResponse") -> str:
    """The subject of the certificate whose key signed, by the issuer and the number that the signature names."""
    from cryptography.x509 import load_der_x509_certificate

    signers = {(one.issuer, one.serial_number) for one in response.signed_data.signer_infos}
    for content in response.signed_data.certificates:
        certificate = load_der_x509_certificate(content)
        if (certificate.issuer, certificate.serial_number) in signers:
            return plain(certificate.subject.rfc4514_string()) or "an authority without a name"
    return "an authority that sent no certificate"


def plain(text: str) -> str:
    """A stranger's words, short and without anything that could move a terminal's cursor."""
    return "".join(one if one.isprintable() else "?" for one in text)[:200]
