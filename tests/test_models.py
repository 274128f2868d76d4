"""The shipped models: complete, consistent, and equal to the matrix that they were agreed by."""

import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from prober.documents.freshness import ROW, SEEN
from prober.documents.shapes import OF_X12, from_shape
from prober.library import check_model, load_model, load_probes, parse_model, shipped_models
from prober.nouns.attestation import Attestation, Shape
from prober.nouns.finding import EvidenceClass
from prober.nouns.model import (
    Attested,
    Availability,
    CapabilityProfile,
    Criterion,
    FreshnessRow,
    Latency,
    MaturityModel,
    Requirement,
    Rule,
    Workflow,
)
from prober.nouns.provider import ProviderFacts
from prober.nouns.scorecard import Interval
from prober.score.workflows import roll_up

PROBES = frozenset(load_probes())
NATIONAL_CORE = frozenset({"national_core_declared"})
"""The probe that the rule book names only for providers outside the United States."""

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

MISSING_OF_A_GAP = re.compile(r"not observable: \S|no probe yet(; it (will need|needs) \S.*)?$")
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


@pytest.fixture(scope="module")
def readiness() -> MaturityModel:
    path = shipped_models()[0].with_name("g10_readiness.yaml")
    model = load_model(path)
    assert isinstance(model, MaturityModel)
    check_model(model, PROBES, path)
    return model


def known_probes() -> frozenset[str]:
    """The folders, once they hold at least the first floor."""
    folders = frozenset(sheet.parent.name for sheet in Path(__file__).parents[1].glob("probes/*/*/probe.yaml"))
    return folders if folders >= PROBES else PROBES


def requirements(model: MaturityModel) -> Iterator[tuple[Criterion, int, Requirement]]:
    for criterion in model.criteria:
        for level, members in criterion.levels.items():
            yield from ((criterion, level, one) for one in members)


def documents(rule: Rule | None) -> Iterator[Attested]:
    if rule is not None and rule.attested is not None:
        yield rule.attested
    for inner in (*(rule.all or ()), *(rule.any or ())) if rule is not None else ():
        yield from documents(inner)


def series(rule: Rule | None) -> Iterator[str]:
    if rule is not None and rule.series is not None:
        yield rule.series.probe
    for inner in (*(rule.all or ()), *(rule.any or ())) if rule is not None else ():
        yield from series(inner)


def leaves(rule: Rule | None) -> list[Rule]:
    """The members of an `any`, or the rule by itself."""
    return [] if rule is None else list(rule.any or (rule,))


def everywhere(one: Requirement) -> tuple[Rule | None, ...]:
    """The rule of a requirement, here and elsewhere."""
    return (one.met_by, one.elsewhere.met_by if one.elsewhere is not None else None)


def standing(criterion: Criterion) -> str:
    names = {"pre": criterion.precondition, "core": criterion.core, "ext": criterion.extension}
    held = [name for name, is_so in names.items() if is_so]
    assert len(held) <= 1, criterion.id
    return held[0] if held else "-"


def test_every_probe_is_in_exactly_one_family(profile: CapabilityProfile) -> None:
    counted = Counter(probe for family in profile.families for probe in family.probes)
    assert counted == Counter(PROBES)
    assert (profile.id, profile.version) == ("capability_profile", "2.0.0")


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
        "S8.GATE.4": [],
        "S8.GATE.5": ["pkce_s256_only"],
        "S8.GATE.6": ["bulk_files_protected"],
        "S8.GATE.8": [],
    }


def test_a_document_can_test_the_gates_that_no_probe_sees(proposal: MaturityModel) -> None:
    asked = {gate.id: [one.classes for one in documents(gate.met_by)] for gate in proposal.gates}
    assert {gate: classes for gate, classes in asked.items() if classes} == {
        "S8.GATE.2": [("E3",)],
        "S8.GATE.4": [("E3",)],
        "S8.GATE.5": [("E3",)],
        "S8.GATE.8": [("E2", "E3")],
    }
    assert [one.same_fact for one in documents(proposal.gates[1].met_by)] == [True]
    assert all("whether" in one.document for gate in proposal.gates for one in documents(gate.met_by))


