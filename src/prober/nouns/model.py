"""The models: what findings are worth, said once, as data. A rule book (levels) or a capability profile (counts)."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from prober.nouns.base import Noun
from prober.nouns.finding import EvidenceClass, Outcome
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
    """Met by a document of one of these evidence classes (the whole model of attestations comes later)."""

    classes: tuple[EvidenceClass, ...] = Field(min_length=1)
    values: dict[str, str] = Field(default_factory=dict)
    document: str = Field(description="The least document that counts.")


class Series(Noun):
    """Met by a series of nights (28 of the last 30 decided nights, unless said otherwise)."""

    probe: str
    outcome: Outcome = "present"
    nights: int = 30
    at_least: int = 28


class Rule(Noun):
    """Exactly one of these forms."""

    all: tuple["Rule", ...] | None = Field(default=None, min_length=1)
    any: tuple["Rule", ...] | None = Field(default=None, min_length=1)
    is_: Is | None = Field(default=None, alias="is")
    share: Share | None = None
    attested: Attested | None = None
    series: Series | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Rule":
        forms = [self.all, self.any, self.is_, self.share, self.attested, self.series]
        if sum(form is not None for form in forms) != 1:
            raise ValueError("A rule has exactly one of all, any, is, share, attested, series.")
        return self

    def probes(self) -> frozenset[str]:
        """The ids of all probes that this rule reads."""
        inner = [*(self.all or ()), *(self.any or ())]
        own = {one.probe for one in (self.is_, self.share, self.series) if one is not None}
        return frozenset(own).union(*(rule.probes() for rule in inner))


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
