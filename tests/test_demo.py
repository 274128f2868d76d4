"""The table defect × caught: every planted defect of the sandbox is caught by the probe that names it."""

import functools
from pathlib import Path

import pytest

from prober.playground import Row, as_markdown, table
from prober.sandbox import DEFECTS

PAGE = Path(__file__).parent.parent / "docs" / "defects.md"
PATIENT = {"export_never_ends", "slow_drip"}
"""Defects that are caught by waiting until prober's own patience ends; the deep tests wait."""


@functools.cache
def rows(names: frozenset[str]) -> dict[str, Row]:
    return {row.defect: row for row in table(sorted(names))}


QUICK = frozenset(sorted(frozenset(DEFECTS) - PATIENT)[::5])


@pytest.mark.parametrize("defect", sorted(QUICK))
def test_the_defect_is_caught(defect: str) -> None:
    row = rows(QUICK)[defect]
    assert row.caught, f"{row.probe} expected {row.expected}, got {row.on_faulty} ({row.on_healthy}): {row.says}"


def test_the_page_of_defects_tells_what_was_seen_here() -> None:
    """Write it anew with scripts/record-defects."""
    page = PAGE.read_text(encoding="utf-8")
    head, *lines = as_markdown(rows(QUICK).values()).splitlines()
    assert head in page
    assert [line for line in lines if line not in page] == []


@pytest.mark.deep
def test_every_defect_is_caught_and_the_page_is_up_to_date() -> None:
    found = rows(frozenset(DEFECTS))
    assert [row.defect for row in found.values() if not row.caught] == []
    assert PAGE.read_text(encoding="utf-8").endswith(as_markdown(found.values()))
