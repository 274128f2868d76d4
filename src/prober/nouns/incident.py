"""What the monitor tells people: incidents that open and close, and the messages about them."""

from typing import Literal

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.facts import Change, Judgement

IncidentKind = Literal["change", "outage", "certificate", "blind", "flapping", "gate"]
KeyCourse = Literal["steady", "suspect", "open", "clearing", "flapping"]


class Reading(Noun):
    """What one look read under one key. A key that could not be read has no reading: unknown is neither yes nor no.

    Keys are those of facts, and a few that the monitor makes itself: `availability` (up, down), `certificate_life`
    (enough, short, expired), `sight` (clear, or the reason for which findings stayed unknown).
    """

    key: str
    value: str | None = Field(description="None where it was looked for and is not there.")


class KeyState(Noun):
    """How one key of one target stands. `baseline` is the value that was last taken for good."""

    key: str
    baseline: str | None
    course: KeyCourse = "steady"
    value: str | None = None
    bad: int = Field(default=0, description="Looks in a row that were worse than the baseline.")
    good: int = Field(default=0, description="Looks in a row since that were not.")
    turns: tuple[str, ...] = Field(default=(), description="Instants of the last turns between good and bad.")
    incident: str | None = None
    since: str | None = Field(default=None, description="The instant of the first bad look of this course.")
    change: Change | None = Field(default=None, description="What the first bad look saw, until the course is over.")


class Incident(Noun):
    """Something that went wrong with a target and was seen twice. Keys that went wrong in one look are one incident."""

    schema_: Literal["prober/incident/1"] = Field(default="prober/incident/1", alias="schema")
    id: str
    target: str
    title: str
    keys: tuple[str, ...]
    kind: IncidentKind
    judgement: Judgement = "regression"
    private: bool = False
    began: str = Field(description="The instant at which it was first seen.")
    opened: str = Field(description="The instant at which it was confirmed.")
    closed: str | None = None
    closed_because: Literal["recovered", "accepted", "removed"] | None = None
    waived_by: str | None = Field(default=None, description="Owner and last day of the waiver that silences it.")
    changes: tuple[Change, ...] = ()


class Message(Noun):
    """What is told, to whom, once. The same `id` always means the same message, so that a repeat can be dropped."""

    schema_: Literal["prober/message/1"] = Field(default="prober/message/1", alias="schema")
    id: str
    kind: Literal["opened", "closed", "digest", "gate", "monitor"]
    target: str | None = None
    private: bool = False
    time: str
    title: str
    lines: tuple[str, ...]
    incidents: tuple[Incident, ...] = ()


class Post(Message):
    """A message as a webhook gets it: with its words, which also chat systems show that read nothing but `text`."""

    text: str = Field(description="Subject and body in plain sentences, with the disclaimer where it is needed.")
