"""Judges and scores a bundle again, here and now: with the probes of this prober, and if wished another rule book."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prober.archive import RunFolder
from prober.audit.derive import findings_of, history_of, scored
from prober.audit.verify import Opened
from prober.library import LoadedProbe, check_model, load_model
from prober.mistake import Mistake
from prober.nouns.finding import Finding
from prober.nouns.model import Model
from prober.nouns.scorecard import Interval, MaturityScore, RequirementScore, Scorecard
from prober.rulebooks.rescore import Difference, differences


@dataclass(frozen=True)
class OtherFinding:
    """A finding that is another one now, and why that can be: the probe is another one, or prober itself is."""

    run: str
    probe: str
    old: str
    new: str
    why: str


@dataclass(frozen=True)
class Rejudged:
    """What a bundle is worth when it is judged again. `same` says that the scorecard came out byte for byte."""

    card: Scorecard
    sealed: Scorecard
    signer: str
    findings: tuple[OtherFinding, ...]
    results: tuple[Difference, ...]
    reasons: Mapping[str, tuple[str, ...]]
    """For a criterion whose level is another one: the requirements that turned, in words."""

    @property
    def same(self) -> bool:
        return self.card.line() == self.sealed.line()


def rejudge(path: Path, probes: Mapping[str, LoadedProbe], model: Path | None, out: Path | None) -> Rejudged:
    """Judge and score a bundle again; `model` takes the place of the sealed one of its kind.

    With `out` the scorecard is written there. Its form, hashes and signature are checked, and whether the key is to be
    trusted is not. Raises Refused and Mistake.
    """
    signers: list[str] = []
    with Opened(path, signers.append) as bundle:
        sealed = bundle.findings()
        findings = {id_: tuple(_with_sealed(findings_of(one, probes), sealed[id_])) for id_, one in bundle.held.items()}
        history = {
            id_: history_of(one, list(bundle.held.values()), findings) if id_ in bundle.facts.rated else ()
            for id_, one in bundle.held.items()
        }
        models = _models(bundle, model, probes)
        try:
            card = scored(bundle.rated, findings, history, models, probes)
        except ValueError as error:
            raise Mistake(f"{path}: this cannot be scored: {error}") from error
        other = tuple(
            _other(id_, old, new, probes, bundle)
            for id_ in bundle.held
            for old, new in _pairs(sealed[id_], findings[id_])
        )
        same_book = card.models == bundle.card.models
        result = Rejudged(
            card=card,
            sealed=bundle.card,
            signer=signers[0],
            findings=other,
            results=differences(bundle.card, card),
            reasons=_reasons(bundle.card.maturity, card.maturity, same_book=same_book),
        )
    if out is not None:
        RunFolder.create_plain(out).write_scorecard(card)
    return result


def _with_sealed(found: Sequence[Finding], sealed: Sequence[Finding]) -> list[Finding]:
    """The findings made now; of a probe that is not here, the sealed one stays: nothing better is known."""
    here = {one.source.probe: one for one in found}
    return sorted(
        [*here.values(), *(one for one in sealed if one.source.probe not in here)], key=lambda one: one.source.probe
    )


def _models(bundle: Opened, extra: Path | None, probes: Mapping[str, LoadedProbe]) -> list[Model]:
    sealed = bundle.models
    if extra is None:
        return sealed
    given = load_model(extra)
    check_model(given, probes, extra)
    return [given if type(one) is type(given) else one for one in sealed]


def _pairs(sealed: Sequence[Finding], found: Sequence[Finding]) -> list[tuple[Finding, Finding]]:
    here = {one.source.probe: one for one in found}
    return [(old, here[old.source.probe]) for old in sealed if here[old.source.probe].verdict != old.verdict]


def _other(run: str, old: Finding, new: Finding, probes: Mapping[str, LoadedProbe], bundle: Opened) -> OtherFinding:
    id_ = old.source.probe
    changed = probes[id_].digest != bundle.held[run].run.probes.get(id_)
    why = "the probe is another one here" if changed else "prober itself is another one here"
    return OtherFinding(run, id_, _outcome(old), _outcome(new), why)


def _outcome(one: Finding) -> str:
    verdict = one.verdict
    return f"{verdict.outcome} ({verdict.reason})" if verdict.reason else str(verdict.outcome)


def _reasons(old: MaturityScore | None, new: MaturityScore | None, *, same_book: bool) -> dict[str, tuple[str, ...]]:
    """Why the level of a criterion is another one: the requirements that turned, came or went."""
    if old is None or new is None:
        return {}
    before = {one.id: one for one in old.criteria}
    found: dict[str, tuple[str, ...]] = {}
    for one in new.criteria:
        was = before.get(one.id)
        if was is None or _level(was.level) == _level(one.level):
            continue
        truths = {requirement.id: requirement for requirement in was.requirements}
        now = {requirement.id: requirement for requirement in one.requirements}
        turned = [
            f"{id_}: {_truth(truths, id_)} → {_truth(now, id_)}"
            for id_ in dict.fromkeys((*truths, *now))
            if _truth(truths, id_) != _truth(now, id_)
        ]
        whole = (
            "its evidence counts otherwise" if same_book else "this rule book counts the same requirements otherwise"
        )
        found[one.id] = tuple(turned) or (whole,)
    return found


def _truth(requirements: Mapping[str, RequirementScore], id_: str) -> str:
    return requirements[id_].truth if id_ in requirements else "not asked"


def _level(one: Interval | None) -> tuple[int, int] | None:
    return (one.low, one.high) if one is not None else None
