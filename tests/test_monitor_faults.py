"""What goes wrong around the monitor: nothing finished is lost, nothing is told twice, and nobody else is blamed."""

import asyncio
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.nights import Inbox, Nights, Story

from prober.clock import SystemClock, instant
from prober.history import store
from prober.history.store import History, HistoryLost
from prober.mistake import Mistake
from prober.monitor import looking
from prober.monitor import round as rounds
from prober.monitor.rereading import InForce
from prober.monitor.settings import check_ways, load_settings
from prober.monitor.tell import from_environment
from prober.monitor.telling import rest
from prober.nouns.incident import Message

pytestmark = pytest.mark.history
LEAN = """
schema: prober/monitor/1
looks:
  nightly: {every: night, at: "02:00", depth: discovery, probes: [capability_statement_served]}
targets:
  - {name: main, base: THE_SERVER, ca_file: ca.pem}
recipients:
  - {name: feed, webhook: "HOOK", kinds: [opened, closed, digest, monitor]}
alerts: {second_look_minutes: 10}
"""


@pytest.fixture
def lean(story: Story, told: Inbox) -> Story:
    """One target, one kind of look that asks little."""
    story.config = story.config[: story.config.index("\nschema")] + LEAN.replace("HOOK", told.url)
    if not story.database.is_file:
        story.config += "database: env:PROBER_DATABASE\n"
    return story


def looks(story: Story, target: str = "main") -> list[tuple[str, int, str]]:
    with story.history() as history:
        return [(one.slot, one.part, one.up) for one in history.looks(target)]


def night(story: Story, number: int, hours: int = 2, minutes: int = 5) -> int:
    return story.round(story.day(number, hours=hours, minutes=minutes))


# The configuration


HEAD = "schema: prober/monitor/1\nlooks:\n  nightly: {every: night, depth: discovery}\n"
TARGET = "targets:\n  - {name: main, base: 'https://fhir.example.org/r4', authorized_by: 'A, B, C'}\n"
RIGHT = HEAD + TARGET
TEAM = RIGHT + "recipients:\n  - {name: team, "
WINDOW = RIGHT + "maintenance:\n  - "
MISTAKES: dict[str, tuple[str, int, str]] = {
    "unknown at the top": (RIGHT + "recipents: []\n", 6, "did you mean `recipients`?"),
    "unknown in a look": (RIGHT.replace("depth:", "dept:"), 3, "did you mean `depth`?"),
    "unknown in a target": (RIGHT.replace("authorized", "autorized"), 5, "did you mean `authorized_by`?"),
    "time of day": (RIGHT.replace("night,", 'night, at: "25:00",'), 3, "write a time of day in quotes"),
    "minutes": (RIGHT.replace("every: night", "every: 50"), 3, "must divide a day without a rest"),
    "time zone": (RIGHT + "time_zone: Mars/Olympus\n", 6, "write an IANA name such as"),
    "two of one name": (RIGHT + TARGET.partition("\n")[2], 5, "give each a name of its own"),
    "name": (RIGHT.replace("main", "Main Hospital"), 5, "write small letters, digits, - and _"),
    "unknown probe": (RIGHT.replace("night,", "night, probes: [x],"), 3, "there is no probe called x"),
    "permit": (RIGHT.replace("night,", "night, permits: [negative_auth],"), 3, "write 'active', 'credentials'"),
    "no URL": (RIGHT.replace("https://", ""), 5, "write it with its scheme"),
    "no URL, and no look": (RIGHT.replace("https://", "").replace("base:", "looks: [], base:"), 5, "its scheme"),
    "plain http": (RIGHT.replace("https:", "http:"), 5, "say `allow_http: true` if that is meant"),
    "password in the base": (RIGHT.replace("https://", "https://me:canary@"), 5, "give a token with `bearer`"),
    "unknown look": (RIGHT.replace("base:", "looks: [weekly], base:"), 5, "name one of nightly"),
    "no file of waivers": (RIGHT.replace("base:", "waivers: none.yaml, base:"), 5, "there is no such file"),
    "no file of a provider": (RIGHT.replace("base:", "provider: none.yaml, base:"), 5, "there is no such file"),
    "no authorization": (RIGHT.replace("base:", "authorization: none.yaml, base:"), 5, "there is no such file"),
    "no authorities": (RIGHT.replace("base:", "ca_file: none.pem, base:"), 5, "there is no such file"),
    "token": (RIGHT.replace("base:", "bearer: canary, base:"), 5, "never a token"),
    "no rule book": (RIGHT + "model: none.yaml\n", 6, "there is no such file"),
    "recipient without address": (TEAM + "private: true}\n", 7, "exactly one of webhook, mail, apprise"),
    "mail without server": (TEAM + "mail: a@example.org}\n", 6, "`mail` names no server"),
    "no mail address": (TEAM + "mail: nobody}\nmail: {host: h, sender: a@example.org}\n", 7, "no plain mail address"),
    "plain webhook": (TEAM + "webhook: 'http://h.example/canary'}\n", 7, "over https alone"),
    "variable of a webhook": (TEAM + "webhook: 'env:PROBER_NOT_SET'}\n", 7, "no variable of this name is set"),
    "secret": (TEAM + "webhook: 'https://h.example/', secret: canary}\n", 7, "name an environment variable"),
    "password": (
        TEAM + "mail: a@example.org}\nmail: {host: h, sender: a@example.org, password: canary}\n",
        8,
        "never a token",
    ),
    "unknown target": (TEAM + "webhook: 'https://h.example/', targets: [mian]}\n", 7, "no target called mian"),
    "variable of the heartbeat": (RIGHT + "heartbeat: {url: 'env:PROBER_NOT_SET'}\n", 6, "no variable of this name"),
    "window the wrong way": (
        WINDOW + "{begins: '2026-01-02T00:00:00Z', ends: '2026-01-01T00:00:00Z'}\n",
        7,
        "ends before it begins",
    ),
    "window without end": (WINDOW + "{begins: '2026-01-02T00:00:00Z'}\n", 7, "has `begins` and `ends`, or"),
    "window of days": (WINDOW + "{begins: '2026-01-02', ends: '2026-01-03'}\n", 7, "write it as 2026-12-31T00:00:00Z"),
    "window of no length": (WINDOW + "{on: sunday, at: '02:00'}\n", 7, "or `on`, `at` and `minutes`"),
    "control without port": (RIGHT + "control: gateway.example.org\n", 6, "not a host and port"),
    "database": (RIGHT + "database: 'postgresql://me:canary@h/db'\n", 6, "name an environment variable"),
    "its own earlier name": (RIGHT.replace("base:", "was: [main], base:"), 5, "remove it"),
    "no looks": (RIGHT.replace("looks:", "loks:"), 2, "did you mean `looks`?"),
    "nothing": ("", 1, "this file is empty; fill it in"),
}


