"""What a renderer may show: a scorecard and the evidence behind it, read back from disk."""

from collections.abc import Mapping
from dataclasses import dataclass

from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import Run
from prober.nouns.scorecard import Scorecard
from prober.nouns.sheet import Sheet


@dataclass(frozen=True)
class Subject:
    """One run. `place` is where its folder lies, seen from the report; empty if the report lies in it."""

    run: Run
    facts: ProviderFacts
    findings: tuple[Finding, ...]
    exchanges: Mapping[str, Exchange]
    place: str = ""


@dataclass(frozen=True)
class Report:
    """Everything that is shown."""

    card: Scorecard
    subjects: tuple[Subject, ...]
    sheets: Mapping[str, Sheet]
