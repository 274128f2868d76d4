"""The bag inside the container: BagIt 1.0 (RFC 8493), so that `sha256sum -c` and `bagit.py` can check it."""

import hashlib
import re
from collections.abc import Iterable, Mapping

from prober.mistake import Refused

DECLARATION, INFO = "bagit.txt", "bag-info.txt"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
PAYLOAD = "data/"
Content = bytes | memoryview
_BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def bagged(payload: Mapping[str, bytes], tags: Mapping[str, bytes], info: Mapping[str, str]) -> dict[str, bytes]:
    """All files of the bag. `payload` is named below data/, `tags` lie beside it, `info` goes into bag-info.txt."""
    files = {PAYLOAD + name: content for name, content in payload.items()}
    size = sum(len(content) for content in files.values())
    told = {**info, "Payload-Oxum": f"{size}.{len(files)}"}
    beside = {
        **tags,
        DECLARATION: _BAGIT,
        INFO: "".join(f"{name}: {value}\n" for name, value in sorted(told.items())).encode(),
        MANIFEST: _manifest(files),
    }
    return {**files, **beside, TAG_MANIFEST: _manifest(beside)}


def check(files: Mapping[str, Content], outside: Iterable[str]) -> None:
    """Refuses a bag that is not whole; `outside` names the files that no manifest covers. Raises Refused."""
    for needed in (DECLARATION, INFO, MANIFEST, TAG_MANIFEST):
        if needed not in files:
            raise Refused(f"{needed} is missing.")
    if bytes(files[DECLARATION]) != _BAGIT:
        raise Refused(f"{DECLARATION} is not that of a bag of version 1.0.")
    tags = _read(files, TAG_MANIFEST)
    left_out = {TAG_MANIFEST, *outside}
    _check_against(files, tags, TAG_MANIFEST, {name for name in files if not name.startswith(PAYLOAD)} - left_out)
    payload = _read(files, MANIFEST)
    _check_against(files, payload, MANIFEST, {name for name in files if name.startswith(PAYLOAD)})


def digest_of(files: Mapping[str, Content]) -> str:
    """SHA-256 of the tag manifest: it stands for every file of the bag, and it is what is signed."""
    return hashlib.sha256(files[TAG_MANIFEST]).hexdigest()


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)).encode()


def _read(files: Mapping[str, Content], manifest: str) -> dict[str, str]:
    """The digests of a manifest by file name."""
    try:
        lines = bytes(files[manifest]).decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Refused(f"{manifest} is not plain text.") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines[:-1], start=1):
        parts = _LINE.fullmatch(line)
        if parts is None or parts[2] in found:
            raise Refused(f"{manifest}:{number}: this line is not a digest and a file name of its own.")
        found[parts[2]] = parts[1]
    if lines[-1] or list(found) != sorted(found):
        raise Refused(f"{manifest} is not written as a bundle writes it: a line for each file, in their order.")
    return found


def _check_against(files: Mapping[str, Content], listed: Mapping[str, str], manifest: str, there: set[str]) -> None:
    for name in sorted({*listed, *there}):
        if name not in listed:
            raise Refused(f"{name} is in no manifest: it was added.")
        if name not in there:
            raise Refused(f"{name} is missing; {manifest} lists it.")
        if hashlib.sha256(files[name]).hexdigest() != listed[name]:
            raise Refused(f"{name} was altered: its SHA-256 is not the one in {manifest}.")
