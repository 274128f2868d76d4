"""What a year of a thousand targets comes to in the history, and how long one waits for it. Prints figures of one run.

    python benchmarks/history.py                              in a SQLite file
    scripts/postgres python benchmarks/history.py             the same in PostgreSQL
    python benchmarks/history.py 100 60                       fewer targets and nights

The facts are those of the recordings in fixtures/, a vendor each, and one target in fifty is like the recorded HAPI,
which has ten times as many. By chance with a fixed seed one target in fifty changes something every night, some are
down or turn prober away, certificates are renewed every ninety days, and each vendor releases a version now and then,
with which all its targets change at once.

It takes about twenty minutes, nearly all of them to write the year.

What is timed and what is not: the year before the last nights is written in one transaction a night, through the same
method that the monitor calls look by look, and of a night on which a target did not change only the look, for the rest
of such a record leaves nothing that the next one does not write over. The last two nights go the whole way of the
monitor for every target: read what stands, consider, record, a transaction each, written through to the disk. Queries
are the quickest of five, in this one process, from a history that was opened anew; the first time, with nothing in
memory, is printed beside. It ends with 1 if a bound is missed; on a busy machine that says something about the machine.
"""

import asyncio
import gc
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine, text

from prober.archive import RunFolder, collected_digest
from prober.clock import VirtualClock, instant
from prober.diff import facts_of
from prober.history.packing import packed
from prober.history.store import History, Recorded, sqlite_url
from prober.library import load_probes, parse_model
from prober.monitor.consider import Before, Considered, Policy, consider
from prober.monitor.round import Round
from prober.monitor.settings import Settings
from prober.nouns.facts import Fact, Facts
from prober.nouns.incident import KeyState
from prober.nouns.look import Look
from prober.nouns.model import MaturityModel
from prober.nouns.monitor import AlertRules, LookPlan, Monitor, Target
from prober.nouns.polls import SAMPLE_KINDS, Poll, Sample
from prober.pipeline import judge_folder, load_models, score_folders

TARGETS, NIGHTS = 1_000, 365
CHANGE_ONE_IN, DOWN_ONE_IN, BLIND_ONE_IN, RENEWED_DAYS, RELEASE_DAYS, LARGE_ONE_IN = 50, 200, 300, 90, 60, 50
QUERY = 0.1
"""Seconds for each query."""
OVERVIEW = 2.0
"""Seconds for how all targets stand: it reads some hundred thousand values, 60 levels and the findings of each target,
and is asked for once a round, which begins every five minutes at most."""
NIGHT = 0.03
"""Seconds for one target of a night as it comes, changes and large statements among them: half a minute for all."""
QUIET = 0.02
"""Seconds for a target whose facts, some hundred, did not change: of ten the quickest, as a disk is shared. An idle
machine takes about half of it, most of it until the disk has the transaction."""
ROUND = 0.5
"""Seconds of a round in which nothing is due, for all targets, with the folders of 120 nights on the disk: looking for
what a kill left, what is due, second looks, the digest, and when there is something to do again."""
DISK = 500_000_000
"""Bytes on disk of a year."""
FAR = 3
"""How many times as long a record may take in PostgreSQL: it is some twenty questions to another process."""
TIMES = 5
FOLDERS = 120
"""Nights whose run folders are there, as retention leaves them."""
FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
FIXTURES = Path(__file__).parent.parent / "fixtures"
VENDORS = ("leader", "typical", "laggard", "open_records")
PLAN = "nightly"
TRANSIENT = "rate_limited"


def recorded_facts(scratch: Path) -> dict[str, Facts]:
    """The facts of each recording, judged and scored as they are now."""
    probes = load_probes()
    texts, digests = load_models(None, probes)
    found = {}
    for name in (*VENDORS, "hapi"):
        shutil.copytree(FIXTURES / name, scratch / name)
        folder = RunFolder(scratch / name)
        made = {"probes": {id_: one.digest for id_, one in probes.items()}, "models": digests}
        folder.write_run(folder.run().model_copy(update=made))
        folder.write_models(texts)
        findings = judge_folder(folder, probes)
        card = score_folders([folder], probes)
        digest = collected_digest(folder)
        found[name] = facts_of(folder.run(), folder.exchanges(), findings, card, digest=digest)
    return found


