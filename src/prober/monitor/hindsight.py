"""What the history tells to people who ask it: how targets stand, what happened, and how it went over time.

Everything here reads and nothing writes, so it works beside a monitor that is at work.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import get_args

from prober.clock import instant
from prober.history.packing import unpacked
from prober.history.store import Course, History
from prober.mistake import Mistake
from prober.monitor.settings import Settings
from prober.monitor.slots import gaps_between, planned_windows, slot_at
from prober.nouns.facts import Change
from prober.nouns.hindsight import (
    Gap,
    Held,
    Hindsight,
    KeptBundle,
    Latency,
    Percent,
    PlannedTime,
    Polled,
    Seen,
    SeenChange,
    SlaIncident,
    SlaReport,
    TargetLine,
    Trend,
    Week,
)
from prober.nouns.incident import Incident
from prober.nouns.look import Look
from prober.nouns.monitor import LookPlan, Target
from prober.nouns.polls import SAMPLE_KINDS, PollDay, SampleKind, Window
from prober.nouns.run import Depth
from prober.polls.figures import (
    FINE,
    Availability,
    availability,
    breaks,
    certificate_days,
    days_at_level,
    error_budget,
    percent,
    times,
)

USUAL = 10
"""Of each list the last so many are told where nobody says otherwise."""
MAINTENANCE_DAYS = 30
"""How far back and ahead planned maintenance is told where nobody says otherwise."""
_FOLLOWING = ("criterion", "label")
_DEPTHS: tuple[Depth, ...] = get_args(Depth)
_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Asked:
    """What somebody wants to read: of one target or of all, since a day, and of each list no more than the last."""

    target: str | None = None
    since: date | None = None
    last: int | None = None
    night: str | None = None
    incidents: bool = True
    changes: bool = True
    looks: bool = False


def hindsight(settings: Settings, history: History, asked: Asked, now: datetime) -> Hindsight:
    """What `prober history` tells. Raises Mistake for a target that the history does not know."""
    lines = target_lines(settings, history, now)
    since = instant(datetime.combine(asked.since, datetime.min.time(), UTC)) if asked.since else None
    if asked.target is None:
        night = _night(settings, history, asked.night) if asked.night is not None else ()
        return Hindsight(as_of=instant(now), night=asked.night, targets=lines, changes=night)
    known = {one.target: one for one in lines}
    if asked.target not in known:
        names = ", ".join(sorted(known)) or "none"
        raise Mistake(f"{asked.target}: the history knows no target of this name; it knows {names}.")
    line = known[asked.target]
    most = asked.last if asked.last is not None else (USUAL if since is None else 0)
    incidents = [
        one
        for one in history.incidents(target=line.target)
        if since is None or one.closed is None or one.closed >= since
    ]
    if asked.night is not None:
        changes = tuple(one for one in _night(settings, history, asked.night) if one.target == line.target)
    else:
        found = history.changes(target=line.target, began=since, most=most) if asked.changes else []
        changes = _seen(history, line.target, [one for _, _, one in found])
    target = next((one for one in settings.monitor.targets if one.name == line.target), None)
    return Hindsight(
        as_of=instant(now),
        since=since,
        last=most or None,
        night=asked.night,
        targets=(line,),
        incidents=_last(incidents, most, lambda one: one.closed is None) if asked.incidents else (),
        changes=changes,
        looks=tuple(history.looks(line.target, since=since, most=most)) if asked.looks else (),
        gaps=_gaps(settings, history, target, now, since)[-most:] if target is not None else (),
        maintenance=_maintenance(settings, history, line.target, now, since),
        bundles=_bundles(history, line, target),
    )


def target_lines(settings: Settings, history: History, now: datetime) -> tuple[TargetLine, ...]:
    """How every target stands: those of the configuration in its order, then those that it no longer names."""
    bases = history.targets()
    first, changed = history.first_looks(), history.last_changes()
    open_now = Counter(one.target for one in history.incidents(open_only=True))
    last: dict[str, Look] = {}
    scored: dict[str, Look] = {}
    places: dict[str, str] = {}
    ends: dict[str, Look] = {}
    for plan in settings.monitor.looks:
        for name, look in history.latest_of(plan).items():
            last[name] = max(last.get(name, look), look, key=lambda one: one.ended)
        for name, look in history.latest_of(plan, whole=True).items():
            if look.label is not None:
                scored[name] = max(scored.get(name, look), look, key=lambda one: one.ended)
            if look.certificate_ends is not None:
                ends[name] = max(ends.get(name, look), look, key=lambda one: one.ended)
        places |= history.now("label/name", plan)
    configured = {one.name: one.base for one in settings.monitor.targets}
    lines = []
    for name in (*configured, *sorted(set(bases) - set(configured))):
        at_last, label, certificate = last.get(name), scored.get(name), ends.get(name)
        lines.append(
            TargetLine(
                target=name,
                base=bases.get(name) or configured[name],
                configured=name in configured,
                last=at_last.ended if at_last else None,
                plan=at_last.plan if at_last else None,
                up=at_last.up if at_last else None,
                reason=at_last.reason if at_last else None,
                planned=at_last.planned if at_last else False,
                incidents=open_now.get(name, 0),
                certificate_ends=certificate.certificate_ends if certificate else None,
                certificate_days=_days_left(certificate, instant(now)) if certificate else None,
                label=_placed(label.label or "", places.get(name)) if label else None,
                model=label.model if label else None,
                first=first.get(name),
                changed=changed.get(name),
            )
        )
    return tuple(lines)


def _placed(label: str, fact: str | None) -> str:
    """The label with its place (`step 2, at most 3 of 5`), where the fact that tells it is about the same label."""
    name, _, place = (fact or "").rpartition(" (")
    return f"{label} ({place}" if name and name in label else label


def _days_left(look: Look, now: str) -> int | None:
    return certificate_days(look.certificate_ends, now) if look.certificate_ends is not None else None


def _last(found: Sequence[Incident], most: int, keep: Callable[[Incident], bool]) -> tuple[Incident, ...]:
    """The last so many, and those that are kept in any case."""
    late = found[-most:] if most else found
    return tuple(one for one in found if one in late or keep(one))


def _night(settings: Settings, history: History, slot: str) -> tuple[SeenChange, ...]:
    """Every change of a night, over all targets and kinds of look."""
    found: list[SeenChange] = []
    looked = False
    for plan in settings.monitor.looks:
        by_target: dict[str, list[Change]] = {}
        for _, target, change in history.changes(plan=plan, slot=slot):
            by_target.setdefault(target, []).append(change)
        looked = looked or bool(by_target) or bool(history.slots_done(plan, slot))
        for target, changes in by_target.items():
            found += _seen(history, target, changes)
    if not looked:
        raise Mistake(
            f"--night {slot}: no look of this name is in the history; a night is named by its date, for example "
            "2026-01-31, and a more frequent look by its UTC time, for example 2026-01-31T04-00Z."
        )
    return tuple(sorted(found, key=lambda one: (one.target, one.plan)))


def _seen(history: History, target: str, changes: Sequence[Change]) -> tuple[SeenChange, ...]:
    """Changes with the folders of both sides."""
    sides = [side for change in changes for side in (change.before, change.after)]
    looks = history.begun_at(target, (side.started for side in sides))
    found = []
    for change in changes:
        before, after = looks.get(change.before.run), looks.get(change.after.run)
        found.append(
            SeenChange(
                target=target,
                plan=after.plan if after else "",
                slot=after.slot if after else "",
                before_folder=before.folder if before else None,
                after_folder=after.folder if after else None,
                change=change,
            )
        )
    return tuple(found)


def _gaps(settings: Settings, history: History, target: Target, now: datetime, since: str | None) -> tuple[Gap, ...]:
    """Looks that nobody made between the first and now, in the order of time."""
    found = []
    for name, plan in settings.plans_of(target).items():
        slots = history.slots(target.name, name)
        for gap in gaps_between(plan, settings.zone, slots, slot_at(plan, settings.zone, now)):
            begins, ends = instant(gap.begins), instant(gap.ends)
            if since is None or ends > since:
                ran = history.has_round(begins, ends)
                one = Gap(plan=name, first=gap.first, last=gap.last, looks=gap.looks, monitor_ran=ran)
                found.append((begins, one))
    return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))


def _maintenance(
    settings: Settings, history: History, target: str, now: datetime, since: str | None
) -> tuple[PlannedTime, ...]:
    """Windows that looks fell into, and those of the configuration that are still to come."""
    known = {_time(one) for one in _windows(history, target, since or instant(now - timedelta(days=MAINTENANCE_DAYS)))}
    ahead = now + timedelta(days=MAINTENANCE_DAYS)
    known |= {_time(one) for one in planned_windows(settings.monitor.maintenance, target, settings.zone, now, ahead)}
    return tuple(sorted(known, key=lambda one: (one.begins, one.ends)))


def _windows(history: History, target: str, since: str, before: str | None = None) -> Iterable[Window]:
    for look in history.planned_looks(target, since, before):
        yield from unpacked(look).windows


def _time(one: Window) -> PlannedTime:
    return PlannedTime(begins=one.begins, ends=one.ends, in_time=one.in_time)


def _bundles(history: History, line: TargetLine, target: Target | None) -> tuple[KeptBundle, ...]:
    """The bundles that hold runs of this target, at whatever base it was."""
    bases = {line.base, *(target.moved_from if target else ())}
    kept = (KeptBundle.model_validate_json(one) for one in history.bundles())
    return tuple(one for one in kept if bases & set(one.subjects))


# Over time


def trend(settings: Settings, history: History, name: str, *, days: int, goal: Fraction | None, now: datetime) -> Trend:
    """How it went with a target over so many days, week by week. Raises Mistake for one that nobody knows."""
    base = base_of(settings, history, name)
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    first -= timedelta(days=first.weekday())
    found = history.poll_days(name, since=first.isoformat(), before=instant(now))
    plan = _scored(settings, name)
    looks = history.looks(name, plan=plan, since=first.isoformat()) if plan is not None else []
    courses = history.courses(name, plan, ("finding", "undecided", *_FOLLOWING)) if plan is not None else []
    new_books = breaks((one.began, one.model.rpartition("@")[2]) for one in looks if one.model is not None)
    weeks = []
    monday = first
    states = _States(looks, courses)
    while monday <= today:
        sunday = monday + timedelta(days=6)
        inside = [one for one in found if monday.isoformat() <= one.day <= sunday.isoformat()]
        here = [one for one in looks if monday.isoformat() <= one.began[:10] <= sunday.isoformat()]
        scored = next((one for one in reversed(here) if one.label is not None), None)
        certified = next((one for one in reversed(here) if one.certificate_ends is not None), None)
        book = next((b for at, b in reversed(new_books) if monday.isoformat() <= at[:10] <= sunday.isoformat()), None)
        weeks.append(
            Week(
                polled=polled(inside, monday, sunday, goal=None),
                findings=states.findings(here),
                label=scored.label if scored else None,
                model=scored.model if scored else None,
                levels=states.levels(here),
                certificate_days=_days_left(certified, certified.began) if certified else None,
                begins_book=book,
            )
        )
        monday += _WEEK
    return Trend(
        target=name,
        base=base,
        as_of=instant(now),
        plan=plan,
        goal=percent(goal) if goal is not None else None,
        whole=polled(found, first, today, goal=goal),
        weeks=tuple(weeks),
        held=states.held(new_books[-1][0] if new_books else None),
        breaks=new_books,
    )


def base_of(settings: Settings, history: History, name: str) -> str:
    """The base of a target. Raises Mistake where the history does not know it."""
    known = history.targets()
    if name in known:
        return known[name]
    if any(one.name == name for one in settings.monitor.targets):
        raise Mistake(f"{name}: there is no look at this target yet; it begins with the next round of the monitor.")
    raise Mistake(f"{name}: the history knows no target of this name; it knows {', '.join(sorted(known)) or 'none'}.")


def polled(days: Sequence[PollDay], first: date, last: date, *, goal: Fraction | None) -> Polled:
    """What these lines of days come to, with the polls in maintenance that was announced in time left out."""
    counted = availability(days, leave_out_planned=True)
    because: Counter[str] = Counter()
    for one in days:
        because.update(one.undecided_because)
    return Polled.model_validate(
        {
            "first": first.isoformat(),
            "last": last.isoformat(),
            "days_with_polls": len(counted.days),
            "polls": counted.polls,
            "up": counted.up,
            "down": counted.down,
            "undecided": counted.undecided,
            "undecided_because": dict(sorted(because.items())),
            "left_out": counted.left_out,
            "share": percent(counted.share) if counted.share is not None else None,
            "low": percent(counted.low) if counted.low is not None else None,
            "planned_minutes": -(-sum(one.planned_seconds for one in days) // 60),
            "late_minutes": -(-sum(one.late_seconds for one in days) // 60),
            "budget_left": _budget(counted, goal),
            "latency": tuple(one for kind in SAMPLE_KINDS for one in _latency(days, kind)),
        }
    )


def _budget(counted: Availability, goal: Fraction | None) -> Percent | None:
    if goal is None or not counted.polls:
        return None
    left = error_budget(counted, goal)
    # Rounded down as every share is, which below 0 is away from it.
    fine = left * FINE // 1
    return f"{'-' if fine < 0 else ''}{abs(fine) // 10_000}.{abs(fine) % 10_000:04d}"


def _latency(days: Sequence[PollDay], kind: SampleKind) -> Iterable[Latency]:
    found = times(days, (kind,))
    p50, p95 = found.percentile(50), found.percentile(95)
    if p50 is not None and p95 is not None:
        yield Latency(kind=kind, p50=p50, p95=p95, samples=found.samples)


def scored_plan(plans: Mapping[str, LookPlan]) -> str | None:
    """The kind of look whose levels are those of the target, of several that run every probe: a nightly one, else a
    weekly one, else one of minutes; of these the deepest, the most frequent, the first by name. How the configuration
    orders them decides nothing. None where none runs every probe."""

    def rank(name: str) -> tuple[int, int, int, str]:
        plan = plans[name]
        order, minutes = (2, plan.every) if isinstance(plan.every, int) else (("night", "week").index(plan.every), 0)
        return order, -_DEPTHS.index(plan.depth), minutes, name

    return min((name for name, plan in plans.items() if plan.probes is None), key=rank, default=None)


def _scored(settings: Settings, name: str) -> str | None:
    target = next((one for one in settings.monitor.targets if one.name == name), None)
    return scored_plan(settings.plans_of(target) if target is not None else settings.monitor.looks)


class _States:
    """Facts as they were at each look of one kind."""

    def __init__(self, looks: Sequence[Look], courses: Sequence[Course]) -> None:
        self._looks = sorted(looks, key=lambda one: one.number)
        self._numbers = [one.number for one in self._looks]
        self._at: dict[int, dict[str, str]] = {one: {} for one in self._numbers}
        for course in courses:
            for number in self._numbers[bisect_left(self._numbers, course.since) : self._end(course)]:
                self._at[number][course.key] = course.value

    def _end(self, course: Course) -> int:
        return len(self._numbers) if course.until is None else bisect_left(self._numbers, course.until)

    def findings(self, looks: Sequence[Look]) -> Seen | None:
        """Counts by outcome at the last of these looks that saw findings."""
        last = next((one for one in reversed(looks) if "finding" in one.seen), None)
        if last is None:
            return None
        held = self._at[last.number]
        outcomes = {key.partition("/")[2]: value for key, value in held.items() if key.startswith("finding/")}
        outcomes |= {key.partition("/")[2]: "unknown" for key in held if key.startswith("undecided/")}
        counts = Counter(outcomes.values())
        return Seen(present=counts["present"], absent=counts["absent"], unknown=counts["unknown"])

    def levels(self, looks: Sequence[Look]) -> dict[str, str]:
        """Levels at the last of these looks that was scored."""
        last = next((one for one in reversed(looks) if "criterion" in one.seen), None)
        if last is None:
            return {}
        held = sorted(self._at[last.number].items())
        return {key.partition("/")[2]: value for key, value in held if key.startswith("criterion/")}

    def held(self, since: str | None) -> tuple[Held, ...]:
        """How long every criterion has been where it is, counted since the last rule book of another major version."""
        scored = [one for one in self._looks if "criterion" in one.seen and (since is None or one.began >= since)]
        if not scored:
            return ()
        found = []
        for criterion, now in self.levels(scored).items():
            level = _sure(now)
            if level is None:
                continue
            key = f"criterion/{criterion}"
            seen = [(one.began, _reached(self._at[one.number].get(key), level)) for one in scored]
            found.append(Held(criterion=criterion, level=level, days=days_at_level(seen, level)))
        return tuple(found)


def _sure(value: str) -> int | None:
    low = value.partition("..")[0]
    return int(low) if low.isdecimal() else None


def _reached(value: str | None, level: int) -> int | None:
    """The level that was surely reached; None where it is open whether this one was."""
    low, _, high = (value or "").partition("..")
    if not low.isdecimal() or not high.isdecimal() or int(low) < level <= int(high):
        return None
    return int(low)


# A period in full


def sla(settings: Settings, history: History, name: str, first: date, last: date, goal: Fraction | None) -> SlaReport:
    """How a target was from one UTC day to another, both included. It rests on the history alone, not on what time it
    is, so the same history always gives the same report. Raises Mistake where nothing was looked at."""
    base = base_of(settings, history, name)
    end = _midnight(last + timedelta(days=1))
    found = history.poll_days(name, since=first.isoformat(), before=instant(end))
    if not found:
        raise Mistake(f"{name}: nobody looked at this target from {first} to {last}; give a period with looks in it.")
    latest = history.last_before(name, instant(end))
    until = min(instant(end), latest.ended) if latest is not None else instant(end)
    incidents = [one for one in history.incidents(target=name) if _overlaps(one, instant(_midnight(first)), until)]
    windows = {_time(one) for one in _windows(history, name, instant(_midnight(first)), instant(end))}
    return SlaReport(
        target=name,
        base=base,
        environments=tuple(sorted({one.environment for one in found})),
        vantage=tuple(sorted({place for one in found for place in one.vantage})),
        control=settings.monitor.control,
        goal=percent(goal) if goal is not None else None,
        whole=polled(found, first, last, goal=goal),
        months=tuple(
            polled([one for one in found if begins <= one.day <= ends], a, b, goal=goal)
            for a, b in _months(first, last)
            for begins, ends in [(a.isoformat(), b.isoformat())]
        ),
        days=tuple(
            polled([one for one in found if one.day == day.isoformat()], day, day, goal=None)
            for day in (first + timedelta(days=number) for number in range((last - first).days + 1))
        ),
        incidents=tuple(_incident(one, until) for one in incidents if not one.private),
        private=sum(one.private for one in incidents),
        maintenance=tuple(sorted(windows, key=lambda one: (one.begins, one.ends))),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


def _months(first: date, last: date) -> Iterable[tuple[date, date]]:
    begins = first
    while begins <= last:
        following = (begins.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield begins, min(last, following - timedelta(days=1))
        begins = following


def _overlaps(one: Incident, since: str, until: str) -> bool:
    return one.began <= until and (one.closed is None or one.closed >= since)


def _incident(one: Incident, until: str) -> SlaIncident:
    ends = one.closed if one.closed is not None and one.closed <= until else None
    lasted = datetime.fromisoformat(ends or until) - datetime.fromisoformat(one.began)
    return SlaIncident(
        title=one.title,
        kind=one.kind,
        begins=one.began,
        ends=ends,
        seconds=max(0, int(lasted.total_seconds())),
        waived_by=one.waived_by,
    )
