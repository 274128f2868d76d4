"""How the targets and the monitor stand, as Prometheus metrics. docs/monitoring-metrics.md names every one.

What is not known has no sample. A 0 always says that something was counted, or looked for and not there.
`python -m prober.monitor.metrics` prints that page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import get_args

from prober import __version__
from prober.export.exposition import Samples
from prober.export.prometheus import METRICS as OF_A_RUN
from prober.export.text import between, first_moment, moment, seconds
from prober.nouns.finding import Outcome
from prober.nouns.incident import Incident, IncidentKind
from prober.render.disclaimer import DISCLAIMER

_EPOCH = "1970-01-01T00:00:00Z"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Metric:
    """One metric: its help text and the names of its labels, in their order."""

    help: str
    labels: tuple[str, ...] = ()


_LOOK = ("target", "look")
METRICS: Mapping[str, Metric] = {
    "prober_up": Metric("1 if the target was up at its last look of this kind, 0 if it was down.", _LOOK),
    "prober_availability_ratio": Metric(
        "Share of the decided looks in the window at which the target was up, without maintenance that was announced "
        "on a public page at least 48 hours ahead, and without the monitor's own outages.",
        (*_LOOK, "window"),
    ),
    "prober_availability_looks": Metric(
        "Number of decided looks in the window, on which prober_availability_ratio rests.", (*_LOOK, "window")
    ),
    "prober_latency_seconds": Metric(
        "Time to the first byte in the last 7 whole UTC days, over all kinds of look, by nearest rank; none without a "
        "measurement.",
        (*_LOOK, "quantile"),
    ),
    "prober_last_look_timestamp_seconds": Metric("Instant at which the last look of this kind ended.", _LOOK),
    "prober_look_age_seconds": Metric(
        "Age of the last look of this kind when these metrics were written. It stands still when the monitor does, so "
        "alarm on prober_last_look_timestamp_seconds.",
        _LOOK,
    ),
    # As the export of a run has it: a collector of text files refuses one name with two help texts.
    "prober_findings": Metric(OF_A_RUN["prober_findings"], (*_LOOK, "outcome")),
    "prober_certificate_days": Metric(
        "Whole days until the certificate of the target ends; below 0 once it has ended.", ("target",)
    ),
    "prober_incidents_open": Metric(
        "Number of open incidents, without those that a waiver silences and those that are private.",
        ("target", "kind"),
    ),
    "prober_incidents_waived": Metric("Number of open incidents that a waiver silences.", ("target", "kind")),
    "prober_criterion_level": Metric(
        "Level that the criterion surely has by the look that prober trend follows: of those that run every probe a "
        "nightly one, else a weekly one, else one of minutes, and of these the deepest. None if nothing of it is "
        "known, and none for a criterion that rests on what a private gate rests on.",
        ("target", "criterion"),
    ),
    "prober_blind_nights": Metric("Nights in a row on which the target could not be seen.", ("target",)),
    "prober_monitor_info": Metric("Always 1, with the version of prober.", ("version",)),
    "prober_written_timestamp_seconds": Metric("Instant at which these metrics were written."),
    "prober_last_round_timestamp_seconds": Metric("Instant at which the last round of the monitor ended."),
    "prober_round_seconds": Metric("How long the last round took."),
    "prober_targets": Metric("Number of targets in the configuration."),
    "prober_messages_pending": Metric("Number of messages that still have to be sent."),
}
"""Every metric of the monitor; each is a gauge."""

KINDS: tuple[str, ...] = get_args(IncidentKind)
OUTCOMES: tuple[str, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Availability:
    """How often a target was up in a window, such as `30d`, among the looks that decided it."""

    window: str
    up: int
    decided: int


@dataclass(frozen=True)
class LookStanding:
    """How a target stands by one kind of look. Instants are UTC texts; latencies are microseconds by their quantile."""

    look: str
    last: str | None = None
    up: bool | None = None
    availability: tuple[Availability, ...] = ()
    latency_us: Mapping[str, int] = field(default_factory=dict)
    """For example `{"0.5": 81_000, "0.95": 240_000}`."""
    findings: Mapping[Outcome, int] | None = None
    """Number of findings of the last look by outcome; None where no look has ended."""


@dataclass(frozen=True)
class Standing:
    """How one target stands. None and empty mean: not known."""

    target: str
    looks: tuple[LookStanding, ...] = ()
    certificate_ends: str | None = None
    incidents: tuple[Incident, ...] = ()
    """Those that are open. Private ones may be among them and are left out here."""
    levels: Mapping[str, int] = field(default_factory=dict)
    """The level that each criterion surely has; without those of which nothing is known."""
    blind_nights: int | None = None


@dataclass(frozen=True)
class MonitorStanding:
    """How the monitor itself stands. `now` is the instant at which this is written."""

    now: str
    last_round: str | None = None
    round_us: int | None = None
    messages_pending: int = 0


def text(monitor: MonitorStanding, standings: Sequence[Standing]) -> str:
    """The metrics of all targets, in text exposition format 0.0.4. Equal standings are equal bytes.

    Raises ValueError if `now` names no instant.
    """
    samples = Samples({name: one.help for name, one in METRICS.items()})
    samples.add("prober_monitor_info", (("version", __version__),), 1)
    samples.add("prober_written_timestamp_seconds", (), _timestamp(first_moment(monitor.now)))
    if monitor.last_round is not None:
        samples.add("prober_last_round_timestamp_seconds", (), _timestamp(monitor.last_round))
    if monitor.round_us is not None:
        samples.add("prober_round_seconds", (), seconds(max(0, monitor.round_us)))
    samples.add("prober_targets", (), len(standings))
    samples.add("prober_messages_pending", (), monitor.messages_pending)
    for one in standings:
        _target(one, monitor.now, samples)
    return samples.text((DISCLAIMER,))


def _target(one: Standing, now: str, samples: Samples) -> None:
    target = ("target", one.target)
    for look in one.looks:
        _look(look, (target, ("look", look.look)), now, samples)
    ends, at = moment(one.certificate_ends), moment(now)
    if ends is not None and at is not None:
        samples.add("prober_certificate_days", (target,), (ends - at) // _DAY)
    for kind in KINDS:
        told = [each for each in one.incidents if each.kind == kind and each.closed is None and not each.private]
        waived = sum(each.waived_by is not None for each in told)
        samples.add("prober_incidents_open", (target, ("kind", kind)), len(told) - waived)
        samples.add("prober_incidents_waived", (target, ("kind", kind)), waived)
    for criterion, level in one.levels.items():
        samples.add("prober_criterion_level", (target, ("criterion", criterion)), level)
    if one.blind_nights is not None:
        samples.add("prober_blind_nights", (target,), one.blind_nights)


def _look(look: LookStanding, labels: tuple[tuple[str, str], ...], now: str, samples: Samples) -> None:
    if look.up is not None:
        samples.add("prober_up", labels, int(look.up))
    for one in look.availability:
        with_window = (*labels, ("window", one.window))
        samples.add("prober_availability_looks", with_window, one.decided)
        if one.decided > 0:
            samples.add("prober_availability_ratio", with_window, _ratio(one.up, one.decided))
    for quantile, microseconds in look.latency_us.items():
        samples.add("prober_latency_seconds", (*labels, ("quantile", quantile)), seconds(max(0, microseconds)))
    if look.last is not None:
        samples.add("prober_last_look_timestamp_seconds", labels, _timestamp(look.last))
        age = between(look.last, now)
        # A clock that was set back makes no look younger than nothing.
        samples.add("prober_look_age_seconds", labels, seconds(age or 0))
    if look.findings is not None:
        for outcome in OUTCOMES:
            count = look.findings.get(outcome, 0)  # type: ignore[call-overload]
            samples.add("prober_findings", (*labels, ("outcome", outcome)), count)


def _ratio(part: int, whole: int) -> str:
    """Six decimals, rounded down: what failed once in a million is not 1."""
    millionths = max(0, min(part, whole)) * 1_000_000 // whole
    return f"{millionths // 1_000_000}.{millionths % 1_000_000:06d}"


def _timestamp(when: str) -> str:
    return seconds(between(_EPOCH, first_moment(when)) or 0)


def page() -> str:
    """docs/monitoring-metrics.md."""
    rows = [
        f"| `{name}` | {', '.join(f'`{label}`' for label in one.labels) or 'none'} | {one.help} |"
        for name, one in METRICS.items()
    ]
    return _PAGE.replace("ROWS", "\n".join(rows)).replace("KINDS", ", ".join(f"`{one}`" for one in KINDS))


_PAGE = """# Metrics of the monitor

