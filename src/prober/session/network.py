"""The wire under prober's only door: one request out, one answer or one plainly named failure back."""

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx
from anyio.abc import ByteStream

from prober.clock import Clock
from prober.session.addresses import AddressBook, Lookup, is_loopback_as_written, normal_name, system_lookup
from prober.session.dial import CURRENT, Attempt, Backend, dial
from prober.session.failures import failure_of
from prober.session.handshakes import shake_hands
from prober.session.lag import LoopLag
from prober.session.proxy import Proxy
from prober.session.streamed import Streamed
from prober.session.tls import ClientCertificate, probing_context, request_context
from prober.session.transport import Transport, pool_of
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

# RFC 9110, 5.1 and 5.5: what may stand in a method, a field name and a field value.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = frozenset({"host", "content-length", "transfer-encoding"})
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Network:
    """Every connection that prober makes. Used by one event loop; `close` it in the end.

    `ca_file` adds to the system's trust. `proxy` is the URL of an HTTP proxy. `resolve` answers for the names it lists
    instead of DNS. `named_hosts` are the hosts that the user named, which alone may lie at addresses that are not
    public, and which alone get to see the `client_certificate`. `lookup` is asked for all other names.

    Raises ValueError for a file, proxy or address that cannot be used.
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
        lookup: Lookup = system_lookup,
    ) -> None:
        for name in ("httpx", "httpcore"):
            # Their log lines hold whole URLs and headers, and no redaction would see them.
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._clock = clock
        self._user_agent = user_agent
        self._ca_file = ca_file
        self._certificate = client_certificate
        self._allow_http = allow_http
        self._book = AddressBook(resolve or {}, named_hosts, lookup)
        self._proxy = Proxy(proxy, resolve or {}, lookup) if proxy is not None else None
        self._contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
        if ca_file is not None or client_certificate is not None:
            # A file that cannot be used is told now; the system's trust alone takes long to read and waits for https.
            self._trust()
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
    async def stream(self, request: WireRequest, limits: Limits) -> AsyncIterator[Streamed]:
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
        `local_error`. Where the certificate is not accepted, a second handshake that takes any tells what it was.
        Raises NetworkFailure where nothing may be sent at all (`address_refused`) or a proxy stands in
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

    async def _open(self, request: WireRequest, limits: Limits, *, clear: bool) -> Streamed:
        if request.url[:6].lower() == "https:":
            # Before the attempt begins: the time that this takes is not the server's.
            self._trust()
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
            await attempt.drop()
            translated = failure_of(
                error,
                limits,
                spoke=attempt.first_byte is not None,
                head_arrived=False,
                tunnelling=tunnels and attempt.tls is None and not attempt.secured,
            )
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
        if url.scheme == "http" and not (clear or self._allow_http or is_loopback_as_written(_host_of(url))):
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
        host = _host_of(url)
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
        key = (url.scheme, _host_of(url), _port_of(url))
        if key not in self._clients:
            self._clients[key] = httpx.AsyncClient(transport=self._transport(*key[:2]), trust_env=False)
        return self._clients[key]

    def _transport(self, scheme: str, host: str) -> Transport:
        context = self._trust()[self._book.is_named(host)] if scheme == "https" else None
        backend = Backend(self._proxy.book, to_proxy=True) if self._proxy is not None else Backend(self._book)
        return Transport(pool_of(context, backend, self._proxy))

    def _trust(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """The contexts for ordinary requests: to hosts that the user did not name, and to those that were named."""
        if self._contexts is None:
            plain = request_context(self._ca_file, None)
            named = request_context(self._ca_file, self._certificate) if self._certificate else plain
            self._contexts = (plain, named)
        return self._contexts

    def _probing_context(self, host: str, version: ssl.TLSVersion | None, *, verify: bool) -> ssl.SSLContext:
        named = self._book.is_named(host) and verify
        key = (version, verify, named)
        if key not in self._probing:
            certificate = self._certificate if named else None
            self._probing[key] = probing_context(version, verify=verify, ca_file=self._ca_file, certificate=certificate)
        return self._probing[key]

    async def _facts_of_unverified(self, url: httpx.URL, limits: Limits, deadline: float) -> TlsFacts | None:
        """What a server with an unacceptable certificate shows to a client that accepts any; asked once per port."""
        host, port = _host_of(url), _port_of(url)
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
        return await shake_hands(stream, context, host, limits, attempt)

    async def _dialled(self, host: str, port: int, limits: Limits, attempt: Attempt) -> ByteStream:
        if self._proxy is None:
            return await dial(self._book, normal_name(host), port, limits.connect_seconds, attempt)
        authority = f"[{normal_name(host)}]" if ":" in host else normal_name(host)
        await self._check_proxied(httpx.URL(f"https://{authority}:{port}"))
        return await self._proxy.tunnel(authority, port, limits, attempt)


def _url_of(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
        named = url.host
    except (httpx.InvalidURL, UnicodeError):  # the latter from `host`, for a name that is not what xn-- promises
        raise NetworkFailure("protocol", "The URL cannot be read as one.") from None
    if url.scheme not in ("http", "https"):
        raise NetworkFailure("protocol", "The URL is neither http nor https.")
    if not named or len(url.raw_host) > 253 or not 0 < _port_of(url) < 65536:
        raise NetworkFailure("protocol", "The URL names no host and port that could exist.")
    if url.userinfo:
        raise NetworkFailure("protocol", "The URL carries a user name or password, which prober never sends.")
    return url


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise NetworkFailure("protocol", "A request header cannot be written as HTTP.")
        if name.lower() in _FRAMING:
            raise NetworkFailure("protocol", f"The header {name} is written by the network itself.")
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]


def _host_of(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


def _port_of(url: httpx.URL) -> int:
    return url.port if url.port is not None else {"http": 80, "https": 443}[url.scheme]