def test_pkce_gate_needs_an_observed_acceptance(proposal: MaturityModel) -> None:
    rule = proposal.gates[4].met_by
    assert rule is not None
    assert rule.all is not None
    assert [one.is_ is not None for one in rule.all] == [True, False]


ATTESTED: dict[str, Any] = {"id": "a", "claim": "It is so.", "kind": "policy", "class": "E0", "issuer": "We"} | {
    "signer_role": "Officer",
    "issued": "2026-01-01",
    "entity": "A Hospital",
}


@pytest.mark.parametrize("named", ["S8.GATE.4", "S8.STD.2/L3/launch", "G10.API.2/L3/classes"])
def test_an_attestation_names_requirements_and_gates(named: str) -> None:
    assert Attestation.model_validate({**ATTESTED, "requirements": [named]}).requirements == (named,)


@pytest.mark.parametrize("named", ["S8.STD.2/L5/launch", "S8.STD.2/L3", "S8.STD.2/", "s8.gate.4", ""])
def test_an_attestation_names_nothing_else(named: str) -> None:
    with pytest.raises(ValidationError):
        Attestation.model_validate({**ATTESTED, "requirements": [named]})


def test_blocks_share_one_hundred(proposal: MaturityModel) -> None:
    assert {block.id: block.weight for block in proposal.blocks} == {
        **{"BASE": 15, "GOV": 10, "STD": 25},
        **{"TRN": 20, "OPS": 5, "WF": 25},
    }
    assert sum(block.weight for block in proposal.blocks) == 100
    assert all(one.block == one.id.split(".")[1] for one in proposal.criteria)


def test_every_probe_that_a_rule_names_exists(proposal: MaturityModel) -> None:
    rules = [rule for _, _, one in requirements(proposal) for rule in everywhere(one)]
    rules += [gate.met_by for gate in proposal.gates]
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
            assert one.met_by.probes() or one.met_by.polled(), one.id
            assert one.missing is None, one.id
        elif one.how == "attested":
            assert not (one.met_by.probes() if one.met_by else {"none"}), one.id
            said = [document.document for document in documents(one.met_by)]
            assert said, one.id
            assert one.missing == said[0] or len(said) > 1, one.id
            assert all(text.endswith(".") for text in (one.missing or "", *said)), one.id
        else:
            assert MISSING_OF_A_GAP.match(one.missing or ""), one.id
            assert re.match(r"P\.[A-Z]+", one.waits_for or ""), one.id
    several = [one.id for _, _, one in requirements(proposal) if len(list(documents(one.met_by))) > 1]
    assert several == ["S8.BASE.0/L4/revalidated"]


def test_ceilings_follow_the_classes(proposal: MaturityModel) -> None:
    for _, level, one in requirements(proposal):
        beside = [found for rule in everywhere(one) for found in documents(rule)]
        if one.how != "attested" and one.ceiling is None:
            continue
        assert one.ceiling is not None
        assert one.ceiling >= level, one.id
        assert beside, f"{one.id}: what a probe alone decides has no ceiling"
        carried = CARRIES[one.ceiling]
        for document in beside:
            too_weak = [class_ for class_ in document.classes if carried[class_] < level]
            assert too_weak == ([] if one.id not in NAMED_CLASSES else ["E2"]), one.id
            assert max(carried[class_] for class_ in document.classes) == one.ceiling, one.id


def test_a_bare_claim_never_carries_more_than_level_one(proposal: MaturityModel) -> None:
    for _, level, one in requirements(proposal):
        for document in [found for rule in everywhere(one) for found in documents(rule)]:
            weak = {"E0", "E1"} & set(document.classes)
            assert weak == ({"E0", "E1"} if level == 1 else set()), one.id
            assert "E4" not in document.classes, one.id


def test_what_only_a_document_can_show_is_observable_by_nobody(proposal: MaturityModel) -> None:
    for criterion in proposal.criteria:
        assert (criterion.observability == "none") == (criterion.modes == ("A",)), criterion.id
        if criterion.observability == "none":
            ways = {one.how for members in criterion.levels.values() for one in members}
            assert ways == {"attested"}, criterion.id


def takes_time(one: Requirement) -> bool:
    return bool(list(series(one.met_by)) or (one.met_by is not None and one.met_by.polled()))


