"""What people read from the history of the monitor: how targets stand, what happened, and how it went over time.

Shares are texts of percent with four places, rounded down, so that no float is written.
"""

from typing import Annotated, Literal

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.facts import Change
from prober.nouns.finding import Reason
from prober.nouns.incident import Incident
from prober.nouns.look import Look, Up
from prober.nouns.polls import Count, Day, Instant, SampleKind

Percent = Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]{4}$")]


class TargetLine(Noun):
    """How one target stands. What is not known is None."""

    target: str
    base: str
    configured: bool = Field(description="Whether the configuration still names it.")
    last: Instant | None = Field(default=None, description="The instant at which the last look ended.")
    plan: str | None = Field(default=None, description="The kind of that look.")
    up: Up | None = None
    reason: Reason | None = None
    planned: bool = Field(default=False, description="The last look fell into a planned maintenance.")
    incidents: Count = Field(default=0, description="Open incidents.")
    certificate_ends: Instant | None = None
    certificate_days: int | None = Field(default=None, description="Whole days left; below 0 once it has ended.")
    label: str | None = Field(default=None, description="As it is printed, with its place where that is known.")
    model: str | None = Field(default=None, description="Id and version of the rule book, as id@1.2.3.")
    first: Instant | None = Field(default=None, description="The instant at which the first look began.")
    changed: Instant | None = Field(default=None, description="When the look began that saw the last change.")


class SeenChange(Noun):
    """A change, with the look that saw it. A folder is None once it was removed, or where the run is not known."""

    target: str
    plan: str
    slot: str
    before_folder: str | None
    after_folder: str | None
    change: Change


class Gap(Noun):
    """Looks of one kind that nobody made, one after another.

    `monitor_ran` is False where the monitor itself did not run, True where it did and the look could not be made, and
    None where that is not remembered. Neither says anything about the target.
    """

    plan: str
    first: str = Field(description="The first slot without a look.")
    last: str
    looks: Annotated[int, Field(ge=1)]
    monitor_ran: bool | None


class PlannedTime(Noun):
    """A planned maintenance that a look fell into, or that the configuration still names."""

    begins: Instant
    ends: Instant
    in_time: bool = Field(description="Announced on a public page at least 48 hours before it began.")


class KeptBundle(Noun):
    """A bundle that was handed over, as it was noted."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the file.")
    name: str
    subjects: tuple[str, ...]
    runs: tuple[str, ...]
    first: Instant
    last: Instant
    signer: str = Field(pattern="^[0-9a-f]{64}$")


class Hindsight(Noun):
    """What `prober history --json` prints."""

    schema_: Literal["prober/hindsight/1"] = Field(default="prober/hindsight/1", alias="schema")
    as_of: Instant
    since: Instant | None = Field(default=None, description="What is older was left out.")
    last: int | None = Field(default=None, description="Of each list no more than the last so many are here.")
    night: str | None = Field(default=None, description="The slot that the changes are of.")
    targets: tuple[TargetLine, ...]
    incidents: tuple[Incident, ...] = ()
    changes: tuple[SeenChange, ...] = ()
    looks: tuple[Look, ...] = ()
    gaps: tuple[Gap, ...] = ()
    maintenance: tuple[PlannedTime, ...] = ()
    bundles: tuple[KeptBundle, ...] = ()


class Latency(Noun):
    """Times to the first byte of one kind of request, in microseconds, by nearest rank."""

    kind: SampleKind
    p50: Count
    p95: Count
    samples: Annotated[int, Field(ge=1)]


class Polled(Noun):
    """What the polls of some days come to. Polls in maintenance that was announced in time are left out."""

    first: Day
    last: Day
    days_with_polls: Count
    polls: Count = Field(description="Decided polls that count: up and down.")
    up: Count
    down: Count
    undecided: Count
    undecided_because: dict[Reason, Count] = Field(default_factory=dict)
    left_out: Count = Field(description="Decided polls in maintenance that was announced in time.")
    share: Percent | None = Field(default=None, description="Up of the polls that count; None where there are none.")
    low: Percent | None = Field(default=None, description="Lower bound of the Wilson interval, 95 percent.")
    planned_minutes: Count = Field(default=0, description="Maintenance announced in time.")
    late_minutes: Count = Field(default=0, description="Other planned maintenance; its polls count.")
    budget_left: Percent | None = Field(
        default=None, description="Of the failures that the goal allows; below 0 where more failed."
    )
    latency: tuple[Latency, ...] = ()


class Seen(Noun):
    """The findings of the last whole look of a week, by outcome."""

    present: Count
    absent: Count
    unknown: Count


class Week(Noun):
    """A week that begins on a Monday, in UTC. A week without polls is a gap of the monitor and no failure."""

    polled: Polled
    findings: Seen | None = None
    label: str | None = None
    model: str | None = None
    levels: dict[str, str] = Field(
        default_factory=dict, description="By criterion: the level that is sure, and how far it could go, as 2..3."
    )
    certificate_days: int | None = Field(default=None, description="Days left at the last look of the week.")
    begins_book: str | None = Field(
        default=None, description="A new major version of the rule book begins: no trend runs on over it."
    )


class Held(Noun):
    """For how many days, to the last look, a criterion has surely been at its level or above, within one rule book."""

    criterion: str
    level: Annotated[int, Field(ge=0)]
    days: Count


class Trend(Noun):
    """What `prober trend --json` prints."""

    schema_: Literal["prober/trend/1"] = Field(default="prober/trend/1", alias="schema")
    target: str
    base: str
    as_of: Instant
    plan: str | None = Field(description="The kind of look that findings, label and levels are of.")
    goal: Percent | None = None
    whole: Polled
    weeks: tuple[Week, ...]
    held: tuple[Held, ...] = ()
    breaks: tuple[tuple[Instant, str], ...] = Field(
        default=(), description="When a new major version of the rule book began, and which."
    )


class SlaIncident(Noun):
    """An incident that was open at some time of the period. Seconds are those to its end, or to that of the period."""

    title: str
    kind: str
    begins: Instant
    ends: Instant | None
    seconds: Count
    waived_by: str | None = None


class SlaReport(Noun):
    """How a target was in a period of UTC days, month by month."""

    target: str
    base: str
    environments: tuple[str, ...]
    vantage: tuple[str, ...]
    control: str | None
    goal: Percent | None
    whole: Polled
    months: tuple[Polled, ...]
    days: tuple[Polled, ...]
    incidents: tuple[SlaIncident, ...]
    private: Count = Field(description="Incidents that are told to the contact of the authorization alone.")
    maintenance: tuple[PlannedTime, ...]
