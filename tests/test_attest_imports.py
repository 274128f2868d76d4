"""Imports into a file of attestations: what is taken, what never is, and that nothing of a person's file is lost."""

import copy
import csv
import hashlib
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.attest.chpl import read_listing
from prober.attest.imports import Offer, Target, add, json_of
from prober.attest.inferno import from_inferno, read_suite
from prober.attest.reading import read_from_text
from prober.attest.spreadsheet import read_sheet
from prober.attest.worksheet import GUIDE, TO_FILL
from prober.attest.writing import EMPTY, added, block, free_id
from prober.library import load_model, load_provider
from prober.mistake import Mistake
from prober.nouns.attestation import Attestation
from prober.nouns.model import MaturityModel

HERE = Path(__file__).parent
TODAY = date(2026, 11, 23)
WITH = ("--provider", "provider.yaml", "--model", "book.yaml", "--as-of", f"{TODAY}T12:00:00Z")
CHARTER_HASH = hashlib.sha256((HERE / "attest" / "charter.txt").read_bytes()).hexdigest()
LOADED = load_model(HERE / "attest" / "book.yaml")
assert isinstance(LOADED, MaturityModel)
BOOK = LOADED
PROVIDER = load_provider(HERE / "attest" / "provider.yaml")
Call = Callable[..., Any]
TEXT = f"""\
schema: prober/attestations/1
attestations:
  - id: charter
    requirements: [S8.GOV.1/L1/owner]
    claim: The charter names the owner.
    kind: policy
    class: E1
    issuer: Example Hospital
    signer_role: chief executive
    issued: 2026-10-01
    entity: Example Hospital
    document: {{title: Charter, file: charter.txt, sha256: {CHARTER_HASH}}}
"""
BASE = "https://fhir.example.org/r4"
OFFER = Offer(("S8.STD.1/L2/suite",), "Example Hospital", None, "integration lead")
SOURCE = Path("results.json")
CANARIES = (
    *("CanaryFamily", "canary-patient-7", "1931-04-05", "CanaryToken", "canary@example.org", "+1 555 0199"),
    *("canary_secret", "CanaryMessage", "CanaryOutput"),
)


def result(test: str, outcome: str = "pass", **more: object) -> dict[str, object]:
    """A result as Inferno serializes it, with everything that must never be taken over."""
    return {
        "id": "2b52e1ee-8f8c-43d4-ac14-ca1db2621159",
        "test_id": test,
        "test_run_id": "89f39dfa-45b7-4652-b5ce-eaca30bd8213",
        "test_session_id": "1p2MmTUPe1M",
        "result": outcome,
        "result_message": "CanaryMessage CanaryFamily",
        "created_at": "2026-11-20T23:30:00.317-05:00",
        "updated_at": "2026-11-20T23:30:00.317-05:00",
        "optional": False,
        "inputs": [
            {"name": "url", "value": BASE, "type": "text"},
            {"name": "patient_ids", "value": "canary-patient-7", "type": "text"},
            {"name": "credentials", "value": '{"access_token":"CanaryToken","client_secret":"canary_secret"}'},
        ],
        "outputs": [{"name": "patient", "type": "text", "value": "CanaryOutput 1931-04-05"}],
        "messages": [{"type": "error", "message": "CanaryFamily canary@example.org"}],
        "requests": [
            {
                "id": "1",
                "index": 1,
                "verb": "get",
                "url": f"{BASE}/Patient/canary-patient-7?phone=+1 555 0199",
                "status": 200,
            }
        ],
    } | more


def results() -> list[dict[str, object]]:
    """Tests, an optional failure, and the group and suite that sum them up."""
    return [
        result("g10_certification-smart-Test01"),
        result("g10_certification-smart-Test02"),
        result("g10_certification-api-Test01", "skip"),
        result("g10_certification-api-Test02", "omit"),
        result("g10_certification-api-Test03", "fail", optional=True),
        {**result("x"), "test_id": None, "test_group_id": "g10_certification-api", "result": "fail"},
        {**result("x"), "test_id": None, "test_suite_id": "g10_certification", "result": "fail"},
    ]


