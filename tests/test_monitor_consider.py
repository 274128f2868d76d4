"""What a look means after those before it: incidents by cause, waivers, maintenance, gates told privately."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prober.clock import instant
from prober.history.store import Recorded
from prober.library import load_model, shipped_models
from prober.monitor.consider import Before, Policy, consider
from prober.nouns.bundle import Waiver
from prober.nouns.facts import Fact, Facts
from prober.nouns.incident import Incident, KeyState, Message
from prober.nouns.look import Look
from prober.nouns.model import MaturityModel
from prober.nouns.monitor import AlertRules

BASE = "https://fhir.example.org/r4"
START = datetime(2026, 1, 1, 2, tzinfo=UTC)
HEALTHY = {
    "finding/capability_statement_served": "present",
    "finding/bulk_export_declared": "present",
    "finding/patient_data_protected": "present",
    "operation/Group/export": "declared",
    "search_param/Patient/birthdate": "declared",
    "software/version": "1.0.0",
    "criterion/S8.STD.5": "2..3",
    "gate/S8.GATE.1": "clean",
    "gate/S8.GATE.3": "clean",
}
AREAS = ("criterion", "finding", "gate", "operation", "search_param", "software")


class World:
    """A target, look by look, with the least memory that the history would have."""

    def __init__(self, *, waivers: Sequence[Waiver] = (), rules: AlertRules | None = None) -> None:
        model = load_model(shipped_models()[1])
        assert isinstance(model, MaturityModel)
        self.policy = Policy(rules or AlertRules(), lambda _: (), tuple(waivers), model, nightly=frozenset({"nightly"}))
        self.stands: dict[str, dict[str, str]] = {}
        self.past: list[Facts] = []
        self.states: dict[str, KeyState] = {}
        self.incidents: dict[str, Incident] = {}
        self.told: list[Message] = []
        self.number = 0
        self.last: Recorded | None = None
        self.suspects: tuple[str, ...] = ()

    @property
    def standing(self) -> dict[str, str]:
        """What the nightly looks know."""
        return self.stands.get("nightly", {})

    def _earlier(self, keys: Iterable[str]) -> list[Facts]:
        wanted = set(keys)
        found = [
            one.model_copy(update={"facts": tuple(fact for fact in one.facts if fact.key in wanted)})
            for one in reversed(self.past)
        ]
        return [one for one in found if one.facts]

    def look(
        self,
        changes: Mapping[str, str | None] | None = None,
        *,
        hours: float = 24,
        up: str = "up",
        facts: bool = True,
        **more: Any,
    ) -> Recorded:
        began = instant(START + timedelta(hours=hours * self.number))
        run = f"run-{self.number}"
        self.number += 1
        look = Look.model_validate(
            {
                "target": "main",
                "base": BASE,
                "plan": "nightly",
                "slot": began[:10],
                "run": run,
                "began": began,
                "ended": began,
                "environment": "production",
                "depth": "standard",
                "ending": "complete",
                "digest": "0" * 64,
                "evidence": "0" * 64,
                "up": up,
            }
            | more
        )
        values = {key: value for key, value in (HEALTHY | dict(changes or {})).items() if value is not None}
        kept = self._facts(look, values) if facts else None
        stood = self.stands.get(look.plan, {})
        standing = (self._facts(look, stood, run=f"run-{self.number - 2}"),) if stood else ()
        open_now = tuple(one for one in self.incidents.values() if one.closed is None)
        considered = consider(look, kept, Before(standing, self.states, open_now, self._earlier), self.policy)
        recorded = considered.recorded
        if recorded.facts is not None:
            seen = recorded.facts.seen
            self.stands[look.plan] = {key: value for key, value in stood.items() if key.partition("/")[0] not in seen}
            self.stands[look.plan] |= {one.key: one.value for one in recorded.facts.facts}
            self.past.append(recorded.facts)
        self.states = {key: one for key, one in self.states.items() if key not in recorded.settled}
        self.states |= {one.key: one for one in recorded.states}
        self.incidents |= {one.id: one for one in recorded.incidents}
        self.told += [message for message, _ in recorded.messages]
        self.suspects = considered.suspects
        self.last = recorded
        return recorded

    def _facts(self, look: Look, values: Mapping[str, str], run: str | None = None) -> Facts:
        return Facts(
            subject=BASE,
            environment="production",
            depth="standard",
            run=run or look.run,
            started=look.began,
            digest="0" * 64,
            seen=AREAS,
            facts=tuple(Fact(key=key, value=value) for key, value in sorted(values.items())),
        )

    def kinds(self) -> list[str]:
        return [one.kind for one in self.told]

    def open_incidents(self) -> list[Incident]:
        return [one for one in self.incidents.values() if one.closed is None]


NO_EXPORT = {
    "operation/Group/export": None,
    "finding/bulk_export_declared": "absent",
    "criterion/S8.STD.5": "0..0",
}


def test_the_first_look_tells_nothing_of_how_things_are() -> None:
    world = World()
    world.look({"finding/bulk_export_declared": "absent"})
    world.look({"finding/bulk_export_declared": "absent"})
    assert world.told == []
    assert world.states == {}


def test_what_went_in_one_look_is_one_incident_with_its_cause_first() -> None:
    world = World()
    world.look()
    world.look(NO_EXPORT)
    assert set(world.suspects) == {"operation/Group/export", "finding/bulk_export_declared"}
    assert world.told == []
    world.look(NO_EXPORT)
    (incident,) = world.open_incidents()
    assert incident.kind == "change"
    assert incident.keys == ("finding/bulk_export_declared", "operation/Group/export")
    assert "export" in incident.title
    assert any("S8.STD.5" in change.criteria for change in incident.changes)
    assert {(change.before.run, change.after.run) for change in incident.changes} == {("run-0", "run-1")}
    assert world.kinds() == ["opened"]
    world.look()
    assert world.kinds() == ["opened"]
    world.look()
    assert world.open_incidents() == []
    assert world.kinds() == ["opened", "closed"]
    # Its turns are remembered for a while, in case that it flaps; then nothing of it is kept.
    assert {one.course for one in world.states.values()} == {"steady"}
    for _ in range(8):
        world.look()
    assert world.states == {}


def test_a_level_that_follows_from_a_suspicion_is_not_told_before_it_is_confirmed() -> None:
    world = World()
    world.look()
    first = world.look(NO_EXPORT)
    assert first.delta is not None
    assert "criterion/S8.STD.5" not in {change.key for change in first.delta.changes}
    world.look(NO_EXPORT, part=1, probes=("bulk_export_declared", "capability_statement_served"))
    third = world.look(NO_EXPORT)
    assert third.delta is not None
    assert {change.key for change in third.delta.changes} == {"criterion/S8.STD.5"}


def test_a_second_look_that_sees_it_back_ends_the_suspicion() -> None:
    world = World()
    world.look()
    world.look({"search_param/Patient/birthdate": None})
    world.look(part=1, probes=("capability_statement_served",), hours=0.1)
    assert world.suspects == ()
    assert world.told == []
    world.look()
    assert world.told == []


def test_a_night_that_could_not_see_is_neither_yes_nor_no() -> None:
    world = World()
    world.look()
    hidden = {f"finding/{name}": "unknown: rate_limited" for name in ("bulk_export_declared", "patient_data_protected")}
    blind = {"finding/capability_statement_served": "unknown: rate_limited", "criterion/S8.STD.5": "0..4"}
    for _ in range(2):
        assert world.look({**hidden, **blind}, up="undecided").delta is None
    assert world.told == []
    world.look(NO_EXPORT)
    assert "finding/bulk_export_declared" in world.suspects, (
        "it is compared with what was known before the blind nights"
    )


def test_three_blind_nights_are_one_incident_and_none_of_them_is_down() -> None:
    world = World()
    world.look()
    blind = {"finding/capability_statement_served": "unknown: rate_limited"}
    for _ in range(4):
        world.look(blind, up="undecided")
    (incident,) = world.open_incidents()
    assert incident.kind == "blind"
    assert "rate limited" in incident.title
    world.look()
    world.look()
    assert world.kinds() == ["opened", "closed"]


def test_down_twice_is_an_outage_and_its_unknown_findings_are_nothing_more() -> None:
    world = World()
    world.look()
    down = {key: "unknown: server_error" for key in HEALTHY if key.startswith("finding/")}
    world.look(down, up="down", reason="server_error")
    assert world.suspects == ("availability",)
    world.look(down, up="down", reason="server_error", part=1, probes=("capability_statement_served",))
    (incident,) = world.open_incidents()
    assert incident.kind == "outage"
    assert incident.keys == ("availability",)
    for _ in range(3):
        world.look(down, up="down")
    assert world.kinds() == ["opened"]


def test_a_target_that_is_down_from_the_first_night_is_told() -> None:
    world = World()
    world.look(facts=False, up="down")
    world.look(facts=False, up="down")
    assert world.kinds() == ["opened"]


def test_in_a_planned_maintenance_only_what_is_good_counts() -> None:
    world = World()
    world.look()
    for _ in range(3):
        world.look(NO_EXPORT, up="down", planned=True)
    assert world.told == []
    assert world.last is not None
    assert world.last.delta is None
    # What it found is kept for the score all the same.
    assert world.standing["finding/bulk_export_declared"] == "absent"
    assert world.standing["operation/Group/export"] == "declared"
    back = world.look()
    assert back.delta is not None
    assert back.delta.changes == ()
    assert world.told == []
    assert world.states == {}


def test_what_went_in_a_maintenance_and_stays_away_is_told_afterwards() -> None:
    world = World()
    world.look()
    world.look(NO_EXPORT, planned=True)
    world.look(NO_EXPORT)
    assert set(world.suspects) == {"operation/Group/export", "finding/bulk_export_declared"}
    world.look(NO_EXPORT)
    assert world.kinds() == ["opened"]


def test_a_gate_that_could_not_be_tested_for_a_night_is_no_change() -> None:
    world = World()
    world.look()
    for state in ("untested", "clean"):
        recorded = world.look({"gate/S8.GATE.1": state})
        assert recorded.delta is not None
        assert recorded.delta.changes == ()


def test_a_gate_of_safety_is_told_at_once_and_privately() -> None:
    world = World()
    world.look()
    world.look({"gate/S8.GATE.3": "suspected", "finding/patient_data_protected": "absent"})
    assert [(one.kind, one.private) for one in world.told] == [("gate", True)]
    gate = next(one for one in world.incidents.values() if one.kind == "gate")
    assert gate.private
    assert all("S8.GATE.3" not in one.title for one in world.told if not one.private)


def waiver(about: str, expires: str = "2026-01-20") -> Waiver:
    return Waiver(about=about, reason="The vendor mends it in March.", owner="A. Lead", expires=expires)


@pytest.mark.parametrize("about", ["bulk_export_declared", "finding/bulk_export_declared", "S8.STD.5"])
def test_a_waiver_silences_the_alert_and_never_the_finding(about: str) -> None:
    world = World(waivers=[waiver(about)])
    world.look()
    for _ in range(2):
        world.look({"finding/bulk_export_declared": "absent"})
    (incident,) = world.open_incidents()
    assert incident.waived_by == "A. Lead, until 2026-01-20"
    assert world.told == []
    assert world.standing["finding/bulk_export_declared"] == "absent"


def test_a_waiver_of_one_thing_does_not_silence_another_one_beside_it() -> None:
    world = World(waivers=[waiver("bulk_export_declared")])
    world.look()
    gone = {"finding/bulk_export_declared": "absent", "search_param/Patient/birthdate": None}
    for _ in range(2):
        world.look(gone)
    assert world.kinds() == ["opened"]


def test_a_waiver_that_ran_out_is_heard_once() -> None:
    world = World(waivers=[waiver("bulk_export_declared", "2026-01-05")])
    world.look()
    for _ in range(7):
        world.look({"finding/bulk_export_declared": "absent"})
    assert world.kinds() == ["opened"]
    assert any("waiver" in line for line in world.told[0].lines)


def test_a_certificate_near_its_end_is_told_at_once_and_closed_by_its_renewal() -> None:
    world = World()
    world.look(certificate="enough")
    world.look(certificate="short")
    world.look(certificate="short")
    assert world.kinds() == ["opened"]
    world.look(certificate="enough")
    assert world.kinds() == ["opened", "closed"]


def test_what_flaps_goes_on_in_the_incident_that_it_has() -> None:
    world = World()
    world.look()
    gone = {"search_param/Patient/birthdate": None}
    for bad in (True, True, False, True, False, True, False, True, False):
        world.look(gone if bad else None, hours=12)
    kinds = [one.kind for one in world.incidents.values()]
    assert kinds == ["flapping"]
    assert world.kinds() == ["opened"]
    for _ in range(6):
        world.look(hours=12)
    assert world.kinds() == ["opened", "closed"]


def test_a_change_that_is_no_worse_opens_nothing() -> None:
    world = World()
    world.look()
    recorded = world.look({"software/version": "2.0.0"})
    assert recorded.delta is not None
    assert [(one.key, one.judgement) for one in recorded.delta.changes] == [("software/version", "neutral")]
    assert world.told == []
    assert world.states == {}


def test_the_same_looks_give_the_same_incidents() -> None:
    def ids() -> list[str]:
        world = World()
        world.look()
        for _ in range(2):
            world.look(NO_EXPORT)
        return [*world.incidents, *(one.id for one in world.told)]

    assert ids() == ids()


def test_what_is_confirmed_later_is_told_as_more_of_the_incident() -> None:
    """One part could not be seen again in the second look: it is no secret when it is confirmed on the next night."""
    world = World()
    world.look()
    world.look(NO_EXPORT)
    seen_again = {"operation/Group/export": None, "finding/bulk_export_declared": "unknown: server_error"}
    world.look(seen_again, part=1, probes=("capability_statement_served", "bulk_export_declared"), hours=0.1)
    (incident,) = world.open_incidents()
    assert incident.keys == ("operation/Group/export",)
    world.look(NO_EXPORT)
    (incident,) = world.open_incidents()
    assert incident.keys == ("finding/bulk_export_declared", "operation/Group/export")
    assert world.kinds() == ["opened", "opened"]
    assert "more belongs to an incident" in world.told[1].title
    assert len({one.id for one in world.told}) == 2


def test_a_waived_part_does_not_keep_the_other_one_silent_when_it_is_confirmed_later() -> None:
    world = World(waivers=[waiver("operation/Group/export")])
    world.look()
    world.look(NO_EXPORT)
    seen_again = {"operation/Group/export": None, "finding/bulk_export_declared": "unknown: server_error"}
    world.look(seen_again, part=1, probes=("capability_statement_served", "bulk_export_declared"), hours=0.1)
    assert world.told == []
    world.look(NO_EXPORT)
    assert world.kinds() == ["opened"]
    assert world.open_incidents()[0].waived_by is None


@pytest.mark.parametrize(
    "bad",
    [
        {"gate/S8.GATE.3": "suspected", "finding/patient_data_protected": "absent"},
        {"finding/patient_data_protected": "absent"},
    ],
)
def test_what_endangers_patients_never_becomes_how_things_are(bad: dict[str, str]) -> None:
    world = World(rules=AlertRules(accept_days=2))
    world.look()
    for _ in range(20):
        world.look(bad)
    assert world.open_incidents()
    assert not any("Accepted" in one.title for one in world.told)


def test_an_outage_never_becomes_how_things_are() -> None:
    world = World(rules=AlertRules(accept_days=2))
    world.look()
    for _ in range(20):
        world.look(facts=False, up="down")
    assert [one.kind for one in world.open_incidents()] == ["outage"]


def test_what_is_accepted_says_so_and_does_not_read_as_over() -> None:
    world = World(rules=AlertRules(accept_days=2))
    world.look()
    for _ in range(6):
        world.look({"search_param/Patient/birthdate": None})
    assert world.kinds() == ["opened", "closed"]
    assert world.told[1].title.startswith("Accepted: ")


def test_a_gate_that_fires_in_the_first_look_of_all_is_told() -> None:
    world = World()
    world.look({"gate/S8.GATE.3": "confirmed", "finding/patient_data_protected": "absent"})
    assert [(one.kind, one.private) for one in world.told] == [("gate", True)]
    assert "S8.GATE.3" in world.told[0].title


def test_a_gate_that_would_apply_on_production_is_no_alarm_of_a_sandbox() -> None:
    world = World()
    for _ in range(3):
        world.look({"gate/S8.GATE.3": "would_apply"})
    assert world.told == []


def test_a_gate_that_comes_to_apply_on_production_is_none_either_and_what_it_rests_on_is_told_as_a_change() -> None:
    world = World()
    world.look()
    for _ in range(4):
        world.look({"gate/S8.GATE.3": "would_apply", "finding/patient_data_protected": "absent"}, environment="sandbox")
    assert [(one.kind, one.private) for one in world.incidents.values()] == [("change", True)]
    assert len(world.told) == 1
    assert "patient_data_protected" in world.told[0].title


FIRED = {"gate/S8.GATE.3": "suspected", "finding/patient_data_protected": "absent"}
NOT_TESTED = {"gate/S8.GATE.3": "untested", "finding/patient_data_protected": "unknown: needs_authorization"}


def test_looks_that_cannot_test_a_gate_say_nothing_of_it() -> None:
    """The discovery of every hour has no permit for what the look of the night sees."""
    world = World()
    world.look()
    world.look(NOT_TESTED, plan="hourly")
    for _ in range(3):
        world.look(FIRED)
        for _ in range(3):
            world.look(NOT_TESTED, plan="hourly", hours=24.1)
    assert [(one.kind, one.closed) for one in world.incidents.values()] == [("gate", None)]
    assert world.states["gate/S8.GATE.3"].turns == world.states["gate/S8.GATE.3"].turns[:1]
    assert len(world.told) == 1
    for _ in range(2):
        world.look()
        world.look(NOT_TESTED, plan="hourly")
    assert [one.closed_because for one in world.incidents.values()] == ["recovered"]


def test_a_gate_that_another_kind_of_look_cleared_is_not_opened_again() -> None:
    """Where it fired in the nights before, looks that cannot test it say so by the history, as long as that lasts."""
    world = World()
    world.look()
    world.look(NOT_TESTED, plan="hourly")
    world.look(FIRED)
    by_history = NOT_TESTED | {"gate/S8.GATE.3": "suspected"}
    world.look(by_history, plan="hourly")
    for _ in range(3):
        world.look()
        world.look(NOT_TESTED, plan="hourly")
    assert [one.closed_because for one in world.incidents.values()] == ["recovered"]
    assert world.stands["hourly"]["gate/S8.GATE.3"] == "untested"
    assert [one.kind for one in world.told] == ["gate", "gate"]


def test_what_stood_otherwise_since_a_maintenance_is_not_suspected_by_a_look_that_could_not_decide_it() -> None:
    world = World()
    world.look()
    world.look({"finding/bulk_export_declared": "absent"}, planned=True)
    world.look({"finding/bulk_export_declared": "unknown: server_error"})
    assert not world.suspects
    world.look({"finding/bulk_export_declared": "absent"})
    assert list(world.suspects) == ["finding/bulk_export_declared"]


def hidden(recorded: Recorded) -> dict[str, bool]:
    """The levels that changed, and whether that is private."""
    changes = recorded.delta.changes if recorded.delta is not None else ()
    return {one.key.partition("/")[2]: one.private for one in changes if one.key.startswith(("criterion/", "label"))}


LEVELS = {"criterion/S8.STD.2": "2..4", "criterion/S8.OPS.3": "1..4", "criterion/S8.OPS.2": "1..4"}


def test_what_falls_in_another_kind_of_look_since_a_gate_fired_is_private() -> None:
    """Also where it fires from the first look of all on, and where nights before count that this look cannot see."""
    world = World()
    world.look(LEVELS | NOT_TESTED, plan="hourly")
    world.look(LEVELS | FIRED)
    fell = world.look(LEVELS | NOT_TESTED | {"criterion/S8.STD.2": "2..3", "criterion/S8.OPS.2": "2..4"}, plan="hourly")
    assert hidden(fell) == {"S8.STD.2": True, "S8.OPS.2": False}


@pytest.mark.parametrize("delayed", [False, True])
def test_levels_that_move_because_a_door_stands_open_are_private_and_others_are_not(delayed: bool) -> None:
    """What the server keeps behind a login is seen for once: levels rise, and fall again when the door is shut."""
    world = World()
    closed = LEVELS | {"finding/unknown_type_refused": "unknown: protected"}
    opened = LEVELS | FIRED | {"finding/unknown_type_refused": "present"}
    up, down = {"criterion/S8.OPS.3": "3..4", "criterion/S8.OPS.2": "3..4"}, {"criterion/S8.OPS.2": "3..4"}
    other: dict[str, str | None] = {"search_param/Patient/birthdate": None} if delayed else {}
    world.look(closed)
    world.look(opened | up)
    rose = world.look(opened | up)
    assert hidden(rose) == {"S8.OPS.3": True, "S8.OPS.2": False}
    fell = world.look(closed | down | other)
    if delayed:
        assert hidden(fell) == {}
        world.look(closed | down)
        # The suspicion is over, and so is the gate; what is compared only now follows from it all the same.
        assert world.last is not None
        fell = world.last
    assert hidden(fell) == {"S8.OPS.3": True}


def test_a_gate_that_is_confirmed_is_told_once_more() -> None:
    world = World()
    world.look()
    world.look({"gate/S8.GATE.3": "suspected"})
    for _ in range(3):
        world.look({"gate/S8.GATE.3": "confirmed"})
    assert [one.title.partition(":")[0] for one in world.told] == ["main", "Confirmed"]


def test_a_gate_and_the_finding_it_rests_on_are_told_once() -> None:
    world = World()
    world.look()
    fired = {"gate/S8.GATE.3": "suspected", "finding/patient_data_protected": "absent"}
    for _ in range(3):
        world.look(fired)
    assert len(world.open_incidents()) == 1
    assert world.kinds() == ["gate"]


def test_a_gate_that_is_not_private_is_told_at_once_too() -> None:
    world = World()
    world.look()
    world.look({"gate/S8.GATE.1": "suspected"})
    assert [(one.kind, one.private) for one in world.told] == [("gate", False)]


def test_levels_that_fell_with_a_private_finding_are_private_too() -> None:
    world = World()
    world.look()
    bad = {"finding/patient_data_protected": "absent", "criterion/S8.STD.2": "1..1"}
    world.look({"criterion/S8.STD.2": "3..3"})
    world.look(bad)
    fell = world.look(bad)
    assert fell.delta is not None
    assert {change.key: change.private for change in fell.delta.changes} == {"criterion/S8.STD.2": True}


def test_a_door_that_closed_is_no_fall_of_levels() -> None:
    """401 where there was a statement: nothing else can be compared, and after three nights it is told as blindness."""
    world = World()
    world.look()
    closed = {
        **{key: "unknown: protected" for key in HEALTHY if key.startswith("finding/")},
        "criterion/S8.STD.5": "0..1",
    }
    for _ in range(3):
        recorded = world.look(closed)
        assert recorded.delta is None
    assert [one.kind for one in world.open_incidents()] == ["blind"]
    world.look()
    world.look()
    assert world.kinds() == ["opened", "closed"]


def test_a_server_that_always_asks_for_a_login_is_looked_at_all_the_same() -> None:
    world = World()
    closed = {"finding/capability_statement_served": "unknown: protected"}
    for _ in range(5):
        world.look(closed)
    recorded = world.look({**closed, "finding/bulk_export_declared": "absent"})
    assert recorded.delta is not None
    assert world.suspects == ("finding/bulk_export_declared",)
    assert world.told == []
