"""The scorecard: what findings are worth under a model. Integers and text only; no clock ran while it was made."""

from typing import Literal

from pydantic import Field

from prober.nouns.attestation import DocumentClass, DocumentKind
from prober.nouns.base import Noun
from prober.nouns.finding import EvidenceClass, Outcome, Reason
from prober.nouns.sheet import Effort, WhoActs

Truth = Literal["true", "false", "unknown", "not_applicable"]
Knowledge = Literal["probed", "attested", "declared_only", "unknown"]
Confidence = Literal["low", "medium", "high"]
Freshness = Literal["fresh", "stale", "expired"]
GateState = Literal["clean", "suspected", "confirmed", "would_apply", "untested", "not_applicable"]


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
    attestations: tuple[str, ...] = Field(default=(), description="Ids of the attestations that decided it.")
    reasons: tuple[Reason, ...] = ()
    conflict: bool = Field(default=False, description="A document says otherwise than what was seen, or another one.")
    swapped: bool = Field(default=False, description="It reads as it does outside the country of its norm.")


class FacetScore(Noun):
    """One facet of a criterion, by the requirements that are its own and those that belong to no facet."""

    id: str
    title: str
    level: Interval
    state: str


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
    facets: tuple[FacetScore, ...] = ()
    next_step: str | None = None
    knowledge: Knowledge = Field(default="unknown", description="How the level that it has is known.")
    evidence_class: EvidenceClass | None = Field(
        default=None, description="The weakest of the classes that its level rests on; None where nothing is known."
    )
    confidence: Confidence | None = None
    confidence_because: tuple[str, ...] = Field(default=(), description="Every step up or down, in words.")
    freshness: Freshness | None = Field(default=None, description="Of the oldest evidence that its level rests on.")
    next_expiry: str | None = Field(default=None, description="The last day on which all of that evidence counts.")
    conflict: bool = False


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
    """A gate: tested clean, seen once (suspected), seen again (confirmed), or one that would apply on production.

    `cap` is the label that it allows at most while it is confirmed.
    """

    id: str
    title: str
    state: GateState
    why: str
    cap: str = ""
    private_alert: bool = False
    findings: tuple[str, ...] = ()
    attestations: tuple[str, ...] = ()
    last_seen: str | None = Field(default=None, description="The instant at which it was last seen to fire.")


class ConditionScore(Noun):
    """One condition of a label: whether it holds, how things stand, and which criteria, workflows or gates it lacks."""

    id: str
    label: str
    text: str
    holds: bool
    could_hold: bool = Field(description="Whether it would hold if everything unknown turned out well.")
    now: str = Field(description="How things stand, for example '62 of 100' or 'S8.STD.3 is at level 1'.")
    lacking: tuple[str, ...] = ()


class LabelScore(Noun):
    """The headline label, the label above it, and what stands between them."""

    name: str
    shown: str = Field(description="The name as it is printed: with its prefix on a sandbox or a reference server.")
    meaning: str
    at_most: str = Field(description="The highest label that could be reached if everything unknown turned out well.")
    next: str | None = None
    blocking: tuple[ConditionScore, ...] = Field(default=(), description="What the next label lacks.")
    conditions: tuple[ConditionScore, ...] = ()
    capped_by: tuple[str, ...] = Field(default=(), description="Confirmed gates that hold the label down.")
    uncapped: str | None = Field(default=None, description="The label that it would be without these gates.")
    if_all_apply: str | None = Field(
        default=None, description="The label with the core criteria that do not apply counted as if they did."
    )
    withheld_because: str | None = Field(
        default=None, description="Why no public rendering may show the label: a gate that is still being repaired."
    )


class AttestationLine(Noun):
    """What became of one attestation in this score."""

    id: str
    title: str
    kind: DocumentKind
    class_: DocumentClass = Field(alias="class")
    issuer: str
    sha256: str | None
    public: bool
    inspected: str | None = Field(description="Who inspected it and when; None: not inspected.")
    state: Literal["counts", "expired", "superseded", "rejected", "unused"]
    why: str = ""
    freshness: Freshness | None = None
    last_day: str | None = Field(default=None, description="The last day on which it counts.")
    requirements: tuple[str, ...] = ()


class SwapLine(Noun):
    """A national norm that was not asked for, since the provider is in another country, and what was instead."""

    norm: str
    instead: str
    requirements: tuple[str, ...]


class StepPart(Noun):
    """One requirement that a step needs."""

    requirement: str
    text: str
    truth: Truth
    how: Literal["probed", "attested", "gap"]
    seen: str
    missing: str
    who_acts: WhoActs
    effort: Effort
    fix: str
    citation: str
    reasons: tuple[Reason, ...] = Field(default=(), description="Why it is unknown, where a probe asks.")
    findings: tuple[str, ...] = ()
    curl: str | None = None


class Step(Noun):
    """One step to the next label: a criterion raised to a level, or another thing that a condition asks for."""

    id: str = Field(description="The criterion and the level, for example S8.GOV.1=L1, or the condition's id.")
    title: str
    why: str = Field(description="The conditions of the label that it serves, in words.")
    gain: int = Field(description="Weight gained: the criterion's weight times the levels that it surely rises.")
    effort: int = Field(description="Units: 1 for each low, 2 for each medium, 4 for each high effort in it.")
    parts: tuple[StepPart, ...] = ()


class NextSteps(Noun):
    """The smallest set of steps to the next label, in order of weight gained per effort."""

    now: str
    target: str | None = Field(description="None where the highest label is reached.")
    reachable: bool
    why_not: tuple[str, ...] = Field(default=(), description="What no step of the provider can mend now.")
    steps: tuple[Step, ...] = ()


class MaturityScore(Noun):
    """The rule book's view of one provider. `label` is None where the rule book has no labels."""

    model: str
    version: str
    disclaimer: str
    label: LabelScore | None = None
    points: Interval | None
    points_equal_blocks: Interval | None = Field(
        default=None, description="The same with every block weighing the same: how far the total hangs on the weights."
    )
    coverage: dict[str, int] = Field(description="Percent of applicable weight by kind of knowledge; sums to 100.")
    blocks: tuple[BlockScore, ...]
    workflows: tuple[WorkflowScore, ...] = ()
    criteria: tuple[CriterionScore, ...]
    gates: tuple[GateScore, ...]
    attestations: tuple[AttestationLine, ...] = ()
    swaps: tuple[SwapLine, ...] = ()
    next: NextSteps | None = None


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
