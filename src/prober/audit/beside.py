"""The proofs that may lie beside a bundle file: a trusted timestamp (NAME.tsr) and an SSH signature (NAME.sig).

They are about the whole file, so they cannot lie within it. A bundle without them is as whole as one with them; but one
that is there and wrong is refused, since somebody would believe it.
"""

from dataclasses import dataclass
from pathlib import Path

from prober.audit import ssh, timestamp
from prober.mistake import Mistake, Refused

TIMESTAMP, SIGNATURE = ".tsr", ".sig"
"""What follows the name of the bundle: `openssl ts` and `ssh-keygen` use the same endings."""


@dataclass(frozen=True)
class Sentence:
    """What is known of one proof. `checked` is False where something that it claims could not be checked."""

    about: str
    text: str
    checked: bool

    def __str__(self) -> str:
        return f"{self.about:<11}{self.text}"


def beside(path: Path, ending: str) -> Path:
    """Where the proof with this ending lies."""
    return path.with_name(path.name + ending)


def check_beside(
    path: Path, *, tsa_ca: Path | None, ssh_signers: Path | None, ssh_identity: str | None = None
) -> tuple[Sentence, ...]:
    """What holds of the proofs beside this bundle, and what could not be checked and why.

    `tsa_ca` has the certificates of the timestamp authorities to trust, `ssh_signers` the allowed signers as ssh-keygen
    reads them, `ssh_identity` the one of them that must have signed. A proof that somebody has asked to check and that
    is not there is one that could not be checked: whoever takes it away must not gain by it.

    Raises Refused for a proof that is wrong (of another file, altered, by nobody who is trusted), Mistake for a file of
    the user's that cannot be used.
    """
    if ssh_identity is not None and ssh_signers is None:
        raise Mistake("--ssh-identity: this is a name in a file of allowed signers; give that with --ssh-signers.")
    if ssh_signers is not None and not ssh_signers.is_file():
        raise Mistake(
            f"--ssh-signers {ssh_signers}: this is not a file; give allowed signers as ssh-keygen reads them."
        )
    found = (_timestamp(path, tsa_ca), _signature(path, ssh_signers, ssh_identity))
    return tuple(one for one in found if one is not None)


def content_of(path: Path, largest: int) -> bytes | None:
    """What a proof holds; None if there is none. Raises Refused if it is larger than any is, Mistake if unreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Mistake(f"{path}: this cannot be read ({error.strerror}).") from error
    if len(content) > largest:
        raise Refused(f"{path.name} is larger than any such proof is.")
    return content


def _timestamp(path: Path, tsa_ca: Path | None) -> Sentence | None:
    place = beside(path, TIMESTAMP)
    about = "Timestamp"
    content = content_of(place, timestamp.LARGEST)
    if content is None:
        return _missing(about, place, "--tsa-ca") if tsa_ca is not None else None
    if not timestamp.installed():
        return Sentence(
            about,
            f"{place.name} was not checked: that needs one more package (pip install 'rfc3161-client>=1.0.9').",
            False,
        )
    try:
        stamp = timestamp.read(content, path)
        if tsa_ca is None:
            return Sentence(
                about,
                f"{stamp.time} by {stamp.authority}, as {place.name} says. It is about this file, but its signature "
                "was not checked: name the certificate of the authority's root with --tsa-ca.",
                False,
            )
        timestamp.check_signature(stamp, timestamp.load_roots(tsa_ca))
    except timestamp.WrongTimestamp as wrong:
        raise Refused(f"{place.name} is no timestamp of this bundle: {wrong}.") from wrong
    return Sentence(about, f"{stamp.time} by {stamp.authority}: the bundle existed then.", True)


def _signature(path: Path, signers: Path | None, identity: str | None) -> Sentence | None:
    place = beside(path, SIGNATURE)
    about = "SSH"
    if content_of(place, ssh.LARGEST) is None:
        return _missing(about, place, "--ssh-signers") if signers is not None else None
    if not ssh.installed():
        return Sentence(
            about, f"{place.name} was not checked: that needs ssh-keygen, which is not on this machine.", False
        )
    try:
        key = ssh.signing_key(path, place)
        if signers is None:
            return Sentence(
                about,
                f"Signed with the {key}. Whose that is was not checked: name a file of allowed signers with "
                "--ssh-signers.",
                False,
            )
        return Sentence(about, f"Signed by {ssh.signer(path, place, signers, identity)}, with the {key}.", True)
    except ssh.WrongSignature as wrong:
        raise Refused(f"{place.name} is no signature of this bundle: {wrong}.") from wrong
    except ssh.TooOld:
        return Sentence(
            about, f"{place.name} was not checked: this machine's ssh-keygen is too old (OpenSSH 8.2 can).", False
        )


def _missing(about: str, place: Path, option: str) -> Sentence:
    return Sentence(about, f"There is no {place.name} beside the bundle, so {option} had nothing to check.", False)
