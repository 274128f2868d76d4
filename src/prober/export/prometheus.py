"""Prometheus text exposition format 0.0.4: what a run found, as gauges. docs/exports.md names every metric.

What is unknown has no sample. A 0 always says that something was looked for and was not there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from prober.export.bundle import everything, subjects
from prober.export.exposition import Labels, Samples
from prober.export.text import between, first_moment, seconds
from prober.nouns.model import Model
from prober.nouns.scorecard import Interval
from prober.render.disclaimer import DISCLAIMER
from prober.render.report import Report
from prober.render.words import fate_of

METRICS: Mapping[str, str] = {
    "prober_as_of_timestamp_seconds": "Instant as of which the evidence was scored.",
    "prober_run_info": "Always 1. One for each run, with what it was and whom it asked.",
    "prober_run_started_timestamp_seconds": "Instant at which the run began.",
    "prober_run_ended_timestamp_seconds": "Instant at which the run ended; none if it never did.",
    "prober_run_requests": "Requests that the run made; none if it never ended.",
    "prober_findings": "Number of findings by what became of them. The monitor leaves out those of private gates.",
    "prober_finding_shown": "1 if the probe saw it, 0 if it was refuted; none if unknown or not applicable.",
    "prober_finding_unknown": "Always 1. One for each finding that is unknown, with the reason.",
    "prober_criterion_level_at_least": "Level that the criterion surely has; none if nothing of it is known.",
    "prober_criterion_level_at_most": "Level that the criterion has if all that is unknown turns out well.",
    "prober_block_points_at_least": "Points of the block that are sure, of 100; none if nothing of it is sure.",
    "prober_block_points_at_most": "Points of the block if all that is unknown turns out well, of 100.",
    "prober_points_at_least": "Points together that are sure, of 100; none if nothing is sure.",
    "prober_points_at_most": "Points together if all that is unknown turns out well, of 100.",
    "prober_coverage_ratio": "Share of the weight that applies, by how it is known.",
    "prober_gates": "Number of gates by state. An untested gate is not passed.",
}
"""Every metric with its help text; each is a gauge."""

_EPOCH = "1970-01-01T00:00:00Z"


def exported(report: Report, models: Sequence[Model]) -> dict[str, bytes]:
    """`prober.prom`, for the textfile collector of the node exporter or for a web server."""
    samples = Samples(METRICS)
    samples.add("prober_as_of_timestamp_seconds", (), _timestamp(report.card.as_of))
    _runs(report, samples)
    _findings(report, models, samples)
    _scores(report, samples)
    return {"prober.prom": samples.text((DISCLAIMER,)).encode("utf-8", "replace")}


def _runs(report: Report, samples: Samples) -> None:
    for one in subjects(report):
        run = one.run
        labels = (("run", run.id), ("subject", run.subject))
        more = (("environment", run.environment), ("version", run.tool.prober))
        samples.add("prober_run_info", (*labels, *more), 1)
        samples.add("prober_run_started_timestamp_seconds", labels, _timestamp(run.started, report.card.as_of))
        if run.ended:
            samples.add("prober_run_ended_timestamp_seconds", labels, _timestamp(run.ended, report.card.as_of))
        if run.done:
            samples.add("prober_run_requests", labels, run.done.requests)


def _findings(report: Report, models: Sequence[Model], samples: Samples) -> None:
    fates: Counter[tuple[str, str]] = Counter()
    for one in everything(report, models):
        finding, verdict = one.finding, one.finding.verdict
        run = (("run", one.subject.run.id), ("subject", finding.subject), ("probe", finding.source.probe))
        fates[one.subject.run.id, fate_of(finding)] += 1
        if verdict.outcome in ("present", "absent"):
            samples.add("prober_finding_shown", run, int(verdict.outcome == "present"))
        elif verdict.outcome == "unknown":
            samples.add("prober_finding_unknown", (*run, ("reason", verdict.reason or "")), 1)
    for (run_id, fate), count in fates.items():
        samples.add("prober_findings", (("run", run_id), ("fate", fate)), count)


def _scores(report: Report, samples: Samples) -> None:
    score = report.card.maturity
    if score is None:
        return
    book = (("rule_book", score.model), ("version", score.version))
    for one in score.criteria:
        labels = (*book, ("criterion", one.id))
        _interval(samples, "prober_criterion_level", labels, one.level, known=one.state != "?")
    for block in score.blocks:
        labels = (*book, ("block", block.id))
        _interval(samples, "prober_block_points", labels, block.points, known=_sure(block.points))
    _interval(samples, "prober_points", book, score.points, known=_sure(score.points))
    for kind, percent in score.coverage.items():
        samples.add("prober_coverage_ratio", (*book, ("kind", kind)), f"{percent // 100}.{percent % 100:02d}")
    for state, count in _counted(gate.state for gate in score.gates):
        samples.add("prober_gates", (*book, ("state", state)), count)


def _interval(samples: Samples, metric: str, labels: Labels, points: Interval | None, *, known: bool) -> None:
    """Two samples. The lower end is left out where it is 0 only because nothing is known."""
    if points is None:
        return
    if known:
        samples.add(f"{metric}_at_least", labels, points.low)
    samples.add(f"{metric}_at_most", labels, points.high)


def _sure(points: Interval | None) -> bool:
    return points is not None and (points.low > 0 or points.low == points.high)


def _counted(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(names).items())


def _timestamp(*texts: str) -> str:
    return seconds(between(_EPOCH, first_moment(*texts)) or 0)
