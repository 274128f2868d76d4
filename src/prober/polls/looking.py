"""One run as a poll: was the target up, was it down, or could that not be told? And how soon it answered.

What is looked at is GET [base]/metadata, which every FHIR server answers (FHIR R4, http.html#capabilities). A look is
each time that it was asked, redirects followed. *Up* is a CapabilityStatement, or the word that one has to log in
first. *Down* is a status of the 5xx, 503 among them; a 404 or 410 that no FHIR server explains; redirects without end;
and under 200 anything else than a statement, since a login page is no answer to a program. *Silent* is a look without
an answer. A poll is down if most of its looks were down or silent, and one look without an answer alone says nothing.

Silence says something about the target only where the way to it was open: the connection stood, or the control host
answered just before, or the target is this very machine. All else (429, a deadline, a budget, a redirect to another
host, a status that tells neither) is undecided.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from prober.nouns.evidence import Exchange, crowded
from prober.nouns.fhir import R4_TYPES
from prober.nouns.finding import Reason
from prober.nouns.measurement import Control, Maintenance, Vantage, surroundings_in
from prober.nouns.polls import Poll, Sample, SampleKind, State, Window
from prober.nouns.run import Run
from prober.observations.disguises import disguise_of
from prober.observations.web_addresses import leads_away
from prober.session.withheld import closed, passing

LOOKS = frozenset({"metadata_answer", "answer_samples", "capability_statement"})
"""The observations whose requests for /metadata are looks; others ask for it in ways that a server may refuse."""
STATEMENTS = ("CapabilityStatement", "Conformance")
"""The second is what DSTU2 called it: an old server is up too."""
DOORS = (401, 403, 498, 499)
STALLED = 1_000_000
"""Microseconds: where prober's own event loop stood still as long, its machine may have missed the answer."""
AHEAD = timedelta(hours=48)
"""How long before its begin maintenance is announced in public, to be planned."""

