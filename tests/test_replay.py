"""What was stored says the same to everybody: elsewhere, later, in any order, and however fast the server was."""

import asyncio
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.samples import DEEP

from prober.archive import EXCHANGES, FINDINGS, PROVIDER, RUN, SCORECARD, RunFolder
from prober.clock import SystemClock
from prober.judge import judge
from prober.nouns.finding import Finding
from prober.nouns.provider import Provider
from prober.pipeline import Options, collect, judge_folder, prepare, replay_facts, score_folders
from prober.sandbox import Sandbox

SHUFFLES = 20

ELSEWHERE = """
import socket, sys
def refuse(*_, **__):
    raise SystemExit("Judging reached for the network.")
for name in ("create_connection", "getaddrinfo", "gethostbyname"):
    setattr(socket, name, refuse)
socket.socket.connect = socket.socket.connect_ex = socket.socket.bind = refuse
from pathlib import Path
from prober.archive import RunFolder
from prober.library import load_probes
from prober.pipeline import judge_folder, score_folders
folder = RunFolder.open(Path(sys.argv[1]))
probes = load_probes(())
judge_folder(folder, probes)
folder.write_scorecard(score_folders([folder], probes))
"""


@dataclass(frozen=True)
class Made:
    """A run that was collected, judged and scored live, and what else was met on the way."""

    path: Path
    bugs: tuple[str, ...]
    findings: bytes
    scorecard: bytes


def make(path: Path, **wishes: Any) -> Made:
    prepared = prepare(Options(**wishes), SystemClock())
    collected = asyncio.run(collect(prepared, path, SystemClock()))
    folder = collected.folder
    judge_folder(folder, prepared.probes)
    folder.write_scorecard(score_folders([folder], prepared.probes))
    return Made(path, collected.bugs, (path / FINDINGS).read_bytes(), (path / SCORECARD).read_bytes())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    place = tmp_path_factory.mktemp("replay")
    with pytest.MonkeyPatch.context() as patch, Sandbox() as box:
        patch.setenv("XDG_STATE_HOME", str(place / "state"))
        patch.setenv("REPLAY_TOKEN", box.token)
        yield make(place / "run", target=box.base_url, bearer_env="REPLAY_TOKEN")


def test_a_whole_run_meets_no_bug(made: Made) -> None:
    assert made.bugs == ()
    assert b'"bug"' not in made.findings


@pytest.mark.parametrize(
    ("zone", "locale", "seed"),
    [("Asia/Kathmandu", "tr_TR.UTF-8", "1"), pytest.param("Pacific/Apia", "C", "77", marks=DEEP)],
)
def test_a_copied_folder_judges_the_same_elsewhere_without_a_network(
    made: Made, zone: str, locale: str, seed: str, tmp_path: Path
) -> None:
    copy = tmp_path / "copied"
    shutil.copytree(made.path, copy)
    for name in (FINDINGS, SCORECARD):
        (copy / name).unlink()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "REPLAY_"))},
        "TZ": zone,
        "LC_ALL": locale,
        "PYTHONHASHSEED": seed,
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(copy)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (copy / FINDINGS).read_bytes() == made.findings
    assert (copy / SCORECARD).read_bytes() == made.scorecard


def shuffled(seed: int) -> Callable[[], int]:
    walk = random.Random(seed)
    return lambda: walk.randrange(6)


def judged(folder: RunFolder, delay: Callable[[], int], backwards: bool = False) -> tuple[Finding, ...]:
    probes = dict(prepare(Options(target=folder.run().subject), SystemClock()).probes)
    loaded = {id_: (one.probe, one.sheet, one.digest) for id_, one in probes.items()}
    exchanges: Mapping[str, Any] = folder.exchanges()
    if backwards:
        exchanges = dict(reversed(list(exchanges.items())))
    done = asyncio.run(judge(loaded, replay_facts(folder), exchanges, delay))
    assert done.bugs == ()
    return done.findings


def test_twenty_shuffled_schedules_give_the_same_bytes(made: Made) -> None:
    folder = RunFolder.open(made.path)
    probes = dict(prepare(Options(target=folder.run().subject), SystemClock()).probes)
    loaded = {id_: (one.probe, one.sheet, one.digest) for id_, one in probes.items()}
    facts, exchanges = replay_facts(folder), folder.exchanges()
    for seed in range(SHUFFLES):
        order = random.Random(seed).sample(list(exchanges.items()), len(exchanges))
        done = asyncio.run(judge(loaded, facts, dict(order), shuffled(seed)))
        assert done.bugs == ()
        assert "".join(f"{one.line()}\n" for one in done.findings).encode() == made.findings


