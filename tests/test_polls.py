"""Polls: whether a target was up at a look, the lines of days, the figures, and the rules that rest on them."""

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import DEEP, examples
from tests.test_score_documents import BASE, book, found, ran, scored

from prober import merkle
from prober.archive import RunFolder, collected_digest, copy_for_rejudging, evidence_digest
from prober.audit.derive import history_of
from prober.audit.rejudge import rejudge
from prober.audit.seal import Wish, period_of, seal
from prober.audit.verify import verify
from prober.clock import SystemClock, VirtualClock
from prober.keys import new_key
from prober.ledger import Ledger
from prober.library import load_probes
from prober.mistake import BadFolder, Mistake, Refused
from prober.nouns.evidence import Exchange, Failure, Timings
from prober.nouns.history import apart
from prober.nouns.measurement import is_measurement
from prober.nouns.polls import HOURS, MOST_SAMPLES, Poll, PollDay, Sample, Window
from prober.nouns.run import Run
from prober.nouns.scorecard import RequirementScore
from prober.pipeline import Options, collect, prepare
from prober.polls import figures
from prober.polls.days import days_of, kept, ranks, weights
from prober.polls.looking import poll_of
from prober.sandbox import Sandbox
from prober.score import ScoredRun
from prober.supplement import remembered_polls, supplemented

EXAMPLES = settings(max_examples=examples(25), derandomize=True, deadline=None)
METADATA = f"{BASE}/metadata"
ON = "2026-11-22T02:00:00.000000Z"
STATEMENT = b'{"resourceType":"CapabilityStatement"}'
CONTROL = {"kind": "control", "host": "gw.example.org:443", "answered": True}


def run_of(**changes: object) -> Run:
    return ran(found("a"), started=ON).run.model_copy(update=changes)


def look(number: int, status: int | None = 200, body: bytes = STATEMENT, **more: Any) -> Exchange:
    media = more.pop("media", "html" if body.startswith(b"<") else "json")
    return Exchange(
        id=f"{number:016x}.1",
        observation=more.pop("observation", "answer_samples"),
        label=more.pop("label", str(number)),
        method="GET",
        url=more.pop("url", METADATA),
        status=status,
        media=media,
        started=f"2026-11-22T02:00:0{number}.000000Z",
        timings=more.pop("timings", Timings(first_byte=1_000 * number)),
        content=body,
        **more,
    )


def silent(number: int, kind: str = "refused", reason: str = "unreachable", **more: Any) -> Exchange:
    failure = Failure.model_validate({"reason": reason, "kind": kind, "message": "It failed."})
    return look(number, None, b"", failure=failure, **more)


def polled(*looks: Exchange, around: tuple[Mapping[str, object], ...] = (), **run: object) -> Poll:
    return poll_of(run_of(**run), {one.id: one for one in looks}, around)


def outcome(code: str) -> bytes:
    issue = [{"severity": "error", "code": code}]
    return json.dumps({"resourceType": "OperationOutcome", "issue": issue}).encode()


