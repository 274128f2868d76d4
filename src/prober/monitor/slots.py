"""When a look is due. A slot is one due time of one kind of look; what is done is done once for each slot.

Nights and weeks follow the local calendar, so a slot is named by its date and exists once, also on the days on which
clocks are put forward or back. More frequent looks follow UTC, whose hours never repeat.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from prober.clock import instant
from prober.nouns.monitor import WEEKDAYS, LookPlan, Maintenance
from prober.nouns.polls import Window
from prober.polls.looking import AHEAD

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Slot:
    """One due time: its name, the UTC instant from which on it is due, and the one at which the next one is."""

    name: str
    begins: datetime
    ends: datetime


def slot_at(plan: LookPlan, zone: ZoneInfo, now: datetime) -> Slot:
    """The latest slot that has begun."""
    if isinstance(plan.every, int):
        step = timedelta(minutes=plan.every)
        begins = _EPOCH + (now - _EPOCH) // step * step
        return Slot(begins.strftime("%Y-%m-%dT%H-%MZ"), begins, begins + step)
    today = now.astimezone(zone).date()
    # A day to either side: the local date may be another one than that of the slot's own instant.
    reach = 9 if plan.every == "week" else 3
    days = [today + timedelta(days=number) for number in range(-reach, reach + 1)]
    if plan.every == "week":
        days = [day for day in days if day.weekday() == WEEKDAYS.index(plan.on)]
    at = time.fromisoformat(plan.at)
    begun = [(day, local_instant(day, at, zone)) for day in days]
    place = max(number for number, (_, begins) in enumerate(begun) if begins <= now)
    day, begins = begun[place]
    return Slot(day.isoformat(), begins, begun[place + 1][1])


@lru_cache(maxsize=4_096)
def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The UTC instant of a local time of day: the first of two; where clocks skip it, the instant of the skip."""
    moment = datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
    back = moment.astimezone(zone)
    if (back.date(), back.time()) == (day, at):
        return moment
    # The time does not exist on that day; the skip lies between the instants that it has with either offset.
    skipped = datetime.combine(day, at, tzinfo=zone)
    before = (skipped - timedelta(hours=3)).utcoffset() or timedelta()
    after = (skipped + timedelta(hours=3)).utcoffset() or timedelta()
    plain = datetime.combine(day, at, tzinfo=UTC)
    first = plain - max(before, after)
    minutes = int((abs(after - before)).total_seconds()) // 60
    moments = [first + timedelta(minutes=number) for number in range(minutes + 1)]
    return moments[bisect_left(moments, True, key=lambda one: one.astimezone(zone).utcoffset() == after)]


