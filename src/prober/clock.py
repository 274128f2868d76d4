"""The one source of time, sleep, randomness and ids: all else asks a Clock, so that tests and replay can set it."""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the rest of prober may know about time and chance."""

    def monotonic_us(self) -> int:
        """Microseconds on a clock that never steps back."""

    def utc(self) -> datetime:
        """The present instant, in UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""

    def random_bytes(self, count: int) -> bytes:
        """Bytes that nobody can guess: keys of a run, ids, invented bearers."""


class SystemClock:
    """The machine's own clock."""

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    def utc(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)


class VirtualClock:
    """A clock for tests: sleeping is instant and moves the time, randomness follows a seed."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), seed: int = 0) -> None:
        self._start = start
        self._elapsed_us = 0
        self._drawn = 0
        self._seed = seed

    def monotonic_us(self) -> int:
        return self._elapsed_us

    def utc(self) -> datetime:
        return self._start + timedelta(microseconds=self._elapsed_us)

    async def sleep(self, seconds: float) -> None:
        self._elapsed_us += max(0, round(seconds * 1_000_000))
        await asyncio.sleep(0)

    def random_bytes(self, count: int) -> bytes:
        import hashlib

        self._drawn += 1
        return hashlib.shake_256(f"{self._seed}:{self._drawn}".encode()).digest(count)


def instant(moment: datetime) -> str:
    """A UTC instant as text, to the microsecond: the only form in which prober writes a time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_run_id(clock: Clock) -> str:
    """UTC start to the second and eight hex digits, for example ``20260101T000000Z-0f3a9c1e``."""
    return f"{clock.utc().strftime('%Y%m%dT%H%M%SZ')}-{clock.random_bytes(4).hex()}"
