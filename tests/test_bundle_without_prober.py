"""A bundle checked with what was on the machine already, by following nothing but the page that lies in it."""

import html
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from prober.audit.seal import Wish, seal
from prober.clock import VirtualClock
from prober.keys import new_key
from prober.library import load_probes

NEEDED = ("unzip", "sha256sum", "openssl", "gunzip")
pytestmark = pytest.mark.skipif(
    any(shutil.which(one) is None for one in NEEDED), reason=f"one of {', '.join(NEEDED)} is not on this machine"
)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, scored_run: Callable[[str], Path]) -> Path:
    place = tmp_path_factory.mktemp("sealed")
    signer = new_key(place / "key.pem", VirtualClock())
    wish = Wish((scored_run("typical"),), signer, ledger=place / "ledger")
    return seal(wish, load_probes(), place / "BUNDLE.prober.zip").path


def commands(page: str) -> list[str]:
    """The command lines that the page tells its reader to type, in their order; not those of prober."""
    section = page.partition('id="check"')[2].partition("</section>")[0]
    blocks = re.findall(r"<pre[^>]*>(.*?)</pre>", section, re.DOTALL)
    lines = [line for block in blocks for line in html.unescape(block).splitlines()]
    return [line for line in lines if not line.startswith("prober ")]


def outside(folder: Path) -> dict[str, str]:
    """An environment without prober, in which bagit.py is found as an auditor would have installed it."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "bagit.py").write_text(
        f'#!/bin/sh\nexec {sys.executable} -c \'import bagit, sys; sys.argv[0] = "bagit.py"; bagit.main()\' "$@"\n'
    )
    (tools / "bagit.py").chmod(0o755)
    return {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C"}


def typed(line: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def unpacked(sealed: Path, folder: Path) -> Path:
    shutil.copy(sealed, folder)
    assert typed("unzip -q BUNDLE.prober.zip", folder, outside(folder)).returncode == 0
    return next(path for path in folder.iterdir() if (path / "bagit.txt").is_file())


def test_the_page_in_the_bundle_leads_through_the_whole_check(sealed: Path, tmp_path: Path) -> None:
    bag = unpacked(sealed, tmp_path)
    page = (bag / "README.html").read_text()
    lines = commands(page)
    assert lines[:2] == ["unzip BUNDLE.prober.zip", f"cd {bag.name}"]
    environment = outside(tmp_path)
    said: dict[str, str] = {}
    for line in lines[2:]:
        if "NAME" in line:
            packed = next((bag / "data" / "blobs").glob("*.gz"))
            done = typed(line.replace("NAME", packed.stem), bag, environment)
            assert done.stdout.startswith(packed.stem)
        else:
            done = typed(line, bag, environment)
            said[line] = done.stdout
        assert done.returncode == 0, (line, done.stderr)
    assert [one.split()[0] for one in said] == [
        *("sha256sum", "sha256sum", "bagit.py", "python3", "openssl", "sha256sum", "cat", "openssl"),
    ]
    told = list(said.values())
    assert told[0] == told[1] == ""
    assert told[3].startswith("All ")
    assert told[4] == "Signature Verified Successfully\n"
    digest = told[5].split()[0]
    assert f'"sha256":"{digest}"' in told[6]
    key = told[7].split()[0]
    assert f'must be <span class="mono">{key}</span>' in re.sub(r"\s+", " ", page)


@pytest.mark.parametrize("damage", ["altered", "added", "removed", "link", "resigned"])
def test_the_program_in_the_bundle_refuses_what_is_not_as_it_was(sealed: Path, tmp_path: Path, damage: str) -> None:
    bag = unpacked(sealed, tmp_path)
    card = bag / "data" / "scorecard.json"
    expected = f"{damage}."
    if damage == "altered":
        card.write_bytes(card.read_bytes().replace(b'"low":', b'"low": ', 1))
    elif damage == "added":
        (bag / "data" / "note.txt").write_text("x")
    elif damage == "removed":
        card.unlink()
        expected = "missing."
    elif damage == "link":
        card.unlink()
        card.symlink_to("/etc/hostname")
    else:
        other = new_key(tmp_path / "other.pem", VirtualClock(seed=9))
        statement = (bag / "attestation.pae").read_bytes()
        (bag / "attestation.sig").write_bytes(other.sign(statement))
        expected = "not the signature of the envelope."
    done = typed("python3 verify.py", bag, outside(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("REFUSED: ")
    assert done.stderr.rstrip().endswith(expected)


def test_the_program_expects_the_key_that_it_is_told(sealed: Path, tmp_path: Path) -> None:
    bag = unpacked(sealed, tmp_path)
    done = typed(f"python3 verify.py {'0' * 64}", bag, outside(tmp_path))
    assert done.returncode == 1
    assert "signed by another key" in done.stderr


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_the_program_runs_on_older_and_newer_pythons(sealed: Path, tmp_path: Path, version: str) -> None:
    found = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python3"))
    python = str(found[-1]) if found else shutil.which(f"python{version}")
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    bag = unpacked(sealed, tmp_path)
    done = typed(f"{python} verify.py", bag, outside(tmp_path))
    assert done.returncode == 0, done.stderr
