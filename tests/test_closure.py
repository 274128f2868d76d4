"""Redaction changes no finding: what is judged from redacted evidence is what the originals say.

The originals are recorded servers, the cases of the probes, and runs against the sandbox whose answers were kept whole.
The very door of a live run asks them again and redacts what they answer under the rules for real data; both are judged.
"""

import asyncio
import functools
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.samples import DEEP

from prober.casebook import Case, Change, ChangedServer, Remembered, read_cases, remember
from prober.clock import SystemClock, VirtualClock
from prober.judge import Judged, judge
from prober.library import LoadedProbe, built_in_probes, load_probes
from prober.nouns.evidence import Exchange, Failure
from prober.nouns.finding import Finding
from prober.nouns.pages import home_of
from prober.nouns.provider import Provider
from prober.pipeline import Options, collect, prepare, replay_facts
from prober.playground import DRIP_DEADLINE, SLOW_SECONDS
from prober.redact import Redactor
from prober.sandbox import DEFECTS, Sandbox
from prober.session.ask import Ask, request_hash
from prober.session.live import Door, DoorSettings
from prober.session.network import Network
from prober.session.observation import Observation
from prober.session.pace import SANDBOX
from prober.session.session import Facts
from prober.session.wire import Answer, Limits
from prober.session.wire import Timings as WireTimings

KEY = bytes(range(32))
FIXTURES = Path(__file__).parent.parent / "fixtures"
TOKEN = "tk-of-the-closure-0123456789"


class Memory:
    """Holds what a run folder and a journal of jobs would."""

    def __init__(self) -> None:
        self.exchanges: dict[str, Exchange] = {}

    def record(self, exchange: Exchange, content: bytes) -> None:
        self.exchanges[exchange.id] = exchange.model_copy(update={"content": content})

    def ready(self) -> bool:
        return True

    def started(self, url: str) -> None:
        """Nothing is left behind."""

    def ended(self, url: str) -> None:
        """Nothing is left behind."""


class Originals(ChangedServer):
    """A remembered server, changed or as it was, and when it was asked."""

    def __init__(
        self, facts: Facts, exchanges: Mapping[str, Exchange], changes: Mapping[str, Change] = MappingProxyType({})
    ) -> None:
        super().__init__(facts, exchanges, changes)
        self.began = datetime.fromisoformat(min(one.started for one in exchanges.values() if one.started))


class RedactingDoor(Door):
    """The live door, asking originals instead of a network: what it records is what a run on real data would keep."""

    def __init__(self, originals: Originals, redactor: Redactor, memory: Memory) -> None:
        facts = originals.facts
        settings = DoorSettings(
            run_id="closure",
            facts=facts,
            pacing=SANDBOX,
            deadline_us=2**60,
            heights={},
            allotted=_Plenty(),
            limits=Limits(),
            token=TOKEN if facts.has_credentials else None,
            user_agent="prober",
        )
        clock = VirtualClock()
        network = Network(clock=clock, user_agent="prober")
        super().__init__(
            settings, network=network, redactor=redactor, recorder=memory, journal=memory, clock=clock, key=KEY
        )
        self._originals = originals
        self._times: Counter[str] = Counter()
        self._clear: dict[str, Exchange] = {}
        self.names: dict[str, str] = {}
        """The id of each original exchange -> that of the redacted one."""

    async def exchange(
        self, ask: Ask, *, observation: Observation[Any], arguments: tuple[str, ...], id: str
    ) -> Exchange:
        digest = request_hash(observation.name, arguments, ask, self._originals.identity_url(ask))
        self._times[digest] += 1
        name = f"{digest}.{self._times[digest]}"
        self._clear[id] = await self._originals.exchange(ask, observation=observation, arguments=arguments, id=name)
        self.names[name] = id
        return await super().exchange(ask, observation=observation, arguments=arguments, id=id)

    async def _through_gate(self, ask: Ask, observation: Observation[Any], id_: str) -> Any:
        was = self._clear[id_]
        if was.failure is not None or was.method not in ("GET", "DELETE"):
            return was.failure or Failure(reason="unreachable", kind="handshake", message="")
        reduced = ask.reducer is not None and was.status == 200
        answer = Answer(
            status=was.status or 0,
            headers=was.headers,
            body=b"" if reduced else was.content,
            wire_bytes=was.wire_bytes,
            decoded_bytes=was.decoded_bytes,
            truncated=was.truncated,
            http_version="",
            address="",
            tls=None,
            timings=WireTimings(),
        )
        return answer, was.content if reduced else None, 0, was.started

    def _exchange(self, ask: Ask, observation: Observation[Any], arguments: Any, id_: str, *rest: Any) -> Exchange:
        """What no answer tells (the connection, its times, how it failed) was so in the original."""
        made, was = super()._exchange(ask, observation, arguments, id_, *rest), self._clear[id_]
        update: dict[str, Any] = {"transport": was.transport, "timings": was.timings}
        if was.method not in ("GET", "DELETE"):
            update |= {name: getattr(was, name) for name in ("failure", "media", "parsed", "content")}
        elif was.failure is not None and made.failure == was.failure:
            update |= {"status": was.status, "headers": was.headers}
        return made.model_copy(update=update)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(0)


