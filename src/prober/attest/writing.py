"""Writes attestations into a file that a person keeps: added to its list, while every line of theirs stays as it is."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prober.attest.reading import LIST
from prober.files import replace_file
from prober.handwriting import parse
from prober.mistake import Mistake
from prober.nouns.attestation import Attestation

EMPTY = f"schema: prober/attestations/1\n{LIST}:\n"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*|[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null"})


def added(text: str, new: Sequence[Attestation], path: Path) -> str:
    """The text of a file of attestations with these at the end of its list. Raises Mistake if it has no open list."""
    value, lines = parse(text, path)
    rows = text.split("\n")
    if rows and rows[-1] == "":
        rows.pop()
    if value is None:
        rows += EMPTY.rstrip("\n").split("\n")
        return _joined([*rows, *_blocks(new, 0)])
    if not isinstance(value, dict) or not isinstance(value.get(LIST) or [], list):
        raise Mistake(f"{path}:1: this is no file of attestations; name another one with --into.")
    if LIST not in value:
        return _joined([*rows, f"{LIST}:", *_blocks(new, 0)])
    at = lines[LIST,]
    if not value[LIST]:
        rows[at - 1] = re.sub(r"^((['\"]?)attestations\2\s*:)\s*(\[\s*\]|~|null)?", r"\1", rows[at - 1], count=1)
    dash = re.match(r" *(?=- )", rows[lines[LIST, 0] - 1]) if value[LIST] else None
    if value[LIST] and dash is None:
        raise Mistake(f"{path}:{at}: prober cannot add to this list; begin each attestation on a line with `- id:`.")
    after = [line for place, line in lines.items() if len(place) == 1 and line > at]
    end = min(after, default=len(rows) + 1) - 1
    return _joined([*rows[:end], *_blocks(new, len(dash.group()) if dash else 0), *rows[end:]])


def block(one: Attestation) -> str:
    """One attestation as an item of the list."""
    return _joined(list(_blocks([one], 0)))


def replace_text(path: Path, text: str) -> None:
    """Write the text in one step, so that a kill leaves the old file or the new one. Raises Mistake."""
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise Mistake(f"{path}: this is not a plain file; name one.")
        if not path.parent.is_dir():
            raise Mistake(f"{path}: there is no folder {path.parent}; make it first, or name another file.")
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        replace_file(path, text.encode("utf-8"), mode=mode)
    except OSError as error:
        raise Mistake(f"{path}: this file cannot be written ({error.strerror}).") from error


def free_id(wish: str, taken: frozenset[str]) -> str:
    """The id, or with the first number after it that nobody has."""
    plain = re.sub(r"[^a-z0-9]+", "-", wish.lower()).strip("-")[:80] or "attestation"
    if plain not in taken:
        return plain
    return next(name for number in range(2, len(taken) + 3) if (name := f"{plain}-{number}") not in taken)


def _joined(rows: Sequence[str]) -> str:
    return "\n".join(rows) + "\n"


def _blocks(new: Sequence[Attestation], indent: int) -> Iterator[str]:
    for one in new:
        given = one.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        fields = {"id": given.pop("id"), **given}
        yield from (" " * indent + row for row in _item(fields))


def _item(value: Mapping[str, Any]) -> Iterator[str]:
    for position, row in enumerate(_mapping(value)):
        yield ("- " if position == 0 else "  ") + row


def _mapping(value: Mapping[str, Any]) -> Iterator[str]:
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield f"{_scalar(name)}:"
            yield from ("  " + row for row in _mapping(inner))
        elif isinstance(inner, list | tuple) and inner and isinstance(inner[0], Mapping):
            yield f"{_scalar(name)}:"
            for one in inner:
                yield from ("  " + row for row in _item(one))
        elif isinstance(inner, list | tuple):
            yield f"{_scalar(name)}: [{', '.join(_scalar(one) for one in inner)}]"
        else:
            yield f"{_scalar(name)}: {_scalar(inner)}" if inner != {} else f"{_scalar(name)}: {{}}"


def _scalar(value: object) -> str:
    """A scalar that reads as what it is: a JSON text is a YAML text as well."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
