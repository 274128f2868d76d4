"""The door decides by the request itself: what it needs, where it may go, about whom, and with which credentials."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.clock import SystemClock
from prober.nouns.evidence import Exchange, Trouble
from prober.nouns.provider import Provider
from prober.nouns.run import PERMITS, Permit
from prober.observations import finished_export
from prober.pipeline import Options, collect, prepare
from prober.redact import Redactor
from prober.sandbox import Sandbox
from prober.session.ask import Ask, names_records
from prober.session.export_addresses import why_no_file, why_no_job
from prober.session.live import Door, DoorSettings, _origin, needed_permits
from prober.session.network import Network
from prober.session.observation import Observation, observation
from prober.session.pace import SANDBOX
from prober.session.session import Facts, Round, Session
from prober.session.wire import Limits

TOKEN = "a-token-that-nobody-else-may-see"
ALL: frozenset[Permit] = frozenset(PERMITS)
ACCEPT = (("Accept", "application/fhir+json"),)


@observation(asks=("GET [anything]",), requests=50)
async def looker(session: Session) -> None:
    """Whoever asks in these tests."""


@dataclass
class Origin:
    """A loopback server that answers by a table of paths and remembers every request head, and every connection."""

    answers: dict[str, bytes] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    first: asyncio.Event = field(default_factory=asyncio.Event)
    seconds: float = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]

    @property
    def methods(self) -> set[str]:
        return {head.split(" ")[0] for head in self.heads}

    @property
    def authorizations(self) -> list[str]:
        lines = [line for head in self.heads for line in head.split("\r\n")]
        return [line.partition(": ")[2] for line in lines if line.lower().startswith("authorization:")]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.heads.append(head)
                self.first.set()
                await asyncio.sleep(self.seconds)
                path = head.split(" ")[1]
                writer.write(self.answers.get(path) or answer(b'{"resourceType":"OperationOutcome"}', "404 Not Found"))
                await writer.drain()


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/fhir+json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str) -> bytes:
    return answer(b"", "302 Found", f"Location: {location}")


@asynccontextmanager
async def serving(**answers: bytes) -> AsyncIterator[Origin]:
    origin = Origin({f"/{path}": raw for path, raw in answers.items()})
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    origin.port = server.sockets[0].getsockname()[1]
    try:
        yield origin
    finally:
        server.close()
        for writer in origin.writers:
            writer.transport.abort()
        await asyncio.sleep(0.001)


class Kept:
    """A recorder and a journal that keep everything in memory."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.bodies: list[bytes] = []
        self.jobs: list[str] = []
        self.writable = True

    def record(self, exchange: Exchange, content: bytes) -> None:
        self.exchanges.append(exchange)
        self.bodies.append(content)

    def ready(self) -> bool:
        return self.writable

    def started(self, url: str) -> None:
        self.jobs.append(url)

    def ended(self, url: str) -> None:
        self.jobs.remove(url)


