"""An answer while it comes in: its head at once, its body in counted, capped and decoded pieces."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import cast

import anyio.lowlevel
import httpx

from prober.session.bodies import Decoder, Gunzip, Plain, declared_length, decoder_for
from prober.session.dial import Attempt
from prober.session.failures import failure_of
from prober.session.lag import LoopLag, Watch
from prober.session.transport import RAW_HEADERS
from prober.session.wire import Circumstances, Headers, Limits, NetworkFailure


class Streamed:
    """An answer whose body is still on the wire; its counts, truncation and timings are final once it has been read."""

    def __init__(
        self,
        response: httpx.Response,
        method: str,
        limits: Limits,
        attempt: Attempt,
        deadline: float,
        lag: LoopLag,
        watch: Watch,
    ) -> None:
        self.status = response.status_code
        self.headers: Headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.extensions[RAW_HEADERS]
        )
        self.http_version = response.http_version
        self.address = attempt.address or ""
        self.tls = attempt.facts
        self.reused = attempt.reused
        self.wire_bytes = 0
        self.decoded_bytes = 0
        self.truncated = False
        self.timings = attempt.timings()
        self._response = response
        self._has_body = method.upper() != "HEAD" and self.status not in (204, 304)
        self._limits = limits
        self._attempt = attempt
        self._deadline = deadline
        self._lag = lag
        self._watch = watch
        self._kept: list[bytes] | None = None
        self._complete = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The decoded body in pieces of at most 64 KiB. To be read once.

        Raises NetworkFailure.
        """
        try:
            async with aclosing(self._decoded()) as pieces:
                async for piece in pieces:
                    yield piece
        except NetworkFailure as failure:
            self._end()
            raise failure.under(self._circumstances()) from None
        finally:
            self._end()

    async def whole(self) -> bytes:
        """The decoded body, all of it or as much as `stop_after` asks for. Raises NetworkFailure."""
        if self._limits.stop_after is not None or self._coding_is_plain():
            return b"".join([piece async for piece in self.chunks()])
        # Inflated twice: first only to measure, so that a bomb is found out before any of it is kept.
        self._kept = []
        async for _ in self.chunks():
            pass
        again = Gunzip()
        return b"".join(piece for data in self._kept for piece in again.feed(data))

    async def close(self) -> None:
        """Gives the connection back, or drops it if there was more to read. Closing twice is harmless."""
        self._end()
        try:
            if not self._complete:
                await self._attempt.drop()
        finally:
            await self._response.aclose()

    def _coding_is_plain(self) -> bool:
        with suppress(NetworkFailure):
            return isinstance(self._decoder(), Plain)
        return True

    def _decoder(self) -> Decoder:
        return decoder_for(self.headers) if self._has_body else Plain()

    async def _decoded(self) -> AsyncGenerator[bytes, None]:
        decoder, stop = self._decoder(), self._limits.stop_after
        declared = declared_length(self.headers) if isinstance(decoder, Plain) and self._has_body else None
        if declared is not None and stop is None and declared > self._limits.wire_bytes:
            raise self._too_large()
        async with aclosing(cast(AsyncGenerator[bytes, None], self._response.aiter_raw())) as raw:
            while (data := await self._next(raw)) is not None:
                self.wire_bytes += len(data)
                if self.wire_bytes > self._limits.wire_bytes:
                    raise self._too_large()
                if self._kept is not None:
                    self._kept.append(data)
                for piece in decoder.feed(data):
                    self.decoded_bytes += len(piece)
                    over = self.decoded_bytes - stop if stop is not None else -1
                    if over > 0 or (over == 0 and declared != self.wire_bytes):
                        self.decoded_bytes -= over
                        self.truncated = True
                        yield piece[: len(piece) - over]
                        return
                    if self.decoded_bytes > self._limits.decoded_bytes:
                        raise self._too_large() if isinstance(decoder, Plain) else self._too_expanded()
                    yield piece
                    await anyio.lowlevel.checkpoint()
        self._complete = True
        decoder.finish()

    async def _next(self, raw: AsyncIterator[bytes]) -> bytes | None:
        failure: NetworkFailure
        try:
            async with asyncio.timeout_at(self._deadline):
                return await anext(raw, None)
        except Exception as error:
            translated = failure_of(error, self._limits, spoke=True, head_arrived=True)
            if translated is None:
                raise
            failure = translated
        # Outside the except clause: httpcore's own errors quote headers and must not hang on to this one.
        raise failure

    def _end(self) -> None:
        ended = self._attempt.clock.monotonic_us()
        if self.timings.total is None:
            lag = self._lag.end(self._watch)
            self.timings = self._attempt.timings(ended=ended, body_ended=ended, lag=lag)

    def _circumstances(self) -> Circumstances:
        return Circumstances(self.address, self.tls, self.timings, self.status, self.headers, self.reused)

    def _too_large(self) -> NetworkFailure:
        return NetworkFailure("too_large", "The answer's body is larger than prober reads.")

    def _too_expanded(self) -> NetworkFailure:
        most = self._limits.decoded_bytes
        return NetworkFailure("too_expanded", f"The answer's body inflates to more than {most} bytes.")