class Server:
    """One target and how it goes with it, night by night."""

    def __init__(self, number: int, vendors: dict[str, Facts]) -> None:
        self.chance = random.Random(number)
        self.name = f"clinic-{number:04d}"
        self.base = f"https://fhir.clinic-{number:04d}.example.org/r4"
        self.vendor = "hapi" if number % LARGE_ONE_IN == 0 else VENDORS[number % len(VENDORS)]
        like = vendors[self.vendor]
        self.number = number
        self.seen = tuple(sorted({*like.seen, "tls", "certificate"}))
        # A request is another one at another base, and so is the id of its exchange.
        self.facts = {
            one.key: one.model_copy(update={"exchange": f"{number:04x}{one.exchange[4:]}" if one.exchange else ""})
            for one in like.facts
        }
        self.facts["tls/version"] = Fact(key="tls/version", value="TLSv1.3", exchange=f"{number:04x}a5e1.1")
        self.environment, self.depth = like.environment, like.depth

    def night(self, number: int) -> tuple[Look, Callable[[], Facts | None], bool]:
        """The look and the facts of a night, None where the server was down; and whether they are other ones."""
        began = FIRST + timedelta(days=number, seconds=self.number)
        changed = number == 0
        if number % RENEWED_DAYS == self.number % RENEWED_DAYS or number == 0:
            self._set("certificate/sha256", f"{self.chance.getrandbits(256):064x}")
            self._set("certificate/not_after", (began + timedelta(days=RENEWED_DAYS + 20)).date().isoformat())
            changed = True
        place = VENDORS.index(self.vendor) if self.vendor in VENDORS else len(VENDORS)
        if number % RELEASE_DAYS == 7 * place + 5:
            self._set("software/version", f"2026.{number // RELEASE_DAYS}")
            changed = True
        if self.chance.randrange(CHANGE_ONE_IN) == 0:
            self._change()
            changed = True
        down, blind = self.chance.randrange(DOWN_ONE_IN) == 0, self.chance.randrange(BLIND_ONE_IN) == 0
        look = self._look(number, began, down=down, blind=blind)
        return look, lambda: None if down else self._facts_now(look, blind=blind), changed or blind or down

    def _set(self, key: str, value: str) -> None:
        self.facts[key] = Fact(key=key, value=value, exchange=f"{self.number:04x}a5e1.1")

    def _change(self) -> None:
        """A finding turns over, or something that was declared goes or comes back."""
        findings = sorted(key for key in self.facts if key.startswith("finding/"))
        key = self.chance.choice(findings)
        one = self.facts[key]
        self.facts[key] = one.model_copy(update={"value": "absent" if one.value == "present" else "present"})
        gone = [key for key in self.facts if key.startswith(("search_param/", "profile/", "scope/"))]
        if gone and self.chance.randrange(2):
            del self.facts[self.chance.choice(gone)]

    def _look(self, number: int, began: datetime, *, down: bool, blind: bool) -> Look:
        slot = (FIRST + timedelta(days=number)).date().isoformat()
        run = f"{began:%Y%m%dT%H%M%SZ}-{self.chance.getrandbits(24):06x}"
        state, reason = ("down", "server_error") if down else ("undecided", TRANSIENT) if blind else ("up", None)
        poll = Poll.model_validate(
            {
                "run": run,
                "subject": self.base,
                "environment": self.environment,
                "time": instant(began),
                "at": instant(began + timedelta(seconds=1)),
                "state": state,
                "reason": reason,
                "why": "By chance.",
                "vantage": "the clinic's own network",
                "samples": [
                    Sample(kind=kind, hour=began.hour, microseconds=self.chance.randrange(20_000, 900_000))
                    for kind in SAMPLE_KINDS
                    for _ in range(0 if state != "up" else 3)
                ],
            }
        )
        return Look(
            target=self.name,
            base=self.base,
            plan=PLAN,
            slot=slot,
            run=run,
            began=instant(began),
            ended=instant(began + timedelta(seconds=95)),
            environment=self.environment,
            depth=self.depth,
            ending="complete",
            digest=f"{self.chance.getrandbits(256):064x}",
            evidence=f"{self.chance.getrandbits(256):064x}",
            requests=120,
            up=poll.state,
            reason=poll.reason,
            polls=packed(poll),
            seen=self.seen,
            certificate="enough",
            certificate_ends=self.facts["certificate/not_after"].value + "T00:00:00.000000Z",
            label="Candidate",
            model="stage8_proposal@1.0.0",
            folder=f"runs/{self.name}/{PLAN}/{slot}",
        )

    def _facts_now(self, look: Look, *, blind: bool) -> Facts:
        held = dict(self.facts)
        if blind:
            for key in [key for key in held if key.startswith("finding/")][:20]:
                held[key] = held[key].model_copy(update={"value": f"unknown: {TRANSIENT}"})
        return Facts(
            subject=look.base,
            environment=look.environment,
            depth=look.depth,
            run=look.run,
            started=look.began,
            digest=look.digest,
            seen=self.seen,
            facts=tuple(held[key] for key in sorted(held)),
        )