def content(value: object) -> bytes:
    return json.dumps(value).encode()


def inferno(value: object, **more: Any) -> Attestation:
    fields: dict[str, Any] = {"file": None, "version": None, "taken": frozenset()} | more
    return from_inferno(content(value), SOURCE, [BASE + "/"], OFFER, **fields)


def test_inferno_counts_the_required_tests_of_one_suite_against_one_base() -> None:
    suite = read_suite(content(results()), SOURCE, [BASE])
    assert (suite.suite, suite.base, suite.day) == ("g10_certification", BASE, date(2026, 11, 21))
    assert suite.counts == {"passed": 2, "failed": 0, "skipped": 1, "omitted": 1, "errors": 0}
    assert suite.optional == 1


def test_the_answer_of_the_api_about_a_run_is_read_as_well() -> None:
    run = {"id": "1", "test_suite_id": "g10_certification", "status": "done", "results": results()}
    assert read_suite(content(run), SOURCE, [BASE]) == read_suite(content(results()), SOURCE, [BASE])


def test_a_test_that_ran_again_counts_as_it_ended() -> None:
    early = result("s-Test01", "fail", updated_at="2026-11-19T00:00:00Z")
    late = result("s-Test01", "pass", updated_at="2026-11-20T00:00:00Z")
    for given_ in ([early, late], [late, early]):
        assert read_suite(content(given_), SOURCE, [BASE]).counts["failed"] == 0
    late["result"] = "error"
    assert read_suite(content([early, late]), SOURCE, [BASE]).counts == {
        **{"passed": 0, "failed": 0, "skipped": 0, "omitted": 0},
        "errors": 1,
    }


def test_inferno_becomes_a_result_of_class_e2_and_of_e3_where_somebody_else_stands_behind_it() -> None:
    one = inferno(results(), version="7.2.0", file="results.json")
    assert (one.id, one.kind, one.class_, one.bases) == (
        "inferno-g10-certification-2026-11-21",
        "result",
        "E2",
        (BASE,),
    )
    assert one.claim == (
        "Inferno ran g10_certification against this base; of its required tests: 2 passed, 1 skipped, 1 omitted. "
        "Its 1 optional tests are not counted."
    )
    assert one.document is not None
    assert not one.document.public
    offer = Offer(OFFER.requirements, OFFER.entity, "A testing laboratory", "laboratory")
    third = from_inferno(content(results()), SOURCE, [BASE], offer, file=None, version=None, taken=frozenset())
    assert (third.class_, third.issuer) == ("E3", "A testing laboratory")


def test_nothing_of_a_patient_and_no_token_reaches_the_file(attest: Call, desk: Path) -> None:
    (desk / "results.json").write_bytes(content(results()))
    arguments = ("--into", "attestations.yaml", "--for", "S8.STD.1/L2/suite", "--signer-role", "integration lead")
    ended = attest("import", "inferno", "results.json", *arguments, *WITH)
    assert ended.code == 0, ended.err
    written = (desk / "attestations.yaml").read_text()
    assert "g10_certification" in written
    for canary in CANARIES:
        assert canary in json.dumps(results())
        assert canary.lower() not in (written + ended.out + ended.err).lower()
    assert attest("check", "attestations.yaml", *WITH).code == 0


@pytest.mark.parametrize("name", sorted(result("s-Test01")))
def test_a_canary_in_any_member_of_a_result_stays_out(name: str) -> None:
    """Whatever a member holds, either it is refused, or nothing of it is in the attestation."""
    value = results()
    for one in value:
        if name in one:
            one[name] = "Canary Family, born 1931-04-05"
    try:
        text = block(inferno(value))
    except Mistake as mistake:
        text = str(mistake)
    assert "Canary" not in text
    assert "1931" not in text


