"""What waits in the history reaches whom it should, when it should: a real history, and a real webhook."""

import asyncio
import xml.etree.ElementTree as Xml
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.nights import Inbox, Nights, Story, no_export
from tests.samples import DEEP

from prober.clock import VirtualClock, instant
from prober.history.store import History
from prober.monitor.settings import Settings, load_settings
from prober.monitor.tell import from_environment
from prober.monitor.telling import HeldBack, held_back, publish, send_pending
from prober.monitor.troubles import not_looked_at
from prober.nouns.incident import Incident, Message

pytestmark = pytest.mark.history
FIRST = datetime(2026, 11, 26, tzinfo=UTC)
CONFIG = """
schema: prober/monitor/1
looks:
  nightly: {every: night, at: "02:00", depth: discovery}
targets:
  - {name: main, base: "https://fhir.example.org/r4"}
  - {name: other, base: "https://fhir.example.org/r5"}
alerts: {quiet: ["22:00", "06:00"]}
recipients:
  - {name: ops, webhook: "HOOK", kinds: [opened, closed, digest, monitor]}
"""
OpenHistory = Callable[..., History]


def at(hours: int, minutes: int = 0) -> datetime:
    return FIRST + timedelta(hours=hours, minutes=minutes)


class Stage:
    """A monitor that only tells: the history is given what a round would have put into it."""

    def __init__(self, place: Path, history: History, config: str) -> None:
        self.path = place / "monitor.yaml"
        self.history = history
        self.clock = Nights(FIRST)
        self.said: list[str] = []
        self.configure(config)

    def configure(self, config: str) -> None:
        self.path.write_text(config)
        self.settings: Settings = load_settings(self.path, FIRST.date())

    def tell(self, message: Message, when: datetime) -> None:
        self.history.tell([(message, self.settings.recipients(message, when))])

    def send(self, when: datetime) -> int:
        self.clock.go_to(when)
        return asyncio.run(
            send_pending(self.settings, self.history, self.clock, from_environment, self.said.append), debug=False
        )

    def held(self) -> HeldBack | None:
        return held_back(self.settings, self.history, self.clock.utc())


@pytest.fixture
def stage(tmp_path: Path, open_history: OpenHistory, told: Inbox) -> Stage:
    return Stage(tmp_path, open_history(fresh=True), CONFIG.replace("HOOK", told.url))


def message(id_: str, when: datetime, **more: Any) -> Message:
    return Message(
        **{"kind": "opened", "title": "Something", "lines": ("A line.",), **more}, id=id_, time=instant(when)
    )


