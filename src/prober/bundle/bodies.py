"""How stored bodies lie in a bundle: by the hash of what they are, and the large ones as gzip (RFC 1952)."""

import hashlib
import struct
import zlib

from prober.mistake import Refused

LARGE = 4096
"""Bytes from which on a body is stored as gzip."""
LARGEST = 64 * 2**20
"""Bytes: prober stores no larger body."""
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Section 2.3: deflate, no flags, no time, no remark on the compression, unknown system."""
_TRAILER = struct.Struct("<II")


def file_name(digest: str, size: int) -> str:
    """The file of a body of this SHA-256 and so many bytes."""
    return f"{digest}.gz" if size >= LARGE else digest


def stored(content: bytes) -> bytes:
    """The bytes by which a body lies in a bundle."""
    if len(content) < LARGE:
        return content
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(content) + packer.flush()
    return _HEADER + packed + _TRAILER.pack(zlib.crc32(content), len(content))


def opened(given: str, content: bytes | memoryview, most: int = LARGEST) -> bytes:
    """The body of a file in a bundle. Raises Refused if it is not what its name says, or larger than bodies are."""
    name = given.removesuffix(".gz")
    plain = bytes(content) if given == name else _unpacked(given, bytes(content), most)
    if hashlib.sha256(plain).hexdigest() != name:
        raise Refused(f"The stored body {given} is not the one that its name says: its SHA-256 is another one.")
    if file_name(name, len(plain)) != given:
        raise Refused(f"The stored body {given} is not in the form that bodies of its size have.")
    return plain


def _unpacked(given: str, content: bytes, most: int) -> bytes:
    if not content.startswith(_HEADER) or len(content) < len(_HEADER) + _TRAILER.size:
        raise Refused(f"The stored body {given} is not gzip in the form that a bundle has.")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(content[len(_HEADER) :], most + 1)
    except zlib.error as error:
        raise Refused(f"The stored body {given} cannot be unpacked.") from error
    if len(plain) > most:
        raise Refused(f"The stored body {given} unpacks to more than {most} bytes; prober never stores so much.")
    if not unpacker.eof or unpacker.unused_data != _TRAILER.pack(zlib.crc32(plain), len(plain)):
        raise Refused(f"The stored body {given} does not end as gzip does, or something follows it.")
    return plain
