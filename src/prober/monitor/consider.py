"""What a look means after those before it: its changes, the courses of its keys, incidents, and what is told. Pure.

Nothing here asks a server, a clock or a database, so the same looks give the same incidents wherever they are replayed.
"""

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from prober.diff import compare, judgement_of, words
from prober.history.store import Recorded
from prober.monitor.course import SIGHT, Turned, advance
from prober.monitor.doors import FIRED, without_hints
from prober.monitor.news import closed_message, confirmed_message, more_message, opened_message, own_words
from prober.nouns.bundle import Waiver
from prober.nouns.facts import Change, Delta, Fact, Facts, Judgement, Side
from prober.nouns.finding import Reason
from prober.nouns.incident import Incident, IncidentKind, KeyState, Message, Reading
from prober.nouns.look import Look
from prober.nouns.model import MaturityModel
from prober.nouns.monitor import AlertRules

AVAILABILITY, CERTIFICATE = "availability", "certificate_life"
OWN = (AVAILABILITY, CERTIFICATE, SIGHT)
"""The keys that the monitor makes itself."""
UNDECIDED = "undecided"
"""The area of findings that a look could not decide: what they were before stands on meanwhile."""
FOLLOW = ("criterion", "label", "rule_book")
"""Areas that follow from others: they are told with what caused them and open no incident of their own."""
TRANSIENT: tuple[Reason, ...] = (
    "unreachable",
    "timed_out",
    "server_error",
    "rate_limited",
    "unavailable",
    "job_unfinished",
    "budget",
    "deadline",
)
"""Reasons that say more about the moment than about the server: what follows from such a look is not compared."""
OF_LITTLE = frozenset({"finding", UNDECIDED, "tls", "certificate", "certificate_name", "latency"})
"""The areas of facts that a look tells of which asks for some probes alone."""
PAGE = "page"
"""The area of published pages: one that could not be seen, among others that were, is what it was."""
_ALARMS = ("suspected", "confirmed")
"""The states of a gate that are told. One that would apply on production is none on a sandbox."""
_LIVES = ("enough", "short", "expired")
Send = Callable[[Message], tuple[tuple[str, str], ...]]
"""Whom a message goes to, each with the instant from which on it may be sent."""


@dataclass(frozen=True)
class Before:
    """What the history knows of a target before a look."""

    standing: tuple[Facts, ...] = ()
    states: Mapping[str, KeyState] = field(default_factory=dict)
    incidents: tuple[Incident, ...] = ()
    """The open ones."""
    earlier: Callable[[Iterable[str]], Sequence[Facts]] = lambda _: ()


@dataclass(frozen=True)
class Policy:
    """How this monitor decides what is told."""

    rules: AlertRules
    send: Send
    waivers: tuple[Waiver, ...] = ()
    model: MaturityModel | None = None
    nightly: frozenset[str] = frozenset()
    """The kinds of look that are made once in a night or a week: only these tell of blind nights."""


@dataclass(frozen=True)
class Considered:
    """What to keep of a look, and the keys that a second look should settle."""

    recorded: Recorded
    suspects: tuple[str, ...] = ()


