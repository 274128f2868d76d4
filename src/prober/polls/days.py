"""Polls of many runs as lines of days: what history.jsonl keeps of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from prober.merkle import leaf_hash, root
from prober.nouns.polls import HOURS, MOST_SAMPLES, SAMPLE_KINDS, Poll, PollDay, Sample, SampleKind

Span = tuple[datetime, datetime]


def days_of(polls: Iterable[tuple[str, Poll]]) -> tuple[PollDay, ...]:
    """A line for each base, environment and UTC day; every poll comes with the evidence digest of its run.

    The order of the polls decides nothing, and a run that comes twice counts once. ValueError if one run has two
    digests.
    """
    found: dict[tuple[str, str, str], dict[str, tuple[str, Poll]]] = {}
    for digest, poll in polls:
        held = found.setdefault((poll.subject, poll.environment, poll.time[:10]), {})
        if held.setdefault(poll.run, (digest, poll))[0] != digest:
            raise ValueError(f"The run {poll.run} came twice with other evidence.")
    return tuple(_day(list(held.values())) for _, held in sorted(found.items()))


def _day(looked: Sequence[tuple[str, Poll]]) -> PollDay:
    polls = [poll for _, poll in looked]
    day = polls[0].time[:10]
    planned = [poll for poll in polls if poll.state != "undecided" and in_time(poll)]
    plain = [poll for poll in polls if poll.state != "undecided" and not in_time(poll)]
    undecided = Counter(poll.reason or "no_data" for poll in polls if poll.state == "undecided")
    every = {window for poll in polls for window in poll.windows}
    announced = _seconds(((one.begins, one.ends) for one in every if one.in_time), day)
    samples: dict[SampleKind, list[Sample]] = {}
    for one in (sample for poll in polls for sample in poll.samples):
        samples.setdefault(one.kind, []).append(one)
    return PollDay(
        subject=polls[0].subject,
        environment=polls[0].environment,
        day=day,
        runs=len(polls),
        root=root([leaf_hash(bytes.fromhex(digest)) for digest in sorted(digest for digest, _ in looked)]).hex(),
        up=sum(poll.state == "up" for poll in plain),
        down=sum(poll.state == "down" for poll in plain),
        undecided=sum(undecided.values()),
        undecided_because=dict(sorted(undecided.items())),
        planned_up=sum(poll.state == "up" for poll in planned),
        planned_down=sum(poll.state == "down" for poll in planned),
        planned_seconds=announced,
        late_seconds=_seconds(((one.begins, one.ends) for one in every), day) - announced,
        samples={
            kind: kept(sorted(one.microseconds for one in samples[kind])) for kind in SAMPLE_KINDS if kind in samples
        },
        hours={kind: _hours(samples[kind]) for kind in SAMPLE_KINDS if kind in samples},
        vantage=tuple(sorted({poll.vantage for poll in polls})),
    )


def in_time(poll: Poll) -> bool:
    """Whether a poll fell into maintenance that was announced in time: only such a one may be left out of a figure."""
    return any(one.in_time and one.begins <= poll.at < one.ends for one in poll.windows)


def kept(ordered: Sequence[int], most: int = MOST_SAMPLES) -> tuple[int, ...]:
    """All of these sorted samples, or of more than `most` those of the ranks ceil(i n / most), i from 1 to `most`."""
    count = len(ordered)
    return tuple(ordered) if count <= most else tuple(ordered[rank - 1] for rank in ranks(count, most))


def ranks(count: int, most: int) -> tuple[int, ...]:
    """The ranks (from 1) of the samples that are kept of `count`, the last of which is always the greatest."""
    here = min(count, most)
    return tuple(-(-at * count // here) for at in range(1, here + 1))


def weights(day: PollDay, kind: SampleKind) -> Iterable[tuple[int, int]]:
    """Each sample that a day kept of this kind, with how many it stands for."""
    samples = day.samples.get(kind, ())
    before = 0
    for value, rank in zip(samples, ranks(sum(day.hours[kind]), len(samples)) if samples else (), strict=True):
        yield value, rank - before
        before = rank


def _hours(samples: Iterable[Sample]) -> tuple[int, ...]:
    counted: Mapping[int, int] = Counter(one.hour for one in samples)
    return tuple(counted.get(hour, 0) for hour in range(HOURS))


def _seconds(windows: Iterable[tuple[str, str]], day: str) -> int:
    """Whole seconds of this UTC day that lie in any of the windows, each counted once."""
    start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    end = start + timedelta(days=1)
    total = timedelta()
    upto = start
    for begins, ends in sorted((datetime.fromisoformat(one), datetime.fromisoformat(other)) for one, other in windows):
        first, last = max(begins, upto), min(ends, end)
        if last > first:
            total += last - first
            upto = last
    return int(total / timedelta(seconds=1))
