"""How others see that the monitor itself lives: a file that it touches, an address that it asks."""

import asyncio
from pathlib import Path
from typing import Literal

from pydantic import Field

from prober.clock import Clock, instant
from prober.files import replace_file
from prober.mistake import Mistake
from prober.monitor.tell.outcome import LIMITS, Limits
from prober.monitor.tell.secrets import Secrets, value_of
from prober.monitor.tell.web import NoAnswer, ask, check_address, proxy_of
from prober.nouns.base import Noun
from prober.nouns.monitor import Heartbeat

_WHAT = "The heartbeat's address"


class Beat(Noun):
    """What the heartbeat file holds."""

    schema_: Literal["prober/heartbeat/1"] = Field(default="prober/heartbeat/1", alias="schema")
    at: str = Field(description="The instant at which it was written.")
    last_round: str | None = Field(description="The instant at which the last round ended; None before the first one.")


def check_heartbeat(config: Heartbeat, secrets: Secrets) -> None:
    """Raise Mistake for an address that could not be asked: to be asked before the first look."""
    _way(config, secrets)


def _way(config: Heartbeat, secrets: Secrets) -> tuple[str, str | None] | None:
    """The address to ask and the proxy on the way to it. Raises Mistake."""
    if config.url is None:
        return None
    url = value_of(config.url, secrets)
    check_address(url, _WHAT)
    return url, proxy_of(config.proxy, url, "the heartbeat", secrets)


async def heartbeat(
    config: Heartbeat,
    folder: Path,
    *,
    last_round: str | None,
    clock: Clock,
    secrets: Secrets,
    limits: Limits = LIMITS,
) -> tuple[str, ...]:
    """Touch the file (relative to `folder`) and ask the address, each once. One sentence for each that went wrong.

    Nothing is raised: a heartbeat that fails is what makes others look, and no reason to stop. The file is replaced in
    one step; the address is asked by GET, within the deadline and without a repeat.
    """
    failed: list[str] = []
    if config.file is not None:
        content = Beat(at=instant(clock.utc()), last_round=last_round).line() + "\n"
        try:
            await asyncio.to_thread(replace_file, folder / config.file, content.encode())
        except OSError as error:
            failed.append(f"The heartbeat file {config.file} cannot be written ({error.strerror}).")
    try:
        way = _way(config, secrets)
    except Mistake as mistake:
        return (*failed, str(mistake))
    if way is not None:
        url, proxy = way
        answer = await ask("GET", url, content=None, headers={}, clock=clock, limits=limits, proxy=proxy)
        if isinstance(answer, NoAnswer):
            failed.append(f"{_WHAT} {answer.why}.")
        elif not 200 <= answer.status < 300:
            failed.append(f"{_WHAT} answered {answer.status}.")
    return tuple(failed)