class TestOneLook:
    @pytest.mark.parametrize(
        ("answer", "state", "reason"),
        [
            (look(1), "up", None),
            (look(1, 200, b'{"resourceType":"Conformance"}'), "up", None),
            (look(1, 401, b""), "up", None),
            (look(1, 403, b"<html>Forbidden"), "up", None),
            (look(1, 200, outcome("login")), "up", None),
            (look(1, 200, b'<CapabilityStatement xmlns="http://hl7.org/fhir">', media="xml"), "up", None),
            (look(1, 200, b"<html><input type=password>"), "down", "masquerade"),
            (look(1, 200, b"<html>Welcome"), "down", "masquerade"),
            (look(1, 200, b'{"status":"ok"}'), "down", "masquerade"),
            (look(1, 200, b'{"resourceType":'), "down", "unparseable"),
            (look(1, 200, outcome("exception")), "down", "server_error"),
            (look(1, 200, outcome("throttled")), "undecided", "rate_limited"),
            (look(1, 500), "down", "server_error"),
            (look(1, 501), "down", "server_error"),
            (look(1, 503, headers=(("Retry-After", "5"),)), "down", "unavailable"),
            (look(1, 429), "undecided", "rate_limited"),
            (look(1, 408), "undecided", "timed_out"),
            (look(1, 404, b"<html>Not found"), "down", "no_data"),
            (look(1, 410, b""), "down", "no_data"),
            (look(1, 404, outcome("not-found")), "undecided", "no_data"),
            (look(1, 407, b""), "undecided", "no_data"),
            (look(1, 406, b""), "undecided", "no_data"),
            (look(1, 302, b"", headers=(("Location", "https://sso.example/login"),)), "undecided", "no_data"),
            (look(1, 302, b"", headers=(("Location", METADATA),)), "down", "no_data"),
            (silent(1, "deadline", "deadline"), "undecided", "deadline"),
            (silent(1, "budget", "budget"), "undecided", "budget"),
            (silent(1, "too_large", "too_large"), "undecided", "too_large"),
            (silent(1, "protocol", "unparseable"), "down", "unparseable"),
        ],
    )
    def test_what_it_says(self, answer: Exchange, state: str, reason: str | None) -> None:
        poll = polled(answer)
        assert (poll.state, poll.reason) == (state, reason)

    @pytest.mark.parametrize(
        ("looks", "around", "loopback", "state"),
        [
            # A connection that stood shows that the way was open; one try alone may have been a lost packet.
            ([("read_timeout", "timed_out")], (), False, "undecided"),
            ([("read_timeout", "timed_out")] * 2, (), False, "down"),
            ([("connect_timeout", "timed_out")] * 2, (), False, "undecided"),
            ([("connect_timeout", "timed_out")] * 2, (CONTROL,), False, "down"),
            ([("refused", "unreachable")] * 3, (), False, "undecided"),
            ([("refused", "unreachable")] * 3, (), True, "down"),
            ([("refused", "unreachable")], (CONTROL,), False, "undecided"),
            ([("refused", "unreachable")] * 2, (CONTROL,), False, "down"),
            ([("refused", "unreachable")] * 2, ({**CONTROL, "answered": False},), False, "undecided"),
            ([("read_timeout", "timed_out")] * 2, ({**CONTROL, "answered": False},), False, "undecided"),
            ([("proxy", "unreachable")] * 3, (CONTROL,), False, "undecided"),
        ],
    )
    def test_silence_counts_where_the_way_was_open(
        self, looks: list[tuple[str, str]], around: tuple[Mapping[str, object], ...], loopback: bool, state: str
    ) -> None:
        asked = [silent(number, kind, reason) for number, (kind, reason) in enumerate(looks, start=1)]
        assert polled(*asked, around=around, loopback=loopback).state == state

    def test_a_machine_that_stood_still_missed_the_answer_itself(self) -> None:
        asked = [silent(one, "read_timeout", "timed_out", timings=Timings(loop_lag=2_000_000)) for one in (1, 2)]
        assert polled(*asked, around=(CONTROL,)).state == "undecided"

    def test_most_looks_decide_and_half_is_enough_to_be_up(self) -> None:
        assert polled(look(1), look(2, 500)).state == "up"
        assert polled(look(1), look(2, 500), look(3, 500)).state == "down"
        assert polled(look(1), silent(2, "read_timeout", "timed_out")).state == "up"
        assert polled(look(1, 429), look(2)).state == "up"

    def test_redirects_are_followed_to_their_end(self) -> None:
        first = look(1, 307, b"", label="", observation="metadata_answer", headers=(("Location", "/x"),))
        page = look(2, 200, b"<html>log in", label=">1", observation="metadata_answer", url=f"{BASE}/x")
        assert polled(first, page).state == "down"
        assert polled(first, page.model_copy(update={"content": STATEMENT, "media": "json"})).state == "up"

    def test_who_did_not_ask_cannot_tell(self) -> None:
        other = look(1, 500, observation="browser_answers")
        assert (polled(other).state, polled(other).reason) == ("undecided", "not_recorded")

    def test_samples_are_of_answers_that_were_waited_for(self) -> None:
        poll = polled(
            look(1),
            look(2, 401, b""),
            look(3, 500),
            look(4, url=f"{BASE}/Patient/p1", observation="reads"),
            look(5, url=f"{BASE}/Patient?_id=p1", observation="reads"),
            look(6, 404, url=f"{BASE}/Patient/none", observation="reads"),
            look(7, url=f"{BASE}/.well-known/smart-configuration", observation="smart"),
            look(8, url=f"{BASE}/Patient/$match", observation="reads"),
            look(9, url="https://elsewhere.example/Patient/p1", observation="reads"),
        )
        assert [(one.kind, one.microseconds, one.hour) for one in poll.samples] == [
            ("read", 4_000, 2),
            ("search", 5_000, 2),
            ("smart", 7_000, 2),
            ("statement", 1_000, 2),
            ("statement", 2_000, 2),
        ]

    @pytest.mark.parametrize(
        ("notice", "in_time"),
        [
            ({"announced": "2026-11-20T01:00:00.000000Z", "where": "https://status.example.org/"}, True),
            ({"announced": "2026-11-20T01:00:00.000001Z", "where": "https://status.example.org/"}, False),
            ({"announced": "2026-11-20T01:00:00.000000Z", "where": None}, False),
            ({"announced": None, "where": "https://status.example.org/"}, False),
        ],
    )
    def test_maintenance_is_planned_where_it_was_announced_in_public_two_days_before(
        self, notice: dict[str, object], in_time: bool
    ) -> None:
        window = {"begins": "2026-11-22T01:00:00.000000Z", "ends": "2026-11-22T03:00:00.000000Z"}
        (told,) = polled(look(1), around=({"kind": "maintenance", **notice, **window},)).windows
        assert told.in_time == in_time

    def test_the_vantage_is_named(self) -> None:
        assert polled(look(1), around=({"kind": "vantage", "name": "clinic"},)).vantage == "clinic"
        assert polled(look(1)).vantage == "a place without a name"


def poll(number: int, state: str = "up", *, time: str = ON, windows: tuple[Window, ...] = (), **more: Any) -> Poll:
    return Poll.model_validate(
        {
            "run": f"run-{number}",
            "subject": BASE,
            "environment": "production",
            "time": time,
            "at": more.pop("at", time),
            "state": state,
            "reason": None if state == "up" else more.pop("reason", "server_error"),
            "why": "So it was.",
            "windows": windows,
            "vantage": "clinic",
            **more,
        }
    )


