"""The live door: permits, scope, budget, pace and deadline are enforced here, and everything is recorded here."""

import asyncio
import hashlib
import json
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast
from urllib.parse import urljoin, urlsplit

from prober.clock import Clock, instant
from prober.nouns.evidence import Exchange, Failure, Media, Timings, Transport
from prober.nouns.fhir import R4_TYPES
from prober.nouns.finding import Reason
from prober.nouns.run import REASON_FOR_PERMIT, Permit
from prober.redact import Redactor
from prober.reduce import reduced_text, reducer
from prober.session.ask import PUBLIC_DOCUMENTS, Ask, request_hash
from prober.session.network import Network
from prober.session.observation import Observation, observation
from prober.session.pace import HostGate, Pacing
from prober.session.session import Facts, Session
from prober.session.streamed import Streamed
from prober.session.wire import Answer, Handshake, Limits, NetworkFailure, TlsFacts, WireRequest
from prober.session.wire import Timings as WireTimings

CLEAN_UP_SECONDS = 10
"""How long the door may take, after the deadline or an interruption, to delete the jobs that it started."""

OLD_VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1}

_REASON: Mapping[str, Reason] = {
    "dns": "unreachable",
    "refused": "unreachable",
    "reset": "unreachable",
    "proxy": "unreachable",
    "tls": "unreachable",
    "certificate": "unreachable",
    "connect_timeout": "timed_out",
    "read_timeout": "timed_out",
    "total_timeout": "timed_out",
    "address_refused": "address_refused",
    "too_large": "too_large",
    "too_expanded": "too_large",
    "encoding": "unparseable",
    "protocol": "unparseable",
    "headers_too_large": "unparseable",
}


class Recorder(Protocol):
    """Where redacted exchanges go. The run folder is one; it lies above this room and is handed in."""

    def record(self, exchange: Exchange, content: bytes) -> None: ...


class Journal(Protocol):
    """Remembers started jobs outside the run folder, so that a killed run's jobs can still be deleted."""

    def started(self, url: str) -> None: ...

    def ended(self, url: str) -> None: ...


@dataclass(frozen=True)
class Progress:
    """What is being asked now, and how much of the budget is used."""

    observation: str
    method: str
    sent: int
    budget: int


@dataclass(frozen=True)
class DoorSettings:
    """What one run allows."""

    run_id: str
    facts: Facts
    pacing: Pacing
    deadline_us: int
    heights: Mapping[str, int]
    allotted: Mapping[str, int]
    limits: Limits
    token: str | None
    user_agent: str
    hosts: frozenset[str] | None = None
    """Hosts that the authorization names; None: the base's own host."""


Commit = Callable[[Exchange], str | None]


@observation(asks=("DELETE [job]",), requests=8, permits=(), family="clean_up")
async def clean_up(session: Session) -> None:
    """Jobs that this run started and no observation ended are deleted at the end, also after an interruption."""


