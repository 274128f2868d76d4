"""What documents say: ages by the calendar, values and faults of every typed shape, and what may speak for what."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from prober.documents.fitting import FORMS, RESTS_ON, same_scope, shape_fits
from prober.documents.freshness import ROW, Age, age_of, age_of_document, bound, day_of, whole_months
from prober.documents.shapes import OF_X12, consecutive, faults_of, from_shape, values_of
from prober.nouns.attestation import Attestation, Period, Shape
from prober.nouns.model import FreshnessRow

MONTHS = FreshnessRow(title="Charter", unit="months", fresh=12, stale=24, expired=36)
DAYS = FreshnessRow(title="Counts", unit="days", fresh=90, stale=180, expired=365)
SHAPE: TypeAdapter[Shape] = TypeAdapter(Shape)
ANY_DAY = st.dates(min_value=date(1900, 1, 1), max_value=date(9000, 1, 1))


def document(**fields: object) -> Attestation:
    base = {
        "id": "one",
        "requirements": ["S8.GOV.1/L1/owner"],
        "claim": "It is so.",
        "kind": "policy",
        "class": "E1",
        "issuer": "Example Hospital",
        "signer_role": "chief executive",
        "issued": "2026-03-31",
        "entity": "Example Hospital",
        "document": {"title": "Charter", "sha256": "a" * 64},
    }
    return Attestation.model_validate(base | fields)


@pytest.mark.parametrize(
    ("day", "count", "last"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-10-31", 1, "2026-11-30"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2026-03-15", 0, "2026-03-15"),
        ("2026-11-30", 13, "2027-12-30"),
    ],
)
def test_a_bound_in_months_ends_on_the_same_day_or_the_last_of_a_short_month(day: str, count: int, last: str) -> None:
    assert bound(date.fromisoformat(day), count, "months") == date.fromisoformat(last)


def test_a_bound_in_days_counts_days_over_a_leap_day() -> None:
    assert bound(date(2024, 2, 28), 2, "days") == date(2024, 3, 1)
    assert bound(date(2026, 2, 28), 2, "days") == date(2026, 3, 2)


def test_a_bound_beyond_the_calendar_is_its_last_day() -> None:
    assert bound(date(9999, 12, 1), 1, "months") == date.max
    assert bound(date(9999, 12, 1), 31, "days") == date.max


@pytest.mark.parametrize(
    ("day", "today", "months"),
    [
        ("2026-03-31", "2026-03-31", 0),
        ("2026-03-31", "2026-03-30", 0),
        ("2026-03-31", "2026-04-01", 1),
        ("2026-03-31", "2026-04-30", 1),
        ("2026-03-31", "2026-05-01", 2),
        ("2026-03-31", "2027-03-31", 12),
        ("2026-03-31", "2027-04-01", 13),
        ("2024-02-29", "2025-02-28", 12),
        ("2024-02-29", "2025-03-01", 13),
        ("2026-01-31", "2026-02-28", 1),
        ("2026-01-31", "2026-03-01", 2),
    ],
)
def test_months_begun_round_up(day: str, today: str, months: int) -> None:
    assert whole_months(date.fromisoformat(day), date.fromisoformat(today)) == months


@given(ANY_DAY, st.integers(min_value=0, max_value=2000))
def test_months_begun_and_bounds_in_months_agree(day: date, later: int) -> None:
    today = day + timedelta(days=later)
    months = whole_months(day, today)
    assert bound(day, months, "months") >= today
    assert months == 0 or bound(day, months - 1, "months") < today


@given(ANY_DAY, ANY_DAY)
def test_evidence_only_ever_grows_older(day: date, today: date) -> None:
    order = {"fresh": 0, "stale": 1, "expired": 2}
    now, then = age_of(day, MONTHS, today), age_of(day, MONTHS, today + timedelta(days=1))
    assert order[now.state] <= order[then.state]
    assert now.last_day == then.last_day
    assert (now.state == "expired") == (today > now.last_day)


@pytest.mark.parametrize(
    ("today", "age"),
    [
        ("2027-03-31", Age("fresh", date(2029, 3, 31))),
        ("2027-04-01", Age("stale", date(2029, 3, 31))),
        ("2028-03-31", Age("stale", date(2029, 3, 31))),
        ("2028-04-01", Age("stale", date(2029, 3, 31), long_stale=True)),
        ("2029-03-31", Age("stale", date(2029, 3, 31), long_stale=True)),
        ("2029-04-01", Age("expired", date(2029, 3, 31), long_stale=True)),
    ],
)
def test_a_charter_is_fresh_stale_and_expired_to_the_day(today: str, age: Age) -> None:
    assert age_of_document(document(), MONTHS, date.fromisoformat(today)) == age


def test_a_document_is_about_the_end_of_its_period_the_day_it_was_read_or_its_day_of_issue() -> None:
    assert day_of(document()) == date(2026, 3, 31)
    assert day_of(document(period={"start": "2025-01-01", "end": "2025-12-31"})) == date(2025, 12, 31)
    page = {"form": "page", "url": "https://example.org/", "confirmed_by": "An editor", "confirmed_on": "2026-04-01"}
    assert day_of(document(kind="page", shape=page)) == date(2026, 4, 1)


def test_a_certificate_counts_through_its_own_last_day() -> None:
    one = document(kind="certificate", valid_until="2028-02-29")
    assert age_of_document(one, MONTHS, date(2028, 2, 29)) == Age("fresh", date(2028, 2, 29))
    assert age_of_document(one, MONTHS, date(2028, 3, 1)).state == "expired"
    assert age_of_document(one, None, date(2028, 2, 29)).state == "fresh"


def test_a_document_that_names_an_earlier_last_day_ends_on_it_and_a_later_one_changes_nothing() -> None:
    early, late = document(valid_until="2026-06-30"), document(valid_until="2039-06-30")
    assert age_of_document(early, MONTHS, date(2026, 6, 30)) == Age("fresh", date(2026, 6, 30))
    assert age_of_document(early, MONTHS, date(2026, 7, 1)) == Age("expired", date(2026, 6, 30), long_stale=True)
    assert age_of_document(late, MONTHS, date(2026, 7, 1)) == age_of_document(document(), MONTHS, date(2026, 7, 1))


def test_without_a_row_a_document_counts_on_its_own_day_only() -> None:
    assert age_of_document(document(), None, date(2026, 3, 31)).state == "fresh"
    assert age_of_document(document(), None, date(2026, 4, 1)).state == "expired"


def test_days_are_counted_by_the_row() -> None:
    one = document(kind="volume", period={"start": "2026-01-01", "end": "2026-03-31"})
    assert age_of_document(one, DAYS, date(2026, 6, 29)).state == "fresh"
    assert age_of_document(one, DAYS, date(2026, 6, 30)).state == "stale"
    assert age_of_document(one, DAYS, date(2027, 3, 31)).state == "stale"
    assert age_of_document(one, DAYS, date(2027, 4, 1)).state == "expired"


@pytest.mark.parametrize("day", ["2026-02-29", "2026-02-30", "2026-04-31", "0000-01-01", "2026-13-01", "2026-1-1"])
def test_a_day_that_no_calendar_has_is_refused(day: str) -> None:
    with pytest.raises(ValidationError):
        Period(start=day, end="2026-12-31")


@given(st.sets(st.integers(min_value=24_000, max_value=24_060)))
def test_consecutive_months_are_the_longest_run(numbers: set[int]) -> None:
    longest = max(
        (n for n in range(len(numbers) + 1) if any(set(range(a, a + n)) <= numbers for a in numbers)), default=0
    )
    names = {f"{number // 12:04}-{number % 12 + 1:02}": True for number in numbers}
    assert consecutive(names) == longest


def test_months_that_are_not_marked_break_a_run_and_december_goes_on_in_january() -> None:
    assert consecutive({"2025-11": True, "2025-12": True, "2026-01": True, "2026-02": False, "2026-03": True}) == 3
    assert consecutive({}) == 0


def interface(**counts: object) -> dict[str, object]:
    given_ = {"partner": "Laboratory", "events": ["ORU^R01"], "version": "2.5.1", "transport": "MLLP"}
    return {**given_, "sent": 100, "accepted": 90, "errors": 4, "rejected": 6, **counts}


def exchanged(name: str, inbound: int = 5, outbound: int = 5, total: int = 10, failed: int = 1) -> dict[str, object]:
    return {"month": name, "inbound": inbound, "outbound": outbound, "total": total, "failed": failed}


def transactions(**counts: object) -> dict[str, object]:
    return {"set": "837", "version": "5010", "electronic": 41, "total": 100, **counts}


VALUES: list[tuple[dict[str, object], dict[str, Fraction | int]]] = [
    (
        {"form": "hl7v2", "interfaces": [interface(), interface(partner="Registry", accepted=0, errors=0, rejected=0)]},
        {"messages": 200, "partners": 1, "rejected_share": Fraction(10, 100)},
    ),
    (
        {"form": "hl7v2", "interfaces": [interface(accepted=0, errors=0, rejected=0)]},
        {"messages": 100, "partners": 0},
    ),
    ({"form": "x12", "sets": [transactions()]}, {"claims": 41, "claims_electronic_share": Fraction(41, 100)}),
    ({"form": "x12", "sets": [transactions(set="278", electronic=0, total=0)]}, {"prior_authorizations": 0}),
    (
        {"form": "ncpdp", "script_version": "2023011", "new_prescriptions": 90, "permissible": 100, "cancellations": 7},
        {
            **{"new_prescriptions": 90, "cancellations": 7, "benefit_checks": 0, "drug_authorizations": 0},
            "prescriptions_electronic_share": Fraction(9, 10),
        },
    ),
    (
        {"form": "ncpdp", "script_version": "2023011", "new_prescriptions": 0, "permissible": 0},
        {"new_prescriptions": 0, "cancellations": 0, "benefit_checks": 0, "drug_authorizations": 0},
    ),
    (
        {"form": "direct", "accredited": True, "sent": 100, "delivered": 97, "failed": 3, "received": 50},
        {"messages": 100, "messages_received": 50, "failed_share": Fraction(3, 100)},
    ),
    (
        {"form": "direct", "accredited": True, "sent": 0, "delivered": 0, "failed": 0, "received": 50},
        {"messages": 0, "messages_received": 50},
    ),
    (
        {
            "form": "network",
            "vendors": 2,
            "months": [
                exchanged("2025-12"),
                exchanged("2026-01"),
                exchanged("2026-02", outbound=0),
                exchanged("2026-04"),
            ],
        },
        {
            **{"inbound_months": 3, "outbound_months": 2, "both_ways_months": 2, "vendors": 2},
            "failed_share": Fraction(4, 40),
        },
    ),
    (
        {"form": "network", "months": [exchanged("2026-01", 0, 0, 0, 0)]},
        {"inbound_months": 0, "outbound_months": 0, "both_ways_months": 0},
    ),
    (
        {
            "form": "metrics",
            "definitions": {"system": "A system is one vendor's instance."},
            "connected_systems": 5,
            "connections_by_type": {"fhir_api": 2, "hl7v2": 3},
            "daily_transactions": [{"month": "2026-01", "avg": 10}, {"month": "2026-02", "avg": 0}],
            "top_data_types": [{"system": "fhir", "type": "Observation", "share": "1/2"}],
        },
        {
            **{"definitions": 1, "system_defined": 1, "transaction_defined": 0, "systems_stated": 1, "types_stated": 1},
            **{"months": 2, "data_types_stated": 1, "types_fit": 1, "shares_total": Fraction(1, 2)},
        },
    ),
    (
        {"form": "metrics", "connected_systems": 0},
        {
            **{"definitions": 0, "system_defined": 0, "transaction_defined": 0, "systems_stated": 1, "types_stated": 0},
            **{"months": 0, "data_types_stated": 0},
        },
    ),
    (
        {
            **{"form": "suite", "suite": "g10", "base": "https://fhir.example.org/r4"},
            **{"passed": 9, "failed": 1, "errors": 2, "skipped": 3, "omitted": 4},
        },
        {"tests_passed": 9, "tests_failed": 3, "tests_skipped": 3},
    ),
    ({"form": "page", "url": "https://example.org/", "confirmed_by": "X", "confirmed_on": "2026-01-01"}, {}),
    (
        {
            **{"form": "product", "listing": "A product", "number": "15.0", "edition": "2015"},
            **{"criteria": [], "retrieved": "2026-01-01"},
        },
        {},
    ),
]


@pytest.mark.parametrize(("given_", "values"), VALUES, ids=[str(row[0]["form"]) for row in VALUES])
def test_a_typed_shape_gives_its_values_and_no_value_of_nothing(
    given_: dict[str, object], values: dict[str, Fraction | int]
) -> None:
    shape = SHAPE.validate_python(given_)
    assert dict(from_shape(shape)) == values
    assert list(faults_of(shape)) == []


def test_every_transaction_set_has_its_own_values() -> None:
    sets = [transactions(set=name) for name in OF_X12]
    values = dict(from_shape(SHAPE.validate_python({"form": "x12", "sets": sets})))
    assert len(values) == 2 * len(OF_X12)


FAULTS: list[tuple[dict[str, object], list[str]]] = [
    (
        {"form": "hl7v2", "interfaces": [interface(accepted=91)]},
        ["the interface with Laboratory counts more acknowledgements than messages."],
    ),
    (
        {"form": "x12", "sets": [transactions(electronic=101)]},
        ["set 837 counts more electronic transactions than transactions."],
    ),
    (
        {"form": "x12", "sets": [transactions(accepted=40, rejected=2)]},
        ["set 837 counts more acknowledgements than electronic transactions."],
    ),
    (
        {"form": "x12", "sets": [transactions(), transactions()]},
        ["one transaction set stands twice; add its rows up."],
    ),
    (
        {"form": "ncpdp", "script_version": "2023011", "new_prescriptions": 101, "permissible": 100},
        ["more new prescriptions went out than were permissible."],
    ),
    (
        {"form": "direct", "accredited": False, "sent": 10, "delivered": 10, "failed": 1, "received": 0},
        ["more messages were delivered or failed than were sent."],
    ),
    (
        {"form": "network", "months": [exchanged("2026-01", failed=11)]},
        ["2026-01 counts more failed transactions than transactions."],
    ),
    ({"form": "network", "months": [exchanged("2026-01"), exchanged("2026-01")]}, ["one month stands twice."]),
    (
        {"form": "metrics", "connected_systems": 5, "connections_by_type": {"fhir_api": 2}},
        [
            "the connections by type sum to 2, and 5 systems are connected; mend the counts, or say "
            "overlap_declared: true."
        ],
    ),
    (
        {
            "form": "metrics",
            "top_data_types": [{"system": "fhir", "type": name, "share": "2/3"} for name in ("A", "B")],
        },
        ["the shares of the data types are more than the whole."],
    ),
    (
        {"form": "metrics", "daily_transactions": [{"month": "2026-01", "avg": 1}, {"month": "2026-01", "avg": 1}]},
        ["one month stands twice."],
    ),
]


@pytest.mark.parametrize(("given_", "faults"), FAULTS, ids=[str(row[0]["form"]) for row in FAULTS])
def test_counts_that_cannot_be_are_faults(given_: dict[str, object], faults: list[str]) -> None:
    assert list(faults_of(SHAPE.validate_python(given_))) == faults


def test_types_that_overlap_need_not_sum() -> None:
    given_ = {
        "form": "metrics",
        "connected_systems": 5,
        "connections_by_type": {"fhir_api": 9},
        "overlap_declared": True,
    }
    shape = SHAPE.validate_python(given_)
    assert list(faults_of(shape)) == []
    assert dict(from_shape(shape))["types_fit"] == 1


def test_a_derived_value_wins_over_a_stated_one_and_the_age_over_both() -> None:
    shape = {"form": "network", "months": [exchanged("2026-01")]}
    one = document(
        kind="volume",
        period={"start": "2026-01-01", "end": "2026-01-31"},
        shape=shape,
        values={"failed_share": "1/4", "age_months": "99"},
    )
    values = values_of(one, date(2026, 3, 1))
    assert values["failed_share"] == dict(from_shape(one.shape))["failed_share"] != Fraction(1, 4)  # type: ignore[arg-type]
    assert values["inbound_months"] == 1
    assert values["age_months"] == 2


def test_every_kind_has_a_row_and_every_shape_a_kind() -> None:
    kinds = set(ROW)
    assert set(RESTS_ON) == kinds - {"listing"}
    assert {kind for named in FORMS.values() for kind in named} <= kinds
    for given_, _ in VALUES:
        shape = SHAPE.validate_python(given_)
        assert [kind for kind in ROW if shape_fits(shape, kind)], shape.form


def test_two_documents_share_a_scope_by_entity_and_base() -> None:
    whole, first = document(), document(bases=["https://a.example.org/r4/"])
    assert same_scope(whole, first)
    assert same_scope(first, document(bases=["https://a.example.org/r4", "https://b.example.org/r4"]))
    assert not same_scope(first, document(bases=["https://b.example.org/r4"]))
    assert not same_scope(whole, document(entity="Other Hospital"))
