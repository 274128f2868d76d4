"""The FHIR capability profile: how many things were asked and what became of them, as counts and never as a stage."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Literal, NamedTuple

from prober.nouns.evidence import Exchange
from prober.nouns.finding import Cell, Finding, Outcome, Reason
from prober.nouns.model import CapabilityProfile
from prober.nouns.run import REASON_FOR_PERMIT
from prober.nouns.scorecard import Counts, FamilyScore, Fix, Gap, ProfileScore
from prober.nouns.sheet import Effort, Sheet
from prober.score.kept import kept
from prober.score.scope import ScoredRun, matrices_of, outcome_of, sentences

Fate = Literal["shown", "refuted", "untested", "outside_sample", "not_permitted", "not_applicable"]

NEEDS_PERMIT = frozenset(REASON_FOR_PERMIT.values())
OF_OUTCOME: dict[Outcome, Fate] = {"present": "shown", "absent": "refuted", "not_applicable": "not_applicable"}
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")
MOST_FIXES = 3
DECLARES: Mapping[str, str] = {"US": "us_core_declared"}
"""The probe that tells, where nobody said in which country the provider is, that its server was built for that one."""

TOLD = ("accept", "origin", "prefer", "if-none-match", "if-modified-since")
"""The request headers that a reader needs to see the same answer; every other one stays out of the command."""
WEB_ADDRESS = re.compile(r"https?://[^\s/?#@]+([/?#]\S*)?")


@dataclass(frozen=True)
class Thing:
    """One atomic thing that was asked, and what became of it."""

    fate: Fate
    reason: Reason | None = None


class Fates(NamedTuple):
    """How many things there are of each fate."""

    shown: int = 0
    refuted: int = 0
    untested: int = 0
    not_applicable: int = 0
    not_permitted: int = 0
    outside_sample: int = 0


NOTHING = Fates()
ONE: Mapping[Fate, Fates] = {
    "shown": Fates(shown=1),
    "refuted": Fates(refuted=1),
    "untested": Fates(untested=1),
    "not_applicable": Fates(not_applicable=1),
    "not_permitted": Fates(not_permitted=1),
    "outside_sample": Fates(outside_sample=1),
}


@dataclass(frozen=True)
class Claims:
    """What became of what a server declares: how many of the declared came to what, and which were refuted."""

    declared: Mapping[str, int]
    undeclared_works: int
    refuted: frozenset[str]


@dataclass(frozen=True)
class Tally:
    """What became of the things of one finding, with their reasons; `claims` are its matrix, where it has one."""

    fates: Fates
    reasons: tuple[Reason, ...]
    claims: Claims | None = None


def profile(
    model: CapabilityProfile,
    runs: Sequence[ScoredRun],
    sheets: Mapping[str, Sheet],
    declared: Gap,
    turning: Mapping[str, int],
) -> ProfileScore:
    """The counts per family and together, the gap, the reasons of what stayed unknown, and the fixes.

    `declared` is what `gap` says of these runs, `turning` how many requirements of the rule book turn on each probe.
    """
    families = []
    together = [NOTHING]
    reasons: Counter[Reason] = Counter()
    for family in model.families:
        found = [run.by_probe.get(probe) for run in runs for probe in family.probes]
        tallies = [tally_of(one) if one is not None else _of_outcome(*outcome_of(None)) for one in found]
        reasons.update(chain.from_iterable([one.reasons for one in tallies]))
        fates = added([NOTHING, *(one.fates for one in tallies)])
        together.append(fates)
        families.append(
            FamilyScore.trusted(id=family.id, title=family.title, counts=counted(fates), probes=family.probes)
        )
    counts = counted(added(together))
    return ProfileScore.trusted(
        model=model.id,
        version=model.version,
        headline=headline(counts),
        counts=counts,
        families=tuple(families),
        gap=declared,
        unknown_reasons=dict(sorted(reasons.items())),
        fixes=fixes(runs, sheets, turning),
    )


def headline(counts: Counts) -> str:
    """The profile in one sentence, over what this run's permits could decide."""
    things = "thing" if counts.asked == 1 else "things"
    sentence = (
        f"Asked {counts.asked} {things}: {counts.shown} shown, {counts.refuted} refuted, "
        f"{counts.untested} could not be tested."
    )
    if counts.outside_sample:
        claims = "claim lies" if counts.outside_sample == 1 else "claims lie"
        sentence += f" {counts.outside_sample} more declared {claims} outside the sample that was tried."
    return sentence


@kept
def tally_of(finding: Finding) -> Tally:
    """The atomic things of a finding, which are its matrix cells where it has some, else the finding itself."""
    cells = matrices_of(finding).get("cells", ())
    return _of_cells(cells) if cells else _of_outcome(*outcome_of(finding))


def added(fates: Iterable[Fates]) -> Fates:
    """How many of each fate there are together."""
    return Fates(*map(sum, zip(*fates, strict=True)))


def counted(fates: Fates) -> Counts:
    """The counts. What had no permit, and what the sample left out, is not part of what was asked."""
    asked = fates.shown + fates.refuted + fates.untested
    return Counts.trusted(asked=asked, **fates._asdict())