def digest(number: int) -> str:
    return f"{number:064x}"


def at(hour: int, minute: int = 0, day: str = "2026-11-22") -> str:
    return f"{day}T{hour:02}:{minute:02}:00.000000Z"


def window(begins: str, ends: str, *, in_time: bool = True) -> Window:
    return Window(begins=begins, ends=ends, in_time=in_time)


PLAIN = window(at(1), at(3))


class TestDays:
    def test_a_day_by_hand(self) -> None:
        # Six looks: 00:00 up, 01:30 down inside 01:00-03:00 (announced), 02:00 up inside it, 04:00 down,
        # 05:00 could not be told, and the next day's up at 00:00. Both looks inside tell of the same window, and a
        # second one overlaps it by half an hour: 01:00-03:00 and 02:30-03:30 are 2.5 hours = 9,000 seconds. A third
        # window of 10 minutes was not announced, and 5 of them lie in the others: 03:25-03:35 adds 300 seconds.
        overlapping = window(at(2, 30), at(3, 30))
        late = window(at(3, 25), at(3, 35), in_time=False)
        looked = [
            (digest(1), poll(1, time=at(0))),
            (digest(2), poll(2, "down", time=at(1, 30), windows=(PLAIN,))),
            (digest(3), poll(3, time=at(2), windows=(PLAIN, overlapping, late))),
            (digest(4), poll(4, "down", time=at(4))),
            (digest(5), poll(5, "undecided", time=at(5), reason="rate_limited")),
            (digest(6), poll(6, time=at(0, day="2026-11-23"))),
        ]
        first, second = days_of(looked)
        assert (first.day, first.runs, first.up, first.down, first.undecided) == ("2026-11-22", 5, 1, 1, 1)
        assert (first.planned_up, first.planned_down) == (1, 1)
        assert (first.planned_seconds, first.late_seconds) == (9_000, 300)
        assert first.undecided_because == {"rate_limited": 1}
        assert first.root == merkle.root([merkle.leaf_hash(bytes.fromhex(digest(one))) for one in range(1, 6)]).hex()
        assert (second.day, second.up, second.runs) == ("2026-11-23", 1, 1)

    def test_a_window_over_midnight_counts_on_each_day_by_its_own_part(self) -> None:
        # 23:50 to 00:20: 600 seconds of the one day and 1,200 of the next.
        over = window(at(23, 50), at(0, 20, day="2026-11-23"))
        looked = [
            (digest(1), poll(1, time=at(23, 55), windows=(over,))),
            (digest(2), poll(2, time=at(0, 5, day="2026-11-23"), windows=(over,))),
        ]
        assert [one.planned_seconds for one in days_of(looked)] == [600, 1_200]

    def test_a_run_counts_once_and_cannot_have_two_digests(self) -> None:
        assert days_of([(digest(1), poll(1))] * 3)[0].runs == 1
        with pytest.raises(ValueError, match="run-1 came twice"):
            days_of([(digest(1), poll(1)), (digest(2), poll(1))])

    @EXAMPLES
    @given(st.permutations(range(6)))
    def test_the_order_of_polls_decides_nothing(self, order: list[int]) -> None:
        states = ("up", "down", "undecided")
        looked = [
            (digest(one), poll(one, states[one % 3], time=at(one), windows=(PLAIN,) if one > 3 else ()))
            for one in range(6)
        ]
        assert days_of(looked[one] for one in order) == days_of(looked)

    def test_of_many_samples_those_of_even_ranks_are_kept(self) -> None:
        # 10 samples, 4 kept: the ranks ceil(10/4) = 3, ceil(20/4) = 5, ceil(30/4) = 8 and 10.
        assert ranks(10, 4) == (3, 5, 8, 10)
        assert kept(range(1, 11), 4) == (3, 5, 8, 10)
        many = [Sample(kind="read", hour=one % HOURS, microseconds=one) for one in range(1, 1_001)]
        (day,) = days_of([(digest(1), poll(1, samples=many))])
        assert len(day.samples["read"]) == MOST_SAMPLES
        assert sum(day.hours["read"]) == 1_000
        told = list(weights(day, "read"))
        assert sum(weight for _, weight in told) == 1_000
        # Each kept one stands for those up to it, so a percentile is never flattered, and by a rank or three at most.
        assert 950 <= figures.nearest(told, 95) <= 953

    def test_a_line_whose_sums_are_wrong_is_none(self) -> None:
        (day,) = days_of([(digest(1), poll(1))])
        for changes in ({"up": 2}, {"undecided": 1, "up": 0}, {"samples": {"read": [1]}}):
            with pytest.raises(ValueError, match=r"sum|reason|kinds"):
                PollDay.model_validate({**day.model_dump(by_alias=True), **changes})