@asynccontextmanager
async def door_to(
    base: str,
    *,
    permits: frozenset[Permit] = ALL,
    synthetic: bool = True,
    token: str | None = None,
    hosts: frozenset[str] = frozenset(),
    patients: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    kept: Kept | None = None,
    budget: int = 100,
    seconds: float = 20,
    allotted: bool = False,
) -> AsyncIterator[Door]:
    clock = SystemClock()
    kept = kept or Kept()
    redactor = Redactor(b"k" * 32, synthetic=synthetic, secrets=[token] if token else [])
    redactor.keep_base(base)
    network = Network(
        clock=clock,
        user_agent="prober-test/1",
        resolve={"hospital.example": ("127.0.0.1",), "other.example": ("127.0.0.1",), "third.example": ("127.0.0.1",)},
        named_hosts=[urlsplit(base).hostname or ""],
        allow_http=True,
    )
    facts = Facts(base, synthetic, permits, token is not None, budget, patients, groups)
    door = Door(
        DoorSettings(
            run_id="20260101T000000Z-00000000",
            facts=facts,
            pacing=SANDBOX,
            deadline_us=clock.monotonic_us() + round(seconds * 1_000_000),
            heights={},
            allotted={one.name: one.requests for one in finished_export.closure()}
            if allotted
            else {looker.name: budget // 2},
            limits=Limits(connect_seconds=0.5, read_seconds=5, total_seconds=10),
            token=token,
            user_agent="prober-test/1",
            hosts=hosts,
        ),
        network=network,
        redactor=redactor,
        recorder=kept,
        journal=kept,
        clock=clock,
        key=b"k" * 32,
    )
    try:
        yield door
    finally:
        await door.close()


async def ask(door: Door, wanted: Ask, number: int = 1) -> Exchange:
    return await door.exchange(wanted, observation=looker, arguments=(), id=f"0000000000000000.{number}")


def kind(exchange: Exchange) -> str | None:
    return exchange.failure.kind if exchange.failure else None


def fhir(template: str, **values: str) -> Ask:
    return Ask("GET", "fhir", template=template, values=values, headers=ACCEPT)


BASE = "https://hospital.example/fhir"
LINK = f"{BASE}?page=2"
NEEDS: list[tuple[Ask, bool, tuple[Permit, ...]]] = [
    (replace(fhir("metadata"), bearer="none"), True, ()),
    (replace(fhir(".well-known/smart-configuration"), bearer="none"), True, ()),
    (replace(fhir("$versions"), bearer="none"), True, ()),
    (Ask("GET", "public", absolute="https://hospital.example/keys", headers=ACCEPT, bearer="none"), True, ()),
    (Ask("HANDSHAKE", "handshake", absolute=BASE, label="modern", bearer="none"), True, ()),
    (Ask("HANDSHAKE", "handshake", absolute=BASE, label="TLSv1", bearer="none"), True, ("active",)),
    (Ask("CONNECT", "connect", absolute=BASE, bearer="none"), True, ("active",)),
    (Ask("GET", "clear", absolute="http://hospital.example/fhir/metadata", bearer="none"), True, ("active",)),
    (fhir("metadata"), False, ("active",)),
    (fhir("metadata"), True, ("active", "credentials")),
    (
        Ask("GET", "fhir", template="metadata", headers=(*ACCEPT, ("Origin", "https://a.example")), bearer="none"),
        True,
        ("active",),
    ),
    (fhir("NoSuchType/x"), False, ("active",)),
    (fhir("Patient/prober-no-such-patient"), False, ("active",)),
    (fhir("Patient/{id}", id="1"), False, ("active", "patient_data")),
    (fhir("Patient"), False, ("active", "patient_data")),
    (fhir("Patient?_count=1"), False, ("active", "patient_data")),
    (fhir("?_type=Patient"), False, ("active", "patient_data")),
    (fhir(""), False, ("active", "patient_data")),
    (fhir("_history"), False, ("active", "patient_data")),
    (fhir("Patient/_history"), False, ("active", "patient_data")),
    (fhir("Patient/prober/Observation"), False, ("active", "patient_data")),
    (fhir("{type}?_count=1", type="Patient"), False, ("active", "patient_data")),
    (fhir("Patient/{id}", id="1"), True, ("active", "credentials", "patient_data")),
    (fhir("Patient/$export"), False, ("active", "jobs", "patient_data")),
    (fhir("$export"), False, ("active", "jobs")),
    (fhir("%24export"), False, ("active", "jobs")),
    (replace(fhir("Patient?_count=1"), bearer="invented"), True, ("active",)),
    (replace(fhir("Patient?_summary=count"), bearer="none", reducer="open-data/1"), True, ("active",)),
    (Ask("GET", "link", absolute=LINK), True, ("active", "credentials", "patient_data")),
    (Ask("GET", "job", template="Group/{g}/$export", values={"g": "1"}), True, ("active", "credentials", "jobs")),
    (Ask("GET", "job", absolute=f"{BASE}/job/1"), False, ("active", "jobs")),
    (Ask("DELETE", "job", absolute=f"{BASE}/job/1"), False, ("active", "jobs")),
    (Ask("GET", "file", absolute=f"{BASE}/file/1", reducer="ndjson/1"), True, ("active", "credentials", "jobs")),
    (Ask("GET", "file", absolute=f"{BASE}/file/1", reducer="ndjson/1", bearer="none"), True, ("active", "jobs")),
]


@pytest.mark.parametrize(("wanted", "has_token", "permits"), NEEDS, ids=range(len(NEEDS)))
def test_a_request_needs_what_its_own_form_says(wanted: Ask, has_token: bool, permits: tuple[Permit, ...]) -> None:
    assert needed_permits(wanted, has_token=has_token) == permits


def test_without_one_of_its_permits_nothing_goes_out() -> None:
    async def scene() -> None:
        async with serving() as origin:
            base = f"http://127.0.0.1:{origin.port}/fhir"
            for number, (wanted, has_token, permits) in enumerate(NEEDS):
                here = None if wanted.absolute is None else wanted.absolute.replace(BASE, base)
                for missing in permits:
                    token = TOKEN if has_token else None
                    async with door_to(base, permits=ALL - {missing}, token=token) as door:
                        refused = await ask(door, replace(wanted, absolute=here), number)
                    assert kind(refused) == "permit", (wanted, missing)
                    assert refused.failure is not None
                    assert missing in refused.failure.message
            assert (origin.heads, origin.connections) == ([], 0)

    asyncio.run(scene())


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "CONNECT", "HANDSHAKE"])
def test_only_get_goes_out_as_a_request(method: str) -> None:
    async def scene() -> None:
        async with serving() as origin, door_to(f"http://127.0.0.1:{origin.port}") as door:
            for purpose in ("fhir", "public", "link", "file", "job", "clear"):
                wanted = Ask(method, purpose, absolute=f"{door.facts.base}/x", bearer="none")
                assert kind(await ask(door, wanted)) == "method"
            for purpose in ("fhir", "public", "link", "file", "clear", "connect", "handshake"):
                wanted = Ask("DELETE", purpose, absolute=f"{door.facts.base}/x", bearer="none")  # type: ignore[arg-type]
                assert kind(await ask(door, wanted)) == "method"
            assert not origin.connections

    asyncio.run(scene())