class _Plenty(dict[str, int]):
    """A plan that allots enough to every observation."""

    def get(self, key: str, default: Any = None) -> Any:
        return 10**6


@dataclass(frozen=True)
class Both:
    """Findings from the originals and from the redacted evidence, and what the latter was."""

    originals: Judged
    redacted: Judged
    names: Mapping[str, str]
    evidence: Mapping[str, Exchange]


async def judged_twice(
    originals: Originals, probes: Mapping[str, LoadedProbe], redactor_of: type[Redactor] = Redactor
) -> Both:
    """Judge what this server answers, and then what redaction under the rules for real data leaves of it."""
    loaded = {id_: (one.probe, one.sheet, one.digest) for id_, one in probes.items()}
    facts, memory = originals.facts, Memory()
    redactor = redactor_of(KEY, synthetic=False, secrets=[TOKEN], now=originals.began)
    for base in {facts.base, "http" + facts.base.removeprefix("https").removeprefix("http")}:
        redactor.keep_base(base)
    for page in facts.pages:
        redactor.keep_base(home_of(page))
    door = RedactingDoor(originals, redactor, memory)
    first = await judge(loaded, facts, {}, server=originals)
    # Only what this pass records counts: what it judges on the way saw the answers in clear.
    await judge(loaded, facts, {}, server=door)
    shown = replace(
        facts,
        patients=tuple(redactor.value(one, "id") for one in facts.patients),
        groups=tuple(redactor.value(one, "id") for one in facts.groups),
    )
    second = await judge(loaded, shown, memory.exchanges)
    return Both(first, second, door.names, memory.exchanges)


NAME = re.compile(r"[0-9a-f]{16}\.[0-9]+")


def said(finding: Finding, names: Mapping[str, str]) -> dict[str, Any]:
    """Everything that a finding says, its exchanges under the names that they have after redaction."""
    line: dict[str, Any] = json.loads(NAME.sub(lambda name: names.get(name[0], name[0]), finding.line()))
    return {**line["verdict"], "evidence": sorted(line["evidence"])}


