"""Simulated nights against the real sandbox: what happened is scripted, and the monitor tells that and nothing else."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from tests.nights import Inbox, Story, no_export, no_search_by, other_token_host, restless, software
from tests.test_rebuild import all_of, rebuilt

from prober.archive import RunFolder
from prober.polls.figures import availability

pytestmark = pytest.mark.history


def incidents(story: Story) -> list[tuple[str, int, int | None, str | None]]:
    """Kind, day of opening, day of closing and why, of every incident."""
    with story.history() as history:
        found = history.incidents()
    return [
        (one.kind, story.number_of(one.opened), story.number_of(one.closed) if one.closed else None, one.closed_because)
        for one in found
    ]


def test_a_few_nights_tell_what_went_and_came_back(story: Story, told: Inbox) -> None:
    story.config = re.sub(r"\n  sixth: .*", "", story.config).replace("depth: standard", "depth: discovery")
    story.start()
    for day in range(1, 6):
        story.script.edits = [restless(story), *([no_export] if day == 3 else [])]
        assert story.round(story.day(day, hours=2, minutes=5)) == 0, story.said
    assert incidents(story) == [("change", 3, 5, "recovered")]
    assert [(one["kind"], story.number_of(one["time"])) for one in told.told] == [("opened", 3), ("closed", 5)]
    assert "export" in told.told[0]["title"]


@pytest.mark.deep
def test_sixty_nights_give_the_incidents_that_happened_and_no_others(story: Story, told: Inbox) -> None:
    maintenance = f"""
maintenance:
  - begins: "{story.day(50, hours=1).isoformat()}"
    ends: "{story.day(50, hours=5).isoformat()}"
    announced: "{story.day(47).isoformat()}"
    where: https://status.example.org/planned
