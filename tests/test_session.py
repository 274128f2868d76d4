"""What an observation holds in its hands: manners towards servers, shared looks, and trouble by its name."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.nouns.evidence import Exchange, Failure, Seen, Trouble
from prober.nouns.finding import Reason
from prober.nouns.run import PERMITS, REASON_FOR_PERMIT
from prober.session.ask import FHIR_JSON, Ask
from prober.session.observation import Observation, observation
from prober.session.session import (
    HOST_CLOSED,
    LONGEST_WAIT,
    MOST_HOPS,
    Facts,
    Round,
    Session,
    retry_after_seconds,
)

BASE = "https://fhir.example/r4"
Answers = Mapping[str, list[dict[str, Any]]]


class Script:
    """An Exchanger that answers from a script by URL, the last answer again and again, and remembers everything."""

    def __init__(self, answers: Answers | None = None, facts: Facts | None = None) -> None:
        self.answers = {url: list(some) for url, some in (answers or {}).items()}
        self._facts = facts or Facts(BASE, True, frozenset(PERMITS), False, 300)
        self.asked: list[Ask] = []
        self.urls: list[str] = []
        self.ids: list[str] = []
        self.waits: list[float] = []

    @property
    def facts(self) -> Facts:
        return self._facts

    def identity_url(self, ask: Ask) -> str:
        return ask.absolute if ask.absolute is not None else f"{BASE}/{ask.path(ask.values)}"

    async def exchange(
        self, ask: Ask, *, observation: Observation[Any], arguments: tuple[str, ...], id: str
    ) -> Exchange:
        url = self.identity_url(ask)
        self.asked.append(ask)
        self.urls.append(url)
        self.ids.append(id)
        await asyncio.sleep(0)
        some = self.answers.get(url, [{"status": 200}])
        fields = some.pop(0) if len(some) > 1 else some[0]
        return Exchange(id=id, observation=observation.name, method=ask.method, url=url, **fields)

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


def look(script: Script, doing: Callable[[Session], Awaitable[Any]], *needs: Observation[Any]) -> Seen[Any] | Trouble:
    @observation(requests=50, needs=needs)
    async def looker(session: Session) -> Any:
        """Whoever asks in these tests."""
        return await doing(session)

    return asyncio.run(Round(script).see(looker))


async def get_it(session: Session) -> Exchange:
    return await session.get("metadata", bearer="none")


async def attempt_it(session: Session) -> Exchange:
    return await session.attempt("metadata", bearer="none")


def answered(**headers: str) -> Exchange:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Exchange(id="x", observation="o", method="GET", url=BASE, status=429, headers=named)


NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
DATE = format_datetime(NOW, usegmt=True)


def http_date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("0007", 7),
        ("30", 30),
        ("120", LONGEST_WAIT),
        ("86400", LONGEST_WAIT),
        ("86401", None),
        ("1772366400", None),
        ("1772366400000", None),
        ("999999999999999999999999999", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("\u0663", None),
        ("soon", None),
        ("", None),
        (http_date(9), 9),
        (http_date(9000), LONGEST_WAIT),
        (http_date(-9), None),
        (http_date(400_000), None),
        ("Sun, 01 Mar 2026 12:00:05 -0000", None),
        ("Sun, 01 Mar 2026 12:00:05 +99999999999999999999", None),
        ("Sun, 31 Feb 2026 12:00:05 GMT", None),
        ("Sun, 01 Mar 999999 12:00:05 GMT", None),
        ("2026-03-01T12:00:05Z", None),
    ],
)
def test_retry_after_names_a_sane_wait_or_none(value: str, seconds: int | None) -> None:
    assert retry_after_seconds(answered(Retry_After=value, Date=DATE)) == seconds


def test_retry_after_is_read_against_the_servers_own_clock() -> None:
    skewed = format_datetime(NOW - timedelta(days=400), usegmt=True)
    until = format_datetime(NOW - timedelta(days=400) + timedelta(seconds=4), usegmt=True)
    assert retry_after_seconds(answered(retry_after=until, date=skewed)) == 4
    assert retry_after_seconds(answered(retry_after=until)) is None
    assert retry_after_seconds(answered()) is None


DATEISH = st.text(st.sampled_from("SunMonMar GMT+-:,0123456789 Z/()\t"), max_size=40)
WAITS = st.one_of(st.text(max_size=60), st.integers().map(str), st.floats().map(str), DATEISH, st.just(DATE))


@settings(max_examples=examples(400), deadline=None)
@given(value=WAITS, date=WAITS)
def test_no_retry_after_whatever_makes_prober_fail_or_wait_long(value: str, date: str) -> None:
    seconds = retry_after_seconds(answered(retry_after=value, date=date))
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT


@settings(max_examples=examples(60), deadline=None)
@given(value=WAITS)
def test_after_429_there_is_one_repeat_and_one_capped_wait(value: str) -> None:
    script = Script({f"{BASE}/metadata": [{"status": 429, "headers": (("Retry-After", value), ("Date", DATE))}]})
    seen = look(script, get_it)
    assert isinstance(seen, Trouble)
    assert seen.reason == "rate_limited"
    assert [ask.attempt for ask in script.asked] == [1, 2]
    assert len(script.waits) == 1
    assert 0 < script.waits[0] <= LONGEST_WAIT


@pytest.mark.parametrize("status", [100, 200, 201, 204, 301, 400, 401, 403, 404, 405, 406, 410, 500, 501, 502, 504])
def test_nothing_else_is_repeated(status: int) -> None:
    script = Script({f"{BASE}/metadata": [{"status": status}]})
    look(script, attempt_it)
    assert len(script.asked) == 1
    assert script.waits == []


@pytest.mark.parametrize(("first", "second"), [(429, 200), (503, 200), (429, 503), (503, 429), (429, 500)])
def test_the_second_answer_counts(first: int, second: int) -> None:
    script = Script({f"{BASE}/metadata": [{"status": first}, {"status": second}]})
    seen = look(script, attempt_it)
    assert isinstance(seen, Seen)
    assert seen.value.status == second
    assert seen.exchanges == tuple(script.ids)
    assert [one.rpartition(".")[2] for one in script.ids] == ["1", "2"]


def test_a_closed_host_gives_the_same_words_and_the_same_evidence_to_whoever_comes_late() -> None:
    throttled = Script({f"{BASE}/metadata": [{"status": 429}]})
    early = look(throttled, get_it)
    assert isinstance(early, Trouble)
    closed = Failure(reason="rate_limited", kind=HOST_CLOSED, message=early.message)
    late = look(Script({f"{BASE}/metadata": [{"failure": closed}]}), get_it)
    assert late == early


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": 429}, "rate_limited"),
        ({"status": 503}, "unavailable"),
        ({"status": 500}, "server_error"),
        ({"status": 504}, "server_error"),
        ({"status": 599}, "server_error"),
        ({"failure": Failure(reason="timed_out", kind="read_timeout", message="No.")}, "timed_out"),
        ({"failure": Failure(reason="budget", kind="budget", message="No.")}, "budget"),
        ({"failure": Failure(reason="too_large", kind="too_large", message="No."), "status": 200}, "too_large"),
    ],
)
def test_no_answer_is_trouble_with_its_reason(fields: dict[str, Any], reason: Reason) -> None:
    script = Script({f"{BASE}/metadata": [fields]})
    seen = look(script, get_it)
    assert isinstance(seen, Trouble)
    assert seen.reason == reason
    assert seen.message.endswith(".")
    assert seen.exchanges == tuple(script.ids)
    assert isinstance(look(Script({f"{BASE}/metadata": [fields]}), attempt_it), Seen)


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 403, 404, 405, 410, 418, 501])
def test_any_other_answer_is_an_answer(status: int) -> None:
    seen = look(Script({f"{BASE}/metadata": [{"status": status}]}), get_it)
    assert isinstance(seen, Seen)
    assert seen.value.status == status


def moved(location: str, status: int = 302) -> dict[str, Any]:
    return {"status": status, "headers": (("Location", location),)}


@pytest.mark.parametrize(
    ("base", "location", "target"),
    [
        (BASE, "/r4/elsewhere", "https://fhir.example/r4/elsewhere"),
        (BASE, "elsewhere?x=1", "https://fhir.example/r4/elsewhere?x=1"),
        (BASE, "https://fhir.example:443/x", "https://fhir.example:443/x"),
        (BASE, "https://FHIR.example/x", "https://FHIR.example/x"),
        (BASE, "//fhir.example/x", "https://fhir.example/x"),
        (BASE, "http://fhir.example/x", None),
        (BASE, "https://fhir.example:8443/x", None),
        (BASE, "https://other.example/x", None),
        (BASE, "https://fhir.example.other.example/x", None),
        (BASE, "https://fhir.example@other.example/x", None),
        (BASE, "https://[::1/x", None),
        (BASE, "https://fhir.example:port/x", None),
        (BASE, "javascript:alert(1)", None),
        (BASE, "file:///etc/passwd", None),
        (BASE, "", None),
        ("http://fhir.example/r4", "https://fhir.example/r4/metadata", "https://fhir.example/r4/metadata"),
        ("http://fhir.example/r4", "https://fhir.example:8443/x", "https://fhir.example:8443/x"),
        ("http://fhir.example/r4", "http://fhir.example:8080/x", None),
        ("http://fhir.example/r4", "/x", "http://fhir.example/x"),
    ],
)
def test_a_redirect_is_followed_at_home_only(base: str, location: str, target: str | None) -> None:
    for status in (301, 302, 303, 307, 308):
        script = Script(
            {f"{base}/metadata": [moved(location, status)]}, Facts(base, True, frozenset(PERMITS), False, 9)
        )
        script.identity_url = lambda ask: ask.absolute or f"{base}/{ask.template}"  # type: ignore[method-assign]
        look(script, attempt_it)
        assert script.urls == [f"{base}/metadata", *([target] if target else [])]
    for status in (200, 300, 304, 401):
        script = Script({f"{BASE}/metadata": [moved("/x", status)]})
        look(script, attempt_it)
        assert len(script.urls) == 1


def test_three_hops_are_followed_and_no_more() -> None:
    chain = {f"{BASE}/metadata": [moved("/r4/1")]} | {f"{BASE}/{n}": [moved(f"/r4/{n + 1}")] for n in range(1, 9)}
    script = Script(chain)
    seen = look(script, attempt_it)
    assert script.urls == [f"{BASE}/metadata", *(f"{BASE}/{hop}" for hop in range(1, MOST_HOPS + 1))]
    assert isinstance(seen, Seen)
    assert seen.value.status == 302
    assert len(set(script.ids)) == MOST_HOPS + 1


def test_a_loop_of_redirects_ends_and_its_exchanges_are_told_apart() -> None:
    script = Script({f"{BASE}/metadata": [moved("metadata")]})
    look(script, attempt_it)
    assert len(script.ids) == len(set(script.ids)) == MOST_HOPS + 1


def test_an_observation_is_looked_at_once_however_many_ask() -> None:
    looks: Counter[str] = Counter()

    @observation(requests=1)
    async def shared(session: Session) -> int:
        looks["shared"] += 1
        await session.get("metadata")
        return 7

    @observation(needs=(shared,))
    async def upper(session: Session) -> int:
        return sum([(await session.see(shared)).value for _ in range(3)])

    @observation(requests=1)
    async def typed(session: Session, kind: str) -> str:
        looks[kind] += 1
        return kind

    @observation(needs=(typed,))
    async def both(session: Session) -> list[str]:
        return [(await session.see(typed, kind)).value for kind in ("Patient", "Group", "Patient")]

    async def scene() -> None:
        script = Script()
        round_ = Round(script)
        seen = await asyncio.gather(*(round_.see(one) for one in (shared, upper, shared, upper, both, both)))
        values = [one.value for one in seen if isinstance(one, Seen)]
        assert values == [7, 21, 7, 21, ["Patient", "Group", "Patient"], ["Patient", "Group", "Patient"]]
        assert looks == {"shared": 1, "Patient": 1, "Group": 1}
        assert len(script.asked) == 1
        assert {one.exchanges for one in seen[:4]} == {tuple(script.ids)}
        assert isinstance(seen[0], Seen)
        assert isinstance(seen[1], Seen)
        assert (seen[0].last, seen[1].last) == (script.ids[0], None)

    asyncio.run(scene())


def test_trouble_below_is_trouble_above_with_all_its_evidence() -> None:
    @observation(requests=1)
    async def below(session: Session) -> Exchange:
        return await session.get("below")

    async def above(session: Session) -> None:
        await session.get("above")
        await session.see(below)

    script = Script({f"{BASE}/below": [{"status": 500}]})
    seen = look(script, above, below)
    assert isinstance(seen, Trouble)
    assert seen.reason == "server_error"
    assert set(seen.exchanges) == set(script.ids)

    async def carefully(session: Session) -> str:
        return type(await session.try_see(below)).__name__

    seen = look(Script({f"{BASE}/below": [{"status": 500}]}), carefully, below)
    assert isinstance(seen, Seen)
    assert seen.value == "Trouble"


@observation(requests=1)
async def undeclared(session: Session) -> None:
    """Nobody says that they need this."""


async def looks_at_the_undeclared(session: Session) -> None:
    await session.see(undeclared)


async def hands_over_a_name(session: Session) -> None:
    await session.see(undeclared, "Mary Canary")


@pytest.mark.parametrize(
    ("doing", "needs"), [(looks_at_the_undeclared, ()), (hands_over_a_name, (undeclared,))], ids=["need", "argument"]
)
def test_undeclared_needs_and_loose_arguments_are_bugs(
    doing: Callable[[Session], Awaitable[Any]], needs: tuple[Observation[Any], ...]
) -> None:
    seen = look(Script(), doing, *needs)
    assert isinstance(seen, Trouble)
    assert seen.reason == "bug"
    assert "Mary" not in seen.message


def test_two_observations_of_one_name_never_share_a_look() -> None:
    first, second = replace(undeclared), replace(undeclared)

    async def scene() -> None:
        round_ = Round(Script())
        await round_.see(first)
        with pytest.raises(ValueError, match="Two observations are called undeclared"):
            await round_.see(second)

    asyncio.run(scene())


class Peculiar(Exception):
    """An exception of nobody's."""


