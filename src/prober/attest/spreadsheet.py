"""Reads the worksheet back from a spreadsheet: CSV with the columns of the worksheet, in any order."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prober.attest.files import sha256_beside
from prober.attest.worksheet import TO_FILL
from prober.attest.writing import free_id
from prober.handwriting import explain_all
from prober.mistake import Mistake
from prober.nouns.attestation import Attestation

MOST_ROWS = 10_000
_YES_NO: Mapping[str, bool] = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True)
class Sheet:
    """What a spreadsheet says: attestations, the faults of its rows as whole sentences, and rows still empty."""

    attestations: tuple[Attestation, ...]
    faults: tuple[str, ...]
    empty: int


def read_sheet(content: bytes, source: Path, folder: Path, *, entity: str | None, taken: frozenset[str]) -> Sheet:
    """The rows that somebody filled in. `folder` is where documents lie. Raises Mistake where it is no worksheet."""
    ids, found, faults, empty = set(taken), [], [], 0
    for line, row in _rows(content, source):
        if not any(row.get(name) for name in TO_FILL):
            empty += 1
            continue
        try:
            one = Attestation.model_validate(_fields(row, folder, entity, frozenset(ids)))
        except ValidationError as error:
            faults += [f"{source}:{line}: {text}" for _, text in explain_all(error, {})]
        except ValueError as error:
            faults.append(f"{source}:{line}: {error}")
        else:
            ids.add(one.id)
            found.append(one)
    return Sheet(tuple(found), tuple(dict.fromkeys(faults)), empty)


def _rows(content: bytes, source: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Mistake(f"{source}:{line}: this is not UTF-8 text; save the spreadsheet as CSV in UTF-8.") from error
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        if "requirement" not in names or "claim" not in names or len(set(names)) < len(names):
            raise Mistake(
                f"{source}:1: the first row does not name the columns of the worksheet, each once; "
                "make one with `prober attest init --csv FILE`."
            )
        for count, cells in enumerate(reader, start=1):
            if count > MOST_ROWS:
                raise Mistake(f"{source}:{reader.line_num}: there are more than {MOST_ROWS} rows; split the file.")
            if len(cells) > len(names):
                raise Mistake(f"{source}:{reader.line_num}: this row has more cells than there are columns; mend it.")
            yield reader.line_num, {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
    except csv.Error as error:
        raise Mistake(f"{source}:{reader.line_num}: this row is not CSV ({error}); mend it.") from error


def _fields(row: Mapping[str, str], folder: Path, entity: str | None, taken: frozenset[str]) -> dict[str, Any]:
    """The cells of a row as the fields of an attestation. ValueError, as a sentence, for a cell that says neither."""
    given = {name: text for name, text in row.items() if text}
    fields: dict[str, Any] = {
        name: given[name]
        for name in ("claim", "kind", "class", "issuer", "signer_role", "issued", "valid_until")
        if name in given
    }
    asked = [one for one in re.split(r"[\s,;]+", given.get("requirement", "")) if one]
    fields |= {"id": given.get("id") or free_id("-".join(asked[:1]), taken), "requirements": asked}
    if "answer" in given:
        fields["answer"] = given["answer"].lower()
    if who := given.get("entity", entity):
        fields["entity"] = who
    if "period_start" in given or "period_end" in given:
        days = {"start": given.get("period_start"), "end": given.get("period_end")}
        fields["period"] = {name: day for name, day in days.items() if day}
    if "bases" in given:
        fields["bases"] = [one for one in re.split(r"[\s,;]+", given["bases"]) if one]
    if "values" in given:
        fields["values"] = dict(_values(given["values"]))
    if {"title", "file", "sha256", "public", "third_party"} & given.keys():
        fields["document"] = _document(given, folder)
    return fields


def _values(cell: str) -> Iterator[tuple[str, str]]:
    for one in filter(None, (part.strip() for part in re.split(r"[;\n]", cell))):
        name, equals, value = one.partition("=")
        if not equals:
            raise ValueError("a cell of `values` says name=value, and ; between two, for example messages=1200.")
        yield name.strip(), value.strip()


def _document(given: Mapping[str, str], folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = {name: given[name] for name in ("title", "file", "sha256", "third_party") if name in given}
    if "sha256" not in fields and "file" in fields:
        fields["sha256"] = sha256_beside(folder, fields["file"])
    if "public" in given:
        if given["public"].lower() not in _YES_NO:
            raise ValueError("a cell of `public` says yes or no.")
        fields["public"] = _YES_NO[given["public"].lower()]
    return fields
