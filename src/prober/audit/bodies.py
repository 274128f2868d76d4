"""How stored bodies lie in a bundle: by the hash of what they are, and the large ones as gzip."""

import hashlib
import struct
import zlib

from prober.archive import LARGEST_FILE
from prober.mistake import Refused

LARGE = 4096
"""Bytes from which on a body is stored as gzip, if that makes it smaller."""
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
"""RFC 1952 section 2.3: deflate, no flags, no time, best compression, unknown system."""
_TRAILER = struct.Struct("<II")


def stored(name: str, content: bytes) -> tuple[str, bytes]:
    """The file name and the bytes by which a body of this SHA-256 lies in a bundle."""
    if len(content) >= LARGE:
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(content) + packer.flush()
        whole = _HEADER + packed + _TRAILER.pack(zlib.crc32(content), len(content))
        if len(whole) < len(content):
            return f"{name}.gz", whole
    return name, content


def opened(file_name: str, content: bytes | memoryview, most: int = LARGEST_FILE) -> bytes:
    """The body of a file in a bundle. Raises Refused if it is not what its name says, or larger than bodies are."""
    name = file_name.removesuffix(".gz")
    plain = bytes(content) if file_name == name else _unpacked(file_name, bytes(content), most)
    if hashlib.sha256(plain).hexdigest() != name:
        raise Refused(f"The stored body {file_name} is not the one that its name says: its SHA-256 is another one.")
    return plain


def _unpacked(file_name: str, content: bytes, most: int) -> bytes:
    if not content.startswith(_HEADER) or len(content) < len(_HEADER) + _TRAILER.size:
        raise Refused(f"The stored body {file_name} is not gzip in the form that a bundle has.")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(content[len(_HEADER) :], most + 1)
    except zlib.error as error:
        raise Refused(f"The stored body {file_name} cannot be unpacked.") from error
    if len(plain) > most:
        raise Refused(f"The stored body {file_name} unpacks to more than {most} bytes; prober never stores so much.")
    if not unpacker.eof or unpacker.unused_data != _TRAILER.pack(zlib.crc32(plain), len(plain)):
        raise Refused(f"The stored body {file_name} does not end as gzip does, or something follows it.")
    return plain
