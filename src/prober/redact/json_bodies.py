"""Redacts JSON element by element: what R4 and the documents round it define stays, what could name somebody goes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from json.encoder import encode_basestring
from typing import Any, TypeAlias

from prober.redact import documents
from prober.redact.headers import HeaderGate
from prober.redact.placeholders import Seal, octets
from prober.redact.tables import tables
from prober.redact.texts import TextGate
from prober.redact.urls import Kept, UrlGate

DEEPEST = 200
MOST_WORDS = 200_000
"""Values, unknown names, words, steps and parameters that are looked at one by one in one body."""
# What divides prose, and what divides addresses, from one thing that is looked at to the next.
PROSE = bytes(32 if not (byte >= 128 or chr(byte).isalnum() or byte == 95) else 97 for byte in range(256))
ADDRESS = bytes(32 if byte in b"/&,=|+ %" else 97 for byte in range(256))
ADDRESSES = ("canonical", "extension", "kind", "link", "oid", "reference", "scope", "uri", "url", "uuid")
DIVIDED = dict.fromkeys(("path", "prose", "status"), PROSE) | dict.fromkeys(ADDRESSES, ADDRESS)
COUNT = re.compile(r"[0-9]{1,12}")
STATUS = re.compile(r"[1-5][0-9]{2}( .*)?", re.S)
INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?")
DIV = re.compile(r'<div xmlns="http://www.w3.org/1999/xhtml">([a-z0-9_]{1,40})</div>')
BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[\[\]{}]', re.S)
CONSTANTS = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)|NaN|-?Infinity', re.S)


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class Members:
    """A JSON object as it was written: in order, duplicates included."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Json]]) -> None:
        self.pairs = pairs

    def all(self, name: str) -> list[Json]:
        """Every value that stands under this name."""
        return [value for key, value in self.pairs if key == name]

    def names(self) -> frozenset[str]:
        """The names that occur."""
        return frozenset(key for key, _ in self.pairs)


class Crowded(Exception):
    """There is more in the body than prober reads."""


Json: TypeAlias = "Members | list[Json] | Number | str | bool | None"


class Unreadable(Exception):
    """The text is not JSON that anybody should read; `at` is a character offset."""

    def __init__(self, at: int, why: str = "") -> None:
        super().__init__(why)
        self.at = at
        self.why = why


def _constant(name: str) -> Json:
    raise _Constant(name)


class _Constant(ValueError):
    """NaN or Infinity, which Python would read though JSON has none."""


_DECODER = json.JSONDecoder(
    object_pairs_hook=Members, parse_float=Number, parse_int=Number, parse_constant=_constant, strict=True
)


def parse(text: str) -> Json:
    """The JSON value of a text, duplicates and number texts kept. Raises Unreadable, and nothing else."""
    try:
        value: Json = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Unreadable(error.pos) from None
    except _Constant:
        raise Unreadable(_first_constant(text)) from None
    except RecursionError:
        raise Unreadable(_too_deep(text), "nested too deeply") from None
    return value


def _first_constant(text: str) -> int:
    return next((m.start() for m in CONSTANTS.finditer(text) if text[m.start()] != '"'), 0)


def _too_deep(text: str) -> int:
    depth = 0
    for match in BRACKETS.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth > DEEPEST:
                return match.start()
        elif match[0] in "]}":
            depth -= 1
    return len(text)


def objects(value: Json) -> Iterator[Members]:
    """Every object in a value, itself included, without recursion."""
    waiting: list[Json] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Members):
            yield item
            waiting.extend(inner for _, inner in item.pairs)
        elif isinstance(item, list):
            waiting.extend(item)


class Frame:
    """One object or array that is being written."""

    __slots__ = ("closing", "first", "holds", "items", "kinds", "systems")

    def __init__(self, items: Iterator[tuple[str, Json]] | Iterator[Json], closing: str) -> None:
        self.items = items
        self.closing = closing
        self.first = True
        self.kinds: dict[str, str] | None = None
        self.holds = documents.ANYTHING
        self.systems: frozenset[str] = frozenset()


