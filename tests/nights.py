"""A stage for the monitor: a sandbox that follows a script, a clock that goes where the story goes, and an inbox."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prober.clock import VirtualClock
from prober.history.store import History, sqlite_url
from prober.monitor.commands import monitor_stage
from prober.sandbox import Sandbox

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


class Database:
    """Where this test's history lies: in a file, or where PROBER_TEST_POSTGRES names a cluster in a database of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cluster = os.environ.get("PROBER_TEST_POSTGRES")
        self._name = f"prober_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"

    @property
    def is_file(self) -> bool:
        return self._cluster is None

    @property
    def url(self) -> "str | URL":
        if self._cluster is None:
            return sqlite_url(self.path)
        return self._cluster.replace("/postgres?", f"/{self._name}?", 1)

    def empty(self) -> None:
        """Begin with nothing."""
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()
        self._do(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)", f"CREATE DATABASE {self._name}")

    def save(self) -> None:
        """Remember a database as it is now; a file is copied by whoever has it."""
        self._do(
            f"DROP DATABASE IF EXISTS {self._name}_saved WITH (FORCE)",
            f"CREATE DATABASE {self._name}_saved TEMPLATE {self._name}",
        )

    def restore(self) -> None:
        """Make it as it was remembered."""
        self._do(
            f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)",
            f"CREATE DATABASE {self._name} TEMPLATE {self._name}_saved",
        )

    def _do(self, *statements: str) -> None:
        if self._cluster is None:
            return
        from sqlalchemy import create_engine

        server = create_engine(
            self._cluster.replace("postgresql:", "postgresql+psycopg:", 1), isolation_level="AUTOCOMMIT"
        )
        with server.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        server.dispose()


Edit = Callable[[str, dict[str, Any]], None]


@dataclass
class Script:
    """What the server does beside its usual: edits of JSON answers by path, a status for everything, another time."""

    time: Callable[[], datetime]
    edits: list[Edit] = field(default_factory=list)
    status: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Scripted(Sandbox):
    """The sandbox, with a script between it and the world."""

    def __init__(self, script: Script, **more: Any) -> None:
        super().__init__(dated=False, **more)
        self.script = script

    def _application(self, listening: Any) -> Any:
        inner = super()._application(listening)
        return _Between(inner, self.script)


