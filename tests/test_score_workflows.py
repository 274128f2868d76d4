"""The roll-up of each workflow: the proposal's table by hand, and that no rule ever falls when a level rises."""

from itertools import product

import pytest

from prober.library import parse_model, shipped_models
from prober.nouns.model import MaturityModel
from prober.nouns.scorecard import Interval
from prober.score.workflows import least_of_all, roll_up, workflow_of


def _proposal() -> MaturityModel:
    path = shipped_models()[1]
    model = parse_model(path.read_text(encoding="utf-8"), path)
    assert isinstance(model, MaturityModel)
    return model


ROLLS = {one.id: one for one in _proposal().workflows}


def rolled(workflow: str, levels: dict[str, int]) -> int | None:
    whole = {f"{workflow}.{part}": Interval(low=one, high=one) for part, one in levels.items()}
    interval = roll_up(ROLLS[workflow], whole) if workflow in ROLLS else least_of_all(whole)
    return interval.low if interval else None


@pytest.mark.parametrize(
    ("workflow", "levels", "level"),
    [
        ("S8.WF.VC", {"1": 3, "2": 2}, 3),
        ("S8.WF.VC", {"1": 3, "2": 1}, 2),
        ("S8.WF.VC", {"1": 2, "2": 4}, 2),
        ("S8.WF.VC", {"1": 3, "2": 3, "3": 0}, 3),
        ("S8.WF.VC", {"1": 4}, 4),
        ("S8.WF.VC", {"2": 4}, None),
        ("S8.WF.PDS", {"1": 0, "2": 3, "3": 1, "4": 0}, 3),
        ("S8.WF.PDS", {"1": 4, "2": 1, "3": 1, "4": 4}, 3),
        ("S8.WF.PDS", {"1": 4, "2": 2, "3": 0, "4": 1}, 3),
        ("S8.WF.PDS", {"1": 4, "2": 2, "3": 0, "4": 2}, 4),
        ("S8.WF.PDS", {"4": 4}, None),
        ("S8.WF.PAY", {"1": 2, "2": 0, "3": 0, "4": 0}, 2),
        ("S8.WF.PAY", {"3": 4, "4": 4}, None),
        ("S8.WF.PA", {"1": 0, "2": 0, "3": 3}, 3),
        ("S8.WF.PA", {"1": 2, "2": 1, "3": 4}, 3),
        ("S8.WF.PA", {"1": 2, "2": 2, "3": 4, "4": 0}, 4),
        ("S8.WF.ROI", {"1": 1, "2": 0, "3": 0}, 1),
        ("S8.WF.ROI", {"1": 4, "2": 2, "3": 2}, 2),
        ("S8.WF.ROI", {"1": 4, "2": 3, "3": 0}, 3),
        ("S8.WF.ROI", {"1": 4, "2": 0, "3": 4}, 4),
        ("S8.WF.ROI", {"1": 4, "3": 1}, 2),
        ("S8.WF.ROI", {"1": 3}, 3),
        ("S8.WF.ROI", {}, None),
        ("S8.WF.NEW", {"1": 3, "OTHER": 1}, 1),
    ],
)
def test_the_table(workflow: str, levels: dict[str, int], level: int | None) -> None:
    assert rolled(workflow, levels) == level


@pytest.mark.parametrize("workflow", ["S8.WF.VC", "S8.WF.PDS", "S8.WF.PAY", "S8.WF.PA", "S8.WF.ROI", "S8.WF.NEW"])
def test_a_higher_level_never_lowers_the_workflow(workflow: str) -> None:
    for levels in product(range(5), repeat=4):
        before = rolled(workflow, dict(zip("1234", levels, strict=True)))
        for place in range(4):
            higher = (*levels[:place], min(4, levels[place] + 1), *levels[place + 1 :])
            after = rolled(workflow, dict(zip("1234", higher, strict=True)))
            assert before is not None
            assert after is not None
            assert 0 <= before <= after <= 4


def test_unknown_levels_give_an_interval() -> None:
    ways = {"S8.WF.PDS.1": Interval(low=1, high=4), "S8.WF.PDS.2": Interval(low=2, high=2)}
    assert roll_up(ROLLS["S8.WF.PDS"], ways) == Interval(low=2, high=4)


def test_names() -> None:
    assert workflow_of("S8.WF.ROI.2") == "S8.WF.ROI"
    assert ROLLS["S8.WF.ROI"].title == "Release of information"
