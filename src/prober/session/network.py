"""The wire under prober's only door: one request out, one answer or one plainly named failure back."""

import asyncio
import logging
import re
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import cast

import anyio
import anyio.lowlevel
import httpcore
import httpx
from anyio.abc import ByteStream

from prober.clock import Clock
from prober.session.addresses import AddressBook, is_loopback_as_written, normal_name
from prober.session.bodies import Decoder, Gunzip, Plain, declared_length, decoder_for
from prober.session.dial import CURRENT, Attempt, Backend, Tap, dial, secure
from prober.session.lag import LoopLag, Watch
from prober.session.tls import ClientCertificate, facts_of, is_alert, probing_context, reason_of, request_context
from prober.session.wire import (
    Answer,
    Circumstances,
    FailureKind,
    Handshake,
    HandshakeOutcome,
    Headers,
    Limits,
    NetworkFailure,
    Timings,
    TlsFacts,
    WireRequest,
)

__all__ = [
    "Answer",
    "FailureKind",
    "Handshake",
    "HandshakeOutcome",
    "Limits",
    "Network",
    "NetworkFailure",
    "Streamed",
    "Timings",
    "TlsFacts",
    "WireRequest",
]

KEEPALIVE_SECONDS = 4.0
"""How long an idle connection is kept: less than the 5 s after which common servers close theirs."""

