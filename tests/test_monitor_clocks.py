"""A clock that is days off, the monitor's or a server's, says nothing of certificates, and is said itself."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nights import Inbox, Story
from tests.test_monitor_consider import World

from prober.clock import instant
from prober.monitor import clocks
from prober.monitor.clocks import ClockNote, are_apart, clocks_apart
from prober.monitor.news import clock_notes
from prober.nouns.evidence import Exchange, Timings

pytestmark = pytest.mark.history
BASE = "https://fhir.example.org/r4"
NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)


def asks_little(story: Story) -> None:
    few = "depth: discovery, probes: [capability_statement_served]"
    story.config = story.config.replace("depth: standard", few)
    story.config = "\n".join(line for line in story.config.split("\n") if "sixth" not in line)


def answer(
    date: str | None, *, url: str = f"{BASE}/metadata", age: str | None = None, status: int | None = 200
) -> Exchange:
    headers = [("Date", date)] if date is not None else []
    headers += [("Age", age)] if age is not None else []
    return Exchange(
        id="0.1",
        observation="metadata_answer",
        method="GET",
        url=url,
        status=status,
        headers=tuple(headers),
        started=instant(NOW),
        timings=Timings(total=2_000_000),
    )


def at(ahead: timedelta) -> str:
    return format_datetime(NOW + timedelta(seconds=2) + ahead, usegmt=True)


@given(st.timedeltas(min_value=timedelta(days=-9_000), max_value=timedelta(days=9_000)))
def test_clocks_differ_by_what_the_answer_says(ahead: timedelta) -> None:
    found = clocks_apart([answer(at(ahead))], BASE)
    assert found is not None
    # A Date has no fractions of a second.
    assert abs(found - ahead) <= timedelta(seconds=1)
    assert are_apart(found) == (abs(found) > timedelta(days=1))


def test_an_answer_from_a_cache_is_as_old_as_it_says() -> None:
    old = answer(at(timedelta(days=-3)), age=str(3 * 86_400))
    assert clocks_apart([old], BASE) == timedelta()
    assert not are_apart(clocks_apart([old], BASE))


def test_without_tls_no_clock_matters() -> None:
    plain = "http://fhir.example.org/r4"
    assert clocks_apart([answer(at(timedelta(days=9)), url=f"{plain}/metadata")], plain) is None


def test_the_answer_counts_in_which_they_differ_least() -> None:
    odd, right = answer(at(timedelta(days=400))), answer(at(timedelta(seconds=-5)))
    assert clocks_apart([odd, right, odd], BASE) == timedelta(seconds=-5)


@pytest.mark.parametrize(
    "other",
    [
        answer(None),
        answer("yesterday"),
        answer("Mon, 99 Foo 2026 99:99:99 GMT"),
        answer("Mon, 01 Jan 99999 00:00:00 GMT"),
        answer(at(timedelta(days=9)), status=None),
        answer(at(timedelta(days=9)), url="https://elsewhere.example/r4/metadata"),
        answer(at(timedelta(days=9)), url="http://fhir.example.org/r4/metadata"),
        answer(at(timedelta(days=9)), url="https://[half/metadata"),
    ],
)
def test_what_is_no_date_of_this_server_tells_nothing(other: Exchange) -> None:
    assert clocks_apart([other], BASE) is None
    assert clocks_apart([other, answer(at(timedelta(days=2)))], BASE) == timedelta(days=2)


@pytest.mark.parametrize("age", ["-1", "²", "many", "9" * 40])
def test_an_age_that_is_none_makes_nothing_older(age: str) -> None:
    assert clocks_apart([answer(at(timedelta()), age=age)], BASE) == timedelta()


def test_what_is_noted_is_told_once_and_again_after_a_week_until_the_clocks_agree() -> None:
    far = timedelta(days=40)
    notes = clocks.noted({}, "main", far)
    assert notes["main"].is_due(NOW)
    told = clocks.told(notes, ["main"], instant(NOW))
    assert not told["main"].is_due(NOW + timedelta(days=30)), "nobody looked since"
    still = clocks.noted(told, "main", far)
    assert [still["main"].is_due(NOW + timedelta(days=days)) for days in (1, 6, 7)] == [False, False, True]
    assert still["main"].is_due(NOW - timedelta(days=365)), "it was told by a clock that is set right now"
    assert clocks.noted(still, "main", None) == still
    assert clocks.noted(still, "main", timedelta(seconds=3)) == {}
    assert clocks.noted(notes, "main", timedelta()) == notes, "what was not told yet is not forgotten"
    assert clocks.read_notes(clocks.written(still)) == still == {"main": ClockNote(40 * 86_400, instant(NOW))}
    assert clocks.read_notes(None) == {}


def test_servers_that_agree_with_each_other_are_right() -> None:
    year, month = timedelta(days=-365), timedelta(days=30)
    ((about, words),) = clock_notes({"a": year, "b": year + timedelta(minutes=3)}, targets=3)
    assert about is None
    assert "2 servers agree with each other and are 364 days behind the clock of this monitor" in words
    assert "probably the monitor's" in words
    ((about, words),) = clock_notes({"a": month}, targets=3)
    assert (about, "probably the server's that is wrong" in words) == ("a", True)
    assert words.startswith("a: the clock of the server is 30 days ahead of")
    ((_, words),) = clock_notes({"a": timedelta(days=1, seconds=1)}, targets=1)
    assert "1 day ahead" in words
    assert "One of the two is wrong" in words
    for ahead, targets in (({"a": year, "b": month}, 2), ({"a": year, "b": year}, 5)):
        assert [about for about, _ in clock_notes(ahead, targets)] == ["a", "b"]
    assert clock_notes({}, 5) == []


def test_a_look_that_does_not_see_the_certificate_neither_opens_nor_closes_anything_about_it() -> None:
    world = World()
    world.look(certificate="enough")
    for life in ("expired", None, None, "enough"):
        world.look(certificate=life)
        states = [(one.kind, one.closed_because) for one in world.incidents.values()]
        assert states == [("certificate", None if life != "enough" else "recovered")]
    for _ in range(3):
        world.look(certificate=None)
    assert len(world.incidents) == 1
    assert [one.kind for one in world.told] == ["opened", "closed"]


@pytest.mark.deep
def test_a_monitor_whose_clock_is_wrong_blames_no_certificate(story: Story, told: Inbox) -> None:
    asks_little(story)
    story.start(certificate_days=90)
    for day in range(1, 6):
        story.clock.wrong_by = timedelta(days=75 if 2 <= day <= 3 else 0)
        assert story.round(story.day(day, hours=2, minutes=5)) == 0, story.said
    with story.history() as history:
        assert history.incidents() == []
        assert history.states("main") == {}
        lives = [one.certificate for one in history.looks("main")]
        assert history.mark("digest.clocks") == "{}"
    assert lives == ["enough", None, None, "enough", "enough"]
    digests = [one for one in told.told if one["kind"] == "digest"]
    assert len(digests) == 1
    assert digests[0]["title"].startswith("A word about the monitoring, ")
    assert digests[0]["lines"] == [
        "main: the clock of the server is 75 days behind the clock of this monitor. One of the two is wrong. "
        "Nothing is said of its certificate until they agree.",
        "No incident is open.",
    ]
    assert [line for line in story.said if "75 days behind" in line] == [digests[0]["lines"][0]]
    assert {one["kind"] for one in told.told} <= {"digest", "monitor"}


@pytest.mark.deep
def test_a_server_whose_clock_is_wrong_is_named_every_week_and_an_open_incident_stays(
    story: Story, told: Inbox
) -> None:
    asks_little(story)
    story.start(certificate_days=20)
    wrong = timedelta()
    story.script.time = lambda: story.right_time() + wrong
    for day in range(1, 31):
        wrong = timedelta(days=-30) if day >= 16 else timedelta()
        assert story.round(story.day(day, hours=2, minutes=5)) == 0, story.said
    with story.history() as history:
        assert [(one.kind, one.closed) for one in history.incidents()] == [("certificate", None)]
    noted = [story.number_of(one["time"]) for one in told.told if "30 days behind" in one["text"]]
    assert noted == [16, 23, 30]


@pytest.mark.deep
def test_of_two_targets_that_agree_the_monitor_is_told_to_be_wrong(story: Story, told: Inbox) -> None:
    asks_little(story)
    story.config = story.config.replace(
        "recipients:", "  - {name: other, base: THE_SERVER, ca_file: ca.pem}\nrecipients:"
    )
    story.config = story.config.replace("kinds: [opened", "targets: [other], kinds: [opened")
    story.start()
    for day in (1, 2):
        story.clock.wrong_by = timedelta(days=-400 if day == 2 else 0)
        assert story.round(story.day(day, hours=2, minutes=5)) == 0, story.said
    words = [line for one in told.told if one["kind"] == "digest" for line in one["lines"]]
    assert words[0].startswith("The clocks of 2 servers agree with each other and are 400 days ahead of")
