"""The history: one repository over the tables, for a SQLite file or a PostgreSQL database.

One writer at a time. A look is recorded in one transaction with all that follows from it (changes, the courses of keys,
incidents, messages to send), so a kill leaves either all of it or nothing.
"""

import json
import os
import threading
from bisect import bisect_left
from collections import ChainMap, Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    and_,
    bindparam,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    inspect,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, SQLAlchemyError

from prober.clock import instant
from prober.history import tables
from prober.history.packing import packed_day, unpacked, unpacked_day
from prober.history.tables import LEFT_OUT, NOT_PLANNED, PLANNED, STEPS
from prober.mistake import Mistake
from prober.nouns.base import canonical
from prober.nouns.facts import Change, Delta, Fact, Facts
from prober.nouns.history import HistoryLine
from prober.nouns.incident import Incident, KeyState, Message
from prober.nouns.look import Look
from prober.nouns.polls import Poll, PollDay
from prober.polls.days import days_of, in_time

WAIT_SECONDS = 10
"""How long a locked SQLite file is waited for."""
ADVISORY = 0x70726F626572
"""The key of the lock that a monitor holds in PostgreSQL: the letters of prober."""
REBUILDING = "rebuilding"
"""The name under which a history says that it is being made anew."""
UNWATCHED = "unwatched"
"""The mark that holds the ids of incidents that were closed because nobody looks at them any more."""
MOST_RANGES = 20
"""So many ranges of days that are not rolled up are read one by one, more of them at once."""
AHEAD = timedelta(hours=1)
"""What was told so far in the future was told by a clock that has been put back since."""
LONGEST_WAIT = timedelta(hours=26)
"""No message waits longer: quiet hours, on the longest day of the year."""
MOST_EARLIER = 50
"""Earlier values of one key that are looked back at."""


Told = tuple[Message, tuple[tuple[str, str], ...]]
"""A message with whom it goes to, each with the instant from which on it may be sent."""


@dataclass(frozen=True)
class Course:
    """What one fact was, from the look of the number `since` up to but not including that of `until` (None: now)."""

    key: str
    value: str
    since: int
    until: int | None


class HistoryLost(Mistake):
    """The database cannot be used. What was collected lies in the run folders and is recorded by the next round."""


class HistoryAway(HistoryLost):
    """The database cannot be used now: it does not answer, is locked, or has no room. Later it may be."""


@dataclass(frozen=True)
class Recorded:
    """Everything that follows from one look, to be kept with it or not at all."""

    look: Look
    facts: Facts | None = None
    delta: Delta | None = None
    states: tuple[KeyState, ...] = ()
    settled: tuple[str, ...] = ()
    """Keys whose course needs no remembering any more: what they are stands in the facts."""
    incidents: tuple[Incident, ...] = ()
    messages: tuple[Told, ...] = ()


@dataclass(frozen=True)
class Pending:
    """A message that waits to be sent to somebody."""

    message: Message
    recipient: str
    tries: int
    due: str
    """The instant from which on it may be sent, or tried again."""


@dataclass(frozen=True)
class Held:
    """A fact and for how long it held: from the look that first saw it to the one that saw it otherwise, as UTC
    instants; `until` is None for what holds now."""

    key: str
    value: str
    since: str
    until: str | None


@dataclass(frozen=True)
class Kept:
    """A run folder, with the number of its look, the name of its target, its run, and where it lies."""

    number: int
    target: str
    run: str
    folder: str


@dataclass(frozen=True)
class Overview:
    """How all targets stand, by name, or by name and kind of look."""

    known: frozenset[str]
    last: Mapping[tuple[str, str], tuple[str, str]]
    """When the last look ended, and whether the target was up."""
    ups: Mapping[tuple[str, str], tuple[int, int]]
    """Decided looks outside of maintenance that was announced in time: how many found the target up, how many down."""
    certificate_ends: Mapping[str, str]
    days: Mapping[str, tuple[PollDay, ...]]
    """Days of polls that are over."""
    blind: Mapping[str, int]
    findings: Mapping[tuple[str, str], Mapping[str, int]]
    criteria: Mapping[tuple[str, str], Mapping[str, str]]
    """What each kind of look says of the levels."""


def moved_without_a_word(name: str, old: str, new: str) -> str:
    """What is said of a target whose base is another one than the history has."""
    return (
        f"The target {name} was {old} until now and is {new} in the configuration. If it is the same server, say "
        f"`moved_from: [{old}]`; if it is another one, give it another name."
    )


def sqlite_url(path: Path) -> URL:
    """The URL of a history in a file."""
    return URL.create("sqlite+pysqlite", database=str(path))


