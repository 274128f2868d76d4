"""Ed25519 keys that sign bundles and checkpoints: where they come from, how they are named, and which are trusted."""

import base64
import binascii
import hashlib
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from prober.clock import Clock
from prober.mistake import Mistake

SIGNATURE_BYTES = 64
LARGEST_PEM = 16_384
SIGNING_SECONDS = 120
"""How long an outside signer may take: somebody may have to touch a device."""


@dataclass(frozen=True)
class Signer:
    """Signs with a key that it does not show."""

    public: Ed25519PublicKey
    _sign: Callable[[bytes], bytes] = field(repr=False)

    @property
    def id(self) -> str:
        return key_id(self.public)

    def sign(self, content: bytes) -> bytes:
        """The Ed25519 signature (RFC 8032) of these bytes, 64 bytes. Raises Mistake if it is not one of this key."""
        signature = self._sign(content)
        if not verifies(self.public, signature, content):
            raise Mistake(
                "The signer did not return an Ed25519 signature of its public key; check the key and try again."
            )
        return signature


def key_id(public: Ed25519PublicKey) -> str:
    """SHA-256 of the public key's SubjectPublicKeyInfo in DER: `openssl pkey -pubin -outform DER | sha256sum`."""
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def public_pem(public: Ed25519PublicKey) -> bytes:
    """The public key as PEM, as `openssl` reads it."""
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def raw_public(public: Ed25519PublicKey) -> bytes:
    """The 32 bytes of the public key (RFC 8032 section 5.1.5)."""
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def verifies(public: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    """Whether the signature is one of this key over this content."""
    try:
        public.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def parse_public(pem: bytes) -> Ed25519PublicKey | None:
    """The Ed25519 public key of a PEM text; None if it is none."""
    try:
        public = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return public if isinstance(public, Ed25519PublicKey) else None


def load_public(path: Path) -> Ed25519PublicKey:
    """A public key from a PEM file. Raises Mistake; a private key is refused, since it has no business there."""
    content = _read(path)
    if b"PRIVATE KEY" in content:
        raise Mistake(f"{path}: this is a private key; give the public one, which `prober keys show` prints.")
    public = parse_public(content)
    if public is None:
        raise Mistake(f"{path}: this file holds no Ed25519 public key; give PEM, as `prober keys show` prints it.")
    return public


def home() -> Path:
    """Where a user's own key and the trusted ones lie: below XDG_CONFIG_HOME, or ~/.config."""
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "prober"


def own_key() -> Path:
    """The file of the user's own key, unless another is named."""
    return home() / "key.pem"


def trusted_folder() -> Path:
    """The folder of the public keys that this user trusts, each named by its id."""
    return home() / "trusted"


def new_key(path: Path, clock: Clock) -> Signer:
    """Make a key in a new file that only its owner can read. Raises Mistake if the file is there already."""
    private = Ed25519PrivateKey.from_private_bytes(clock.random_bytes(32))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Mistake(f"{path}: a file of this name is there already, and a key is never overwritten.") from error
    except OSError as error:
        raise Mistake(f"{path}: the key cannot be written ({error.strerror}); name another file.") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(descriptor)
    return Signer(private.public_key(), private.sign)


def signer_from(where: str | None, public: Path | None = None) -> Signer:
    """The signer that the user named: a file, ``env:NAME`` (PEM in a variable), ``exec:COMMAND``, or None: the own key.

    A command reads what is to be signed from its standard input and writes the signature, raw or in base64; `public` is
    its public key. Raises Mistake; no part of a private key is ever in the words.
    """
    if where is not None and where.startswith("exec:"):
        if public is None:
            raise Mistake(
                "--key exec:…: an outside signer does not show its key; name the public one with --public-key."
            )
        return Signer(load_public(public), _outside(where.removeprefix("exec:")))
    if public is not None:
        raise Mistake("--public-key: this belongs to a signer that is a command (--key exec:COMMAND); leave it out.")
    if where is not None and where.startswith("env:"):
        name = where.removeprefix("env:")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name):
            raise Mistake("--key env:…: this is not the name of a variable; put the key into one and give its name.")
        text = os.environ.get(name, "")
        if not text.strip():
            raise Mistake(f"--key env:{name}: no variable of this name is set; put the key into it as PEM.")
        return _signer(text.encode(), f"--key env:{name}")
    path = Path(where) if where is not None else own_key()
    if where is None and not path.exists():
        raise Mistake(f"There is no key to sign with: {path} is missing. Make one with `prober keys new`, or name one.")
    content = _read(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Mistake(f"{path}: others can read this key; allow it to its owner alone (chmod 600 {path}).")
    return _signer(content, str(path))


def trust(public: Ed25519PublicKey, name: str) -> Path:
    """Trust a key from now on. The path of the file that says so. Raises Mistake if it cannot be written."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}", name):
        raise Mistake(
            f"--name {name}: give a name of plain characters without blanks, for example auditor@example.org."
        )
    path = trusted_folder() / f"{name}.pem"
    if path.exists() and load_public(path) != public:
        raise Mistake(f"{path}: another key is trusted under this name; remove the file first, or give another --name.")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(public_pem(public))
    except OSError as error:
        raise Mistake(f"{path}: this cannot be written ({error.strerror}).") from error
    return path


def trusted() -> dict[str, str]:
    """The names of the trusted keys by their ids; the user's own key is one of them. Raises Mistake."""
    folder = trusted_folder()
    found = {key_id(load_public(path)): path.stem for path in sorted(folder.glob("*.pem"))} if folder.is_dir() else {}
    if own_key().exists():
        found.setdefault(signer_from(None).id, "your own key")
    return found


def _signer(pem: bytes, where: str) -> Signer:
    try:
        private = load_pem_private_key(pem, None)
    except TypeError as error:
        raise Mistake(
            f"{where}: this key has a passphrase; sign with a command instead (--key exec:COMMAND)."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Mistake(f"{where}: this is no private key in PEM; make one with `prober keys new`.") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Mistake(f"{where}: this key is of another kind; bundles are signed with Ed25519.")
    return Signer(private.public_key(), private.sign)


def _outside(command: str) -> Callable[[bytes], bytes]:
    words = shlex.split(command)
    if not words:
        raise Mistake("--key exec:…: no command follows; write --key 'exec:COMMAND'.")

    def sign(content: bytes) -> bytes:
        try:
            # The command is what the user wrote; no shell reads it.
            done = subprocess.run(  # noqa: S603
                words,
                input=content,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=SIGNING_SECONDS,
                check=False,
            )
        except OSError as error:
            raise Mistake(f"--key exec:{words[0]}: this command cannot be run ({error.strerror}).") from error
        except subprocess.TimeoutExpired as error:
            raise Mistake(
                f"--key exec:{words[0]}: this command did not end within {SIGNING_SECONDS} seconds."
            ) from error
        if done.returncode:
            raise Mistake(f"--key exec:{words[0]}: this command ended with {done.returncode} and signed nothing.")
        if len(done.stdout) == SIGNATURE_BYTES:
            return done.stdout
        try:
            return base64.b64decode(done.stdout.strip(), validate=True)
        except binascii.Error as error:
            raise Mistake(
                f"--key exec:{words[0]}: this command wrote no signature, neither raw nor in base64."
            ) from error

    return sign


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_PEM + 1)
    except OSError as error:
        raise Mistake(f"{path}: this key cannot be read ({error.strerror}); check the path.") from error
    if len(content) > LARGEST_PEM:
        raise Mistake(f"{path}: this file is too large to be a key.")
    return content
