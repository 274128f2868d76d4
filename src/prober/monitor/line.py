"""Who is looked at next: many hosts side by side, never two looks at one host, and no short look behind the long ones.

A look by a plan of minutes takes seconds and is due again soon; one by a plan of nights may take minutes. So some
places are spared for the first kind, and at one host they are the first to be made.
"""

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush

from prober.monitor.looking import Task
from prober.monitor.settings import host_of

_SPARED = 4
"""One place in so many is spared for the short looks."""


@dataclass
class _Host:
    short: deque[Task] = field(default_factory=deque)
    long: deque[Task] = field(default_factory=deque)
    busy: bool = False


class Line:
    """The looks that wait, at most `places` of which are made at one time."""

    def __init__(self, places: int, *, has_short: bool) -> None:
        self._free = places
        self._for_long = places - (max(1, places // _SPARED) if has_short and places > 1 else 0)
        self._hosts: dict[str, _Host] = {}
        self._short: list[tuple[int, str]] = []
        self._long: list[tuple[int, int, str]] = []
        """The hosts that have something to ask, those with most first, so that they do not end last. A host may stand
        there more than once, or be busy or done with all; that is seen when its turn comes."""
        self._number = 0

    def add(self, tasks: list[Task]) -> None:
        """Let looks wait for their turn."""
        names = []
        for task in tasks:
            name = host_of(task.target.base)
            host = self._hosts.setdefault(name, _Host())
            (host.short if _is_short(task) else host.long).append(task)
            names.append(name)
        for name in dict.fromkeys(names):
            self._show(name)

    def take(self) -> Task | None:
        """The next look, if there is one and a place for it. Give it back with `done` when it is made."""
        if self._free <= 0:
            return None
        while self._short:
            host = self._hosts.get(heappop(self._short)[-1])
            if host is not None and host.short and not host.busy:
                return self._taken(host, host.short.popleft())
        while self._long and self._for_long > 0:
            host = self._hosts.get(heappop(self._long)[-1])
            if host is not None and host.long and not host.busy:
                return self._taken(host, host.long.popleft())
        return None

    def done(self, task: Task) -> None:
        """A look was made; its place is free, and its host may be asked again."""
        name = host_of(task.target.base)
        self._free += 1
        self._for_long += not _is_short(task)
        host = self._hosts[name]
        host.busy = False
        if host.short or host.long:
            self._show(name)
        else:
            del self._hosts[name]

    def clear(self) -> list[Task]:
        """Let nothing wait any more. The looks that waited."""
        self._short.clear()
        self._long.clear()
        left = [task for host in self._hosts.values() for task in (*host.short, *host.long)]
        for host in self._hosts.values():
            host.short.clear()
            host.long.clear()
        return left

    def _taken(self, host: _Host, task: Task) -> Task:
        host.busy = True
        self._free -= 1
        self._for_long -= not _is_short(task)
        return task

    def _show(self, name: str) -> None:
        host = self._hosts[name]
        if host.busy:
            return
        self._number += 1
        if host.short:
            heappush(self._short, (self._number, name))
        if host.long:
            heappush(self._long, (-len(host.long), self._number, name))


def _is_short(task: Task) -> bool:
    return isinstance(task.plan.every, int)
