"""What is worked out of a frozen object, kept for as long as the object is."""

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import ref

K = TypeVar("K")
V = TypeVar("V")


class _Beside(ref[K]):
    """A weak hold on an object, with what was worked out of it, by what worked it out."""

    __slots__ = ("done", "key")

    key: int
    done: dict[object, Any]


_held: dict[int, _Beside[Any]] = {}


def kept(work: Callable[[K], V]) -> Callable[[K], V]:
    """`work`, done once for each object. It must look at nothing but the object, and its result must not hold it.

    Runs of one server share most of their findings, and objects are told by their identity, since a finding is dear to
    compare. What was worked out goes when the object does, so it takes no more room than the objects at hand.
    """

    def of(one: K) -> V:
        beside = _held.get(id(one))
        if beside is None:
            beside = _held[id(one)] = _Beside(one, _forget)
            beside.key, beside.done = id(one), {}
        known: V
        try:
            known = beside.done[work]
        except KeyError:
            known = beside.done[work] = work(one)
        return known

    return of


def _forget(beside: _Beside[Any]) -> None:
    # This comes before the identity of the object can become another one's.
    del _held[beside.key]
