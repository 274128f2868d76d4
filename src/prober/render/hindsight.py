"""What `prober history` and `prober trend` print: one line for each target, one target in full, and its course."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from prober.nouns.hindsight import (
    Gap,
    Hindsight,
    KeptBundle,
    PlannedTime,
    Polled,
    SeenChange,
    TargetLine,
    Trend,
    Week,
)
from prober.nouns.incident import Incident
from prober.nouns.look import Look
from prober.render import words
from prober.render.lines import Lines, joined
from prober.render.sparks import Ink, Value, spark
from prober.render.visible import visible

UP = {"up": "up", "down": "down", "undecided": "not known"}
JUDGED = {"regression": "for the worse", "improvement": "for the better", "neutral": "neither"}
BECAUSE = {
    "recovered": "it recovered",
    "accepted": "it lasted so long that it counts as how things are",
    "removed": "it is watched no more",
}
HEAD = ("target", "last look (UTC)", "up", "open incidents", "certificate days", "unchanged since")
_NAMES = 17
"""Characters before a chart."""


@dataclass(frozen=True)
class Parts:
    """Which lists are told."""

    incidents: bool = True
    changes: bool = True
    looks: bool = False
    rest: bool = True


def overview(told: Hindsight, width: int) -> str:
    """One line for each target, and below it the labels, whose words are longer."""
    lines = Lines(width)
    if not told.targets:
        return "There is no target yet."
    rows = [HEAD, *(_row(one) for one in told.targets)]
    blocks = [lines.table(rows)]
    labels = [(one.target, f"{one.label}, by {one.model}") for one in told.targets if one.label is not None]
    if labels:
        blocks.append(["Labels:", *lines.pairs([(f"  {name}", label) for name, label in labels])])
    gone = [one.target for one in told.targets if not one.configured]
    if gone:
        blocks.append(lines.text(f"The configuration no longer names {words.listed(gone)}."))
    return joined(blocks, lines)


def night(told: Hindsight, width: int) -> str:
    """What changed in one night, target by target."""
    lines = Lines(width)
    if not told.changes:
        return f"Nothing changed in {told.night}."
    blocks = [lines.text(f"{words.number(len(told.changes), 'change')} in {told.night}.")]
    for target in sorted({one.target for one in told.changes}):
        here = [one for one in told.changes if one.target == target]
        blocks.append([f"{target}:", *(line for one in here for line in _change(one, lines, dated=False))])
    return joined(blocks, lines)


def one_target(told: Hindsight, parts: Parts, width: int) -> str:
    """One target in full."""
    lines, line = Lines(width), told.targets[0]
    blocks = [_head(line, lines)] if parts.rest else []
    limit = f" (the last {told.last})" if told.last is not None else f" since {told.since[:10]}" if told.since else ""
    if parts.incidents:
        listed = [row for one in told.incidents for row in _incident(one, lines)]
        blocks.append([f"Incidents{limit}:", *(listed or ["  none"])])
    if parts.changes:
        listed = [row for one in told.changes for row in _change(one, lines, dated=True)]
        blocks.append([f"Changes{limit}:", *(listed or ["  none"])])
    if parts.looks:
        blocks.append([f"Looks{limit}:", *([row for one in told.looks for row in _look(one, lines)] or ["  none"])])
    if parts.rest:
        blocks.append(_gaps(told.gaps, lines))
        blocks.append(_maintenance(told.maintenance, lines))
        blocks.append(_bundles(told.bundles, lines))
    return joined(blocks, lines)


def course(told: Trend, ink: Ink, width: int) -> str:
    """How it went, week by week."""
    lines = Lines(width)
    weeks = told.weeks
    broken = [place for place, week in enumerate(weeks) if week.begins_book is not None]
    charts = _Charts(weeks, ink, lines, broken)
    first, last = weeks[0].polled.first, told.as_of[:10]
    blocks = [
        [
            *lines.text(f"{told.target}, {told.base}"),
            *lines.text(
                f"From {first} to {last}, a column for each week. {ink.gap} is a week in which the monitor did not "
                "look: a gap, and no zero. Latency is the time to the first byte of the CapabilityStatement."
            ),
        ],
        [
            *charts.drawn("availability", _share, _percents, cut=False),
            *charts.drawn("latency p50", lambda week: _latency(week, 50), _times, cut=False),
            *charts.drawn("latency p95", lambda week: _latency(week, 95), _times, cut=False),
            *charts.drawn("certificate days", lambda week: week.certificate_days, _counts, cut=False),
        ],
        _in_all(told, lines),
        [
            *charts.drawn("shown", lambda week: week.findings.present if week.findings else None, _counts, cut=True),
            *charts.drawn("refuted", lambda week: week.findings.absent if week.findings else None, _counts, cut=True),
            *charts.drawn("unknown", lambda week: week.findings.unknown if week.findings else None, _counts, cut=True),
        ],
        _labels(weeks, lines),
        _levels(told, charts, lines),
        _breaks(told, ink, lines),
    ]
    return joined([block for block in blocks if block], lines)


def _row(one: TargetLine) -> tuple[str, ...]:
    unchanged = one.changed or one.first
    return (
        one.target,
        _minute(one.last) if one.last else "never",
        UP[one.up] if one.up else "",
        str(one.incidents),
        str(one.certificate_days) if one.certificate_days is not None else "",
        (unchanged or "")[:10],
    )


def _head(one: TargetLine, lines: Lines) -> list[str]:
    pairs = [("base", one.base)]
    if one.last is not None and one.up is not None:
        why = f" ({words.MEANING[one.reason].rstrip('.')})" if one.reason is not None and one.up != "up" else ""
        plan = f", in planned maintenance ({one.plan})" if one.planned else f" ({one.plan})"
        pairs += [("last look", f"{_minute(one.last)} UTC{plan}"), ("state", f"{UP[one.up]}{why}")]
    if one.certificate_ends is not None:
        pairs.append(("certificate", f"ends {one.certificate_ends[:10]}, {_days(one.certificate_days or 0)}"))
    if one.label is not None:
        pairs.append(("label", f"{one.label}, by {one.model}"))
    if one.changed is not None:
        pairs.append(("last change", f"{_minute(one.changed)} UTC"))
    elif one.first is not None:
        pairs.append(("last change", f"none since the first look, {_minute(one.first)} UTC"))
    rows = lines.pairs(pairs)
    return [*lines.text(one.target), *(f"  {row}" for row in rows)]


def _incident(one: Incident, lines: Lines) -> list[str]:
    if one.closed is None:
        until = "is open"
    else:
        why = BECAUSE[one.closed_because] if one.closed_because is not None else "it is over"
        until = f"closed {_minute(one.closed)} after {duration(one.began, one.closed)}: {why}"
    told = lines.row("  - ", f"{one.title} ({one.kind})")
    told += lines.text(f"Seen first {_minute(one.began)}, seen again {_minute(one.opened)}, {until}.", 4)
    if one.waived_by is not None:
        told += lines.text(f"A waiver keeps it silent: {one.waived_by}.", 4)
    if one.private:
        told += lines.text("To be told to the contact of the authorization alone.", 4)
    return told


def _change(seen: SeenChange, lines: Lines, *, dated: bool) -> list[str]:
    one = seen.change
    when = f"{seen.slot or one.after.started[:10]} {seen.plan}: ".replace(" :", ":") if dated else f"{seen.plan}: "
    criteria = f" Criteria: {', '.join(one.criteria)}." if one.criteria else ""
    back = f" It is again as the run {one.returned} saw it." if one.returned is not None else ""
    told = lines.row("  - ", f"{when}{one.what} ({JUDGED[one.judgement]}).{criteria}{back}".replace(". (", " ("))
    if one.private:
        told += lines.text("To be told to the contact of the authorization alone.", 4)
    for name, side, folder in (("before", one.before, seen.before_folder), ("after", one.after, seen.after_folder)):
        value = "not there" if side.value is None else side.value
        where = folder or f"the run {side.run}, whose folder is gone"
        proof = f", exchange {side.exchange}" if side.exchange else ""
        told += lines.row(f"    {name + ':':<8}", f"{value} ({where}{proof})")
    return told


def _look(one: Look, lines: Lines) -> list[str]:
    second = " again" if one.part else ""
    why = f", {words.MEANING[one.reason].rstrip('.')}" if one.reason is not None and one.up != "up" else ""
    planned = ", in planned maintenance" if one.planned else ""
    where = one.folder or f"the run {one.run}, whose folder is gone"
    text = (
        f"{_minute(one.began)} {one.plan}{second}: {UP[one.up]}{why}{planned}; {words.number(one.requests, 'request')}"
    )
    return lines.row("  ", f"{text}, {where}")


def _gaps(gaps: Sequence[Gap], lines: Lines) -> list[str]:
    if not gaps:
        return ["No look is missing."]
    told = ["Looks that are missing; they count neither for nor against the target:"]
    for one in gaps:
        span = one.first if one.looks == 1 else f"{one.first} to {one.last}"
        why = {
            True: "the monitor ran and could not make it" if one.looks == 1 else "the monitor ran and made none",
            False: "the monitor did not run",
            None: "whether the monitor ran is not remembered",
        }[one.monitor_ran]
        told += lines.row("  - ", f"{one.plan}, {span}: {words.number(one.looks, 'look')}; {why}.")
    return told


def _maintenance(windows: Sequence[PlannedTime], lines: Lines) -> list[str]:
    if not windows:
        return []
    told = ["Planned maintenance:"]
    for one in windows:
        time = "announced in time" if one.in_time else "not announced in public 48 hours ahead, so that its polls count"
        told += lines.row("  - ", f"{_minute(one.begins)} to {_minute(one.ends)} UTC, {time}.")
    return told


def _bundles(bundles: Sequence[KeptBundle], lines: Lines) -> list[str]:
    if not bundles:
        return []
    told = ["Sealed bundles:"]
    for one in bundles:
        runs = words.number(len(one.runs), "run")
        told += lines.row("  - ", f"{one.name}: {runs} from {one.first[:10]} to {one.last[:10]}, SHA-256 {one.sha256}")
    return told


class _Charts:
    """Charts with their names before them and their numbers behind them."""

    def __init__(self, weeks: Sequence[Week], ink: Ink, lines: Lines, breaks: Sequence[int]) -> None:
        self.weeks, self.ink, self.lines, self.breaks = weeks, ink, lines, breaks

    def drawn(
        self, name: str, value: Callable[[Week], Value], numbers: Callable[[Sequence[Value]], str], *, cut: bool
    ) -> list[str]:
        """One series; `cut` says that it rests on the rule book, so that breaks are drawn."""
        values = [value(week) for week in self.weeks]
        if all(one is None for one in values):
            return [f"{name:<{_NAMES}}not known"]
        return self.lined(name, values, numbers(values), breaks=self.breaks if cut else ())

    def lined(
        self,
        name: str,
        values: Sequence[Value],
        text: str,
        *,
        breaks: Sequence[int] = (),
        low: Value = None,
        high: Value = None,
    ) -> list[str]:
        room = self.lines.width - _NAMES
        known = [one for one in values if one is not None]
        low = low if low is not None else min(known, default=0)
        high = high if high is not None else max(known, default=0)
        rows = []
        step = max(1, room - len(breaks))
        for start in range(0, len(values), step):
            here = [place - start for place in breaks]
            rows.append(spark(values[start : start + step], self.ink, low=low, high=high, breaks=here))
        head = f"{visible(name):<{_NAMES}}"
        told = [head + rows[0], *(" " * _NAMES + row for row in rows[1:])]
        if len(told[-1]) + 2 + len(text) <= self.lines.width:
            return [*told[:-1], f"{told[-1]}  {text}"]
        return [*told, *self.lines.text(text, _NAMES)]


def _share(week: Week) -> Value:
    return Fraction(week.polled.share) / 100 if week.polled.share is not None else None


def _latency(week: Week, p: int) -> Value:
    found = next((one for one in week.polled.latency if one.kind == "statement"), None)
    return None if found is None else found.p50 if p == 50 else found.p95


def _known(values: Sequence[Value]) -> list[int | Fraction]:
    return [one for one in values if one is not None]


def _percents(values: Sequence[Value]) -> str:
    found = [Fraction(one) for one in _known(values)]
    return f"{_places(min(found))} to {_places(max(found))} %" if min(found) < max(found) else f"{_places(found[0])} %"


def _places(share: Fraction) -> str:
    hundredths = share * 10_000 // 1
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _times(values: Sequence[Value]) -> str:
    found = [int(one) for one in _known(values)]
    return f"{words.milliseconds(min(found))} to {words.milliseconds(max(found))}"


def _counts(values: Sequence[Value]) -> str:
    found = _known(values)
    span = f"{min(found)} to {max(found)}" if min(found) < max(found) else f"{found[-1]}"
    return f"{span}, now {found[-1]}" if min(found) < max(found) else span


def _in_all(told: Trend, lines: Lines) -> list[str]:
    whole = told.whole
    said = lines.text(f"In all: {in_words(whole)}")
    if told.goal is not None:
        said += lines.text(budget_words(whole, told.goal))
    for one in whole.latency:
        said += lines.text(
            f"Time to the first byte, {KINDS[one.kind]}: p50 {words.milliseconds(one.p50)}, p95 "
            f"{words.milliseconds(one.p95)}, of {words.number(one.samples, 'answer')}."
        )
    return said


KINDS = {
    "statement": "CapabilityStatement",
    "read": "reading one resource",
    "search": "searches",
    "smart": "SMART configuration",
}


def in_words(one: Polled) -> str:
    """What polls come to, in a sentence."""
    if one.share is None or one.low is None:
        share = "no poll could be decided"
    else:
        share = (
            f"{one.up} of {words.number(one.polls, 'poll')} found it up, {one.share} % (at least {one.low} % with 95 "
            "percent confidence)"
        )
    left = f"; {one.left_out} in maintenance that was announced in time are left out" if one.left_out else ""
    because = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in one.undecided_because.items())
    open_ = f"; {one.undecided} could not be decided ({because})" if one.undecided else ""
    return f"{share}{left}{open_}."


def budget_words(one: Polled, goal: str) -> str:
    """The error budget in a sentence."""
    goal = short(goal)
    if one.budget_left is None:
        return f"Error budget of the goal {goal} %: there is no poll to tell it by."
    if one.budget_left.startswith("-"):
        return f"Error budget of the goal {goal} %: used up, and overdrawn by {one.budget_left[1:]} % of it."
    return f"Error budget of the goal {goal} %: {one.budget_left} % of it is left."


def short(percent: str) -> str:
    """Percent without the zeros at its end."""
    return percent.rstrip("0").rstrip(".")


def _labels(weeks: Sequence[Week], lines: Lines) -> list[str]:
    """The label, and when it became another one."""
    told: list[str] = []
    before: tuple[str | None, str | None] = (None, None)
    for week in weeks:
        now = (week.label, week.model)
        if week.label is not None and now != before:
            told += lines.row("  ", f"from the week of {week.polled.first}: {week.label}, by {week.model}")
            before = now
    return ["Label:", *told] if told else []


def _levels(told: Trend, charts: _Charts, lines: Lines) -> list[str]:
    """The levels that were sure, with what they are and for how long."""
    criteria = sorted({name for week in told.weeks for name in week.levels})
    held = {one.criterion: one for one in told.held}
    rows: list[str] = []
    never = 0
    for name in criteria:
        values = [_sure(week.levels[name]) if name in week.levels else None for week in told.weeks]
        if not any(values):
            # A level that was never sure is no line in a chart.
            never += name in held
            continue
        now = next((week.levels[name] for week in reversed(told.weeks) if name in week.levels), "")
        if name in held:
            low, _, high = now.partition("..")
            text = f"L{low}" + (f", perhaps up to L{high}" if high != low else "")
            text += f"; at L{low} or above for {_days(held[name].days)}"
        else:
            text = "does not apply"
        rows += charts.lined(name, values, text, breaks=charts.breaks, low=0, high=4)
    if never:
        have = "criterion has" if never == 1 else "criteria have"
        rows += lines.text(f"{never} {'more ' if rows else ''}{have} no level that was ever sure.")
    return [f"Levels that are sure, from L0 to L4 ({told.plan}):", *rows] if rows else []


def _sure(value: str) -> int | None:
    low = value.partition("..")[0]
    return int(low) if low.isdecimal() else None


def _breaks(told: Trend, ink: Ink, lines: Lines) -> list[str]:
    rows: list[str] = []
    for at, version in told.breaks:
        rows += lines.text(
            f"{ink.broken} At {_minute(at)} UTC the rule book {version} begins, a new major version: label and levels "
            "before it are by other rules, and are not to be compared with those after it."
        )
    return rows


def duration(begins: str, ends: str) -> str:
    """How long something lasted: `2 days 3 hours`, `17 minutes`."""
    lasted = datetime.fromisoformat(ends) - datetime.fromisoformat(begins)
    return lasting(max(0, int(lasted.total_seconds())))


def lasting(seconds: int) -> str:
    """So many seconds, in the two largest units that they fill."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes = rest // 60
    parts = [(days, "day"), (hours, "hour"), (minutes, "minute")]
    named = [words.number(count, unit) for count, unit in parts if count][:2]
    return " ".join(named) or "less than a minute"


def _days(count: int) -> str:
    if count < 0:
        return f"{words.number(-count, 'day')} ago"
    return words.number(count, "day")


def _minute(instant: str) -> str:
    return f"{instant[:10]} {instant[11:16]}"


def day_words(day: str) -> str:
    """A day as people write it: 3 January 2026."""
    found = date.fromisoformat(day)
    return f"{found.day} {found:%B} {found.year}"