class Door:
    """The Exchanger of a live run."""

    def __init__(
        self,
        settings: DoorSettings,
        *,
        network: Network,
        redactor: Redactor,
        recorder: Recorder,
        journal: Journal,
        clock: Clock,
        key: bytes,
        commit: Commit = lambda _: None,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._network = network
        self._redactor = redactor
        self._recorder = recorder
        self._journal = journal
        self._clock = clock
        self._key = key
        self._commit = commit
        self._progress = progress
        self._gates: dict[str, HostGate] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._closed_families: set[tuple[str, str]] = set()
        self._spent: dict[str, int] = {}
        self._jobs: dict[str, None] = {}
        self._restricted: set[str] = set()
        self._known_ids: set[str] = {*settings.facts.patients, *settings.facts.groups}
        self._stopped = False
        self.sent = 0
        self.refused = 0
        self.ended_by: Reason | None = None

    @property
    def facts(self) -> Facts:
        return self._settings.facts

    @property
    def outstanding_jobs(self) -> tuple[str, ...]:
        """Status URLs of the jobs that this run started and that were not deleted."""
        return tuple(self._jobs)

    def identity_url(self, ask: Ask) -> str:
        if ask.absolute is not None:
            return self._redactor.url(ask.absolute, public=_is_public_document(ask))
        values = {name: self._redactor.value(value, "id") for name, value in ask.values.items()}
        return f"{self.facts.base}/{ask.path(values)}"

    def stop(self) -> None:
        """End the run now: whatever waits or is under way is recorded as not answered."""
        self._stopped = True
        self.ended_by = self.ended_by or "deadline"
        for task in self._running:
            task.cancel()

    async def wait(self, seconds: float) -> None:
        left = (self._settings.deadline_us - self._clock.monotonic_us()) / 1_000_000
        if self._stopped or left <= 0:
            return
        task = asyncio.create_task(self._clock.sleep(min(seconds, left)))
        await self._abiding(task, None)

    async def exchange(
        self, ask: Ask, *, observation: Observation[Any], arguments: tuple[str, ...], id: str
    ) -> Exchange:
        refusal = self._refusal(ask, observation)
        started = instant(self._clock.utc())
        outcome: Answer | Handshake | NetworkFailure | Failure
        reduced: bytes | None = None
        waited = 0
        if refusal is not None:
            outcome = refusal
            self.refused += 1
        else:
            self._spend(observation)
            begun = self._clock.monotonic_us()
            task = asyncio.create_task(self._through_gate(ask, observation, id))
            left = (self._settings.deadline_us - begun) / 1_000_000
            result = await self._abiding(task, left)
            if isinstance(result, Failure):
                outcome = result
                waited = self._clock.monotonic_us() - begun
            else:
                outcome, reduced, sent_us, started = result
                waited = sent_us - begun
        exchange = self._exchange(ask, observation, arguments, id, started, outcome, reduced, waited)
        self._remember(ask, observation, exchange)
        self._keep(ask, exchange)
        return exchange

    async def clean_up(self) -> None:
        """DELETE every job that is still there, within CLEAN_UP_SECONDS, whatever the deadline says."""
        if not self._jobs:
            return
        self._stopped = False
        self._settings = replace(self._settings, deadline_us=self._clock.monotonic_us() + CLEAN_UP_SECONDS * 1_000_000)
        for number, url in enumerate(list(self._jobs)):
            ask = Ask("DELETE", "job", absolute=url, headers=(("Accept", "application/fhir+json"),))
            digest = request_hash(clean_up.name, (), ask, self.identity_url(ask))
            await self.exchange(ask, observation=clean_up, arguments=(), id=f"{digest}.{number + 1}")

    async def close(self) -> None:
        """Let go of the network."""
        for gate in self._gates.values():
            await gate.close()
        await self._network.close()

    async def _abiding(self, task: "asyncio.Task[Any]", left: float | None) -> Any:
        """Wait for the task until the deadline or until `stop`; a Failure if either comes first."""
        self._running.add(task)
        try:
            done, _ = await asyncio.wait({task}, timeout=left)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            self._running.discard(task)
        if not done:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.ended_by = self.ended_by or "deadline"
            return Failure(
                reason="deadline", kind="deadline", message="The deadline of the run came before the answer."
            )
        if task.cancelled():
            return Failure(reason="deadline", kind="interrupted", message="The run was interrupted before the answer.")
        return task.result()

    def _refusal(self, ask: Ask, observation: Observation[Any]) -> Failure | None:
        """Why this may not be sent, if it may not. The door decides by the request itself, not by who asks."""
        if self._stopped:
            return Failure(reason="deadline", kind="interrupted", message="The run was interrupted.")
        if self._clock.monotonic_us() >= self._settings.deadline_us:
            self.ended_by = self.ended_by or "deadline"
            return Failure(reason="deadline", kind="deadline", message="The deadline of the run had passed.")
        if ask.method not in ("GET", "DELETE", "HANDSHAKE", "CONNECT"):
            return Failure(reason="needs_writes", kind="method", message=f"Prober does not send {ask.method}.")
        for permit in needed_permits(ask, has_token=self._settings.token is not None):
            if permit not in self.facts.permits:
                message = f"This run has no permit `{permit}`."
                return Failure(reason=REASON_FOR_PERMIT[permit], kind="permit", message=message)
        if ask.method == "DELETE" and ask.absolute not in self._jobs:
            return Failure(reason="needs_writes", kind="method", message="Prober deletes only jobs that it started.")
        if (scope := self._out_of_scope(ask)) is not None:
            return scope
        if ask.attempt > 1 and (self._host(ask), observation.family) in self._closed_families:
            return Failure(reason="rate_limited", kind="host_closed", message="The server asked for rest already.")
        if (self._host(ask), observation.family) in self._closed_families:
            return Failure(
                reason="rate_limited", kind="host_closed", message="The server asked twice for rest in this run."
            )
        if not self._has_budget(ask, observation):
            self.ended_by = self.ended_by or "budget"
            return Failure(reason="budget", kind="budget", message="The budget of requests is used up.")
        return None

    def _out_of_scope(self, ask: Ask) -> Failure | None:
        """Only the base's host and those it was allowed; outside synthetic data only known patients."""
        host = urlsplit(self._target(ask)).hostname or ""
        base_host = urlsplit(self.facts.base).hostname or ""
        allowed = host == base_host or self._settings.hosts is None or host in self._settings.hosts
        if not allowed and not ask.public():
            return Failure(
                reason="needs_authorization",
                kind="host",
                message="The authorization statement does not name the host of this link.",
            )
        if self.facts.synthetic or ask.bearer == "invented" or ask.reducer == "open-data/1":
            return None
        if ask.purpose == "link" and ask.parent not in self._restricted:
            return _no_test_patient()
        kind = ask.template.split("/")[0].split("?")[0]
        if ask.purpose == "fhir" and kind in R4_TYPES:
            literal_read = not ask.values and "?" not in ask.template
            if not literal_read and not (ask.values and self._known_ids.issuperset(ask.values.values())):
                return _no_test_patient()
        kick_off = ask.purpose == "job" and ask.method == "GET" and bool(ask.template)
        if kick_off and not (ask.values and self._known_ids.issuperset(ask.values.values())):
            # On production a bulk job is for a Group that the authorization names, nothing wider.
            message = "No Group of test patients was named."
            return Failure(reason="needs_authorization", kind="scope", message=message)
        return None

    def _spend(self, observation: Observation[Any]) -> None:
        self.sent += 1
        self._spent[observation.name] = self._spent.get(observation.name, 0) + 1

    def _has_budget(self, ask: Ask, observation: Observation[Any]) -> bool:
        """What was allotted, then (for repeats and redirects, which nobody planned) what nobody was allotted."""
        if observation is clean_up:
            return True
        if self._spent.get(observation.name, 0) < self._settings.allotted.get(observation.name, 0):
            return True
        reserved = sum(
            max(0, allotted - self._spent.get(name, 0)) for name, allotted in self._settings.allotted.items()
        )
        unplanned = ask.attempt > 1 or ask.label.rpartition(">")[1] == ">"
        return unplanned and self.sent + reserved < self.facts.budget

    def _target(self, ask: Ask) -> str:
        if ask.absolute is not None:
            return ask.absolute
        if ask.template.startswith("../"):
            return urljoin(f"{self.facts.base}/", ask.path(ask.values))
        return f"{self.facts.base}/{ask.path(ask.values)}"

    def _host(self, ask: Ask) -> str:
        return urlsplit(self._target(ask)).netloc.rpartition("@")[2].lower()

    async def _through_gate(
        self, ask: Ask, observation: Observation[Any], id_: str
    ) -> tuple[Answer | Handshake | NetworkFailure, bytes | None, int, str]:
        gate = self._gates.setdefault(self._host(ask), HostGate(self._settings.pacing, self._clock))
        await gate.enter(self._settings.heights.get(observation.name, 1))
        try:
            self._progress(Progress(observation.name, ask.method, self.sent, self.facts.budget))
            started = instant(self._clock.utc())
            sent_us = self._clock.monotonic_us()
            try:
                try:
                    outcome, reduced = await self._send(ask, id_)
                except NetworkFailure as failure:
                    if not _lost_race(ask, failure):
                        raise
                    self.sent += 1
                    outcome, reduced = await self._send(ask, id_)
            except NetworkFailure as failure:
                return failure, None, sent_us, started
            return outcome, reduced, sent_us, started
        finally:
            gate.leave()

    async def _send(self, ask: Ask, id_: str) -> tuple[Answer | Handshake, bytes | None]:
        target = self._target(ask)
        parts = urlsplit(target)
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise NetworkFailure("protocol", "The URL names a port that does not exist.") from None
        host = parts.hostname or ""
        limits = self._settings.limits
        if ask.purpose == "handshake":
            version = OLD_VERSIONS.get(ask.label)
            return await self._network.handshake(host, port, version, verify=version is None, limits=limits), None
        if ask.purpose == "connect":
            return await self._network.connect(host, port, tls=parts.scheme == "https", limits=limits), None
        if ask.purpose == "clear":
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            return await self._network.clear_request(host, port, path, limits), None
        request = WireRequest(ask.method, target, self._headers(ask, id_))
        if ask.reducer is None:
            return await self._network.send(request, limits), None
        return await self._reduce(request, ask.reducer, limits)

    async def _reduce(self, request: WireRequest, name: str, limits: Limits) -> tuple[Answer, bytes]:
        reduce = reducer(name, self._key)
        if name.startswith("ndjson"):
            # An export file may be as large as it likes: it is never held, only the time is bounded.
            limits = replace(limits, wire_bytes=2**40, decoded_bytes=2**42, total_seconds=3600.0)
        async with self._network.stream(request, limits) as answer:
            complete = True
            if answer.status == 200:
                async for chunk in answer.chunks():
                    reduce.feed(chunk)
                    if reduce.enough:
                        complete = False
                        break
            kept = reduced_text(reduce.finish(complete=complete)) if answer.status == 200 else b""
        return _without_body(answer), kept

    def _headers(self, ask: Ask, id_: str) -> tuple[tuple[str, str], ...]:
        lines = [*ask.headers, ("X-Request-Id", f"{self._settings.run_id}.{id_}")]
        if ask.bearer == "invented":
            lines.append(("Authorization", f"Bearer {self._clock.random_bytes(24).hex()}"))
        elif self._carries_token(ask):
            lines.append(("Authorization", f"Bearer {self._settings.token}"))
        return tuple(lines)

    def _carries_token(self, ask: Ask) -> bool:
        """The token goes to the base's own origin only, and never with a public document."""
        if self._settings.token is None or ask.bearer != "run":
            return False
        if "credentials" not in self.facts.permits or ask.purpose in ("handshake", "connect", "clear", "public"):
            return False
        return _origin(self._target(ask)) == _origin(self.facts.base)

    def _exchange(
        self,
        ask: Ask,
        observation: Observation[Any],
        arguments: tuple[str, ...],
        id_: str,
        started: str,
        outcome: Answer | Handshake | NetworkFailure | Failure,
        reduced: bytes | None,
        waited: int,
    ) -> Exchange:
        """The exchange with everything in clear; it lives in memory only."""
        common: dict[str, Any] = {
            "id": id_,
            "observation": observation.name,
            "arguments": arguments,
            "label": ask.label,
            "method": ask.method,
            "url": self._target(ask),
            "request_headers": self._headers_shown(ask),
            "started": started,
        }
        if isinstance(outcome, Failure):
            return Exchange(**common, failure=outcome, timings=Timings(waited=waited))
        timings = _timings(outcome.timings, waited)
        transport = _transport(outcome.tls, outcome.address)
        if isinstance(outcome, NetworkFailure):
            failure = Failure(reason=_REASON[outcome.kind], kind=outcome.kind, message=outcome.message)
            return Exchange(
                **common,
                status=outcome.status,
                headers=outcome.headers,
                failure=failure,
                timings=timings,
                transport=transport,
            )
        if isinstance(outcome, Handshake):
            content = json.dumps(
                {"outcome": outcome.outcome, "detail": outcome.detail, "verify_message": outcome.verify_message},
                sort_keys=True,
            ).encode()
            return Exchange(**common, media="json", parsed=True, content=content, timings=timings, transport=transport)
        content = outcome.body if reduced is None else reduced
        shape = self._redactor.body(content, _content_type(outcome), public=_is_public_document(ask))
        return Exchange(
            **common,
            status=outcome.status,
            headers=outcome.headers,
            media="json" if reduced else cast(Media, shape.media),
            parsed=bool(reduced) or shape.parsed,
            note=None if reduced else shape.note,
            reduced=ask.reducer if reduced else None,
            wire_bytes=outcome.wire_bytes,
            decoded_bytes=outcome.decoded_bytes,
            truncated=outcome.truncated,
            timings=timings,
            transport=transport.model_copy(update={"http_version": outcome.http_version}),
            content=content,
        )

    def _headers_shown(self, ask: Ask) -> tuple[tuple[str, str], ...]:
        """The request headers as they are recorded: never with a credential, not even for a moment."""
        lines = [*ask.headers, ("User-Agent", self._settings.user_agent)]
        if ask.bearer == "invented":
            lines.append(("Authorization", "Bearer [invented]"))
        elif self._carries_token(ask):
            lines.append(("Authorization", "Bearer [withheld]"))
        return tuple(lines) if ask.method in ("GET", "DELETE") else ()

    def _remember(self, ask: Ask, observation: Observation[Any], exchange: Exchange) -> None:
        if ask.attempt > 1 and exchange.status in (429, 503):
            self._closed_families.add((self._host(ask), observation.family))
        if ask.purpose == "job" and ask.template and exchange.status == 202:
            location = exchange.header("content-location")
            if location:
                url = urljoin(f"{self.facts.base}/", location)
                self._jobs[url] = None
                self._journal.started(url)
        if ask.method == "DELETE" and exchange.status in (200, 202, 204, 404, 410):
            self._jobs.pop(ask.absolute or "", None)
            self._journal.ended(ask.absolute or "")
        if not self.facts.synthetic and (ask.values or ask.parent in self._restricted):
            self._restricted.add(exchange.id)
            self._known_ids.update(_ids_in(exchange))

    def _keep(self, ask: Ask, exchange: Exchange) -> None:
        """Redact, and hand to the recorder. What is in clear never leaves this method."""
        public = _is_public_document(ask)
        content = exchange.content
        if exchange.reduced is None and exchange.method in ("GET", "DELETE") and content:
            content = self._redactor.body(content, exchange.content_type, public=public).data
        update: dict[str, Any] = {
            "url": self.identity_url(ask),
            "headers": self._redactor.headers(exchange.headers, response=True, public=public),
            "body": hashlib.sha256(content).hexdigest() if content else None,
            "commitment": self._commit(exchange),
            "content": b"",
        }
        if exchange.failure is not None:
            message = self._redactor.text(exchange.failure.message) if exchange.failure.kind in _FOREIGN else None
            if message is not None:
                update["failure"] = exchange.failure.model_copy(update={"message": message})
        self._recorder.record(exchange.model_copy(update=update), content)


_FOREIGN: Iterable[str] = ("certificate", "tls", "dns", "protocol")
"""Kinds of failure whose sentence may quote what a stranger sent."""


def needed_permits(ask: Ask, *, has_token: bool) -> tuple[Permit, ...]:
    """The permits that this request needs, read off the request itself (public discovery needs none)."""
    if ask.public() or (ask.purpose == "handshake" and ask.label == "modern"):
        return ()
    needed: list[Permit] = ["active"]
    if has_token and ask.bearer == "run" and ask.purpose in ("fhir", "link", "job", "file"):
        needed.append("credentials")
    if ask.purpose in ("job", "file"):
        needed.append("jobs")
    holds_patients = ask.purpose == "link" or (ask.purpose == "fhir" and (bool(ask.values) or "?" in ask.template))
    if holds_patients and ask.bearer != "invented" and ask.reducer != "open-data/1":
        needed.append("patient_data")
    return tuple(needed)


def _lost_race(ask: Ask, failure: NetworkFailure) -> bool:
    """True if a kept connection was closed by the server just as a GET went out on it (RFC 9112 section 9.3.1).

    Nothing was answered, and it says nothing about the server, so the same request goes out once more.
    """
    return ask.method == "GET" and failure.kind == "reset" and failure.reused and failure.status is None


def _no_test_patient() -> Failure:
    return Failure(
        reason="needs_patient_data",
        kind="scope",
        message="Outside a sandbox prober reads only configured test patients and what a search for one returned.",
    )


def _is_public_document(ask: Ask) -> bool:
    return ask.purpose == "public" or (ask.purpose in ("fhir", "clear") and ask.template in PUBLIC_DOCUMENTS)


def _content_type(answer: Answer) -> str:
    return next((value for name, value in answer.headers if name.lower() == "content-type"), "")


def _without_body(answer: Streamed) -> Answer:
    return Answer(
        status=answer.status,
        headers=answer.headers,
        body=b"",
        wire_bytes=answer.wire_bytes,
        decoded_bytes=answer.decoded_bytes,
        truncated=answer.truncated,
        http_version=answer.http_version,
        address=answer.address,
        tls=answer.tls,
        timings=answer.timings,
        reused=answer.reused,
    )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return ("", None, None)
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def _ids_in(exchange: Exchange) -> set[str]:
    """The ids in a resource or searchset: what a restricted search returned may be read next."""
    document = exchange.document
    entries = document.get("entry") if isinstance(document, dict) else None
    resources = (
        [document, *(entry.get("resource") for entry in entries if isinstance(entry, dict))]
        if isinstance(entries, list)
        else [document]
    )
    ids = (one.get("id") for one in resources if isinstance(one, dict))
    return {id_ for id_ in ids if isinstance(id_, str)}


def _timings(wire: WireTimings, waited: int) -> Timings:
    return Timings(
        dns=wire.dns,
        connect=wire.connect,
        tls=wire.tls,
        send=wire.send,
        first_byte=wire.first_byte,
        body=wire.body,
        total=wire.total or 0,
        loop_lag=wire.loop_lag,
        waited=waited,
    )


def _transport(tls: TlsFacts | None, address: str | None) -> Transport:
    if tls is None:
        return Transport(address=address)
    return Transport(
        address=address,
        tls_version=tls.version,
        cipher=tls.cipher,
        certificate_subject=tls.subject,
        certificate_issuer=tls.issuer,
        certificate_names=tls.names,
        certificate_not_before=tls.not_before,
        certificate_not_after=tls.not_after,
        certificate_sha256=tls.sha256,
    )
