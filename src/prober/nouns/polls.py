"""Whether a target was up: what one look said, and the line that history.jsonl keeps of a day of looks."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from prober.nouns.base import Noun
from prober.nouns.finding import Reason
from prober.nouns.run import Environment

State = Literal["up", "down", "undecided"]
SampleKind = Literal["statement", "read", "search", "smart"]
SAMPLE_KINDS: tuple[SampleKind, ...] = ("statement", "read", "search", "smart")
HOURS = 24
MOST_SAMPLES = 288
"""Of one kind and one day no more are kept; how they are chosen says `PollDay.samples`."""

Count = Annotated[int, Field(ge=0)]
Instant = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$")]
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class Window(Noun):
    """Planned maintenance, from `begins` up to but not including `ends`, both UTC instants.

    `in_time` says that it was announced on a public page at least 48 hours before it began.
    """

    begins: Instant
    ends: Instant
    in_time: bool


class Sample(Noun):
    """Microseconds from the end of one request to the first byte of its answer, and the UTC hour of the request."""

    kind: SampleKind
    hour: Annotated[int, Field(ge=0, lt=HOURS)]
    microseconds: Count


class Poll(Noun):
    """What one run says about whether its target was up, in the one form in which it is counted.

    `time` is the UTC instant at which the run began, `at` that of its first request for /metadata (or `time`, where
    it made none). `reason` says why it was down or could not be told.
    """

    schema_: Literal["prober/poll/1"] = Field(default="prober/poll/1", alias="schema")
    run: str
    subject: str
    environment: Environment
    time: Instant
    at: Instant
    state: State
    reason: Reason | None = None
    why: str = Field(description="One plain sentence.")
    windows: tuple[Window, ...] = Field(default=(), description="The maintenance that was planned around this look.")
    samples: tuple[Sample, ...] = ()
    vantage: str = Field(description="From where it was looked.")


class PollDay(Noun):
    """The polls of one base in one environment on one UTC day, by the instants at which their runs began.

    `up` and `down` count the decided polls outside of maintenance that was announced in time, `planned_up` and
    `planned_down` those inside; `undecided` counts all others. `runs` is the sum of the five.
    """

    schema_: Literal["prober/polls/1"] = Field(default="prober/polls/1", alias="schema")
    subject: str
    environment: Environment
    day: Day
    runs: Annotated[int, Field(ge=1)]
    root: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="RFC 6962 root over the evidence digests (SHA-256) of these runs, sorted.",
    )
    up: Count = 0
    down: Count = 0
    undecided: Count = 0
    undecided_because: dict[Reason, Count] = Field(default_factory=dict)
    planned_up: Count = 0
    planned_down: Count = 0
    planned_seconds: Count = Field(
        default=0, description="Seconds of this day in maintenance announced in time, each counted once."
    )
    late_seconds: Count = Field(default=0, description="Seconds in other maintenance; its polls count like any others.")
    samples: dict[SampleKind, tuple[Count, ...]] = Field(
        default_factory=dict,
        description="Times to first byte in microseconds, sorted. Of n > 288 samples those of the ranks "
        "ceil(i n / 288) for i from 1 to 288 are kept, each standing for those between it and the one before it.",
    )
    hours: dict[SampleKind, tuple[Count, ...]] = Field(
        default_factory=dict, description="How many samples began in each of the 24 UTC hours, before any was left out."
    )
    vantage: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _sums(self) -> "PollDay":
        if self.up + self.down + self.undecided + self.planned_up + self.planned_down != self.runs:
            raise ValueError("The polls of a day sum to its runs.")
        if sum(self.undecided_because.values()) != self.undecided:
            raise ValueError("Every undecided poll has one reason.")
        if sorted(self.samples) != sorted(self.hours):
            raise ValueError("Samples and their hours are of the same kinds.")
        for kind, kept in self.samples.items():
            hours = self.hours[kind]
            if len(hours) != HOURS or len(kept) != min(sum(hours), MOST_SAMPLES) or list(kept) != sorted(kept):
                raise ValueError("Samples are sorted, and as many as their hours say.")
        return self
