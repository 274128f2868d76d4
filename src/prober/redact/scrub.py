"""Finds the secrets that a run knows, however they are encoded, and what looks like a credential, in any bytes."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from bisect import bisect_right
from functools import lru_cache
from urllib.parse import quote_plus

from prober.redact.disguise import MOST_ESCAPES, Flooded, bare, layers, spellings
from prober.redact.placeholders import Seal, octets

SHORTEST_SECRET = 4
HALVES_FROM = 32
ROUNDS = 3
# Bodies are searched in windows, so that the way back through the escapes never needs more memory than the body.
WINDOW = 1 << 20
MOST_FINDS = 100_000
MOST_CREDENTIALS = 20_000
MOST_QUOTES = 1_100_000

ESCAPE = re.compile(
    rb"%[0-9A-Fa-f]{2}"
    rb"|\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
    rb"|\\u[0-9A-Fa-f]{4}"
    rb"|\\[\"\\/bfnrt]"
    rb"|&#[0-9]{1,7};?|&#[xX][0-9A-Fa-f]{1,6};?|&(?:amp|lt|gt|quot|apos);"
)
SHORT_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}

CREDENTIAL_KEYS = (
    "access_token|refresh_token|id_token|client_secret|client_assertion|registration_access_token|subject_token|"
    "actor_token|device_code|code_verifier|assertion|password|passwd|api_key|apikey|api-key|private_key|secret"
)
# A run of token characters is looked at once, from its beginning: hostile input cannot make this slower than linear.
JWT = re.compile(rb"(?<![\w-])(?>[\w-]*?(?=eyJ))((?:eyJ)[\w-]{4,}+\.[\w-]*+\.[\w-]*+(?:\.[\w-]*+){0,2})")
BEARER = re.compile(
    rb"\b(Bearer|Basic|DPoP)(\s{1,4}+)(?=[^\s]{0,64}?[0-9]|[\w.~+/=-]{20})([\w.~+/=-]{8,}+)(?!\")", re.I
)
USERINFO = re.compile(rb"(:(?:/|\\/){2})([^/\s\"'<>@?#\\]{1,1024})@")
PARAMETER = re.compile(
    rb"((?:[?&;#]|\\u0026|^)(?:" + CREDENTIAL_KEYS.encode() + rb"|token|sig|signature|x-amz-signature|x-amz-credential"
    rb"|x-amz-security-token|x-goog-signature|x-goog-credential|awsaccesskeyid|subscription-key)=)([^&\s\"'<>#\\;]+)",
    re.I | re.M,
)
QUERY = re.compile(rb"\?[^\s\"'<>#]++")
GRANT = re.compile(rb"([?&]code=)([^&\\;]+)")
FORM_GRANT = re.compile(rb"((?:^|&)code=)([^&\s\"'<>#\\;]+)", re.M)
MEMBER = re.compile(rb'("(?:' + CREDENTIAL_KEYS.encode() + rb')"\s{0,64}+:\s{0,64}+")((?:[^"\\]++|\\.)*+)', re.I | re.S)
ANY_MEMBER = re.compile(rb'"((?:[^"\\]++|\\.)*+)"(?:(\s{0,64}+:\s{0,64}+")((?:[^"\\]++|\\.)*+)("?+))?+', re.S)
KEY = re.compile(CREDENTIAL_KEYS, re.I)
# Cheap to look for in a lower-case copy, and always there where a costly pattern could match.
MEMBER_SIGNS = (b"token", b"secret", b"assertion", b"passw", b"_code", b"verifier", b"key")
PARAMETER_SIGNS = tuple(
    sign + b"=" for sign in (b"token", b"secret", b"assertion", b"password", b"passwd", b"device_code")
)
PARAMETER_SIGNS += (b"verifier=", b"key=", b"api-key=", b"sig=", b"signature=", b"credential=", b"keyid=")
BEARER_SIGNS = (b"bearer", b"basic", b"dpop")


class View:
    """The way back from each byte of a text with one layer of escapes undone to where it came from."""

    def __init__(self, data: bytes) -> None:
        self._here: list[int] = []
        self._there: list[tuple[int, int, bool]] = []
        here = last = 0
        for match in ESCAPE.finditer(data):
            if match.start() > last:
                self._mark(here, last, match.start(), literal=True)
                here += match.start() - last
            self._mark(here, match.start(), match.end(), literal=False)
            here += len(_undo(match[0]))
            last = match.end()
        if last < len(data):
            self._mark(here, last, len(data), literal=True)

    def _mark(self, here: int, start: int, end: int, *, literal: bool) -> None:
        self._here.append(here)
        self._there.append((start, end, literal))

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The span one layer up that became data[start:end]."""
        first = bisect_right(self._here, start) - 1
        last = bisect_right(self._here, end - 1) - 1
        begin, _, literal = self._there[first]
        if literal:
            begin += start - self._here[first]
        begun, finish, literal = self._there[last]
        if literal:
            finish = begun + end - self._here[last]
        return begin, finish


