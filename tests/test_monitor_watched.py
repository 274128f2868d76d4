"""What the configuration looks at no more is neither open nor over, and goes on where it was when it is back."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.nights import Inbox, Story, no_export, software
from tests.test_monitor_consider import BASE, World
from tests.test_rebuild import all_of, rebuilt

from prober.clock import VirtualClock, instant
from prober.history.store import History
from prober.monitor.consider import Before, consider
from prober.monitor.news import limited
from prober.monitor.round import Round
from prober.monitor.settings import load_settings
from prober.monitor.watched import covers, fingerprint
from prober.nouns.facts import Fact, Facts
from prober.nouns.monitor import LookPlan

pytestmark = pytest.mark.history
NIGHTLY = LookPlan()
POLL = LookPlan(every=60, depth="discovery", probes=("capability_statement_served",))


def facts(seen: str, **values: str) -> tuple[Facts, ...]:
    held = tuple(Fact(key=key.replace("__", "/"), value=value) for key, value in values.items())
    return (
        Facts(
            subject=BASE,
            environment="production",
            depth="standard",
            run="r",
            started="2026-01-01T00:00:00Z",
            digest="0" * 64,
            seen=tuple(seen.split()),
            facts=held,
        ),
    )


WHOLE = "finding gate operation tls undecided"


@pytest.mark.parametrize(
    ("plan", "key", "standing", "expected"),
    [
        (POLL, "availability", (), True),
        (POLL, "certificate_life", (), True),
        (POLL, "sight", (), False),
        (NIGHTLY, "sight", (), True),
        (LookPlan(probes=("jwks_published",)), "sight", (), False),
        (POLL, "finding/capability_statement_served", (), True),
        (POLL, "finding/jwks_published", (), False),
        (POLL, "operation/Group/export", (), False),
        (POLL, "gate/S8.GATE.1", (), False),
        (POLL, "tls/version", facts("finding tls"), True),
        (POLL, "latency/metadata", facts("finding tls"), False),
        (NIGHTLY, "operation/Group/export", (), True),
        (NIGHTLY, "operation/Group/export", facts(WHOLE), True),
        (NIGHTLY, "operation/Group/export", facts("finding undecided"), True),
        (NIGHTLY, "jwks/document", facts(WHOLE), False),
        (NIGHTLY, "finding/bulk_export_works", facts(WHOLE, undecided__bulk_export_works="needs_jobs"), False),
        (NIGHTLY, "finding/bulk_export_works", facts(WHOLE, undecided__bulk_export_works="timed_out"), True),
        (NIGHTLY, "gate/S8.GATE.1", facts(WHOLE, gate__S8_GATE_1="clean"), True),
        (NIGHTLY, "gate/G", facts(WHOLE, gate__G="untested"), False),
        (NIGHTLY, "gate/G", facts(WHOLE, gate__G="suspected"), True),
        (NIGHTLY, "gate/G", (), True),
    ],
)
def test_which_plan_sees_what(plan: LookPlan, key: str, standing: tuple[Facts, ...], expected: bool) -> None:
    assert covers(plan, key, standing) == expected


@pytest.mark.parametrize("count", [0, 1, 20, 21, 90])
def test_of_many_notes_of_one_target_the_rest_is_counted(count: int) -> None:
    notes = [("a", f"a: {number}") for number in range(count)] + [(None, "all"), ("b", "b: 1")]
    kept = limited(notes)
    assert kept[:20] == notes[: min(count, 20)] + notes[count:][: max(0, 20 - count)]
    assert kept[-2:] == [(None, "all"), ("b", "b: 1")]
    assert len(kept) == min(count, 20) + (count > 20) + 2
    if count > 20:
        assert kept[20] == ("a", f"a: {count - 20} more of these are in the history.")


CONFIG = """
schema: prober/monitor/1
looks:
  nightly: {every: night, depth: standard}
  hourly: {every: 60, depth: discovery, probes: [capability_statement_served]}
targets:
  - {name: main, base: 'https://fhir.example.org/r4', authorized_by: 'A, B, C'}
  - {name: other, base: 'https://other.example.org/r4', authorized_by: 'A, B, C'}
recipients:
  - {name: team, webhook: 'https://hook.example.org/', kinds: [opened, closed, digest]}
  - {name: safety, webhook: 'https://hook.example.org/', kinds: [gate], private: true}