KICK_OFF = Ask("GET", "job", template="Group/{group}/$export", values={"group": "g"}, headers=ACCEPT)


def test_only_jobs_of_this_run_are_deleted_and_all_of_them_are() -> None:
    async def scene() -> None:
        async with serving() as origin:
            base = f"http://127.0.0.1:{origin.port}/fhir"
            origin.answers |= {
                "/fhir/Group/g/$export": answer(b"", "202 Accepted", "Content-Location: /fhir/job/1"),
                "/fhir/job/1": answer(b"", "202 Accepted"),
            }
            kept = Kept()
            async with door_to(base, kept=kept) as door:
                for url in (f"{base}/job/1", f"{base}/Patient/1", f"http://127.0.0.1:{origin.port}/"):
                    for method in ("DELETE", "GET"):
                        assert kind(await ask(door, Ask(method, "job", absolute=url))) == "export_address"
                await ask(door, KICK_OFF)
                assert door.outstanding_jobs == (f"{base}/job/1",) == tuple(kept.jobs)
                assert kind(await ask(door, Ask("DELETE", "job", absolute=f"{base}/job/2"))) == "export_address"
                door.stop()
                assert kind(await ask(door, Ask("DELETE", "job", absolute=f"{base}/job/1"))) == "interrupted"
                await door.clean_up()
                assert not door.outstanding_jobs
                assert not kept.jobs
                again = Ask("DELETE", "job", absolute=f"{base}/job/1")
                assert kind(await ask(door, again)) == "method"
                assert (await ask(door, replace(again, method="GET"))).status == 202
            assert [head.split(" ")[:2] for head in origin.heads][1:] == [
                ["DELETE", "/fhir/job/1"],
                ["GET", "/fhir/job/1"],
            ]

    asyncio.run(scene())


def test_no_job_is_started_that_a_killed_run_would_leave_unknown() -> None:
    async def scene() -> None:
        kept = Kept()
        kept.writable = False
        async with serving() as origin, door_to(f"http://127.0.0.1:{origin.port}/fhir", kept=kept) as door:
            assert kind(await ask(door, KICK_OFF)) == "journal"
            assert not origin.connections

    asyncio.run(scene())


def test_a_kick_off_under_way_is_waited_for_when_the_run_is_stopped() -> None:
    async def scene() -> None:
        async with serving() as origin, door_to(f"http://127.0.0.1:{origin.port}/fhir") as door:
            origin.answers["/fhir/Group/g/$export"] = answer(b"", "202 Accepted", "Content-Location: /fhir/job/1")
            origin.seconds = 0.2
            asking = asyncio.create_task(ask(door, KICK_OFF))
            await origin.first.wait()
            door.stop()
            assert (await asking).status == 202
            assert door.outstanding_jobs == (f"http://127.0.0.1:{origin.port}/fhir/job/1",)

    asyncio.run(scene())


NO_JOBS = [
    "/fhir/Patient/example-1",
    "/fhir/Patient?active=true",
    "/fhir/Patient",
    "/fhir/patient/1",
    "/FHIR/patient/1",
    "/fhir/StructureDefinition/x",
    "/fhir/Binary/1",
    "/fhir/Group/g/$export",
    "/fhir/Group/g/$export-poll-status?_jobId=1",
    "/fhir/Patient/1/$status",
    "/fhir/$export?_type=Patient",
    "/fhir/$expunge?x=1",
    "/fhir/$set-status?x=1",
    "/fhir/$export-poll-status",
    "/fhir/_history",
    "/fhir/_history?_count=1",
    "/fhir/job/_search?x=1",
    "/fhir/metadata",
    "/fhir/.well-known/smart-configuration",
    "/fhir",
    "/fhir/",
    "/FHIR",
    "/fhir?_type=Patient",
    "/fhir/.",
    "/fhir/?job=1",
    "/",
    "/?job=1",
    "/neighbour/fhir",
    "/neighbour/fhir?job=1",
    "/neighbour/fhir/Patient/1",
    "/fhir/%50atient/1",
    "/fhir/%2550atient/1",
    "/fhir/Patient%2F1",
    "/fhir/Patient%3Factive=true",
    "/fhir/Patient;v=1/1",
    "/fhir/;v=1/Patient/1",
    "/fhir/Patient./1",
    "/fhir/Patient%20/1",
    "/fhir/%20Patient/1",
    "/fhir/job/%2e%2e/Patient/1",
    "/fhir/job/%2e%2e/bulk/1",
    "/fhir/job/..;/bulk/1",
    "/fhir//Patient/1",
    "/fhir/job%00/1",
    "/fhir/\uff30atient/1",
    "\\fhir\\Patient\\1",
    "http://hospital.example/fhir/job/1",
    "http://hospital.example:{other}/my-index",
    "http://HOSPITAL.example:{other}/fhir/job/1",
    "https://hospital.example:{port}/fhir/job/1",
    "http://other.example:{other}/my-index",
    "http://127.0.0.1:{port}/fhir/job/1",
    "http://user@hospital.example:{port}/fhir/job/1",
    "http://hospital.example:{port}@other.example:{other}/fhir/job/1",
    "ftp://hospital.example:{port}/fhir/job/1",
    "http://hospital.example:99999/fhir/job/1",
    "http://[::1/fhir/job/1",
]