def due_from(slot: Slot, target: str, plan: str, jitter_minutes: int) -> datetime:
    """The instant at which a target's look of this slot is due: spread by its name, the same on every night."""
    most = min(jitter_minutes * 60, int((slot.ends - slot.begins).total_seconds()) // 2)
    if most <= 0:
        return slot.begins
    drawn = int.from_bytes(hashlib.sha256(f"{plan}/{target}".encode()).digest()[:8])
    return slot.begins + timedelta(seconds=drawn % most)


def missed(plan: LookPlan, zone: ZoneInfo, last: str, now: Slot) -> int:
    """How many whole slots lie between the one called `last` and this one: looks that nobody made."""
    if isinstance(plan.every, int):
        began = datetime.strptime(last, "%Y-%m-%dT%H-%MZ").replace(tzinfo=UTC)
        return max(0, (now.begins - began) // timedelta(minutes=plan.every) - 1)
    days = (date.fromisoformat(now.name) - date.fromisoformat(last)).days
    return max(0, days // (7 if plan.every == "week" else 1) - 1)


def planned(windows: Sequence[Maintenance], target: str, zone: ZoneInfo, now: datetime) -> Maintenance | None:
    """The maintenance window in which this instant lies. Where several do, the one that was announced earliest before
    it began: only that makes a difference to whether it is left out."""
    found = [
        (lasts, one)
        for one in windows
        if (not one.targets or target in one.targets) and (lasts := bounds(one, zone, now)) is not None
    ]

    def ahead(pair: tuple[tuple[datetime, datetime], Maintenance]) -> timedelta:
        (begins, _), one = pair
        return begins - datetime.fromisoformat(one.announced) if one.announced and one.where else timedelta.min

    return max(found, key=ahead)[1] if found else None


def bounds(window: Maintenance, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime] | None:
    """From when to when the window lasts in which this instant lies; None where it lies in none."""
    if window.begins is not None and window.ends is not None:
        pair = datetime.fromisoformat(window.begins), datetime.fromisoformat(window.ends)
        return pair if pair[0] <= now < pair[1] else None
    if window.on is None or window.at is None or window.minutes is None:
        return None
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        if day.weekday() == WEEKDAYS.index(window.on):
            begins = local_instant(day, time.fromisoformat(window.at), zone)
            if begins <= now < begins + timedelta(minutes=window.minutes):
                return begins, begins + timedelta(minutes=window.minutes)
    return None


def quiet_until(quiet: tuple[str, str] | None, zone: ZoneInfo, now: datetime) -> datetime | None:
    """When the quiet hours end in which this instant lies; None outside of them."""
    if quiet is None:
        return None
    begins, ends = (time.fromisoformat(one) for one in quiet)
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        start = local_instant(day, begins, zone)
        last = local_instant(day if ends > begins else day + timedelta(days=1), ends, zone)
        if start <= now < last:
            return last
    return None


@dataclass(frozen=True)
class Missing:
    """Slots of a plan, one after another, that have no look; `ends` is the instant at which the next one begins."""

    first: str
    last: str
    looks: int
    begins: datetime
    ends: datetime


def gaps_between(plan: LookPlan, zone: ZoneInfo, done: Sequence[str], now: Slot) -> list[Missing]:
    """The slots without a look between those that are done (in order), and from the last of them up to `now`.

    Slots of another form, from before the plan was altered, begin and end no gap.
    """
    moments = [(slot, moment) for slot in done if (moment := _begins(plan, zone, slot)) is not None]
    if not moments:
        return []
    found = []
    following = [*moments[1:], (now.name, now.begins)]
    for (slot, begins), (after, ends) in zip(moments, following, strict=True):
        count = missed(plan, zone, slot, Slot(after, ends, ends))
        if count:
            first = slot_at(plan, zone, begins).ends
            found.append(
                Missing(
                    first=slot_at(plan, zone, first).name,
                    last=slot_at(plan, zone, ends - timedelta(seconds=1)).name,
                    looks=count,
                    begins=first,
                    ends=ends,
                )
            )
    return found


def _begins(plan: LookPlan, zone: ZoneInfo, slot: str) -> datetime | None:
    try:
        if isinstance(plan.every, int):
            return datetime.strptime(slot, "%Y-%m-%dT%H-%MZ").replace(tzinfo=UTC)
        return local_instant(date.fromisoformat(slot), time.fromisoformat(plan.at), zone)
    except ValueError:
        return None


def planned_windows(
    windows: Sequence[Maintenance], target: str, zone: ZoneInfo, since: datetime, until: datetime
) -> list[Window]:
    """The maintenance of a target that lies between two instants at least in part."""
    found = []
    for one in windows:
        if one.targets and target not in one.targets:
            continue
        announced = datetime.fromisoformat(one.announced) if one.announced else None
        for begins, ends in _times(one, zone, since, until):
            if begins < until and ends > since:
                in_time = announced is not None and one.where is not None and begins - announced >= AHEAD
                found.append(Window(begins=instant(begins), ends=instant(ends), in_time=in_time))
    return found


def _times(one: Maintenance, zone: ZoneInfo, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    if one.begins is not None and one.ends is not None:
        return [(datetime.fromisoformat(one.begins), datetime.fromisoformat(one.ends))]
    if one.on is None or one.at is None or one.minutes is None:
        return []
    day, found = (since - timedelta(days=2)).date(), []
    while day <= (until + timedelta(days=1)).date():
        if day.weekday() == WEEKDAYS.index(one.on):
            begins = local_instant(day, time.fromisoformat(one.at), zone)
            found.append((begins, begins + timedelta(minutes=one.minutes)))
        day += timedelta(days=1)
    return found
