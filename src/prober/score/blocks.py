"""From levels to points: blocks, workflows, the total and the coverage, in exact fractions rounded once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import get_args

from prober.nouns.model import Block, MaturityModel, Workflow
from prober.nouns.scorecard import BlockScore, Interval, Knowledge, WorkflowScore
from prober.score import workflows
from prober.score.levels import MOST_KNOWN, state_of
from prober.score.marks import Mark

KINDS: tuple[Knowledge, ...] = get_args(Knowledge)
PER_LEVEL = 25
MOST_TOTALS = 500
"""Each is a few dozen lines of a score, so fewer of them are kept than of the smaller things."""


@dataclass(frozen=True)
class Points:
    """Points between 0 and 100, exact."""

    low: Fraction
    high: Fraction

    def rounded(self) -> Interval:
        """To integers, half to even."""
        return Interval(low=round(self.low), high=round(self.high))


@dataclass(frozen=True)
class Totals:
    """What the marks add up to; `equal` is the total with every block weighing the same."""

    marks: tuple[Mark, ...]
    points: Interval | None
    equal: Interval | None
    blocks: tuple[BlockScore, ...]
    workflows: tuple[WorkflowScore, ...]
    coverage: dict[str, int]


@dataclass(frozen=True)
class Sum:
    """What one block comes to."""

    line: BlockScore
    points: Points | None
    workflows: tuple[WorkflowScore, ...]
    known: Mapping[Knowledge, int]


class Sums:
    """What the marks of one rule book add up to, kept for the next run: in a fleet most have been seen before."""

    def __init__(self, model: MaturityModel) -> None:
        self._blocks = model.blocks
        self._rolls = model.workflows
        self._totals: dict[tuple[Mark, ...], Totals] = {}
        self._sums: dict[tuple[object, ...], Sum] = {}

    def of(self, marks: tuple[Mark, ...]) -> Totals:
        """The sum of the marks of all criteria, in the order of the book."""
        known = self._totals.get(marks)
        if known is None:
            if len(self._totals) >= MOST_TOTALS:
                self._totals.clear()
            known = self._totals[marks] = self._add_up(marks)
        return known

    def _add_up(self, marks: tuple[Mark, ...]) -> Totals:
        """Blocks and total. A block or workflow in which nothing that counts applies hands its share to the others."""
        by_block: dict[str, list[Mark]] = {block.id: [] for block in self._blocks}
        for one in marks:
            by_block[one.block].append(one)
        found = [(block, self._block(block, by_block[block.id])) for block in self._blocks]
        shares = [(block.weight, one.points) for block, one in found if one.points is not None]
        total = _mean_of_points(shares)
        equal = _mean_of_points([(1, points) for weight, points in shares if weight])
        return Totals(
            marks,
            total.rounded() if total else None,
            equal.rounded() if equal else None,
            tuple(one.line for _, one in found),
            tuple(workflow for _, one in found for workflow in one.workflows),
            coverage(one for _, one in found),
        )

    def _block(self, block: Block, inside: Sequence[Mark]) -> Sum:
        key = (block.id, *inside)
        if key not in self._sums:
            if len(self._sums) >= MOST_KNOWN:
                self._sums.clear()
            self._sums[key] = _sum(block, inside, self._rolls)
        return self._sums[key]


def _sum(block: Block, inside: Sequence[Mark], rolls: Sequence[Workflow]) -> Sum:
    counting = [one for one in inside if one.counts]
    points = mean(_weighed(counting))
    rolled: tuple[WorkflowScore, ...] = ()
    if block.id == workflows.BLOCK:
        rolled = _workflows(inside, {one.id: one for one in rolls})
        weighty = {workflows.workflow_of(one.id) for one in counting if one.weight}
        points = mean((1, one.level) for one in rolled if one.level and one.id in weighty)
    return Sum(_block(block, inside, counting, points), points, rolled, known_in(counting))


def mean(weighed: Iterable[tuple[int, Interval]]) -> Points | None:
    """25 times the weighted mean of levels; None where the weights sum to nothing."""
    held = list(weighed)
    weight = sum(share for share, _ in held)
    if not weight:
        return None
    low = sum(share * level.low for share, level in held)
    high = sum(share * level.high for share, level in held)
    return Points(Fraction(PER_LEVEL * low, weight), Fraction(PER_LEVEL * high, weight))


def known_in(counting: Iterable[Mark]) -> dict[Knowledge, int]:
    """The weight that counts, by how each criterion's level is known."""
    weights: dict[Knowledge, int] = dict.fromkeys(KINDS, 0)
    for one in counting:
        weights[one.knowledge] += one.weight
    return weights