@pytest.mark.parametrize("location", NO_JOBS)
def test_what_may_be_no_job_is_neither_remembered_nor_asked_nor_deleted(location: str) -> None:
    async def scene() -> None:
        async with serving() as origin, serving() as victim:
            base = f"http://hospital.example:{origin.port}/fhir"
            url = location.format(port=origin.port, other=victim.port)
            raw = answer(b"", "202 Accepted", "Content-Location: " + url.encode().decode("latin-1"))
            origin.answers["/fhir/Group/g/$export"] = raw
            kept = Kept()
            # The list of allowed hosts holds the base's own host too: that opens no other port of it.
            async with door_to(base, kept=kept, token=TOKEN, hosts=frozenset({"hospital.example"})) as door:
                assert (await ask(door, KICK_OFF)).status == 202
                assert (door.outstanding_jobs, kept.jobs) == ((), [])
                with suppress(ValueError):
                    named = urljoin(f"{base}/", url)
                    for number, method in enumerate(("GET", "DELETE"), 2):
                        refused = await ask(door, Ask(method, "job", absolute=named), number)
                        assert kind(refused) in ("export_address", "url")
                        assert refused.failure is not None
                        expected = "unparseable" if kind(refused) == "url" else "address_refused"
                        assert refused.failure.reason == expected
                await door.clean_up()
            assert (len(origin.heads), victim.connections) == (1, 0)

    asyncio.run(scene())


JOBS = [
    "/fhir/$export-poll-status?_jobId=1",
    "/fhir/$exportstatus?_id=1",
    "/fhir/$export-status/1",
    "/fhir/$bulkdata-status?job=1",
    "/fhir/Job/1/$status",
    "/fhir/BulkRequest/1",
    "/fhir/bulkstatus/1",
    "/fhir/_operations/export/1",
    "/fhir/__async-status/1",
    "/fhir/export/1",
    "/operations/1",
    "/api/v2/jobs/1",
    "/api/task/group/1",
    "/export/status?job=1",
    "bulk-export/jobs/1",
    "../jobs/1",
    "http://HOSPITAL.example:{port}/fhir/jobs/1",
    "http://other.example:{other}/jobs/1",
]


@pytest.mark.parametrize("location", JOBS)
def test_where_servers_of_the_field_keep_their_jobs_they_are_followed_and_deleted(location: str) -> None:
    async def scene() -> None:
        async with serving() as origin, serving() as cloud:
            base = f"http://hospital.example:{origin.port}/fhir"
            url = location.format(port=origin.port, other=cloud.port)
            raw = answer(b"", "202 Accepted", f"Content-Location: {url}")
            origin.answers["/fhir/Group/g/$export"] = raw
            kept = Kept()
            async with door_to(base, kept=kept, token=TOKEN, hosts=frozenset({"Other.example"})) as door:
                await ask(door, KICK_OFF)
                named = urljoin(f"{base}/", url)
                assert door.outstanding_jobs == (named,) == tuple(kept.jobs)
                assert (await ask(door, Ask("GET", "job", absolute=named), 2)).status == 404
                assert (await ask(door, Ask("DELETE", "job", absolute=named), 3)).status == 404
                assert not door.outstanding_jobs
                assert not kept.jobs
            asked = cloud if "other.example" in url else origin
            assert [head.split(" ")[0] for head in asked.heads[-2:]] == ["GET", "DELETE"]
            assert cloud.authorizations == []

    asyncio.run(scene())


FILES = [
    ("/fhir/Binary/1", True),
    ("/fhir/Binary/1?x=1", True),
    ("/bulk/1/Patient.ndjson", True),
    ("/fhir/bulkfiles/1.Patient.ndjson", True),
    ("/fhir/BulkRequest/1/2", True),
    ("/fhir/$exportfilerequest?_id=1&_filename=Patient.ndjson", True),
    ("http://other.example:{other}/container/Patient-1.ndjson?sig=1", True),
    ("/fhir/Patient/somebody-else", False),
    ("/fhir/Patient?name=smith", False),
    ("/fhir?_type=Patient", False),
    ("/fhir/Binary", False),
    ("/fhir/Binary?x=1", False),
    ("/fhir/Binary/_history", False),
    ("/fhir/Binary/_search?x=1", False),
    ("/fhir/Binary/1/_history/1", False),
    ("/fhir/Binary/%2e%2e/Patient/1", False),
    ("/elsewhere/Binary/1", False),
    ("http://other.example:{other}/fhir/Binary/1", False),
    ("/fhir/Patient/1/$everything", False),
    ("/fhir/$exportstatus?_id=1", False),
    ("http://hospital.example:{other}/fhir/Binary/1", False),
    ("http://third.example:{other}/1.ndjson", False),
]


