"""The headline label: the highest one whose conditions, and those of every label below it, hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cached_property, lru_cache

from prober.nouns.model import Condition, Label, MaturityModel
from prober.nouns.scorecard import ConditionScore, Gap, GateScore, LabelScore, WorkflowScore
from prober.score.blocks import Totals
from prober.score.kept import kept
from prober.score.marks import Mark
from prober.score.standing import STEPS

TESTED_AT_LEAST = 50
SHARE_TESTED = Fraction(60, 100)
"""Under so many tested claims, or so small a share of the declared, the gap says nothing."""

SANDBOX = "Sandbox: "
UNREPAIRED = timedelta(days=90)
MOST_NAMED = 6


@dataclass(frozen=True)
class Facts:
    """What the conditions of labels are asked about."""

    totals: Totals
    gates: Sequence[GateScore]
    gap: Gap
    environment: str
    today: date
    history_since: date | None
    """The day of the oldest run that the score relies on."""


@dataclass(frozen=True)
class Asked:
    """The marks that most conditions ask about. `there` holds those of criteria that apply, extensions included."""

    there: Mapping[str, Mark]
    workflows: Sequence[WorkflowScore]

    @cached_property
    def counting(self) -> list[Mark]:
        """Those that count for labels."""
        return [one for one in self.there.values() if one.counts]

    @cached_property
    def known_weight(self) -> tuple[int, int, tuple[str, ...]]:
        """The weight that is known, all weight that counts, and the criteria that are not known."""
        lacking = [one for one in self.counting if one.knowledge not in ("probed", "attested")]
        total = sum(one.weight for one in self.counting)
        return total - sum(one.weight for one in lacking), total, tuple(one.id for one in lacking)

    @cached_property
    def core(self) -> list[Mark]:
        """Those that count and are core."""
        return [one for one in self.counting if one.core]


@dataclass(frozen=True)
class Held:
    """Whether a condition holds, whether it could, how things stand, and what it lacks."""

    holds: bool
    could_hold: bool
    now: str
    lacking: tuple[str, ...] = ()


class Labels:
    """The labels of one rule book. What they ask about marks alone is kept beside the totals of these marks."""

    def __init__(self, model: MaturityModel) -> None:
        self._model = model
        self._of_marks = kept(self._asked_of_marks)

    def label_of(self, facts: Facts, all_apply: Facts | None) -> LabelScore | None:
        """The label with everything that blocks the next one; None where the book has no labels.

        `all_apply` are the facts with the core criteria that do not apply taken to apply, where there are such.
        """
        model = self._model
        if not model.labels:
            return None
        answers = self._answers(facts)
        uncapped = _climbed(answers, facts, lambda one: one.holds)
        at_most = _climbed(answers, facts, lambda one: one.could_hold)
        cap, capping = _cap(model, facts.gates, suspected=True)
        index = min(uncapped, cap)
        label = model.labels[index]
        following = model.labels[index + 1] if index + 1 < len(model.labels) else None
        blocking: tuple[ConditionScore, ...] = ()
        if following is not None:
            blocking = tuple(one for one in answers[index + 1] if not one.holds)
            if facts.environment == "undeclared":
                blocking = (_undeclared(following), *blocking)
            blocking = (*blocking, *_gates_in_the_way(model, facts.gates, index + 1))
        confirmed, _ = _cap(model, facts.gates, suspected=False)
        return LabelScore.trusted(
            name=label.name,
            shown=_shown(label.name, facts.environment),
            meaning=label.meaning,
            at_most=model.labels[min(at_most, confirmed)].name,
            next=following.name if following is not None else None,
            blocking=blocking,
            conditions=tuple(one for here in answers for one in here),
            capped_by=capping if uncapped > cap else (),
            uncapped=_shown(model.labels[uncapped].name, facts.environment) if uncapped > cap else None,
            if_all_apply=self._with_all(all_apply, label.name) if all_apply is not None else None,
            withheld_because=_withheld(facts.gates, facts.today),
        )

    def _with_all(self, facts: Facts, name: str) -> str | None:
        climbed = _climbed(self._answers(facts), facts, lambda one: one.holds)
        other = self._model.labels[min(climbed, _cap(self._model, facts.gates, suspected=True)[0])].name
        return _shown(other, facts.environment) if other != name else None

    def _answers(self, facts: Facts) -> Sequence[Sequence[ConditionScore]]:
        """What became of the conditions of each label."""
        return [
            [
                known if known is not None else _condition(one, label, held(one, facts))
                for one, known in zip(label.conditions, here, strict=True)
            ]
            for label, here in zip(self._model.labels, self._of_marks(facts.totals), strict=True)
        ]

    def _asked_of_marks(self, totals: Totals) -> Sequence[Sequence[ConditionScore | None]]:
        """What became of the conditions that ask about nothing but marks; None for any other."""
        there = {one.id: one for one in totals.marks if one.applies}
        asked = Asked(there, totals.workflows)
        return [
            [
                _condition(one, label, said) if (said := held_by_marks(one, asked)) is not None else None
                for one in label.conditions
            ]
            for label in self._model.labels
        ]


def _climbed(answers: Sequence[Sequence[ConditionScore]], facts: Facts, holds: Callable[[ConditionScore], bool]) -> int:
    """The index of the highest label whose conditions, and those of all below it, hold; gates are not looked at."""
    if facts.environment == "undeclared":
        return 0
    failing = (at for at, here in enumerate(answers) if not all(map(holds, here)))
    return max(0, next(failing, len(answers)) - 1)


def held(condition: Condition, facts: Facts) -> Held:
    """A condition that asks about something else than marks. Unknown never holds it, and could always."""
    if condition.gates_tested is not None:
        wanted = [one for one in facts.gates if one.id in condition.gates_tested]
        untested = [one.id for one in wanted if one.state == "untested"]
        return _listed([], untested, f"{_of(untested)} could not be tested")
    if condition.no_gate_for_days is not None:
        return _no_gate(facts, condition.no_gate_for_days)
    return _gap(facts.gap, _fraction(condition.gap_at_most or "0"))


def held_by_marks(condition: Condition, asked: Asked) -> Held | None:
    """A condition that asks about marks alone; None if it is none. Unknown never holds it, and could always."""
    if condition.known is not None:
        return _known(_fraction(condition.known), asked)
    if condition.criteria is not None:
        form = condition.criteria
        there = [asked.there[one] for one in form.ids if one in asked.there]
        return _of_levels(there, form.level, form.at_least, fresh=form.fresh)
    if condition.core is not None:
        if condition.core.share is not None:
            return _core_share(asked, condition.core.level, _fraction(condition.core.share))
        return _of_levels(asked.core, condition.core.level, None, fresh=False)
    if condition.block is not None:
        own = [one for one in asked.core if one.block == condition.block.block]
        return _of_levels(own, condition.block.level, None, fresh=False)
    if condition.workflows is not None:
        return _workflows(asked, condition.workflows.level, condition.workflows.at_least)
    if condition.evidence is not None:
        return _evidence(asked, condition.evidence.classes, _fraction(condition.evidence.share))
    if condition.core_confidence is not None:
        least = STEPS.index(condition.core_confidence)
        # Other nights and better documents may always come: confidence is never settled.
        named = [one.id for one in asked.core if one.confidence is None or STEPS.index(one.confidence) < least]
        words = f"{_of(named)} {_verb(named, 'has', 'have')} less than {condition.core_confidence} confidence"
        return _listed([], named, words)
    if condition.core_fresh:
        stale = [one.id for one in asked.core if one.freshness == "stale"]
        return _listed([], stale, f"{_of(stale)} {_verb(stale, 'rests', 'rest')} on stale evidence")
    if condition.core_known:
        unknown = [one.id for one in asked.core if one.state == "?"]
        return _listed([], unknown, f"{_of(unknown)} {_verb(unknown, 'is', 'are')} unknown")
    return None


@lru_cache(maxsize=256)
def _fraction(text: str) -> Fraction:
    return Fraction(text)


def _condition(condition: Condition, label: Label, one: Held) -> ConditionScore:
    return ConditionScore.trusted(
        id=condition.id,
        label=label.name,
        text=condition.text,
        holds=one.holds,
        could_hold=one.could_hold,
        now=one.now,
        lacking=one.lacking,
    )


def _known(wanted: Fraction, asked: Asked) -> Held:
    known, total, lacking = asked.known_weight
    holds = total > 0 and known * wanted.denominator >= wanted.numerator * total
    return Held(holds, total > 0, f"{known} of {total} of the weight is known.", () if holds else lacking)


def _of_levels(there: Sequence[Mark], level: int, at_least: int | None, *, fresh: bool) -> Held:
    """All of these reach the level, or so many of them. Nothing there to ask holds by itself."""
    reached = possible = 0
    below: list[Mark] = []
    for one in there:
        possible += one.high >= level
        if one.low >= level and not (fresh and one.freshness != "fresh"):
            reached += 1
        else:
            below.append(one)
    needed = len(there) if at_least is None else min(at_least, len(there))
    words = ", ".join(f"{one.id} is at {one.state}" for one in below[:MOST_NAMED])
    more = f", and {len(below) - MOST_NAMED} more" if len(below) > MOST_NAMED else ""
    now = f"{words}{more}." if below else f"All {len(there)} are at level {level} or above."
    holds = reached >= needed
    return Held(holds, possible >= needed, now, () if holds else tuple(one.id for one in below))


def _core_share(asked: Asked, level: int, wanted: Fraction) -> Held:
    total = low = high = 0
    lacking: list[str] = []
    for one in asked.core:
        total += one.weight
        high += one.weight * (one.high >= level)
        if one.low >= level:
            low += one.weight
        else:
            lacking.append(one.id)
    holds = total > 0 and low * wanted.denominator >= wanted.numerator * total
    return Held(
        holds,
        total > 0 and high * wanted.denominator >= wanted.numerator * total,
        f"{low} of {total} of the core weight is at level {level} or above.",
        () if holds else tuple(lacking),
    )


def _workflows(asked: Asked, level: int, at_least: int | None) -> Held:
    applying = [(one, one.level) for one in asked.workflows if one.level is not None]
    needed = len(applying) if at_least is None else min(at_least, len(applying))
    low = [one for one, height in applying if height.low >= level]
    high = [one for one, height in applying if height.high >= level]
    below = [one for one, height in applying if height.low < level]
    now = f"{len(low)} of {len(applying)} workflows that apply are at level {level} or above."
    holds = len(low) >= needed
    return Held(holds, len(high) >= needed, now, () if holds else tuple(one.id for one in below))


def _evidence(asked: Asked, classes: Sequence[str], wanted: Fraction) -> Held:
    core = asked.core
    total = sum(one.weight for one in core)
    resting = sum(one.weight for one in core if one.evidence_class in classes)
    weak = tuple(one.id for one in core if one.evidence_class not in classes)
    holds = total > 0 and Fraction(resting, total) >= wanted
    now = f"{resting} of {total} of the core weight rests on evidence of class {' or '.join(classes)}."
    # A third party may still confirm what the provider stated, and prober may see it itself.
    return Held(holds, total > 0, now, () if holds else weak)


def _no_gate(facts: Facts, days: int) -> Held:
    since = facts.today - timedelta(days=days)
    firing = [one for one in facts.gates if one.state in ("suspected", "confirmed")]
    recent = [one for one in facts.gates if one.last_seen and date.fromisoformat(one.last_seen[:10]) >= since]
    seen = tuple(dict.fromkeys(one.id for one in (*firing, *recent)))
    if seen:
        return Held(False, False, f"{_of(seen)} fired within {days} days.", seen)
    if facts.history_since is None or facts.history_since > since:
        return Held(False, True, f"The runs at hand do not reach back {days} days.", ())
    return Held(True, True, f"No gate fired within {days} days.")


def _gap(gap: Gap, most: Fraction) -> Held:
    tested = f"{gap.refuted} of {gap.tested} tested claims were refuted, of {gap.declared} declared."
    if gap.tested < TESTED_AT_LEAST or Fraction(gap.tested, gap.declared) < SHARE_TESTED:
        least = gap.refuted <= most * gap.declared
        return Held(False, least, f"Too few claims were tested to tell: {tested}")
    holds = Fraction(gap.refuted, gap.tested) <= most
    return Held(holds, holds or gap.refuted <= most * gap.declared, tested)


def _listed(surely: Sequence[str], perhaps: Sequence[str], now: str) -> Held:
    lacking = (*surely, *perhaps)
    return Held(not lacking, not surely, f"{now}." if lacking else "None is in the way.", lacking)


def _of(ids: Sequence[str]) -> str:
    named = ", ".join(ids[:MOST_NAMED])
    return f"{named} and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else named


def _verb(ids: Sequence[str], one: str, several: str) -> str:
    return one if len(ids) == 1 else several


def _cap(model: MaturityModel, gates: Sequence[GateScore], *, suspected: bool) -> tuple[int, tuple[str, ...]]:
    """The highest label that the gates allow, and the gates that hold it there. A suspected gate blocks some labels."""
    index = {label.name: position for position, label in enumerate(model.labels)}
    highest = len(model.labels) - 1
    blocked = next((index[one.name] - 1 for one in model.labels if one.suspected_gate_blocks), highest)
    caps = [(index.get(one.cap, highest), one.id) for one in gates if one.state == "confirmed"]
    if suspected:
        # A suspicion never holds a label lower than its confirmation would.
        caps += [(max(blocked, index.get(one.cap, blocked)), one.id) for one in gates if one.state == "suspected"]
    lowest = min((position for position, _ in caps), default=highest)
    return lowest, tuple(id_ for position, id_ in caps if position == lowest and lowest < highest)


def _gates_in_the_way(model: MaturityModel, gates: Sequence[GateScore], index: int) -> tuple[ConditionScore, ...]:
    """The gates that would still cap at less than the label of this index, each as a condition that it lacks."""
    label = model.labels[index]
    names = [one.name for one in model.labels]
    found = []
    for one in gates:
        confirmed = one.state == "confirmed" and one.cap in names and names.index(one.cap) < index
        if confirmed or (one.state == "suspected" and label.suspected_gate_blocks):
            found.append(
                ConditionScore(
                    id="gate",
                    label=label.name,
                    text=f"The gate {one.id} does not fire: {one.title}.",
                    holds=False,
                    could_hold=one.state == "suspected",
                    now=f"It is {one.state}. {one.why}",
                    lacking=(one.id,),
                )
            )
    return tuple(found)


def _undeclared(label: Label) -> ConditionScore:
    return ConditionScore(
        id="environment",
        label=label.name,
        text="The provider file says which environment was asked: production, sandbox or reference.",
        holds=False,
        could_hold=False,
        now="The environment is undeclared.",
    )


def _shown(name: str, environment: str) -> str:
    return f"{SANDBOX}{name}" if environment in ("sandbox", "reference") else name


def _withheld(gates: Sequence[GateScore], today: date) -> str | None:
    """Public renderings say nothing while patient data may lie open: for 90 days, or until it is repaired."""
    open_ = [one for one in gates if one.private_alert and one.state in ("suspected", "confirmed")]
    recent = [
        one for one in open_ if one.last_seen is None or today - date.fromisoformat(one.last_seen[:10]) <= UNREPAIRED
    ]
    if not recent:
        return None
    return (
        f"{_of([one.id for one in recent])} may leave patient data open, so no public rendering shows the label until "
        "it is repaired. Tell the contact of the authorization at once, and nobody else."
    )