class History:
    """A history that is open. Raises HistoryLost (a Mistake) wherever the database fails."""

    def __init__(self, url: URL | str, *, shown: str, reading: bool = False) -> None:
        """`shown` names the database in messages: a URL may hold a password, so it never does itself.

        With `reading` nothing is ever written, and no writer is held up.
        """
        self.shown = shown
        self.reading = reading
        try:
            parsed = make_url(url)
        except SQLAlchemyError as error:
            raise HistoryLost(f"{shown}: this is not the URL of a database, such as postgresql://HOST/NAME.") from error
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if not self.is_sqlite and parsed.get_backend_name() != "postgresql":
            raise HistoryLost(f"{shown}: only SQLite and PostgreSQL hold a history; name one of these.")
        if not self.is_sqlite:
            parsed = parsed.set(drivername="postgresql+psycopg")
        self._path = Path(parsed.database or "") if self.is_sqlite else None
        # Words and their numbers, both ways; none is ever altered.
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        # What one target's facts were when they were last read, which is a moment before they are written.
        self._stood: tuple[_Stand, _Spans] | None = None
        self._lock: Connection | None = None
        self._guard = threading.Lock()
        self._engine = self._made(parsed)

    def _made(self, url: URL) -> Engine:
        try:
            if self.is_sqlite and self.reading:
                engine = create_engine(_only_read(self._path or Path()), connect_args={"timeout": WAIT_SECONDS})
                event.listen(engine, "connect", _prepare_reading)
                event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
                return engine
            if self.is_sqlite:
                engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS})
                event.listen(engine, "connect", _prepare_sqlite)
                event.listen(engine, "begin", _begin_sqlite)
                return engine
            return create_engine(
                url,
                pool_pre_ping=True,
                connect_args={"connect_timeout": WAIT_SECONDS},
                execution_options={"postgresql_readonly": True} if self.reading else {},
            )
        except ImportError as error:
            raise HistoryLost(
                f"{self.shown}: PostgreSQL needs its driver; install prober with its extra `postgres`."
            ) from error

    @classmethod
    def open(cls, url: URL | str, *, shown: str, check: bool = False, rebuilding: bool = False) -> "History":
        """Open a history, make or renew its tables, and if wished look through the whole of a SQLite file.

        One whose rebuilding was cut short is opened only to go on with that.
        """
        history = cls(url, shown=shown)
        try:
            history._prepare(check=check)
            if not rebuilding and history.is_rebuilding():
                raise HistoryLost(
                    f"{shown}: this history was being made anew, and that was cut short; go on with it by "
                    "`prober history --rebuild`."
                )
        except BaseException:
            history.close()
            raise
        return history

    @classmethod
    def read(cls, url: URL | str, *, shown: str) -> "History":
        """Open a history to read it, also while a monitor writes. Raises HistoryLost where there is none yet."""
        history = cls(url, shown=shown, reading=True)
        try:
            if history._path is not None and not history._path.exists():
                raise HistoryLost(_none_yet(shown))
            with history._reading() as connection:
                version = history._version(connection)
            if version == 0:
                raise HistoryLost(_none_yet(shown))
            if version > len(STEPS):
                raise HistoryLost(_newer(shown, version))
            if version < len(STEPS):
                raise HistoryLost(
                    f"{shown}: this history was made by an older prober; the next round of the monitor renews it, and "
                    "then it can be read."
                )
        except BaseException:
            history.close()
            raise
        return history

    def close(self) -> None:
        """Let go of the database."""
        with suppress(SQLAlchemyError):
            # A database that is gone cannot be taken leave of.
            self._let_go()
        self._engine.dispose()

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take_lock(self) -> bool:
        """In PostgreSQL: become the only monitor that writes here, wherever the others run; False if there is one.

        A SQLite file needs none: it lies in the state folder, which has its own.
        """
        if self.is_sqlite:
            return True
        # Looks are judged in threads of their own, and one connection serves one of them at a time.
        with self._guard, self._words_for_faults():
            if self._lock is not None:
                try:
                    self._lock.exec_driver_sql("SELECT 1")
                    return True
                except DBAPIError:
                    # The lock went with the connection that held it.
                    with suppress(SQLAlchemyError):
                        self._let_go()
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if connection.scalar(select(func.pg_try_advisory_lock(ADVISORY))):
                self._lock = connection
                return True
            connection.close()
            return False

    def _let_go(self) -> None:
        held, self._lock = self._lock, None
        if held is not None:
            # Not back into the pool: whoever got it there would hold the lock without knowing.
            held.detach()
            held.close()

    def _prepare(self, *, check: bool) -> None:
        if self._path is not None and self._path.exists() and not os.access(self._path, os.W_OK):
            raise HistoryLost(f"{self.shown}: this history may not be written; give yourself the right, or move it.")
        with self._writing() as connection:
            if check and self.is_sqlite:
                said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if said != "ok":
                    raise HistoryLost(_damaged(self.shown))
            version = self._version(connection)
            if version > len(STEPS):
                raise HistoryLost(_newer(self.shown, version))
            for step in STEPS[version:]:
                step(connection)
            if version < len(STEPS):
                self._upsert(connection, tables.about, {"name": "version", "value": str(len(STEPS))}, ("name",))

    def _version(self, connection: Connection) -> int:
        """The version of the tables; 0 where there are none."""
        if not inspect(connection).has_table("about"):
            return 0
        row = connection.execute(select(tables.about.c.value).where(tables.about.c.name == "version")).first()
        return int(row[0]) if row else 0

    # Writing

    def rebuilding(self, begins: bool) -> None:
        """Note that this history is being made anew, or that it is whole again."""
        with self._writing() as connection:
            if begins:
                self._upsert(connection, tables.about, {"name": REBUILDING, "value": "1"}, ("name",))
            else:
                connection.execute(delete(tables.about).where(tables.about.c.name == REBUILDING))

    def know(self, name: str, base: str, was: Sequence[str] = (), moved_from: Sequence[str] = ()) -> None:
        """A target of the configuration: made, found again under an earlier name, or moved to another base.

        Raises Mistake where its base is another one than the history has, and none of `moved_from`.
        """
        with self._writing() as connection:
            row = connection.execute(select(tables.targets).where(tables.targets.c.name == name)).first()
            if row is None:
                old = connection.execute(select(tables.targets).where(tables.targets.c.name.in_(was))).first()
                if old is None:
                    connection.execute(insert(tables.targets).values(name=name, base=base))
                    return
                connection.execute(update(tables.targets).where(tables.targets.c.id == old.id).values(name=name))
                row = old
            if row.base == base:
                return
            if row.base not in moved_from:
                raise Mistake(moved_without_a_word(name, row.base, base))
            connection.execute(update(tables.targets).where(tables.targets.c.id == row.id).values(base=base))

    def record(self, one: Recorded) -> int:
        """Keep a look with all that follows from it. Its number; a slot that has its look already keeps that one."""
        return self.record_all([one])[0]

    def record_all(self, listed: Sequence[Recorded]) -> list[int]:
        """The same for several looks, in this order and in one transaction: all of it is kept, or nothing."""
        with self._writing() as connection:
            targets = self._target_ids(connection, {one.look.target for one in listed})
            there = self._numbered(connection, targets, [one.look for one in listed])
            new: dict[_Slot, Recorded] = {}
            for one in listed:
                slot = _slot_of(targets, one.look)
                if slot not in there:
                    new.setdefault(slot, one)
            there |= self._add_looks(connection, targets, [one.look for one in new.values()])
            sights = self._sights(connection, {(target, plan) for target, plan, *_ in new})
            last: dict[tuple[int, str], int] = {}
            for slot, one in new.items():
                place = slot[:2]
                sights[place] = self._keep(connection, slot[0], there[slot], one, sights.get(place, {}))
                last |= {place: there[slot]} if one.look.part == 0 else {}
            self._keep_sights(connection, sights, last)
            return [there[_slot_of(targets, one.look)] for one in listed]

    def _target_ids(self, connection: Connection, names: Iterable[str]) -> dict[str, int]:
        table, wanted = tables.targets, sorted(names)
        found: dict[str, int] = {}
        for part in _parts(wanted):
            rows = connection.execute(select(table.c.name, table.c.id).where(table.c.name.in_(part)))
            found.update((name, id_) for name, id_ in rows)
        missing = next((name for name in wanted if name not in found), None)
        if missing is not None:
            raise KeyError(f"The history knows no target {missing}.")
        return found

    def _numbered(
        self, connection: Connection, targets: Mapping[str, int], looks: Iterable[Look]
    ) -> dict["_Slot", int]:
        """The numbers of those of these looks whose slot has its look already."""
        table = tables.looks
        by_slot: dict[tuple[str, str], set[int]] = {}
        for look in looks:
            by_slot.setdefault((look.plan, look.slot), set()).add(targets[look.target])
        found: dict[_Slot, int] = {}
        for (plan, slot), ids in by_slot.items():
            for part in _parts(sorted(ids)):
                rows = connection.execute(
                    select(table.c.target, table.c.part, table.c.number).where(
                        table.c.target.in_(part), table.c.plan == plan, table.c.slot == slot
                    )
                )
                found.update(((target, plan, slot, number), look) for target, number, look in rows)
        return found

    def _add_looks(
        self, connection: Connection, targets: Mapping[str, int], looks: Sequence[Look]
    ) -> dict["_Slot", int]:
        """A row for each of these looks; their numbers rise in this order."""
        if not looks:
            return {}
        said = self._intern(connection, {word for look in looks for word in _words_of(look).values() if word})
        rows = []
        for look in looks:
            row = look.model_dump(mode="json", exclude={"number", "planned"})
            row |= {name: said[word] if word is not None else None for name, word in _words_of(look).items()}
            row |= {name: bytes.fromhex(row[name]) for name in _DIGESTS}
            rows.append(row | {"target": targets[look.target], "planned": _planned(look)})
        made = insert(tables.looks).returning(tables.looks.c.number, sort_by_parameter_order=True)
        numbers = [int(number) for number in connection.scalars(made, rows)]
        late = tables.days
        gone = delete(late).where(late.c.target == bindparam("at"), late.c.day == bindparam("on"))
        connection.execute(gone, [{"at": targets[look.target], "on": look.began[:10]} for look in looks])
        return {_slot_of(targets, look): number for look, number in zip(looks, numbers, strict=True)}

    def _keep(
        self, connection: Connection, target: int, number: int, one: Recorded, sight: dict[str, int]
    ) -> dict[str, int]:
        """All that follows from a look. Which looks saw the areas of facts last, after it."""
        look = one.look
        self._keep_changes(connection, target, look, number, one.delta, sight)
        if one.facts is not None:
            self._keep_facts(connection, target, look.plan, number, one.facts, sight)
            sight = sight | dict.fromkeys(one.facts.seen, number)
        self._keep_states(connection, target, one.states)
        for part in _parts(one.settled):
            gone = delete(tables.states).where(tables.states.c.target == target, tables.states.c.key.in_(part))
            connection.execute(gone)
        self._keep_news(connection, target, one.incidents, one.messages)
        return sight

    def _sights(
        self, connection: Connection, places: Iterable[tuple[int, str]]
    ) -> dict[tuple[int, str], dict[str, int]]:
        table = tables.sights
        by_plan: dict[str, list[int]] = {}
        for target, plan in sorted(places):
            by_plan.setdefault(plan, []).append(target)
        return {
            (row.target, plan): json.loads(row.line)
            for plan, targets in by_plan.items()
            for part in _parts(targets)
            for row in connection.execute(
                select(table.c.target, table.c.line).where(table.c.target.in_(part), table.c.plan == plan)
            )
        }

    def _keep_sights(
        self,
        connection: Connection,
        sights: Mapping[tuple[int, str], Mapping[str, int]],
        last: Mapping[tuple[int, str], int],
    ) -> None:
        table = tables.sights
        rows = [
            {"target": target, "plan": plan, "line": canonical(sight), "last": last.get((target, plan))}
            for (target, plan), sight in sights.items()
        ]
        if rows:
            made = (sqlite if self.is_sqlite else postgresql).insert(table)
            new = {"line": made.excluded.line, "last": func.coalesce(made.excluded.last, table.c.last)}
            connection.execute(made.on_conflict_do_update(index_elements=["target", "plan"], set_=new), rows)

    def _keep_states(self, connection: Connection, target: int, states: Iterable[KeyState]) -> None:
        rows = [{"target": target, "key": state.key, "course": state.course, "line": state.line()} for state in states]
        if rows:
            made = (sqlite if self.is_sqlite else postgresql).insert(tables.states)
            new = {name: made.excluded[name] for name in ("course", "line")}
            connection.execute(made.on_conflict_do_update(index_elements=["target", "key"], set_=new), rows)

    def tell(self, messages: Iterable[Told], marks: Mapping[str, str] = MappingProxyType({})) -> None:
        """Put messages that belong to no single look into the box of those to send; a known id is not put in again.

        `marks` are kept with them, or not at all: how far something was told.
        """
        with self._writing() as connection:
            self._keep_news(connection, 0, (), messages)
            self._mark(connection, marks)

    def _mark(self, connection: Connection, marks: Mapping[str, str]) -> None:
        for name, value in marks.items():
            self._upsert(connection, tables.about, {"name": f"mark.{name}", "value": value}, ("name",))

    def mark(self, name: str) -> str | None:
        """A mark that was kept with messages."""
        with self._reading() as connection:
            return connection.scalar(select(tables.about.c.value).where(tables.about.c.name == f"mark.{name}"))

    def rewatch(
        self,
        closed: Sequence[Incident],
        again: Sequence[Incident],
        messages: Iterable[Told] = (),
        marks: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Keep incidents that nobody looks at any more (closed), and those that are looked at again (open).

        Their courses stay as they are, which is why the first may be the second one day.
        """
        with self._writing() as connection:
            for one in (*closed, *again):
                self._keep_news(connection, self._target(connection, one.target), (one,), ())
            self._keep_news(connection, 0, (), messages)
            held = (set(self._unwatched(connection)) | {one.id for one in closed}) - {one.id for one in again}
            self._mark(connection, {**marks, UNWATCHED: canonical(sorted(held))})

    def unwatched(self) -> list[Incident]:
        """The incidents that were closed because nobody looks at them any more, under the present names of targets."""
        table, names = tables.incidents, tables.targets
        with self._reading() as connection:
            return [
                _under(row.name, Incident.model_validate_json(row.line))
                for part in _parts(self._unwatched(connection))
                for row in connection.execute(
                    select(table.c.line, names.c.name)
                    .join(names, names.c.id == table.c.target)
                    .where(table.c.id.in_(part))
                    .order_by(table.c.opened, table.c.id)
                )
            ]

    def _unwatched(self, connection: Connection) -> list[str]:
        marked = connection.scalar(select(tables.about.c.value).where(tables.about.c.name == f"mark.{UNWATCHED}"))
        return json.loads(marked) if marked is not None else []

    def look_back(self, count: int) -> str | None:
        """When the look began that was recorded so many looks ago; None where there are not so many."""
        table = tables.looks
        with self._reading() as connection:
            query = select(table.c.began).order_by(table.c.number.desc()).offset(count).limit(1)
            return connection.scalar(query)

    def keep_incidents(self, target: str, incidents: Sequence[Incident], states: Sequence[KeyState]) -> None:
        """Write incidents and courses that changed without a look, such as one that a person accepted."""
        with self._writing() as connection:
            id_ = self._target(connection, target)
            self._keep_states(connection, id_, states)
            self._keep_news(connection, id_, incidents, ())

    def delivered(self, one: Pending, *, state: str, due: str, why: str | None) -> None:
        """What became of sending a message: `sent`, `waiting` until `due`, or `failed`."""
        table = tables.deliveries
        with self._writing() as connection:
            connection.execute(
                update(table)
                .where(table.c.message == one.message.id, table.c.recipient == one.recipient)
                .values(state=state, tries=one.tries + 1, due=due, why=why)
            )

    def round_began(
        self, began: str, messages: Iterable[Told] = (), marks: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """A round of the monitor began, which shows later that it was alive; with what is told and marked at that."""
        with self._writing() as connection:
            self._keep_news(connection, 0, (), messages)
            self._mark(connection, marks)
            self._upsert(connection, tables.rounds, {"began": began, "looks": 0, "failed": 0}, ("began",))

    def round_ended(self, began: str, ended: str, looks: int, failed: int) -> None:
        """The same round ended, with so many looks; or it is at work still, and this is how far it came."""
        row = {"began": began, "ended": ended, "looks": looks, "failed": failed}
        with self._writing() as connection:
            self._upsert(connection, tables.rounds, row, ("began",))

    def folder_gone(self, numbers: Sequence[int]) -> None:
        """The run folders of these looks were removed."""
        with self._writing() as connection:
            for part in _parts(numbers):
                connection.execute(update(tables.looks).where(tables.looks.c.number.in_(part)).values(folder=None))

    def forget_rounds(self, before: str) -> None:
        """Thin what only says that the monitor was alive, and messages that were sent long ago."""
        with self._writing() as connection:
            connection.execute(delete(tables.rounds).where(tables.rounds.c.began < before))
            old = select(tables.messages.c.id).where(tables.messages.c.time < before)
            waiting = select(tables.deliveries.c.message).where(tables.deliveries.c.state == "waiting")
            gone = old.where(tables.messages.c.id.not_in(waiting))
            connection.execute(delete(tables.deliveries).where(tables.deliveries.c.message.in_(gone)))
            connection.execute(delete(tables.messages).where(tables.messages.c.id.in_(gone)))

    def keep_bundle(self, target: str, digest: str, runs: Sequence[str], line: str) -> None:
        """Note a bundle that was handed over, by the SHA-256 of its file, and its runs in their order: they stay."""
        with self._writing() as connection:
            id_ = self._target(connection, target)
            row = {"digest": digest, "target": id_, "first": runs[0], "last": runs[-1], "line": line}
            self._upsert(connection, tables.bundles, row, ("digest",))
            for run in runs:
                self._add(connection, tables.bundled, {"target": id_, "run": run})

    # Reading

    def is_rebuilding(self) -> bool:
        """Whether this history is being made anew, or that was cut short."""
        with self._reading() as connection:
            found = select(tables.about.c.value).where(tables.about.c.name == REBUILDING)
            return connection.scalar(found) is not None

    def is_empty(self) -> bool:
        """Whether there is no look at all."""
        with self._reading() as connection:
            return connection.scalar(select(tables.looks.c.number).limit(1)) is None

    def latest_of(self, plan: str, *, whole: bool = False) -> dict[str, Look]:
        """The look of the latest slot of each target by this plan; with `whole`, no second look."""
        names, of_one = tables.targets, tables.looks.alias("l")
        conditions = [of_one.c.target == names.c.id, of_one.c.plan == plan, *([of_one.c.part == 0] if whole else [])]
        last = (
            select(of_one.c.number)
            .where(*conditions)
            .order_by(of_one.c.slot.desc(), of_one.c.part.desc())
            .limit(1)
            .scalar_subquery()
        )
        with self._reading() as connection:
            rows = connection.execute(select(names.c.name, last.label("number"))).all()
            numbers = {row.number: row.name for row in rows if row.number is not None}
            looks = self._looks_numbered(connection, "", numbers)
            return {numbers[at]: one.model_copy(update={"target": numbers[at]}) for at, one in looks.items()}

    def last_changes(self) -> dict[str, str]:
        """When the look began that saw the last change of each target; targets without one are left out."""
        table, names = tables.changes, tables.targets
        last = select(func.max(table.c.look)).where(table.c.target == names.c.id).scalar_subquery()
        each = select(names.c.name, last.label("look")).subquery()
        looked = select(each.c.name, tables.looks.c.began).join(tables.looks, tables.looks.c.number == each.c.look)
        with self._reading() as connection:
            return {row.name: row.began for row in connection.execute(looked)}

    def first_looks(self) -> dict[str, str]:
        """When the first look at each target began."""
        table, names = tables.looks, tables.targets
        first = select(func.min(table.c.began)).where(table.c.target == names.c.id).scalar_subquery()
        with self._reading() as connection:
            rows = connection.execute(select(names.c.name, first.label("began")))
            return {row.name: row.began for row in rows if row.began is not None}

    def now(self, key: str, plan: str) -> dict[str, str]:
        """The value of one fact at every target, as it stands."""
        spans, names, value = tables.spans, tables.targets, tables.words
        with self._reading() as connection:
            ids = self._word_ids(connection, (key, plan))
            if len(ids) < 2:
                return {}
            rows = connection.execute(
                select(names.c.name, value.c.word)
                .select_from(names)
                .join(spans, and_(spans.c.target == names.c.id, spans.c.plan == ids[plan], spans.c.key == ids[key]))
                .join(value, value.c.id == spans.c.value)
                .where(spans.c.until.is_(None))
            )
            return {row.name: row.word for row in rows}

    def courses(self, target: str, plan: str, areas: Sequence[str]) -> list[Course]:
        """What each fact of these areas was from which look to which, in the order of keys and looks."""
        spans = tables.spans
        key, value = tables.words.alias("k"), tables.words.alias("v")
        with self._reading() as connection:
            id_, ids = self._known(connection, target), self._word_ids(connection, [plan])
            if id_ is None or plan not in ids:
                return []
            rows = connection.execute(
                select(key.c.word.label("key"), value.c.word.label("value"), spans.c.since, spans.c.until)
                .join(key, key.c.id == spans.c.key)
                .join(value, value.c.id == spans.c.value)
                .where(spans.c.target == id_, spans.c.plan == ids[plan])
            )
            found = [Course(row.key, row.value, row.since, row.until) for row in rows if _area(row.key) in areas]
        return sorted(found, key=lambda one: (one.key, one.since))

    def slots(self, target: str, plan: str) -> list[str]:
        """The slots of a plan that have their look, in the order of their names."""
        table = tables.looks
        with self._reading() as connection:
            id_ = self._known(connection, target)
            query = select(table.c.slot).where(table.c.target == id_, table.c.plan == plan, table.c.part == 0)
            return [row.slot for row in connection.execute(query.order_by(table.c.slot))]

    def begun_at(self, target: str, instants: Iterable[str]) -> dict[str, Look]:
        """The looks that began at these instants, by their runs."""
        table = tables.looks
        found: dict[str, Look] = {}
        for part in _parts(sorted(set(instants))):
            found |= {one.run: one for one in self._looks(target, table.c.began.in_(part))}
        return found

    def planned_looks(self, target: str, since: str, before: str | None = None) -> list[Look]:
        """The looks since an instant, up to another, that fell into a planned maintenance."""
        table = tables.looks
        conditions = [table.c.began >= since, table.c.planned != NOT_PLANNED, table.c.polls.is_not(None)]
        conditions += [table.c.began < before] if before is not None else []
        return self._looks(target, *conditions)

    def last_before(self, target: str, before: str) -> Look | None:
        """The last look that began before an instant."""
        table = tables.looks
        with self._reading() as connection:
            id_ = self._known(connection, target)
            query = select(table).where(table.c.target == id_, table.c.began < before)
            row = connection.execute(query.order_by(table.c.began.desc()).limit(1)).first()
            return self._as_looks(connection, [row], target)[0] if row is not None else None

    def has_round(self, begins: str, ends: str) -> bool | None:
        """Whether the monitor was alive between two instants; None where nothing so old is remembered."""
        table = tables.rounds
        with self._reading() as connection:
            at_work = func.coalesce(table.c.ended, table.c.began)
            query = select(table.c.began).where(table.c.began < ends, at_work >= begins).limit(1)
            if connection.scalar(query) is not None:
                return True
            first = connection.scalar(select(func.min(table.c.began)))
            return None if first is None or first >= begins else False

    def bundles(self) -> list[str]:
        """The lines of all bundles that were noted, in the order of their last runs."""
        table = tables.bundles
        with self._reading() as connection:
            return [row.line for row in connection.execute(select(table.c.line).order_by(table.c.last, table.c.digest))]

    def targets(self) -> dict[str, str]:
        """Every target by name, with its base."""
        with self._reading() as connection:
            rows = connection.execute(select(tables.targets.c.name, tables.targets.c.base).order_by("name"))
            return {row.name: row.base for row in rows}

    def look_of(self, target: str, plan: str, slot: str, part: int = 0) -> Look | None:
        """The look of a slot, if it was recorded."""
        table = tables.looks
        found = self._looks(target, table.c.plan == plan, table.c.slot == slot, table.c.part == part, most=1)
        return found[0] if found else None

    def slots_done(self, plan: str, slot: str) -> frozenset[str]:
        """The names of the targets whose look of this slot is recorded."""
        table, names = tables.looks, tables.targets
        with self._reading() as connection:
            joined = table.join(names, names.c.id == table.c.target)
            rows = select(names.c.name).select_from(joined).where(table.c.plan == plan, table.c.slot == slot)
            return frozenset(row.name for row in connection.execute(rows))

    def recorded(self, plan: str, slots: Iterable[str]) -> frozenset[tuple[str, str, int]]:
        """Target, slot and part of every look of these slots that is recorded."""
        table, names = tables.looks, tables.targets
        found: set[tuple[str, str, int]] = set()
        with self._reading() as connection:
            for part in _parts(sorted(set(slots))):
                rows = connection.execute(
                    select(names.c.name, table.c.slot, table.c.part)
                    .join(names, names.c.id == table.c.target)
                    .where(table.c.plan == plan, table.c.slot.in_(part))
                )
                found.update((name, slot, number) for name, slot, number in rows)
        return frozenset(found)

    def latest(self, targets: Iterable[str]) -> dict[tuple[str, str], Look]:
        """The look of each kind that was recorded last, a second look or not, by target and kind."""
        table, names = tables.looks, tables.targets
        found: dict[tuple[str, str], Look] = {}
        with self._reading() as connection:
            for part in _parts(sorted(set(targets))):
                newest = (
                    select(func.max(table.c.number))
                    .join(names, names.c.id == table.c.target)
                    .where(names.c.name.in_(part))
                    .group_by(table.c.target, table.c.plan)
                )
                rows = connection.execute(
                    select(table, names.c.name)
                    .join(names, names.c.id == table.c.target)
                    .where(table.c.number.in_(newest))
                ).all()
                for row, look in zip(rows, self._as_looks(connection, rows), strict=True):
                    found[row.name, look.plan] = look.model_copy(update={"target": row.name})
        return found

    def looks(self, target: str, *, plan: str | None = None, since: str | None = None, most: int = 0) -> list[Look]:
        """The looks at a target in the order in which they were recorded; with `most`, only the last so many."""
        table = tables.looks
        conditions = [table.c.plan == plan] if plan is not None else []
        conditions += [table.c.began >= since] if since is not None else []
        return self._looks(target, *conditions, most=most)

    def standing(self, target: str, plan: str) -> tuple[Facts, ...]:
        """The facts as they stand, apart by the look that last saw them: each area belongs to exactly one of these."""
        with self._reading() as connection:
            id_ = self._known(connection, target)
            return self._standing(connection, id_, target, plan) if id_ is not None else ()

    def before(self, target: str, plan: str) -> tuple[tuple[Facts, ...], dict[str, KeyState], tuple[Incident, ...]]:
        """What a look is held against, read at once: the facts as they stand, the courses, the open incidents."""
        states, incidents = tables.states, tables.incidents
        with self._reading() as connection:
            id_ = self._known(connection, target)
            if id_ is None:
                return (), {}, ()
            courses = connection.execute(select(states.c.key, states.c.line).where(states.c.target == id_)).all()
            open_now = connection.execute(
                select(incidents.c.line)
                .where(incidents.c.target == id_, incidents.c.closed.is_(None))
                .order_by(incidents.c.opened, incidents.c.id)
            ).all()
            return (
                self._standing(connection, id_, target, plan),
                {key: KeyState.model_validate_json(line) for key, line in courses},
                tuple(_under(target, Incident.model_validate_json(line)) for (line,) in open_now),
            )

    def _standing(self, connection: Connection, id_: int, target: str, plan: str) -> tuple[Facts, ...]:
        sight = self._sight(connection, id_, plan)
        if not sight:
            return ()
        by_look: dict[int, list[str]] = {}
        for area, number in sight.items():
            by_look.setdefault(number, []).append(area)
        found = self._looks_numbered(connection, target, by_look)
        spans = self._open_spans(connection, id_, plan)
        self._stood = _Stand(id_, plan, canonical(sight)), spans
        facts: dict[int, list[Fact]] = {number: [] for number in by_look}
        for key, (_, value, exchange, pointer) in spans.items():
            if (number := sight.get(_area(key), 0)) in facts:
                facts[number].append(Fact.trusted(key=key, value=value, exchange=exchange, pointer=pointer))
        return tuple(
            _facts(found[number], tuple(sorted(areas)), facts[number]) for number, areas in sorted(by_look.items())
        )

    def earlier(self, target: str, plan: str, keys: Iterable[str]) -> tuple[Facts, ...]:
        """What these keys were before they became what they are: facts that hold only them, the latest first."""
        spans = tables.spans
        with self._reading() as connection:
            id_ = self._known(connection, target)
            numbers = self._word_ids(connection, keys)
            plan_id = self._word_ids(connection, [plan]).get(plan)
            if id_ is None or plan_id is None or not numbers:
                return ()
            by_id = {number: key for key, number in numbers.items()}
            rows = connection.execute(
                select(spans.c.key, tables.words.c.word, spans.c.since, spans.c.until)
                .join(tables.words, tables.words.c.id == spans.c.value)
                .where(spans.c.target == id_, spans.c.plan == plan_id, spans.c.key.in_(list(by_id)))
                .where(spans.c.until.is_not(None))
                .order_by(spans.c.since.desc())
                .limit(MOST_EARLIER * len(by_id))
            ).all()
            looks = self._looks_numbered(connection, target, {row.since for row in rows})
            return tuple(
                _facts(
                    looks[row.since], (by_id[row.key].partition("/")[0],), [Fact(key=by_id[row.key], value=row.word)]
                )
                for row in rows
                if row.since in looks
            )

    def course(self, target: str, plan: str, area: str) -> list[Held]:
        """How the facts of an area went, such as the levels of all criteria, in the order of time."""
        spans, table = tables.spans, tables.looks
        with self._reading() as connection:
            id_ = self._known(connection, target)
            plan_id = self._word_ids(connection, [plan]).get(plan)
            if id_ is None or plan_id is None:
                return []
            ended = table.alias()
            rows = connection.execute(
                select(spans.c.key, spans.c.value, table.c.began.label("since"), ended.c.began.label("until"))
                .join(table, table.c.number == spans.c.since)
                .outerjoin(ended, ended.c.number == spans.c.until)
                .where(spans.c.target == id_, spans.c.plan == plan_id)
                .order_by(spans.c.since)
            ).all()
            said = self._said(connection, {number for row in rows for number in (row.key, row.value)})
            return [
                Held(said[key], said[value], since, until)
                for key, value, since, until in rows
                if _area(said[key]) == area
            ]

    def nth_latest(self, target: str, plan: str, count: int) -> int | None:
        """The number of the look before which there are `count` later ones, second looks aside; None without one."""
        table = tables.looks
        with self._reading() as connection:
            id_ = self._known(connection, target)
            query = select(table.c.number).where(table.c.target == id_, table.c.plan == plan, table.c.part == 0)
            return connection.scalar(query.order_by(table.c.number.desc()).offset(count - 1).limit(1))

    def folders(self, plan: str, before: str, *, keep_changes: bool) -> list[Kept]:
        """The run folders of one kind of look that began before an instant and are still there, oldest first.

        Without the last look at each target, those that are in a bundle, and with `keep_changes` those on either side
        of a change.
        """
        table, names, changed = tables.looks, tables.targets, tables.changes
        query = (
            select(table.c.number, names.c.name, table.c.run, table.c.folder)
            .join(names, names.c.id == table.c.target)
            .where(table.c.plan == plan, table.c.began < before, table.c.folder.is_not(None))
            .where(table.c.number.not_in(select(tables.sights.c.last).where(tables.sights.c.last.is_not(None))))
            .where(~exists().where(tables.bundled.c.target == table.c.target, tables.bundled.c.run == table.c.run))
            .order_by(table.c.number)
        )
        if keep_changes:
            query = query.where(~exists().where(changed.c.look == table.c.number))
            query = query.where(~exists().where(changed.c.before == table.c.number))
        with self._reading() as connection:
            return [Kept(number, name, run, folder) for number, name, run, folder in connection.execute(query)]

    def changes(
        self,
        *,
        target: str | None = None,
        plan: str | None = None,
        slot: str | None = None,
        since: int = 0,
        began: str | None = None,
        most: int = 0,
    ) -> list[tuple[int, str, Change]]:
        """Changes with the number of the look that saw them and the name of the target, oldest first.

        `began` leaves out those of looks that began before this instant; with `most` only the last so many are told.
        """
        table, names = tables.changes, tables.targets
        query = select(table.c.look, names.c.name, table.c.line).join(names, names.c.id == table.c.target)
        query = query.where(names.c.name == target) if target is not None else query
        query = query.where(table.c.plan == plan) if plan is not None else query
        query = query.where(table.c.slot == slot) if slot is not None else query
        query = query.where(table.c.look > since) if since else query
        if began is not None:
            query = query.join(tables.looks, tables.looks.c.number == table.c.look)
            query = query.where(tables.looks.c.began >= began)
        if most:
            query = query.order_by(table.c.look.desc(), table.c.number.desc()).limit(most)
        else:
            query = query.order_by(table.c.look, table.c.number)
        with self._reading() as connection:
            rows = connection.execute(query).all()
            told = [(int(row.look), row.name, Change.model_validate_json(row.line)) for row in rows]
            return told[::-1] if most else told

    def states(self, target: str) -> dict[str, KeyState]:
        """The courses of a target's keys."""
        table = tables.states
        with self._reading() as connection:
            id_ = self._known(connection, target)
            rows = connection.execute(select(table.c.key, table.c.line).where(table.c.target == id_)) if id_ else ()
            return {row.key: KeyState.model_validate_json(row.line) for row in rows}

    def suspects(self) -> dict[str, list[KeyState]]:
        """The keys that wait for a second look, by target."""
        table, names = tables.states, tables.targets
        query = select(names.c.name, table.c.line).join(names, names.c.id == table.c.target)
        found: dict[str, list[KeyState]] = {}
        with self._reading() as connection:
            for row in connection.execute(query.where(table.c.course == "suspect").order_by(names.c.name, table.c.key)):
                found.setdefault(row.name, []).append(KeyState.model_validate_json(row.line))
        return found

    def last_slots(self) -> dict[str, str]:
        """Of each kind of look the slot of its latest look, at whatever target."""
        table = tables.looks
        latest = select(func.max(tables.sights.c.last)).group_by(tables.sights.c.plan)
        with self._reading() as connection:
            rows = connection.execute(select(table.c.plan, table.c.slot).where(table.c.number.in_(latest)))
            return {row.plan: row.slot for row in rows}

    def incidents(
        self,
        *,
        target: str | None = None,
        open_only: bool = False,
        since: str | None = None,
        closed_since: str | None = None,
    ) -> list[Incident]:
        """Incidents in the order in which they were opened, under the names that their targets have now."""
        table, names = tables.incidents, tables.targets
        query = select(table.c.line, names.c.name).join(names, names.c.id == table.c.target)
        query = query.order_by(table.c.opened, table.c.id)
        query = query.where(names.c.name == target) if target is not None else query
        query = query.where(table.c.closed.is_(None)) if open_only else query
        query = query.where(table.c.opened >= since) if since is not None else query
        query = query.where(table.c.closed >= closed_since) if closed_since is not None else query
        with self._reading() as connection:
            return [_under(row.name, Incident.model_validate_json(row.line)) for row in connection.execute(query)]

    def messages(self, most: int = 200) -> list[Message]:
        """The latest messages, oldest first."""
        table = tables.messages
        with self._reading() as connection:
            rows = connection.execute(select(table.c.line).order_by(table.c.time.desc(), table.c.id.desc()).limit(most))
            return [Message.model_validate_json(row.line) for row in reversed(rows.all())]

    def pending(self, now: str) -> list[Pending]:
        """The messages that may be sent now.

        A clock that was put back leaves some that seem to belong to the future; they have waited long enough.
        """
        table, told = tables.deliveries, tables.messages
        moment = datetime.fromisoformat(now)
        ahead = told.c.time > instant(moment + AHEAD)
        due = or_(table.c.due <= now, table.c.due > instant(moment + LONGEST_WAIT), ahead)
        query = (
            select(told.c.line, table.c.recipient, table.c.tries, table.c.due)
            .join(told, told.c.id == table.c.message)
            .where(table.c.state == "waiting", due)
            .order_by(told.c.time, told.c.id, table.c.recipient)
        )
        with self._reading() as connection:
            return [
                Pending(Message.model_validate_json(row.line), row.recipient, row.tries, row.due)
                for row in connection.execute(query)
            ]

    def waiting(self) -> int:
        """How many messages wait to be sent to somebody, now or later."""
        table = tables.deliveries
        with self._reading() as connection:
            return int(connection.scalar(select(func.count()).where(table.c.state == "waiting")) or 0)

    def last_round(self, now: str | None = None) -> tuple[str, str | None] | None:
        """When the latest round began and ended (None where it was killed); None before the first.

        With `now`, the latest that had begun by then: a clock that was put back leaves later ones behind.
        """
        table = tables.rounds
        query = select(table).order_by(table.c.began.desc()).limit(1)
        query = query.where(table.c.began <= now) if now is not None else query
        with self._reading() as connection:
            row = connection.execute(query).first()
            return (row.began, row.ended) if row is not None else None

    def lines(
        self, target: str, base: str, plans: Sequence[str], probes: Iterable[str], since: str, before: str
    ) -> list[HistoryLine]:
        """A line for each of these probes and each look of these kinds since an instant, in the order of time."""
        wanted = {f"{area}/{probe}" for probe in probes for area in ("finding", "undecided")}
        found: list[HistoryLine] = []
        with self._reading() as connection:
            id_ = self._known(connection, target)
            keys = self._word_ids(connection, wanted)
            if id_ is None or not keys:
                return []
            for plan in plans:
                found += self._lines(connection, id_, base, plan, keys, since, before)
        return sorted(found, key=lambda line: (line.time, line.run, line.probe))

    def _lines(
        self,
        connection: Connection,
        target: int,
        base: str,
        plan: str,
        keys: Mapping[str, int],
        since: str,
        before: str,
    ) -> Iterator[HistoryLine]:
        table, spans = tables.looks, tables.spans
        known = self._word_ids(connection, [plan, base])
        if plan not in known or base not in known:
            return
        looks = connection.execute(
            select(table.c.number, table.c.run, table.c.environment, table.c.began, table.c.evidence, table.c.probes)
            .where(table.c.target == target, table.c.plan == plan, table.c.base == known[base])
            .where(table.c.began >= since, table.c.began < before, table.c.planned == NOT_PLANNED)
            .order_by(table.c.number)
        ).all()
        by_id = {number: key for key, number in keys.items()}
        rows = [
            row
            for part in _parts(sorted(by_id))
            for row in connection.execute(
                select(spans.c.key, spans.c.since, spans.c.until, spans.c.value).where(
                    spans.c.target == target, spans.c.plan == known[plan], spans.c.key.in_(part)
                )
            )
        ]
        said = self._said(connection, {row.value for row in rows} | {one.probes for one in looks if one.probes})
        asked = {one.number: None if one.probes is None else set(json.loads(said[one.probes])) for one in looks}
        numbers = [one.number for one in looks]

        def while_it_held(span: Any) -> Sequence[Any]:
            end = bisect_left(numbers, span.until) if span.until is not None else len(numbers)
            return looks[bisect_left(numbers, span.since) : end]

        undecided = {
            (look.number, by_id[row.key].partition("/")[2]): said[row.value]
            for row in rows
            if _area(by_id[row.key]) == "undecided"
            for look in while_it_held(row)
        }
        for row in rows:
            area, _, probe = by_id[row.key].partition("/")
            for look in while_it_held(row) if area == "finding" else ():
                if (only := asked[look.number]) is not None and probe not in only:
                    continue
                reason = undecided.pop((look.number, probe), None)
                yield HistoryLine.trusted(
                    schema_="prober/history/1",
                    run=look.run,
                    subject=base,
                    environment=look.environment,
                    time=look.began,
                    digest=look.evidence.hex(),
                    probe=probe,
                    outcome=said[row.value] if reason is None else "unknown",
                    reason=reason,
                )

    def poll_days(self, target: str, *, since: str, before: str, base: str | None = None) -> tuple[PollDay, ...]:
        """The polls of a target by UTC days, of looks that began from `since` on and before `before`.

        Days that are over are rolled up once and kept.
        """
        today = before[:10]
        rolled = self._rolled(target, since[:10], today)
        known = {one.day for one in rolled}
        found: dict[str, list[tuple[str, Poll]]] = {}
        missing = [day for day in self._days_with_looks(target, since[:10], before) if day not in known]
        if missing:
            # Behind every instant of a day stands a letter after its T.
            began = tables.looks.c.began
            for look in self._looks(target, began >= missing[0], began < min(f"{missing[-1]}U", before)):
                if look.polls is not None and look.began[:10] not in known:
                    found.setdefault(look.began[:10], []).append((look.evidence, unpacked(look)))
        made = {day: days_of(polls) for day, polls in found.items()}
        if not self.reading:
            self._roll_up(target, [one for day, those in made.items() if day != today for one in those])
        lines = [*rolled, *(one for those in made.values() for one in those)]
        return tuple(
            sorted(
                (one for one in lines if base is None or one.subject == base),
                key=lambda one: (one.day, one.subject, one.environment),
            )
        )

    def _days_with_looks(self, target: str, since: str, before: str) -> list[str]:
        table = tables.looks
        day = func.substr(table.c.began, 1, 10)
        with self._reading() as connection:
            id_ = self._known(connection, target)
            asked = select(day).where(table.c.target == id_, table.c.began >= since, table.c.began < before)
            return sorted(connection.scalars(asked.distinct()))

    def _rolled(self, target: str, since: str, before: str) -> list[PollDay]:
        table = tables.days
        with self._reading() as connection:
            id_ = self._known(connection, target)
            rows = connection.execute(
                select(table).where(table.c.target == id_, table.c.day >= since, table.c.day < before)
            ).all()
            return self._as_days(connection, rows)

    def _as_days(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[PollDay]:
        said = self._said(connection, {number for row in rows for number in (row.base, row.vantage)})
        return [
            unpacked_day(
                row.line,
                day=row.day,
                base=said[row.base],
                environment=row.environment,
                root=row.root.hex(),
                vantage=_names(said[row.vantage]),
            )
            for row in rows
        ]

    def _roll_up(self, target: str, lines: Sequence[PollDay]) -> None:
        if not lines:
            return
        with self._writing() as connection:
            id_ = self._target(connection, target)
            vantages = [canonical(list(one.vantage)) for one in lines]
            said = self._intern(connection, {*vantages, *(one.subject for one in lines)})
            rows = [
                {
                    "target": id_,
                    "day": one.day,
                    "base": said[one.subject],
                    "environment": one.environment,
                    "vantage": said[vantage],
                    "root": bytes.fromhex(one.root),
                    "line": packed_day(one),
                }
                for one, vantage in zip(lines, vantages, strict=True)
            ]
            made = (sqlite if self.is_sqlite else postgresql).insert(tables.days)
            new = {name: made.excluded[name] for name in ("vantage", "root", "line")}
            keys = ["target", "day", "base", "environment"]
            connection.execute(made.on_conflict_do_update(index_elements=keys, set_=new), rows)

    def overview(self, *, since: str, recent: str, detailed: bool, without: Collection[str] = frozenset()) -> Overview:
        """How all targets stand. `since` is the instant from which on looks count, `recent` the day from which on days
        of polls do; findings and levels only where it is to be `detailed`, `without` the facts of these keys."""
        table, sights, targets, polled = tables.looks, tables.sights, tables.targets, tables.days
        with self._reading() as connection:
            names = {row.id: row.name for row in connection.execute(select(targets.c.id, targets.c.name))}
            rows = connection.execute(
                select(table.c.target, table.c.plan, table.c.ended, table.c.up, table.c.certificate_ends)
                .join(sights, sights.c.last == table.c.number)
                .order_by(table.c.number)
            ).all()
            # Target by target, as the indexes go, so that what is older than asked for is not read.
            counted = connection.execute(
                select(table.c.target, table.c.plan, table.c.up, func.count())
                .where(table.c.target.in_(select(targets.c.id)))
                .where(table.c.began >= since, table.c.planned != LEFT_OUT, table.c.up != "undecided")
                .group_by(table.c.target, table.c.plan, table.c.up)
            )
            ups: dict[tuple[str, str], tuple[int, int]] = {}
            for target, plan, state, many in counted:
                up, down = ups.get((names[target], plan), (0, 0))
                ups[names[target], plan] = (up + many, down) if state == "up" else (up, down + many)
            days: dict[str, list[PollDay]] = {}
            rolled = connection.execute(
                select(polled).where(polled.c.target.in_(select(targets.c.id)), polled.c.day >= recent)
            ).all()
            for row, one in zip(rolled, self._as_days(connection, rolled), strict=True):
                days.setdefault(names[row.target], []).append(one)
            blind: dict[str, int] = {}
            courses = select(tables.states.c.target, tables.states.c.line).where(tables.states.c.key == "sight")
            for row in connection.execute(courses):
                blind[names[row.target]] = KeyState.model_validate_json(row.line).bad
            findings, criteria = self._details(connection, names, without) if detailed else ({}, {})
        return Overview(
            known=frozenset(names[row.target] for row in rows),
            last={(names[row.target], row.plan): (row.ended, row.up) for row in rows},
            ups=ups,
            certificate_ends={names[row.target]: row.certificate_ends for row in rows if row.certificate_ends},
            days={name: tuple(found) for name, found in days.items()},
            blind=blind,
            findings=findings,
            criteria=criteria,
        )

    def _details(
        self, connection: Connection, names: Mapping[int, str], without: Collection[str]
    ) -> tuple[dict[tuple[str, str], dict[str, int]], dict[tuple[str, str], dict[str, str]]]:
        spans, words = tables.spans, tables.words
        areas = ("finding", "undecided", "criterion")
        named = and_(or_(*(words.c.word.like(f"{area}/%") for area in areas)), words.c.word.not_in(without))
        keys = {row.id: row.word for row in connection.execute(select(words.c.id, words.c.word).where(named))}
        shown = select(words.c.id).where(named)
        rows = connection.execute(
            select(spans.c.target, spans.c.plan, spans.c.key, spans.c.value).where(
                spans.c.until.is_(None), spans.c.key.in_(shown)
            )
        ).all()
        said = self._said(connection, {row[1] for row in rows} | {row[3] for row in rows})
        apart = {id_: key.partition("/")[::2] for id_, key in keys.items()}
        outcomes: dict[tuple[str, str], dict[str, str]] = {}
        criteria: dict[tuple[str, str], dict[str, str]] = {}
        for target, plan, key, value in rows:
            area, name = apart[key]
            if area == "criterion":
                criteria.setdefault((names[target], said[plan]), {})[name] = said[value]
                continue
            known = outcomes.setdefault((names[target], said[plan]), {})
            if area == "undecided" or known.get(name) != "unknown":
                known[name] = "unknown" if area == "undecided" else said[value]
        return {place: dict(Counter(found.values())) for place, found in outcomes.items()}, criteria

    # Inside

    def _looks(self, target: str, *conditions: Any, most: int = 0) -> list[Look]:
        table = tables.looks
        with self._reading() as connection:
            id_ = self._known(connection, target)
            if id_ is None:
                return []
            query = select(table).where(table.c.target == id_, *conditions)
            if most:
                # The numbers alone stand in an index; sorting whole rows would read all of them.
                last = select(table.c.number).where(table.c.target == id_, *conditions)
                query = query.where(table.c.number.in_(last.order_by(table.c.number.desc()).limit(most)))
            rows = list(connection.execute(query.order_by(table.c.number)).all())
            return self._as_looks(connection, rows, target)

    def _looks_numbered(self, connection: Connection, target: str, numbers: Iterable[int]) -> dict[int, Look]:
        rows = [
            row
            for part in _parts(sorted(numbers))
            for row in connection.execute(select(tables.looks).where(tables.looks.c.number.in_(part)))
        ]
        return {one.number: one for one in self._as_looks(connection, rows, target)}

    def _as_looks(self, connection: Connection, rows: Sequence[Row[Any]], target: str = "") -> list[Look]:
        said = self._said(connection, {row._mapping[name] for row in rows for name in _WORDS} - {None})
        return [_look(row, target, said) for row in rows]

    def _keep_facts(
        self, connection: Connection, target: int, plan: str, number: int, facts: Facts, sight: Mapping[str, int]
    ) -> None:
        spans = tables.spans
        seen = set(facts.seen)
        plan_id = self._intern(connection, [plan])[plan]
        new = {fact.key: fact for fact in facts.facts if _area(fact.key) in seen}
        gone: list[int] = []
        elsewhere: list[tuple[int, Fact]] = []
        stood = self._stood
        if stood is None or stood[0] != _Stand(target, plan, canonical(sight)):
            held = self._open_spans(connection, target, plan)
        else:
            # Each record of facts alters the sight, so these are as they were.
            held = stood[1]
        self._stood = None
        for key, (key_id, value, exchange, pointer) in held.items():
            if _area(key) not in seen:
                continue
            fact = new.get(key)
            if fact is None or fact.value != value:
                gone.append(key_id)
                continue
            # The same fact, perhaps at another place of the answer: its span goes on.
            del new[key]
            if fact.exchange != exchange or fact.pointer != pointer:
                elsewhere.append((key_id, fact))
        of_this = spans.c.target == target, spans.c.plan == plan_id, spans.c.until.is_(None)
        for part in _parts(gone):
            connection.execute(update(spans).where(*of_this, spans.c.key.in_(part)).values(until=number))
        ids = self._intern(
            connection,
            {word for one in new.values() for word in (one.key, one.value, one.exchange, one.pointer)}
            | {word for _, one in elsewhere for word in (one.exchange, one.pointer)},
        )
        if elsewhere:
            moved = update(spans).where(*of_this, spans.c.key == bindparam("moved"))
            connection.execute(
                moved,
                [
                    {"moved": key_id, "exchange": ids[one.exchange], "pointer": ids[one.pointer]}
                    for key_id, one in elsewhere
                ],
            )
        rows = [
            {
                "target": target,
                "plan": plan_id,
                "key": ids[one.key],
                "since": number,
                "value": ids[one.value],
                "exchange": ids[one.exchange],
                "pointer": ids[one.pointer],
            }
            for one in new.values()
        ]
        if rows:
            connection.execute(insert(spans), rows)

    def _keep_changes(
        self,
        connection: Connection,
        target: int,
        look: Look,
        number: int,
        delta: Delta | None,
        sight: Mapping[str, int],
    ) -> None:
        if delta is None or not delta.changes:
            return
        table = tables.looks
        stood = select(table.c.run, table.c.number).where(table.c.number.in_(set(sight.values())))
        sides = {row.run: row.number for row in connection.execute(stood)}
        rows = [
            {
                "look": number,
                "number": place,
                "target": target,
                "plan": look.plan,
                "slot": look.slot,
                "judgement": change.judgement,
                "before": sides.get(change.before.run),
                "line": change.line(),
            }
            for place, change in enumerate(delta.changes)
        ]
        connection.execute(insert(tables.changes), rows)

    def _keep_news(
        self,
        connection: Connection,
        target: int,
        incidents: Iterable[Incident],
        messages: Iterable[Told],
    ) -> None:
        for one in incidents:
            row = {"id": one.id, "target": target, "opened": one.opened, "closed": one.closed, "line": one.line()}
            self._upsert(connection, tables.incidents, row, ("id",))
        for message, recipients in messages:
            row = {"id": message.id, "time": message.time, "line": message.line()}
            self._add(connection, tables.messages, row)
            for recipient, due in recipients:
                waiting = {"message": message.id, "recipient": recipient, "state": "waiting", "tries": 0, "due": due}
                self._add(connection, tables.deliveries, waiting)

    def _sight(self, connection: Connection, target: int, plan: str) -> dict[str, int]:
        table = tables.sights
        line = connection.scalar(select(table.c.line).where(table.c.target == target, table.c.plan == plan))
        return json.loads(line) if line is not None else {}

    def _open_spans(self, connection: Connection, target: int, plan: str) -> "_Spans":
        """What holds now, by key: the number of the key, the value, the exchange and the pointer."""
        spans = tables.spans
        plan_id = self._word_ids(connection, [plan]).get(plan)
        if plan_id is None:
            return {}
        rows = connection.execute(
            select(spans.c.key, spans.c.value, spans.c.exchange, spans.c.pointer).where(
                spans.c.target == target, spans.c.plan == plan_id, spans.c.until.is_(None)
            )
        ).all()
        # Words are known here already as a rule, so that joining them four times in the database would be for nothing.
        said = self._said(connection, {number for row in rows for number in row})
        return {said[key]: (key, said[value], said[exchange], said[pointer]) for key, value, exchange, pointer in rows}

    def _said(self, connection: Connection, numbers: Iterable[int]) -> Mapping[int, str]:
        """The words with these numbers, and others."""
        fresh: dict[str, int] = connection.info.get(_FRESH, {})
        missing = {one for one in numbers if one not in self._texts}
        if missing and fresh:
            missing.difference_update(fresh.values())
        words = tables.words
        for part in _parts(sorted(missing)):
            for number, word in connection.execute(select(words.c.id, words.c.word).where(words.c.id.in_(part))):
                self._texts[number] = word
                self._numbers[word] = number
        if not fresh:
            return self._texts
        return ChainMap({number: word for word, number in fresh.items()}, self._texts)

    def _word_ids(self, connection: Connection, wanted: Iterable[str]) -> dict[str, int]:
        """The numbers of words that were kept before."""
        every = set(wanted)
        fresh: dict[str, int] = connection.info.get(_FRESH, {})
        words = tables.words
        for part in _parts(sorted(one for one in every if one not in self._numbers and one not in fresh)):
            for number, word in connection.execute(select(words.c.id, words.c.word).where(words.c.word.in_(part))):
                self._texts[number] = word
                self._numbers[word] = number
        known = {one: self._numbers[one] for one in every if one in self._numbers}
        return known | {one: fresh[one] for one in every if one in fresh} if fresh else known

    def _intern(self, connection: Connection, wanted: Iterable[str]) -> dict[str, int]:
        """The numbers of words, which are kept now if they were not before."""
        every = set(wanted)
        known = self._word_ids(connection, every)
        new = sorted(every - set(known))
        if new:
            words = tables.words
            made = insert(words).returning(words.c.word, words.c.id)
            added = {row.word: row.id for row in connection.execute(made, [{"word": one} for one in new])}
            # Others may use them only once this transaction is kept: until then they may yet have no number.
            connection.info[_FRESH].update(added)
            known |= added
        return known

    def _target(self, connection: Connection, name: str) -> int:
        found = self._known(connection, name)
        if found is None:
            raise KeyError(f"The history knows no target {name}.")
        return found

    def _known(self, connection: Connection, name: str) -> int | None:
        return connection.scalar(select(tables.targets.c.id).where(tables.targets.c.name == name))

    def _upsert(self, connection: Connection, table: Any, row: Mapping[str, Any], keys: tuple[str, ...]) -> None:
        made = (sqlite if self.is_sqlite else postgresql).insert(table).values(dict(row))
        rest = {name: made.excluded[name] for name in row if name not in keys}
        connection.execute(made.on_conflict_do_update(index_elements=list(keys), set_=rest))

    def _add(self, connection: Connection, table: Any, row: Mapping[str, Any]) -> None:
        made = (sqlite if self.is_sqlite else postgresql).insert(table).values(dict(row))
        connection.execute(made.on_conflict_do_nothing())

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self.reading:
            raise TypeError("A history that was opened to be read is never written.")
        if self._lock is not None and not self.take_lock():
            raise HistoryAway(f"{self.shown}: the connection broke, and another monitor writes into this database now.")
        with self._words_for_faults(), self._engine.connect() as connection:
            fresh: dict[str, int] = {}
            connection.info[_FRESH] = fresh
            try:
                with connection.begin():
                    yield connection
            finally:
                del connection.info[_FRESH]
            self._numbers.update(fresh)
            self._texts.update((number, word) for word, number in fresh.items())

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._words_for_faults(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _words_for_faults(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise _lost(self.shown, error) from None
        except SQLAlchemyError as error:
            raise HistoryLost(f"{self.shown}: the history cannot be used ({type(error).__name__}).") from None


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # SQLAlchemy begins transactions itself, below.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _only_read(path: Path) -> URL:
    """The URL of a file that is only read. Where the folder may not be written and no monitor is at work, SQLite could
    not make its files of coordination beside it, so it is told that nobody writes."""
    alone = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    query = {"mode": "ro", "uri": "true", **({"immutable": "1"} if alone else {})}
    return URL.create("sqlite+pysqlite", database=f"file:{quote(str(path.absolute()))}", query=query)


def _prepare_reading(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=ON")


def _none_yet(shown: str) -> str:
    return f"{shown}: there is no history yet; it begins with the first round of `prober monitor`."


def _newer(shown: str, version: int) -> str:
    return (
        f"{shown}: this history was made by a newer prober (its tables are version {version}, this prober knows "
        f"{len(STEPS)}); use that one."
    )


def _not_known(known: Collection[str], since: str, before: str) -> list[tuple[str, str]]:
    """The ranges of days that are not rolled up, from a day up to an instant; one range over all if they are many."""
    last = date.fromisoformat(before[:10])
    ranges: list[tuple[str, str]] = []
    day = date.fromisoformat(since)
    begins: str | None = None
    while day < last:
        text = day.isoformat()
        if text in known and begins is not None:
            ranges.append((begins, text))
            begins = None
        elif text not in known and begins is None:
            begins = text
        day += timedelta(days=1)
    ranges.append((begins or before[:10], before))
    return ranges if len(ranges) <= MOST_RANGES else [(ranges[0][0], before)]


def _under(name: str, one: Incident) -> Incident:
    """An incident under the name that its target has now."""
    return one if one.target == name else one.model_copy(update={"target": name})


def _lost(shown: str, error: DBAPIError) -> HistoryLost:
    """What a database's error means for the person who runs the monitor."""
    words = str(error.orig).lower()
    if "locked" in words:
        return HistoryAway(
            f"{shown}: another program has locked this history for more than {WAIT_SECONDS} seconds; end that one."
        )
    if "is full" in words or "no space left" in words:
        return HistoryAway(
            f"{shown}: the disk is full; make room, and run the monitor again: the run folders are kept."
        )
    if "readonly" in words or "read-only" in words:
        return HistoryLost(f"{shown}: this history may not be written; give yourself the right, or move it.")
    if "malformed" in words or "not a database" in words or "corrupt" in words:
        return HistoryLost(_damaged(shown))
    if "disk i/o" in words:
        return HistoryAway(f"{shown}: the disk does not read or write this file; check the disk and the room on it.")
    if "unable to open" in words:
        return HistoryLost(f"{shown}: this file cannot be opened or written; check the folder and the disk.")
    # The words of PostgreSQL may hold parts of the URL, so only their kind is told.
    kind = type(error.orig).__name__
    if isinstance(error, OperationalError | InterfaceError | InternalError):
        return HistoryAway(f"{shown}: the database does not answer as it should ({kind}); is it running?")
    return HistoryLost(f"{shown}: the database refused what prober asked of it ({kind}); check the rights of its user.")


def _damaged(shown: str) -> str:
    return (
        f"{shown}: this history is damaged. Move the file away and make it anew from the run folders with "
        "`prober history --rebuild`."
    )


_Slot = tuple[int, str, str, int]
"""Target, kind of look, slot and part: what a look is found by."""
_Spans = dict[str, tuple[int, str, str, str]]
_FRESH = "prober.fresh"
"""Where a connection holds the words that its transaction made."""
_WORDS = ("base", "seen", "probes", "model")
_DIGESTS = ("digest", "evidence")


@dataclass(frozen=True)
class _Stand:
    """Which facts these are: the target's, of one kind of look, as the looks named in `sight` left them."""

    target: int
    plan: str
    sight: str


def _slot_of(targets: Mapping[str, int], look: Look) -> _Slot:
    return targets[look.target], look.plan, look.slot, look.part


def _words_of(look: Look) -> dict[str, str | None]:
    """The texts of a look that are kept as words, as `_WORDS` names them."""
    return {
        "base": look.base,
        "seen": canonical(list(look.seen)),
        "probes": canonical(list(look.probes)) if look.probes is not None else None,
        "model": look.model,
    }


def _planned(look: Look) -> int:
    if not look.planned:
        return NOT_PLANNED
    return LEFT_OUT if look.polls is not None and in_time(unpacked(look)) else PLANNED


def _look(row: Row[Any], target: str, said: Mapping[int, str]) -> Look:
    members = {name: row._mapping[name] for name in _COLUMNS}
    members |= {
        "target": target,
        "base": said[row.base],
        "seen": _names(said[row.seen]),
        "probes": _names(said[row.probes]) if row.probes is not None else None,
        "model": said[row.model] if row.model is not None else None,
        "digest": row.digest.hex(),
        "evidence": row.evidence.hex(),
        "planned": row.planned != NOT_PLANNED,
    }
    return Look.trusted(**members)


_COLUMNS = tuple(column.name for column in tables.looks.columns)


@lru_cache(maxsize=4_096)
def _names(text: str) -> tuple[str, ...]:
    """A list of names from its JSON; the same few come with thousands of looks."""
    return tuple(json.loads(text))


def _facts(row: Look, seen: tuple[str, ...], facts: Sequence[Fact]) -> Facts:
    return Facts.trusted(
        schema_="prober/facts/1",
        subject=row.base,
        environment=row.environment,
        depth=row.depth,
        run=row.run,
        started=row.began,
        digest=row.digest,
        seen=seen,
        facts=tuple(sorted(facts, key=lambda one: one.key)),
    )


@lru_cache(maxsize=65_536)
def _area(key: str) -> str:
    return key.partition("/")[0]


def _parts(values: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    """SQLite takes a limited number of values in one statement."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
