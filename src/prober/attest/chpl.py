"""Reads a product listing of CHPL: the answer of its API to `/certified_products/{id}/details`, or of its search.

A listing speaks for a product and never for its use at this provider: it becomes an attestation of class E1.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prober.attest.imports import Offer, built, json_of
from prober.attest.words import plain
from prober.attest.writing import free_id
from prober.mistake import Mistake
from prober.nouns.attestation import Attestation
from prober.nouns.base import JSON

_WHAT = "the details of one product from CHPL's API, or the answer to a search"
_NUMBER = re.compile(r"[A-Za-z0-9_.-]{3,60}")
_CRITERION = re.compile(r"[0-9]{3}\.[0-9]{3} \([a-z]\)(?:\([0-9]{1,2}\))?(?:\([A-Za-z0-9]{1,4}\)){0,2}")
ACTIVE = "Active"
MOST_CRITERIA = 300


@dataclass(frozen=True)
class Listing:
    """What is taken from a listing."""

    number: str
    product: str
    edition: str
    criteria: tuple[str, ...]


def read_listing(content: bytes, source: Path, number: str | None) -> Listing:
    """One product of the file: the one of this number, or the only one there is. Raises Mistake."""
    listings = list(_listings(json_of(content, source, _WHAT)))
    if number is not None:
        listings = [one for one in listings if one["chplProductNumber"] == number]
    if len(listings) != 1:
        several = f"{len(listings)} products are in this file" if listings else "no such product is in this file"
        raise Mistake(f"{source}: {several}; name {_WHAT}, or pick one with --number.")
    one = listings[0]
    if not _is_active(one):
        raise Mistake(f"{source}: this listing is not active any more, so it speaks for nothing.")
    names = [_name(one, "developer", "name"), _name(one, "product", "name"), _name(one, "version", "version", "name")]
    edition = _name(one, "edition", "name") or _name(one, "certificationEdition", "name")
    return Listing(
        number=one["chplProductNumber"],
        product=" ".join(name for name in names if name) or one["chplProductNumber"],
        edition=edition[:60] or "not named",
        criteria=tuple(dict.fromkeys(_criteria(one)))[:MOST_CRITERIA],
    )


def from_chpl(
    content: bytes,
    source: Path,
    offer: Offer,
    *,
    retrieved: str,
    number: str | None,
    file: str | None,
    taken: frozenset[str],
) -> Attestation:
    """The listing as an attestation of class E1, retrieved on this day."""
    listing = read_listing(content, source, number)
    return built(
        {
            "id": free_id(f"chpl-{listing.number}", taken),
            "requirements": offer.requirements,
            "claim": f"The product {listing.number} is listed; the listing speaks for the product, not for its use.",
            "kind": "listing",
            "class": "E1",
            "issuer": "CHPL",
            "signer_role": offer.signer_role or "public register",
            "issued": retrieved,
            "entity": offer.entity,
            "shape": {
                "form": "product",
                "listing": listing.product[:300],
                "number": listing.number,
                "edition": listing.edition,
                "criteria": listing.criteria,
                "retrieved": retrieved,
            },
            "document": {
                "title": f"Product listing {listing.number}",
                "file": file,
                "sha256": hashlib.sha256(content).hexdigest(),
                "third_party": "CHPL",
            },
        },
        str(source),
    )


def _listings(value: JSON) -> Iterator[Mapping[str, Any]]:
    results = value.get("results", [value]) if isinstance(value, dict) else value
    for one in results if isinstance(results, list) else ():
        number = one.get("chplProductNumber") if isinstance(one, dict) else None
        if isinstance(number, str) and _NUMBER.fullmatch(number):
            yield one


def _is_active(one: Mapping[str, Any]) -> bool:
    """Whether the newest status says so; a file that names no status says nothing against it."""
    status = _name(one, "certificationStatus", "name") or _plain(one.get("certificationStatus"))
    events = one.get("certificationEvents")
    known = [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []
    if known:
        newest = max(known, key=lambda event: (_plain(event.get("eventDay")), _number(event.get("eventDate"))))
        status = _name(newest, "status", "name") or status
    return status in ("", ACTIVE)


def _criteria(one: Mapping[str, Any]) -> Iterator[str]:
    results, met = one.get("certificationResults"), one.get("criteriaMet")
    for result in results if isinstance(results, list) else ():
        if isinstance(result, dict) and result.get("success") is True:
            yield from _criterion(_name(result, "criterion", "number") or _plain(result.get("number")))
    for criterion in met if isinstance(met, list) else ():
        if isinstance(criterion, dict):
            yield from _criterion(_plain(criterion.get("number")))


def _criterion(number: str) -> Iterator[str]:
    if _CRITERION.fullmatch(number):
        yield number


def _name(one: Mapping[str, Any], member: str, *names: str) -> str:
    inner = one.get(member)
    given = (inner.get(name) for name in names) if isinstance(inner, dict) else ()
    return next((text for text in map(_plain, given) if text), "")


def _plain(value: object) -> str:
    return plain(value)[:100].strip() if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
