"""What is built from the checkout holds everything that prober needs, and works where there is no checkout."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.samples import DEEP

from prober import __version__
from prober.library import load_probes
from prober.sandbox import DEFECTS

ROOT = Path(__file__).parent.parent
# One worker builds once for all.
pytestmark = pytest.mark.xdist_group("packaging")
WHEEL = f"prober-{__version__}-py3-none-any.whl"
INFO = f"prober-{__version__}.dist-info"


def build(source: Path, folder: Path, *targets: str) -> None:
    """Build as pip would, with the backend that is installed here: no isolation, no network."""
    chosen = [word for target in targets for word in ("-t", target)]
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), *chosen]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(ROOT, folder, "wheel", "sdist")
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return built / WHEEL


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with this wheel in it; its dependencies are those of the environment of the tests."""
    if find_spec("pip") is None:
        pytest.skip("The environment of the tests has no pip, so the wheel cannot be installed.")
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(
        [*command, "--disable-pip-version-check"], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # A path in a .pth file is only searched, so an editable prober of the tests' environment stays out of sight.
    site = next(folder.glob("lib/python*/site-packages"))
    places = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (site / "dependencies.pth").write_text("\n".join(places) + "\n", encoding="utf-8")
    return folder


def call(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [str(installed / "bin" / arguments[0]), *arguments[1:]],
        cwd=folder,
        env={**environment, "XDG_STATE_HOME": str(folder / "state")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix()


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


SHIPPED = ("leader", "typical", "laggard", "open_records", "providers")
"""The fixtures that a new probe begins with, and over which rule books are compared."""


def test_the_wheel_holds_the_package_the_probes_and_the_fixtures_and_nothing_else(wheel: Path) -> None:
    wanted = {f"prober/{name}" for name in files(ROOT / "src" / "prober")}
    wanted |= {f"prober/_probes/{name}" for name in files(ROOT / "probes")}
    for one in SHIPPED:
        wanted |= {f"prober/_fixtures/{one}/{name}" for name in files(ROOT / "fixtures" / one)}
    wanted |= {f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    assert names_in(wheel) == wanted


def test_the_wheel_holds_all_that_is_data(wheel: Path) -> None:
    names = names_in(wheel)
    assert {
        "prober/py.typed",
        "prober/defects.yaml",
        "prober/models/capability_profile.yaml",
        "prober/models/stage8_proposal.yaml",
        "prober/redact/tables.json.gz",
        "prober/render/templates/page.html",
        "prober/render/templates/page.css",
        "prober/_probes/capability/capability_statement_served/probe.yaml",
        "prober/_fixtures/leader/run.json",
    } <= names
    assert sum(name.endswith("/cases.yaml") for name in names) == len(load_probes())


def test_nothing_in_the_wheel_tells_where_it_was_built(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tell = [name for name in archive.namelist() if str(ROOT).encode() in archive.read(name)]
    assert tell == []


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        about = message_from_bytes(archive.read(f"{INFO}/METADATA"))
        commands = archive.read(f"{INFO}/entry_points.txt").decode()
    assert about["Version"] == __version__
    assert about["Requires-Python"] == ">=3.11"
    assert about["License-Expression"] == "Apache-2.0"
    assert "prober = prober.cli:main" in commands
    extra = [line for line in about.get_all("Requires-Dist", []) if "extra == 'sandbox'" in line]
    assert sorted(line.split(";")[0].split("<")[0].split(">")[0] for line in extra) == ["starlette", "uvicorn"]


@DEEP
def test_the_source_holds_what_its_tests_need_and_gives_the_same_wheel(
    built: Path, wheel: Path, tmp_path: Path
) -> None:
    with tarfile.open(built / f"prober-{__version__}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / f"prober-{__version__}"
    for name in ("tests/bad", "fixtures", "schemas", "scripts/test", "constraints.txt", "README.md", "LICENSE"):
        assert (source / name).exists(), name
    build(source, tmp_path / "again", "wheel")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(tmp_path / "again" / WHEEL) as other:
        assert {name: one.read(name) for name in one.namelist()} == {
            name: other.read(name) for name in other.namelist()
        }


@DEEP
def test_the_installed_prober_is_the_one_of_the_wheel_and_lists_every_probe(installed: Path, tmp_path: Path) -> None:
    where = call(installed, tmp_path, "python", "-c", "import prober; print(prober.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed), where.stderr
    listed = call(installed, tmp_path, "prober", "list")
    assert listed.returncode == 0, listed.stderr
    ids = [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("  ")]
    assert [id_ for id_ in ids if id_ in load_probes()] == [id_ for id_ in ids if "_" in id_]
    assert set(load_probes()) <= set(ids)
    assert call(installed, tmp_path, "python", "-m", "prober", "--version").stdout == f"prober {__version__}\n"
    assert len(call(installed, tmp_path, "prober", "sandbox", "--list").stdout.splitlines()) == len(DEFECTS)


@DEEP
def test_a_new_probe_can_be_checked_where_there_is_no_checkout(installed: Path, tmp_path: Path) -> None:
    """Its cases begin with the fixture `leader`, which travels in the wheel."""
    assert call(installed, tmp_path, "prober", "new", "acme_statement_dated", "--into", "ours/acme").returncode == 0
    code = tmp_path / "ours" / "acme" / "acme_statement_dated" / "probe.py"
    code.write_text(
        code.read_text(encoding="utf-8").replace(
            "    raise NotImplementedError", '    return present("It is served.", statement.cite())'
        ),
        encoding="utf-8",
    )
    checked = call(installed, tmp_path, "prober", "check", "ours")
    assert checked.returncode == 2
    assert "fixture" not in checked.stderr
    assert "case 1" not in checked.stderr
    assert "case 2: expected absent, but it is present: It is served." in checked.stderr
    assert "case 3" not in checked.stderr


@DEEP
def test_the_demonstration_runs_where_there_is_no_checkout(installed: Path, tmp_path: Path) -> None:
    done = call(installed, tmp_path, "prober", "demo", "--no-defects", "--out", "demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (tmp_path / "demo" / "leader" / "report.html").stat().st_size > 10_000
