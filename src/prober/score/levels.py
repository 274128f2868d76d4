"""From truths to levels: which criteria apply, what each requirement came to, and how far up the ladder that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prober.nouns.model import Criterion, Requirement
from prober.nouns.provider import ProviderFacts
from prober.nouns.scorecard import CriterionScore, Interval, RequirementScore, Truth
from prober.score.rules import Leaf, Said, all_of, any_of, decide
from prober.score.scope import ScoredRun, sentences

Knowledge = Literal["probed", "attested", "declared_only", "unknown"]


@dataclass(frozen=True)
class Judged:
    """A criterion with its score, and how each requirement that was left in it is known."""

    criterion: Criterion
    score: CriterionScore
    knowledge: tuple[Knowledge, ...] = ()


def judge(criterion: Criterion, runs: Sequence[ScoredRun]) -> Judged:
    """The score of one criterion over the runs that decide."""
    because = not_applicable_because(criterion, runs)
    if because is not None:
        return Judged(criterion, _scored(criterion, because, None, "n/a", (), None))
    answers: dict[int, tuple[tuple[Requirement, Answer], ...]] = {
        level: tuple((asked, over_runs(asked, level, runs)) for asked in criterion.levels[level])
        for level in sorted(criterion.levels)
    }
    truths = {level: [said.truth for _, said in answers[level]] for level in answers}
    height = ladder(truths)
    state = state_of(height, refuted="false" in truths[1])
    several = len(runs) > 1
    lines = tuple(_line(asked, said, several) for level in answers for asked, said in answers[level])
    known = tuple(
        knowledge_of(said) for level in answers for _, said in answers[level] if said.truth != "not_applicable"
    )
    return Judged(criterion, _scored(criterion, None, height, state, lines, next_step(height.low, answers)), known)


@dataclass(frozen=True)
class Answer:
    """What the runs said together about a requirement; `leaves` keeps the subject beside each leaf."""

    truth: Truth
    leaves: tuple[tuple[str, Leaf], ...]


def over_runs(asked: Requirement, level: int, runs: Sequence[ScoredRun]) -> Answer:
    """True if true on every base, false if false on one, else unknown; with `across: any` the other way round."""
    here = [(one.run.subject, in_one_run(asked, level, one)) for one in runs]
    truth = (any_of if asked.across == "any" else all_of)(said.truth for _, said in here)
    return Answer(
        truth, tuple((subject, leaf) for subject, said in here if said.truth == truth for leaf in said.leaves)
    )


def in_one_run(asked: Requirement, level: int, run: ScoredRun) -> Said:
    """What one run says about a requirement of this level."""
    if asked.met_by is None:
        return Said("unknown", (Leaf(why=_missing(asked)),))
    said = decide(asked.met_by, run.by_probe, level if asked.ceiling is None else 0)
    if said.truth == "not_applicable" and not asked.conditional:
        return Said("unknown", said.leaves)
    if said.truth == "true" and asked.ceiling is not None and asked.ceiling < level:
        return Said("unknown", (Leaf(why=f"Such evidence supports level {asked.ceiling} at most."), *said.leaves))
    return said


def ladder(truths: Mapping[int, Sequence[Truth]]) -> Interval:
    """The level that is surely reached, and the level that is reached if every unknown is true.

    A level left with no requirement is not reached, nor is any above it.
    """
    return Interval(low=_climb(truths, {"true"}), high=_climb(truths, {"true", "unknown"}))


def state_of(height: Interval, *, refuted: bool) -> str:
    """`L2`, `L2+?`, or `?`. It is `L0` only if a requirement of the first level is false, never for want of knowing."""
    if height.low == 0:
        return "L0" if refuted else "?"
    return f"L{height.low}+?" if height.high > height.low else f"L{height.low}"


def not_applicable_because(criterion: Criterion, runs: Sequence[ScoredRun]) -> str | None:
    """Why the criterion does not apply, from the provider's facts alone; None if it applies.

    It applies unless, for every run, one of the facts that it names is given with another value.
    """
    reasons = [_ruled_out(criterion, one.facts) for one in runs]
    given = [one for one in reasons if one is not None]
    return given[0] if len(given) == len(reasons) else None


def next_step(low: int, answers: Mapping[int, Sequence[tuple[Requirement, Answer]]]) -> str | None:
    """What the next level lacks first: a refuted requirement before an unknown one."""
    wanting = [(asked, said) for asked, said in answers.get(low + 1, ()) if said.truth in ("false", "unknown")]
    if not wanting:
        return None
    asked, _ = min(wanting, key=lambda pair: pair[1].truth != "false")
    return f"To reach L{low + 1}: {asked.text.rstrip('.')}."


def knowledge_of(said: Answer) -> Knowledge:
    """How a requirement is known: by document, by asking, by a declaration only, or not at all."""
    if said.truth not in ("true", "false"):
        return "unknown"
    bases = {leaf.basis for _, leaf in said.leaves}
    if "attested" in bases:
        return "attested"
    return "probed" if "demonstrated" in bases else "declared_only"


def _climb(truths: Mapping[int, Sequence[Truth]], allowed: set[Truth]) -> int:
    height = 0
    for level in sorted(truths):
        left = [one for one in truths[level] if one != "not_applicable"]
        if not left or not allowed.issuperset(left):
            break
        height = level
    return height


def _line(asked: Requirement, said: Answer, several: bool) -> RequirementScore:
    return RequirementScore(
        id=asked.id,
        text=asked.text,
        how=asked.how,
        truth=said.truth,
        why=sentences(((subject, leaf.why) for subject, leaf in said.leaves), several=several),
        findings=tuple(sorted({leaf.probe for _, leaf in said.leaves if leaf.probe})),
        reasons=tuple(sorted({reason for _, leaf in said.leaves for reason in leaf.reasons})),
    )


def _missing(asked: Requirement) -> str:
    what = (asked.missing or "").rstrip(".")
    if asked.how == "attested":
        return f"No document was given: {what}."
    return f"Missing: {what} ({asked.waits_for})." if asked.waits_for else f"Missing: {what}."


def _scored(
    criterion: Criterion,
    because: str | None,
    height: Interval | None,
    state: str,
    lines: tuple[RequirementScore, ...],
    step: str | None,
) -> CriterionScore:
    return CriterionScore(
        id=criterion.id,
        title=criterion.title,
        block=criterion.block,
        weight=criterion.weight,
        core=criterion.core,
        extension=criterion.extension,
        precondition=criterion.precondition,
        applies=because is None,
        not_applicable_because=because,
        level=height,
        state=state,
        requirements=lines,
        next_step=step,
    )


def _ruled_out(criterion: Criterion, facts: ProviderFacts) -> str | None:
    wanting = [fact for fact in sorted(criterion.applies_if) if not _fits(criterion, fact, facts)]
    wanting += [fact for fact, least in sorted(criterion.applies_from.items()) if _below(least, fact, facts)]
    if not wanting:
        return None
    given = ", ".join(_word(one) for one in _given(facts, wanting[0]))
    return f"The provider file gives {wanting[0]} as {given}; the criterion applies: {criterion.applies.rstrip('.')}."


def _fits(criterion: Criterion, fact: str, facts: ProviderFacts) -> bool:
    given = _given(facts, fact)
    presumed = facts.country is not None and facts.country in criterion.presumed.get(fact, ())
    return presumed or not given or any(one in criterion.applies_if[fact] for one in given)


def _below(least: int, fact: str, facts: ProviderFacts) -> bool:
    return any(isinstance(one, int) and one < least for one in _given(facts, fact))


def _given(facts: ProviderFacts, fact: str) -> tuple[str | bool | int, ...]:
    value = getattr(facts, fact, None)
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _word(value: str | bool | int) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
