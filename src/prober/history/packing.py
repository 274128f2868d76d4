"""A poll as the history keeps it: what its look does not say already, in few bytes, since there are very many."""

import json

from prober.nouns.base import canonical
from prober.nouns.look import Look
from prober.nouns.polls import SAMPLE_KINDS, Poll, Sample, SampleKind, Window


def packed(poll: Poll) -> str:
    """What of a poll is not in its look: its samples by kind, its windows, its place, and when it first asked."""
    samples: dict[str, list[list[int]]] = {}
    for one in poll.samples:
        samples.setdefault(one.kind, []).append([one.hour, one.microseconds])
    value: dict[str, object] = {"v": poll.vantage}
    if samples:
        value["s"] = samples
    if poll.windows:
        value["w"] = [[one.begins, one.ends, one.in_time] for one in poll.windows]
    if poll.windows and poll.at != poll.time:
        value["t"] = poll.at
    return canonical(value)


def unpacked(look: Look) -> Poll:
    """The poll that a look was. ValueError where it was none."""
    if look.polls is None:
        raise ValueError(f"The look {look.run} was no poll.")
    value = json.loads(look.polls)
    kinds: dict[str, SampleKind] = {kind: kind for kind in SAMPLE_KINDS}
    return Poll(
        run=look.run,
        subject=look.base,
        environment=look.environment,
        time=look.began,
        at=value.get("t", look.began),
        state=look.up,
        reason=look.reason,
        why="As the history remembers it.",
        windows=tuple(Window(begins=a, ends=b, in_time=c) for a, b, c in value.get("w", ())),
        samples=tuple(
            Sample(kind=kinds[kind], hour=hour, microseconds=microseconds)
            for kind, pairs in value.get("s", {}).items()
            for hour, microseconds in pairs
        ),
        vantage=value["v"],
    )
