"""Run folders go when their time is over: what somebody may still ask for stays, and so does what the history holds."""

import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.clock import VirtualClock, instant
from prober.history.store import History, Recorded
from prober.monitor import retention
from prober.monitor.retention import clear_away, remove
from prober.monitor.settings import Settings
from prober.nouns.facts import Change, Delta, Fact, Facts, Side
from prober.nouns.incident import Incident
from prober.nouns.look import Look
from prober.nouns.monitor import LookPlan, Monitor, Retention, Target

pytestmark = pytest.mark.history
BASE = "https://fhir.example.org/r4"
FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
NIGHTS = 30


@pytest.fixture(autouse=True)
def _few_looks_are_enough(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shelf holds a few looks and the clock jumps: the guard against that has a test of its own."""
    if "guarded" not in request.keywords:
        monkeypatch.setattr(retention, "_looks_in", lambda plan, days: 1)


class Shelf:
    """A state folder with the folders of some looks, and the history of them."""

    def __init__(self, place: Path, history: History, **more: bool) -> None:
        self.history = history
        self.state = place / "state"
        self.state.mkdir(exist_ok=True)
        monitor = Monitor(
            looks={"nightly": LookPlan(), "often": LookPlan(every=60)},
            targets=(Target(name="main", base=BASE), Target(name="other", base=BASE)),
            retention=Retention(nights=NIGHTS, polls=5, **more),
        )
        self.settings = Settings(monitor, place / "monitor.yaml", ZoneInfo("UTC"), {}, None, {})
        for target in monitor.targets:
            history.know(target.name, target.base)
        self.last: dict[str, str] = {}

    def look(self, day: int, changed: bool = False, *, target: str = "main", plan: str = "nightly") -> Look:
        began = instant(FIRST + timedelta(days=day))
        slot = began[:10]
        run = f"{slot}-{target}-{plan}"
        folder = f"runs/{target}/{plan}/{slot}"
        one = Look(
            target=target,
            base=BASE,
            plan=plan,
            slot=slot,
            run=run,
            began=began,
            ended=began,
            environment="production",
            depth="standard",
            ending="complete",
            digest=f"{day:064x}",
            evidence=f"{day:064x}",
            up="up",
            seen=("finding",),
            folder=folder,
        )
        facts = Facts(
            subject=BASE,
            environment=one.environment,
            depth=one.depth,
            run=run,
            started=began,
            digest=one.digest,
            seen=one.seen,
            facts=(Fact(key="finding/a", value="present"),),
        )
        before = self.last.get(f"{target}/{plan}")
        delta = Delta(subject=BASE, before=before, after=run, changes=(change(before, run),)) if before else None
        self.history.record(Recorded(one, facts, delta if changed else None))
        self.last[f"{target}/{plan}"] = run
        place = self.state / folder
        (place / "blobs").mkdir(parents=True)
        (place / "run.json").write_text("{}")
        (place / "blobs" / "a").write_text("evidence")
        return one

    def clear(self, day: int) -> int:
        return clear_away(self.settings, self.history, VirtualClock(FIRST + timedelta(days=day, hours=1)))

    def there(self, target: str = "main", plan: str = "nightly") -> set[int]:
        """The days whose folder is there and whole."""
        place = self.state / "runs" / target / plan
        whole = [one.name for one in place.iterdir() if (one / "blobs" / "a").is_file()] if place.is_dir() else []
        return {(datetime.fromisoformat(name).date() - FIRST.date()).days for name in whole}

    def noted(self, target: str = "main", plan: str = "nightly") -> set[int]:
        """The days whose folder is there according to the history."""
        return {
            (datetime.fromisoformat(one.slot).date() - FIRST.date()).days
            for one in self.history.looks(target, plan=plan)
            if one.folder is not None
        }


def change(before: str | None, after: str) -> Change:
    return Change(
        key="finding/a",
        kind="altered",
        judgement="regression",
        what="It went.",
        before=Side(run=before or "", started="", value="present"),
        after=Side(run=after, started="", value="absent"),
    )


@pytest.fixture
def shelf(tmp_path: Path, open_history: Callable[..., History]) -> Shelf:
    return Shelf(tmp_path, open_history())


@pytest.mark.parametrize("count", [2, pytest.param(100, marks=pytest.mark.deep)])
def test_every_change_keeps_both_sides_and_the_history_loses_nothing(
    open_history: Callable[..., History], count: int
) -> None:
    @settings(max_examples=count, deadline=None)
    @given(st.lists(st.booleans(), min_size=2, max_size=12), st.integers(NIGHTS, NIGHTS + 12), st.booleans())
    def holds(nights: list[bool], today: int, keep: bool) -> None:
        with tempfile.TemporaryDirectory() as place:
            shelf = Shelf(Path(place), open_history(fresh=True), keep_changes=keep)
            for day, changed in enumerate(nights):
                shelf.look(day, changed)
            before = shelf.history.looks("main"), shelf.history.changes(), shelf.history.standing("main", "nightly")
            removed = shelf.clear(today)
            beside = {side for day, changed in enumerate(nights) if changed and day for side in (day - 1, day)}
            late = {day for day in range(len(nights)) if day > today - NIGHTS}
            assert shelf.there() == shelf.noted() == late | {len(nights) - 1} | (beside if keep else set())
            assert removed == len(nights) - len(shelf.there())
            looks, *rest = before
            assert [one.model_copy(update={"folder": None}) for one in looks] == [
                one.model_copy(update={"folder": None}) for one in shelf.history.looks("main")
            ]
            assert rest == [shelf.history.changes(), shelf.history.standing("main", "nightly")]
            there = shelf.there()
            assert shelf.clear(today) == 0
            assert shelf.there() == shelf.noted() == there

    holds()


def test_each_kind_of_look_has_its_time_and_its_latest_folder_stays_for_ever(shelf: Shelf) -> None:
    for day in range(3):
        shelf.look(day)
        shelf.look(day, plan="often")
        shelf.look(day, target="other")
    assert shelf.clear(7) == 2
    assert (shelf.there(), shelf.there(plan="often")) == ({0, 1, 2}, {2})
    assert shelf.clear(1_000) == 4
    assert shelf.there() == shelf.there("other") == shelf.there(plan="often") == {2}


def test_what_was_handed_over_stays(shelf: Shelf) -> None:
    looks = [shelf.look(day) for day in range(4)]
    shelf.history.keep_bundle("main", "d" * 64, [looks[1].run, looks[2].run], "{}")
    shelf.look(1, target="other")
    shelf.look(2, target="other")
    shelf.clear(1_000)
    assert shelf.there() == {1, 2, 3}
    assert shelf.there("other") == {2}


def test_what_an_open_incident_names_stays_until_it_is_closed(
    tmp_path: Path, open_history: Callable[..., History]
) -> None:
    shelf = Shelf(tmp_path, open_history(), keep_changes=False)
    looks = [shelf.look(day) for day in range(4)]
    incident = Incident(
        id="i1",
        target="main",
        title="It went",
        keys=("finding/a",),
        kind="change",
        began=looks[1].began,
        opened=looks[1].began,
        changes=(change(looks[0].run, looks[1].run),),
    )
    shelf.history.keep_incidents("main", [incident], [])
    shelf.clear(1_000)
    assert shelf.there() == {0, 1, 3}
    shelf.history.keep_incidents("main", [incident.model_copy(update={"closed": looks[2].began})], [])
    shelf.clear(1_000)
    assert shelf.there() == {3}


def test_killed_before_it_was_noted_the_next_time_notes_it(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(3):
        shelf.look(day)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(History, "folder_gone", killed)
        with pytest.raises(KeyboardInterrupt):
            shelf.clear(1_000)
    assert (shelf.there(), shelf.noted()) == ({2}, {0, 1, 2})
    assert shelf.clear(1_000) == 2
    assert shelf.there() == shelf.noted() == {2}


def test_killed_while_it_removes_no_half_folder_stands_at_its_place(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(3):
        shelf.look(day)
    rmtree = shutil.rmtree

    def killed(path: Path, **_: object) -> None:
        rmtree(path / "blobs")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            shelf.clear(1_000)
    place = shelf.state / "runs" / "main" / "nightly"
    assert sorted(one.name for one in place.iterdir()) == ["2026-01-01.cut-gone", "2026-01-02", "2026-01-03"]
    shelf.clear(1_000)
    assert [one.name for one in place.iterdir()] == ["2026-01-03"]
    assert shelf.noted() == {2}


def test_what_a_killed_run_left_goes_after_the_same_time(shelf: Shelf) -> None:
    shelf.look(0)
    place = shelf.state / "runs" / "main" / "nightly"
    for name in ("2026-01-01.cut-1", "2026-01-01.2.cut-1", "2026-02-01.cut-1", "notes.cut-1"):
        (place / name).mkdir()
    shelf.clear(NIGHTS + 2)
    assert sorted(one.name for one in place.iterdir()) == ["2026-01-01", "2026-02-01.cut-1", "notes.cut-1"]


def test_nothing_is_removed_through_a_symbolic_link(shelf: Shelf, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "nightly" / "2026-01-01").mkdir(parents=True)
    (outside / "nightly" / "2026-01-01.cut-1").mkdir()
    (outside / "precious").write_text("stays")
    for target in ("main", "other"):
        for day in range(3):
            shelf.look(day, target=target)
    # A folder that is a link itself, one that holds a link, and a link on the way to them.
    shutil.rmtree(shelf.state / "runs/main/nightly/2026-01-01")
    os.symlink(outside, shelf.state / "runs/main/nightly/2026-01-01")
    os.symlink(outside, shelf.state / "runs/main/nightly/2026-01-02/link")
    shutil.rmtree(shelf.state / "runs/other")
    os.symlink(outside, shelf.state / "runs/other")
    assert shelf.clear(1_000) == 1
    assert sorted(str(one.relative_to(outside)) for one in outside.rglob("*")) == [
        "nightly",
        "nightly/2026-01-01",
        "nightly/2026-01-01.cut-1",
        "precious",
    ]
    assert shelf.noted("other") == {0, 1, 2}
    assert shelf.noted() == {0, 2}


@pytest.mark.parametrize("folder", ["../outside", "runs/../../outside", "/", "", "runs", "."])
def test_a_path_that_leads_elsewhere_is_left_alone(tmp_path: Path, folder: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "state" / "runs" / "main").mkdir(parents=True)
    assert not remove(tmp_path / "state", folder)
    assert (tmp_path / "outside").is_dir()
    assert (tmp_path / "state" / "runs" / "main").is_dir()


@pytest.mark.guarded
def test_a_clock_that_jumps_ahead_makes_no_folder_old(shelf: Shelf) -> None:
    """As many of the latest looks stay as are made in the time that folders are kept, whatever the clock says."""
    for day in range(3):
        shelf.look(day)
    assert shelf.clear(1_000) == 0
    for day in range(3, 33):
        shelf.look(day)
    assert shelf.clear(1_000) == 3