@pytest.mark.parametrize(
    "error", [Peculiar, ValueError, KeyError, RecursionError, MemoryError, AssertionError, OSError]
)
def test_an_exception_is_a_bug_and_keeps_its_text_to_itself(error: type[Exception]) -> None:
    async def fails(session: Session) -> None:
        await session.get("metadata")
        raise error("Mary Canary, born 1970")

    async def scene() -> None:
        @observation(requests=1)
        async def looker(session: Session) -> None:
            await fails(session)

        script = Script()
        round_ = Round(script)
        seen = await round_.see(looker)
        assert isinstance(seen, Trouble)
        assert seen.reason == "bug"
        assert error.__name__ in seen.message
        assert seen.exchanges == tuple(script.ids)
        assert round_.bugs == [f"{error.__name__} in observation looker"]
        assert "Canary" not in repr(seen) + repr(round_.bugs)

    asyncio.run(scene())


@pytest.mark.parametrize("missing", PERMITS)
def test_without_its_permit_an_observation_does_not_begin(missing: Any) -> None:
    @observation(requests=1, permits=PERMITS)
    async def looker(session: Session) -> None:
        await session.get("metadata")

    script = Script(facts=Facts(BASE, True, frozenset(PERMITS) - {missing}, False, 9))
    seen = asyncio.run(Round(script).see(looker))
    assert isinstance(seen, Trouble)
    assert seen.reason == REASON_FOR_PERMIT[missing]
    assert script.asked == []


