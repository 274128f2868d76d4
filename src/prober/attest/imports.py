"""What all imports have in common: bounded JSON, an attestation from fields, and its place in somebody's file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prober.attest.reading import read_from_text
from prober.attest.writing import EMPTY, added, replace_text
from prober.handwriting import explain_all, parse, read_text
from prober.mistake import Mistake
from prober.nouns.attestation import Attestation
from prober.nouns.base import JSON
from prober.nouns.evidence import parse_json
from prober.nouns.model import MaturityModel
from prober.nouns.provider import Provider


@dataclass(frozen=True)
class Offer:
    """What the person who imports says: for which requirements, about whom, and who else stands behind it."""

    requirements: tuple[str, ...]
    entity: str
    third_party: str | None = None
    signer_role: str | None = None


@dataclass(frozen=True)
class Target:
    """The file to which attestations are added, and what they are checked against."""

    path: Path
    model: MaturityModel
    provider: Provider | None
    today: date


def json_of(content: bytes, source: Path, what: str) -> JSON:
    """The JSON value of a file. Raises Mistake where it is none, or more than prober reads."""
    value = parse_json(content)
    if not isinstance(value, dict | list):
        raise Mistake(f"{source}: this is not JSON that prober can read; name {what}.")
    return value


def built(fields: Mapping[str, Any], source: str) -> Attestation:
    """An attestation from its fields. Raises Mistake with the first thing that is wrong."""
    try:
        return Attestation.model_validate(fields)
    except ValidationError as error:
        raise Mistake(f"{source}: {explain_all(error, {})[0][1]}") from error


def taken_ids(target: Target) -> frozenset[str]:
    """The ids that the file has already. Raises Mistake for the first fault in it."""
    return frozenset(one.id for one in _before(target)[1])


def add(new: Sequence[Attestation], target: Target, source: Path) -> tuple[str, ...]:
    """Add attestations to the file, whose own lines all stay as they are; the remarks on it. Raises Mistake.

    What is written was read again first: if anything in it would be a fault, nothing is written.
    """
    text, old = _before(target)
    after = added(text, new, target.path)
    try:
        reading = read_from_text(after, target.path, target.model, target.provider, today=target.today)
    except Mistake as mistake:
        raise Mistake(f"{target.path}: prober cannot add to this file as it is laid out; begin a new one.") from mistake
    if reading.faults:
        fault = reading.faults[0].removeprefix(f"{target.path}:").partition(": ")[2]
        raise Mistake(f"{source}: nothing was added, since {fault}")
    if reading.attestations != (*old, *new):
        raise Mistake(f"{target.path}: prober cannot add to this file as it is laid out; begin a new one.")
    replace_text(target.path, after)
    return reading.remarks


def name_beside(source: Path, target: Path) -> str | None:
    """The path of the source as seen from the file, if it lies beside or below it; else it is not named."""
    try:
        return source.resolve().relative_to(target.resolve().parent).as_posix()
    except ValueError:
        return None


def _before(target: Target) -> tuple[str, tuple[Attestation, ...]]:
    if not target.path.exists():
        return EMPTY, ()
    text = read_text(target.path)
    if parse(text, target.path)[0] is None:
        return text, ()
    reading = read_from_text(text, target.path, target.model, target.provider, today=target.today)
    if reading.faults:
        raise Mistake(reading.faults[0])
    return text, reading.attestations
