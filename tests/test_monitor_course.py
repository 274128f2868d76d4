"""The course of a key: confirmed by a second look, closed with hysteresis, told once where it flaps."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.clock import instant
from prober.monitor.course import advance
from prober.nouns.facts import Judgement
from prober.nouns.incident import KeyState, Reading
from prober.nouns.monitor import AlertRules

RULES = AlertRules()
START = datetime(2026, 1, 1, 2, tzinfo=UTC)


def judge(key: str, before: str | None, after: str | None) -> Judgement:
    if before == after:
        return "neutral"
    return "regression" if after == "bad" else "improvement"


def played(words: str, rules: AlertRules = RULES, key: str = "finding/a", hours: float = 24) -> list[str | None]:
    """The events of a course of nights: g is good, b is bad."""
    state: KeyState | None = KeyState(key=key, baseline="good", value="good")
    events: list[str | None] = []
    for number, word in enumerate(words):
        value = {"g": "good", "b": "bad"}[word]
        turned = advance(
            state, Reading(key=key, value=value), instant(START + timedelta(hours=hours * number)), rules, judge
        )
        state = turned.state
        events.append(turned.event)
    return events


def test_one_bad_look_is_suspected_and_a_second_one_confirms_it() -> None:
    assert played("gbb") == [None, "suspected", "opened"]


def test_one_bad_look_that_nobody_confirms_is_no_incident() -> None:
    assert played("gbgg") == [None, "suspected", None, None]


def test_it_closes_after_two_good_looks_and_not_after_one() -> None:
    assert played("bbgg") == ["suspected", "opened", None, "closed"]
    assert played("bbgbgg") == ["suspected", "opened", None, None, None, "closed"]


def test_a_gate_is_told_at_once_and_a_renewed_certificate_is_believed_at_once() -> None:
    assert played("b", key="gate/S8.GATE.3") == ["opened"]
    assert played("bg", key="certificate_life") == ["opened", "closed"]


def test_blind_nights_are_told_after_three() -> None:
    assert played("bbbb", key="sight") == ["suspected", None, "opened", None]


def test_what_turns_too_often_is_flapping_once_and_quiet_until_it_is_calm() -> None:
    events = played("bgbgbgbgbggggg")
    assert events.count("flapping") == 1
    assert events[:6] == ["suspected", None, "suspected", None, "suspected", "flapping"]
    assert [one for one in events[6:] if one is not None] == ["closed"]
    assert events[-1] == "closed"


def test_what_flaps_and_stays_bad_becomes_an_open_course() -> None:
    events = played("bgbgbgbbbbbbgg")
    assert events.count("flapping") == 1
    assert events.count("opened") == 0
    assert events[-1] == "closed"


def test_turns_far_apart_are_no_flapping() -> None:
    assert "flapping" not in played("bgbgbgbgbgbg", hours=24 * 7)


def test_a_change_for_the_worse_that_lasts_becomes_how_things_are() -> None:
    rules = AlertRules(accept_days=5)
    events = played("bb" + "b" * 6 + "b" * 5, rules)
    assert events.count("accepted") == 1
    assert events[-1] is None
    assert played("bb" + "b" * 6 + "gg", rules)[-1] is None


def test_an_improvement_moves_the_baseline_and_is_told_as_a_change() -> None:
    turned = advance(
        KeyState(key="a", baseline="bad", value="bad"),
        Reading(key="a", value="good"),
        instant(START),
        AlertRules(),
        judge,
    )
    assert turned.event == "changed"
    assert turned.state.baseline == "good"


def test_a_clock_that_steps_back_neither_raises_nor_forgets() -> None:
    state = KeyState(key="a", baseline="good", value="good")
    for at in (START, START - timedelta(days=400), START + timedelta(days=1)):
        state = advance(state, Reading(key="a", value="bad"), instant(at), RULES, judge).state
    assert state.course == "open"


@settings(max_examples=examples(80), deadline=None)
@given(
    st.text("gb", max_size=60),
    st.builds(
        AlertRules,
        confirm_looks=st.integers(1, 4),
        clear_looks=st.integers(1, 4),
        flap_turns=st.integers(2, 8),
        calm_looks=st.integers(1, 6),
        accept_days=st.integers(1, 40),
    ),
    st.sampled_from([0.2, 1, 24]),
)
def test_whatever_happens_incidents_open_and_close_in_turn(words: str, rules: AlertRules, hours: float) -> None:
    is_open = False
    bad_in_a_row = 0
    for word, event in zip(words, played(words, rules, hours=hours), strict=True):
        bad_in_a_row = bad_in_a_row + 1 if word == "b" else 0
        if event == "opened":
            assert not is_open
            assert bad_in_a_row >= rules.confirm_looks
            is_open = True
        elif event == "flapping":
            is_open = True
        elif event in ("closed", "accepted"):
            assert is_open
            is_open = False
    # The look that makes a key flap is none of the calm ones after it.
    if words.endswith("g" * (max(rules.clear_looks, rules.calm_looks, rules.confirm_looks) + 1)):
        assert not is_open


@pytest.mark.parametrize("calm", ["g" * 30, "gggg"])
def test_a_calm_key_has_no_events(calm: str) -> None:
    assert set(played(calm)) == {None}
