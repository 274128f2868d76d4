"""What expires when: each attestation with its age, soonest first, and what no document speaks for after it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from prober.documents.fitting import same_scope
from prober.documents.freshness import ROW, age_of_document, bound, day_of
from prober.nouns.attestation import Attestation
from prober.nouns.model import MaturityModel

HEAD = ("Last day", "State", "Kind", "Class", "Inspected", "Attestation")


@dataclass(frozen=True)
class Row:
    """One attestation on one day: its state in words, its last day, and the requirements that rest on it alone."""

    one: Attestation
    state: str
    last_day: date
    counts: bool
    alone: tuple[str, ...]


def rows(attestations: Sequence[Attestation], model: MaturityModel, today: date) -> tuple[Row, ...]:
    """One row for each attestation, the one that expires first on top."""
    last = {one.id: _last_day(one, model, today) for one in attestations}
    found = [_row(one, attestations, last, model, today) for one in attestations]
    return tuple(sorted(found, key=lambda row: (row.last_day, row.one.id)))


def table(found: Sequence[Row]) -> Iterator[str]:
    """The rows as lines of text, columns under a head."""
    if not found:
        yield "There is no attestation yet."
        return
    cells = [HEAD, *(_cells(row) for row in found)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    for at, line in enumerate(cells):
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        if at and (alone := found[at - 1].alone):
            when = "After it" if found[at - 1].counts else "Since then"
            yield f"    {when} no document speaks for {', '.join(alone)}."


def _row(
    one: Attestation, all_: Sequence[Attestation], last: dict[str, date], model: MaturityModel, today: date
) -> Row:
    age = age_of_document(one, model.freshness.get(ROW[one.kind]), today)
    row = model.freshness.get(ROW[one.kind])
    state = "fresh"
    if age.state == "expired":
        state = f"expired since {_next(age.last_day)}"
    elif age.state == "stale" and row is not None:
        state = f"stale since {_next(bound(day_of(one), row.fresh, row.unit))}"
    others = [
        other
        for other in all_
        if other.id != one.id and last[other.id] > age.last_day and last[other.id] >= today and same_scope(one, other)
    ]
    alone = tuple(asked for asked in one.requirements if not any(asked in other.requirements for other in others))
    return Row(one, state, age.last_day, age.state != "expired", alone)


def _cells(row: Row) -> tuple[str, ...]:
    inspected = f"on {row.one.inspected.on}" if row.one.inspected else "not inspected"
    return (str(row.last_day), row.state, row.one.kind, row.one.class_, inspected, row.one.id)


def _last_day(one: Attestation, model: MaturityModel, today: date) -> date:
    return age_of_document(one, model.freshness.get(ROW[one.kind]), today).last_day


def _next(day: date) -> date:
    return day if day == date.max else day + timedelta(days=1)
