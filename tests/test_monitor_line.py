"""Who is looked at next: never two looks at one host, no short look behind the long ones, and a gate told at once."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nights import Database, Inbox, Story
from tests.samples import DEEP, examples

from prober.archive import RunFolder
from prober.monitor import looking
from prober.monitor import round as rounds
from prober.monitor.commands import one_round
from prober.monitor.hindsight import Asked, hindsight
from prober.monitor.line import Line
from prober.monitor.looking import Task
from prober.monitor.settings import host_of, load_settings
from prober.monitor.slots import Slot
from prober.nouns.monitor import LookPlan, Target

pytestmark = pytest.mark.history
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHORT, LONG = LookPlan(every=5, depth="discovery"), LookPlan(every="night")


def look(host: int, number: int, *, short: bool) -> Task:
    target = Target(name=f"t{host}-{number}", base=f"https://h{host}.example.org/{number}/fhir")
    return Task(target, "plan", SHORT if short else LONG, Slot("2026-01-01", NOW, NOW))


LOOKS = st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=30)


@settings(max_examples=examples(200), deadline=None)
@given(LOOKS, LOOKS, st.integers(1, 9), st.integers(0, 1_000))
def test_every_look_is_made_once_and_never_two_at_one_host(
    first: list[tuple[int, bool]], later: list[tuple[int, bool]], places: int, seed: int
) -> None:
    line = Line(places, has_short=any(short for _, short in (*first, *later)))
    waiting = [look(host, number, short=short) for number, (host, short) in enumerate(first)]
    coming = [look(host, 100 + number, short=short) for number, (host, short) in enumerate(later)]
    line.add(waiting)
    running: list[Task] = []
    made: list[Task] = []
    for step in range(1_000):
        while (task := line.take()) is not None:
            running.append(task)
        assert len(running) <= places
        hosts = [host_of(task.target.base) for task in running]
        assert len(hosts) == len(set(hosts))
        if not running and not coming:
            break
        if coming:
            line.add([coming.pop()])
        if running:
            ended = running.pop((seed + step) % len(running))
            line.done(ended)
            made.append(ended)
    assert sorted(one.target.name for one in made) == sorted(
        one.target.name
        for one in (
            *waiting,
            *(look(host, 100 + number, short=short) for number, (host, short) in enumerate(later)),
        )
    )
    assert line.clear() == []


def test_long_looks_leave_a_place_for_the_short_ones_and_those_come_first_at_their_host() -> None:
    line = Line(4, has_short=True)
    line.add([look(host, 0, short=False) for host in range(6)])
    taken = [line.take() for _ in range(4)]
    assert [one is not None for one in taken] == [True, True, True, False]
    line.add([look(9, 0, short=True), look(0, 1, short=False), look(0, 2, short=True)])
    short = line.take()
    assert short is not None
    assert host_of(short.target.base) == "h9.example.org"
    first = next(one for one in taken if one is not None and "//h0." in one.target.base)
    line.done(first)
    line.done(short)
    following = line.take()
    assert following is not None
    assert following.target.name == "t0-2"
    assert {one.target.name for one in line.clear()} == {"t3-0", "t4-0", "t5-0", "t0-1"}


def test_without_plans_of_minutes_every_place_is_for_the_long_looks() -> None:
    line = Line(2, has_short=False)
    line.add([look(host, 0, short=False) for host in range(3)])
    assert [line.take() is not None for _ in range(3)] == [True, True, False]


TWO = """
schema: prober/monitor/1
time_zone: UTC
looks:
  poll: {every: 5, depth: discovery, probes: [capability_statement_served]}
  nightly: {every: night, at: "02:00", depth: discovery}
targets:
  - {name: slow, base: THE_SERVER, ca_file: ca.pem, looks: [nightly], provider: provider.yaml}
  - {name: other, base: "https://localhost:PORT/fhir", ca_file: ca.pem, looks: [OTHERS]}
recipients:
  - {name: hook, webhook: "HOOK", kinds: [opened, closed, digest, monitor, gate], private: true}
