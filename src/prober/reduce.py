"""Reducers: what is kept of an answer too large, or too private, to be kept whole. Small, named, versioned, pure."""

import hashlib
import heapq
import json
import re
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator
from typing import IO, Protocol
from urllib.parse import unquote, urlsplit

from prober.nouns.base import JSON, canonical
from prober.nouns.evidence import crowded
from prober.nouns.fhir import R4_TYPES

LONGEST_LINE = 8 * 2**20
"""Bytes: a longer line of NDJSON is passed over, and counts as unread."""
BAD_LINES_NAMED = 5
HASHES_IN_MEMORY = 65_536


class Reducer(Protocol):
    """Takes a body in pieces and keeps a small JSON value of it."""

    @property
    def enough(self) -> bool:
        """True if no further byte is needed: the door then closes the connection."""

    def feed(self, piece: bytes) -> None:
        """The next piece of the decoded body."""

    def finish(self, *, complete: bool) -> JSON:
        """What is kept. `complete` says whether the body arrived to its end."""

    def close(self) -> None:
        """Let go of what was put aside on disk."""


def reducer(name: str, key: bytes, known: frozenset[str] | None = None, pages: tuple[str, ...] = ()) -> Reducer:
    """The reducer of that name: `open-data/1`, `opened/1`, `page/1`, `robots/1`, or `ndjson/1:Type`; else KeyError.

    `key` is the run's own secret: id hashes made with it cannot be guessed from outside. `known` are the ids of the
    patients that may be read; None where the data are synthetic. `pages` are the published pages that the user named.
    """
    kind, _, expected = name.partition(":")
    if expected and expected not in R4_TYPES:
        raise KeyError(name)
    if kind == "open-data/1":
        return OpenData()
    if kind == "opened/1":
        return Opened()
    if kind == "page/1":
        return Page()
    if kind == "robots/1":
        return Robots(pages)
    if kind == "ndjson/1":
        return Ndjson(key, expected, known)
    raise KeyError(name)


class Opened:
    """Is what comes a file of records? Its beginning is enough, and nothing of it is kept."""

    ENOUGH = 4096

    def __init__(self) -> None:
        self._read = b""

    @property
    def enough(self) -> bool:
        return len(self._read) >= self.ENOUGH or b"\n" in self._read

    def feed(self, piece: bytes) -> None:
        self._read = (self._read + piece)[: self.ENOUGH]

    def finish(self, *, complete: bool) -> JSON:
        line = self._read.partition(b"\n")[0].lstrip(b"\xef\xbb\xbf \t\r")
        return {"reducer": "opened/1", "record": line.startswith(b"{") and b'"resourceType"' in line}

    def close(self) -> None:
        """Nothing is held."""


class OpenData:
    """Does an answer hold data? Reads until `total` or 2 kB and keeps only the answer to that question.

    Nothing behind `total` is looked at, even if it came in the same piece: what is kept depends on the answer alone.
    """

    ENOUGH = 2048

    def __init__(self) -> None:
        self._read = b""

    @property
    def enough(self) -> bool:
        return len(self._read) >= self.ENOUGH or _TOTAL.search(self._read) is not None

    def feed(self, piece: bytes) -> None:
        self._read = (self._read + piece)[: self.ENOUGH]

    def finish(self, *, complete: bool) -> JSON:
        total = _TOTAL.search(self._read)
        read = self._read[: total.end()] if total else self._read
        kind = _KIND.search(read)
        return {
            "reducer": "open-data/1",
            "resource_type": kind[1].decode("ascii") if kind else None,
            "total_over_zero": None if total is None else int(total[1]) > 0,
            "entries": b'"entry"' in read,
            "json": read.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] == b"{",
        }

    def close(self) -> None:
        """Nothing was put aside."""


# A number that ends where the reading ended may go on, so the byte behind it belongs to the match.
_TOTAL = re.compile(rb'"total"\s{0,64}:\s{0,64}([0-9]{1,18})[\s,}]')
_KIND = re.compile(rb'"resourceType"\s{0,64}:\s{0,64}"(Bundle|OperationOutcome|Patient)"')


