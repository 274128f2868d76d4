"""The wire against real loopback servers: right answers, every kind of failure by its name, and nothing left behind."""

import asyncio
import gc
import gzip
import ipaddress
import logging
import os
import socket
import ssl
import struct
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, get_args

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import DEEP, examples

from prober.clock import SystemClock
from prober.session.network import Answer, FailureKind, Limits, Network, NetworkFailure, Streamed, Timings, WireRequest

T = TypeVar("T")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
QUICK = Limits(connect_seconds=2, read_seconds=2, total_seconds=4)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
SECRET = "s3cr3t-canary"


def running(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


@dataclass
class Server:
    """A loopback server: its port, the request heads it got, and how many connections it took."""

    port: int
    heads: list[bytes]
    connections: int = 0
    open: int = 0

    def url(self, path: str = "/", scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def serving(serve: Serve, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    writers: set[asyncio.StreamWriter] = set()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.add(writer)
        server.connections += 1
        server.open += 1
        try:
            with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            server.open -= 1
            writer.close()

    listener = await asyncio.start_server(connected, host, 0, ssl=tls)
    server = Server(listener.sockets[0].getsockname()[1], [])
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def read_head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answering(raw: bytes, *, heads: list[bytes] | None = None, close: bool = False) -> Serve:
    """Answers every request with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await read_head(reader)
            if heads is not None:
                heads.append(head)
            writer.write(raw)
            await writer.drain()
            if close:
                return

    return serve


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


def body_of(body: bytes, *extra: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *extra, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@asynccontextmanager
async def networking(**settings_: Any) -> AsyncIterator[Network]:
    chosen = {"named_hosts": ["127.0.0.1", "localhost", "::1"], "user_agent": "prober-test/1", **settings_}
    network = Network(clock=SystemClock(), **chosen)
    try:
        yield network
    finally:
        await network.close()


async def failing(doing: Awaitable[Any]) -> NetworkFailure:
    with pytest.raises(NetworkFailure) as caught:
        await doing
    failure = caught.value
    assert failure.message.endswith(".")
    assert SECRET not in repr(failure) + str(failure)
    assert failure.__context__ is None or isinstance(failure.__context__, NetworkFailure)
    return failure


def test_an_answer_is_told_as_it_came() -> None:
    async def main() -> None:
        heads: list[bytes] = []
        raw = body_of(b"hello", "X-One: 1", "x-one: \xe9", "Set-Cookie: a=b", status="404 Not Found")
        async with serving(answering(raw, heads=heads)) as server, networking() as network:
            request = WireRequest("POST", server.url("/Patient?name=a%20b|c"), (("X-Mine", "\xe9"),), b"body!")
            answer = await network.send(request, QUICK)
        assert (answer.status, answer.body, answer.truncated, answer.http_version) == (404, b"hello", False, "HTTP/1.1")
        assert answer.headers[1:] == (("X-One", "1"), ("x-one", "\xe9"), ("Set-Cookie", "a=b"))
        assert (answer.wire_bytes, answer.decoded_bytes, answer.address, answer.tls) == (5, 5, "127.0.0.1", None)
        assert not answer.reused
        lines = heads[0].split(b"\r\n")
        assert lines[0] == b"POST /Patient?name=a%20b|c HTTP/1.1"
        assert set(lines[1:-2]) == {
            f"Host: 127.0.0.1:{server.port}".encode(),
            b"Content-Length: 5",
            b"X-Mine: \xe9",
            b"Accept-Encoding: gzip",
            b"User-Agent: prober-test/1",
        }

    running(main())


def test_phases_are_timed_and_sum_to_less_than_the_total() -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await asyncio.sleep(0.1)
        writer.write(OK[:-2])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(OK[-2:])

    async def main() -> Timings:
        async with serving(slowly) as server, networking() as network:
            return (await network.send(WireRequest("GET", server.url(host="localhost")), QUICK)).timings

    timings = running(main())
    phases = [timings.dns, timings.connect, timings.send, timings.first_byte, timings.body]
    assert all(isinstance(phase, int) and phase >= 0 for phase in phases)
    assert timings.tls is None
    assert (timings.first_byte or 0) >= 95_000
    assert (timings.body or 0) >= 45_000
    assert sum(phase or 0 for phase in phases) <= (timings.total or 0)
    assert timings.loop_lag is not None


def test_a_blocked_event_loop_shows_as_lag() -> None:
    async def blocking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        time.sleep(0.15)  # noqa: ASYNC251 - this is the very fault that is to be seen
        writer.write(OK)

    async def main() -> tuple[Timings, Timings]:
        async with serving(blocking) as bad, serving(answering(OK)) as good, networking() as network:
            lagging = await network.send(WireRequest("GET", bad.url()), QUICK)
            await asyncio.sleep(0)
            return lagging.timings, (await network.send(WireRequest("GET", good.url()), QUICK)).timings

    lagging, fluent = running(main())
    assert (lagging.loop_lag or 0) > 100_000
    assert (fluent.loop_lag or 0) < (lagging.loop_lag or 0)


def test_connections_are_reused_and_eight_requests_run_at_once() -> None:
    arrived: list[int] = []
    complete = asyncio.Event()

    async def together(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_head(reader)
            arrived.append(1)
            if len(arrived) == 8:
                complete.set()
            await complete.wait()
            writer.write(OK)
            await writer.drain()

    async def main() -> None:
        async with serving(together) as server, networking() as network:
            request = WireRequest("GET", server.url())
            await asyncio.gather(*(network.send(request, QUICK) for _ in range(8)))
            assert server.connections == 8
            later = [await network.send(request, QUICK) for _ in range(10)]
            assert server.connections == 8
            assert all(answer.reused and answer.timings.connect is None for answer in later)
            assert all(answer.address == "127.0.0.1" for answer in later)

    running(main())


def test_a_connection_that_the_server_has_closed_is_not_used_again() -> None:
    async def main() -> None:
        async with serving(answering(OK, close=True)) as server, networking() as network:
            for _ in range(3):
                assert (await network.send(WireRequest("GET", server.url()), QUICK)).body == b"hello"
                await asyncio.sleep(0.02)
            assert server.connections == 3

    running(main())


def test_nothing_a_server_says_is_acted_upon() -> None:
    async def main() -> None:
        heads: list[bytes] = []
        raw = body_of(b"", "Location: http://[not a url", "Set-Cookie: id=1; Path=/", "Refresh: 0", status="302 Found")
        async with serving(answering(raw, heads=heads)) as server, networking() as network:
            for _ in range(2):
                answer = await network.send(WireRequest("GET", server.url()), QUICK)
                assert answer.status == 302
                assert ("Location", "http://[not a url") in answer.headers
        assert len(heads) == 2
        assert b"ookie" not in heads[1]

    running(main())


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Encoding: br, gzip\r\nContent-Length: 99999999999\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Encoding: br\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\nETag: x\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_needs_no_decoding(method: str, raw: bytes) -> None:
    async def main() -> Answer:
        async with serving(answering(raw)) as server, networking() as network:
            return await network.send(WireRequest(method, server.url()), QUICK)

    assert running(main()).body == b""


def test_gzip_is_undone_and_both_sizes_are_told() -> None:
    text = b'{"resourceType":"CapabilityStatement"}' * 5000
    packed = gzip.compress(text)

    async def main() -> Answer:
        async with serving(answering(body_of(packed, "Content-Encoding: gzip"))) as server, networking() as network:
            return await network.send(WireRequest("GET", server.url()), QUICK)

    answer = running(main())
    assert answer.body == text
    assert (answer.wire_bytes, answer.decoded_bytes) == (len(packed), len(text))


def test_the_caller_may_ask_for_no_coding() -> None:
    async def main() -> bytes:
        heads: list[bytes] = []
        async with serving(answering(OK, heads=heads)) as server, networking() as network:
            own = (("accept-encoding", "identity"), ("USER-AGENT", "me"))
            await network.send(WireRequest("GET", server.url(), own), QUICK)
        return heads[0].lower()

    head = running(main())
    assert head.count(b"accept-encoding") == head.count(b"user-agent") == 1


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("size", "stop", "length", "truncated"),
    [(5000, 2000, 2000, True), (100, 2000, 100, False), (5000, 0, 0, True), (3_000_000, 2_000_000, 2_000_000, True)],
)
def test_reading_stops_where_it_should(packed: bool, size: int, stop: int, length: int, truncated: bool) -> None:
    body = os.urandom(size)
    raw = body_of(gzip.compress(body), "Content-Encoding: gzip") if packed else body_of(body)

    async def main() -> Answer:
        async with serving(answering(raw)) as server, networking() as network:
            return await network.send(WireRequest("GET", server.url()), replace(QUICK, stop_after=stop))

    answer = running(main())
    assert (answer.body, answer.truncated, answer.decoded_bytes) == (body[:length], truncated, length)


def test_an_answer_of_exactly_the_stop_is_whole_if_its_length_says_so() -> None:
    async def main() -> Answer:
        async with serving(answering(OK)) as server, networking() as network:
            return await network.send(WireRequest("GET", server.url()), replace(QUICK, stop_after=5))

    answer = running(main())
    assert (answer.body, answer.truncated) == (b"hello", False)


def test_ipv6_literals_are_called() -> None:
    async def main() -> Answer:
        async with serving(answering(OK), host="::1") as server, networking() as network:
            return await network.send(WireRequest("GET", server.url(host="[::1]")), QUICK)

    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("This machine has no IPv6 loopback.")
    assert running(main()).address == "::1"


def test_an_ndjson_file_comes_in_pieces() -> None:
    lines = b'{"resourceType":"Patient","id":"p"}\n' * 40_000

    async def main() -> None:
        raw = body_of(gzip.compress(lines), "Content-Encoding: gzip", "Content-Type: application/fhir+ndjson")
        async with serving(answering(raw)) as server, networking() as network:
            async with network.stream(WireRequest("GET", server.url()), QUICK) as streamed:
                assert isinstance(streamed, Streamed)
                assert (streamed.status, streamed.address, streamed.tls) == (200, "127.0.0.1", None)
                assert ("Content-Type", "application/fhir+ndjson") in streamed.headers
                assert streamed.timings.total is None
                pieces = [piece async for piece in streamed.chunks()]
            assert b"".join(pieces) == lines
            assert max(map(len, pieces)) <= 65536
            assert streamed.decoded_bytes == len(lines)
            assert streamed.timings.total is not None
            async with network.stream(WireRequest("GET", server.url()), QUICK):
                pass
            assert (await network.send(WireRequest("GET", server.url()), QUICK)).status == 200

    running(main())


def expect(
    kind: FailureKind, serve: Serve, *, limits: Limits = QUICK, path: str = f"/?token={SECRET}"
) -> NetworkFailure:
    async def main() -> NetworkFailure:
        async with serving(serve) as server, networking() as network:
            request = WireRequest("GET", server.url(path), (("Authorization", f"Bearer {SECRET}"),))
            return await failing(network.send(request, limits))

    failure = running(main())
    assert failure.kind == kind
    assert failure.timings.total is not None
    return failure


def test_a_port_where_nobody_listens() -> None:
    async def main() -> NetworkFailure:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            async with networking() as network:
                url = f"http://127.0.0.1:{held.getsockname()[1]}/"
                return await failing(network.send(WireRequest("GET", url), QUICK))

    failure = running(main())
    assert (failure.kind, failure.address) == ("refused", "127.0.0.1")


def test_a_name_without_addresses() -> None:
    async def main() -> list[NetworkFailure]:
        async def hanging(host: str) -> tuple[str, ...]:
            await asyncio.sleep(60)
            return ()

        async with networking(resolve={"nowhere.example": ()}, allow_http=True, lookup=hanging) as network:
            gone = await failing(network.send(WireRequest("GET", "http://nowhere.example/"), QUICK))
            limits = replace(QUICK, connect_seconds=0.05)
            slow = await failing(network.send(WireRequest("GET", "http://slow.example/"), limits))
            return [gone, slow]

    for failure in running(main()):
        assert failure.kind == "dns"
        assert failure.address is None


async def reset_after_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_head(reader)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def reset_in_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Secret: " + SECRET.encode() + b"\r\n\r\nabc")
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def close_after_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_head(reader)


def test_a_connection_that_breaks_off() -> None:
    assert expect("reset", reset_after_head).status is None
    assert expect("reset", close_after_head).status is None
    failure = expect("reset", reset_in_body)
    assert failure.status == 200
    assert ("X-Secret", SECRET) in failure.headers


def test_a_body_shorter_than_it_says() -> None:
    failure = expect("protocol", answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", close=True))
    assert failure.status == 200
    assert "whole body" in failure.message


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux drops connections beyond a full backlog.")
def test_a_host_that_never_takes_the_connection() -> None:
    async def main() -> NetworkFailure:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [socket.socket() for _ in range(4)]
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            await asyncio.sleep(0.05)
            async with networking() as network:
                url = f"http://127.0.0.1:{full.getsockname()[1]}/"
                failure = await failing(network.send(WireRequest("GET", url), replace(QUICK, connect_seconds=0.2)))
            for each in waiting:
                each.close()
            return failure

    failure = running(main())
    assert failure.kind == "connect_timeout"
    assert (failure.timings.connect or 0) >= 150_000


def test_silence_and_dripping_end_in_time() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def dripping_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Drip: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    begun = time.monotonic()
    assert expect("read_timeout", silence, limits=replace(QUICK, read_seconds=0.1)).status is None
    assert expect("total_timeout", silence, limits=replace(QUICK, total_seconds=0.1)).status is None
    assert expect("total_timeout", dripping, limits=replace(QUICK, total_seconds=0.2)).status == 200
    assert expect("total_timeout", dripping_head, limits=replace(QUICK, total_seconds=0.2)).status is None
    assert time.monotonic() - begun < 3


def test_bodies_that_are_too_large() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    small = replace(QUICK, wire_bytes=100_000, decoded_bytes=200_000)
    assert expect("too_large", endless, limits=small).status == 200
    assert (
        expect("too_large", answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"), limits=small).status == 200
    )
    assert expect("too_large", answering(body_of(b"x" * 300)), limits=replace(QUICK, decoded_bytes=200)).status == 200
    noise = gzip.compress(os.urandom(200_000))
    assert expect("too_large", answering(body_of(noise, "Content-Encoding: gzip")), limits=small).status == 200
    packed = body_of(gzip.compress(bytes(200_001)), "Content-Encoding: gzip")
    assert expect("too_expanded", answering(packed), limits=small).status == 200


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "gzip"])
def test_codings_that_cannot_be_undone(coding: str) -> None:
    failure = expect("encoding", answering(body_of(b"not gzip at all", f"Content-Encoding: {coding}")))
    assert failure.status == 200


def test_a_gzip_body_that_ends_early() -> None:
    expect("encoding", answering(body_of(gzip.compress(b"x" * 100)[:-4], "Content-Encoding: gzip")))


def test_floods_of_headers() -> None:
    flood = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, SECRET.encode() * 5) for i in range(20_000))
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 20_000
    expect("headers_too_large", answering(flood + b"\r\n"))
    expect("headers_too_large", answering(interim))
    expect("headers_too_large", answering(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000))


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        f"HTTP/1.1 200 OK\r\n{SECRET} : broken\r\n\r\n".encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
    ],
)
def test_what_is_not_http(raw: bytes) -> None:
    expect("protocol", answering(raw, close=True))


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET", "ftp://127.0.0.1/", ()),
        ("GET", "http:///nohost", ()),
        ("GET", "http://127.0.0.1:99999/", ()),
        ("GET", "http://127.0.0.1:0/", ()),
        ("GET", "http://[::1", ()),
        ("GET", "http://127.0.0.1/\n", ()),
        ("GET", f"http://user:{SECRET}@127.0.0.1/", ()),
        ("GET", f"http://{'a.' * 200}example/", ()),
        ("GET", "http://1.2.3.256/", ()),
        ("GE T", "http://127.0.0.1/", ()),
        ("GET", "http://127.0.0.1/", (("X", f"{SECRET}\r\nX-Injected: 1"),)),
        ("GET", "http://127.0.0.1/", (("X", f"{SECRET}\u20ac"),)),
        ("GET", "http://127.0.0.1/", (("X Y", SECRET),)),
        ("GET", "http://127.0.0.1/", (("Host", SECRET),)),
        ("GET", "http://127.0.0.1/", (("content-LENGTH", "5"),)),
    ],
)
def test_what_cannot_be_asked_is_not_asked(method: str, url: str, headers: tuple[tuple[str, str], ...]) -> None:
    async def main() -> NetworkFailure:
        async with networking() as network:
            return await failing(network.send(WireRequest(method, url, headers), QUICK))

    failure = running(main())
    assert failure.kind == "protocol"
    assert failure.timings.connect is None


def test_a_link_to_an_unnamed_inner_address_is_refused_before_any_packet() -> None:
    async def main() -> None:
        resolve = {"rebound.example": ("127.0.0.1",), "mixed.example": ("8.8.8.8", "127.0.0.1")}
        async with serving(answering(OK)) as server:
            for host in (
                "127.0.0.1",
                "localhost",
                "rebound.example",
                "mixed.example",
                "2130706433",
                "0x7f.1",
                "0.0.0.0",
            ):
                async with networking(named_hosts=["9.9.9.9"], resolve=resolve, allow_http=True) as network:
                    failure = await failing(network.send(WireRequest("GET", server.url(host=host)), QUICK))
                    assert failure.kind == "address_refused", host
                    shaken = network.handshake(host, server.port, None, verify=True, limits=QUICK)
                    assert (await failing(shaken)).kind == "address_refused"
                    assert (
                        await failing(network.clear_request(host, server.port, "/", QUICK))
                    ).kind == "address_refused"
            assert server.connections == 0

    running(main())


def test_an_answer_of_dns_that_turns_inward_is_not_asked_for() -> None:
    asked: list[str] = []

    async def turning(host: str) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) == 1 else ("127.0.0.2",)

    async def main() -> None:
        settings_: dict[str, Any] = {"named_hosts": ["fhir.example"], "allow_http": True, "lookup": turning}
        async with serving(answering(OK, close=True)) as server, networking(**settings_) as network:
            for host in ("fhir.example", "fhir.example", "FHIR.example"):
                answer = await network.send(WireRequest("GET", server.url(host=host)), QUICK)
                assert answer.address == "127.0.0.1"
        assert asked == ["fhir.example"]

    running(main())


def test_clear_http_to_another_machine_needs_leave() -> None:
    async def main() -> None:
        resolve = {"mapped.example": ("127.0.0.1",)}
        async with serving(answering(OK)) as server:
            async with networking(named_hosts=["mapped.example"], resolve=resolve) as network:
                request = WireRequest("GET", server.url(host="mapped.example"))
                failure = await failing(network.send(request, QUICK))
                assert failure.kind == "address_refused"
                assert "--allow-http" in failure.message
                assert server.connections == 0
                answer = await network.clear_request("mapped.example", server.port, "/metadata", QUICK)
                assert answer.status == 200
            async with networking(named_hosts=["mapped.example"], resolve=resolve, allow_http=True) as network:
                assert (await network.send(request, QUICK)).status == 200

    running(main())


@dataclass(frozen=True)
class Authority:
    """A throw-away certificate authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    folder: Path

    @property
    def file(self) -> str:
        return str(self.folder / "ca.pem")

    def issue(self, name: str, *names: str, days: tuple[int, int] = (-1, 30)) -> str:
        """A PEM file with key and certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        listed: list[x509.GeneralName] = []
        for each in names:
            try:
                listed.append(x509.IPAddress(ipaddress.ip_address(each)))
            except ValueError:
                listed.append(x509.DNSName(each))
        certificate = certified(name, key.public_key(), self.certificate.subject, self.key, days, listed)
        path = self.folder / f"{name}.pem"
        path.write_bytes(unlocked(key) + certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)


def unlocked(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certified(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name | None,
    signer: ec.EllipticCurvePrivateKey,
    days: tuple[int, int],
    listed: list[x509.GeneralName],
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if listed:
        builder = builder.add_extension(x509.SubjectAlternativeName(listed), critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certified("Test CA", key.public_key(), None, key, (-10, 60), [])
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(certificate, key, folder)


def server_context(pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.set_alpn_protocols(["http/1.1"])
    return context


def old_context(pem: str, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = server_context(pem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.fixture(autouse=True)
def quiet_loop() -> Iterator[None]:
    """Servers that are hung up on complain through asyncio's logger; that is their affair."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("asyncio").setLevel(logging.NOTSET)


def test_tls_is_verified_and_described(authority: Authority) -> None:
    pem = authority.issue("good", "localhost", "fhir.example", "127.0.0.1")

    async def main() -> tuple[Answer, Answer]:
        async with serving(answering(OK), tls=server_context(pem)) as server:
            resolve = {"fhir.example": ("127.0.0.1",)}
            named = ["fhir.example", "127.0.0.1"]
            async with networking(ca_file=authority.file, resolve=resolve, named_hosts=named) as network:
                request = WireRequest("GET", server.url(scheme="https", host="fhir.example"))
                first, second = await network.send(request, QUICK), await network.send(request, QUICK)
                assert (await network.send(WireRequest("GET", server.url(scheme="https")), QUICK)).status == 200
                return first, second

    first, second = running(main())
    assert first.tls is not None
    assert first.tls.version == "TLSv1.3"
    assert (first.tls.alpn, first.tls.subject, first.tls.issuer) == ("http/1.1", "CN=good", "CN=Test CA")
    assert first.tls.names == ("localhost", "fhir.example", "127.0.0.1")
    assert len(first.tls.sha256) == 64
    assert (
        datetime.fromisoformat(first.tls.not_before) < datetime.now(UTC) < datetime.fromisoformat(first.tls.not_after)
    )
    assert first.tls.not_after.endswith("Z")
    assert first.timings.tls is not None
    assert (second.tls, second.timings.tls, second.reused) == (first.tls, None, True)


@pytest.mark.parametrize(
    ("name", "names", "days", "trusted", "code"),
    [
        ("expired", ("127.0.0.1",), (-9, -2), True, 10),
        ("elsewhere", ("other.example",), (-1, 30), True, 64),
        ("unknown", ("127.0.0.1",), (-1, 30), False, 20),
        ("early", ("127.0.0.1",), (2, 30), True, 9),
    ],
)
def test_a_certificate_that_is_not_accepted(
    authority: Authority, name: str, names: tuple[str, ...], days: tuple[int, int], trusted: bool, code: int
) -> None:
    heads: list[bytes] = []
    pem = authority.issue(name, *names, days=days)

    async def main() -> None:
        trust = authority.file if trusted else None
        serving_it = serving(answering(OK, heads=heads), tls=server_context(pem))
        async with serving_it as server, networking(ca_file=trust) as network:
            url = server.url(f"/?x={SECRET}", scheme="https")
            failure = await failing(network.send(WireRequest("GET", url), QUICK))
            assert (failure.kind, failure.verify_code, failure.address) == ("certificate", code, "127.0.0.1")
            assert failure.verify_message
            assert failure.tls is not None
            assert failure.tls.subject == f"CN={name}"
            await failing(network.send(WireRequest("GET", url), QUICK))
            assert server.connections <= 3
            shaken = await network.handshake("127.0.0.1", server.port, None, verify=True, limits=QUICK)
            assert (shaken.outcome, shaken.verify_code) == ("certificate_invalid", code)
            assert shaken.tls == failure.tls
            loose = await network.handshake("127.0.0.1", server.port, None, verify=False, limits=QUICK)
            assert (loose.outcome, loose.tls) == ("accepted", failure.tls)
        assert heads == []

    running(main())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_handshake_with_the_version_of_choice(authority: Authority, version: ssl.TLSVersion) -> None:
    pem = authority.issue("chosen", "127.0.0.1")
    heads: list[bytes] = []

    async def main() -> None:
        serving_it = serving(answering(OK, heads=heads), tls=server_context(pem))
        async with serving_it as server, networking(ca_file=authority.file) as network:
            shaken = await network.handshake("127.0.0.1", server.port, version, verify=True, limits=QUICK)
            assert shaken.outcome == "accepted"
            assert shaken.tls is not None
            assert shaken.tls.version.replace(".", "_") == version.name
            assert shaken.timings.tls is not None
            assert (await network.connect("127.0.0.1", server.port, tls=True, limits=QUICK)).outcome == "accepted"
        assert heads == []

    running(main())


@pytest.mark.parametrize("name", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_accepted_by_old_servers_and_refused_by_new_ones(authority: Authority, name: str) -> None:
    pem = authority.issue("old", "127.0.0.1")
    version = ssl.TLSVersion[name]

    async def main() -> None:
        async with networking(ca_file=authority.file) as network:
            async with serving(answering(OK), tls=old_context(pem, version)) as server:
                shaken = await network.handshake("127.0.0.1", server.port, version, verify=True, limits=QUICK)
                assert shaken.outcome == "accepted"
                assert shaken.tls is not None
                assert shaken.tls.version.replace(".", "_") == name
                failure = await failing(network.send(WireRequest("GET", server.url(scheme="https")), QUICK))
                assert failure.kind in ("tls", "reset")
            async with serving(answering(OK), tls=server_context(pem)) as server:
                shaken = await network.handshake("127.0.0.1", server.port, version, verify=False, limits=QUICK)
                assert shaken.outcome == "refused_by_server"

    running(main())


async def hang_up_on_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def reset_on_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def alert_on_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(bytes.fromhex("15030100020246"))
    await writer.drain()
    await reader.read()


async def no_tls_here(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("serve", "outcome", "kind"),
    [
        (hang_up_on_hello, "refused_by_server", "reset"),
        (reset_on_hello, "refused_by_server", "reset"),
        (alert_on_hello, "refused_by_server", "tls"),
        (no_tls_here, "local_error", "tls"),
        (silence, "timed_out", "connect_timeout"),
    ],
)
def test_who_ended_the_handshake(serve: Serve, outcome: str, kind: str) -> None:
    async def main() -> None:
        limits = replace(QUICK, connect_seconds=0.3)
        async with serving(serve) as server, networking() as network:
            shaken = await network.handshake("127.0.0.1", server.port, None, verify=True, limits=limits)
            assert (shaken.outcome, shaken.address) == (outcome, "127.0.0.1")
            failure = await failing(network.send(WireRequest("GET", server.url(scheme="https")), limits))
            assert failure.kind == kind
            assert server.open == 0 or serve is alert_on_hello or serve is silence

    running(main())


def test_a_version_that_our_own_library_lacks_is_nobodys_refusal() -> None:
    async def main() -> None:
        async with serving(silence) as server, networking() as network:
            limits = replace(QUICK, connect_seconds=0.3)
            shaken = await network.handshake(
                "127.0.0.1", server.port, ssl.TLSVersion.SSLv3, verify=False, limits=limits
            )
            assert shaken.outcome == "local_error"
            tcp = await network.connect("127.0.0.1", server.port, tls=False, limits=limits)
            assert (tcp.outcome, tcp.tls) == ("accepted", None)

    running(main())


def test_a_handshake_with_nobody() -> None:
    async def main() -> None:
        async with networking(resolve={"nowhere.example": ()}) as network:
            with socket.socket() as held:
                held.bind(("127.0.0.1", 0))
                port = held.getsockname()[1]
                for tls in (True, False):
                    assert (await network.connect("127.0.0.1", port, tls=tls, limits=QUICK)).outcome == "unreachable"
            assert (await network.connect("nowhere.example", 443, tls=True, limits=QUICK)).outcome == "unreachable"
            hurried = replace(QUICK, total_seconds=0.2)
            async with serving(silence) as server:
                shaken = await network.handshake("127.0.0.1", server.port, None, verify=True, limits=hurried)
                assert shaken.outcome == "timed_out"

    running(main())


def test_the_client_certificate_is_shown_to_named_hosts_only(authority: Authority) -> None:
    pem = authority.issue("mutual", "fhir.example", "files.example")
    mine = authority.issue("prober-client", "client.example")
    shown: list[str] = []

    async def noting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        subject = dict(pair[0] for pair in (writer.get_extra_info("peercert") or {}).get("subject", ()))
        shown.append(subject.get("commonName", ""))
        writer.write(OK)
        await writer.drain()

    def context(mode: ssl.VerifyMode) -> ssl.SSLContext:
        made = server_context(pem)
        made.load_verify_locations(authority.file)
        made.verify_mode = mode
        return made

    async def main() -> None:
        given = {"fhir.example": ("127.0.0.1",), "files.example": ("127.0.0.1",)}
        settings_: dict[str, Any] = {"ca_file": authority.file, "resolve": given, "named_hosts": ["fhir.example"]}
        async with networking(client_certificate=mine, **settings_) as network:
            async with serving(noting, tls=context(ssl.CERT_OPTIONAL)) as server:
                for host in ("fhir.example", "files.example"):
                    await network.send(WireRequest("GET", server.url(scheme="https", host=host)), QUICK)
            async with serving(noting, tls=context(ssl.CERT_REQUIRED)) as server:
                failure = await failing(
                    network.send(WireRequest("GET", server.url(scheme="https", host="files.example")), QUICK)
                )
                assert failure.kind in ("tls", "reset")
        assert shown == ["prober-client", ""]

    running(main())


@DEEP
def test_files_that_cannot_be_used_are_named(tmp_path: Path, authority: Authority) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        authority.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
        + authority.certificate.public_bytes(serialization.Encoding.PEM)
    )
    for settings_ in (
        {"ca_file": str(tmp_path / "missing.pem")},
        {"ca_file": str(junk)},
        {"client_certificate": str(junk)},
        {"client_certificate": (authority.file, str(tmp_path / "missing.pem"))},
        {"client_certificate": str(locked)},
        {"proxy": "socks5://127.0.0.1:1"},
        {"proxy": "https://127.0.0.1:1"},
        {"proxy": "nonsense"},
        {"resolve": {"a.example": ("b.example",)}},
    ):
        with pytest.raises(ValueError, match=r"\.$"):
            Network(clock=SystemClock(), user_agent="x", **settings_)


class Proxy:
    """A small HTTP proxy that knows names which nobody else knows."""

    def __init__(self, names: dict[str, tuple[str, int]], refusal: bytes | None = None) -> None:
        self.names = names
        self.refusal = refusal
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        self.heads.append(head)
        if self.refusal is not None:
            writer.write(self.refusal)
            await writer.drain()
            return
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        authority = target if method == "CONNECT" else target.split("/")[2]
        far_reader, far_writer = await asyncio.open_connection(*self.names[authority.rpartition(":")[0]])
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            far_writer.write(head)
        try:
            await asyncio.gather(pumped(reader, far_writer), pumped(far_reader, writer))
        finally:
            far_writer.close()


async def pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_requests_and_handshakes_go_through_the_proxy(authority: Authority) -> None:
    pem = authority.issue("inside", "fhir.inside.example")

    async def main() -> None:
        async with serving(answering(OK), tls=server_context(pem)) as secure, serving(answering(OK)) as clear:
            proxy = Proxy({"fhir.inside.example": ("127.0.0.1", secure.port), "old.example": ("127.0.0.1", clear.port)})
            async with serving(proxy) as door:
                named = ["fhir.inside.example", "old.example"]
                settings_: dict[str, Any] = {"ca_file": authority.file, "named_hosts": named, "allow_http": True}
                async with networking(proxy=f"http://me:{SECRET}@127.0.0.1:{door.port}", **settings_) as network:
                    request = WireRequest("GET", "https://fhir.inside.example:4443/metadata")
                    first, second = await network.send(request, QUICK), await network.send(request, QUICK)
                    assert first.tls is not None
                    assert first.tls.subject == "CN=inside"
                    assert (second.reused, first.address) == (True, "127.0.0.1")
                    assert first.timings.first_byte is not None
                    plain = await network.send(WireRequest("GET", "http://old.example:8080/x"), QUICK)
                    assert plain.body == b"hello"
                    for version in (None, ssl.TLSVersion.TLSv1_2):
                        shaken = await network.handshake(
                            "fhir.inside.example", 4443, version, verify=True, limits=QUICK
                        )
                        assert shaken.outcome == "accepted"
                    hurried = replace(QUICK, connect_seconds=0.3)
                    failure = await failing(network.send(WireRequest("GET", "https://old.example:1/"), hurried))
                    assert failure.kind == "connect_timeout"
            assert all(b"proxy-authorization: basic " in head.lower() for head in proxy.heads)
            assert proxy.heads[0].startswith(b"CONNECT fhir.inside.example:4443 HTTP/1.1\r\n")
            assert proxy.heads[1].startswith(b"GET http://old.example:8080/x HTTP/1.1\r\n")

    running(main())


@pytest.mark.parametrize(
    "refusal",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 s3cr3t-canary\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-no-proxy\r\n\r\n",
        b"",
    ],
)
def test_a_proxy_that_refuses(refusal: bytes) -> None:
    async def main() -> None:
        async with serving(Proxy({}, refusal)) as door:
            named = ["fhir.inside.example"]
            async with networking(proxy=f"http://127.0.0.1:{door.port}", named_hosts=named) as network:
                request = WireRequest("GET", "https://fhir.inside.example/")
                assert (await failing(network.send(request, QUICK))).kind == "proxy"
                shaken = network.handshake("fhir.inside.example", 443, None, verify=True, limits=QUICK)
                assert (await failing(shaken)).kind == "proxy"
                if b"407" in refusal:
                    clear = network.clear_request("fhir.inside.example", 80, "/", QUICK)
                    assert (await failing(clear)).kind == "proxy"

    running(main())


def test_a_proxy_that_is_not_there_or_says_nothing() -> None:
    async def main() -> None:
        request = WireRequest("GET", "https://fhir.inside.example/")
        named = ["fhir.inside.example"]
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{held.getsockname()[1]}"
            async with networking(proxy=url, named_hosts=named) as network:
                assert (await failing(network.send(request, QUICK))).kind == "proxy"
        async with (
            serving(silence) as door,
            networking(proxy=f"http://127.0.0.1:{door.port}", named_hosts=named) as network,
        ):
            quick = replace(QUICK, read_seconds=0.1)
            assert (await failing(network.send(request, quick))).kind == "proxy"
            shaken = network.handshake("fhir.inside.example", 443, None, verify=True, limits=quick)
            assert (await failing(shaken)).kind == "proxy"

    running(main())


def test_a_proxy_opens_no_way_to_addresses_nobody_named() -> None:
    async def lookup(host: str) -> tuple[str, ...]:
        if host == "inward.example":
            return ("10.0.0.1",)
        raise OSError

    async def main() -> None:
        proxy = Proxy({})
        async with serving(proxy) as door:
            url = f"http://127.0.0.1:{door.port}"
            settings_: dict[str, Any] = {"named_hosts": ["fhir.example"], "resolve": {"given.example": ("8.8.8.8",)}}
            async with networking(proxy=url, lookup=lookup, **settings_) as network:
                for host in ("127.0.0.1", "169.254.169.254", "inward.example", "unknown.example", "2130706433"):
                    failure = await failing(network.send(WireRequest("GET", f"https://{host}/"), QUICK))
                    assert failure.kind == "address_refused", host
                given_elsewhere = await failing(network.send(WireRequest("GET", "https://given.example/"), QUICK))
                assert given_elsewhere.kind == "proxy"
            assert proxy.heads == []

    running(main())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


@DEEP
def test_a_cancelled_request_leaves_nothing() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nabc")
        await silence(reader, writer)

    async def main() -> None:
        async with networking() as network, serving(silence) as mute, serving(half) as stuck:
            before, tasks = descriptors(), len(asyncio.all_tasks())
            for server, scheme in ((mute, "http"), (mute, "https"), (stuck, "http")):
                request = WireRequest("GET", server.url(scheme=scheme))
                under_way = [asyncio.create_task(network.send(request, QUICK)) for _ in range(4)]
                await asyncio.sleep(0.05)
                for task in under_way:
                    task.cancel()
                assert {type(each) for each in await asyncio.gather(*under_way, return_exceptions=True)} == {
                    asyncio.CancelledError
                }
                await asyncio.sleep(0.05)
                assert server.open == 0
            gc.collect()
            await asyncio.sleep(0.02)
            assert descriptors() == before
            assert len(asyncio.all_tasks()) == tasks

    running(main())


@DEEP
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_cancellation_at_any_step_leaves_nothing(authority: Authority, scheme: str) -> None:
    pem = authority.issue("steps", "127.0.0.1")

    async def unfinished(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(OK[:-1])
        await silence(reader, writer)

    async def stepping(steps: int) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)

    async def main() -> None:
        tls = server_context(pem) if scheme == "https" else None
        async with serving(unfinished, tls=tls) as server, networking(ca_file=authority.file) as network:
            request = WireRequest("GET", server.url(scheme=scheme))
            before = descriptors()
            for steps in range(0, 60, 2):
                for again in (0, 1, 3):
                    task = asyncio.create_task(network.send(request, QUICK))
                    await stepping(steps)
                    task.cancel()
                    await stepping(again)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
            await asyncio.sleep(0.1)
            assert server.open == 0
            assert descriptors() == before

    running(main())


def test_closing_is_quick_and_ends_what_is_under_way() -> None:
    async def main() -> None:
        async with serving(silence) as server, networking() as network:
            request = WireRequest("GET", server.url())
            under_way = [asyncio.create_task(network.send(request, QUICK)) for _ in range(4)]
            await asyncio.sleep(0.05)
            begun = time.monotonic()
            await network.close()
            assert time.monotonic() - begun < 0.5
            ends = await asyncio.gather(*under_way, return_exceptions=True)
            assert [end.kind for end in ends if isinstance(end, NetworkFailure)] == ["reset"] * 4
            assert (await failing(network.send(request, QUICK))).kind == "reset"

    running(main())


def test_no_log_line_and_no_repr_shows_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    request = WireRequest("POST", f"http://127.0.0.1/?x={SECRET}", (("Authorization", SECRET),), SECRET.encode())
    assert SECRET not in repr(request)

    async def main() -> Answer:
        async with serving(answering(body_of(SECRET.encode(), f"X: {SECRET}"))) as server, networking() as network:
            return await network.send(WireRequest("GET", server.url(f"/?x={SECRET}"), request.headers), QUICK)

    assert SECRET not in repr(running(main()))
    assert SECRET not in caplog.text


HEADS = st.sampled_from(
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \r\n",
        b"HTTP/1.1 999 \r\n",
        b"HTTP/9.9 200 OK\r\n",
    ]
)
FIELDS = st.sampled_from(
    [
        b"Content-Length: 3\r\n",
        b"Content-Length: -3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Content-Type: text/\xff;charset=\x80\r\n",
        b"Set-Cookie: \xe9=\r\n",
        b": none\r\n",
        b" folded\r\n",
        b"Location: http://[\r\n",
        b"\r\n",
        b"3\r\nabc\r\n0\r\n\r\n",
    ]
)


@settings(max_examples=examples(60), deadline=None)
@given(st.tuples(HEADS, st.lists(FIELDS, max_size=5).map(b"".join), st.binary(max_size=40)).map(b"".join))
def test_any_bytes_are_an_answer_or_a_failure(raw: bytes) -> None:
    async def main() -> None:
        async with serving(answering(raw, close=True)) as server, networking() as network:
            try:
                assert isinstance(await network.send(WireRequest("GET", server.url()), QUICK), Answer)
            except NetworkFailure as failure:
                assert failure.kind in get_args(FailureKind)  # noqa: PT017 - a failure is one of two right ends

    running(main())


@settings(max_examples=examples(100), deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.builds(
            "{}://{}{}".format, st.sampled_from(["http", "https", "HTTPS"]), st.text(max_size=30), st.text(max_size=9)
        ),
        st.builds("https://xn--{}.example/".format, st.text("abc-0\u00e9", max_size=8)),
    )
)
def test_any_text_as_a_url_is_asked_or_refused(url: str) -> None:
    async def nowhere(host: str) -> tuple[str, ...]:
        return ()

    async def main() -> None:
        async with networking(named_hosts=[], allow_http=True, lookup=nowhere) as network:
            failure = await failing(network.send(WireRequest("GET", url), QUICK))
            assert failure.kind in ("protocol", "dns", "address_refused")

    running(main())
