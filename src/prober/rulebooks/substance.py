"""What of a model can decide a result, with all wording taken away; two models with equal substance score alike."""

import hashlib
from collections.abc import Mapping
from typing import Any

from prober.nouns.base import JSON, Noun, canonical
from prober.nouns.model import (
    Attested,
    Block,
    CapabilityProfile,
    Condition,
    Criterion,
    Family,
    FreshnessRow,
    Gate,
    Label,
    MaturityModel,
    Requirement,
    Rule,
    Swap,
    Workflow,
)

_OF_ALL = frozenset({"schema_", "title", "disclaimer", "version"})
WORDING: Mapping[type[Noun], frozenset[str]] = {
    MaturityModel: _OF_ALL,
    CapabilityProfile: _OF_ALL,
    Block: frozenset({"title"}),
    Criterion: frozenset({"title", "intent", "sources", "applies", "modes", "document", "observability", "who_acts"}),
    Requirement: frozenset({"text", "missing", "waits_for"}),
    Attested: frozenset({"document"}),
    Swap: frozenset({"norm", "instead", "text"}),
    Gate: frozenset({"title", "text", "missing"}),
    Workflow: frozenset({"title"}),
    FreshnessRow: frozenset({"title"}),
    Label: frozenset({"meaning"}),
    Condition: frozenset({"text"}),
    Family: frozenset({"title", "meaning"}),
}
"""The members that people read and no score rests on."""


def digest(model: MaturityModel | CapabilityProfile) -> str:
    """SHA-256, as 64 hex digits, of the canonical text of the model without its wording and its version."""
    return hashlib.sha256(canonical(substance(model)).encode()).hexdigest()


def substance(value: Any) -> JSON:
    """A noun, or a member of one, as JSON without wording.

    What has its default is left out, so that a new member of a noun changes no digest. The order of a list counts only
    among labels, which stand from the lowest up.
    """
    if isinstance(value, MaturityModel):
        return {**_of_noun(value), "labels": [substance(one) for one in value.labels]}
    if isinstance(value, Criterion):
        return {**_of_noun(value), "facets": sorted(value.facets)}
    if isinstance(value, Noun):
        return _of_noun(value)
    if isinstance(value, dict):
        return {str(name): substance(member) for name, member in value.items()}
    if isinstance(value, tuple | list):
        return sorted((substance(one) for one in value), key=canonical)
    return value


def _of_noun(noun: Noun) -> dict[str, JSON]:
    left_out = WORDING.get(type(noun), frozenset())
    return {
        name: substance(member)
        for name, member in noun
        if name not in left_out and not _is_default(noun, name, member) and not _is_wording(member)
    }


def _is_default(noun: Noun, name: str, member: Any) -> bool:
    field = type(noun).model_fields[name]
    return not field.is_required() and member == field.get_default(call_default_factory=True)


def _is_wording(member: Any) -> bool:
    """A swap without a rule of its own only reads otherwise elsewhere."""
    return isinstance(member, Swap) and member.met_by is None


def widened(old: Rule, new: Rule) -> bool:
    """Whether the new rule is the old one with nothing but further ways beside it, at any depth."""
    if substance(old) == substance(new):
        return True
    if new.any is not None:
        return all(any(widened(one, other) for other in new.any) for one in (old.any or (old,)))
    if old.all is None or new.all is None or len(old.all) != len(new.all):
        return False
    kept = [substance(one) for one in new.all]
    gone = [one for one in old.all if substance(one) not in kept]
    before = [substance(one) for one in old.all]
    come = [one for one in new.all if substance(one) not in before]
    return len(gone) == len(come) == 1 and widened(gone[0], come[0])
