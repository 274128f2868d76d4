"""What typed documents say: values for the rules of a rule book, and what in them does not fit together."""

from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction

from prober.documents.freshness import day_of, whole_months
from prober.nouns.attestation import (
    X12,
    Attestation,
    Direct,
    ExchangeMonth,
    Hl7v2,
    Metrics,
    Ncpdp,
    Network,
    Shape,
    StageLetter,
    SuiteResult,
)

OF_X12: Mapping[str, str] = {
    "270": "eligibility_checks",
    "275": "attachments",
    "276": "status_requests",
    "278": "prior_authorizations",
    "835": "remittances",
    "837": "claims",
}
"""Value name of each transaction set: `claims` counts the electronic ones, `claims_electronic_share` is their share."""

GIVEN = frozenset(
    {
        "age_months",
        *OF_X12.values(),
        *(f"{name}_electronic_share" for name in OF_X12.values()),
        *("messages", "partners", "rejected_share"),
        *("new_prescriptions", "cancellations", "benefit_checks", "drug_authorizations"),
        "prescriptions_electronic_share",
        *("messages_received", "failed_share"),
        *("inbound_months", "outbound_months", "both_ways_months", "vendors"),
        *("definitions", "system_defined", "transaction_defined", "systems_stated", "types_stated", "types_fit"),
        *("months", "data_types_stated", "shares_total"),
        *("stage", "tests_passed", "tests_failed", "tests_skipped"),
    }
)
"""Every value that one typed shape or another can give; any other is stated in a document's `values`."""


def values_of(one: Attestation, today: date) -> dict[str, Fraction]:
    """Every value that an attestation states, by name: what is written in `values`, and over it what its shape gives.

    `age_months` is always there: the months begun since the day that the document is about.
    """
    derived = dict(from_shape(one.shape)) if one.shape is not None else {}
    stated = {name: Fraction(value) for name, value in one.values.items()}
    return {**stated, **derived, "age_months": Fraction(whole_months(day_of(one), today))}


def from_shape(shape: Shape) -> Iterator[tuple[str, Fraction]]:
    """The values that a typed shape gives."""
    if isinstance(shape, Hl7v2):
        yield from _interfaces(shape)
    elif isinstance(shape, X12):
        for one in shape.sets:
            yield OF_X12[one.set], Fraction(one.electronic)
            if one.total:
                yield f"{OF_X12[one.set]}_electronic_share", Fraction(one.electronic, one.total)
    elif isinstance(shape, Ncpdp):
        yield from _prescriptions(shape)
    elif isinstance(shape, Direct):
        yield "messages", Fraction(shape.sent)
        yield "messages_received", Fraction(shape.received)
        if shape.sent:
            yield "failed_share", Fraction(shape.failed, shape.sent)
    elif isinstance(shape, Network):
        yield from _network(shape)
    elif isinstance(shape, Metrics):
        yield from _metrics(shape)
    elif isinstance(shape, StageLetter):
        yield "stage", Fraction(shape.stage)
    elif isinstance(shape, SuiteResult):
        yield "tests_passed", Fraction(shape.passed)
        yield "tests_failed", Fraction(shape.failed + shape.errors)
        yield "tests_skipped", Fraction(shape.skipped)


def faults_of(shape: Shape) -> Iterator[str]:
    """What in a shape does not fit together, each a sentence. A document with a fault gives no value that rests on it
    and is told to its author; whether it may count all the same is for the rule book's own checks to say."""
    if isinstance(shape, Hl7v2):
        for row in shape.interfaces:
            if row.accepted + row.errors + row.rejected > row.sent:
                yield f"the interface with {row.partner} counts more acknowledgements than messages."
    elif isinstance(shape, X12):
        for one in shape.sets:
            if one.electronic > one.total:
                yield f"set {one.set} counts more electronic transactions than transactions."
            if (one.accepted or 0) + (one.rejected or 0) > one.electronic:
                yield f"set {one.set} counts more acknowledgements than electronic transactions."
        if len({one.set for one in shape.sets}) < len(shape.sets):
            yield "one transaction set stands twice; add its rows up."
    elif isinstance(shape, Ncpdp) and shape.new_prescriptions > shape.permissible:
        yield "more new prescriptions went out than were permissible."
    elif isinstance(shape, Direct) and shape.delivered + shape.failed > shape.sent:
        yield "more messages were delivered or failed than were sent."
    elif isinstance(shape, Network):
        for month in shape.months:
            if month.failed > month.total:
                yield f"{month.month} counts more failed transactions than transactions."
        if len({month.month for month in shape.months}) < len(shape.months):
            yield "one month stands twice."
    elif isinstance(shape, Metrics):
        yield from _metric_faults(shape)


