"""The shipped models: complete, consistent, and equal to the matrix that they were agreed by."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from prober.library import load_probes, parse_model, shipped_models
from prober.nouns.model import Attested, CapabilityProfile, Criterion, MaturityModel, Requirement, Rule
from prober.nouns.provider import ProviderFacts

PROBES = frozenset(load_probes())

# Id after "S8.", weight, standing, modes, freshness. Standing: pre(condition), core, ext(ension), or - for neither.
MATRIX = """
BASE.0   3 pre  A    Z     | STD.8    3 ext  OCW  X     | OPS.3    1 ext  OC   X
BASE.1   3 core CA   V/R   | STD.9    3 core AC   D     | OPS.4    1 ext  WA   M
BASE.2   3 core CA   X/V   | STD.10   3 core OCA  X/V   | WF.VC.1  3 core CA   X/V
BASE.3   3 core CA   X/V   | STD.11   2 -    OCWA X/V   | WF.VC.2  2 -    CWA  X/V
BASE.4   3 core CA   X/V   | STD.12   1 ext  OA   M     | WF.VC.3  1 ext  OCWA X/V
BASE.5   3 ext  CA   V     | STD.13   2 ext  OA   R     | WF.PDS.1 2 -    OWA  X/V
BASE.6   3 ext  CA   X/D   | STD.14   2 -    A    D     | WF.PDS.2 2 -    CWA  X/V
BASE.7   3 ext  CA   R/V   | STD.15   1 ext  OCA  X/D   | WF.PDS.3 2 -    OWA  X/V
GOV.1    3 core A    D/M   | TRN.1    3 core O    X     | WF.PDS.4 1 -    A    D/V
GOV.2    3 core AC   M     | TRN.2    3 core O    X     | WF.PAY.1 3 core OA   V/S
GOV.3    2 ext  AO   D/V   | TRN.3    3 core O    X     | WF.PAY.2 1 ext  OCA  X/D
GOV.4    2 ext  AO   S     | TRN.4    2 -    OA   Y     | WF.PAY.3 1 ext  A    V
GOV.5    3 core A    D/M   | TRN.5    2 -    OA   Y     | WF.PAY.4 1 ext  OCA  V
STD.1    3 core O    X     | TRN.6    2 -    OA   Y     | WF.PA.1  2 -    OAW  V
STD.2    3 core OCA  X/R   | TRN.7    2 -    OA   Y     | WF.PA.2  2 -    OCAW V
STD.3    3 core C    X     | TRN.8    2 ext  O    X     | WF.PA.3  3 core AOW  V
STD.4    3 core C    X     | TRN.9    1 ext  OA   Y     | WF.PA.4  1 -    A    V
STD.5    2 -    OJA  X/V   | TRN.10   1 ext  O    X     | WF.ROI.1 2 -    CA   X/V
STD.6    2 ext  OCWA X/V   | OPS.1    2 ext  O    X     | WF.ROI.2 2 -    CA   V
STD.7    2 ext  OW   X/V   | OPS.2    2 ext  OC   X     | WF.ROI.3 2 -    CWA  V
"""

MISSING_OF_A_GAP = ("needs credentials", "needs a sandbox for writes", "no probe yet", "needs history")
CARRIES = {
    4: {"E0": 1, "E1": 1, "E2": 3, "E3": 4},
    3: {"E0": 1, "E1": 1, "E2": 2, "E3": 3},
}
"""What each class carries, by ceiling: 4 where no machine can see the fact or the route is not FHIR, else 3."""
NAMED_CLASSES = {
    "S8.STD.15/L4/outside_use",
    "S8.WF.ROI.1/L4/prompt",
    "S8.WF.ROI.3/L4/closed_loop",
}
"""Requirements that name E2 at level 4, which wins over the table."""


def shipped(which: Literal[0, 1]) -> MaturityModel | CapabilityProfile:
    path = shipped_models()[which]
    return parse_model(path.read_text(encoding="utf-8"), path)


@pytest.fixture(scope="module")
def profile() -> CapabilityProfile:
    model = shipped(0)
    assert isinstance(model, CapabilityProfile)
    return model


@pytest.fixture(scope="module")
def proposal() -> MaturityModel:
    model = shipped(1)
    assert isinstance(model, MaturityModel)
    return model


def known_probes() -> frozenset[str]:
    """The folders, once they hold at least the first floor."""
    folders = frozenset(sheet.parent.name for sheet in Path(__file__).parents[1].glob("probes/*/*/probe.yaml"))
    return folders if folders >= PROBES else PROBES


def requirements(model: MaturityModel) -> Iterator[tuple[Criterion, int, Requirement]]:
    for criterion in model.criteria:
        for level, members in criterion.levels.items():
            yield from ((criterion, level, one) for one in members)


def documents(rule: Rule) -> Iterator[Attested]:
    if rule.attested is not None:
        yield rule.attested
    for inner in (*(rule.all or ()), *(rule.any or ())):
        yield from documents(inner)


def standing(criterion: Criterion) -> str:
    names = {"pre": criterion.precondition, "core": criterion.core, "ext": criterion.extension}
    held = [name for name, is_so in names.items() if is_so]
    assert len(held) <= 1, criterion.id
    return held[0] if held else "-"


def test_every_probe_is_in_exactly_one_family(profile: CapabilityProfile) -> None:
    counted = Counter(probe for family in profile.families for probe in family.probes)
    assert counted == Counter(known_probes())
    assert (profile.id, profile.version) == ("capability_profile", "0.1.0")


def test_families_are_named_in_order_and_explained(profile: CapabilityProfile) -> None:
    assert [family.title for family in profile.families] == [
        "Describes itself",
        "Authorization",
        "Reads and searches",
        "Bulk",
        "Manners",
        "Transport",
    ]
    assert all(family.meaning.endswith(".") for family in profile.families)


def test_matrix_of_criteria(proposal: MaturityModel) -> None:
    expected = {}
    for cell in (cell.strip() for line in MATRIX.split("\n") for cell in line.split("|")):
        if cell:
            name, weight, stands, modes, fresh = cell.split()
            expected[f"S8.{name}"] = (int(weight), stands, tuple(modes), tuple(fresh.split("/")))
    assert len(expected) == 60
    found = {one.id: (one.weight, standing(one), one.modes, one.freshness) for one in proposal.criteria}
    assert found == expected
    assert len(proposal.criteria) == 60


def test_eight_gates(proposal: MaturityModel) -> None:
    assert [gate.id for gate in proposal.gates] == [f"S8.GATE.{number}" for number in range(1, 9)]
    assert [gate.cap for gate in proposal.gates] == [
        *("Progressing", "Progressing", "Emerging", "Emerging"),
        *("Progressing", "Emerging", "Not rated", "Candidate"),
    ]
    assert {gate.id for gate in proposal.gates if gate.private_alert} == {"S8.GATE.3", "S8.GATE.4", "S8.GATE.6"}
    assert all(gate.missing for gate in proposal.gates if gate.met_by is None)
    assert {gate.id: sorted(gate.met_by.probes()) for gate in proposal.gates if gate.met_by} == {
        "S8.GATE.1": ["certificate_valid", "tls_modern"],
        "S8.GATE.2": ["old_tls_refused"],
        "S8.GATE.3": ["patient_data_protected"],
        "S8.GATE.5": ["pkce_s256_only"],
        "S8.GATE.6": ["bulk_files_protected"],
    }


def test_pkce_gate_needs_an_observed_acceptance(proposal: MaturityModel) -> None:
    rule = proposal.gates[4].met_by
    assert rule is not None
    assert rule.all is not None
    assert [document.classes for document in documents(rule)] == [("E3", "E4")]


def test_blocks_share_one_hundred(proposal: MaturityModel) -> None:
    assert {block.id: block.weight for block in proposal.blocks} == {
        **{"BASE": 15, "GOV": 10, "STD": 25},
        **{"TRN": 20, "OPS": 5, "WF": 25},
    }
    assert sum(block.weight for block in proposal.blocks) == 100
    assert all(one.block == one.id.split(".")[1] for one in proposal.criteria)


def test_every_probe_that_a_rule_names_exists(proposal: MaturityModel) -> None:
    rules = [one.met_by for _, _, one in requirements(proposal)] + [gate.met_by for gate in proposal.gates]
    named = frozenset[str]().union(*(rule.probes() for rule in rules if rule is not None))
    assert named <= known_probes()


def test_requirement_ids_are_unique_and_stand_in_their_place(proposal: MaturityModel) -> None:
    ids = Counter(one.id for _, _, one in requirements(proposal))
    assert [id_ for id_, times in ids.items() if times > 1] == []
    assert all(one.id.startswith(f"{criterion.id}/L{level}/") for criterion, level, one in requirements(proposal))
    assert all(sorted(criterion.levels) == [1, 2, 3, 4] for criterion in proposal.criteria)


def test_every_way_of_knowing_is_told_in_full(proposal: MaturityModel) -> None:
    for _, _, one in requirements(proposal):
        if one.how == "probed":
            assert one.met_by is not None, one.id
            assert one.met_by.probes(), one.id
            assert one.missing is None, one.id
        elif one.how == "attested":
            assert one.met_by is not None, one.id
            assert one.met_by.attested is not None, one.id
            assert one.missing == one.met_by.attested.document, one.id
        else:
            assert one.missing in MISSING_OF_A_GAP or (one.missing or "").startswith("not observable: "), one.id
            assert re.match(r"P\.[A-Z]+", one.waits_for or ""), one.id


def test_ceilings_follow_the_classes(proposal: MaturityModel) -> None:
    for _, level, one in requirements(proposal):
        if one.how != "attested":
            assert one.ceiling is None, one.id
            continue
        assert one.ceiling is not None
        assert one.met_by is not None
        assert one.met_by.attested is not None
        assert one.ceiling >= level, one.id
        carried = CARRIES[one.ceiling]
        too_weak = [class_ for class_ in one.met_by.attested.classes if carried[class_] < level]
        assert too_weak == ([] if one.id not in NAMED_CLASSES else ["E2"]), one.id
        assert max(carried[class_] for class_ in one.met_by.attested.classes) == one.ceiling, one.id


def test_what_only_a_document_can_show_is_observable_by_nobody(proposal: MaturityModel) -> None:
    for criterion in proposal.criteria:
        assert (criterion.observability == "none") == (criterion.modes == ("A",)), criterion.id
        if criterion.observability == "none":
            ways = {one.how for members in criterion.levels.values() for one in members}
            assert ways == {"attested"}, criterion.id


def test_level_four_of_what_is_probed_is_never_reached_in_one_run(proposal: MaturityModel) -> None:
    for criterion in proposal.criteria:
        assert any(one.how != "probed" for one in criterion.levels[4]), criterion.id


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 8])
def test_each_post_is_a_source(proposal: MaturityModel, number: int) -> None:
    posts = [
        norm for criterion in proposal.criteria for norm in criterion.sources if norm.ref.startswith(f"P{number} ")
    ]
    assert posts
    assert {norm.status for norm in posts} == {"blog"}
    assert len({norm.ref for norm in posts}) == 1


def test_what_could_not_be_read_says_so(proposal: MaturityModel) -> None:
    doubtful = re.compile(r"HIMSS|CCMM|CMS-0062|CMS-0053|HTI-[45]|X12|NCPDP|TEFCA|170\.404\(b\)\(1\)")
    for criterion in proposal.criteria:
        for norm in criterion.sources:
            if norm.status != "blog" and doubtful.search(norm.ref):
                assert norm.unverified, (criterion.id, norm.ref)
            assert norm.as_of == "2026-11-23"
    assert {one.ref for criterion in proposal.criteria for one in criterion.sources if one.status == "proposed"} == {
        "CMS-0062-P",
        "HTI-5",
    }


def test_core_and_extensions_are_never_the_same(proposal: MaturityModel) -> None:
    extensions = {one.id for one in proposal.criteria if one.extension}
    ours = {one.id for one in proposal.criteria for norm in one.sources if norm.status == "ours"}
    assert {"S8.STD.2", "S8.STD.3", "S8.STD.4"} <= ours, "core beyond the posts says that it is ours"
    assert not extensions & {one.id for one in proposal.criteria if one.core}


def test_applicability_names_facts_of_the_provider_file(proposal: MaturityModel) -> None:
    facts = set(ProviderFacts.model_fields)
    for criterion in proposal.criteria:
        assert {*criterion.applies_if, *criterion.applies_from} <= facts, criterion.id
        assert set(criterion.presumed) <= set(criterion.applies_if), criterion.id
        assert criterion.applies.endswith("."), criterion.id
        for fact, values in criterion.applies_if.items():
            given = values if fact != "services" else [values]
            assert all(ProviderFacts.model_validate({fact: value}) for value in given), criterion.id
    presumed = {one.id for one in proposal.criteria if one.presumed}
    assert presumed == {"S8.WF.PAY.1", "S8.WF.PAY.2", *(f"S8.WF.PA.{number}" for number in range(1, 5))}
    assert {one.id: one.applies_from for one in proposal.criteria if one.applies_from} == {
        "S8.STD.5": {"population_size": 1000}
    }


def test_disclaimer_says_whose_the_criteria_are(proposal: MaturityModel) -> None:
    said = " ".join(proposal.disclaimer.split())
    assert "the Stage 8 that the blog Nonstop Interop proposed in 2022" in said
    assert "HIMSS has not proposed, reviewed or endorsed it" in said
    assert "not an ONC certification" in said
    assert "thresholds, weights and levels are this project's own" in said
    assert "beyond the posts P1 and P2 is this project's own choice" in said


def test_no_sentence_claims_a_certificate(proposal: MaturityModel, profile: CapabilityProfile) -> None:
    slug = "stress-tests-certified-health-it-20220824"
    for model in (proposal, profile):
        text = model.line().replace(slug, "")
        assert re.findall(r"(?i)\b(certified|compliant|violat\w+)\b", text) == []


def test_sentences_are_sentences(proposal: MaturityModel) -> None:
    for criterion in proposal.criteria:
        assert criterion.intent.endswith("."), criterion.id
        assert not criterion.title.endswith("."), criterion.id
        assert all(norm.text.endswith(".") for norm in criterion.sources), criterion.id
    for _, _, one in requirements(proposal):
        assert one.text.endswith("."), one.id
        assert one.text[0].isupper() or one.text[0] in "_$" or one.text.startswith("order-sign"), one.id