@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize(("location", "read"), FILES)
def test_a_manifest_leads_to_files_and_to_nobodys_record(location: str, read: bool, synthetic: bool) -> None:
    async def scene() -> None:
        async with serving() as origin, serving() as cloud:
            base = f"http://hospital.example:{origin.port}/fhir"
            target = urljoin(base, location.format(other=cloud.port))
            hosts = frozenset({"other.example"})
            async with door_to(base, synthetic=synthetic, patients=("mary",), token=TOKEN, hosts=hosts) as door:
                for number, label in enumerate(("", ">1")):  # as it is listed, and as a file is redirected
                    wanted = Ask("GET", "file", absolute=target, reducer="ndjson/1", label=label)
                    found = await ask(door, wanted, number)
                    assert (found.status, kind(found)) == ((404, None) if read else (None, "export_address"))
            assert cloud.authorizations == []
            assert len(origin.heads) + len(cloud.heads) == (2 if read else 0)

    asyncio.run(scene())


@pytest.mark.parametrize("location", ["/fhir/Patient/mary", "http://hospital.example:{other}/my-index"])
def test_an_export_that_names_no_job_is_unknown_with_a_reason(location: str) -> None:
    async def scene() -> None:
        async with serving() as origin, serving() as victim:
            base = f"http://hospital.example:{origin.port}/fhir"
            operation = {"name": "export", "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"}
            statement = {
                "resourceType": "CapabilityStatement",
                "fhirVersion": "4.0.1",
                "rest": [{"mode": "server", "operation": [operation]}],
            }
            named = location.format(other=victim.port)
            origin.answers |= {
                "/fhir/metadata": answer(json.dumps(statement).encode()),
                "/fhir/$export?_type=Patient": answer(b"", "202 Accepted", f"Content-Location: {named}"),
            }
            async with door_to(base, token=TOKEN, allotted=True) as door:
                seen = await Round(door).see(finished_export)
                assert isinstance(seen, Trouble)
                assert seen.reason == "address_refused"
                assert seen.message.startswith("The address that the server names for its export ")
                assert door.outstanding_jobs == ()
            assert origin.methods == {"GET"}
            assert set(origin.paths) == {"/fhir/metadata", "/fhir/$export?_type=Patient"}
            assert not victim.connections

    asyncio.run(scene())


STRANGERS = [
    ("http://other.example:{port}/fhir/x", "host"),
    ("http://hospital.example.other.example:{port}/fhir/x", "host"),
    ("http://hospital.example@other.example:{port}/fhir/x", "host"),
    ("http://127.0.0.1:{port}/fhir/x", "host"),
    ("http://localhost:{port}/fhir/x", "host"),
    ("http://[::1]:{port}/fhir/x", "host"),
    ("http://2130706433:{port}/fhir/x", "host"),
    ("//other.example:{port}/x", "host"),
    ("http://[::1:{port}/x", "url"),
    ("http://hospital.example:99999999/x", "url"),
    ("http://hospital.example:port/x", "url"),
    ("", "host"),
    ("javascript:alert(1)", "host"),
    ("file:///etc/passwd", "host"),
]


@pytest.mark.parametrize(("url", "because"), STRANGERS)
def test_nothing_but_public_documents_is_asked_of_a_host_that_nobody_named(url: str, because: str) -> None:
    async def scene() -> None:
        async with serving() as origin:
            base = f"http://hospital.example:{origin.port}/fhir"
            async with door_to(base, token=TOKEN) as door:
                for number, purpose in enumerate(("link", "job", "file", "connect")):
                    method = "CONNECT" if purpose == "connect" else "GET"
                    reducer = "ndjson/1" if purpose == "file" else None
                    wanted = Ask(method, purpose, absolute=url.format(port=origin.port), reducer=reducer)  # type: ignore[arg-type]
                    expected = "export_address" if purpose in ("job", "file") and because == "host" else because
                    assert kind(await ask(door, wanted, number)) == expected
            assert not origin.connections

    asyncio.run(scene())


def test_a_host_that_was_allowed_is_asked_but_never_with_the_token() -> None:
    async def scene() -> None:
        async with serving() as origin:
            base = f"http://hospital.example:{origin.port}/fhir"
            named = frozenset({"other.example"})
            async with door_to(base, token=TOKEN, hosts=named) as door:
                wanted = Ask("GET", "link", absolute=f"http://other.example:{origin.port}/next", headers=ACCEPT)
                assert (await ask(door, wanted)).status == 404
            assert origin.paths == ["/next"]
            assert origin.authorizations == []

    asyncio.run(scene())


