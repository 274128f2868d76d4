"""Simulated nights against the real sandbox: what happened is scripted, and the monitor tells that and nothing else."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from prober.clock import VirtualClock
from prober.history.store import History, sqlite_url
from prober.monitor.commands import monitor_stage
from prober.sandbox import Sandbox

pytestmark = pytest.mark.history
Edit = Callable[[str, dict[str, Any]], None]


@dataclass
class Script:
    """What the server does beside its usual: edits of JSON answers by path, and a status for everything."""

    edits: list[Edit] = field(default_factory=list)
    status: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Scripted(Sandbox):
    """The sandbox, with a script between it and the world."""

    def __init__(self, script: Script, **more: Any) -> None:
        super().__init__(**more)
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

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        script = self._script
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
    """A clock that goes where the story goes."""

    def go_to(self, moment: datetime) -> None:
        self._elapsed_us = round((moment - self._start).total_seconds() * 1_000_000)


class Story:
    """A target, a monitor and a clock."""

    def __init__(self, place: Path, first: datetime, *, config: str = "", url: str | None = None) -> None:
        self.place = place
        self.first = first
        self.clock = Nights(first)
        self.script = Script()
        self.server: Scripted | None = None
        self.port = 0
        self.said: list[str] = []
        self.config = config
        self.url = url

    def start(self, certificate_days: int = 60) -> None:
        self.server = Scripted(self.script, port=self.port, tls=True, certificate_days=certificate_days)
        self.server.__enter__()
        self.port = int(self.server.base_url.rsplit(":", 1)[1].split("/")[0])
        (self.place / "ca.pem").write_bytes(self.server.ca_pem or b"")
        path = self.place / "monitor.yaml"
        if not path.exists():
            path.write_text(self.config.replace("BASE", f"https://127.0.0.1:{self.port}/fhir"))

    def stop(self) -> None:
        if self.server is not None:
            self.server.__exit__(None, None, None)
        self.server = None

    def round(self, moment: datetime) -> int:
        self.clock.go_to(moment)
        return monitor_stage(
            self.place / "monitor.yaml",
            once=True,
            listen=None,
            say=lambda _: None,
            complain=self.said.append,
            clock=self.clock,
        )

    @contextmanager
    def history(self) -> Iterator[History]:
        with History.open(sqlite_url(self.place / "state" / "history.db"), shown="the history") as history:
            yield history


CONFIG = """
schema: prober/monitor/1
time_zone: UTC
looks:
  nightly: {every: night, at: "02:00", depth: standard}
  sixth: {every: 480, depth: discovery, probes: [capability_statement_served]}
targets:
  - {name: main, base: BASE, ca_file: ca.pem}
recipients:
  - {name: feed, webhook: "https://127.0.0.1:9/never", kinds: [opened, closed, digest, monitor]}
MORE
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
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

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


@pytest.fixture
def told() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


@pytest.fixture
def story(tmp_path: Path, told: Inbox) -> Iterator[Story]:
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    config = CONFIG.replace("https://127.0.0.1:9/never", told.url)
    story = Story(tmp_path, first, config=config)
    yield story
    story.stop()


def days(story: Story, number: int, **time: int) -> datetime:
    """The instant of the story's day `number`, counted from 1."""
    return story.first + timedelta(days=number - 1, **time)


def incidents(story: Story) -> list[tuple[str, int, int | None, str | None]]:
    """Kind, day of opening, day of closing and why, of every incident."""

    def day(instant: str | None) -> int | None:
        return None if instant is None else (datetime.fromisoformat(instant) - story.first).days + 1

    with story.history() as history:
        found = history.incidents()
    return [(one.kind, day(one.opened) or 0, day(one.closed), one.closed_because) for one in found]


@pytest.mark.deep
def test_sixty_nights_give_the_incidents_that_happened_and_no_others(story: Story, told: Inbox) -> None:
    maintenance = f"""
maintenance:
  - begins: "{days(story, 50, hours=1).isoformat()}"
    ends: "{days(story, 50, hours=5).isoformat()}"
    announced: "{days(story, 47).isoformat()}"
    where: https://status.example.org/planned
"""
    story.config = story.config.replace("MORE", maintenance)
    story.start(certificate_days=40)
    script = story.script

    def night_of(day: int) -> None:
        """What the server is like from the midnight of this day on."""
        edits = [restless(story)]
        if day >= 5:
            edits.append(software("2.0.0" if day >= 40 else "1.1.0"))
        if 11 <= day < 15:
            edits.append(no_export)
        if day >= 17:
            edits.append(other_token_host)
        if day in (36, 38, 40, 42):
            edits.append(no_search_by("Immunization", "date"))
        if day == 45:
            # Gone when prober looks, back when it looks again ten minutes later.
            gone = no_search_by("Encounter", "date")
            until = days(story, 45, hours=2, minutes=10)
            edits.append(lambda path, document: gone(path, document) if story.clock.utc() < until else None)
        script.edits = edits
        script.status = 429 if 20 <= day <= 26 else None
        script.headers = ((b"retry-after", b"1"),) if 20 <= day <= 26 else ()

    for day in range(1, 61):
        night_of(day)
        if day == 33:
            story.stop()
            story.start(certificate_days=90)
        for hours, minutes in ((0, 1), (2, 5), (8, 1), (16, 1)):
            now = days(story, day, hours=hours, minutes=minutes)
            if days(story, 8, hours=6) <= now < days(story, 9, hours=6) or days(story, 50, hours=1) <= now < days(
                story, 50, hours=5
            ):
                script.status = 503
            elif script.status == 503:
                script.status = None
            if days(story, 53, hours=1) <= now < days(story, 56):
                # Neither the monitor nor the server was there, and nobody knows about the server.
                continue
            assert story.round(now) == 0, story.said
    assert incidents(story) == [
        ("outage", 8, 9, "recovered"),
        ("change", 11, 16, "recovered"),
        ("change", 17, 47, "accepted"),
        ("blind", 22, 28, "recovered"),
        ("certificate", 27, 33, "recovered"),
        ("flapping", 36, 47, "recovered"),
    ]