def considered(history: History, look: Look, facts: Facts | None, policy: Policy) -> Considered:
    """As the monitor does it."""
    standing, states, incidents = history.before(look.target, look.plan)
    before = Before(standing, states, incidents, lambda keys: history.earlier(look.target, look.plan, keys))
    return consider(look, facts, before, policy)


def _next(states: Sequence[KeyState], rules: AlertRules) -> int:
    """After how many nights such courses would go on by themselves, although nothing changes."""
    if any(one.course in ("suspect", "clearing", "flapping") for one in states):
        return 1
    return rules.accept_days if any(one.course == "open" for one in states) else rules.flap_days + 1


def a_year(history: History, servers: Sequence[Server], nights: int, policy: Policy) -> float:
    """Write the nights but the last two. Seconds of each of these nights within the database, on average."""
    for one in servers:
        history.know(one.name, one.base)
    # What a server holds stays to the end: the collector of garbage need not walk through it again and again.
    gc.freeze()
    spent = 0.0
    again: dict[str, int] = {}
    for number in range(nights - 2):
        plain, told = [], []
        for server in servers:
            look, facts, changed = server.night(number)
            if changed or again.get(server.name) == number:
                recorded = considered(history, look, facts(), policy).recorded
                again[server.name] = number + _next(recorded.states, policy.rules) if recorded.states else -1
                told.append(recorded)
            else:
                plain.append(Recorded(look))
        begun = time.perf_counter()
        history.record_all([*plain, *told])
        spent += time.perf_counter() - begun
        if number % 30 == 0:
            print(f"  night {number} of {nights}", file=sys.stderr)
    return spent / max(1, nights - 2)


def a_night(history: History, servers: Sequence[Server], number: int, policy: Policy) -> list[tuple[float, bool, int]]:
    """One night look by look. Of each: seconds, whether something was told or changed, and how many facts it had."""
    took = []
    for server in servers:
        look, seen, changed = server.night(number)
        facts = seen()
        begun = time.perf_counter()
        one = considered(history, look, facts, policy)
        history.record(one.recorded)
        seconds = time.perf_counter() - begun
        delta = one.recorded.delta
        moved = changed or bool(one.recorded.states or (delta is not None and delta.changes))
        took.append((seconds, moved, len(facts.facts) if facts is not None else 0))
    return took


def quickest(what: Callable[[], object]) -> tuple[float, float, object]:
    """Seconds of the first and the quickest of several times, and what came of it."""
    found = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        result = what()
        found.append(time.perf_counter() - begun)
    return found[0], min(found), result


