"""UUIDs that are worked out and not drawn: the same thing has the same UUID in every export of the same evidence."""

import hashlib

from prober.nouns.base import canonical

_URLS = bytes.fromhex("6ba7b8119dad11d180b400c04fd430c8")
"""The namespace of URLs (RFC 9562, section 6.6)."""


def named(*parts: str) -> str:
    """The UUID of version 5 (RFC 9562, section 5.5) of a thing that these parts name together."""
    return _written(_version_five(_OURS, canonical([_encodable(part) for part in parts])))


def _version_five(namespace: bytes, name: str) -> bytes:
    # SHA-1 is what version 5 is made of. Nothing is kept secret or proved by it.
    digest = bytearray(hashlib.sha1(namespace + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)


def _written(digest: bytes) -> str:
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


_OURS = _version_five(_URLS, "urn:prober:export")
