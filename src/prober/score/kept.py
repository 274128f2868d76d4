"""What is worked out of a frozen object, kept for as long as the object is."""

from collections.abc import Callable
from typing import TypeVar
from weakref import ref

K = TypeVar("K")
V = TypeVar("V")


def kept(work: Callable[[K], V]) -> Callable[[K], V]:
    """`work`, done once for each object. It must look at nothing but the object, and its result must not hold it.

    Runs of one server share most of their findings, and objects are told by their identity, since a finding is dear to
    compare. What was worked out goes when the object does, so it takes no more room than the objects at hand.
    """
    held: dict[int, tuple[ref[K], V]] = {}

    def of(one: K) -> V:
        key = id(one)
        known = held.get(key)
        if known is None:
            # It goes before its identity can become another one's.
            known = held[key] = (ref(one, lambda _: held.pop(key, None)), work(one))
        return known[1]

    return of
