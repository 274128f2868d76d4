"""The course of one key of one target: what is suspected, confirmed, over, or only flapping. Pure; no clock runs here.

A key is *suspect* once it was read as worse than its baseline, and *open* when it was read so again (`confirm_looks`).
It is *clearing* once it was read as good again, and *steady* after `clear_looks` of these in a row: one good answer
closes nothing. A key that turns between good and bad too often is *flapping*: it is told once and stays quiet until it
has been calm. A change for the worse that lasts `accept_days` becomes the baseline.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from prober.nouns.facts import Judgement
from prober.nouns.incident import KeyState, Reading
from prober.nouns.monitor import AlertRules

Event = Literal["suspected", "opened", "flapping", "closed", "accepted", "changed"]
Judge = Callable[[str, str | None, str | None], Judgement]
AT_ONCE = ("gate", "certificate_life")
"""Areas whose readings need no second look: a gate is told at once, and a date in a certificate does not flicker."""
SIGHT = "sight"
"""Whether prober could see anything of the target; its key is bad where it was turned away."""
MOST_TURNS = 50


@dataclass(frozen=True)
class Turned:
    """How a key stands after a look, and what happened to it in that look; `event` is None where nothing did."""

    state: KeyState
    event: Event | None = None
    before: str | None = None
    """The baseline before this look."""


def advance(state: KeyState | None, reading: Reading, at: str, rules: AlertRules, judge: Judge) -> Turned:
    """The next state of a key. `at` is the UTC instant of the look."""
    if state is None:
        return Turned(KeyState(key=reading.key, baseline=reading.value, value=reading.value))
    bad = judge(state.key, state.baseline, reading.value) == "regression"
    was_bad = state.course in ("suspect", "open") or (state.course == "flapping" and state.bad > 0)
    turns = state.turns
    if bad != was_bad:
        turns = (*turns, at)[-MOST_TURNS:]
    turns = _recent(turns, at, rules)
    counted: dict[str, Any] = {
        "value": reading.value,
        "bad": state.bad + 1 if bad else 0,
        "good": 0 if bad else state.good + 1,
        "turns": turns,
    }
    if state.course == "flapping":
        return _flapping(state, reading, bad, at, counted, rules)
    if len(turns) >= rules.flap_turns:
        counted |= {"bad": 1 if bad else 0, "good": 0 if bad else 1}
        flapping = state.model_copy(update=counted | {"course": "flapping", "since": state.since or at})
        return Turned(flapping, "flapping", state.baseline)
    if state.course == "steady":
        return _steady(state, reading, bad, at, counted, rules)
    if state.course == "suspect":
        if not bad:
            return Turned(_at_rest(state, counted, reading.value))
        if counted["bad"] < _confirms(state.key, rules):
            return Turned(state.model_copy(update=counted))
        return Turned(state.model_copy(update=counted | {"course": "open"}), "opened", state.baseline)
    return _open(state, reading, bad, at, counted, rules)


def _steady(
    state: KeyState, reading: Reading, bad: bool, at: str, counted: dict[str, Any], rules: AlertRules
) -> Turned:
    if not bad:
        event: Event | None = "changed" if reading.value != state.baseline else None
        return Turned(_at_rest(state, counted, reading.value), event, state.baseline)
    if _confirms(state.key, rules) == 1:
        return Turned(state.model_copy(update=counted | {"course": "open", "since": at}), "opened", state.baseline)
    return Turned(state.model_copy(update=counted | {"course": "suspect", "since": at}), "suspected", state.baseline)


def _open(state: KeyState, reading: Reading, bad: bool, at: str, counted: dict[str, Any], rules: AlertRules) -> Turned:
    """Open or clearing."""
    if bad:
        # At least one look in each week of it: a clock that jumps ahead makes nothing the usual.
        lasted = _elapsed(state.since or at, at) >= timedelta(days=rules.accept_days)
        if lasted and counted["bad"] > rules.accept_days // 7 and not _is_never_usual(state):
            return Turned(_at_rest(state, counted, reading.value), "accepted", state.baseline)
        # A clock that was put back since it began would make it last as much longer.
        since = min(state.since or at, at)
        return Turned(state.model_copy(update=counted | {"course": "open", "since": since}))
    if counted["good"] < (1 if _area(state.key) in AT_ONCE else rules.clear_looks):
        return Turned(state.model_copy(update=counted | {"course": "clearing"}))
    return Turned(_at_rest(state, counted, reading.value), "closed", state.baseline)


def _is_never_usual(state: KeyState) -> bool:
    """Whether no time makes it how things are: a gate, a private finding, an outage, the end of a certificate."""
    private = state.change is not None and state.change.private
    return private or _area(state.key) in (*AT_ONCE, "availability", SIGHT)


def _flapping(
    state: KeyState, reading: Reading, bad: bool, at: str, counted: dict[str, Any], rules: AlertRules
) -> Turned:
    if (counted["bad"] if bad else counted["good"]) < rules.calm_looks:
        return Turned(state.model_copy(update=counted))
    if bad:
        return Turned(state.model_copy(update=counted | {"course": "open", "turns": ()}))
    return Turned(_at_rest(state, counted | {"turns": ()}, reading.value), "closed", state.baseline)


def _confirms(key: str, rules: AlertRules) -> int:
    """How many looks in a row must be bad before the key is open."""
    if _area(key) in AT_ONCE:
        return 1
    return rules.blind_nights if key == SIGHT else rules.confirm_looks


def _area(key: str) -> str:
    return key.partition("/")[0]


def _at_rest(state: KeyState, counted: dict[str, Any], baseline: str | None) -> KeyState:
    """Steady, with what is so now as the baseline."""
    rest = {"course": "steady", "baseline": baseline, "since": None, "bad": 0, "good": 0, "change": None}
    return state.model_copy(update=counted | rest)


def _recent(turns: tuple[str, ...], at: str, rules: AlertRules) -> tuple[str, ...]:
    """The turns that count: those of these days, and none that a clock saw which has been put back since."""
    return tuple(one for one in turns if abs(_elapsed(one, at)) <= timedelta(days=rules.flap_days))


def _elapsed(since: str, until: str) -> timedelta:
    return datetime.fromisoformat(until) - datetime.fromisoformat(since)
