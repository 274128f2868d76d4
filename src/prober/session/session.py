"""What an observation holds in its hands: named ways to ask, and `see` to share what others already saw."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

from prober.nouns.evidence import Exchange, Seen, Trouble
from prober.nouns.fhir import R4_TYPES
from prober.nouns.finding import Reason
from prober.nouns.run import REASON_FOR_PERMIT, Permit
from prober.session.ask import FHIR_JSON, Ask, Bearer, Purpose, request_hash
from prober.session.observation import Observation
from prober.session.withheld import passing

T = TypeVar("T")
MOST_HOPS = 3
LONGEST_WAIT = 30
"""Seconds: no server makes prober wait longer at a time, whatever it says in Retry-After."""

REST: dict[int, Reason] = {429: "rate_limited", 503: "unavailable"}
"""The statuses by which a server asks for rest, and what is unknown because of them."""
HOST_CLOSED = "host_closed"
"""The kind of failure by which the door keeps prober away from a host that asked for rest twice."""

EXPORT_ADDRESS = "export_address"
"""The kind of failure by which the door asks nothing at what a server calls the address of its export."""


class Troubled(Exception):
    """Ends an observation that cannot see; the engine turns it into Trouble, and that into `unknown`."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.reason)
        self.trouble = trouble


@dataclass(frozen=True)
class Facts:
    """What observations may know of the run: the same in a live run and in its replay."""

    base: str
    synthetic: bool
    permits: frozenset[Permit]
    has_credentials: bool
    budget: int
    patients: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    refused: Mapping[str, Reason] | None = None


class Exchanger(Protocol):
    """Where answers come from: the network or the run folder. It never raises for what a server does."""

    @property
    def facts(self) -> Facts: ...

    def identity_url(self, ask: Ask) -> str:
        """The redacted URL of this request."""

    async def exchange(
        self, ask: Ask, *, observation: Observation[Any], arguments: tuple[str, ...], id: str
    ) -> Exchange:
        """The answer, or an exchange with a failure."""

    async def wait(self, seconds: float) -> None:
        """Let the server rest. Instant in a replay."""


class Round:
    """One pass over a server: each observation is looked at once, by its first caller, and shared with all others."""

    def __init__(self, exchanger: Exchanger) -> None:
        self._exchanger = exchanger
        self._tasks: dict[tuple[str, tuple[str, ...]], asyncio.Task[Seen[Any] | Trouble]] = {}
        self._known: dict[str, Observation[Any]] = {}
        self.bugs: list[str] = []

    async def see(self, wanted: Observation[T], *arguments: str) -> Seen[T] | Trouble:
        """What that observation saw. The first caller starts it; the others wait for the same look."""
        key = (wanted.name, arguments)
        if self._known.setdefault(wanted.name, wanted) is not wanted:
            raise ValueError(f"Two observations are called {wanted.name}; what one saw would pass for the other's.")
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._look(wanted, arguments), name=wanted.name)
        return await asyncio.shield(self._tasks[key])

    async def _look(self, wanted: Observation[T], arguments: tuple[str, ...]) -> Seen[T] | Trouble:
        facts = self._exchanger.facts
        missing = next((permit for permit in wanted.permits if permit not in facts.permits), None)
        if missing is not None:
            return Trouble(REASON_FOR_PERMIT[missing], f"This was not asked: the run has no permit `{missing}`.")
        if refused := (facts.refused or {}).get(wanted.name):
            return Trouble(refused, "This was not asked: the budget of requests had no room for it.")
        session = Session(self, self._exchanger, wanted, arguments)
        try:
            value = await wanted.look(session, *arguments)
        except Troubled as stopped:
            trouble = stopped.trouble
            return Trouble(trouble.reason, trouble.message, _each_once(session.exchanges, trouble.exchanges))
        except Exception as error:
            # Only the type is told: the text of an exception may hold what a patient's record held.
            self.bugs.append(f"{type(error).__name__} in observation {wanted.name}")
            return Trouble("bug", f"Prober failed with {type(error).__name__} in {wanted.name}.", session.exchanges)
        return Seen(value, session.exchanges, session.last)


