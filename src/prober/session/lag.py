"""How long this process kept its own event loop waiting: the part of a latency that is our own fault."""

import asyncio

_STEP = 0.02
"""Seconds between two looks."""


class Watch:
    """One stretch of time under watch."""

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.worst = 0.0

    def late(self, due: float, now: float) -> None:
        self.worst = max(self.worst, now - max(due, self.begun))


class LoopLag:
    """One timer shared by all watches; it runs only while there is something to watch."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def begin(self) -> Watch:
        """Start watching; every watch must be ended."""
        loop = asyncio.get_running_loop()
        watch = Watch(loop.time())
        self._watches.add(watch)
        if self._timer is None:
            self._wind(loop)
        return watch

    def end(self, watch: Watch) -> int:
        """The longest delay in microseconds since the watch began. Ending twice is harmless."""
        now = asyncio.get_running_loop().time()
        if watch in self._watches:
            watch.late(self._due, now)
            self._watches.discard(watch)
        if not self._watches and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return round(watch.worst * 1_000_000)

    def _wind(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + _STEP
        self._timer = loop.call_at(self._due, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for watch in self._watches:
            watch.late(self._due, now)
        self._wind(loop)