# RFC 9110, 5.1 and 5.5: what may stand in a method, a field name and a field value.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = frozenset({"host", "content-length", "transfer-encoding"})
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Network:
    """Every connection that prober makes. Used by one event loop; `close` it in the end.

    `ca_file` adds to the system's trust. `proxy` is the URL of an HTTP proxy. `resolve` answers for the names it lists
    instead of DNS. `named_hosts` are the hosts that the user named, which alone may lie at addresses that are not
    public, and which alone get to see the `client_certificate`. Raises ValueError for a file or proxy that cannot be
    used.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        user_agent: str,
        ca_file: str | None = None,
        proxy: str | None = None,
        resolve: Mapping[str, tuple[str, ...]] | None = None,
        named_hosts: Iterable[str] = (),
        allow_http: bool = False,
        client_certificate: ClientCertificate | None = None,
    ) -> None:
        for name in ("httpx", "httpcore"):
            # Their log lines hold whole URLs and headers, and no redaction would see them.
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._clock = clock
        self._user_agent = user_agent
        self._ca_file = ca_file
        self._certificate = client_certificate
        self._allow_http = allow_http
        self._book = AddressBook(resolve or {}, named_hosts)
        self._proxy = _Proxy(proxy, resolve or {}) if proxy is not None else None
        self._context = request_context(ca_file, None)
        self._named_context = request_context(ca_file, client_certificate) if client_certificate else self._context
        self._probing: dict[tuple[ssl.TLSVersion | None, bool, bool], ssl.SSLContext] = {}
        self._clients: dict[tuple[str, str, int], httpx.AsyncClient] = {}
        self._unverified: dict[tuple[str, int], TlsFacts] = {}
        self._lag = LoopLag()
        self._closed = False

    async def send(self, request: WireRequest, limits: Limits) -> Answer:
        """One request and its whole answer; redirects are answers like any other.

        Raises NetworkFailure.
        """
        return await self._whole(request, limits, clear=False)

    async def clear_request(self, host: str, port: int, path: str, limits: Limits) -> Answer:
        """A GET in clear without any credentials, whatever `allow_http` says: it asks whether the server minds.

        Raises NetworkFailure.
        """
        authority = f"[{normal_name(host)}]" if ":" in host else host
        return await self._whole(WireRequest("GET", f"http://{authority}:{port}{path}"), limits, clear=True)

    @asynccontextmanager
    async def stream(self, request: WireRequest, limits: Limits) -> AsyncIterator["Streamed"]:
        """The answer's head at once, its body in pieces as they come; leaving the block drops what was not read.

        Raises NetworkFailure, as does reading the pieces.
        """
        streamed = await self._open(request, limits, clear=False)
        try:
            yield streamed
        finally:
            await streamed.close()

    async def handshake(
        self, host: str, port: int, version: ssl.TLSVersion | None, *, verify: bool, limits: Limits
    ) -> Handshake:
        """Connects, offers exactly that TLS version (or what ordinary requests offer), and hangs up without any HTTP.

        Only the server's alert, reset or close after our hello is a refusal; what our own library refuses is a
        `local_error`. Raises NetworkFailure where nothing may be sent at all (`address_refused`) or a proxy stands in
        the way (`proxy`).
        """
        try:
            context = self._probing_context(host, version, verify=verify)
        except ValueError:
            return Handshake("local_error", "This machine's TLS library cannot offer that version at all.")
        shaken = await self._shake(host, port, limits, context=context)
        if shaken.outcome != "certificate_invalid":
            return shaken
        context = self._probing_context(host, version, verify=False)
        return replace(shaken, tls=(await self._shake(host, port, limits, context=context)).tls)

    async def connect(self, host: str, port: int, *, tls: bool, limits: Limits) -> Handshake:
        """Connects, with verified TLS if asked for, and hangs up. Raises NetworkFailure as `handshake` does."""
        context = self._probing_context(host, None, verify=True) if tls else None
        return await self._shake(host, port, limits, context=context)

    async def close(self) -> None:
        """Drops every connection; requests under way end as `reset`."""
        self._closed = True
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _whole(self, request: WireRequest, limits: Limits, *, clear: bool) -> Answer:
        streamed = await self._open(request, limits, clear=clear)
        try:
            body = await streamed.whole()
        finally:
            await streamed.close()
        return Answer(
            status=streamed.status,
            headers=streamed.headers,
            body=body,
            wire_bytes=streamed.wire_bytes,
            decoded_bytes=streamed.decoded_bytes,
            truncated=streamed.truncated,
            http_version=streamed.http_version,
            address=streamed.address,
            tls=streamed.tls,
            timings=streamed.timings,
            reused=streamed.reused,
        )

    async def _open(self, request: WireRequest, limits: Limits, *, clear: bool) -> "Streamed":
        attempt = Attempt(self._clock)
        watch = self._lag.begin()
        deadline = asyncio.get_running_loop().time() + limits.total_seconds
        tunnels = False
        failure: NetworkFailure
        try:
            async with asyncio.timeout_at(deadline):
                wire_request = self._prepared(request, limits, clear=clear)
                tunnels = self._proxy is not None and wire_request.url.scheme == "https"
                await self._check_proxied(wire_request.url)
                response = await self._head(wire_request, attempt)
                return Streamed(response, request.method, limits, attempt, deadline, self._lag, watch)
        except BaseException as error:
            lag = self._lag.end(watch)
            translated = _failure(error, limits, tunnelling=tunnels and attempt.tls is None and not attempt.secured)
            if translated is None:
                raise
            failure = translated
        circumstances = Circumstances(
            address=attempt.address,
            tls=attempt.facts,
            timings=attempt.timings(ended=self._clock.monotonic_us(), lag=lag),
            reused=attempt.reused,
        )
        if failure.kind == "certificate":
            facts = await self._facts_of_unverified(wire_request.url, limits, deadline)
            circumstances = replace(circumstances, tls=facts)
        raise failure.under(circumstances)

    def _prepared(self, request: WireRequest, limits: Limits, *, clear: bool) -> httpx.Request:
        if self._closed:
            raise NetworkFailure("reset", "The network has been closed.")
        url = _url_of(request.url)
        if url.scheme == "http" and not (clear or self._allow_http or is_loopback_as_written(url.host)):
            raise NetworkFailure(
                "address_refused", "Nothing is sent in clear to another machine unless --allow-http is given."
            )
        if not _TOKEN.fullmatch(request.method):
            raise NetworkFailure("protocol", "The request's method is not one that HTTP knows how to write.")
        present = {name.lower() for name, _ in request.headers}
        own = (("Accept-Encoding", "gzip"), ("User-Agent", self._user_agent))
        added = tuple(pair for pair in own if pair[0].lower() not in present)
        return httpx.Request(
            request.method,
            url,
            headers=_encoded(request.headers + added),
            content=request.body,
            extensions={
                "timeout": {
                    "connect": limits.connect_seconds,
                    "read": limits.read_seconds,
                    "write": limits.read_seconds,
                    "pool": limits.total_seconds,
                }
            },
        )

    async def _check_proxied(self, url: httpx.URL) -> None:
        """A proxy connects by name, so what the book can know about the name is checked before."""
        if self._proxy is None:
            return
        host = url.raw_host.decode("ascii")
        if self._book.is_given(host):
            raise NetworkFailure(
                "proxy", f"The name {host} is given an address by --resolve, but the proxy resolves names itself."
            )
        if self._book.is_named(host):
            return
        try:
            await self._book.permitted(host)
        except NetworkFailure as failure:
            if failure.kind != "dns":
                raise
            raise NetworkFailure(
                "address_refused",
                f"The name {host} resolves only behind the proxy, so its address cannot be checked; "
                "allow_hosts in the provider file permits it.",
            ) from None

    async def _head(self, request: httpx.Request, attempt: Attempt) -> httpx.Response:
        token = CURRENT.set(attempt)
        try:
            response = await self._client(request.url).send(request, auth=None, stream=True, follow_redirects=False)
        finally:
            CURRENT.reset(token)
        if self._proxy is not None and request.url.scheme == "http" and response.status_code == 407:
            await response.aclose()
            raise NetworkFailure("proxy", "The proxy wants credentials that it was not given.")
        return response

    def _client(self, url: httpx.URL) -> httpx.AsyncClient:
        key = (url.scheme, url.raw_host.decode("ascii"), _port_of(url))
        if key not in self._clients:
            self._clients[key] = httpx.AsyncClient(transport=self._transport(key[1]), trust_env=False)
        return self._clients[key]

    def _transport(self, host: str) -> "_Transport":
        context = self._named_context if self._book.is_named(host) else self._context
        if self._proxy is None:
            return _Transport(
                httpcore.AsyncConnectionPool(
                    ssl_context=context,
                    max_connections=None,
                    keepalive_expiry=KEEPALIVE_SECONDS,
                    network_backend=Backend(self._book),
                )
            )
        return _Transport(
            httpcore.AsyncHTTPProxy(
                proxy_url=self._proxy.url,
                proxy_auth=self._proxy.auth,
                ssl_context=context,
                max_connections=None,
                keepalive_expiry=KEEPALIVE_SECONDS,
                network_backend=Backend(self._proxy.book, to_proxy=True),
            )
        )

    def _probing_context(self, host: str, version: ssl.TLSVersion | None, *, verify: bool) -> ssl.SSLContext:
        named = self._book.is_named(host) and verify
        key = (version, verify, named)
        if key not in self._probing:
            certificate = self._certificate if named else None
            self._probing[key] = probing_context(version, verify=verify, ca_file=self._ca_file, certificate=certificate)
        return self._probing[key]

    async def _facts_of_unverified(self, url: httpx.URL, limits: Limits, deadline: float) -> TlsFacts | None:
        """What a server with an unacceptable certificate shows to a client that accepts any; asked once per port."""
        host, port = url.raw_host.decode("ascii"), _port_of(url)
        if (host, port) not in self._unverified:
            left = deadline - asyncio.get_running_loop().time()
            context = self._probing_context(host, None, verify=False)
            with suppress(NetworkFailure):
                shown = await self._shake(host, port, replace(limits, total_seconds=max(0.0, left)), context=context)
                if shown.tls is not None:
                    self._unverified[host, port] = shown.tls
        return self._unverified.get((host, port))

    async def _shake(self, host: str, port: int, limits: Limits, *, context: ssl.SSLContext | None) -> Handshake:
        attempt = Attempt(self._clock)
        watch = self._lag.begin()
        ended = Handshake("timed_out", f"The handshake with {host} took more than {limits.total_seconds:g} seconds.")
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(limits.total_seconds):
                    ended = await self._shaken(host, port, limits, context, attempt)
        finally:
            lag = self._lag.end(watch)
        timings = attempt.timings(ended=self._clock.monotonic_us(), lag=lag)
        return replace(ended, address=attempt.address, timings=timings)

    async def _shaken(
        self, host: str, port: int, limits: Limits, context: ssl.SSLContext | None, attempt: Attempt
    ) -> Handshake:
        if self._closed:
            return Handshake("local_error", "The network has been closed.")
        try:
            stream = await self._dialled(host, port, limits, attempt)
        except NetworkFailure as failure:
            if failure.kind in ("address_refused", "proxy"):
                raise
            slow = failure.kind == "connect_timeout"
            return Handshake("timed_out" if slow else "unreachable", failure.message)
        if context is None:
            await stream.aclose()
            return Handshake("accepted", f"The host {host} takes connections at port {port}.")
        return await _shake_hands(stream, context, host, limits, attempt)

    async def _dialled(self, host: str, port: int, limits: Limits, attempt: Attempt) -> ByteStream:
        if self._proxy is None:
            return await dial(self._book, normal_name(host), port, limits.connect_seconds, attempt)
        authority = f"[{normal_name(host)}]" if ":" in host else normal_name(host)
        await self._check_proxied(httpx.URL(f"https://{authority}:{port}"))
        return await self._proxy.tunnel(authority, port, limits, attempt)


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
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.extensions["raw_headers"]
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
        decoder.finish()

    async def _next(self, raw: AsyncIterator[bytes]) -> bytes | None:
        failure: NetworkFailure
        try:
            async with asyncio.timeout_at(self._deadline):
                return await anext(raw, None)
        except Exception as error:
            translated = _failure(error, self._limits, head_arrived=True)
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
        return NetworkFailure("too_large", f"The answer's body is larger than {self._limits.wire_bytes} bytes.")

    def _too_expanded(self) -> NetworkFailure:
        most = self._limits.decoded_bytes
        return NetworkFailure("too_expanded", f"The answer's body inflates to more than {most} bytes.")


class _Transport(httpx.AsyncBaseTransport):
    """httpx over our own pool; headers go past httpx, which would act on cookies, codings and redirects."""

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
            answer.status, stream=_Body(answer), extensions={**answer.extensions, "raw_headers": answer.headers}
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


class _Proxy:
    """An HTTP proxy, whose own address counts as named."""

    def __init__(self, text: str, resolve: Mapping[str, tuple[str, ...]]) -> None:
        try:
            parsed = httpx.Proxy(text)
        except (httpx.InvalidURL, ValueError):
            raise ValueError("The proxy is not given as a URL like http://proxy.example:3128.") from None
        if parsed.url.scheme != "http" or not parsed.url.host:
            raise ValueError("The proxy is not given as a URL like http://proxy.example:3128.")
        self._host, self._port = parsed.url.raw_host.decode("ascii"), _port_of(parsed.url)
        self.url = httpcore.URL(scheme=b"http", host=parsed.url.raw_host, port=self._port, target=b"/")
        self.auth = parsed.raw_auth
        self.book = AddressBook(resolve, [self._host])

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
        raise NetworkFailure("proxy", _proxy_words(status))

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


def _proxy_words(status: int | None) -> str:
    if status is None:
        return "The proxy did not answer the request for a tunnel in time or in HTTP."
    if status == 407:
        return "The proxy wants credentials that it was not given."
    return f"The proxy refused a tunnel with status {status}."


async def _shake_hands(
    stream: ByteStream, context: ssl.SSLContext, host: str, limits: Limits, attempt: Attempt
) -> Handshake:
    tap = Tap(stream)
    try:
        secured = await secure(tap, context, normal_name(host), limits.connect_seconds, attempt)
    except TimeoutError:
        return Handshake("timed_out", f"The TLS handshake with {host} did not end in time.")
    except ssl.SSLCertVerificationError as error:
        return Handshake(
            "certificate_invalid",
            f"The certificate of {host} is not accepted: {error.verify_message.rstrip('.')}.",
            verify_code=error.verify_code,
            verify_message=error.verify_message,
        )
    except ssl.SSLError as error:
        if tap.spoke and is_alert(error, tap.first_byte):
            return Handshake("refused_by_server", f"The host {host} refused with an alert ({reason_of(error)}).")
        return Handshake("local_error", f"This machine's TLS library ended the handshake ({reason_of(error)}).")
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        if tap.spoke:
            return Handshake("refused_by_server", f"The host {host} hung up on the TLS hello.")
        return Handshake("unreachable", f"The host {host} hung up before it had heard anything.")
    except ValueError:
        return Handshake("local_error", "The host's name cannot be used in a TLS handshake.")
    facts = facts_of(secured)
    await secured.aclose()
    return Handshake("accepted", f"The host {host} accepted {facts.version}.", tls=facts)


def _failure(
    error: BaseException, limits: Limits, *, tunnelling: bool = False, head_arrived: bool = False
) -> NetworkFailure | None:
    """The plain name of what went wrong, or None for what is no affair of the network: cancellation and bugs."""
    failure: NetworkFailure
    match error:
        case NetworkFailure():
            failure = error
        case TimeoutError():
            return NetworkFailure("total_timeout", f"The whole took more than {limits.total_seconds:g} seconds.")
        case httpcore.ProxyError():
            status = re.match(r"[0-9]{3}", str(error))
            return NetworkFailure("proxy", _proxy_words(int(status[0]) if status else None))
        case httpcore.RemoteProtocolError():
            failure = _broken_rules(str(error), head_arrived=head_arrived)
        case httpcore.LocalProtocolError():
            failure = NetworkFailure("protocol", "The request cannot be written as HTTP.")
        case _:
            return None
    if tunnelling and failure.kind in ("read_timeout", "reset", "protocol", "headers_too_large"):
        return NetworkFailure("proxy", f"The proxy failed to open a tunnel. {failure.message}")
    return failure


def _broken_rules(said: str, *, head_arrived: bool) -> NetworkFailure:
    """What h11 and httpcore say about a server's HTTP, told without the bytes that they quote."""
    if said.startswith("Server disconnected"):
        return NetworkFailure("reset", "The server closed the connection without any answer.")
    if said.startswith("Receive buffer too long") and not head_arrived:
        return NetworkFailure("headers_too_large", "The answer's head is larger than 100 KiB.")
    if said.startswith("peer closed connection"):
        return NetworkFailure("protocol", "The server closed the connection before the whole body had come.")
    return NetworkFailure("protocol", "The server's answer is not valid HTTP/1.1.")


def _url_of(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        raise NetworkFailure("protocol", "The URL cannot be read as one.") from None
    if url.scheme not in ("http", "https"):
        raise NetworkFailure("protocol", "The URL is neither http nor https.")
    if not 0 < len(url.raw_host) <= 253 or not 0 < _port_of(url) < 65536:
        raise NetworkFailure("protocol", "The URL names no host and port that could exist.")
    if url.userinfo:
        raise NetworkFailure("protocol", "The URL carries a user name or password, which prober never sends.")
    return url


def _port_of(url: httpx.URL) -> int:
    return url.port if url.port is not None else {"http": 80, "https": 443}[url.scheme]


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise NetworkFailure("protocol", "A request header cannot be written as HTTP.")
        if name.lower() in _FRAMING:
            raise NetworkFailure("protocol", f"The header {name} is written by the network itself.")
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]
