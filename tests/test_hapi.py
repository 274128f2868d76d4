"""prober meets HAPI FHIR: what it does, what it does not, and its true deviations (scripts/test-hapi)."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prober.archive import RunFolder
from prober.nouns.finding import Finding, Verdict
from prober.nouns.scorecard import Scorecard

pytestmark = [
    pytest.mark.hapi,
    pytest.mark.skipif(
        "PROBER_HAPI_BASE" not in os.environ, reason="No HAPI server is running; see scripts/test-hapi."
    ),
]
PRESENT = [
    "capability_statement_served",
    "fhir_version_supported",
    "statement_sound",
    "statement_specific",
    "software_named",
    "unknown_type_refused",
    "ghost_id_not_found",
    "strict_search_refused",
    "errors_explained",
    "discovery_open_to_browsers",
    "patient_read",
    "patient_search_by_id",
    "patient_search_paging",
    "patient_version_headers",
    "bulk_export_declared",
    "bulk_kick_off_accepted",
    "bulk_manifest_sound",
    "bulk_errors_empty",
    "bulk_files_sound",
    "bulk_export_not_empty",
]
ABSENT = [
    # A plain HAPI is no SMART server and protects nothing: that is what it is made for.
    "smart_declared",
    "smart_configuration_served",
    "patient_data_protected",
    "garbage_bearer_refused",
    "versions_listed",
    # Its manifest says that files need a token, and it hands them out without one.
    "bulk_files_protected",
    "bulk_kick_off_protected",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("hapi") / "run"
    command = [sys.executable, "-m", "prober.cli", "run", os.environ["PROBER_HAPI_BASE"], "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    return RunFolder.open(out)


@pytest.fixture(scope="module")
def verdicts(folder: RunFolder) -> dict[str, Verdict]:
    findings: tuple[Finding, ...] = folder.findings()
    return {one.source.probe: one.verdict for one in findings}


@pytest.mark.parametrize("probe", PRESENT)
def test_what_hapi_does_is_shown(verdicts: dict[str, Verdict], probe: str) -> None:
    assert verdicts[probe].outcome == "present", verdicts[probe].message


@pytest.mark.parametrize("probe", ABSENT)
def test_what_hapi_does_not_do_is_named(verdicts: dict[str, Verdict], probe: str) -> None:
    assert verdicts[probe].outcome == "absent", verdicts[probe].message


def test_nothing_is_prober_s_own_fault(verdicts: dict[str, Verdict]) -> None:
    assert [name for name, one in verdicts.items() if one.reason in ("bug", "not_recorded")] == []


def test_its_declared_interactions_are_shown_in_the_sample(verdicts: dict[str, Verdict]) -> None:
    cells = verdicts["declared_interactions_shown"].values["cells"]
    by_result: dict[str, int] = {}
    for cell in cells:
        by_result[cell["result"]] = by_result.get(cell["result"], 0) + 1
    assert by_result.get("refuted", 0) == 0
    assert by_result["shown"] >= 40


def test_the_job_was_deleted(folder: RunFolder) -> None:
    assert [one.method for one in folder.exchanges().values() if one.method == "DELETE"]


def test_the_report_speaks_of_a_sandbox_and_rates_nothing(folder: RunFolder) -> None:
    card: Scorecard = folder.scorecard()
    assert card.environment == "sandbox"
    assert card.maturity is not None
    assert card.maturity.label is not None
    assert card.maturity.label.shown == "Sandbox: Not rated"
    page = Path(folder.path / "report.html").read_text(encoding="utf-8")
    assert "HIMSS has not proposed, reviewed or endorsed it" in page


def test_a_bundle_of_the_run_verifies_and_is_scored_again_elsewhere(folder: RunFolder, tmp_path: Path) -> None:
    """In another locale and time zone, the auditor gets the same scorecard byte for byte."""

    def command(*words: object, **changes: str) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", "prober.cli", *map(str, words)]
        return subprocess.run(whole, env=os.environ | changes, capture_output=True, text=True, timeout=120, check=False)

    key, bundle = tmp_path / "key.pem", tmp_path / "hapi.prober.zip"
    assert command("keys", "new", key).returncode == 0
    (tmp_path / "pub.pem").write_text("".join(command("keys", "show", key).stdout.splitlines(keepends=True)[1:]))
    made = command("bundle", folder.path, "--out", bundle, "--key", key)
    assert made.returncode == 0, made.stderr
    told = command("verify", bundle, "--key", tmp_path / "pub.pem")
    assert told.returncode == 0, told.stderr
    assert "run 1 of " in told.stdout
    strange = {"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Chatham", "PYTHONHASHSEED": "4"}
    again = command("rejudge", bundle, "--out", tmp_path / "again", **strange)
    assert "the same scorecard, byte for byte" in again.stdout, again.stderr
    assert (tmp_path / "again" / "scorecard.json").read_bytes() == (folder.path / "scorecard.json").read_bytes()


def test_three_nights_of_a_server_that_nobody_touched_change_nothing(
    tmp_path: Path,
) -> None:
    """The monitor over a real server: each night another date, other ids, other orders, and not one change."""
    from prober.clock import VirtualClock
    from prober.history.store import History, sqlite_url
    from prober.monitor.commands import monitor_stage

    (tmp_path / "monitor.yaml").write_text(
        "looks:\n  nightly: {every: night, at: '02:00'}\n"
        f"targets:\n  - {{name: hapi, base: '{os.environ['PROBER_HAPI_BASE']}'}}\n"
    )
    said: list[str] = []
    for day in (1, 2, 3):
        clock = VirtualClock(datetime(2026, 1, day, 3, tzinfo=UTC), seed=day)
        place = tmp_path / "monitor.yaml"
        assert monitor_stage(place, once=True, listen=None, say=said.append, complain=said.append, clock=clock) == 0
    with History.open(sqlite_url(tmp_path / "state" / "history.db"), shown="the history") as history:
        looks = history.looks("hapi")
        assert [(one.up, one.ending) for one in looks] == [("up", "complete")] * 3, said
        assert [change.what for _, _, change in history.changes()] == []
        assert history.incidents() == []
        assert history.messages() == []
        facts = [fact for one in history.standing("hapi", "nightly") for fact in one.facts]
    assert len(facts) > 3_000
