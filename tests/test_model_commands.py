"""The commands for rule books: what ships, every fault of a book, and what a change of one asks for.

`tests/books/small.yaml` is the book that is changed here; `tests/bad/book/` holds one fault per file.
"""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.samples import DEEP, some

from prober.archive import RunFolder
from prober.documents.shapes import GIVEN, from_shape
from prober.handwriting import parse
from prober.judge import Judged, judge
from prober.library import all_shipped_models, faults_in, load_model, load_probes, parse_model, shipped_models
from prober.mistake import Mistake
from prober.nouns.attestation import (
    X12,
    DailyTransactions,
    DataType,
    Direct,
    ExchangeMonth,
    Hl7v2,
    Interface,
    Metrics,
    Ncpdp,
    Network,
    Shape,
    StageLetter,
    SuiteResult,
    X12Set,
)
from prober.nouns.evidence import Exchange
from prober.nouns.model import (
    CapabilityProfile,
    Criterion,
    FreshnessRow,
    Gate,
    Label,
    MaturityModel,
    Requirement,
    Rule,
    Workflow,
)
from prober.pipeline import load_models
from prober.render.disclaimer import claims, disclaimed
from prober.rulebooks.changes import changes, least_step
from prober.rulebooks.corpus import Recorded, load_corpus, shipped_corpus
from prober.rulebooks.rescore import differences
from prober.rulebooks.substance import digest
from prober.rulebooks.versions import (
    Register,
    Step,
    at_least,
    broken,
    missing,
    numbers,
    read_register,
    shipped,
    step_between,
)
from prober.session.session import Facts

ROOT = Path(__file__).parent.parent
SMALL = Path(__file__).parent / "books" / "small.yaml"
REGISTER = ROOT / "docs" / "rulebook-versions.yaml"
LEADER = ROOT / "fixtures" / "leader"
PROBES = load_probes()
SHEETS = {id_: one.sheet for id_, one in PROBES.items()}
TEXT = SMALL.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Single:
    """One change of the small book: which text becomes which, the step that it asks for, and words about it."""

    change: str
    old: str
    new: str
    step: Step
    says: str

    def made(self, text: str) -> str:
        assert text.count(self.old) == 1, (text.count(self.old), self.old)
        return text.replace(self.old, self.new)


def read_changes() -> dict[str, Single]:
    path = SMALL.parent / "changes.yaml"
    rows, _ = parse(path.read_text(encoding="utf-8"), path)
    found = [Single(row["change"], row["from"], row["to"], Step[row["step"]], row["says"]) for row in rows]
    assert len({one.change for one in found}) == len(found)
    return {one.change: one for one in found}


SINGLE_CHANGES = read_changes()
EVERY_CHANGE = pytest.mark.parametrize("single", some(SINGLE_CHANGES.values(), every=4), ids=SINGLE_CHANGES)


