"""The job journal: no job of a killed run is forgotten, nobody else can read it, and its token goes home only."""

import asyncio
import json
import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.samples import DEEP

from prober.jobs import JobJournal, Surroundings, delete_left_behind, journal_folder, left_behind, token_mark
from prober.sandbox import Sandbox

TOKEN = "a-token-for-the-sandbox"


def journal(
    folder: Path, run_id: str, base: str, *urls: str, token: str | None = None, hosts: tuple[str, ...] = ()
) -> None:
    mark = token_mark(token, run_id) if token else None
    one = JobJournal(run_id, folder, Surroundings(base=base, hosts=hosts, token_mark=mark))
    for url in urls:
        one.started(url)


def clean(folder: Path, token: str | None) -> tuple[int, list[str]]:
    said: list[str] = []
    code = asyncio.run(delete_left_behind("ada@example.org", None, token, said.append, folder=folder))
    assert all(sentence.endswith(".") for sentence in said)
    assert TOKEN not in "".join(said)
    return code, said


def test_a_journal_is_private_whole_and_gone_with_its_last_job(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    one = JobJournal(
        "run-1", folder, Surroundings(base="https://fhir.example/r4", token_mark=token_mark(TOKEN, "run-1"))
    )
    assert one.ready()
    assert left_behind(folder) == ()
    one.started("https://fhir.example/r4/job/1")
    one.started("https://fhir.example/r4/job/2")
    path = folder / "run-1.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert json.loads(path.read_text())["jobs"] == ["https://fhir.example/r4/job/1", "https://fhir.example/r4/job/2"]
    assert TOKEN not in path.read_text()
    assert left_behind(folder) == ("run-1",)
    one.ended("https://fhir.example/r4/job/1")
    one.ended("https://fhir.example/r4/job/unknown")
    assert left_behind(folder) == ("run-1",)
    one.ended("https://fhir.example/r4/job/2")
    assert list(folder.iterdir()) == []


def test_a_journal_that_cannot_be_written_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not JobJournal("run-1", tmp_path / "file").ready()
    assert not JobJournal("run-1", Path("/proc/prober")).ready()


def test_journals_lie_in_the_users_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert journal_folder() == tmp_path / "prober" / "jobs"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert journal_folder() == tmp_path / "home" / ".local" / "state" / "prober" / "jobs"


def start_job(box: Sandbox) -> str:
    import httpx

    headers = {"Authorization": f"Bearer {box.token}", "Prefer": "respond-async"}
    answer = httpx.get(f"{box.base_url}/Patient/$export", headers=headers, trust_env=False)
    return str(answer.headers["content-location"])


def test_jobs_are_deleted_once_each_with_their_token_and_by_name(tmp_path: Path) -> None:
    with Sandbox(token=TOKEN) as box:
        jobs = [start_job(box), f"{box.base_url}/bulk/long-gone"]
        journal(tmp_path, "run-1", box.base_url, *jobs, token=TOKEN)
        asked = len(box.log)
        began = time.monotonic()
        assert clean(tmp_path, TOKEN)[0] == 0
        log = box.log[asked:]
    assert [(entry.method, entry.status) for entry in log] == [("DELETE", 202), ("DELETE", 404)]
    assert all("ada@example.org" in entry.headers["user-agent"] for entry in log)
    assert time.monotonic() - began >= 1
    assert left_behind(tmp_path) == ()
    assert clean(tmp_path, TOKEN) == (0, [])


def test_what_could_not_be_deleted_stays_in_the_journal(tmp_path: Path) -> None:
    with Sandbox(token=TOKEN) as box:
        job = start_job(box)
        journal(tmp_path, "run-1", box.base_url, job, token=TOKEN)
        code, said = clean(tmp_path, None)
        assert code == 3
        assert "--bearer-env" in said[0]
        assert left_behind(tmp_path) == ("run-1",)
        assert clean(tmp_path, TOKEN)[0] == 0
    journal(tmp_path, "run-2", box.base_url, job, token=TOKEN)
    code, said = clean(tmp_path, TOKEN)
    assert code == 3
    assert "refuses connections" in said[0]
    assert left_behind(tmp_path) == ("run-2",)


def test_the_token_of_one_server_is_not_shown_to_another(tmp_path: Path) -> None:
    with Sandbox(token=TOKEN) as mine, Sandbox(token="another") as yours:
        first, second = start_job(mine), start_job(yours)
        journal(tmp_path, "run-1", mine.base_url, first, token=TOKEN)
        journal(tmp_path, "run-2", yours.base_url, second, token="another")
        before = len(yours.log)
        assert clean(tmp_path, TOKEN)[0] == 3
        assert not any("authorization" in entry.headers for entry in yours.log[before:])
        assert left_behind(tmp_path) == ("run-2",)
        # Now that only one server is left, a new token for it is taken to be meant for it.
        journal(tmp_path, "run-3", yours.base_url, second, token="an older one")
        assert clean(tmp_path, "another")[0] == 0


def test_a_job_that_lies_on_an_allowed_host_never_sees_the_token_and_is_called_by_that_host(tmp_path: Path) -> None:
    with Sandbox(token=TOKEN) as mine, Sandbox() as elsewhere:
        there = elsewhere.base_url.replace("127.0.0.1", "localhost")
        journal(tmp_path, "run-1", mine.base_url, f"{there}/bulk/1", token=TOKEN, hosts=("127.0.0.1", "localhost"))
        code, said = clean(tmp_path, TOKEN)
        assert [entry.method for entry in elsewhere.log] == ["DELETE"]
        assert "authorization" not in elsewhere.log[0].headers
        assert not mine.log
        assert code == 3
        assert said[0].startswith(f"A job at {urlsplit(there).netloc} is still there: ")


@pytest.mark.parametrize(
    "url",
    [
        "{mine}/Patient/example-1",
        "{mine}/Patient?active=true",
        "{mine}",
        "{mine}/$export",
        "{other}/bulk/1",
        "{other}",
        "no URL at all",
        "http://[::1",
    ],
)
def test_what_no_run_would_follow_is_not_deleted_by_a_journal_either(url: str, tmp_path: Path) -> None:
    with Sandbox(token=TOKEN) as mine, Sandbox() as other:
        named = url.format(mine=mine.base_url, other=other.base_url)
        # The list of hosts holds the base's own, and opens no other port of it.
        journal(
            tmp_path, "run-1", mine.base_url, named, f"{mine.base_url}/bulk/gone", token=TOKEN, hosts=("127.0.0.1",)
        )
        code, said = clean(tmp_path, TOKEN)
        assert code == 3
        assert said == [
            f"{tmp_path / 'run-1.json'}: this journal names addresses that are no export jobs; "
            "nothing is sent there. Delete the file.",
            f"A job at {urlsplit(mine.base_url).netloc} is deleted.",
        ]
        assert [(entry.method, entry.path) for entry in mine.log] == [("DELETE", "/fhir/bulk/gone")]
        assert not other.log
    assert json.loads((tmp_path / "run-1.json").read_text())["jobs"] == [named]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"jobs": []',
        '{"jobs": ["x"]}',
        '{"jobs": 7, "resolve": {}}',
        '{"jobs":[],"resolve":{},"x":1}',
    ],
)
def test_a_journal_that_is_none_is_told_and_kept(text: str, tmp_path: Path) -> None:
    (tmp_path / "run-1.json").write_text(text)
    code, said = clean(tmp_path, TOKEN)
    assert code == 3
    assert "this journal cannot be read" in said[0]
    assert (tmp_path / "run-1.json").read_text() == text


