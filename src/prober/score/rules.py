"""What a rule of a model says about the findings of one run, in Kleene's three values."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from prober.nouns.finding import Basis, EvidenceClass, Finding, Reason
from prober.nouns.model import Attested, Is, Rule, Series, Share
from prober.nouns.scorecard import Truth
from prober.score.scope import cells_of, outcome_of

KLEENE: tuple[Truth, ...] = ("false", "unknown", "true")
SUPPORTS: dict[EvidenceClass, int] = {"E0": 1, "E1": 1, "E2": 2, "E3": 3, "E4": 4}
"""The highest level that evidence of a class can support, unless the requirement says otherwise."""


@dataclass(frozen=True)
class Leaf:
    """One thing that a rule looked at, and what it saw there."""

    why: str
    probe: str | None = None
    reasons: tuple[Reason, ...] = ()
    basis: Basis | None = None


@dataclass(frozen=True)
class Said:
    """A truth, with the leaves that decided it."""

    truth: Truth
    leaves: tuple[Leaf, ...]


def decide(rule: Rule, findings: Mapping[str, Finding], level: int = 0) -> Said:
    """The truth of a rule, given one run's findings by probe id.

    `level` is the level to be supported: a finding of a class too weak for it leaves the leaf unknown; 0 asks nothing.
    A rule of which every leaf is not applicable is not applicable.
    """
    if rule.all is not None:
        return combined((decide(one, findings, level) for one in rule.all), all_of)
    if rule.any is not None:
        return combined((decide(one, findings, level) for one in rule.any), any_of)
    if rule.is_ is not None:
        return _is(rule.is_, findings.get(rule.is_.probe), level)
    if rule.share is not None:
        return _share(rule.share, findings.get(rule.share.probe), level)
    return Said("unknown", (Leaf(why=_later(rule.attested or rule.series)),))


def combined(parts: Iterable[Said], join: Callable[[Iterable[Truth]], Truth]) -> Said:
    """Several truths as one, resting on those leaves that agree with it."""
    known = tuple(parts)
    truth = join(one.truth for one in known)
    return Said(truth, tuple(dict.fromkeys(leaf for one in known if one.truth == truth for leaf in one.leaves)))


def all_of(truths: Iterable[Truth]) -> Truth:
    """The least of the truths; what is not applicable drops out."""
    return min((one for one in truths if one != "not_applicable"), key=KLEENE.index, default="not_applicable")


def any_of(truths: Iterable[Truth]) -> Truth:
    """The greatest of the truths; what is not applicable drops out."""
    return max((one for one in truths if one != "not_applicable"), key=KLEENE.index, default="not_applicable")


def _is(form: Is, finding: Finding | None, level: int) -> Said:
    outcome, reason = outcome_of(finding)
    leaf = _leaf(form.probe, finding, reason)
    if outcome == "unknown":
        return Said("unknown", (leaf,))
    if outcome == form.outcome:
        return _supported(leaf, finding, level)
    return Said("not_applicable" if outcome == "not_applicable" else "false", (leaf,))


def _share(form: Share, finding: Finding | None, level: int) -> Said:
    outcome, reason = outcome_of(finding)
    if outcome == "not_applicable" or reason in ("bug", "not_recorded"):
        truth: Truth = "not_applicable" if outcome == "not_applicable" else "unknown"
        return Said(truth, (_leaf(form.probe, finding, reason),))
    claims = [cell for cell in cells_of(finding, form.of) if cell.declared and cell.result != "undeclared_works"]
    if not claims:
        return Said("unknown", (_leaf(form.probe, finding, reason or "no_data"),))
    shown = sum(cell.result == "shown" for cell in claims)
    untested = [cell for cell in claims if cell.result == "untested"]
    leaf = Leaf(
        why=f"{shown} of {len(claims)} declared claims were shown and {len(untested)} could not be tested; "
        f"the rule asks for {form.at_least}.",
        probe=form.probe,
        basis=finding.basis if finding else None,
    )
    wanted = Fraction(form.at_least)
    if Fraction(shown, len(claims)) >= wanted:
        return _supported(leaf, finding, level)
    if Fraction(shown + len(untested), len(claims)) < wanted:
        return Said("false", (leaf,))
    reasons = tuple(sorted({cell.reason or "not_recorded" for cell in untested}))
    return Said("unknown", (Leaf(why=leaf.why, probe=leaf.probe, reasons=reasons, basis=leaf.basis),))


def _supported(leaf: Leaf, finding: Finding | None, level: int) -> Said:
    if finding is None or SUPPORTS[finding.class_] >= level:
        return Said("true", (leaf,))
    weak = f"Evidence of class {finding.class_} supports level {SUPPORTS[finding.class_]} at most: {leaf.why}"
    return Said("unknown", (Leaf(why=weak, probe=leaf.probe, basis=leaf.basis),))


def _leaf(probe: str, finding: Finding | None, reason: Reason | None) -> Leaf:
    return Leaf(
        why=finding.verdict.message if finding else f"The run holds no finding of {probe}.",
        probe=probe,
        reasons=(reason,) if reason else (),
        basis=finding.basis if finding else None,
    )


def _later(form: Attested | Series | None) -> str:
    if isinstance(form, Attested):
        return f"No document was given: {form.document.rstrip('.')}."
    return "One run is no series of nights."