def test_availability_and_latency_are_asked_for_as_decided(proposal: MaturityModel) -> None:
    """2,000 and 25,000 polls by the Wilson bound, two hours of maintenance a month and none; 500 samples, 24 hours."""
    asked = {one.id: one.met_by.polled() for _, _, one in requirements(proposal) if one.met_by is not None}
    polled = {id_: forms[0] for id_, forms in asked.items() if forms}
    assert {id_.split("/")[0] for id_ in polled} == {"S8.OPS.1", "S8.OPS.2"}
    told = {
        id_: (one.days, one.at_least, one.bound, one.polls, one.maintenance_minutes_a_month)
        for id_, one in polled.items()
        if isinstance(one, Availability)
    }
    assert told == {
        "S8.OPS.1/L2/share": (7, "95/100", "share", 1, 480),
        "S8.OPS.1/L3/share_30_days": (30, "99/100", "wilson", 2_000, 120),
        "S8.OPS.1/L3/polls": (30, None, "wilson", 2_000, 120),
        "S8.OPS.1/L3/maintenance": (30, None, "wilson", 1, 120),
        "S8.OPS.1/L4/share_90_days": (90, "999/1000", "wilson", 25_000, 0),
        "S8.OPS.1/L4/polls_many": (90, None, "wilson", 25_000, 0),
    }
    times = {
        id_: (one.kinds, one.at_most_us, one.samples, one.hours)
        for id_, one in polled.items()
        if isinstance(one, Latency)
    }
    assert times == {
        "S8.OPS.2/L2/ten_seconds": ((), 10_000_000, 1, 0),
        "S8.OPS.2/L2/samples": ((), None, 500, 24),
        "S8.OPS.2/L3/reads": (("statement", "read"), 3_000_000, 1, 0),
        "S8.OPS.2/L3/searches": (("search",), 5_000_000, 1, 0),
        "S8.OPS.2/L4/reads_fast": (("statement", "read"), 1_000_000, 1, 0),
        "S8.OPS.2/L4/searches_fast": (("search",), 2_000_000, 1, 0),
    }
    assert all(one.percentile == 95 and one.nights == 30 for one in polled.values() if isinstance(one, Latency))


def test_level_four_of_what_is_probed_is_never_reached_in_one_run(proposal: MaturityModel) -> None:
    """A series counts earlier nights, and a document or a gap is nothing that a run sees."""
    for criterion in proposal.criteria:
        beyond = [one for one in criterion.levels[4] if one.how != "probed" or takes_time(one)]
        assert beyond, criterion.id


def test_a_series_counts_all_that_decides_the_levels_before_it(proposal: MaturityModel) -> None:
    for criterion in proposal.criteria:
        for one in criterion.levels[4]:
            counted = list(series(one.met_by))
            if not counted:
                continue
            assert one.how == "probed", one.id
            decides = [
                leaf.is_.probe
                for level in (1, 2, 3)
                for earlier in criterion.levels[level]
                for leaf in leaves(earlier.met_by)
                if leaf.is_ is not None
                and all(document.same_fact for document in documents(earlier.met_by))
                and sum(other.is_ is not None for other in leaves(earlier.met_by)) == 1
            ]
            assert counted == list(dict.fromkeys(decides)), one.id
    held = [one.id for _, _, one in requirements(proposal) if list(series(one.met_by))]
    assert held == [f"S8.{name}/L4/held" for name in ("STD.1", "STD.2", "STD.5", "OPS.3")]
    runs = [rule.series for rule in bulk_runs(proposal)]
    assert {(one.nights, one.at_least, one.spread_days) for one in runs if one is not None} == {(3, 3, 60)}


def bulk_runs(model: MaturityModel) -> tuple[Rule, ...]:
    held = next(one for _, _, one in requirements(model) if one.id == "S8.STD.5/L4/held")
    assert held.met_by is not None
    return held.met_by.all or ()


