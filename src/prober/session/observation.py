"""An observation: an async function that looks at one thing, with what it may ask at most."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prober.nouns.run import Permit

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Observation(Generic[T]):
    """A thing that can be seen. It is looked at once per run (and arguments), however many probes need it."""

    name: str
    look: Callable[..., Awaitable[T]]
    asks: tuple[str, ...]
    requests: int
    share: int
    chain: int
    permits: tuple[Permit, ...]
    family: str
    needs: tuple["Observation[Any]", ...]
    summary: str
    of_each_page: bool = False

    def most_requests(self, budget: int, pages: int = 0) -> int:
        """The most requests that it may make in a run with this budget, and with so many published pages."""
        return min(self.requests * (pages if self.of_each_page else 1), budget // self.share)

    def closure(self) -> tuple["Observation[Any]", ...]:
        """Everything that this observation rests on, itself last, each once."""
        found: dict[str, Observation[Any]] = {}
        for below in self.needs:
            found.update({one.name: one for one in below.closure()})
        return (*found.values(), self)


def observation(
    *,
    asks: tuple[str, ...] = (),
    requests: int | None = None,
    share: int = 1,
    chain: int | None = None,
    permits: tuple[Permit, ...] = (),
    family: str = "discovery",
    needs: tuple[Observation[Any], ...] = (),
    of_each_page: bool = False,
) -> Callable[[Callable[..., Awaitable[T]]], Observation[T]]:
    """Declare an observation.

    `asks` are the request templates as `prober plan` prints them. `requests` is the most that it may ask (one per
    template unless said), never more than one `share`-th of the budget. `chain` says how many of them must follow one
    another, `needs` what it may `see`. With `of_each_page`, `requests` counts for each page of the provider file.
    """
    most = len(asks) if requests is None else requests

    def wrap(look: Callable[..., Awaitable[T]]) -> Observation[T]:
        return Observation(
            name=str(getattr(look, "__name__", "observation")),
            look=look,
            asks=asks,
            requests=most,
            share=share,
            chain=most if chain is None else chain,
            permits=permits,
            family=family,
            needs=needs,
            summary=(look.__doc__ or "").strip().split("\n")[0],
            of_each_page=of_each_page,
        )

    return wrap


def heights(observations: tuple[Observation[Any], ...]) -> dict[str, int]:
    """For each observation: the requests on the longest chain that begins with it and follows its dependants.

    The door serves the highest first: served in order of arrival, a run took 1.6 times as long as its longest chain.
    """
    above: dict[str, list[Observation[Any]]] = {one.name: [] for one in observations}
    for one in observations:
        for below in one.needs:
            above.setdefault(below.name, []).append(one)
    known: dict[str, int] = {}

    def height(one: Observation[Any]) -> int:
        if one.name not in known:
            known[one.name] = one.chain + max((height(upper) for upper in above[one.name]), default=0)
        return known[one.name]

    return {one.name: height(one) for one in observations}
