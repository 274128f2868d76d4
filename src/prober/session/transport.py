"""httpx over our own connections, kept from acting on anything that a server says."""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpcore
import httpx

from prober.session.dial import CURRENT, Attempt, Backend
from prober.session.proxy import Proxy

KEEPALIVE_SECONDS = 4.0
"""How long an idle connection is kept: less than the 5 s after which common servers close theirs."""

RAW_HEADERS = "prober.raw_headers"
"""The extension under which an answer's headers travel, out of httpx's sight."""


class Transport(httpx.AsyncBaseTransport):
    """One pool of connections; headers go past httpx, which would act on cookies, codings and redirects."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status, stream=_Body(answer), extensions={**answer.extensions, RAW_HEADERS: answer.headers}
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an httpcore answer as httpx reads it."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._answer.aiter_stream()

    async def aclose(self) -> None:
        await self._answer.aclose()


def pool_of(context: ssl.SSLContext | None, backend: Backend, proxy: Proxy | None) -> httpcore.AsyncConnectionPool:
    """Connections to one host, as many as are asked for at once: how many that may be is the door's affair.

    `context` may be missing where the host is asked in clear.
    """
    settings: dict[str, Any] = {
        "ssl_context": context,
        "network_backend": backend,
        "max_connections": None,
        "keepalive_expiry": KEEPALIVE_SECONDS,
    }
    if proxy is None:
        return _Pool(**settings)
    return _ProxyPool(proxy_url=proxy.url, proxy_auth=proxy.auth, **settings)


class _Held(httpcore.AsyncConnectionInterface):
    """A connection that knows which attempt holds it.

    httpcore forgets a connection whose request was cancelled at the wrong moment (between its assignment and its first
    use, or twice while it cleans up): the socket stays open and the pool keeps it for ever. The attempt that held it
    can `drop` it, and it alone.
    """

    def __init__(self, inner: httpcore.AsyncConnectionInterface) -> None:
        self._inner = inner
        self._entering = False
        self._used = False
        self._dropped = False
        self._hold()

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        if self._entering or self._dropped or (self._used and not self._inner.is_available()):
            raise httpcore.ConnectionNotAvailable
        self._used = self._entering = True
        self._hold()
        try:
            return await self._inner.handle_async_request(request)
        finally:
            self._entering = False

    async def drop(self, attempt: Attempt) -> None:
        if self._holder is attempt and not self._inner.is_available():
            self._dropped = True
            await self._inner.aclose()

    async def aclose(self) -> None:
        self._dropped = True
        await self._inner.aclose()

    def info(self) -> str:
        return self._inner.info()

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return self._inner.can_handle_request(origin)

    def is_available(self) -> bool:
        return not (self._entering or self._dropped) and self._inner.is_available()

    def has_expired(self) -> bool:
        return self._inner.has_expired()

    def is_idle(self) -> bool:
        return not self._entering and self._inner.is_idle()

    def is_closed(self) -> bool:
        return self._dropped or self._inner.is_closed()

    def _hold(self) -> None:
        self._holder = CURRENT.get()
        if self._holder is not None:
            self._holder.held = self


class _Pool(httpcore.AsyncConnectionPool):
    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return _Held(super().create_connection(origin))


class _ProxyPool(httpcore.AsyncHTTPProxy):
    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return _Held(super().create_connection(origin))
