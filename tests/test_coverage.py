"""The coverage ledger: complete, in the model's order, and honest about what nothing decides."""

import pytest
import yaml

from prober.coverage import Row, Tally, as_markdown, as_page, as_text, ledger, summary, unplaced
from prober.library import parse_model, shipped_models
from prober.nouns.model import CapabilityProfile, MaturityModel

SMALL = """
schema: prober/model/1
kind: maturity
id: small
version: 1.0.0
title: A small rule book
disclaimer: It is nobody's standard.
blocks: [{id: STD, title: Standards, weight: 100}]
criteria:
  - id: S8.STD.1
    title: It speaks
    intent: It answers.
    sources: [{ref: prober, text: Ours., status: ours}]
    block: STD
    weight: 3
    core: true
    extension: false
    applies: Always.
    modes: [O]
    document: "-"
    freshness: [X]
    observability: full
    levels:
      1: [{id: S8.STD.1/L1/one, text: One., how: probed, met_by: {is: {probe: speaks}}}]
      2:
        - id: S8.STD.1/L2/two
          text: Two.
          how: probed
          met_by:
            any:
              - all: [{is: {probe: writes}}, {share: {probe: reads, at_least: 1/2}}]
              - attested: {classes: [E2], document: A letter.}
      3:
        - id: S8.STD.1/L3/three
          text: Three.
          how: attested
          ceiling: 4
          missing: A stamp | seal.
          waits_for: P.SEAL.1
          met_by: {attested: {classes: [E2, E3], document: A stamp.}}
      4: [{id: S8.STD.1/L4/four, text: Four., how: gap, missing: needs history, waits_for: P.OPS.2}]
gates:
  - {id: S8.GATE.1, title: Shut, text: Fires when open., cap: Emerging, met_by: {is: {probe: shut, outcome: absent}}}
  - {id: S8.GATE.2, title: Later, text: Fires later., cap: Candidate, missing: a scan}
"""
PROBES = ("idle", "reads", "shut", "speaks", "writes")


@pytest.fixture(scope="module")
def small() -> MaturityModel:
    return MaturityModel.model_validate(yaml.safe_load(SMALL))


@pytest.fixture(scope="module")
def shipped() -> tuple[MaturityModel, tuple[str, ...]]:
    profile, proposal = (parse_model(path.read_text(encoding="utf-8"), path) for path in shipped_models())
    assert isinstance(profile, CapabilityProfile)
    assert isinstance(proposal, MaturityModel)
    return proposal, tuple(probe for family in profile.families for probe in family.probes)


def test_a_row_says_what_stands_behind_a_requirement(small: MaturityModel) -> None:
    assert ledger(small, PROBES) == (
        Row("STD", "S8.STD.1", 1, "S8.STD.1/L1/one", "probed", ("speaks",)),
        Row("STD", "S8.STD.1", 2, "S8.STD.1/L2/two", "probed", ("reads", "writes", "document: A letter")),
        Row("STD", "S8.STD.1", 3, "S8.STD.1/L3/three", "attested", ("A stamp | seal", "later also P.SEAL.1")),
        Row("STD", "S8.STD.1", 4, "S8.STD.1/L4/four", "gap", ("needs history", "waits for P.OPS.2")),
    )


def test_sheets_by_id_do_as_well_as_ids(small: MaturityModel) -> None:
    assert ledger(small, dict.fromkeys(PROBES, "a sheet")) == ledger(small, reversed(PROBES))


def test_a_probe_that_only_a_swap_names_is_placed(small: MaturityModel) -> None:
    text = SMALL.replace(
        "met_by: {is: {probe: speaks}}}]",
        "met_by: {is: {probe: speaks}}, elsewhere: "
        "{norm: Ours, instead: theirs, text: Theirs., met_by: {is: {probe: idle}}}}]",
    )
    swapped = MaturityModel.model_validate(yaml.safe_load(text))
    assert unplaced(swapped, PROBES) == ()
    assert ledger(swapped, PROBES) == ledger(small, PROBES)
    with pytest.raises(ValueError, match=r"S8.STD.1/L1/one of the model small names the probe idle"):
        ledger(swapped, PROBES[1:])


