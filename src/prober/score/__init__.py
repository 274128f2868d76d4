"""What findings and documents are worth under a model: a pure function, in integers and fractions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from operator import attrgetter
from typing import TypeVar

from prober.nouns.finding import Finding
from prober.nouns.model import CapabilityProfile, MaturityModel, Model
from prober.nouns.scorecard import CriterionScore, FindingLine, Gap, MaturityScore, Scorecard, SwapLine
from prober.nouns.sheet import Sheet
from prober.score.advice import advise
from prober.score.blocks import Sums, Totals
from prober.score.documents import lines as lines_of_documents
from prober.score.gates import look_at
from prober.score.kept import kept
from prober.score.labels import Facts, Labels
from prober.score.levels import Judged, Ladders, judge, judge_all
from prober.score.look import Look
from prober.score.profile import gap, profile
from prober.score.scope import ScoredRun, environment_of, in_order, that_decide

__all__ = ["ScoredRun", "advised", "score"]

M = TypeVar("M", MaturityModel, CapabilityProfile)
MOST_READ = 16
_read: dict[tuple[int, str | None], "Workings"] = {}
_digests: dict[int, tuple[Model, str]] = {}


def score(runs: Sequence[ScoredRun], models: Sequence[Model], sheets: Mapping[str, Sheet], *, as_of: str) -> Scorecard:
    """The scorecard of one provider: one run for each of its bases, at most one model of each kind.

    `sheets` is by probe id; `as_of` is the UTC instant, as text, at which the evidence is looked at. Where there are
    production runs only these decide levels, points and counts; gates count on any run. The same inputs in any order
    give equal bytes. ValueError, in a sentence for the reader, if there is no run, two runs look at one subject, a
    finding is about another subject, a probe has two findings in one run, two models are of one kind, or a criterion
    lies in a block that its model does not list.
    """
    ordered = in_order(runs)
    late = next((one for one in ordered if one.run.started[:10] > as_of[:10]), None)
    if late is not None:
        raise ValueError(
            f"The run {late.run.id} began on {late.run.started[:10]}, after the day of the score, {as_of[:10]}."
        )
    deciding = that_decide(ordered)
    maturity = _only([one for one in models if isinstance(one, MaturityModel)])
    capability = _only([one for one in models if isinstance(one, CapabilityProfile)])
    declared = gap(deciding)
    turning = _workings_of(maturity, None).ladders.book.turning if maturity else {}
    return Scorecard.model_construct(
        subjects=tuple(one.run.subject for one in ordered),
        runs=tuple(one.run.id for one in ordered),
        as_of=as_of,
        environment=environment_of(deciding),
        models={one.id: _digest(one) for one in models},
        profile=profile(capability, deciding, sheets, declared, turning) if capability else None,
        maturity=_maturity(maturity, ordered, deciding, declared, date.fromisoformat(as_of[:10])) if maturity else None,
        findings=_lines(ordered),
    )


def advised(
    card: Scorecard, runs: Sequence[ScoredRun], models: Sequence[Model], sheets: Mapping[str, Sheet]
) -> Scorecard:
    """The scorecard with the steps to the next label, worked out of the same runs and models that it was scored from.

    It is apart from `score` because a fleet needs the scores of all and the advice of few.
    """
    model = _only([one for one in models if isinstance(one, MaturityModel)])
    if card.maturity is None or model is None:
        return card
    steps = advise(card.maturity, model, that_decide(in_order(runs)), sheets)
    return card.model_copy(update={"maturity": card.maturity.model_copy(update={"next": steps})})


@dataclass(frozen=True)
class Workings:
    """What is read of a rule book once and kept for many scores, in one country."""

    # The model is kept beside it, so that no other one gets its identity while this is here.
    model: MaturityModel
    ladders: Ladders
    sums: Sums
    labels: Labels


def _workings_of(model: MaturityModel, country: str | None) -> Workings:
    """The book as it reads in one country: a fleet is scored with the same few books."""
    key = (id(model), country)
    if key not in _read:
        if len(_read) >= MOST_READ:
            _read.clear()
        _read[key] = Workings(model, Ladders(model, country), Sums(model), Labels(model))
    return _read[key]


def _digest(model: Model) -> str:
    if id(model) not in _digests:
        if len(_digests) >= MOST_READ:
            _digests.clear()
        _digests[id(model)] = (model, model.fingerprint())
    return _digests[id(model)][1]


def _only(models: Sequence[M]) -> M | None:
    if len(models) > 1:
        names = ", ".join(sorted(one.id for one in models))
        raise ValueError(f"A score takes one model of a kind, and these are of the same kind: {names}.")
    return models[0] if models else None


def _maturity(
    model: MaturityModel, runs: Sequence[ScoredRun], deciding: Sequence[ScoredRun], declared: Gap, today: date
) -> MaturityScore:
    countries = {one.facts.country for one in deciding}
    workings = _workings_of(model, countries.pop() if len(countries) == 1 else None)
    ladders = workings.ladders
    looks = {one.run.subject: Look(one, ladders.book, today) for one in runs}
    here = [looks[one.run.subject] for one in deciding]
    judged = judge_all(model, here, ladders)
    totals = _add_up(judged, workings)
    gates = tuple(look_at(gate, list(looks.values()), ladders) for gate in model.gates)
    facts = Facts(totals, gates, declared, environment_of(deciding), today, _since(here))
    all_apply = None
    if any(one.criterion.core and not one.score.applies for one in judged):
        forced = tuple(
            judge(one.criterion, here, ladders, forced=True) if one.criterion.core else one for one in judged
        )
        all_apply = replace(facts, totals=_add_up(forced, workings))
    criteria = tuple(one.score for one in judged)
    return MaturityScore.trusted(
        model=model.id,
        version=model.version,
        disclaimer=model.disclaimer,
        label=workings.labels.label_of(facts, all_apply),
        points=totals.points,
        points_equal_blocks=totals.equal,
        coverage=totals.coverage,
        blocks=totals.blocks,
        workflows=totals.workflows,
        criteria=criteria,
        gates=gates,
        attestations=lines_of_documents(here, criteria, gates),
        swaps=_swaps(ladders, criteria),
        next=None,
    )


def _add_up(judged: Sequence[Judged], workings: Workings) -> Totals:
    return workings.sums.of(tuple(one.mark for one in judged))


def _since(looks: Sequence[Look]) -> date | None:
    """The day of the oldest run that every base's history reaches back to."""
    firsts = [
        min((line.time[:10] for held in look.nights.values() for line in held), default=look.run.run.started[:10])
        for look in looks
    ]
    return date.fromisoformat(max(firsts)) if firsts else None