def test_every_request_of_the_run_is_found_again_by_its_replay(made: Made) -> None:
    findings = (RunFolder.open(made.path)).findings()
    exchanges = RunFolder.open(made.path).exchanges()
    assert {reason for one in findings if (reason := one.verdict.reason) is not None} <= {"no_data", "server_error"}
    cited = {one for finding in findings for one in finding.evidence}
    assert cited <= set(exchanges)
    assert {one.observation for id_, one in exchanges.items() if id_ not in cited} <= {"clean_up"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@DEEP
def test_a_faster_and_a_slower_server_get_the_same_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("REPLAY_TOKEN", "the-same-token-on-both-evenings")
    port, results = free_port(), []
    for latency in (0.0, 0.03):
        numbers = count()
        # The sandbox names its exports by chance; the two runs are compared with the same names.
        monkeypatch.setattr("prober.sandbox.bulk.secrets.token_urlsafe", lambda _=0, all=numbers: f"job-{next(all)}")
        with Sandbox(port=port, latency=latency, token=os.environ["REPLAY_TOKEN"]) as box:
            results.append(make(tmp_path / f"at-{latency}", target=box.base_url, bearer_env="REPLAY_TOKEN"))
    first, second = results
    assert first.findings == second.findings
    runs = [RunFolder.open(one.path) for one in results]
    assert set(runs[0].exchanges()) == set(runs[1].exchanges())
    assert runs[0].run().id != runs[1].run().id


@pytest.mark.parametrize("defect", [pytest.param("throttled", marks=DEEP), "redirect_loop"])
def test_a_faulty_server_gets_the_same_findings_at_any_pace(
    defect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    port, results = free_port(), []
    only = frozenset({"capability_statement_served", "smart_configuration_served", "unknown_type_refused"})
    for latency in (0.0, 0.03):
        with Sandbox(port=port, latency=latency, defects=(defect,)) as box:
            results.append(make(tmp_path / f"at-{latency}", target=box.base_url, only=only).findings)
    assert results[0] == results[1]


def production(box: Sandbox) -> Provider:
    """The sandbox taken for the real thing: then everything that was stored is redacted."""
    return Provider(
        organisation="Example",
        environment="production",
        fhir_bases=(box.base_url,),
        test_patients=tuple(box.patient_ids[:3]),
        groups=(box.group_id,),
        doc_urls=box.pages,
    )


@DEEP
def test_redacted_evidence_says_what_the_original_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the rules for real data a replay meets every request again, and most of the findings are the same."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Sandbox() as box:
        monkeypatch.setenv("REPLAY_TOKEN", box.token)
        options = Options(target=box.base_url, provider=production(box), bearer_env="REPLAY_TOKEN", deadline=60)
        prepared = prepare(options, SystemClock())
        quick = replace(prepared, plan=prepared.plan.model_copy(update={"pace": "sandbox"}))
        collected = asyncio.run(collect(quick, tmp_path / "real", SystemClock()))
        findings = judge_folder(collected.folder, prepared.probes)
        deleted = [entry for entry in box.log if entry.method == "DELETE"]
        begun = [entry for entry in box.log if "$export" in entry.path and entry.status == 202]
    assert collected.bugs == ()
    lost = [one.source.probe for one in findings if one.verdict.reason in ("not_recorded", "bug")]
    assert lost == []
    assert len(deleted) == len(begun) > 0
    outcomes = {one.source.probe: one.verdict.outcome for one in findings}
    assert outcomes["capability_statement_served"] == outcomes["smart_configuration_served"] == "present"
    assert outcomes["pages_open"] == "present"
    kept = b"".join(path.read_bytes() for path in (tmp_path / "real").rglob("*") if path.is_file())
    for patient in (*box.patient_ids, box.group_id):
        assert patient.encode() not in kept


def test_a_run_that_was_killed_at_its_first_request_judges_as_unknown(made: Made, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(made.path, cut)
    (cut / EXCHANGES).write_bytes(b"")
    run = RunFolder.open(made.path).run().model_copy(update={"ended": None, "as_of": None, "done": None})
    RunFolder.open(cut).write_run(run)
    findings = judged(RunFolder.open(cut), lambda: 0)
    assert {one.verdict.outcome for one in findings} <= {"unknown", "not_applicable"}
    assert {one.verdict.reason for one in findings if one.verdict.outcome == "unknown"} == {"not_recorded"}


def test_the_order_of_the_lines_on_disk_does_not_matter(made: Made) -> None:
    folder = RunFolder.open(made.path)
    lines = "".join(f"{one.line()}\n" for one in judged(folder, lambda: 0, backwards=True))
    assert lines.encode() == made.findings
    assert {RUN, PROVIDER, EXCHANGES} <= {path.name for path in made.path.iterdir()}