@pytest.mark.parametrize("name", sorted(MISTAKES))
def test_a_mistake_in_the_configuration_is_told_with_its_line_and_what_to_do(name: str, tmp_path: Path) -> None:
    text, line, words = MISTAKES[name]
    path = tmp_path / "monitor.yaml"
    path.write_text(text)
    with pytest.raises(Mistake) as refused:
        check_ways(load_settings(path, datetime(2026, 1, 1, tzinfo=UTC).date()), from_environment)
    told = str(refused.value)
    assert told.startswith(f"{path}:{line}: "), told
    assert words in told
    assert "canary" not in told


def test_a_configuration_without_mistakes_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(RIGHT)
    check_ways(load_settings(path, datetime(2026, 1, 1, tzinfo=UTC).date()), from_environment)


# One target in trouble holds up no other


def two(story: Story, more: str = "") -> None:
    """A second target at the same server, by another name of the host so that it is another base."""
    story.config = story.config.replace(
        "ca_file: ca.pem}", f"ca_file: ca.pem}}\n  - {{name: other, base: THE_SERVER, ca_file: ca.pem{more}}}", 1
    )


@pytest.mark.deep
def test_a_fault_of_probers_own_in_one_look_is_told_and_the_others_go_on(
    lean: Story, told: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    two(lean)
    lean.start()
    whole = looking.assess

    def broken(task: looking.Task, *more: Any) -> looking.Looked:
        if task.target.name == "main":
            raise RuntimeError("canary of the server")
        return whole(task, *more)

    monkeypatch.setattr(rounds, "assess", broken)
    assert night(lean, 1) == 4
    assert looks(lean) == []
    assert len(looks(lean, "other")) == 1
    (message,) = told.told
    assert message["kind"] == "monitor"
    assert "main could not be looked at" in message["text"]
    assert "Prober itself failed with RuntimeError at test_monitor_faults.py:" in message["text"]
    assert "This says nothing about the server." in message["text"]
    assert "canary" not in message["text"] + "".join(lean.said)
    assert lean.server is not None
    asked = len(lean.server.log)
    # Once more by the next round, which asks nobody again; and it is told once.
    assert night(lean, 1, hours=3) == 4
    monkeypatch.setattr(rounds, "assess", whole)
    assert night(lean, 1, hours=4) == 0
    assert len(looks(lean)) == 1
    assert len(lean.server.log) == asked
    assert len(told.told) == 1


@pytest.mark.deep
def test_what_one_target_lacks_is_its_own_trouble(lean: Story, told: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is not there, and an authorization that is over."""
    two(lean, ", bearer: env:PROBER_NO_TOKEN")
    monkeypatch.delenv("PROBER_NO_TOKEN", raising=False)
    lean.start()
    assert night(lean, 1) == 3
    assert len(looks(lean)) == 1
    assert looks(lean, "other") == []
    (message,) = told.told
    assert "other could not be looked at" in message["text"]
    assert "`bearer` PROBER_NO_TOKEN: no environment variable" in message["text"]
    assert "--bearer-env" not in message["text"] + "".join(lean.said)
    with lean.history() as history:
        assert history.incidents() == []
    monkeypatch.setenv("PROBER_NO_TOKEN", "canary-token")
    assert night(lean, 1, hours=3) == 0
    assert len(looks(lean, "other")) == 1
    assert not any(b"canary-token" in one.read_bytes() for one in lean.place.rglob("*") if one.is_file())


@pytest.mark.deep
def test_one_variable_that_is_missing_is_told_once_for_all_targets_and_plans(
    lean: Story, told: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROBER_NO_TOKEN", raising=False)
    more = "".join(
        f"\n  - {{name: t{n}, base: THE_SERVER, ca_file: ca.pem, bearer: env:PROBER_NO_TOKEN}}" for n in range(3)
    )
    lean.config = lean.config.replace("ca_file: ca.pem}", f"ca_file: ca.pem}}{more}", 1).replace(
        "looks:\n", "looks:\n  sixth: {every: 360, depth: discovery, probes: [capability_statement_served]}\n"
    )
    lean.start()
    for hours in (2, 7, 13):
        assert night(lean, 1, hours=hours) == 3
    (message,) = told.told
    assert message["title"] == "3 targets could not be looked at"
    assert "They are t0, t1 and t2." in message["lines"]
    assert night(lean, 2) == 3
    assert len([one for one in told.told if one["title"] == message["title"]]) == 2


@pytest.mark.deep
def test_evidence_that_cannot_be_read_is_put_aside_and_the_look_is_made_anew(lean: Story, told: Inbox) -> None:
    lean.start()
    assert night(lean, 1) == 0
    place = lean.place / "state" / "runs" / "main" / "nightly"
    (folder,) = place.iterdir()
    # As if it had been killed before it was recorded, and the disk had lost what was in the middle.
    for path in (*lean.database.path.parent.glob("history.db*"),) if lean.database.is_file else ():
        path.unlink()
    lean.database.empty()
    lines = (folder / "exchanges.jsonl").read_bytes().split(b"\n")
    (folder / "exchanges.jsonl").write_bytes(b"\n".join([b"{", *lines[1:]]))
    assert night(lean, 1, hours=3) == 3
    assert looks(lean) == [(folder.name, 0, "up")]
    assert [one.name for one in sorted(place.iterdir())] == [folder.name, f"{folder.name}.cut-1"]
    assert "this line is not an exchange" in told.told[0]["text"]


@pytest.mark.deep
def test_what_an_earlier_prober_collected_is_judged_by_this_one(lean: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was updated between the kill and the restart."""
    lean.start()

    def killed(*_: Any) -> looking.Looked:
        raise HistoryLost("gone")

    whole = looking.assess
    monkeypatch.setattr(rounds, "assess", killed)
    with pytest.raises(HistoryLost):
        night(lean, 1)
    monkeypatch.setattr(rounds, "assess", whole)
    place = lean.place / "state" / "runs" / "main" / "nightly"
    (folder,) = place.iterdir()
    run = (folder / "run.json").read_text()
    before = run.partition('"capability_statement_served":"')[2][:64]
    (folder / "run.json").write_text(run.replace(before, "0" * 64))
    assert lean.server is not None
    asked = len(lean.server.log)
    assert night(lean, 3) == 0, lean.said
    assert looks(lean)[0][0] == folder.name
    (aside,) = place.glob(f"{folder.name}.cut-*")
    assert before not in (aside / "run.json").read_text()
    assert before in (folder / "run.json").read_text()
    assert len(looks(lean)) == 2
    assert len(lean.server.log) - asked == asked, "only the new night was asked for"


# The clock


def test_a_message_of_a_clock_that_was_put_back_is_not_lost(open_history: Callable[..., History]) -> None:
    history = open_history()
    for name, told_at, due in (
        ("a-year-ahead", "2027-01-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z"),
        ("told-now-due-far", "2026-01-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z"),
        ("quiet", "2026-01-01T00:00:00.000000Z", "2026-01-01T06:00:00.000000Z"),
        ("due", "2025-12-31T23:00:00.000000Z", "2026-01-01T00:00:00.000000Z"),
    ):
        one = Message(id=name, kind="monitor", time=told_at, title="t", lines=())
        history.tell([(one, (("feed", due),))])
    ids = [one.message.id for one in history.pending("2026-01-01T00:00:00.000000Z")]
    assert sorted(ids) == ["a-year-ahead", "due", "told-now-due-far"]
    assert history.waiting() == 4


def test_a_clock_that_is_put_back_lets_nobody_rest_for_a_year() -> None:
    clock = Nights(datetime(2026, 1, 1, tzinfo=UTC))

    class PutBack(Nights):
        """Put back by a year after half a minute; what it measures goes on."""

        def utc(self) -> datetime:
            now = super().utc()
            return now - timedelta(days=365) if self.monotonic_us() >= 30_000_000 else now

    for one in (clock, PutBack(datetime(2026, 1, 1, tzinfo=UTC))):
        asyncio.run(rest(one, one.utc() + timedelta(minutes=5), asyncio.Event()))
        assert 299_000_000 < one.monotonic_us() < 331_000_000


@pytest.mark.deep
@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(days=-1), timedelta(days=-365), timedelta(days=365)])
def test_a_clock_that_steps_for_a_while_loses_no_night_and_tells_nothing_twice(
    lean: Story, told: Inbox, step: timedelta
) -> None:
    clock = lean.clock
    lean.start()
    for number in (1, 2, 3):
        assert night(lean, number) == 0, lean.said
    folders = sorted((lean.place / "state" / "runs" / "main" / "nightly").iterdir())
    clock.wrong_by = step
    for hours in (3, 4):
        assert night(lean, 3, hours=hours) == 0, lean.said
    clock.wrong_by = timedelta()
    for number in (4, 5, 6):
        lean.script.status = 503 if number == 5 else None
        assert night(lean, number) == 0, lean.said
    assert night(lean, 7) == 0, lean.said
    slots = [slot for slot, part, _ in looks(lean) if part == 0]
    assert len(set(slots)) == len(slots)
    assert {lean.day(number).date().isoformat() for number in range(1, 8)} <= set(slots)
    with lean.history() as history:
        found = [(one.kind, one.closed_because) for one in history.incidents()]
        assert history.waiting() == 0
    # By a clock that is a year ahead every certificate has expired, which is no news of the server.
    assert found == [("outage", "recovered")]
    assert sorted(one["kind"] for one in told.told if one["kind"] in ("opened", "closed")) == ["closed", "opened"]
    assert len({one["key"] for one in told.told}) == len(told.told)
    assert all(folder.is_dir() for folder in folders), "what is not old stays"
    back = [one["text"] for one in told.told if "put back" in one["text"]]
    assert len(back) == (1 if step.total_seconds() != -3600 else 0), [one["text"] for one in told.told]


