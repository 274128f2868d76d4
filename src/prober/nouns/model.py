"""The models: what findings are worth, said once, as data. A rule book (levels) or a capability profile (counts)."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from prober.nouns.base import Noun
from prober.nouns.finding import EvidenceClass, Outcome
from prober.nouns.polls import SampleKind
from prober.nouns.sheet import WhoActs

Level = Literal[1, 2, 3, 4]
Mode = Literal["O", "C", "J", "W", "A"]
Observability = Literal["full", "partial", "none"]
NormStatus = Literal["blog", "published", "in_force", "final", "proposed", "expired", "ours"]
"""`published`: a guide or standard, no law by itself. `final`: a rule that is made but binds only from a later day."""


class Is(Noun):
    """True if the probe's finding has this outcome; unknown if the finding is unknown; else false.

    A `not_applicable` finding leaves the rule out (the leaf drops from its `all` or `any`).
    """

    probe: str
    outcome: Outcome = "present"


class Share(Noun):
    """True if shown/total reaches `at_least`; false if even (shown+untested)/total cannot; else unknown.

    `of` names the member of the finding's `values` that holds the matrix cells.
    """

    probe: str
    of: str = "cells"
    at_least: str = Field(pattern=r"^[0-9]+/[1-9][0-9]*$")


class Attested(Noun):
    """Met by a document of one of these evidence classes that states every value named here.

    Without such a document the rule is unknown; a document that states a value out of bounds makes it false.
    """

    classes: tuple[EvidenceClass, ...] = Field(min_length=1)
    values: dict[
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*_at_(least|most)$")],
        Annotated[str, Field(pattern=r"^[0-9]+(/[1-9][0-9]*)?$")],
    ] = Field(
        default_factory=dict,
        description="Bound -> number or fraction, for example electronic_share_at_least: 80/100. The document states "
        "electronic_share, or its typed shape gives it; age_months comes from its dates.",
    )
    same_fact: bool = Field(
        default=False,
        description="The document speaks of the very fact that a probe beside it looks at, so a no of the probe wins. "
        "Where it is not, the document shows another route, such as HL7 v2, and stands for itself.",
    )
    stage_letter: bool = Field(
        default=False, description="A valid Stage 7 letter counts as it stands, without the values."
    )
    document: str = Field(description="The least document that counts.")


class Series(Noun):
    """Met by a series of nights: enough of the last decided ones, and no two failures in a row.

    Undecided nights are passed over. With fewer decided nights than `nights` the rule is unknown, unless so many of
    them failed that the next ones cannot make up for it.
    """

    probe: str
    outcome: Outcome = "present"
    nights: int = Field(default=30, ge=1)
    at_least: int = Field(default=28, ge=1)
    spread_days: int = Field(
        default=0,
        ge=0,
        description="Days that must lie between the first and the last of these nights; with fewer it is unknown.",
    )


class Availability(Noun):
    """Met by the polls of the last `days` days that have a decided one; what is stated here must all hold.

    Unknown while there are fewer days or polls, unless so many polls found the target down that those which are
    missing cannot make up for it. The polls come from history.jsonl, so the run at hand is none of them.
    """

    days: int = Field(ge=1, le=3_650)
    at_least: str | None = Field(default=None, pattern=r"^[0-9]+/[1-9][0-9]*$", description="The share that was up.")
    bound: Literal["wilson", "share"] = Field(
        default="wilson",
        description="What must reach `at_least`: the lower Wilson bound (95 percent, two-sided, z = 1.959964), or the "
        "raw share.",
    )
    polls: int = Field(default=1, ge=1, description="Decided polls that must support it.")
    maintenance_minutes_a_month: int = Field(
        default=0,
        ge=0,
        le=44_640,
        description="Polls in planned maintenance, announced in public 48 hours before, are left out. More minutes of "
        "it in one calendar month make the rule false. 0: none is left out, and such polls count like any others.",
    )


class Latency(Noun):
    """Met by the times to first byte of the last `nights` days that have any; what is stated here must all hold.

    Each of `kinds` is looked at by itself; where none is named, all samples are together. Unknown while there are fewer
    nights or samples, unless so many samples were too slow that those which are missing cannot make up for it.
    """

    kinds: tuple[SampleKind, ...] = ()
    nights: int = Field(default=30, ge=1, le=3_650)
    percentile: int = Field(default=95, ge=1, le=100, description="By nearest rank.")
    at_most_us: int | None = Field(default=None, ge=1, description="Microseconds from the request's end to its answer.")
    samples: int = Field(default=1, ge=1)
    hours: int = Field(default=0, ge=0, le=24, description="Different UTC hours of the day that must hold samples.")
    each_hour: int = Field(default=1, ge=1, description="Samples that each of these hours must hold.")


class Rule(Noun):
    """Exactly one of these forms."""

    all: tuple["Rule", ...] | None = Field(default=None, min_length=1)
    any: tuple["Rule", ...] | None = Field(default=None, min_length=1)
    is_: Is | None = Field(default=None, alias="is")
    share: Share | None = None
    attested: Attested | None = None
    series: Series | None = None
    availability: Availability | None = None
    latency: Latency | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Rule":
        forms = [self.all, self.any, self.is_, self.share, self.attested, self.series, self.availability, self.latency]
        if sum(form is not None for form in forms) != 1:
            raise ValueError("A rule has exactly one of all, any, is, share, attested, series, availability, latency.")
        return self

    def probes(self) -> frozenset[str]:
        """The ids of all probes that this rule reads."""
        inner = [*(self.all or ()), *(self.any or ())]
        own = {one.probe for one in (self.is_, self.share, self.series) if one is not None}
        return frozenset(own).union(*(rule.probes() for rule in inner))

    def documents(self) -> tuple[Attested, ...]:
        """Every form `attested` in this rule, in its order."""
        own = (self.attested,) if self.attested is not None else ()
        return own + tuple(one for rule in (*(self.all or ()), *(self.any or ())) for one in rule.documents())

    def polled(self) -> tuple[Availability | Latency, ...]:
        """Every form in this rule that rests on the polls of earlier runs, in its order."""
        own = tuple(one for one in (self.availability, self.latency) if one is not None)
        return own + tuple(one for rule in (*(self.all or ()), *(self.any or ())) for one in rule.polled())


class Swap(Noun):
    """What stands in a requirement's place outside the countries in which its norm holds."""

    countries: tuple[Annotated[str, Field(pattern="^[A-Z]{2}$")], ...] = ("US",)
    norm: str = Field(description="The national norm that the requirement itself names, for example US Core 6.1.0.")
    instead: str = Field(description="What is asked for elsewhere, for example the national core, or IPA.")
    text: str = Field(description="The requirement as it reads elsewhere.")
    met_by: Rule | None = Field(default=None, description="The rule elsewhere; none: the same as in these countries.")


