"""Version numbers of models: which step a change asks for, and which step a new number takes."""

from enum import IntEnum
from pathlib import Path

from pydantic import Field, model_validator

from prober.handwriting import load_yaml
from prober.library import all_shipped_models, load_model
from prober.mistake import Mistake
from prober.nouns.base import Noun
from prober.rulebooks.substance import digest


class Step(IntEnum):
    """How far a version number must go on: the last, the middle or the first of its numbers grows, or none."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


def numbers(version: str) -> tuple[int, int, int]:
    """The three numbers of a version."""
    first, middle, last = version.split(".")
    return int(first), int(middle), int(last)


def step_between(old: str, new: str) -> Step | None:
    """The step that was taken; None if the new version is the older one. A first number of 0 is no excuse."""
    before, after = numbers(old), numbers(new)
    if after < before:
        return None
    same = next((place for place in range(3) if before[place] != after[place]), 3)
    return Step(3 - same)


def at_least(version: str, step: Step) -> str:
    """The least version that takes this step."""
    first, middle, last = numbers(version)
    after = {
        Step.NONE: (first, middle, last),
        Step.PATCH: (first, middle, last + 1),
        Step.MINOR: (first, middle + 1, 0),
        Step.MAJOR: (first + 1, 0, 0),
    }[step]
    return ".".join(str(number) for number in after)


class Released(Noun):
    """One version of one model, and the digest of its rules without their wording."""

    id: str
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")
    rules: str = Field(pattern="^[0-9a-f]{64}$")


class Register(Noun):
    """rulebook-versions.yaml: every version of every shipped model. A version, once written, names one set of rules."""

    versions: tuple[Released, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> "Register":
        names = [(one.id, one.version) for one in self.versions]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"The version {name[1]} of {name[0]} stands twice; remove one of the lines.")
        return self


HEAD = """\
# Every version of every model that ships, with the SHA-256 of its rules without their wording.
# A version, once written here, names one set of rules: a model whose rules change takes a new version, by the step
# that `prober model diff OLD NEW` names. Add its line with `prober model list --digests docs/rulebook-versions.yaml`.
versions:
"""


def read_register(path: Path) -> Register:
    """The file of versions; empty where there is none. Raises Mistake."""
    return load_yaml(path, Register) if path.exists() else Register()


def shipped() -> tuple[Released, ...]:
    """The models that ship, as they are now."""
    models = [load_model(path) for path in all_shipped_models()]
    return tuple(Released(id=one.id, version=one.version, rules=digest(one)) for one in models)


def broken(register: Register, now: tuple[Released, ...]) -> tuple[str, ...]:
    """A sentence for each model whose rules changed while its version stayed."""
    held = {(one.id, one.version): one.rules for one in register.versions}
    return tuple(
        f"The rules of {one.id} changed since its version {one.version} was written down; raise its version by the "
        "step that `prober model diff OLD NEW` names, then add the line with `prober model list --digests FILE`."
        for one in now
        if held.get((one.id, one.version), one.rules) != one.rules
    )


def missing(register: Register, now: tuple[Released, ...]) -> tuple[str, ...]:
    """A sentence for each model whose version is not written down."""
    held = {(one.id, one.version) for one in register.versions}
    return tuple(
        f"The version {one.version} of {one.id} is not written down; "
        "add its line with `prober model list --digests FILE`."
        for one in now
        if (one.id, one.version) not in held
    )


def with_new(register: Register, now: tuple[Released, ...]) -> str:
    """The text of the file with a line for each new version. Raises Mistake if the rules of an old one changed."""
    if found := broken(register, now):
        raise Mistake(found[0])
    every = {(one.id, numbers(one.version)): one for one in (*register.versions, *now)}
    lines = (
        f"  - id: {one.id}\n    version: {one.version}\n    rules: {one.rules}\n" for _, one in sorted(every.items())
    )
    return HEAD + "".join(lines)
