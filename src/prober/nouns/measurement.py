"""measurements.jsonl: what was measured of the run itself, and what its surroundings were when it began to ask."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from prober.nouns.base import Noun, canonical
from prober.nouns.polls import Instant

_PLAIN = re.compile(r'\{("[a-z_]{1,40}":("[a-z_]{1,40}"|\d{1,18}),?)+\}')


class Control(Noun):
    """Whether a host that is surely there could be reached just before the target was asked."""

    kind: Literal["control"] = "control"
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]{1,253}:[0-9]{1,5}$")]
    answered: bool


class Maintenance(Noun):
    """A window of planned maintenance around this look, with when and on which public page it was announced."""

    kind: Literal["maintenance"] = "maintenance"
    announced: Instant | None = None
    where: Annotated[str, Field(pattern=r"^https?://[!#-\[\]-~]{1,500}$")] | None = None
    begins: Instant
    ends: Instant

    @model_validator(mode="after")
    def _forward(self) -> "Maintenance":
        for one in (self.announced, self.begins, self.ends):
            if one is not None:
                datetime.fromisoformat(one)
        if self.begins >= self.ends:
            raise ValueError("A maintenance window ends after it begins.")
        return self


class Vantage(Noun):
    """What the place is called from which the target is looked at."""

    kind: Literal["vantage"] = "vantage"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


Surrounding = Annotated[Control | Maintenance | Vantage, Field(discriminator="kind")]
_ANY: TypeAdapter[Control | Maintenance | Vantage] = TypeAdapter(Surrounding)
_KINDS = frozenset({"control", "maintenance", "vantage"})


def surroundings_in(lines: Iterable[Mapping[str, object]]) -> tuple[Control | Maintenance | Vantage, ...]:
    """Those lines that tell of the surroundings. ValueError if one that says so does not."""
    return tuple(_ANY.validate_python(dict(line)) for line in lines if line.get("kind") in _KINDS)


def is_measurement(text: str) -> bool:
    """Whether this is one line of the file in its canonical form: plain words and numbers, or a surrounding."""
    try:
        value = json.loads(text)
        if not isinstance(value, dict) or canonical(value) != text:
            return False
        if value.get("kind") in _KINDS:
            return surroundings_in([value])[0].line() == text
    except (ValueError, RecursionError):
        return False
    return _PLAIN.fullmatch(text) is not None
