"""What holds for every test: nothing of the user's own state is touched. And what several tests begin with."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prober import cli

if TYPE_CHECKING:
    from prober.history.store import History


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
def open_history(tmp_path: Path) -> Iterator[Callable[..., "History"]]:
    """Opens a history for this test: a SQLite file, or where PROBER_TEST_POSTGRES names a cluster a database of it.

    Every call opens the same one; with `fresh` it is emptied first.
    """
    from sqlalchemy import create_engine

    from prober.history import tables
    from prober.history.store import History, sqlite_url

    url = os.environ.get("PROBER_TEST_POSTGRES")
    opened: list[History] = []

    def empty(engine_url: object) -> None:
        engine = create_engine(str(engine_url).replace("postgresql:", "postgresql+psycopg:", 1))
        with engine.begin() as connection:
            for name in ("half_done", *(table.name for table in tables.metadata.sorted_tables)):
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
        engine.dispose()

    if url is not None:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        server = create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1), isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            there = connection.exec_driver_sql(f"SELECT 1 FROM pg_database WHERE datname = 'prober_{worker}'").scalar()
            if not there:
                connection.exec_driver_sql(f"CREATE DATABASE prober_{worker}")
        server.dispose()
        place: object = url.replace("/postgres?", f"/prober_{worker}?", 1)
        empty(place)
    else:
        place = sqlite_url(tmp_path / "history.db")

    def open_(*, fresh: bool = False) -> History:
        if fresh:
            for one in opened:
                one.close()
            empty(place)
        history = History.open(place, shown="the history")  # type: ignore[arg-type]
        opened.append(history)
        return history

    yield open_
    for one in opened:
        one.close()
