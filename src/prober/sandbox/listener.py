"""uvicorn inside a thread: accepts connections, clear or TLS, and ends at once when told to."""

import asyncio
import contextlib
import socket
import ssl
import threading

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from prober.sandbox.app import Application

_READY_SECONDS = 10.0
_TLS_HANDSHAKE = 0x16
"""The first byte of every TLS connection (RFC 8446, section 5.1, ContentType handshake)."""


class _Connection(H11Protocol):
    """An HTTP/1.1 connection that hands its transport to the application, which may have to reset it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Listener(uvicorn.Server):
    """A uvicorn server for one bound socket; `either` lets a TLS port answer unencrypted requests as well."""

    def __init__(
        self,
        application: Application,
        listening: socket.socket,
        context: ssl.SSLContext | None,
        either: bool,
        dated: bool = True,
    ) -> None:
        config = uvicorn.Config(
            application,
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=dated,
            proxy_headers=False,
            timeout_keep_alive=30,
        )
        config.load()
        config.ssl = context
        super().__init__(config)
        self._socket = listening
        self._either = either
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._problem: BaseException | None = None
        self._accepting: asyncio.Task[None] | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until `stop`; made to be the target of a thread."""
        try:
            asyncio.run(self.serve(sockets=[self._socket]))
        except BaseException as problem:
            self._problem = problem
        finally:
            self._ready.set()

    def wait_until_ready(self) -> None:
        """Returns when connections are accepted; raises what kept the server from starting."""
        if not self._ready.wait(_READY_SECONDS):
            raise TimeoutError("The sandbox did not start in time.")
        if self._problem is not None:
            raise self._problem

    def stop(self) -> None:
        """Asks the server, from any thread, to drop every connection and end."""
        if self._loop is not None and self._end is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._end.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        # Hostile and hurried clients break connections in every way; none of that is news for the console.
        self._loop.set_exception_handler(lambda loop, context: None)
        if self._either:
            self._socket.listen(128)
            self._socket.setblocking(False)
            self.servers = []
            self._accepting = self._loop.create_task(self._accept_either())
            self.started = True
        else:
            await super().startup(sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        assert self._end is not None
        seconds = 0
        while not self._end.is_set():
            await self.on_tick(10 * seconds)
            seconds += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept_either(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            accepted, _ = await loop.sock_accept(self._socket)
            # uvicorn's set of tasks keeps this one alive until it is done.
            task = loop.create_task(self._enter(accepted))
            self.server_state.tasks.add(task)
            task.add_done_callback(self.server_state.tasks.discard)

    async def _enter(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        accepted.setblocking(False)
        try:
            first = await _first_byte(loop, accepted)
            context = self.config.ssl if first == _TLS_HANDSHAKE else None
            await loop.connect_accepted_socket(
                lambda: _Connection(self.config, self.server_state, {}), accepted, ssl=context
            )
        except OSError:
            accepted.close()
        except asyncio.CancelledError:
            accepted.close()
            raise


async def _first_byte(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> int | None:
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    return next(iter(connection.recv(1, socket.MSG_PEEK)), None)
