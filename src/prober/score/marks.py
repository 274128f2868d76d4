"""The mark of a criterion: its score without the words."""

from typing import NamedTuple

from prober.nouns.finding import EvidenceClass
from prober.nouns.scorecard import Confidence, CriterionScore, Freshness, Interval, Knowledge


class Mark(NamedTuple):
    """All that blocks, workflows and labels may go by. `low` and `high` are 0 where the criterion does not apply.

    Servers that differ in a hundred words mostly have the same marks, so what these add up to is kept by them; nothing
    that is kept so can hang on more, since it is not told more. A tuple, which is quick to compare and to look up.
    """

    id: str
    block: str
    weight: int
    core: bool
    extension: bool
    precondition: bool
    applies: bool
    low: int
    high: int
    state: str
    knowledge: Knowledge
    evidence_class: EvidenceClass | None
    confidence: Confidence | None
    freshness: Freshness | None

    @property
    def counts(self) -> bool:
        """Whether it counts for points, floors, coverage and labels: it applies, no extension, no precondition."""
        return self.applies and not self.extension and not self.precondition

    @property
    def level(self) -> Interval | None:
        """The level; None where the criterion does not apply."""
        return Interval(low=self.low, high=self.high) if self.applies else None


def mark_of(score: CriterionScore) -> Mark:
    """The mark of this score."""
    return Mark(
        id=score.id,
        block=score.block,
        weight=score.weight,
        core=score.core,
        extension=score.extension,
        precondition=score.precondition,
        applies=score.applies,
        low=score.level.low if score.level is not None else 0,
        high=score.level.high if score.level is not None else 0,
        state=score.state,
        knowledge=score.knowledge,
        evidence_class=score.evidence_class,
        confidence=score.confidence,
        freshness=score.freshness,
    )