"""


@pytest.fixture
def two(tmp_path: Path, told: Inbox, database: Database) -> Callable[[str], Story]:
    """Two targets: `slow`, and `other`, which is looked at by the plan that is given."""

    def make(others: str) -> Story:
        story = Story(tmp_path, TWO.replace("HOOK", told.url).replace("OTHERS", others), database)
        story.start()
        path = tmp_path / "monitor.yaml"
        path.write_text(path.read_text().replace("PORT", str(story.port)))
        (tmp_path / "provider.yaml").write_text(
            f"organisation: Example\nenvironment: production\nfhir_bases: [https://127.0.0.1:{story.port}/fhir]\n"
        )
        return story

    return make


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "It did not happen in time."
        await asyncio.sleep(0.02)


@DEEP
def test_a_look_that_takes_long_holds_up_no_poll_and_nobody_is_said_to_have_been_away(
    two: Callable[[str], Story], told: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = two("poll")
    monkeypatch.setattr(rounds, "LONGEST_UNSEEN", 0.05)
    polls: list[str] = []

    def have(count: int) -> bool:
        return len(polls) >= count

    async def ask(task: Task, *rest: object) -> RunFolder | None:
        if task.target.name == "other":
            polls.append(task.slot.name)
            return await looking.ask(task, *rest)  # type: ignore[arg-type]
        for number in range(8):
            story.clock.go_to(story.day(1, hours=2, minutes=5 * number + 1))
            await until(partial(have, number + 1))
        return await looking.ask(task, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(rounds, "ask", ask)
    config = load_settings(story.place / "monitor.yaml", story.clock.utc().date())

    async def go() -> None:
        with config.history(check=True) as history:
            for minutes in (0, 41):
                story.clock.go_to(story.day(1, hours=2, minutes=minutes))
                await one_round(config, history, story.clock, asyncio.Event(), story.said.append, wait_for_second=False)

    try:
        asyncio.run(go())
        assert polls == [f"{story.first.date()}T02-{minutes:02}Z" for minutes in range(0, 45, 5)]
        assert [one for one in told.told if one["kind"] == "monitor"] == []
        with config.read_history() as history:
            assert [one.monitor_ran for one in hindsight(config, history, Asked(), story.clock.utc()).gaps] == []
    finally:
        story.stop()


@DEEP
def test_a_gate_of_safety_is_told_while_others_are_still_looked_at(
    two: Callable[[str], Story], told: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = two("nightly")
    story.stop()
    story.defects = ("open_patient_data",)
    story.start()

    async def ask(task: Task, *rest: object) -> RunFolder | None:
        if task.target.name == "other":
            await until(lambda: any(one.get("private") for one in told.told))
        return await looking.ask(task, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(rounds, "ask", ask)
    try:
        path = story.place / "monitor.yaml"
        path.write_text(path.read_text().replace("depth: discovery}\ntargets", "depth: standard}\ntargets"))
        story.round(story.day(1, hours=2, minutes=5))
        assert any(one.get("private") for one in told.told)
    finally:
        story.stop()


@DEEP
def test_a_daemon_begins_nothing_after_an_hour_and_the_rest_is_due_at_once(
    two: Callable[[str], Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    story = two("nightly")
    path = story.place / "monitor.yaml"
    path.write_text(path.read_text() + "at_once: 1\n")
    asked: list[str] = []

    async def ask(task: Task, *rest: object) -> RunFolder | None:
        asked.append(task.target.name)
        story.clock.go_to(story.clock.utc() + timedelta(minutes=70))
        return await looking.ask(task, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(rounds, "ask", ask)
    config = load_settings(path, story.clock.utc().date())

    async def go() -> None:
        with config.history(check=True) as history:
            story.clock.go_to(story.day(1, hours=2))
            for names in (["other"], ["other", "slow"]):
                done = await one_round(
                    config, history, story.clock, asyncio.Event(), story.said.append, wait_for_second=False
                )
                assert asked == names
                assert done.next_due is not None
                assert (done.next_due <= story.clock.utc()) == (names == ["other"])

    try:
        asyncio.run(go())
    finally:
        story.stop()
