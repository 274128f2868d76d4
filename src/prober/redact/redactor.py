"""The one gate through which every answer, header, address and message of a run passes before anybody keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from prober.nouns.evidence import crowded
from prober.nouns.finding import Reason
from prober.redact import json_bodies, xml_bodies
from prober.redact.disguise import Flooded, packed
from prober.redact.headers import HeaderGate
from prober.redact.json_bodies import Crowded, Json, JsonGate, Members
from prober.redact.pages import told_of
from prober.redact.placeholders import Seal
from prober.redact.published import is_published, is_published_xml, shape_of
from prober.redact.scrub import Scrubber
from prober.redact.texts import TextGate
from prober.redact.urls import Kept, UrlGate
from prober.redact.xml_bodies import XmlGate

BOM = b"\xef\xbb\xbf"
LONGEST_TEXT = 65_536
UNPARSEABLE_LINE = "!"
HTML = re.compile(rb"\s*+(?:<!--.{0,4096}?-->\s*+)?<(?:!doctype\s++html|html|head|body)\b", re.I | re.S)
FIRST = re.compile(rb"\s*+(\S)")
LINES = re.compile(rb"\s*+\{[^\n]*\}[ \t\r]*+\n\s*+\{")
JWK_SIGN = re.compile(rb'"kty"|\\u00')
JWK_SECRETS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})
MOST_LINES = 50_000
MOST_MARKUP = 300_000
"""Twice the tags and once the attributes of an XML document: an element takes more memory than anything in JSON."""


@dataclass(frozen=True)
class RedactedBody:
    """What may be kept of a body.

    `media` is what the body is, whatever its header says: json, ndjson, xml, html, text or none. `parsed` is whether
    all of it could be read as that. `note` says in a few words what could not be kept, with byte offset and length.
    `withheld` is why nothing can be known of it where that is prober's doing: it reads no more than it can in a second
    or so (`too_large`), and it keeps nothing that hides a secret of the run (`unparseable`).
    """

    data: bytes
    media: str
    parsed: bool
    note: str | None
    withheld: Reason | None = None


class Redactor:
    """Redacts all that one run asks and hears, under a key of this run that is stored nowhere.

    Equal values get equal placeholders and different values different ones, valid for their kind, and what this run has
    redacted stays as it is when it is redacted again. Dates are the exception: they shift by the run's secret time
    each time. Replay never redacts, it reuses what is stored, so dates need no such mark. Nothing here raises on
    any input, and the work grows with the length of the input only, up to limits on members, words and lines. It may
    be used by several threads at once.
    """

    def __init__(
        self, key: bytes, *, synthetic: bool, secrets: Iterable[str] = (), now: datetime | None = None
    ) -> None:
        """Take 32 random bytes of this run; synthetic=True says that the data were declared to be invented.

        `now` is when the run begins: moments about then are known to anybody, and say nothing of how far others shift.
        """
        self._synthetic = synthetic
        self._seal = Seal(key, now)
        self._kept = Kept()
        self._scrubber = Scrubber(self._seal)
        self._urls = UrlGate(self._seal, self._kept)
        self._texts = TextGate(self._seal, self._kept, self._urls)
        self._headers = HeaderGate(self._seal, self._kept, self._urls, self._texts)
        for secret in secrets:
            self.add_secret(secret)

    def add_secret(self, value: str) -> None:
        """Remember a secret that must never be kept, in any encoding; one of fewer than 4 characters is ignored."""
        self._scrubber.add(value)

    def keep_base(self, base: str) -> None:
        """Remember a FHIR base as the user wrote it: it stays in URLs and texts, and its host is a known host."""
        self._kept.add_base(base)

    def keep_host(self, host: str) -> None:
        """Remember a host that the user named: it stays in URLs and texts, as that of a base does."""
        self._kept.add_host(host)

    def keep(self, value: str) -> None:
        """Remember a constant that prober wrote into its requests (an id that cannot exist): it stays everywhere."""
        if value:
            self._kept.constants.add(value)

    def url(self, url: str, *, public: bool = False) -> str:
        """The URL with everything replaced that could name somebody; its scheme stays, and a host that is known."""
        return self._scrubber.text(url if public or self._synthetic else self._urls.url(url))

    def value(self, value: str, kind: str = "text") -> str:
        """One value of a kind (id, token, date, text or uri) as bodies and URLs of this run show it.

        A placeholder is valid for its kind where the value is; what is no id or date gets one that is none either.
        Synthetic values stay, as they do in bodies.
        """
        if self._synthetic:
            return self._scrubber.text(value)
        if value in self._kept.constants:
            return self._scrubber.text(value)
        gate = {"id": self._seal.id, "date": self._seal.date, "uri": self._urls.uri}.get(kind, self._seal.text)
        return self._scrubber.text(gate(value))

    def text(self, text: str) -> str:
        """A log line, a message or diagnostics: without secrets, and of real data only the words of an exact list."""
        clean = self._scrubber.text(text)
        return clean if self._synthetic else self._scrubber.text(self._texts.text(clean))

    def public_text(self, text: str) -> str:
        """Words that are for everybody, as those of a certificate, without secrets."""
        return self._scrubber.text(text)

    def headers(
        self, headers: Sequence[tuple[str, str]], *, response: bool, public: bool = False
    ) -> tuple[tuple[str, str], ...]:
        """The headers that may stay, in their order; `prober-dropped-headers` counts those that may not."""
        gated = self._headers.headers(headers, response=response, whole=public or self._synthetic)
        return tuple((self._scrubber.text(name), self._scrubber.text(value)) for name, value in gated)

    def body(self, data: bytes, content_type: str, *, public: bool = False) -> RedactedBody:
        """What may be kept of a body; a body of real data that does not parse keeps nothing but where it broke.

        `public` says that it came from an address of public documents. Then it is kept as it is if it has the shape of
        such a document; anything else under such an address is somebody's data.
        """
        if not data:
            return RedactedBody(b"", "none", False, None)
        bom, plain = (BOM, data[3:]) if data.startswith(BOM) else (b"", data)
        media = _media(plain, content_type.partition(";")[0].strip().lower())
        what = "escapes or credentials"
        try:
            found = self._read(media, plain, content_type, whole=self._synthetic, public=public, lead=len(bom))
            kept = self._scrubber.data(found.data)
            hidden = self._scrubber.hides(kept)
        except Crowded as error:
            what = str(error)
        except Flooded:
            pass
        else:
            if hidden:
                return RedactedBody(b"", media, False, "a secret of this run shows in it in disguise", "unparseable")
            return RedactedBody(bom + kept if kept else b"", found.media, found.parsed, found.note)
        return RedactedBody(b"", media, False, f"{len(data)} bytes hold more {what} than prober reads", "too_large")

    def _read(
        self, media: str, data: bytes, content_type: str, *, whole: bool, public: bool, lead: int
    ) -> RedactedBody:
        if media in ("json", "ndjson") and crowded(data):
            raise Crowded("members")
        if media == "ndjson" and data.count(b"\n") >= MOST_LINES:
            raise Crowded("lines")
        if media == "xml" and 2 * data.count(b"<") + data.count(b"=") > MOST_MARKUP:
            raise Crowded("elements")
        if media == "xml":
            return self._xml_body(data, whole=whole, public=public, lead=lead)
        # Nobody can say what is in an archive, so not even an invented one is kept.
        keepable = whole and not packed(data)
        if media == "json":
            return self._json_body(data, whole=whole, public=public, lead=lead, keepable=keepable)
        if media == "ndjson":
            return self._ndjson_body(data, whole=whole, public=public, lead=lead, keepable=keepable)
        if media == "html":
            return RedactedBody(data if keepable else b"", "html", keepable, told_of(data))
        if media == "text" and (keepable or not whole):
            return self._text_body(data, content_type, whole=whole)
        keepable = keepable and _is_utf8(data)
        lost = None if keepable else f"{len(data)} bytes are not kept"
        return RedactedBody(data if keepable else b"", "none", False, lost)

    def _text_body(self, data: bytes, content_type: str, *, whole: bool) -> RedactedBody:
        if whole:
            return RedactedBody(data, "text", True, None)
        if len(data) <= LONGEST_TEXT:
            words = data.decode("utf-8", "replace")
            form = content_type.lower().startswith("application/x-www-form-urlencoded")
            kept = (self._urls.query(words, "") if form else self._texts.text(words)).encode("utf-8", "replace")
            if len(kept) <= LONGEST_TEXT:
                return RedactedBody(kept, "text", True, None)
        return RedactedBody(b"", "text", True, f"text of {len(data)} bytes is not kept")

    def _json_body(self, data: bytes, *, whole: bool, public: bool, lead: int, keepable: bool) -> RedactedBody:
        try:
            return RedactedBody(self._json_data(data, whole=whole, public=public), "json", True, None)
        except json_bodies.Unreadable as error:
            note = _unparseable(error.at + lead, len(data) + lead, error.why)
            return RedactedBody(data if keepable else b"", "json", False, note)

    def _json_data(self, data: bytes, *, whole: bool, public: bool) -> bytes:
        """The kept bytes of one JSON document. Raises json_bodies.Unreadable with an offset in bytes."""
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise json_bodies.Unreadable(error.start, "not UTF-8") from None
        try:
            value = json_bodies.parse(text)
            shape = shape_of(value) if public and not whole else None
            if not whole and shape is None and not (public and is_published(value)):
                return self._json_gate().text(value, text).encode("utf-8", "backslashreplace")
            json_bodies.check_depth(value, text)
            hidden = JWK_SIGN.search(data) is not None and self._hide_private_keys(value)
            partly = None
            if shape is not None and isinstance(value, Members):
                partly = self._json_gate().partly(value, shape, text)
        except json_bodies.Unreadable as error:
            raise json_bodies.Unreadable(len(text[: error.at].encode()), error.why) from None
        if partly is not None:
            return partly.encode("utf-8", "backslashreplace")
        return json_bodies.written(value).encode("utf-8", "backslashreplace") if hidden else data

    def _json_gate(self) -> JsonGate:
        return JsonGate(self._seal, self._kept, self._urls, self._texts, self._headers)

    def _hide_private_keys(self, value: Json) -> bool:
        hidden = False
        for members in json_bodies.objects(value):
            if "kty" in members.names():
                for at, (name, secret) in enumerate(members.pairs):
                    if name in JWK_SECRETS and secret is not None:
                        shown = self._seal.text(secret if isinstance(secret, str) else json_bodies.written(secret))
                        members.pairs[at] = (name, shown)
                        hidden = hidden or shown != secret
        return hidden

    def _ndjson_body(self, data: bytes, *, whole: bool, public: bool, lead: int, keepable: bool) -> RedactedBody:
        lines = data.split(b"\n")
        kept: list[bytes] = []
        broken: list[str] = []
        at = lead
        for number, line in enumerate(lines, 1):
            ending = b"\r" if line.endswith(b"\r") else b""
            plain = line.strip()
            try:
                kept.append(self._json_data(plain, whole=whole, public=public) + ending if plain else ending)
            except json_bodies.Unreadable as error:
                broken.append(f"line {number} {_unparseable(at + error.at, len(data) + lead, error.why)}")
                kept.append(line if keepable else UNPARSEABLE_LINE.encode() + ending)
            at += len(line) + 1
        note = f"{broken[0]}; {len(broken)} of {len(lines)} lines" if broken else None
        return RedactedBody(
            data if keepable and not self._changed(lines, kept) else b"\n".join(kept), "ndjson", not broken, note
        )

    def _changed(self, lines: list[bytes], kept: list[bytes]) -> bool:
        return any(line.strip() != shown.strip() for line, shown in zip(lines, kept, strict=True))

    def _xml_body(self, data: bytes, *, whole: bool, public: bool, lead: int) -> RedactedBody:
        try:
            root = xml_bodies.parse(data)
        except xml_bodies.Unreadable as error:
            note = _unparseable(error.at + lead, len(data) + lead, error.why)
            return RedactedBody(data if whole and not packed(data) else b"", "xml", False, note)
        if whole or (public and is_published_xml(root)):
            return RedactedBody(data, "xml", True, None)
        gated = XmlGate(self._seal, self._json_gate()).text(root)
        return RedactedBody(gated.encode("utf-8", "replace"), "xml", True, None)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _media(data: bytes, declared: str) -> str:
    first = FIRST.match(data)
    start = first[1] if first else b""
    if "ndjson" in declared or "jsonl" in declared:
        return "html" if HTML.match(data) else "ndjson"
    if start == b"<":
        return "html" if HTML.match(data) or "html" in declared else "xml"
    if start in (b"{", b"[") or "json" in declared:
        return "ndjson" if "json" not in declared and LINES.match(data) else "json"
    if "xml" in declared:
        return "xml"
    if "html" in declared:
        return "html"
    return "text" if declared.startswith("text/") or "form-urlencoded" in declared or not declared else "none"


def _unparseable(at: int, length: int, why: str) -> str:
    return f"unparseable at byte {at} of {length}{': ' + why if why else ''}"
