"""Attestations: what is read, what is refused, what their author is told, the worksheet, and what expires when."""

import csv
import hashlib
import io
import os
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.samples import examples

from prober.archive import RunFolder
from prober.attest.book import Book
from prober.attest.files import LARGEST_DOCUMENT, sha256_beside
from prober.attest.reading import load_attestations, read_attestations, read_from_text
from prober.attest.secrets import looks_secret
from prober.attest.status import rows, table
from prober.attest.words import KINDS
from prober.attest.worksheet import GUIDE, TO_FILL, Standing, as_csv, as_yaml, questions
from prober.documents.fitting import FORMS
from prober.documents.freshness import ROW
from prober.documents.shapes import faults_of
from prober.handwriting import parse
from prober.library import load_model, load_provider, shipped_models
from prober.mistake import Mistake
from prober.nouns.attestation import Shape
from prober.nouns.model import MaturityModel
from prober.nouns.provider import Provider
from prober.nouns.scorecard import CriterionScore, Interval, MaturityScore, RequirementScore, Scorecard

HERE = Path(__file__).parent
TODAY = date(2026, 11, 23)
AS_OF = "2026-11-23T12:00:00Z"
CHARTER = (HERE / "attest" / "charter.txt").read_bytes()
CHARTER_HASH = hashlib.sha256(CHARTER).hexdigest()


def loaded(path: Path) -> MaturityModel:
    model = load_model(path)
    assert isinstance(model, MaturityModel)
    return model


BOOK = loaded(HERE / "attest" / "book.yaml")
PROVIDER = load_provider(HERE / "attest" / "provider.yaml")
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
    inspected: {{by: An auditor, role: auditor, on: 2026-10-02}}