def differences(both: Both) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Probe -> what the originals say and what the redacted evidence says, where that is not the same."""
    pairs = zip(both.originals.findings, both.redacted.findings, strict=True)
    told = {a.source.probe: (said(a, both.names), said(b, {})) for a, b in pairs}
    return {
        probe: ({k: a[k] for k in a if a[k] != b[k]}, {k: b[k] for k in a if a[k] != b[k]})
        for probe, (a, b) in told.items()
        if a != b
    }


@functools.cache
def probes() -> Mapping[str, LoadedProbe]:
    return load_probes(())


@functools.cache
def remembered(name: str) -> Remembered:
    return remember(FIXTURES / name)


def of_case(case: Case) -> Originals:
    """The server that a case describes."""
    was = remembered(case.fixture)
    facts = replace(
        was.facts,
        permits=was.facts.permits if case.permits is None else frozenset(case.permits),
        synthetic=was.facts.synthetic if case.synthetic is None else case.synthetic,
        has_credentials=was.facts.has_credentials if case.has_credentials is None else case.has_credentials,
        pages=was.facts.pages if case.pages is None else case.pages,
    )
    return Originals(facts, was.exchanges, case.change)


def of_sandbox(place: Path, monkeypatch: pytest.MonkeyPatch, defects: tuple[str, ...], real: bool) -> Originals:
    """A run against the sandbox of which the originals were kept; `real` takes its patients for people."""
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    monkeypatch.setenv("CLOSURE_TOKEN", TOKEN)
    # Under the rules for real data nothing would be kept as it was, so this once it is kept against them.
    monkeypatch.setattr("prober.redact.Redactor", lambda key, **wishes: Redactor(key, **{**wishes, "synthetic": True}))
    tls = any(DEFECTS[one].needs_tls for one in defects)
    with Sandbox(defects=defects, tls=tls, token=TOKEN, slow_seconds=SLOW_SECONDS) as box:
        provider = Provider(
            organisation="Example",
            environment="production",
            fhir_bases=(box.base_url,),
            test_patients=tuple(box.patient_ids),
            groups=(box.group_id,),
            doc_urls=box.pages,
        )
        pages_alone = Provider(organisation="Example", fhir_bases=(box.base_url,), doc_urls=box.pages)
        options = Options(
            target=box.base_url,
            provider=provider if real else pages_alone,
            bearer_env="CLOSURE_TOKEN",
            ca_file=box.ca_file,
            deadline=DRIP_DEADLINE if "slow_drip" in defects else 90,
        )
        prepared = prepare(options, SystemClock())
        quick = replace(prepared, plan=prepared.plan.model_copy(update={"pace": "sandbox"}))
        collected = asyncio.run(collect(quick, place / "run", SystemClock()))
    assert collected.bugs == ()
    folder = collected.folder
    return Originals(replay_facts(folder), folder.exchanges())


def check(originals: Originals, probes: Mapping[str, LoadedProbe]) -> None:
    both = asyncio.run(judged_twice(originals, probes))
    assert differences(both) == {}
    assert (both.originals.bugs, both.redacted.bugs) == ((), ())
    # Every answer that counts was redacted, and is there under the name by which a replay asks for it.
    assert {one for finding in both.redacted.findings for one in finding.evidence} <= set(both.evidence)


@functools.cache
def cases_in(folder: Path) -> tuple[Case, ...]:
    return read_cases(folder / "cases.yaml")


CASES = [
    (folder.name, number)
    for folder in sorted(path.parent for path in built_in_probes().rglob("probe.py"))
    for number in range(len(cases_in(folder)))
]
REMEMBERED = ["leader", "typical", "laggard", "leader_tls", "open_records", "slow_answers"]


@pytest.mark.parametrize("name", [*REMEMBERED, pytest.param("hapi", marks=DEEP)])
def test_a_recorded_server_gets_the_same_findings(name: str) -> None:
    was = remembered(name)
    check(Originals(was.facts, was.exchanges), probes())


# An endpoint on another host, a page of a web application, and a page where the start of an export should be.
TELLING = {("smart_endpoints_answer", 3), ("capability_statement_served", 5), ("bulk_kick_off_protected", 8)}


@pytest.mark.parametrize(
    ("name", "number"),
    [pytest.param(*one, marks=() if at % 50 == 0 or one in TELLING else DEEP) for at, one in enumerate(CASES)],
)
def test_a_case_gets_the_same_finding(name: str, number: int) -> None:
    check(of_case(cases_in(probes()[name].folder)[number]), {name: probes()[name]})


QUICK = {(None, True), ("unknown_type_accepted", True)}


@pytest.mark.parametrize(
    ("defect", "real"),
    [
        pytest.param(defect, real, marks=() if (defect, real) in QUICK else DEEP)
        for defect in (None, *DEFECTS)
        for real in (False, True)
    ],
)
def test_a_faulty_server_gets_the_same_findings(
    defect: str | None, real: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(of_sandbox(tmp_path, monkeypatch, (defect,) if defect else (), real), probes())


BODIES = (
    b"",
    b"<!doctype html><form><input type=password></form>",
    b"<html>Sign in here</html>",
    b"<html><script src=x></script>",
    b"<html>hello</html>",
    b'<CapabilityStatement xmlns="http://hl7.org/fhir"><id value="x"/></CapabilityStatement>',
    b"plain text about Smith",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe{}",
    b'{"a":1}',
    b'{"resourceType":"Weird","id":"1"}',
    b'\xef\xbb\xbf{"resourceType":"Patient","id":"example-patient-01"}',
    b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found","diagnostics":"no Smith"}]}',
    b'{"error":"invalid_token","error_description":"Smith"}',
)
STATUSES = (200, 201, 202, 204, 301, 302, 400, 401, 403, 404, 405, 410, 415, 422, 429, 500, 501, 503)
LEAVES: tuple[Any, ...] = ("", " ", "x y", "2020-13-45", "ACTIVE", "a" * 300, "../x", 5, -1, 1.5, None, True, [], {})
HEADERS = (
    *("content-type", "etag", "last-modified", "location", "www-authenticate", "retry-after", "content-location"),
    *("x-progress", "access-control-allow-origin", "date"),
)
WORDS = (
    *("", "text/html", "application/fhir+json; charset=utf-8", "image/png", 'W/"1"', "Mon, 03 Feb 2020 04:05:06 GMT"),
    *("yesterday", "5", "100000", "http://other.example/Patient/1?x=y", "Bearer realm=x", "Basic", "*", "null"),
    "z" * 120,
)


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside of a JSON value."""
    for step, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield (*before, step)
        yield from places(inner, (*before, step))


