"""What `prober bundle stamp` and `prober bundle ssh-sign` do and say once their words are understood."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from prober.audit import ssh, timestamp
from prober.audit.beside import SIGNATURE, TIMESTAMP, beside, content_of
from prober.bundle.container import Container
from prober.mistake import Mistake, Refused

Say = Callable[[str], None]


def stamp_command(
    path: Path,
    *,
    tsa: str | None,
    request: Path | None,
    response: Path | None,
    ca_file: Path | None,
    tsa_ca: Path | None,
    say: Say,
) -> None:
    """`prober bundle stamp`: a timestamp from an authority, or the two halves of it for a machine without a network.

    Raises Mistake; then nothing was written.
    """
    if sum(one is not None for one in (tsa, request, response)) != 1:
        raise Mistake(
            "Say how: --tsa URL asks an authority, --request FILE.tsq writes what to ask it, and --response FILE.tsr "
            "takes its answer."
        )
    _check_bundle(path)
    if request is not None:
        asked = timestamp.new_request(path)
        _write_new(request, asked.content)
        say(f"{request} asks for a timestamp of {path.name}; it holds a hash and nothing of the bundle itself.")
        say(f"Send it to an authority, and take the answer with `prober bundle stamp {path} --response FILE.tsr`.")
        return
    place = beside(path, TIMESTAMP)
    _refuse_present(place)
    roots = timestamp.load_roots(tsa_ca) if tsa_ca is not None else None
    try:
        if tsa is not None:
            content, stamp = _ask(path, tsa, ca_file)
        else:
            assert response is not None  # one of the three was given
            content = _given(response)
            stamp = timestamp.read(content, path)
        if roots is not None:
            timestamp.check_signature(stamp, roots)
    except timestamp.WrongTimestamp as wrong:
        raise Mistake(f"There is no timestamp in the answer: {wrong}.") from wrong
    _write_new(place, content)
    say(f"{place} is a timestamp of {stamp.time} by {stamp.authority}; keep it beside the bundle.")
    if roots is None:
        say("Its signature was not checked: `prober verify` does, with the authority's root certificate in --tsa-ca.")


def ssh_sign_command(path: Path, *, key: Path, say: Say) -> None:
    """`prober bundle ssh-sign`: a second signature, with a key that people may know already. Raises Mistake."""
    _check_bundle(path)
    place = beside(path, SIGNATURE)
    _refuse_present(place)
    _write_new(place, ssh.sign(path, key))
    try:
        signed_with = ssh.signing_key(path, place)
    except ssh.WrongSignature as wrong:
        place.unlink()
        raise Mistake(f"--ssh-key {key}: ssh-keygen wrote a signature that does not hold; try again.") from wrong
    except ssh.TooOld:
        signed_with = "key that you named"
    say(f"{place} is a signature with the {signed_with}; keep it beside the bundle.")


def _ask(path: Path, url: str, ca_file: Path | None) -> tuple[bytes, timestamp.Timestamp]:
    from prober.audit.authority import ask

    request = timestamp.new_request(path)
    content = ask(url, request, str(ca_file) if ca_file is not None else None)
    stamp = timestamp.read(content, path)
    if stamp.nonce != request.nonce:
        # RFC 3161 section 2.4.2: else somebody could answer with what was said at another time.
        raise timestamp.WrongTimestamp("it answers another request than this one")
    return content, stamp


def _given(response: Path) -> bytes:
    try:
        content = content_of(response, timestamp.LARGEST)
    except Refused as refused:
        raise Mistake(f"--response {response}: this file is larger than any timestamp is.") from refused
    if content is None:
        raise Mistake(f"--response {response}: there is no such file; name the authority's answer.")
    return content


def _check_bundle(path: Path) -> None:
    """Only the form: what a proof is about must be the right file. Whether it holds, `prober verify` tells."""
    if not path.is_file():
        raise Mistake(f"{path}: this is not a file; name a bundle, as `prober bundle` writes it.")
    try:
        Container(path)
    except Refused as refused:
        raise Mistake(f"{path}: this is not a bundle as `prober bundle` writes it. {refused}") from refused


def _refuse_present(place: Path) -> None:
    if place.exists():
        raise Mistake(
            f"{place}: this is there already, and an earlier proof is never overwritten; `prober verify` checks it."
        )


def _write_new(place: Path, content: bytes) -> None:
    try:
        with place.open("xb") as file:
            try:
                file.write(content)
                file.flush()
            except OSError:
                with suppress(OSError):
                    place.unlink()
                raise
    except FileExistsError as error:
        raise Mistake(f"{place}: this is there already; name a new file, or move it away.") from error
    except OSError as error:
        raise Mistake(f"{place}: this cannot be written ({error.strerror}).") from error
