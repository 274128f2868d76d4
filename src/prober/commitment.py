"""Commitments to originals that are never stored: a salted hash of the bytes and a salted Merkle root of the values."""

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from pathlib import Path

from prober import merkle
from prober.clock import Clock
from prober.mistake import Mistake
from prober.nouns.base import JSON, canonical
from prober.nouns.evidence import Exchange, parse_json


class Custodian:
    """Keeps, outside the run folder, what opens the commitments: the master key and the leaf hashes."""

    def __init__(self, folder: Path, run_id: str, key: bytes) -> None:
        self._key = key
        self._leaves = folder / f"{run_id}.leaves.jsonl"

    @classmethod
    def create(cls, folder: Path, run_id: str, clock: Clock) -> "Custodian":
        """A custodian for one run, its key in a file of mode 0600. Raises Mistake if the folder cannot be used."""
        key = clock.random_bytes(32)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(folder / f"{run_id}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Mistake(f"--custodian {folder}: this folder cannot be used ({error.strerror}).") from error
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key.hex() + "\n")
        return cls(folder, run_id, key)

    def commit(self, exchange: Exchange) -> str | None:
        """The commitment to the original body: ``<salted hash>.<salted Merkle root>``; None without a body.

        Raises Mistake if what opens it cannot be kept.
        """
        if not exchange.content:
            return None
        salt = salt_for(self._key, exchange.id, "")
        whole = hashlib.sha256(salt + exchange.content).hexdigest()
        leaves = leaf_hashes(self._key, exchange.id, parse_json(exchange.content))
        root = merkle.root([leaf for _, leaf in leaves]).hex()
        line = canonical({"exchange": exchange.id, "leaves": [leaf.hex() for _, leaf in leaves]})
        try:
            descriptor = os.open(self._leaves, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "a", encoding="ascii") as file:
                file.write(line + "\n")
        except OSError as error:
            raise Mistake(f"--custodian: {self._leaves} cannot be written ({error.strerror}); make room.") from error
        return f"{whole}.{root}"


def salt_for(key: bytes, exchange: str, pointer: str) -> bytes:
    """The salt of one value: HMAC-SHA256 of its place under the master key."""
    return hmac.new(key, f"{exchange}\0{pointer}".encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def leaf_hashes(key: bytes, exchange: str, document: JSON) -> list[tuple[str, bytes]]:
    """(pointer, hash) for every leaf of a JSON document, in document order."""
    return [
        (pointer, merkle.leaf_hash(salt_for(key, exchange, pointer) + leaf_text(pointer, value)))
        for pointer, value in _leaves(document)
    ]


def leaf_text(pointer: str, value: JSON) -> bytes:
    """One value of a document and its place, as it is hashed."""
    return json.dumps([pointer, value], ensure_ascii=True, separators=(",", ":")).encode()


def _leaves(document: JSON) -> Iterator[tuple[str, JSON]]:
    waiting: list[tuple[str, JSON]] = [("", document)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, dict) and value:
            inner = [(f"{pointer}/{_escaped(name)}", one) for name, one in value.items()]
            waiting.extend(reversed(inner))
        elif isinstance(value, list) and value:
            waiting.extend(reversed([(f"{pointer}/{index}", one) for index, one in enumerate(value)]))
        else:
            yield pointer, value


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
