"""Commitments: they bind the original, tell nothing about it, and what opens them lies elsewhere."""

import asyncio
import base64
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.archive import EXCHANGES, RunFolder
from prober.clock import Clock, SystemClock, VirtualClock
from prober.commitment import Custodian, leaf_hashes, salt_for
from prober.merkle import root as merkle_root
from prober.mistake import Mistake
from prober.nouns.evidence import Exchange, parse_json
from prober.pipeline import Options, collect, prepare
from prober.sandbox import Sandbox

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + recursive_root(leaves[:half]) + recursive_root(leaves[half:])).digest()


HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=40)


@settings(max_examples=examples(150), deadline=None)
@given(HASHES)
def test_the_root_is_that_of_the_recursive_definition(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == recursive_root(leaves)


@settings(max_examples=examples(100), deadline=None)
@given(HASHES.filter(bool), st.data())
def test_any_other_leaf_or_order_or_number_gives_another_root(leaves: list[bytes], data: st.DataObject) -> None:
    root = merkle_root(leaves)
    place = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves[:place], hashlib.sha256(leaves[place]).digest(), *leaves[place + 1 :]]
    assert merkle_root(changed) != root
    assert merkle_root([*leaves, leaves[-1]]) != root
    if leaves[0] != leaves[-1]:
        assert merkle_root(leaves[::-1]) != root


def count_leaves(document: Any) -> int:
    if isinstance(document, dict) and document:
        return sum(map(count_leaves, document.values()))
    return sum(map(count_leaves, document)) if isinstance(document, list) and document else 1


@settings(max_examples=examples(150), deadline=None)
@given(JSONS)
def test_every_value_has_one_leaf_and_a_place_of_its_own(document: Any) -> None:
    leaves = leaf_hashes(KEY, "e.1", document)
    places = [place for place, _ in leaves]
    assert len(leaves) == count_leaves(document) == len(set(places))
    assert leaves == leaf_hashes(KEY, "e.1", document)
    assert {one for _, one in leaves}.isdisjoint(one for _, one in leaf_hashes(OTHER_KEY, "e.1", document))
    assert {one for _, one in leaves}.isdisjoint(one for _, one in leaf_hashes(KEY, "e.2", document))


def test_equal_values_at_different_places_cannot_be_told_to_be_equal() -> None:
    leaves = leaf_hashes(KEY, "e.1", {"a": "Mary", "b": "Mary", "c": ["Mary", "Mary"], "d/e": 1, "d": {"e": 1}})
    assert len({one for _, one in leaves}) == len(leaves) == 6
    assert [place for place, _ in leaves] == ["/a", "/b", "/c/0", "/c/1", "/d~1e", "/d/e"]
    assert len({salt_for(KEY, "e.1", place) for place, _ in leaves}) == 6


def test_a_salt_cannot_be_moved_between_exchange_and_place() -> None:
    assert salt_for(KEY, "e.1", "/a") != salt_for(KEY, "e.1/a", "")


def test_values_of_different_types_have_different_leaves() -> None:
    values: list[Any] = [1, "1", True, "true", None, "null", 0, False, "", [], {}, "[]", "{}"]
    assert len({leaf_hashes(KEY, "e", {"a": value})[0][1] for value in values}) == len(values)


BODY = json.dumps({"resourceType": "Patient", "id": "mary-canary", "name": [{"family": "Canary"}]}).encode()


def exchange(content: bytes, id_: str = "0123456789abcdef.1") -> Exchange:
    return Exchange(id=id_, observation="o", method="GET", url="https://fhir.example/r4", content=content)


def custodian(folder: Path, seed: int = 0) -> Custodian:
    return Custodian.create(folder, "run-1", VirtualClock(seed=seed))


def test_a_commitment_can_be_opened_with_what_the_custodian_holds(tmp_path: Path) -> None:
    commitment = custodian(tmp_path).commit(exchange(BODY))
    assert commitment is not None
    whole, _, root = commitment.partition(".")
    key = bytes.fromhex((tmp_path / "run-1.key").read_text().strip())
    assert whole == hashlib.sha256(salt_for(key, "0123456789abcdef.1", "") + BODY).hexdigest()
    kept = json.loads((tmp_path / "run-1.leaves.jsonl").read_text())
    assert merkle_root([bytes.fromhex(leaf) for leaf in kept["leaves"]]).hex() == root
    again = leaf_hashes(key, "0123456789abcdef.1", parse_json(BODY))
    assert [leaf.hex() for _, leaf in again] == kept["leaves"]


