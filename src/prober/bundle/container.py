"""The container: a ZIP file with one legal form, so that equal contents are equal bytes and nothing can hide in it.

Entries lie in the order of their names, stored and not compressed, with fixed header fields, and without extra fields,
comments, data descriptors, gaps or bytes before or after. Any unzip program opens it. Source of the fields: APPNOTE.TXT
6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
"""

import mmap
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from prober.mistake import Refused

MOST_ENTRIES = 0xFFFF - 1
LARGEST = 0xFFFFFFFF - 1
"""Bytes: a larger container would need other headers."""
LONGEST_NAME = 240
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_NEEDED = 10
_MADE_BY = 0x0314
"""Unix, version 2.0: the only way to say that an entry is a plain file."""
_DAY = 0x0021
"""1 January 1980, the earliest day that a ZIP file can name: no clock is read."""
_PLAIN_FILE = 0o100644 << 16
_LINK = 0o120000


def legal_name(name: str) -> bool:
    """Whether an entry may have this name: plain characters, no way out of the folder, nothing hidden."""
    return len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None


def write(entries: Mapping[str, bytes], file: BinaryIO) -> None:
    """Write the container of these entries. ValueError for a name, a size or a number that it has no form for."""
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"A container holds at most {MOST_ENTRIES} entries, not {len(entries)}.")
    directory: list[bytes] = []
    at = 0
    for name, content in sorted(entries.items()):
        if not legal_name(name):
            raise ValueError(f"A container has no entry of the name {name!r}.")
        local, central = _headers(name.encode("ascii"), zlib.crc32(content), len(content), at)
        directory.append(central)
        at += len(local) + len(content)
        if at > LARGEST:
            raise ValueError(f"A container holds at most {LARGEST} bytes.")
        file.write(local)
        file.write(content)
    whole = b"".join(directory)
    file.write(whole)
    file.write(_end(len(entries), len(whole), at))


class Container(Mapping[str, memoryview]):
    """An opened container: its entries by name, read from the file only when they are asked for."""

    def __init__(self, path: Path) -> None:
        """Open and check a container. Raises Refused, naming the first thing that is wrong."""
        self.path = path
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise Refused("The file is empty.") from error
        self._view = memoryview(self._bytes)
        self._places: dict[str, tuple[int, int]] = {}
        self._check()

    def __getitem__(self, name: str) -> memoryview:
        start, end = self._places[name]
        return self._view[start:end]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def _check(self) -> None:
        size = len(self._view)
        if size > LARGEST:
            raise Refused("The file is larger than a bundle can be.")
        if bytes(self._view[:4]) not in (_LOCAL_MARK, _END_MARK):
            raise Refused("The file is not a bundle: it does not begin as a ZIP file does.")
        at = 0
        directory: list[bytes] = []
        last = ""
        while bytes(self._view[at : at + 4]) == _LOCAL_MARK:
            name, start, end = self._local(at)
            if name == last or name in self._places:
                raise Refused(f"The entry {name} is there twice.")
            if name < last:
                raise Refused(f"The entry {name} is out of order: entries lie in the order of their names.")
            last = name
            content = self._view[start:end]
            local, central = _headers(name.encode("ascii"), zlib.crc32(content), end - start, at)
            if bytes(self._view[at:start]) != local:
                raise Refused(f"The header of the entry {name} is not that of its content; the file was altered.")
            directory.append(central)
            self._places[name] = (start, end)
            at = end
        self._directory(at, directory)

    def _local(self, at: int) -> tuple[str, int, int]:
        """The name of the entry whose header begins here, and where its content begins and ends."""
        header = bytes(self._view[at : at + _LOCAL.size])
        if len(header) < _LOCAL.size:
            raise Refused("The file is cut off in the header of an entry.")
        (_, needed, flags, method, clock, day, _, packed, plain, name_length, extra) = _LOCAL.unpack(header)
        start = at + _LOCAL.size + name_length + extra
        raw = bytes(self._view[at + _LOCAL.size : at + _LOCAL.size + name_length])
        if len(raw) < name_length:
            raise Refused("The file is cut off in the name of an entry.")
        name = raw.decode("ascii", "replace")
        if not legal_name(name):
            raise Refused(f"The entry {_shown(name)} has a name that no bundle has: it could lead outside its folder.")
        if method or packed != plain:
            raise Refused(
                f"The entry {name} is compressed by the container (method {method}); a bundle stores it as it is."
            )
        if (needed, flags, clock, day, extra) != (_NEEDED, 0, 0, _DAY, 0):
            raise Refused(f"The header of the entry {name} has a field that a bundle does not have.")
        if start + plain > len(self._view):
            raise Refused(f"The file is cut off in the entry {name}.")
        return name, start, start + plain

    def _directory(self, at: int, wanted: list[bytes]) -> None:
        begin = at
        for (name, _), central in zip(self._places.items(), wanted, strict=True):
            found = bytes(self._view[at : at + len(central)])
            if found != central:
                raise Refused(_of_directory(name, found, central))
            at += len(central)
        if bytes(self._view[at : at + 4]) == _CENTRAL_MARK:
            raise Refused("The directory of the file lists an entry that is not there.")
        end = _end(len(wanted), at - begin, begin)
        found = bytes(self._view[at : at + len(end)])
        if len(found) < len(end):
            raise Refused("The file is cut off at its end.")
        if found != end:
            raise Refused("The end of the file does not say what lies before it; the file was altered.")
        if at + len(end) != len(self._view):
            raise Refused("Bytes follow the end of the bundle.")


def _headers(name: bytes, checksum: int, size: int, at: int) -> tuple[bytes, bytes]:
    local = _LOCAL.pack(_LOCAL_MARK, _NEEDED, 0, 0, 0, _DAY, checksum, size, size, len(name), 0) + name
    central = (
        _CENTRAL.pack(
            _CENTRAL_MARK,
            *(_MADE_BY, _NEEDED, 0, 0, 0, _DAY, checksum, size, size, len(name), 0, 0, 0, 0, _PLAIN_FILE, at),
        )
        + name
    )
    return local, central


def _end(count: int, size: int, at: int) -> bytes:
    return _END.pack(_END_MARK, 0, 0, count, count, size, at, 0)


def _of_directory(name: str, found: bytes, wanted: bytes) -> str:
    if len(found) < len(wanted):
        return "The file is cut off in its directory."
    if found[:4] != _CENTRAL_MARK:
        return f"The entry {name} is missing in the directory of the file."
    mode = _CENTRAL.unpack(found[: _CENTRAL.size])[15] >> 16
    if mode & 0o170000 == _LINK:
        return f"The entry {name} is a link; a bundle holds plain files only."
    return f"The directory of the file says something else of the entry {name} than the entry itself."


def _shown(name: str) -> str:
    return repr(name[:80])
