"""Whether the monitor itself can reach the world: a connection to a host that is surely there, and nothing else."""

import asyncio
from contextlib import suppress

from prober.mistake import Mistake

SECONDS = 5.0
"""How long a connection to the control host may take; it is tried twice."""


def control_address(text: str) -> tuple[str, int]:
    """Host and port of `gateway.example.org:443`. Raises Mistake."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise Mistake(f"control: {text!r} is not a host and port, such as gateway.example.org:443.")
    return host.strip("[]"), int(port)


async def reachable(text: str) -> bool:
    """Whether a TCP connection to the control host can be made. Nothing is sent over it."""
    host, port = control_address(text)
    for _ in range(2):
        try:
            async with asyncio.timeout(SECONDS):
                _, writer = await asyncio.open_connection(host, port)
        except OSError:
            # A timeout is one too.
            continue
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return True
    return False
