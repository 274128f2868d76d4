"""Merkle trees against the recursive definition of RFC 6962 section 2.1."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober import merkle

LEAVES = st.lists(st.binary(min_size=32, max_size=32), max_size=40)


def defined(leaves: list[bytes]) -> bytes:
    """The root as the RFC defines it: split at the largest power of two that is smaller than the number."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    at = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + defined(leaves[:at]) + defined(leaves[at:])).digest()


def test_the_root_of_known_leaves_is_the_published_one() -> None:
    """The tree of RFC 6962's reference implementation: eight leaves, root 5dc9da79…"""
    texts = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in texts]
    assert leaves[0].hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@settings(deadline=None)
@given(LEAVES)
def test_the_root_is_that_of_the_recursive_definition_however_it_is_made(leaves: list[bytes]) -> None:
    front = merkle.Front()
    for leaf in leaves:
        front.add(leaf)
    assert merkle.root(leaves) == front.root == defined(leaves)
    assert merkle.Front(front.size, front.peaks).root == front.root


@settings(deadline=None)
@given(LEAVES.filter(bool), st.data())
def test_a_path_leads_from_its_leaf_to_the_root_and_from_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.path(leaves, index)
    size = len(leaves)
    assert merkle.root_from_path(leaves[index], index, size, path) == merkle.root(leaves)
    assert merkle.root_from_path(hashlib.sha256(leaves[index]).digest(), index, size, path) != merkle.root(leaves)
    assert merkle.root_from_path(leaves[index], index, size, (*path, b"x" * 32)) is None
    assert merkle.root_from_path(leaves[index], size, size, path) is None
    if path:
        assert merkle.root_from_path(leaves[index], index, size, path[:-1]) is None


def test_what_is_not_in_the_tree_has_no_path() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError):
            merkle.path([b"a" * 32] * 3, index)
    with pytest.raises(ValueError, match="has 2 peaks, not 1"):
        merkle.Front(3, [b"a" * 32])