class Refusing:
    """A webhook that answers with what it is told to, and remembers when it was asked."""

    def __init__(self) -> None:
        self.status = 500
        self.asked = 0
        refusing = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                refusing.asked += 1
                self.send_response(refusing.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def refusing() -> Any:
    one = Refusing()
    yield one
    one.close()


# Quiet hours


def test_what_became_due_long_ago_is_not_sent_in_quiet_hours(stage: Stage, told: Inbox) -> None:
    """A monitor that runs once a night, at 02:05: what waited for 06:00 waits on, and that is said."""
    stage.tell(message("one", at(2, 15)), at(2, 15))
    assert stage.send(at(2, 15)) == 0
    held = stage.held()
    assert held is not None
    assert not held.missed
    assert held.words.startswith("One message waits until 2026-11-26 06:00 UTC, when the quiet hours end. Run `prober")
    stage.tell(message("two", at(26, 5)), at(26, 5))
    assert stage.send(at(26, 5)) == 0
    assert told.told == []
    held = stage.held()
    assert held is not None
    assert held.missed
    assert held.words.startswith(
        "2 messages wait until 2026-11-27 06:00 UTC, when the quiet hours end. Some of them could have been sent since "
        "2026-11-26 06:00 UTC, but nothing ran then. "
    )
    assert stage.send(at(30, 5)) == 2
    assert stage.held() is None
    assert [one["id"] for one in told.told] == ["one", "two"]


def test_a_try_that_failed_is_not_made_again_in_quiet_hours(stage: Stage, refusing: Refusing) -> None:
    stage.configure(CONFIG.replace("HOOK", refusing.url))
    stage.tell(message("one", at(21, 55)), at(21, 55))
    stage.send(at(21, 55))
    assert refusing.asked == 1
    refusing.status = 204
    for hours in range(22, 30):
        assert stage.send(at(hours, 1)) == 0
    assert refusing.asked == 1
    assert stage.send(at(30)) == 1
    assert stage.history.waiting() == 0


def test_a_gate_is_told_in_quiet_hours_and_tried_again_in_them(stage: Stage, refusing: Refusing) -> None:
    stage.configure(CONFIG.replace("HOOK", refusing.url))
    stage.tell(message("gate", at(23), kind="gate"), at(23))
    stage.send(at(23))
    refusing.status = 204
    assert stage.send(at(23, 30)) == 1
    assert stage.held() is None


@DEEP
def test_a_night_with_quiet_hours_tells_in_the_morning(story: Story, told: Inbox) -> None:
    story.config = CONFIG.replace("HOOK", told.url).replace(
        '{name: main, base: "https://fhir.example.org/r4"}', "{name: main, base: THE_SERVER, ca_file: ca.pem}"
    )
    story.config = story.config.replace('  - {name: other, base: "https://fhir.example.org/r5"}\n', "")
    if not story.database.is_file:
        story.config += "database: env:PROBER_DATABASE\n"
    story.start()
    printed: list[str] = []
    for day in (1, 2):
        story.script.edits = [no_export] if day == 2 else []
        assert story.round(story.day(day, hours=2, minutes=5), printed.append) == 0, story.said
    assert told.told == []
    assert "when the quiet hours end" in printed[-1]
    assert story.said == []
    assert story.round(story.day(3, hours=2, minutes=5), printed.append) == 0
    assert told.told == []
    (complained,) = story.said
    assert "but nothing ran then" in complained
    assert story.round(story.day(3, hours=6, minutes=5)) == 0
    assert "opened" in [one["kind"] for one in told.told]


# What is given up


def test_what_is_given_up_is_told_once_and_of_private_ones_nobody_else(
    stage: Stage, told: Inbox, refusing: Refusing
) -> None:
    config = CONFIG.replace("HOOK", told.url)
    config += f'  - {{name: broken, webhook: "{refusing.url}", kinds: [opened], private: true}}\n'
    config += f'  - {{name: contact, webhook: "{told.url}", kinds: [monitor], private: true}}\n'
    stage.configure(config)
    refusing.status = 404
    stage.tell(message("one", at(12)), at(12))
    stage.tell(message("two", at(12)), at(12))
    stage.tell(message("gate", at(12), kind="gate", private=True), at(12))
    stage.send(at(12))
    told.told.clear()
    stage.send(at(13))
    titles = [(one["title"], one["private"]) for one in told.told]
    assert sorted(titles) == [
        ("2 messages did not reach broken and are given up", False),
        ("2 messages did not reach broken and are given up", False),
        ("One message did not reach broken and is given up", True),
    ]
    assert told.told[0]["lines"] == [
        "The webhook of broken answered 404.",
        "What they told is in the history: see `prober history`.",
    ]
    # The one who was not reached is told too, when it can be; that this fails is told to nobody.
    assert refusing.asked == 5
    told.told.clear()
    stage.send(at(14))
    assert told.told == []
    assert stage.history.waiting() == 0


# Recipients who are new


def gate(stage: Stage, target: str = "main", **more: Any) -> Incident:
    one = Incident(
        id=f"{target}.gate",
        target=target,
        title="Patients are open to all",
        keys=("gate/GATE.3",),
        kind="gate",
        private=True,
        began=instant(at(1)),
        opened=instant(at(2)),
    ).model_copy(update=more)
    stage.history.know(target, f"https://{target}.example.org")
    stage.history.keep_incidents(target, [one], [])
    return one


def test_who_may_be_told_of_gates_from_now_on_is_told_once_of_those_that_are_open(stage: Stage, told: Inbox) -> None:
    before = CONFIG.replace("HOOK", told.url)
    contact = f'  - {{name: contact, webhook: "{told.url}", kinds: [gate], private: true, targets: [main]}}\n'
    gate(stage)
    gate(stage, "other")
    gate(stage, "gone", closed=instant(at(3)), closed_because="recovered")
    gate(stage, "waived", waived_by="Ops until 2026-12-31")
    stage.send(at(12))
    assert told.told == []
    stage.configure(before + contact)
    # At once, as gates are.
    stage.send(at(23))
    (one,) = told.told
    assert one["title"] == "Still open: Patients are open to all"
    assert one["private"]
    assert one["incidents"][0]["id"] == "main.gate"
    for hours in (24, 25):
        stage.send(at(hours))
    stage.configure(before)
    stage.send(at(26))
    stage.configure(before + contact)
    stage.send(at(27))
    assert len(told.told) == 1
    stage.configure(before + contact.replace(", targets: [main]", ""))
    stage.send(at(28))
    stage.send(at(29))
    assert [one["target"] for one in told.told] == ["main", "other"]


def test_who_was_there_at_the_first_round_is_told_nothing_again(stage: Stage, told: Inbox) -> None:
    """After `prober history --rebuild`, too."""
    gate(stage)
    stage.configure(CONFIG.replace("HOOK", told.url).replace("monitor]", "monitor], private: true"))
    for hours in (12, 13):
        stage.send(at(hours))
    assert told.told == []


# One cause, one message


def test_one_cause_is_one_message_for_all_targets_and_for_each_limit(stage: Stage) -> None:
    names = [f"t{n:04d}" for n in range(1_000)]
    limited = stage.settings.monitor.recipients[0].model_copy(update={"name": "limited", "targets": ("t0001", "t0002")})
    monitor = stage.settings.monitor
    monitor = monitor.model_copy(update={"recipients": (*monitor.recipients, limited)})
    settings = Settings(monitor, stage.path, stage.settings.zone, {}, None, {})
    why = "`bearer` NOPE: no environment variable of this name is set."
    made = not_looked_at(settings, {why: [*names, *names], "Another one.": ["t0001"]}, at(12))
    assert [(one.title, [name for name, _ in recipients]) for one, recipients in made] == [
        ("1,000 targets could not be looked at", ["ops"]),
        ("2 targets could not be looked at", ["limited"]),
        ("t0001 could not be looked at", ["ops"]),
        ("t0001 could not be looked at", ["limited"]),
    ]
    assert made[0][0].lines == (
        why,
        f"They are {', '.join(names[:20])}, and 980 more.",
        "This says nothing about the servers.",
    )
    assert made[1][0].lines[1] == "They are t0001 and t0002."
    assert made[2][0].lines == ("Another one.", "This says nothing about the server.")
    assert made[2][0].target == "t0001"
    assert len({one.id for one, _ in made}) == 4
    later = not_looked_at(settings, {why: ["t0007"]}, at(23))
    assert later[0][0].id == made[0][0].id, "once a day"
    assert not_looked_at(settings, {why: names}, at(24))[0][0].id != made[0][0].id


# The feed


def test_no_two_monitors_have_the_same_feed_and_a_feed_stays_the_same(
    tmp_path: Path, told: Inbox, open_history: OpenHistory
) -> None:
    ids: list[set[str]] = []
    for seed in (1, 2):
        place = tmp_path / f"secret-place-{seed}"
        (place / "state").mkdir(parents=True)
        one = Stage(place, open_history(fresh=True), CONFIG.replace("HOOK", told.url))
        one.tell(message("main.1.opened", at(1)), at(1))
        gate(one)
        seen: set[str] = set()
        for _ in range(2):
            publish(one.settings, one.history, VirtualClock(FIRST, seed), None, one.said.append)
            text = (place / "state" / "feed.atom").read_text()
            assert "secret-place" not in text
            seen |= {found.text or "" for found in Xml.fromstring(text).iter("{http://www.w3.org/2005/Atom}id")}
        assert len(seen) == 2
        ids.append(seen)
        one.history.close()
    assert not ids[0] & ids[1]


def test_the_feed_tells_once_what_was_told_to_some_in_words_of_their_own(stage: Stage) -> None:
    (stage.path.parent / "state").mkdir(exist_ok=True)
    for id_, kind in (
        ("failed.0123.2026-11-26", "monitor"),
        ("failed.0123.2026-11-26.main+other", "monitor"),
        ("digest.2026-11-26.7", "digest"),
        ("digest.2026-11-26.7.main", "digest"),
        ("main.1.opened", "gate"),
        ("main.1.told.ops", "gate"),
    ):
        stage.tell(message(id_, at(1), kind=kind, title=id_), at(1))
    publish(stage.settings, stage.history, VirtualClock(FIRST), None, stage.said.append)
    text = (stage.path.parent / "state" / "feed.atom").read_text()
    shown = [one.text or "" for one in Xml.fromstring(text).iter("{http://www.w3.org/2005/Atom}title")]
    assert sorted(shown[1:]) == [
        "[prober] digest.2026-11-26.7",
        "[prober] failed.0123.2026-11-26",
        "[prober] main.1.opened",
    ]
    assert stage.said == []