def test_where_a_document_speaks_of_the_same_fact_a_probe_stands_beside_it(proposal: MaturityModel) -> None:
    beside = {
        one.id
        for _, _, one in requirements(proposal)
        for rule in everywhere(one)
        if any(document.same_fact for document in documents(rule))
    }
    assert beside == {
        *("S8.STD.3/L1/declared", "S8.STD.4/L1/declared"),
        *(f"S8.STD.5/L2/{name}" for name in ("kick_off", "finishes", "parses")),
        *(f"S8.STD.5/L3/{name}" for name in ("manifest", "no_errors", "not_empty", "deleted", "no_token")),
    }
    for _, _, one in requirements(proposal):
        for rule in everywhere(one):
            if rule is None or not any(document.same_fact for document in documents(rule)):
                continue
            assert [leaf.is_ is not None for leaf in leaves(rule)] == [True, False], one.id
            assert not one.conditional, f"{one.id}: what does not apply would become unknown."


def test_a_stage_seven_letter_counts_where_the_text_says_so(proposal: MaturityModel) -> None:
    for _, _, one in requirements(proposal):
        for document in [found for rule in everywhere(one) for found in documents(rule)]:
            assert document.stage_letter == ("Stage 7 validation letter" in document.document), one.id
    baseline = {one.id: one.met_by for criterion, _, one in requirements(proposal) if criterion.id == "S8.BASE.0"}
    assert [dict(document.values) for rule in baseline.values() for document in documents(rule)] == [
        {},
        {"stage_at_least": "6"},
        {"stage_at_least": "7"},
        {"revalidations_at_least": "1"},
        {"stage_7_models_at_least": "2"},
    ]


SHAPES: tuple[dict[str, Any], ...] = (
    {
        "form": "hl7v2",
        "interfaces": [
            {"partner": "Lab", "events": ["ORU^R01"], "version": "2.5.1", "transport": "MLLP"}
            | {"sent": 9, "accepted": 8, "errors": 1, "rejected": 0}
        ],
    },
    {"form": "x12", "sets": [{"set": name, "version": "005010", "electronic": 1, "total": 2} for name in OF_X12]},
    {"form": "ncpdp", "script_version": "2017071", "new_prescriptions": 1, "permissible": 2},
    {"form": "direct", "accredited": True, "sent": 2, "delivered": 2, "failed": 0, "received": 1},
    {
        "form": "network",
        "vendors": 2,
        "months": [{"month": "2026-01", "inbound": 1, "outbound": 1, "total": 2, "failed": 0}],
    },
    {
        "form": "metrics",
        "connected_systems": 1,
        "connections_by_type": {"hl7v2": 1},
        "top_data_types": [{"system": "fhir", "type": "Patient", "share": "1/2"}],
    },
    {"form": "stage_letter", "facility": "A Hospital", "model": "EMRAM", "stage": 7},
    {"form": "suite", "suite": "Inferno", "base": "https://a.example/fhir", "passed": 1, "failed": 0},
)
SAID_OTHERWISE = {"months", "stage", "share", "count", "types", "days", "payers", "entities", "sources"}
"""Names that say too little for a document that serves several requirements; of these a shape gives two."""


def names_of_shapes() -> set[str]:
    shapes = [TypeAdapter[Any](Shape).validate_python(one) for one in SHAPES]
    return {name for shape in shapes for name, _ in from_shape(shape)}