REFUSED: list[tuple[str, object, str]] = [
    ("no results", [], "no result of a test is in this file"),
    ("an object without results", {"a": 1}, "no result of a test is in this file"),
    ("results that are no list", {"results": "all"}, "no result of a test is in this file"),
    ("no JSON value", None, "this is not JSON that prober can read"),
    ("a number", 7, "this is not JSON that prober can read"),
    ("a result nobody knows", [result("s-Test01", "great")], "no result of a test is in this file"),
    ("a run that waits", [result("s-Test01"), result("s-Test02", "wait")], "1 tests were waiting or cancelled"),
    ("only optional tests", [result("s-Test01", optional=True)], "every test in this file is optional"),
    ("nothing but skipped tests", [result("s-Test01", "skip")], "nothing was tested"),
    ("two suites", [result("s-Test01"), result("t-Test01")], "results of 2 suites"),
    ("no address", [result("s-Test01", inputs=[])], "the input `url`"),
    (
        "two addresses",
        [result("s-Test01"), result("s-Test02", inputs=[{"name": "url", "value": "https://a.example.org"}])],
        "about 2 addresses",
    ),
    (
        "another base",
        [result("s-Test01", inputs=[{"name": "url", "value": "https://x:hunter2@other.example.org"}])],
        "another FHIR base than those",
    ),
    ("no time", [result("s-Test01", updated_at="yesterday", created_at=None)], "the time at which it was made"),
]


