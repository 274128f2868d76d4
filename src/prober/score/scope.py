"""What goes into a score: the runs, which of them decide, and what one finding says."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise
from typing import Protocol, get_args, runtime_checkable

from pydantic import TypeAdapter, ValidationError

from prober.nouns.attestation import Attestation
from prober.nouns.evidence import Exchange
from prober.nouns.finding import REASONS, Cell, CellResult, Finding, Outcome, Reason
from prober.nouns.history import HistoryLine
from prober.nouns.polls import PollDay
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import Run
from prober.score.kept import kept

ENVIRONMENTS = ("undeclared", "sandbox", "reference")
CELL_MEMBERS = len(Cell.model_fields)
RESULTS = frozenset(get_args(CellResult))
KNOWN_REASONS = frozenset(REASONS)
MOST_NUMBERED = 4_000
_numbers: dict[tuple[object, ...], int] = {}
_free = count()
"""Never begun anew: a number that was given keeps its meaning, also where it is no longer given to others."""
_CELLS: TypeAdapter[tuple[Cell, ...]] = TypeAdapter(tuple[Cell, ...])


@runtime_checkable
class TellsTimes(Protocol):
    """Exchanges that know when each of them began without being read."""

    @property
    def started(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class ScoredRun:
    """What one run contributes: facts, findings in any order, exchanges by id, what people attested, earlier nights
    and the polls of earlier runs."""

    run: Run
    facts: ProviderFacts
    findings: tuple[Finding, ...]
    exchanges: Mapping[str, Exchange]
    attestations: tuple[Attestation, ...] = ()
    history: tuple[HistoryLine, ...] = ()
    polls: tuple[PollDay, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether nothing but its own findings speaks in it: no documents, no earlier runs."""
        return not (self.attestations or self.history or self.polls)

    @cached_property
    def by_probe(self) -> dict[str, Finding]:
        """The findings by probe id. ValueError if one is about another subject, or two of one probe differ."""
        found: dict[str, Finding] = {}
        for finding in self.findings:
            probe = finding.source.probe
            if finding.subject != self.run.subject:
                raise ValueError(
                    f"The run {self.run.id} looked at {self.run.subject}, "
                    f"but its finding of {probe} is about {finding.subject}."
                )
            held = found.setdefault(probe, finding)
            if held is not finding and held != finding:
                raise ValueError(f"The run {self.run.id} holds two different findings of {probe}.")
        return found

    def seen_on(self, finding: Finding) -> str:
        """The instant at which the oldest exchange began that this finding rests on; the run's start if it has none."""
        if isinstance(self.exchanges, TellsTimes):
            known = self.exchanges.started
            times = [known[id_] for id_ in finding.evidence if id_ in known]
        else:
            asked = (self.exchanges.get(id_) for id_ in finding.evidence)
            times = [one.started for one in asked if one is not None]
        return min((one for one in times if one), default=self.run.started)

    @cached_property
    def one_day(self) -> str | None:
        """The day of the run, if it began and ended on the same one, and so did all that it asked."""
        began, ended = self.run.started[:10], (self.run.ended or "")[:10]
        return began if began == ended else None

    def cells(self, probe: str, member: str = "cells") -> tuple[Cell, ...]:
        """The matrix cells of a finding; none where there is no finding."""
        finding = self.by_probe.get(probe)
        return matrices_of(finding).get(member, ()) if finding is not None else ()


def in_order(runs: Sequence[ScoredRun]) -> tuple[ScoredRun, ...]:
    """The runs by subject. ValueError if there are none, or two of one subject: earlier nights are history."""
    if not runs:
        raise ValueError("There is no run to score.")
    ordered = tuple(sorted(runs, key=lambda one: one.run.subject))
    for one, other in pairwise(ordered):
        if one.run.subject == other.run.subject:
            raise ValueError(f"Two runs look at {one.run.subject}: a score takes one run of each base.")
    return ordered


