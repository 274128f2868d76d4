"""What must hold of every score, whatever the rule book, the findings and the documents are."""

import os
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.nouns.attestation import Attestation
from prober.nouns.finding import Finding
from prober.nouns.model import MaturityModel
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import AuthorizationNote, Plan, Run, Tool
from prober.nouns.scorecard import MaturityScore, Scorecard
from prober.score import ScoredRun, advised, score

BASE = "https://fhir.hospital.example/r4"
ENTITY = "Example Hospital"
AS_OF = "2026-11-23T12:00:00.000000Z"
Answer = Literal["true", "false", "unknown", "not_applicable"]

RUN = Run.model_validate(
    {
        "id": "20261123T120000Z-00000001",
        "subject": BASE,
        "environment": "production",
        "synthetic": False,
        "loopback": False,
        "started": AS_OF,
        "authorization": AuthorizationNote(form="none", statement="None was given."),
        "plan": Plan(depth="standard", budget=300, deadline_seconds=600, pace="polite", observations=()),
        "tool": Tool(prober="0", python="3", httpx="0", openssl="3", platform="any"),
        "probes": {},
        "models": {},
    }
)
FACTS = ProviderFacts(organisation=ENTITY)


@dataclass(frozen=True)
class LeafOf:
    """One leaf of a generated rule, with what it is told. No two leaves look at the same thing."""

    number: int
    requirement: str
    form: str
    answer: Answer

    @property
    def rule(self) -> dict[str, Any]:
        if self.form == "document":
            # Its own value name: a document that states it speaks to this leaf, and leaves the others unknown.
            bound = {f"v{self.number}_at_least": "1"}
            return {"attested": {"classes": ["E2", "E3"], "values": bound, "document": "A report."}}
        if self.form == "same_fact":
            bound = {f"v{self.number}_at_least": "1"}
            return {"attested": {"classes": ["E2"], "values": bound, "same_fact": True, "document": "A log."}}
        return {"is": {"probe": f"p{self.number}", "outcome": self.form}}

    def finding(self) -> Finding | None:
        if self.form not in ("present", "absent"):
            return None
        outcomes = {"true": self.form, "false": {"present": "absent", "absent": "present"}[self.form]}
        outcome = outcomes.get(self.answer, self.answer)
        return Finding.model_validate(
            {
                "source": {"probe": f"p{self.number}", "digest": "d" * 64},
                "subject": BASE,
                "verdict": {
                    "outcome": outcome,
                    "message": f"p{self.number} is {outcome}.",
                    "reason": "timed_out" if outcome == "unknown" else None,
                },
                "basis": "demonstrated",
                "evidence": [],
            }
        )

    def document(self) -> Attestation | None:
        if self.form not in ("document", "same_fact") or self.answer in ("unknown", "not_applicable"):
            return None
        return Attestation.model_validate(
            {
                "id": f"d{self.number}",
                "requirements": [self.requirement],
                "claim": f"d{self.number} says so",
                "kind": "volume",
                "class": "E2",
                "issuer": ENTITY,
                "signer_role": "chair",
                "issued": "2026-11-01",
                "period": {"start": "2026-10-01", "end": "2026-10-31"},
                "entity": ENTITY,
                "values": {f"v{self.number}": "1" if self.answer == "true" else "0"},
                "document": {"title": "A report", "sha256": f"{self.number:064x}"},
            }
        )


@dataclass(frozen=True)
class Case:
    """A rule book with what every leaf of it is told."""

    model: MaturityModel
    leaves: tuple[LeafOf, ...]

    def run(self, changed: LeafOf | None = None) -> ScoredRun:
        told = [changed if changed is not None and one.number == changed.number else one for one in self.leaves]
        findings = tuple(one for one in (leaf.finding() for leaf in told) if one is not None)
        documents = tuple(one for one in (leaf.document() for leaf in told) if one is not None)
        return ScoredRun(RUN, FACTS, findings, {}, documents)


CRITERIA = (
    ("S8.STD.1", "STD", 3, True, False),
    ("S8.STD.5", "STD", 2, False, False),
    ("S8.GOV.3", "GOV", 2, False, True),
    ("S8.WF.PDS.1", "WF", 2, False, False),
    ("S8.WF.PDS.2", "WF", 2, False, False),
    ("S8.WF.VC.1", "WF", 3, True, False),
)
WORKFLOWS = [
    {
        "id": "S8.WF.PDS",
        "title": "Patient data submission",
        "best_of": ["S8.WF.PDS.1", "S8.WF.PDS.2"],
        "at_level_4": {"second_best": 2},
    },
    {"id": "S8.WF.VC", "title": "Virtual care", "lead": "S8.WF.VC.1"},
]
LABELS: list[dict[str, Any]] = [
    {"name": "Not rated", "meaning": "Too little is known."},
    {
        "name": "Emerging",
        "meaning": "Half.",
        "conditions": [{"id": "known", "text": "Half is known.", "known": "50/100"}],
    },
    {
        "name": "Progressing",
        "meaning": "More.",
        "conditions": [
            {"id": "core", "text": "Every core criterion is at level 1.", "core": {"level": 1}},
            {"id": "workflows", "text": "One workflow is at level 2.", "workflows": {"level": 2, "at_least": 1}},
            {"id": "share", "text": "Half of the core is at level 2.", "core": {"level": 2, "share": "50/100"}},
        ],
    },
]