@pytest.mark.parametrize(("value", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_results_that_say_nothing_certain_are_refused(value: object, why: str) -> None:
    with pytest.raises(Mistake) as refused:
        inferno(value)
    said = str(refused.value)
    assert why in said
    assert said.startswith("results.json: ")
    assert said.endswith(".")
    assert "hunter2" not in said


def test_json_that_is_too_deep_too_crowded_or_none_is_refused() -> None:
    for bad in (b"[" * 100_000, b"[" + b"1," * 300_000 + b"1]", b"\xff\xfe", b"", b"{'a': 1}"):
        with pytest.raises(Mistake, match="this is not JSON that prober can read"):
            json_of(bad, SOURCE, "something else")


MEMBERS = (
    *("test_id", "result", "results", "inputs", "name", "value", "url", "updated_at", "optional", "test_suite_id"),
    *("chplProductNumber", "edition", "developer", "product", "version", "certificationResults", "criterion", "number"),
    *("success", "certificationEvents", "status", "criteriaMet", "certificationStatus"),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                st.text(max_size=5),
                st.sampled_from(MEMBERS),
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=30,
)


@settings(max_examples=examples(60), deadline=None)
@given(JSON)
def test_no_json_makes_an_import_crash(value: object) -> None:
    for read in (
        lambda data: read_suite(data, SOURCE, [BASE]),
        lambda data: read_listing(data, SOURCE, None),
    ):
        said = "results.json: read"
        try:
            read(content(value))
        except Mistake as mistake:
            said = str(mistake)
        assert said.startswith("results.json: ")


@settings(max_examples=examples(50), deadline=None)
@given(st.integers(0, 6), st.sampled_from(sorted(result("s-Test01"))), JSON)
def test_no_member_of_a_result_makes_the_import_crash(at: int, name: str, value: object) -> None:
    changed = copy.deepcopy(results())
    changed[at][name] = value
    try:
        one = inferno(changed)
    except Mistake:
        return
    assert read_from_text(added(EMPTY, [one], Path("a.yaml")), Path("a.yaml"), BOOK, PROVIDER, today=TODAY).faults == ()


# Product listings

DETAILS: dict[str, Any] = {
    "id": 10000,
    "chplProductNumber": "15.04.04.2657.Care.01.00.1.160701",
    "edition": {"id": 3, "name": "2015"},
    "developer": {
        "id": 1,
        "name": "Example Developer",
        "contact": {"fullName": "Canary Person", "email": "canary@example.org"},
    },
    "product": {"id": 2, "name": "Example Record"},
    "version": {"id": 3, "version": "12.1"},
    "certificationResults": [
        {"success": True, "criterion": {"id": 182, "number": "170.315 (g)(10)", "title": "Standardized API"}},
        {"success": False, "criterion": {"id": 1, "number": "170.315 (a)(1)", "title": "Orders"}},
        {"success": True, "criterion": {"id": 2, "number": "Canary Person", "title": ""}},
    ],
    "certificationEvents": [
        {"eventDate": 1467331200000, "status": {"id": 1, "name": "Active"}},
    ],
    "sed": {"testTasks": [{"description": "Canary Person"}]},
}
FOUND: dict[str, Any] = {
    "recordCount": 2,
    "results": [
        {
            **{"id": 1, "chplProductNumber": "15.04.04.2657.Care.01.00.1.160701", "edition": {"id": 1, "name": "2015"}},
            **{"developer": {"name": "Example Developer", "id": 1}, "product": {"name": "Example Record", "id": 1}},
            **{"version": {"name": "12.1", "id": 1}, "certificationStatus": {"name": "Active", "id": 1}},
            "criteriaMet": [{"id": 182, "number": "170.315 (g)(10)", "title": "Standardized API"}],
        },
        {"id": 2, "chplProductNumber": "15.04.04.2657.Care.01.00.1.160703", "certificationStatus": {"name": "Retired"}},
    ],
}


def test_a_listing_is_read_from_details_and_from_a_search() -> None:
    number = "15.04.04.2657.Care.01.00.1.160701"
    details = read_listing(content(DETAILS), SOURCE, None)
    assert details == read_listing(content(FOUND), SOURCE, number)
    assert details.product == "Example Developer Example Record 12.1"
    assert (details.edition, details.criteria) == ("2015", ("170.315 (g)(10)",))


def test_a_listing_without_edition_says_so() -> None:
    assert read_listing(content(DETAILS | {"edition": None}), SOURCE, None).edition == "not named"
    old = DETAILS | {"edition": None, "certificationEdition": {"id": 3, "name": "2015"}}
    assert read_listing(content(old), SOURCE, None).edition == "2015"


def test_a_listing_that_is_not_active_or_not_the_only_one_is_refused() -> None:
    events = [
        *DETAILS["certificationEvents"],
        {"eventDate": 1567331200000, "status": {"name": "Withdrawn by Developer"}},
    ]
    for value, number, why in (
        (DETAILS | {"certificationEvents": events}, None, "not active any more"),
        (FOUND, "15.04.04.2657.Care.01.00.1.160703", "not active any more"),
        (FOUND, None, "2 products are in this file"),
        (FOUND, "15.0", "no such product is in this file"),
        ({}, None, "no such product is in this file"),
    ):
        with pytest.raises(Mistake, match=why):
            read_listing(content(value), SOURCE, number)


def test_a_listing_is_imported_as_what_it_is(attest: Call, desk: Path) -> None:
    (desk / "listing.json").write_bytes(content(DETAILS))
    arguments = ("--into", "attestations.yaml", "--for", "S8.STD.1/L1/declared", "--retrieved", "2026-11-20")
    ended = attest("import", "chpl", "listing.json", *arguments, *WITH)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "attestations.yaml has one attestation more.\n"
    written = (desk / "attestations.yaml").read_text()
    assert "Canary" not in written
    assert "canary@" not in written
    reading = read_from_text(written, desk / "attestations.yaml", BOOK, PROVIDER, today=TODAY)
    (one,) = reading.attestations
    assert (one.kind, one.class_, one.issued) == ("listing", "E1", "2026-11-20")
    above = attest(
        "import", "chpl", "listing.json", *arguments, "--for", "S8.STD.1/L3/flows", "--into", "b.yaml", *WITH
    )
    assert "a product listing alone carries level 1" in above.out


# Spreadsheets


def sheet(*rows: dict[str, str], separator: str = ",", columns: tuple[str, ...] = GUIDE + TO_FILL) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=separator, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


FILLED = {
    "requirement": "S8.GOV.1/L3/quarterly",
    "claim": "The council met, four times.",
    "kind": "record",
    "class": "E2",
    "issuer": "Example Hospital",
    "signer_role": "secretary",
    "issued": "2026-10-01",
    "values": "meetings=4; attendance = 9/10",
    "title": "Minutes",
    "file": "charter.txt",
}
ROW = {"requirement": "S8.GOV.1/L1/owner", "question": "An owner is named.", "lasts": "policy: long"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_spreadsheet_is_read_back_and_empty_rows_stay_questions(desk: Path, separator: str) -> None:
    data = b"\xef\xbb\xbf" + sheet(ROW, FILLED, separator=separator)
    found = read_sheet(data, Path("open.csv"), desk, entity="Example Hospital", taken=frozenset())
    assert (found.faults, found.empty) == ((), 1)
    (one,) = found.attestations
    assert one.id == "s8-gov-1-l3-quarterly"
    assert one.values == {"meetings": "4", "attendance": "9/10"}
    assert one.entity == "Example Hospital"
    assert one.document is not None
    assert one.document.sha256 == CHARTER_HASH


def test_a_row_may_name_several_requirements_and_say_everything_else(desk: Path) -> None:
    row = FILLED | {
        **{
            "requirement": "S8.GOV.1/L3/quarterly, S8.GOV.1/L2/charter",
            "id": "minutes",
            "answer": "No",
            "public": "yes",
        },
        **{"period_start": "2025-10-01", "period_end": "2026-09-30", "bases": f"{BASE} https://b.example.org"},
        **{"entity": "Other", "valid_until": "2027-01-01", "third_party": "A reviewer", "class": "E3"},
    }
    (one,) = read_sheet(sheet(row), Path("open.csv"), desk, entity="X", taken=frozenset()).attestations
    assert len(one.requirements) == 2
    assert (one.id, one.answer, one.entity, one.class_) == ("minutes", "no", "Other", "E3")
    assert one.bases == (BASE, "https://b.example.org")
    assert one.document is not None
    assert (one.document.public, one.document.third_party) == (True, "A reviewer")
    assert one.period is not None
    assert one.period.end == "2026-09-30"


def test_every_fault_of_a_spreadsheet_is_told_with_its_row(attest: Call, desk: Path) -> None:
    (desk / "open.csv").write_bytes(
        sheet(
            FILLED | {"issued": "01.10.2026"},
            FILLED | {"class": ""},
            FILLED | {"values": "four"},
            FILLED | {"public": "perhaps"},
            FILLED | {"file": "none.pdf"},
            FILLED | {"requirement": ""},
            FILLED,
        )
    )
    ended = attest("import", "csv", "open.csv", "--into", "attestations.yaml", *WITH)
    assert (ended.code, ended.out) == (2, "")
    assert [line.removeprefix("prober: open.csv:") for line in ended.err.splitlines()] == [
        "2: `issued` is not right (it is '01.10.2026'); write a day as year, month and day, such as 2026-10-31.",
        "3: `class` is missing; add it.",
        "4: a cell of `values` says name=value, and ; between two, for example messages=1200.",
        "5: a cell of `public` says yes or no.",
        "6: the document none.pdf is not there; put it beside this file, or correct its path.",
        "7: `requirements` is empty; name at least one.",
    ]
    assert not (desk / "attestations.yaml").exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "1: the first row does not name the columns"),
        (b"a,b\n1,2\n", "1: the first row does not name the columns"),
        (b"requirement,claim,claim\n", "1: the first row does not name the columns"),
        (b"requirement,claim\na,b,c\n", "2: this row has more cells"),
        (b"requirement,claim\na,\xe9\n", "2: this is not UTF-8 text"),
        (b"requirement,claim\n" + b"x," * 0 + b"a," + b"b" * 200_000 + b"\n", "2: this row is not CSV"),
        (b"requirement,claim\n" + b"a,b\n" * 10_001, "there are more than 10000 rows"),
    ],
)
def test_what_is_no_worksheet_is_refused(data: bytes, why: str, desk: Path) -> None:
    with pytest.raises(Mistake) as refused:
        read_sheet(data, Path("open.csv"), desk, entity=None, taken=frozenset())
    assert why in str(refused.value)


