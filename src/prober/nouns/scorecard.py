"""The scorecard: what findings are worth under a model. Integers and text only; no clock ran while it was made."""

from typing import Literal

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.finding import Outcome, Reason
from prober.nouns.sheet import Effort, WhoActs

Truth = Literal["true", "false", "unknown", "not_applicable"]


class Interval(Noun):
    """At least, at most."""

    low: int
    high: int


class Counts(Noun):
    """How many things were asked, and what became of them. The parts sum to `asked`."""

    asked: int = 0
    shown: int = 0
    refuted: int = 0
    untested: int = 0
    not_applicable: int = Field(default=0, description="Not part of asked: the precondition was not declared.")
    not_permitted: int = Field(default=0, description="Not part of asked: this run had no permit to find out.")
    outside_sample: int = Field(default=0, description="Not part of asked: declared claims that the sample left out.")


class FamilyScore(Noun):
    """One family of the capability profile."""

    id: str
    title: str
    counts: Counts
    probes: tuple[str, ...]


class Gap(Noun):
    """Declared against shown, over atomic claims."""

    declared: int
    tested: int
    refuted: int
    untested: int
    undeclared_works: int
    refuted_claims: tuple[str, ...] = ()


class Fix(Noun):
    """One of the things to fix next: what was seen, who acts, what to do, and the proof."""

    probe: str
    what: str
    fix: str
    effort: Effort
    who_acts: WhoActs
    evidence: tuple[str, ...]
    curl: str | None = None


class ProfileScore(Noun):
    """The capability profile of one provider. `unknown_reasons` covers what is untested and what is not permitted."""

    model: str
    version: str
    headline: str
    counts: Counts
    families: tuple[FamilyScore, ...]
    gap: Gap
    unknown_reasons: dict[Reason, int]
    fixes: tuple[Fix, ...]


class RequirementScore(Noun):
    """One requirement: its truth and the findings that decided it."""

    id: str
    text: str
    how: Literal["probed", "attested", "gap"]
    truth: Truth
    why: str
    findings: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


class CriterionScore(Noun):
    """One criterion: its level as an interval, and every requirement behind it."""

    id: str
    title: str
    block: str
    weight: int
    core: bool
    extension: bool
    precondition: bool
    applies: bool
    not_applicable_because: str | None = None
    level: Interval | None = Field(description="None where the criterion does not apply.")
    state: str = Field(description="For example 'L2', 'L2+?', '?' or 'n/a'.")
    requirements: tuple[RequirementScore, ...]
    next_step: str | None = None


class WorkflowScore(Noun):
    """One workflow: the level that its criteria reach together, by the roll-up of its own."""

    id: str = Field(description="The ids of its criteria without their last part, for example S8.WF.VC.")
    title: str
    level: Interval | None = Field(description="None where the workflow does not apply.")
    state: str
    criteria: tuple[str, ...]


class BlockScore(Noun):
    """One block: 25 times the weighted mean of its levels, rounded once (half to even).

    Extensions and preconditions are outside everything but `extension_points`.
    """

    id: str
    title: str
    points: Interval | None = Field(description="None where nothing that counts applies.")
    extension_points: Interval | None = Field(default=None, description="The same mean over the extensions alone.")
    applicable: int = Field(description="Criteria that count for the points.")
    known: int = Field(description="Those of them whose state is not '?'.")
    floor: int | None = Field(
        description="The highest level that all core criteria of the block surely reach; None without core criteria."
    )


class GateScore(Noun):
    """A gate in this run: tested clean, would apply on production, seen once (suspected), or untested."""

    id: str
    title: str
    state: Literal["clean", "suspected", "would_apply", "untested", "not_applicable"]
    why: str
    findings: tuple[str, ...] = ()


class MaturityScore(Noun):
    """The rule book's view of one provider. `label` is None until the whole model of labels is there."""

    model: str
    version: str
    disclaimer: str
    label: str | None = None
    points: Interval | None
    coverage: dict[str, int] = Field(description="Percent of applicable weight by kind of knowledge; sums to 100.")
    blocks: tuple[BlockScore, ...]
    workflows: tuple[WorkflowScore, ...] = ()
    criteria: tuple[CriterionScore, ...]
    gates: tuple[GateScore, ...]


class FindingLine(Noun):
    """The finding as the scorecard lists it."""

    probe: str
    subject: str
    outcome: Outcome
    reason: Reason | None
    message: str


class Scorecard(Noun):
    """scorecard.json."""

    schema_: Literal["prober/scorecard/1"] = Field(default="prober/scorecard/1", alias="schema")
    subjects: tuple[str, ...]
    runs: tuple[str, ...]
    as_of: str
    environment: str = Field(description="Of the runs that decide: the production ones where there are any.")
    models: dict[str, str] = Field(description="Digest of each model, by id.")
    profile: ProfileScore | None
    maturity: MaturityScore | None
    findings: tuple[FindingLine, ...]
