"""One look: the server is asked, what it said is judged and scored, and the look is made ready for the history.

The run folder is the evidence and its place tells which look it is, so that a round that was killed finds everything
that was finished: nothing is asked twice, and nothing that was finished is lost.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from prober.archive import FINDINGS, SCORECARD, RunFolder, collected_digest, evidence_digest
from prober.clock import Clock, instant
from prober.diff import facts_of
from prober.history.packing import packed
from prober.history.store import History
from prober.library import LoadedProbe
from prober.mistake import BadFolder, Mistake
from prober.monitor.clocks import are_apart, clocks_apart
from prober.monitor.settings import RUNS, Settings
from prober.monitor.slots import Slot, bounds, planned
from prober.nouns.evidence import Exchange
from prober.nouns.facts import Facts
from prober.nouns.finding import Finding
from prober.nouns.history import HistoryLine
from prober.nouns.look import Look
from prober.nouns.model import MaturityModel, Rule
from prober.nouns.monitor import LookPlan, Target
from prober.nouns.scorecard import Scorecard
from prober.pipeline import collect, judge_folder, prepare, score_folders
from prober.polls.figures import certificate_life
from prober.polls.looking import poll_of

REMEMBERED_DAYS = 120
"""How far back a score looks: gates ask for 90 days, and 30 decided nights may need more than 30."""
LATENCY_DAYS = 7
"""How far back latencies are told."""
_HANDSHAKES = ("modern_tls", "metadata_answer")
"""The observations that are the base's own: a file of an export may lie at another host."""
BY_THE_CLOCK = "certificate"
"""The area of facts that says whether a certificate has ended."""
DECIDED_NIGHTS = 30
CLEAN_RUNS = 3


@dataclass(frozen=True)
class Task:
    """A look that is to be made. `only` names the probes of a second look; None: all of the plan."""

    target: Target
    name: str
    plan: LookPlan
    slot: Slot
    part: int = 0
    only: frozenset[str] | None = None

    @property
    def place(self) -> str:
        """The run folder, below the state folder."""
        return f"{RUNS}/{self.target.name}/{self.name}/{self.slot.name}" + (f".{self.part + 1}" if self.part else "")


@dataclass(frozen=True)
class Looked:
    """A finished look: what goes into the history, and how far the server's clock was ahead of this one's."""

    look: Look
    facts: Facts
    ahead: timedelta | None = None


async def ask(task: Task, settings: Settings, clock: Clock, stopping: asyncio.Event) -> RunFolder | None:
    """Ask the server, unless that was done before a kill. None where it was interrupted; then it is asked again later.

    Raises Mistake where the look cannot be made; nothing was sent then.
    """
    path = settings.state / task.place
    done = finished(path)
    if done is not None:
        return done
    put_aside(path)
    options = settings.options(task.target, task.plan, task.only, clock.utc().date())
    prepared = prepare(replace(options, surroundings_measured=await _surroundings(task, settings, clock)), clock)
    collected = await collect(prepared, path, clock, stopping=stopping)
    return None if collected.run.done is None or collected.run.done.ending == "interrupted" else collected.folder


def finished(path: Path) -> RunFolder | None:
    """The run folder at this place if its run ended by itself."""
    if not (path / "run.json").is_file():
        return None
    folder = RunFolder.open(path)
    try:
        run = folder.run()
    except BadFolder:
        return None
    return folder if run.done is not None and run.done.ending != "interrupted" else None


def put_aside(path: Path) -> None:
    """What a kill left of a look stays beside the new one: it is evidence too."""
    if not path.exists():
        return
    try:
        os.rename(path, _beside(path))
    except OSError as error:
        raise Mistake(f"{path}: this run folder of a killed run cannot be put aside ({error.strerror}).") from error


def _beside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.cut-{number}")).exists():
        number += 1
    return aside


def _by_these_probes(folder: RunFolder, probes: Mapping[str, LoadedProbe]) -> RunFolder:
    """A finished run folder that another prober left unrecorded, as this one judges it; the original stays beside."""
    if folder.run().probes == {id_: one.digest for id_, one in probes.items()}:
        return folder
    anew = _beside(folder.path)
    judge_folder(folder, probes, out=anew)
    put_aside(folder.path)
    os.rename(anew, folder.path)
    return RunFolder.open(folder.path)


async def _surroundings(task: Task, settings: Settings, clock: Clock) -> tuple[dict[str, object], ...]:
    """What stood around the look, for the measurements of the run: the control host, and a planned maintenance."""
    from prober.monitor.control import reachable

    lines: list[dict[str, object]] = []
    if settings.monitor.vantage is not None:
        lines.append({"kind": "vantage", "name": settings.monitor.vantage})
    if settings.monitor.control is not None:
        answered = await reachable(settings.monitor.control)
        lines.append({"kind": "control", "host": settings.monitor.control, "answered": answered})
    now = clock.utc()
    window = planned(settings.monitor.maintenance, task.target.name, settings.zone, now)
    if window is not None:
        lasts = bounds(window, settings.zone, now)
        lines.append(
            {
                "kind": "maintenance",
                "announced": instant(_moment(window.announced)) if window.announced else None,
                "where": window.where,
                "begins": instant(lasts[0]) if lasts else None,
                "ends": instant(lasts[1]) if lasts else None,
            }
        )
    return tuple(lines)


