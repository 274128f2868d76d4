"""Signed checkpoints of a ledger: a text of three lines under an Ed25519 signature, short enough to be mailed.

Sources: C2SP signed-note v1.0.0 and tlog-checkpoint v1.0.0, which write down the signed tree head of RFC 6962
section 3.5.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from prober.keys import Signer, raw_public, verifies
from prober.mistake import Refused

NAME = "prober-ledger"
_ED25519 = b"\x01"
_FORM = re.compile(r"((\S+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n)\n— prober-ledger ([A-Za-z0-9+/]{91}=)\n")


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says: of which ledger, over how many lines, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def origin_of(subject: str) -> str:
    """The name of the ledger of a FHIR base: its URL without the scheme, as checkpoints name logs."""
    return "prober-ledger/" + subject.partition("://")[2]


def signed(checkpoint: Checkpoint, signer: Signer) -> str:
    """The signed note of a checkpoint."""
    whole = _hash_of(signer.public) + signer.sign(checkpoint.text.encode())
    return f"{checkpoint.text}\n— {NAME} {base64.b64encode(whole).decode()}\n"


def read(note: str) -> Checkpoint:
    """The checkpoint of a note, whoever signed it. Raises Refused for a text that is none."""
    return _parts(note)[0]


def is_of(note: str, public: Ed25519PublicKey) -> bool:
    """Whether this key signed the note."""
    _, text, signature = _parts(note)
    return signature[:4] == _hash_of(public) and verifies(public, signature[4:], text.encode())


def opened(note: str, public: Ed25519PublicKey) -> Checkpoint:
    """The checkpoint of a note that this key signed. Raises Refused for any other text."""
    if not is_of(note, public):
        raise Refused("A checkpoint of the ledger was not signed by the key of this bundle.")
    return read(note)


def _parts(note: str) -> tuple[Checkpoint, str, bytes]:
    parts = _FORM.fullmatch(note)
    if parts is None:
        raise Refused("A checkpoint of the ledger is not a signed note of three lines.")
    try:
        whole, root = base64.b64decode(parts[5], validate=True), base64.b64decode(parts[4], validate=True)
    except binascii.Error as error:
        raise Refused("A checkpoint of the ledger is not in base64.") from error
    if base64.b64encode(whole).decode() != parts[5] or base64.b64encode(root).decode() != parts[4]:
        raise Refused("A checkpoint of the ledger is not in strict base64.")
    return Checkpoint(parts[2], int(parts[3]), root), parts[1], whole


def _hash_of(public: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(f"{NAME}\n".encode() + _ED25519 + raw_public(public)).digest()[:4]