@pytest.mark.deep
def test_a_clock_that_jumps_ahead_makes_no_outage_the_usual_and_nothing_old(lean: Story, told: Inbox) -> None:
    clock = lean.clock
    lean.start()
    for number in (1, 2, 3):
        assert night(lean, number) == 0, lean.said
    lean.script.status = 503
    assert night(lean, 4) == 0, lean.said
    clock.wrong_by = timedelta(days=365)
    assert night(lean, 4, hours=3) == 0, lean.said
    clock.wrong_by = timedelta()
    assert night(lean, 5) == 0, lean.said
    with lean.history() as history:
        assert "outage" in [one.kind for one in history.incidents(open_only=True)]
    lean.script.status = None
    for number in (6, 7):
        assert night(lean, number) == 0, lean.said
    with lean.history() as history:
        assert [(one.kind, one.closed_because) for one in history.incidents()] == [("outage", "recovered")]
        assert all(one.folder and (lean.place / "state" / one.folder).is_dir() for one in history.looks("main"))
    assert sorted(one["kind"] for one in told.told if one["kind"] in ("opened", "closed")) == ["closed", "opened"]


@pytest.mark.deep
def test_another_time_zone_makes_no_night_twice(lean: Story) -> None:
    lean.start()
    path = lean.place / "monitor.yaml"
    plain = path.read_text()
    for number, zone in enumerate(("UTC", "Pacific/Kiritimati", "America/Los_Angeles", "UTC"), start=1):
        path.write_text(f"{plain}time_zone: {zone}\n")
        for hours in range(0, 24, 6):
            assert night(lean, number, hours=hours) == 0, lean.said
    slots = [slot for slot, _, _ in looks(lean)]
    assert len(slots) == len(set(slots))
    days = [lean.day(number).date() for number in range(0, 5)]
    assert set(slots) <= {day.isoformat() for day in days}
    assert set(slots) >= {day.isoformat() for day in days[1:4]}