def make(chance: random.Random) -> Case:
    """A case by chance: every criterion with one to two requirements a level, of one to three leaves each."""
    leaves: list[LeafOf] = []
    criteria = [_criterion(chance, leaves, *one) for one in CRITERIA]
    model = MaturityModel.model_validate(
        {
            "id": "any_book",
            "version": "1.0.0",
            "title": "Any rule book",
            "disclaimer": "Nobody endorses it.",
            "blocks": [{"id": id_, "title": id_, "weight": weight} for id_, weight in _weights(chance)],
            "freshness": {"V": {"title": "volume", "unit": "days", "fresh": 90, "stale": 180, "expired": 365}},
            "criteria": criteria,
            "workflows": WORKFLOWS,
            "labels": LABELS,
        }
    )
    return Case(model, tuple(leaves))


def _weights(chance: random.Random) -> list[tuple[str, int]]:
    return [("STD", chance.randrange(1, 60)), ("GOV", chance.randrange(0, 60)), ("WF", chance.randrange(1, 60))]


def _criterion(
    chance: random.Random, leaves: list[LeafOf], id_: str, block: str, weight: int, core: bool, extension: bool
) -> dict[str, Any]:
    levels = {
        level: [_requirement(chance, leaves, f"{id_}/L{level}/r{at}") for at in range(chance.randrange(1, 3))]
        for level in (1, 2, 3, 4)
    }
    return {
        "id": id_,
        "title": id_,
        "intent": "To test.",
        "sources": [{"ref": "ours", "text": "Ours.", "status": "ours"}],
        "block": block,
        "weight": weight,
        "core": core,
        "extension": extension,
        "applies": "Always.",
        "modes": ["O"],
        "document": "A report.",
        "freshness": ["X", "V"],
        "observability": "full",
        "levels": levels,
    }


def _requirement(chance: random.Random, leaves: list[LeafOf], id_: str) -> dict[str, Any]:
    if chance.random() < 0.1:
        return {"id": id_, "text": "Later.", "how": "gap", "missing": "no probe yet"}
    rule = _rule(chance, leaves, id_, depth=2)
    return {
        "id": id_,
        "text": "So.",
        "how": "probed",
        "met_by": rule,
        "conditional": chance.random() < 0.3,
        "ceiling": 4,
    }


def _rule(chance: random.Random, leaves: list[LeafOf], id_: str, depth: int) -> dict[str, Any]:
    kind = chance.choice(("leaf", "leaf", "all", "any", "same"))
    if kind == "same":
        return {"any": [_leaf(chance, leaves, id_, "present"), _leaf(chance, leaves, id_, "same_fact")]}
    if kind == "leaf" or depth == 0:
        return _leaf(chance, leaves, id_, chance.choice(("present", "absent", "document")))
    return {kind: [_rule(chance, leaves, id_, depth - 1) for _ in range(chance.randrange(1, 4))]}


def _leaf(chance: random.Random, leaves: list[LeafOf], id_: str, form: str) -> dict[str, Any]:
    answers: tuple[Answer, ...] = ("true", "true", "true", "false", "unknown", "unknown", "not_applicable")
    answer = chance.choice(answers if form in ("present", "absent") else answers[:-1])
    leaves.append(LeafOf(len(leaves), id_, form, answer))
    return leaves[-1].rule


def maturity(case: Case, changed: LeafOf | None = None) -> MaturityScore:
    card = score([case.run(changed)], [case.model], {}, as_of=AS_OF)
    assert card.maturity is not None
    return card.maturity


def ends(one: MaturityScore) -> list[tuple[int, int] | None]:
    """Every interval of a score, in a fixed order."""
    levels = [*(each.level for each in one.criteria), *(each.level for each in one.workflows)]
    points = [one.points, one.points_equal_blocks, *(each.points for each in one.blocks)]
    besides = [each.extension_points for each in one.blocks]
    return [(each.low, each.high) if each else None for each in (*levels, *points, *besides)]


def turned(case: Case, leaf: LeafOf, answer: Answer) -> list[tuple[int, int] | None]:
    return ends(maturity(case, LeafOf(leaf.number, leaf.requirement, leaf.form, answer)))


