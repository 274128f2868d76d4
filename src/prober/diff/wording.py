"""Says each change in one plain sentence."""

from collections.abc import Callable, Mapping, Sequence

from prober.diff.families import FAMILIES, LISTED, NONE, SERVED, Value, area_of, bounds, parts_of, step_of
from prober.diff.pages import page_words

LONGEST = 160
"""Characters of a stranger's text that a sentence may hold."""
_NOW = {"present": "answers yes", "absent": "answers no", "not_applicable": "does not apply"}
_THEN = {"present": "answered yes", "absent": "answered no", "not_applicable": "did not apply"}


def words(key: str, before: Value, after: Value) -> str:
    """The sentence about a fact that went from one value to another (None: not there). It may hold a server's words."""
    family = FAMILIES.get(area_of(key))
    parts = [_short(one) for one in parts_of(key)]
    was, now = (None if one is None else _short(one) for one in (before, after))
    if family is None:
        return _plain(f"the fact {_short(key)}", "there", was, now)
    special = _SPECIAL.get(family.area)
    if special is not None and was is not None and now is not None:
        return special(parts, was, now)
    return _plain(family.noun(parts), family.there, was, now)


def _plain(noun: str, there: str, was: Value, now: Value) -> str:
    subject = f"{noun[0].upper()}{noun[1:]}"
    if was == now:
        return f"{subject} is as it was."
    if was is None:
        value = "" if now in (there, None) else f" ({now})"
        return f"{subject} is {there} now{value}."
    if now is None:
        return f"{subject} is no longer {there}."
    return f"{subject} changed from {was} to {now}."


def _document(noun: str) -> Callable[[Sequence[str], str, str], str]:
    def told(parts: Sequence[str], was: str, now: str) -> str:
        if parts[-1] != "document":
            return f"The {parts[-1]} of {noun} changed from {was} to {now}."
        ways = {(SERVED, NONE): "is no longer served", (NONE, SERVED): "is served now"}
        return f"{noun[0].upper()}{noun[1:]} {ways.get((was, now), 'is as it was')}."

    return told


def _brands(parts: Sequence[str], was: str, now: str) -> str:
    if parts[-1] == "own_base":
        ways = {(LISTED, NONE): "no longer lists", (NONE, LISTED): "lists"}
        return f"The brand bundle {ways.get((was, now), 'still lists')} this base{' now' if now == LISTED else ''}."
    return _document("the brand bundle")(parts, was, now)


def _host(parts: Sequence[str], was: str, now: str) -> str:
    return f"{parts[-1]} moved from the host {was} to {now}."


def _certificate(parts: Sequence[str], was: str, now: str) -> str:
    if parts[-1] == "sha256":
        return "The certificate is another one."
    if parts[-1] == "state":
        return "The certificate has expired." if now == "expired" else "The certificate is valid again."
    noun = {"issuer": "issuer", "not_after": "last day"}.get(parts[-1], parts[-1])
    return f"The {noun} of the certificate changed from {was} to {now}."


def _latency(parts: Sequence[str], was: str, now: str) -> str:
    return f"The time until /{parts[-1]} begins to answer is {now}; it was {was}."


def _finding(parts: Sequence[str], was: str, now: str) -> str:
    return f"{parts[-1]} {_outcome(now, _NOW)}; before, it {_outcome(was, _THEN)}."


def _outcome(value: str, told: Mapping[str, str]) -> str:
    name, colon, reason = value.partition(": ")
    return f"could not be told ({reason})" if colon else told.get(name, f"was {name}")


def _level(parts: Sequence[str], was: str, now: str) -> str:
    return f"{parts[-1]} is {_span(now)}; it was {_span(was)}."


def _span(value: str) -> str:
    found = bounds(value)
    if found is None:
        return "not applicable"
    low, high = found
    return f"at level {low}" if low == high else f"at least at level {low} and at most at {high}"


def _gate(parts: Sequence[str], was: str, now: str) -> str:
    return f"The gate {parts[-1]} is {_state(now)}; it was {_state(was)}."


def _state(value: str) -> str:
    return {"would_apply": "one that would apply on production"}.get(value, value.replace("_", " "))


def _label(_: Sequence[str], was: str, now: str) -> str:
    return f"The label is {_label_name(now)}; it was {_label_name(was)}."


def _label_name(value: str) -> str:
    return value.rpartition(" (step ")[0] if step_of(value) else value


def _rule_book(parts: Sequence[str], was: str, now: str) -> str:
    return f"The rule book {parts[-1]} is version {now}; it was {was}."


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


_SPECIAL: dict[str, Callable[[Sequence[str], str, str], str]] = {
    "smart": _document("the SMART configuration"),
    "openid": _document("the OpenID configuration"),
    "jwks": _document("the key set"),
    "brands": _brands,
    "oauth_host": lambda parts, was, now: f"The statement's address {_host(parts, was, now)}",
    "endpoint_host": lambda parts, was, now: f"The {_host(parts, was, now)}",
    "openid_host": lambda parts, was, now: f"The {_host(parts, was, now)}",
    "certificate": _certificate,
    "latency": _latency,
    "page": page_words,
    "finding": _finding,
    "criterion": _level,
    "gate": _gate,
    "label": _label,
    "rule_book": _rule_book,
}
