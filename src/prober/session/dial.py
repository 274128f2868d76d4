"""How a connection comes about: resolved once, checked, dialled by number, secured, and timed on the way."""

import asyncio
import errno
import select
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
import httpcore
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from prober.clock import Clock
from prober.session.addresses import AddressBook
from prober.session.tls import facts_of, reason_of
from prober.session.wire import NetworkFailure, Timings, TlsFacts

MOST_ADDRESSES = 4
"""How many addresses of one host are tried before giving up."""

MOST_HEAD_BYTES = 256 * 1024
"""Bytes read before the answer's head is complete, interim answers included; one head alone may hold 100 KiB (h11)."""


class Held(Protocol):
    """A connection in use."""

    async def drop(self, attempt: "Attempt") -> None:
        """Closes the connection if this attempt still holds it."""


@dataclass
class Attempt:
    """What one request met on its way, noted by the connection that carries it."""

    clock: Clock
    begun: int = field(init=False)
    dns: int | None = None
    connect: int | None = None
    tls: int | None = None
    sent_from: int | None = None
    sent_to: int | None = None
    first_byte: int | None = None
    address: str | None = None
    facts: TlsFacts | None = None
    dialled: bool = False
    secured: bool = False
    head_bytes: int = 0
    held: Held | None = None

    def __post_init__(self) -> None:
        self.begun = self.clock.monotonic_us()

    @property
    def reused(self) -> bool:
        """Whether the request went out on a connection that had served before."""
        return self.sent_from is not None and not self.dialled

    def forget_exchange(self) -> None:
        """What went before was between prober and its proxy."""
        self.sent_from = self.sent_to = self.first_byte = None
        self.head_bytes = 0

    async def drop(self) -> None:
        """Closes the connection that this attempt holds, if any. Its socket is closed before the first wait."""
        if self.held is not None:
            await self.held.drop(self)

    def timings(self, *, ended: int | None = None, body_ended: int | None = None, lag: int | None = None) -> Timings:
        return Timings(
            dns=self.dns,
            connect=self.connect,
            tls=self.tls,
            send=_between(self.sent_from, self.sent_to),
            first_byte=_between(self.sent_to, self.first_byte),
            body=_between(self.first_byte, body_ended),
            total=_between(self.begun, ended),
            loop_lag=lag,
        )


CURRENT: ContextVar[Attempt | None] = ContextVar("CURRENT", default=None)
"""The attempt on whose behalf this task is using a connection."""


async def dial(book: AddressBook, host: str, port: int, seconds: float, attempt: Attempt) -> ByteStream:
    """A TCP connection to the first of the host's permitted addresses that takes it.

    Raises NetworkFailure: dns, address_refused, refused, connect_timeout.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    begun, looks_up = attempt.clock.monotonic_us(), book.needs_lookup(host)
    try:
        async with asyncio.timeout_at(deadline):
            addresses = await book.permitted(host)
    except TimeoutError:
        raise NetworkFailure("dns", f"The name {host} was not resolved within {seconds:g} seconds.") from None
    finally:
        if looks_up:
            attempt.dns = attempt.clock.monotonic_us() - begun
    return await _first_open(addresses[:MOST_ADDRESSES], host, port, deadline, attempt)


async def _first_open(
    addresses: tuple[str, ...], host: str, port: int, deadline: float, attempt: Attempt
) -> ByteStream:
    loop = asyncio.get_running_loop()
    troubles: list[int | None] = []
    for position, address in enumerate(addresses):
        share = max(0.0, deadline - loop.time()) / (len(addresses) - position)
        attempt.address = address
        begun = attempt.clock.monotonic_us()
        try:
            async with asyncio.timeout(share):
                return await anyio.connect_tcp(address, port)
        except TimeoutError:
            troubles.append(errno.ETIMEDOUT)
        except OSError as error:
            troubles.append(_errno_of(error))
        finally:
            attempt.connect = attempt.clock.monotonic_us() - begun
    if all(trouble == errno.ECONNREFUSED for trouble in troubles):
        raise NetworkFailure("refused", f"The host {host} refuses connections at port {port}.")
    if errno.ETIMEDOUT in troubles:
        raise NetworkFailure("connect_timeout", f"The host {host} did not take a connection at port {port} in time.")
    # Neither a refusal nor silence: no route, or this machine's own limits. It says nothing about the server.
    words = errno.errorcode.get(next((trouble for trouble in troubles if trouble), 0) or 0, "an unknown error")
    raise NetworkFailure("connect_timeout", f"No connection to {host} at port {port} could be opened ({words}).")


async def secure(
    stream: ByteStream, context: ssl.SSLContext, host: str, seconds: float | None, attempt: Attempt
) -> TLSStream:
    """TLS over this stream, which is closed on any failure.

    Raises TimeoutError, ssl.SSLError (SSLCertVerificationError among them), anyio.EndOfStream or
    anyio.BrokenResourceError (the server closed or reset the connection), ValueError (a name unfit for TLS).
    """
    begun = attempt.clock.monotonic_us()
    try:
        async with asyncio.timeout(seconds):
            return await TLSStream.wrap(stream, hostname=host, ssl_context=context, standard_compatible=False)
    except BaseException:
        await stream.aclose()
        raise
    finally:
        attempt.tls = attempt.clock.monotonic_us() - begun


class Tap(ByteStream):
    """A connection that remembers whether anything went out, and how the server's first word began."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.spoke = False
        self.first_byte: int | None = None

    async def receive(self, max_bytes: int = 65536) -> bytes:
        data = await self._stream.receive(max_bytes)
        if self.first_byte is None and data:
            self.first_byte = data[0]
        return data

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)
        self.spoke = True

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._stream.extra_attributes