def coverage(sums: Iterable[Sum]) -> dict[str, int]:
    """Percent of the weight that counts, by how it is known; sums to 100 by largest remainders."""
    shares: dict[Knowledge, int] = dict.fromkeys(KINDS, 0)
    for one in sums:
        for kind, weight in one.known.items():
            shares[kind] += weight
    if not any(shares.values()):
        shares["unknown"] = 1
    return {str(kind): percent for kind, percent in hundredths(shares).items()}


def hundredths(shares: Mapping[Knowledge, Fraction | int]) -> dict[Knowledge, int]:
    """Shares as whole percents that sum to 100: largest remainders first, ties in the order given."""
    total = sum(shares.values())
    whole: dict[Knowledge, int] = {}
    left: dict[Knowledge, Fraction | int] = {}
    for kind, share in shares.items():
        percent, left[kind] = divmod(100 * share, total)
        whole[kind] = int(percent)
    by_remainder = sorted(left, key=lambda kind: -left[kind])
    for kind in by_remainder[: 100 - sum(whole.values())]:
        whole[kind] += 1
    return whole


def _block(block: Block, inside: Sequence[Mark], counting: Sequence[Mark], points: Points | None) -> BlockScore:
    extensions = [one for one in inside if one.extension and not one.precondition]
    beside = mean(_weighed(extensions))
    core = [one.low for one in counting if one.core]
    return BlockScore(
        id=block.id,
        title=block.title,
        points=points.rounded() if points else None,
        extension_points=beside.rounded() if beside else None,
        applicable=len(counting),
        known=sum(one.state != "?" for one in counting),
        floor=min(core, default=None),
    )


def _workflows(inside: Sequence[Mark], rolls: Mapping[str, Workflow]) -> tuple[WorkflowScore, ...]:
    grouped: dict[str, list[Mark]] = {}
    for one in inside:
        grouped.setdefault(workflows.workflow_of(one.id), []).append(one)
    return tuple(_workflow(id_, members, rolls.get(id_)) for id_, members in grouped.items())


def _workflow(id_: str, members: Sequence[Mark], roll: Workflow | None) -> WorkflowScore:
    levels = {one.id: one.level for one in members if one.level}
    level = workflows.roll_up(roll, levels) if roll is not None else workflows.least_of_all(levels)
    return WorkflowScore(
        id=id_,
        title=roll.title if roll is not None else id_,
        level=level,
        state=state_of(level, refuted=level.high == 0) if level else "n/a",
        criteria=tuple(one.id for one in members),
    )


def _weighed(marks: Iterable[Mark]) -> list[tuple[int, Interval]]:
    return [(one.weight, one.level) for one in marks if one.level]


def _mean_of_points(shares: Iterable[tuple[int, Points]]) -> Points | None:
    held = list(shares)
    weight = sum(share for share, _ in held)
    if not weight:
        return None
    low = _shared([(share, points.low) for share, points in held], weight)
    high = _shared([(share, points.high) for share, points in held], weight)
    return Points(low, high)


def _shared(shares: Iterable[tuple[int, Fraction]], weight: int) -> Fraction:
    """The sum of the shares over their weight, reduced once: fractions added one by one are reduced each time."""
    above, below = 0, 1
    for share, one in shares:
        above = above * one.denominator + share * one.numerator * below
        below *= one.denominator
    return Fraction(above, below * weight)