class Ndjson:
    """Newline-delimited JSON: every line parsed, types counted, ids compared by keyed hashes, bad lines named.

    Bulk Data Access 2.0.0, "Response - Output File Request". Memory stays flat: hashes go to an anonymous file.
    """

    def __init__(self, key: bytes, expected: str, known: frozenset[str] | None = None) -> None:
        self._key = key
        self._known = known
        self._somebody_else = False
        self._expected = expected
        self._rest = bytearray()
        self._rest_bytes = 0
        self._skipping = False
        self._last = b""
        self._lines = 0
        self._bytes = 0
        self._types: Counter[str] = Counter()
        self._other_types = 0
        self._bad = 0
        self._bad_lines: list[JSON] = []
        self._unread = 0
        self._unread_lines: list[JSON] = []
        self._hashes = _Uniqueness()

    @property
    def enough(self) -> bool:
        """True as soon as a line is about somebody who is not known: nothing more may be read."""
        return self._somebody_else

    def feed(self, piece: bytes) -> None:
        self._bytes += len(piece)
        self._last = piece[-1:] or self._last
        *ends, rest = piece.split(b"\n")
        for end in ends:
            self._add(end)
            self._end_line()
            if self._somebody_else:
                return
        self._add(rest)

    def _add(self, part: bytes) -> None:
        """Parts of a line are collected in place: a drip of single bytes costs no more than a flood."""
        self._rest_bytes += len(part)
        if self._rest_bytes > LONGEST_LINE:
            self._skipping = True
            self._rest.clear()
        else:
            self._rest += part

    def _end_line(self) -> None:
        if self._skipping:
            self._lines += 1
            self._pass_over("the line is longer than prober reads")
        else:
            self._line(bytes(self._rest))
        self._rest.clear()
        self._rest_bytes = 0
        self._skipping = False

    def finish(self, *, complete: bool) -> JSON:
        self._end_line()
        return {
            "reducer": "ndjson/1",
            "bytes": self._bytes,
            "lines": self._lines,
            "types": dict(sorted(self._types.items())),
            "expected": self._expected or None,
            "of_other_type": self._other_types,
            "bad": self._bad,
            "bad_lines": self._bad_lines,
            "unread": self._unread,
            "unread_lines": self._unread_lines,
            "repeated_ids": self._hashes.repeated(),
            "ends_with_newline": self._last in (b"", b"\n"),
            "complete": complete,
            "somebody_else": self._somebody_else,
        }

    def close(self) -> None:
        self._hashes.close()

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        self._lines += 1
        if crowded(line):
            self._pass_over("the line has more members than prober reads")
            return
        try:
            resource = json.loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError:
            self._fault("the line is not UTF-8")
            return
        except (ValueError, RecursionError):
            self._fault("the line is not JSON")
            return
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(kind, str) or kind not in R4_TYPES:
            self._fault("the line is not a FHIR resource")
            return
        if self._known is not None and not self._known.issuperset(people_of(resource)):
            self._somebody_else = True
            return
        self._types[kind] += 1
        self._other_types += bool(self._expected) and kind != self._expected
        id_ = resource.get("id")
        if isinstance(id_, str):
            digest = hashlib.blake2b(
                f"{kind}/{id_}".encode("utf-8", "surrogatepass"), key=self._key[:64], digest_size=8
            )
            self._hashes.add(int.from_bytes(digest.digest(), "big"))

    def _fault(self, what: str) -> None:
        self._bad += 1
        if len(self._bad_lines) < BAD_LINES_NAMED:
            self._bad_lines.append({"line": self._lines, "what": what})

    def _pass_over(self, why: str) -> None:
        """A line that prober does not read says nothing of the server: it is neither good nor bad."""
        self._unread += 1
        if len(self._unread_lines) < BAD_LINES_NAMED:
            self._unread_lines.append({"line": self._lines, "what": why})


def people_of(resource: dict[str, JSON]) -> tuple[str, ...]:
    """The ids of the patients that a resource is about: its own, or those that its subject or patient refers to."""
    if resource.get("resourceType") == "Patient":
        return (str(resource.get("id")),)
    members = (resource.get(name) for name in ("subject", "patient", "beneficiary", "for"))
    references = (one.get("reference") for one in members if isinstance(one, dict))
    return tuple(one.rpartition("Patient/")[2] for one in references if isinstance(one, str) and "Patient/" in one)


class _Uniqueness:
    """Counts repeated 64-bit hashes; sorted runs are spilled to an anonymous temporary file."""

    def __init__(self) -> None:
        self._recent = array("Q")
        self._spilled: IO[bytes] | None = None
        self._runs: list[tuple[int, int]] = []

    def add(self, value: int) -> None:
        self._recent.append(value)
        if len(self._recent) >= HASHES_IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        if self._spilled is None:
            self._spilled = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this object
        start = self._spilled.seek(0, 2)
        array("Q", sorted(self._recent)).tofile(self._spilled)
        self._runs.append((start, len(self._recent)))
        self._recent = array("Q")

    def repeated(self) -> int:
        """How many values had been there before."""
        runs: list[Iterator[int]] = [self._run(start, length) for start, length in self._runs]
        previous, repeated = None, 0
        for value in heapq.merge(sorted(self._recent), *runs):
            repeated += value == previous
            previous = value
        return repeated

    def close(self) -> None:
        if self._spilled is not None:
            self._spilled.close()
            self._spilled = None

    def _run(self, start: int, length: int) -> Iterator[int]:
        spilled = self._spilled
        for offset in range(0, length if spilled else 0, 4096):
            part = array("Q")
            count = min(4096, length - offset)
            if spilled is not None:
                spilled.seek(start + offset * part.itemsize)
                part.frombytes(spilled.read(count * part.itemsize))
            yield from part


def reduced_text(value: JSON) -> bytes:
    """The stored form of what a reducer kept."""
    return canonical(value).encode()


