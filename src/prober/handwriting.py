"""Reads the YAML that people write by hand, and says in one sentence what is wrong with it: file, line and remedy."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from prober.mistake import Mistake
from prober.nouns.attestation import PLAIN

N = TypeVar("N", bound=BaseModel)
LARGEST_FILE = 4 * 2**20
"""Bytes: a larger file was not written by a person for prober."""
_DEEPEST_NAME = 12
DEEPEST = 60
"""Levels of nesting in a file. Composing goes as deep on the C stack, which ends the process when it overflows."""


TO_FILL_IN = "FILL IN"
"""What a new file says where a person has to write something."""


def load_yaml(path: Path, noun: type[N], *, form: bool = False) -> N:
    """A YAML file as a noun. Raises Mistake naming file, line and remedy for the first thing that is wrong.

    A `form` is a file that prober began: a line of it that still says FILL IN is told first.
    """
    content = read_text(path)
    for number, line in enumerate(content.split("\n") if form else (), start=1):
        if TO_FILL_IN in line.partition("#")[0]:
            raise Mistake(f"{path}:{number}: this line still says {TO_FILL_IN}; write there what is true.")
    value, lines = parse(content, path)
    try:
        return noun.model_validate(value)
    except ValidationError as error:
        raise Mistake(explain(error, path, lines, _names(noun))) from error


def _names(noun: type[BaseModel]) -> dict[int, set[str]]:
    """The names that may stand at each depth of a file, whatever they stand in."""
    found: dict[int, set[str]] = {}
    waiting: list[tuple[Any, int]] = [(noun, 1)]
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            names = {field.alias or name: field.annotation for name, field in one.model_fields.items()}
            if depth <= _DEEPEST_NAME and not names.keys() <= found.get(depth, set()):
                found.setdefault(depth, set()).update(names)
                waiting += [(inner, depth + 1) for inner in names.values()]
        else:
            # A list or a mapping has its items one level deeper; a union or what is annotated has not.
            deeper = get_origin(one) in (tuple, list, dict)
            waiting += [(inner, depth + deeper) for inner in get_args(one)]
    return found


def line_of(path: Path, *place: str | int) -> int:
    """The line on which this place of a YAML file begins (1 if it has none): for messages about what it says."""
    return parse(read_text(path), path)[1].get(place, 1)


def read_text(path: Path) -> str:
    """A text file that a person wrote, its line ends as newlines. Raises Mistake naming file and remedy."""
    try:
        if path.is_dir():
            raise Mistake(f"{path}: this is a folder; name a file.")
        with path.open("rb") as file:
            # A device or a pipe has no size, so what is read is bounded instead.
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise Mistake(f"{path}: there is no such file; check the path.") from error
    except OSError as error:
        raise Mistake(f"{path}: this file cannot be read ({error.strerror}); check its permissions.") from error
    if len(content) > LARGEST_FILE:
        raise Mistake(f"{path}: this file is larger than {LARGEST_FILE} bytes; it was not written for prober.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Mistake(f"{path}:{line}: this is not UTF-8 text; save the file as UTF-8.") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Composing in C is several times faster; where PyYAML was built without it, the result is the same.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Safe YAML in which an unquoted date stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Wrong(Exception):
    """Something that prober does not take although it is YAML: where it stands and what to do."""

    def __init__(self, node: Any, words: str) -> None:
        super().__init__(words)
        self.line = node.start_mark.line + 1


def parse(text: str, path: Path) -> tuple[Any, dict[tuple[Any, ...], int]]:
    """The YAML value, and the line of each place in it. Aliases, repeated keys and deep nesting are refused.

    They are looked for before anything is built: a small file could otherwise expand without end.
    """
    lines: dict[tuple[Any, ...], int] = {}
    try:
        _check_shape(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, lines
            _note_lines(node, (), lines)
            return loader.construct_document(node), lines
        finally:
            loader.dispose()
    except _Wrong as wrong:
        raise Mistake(f"{path}:{wrong.line}: {wrong}.") from wrong
    except yaml.MarkedYAMLError as error:
        line, words = _plain_words(error, text)
        raise Mistake(f"{path}:{line}: {words}.") from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise Mistake(f"{path}:{line}: a control character stands here; remove it.") from error
    except ValueError as error:
        raise Mistake(f"{path}:1: a number in this file cannot be read as one; put quotes around it.") from error


def _check_shape(text: str) -> None:
    loader = _Loader(text)
    depth = documents = 0
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.AliasEvent):
                raise _Wrong(event, "aliases are not allowed here; write the value out")
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Wrong(event, "a second document begins here; keep one document in a file")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEEPEST:
                    raise _Wrong(event, f"this is nested more than {DEEPEST} levels deep; write it flatter")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    finally:
        loader.dispose()


def _note_lines(node: Any, place: tuple[Any, ...], lines: dict[tuple[Any, ...], int]) -> None:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Wrong(key, "a name is one word, not a list or a mapping; write `name: value`")
            if key.tag == "tag:yaml.org,2002:bool":
                # A name is a word, though YAML 1.1 takes `on` and `no` for truth values.
                key.tag = "tag:yaml.org,2002:str"
            if key.value in keys:
                raise _Wrong(key, f"`{_shown(key.value)}` stands twice; remove one of them")
            keys.add(key.value)
            inner = (*place, key.value)
            _note_lines(value, inner, lines)
            lines[inner] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note_lines(value, (*place, index), lines)


_TAB = "a tab stands here; indent with blanks"
_MISALIGNED = "this line does not fit the lines above it; check its indentation and its quotes"
_YAML_WORDS: tuple[tuple[str, str], ...] = (
    (
        "mapping values are not allowed",
        "a colon cannot stand here; put quotes around the text, or check the indentation",
    ),
    ("unexpected end of stream", "a quote that opens here is never closed; close it"),
    ("expected ',' or", "a bracket that opens here is not closed, or a comma is missing; mend it"),
    ("expected node content", "a bracket that opens here is not closed, or a value is missing; mend it"),
    ("constructor for the tag", "tags (words that begin with !) are not allowed here; remove it"),
    ("undefined tag handle", "tags (words that begin with !) are not allowed here; remove it"),
    ("tab character", _TAB),
    ("did not find expected key", _MISALIGNED),
    ("document start", _MISALIGNED),
    ("'-' indicator", _MISALIGNED),
    ("block end", _MISALIGNED),
    ("block sequence entries are not allowed", "a list item cannot stand here; begin it on a line of its own"),
    ("could not find expected ':'", "a colon is missing here; write `name: value`"),
)
"""What PyYAML says, and what a person does about it."""


def _plain_words(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    problem, mark = str(error.problem), error.problem_mark or error.context_mark
    words = next((plain for said, plain in _YAML_WORDS if said in problem), None)
    if words is not None and "opens here" in words:
        mark = error.context_mark or mark
    line = mark.line + 1 if mark is not None else 1
    if "cannot start any token" in problem and mark is not None:
        there = text[mark.index : mark.index + 1]
        return line, _TAB if there == "\t" else f"a value cannot begin with {there}; put quotes around it"
    return line, words or f"this is not valid YAML: {problem}; mend this line"


_PATTERN_WORDS: Mapping[str, str] = {
    "^[A-Z]{2}$": "write two capital letters, for example US",
    "^env:[A-Za-z_][A-Za-z0-9_]*$": "name an environment variable, for example env:PROBER_TOKEN, never a token",
    "^[0-9a-f]{64}$": "write a SHA-256 as 64 small hex digits, as sha256sum prints it",
    r"^[0-9]+\.[0-9]+\.[0-9]+$": "write three numbers in quotes, for example '1.0.0'",
    "^[a-z][a-z0-9_]*$": "write small letters, digits and underscores, for example our_rules",
    r"^[0-9]+/[1-9][0-9]*$": "write a fraction, for example 95/100",
    r"^[A-Z0-9.]+/L[1-4]/[a-z0-9_]+$": "write criterion, level and a word, for example S8.STD.2/L3/jwks",
    r"^S8\.[A-Z0-9.]+$|^[A-Z][A-Z0-9.]+$": "write capital letters, digits and dots, for example OUR.STD.1",
    r"^S8\.GATE\.[1-8]$": "a gate is one of S8.GATE.1 to S8.GATE.8",
    r"^[A-Z0-9.]+(/L[1-4]/[a-z0-9_]+)?$": "write criterion, level and a word, for example S8.GOV.1/L1/owner, or a gate",
    "^[a-z0-9][a-z0-9_-]*$": "write small letters, digits, - and _, for example charter-2026",
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$": "write a day as year, month and day, such as 2026-10-31",
    r"^[0-9]{4}-(0[1-9]|1[0-2])$": "write a month as year and month, such as 2026-10",
    r"^[0-9]{1,12}(/[1-9][0-9]{0,11})?$": "write a whole number or a fraction in quotes, such as '41' or '41/100'",
    r"^https://[^\s@]+$": "write a whole URL that begins with https://",
    "^[a-z0-9][a-z0-9_-]{0,62}$": "write small letters, digits, - and _, for example main-hospital",
    "^([01][0-9]|2[0-3]):[0-5][0-9]$": "write a time of day in quotes, from '00:00' to '23:59'",
    "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$": "write letters, digits, dots, - and _, for example clinic-datacenter",
    r"^https?://[!#-\[\]-~]{1,500}$": "write a whole URL without blanks and quotes",
    PLAIN: "write it on one line, without control characters or characters that nobody sees",
}
_TYPE_WORDS: Mapping[str, str] = {
    "tuple_type": "write a list, each item on a line that begins with `- `",
    "list_type": "write a list, each item on a line that begins with `- `",
    "dict_type": "write `name: value` lines",
    "model_type": "write `name: value` lines",
    "model_attributes_type": "write `name: value` lines",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "union_tag_not_found": "say `kind: maturity` (levels) or `kind: profile` (counts)",
    "union_tag_invalid": "say `kind: maturity` (levels) or `kind: profile` (counts)",
}
_SECRETS = frozenset({"bearer", "database", "password", "secret", "webhook", "apprise", "proxy"})
"""Places where somebody may have written a secret: what stands there is never shown."""


def explain(
    error: ValidationError,
    path: Path,
    lines: Mapping[tuple[Any, ...], int],
    known: Mapping[int, Iterable[str]] = MappingProxyType({}),
) -> str:
    """One sentence about the first mistake, in the order of the file. `known` as in `explain_all`."""
    problems = _problems(error)
    first = min(problems, key=lambda one: (one["type"] == "missing", _line(_clean(one["loc"]), lines)))
    line, text = _sentence(first, lines, known)
    return f"{path}:{line}: {text}"


def explain_all(
    error: ValidationError,
    lines: Mapping[tuple[Any, ...], int],
    known: Mapping[int, Iterable[str]] = MappingProxyType({}),
) -> tuple[tuple[int, str], ...]:
    """Every mistake, in the order of the file: its line, and one sentence that does not repeat the line.

    `known` are the names that may stand at a depth, for the one that was meant where one is misspelt.
    """
    told = dict.fromkeys(_sentence(one, lines, known) for one in _problems(error))
    return tuple(sorted(told, key=lambda one: one[0]))


def _problems(error: ValidationError) -> list[Any]:
    # A list whose items are wrong is also called too short, and a name that is misspelt also missing.
    return [one for one in error.errors(include_url=False) if one["type"] != "too_short" or not one["input"]]


def _line(place: tuple[Any, ...], lines: Mapping[tuple[Any, ...], int]) -> int:
    where: tuple[Any, ...] = ()
    for part in place:
        # The name of a mapping is text here even if it reads as a number.
        inner = (*where, part) if (*where, part) in lines else (*where, str(part))
        if inner not in lines:
            break
        where = inner
    return lines.get(where, 1)


def _clean(place: tuple[Any, ...]) -> tuple[Any, ...]:
    """The place as it stands in the file: pydantic also tells which member of a union it tried."""
    return tuple(
        part
        for at, part in enumerate(place)
        if part not in ("maturity", "profile", "[key]") and not (at and place[at - 1] == "shape")
    )


def _sentence(
    problem: Any, lines: Mapping[tuple[Any, ...], int], known: Mapping[int, Iterable[str]]
) -> tuple[int, str]:
    place = _clean(problem["loc"])
    name = _place_words(place[:-1] if "[key]" in problem["loc"] else place)
    kind, given, context = problem["type"], problem.get("input"), problem.get("ctx") or {}
    if kind.startswith("union_tag"):
        if context["discriminator"] == "'kind'":
            return _line(("kind",), lines), f"{_TYPE_WORDS[kind]}."
        expected = f"write one of {context['expected_tags']}" if "expected_tags" in context else "add it"
        return _line((*place, "form"), lines), f"{name} needs a `form` that is known here; {expected}."
    if not place:
        return 1, f"{_whole_file(given, problem)}."
    if kind == "missing":
        text = f"{name} is missing; add it"
    elif kind == "extra_forbidden":
        near = difflib.get_close_matches(str(place[-1]), known.get(len(place), ()), n=1)
        hint = f"did you mean `{near[0]}`?" if near else "correct its spelling or remove it."
        return _line(place, lines), f"{name} is not known here; {hint}"
    elif kind in ("value_error", "assertion_error"):
        text = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    elif given is None:
        text = f"{name} is empty; fill it in or remove the line"
    elif kind == "too_short":
        text = f"{name} is empty; name at least one"
    else:
        shown = isinstance(given, str | int | float) and len(str(given)) <= 60 and place[-1] not in _SECRETS
        text = f"{name} is not right{f' (it is {given!r})' if shown else ''}; {_remedy(problem)}"
    return _line(place, lines), f"{text}."


def _shown(name: str) -> str:
    """A name as it may be printed: what cannot be seen as its escape, and not endlessly."""
    plain = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in name[:80])
    return plain if len(name) <= 80 else f"{plain}…"


def _place_words(place: tuple[Any, ...]) -> str:
    names = ".".join(_shown(part) for part in place if isinstance(part, str))
    return f"`{names}` item {place[-1] + 1}" if place and isinstance(place[-1], int) else f"`{names}`"


def _whole_file(given: object, first: Any) -> str:
    if given is None:
        return "this file is empty; fill it in"
    if not isinstance(given, dict):
        return "this file does not begin with `name: value` lines; write them"
    return str(first["msg"]).removeprefix("Value error, ").rstrip(".")


def _remedy(first: Any) -> str:
    kind, given, context = first["type"], first.get("input"), first.get("ctx") or {}
    if kind == "string_type" and isinstance(given, bool):
        return "a bare yes, no, on, off, true or false is no word in YAML, so put quotes around it"
    if kind == "string_type" and isinstance(given, int | float):
        return "put quotes around it"
    if kind == "string_type":
        return "write one text"
    if kind == "literal_error":
        return f"write {context['expected']}"
    if kind == "string_pattern_mismatch" and context["pattern"] in _PATTERN_WORDS:
        return _PATTERN_WORDS[context["pattern"]]
    if kind == "greater_than_equal":
        return f"write {context['ge']} or more"
    if kind == "less_than_equal":
        return f"write {context['le']} or less"
    if kind == "string_too_long":
        return f"write {context['max_length']} characters at most"
    if kind == "string_too_short":
        return "fill it in or remove the line"
    if kind in _TYPE_WORDS:
        return _TYPE_WORDS[kind]
    message = str(first["msg"]).rstrip(".")
    return f"{message[0].lower()}{message[1:]}"