class JsonGate:
    """Gates JSON values of one body under one run's seal. Raises Crowded where there is too much of it."""

    def __init__(self, seal: Seal, kept: Kept, urls: UrlGate, texts: TextGate, headers: HeaderGate) -> None:
        self._seal = seal
        self._kept = kept
        self._urls = urls
        self._texts = texts
        self._words = 0
        self._leaves: dict[str, Callable[[str], str]] = {
            "base64Binary": seal.base64,
            "canonical": urls.uri,
            "count": seal.text,
            "date": seal.date,
            "dateTime": seal.date,
            "etag": headers.etag,
            "extension": self._extension,
            "id": seal.id,
            "instant": seal.date,
            "instant-kept": self._operational,
            "kind": self._kind,
            "link": urls.url,
            "oid": urls.uri,
            "path": texts.path,
            "prose": texts.text,
            "reference": urls.reference,
            "scope": urls.scope,
            "status": self._status,
            "time": self._time,
            "uri": urls.uri,
            "url": urls.uri,
            "uuid": urls.uri,
            "xhtml": self._narrative,
        }

    def text(self, value: Json, text: str) -> str:
        """The compact JSON text of the redacted value. Raises Unreadable where it is nested more than 200 deep."""
        out: list[str] = []
        stack: list[Frame] = []
        self._open(value, "Resource", out, stack)
        while stack:
            frame = stack[-1]
            item = next(frame.items, stack)
            if item is stack:
                out.append(frame.closing)
                stack.pop()
                continue
            out.append("" if frame.first else ",")
            frame.first = False
            holds, inner = frame.holds, item
            if isinstance(item, tuple):
                name, inner = item
                shown, holds = self._member(frame, name)
                out += (encode_basestring(shown), ":")
            self._open(inner, holds, out, stack, frame)  # type: ignore[arg-type]
            if len(stack) > DEEPEST:
                raise Unreadable(_too_deep(text), "nested too deeply")
        return "".join(out)

    def partly(self, value: Members, shape: Mapping[str, Any], text: str) -> str | None:
        """The compact JSON text in which the members of the shape stay and all others are redacted; None if all stay.

        Raises Unreadable as `text` does.
        """
        written_out, stays = self._partly(value, shape, text)
        return None if stays else written_out

    def _partly(self, value: Members, shape: Mapping[str, Any], text: str) -> tuple[str, bool]:
        out: list[str] = []
        stays = True
        for name, inner in value.pairs:
            known = name in shape
            below = shape.get(name)
            items = inner if isinstance(inner, list) else [inner]
            if known and below is not None and any(isinstance(item, Members) for item in items):
                # What stands among them and is none of them hides nothing of the others.
                told = [
                    self._partly(item, below, text) if isinstance(item, Members) else (self.text(item, text), False)
                    for item in items
                ]
                shown = ",".join(part for part, _ in told)
                out.append(f"{encode_basestring(name)}:{f'[{shown}]' if inner is items else shown}")
                stays = stays and all(whole for _, whole in told)
            elif known and below is None and not any(isinstance(item, Members | list) for item in items):
                out.append(f"{encode_basestring(name)}:{written(inner)}")
            else:
                gated = self._member(Frame(iter(()), "}"), name)[0] if not known else name
                out.append(f"{encode_basestring(gated)}:{self.text(inner, text)}")
                stays = False
        return "{" + ",".join(out) + "}", stays

    def _member(self, frame: Frame, name: str) -> tuple[str, str]:
        kinds = frame.kinds
        if kinds is not None:
            if name in kinds:
                return name, kinds[name]
            if name == "resourceType":
                return name, "resourceType"
            if name[:1] == "_" and name[1:] in kinds:
                return name, "Element"
        known = name in tables().names or name == "resourceType" or (name[:1] == "_" and name[1:] in tables().names)
        self._count(not known)
        return (name if known else self._seal.text(name)) if name else name, documents.ANYTHING

    def _open(self, value: Json, holds: str, out: list[str], stack: list[Frame], parent: Frame | None = None) -> None:
        if isinstance(value, Members):
            out.append("{")
            frame = Frame(iter(value.pairs), "}")
            frame.kinds, frame.systems = self._shape(value, holds, root=not stack)
            stack.append(frame)
        elif isinstance(value, list):
            out.append("[")
            frame = Frame(iter(value), "]")
            frame.holds = holds
            frame.systems = parent.systems if parent else frozenset()
            stack.append(frame)
        elif isinstance(value, Number):
            out.append(self._number(value, holds))
        elif isinstance(value, str):
            out.append(encode_basestring(self.leaf(value, holds, parent.systems if parent else frozenset())))
        else:
            out.append("null" if value is None else "true" if value else "false")

    def _shape(self, value: Members, holds: str, *, root: bool) -> tuple[dict[str, str] | None, frozenset[str]]:
        types = tables().types
        if holds == "Resource":
            named = {kind for kind in value.all("resourceType") if isinstance(kind, str)}
            if len(named) == 1 and next(iter(named)) in tables().resources:
                return types[named.pop()], frozenset()  # type: ignore[return-value]
            if root and not value.all("resourceType"):
                names = value.names()
                shape = next((shape for signs, shape in documents.KINDS if signs & names), None)
                return (types[shape] if shape else None), frozenset()  # type: ignore[return-value]
            return None, frozenset()
        systems: frozenset[str] = frozenset()
        if holds == "Coding":
            systems = frozenset(system for system in value.all("system") if isinstance(system, str))
        return types.get(holds), systems  # type: ignore[return-value]

    def _number(self, value: Number, holds: str) -> str:
        if holds == "count" and COUNT.fullmatch(value):
            return value
        return "1.0" if any(sign in value for sign in ".eE") else "1"

    def leaf(self, value: str, holds: str, systems: frozenset[str] = frozenset()) -> str:
        """A string by what the element holds; for the code of a Coding, by the one code system that it names."""
        if holds == "resourceType":
            return value if value in tables().resources else self._seal.text(value)
        if holds.startswith("code:"):
            return value if value in tables().codes[int(holds[5:])] else self._seal.text(value)
        if holds == "code" and len(systems) == 1:
            return value if value in tables().systems.get(next(iter(systems)), ()) else self._seal.text(value)
        if holds in ("mime", "currency"):
            return value if value in documents.EXACT[holds] else self._seal.text(value)
        if holds.startswith("one:"):
            return self._one_of(value, holds[4:])
        if value in self._kept.constants and holds != "secret":
            return value
        divided = DIVIDED.get(holds)
        self._count(1 if divided is None else 1 + octets(value).translate(divided).count(b" "))
        gate = self._leaves.get(holds)
        return gate(value) if gate else self._seal.text(value)

    def _count(self, words: int) -> None:
        self._words += words
        if self._words > MOST_WORDS:
            raise Crowded("words")

    def _one_of(self, value: str, which: str) -> str:
        if which == "parameter":
            known = value in tables().operation_parameters or value in tables().search_parameters
        else:
            known = value in documents.EXACT[which]
        return value if known else self._seal.text(value)

    def _extension(self, value: str) -> str:
        return value if value in tables().extension_parts else self._urls.uri(value)

    def _kind(self, value: str) -> str:
        return value if value in tables().resources else self._urls.uri(value)

    def _status(self, value: str) -> str:
        match = STATUS.fullmatch(value)
        if match is None:
            return self._seal.text(value)
        return value[:3] + (f" {self._texts.text(match[1][1:])}" if match[1] else "")

    def _time(self, value: str) -> str:
        return "00:00:00" if TIME.fullmatch(value) else self._seal.text(value)

    def _narrative(self, value: str) -> str:
        match = DIV.fullmatch(value)
        shown = match[1] if match and self._seal.made(match[1]) else self._seal.text(value)
        return f'<div xmlns="http://www.w3.org/1999/xhtml">{shown}</div>'

    def _operational(self, value: str) -> str:
        # The moment of an export is the server's, not a patient's, and `_since` of the next request is built from it.
        if not INSTANT.fullmatch(value):
            return self._seal.text(value)
        self._kept.constants.add(value)
        return value