class _Between:
    def __init__(self, inner: Any, script: Script) -> None:
        self._inner = inner
        self._script = script

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def __call__(self, scope: Any, receive: Any, hand_on: Any) -> None:
        script = self._script

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(script.time(), usegmt=True).encode()
                message = {**message, "headers": [*message["headers"], (b"date", date)]}
            await hand_on(message)

        if scope["type"] != "http" or (script.status is None and not script.edits):
            await self._inner(scope, receive, send)
            return
        if script.status is not None:
            start = {"type": "http.response.start", "status": script.status, "headers": list(script.headers)}
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        held: dict[str, Any] = {}
        body = bytearray()

        async def catch(message: Any) -> None:
            if message["type"] == "http.response.start":
                held.update(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            content = bytes(body)
            try:
                document = json.loads(content)
            except ValueError:
                document = None
            if isinstance(document, dict):
                for edit in script.edits:
                    edit(scope["path"], document)
                content = json.dumps(document).encode()
            length = (b"content-length", str(len(content)).encode())
            kept = [pair for pair in held["headers"] if pair[0].lower() != b"content-length"]
            await send({**held, "headers": [*kept, length]})
            await send({"type": "http.response.body", "body": content})

        await self._inner(scope, receive, catch)


class Nights(VirtualClock):
    """A clock that goes where the story goes, and may be set wrong."""

    wrong_by = timedelta()

    def utc(self) -> datetime:
        return self.right() + self.wrong_by

    def right(self) -> datetime:
        """The time that it is, whatever this clock says."""
        return VirtualClock.utc(self)

    def go_to(self, moment: datetime) -> None:
        self._elapsed_us = round((moment - self._start).total_seconds() * 1_000_000)


class Story:
    """A target, a monitor and a clock."""

    def __init__(self, place: Path, config: str, database: Database | None = None) -> None:
        # Certificates are made and checked by the machine's own clock, so the story begins on its next day.
        first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.place = place
        self.first = first
        self.clock = Nights(first)
        self.script = Script(self.right_time)
        self.server: Scripted | None = None
        self.defects: tuple[str, ...] = ()
        self.port = 0
        self.said: list[str] = []
        self.config = config
        self.database = database or Database(place / "state" / "history.db")
        if not self.database.is_file:
            self.config += "database: env:PROBER_DATABASE\n"

    def right_time(self) -> datetime:
        """The time that it is, also while the monitor's clock is wrong."""
        return self.clock.right()

    def day(self, number: int, **time: int) -> datetime:
        """The instant of the story's day `number`, counted from 1."""
        return self.first + timedelta(days=number - 1, **time)

    def number_of(self, instant: str) -> int:
        """The number of the day in which an instant lies."""
        return (datetime.fromisoformat(instant) - self.first).days + 1

    def start(self, certificate_days: int = 60) -> None:
        self.server = Scripted(
            self.script, port=self.port, tls=True, certificate_days=certificate_days, defects=self.defects
        )
        self.server.__enter__()
        self.port = int(self.server.base_url.rsplit(":", 1)[1].split("/")[0])
        (self.place / "ca.pem").write_bytes(self.server.ca_pem or b"")
        path = self.place / "monitor.yaml"
        if not path.exists():
            path.write_text(self.config.replace("THE_SERVER", f"https://127.0.0.1:{self.port}/fhir"))

    def stop(self) -> None:
        if self.server is not None:
            self.server.__exit__(None, None, None)
        self.server = None

    def round(self, moment: datetime, say: Callable[[str], None] = lambda _: None) -> int:
        self.clock.go_to(moment)
        return monitor_stage(
            self.place / "monitor.yaml",
            once=True,
            listen=None,
            say=say,
            complain=self.said.append,
            clock=self.clock,
        )

    @contextmanager
    def history(self) -> Iterator[History]:
        with History.open(self.database.url, shown="the history") as history:
            yield history


CONFIG = """
schema: prober/monitor/1
time_zone: UTC
looks:
  nightly: {every: night, at: "02:00", depth: standard}
  sixth: {every: 480, depth: discovery, probes: [capability_statement_served]}
targets:
  - {name: main, base: THE_SERVER, ca_file: ca.pem}
recipients:
  - {name: feed, webhook: "HOOK", kinds: [opened, closed, digest, monitor]}

"""


class Inbox:
    """A webhook of its own, that remembers what it was told, and by which id."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.told.append(json.loads(body) | {"key": self.headers["Idempotency-Key"]})
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "Inbox":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def kinds(self) -> list[tuple[str, str]]:
        return [(one["kind"], one["time"][:10]) for one in self.told]


def no_export(path: str, document: dict[str, Any]) -> None:
    """The server declares no export any more."""
    for rest in document.get("rest", ()) if path.endswith("/metadata") else ():
        for where in (rest, *rest["resource"]):
            where["operation"] = [one for one in where.get("operation", ()) if "export" not in one["name"]]


def software(version: str) -> Edit:
    def edit(path: str, document: dict[str, Any]) -> None:
        if path.endswith("/metadata"):
            document["software"]["version"] = version

    return edit


def other_token_host(path: str, document: dict[str, Any]) -> None:
    """The token endpoint lies at another host."""
    if path.endswith("/smart-configuration"):
        document["token_endpoint"] = "https://login.elsewhere.example/token"


def no_search_by(type_: str, parameter: str) -> Edit:
    def edit(path: str, document: dict[str, Any]) -> None:
        for one in document["rest"][0]["resource"] if path.endswith("/metadata") else ():
            if one["type"] == type_:
                one["searchParam"] = [each for each in one["searchParam"] if each["name"] != parameter]

    return edit


def restless(story: Story) -> Edit:
    """What servers do every night without having changed: another date, another order, another id."""

    def edit(path: str, document: dict[str, Any]) -> None:
        if path.endswith("/metadata"):
            document["date"] = story.clock.utc().isoformat()
            document["id"] = f"statement-{story.clock.monotonic_us()}"
            turn = story.clock.utc().day
            resources = document["rest"][0]["resource"]
            document["rest"][0]["resource"] = [*resources[turn % 5 :], *resources[: turn % 5]]

    return edit