def consider(look: Look, facts: Facts | None, before: Before, policy: Policy) -> Considered:
    """Everything that follows from one look.

    A look that found the target down, could not see it, or fell into a planned maintenance, tells of that and of
    nothing else: what its findings say is kept for the score, and compared with nothing until a look comes that can be.
    """
    troubled = look.planned or look.up == "down" or _is_blind(facts, before)
    kept = _kept(facts, look, before, troubled=troubled) if facts is not None else None
    delta = _delta(kept, before, policy) if kept is not None and not troubled else None
    own = frozenset(fact.key for fact in facts.facts) if facts is not None else frozenset[str]()
    untested = _untested(facts) if facts is not None else frozenset[str]()
    readings = _readings(look, kept, delta, before, policy, own, untested, troubled=troubled)
    turned = [_turn(reading, change, before, look, policy) for reading, change in readings]
    if kept is not None and any(one.event == "suspected" for one in turned):
        # What follows from something that a second look may take back is compared when it is settled.
        kept = kept.without(*FOLLOW)
        delta = delta.model_copy(update={"changes": _not_following(delta.changes)}) if delta is not None else None
    incidents, messages = _incidents(look, turned, before, policy)
    states = {one.state.key: one.state for one in turned}
    states |= _held_back(kept, before) if kept is not None and troubled else {}
    named = {key: incident.id for incident in incidents.values() for key in incident.keys if incident.closed is None}
    keep = {key: one.model_copy(update={"incident": named.get(key, one.incident)}) for key, one in states.items()}
    settled = tuple(sorted(key for key, one in keep.items() if _is_settled(one) and key in before.states))
    recorded = Recorded(
        look=look.model_copy(update={"seen": kept.seen if kept is not None else ()}),
        facts=kept,
        delta=delta,
        states=tuple(one for _, one in sorted(keep.items()) if not _is_settled(one)),
        settled=settled,
        incidents=tuple(incidents.values()),
        messages=tuple((one, policy.send(one)) for one in messages),
    )
    suspects = [one.state.key for one in turned if one.event == "suspected"]
    return Considered(recorded, tuple(key for key in suspects if key != SIGHT))


def worse(key: str, before: str | None, after: str | None) -> Judgement:
    """Whether one reading is worse than another: by the rules of the diff, and those of the monitor's own keys."""
    if before == after:
        return "neutral"
    if key == AVAILABILITY:
        return "regression" if after == "down" else "improvement"
    if key == SIGHT:
        if before is not None and before != "clear" and after != "clear":
            return "neutral"
        return "improvement" if after == "clear" else "regression"
    if key == CERTIFICATE:
        if after not in _LIVES or before not in _LIVES:
            return "neutral"
        return "regression" if _LIVES.index(after) > _LIVES.index(before) else "improvement"
    return judgement_of(key, before, after)


def _is_settled(state: KeyState) -> bool:
    """Whether nothing of this course needs remembering: what the key is stands in the facts."""
    if state.key == SIGHT and state.baseline != "clear":
        return False
    return state.course == "steady" and not state.turns and state.value == state.baseline


def _held_back(kept: Facts, before: Before) -> dict[str, KeyState]:
    """Findings that are others than before in a look that can be compared with nothing, with what they were before."""
    was = {fact.key: fact.value for one in before.standing for fact in one.facts}
    return {
        fact.key: KeyState(key=fact.key, baseline=was[fact.key], value=fact.value)
        for fact in kept.facts
        if _area(fact.key) == "finding"
        and was.get(fact.key, fact.value) != fact.value
        and fact.key not in before.states
    }


def _kept(facts: Facts, look: Look, before: Before, *, troubled: bool) -> Facts:
    """The facts as they are kept: what a look could not decide, or did not ask, stands on as it was."""
    held = {fact.key: fact for one in before.standing for fact in one.facts}
    seen = set(facts.seen) | ({UNDECIDED} if "finding" in facts.seen else set())
    if troubled:
        seen &= {"finding", UNDECIDED}
    elif look.probes is not None and look.part == 0:
        # A look that asks little tells of what it asks; what follows from it is seen by the whole look.
        seen &= OF_LITTLE
    kept: dict[str, Fact] = {}
    transient = False
    for fact in facts.facts:
        area, _, name = fact.key.partition("/")
        outcome, _, reason = fact.value.partition(":")
        if fact.value == "untested" and area == "gate" and fact.key in held:
            # One that fired and is untested now was cleared by others: what it was is no more.
            kept[fact.key] = fact if held[fact.key].value in FIRED else held[fact.key]
            continue
        if area != "finding" or outcome != "unknown":
            kept[fact.key] = fact
            continue
        transient = transient or reason.strip() in TRANSIENT
        kept[f"{UNDECIDED}/{name}"] = fact.model_copy(update={"key": f"{UNDECIDED}/{name}", "value": reason.strip()})
        if fact.key in held:
            kept[fact.key] = held[fact.key]
    # A page that could not be seen, or that nobody asked for this time, is what it was.
    kept |= {key: fact for key, fact in held.items() if _area(key) == PAGE and key not in kept}
    if look.probes is not None:
        for key, fact in held.items():
            area, _, name = key.partition("/")
            if area in ("finding", UNDECIDED) and name not in look.probes:
                kept[key] = fact
    if transient or look.probes is not None:
        seen -= set(FOLLOW)
    if look.probes is not None:
        seen.discard("gate")
    return facts.model_copy(
        update={
            "seen": tuple(sorted(seen)),
            "facts": tuple(kept[key] for key in sorted(kept) if _area(key) in seen),
        }
    )