RECORDS = [
    "{base}/Patient/1",
    "{base}/Patient?_count=100",
    "{base}/%50atient/1",
    "{base}/%2550atient/1",
    "{base}/x/../Patient/1",
    "{base}/x/%2e%2e/Patient/1",
    "{base}//Patient",
    "{base}/./Observation?patient=1",
    "{base}\\Patient/1",
    "{base}",
    "{base}?_type=Patient",
    "{base}/_history",
    "{base}/$export",
    "{base}/Group/1/%24export",
    "http://hospital.example:1/elsewhere/Patient/1",
    "http://other.example/fhir/Observation",
]


@pytest.mark.parametrize("url", RECORDS)
def test_records_do_not_pass_for_public_documents(url: str) -> None:
    async def scene() -> None:
        async with serving() as origin:
            base = f"http://hospital.example:{origin.port}/fhir"
            target = url.format(base=base)
            assert names_records(target, base)
            async with door_to(base, token=TOKEN) as door:
                for number, purpose in enumerate(("public", "clear")):
                    wanted = Ask("GET", purpose, absolute=target, headers=ACCEPT, bearer="none")  # type: ignore[arg-type]
                    assert kind(await ask(door, wanted, number)) == "not_public"
                moved = replace(fhir("metadata"), bearer="none", absolute=target, label=">1")
                assert kind(await ask(door, moved)) == "not_public"
            assert not origin.connections

    asyncio.run(scene())


@pytest.mark.parametrize(
    "url",
    [
        "https://hospital.example/fhir/.well-known/jwks.json",
        "https://hospital.example/fhir/jwks",
        "https://hospital.example/fhir/metadata",
        "https://hospital.example/fhir/$versions",
        "https://login.example/realms/patients/protocol/openid-connect/certs?p=policy",
        "https://hospital.example/fhir/Organization/brands",
    ],
)
def test_documents_that_servers_publish_are_read(url: str) -> None:
    assert not names_records(url, BASE)


def other_people(base: str) -> Iterator[Ask]:
    yield fhir("Patient")
    yield fhir("Patient?_count=1")
    yield fhir("Patient/{id}", id="somebody-else")
    yield fhir("{type}?_count=1", type="Patient")
    yield fhir("Observation?patient={id}", id="somebody-else")
    yield fhir("Observation?patient={id}&code={code}", id="mary", code="somebody-else")
    yield fhir("?_type=Patient")
    yield fhir("Patient/{id}/$everything", id="somebody-else")
    yield fhir("Unheard?_count=100")
    yield replace(fhir("Patient?_count=1"), bearer="invented")
    yield replace(fhir("Patient?_count=1"), bearer="none")
    yield Ask("GET", "link", absolute=f"{base}/Patient?page=2")
    yield Ask("GET", "job", template="Patient/$export")
    yield Ask("GET", "job", template="$export")
    yield Ask("GET", "job", template="Group/{g}/$export", values={"g": "everybody"})
    # A redirect is a stranger's wish: it may move what was asked for, not change it.
    mary = fhir("Patient/{id}", id="mary")
    for target in (
        "Patient?_count=100",
        "Patient/somebody-else",
        "Patient/mary/Observation",
        "Patient/mary?_revinclude=*",
    ):
        yield replace(mary, absolute=f"{base}/{target}", label=">1")
    search = fhir("Patient?_id={id}", id="mary")
    yield replace(search, absolute=f"{base}/Patient", label=">1")


def test_of_real_people_only_test_patients_are_asked_for() -> None:
    async def scene() -> None:
        async with serving() as origin:
            base = f"http://hospital.example:{origin.port}/fhir"
            async with door_to(base, synthetic=False, patients=("mary",), token=TOKEN) as door:
                for number, wanted in enumerate(other_people(base)):
                    refused = await ask(door, wanted, number)
                    assert kind(refused) in ("scope", "redirect"), wanted
            assert not origin.connections

    asyncio.run(scene())


def test_what_a_search_for_a_test_patient_returned_may_be_read_and_paged() -> None:
    async def scene() -> None:
        async with serving() as origin:
            base = f"http://hospital.example:{origin.port}/fhir"
            found = b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","id":"o1"}}]}'
            origin.answers["/fhir/Observation?patient=mary"] = answer(found)
            async with door_to(base, synthetic=False, patients=("mary",)) as door:
                read = fhir("Observation/{id}", id="o1")
                assert kind(await ask(door, read, 1)) == "scope"
                search = await ask(door, fhir("Observation?patient={id}", id="mary"), 2)
                assert (await ask(door, read, 3)).status == 404
                page = Ask("GET", "link", absolute=f"{base}?page=2", parent=search.id)
                assert (await ask(door, page, 4)).status == 404
                assert kind(await ask(door, replace(page, parent="0000000000000000.9"), 5)) == "scope"
                upgraded = replace(read, absolute=f"{base}/R4/Observation/o1", label=">1")
                assert kind(await ask(door, upgraded, 6)) is None
            assert origin.paths == [
                "/fhir/Observation?patient=mary",
                "/fhir/Observation/o1",
                "/fhir?page=2",
                "/fhir/R4/Observation/o1",
            ]

    asyncio.run(scene())