Call = Callable[..., Any]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prober: Call) -> Call:
    """Runs `prober model` in an empty folder."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return partial(prober, "model")


@pytest.fixture(scope="module")
def leader() -> Recorded:
    (one,) = load_corpus(LEADER, PROBES)
    return one


def book(text: str) -> MaturityModel:
    model = parse_model(text, SMALL)
    assert isinstance(model, MaturityModel)
    return model


# What ships


def test_every_model_that_ships_is_listed_with_its_own_disclaimer(call: Call) -> None:
    ended = call("list")
    assert (ended.code, ended.err) == (0, "")
    blocks = ended.out.rstrip("\n").split("\n\n")
    models = [load_model(path) for path in all_shipped_models()]
    assert [block.split()[:2] for block in blocks] == [[one.id, one.version] for one in models]
    for block, model in zip(blocks, models, strict=True):
        told = " ".join(block.split())
        assert model.title in told
        assert model.disclaimer.strip() in told
        assert disclaimed(told) or not claims(told)
    profile = models[0]
    assert isinstance(profile, CapabilityProfile)
    assert f"{len(profile.families)} families with {len(PROBES)} probes." in blocks[0]
    proposal = models[1]
    assert isinstance(proposal, MaturityModel)
    asked = [one for criterion in proposal.criteria for level in criterion.levels.values() for one in level]
    assert f"60 criteria; {len(asked)} requirements: " in " ".join(blocks[1].split())
    assert f"{sum(one.how == 'gap' for one in asked)} not decided by anything yet." in " ".join(blocks[1].split())


def test_the_models_that_ship_are_all_that_lie_there_the_two_of_every_run_first() -> None:
    assert all_shipped_models()[:2] == shipped_models()
    assert set(all_shipped_models()) == set(shipped_models()[0].parent.glob("*.yaml"))
    assert list(all_shipped_models()[2:]) == sorted(all_shipped_models()[2:])


@pytest.mark.parametrize("path", [*all_shipped_models(), SMALL], ids=lambda path: path.stem)
def test_a_book_without_fault_says_what_it_holds(path: Path, call: Call) -> None:
    ended = call("check", path)
    assert (ended.code, ended.err) == (0, "")
    *said, last = ended.out.rstrip("\n").split("\n")
    assert "has no fault: " in last
    assert disclaimed(ended.out) or not claims(ended.out)
    assert all(line.startswith("Remark: ") for line in said if line and "Stage 8 in this report" not in line)


def test_what_may_not_be_meant_is_remarked_and_is_no_fault(call: Call) -> None:
    ended = call("check", SMALL)
    line = (
        TEXT.splitlines().index("      1: [{id: OUR.STD.9/L1/some, text: Some., how: gap, missing: no probe yet}]") + 1
    )
    assert ended.code == 0
    assert f"small.yaml:{line}: nothing reaches level 1 of OUR.STD.9 yet" in ended.out
    assert "a document states them itself: written_share." in ended.out
    assert "OUR.STD.1" not in ended.out


def test_a_book_without_ages_or_labels_is_remarked(tmp_path: Path, call: Call) -> None:
    bare = tmp_path / "bare.yaml"
    text = re.sub(r"(?ms)^freshness:\n(  [^\n]*\n)+", "", TEXT)
    bare.write_text(text[: text.index("labels:\n")], encoding="utf-8")
    ended = call("check", bare)
    assert ended.code == 0
    assert "this book has no table `freshness`" in ended.out
    assert "this book has no labels, so its gates cap nothing." in ended.out


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path, call: Call) -> None:
    faulty = tmp_path / "faulty.yaml"
    text = TEXT.replace("weight: 60", "weight: 50").replace("probe: jwks_published", "probe: jwks_publish")
    faulty.write_text(text.replace("cap: Begun", "cap: Begin").replace("ids: [OUR.STD.1]", "ids: [OUR.STD.7]"))
    ended = call("check", faulty)
    assert (ended.code, ended.out) == (2, "")
    lines = ended.err.rstrip("\n").split("\n")
    places = [int(re.fullmatch(rf"prober: {re.escape(str(faulty))}:(\d+): .*[.?]", line).group(1)) for line in lines]  # type: ignore[union-attr]
    assert len(lines) == 4
    assert places == sorted(places)
    assert "sum to 90" in lines[0]
    assert "jwks_publish" in lines[1]
    assert "Begin" in lines[2]
    assert "OUR.STD.7" in lines[3]


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path, call: Call) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert call("check", tmp_path / "empty.yaml").err.endswith("empty.yaml:1: this file is empty; fill it in.\n")
    assert call("check", tmp_path / "none.yaml").code == 2


def test_a_run_takes_no_book_with_a_fault_of_the_whole() -> None:
    faulty = Path(__file__).parent / "bad" / "book" / "label_criterion_unknown.yaml"
    assert len(faults_in(load_model(faulty), PROBES, faulty)) == 1
    with pytest.raises(Mistake, match=r"the condition first of Begun names the criterion OUR\.STD\.7"):
        load_models(faulty, PROBES)


def test_the_names_of_values_are_those_that_typed_shapes_give() -> None:
    names: tuple[Literal["270", "275", "276", "278", "835", "837"], ...] = ("270", "275", "276", "278", "835", "837")
    sets = [X12Set(set=name, version="1", electronic=1, total=2) for name in names]
    row = Interface(
        partner="A", events=("ORU^R01",), version="2.5", transport="MLLP", sent=3, accepted=1, errors=1, rejected=1
    )
    month = ExchangeMonth(month="2026-01", inbound=1, outbound=1, total=2, failed=0)
    shapes: list[Shape] = [
        X12(form="x12", sets=tuple(sets)),
        Hl7v2(form="hl7v2", interfaces=(row,)),
        Ncpdp(form="ncpdp", script_version="1", new_prescriptions=1, permissible=2),
        Direct(form="direct", accredited=True, sent=2, delivered=1, failed=1, received=1),
        Network(form="network", vendors=2, months=(month,)),
        Metrics(
            form="metrics",
            connected_systems=1,
            connections_by_type={"fhir_api": 1},
            daily_transactions=(DailyTransactions(month="2026-01", avg=1),),
            top_data_types=(DataType(system="FHIR", type="Patient", share="1/2"),),
        ),
        StageLetter(form="stage_letter", facility="Saint Example", model="EMRAM", stage=7),
        SuiteResult(form="suite", suite="Inferno", base="https://fhir.example.org", passed=1, failed=0),
    ]
    given_names = {name for shape in shapes for name, _ in from_shape(shape)}
    assert given_names | {"age_months"} == GIVEN


# What changed in a book


@EVERY_CHANGE
def test_a_single_change_asks_for_its_step(single: Single) -> None:
    text = single.made(TEXT)
    found = changes(book(TEXT), book(text))
    assert least_step(found) is single.step, [str(one) for one in found]
    assert any(single.says in str(one) for one in found), [str(one) for one in found]
    assert all(str(one).endswith(".") for one in found)
    # The digest of the rules stands still exactly while only words change.
    assert (digest(book(TEXT)) == digest(book(text))) == (single.step is Step.PATCH)


def test_the_table_of_single_changes_has_every_step_and_no_change_twice() -> None:
    assert len(SINGLE_CHANGES) >= 25
    assert {one.step for one in SINGLE_CHANGES.values()} == {Step.PATCH, Step.MINOR, Step.MAJOR}
    assert len({(one.old, one.new) for one in SINGLE_CHANGES.values()}) == len(SINGLE_CHANGES)


@EVERY_CHANGE
def test_what_is_equal_to_itself_has_no_change(single: Single) -> None:
    changed = book(single.made(TEXT))
    assert changes(changed, changed) == ()
    assert least_step(()) is Step.NONE


@EVERY_CHANGE
def test_what_came_without_harm_goes_only_with_a_major_step(single: Single) -> None:
    """Words go back as words; what was added, an optional way included, goes away by a MAJOR step."""
    back = least_step(changes(book(single.made(TEXT)), book(TEXT)))
    assert back is (Step.PATCH if single.step is Step.PATCH else Step.MAJOR) or single.change == "a way less"


@DEEP
@given(st.lists(st.sampled_from(list(SINGLE_CHANGES.values())), min_size=2, max_size=6, unique_by=lambda one: one.old))
def test_several_changes_ask_for_the_greatest_of_their_steps(several: list[Single]) -> None:
    text = TEXT
    made = [Step.NONE]
    for one in several:
        if text.count(one.old) == 1:
            text = one.made(text)
            made.append(one.step)
    assert least_step(changes(book(TEXT), book(text))) >= max(made)


def test_the_version_itself_is_no_change_of_a_book() -> None:
    other = book(TEXT.replace("version: 1.2.3", "version: 9.0.0"))
    assert changes(book(TEXT), other) == ()
    assert digest(book(TEXT)) == digest(other)


def test_a_moved_probe_changes_the_counts_of_a_profile() -> None:
    path = shipped_models()[0]
    text = path.read_text(encoding="utf-8")
    moved = text.replace("      - pkce_s256_only\n", "").replace(
        "      - tls_modern\n", "      - tls_modern\n      - pkce_s256_only\n"
    )
    found = changes(parse_model(text, path), parse_model(moved, path))
    assert [one.about for one in found] == ["authorization", "transport"]
    assert least_step(found) is Step.MAJOR
    renamed = text.replace("title: Bulk", "title: Bulk data")
    assert least_step(changes(parse_model(text, path), parse_model(renamed, path))) is Step.PATCH


# Versions

VERSIONS = st.builds("{}.{}.{}".format, *[st.integers(0, 12)] * 3)


@given(VERSIONS, VERSIONS)
def test_versions_are_ordered_by_their_numbers(one: str, other: str) -> None:
    there, back = step_between(one, other), step_between(other, one)
    if one == other:
        assert there is back is Step.NONE
    else:
        assert (there is None) != (back is None)
        assert (there is None) == (numbers(one) > numbers(other))


@given(VERSIONS, st.sampled_from(Step))
def test_the_least_version_of_a_step_takes_exactly_that_step(version: str, step: Step) -> None:
    assert step_between(version, at_least(version, step)) is step


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("1.2.3", "1.2.3", Step.NONE),
        ("1.2.3", "1.2.4", Step.PATCH),
        ("1.2.9", "1.2.10", Step.PATCH),
        ("1.2.3", "1.3.0", Step.MINOR),
        ("1.2.3", "1.10.0", Step.MINOR),
        ("1.2.3", "2.0.0", Step.MAJOR),
        ("0.1.0", "0.2.0", Step.MINOR),
        ("1.2.3", "1.2.2", None),
        ("1.10.0", "1.9.9", None),
    ],
)
def test_the_step_between_two_versions(old: str, new: str, step: Step | None) -> None:
    assert step_between(old, new) is step


# The command


@DEEP
def test_a_model_beside_itself_changes_nothing_and_needs_no_step(call: Call) -> None:
    for path in (*all_shipped_models(), SMALL):
        ended = call("diff", path, path, "--corpus", LEADER)
        assert (ended.code, ended.err) == (0, "")
        assert "In the book nothing changed." in ended.out
        assert "leader: nothing changes." in ended.out
        assert ended.out.endswith("Nothing changed, so no step is needed.\n")


@DEEP
def test_a_shipped_model_is_named_by_its_id_and_the_corpus_is_that_which_ships(call: Call) -> None:
    ended = call("diff", "stage8_proposal", "stage8_proposal")
    assert ended.code == 0
    assert f"{len(list(shipped_corpus().rglob('about.yaml')))} fixtures were scored with both versions:" in ended.out
    assert "  hapi: nothing changes." in ended.out


@pytest.mark.parametrize(
    ("change", "version", "code", "verdict"),
    [
        ("an intent", "1.2.4", 0, "These changes ask for a PATCH step; the version 1.2.4 takes it."),
        ("an intent", "1.2.3", 1, "the version 1.2.3 is too small a step after 1.2.3, so make it 1.2.4 or higher."),
        (
            "an intent",
            "1.2.2",
            1,
            "the version 1.2.2 is older than 1.2.3, so name the older book first, or correct the version.",
        ),
        (
            "a new criterion without weight",
            "1.3.0",
            0,
            "These changes ask for a MINOR step; the version 1.3.0 takes it.",
        ),
        (
            "a new criterion without weight",
            "1.2.9",
            1,
            "the version 1.2.9 is too small a step after 1.2.3, so make it 1.3.0 or higher.",
        ),
        ("a weight", "2.0.0", 0, "These changes ask for a MAJOR step; the version 2.0.0 takes it."),
        ("a weight", "1.9.0", 1, "the version 1.9.0 is too small a step after 1.2.3, so make it 2.0.0 or higher."),
    ],
)
def test_the_exit_code_says_whether_the_version_takes_the_step(
    change: str, version: str, code: int, verdict: str, tmp_path: Path, call: Call
) -> None:
    newer = tmp_path / "newer.yaml"
    newer.write_text(
        SINGLE_CHANGES[change].made(TEXT).replace("version: 1.2.3", f"version: {version}"), encoding="utf-8"
    )
    ended = call("diff", SMALL, newer, "--corpus", LEADER)
    assert (ended.code, ended.err) == (code, "")
    assert ended.out.startswith(f"our_rules 1.2.3 → {version}\n")
    assert ended.out.rstrip("\n").endswith(verdict)


def test_what_would_change_for_a_fixture_is_told_as_old_and_new(tmp_path: Path, call: Call) -> None:
    newer = tmp_path / "newer.yaml"
    text = SINGLE_CHANGES["the outcome of a rule"].made(TEXT)
    newer.write_text(text.replace("version: 1.2.3", "version: 2.0.0"), encoding="utf-8")
    ended = call("diff", SMALL, newer, "--corpus", LEADER)
    assert ended.code == 0
    assert re.search(r"^    OUR\.STD\.1 level \d.* → 0$", ended.out, re.MULTILINE)
    assert re.search(r"^    points \d.* → ", ended.out, re.MULTILINE)


def test_a_further_way_by_which_a_result_changes_is_a_major_step(tmp_path: Path, call: Call, leader: Recorded) -> None:
    """A gap that becomes probed is a MINOR step by itself; where it moves a recorded server it is a MAJOR one."""
    newer = tmp_path / "newer.yaml"
    gap = "{id: OUR.STD.9/L1/some, text: Some., how: gap, missing: no probe yet}"
    text = TEXT.replace(gap, "{id: OUR.STD.9/L1/some, text: Some., how: probed, met_by: {is: {probe: patient_read}}}")
    newer.write_text(text.replace("version: 1.2.3", "version: 1.3.0"), encoding="utf-8")
    assert least_step(changes(book(TEXT), book(text))) is Step.MINOR
    ended = call("diff", SMALL, newer, "--corpus", LEADER)
    assert ended.code == 1
    assert "OUR.STD.9 level 0 to 4 → 1 to 4" in ended.out
    assert "ask for a MAJOR step, since results of the corpus change; the version 1.3.0 is too small" in ended.out
    same = differences(leader.scored_with(book(TEXT), SHEETS), leader.scored_with(book(text), SHEETS))
    assert [one.about for one in same] == ["OUR.STD.9 level"]


def test_what_only_the_new_book_asks_changes_no_existing_result(leader: Recorded) -> None:
    text = SINGLE_CHANGES["a new criterion without weight"].made(TEXT)
    found = differences(leader.scored_with(book(TEXT), SHEETS), leader.scored_with(book(text), SHEETS))
    assert [str(one) for one in found] == ["OUR.STD.5 level (new) 0 to 4"]
    assert not any(one.existing for one in found)


@DEEP
def test_misuse_of_diff_is_one_sentence(tmp_path: Path, call: Call) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(TEXT.replace("id: our_rules", "id: their_rules"), encoding="utf-8")
    faulty = Path(__file__).parent / "bad" / "book" / "gate_cap_no_label.yaml"
    cases = [
        (
            (SMALL, other),
            f"{other}: this is the model their_rules, and {SMALL} is our_rules; name two versions of one ",
        ),
        (("stage8_proposel", SMALL), "stage8_proposel: there is no such file, and no model of this id ships; did you "),
        (("none.yaml", SMALL), "none.yaml: there is no such file, and no model of this id ships; check the path, or "),
        ((SMALL, faulty), f"{faulty}:148: S8.GATE.2 caps at Begin, which is no label; did you mean Begun?"),
        ((SMALL, SMALL, "--corpus", "nowhere"), "nowhere: this is not a folder; name one with fixtures."),
        ((SMALL, SMALL, "--corpus", tmp_path), f"{tmp_path}: no fixture was found here; a fixture is a folder with "),
    ]
    for arguments, sentence in cases:
        ended = call("diff", *arguments)
        assert (ended.code, ended.out) == (2, ""), arguments
        assert ended.err.startswith(f"prober: {sentence}"), ended.err
        assert ended.err.count("\n") == 1


@DEEP
def test_what_is_printed_about_the_proposal_carries_the_disclaimer(tmp_path: Path, call: Call) -> None:
    path = shipped_models()[1]
    newer = tmp_path / "newer.yaml"
    text = path.read_text(encoding="utf-8").replace("weight: 3\n", "weight: 2\n").replace("title: S", "title: HIMSS s")
    newer.write_text(text, encoding="utf-8")
    ended = call("diff", "stage8_proposal", newer, "--corpus", LEADER)
    assert ended.code == 1
    assert disclaimed(ended.out) or not claims(ended.out)


# The corpus


def provider_fixture(folder: Path, name: str, recording: str) -> Path:
    place = folder / "providers" / name
    place.mkdir(parents=True)
    (place / "about.yaml").write_text(f"what: 'A provider.'\nrecording: {recording}\nas_of: '2026-12-24T00:00:00Z'\n")
    base = RunFolder.open(LEADER).run().subject
    (place / "provider.yaml").write_text(
        "organisation: Saint Example\ncountry: CA\nservices: [telehealth]\nenvironment: production\n"
        f"fhir_bases: [{base!r}]\n"
    )
    (place / "attestations.yaml").write_text(
        """attestations:
  - id: video
    requirements: [OUR.WF.VC.1/L1/claimed]
    claim: Visits take place by video.
    kind: policy
    class: E0
    issuer: Saint Example
    signer_role: Chief information officer
    issued: 2026-11-01
    entity: Saint Example
