"""Plain words for kinds of documents, bounds, classes and ages."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from prober.documents.freshness import ROW
from prober.nouns.attestation import DocumentClass, DocumentKind
from prober.nouns.model import Attested, FreshnessRow, MaturityModel

KINDS: Mapping[DocumentKind, str] = {
    "policy": "a charter, policy, contract or catalogue",
    "record": "minutes, an access review or an audit report",
    "volume": "an operational log extract or counts of messages and acknowledgements",
    "metrics": "published yearly figures",
    "letter": "a letter of a registry, network or partner",
    "assessment": "a security assessment or penetration test",
    "certificate": "a certificate with its own last day",
    "listing": "a product listing",
    "result": "the result of a test suite",
    "page": "a public page that a person read",
}
CLASSES: Mapping[DocumentClass, str] = {
    "E0": "the bare word of the provider",
    "E1": "a policy, contract or screenshot of its own",
    "E2": "an operational record of its own",
    "E3": "signed by, or fetched from, somebody other than the provider",
}
_FROM: Mapping[DocumentKind, str] = {
    "volume": "the end of its period",
    "metrics": "the end of its period",
    "page": "the day on which it was read",
}
_SHAPES: Mapping[str, tuple[str, ...]] = {
    "hl7v2": ("messages", "partners", "rejected_share"),
    "x12": (
        *("eligibility_checks", "attachments", "status_requests", "prior_authorizations", "remittances", "claims"),
        *("eligibility_checks_electronic_share", "attachments_electronic_share", "status_requests_electronic_share"),
        *("prior_authorizations_electronic_share", "remittances_electronic_share", "claims_electronic_share"),
    ),
    "ncpdp": (
        *("new_prescriptions", "cancellations", "benefit_checks", "drug_authorizations"),
        "prescriptions_electronic_share",
    ),
    "direct": ("messages", "messages_received", "failed_share"),
    "network": ("inbound_months", "outbound_months", "both_ways_months", "vendors", "failed_share"),
    "metrics": (
        *("definitions", "system_defined", "transaction_defined", "systems_stated", "types_stated", "months"),
        *("data_types_stated", "types_fit", "shares_total"),
    ),
    "stage_letter": ("stage",),
    "suite": ("tests_passed", "tests_failed", "tests_skipped"),
}


def bounds(rule: Attested) -> tuple[str, ...]:
    """What a document must state to count, each in words."""
    return tuple(_bound(name, limit) for name, limit in rule.values.items())


def _bound(bound: str, limit: str) -> str:
    name, _, side = bound.rpartition("_at_")
    if name == "age_months":
        return f"it is at {side} {limit} months old" + (" (this follows from its dates)" if side == "most" else "")
    forms = [form for form, names in _SHAPES.items() if name in names]
    by_shape = f" (a shape of the form {' or '.join(forms)} gives it)" if forms else ""
    return f"{name} is at {side} {amount(limit)}{by_shape}"


def amount(limit: str) -> str:
    """A bound in words: hundredths read as percent."""
    value = Fraction(limit)
    if "/" in limit and (value * 100).denominator == 1 and value <= 1:
        return f"{limit}, which is {value * 100} percent"
    return limit


def lasting(kind: DocumentKind, model: MaturityModel) -> str:
    """How long a document of this kind stays fresh, and how long it counts, in words."""
    if kind == "certificate":
        return "it counts through its own last day"
    row: FreshnessRow | None = model.freshness.get(ROW[kind])
    if row is None:
        return "the rule book gives it no time, so it counts on its own day only"
    since = _FROM.get(kind, "the day of issue, or the end of its period")
    return f"fresh for {row.fresh} {row.unit}, counting for {row.expired} {row.unit}, from {since}"


def either(names: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *listed, last = names
    return f"{', '.join(listed)} or {last}" if listed else last


def plain(text: str) -> str:
    """The text on one line, blanks for whatever cannot be seen: safe in a file of lines, whoever wrote it."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def visible(text: str) -> str:
    """The text with every character that cannot be seen written as its escape."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
