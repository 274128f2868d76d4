"""A server that is none earns no credit, and one that closes a single door does not pass for closed."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.samples import DEEP

from prober.nouns.finding import Finding
from prober.nouns.scorecard import Scorecard

PLAIN_FACTS = {"answers_promptly"}
"""What may be said of any web server: that it answers, and how soon."""

PATIENT = {"resourceType": "Patient", "id": "p1"}
LISTED = {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": PATIENT}]}
STATEMENT = {
    "resourceType": "CapabilityStatement",
    "status": "active",
    "date": "2026-01-01",
    "kind": "instance",
    "fhirVersion": "4.0.1",
    "format": ["json"],
    "rest": [{"mode": "server", "resource": [{"type": "Patient", "interaction": [{"code": "read"}]}]}],
}


class StaticFiles(SimpleHTTPRequestHandler):
    """`python -m http.server`, without its log."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class CountsNobody(BaseHTTPRequestHandler):
    """Refuses a count of patients, and hands out each of them to anybody."""

    protocol_version = "HTTP/1.1"
    answers: Mapping[str, tuple[int, object]] = {
        "/fhir/metadata": (200, STATEMENT),
        "/fhir/Patient?_summary=count": (401, None),
        "/fhir/Patient?_count=1": (200, LISTED),
        "/fhir/Patient/p1": (200, PATIENT),
        "/fhir/Patient?_id=p1": (200, LISTED),
    }

    def do_GET(self) -> None:
        """Answer from the table."""
        status, document = self.answers.get(self.path, (404, None))
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def probed(base: str, folder: Path) -> tuple[dict[str, Finding], Scorecard]:
    """What a run finds, by probe, and its scorecard."""
    out = folder / "run"
    command = [sys.executable, "-m", "prober.cli", "run", base, "--sandbox", "--pace", "sandbox", "--out", str(out)]
    subprocess.run(command, capture_output=True, timeout=120, check=False, cwd=folder)
    lines = (out / "findings.jsonl").read_text(encoding="utf-8").splitlines()
    findings = [Finding.model_validate_json(line) for line in lines]
    card = Scorecard.model_validate_json((out / "scorecard.json").read_text(encoding="utf-8"))
    return {one.source.probe: one for one in findings}, card


def gate_3(card: Scorecard) -> str:
    assert card.maturity is not None
    return next(one.state for one in card.maturity.gates if one.id == "S8.GATE.3")


@DEEP
def test_a_static_web_server_earns_no_credit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "www").mkdir()
    monkeypatch.chdir(tmp_path / "www")
    with serving(StaticFiles) as port:
        found, card = probed(f"http://127.0.0.1:{port}", tmp_path)
    shown = {id_ for id_, one in found.items() if one.verdict.outcome == "present"}
    assert shown == PLAIN_FACTS
    assert gate_3(card) == "untested"
    assert card.maturity is not None
    levels = {one.id: one.level.low for one in card.maturity.criteria if one.level is not None and one.level.low}
    assert levels == {"S8.OPS.1": 1, "S8.OPS.2": 1}


@DEEP
def test_a_server_that_only_refuses_to_count_is_open(tmp_path: Path) -> None:
    with serving(CountsNobody) as port:
        found, card = probed(f"http://127.0.0.1:{port}/fhir", tmp_path)
    verdict = found["patient_data_protected"].verdict
    assert (verdict.outcome, verdict.message) == (
        "absent",
        "The server hands out a patient's record to somebody who shows no token.",
    )
    assert verdict.citations
    assert gate_3(card) in ("suspected", "would_apply")
