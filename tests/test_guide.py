"""The steps to the next label and the ladder of a criterion, as the terminal tells them."""

import os
import re
from pathlib import Path

import pytest

from prober.nouns.model import Criterion, Norm, Requirement, Rule, Swap
from prober.nouns.scorecard import (
    ConditionScore,
    CriterionScore,
    FacetScore,
    Interval,
    LabelScore,
    NextSteps,
    RequirementScore,
    Step,
    StepPart,
)
from prober.render import words
from prober.render.disclaimer import DISCLAIMER, disclaimed
from prober.render.terminal import criterion_text, next_text

GOLDEN = Path(__file__).parent / "golden" / "render"
HOSTILE = "<b>\x1b[31m\u202eevil\u202c\x00\n[a](javascript:x)"
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

LABEL = LabelScore(
    name="Emerging",
    shown="Sandbox: Emerging",
    meaning="At least half of what counts is known, one way or the other.",
    at_most="Candidate",
    next="Progressing",
    blocking=(
        ConditionScore(
            id="api_shown",
            label="Progressing",
            text="The FHIR API is at level 2.",
            holds=False,
            could_hold=True,
            now="S8.STD.1 is at L1.",
            lacking=("S8.STD.1",),
        ),
    ),
)
SMART = StepPart(
    requirement="S8.STD.1/L2/smart",
    text="The SMART configuration is published.",
    truth="false",
    how="probed",
    seen="The SMART configuration is not there: status 404.",
    missing="Present when the answer has status 200.",
    who_acts="vendor",
    effort="low",
    fix="Serve the document below the FHIR base, without a login.",
    citation="SMART App Launch 2.2.0, section 3",
    findings=("smart_configuration_served",),
    curl="curl -g -i https://fhir.example.org/r4/.well-known/smart-configuration",
)
COUNCIL = StepPart(
    requirement="S8.GOV.1/L1/owner",
    text="Somebody is named as the owner of interoperability.",
    truth="unknown",
    how="attested",
    seen="No document was given: A statement that names the owner.",
    missing="A statement that names the owner (class E1, E2, E3).",
    who_acts="provider",
    effort="low",
    fix="Attest it with such a document.",
    citation="P2 possible-himss-stage-8-20221214 (blog)",
    reasons=("needs_credentials",),
)
STEPS = NextSteps(
    now="Sandbox: Emerging",
    target="Progressing",
    reachable=False,
    why_not=("S8.TRN.1/L1/page cannot be shown yet: Missing: no probe yet (it waits for P.DOC.1).",),
    steps=(
        Step(
            id="S8.STD.1=L2",
            title="Bring S8.STD.1 (The server describes itself) to level 2.",
            why="The FHIR API is at level 2.",
            gain=3,
            effort=1,
            parts=(SMART,),
        ),
        Step(
            id="S8.GOV.1=L1",
            title="Bring S8.GOV.1 (A council exists) to level 1.",
            why="The council is at level 1.",
            gain=0,
            effort=2,
            parts=(COUNCIL,),
        ),
    ),
)


def rule(**form: object) -> Rule:
    return Rule.model_validate(form)


NIGHTLY = [{"series": {"probe": one}} for one in ("smart_configuration_served", "capability_statement_served")]
CRITERION = Criterion(
    id="S8.STD.1",
    title="The server describes itself",
    intent="An app finds out by itself what it may ask for.",
    sources=(
        Norm(ref="P2 possible-himss-stage-8-20221214", text="Requires FHIR APIs.", status="blog"),
        Norm(ref="FHIR R4", text="A CapabilityStatement SHALL be served.", status="published", unverified=True),
    ),
    block="STD",
    weight=3,
    core=True,
    extension=False,
    applies="Always.",
    modes=("O", "A"),
    document="A test report for this base",
    freshness=("X", "V"),
    observability="full",
    who_acts="vendor",
    facets={"says": "It says what it does", "does": "It does what it says"},
    levels={
        1: (
            Requirement(
                id="S8.STD.1/L1/statement",
                text="A CapabilityStatement is published.",
                how="probed",
                met_by=rule(**{"is": {"probe": "capability_statement_served"}}),
                facet="says",
            ),
        ),
        2: (
            Requirement(
                id="S8.STD.1/L2/smart",
                text="The SMART configuration of US Core is published.",
                how="probed",
                met_by=rule(
                    any=[
                        {
                            "all": [
                                {"is": {"probe": "smart_configuration_served"}},
                                {"is": {"probe": "smart_plain_offered", "outcome": "absent"}},
                            ]
                        },
                        {"attested": {"classes": ["E2", "E3"], "document": "A log extract.", "same_fact": True}},
                    ]
                ),
                conditional=True,
                elsewhere=Swap(
                    norm="US Core", instead="the national core", text="The SMART configuration is published."
                ),
            ),
        ),
        3: (
            Requirement(
                id="S8.STD.1/L3/share",
                text="What is declared works.",
                how="probed",
                met_by=rule(share={"probe": "declared_interactions_shown", "at_least": "90/100"}),
            ),
            Requirement(
                id="S8.STD.1/L3/failures",
                text="Few calls fail.",
                how="attested",
                ceiling=3,
                met_by=rule(
                    attested={
                        "classes": ["E3"],
                        "values": {"failed_share_at_most": "5/100"},
                        "stage_letter": True,
                        "document": "The count of calls.",
                    }
                ),
                missing="The count of calls.",
            ),
            Requirement(
                id="S8.STD.1/L3/jwks",
                text="The keys are published.",
                how="gap",
                missing="no probe yet",
                waits_for="P.SMART.3",
            ),
        ),
        4: (Requirement(id="S8.STD.1/L4/held", text="It held.", how="probed", met_by=rule(all=NIGHTLY)),),
    },
)
SCORE = CriterionScore(
    id="S8.STD.1",
    title="The server describes itself",
    block="STD",
    weight=3,
    core=True,
    extension=False,
    precondition=False,
    applies=True,
    level=Interval(low=1, high=3),
    state="L1+?",
    requirements=(
        RequirementScore(
            id="S8.STD.1/L1/statement",
            text="A CapabilityStatement is published.",
            how="probed",
            truth="true",
            why="The server publishes a CapabilityStatement.",
            findings=("capability_statement_served",),
        ),
        RequirementScore(
            id="S8.STD.1/L2/smart",
            text="The SMART configuration is published.",
            how="probed",
            truth="unknown",
            why="The server was busy, and the document says yes.",
            attestations=("log-2026",),
            swapped=True,
            conflict=True,
        ),
    ),
    facets=(FacetScore(id="says", title="It says what it does", level=Interval(low=1, high=3), state="L1+?"),),
    next_step="To reach L2: The SMART configuration is published.",
    knowledge="probed",
    evidence_class="E4",
    confidence="medium",
    confidence_because=("It rests on evidence of class E4, which begins at high.", "It was seen in a single night."),
    freshness="stale",
    next_expiry="2027-02-21",
    conflict=True,
)


