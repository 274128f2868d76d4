"""Polls and days of polls as the history keeps them: what is not said beside them, in few bytes, as there are many."""

import json

from prober.nouns.base import canonical
from prober.nouns.look import Look
from prober.nouns.polls import HOURS, SAMPLE_KINDS, Poll, PollDay, Sample, SampleKind, Window


def packed(poll: Poll) -> str:
    """What of a poll is not in its look: its samples by kind, its windows, its place, and when it first asked."""
    samples: dict[str, list[tuple[int, list[int]]]] = {}
    for one in poll.samples:
        runs = samples.setdefault(one.kind, [])
        if not runs or runs[-1][0] != one.hour:
            runs.append((one.hour, []))
        runs[-1][1].append(one.microseconds)
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
            for kind, runs in value.get("s", {}).items()
            for hour, listed in runs
            for microseconds in listed
        ),
        vantage=value["v"],
    )


_COUNTS = ("runs", "up", "down", "undecided", "planned_up", "planned_down", "planned_seconds", "late_seconds")


def packed_day(one: PollDay) -> str:
    """What of a day is not in the columns of its row."""
    value: dict[str, object] = {"n": [getattr(one, name) for name in _COUNTS]}
    if one.undecided_because:
        value["u"] = one.undecided_because
    if one.samples:
        value["s"] = {kind: list(samples) for kind, samples in one.samples.items()}
        value["h"] = {
            kind: [[hour, count] for hour, count in enumerate(counts) if count] for kind, counts in one.hours.items()
        }
    return canonical(value)


def unpacked_day(line: str, *, day: str, base: str, environment: str, root: str, vantage: tuple[str, ...]) -> PollDay:
    """The day of such a row. It was checked when it was made, and there are hundreds of them in a trend."""
    value = json.loads(line)
    hours: dict[str, tuple[int, ...]] = {}
    for kind, pairs in value.get("h", {}).items():
        counts = [0] * HOURS
        for hour, count in pairs:
            counts[hour] = count
        hours[kind] = tuple(counts)
    return PollDay.trusted(
        schema_="prober/polls/1",
        subject=base,
        environment=environment,
        day=day,
        root=root,
        undecided_because=value.get("u", {}),
        samples={kind: tuple(samples) for kind, samples in value.get("s", {}).items()},
        hours=hours,
        vantage=vantage,
        **dict(zip(_COUNTS, value["n"], strict=True)),
    )