@pytest.mark.deep
@pytest.mark.parametrize("change", [datetime(2027, 3, 28, tzinfo=UTC), datetime(2027, 10, 31, tzinfo=UTC)])
def test_the_nights_on_which_clocks_change_are_looked_at_once(lean: Story, change: datetime) -> None:
    """At half past two, which does not exist on the one and comes twice on the other."""
    lean.config = lean.config.replace('"02:00"', '"02:30"') + "time_zone: Europe/Berlin\n"
    lean.first = change - timedelta(days=1)
    lean.clock = Nights(lean.first)
    lean.start()
    moment = lean.first + timedelta(hours=12)
    while moment < lean.first + timedelta(days=3):
        assert lean.round(moment) == 0, lean.said
        moment += timedelta(minutes=30 if 0 <= moment.hour < 3 else 180)
    days = [(lean.first + timedelta(days=number)).date().isoformat() for number in range(3)]
    assert [slot for slot, _, _ in looks(lean)] == days


# The file of the history


def only_file(story: Story) -> None:
    if not story.database.is_file:
        pytest.skip("It is about a file.")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("folder", "this is a folder"),
        ("link", "this is a link"),
        ("empty", "this file is empty, and there are run folders beside it"),
        ("notes", "this history is damaged"),
        ("newer", "made by a newer prober"),
    ],
)
def test_what_is_no_history_is_told_before_anybody_is_asked(lean: Story, what: str, words: str) -> None:
    only_file(lean)
    (lean.place / "monitor.yaml").write_text(lean.config.replace("THE_SERVER", "https://127.0.0.1:1/fhir"))
    (lean.place / "ca.pem").touch()
    path = lean.database.path
    (path.parent / "runs").mkdir(parents=True)
    if what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to(lean.place / "elsewhere.db")
    elif what == "empty":
        path.touch()
    elif what == "notes":
        path.write_text("These are my notes.\n" * 400)
    else:
        with lean.history() as history, history._writing() as connection:
            connection.exec_driver_sql("UPDATE about SET value = '99'")
    with pytest.raises(HistoryLost, match=words) as refused:
        night(lean, 1)
    assert not isinstance(refused.value, store.HistoryAway), "this is no matter of time: the code is 2"
    assert not (lean.place / "elsewhere.db").exists()


@pytest.mark.deep
def test_what_a_killed_monitor_left_beside_the_file_belongs_to_it(lean: Story) -> None:
    """The file and its log, as they were while a monitor had them open, and never closed."""
    only_file(lean)
    lean.start()
    assert night(lean, 1) == 0, lean.said
    path = lean.database.path
    with lean.history() as history, history._reading():
        held = {one.name: one.read_bytes() for one in path.parent.glob("history.db*")}
    assert "history.db-wal" in held
    for name, content in held.items():
        (path.parent / name).write_bytes(content)
    assert night(lean, 2) == 0, lean.said
    assert len(looks(lean)) == 2