def _delta(kept: Facts, before: Before, policy: Policy) -> Delta | None:
    """The changes against what stood before: each area against the look that last saw it."""
    shown = kept.without(UNDECIDED)
    changes: list[Change] = []
    now = _values(shown)
    changed = [key for one in before.standing for key in _different(_values(one), now, one.seen)]
    earlier = before.earlier(changed) if changed else ()
    for one in before.standing:
        old = _as_last_compared(one, before)
        seen = tuple(area for area in shown.seen if area in old.seen)
        facts = tuple(fact for fact in shown.facts if _area(fact.key) in seen)
        if old.subject == shown.subject and _values(old) == {fact.key: fact.value for fact in facts}:
            # As on most nights: nothing is another value than it was.
            continue
        changes += compare(
            old, shown.model_copy(update={"seen": seen, "facts": facts}), earlier=earlier, model=policy.model
        ).changes
    if not before.standing:
        return None
    undecided = {fact.key.partition("/")[2] for fact in kept.facts if _area(fact.key) == UNDECIDED}
    changes = [one for one in changes if _is_seen(one, undecided)]
    if changes:
        changes = without_hints(
            changes, before.standing, kept, before.states, before.incidents, before.earlier, policy.model
        )
    return Delta(
        subject=kept.subject,
        before=before.standing[-1].run,
        after=kept.run,
        changes=tuple(sorted(changes, key=lambda one: one.key)),
    )


def _is_seen(change: Change, undecided: Container[str]) -> bool:
    """Whether this look saw it: what it could not decide, or a gate that it cannot test, is nothing that came back."""
    area, _, name = change.key.partition("/")
    if area == "gate":
        return change.after.value != "untested"
    return area != "finding" or name not in undecided


def _untested(facts: Facts) -> frozenset[str]:
    """The gates that this look could not decide."""
    return frozenset(one.key for one in facts.facts if _area(one.key) == "gate" and one.value == "untested")


def _as_last_compared(one: Facts, before: Before) -> Facts:
    """What stood before, with what it was in the last look that could be compared."""
    held_back = {
        key: state.baseline
        for key, state in before.states.items()
        if state.course == "steady" and state.value != state.baseline and state.baseline is not None
    }
    plain = one.without(UNDECIDED)
    facts = tuple(
        fact.model_copy(update={"value": held_back[fact.key]}) if fact.key in held_back else fact
        for fact in plain.facts
    )
    return plain.model_copy(update={"facts": facts})


def _values(facts: Facts) -> dict[str, str]:
    return {fact.key: fact.value for fact in facts.facts}


def _different(old: Mapping[str, str], new: Mapping[str, str], seen: Sequence[str]) -> list[str]:
    keys = {*old, *(key for key in new if _area(key) in seen)}
    return sorted(key for key in keys if old.get(key) != new.get(key))