def damaged(was: Exchange, dice: random.Random) -> Exchange:
    """This answer with one thing wrong."""
    update: dict[str, Any] = {}
    what = dice.choice(("status", "body", "cut", "leaf", "leaf", "header"))
    document = json.loads(was.content) if was.parsed and was.media == "json" else None
    if what == "status":
        update["status"] = dice.choice(STATUSES)
    elif what == "header":
        name = dice.choice(HEADERS)
        update["headers"] = (*(one for one in was.headers if one[0].lower() != name), (name, dice.choice(WORDS)))
    elif what == "leaf" and (ways := list(places(document))):
        *way, last = dice.choice(ways)
        inner = functools.reduce(lambda value, step: value[step], way, document)
        inner[last] = dice.choice(LEAVES)
        update["content"] = json.dumps(document).encode()
    else:
        update["content"] = was.content[: len(was.content) // 2] if what == "cut" else dice.choice(BODIES)
    now = was.model_copy(update=update)
    body = Redactor(KEY, synthetic=True).body(now.content, now.header("content-type") or "")
    kept = {"content": body.data, "media": body.media, "parsed": body.parsed, "note": body.note}
    return now.model_copy(update=kept)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=DEEP) for seed in range(1, 100))])
def test_a_server_damaged_by_chance_gets_the_same_findings(seed: int) -> None:
    dice, was = random.Random(seed), remembered(("leader", "typical")[seed % 4 == 3])
    whole = [one for one in was.exchanges.values() if one.method == "GET" and not one.failure and not one.reduced]
    chosen = dice.sample(whole, 3)
    check(Originals(was.facts, {**was.exchanges, **{one.id: damaged(one, dice) for one in chosen}}), probes())


class Forgetful(Redactor):
    """Loses what a verdict rests on."""

    def headers(self, headers: Any, *, response: bool, public: bool = False) -> tuple[tuple[str, str], ...]:
        return tuple(one for one in super().headers(headers, response=response) if one[0].lower() != "etag")


def test_a_redactor_that_loses_a_header_is_found_out() -> None:
    was = remembered("leader")
    both = asyncio.run(judged_twice(Originals(was.facts, was.exchanges), probes(), Forgetful))
    assert set(differences(both)) == {"patient_version_headers"}


def test_the_evidence_that_was_compared_is_redacted() -> None:
    was = remembered("leader")
    both = asyncio.run(judged_twice(Originals(was.facts, was.exchanges), probes()))
    patients = [one for one in both.evidence.values() if one.resource_type == "Patient"]
    assert patients
    for one in patients:
        assert one.document["name"][0]["family"].startswith("x")
        assert one.document["id"].startswith("p")
        assert one.id not in was.exchanges
