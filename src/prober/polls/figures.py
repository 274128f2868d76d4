"""The arithmetic of availability and latency, in whole numbers and fractions: no floats, so equal everywhere."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from prober.nouns.polls import HOURS, SAMPLE_KINDS, PollDay, SampleKind
from prober.polls.days import weights

Z = Fraction(1_959_964, 1_000_000)
"""The 97.5th percentile of the standard normal distribution to six places: 95 percent, two-sided."""
FINE = 1_000_000
"""Bounds and shares are shown as whole multiples of 1/FINE, rounded down."""
LOOKS_A_DAY = 288
"""One every five minutes, the most that a monitor looks: so many polls a missing day could still bring."""
CERTIFICATE_DAYS = 14


@dataclass(frozen=True)
class Availability:
    """What the polls of a window of days come to. `up` and `down` are those that count.

    `left_out` are the decided polls in planned maintenance that do not, and `planned_minutes` the minutes of it by
    calendar month, each rounded up; both are empty where none is left out.
    """

    days: tuple[str, ...]
    up: int
    down: int
    undecided: int
    left_out: int = 0
    planned_minutes: Mapping[str, int] = field(default_factory=dict)
    vantage: tuple[str, ...] = ()

    @property
    def polls(self) -> int:
        """The decided polls that count."""
        return self.up + self.down

    @property
    def share(self) -> Fraction | None:
        """The raw share of them that found the target up; None where there are none."""
        return Fraction(self.up, self.polls) if self.polls else None

    @property
    def low(self) -> Fraction | None:
        """The lower Wilson bound of the share, rounded down; None where there are no polls."""
        return wilson_low(self.up, self.polls) if self.polls else None

    @property
    def most_planned(self) -> int:
        """The minutes of planned maintenance left out in the month that had most of it."""
        return max(self.planned_minutes.values(), default=0)


@dataclass(frozen=True)
class Times:
    """The times to first byte of a window of days, sorted, each with how many samples it stands for."""

    days: tuple[str, ...]
    weighed: tuple[tuple[int, int], ...]
    hours: tuple[int, ...]
    vantage: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """How many samples there were."""
        return sum(weight for _, weight in self.weighed)

    def percentile(self, p: int) -> int | None:
        """The p-th percentile in microseconds by nearest rank; None without samples. ValueError as for `nearest`."""
        return nearest(self.weighed, p) if self.weighed else None

    def above(self, microseconds: int) -> int:
        """How many samples took longer."""
        return sum(weight for value, weight in self.weighed if value > microseconds)


def availability(days: Iterable[PollDay], *, last: int | None = None, leave_out_planned: bool = False) -> Availability:
    """What these lines come to over the last `last` days that have a decided poll (None: all of them).

    With `leave_out_planned` the polls in maintenance that was announced in time do not count, and a day that has no
    others is no day of the window. The order of the lines decides nothing; lines of one day are added up.
    """
    lines = sorted(days, key=lambda one: one.day)
    inside = [one for one in lines if _decided(one, leave_out_planned)]
    window = sorted({one.day for one in inside})[-last if last is not None else 0 :]
    since = window[0] if window else None
    counted = [one for one in lines if since is not None and one.day >= since] if last is not None else lines
    planned = {} if not leave_out_planned else _by_month(counted)
    return Availability(
        days=tuple(window),
        up=sum(one.up + (0 if leave_out_planned else one.planned_up) for one in counted),
        down=sum(one.down + (0 if leave_out_planned else one.planned_down) for one in counted),
        undecided=sum(one.undecided for one in counted),
        left_out=sum(one.planned_up + one.planned_down for one in counted) if leave_out_planned else 0,
        planned_minutes=planned,
        vantage=tuple(sorted({name for one in counted for name in one.vantage})),
    )


def times(days: Iterable[PollDay], kinds: Iterable[SampleKind] = (), *, last: int | None = None) -> Times:
    """The samples of these kinds (none named: of all) over the last `last` days that have any."""
    wanted = tuple(kinds) or SAMPLE_KINDS
    having = [one for one in days if any(kind in one.samples for kind in wanted)]
    window = sorted({one.day for one in having})[-last if last is not None else 0 :]
    counted = [one for one in having if one.day in window]
    weighed: Counter[int] = Counter()
    hours = [0] * HOURS
    for one in counted:
        for kind in wanted:
            for value, weight in weights(one, kind) if kind in one.samples else ():
                weighed[value] += weight
            for hour, count in enumerate(one.hours.get(kind, ())):
                hours[hour] += count
    vantage = tuple(sorted({name for one in counted for name in one.vantage}))
    return Times(tuple(window), tuple(sorted(weighed.items())), tuple(hours), vantage)


def wilson_reaches(up: int, polls: int, bound: Fraction) -> bool:
    """Whether the lower Wilson bound of `up` of `polls` is at least `bound`, decided exactly.

    The bound is the smaller root of (up/n - x)^2 = Z^2 x (1 - x) / n (Wilson 1927), so x lies at or below it exactly
    where up >= n x and (up - n x)^2 >= Z^2 n x (1 - x). ValueError unless 0 <= up <= polls.
    """
    if not 0 <= up <= polls:
        raise ValueError(f"{up} of {polls} is no share.")
    if bound <= 0:
        return True
    if bound >= 1 or up < polls * bound:
        return False
    return (up - polls * bound) ** 2 >= Z * Z * polls * bound * (1 - bound)


def wilson_low(up: int, polls: int) -> Fraction:
    """The lower Wilson bound (95 percent, two-sided, z = 1.959964), rounded down to a multiple of 1/1,000,000."""
    low, high = 0, FINE
    while high - low > 1:
        middle = (low + high) // 2
        if wilson_reaches(up, polls, Fraction(middle, FINE)):
            low = middle
        else:
            high = middle
    return Fraction(low, FINE)


def least_polls(bound: Fraction) -> int:
    """How many polls it takes, all of them up, for the lower Wilson bound to reach `bound`.

    Of n that were up out of n it is n / (n + Z^2). ValueError for a bound that no number of polls reaches.
    """
    if not 0 <= bound < 1:
        raise ValueError(f"No number of polls reaches {bound}.")
    return max(1, -(-(Z * Z * bound / (1 - bound)) // 1))


def percentile(ordered: Sequence[int], p: int) -> int:
    """The p-th percentile of sorted numbers by nearest rank: that of rank ceil(p n / 100), counted from 1.

    ValueError for no numbers, or a p outside 1 to 100.
    """
    return nearest([(one, 1) for one in ordered], p)


def nearest(weighed: Sequence[tuple[int, int]], p: int) -> int:
    """The same of sorted numbers that each stand for several."""
    total = sum(weight for _, weight in weighed)
    if not total or not 1 <= p <= 100:
        raise ValueError(f"There is no {p}th percentile of {total} numbers.")
    rank = -(-p * total // 100)
    for value, weight in weighed:
        rank -= weight
        if rank <= 0:
            return value
    raise AssertionError("The rank lies within the numbers.")


def error_budget(polls: Availability, at_least: Fraction) -> Fraction:
    """The part of the failures that `at_least` allows which is left: 1 where nothing failed, 0 where it is used up,
    less where more failed. A goal that allows no failure is used up by the first."""
    allowed = polls.polls * (1 - at_least)
    if not allowed:
        return Fraction(0 if polls.down else 1)
    return 1 - Fraction(polls.down) / allowed


def certificate_days(not_after: str, now: str) -> int:
    """Whole days that a certificate still counts, both as UTC instants; negative once it has ended."""
    return (datetime.fromisoformat(not_after) - datetime.fromisoformat(now)) // timedelta(days=1)


def certificate_life(not_before: str, not_after: str, now: str, *, most: int = CERTIFICATE_DAYS) -> str:
    """`enough`, `short` below a third of its life and at most so many days before its end, or `expired`."""
    begins, ends, today = (datetime.fromisoformat(one) for one in (not_before, not_after, now))
    if today >= ends:
        return "expired"
    return "short" if ends - today < min((ends - begins) / 3, timedelta(days=most)) else "enough"


def days_at_level(seen: Iterable[tuple[str, int | None]], level: int) -> int:
    """For how many days, to the last one seen, a criterion has been at this level or above without a break.

    `seen` are UTC instants or days with the level that was surely reached. None, which is not known, neither breaks
    the run nor makes it longer; of several looks on one day the lowest counts.
    """
    by_day: dict[date, int] = {}
    for instant, reached in seen:
        if reached is not None:
            day = _day(instant)
            by_day[day] = min(reached, by_day.get(day, reached))
    held: list[date] = []
    for day in sorted(by_day, reverse=True):
        if by_day[day] < level:
            break
        held.append(day)
    return (held[0] - held[-1]).days + 1 if held else 0


def breaks(versions: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The instants at which another major version of a rule book begins, with the version: a trend does not run on
    over them. The first version begins nothing new. Versions are `major.minor.patch`."""
    found: list[tuple[str, str]] = []
    before: str | None = None
    for instant, version in sorted(versions):
        major = version.split(".")[0]
        if before is not None and major != before:
            found.append((instant, version))
        before = major
    return tuple(found)


def percent(share: Fraction) -> str:
    """A share in percent with four places, rounded down: 99.0820."""
    fine = share * FINE // 1
    return f"{fine // 10_000}.{fine % 10_000:04d}"


def _decided(one: PollDay, leave_out_planned: bool) -> bool:
    return bool(one.up + one.down + (0 if leave_out_planned else one.planned_up + one.planned_down))


def _by_month(lines: Iterable[PollDay]) -> dict[str, int]:
    seconds: Counter[str] = Counter()
    for one in lines:
        seconds[one.day[:7]] += one.planned_seconds
    return {month: -(-count // 60) for month, count in sorted(seconds.items()) if count}


def _day(instant: str) -> date:
    moment = datetime.fromisoformat(instant)
    return (moment.astimezone(UTC) if moment.tzinfo is not None else moment).date()