"""
    story.config += maintenance
    story.start(certificate_days=40)
    script = story.script

    def night_of(day: int) -> None:
        """What the server is like from the midnight of this day on."""
        edits = [restless(story)]
        if day >= 5:
            edits.append(software("2.0.0" if day >= 40 else "1.1.0"))
        if 11 <= day < 15:
            edits.append(no_export)
        if day >= 17:
            edits.append(other_token_host)
        if day in (36, 38, 40, 42):
            edits.append(no_search_by("Immunization", "date"))
        if day == 45:
            # Gone when prober looks, back when it looks again ten minutes later.
            gone = no_search_by("Encounter", "date")
            until = story.day(45, hours=2, minutes=10)
            edits.append(lambda path, document: gone(path, document) if story.clock.utc() < until else None)
        script.edits = edits
        script.status = 429 if 20 <= day <= 26 else None
        script.headers = ((b"retry-after", b"1"),) if 20 <= day <= 26 else ()

    for day in range(1, 61):
        night_of(day)
        if day == 33:
            story.stop()
            story.start(certificate_days=90)
        for hours, minutes in ((0, 1), (2, 5), (8, 1), (16, 1)):
            now = story.day(day, hours=hours, minutes=minutes)
            outage = story.day(8, hours=6) <= now < story.day(9, hours=6)
            planned = story.day(50, hours=1) <= now < story.day(50, hours=5)
            if outage or planned:
                script.status = 503
            elif script.status == 503:
                script.status = None
            if story.day(53, hours=1) <= now < story.day(56):
                # Neither the monitor nor the server was there, and nobody knows about the server.
                continue
            assert story.round(now) == 0, story.said
    assert incidents(story) == [
        ("outage", 8, 9, "recovered"),
        ("change", 11, 16, "recovered"),
        ("change", 17, 47, "accepted"),
        ("blind", 22, 28, "recovered"),
        ("certificate", 27, 33, "recovered"),
        # Bad on every second night from 36 to 42; closed at the fifth calm look, one of which was a second look.
        ("flapping", 36, 46, "recovered"),
    ]
    assert [(one["kind"], story.number_of(one["time"])) for one in told.told] == [
        # A new release; seven days of polls, so that availability has a level; the outage and its end, and that level.
        ("digest", 5),
        ("digest", 7),
        ("opened", 8),
        ("closed", 9),
        ("digest", 10),
        # The export goes, a level with it; both come back.
        ("opened", 11),
        ("digest", 12),
        ("digest", 15),
        ("closed", 16),
        ("digest", 16),
        ("opened", 17),
        ("digest", 18),
        ("opened", 22),
        ("opened", 27),
        ("closed", 28),
        ("closed", 33),
        ("digest", 33),
        ("opened", 36),
        ("digest", 40),
        ("closed", 46),
        ("closed", 47),
        ("digest", 51),
        ("monitor", 56),
    ]
    assert len({one["key"] for one in told.told}) == len(told.told), "nothing is told twice"
    with story.history() as history:
        days = history.poll_days("main", since=story.first.isoformat(), before="2099-01-01T00:00:00.000000Z")
    # Four looks on a plain day: three polls and the night. Worked out by hand:
    #   47 plain days (all but 8, 9, 20 to 26, 50, 53, 54, 55), six of them with one look more: on day 1 and 56 the
    #   night before is made up for, on 11, 17, 36 and 45 a second look asks for the statement again.
    plain = 47 * 4 + 6 * 1
    #   day 8: midnight and night up; 8:00, its second look and 16:00 down. Day 9: midnight and night down, then two up.
    outage_up, outage_down = 2 + 2, 3 + 2
    #   day 50: three up, and the night down in a maintenance that was announced 73 hours before.
    #   day 53: one look at midnight before the monitor stopped; days 54 and 55: nothing, and nobody is to blame.
    found = availability(days, leave_out_planned=True)
    assert (found.up, found.down) == (plain + outage_up + 3 + 1, outage_down)
    assert (found.up, found.down, found.undecided, found.left_out) == (202, 5, 28, 1)
    assert found.share == Fraction(202, 207)
    assert found.planned_minutes == {story.day(50).strftime("%Y-%m"): 240}
    assert availability(days).share == Fraction(202, 208)


@pytest.mark.deep
def test_the_run_folders_of_a_monitor_score_again_and_are_sealed_as_a_period(
    story: Story, prober: Callable[..., Any]
) -> None:
    """What the monitor leaves is what `prober run` leaves: an auditor needs nothing of the monitor's."""
    story.start()
    story.script.edits = [restless(story)]
    for day in (1, 2, 3):
        for hours, minutes in ((0, 1), (2, 5), (8, 1), (16, 1)):
            assert story.round(story.day(day, hours=hours, minutes=minutes)) == 0, story.said
    story.stop()
    runs = story.place / "state" / "runs"
    first, third = (story.day(number).date().isoformat() for number in (1, 3))
    last = runs / "main" / "nightly" / third
    kept = (last / "scorecard.json").read_bytes()
    assert RunFolder.open(last).history()
    assert RunFolder.open(last).poll_days()
    assert prober("judge", last).code == 0
    assert prober("score", last).code == 0
    assert (last / "scorecard.json").read_bytes() == kept
    bundle = story.place / "nights.prober.zip"
    assert prober("keys", "new").code == 0
    sealed = prober("bundle", runs, "--period", f"{first}..{third}", "--out", bundle)
    assert sealed.code == 0, sealed.err
    verified = prober("verify", bundle)
    assert verified.code == 0, verified.out + verified.err
    # The last whole night is rated, and not the poll that came after it.
    findings = len(RunFolder.open(last).findings())
    assert f"{findings} findings, the scorecard: the same, byte for byte" in verified.out


@pytest.mark.deep
def test_a_gate_of_safety_that_nobody_may_be_told_of_is_at_least_said(story: Story) -> None:
    """Where no recipient is private, whoever runs the monitor reads it: no message goes out."""
    story.config = re.sub(r"\n  sixth: .*", "", story.config) + "alerts: {second_look_minutes: 0}\n"
    story.config = story.config.replace("- {name: main,", "- {name: main, provider: provider.yaml,")
    base = "https://127.0.0.1:PORT/fhir"
    story.start()
    provider = (
        f"organisation: Example\nenvironment: production\nfhir_bases: [{base.replace('PORT', str(story.port))}]\n"
    )
    (story.place / "provider.yaml").write_text(provider)
    assert story.round(story.day(1, hours=3)) == 0, story.said
    story.stop()
    story.defects = ("open_patient_data",)
    story.start()
    assert story.round(story.day(2, hours=3)) == 0, story.said
    with story.history() as history:
        gates = [one for one in history.incidents() if one.kind == "gate"]
    assert gates
    assert all(one.private for one in gates)
    assert any("a gate of safety fired" in one for one in story.said)


