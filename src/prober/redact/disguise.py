"""Tells whether a secret still shows in bytes behind some other spelling, one that anybody could undo."""

from __future__ import annotations

import html
import re
import unicodedata
from base64 import b32encode, b64encode
from collections.abc import Iterator
from functools import lru_cache

from prober.redact.placeholders import octets

FEWEST = 8
"""Letters and digits: what is shorter is found in texts that have nothing to do with the secret."""
CUT_FROM = 16
"""Letters and digits: of a secret as long as this, three quarters are as good as all of it."""
ROUNDS = 6
MOST_ESCAPES = 200_000
LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789"
LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
OTHERS = bytes(byte for byte in range(256) if bytes([byte]).lower() not in {bytes([letter]) for letter in LETTERS})

# An escape that was escaped again and again is one step from being plain.
AGAIN = (
    (b"%", re.compile(rb"%(?:25)+")),
    (b"\\", re.compile(rb"\\\\+")),
    (b"&", re.compile(rb"&(?:[aA][mM][pP];|#0*38;|#[xX]0*26;)+")),
)
HEX = rb"[0-9A-Fa-f]"
# Every alternative begins with a sign: so the many bytes between the escapes are passed over quickly.
ESCAPED = re.compile(
    rb"%(?:(?P<percent>HEX{2})|u(?P<wide>HEX{4}))"
    rb"|\\u(?P<pair>[dD][89abAB]HEX{2}\\u[dD][c-fC-F]HEX{2})"
    rb"|\\(?:u\{0*(?P<braced>HEX{1,6})\}|u(?P<four>HEX{4})|U(?P<eight>HEX{8})|x\{?0*(?P<hex>HEX{2})\}?"
    rb"|(?P<octal>[0-7]{2,3})|(?P<short>[^0-9uxU]))"
    rb"|&(?:#0*(?P<decimal>[0-9]{1,7});?|#[xX]0*(?P<entity>HEX{1,6});?|(?P<named>[A-Za-z]{2,31};))".replace(b"HEX", HEX)
)
PRINTABLE = re.compile(rb"=\r?\n|=(?P<hex>[0-9a-fA-F]{2})")
NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f]")
ARCHIVES = (
    *(b"\x1f\x8b", b"\x1f\x9d", b"\x1f\xa0", b"PK\x03\x04", b"PK\x05\x06", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf"),
    *(b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"Rar!", b"%PDF-", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"),
)


class Flooded(Exception):
    """The bytes hold more escapes or credentials than anybody should undo."""


def packed(data: bytes) -> bool:
    """Whether the bytes are an archive or no text at all, so that nobody could say what is in them."""
    return data.startswith(ARCHIVES) or NO_TEXT.search(data) is not None


def bare(data: bytes) -> bytes:
    """Nothing but the letters, in lower case, and the digits: separators, unseen characters and widths are gone."""
    return (data if data.isascii() else _ascii(data)).translate(LOWER, OTHERS)


def _ascii(data: bytes) -> bytes:
    text = data.decode("utf-8", "ignore")
    odd = {}
    for character in set(text):
        if character > "\x7f":
            plain = unicodedata.normalize("NFKC", character)
            if any("0" <= one <= "z" for one in plain):
                odd[ord(character)] = plain
    return (text.translate(odd) if odd else text).encode("ascii", "ignore")


def spellings(secret: str) -> tuple[bytes, ...]:
    """The bare forms of a secret: as it is, cut short, in numbers, and in bases 16, 32 and 64 (also twice)."""
    raw = octets(secret)
    plain = bare(raw)
    found = {plain, plain[::-1]}
    if len(plain) >= CUT_FROM:
        found |= {plain[: len(plain) * 3 // 4], plain[-(len(plain) * 3 // 4) :]}
    found |= {bare(shown) for one in (raw, raw.lower(), raw.upper()) for shown in _in_base(64, one)}
    found |= {bare(shown) for one in _in_base(64, raw) for shown in _in_base(64, one)}
    found |= {shown.lower() for shown in _in_base(32, raw)}
    found |= {"".join(map(form.format, raw)).encode() for form in ("{:02x}", "{}", "0x{:02x}")}
    return tuple(sorted((form for form in found if len(form) >= FEWEST), key=lambda form: (len(form), form)))


def _in_base(base: int, raw: bytes) -> Iterator[bytes]:
    encode, bits = (b64encode, 6) if base == 64 else (b32encode, 5)
    for lead in range(3 if base == 64 else 5):
        # Only the digits that no neighbour of the secret has a part in.
        yield encode(b"\0" * lead + raw)[-(-lead * 8 // bits) : (lead + len(raw)) * 8 // bits]


def layers(data: bytes) -> Iterator[bytes]:
    """The bytes, and what is left when every escape in them is undone. Raises Flooded."""
    yield data
    escapes = sum(data.count(sign) for sign in (b"%", b"\\", b"&", b"="))
    if escapes > MOST_ESCAPES:
        raise Flooded
    if not escapes:
        return
    plain = _plain(data)
    if plain is not data:
        yield plain
    for one in {data, plain}:
        if b"=" in one and (undone := PRINTABLE.sub(_printable, one)) != one:
            yield undone


def _plain(data: bytes) -> bytes:
    for _ in range(ROUNDS):
        plainer = data
        for sign, again in AGAIN:
            if sign in plainer:
                plainer = again.sub(lambda match: match[0][:1], plainer)
        plainer = ESCAPED.sub(_undo, plainer)
        if plainer == data:
            return data
        data = plainer
    raise Flooded


def _printable(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match["hex"].decode()) if match["hex"] else b""


def _undo(match: re.Match[bytes]) -> bytes:
    return _undone(match.lastgroup or "", match[match.lastgroup or 0])


@lru_cache(maxsize=4096)
def _undone(kind: str, value: bytes) -> bytes:
    if kind == "short":
        return value if value in b"\"'\\/" else b" "
    if kind == "named":
        return html.unescape(f"&{value.decode()}").encode("utf-8", "replace")
    if kind == "pair":
        halves = bytes.fromhex(value.decode().replace("\\u", ""))
        return halves.decode("utf-16-be").encode()
    point = int(value, {"octal": 8, "decimal": 10}.get(kind, 16))
    if kind in ("percent", "hex", "octal") and point < 256 and len(value) < 4:
        return bytes([point])
    return chr(point).encode("utf-8", "replace") if point < 0x110000 else b"?"