def test_what_the_plan_left_out_does_not_begin() -> None:
    script = Script(facts=Facts(BASE, True, frozenset(PERMITS), False, 9, refused={"undeclared": "budget"}))
    seen = asyncio.run(Round(script).see(undeclared))
    assert isinstance(seen, Trouble)
    assert seen.reason == "budget"
    assert script.asked == []


def test_a_wait_is_capped_and_never_negative() -> None:
    script = Script()

    async def waits(session: Session) -> None:
        for seconds in (-5, 0, 3, 1e9):
            await session.wait(seconds)

    look(script, waits)
    assert script.waits == [0, 0, 3, LONGEST_WAIT]


def test_every_way_of_asking_says_its_purpose() -> None:
    script = Script()

    async def all_of_them(session: Session) -> None:
        first = await session.get("Patient/{id}", id="a b/c")
        await session.sample("metadata", label="one")
        await session.public("https://fhir.example/keys")
        await session.follow("https://fhir.example/r4?page=2", of=first)
        await session.kick_off("Group/{group}/$export", group="g")
        await session.poll("https://fhir.example/r4/job/1")
        await session.file("https://fhir.example/r4/file/1", reducer="ndjson/1", expects="Patient")
        await session.file("https://fhir.example/r4/file/2", reducer="ndjson/1", expects="Mary Canary")
        await session.end_job("https://fhir.example/r4/job/1")
        await session.handshake("modern")
        await session.connect("https://fhir.example/token")
        await session.in_clear("http://fhir.example/r4/metadata")

    assert isinstance(look(script, all_of_them), Seen)
    told = [(one.method, one.purpose, one.bearer) for one in script.asked]
    assert told == [
        ("GET", "fhir", "run"),
        ("GET", "fhir", "none"),
        ("GET", "public", "none"),
        ("GET", "link", "run"),
        ("GET", "job", "run"),
        ("GET", "job", "run"),
        ("GET", "file", "run"),
        ("GET", "file", "run"),
        ("DELETE", "job", "run"),
        ("HANDSHAKE", "handshake", "none"),
        ("CONNECT", "connect", "none"),
        ("GET", "clear", "none"),
    ]
    assert script.urls[0] == f"{BASE}/Patient/a%20b%2Fc"
    assert [one.reducer for one in script.asked if one.purpose == "file"] == ["ndjson/1:Patient", "ndjson/1"]
    assert script.asked[0].headers == (("Accept", FHIR_JSON),)


@settings(max_examples=examples(100), deadline=None)
@given(st.text(st.characters(), max_size=40), st.text(st.sampled_from("\ud800\udfffa/:?#%"), max_size=12))
def test_any_address_that_a_server_gives_can_be_asked_for_without_failing(text: str, odd: str) -> None:
    async def asks(session: Session) -> None:
        await session.follow(text + odd, of=await session.attempt("Patient/{id}", id=odd))

    async def scene() -> None:
        round_ = Round(Script())

        @observation(requests=2)
        async def looker(session: Session) -> None:
            await asks(session)

        assert isinstance(await round_.see(looker), Seen)
        assert round_.bugs == []

    asyncio.run(scene())
