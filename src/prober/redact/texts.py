"""Gates sentences word by word: what is on the word list stays, every other word becomes a placeholder."""

from __future__ import annotations

import re
from functools import lru_cache

from prober.redact.documents import EXACT
from prober.redact.placeholders import Seal
from prober.redact.tables import tables
from prober.redact.urls import Kept, UrlGate
from prober.redact.words import PHRASES, WORDS

OPAQUE = r"[^\x00-/:-@\[-^`{-\x7f]"  # a letter, a digit, an underscore, or anything beyond ASCII
TOKEN = re.compile(
    r"(?P<url>[A-Za-z][A-Za-z0-9+.-]{1,19}(?<![.+-])://[^\s\"'<>`\\]{1,4096})"
    r"|(?P<urn>urn:(?:uuid:[0-9a-fA-F-]{36}|oid:[0-9.]{1,128}))"
    rf"|(?P<phrase>(?<!{OPAQUE})(?:{'|'.join(re.escape(phrase) for phrase in PHRASES)})(?!{OPAQUE}|\.[0-9]))"
    rf"|(?P<status>(?<!{OPAQUE})(?:HTTP|http|status|Status|code|Code)[ :=]{{1,2}}[1-5][0-9]{{2}}(?!{OPAQUE}|[-.][0-9]))"
    rf"|(?P<hapi>(?<!{OPAQUE})HAPI-[0-9]{{4}}(?!{OPAQUE}))"
    rf"|(?P<reference>(?<!{OPAQUE})[A-Z][A-Za-z]{{2,40}}/[A-Za-z0-9.-]{{1,64}}(?:/_history/[A-Za-z0-9.-]{{1,64}})?)"
    rf"|(?P<word>{OPAQUE}++)"
    r"|(?P<control>[\x00-\x08\x0b-\x1f\x7f])"
)
KEPT = WORDS | EXACT["error"]
LONGEST = 65_536
CLOSING = ".,;:!?)]}"
FHIR_PATH = re.compile(
    r"[A-Za-z]{1,64}(?:\[x\])?(?:\[[0-9]{1,4}\])?(?:\.[A-Za-z]{1,64}(?:\[x\])?(?:\[[0-9]{1,4}\])?){0,20}"
)


@lru_cache(maxsize=64)
def _hosts(hosts: frozenset[str]) -> re.Pattern[str]:
    names = sorted(
        hosts | {host.rpartition(":")[0] for host in hosts if ":" in host}, key=lambda name: (-len(name), name)
    )
    return re.compile(rf"(?<![/@.-])(?<!{OPAQUE})({'|'.join(map(re.escape, names))})(?!{OPAQUE}|[/-]|\.{OPAQUE})")


class TextGate:
    """Gates free text under one run's seal."""

    def __init__(self, seal: Seal, kept: Kept, urls: UrlGate) -> None:
        self._seal = seal
        self._kept = kept
        self._urls = urls

    def text(self, text: str) -> str:
        """The text with every word that is not on the list replaced; punctuation and white space stay.

        What is longer than 65,536 characters, before or after, becomes one placeholder.
        """
        if text in self._kept.constants:
            return text
        gated = self._gated(text) if len(text) <= LONGEST else ""
        return gated if len(text) <= LONGEST and len(gated) <= LONGEST else self._seal.text(text)

    def _gated(self, text: str) -> str:
        if not self._kept.hosts:
            return TOKEN.sub(self._token, text)
        pieces = _hosts(self._kept.hosts).split(text)
        return "".join(piece if at % 2 else TOKEN.sub(self._token, piece) for at, piece in enumerate(pieces))

    def _token(self, match: re.Match[str]) -> str:
        found = match[0]
        if match["word"] is not None:
            return self._word(found)
        if match["url"] is not None:
            url = found.rstrip(CLOSING)
            return self._urls.url(url) + self.text(found[len(url) :])
        if match["urn"] is not None:
            return self._urls.uri(found)
        if match["reference"] is not None:
            kind, _, rest = found.partition("/")
            if kind in tables().resources:
                ending = found[len(found.rstrip(".-")) :]
                return self._urls.reference(found[: len(found) - len(ending)] if ending else found) + ending
            return f"{self._word(kind)}/{self.text(rest)}"
        return " " if match["control"] is not None else found

    def _word(self, word: str) -> str:
        if word.lower() in KEPT and word.isascii():
            return word
        if word in tables().resources or word in self._kept.constants or self._seal.made(word):
            return word
        if word.strip("_") == "":
            return word
        return self._seal.text(word)

    def path(self, path: str) -> str:
        """A FHIRPath of element names stays; anything else is gated as text."""
        if FHIR_PATH.fullmatch(path):
            steps = re.sub(r"\[[^\]]*\]", "", path).split(".")
            if all(step in tables().names or step in tables().resources for step in steps):
                return path
        return self.text(path)
