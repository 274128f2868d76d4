"""Every probe's cases: a remembered server, a change, the outcome; and the same bytes under shuffled schedules."""

import asyncio
import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.samples import some_rows

from prober.casebook import Case, Remembered, disagreement, outcome_of, read_cases, remember
from prober.library import LoadedProbe, built_in_probes, load_probe

FIXTURES = Path(__file__).parent.parent / "fixtures"
SHUFFLES = 20
"""Schedules of a case in the deep tier; the quick one tries the first of them."""
FIRST_SHUFFLES = 5

folders = sorted(path.parent for path in built_in_probes().rglob("probe.py"))
books = {folder: read_cases(folder / "cases.yaml") for folder in folders}
cases = [(folder, number) for folder in folders for number in range(len(books[folder]))]


@functools.cache
def loaded(folder: Path) -> LoadedProbe:
    return load_probe(folder)


@functools.cache
def remembered(name: str) -> Remembered:
    return remember(FIXTURES / name)


def shuffled(seed: int) -> Callable[[], int]:
    steps = itertools.count(seed)
    # A small linear congruential walk: another order of answers for every seed, the same one every time.
    return lambda: (next(steps) * 1_103_515_245 + seed * 12_345) >> 7 & 3


def check(folder: Path, number: int, shuffles: int) -> None:
    case: Case = books[folder][number]
    probe, server = loaded(folder), remembered(case.fixture)

    # All schedules in one event loop: making a loop takes longer than most of the cases.
    async def main() -> None:
        finding, bugs = await outcome_of(case, probe, server)
        assert disagreement(case, finding) is None
        assert not bugs
        for seed in range(1, shuffles + 1):
            again, _ = await outcome_of(case, probe, server, shuffled(seed))
            assert again.line() == finding.line()

    asyncio.run(main())


def name_of(value: Path | int) -> str:
    return value.name if isinstance(value, Path) else str(value)


@pytest.mark.parametrize(("folder", "number"), some_rows(cases, every=6), ids=name_of)
def test_a_case_gives_its_outcome_under_some_schedules(folder: Path, number: int) -> None:
    check(folder, number, FIRST_SHUFFLES)


@pytest.mark.deep
@pytest.mark.parametrize(("folder", "number"), cases, ids=name_of)
def test_a_case_gives_its_outcome_under_every_schedule(folder: Path, number: int) -> None:
    check(folder, number, SHUFFLES)
