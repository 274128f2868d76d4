"""An SSH signature of a bundle file, made and checked by `ssh-keygen`, which whoever checks it has already.

Sources: ssh-keygen(1), the options -Y and the section ALLOWED SIGNERS; OpenSSH's PROTOCOL.sshsig.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from prober.audit.timestamp import plain
from prober.keys import SIGNING_SECONDS
from prober.mistake import Mistake

NAMESPACE = "prober-bundle"
"""What the signature is for, so that nobody's signature for another purpose passes for one of a bundle."""
LARGEST = 65_536
_PROGRAM = "ssh-keygen"
_USAGE = 1
"""How it ends when it does not know an option; a signature that does not hold is 255."""
_KEY = re.compile(r"with (\S+ key \S+)")


class WrongSignature(Exception):
    """A signature that proves nothing about this file: one sentence without the name of the file."""


class TooOld(Exception):
    """This ssh-keygen cannot do what was asked of it, so that nothing is known of the signature."""


def installed() -> bool:
    """Whether this machine has ssh-keygen."""
    return which(_PROGRAM) is not None


def sign(path: Path, key: Path) -> bytes:
    """The signature of this file, armoured. A passphrase is asked for by ssh-keygen itself. Raises Mistake."""
    if not installed():
        raise Mistake("An SSH signature needs ssh-keygen, which belongs to OpenSSH and is not on this machine.")
    if not key.is_file():
        raise Mistake(f"--ssh-key {key}: this is not a file; name your SSH key, for example ~/.ssh/id_ed25519.")
    try:
        done = _run(("sign", "-f", str(key)), path)
    except TooOld as error:
        raise Mistake("This machine's ssh-keygen is too old to sign files; OpenSSH 8.2 or newer can.") from error
    if done.returncode or not done.stdout:
        said = plain((done.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing"])[-1])
        raise Mistake(f"--ssh-key {key}: ssh-keygen did not sign with this key; it said: {said}")
    return done.stdout


def signing_key(path: Path, signature: Path) -> str:
    """The kind and the fingerprint of the key that signed this file. Raises WrongSignature if none did, or TooOld."""
    done = _run(("check-novalidate", "-s", str(signature)), path)
    if done.returncode:
        raise WrongSignature(
            f"it is not a signature over this bundle for the purpose {NAMESPACE}: it is one of another file, "
            "or one of them was altered"
        )
    return _key_in(done.stdout)


def signer(path: Path, signature: Path, signers: Path, identity: str | None) -> str:
    """Who signed this file, by a file of allowed signers. Raises WrongSignature if nobody in it did.

    With an `identity` it must have been that one. Raises TooOld as well.
    """
    names: Sequence[str] = (identity,) if identity is not None else _principals(path, signature, signers)
    for name in names:
        if not _run(("verify", "-f", str(signers), "-I", name, "-s", str(signature)), path).returncode:
            return plain(name)
    whom = f"{plain(identity)} has" if identity is not None else "anybody has"
    raise WrongSignature(f"it was signed with a key that is not one that {whom} in {signers}")


def _principals(path: Path, signature: Path, signers: Path) -> list[str]:
    done = _run(("find-principals", "-f", str(signers), "-s", str(signature)), path)
    return done.stdout.decode("utf-8", "replace").splitlines() if not done.returncode else []


def _key_in(said: bytes) -> str:
    found = _KEY.search(said.decode("utf-8", "replace"))
    return plain(found[1]) if found else "a key that ssh-keygen does not name"


def _run(words: Sequence[str], path: Path) -> subprocess.CompletedProcess[bytes]:
    """Run ssh-keygen -Y with the file as its standard input: so no name of a file is ever an option to it."""
    command = [_PROGRAM, "-Y", words[0], "-n", NAMESPACE, *words[1:]]
    try:
        with path.open("rb") as file:
            done = subprocess.run(  # noqa: S603
                command, stdin=file, capture_output=True, timeout=SIGNING_SECONDS, check=False
            )
    except OSError as error:
        raise Mistake(f"ssh-keygen cannot be run ({error.strerror}).") from error
    except subprocess.TimeoutExpired as error:
        raise Mistake(f"ssh-keygen did not end within {SIGNING_SECONDS} seconds.") from error
    if done.returncode == _USAGE:
        raise TooOld
    return done
