"""The gates: what caps the headline label of a rule book, in this run and over the runs before it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prober.documents.freshness import day_of
from prober.nouns.finding import Finding, Source, Verdict
from prober.nouns.history import HistoryLine
from prober.nouns.model import Gate
from prober.nouns.scorecard import GateScore, GateState, Truth
from prober.score.levels import Ladders
from prober.score.look import Look
from prober.score.rules import Leaf, Said, decide
from prober.score.scope import ScoredRun, sentences

AGAIN = timedelta(minutes=10)
"""A second look that comes sooner may still see the same passing fault."""
CLEARS = 3
"""Clean runs in a row that clear a gate."""


@dataclass(frozen=True)
class Course:
    """How a gate stands at the end of a course of looks, and when it was last seen to fire."""

    state: GateState
    last_seen: str | None = None


def look_at(gate: Gate, looks: Sequence[Look], ladders: Ladders) -> GateScore:
    """The gate over all runs and their history; one that never fired is worked out once for all that say the same."""
    if len(looks) != 1 or not looks[0].run.alone:
        return _look_at(gate, looks)
    look = looks[0]
    key = (gate.id, look.run.run.environment, ladders.said_to_gate[gate.id](ladders.tokens(look)))
    if key in ladders.gates:
        return ladders.gates[key]
    score = _look_at(gate, looks)
    if score.last_seen is None:
        ladders.gates[key] = score
    return score


def _look_at(gate: Gate, looks: Sequence[Look]) -> GateScore:
    """The gate over all runs and their history: one base where it fires is enough.

    It is suspected where it was seen once on production and confirmed where it was seen again at least ten minutes
    later; three clean runs in a row clear it. On another environment it would apply. One that is unknown is untested.
    """
    if gate.met_by is None:
        missing = (gate.missing or "no probe yet").rstrip(".")
        return _line(gate, Course("untested"), f"Missing: {missing}.", ())
    said = [(look, decide(gate.met_by, look, gate.id)) for look in looks]
    courses = [(look, one, _course(gate, look, one)) for look, one in said]
    several = len(looks) > 1
    for state in ("confirmed", "suspected", "would_apply", "untested", "clean"):
        here = [(look, one) for look, one, course in courses if course.state == state]
        if here:
            leaves = [(look.subject, leaf) for look, one in here for leaf in one.leaves]
            last = max((c.last_seen for _, _, c in courses if c.last_seen), default=None)
            why = sentences(((subject, leaf.why) for subject, leaf in leaves), several=several)
            if any(one.conflict for _, one in here):
                why = f"The evidence contradicts itself, and the graver answer counts. {why}"
            if state in ("confirmed", "suspected") and all(one.truth != "true" for _, one in here):
                why = f"It was last seen on {last}, and {CLEARS} clean runs in a row have not followed yet. Now: {why}"
            return _line(gate, Course(state, last), why, [leaf for _, leaf in leaves])
    leaves = [(look.subject, leaf) for look, one in said for leaf in one.leaves]
    why = sentences(((subject, leaf.why) for subject, leaf in leaves), several=several)
    return _line(gate, Course("not_applicable"), why, [leaf for _, leaf in leaves])


def _course(gate: Gate, look: Look, now: Said) -> Course:
    """The state of one base after all looks at it. A look that decided nothing changes nothing."""
    binds = look.run.run.environment == "production" or not gate.production_only
    if not binds:
        return Course("would_apply" if now.truth == "true" else _untouched(now.truth))
    fired: list[str] = []
    clean = 0
    confirmed = False
    last: str | None = None
    for time, truth, at_once in (
        *_earlier(gate, look),
        (_time(look, now, gate.id), now.truth, _at_once(gate, look, now)),
    ):
        if truth == "true":
            fired.append(time)
            clean, last = 0, time
            confirmed = confirmed or at_once or _apart(fired)
        elif truth == "false" and fired:
            clean += 1
            if clean >= CLEARS:
                fired, clean, confirmed = [], 0, False
    if fired:
        return Course("confirmed" if confirmed else "suspected", last)
    return Course(_untouched(now.truth), last)


def _untouched(truth: Truth) -> GateState:
    states: Mapping[Truth, GateState] = {"unknown": "untested", "false": "clean", "not_applicable": "not_applicable"}
    return states.get(truth, "suspected")


def _apart(times: Sequence[str]) -> bool:
    return datetime.fromisoformat(times[-1]) - datetime.fromisoformat(times[0]) >= AGAIN


def _time(look: Look, said: Said, asked: str) -> str:
    """The instant at which what decided the gate was seen, or the day that the document is about."""
    days = [
        day_of(offer.attestation).isoformat()
        for leaf in said.leaves
        for offers in (look.offers.get(asked, ()),)
        for offer in offers
        if offer.attestation.id == leaf.attestation
    ]
    if days:
        return f"{max(days)}T00:00:00.000000Z"
    findings = [look.finding(leaf.probe) for leaf in said.leaves if leaf.probe]
    return min((look.run.seen_on(one) for one in findings if one is not None), default=look.run.run.started)


def _at_once(gate: Gate, look: Look, said: Said) -> bool:
    """An expired certificate needs no second look: it does not get better by waiting. Nor does what somebody else put
    on record, of which prober will see no second one."""
    if _by_documents(said):
        return said.truth == "true"
    findings = [look.finding(leaf.probe) for leaf in said.leaves if leaf.probe]
    expired = any(one is not None and one.verdict.values.get("fault") == "expired" for one in findings)
    return gate.confirm_at_once and said.truth == "true" and expired


def _by_documents(said: Said) -> bool:
    """Whether documents alone decided it."""
    return bool(said.leaves) and all(leaf.attestation is not None for leaf in said.leaves)


def _earlier(gate: Gate, look: Look) -> Iterable[tuple[str, Truth, bool]]:
    """What each earlier run of this base says about the gate, in the order of time."""
    by_run: dict[tuple[str, str], list[HistoryLine]] = {}
    for probe in sorted(look.book.probes_of_gates[gate.id]) if look.run.history else ():
        for line in look.nights.get(probe, ()):
            by_run.setdefault((line.time, line.run), []).append(line)
    for (time, _), lines in sorted(by_run.items()):
        if gate.met_by is not None:
            yield time, decide(gate.met_by, _remembered(look, lines), gate.id).truth, False


def _remembered(look: Look, lines: Sequence[HistoryLine]) -> Look:
    """An earlier run as far as history tells of it: outcomes, without documents."""
    findings = tuple(
        Finding.model_construct(
            source=Source.model_construct(probe=line.probe, digest=line.digest),
            subject=line.subject,
            verdict=Verdict.model_construct(
                outcome=line.outcome, message="", citations=(), values={}, reason=line.reason
            ),
            basis="demonstrated",
            class_="E4",
            evidence=(),
        )
        for line in lines
    )
    run = look.run.run.model_copy(update={"started": lines[0].time})
    earlier = ScoredRun(run, look.run.facts, findings, {})
    return Look(earlier, look.book, datetime.fromisoformat(lines[0].time).date())


def _line(gate: Gate, course: Course, why: str, leaves: Iterable[Leaf]) -> GateScore:
    held = tuple(leaves)
    return GateScore(
        id=gate.id,
        title=gate.title,
        state=course.state,
        why=why,
        cap=gate.cap,
        private_alert=gate.private_alert,
        findings=tuple(sorted({leaf.probe for leaf in held if leaf.probe})),
        attestations=tuple(sorted({leaf.attestation for leaf in held if leaf.attestation})),
        last_seen=course.last_seen,
    )