def test_values_are_spelt_as_the_shapes_spell_them(proposal: MaturityModel) -> None:
    given = names_of_shapes()
    assert {"stage", "claims_electronic_share", "both_ways_months", "systems_stated", "tests_failed"} <= given
    stated: dict[str, set[str]] = {}
    for _, _, one in requirements(proposal):
        for document in [found for rule in everywhere(one) for found in documents(rule)]:
            for bound in document.values:
                stated.setdefault(re.sub(r"_at_(least|most)$", "", bound), set()).add(one.id.split("/")[0])
    assert not {name for name in stated if name in SAID_OTHERWISE - given}
    # What only a shape would count, and what the book asks under a name of its own, may not differ by a letter or two.
    bare = {re.sub(r"(_share|s$)", "", name): name for name in given}
    near = {name: bare[re.sub(r"(_share|s$)", "", name)] for name in stated if re.sub(r"(_share|s$)", "", name) in bare}
    assert {name: shape for name, shape in near.items() if name != shape} == {}
    # These are what the typed documents are for.
    assert {
        "S8.BASE.0": {"stage"},
        "S8.BASE.1": {"inbound_months", "outbound_months", "both_ways_months", "vendors", "failed_share"},
        "S8.BASE.5": {
            *("new_prescriptions", "cancellations", "prescriptions_electronic_share"),
            *("benefit_checks", "drug_authorizations"),
        },
        "S8.TRN.4": {"systems_stated"},
        "S8.TRN.5": {"types_stated", "types_fit"},
        "S8.TRN.6": {"months", "transaction_defined"},
        "S8.TRN.7": {"data_types_stated", "shares_total", "definitions"},
        "S8.WF.PA.3": {"prior_authorizations", "prior_authorizations_electronic_share"},
        "S8.WF.PAY.3": {
            *("claims", "claims_electronic_share", "remittances", "remittances_electronic_share"),
            *("status_requests", "attachments"),
        },
        "S8.WF.PAY.4": {"eligibility_checks"},
    }.items() <= {
        criterion.id: {
            name for name, users in stated.items() if criterion.id in users and name in given - {"system_defined"}
        }
        for criterion in proposal.criteria
    }.items()


def within(rule: Rule | None, values: dict[str, Fraction]) -> bool:
    """Whether these values hold every bound of the first document that a rule asks for."""
    asked = next(documents(rule))
    for bound, wanted in asked.values.items():
        given = values[re.sub(r"_at_(least|most)$", "", bound)]
        if not (given >= Fraction(wanted) if bound.endswith("_at_least") else given <= Fraction(wanted)):
            return False
    return True


def holds(proposal: MaturityModel, criterion: str, level: int, shape: dict[str, Any], months: int = 1) -> bool:
    """Whether a typed document of this age, offered for a whole level, is within all its bounds."""
    values = dict(from_shape(TypeAdapter[Any](Shape).validate_python(shape))) | {"age_months": Fraction(months)}
    found = next(one for one in proposal.criteria if one.id == criterion)
    return all(within(asked.met_by, values) for asked in found.levels[level])  # type: ignore[index]


def test_a_yearly_total_alone_and_months_without_a_definition(proposal: MaturityModel) -> None:
    total: dict[str, Any] = {"form": "metrics", "connected_systems": 40}
    assert holds(proposal, "S8.TRN.6", 1, total)
    assert not holds(proposal, "S8.TRN.6", 2, total)
    averages = total | {"daily_transactions": [{"month": f"2025-{n:02}", "avg": 7} for n in range(1, 13)]}
    assert holds(proposal, "S8.TRN.6", 2, averages)
    assert not holds(proposal, "S8.TRN.6", 3, averages)
    assert holds(proposal, "S8.TRN.6", 3, averages | {"definitions": {"transaction": "A message acknowledged."}})
    assert not holds(proposal, "S8.TRN.6", 3, averages | {"definitions": {"transaction": "A message."}}, months=13)


@pytest.mark.parametrize(("electronic", "share"), [(41, False), (50, True)])
def test_some_electronic_authorizations_are_level_two(proposal: MaturityModel, electronic: int, share: bool) -> None:
    statement = {"form": "x12", "sets": [{"set": "278", "version": "005010", "electronic": electronic, "total": 100}]}
    assert holds(proposal, "S8.WF.PA.3", 1, statement)
    assert holds(proposal, "S8.WF.PA.3", 2, statement)
    assert holds(proposal, "S8.WF.PA.3", 3, statement) is share


def test_immunizations_have_two_facets(proposal: MaturityModel) -> None:
    faceted = [one for one in proposal.criteria if one.facets]
    assert {one.id: sorted(one.facets) for one in faceted} == {"S8.BASE.7": ["holds", "reports"]}
    for criterion, level, one in requirements(proposal):
        assert one.facet is None or one.facet in criterion.facets, one.id
        if criterion.id == "S8.BASE.7":
            assert (one.facet is None) == (level == 1), one.id
    claimed = faceted[0].levels[1][0]
    assert claimed.met_by is not None
    assert claimed.met_by.probes() == {"us_core_declared"}