class TestFigures:
    @pytest.mark.parametrize(
        ("up", "polls", "low"),
        [
            # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3 (Wilson without continuity correction).
            (81, 263, "0.2553"),
            (15, 148, "0.0624"),
            (0, 20, "0.0000"),
            (1, 29, "0.0061"),
            # All of n up: n / (n + z^2), here 2000 / 2003.841459 = 0.998083.
            (2_000, 2_000, "0.9981"),
            # By hand: z^2 = 3.841459; (0.995 + z^2/4000 - z sqrt(0.995 * 0.005/2000 + z^2/16000000)) / (1 + z^2/2000)
            # = (0.99596036 - 1.959964 * 0.00165154) / 1.00192073 = 0.99272336 / 1.00192073 = 0.99082.
            (1_990, 2_000, "0.9908"),
        ],
    )
    def test_the_wilson_bound_is_that_of_the_books(self, up: int, polls: int, low: str) -> None:
        found = figures.wilson_low(up, polls)
        assert f"{float(found):.4f}" == low

    def test_the_bound_is_decided_exactly(self) -> None:
        low = figures.wilson_low(1_990, 2_000)
        assert figures.wilson_reaches(1_990, 2_000, low)
        assert not figures.wilson_reaches(1_990, 2_000, low + Fraction(1, figures.FINE))
        assert not figures.wilson_reaches(2_000, 2_000, Fraction(1))
        with pytest.raises(ValueError, match="no share"):
            figures.wilson_reaches(3, 2, Fraction(1, 2))

    @EXAMPLES
    @given(st.integers(0, 300), st.integers(0, 300))
    def test_more_ups_never_lower_and_more_downs_never_raise_it(self, up: int, down: int) -> None:
        here = figures.wilson_low(up, up + down) if up + down else Fraction(0)
        assert here <= figures.wilson_low(up + 1, up + 1 + down)
        assert figures.wilson_low(up, up + down + 1) <= here or not up + down
        assert not up + down or here <= Fraction(up, up + down)

    @EXAMPLES
    @given(st.integers(0, 998))
    def test_the_least_number_of_polls_for_a_bound_is_the_least(self, thousandths: int) -> None:
        bound = Fraction(thousandths, 1_000)
        least = figures.least_polls(bound)
        assert figures.wilson_reaches(least, least, bound)
        assert least == 1 or not figures.wilson_reaches(least - 1, least - 1, bound)

    @EXAMPLES
    @given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(1, 100))
    def test_a_percentile_is_the_least_that_so_many_do_not_exceed(self, numbers: list[int], p: int) -> None:
        ordered = sorted(numbers)
        expected = next(one for one in ordered if 100 * sum(other <= one for other in ordered) >= p * len(ordered))
        assert figures.percentile(ordered, p) == expected

    def test_percentiles_by_hand(self) -> None:
        # Of 20 numbers the 95th percentile is that of rank ceil(19.0) = 19; of 21 of rank ceil(19.95) = 20.
        assert figures.percentile(range(1, 21), 95) == 19
        assert figures.percentile(range(1, 22), 95) == 20
        for numbers, p in (([], 50), ([1], 0), ([1], 101)):
            with pytest.raises(ValueError, match="no"):
                figures.percentile(numbers, p)

    def test_the_error_budget_by_hand(self) -> None:
        # 99 of 100 allow 20 failures of 2,000; 5 of them are a quarter of that, 30 half more than all of it.
        days = [day_line("2026-11-22", up=1_995, down=5)]
        assert figures.error_budget(figures.availability(days), Fraction(99, 100)) == Fraction(3, 4)
        days = [day_line("2026-11-22", up=1_970, down=30)]
        assert figures.error_budget(figures.availability(days), Fraction(99, 100)) == Fraction(-1, 2)
        assert figures.error_budget(figures.availability([]), Fraction(99, 100)) == 1
        assert figures.error_budget(figures.availability(days), Fraction(1)) == 0

    @pytest.mark.parametrize(
        ("now", "days", "life"),
        [
            # Of 90 days a third is 30, and 14 days are less: it is short below 14.
            ("2026-01-01T00:00:00.000000Z", 90, "enough"),
            ("2026-03-18T00:00:00.000000Z", 14, "enough"),
            ("2026-03-18T00:00:00.000001Z", 13, "short"),
            ("2026-04-01T00:00:00.000000Z", 0, "expired"),
            ("2026-04-02T12:00:00.000000Z", -2, "expired"),
        ],
    )
    def test_the_life_of_a_certificate(self, now: str, days: int, life: str) -> None:
        begins, ends = "2026-01-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z"
        assert figures.certificate_days(ends, now) == days
        assert figures.certificate_life(begins, ends, now) == life

    def test_a_certificate_of_six_days_is_short_below_two(self) -> None:
        begins, ends = "2026-01-01T00:00:00.000000Z", "2026-01-07T00:00:00.000000Z"
        assert figures.certificate_life(begins, ends, "2026-01-04T12:00:00.000000Z") == "enough"
        assert figures.certificate_life(begins, ends, "2026-01-05T00:00:00.000001Z") == "short"

    def test_days_at_a_level(self) -> None:
        # Level 2 since the 3rd: the 4th is not known, and of the two looks of the 5th the lower one counts.
        seen = [
            ("2026-11-01", 2), ("2026-11-02", 1), ("2026-11-03", 2), ("2026-11-04", None),
            ("2026-11-05T02:00:00.000000Z", 3), ("2026-11-05T03:00:00.000000Z", 2), ("2026-11-06", 2),
        ]  # fmt: skip
        assert figures.days_at_level(seen, 2) == 4
        assert figures.days_at_level(reversed(seen), 2) == 4
        assert figures.days_at_level(seen, 1) == 6
        assert figures.days_at_level(seen, 3) == 0
        assert figures.days_at_level([], 1) == 0

    def test_a_trend_breaks_where_a_new_major_rule_book_begins(self) -> None:
        versions = [(at(3), "2.0.0"), (at(1), "1.0.0"), (at(2), "1.1.0"), (at(4), "2.0.1"), (at(5), "10.0.0")]
        assert figures.breaks(versions) == ((at(3), "2.0.0"), (at(5), "10.0.0"))
        assert figures.breaks([]) == ()


