"""The table defect × caught: every planted defect of the sandbox is caught by the probe that names it."""

import functools
from pathlib import Path

import pytest

from prober.playground import Row, as_markdown, table
from prober.sandbox import DEFECTS

PAGE = Path(__file__).parent.parent / "docs" / "defects.md"


@functools.cache
def rows() -> dict[str, Row]:
    return {row.defect: row for row in table(sorted(DEFECTS))}


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_the_defect_is_caught(defect: str) -> None:
    row = rows()[defect]
    assert row.caught, f"{row.probe} expected {row.expected}, got {row.on_faulty} ({row.on_healthy}): {row.says}"


def test_the_page_of_defects_is_up_to_date() -> None:
    """Write it anew with scripts/record-defects."""
    assert PAGE.read_text(encoding="utf-8").endswith(as_markdown(rows().values()))