def _swaps(ladders: Ladders, criteria: Sequence[CriterionScore]) -> tuple[SwapLine, ...]:
    """Which national norm was not asked for, and what was asked for instead, in the order of the book."""
    asking = tuple(one.id for one in criteria if one.applies and one.id in ladders.swapped)
    if asking not in ladders.swap_lines:
        found: dict[tuple[str, str], list[str]] = {}
        for id_ in asking:
            for asked in ladders.swapped[id_]:
                if asked.elsewhere is not None:
                    found.setdefault((asked.elsewhere.norm, asked.elsewhere.instead), []).append(asked.id)
        ladders.swap_lines[asking] = tuple(
            SwapLine(norm=norm, instead=instead, requirements=tuple(ids)) for (norm, instead), ids in found.items()
        )
    return ladders.swap_lines[asking]


def _lines(runs: Sequence[ScoredRun]) -> tuple[FindingLine, ...]:
    # The runs are in the order of their subjects, and sorting keeps the order of what is equal.
    found = chain.from_iterable(run.by_probe.values() for run in runs)
    return tuple(_line(finding) for finding in sorted(found, key=attrgetter("source.probe")))


@kept
def _line(finding: Finding) -> FindingLine:
    return FindingLine.trusted(
        probe=finding.source.probe,
        subject=finding.subject,
        outcome=finding.verdict.outcome,
        reason=finding.verdict.reason,
        message=finding.verdict.message,
    )
