"""How a level is known: by what kind of evidence, how old it is, and how much one would bet on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prober.nouns.finding import EvidenceClass
from prober.nouns.scorecard import Confidence, Freshness, Knowledge
from prober.score.look import Look
from prober.score.rules import Leaf

if TYPE_CHECKING:
    from prober.score.levels import Answer, Asked

CLASSES: tuple[EvidenceClass, ...] = ("E0", "E1", "E2", "E3", "E4")
STEPS: tuple[Confidence, ...] = ("low", "medium", "high")
BEGINS: dict[EvidenceClass, int] = {"E0": 0, "E1": 0, "E2": 1, "E3": 2, "E4": 2}
"""Where the confidence begins, by the class that a level rests on."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands behind the level of one criterion; `last_day` is the last on which all of it counts."""

    knowledge: Knowledge
    evidence_class: EvidenceClass | None = None
    confidence: Confidence | None = None
    because: tuple[str, ...] = ()
    freshness: Freshness | None = None
    last_day: str | None = None
    conflict: bool = False


NOTHING_KNOWN = Standing("unknown")


def standing_of(
    low: int, state: str, answers: "Sequence[tuple[Asked, Answer]]", looks: Sequence[Look], *, conflict: bool
) -> Standing:
    """The standing of a criterion at its level: of `L0` that of what refuted it, of `?` nothing.

    What a level is known by is what its own requirements rest on; how old it is, the requirements of all levels below
    as well, since the level falls with any of them.
    """
    if state == "?":
        return Standing("unknown", conflict=conflict)
    truth, at = ("true", low) if low else ("false", 1)
    here = [_leaves(said) for asked, said in answers if asked.level == at and said.truth == truth]
    below = [_leaves(said) for asked, said in answers if asked.level <= at and said.truth == truth]
    best = [max((leaf.class_ for leaf in leaves if leaf.class_), key=CLASSES.index, default=None) for leaves in here]
    known = [one for one in best if one is not None]
    class_ = min(known, key=CLASSES.index, default=None)
    ages = [max((leaf.age for leaf in leaves if leaf.age), key=_order, default=None) for leaves in below]
    dated = [one for one in ages if one is not None]
    stale = any(one.state == "stale" for one in dated)
    last = min((one.last_day.isoformat() for one in dated), default=None)
    confidence, because = (
        _confidence(class_, here, looks, stale, any(one.long_stale for one in dated), conflict)
        if class_ is not None
        else (None, ())
    )
    return Standing(
        knowledge=_knowledge(low, here),
        evidence_class=class_,
        confidence=confidence,
        because=because,
        freshness=("stale" if stale else "fresh") if dated else None,
        last_day=last,
        conflict=conflict,
    )


def _knowledge(low: int, here: Sequence[tuple[Leaf, ...]]) -> Knowledge:
    """A declaration is what a level 1 may rest on, and a bare word, yes or no, what the first level may; neither is
    counted as known, and what is known beside it is so by what remains."""
    if low <= 1:
        here = [tuple(leaf for leaf in group if leaf.basis != "declared" and leaf.class_ != "E0") for group in here]
    remaining = [group for group in here if group]
    if low <= 1 and not remaining:
        return "declared_only"
    only_documents = [all(leaf.basis == "attested" for leaf in group) for group in remaining]
    return "attested" if any(only_documents) else "probed"


def _confidence(
    class_: EvidenceClass,
    here: Sequence[tuple[Leaf, ...]],
    looks: Sequence[Look],
    stale: bool,
    long_stale: bool,
    conflict: bool,
) -> tuple[Confidence, tuple[str, ...]]:
    leaves = [leaf for group in here for leaf in group]
    seen = [leaf for leaf in leaves if leaf.probe is not None]
    down = list(dict.fromkeys(why for leaf in leaves for why in leaf.weakened))
    looked = seen or any(leaf.class_ == "E4" for leaf in leaves)
    if looked and all(look.run.run.environment in ("sandbox", "reference") for look in looks):
        down.append("Only a sandbox or reference server was asked.")
    if seen and any(_one_night(leaf.probe, looks) for leaf in seen):
        down.append("It was seen in a single night.")
    if stale:
        down.append("Some of the evidence is stale.")
    if long_stale:
        down.append("It has been stale for long.")
    if conflict:
        down.append("Evidence contradicts it.")
    up = any(len({leaf.class_ for leaf in group if leaf.class_}) > 1 for group in here)
    begins = f"It rests on evidence of class {class_}, which begins at {STEPS[BEGINS[class_]]}."
    raised = ("Two independent classes of evidence agree.",) if up else ()
    step = max(0, min(2, BEGINS[class_] - len(down) + up))
    return STEPS[step], (begins, *down, *raised)


def _one_night(probe: str | None, looks: Sequence[Look]) -> bool:
    """True if on some base no earlier night saw what this one saw."""
    return any(
        not any(
            line.outcome == look.outcome(probe or "")[0] and line.time[:10] != look.run.run.started[:10]
            for line in look.nights.get(probe or "", ())
        )
        for look in looks
    )


def _leaves(said: "Answer") -> tuple[Leaf, ...]:
    return tuple(leaf for _, leaf in said.leaves)


def _order(age: object) -> tuple[str]:
    return (age.last_day.isoformat(),)  # type: ignore[attr-defined]