def queries(
    history: History, servers: Sequence[Server], nights: int, model: MaturityModel
) -> Iterator[tuple[str, float, Callable[[], object]]]:
    """Each query with its bound."""
    one = next(server for server in servers if server.vendor == "leader")
    last = (FIRST + timedelta(days=nights - 1)).date().isoformat()
    end = instant(FIRST + timedelta(days=nights))
    begin = instant(FIRST)
    probes = sorted({probe for gate in model.gates if gate.met_by is not None for probe in gate.met_by.probes()})
    probes += ["capability_statement_served", "patient_read", "answers_promptly"]
    month = instant(FIRST + timedelta(days=nights - 30))
    week = month[:10] if nights < 30 else (FIRST + timedelta(days=nights - 7)).date().isoformat()

    def trend() -> int:
        days = history.poll_days(one.name, since=begin, before=end)
        labels = [(look.slot, look.label) for look in history.looks(one.name, plan=PLAN)]
        levels = history.course(one.name, PLAN, "criterion")
        return len(days) + len(labels) + len(levels)

    yield "nightly delta of all targets", QUERY, lambda: len(history.changes(plan=PLAN, slot=last))
    yield "one target's yearly trend", QUERY, trend
    yield "one target's standing facts", QUERY, lambda: sum(len(x.facts) for x in history.standing(one.name, PLAN))
    yield (
        "history lines for a score",
        QUERY,
        lambda: len(
            history.lines(one.name, one.base, [PLAN], probes, instant(FIRST + timedelta(days=nights - 120)), end)
        ),
    )
    yield "open incidents", QUERY, lambda: len(history.incidents(open_only=True))
    yield "slots done", QUERY, lambda: len(history.slots_done(PLAN, last))
    yield "suspects", QUERY, lambda: len(history.suspects())
    yield "folders past their time", QUERY, lambda: len(history.folders(PLAN, begin, keep_changes=True))
    yield (
        "how all targets stand",
        OVERVIEW,
        lambda: sum(
            len(found) for found in history.overview(since=month, recent=week, detailed=True).criteria.values()
        ),
    )


def idle_round(history: History, servers: Sequence[Server], nights: int, place: Path) -> Callable[[], object]:
    """A round some hours after the last night, when there is nothing to do."""
    days = [(FIRST + timedelta(days=nights - 1 - back)).date().isoformat() for back in range(min(nights, FOLDERS))]
    for server in servers:
        for day in days:
            (place / "state" / "runs" / server.name / PLAN / day).mkdir(parents=True)
    monitor = Monitor(
        looks={PLAN: LookPlan()}, targets=tuple(Target(name=one.name, base=one.base) for one in servers), state="state"
    )
    settings = Settings(monitor, place / "monitor.yaml", ZoneInfo("UTC"), {}, None, {})
    clock = VirtualClock(FIRST + timedelta(days=nights - 1, hours=12))

    def a_round() -> int:
        done = asyncio.run(Round(settings, history, clock, print).run(wait_for_second=False))
        if done.looks or done.failed or done.recovered:
            raise RuntimeError("There was something to do.")
        return done.looks

    return a_round


def bytes_on_disk(history: History, file: Path) -> tuple[int, list[tuple[str, int]]]:
    """Bytes of all, and of each table with its indexes."""
    with history._reading() as connection:
        if not history.is_sqlite:
            rows = connection.execute(
                text(
                    "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = "
                    "'public'::regnamespace"
                )
            )
            sizes = {name: int(size) for name, size in rows}
            return sum(sizes.values()), sorted(sizes.items(), key=lambda pair: -pair[1])
        try:
            rows = connection.execute(
                text(
                    "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name GROUP BY 1"
                )
            )
            sizes = {name: int(size) for name, size in rows}
        except Exception:
            sizes = {}
    return file.stat().st_size, sorted(sizes.items(), key=lambda pair: -pair[1])


def rows(history: History) -> list[tuple[str, int]]:
    with history._reading() as connection:
        return [
            (name, int(connection.execute(text(f"SELECT count(*) FROM {name}")).scalar() or 0))
            for name in ("looks", "spans", "changes", "days", "words", "incidents", "states")
        ]


