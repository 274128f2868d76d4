"""The history keeps what looks saw: in SQLite here, and the same tests again on PostgreSQL."""

import json
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.history import tables
from prober.history.packing import packed, unpacked
from prober.history.store import History, HistoryLost, Recorded, sqlite_url
from prober.mistake import Mistake
from prober.nouns.facts import Change, Delta, Fact, Facts, Side
from prober.nouns.incident import Incident, KeyState, Message
from prober.nouns.look import Look
from prober.nouns.polls import Poll, Sample, Window

pytestmark = pytest.mark.history
BASE = "https://fhir.example.org/r4"


def look(
    day: int, *, part: int = 0, plan: str = "nightly", seen: tuple[str, ...] = ("finding",), **more: object
) -> Look:
    began = f"2026-01-{day:02d}T02:00:0{part}.000000Z"
    members: dict[str, object] = {
        "target": "main",
        "base": BASE,
        "plan": plan,
        "slot": f"2026-01-{day:02d}",
        "part": part,
        "run": f"202601{day:02d}T02000{part}Z-{plan}",
        "began": began,
        "ended": began,
        "environment": "production",
        "depth": "standard",
        "ending": "complete",
        "digest": f"{day:064x}",
        "evidence": f"{day + 100 * part:064x}",
        "up": "up",
        "seen": seen,
        "folder": f"runs/main/{plan}/{day}",
    }
    return Look.model_validate(members | more)


def facts(one: Look, values: dict[str, str], seen: tuple[str, ...] | None = None) -> Facts:
    return Facts(
        subject=one.base,
        environment=one.environment,
        depth=one.depth,
        run=one.run,
        started=one.began,
        digest=one.digest,
        seen=one.seen if seen is None else seen,
        facts=tuple(Fact(key=key, value=value, exchange="e.1", pointer="/a") for key, value in sorted(values.items())),
    )


def values(history: History, plan: str = "nightly") -> dict[str, str]:
    return {fact.key: fact.value for one in history.standing("main", plan) for fact in one.facts}


@pytest.fixture
def history(open_history: Callable[..., History]) -> History:
    one = open_history()
    one.know("main", BASE)
    return one


def test_a_look_is_found_again_as_it_was(history: History) -> None:
    one = look(1, requests=7, reason="server_error", probes=("a", "b"), label="Candidate", model="book@1.0.0")
    number = history.record(Recorded(one))
    assert history.look_of("main", "nightly", "2026-01-01") == one.model_copy(update={"number": number})
    assert history.slots_done("nightly", "2026-01-01") == {"main"}
    assert history.slots_done("nightly", "2026-01-02") == frozenset()


def test_a_slot_has_one_look_whoever_records_it_again(history: History) -> None:
    first = history.record(Recorded(look(1), facts(look(1), {"finding/a": "present"})))
    again = history.record(Recorded(look(1, run="other"), facts(look(1), {"finding/a": "absent"})))
    assert again == first
    assert values(history) == {"finding/a": "present"}
    assert len(history.looks("main")) == 1


def test_a_night_without_change_adds_one_row_and_no_more(history: History) -> None:
    same = {f"finding/p{number}": "present" for number in range(50)}
    for day in range(1, 6):
        history.record(Recorded(look(day), facts(look(day), same)))
    with history._reading() as connection:
        assert len(connection.execute(tables.spans.select()).all()) == 50
    assert values(history) == same


def test_an_area_that_was_not_seen_stands_as_it_was_and_names_the_look_that_saw_it(history: History) -> None:
    history.record(
        Recorded(look(1), facts(look(1), {"finding/a": "present", "tls/version": "TLSv1.3"}, ("finding", "tls")))
    )
    history.record(Recorded(look(2), facts(look(2), {"finding/a": "absent"}, ("finding",))))
    assert values(history) == {"finding/a": "absent", "tls/version": "TLSv1.3"}
    by_area = {one.seen: one.run for one in history.standing("main", "nightly")}
    assert by_area == {("tls",): look(1).run, ("finding",): look(2).run}