@pytest.mark.deep
def test_a_history_that_another_program_locks_in_the_middle_gets_the_look_later(
    lean: Story, told: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_file(lean)
    monkeypatch.setattr(store, "WAIT_SECONDS", 0.2)
    lean.start()
    assert night(lean, 1) == 0, lean.said
    with closing(sqlite3.connect(lean.database.path, check_same_thread=False)) as other:

        def lock(path: str, _: dict[str, Any]) -> None:
            if path.endswith("/metadata") and not other.in_transaction:
                other.execute("BEGIN IMMEDIATE")

        lean.script.edits = [lock]
        assert night(lean, 2) == 3
        assert "another program has locked this history" in lean.said[-1]
        assert "Nothing that was collected is lost" in lean.said[-1]
        other.rollback()
    lean.script.edits = []
    assert lean.server is not None
    asked = len(lean.server.log)
    assert night(lean, 2, hours=3) == 0, lean.said
    assert len(lean.server.log) == asked, "nobody is asked again"
    assert [up for _, _, up in looks(lean)] == ["up", "up"]
    assert told.told == []


@pytest.mark.deep
def test_a_history_that_is_overwritten_in_the_middle_is_told_and_made_anew(lean: Story) -> None:
    only_file(lean)
    lean.start()
    assert night(lean, 1) == 0, lean.said
    path = lean.database.path

    def overwrite(asked: str, _: dict[str, Any]) -> None:
        if asked.endswith("/metadata"):
            for one in path.parent.glob("history.db*"):
                one.write_bytes(b"\xff" * 65_536)

    lean.script.edits = [overwrite]
    with pytest.raises(HistoryLost):
        night(lean, 2)
    lean.script.edits = []
    with pytest.raises(HistoryLost, match=r"damaged.*--rebuild"):
        night(lean, 2, hours=3)
    for one in path.parent.glob("history.db*"):
        one.unlink()
    assert lean.server is not None
    asked = len(lean.server.log)
    assert night(lean, 2, hours=4) == 0, lean.said
    assert len(lean.server.log) == asked
    assert len(looks(lean)) == 2, "the run folders tell of both nights"


# The disk


class Disk:
    """A small file system of its own at the state folder."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def run(self, *arguments: str) -> None:
        subprocess.run([*arguments, str(self.place)], check=True, capture_output=True)

    def leave(self, room: int) -> None:
        """Fill it, but for so many bytes."""
        (self.place / "filler").unlink(missing_ok=True)
        free = os.statvfs(self.place)
        with (self.place / "filler").open("wb") as file:
            file.write(bytes(max(0, free.f_bavail * free.f_frsize - room)))

    def free(self) -> None:
        (self.place / "filler").unlink()


@pytest.fixture
def disk(lean: Story) -> Iterator[Disk]:
    place = lean.place / "state"
    place.mkdir(exist_ok=True)
    one = Disk(place)
    try:
        one.run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("A file system can be mounted only by root.")
    yield one
    one.run("umount", "-l")


@pytest.mark.deep
def test_a_disk_that_is_full_at_any_moment_loses_no_night(lean: Story, told: Inbox, disk: Disk) -> None:
    lean.start()
    assert night(lean, 1) == 0, lean.said
    codes = []
    rooms = [0, 4_096, 16_384, 40_960, 81_920, 122_880, 163_840, 204_800, 245_760, 286_720, 368_640, 532_480]
    for number, room in enumerate(rooms, start=2):
        disk.leave(room)
        codes.append(night(lean, number))
        assert codes[-1] == 0 or any("No space left" in one or "disk" in one for one in lean.said), lean.said
        disk.free()
        lean.said.clear()
        assert night(lean, number, hours=3) == 0, lean.said
    assert set(codes) == {0, 3}, codes
    assert [up for _, _, up in looks(lean)] == ["up"] * (len(rooms) + 1)
    with lean.history() as history:
        assert history.incidents() == []
        assert history.waiting() == 0
    # Where the room ends between the sending of a message and its note, the message comes again, the same under its id.
    once = {one["key"]: one for one in told.told}
    assert all(one == once[one["key"]] for one in told.told)
    assert len(told.told) <= len(once) + 1
    assert {one["kind"] for one in told.told} <= {"monitor"}


@pytest.mark.deep
def test_a_disk_that_may_only_be_read_is_told(lean: Story, disk: Disk) -> None:
    lean.start()
    assert night(lean, 1) == 0, lean.said
    disk.run("mount", "-o", "remount,ro")
    with pytest.raises(Mistake, match=r"the state folder cannot be used \(Read-only file system\); name another one"):
        night(lean, 2)
    disk.run("mount", "-o", "remount,rw")
    assert night(lean, 2) == 0, lean.said
    assert len(looks(lean)) == 2


def test_a_state_folder_that_is_a_file_is_told(lean: Story) -> None:
    (lean.place / "monitor.yaml").write_text(
        lean.config.replace("THE_SERVER", "https://127.0.0.1:1/fhir") + "state: a-file\n"
    )
    (lean.place / "ca.pem").touch()
    (lean.place / "a-file").touch()
    with pytest.raises(Mistake, match="the state folder cannot be used"):
        night(lean, 1)


@pytest.mark.deep
def test_a_feed_that_cannot_be_written_keeps_nothing_else_from_it(lean: Story) -> None:
    lean.config += "heartbeat: {file: beats/heartbeat.json}\n"
    lean.start()
    (lean.place / "state" / "feed.atom").mkdir(parents=True)
    assert night(lean, 1) == 0
    assert any("feed.atom: the feed cannot be written (Is a directory)" in one for one in lean.said)
    assert any("The heartbeat file beats/heartbeat.json cannot be written" in one for one in lean.said)
    assert "prober_targets 1" in (lean.place / "state" / "prober.prom").read_text()
    assert not list((lean.place / "state").glob(".part-*"))


# Targets that go, and are called otherwise


@pytest.mark.deep
def test_a_target_that_is_renamed_and_moved_goes_on_where_it_was(lean: Story, told: Inbox) -> None:
    lean.start()
    assert night(lean, 1) == 0, lean.said
    lean.script.status = 503
    assert night(lean, 2) == 0, lean.said
    path = lean.place / "monitor.yaml"
    base = f"https://127.0.0.1:{lean.port}/fhir"
    path.write_text(path.read_text().replace("{name: main, ", "{name: hospital, was: [main], "))
    assert night(lean, 3) == 0, lean.said
    with lean.history() as history:
        assert [(one.target, one.closed) for one in history.incidents()] == [("hospital", None)]
    assert (
        'prober_incidents_open{target="hospital",kind="outage"} 1' in (lean.place / "state" / "prober.prom").read_text()
    )
    moved = path.read_text().replace(base, f"https://localhost:{lean.port}/fhir")
    path.write_text(moved)
    with pytest.raises(Mistake, match=rf"monitor.yaml:\d+: .*say `moved_from: \[{base}\]`; if it is another one"):
        night(lean, 4)
    path.write_text(moved.replace("was:", f"moved_from: ['{base}'], was:"))
    lean.script.status = None
    for number in (4, 5, 6):
        assert night(lean, number) == 0, lean.said
    assert [up for _, _, up in looks(lean, "hospital")] == ["up", "down", "down", "down", "up", "up", "up"]
    with lean.history() as history:
        assert [(one.target, one.closed_because) for one in history.incidents()] == [("hospital", "recovered")]
        assert history.targets() == {"hospital": f"https://localhost:{lean.port}/fhir"}
    assert [(one["kind"], one["target"]) for one in told.told] == [("opened", "main"), ("closed", "hospital")]


# Who is told


def message(id_: str, time: datetime) -> Message:
    return Message(id=id_, kind="monitor", time=instant(time), title="Something", lines=("A line.",))


@pytest.mark.deep
def test_a_webhook_that_takes_nothing_is_tried_ever_less_and_given_up(lean: Story) -> None:
    lean.start()
    assert night(lean, 1) == 0, lean.said
    path = lean.place / "monitor.yaml"
    before = path.read_text()
    path.write_text(before.replace("/hook", "/elsewhere").replace("http://127.0.0.1", "http://127.0.0.2"))
    with lean.history() as history:
        history.tell([(message("one", lean.clock.utc()), (("feed", instant(lean.clock.utc())),))])
    tries, moment, last = [], lean.day(1, hours=3), 0
    while moment < lean.day(8) and last == 0:
        lean.said.clear()
        assert lean.round(moment) == 0, lean.said
        if any("did not reach feed" in one for one in lean.said):
            tries.append(moment)
            last = sum("tried 20 times and is given up" in one for one in lean.said)
        moment += timedelta(minutes=5) if len(tries) < 4 else timedelta(hours=2)
    assert len(tries) == 20
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert waits == sorted(waits)
    assert waits[-1] >= timedelta(hours=6)
    with lean.history() as history:
        assert [one.title for one in history.messages()][-1] == "One message did not reach feed and is given up"
        assert history.waiting() == 1, "that word of it"


@pytest.mark.deep
def test_a_recipient_who_is_gone_is_told_nothing_and_that_is_said(lean: Story, told: Inbox) -> None:
    lean.start()
    assert night(lean, 1) == 0, lean.said
    with lean.history() as history:
        history.tell([(message("one", lean.clock.utc()), (("nobody", instant(lean.clock.utc())),))])
    assert night(lean, 2) == 0
    assert "The message one is told to nobody: there is no recipient called nobody any more." in lean.said
    with lean.history() as history:
        assert history.waiting() == 0
    assert told.told == []


@pytest.mark.deep
def test_one_way_of_telling_that_fails_by_a_fault_of_probers_own_holds_no_other_up(
    lean: Story, told: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prober.monitor import tell, telling

    lean.config = lean.config.replace("recipients:\n", f"recipients:\n  - {{name: second, webhook: '{told.url}'}}\n")
    whole = tell.send

    async def broken(one: Message, recipient: Any, *more: Any, **named: Any) -> Any:
        if recipient.name == "second":
            raise RuntimeError("canary")
        return await whole(one, recipient, *more, **named)

    monkeypatch.setattr(telling, "send", broken)
    lean.start()
    assert night(lean, 1) == 0, lean.said
    with lean.history() as history:
        due = instant(lean.clock.utc())
        history.tell([(message("one", lean.clock.utc()), (("feed", due), ("second", due)))])
    assert night(lean, 2) == 0
    assert [one["id"] for one in told.told] == ["one"]
    (said,) = lean.said
    assert "Prober failed with RuntimeError at" in said
    assert "canary" not in said


# Targets that mean harm


def monstrous(path: str, document: dict[str, Any]) -> None:
    """Every string that a database or a terminal could stumble over, and more of everything than there is."""
    if path.endswith("/metadata"):
        document["software"] |= {
            "version": "a\x00b\ud800c\x1b[31mcanary\x07",
            "name": "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(3_000)),
        }
        document["rest"][0]["resource"] += [{"type": f"Type{number}\x00"} for number in range(50_000)]
    if path.endswith("/smart-configuration"):
        document["\x00" + "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(3_000)) + "_endpoint"] = "https://x"


@pytest.mark.deep
def test_a_statement_that_means_harm_neither_stops_a_round_nor_bloats_the_history(story: Story, told: Inbox) -> None:
    story.start()
    assert story.round(story.day(1, hours=2, minutes=5)) == 0, story.said
    story.script.edits = [monstrous]
    assert story.round(story.day(2, hours=2, minutes=5)) == 0, story.said
    story.script.edits = []
    assert story.round(story.day(3, hours=2, minutes=5)) == 0, story.said
    with story.history() as history:
        assert {one.slot for one in history.looks("main", plan="nightly")} >= {
            story.day(number).date().isoformat() for number in (1, 2, 3)
        }
        with history._reading() as connection:
            assert len(connection.exec_driver_sql("SELECT 1 FROM spans").all()) < 40_000
    every = "".join(one["text"] for one in told.told) + "".join(story.said)
    assert not any(ord(one) < 32 and one != "\n" for one in every)
    assert max(len(one["text"]) for one in told.told) < 20_000


@pytest.mark.deep
@pytest.mark.parametrize("defect", ["endless_body", "gzip_bomb", "deep_json", "slow_drip", "header_flood"])
def test_a_hostile_target_holds_no_other_up(lean: Story, told: Inbox, defect: str) -> None:
    from prober.sandbox import Sandbox

    with Sandbox(defects=[defect], dated=False) as hostile:
        lean.config = lean.config.replace(
            "ca_file: ca.pem}",
            f"ca_file: ca.pem}}\n  - {{name: hostile, base: '{hostile.base_url}', allow_http: true}}",
            1,
        )
        lean.start()
        for number in (1, 2):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            assert night(lean, number) == 0, lean.said
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000, "kilobytes"
    assert [up for _, _, up in looks(lean)] == ["up", "up"]
    assert len(looks(lean, "hostile")) >= 2
    assert {one["target"] for one in told.told} <= {"hostile"}


# The database gone, and the daemon


class Cluster:
    """A PostgreSQL server of this test's own, so that it may be stopped."""

    def __init__(self) -> None:
        script = Path(__file__).parents[1] / "scripts" / "postgres"
        self._running = subprocess.Popen(
            [str(script), "sh", "-c", 'echo "$PROBER_TEST_POSTGRES"; exec cat >/dev/null'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._running.stdout is not None
        self.url = self._running.stdout.readline().strip()
        self.place = Path(self.url.partition("host=")[2])

    def control(self, *arguments: str) -> None:
        program = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))[-1]
        owner = (self.place / "data").owner()
        become = ["setpriv", f"--reuid={owner}", f"--regid={(self.place / 'data').group()}", "--clear-groups", "--"]
        as_owner = become if os.geteuid() == 0 else []
        subprocess.run(
            [*as_owner, str(program), "-D", str(self.place / "data"), "-w", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )

    def stop(self) -> None:
        self.control("-m", "immediate", "stop")

    def start(self) -> None:
        options = f"-k {self.place} -c listen_addresses='' -c fsync=off"
        self.control("-l", str(self.place / "data" / "server.log"), "-o", options, "start")

    def close(self) -> None:
        assert self._running.stdin is not None
        self._running.stdin.close()
        self._running.wait(30)
        assert self._running.stdout is not None
        self._running.stdout.close()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    if "PROBER_TEST_POSTGRES" not in os.environ:
        pytest.skip("It is about a server; scripts/test-postgres has one.")
    one = Cluster()
    if not one.url:
        one.close()
        pytest.skip("PostgreSQL cannot be had here.")
    monkeypatch.setenv("PROBER_TEST_POSTGRES", one.url)
    yield one
    one.close()


@pytest.mark.deep
@pytest.mark.parametrize("moment", ["asking", "recording", "before"])
def test_a_database_that_is_gone_gets_the_look_when_it_is_back(
    cluster: Cluster, lean: Story, told: Inbox, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    lean.database = type(lean.database)(lean.database.path)
    lean.database.empty()
    monkeypatch.setenv("PROBER_DATABASE", str(lean.database.url))
    lean.start()
    assert lean.server is not None
    assert night(lean, 1) == 0, lean.said
    per_night = len(lean.server.log)
    whole = History._keep_news

    def gone(path: str, _: dict[str, Any]) -> None:
        if path.endswith("/metadata"):
            lean.script.edits = []
            cluster.stop()

    def gone_in_the_middle(self: History, *more: Any) -> None:
        monkeypatch.setattr(History, "_keep_news", whole)
        cluster.stop()
        whole(self, *more)

    if moment == "asking":
        lean.script.edits = [gone]
    elif moment == "before":
        cluster.stop()
    else:
        real = looking.assess

        def then(*more: Any) -> looking.Looked:
            monkeypatch.setattr(rounds, "assess", real)
            monkeypatch.setattr(History, "_keep_news", gone_in_the_middle)
            return real(*more)

        monkeypatch.setattr(rounds, "assess", then)
    assert night(lean, 2) == 3
    assert "the database does not answer as it should" in lean.said[-1]
    assert "Nothing that was collected is lost" in lean.said[-1]
    assert "host=" not in "".join(lean.said)
    asked = len(lean.server.log)
    assert asked == per_night * (1 if moment == "before" else 2)
    cluster.start()
    assert night(lean, 2, hours=3) == 0, lean.said
    assert len(lean.server.log) == per_night * 2, "nobody is asked again"
    assert [up for _, _, up in looks(lean)] == ["up", "up"]
    assert told.told == []


@pytest.mark.deep
def test_the_lock_of_a_database_is_taken_again_after_a_broken_connection(open_history: Callable[..., History]) -> None:
    one, other = open_history(), open_history()
    if one.is_sqlite:
        pytest.skip("It is about a server.")
    assert one.take_lock()
    assert one._lock is not None
    pid = one._lock.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    with other._writing() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
    one.know("main", "https://fhir.example.org/r4")
    assert not other.take_lock()


@pytest.mark.deep
def test_two_monitors_of_one_database_are_one_too_many_wherever_they_run(lean: Story) -> None:
    if lean.database.is_file:
        pytest.skip("It is about a server.")
    lean.start()
    assert night(lean, 1) == 0, lean.said
    path = lean.place / "monitor.yaml"
    path.write_text(path.read_text() + "state: elsewhere\n")
    with lean.history() as history:
        assert history.take_lock()
        assert night(lean, 2) == 3
    assert "Another monitor writes into this database" in lean.said[-1]
    assert night(lean, 2) == 0


@pytest.mark.deep
def test_the_daemon_serves_and_ends_when_it_is_told_to(lean: Story) -> None:
    lean.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prober", "monitor", "--config", str(lean.place / "monitor.yaml")]
    running = subprocess.Popen(
        [*command, "--listen", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    def get(path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    deadline = time.monotonic() + 60
    while 'prober_up{target="main",look="nightly"} 1' not in get("/metrics") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert get("/healthz") == "The monitor is alive.\n"
    assert 'prober_up{target="main",look="nightly"} 1' in get("/metrics")
    told_to = time.monotonic()
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, out + err
    assert time.monotonic() - told_to < 10
    assert "Watching 1 target until it is told to stop." in out
    assert "1 look done" in out


@pytest.mark.deep
def test_the_daemon_reads_its_configuration_again_and_keeps_the_old_one_where_that_is_wrong(lean: Story) -> None:
    lean.start()
    path = lean.place / "monitor.yaml"
    whole = path.read_text()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prober", "monitor", "--config", str(path), "--listen", f"127.0.0.1:{port}"]
    log = lean.place / "daemon.log"
    with log.open("w") as written:
        running = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, text=True)

    def metrics() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def until(words: str, times: int = 1) -> None:
        deadline = time.monotonic() + 60
        while log.read_text().count(words) < times and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.1)
        assert log.read_text().count(words) == times, log.read_text()

    def reads(config: str) -> None:
        path.write_text(config)
        running.send_signal(signal.SIGHUP)

    base = f"https://127.0.0.1:{lean.port}/fhir"
    try:
        until("1 look done")
        second = f"  - {{name: other, base: 'https://localhost:{lean.port}/fhir', ca_file: ca.pem}}\nrecipients:"
        larger = whole.replace("recipients:", second)
        wrong = {
            larger.replace("recipients:", "recipents:"): "did you mean `recipients`?",
            larger + "state: elsewhere\n": "`state` is another folder now",
            re.sub("database: .*\n", "", larger) + "database: env:PROBER_ELSEWHERE\n": "`database` is another one now",
            larger.replace(base, base + "/r4"): f"say `moved_from: [{base}]`",
            larger.replace("webhook: ", "webhook: env:PROBER_NOT_SET, # "): "",
        }
        for number, (config, words) in enumerate(wrong.items(), start=1):
            reads(config)
            until("The configuration that was read before stays in force.", number)
            assert words in log.read_text().splitlines()[-1]
            assert 'target="other"' not in metrics()
        reads(larger)
        until("The configuration was read again; it watches 2 targets from now on.")
        until("1 look done", 2)
        deadline = time.monotonic() + 60
        while 'prober_up{target="other",look="nightly"} 1' not in metrics() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert 'prober_up{target="other",look="nightly"} 1' in metrics()
        assert 'prober_up{target="main",look="nightly"} 1' in metrics()
        assert not (lean.place / "elsewhere").exists()
    finally:
        running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=60) == 0, log.read_text()


def test_where_there_is_no_such_signal_nothing_is_read_again(lean: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    (lean.place / "monitor.yaml").write_text(RIGHT)
    force = InForce(load_settings(lean.place / "monitor.yaml", lean.first.date()), from_environment)
    monkeypatch.delattr(signal, "SIGHUP")

    async def listens() -> None:
        force.listen(asyncio.get_running_loop())

    asyncio.run(listens())
    assert not force.asked.is_set()


def test_who_is_woken_rests_no_longer() -> None:
    async def woken() -> bool:
        waking = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, waking.set)
        clock = SystemClock()
        async with asyncio.timeout(20):
            await rest(clock, clock.utc() + timedelta(hours=1), asyncio.Event(), waking)
        return waking.is_set()

    assert asyncio.run(woken())


@pytest.mark.deep
def test_the_daemon_goes_on_after_a_round_that_lost_its_history_or_met_a_fault(
    lean: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prober.monitor import commands

    lean.start()
    whole, rounds_made = commands.one_round, 0

    async def shaken(
        settings: Any, history: History, clock: Any, stopping: asyncio.Event, *more: Any, **named: Any
    ) -> Any:
        nonlocal rounds_made
        rounds_made += 1
        if rounds_made == 1:
            raise store.HistoryAway("The database is away.")
        if rounds_made == 2:
            raise RuntimeError("canary")
        done = await whole(settings, history, clock, stopping, *more, **named)
        stopping.set()
        return done

    monkeypatch.setattr(commands, "one_round", shaken)
    lean.clock.go_to(lean.day(1, hours=2, minutes=5))
    code = commands.monitor_stage(
        lean.place / "monitor.yaml",
        once=False,
        listen=None,
        say=lambda _: None,
        complain=lean.said.append,
        clock=lean.clock,
    )
    assert code == 4
    assert lean.said[0] == "The database is away. The monitor goes on and tries again."
    assert "Prober failed with RuntimeError at test_monitor_faults.py:" in lean.said[1]
    assert "canary" not in lean.said[1]
    assert len(looks(lean)) == 1
