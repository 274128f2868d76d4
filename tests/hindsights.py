"""Seventy nights of a target that nobody has, put into a history; what people read of them is compared by words."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prober.clock import VirtualClock, instant
from prober.history.packing import packed
from prober.history.store import History, Recorded
from prober.nouns.facts import Change, Delta, Fact, Facts, Side
from prober.nouns.finding import Reason
from prober.nouns.incident import Incident
from prober.nouns.look import Look
from prober.nouns.polls import Poll, Sample, SampleKind, State, Window

BASE = "https://fhir.example.org/r4"
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
NIGHTS = 70
AWAY = range(21, 31)
"""Nights on which the monitor itself did not run."""
NOW = VirtualClock(FIRST + timedelta(days=NIGHTS - 1, hours=12))
CONFIG = f"""
schema: prober/monitor/1
time_zone: UTC
control: gateway.example.org:443
looks:
  nightly: {{every: night, at: "02:00", depth: standard}}
  polls: {{every: 1440, depth: discovery, probes: [capability_statement_served]}}
targets:
  - {{name: main, base: "{BASE}"}}
  - {{name: other, base: "https://other.example.org/r4"}}
maintenance:
  - {{begins: "2026-03-20T01:00:00Z", ends: "2026-03-20T05:00:00Z", targets: [main]}}
"""


def configured(place: Path, more: str = "") -> Path:
    path = place / "monitor.yaml"
    path.write_text(CONFIG + more)
    return path


def seeded(history: History, nights: int = NIGHTS) -> None:
    """Two looks a day: one at night, that is scored, and a poll ten hours later."""
    history.know("main", BASE)
    looked: list[Recorded] = []
    for day in range(nights):
        if day in AWAY:
            continue
        moment = FIRST + timedelta(days=day, hours=2)
        history.round_began(instant(moment))
        looked.append(_nightly(day, moment))
        if day != 40:
            looked.append(Recorded(_look(day, moment + timedelta(hours=10), "polls", None)))
    history.record_all(looked)
    history.keep_incidents("main", _incidents(), ())


def _state(day: int, plan: str) -> tuple[State, Reason | None]:
    if day in (12, 13) and not (day == 13 and plan == "polls"):
        return "down", "unavailable"
    if day == 18:
        return "undecided", "rate_limited"
    if day == 50:
        return "down", "server_error"
    return "up", None


def _look(day: int, moment: datetime, plan: str, label: str | None) -> Look:
    began = instant(moment)
    state, reason = _state(day, plan)
    windows: tuple[Window, ...] = ()
    if day == 50:
        end = instant(moment + timedelta(hours=1))
        windows = (Window(begins=instant(moment - timedelta(hours=1)), ends=end, in_time=True),)
    if day == 51:
        end = instant(moment + timedelta(minutes=30))
        windows = (Window(begins=instant(moment - timedelta(minutes=10)), ends=end, in_time=False),)
    kinds: tuple[SampleKind, ...] = ("statement", "read", "search") if plan == "nightly" else ("statement",)
    samples = tuple(
        Sample(kind=kind, hour=moment.hour, microseconds=20_000 + 900 * (day % 11) + 5_000 * place)
        for place, kind in enumerate(kinds)
    )
    poll = Poll(
        run=f"{moment:%Y%m%dT%H%M%SZ}-{plan}",
        subject=BASE,
        environment="production",
        time=began,
        at=began,
        state=state,
        reason=reason,
        why="So it was made.",
        windows=windows,
        samples=samples if state == "up" else (),
        vantage="the clinic's own network",
    )
    slot = moment.date().isoformat() if plan == "nightly" else f"{moment:%Y-%m-%dT00-00Z}"
    return Look(
        target="main",
        base=BASE,
        plan=plan,
        slot=slot,
        run=poll.run,
        began=began,
        ended=instant(moment + timedelta(minutes=5)),
        environment="production",
        depth="standard",
        ending="complete",
        digest=f"{day:064x}",
        evidence=f"{day + 1000 * (plan == 'polls'):064x}",
        requests=120,
        up=state,
        reason=reason,
        planned=bool(windows),
        polls=packed(poll),
        certificate="enough",
        certificate_ends=instant(FIRST + timedelta(days=90 if day < 40 else 130)),
        seen=("criterion", "finding", "label", "undecided") if label is not None else (),
        label=label,
        model=None if label is None else "book@1.4.0" if day < 45 else "book@2.0.0",
        folder=f"runs/main/{plan}/{slot}" if day > 10 else None,
    )


def _nightly(day: int, moment: datetime) -> Recorded:
    state, _ = _state(day, "nightly")
    look = _look(day, moment, "nightly", ("Candidate" if day < 45 else "Supported") if state == "up" else None)
    if state != "up":
        return Recorded(look)
    values = {
        "finding/patient_read": "present",
        "finding/export_declared": "absent" if 30 <= day < 40 else "present",
        "undecided/jwks_published": "timed_out" if day % 14 == 6 else None,
        "criterion/S8.STD.1": "3..3" if day < 45 else "2..3",
        "criterion/S8.OPS.2": "1..4" if day < 33 else "2..4",
        "criterion/S8.PAY.1": "n/a",
        "label/name": f"{look.label} (step 2, at most 3 of 5)",
    }
    facts = Facts(
        subject=BASE,
        environment="production",
        depth="standard",
        run=look.run,
        started=look.began,
        digest=look.digest,
        seen=look.seen,
        facts=tuple(Fact(key=key, value=value, exchange="e.1") for key, value in sorted(values.items()) if value),
    )
    changes: tuple[Change, ...] = ()
    if day in (31, 40):
        before = _look(
            day - 1 if day == 40 else 20, FIRST + timedelta(days=39 if day == 40 else 20, hours=2), "nightly", ""
        )
        changes = (_change(day, before, look),)
    delta = Delta(subject=BASE, before="x", after=look.run, changes=changes) if changes else None
    return Recorded(look, facts, delta)


def _change(day: int, before: Look, after: Look) -> Change:
    went = day == 31
    return Change(
        key="finding/export_declared",
        kind="altered",
        judgement="regression" if went else "improvement",
        what="Whether the export is declared was present and is absent now."
        if went
        else "The export is declared again \x1b[31m\u202ein red.",
        criteria=("S8.STD.1",),
        before=Side(run=before.run, started=before.began, value="present" if went else "absent", exchange="e.1"),
        after=Side(run=after.run, started=after.began, value="absent" if went else "present", exchange="e.2"),
        returned=None if went else before.run,
    )


def _incidents() -> list[Incident]:
    def at(day: int, hours: int) -> str:
        return instant(FIRST + timedelta(days=day, hours=hours))

    outage = Incident(
        id="1",
        target="main",
        title="main: The server does not answer as it should",
        keys=("availability",),
        kind="outage",
        began=at(12, 2),
        opened=at(12, 3),
        closed=at(14, 2),
        closed_because="recovered",
    )
    hostile = outage.model_copy(
        update={
            "id": "2",
            "title": '=HYPERLINK("https://evil.example") <script>alert(1)</script> \u202eis certified',
            "kind": "change",
            "began": at(60, 2),
            "opened": at(60, 3),
            "closed": None,
            "closed_because": None,
            "waived_by": "Dana Example, until 2026-06-01",
        }
    )
    private = outage.model_copy(update={"id": "3", "title": "A gate fired", "kind": "gate", "private": True})
    return [outage, hostile, private]


Open = Callable[..., History]
