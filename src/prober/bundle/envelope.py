"""The signature: an in-toto Statement in a DSSE envelope, and beside it the same bytes for whoever has only openssl.

Sources: in-toto Attestation Framework, Statement v1; Dead Simple Signing Envelope 1.0 (protocol and envelope).
"""

import base64
import json
from collections.abc import Mapping

from pydantic import ValidationError

from prober.bundle import bag
from prober.keys import SIGNATURE_BYTES, Signer, key_id, parse_public, public_pem, verifies
from prober.mistake import Refused
from prober.nouns.base import canonical
from prober.nouns.bundle import Predicate, Statement, Subject

ENVELOPE, SIGNED, SIGNATURE, KEY = "attestation.dsse.json", "attestation.pae", "attestation.sig", "signer.pem"
OUTSIDE = (ENVELOPE, SIGNED, SIGNATURE, KEY)
"""The files that no manifest can cover, because they sign the manifest. Each has one legal form, so none can hide."""
_TYPE = "application/vnd.in-toto+json"


def signed(files: Mapping[str, bytes], predicate: Predicate, signer: Signer) -> dict[str, bytes]:
    """The files that sign a bag."""
    subject = Subject(name=bag.TAG_MANIFEST, digest={"sha256": bag.digest_of(files)})
    body = Statement(subject=(subject,), predicate=predicate).line().encode()
    return _files(body, signer.sign(encoded(body)), signer.id, public_pem(signer.public))


def encoded(body: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding of this payload."""
    return b"DSSEv1 %d %s %d %s" % (len(_TYPE), _TYPE.encode(), len(body), body)


def check(files: Mapping[str, bag.Content]) -> tuple[Statement, str]:
    """The statement about a bag, and the id of the key that signed it. Raises Refused, naming what is wrong.

    Whether that key is one to trust is another question.
    """
    for name in OUTSIDE:
        if name not in files:
            raise Refused(f"{name} is missing: the bundle is not signed, or its signature was taken away.")
    pem = bytes(files[KEY])
    public = parse_public(pem)
    if public is None or public_pem(public) != pem:
        raise Refused(f"{KEY} is not an Ed25519 public key as a bundle writes it.")
    body, signature = _opened(bytes(files[ENVELOPE]))
    wanted = _files(body, signature, key_id(public), pem)
    for name in OUTSIDE:
        if bytes(files[name]) != wanted[name]:
            raise Refused(f"{name} is not what the other files of the signature say; one of them was altered.")
    if not verifies(public, signature, encoded(body)):
        raise Refused("The signature is not one of the key in signer.pem over the statement.")
    statement = _statement(body)
    if statement.subject[0].name != bag.TAG_MANIFEST or statement.subject[0].digest != {"sha256": bag.digest_of(files)}:
        raise Refused(
            f"The signature is about other files: its statement names another SHA-256 of {bag.TAG_MANIFEST}. "
            "It belongs to another bundle, or the files were altered after they were signed."
        )
    return statement, key_id(public)


def _files(body: bytes, signature: bytes, key: str, pem: bytes) -> dict[str, bytes]:
    envelope = {
        "payload": base64.b64encode(body).decode(),
        "payloadType": _TYPE,
        "signatures": [{"keyid": key, "sig": base64.b64encode(signature).decode()}],
    }
    return {
        ENVELOPE: (canonical(envelope) + "\n").encode(),
        SIGNED: encoded(body),
        SIGNATURE: signature,
        KEY: pem,
    }


def _opened(content: bytes) -> tuple[bytes, bytes]:
    """The payload and the signature of an envelope that has the one legal form."""
    try:
        envelope = json.loads(content)
        (one,) = envelope["signatures"]
        body = base64.b64decode(envelope["payload"], validate=True)
        signature = base64.b64decode(one["sig"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"{ENVELOPE} is not an envelope with one signature.") from error
    if len(signature) != SIGNATURE_BYTES:
        raise Refused(f"{ENVELOPE} holds no Ed25519 signature.")
    return body, signature


def _statement(body: bytes) -> Statement:
    try:
        statement = Statement.model_validate_json(body)
    except ValidationError as error:
        raise Refused("The signed statement is not one about an evidence bundle of this version.") from error
    if statement.line().encode() != body:
        raise Refused("The signed statement is not written in its one legal form.")
    return statement