def gap(runs: Sequence[ScoredRun]) -> Gap:
    """Declared against shown, over the matrix cells of all findings."""
    results: Counter[str] = Counter()
    undeclared_works = 0
    refuted: set[str] = set()
    for run in runs:
        for claims in [held for finding in run.by_probe.values() if (held := tally_of(finding).claims) is not None]:
            results.update(claims.declared)
            undeclared_works += claims.undeclared_works
            refuted.update(f"{one} at {run.run.subject}" if len(runs) > 1 else one for one in claims.refuted)
    return Gap.trusted(
        declared=results.total(),
        tested=results["shown"] + results["refuted"],
        refuted=results["refuted"],
        untested=results["untested"],
        undeclared_works=undeclared_works,
        refuted_claims=tuple(sorted(refuted)),
    )


def fixes(runs: Sequence[ScoredRun], sheets: Mapping[str, Sheet], turning: Mapping[str, int]) -> tuple[Fix, ...]:
    """The absent things most worth mending: least effort first, then what most requirements turn on, then by id.

    What a specification merely allows (every citation is MAY) and what only another country expects is left out.
    """
    absent: dict[str, list[tuple[ScoredRun, Finding]]] = {}
    for run in runs:
        for probe, finding in run.by_probe.items():
            if finding.verdict.outcome != "absent" or outcome_of(finding)[0] != "absent":
                continue
            if probe in sheets and expected(sheets[probe], run):
                absent.setdefault(probe, []).append((run, finding))
    order = sorted(
        absent, key=lambda probe: (EFFORTS.index(sheets[probe].remediation.effort), -turning.get(probe, 0), probe)
    )
    return tuple(_fix(probe, sheets[probe], absent[probe], len(runs) > 1) for probe in order[:MOST_FIXES])


def expected(sheet: Sheet, run: ScoredRun) -> bool:
    """True if somebody expects this of the server of that run, so that its absence is something to mend."""
    if all(one.strength == "MAY" for one in sheet.citations):
        return False
    if sheet.country in (None, run.facts.country):
        return True
    declares = run.by_probe.get(DECLARES.get(sheet.country or "", ""))
    return declares is not None and outcome_of(declares)[0] == "present"


def curl(exchange: Exchange) -> str | None:
    """A shell command that asks the same again, from redacted evidence; None unless it was a GET of a web address.

    Where the exchange carried a credential the command says `$TOKEN` in its place.
    """
    if exchange.method != "GET" or not exchange.url.isprintable() or not WEB_ADDRESS.fullmatch(exchange.url):
        return None
    words = ["curl", "-g", "-i"]
    sent = {name.lower(): value for name, value in exchange.request_headers}
    for name in TOLD:
        if name in sent and sent[name].isprintable():
            words += ["-H", shlex.quote(f"{name.title()}: {sent[name]}")]
    if "authorization" in sent:
        words += ["-H", '"Authorization: Bearer $TOKEN"']
    return " ".join([*words, shlex.quote(exchange.url)])


def _of_cells(cells: Sequence[Cell]) -> Tally:
    things = [_of_cell(cell) for cell in cells]
    declared = [cell for cell in cells if cell.declared and cell.result != "undeclared_works"]
    claims = Claims(
        declared=Counter(cell.result for cell in declared),
        undeclared_works=sum(cell.result == "undeclared_works" for cell in cells),
        refuted=frozenset(cell.claim for cell in declared if cell.result == "refuted"),
    )
    fates = added(ONE[one.fate] for one in things)
    return Tally(fates, tuple(one.reason for one in things if one.reason), claims)


@cache
def _of_outcome(outcome: Outcome, reason: Reason | None) -> Tally:
    thing = _unknown(reason) if outcome == "unknown" else Thing(OF_OUTCOME[outcome])
    return Tally(ONE[thing.fate], (thing.reason,) if thing.reason else ())


def _of_cell(cell: Cell) -> Thing:
    if cell.result in ("shown", "undeclared_works"):
        return Thing("shown")
    if not cell.declared:
        return Thing("not_applicable")
    return Thing("refuted") if cell.result == "refuted" else _unknown(cell.reason or "not_recorded")


def _unknown(reason: Reason | None) -> Thing:
    if reason == "untested_sample":
        return Thing("outside_sample", reason)
    return Thing("not_permitted" if reason in NEEDS_PERMIT else "untested", reason)


def _fix(probe: str, sheet: Sheet, seen: Sequence[tuple[ScoredRun, Finding]], several: bool) -> Fix:
    run, first = seen[0]
    cited = next(iter(first.verdict.citations), None)
    exchange = run.exchanges.get(cited.exchange) if cited else None
    return Fix.trusted(
        probe=probe,
        what=sentences(((one.run.subject, finding.verdict.message) for one, finding in seen), several=several),
        fix=sheet.remediation.text,
        effort=sheet.remediation.effort,
        who_acts=sheet.who_acts,
        evidence=tuple(dict.fromkeys(exchange_id for _, finding in seen for exchange_id in finding.evidence)),
        curl=curl(exchange) if exchange else None,
    )