class Wire(httpcore.AsyncNetworkStream):
    """One connection as httpcore uses it: tells the current attempt what happens, and says plainly what went wrong."""

    def __init__(self, stream: ByteStream, address: str, facts: TlsFacts | None = None) -> None:
        self._stream = stream
        self.address = address
        self.facts = facts

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        attempt = CURRENT.get()
        try:
            async with asyncio.timeout(timeout):
                data = await self._stream.receive(max_bytes)
        except TimeoutError:
            raise NetworkFailure("read_timeout", f"The server sent nothing for {timeout:g} seconds.") from None
        except anyio.EndOfStream:
            return b""
        except ssl.SSLError as error:
            raise NetworkFailure("tls", f"The server broke off inside TLS ({reason_of(error)}).") from None
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            raise NetworkFailure("reset", "The connection was reset before the answer was complete.") from None
        if attempt is not None:
            if attempt.first_byte is None:
                attempt.first_byte = attempt.clock.monotonic_us()
            attempt.head_bytes += len(data)
            if attempt.head_bytes > MOST_HEAD_BYTES:
                raise NetworkFailure("headers_too_large", "The answer's head never came to an end.")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        attempt = CURRENT.get()
        if attempt is not None:
            attempt.address, attempt.facts, attempt.secured = self.address, self.facts, self.facts is not None
            if attempt.sent_from is None:
                attempt.sent_from = attempt.clock.monotonic_us()
        try:
            async with asyncio.timeout(timeout):
                await self._stream.send(buffer)
        except TimeoutError:
            raise NetworkFailure("read_timeout", f"The server took no data for {timeout:g} seconds.") from None
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            # httpcore then still reads the answer that a server may have sent before it closed.
            raise httpcore.WriteError from None
        finally:
            if attempt is not None:
                attempt.sent_to = attempt.clock.monotonic_us()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "Wire":
        attempt = CURRENT.get()
        if attempt is None or server_hostname is None:
            raise RuntimeError("A connection is secured for a request and a host, or not at all.")
        attempt.forget_exchange()
        stream = await _secured_for_request(self._stream, ssl_context, server_hostname, timeout, attempt)
        return Wire(stream, self.address, facts_of(stream))

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - anyio's, not Django's
        if info == "is_readable":
            return _is_readable(self._stream.extra(SocketAttribute.raw_socket))  # noqa: S610 - anyio's, not Django's
        return None


class Backend(httpcore.AsyncNetworkBackend):
    """Where httpcore gets its connections: always to an address that the book permits."""

    def __init__(self, book: AddressBook, *, to_proxy: bool = False) -> None:
        self._book = book
        self._to_proxy = to_proxy

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Wire:
        attempt = CURRENT.get()
        if attempt is None or timeout is None:
            raise RuntimeError("A connection is opened for a request, within its limits, or not at all.")
        attempt.dialled = True
        try:
            stream = await dial(self._book, host, port, timeout, attempt)
        except NetworkFailure as failure:
            if self._to_proxy:
                raise NetworkFailure("proxy", f"The proxy cannot be reached. {failure.message}") from None
            raise
        return Wire(stream, attempt.address or "")


async def _secured_for_request(
    stream: ByteStream, context: ssl.SSLContext, host: str, seconds: float | None, attempt: Attempt
) -> TLSStream:
    try:
        return await secure(stream, context, host, seconds, attempt)
    except TimeoutError:
        raise NetworkFailure("connect_timeout", f"The TLS handshake with {host} did not end in time.") from None
    except ssl.SSLCertVerificationError as error:
        raise NetworkFailure(
            "certificate",
            f"The certificate of {host} is not accepted: {error.verify_message.rstrip('.')}.",
            verify_code=error.verify_code,
            verify_message=error.verify_message,
        ) from None
    except ssl.SSLError as error:
        raise NetworkFailure("tls", f"The TLS handshake with {host} failed ({reason_of(error)}).") from None
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        raise NetworkFailure("reset", f"The host {host} broke off during the TLS handshake.") from None
    except ValueError:
        raise NetworkFailure("tls", "The host's name cannot be used in a TLS handshake.") from None


def _between(begun: int | None, ended: int | None) -> int | None:
    return None if begun is None or ended is None else max(0, ended - begun)


def _errno_of(error: BaseException) -> int | None:
    """The first error number in this error, its causes and its parts."""
    for each in _with_causes(error):
        if isinstance(each, OSError) and each.errno is not None:
            return each.errno
    return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _with_causes(part)
    if error.__cause__ is not None:
        yield from _with_causes(error.__cause__)


def _is_readable(connection: socket.socket) -> bool:
    """Whether an idle connection has something to read: the server's goodbye, since nothing was asked."""
    handle = connection.fileno()
    if handle < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([handle], [], [], 0)[0])
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))
