"""What the metrics say of a target that a history knows: counted as everything else counts, and never a hint."""

import itertools
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hindsights import BASE, FIRST, configured
from tests.nights import Story
from tests.samples import DEEP

from prober.clock import instant
from prober.history import tables
from prober.history.packing import packed
from prober.history.store import History, Recorded
from prober.monitor.hindsight import scored_plan, sla, trend
from prober.monitor.metrics import MonitorStanding, Standing, text
from prober.monitor.settings import Settings, load_settings
from prober.monitor.standing import standings
from prober.nouns.facts import Fact, Facts
from prober.nouns.look import Look
from prober.nouns.monitor import LookPlan
from prober.nouns.polls import Poll, State, Window

Open = Callable[..., History]
WEEK = FIRST + timedelta(days=7)


def look(hour: int, state: State = "up", windows: tuple[Window, ...] = (), plan: str = "nightly") -> Look:
    began = instant(FIRST + timedelta(hours=hour))
    poll = Poll(
        run=f"{began}-{plan}",
        subject=BASE,
        environment="production",
        time=began,
        at=instant(FIRST + timedelta(hours=hour, seconds=2)),
        state=state,
        why="So it was made.",
        windows=windows,
        vantage="here",
    )
    return Look(
        target="main",
        base=BASE,
        plan=plan,
        slot=f"{hour:04d}",
        run=poll.run,
        began=began,
        ended=began,
        environment="production",
        depth="standard",
        ending="complete",
        digest=f"{hour:064x}",
        evidence=f"{hour + 10_000 * (plan == 'polls'):064x}",
        up=state,
        planned=bool(windows),
        polls=packed(poll),
        seen=("criterion", "finding", "undecided"),
    )


def window(begins: int, ends: int, *, in_time: bool) -> Window:
    first, last = FIRST + timedelta(minutes=begins), FIRST + timedelta(minutes=ends)
    return Window(begins=instant(first), ends=instant(last), in_time=in_time)


def recorded(one: Look, values: Mapping[str, str]) -> Recorded:
    facts = Facts(
        subject=one.base,
        environment=one.environment,
        depth=one.depth,
        run=one.run,
        started=one.began,
        digest=one.digest,
        seen=one.seen,
        facts=tuple(Fact(key=key, value=value, exchange="e.1") for key, value in sorted(values.items())),
    )
    return Recorded(one, facts)


def main_of(settings: Settings, history: History) -> Standing:
    return next(one for one in standings(settings, history, instant(WEEK)) if one.target == "main")


def metrics_of(settings: Settings, history: History) -> str:
    return text(MonitorStanding(now=instant(WEEK)), standings(settings, history, instant(WEEK)))


@pytest.fixture
def monitored(tmp_path: Path) -> Settings:
    return load_settings(configured(tmp_path), date(2026, 1, 5))


@pytest.fixture
def history(open_history: Open) -> History:
    one = open_history()
    one.know("main", BASE)
    return one


@pytest.mark.history
def test_only_maintenance_that_was_announced_in_time_is_left_out(history: History, monitored: Settings) -> None:
    for hour in range(12):
        late, announced = 3 <= hour < 9, hour == 11
        windows = (window(180, 540, in_time=False),) if late else (window(660, 720, in_time=True),) if announced else ()
        history.record(Recorded(look(hour, "down" if late or announced else "up", windows)))
    (nightly, _) = main_of(monitored, history).looks
    (counted,) = nightly.availability
    assert (counted.window, counted.up, counted.decided) == ("30d", 5, 11)
    whole = trend(monitored, history, "main", days=30, goal=None, now=WEEK).whole
    period = sla(monitored, history, "main", FIRST.date(), WEEK.date(), Fraction(99, 100)).whole
    assert (whole.up, whole.polls) == (period.up, period.polls) == (counted.up, counted.decided)
    # All of them fell into a maintenance all the same, which keeps them quiet.
    assert sum(one.planned for one in history.looks("main")) == len(history.planned_looks("main", "2026")) == 7


