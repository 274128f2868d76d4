"""`/metrics` and `/healthz` of the daemon: one thread that shows what it was last given, and never waits for the loop.

The loop hands over a finished text; nothing here reads what the loop works on. Whoever asks gets little time and may
say little, and more than a few at once are sent away.
"""

import asyncio
import contextlib
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from prober.clock import Clock
from prober.export.exposition import CONTENT_TYPE
from prober.mistake import Mistake

_LONGEST_REQUEST = 8_192
_SECONDS = 5.0
_MOST_AT_ONCE = 16
_PLAIN = "text/plain; charset=utf-8"
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]")
_ADDRESS = re.compile(r"(?:(?P<six>\[[0-9A-Fa-f:.]+\])|(?P<name>[A-Za-z0-9.-]*)):(?P<port>[0-9]{1,5})")
_WORDS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `--listen HOST:PORT`; without a host it is loopback. Raises Mistake."""
    read = _ADDRESS.fullmatch(text)
    port = int(read["port"]) if read else 65_536
    if read is None or port > 65_535:
        raise Mistake(f"--listen {text}: give a host and a port, for example 127.0.0.1:9464.")
    return (read["six"] or read["name"] or "").strip("[]") or "127.0.0.1", port


@dataclass(frozen=True)
class _Shown:
    metrics: bytes
    alive_until: datetime | None


class Listener:
    """A small HTTP server in a thread of its own. Use it as a context; port 0 draws a free one.

    Raises Mistake when it is entered and the address cannot be bound.
    """

    def __init__(self, host: str, port: int, clock: Clock) -> None:
        self._host = host
        self._wanted = port
        self._clock = clock
        self._shown = _Shown(b"", None)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failed: OSError | None = None
        self._open = 0
        self._thread = threading.Thread(target=self._run, name="prober-listen", daemon=True)
        self.port = port
        """The port that is bound."""

    def show(self, metrics: str, alive_until: datetime) -> None:
        """Show these metrics from now on, and count as alive until that instant. It returns at once."""
        # One reference is replaced by another: nobody ever sees half of it.
        self._shown = _Shown(metrics.encode("utf-8", "replace"), alive_until)

    def __enter__(self) -> "Listener":
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            self._thread.join()
            raise Mistake(
                f"--listen {self._host}:{self._wanted}: this address cannot be bound ({self._failed.strerror}); "
                "name another one."
            ) from self._failed
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._failed = error
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        server = await asyncio.start_server(self._talk, self._host, self._wanted, limit=_LONGEST_REQUEST)
        try:
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._ending.wait()
        finally:
            server.close()
            talking = asyncio.all_tasks() - {asyncio.current_task()}
            for task in talking:
                task.cancel()
            # Each waits until its connection is gone, so that nothing is left to a loop that is closed.
            if talking:
                await asyncio.wait(talking, timeout=_SECONDS)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _MOST_AT_ONCE:
                async with asyncio.timeout(_SECONDS):
                    await self._answer(reader, writer)
        except (TimeoutError, OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            writer.write(_response(431, _PLAIN, b"This request is too long.\n", whole=True))
        except asyncio.IncompleteReadError:
            return
        else:
            writer.write(self._response_to(head))
        await writer.drain()

    def _response_to(self, head: bytes) -> bytes:
        read = _REQUEST_LINE.fullmatch(head.split(b"\r\n", 1)[0])
        if read is None:
            return _response(400, _PLAIN, b"This is no request that prober understands.\n", whole=True)
        method, path = read[1], read[2].split(b"?")[0]
        whole = method != b"HEAD"
        if method not in (b"GET", b"HEAD"):
            return _response(405, _PLAIN, b"Only GET and HEAD are answered here.\n", whole=True)
        shown = self._shown
        if path == b"/metrics":
            if shown.alive_until is None:
                return _response(503, _PLAIN, b"The monitor has not begun yet.\n", whole=whole)
            return _response(200, CONTENT_TYPE, shown.metrics, whole=whole)
        if path == b"/healthz":
            if shown.alive_until is None:
                return _response(503, _PLAIN, b"The monitor has not begun yet.\n", whole=whole)
            if self._clock.utc() > shown.alive_until:
                return _response(503, _PLAIN, b"The monitor has been silent for too long.\n", whole=whole)
            return _response(200, _PLAIN, b"The monitor is alive.\n", whole=whole)
        return _response(404, _PLAIN, b"There are /metrics and /healthz.\n", whole=whole)


def _response(status: int, media_type: str, body: bytes, *, whole: bool) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_WORDS[status]}\r\n"
        f"Content-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        + ("Allow: GET, HEAD\r\n" if status == 405 else "")
        + "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    return head.encode() + (body if whole else b"")
