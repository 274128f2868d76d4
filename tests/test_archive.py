"""The run folder: readable after a kill at any moment, refused when altered, plain about a disk that is full."""

import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.samples import DEEP, examples

from prober.archive import (
    BLOBS,
    EXCHANGES,
    FINDINGS,
    MEASUREMENTS,
    MODEL,
    PROVIDER,
    RUN,
    RunFolder,
    Texts,
    copy_for_rejudging,
    evidence_digest,
    read_plainly,
)
from prober.clock import SystemClock
from prober.mistake import BadFolder
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding, Source, Verdict
from prober.nouns.run import AuthorizationNote, Plan, Run, Tool
from prober.pipeline import Options, collect, judge_folder, prepare
from prober.sandbox import Sandbox


def exchange(number: int, content: bytes = b"") -> Exchange:
    body = hashlib.sha256(content).hexdigest() if content else None
    url = f"https://fhir.example/r4/{number}?\u00fc=\u2028"
    return Exchange(id=f"{number:016x}.1", observation="o", method="GET", url=url, status=200, body=body)


RUNNING = Run(
    id="20260101T000000Z-00000000",
    subject="https://fhir.example/r4",
    environment="sandbox",
    synthetic=True,
    loopback=False,
    started="2026-01-01T00:00:00.000000Z",
    authorization=AuthorizationNote(form="none", statement="Nobody."),
    plan=Plan(depth="standard", budget=300, deadline_seconds=60, pace="sandbox", observations=()),
    tool=Tool(prober="0", python="3", httpx="0", openssl="3", platform="Linux"),
    probes={},
    models={},
)

WRITER = """
import hashlib, sys
from pathlib import Path
from prober.archive import RunFolder, read_plainly
from prober.nouns.evidence import Exchange
from prober.nouns.run import Run
folder = RunFolder.create(Path(sys.argv[1]))
folder.write_run(Run.model_validate_json(sys.argv[2]))
print("ready", flush=True)
for number in range(10**9):
    content = b"%d" % number * (number % 997 + 1)
    body = hashlib.sha256(content).hexdigest()
    url = "https://fhir.example/" + "x" * 2000
    one = Exchange(id=f"{number:016x}.1", observation="o", method="GET", url=url, body=body)
    folder.record(one, content)
"""


def killed_writer(path: Path, seconds: float) -> None:
    command = [sys.executable, "-c", WRITER, str(path), RUNNING.line()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)


def read_whole(path: Path) -> int:
    """How many exchanges there are, each with its body."""
    folder = RunFolder.open(path)
    assert folder.run() == RUNNING
    found = folder.exchanges()
    assert [int(id_.partition(".")[0], 16) for id_ in found] == list(range(len(found)))
    assert all(hashlib.sha256(one.content).hexdigest() == one.body for one in found.values())
    return len(found)


def test_a_kill_at_any_moment_leaves_a_readable_run(tmp_path: Path) -> None:
    walk = random.Random(8)
    many = []
    for number in range(4):
        killed_writer(tmp_path / str(number), walk.random() / 10)
        many.append(read_whole(tmp_path / str(number)))
    assert sum(many) > 0


@DEEP
def test_a_hundred_kills_leave_a_hundred_readable_runs(tmp_path: Path) -> None:
    for number in range(100):
        killed_writer(tmp_path / str(number), random.Random(number).random() / 5)
        read_whole(tmp_path / str(number))