@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: b"requirement,claim\n" + text.encode("utf-8", "replace")),
    )
)
def test_no_spreadsheet_makes_an_import_crash(desk: Path, data: bytes) -> None:
    try:
        told = list(read_sheet(data, Path("open.csv"), desk, entity=None, taken=frozenset()).faults)
    except Mistake as mistake:
        told = [str(mistake)]
    assert all(fault.startswith("open.csv:") for fault in told)


def test_the_whole_way_from_a_worksheet_and_back(attest: Call, desk: Path) -> None:
    attest("init", "--model", "book.yaml", "--csv", "open.csv")
    rows = list(csv.DictReader(io.StringIO((desk / "open.csv").read_text())))
    assert [one["requirement"] for one in rows][:1] == ["S8.GOV.1/L1/owner"]
    for row in rows:
        if row["requirement"] == FILLED["requirement"]:
            row.update(FILLED)
    (desk / "open.csv").write_bytes(sheet(*rows))
    ended = attest("import", "csv", "open.csv", "--into", "attestations.yaml", *WITH)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == ["8 rows are still open.", "attestations.yaml has one attestation more."]
    text = (desk / "attestations.yaml").read_text()
    assert "## To answer one, remove the single #" in text
    assert attest("check", "attestations.yaml", *WITH).code == 0


