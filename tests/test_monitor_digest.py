"""What a digest tells of changes that are no incidents: each once, and what goes back and forth once in all."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.clock import instant
from prober.diff import judgement_of, words
from prober.monitor.digest import Seen, of_a_night
from prober.nouns.facts import Change, Side
from prober.nouns.monitor import AlertRules

START = datetime(2026, 1, 1, 2, tzinfo=UTC)
VERSION = "software/version"


def change(key: str, day: float, before: str | None, after: str | None) -> Change:
    at = instant(START + timedelta(days=day))
    return Change(
        key=key,
        kind="altered",
        judgement=judgement_of(key, before, after),
        what=words(key, before, after),
        before=Side(run="a", started=at, value=before),
        after=Side(run="b", started=at, value=after),
    )


def told(
    values: Sequence[str | None], *, key: str = VERSION, days: float = 1, rules: AlertRules | None = None
) -> list[str]:
    """The digest of every night in which a fact had these values, with those in which it was as before left out."""
    return [one for _, one in _nights(values, key, days, rules or AlertRules())]


def _nights(values: Sequence[str | None], key: str, days: float, rules: AlertRules) -> Iterator[tuple[int, str]]:
    earlier: list[Seen] = []
    for night, (before, after) in enumerate(pairwise(values)):
        if before == after:
            continue
        seen = (night, "main", change(key, night * days, before, after))
        for _, one in of_a_night(earlier, [seen], rules):
            yield night, one.what
        earlier.append(seen)


def test_two_releases_that_answer_in_turn_are_told_once_in_all() -> None:
    lines = told(["1.0", "2.0"] * 30)
    assert [one.partition("goes back")[0] for one in lines[:5]] == lines[:5]
    assert lines[5:] == [
        "The version of the software goes back and forth between 1.0 and 2.0, as where several servers answer in turn. "
        "It is told again when it is something else, or changes after 7 days of rest."
    ]


def test_another_release_is_told_though_the_others_go_on_in_turn() -> None:
    lines = told([*["1.0", "2.0"] * 5, "3.0", *["1.0", "3.0"] * 5])
    assert [one for one in lines if "3.0" in one] == ["The version of the software changed from 2.0 to 3.0."]
    assert len([one for one in lines if "back and forth" in one]) == 1


def test_what_was_still_for_a_while_is_told_as_before() -> None:
    lines = told([*["1.0", "2.0"] * 5, *["2.0"] * 10, "1.0", "1.0"])
    assert lines[-1] == "The version of the software changed from 2.0 to 1.0."
    assert len(lines) == 7


def test_a_release_every_night_is_no_going_back_and_forth() -> None:
    assert not [one for one in told([f"1.{number}" for number in range(40)]) if "back and forth" in one]
    assert len(told([f"1.{number}" for number in range(40)])) == 39


def test_turns_far_apart_are_told_each_time() -> None:
    assert len(told(["1.0", "2.0"] * 10, days=5)) == 19


def test_what_is_better_or_worse_has_its_own_course() -> None:
    assert len(told(["present", "absent"] * 10, key="finding/a")) == 19


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("criterion/S8.OPS.1", ["1..4", "2..2"], "S8.OPS.1 goes back and forth between level 1 to 4 and level 2. It"),
        ("certificate/sha256", ["a" * 64, "b" * 64], "goes back and forth between 2 values, as where several"),
        ("jwks_key/k", ["declared", None], "between declared and nothing, as where several"),
    ],
)
def test_the_values_are_named_as_far_as_they_can_be_read(key: str, values: list[str | None], expected: str) -> None:
    assert expected in told(values * 5, key=key)[-1]


def test_what_two_kinds_of_look_saw_is_told_once_and_what_was_back_in_the_same_night_is_not() -> None:
    there = change(VERSION, 1, "1.0", "2.0")
    back = change(VERSION, 1.01, "2.0", "1.0")
    rules = AlertRules()
    assert [one.what for _, one in of_a_night([], [(1, "a", there), (2, "a", there)], rules)] == [there.what]
    assert of_a_night([(1, "a", there)], [(2, "a", there)], rules) == []
    assert of_a_night([], [(1, "a", there), (2, "a", back)], rules) == []
    assert len(of_a_night([(1, "a", there)], [(2, "b", there)], rules)) == 1


RULES = st.builds(AlertRules, flap_turns=st.integers(2, 8), flap_days=st.integers(2, 20))


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.sampled_from(["1.0", "2.0", "3.0"]), max_size=60), RULES, st.sampled_from([0.1, 0.5, 1, 6]))
def test_a_value_that_was_not_there_before_is_always_told(values: list[str], rules: AlertRules, days: float) -> None:
    nights = {night for night, _ in _nights(values, VERSION, days, rules)}
    for value in set(values) - set(values[:1]):
        assert values.index(value) - 1 in nights


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.integers(1, 2), min_size=40, max_size=60), RULES)
def test_no_to_and_fro_between_three_values_is_endless(steps: list[int], rules: AlertRules) -> None:
    values = [str(number % 3) for number in accumulate(steps)]
    # Six turns are twice as many as three values; a third one may come late.
    assert len(told(values, days=0.1, rules=rules)) <= max(rules.flap_turns, 6) + 1