@pytest.mark.history
@DEEP
def test_metric_trend_and_report_count_alike_whatever_was_announced(open_history: Open, tmp_path: Path) -> None:
    monitored = load_settings(configured(tmp_path), date(2026, 1, 5))
    states = st.sampled_from(["up", "down", "undecided"])
    spans = st.lists(st.builds(window, st.integers(0, 4_000), st.integers(0, 4_000), in_time=st.booleans()), max_size=3)
    looks = st.dictionaries(
        st.tuples(st.integers(0, 60), st.sampled_from(["nightly", "polls"])), st.tuples(states, spans)
    )

    @given(looks.filter(bool))
    @settings(max_examples=40, deadline=None)
    def alike(made: dict[tuple[int, str], tuple[State, list[Window]]]) -> None:
        history = open_history(fresh=True)
        history.know("main", BASE)
        history.record_all(
            [Recorded(look(hour, state, tuple(spans), plan)) for (hour, plan), (state, spans) in made.items()]
        )
        counted = [one for look in main_of(monitored, history).looks for one in look.availability]
        whole = trend(monitored, history, "main", days=30, goal=None, now=WEEK).whole
        period = sla(monitored, history, "main", FIRST.date(), WEEK.date(), None).whole
        assert (sum(one.up for one in counted), sum(one.decided for one in counted)) == (whole.up, whole.polls)
        assert (whole.up, whole.down, whole.left_out) == (period.up, period.down, period.left_out)
        history.close()

    alike()


@pytest.mark.history
def test_looks_of_an_older_history_are_counted_by_what_their_maintenance_was(
    open_history: Open, monitored: Settings
) -> None:
    with open_history() as first:
        first.know("main", BASE)
        first.record(Recorded(look(1, "down", (window(60, 120, in_time=False),))))
        first.record(Recorded(look(2, "down", (window(120, 180, in_time=True),))))
        # Its window ended between the beginning of the run and its first request.
        first.record(Recorded(look(3, "down", (window(60, 180, in_time=True),))))
        first.record(Recorded(look(4).model_copy(update={"planned": True, "polls": None})))
        first.record(Recorded(look(5)))
        before = main_of(monitored, first).looks
        with first._writing() as connection:
            connection.execute(tables.about.update().values(value="1"))
            connection.execute(tables.looks.update().where(tables.looks.c.planned != 0).values(planned=1))
    with open_history() as second:
        assert main_of(monitored, second).looks == before
        assert [(one.up, one.decided) for one in before[0].availability] == [(2, 4)]


@pytest.mark.history
def test_a_target_that_nobody_looked_at_lately_has_counts_of_nothing_and_no_share(
    history: History, monitored: Settings
) -> None:
    history.record(Recorded(look(0)))
    later = instant(FIRST + timedelta(days=40))
    content = text(MonitorStanding(now=later), standings(monitored, history, later))
    assert 'prober_availability_looks{target="main",look="nightly",window="30d"} 0' in content
    assert "prober_availability_ratio{" not in content
    assert 'target="other",look' not in content


def plan(every: object, depth: str = "standard", **more: object) -> LookPlan:
    return LookPlan.model_validate({"every": every, "depth": depth, **more})


@pytest.mark.parametrize(
    ("best", "others"),
    [
        (plan("night"), {"hourly": plan(60), "weekly": plan("week", "full")}),
        (plan("night", "full"), {"a": plan("night"), "b": plan("night", "discovery")}),
        (plan("week"), {"hourly": plan(60, "full"), "night": plan("night", probes=["a"])}),
        (plan(360), {"a": plan(60, "discovery"), "b": plan(720)}),
        (plan("night"), {"y": plan("night"), "z": plan("night")}),
    ],
)
def test_one_kind_of_look_tells_the_levels_however_the_configuration_is_ordered(
    best: LookPlan, others: dict[str, LookPlan]
) -> None:
    for order in itertools.permutations([("best", best), *others.items()]):
        expected = "best" if "y" not in others else min(("best", *others))
        assert scored_plan(dict(order)) == expected
    assert scored_plan({"polls": plan(60, probes=["a"])}) is None


