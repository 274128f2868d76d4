"""What an observation asks: one request, described so that live and replay give it the same id."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from prober.nouns.base import canonical

FHIR_JSON = "application/fhir+json"
Purpose = Literal["fhir", "public", "link", "job", "file", "handshake", "connect", "clear"]
Bearer = Literal["run", "none", "invented"]
PUBLIC_DOCUMENTS = frozenset(
    {"metadata", ".well-known/smart-configuration", ".well-known/udap", "$versions", "../.well-known/security.txt"}
)
"""What may be asked of anybody, relative to the FHIR base (mode D). JWKS and brands come as purpose `public`."""

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

    def path(self, values: Mapping[str, str]) -> str:
        """The template with these values filled in, each percent-encoded. KeyError for a value that is missing."""
        return _FIELD.sub(lambda hit: quote(values[hit.group(1)], safe=""), self.template)

    def public(self) -> bool:
        """True if anybody may be asked this (mode D): a public document, plainly, without credentials."""
        if self.method != "GET" or self.bearer != "none" or any(name != "Accept" for name, _ in self.headers):
            return False
        return self.purpose == "public" or (self.purpose == "fhir" and self.template in PUBLIC_DOCUMENTS)


def request_hash(observation: str, arguments: tuple[str, ...], ask: Ask, url: str) -> str:
    """The first 16 hex digits of SHA-256 over what makes a request what it is, after redaction."""
    what = [observation, list(arguments), ask.label, ask.method, url, None]
    return hashlib.sha256(canonical(what).encode()).hexdigest()[:16]
