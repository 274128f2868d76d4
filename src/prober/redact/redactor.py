"""The one gate through which every answer, header, address and message of a run passes before anybody keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prober.redact import json_bodies, xml_bodies
from prober.redact.documents import exact
from prober.redact.headers import HeaderGate
from prober.redact.json_bodies import Json, JsonGate, Members
from prober.redact.placeholders import Seal
from prober.redact.scrub import Scrubber
from prober.redact.tables import tables
from prober.redact.texts import TextGate
from prober.redact.urls import Kept, UrlGate
from prober.redact.xml_bodies import XmlGate

BOM = b"\xef\xbb\xbf"
LONGEST_TEXT = 65_536
UNPARSEABLE_LINE = "!"
HTML = re.compile(rb"\s*+(?:<!--.{0,4096}?-->\s*+)?<(?:!doctype\s++html|html|head|body)\b", re.I | re.S)
FIRST = re.compile(rb"\s*+(\S)")
LINES = re.compile(rb"\s*+\{[^\n]*\}[ \t\r]*+\n\s*+\{")
LOGIN_SIGNS = re.compile(
    rb"type\s{0,8}=\s{0,8}[\"']?password|name\s{0,8}=\s{0,8}[\"']?(?:j_password|passwd|password|SAMLRequest|SAMLResponse)\b"
    rb"|openid-connect/auth|/oauth2?/(?:v[0-9]/)?authorize|/saml2?/sso",
    re.I,
)
JWK_SIGN = re.compile(rb'"kty"|\\u00')
JWK_SECRETS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})
# What anybody may read without signing in; another resource type under a public address is somebody's data.
PUBLIC_TYPES = exact(
    "CapabilityStatement Conformance OperationOutcome TerminologyCapabilities StructureDefinition OperationDefinition "
    "SearchParameter CompartmentDefinition ImplementationGuide ValueSet CodeSystem ConceptMap NamingSystem "
    "GraphDefinition "
    "MessageDefinition StructureMap Parameters Organization Endpoint"
)
PUBLISHED_BUNDLES = frozenset({"collection", "document"})


@dataclass(frozen=True)
class RedactedBody:
    """What may be kept of a body.

    `media` is what the body is, whatever its header says: json, ndjson, xml, html, text or none. `parsed` is whether
    all of it could be read as that. `note` says in a few words what could not be kept, with byte offset and length.
    """

    data: bytes
    media: str
    parsed: bool
    note: str | None


class Redactor:
    """Redacts all that one run asks and hears, under a key of this run that is stored nowhere.

    Equal values get equal placeholders and different values different ones, valid for their kind, and what this run has
    redacted stays as it is when it is redacted again. Dates are the exception: they shift by the run's secret number of
    days each time. Replay never redacts, it reuses what is stored, so dates need no such mark. Nothing here raises on
    any input, and the work grows with the length of the input only.
    """

    def __init__(self, key: bytes, *, synthetic: bool, secrets: Iterable[str] = ()) -> None:
        """Take 32 random bytes of this run; synthetic=True says that the data were declared to be invented."""
        self._synthetic = synthetic
        self._seal = Seal(key)
        self._kept = Kept()
        self._scrubber = Scrubber(self._seal)
        self._urls = UrlGate(self._seal, self._kept)
        self._texts = TextGate(self._seal, self._kept, self._urls)
        self._headers = HeaderGate(self._seal, self._kept, self._urls, self._texts)
        self._json = JsonGate(self._seal, self._kept, self._urls, self._texts, self._headers)
        self._xml = XmlGate(self._seal, self._json)
        for secret in secrets:
            self.add_secret(secret)

    def add_secret(self, value: str) -> None:
        """Remember a secret that must never be kept, in any encoding; one of fewer than 4 characters is ignored."""
        self._scrubber.add(value)

    def keep_base(self, base: str) -> None:
        """Remember a FHIR base as the user wrote it: it stays in URLs and texts, and its host is a known host."""
        self._kept.add_base(base)

    def keep(self, value: str) -> None:
        """Remember a constant that prober wrote into its requests (an id that cannot exist): it stays everywhere."""
        if value:
            self._kept.constants.add(value)

    def url(self, url: str, *, public: bool = False) -> str:
        """The URL with everything replaced that could name somebody; scheme, host and port stay."""
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

    def headers(
        self, headers: Sequence[tuple[str, str]], *, response: bool, public: bool = False
    ) -> tuple[tuple[str, str], ...]:
        """The headers that may stay, in their order; `prober-dropped-headers` counts those that may not."""
        gated = self._headers.headers(headers, response=response, whole=public or self._synthetic)
        return tuple((self._scrubber.text(name), self._scrubber.text(value)) for name, value in gated)

    def body(self, data: bytes, content_type: str, *, public: bool = False) -> RedactedBody:
        """What may be kept of a body; a body of real data that does not parse keeps nothing but where it broke."""
        if not data:
            return RedactedBody(b"", "none", False, None)
        bom, plain = (BOM, data[3:]) if data.startswith(BOM) else (b"", data)
        media = _media(plain, content_type.partition(";")[0].strip().lower())
        found = self._read(
            media, plain, content_type, whole=self._synthetic, public=public or self._synthetic, lead=len(bom)
        )
        kept = self._scrubber.data(found.data)
        return RedactedBody(bom + kept if kept else b"", found.media, found.parsed, found.note)

    def _read(
        self, media: str, data: bytes, content_type: str, *, whole: bool, public: bool, lead: int
    ) -> RedactedBody:
        if media == "json":
            return self._json_body(data, whole=whole, public=public, lead=lead)
        if media == "ndjson":
            return self._ndjson_body(data, whole=whole, public=public, lead=lead)
        if media == "xml":
            return self._xml_body(data, whole=whole, public=public, lead=lead)
        if media == "html":
            login = "yes" if LOGIN_SIGNS.search(data) else "no"
            return RedactedBody(
                data if public else b"", "html", public, f"HTML of {len(data)} bytes, login-form: {login}"
            )
        if media == "text":
            return self._text_body(data, content_type, public=public)
        return RedactedBody(data if whole else b"", "none", False, None if whole else f"{len(data)} bytes are not kept")

    def _text_body(self, data: bytes, content_type: str, *, public: bool) -> RedactedBody:
        if public:
            return RedactedBody(data, "text", True, None)
        if len(data) <= LONGEST_TEXT:
            words = data.decode("utf-8", "replace")
            form = content_type.lower().startswith("application/x-www-form-urlencoded")
            kept = (self._urls.query(words, "") if form else self._texts.text(words)).encode("utf-8", "replace")
            if len(kept) <= LONGEST_TEXT:
                return RedactedBody(kept, "text", True, None)
        return RedactedBody(b"", "text", True, f"text of {len(data)} bytes is not kept")

    def _json_body(self, data: bytes, *, whole: bool, public: bool, lead: int) -> RedactedBody:
        try:
            return RedactedBody(self._json_data(data, whole=whole, public=public), "json", True, None)
        except json_bodies.Unreadable as error:
            note = _unparseable(error.at + lead, len(data) + lead, error.why)
            return RedactedBody(data if whole else b"", "json", False, note)

    def _json_data(self, data: bytes, *, whole: bool, public: bool) -> bytes:
        """The kept bytes of one JSON document. Raises json_bodies.Unreadable with an offset in bytes."""
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise json_bodies.Unreadable(error.start, "not UTF-8") from None
        try:
            value = json_bodies.parse(text)
            real = not whole and not (public and _published(value))
            if real:
                return self._json.text(value, text).encode("utf-8", "backslashreplace")
            json_bodies.check_depth(value, text)
        except json_bodies.Unreadable as error:
            raise json_bodies.Unreadable(len(text[: error.at].encode()), error.why) from None
        if JWK_SIGN.search(data) and self._hide_private_keys(value):
            return json_bodies.written(value).encode("utf-8", "backslashreplace")
        return data

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

    def _ndjson_body(self, data: bytes, *, whole: bool, public: bool, lead: int) -> RedactedBody:
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
                kept.append(line if whole else UNPARSEABLE_LINE.encode() + ending)
            at += len(line) + 1
        note = f"{broken[0]}; {len(broken)} of {len(lines)} lines" if broken else None
        return RedactedBody(
            data if whole and not self._changed(lines, kept) else b"\n".join(kept), "ndjson", not broken, note
        )

    def _changed(self, lines: list[bytes], kept: list[bytes]) -> bool:
        return any(line.strip() != shown.strip() for line, shown in zip(lines, kept, strict=True))

    def _xml_body(self, data: bytes, *, whole: bool, public: bool, lead: int) -> RedactedBody:
        try:
            root = xml_bodies.parse(data)
        except xml_bodies.Unreadable as error:
            note = _unparseable(error.at + lead, len(data) + lead, error.why)
            return RedactedBody(data if whole else b"", "xml", False, note)
        if whole or (public and _published_xml(root)):
            return RedactedBody(data, "xml", True, None)
        return RedactedBody(self._xml.text(root).encode("utf-8", "replace"), "xml", True, None)


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


def _published(value: Json) -> bool:
    return all(_public_object(members) for members in json_bodies.objects(value))


def _public_object(members: Members) -> bool:
    for kind in members.all("resourceType"):
        published = kind == "Bundle" and all(form in PUBLISHED_BUNDLES for form in members.all("type"))
        if kind not in PUBLIC_TYPES and not published:
            return False
    return True


def _published_xml(root: xml_bodies.Node) -> bool:
    kinds = tables().resources
    return all(node.name in PUBLIC_TYPES or node.name not in kinds for node in xml_bodies.nodes(root))
