"""history.jsonl: what earlier runs saw, a line for each run and probe, and one for each day of polls."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.finding import Outcome, Reason
from prober.nouns.polls import PollDay
from prober.nouns.run import Environment


class HistoryLine(Noun):
    """What one probe found in one earlier run.

    `time` is the UTC instant at which that run began its look, `digest` the SHA-256 over the run's evidence.
    """

    schema_: Literal["prober/history/1"] = Field(default="prober/history/1", alias="schema")
    run: str
    subject: str
    environment: Environment
    time: str
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    probe: str
    outcome: Outcome
    reason: Reason | None = None


Remembered: TypeAlias = HistoryLine | PollDay
"""A line of history.jsonl; which of the two it is tells its `schema`."""


def kind_of_line(text: str) -> type[HistoryLine] | type[PollDay]:
    """Which noun this line is, if it is one. No text in it can look like the member that tells: quotes are escaped."""
    return PollDay if '"schema":"prober/polls/1"' in text else HistoryLine


def in_order(lines: Iterable[Remembered]) -> tuple[Remembered, ...]:
    """The lines in the order of the file: those of runs in the order of time, then those of days of polls."""
    held = tuple(lines)
    runs = [one for one in held if isinstance(one, HistoryLine)]
    days = [one for one in held if isinstance(one, PollDay)]
    return (
        *sorted(runs, key=lambda one: (one.time, one.run, one.probe)),
        *sorted(days, key=lambda one: (one.subject, one.environment, one.day)),
    )


def apart(lines: Iterable[Remembered]) -> tuple[tuple[HistoryLine, ...], tuple[PollDay, ...]]:
    """The lines of runs and those of days of polls."""
    held = tuple(lines)
    runs = tuple(one for one in held if isinstance(one, HistoryLine))
    return runs, tuple(one for one in held if isinstance(one, PollDay))
