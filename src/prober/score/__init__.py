"""What findings are worth under a model: a pure function of runs, models and sheets, in integers and fractions."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from prober.nouns.model import CapabilityProfile, MaturityModel, Model
from prober.nouns.scorecard import FindingLine, MaturityScore, Scorecard
from prober.nouns.sheet import Sheet
from prober.score.blocks import add_up, coverage
from prober.score.gates import look_at
from prober.score.levels import judge
from prober.score.profile import profile
from prober.score.scope import ScoredRun, environment_of, in_order, that_decide

__all__ = ["ScoredRun", "score"]

M = TypeVar("M", MaturityModel, CapabilityProfile)


def score(runs: Sequence[ScoredRun], models: Sequence[Model], sheets: Mapping[str, Sheet], *, as_of: str) -> Scorecard:
    """The scorecard of one provider: one run for each of its bases, at most one model of each kind.

    `sheets` is by probe id; `as_of` is the UTC instant, as text, at which the evidence is looked at. Where there are
    production runs only these decide levels, points and counts; gates count on any run. The same inputs in any order
    give equal bytes. ValueError, in a sentence for the reader, if there is no run, two runs look at one subject, a
    finding is about another subject, a probe has two findings in one run, two models are of one kind, or a criterion
    lies in a block that its model does not list.
    """
    ordered = in_order(runs)
    deciding = that_decide(ordered)
    maturity = _only([one for one in models if isinstance(one, MaturityModel)])
    capability = _only([one for one in models if isinstance(one, CapabilityProfile)])
    return Scorecard(
        subjects=tuple(one.run.subject for one in ordered),
        runs=tuple(one.run.id for one in ordered),
        as_of=as_of,
        environment=environment_of(deciding),
        models={one.id: one.fingerprint() for one in models},
        profile=profile(capability, deciding, sheets, maturity) if capability else None,
        maturity=_maturity(maturity, ordered, deciding) if maturity else None,
        findings=_lines(ordered),
    )


def _only(models: Sequence[M]) -> M | None:
    if len(models) > 1:
        names = ", ".join(sorted(one.id for one in models))
        raise ValueError(f"A score takes one model of a kind, and these are of the same kind: {names}.")
    return models[0] if models else None


def _maturity(model: MaturityModel, runs: Sequence[ScoredRun], deciding: Sequence[ScoredRun]) -> MaturityScore:
    listed = {block.id for block in model.blocks}
    for criterion in model.criteria:
        if criterion.block not in listed:
            raise ValueError(f"{criterion.id} lies in the block {criterion.block}, which {model.id} does not list.")
    judged = tuple(judge(criterion, deciding) for criterion in model.criteria)
    totals = add_up(model.blocks, judged)
    return MaturityScore(
        model=model.id,
        version=model.version,
        disclaimer=model.disclaimer,
        points=totals.points,
        coverage=coverage(judged),
        blocks=totals.blocks,
        workflows=totals.workflows,
        criteria=tuple(one.score for one in judged),
        gates=tuple(look_at(gate, runs) for gate in model.gates),
    )


def _lines(runs: Sequence[ScoredRun]) -> tuple[FindingLine, ...]:
    found = [finding for run in runs for finding in run.by_probe.values()]
    found.sort(key=lambda finding: (finding.source.probe, finding.subject))
    return tuple(
        FindingLine(
            probe=finding.source.probe,
            subject=finding.subject,
            outcome=finding.verdict.outcome,
            reason=finding.verdict.reason,
            message=finding.verdict.message,
        )
        for finding in found
    )
