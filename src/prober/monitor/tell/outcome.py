"""What became of an attempt to tell somebody, and how long such an attempt may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """The other side took the message."""


@dataclass(frozen=True)
class NotSent:
    """The other side did not take it, or it is not known whether it did.

    `reason` is one sentence without anything secret. `again` says whether the same attempt could go well later,
    `after_seconds` how long the other side asked to be left alone.
    """

    reason: str
    again: bool
    after_seconds: int | None = None


@dataclass(frozen=True)
class Limits:
    """What one attempt may take at most, whatever the other side does."""

    deadline_seconds: float = 15.0
    """For all of it: name, connection, handshake, answer."""
    answer_bytes: int = 65_536
    """How much of an answer is read."""
    wait_seconds: int = 3_600
    """The longest wait that a Retry-After is granted."""


LIMITS = Limits()
