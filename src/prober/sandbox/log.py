"""The sandbox's own record of every request that reached it."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Logged:
    """A request as it arrived: header names in lower case, `at` in monotonic seconds.

    `status` is None until an answer begins, and stays so when none ever does (a reset, a client that left).
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    status: int | None
    at: float


class Log:
    """Requests in the order of their arrival; safe to write and read from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Logged] = []

    def arrived(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> int:
        """Records a request and returns its place."""
        with self._lock:
            self._entries.append(Logged(method, path, query, headers, None, time.monotonic()))
            return len(self._entries) - 1

    def answered(self, place: int, status: int) -> None:
        """Adds the status to the request at that place."""
        with self._lock:
            self._entries[place] = replace(self._entries[place], status=status)

    def entries(self) -> list[Logged]:
        """A copy of everything recorded so far."""
        with self._lock:
            return list(self._entries)
