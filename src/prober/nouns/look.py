"""One look of the monitor at one target, as the history keeps it."""

from typing import Literal

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.finding import Reason
from prober.nouns.run import Depth, Ending, Environment

Up = Literal["up", "down", "undecided"]


class Look(Noun):
    """What is kept of a look for ever, whatever becomes of its run folder.

    `plan` is the name of the kind of look, `slot` the time that it was due (a night, a week, or minutes), `part` 0 for
    the look itself and 1 for the second look at what got worse. `number` is its place in the history, 0 before it is
    recorded: what came before is told by the order in which looks were recorded, since clocks step back.
    """

    number: int = 0
    target: str
    base: str
    plan: str
    slot: str
    part: int = 0
    run: str
    began: str
    ended: str
    environment: Environment
    depth: Depth
    ending: Ending
    digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of what was collected.")
    evidence: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 that lines of history.jsonl name this run by.")
    requests: int = 0
    up: Up = "undecided"
    reason: Reason | None = Field(default=None, description="Why it is undecided, or what kind of down it was.")
    planned: bool = Field(default=False, description="It fell into a planned maintenance.")
    polls: str | None = Field(default=None, description="The line that this look adds to a day of polls, as JSON.")
    probes: tuple[str, ...] | None = Field(default=None, description="The only probes that it ran; None: all.")
    seen: tuple[str, ...] = Field(default=(), description="The areas of facts that it could look at.")
    certificate: str | None = Field(
        default=None, description="How long the certificate lasts, at the thresholds of the configuration then."
    )
    certificate_ends: str | None = Field(default=None, description="The UTC instant at which the certificate ends.")
    label: str | None = None
    model: str | None = Field(default=None, description="Id and version of the rule book, as id@1.2.3.")
    folder: str | None = Field(default=None, description="Run folder below the state folder; None once it is gone.")