@pytest.mark.parametrize(("lost", "owner"), [("reads", "S8.STD.1/L2/two"), ("shut", "S8.GATE.1")])
def test_a_probe_that_is_not_there_is_named(small: MaturityModel, lost: str, owner: str) -> None:
    with pytest.raises(ValueError) as caught:
        ledger(small, [one for one in PROBES if one != lost])
    assert str(caught.value) == f"{owner} of the model small names the probe {lost}, and there is no such probe."


def test_markdown(small: MaturityModel) -> None:
    assert as_markdown(ledger(small, PROBES)) == (
        "| Block | Probed | Attested | Gap | All |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| STD | 2 | 1 | 1 | 4 |\n"
        "| All | 2 | 1 | 1 | 4 |\n"
        "\n"
        "| Requirement | How | By |\n"
        "| --- | --- | --- |\n"
        "| S8.STD.1/L1/one | probed | speaks |\n"
        "| S8.STD.1/L2/two | probed | reads; writes; document: A letter |\n"
        "| S8.STD.1/L3/three | attested | A stamp \\| seal; later also P.SEAL.1 |\n"
        "| S8.STD.1/L4/four | gap | needs history; waits for P.OPS.2 |\n"
    )


def test_text(small: MaturityModel) -> None:
    assert as_text(ledger(small, PROBES)) == (
        "S8.STD.1/L1/one    probed    speaks\n"
        "S8.STD.1/L2/two    probed    reads; writes; document: A letter\n"
        "S8.STD.1/L3/three  attested  A stamp | seal; later also P.SEAL.1\n"
        "S8.STD.1/L4/four   gap       needs history; waits for P.OPS.2\n"
        "\n"
        "Block       Probed  Attested       Gap       All\n"
        "STD              2         1         1         4\n"
        "All              2         1         1         4\n"
    )


def test_page_holds_disclaimer_gates_and_idle_probes(small: MaturityModel) -> None:
    page = as_page(small, iter(PROBES))
    assert page.startswith("# Coverage: A small rule book\n\nIt is nobody's standard.\n\n")
    assert as_markdown(ledger(small, PROBES)) in page
    assert "| S8.GATE.1 | Emerging | shut |\n| S8.GATE.2 | Candidate | missing: a scan |\n" in page
    assert page.endswith("Probes that no requirement and no gate names: idle.\n")


def test_page_of_a_model_that_uses_every_probe(small: MaturityModel) -> None:
    assert as_page(small, PROBES[1:]).endswith("names: none.\n")


def test_an_empty_ledger_is_an_empty_table() -> None:
    assert summary(()) == ()
    assert as_text(()).splitlines()[-1].split() == ["All", "0", "0", "0", "0"]


def test_shipped_ledger_has_every_level_of_every_criterion(shipped: tuple[MaturityModel, tuple[str, ...]]) -> None:
    model, probes = shipped
    rows = ledger(model, probes)
    assert {(row.criterion, row.level) for row in rows} == {
        (one.id, level) for one in model.criteria for level in (1, 2, 3, 4)
    }
    assert all(row.by for row in rows)
    assert [tally.block for tally in summary(rows)] == [block.id for block in model.blocks]
    assert sum(tally.total for tally in summary(rows)) == len(rows)
    # An optional operation that no level asks for, and published pages, of which documents speak so far.
    assert set(unplaced(model, probes)) <= {"versions_listed", "pages_open"}


def test_tallies_add_up() -> None:
    assert Tally("STD", probed=3, attested=2, gap=1).total == 6


def test_unplaced_probes_of_a_profile(shipped: tuple[MaturityModel, tuple[str, ...]]) -> None:
    path = shipped_models()[0]
    profile = parse_model(path.read_text(encoding="utf-8"), path)
    assert unplaced(profile, (*shipped[1], "newcomer")) == ("newcomer",)
