"""The proxy of a hospital's network: how to reach it, and a tunnel through it."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Mapping

import anyio
import httpcore
import httpx
from anyio.abc import ByteStream

from prober.session.addresses import AddressBook, Lookup
from prober.session.dial import Attempt, dial
from prober.session.failures import proxy_words
from prober.session.wire import Limits, NetworkFailure


class Proxy:
    """An HTTP proxy, whose own address counts as named."""

    def __init__(self, text: str, resolve: Mapping[str, tuple[str, ...]], lookup: Lookup) -> None:
        try:
            parsed = httpx.Proxy(text)
        except (httpx.InvalidURL, ValueError):
            raise ValueError("The proxy is not given as a URL like http://proxy.example:3128.") from None
        if parsed.url.scheme != "http" or not parsed.url.host:
            raise ValueError("The proxy is not given as a URL like http://proxy.example:3128.")
        self._host, self._port = parsed.url.raw_host.decode("ascii"), parsed.url.port or 80
        self.url = httpcore.URL(scheme=b"http", host=parsed.url.raw_host, port=self._port, target=b"/")
        self.auth = parsed.raw_auth
        self.book = AddressBook(resolve, [self._host], lookup)

    async def tunnel(self, host: str, port: int, limits: Limits, attempt: Attempt) -> ByteStream:
        """A connection through the proxy to that host (RFC 9110, 9.3.6). Raises NetworkFailure `proxy`."""
        try:
            stream = await dial(self.book, self._host, self._port, limits.connect_seconds, attempt)
        except NetworkFailure as failure:
            raise NetworkFailure("proxy", f"The proxy cannot be reached. {failure.message}") from None
        try:
            async with asyncio.timeout(limits.read_seconds):
                await stream.send(self._ask(f"{host}:{port}"))
                status = _status_of(await _head_of(stream))
        except (TimeoutError, OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            status = None
        except BaseException:
            await stream.aclose()
            raise
        if status is not None and 200 <= status < 300:
            return stream
        await stream.aclose()
        raise NetworkFailure("proxy", proxy_words(status))

    def _ask(self, authority: str) -> bytes:
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if self.auth is not None:
            lines.append(f"Proxy-Authorization: Basic {b64encode(b':'.join(self.auth)).decode('ascii')}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _head_of(stream: ByteStream) -> bytes:
    """What the proxy says up to the empty line; not a byte further, or at most 16 KiB."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < 16 * 1024:
        head += await stream.receive(1)
    return head


def _status_of(head: bytes) -> int | None:
    found = re.match(rb"HTTP/1\.[01] ([0-9]{3})", head)
    return int(found[1]) if found else None