def _readings(
    look: Look,
    kept: Facts | None,
    delta: Delta | None,
    before: Before,
    policy: Policy,
    own: frozenset[str],
    untested: Container[str],
    *,
    troubled: bool,
) -> list[tuple[Reading, Change | None]]:
    """What this look read: its own keys, what changed, and what has a course already.

    Courses are those of the target, of all kinds of look together: one that cannot see a thing says nothing of it.
    """
    found: dict[str, tuple[Reading, Change | None]] = {}
    if look.up != "undecided" and not (look.planned and look.up == "down"):
        found[AVAILABILITY] = (Reading(key=AVAILABILITY, value=look.up), None)
    if kept is None:
        return list(found.values())
    sight = _sight_read(kept)
    untroubled = not look.planned and look.up != "down"
    if sight is not None and look.plan in policy.nightly and look.part == 0 and untroubled:
        found[SIGHT] = (Reading(key=SIGHT, value=sight), None)
    if look.certificate is not None:
        found[CERTIFICATE] = (Reading(key=CERTIFICATE, value=look.certificate), None)
    if troubled:
        return [found[key] for key in sorted(found)]
    for change in delta.changes if delta is not None else ():
        if _area(change.key) not in FOLLOW and not _would_apply(change, before):
            found[change.key] = (Reading(key=change.key, value=change.after.value), change)
    now = {fact.key: fact.value for fact in kept.facts}
    undecided = {key.partition("/")[2] for key in now if _area(key) == UNDECIDED}
    known = {fact.key for one in before.standing for fact in one.facts}
    for key, value in now.items():
        # A gate that fires in the first look of all has no change that would tell of it.
        if _area(key) == "gate" and value in _ALARMS and key not in found and key not in known:
            found[key] = (Reading(key=key, value=value), None)
    for key in before.states:
        area, _, name = key.partition("/")
        asked = look.probes is None or area != "finding" or name in look.probes
        asked = asked and (area != PAGE or key in own)
        decided = key not in untested and not (area == "finding" and name in undecided)
        if key not in found and area in kept.seen and asked and decided:
            found[key] = (Reading(key=key, value=now.get(key)), None)
    return [found[key] for key in sorted(found)]


def _would_apply(change: Change, before: Before) -> bool:
    """Whether a gate fires that would count on production alone: no alarm, but one that was raised stays."""
    values = (change.before.value, change.after.value)
    return _area(change.key) == "gate" and "would_apply" in values and change.key not in before.states


def _is_blind(facts: Facts | None, before: Before) -> bool:
    """Whether the CapabilityStatement could not be seen: for a reason of the moment, or though it was seen before."""
    served = "finding/capability_statement_served"
    value = next((one.value for one in (facts.facts if facts else ()) if one.key == served), "")
    outcome, _, reason = value.partition(":")
    was_seen = any(fact.key == served for one in before.standing for fact in one.facts)
    return outcome == "unknown" and (was_seen or reason.strip() in TRANSIENT)


def _sight_read(kept: Facts) -> str | None:
    found = next((one for one in kept.facts if one.key == f"{UNDECIDED}/capability_statement_served"), None)
    if found is not None:
        return found.value
    return "clear" if any(one.key == "finding/capability_statement_served" for one in kept.facts) else None


def _turn(reading: Reading, change: Change | None, before: Before, look: Look, policy: Policy) -> Turned:
    state = before.states.get(reading.key)
    if state is None and change is not None:
        state = KeyState(key=reading.key, baseline=change.before.value, value=change.before.value)
    elif state is None:
        # The monitor's own keys, and gates, begin as they should be: what is down from the first night is told.
        good = {AVAILABILITY: "up", SIGHT: "clear", CERTIFICATE: "enough"}.get(reading.key, "clean")
        if reading.key == SIGHT and reading.value not in TRANSIENT and not before.standing:
            # A server that asks for a login from the first night on is so, and no news.
            good = reading.value or "clear"
        state = KeyState(key=reading.key, baseline=good, value=good)
    turned = advance(state, reading, look.began, policy.rules, worse)
    if turned.event in ("suspected", "opened", "flapping") and (change := change or state.change) is not None:
        # The look that confirms sees nothing new, so what the first one saw is remembered.
        return Turned(turned.state.model_copy(update={"change": change}), turned.event, turned.before)
    return Turned(turned.state, turned.event, turned.before)


