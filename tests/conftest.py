"""What holds for every test: nothing of the user's own state is touched. And what several tests begin with."""

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import is_hypothesis_test

from prober import cli

if TYPE_CHECKING:
    from tests.nights import Database, Inbox, Story

    from prober.history.store import History


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the properties, which the deep tests try again on more examples (tests/samples.py)."""
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("property")


def pytest_collection_finish() -> None:
    """Takes all that was imported out of the collector's sight: it would be looked through again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    names = ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "PROBER_LEDGER")
    before = {name: os.environ.pop(name, None) for name in names}
    for name in names[:2]:
        os.environ[name] = str(tmp_path_factory.mktemp(name.lower()))
    yield
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="session")
def scored_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes of a recording the whole run folder that it was; the same one every time, so copy it before changing it."""
    made: dict[str, Path] = {}

    def make(recording: str) -> Path:
        if recording not in made:
            from prober.archive import RunFolder
            from prober.library import load_probes
            from prober.pipeline import judge_folder, load_models, score_folders

            place = tmp_path_factory.mktemp("scored") / recording
            shutil.copytree(Path(__file__).parents[1] / "fixtures" / recording, place)
            folder, probes = RunFolder.open(place), load_probes()
            texts, digests = load_models(None, probes)
            folder.write_models(texts)
            with_digests = {"probes": {id_: one.digest for id_, one in probes.items()}, "models": digests}
            folder.write_run(folder.run().model_copy(update=with_digests))
            judge_folder(folder, probes)
            folder.write_scorecard(score_folders([folder], probes))
            made[recording] = place
        return made[recording]

    return make


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to attest in: a document, and the provider and rule book that decide what counts."""
    for name in ("book.yaml", "provider.yaml", "charter.txt"):
        (tmp_path / name).write_bytes((Path(__file__).parent / "attest" / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def prober(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs a command in this process, in the folder in which the test stands."""

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["prober", *(str(one) for one in arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)

    return call


@pytest.fixture
def attest(desk: Path, prober: Callable[..., Ended]) -> Callable[..., Ended]:
    """Runs `prober attest` in that folder."""
    return partial(prober, "attest")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Database":
    """An empty database; configurations may name it as env:PROBER_DATABASE where it is no file."""
    from tests.nights import Database

    one = Database(tmp_path / "state" / "history.db")
    one.empty()
    if not one.is_file:
        monkeypatch.setenv("PROBER_DATABASE", str(one.url))
    return one


@pytest.fixture
def open_history(database: "Database") -> Iterator[Callable[..., "History"]]:
    """Opens the history of this test; every call opens the same one, and with `fresh` it is emptied first."""
    from prober.history.store import History

    opened: list[History] = []

    def open_(*, fresh: bool = False) -> History:
        if fresh:
            for one in opened:
                one.close()
            database.empty()
        database.path.parent.mkdir(exist_ok=True)
        opened.append(History.open(database.url, shown="the history"))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


@pytest.fixture
def told() -> "Iterator[Inbox]":
    """A webhook that remembers what it was told."""
    from tests.nights import Inbox

    with Inbox() as inbox:
        yield inbox


@pytest.fixture
def story(tmp_path: Path, told: "Inbox", database: "Database", monkeypatch: pytest.MonkeyPatch) -> "Iterator[Story]":
    """A target, a monitor and a clock, from the next midnight on; start the server to begin."""
    from tests.nights import CONFIG, Story

    from prober.diff import collect

    # On a clock on which sleeping takes no time, what sleeps beside a request makes it seem slow by chance.
    monkeypatch.setattr(collect, "FEWEST_SAMPLES", 1_000)
    one = Story(tmp_path, CONFIG.replace("HOOK", told.url), database)
    yield one
    one.stop()
