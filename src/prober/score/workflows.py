"""The workflows of a rule book: how the levels of a workflow's criteria become one level."""

from collections.abc import Mapping

from prober.nouns.model import Workflow
from prober.nouns.scorecard import Interval

BLOCK = "WF"


def workflow_of(criterion: str) -> str:
    """The workflow of a criterion: its id without the last part."""
    return criterion.rpartition(".")[0]


def roll_up(workflow: Workflow, levels: Mapping[str, Interval]) -> Interval | None:
    """The workflow's level from the levels of its criteria that apply; None if the workflow does not apply.

    The rule grows with each of its levels, so the low ends give the low end and the high ends the high end.
    """
    low = level_of(workflow, {id_: level.low for id_, level in levels.items()})
    high = level_of(workflow, {id_: level.high for id_, level in levels.items()})
    return None if low is None or high is None else Interval(low=low, high=high)


def level_of(workflow: Workflow, levels: Mapping[str, int]) -> int | None:
    """The level of a workflow from levels by criterion; what does not apply is not in them."""
    if workflow.lead is not None:
        if workflow.lead not in levels:
            return None
        level = min(levels[workflow.lead], *(levels.get(one, 4) + 1 for one in workflow.may_lag), 4)
        second = 4
    else:
        ways = sorted((levels[one] for one in workflow.best_of if one in levels), reverse=True)
        if not ways:
            return None
        level, second = ways[0], ways[:2][-1]
        if workflow.two_above is not None:
            level = max(min(workflow.two_above, level), second)
        second = second if len(ways) > 1 else 4
    more = workflow.at_level_4
    broad = more.second_best is None or second >= more.second_best
    if level == 4 and not (broad and all(levels.get(one, 4) >= least for one, least in more.also.items())):
        return 3
    return level


def least_of_all(levels: Mapping[str, Interval]) -> Interval | None:
    """A workflow for which the book names no roll-up: it is as far as its least criterion."""
    if not levels:
        return None
    return Interval(low=min(one.low for one in levels.values()), high=min(one.high for one in levels.values()))