def _incidents(
    look: Look, turned: Sequence[Turned], before: Before, policy: Policy
) -> tuple[dict[str, Incident], list[Message]]:
    """The incidents that this look opened, altered or closed, and what is told of them."""
    open_now = {one.id: one for one in before.incidents}
    touched: dict[str, Incident] = {}
    told: list[Message] = []
    courses = {key: one.course for key, one in before.states.items()}
    courses |= {one.state.key: one.state.course for one in turned}
    fresh: list[str] = []
    belongs = {key: one.id for one in reversed(before.incidents) for key in one.keys}
    # A statement may lose thousands of things in one look, so what is added to an incident is added at once.
    added: dict[str, list[Change]] = {}
    for one in turned:
        if one.event not in ("opened", "flapping"):
            continue
        if (id_ := belongs.get(one.state.key)) is not None:
            # A flapping key goes on in the incident that it has.
            if one.event == "flapping" and open_now[id_].kind != "flapping":
                touched[id_] = open_now[id_] = open_now[id_].model_copy(update={"kind": "flapping"})
            continue
        change = one.state.change or _as_change(look, one, policy)
        incident = _incident_of(look, one, change, open_now)
        if incident.id not in open_now:
            fresh.append(incident.id)
            open_now[incident.id] = incident
        added.setdefault(incident.id, []).append(change)
    for id_, changes in added.items():
        touched[id_] = open_now[id_] = _with_more(open_now[id_], changes, look, policy)
    joined = {id_: changes for id_, changes in added.items() if id_ not in fresh}
    for id_ in fresh:
        told += [opened_message(open_now[id_], look)] if open_now[id_].waived_by is None else []
    told += _told_of_more(look, joined, open_now, before)
    told += [
        confirmed_message(open_now[there.id], look)
        for one in turned
        if _area(one.state.key) == "gate" and one.state.value == "confirmed" and one.state.course == "open"
        for there in before.incidents
        if one.state.key in there.keys and before.states[one.state.key].value != "confirmed"
    ]
    today = look.began[:10]
    for id_, incident in list(open_now.items()):
        if id_ in fresh or id_ in joined:
            continue
        if incident.waived_by is not None and _waiver(incident.keys, incident.changes, policy.waivers, today) is None:
            awake = incident.model_copy(update={"waived_by": None})
            touched[id_] = open_now[id_] = awake
            told.append(opened_message(awake, look, waiver_over=True))
    accepted = {one.state.key for one in turned if one.event == "accepted"}
    for id_, incident in list(open_now.items()):
        if any(courses.get(key) in ("open", "clearing", "flapping") for key in incident.keys):
            continue
        because = "accepted" if accepted & set(incident.keys) else "recovered"
        closed = incident.model_copy(update={"closed": look.began, "closed_because": because})
        touched[id_] = closed
        told += [closed_message(closed, look)] if closed.waived_by is None else []
    return touched, told


def _told_of_more(
    look: Look, joined: Mapping[str, Sequence[Change]], open_now: Mapping[str, Incident], before: Before
) -> list[Message]:
    """What is told of incidents that more belongs to, now that it was confirmed as well."""
    silent = {one.id for one in before.incidents if one.waived_by is not None}
    told = []
    for id_, changes in joined.items():
        incident = open_now[id_]
        if incident.waived_by is not None or incident.kind == "gate":
            # What a gate rests on goes with it, and the gate was told.
            continue
        told.append(opened_message(incident, look) if id_ in silent else more_message(incident, changes, look))
    return told