def prober(place: Path, *words: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "XDG_STATE_HOME": str(place / "state"), "JOBS_TOKEN": TOKEN}
    return subprocess.Popen(
        [sys.executable, "-m", "prober.cli", *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@DEEP
def test_the_jobs_of_a_killed_run_can_be_deleted_afterwards(tmp_path: Path) -> None:
    with Sandbox(defects=("export_never_ends",), token=TOKEN) as box:
        options = ["--bearer-env", "JOBS_TOKEN", "--out", str(tmp_path / "run")]
        with prober(tmp_path, "collect", box.base_url, *options) as running:
            end = time.monotonic() + 30
            # The journal is written before anything else happens to the job.
            while not list((tmp_path / "state").rglob("*.json")) and time.monotonic() < end:
                time.sleep(0.005)
            time.sleep(random.Random(4).random() / 10)
            running.kill()
        begun = [entry for entry in box.log if "$export" in entry.path and entry.status == 202]
        assert begun
        assert not any(entry.method == "DELETE" for entry in box.log)
        with prober(tmp_path, "cleanup", "--bearer-env", "JOBS_TOKEN") as cleaning:
            out, err = cleaning.communicate(timeout=60)
            assert (cleaning.returncode, err) == (0, "")
        assert "is deleted." in out
        assert sum(entry.method == "DELETE" and entry.status == 202 for entry in box.log) == len(begun)
        with prober(tmp_path, "cleanup") as again:
            assert "No run left an export job behind." in again.communicate(timeout=60)[0]
    assert not list((tmp_path / "state").rglob("*.json"))
