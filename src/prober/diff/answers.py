"""Finds among stored exchanges the document that an observation saw, by the same readers and the same refusals.

The observations themselves need an event loop, and facts are also wanted inside of one. That both see the same is
tested over every case of every probe.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange
from prober.observations import (
    CapabilityStatement,
    SmartConfiguration,
    brands_answer,
    cannot_tell,
    capability_statement,
    closed,
    disguise_of,
    leads_away,
    metadata_answer,
    not_there,
    openid_configuration,
    passing,
    published_keys,
    published_pages,
    smart_answer,
)
from prober.observations.capability_statement import LEGACY_JSON, read_statement

WITH_TOKEN = "with the token"  # noqa: S105
WANTED = frozenset(
    {
        *(metadata_answer.name, capability_statement.name, smart_answer.name),
        *(published_keys.name, openid_configuration.name, brands_answer.name, "answer_samples", "modern_tls"),
        published_pages.name,
    }
)

Index = Mapping[str, list[Exchange]]


@dataclass(frozen=True)
class Found:
    """What stands at an address: a document that was served, or the answer that says that there is none."""

    answer: Exchange
    state: Literal["served", "none"]
    document: dict[str, JSON]


def index_of(exchanges: Iterable[Exchange]) -> Index:
    """The exchanges of the observations that facts are read from, by the name of the observation."""
    found: dict[str, list[Exchange]] = {}
    for one in exchanges:
        if one.observation in WANTED:
            found.setdefault(one.observation, []).append(one)
    return {name: sorted(ones, key=lambda one: one.id) for name, ones in found.items()}


def statement_in(index: Index, *, has_credentials: bool) -> CapabilityStatement | None:
    """The CapabilityStatement, as `capability_statement` sees it; None if this run could not see it."""
    answer = _final(index, metadata_answer.name)
    if answer is not None and answer.status in (406, 415) and not _silent(answer):
        other = _final(index, metadata_answer.name, LEGACY_JSON)
        if other is None or _silent(other):
            return None
        answer = other if other.status == 200 else answer
    if answer is None or _silent(answer):
        return None
    if closed(answer) and has_credentials:
        answer = _final(index, capability_statement.name, WITH_TOKEN)
    if answer is None or _silent(answer) or closed(answer) or answer.status != 200 or disguise_of(answer):
        return None
    if answer.resource_type != "CapabilityStatement":
        return None
    return read_statement(answer, answer.document)


def smart_in(index: Index) -> SmartConfiguration | Exchange | None:
    """The SMART configuration, or the answer that says that there is none; None if this run could not see either."""
    answer = _final(index, smart_answer.name)
    if answer is None or _silent(answer) or closed(answer) or leads_away(answer):
        return None
    if not_there(answer):
        return answer
    if answer.status != 200 or disguise_of(answer) or "resourceType" in answer.document:
        return None
    return SmartConfiguration(answer, answer.document)


def published_in(index: Index, name: str, *, resource: str | None = None) -> Found | None:
    """A document that the SMART configuration leads to, or the answer that says that it leads nowhere.

    `resource` is the FHIR type that it must be; None if it must be none.
    """
    answer = _final(index, name)
    if answer is None or cannot_tell(answer, with_token=False) is not None:
        return None
    if not_there(answer):
        return Found(answer, "none", {})
    if answer.status != 200 or not isinstance(answer.document, dict):
        return None
    fits = "resourceType" not in answer.document if resource is None else answer.resource_type == resource
    return Found(answer, "served", answer.document) if fits else None


def pages_in_order(index: Index) -> list[Exchange]:
    """What was asked on the way to the published pages: each repeat and hop after what it follows."""
    return sorted(index.get(published_pages.name, ()), key=_order)


def _silent(answer: Exchange) -> bool:
    return passing(answer) is not None


def _final(index: Index, name: str, label: str = "") -> Exchange | None:
    """The last answer to a request of that label: after its repeat, and where its redirects led."""
    fitting = [one for one in index.get(name, ()) if one.label.partition(">")[0] == label]
    return max(fitting, key=_order, default=None)


def _order(exchange: Exchange) -> tuple[int, int]:
    hop = exchange.label.partition(">")[2]
    number = exchange.id.rpartition(".")[2]
    return (int(hop) if hop.isdecimal() else 0, int(number) if number.isdecimal() else 0)