Word = Literal["up", "down", "silent", "undecided"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What one look came to."""

    word: Word
    reason: Reason | None
    why: str
    answer: Exchange


def poll_of(run: Run, exchanges: Mapping[str, Exchange], measurements: Iterable[Mapping[str, object]] = ()) -> Poll:
    """What a run says about whether its target was up. `exchanges` come with their bodies, in any order; of the lines
    of measurements.jsonl those of the surroundings count. ValueError for such a line that prober does not write."""
    around = surroundings_in(measurements)
    controls = [one.answered for one in around if isinstance(one, Control)]
    open_way = all(controls) if controls else None
    looks = [
        _heard(final, open_way=open_way, loopback=run.loopback) for final in _looks(run, sorted_by_time(exchanges))
    ]
    state, reason, why = _verdict(looks)
    first = min((one.answer.started for one in looks if one.answer.started), default=run.started)
    statements = {one.answer.id for one in looks if one.word == "up"}
    return Poll(
        run=run.id,
        subject=run.subject,
        environment=run.environment,
        time=run.started,
        at=first,
        state=state,
        reason=reason,
        why=why,
        windows=tuple(sorted({_window(one) for one in around if isinstance(one, Maintenance)}, key=Window.line)),
        samples=tuple(
            sorted(
                (one for answer in exchanges.values() for one in _sample(run.subject, answer, statements)),
                key=lambda one: (one.kind, one.microseconds, one.hour),
            )
        ),
        vantage=_vantage(run, around),
    )


def sorted_by_time(exchanges: Mapping[str, Exchange]) -> list[Exchange]:
    """Exchanges in the order in which they began; of the same instant, by their ids."""
    return sorted(exchanges.values(), key=lambda one: (one.started, one.id))


def _looks(run: Run, exchanges: Sequence[Exchange]) -> list[Exchange]:
    """The last answer of each look: that behind the redirects, where there were any."""
    address = f"{run.subject.rstrip('/')}/metadata"
    asked = [one for one in exchanges if one.observation in LOOKS and one.method == "GET"]
    hops: dict[tuple[str, tuple[str, ...], str], list[Exchange]] = {}
    for one in asked:
        base, mark, _ = one.label.rpartition(">")
        if mark:
            hops.setdefault((one.observation, one.arguments, base), []).append(one)
    found = []
    for one in asked:
        if one.url != address or ">" in one.label:
            continue
        behind = hops.get((one.observation, one.arguments, one.label), [])
        redirected = one.status is not None and 300 <= one.status < 400
        found.append(max(behind, key=lambda hop: (hop.label, hop.started)) if redirected and behind else one)
    return found


def _heard(answer: Exchange, *, open_way: bool | None, loopback: bool) -> Heard:
    word, reason, why = _said(answer)
    if word == "silent":
        if (answer.timings.loop_lag or 0) >= STALLED:
            return Heard("undecided", reason, "Prober's own machine stood still meanwhile.", answer)
        if not (loopback or open_way or (open_way is None and _connected(answer))):
            more = "the control host was silent too" if open_way is False else "no control host was asked"
            return Heard("undecided", reason, f"No answer came, and {more}.", answer)
    return Heard(word, reason, why, answer)


def _connected(answer: Exchange) -> bool:
    """Whether the connection stood before the silence, so that the way to the server was open."""
    failure, timings = answer.failure, answer.timings
    if failure is None or failure.kind not in ("read_timeout", "total_timeout"):
        return False
    return failure.kind == "read_timeout" or timings.send is not None


def _said(answer: Exchange) -> tuple[Word, Reason | None, str]:
    failure, status = answer.failure, answer.status or 0
    if failure is not None and not (failure.kind == "withheld" and status != 200):
        if failure.reason in ("timed_out", "unreachable") and failure.kind != "proxy":
            return "silent", failure.reason, "No answer came."
        if failure.kind in ("protocol", "encoding"):
            return "down", failure.reason, "What was answered is not HTTP that a client can read."
        return "undecided", failure.reason, failure.message
    plain = answer.model_copy(update={"failure": None}) if failure is not None else answer
    return _of_status(plain, status)


def _of_status(answer: Exchange, status: int) -> tuple[Word, Reason | None, str]:
    if status in DOORS:
        return "up", None, "It asks for a login."
    if status >= 500:
        reason: Reason = "unavailable" if status == 503 else "server_error"
        return "down", reason, f"It answered with status {status}."
    hidden = passing(answer)
    if hidden is not None:
        # Under another status the code of an issue tells: `throttled` is a plea for rest, the others are faults.
        down = hidden[0] in ("server_error", "unavailable") and status not in (421, 423, 425)
        return ("down" if down else "undecided"), hidden[0], hidden[1]
    if 300 <= status < 400:
        if leads_away(answer) or status == 304:
            return "undecided", "no_data", "It leads to another host, where prober does not follow."
        return "down", "no_data", "It redirects without end."
    if closed(answer) is not None and status not in (407, 451):
        return "up", None, "It asks for a login."
    if status in (404, 410):
        if answer.resource_type == "OperationOutcome":
            return "undecided", "no_data", f"A FHIR server says that it has no statement (status {status})."
        return "down", "no_data", f"Nothing is there (status {status})."
    if status != 200:
        return "undecided", "no_data", f"Status {status} tells neither."
    return _of_body(answer)


def _of_body(answer: Exchange) -> tuple[Word, Reason | None, str]:
    if answer.resource_type in STATEMENTS:
        return "up", None, "It served its statement."
    disguise = disguise_of(answer)
    if disguise is None:
        return "down", "masquerade", "What it served is no CapabilityStatement."
    if disguise.kind == "xml" and any(one in disguise.words for one in STATEMENTS):
        return "up", None, "It served its statement in XML."
    if disguise.kind == "too_deep" or answer.truncated or crowded(answer.content):
        return "undecided", "too_large", "What it served is more than prober reads."
    return "down", disguise.reason, f"It answered with {disguise.words}."


def _verdict(looks: Sequence[Heard]) -> tuple[State, Reason | None, str]:
    words = Counter(one.word for one in looks)
    if words["silent"] == 1 and not words["down"]:
        # One try without an answer is a lost packet as well as a server that is gone.
        words["silent"] = 0
    bad = words["down"] + words["silent"]
    told = words["up"] + bad
    if not told:
        first = next(iter(looks), None)
        if first is None:
            return "undecided", "not_recorded", "This run did not ask for /metadata."
        why = "Only one look went without an answer." if first.word == "silent" else first.why
        return "undecided", first.reason, why
    if words["up"] >= bad:
        return "up", None, f"{words['up']} of {told} looks found it up."
    worst = next(one for one in looks if one.word in ("down", "silent"))
    return "down", worst.reason, f"{bad} of {told} looks found it down. {worst.why}"


def _sample(base: str, answer: Exchange, statements: frozenset[str] | set[str]) -> Iterable[Sample]:
    """The time of this answer, if it is one that was waited for: a refusal is quick, and nobody's work waits for it."""
    kind = "statement" if answer.id in statements else _kind(base, answer)
    if kind is not None and answer.timings.first_byte is not None and len(answer.started) > 13:
        yield Sample(kind=kind, hour=int(answer.started[11:13]), microseconds=answer.timings.first_byte)


def _kind(base: str, answer: Exchange) -> SampleKind | None:
    if answer.method != "GET" or answer.status != 200 or answer.failure is not None:
        return None
    start = f"{base.rstrip('/')}/"
    if not answer.url.startswith(start):
        return None
    address = urlsplit(answer.url.removeprefix(start))
    steps = [one for one in address.path.split("/") if one]
    if steps == [".well-known", "smart-configuration"]:
        return "smart"
    if not steps or steps[0] not in R4_TYPES:
        return None
    if len(steps) == 1 and address.query:
        return "search"
    return "read" if len(steps) == 2 and steps[1][0] not in "_$" and not address.query else None


def _window(one: Maintenance) -> Window:
    in_time = (
        one.announced is not None
        and one.where is not None
        and datetime.fromisoformat(one.begins) - datetime.fromisoformat(one.announced) >= AHEAD
    )
    return Window(begins=one.begins, ends=one.ends, in_time=in_time)


def _vantage(run: Run, around: Iterable[object]) -> str:
    named = next((one.name for one in around if isinstance(one, Vantage)), None)
    if named is not None:
        return named
    proxy = run.surroundings.proxy if run.surroundings is not None else None
    return f"through the proxy {proxy}" if proxy else "a place without a name"
