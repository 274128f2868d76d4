"""Scores one corpus with two versions of a model and tells what would change for whom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prober.nouns.model import Model
from prober.nouns.scorecard import Counts, Interval, MaturityScore, ProfileScore, Scorecard
from prober.nouns.sheet import Sheet
from prober.rulebooks.corpus import Recorded


@dataclass(frozen=True)
class Difference:
    """One result that is another one: what it is of, and how it was and would be. None: the book does not have it."""

    about: str
    old: str | None
    new: str | None

    @property
    def existing(self) -> bool:
        """Whether a result that there was changes; what only the new book asks changes none."""
        return self.old is not None

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.about} (new) {self.new}"
        return f"{self.about} {self.old} → {self.new or 'gone'}"


@dataclass(frozen=True)
class Rescored:
    """A fixture, and everything that would change for it."""

    name: str
    differences: tuple[Difference, ...]


def rescore(corpus: Sequence[Recorded], old: Model, new: Model, sheets: Mapping[str, Sheet]) -> tuple[Rescored, ...]:
    """Each fixture with its differences, in the order of the corpus."""
    return tuple(
        Rescored(one.name, differences(one.scored_with(old, sheets), one.scored_with(new, sheets))) for one in corpus
    )


def differences(old: Scorecard, new: Scorecard) -> tuple[Difference, ...]:
    """What differs between two scorecards of the same evidence."""
    before, after = dict(results(old)), dict(results(new))
    return tuple(
        Difference(about, before.get(about), after.get(about))
        for about in dict.fromkeys((*before, *after))
        if before.get(about) != after.get(about)
    )


def results(card: Scorecard) -> Iterator[tuple[str, str]]:
    """Every result of a scorecard by which a provider is looked at: label, points, blocks, levels, gates, counts."""
    if card.maturity is not None:
        yield from _of_book(card.maturity)
    if card.profile is not None:
        yield from _of_profile(card.profile)


def _of_book(one: MaturityScore) -> Iterator[tuple[str, str]]:
    if one.label is not None:
        yield "label", one.label.name
        yield "highest label in reach", one.label.at_most
    yield "points", _interval(one.points)
    for block in one.blocks:
        yield f"{block.id} points", _interval(block.points)
    for workflow in one.workflows:
        yield f"{workflow.id} level", _interval(workflow.level)
    for criterion in one.criteria:
        yield f"{criterion.id} level", _interval(criterion.level)
    for gate in one.gates:
        yield gate.id, gate.state.replace("_", " ")


def _of_profile(one: ProfileScore) -> Iterator[tuple[str, str]]:
    yield "counts", _counts(one.counts)
    for family in one.families:
        yield f"{family.id} counts", _counts(family.counts)


def _interval(one: Interval | None) -> str:
    if one is None:
        return "does not apply"
    return str(one.low) if one.low == one.high else f"{one.low} to {one.high}"


def _counts(one: Counts) -> str:
    return f"{one.shown} shown, {one.refuted} refuted, {one.untested} not tested"