LAST = date(2026, 11, 22)


def day_line(day: str, *, up: int = 0, down: int = 0, undecided: int = 0, **more: Any) -> PollDay:
    planned = more.get("planned_up", 0) + more.get("planned_down", 0)
    return PollDay.model_validate(
        {
            "subject": BASE,
            "environment": "production",
            "day": day,
            "runs": up + down + undecided + planned,
            "root": "a" * 64,
            "up": up,
            "down": down,
            "undecided": undecided,
            "undecided_because": {"rate_limited": undecided} if undecided else {},
            "vantage": ["clinic"],
            **more,
        }
    )


def month(count: int, **more: Any) -> list[PollDay]:
    """So many days up to the last one, all alike."""
    return [day_line(str(LAST - timedelta(days=back)), **more) for back in range(count)]


def timed(day: str, *values: int, kind: str = "statement", hour: int = 2) -> PollDay:
    hours = [len(values) if one == hour else 0 for one in range(HOURS)]
    return day_line(day, up=1, samples={kind: sorted(values)}, hours={kind: hours})


def rule(text: str, days: list[PollDay], **run: Any) -> RequirementScore:
    model = book(text)
    model = model.model_copy(
        update={
            "freshness": {
                **model.freshness,
                "A": model.freshness["X"].model_copy(update={"fresh": 7, "stale": 30, "expired": 60}),
            }
        }
    )
    one = ran(found("a"), **run)
    run_with = ScoredRun(one.run, one.facts, one.findings, one.exchanges, one.attestations, one.history, tuple(days))
    return next(line for line in scored(model, run_with).criteria[0].requirements if line.id.endswith("asked"))


