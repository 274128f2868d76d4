"""The files behind attestations: their hash, and what may not be read as one."""

import errno
import hashlib
import os
import stat
from pathlib import Path, PurePosixPath

from prober.mistake import Mistake

LARGEST_DOCUMENT = 256 * 2**20
"""Bytes: a larger file is no document that anybody would read."""
LARGEST_SOURCE = 32 * 2**20
"""Bytes of a file that is imported."""
_PIECE = 2**20


def sha256_beside(folder: Path, name: str) -> str:
    """The SHA-256 of a document beside attestations.yaml. ValueError, as a sentence, for anything but a plain file.

    A path that leads elsewhere is refused: whoever writes the file must not learn of, or publish, other files.
    """
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or not place.parts or ":" in place.parts[0]:
        raise ValueError(f"the document {name} lies elsewhere; keep it beside this file and give its path from here.")
    path = folder.joinpath(*place.parts)
    for step in [path, *list(path.parents)[: len(place.parts) - 1]]:
        if step.is_symlink():
            raise ValueError(f"the document {name} is behind a link; put the file itself there.")
    try:
        return sha256_of(path)
    except FileNotFoundError as error:
        raise ValueError(f"the document {name} is not there; put it beside this file, or correct its path.") from error
    except OSError as error:
        raise ValueError(f"the document {name} cannot be read ({error.strerror}); correct its path.") from error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a plain file, read piece by piece. OSError for anything else, and for more than is read here."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file")
        if facts.st_size > LARGEST_DOCUMENT:
            raise OSError(errno.EFBIG, f"it is larger than {LARGEST_DOCUMENT} bytes")
        while piece := os.read(descriptor, _PIECE):
            digest.update(piece)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def read_source(path: Path) -> bytes:
    """A file to import, whole. Raises Mistake for a folder, a link to nothing, and more than is read here."""
    try:
        if path.is_dir():
            raise Mistake(f"{path}: this is a folder; name a file.")
        with path.open("rb") as file:
            content = file.read(LARGEST_SOURCE + 1)
    except FileNotFoundError as error:
        raise Mistake(f"{path}: there is no such file; check the path.") from error
    except OSError as error:
        raise Mistake(f"{path}: this file cannot be read ({error.strerror}); check its permissions.") from error
    if len(content) > LARGEST_SOURCE:
        raise Mistake(f"{path}: this file is larger than {LARGEST_SOURCE} bytes; export less of it.")
    return content