@pytest.mark.deep
def test_a_digest_says_nothing_of_a_private_incident_and_nothing_of_other_targets(story: Story, told: Inbox) -> None:
    """The door to patient data stands open: its contact is told, and no public word, count or level gives it away."""
    story.config = re.sub(r"\n  sixth: .*", "", story.config).replace(
        "- {name: main, base: THE_SERVER, ca_file: ca.pem}",
        "- {name: main, base: THE_SERVER, ca_file: ca.pem, provider: provider.yaml}\n"
        "  - {name: other, base: THE_SERVER, ca_file: ca.pem, provider: provider.yaml}",
    )
    recipient = f'  - {{name: limited, webhook: "{told.url}", kinds: [opened, digest], targets: [other]}}\n'
    story.config = story.config.replace("recipients:\n", f"recipients:\n{recipient}")
    story.config += "alerts: {second_look_minutes: 0}\n"
    story.start()
    base = f"https://127.0.0.1:{story.port}/fhir"
    provider = f"organisation: Example\nenvironment: production\nfhir_bases: [{base}]\n"
    (story.place / "provider.yaml").write_text(provider)
    assert story.round(story.day(1, hours=3)) == 0, story.said
    story.stop()
    story.defects = ("open_patient_data",)
    story.start()
    for day in (2, 3, 4):
        story.script.edits = [software(f"{day}.0.0")]
        assert story.round(story.day(day, hours=3)) == 0, story.said
    story.stop()
    story.defects = ()
    story.start()
    for day in (5, 6, 7, 8):
        assert story.round(story.day(day, hours=3)) == 0, story.said
    with story.history() as history:
        private = [one for one in history.incidents() if one.private]
        criteria = {name for one in private for change in one.changes for name in change.criteria}
    assert {one.target for one in private} == {"main", "other"}
    public = [*told.told, {"title": "", "lines": [(story.place / "state" / "feed.atom").read_text()]}]
    public.append({"title": "", "lines": [(story.place / "state" / "prober.prom").read_text()]})
    words = "\n".join(f"{one['title']} {' '.join(one['lines'])}" for one in public[:-1])
    assert "patient_data_protected" not in words
    assert "GATE.3" not in words
    assert "are open" not in words
    assert criteria
    told_levels = [name for name in criteria if re.search(rf"{re.escape(name)} is (at least )?at level", words)]
    assert not told_levels, words
    assert 'prober_incidents_open{target="main",kind="gate"} 0' in public[-1]["lines"][0]
    digests = [one for one in told.told if one["kind"] == "digest"]
    limited = [one for one in digests if one["id"].endswith(".other")]
    assert len(limited) >= 3
    for one in limited:
        assert not [line for line in one["lines"] if line.startswith("main:")]
    assert len({one["key"] for one in told.told}) == len(told.told)