@DEEP
def test_a_killed_run_can_be_judged(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    with Sandbox(latency=0.05) as box:
        command = [sys.executable, "-m", "prober.cli", "collect", box.base_url, "--out", str(tmp_path / "run")]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
            began = time.monotonic()
            while len(box.log) < 12 and time.monotonic() - began < 30:
                time.sleep(0.01)
            running.kill()
        base = box.base_url
    folder = RunFolder.open(tmp_path / "run")
    assert folder.run().done is None
    assert folder.exchanges()
    findings = judge_folder(folder, prepare(Options(target=base), SystemClock()).probes)
    assert {"unknown"} <= {one.verdict.outcome for one in findings}
    assert not any(one.verdict.reason == "bug" for one in findings)


@settings(max_examples=examples(80), deadline=None)
@given(cut=st.integers(1, 10_000), number=st.integers(1, 4))
def test_a_torn_last_line_is_passed_over(tmp_path_factory: pytest.TempPathFactory, cut: int, number: int) -> None:
    folder = RunFolder.create(tmp_path_factory.mktemp("torn") / "run")
    for one in range(number):
        folder.record(exchange(one, b"x"), b"x")
    folder.close()
    whole = (folder.path / EXCHANGES).read_bytes()
    last = whole.rstrip(b"\n").rpartition(b"\n")[2]
    kept = whole[: len(whole) - min(cut, len(last) + 1)]
    (folder.path / EXCHANGES).write_bytes(kept)
    # Only the newline was cut off: then the line itself is whole.
    assert len(folder.exchanges()) == (number if kept.endswith(b"}") and cut == 1 else number - 1)


def test_a_broken_line_in_the_middle_is_refused_by_its_number(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.record(exchange(1), b"")
    folder.record(exchange(2), b"")
    folder.close()
    first, second, _ = (folder.path / EXCHANGES).read_bytes().split(b"\n")
    for broken in (b"{", first[:-1], b"\xff", first + first, b"[]", first.replace(b'"method"', b'"methods"')):
        (folder.path / EXCHANGES).write_bytes(b"\n".join([broken, second, b""]))
        with pytest.raises(BadFolder, match=r"exchanges\.jsonl:1: this line is not an exchange\."):
            folder.exchanges()


def test_an_altered_missing_or_misnamed_body_is_refused(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    content = b'{"resourceType":"CapabilityStatement"}'
    folder.record(exchange(1, content), content)
    folder.close()
    name = hashlib.sha256(content).hexdigest()
    blob = folder.path / BLOBS / name
    assert folder.exchanges()[f"{1:016x}.1"].content == content
    for other in (content + b" ", content.replace(b"C", b"c"), b""):
        blob.write_bytes(other)
        with pytest.raises(BadFolder, match=f"{name}: this stored body was altered"):
            folder.exchanges()
    blob.unlink()
    with pytest.raises(BadFolder, match=f"{name}: this stored body is missing"):
        folder.exchanges()
    for odd in ("../run.json", "/etc/passwd", "a" * 63, "A" * 64, "", "a" * 63 + "/"):
        with pytest.raises(BadFolder, match="is not the name of a stored body"):
            folder.blob(odd)


def test_equal_bodies_are_kept_once(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    for number in range(3):
        folder.record(exchange(number, b"same"), b"same")
    folder.close()
    assert len(list((folder.path / BLOBS).iterdir())) == 1
    assert len(folder.exchanges()) == 3


def test_text_with_any_line_separator_stays_one_line(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\rg\x1ch"
    folder.record(exchange(1).model_copy(update={"headers": (("X-Odd", odd),)}), b"")
    folder.close()
    assert folder.exchanges()[f"{1:016x}.1"].header("x-odd") == odd


def test_a_folder_in_use_a_file_and_a_place_that_cannot_be_made_are_told(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "letter.txt").write_text("mine")
    with pytest.raises(BadFolder, match=r"used: this folder is not empty; name a new one with --out\."):
        RunFolder.create(tmp_path / "used")
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["letter.txt"]
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/prober-cannot-make-this")):
        with pytest.raises(BadFolder, match=r"the run folder cannot be made \("):
            RunFolder.create(place)
    with pytest.raises(BadFolder, match=r"this is not a run folder, it has no run\.json"):
        RunFolder.open(tmp_path / "used")


@pytest.mark.skipif(os.geteuid() == 0, reason="The superuser may write anywhere.")
def test_a_folder_that_may_only_be_read_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadFolder, match="Permission denied"):
        RunFolder.create(tmp_path / "run")


def test_a_folder_that_vanishes_meanwhile_is_told(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    (folder.path / BLOBS).rmdir()
    folder.path.rmdir()
    writes: list[Callable[[], None]] = [
        lambda: folder.record(exchange(1), b""),
        lambda: folder.record(exchange(1, b"x"), b"x"),
        lambda: folder.write_run(RUNNING),
        lambda: folder.measure(({"kind": "run"},)),
    ]
    for write in writes:
        with pytest.raises(BadFolder, match=r"cannot be written \(No such file or directory\); make room"):
            write()


@DEEP
def test_a_full_disk_ends_the_run_with_one_sentence(tmp_path: Path) -> None:
    """No file may grow beyond a limit, which is what a full disk is to whoever appends to it."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONDONTWRITEBYTECODE": "1"}
    with Sandbox() as box:
        done = subprocess.run(
            [sys.executable, "-c", COLLECTING, box.base_url, str(tmp_path / "run")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        asked = len(box.log)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert "cannot be written (File too large); make room, or use another folder." in done.stderr
    # Nobody is asked on for evidence that cannot be kept: what was under way at that moment is all.
    assert asked <= 16


COLLECTING = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
from prober import archive, cli
archive.RunFolder.write_models = lambda self, texts: None
sys.argv = ["prober", "collect", sys.argv[1], "--out", sys.argv[2]]
cli.main()
"""


def test_a_rejudged_copy_names_its_parent_and_holds_the_same_evidence(tmp_path: Path) -> None:
    only = frozenset({"capability_statement_served"})
    with Sandbox() as box:
        prepared = prepare(Options(target=box.base_url, only=only, deadline=30), SystemClock())
        source = asyncio.run(collect(prepared, tmp_path / "run", SystemClock())).folder
    copy = copy_for_rejudging(source, tmp_path / "copy", evidence_digest(source))
    assert copy.run().parent == evidence_digest(source)
    assert copy.exchanges() == source.exchanges()
    assert (copy.models(), copy.provider()) == (source.models(), source.provider())
    assert {path.name for path in source.path.iterdir()} == {RUN, PROVIDER, MODEL, EXCHANGES, BLOBS, MEASUREMENTS}
    assert not (source.path / FINDINGS).exists()


def test_the_digest_of_the_evidence_changes_with_any_of_it(tmp_path: Path) -> None:
    digests = set()
    for number, content in enumerate([b"x", b"y", b""]):
        folder = RunFolder.create(tmp_path / str(number))
        folder.write_run(RUNNING)
        folder.record(exchange(1, content), content)
        folder.close()
        digests |= {evidence_digest(folder), evidence_digest(RunFolder.open(folder.path))}
    assert len(digests) == 3


@pytest.mark.parametrize("name", ["findings.jsonl", "scorecard.json", "report.html", "run.json"])
def test_writing_follows_no_link_that_was_laid_out(tmp_path: Path, name: str) -> None:
    """A run folder may come from a stranger: no name in it may lead prober to a file of the user."""
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    folder = RunFolder.create(tmp_path / "run")
    for trap in (name, f".{name}.part", f".part-{name}"):
        (folder.path / trap).symlink_to(victim)
    folder.write_report(name, "new")
    assert victim.read_text(encoding="utf-8") == "mine"
    assert (folder.path / name).read_text(encoding="utf-8") == "new"
    assert not (folder.path / name).is_symlink()


def test_nothing_but_plain_files_of_a_sane_size_is_read(tmp_path: Path) -> None:
    plain, link, pipe, huge = (tmp_path / name for name in ("plain", "link", "pipe", "huge"))
    plain.write_bytes(b"seen")
    link.symlink_to("/dev/zero")
    os.mkfifo(pipe)
    with huge.open("wb") as file:
        file.truncate(3 * 2**30)
    assert read_plainly(plain, 100) == b"seen"
    for path, words in ((link, "it is a link"), (pipe, "not a plain file"), (huge, "larger than 100 bytes")):
        with pytest.raises(BadFolder, match=words):
            read_plainly(path, 100)
    with pytest.raises(BadFolder, match="No such file"):
        read_plainly(tmp_path / "nothing", 100)


def test_a_line_is_ended_by_a_line_feed_and_by_nothing_else(tmp_path: Path) -> None:
    """A server may put any character into what is stored; U+2028 and its like end no line."""
    folder = RunFolder.create(tmp_path / "run")
    texts = ("title: a\u2028b\n", "title: c\x85d\n")
    folder.write_models(texts)
    assert folder.models() == texts


def test_an_index_of_exchanges_says_what_reading_them_all_says() -> None:
    folder = RunFolder(Path(__file__).parents[1] / "fixtures" / "leader")
    whole, index = folder.exchanges(), folder.exchange_index()
    assert list(index) == list(whole)
    assert {id_: index.started[id_] for id_ in index} == {id_: one.started for id_, one in whole.items()}
    assert [index[id_].line() for id_ in index] == [one.line() for one in whole.values()]


def test_an_index_reads_lines_that_prober_did_not_lay_out(tmp_path: Path) -> None:
    source = RunFolder(Path(__file__).parents[1] / "fixtures" / "leader")
    one = next(iter(source.exchanges().values()))
    copy = RunFolder.create(tmp_path / "run")
    copy.record(one, one.content)
    copy.close()
    path = copy.path / "exchanges.jsonl"
    line = path.read_text("utf-8")
    path.write_text(json.dumps(json.loads(line)) + "\n" + line[:100], "utf-8")
    assert {id_: held.line() for id_, held in copy.exchange_index().items()} == {one.id: one.line()}
    path.write_text("{}\n" + line, "utf-8")
    with pytest.raises(BadFolder, match=r"exchanges\.jsonl:1: this line is not an exchange\."):
        len(copy.exchange_index())


def finding(probe: str) -> Finding:
    return Finding(
        source=Source(probe=probe, digest="0" * 64),
        subject="https://fhir.example.org/r4",
        verdict=Verdict(outcome="present", message="It is there.", values={"cells": []}),
        basis="demonstrated",
        evidence=(),
    )


def test_a_line_that_was_read_before_is_read_like_any_other(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.write_findings((finding("one"), finding("two")))
    once = folder.findings()
    assert folder.findings() == once == (finding("one"), finding("two"))
    first, second, _ = (folder.path / FINDINGS).read_text().split("\n")
    for lines, number in (
        ([first, second.replace('"present"', '"perhaps"')], 2),
        ([first, f"{second},{first}"], 2),
        ([f"{first},{second[:40]}", second[40:]], 1),
        ([first, "", second], 2),
    ):
        (folder.path / FINDINGS).write_text("\n".join(lines) + "\n")
        for _ in range(2):
            with pytest.raises(BadFolder, match=rf"findings\.jsonl:{number}: this line is not a finding\."):
                folder.findings()
    with pytest.raises(ValidationError):
        Texts(10_000).read(Exchange, first)


def test_how_much_is_kept_of_what_was_read_is_bounded() -> None:
    lines = [finding(f"probe_{number}").line() for number in range(100)]
    texts = Texts(10 * len(lines[-1]))
    for line in lines:
        first = texts.read(Finding, line)
        assert first.line() == texts.read(Finding, line).line() == line
        assert texts.read(Finding, line) is not first
        assert texts.read(Finding, line) is texts.read(Finding, line)
        assert texts.size <= 10 * len(lines[-1])
    small = Texts(10)
    small.read(Finding, lines[0])
    assert small.read(Finding, lines[0]) is not small.read(Finding, lines[0])
    assert small.size == 0
