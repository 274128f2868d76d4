"""Reads attestations.yaml: every fault with its file and line, and the remarks where there is no fault."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prober.attest.book import Book
from prober.attest.checks import Desk, Note, Place, faults_between, faults_in, remarks_on
from prober.attest.secrets import lines_with_secrets
from prober.attest.words import visible
from prober.handwriting import TO_FILL_IN, explain_all, parse, read_text
from prober.mistake import Mistake
from prober.nouns.attestation import Attestation, AttestationFile
from prober.nouns.base import Noun
from prober.nouns.model import MaturityModel
from prober.nouns.provider import Provider

LIST = "attestations"
Told = tuple[int, str]


@dataclass(frozen=True)
class Reading:
    """What a file of attestations says: its faults and remarks are whole sentences that begin with file and line."""

    attestations: tuple[Attestation, ...]
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def load_attestations(
    path: Path, model: MaturityModel, provider: Provider | None, *, today: date
) -> tuple[Attestation, ...]:
    """The attestations of a file. Raises Mistake for the first fault in the order of the file."""
    reading = read_attestations(path, model, provider, today=today)
    if reading.faults:
        raise Mistake(reading.faults[0])
    return reading.attestations


def read_attestations(path: Path, model: MaturityModel, provider: Provider | None, *, today: date) -> Reading:
    """A file of attestations with all its faults. Raises Mistake only where nothing could be read of it."""
    return read_from_text(read_text(path), path, model, provider, today=today)


def read_from_text(text: str, path: Path, model: MaturityModel, provider: Provider | None, *, today: date) -> Reading:
    """The same of a text that lies, or is to lie, at this path."""
    # Other messages repeat what stands in a line, so where there may be a secret they are not even looked for.
    secrets = [
        (line, "this line holds what looks like a token, a key or a password; remove it.")
        for line in lines_with_secrets(text)
    ]
    if secrets:
        return Reading((), _sentences(secrets, path))
    if unfilled := list(_unfilled(text)):
        return Reading((), _sentences(unfilled, path))
    value, lines = parse(text, path)
    faults: list[Told] = []
    try:
        found = list(enumerate(AttestationFile.model_validate(value).attestations))
    except ValidationError as error:
        faults.extend(explain_all(error, lines, {1: _names(AttestationFile), 3: _names(Attestation)}))
        found = list(_valid_ones(value))
    book = Book(model, provider.country if provider else None)
    desk = Desk(book, provider, today, path.parent)
    notes = [_within(number, note) for number, one in found for note in faults_in(one, desk)]
    notes.extend(faults_between(found))
    faults.extend(_told(notes, lines))
    attestations = tuple(one for _, one in found)
    if faults:
        return Reading(attestations, _sentences(faults, path))
    remarks = [_within(number, note) for number, one in found for note in remarks_on(one, attestations, desk)]
    return Reading(attestations, (), _sentences(_told(remarks, lines), path))


def _names(noun: type[Noun]) -> list[str]:
    return [field.alias or name for name, field in noun.model_fields.items()]


def _valid_ones(value: Any) -> Iterator[tuple[int, Attestation]]:
    """Those attestations of a faulty file that are right by themselves: their other faults are told as well."""
    items = value.get(LIST) if isinstance(value, dict) else None
    for number, item in enumerate(items if isinstance(items, list) else ()):
        try:
            yield number, Attestation.model_validate(item)
        except ValidationError:
            continue


def _unfilled(text: str) -> Iterator[Told]:
    for number, line in enumerate(text.split("\n"), start=1):
        if TO_FILL_IN in line.partition("#")[0]:
            yield number, f"this line still says {TO_FILL_IN}; write there what is true."


def _within(number: int, note: Note) -> Note:
    return Note((number, *note.place), note.text)


def _told(notes: list[Note], lines: dict[Place, int]) -> Iterator[Told]:
    for note in notes:
        place: Place = (LIST, *note.place)
        while place and place not in lines:
            place = place[:-1]
        yield lines.get(place, 1), visible(note.text)


def _sentences(told: Iterable[Told], path: Path) -> tuple[str, ...]:
    return tuple(f"{path}:{line}: {text}" for line, text in sorted(dict.fromkeys(told)))