NATIONAL = re.compile(
    r"US Core|USCDI|C-CDA|TEFCA|QHIN|HTI-1|170\.315|\(g\)\(10\)|X12|\b(278|837|835|270/271|276)\b"
    r"|NCPDP|NewRx|CancelRx|CVX"
)
"""What only the United States ask for, in the words of a requirement or of the document that it asks for."""
NATIONAL_PROBES = {"us_core_declared", "g10_capabilities_complete", "granular_scopes_declared"}
BESIDE_ANOTHER_ROUTE = {"S8.STD.8/L1/client_credentials"}
"""Its national probe is one of two ways, and the other is open to everybody."""


def test_what_names_a_national_norm_says_what_stands_for_it_elsewhere(proposal: MaturityModel) -> None:
    for _, _, one in requirements(proposal):
        said = [one.text, *(document.document for document in documents(one.met_by))]
        probes = one.met_by.probes() if one.met_by is not None else frozenset[str]()
        national = any(NATIONAL.search(text) for text in said) or bool(probes & NATIONAL_PROBES)
        if national and one.id not in BESIDE_ANOTHER_ROUTE:
            assert one.elsewhere is not None, one.id


def test_swaps_are_complete(proposal: MaturityModel) -> None:
    swapped = [one for _, _, one in requirements(proposal) if one.elsewhere is not None]
    assert len(swapped) >= 40
    for one in swapped:
        swap = one.elsewhere
        assert swap is not None
        assert swap.countries == ("US",)
        assert swap.norm, one.id
        assert swap.instead, one.id
        assert swap.text.endswith("."), one.id
        assert swap.text != one.text or swap.met_by is not None, f"{one.id}: nothing is swapped."
        words = [swap.text, swap.instead, *(document.document for document in documents(swap.met_by))]
        assert not [text for text in words if NATIONAL.search(text)], one.id
        assert not (swap.met_by.probes() if swap.met_by else set()) & NATIONAL_PROBES, one.id
    claims = {one.id: one.elsewhere.met_by for one in swapped if one.elsewhere and one.elsewhere.met_by}
    core = {name for name, rule in claims.items() if rule.probes() & NATIONAL_CORE}
    assert core == {f"S8.{name}" for name in ("BASE.2/L1/claimed", "BASE.7/L1/claimed")} | {
        *("S8.STD.3/L1/declared", "S8.STD.4/L1/declared")
    }


def test_freshness_has_a_row_for_every_kind_and_every_criterion(proposal: MaturityModel) -> None:
    days, months = ("days", 7, 30, 90), ("months", 12, 24, 36)
    found = {name: (row.unit, row.fresh, row.stale, row.expired) for name, row in proposal.freshness.items()}
    assert found == {
        "X": days,
        "A": ("days", 7, 30, 60),
        "Y": ("months", 12, 15, 18),
        "V": ("days", 90, 180, 365),
        "D": months,
        "M": ("months", 6, 12, 18),
        "S": ("months", 12, 15, 24),
        "R": ("months", 12, 18, 24),
        "L": ("days", 1, 30, 90),
        "Z": ("months", 36, 36, 36),
        "P": ("days", 90, 180, 365),
        "T": ("days", 90, 180, 365),
    }
    assert {*ROW.values(), SEEN} <= set(found)
    assert {row for one in proposal.criteria for row in one.freshness} <= set(found)
    ordered: list[FreshnessRow] = list(proposal.freshness.values())
    assert all(row.fresh <= row.stale <= row.expired for row in ordered)
    assert all("ours, provisional" in proposal.freshness[name].title for name in "PT")


def test_each_workflow_is_its_criteria(proposal: MaturityModel) -> None:
    ids = {one.id for one in proposal.criteria}
    assert [one.id for one in proposal.workflows] == [f"S8.WF.{name}" for name in ("VC", "PDS", "PAY", "PA", "ROI")]
    for one in proposal.workflows:
        assert one.title
        assert set(one.criteria()) <= {id_ for id_ in ids if id_.startswith(f"{one.id}.")}, one.id


