"""history.jsonl: what earlier runs saw, a line for each run and probe that a score relies on."""

from typing import Literal

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.finding import Outcome, Reason
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
