"""The gates: what caps the headline label of a maturity model, and whether this run saw it."""

from collections.abc import Sequence
from typing import Literal

from prober.nouns.model import Gate
from prober.nouns.scorecard import GateScore
from prober.score.rules import Leaf, Said, decide
from prober.score.scope import ScoredRun, sentences

State = Literal["clean", "suspected", "would_apply", "untested", "not_applicable"]


def look_at(gate: Gate, runs: Sequence[ScoredRun]) -> GateScore:
    """The gate over all runs: one that fires is enough, and one that is unknown leaves it untested.

    It is suspected where the base is production, and would apply on production elsewhere. Confirmation needs history.
    """
    if gate.met_by is None:
        missing = (gate.missing or "no probe yet").rstrip(".")
        return GateScore(id=gate.id, title=gate.title, state="untested", why=f"Missing: {missing}.")
    said = [(one, decide(gate.met_by, one.by_probe)) for one in runs]
    production = [pair for pair in said if pair[0].run.environment == "production"]
    truths = {one.truth for _, one in said}
    if any(one.truth == "true" for _, one in production):
        return _line(gate, "suspected", _where(production, "true"), len(runs) > 1)
    if "true" in truths:
        return _line(gate, "would_apply", _where(said, "true"), len(runs) > 1)
    if "unknown" in truths:
        return _line(gate, "untested", _where(said, "unknown"), len(runs) > 1)
    if "false" in truths:
        return _line(gate, "clean", _where(said, "false"), len(runs) > 1)
    return _line(gate, "not_applicable", _where(said, "not_applicable"), len(runs) > 1)


def _where(said: Sequence[tuple[ScoredRun, Said]], truth: str) -> list[tuple[str, Leaf]]:
    return [(one.run.subject, leaf) for one, answer in said if answer.truth == truth for leaf in answer.leaves]


def _line(gate: Gate, state: State, leaves: Sequence[tuple[str, Leaf]], several: bool) -> GateScore:
    return GateScore(
        id=gate.id,
        title=gate.title,
        state=state,
        why=sentences(((subject, leaf.why) for subject, leaf in leaves), several=several),
        findings=tuple(sorted({leaf.probe for _, leaf in leaves if leaf.probe})),
    )