class Requirement(Noun):
    """One requirement of one level. Its id (`S8.STD.2/L3/jwks`) never changes its meaning."""

    id: str = Field(pattern=r"^[A-Z0-9.]+/L[1-4]/[a-z0-9_]+$")
    text: str
    how: Literal["probed", "attested", "gap"]
    ceiling: Level | None = Field(default=None, description="The highest level that this evidence can support.")
    met_by: Rule | None = None
    missing: str | None = Field(
        default=None, description="For `attested` and `gap`: what is missing, for example 'needs credentials'."
    )
    waits_for: str | None = Field(default=None, description="For a gap: the catalogue entry that will decide it.")
    conditional: bool = False
    across: Literal["all", "any"] = "all"
    facet: str | None = Field(default=None, description="The facet of the criterion that it belongs to.")
    elsewhere: Swap | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Requirement":
        if self.how == "probed" and self.met_by is None:
            raise ValueError(f"{self.id}: a probed requirement says what it is met_by.")
        if self.how == "gap" and (self.met_by is not None or not self.missing):
            raise ValueError(f"{self.id}: a gap has no met_by and says what is missing.")
        if self.how == "attested" and not self.missing:
            raise ValueError(f"{self.id}: an attested requirement says which document is missing.")
        return self


class Norm(Noun):
    """Where a criterion comes from: a post, a regulation or a guide section, with the status of that text."""

    ref: str
    text: str
    status: NormStatus
    as_of: str = "2026-11-23"
    unverified: bool = False