def test_a_fact_that_moved_in_the_answer_is_the_same_fact_with_a_new_place(history: History) -> None:
    history.record(Recorded(look(1), facts(look(1), {"finding/a": "present"})))
    moved = facts(look(2), {"finding/a": "present"})
    moved = moved.model_copy(update={"facts": tuple(one.model_copy(update={"pointer": "/b"}) for one in moved.facts)})
    history.record(Recorded(look(2), moved))
    assert [fact.pointer for one in history.standing("main", "nightly") for fact in one.facts] == ["/b"]
    assert history.earlier("main", "nightly", ["finding/a"]) == ()


def test_what_a_key_was_before_is_remembered_latest_first(history: History) -> None:
    for day, value in enumerate(("present", "absent", "present", "absent"), start=1):
        history.record(Recorded(look(day), facts(look(day), {"finding/a": value})))
    earlier = history.earlier("main", "nightly", ["finding/a", "finding/unheard_of"])
    assert [(one.run, one.facts[0].value) for one in earlier] == [
        (look(3).run, "present"),
        (look(2).run, "absent"),
        (look(1).run, "present"),
    ]


@pytest.mark.parametrize("count", [5, pytest.param(200, marks=pytest.mark.deep)])
def test_any_course_of_facts_reads_back_as_it_was_written(open_history: Callable[..., History], count: int) -> None:
    keys, outcomes = (
        st.sampled_from(["finding/a", "finding/b", "tls/x", "tls/y"]),
        st.sampled_from(["1", "2", "ü'\";--"]),
    )
    night = st.tuples(st.dictionaries(keys, outcomes), st.sets(st.sampled_from(["finding", "tls"])))

    @settings(max_examples=count, deadline=None)
    @given(st.lists(night, min_size=1, max_size=8))
    def holds(nights: list[tuple[dict[str, str], set[str]]]) -> None:
        history = open_history(fresh=True)
        history.know("main", BASE)
        expected: dict[str, str] = {}
        for day, (saw, seen) in enumerate(nights, start=1):
            history.record(Recorded(look(day), facts(look(day), saw, tuple(sorted(seen)))))
            expected = {key: value for key, value in expected.items() if key.partition("/")[0] not in seen}
            expected |= {key: value for key, value in saw.items() if key.partition("/")[0] in seen}
            assert values(history) == expected

    holds()


def test_lines_for_a_score_name_every_night_and_its_outcome(history: History) -> None:
    for day, value in enumerate(("present", "present", "absent", "present"), start=1):
        history.record(Recorded(look(day), facts(look(day), {"finding/a": value, "finding/b": "present"})))
    lines = history.lines("main", BASE, ["nightly"], ["a"], "2026-01-02", "2026-01-04T02:00:00.000000Z")
    assert [(line.run, line.probe, line.outcome) for line in lines] == [
        (look(2).run, "a", "present"),
        (look(3).run, "a", "absent"),
    ]
    assert lines[0].digest == look(2).evidence
    assert lines[0].subject == BASE


def test_a_night_on_which_a_probe_could_not_decide_says_so_in_its_line(history: History) -> None:
    seen = ("finding", "undecided")
    history.record(Recorded(look(1), facts(look(1), {"finding/a": "present"}, seen)))
    throttled = {"finding/a": "present", "undecided/a": "rate_limited"}
    history.record(Recorded(look(2), facts(look(2), throttled, seen)))
    history.record(Recorded(look(3), facts(look(3), {"finding/a": "present"}, seen)))
    lines = history.lines("main", BASE, ["nightly"], ["a"], "2026-01-01", "2026-02-01")
    assert [(line.outcome, line.reason) for line in lines] == [
        ("present", None),
        ("unknown", "rate_limited"),
        ("present", None),
    ]