def looking(doing: Callable[[Session], Any], *needs: Observation[Any]) -> Observation[Any]:
    async def look(session: Session) -> Any:
        return await doing(session)

    return replace(looker, look=look, needs=needs)


def test_the_token_never_leaves_the_origin_of_the_base() -> None:
    async def scene() -> None:
        async with serving() as home, serving() as elsewhere:
            base = f"http://hospital.example:{home.port}/fhir"
            away = f"http://hospital.example:{elsewhere.port}"
            home.answers |= {
                "/fhir/Patient/1": redirect(f"{away}/stolen"),
                "/fhir/Patient/2": redirect(f"http://other.example:{elsewhere.port}/stolen"),
                "/fhir/Patient/3": redirect(f"https://hospital.example:{elsewhere.port}/upgraded"),
                "/fhir/Patient/4": redirect("/fhir/Patient/5"),
                "/fhir/metadata": redirect("/fhir/.well-known/elsewhere"),
            }

            async def doing(session: Session) -> None:
                for id_ in "1234":
                    await session.attempt("Patient/{id}", id=id_)
                await session.attempt("metadata", bearer="none")
                await session.attempt("Patient?_count=1", bearer="none", label="none")
                await session.attempt("Patient?_count=1", bearer="invented", label="invented")
                first = await session.attempt("Patient/{id}", id="6")
                await session.follow(f"{away}/next", of=first)

            async with door_to(base, token=TOKEN, hosts=frozenset({"other.example"})) as door:
                await Round(door).see(looking(doing))
            with_token = [head for head in home.heads if TOKEN in head]
            assert [head.split(" ")[1] for head in with_token] == [f"/fhir/Patient/{number}" for number in "123456"]
            assert "/fhir/.well-known/elsewhere" in home.paths
            assert TOKEN not in "".join(elsewhere.heads)
            # Another port of the same host is asked for the page, as a stranger would be.
            assert elsewhere.paths == ["/next"]
            invented = [one for one in home.authorizations if TOKEN not in one]
            assert len(invented) == 1
            assert invented[0].startswith("Bearer ")

    asyncio.run(scene())


def test_the_token_is_not_used_without_the_permit_for_it() -> None:
    async def scene() -> None:
        async with serving() as origin:
            async with door_to(f"http://127.0.0.1:{origin.port}", token=TOKEN, permits=ALL - {"credentials"}) as door:
                assert kind(await ask(door, fhir("Patient?_count=1"))) == "permit"
                await ask(door, replace(fhir("metadata"), bearer="none"))
            assert origin.authorizations == []

    asyncio.run(scene())


def test_a_host_that_asks_for_rest_twice_is_closed_to_that_family_only() -> None:
    async def scene() -> None:
        async with serving() as home, serving() as files:
            base = f"http://127.0.0.1:{home.port}/fhir"
            rest = answer(b"", "503 Service Unavailable", "Retry-After: 0")
            home.answers["/fhir/a"] = rest
            other = replace(looker, name="other", family="other")

            async def once(
                number: int, path: str, observation: Observation[Any] = looker, attempt: int = 1
            ) -> Exchange:
                wanted = replace(fhir(path), attempt=attempt)
                return await door.exchange(wanted, observation=observation, arguments=(), id=f"{'0' * 16}.{number}")

            async with door_to(base) as door:
                assert (await once(1, "a")).status == 503
                assert (await once(2, "b")).status == 404
                assert (await once(3, "a", attempt=2)).status == 503
                closed = await once(4, "b")
                assert closed.failure is not None
                assert (closed.failure.kind, closed.failure.reason) == ("host_closed", "unavailable")
                assert (await once(5, "b", other)).failure != closed.failure
                elsewhere = Ask("GET", "link", absolute=f"http://localhost:{files.port}/x")
                assert kind(await ask(door, elsewhere, 6)) is None
            assert home.paths == ["/fhir/a", "/fhir/b", "/fhir/a"]
            assert files.paths == ["/x"]

    asyncio.run(scene())


AUTHORITY = st.text(st.sampled_from("aA1.:/\\@#?%[] \t-_é。．＠"), max_size=12)


@settings(max_examples=examples(300), deadline=None)
@given(before=AUTHORITY, after=AUTHORITY)
def test_no_spelling_makes_another_origin_pass_for_the_base(before: str, after: str) -> None:
    """What decides about the token reads a URL as the library that sends it does."""
    base = "http://hospital.example:8080/fhir"
    for url in (f"http://{before}hospital.example:8080{after}", f"http:{before}//hospital.example:8080{after}"):
        try:
            if _origin(url) != _origin(base):
                continue
            sent = httpx.URL(url)
        except (ValueError, httpx.InvalidURL):
            continue
        if sent.scheme in ("http", "https") and not sent.userinfo:
            assert (sent.scheme, sent.host, sent.port) == ("http", "hospital.example", 8080), url


