"""Answers to /metadata that attack the reader: endless, bombed, flooded, dripped, cut or nested bodies."""

import asyncio
import gzip
import json
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import cache
from types import MappingProxyType
from typing import Any

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Hostile = Callable[[str, Send], Awaitable[None]]
"""Given the CapabilityStatement as JSON text and the ASGI send, answers the request."""

DRIP_SECONDS = 0.2
NESTED_ARRAYS = 100_000
FLOOD_LINES, FLOOD_LINE_BYTES = 256, 8192
BOMB_BYTES = 1 << 30
_BOMB_CRC = 0x5B64C2B0
"""CRC-32 of BOMB_BYTES zero bytes; computing it would take longer than the whole start of the sandbox."""
_JSON = ("content-type", "application/fhir+json; charset=utf-8")


async def _begin(send: Send, status: int, *headers: tuple[str, str]) -> None:
    lines = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})


async def _body(send: Send, content: bytes, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": more})


async def _whole(send: Send, content: bytes, *headers: tuple[str, str]) -> None:
    await _begin(send, 200, _JSON, ("content-length", str(len(content))), *headers)
    await _body(send, content)


async def endless_body(statement: str, send: Send) -> None:
    await _begin(send, 200, _JSON)
    await _body(send, b'{"resourceType":"CapabilityStatement","description":"', more=True)
    while True:
        await _body(send, b"no end " * 1024, more=True)
        await asyncio.sleep(0.001)


async def slow_drip(statement: str, send: Send) -> None:
    await _begin(send, 200, _JSON, ("content-length", str(len(statement.encode()))))
    for octet in statement.encode():
        await _body(send, bytes([octet]), more=True)
        await asyncio.sleep(DRIP_SECONDS)
    await _body(send, b"")


@cache
def bomb() -> bytes:
    """One gzip member of about a megabyte that unpacks to BOMB_BYTES zero bytes (RFC 1952)."""
    chunk = 1 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(bytes(chunk))
    first = packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the packer starts anew, so the bytes of one chunk can stand there any number of times.
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    tail = packer.flush(zlib.Z_FINISH) + struct.pack("<II", _BOMB_CRC, BOMB_BYTES & 0xFFFFFFFF)
    return head + first * (BOMB_BYTES // chunk) + tail


async def gzip_bomb(statement: str, send: Send) -> None:
    await _whole(send, bomb(), ("content-encoding", "gzip"))


async def double_gzip(statement: str, send: Send) -> None:
    twice = gzip.compress(gzip.compress(statement.encode(), mtime=0), mtime=0)
    await _whole(send, twice, ("content-encoding", "gzip, gzip"))


async def header_flood(statement: str, send: Send) -> None:
    flood = [(f"x-flood-{number}", "f" * FLOOD_LINE_BYTES) for number in range(FLOOD_LINES)]
    await _whole(send, statement.encode(), *flood)


async def deep_json(statement: str, send: Send) -> None:
    nested = "[" * NESTED_ARRAYS + "]" * NESTED_ARRAYS
    await _whole(send, f'{{"extension":{nested},{statement[1:]}'.encode())


async def broken_json(statement: str, send: Send) -> None:
    content = statement.encode()
    await _whole(send, content[: len(content) // 2])


async def redirect_loop(statement: str, send: Send) -> None:
    url = json.loads(statement)["implementation"]["url"]
    await _begin(send, 302, ("location", f"{url}/metadata"), ("content-length", "0"))
    await _body(send, b"")


HOSTILE: Mapping[str, Hostile] = MappingProxyType(
    {
        answer.__name__: answer
        for answer in (
            endless_body,
            slow_drip,
            gzip_bomb,
            double_gzip,
            header_flood,
            deep_json,
            broken_json,
            redirect_loop,
        )
    }
)


def reset(transport: asyncio.Transport) -> None:
    """Ends the connection by a TCP reset instead of an orderly close."""
    held: socket.socket | None = transport.get_extra_info("socket")
    if held is not None:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
