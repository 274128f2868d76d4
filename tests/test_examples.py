"""The committed example reports are what today's code makes of the recordings in fixtures/."""

import subprocess
import sys
from pathlib import Path

from tests.samples import DEEP

ROOT = Path(__file__).parent.parent


@DEEP
def test_the_examples_are_up_to_date() -> None:
    """Write them anew with scripts/render-examples."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "render-examples", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_nobody_is_told_to_declare_a_national_core() -> None:
    """It is allowed and obliges nobody whose country is not known: a plain HAPI lacks nothing by it."""
    summary = (ROOT / "reports" / "examples" / "hapi" / "summary.txt").read_text(encoding="utf-8")
    fixes = summary.partition("To fix next")[2].partition("What could not be tested")[0]
    assert "SMART" in fixes
    assert "national core" not in fixes