""",
        encoding="utf-8",
    )
    return place


def test_a_provider_of_the_corpus_rests_on_a_recording_that_is_judged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(LEADER, tmp_path / "leader")
    provider_fixture(tmp_path, "one", "../../leader")
    provider_fixture(tmp_path, "two", "../../leader")
    judged: list[str] = []

    async def counted(probes: Mapping[str, Any], facts: Facts, exchanges: Mapping[str, Exchange]) -> Judged:
        judged.append(facts.base)
        return await judge(probes, facts, exchanges)

    monkeypatch.setattr("prober.rulebooks.corpus.judge", counted)
    found = {one.name: one for one in load_corpus(tmp_path, PROBES)}
    assert sorted(found) == ["leader", "providers/one", "providers/two"]
    assert len(judged) == 1
    server, provider = found["leader"], found["providers/one"]
    assert provider.run.subject == server.run.subject
    assert (server.run.environment, provider.run.environment) == ("sandbox", "production")
    assert (provider.facts.organisation, provider.facts.country) == ("Saint Example", "CA")
    assert provider.facts.environment == "production"
    assert provider.facts.declared
    assert not server.facts.declared
    assert (provider.facts.patients, provider.facts.groups) == (server.facts.patients, server.facts.groups)
    assert provider.findings == server.findings
    assert [one.id for one in provider.attestations] == ["video"]
    assert (server.attestations, provider.history) == ((), ())
    assert provider.as_of == "2026-12-24T00:00:00Z"
    assert server.as_of == server.run.as_of


def test_the_findings_of_the_corpus_are_those_of_todays_probes(leader: Recorded) -> None:
    assert {one.source.probe: one.source.digest for one in leader.findings} == {
        id_: one.digest for id_, one in PROBES.items()
    }
    assert leader.scored_with(book(TEXT), SHEETS).maturity is not None


def test_a_faulty_fixture_is_one_sentence(tmp_path: Path) -> None:
    place = provider_fixture(tmp_path, "one", "../nowhere")
    with pytest.raises(Mistake, match="this is not a run folder"):
        load_corpus(tmp_path, PROBES)
    (place / "about.yaml").write_text("what: 'A provider.'\n")
    with pytest.raises(Mistake, match="`recording` is missing; name the folder of a recording"):
        load_corpus(tmp_path, PROBES)
    (place / "about.yaml").write_text("- nothing\n")
    with pytest.raises(Mistake, match=r"about.yaml:1: this file does not begin with `name: value` lines"):
        load_corpus(tmp_path, PROBES)


# The register of versions


def test_no_rule_of_a_shipped_model_changes_without_a_new_version() -> None:
    """Semantic versioning, enforced: a version that is written down names one set of rules for ever."""
    register = read_register(REGISTER)
    assert broken(register, shipped()) == ()
    assert missing(register, shipped()) == ()


def test_a_rule_that_changed_under_its_version_is_told_with_what_to_do() -> None:
    now = shipped()
    old = Register(versions=(now[0].model_copy(update={"rules": "0" * 64}), *now[1:]))
    assert broken(old, now) == (
        f"The rules of {now[0].id} changed since its version {now[0].version} was written down; raise its version by "
        "the step that `prober model diff OLD NEW` names, then add the line with `prober model list --digests FILE`.",
    )
    assert missing(Register(versions=now[1:]), now) == (
        f"The version {now[0].version} of {now[0].id} is not written down; "
        "add its line with `prober model list --digests FILE`.",
    )


def test_the_register_keeps_its_lines_and_gains_those_of_new_versions(tmp_path: Path, call: Call) -> None:
    register = tmp_path / "versions.yaml"
    assert call("list", "--digests", register).code == 0
    first = register.read_text(encoding="utf-8")
    assert read_register(register).versions == tuple(sorted(shipped(), key=lambda one: one.id))
    older = first.replace(
        "versions:\n", f"versions:\n  - id: {shipped()[0].id}\n    version: 0.0.9\n    rules: {'a' * 64}\n"
    )
    register.write_text(older, encoding="utf-8")
    assert call("list", "--digests", register).code == 0
    assert register.read_text(encoding="utf-8") == older
    spoiled = older.replace(shipped()[0].rules, "b" * 64)
    register.write_text(spoiled, encoding="utf-8")
    ended = call("list", "--digests", register)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"prober: The rules of {shipped()[0].id} changed since its version ")
    assert register.read_text(encoding="utf-8") == spoiled


def test_the_committed_register_is_as_the_command_writes_it(tmp_path: Path, call: Call) -> None:
    copy = tmp_path / "versions.yaml"
    shutil.copyfile(REGISTER, copy)
    assert call("list", "--digests", copy).code == 0
    assert copy.read_text(encoding="utf-8") == REGISTER.read_text(encoding="utf-8")


# The page about rule books

PAGE = ROOT / "docs" / "rulebooks.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
OF_MEMBER: Mapping[str, TypeAdapter[Any]] = {
    "met_by": TypeAdapter(Rule),
    "workflows": TypeAdapter(tuple[Workflow, ...]),
    "gates": TypeAdapter(tuple[Gate, ...]),
    "labels": TypeAdapter(tuple[Label, ...]),
    "freshness": TypeAdapter(dict[str, FreshnessRow]),
}
OF_CRITERION = ("facets", "applies_if", "applies_from", "presumed")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_on_the_page_is_what_it_says(number: int) -> None:
    value, _ = parse(EXAMPLES[number], PAGE)
    if isinstance(value, list):
        asked = TypeAdapter(tuple[Requirement, ...]).validate_python(value)
        assert all(rule.probes() <= set(PROBES) for one in asked if (rule := one.met_by) is not None)
    elif "schema" in value:
        assert isinstance(parse_model(EXAMPLES[number], PAGE), MaturityModel)
    else:
        for name, member in value.items():
            if name in OF_CRITERION:
                criterion = book(TEXT).criteria[0].model_dump(by_alias=True, exclude_unset=True)
                assert dict(Criterion.model_validate({**criterion, name: member}))[name] == member
            else:
                OF_MEMBER[name].validate_python(member)
        if "met_by" in value:
            assert Rule.model_validate(value["met_by"]).probes() <= set(PROBES)


def test_the_whole_book_on_the_page_has_no_fault_and_every_form_is_shown(tmp_path: Path, call: Call) -> None:
    (whole,) = [one for one in EXAMPLES if one.startswith("schema:")]
    path = tmp_path / "book.yaml"
    path.write_text(whole, encoding="utf-8")
    ended = call("check", path)
    assert (ended.code, ended.err) == (0, "")
    assert "Remark" not in ended.out
    everything = "\n".join(EXAMPLES)
    forms = (
        "is",
        "share",
        "attested",
        "series",
        "availability",
        "latency",
        "all",
        "any",
        "conditional",
        "facets",
        "elsewhere",
        "values",
    )
    assert [form for form in forms if not re.search(rf"\b{form}:", everything)] == []
