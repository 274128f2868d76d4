"""Which changes a digest tells: each once, however many kinds of look saw it, and no endless to and fro. Pure.

Behind a load balancer two releases may answer in turn, night after night. That is no incident, since neither is worse;
told each time it would be noise. So once it turned as often as what flaps (`flap_turns` in `flap_days`), it is said
once between which values it goes back and forth, and then only of a value that is none of these. What has been still
for `flap_days` is told as any other change again. The history keeps every one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from prober.diff.families import FAMILIES, area_of, parts_of
from prober.monitor.consider import FOLLOW
from prober.monitor.news import alternating_words
from prober.nouns.facts import Change
from prober.nouns.monitor import AlertRules

Seen = tuple[int, str, Change]
"""The number of a look, the target, and a change that it saw."""
Told = Literal["plainly", "as alternating", "not"]


@dataclass
class _Course:
    """How one fact of a target went, change by change."""

    turns: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """The instant of each, and the values on either side."""
    between: set[str | None] | None = None
    """The values between which it goes back and forth; None while it does not."""

    def turn(self, change: Change, rules: AlertRules) -> Told:
        at, before, after = change.after.started, change.before.value, change.after.value
        while self.turns and _apart(self.turns[0][0], at) > timedelta(days=rules.flap_days):
            self.turns.pop(0)
        is_still = not self.turns
        self.turns.append((at, before, after))
        if is_still:
            self.between = None
        if self.between is not None:
            is_new = after not in self.between
            self.between.add(after)
            return "plainly" if is_new else "not"
        values = {value for _, was, now in self.turns for value in (was, now)}
        # A server that goes on to a new release every night turns as often, and to nothing that it was before.
        if len(self.turns) < rules.flap_turns or len(values) > max(2, len(self.turns) // 2):
            return "plainly"
        self.between = values
        return "as alternating"


def of_a_night(earlier: Iterable[Seen], listed: Sequence[Seen], rules: AlertRules) -> list[tuple[str, Change]]:
    """What changed in a night in all, after what was told before (`earlier`, oldest first), by target.

    What two kinds of look saw is one change, and what a second look saw as it was before is none.
    """
    courses: dict[tuple[str, str], _Course] = {}
    known: dict[tuple[str, str], str | None] = {}
    for _, target, change in earlier:
        _next(target, change, known, courses, rules)
    first: dict[tuple[str, str], Change] = {}
    last: dict[tuple[str, str], Change] = {}
    ways: dict[tuple[str, str], set[Told]] = {}
    for _, target, change in listed:
        key = (target, change.key)
        way = _next(target, change, known, courses, rules)
        if way is not None:
            first.setdefault(key, change)
            last[key] = change
            ways.setdefault(key, set()).add(way)
    found = []
    for key, change in last.items():
        if "as alternating" in ways[key]:
            found.append((key[0], _alternating(change, courses[key].between or set(), rules)))
        elif "plainly" in ways[key] and first[key].before.value != change.after.value:
            found.append((key[0], change))
    return found


def _next(
    target: str,
    change: Change,
    known: dict[tuple[str, str], str | None],
    courses: dict[tuple[str, str], _Course],
    rules: AlertRules,
) -> Told | None:
    """How a change is told; None where another kind of look has seen it already."""
    key = (target, change.key)
    if key in known and known[key] == change.after.value:
        return None
    known[key] = change.after.value
    if change.judgement != "neutral" and area_of(change.key) not in FOLLOW:
        # What is better or worse has a course of its own, and is told as flapping.
        return "plainly"
    return courses.setdefault(key, _Course()).turn(change, rules)


def _alternating(change: Change, values: set[str | None], rules: AlertRules) -> Change:
    area = area_of(change.key)
    family = FAMILIES.get(area)
    noun = family.noun(parts_of(change.key)) if family is not None else change.key
    shown = {None if one is None else _shown(area, one) for one in values}
    what = alternating_words(noun, shown, rules.flap_days, hint=area not in FOLLOW)
    return change.model_copy(update={"what": what, "returned": None})


def _shown(area: str, value: str) -> str:
    """A value as it is read: levels that are not sure and labels have more to them."""
    if area == "criterion":
        low, _, high = value.partition("..")
        return f"level {low}" if high in ("", low) else f"level {low} to {high}"
    return value.partition(" (step ")[0] if area == "label" else value


def _apart(one: str, other: str) -> timedelta:
    """How far two instants lie apart; a clock that was put back counts as one that went on."""
    return abs(datetime.fromisoformat(other) - datetime.fromisoformat(one))
