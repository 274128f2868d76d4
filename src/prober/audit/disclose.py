"""Proves that a value kept in a bundle belongs to an original that was withheld, and shows nothing else of it.

When an answer came in, its exchange got a commitment: a salted hash of the whole and a salted Merkle root over its
values. The salts follow from a key that only the custodian has. To disclose one value is to give away its salt and its
audit path; every other value stays behind salts that nobody else knows.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from prober import merkle
from prober.audit.verify import Opened
from prober.commitment import leaf_text, salt_for
from prober.mistake import Mistake, Refused
from prober.nouns.base import JSON, canonical
from prober.nouns.bundle import Disclosed, Disclosure
from prober.nouns.evidence import Exchange

LARGEST = 16 * 2**20
"""Bytes of a disclosure file."""


def disclose(path: Path, custodian: Path, exchange: str, pointers: Sequence[str]) -> Disclosure:
    """The proof that these values of an exchange, kept in a bundle, are those of its original. Raises Mistake, Refused.

    Only a value that stands in the stored body word for word can be proved; a placeholder is no value of the original.
    """
    with Opened(path, lambda _: None) as bundle:
        run, kept = _exchange(bundle, exchange)
    if kept.commitment is None:
        raise Mistake(
            f"{exchange}: this run kept no commitment to the original, so nothing about it can be proved; "
            "from the next run on use --custodian."
        )
    key, leaves = _key(custodian, run), _leaves(custodian, run, exchange)
    if merkle.root(leaves).hex() != _root(kept):
        raise Mistake(f"{custodian}: what is kept here does not belong to the exchange {exchange} of this bundle.")
    places = {leaf: index for index, leaf in enumerate(leaves)}
    values = []
    for pointer in pointers:
        value = _at(kept, pointer)
        salt = salt_for(key, exchange, pointer)
        leaf = merkle.leaf_hash(salt + leaf_text(pointer, value))
        if leaf not in places:
            raise Mistake(
                f"{pointer}: what the bundle keeps there is not the value of the original: it was withheld and a "
                "placeholder stands in its place, so there is nothing to disclose."
            )
        index = places[leaf]
        values.append(
            Disclosed(
                pointer=pointer,
                value=json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True),
                salt=salt.hex(),
                index=index,
                size=len(leaves),
                path=tuple(one.hex() for one in merkle.path(leaves, index)),
            )
        )
    return Disclosure(run=run, exchange=exchange, values=tuple(values))


def read(path: Path) -> Disclosure:
    """A disclosure file. Raises Mistake if it is none."""
    try:
        with path.open("rb") as file:
            return Disclosure.model_validate_json(file.read(LARGEST))
    except OSError as error:
        raise Mistake(f"{path}: this disclosure cannot be read ({error.strerror}); check the path.") from error
    except ValidationError as error:
        raise Mistake(f"{path}: this is not a disclosure as `prober bundle disclose` writes it.") from error


def check(disclosure: Disclosure, bundle: Opened) -> None:
    """Raises Refused if a disclosed value is not in the bundle, or does not belong to the committed original."""
    held = bundle.held.get(disclosure.run)
    kept = held.exchanges.get(disclosure.exchange) if held else None
    if kept is None or kept.commitment is None:
        raise Refused(f"The disclosure is about another exchange than {disclosure.exchange} of this bundle.")
    for one in disclosure.values:
        try:
            value = json.loads(one.value)
        except ValueError as error:
            raise Refused(f"The disclosed value at {one.pointer} is not JSON.") from error
        if canonical_text(value) != canonical_text(_at(kept, one.pointer)):
            raise Refused(f"The disclosed value at {one.pointer} is not the one that the bundle keeps there.")
        leaf = merkle.leaf_hash(bytes.fromhex(one.salt) + leaf_text(one.pointer, value))
        beside = [bytes.fromhex(step) for step in one.path]
        root = merkle.root_from_path(leaf, one.index, one.size, beside)
        if root is None or root.hex() != _root(kept):
            raise Refused(f"The value at {one.pointer} does not belong to the original that was committed to.")


def canonical_text(value: JSON) -> str:
    """One value as text, to be compared; numbers as Python reads them."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def text_of(disclosure: Disclosure) -> str:
    """The content of a disclosure file."""
    return canonical(disclosure.model_dump(mode="json", by_alias=True)) + "\n"


def _exchange(bundle: Opened, id_: str) -> tuple[str, Exchange]:
    found = [(run, one.exchanges[id_]) for run, one in bundle.held.items() if id_ in one.exchanges]
    if not found:
        raise Mistake(f"{id_}: this bundle has no exchange of this id; findings.jsonl in it names them.")
    rated = [one for one in found if one[0] in bundle.facts.rated]
    return (rated or found)[0]


def _root(kept: Exchange) -> str:
    return (kept.commitment or "").partition(".")[2]


def _at(kept: Exchange, pointer: str) -> JSON:
    """The value at a JSON pointer (RFC 6901) of a stored body. Raises Mistake if there is none, or more than one."""
    value = kept.document
    for part in pointer.split("/")[1:] if pointer else ():
        name = part.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(name)] if isinstance(value, list) else value[name]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Mistake(
                f"{pointer}: the stored body of {kept.id} has nothing there; write it as /name/0/use."
            ) from error
    if isinstance(value, dict | list) and value:
        raise Mistake(f"{pointer}: that is not one value but a structure; name the values in it one by one.")
    return value


def _key(custodian: Path, run: str) -> bytes:
    path = custodian / f"{run}.key"
    try:
        return bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise Mistake(
            f"{path}: the custodian's key of this run cannot be read; name the folder of --custodian."
        ) from error


def _leaves(custodian: Path, run: str, exchange: str) -> list[bytes]:
    path = custodian / f"{run}.leaves.jsonl"
    mark = f'"exchange":"{exchange}"'
    try:
        with path.open(encoding="ascii") as file:
            for line in file:
                if mark in line:
                    return [bytes.fromhex(one) for one in json.loads(line)["leaves"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Mistake(f"{path}: what the custodian kept of this run cannot be read.") from error
    raise Mistake(f"{path}: the custodian kept nothing of the exchange {exchange}.")
