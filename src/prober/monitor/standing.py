"""How every target stands, read from the history for the metrics: a few queries for all of them together."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

from prober.clock import instant
from prober.diff.comparing import private_keys
from prober.history.store import History, Overview
from prober.monitor.hindsight import scored_plan
from prober.monitor.looking import LATENCY_DAYS
from prober.monitor.metrics import Availability, LookStanding, Standing
from prober.monitor.settings import Settings
from prober.nouns.finding import Outcome
from prober.nouns.incident import Incident
from prober.polls.figures import times

WINDOW_DAYS = 30
MOST_DETAILED = 2_000
"""With more targets than this, findings and levels are left to the history: a scrape would have millions of lines."""


def standings(settings: Settings, history: History, now: str) -> list[Standing]:
    """The standing of every target of the configuration, in its order."""
    moment = datetime.fromisoformat(now)
    since = instant(moment - timedelta(days=WINDOW_DAYS))
    recent = (moment - timedelta(days=LATENCY_DAYS)).date().isoformat()
    detailed = len(settings.monitor.targets) <= MOST_DETAILED
    private = private_keys(settings.model)
    overview = history.overview(since=since, recent=recent, detailed=detailed, without=private)
    incidents: dict[str, list[Incident]] = {}
    for one in history.incidents(open_only=True):
        incidents.setdefault(one.target, []).append(one)
    return [
        Standing(
            target=target.name,
            looks=tuple(_look(target.name, plan, overview, detailed) for plan in settings.plans_of(target)),
            certificate_ends=overview.certificate_ends.get(target.name),
            incidents=tuple(incidents.get(target.name, ())),
            levels=_levels(overview.criteria.get((target.name, scored_plan(settings.plans_of(target)) or ""), {})),
            blind_nights=overview.blind.get(target.name, 0) if target.name in overview.known else None,
        )
        for target in settings.monitor.targets
    ]


def _look(target: str, plan: str, overview: Overview, detailed: bool) -> LookStanding:
    last = overview.last.get((target, plan))
    if last is None:
        return LookStanding(look=plan)
    ended, up = last
    counts = overview.ups.get((target, plan), (0, 0))
    latencies = times(overview.days.get(target, ()))
    quantiles = {name: latencies.percentile(p) for name, p in (("0.5", 50), ("0.95", 95))}
    findings = overview.findings.get((target, plan), {})
    return LookStanding(
        look=plan,
        last=ended,
        up=None if up == "undecided" else up == "up",
        availability=(Availability(f"{WINDOW_DAYS}d", counts[0], sum(counts)),),
        latency_us={name: value for name, value in quantiles.items() if value is not None},
        findings=cast(Mapping[Outcome, int], findings) if detailed else None,
    )


def _levels(criteria: Mapping[str, str]) -> dict[str, int]:
    """The level that is sure; nothing for `n/a` and for what is not known at all."""
    found = {}
    for criterion, value in criteria.items():
        low, _, high = value.partition("..")
        if low.isdecimal() and (int(low) > 0 or low == high):
            found[criterion] = int(low)
    return found