def test_nothing_of_the_body_lies_in_the_custodians_files_and_nobody_else_can_read_them(tmp_path: Path) -> None:
    one = custodian(tmp_path / "held")
    for number, content in enumerate([BODY, b"Mary Canary, no JSON", b"\xff\xfe", b""]):
        assert (one.commit(exchange(content, f"0123456789abcdef.{number}")) is None) == (content == b"")
    for path in (tmp_path / "held").iterdir():
        kept = path.read_bytes().lower()
        for secret in (b"canary", b"mary", b"family", b"patient", base64.b64encode(BODY).lower(), BODY.hex().encode()):
            assert secret not in kept
        assert hashlib.sha256(BODY).hexdigest().encode() not in kept
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "held").stat().st_mode) == 0o700


def test_the_same_body_is_committed_differently_by_another_key_and_for_another_exchange(tmp_path: Path) -> None:
    first, second = custodian(tmp_path / "a", seed=1), custodian(tmp_path / "b", seed=2)
    commitments = [
        first.commit(exchange(BODY)),
        second.commit(exchange(BODY)),
        first.commit(exchange(BODY, "0123456789abcdef.2")),
    ]
    assert len(set(commitments)) == 3
    assert hashlib.sha256(BODY).hexdigest() not in "".join(filter(None, commitments))


@settings(max_examples=examples(100), deadline=None)
@given(st.binary(max_size=200))
def test_any_body_can_be_committed_to(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    one = custodian(tmp_path_factory.mktemp("held"))
    assert (one.commit(exchange(content)) is None) == (not content)


def test_a_custodian_that_cannot_be_used_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Mistake, match=r"--custodian .*: this folder cannot be used"):
        custodian(tmp_path / "file")
    custodian(tmp_path / "held")
    with pytest.raises(Mistake, match=r"--custodian .*: this folder cannot be used"):
        custodian(tmp_path / "held")


def test_a_run_with_a_custodian_commits_to_every_body_and_keeps_the_key_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    only = frozenset({"capability_statement_served", "smart_configuration_served"})
    with Sandbox() as box:
        options = Options(target=box.base_url, custodian=tmp_path / "held", only=only, deadline=30)
        made = asyncio.run(collect(prepare(options, SystemClock()), tmp_path / "run", SystemClock()))
        bare = Options(target=box.base_url, only=only, deadline=30)
        without = asyncio.run(collect(prepare(bare, SystemClock()), tmp_path / "bare", SystemClock()))
    committed = RunFolder.open(made.folder.path).exchanges().values()
    assert committed
    assert all((one.commitment is not None) == bool(one.decoded_bytes) for one in committed)
    assert all(one.commitment is None for one in without.folder.exchanges().values())
    key = (tmp_path / "held" / f"{made.run.id}.key").read_text().strip()
    leaves = json.loads((tmp_path / "held" / f"{made.run.id}.leaves.jsonl").read_text().splitlines()[0])["leaves"]
    kept = b"".join(path.read_bytes() for path in made.folder.path.rglob("*") if path.is_file())
    assert key.encode() not in kept
    assert not any(leaf.encode() in kept for leaf in leaves)
    assert (made.folder.path / EXCHANGES).stat().st_size


def test_a_run_stops_when_the_custodian_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    created = Custodian.create

    def without_room(folder: Path, run_id: str, clock: Clock) -> Custodian:
        one = created(folder, run_id, clock)
        (folder / f"{run_id}.leaves.jsonl").mkdir()
        return one

    monkeypatch.setattr(Custodian, "create", without_room)
    with Sandbox() as box:
        options = Options(target=box.base_url, custodian=tmp_path / "held", deadline=30)
        with pytest.raises(Mistake, match=r"--custodian: .*cannot be written \(Is a directory\); make room\."):
            asyncio.run(collect(prepare(options, SystemClock()), tmp_path / "run", SystemClock()))
        assert len(box.log) <= 8