def undone(data: bytes) -> bytes:
    """The bytes with one layer of escapes undone."""
    return ESCAPE.sub(lambda match: _undo(match[0]), data)


@lru_cache(maxsize=4096)
def _undo(escape: bytes) -> bytes:
    if escape[:1] == b"%":
        return bytes([int(escape[1:], 16)])
    if escape[:2] == b"\\u":
        text = "".join(chr(int(part, 16)) for part in escape.decode().split("\\u")[1:])
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    if escape[:1] == b"\\":
        return SHORT_ESCAPES.get(escape[1:], escape[1:])
    return html.unescape(escape.decode()).encode("utf-8", "replace")


def needles(secret: str) -> list[bytes]:
    """The byte strings by which a secret shows itself once escapes are undone, the longest first."""
    raw = octets(secret)
    found = {raw, quote_plus(raw).encode(), secret.replace(" ", "+").encode("utf-8", "surrogatepass")}
    if len(raw) >= HALVES_FROM:
        found |= {octets(secret[: len(secret) // 2]), octets(secret[len(secret) // 2 :])}
    found |= {secret.encode("utf-16-le", "surrogatepass"), secret.encode("utf-16-be", "surrogatepass")}
    if len(raw) >= 8:
        found |= {raw.hex().encode(), raw.hex().upper().encode()}
    for shift, lead in ((0, 0), (1, 2), (2, 3)):
        whole = b64encode(b"\0" * shift + raw)[lead : (shift + len(raw)) * 8 // 6]
        if len(whole) >= 6:
            found |= {whole, whole.replace(b"+", b"-").replace(b"/", b"_")}
    return sorted(found, key=lambda needle: (-len(needle), needle))


class Scrubber:
    """Replaces known secrets and credential shapes by placeholders."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._secrets: dict[str, list[bytes]] = {}
        self._spellings: frozenset[bytes] = frozenset()

    def add(self, secret: str) -> None:
        """Remember a secret. Fewer than 4 characters are no secret and would tear up every text: they are ignored."""
        if len(secret.strip()) >= SHORTEST_SECRET and not self._seal.made(secret):
            self._secrets.setdefault(secret, needles(secret))
            self._spellings |= frozenset(spellings(secret))

    def text(self, text: str) -> str:
        """The text without secrets and credentials; one that hides a secret behind another spelling goes as a whole."""
        raw = octets(text)
        try:
            clean = self.data(raw)
            hidden = self.hides(clean)
        except Flooded:
            hidden = True
        if hidden:
            return self._seal.text(text)
        if clean == raw:
            return text
        try:
            return clean.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return clean.decode("utf-8", "replace")

    def data(self, data: bytes) -> bytes:
        """The bytes without secrets and credentials; the same object where there were none. Raises Flooded."""
        if data.count(b"%") + data.count(b"\\") + data.count(b"&") > MOST_ESCAPES:
            raise Flooded
        return self.known(self.shapes(data))

    def hides(self, data: bytes) -> bool:
        """Whether a secret that the run knows still shows in these bytes, however it is spelled. Raises Flooded."""
        if not self._spellings or not data:
            return False
        return any(form in plain for plain in map(bare, layers(data)) for form in self._spellings)

    def known(self, data: bytes) -> bytes:
        """The bytes without the secrets that the run knows, as they are and in the usual encodings. Raises Flooded."""
        if not self._secrets or not data:
            return data
        overlap = 16 * max(len(shown[0]) for shown in self._secrets.values())
        spans: list[tuple[int, int, str]] = []
        for start in range(0, len(data), WINDOW):
            found = self._spans(data[start : start + WINDOW + overlap])
            spans.extend((start + begin, start + end, secret) for begin, end, secret in found)
            if len(spans) > MOST_FINDS:
                raise Flooded
        return self._cut(data, spans) if spans else data

    def _spans(self, data: bytes) -> list[tuple[int, int, str]]:
        spans: list[tuple[int, int, str]] = []
        layers = [data]
        views: list[View] = []
        for _ in range(ROUNDS + 1):
            hits = [
                (secret, needle) for secret, shown in self._secrets.items() for needle in shown if needle in layers[-1]
            ]
            if hits:
                views += [View(layer) for layer in layers[len(views) : -1]]
            for secret, needle in hits:
                spans.extend((*span, secret) for span in _find(layers[-1], needle, views))
            plain = undone(layers[-1])
            if plain == layers[-1]:
                break
            layers.append(plain)
        return spans

    def _cut(self, data: bytes, spans: list[tuple[int, int, str]]) -> bytes:
        spans.sort(key=lambda span: (span[0], -span[1]))
        parts: list[bytes] = []
        at = 0
        for start, end, secret in spans:
            if end <= at:
                continue
            if start >= at:
                parts += (data[at:start], self._seal.text(secret).encode())
            at = end
        return b"".join((*parts, data[at:]))

    def shapes(self, data: bytes) -> bytes:
        """The bytes without what looks like a credential: JSON Web Tokens, bearer values, userinfo, named secrets.

        Raises Flooded.
        """
        return _Shapes(self._seal).removed(data)


class _Shapes:
    """One pass over one text: it counts what it finds, because every find costs time and grows the text."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._found = 0

    def removed(self, data: bytes) -> bytes:
        low = data.lower()
        if b"eyj" in low:
            data = JWT.sub(lambda m: m[0][: m.start(1) - m.start()] + self._placeholder(m[1]), data)
        if b"@" in low:
            data = USERINFO.sub(lambda m: m[1] + self._placeholder(m[2]) + b"@", data)
        if any(sign in low for sign in BEARER_SIGNS):
            data = BEARER.sub(lambda m: m[1] + m[2] + self._placeholder(m[3]), data)
        if any(sign in low for sign in PARAMETER_SIGNS):
            data = PARAMETER.sub(lambda m: m[1] + self._placeholder(m[2]), data)
        if b"code=" in low and b"state=" in low:
            data = QUERY.sub(self._grant, data)
        if b"code=" in low and b"grant_type=" in low:
            data = FORM_GRANT.sub(lambda m: m[1] + self._placeholder(m[2]), data)
        if b'"' in low and any(sign in low for sign in MEMBER_SIGNS):
            data = MEMBER.sub(lambda m: m[1] + self._placeholder(m[2]), data)
        if b"\\u00" in low:
            data = self._members(data)
        return data

    def _members(self, data: bytes) -> bytes:
        """Members whose names are spelled with escapes; the many others are passed over and not put together again."""
        if data.count(b'"') > MOST_QUOTES:
            raise Flooded
        parts: list[bytes] = []
        at = 0
        for match in ANY_MEMBER.finditer(data):
            if match[2] is not None and b"\\" in match[1]:
                parts += (data[at : match.start()], self._escaped(match))
                at = match.end()
        return b"".join((*parts, data[at:])) if parts else data

    def _grant(self, match: re.Match[bytes]) -> bytes:
        if b"state=" not in match[0]:
            return match[0]
        return GRANT.sub(lambda m: m[1] + self._placeholder(m[2]), match[0])

    def _escaped(self, match: re.Match[bytes]) -> bytes:
        if not KEY.fullmatch(undone(match[1]).decode("utf-8", "replace")):
            return match[0]
        return b'"' + match[1] + b'"' + match[2] + self._placeholder(match[3]) + match[4]

    def _placeholder(self, value: bytes) -> bytes:
        self._found += 1
        if self._found > MOST_CREDENTIALS:
            raise Flooded
        return self._seal.text(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _find(data: bytes, needle: bytes, views: list[View]) -> list[tuple[int, int]]:
    found = []
    at = data.find(needle)
    while at >= 0:
        span = (at, at + len(needle))
        for view in reversed(views):
            span = view.back(*span)
        found.append(span)
        at = data.find(needle, at + len(needle))
    return found