class Session:
    """The hands of one observation. Every method that asks counts against its budget and is recorded."""

    def __init__(
        self, round_: Round, exchanger: Exchanger, observation: Observation[Any], arguments: tuple[str, ...]
    ) -> None:
        self._round = round_
        self._exchanger = exchanger
        self._observation = observation
        self._arguments = arguments
        self._calls: Counter[str] = Counter()
        self._asked: list[str] = []
        self._inherited: list[str] = []
        self.last: str | None = None

    @property
    def base(self) -> str:
        """The FHIR base URL as the user wrote it, without a trailing slash."""
        return self._exchanger.facts.base

    @property
    def synthetic(self) -> bool:
        """True if the data are declared synthetic: then ids may come from a `_count=1` search."""
        return self._exchanger.facts.synthetic

    @property
    def has_credentials(self) -> bool:
        """True if this run may use a bearer token."""
        return self._exchanger.facts.has_credentials

    @property
    def patients(self) -> tuple[str, ...]:
        """The configured test patients (their placeholders in a replay)."""
        return self._exchanger.facts.patients

    @property
    def groups(self) -> tuple[str, ...]:
        """The configured Groups (their placeholders in a replay)."""
        return self._exchanger.facts.groups

    @property
    def pages(self) -> tuple[str, ...]:
        """The published pages that the provider file names."""
        return self._exchanger.facts.pages

    @property
    def budget(self) -> int:
        """The most requests of the whole run."""
        return self._exchanger.facts.budget

    @property
    def exchanges(self) -> tuple[str, ...]:
        """Every exchange that this observation rests on so far."""
        return _each_once(self._asked, self._inherited)

    async def see(self, wanted: Observation[T], *arguments: str) -> Seen[T]:
        """What another observation saw. Its trouble becomes this observation's trouble."""
        seen = await self.try_see(wanted, *arguments)
        if isinstance(seen, Trouble):
            raise Troubled(seen)
        return seen

    async def try_see(self, wanted: Observation[T], *arguments: str) -> Seen[T] | Trouble:
        """Like `see`, but trouble is returned. ValueError if `wanted` is not among the declared needs.

        Arguments are names of FHIR types: they are kept in clear, so nothing else may stand in them (ValueError).
        """
        if wanted not in self._observation.needs:
            raise ValueError(f"{self._observation.name} looks at {wanted.name} without declaring that it needs it.")
        if not R4_TYPES.issuperset(arguments):
            raise ValueError(f"{self._observation.name} hands {wanted.name} something that is not a FHIR type.")
        seen = await self._round.see(wanted, *arguments)
        self._inherited.extend(seen.exchanges)
        return seen

    async def get(
        self,
        template: str,
        *,
        accept: str = FHIR_JSON,
        headers: Mapping[str, str] | None = None,
        bearer: Bearer = "run",
        label: str = "",
        reducer: str | None = None,
        **values: str,
    ) -> Exchange:
        """GET `template` below the FHIR base. Raises Troubled for no answer, and for one that is `passing`."""
        ask = self._ask(template, accept, headers, bearer, label, reducer, values)
        return self._answered(await self._polite(ask))

    async def attempt(
        self,
        template: str,
        *,
        accept: str = FHIR_JSON,
        headers: Mapping[str, str] | None = None,
        bearer: Bearer = "run",
        label: str = "",
        reducer: str | None = None,
        **values: str,
    ) -> Exchange:
        """Like `get`, but whatever happened is returned: the exchange tells its failure."""
        return await self._polite(self._ask(template, accept, headers, bearer, label, reducer, values))

    async def sample(self, template: str, *, label: str, accept: str = FHIR_JSON, bearer: Bearer = "none") -> Exchange:
        """One try without repeats or redirects: for latency samples and whatever must be seen as it is."""
        return await self._once(self._ask(template, accept, None, bearer, label, None, {}))

    async def public(self, url: str, *, accept: str = "application/json", label: str = "") -> Exchange:
        """GET a public document that the server's own discovery names (JWKS, brands). Never with a token."""
        ask = Ask("GET", "public", absolute=url, headers=(("Accept", accept),), bearer="none", label=label)
        return self._answered(await self._polite(ask))

    async def page(self, url: str, *, reducer: str, label: str) -> Exchange:
        """GET a published page, or what stands beside it for programs; whatever happened is returned. Never a token."""
        accept = (("Accept", "text/html, application/pdf, application/json, */*"),)
        ask = Ask("GET", "public", absolute=url, headers=accept, bearer="none", label=label, reducer=reducer)
        return await self._polite(ask)

    async def follow(self, url: str, *, of: Exchange, accept: str = FHIR_JSON, label: str = "") -> Exchange:
        """GET a link of a searchset (`next`), which must stay on the base's own host."""
        ask = Ask("GET", "link", absolute=url, headers=(("Accept", accept),), label=label, parent=of.id)
        return self._answered(await self._polite(ask))

    async def kick_off(self, template: str, *, bearer: Bearer = "run", label: str = "", **values: str) -> Exchange:
        """Start an asynchronous job (FHIR R4 async pattern). The door remembers it until `end_job` ends it."""
        headers = {"Prefer": "respond-async"}
        ask = self._ask(template, FHIR_JSON, headers, bearer, label, None, values)
        return await self._polite(replace(ask, purpose="job"))

    async def poll(self, url: str, *, label: str = "") -> Exchange:
        """Ask once how the job is doing."""
        return await self._once(self._at(url, "job", "GET", "application/json", label))

    async def end_job(self, url: str, *, label: str = "") -> Exchange:
        """DELETE the job."""
        return await self._once(self._at(url, "job", "DELETE", FHIR_JSON, label))

    async def file(
        self, url: str, *, reducer: str, bearer: Bearer = "run", label: str = "", expects: str = ""
    ) -> Exchange:
        """Stream an export file through a named reducer whose small output is the evidence."""
        ask = self._at(url, "file", "GET", "application/fhir+ndjson", label)
        # A manifest is a stranger's text, and the reducer's name is kept in clear: only a known type goes into it.
        name = f"{reducer}:{expects}" if expects in R4_TYPES else reducer
        return await self._polite(replace(ask, reducer=name, bearer=bearer))

    async def handshake(self, version: str) -> Exchange:
        """Offer one TLS version (`modern`, `TLSv1`, `TLSv1.1`) to the base's host and port; no HTTP is sent."""
        return await self._once(Ask("HANDSHAKE", "handshake", absolute=self.base, label=version, bearer="none"))

    async def connect(self, url: str, *, label: str = "") -> Exchange:
        """Open (and close) a connection to where this URL points; nothing is requested."""
        return await self._once(Ask("CONNECT", "connect", absolute=url, label=label, bearer="none"))

    async def in_clear(self, url: str, *, label: str = "") -> Exchange:
        """GET over plain HTTP, to learn whether the server answers FHIR in clear. Never with a token."""
        return await self._once(
            Ask("GET", "clear", absolute=url, headers=(("Accept", FHIR_JSON),), label=label, bearer="none")
        )

    async def wait(self, seconds: float) -> None:
        """Wait, at most LONGEST_WAIT seconds and never past the deadline; instant in a replay."""
        await self._exchanger.wait(min(max(seconds, 0), LONGEST_WAIT))

    def trouble(self, reason: Reason, message: str) -> NoReturn:
        """End this observation: what it wanted to see cannot be seen."""
        raise Troubled(Trouble(reason, message, self.exchanges))

    def _ask(
        self,
        template: str,
        accept: str,
        headers: Mapping[str, str] | None,
        bearer: Bearer,
        label: str,
        reducer: str | None,
        values: Mapping[str, str],
    ) -> Ask:
        lines = (("Accept", accept), *(headers or {}).items())
        return Ask(
            "GET", "fhir", template=template, values=values, headers=lines, bearer=bearer, label=label, reducer=reducer
        )

    def _at(self, url: str, purpose: Purpose, method: str, accept: str, label: str) -> Ask:
        return Ask(method, purpose, absolute=url, headers=(("Accept", accept),), label=label)

    async def _once(self, ask: Ask) -> Exchange:
        ask = ask.writable()
        digest = request_hash(self._observation.name, self._arguments, ask, self._exchanger.identity_url(ask))
        self._calls[digest] += 1
        identity = f"{digest}.{self._calls[digest]}"
        self._asked.append(identity)
        self.last = identity
        return await self._exchanger.exchange(
            ask, observation=self._observation, arguments=self._arguments, id=identity
        )

    async def _polite(self, ask: Ask) -> Exchange:
        """Repeat once after 429 or 503, as late as the server wishes (capped); follow redirects that stay at home."""
        answer = await self._once(ask)
        if answer.status in REST:
            await self.wait(retry_after_seconds(answer) or 1)
            answer = await self._once(replace(ask, attempt=2))
        elif answer.failure is not None and answer.failure.kind == HOST_CLOSED:
            # Which observation came first at a throttled host is chance; the evidence of all has the same shape.
            answer = await self._once(replace(ask, attempt=2))
        here = answer.url
        for hop in range(1, MOST_HOPS + 1):
            target = _redirect_target(answer, here)
            if target is None or ask.method != "GET":
                break
            answer = await self._once(replace(ask, absolute=target, label=f"{ask.label}>{hop}"))
            here = target
        return answer

    def _answered(self, answer: Exchange) -> Exchange:
        if answer.failure is not None:
            raise Troubled(Trouble(answer.failure.reason, answer.failure.message, self.exchanges))
        status = answer.status or 0
        if status in REST:
            self.trouble(REST[status], asked_for_rest(status))
        hidden = passing(answer)
        if hidden is not None:
            self.trouble(*hidden)
        return answer


