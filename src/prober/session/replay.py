"""Answers from a run folder: the same observations run again, and see exactly what was stored."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from prober.nouns.evidence import Exchange, Failure
from prober.session.ask import Ask
from prober.session.observation import Observation
from prober.session.session import Facts


class Replay:
    """An Exchanger over recorded exchanges. It redacts nothing: what is stored is redacted already.

    `delay` says how many turns of the event loop each answer takes; tests shuffle schedules with it.
    """

    def __init__(self, facts: Facts, exchanges: Mapping[str, Exchange], delay: Callable[[], int] = lambda: 0) -> None:
        self._facts = facts
        self._exchanges = exchanges
        self._delay = delay

    @property
    def facts(self) -> Facts:
        return self._facts

    def identity_url(self, ask: Ask) -> str:
        return ask.absolute if ask.absolute is not None else f"{self._facts.base}/{ask.path(ask.values)}"

    async def exchange(
        self, ask: Ask, *, observation: Observation[Any], arguments: tuple[str, ...], id: str
    ) -> Exchange:
        for _ in range(self._delay()):
            await asyncio.sleep(0)
        recorded = self._exchanges.get(id)
        if recorded is not None:
            return recorded
        missing = Failure(reason="not_recorded", kind="not_recorded", message="This run did not ask that.")
        return Exchange(
            id=id,
            observation=observation.name,
            arguments=arguments,
            label=ask.label,
            method=ask.method,
            url=self.identity_url(ask),
            failure=missing,
        )

    async def wait(self, seconds: float) -> None:
        for _ in range(self._delay()):
            await asyncio.sleep(0)
