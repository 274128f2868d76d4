"""Every probe's cases: a remembered server, a change, the outcome; and the same bytes under shuffled schedules."""

import asyncio
import functools
import itertools
from pathlib import Path

import pytest

from prober.casebook import Case, Remembered, disagreement, outcome_of, read_cases, remember
from prober.library import LoadedProbe, built_in_probes, load_probe

FIXTURES = Path(__file__).parent.parent / "fixtures"
SHUFFLES = 20

folders = sorted(path.parent for path in built_in_probes().rglob("probe.py"))
cases = [(folder, number) for folder in folders for number in range(len(read_cases(folder / "cases.yaml")))]


@functools.cache
def loaded(folder: Path) -> LoadedProbe:
    return load_probe(folder)


@functools.cache
def remembered(name: str) -> Remembered:
    return remember(FIXTURES / name)


def shuffled(seed: int) -> "itertools.count[int]":
    return itertools.count(seed)


@pytest.mark.parametrize(("folder", "number"), cases, ids=lambda one: getattr(one, "name", str(one)))
def test_a_case_gives_its_outcome_under_every_schedule(folder: Path, number: int) -> None:
    case: Case = read_cases(folder / "cases.yaml")[number]
    probe, server = loaded(folder), remembered(case.fixture)
    finding, bugs = asyncio.run(outcome_of(case, probe, server))
    assert disagreement(case, finding) is None
    assert not bugs
    for seed in range(1, SHUFFLES + 1):
        steps = shuffled(seed)

        def delay(steps: "itertools.count[int]" = steps, seed: int = seed) -> int:
            # A small linear congruential walk: another order of answers for every seed, the same one every time.
            return (next(steps) * 1_103_515_245 + seed * 12_345) >> 7 & 3

        again, _ = asyncio.run(outcome_of(case, probe, server, delay))
        assert again.line() == finding.line()