def rolled(workflow: Workflow, levels: dict[str, int]) -> int | None:
    """The roll-up as the noun tells it, for levels of those criteria that apply."""
    if workflow.lead is not None:
        if workflow.lead not in levels:
            return None
        level = min([levels[workflow.lead], *(levels[one] + 1 for one in workflow.may_lag if one in levels)])
        seconds: list[int] = []
    else:
        ways = sorted((levels[one] for one in workflow.best_of if one in levels), reverse=True)
        if not ways:
            return None
        level, seconds = ways[0], ways[1:2]
        if workflow.two_above is not None:
            level = max(min(workflow.two_above, level), min(ways[:2]))
    beside = workflow.at_level_4
    second = beside.second_best is None or all(one >= beside.second_best for one in seconds)
    also = all(levels.get(one, 4) >= least for one, least in beside.also.items())
    return level if second and also else min(3, level)


@pytest.mark.parametrize("name", ["VC", "PDS", "PAY", "PA", "ROI"])
def test_the_roll_ups_are_those_of_the_score(proposal: MaturityModel, name: str) -> None:
    workflow = next(one for one in proposal.workflows if one.id == f"S8.WF.{name}")
    members = [one.id for one in proposal.criteria if one.id.startswith(f"{workflow.id}.")]
    for heights in product((None, 0, 1, 2, 3, 4), repeat=len(members)):
        levels = {one: height for one, height in zip(members, heights, strict=True) if height is not None}
        scored = roll_up(workflow, {one: Interval(low=height, high=height) for one, height in levels.items()})
        assert rolled(workflow, levels) == (scored.low if scored is not None else None), levels


def test_labels_ask_for_what_was_agreed(proposal: MaturityModel) -> None:
    assert [label.name for label in proposal.labels] == [
        *("Not rated", "Emerging", "Progressing", "Candidate"),
        "Meets the proposal's criteria (self-assessed)",
        "Exceeds the proposal's criteria (self-assessed)",
    ]
    assert [label.suspected_gate_blocks for label in proposal.labels] == [False, False, False, True, True, True]
    assert {gate.cap for gate in proposal.gates} <= {label.name for label in proposal.labels}
    asked = {
        label.name.split()[0]: [one.model_dump(exclude={"id", "text"}, exclude_none=True) for one in label.conditions]
        for label in proposal.labels
    }
    transparency = ("S8.TRN.1", "S8.TRN.2", "S8.TRN.3")

    def criteria(*ids: str, level: int, **more: Any) -> dict[str, Any]:
        return {"criteria": {"ids": ids, "level": level, "fresh": False, **more}}

    assert asked == {
        "Not": [],
        "Emerging": [{"known": "50/100"}],
        "Progressing": [
            {"block": {"block": "BASE", "level": 1}},
            criteria("S8.STD.1", "S8.STD.2", level=2),
            criteria(*transparency, level=1),
            criteria("S8.GOV.1", level=1),
            {"known": "65/100"},
        ],
        "Candidate": [
            {"core": {"level": 1}},
            {"core": {"level": 2, "share": "70/100"}},
            {"workflows": {"level": 2, "at_least": 3}},
            {"known": "80/100"},
            {"core_known": True},
        ],
        "Meets": [
            criteria("S8.BASE.0", level=3),
            {"core": {"level": 2}},
            {"core": {"level": 3, "share": "75/100"}},
            {"workflows": {"level": 2}},
            {"workflows": {"level": 3, "at_least": 3}},
            criteria("S8.GOV.1", "S8.GOV.2", "S8.GOV.5", level=2),
            criteria(*transparency, level=2),
            criteria(*(f"S8.TRN.{number}" for number in (4, 5, 6, 7)), level=2, at_least=2, fresh=True),
            {"known": "90/100"},
            {"core_fresh": True},
            {"core_confidence": "medium"},
            {"evidence": {"classes": ("E3", "E4"), "share": "60/100"}},
            {"gates_tested": tuple(f"S8.GATE.{number}" for number in range(1, 7))},
        ],
        "Exceeds": [
            {"core": {"level": 3}},
            {"core": {"level": 4, "share": "40/100"}},
            {"no_gate_for_days": 90},
            {"gap_at_most": "2/100"},
        ],
    }


