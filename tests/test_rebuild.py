"""A history that was lost is made anew from the run folders, and is the same again."""

import shutil
from typing import Any

import pytest
from tests.nights import Inbox, Story, no_export, software

from prober.history.store import History, Recorded
from prober.mistake import Mistake
from prober.monitor.commands import locked
from prober.monitor.reading import rebuild_stage
from prober.monitor.settings import load_settings

pytestmark = pytest.mark.history


def all_of(story: Story) -> dict[str, Any]:
    """Everything that the history knows of the target."""
    with story.history() as history:
        return {
            "targets": history.targets(),
            "looks": history.looks("main"),
            "facts": {plan: history.standing("main", plan) for plan in ("nightly", "sixth")},
            "courses": {
                plan: history.courses("main", plan, ("finding", "undecided", "criterion", "operation"))
                for plan in ("nightly", "sixth")
            },
            "changes": history.changes(),
            "incidents": history.incidents(),
            "states": history.states("main"),
            "days": history.poll_days("main", since="2026-01-01", before="2099-01-01T00:00:00.000000Z"),
        }


def rebuilt(story: Story) -> tuple[int, list[str]]:
    said: list[str] = []
    code = rebuild_stage(story.place / "monitor.yaml", said.append, said.append, story.clock)
    return code, said


def night(story: Story, day: int, *, down: bool = False) -> None:
    story.script.status = 503 if down else None
    for hours, minutes in ((0, 1), (2, 5), (8, 1)):
        assert story.round(story.day(day, hours=hours, minutes=minutes)) == 0, story.said


@pytest.mark.deep
def test_a_lost_history_is_made_anew_as_it_was(story: Story, told: Inbox) -> None:
    story.start()
    night(story, 1)
    story.script.edits = [no_export, software("9.9.9")]
    night(story, 2)
    night(story, 3, down=True)
    story.script.edits = []
    night(story, 5)
    night(story, 6)
    before = all_of(story)
    assert [(one.kind, one.closed is None) for one in before["incidents"]] == [("change", False), ("outage", False)]
    count, posts = len(before["looks"]), len(told.told)

    with pytest.raises(Mistake, match="holds looks"):
        rebuilt(story)
    story.database.empty()
    code, said = rebuilt(story)
    assert (code, said) == (
        0,
        [f"The history was made anew from the run folders of {count} looks. Nothing was sent."],
    )
    assert all_of(story) == before
    with story.history() as history:
        assert history.waiting() == 0
    # The next rounds go on with it, and tell nothing but that nobody looked at 16:00.
    night(story, 7)
    assert [(one["kind"], one["title"]) for one in told.told[posts:]] == [
        ("monitor", "The monitor itself did not run for a while")
    ]


@pytest.mark.deep
def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_not_lost(story: Story) -> None:
    story.start()
    assert story.round(story.day(1, minutes=1)) == 0, story.said
    runs = story.place / "state" / "runs" / "main"
    (kept,) = (runs / "sixth").iterdir()
    for name, run in (("2026-01-01T00-00Z", "{"), ("2026-01-01T08-00Z", "")):
        shutil.copytree(kept, runs / "sixth" / name)
        (runs / "sixth" / name / "run.json").write_text(run)
    shutil.copytree(kept, runs / "hourly" / "2026-01-01T00-00Z")
    shutil.copytree(kept, runs / "sixth" / f"{kept.name}.cut-1")
    story.database.empty()
    code, said = rebuilt(story)
    assert code == 3
    assert said[0] == "The history was made anew from the run folders of 2 looks. Nothing was sent."
    assert sorted(line.partition(" could")[0] for line in said[1:]) == [
        "runs/main/hourly/2026-01-01T00-00Z",
        "runs/main/sixth/2026-01-01T00-00Z",
        "runs/main/sixth/2026-01-01T08-00Z",
    ]


@pytest.mark.deep
def test_a_rebuilding_that_was_cut_short_is_gone_on_with_and_nothing_else_opens_it(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.start()
    assert story.round(story.day(1, hours=2, minutes=5)) == 0, story.said
    before = all_of(story)
    story.database.empty()
    recorded = History.record

    def once(history: History, one: Recorded) -> int:
        if not history.is_empty():
            raise KeyboardInterrupt
        return recorded(history, one)

    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(History, "record", once)
        rebuilt(story)
    with pytest.raises(Mistake, match="cut short"):
        story.round(story.day(1, hours=2, minutes=6))
    assert rebuilt(story)[0] == 0
    assert all_of(story) == before


def test_there_must_be_something_to_make_a_history_of(story: Story) -> None:
    story.start()
    with pytest.raises(Mistake, match="no run folders"):
        rebuilt(story)


def test_a_rebuilding_and_a_round_never_run_at_once(story: Story) -> None:
    story.start()
    with locked(load_settings(story.place / "monitor.yaml", story.clock.utc().date()), story.clock):
        code, said = rebuilt(story)
    assert code == 3
    assert "another monitor is at work" in said[0]
