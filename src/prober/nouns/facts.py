"""What a run saw of a target, as facts under keys that mean the same on every night, and how two nights differ."""

from typing import Literal

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.run import Depth, Environment

Judgement = Literal["regression", "improvement", "neutral"]
Kind = Literal["added", "withdrawn", "altered"]


class Fact(Noun):
    """One thing that is so: `finding/patient_read` is `present`, `search_param/Patient/birthdate` is `declared`.

    `exchange` and `pointer` say where it can be seen; both are empty for what follows from several (levels, the label).
    """

    key: str = Field(max_length=400)
    value: str = Field(max_length=4_000)
    exchange: str = ""
    pointer: str = ""


class Facts(Noun):
    """Everything that one run tells about its target, in the order of its keys.

    `seen` names the areas (the part of a key before its first slash) that this run could look at: a fact that is
    missing from an area that was not seen says nothing.
    """

    schema_: Literal["prober/facts/1"] = Field(default="prober/facts/1", alias="schema")
    subject: str
    environment: Environment
    depth: Depth
    run: str
    started: str
    digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of what was collected (collected_digest).")
    seen: tuple[str, ...]
    facts: tuple[Fact, ...]

    def without(self, *areas: str) -> "Facts":
        """The same, as if these areas had not been looked at."""
        seen = tuple(one for one in self.seen if one not in areas)
        facts = tuple(one for one in self.facts if one.key.partition("/")[0] not in areas)
        return self.model_copy(update={"seen": seen, "facts": facts})


class Side(Noun):
    """Where one side of a change can be seen."""

    run: str
    started: str
    value: str | None = Field(description="None where it was not there.")
    exchange: str = ""
    pointer: str = ""


class Change(Noun):
    """One difference between two runs of a target: what it is, whether it is for the worse, and the proof of both."""

    key: str
    kind: Kind
    judgement: Judgement
    what: str = Field(description="One plain sentence.")
    criteria: tuple[str, ...] = Field(default=(), description="Criteria of the rule book that rest on it.")
    before: Side
    after: Side
    returned: str | None = Field(
        default=None, description="The run that last saw the value that is back now; None for a new one."
    )
    private: bool = Field(default=False, description="Told only to whom the authorization names: a gate of safety.")


class Delta(Noun):
    """All differences between two runs of a target. `not_compared`: areas that one of them could not look at."""

    schema_: Literal["prober/diff/1"] = Field(default="prober/diff/1", alias="schema")
    subject: str
    before: str
    after: str
    changes: tuple[Change, ...]
    not_compared: tuple[str, ...] = ()