class Page:
    """What is told of a web page without keeping it: what it is, how much there is to read, and whether it is a login.

    Only the beginning is read. The title is kept as its hash: it tells whether another page stands there, and no more.
    """

    ENOUGH = 65_536

    def __init__(self) -> None:
        self._read = bytearray()

    @property
    def enough(self) -> bool:
        return len(self._read) >= self.ENOUGH

    def feed(self, piece: bytes) -> None:
        self._read += piece[: self.ENOUGH - len(self._read)]

    def finish(self, *, complete: bool) -> JSON:
        page = bytes(self._read).removeprefix(b"\xef\xbb\xbf").lstrip()
        title = _TITLE.search(page)
        words = b" ".join(title[1].split()) if title else b""
        return {
            "reducer": "page/1",
            "bytes": len(self._read),
            "form": _form(page),
            "text": _text(page),
            "password": _PASSWORD.search(page) is not None,
            "script": _SCRIPT.search(page) is not None,
            "title": hashlib.sha256(words).hexdigest() if words else None,
        }

    def close(self) -> None:
        """Nothing was put aside."""


_TAG = re.compile(rb"<(/?)(script|style)?[^<>]*>", re.I)
_TITLE = re.compile(rb"<title\b[^<>]{0,256}>([^<]{1,1024})", re.I)
_SCRIPT = re.compile(rb"<script\b", re.I)
_PASSWORD = re.compile(rb"<input\b[^<>]{0,1024}?\btype\s{0,8}=\s{0,8}[\"']?password\b", re.I)
_HTML = re.compile(rb"(?:<!--[^>]{0,4096}>\s{0,64})?<(?:!doctype\s{1,8}html|html|head|body)\b", re.I)


def _form(page: bytes) -> str:
    if page.startswith(b"%PDF-"):
        return "pdf"
    if page[:1] in (b"{", b"["):
        return "json"
    return "html" if _HTML.match(page) else "other"


def _text(page: bytes) -> int:
    """How many bytes of it a person would read: what is neither a tag, nor a blank, nor inside a script or style."""
    count, end, hidden = 0, 0, False
    for tag in _TAG.finditer(page):
        count += 0 if hidden else _dense(page[end : tag.start()])
        end = tag.end()
        hidden = not tag[1] if tag[2] else hidden
    return count if hidden else count + _dense(page[end:])


def _dense(text: bytes) -> int:
    return sum(map(len, text.split()))


class Robots:
    """Which of the pages that the user named the site asks programs not to read (RFC 9309).

    Nothing of the file is kept but the places of those pages in the list.
    """

    ENOUGH = 512 * 1024
    """Bytes: RFC 9309, section 2.5, has crawlers read at least 500 KiB."""
    MOST_RULES = 2_000

    def __init__(self, pages: tuple[str, ...]) -> None:
        self._pages = pages
        self._read = bytearray()

    @property
    def enough(self) -> bool:
        return len(self._read) >= self.ENOUGH

    def feed(self, piece: bytes) -> None:
        self._read += piece[: self.ENOUGH - len(self._read)]

    def finish(self, *, complete: bool) -> JSON:
        rules = _robots_rules(bytes(self._read).decode("utf-8", "replace"), self.MOST_RULES)
        refused: list[JSON] = [at for at, url in enumerate(self._pages) if _robots_refuse(rules, url)]
        return {"reducer": "robots/1", "refused": refused}

    def close(self) -> None:
        """Nothing was put aside."""


_Rules = list[tuple[bool, str]]
"""Whether it allows, and the pattern."""


def _robots_rules(written: str, most: int) -> _Rules:
    """The rules of the groups for prober, or else of those for everybody (RFC 9309, section 2.2.1)."""
    groups: dict[str, _Rules] = {}
    named: list[str] = []
    ruled = False
    count = 0
    for line in written.removeprefix("\ufeff").splitlines():
        name, colon, value = line.partition("#")[0].partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon:
            continue
        if name == "user-agent":
            named, ruled = ([] if ruled else named), False
            named.append(value.lower())
            groups.setdefault(value.lower(), [])
        elif name in ("allow", "disallow"):
            ruled = True
            count += 1
            for agent in named if value and count <= most else ():
                if agent in ("prober", "*"):
                    groups[agent].append((name == "allow", value))
    return groups.get("prober", groups.get("*", []))


def _robots_refuse(rules: _Rules, url: str) -> bool:
    """Whether the longest rule that fits the page forbids it; of two that are as long, the one that allows counts."""
    parts = urlsplit(url)
    path = unquote(f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/")
    fitting = [(len(pattern), allows) for allows, pattern in rules if _robots_fits(pattern, path)]
    return bool(fitting) and not max(fitting)[1]


def _robots_fits(pattern: str, path: str) -> bool:
    """RFC 9309, section 2.2.3: `*` stands for anything, `$` at the end for the end."""
    ends = pattern.endswith("$")
    first, *others = [unquote(one) for one in pattern.removesuffix("$").split("*")]
    if not path.startswith(first):
        return False
    if ends and not others:
        return path == first
    at, last = len(first), others.pop() if ends else ""
    for one in others:
        found = path.find(one, at)
        if found < 0:
            return False
        at = found + len(one)
    return not ends or (path.endswith(last) and len(path) - len(last) >= at)
