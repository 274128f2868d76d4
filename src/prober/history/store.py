"""The history: one repository over the tables, for a SQLite file or a PostgreSQL database.

One writer at a time. A look is recorded in one transaction with all that follows from it (changes, the courses of keys,
incidents, messages to send), so a kill leaves either all of it or nothing.
"""

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    and_,
    create_engine,
    delete,
    event,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from prober.history import tables
from prober.history.packing import unpacked
from prober.history.tables import STEPS
from prober.mistake import Mistake
from prober.nouns.base import canonical
from prober.nouns.facts import Change, Delta, Fact, Facts
from prober.nouns.history import HistoryLine
from prober.nouns.incident import Incident, KeyState, Message
from prober.nouns.look import Look
from prober.nouns.polls import Poll, PollDay
from prober.polls.days import days_of

WAIT_SECONDS = 10
"""How long a locked SQLite file is waited for."""
ADVISORY = 0x70726F626572
"""The key of the lock that a monitor holds in PostgreSQL: the letters of prober."""
REBUILDING = "rebuilding"
"""The name under which a history says that it is being made anew."""
MOST_RANGES = 20
"""So many ranges of days that are not rolled up are read one by one, more of them at once."""
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


@dataclass(frozen=True)
class Overview:
    """How all targets stand, by name, or by name and kind of look."""

    known: frozenset[str]
    last: Mapping[tuple[str, str], tuple[str, str]]
    """When the last look ended, and whether the target was up."""
    ups: Mapping[tuple[str, str], tuple[int, int]]
    """Decided looks outside of planned maintenance: how many found the target up, how many down."""
    certificate_ends: Mapping[str, str]
    days: Mapping[str, tuple[PollDay, ...]]
    """Days of polls that are over."""
    blind: Mapping[str, int]
    findings: Mapping[tuple[str, str], Mapping[str, int]]
    criteria: Mapping[str, Mapping[str, str]]


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
        self._words: dict[str, int] = {}
        self._lock: Connection | None = None
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
        if self._lock is not None:
            self._lock.close()
            self._lock = None
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
        with self._words_for_faults():
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if connection.scalar(select(func.pg_try_advisory_lock(ADVISORY))):
                self._lock = connection
                return True
            connection.close()
            return False

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
                raise Mistake(
                    f"The target {name} was {row.base} until now and is {base} in the configuration. If it is the same "
                    f"server, say `moved_from: [{row.base}]`; if it is another one, give it another name."
                )
            connection.execute(update(tables.targets).where(tables.targets.c.id == row.id).values(base=base))

    def record(self, one: Recorded) -> int:
        """Keep a look with all that follows from it. Its number; a slot that has its look already keeps that one."""
        look = one.look
        with self._writing() as connection:
            target = self._target(connection, look.target)
            values = look.model_dump(mode="json", exclude={"number", "target", "seen", "planned", "probes"})
            values |= {"target": target, "seen": canonical(list(look.seen)), "planned": int(look.planned)}
            values["probes"] = canonical(list(look.probes)) if look.probes is not None else None
            there = select(tables.looks.c.number).where(*_of_slot(target, look))
            if (number := connection.scalar(there)) is not None:
                return int(number)
            number = int(connection.execute(insert(tables.looks).values(values)).inserted_primary_key[0])  # type: ignore[index]
            late = tables.days.c.target == target, tables.days.c.day == look.began[:10]
            connection.execute(delete(tables.days).where(*late))
            if one.facts is not None:
                self._keep_facts(connection, target, look.plan, number, one.facts)
            self._keep_changes(connection, target, look, number, one.delta)
            for state in one.states:
                row = {"target": target, "key": state.key, "course": state.course, "line": state.line()}
                self._upsert(connection, tables.states, row, ("target", "key"))
            for part in _parts(one.settled):
                gone = delete(tables.states).where(tables.states.c.target == target, tables.states.c.key.in_(part))
                connection.execute(gone)
            self._keep_news(connection, target, one.incidents, one.messages)
            return number

    def tell(self, messages: Iterable[Told], marks: Mapping[str, str] = MappingProxyType({})) -> None:
        """Put messages that belong to no single look into the box of those to send; a known id is not put in again.

        `marks` are kept with them, or not at all: how far something was told.
        """
        with self._writing() as connection:
            self._keep_news(connection, 0, (), messages)
            for name, value in marks.items():
                self._upsert(connection, tables.about, {"name": f"mark.{name}", "value": value}, ("name",))

    def mark(self, name: str) -> str | None:
        """A mark that was kept with messages."""
        with self._reading() as connection:
            return connection.scalar(select(tables.about.c.value).where(tables.about.c.name == f"mark.{name}"))

    def keep_incidents(self, target: str, incidents: Sequence[Incident], states: Sequence[KeyState]) -> None:
        """Write incidents and courses that changed without a look, such as one that a person accepted."""
        with self._writing() as connection:
            id_ = self._target(connection, target)
            for state in states:
                row = {"target": id_, "key": state.key, "course": state.course, "line": state.line()}
                self._upsert(connection, tables.states, row, ("target", "key"))
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

    def round_began(self, began: str, messages: Iterable[Told] = ()) -> None:
        """A round of the monitor began, which shows later that it was alive; with what is told at that."""
        with self._writing() as connection:
            self._keep_news(connection, 0, (), messages)
            self._upsert(connection, tables.rounds, {"began": began, "looks": 0, "failed": 0}, ("began",))

    def round_ended(self, began: str, ended: str, looks: int, failed: int) -> None:
        """The same round ended, with so many looks."""
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

    def keep_bundle(self, target: str, digest: str, first: str, last: str, line: str) -> None:
        """Note a bundle that was handed over, by the SHA-256 of its file."""
        with self._writing() as connection:
            id_ = self._target(connection, target)
            row = {"digest": digest, "target": id_, "first": first, "last": last, "line": line}
            self._upsert(connection, tables.bundles, row, ("digest",))

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

    def latest(self, plan: str, *, whole: bool = False) -> dict[str, Look]:
        """The look of the latest slot of each target by this plan; with `whole`, no second look."""
        table, names = tables.looks, tables.targets
        of_one = table.alias("l")
        conditions = [of_one.c.target == names.c.id, of_one.c.plan == plan, *([of_one.c.part == 0] if whole else [])]
        last = (
            select(of_one.c.number)
            .where(*conditions)
            .order_by(of_one.c.slot.desc(), of_one.c.part.desc())
            .limit(1)
            .scalar_subquery()
        )
        with self._reading() as connection:
            numbers = {row.number: row.name for row in connection.execute(select(names.c.name, last.label("number")))}
            found: dict[str, Look] = {}
            for part in _parts([number for number in numbers if number is not None]):
                for row in connection.execute(_looks_numbered(table.c.number.in_(part))):
                    found[numbers[row.number]] = _look(row, numbers[row.number])
            return found

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
        conditions = [table.c.began >= since, table.c.planned == 1, table.c.polls.is_not(None)]
        conditions += [table.c.began < before] if before is not None else []
        return self._looks(target, *conditions)

    def last_before(self, target: str, before: str) -> Look | None:
        """The last look that began before an instant."""
        table = tables.looks
        with self._reading() as connection:
            id_ = self._known(connection, target)
            query = select(table).where(table.c.target == id_, table.c.began < before)
            row = connection.execute(query.order_by(table.c.began.desc()).limit(1)).first()
            return _look(row, target) if row is not None else None

    def has_round(self, begins: str, ends: str) -> bool | None:
        """Whether the monitor was alive between two instants; None where nothing so old is remembered."""
        table = tables.rounds
        with self._reading() as connection:
            query = select(table.c.began).where(table.c.began >= begins, table.c.began < ends).limit(1)
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
            if id_ is None:
                return ()
            sight = self._sight(connection, id_, plan)
            if not sight:
                return ()
            by_look: dict[int, list[str]] = {}
            for area, number in sight.items():
                by_look.setdefault(number, []).append(area)
            found = {
                row.number: row for row in connection.execute(_looks_numbered(tables.looks.c.number.in_(list(by_look))))
            }
            facts: dict[str, list[Fact]] = {}
            for row in connection.execute(self._open_spans(connection, id_, plan)):
                fact = Fact(key=row.key, value=row.value, exchange=row.exchange, pointer=row.pointer)
                facts.setdefault(_area(row.key), []).append(fact)
            return tuple(
                _facts(found[number], tuple(sorted(areas)), [fact for area in areas for fact in facts.get(area, ())])
                for number, areas in sorted(by_look.items())
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
            looks = {
                row.number: row
                for row in connection.execute(_looks_numbered(tables.looks.c.number.in_({r.since for r in rows})))
            }
            return tuple(
                _facts(
                    looks[row.since], (by_id[row.key].partition("/")[0],), [Fact(key=by_id[row.key], value=row.word)]
                )
                for row in rows
                if row.since in looks
            )

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
        latest = select(func.max(table.c.number)).where(table.c.part == 0).group_by(table.c.plan)
        with self._reading() as connection:
            rows = connection.execute(select(table.c.plan, table.c.slot).where(table.c.number.in_(latest)))
            return {row.plan: row.slot for row in rows}

    def incidents(
        self, *, target: str | None = None, open_only: bool = False, since: str | None = None
    ) -> list[Incident]:
        """Incidents in the order in which they were opened."""
        table, names = tables.incidents, tables.targets
        query = select(table.c.line).order_by(table.c.opened, table.c.id)
        if target is not None:
            query = query.join(names, names.c.id == table.c.target).where(names.c.name == target)
        query = query.where(table.c.closed.is_(None)) if open_only else query
        query = query.where(table.c.opened >= since) if since is not None else query
        with self._reading() as connection:
            return [Incident.model_validate_json(row.line) for row in connection.execute(query)]

    def messages(self, most: int = 200) -> list[Message]:
        """The latest messages, oldest first."""
        table = tables.messages
        with self._reading() as connection:
            rows = connection.execute(select(table.c.line).order_by(table.c.time.desc(), table.c.id.desc()).limit(most))
            return [Message.model_validate_json(row.line) for row in reversed(rows.all())]

    def pending(self, now: str) -> list[Pending]:
        """The messages that may be sent now."""
        table, told = tables.deliveries, tables.messages
        query = (
            select(told.c.line, table.c.recipient, table.c.tries)
            .join(told, told.c.id == table.c.message)
            .where(table.c.state == "waiting", table.c.due <= now)
            .order_by(told.c.time, told.c.id, table.c.recipient)
        )
        with self._reading() as connection:
            return [
                Pending(Message.model_validate_json(row.line), row.recipient, row.tries)
                for row in connection.execute(query)
            ]

    def waiting(self) -> int:
        """How many messages wait to be sent to somebody, now or later."""
        table = tables.deliveries
        with self._reading() as connection:
            return int(connection.scalar(select(func.count()).where(table.c.state == "waiting")) or 0)

    def last_round(self) -> tuple[str, str | None] | None:
        """When the latest round began and ended (None where it was killed); None before the first."""
        table = tables.rounds
        with self._reading() as connection:
            row = connection.execute(select(table).order_by(table.c.began.desc()).limit(1)).first()
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
        looks = connection.execute(
            _looks_numbered(table.c.target == target, table.c.plan == plan, table.c.base == base)
            .where(table.c.began >= since, table.c.began < before)
            .order_by(table.c.number)
        ).all()
        plan_id = self._word_ids(connection, [plan]).get(plan)
        if not looks or plan_id is None:
            return
        by_id = {number: key for key, number in keys.items()}
        rows = connection.execute(
            select(spans.c.key, spans.c.since, spans.c.until, tables.words.c.word)
            .join(tables.words, tables.words.c.id == spans.c.value)
            .where(spans.c.target == target, spans.c.plan == plan_id, spans.c.key.in_(list(by_id)))
        ).all()
        asked = {look.number: None if look.probes is None else set(json.loads(look.probes)) for look in looks}
        undecided = {
            (look.number, by_id[row.key].partition("/")[2]): row.word
            for row in rows
            if _area(by_id[row.key]) == "undecided"
            for look in looks
            if _holds(row, look.number)
        }
        for row in rows:
            area, _, probe = by_id[row.key].partition("/")
            for look in looks if area == "finding" else ():
                if not _holds(row, look.number):
                    continue
                if (only := asked[look.number]) is not None and probe not in only:
                    continue
                reason = undecided.pop((look.number, probe), None)
                outcome: Any = row.word if reason is None else "unknown"
                yield HistoryLine(
                    run=look.run,
                    subject=base,
                    environment=look.environment,
                    time=look.began,
                    digest=look.evidence,
                    probe=probe,
                    outcome=outcome,
                    reason=reason,
                )

    def poll_days(self, target: str, *, since: str, before: str, base: str | None = None) -> tuple[PollDay, ...]:
        """The polls of a target by UTC days, of looks that began from `since` on and before `before`.

        Days that are over are rolled up once and kept.
        """
        today = before[:10]
        rolled = self._rolled(target, since[:10], today)
        known = {day for day, _ in rolled}
        found: dict[str, list[tuple[str, Poll]]] = {}
        for begins, ends in _not_known(known, since[:10], before):
            for look in self._looks(target, tables.looks.c.began >= begins, tables.looks.c.began < ends):
                if look.polls is not None and look.began[:10] not in known:
                    found.setdefault(look.began[:10], []).append((look.evidence, unpacked(look)))
        lines = [line for _, line in rolled]
        for day, polls in found.items():
            made = days_of(polls)
            lines += made
            if day != today and not self.reading:
                self._roll_up(target, made)
        return tuple(
            sorted(
                (one for one in lines if base is None or one.subject == base),
                key=lambda one: (one.day, one.subject, one.environment),
            )
        )

    def _rolled(self, target: str, since: str, before: str) -> list[tuple[str, PollDay]]:
        table = tables.days
        with self._reading() as connection:
            id_ = self._known(connection, target)
            rows = connection.execute(
                select(table.c.day, table.c.line).where(
                    table.c.target == id_, table.c.day >= since, table.c.day < before
                )
            )
            return [(row.day, PollDay.model_validate_json(row.line)) for row in rows]

    def _roll_up(self, target: str, lines: Sequence[PollDay]) -> None:
        with self._writing() as connection:
            id_ = self._target(connection, target)
            for one in lines:
                row = {
                    "target": id_,
                    "day": one.day,
                    "base": one.subject,
                    "environment": one.environment,
                    "line": one.line(),
                }
                self._upsert(connection, tables.days, row, ("target", "day", "base", "environment"))

    def overview(self, *, since: str, recent: str, detailed: bool) -> Overview:
        """How all targets stand. `since` is the instant from which on looks count, `recent` the day from which on days
        of polls do; findings and levels only where it is to be `detailed`."""
        table = tables.looks
        with self._reading() as connection:
            names = {row.id: row.name for row in connection.execute(select(tables.targets.c.id, tables.targets.c.name))}
            latest = select(func.max(table.c.number)).where(table.c.part == 0).group_by(table.c.target, table.c.plan)
            rows = connection.execute(_looks_numbered(table.c.number.in_(latest)).order_by(table.c.number)).all()
            counted = connection.execute(
                select(table.c.target, table.c.plan, table.c.up, func.count().label("many"))
                .where(table.c.began >= since, table.c.planned == 0, table.c.up != "undecided")
                .group_by(table.c.target, table.c.plan, table.c.up)
            )
            ups: dict[tuple[str, str], tuple[int, int]] = {}
            for row in counted:
                up, down = ups.get((names[row.target], row.plan), (0, 0))
                more = (row.many, 0) if row.up == "up" else (0, row.many)
                ups[names[row.target], row.plan] = (up + more[0], down + more[1])
            days: dict[str, list[PollDay]] = {}
            rolled = select(tables.days.c.target, tables.days.c.line).where(tables.days.c.day >= recent)
            for row in connection.execute(rolled):
                days.setdefault(names[row.target], []).append(PollDay.model_validate_json(row.line))
            blind: dict[str, int] = {}
            sights = select(tables.states.c.target, tables.states.c.line).where(tables.states.c.key == "sight")
            for row in connection.execute(sights):
                blind[names[row.target]] = KeyState.model_validate_json(row.line).bad
            findings, criteria = self._details(connection, names) if detailed else ({}, {})
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
        self, connection: Connection, names: Mapping[int, str]
    ) -> tuple[dict[tuple[str, str], dict[str, int]], dict[str, dict[str, str]]]:
        spans = tables.spans
        key, value, plan = (tables.words.alias(name) for name in ("k", "v", "p"))
        shown = key.c.word.like("finding/%") | key.c.word.like("undecided/%") | key.c.word.like("criterion/%")
        rows = connection.execute(
            select(spans.c.target, plan.c.word.label("plan"), key.c.word.label("key"), value.c.word.label("value"))
            .join(key, key.c.id == spans.c.key)
            .join(value, value.c.id == spans.c.value)
            .join(plan, plan.c.id == spans.c.plan)
            .where(spans.c.until.is_(None), shown)
        )
        outcomes: dict[tuple[str, str], dict[str, str]] = {}
        criteria: dict[str, dict[str, str]] = {}
        for row in rows:
            area, _, name = row.key.partition("/")
            if area == "criterion":
                criteria.setdefault(names[row.target], {})[name] = row.value
                continue
            known = outcomes.setdefault((names[row.target], row.plan), {})
            if area == "undecided" or known.get(name) != "unknown":
                known[name] = "unknown" if area == "undecided" else row.value
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
                rows = list(reversed(connection.execute(query.order_by(table.c.number.desc()).limit(most)).all()))
            else:
                rows = list(connection.execute(query.order_by(table.c.number)).all())
            return [_look(row, target) for row in rows]

    def _keep_facts(self, connection: Connection, target: int, plan: str, number: int, facts: Facts) -> None:
        spans = tables.spans
        sight = self._sight(connection, target, plan)
        seen = set(facts.seen)
        plan_id = self._intern(connection, [plan])[plan]
        new = {fact.key: fact for fact in facts.facts if _area(fact.key) in seen}
        gone: list[int] = []
        elsewhere: list[Fact] = []
        numbers: dict[str, int] = {}
        for row in connection.execute(self._open_spans(connection, target, plan)):
            if _area(row.key) not in seen:
                continue
            fact = new.get(row.key)
            if fact is None or fact.value != row.value:
                gone.append(row.key_id)
                continue
            # The same fact, perhaps at another place of the answer: its span goes on.
            del new[row.key]
            if (fact.exchange, fact.pointer) != (row.exchange, row.pointer):
                elsewhere.append(fact)
                numbers[fact.key] = row.key_id
        for part in _parts(gone):
            connection.execute(
                update(spans)
                .where(spans.c.target == target, spans.c.plan == plan_id)
                .where(spans.c.key.in_(part), spans.c.until.is_(None))
                .values(until=number)
            )
        written = [*new.values(), *elsewhere]
        ids = self._intern(
            connection, {word for one in written for word in (one.key, one.value, one.exchange, one.pointer)}
        )
        for fact in elsewhere:
            connection.execute(
                update(spans)
                .where(spans.c.target == target, spans.c.plan == plan_id)
                .where(spans.c.key == numbers[fact.key], spans.c.until.is_(None))
                .values(exchange=ids[fact.exchange], pointer=ids[fact.pointer])
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
        line = canonical(sight | dict.fromkeys(facts.seen, number))
        self._upsert(connection, tables.sights, {"target": target, "plan": plan, "line": line}, ("target", "plan"))

    def _keep_changes(self, connection: Connection, target: int, look: Look, number: int, delta: Delta | None) -> None:
        rows = [
            {
                "look": number,
                "number": place,
                "target": target,
                "plan": look.plan,
                "slot": look.slot,
                "judgement": change.judgement,
                "line": change.line(),
            }
            for place, change in enumerate(delta.changes if delta is not None else ())
        ]
        if rows:
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

    def _open_spans(self, connection: Connection, target: int, plan: str) -> Any:
        spans = tables.spans
        key, value, exchange, pointer = (tables.words.alias(name) for name in ("k", "v", "e", "p"))
        plan_id = self._word_ids(connection, [plan]).get(plan, -1)
        joined = (
            spans.join(key, key.c.id == spans.c.key)
            .join(value, value.c.id == spans.c.value)
            .join(exchange, exchange.c.id == spans.c.exchange)
            .join(pointer, pointer.c.id == spans.c.pointer)
        )
        return (
            select(
                spans.c.key.label("key_id"),
                key.c.word.label("key"),
                value.c.word.label("value"),
                exchange.c.word.label("exchange"),
                pointer.c.word.label("pointer"),
            )
            .select_from(joined)
            .where(and_(spans.c.target == target, spans.c.plan == plan_id, spans.c.until.is_(None)))
        )

    def _word_ids(self, connection: Connection, wanted: Iterable[str]) -> dict[str, int]:
        """The numbers of words that were kept before."""
        every = set(wanted)
        missing = sorted(one for one in every if one not in self._words)
        for part in _parts(missing):
            rows = connection.execute(select(tables.words).where(tables.words.c.word.in_(part)))
            self._words.update({row.word: row.id for row in rows})
        return {one: self._words[one] for one in every if one in self._words}

    def _intern(self, connection: Connection, wanted: Iterable[str]) -> dict[str, int]:
        every = set(wanted)
        known = self._word_ids(connection, every)
        new = sorted(every - set(known))
        if new:
            connection.execute(insert(tables.words), [{"word": one} for one in new])
            known |= self._word_ids(connection, new)
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
        before = dict(self._words)
        try:
            with self._words_for_faults(), self._engine.begin() as connection:
                yield connection
        except BaseException:
            # Words that were not kept in the end have no number.
            self._words = before
            raise

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._words_for_faults(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _words_for_faults(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise HistoryLost(_said(self.shown, error)) from None
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


def _said(shown: str, error: DBAPIError) -> str:
    """What a database's error means for the person who runs the monitor."""
    words = str(error.orig).lower()
    if "locked" in words:
        return f"{shown}: another program has locked this history for more than {WAIT_SECONDS} seconds; end that one."
    if "full" in words:
        return f"{shown}: the disk is full; make room, and run the monitor again: the run folders are kept."
    if "readonly" in words or "read-only" in words:
        return f"{shown}: this history may not be written; give yourself the right, or move it."
    if "malformed" in words or "not a database" in words or "corrupt" in words:
        return _damaged(shown)
    if "disk i/o" in words or "unable to open" in words:
        return f"{shown}: this file cannot be opened or written; check the folder and the disk."
    # The words of PostgreSQL may hold parts of the URL, so only their kind is told.
    return f"{shown}: the database does not answer as it should ({type(error.orig).__name__}); is it running?"


def _damaged(shown: str) -> str:
    return (
        f"{shown}: this history is damaged. Move the file away and make it anew from the run folders with "
        "`prober history --rebuild`."
    )


def _of_slot(target: int, look: Look) -> tuple[Any, ...]:
    table = tables.looks
    return (
        table.c.target == target,
        table.c.plan == look.plan,
        table.c.slot == look.slot,
        table.c.part == look.part,
    )


def _looks_numbered(*conditions: Any) -> Any:
    return select(tables.looks).where(*conditions)


def _look(row: Row[Any], target: str) -> Look:
    members = {name: value for name, value in row._mapping.items() if name != "target"}
    members |= {"target": target, "seen": tuple(json.loads(row.seen)), "planned": bool(row.planned)}
    members["probes"] = tuple(json.loads(row.probes)) if row.probes is not None else None
    return Look.trusted(**members)


def _facts(row: Row[Any], seen: tuple[str, ...], facts: Sequence[Fact]) -> Facts:
    return Facts(
        subject=row.base,
        environment=row.environment,
        depth=row.depth,
        run=row.run,
        started=row.began,
        digest=row.digest,
        seen=seen,
        facts=tuple(sorted(facts, key=lambda one: one.key)),
    )


def _holds(span: Any, number: int) -> bool:
    return bool(span.since <= number and (span.until is None or number < span.until))


def _area(key: str) -> str:
    return key.partition("/")[0]


def _parts(values: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    """SQLite takes a limited number of values in one statement."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
