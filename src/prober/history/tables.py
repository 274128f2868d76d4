"""The tables of the history, the same in SQLite and PostgreSQL, and the steps from one version of them to the next.

A look is one row. What it saw is kept as spans: a fact holds from the look that first saw it until the look that saw it
otherwise, so a night on which nothing changed adds nothing but its own row. Texts that come again and again are kept
once, as words, and named by their numbers; digests are kept as their 32 bytes.
"""

import json
from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    bindparam,
    select,
    update,
)
from sqlalchemy import UniqueConstraint as Unique

NOT_PLANNED, PLANNED, LEFT_OUT = 0, 1, 2
"""What `planned` says of a look: outside of any maintenance; in some; in some that was announced in time, so that it is
left out of what is counted."""

metadata = MetaData()
# SQLite numbers rows by itself only where the key is INTEGER.
_Id = BigInteger().with_variant(Integer(), "sqlite")

about = Table(
    "about",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
targets = Table(
    "targets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("base", Text, nullable=False),
)
looks = Table(
    "looks",
    metadata,
    Column("number", _Id, primary_key=True),
    Column("target", Integer, nullable=False),
    Column("plan", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("part", SmallInteger, nullable=False),
    Column("base", Integer, nullable=False),
    Column("run", Text, nullable=False),
    Column("began", Text, nullable=False),
    Column("ended", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("depth", Text, nullable=False),
    Column("ending", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("evidence", LargeBinary, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("up", Text, nullable=False),
    Column("reason", Text),
    Column("planned", SmallInteger, nullable=False),
    Column("polls", Text),
    Column("probes", Integer),
    Column("seen", Integer, nullable=False),
    Column("certificate", Text),
    Column("certificate_ends", Text),
    Column("label", Text),
    Column("model", Integer),
    Column("folder", Text),
    Unique("target", "plan", "slot", "part", name="one_look_for_each_slot"),
    # Holds what is counted over all targets, so that no row need be read for it.
    Index("looks_by_time", "target", "began", "plan", "up", "planned"),
    Index("looks_by_slot", "plan", "slot"),
)
"""`base`, `probes`, `seen` and `model` are words: of hundreds of thousands of looks they would be most of the bytes."""
Index(
    "looks_with_folders",
    looks.c.plan,
    looks.c.began,
    sqlite_where=looks.c.folder.is_not(None),
    postgresql_where=looks.c.folder.is_not(None),
)
words = Table(
    "words",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("word", Text, nullable=False, unique=True),
)
spans = Table(
    "spans",
    metadata,
    Column("target", Integer, primary_key=True, autoincrement=False),
    Column("plan", Integer, primary_key=True, autoincrement=False),
    Column("key", Integer, primary_key=True, autoincrement=False),
    Column("since", _Id, primary_key=True, autoincrement=False),
    Column("until", _Id),
    Column("value", Integer, nullable=False),
    Column("exchange", Integer, nullable=False),
    Column("pointer", Integer, nullable=False),
    sqlite_with_rowid=False,
)
sights = Table(
    "sights",
    metadata,
    Column("target", Integer, primary_key=True, autoincrement=False),
    Column("plan", Text, primary_key=True),
    Column("line", Text, nullable=False),
    Column("last", _Id),
    sqlite_with_rowid=False,
)
"""Of each kind of look: the look that last saw each area of facts, and the last one that was no second look."""
changes = Table(
    "changes",
    metadata,
    Column("look", _Id, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("target", Integer, nullable=False),
    Column("plan", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("judgement", Text, nullable=False),
    Column("before", _Id),
    Column("line", Text, nullable=False),
    Index("changes_by_slot", "plan", "slot"),
    Index("changes_by_target", "target", "look"),
    Index("changes_before", "before"),
    sqlite_with_rowid=False,
)
"""`before` is the look on the other side of the change."""
states = Table(
    "states",
    metadata,
    Column("target", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("course", Text, nullable=False),
    Column("line", Text, nullable=False),
    Index("states_by_course", "course"),
    sqlite_with_rowid=False,
)
incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("target", Integer, nullable=False),
    Column("opened", Text, nullable=False),
    Column("closed", Text),
    Column("line", Text, nullable=False),
    Index("incidents_by_target", "target", "opened"),
    Index("incidents_open", "closed"),
)
messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("time", Text, nullable=False),
    Column("line", Text, nullable=False),
    Index("messages_by_time", "time"),
)
deliveries = Table(
    "deliveries",
    metadata,
    Column("message", Text, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due", Text, nullable=False),
    Column("why", Text),
    Index("deliveries_waiting", "state", "due"),
)
rounds = Table(
    "rounds",
    metadata,
    Column("began", Text, primary_key=True),
    Column("ended", Text),
    Column("looks", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
)
days = Table(
    "days",
    metadata,
    Column("target", Integer, primary_key=True, autoincrement=False),
    Column("day", Text, primary_key=True),
    Column("base", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, primary_key=True),
    Column("vantage", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("line", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Polls of whole UTC days, rolled up (`base` and `vantage` are words). A look that is recorded late takes its day away
again."""
bundles = Table(
    "bundles",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("target", Integer, nullable=False),
    Column("first", Text, nullable=False),
    Column("last", Text, nullable=False),
    Column("line", Text, nullable=False),
)
bundled = Table(
    "bundled",
    metadata,
    Column("target", Integer, primary_key=True, autoincrement=False),
    Column("run", Text, primary_key=True),
    sqlite_with_rowid=False,
)
"""The runs that are in a bundle which was handed over."""


def _first(connection: Connection) -> None:
    metadata.create_all(connection)


def _second(connection: Connection) -> None:
    """Looks in any maintenance at all were left out of the counts before. What each fell into stands in its polls."""
    rows = connection.execute(select(looks.c.number, looks.c.began, looks.c.polls).where(looks.c.planned == PLANNED))
    left_out = []
    for number, began, polls in rows:
        poll = json.loads(polls) if polls is not None else {}
        at = poll.get("t", began)
        if any(in_time and begins <= at < ends for begins, ends, in_time in poll.get("w", ())):
            left_out.append({"at": number})
    if left_out:
        connection.execute(update(looks).where(looks.c.number == bindparam("at")).values(planned=LEFT_OUT), left_out)


STEPS: tuple[Callable[[Connection], None], ...] = (_first, _second)
"""The step at place n leads from version n to n + 1; each is one transaction, and none is ever altered."""
