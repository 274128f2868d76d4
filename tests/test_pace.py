"""The queue at one host: deepest chain first, no more at once than agreed, no faster than agreed, no place lost."""

import asyncio
import itertools
import random
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.clock import VirtualClock
from prober.session.observation import Observation, heights, observation
from prober.session.pace import POLITE, SANDBOX, HostGate, Pacing


@dataclass
class Visit:
    """One request at the gate: how deep the chain behind it is, and how long it stays inside (microseconds)."""

    height: int
    stays_us: int
    leaves_early: bool = False


@dataclass
class Book:
    """What happened at the gate."""

    clock: VirtualClock
    starts: list[tuple[int, int]] = field(default_factory=list)
    inside: int = 0
    most: int = 0


async def visit(gate: HostGate, book: Book, number: int, one: Visit) -> None:
    await gate.enter(one.height)
    book.starts.append((number, book.clock.monotonic_us()))
    book.inside += 1
    book.most = max(book.most, book.inside)
    try:
        await book.clock.sleep(one.stays_us / 1_000_000)
    finally:
        book.inside -= 1
        gate.leave()


async def crowd(pacing: Pacing, visits: list[Visit]) -> Book:
    clock = VirtualClock()
    gate, book = HostGate(pacing, clock), Book(clock)
    tasks = [asyncio.create_task(visit(gate, book, number, one)) for number, one in enumerate(visits)]
    await asyncio.sleep(0)
    for task, one in zip(tasks, visits, strict=True):
        if one.leaves_early:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await gate.close()
    return book


VISITS = st.lists(st.builds(Visit, st.integers(0, 9), st.integers(0, 3_000_000), st.booleans()), max_size=25)
PACINGS = st.builds(Pacing, st.integers(1, 8), st.sampled_from([0, 1, 250_000, 1_000_000]))


@settings(max_examples=examples(150), deadline=None)
@given(PACINGS, VISITS)
def test_whoever_waits_gets_in_and_the_pace_holds(pacing: Pacing, visits: list[Visit]) -> None:
    book = asyncio.run(crowd(pacing, visits))
    assert {number for number, _ in book.starts} >= {at for at, one in enumerate(visits) if not one.leaves_early}
    assert book.most <= pacing.at_once
    assert book.inside == 0
    times = [at for _, at in book.starts]
    assert all(later - sooner >= pacing.gap_us for sooner, later in itertools.pairwise(times))


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_the_deepest_chain_goes_first_and_the_oldest_among_equals(depths: list[int]) -> None:
    """One place, taken by the first to arrive; all the others are waiting when it is given back."""
    book = asyncio.run(crowd(Pacing(1, 0), [Visit(0, 1_000_000), *(Visit(depth, 10) for depth in depths)]))
    waiting = [number for number, _ in book.starts][1:]
    assert waiting == sorted(range(1, len(depths) + 1), key=lambda number: (-depths[number - 1], number))


def test_the_polite_pace_is_one_a_second_and_two_at_a_time() -> None:
    book = asyncio.run(crowd(POLITE, [Visit(0, 0) for _ in range(5)]))
    assert [at for _, at in book.starts] == [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]
    book = asyncio.run(crowd(POLITE, [Visit(0, 10_000_000) for _ in range(4)]))
    assert book.most == 2


def test_a_sandbox_is_asked_eight_at_a_time_without_a_gap() -> None:
    book = asyncio.run(crowd(SANDBOX, [Visit(0, 1_000_000) for _ in range(16)]))
    assert book.most == 8
    book = asyncio.run(crowd(SANDBOX, [Visit(0, 0) for _ in range(16)]))
    assert {at for _, at in book.starts} == {0}


@pytest.mark.parametrize("when", range(6))
def test_a_place_is_not_lost_whenever_its_owner_is_cancelled(when: int) -> None:
    async def scene() -> None:
        clock = VirtualClock()
        gate, book = HostGate(Pacing(1, 0), clock), Book(clock)
        first = asyncio.create_task(visit(gate, book, 0, Visit(0, 1_000)))
        second = asyncio.create_task(visit(gate, book, 1, Visit(0, 1_000)))
        for _ in range(when):
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        async with asyncio.timeout(5):
            await second
            await visit(gate, book, 2, Visit(0, 0))
        assert book.inside == 0
        await gate.close()

    asyncio.run(scene())


def test_the_virtual_clock_moves_only_by_sleeping() -> None:
    clock = VirtualClock()
    start = clock.utc()
    asyncio.run(clock.sleep(3.5))
    asyncio.run(clock.sleep(-1))
    assert clock.utc() - start == timedelta(seconds=3.5)
    assert clock.monotonic_us() == 3_500_000
    assert VirtualClock(seed=1).random_bytes(8) == VirtualClock(seed=1).random_bytes(8)
    assert VirtualClock(seed=1).random_bytes(8) != VirtualClock(seed=2).random_bytes(8)


def named(name: str, chain: int, *needs: Observation[None]) -> Observation[None]:
    async def look(session: object) -> None:
        return None

    look.__name__ = name
    return observation(requests=chain, needs=needs)(look)


def test_a_height_is_the_longest_chain_above() -> None:
    bottom = named("bottom", 1)
    middle = named("middle", 2, bottom)
    side = named("side", 5, bottom)
    top = named("top", 1, middle)
    assert heights((bottom, middle, side, top)) == {"bottom": 6, "middle": 3, "side": 5, "top": 1}


@settings(max_examples=examples(50), deadline=None)
@given(st.integers(0, 2**32))
def test_heights_do_not_depend_on_the_order_of_naming(seed: int) -> None:
    walk = random.Random(seed)
    made: list[Observation[None]] = []
    for number in range(12):
        made.append(named(f"o{number}", walk.randint(0, 3), *walk.sample(made, min(len(made), walk.randint(0, 3)))))
    shuffled = walk.sample(made, len(made))
    assert heights(tuple(made)) == heights(tuple(shuffled))
    tall = heights(tuple(made))
    assert all(tall[below.name] >= below.chain + tall[one.name] for one in made for below in one.needs)