class Criterion(Noun):
    """One criterion of the rule book."""

    id: str = Field(pattern=r"^S8\.[A-Z0-9.]+$|^[A-Z][A-Z0-9.]+$")
    title: str
    intent: str
    sources: tuple[Norm, ...] = Field(min_length=1)
    block: str
    weight: Literal[0, 1, 2, 3]
    core: bool
    extension: bool = Field(description="EXT: not in the posts; informs the profile, never blocks the headline.")
    precondition: bool = False
    applies: str = Field(description="When it applies, in words.")
    applies_if: dict[str, list[str | bool]] = Field(
        default_factory=dict,
        description="Fact of the provider file -> values under which it applies; a fact not given means it applies. "
        "A fact that is a list fits if any of its members does. Every fact named must fit.",
    )
    applies_from: dict[str, int] = Field(
        default_factory=dict,
        description="Number of the provider file -> the least value with which it applies; not given means it applies.",
    )
    presumed: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Fact of `applies_if` -> countries in which it is taken to fit, whatever the provider file says.",
    )
    modes: tuple[Mode, ...]
    document: str = Field(description="The least document that counts, or '-' where only probes count.")
    freshness: tuple[str, ...]
    observability: Observability
    who_acts: WhoActs = "provider"
    facets: dict[str, str] = Field(
        default_factory=dict,
        description="Facet -> what it is, in words. The criterion is as far as its least facet, and known only where "
        "all of them are.",
    )
    levels: dict[Level, tuple[Requirement, ...]]

    @field_validator("levels")
    @classmethod
    def _four_levels(cls, levels: dict[Level, tuple[Requirement, ...]]) -> dict[Level, tuple[Requirement, ...]]:
        if sorted(levels) != [1, 2, 3, 4] or not all(levels.values()):
            raise ValueError("A criterion has the levels 1 to 4, each with at least one requirement.")
        return levels


class Gate(Noun):
    """A cap on the headline label. It changes no level."""

    id: str = Field(pattern=r"^S8\.GATE\.[1-8]$")
    title: str
    text: str
    cap: str
    confirm_at_once: bool = False
    private_alert: bool = False
    production_only: bool = True
    met_by: Rule | None = Field(default=None, description="The gate fires when this is true; None: no probe yet.")
    missing: str | None = None


class AtLevelFour(Noun):
    """What a workflow needs beside its own ways to be at level 4 rather than 3."""

    second_best: Level | None = Field(default=None, description="The least level of a second one of the ways.")
    also: dict[str, Level] = Field(default_factory=dict, description="Criterion -> its least level.")


class Workflow(Noun):
    """How the levels of a workflow's criteria become one: exactly one of `lead` and `best_of` carries it.

    A criterion that does not apply is passed over; the workflow does not apply where no criterion that carries it does.
    """

    id: str
    title: str
    lead: str | None = Field(default=None, description="The criterion whose level the workflow has.")
    may_lag: tuple[str, ...] = Field(default=(), description="Each may be one level behind the lead, and no more.")
    best_of: tuple[str, ...] = Field(default=(), description="The best of these carries the workflow.")
    two_above: Level | None = Field(
        default=None, description="Above this level two of `best_of` must reach the level, or all where one applies."
    )
    at_level_4: AtLevelFour = AtLevelFour()

    @model_validator(mode="after")
    def _one_way(self) -> "Workflow":
        if (self.lead is None) == (not self.best_of):
            raise ValueError(f"{self.id}: a workflow has either a lead or a list `best_of`.")
        return self

    def criteria(self) -> tuple[str, ...]:
        """The criteria that this roll-up names."""
        lead = (self.lead,) if self.lead is not None else ()
        return (*lead, *self.may_lag, *self.best_of, *self.at_level_4.also)


class FreshnessRow(Noun):
    """How old evidence of one kind may be. Up to `fresh` it is fresh; past `expired` it counts no more."""

    title: str
    unit: Literal["days", "months"]
    fresh: int = Field(ge=0)
    stale: int = Field(ge=0, description="From here on it lowers the confidence by a further step.")
    expired: int = Field(ge=0)


