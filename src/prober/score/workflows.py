"""The workflows of the proposal's rule book: how the levels of a workflow's criteria become one level."""

from collections.abc import Callable, Mapping

from prober.nouns.scorecard import Interval

Levels = Mapping[str, int]
"""Level by the last part of the criterion's id; what does not apply is not in it."""

BLOCK = "WF"


def video_and_messaging(levels: Levels) -> int | None:
    """Video leads; messaging may lag one level behind; scheduling never lowers."""
    return min(levels["1"], levels.get("2", 4) + 1) if "1" in levels else None


def submitted_data(levels: Levels) -> int | None:
    """The best way in; level 4 also needs a second way at level 2 and triage at level 2."""
    ways = sorted((levels[way] for way in ("1", "2", "3") if way in levels), reverse=True)
    if not ways:
        return None
    broad = all(way >= 2 for way in ways[1:2]) and levels.get("4", 2) >= 2
    return ways[0] if broad else min(3, ways[0])


def patient_payments(levels: Levels) -> int | None:
    """Taking patients' payments; what passes between provider and insurer stands beside it."""
    return levels.get("1")


def prior_authorization(levels: Levels) -> int | None:
    """Submitting the request; level 4 also needs discovery and documentation at level 2."""
    if "3" not in levels:
        return None
    return levels["3"] if all(levels.get(part, 2) >= 2 for part in ("1", "2")) else min(3, levels["3"])


def released_information(levels: Levels) -> int | None:
    """The best of three up to level 2; above it two must reach the level, or one where only one of them applies."""
    released = sorted((levels[kind] for kind in ("1", "2", "3") if kind in levels), reverse=True)
    if not released:
        return None
    return max(min(2, released[0]), released[:2][-1])


def least_of_all(levels: Levels) -> int | None:
    """A workflow that the proposal does not list: it is as far as its least criterion."""
    return min(levels.values(), default=None)


KNOWN: dict[str, tuple[str, Callable[[Levels], int | None]]] = {
    "S8.WF.VC": ("Virtual care", video_and_messaging),
    "S8.WF.PDS": ("Patient data submission", submitted_data),
    "S8.WF.PAY": ("Electronic payments", patient_payments),
    "S8.WF.PA": ("Electronic prior authorization", prior_authorization),
    "S8.WF.ROI": ("Release of information", released_information),
}


def workflow_of(criterion: str) -> str:
    """The workflow of a criterion: its id without the last part."""
    return criterion.rpartition(".")[0]


def title_of(workflow: str) -> str:
    """The workflow's name in words; its id where the proposal does not list it."""
    return KNOWN[workflow][0] if workflow in KNOWN else workflow


def roll_up(workflow: str, levels: Mapping[str, Interval]) -> Interval | None:
    """The workflow's level from the levels of its criteria that apply; None if the workflow does not apply.

    Every rule grows with each of its levels, so the low ends give the low end and the high ends the high end.
    """
    rule = KNOWN[workflow][1] if workflow in KNOWN else least_of_all
    members = {one.rpartition(".")[2]: level for one, level in levels.items()}
    low = rule({part: level.low for part, level in members.items()})
    high = rule({part: level.high for part, level in members.items()})
    return None if low is None or high is None else Interval(low=low, high=high)
