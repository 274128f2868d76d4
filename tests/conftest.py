"""What holds for every test: nothing of the user's own state is touched. And what several tests begin with."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from prober import cli


@pytest.fixture(autouse=True, scope="session")
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    yield
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before


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
