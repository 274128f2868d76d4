"""What goes wrong around the monitor: nothing finished is lost, nothing is told twice, and nobody else is blamed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.nights import Inbox, Nights, Story

from prober.history import store
from prober.history.store import History, HistoryLost
from prober.mistake import Mistake
from prober.monitor import looking
from prober.monitor import round as rounds
from prober.monitor.settings import check_ways, load_settings
from prober.monitor.tell import from_environment

pytestmark = pytest.mark.history
LEAN = """
schema: prober/monitor/1
looks:
  nightly: {every: night, at: "02:00", depth: discovery, probes: [capability_statement_served]}
targets:
  - {name: main, base: BASE, ca_file: ca.pem}
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
        "ca_file: ca.pem}", f"ca_file: ca.pem}}\n  - {{name: other, base: BASE, ca_file: ca.pem{more}}}", 1
    )


def test_a_fault_of_probers_own_in_one_look_is_told_and_the_others_go_on(
    lean: Story, told: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    two(lean)
    lean.start()
    whole = rounds.assess

    def broken(task: looking.Task, *more: Any) -> looking.Looked:
        if task.target.name == "main":
            raise RuntimeError("canary of the server")
        return whole(task, *more)

    monkeypatch.setattr(rounds, "assess", broken)
    assert night(lean, 1) == 4
    assert looks(lean) == [] and len(looks(lean, "other")) == 1
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
    assert len(looks(lean)) == 1 and looks(lean, "other") == []
    (message,) = told.told
    assert "other could not be looked at" in message["text"] and "PROBER_NO_TOKEN" in message["text"]
    with lean.history() as history:
        assert history.incidents() == []
    monkeypatch.setenv("PROBER_NO_TOKEN", "canary-token")
    assert night(lean, 1, hours=3) == 0
    assert len(looks(lean, "other")) == 1
    assert not any(b"canary-token" in one.read_bytes() for one in lean.place.rglob("*") if one.is_file())


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

    whole = rounds.assess
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
    assert (place / f"{folder.name}.cut-1" / "run.json").is_file()
    assert lean.server.log[:asked] and len(looks(lean)) == 2


# The clock


def test_a_message_of_a_clock_that_was_put_back_is_not_lost(open_history: Callable[..., History]) -> None:
    from prober.nouns.incident import Message

    history = open_history()
    for name, time, due in (
        ("a-year-ahead", "2027-01-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z"),
        ("told-now-due-far", "2026-01-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z"),
        ("quiet", "2026-01-01T00:00:00.000000Z", "2026-01-01T06:00:00.000000Z"),
        ("due", "2025-12-31T23:00:00.000000Z", "2026-01-01T00:00:00.000000Z"),
    ):
        message = Message(id=name, kind="monitor", time=time, title="t", lines=())
        history.tell([(message, (("feed", due),))])
    ids = [one.message.id for one in history.pending("2026-01-01T00:00:00.000000Z")]
    assert sorted(ids) == ["a-year-ahead", "due", "told-now-due-far"]
    assert history.waiting() == 4


def test_a_clock_that_is_put_back_lets_nobody_rest_for_a_year() -> None:
    import asyncio

    from prober.monitor.telling import rest

    clock = Nights(datetime(2026, 1, 1, tzinfo=UTC))

    class Stepping(Nights):
        """Put back by a year after half a minute; what it measures goes on."""

        def utc(self) -> datetime:
            now = super().utc()
            return now - timedelta(days=365) if self.monotonic_us() >= 30_000_000 else now

    for one in (clock, Stepping(datetime(2026, 1, 1, tzinfo=UTC))):
        asyncio.run(rest(one, one.utc() + timedelta(minutes=5), asyncio.Event()))
        assert 299_000_000 < one.monotonic_us() < 331_000_000


@pytest.mark.deep
@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(days=-1), timedelta(days=-365), timedelta(days=365)])
def test_a_clock_that_steps_for_a_while_loses_no_night_and_tells_nothing_twice(
    lean: Story, told: Inbox, step: timedelta
) -> None:
    lean.start()
    for number in (1, 2, 3):
        assert night(lean, number) == 0, lean.said
    folders = sorted((lean.place / "state" / "runs" / "main" / "nightly").iterdir())
    for hours in (3, 4):
        # The machine is restarted with a wrong clock, and set right again after some rounds.
        lean.clock = Nights(lean.day(3, hours=hours) + step)
        assert lean.round(lean.day(3, hours=hours) + step) == 0, lean.said
    for number in (4, 5, 6):
        lean.script.status = 503 if number == 5 else None
        assert night(lean, number) == 0, lean.said
    assert night(lean, 7) == 0, lean.said
    slots = [slot for slot, part, _ in looks(lean) if part == 0]
    assert len(set(slots)) == len(slots)
    assert {lean.day(number).date().isoformat() for number in range(1, 8)} <= set(slots)
    with lean.history() as history:
        (outage,) = history.incidents()
        assert (outage.kind, outage.closed_because) == ("outage", "recovered")
        assert history.waiting() == 0
    kinds = [one["kind"] for one in told.told if one["kind"] != "monitor"]
    assert kinds == ["opened", "closed"]
    assert len({one["key"] for one in told.told}) == len(told.told)
    assert all(folder.is_dir() for folder in folders), "what is not old stays"
    back = [one["text"] for one in told.told if "put back" in one["text"]]
    assert len(back) == (1 if step.total_seconds() != -3600 else 0), [one["text"] for one in told.told]


@pytest.mark.deep
def test_a_clock_that_jumps_ahead_makes_no_outage_the_usual_and_nothing_old(lean: Story, told: Inbox) -> None:
    lean.start()
    for number in (1, 2, 3):
        assert night(lean, number) == 0, lean.said
    lean.script.status = 503
    assert night(lean, 4) == 0, lean.said
    assert lean.round(lean.day(369, hours=2, minutes=5)) == 0, lean.said
    assert night(lean, 5) == 0, lean.said
    with lean.history() as history:
        assert [(one.kind, one.closed) for one in history.incidents()] == [("outage", None)]
    lean.script.status = None
    for number in (6, 7):
        assert night(lean, number) == 0, lean.said
    with lean.history() as history:
        assert [(one.kind, one.closed_because) for one in history.incidents()] == [("outage", "recovered")]
        assert all(one.folder and (lean.place / "state" / one.folder).is_dir() for one in history.looks("main"))
    assert [one["kind"] for one in told.told if one["kind"] != "monitor"] == ["opened", "closed"]


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
    (lean.place / "monitor.yaml").write_text(lean.config.replace("BASE", "https://127.0.0.1:1/fhir"))
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