@pytest.mark.history
def test_a_level_is_that_of_the_look_that_trend_follows(history: History, tmp_path: Path) -> None:
    path = configured(tmp_path)
    path.write_text(path.read_text().replace("probes: [capability_statement_served]", ""))
    monitored = load_settings(path, date(2026, 1, 5))
    for hour, name, level in ((2, "nightly", "2..3"), (3, "polls", "0..4"), (4, "gone", "4..4")):
        history.record(recorded(look(hour, plan=name), {"criterion/S8.STD.1": level}))
    assert main_of(monitored, history).levels == {"S8.STD.1": 2}
    assert trend(monitored, history, "main", days=30, goal=None, now=WEEK).plan == "nightly"


CLOSED = {
    "finding/patient_data_protected": "present",
    "finding/patient_read": "present",
    "undecided/patient_read": "timed_out",
    "criterion/S8.STD.1": "2..2",
    "criterion/S8.STD.2": "3..3",
    "criterion/S8.GOV.4": "1..4",
    "gate/S8.GATE.3": "clean",
}


@pytest.mark.history
@pytest.mark.parametrize(
    "open_door",
    [
        {"finding/patient_data_protected": "absent", "criterion/S8.STD.2": "1..1", "gate/S8.GATE.3": "confirmed"},
        {"undecided/patient_data_protected": "rate_limited"},
        {"finding/patient_data_protected": None, "criterion/S8.STD.2": None, "criterion/S8.GOV.4": None},
        {"finding/bulk_files_protected": "absent", "criterion/S8.STD.5": "0..0", "gate/S8.GATE.6": "suspected"},
    ],
)
def test_no_metric_hints_at_a_gate_of_safety(
    history: History, monitored: Settings, open_door: dict[str, str | None]
) -> None:
    history.record(recorded(look(2), CLOSED))
    before = metrics_of(monitored, history)
    assert 'prober_findings{target="main",look="nightly",outcome="unknown"} 1' in before
    assert 'prober_criterion_level{target="main",criterion="S8.STD.1"} 2' in before
    fired = {key: value for key, value in {**CLOSED, **open_door}.items() if value is not None}
    night = look(2).model_copy(update={"slot": "again"})
    history.record(recorded(night, fired))
    same_looks = 'prober_availability_looks{target="main",look="nightly",window="30d"} '
    assert metrics_of(monitored, history) == before.replace(f"{same_looks}1\n", f"{same_looks}2\n")


@pytest.mark.history
@DEEP
def test_the_night_on_which_a_gate_of_safety_fires_looks_like_any_other_in_the_metrics(story: Story) -> None:
    story.config = story.config.replace("ca_file: ca.pem}", "ca_file: ca.pem, sandbox: true}")
    story.start()

    def night(number: int) -> list[str]:
        assert story.round(story.day(number, hours=2, minutes=5)) == 0, story.said
        lines = (story.place / "state" / "prober.prom").read_text().splitlines()
        assert not [one for one in lines if re.search("S8.STD.2|S8.STD.5|S8.GOV.4", one)]
        # An open door also shows what was unknown before; nothing of that is worse than it was.
        worse = re.compile('prober_incidents.*|prober_messages.*|prober_findings{.*outcome="absent".*')
        return [one for one in lines if worse.fullmatch(one)]

    night(1)
    closed = night(2)
    story.stop()
    story.defects = ("open_patient_data",)
    story.start()
    assert night(3) == closed
    with story.history() as history:
        # On a sandbox the gate only would apply, which is no alarm; what it rests on is told in private.
        assert [(one.kind, one.private) for one in history.incidents(open_only=True)] == [("change", True)]


@pytest.mark.history
@DEEP
def test_a_target_that_is_only_polled_has_latencies_too(story: Story) -> None:
    nightly = '  nightly: {every: night, at: "02:00", depth: standard}\n'
    assert nightly in story.config
    story.config = story.config.replace(nightly, "")
    story.start()
    for number, expected in ((1, 0), (2, 2)):
        assert story.round(story.day(number, hours=1)) == 0, story.said
        content = (story.place / "state" / "prober.prom").read_text()
        assert content.count('prober_latency_seconds{target="main",look="sixth"') == expected
