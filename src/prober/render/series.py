"""The course of a target and its periods as CSV: one line for each week or month. A gap is an empty cell, no zero."""

from collections.abc import Sequence

from prober.nouns.hindsight import Polled, SlaIncident, SlaReport, Trend, Week
from prober.nouns.polls import SAMPLE_KINDS
from prober.render.cells import table
from prober.render.visible import visible

_COUNTS = ("days_with_polls", "up", "down", "undecided", "left_out")
_POLLED = ("polls", "share_percent", "share_low_percent")
_LATENCY = tuple(f"{kind}_{what}" for kind in SAMPLE_KINDS for what in ("n", "p50_us", "p95_us"))


def trend_csv(told: Trend) -> bytes:
    """The series of `prober trend --csv`."""
    criteria = sorted({name for week in told.weeks for name in week.levels})
    head = (
        *("week", *_COUNTS, *_POLLED, *_LATENCY, "findings_shown", "findings_refuted", "findings_unknown"),
        *("label", "rule_book", "begins_rule_book", "certificate_days"),
        *(f"level {visible(name)}" for name in criteria),
    )
    return table(head, (_week(week, criteria) for week in told.weeks), figures=True)


def sla_csv(told: SlaReport) -> bytes:
    """A line for each month of the period, and the last one for all of it."""
    reasons = sorted(told.whole.undecided_because)
    head = (
        *("target", "period", "first_day", "last_day", *_COUNTS, *(f"undecided_{one}" for one in reasons), *_POLLED),
        *("planned_minutes_announced_in_time", "planned_minutes_others", "goal_percent", "error_budget_left_percent"),
        *(*_LATENCY, "incidents", "incident_list"),
    )
    rows = [(one, one.first[:7]) for one in told.months]
    return table(head, (_month(told, one, name, reasons) for one, name in [*rows, (told.whole, "all")]), figures=True)


def _week(week: Week, criteria: Sequence[str]) -> tuple[str, ...]:
    seen = week.findings
    return (
        week.polled.first,
        *_counts(week.polled),
        *_latency(week.polled),
        *((str(seen.present), str(seen.absent), str(seen.unknown)) if seen is not None else ("", "", "")),
        visible(week.label or ""),
        visible(week.model or ""),
        visible(week.begins_book or ""),
        _text(week.certificate_days),
        *(visible(week.levels.get(name, "")) for name in criteria),
    )


def _month(told: SlaReport, one: Polled, name: str, reasons: Sequence[str]) -> tuple[str, ...]:
    because = {str(reason): count for reason, count in one.undecided_because.items()}
    incidents = [each for each in told.incidents if each.begins[:10] <= one.last and (each.ends or "9") >= one.first]
    counts = _counts(one)
    return (
        *(told.target, name, one.first, one.last),
        *counts[: len(_COUNTS)],
        *(str(because.get(reason, 0)) if one.days_with_polls or one.undecided else "" for reason in reasons),
        *counts[len(_COUNTS) :],
        str(one.planned_minutes),
        str(one.late_minutes),
        told.goal or "",
        one.budget_left or "",
        *_latency(one),
        str(len(incidents)),
        "; ".join(_incident(each) for each in incidents),
    )


def _counts(one: Polled) -> tuple[str, ...]:
    """Empty where nothing was looked at."""
    looked = one.polls or one.undecided or one.left_out
    counted = (one.days_with_polls, one.up, one.down, one.undecided, one.left_out, one.polls)
    return (*(str(count) if looked else "" for count in counted), one.share or "", one.low or "")


def _latency(one: Polled) -> tuple[str, ...]:
    found = {each.kind: each for each in one.latency}
    cells: list[str] = []
    for kind in SAMPLE_KINDS:
        each = found.get(kind)
        cells += [str(each.samples), str(each.p50), str(each.p95)] if each is not None else ["", "", ""]
    return tuple(cells)


def _incident(one: SlaIncident) -> str:
    ends = one.ends or "open"
    return f"{one.begins} to {ends}, {one.seconds} s, {one.kind}: {visible(one.title)}"


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
