"""The committed example reports are what today's code makes of the recordings in fixtures/."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_examples_are_up_to_date() -> None:
    """Write them anew with scripts/render-examples."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "render-examples", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
