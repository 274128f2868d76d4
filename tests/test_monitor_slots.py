"""When a look is due: each night once, also where clocks are put forward or back, and whatever the clock does."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.monitor.slots import bounds, due_from, local_instant, missed, planned, quiet_until, slot_at
from prober.nouns.monitor import WEEKDAYS, LookPlan, Maintenance

ZONES = (
    "UTC",
    "America/Chicago",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Africa/Cairo",
)
MOMENTS = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
TIMES = st.builds(lambda hour, minute: f"{hour:02d}:{minute:02d}", st.integers(0, 23), st.integers(0, 59))
PLANS = st.one_of(
    st.builds(lambda at: LookPlan(every="night", at=at), TIMES),
    st.builds(lambda at, on: LookPlan(every="week", at=at, on=on), TIMES, st.sampled_from(WEEKDAYS)),
    st.builds(lambda every: LookPlan(every=every), st.sampled_from([5, 15, 60, 240, 480, 1440])),
)


@settings(max_examples=examples(100), deadline=None)
@given(PLANS, st.sampled_from(ZONES), MOMENTS)
def test_every_instant_lies_in_exactly_one_slot_and_slots_follow_each_other(
    plan: LookPlan, zone_name: str, now: datetime
) -> None:
    zone = ZoneInfo(zone_name)
    slot = slot_at(plan, zone, now)
    assert slot.begins <= now < slot.ends
    following = slot_at(plan, zone, slot.ends)
    assert following.begins == slot.ends
    assert following.name > slot.name
    assert slot_at(plan, zone, slot.ends - timedelta(microseconds=1)).name == slot.name
    assert missed(plan, zone, slot.name, following) == 0
    after = slot_at(plan, zone, following.ends)
    assert missed(plan, zone, slot.name, after) == 1


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        # The clocks in Chicago went from 02:00 to 03:00: 02:30 did not exist, and the look came at the skip.
        ("America/Chicago", "2026-03-08", "02:30", "2026-03-08T08:00:00+00:00"),
        ("America/Chicago", "2026-03-07", "02:30", "2026-03-07T08:30:00+00:00"),
        ("America/Chicago", "2026-03-09", "02:30", "2026-03-09T07:30:00+00:00"),
        # 01:30 came twice on this night: the first one counts.
        ("America/Chicago", "2026-11-01", "01:30", "2026-11-01T06:30:00+00:00"),
        ("Europe/Berlin", "2026-03-29", "02:15", "2026-03-29T01:00:00+00:00"),
        ("Europe/Berlin", "2026-10-25", "02:15", "2026-10-25T00:15:00+00:00"),
        # Half an hour is skipped on Lord Howe.
        ("Australia/Lord_Howe", "2026-10-04", "02:10", "2026-10-03T15:30:00+00:00"),
        # Samoa left out the whole of 30 December 2011.
        ("Pacific/Apia", "2011-12-29", "02:00", "2011-12-29T12:00:00+00:00"),
    ],
)
def test_a_local_time_is_one_instant(zone: str, day: str, at: str, instant: str) -> None:
    found = local_instant(date.fromisoformat(day), time.fromisoformat(at), ZoneInfo(zone))
    assert found == datetime.fromisoformat(instant)


@pytest.mark.parametrize("zone", ["America/Chicago", "Europe/Berlin", "Australia/Lord_Howe"])
def test_a_year_has_as_many_nights_as_days_whatever_the_clocks_do(zone: str) -> None:
    plan = LookPlan(every="night", at="02:30")
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    names: list[str] = []
    while now < datetime(2027, 1, 1, 12, tzinfo=UTC):
        slot = slot_at(plan, ZoneInfo(zone), now)
        names += [slot.name] if slot.name not in names[-1:] else []
        now += timedelta(hours=1)
    assert len(names) == len(set(names)) == 366
    assert names == sorted(names)


@pytest.mark.deep
@pytest.mark.parametrize("zone", sorted(available_timezones()))
def test_every_zone_of_the_world_has_its_nights(zone: str) -> None:
    for at in ("00:00", "02:30", "23:59"):
        plan = LookPlan(every="night", at=at)
        now = datetime(2025, 12, 31, 12, tzinfo=UTC)
        while now < datetime(2027, 1, 2, tzinfo=UTC):
            slot = slot_at(plan, ZoneInfo(zone), now)
            assert slot.begins <= now < slot.ends
            now = slot.ends


def test_jitter_spreads_targets_and_is_the_same_every_night() -> None:
    plan = LookPlan(every="night", at="02:00")
    one, other = (slot_at(plan, ZoneInfo("UTC"), datetime(2026, 1, day, 12, tzinfo=UTC)) for day in (1, 2))
    offsets = [due_from(one, f"t{number}", "nightly", 60) - one.begins for number in range(200)]
    assert all(timedelta() <= offset < timedelta(minutes=60) for offset in offsets)
    assert max(offsets) > timedelta(minutes=50)
    assert min(offsets) < timedelta(minutes=10)
    assert due_from(other, "t1", "nightly", 60) - other.begins == offsets[1]
    assert due_from(one, "t1", "nightly", 0) == one.begins
    short = slot_at(LookPlan(every=10), ZoneInfo("UTC"), datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert due_from(short, "t1", "poll", 60) < short.begins + timedelta(minutes=5)


def test_a_window_from_instant_to_instant_and_one_of_every_week() -> None:
    zone = ZoneInfo("America/Chicago")
    once = Maintenance(begins="2026-05-01T10:00:00Z", ends="2026-05-01T12:00:00Z", targets=("main",))
    weekly = Maintenance(on="sunday", at="23:30", minutes=60, announced="2026-01-01T00:00:00Z")
    at = datetime(2026, 5, 1, 11, tzinfo=UTC)
    assert planned((once, weekly), "main", zone, at) == once
    assert planned((once, weekly), "other", zone, at) is None
    assert planned((once,), "main", zone, at + timedelta(hours=1)) is None
    # Sunday 23:30 in Chicago is Monday 04:30 UTC in summer, and the window reaches into the local Monday.
    late = datetime(2026, 5, 4, 5, 15, tzinfo=UTC)
    assert planned((once, weekly), "main", zone, late) == weekly
    assert bounds(weekly, zone, late) == (
        datetime(2026, 5, 4, 4, 30, tzinfo=UTC),
        datetime(2026, 5, 4, 5, 30, tzinfo=UTC),
    )
    assert planned((weekly,), "main", zone, late + timedelta(minutes=15)) is None


def test_the_announced_window_counts_where_two_overlap() -> None:
    begins, ends = "2026-05-01T10:00:00Z", "2026-05-01T12:00:00Z"
    secret = Maintenance(begins=begins, ends=ends)
    told = Maintenance(begins=begins, ends=ends, announced="2026-04-01T00:00:00Z", where="https://status.example.org/x")
    at = datetime(2026, 5, 1, 11, tzinfo=UTC)
    late = Maintenance(begins=begins, ends=ends, announced="2026-05-01T09:00:00Z", where="https://status.example.org/y")
    for order in ((secret, told, late), (late, secret, told), (told, late, secret)):
        assert planned(order, "main", ZoneInfo("UTC"), at) == told


@pytest.mark.parametrize(("hour", "until"), [(21, None), (22, 6), (23, 6), (3, 6), (6, None), (12, None)], ids=str)
def test_quiet_hours_reach_over_midnight(hour: int, until: int | None) -> None:
    now = datetime(2026, 5, 1, hour, 30, tzinfo=UTC)
    end = quiet_until(("22:00", "06:00"), ZoneInfo("UTC"), now)
    if until is None:
        assert end is None
    else:
        assert end is not None
        assert end.hour == until
        assert now < end <= now + timedelta(hours=8)
    assert quiet_until(None, ZoneInfo("UTC"), now) is None
