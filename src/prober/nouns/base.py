"""What all nouns have in common: frozen, closed, and written to disk in one canonical form."""

import hashlib
import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

JSON = Any
"""A parsed JSON value. mypy cannot say more about what a stranger's server sends."""


class Noun(BaseModel):
    """Frozen data with no room for members that nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @classmethod
    def trusted(cls, **members: Any) -> Self:
        """A noun of members that our own code made, all of them given by their names here: nothing is checked.

        For the hundreds of lines of a score, where checking what was worked out a moment ago is most of the work.
        """
        one = cls.__new__(cls)
        object.__setattr__(one, "__dict__", members)
        object.__setattr__(one, "__pydantic_fields_set__", set(members))
        object.__setattr__(one, "__pydantic_extra__", None)
        object.__setattr__(one, "__pydantic_private__", None)
        return one

    def line(self) -> str:
        """The canonical JSON text of this noun, on one line."""
        return canonical(self.model_dump(mode="json", by_alias=True))

    def fingerprint(self) -> str:
        """SHA-256, as 64 hex digits, of the canonical text: what counts is the content, not how a file lays it out."""
        return hashlib.sha256(self.line().encode()).hexdigest()


def canonical(value: JSON) -> str:
    """Canonical JSON: sorted keys, no blanks, UTF-8, no floats (ValueError), so that equal data are equal bytes."""
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _refuse_floats(value: JSON) -> None:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float):
            raise ValueError(f"A float cannot be written canonically: {one!r}.")
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
