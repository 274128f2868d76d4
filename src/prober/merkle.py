"""Merkle trees as RFC 6962 section 2.1 hashes them: roots, audit paths, and a front that can be carried on."""

import hashlib
from collections.abc import Iterable, Sequence

_LEAF, _NODE = b"\x00", b"\x01"
EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(content: bytes) -> bytes:
    """The hash of one leaf. A leaf and a node never hash the same text: each has its own first byte."""
    return hashlib.sha256(_LEAF + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two halves."""
    return hashlib.sha256(_NODE + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes (the hash of nothing for an empty list)."""
    if not leaves:
        return EMPTY
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of one leaf: the hashes beside the way up from it to the root. IndexError if it is not there."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    found: list[bytes] = []
    level = list(leaves)
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            found.append(level[beside])
        level, index = _above(level), index // 2
    return tuple(found)


def root_from_path(leaf: bytes, index: int, size: int, beside: Sequence[bytes]) -> bytes | None:
    """The root to which an audit path leads from a leaf in a tree of `size` leaves; None if the path does not fit."""
    if not 0 <= index < size:
        return None
    rest = list(beside)
    while size > 1:
        if index ^ 1 < size:
            if not rest:
                return None
            other = rest.pop(0)
            leaf = node_hash(other, leaf) if index % 2 else node_hash(leaf, other)
        index, size = index // 2, (size + 1) // 2
    return None if rest else leaf


class Front:
    """The right edge of a growing tree: enough to go on adding leaves, and to say the root, without the old leaves.

    `peaks` are the roots of the largest full trees from the left, one for each bit that is set in `size`.
    """

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)
        if len(self._peaks) != size.bit_count():
            raise ValueError(f"A tree of {size} leaves has {size.bit_count()} peaks, not {len(self._peaks)}.")

    @property
    def peaks(self) -> tuple[bytes, ...]:
        return tuple(self._peaks)

    def add(self, leaf: bytes) -> None:
        """One more leaf, by its hash."""
        # Each trailing one of the size is a full tree that the new leaf completes to the next larger one.
        whole = self.size
        while whole & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            whole >>= 1
        self._peaks.append(leaf)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._peaks:
            return EMPTY
        top = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            top = node_hash(peak, top)
        return top


def _above(level: list[bytes]) -> list[bytes]:
    pairs = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    # An odd node at the end moves up unchanged; this builds the same tree as the recursive definition.
    return pairs + ([level[-1]] if len(level) % 2 else [])