def hold_turns(seed: int) -> int:
    """One generated book: each unknown leaf is turned into false, then into true. How many were turned."""
    case = make(random.Random(seed))
    before = ends(maturity(case))
    unknown = [one for one in case.leaves if one.answer == "unknown"]
    for leaf in unknown:
        for was, now in _pairs(before, turned(case, leaf, "false")):
            assert now[1] <= was[1], (seed, leaf)
        for was, now in _pairs(before, turned(case, leaf, "true")):
            assert now[0] >= was[0], (seed, leaf)
    return len(unknown)


def _pairs(
    before: list[tuple[int, int] | None], after: list[tuple[int, int] | None]
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    for was, now in zip(before, after, strict=True):
        assert (was is None) == (now is None)
        if was is not None and now is not None:
            yield was, now


def test_an_unknown_that_turns_out_false_or_true_moves_only_one_end() -> None:
    assert sum(hold_turns(seed) for seed in range(4)) > 40


@pytest.mark.deep
def test_ten_thousand_unknowns_that_turn_out_false_or_true_move_only_one_end() -> None:
    seed = turns = 0
    while turns < 10_000:
        turns += hold_turns(seed)
        seed += 1


ELSEWHERE = """
import pickle, sys
from pathlib import Path
from prober.score import advised, score

run, model = pickle.loads(Path(sys.argv[1]).read_bytes())
card = score([run], [model], {}, as_of=sys.argv[2])
sys.stdout.buffer.write(advised(card, [run], [model], {}).line().encode())
"""


def test_equal_bytes_in_another_place(tmp_path: Path) -> None:
    case = make(random.Random(11))
    inputs = tmp_path / "inputs"
    inputs.write_bytes(pickle.dumps((case.run(), case.model)))
    wanted = card(case, case.run()).line().encode()
    for seed, zone, locale in (("1", "Asia/Kolkata", "tr_TR.UTF-8"), ("2", "America/St_Johns", "C")):
        place = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale, "PYTHONUTF8": "0"}
        command = [sys.executable, "-c", ELSEWHERE, str(inputs), AS_OF]
        ended = subprocess.run(command, env=place, stdout=subprocess.PIPE, check=True, timeout=60)
        assert ended.stdout == wanted


EXAMPLES = settings(max_examples=examples(25), derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(min_value=0, max_value=2**32)


def card(case: Case, run: ScoredRun) -> Scorecard:
    one = score([run], [case.model], {}, as_of=AS_OF)
    return advised(one, [run], [case.model], {})


class TestAnyScore:
    @EXAMPLES
    @given(SEEDS)
    def test_the_order_of_the_evidence_changes_no_byte(self, seed: int) -> None:
        chance = random.Random(seed)
        case = make(chance)
        run = case.run()
        findings, documents = list(run.findings), list(run.attestations)
        chance.shuffle(findings)
        chance.shuffle(documents)
        mixed = ScoredRun(run.run, run.facts, tuple(findings), {}, tuple(documents))
        assert card(case, mixed).line() == card(case, run).line()

    @EXAMPLES
    @given(SEEDS)
    def test_what_speaks_to_nothing_changes_only_the_list_of_evidence(self, seed: int) -> None:
        case = make(random.Random(seed))
        run = case.run()
        stray = LeafOf(9_999, "S8.XXX.1/L1/none", "present", "true").finding()
        paper = LeafOf(9_998, "S8.XXX.1/L1/none", "document", "true").document()
        assert stray is not None
        assert paper is not None
        more = ScoredRun(run.run, run.facts, (*run.findings, stray), {}, (*run.attestations, paper))
        before, after = card(case, run).maturity, card(case, more).maturity
        assert before is not None
        assert after is not None
        listed = {one.id: one.state for one in after.attestations}
        assert listed.pop("d9998") == "unused"
        assert after.model_copy(update={"attestations": before.attestations}).line() == before.line()

    @EXAMPLES
    @given(SEEDS)
    def test_a_document_that_is_taken_away_never_raises_a_level(self, seed: int) -> None:
        chance = random.Random(seed)
        case = make(chance)
        yes = [one for one in case.leaves if one.document() is not None and one.answer == "true"]
        if not yes:
            return
        before = maturity(case)
        after = turned(case, chance.choice(yes), "unknown")
        for was, now in _pairs(ends(before), after):
            assert now[0] <= was[0]

    @EXAMPLES
    @given(SEEDS)
    def test_every_part_of_a_score_agrees_with_the_others(self, seed: int) -> None:
        case = make(random.Random(seed))
        made = card(case, case.run())
        assert Scorecard.model_validate_json(made.line()) == made
        whole = made.maturity
        assert whole is not None
        assert whole.label is not None
        assert sum(whole.coverage.values()) == 100
        for one in whole.criteria:
            assert (one.knowledge == "unknown") == (one.state == "?")
            assert (one.confidence is None) == (one.evidence_class is None)
            assert one.level is not None
            assert 0 <= one.level.low <= one.level.high <= 4
        names = [label["name"] for label in LABELS]
        assert names.index(whole.label.name) <= names.index(whole.label.at_most)
        assert bool(whole.label.blocking) == (whole.label.next is not None)