STEPS = st.lists(st.sampled_from(["fhir", "Patient", "patient", "job", "1", "..", ".", "", "$status"]), max_size=5)
GLUE = st.sampled_from(["/", "%2F", "%252f", "\\", ";/", ";x=1/", "./", "%2e/", "//", "%20/", "?", "#", "%3F"])


@settings(max_examples=examples(500), deadline=None)
@given(authority=AUTHORITY, steps=STEPS, glue=st.lists(GLUE, min_size=5, max_size=5))
def test_no_spelling_makes_a_record_or_another_place_pass_for_a_job(
    authority: str, steps: list[str], glue: list[str]
) -> None:
    base = "http://hospital.example:8080/fhir"
    path = "".join(f"{between}{step}" for between, step in zip(glue, steps, strict=False))
    for url in (urljoin(f"{base}/", path), f"http://hospital.example:8080{path}", f"http://{authority}{path}"):
        for why in (why_no_job, why_no_file):
            if why(url, base, ()) is not None:
                continue
            try:
                sent = httpx.URL(url)
            except httpx.InvalidURL:
                continue
            assert (sent.scheme, sent.host, sent.port) == ("http", "hospital.example", 8080), url
            assert "patient" not in sent.path.lower().replace("\\", "/").partition("/fhir/")[2].partition("/")[0], url
            assert "Patient" not in sent.path, url


def hosts_file(folder: Path, *names: str) -> Path:
    path = folder / "hosts"
    path.write_text("".join(f"127.0.0.1 {name}\n" for name in names))
    return path


def test_a_stranger_gets_public_discovery_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Sandbox(defects=("open_patient_data", "open_export")) as box:
        target = box.base_url.replace("127.0.0.1", "hospital.example")
        options = Options(target=target, resolve=hosts_file(tmp_path, "hospital.example"), allow_http=True, deadline=60)
        quick = prepare(options, SystemClock())
        assert quick.decision.permits == ()
        assert quick.plan.pace == "polite"
        quick = replace(quick, plan=quick.plan.model_copy(update={"pace": "sandbox"}))
        asyncio.run(collect(quick, tmp_path / "run", SystemClock()))
        log = box.log
    assert {entry.method for entry in log} == {"GET"}
    public = {"/fhir/metadata", "/fhir/.well-known/smart-configuration", "/fhir/$versions"}
    assert {entry.path for entry in log} >= {"/fhir/metadata", "/fhir/.well-known/smart-configuration"}
    assert {entry.path for entry in log} <= public | {"/auth/jwks", "/auth/.well-known/openid-configuration", "/brands"}
    assert not any(entry.query or {"authorization", "prefer", "origin", "cookie"} & set(entry.headers) for entry in log)


@pytest.mark.parametrize("environment", ["production", "undeclared"])
def test_on_real_data_the_servers_log_shows_only_the_test_patient(
    environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Sandbox() as box:
        monkeypatch.setenv("DOOR_TOKEN", box.token)
        patient = box.patient_ids[0]
        base = box.base_url
        if environment == "undeclared":
            base = base.replace("127.0.0.1", "hospital.example")
        provider = Provider(
            organisation="Example", fhir_bases=(base,), environment=environment, test_patients=(patient,)
        )
        statement = tmp_path / "authorization.yaml"
        statement.write_text(
            f"""grantor: A
grantor_role: B
legal_entity: C
grantee: D
bases: ["{base}"]
modes: [active, credentials, patient_data]
test_patients: [{patient}]
not_before: 2020-01-01T00:00:00Z
not_after: 2199-01-01T00:00:00Z
terms_version: "1"
terms_sha256: "{"0" * 64}"
data_basis: none
emergency_contact: E
document_sha256: "{"0" * 64}"
"""
        )
        options = Options(
            target=base,
            provider=provider,
            authorization=statement,
            resolve=hosts_file(tmp_path, "hospital.example"),
            allow_http=True,
            bearer_env="DOOR_TOKEN",
            deadline=60,
        )
        prepared = prepare(options, SystemClock())
        assert not prepared.decision.synthetic
        prepared = replace(prepared, plan=prepared.plan.model_copy(update={"pace": "sandbox"}))
        collected = asyncio.run(collect(prepared, tmp_path / "run", SystemClock()))
        log = box.log
    assert not collected.bugs
    assert {entry.method for entry in log} == {"GET"}
    types = {"Patient", "Observation", "Condition", "Group", "Encounter", "Immunization"}
    for entry in log:
        steps = entry.path.split("/")[2:] or [""]
        if entry.status == 200 and steps[0] in types and "_summary=count" not in entry.query:
            # A cursor was handed out by a search for the patient; the door follows no other.
            assert patient in entry.query or "_cursor=" in entry.query or len(steps) == 2, entry
        if steps[0] == "Patient" and len(steps) == 2:
            assert steps[1] in (patient, "prober-no-such-patient"), entry
    assert not any("$export" in entry.path for entry in log)
    kept = "".join(path.read_text("utf-8", "replace") for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert patient not in kept
    assert os.environ["DOOR_TOKEN"] not in kept