"""


Call = Callable[..., Any]
WITH = ("--provider", "provider.yaml", "--model", "book.yaml", "--as-of", AS_OF)


def read(text: str, folder: Path, provider: Provider | None = PROVIDER) -> Any:
    return read_from_text(text, folder / "attestations.yaml", BOOK, provider, today=TODAY)


def item(**changes: object) -> str:
    """One attestation as YAML; a change of None removes the line."""
    fields: dict[str, object] = {
        "id": "minutes",
        "requirements": "[S8.GOV.1/L3/quarterly]",
        "claim": "The council met.",
        "kind": "record",
        "class": "E2",
        "issuer": "Example Hospital",
        "signer_role": "secretary",
        "issued": "2026-10-01",
        "entity": "Example Hospital",
        "values": "{meetings: '4'}",
        "document": f"{{title: Minutes, file: charter.txt, sha256: {CHARTER_HASH}}}",
    } | {name.rstrip("_"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return f"  - {lines[0]}\n" + "".join(f"    {line}\n" for line in lines[1:])


def remarks(folder: Path, *items: str, provider: Provider | None = PROVIDER) -> list[str]:
    reading = read("attestations:\n" + "".join(items), folder, provider)
    assert reading.faults == ()
    return [remark.partition("attestations.yaml:")[2] for remark in reading.remarks]


def test_a_whole_file_is_read_without_a_word(desk: Path) -> None:
    reading = read(TEXT, desk)
    assert (reading.faults, reading.remarks) == ((), ())
    assert [one.id for one in reading.attestations] == ["charter"]
    inspected = reading.attestations[0].inspected
    assert inspected is not None
    assert inspected.on == "2026-10-02"


def test_every_fault_is_told_in_the_order_of_the_file(desk: Path, attest: Call) -> None:
    text = TEXT.replace("L1/owner]", "L1/ownr]").replace("2026-10-01", "2026-02-30").replace("    kind: policy\n", "")
    text += item(id="second", entity="Other Hospital", document=f"{{title: A, sha256: {'b' * 63}}}")
    text += item(id="third", entity="Third Hospital", requirements="[S8.GOV.1/L3/quaterly]", values=None)
    (desk / "attestations.yaml").write_text(text)
    ended = attest("check", "attestations.yaml", *WITH)
    assert ended.code == 2
    assert ended.out == ""
    assert [line.removeprefix("prober: attestations.yaml:") for line in ended.err.splitlines()] == [
        "3: `attestations.kind` is missing; add it.",
        "9: 2026-02-30 is not a day of the calendar; correct it.",
        "23: `attestations.document.sha256` is not right; write a SHA-256 as 64 small hex digits, as sha256sum "
        "prints it.",
        "25: small_book 1.0.0 has no requirement and no gate called S8.GOV.1/L3/quaterly; did you mean "
        "S8.GOV.1/L3/quarterly?",
        "32: third is about Third Hospital, and the provider file is about Example Hospital; a document of another "
        "legal entity does not count.",
    ]


def test_loading_raises_the_first_fault_and_gives_what_is_right(desk: Path) -> None:
    path = desk / "attestations.yaml"
    path.write_text(TEXT)
    assert load_attestations(path, BOOK, PROVIDER, today=TODAY)[0].id == "charter"
    path.write_text(TEXT.replace("Example Hospital\n    document", "Other Hospital\n    document"))
    with pytest.raises(Mistake, match=r"attestations\.yaml:11: charter is about Other Hospital"):
        load_attestations(path, BOOK, PROVIDER, today=TODAY)


def test_without_a_provider_file_nobody_checks_entity_and_bases_and_this_is_said(desk: Path, attest: Call) -> None:
    (desk / "attestations.yaml").write_text(TEXT.replace("entity: Example", "entity: Other"))
    ended = attest("check", "attestations.yaml", "--model", "book.yaml", "--as-of", AS_OF)
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "No provider file was given, so nobody checked whom and which FHIR bases the documents are about.",
        "Read: attestations 1, requirements that they name 1, inspected documents 1, faults 0, remarks 0.",
    ]


def test_a_trailing_slash_makes_no_other_base(desk: Path) -> None:
    assert remarks(desk, item(bases="[https://fhir.example.org/r4/]")) == []


def test_a_class_that_is_too_weak_is_a_remark(desk: Path) -> None:
    assert remarks(desk, item(class_="E1", kind="policy", values=None)) == [
        "3: minutes: class E1 does not carry S8.GOV.1/L3/quarterly, which takes E2 or E3; there it does not count."
    ]


def test_a_value_that_is_open_or_out_of_bounds_is_a_remark(desk: Path) -> None:
    assert remarks(desk, item(values="{meetings: '3'}")) == [
        "3: minutes: the document states meetings 3, and it must be at least 4 for S8.GOV.1/L3/quarterly."
    ]
    assert remarks(desk, item(values=None)) == [
        "3: minutes: the document states no meetings, which must be at least 4 for S8.GOV.1/L3/quarterly."
    ]
    assert remarks(desk, item(values=None, answer="'no'")) == []


def test_of_several_ways_the_nearest_is_told(desk: Path) -> None:
    shape = (
        '{form: hl7v2, interfaces: [{partner: A, events: [ORU^R01], version: "2", transport: MLLP, sent: 9, '
        "accepted: 9, errors: 0, rejected: 0}]}"
    )
    counts = {"kind": "volume", "period": "{start: 2026-07-01, end: 2026-09-30}", "values": None, "shape": shape}
    third = f"{{title: Counts, file: charter.txt, sha256: {CHARTER_HASH}, third_party: An exchange}}"
    one = item(requirements="[S8.STD.1/L3/flows]", class_="E3", document=third, **counts)
    assert remarks(desk, one) == []
    assert len(remarks(desk, item(requirements="[S8.STD.1/L3/flows]", **counts))) == 2


def test_a_letter_of_the_highest_stage_counts_as_it_stands(desk: Path) -> None:
    letter: dict[str, object] = {
        "requirements": "[S8.GOV.1/L2/charter]",
        "kind": "certificate",
        "class_": "E3",
        "valid_until": "2028-01-01",
        "values": None,
        "document": f"{{title: Letter, file: charter.txt, sha256: {CHARTER_HASH}, third_party: Who gave it}}",
    }
    stage = "{{form: stage_letter, facility: Example Hospital, model: EMRAM, stage: {}}}".format
    assert remarks(desk, item(**letter, shape=stage(7))) == []
    assert len(remarks(desk, item(**letter, shape=stage(6)))) == 1


def test_a_listing_above_level_one_needs_a_document_of_the_provider_beside_it(desk: Path) -> None:
    listing = item(
        id="listing",
        kind="listing",
        class_="E1",
        values=None,
        shape="{form: product, listing: CHPL, number: '1', edition: '2015', criteria: [g10], retrieved: 2026-10-31}",
        document=f"{{title: Listing, file: provider.yaml, sha256: {_hash(desk / 'provider.yaml')}}}",
    )
    assert remarks(desk, listing) == [
        "3: listing: a product listing alone carries level 1, so it does not count for S8.GOV.1/L3/quarterly "
        "without a document of the provider of class E2 beside it."
    ]
    assert remarks(desk, listing, item()) == []


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_expired_document_is_a_remark_with_its_last_day(desk: Path) -> None:
    assert remarks(desk, item(issued="2024-01-31")) == [
        "9: minutes: this document counts no more; its last day was 2025-07-31."
    ]


def test_types_that_do_not_sum_are_a_remark_since_they_are_a_finding(desk: Path) -> None:
    one = item(
        requirements="[S8.STD.2/L2/public]",
        kind="metrics",
        period="{start: 2025-10-01, end: 2026-09-30}",
        values=None,
        shape="{form: metrics, connected_systems: 5, connections_by_type: {fhir_api: 2}}",
    )
    assert remarks(desk, one) == [
        "13: minutes: the connections by type sum to 2, and 5 systems are connected; mend the counts, or say "
        "overlap_declared: true. This stands in the way of level 3."
    ]


def test_a_document_that_is_not_there_to_be_hashed_is_a_remark(desk: Path) -> None:
    away, public = f"{{title: A, sha256: {'a' * 64}}}", f"{{title: A, sha256: {'a' * 64}, public: true}}"
    assert remarks(desk, item(document=away)) == [
        "12: minutes: the document is not beside this file, so its hash was not checked."
    ]
    assert remarks(desk, item(document=public)) == [
        "12: minutes: the document is to be public, and it has no `file` to be copied from."
    ]


def test_counts_that_were_printed_before_their_period_ended_are_a_remark(desk: Path) -> None:
    one = item(
        requirements="[S8.STD.1/L1/declared]",
        kind="volume",
        issued="2026-09-01",
        period="{start: 2026-07-01, end: 2026-09-30}",
        values=None,
    )
    assert remarks(desk, one) == ["9: minutes: the document was issued before the period that it counts had ended."]


def test_other_days_other_kinds_and_other_bases_are_no_contradiction(desk: Path) -> None:
    other = {"id": "other", "values": "{meetings: '9'}", "document": f"{{title: A, sha256: {'a' * 64}}}"}
    for change in ({"issued": "2026-09-01"}, {"period": "{start: 2026-01-01, end: 2026-10-01}"}):
        assert read("attestations:\n" + item() + item(**(other | change)), desk).faults == ()
    one, two = (
        item(**fields)
        for fields in ({"bases": "[https://a.example.org]"}, other | {"bases": "[https://b.example.org]"})
    )
    assert read("attestations:\n" + one + two, desk, provider=None).faults == ()
    assert len(read("attestations:\n" + item() + item(**other), desk).faults) == 1


def test_a_gate_takes_a_document_where_its_rule_does(desk: Path) -> None:
    assert remarks(desk, item(requirements="[S8.GATE.4]", kind="assessment", values=None)) == []


def test_a_document_is_hashed_only_where_it_lies(desk: Path) -> None:
    assert sha256_beside(desk, "charter.txt") == CHARTER_HASH
    (desk / "inner").mkdir()
    (desk / "inner" / "a.txt").write_bytes(CHARTER)
    assert sha256_beside(desk, "inner/a.txt") == CHARTER_HASH
    (desk / "link.txt").symlink_to(desk / "charter.txt")
    (desk / "linked").symlink_to(desk / "inner")
    os.mkfifo(desk / "pipe")
    with (desk / "large").open("wb") as file:
        file.truncate(LARGEST_DOCUMENT + 1)
    for name, why in {
        "link.txt": "is behind a link",
        "linked/a.txt": "is behind a link",
        "pipe": "it is not a plain file",
        "inner": "it is not a plain file",
        "large": "it is larger than",
        "none.txt": "is not there",
        "inner/../charter.txt": "lies elsewhere",
        "C:\\charter.txt": "lies elsewhere",
        "": "lies elsewhere",
    }.items():
        with pytest.raises(ValueError, match=re.escape(why)):
            sha256_beside(desk, name)


@pytest.mark.parametrize(
    "text",
    [
        "claim: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "Authorization: Bearer 0123456789abcdef",
        "https://probe:hunter2@fhir.example.org",
        "https://example.org/?access_token=0123456789abcdef",
        "client_secret: 0123456789abcdef",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_refused_and_never_repeated(text: str, desk: Path) -> None:
    assert looks_secret(text)
    faults = read(TEXT.replace("The charter names the owner.", text).replace("2026-10-01", text), desk).faults
    assert faults
    assert all(fault.endswith("what looks like a token, a key or a password; remove it.") for fault in faults)


@pytest.mark.parametrize(
    "text",
    ["a" * 64, "The security policy names a token service.", "https://fhir.example.org/r4", "issued: 2026-10-01"],
)
def test_plain_words_and_hashes_are_no_secrets(text: str) -> None:
    assert not looks_secret(text)


def test_the_words_of_this_project_are_no_secrets() -> None:
    for path in (HERE / "attest" / "book.yaml", *shipped_models()):
        assert not looks_secret(path.read_text(encoding="utf-8"))


MUTATIONS = st.one_of(
    st.tuples(st.just("cut"), st.integers(0, len(TEXT)), st.integers(0, 40), st.just("")),
    st.tuples(
        st.just("put"),
        st.integers(0, len(TEXT)),
        st.just(0),
        st.one_of(
            st.text(max_size=6), st.sampled_from(["\n", "- ", ": ", "[", "{", "'", '"', "&a ", "*a", "!!int ", "\x1b"])
        ),
    ),
)


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MUTATIONS, min_size=1, max_size=4))
def test_whatever_becomes_of_a_file_it_is_read_or_told(desk: Path, changes: list[tuple[str, int, int, str]]) -> None:
    text = TEXT
    for _, at, length, put in changes:
        text = text[:at] + put + text[at + length :]
    path = desk / "attestations.yaml"
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    try:
        reading = read_attestations(path, BOOK, PROVIDER, today=TODAY)
    except Mistake as mistake:
        told = [str(mistake)]
    else:
        told = list(reading.faults + reading.remarks)
    for sentence in told:
        assert re.match(r".*attestations\.yaml:[0-9]+: ", sentence), sentence
        assert sentence.endswith((".", "?")), sentence
        assert sentence.isprintable(), sentence


# The worksheet


def worksheet(standing: Standing = Standing(), up_to: Any = 3, country: str | None = "US") -> str:  # noqa: B008
    book = Book(BOOK, country)
    return as_yaml(questions(book, standing, up_to=up_to), book, standing, entity="Example 'Hospital'")


def asked(standing: Standing = Standing(), up_to: Any = 3) -> list[str]:  # noqa: B008
    return [one.asked.id for one in questions(Book(BOOK), standing, up_to=up_to)]


def test_the_worksheet_asks_what_is_open_and_a_document_can_answer() -> None:
    assert asked() == [
        *("S8.GOV.1/L1/owner", "S8.GOV.1/L2/charter", "S8.GOV.1/L3/quarterly"),
        *("S8.STD.1/L1/declared", "S8.STD.1/L2/suite", "S8.STD.1/L3/flows"),
        *("S8.STD.2/L1/inside", "S8.STD.2/L2/public", "S8.STD.2/L3/sound"),
    ]
    assert asked(up_to=4)[3] == "S8.GOV.1/L4/reviewed"
    standing = Standing(
        levels={"S8.GOV.1": 2}, settled=frozenset({"S8.STD.2/L1/inside"}), not_applicable={"S8.STD.1": "No."}
    )
    assert asked(standing) == ["S8.GOV.1/L3/quarterly", "S8.STD.2/L2/public", "S8.STD.2/L3/sound"]


def test_the_worksheet_is_valid_and_empty(desk: Path) -> None:
    reading = read(worksheet(), desk)
    assert (reading.attestations, reading.faults, reading.remarks) == ((), (), ())


def uncommented(text: str) -> str:
    """What an editor makes of it when somebody takes away one comment sign in every line."""
    return re.sub(r"(?m)^#(?: |(?=#))", "", text)


def test_an_uncommented_worksheet_names_every_line_to_fill_in_and_nothing_else(desk: Path) -> None:
    text = uncommented(worksheet(up_to=4))
    reading = read(text, desk)
    to_fill = [line for line in text.split("\n") if "FILL IN" in line.partition("#")[0]]
    assert len(to_fill) > 50
    assert len(reading.faults) == len(to_fill)
    assert all("still says FILL IN" in fault for fault in reading.faults)


def test_a_worksheet_that_is_filled_in_is_read_without_fault(desk: Path) -> None:
    """Every block is right once its gaps are filled: with the last kind and class that it offers."""
    filled = uncommented(worksheet(up_to=4))
    for wanted, given_ in (
        (r"kind: FILL IN one of .*?(\w+)\n", r"kind: \1\n"),
        (r"class: FILL IN .*?(E[0-3])\n", r"class: \1\n"),
        (r"issued: FILL IN.*\n", "issued: 2026-10-01\n"),
        (r"period: .*\n", "period: {start: 2026-07-01, end: 2026-09-30}\n"),
        (r"valid_until: FILL IN.*\n", "valid_until: 2027-10-01\n"),
        (r"(    \w+): FILL IN a number.*\n", r"\1: '1'\n"),
        (r"file: FILL IN.*\n", "file: charter.txt\n"),
        (r"sha256: FILL IN.*\n", f"sha256: {CHARTER_HASH}\n"),
        (r"# third_party: NAME .*\n", "third_party: An exchange\n"),
        (r"FILL IN[^\n#]*", "Something."),
    ):
        filled = re.sub(wanted, given_, filled)
    filled = filled.replace("kind: page\n", "kind: result\n")
    provider = PROVIDER.model_copy(update={"organisation": "Example 'Hospital'"})
    reading = read(filled, desk, provider)
    assert reading.faults == ()
    assert len(reading.attestations) == len(asked(up_to=4))
    assert {one.requirements[0] for one in reading.attestations} == set(asked(up_to=4))


def test_the_worksheet_tells_the_document_its_bounds_and_how_long_it_stays_fresh() -> None:
    text = " ".join(re.sub(r"(?m)^##", "", worksheet()).split())
    assert "What counts: The charter and the minutes of a meeting. Class: E2 or E3." in text
    assert "It says that meetings is at least 1." in text
    assert "It says that it is at most 6 months old (this follows from its dates)." in text
    assert "failed_share is at most 5/100, which is 5 percent (a shape of the form direct or network gives it)." in text
    assert (
        "As `record` (minutes, an access review or an audit report): fresh for 6 months, counting for 18 months, "
        "from the day of issue, or the end of its period." in text
    )
    assert "As `certificate` (a certificate with its own last day): it counts through its own last day." in text
    assert BOOK.disclaimer in text


def test_the_worksheet_reads_as_it_does_in_the_country() -> None:
    assert "A test suite found no fault." in worksheet(country="US")
    assert "A test suite of the national core found no fault." in worksheet(country="DE")


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80), st.sampled_from(["text", "missing", "document", "title"]), st.booleans())
def test_a_worksheet_always_loads_whatever_the_book_and_the_provider_say(
    desk: Path, words: str, where: str, commented: bool
) -> None:
    criterion = BOOK.criteria[0]
    if where == "title":
        criterion = criterion.model_copy(update={"title": words, "applies": words})
    else:
        one = criterion.levels[1][0]
        rule = one.met_by
        assert rule is not None
        if where == "document" and rule.attested is not None:
            rule = rule.model_copy(update={"attested": rule.attested.model_copy(update={"document": words})})
        one = one.model_copy(update={"met_by": rule} if where == "document" else {where: words})
        criterion = criterion.model_copy(update={"levels": {**criterion.levels, 1: (one,)}})
    book = Book(BOOK.model_copy(update={"criteria": (criterion,), "disclaimer": words or "No."}))
    text = as_yaml(questions(book, Standing(), up_to=4), book, Standing(), entity=words or None)
    reading = read(text if commented else uncommented(text), desk)
    assert reading.attestations == ()
    assert all("still says FILL IN" in fault or "what looks like" in fault for fault in reading.faults)
    rows_ = list(csv.reader(io.StringIO(as_csv(questions(book, Standing(), up_to=4), book))))
    assert {len(row) for row in rows_} == {len(GUIDE) + len(TO_FILL)}
    assert not any(cell[:1] in ("=", "+", "-", "@") for row in rows_ for cell in row if cell)


def test_the_worksheet_of_the_shipped_book_loads(desk: Path) -> None:
    model = loaded(shipped_models()[1])
    book = Book(model, "US")
    found = questions(book, Standing(), up_to=4)
    assert len(found) > 100
    text = as_yaml(found, book, Standing(), entity=None)
    assert read_from_text(text, desk / "a.yaml", model, None, today=TODAY).faults == ()
    assert len(text.encode()) < 4 * 2**20


def test_init_writes_what_check_takes_and_never_over_a_file(attest: Call, desk: Path) -> None:
    ended = attest("init", "--provider", "provider.yaml", "--model", "book.yaml", "--csv", "open.csv")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "open.csv holds the same as a spreadsheet; read it back with "
        "`prober attest import csv open.csv --into attestations.yaml`.",
        "attestations.yaml holds 9 open questions; fill some in, then run `prober attest check attestations.yaml`.",
    ]
    assert attest("check", "attestations.yaml", *WITH).code == 0
    before = (desk / "attestations.yaml").read_bytes()
    again = attest("init", "--model", "book.yaml")
    assert (again.code, again.err) == (2, "prober: attestations.yaml: this file is there already; name another one.\n")
    assert (desk / "attestations.yaml").read_bytes() == before


def test_init_asks_for_level_four_only_if_told(attest: Call, desk: Path) -> None:
    attest("init", "three.yaml", "--model", "book.yaml")
    attest("init", "four.yaml", "--model", "book.yaml", "--all")
    assert "S8.GOV.1/L4/reviewed" not in (desk / "three.yaml").read_text()
    assert "S8.GOV.1/L4/reviewed" in (desk / "four.yaml").read_text()


def test_init_leaves_out_what_the_facts_rule_out(attest: Call, desk: Path) -> None:
    text = (desk / "provider.yaml").read_text().replace("setting: both", "setting: outpatient")
    (desk / "provider.yaml").write_text(text + "public_sources: {setting: A public register}\n")
    assert attest("init", "--provider", "provider.yaml", "--model", "book.yaml").code == 0
    assert "S8.STD.1" not in (desk / "attestations.yaml").read_text()


def test_a_model_that_counts_takes_no_documents(attest: Call, desk: Path) -> None:
    (desk / "attestations.yaml").write_text(TEXT)
    ended = attest("check", "attestations.yaml", "--model", shipped_models()[0])
    assert ended.code == 2
    assert "takes no documents" in ended.err


def scored(folder: Path, levels: dict[str, int | None], settled: tuple[str, ...], model: str = "small_book") -> None:
    """A run folder with no more in it than its scorecard."""
    criteria = tuple(
        CriterionScore(
            id=one.id,
            title=one.title,
            block=one.block,
            weight=one.weight,
            core=one.core,
            extension=False,
            precondition=False,
            applies=levels[one.id] is not None,
            not_applicable_because="It has no such service." if levels[one.id] is None else None,
            level=None if levels[one.id] is None else Interval(low=levels[one.id] or 0, high=4),
            state="?",
            requirements=tuple(
                RequirementScore(
                    id=asked.id,
                    text=asked.text,
                    how=asked.how,
                    truth="true" if asked.id in settled else "unknown",
                    why="",
                )
                for level in one.levels.values()
                for asked in level
            ),
        )
        for one in BOOK.criteria
    )
    maturity = MaturityScore(
        model=model, version="1.0.0", disclaimer="No.", points=None, coverage={}, blocks=(), criteria=criteria, gates=()
    )
    card = Scorecard(
        subjects=(),
        runs=(),
        as_of=AS_OF,
        environment="production",
        models={},
        profile=None,
        maturity=maturity,
        findings=(),
    )
    run = RunFolder.create_plain(folder)
    (folder / "run.json").write_text("{}")
    run.write_scorecard(card)


def test_init_asks_only_what_the_runs_leave_open(attest: Call, desk: Path) -> None:
    scored(desk / "one", {"S8.GOV.1": 1, "S8.STD.1": None, "S8.STD.2": 0}, ("S8.STD.2/L2/public", "S8.STD.2/L1/inside"))
    scored(desk / "two", {"S8.GOV.1": 2, "S8.STD.1": None, "S8.STD.2": 0}, ("S8.STD.2/L2/public",))
    arguments = ("--model", "book.yaml", "--run", "one", "--run", "two")
    ended = attest("init", *arguments)
    assert (ended.code, ended.err) == (0, "")
    text = (desk / "attestations.yaml").read_text()
    assert re.findall(r"requirements: \[(.*)\]", text) == [
        *("S8.GOV.1/L2/charter", "S8.GOV.1/L3/quarterly", "S8.STD.2/L1/inside", "S8.STD.2/L3/sound"),
    ]
    assert "## It is at level 1 now. It applies: Always." in text


def test_init_needs_a_scored_run_of_the_same_book(attest: Call, desk: Path) -> None:
    scored(desk / "other", {"S8.GOV.1": 1, "S8.STD.1": 1, "S8.STD.2": 0}, (), model="other_book")
    (desk / "bare").mkdir()
    (desk / "bare" / "run.json").write_text("{}")
    for run, why in (
        ("other", "other/scorecard.json: this score is not by small_book; name its rule book with --model."),
        ("bare", "bare/scorecard.json: this run is not scored yet; do so with `prober score bare`."),
        ("none", "none: this is not a run folder, it has no run.json; make one with `prober run`."),
    ):
        ended = attest("init", "--model", "book.yaml", "--run", run)
        assert (ended.code, ended.err) == (2, f"prober: {why}\n")
        assert not (desk / "attestations.yaml").exists()


# What expires when


def test_status_lists_the_soonest_first_with_what_rests_on_it_alone(attest: Call, desk: Path) -> None:
    text = (
        "attestations:\n"
        + item(id="old", issued="2024-01-31", requirements="[S8.GOV.1/L3/quarterly]")
        + item(
            id="stale",
            issued="2026-05-22",
            requirements="[S8.GOV.1/L3/quarterly, S8.GOV.1/L2/charter]",
            document=f"{{title: A, sha256: {'a' * 64}}}",
        )
        + item(
            id="charter",
            kind="policy",
            class_="E1",
            values=None,
            requirements="[S8.GOV.1/L1/owner]",
            document=f"{{title: A, sha256: {'b' * 64}}}",
            inspected="{by: B, role: auditor, on: 2026-10-02}",
        )
        + item(
            id="letter",
            kind="policy",
            class_="E1",
            values=None,
            requirements="[S8.GOV.1/L1/owner]",
            issued="2026-09-01",
            document=f"{{title: A, sha256: {'c' * 64}}}",
        )
    )
    (desk / "attestations.yaml").write_text(text)
    ended = attest("status", "attestations.yaml", *WITH)
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "As of 2026-11-23:",
        "Last day    State                     Kind    Class  Inspected      Attestation",
        "2025-07-31  expired since 2025-08-01  record  E2     not inspected  old",
        "2027-11-22  stale since 2026-11-23    record  E2     not inspected  stale",
        "    After it no document speaks for S8.GOV.1/L3/quarterly, S8.GOV.1/L2/charter.",
        "2029-09-01  fresh                     policy  E1     not inspected  letter",
        "2029-10-01  fresh                     policy  E1     on 2026-10-02  charter",
        "    After it no document speaks for S8.GOV.1/L1/owner.",
    ]


def test_status_of_nothing_says_so(attest: Call, desk: Path) -> None:
    (desk / "attestations.yaml").write_text("attestations:\n")
    assert attest("status", "attestations.yaml", *WITH).out.splitlines()[1] == "There is no attestation yet."


def test_status_names_faults_instead_of_days(attest: Call, desk: Path) -> None:
    (desk / "attestations.yaml").write_text(TEXT.replace("E1", "E9"))
    ended = attest("status", "attestations.yaml", *WITH)
    assert (ended.code, ended.out) == (2, "")


def test_what_speaks_for_an_expired_requirement_is_told(desk: Path) -> None:
    reading = read("attestations:\n" + item(issued="2024-01-31"), desk)
    found = rows(reading.attestations, BOOK, TODAY)
    assert list(table(found))[-1] == "    Since then no document speaks for S8.GOV.1/L3/quarterly."


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23", "2026-11-23T12:00:00"])
def test_an_instant_has_a_time_zone(attest: Call, text: str) -> None:
    ended = attest("status", "attestations.yaml", "--as-of", text)
    assert ended.code == 2
    assert ended.err.endswith("give an instant with its time zone, for example 2026-12-31T00:00:00Z.\n")


# The page


PAGE = (HERE.parent / "docs" / "attestations.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"(?s)```yaml\n(.*?)```", PAGE)


def test_every_example_of_the_page_is_right(desk: Path) -> None:
    forms = set()
    for text in EXAMPLES:
        if text.startswith("schema:"):
            reading = read_from_text(text, desk / "a.yaml", loaded(shipped_models()[1]), PROVIDER, today=TODAY)
            assert reading.faults == ()
            assert len(reading.attestations) == 1
            continue
        value, _ = parse(text, Path("page"))
        shape = TypeAdapter[Shape](Shape).validate_python(value["shape"])
        assert list(faults_of(shape)) == [], shape.form
        forms.add(shape.form)
    assert forms == set(FORMS)


def test_the_page_names_every_value_that_a_shape_gives() -> None:
    text = PAGE.partition("## Typed shapes")[2]
    for name in ("messages", "rejected_share", "claims_electronic_share", "both_ways_months", "tests_skipped"):
        assert f"`{name}`" in text


def test_the_table_of_the_page_is_that_of_the_shipped_book() -> None:
    model = loaded(shipped_models()[1])
    for kind, words in KINDS.items():
        row = model.freshness.get(ROW[kind])
        assert row is not None, kind
        ages = [f"{count} {row.unit}" for count in (row.fresh, row.expired)]
        ends = ["its own last day"] * 2 if kind == "certificate" else ages
        assert f"| `{kind}` | {words} | {' | '.join(ends)} |" in PAGE