def check_labels(model: MaturityModel) -> None:
    ids = {one.id for one in model.criteria}
    conditions = [one for label in model.labels for one in label.conditions]
    assert [id_ for id_, times in Counter(one.id for one in conditions).items() if times > 1] == []
    assert model.labels[0].conditions == ()
    assert all(label.conditions for label in model.labels[1:])
    assert all(
        text.endswith(".") for label in model.labels for text in (label.meaning, *(c.text for c in label.conditions))
    )
    for one in conditions:
        assert one.criteria is None or set(one.criteria.ids) <= ids, one.id
        assert one.block is None or one.block.block in {block.id for block in model.blocks}, one.id
        assert set(one.gates_tested or ()) <= {gate.id for gate in model.gates}, one.id
        assert one.evidence is None or set(one.evidence.classes) <= set(get_args(EvidenceClass)), one.id


def test_conditions_name_what_exists(proposal: MaturityModel, readiness: MaturityModel) -> None:
    check_labels(proposal)
    check_labels(readiness)


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


def test_no_sentence_claims_a_certificate(
    proposal: MaturityModel, profile: CapabilityProfile, readiness: MaturityModel
) -> None:
    slug = "stress-tests-certified-health-it-20220824"
    for model in (proposal, profile, readiness):
        text = model.line().replace(slug, "")
        assert re.findall(r"(?i)\b(certified|compliant|violat\w+)\b", text) == []
    assert not re.search(r"HIMSS|Stage 8|\b[Mm]et\b", readiness.line().replace('"met_by"', ""))


def test_sentences_are_sentences(proposal: MaturityModel) -> None:
    for criterion in proposal.criteria:
        assert criterion.intent.endswith("."), criterion.id
        assert not criterion.title.endswith("."), criterion.id
        assert all(norm.text.endswith(".") for norm in criterion.sources), criterion.id
    for _, _, one in requirements(proposal):
        assert one.text.endswith("."), one.id
        assert one.text[0].isupper() or one.text[0] in "_$" or one.text.startswith("order-sign"), one.id


def test_the_version_is_that_of_the_whole_model(proposal: MaturityModel) -> None:
    assert (proposal.id, proposal.version) == ("stage8_proposal", "1.2.0")


def test_every_reference_is_whole(proposal: MaturityModel) -> None:
    """An unquoted number sign would cut a reference off."""
    refs = [norm.ref for one in proposal.criteria for norm in one.sources]
    assert "FHIR R4 4.0.1, http.html#Status-Codes, #return and #search" in refs
    assert not [ref for ref in refs if ref.endswith(",")]


def test_a_third_model_is_a_file_and_nothing_else(readiness: MaturityModel) -> None:
    assert (readiness.id, readiness.version) == ("g10_readiness", "1.0.0")
    said = " ".join(readiness.disclaimer.split())
    assert "a reading aid for 45 CFR 170.315(g)(10), made by this project" in said
    assert "no test procedure of ASTP/ONC" in said
    assert "nothing here is an ONC certification" in said
    assert [label.name for label in readiness.labels] == ["Not shown", "Partly shown", "Shown by this run"]
    assert sum(block.weight for block in readiness.blocks) == 100
    assert 5 <= len(readiness.criteria) <= 8
    assert {block.id for block in readiness.blocks} == {one.block for one in readiness.criteria}
    ids = Counter(one.id for _, _, one in requirements(readiness))
    assert max(ids.values()) == 1
    for criterion, level, one in requirements(readiness):
        assert one.id.startswith(f"{criterion.id}/L{level}/"), one.id
        assert criterion.core, "the labels ask for every criterion"
        assert one.text.endswith("."), one.id
        assert one.how != "gap" or (MISSING_OF_A_GAP.match(one.missing or "") and one.waits_for), one.id
        for document in documents(one.met_by):
            assert one.missing == document.document, one.id
            assert max(CARRIES[3][class_] for class_ in document.classes) == one.ceiling == 3, one.id
    for criterion in readiness.criteria:
        assert any(one.how != "probed" or list(series(one.met_by)) for one in criterion.levels[4]), criterion.id
        assert set(criterion.freshness) <= set(readiness.freshness), criterion.id
        assert all(norm.ref.startswith(("45 CFR 170.", "ONC (g)(10)", "FHIR R4 4.0.1")) for norm in criterion.sources)