# Writing into a file that a person keeps


def one_more(id_: str = "more", claim: str = "It is so.") -> Attestation:
    return Attestation.model_validate(
        {
            **{"id": id_, "requirements": ["S8.GOV.1/L1/owner"], "claim": claim, "kind": "policy", "class": "E0"},
            **{
                "issuer": "Example Hospital",
                "signer_role": "owner",
                "issued": "2026-10-01",
                "entity": "Example Hospital",
            },
        }
    )


LAYOUTS = {
    "a plain file": TEXT,
    "no newline at the end": TEXT.rstrip("\n"),
    "comments after the list": TEXT + "# A last word.\n",
    "the list before the schema": "attestations:\n"
    + TEXT.partition("attestations:\n")[2]
    + "schema: prober/attestations/1\n",
    "no indentation": "attestations:\n" + TEXT.partition("attestations:\n")[2].replace("\n  ", "\n").removeprefix("  "),
    "an empty list in brackets": "schema: prober/attestations/1\nattestations: []   # none yet\n",
    "an empty list": EMPTY,
    "null": "attestations: null\nschema: prober/attestations/1\n",
    "no list at all": "schema: prober/attestations/1\n",
    "only comments": "# Nothing yet.\n",
    "quoted": '"attestations":\n' + TEXT.partition("attestations:\n")[2],
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_an_attestation_is_added_and_every_line_that_was_there_stays(text: str, desk: Path) -> None:
    path = desk / "attestations.yaml"
    path.write_text(text)
    old = () if "charter" not in text else ("charter",)
    add([one_more(), one_more("again")], Target(path, BOOK, PROVIDER, TODAY), Path("source"))
    after = path.read_text()
    reading = read_from_text(after, path, BOOK, PROVIDER, today=TODAY)
    assert tuple(one.id for one in reading.attestations) == (*old, "more", "again")
    kept = [line for line in text.split("\n") if line.strip() and not line.startswith("attestations:")]
    remaining = iter(after.split("\n"))
    assert all(line in remaining for line in kept), "each line stands where it stood, in the same order"
    assert "# none yet" in after or "# none yet" not in text


@pytest.mark.parametrize(
    "text",
    [
        "attestations: [{id: a}]\n",
        "{schema: prober/attestations/1, attestations: []}\n",
        "attestations: charter\n",
        "- a\n",
        TEXT.replace("E1", "E9"),
        "attestations:\n  -\n" + TEXT.partition("attestations:\n  - ")[2].join(["    ", ""]),
    ],
)
def test_a_file_that_is_faulty_or_laid_out_otherwise_is_left_alone(text: str, desk: Path) -> None:
    path = desk / "attestations.yaml"
    path.write_text(text)
    with pytest.raises(Mistake) as refused:
        add([one_more()], Target(path, BOOK, PROVIDER, TODAY), Path("source"))
    assert str(refused.value).endswith((".", "?"))
    assert path.read_text() == text


def test_what_would_be_a_fault_is_not_added(desk: Path) -> None:
    path = desk / "attestations.yaml"
    path.write_text(TEXT)
    for new, why in (
        (one_more("charter"), "nothing was added, since the id charter stands twice"),
        (one_more(claim="Bearer 0123456789abcdef"), "nothing was added, since this line holds what looks like a token"),
        (one_more().model_copy(update={"requirements": ("S8.GOV.1/L1/ownr",)}), "did you mean S8.GOV.1/L1/owner?"),
        (one_more().model_copy(update={"entity": "Other"}), "a document of another legal entity does not count"),
    ):
        with pytest.raises(Mistake, match=r"^source: ") as refused:
            add([new], Target(path, BOOK, PROVIDER, TODAY), Path("source"))
        assert why in str(refused.value)
        assert path.read_text() == TEXT


def test_a_link_is_not_written_through(desk: Path) -> None:
    (desk / "real.yaml").write_text(EMPTY)
    (desk / "attestations.yaml").symlink_to(desk / "real.yaml")
    with pytest.raises(Mistake, match="not a plain file"):
        add([one_more()], Target(desk / "attestations.yaml", BOOK, PROVIDER, TODAY), Path("source"))
    assert (desk / "real.yaml").read_text() == EMPTY


PLAIN_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp", "Cs", "Cn", "Co"]),
    min_size=1,
    max_size=100,
)


