"""What would tell the public of a gate of safety without naming it: levels that move since a door stands open. Pure.

A door that stands open moves levels in two ways. What rests on it falls. And what the server kept behind a login is
seen for once, so levels rise, on the night of the opening or on a later one, and fall when the door is shut.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from prober.diff.comparing import private_gates, resting_on
from prober.nouns.facts import Change, Facts
from prober.nouns.incident import Incident, KeyState
from prober.nouns.model import MaturityModel

FIRED = ("suspected", "confirmed", "would_apply")
_CLOSED = "protected"
"""The reason for which a look could not see what the server keeps behind a login."""


def without_hints(
    changes: Sequence[Change],
    standing: Sequence[Facts],
    now: Facts,
    states: Mapping[str, KeyState],
    incidents: Iterable[Incident],
    earlier: Callable[[Iterable[str]], Sequence[Facts]],
    model: MaturityModel | None,
) -> list[Change]:
    """The changes, with those marked as private that would tell of a door that stands open, or stood open when what
    they are held against was seen.

    It may be known from another kind of look, or from an open incident, or from a course that ended a moment ago, since
    levels may be compared some nights later than what they follow from.
    """
    was = {fact.key: fact.value for one in standing for fact in one.facts}
    values = {fact.key: fact.value for fact in now.facts}
    since = min((one.started for one in standing if {"criterion", "label"} & set(one.seen)), default="")
    private = {key for one in incidents if one.private for key in one.keys}
    doors = {
        gate: probes
        for gate, probes in private_gates(model).items()
        if any(
            was.get(key) in bad or values.get(key) in bad or key in private or _was_bad(states.get(key), since)
            for key, bad in ((f"gate/{gate}", FIRED), *((f"finding/{one}", ("absent",)) for one in probes))
        )
    }
    if not doors:
        return list(changes)
    telling = resting_on(model, (probe for probes in doors.values() for probe in probes))
    moved = {_name(one) for one in changes if _area(one.key) == "criterion"} - telling
    asked = {key.partition("/")[2] for key in (*was, *values) if _area(key) in ("finding", "undecided")}
    below = {probe for probe in asked if moved & resting_on(model, [probe])}
    keys = [f"undecided/{probe}" for probe in sorted(below)]
    before = {fact.key for one in (earlier(keys) if keys else ()) for fact in one.facts if fact.value == _CLOSED}
    telling |= resting_on(
        model,
        (
            key.partition("/")[2]
            for key in keys
            if key in before or was.get(key) == _CLOSED or values.get(key) == _CLOSED
        ),
    )

    def tells(one: Change) -> bool:
        area = _area(one.key)
        return (
            area == "label"
            or (area == "criterion" and _name(one) in telling)
            or (area == "gate" and _name(one) in doors)
        )

    return [one.model_copy(update={"private": True}) if tells(one) else one for one in changes]


def _was_bad(state: KeyState | None, since: str) -> bool:
    """Whether this course is or was anything but steady since an instant."""
    return state is not None and (state.course != "steady" or any(turn > since for turn in state.turns))


def _area(key: str) -> str:
    return key.partition("/")[0]


def _name(change: Change) -> str:
    return change.key.partition("/")[2]
