"""The command line as people and scripts meet it: commands, options, exit codes, what is printed where."""

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer.main
from tests.samples import DEEP, some

from prober import __version__, cli
from prober.library import built_in_probes, load_authorization, load_probes, load_provider
from prober.mistake import Mistake
from prober.render.terminal import explanation
from prober.sandbox import DEFECTS, Sandbox

COMMANDS = {
    "run", "collect", "judge", "score", "render", "plan", "list", "explain", "new", "check", "coverage", "init",
    "sandbox", "demo", "cleanup", "next", "attest", "model",
    "bundle", "verify", "rejudge", "export", "keys", "ledger", "diff", "monitor", "history", "trend",
}  # fmt: skip
STABLE = {
    "--out", "--provider", "--authorization", "--authorized-by", "--sandbox", "--permit", "--depth", "--pace",
    "--budget", "--deadline", "--bearer-env", "--ca-file", "--proxy", "--resolve", "--custodian", "--fail-under",
    "--probes", "--model", "--as-of", "--json",
}  # fmt: skip
"""Whoever puts these into a script today finds them there tomorrow."""
LATER = {"--allow-http", "--contact", "--attestations", "--ledger"}
# One worker runs the recorded run once for all.
pytestmark = pytest.mark.xdist_group("cli")
SCRIPT = [sys.executable, "-m", "prober"]
EVIDENCE = {"run.json", "provider.json", "model.yaml", "exchanges.jsonl", "blobs", "measurements.jsonl"}
RESULTS = EVIDENCE | {"findings.jsonl", "scorecard.json", "report.html", "report.md"}


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it printed."""

    code: int
    out: str
    err: str


Call = Callable[..., Ended]


@pytest.fixture
def prober(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in this process, in an empty folder."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["prober", *(str(one) for one in arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, out, err)

    return call


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def recorded(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Path]:
    """A whole run as a process of its own, with `--json`, and its folder."""
    folder = tmp_path_factory.mktemp("recorded")
    done = subprocess.run(
        [*SCRIPT, "run", box.base_url, "--out", "run", "--bearer-env", "PROBER_TOKEN", "--json"],
        cwd=folder,
        env={**os.environ, "PROBER_TOKEN": box.token, "XDG_STATE_HOME": str(folder / "state")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Ended(done.returncode, done.stdout, done.stderr), folder / "run"


@pytest.fixture
def run_folder(recorded: tuple[Ended, Path], tmp_path: Path) -> Path:
    """A copy of the recorded run at another place."""
    ended, folder = recorded
    assert ended.code == 0, ended.err
    return Path(shutil.copytree(folder, tmp_path / "elsewhere"))


def commands() -> dict[str, Any]:
    return dict(vars(typer.main.get_command(cli.app))["commands"])


def test_the_commands_are_these() -> None:
    assert set(commands()) == COMMANDS


def test_run_has_the_options_that_stay_stable_and_these_besides() -> None:
    options = {name for one in commands()["run"].params for name in one.opts if name.startswith("--")}
    assert options - {"--help"} == STABLE | LATER


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_what_it_does(name: str, prober: Call) -> None:
    for flag in ("--help", "-h"):
        ended = prober(name, flag)
        assert ended.code == 0
        assert ended.err == ""
        assert ended.out.startswith(f"Usage: prober {name}")
        assert "Traceback" not in ended.out
    for option in commands()[name].params:
        assert getattr(option, "help", None), f"{name} {option.name} has no help"
        assert not option.opts[0].startswith("-") or option.opts[0] in ended.out, option.name


def test_help_names_every_command(prober: Call) -> None:
    ended = prober("--help")
    assert ended.code == 0
    assert {
        line.split()[0] for line in ended.out.partition("Commands:")[2].splitlines() if line[2:3].strip()
    } == COMMANDS


def test_version(prober: Call) -> None:
    assert prober("--version") == Ended(0, f"prober {__version__}\n", "")


def test_python_can_run_it_as_a_module() -> None:
    done = subprocess.run([*SCRIPT, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"prober {__version__}\n"


def test_list_names_every_probe_once_under_its_family(prober: Call) -> None:
    ended = prober("list")
    assert ended.code == 0
    probes = load_probes()
    listed = re.findall(r"^  ([a-z0-9_]+) ", ended.out, re.M)
    assert sorted(listed) == sorted(probes)
    assert re.findall(r"^([a-z]\S*)$", ended.out, re.M) == sorted({one.family for one in probes.values()})


def test_explain_says_of_every_probe_what_why_whence_and_how_to_fix_it(prober: Call) -> None:
    printed = prober("explain", "patient_read")
    assert (printed.code, printed.err) == (0, "")
    for id_, one in load_probes().items():
        out = explanation(one.id, one.family, one.sheet, one.probe.inputs_closure())
        assert (out + "\n" == printed.out) == (id_ == "patient_read")
        said = " ".join(out.split())
        texts = (one.sheet.title, one.sheet.why, one.sheet.how, one.sheet.counts, one.sheet.remediation.text)
        for text in texts:
            assert " ".join(text.split()) in said, (id_, text)
        for citation in one.sheet.citations:
            assert citation.url in out, id_
            assert citation.version in said, id_
        for observation in one.probe.inputs_closure():
            for template in observation.asks:
                assert " ".join(template.split()) in said, (id_, template)


def test_plan_says_what_would_be_asked_and_asks_nothing(prober: Call, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        base = f"http://127.0.0.1:{server.getsockname()[1]}/r4"
        ended = prober("plan", base)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert ended.code == 0
    assert base in ended.out
    assert "GET [base]/metadata" in ended.out
    assert "Nothing has been sent." in ended.out
    assert "of a budget of 300" in ended.out
    assert list((tmp_path / "desk").iterdir()) == []


def test_plan_for_a_stranger_is_public_discovery_and_nothing_else(prober: Call) -> None:
    ended = prober("plan", "https://fhir.example.org/r4")
    assert ended.code == 0
    assert "none: public discovery only" in ended.out
    asked = ended.out.partition("\nLeaves out")[0]
    assert "GET [base]/metadata" in asked
    assert "/Patient" not in asked
    allowed = prober("plan", "https://fhir.example.org/r4", "--authorized-by", "Dana Example, CIO, trial", "--sandbox")
    assert "/Patient" in allowed.out.partition("\nLeaves out")[0]


def test_a_provider_file_begins_with_init(prober: Call, tmp_path: Path) -> None:
    assert prober("init", "--authorization", "statement.yaml").code == 0
    path = tmp_path / "desk" / "provider.yaml"
    for form, load in ((path, load_provider), (path.with_name("statement.yaml"), load_authorization)):
        with pytest.raises(Mistake, match="this line still says FILL IN"):
            load(form)
    filled = path.read_text().replace("FILL IN, for example ", "").replace("FILL IN", "Example Health")
    path.write_text(filled)
    assert load_provider(path).fhir_bases == ("https://fhir.example.org/r4",)
    commented = {line[2:].split(":")[0] for line in path.read_text().splitlines() if re.match(r"# [a-z_]+:", line)}
    fields = {field.alias or name for name, field in type(load_provider(path)).model_fields.items()}
    written = {line.split(":")[0] for line in path.read_text().splitlines() if re.match(r"[a-z_]+:", line)}
    assert commented | written == fields
    # Every commented line is good as it stands.
    uncommented = re.sub(r"^# ([a-z_]+:)", r"\1", path.read_text(), flags=re.M)
    (tmp_path / "desk" / "whole.yaml").write_text(uncommented)
    assert load_provider(tmp_path / "desk" / "whole.yaml").organisation == "Example Health"
    assert "https://fhir.example.org/r4" in prober("plan", "--provider", "provider.yaml").out


def test_coverage_prints_the_ledger_and_that_nobody_endorsed_it(prober: Call) -> None:
    ended = prober("coverage")
    assert ended.code == 0
    assert "HIMSS has not proposed, reviewed or endorsed it" in " ".join(ended.out.split())
    whole = prober("coverage", "--markdown")
    assert "S8.STD.1" in whole.out
    assert whole.out.startswith("# ")


def test_the_sandbox_lists_its_defects(prober: Call) -> None:
    ended = prober("sandbox", "--list")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()] == list(DEFECTS)


@DEEP
@pytest.mark.parametrize("number", some([signal.SIGINT, signal.SIGTERM], every=2))
def test_the_sandbox_serves_until_it_is_told_to_stop(number: int, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*SCRIPT, "sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        found = re.search(r"http://\S+", lines[0])
        assert found is not None
        with httpx.Client(trust_env=False) as client:
            answer = client.get(f"{found[0]}/metadata")
        assert answer.json()["resourceType"] == "CapabilityStatement"
        assert "bearer token" in lines[1]
        assert "prober run" in lines[2]
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in err


def test_a_run_writes_everything_and_json_is_exactly_the_scorecard(recorded: tuple[Ended, Path]) -> None:
    ended, folder = recorded
    assert ended.code == 0
    assert ended.err == "", "stderr is no terminal, so nothing is told while the run goes on"
    assert ended.out == (folder / "scorecard.json").read_text(encoding="utf-8")
    assert {path.name for path in folder.iterdir()} == RESULTS
    label = json.loads(ended.out)["maturity"]["label"]
    assert (label["name"], label["shown"]) == ("Not rated", "Sandbox: Not rated")


@DEEP
def test_judge_and_score_and_render_on_a_copy_give_the_same_bytes(run_folder: Path, prober: Call) -> None:
    before = {path.name: path.read_bytes() for path in run_folder.iterdir() if path.is_file()}
    for name in RESULTS - EVIDENCE:
        (run_folder / name).unlink()
    for command in ("judge", "score", "render"):
        assert prober(command, run_folder).code == 0
    assert {path.name: path.read_bytes() for path in run_folder.iterdir() if path.is_file()} == before


def test_render_can_write_elsewhere(run_folder: Path, prober: Call, tmp_path: Path) -> None:
    ended = prober("render", run_folder, "--out", "report")
    assert ended.code == 0
    assert {path.name for path in (tmp_path / "desk" / "report").iterdir()} == {"report.html", "report.md"}


def test_as_of_is_the_only_other_input_of_a_score_and_stands_in_it(run_folder: Path, prober: Call) -> None:
    ended = prober("score", run_folder, "--as-of", "2030-01-01T01:00:00+01:00", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["as_of"] == "2030-01-01T00:00:00.000000Z"


BOOK = """schema: prober/model/1
kind: maturity
id: our_rules
version: 1.0.0
title: Our rule book
disclaimer: These levels are ours.
blocks: [{id: STD, title: Standards, weight: 100}]
criteria:
  - id: OUR.STD.1
    title: The server describes itself
    intent: A stranger learns what the server can do.
    sources: [{ref: FHIR R4, text: The CapabilityStatement., status: published}]
    block: STD
    weight: 3
    core: true
    extension: false
    applies: Always.
    modes: [O]
    document: "-"
    freshness: [C]
    observability: full
    levels:
      1:
        - id: OUR.STD.1/L1/served
          text: It is served.
          how: probed
          met_by: {is: {probe: capability_statement_served}}
      2: [{id: OUR.STD.1/L2/gap, text: More., how: gap, missing: no probe yet}]
      3:
        - id: OUR.STD.1/L3/not
          text: It is not served.
          how: probed
          met_by: {is: {probe: capability_statement_served, outcome: absent}}
      4: [{id: OUR.STD.1/L4/gap, text: More., how: gap, missing: no probe yet}]
