"""A night that is killed at any moment ends, after a restart, as an undisturbed one: nothing is lost or told anew."""

import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, repeat
from typing import Any

import pytest
from tests.nights import Inbox, Nights, Story, no_export, software

pytestmark = pytest.mark.history
TIMES_OF_ITS_OWN = {"finding/answers_promptly"}


def command(story: Story) -> list[str]:
    return [sys.executable, "-m", "prober", "monitor", "--config", str(story.place / "monitor.yaml"), "--once"]


def final(story: Story) -> dict[str, Any]:
    """Everything that the history holds, but for instants and the ids that follow from them."""
    with story.history() as history:
        looks = history.looks("main")
        return {
            "looks": sorted((one.plan, one.part, one.up, one.ending, one.seen, one.label or "") for one in looks),
            "facts": {
                (plan, fact.key): fact.value
                for plan in ("nightly", "sixth")
                for facts in history.standing("main", plan)
                for fact in facts.facts
                if fact.key not in TIMES_OF_ITS_OWN
            },
            "changes": sorted((one.key, one.judgement, one.what) for _, _, one in history.changes()),
            "incidents": sorted((one.kind, one.keys, one.title, one.closed is None) for one in history.incidents()),
            "courses": sorted((key, one.course, one.bad) for key, one in history.states("main").items()),
            "messages": sorted((one.kind, one.title) for one in history.messages()),
            "waiting": history.waiting(),
        }


@pytest.fixture
def night(story: Story) -> Story:
    """The baseline of yesterday is recorded; tonight the export is gone and there is a new release."""
    story.config = story.config.replace("depth: standard", "depth: discovery") + "alerts: {second_look_minutes: 0}\n"
    story.clock = Nights(datetime.now(UTC) - timedelta(days=2))
    story.start()
    assert story.round(datetime.now(UTC) - timedelta(days=1)) == 0, story.said
    story.script.edits = [no_export, software("9.9.9")]
    shutil.copytree(story.place / "state", story.place / "before")
    story.database.save()
    return story


def back_to_yesterday(story: Story, told: Inbox) -> None:
    shutil.rmtree(story.place / "state")
    shutil.copytree(story.place / "before", story.place / "state")
    story.database.restore()
    told.told.clear()


def killed_after(story: Story, seconds: float) -> bool:
    """Run the monitor and kill it after so long. False where it had ended by then."""
    running = subprocess.Popen(command(story), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGKILL)
        running.wait()
        return True
    return False


def finished(story: Story) -> float:
    """Run the monitor until it ends by itself. How long that took, in seconds."""
    began = time.monotonic()
    done = subprocess.run(command(story), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return time.monotonic() - began


def play(story: Story, told: Inbox, moments: Iterator[float], nights: int) -> None:
    """Kill so many nights, each at the next of these shares of its length, and compare how they end."""
    length = finished(story)
    undisturbed = final(story)
    expected = Counter((one["kind"], one["title"]) for one in told.told)
    assert [one[0] for one in undisturbed["incidents"]] == ["change"]
    assert sorted(kind for kind, _ in expected) == ["digest", "monitor", "opened"]
    assert undisturbed["waiting"] == 0
    killed = tried = 0
    while killed < nights:
        moment = next(moments)
        back_to_yesterday(story, told)
        was_killed = killed_after(story, length * moment)
        # Once more while it tidies up after the first time.
        was_killed |= killed_after(story, length * moment / 2)
        finished(story)
        killed, tried = killed + was_killed, tried + 1
        if not was_killed:
            # The machine is less busy than it was.
            length *= 0.8
        assert tried < 2 * nights + 5, "It ended before it could be killed, again and again."
        assert final(story) == undisturbed, f"killed after {length * moment:.2f} s"
        # A kill between the sending and its note repeats a message, under the same key; whoever is told sees one.
        once = {one["key"]: (one["kind"], one["title"]) for one in told.told}
        assert Counter(once.values()) == expected
        if tried % 10 == 1:
            finished(story)
            assert final(story) == undisturbed, "a round with nothing to do changes nothing"


@pytest.mark.deep
def test_a_killed_night_ends_as_an_undisturbed_one(night: Story, told: Inbox) -> None:
    play(night, told, repeat(0.6), 1)


@pytest.mark.deep
def test_fifty_killed_nights_end_as_an_undisturbed_one(night: Story, told: Inbox) -> None:
    drawn = random.Random(20261126)
    play(night, told, (drawn.uniform(0.15, 1.0) for _ in count()), 50)


@pytest.mark.deep
def test_two_monitors_at_once_are_one_too_many(night: Story, told: Inbox) -> None:
    """The second one says who is at work, and nothing is looked at twice."""
    first = subprocess.Popen(command(night), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lock = night.place / "state" / "monitor.lock"
    deadline = time.monotonic() + 30
    while f"process {first.pid}" not in lock.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    second = subprocess.run(command(night), capture_output=True, text=True, timeout=60, check=False)
    out, err = first.communicate(timeout=120)
    assert first.returncode == 0, out + err
    if second.returncode == 3:
        assert f"another monitor is at work (process {first.pid}" in second.stderr
    else:
        # It began only after the first one had ended.
        assert "Nothing is due" in second.stdout
    assert len(final(night)["looks"]) == 2 + 3


@pytest.mark.deep
def test_a_stop_in_the_middle_is_gone_on_with(night: Story) -> None:
    running = subprocess.Popen(command(night), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    place = night.place / "state" / "runs" / "main" / "nightly"
    deadline = time.monotonic() + 30
    while len(list(place.glob("*/exchanges.jsonl"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 3, out + err
    assert "It was stopped before all of it was done" in out
    finished(night)
    assert len(final(night)["looks"]) == 2 + 3


@pytest.mark.deep
def test_the_lock_of_a_killed_monitor_holds_nobody_up(night: Story) -> None:
    lock = night.place / "state" / "monitor.lock"
    lock.write_text("process 1, since long ago\n")
    finished(night)