class TestAvailability:
    RULE = "{availability: {days: 30, at_least: 99/100, polls: 2000, maintenance_minutes_a_month: 120}}"
    """Probed by nothing, so that the book of the tests calls it attested; the rule is what is tried."""

    @pytest.mark.parametrize(
        ("days", "truth"),
        [
            # 30 days of 67 polls are 2,010; all up, their lower bound is 2010 / 2013.84 = 99.81 percent.
            (month(30, up=67), "true"),
            # 29 days, or 1,980 polls: too few.
            (month(29, up=67), "unknown"),
            (month(30, up=66), "unknown"),
            # One down of 67 a day: 98.5 percent.
            (month(30, up=66, down=1), "false"),
            # 13 of 2,010 down: 99.353 percent raw, and the lower bound is 98.90 percent.
            ([*month(29, up=67), day_line("2026-10-24", up=54, down=13)], "false"),
            # 3 of 2,010 down: the lower bound is 99.56 percent.
            ([*month(29, up=67), day_line("2026-10-24", up=64, down=3)], "true"),
            # A day on which half was down may yet be made up for; a month of looks could not make up for 200 such.
            (month(1, up=33, down=34), "unknown"),
            (month(29, up=0, down=67), "false"),
            # What could not be told is no poll, and such a day no day.
            (month(30, up=67, undecided=5), "true"),
            ([*month(29, up=70), day_line("2026-10-24", undecided=70)], "unknown"),
            ([*month(29, up=70), day_line("2026-10-01", up=70)], "true"),
            ([], "unknown"),
        ],
    )
    def test_enough_polls_decide(self, days: list[PollDay], truth: str) -> None:
        assert rule(self.RULE, days).truth == truth

    def test_planned_maintenance_is_left_out_up_to_its_minutes_a_month(self) -> None:
        # 30 looks inside 2 hours of announced maintenance failed. Left out, all 1,980 + 67 others were up.
        def with_planned(seconds: int) -> list[PollDay]:
            return [*month(29, up=70), day_line("2026-10-24", up=37, planned_down=30, planned_seconds=seconds)]

        line = rule(self.RULE, with_planned(7_200))
        assert line.truth == "true"
        assert "Planned maintenance left out: 30 polls, 120 minutes in 2026-10; 120 minutes a month are" in line.why
        assert rule(self.RULE, with_planned(7_201)).truth == "false"
        # Where none may be left out these 30 of 2,097 count: 98.57 percent.
        none = self.RULE.replace("maintenance_minutes_a_month: 120", "maintenance_minutes_a_month: 0")
        line = rule(none, with_planned(7_200))
        assert line.truth == "false"
        assert "2067 of 2097 decided polls" in line.why
        assert "No maintenance was left out." in line.why

    def test_each_part_can_be_asked_for_alone(self) -> None:
        polls = "{availability: {days: 30, polls: 2000}}"
        assert rule(polls, month(30, down=67)).truth == "true"
        assert rule(polls, month(30, up=66)).truth == "unknown"
        planned = "{availability: {days: 30, maintenance_minutes_a_month: 120}}"
        assert rule(planned, month(30, up=1)).truth == "true"
        assert rule(planned, month(3, up=1)).truth == "unknown"
        # Three days of November with 41 minutes each are 123.
        assert rule(planned, month(3, up=1, planned_down=1, planned_seconds=2_460)).truth == "false"

    def test_both_figures_are_told(self) -> None:
        # 10 of 2,000 down, in 30 days: the example worked out above.
        days = [*month(29, up=67), day_line("2026-10-24", up=47, down=10, undecided=2)]
        line = rule(self.RULE.replace("99/100", "995/1000"), days)
        assert line.truth == "false"
        assert (
            "1990 of 2000 decided polls on 30 days (2026-10-24 to 2026-11-22) found it up: 99.5000 percent" in line.why
        )
        assert "lower Wilson bound 99.0820 percent (95 percent, two-sided, z = 1.959964)" in line.why
        assert "2 more were undecided. Looked at from clinic." in line.why
        share = self.RULE.replace("99/100", "995/1000, bound: share")
        assert rule(share, days).truth == "true"

    def test_polls_of_others_and_of_later_days_count_nothing(self) -> None:
        days = month(30, up=67)
        for other in ({"subject": f"{BASE}x"}, {"environment": "sandbox"}, {"day": "2026-11-24"}):
            moved = [days[0].model_copy(update=other), *days[1:]]
            assert rule(self.RULE, moved).truth == "unknown"

    def test_a_series_counts_no_more_when_its_last_day_is_too_old(self) -> None:
        days = [day_line(str(LAST - timedelta(days=70 + back)), up=67) for back in range(30)]
        line = rule(self.RULE, days)
        assert (line.truth, line.reasons) == ("unknown", ("expired",))

    @EXAMPLES
    @given(
        st.lists(st.tuples(st.integers(0, 80), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=35),
        st.data(),
    )
    def test_more_ups_never_hurt_and_a_down_never_helps(
        self, told: list[tuple[int, int, int]], data: st.DataObject
    ) -> None:
        def lines(days: list[tuple[int, int, int]]) -> list[PollDay]:
            return [
                day_line(str(LAST - timedelta(days=back)), up=up, down=down, undecided=undecided)
                for back, (up, down, undecided) in enumerate(days)
                if up + down + undecided
            ]

        where = data.draw(st.integers(0, len(told) - 1))
        up, down, undecided = told[where]
        before = figures.availability(lines(told))
        better = figures.availability(lines([*told[:where], (up + 1, down, undecided), *told[where + 1 :]]))
        assert (before.share or 0) <= (better.share or 0)
        assert (before.low or 0) <= (better.low or 0)
        if undecided and before.polls:
            turned = [*told[:where], (up, down + 1, undecided - 1), *told[where + 1 :]]
            worse = figures.availability(lines(turned))
            assert (worse.share or 0) <= (before.share or 0)
            assert (worse.low or 0) <= (before.low or 0)
        order = data.draw(st.permutations(lines(told)))
        assert figures.availability(order) == before

    @EXAMPLES
    @given(st.lists(st.tuples(st.integers(0, 1_380), st.integers(1, 240)), min_size=1, max_size=8))
    def test_planned_maintenance_never_counts_twice(self, windows: list[tuple[int, int]]) -> None:
        start = datetime.fromisoformat(at(0))

        def instant(minute: int) -> str:
            return (start + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

        told = tuple(window(instant(begin), instant(begin + minutes)) for begin, minutes in windows)
        (day,) = days_of([(digest(one), poll(one, windows=told)) for one in range(3)])
        minutes = {one for begin, length in windows for one in range(begin, min(begin + length, 1_440))}
        assert day.planned_seconds == 60 * len(minutes)
        assert day.up + day.planned_up == 3


class TestLatency:
    RULE = "{latency: {kinds: [statement, read], at_most_us: 1000, nights: 3}}"

    def nights(self, *values: int, kind: str = "statement", count: int = 3, hour: int = 2) -> list[PollDay]:
        return [timed(str(LAST - timedelta(days=back)), *values, kind=kind, hour=hour) for back in range(count)]

    def test_each_kind_must_be_quick_by_itself(self) -> None:
        # 60 quick statements would hide three slow reads if they were counted together.
        quick, slow = self.nights(*[500] * 20), self.nights(1_001, kind="read")
        assert rule(self.RULE, [*quick, *self.nights(900, kind="read")]).truth == "true"
        assert rule(self.RULE, [*quick, *slow]).truth == "false"
        assert rule(self.RULE, quick).truth == "unknown"
        assert rule(self.RULE.replace("kinds: [statement, read], ", ""), [*quick, *slow]).truth == "true"

    def test_too_few_nights_are_unknown_unless_nothing_can_make_up_for_them(self) -> None:
        one = "{latency: {kinds: [statement], at_most_us: 1000, nights: 3}}"
        assert rule(one, self.nights(500, count=2)).truth == "unknown"
        assert rule(one, self.nights(5_000, count=2)).truth == "unknown"
        # 1,440 quick samples of the missing night allow 72 + k/20 of k slow ones: 200 a night are too many.
        assert rule(one, self.nights(*[5_000] * 200, count=2)).truth == "false"
        assert rule(one, []).truth == "unknown"

    def test_the_percentile_is_that_of_all_nights_together(self) -> None:
        # 60 samples: rank 57 decides, so three slow ones do not count, and four do.
        one = "{latency: {kinds: [statement], at_most_us: 1000, nights: 3}}"
        assert rule(one, self.nights(*[500] * 19, 9_000)).truth == "true"
        worse = [*self.nights(*[500] * 19, 9_000)[1:], timed(str(LAST), *[500] * 18, 9_000, 9_000)]
        line = rule(one, worse)
        assert line.truth == "false"
        assert "95th percentile of the time to first byte, without connecting, of 60 answers" in line.why
        assert "is 9000 microseconds" in line.why
        assert "Looked at from clinic." in line.why

    def test_samples_are_spread_over_the_hours(self) -> None:
        spread = "{latency: {nights: 3, samples: 6, hours: 2, each_hour: 3}}"
        here = [timed(str(LAST - timedelta(days=back)), 1, hour=hour) for back in range(3) for hour in (2, 14)]
        assert rule(spread, here).truth == "true"
        assert rule(spread, here[1:]).truth == "unknown"
        assert rule(spread, self.nights(1, 1, 1)).truth == "unknown"


def test_hourly_looks_are_one_night() -> None:
    from tests.test_score_documents import only, remembered

    hours = tuple(remembered("a", "present", f"2026-11-22T{hour:02}:00:00.000000Z") for hour in range(24))
    line = only("{series: {probe: a}}", findings=(found("a"),), history=hours).requirements[0]
    assert line.truth == "unknown"
    assert "2 of the last 2 decided nights" in line.why
    undecided = tuple(remembered("a", "unknown", f"2026-11-21T{hour:02}:00:00.000000Z") for hour in range(24))
    line = only("{series: {probe: a}}", findings=(found("a"),), history=(*hours, *undecided)).requirements[0]
    assert "2 of the last 2 decided nights" in line.why


def look_at(place: Path, *defects: str, around: tuple[Mapping[str, object], ...] = ()) -> RunFolder:
    """A real run of one probe against the sandbox."""
    with Sandbox(defects=defects) as box:
        only = frozenset({"capability_statement_served", "answers_promptly", "smart_configuration_served"})
        options = Options(
            target=box.base_url,
            depth="discovery",
            only=only,
            ledger=place / "ledger",
            surroundings_measured=around,
        )
        return asyncio.run(collect(prepare(options, SystemClock()), place / "run", SystemClock())).folder


def poll_in(folder: RunFolder) -> Poll:
    return poll_of(folder.run(), folder.exchanges(), folder.measurements())


class TestRealRuns:
    @pytest.mark.parametrize(
        ("defects", "state", "reason"),
        [
            ((), "up", None),
            pytest.param(("metadata_login",), "up", None, marks=pytest.mark.deep),
            (("metadata_login_page",), "down", "masquerade"),
            pytest.param(("metadata_server_error",), "down", "server_error", marks=pytest.mark.deep),
            pytest.param(("throttled",), "undecided", "rate_limited", marks=pytest.mark.deep),
        ],
    )
    def test_of_the_sandbox(self, tmp_path: Path, defects: tuple[str, ...], state: str, reason: str | None) -> None:
        poll = poll_in(look_at(tmp_path, *defects))
        assert (poll.state, poll.reason) == (state, reason)
        if not defects:
            kinds = [one.kind for one in poll.samples]
            assert kinds.count("statement") == 4
            assert kinds.count("smart") == 1

    def test_what_surrounded_a_run_is_part_of_its_evidence(self, tmp_path: Path) -> None:
        folder = look_at(tmp_path, around=(CONTROL, {"kind": "vantage", "name": "clinic"}))
        assert folder.measurements()[:2] == (CONTROL, {"kind": "vantage", "name": "clinic"})
        assert poll_in(folder).vantage == "clinic"
        copy = copy_for_rejudging(folder, tmp_path / "copy", "p" * 64)
        assert copy.measurements() == folder.measurements()
        assert collected_digest(copy) == collected_digest(folder)
        before = collected_digest(folder), evidence_digest(folder)
        folder.measure(({**CONTROL, "answered": False}, *folder.measurements()[1:]))
        assert collected_digest(folder) != before[0]
        assert evidence_digest(folder) != before[1]

    def test_a_surrounding_that_is_none_is_refused_before_anything_is_sent(self) -> None:
        for line in ({"kind": "control", "host": "x y:1", "answered": True}, {"kind": "maintenance", "begins": ON}):
            with pytest.raises(ValueError, match="validation error"):
                prepare(Options(target="http://127.0.0.1:9/fhir", surroundings_measured=(line,)), VirtualClock())


@pytest.mark.parametrize(
    ("line", "legal"),
    [
        ('{"kind":"run","requests":3}', True),
        ('{"answered":true,"host":"gw.example.org:443","kind":"control"}', True),
        ('{"answered":true,"host":"Jane Doe:443","kind":"control"}', False),
        ('{"host":"gw.example.org:443","answered":true,"kind":"control"}', False),
        ('{"answered":1,"host":"gw.example.org:443","kind":"control"}', False),
        ('{"kind":"vantage","name":"clinic"}', True),
        ('{"kind":"vantage","name":"Jane Doe"}', False),
        ('{"kind":"note","text":"Jane Doe"}', False),
        ("[]", False),
        ("", False),
    ],
)
def test_a_measurement_holds_no_free_text(line: str, legal: bool) -> None:
    assert is_measurement(line) == legal


def series_of(place: Path, recorded: Path, *, around: tuple[Mapping[str, object], ...] = ()) -> Ledger:
    """Three runs on two days, by the ledger: two on 1 October and one on the 2nd."""
    ledger = Ledger(place / "ledger")
    for day, hour in ((1, 2), (1, 3), (2, 2)):
        path = place / "runs" / f"{day:02}{hour:02}"
        shutil.copytree(recorded, path)
        folder = RunFolder.open(path)
        if around:
            folder.measure((*around, *folder.measurements()))
        start = f"2026-10-{day:02}T{hour:02}:00"
        times = {"started": f"{start}:00.000000Z", "ended": f"{start}:09.000000Z", "as_of": f"{start}:09.000000Z"}
        run = folder.run().model_copy(update={"id": f"202610{day:02}T{hour:02}0000Z-0000000a", **times})
        entry = ledger.began(run)
        folder.write_run(run)
        entry.ended(times["ended"], "complete", collected_digest(folder))
    return ledger


class TestKept:
    @DEEP
    def test_a_score_with_earlier_runs_remembers_their_polls(
        self, tmp_path: Path, scored_run: Callable[[str], Path]
    ) -> None:
        series_of(tmp_path, scored_run("laggard"))
        first, second, last = (RunFolder.open(tmp_path / "runs" / name) for name in ("0102", "0103", "0202"))
        copy = supplemented(last, tmp_path / "with", None, [second, first])
        (day,) = copy.poll_days()
        assert (day.day, day.runs, day.up) == ("2026-10-01", 2, 2)
        leaves = sorted(evidence_digest(one) for one in (first, second))
        assert day.root == merkle.root([merkle.leaf_hash(bytes.fromhex(one)) for one in leaves]).hex()
        assert {one.run for one in copy.history()} == {first.run().id, second.run().id}
        assert remembered_polls([first, second, last], last) == (day,)
        # Once more with the same runs adds nothing; with others of that day nobody could tell what is in both.
        again = supplemented(copy, tmp_path / "again", None, [first, second])
        assert again.poll_days() == (day,)
        with pytest.raises(BadFolder, match="remembers polls of 2026-10-01 already"):
            supplemented(copy, tmp_path / "wrong", None, [first])

    @pytest.mark.deep
    def test_a_bundle_derives_them_again_and_refuses_others(
        self, tmp_path: Path, scored_run: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger = series_of(tmp_path, scored_run("laggard"), around=(CONTROL, {"kind": "vantage", "name": "clinic"}))
        signer = new_key(tmp_path / "key.pem", VirtualClock())
        wish = Wish((tmp_path / "runs",), signer, period=period_of("2026-10-01..2026-10-02"), ledger=ledger.folder)
        probes = load_probes()
        sealed = seal(wish, probes, tmp_path / "good.zip")
        assert verify(sealed.path, probes, signer.public, {}).underived is None
        assert rejudge(sealed.path, probes, None, None).same

        def altered(*given: Any) -> Any:
            runs, days = apart(history_of(*given))
            return (*runs, *(one.model_copy(update={"up": one.up - 1, "down": one.down + 1}) for one in days))

        # Somebody with the key seals days that say otherwise than their runs.
        monkeypatch.setattr("prober.audit.seal.history_of", altered)
        forged = seal(wish, probes, tmp_path / "forged.zip")
        monkeypatch.undo()
        with pytest.raises(Refused, match="history of the run 20261002T020000Z-0000000a is not what the other runs"):
            verify(forged.path, probes, signer.public, {})

    def test_a_run_scored_with_other_polls_than_those_sealed_is_not_sealed(
        self, tmp_path: Path, scored_run: Callable[[str], Path]
    ) -> None:
        ledger = series_of(tmp_path, scored_run("laggard"))
        last = RunFolder.open(tmp_path / "runs" / "0202")
        last.write_history([day_line("2026-10-01", up=2).model_copy(update={"subject": last.run().subject})])
        signer = new_key(tmp_path / "key.pem", VirtualClock())
        wish = Wish((tmp_path / "runs",), signer, period=period_of("2026-10-01..2026-10-02"), ledger=ledger.folder)
        with pytest.raises(Mistake, match="was scored with polls of 2026-10-01 that are not those"):
            seal(wish, load_probes(), tmp_path / "x.zip")
