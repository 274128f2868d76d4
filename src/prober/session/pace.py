"""Politeness: how many requests may be under way at one host, how often a new one may start, and who goes first."""

import asyncio
import heapq
from dataclasses import dataclass
from itertools import count

from prober.clock import Clock


@dataclass(frozen=True)
class Pacing:
    """At most `at_once` requests under way per host, and at least `gap_us` microseconds between two starts."""

    at_once: int
    gap_us: int


POLITE = Pacing(at_once=2, gap_us=1_000_000)
SANDBOX = Pacing(at_once=8, gap_us=0)


class HostGate:
    """The queue at one host. The request with the longest chain behind it goes first, then the oldest."""

    def __init__(self, pacing: Pacing, clock: Clock) -> None:
        self._pacing = pacing
        self._clock = clock
        self._under_way = 0
        self._next_start_us = 0
        self._arrivals = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._timer: asyncio.Task[None] | None = None

    async def enter(self, height: int) -> None:
        """Wait for a place. Whoever entered must call `leave`, whatever happens."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-height, next(self._arrivals), place))
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place back."""
        self._under_way -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._under_way < self._pacing.at_once:
            if self._waiting[0][2].done():
                heapq.heappop(self._waiting)
                continue
            now = self._clock.monotonic_us()
            if now < self._next_start_us:
                if self._timer is None or self._timer.done():
                    self._timer = asyncio.create_task(self._admit_later(self._next_start_us - now))
                return
            _, _, place = heapq.heappop(self._waiting)
            self._under_way += 1
            self._next_start_us = now + self._pacing.gap_us
            place.set_result(None)

    async def _admit_later(self, microseconds: int) -> None:
        await self._clock.sleep(microseconds / 1_000_000)
        self._timer = None
        self._admit()

    async def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.gather(self._timer, return_exceptions=True)
