"""What an observation asks: one request, described so that live and replay give it the same id."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from prober.nouns.base import canonical
from prober.nouns.fhir import R4_TYPES

FHIR_JSON = "application/fhir+json"
Purpose = Literal["fhir", "public", "link", "job", "file", "handshake", "connect", "clear"]
Bearer = Literal["run", "none", "invented"]
PUBLIC_DOCUMENTS = frozenset(
    {"metadata", ".well-known/smart-configuration", ".well-known/udap", "$versions", "../.well-known/security.txt"}
)
"""What may be asked of anybody, relative to the FHIR base (mode D). JWKS and brands come as purpose `public`."""

PUBLISHED_TYPES = frozenset(
    {"CapabilityStatement", "TerminologyCapabilities", "StructureDefinition", "SearchParameter", "OperationDefinition"}
    | {"ValueSet", "CodeSystem", "ImplementationGuide", "Organization", "Endpoint"}
)
"""Types that hold nobody's record: an address with one of them in it may still be a public document."""

_DISCOVERY = frozenset({"metadata", ".well-known", ".."})
_FIELD = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Ask:
    """One request.

    `template` is relative to the FHIR base and is prober's own text, kept in clear; `values` fill its fields and come
    from configuration or from the server, so they pass the redactor. `absolute` is a URL that the server handed out.
    """

    method: str
    purpose: Purpose
    template: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    absolute: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    bearer: Bearer = "run"
    label: str = ""
    reducer: str | None = None
    parent: str | None = None
    attempt: int = 1

    @property
    def redirected(self) -> bool:
        """True if a redirect of the server says where this request goes."""
        return self.absolute is not None and bool(self.template or ">" in self.label)

    def path(self, values: Mapping[str, str]) -> str:
        """The template with these values filled in, each percent-encoded. KeyError for a value that is missing."""
        return _FIELD.sub(lambda hit: quote(values[hit.group(1)], safe=""), self.template)

    def public(self) -> bool:
        """True if anybody may be asked this (mode D): a public document, plainly, without credentials."""
        if self.method != "GET" or self.bearer != "none" or any(name != "Accept" for name, _ in self.headers):
            return False
        return self.purpose == "public" or (self.purpose == "fhir" and self.template in PUBLIC_DOCUMENTS)

    def operation(self) -> bool:
        """True if this calls a FHIR operation, which may start work on the server; `$versions` only reads."""
        steps = _steps(self.path(self.values).partition("?")[0])
        return self.purpose == "fhir" and any(step.startswith("$") and step != "$versions" for step in steps)

    def seeks_records(self) -> bool:
        """True if the answer to this FHIR request may hold records: every search, history and read by a value.

        A read of a literal id does not count: it is an id of prober's own that cannot exist.
        """
        path, mark, _ = self.path(self.values).partition("?")
        steps = _steps(path)
        if steps and steps[0] in _DISCOVERY:
            return False
        if self.values or mark or not steps:
            return True
        if steps[0] not in R4_TYPES:
            return steps[0].startswith("_")
        return len(steps) != 2 or steps[1].startswith(("_", "$"))

    def same_path(self, url: str) -> bool:
        """True if this URL ends in the very path and query that the template asks for."""
        path, _, query = self.path(self.values).partition("?")
        parts = urlsplit(url)
        there, wanted = _steps(parts.path), _steps(path)
        return there[len(there) - len(wanted) :] == wanted and unquote(parts.query) == unquote(query)

    def writable(self) -> "Ask":
        """The same without halves of surrogate pairs, which JSON can hold but UTF-8 cannot."""
        absolute = None if self.absolute is None else _writable(self.absolute)
        values = {name: _writable(value) for name, value in self.values.items()}
        return replace(self, absolute=absolute, values=values, label=_writable(self.label))


def names_records(url: str, base: str) -> bool:
    """True if this URL may lead to somebody's records: a step of its path is a FHIR type or operation, or it is a base.

    A server says itself which documents it publishes; what it names is read without anybody's permission, so an
    address that looks like a read or a search is not taken for a document. ValueError if this is no URL.
    """
    steps: list[str] = []
    for step in _steps(urlsplit(url).path):
        steps = steps[:-1] if step == ".." else [*steps, step]
    above = _steps(urlsplit(base).path)
    if steps[: len(above)] == above:
        steps = steps[len(above) :]
        if not steps or steps[0] in ("_history", "_search"):
            return True
    records = R4_TYPES - PUBLISHED_TYPES
    return any(step in records or (step.startswith("$") and step != "$versions") for step in steps)


def _steps(path: str) -> list[str]:
    """The steps of a path, decoded however often they were encoded."""
    for _ in range(3):
        path = unquote(path)
    return [step for step in path.replace("\\", "/").split("/") if step not in ("", ".")]


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def request_hash(observation: str, arguments: tuple[str, ...], ask: Ask, url: str) -> str:
    """The first 16 hex digits of SHA-256 over what makes a request what it is, after redaction."""
    what = [observation, list(arguments), ask.label, ask.method, url, None]
    return hashlib.sha256(canonical(what).encode()).hexdigest()[:16]
