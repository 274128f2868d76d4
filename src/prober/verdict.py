"""The words of the people who write probes: @probe, present(), absent(), not_applicable(), unknown()."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from prober.nouns.base import JSON
from prober.nouns.evidence import Seen, Trouble
from prober.nouns.finding import Citation, Reason, Verdict
from prober.session.observation import Observation

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


@dataclass(frozen=True)
class Either(Generic[A]):
    """An input that the probe wants to see even when it is trouble."""

    observation: Observation[A]


def either(observation: Observation[A]) -> Either[A]:
    """Ask for `Seen | Trouble` instead of ending as `unknown` when this observation is in trouble."""
    return Either(observation)


@dataclass(frozen=True)
class Probe:
    """One pure function over named observations. The id is the folder's name, so it is not here."""

    inputs: tuple[Observation[Any] | Either[Any], ...]
    judge: Callable[..., Verdict]

    @property
    def observations(self) -> tuple[Observation[Any], ...]:
        """The observations that this probe reads directly, in the order of its parameters."""
        return tuple(one.observation if isinstance(one, Either) else one for one in self.inputs)

    def inputs_closure(self) -> tuple[Observation[Any], ...]:
        """Every observation that this probe rests on, each once, what is asked first coming first."""
        found = {below.name: below for one in self.observations for below in one.closure()}
        return tuple(found.values())


@overload
def probe(first: Observation[A], /) -> Callable[[Callable[[Seen[A]], Verdict]], Probe]: ...
@overload
def probe(first: Either[A], /) -> Callable[[Callable[[Seen[A] | Trouble], Verdict]], Probe]: ...
@overload
def probe(
    first: Observation[A], second: Observation[B], /
) -> Callable[[Callable[[Seen[A], Seen[B]], Verdict]], Probe]: ...
@overload
def probe(
    first: Observation[A], second: Either[B], /
) -> Callable[[Callable[[Seen[A], Seen[B] | Trouble], Verdict]], Probe]: ...
@overload
def probe(
    first: Either[A], second: Either[B], /
) -> Callable[[Callable[[Seen[A] | Trouble, Seen[B] | Trouble], Verdict]], Probe]: ...
@overload
def probe(
    first: Observation[A], second: Observation[B], third: Observation[C], /
) -> Callable[[Callable[[Seen[A], Seen[B], Seen[C]], Verdict]], Probe]: ...
@overload
def probe(
    first: Observation[A], second: Either[B], third: Either[C], /
) -> Callable[[Callable[[Seen[A], Seen[B] | Trouble, Seen[C] | Trouble], Verdict]], Probe]: ...
@overload
def probe(
    first: Either[A], second: Either[B], third: Either[C], /
) -> Callable[[Callable[[Seen[A] | Trouble, Seen[B] | Trouble, Seen[C] | Trouble], Verdict]], Probe]: ...
@overload
def probe(
    first: Either[A], second: Either[B], third: Either[C], /
) -> Callable[[Callable[[Seen[A] | Trouble, Seen[B] | Trouble, Seen[C] | Trouble], Verdict]], Probe]: ...
@overload
def probe(
    first: Either[A], second: Either[B], third: Either[C], fourth: Either[D], /
) -> Callable[
    [Callable[[Seen[A] | Trouble, Seen[B] | Trouble, Seen[C] | Trouble, Seen[D] | Trouble], Verdict]], Probe
]: ...
def probe(*inputs: Observation[Any] | Either[Any]) -> Callable[[Callable[..., Verdict]], Probe]:
    """Make a probe of a pure function whose parameters are what these observations saw, in this order."""

    def wrap(judge: Callable[..., Verdict]) -> Probe:
        return Probe(inputs, judge)

    return wrap


def present(message: str, *citations: Citation, values: Mapping[str, JSON] | None = None) -> Verdict:
    """The capability was shown."""
    return Verdict(outcome="present", message=message, citations=citations, values=dict(values or {}))


def absent(message: str, *citations: Citation, values: Mapping[str, JSON] | None = None) -> Verdict:
    """It was looked for correctly, and it is not there (or a MUST is broken)."""
    return Verdict(outcome="absent", message=message, citations=citations, values=dict(values or {}))


def not_applicable(message: str, *citations: Citation, values: Mapping[str, JSON] | None = None) -> Verdict:
    """The precondition was not declared."""
    return Verdict(outcome="not_applicable", message=message, citations=citations, values=dict(values or {}))


def unknown(reason: Reason, message: str, *citations: Citation, values: Mapping[str, JSON] | None = None) -> Verdict:
    """It could not be told, and why."""
    return Verdict(outcome="unknown", reason=reason, message=message, citations=citations, values=dict(values or {}))
