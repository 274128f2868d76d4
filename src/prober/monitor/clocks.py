"""Whether the clock of the monitor and that of a server tell the same time, by what the server's answers say."""

import email.utils
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from prober.nouns.base import canonical
from prober.nouns.evidence import Exchange

APART = timedelta(days=1)
"""Clocks that differ by more are not of one time: no time zone, no answer from a cache, no slow night explains it."""


AGAIN = timedelta(days=7)
"""As long as clocks differ, that is said again after so long."""


@dataclass(frozen=True)
class ClockNote:
    """That a server's clock was so many seconds ahead of this one (below zero: behind), and when that was told."""

    ahead: int
    told: str = ""
    news: bool = True
    """Whether it was seen since it was told."""

    def is_due(self, now: datetime) -> bool:
        """Whether the next digest says so. By a clock that is set right, what was told in its future is long ago."""
        return self.news and (not self.told or abs(now - datetime.fromisoformat(self.told)) >= AGAIN)


def read_notes(line: str | None) -> dict[str, ClockNote]:
    """The notes by target, as `written` wrote them."""
    return {name: ClockNote(**one) for name, one in json.loads(line or "{}").items()}


def written(notes: Mapping[str, ClockNote]) -> str:
    """The notes as one line."""
    return canonical({name: asdict(one) for name, one in notes.items()})


def noted(notes: Mapping[str, ClockNote], target: str, ahead: timedelta | None) -> dict[str, ClockNote]:
    """The notes after a look at this target. One that was told goes when the clocks agree again."""
    found, was = dict(notes), notes.get(target)
    if ahead is not None and are_apart(ahead):
        found[target] = ClockNote(round(ahead.total_seconds()), was.told if was else "")
    elif ahead is not None and was is not None and was.told:
        del found[target]
    return found


def told(notes: Mapping[str, ClockNote], names: Iterable[str], now: str) -> dict[str, ClockNote]:
    """The notes after those of these targets were told."""
    return dict(notes) | {name: replace(notes[name], told=now, news=False) for name in names}


def clocks_apart(exchanges: Iterable[Exchange], base: str) -> timedelta | None:
    """How far the server's clock is ahead of the monitor's, below zero where it is behind; None where none is told, or
    where it does not matter: a base without TLS has no certificate that a clock could judge.

    What counts is the answer in which they differ least (`Date`, and `Age` for one from a cache: RFC 9110 section
    6.6.1, RFC 9111 section 5.1), so that no single odd answer makes a clock wrong. Only the base's own host is heard.
    """
    own = _origin(base)
    if own is None or own[0] != "https":
        return None
    found = [_ahead(each) for each in exchanges if _origin(each.url) == own]
    return min((one for one in found if one is not None), key=abs, default=None)


def are_apart(ahead: timedelta | None) -> bool:
    """Whether two clocks differ so much that no certificate can be judged by either."""
    return ahead is not None and abs(ahead) > APART


def _origin(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.scheme, parts.netloc.lower()


def _ahead(answer: Exchange) -> timedelta | None:
    said, age = answer.header("date"), (answer.header("age") or "0").strip()
    if answer.status is None or said is None or not answer.started:
        return None
    try:
        there = email.utils.parsedate_to_datetime(said.strip())
        here = datetime.fromisoformat(answer.started) + timedelta(microseconds=answer.timings.total)
        if there.tzinfo is None:
            there = there.replace(tzinfo=UTC)
        older = timedelta(seconds=int(age)) if age.isascii() and age.isdigit() and len(age) < 10 else timedelta()
        return there + older - here
    except (ValueError, TypeError, OverflowError, IndexError):
        # A stranger wrote this: what is no date tells no time.
        return None