def measure(
    url: object, file: Path, targets: int, nights: int, vendors: dict[str, Facts], model: MaturityModel
) -> bool:
    """Write a year, ask for all of it, and print what it took. True where a bound is missed."""
    policy = Policy(rules=AlertRules(), send=lambda _: (), model=model, nightly=frozenset({PLAN}))
    servers = [Server(number, vendors) for number in range(targets)]
    missed = False

    def told(what: str, seconds: float, bound: float, more: str = "") -> None:
        nonlocal missed
        missed = missed or seconds >= bound
        mark = "" if seconds < bound else "   MISSED"
        print(f"{what:34s}{seconds * 1000:10.1f} ms (at most {bound * 1000:g}){more}{mark}")

    with History.open(url, shown="the history") as history:  # type: ignore[arg-type]
        bulk = a_year(history, servers, nights, policy)
        took = [one for number in (nights - 2, nights - 1) for one in a_night(history, servers, number, policy)]
        for one in servers:
            history.poll_days(one.name, since=instant(FIRST), before=instant(FIRST + timedelta(days=nights)))
    gc.freeze()
    with History.open(url, shown="the history") as history:  # type: ignore[arg-type]
        counted = rows(history)
        size, parts = bytes_on_disk(history, file)
        where = "SQLite" if history.is_sqlite else "PostgreSQL"
        print(f"targets x nights                  {targets:10d} x {nights}, in {where}")
        print("rows                              " + ", ".join(f"{count} {name}" for name, count in counted))
        print(f"size on disk                      {size / 1e6:10.1f} MB, {size / counted[0][1]:.0f} bytes per look")
        print("most of it                        " + ", ".join(f"{name} {of / 1e6:.1f} MB" for name, of in parts[:5]))
        missed = missed or size >= DISK
        print(f"a night in one transaction        {bulk * 1000:10.1f} ms for all (no bound: how the year was written)")
        far = 1 if history.is_sqlite else FAR
        each = sum(seconds for seconds, _, _ in took) / len(took)
        told(
            "a target of a night, on average",
            each,
            NIGHT * far,
            f", {2 * sum(one[0] for one in took) / 4:.1f} s for all",
        )
        quiet = sorted(seconds for seconds, moved, many in took if not moved and many < 1_000)
        told("a target without change, quickest", quiet[len(quiet) // 10], QUIET * far, " of ten")
        print(f"a target without change, median   {quiet[len(quiet) // 2] * 1000:10.1f} ms")
        busy = sorted(seconds for seconds, moved, many in took if moved and many < 1_000)
        large = sorted(seconds for seconds, moved, many in took if not moved and many >= 1_000)
        print(f"a target that changed, median     {busy[len(busy) // 2] * 1000:10.1f} ms")
        print(f"a large one without, median       {large[len(large) // 2] * 1000:10.1f} ms" if large else "")
        for what, bound, ask in queries(history, servers, nights, model):
            first, best, count = quickest(ask)
            told(what, best, bound, f", {count} found; {first * 1000:.0f} ms the first time")
        with tempfile.TemporaryDirectory() as scratch:
            first, best, _ = quickest(idle_round(history, servers, nights, Path(scratch)))
            told("a round with nothing to do", best, ROUND, f"; {first * 1000:.0f} ms the first time")
    print(f"peak memory                       {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:10d} MiB")
    return missed


def main() -> None:
    if len(sys.argv) not in (1, 3):
        sys.exit(__doc__)
    targets, nights = (int(one) for one in sys.argv[1:3]) if len(sys.argv) == 3 else (TARGETS, NIGHTS)
    with tempfile.TemporaryDirectory() as scratch:
        vendors = recorded_facts(Path(scratch))
        texts, _ = load_models(None, load_probes())
        model = next(one for one in (parse_model(each, Path("m")) for each in texts) if isinstance(one, MaturityModel))
        cluster = os.environ.get("PROBER_TEST_POSTGRES")
        file = Path(scratch) / "history.db"
        if cluster is None:
            sys.exit(measure(sqlite_url(file), file, targets, nights, vendors, model))
        server = create_engine(cluster.replace("postgresql:", "postgresql+psycopg:", 1), isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text("DROP DATABASE IF EXISTS prober_benchmark"))
            connection.execute(text("CREATE DATABASE prober_benchmark"))
        server.dispose()
        place = cluster.replace("/postgres?", "/prober_benchmark?", 1)
        sys.exit(measure(place, file, targets, nights, vendors, model))


if __name__ == "__main__":
    main()