The monitor tells how its targets stand in the text exposition format of Prometheus (version 0.0.4): as a file in the
state folder, for the textfile collector of the node exporter, and with `--listen HOST:PORT` over HTTP under `/metrics`.
This page is generated: `python -m prober.monitor.metrics > docs/monitoring-metrics.md`.

Every metric is a gauge. What is not known has no sample; a 0 always says that something was counted, or looked for and
not there.

Incidents that only the contact of the authorization may be told of are in no metric. The findings that a gate of safety
rests on are in no count, and the criteria that rest on these findings have no level: at no time, since a number that is
missing only while such a gate fires would tell of it. `prober history` and `prober trend` have them. What else a server
shows while its door is open, such as findings that can be decided only then, is counted as it is seen.

| Metric | Labels | What it is |
|---|---|---|
ROWS

| Label | What it says |
|---|---|
| `target` | The target's name in the configuration. |
| `look` | The name of the kind of look in the configuration, for example `nightly`. |
| `window` | The days that count, for example `30d`. |
| `quantile` | `0.5` or `0.95`. |
| `outcome` | `present`, `absent`, `not_applicable` or `unknown`. |
| `kind` | KINDS. |
| `criterion` | The id of a criterion in the rule book, for example `S8.STD.1`. |
| `version` | The version of prober. |

The metrics of single runs (`prober export`) are in [exports.md](exports.md). `prober_findings` is in both: there it has
the labels `run` and `fate`, here `target`, `look` and `outcome`, so name one of them in every query.

## Over HTTP

`prober monitor --config FILE --listen 127.0.0.1:9464` answers two paths. It has no encryption and no login, so it binds
to loopback unless an address is named; put a proxy before it where others are to reach it.

- `/metrics`: the metrics as of the end of the last round.
- `/healthz`: 200 while the monitor's loop is alive, 503 with one sentence once it has been silent for too long, or
  before it has begun.

## Alarms and a dashboard

`deploy/prometheus/alerts.yml` has rules for a monitor that is silent, a certificate that ends, and a target that is
down. `deploy/grafana/prober.json` is a dashboard over the same names. Alarm on instants
(`time() - prober_last_round_timestamp_seconds`) and not on ages: an age stands still when whoever writes it does. For a
target that is down, alarm on `prober_incidents_open{kind="outage"}` and not on `prober_up`: an incident was seen twice,
and a planned maintenance is none.
"""


if __name__ == "__main__":
    print(page(), end="")