def _incident_of(look: Look, one: Turned, change: Change, open_now: Mapping[str, Incident]) -> Incident:
    """The incident that this key belongs to, still without it: what went wrong in one look is one incident."""
    began, kind, private = one.state.since or look.began, _kind(one), change.private
    alike = [one for one in open_now.values() if one.began == began and one.private == private]
    fellow = next((one for one in alike if one.kind == kind), None)
    if fellow is None and private:
        fellow = next((one for one in alike if one.kind == "gate"), None)
    if fellow is not None:
        return fellow
    named = f"{look.target}\n{began}\n{kind}\n{private}"
    return Incident(
        id=hashlib.sha256(named.encode()).hexdigest()[:16],
        target=look.target,
        title="",
        keys=(),
        kind=kind,
        private=private,
        began=began,
        opened=look.began,
    )


def _with_more(incident: Incident, more: Sequence[Change], look: Look, policy: Policy) -> Incident:
    """An incident with the changes that this look added to it."""
    keys = tuple(sorted({*incident.keys, *(one.key for one in more)}))
    changes = tuple(sorted((*incident.changes, *more), key=_rank))
    return incident.model_copy(
        update={
            "title": _title(look.target, incident.kind, changes),
            "keys": keys,
            "changes": changes,
            "waived_by": _waiver(keys, changes, policy.waivers, look.began[:10]),
        }
    )


def _kind(one: Turned) -> IncidentKind:
    if one.event == "flapping":
        return "flapping"
    own: dict[str, IncidentKind] = {AVAILABILITY: "outage", SIGHT: "blind", CERTIFICATE: "certificate"}
    return own.get(one.state.key, "gate" if _area(one.state.key) == "gate" else "change")


def _as_change(look: Look, one: Turned, policy: Policy) -> Change:
    """A reading of the monitor's own as a change, or one whose look saw nothing new."""
    state = one.state
    area, _, name = state.key.partition("/")
    gates = {gate.id: gate.private_alert for gate in policy.model.gates} if policy.model is not None else {}
    own = state.key in OWN
    return Change(
        key=state.key,
        kind="altered",
        judgement="regression",
        private=area == "gate" and gates.get(name, True),
        what=own_words(state.key, one.before, state.value) if own else words(state.key, one.before, state.value),
        before=Side(run=look.run, started=state.since or look.began, value=one.before),
        after=Side(run=look.run, started=look.began, value=state.value),
    )


def _title(target: str, kind: str, changes: Sequence[Change]) -> str:
    what = changes[0].what.rstrip(".")
    if kind == "flapping":
        return f"{target} goes back and forth: {what}"
    more = len(changes) - 1
    return f"{target}: {what}" + (f", and {more} more" if more > 0 else "")


def _rank(change: Change) -> tuple[int, str]:
    """What is told first: what a person would call the cause."""
    order = (AVAILABILITY, SIGHT, CERTIFICATE, "gate", "finding/capability_statement_served")
    area = _area(change.key)
    if change.key in order:
        return order.index(change.key), change.key
    if area == "gate":
        return 3, change.key
    return (7 if area == "finding" else 8 if area in FOLLOW else 6), change.key


def _waiver(keys: Iterable[str], changes: Iterable[Change], waivers: Sequence[Waiver], today: str) -> str | None:
    """Who lives with all of these keys until when; None where one of them is not waived."""
    criteria = {change.key: set(change.criteria) for change in changes}
    owners: list[str] = []
    for key in keys:
        named = {key, key.partition("/")[2], *criteria.get(key, ())}
        found = next((one for one in waivers if one.about in named and one.expires >= today), None)
        if found is None:
            return None
        owners.append(f"{found.owner}, until {found.expires}")
    return owners[0] if owners else None


def _not_following(changes: Sequence[Change]) -> tuple[Change, ...]:
    return tuple(one for one in changes if _area(one.key) not in FOLLOW)


@lru_cache(maxsize=65_536)
def _area(key: str) -> str:
    return key.partition("/")[0]