def that_decide(runs: Sequence[ScoredRun]) -> tuple[ScoredRun, ...]:
    """The runs on production where there are any, else all: what a sandbox shows is not said of production."""
    return tuple(one for one in runs if one.run.environment == "production") or tuple(runs)


def environment_of(deciding: Sequence[ScoredRun]) -> str:
    """The environment of the runs that decide; where they differ, the one of which the least is known."""
    seen = {one.run.environment for one in deciding}
    return next((name for name in ENVIRONMENTS if name in seen), "production")


def outcome_of(finding: Finding | None) -> tuple[Outcome, Reason | None]:
    """The outcome, with its reason where it is unknown. No finding, or a faulty probe, is never a no."""
    if finding is None:
        return "unknown", "not_recorded"
    if finding.verdict.reason == "bug":
        return "unknown", "bug"
    if finding.verdict.outcome == "unknown":
        return "unknown", finding.verdict.reason or "not_recorded"
    return finding.verdict.outcome, None


@kept
def matrices_of(finding: Finding) -> Mapping[str, tuple[Cell, ...]]:
    """The matrix cells that a finding holds, by the member of its values; a faulty probe's are not read."""
    if finding.verdict.reason == "bug":
        return {}
    read = {member: _cells(value) for member, value in finding.verdict.values.items()}
    return {member: cells for member, cells in read.items() if cells}


def said_of(finding: Finding) -> tuple[object, ...]:
    """All of a finding that a rule looks at."""
    verdict = finding.verdict
    return (
        verdict.outcome,
        verdict.reason,
        verdict.message,
        finding.basis,
        finding.class_,
        *((member, _counts(cells)) for member, cells in sorted(matrices_of(finding).items())),
    )


@kept
def number_of(finding: Finding) -> int:
    """A number for all that a rule looks at: equal ones say the same, though the same may have several."""
    said = said_of(finding)
    number = _numbers.get(said)
    if number is None:
        if len(_numbers) >= MOST_NUMBERED:
            _numbers.clear()
        number = _numbers[said] = next(_free)
    return number


def _counts(cells: Sequence[Cell]) -> tuple[object, ...]:
    """What a rule takes from a matrix: how many of its cells are alike. It names no claim."""
    counts = Counter((cell.declared, cell.result, cell.reason) for cell in cells)
    return tuple(sorted(counts.items(), key=repr))


def _cells(cells: object) -> tuple[Cell, ...]:
    """The cells that this member of a finding's values is; none if it is something else."""
    if not isinstance(cells, list | tuple) or not all(isinstance(cell, dict | Cell) for cell in cells):
        return ()
    plain = tuple(_plain_cell(cell) for cell in cells)
    if None not in plain:
        return plain  # type: ignore[return-value]
    try:
        return _CELLS.validate_python(cells)
    except ValidationError:
        return ()


def _plain_cell(cell: object) -> Cell | None:
    """The cell as prober writes it, told by its members alone; None for anything else, which is looked at closely.

    A matrix holds a hundred of them, and a fleet thirty thousand matrices.
    """
    if not isinstance(cell, dict) or len(cell) != CELL_MEMBERS:
        return None
    claim, declared, result = cell.get("claim"), cell.get("declared"), cell.get("result")
    exchange, reason = cell.get("exchange", 0), cell.get("reason", 0)
    if type(claim) is not str or type(declared) is not bool or type(result) is not str or result not in RESULTS:
        return None
    if not (exchange is None or type(exchange) is str):
        return None
    if not (reason is None or (type(reason) is str and reason in KNOWN_REASONS)):
        return None
    return Cell.trusted(claim=claim, declared=declared, result=result, exchange=exchange, reason=reason)


def sentences(parts: Iterable[tuple[str, str]], *, several: bool) -> str:
    """(subject, sentence) pairs as one text without repeats; each names its subject when there are several."""
    texts = (f"At {subject}: {text}" if several else text for subject, text in parts)
    return " ".join(dict.fromkeys(texts))