def consecutive(months: Mapping[str, bool]) -> int:
    """The longest run of consecutive months that are marked, of months named like 2026-03."""
    numbers = sorted(int(name[:4]) * 12 + int(name[5:]) for name, marked in months.items() if marked)
    best = current = 0
    before: int | None = None
    for number in numbers:
        current = current + 1 if before is not None and number == before + 1 else 1
        best, before = max(best, current), number
    return best


def _interfaces(shape: Hl7v2) -> Iterator[tuple[str, Fraction]]:
    acknowledged = sum(row.accepted + row.errors + row.rejected for row in shape.interfaces)
    yield "messages", Fraction(sum(row.sent for row in shape.interfaces))
    yield "partners", Fraction(len({row.partner for row in shape.interfaces if row.accepted}))
    if acknowledged:
        refused = sum(row.errors + row.rejected for row in shape.interfaces)
        yield "rejected_share", Fraction(refused, acknowledged)


def _prescriptions(shape: Ncpdp) -> Iterator[tuple[str, Fraction]]:
    yield "new_prescriptions", Fraction(shape.new_prescriptions)
    yield "cancellations", Fraction(shape.cancellations)
    yield "benefit_checks", Fraction(shape.benefit_checks)
    yield "drug_authorizations", Fraction(shape.drug_authorizations)
    if shape.permissible:
        yield "prescriptions_electronic_share", Fraction(shape.new_prescriptions, shape.permissible)


def _network(shape: Network) -> Iterator[tuple[str, Fraction]]:
    def count(one: ExchangeMonth, way: str) -> bool:
        return {"in": bool(one.inbound), "out": bool(one.outbound), "both": bool(one.inbound and one.outbound)}[way]

    for way, name in (("in", "inbound_months"), ("out", "outbound_months"), ("both", "both_ways_months")):
        yield name, Fraction(consecutive({one.month: count(one, way) for one in shape.months}))
    if shape.vendors is not None:
        yield "vendors", Fraction(shape.vendors)
    total = sum(one.total for one in shape.months)
    if total:
        yield "failed_share", Fraction(sum(one.failed for one in shape.months), total)


def _metrics(shape: Metrics) -> Iterator[tuple[str, Fraction]]:
    yield "definitions", Fraction(sum(bool(text.strip()) for text in shape.definitions.values()))
    for name in ("system", "transaction"):
        yield f"{name}_defined", Fraction(bool(shape.definitions.get(name, "").strip()))
    yield "systems_stated", Fraction(shape.connected_systems is not None)
    yield "types_stated", Fraction(shape.connections_by_type is not None)
    yield "months", Fraction(len({one.month for one in shape.daily_transactions}))
    yield "data_types_stated", Fraction(bool(shape.top_data_types))
    if shape.connections_by_type is not None and shape.connected_systems is not None:
        fits = sum(shape.connections_by_type.values()) == shape.connected_systems
        yield "types_fit", Fraction(fits or shape.overlap_declared)
    if shape.top_data_types:
        yield "shares_total", sum((Fraction(one.share) for one in shape.top_data_types), Fraction(0))


def _metric_faults(shape: Metrics) -> Iterator[str]:
    types = shape.connections_by_type
    if types is not None and shape.connected_systems is not None and not shape.overlap_declared:
        together = sum(types.values())
        if together != shape.connected_systems:
            yield (
                f"the connections by type sum to {together}, and {shape.connected_systems} systems are connected; "
                "mend the counts, or say overlap_declared: true."
            )
    if sum((Fraction(one.share) for one in shape.top_data_types), Fraction(0)) > 1:
        yield "the shares of the data types are more than the whole."
    if len({one.month for one in shape.daily_transactions}) < len(shape.daily_transactions):
        yield "one month stands twice."