def test_probes_that_a_second_look_left_out_give_no_line(history: History) -> None:
    history.record(Recorded(look(1), facts(look(1), {"finding/a": "present", "finding/b": "present"})))
    second = look(1, part=1, probes=("b",))
    history.record(Recorded(second, facts(second, {"finding/a": "present", "finding/b": "present"})))
    lines = history.lines("main", BASE, ["nightly"], ["a", "b"], "2026-01-01", "2026-02-01")
    assert [(line.run, line.probe) for line in lines] == [
        (look(1).run, "a"),
        (look(1).run, "b"),
        (second.run, "b"),
    ]


def test_another_base_has_no_part_in_the_lines(history: History) -> None:
    history.record(Recorded(look(1), facts(look(1), {"finding/a": "present"})))
    history.know("main", "https://new.example.org/r4", moved_from=[BASE])
    moved = look(2, base="https://new.example.org/r4")
    history.record(Recorded(moved, facts(moved, {"finding/a": "present"})))
    lines = history.lines("main", moved.base, ["nightly"], ["a"], "2026-01-01", "2026-02-01")
    assert [line.run for line in lines] == [moved.run]


def test_a_target_is_found_again_under_an_earlier_name(history: History) -> None:
    history.record(Recorded(look(1)))
    history.know("renamed", BASE, was=["main"])
    assert history.targets() == {"renamed": BASE}
    assert [one.run for one in history.looks("renamed")] == [look(1).run]


def test_a_base_that_changed_without_a_word_is_refused(history: History) -> None:
    with pytest.raises(Mistake, match="moved_from"):
        history.know("main", "https://else.example.org/r4")
    assert history.targets() == {"main": BASE}


def test_looks_that_are_recorded_together_are_as_if_each_was_recorded_by_itself(
    open_history: Callable[..., History],
) -> None:
    saw = [{"finding/a": "present"}, {"finding/a": "absent", "finding/b": "present"}, {"finding/b": "present"}]
    listed = [Recorded(look(day), facts(look(day), one)) for day, one in enumerate(saw, start=1)]
    listed += [listed[0], Recorded(look(3, part=1)), Recorded(look(3, plan="weekly"))]

    def kept(history: History) -> object:
        earlier = [(one.run, one.facts) for one in history.earlier("main", "nightly", ["finding/a"])]
        return history.looks("main"), history.standing("main", "nightly"), earlier, history.last_slots()

    together = open_history()
    together.know("main", BASE)
    numbers = together.record_all(listed)
    one_by_one = kept(together)
    apart = open_history(fresh=True)
    apart.know("main", BASE)
    assert [apart.record(one) for one in listed] == numbers
    assert numbers == [1, 2, 3, 1, 4, 5]
    assert kept(apart) == one_by_one


def test_several_looks_are_kept_together_or_not_at_all(history: History) -> None:
    stranger = Recorded(look(2, target="nobody"))
    with pytest.raises(KeyError):
        history.record_all([Recorded(look(1), facts(look(1), {"finding/a": "present"})), stranger])
    assert history.looks("main") == []
    assert history.record_all([]) == []


