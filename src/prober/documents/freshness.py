"""How old evidence may be: whole days and calendar months, counted from the day that the evidence is about."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

from prober.nouns.attestation import Attestation, DocumentKind
from prober.nouns.model import FreshnessRow
from prober.nouns.scorecard import Freshness

ROW: dict[DocumentKind, str] = {
    "policy": "D",
    "record": "M",
    "volume": "V",
    "metrics": "Y",
    "letter": "R",
    "assessment": "S",
    "certificate": "Z",
    "listing": "L",
    "result": "T",
    "page": "P",
}
"""The row of the rule book's table by which a document of each kind grows old."""
SEEN = "X"
"""The row of what prober saw itself."""
SERIES = "A"
"""The row of series of polls, from the last day of the series."""


@dataclass(frozen=True)
class Age:
    """Whether evidence counts: `long_stale` is past the second bound, `last_day` the last on which it counts."""

    state: Freshness
    last_day: date
    long_stale: bool = False


def age_of(day: date, row: FreshnessRow, today: date) -> Age:
    """The age on `today` of evidence that is about `day`. A bound of n months ends on the same day of the month."""
    last = bound(day, row.expired, row.unit)
    if today > last:
        return Age("expired", last, long_stale=True)
    if today > bound(day, row.fresh, row.unit):
        return Age("stale", last, long_stale=today > bound(day, row.stale, row.unit))
    return Age("fresh", last)


def age_of_document(one: Attestation, row: FreshnessRow | None, today: date) -> Age:
    """The age of a document by its kind's row. A certificate is fresh through its own last day, though never longer
    than its row lets it count; any other document that names a last day counts no longer than through that."""
    printed = date.fromisoformat(one.valid_until) if one.valid_until is not None else None
    if one.kind == "certificate" or row is None:
        last = printed or day_of(one)
        if row is not None:
            last = min(last, bound(day_of(one), row.expired, row.unit))
        return Age("expired" if today > last else "fresh", last, long_stale=today > last)
    age = age_of(day_of(one), row, today)
    if printed is None or printed >= age.last_day:
        return age
    return Age("expired" if today > printed else age.state, printed, age.long_stale or today > printed)


def day_of(one: Attestation) -> date:
    """The day that a document is about: the end of its period or the day a page was read, but no later than the day
    of issue; a charter does not grow younger by the years that it is to hold."""
    if one.period is not None:
        return date.fromisoformat(min(one.period.end, one.issued))
    if one.shape is not None and one.shape.form == "page":
        return date.fromisoformat(one.shape.confirmed_on)
    return date.fromisoformat(one.issued)


def whole_months(day: date, today: date) -> int:
    """Months begun since that day: 0 on the day itself, 1 from the next day on; 12 through the same day next year."""
    if today <= day:
        return 0
    months = (today.year - day.year) * 12 + today.month - day.month
    return months if today <= bound(day, months, "months") else months + 1


def bound(day: date, count: int, unit: str) -> date:
    """The day `count` days or months later; a month that is too short ends on its last day. date.max at most."""
    try:
        if unit == "days":
            return day + timedelta(days=count)
        year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
        return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    except (OverflowError, ValueError):
        return date.max
