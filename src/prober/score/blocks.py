"""From levels to points: blocks, workflows, the total and the coverage, in exact fractions rounded once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import get_args

from prober.nouns.model import Block, Workflow
from prober.nouns.scorecard import BlockScore, Interval, Knowledge, WorkflowScore
from prober.score import workflows
from prober.score.levels import MOST_KNOWN, Judged, state_of

KINDS: tuple[Knowledge, ...] = get_args(Knowledge)
PER_LEVEL = 25


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
    """What the levels add up to; `equal` is the total with every block weighing the same."""

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
    """What blocks of equal scores came to, kept for the next run: in a fleet most blocks are alike.

    A score is told by its identity, and kept beside the sum, so that no other one can take its place.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[object, Sum]] = {}
        self.held: dict[tuple[object, ...], tuple[object, object]] = {}
        """The same for conditions of labels."""

    def of(self, block: Block, inside: Sequence[Judged], rolls: Sequence[Workflow]) -> Sum:
        """The sum of one block."""
        scores = tuple(one.score for one in inside)
        key = (block.id, *map(id, scores))
        if key not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = (scores, _sum(block, inside, rolls))
        return self._known[key][1]


def add_up(blocks: Sequence[Block], judged: Sequence[Judged], rolls: Sequence[Workflow], sums: Sums) -> Totals:
    """Blocks and total. A block, or a workflow, in which nothing that counts applies hands its share to the others."""
    by_block: dict[str, list[Judged]] = {block.id: [] for block in blocks}
    for one in judged:
        by_block[one.criterion.block].append(one)
    found = [(block, sums.of(block, by_block[block.id], rolls)) for block in blocks]
    shares = [(block.weight, one.points) for block, one in found if one.points is not None]
    total = _mean_of_points(shares)
    equal = _mean_of_points([(1, points) for weight, points in shares if weight])
    return Totals(
        total.rounded() if total else None,
        equal.rounded() if equal else None,
        tuple(one.line for _, one in found),
        tuple(workflow for _, one in found for workflow in one.workflows),
        coverage(one for _, one in found),
    )


def _sum(block: Block, inside: Sequence[Judged], rolls: Sequence[Workflow]) -> Sum:
    counting = [one for one in inside if counts(one)]
    points = mean(_weighed(counting))
    rolled: tuple[WorkflowScore, ...] = ()
    if block.id == workflows.BLOCK:
        rolled = _workflows(inside, {one.id: one for one in rolls})
        weighty = {workflows.workflow_of(one.criterion.id) for one in counting if one.criterion.weight}
        points = mean((1, one.level) for one in rolled if one.level and one.id in weighty)
    return Sum(_block(block, inside, counting, points), points, rolled, known_in(inside))


def counts(judged: Judged) -> bool:
    """Whether a criterion counts for points, floors and coverage: it applies, and is no extension or precondition."""
    return judged.score.applies and not judged.criterion.extension and not judged.criterion.precondition


def mean(weighed: Iterable[tuple[int, Interval]]) -> Points | None:
    """25 times the weighted mean of levels; None where the weights sum to nothing."""
    held = list(weighed)
    weight = sum(share for share, _ in held)
    if not weight:
        return None
    low = sum(share * level.low for share, level in held)
    high = sum(share * level.high for share, level in held)
    return Points(Fraction(PER_LEVEL * low, weight), Fraction(PER_LEVEL * high, weight))


def known_in(judged: Iterable[Judged]) -> dict[Knowledge, int]:
    """The weight that counts, by how each criterion's level is known."""
    weights: dict[Knowledge, int] = dict.fromkeys(KINDS, 0)
    for one in judged:
        if counts(one):
            weights[one.score.knowledge] += one.criterion.weight
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


def _block(block: Block, inside: Sequence[Judged], counting: Sequence[Judged], points: Points | None) -> BlockScore:
    extensions = [one for one in inside if one.criterion.extension and not one.criterion.precondition]
    beside = mean(_weighed(extensions))
    core = [one.score.level.low for one in counting if one.criterion.core and one.score.level]
    return BlockScore(
        id=block.id,
        title=block.title,
        points=points.rounded() if points else None,
        extension_points=beside.rounded() if beside else None,
        applicable=len(counting),
        known=sum(one.score.state != "?" for one in counting),
        floor=min(core, default=None),
    )


def _workflows(inside: Sequence[Judged], rolls: Mapping[str, Workflow]) -> tuple[WorkflowScore, ...]:
    grouped: dict[str, list[Judged]] = {}
    for one in inside:
        grouped.setdefault(workflows.workflow_of(one.criterion.id), []).append(one)
    return tuple(_workflow(id_, members, rolls.get(id_)) for id_, members in grouped.items())


def _workflow(id_: str, members: Sequence[Judged], roll: Workflow | None) -> WorkflowScore:
    levels = {one.score.id: one.score.level for one in members if one.score.level}
    level = workflows.roll_up(roll, levels) if roll is not None else workflows.least_of_all(levels)
    return WorkflowScore(
        id=id_,
        title=roll.title if roll is not None else id_,
        level=level,
        state=state_of(level, refuted=level.high == 0) if level else "n/a",
        criteria=tuple(one.score.id for one in members),
    )


def _weighed(judged: Iterable[Judged]) -> list[tuple[int, Interval]]:
    return [(one.criterion.weight, one.score.level) for one in judged if one.score.level]


def _mean_of_points(shares: Iterable[tuple[int, Points]]) -> Points | None:
    held = list(shares)
    weight = sum(share for share, _ in held)
    if not weight:
        return None
    return Points(
        Fraction(sum(share * points.low for share, points in held), weight),
        Fraction(sum(share * points.high for share, points in held), weight),
    )
