"""prober meets a FHIR server that is not ours: sekmet-fhir, an independent implementation from the Python registry."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.samples import DEEP

from prober.nouns.finding import Finding
from prober.nouns.scorecard import Scorecard

pytestmark = DEEP
pytest.importorskip("sekmet", reason="sekmet-fhir is not installed; scripts/test installs it.")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sekmet")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sekmet = Path(sys.executable).with_name("sekmet")
    url = f"http://127.0.0.1:{port}/fhir"
    settings = folder / "settings.yaml"
    settings.write_text(f"base_url: {url}\nhost: 127.0.0.1\nport: {port}\n", encoding="utf-8")
    environment = {**os.environ, "SEKMET_CONFIG": str(settings)}
    subprocess.run(
        [sekmet, "seed", "--count", "3"], cwd=folder, env=environment, check=True, capture_output=True, timeout=60
    )
    server = subprocess.Popen(
        [sekmet, "serve", "--host", "127.0.0.1", "--port", str(port)],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                if httpx.get(f"{url}/metadata", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                if server.poll() is not None:
                    pytest.fail("The independent server ended before it answered.")
                # The server is on its way up; asking again is the only sign there is.
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def result(base: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Finding], Scorecard]:
    out = tmp_path_factory.mktemp("run") / "run"
    done = subprocess.run(
        [sys.executable, "-m", "prober.cli", "run", base, "--out", str(out), "--json"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    findings = [Finding.model_validate_json(line) for line in (out / "findings.jsonl").read_text().splitlines()]
    card = Scorecard.model_validate_json((out / "scorecard.json").read_text())
    return done.returncode, {one.source.probe: one for one in findings}, card


def outcome(result: tuple[int, dict[str, Finding], Scorecard], probe: str) -> str:
    return result[1][probe].verdict.outcome


def test_the_run_ends_well(result: tuple[int, dict[str, Finding], Scorecard]) -> None:
    code, findings, card = result
    assert code == 0
    assert not [one for one in findings.values() if one.verdict.reason == "bug"]
    assert card.profile is not None
    assert card.profile.counts.shown > card.profile.counts.refuted


@pytest.mark.parametrize(
    "probe",
    [
        "capability_statement_served",
        "fhir_version_supported",
        "smart_configuration_served",
        "strict_search_refused",
        "patient_read",
        "patient_search_paging",
        "bulk_kick_off_accepted",
        "bulk_files_sound",
        "bulk_job_deleted",
    ],
)
def test_what_it_does_is_seen(result: tuple[int, dict[str, Finding], Scorecard], probe: str) -> None:
    assert outcome(result, probe) == "present"


def test_its_true_deviations_are_named(result: tuple[int, dict[str, Finding], Scorecard]) -> None:
    """Its published key set is empty, it lists no versions, and it takes any bearer at all."""
    assert outcome(result, "jwks_published") == "absent"
    assert outcome(result, "versions_listed") == "absent"
    assert outcome(result, "garbage_bearer_refused") == "absent"


def test_it_takes_the_findings_as_a_test_report(base: str) -> None:
    """The export of a fixture is stored, read back, and is what it was."""
    (golden,) = (Path(__file__).parent / "golden" / "export" / "laggard").glob("TestReport-*.json")
    report = json.loads(golden.read_text(encoding="utf-8"))
    headers = {"Content-Type": "application/fhir+json"}
    url = f"{base}/TestReport/{report['id']}"
    put = httpx.put(url, content=golden.read_bytes(), headers=headers, timeout=30)
    assert put.status_code in (200, 201), put.text
    read = httpx.get(url, timeout=30).json()
    assert {name: value for name, value in read.items() if name != "meta"} == report
