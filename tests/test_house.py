"""The rules of the house: what a person could forget is a test here."""

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prober import api
from prober.coverage import as_page, unplaced
from prober.library import built_in_probes, check_model, load_model, load_probe, load_probes, shipped_models
from prober.nouns.model import MaturityModel
from prober.playground import expected_catches
from prober.sandbox import DEFECTS
from prober.schemas import schemas
from prober.workbench import check_cases, check_rules

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "prober"
FOLDERS = sorted(path.parent for path in built_in_probes().rglob("probe.py"))


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules() -> Iterator[Path]:
    yield from sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_probe_keeps_the_rules_and_its_cases(folder: Path) -> None:
    probe = load_probe(folder)
    assert [*check_rules(probe), *check_cases(probe, ROOT / "fixtures")] == []
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {"probe.py", "probe.yaml", "cases.yaml"}


def test_there_are_at_least_thirty_probes_in_family_folders() -> None:
    probes = load_probes()
    assert len(probes) >= 30
    assert {one.folder.parent.parent for one in probes.values()} == {built_in_probes()}


def test_every_probe_is_used_by_a_model_and_every_probe_of_a_model_exists() -> None:
    probes = load_probes()
    for path in shipped_models():
        check_model(load_model(path), probes, path)
    profile = load_model(shipped_models()[0])
    assert unplaced(profile, probes) == ()


def test_every_planted_defect_has_a_row_in_the_table_of_catches() -> None:
    catches = expected_catches()
    assert set(catches) == set(DEFECTS)
    assert {one.probe for one in catches.values()} <= set(load_probes())


def test_the_words_for_probe_writers_are_these() -> None:
    assert all(hasattr(api, name) for name in api.__all__)
    assert len(set(api.__all__)) == len(api.__all__)


def test_time_chance_and_ids_come_from_the_clock_alone() -> None:
    """Decision: all time, sleep, randomness and ids come from one injected module."""
    offenders = []
    for path in modules():
        where = path.relative_to(SOURCE)
        if where.parts[0] == "sandbox" or where.name == "clock.py":
            continue
        for node in ast.walk(parsed(path)):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            offenders += [f"{where}: imports {name}" for name in names if name in {"time", "random", "secrets", "uuid"}]
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                called = f"{node.value.id}.{node.attr}"
                if called in {"datetime.now", "datetime.utcnow", "datetime.today", "os.urandom", "asyncio.sleep"}:
                    # A turn of the event loop is no waiting.
                    line = path.read_text(encoding="utf-8").splitlines()[node.lineno - 1]
                    offenders += [] if "asyncio.sleep(0)" in line else [f"{where}:{node.lineno}: {called}"]
    assert offenders == []


def test_the_fhir_models_are_those_of_r4b() -> None:
    """The default classes of fhir.resources are R5 and refuse most R4 content."""
    for path in [*modules(), *built_in_probes().rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"from fhir\.resources import|from fhir\.resources\.(?!R4B)", text), path


def test_every_module_says_what_it_is_for() -> None:
    for path in modules():
        docstring = ast.get_docstring(parsed(path))
        assert docstring, path
        assert docstring.split("\n")[0].endswith("."), path


def test_help_is_quick_because_imports_are_lazy() -> None:
    """The command line may not load what `--help` does not need."""
    heavy = ["pydantic", "httpx", "fhir", "yaml", "jinja2", "cryptography", "starlette", "uvicorn"]
    script = f"""
import sys
sys.argv = ["prober", "--help"]
from prober import cli
try:
    cli.main()
except SystemExit:
    pass
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_fhir_resources_is_loaded_only_where_something_is_validated() -> None:
    script = "import sys, prober.pipeline, prober.stages; print('fhir.resources' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_published_schemas_are_those_of_the_nouns() -> None:
    """Write them anew with `python -m prober.schemas schemas`."""
    assert {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "schemas").iterdir()} == dict(schemas())


def test_the_coverage_page_is_up_to_date() -> None:
    """Write it anew with `prober coverage --markdown > docs/coverage.md`."""
    model = load_model(shipped_models()[1])
    assert isinstance(model, MaturityModel)
    page = as_page(model, load_probes())
    assert (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8").rstrip() == page.rstrip()


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
