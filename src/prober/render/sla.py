"""sla.html: how a target was in a period, for people who were promised something. The same history, the same bytes."""

from markupsafe import Markup

from prober.nouns.hindsight import Latency, Polled, SlaReport
from prober.nouns.polls import SAMPLE_KINDS, SampleKind
from prober.render import charts, words
from prober.render.disclaimer import DISCLAIMER
from prober.render.hindsight import KINDS, budget_words, day_words, in_words, lasting, short
from prober.render.html import Part, assembled, filled, needs_disclaimer, rendered, trusted

SHORT = Part("short", "In short", "In short", "sla_short.html")
MONTHS = Part("months", "Availability", "Availability, month by month", "sla_months.html")
LATENCY = Part("latency", "Latency", "Time to the first byte", "sla_latency.html")
INCIDENTS = Part("incidents", "Incidents", "Incidents and planned maintenance", "sla_incidents.html")
METHOD = Part("method", "Method", "How this was measured", "sla_method.html")
PARTS = (SHORT, MONTHS, LATENCY, INCIDENTS, METHOD)
FOOTER = (
    "These are counts of what prober asked and saw from one place. Whatever could not be decided counts neither for "
    "nor against the server. Made by prober out of the history of its monitor; the same history always gives the same "
    "report. sla.csv beside this page holds its figures."
)
DAY_STYLES = (
    ("shown", "every poll found it up"),
    ("refuted", "at least one poll found it down"),
    ("untested", "no poll could be decided"),
    ("attested", "polls in maintenance that was announced in time, and no others"),
    ("none", "nobody looked"),
)


class SlaView:
    """The words of the page."""

    def __init__(self, told: SlaReport) -> None:
        self.told = told
        self.whole = told.whole
        self.goal = short(told.goal) if told.goal is not None else None
        self.budget = budget_words(told.whole, told.goal) if told.goal is not None else None
        self.counted = _sentence(in_words(told.whole))
        self.period = f"{day_words(told.whole.first)} to {day_words(told.whole.last)}"
        self.without = sum(not _looked(one) for one in told.days)
        self.kinds = tuple(kind for kind in SAMPLE_KINDS if any(one.kind == kind for one in told.whole.latency))
        self.day_styles = DAY_STYLES
        self.waived = any(one.waived_by for one in told.incidents)

    def bar(self, one: Polled) -> Markup:
        """The polls of a month as a bar."""
        parts = [("shown", one.up), ("refuted", one.down), ("untested", one.undecided), ("attested", one.left_out)]
        title = f"{one.first[:7]}: {one.up} up, {one.down} down, {one.undecided} undecided, {one.left_out} left out"
        return trusted(charts.stacked(parts, title)) if sum(count for _, count in parts) else trusted("")

    def days(self, month: Polled) -> Markup:
        """A square for every day of a month."""
        inside = [one for one in self.told.days if month.first <= one.first <= month.last]
        worst = sum(_style(one) == "refuted" for one in inside)
        title = f"{month.first[:7]}: {words.number(worst, 'day')} of {len(inside)} with a poll that found it down"
        offset = int(month.first[8:]) - 1
        return trusted(charts.squares([(_style(one), _day(one)) for one in inside], title, offset))

    def latency_of(self, one: Polled, kind: SampleKind) -> Latency | None:
        return next((each for each in one.latency if each.kind == kind), None)

    def range_bar(self, one: Polled, kind: SampleKind) -> Markup:
        """p50 and p95 on one scale for all months of the kind."""
        found = self.latency_of(one, kind)
        every = [each for month in (*self.told.months, self.whole) if (each := self.latency_of(month, kind))]
        most = max((each.p95 for each in every), default=0)
        if found is None or not most:
            return trusted("")
        title = f"{one.first[:7]}: p50 {words.milliseconds(found.p50)}, p95 {words.milliseconds(found.p95)}"
        parts = [("shown", found.p50), ("maybe", found.p95 - found.p50), ("none", most - found.p95)]
        return trusted(charts.stacked(parts, title))

    def kind(self, kind: SampleKind) -> str:
        """What was asked for, as the head of a table."""
        return _sentence(KINDS[kind])

    def lasting(self, seconds: int) -> str:
        return lasting(seconds)

    def because(self, one: Polled) -> str:
        """Why polls were undecided."""
        return "; ".join(f"{count}: {words.MEANING[reason]}" for reason, count in one.undecided_because.items())

    def minute(self, instant: str) -> str:
        return f"{instant[:10]} {instant[11:16]}"

    def milliseconds(self, microseconds: int) -> str:
        return words.milliseconds(microseconds)


def page(told: SlaReport) -> str:
    """The page. Its links lead to its own anchors and nowhere else."""
    view = SlaView(told)
    sections = [filled(part, view=view) for part in PARTS]
    head = rendered("sla_head.html", view=view, disclaimer="")
    if needs_disclaimer(head):
        head = rendered("sla_head.html", view=view, disclaimer=DISCLAIMER)
    return assembled("Availability report", "report", head, sections, FOOTER, ("sla.css",))


def _looked(one: Polled) -> bool:
    return bool(one.polls or one.undecided or one.left_out)


def _style(one: Polled) -> str:
    if one.down:
        return "refuted"
    if one.up:
        return "shown"
    if one.left_out:
        return "attested"
    return "untested" if one.undecided else "none"


def _day(one: Polled) -> str:
    if not _looked(one):
        return f"{one.first}: nobody looked"
    return f"{one.first}: {one.up} up, {one.down} down, {one.undecided} undecided, {one.left_out} left out"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
