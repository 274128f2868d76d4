"""The live door: permits, scope, budget, pace and deadline are enforced here, and everything is recorded here."""

import asyncio
import hashlib
import json
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, cast
from urllib.parse import urljoin, urlsplit

from prober.clock import Clock, instant
from prober.nouns.evidence import Exchange, Failure, Media, Timings, Transport
from prober.nouns.finding import Reason
from prober.nouns.run import REASON_FOR_PERMIT, Permit
from prober.redact import RedactedBody, Redactor
from prober.reduce import reduced_text, reducer
from prober.session.addresses import is_loopback_as_written, normal_name
from prober.session.ask import PUBLIC_DOCUMENTS, Ask, Purpose, names_records, request_hash
from prober.session.export_addresses import why_no_file, why_no_job
from prober.session.network import Network
from prober.session.observation import Observation, observation
from prober.session.pace import HostGate, Pacing
from prober.session.session import EXPORT_ADDRESS, HOST_CLOSED, REST, Facts, Session, asked_for_rest
from prober.session.streamed import Streamed
from prober.session.wire import Answer, Handshake, Limits, NetworkFailure, TlsFacts, WireRequest
from prober.session.wire import Timings as WireTimings

MOST_HELD = 96 * 2**20
"""Bytes: all bodies that one run keeps, together."""
READ_AT_ONCE = 64 * 1024
"""Bytes: a larger body is redacted in a thread."""
CLEAN_UP_SECONDS = 10
"""How long the door may take, after the deadline or an interruption, to delete the jobs that it started."""

KICK_OFF_SECONDS = 3
"""How long a kick-off that is under way may still be waited for then: a job that nobody knows of is never deleted."""

_METHODS: Mapping[Purpose, frozenset[str]] = {
    "handshake": frozenset({"HANDSHAKE"}),
    "connect": frozenset({"CONNECT"}),
    "job": frozenset({"GET", "DELETE"}),
}
_GET = frozenset({"GET"})

