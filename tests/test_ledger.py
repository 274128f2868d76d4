"""The ledger of runs: nothing in it can be altered, removed or put in between without showing."""

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prober.archive import RunFolder
from prober.bundle import chain, note
from prober.clock import VirtualClock
from prober.keys import Signer, new_key
from prober.ledger import Ledger, file_name, ledger_folder
from prober.mistake import Mistake, Refused
from prober.nouns.run import Run

DIGEST = "ab" * 32


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return new_key(tmp_path / "key.pem", VirtualClock())


@pytest.fixture
def run(scored_run: Callable[[str], Path]) -> Run:
    return RunFolder.open(scored_run("laggard")).run()


def a_year(ledger: Ledger, run: Run, nights: int, name: str = "night") -> None:
    """So many nights, of which every fifth was killed before its end."""
    for night in range(1, nights + 1):
        started = f"2026-{1 + night // 28:02}-{1 + night % 28:02}T02:00:00.000000Z"
        entry = ledger.began(run.model_copy(update={"id": f"{name}-{night}", "started": started}))
        if night % 5:
            entry.ended(started, "complete", DIGEST)


def path_of(ledger: Ledger, run: Run) -> Path:
    return ledger.folder / f"{file_name(run.subject)}.jsonl"


def test_each_line_names_the_one_before_it_and_counts_the_runs(tmp_path: Path, run: Run) -> None:
    ledger = Ledger(tmp_path / "ledger")
    a_year(ledger, run, 6)
    lines = ledger.lines(run.subject)
    assert [line.event for line in lines].count("began") == 6
    assert [line.event for line in lines].count("ended") == 5
    assert lines[-1].runs == lines[-1].ordinal == 6
    assert ledger.check(run.subject) == len(lines) == 11
    assert ledger.subjects() == (run.subject,)


def test_the_ledger_of_a_base_says_nothing_of_other_bases(tmp_path: Path, run: Run) -> None:
    ledger = Ledger(tmp_path / "ledger")
    other = run.model_copy(update={"subject": "https://fhir.example.org/r4"})
    ledger.began(run)
    ledger.began(other)
    assert [line.ordinal for line in ledger.lines(other.subject)] == [1]
    assert len({path_of(ledger, run), path_of(ledger, other)}) == 2
    assert path_of(ledger, other).name.startswith("fhir.example.org-")


@pytest.mark.parametrize("line", range(11))
@pytest.mark.parametrize("how", ["removed", "altered", "doubled", "spaced"])
def test_a_line_that_is_not_as_it_was_shows(tmp_path: Path, run: Run, signer: Signer, line: int, how: str) -> None:
    ledger = Ledger(tmp_path / "ledger")
    a_year(ledger, run, 6)
    ledger.checkpoint(run.subject, signer)
    path = path_of(ledger, run)
    lines = path.read_text().splitlines(keepends=True)
    if how == "removed":
        del lines[line]
    elif how == "altered":
        lines[line] = lines[line].replace('"time":"2026', '"time":"2025')
    elif how == "doubled":
        lines.insert(line, lines[line])
    else:
        lines[line] = lines[line].replace(",", ", ", 1)
    path.write_text("".join(lines))
    with pytest.raises(Refused):
        ledger.check(run.subject)


def test_a_ledger_written_anew_is_caught_by_a_checkpoint_in_other_hands(
    tmp_path: Path, run: Run, signer: Signer, prober: Callable[..., Any]
) -> None:
    """Whoever holds the ledger can write a whole new one without the bad night; not one with the old checkpoint."""
    ledger = Ledger(tmp_path / "ledger")
    a_year(ledger, run, 6)
    (tmp_path / "note.txt").write_text(ledger.checkpoint(run.subject, signer))
    path_of(ledger, run).unlink()
    path_of(ledger, run).with_suffix(".checkpoints").unlink()
    a_year(ledger, run, 5)
    assert ledger.check(run.subject) == 9
    with pytest.raises(Refused, match="signed over 11 lines and 9 are left"):
        ledger.hold_against(run.subject, note.read((tmp_path / "note.txt").read_text()))
    a_year(ledger, run, 2, "later")
    with pytest.raises(Refused):
        ledger.hold_against(run.subject, note.read((tmp_path / "note.txt").read_text()))