def test_words_that_were_made_in_vain_have_no_number_afterwards(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("killed here")

    one = Recorded(look(1), facts(look(1), {"finding/a": "first"}))
    with monkeypatch.context() as patched:
        patched.setattr(History, "_keep_sights", fail)
        with pytest.raises(RuntimeError):
            history.record(one)
    history.record(Recorded(look(1), facts(look(1), {"finding/b": "second"})))
    history.record(Recorded(look(2), facts(look(2), {"finding/a": "first"})))
    assert values(history) == {"finding/a": "first"}
    assert [look.seen for look in history.looks("main")] == [("finding",), ("finding",)]


def test_facts_that_were_read_before_a_record_are_never_taken_for_those_after_it(history: History) -> None:
    for day, value in enumerate(("present", "absent", "present"), start=1):
        history.standing("main", "nightly")
        history.record(Recorded(look(day), facts(look(day), {"finding/a": value})))
        history.record(Recorded(look(day, part=1), facts(look(day), {"finding/a": value, "finding/b": value})))
        assert values(history) == {"finding/a": value, "finding/b": value}
        standing, states, incidents = history.before("main", "nightly")
        assert (standing, states, incidents) == (history.standing("main", "nightly"), {}, ())


def test_the_latest_looks_and_what_is_recorded_are_found_for_all_targets_at_once(history: History) -> None:
    history.know("other", BASE)
    for one in (look(1), look(2), look(1, part=1), look(1, plan="weekly"), look(1, target="other")):
        history.record(Recorded(one))
    latest = history.latest(["main", "other", "nobody"])
    assert {place: (one.target, one.slot, one.part) for place, one in latest.items()} == {
        ("main", "nightly"): ("main", "2026-01-01", 1),
        ("main", "weekly"): ("main", "2026-01-01", 0),
        ("other", "nightly"): ("other", "2026-01-01", 0),
    }
    assert history.recorded("nightly", ["2026-01-01", "2026-01-09"]) == {
        ("main", "2026-01-01", 0),
        ("main", "2026-01-01", 1),
        ("other", "2026-01-01", 0),
    }
    assert history.looks("main", plan="nightly", most=2) == history.looks("main", plan="nightly")[-2:]
    # A second look is no look of its own.
    assert history.last_slots() == {"nightly": "2026-01-01", "weekly": "2026-01-01"}


def test_the_course_of_an_area_tells_from_when_to_when_each_value_held(history: History) -> None:
    for day, value in enumerate(("2..2", "2..2", "3..3"), start=1):
        saw = {"criterion/S1": value, "finding/a": "present"}
        history.record(Recorded(look(day), facts(look(day), saw, ("criterion", "finding"))))
    course = [(one.key, one.value, one.since, one.until) for one in history.course("main", "nightly", "criterion")]
    assert course == [
        ("criterion/S1", "2..2", look(1).began, look(3).began),
        ("criterion/S1", "3..3", look(3).began, None),
    ]
    assert history.course("main", "weekly", "criterion") == history.course("nobody", "nightly", "criterion") == []


def change(key: str = "finding/a") -> Change:
    return Change(
        key=key,
        kind="altered",
        judgement="regression",
        what="It went.",
        before=Side(run="r1", started="2026-01-01T00:00:00.000000Z", value="present"),
        after=Side(run="r2", started="2026-01-02T00:00:00.000000Z", value="absent"),
    )


def message(id_: str = "m1", time: str = "2026-01-02T00:00:00.000000Z") -> Message:
    return Message(id=id_, kind="opened", target="main", time=time, title="It went", lines=("It went.",))


def incident(closed: str | None = None) -> Incident:
    began = "2026-01-02T00:00:00.000000Z"
    return Incident(
        id="i1",
        target="main",
        title="It went",
        keys=("finding/a",),
        kind="change",
        began=began,
        opened=began,
        closed=closed,
    )


def test_a_look_is_kept_with_all_that_follows_from_it(history: History) -> None:
    state = KeyState(key="finding/a", baseline="present", course="suspect", value="absent", bad=1, since=look(2).began)
    delta = Delta(subject=BASE, before="r1", after="r2", changes=(change(), change("finding/b")))
    due = "2026-01-02T06:00:00.000000Z"
    told = ((message(), (("ops", due), ("lead", due))),)
    one = Recorded(look(2), delta=delta, states=(state,), incidents=(incident(),), messages=told)
    number = history.record(one)
    assert [(n, t, c.key) for n, t, c in history.changes(slot="2026-01-02", plan="nightly")] == [
        (number, "main", "finding/a"),
        (number, "main", "finding/b"),
    ]
    assert history.states("main") == {"finding/a": state}
    assert history.suspects() == {"main": [state]}
    assert history.incidents(open_only=True) == [incident()]
    assert history.pending("2026-01-02T05:59:59.000000Z") == []
    pending = history.pending(due)
    assert [(one.message.id, one.recipient, one.tries) for one in pending] == [("m1", "lead", 0), ("m1", "ops", 0)]
    history.record(Recorded(look(3), settled=("finding/a",), incidents=(incident(look(3).began),)))
    assert history.states("main") == {}
    assert history.incidents(open_only=True) == []
    assert history.incidents(target="main") == [incident(look(3).began)]


def test_a_message_is_sent_once_to_each_and_never_put_in_again(history: History) -> None:
    due = "2026-01-02T06:00:00.000000Z"
    for _ in range(2):
        history.tell([(message(), (("ops", due),))])
    (pending,) = history.pending(due)
    history.delivered(pending, state="waiting", due="2026-01-02T07:00:00.000000Z", why="The server hung.")
    assert history.pending(due) == []
    assert history.waiting() == 1
    (pending,) = history.pending("2026-01-02T07:00:00.000000Z")
    assert pending.tries == 1
    history.delivered(pending, state="sent", due=due, why=None)
    history.tell([(message(), (("ops", due),))])
    assert history.waiting() == 0


def test_old_messages_go_but_one_that_waits_stays(history: History) -> None:
    due = "2026-01-02T06:00:00.000000Z"
    history.tell([(message("m1"), (("ops", due),)), (message("m2"), (("ops", due),))])
    first = next(one for one in history.pending(due) if one.message.id == "m1")
    history.delivered(first, state="sent", due=due, why=None)
    history.round_began("2026-01-01T00:00:00.000000Z")
    history.forget_rounds("2026-02-01T00:00:00.000000Z")
    assert [one.id for one in history.messages()] == ["m2"]
    assert history.last_round() is None


def test_a_fault_in_the_middle_leaves_nothing_of_the_look(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("killed here")

    monkeypatch.setattr(History, "_keep_news", fail)
    with pytest.raises(RuntimeError):
        history.record(Recorded(look(1), facts(look(1), {"finding/new_word": "present"})))
    monkeypatch.undo()
    assert history.looks("main") == []
    assert values(history) == {}
    history.record(Recorded(look(1), facts(look(1), {"finding/new_word": "present"})))
    assert values(history) == {"finding/new_word": "present"}


def poll(day: int) -> Poll:
    time = look(day).began
    begins, ends = f"2026-01-{day:02d}T01:00:00.000000Z", f"2026-01-{day:02d}T03:00:00.000000Z"
    return Poll(
        run=look(day).run,
        subject=BASE,
        environment="production",
        time=time,
        at=time.replace(":00.0", ":01.0"),
        state="up",
        why="As the history remembers it.",
        windows=(Window(begins=begins, ends=ends, in_time=True),),
        samples=(Sample(kind="statement", hour=2, microseconds=1200), Sample(kind="read", hour=2, microseconds=900)),
        vantage="a place without a name",
    )


def test_a_poll_is_kept_in_few_bytes_and_comes_back_whole(history: History) -> None:
    history.record(Recorded(look(4, polls=packed(poll(4)))))
    (kept,) = history.looks("main")
    assert unpacked(kept) == poll(4).model_copy(
        update={"samples": tuple(sorted(poll(4).samples, key=lambda one: one.kind))}
    )
    assert len(kept.polls or "") < 300


def test_days_of_polls_are_rolled_up_and_a_late_look_takes_its_day_away(history: History) -> None:
    def days() -> list[tuple[str, int]]:
        found = history.poll_days("main", since="2026-01-01", before="2026-01-09T00:00:00.000000Z")
        return [(one.day, one.runs) for one in found]

    for day in (1, 2):
        history.record(Recorded(look(day, polls=packed(poll(day)))))
    assert days() == days() == [("2026-01-01", 1), ("2026-01-02", 1)]
    late = look(1, part=1, polls=packed(poll(1).model_copy(update={"run": look(1, part=1).run})))
    history.record(Recorded(late))
    assert days() == [("2026-01-01", 2), ("2026-01-02", 1)]
    now = history.poll_days("main", since="2026-01-01", before=look(2).began)
    assert [one.day for one in now] == ["2026-01-01"]


def test_a_history_of_a_newer_prober_is_left_alone(open_history: Callable[..., History]) -> None:
    one = open_history()
    with one._writing() as connection:
        connection.execute(tables.about.update().values(value="99"))
    with pytest.raises(HistoryLost, match="newer prober"):
        open_history()


def test_a_step_that_fails_leaves_the_tables_as_they_were(
    open_history: Callable[..., History], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prober.history import store

    one = open_history()
    one.know("main", BASE)

    def step(connection: object) -> None:
        connection.exec_driver_sql("CREATE TABLE half_done (x INTEGER)")  # type: ignore[attr-defined]
        connection.exec_driver_sql("SELECT nothing FROM nowhere")  # type: ignore[attr-defined]

    monkeypatch.setattr(store, "STEPS", (*tables.STEPS, step))
    with pytest.raises(HistoryLost):
        open_history()
    monkeypatch.setattr(
        store, "STEPS", (*tables.STEPS, lambda c: c.exec_driver_sql("CREATE TABLE half_done (x INTEGER)"))
    )
    assert open_history().targets() == {"main": BASE}
    monkeypatch.setattr(store, "STEPS", tables.STEPS)
    with pytest.raises(HistoryLost, match=f"version {len(tables.STEPS) + 1},"):
        open_history()


def test_only_one_monitor_writes_where_several_share_a_database(open_history: Callable[..., History]) -> None:
    one, other = open_history(), open_history()
    if one.is_sqlite:
        assert one.take_lock()
        return
    assert one.take_lock()
    assert not other.take_lock()
    one.close()
    assert other.take_lock()


# A file of its own


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "history.db"
    with History.open(sqlite_url(path), shown=str(path)) as history:
        history.know("main", BASE)
        history.record(Recorded(look(1), facts(look(1), {"finding/a": "present"})))
    return path


def test_a_damaged_file_is_told_with_the_way_out(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    file.write_bytes(content)
    with pytest.raises(HistoryLost, match=r"damaged.*--rebuild"):
        History.open(sqlite_url(file), shown=str(file), check=True)


def test_what_is_no_history_is_told(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_text("These are my notes, and no database at all.\n" * 100)
    with pytest.raises(HistoryLost, match="damaged"):
        History.open(sqlite_url(path), shown=str(path))


def test_a_file_that_another_program_holds_is_waited_for_and_then_told(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prober.history import store

    monkeypatch.setattr(store, "WAIT_SECONDS", 0.1)
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HistoryLost, match="another program has locked"):
            History.open(sqlite_url(file), shown=str(file))


@pytest.mark.skipif(os.geteuid() == 0, reason="Root may write everywhere.")
def test_a_file_that_may_not_be_written_is_told(file: Path) -> None:
    file.chmod(stat.S_IRUSR)
    with pytest.raises(HistoryLost, match="may not be written"):
        History.open(sqlite_url(file), shown=str(file))


def test_a_full_disk_is_told_and_nothing_half_is_kept(file: Path) -> None:
    with History.open(sqlite_url(file), shown=str(file)) as history:
        with history._reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        many = {f"finding/probe_with_a_long_name_{number}": "x" * 300 for number in range(5_000)}
        limited = f"PRAGMA max_page_count={pages}"
        from sqlalchemy import event

        event.listen(history._engine, "begin", lambda connection: connection.exec_driver_sql(limited))
        with pytest.raises(HistoryLost, match="disk is full"):
            history.record(Recorded(look(2), facts(look(2), many)))
    with History.open(sqlite_url(file), shown=str(file), check=True) as history:
        assert values(history) == {"finding/a": "present"}
        assert len(history.looks("main")) == 1


def test_a_url_is_never_repeated() -> None:
    for url in ("nonsense", "mysql://user:canary-secret@host/db", "postgresql://user:canary-secret@127.0.0.1:1/db"):
        with pytest.raises(HistoryLost) as refused:
            History.open(url, shown="The database of PROBER_DATABASE")
        assert "canary-secret" not in str(refused.value)
        assert refused.value.__cause__ is None or "canary-secret" not in str(refused.value.__cause__)


def test_seen_is_kept_as_json(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        assert [
            json.loads(row[0])
            for row in connection.execute("SELECT word FROM looks JOIN words ON words.id = looks.seen")
        ] == [["finding"]]