def asked_for_rest(status: int) -> str:
    """The sentence about a server that asked for rest twice, by 429 or 503."""
    words = "asked prober to slow down" if status == 429 else "said that it is unavailable"
    return f"The server {words} (status {status}), also on the second try."


def retry_after_seconds(answer: Exchange) -> int | None:
    """The wait that Retry-After asks for, in seconds, capped at LONGEST_WAIT; None if it names no sane wait.

    RFC 9110 section 10.2.3: delay-seconds or an HTTP date (read against the answer's own Date, so that skewed clocks
    do no harm). An epoch, milliseconds, a negative number or a wait of more than a day is nonsense.
    """
    value = answer.header("retry-after")
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) <= 9:
        seconds = int(value)
    else:
        until, now = _http_date(value), _http_date(answer.header("date") or "")
        if until is None or now is None:
            return None
        seconds = round((until - now).total_seconds())
    return min(seconds, LONGEST_WAIT) if 0 <= seconds <= 86_400 else None


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # what it raises differs between versions of Python
        return None
    return moment if moment.tzinfo is not None else None


def _redirect_target(answer: Exchange, here: str) -> str | None:
    """Where a redirect leads if it stays on the same host and does not leave TLS; None otherwise."""
    location = answer.header("location")
    if answer.status not in (301, 302, 303, 307, 308) or not location:
        return None
    try:
        old, new = urlsplit(here), urlsplit(urljoin(here, location))
        if new.scheme not in ("http", "https") or new.hostname != old.hostname:
            return None
        same_port = (new.port or _port(new.scheme)) == (old.port or _port(old.scheme))
    except ValueError:
        return None
    upgrade = old.scheme == "http" and new.scheme == "https"
    return new.geturl() if upgrade or (new.scheme == old.scheme and same_port) else None


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _each_once(*many: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for some in many for one in some))