def same_as_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("PROBER_GOLDEN") == "write":
        path.write_bytes(text.encode())
    assert text == path.read_bytes().decode(), f"{name} differs; PROBER_GOLDEN=write writes it anew."


def test_the_steps_to_the_next_label_are_as_they_were_read_and_agreed() -> None:
    same_as_golden("next.txt", next_text(STEPS, LABEL, 100))


def test_the_ladder_of_a_criterion_is_as_it_was_read_and_agreed() -> None:
    same_as_golden("criterion.txt", criterion_text(CRITERION, None, 100))
    same_as_golden("criterion_here.txt", criterion_text(CRITERION, SCORE, 100))


def test_the_highest_label_has_nothing_above_it() -> None:
    text = next_text(NextSteps(now="Emerging", target=None, reachable=True), LABEL, 100)
    assert "There is no label above this one." in text
    assert "1. " not in text


def test_a_label_that_can_be_reached_says_with_how_many_steps() -> None:
    open_ = STEPS.model_copy(update={"reachable": True, "why_not": ()})
    text = next_text(open_, LABEL, 100)
    assert "Progressing. It can be reached with 2 steps." in text
    assert "cannot be reached" not in text


def test_a_criterion_that_does_not_apply_says_why_and_gives_no_level() -> None:
    out = SCORE.model_copy(
        update={"applies": False, "level": None, "state": "n/a", "not_applicable_because": "It is elsewhere."}
    )
    text = criterion_text(CRITERION, out, 100)
    assert "It does not apply. It is elsewhere." in text
    assert "reached" not in text


def test_a_rung_is_reached_possible_or_neither() -> None:
    text = criterion_text(CRITERION, SCORE, 100)
    assert [line for line in text.splitlines() if line.startswith("Level ")] == [
        "Level 1: surely reached",
        "Level 2: possible",
        "Level 3: possible",
        "Level 4: not reached",
    ]


def test_every_remedy_is_told_by_its_reason() -> None:
    text = " ".join(next_text(STEPS, LABEL, 120).split())
    assert words.REMEDY["needs_credentials"] in text
    assert words.MEANING["needs_credentials"] in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_disclaimer_stands_in_every_one_of_these_texts_and_lines_keep_their_width(width: int) -> None:
    for text in (next_text(STEPS, LABEL, width), criterion_text(CRITERION, SCORE, width)):
        assert disclaimed(text)
        assert " ".join(text.split()).count(DISCLAIMER) == 1
        assert all(len(line) <= max(width, 60) or "curl" in line for line in text.splitlines())


def test_what_strangers_wrote_stays_visible_text() -> None:
    part = COUNCIL.model_copy(update={"seen": HOSTILE, "fix": HOSTILE, "missing": HOSTILE, "curl": HOSTILE})
    step = STEPS.steps[0].model_copy(update={"title": HOSTILE, "why": HOSTILE, "parts": (part,)})
    steps = STEPS.model_copy(update={"steps": (step,), "why_not": (HOSTILE,)})
    lines = tuple(one.model_copy(update={"why": HOSTILE}) for one in SCORE.requirements)
    score = SCORE.model_copy(update={"requirements": lines, "next_step": HOSTILE})
    for text in (next_text(steps, LABEL, 100), criterion_text(CRITERION, score, 100)):
        assert not UNSEEN.search(text)
        assert "[U+202E]" in text