@pytest.mark.deep
@pytest.mark.parametrize("first", [1, 3])
def test_a_door_that_stands_open_is_one_incident_of_two_kinds_of_look_and_no_level_tells_of_it(
    story: Story, told: Inbox, first: int
) -> None:
    """The looks of the day have no permit to ask for patients: they neither close the gate nor make it flap."""
    story.config = re.sub(r"\n  sixth: .*", "\n  sixth: {every: 720, depth: discovery}", story.config)
    story.config = story.config.replace(", ca_file", ", provider: provider.yaml, ca_file")
    story.config += "alerts: {second_look_minutes: 0}\n"
    story.defects = ("open_patient_data",) if first == 1 else ()
    story.start()
    base = f"https://127.0.0.1:{story.port}/fhir"
    provider = f"organisation: Example\nenvironment: production\nfhir_bases: [{base}]\n"
    (story.place / "provider.yaml").write_text(provider)
    for day in range(1, 11):
        if day in (first, 6) and day != 1:
            story.stop()
            story.defects = ("open_patient_data",) if day == first else ()
            story.start()
        for hours in (2, 13):
            assert story.round(story.day(day, hours=hours, minutes=5)) == 0, story.said
    found = [one for one in incidents(story) if one[0] not in ("flapping", "change")]
    # It is clear after three clean nights.
    assert found == [("gate", first, 8, "recovered")]
    words = " ".join(line for one in told.told for line in (one["title"], *one["lines"]))
    assert "GATE.3" not in words
    assert "patient_data_protected" not in words
    for level in ("S8.STD.1", "S8.STD.2", "S8.OPS.3"):
        assert not re.search(rf"{re.escape(level)} is (at least )?at level", words), words
    before = all_of(story)
    gates = [fact for one in before["facts"]["sixth"] for fact in one.facts if fact.key == "gate/S8.GATE.3"]
    assert [one.value for one in gates] == ["untested"]
    story.database.empty()
    assert rebuilt(story)[0] == 0
    assert all_of(story) == before


@pytest.mark.deep
def test_two_releases_that_answer_in_turn_are_told_once_in_all(story: Story, told: Inbox) -> None:
    story.config = re.sub(r"\n  sixth: .*", "", story.config).replace("depth: standard", "depth: discovery")
    story.start()
    for day in range(1, 16):
        story.script.edits = [restless(story), software("3.0.0" if day > 13 else "2.0.0" if day % 2 else "1.0.0")]
        assert story.round(story.day(day, hours=2, minutes=5)) == 0, story.said
    lines = {story.number_of(one["time"]): one["lines"][0] for one in told.told if "software" in one["lines"][0]}
    assert list(lines) == [2, 3, 4, 5, 6, 7, 14]
    assert "goes back and forth between 1.0.0 and 2.0.0" in lines[7]
    assert "to 3.0.0" in lines[14]
    with story.history() as history:
        changes = [one for _, _, one in history.changes() if one.key == "software/version"]
    assert len(changes) == 13


@pytest.mark.deep
def test_plans_that_see_the_same_change_tell_it_once_and_what_is_back_after_acceptance_is_told(
    story: Story, told: Inbox
) -> None:
    story.config = re.sub(r"\n  sixth: .*", "\n  weekly: {every: week, on: monday, at: '02:30'}", story.config)
    story.config += "alerts: {second_look_minutes: 0, accept_days: 3}\n"
    story.start()
    for day in range(1, 13):
        edits = [restless(story), software("2.0.0" if day >= 2 else "1.0.0")]
        story.script.edits = [*edits, *([no_search_by("Immunization", "date")] if 3 <= day <= 8 else [])]
        assert story.round(story.day(day, hours=3)) == 0, story.said
    digests = [line for one in told.told if one["kind"] == "digest" for line in one["lines"]]
    assert len([line for line in digests if "version of the software" in line]) == 1
    assert [one["title"].partition(":")[0] for one in told.told if one["kind"] == "closed"] == ["Accepted"]
    assert len([line for line in digests if "date of Immunization is declared now" in line]) == 1


@pytest.mark.deep
def test_plans_of_minutes_alone_have_a_digest_a_day(story: Story, told: Inbox) -> None:
    story.config = re.sub(r"\n  nightly: .*", "\n  twice: {every: 720, depth: discovery}", story.config)
    story.config = re.sub(r"\n  sixth: .*", "", story.config)
    story.start()
    for day in range(1, 4):
        for hours in (1, 13):
            story.script.edits = [software("2.0.0" if (day, hours) >= (2, 1) else "1.0.0")]
            assert story.round(story.day(day, hours=hours)) == 0, story.said
    assert told.kinds() == [("digest", told.told[0]["time"][:10])]
    assert story.number_of(told.told[0]["time"]) == 2


@pytest.mark.deep
def test_a_single_round_looks_at_everybody_whatever_the_jitter(story: Story) -> None:
    story.config += "jitter_minutes: 120\n"
    story.start()
    assert story.round(story.day(1, hours=2, minutes=1)) == 0, story.said
    with story.history() as history:
        assert {one.plan for one in history.looks("main")} == {"nightly", "sixth"}
