"""The providers of fixtures/providers: what prober says of each equals what was worked out by hand beside it."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import yaml

from prober.attest.reading import read_attestations
from prober.documents.fitting import kinds_for, rule_of
from prober.library import load_model, load_probes, load_provider, shipped_models
from prober.nouns.attestation import Attestation
from prober.nouns.finding import Outcome
from prober.nouns.history import HistoryLine
from prober.nouns.model import Attested, MaturityModel, Rule
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import AuthorizationNote, Plan, Run, Tool
from prober.nouns.scorecard import Interval, MaturityScore, NextSteps, Step
from prober.rulebooks.corpus import Recorded, load_corpus
from prober.score import ScoredRun, advised, score

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "fixtures" / "providers"
PROBES = load_probes()
SHEETS = {id_: one.sheet for id_, one in PROBES.items()}
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/expected.yaml"))


@pytest.fixture(scope="module")
def book() -> MaturityModel:
    model = load_model(next(path for path in shipped_models() if path.stem == "stage8_proposal"))
    assert isinstance(model, MaturityModel)
    return model


@pytest.fixture(scope="module")
def providers() -> dict[str, Recorded]:
    return {one.name: one for one in load_corpus(FOLDER, PROBES)}


def scored(provider: Recorded, book: MaturityModel) -> MaturityScore:
    run = provider.scored_run()
    card = advised(provider.scored_with(book, SHEETS), [run], [book], SHEETS)
    assert card.maturity is not None
    return card.maturity


def pair(level: Interval | None) -> list[int] | None:
    return [level.low, level.high] if level is not None else None


def said(maturity: MaturityScore) -> dict[str, Any]:
    """What prober says, in the form of expected.yaml."""
    label, advice = maturity.label, maturity.next
    assert label is not None
    assert advice is not None
    return {
        "label": {
            "name": label.name,
            "shown": label.shown,
            "at_most": label.at_most,
            "next": label.next,
            "capped_by": [*label.capped_by],
            "if_all_apply": label.if_all_apply,
        },
        "blocking": [{"id": one.id, "lacking": [*one.lacking]} for one in label.blocking],
        "points": pair(maturity.points),
        "points_equal_blocks": pair(maturity.points_equal_blocks),
        "blocks": {one.id: pair(one.points) for one in maturity.blocks},
        "coverage": maturity.coverage,
        "workflows": {one.id: {"state": one.state, "level": pair(one.level)} for one in maturity.workflows},
        "criteria": {one.id: {"state": one.state, "level": pair(one.level)} for one in maturity.criteria},
        "gates": {one.id: one.state for one in maturity.gates},
        "conflicts": [line.id for one in maturity.criteria for line in one.requirements if line.conflict],
        "attestations": {one.id: one.state for one in maturity.attestations},
        "swaps": [
            {"norm": one.norm, "instead": one.instead, "requirements": [*one.requirements]} for one in maturity.swaps
        ],
        "next": {
            "target": advice.target,
            "reachable": advice.reachable,
            "why_not": [*advice.why_not],
            "steps": [one.id for one in advice.steps],
        },
    }


def test_there_are_five_and_each_is_explained() -> None:
    assert len(NAMES) == 5
    for name in NAMES:
        assert (FOLDER / name / "derivation.md").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_equals_what_was_worked_out_by_hand(name: str, providers: dict[str, Recorded], book: MaturityModel) -> None:
    expected = yaml.safe_load((FOLDER / name / "expected.yaml").read_text(encoding="utf-8"))
    here = said(scored(providers[name], book))
    assert here.keys() == expected.keys()
    for field, value in expected.items():
        assert here[field] == value, field


PLANTED = {
    "contradictions": (
        "a document of another legal entity does not count.",
        "test-suite-elsewhere is about a FHIR base that the provider file does not list; correct it, or add it there.",
        "for the same days; keep one.",
    )
}


@pytest.mark.parametrize("name", [name for name in NAMES if (FOLDER / name / "attestations.yaml").is_file()])
def test_its_attestations_have_no_fault_but_the_planted(
    name: str, providers: dict[str, Recorded], book: MaturityModel
) -> None:
    today = date.fromisoformat(providers[name].as_of[:10])
    provider = load_provider(FOLDER / name / "provider.yaml")
    reading = read_attestations(FOLDER / name / "attestations.yaml", book, provider, today=today)
    planted = PLANTED.get(name, ())
    assert len(reading.faults) == len(planted)
    for words in planted:
        assert sum(words in str(fault) for fault in reading.faults) == 1


# Show that the steps do what they promise: they are taken, and the provider is scored again.


class Taking:
    """Steps taken on one run: the least evidence that each part asks for, and nothing else."""

    def __init__(self, run: ScoredRun, book: MaturityModel) -> None:
        self.run = run
        self.day = run.run.started[:10]
        self.rules = {
            asked.id: (criterion, rule_of(asked, run.facts.country))
            for criterion in book.criteria
            for level in criterion.levels.values()
            for asked in level
        }
        self.gates = {one.id: one for one in book.gates}
        self.independent = {one.id for label in book.labels for one in label.conditions if one.evidence is not None}
        self.count = 0

    def take(self, steps: Iterable[Step]) -> ScoredRun:
        for step in steps:
            for part in step.parts:
                if part.requirement in self.gates:
                    self._gate(part.requirement, part.findings)
                elif part.requirement in self.rules:
                    self.raise_(part.requirement)
                else:
                    self._surer(part.requirement, "E3" if step.id in self.independent else "E2")
        return self.run

    def raise_(self, requirement: str, class_: str | None = None) -> None:
        rule = self.rules[requirement][1]
        assert rule is not None
        kept = [
            one.model_copy(update={"requirements": tuple(id_ for id_ in one.requirements if id_ != requirement)})
            for one in self.run.attestations
        ]
        self.run = replace(self.run, attestations=tuple(one for one in kept if one.requirements))
        self._satisfy(requirement, rule, class_)

    def _satisfy(self, requirement: str, rule: Rule, class_: str | None) -> None:
        if rule.is_ is not None:
            self.turn(rule.is_.probe, rule.is_.outcome)
        elif rule.attested is not None:
            self._attest(requirement, rule.attested, class_)
        else:
            seen = [one for one in rule.any or () if one.is_ is not None]
            for one in rule.all or (seen or list(rule.any or ()))[:1]:
                self._satisfy(requirement, one, class_)

    def turn(self, probe: str, outcome: Outcome) -> None:
        def turned(finding: Any) -> Any:
            verdict = finding.verdict.model_copy(update={"outcome": outcome, "reason": None})
            return finding.model_copy(update={"verdict": verdict}) if finding.source.probe == probe else finding

        assert probe in {one.source.probe for one in self.run.findings}
        self.run = replace(self.run, findings=tuple(map(turned, self.run.findings)))

    def _attest(self, requirement: str, asks: Attested, class_: str | None, answer: str = "yes") -> None:
        self.count += 1
        criterion = self.rules[requirement][0] if requirement in self.rules else None
        kind = kinds_for(criterion, [asks])[0] if criterion is not None else "assessment"
        document = Attestation.model_validate(
            {
                "id": f"step-{self.count}",
                "requirements": [requirement],
                "claim": "It is so",
                "answer": answer,
                "kind": kind,
                "class": class_ or next(one for one in asks.classes if one != "E0"),
                "issuer": "Whoever acts",
                "signer_role": "chair",
                "issued": self.day,
                "period": {"start": self.day, "end": self.day},
                "valid_until": "2030-01-01" if kind == "certificate" else None,
                "entity": self.run.facts.organisation,
                "values": {bound.rsplit("_at_", 1)[0]: limit for bound, limit in asks.values.items()},
                "document": {"title": "A document", "sha256": f"{self.count:064x}", "third_party": "Another party"},
            }
        )
        self.run = replace(self.run, attestations=(*self.run.attestations, document))

    def _gate(self, gate: str, probes: Sequence[str]) -> None:
        """An untested gate is tested and holds; one that fired is repaired, and seen to hold in three clean runs."""
        rule = self.gates[gate].met_by
        assert rule is not None
        for probe in probes:
            self.turn(probe, "present")
            self._nights(probe, "present", (2, 1))
        if not probes:
            self._attest(gate, rule.documents()[0], None, answer="no")

    def _surer(self, criterion: str, class_: str) -> None:
        """Another night, and better documents for what no probe sees."""
        own = {id_: rule for id_, (owner, rule) in self.rules.items() if owner.id == criterion and rule is not None}
        held = {id_ for one in self.run.attestations for id_ in one.requirements}
        for probe in sorted(frozenset().union(*(rule.probes() for rule in own.values()))):
            outcome = next(one.verdict.outcome for one in self.run.findings if one.source.probe == probe)
            self._nights(probe, outcome, (24,))
        for id_, rule in own.items():
            if not rule.probes() and id_ in held:
                self.raise_(id_, max(class_, rule.documents()[0].classes[0]))

    def _nights(self, probe: str, outcome: Outcome, hours_before: Sequence[int]) -> None:
        now = datetime.fromisoformat(self.run.run.started)
        lines = tuple(
            HistoryLine(
                run=f"earlier-{hours}",
                subject=self.run.run.subject,
                environment=self.run.run.environment,
                time=(now - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                digest="0" * 64,
                probe=probe,
                outcome=outcome,
            )
            for hours in hours_before
        )
        self.run = replace(self.run, history=(*self.run.history, *lines))


def label_after(run: ScoredRun, book: MaturityModel, steps: Iterable[Step], as_of: str) -> str:
    taken = Taking(run, book).take(steps)
    maturity = score([taken], [book], SHEETS, as_of=as_of).maturity
    assert maturity is not None
    assert maturity.label is not None
    return maturity.label.name


@pytest.mark.parametrize("name", NAMES)
def test_taking_the_steps_reaches_what_was_promised_and_none_is_idle(
    name: str, providers: dict[str, Recorded], book: MaturityModel
) -> None:
    provider = providers[name]
    run, advice = provider.scored_run(), scored(provider, book).next
    assert advice is not None
    assert advice.reachable
    assert label_after(run, book, advice.steps, provider.as_of) == advice.target
    for idle in advice.steps:
        others = [one for one in advice.steps if one != idle]
        assert label_after(run, book, others, provider.as_of) != advice.target, idle.id


def test_steps_that_a_probe_decides_are_taken_by_what_it_sees(
    providers: dict[str, Recorded], book: MaturityModel
) -> None:
    """Without its history the gate is only suspected; a refuted and an unseen thing of the API stand in the way."""
    provider = providers["contradictions"]
    worse = Taking(replace(provider.scored_run(), history=()), book)
    worse.turn("statement_sound", "absent")
    worse.turn("smart_required_fields", "unknown")
    card = score([worse.run], [book], SHEETS, as_of=provider.as_of)
    advice = advised(card, [worse.run], [book], SHEETS)
    assert advice.maturity is not None
    steps = advice.maturity.next
    assert steps is not None
    assert [(one.id, [(part.how, part.truth) for part in one.parts]) for one in steps.steps] == [
        ("S8.STD.1=L2", [("probed", "false")]),
        ("S8.STD.2=L2", [("probed", "unknown")]),
    ]
    assert (steps.now, steps.target) == ("Emerging", "Progressing")
    assert label_after(worse.run, book, steps.steps, provider.as_of) == "Progressing"
    for left in steps.steps:
        assert label_after(worse.run, book, [left], provider.as_of) == "Emerging"


# Small books by chance, in which every set of raises can be tried.


def small_run() -> ScoredRun:
    base = "https://fhir.hospital.example/r4"
    run = Run.model_validate(
        {
            "id": "20261123T120000Z-00000001",
            "subject": base,
            "environment": "production",
            "synthetic": False,
            "loopback": False,
            "started": "2026-11-23T12:00:00.000000Z",
            "authorization": AuthorizationNote(form="none", statement="None was given."),
            "plan": Plan(depth="standard", budget=300, deadline_seconds=600, pace="polite", observations=()),
            "tool": Tool(prober="0", python="3", httpx="0", openssl="3", platform="any"),
            "probes": {},
            "models": {},
        }
    )
    return ScoredRun(run, ProviderFacts(organisation="Example Hospital"), (), {})


SMALL = (
    ("S8.GOV.1", "GOV", 3, True),
    ("S8.GOV.3", "GOV", 2, False),
    ("S8.GOV.5", "GOV", 3, True),
    ("S8.WF.VC.1", "WF", 3, True),
    ("S8.WF.PDS.1", "WF", 2, False),
    ("S8.WF.PDS.2", "WF", 2, False),
)
ROLLS = [
    {"id": "S8.WF.VC", "title": "Virtual care", "lead": "S8.WF.VC.1"},
    {"id": "S8.WF.PDS", "title": "Submission", "best_of": ["S8.WF.PDS.1", "S8.WF.PDS.2"], "two_above": 2},
]


def small_book(chance: random.Random) -> tuple[MaturityModel, list[str]]:
    """A book, and the requirements that are shown from the beginning. Above level 3 nothing can be shown."""
    criteria = []
    shown: list[str] = []
    for id_, block, weight, core in SMALL:
        height = chance.choice((0, 0, 0, 1, 2))
        top = chance.choice((2, 3, 3, 3))
        levels: dict[int, list[dict[str, Any]]] = {}
        for level in (1, 2, 3, 4):
            levels[level] = [
                _small(chance, f"{id_}/L{level}/r{at}", level, gap=level > top)
                for at in range(chance.choice((1, 1, 2)))
            ]
            shown += [one["id"] for one in levels[level] if level <= height]
        criteria.append(
            {
                "id": id_,
                "title": id_,
                "intent": "To test.",
                "sources": [{"ref": "ours", "text": "Ours.", "status": "ours"}],
                "block": block,
                "weight": weight,
                "core": core,
                "extension": False,
                "applies": "Always.",
                "modes": ["A"],
                "document": "A report.",
                "freshness": ["V", "R", "D"],
                "observability": "none",
                "levels": levels,
            }
        )
    conditions = [
        {"id": "known", "text": "Enough is known.", "known": chance.choice(("50/100", "60/100", "80/100"))},
        {"id": "share", "text": "Core.", "core": {"level": 2, "share": chance.choice(("30/100", "60/100"))}},
        {"id": "flows", "text": "Flows.", "workflows": {"level": chance.choice((1, 2, 3)), "at_least": 1}},
        {"id": "all", "text": "All core.", "core": {"level": 1}},
        {"id": "some", "text": "Some.", "criteria": {"ids": [SMALL[1][0], SMALL[4][0]], "level": 2, "at_least": 1}},
        {"id": "independent", "text": "Others say so.", "evidence": {"classes": ["E3", "E4"], "share": "50/100"}},
        {"id": "sure", "text": "It is sure.", "core_confidence": "medium"},
    ]
    chosen = chance.sample(conditions[:5], chance.choice((1, 2, 3)))
    if conditions[3] in chosen:
        # A label that asks how good the evidence is asks, as the rule book's does, that nothing core is unknown.
        chosen += [one for one in conditions[5:] if chance.random() < 0.5]
    model = MaturityModel.model_validate(
        {
            "id": "any_book",
            "version": "1.0.0",
            "title": "Any rule book",
            "disclaimer": "Nobody endorses it.",
            "blocks": [{"id": "GOV", "title": "GOV", "weight": 1}, {"id": "WF", "title": "WF", "weight": 1}],
            "freshness": {
                "V": {"title": "volume", "unit": "days", "fresh": 90, "stale": 180, "expired": 365},
                "R": {"title": "letter", "unit": "days", "fresh": 90, "stale": 180, "expired": 365},
                "D": {"title": "policy", "unit": "days", "fresh": 90, "stale": 180, "expired": 365},
            },
            "criteria": criteria,
            "workflows": ROLLS,
            "labels": [
                {"name": "Not yet", "meaning": "Not yet."},
                {"name": "There", "meaning": "There.", "conditions": chosen},
            ],
        }
    )
    return model, shown


def _small(chance: random.Random, id_: str, level: int, *, gap: bool) -> dict[str, Any]:
    if gap:
        return {"id": id_, "text": "Later.", "how": "gap", "missing": "no probe yet"}
    classes = chance.choice((["E1", "E2", "E3"], ["E2", "E3"]) if level == 1 else (["E2", "E3"], ["E2", "E3"], ["E3"]))
    rule = {"attested": {"classes": classes, "values": {"count_at_least": "1"}, "document": "A report."}}
    return {"id": id_, "text": "So.", "how": "attested", "missing": "A report.", "ceiling": 4, "met_by": rule}


def raised(run: ScoredRun, model: MaturityModel, raises: Iterable[tuple[str, int]]) -> ScoredRun:
    """The run with these criteria shown up to these levels, by the least evidence that each requirement asks for."""
    taking = Taking(run, model)
    held = {id_ for one in run.attestations for id_ in one.requirements}
    for criterion in model.criteria:
        height = dict(raises).get(criterion.id, 0)
        for level, asked in criterion.levels.items():
            for one in asked:
                if level <= height and one.id not in held:
                    taking.raise_(one.id)
    return taking.run


def there(run: ScoredRun, model: MaturityModel) -> bool:
    maturity = score([run], [model], {}, as_of="2026-11-23T12:00:00.000000Z").maturity
    assert maturity is not None
    assert maturity.label is not None
    return maturity.label.name == "There"


def heights(maturity: MaturityScore, model: MaturityModel) -> dict[str, range]:
    """To which levels each criterion can be raised: no further than to the first thing that nothing decides yet."""
    low = {one.id: one.level.low for one in maturity.criteria if one.level is not None}
    gaps = {
        one.id: min(level for level, asked in one.levels.items() if any(each.how == "gap" for each in asked))
        for one in model.criteria
    }
    return {id_: range(low[id_] + 1, gaps[id_]) for id_ in low}


def smaller(ways: dict[str, range], count: int) -> Iterator[tuple[tuple[str, int], ...]]:
    """Every set of fewer raises than this."""
    for size in range(count):
        for ids in combinations(ways, size):
            for levels in product(*(ways[id_] for id_ in ids)):
                yield tuple(zip(ids, levels, strict=True))


def advice_on(run: ScoredRun, model: MaturityModel) -> tuple[MaturityScore, NextSteps]:
    card = score([run], [model], {}, as_of="2026-11-23T12:00:00.000000Z")
    maturity = advised(card, [run], [model], {}).maturity
    assert maturity is not None
    assert maturity.next is not None
    return maturity, maturity.next


def hold_smallest(seed: int) -> bool:
    """One small book: the steps reach the label, none is idle, and no set of fewer raises reaches it."""
    chance = random.Random(seed)
    model, shown = small_book(chance)
    taking = Taking(small_run(), model)
    for id_ in shown:
        taking.raise_(id_)
    run = taking.run
    maturity, advice = advice_on(run, model)
    if advice.target is None:
        return False
    raises = [one for one in advice.steps if one.id.startswith("S8.")]
    if advice.reachable:
        assert there(Taking(run, model).take(advice.steps), model), seed
        for idle in advice.steps:
            others = [one for one in advice.steps if one != idle]
            assert not there(Taking(run, model).take(others), model), (seed, idle.id)
    ways = heights(maturity, model)
    for fewer in smaller(ways, len(raises) if advice.reachable else 0):
        assert not there(raised(run, model, fewer), model), (seed, fewer)
    if not advice.reachable:
        everything = [(id_, levels[-1]) for id_, levels in ways.items() if levels]
        assert not there(raised(run, model, everything), model), seed
    return advice.reachable


def test_no_smaller_set_of_raises_reaches_the_label() -> None:
    assert sum(hold_smallest(seed) for seed in range(8)) > 3


@pytest.mark.deep
def test_no_smaller_set_of_raises_reaches_the_label_of_many_books() -> None:
    assert sum(hold_smallest(seed) for seed in range(20, 400)) > 200
