"""httpx over our own connections, kept from acting on anything that a server says."""

from collections.abc import AsyncIterator

import httpcore
import httpx

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