class OfCriteria(Noun):
    """All of these criteria, or `at_least` many of them, reach the level. What does not apply is passed over."""

    ids: tuple[str, ...] = Field(min_length=1)
    level: Level
    at_least: int | None = Field(default=None, ge=1)
    fresh: bool = Field(default=False, description="Only those count whose evidence is fresh.")


class OfCore(Noun):
    """Core criteria reach the level: all of them, or a share of their weight."""

    level: Level
    share: str | None = Field(default=None, pattern=r"^[0-9]+/[1-9][0-9]*$")


class OfBlock(Noun):
    """Every core criterion of this block reaches the level."""

    block: str
    level: Level


class OfWorkflows(Noun):
    """Applicable workflows reach the level: all, or `at_least` many of them (all, where fewer apply)."""

    level: Level
    at_least: int | None = Field(default=None, ge=1)


class OfEvidence(Noun):
    """A share of the core weight rests on evidence of these classes."""

    classes: tuple[EvidenceClass, ...] = Field(min_length=1)
    share: str = Field(pattern=r"^[0-9]+/[1-9][0-9]*$")


class Condition(Noun):
    """One condition of a label, in words and as exactly one of the forms."""

    id: str = Field(pattern="^[a-z][a-z0-9_]*$")
    text: str
    known: str | None = Field(default=None, pattern=r"^[0-9]+/[1-9][0-9]*$", description="Share of the weight.")
    criteria: OfCriteria | None = None
    core: OfCore | None = None
    block: OfBlock | None = None
    workflows: OfWorkflows | None = None
    evidence: OfEvidence | None = None
    core_confidence: Literal["medium", "high"] | None = Field(default=None, description="Of every core criterion.")
    core_fresh: Literal[True] | None = Field(default=None, description="No core criterion rests on stale evidence.")
    core_known: Literal[True] | None = Field(default=None, description="No core criterion is unknown.")
    gates_tested: tuple[str, ...] | None = Field(default=None, description="None of these gates is untested.")
    no_gate_for_days: int | None = Field(default=None, ge=1)
    gap_at_most: str | None = Field(default=None, pattern=r"^[0-9]+/[1-9][0-9]*$")

    @model_validator(mode="after")
    def _one_form(self) -> "Condition":
        if len(self.model_fields_set - {"id", "text"}) != 1:
            raise ValueError(f"The condition {self.id} has exactly one form, such as known, criteria, core or block.")
        return self


class Label(Noun):
    """A headline label. Labels are listed from the lowest up, and each asks for all that those before it ask for."""

    name: str
    meaning: str
    suspected_gate_blocks: bool = Field(default=False, description="A gate that is only suspected blocks it as well.")
    conditions: tuple[Condition, ...] = ()


class Block(Noun):
    """A block of criteria with its share of the total."""

    id: str
    title: str
    weight: int = Field(ge=0, le=100)


class MaturityModel(Noun):
    """A rule book: criteria with levels, gates, blocks."""

    schema_: Literal["prober/model/1"] = Field(default="prober/model/1", alias="schema")
    kind: Literal["maturity"] = "maturity"
    id: str = Field(pattern="^[a-z][a-z0-9_]*$")
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")
    title: str
    disclaimer: str
    blocks: tuple[Block, ...]
    criteria: tuple[Criterion, ...] = Field(min_length=1)
    gates: tuple[Gate, ...] = ()
    workflows: tuple[Workflow, ...] = ()
    freshness: dict[str, FreshnessRow] = Field(
        default_factory=dict, description="Row of the criteria -> how old such evidence may be."
    )
    labels: tuple[Label, ...] = Field(default=(), description="From the lowest up; the first has no conditions.")


class Family(Noun):
    """A family of the capability profile: the probes that belong to it."""

    id: str
    title: str
    meaning: str
    probes: tuple[str, ...] = Field(min_length=1)


class CapabilityProfile(Noun):
    """The default headline: counts per family, never a stage."""

    schema_: Literal["prober/model/1"] = Field(default="prober/model/1", alias="schema")
    kind: Literal["profile"] = "profile"
    id: str = Field(pattern="^[a-z][a-z0-9_]*$")
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")
    title: str
    disclaimer: str
    families: tuple[Family, ...] = Field(min_length=1)


Model = Annotated[MaturityModel | CapabilityProfile, Field(discriminator="kind")]