def test_what_a_kill_cut_off_was_no_line_and_the_next_one_follows(tmp_path: Path, run: Run) -> None:
    ledger = Ledger(tmp_path / "ledger")
    a_year(ledger, run, 2)
    path = path_of(ledger, run)
    with path.open("a") as file:
        file.write('{"depth":"stan')
    assert ledger.check(run.subject) == 4
    ledger.began(run.model_copy(update={"id": "after"}))
    assert ledger.check(run.subject) == 5
    assert ledger.lines(run.subject)[-1].run == "after"
    path.write_text('{"never a whole li')
    assert ledger.lines(run.subject) == ()
    ledger.began(run)
    assert ledger.check(run.subject) == 1


def _many(folder: Path, run: Run, name: str) -> None:
    for number in range(20):
        entry = Ledger(folder).began(run.model_copy(update={"id": f"{name}-{number}"}))
        entry.ended(run.started, "complete", DIGEST)


def test_runs_at_the_same_time_each_get_their_line(tmp_path: Path, run: Run) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_many, args=(tmp_path / "ledger", run, name)) for name in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Ledger(tmp_path / "ledger").check(run.subject) == 120


@pytest.mark.parametrize("nights", [1, 2, 3, 7, 30, 61])
def test_the_end_of_a_ledger_proves_itself_without_its_beginning(
    tmp_path: Path, run: Run, signer: Signer, nights: int
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    a_year(ledger, run, nights)
    since = "2026-02-10T00:00:00.000000Z"
    first = ledger.extract(run.subject, signer, since)
    chain.check(first, signer.public)
    assert first.previous is None
    a_year(ledger, run, 1, "later")
    second = ledger.extract(run.subject, signer, since)
    chain.check(second, signer.public)
    assert second.previous == first.checkpoint
    assert all(line.time >= since for line in second.lines) or second.before <= note.read(first.checkpoint).size
    kept = note.read(first.checkpoint)
    assert chain.covers(second, kept) is True
    assert ledger.extract(run.subject, signer, since) == second
    cut = second.model_copy(update={"lines": second.lines[:-1]})
    with pytest.raises(Refused):
        chain.check(cut, signer.public)


def test_a_checkpoint_is_a_signed_note_of_its_own_key(tmp_path: Path, run: Run, signer: Signer) -> None:
    ledger = Ledger(tmp_path / "ledger")
    a_year(ledger, run, 3)
    text = ledger.checkpoint(run.subject, signer)
    origin, size, _, blank, signature = text.splitlines()
    assert (origin, size, blank) == (note.origin_of(run.subject), "6", "")
    assert signature.startswith("— prober-ledger ")
    assert note.opened(text, signer.public).size == 6
    other = new_key(tmp_path / "other.pem", VirtualClock(seed=2))
    with pytest.raises(Refused, match="not signed by the key"):
        note.opened(text, other.public)
    for changed in (
        text.replace("\n6\n", "\n5\n"),
        text + "x",
        text.replace("— ", "- "),
        text.replace("\n6\n", "\n06\n"),
    ):
        with pytest.raises(Refused):
            note.opened(changed, signer.public)


def test_a_ledger_that_cannot_be_written_stops_the_run_before_anything_is_sent(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Mistake, match=r"ledger of runs cannot be written .* --ledger"):
        Ledger(tmp_path / "file").began(run)


def test_the_folder_is_named_by_the_user_or_lies_with_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert ledger_folder() == tmp_path / "prober" / "ledger"
    monkeypatch.setenv("PROBER_LEDGER", str(tmp_path / "mine"))
    assert ledger_folder() == tmp_path / "mine"


def test_the_commands(tmp_path: Path, run: Run, signer: Signer, prober: Callable[..., Any]) -> None:
    ledger = Ledger(tmp_path / "ledger")
    at = ("--ledger", ledger.folder)
    assert "No run was ever begun" in prober("ledger", "verify", *at).out
    a_year(ledger, run, 6)
    (tmp_path / "pub.pem").write_bytes(b"")
    signed = prober("ledger", "checkpoint", run.subject, *at, "--key", tmp_path / "key.pem")
    assert note.opened(signed.out, signer.public).size == 11
    told = prober("ledger", "verify", *at)
    assert told.code == 0
    assert told.out == f"{run.subject}: 6 runs in 11 lines, each as it was written; 1 signed checkpoints hold.\n"
    assert prober("ledger", "verify", "https://nobody.example", *at).code == 2
    path = path_of(ledger, run)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    ended = prober("ledger", "verify", *at)
    assert ended.code == 1
    assert "a checkpoint was signed over 11 lines and 10 are left" in ended.err
    path.write_text("".join(lines).replace('"ordinal":3', '"ordinal":4'))
    assert prober("ledger", "verify", *at).code == 1
    assert json.loads(lines[0])["previous"] is None