@settings(max_examples=examples(60), deadline=None)
@given(PLAIN_TEXT.filter(str.strip))
def test_whatever_a_text_says_it_reads_back_as_it_was(words: str) -> None:
    one = one_more(claim=words)
    text = added(EMPTY, [one], Path("a.yaml"))
    try:
        reading = read_from_text(text, Path("a.yaml"), BOOK, PROVIDER, today=TODAY)
    except Mistake:
        # YAML leaves out a few characters beside those that cannot be seen; then nothing is written.
        return
    assert reading.attestations == (one,) or reading.faults


def test_an_id_is_free_plain_and_bounded() -> None:
    assert free_id("S8.GOV.1/L1/owner", frozenset()) == "s8-gov-1-l1-owner"
    assert free_id("a", frozenset({"a", "a-2"})) == "a-3"
    assert free_id("///", frozenset()) == "attestation"
    assert len(free_id("x" * 500, frozenset({"x" * 80}))) == 82


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("inferno", "r.json", "--into", "a.yaml", "--model", "book.yaml"), "--provider is missing"),
        (("inferno", "r.json", "--into", "a.yaml", *WITH), "--for is missing"),
        (("inferno", "r.json", "--into", "a.yaml", *WITH, "--for", "S8.STD.1/L2/suite"), "--signer-role is missing"),
        (("chpl", "r.json", "--into", "a.yaml", *WITH, "--for", "S8.STD.1/L1/declared"), "--retrieved is missing"),
        (("chpl", "r.json", "--into", "a.yaml", "--retrieved", "yesterday"), "--retrieved yesterday: give a day"),
        (("fax", "r.json", "--into", "a.yaml"), "fax: give one of inferno, chpl, csv."),
        (("csv", "none.csv", "--into", "a.yaml", "--model", "book.yaml"), "none.csv: there is no such file"),
        (("csv", ".", "--into", "a.yaml", "--model", "book.yaml"), "this is a folder"),
    ],
)
def test_what_an_import_lacks_is_one_sentence(arguments: tuple[str, ...], why: str, attest: Call, desk: Path) -> None:
    ended = attest("import", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert why in ended.err
    assert ended.err.count("\n") == 1
    assert not (desk / "a.yaml").exists()
