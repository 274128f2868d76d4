"""Bodies off the wire: inflation gives back what was deflated, in small steps, whatever a server makes of it."""

import gzip
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.samples import DEEP

from prober.session.bodies import STEP, Gunzip, Plain, declared_length, decoder_for
from prober.session.wire import NetworkFailure


def inflated(pieces: list[bytes]) -> bytes:
    decoder = Gunzip()
    out = [step for piece in pieces for step in decoder.feed(piece)]
    decoder.finish()
    assert all(0 < len(step) <= STEP for step in out)
    return b"".join(out)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.binary(max_size=3000), max_size=4), st.lists(st.integers(0, 10_000), max_size=5), st.integers(0, 3))
def test_members_in_any_cut_come_back_whole(bodies: list[bytes], places: list[int], padding: int) -> None:
    wire = b"".join(map(gzip.compress, bodies)) + b"\0" * (padding if bodies else 0)
    assert inflated(cut(wire, places)) == b"".join(bodies)


@given(st.binary(min_size=1, max_size=500), st.integers(0, 10_000))
def test_a_cut_end_is_noticed(body: bytes, place: int) -> None:
    wire = gzip.compress(body)
    with pytest.raises(NetworkFailure) as caught:
        inflated([wire[: 1 + place % (len(wire) - 1)]])
    assert caught.value.kind == "encoding"


@given(st.binary(max_size=2000))
def test_any_bytes_inflate_or_fail_plainly(noise: bytes) -> None:
    for wire in (noise, gzip.compress(b"x" * 50) + noise, b"\x1f\x8b\x08\0\0\0\0\0\0\0" + noise):
        try:
            inflated([wire])
        except NetworkFailure as failure:
            assert failure.kind == "encoding"  # noqa: PT017 - a failure is one of two right ends


def test_a_wrong_checksum_is_noticed() -> None:
    wire = bytearray(gzip.compress(b"hello" * 100))
    wire[-5] ^= 1
    with pytest.raises(NetworkFailure, match="cannot be inflated"):
        inflated([bytes(wire)])


def test_deflate_that_wants_more_than_a_step_comes_in_steps() -> None:
    assert len(inflated([gzip.compress(b"\0" * (10 * STEP + 1))])) == 10 * STEP + 1


@pytest.mark.parametrize(
    ("codings", "decoder"),
    [
        ([], Plain),
        (["identity"], Plain),
        ([""], Plain),
        (["GZIP"], Gunzip),
        (["x-gzip"], Gunzip),
        ([" gzip , "], Gunzip),
    ],
)
def test_codings_that_are_taken(codings: list[str], decoder: type) -> None:
    assert isinstance(decoder_for(tuple(("Content-Encoding", coding) for coding in codings)), decoder)


@pytest.mark.parametrize(
    "codings", [["gzip, gzip"], ["gzip", "gzip"], ["deflate"], ["br"], ["zstd"], ["gzip, identity, br"], ["\xe9"]]
)
def test_codings_that_are_refused(codings: list[str]) -> None:
    with pytest.raises(NetworkFailure) as caught:
        decoder_for(tuple(("content-encoding", coding) for coding in codings))
    assert caught.value.kind == "encoding"


@pytest.mark.parametrize(
    ("values", "length"),
    [([], None), (["5"], 5), (["5", "5"], 5), (["5, 5"], 5), (["5", "6"], None), (["-1"], None), (["9" * 30], None)],
)
def test_declared_lengths(values: list[str], length: int | None) -> None:
    assert declared_length(tuple(("Content-Length", value) for value in values)) == length


BOMB = """
import asyncio, resource, sys, zlib
from prober.clock import SystemClock
from prober.session.network import Limits, Network, NetworkFailure, WireRequest

packer = zlib.compressobj(9, zlib.DEFLATED, 31)
head = packer.compress(b"")
block = bytes(2**24)
first = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
bomb = head + first + again * 63  # 1 GiB of zeros in about 1 MiB

async def explode(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Encoding: gzip\\r\\nConnection: close\\r\\n\\r\\n" + bomb)
    writer.close()

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def main():
    server = await asyncio.start_server(explode, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    network = Network(clock=SystemClock(), user_agent="test", named_hosts=["127.0.0.1"])
    await network.send(WireRequest("GET", url), Limits(stop_after=10))
    before = peak()
    kinds = []
    for limits in (Limits(), Limits(stop_after=2000), Limits(decoded_bytes=2**27)):
        try:
            kinds.append(str((await network.send(WireRequest("GET", url), limits)).truncated))
        except NetworkFailure as failure:
            kinds.append(failure.kind)
    async with network.stream(WireRequest("GET", url), Limits(decoded_bytes=2**27)) as streamed:
        try:
            async for _ in streamed.chunks():
                pass
        except NetworkFailure as failure:
            kinds.append(failure.kind)
    await network.close()
    server.close()
    print(*kinds, (peak() - before) // (1024 if sys.platform == "linux" else 1024 * 1024))

asyncio.run(main())
"""


@DEEP
@pytest.mark.skipif(sys.platform == "win32", reason="The resource module that measures the peak is POSIX only.")
def test_a_bomb_of_a_gigabyte_leaves_memory_flat() -> None:
    done = subprocess.run([sys.executable, "-c", BOMB], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    *kinds, grown = done.stdout.split()
    assert kinds == ["too_expanded", "True", "too_expanded", "too_expanded"]
    assert int(grown) < 15
