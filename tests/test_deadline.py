"""Every run ends in time with a valid run folder and no job left behind, whatever the server or the user does."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.samples import DEEP

from prober.archive import FINDINGS, MEASUREMENTS, SCORECARD, RunFolder
from prober.nouns.finding import Finding
from prober.nouns.run import Run
from prober.sandbox import Logged, Sandbox

GRACE = 1.5
"""Seconds: what a run may take beyond its deadline to let go of its connections and to delete its jobs."""
AROUND = 15
"""Seconds: starting Python, judging, scoring and rendering, on a machine that does other things too."""
TOKEN = "a-token-for-the-sandbox"


@dataclass(frozen=True)
class Ended:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str
    seconds: float
    folder: RunFolder

    @property
    def run(self) -> Run:
        return self.folder.run()

    @property
    def collecting(self) -> float:
        """Seconds from the first request to the end of the collect stage."""
        lines = [json.loads(line) for line in (self.folder.path / MEASUREMENTS).read_text().splitlines()]
        return float(next(line["microseconds"] for line in lines if line["kind"] == "wall")) / 1_000_000

    def finding(self, probe: str) -> Finding:
        return next(one for one in self.folder.findings() if one.source.probe == probe)


class Prober:
    """One `prober run`, as a user starts it."""

    def __init__(self, target: str, place: Path, deadline: int, *options: str) -> None:
        self._out = place / "run"
        self._began = time.monotonic()
        environment = {**os.environ, "XDG_STATE_HOME": str(place / "state"), "DEADLINE_TOKEN": TOKEN}
        command = [sys.executable, "-m", "prober.cli", "run", target, "--out", str(self._out)]
        self._process = subprocess.Popen(
            [*command, "--deadline", str(deadline), *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def ended(self) -> Ended:
        try:
            out, err = self._process.communicate(timeout=60)
        finally:
            self._process.kill()
        seconds = time.monotonic() - self._began
        return Ended(self._process.returncode, out, err, seconds, RunFolder(self._out))


def check_whole(ended: Ended) -> None:
    """Whatever happened, a run folder is there that was judged, scored and reported."""
    assert "Traceback" not in ended.err
    folder = RunFolder.open(ended.folder.path)
    assert folder.run().done is not None
    assert folder.run().ended is not None
    assert folder.exchanges()
    assert folder.findings()
    assert folder.scorecard()
    assert {FINDINGS, SCORECARD, "report.html", "report.md"} <= {path.name for path in folder.path.iterdir()}
    assert not any(one.verdict.reason in ("bug", "not_recorded") for one in folder.findings())


@contextmanager
def silent() -> Iterator[str]:
    """A host that takes every connection and never says a word."""
    held: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        with suppress(OSError):
            while True:
                held.append(listener.accept()[0])

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in held:
            connection.close()


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It did not happen in time."
        time.sleep(0.01)


def started(log: list[Logged]) -> int:
    return sum("$export" in entry.path and entry.status == 202 for entry in log)


def deleted(log: list[Logged]) -> int:
    return sum(entry.method == "DELETE" and entry.status == 202 for entry in log)


@DEEP
def test_a_closed_port_is_told_at_once(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        ended = Prober(f"http://127.0.0.1:{bound.getsockname()[1]}/fhir", tmp_path, 30).ended()
    assert ended.code == 3
    check_whole(ended)
    assert ended.collecting < 5
    assert ended.finding("capability_statement_served").verdict.reason == "unreachable"


@dataclass(frozen=True)
class Late:
    """Runs that only their deadline ends, made at the same time."""

    silent: Ended
    endless: Ended
    dripping: Ended
    exporting: Ended
    exporting_log: list[Logged]
    state: Path


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Late:
    place = tmp_path_factory.mktemp("late")
    with (
        silent() as target,
        Sandbox(defects=("endless_body",), token=TOKEN) as endless,
        Sandbox(defects=("slow_drip",), token=TOKEN) as dripping,
        Sandbox(defects=("export_never_ends",), token=TOKEN) as exporting,
    ):
        runs = [
            Prober(base, place / str(number), 3, "--bearer-env", "DEADLINE_TOKEN")
            for number, base in enumerate((target, endless.base_url, dripping.base_url, exporting.base_url))
        ]
        first, second, third, fourth = [one.ended() for one in runs]
        return Late(first, second, third, fourth, exporting.log, place / "3" / "state")


@DEEP
def test_every_run_ends_by_its_deadline_with_a_valid_folder(late: Late) -> None:
    for ended in (late.silent, late.endless, late.dripping, late.exporting):
        assert ended.code == 3
        check_whole(ended)
        assert ended.collecting < 3 + GRACE
        assert ended.seconds < 3 + AROUND


@DEEP
def test_a_host_that_never_answers_tells_nothing(late: Late) -> None:
    assert {one.verdict.outcome for one in late.silent.folder.findings()} <= {"unknown", "not_applicable"}
    assert late.silent.finding("capability_statement_served").verdict.reason in ("deadline", "timed_out")


@DEEP
def test_a_body_without_an_end_is_given_up_while_the_rest_is_seen(late: Late) -> None:
    reasons = [one.finding("capability_statement_served").verdict.reason for one in (late.endless, late.dripping)]
    assert reasons[0] in ("too_large", "timed_out", "deadline")
    assert reasons[1] in ("timed_out", "deadline")
    assert late.dripping.finding("smart_configuration_served").verdict.outcome == "present"


@DEEP
def test_the_deadline_deletes_the_jobs_that_were_started(late: Late) -> None:
    assert late.exporting.run.done is not None
    assert late.exporting.run.done.ending == "deadline"
    assert started(late.exporting_log) == deleted(late.exporting_log) > 0
    assert not list(late.state.rglob("*.json"))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=DEEP)])
def test_a_signal_keeps_the_evidence_and_deletes_the_jobs(number: int, tmp_path: Path) -> None:
    with Sandbox(defects=("export_never_ends",), token=TOKEN) as box:
        running = Prober(box.base_url, tmp_path, 60, "--bearer-env", "DEADLINE_TOKEN")
        until(lambda: started(box.log) > 0)
        told = time.monotonic()
        running.signal(number)
        ended = running.ended()
        log = box.log
    assert time.monotonic() - told < AROUND
    assert ended.code == 3
    check_whole(ended)
    assert ended.run.done is not None
    assert ended.run.done.ending == "interrupted"
    assert started(log) == deleted(log) > 0
    assert not list((tmp_path / "state").rglob("*.json"))
    assert ended.finding("smart_configuration_served").verdict.outcome == "present"


@DEEP
def test_a_signal_during_a_silent_answer_ends_the_run(tmp_path: Path) -> None:
    with silent() as target:
        running = Prober(target, tmp_path, 60)
        until((tmp_path / "run" / "run.json").is_file)
        time.sleep(0.3)
        running.signal(signal.SIGTERM)
        ended = running.ended()
    assert ended.code == 3
    check_whole(ended)
    assert ended.collecting < 10


@DEEP
@pytest.mark.parametrize("tenths", range(12))
def test_a_signal_at_any_moment_leaves_no_job(tenths: int, tmp_path: Path) -> None:
    with Sandbox(defects=("export_never_ends",), token=TOKEN, latency=0.05) as box:
        running = Prober(box.base_url, tmp_path, 60, "--bearer-env", "DEADLINE_TOKEN")
        until(lambda: len(box.log) > 2)
        time.sleep(tenths / 10)
        running.signal(signal.SIGTERM)
        ended = running.ended()
        assert started(box.log) == deleted(box.log)
    assert ended.code == 3
    check_whole(ended)