def assess(task: Task, folder: RunFolder, settings: Settings, history: History) -> Looked:
    """Judge and score a run folder with the nights before it; what lies in the folder is all that this rests on."""
    run = folder.run()
    probes = {id_: one for id_, one in settings.probes.items() if id_ in run.probes}
    folder = _by_these_probes(folder, probes)
    findings = judge_folder(folder, probes)
    card = None
    if _is_whole(task):
        lines = _relied_on(task, settings, history, folder)
        since = instant(_moment(run.started) - timedelta(days=REMEMBERED_DAYS))
        days = history.poll_days(task.target.name, since=since, before=run.started, base=run.subject)
        if lines or days:
            folder.write_history([*lines, *days])
        card = score_folders([folder], settings.probes)
        folder.write_scorecard(card)
    else:
        # Latencies are told of days that are rolled up, and of a target without a score nobody else would do that.
        since = instant(_moment(run.started) - timedelta(days=LATENCY_DAYS))
        history.poll_days(task.target.name, since=since, before=run.started[:10])
    return _looked(task, folder, findings, card, settings)


def remembered(task: Task, folder: RunFolder, settings: Settings, history: History) -> Looked:
    """The same of a run folder that was assessed before, by what was concluded then; else it is assessed now."""
    if not folder.has(FINDINGS) or (_is_whole(task) and not folder.has(SCORECARD)):
        return assess(task, folder, settings, history)
    card = folder.scorecard() if _is_whole(task) else None
    return _looked(task, folder, folder.findings(), card, settings)


def _is_whole(task: Task) -> bool:
    """Whether every probe was run, so that it is scored."""
    return task.part == 0 and task.only is None and task.plan.probes is None


def _looked(
    task: Task, folder: RunFolder, findings: Sequence[Finding], card: Scorecard | None, settings: Settings
) -> Looked:
    run = folder.run()
    exchanges = folder.exchanges()
    digest = collected_digest(folder)
    facts = facts_of(run, exchanges, findings, card, digest=digest)
    poll = poll_of(run, exchanges, folder.measurements())
    maturity = card.maturity if card is not None else None
    ends, life = _certificate(exchanges.values(), run.started, settings)
    ahead = clocks_apart(exchanges.values(), run.subject)
    if are_apart(ahead):
        # Whoever of the two is wrong: what is left of a certificate is not seen by a clock that may be.
        life = None
        facts = facts.without(BY_THE_CLOCK)
    look = Look(
        target=task.target.name,
        base=run.subject,
        plan=task.name,
        slot=task.slot.name,
        part=task.part,
        run=run.id,
        began=run.started,
        ended=run.ended or run.started,
        environment=run.environment,
        depth=run.plan.depth,
        ending=run.done.ending if run.done else "interrupted",
        digest=digest,
        evidence=evidence_digest(folder),
        requests=run.done.requests if run.done else 0,
        up=poll.state,
        reason=poll.reason,
        planned=bool(poll.windows),
        polls=packed(poll),
        probes=tuple(sorted(run.probes)) if not _is_whole(task) else None,
        certificate=life,
        certificate_ends=ends,
        label=maturity.label.shown if maturity is not None and maturity.label is not None else None,
        model=f"{maturity.model}@{maturity.version}" if maturity is not None else None,
        folder=task.place,
    )
    return Looked(look, facts, ahead)


def _certificate(exchanges: Iterable[Exchange], now: str, settings: Settings) -> tuple[str | None, str | None]:
    """When the certificate ends that the base showed, and how long that is; None where none was shown."""
    for one in sorted(exchanges, key=lambda one: (one.observation not in _HANDSHAKES, one.started)):
        shown = one.transport
        if shown.certificate_not_before and shown.certificate_not_after:
            days = settings.monitor.alerts.certificate_days
            ends = instant(_moment(shown.certificate_not_after))
            return ends, certificate_life(shown.certificate_not_before, shown.certificate_not_after, now, most=days)
    return None, None


def _relied_on(task: Task, settings: Settings, history: History, folder: RunFolder) -> tuple[HistoryLine, ...]:
    """The lines that the rule book's series and gates need of the nights before, and no more."""
    if settings.model is None:
        return ()
    run = folder.run()
    series, gates = _remembering(settings.model)
    since = instant(_moment(run.started) - timedelta(days=REMEMBERED_DAYS))
    plans = [name for name, plan in settings.plans_of(task.target).items() if not isinstance(plan.every, int)]
    found = history.lines(task.target.name, run.subject, plans, series | gates, since, run.started)
    by_probe: dict[str, list[HistoryLine]] = {}
    for line in found:
        by_probe.setdefault(line.probe, []).append(line)
    return tuple(line for probe, lines in sorted(by_probe.items()) for line in _needed(lines, probe in gates))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _needed(lines: Sequence[HistoryLine], for_gate: bool) -> list[HistoryLine]:
    """Enough of the latest lines for 30 decided nights; for a gate, everything since it was first seen to fire."""
    nights: set[str] = set()
    first = len(lines)
    while first > 0 and len(nights) < DECIDED_NIGHTS:
        first -= 1
        if lines[first].outcome in ("present", "absent"):
            nights.add(lines[first].time[:10])
    if for_gate:
        fired = next((place for place, line in enumerate(lines) if line.outcome == "absent"), len(lines))
        first = min(first, fired, max(0, len(lines) - CLEAN_RUNS))
    return list(lines[first:])


def _remembering(model: MaturityModel) -> tuple[frozenset[str], frozenset[str]]:
    """The probes that series read, and those that gates read."""
    series: set[str] = set()
    waiting: list[Rule] = [
        one.met_by
        for criterion in model.criteria
        for requirements in criterion.levels.values()
        for one in requirements
        if one.met_by is not None
    ]
    while waiting:
        rule = waiting.pop()
        waiting += [*(rule.all or ()), *(rule.any or ())]
        if rule.series is not None:
            series.add(rule.series.probe)
    gates = {probe for gate in model.gates if gate.met_by is not None for probe in gate.met_by.probes()}
    return frozenset(series), frozenset(gates)