def written(value: Json) -> str:
    """The compact JSON text of a value as it is. Raises Unreadable where it is nested more than 200 deep."""
    out: list[str] = []
    stack: list[Frame] = []

    def put(item: Json) -> None:
        if isinstance(item, Members):
            out.append("{")
            stack.append(Frame(iter(item.pairs), "}"))
        elif isinstance(item, list):
            out.append("[")
            stack.append(Frame(iter(item), "]"))
        elif isinstance(item, Number):
            out.append(item)
        elif isinstance(item, str):
            out.append(encode_basestring(item))
        else:
            out.append("null" if item is None else "true" if item else "false")

    put(value)
    while stack:
        frame = stack[-1]
        item = next(frame.items, stack)
        if item is stack:
            out.append(frame.closing)
            stack.pop()
            continue
        out.append("" if frame.first else ",")
        frame.first = False
        if isinstance(item, tuple):
            out += (encode_basestring(item[0]), ":")
            item = item[1]
        put(item)  # type: ignore[arg-type]
    return "".join(out)


def check_depth(value: Json, text: str) -> None:
    """Raises Unreadable where a value is nested more than 200 deep."""
    level: list[Json] = [value]
    for _ in range(DEEPEST):
        level = [inner for item in level for inner in _inner(item)]
        if not level:
            return
    if any(isinstance(item, Members | list) for item in level):
        raise Unreadable(_too_deep(text), "nested too deeply")


def _inner(item: Json) -> list[Json]:
    if isinstance(item, Members):
        return [value for _, value in item.pairs]
    return item if isinstance(item, list) else []
