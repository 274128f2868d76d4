"""The same bundle on every Python that is on the machine: judged and scored again, it comes out byte for byte."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from prober.audit.seal import Wish, seal
from prober.clock import VirtualClock
from prober.keys import new_key, public_pem
from prober.library import load_probes

pytestmark = pytest.mark.deep
ROOT = Path(__file__).parents[1]
NAMES = ("3.11", "3.12", "3.13", "3.14")
INSTALLED = Path.home() / ".pyenv" / "versions"


def python_of(version: str) -> str | None:
    """A Python of this version: one on the path that starts, or one that pyenv installed."""
    found = [shutil.which(f"python{version}"), *map(str, sorted(INSTALLED.glob(f"{version}.*/bin/python3")))]
    starts = (one for one in found if one is not None and _run([one, "-c", "import venv, ensurepip"]).returncode == 0)
    return next(starts, None)


def _run(command: list[str], **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | changes
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize("version", NAMES)
def test_a_bundle_of_the_hapi_run_is_derived_on_every_python(
    version: str, tmp_path: Path, scored_run: Callable[[str], Path]
) -> None:
    python = python_of(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    signer = new_key(tmp_path / "key.pem", VirtualClock())
    (tmp_path / "pub.pem").write_bytes(public_pem(signer.public))
    bundle = tmp_path / "hapi.prober.zip"
    seal(Wish((scored_run("hapi"),), signer, ledger=tmp_path / "none"), load_probes(), bundle)
    assert _run([python, "-m", "venv", str(tmp_path / "venv")]).returncode == 0
    place = tmp_path / "venv" / "bin"
    install = [str(place / "python"), "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt")]
    made = _run([*install, str(ROOT)])
    assert made.returncode == 0, made.stderr
    told = _run([str(place / "prober"), "verify", str(bundle), "--key", str(tmp_path / "pub.pem")])
    # The wheel holds the same files as the checkout, so nothing is left untold.
    assert told.returncode == 0, told.stdout + told.stderr
    strange = {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kolkata", "PYTHONHASHSEED": "11"}
    again = _run([str(place / "prober"), "rejudge", str(bundle), "--out", str(tmp_path / "again")], **strange)
    assert "the same scorecard, byte for byte" in again.stdout, again.stderr
    with zipfile.ZipFile(bundle) as box:
        sealed = box.read(next(name for name in box.namelist() if name.endswith("data/scorecard.json")))
    assert (tmp_path / "again" / "scorecard.json").read_bytes() == sealed
