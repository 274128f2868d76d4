"""probe.yaml: what a probe says about itself to the people who read its findings."""

from typing import Literal

from pydantic import Field

from prober.nouns.base import Noun

Effort = Literal["low", "medium", "high"]
WhoActs = Literal["provider", "vendor", "network"]
Strength = Literal["MUST", "SHOULD", "MAY", "ours"]


class SpecCitation(Noun):
    """The text that the probe rests on: guide, version and section, with its public address."""

    guide: str
    version: str
    section: str
    url: str
    strength: Strength = "MUST"
    unverified: bool = False


class Remediation(Noun):
    """What to do when the capability is absent, and how much work it is."""

    effort: Effort
    text: str


class Sheet(Noun):
    """A probe's sheet. Its id is the name of its folder and is written nowhere else."""

    title: str = Field(description="A question that ends in a question mark.")
    catalogue: str = Field(description="The catalogue entry, for example P.SMART.1.")
    why: str
    how: str
    counts: str = Field(description="What makes it present, and what makes it absent.")
    risk: str
    basis: Literal["declared", "demonstrated"]
    citations: tuple[SpecCitation, ...] = Field(min_length=1)
    remediation: Remediation
    who_acts: WhoActs
    country: str | None = Field(
        default=None,
        pattern="^[A-Z]{2}$",
        description="ISO 3166-1 code of the only country in which somebody expects this; none where it holds anywhere.",
    )
    lifecycle: Literal["experimental", "stable", "deprecated"] = "experimental"


__all__ = ["Effort", "Remediation", "Sheet", "SpecCitation", "Strength", "WhoActs"]
