"""What was seen: one exchange per request, answered or not, and what an observation made of its exchanges."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from prober.nouns.base import JSON, Noun
from prober.nouns.finding import Citation, Reason

T = TypeVar("T")
MOST_NESTING = 200
"""JSON deeper than this counts as unparseable: no FHIR resource comes near it."""

MOST_MEMBERS = 250_000
"""Objects, arrays and commas in one body: more are not read. The largest CapabilityStatement known here has 43,000."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

Media = Literal["json", "ndjson", "xml", "html", "text", "none"]


class Failure(Noun):
    """Why there is no answer: the reason that findings carry, the finer kind, and one sentence."""

    reason: Reason
    kind: str
    message: str


class Timings(Noun):
    """Durations of one exchange in integer microseconds; None where the phase did not happen."""

    dns: int | None = None
    connect: int | None = None
    tls: int | None = None
    send: int | None = None
    first_byte: int | None = None
    body: int | None = None
    total: int = 0
    loop_lag: int | None = None
    waited: int = 0


class Transport(Noun):
    """What the connection was: address, protocol, and TLS facts where there was TLS."""

    address: str | None = None
    http_version: str | None = None
    tls_version: str | None = None
    cipher: str | None = None
    certificate_subject: str | None = None
    certificate_issuer: str | None = None
    certificate_names: tuple[str, ...] = ()
    certificate_not_before: str | None = None
    certificate_not_after: str | None = None
    certificate_sha256: str | None = None


class Exchange(Noun):
    """One attempt to get something from the server. On disk it is redacted; `content` lies in a blob of its own."""

    id: str
    observation: str
    arguments: tuple[str, ...] = ()
    label: str = ""
    occurrence: int = 1
    method: str
    url: str = Field(repr=False)
    request_headers: tuple[tuple[str, str], ...] = Field(default=(), repr=False)
    request_body: str | None = Field(default=None, repr=False)
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = Field(default=(), repr=False)
    body: str | None = Field(default=None, description="SHA-256 of the stored body, the name of its blob.")
    media: Media = "none"
    parsed: bool = False
    note: str | None = None
    reduced: str | None = Field(default=None, description="Name of the reducer when the body was reduced in flight.")
    wire_bytes: int = 0
    decoded_bytes: int = 0
    truncated: bool = False
    failure: Failure | None = None
    started: str = ""
    timings: Timings = Timings()
    transport: Transport = Transport()
    commitment: str | None = None
    content: bytes = Field(default=b"", exclude=True, repr=False)

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case; None if there is none."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty if the server named none."""
        return (self.header("content-type") or "").split(";")[0].strip().lower()

    @cached_property
    def document(self) -> JSON:
        """The body as JSON, or None when it is not JSON (`parsed` tells the two None apart)."""
        return parse_json(self.content)

    @property
    def resource_type(self) -> str | None:
        """`resourceType` of the body if it is a JSON object that has one as text."""
        kind = self.document.get("resourceType") if isinstance(self.document, dict) else None
        return kind if isinstance(kind, str) else None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> "Exchange":
        """A copy with changes; what was parsed of the old body is not carried over."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("document", None)
        return copy

    def cite(self, pointer: str = "") -> Citation:
        """A citation of this exchange: a JSON pointer into its body, or ``#header-name``."""
        return Citation(exchange=self.id, pointer=pointer)


def crowded(content: bytes) -> bool:
    """True if JSON would hold more members than prober reads; counted without parsing, commas in texts included."""
    return content.count(b"{") + content.count(b"[") + content.count(b",") > MOST_MEMBERS


def parse_json(content: bytes) -> JSON:
    """The JSON value of these bytes (a byte order mark is tolerated), or None if they are not JSON or nest too deep.

    So it is where they are `crowded`, because what a few kilobytes of gzip hold could take minutes to read.

    Half of a surrogate pair, which RFC 8259 section 8.2 warns of, reads as a question mark: nothing could write it.
    """
    if crowded(content):
        return None
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if _too_deep(value):
        return None
    if _SURROGATE.search(content):
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value


def _too_deep(value: JSON) -> bool:
    level = [value]
    for _ in range(MOST_NESTING):
        inner: list[JSON] = []
        for one in level:
            if isinstance(one, dict):
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
        if not inner:
            return False
        level = inner
    return True


@dataclass(frozen=True)
class Seen(Generic[T]):
    """What an observation saw, with every exchange that it (and what it looked at) asked for."""

    value: T
    exchanges: tuple[str, ...]
    last: str | None = None

    def cite(self, pointer: str = "") -> Citation:
        """A citation of the observation's own last exchange. ValueError if it asked nothing itself."""
        if self.last is None:
            raise ValueError("This observation made no exchange of its own: cite the exchange that holds the proof.")
        return Citation(exchange=self.last, pointer=pointer)


@dataclass(frozen=True)
class Trouble:
    """Why an observation could not see: the reason becomes the reason of an `unknown` finding."""

    reason: Reason
    message: str
    exchanges: tuple[str, ...] = ()


Headers = Mapping[str, str]
