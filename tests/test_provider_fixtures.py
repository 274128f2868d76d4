"""The providers of fixtures/providers: what prober says of each equals what was worked out by hand beside it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from prober.library import load_model, load_probes, shipped_models
from prober.nouns.model import MaturityModel
from prober.nouns.scorecard import Interval, MaturityScore
from prober.rulebooks.corpus import Recorded, load_corpus
from prober.score import advised

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