GONE = frozenset({200, 202, 204, 404, 410})
"""What a DELETE of a job answers when the job is no more."""

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

    def ready(self) -> bool:
        """True if a job could be remembered now; no job is started that could not."""

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
    hosts: frozenset[str] = frozenset()
    """Hosts besides the base's own that may be asked for more than public documents."""


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
        self._starting: set[asyncio.Task[Any]] = set()
        self._closed_families: dict[tuple[str, str], int] = {}
        self._spent: dict[str, int] = {}
        self._jobs: dict[str, None] = {}
        self._followed: set[str] = set()
        self._restricted: set[str] = set()
        self._known_ids: set[str] = {*settings.facts.patients, *settings.facts.groups}
        self._stopped = False
        self._held = 0
        self._reading = asyncio.Lock()
        self.sent = 0
        self.refused = 0
        self.ended_by: Reason | None = None
        self.broken: Exception | None = None
        """What kept the evidence from being kept; the run stops then, because nobody is asked in vain."""

    @property
    def facts(self) -> Facts:
        return self._settings.facts

    @property
    def outstanding_jobs(self) -> tuple[str, ...]:
        """Status URLs of the jobs that this run started and that were not deleted."""
        return tuple(self._jobs)

    def identity_url(self, ask: Ask) -> str:
        if ask.absolute is not None:
            public = (_is_public_document(ask) and not ask.redirected) or _is_public_origin(ask)
            return self._redactor.url(ask.absolute, public=public)
        values = {name: self._redactor.value(value, "id") for name, value in ask.values.items()}
        return f"{self.facts.base}/{ask.path(values)}"

    def stop(self) -> None:
        """End the run now: whatever waits or is under way is recorded as not answered."""
        self._stopped = True
        self.ended_by = self.ended_by or "deadline"
        for task in self._running - self._starting:
            task.cancel()
        if self._starting:
            asyncio.get_running_loop().call_later(KICK_OFF_SECONDS, _cancel, tuple(self._starting))

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
            self._spend(ask, observation)
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
        kept = _INTERRUPTED
        try:
            kept = self._counted(await self._redacted(ask, outcome, reduced))
        finally:
            exchange = self._exchange(ask, observation, arguments, id, started, outcome, reduced, waited, kept)
            try:
                self._remember(ask, observation, exchange)
            finally:
                self._keep(ask, exchange, kept)
        return exchange

    async def _redacted(
        self, ask: Ask, outcome: Answer | Handshake | NetworkFailure | Failure, reduced: bytes | None
    ) -> RedactedBody:
        """The body as it may be kept. A large one is read in a thread, so that deadline and signals are still heard.

        They come one after the other, so that no more than one is taken apart in memory.
        """
        if not isinstance(outcome, Answer) or reduced is not None or not outcome.body:
            return RedactedBody(reduced or b"", "json" if reduced else "none", bool(reduced), None)
        # Only the document itself is published; an error may be about whoever asked last.
        published = _is_public_document(ask) and outcome.status == 200
        read = partial(self._redactor.body, outcome.body, _content_type(outcome), public=published)
        try:
            if len(outcome.body) <= READ_AT_ONCE:
                return read()
            async with self._reading:
                if self._stopped or self._clock.monotonic_us() >= self._settings.deadline_us:
                    self.ended_by = self.ended_by or "deadline"
                    return _INTERRUPTED
                return await asyncio.to_thread(read)
        except Exception:  # whatever it was: what cannot be redacted is not kept, and that there was an answer is
            return _UNSAFE

    def _counted(self, kept: RedactedBody) -> RedactedBody:
        if self._held + len(kept.data) > MOST_HELD:
            note = f"the bodies of this run come to more than the {MOST_HELD // 2**20} MiB that prober keeps"
            return RedactedBody(b"", kept.media, False, note, "too_large")
        self._held += len(kept.data)
        return kept

    async def clean_up(self) -> None:
        """DELETE every job that is still there, within CLEAN_UP_SECONDS, whatever the deadline says."""
        if not self._jobs:
            return
        self._stopped = False
        self._settings = replace(self._settings, deadline_us=self._clock.monotonic_us() + CLEAN_UP_SECONDS * 1_000_000)
        for number, url in enumerate(list(self._jobs)):
            ask = Ask("DELETE", "job", absolute=url, headers=(("Accept", "application/fhir+json"),))
            digest = request_hash(clean_up.name, (), ask, self.identity_url(ask))
            with suppress(Exception):  # every job has its turn; what breaks here is in `broken` or stays outstanding
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
        if not done and task in self._starting:
            done, _ = await asyncio.wait({task}, timeout=KICK_OFF_SECONDS)
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
        if ask.method not in _METHODS.get(ask.purpose, _GET):
            return Failure(reason="needs_writes", kind="method", message="Prober does not send that kind of request.")
        if not _readable(self._target(ask)):
            return Failure(reason="unparseable", kind="url", message="What the server gave as an address is no URL.")
        for permit in needed_permits(ask, has_token=self._settings.token is not None):
            if permit not in self.facts.permits:
                message = f"This run has no permit `{permit}`."
                return Failure(reason=REASON_FOR_PERMIT[permit], kind="permit", message=message)
        if (scope := self._out_of_scope(ask)) is not None:
            return scope
        if ask.method == "DELETE" and ask.absolute not in self._jobs:
            return Failure(reason="needs_writes", kind="method", message="Prober deletes a job only once.")
        if (status := self._closed_families.get((self._host(ask), observation.family))) is not None:
            return Failure(reason=REST[status], kind=HOST_CLOSED, message=asked_for_rest(status))
        if _is_kick_off(ask) and not self._journal.ready():
            message = "No job is started, because the journal of jobs outside the run folder cannot be written."
            return Failure(reason="needs_jobs", kind="journal", message=message)
        if not self._has_budget(ask, observation):
            if not _unplanned(ask):
                self.ended_by = self.ended_by or "budget"
            return Failure(reason="budget", kind="budget", message="The budget of requests is used up.")
        return None

    def _out_of_scope(self, ask: Ask) -> Failure | None:
        """Public documents of anybody; all else of the base's host and those it was allowed, about known patients."""
        target, base = self._target(ask), self.facts.base
        if ask.public() or ask.purpose == "clear":
            if ask.absolute is not None and names_records(target, base):
                return Failure(
                    reason="needs_authorization",
                    kind="not_public",
                    message="This address looks like somebody's records and not like a public document.",
                )
            if ask.public():
                return None
        if ask.purpose in ("job", "file") and not _is_kick_off(ask):
            return self._no_part_of_an_export(ask)
        host, own = self._host(ask), normal_name(urlsplit(base).hostname or "")
        both_here = is_loopback_as_written(host) and is_loopback_as_written(own)
        if host != own and host not in self._settings.hosts and not both_here:
            return Failure(
                reason="needs_authorization",
                kind="host",
                message="The authorization statement does not name the host of this link.",
            )
        return None if self.facts.synthetic else self._other_people(ask, target)

    def _no_part_of_an_export(self, ask: Ask) -> Failure | None:
        """A server says itself where its jobs and files lie; only what can be nothing else is asked, and deleted."""
        target, base, hosts = self._target(ask), self.facts.base, self._settings.hosts
        why = why_no_file(target, base, hosts) if ask.purpose == "file" else why_no_job(target, base, hosts)
        if why is None and ask.purpose == "job" and target not in self._followed:
            why = "No export of this run named this address, so nothing was sent there."
        return None if why is None else Failure(reason="address_refused", kind=EXPORT_ADDRESS, message=why)

    def _other_people(self, ask: Ask, target: str) -> Failure | None:
        """Outside synthetic data only configured test patients are asked for, and what a search for one returned."""
        if ask.purpose == "link":
            return None if ask.parent in self._restricted else _no_test_patient()
        if ask.redirected and ask.template and not ask.same_path(target):
            return Failure(
                reason="address_refused",
                kind="redirect",
                message="The server redirects this request to something else than what was asked for.",
            )
        if ask.reducer == "open-data/1" and ask.bearer != "run" and not ask.values:
            return None
        known = bool(ask.values) and self._known_ids.issuperset(ask.values.values())
        if ask.purpose == "fhir" and ask.seeks_records() and not known:
            return _no_test_patient()
        if _is_kick_off(ask) and not known:
            # On production a bulk job is for a Group that the authorization names, nothing wider.
            message = "No Group of test patients was named."
            return Failure(reason="needs_authorization", kind="scope", message=message)
        return None

    def _spend(self, ask: Ask, observation: Observation[Any]) -> None:
        self.sent += 1
        if not _unplanned(ask):
            self._spent[observation.name] = self._spent.get(observation.name, 0) + 1

    def _has_budget(self, ask: Ask, observation: Observation[Any]) -> bool:
        """A planned request has what was allotted; repeats and redirects have what nobody was allotted."""
        if observation is clean_up:
            return True
        if not _unplanned(ask):
            return self._spent.get(observation.name, 0) < self._settings.allotted.get(observation.name, 0)
        reserved = sum(
            max(0, allotted - self._spent.get(name, 0)) for name, allotted in self._settings.allotted.items()
        )
        return self.sent + reserved < self.facts.budget

    def _target(self, ask: Ask) -> str:
        if ask.absolute is not None:
            return ask.absolute
        if ask.template.startswith("../"):
            return urljoin(f"{self.facts.base}/", ask.path(ask.values))
        return f"{self.facts.base}/{ask.path(ask.values)}"

    def _host(self, ask: Ask) -> str:
        """The host as it is spelled here, without its port: a host with many ports is still one machine's burden."""
        return normal_name(urlsplit(self._target(ask)).hostname or "")

    async def _through_gate(
        self, ask: Ask, observation: Observation[Any], id_: str
    ) -> tuple[Answer | Handshake | NetworkFailure, bytes | None, int, str]:
        gate = self._gates.setdefault(self._host(ask), HostGate(self._settings.pacing, self._clock))
        await gate.enter(self._settings.heights.get(observation.name, 1))
        task = asyncio.current_task()
        try:
            self._progress(Progress(observation.name, ask.method, self.sent, self.facts.budget))
            started = instant(self._clock.utc())
            sent_us = self._clock.monotonic_us()
            if _is_kick_off(ask) and task is not None:
                self._starting.add(task)
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
            if task is not None:
                self._starting.discard(task)

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
        known = None if self.facts.synthetic else frozenset(self.facts.patients)
        reduce = reducer(name, self._key, known, self.facts.pages)
        if name.startswith("ndjson"):
            # An export file may be as large as it likes: it is never held, only the time is bounded.
            limits = replace(limits, wire_bytes=2**40, decoded_bytes=2**42, total_seconds=3600.0)
        try:
            async with self._network.stream(request, limits) as answer:
                complete = True
                if answer.status == 200:
                    async for chunk in answer.chunks():
                        reduce.feed(chunk)
                        if reduce.enough:
                            complete = False
                            break
                kept = reduced_text(reduce.finish(complete=complete)) if answer.status == 200 else b""
        finally:
            reduce.close()
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
        kept: RedactedBody,
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
        withheld = None
        if kept.withheld is not None:
            content = b""
            withheld = Failure(reason=kept.withheld, kind="withheld", message=f"This answer was not kept: {kept.note}.")
        return Exchange(
            **common,
            status=outcome.status,
            headers=outcome.headers,
            media=cast(Media, kept.media),
            parsed=kept.parsed,
            note=kept.note,
            failure=withheld,
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
            self._closed_families.setdefault((self._host(ask), observation.family), exchange.status)
        if _is_kick_off(ask) and exchange.status == 202:
            self._remember_job((exchange.header("content-location") or "").strip())
        if ask.method == "DELETE" and exchange.status in GONE:
            self._jobs.pop(ask.absolute or "", None)
            self._journal.ended(ask.absolute or "")
        if not self.facts.synthetic and (ask.values or ask.parent in self._restricted):
            self._restricted.add(exchange.id)
            self._known_ids.update(_ids_in(exchange))

    def _remember_job(self, location: str) -> None:
        """What the door would not ask is no job: it is neither remembered nor journalled, so nobody deletes it."""
        try:
            url = urljoin(f"{self.facts.base}/", location)
        except ValueError:  # a Content-Location that is no URL: there is nothing to delete it by
            return
        if why_no_job(url, self.facts.base, self._settings.hosts) is None and url not in self._jobs:
            self._followed.add(url)
            self._jobs[url] = None
            self._journal.started(url)

    def _keep(self, ask: Ask, exchange: Exchange, kept: RedactedBody) -> None:
        """Redact all but the body, which is, and hand to the recorder. What is in clear never leaves this method."""
        if self.broken is not None:
            return
        content = kept.data if exchange.method in ("GET", "DELETE") else exchange.content
        try:
            update = self._shown(ask, exchange)
        except Exception:
            content = b""
            update = {"request_headers": (), "headers": (), "transport": Transport(), "failure": _UNSAFE_HEAD}
        update |= {
            "url": self.identity_url(ask),
            "body": hashlib.sha256(content).hexdigest() if content else None,
            "content": b"",
        }
        try:
            update["commitment"] = self._commit(exchange)
            self._recorder.record(exchange.model_copy(update=update), content)
        except Exception as error:
            self.broken = error
            self.stop()
            raise

    def _shown(self, ask: Ask, exchange: Exchange) -> dict[str, Any]:
        """Headers, transport and failure as they may be kept."""
        for name, value in ask.headers:
            if name.lower() == "origin":
                # Prober's own word: whether a server repeats it is what was asked.
                self._redactor.keep(value)
        own = exchange.request_headers[len(ask.headers) :]
        clean, transport = self._redactor.public_text, exchange.transport
        certificate = {
            "certificate_subject": transport.certificate_subject and clean(transport.certificate_subject),
            "certificate_issuer": transport.certificate_issuer and clean(transport.certificate_issuer),
            "certificate_names": tuple(map(clean, transport.certificate_names)),
        }
        update: dict[str, Any] = {
            "request_headers": (*self._redactor.headers(ask.headers, response=False), *own) if own else (),
            "headers": self._redactor.headers(exchange.headers, response=True),
            "transport": transport.model_copy(update=certificate),
        }
        if exchange.failure is not None and exchange.failure.kind in _FOREIGN:
            message = self._redactor.text(exchange.failure.message)
            update["failure"] = exchange.failure.model_copy(update={"message": message})
        return update


_ORIGIN = re.compile(r"https?://[^/?#@]+")
_INTERRUPTED = RedactedBody(b"", "none", False, "the run ended before it was read", "deadline")
_UNSAFE = RedactedBody(b"", "none", False, "it could not be redacted", "unparseable")
_UNSAFE_HEAD = Failure(
    reason="unparseable", kind="withheld", message="This answer was not kept: its headers could not be redacted."
)
_FOREIGN: Iterable[str] = ("certificate", "tls", "dns", "protocol")
"""Kinds of failure whose sentence may quote what a stranger sent."""


def needed_permits(ask: Ask, *, has_token: bool) -> tuple[Permit, ...]:
    """The permits that this request needs, read off the request itself (public discovery needs none)."""
    if ask.public() or (ask.purpose == "handshake" and ask.label == "modern"):
        return ()
    needed: list[Permit] = ["active"]
    if has_token and ask.bearer == "run" and ask.purpose in ("fhir", "link", "job", "file"):
        needed.append("credentials")
    if ask.purpose in ("job", "file") or ask.operation():
        needed.append("jobs")
    discards = ask.bearer == "invented" or ask.reducer == "open-data/1"
    if ask.purpose == "link" or (ask.purpose == "fhir" and ask.seeks_records() and not discards):
        needed.append("patient_data")
    return tuple(needed)


def _is_kick_off(ask: Ask) -> bool:
    return ask.purpose == "job" and ask.method == "GET" and bool(ask.template)


def _readable(url: str) -> bool:
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return True


def _cancel(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()


def _unplanned(ask: Ask) -> bool:
    """True for a repeat and for a hop after a redirect."""
    return ask.attempt > 1 or ask.label.rpartition(">")[1] == ">"


def _lost_race(ask: Ask, failure: NetworkFailure) -> bool:
    """True if a kept connection was closed by the server just as a GET went out on it (RFC 9112 section 9.3.1).

    Nothing was answered, and it says nothing about the server, so the same request goes out once more; a kick-off
    does not, because a job may have begun.
    """
    lost = failure.kind == "reset" and failure.reused and failure.status is None
    return lost and ask.method == "GET" and not _is_kick_off(ask)


def _no_test_patient() -> Failure:
    return Failure(
        reason="needs_patient_data",
        kind="scope",
        message="Outside a sandbox prober reads only configured test patients and what a search for one returned.",
    )


def _is_public_document(ask: Ask) -> bool:
    return ask.purpose == "public" or (ask.purpose in ("fhir", "clear") and ask.template in PUBLIC_DOCUMENTS)


def _is_public_origin(ask: Ask) -> bool:
    """True for a mere connection: where it leads stands in a public document, which a replay reads in clear."""
    return ask.purpose == "connect" and _ORIGIN.fullmatch(ask.absolute or "") is not None


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
    try:
        parts = urlsplit(url)
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