"""


@pytest.mark.parametrize(("level", "code"), [("L1", 0), ("L2", 3), ("L3", 1), ("L4", 1)])
def test_a_threshold_is_missed_surely_or_perhaps_or_not(level: str, code: int, run_folder: Path, prober: Call) -> None:
    Path("book.yaml").write_text(BOOK)
    ended = prober("score", run_folder, "--model", "book.yaml", "--out", "card", "--fail-under", f"OUR.STD.1={level}")
    assert ended.code == code, ended.err
    assert {path.name for path in Path("card").iterdir()} == {"scorecard.json"}


def test_a_faulty_threshold_leaves_the_scorecard_alone(run_folder: Path, prober: Call) -> None:
    before = (run_folder / "scorecard.json").read_bytes()
    ended = prober("score", run_folder, "--as-of", "2030-01-01T00:00:00Z", "--fail-under", "S8.STD.99=L2")
    assert ended.code == 2
    assert (run_folder / "scorecard.json").read_bytes() == before


def test_a_run_that_is_surely_below_ends_with_1_and_its_results(box: Sandbox, prober: Call) -> None:
    Path("book.yaml").write_text(BOOK)
    ended = prober(
        "run",
        box.base_url,
        "--out",
        "run",
        "--depth",
        "discovery",
        "--model",
        "book.yaml",
        "--fail-under",
        "OUR.STD.1=L3",
    )
    assert ended.code == 1
    assert {path.name for path in Path("run").iterdir()} == RESULTS


def test_a_profile_given_with_model_takes_the_place_of_ours(run_folder: Path, prober: Call) -> None:
    Path("profile.yaml").write_text(
        "schema: prober/model/1\nkind: profile\nid: our_profile\nversion: 1.0.0\ntitle: Ours\ndisclaimer: Counts.\n"
        "families: [{id: patients, title: Patients, meaning: Patients can be read., probes: [patient_read]}]\n"
    )
    ended = prober("score", run_folder, "--model", "profile.yaml", "--out", "card", "--json")
    assert ended.code == 0
    assert sorted(json.loads(ended.out)["models"]) == ["our_profile", "stage8_proposal"]


def test_a_closed_port_could_not_be_told(prober: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ended = prober("run", f"http://127.0.0.1:{port}/r4", "--out", "run", "--depth", "discovery")
    assert ended.code == 3
    assert ended.err == ""
    assert "Exit code 3." in ended.out
    assert {path.name for path in Path("run").iterdir()} == RESULTS


def test_a_fault_of_a_probe_is_told_and_the_results_are_written(box: Sandbox, prober: Call) -> None:
    assert prober("new", "acme_buggy", "--into", "ours/acme").code == 0
    ended = prober("run", box.base_url, "--out", "run", "--depth", "discovery", "--probes", "ours", "--json")
    assert ended.code == 4
    assert {path.name for path in Path("run").iterdir()} == RESULTS
    findings = {line["probe"]: line for line in json.loads(ended.out)["findings"]}
    assert (findings["acme_buggy"]["outcome"], findings["acme_buggy"]["reason"]) == ("unknown", "bug")
    assert findings["capability_statement_served"]["outcome"] == "present"


def test_collect_keeps_the_evidence_and_judges_nothing(box: Sandbox, prober: Call) -> None:
    ended = prober("collect", box.base_url, "--out", "run", "--depth", "discovery")
    assert ended.code == 0
    assert {path.name for path in Path("run").iterdir()} == EVIDENCE


@DEEP
def test_a_provider_file_makes_one_folder_for_each_base_and_one_scorecard(box: Sandbox, prober: Call) -> None:
    Path("provider.yaml").write_text(
        "schema: prober/provider/1\norganisation: Example Health\n"
        f"fhir_bases: [{box.base_url}, {box.base_url.replace('127.0.0.1', 'localhost')}]\n"
    )
    ended = prober("run", "--provider", "provider.yaml", "--out", "run", "--depth", "discovery", "--json")
    assert ended.code == 0
    assert {path.name for path in Path("run").iterdir()} == {
        "01-127.0.0.1", "02-localhost", "scorecard.json", "report.html", "report.md",
    }  # fmt: skip
    assert json.loads(ended.out)["subjects"] == [
        box.base_url,
        box.base_url.replace("127.0.0.1", "localhost"),
    ]
    assert ended.out == Path("run/scorecard.json").read_text(encoding="utf-8")


@DEEP
def test_on_a_terminal_the_run_says_what_is_being_asked(box: Sandbox, tmp_path: Path) -> None:
    terminal, side = pty.openpty()
    try:
        done = subprocess.run(
            [*SCRIPT, "run", box.base_url, "--out", "run", "--depth", "discovery"],
            cwd=tmp_path,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=side,
            check=False,
            timeout=60,
        )
        os.close(side)
        said = b""
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                # On Linux the end of a terminal whose other side is closed reads as an error.
                break
            if not piece:
                break
            said += piece
    finally:
        os.close(terminal)
    assert done.returncode == 0
    text = said.decode()
    assert re.search(r"at most \d+ of 40 requests", text)
    assert re.search(r"\d+/40 requests: \w+", text)
    assert text.endswith("\r\x1b[K"), "the line is cleared when the run is over"


@pytest.mark.parametrize(
    "arguments", some([["list"], ["coverage", "--markdown"], ["run", "--help"], ["sandbox", "--list"]], every=4)
)
def test_a_reader_that_goes_away_is_no_fault(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([*SCRIPT, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert done.stderr == ""
    assert done.returncode == 0


@DEEP
def test_a_terminal_that_cannot_show_a_character_is_told_its_escape() -> None:
    done = subprocess.run(
        [*SCRIPT, "explain", "\u0159"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "prober: \\u0159: there is no probe of this name; see `prober list`.\n"


def filled_in(folder: Path) -> None:
    """Do what the scaffold asks for, with the example that it gives."""
    code = (folder / "probe.py").read_text(encoding="utf-8")
    head, _, rest = code.partition("    # FILL IN")
    example = [
        line.replace("    # ", "    ", 1)
        for line in rest.splitlines()
        if re.match(r"    # (if|    return|return) ", line)
    ]
    assert len(example) == 3
    (folder / "probe.py").write_text(f"{head}{chr(10).join(example)}\n", encoding="utf-8")
    sheet = (folder / "probe.yaml").read_text(encoding="utf-8")
    sheet = sheet.replace(
        "FILL IN a question that ends in a question mark", "Does the statement say when it was published?"
    )
    (folder / "probe.yaml").write_text(
        re.sub(r"FILL IN (.*)", r"Said in full: \1", sheet).replace(": Said in full:", ": Said in full,")
    )
    cases = (folder / "cases.yaml").read_text(encoding="utf-8")
    (folder / "cases.yaml").write_text(cases.replace("FILL IN: null", "date: null"), encoding="utf-8")


def test_a_new_probe_fails_until_it_is_filled_in_and_then_passes_and_runs(box: Sandbox, prober: Call) -> None:
    made = prober("new", "acme_statement_dated", "--into", "ours/acme")
    folder = Path("ours/acme/acme_statement_dated")
    assert made.code == 0
    assert [Path(line) for line in made.out.splitlines()] == [
        folder / name for name in ("probe.py", "probe.yaml", "cases.yaml")
    ]
    before = prober("check", "ours")
    assert before.code == 2
    assert before.out == ""
    for name in ("probe.py", "probe.yaml", "cases.yaml"):
        to_fill_in = [
            f"{folder / name}:{number}: this is still to be filled in."
            for number, line in enumerate((folder / name).read_text().splitlines(), start=1)
            if "FILL IN" in line
        ]
        assert to_fill_in
        assert set(to_fill_in) <= set(before.err.splitlines())
    filled_in(folder)
    after = prober("check", "ours")
    assert after == Ended(0, "Every probe here keeps the rules of the house, and every case gives its outcome.\n", "")
    assert "acme_statement_dated" in prober("list", "--probes", "ours").out
    assert "acme_statement_dated" in prober("explain", "acme_statement_dated", "--probes", "ours").out
    run = prober("run", box.base_url, "--out", "run", "--depth", "discovery", "--probes", "ours", "--json")
    outcomes = {line["probe"]: line["outcome"] for line in json.loads(run.out)["findings"]}
    assert outcomes["acme_statement_dated"] == "present"
    again = prober("judge", "run")
    assert again.code == 2
    assert "judge it into a new folder with --out DIR" in again.err
    assert prober("judge", "run", "--probes", "ours").code == 0


def test_check_can_stand_in_the_folder_itself(prober: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(built_in_probes() / "capability" / "software_named", "software_named")
    monkeypatch.chdir("software_named")
    ended = prober("check", ".")
    assert (ended.code, ended.err) == (0, "")