"""


class Watch:
    """A history with looks that nobody made, and configurations that look at it."""

    def __init__(self, place: Path, history: History) -> None:
        self.path = place / "monitor.yaml"
        self.history = history
        self.clock = VirtualClock()
        self.world = World()
        self.said: list[str] = []
        history.know("main", BASE)
        history.know("other", BASE.replace("fhir.", "other."))

    def look(self, changes: Mapping[str, str | None] | None = None) -> None:
        recorded = self.world.look(changes)
        standing, states, incidents = self.history.before("main", "nightly")
        again = consider(recorded.look, recorded.facts, Before(standing, states, incidents), self.world.policy)
        self.history.record(again.recorded)

    def watch(self, config: str = CONFIG, days: int = 0) -> None:
        self.path.write_text(config)
        self.clock._elapsed_us += days * 86_400_000_000
        settings = load_settings(self.path, self.clock.utc().date())
        Round(settings, self.history, self.clock, self.said.append).watch(instant(self.clock.utc()))

    def incidents(self) -> list[tuple[str, str | None]]:
        return [
            (one.kind, one.closed_because or ("open" if one.closed is None else None))
            for one in self.history.incidents()
        ]

    def notes(self) -> str:
        return self.history.mark("digest.unwatched") or "[]"


@pytest.fixture
def watch(tmp_path: Path, open_history: Callable[..., History]) -> Watch:
    return Watch(tmp_path, open_history())


GONE = {"operation/Group/export": None}
NO_PLAN = re.sub(r"\n  nightly: .*", "", CONFIG)
NO_TARGET = re.sub(r"\n  - \{name: main, .*", "", CONFIG)


@pytest.mark.parametrize("without", [NO_PLAN, NO_TARGET, CONFIG.replace("main, ", "main, looks: [hourly], ")])
def test_an_incident_that_nobody_looks_at_is_closed_as_removed_and_is_the_same_again_when_somebody_does(
    watch: Watch, without: str
) -> None:
    watch.look()
    for _ in range(2):
        watch.look(GONE)
    watch.watch()
    (before,) = watch.history.incidents()
    assert (watch.incidents(), watch.notes(), watch.said) == ([("change", "open")], "[]", [])
    states = watch.history.states("main")

    watch.watch(without)
    assert watch.incidents() == [("change", "removed")]
    assert watch.notes().count("The configuration looks at this no more") == 1
    assert watch.notes().count(before.title) == 1
    assert watch.said == [
        "main is not in the configuration any more, so its open incident is closed."
        if without == NO_TARGET
        else "main: no kind of look sees any more what was wrong, so its open incident is closed."
    ]
    watch.watch(without, days=1)
    assert len(watch.said) == 1, "it is said once"
    assert watch.history.states("main") == states

    watch.watch(days=1)
    assert watch.history.incidents() == [before]
    assert watch.history.unwatched() == []
    assert watch.said[1:] == ["main is looked at again, so its incident is open again."]
    for _ in range(2):
        watch.look()
    assert watch.incidents() == [("change", "recovered")]
    ids = [one.id for one in watch.history.messages()]
    assert ids == sorted({f"{before.id}.opened", f"{before.id}.closed"}, reverse=True), "nothing is told as new again"


def test_what_is_partly_looked_at_stays_open_until_that_part_is_over(watch: Watch) -> None:
    watch.look()
    bad: dict[str, str | None] = {"operation/Group/export": None, "finding/capability_statement_served": "absent"}
    for _ in range(2):
        watch.look(bad)
    watch.watch(NO_PLAN)
    assert watch.incidents() == [("change", "open")]
    for _ in range(2):
        watch.look(GONE)
    watch.watch(NO_PLAN, days=1)
    assert watch.incidents() == [("change", "removed")]


def test_a_gate_of_safety_that_nobody_looks_at_is_told_in_private_alone(watch: Watch) -> None:
    watch.look()
    watch.look({"gate/S8.GATE.3": "confirmed"})
    watch.watch(NO_PLAN)
    watch.watch(days=1)
    assert watch.notes() == "[]"
    told = [one for one in watch.history.messages() if "ooked at" in one.title]
    assert [one.title.partition(":")[0] for one in told] == ["Looked at no more", "Looked at again"]
    assert all(one.private and one.kind == "gate" for one in told)
    assert {one.recipient for one in watch.history.pending(instant(watch.clock.utc()))} == {"safety"}
    # It goes on where it was: neither silent because it was there before, nor told as new, until a look finds it over.
    for _ in range(2):
        watch.look({"gate/S8.GATE.3": "confirmed"})
    assert watch.incidents() == [("gate", "open")]
    watch.look()
    assert watch.incidents() == [("gate", "recovered")]
    assert [one.title.partition(":")[0] for one in watch.history.messages()].count("main") == 1


def test_what_is_closed_for_another_reason_is_not_opened_again(watch: Watch) -> None:
    watch.look()
    for _ in range(2):
        watch.look(GONE)
    for _ in range(2):
        watch.look()
    watch.watch(NO_TARGET)
    watch.watch(days=1)
    assert (watch.incidents(), watch.said) == ([("change", "recovered")], [])


def test_only_what_is_looked_at_and_the_day_make_the_answer_another_one(watch: Watch) -> None:
    def of(config: str) -> str:
        watch.path.write_text(config)
        return fingerprint(load_settings(watch.path, watch.clock.utc().date()), watch.clock.utc())

    whole = of(CONFIG)
    assert of(CONFIG.replace("kinds: [gate]", "kinds: [gate, opened]")) == whole
    others = [NO_PLAN, NO_TARGET, CONFIG.replace("standard", "full"), CONFIG.replace("every: 60", "every: 30")]
    assert len({whole, *map(of, others)}) == 5


# Real nights


def without(story: Story, pattern: str) -> Callable[[], None]:
    """Take a line out of the configuration; what is returned puts it back."""
    path = story.place / "monitor.yaml"
    whole = path.read_text()
    changed = re.sub(rf"\n.*{pattern}.*", "", whole)
    assert changed != whole
    path.write_text(changed)

    def back() -> None:
        path.write_text(whole)

    return back


def night(story: Story, day: int) -> None:
    assert story.round(story.day(day, hours=2, minutes=5)) == 0, story.said


@pytest.mark.deep
def test_a_target_that_is_removed_leaves_no_incident_and_is_told_once(story: Story, told: Inbox) -> None:
    story.config = story.config.replace("depth: standard", "depth: discovery, probes: [capability_statement_served]")
    story.config = re.sub(r"\n  sixth: .*", "", story.config)
    other = "  - {name: other, base: THE_SERVER, ca_file: ca.pem}\nrecipients:"
    story.config = story.config.replace("recipients:", other)
    story.start()
    night(story, 1)
    story.script.status = 503
    night(story, 2)
    assert sorted(one["kind"] for one in told.told) == ["opened", "opened"]
    told.told.clear()
    back = without(story, "name: other")
    for day in (3, 4):
        night(story, day)
    with story.history() as history:
        assert [one.closed_because for one in history.incidents(target="other")] == ["removed"]
        assert len(history.incidents(target="main", open_only=True)) == 1
    ((kind, lines),) = [(one["kind"], one["lines"]) for one in told.told]
    assert kind == "digest"
    assert lines == [
        "other: The server does not answer as it should. The configuration looks at this no more, so its incident is "
        "closed; whether it is over is not known.",
        "One incident is open.",
    ]
    back()
    night(story, 5)
    assert [(one["kind"], one["lines"][0].rpartition(". ")[2]) for one in told.told[1:]] == [
        ("digest", "The configuration looks at this again, so its incident is open again.")
    ]
    story.script.status = None
    for day in (6, 7):
        night(story, day)
    assert sorted((one["kind"], one["target"]) for one in told.told[2:]) == [("closed", "main"), ("closed", "other")]


@pytest.mark.deep
def test_a_plan_that_is_removed_and_put_back_leaves_the_history_that_its_folders_give(
    story: Story, told: Inbox
) -> None:
    story.config = story.config.replace("depth: standard", "depth: discovery")
    story.start()
    night(story, 1)
    story.script.edits = [no_export, software("9.9.9")]
    night(story, 2)
    assert [one["kind"] for one in told.told if one["kind"] != "monitor"] == ["opened", "digest"]
    told.told.clear()
    back = without(story, "nightly: ")
    for day in (3, 4):
        night(story, day)
    with story.history() as history:
        assert [(one.kind, one.closed_because) for one in history.incidents()] == [("change", "removed")]
    back()
    night(story, 5)
    story.script.edits = [software("9.9.9")]
    night(story, 6)
    night(story, 7)
    kinds = [one["kind"] for one in told.told]
    assert (kinds.count("closed"), kinds.count("opened")) == (1, 0)
    assert [line.count("looks at this") for one in told.told for line in one["lines"]].count(1) == 2
    before = all_of(story)
    assert [(one.kind, one.closed_because) for one in before["incidents"]] == [("change", "recovered")]
    story.database.empty()
    assert rebuilt(story)[0] == 0
    assert all_of(story) == before


@pytest.mark.deep
def test_a_history_made_anew_closes_what_is_looked_at_no_more_and_tells_nobody(story: Story, told: Inbox) -> None:
    story.config = story.config.replace("depth: standard", "depth: discovery")
    story.start()
    night(story, 1)
    story.script.edits = [no_export]
    night(story, 2)
    path = story.place / "monitor.yaml"
    path.write_text(path.read_text().replace("{name: main, ", "{name: main, looks: [sixth], "))
    night(story, 3)
    count = len(told.told)
    before = all_of(story)
    assert [one.closed_because for one in before["incidents"]] == ["removed"]
    story.database.empty()
    assert rebuilt(story)[0] == 0
    after = all_of(story)
    as_of = [one.model_copy(update={"closed": None}) for one in before.pop("incidents")]
    assert [one.model_copy(update={"closed": None}) for one in after.pop("incidents")] == as_of
    assert after == before
    night(story, 4)
    assert [one for one in told.told[count:] if one["kind"] != "monitor"] == []
