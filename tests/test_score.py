"""The score: hand-derived cases, and what must hold whatever the findings are."""

import ast
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.samples import DEEP, examples

import prober.score
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding
from prober.nouns.model import CapabilityProfile, MaturityModel, Model, Rule
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import AuthorizationNote, Plan, Run, Tool
from prober.nouns.scorecard import BlockScore, CriterionScore, GateScore, MaturityScore, ProfileScore, Scorecard
from prober.nouns.sheet import Sheet
from prober.score import ScoredRun, score
from prober.score.blocks import KINDS, hundredths
from prober.score.kept import kept
from prober.score.look import Book, Look
from prober.score.rules import Said, decide

BASE = "https://fhir.hospital.example/r4"
OTHER = "https://fhir.clinic.example/r4"
AS_OF = "2026-11-23T12:00:00.000000Z"
SOURCE = Path(prober.score.__file__).parent


def found(probe: str, outcome: str = "present", **more: Any) -> Finding:
    verdict = {key: more.pop(key) for key in ("reason", "values", "citations", "message") if key in more}
    return Finding.model_validate(
        {
            "source": {"probe": probe, "digest": "d" * 64},
            "subject": BASE,
            "verdict": {"outcome": outcome, "message": f"{probe} is {outcome}.", **verdict},
            "basis": "demonstrated",
            "evidence": [],
            **more,
        }
    )


def cell(claim: str, result: str, *, declared: bool = True, reason: str | None = None) -> dict[str, Any]:
    return {"claim": claim, "declared": declared, "result": result, "reason": reason}


def ran(
    *findings: Finding,
    subject: str = BASE,
    environment: str = "production",
    exchanges: Iterable[Exchange] = (),
    **facts: Any,
) -> ScoredRun:
    run = Run.model_validate(
        {
            "id": f"20261123T120000Z-{len(subject):08x}",
            "subject": subject,
            "environment": environment,
            "synthetic": False,
            "loopback": False,
            "started": AS_OF,
            "authorization": AuthorizationNote(form="none", statement="None was given."),
            "plan": Plan(depth="standard", budget=300, deadline_seconds=600, pace="polite", observations=()),
            "tool": Tool(prober="0", python="3", httpx="0", openssl="3", platform="any"),
            "probes": {},
            "models": {},
        }
    )
    own = tuple(one.model_copy(update={"subject": subject}) for one in findings)
    return ScoredRun(run, ProviderFacts.model_validate(facts), own, {one.id: one for one in exchanges})


# Composing in C is several times faster, and the properties below write and read hundreds of books.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def loaded(text: str) -> Any:
    return yaml.load(text, Loader=LOADER)


def dumped(value: object, **how: Any) -> str:
    return str(yaml.dump(value, Dumper=DUMPER, **how))


WORKFLOWS = """
- {id: S8.WF.PAY, title: Electronic payments, lead: S8.WF.PAY.1}
- id: S8.WF.PA
  title: Electronic prior authorization
  lead: S8.WF.PA.3
  at_level_4: {also: {S8.WF.PA.1: 2, S8.WF.PA.2: 2}}
- {id: S8.WF.ROI, title: Release of information, best_of: [S8.WF.ROI.1, S8.WF.ROI.2, S8.WF.ROI.3], two_above: 2}
- {id: S8.WF.VC, title: Virtual care, lead: S8.WF.VC.1, may_lag: [S8.WF.VC.2]}
"""


def book(text: str) -> MaturityModel:
    """A rule book from its essentials: levels as `{1: {name: requirement}}`; a level not given is a gap."""
    data = loaded(text)
    criteria = [_criterion(one) for one in data["criteria"]]
    blocks = data.get("blocks") or {one["block"]: 100 for one in criteria}
    return MaturityModel.model_validate(
        {
            "id": "test_book",
            "version": "1.0.0",
            "title": "A rule book for tests",
            "disclaimer": "Nobody endorses it.",
            "blocks": [{"id": block, "title": block, "weight": weight} for block, weight in blocks.items()],
            "criteria": criteria,
            "workflows": loaded(WORKFLOWS),
            **{key: data[key] for key in ("labels", "freshness") if key in data},
            "gates": [
                {"title": "A gate", "text": "It caps.", "cap": "Emerging", **one} for one in data.get("gates", [])
            ],
        }
    )


def _criterion(given: dict[str, Any]) -> dict[str, Any]:
    levels = given.pop("levels", {})
    whole = {
        level: [
            {"id": f"{given['id']}/L{level}/{name}", "text": f"{name} holds.", "how": "probed", **asked}
            for name, asked in levels.get(level, {"later": {"how": "gap", "missing": "no probe yet"}}).items()
        ]
        for level in (1, 2, 3, 4)
    }
    return {
        "title": "A criterion",
        "intent": "To test.",
        "sources": [{"ref": "ours", "text": "Ours.", "status": "ours"}],
        "block": "STD",
        "weight": 3,
        "core": True,
        "extension": False,
        "applies": "always",
        "modes": ["O"],
        "document": "-",
        "freshness": ["X"],
        "observability": "full",
        **given,
        "levels": whole,
    }


def profile_of(*probes: str) -> CapabilityProfile:
    return CapabilityProfile.model_validate(
        {
            "id": "test_profile",
            "version": "1.0.0",
            "title": "A profile for tests",
            "disclaimer": "Nobody endorses it.",
            "families": [{"id": one, "title": one, "meaning": "One probe.", "probes": [one]} for one in probes],
        }
    )


def said_of(rule: Any, *findings: Finding, **more: Any) -> Said:
    """What a rule says about one production run; `rule` is a rule or its data."""
    whole = rule if isinstance(rule, Rule) else Rule.model_validate(rule)
    return decide(whole, look_of(*findings, **more), "S8.STD.1/L1/a")


def look_of(*findings: Finding, **more: Any) -> Look:
    return Look(ran(*findings, **more), Book(book("criteria: [{id: S8.STD.1}]")), date(2026, 11, 23))


def sheet(effort: str = "low", strengths: Sequence[str] = ("MUST",), country: str | None = None) -> Sheet:
    cited = {"guide": "FHIR", "version": "4.0.1", "section": "http", "url": "https://hl7.org/fhir/R4/"}
    return Sheet.model_validate(
        {
            "title": "Is it there?",
            "catalogue": "P.CAP.1",
            "why": "Because.",
            "how": "By asking.",
            "counts": "Being there.",
            "risk": "None.",
            "basis": "demonstrated",
            "citations": [{**cited, "strength": strength} for strength in strengths],
            "remediation": {"effort": effort, "text": "Switch it on."},
            "who_acts": "vendor",
            "country": country,
        }
    )


def scored(runs: ScoredRun | Sequence[ScoredRun], model: MaturityModel) -> MaturityScore:
    card = score([runs] if isinstance(runs, ScoredRun) else runs, [model], {}, as_of=AS_OF)
    assert card.maturity is not None
    return card.maturity


def profiled(
    runs: Sequence[ScoredRun],
    *probes: str,
    sheets: Mapping[str, Sheet] | None = None,
    model: MaturityModel | None = None,
) -> ProfileScore:
    models: list[Model] = [profile_of(*probes), *([model] if model else [])]
    card = score(runs, models, sheets or {}, as_of=AS_OF)
    assert card.profile is not None
    return card.profile


def only(model: str, *findings: Finding, **facts: Any) -> CriterionScore:
    """The one criterion of this rule book, scored over one production run."""
    return scored(ran(*findings, **facts), book(model)).criteria[0]


def span(one: CriterionScore | BlockScore) -> tuple[int, int] | None:
    interval = one.level if isinstance(one, CriterionScore) else one.points
    return (interval.low, interval.high) if interval else None


BULK = """
criteria:
  - id: S8.STD.5
    levels:
      1: {declared: {met_by: {is: {probe: bulk_export_declared}}}}
      2:
        job: {met_by: {all: [{is: {probe: bulk_kick_off_accepted}}, {is: {probe: bulk_files_sound}}]}}
      3: {deleted: {met_by: {is: {probe: bulk_job_deleted}}}}
"""


class TestWorkedExamples:
    def test_declared_export_without_a_credential_is_level_one_and_never_zero(self) -> None:
        refused = [
            found(probe, "unknown", reason="needs_credentials")
            for probe in ("bulk_kick_off_accepted", "bulk_files_sound", "bulk_job_deleted")
        ]
        one = only(BULK, found("bulk_export_declared", basis="declared"), *refused)
        assert (one.state, span(one)) == ("L1+?", (1, 4))
        assert one.requirements[1].reasons == ("needs_credentials",)
        assert one.next_step == "To reach L2: job holds."

    def test_a_job_that_works_but_cannot_be_deleted_is_level_two(self) -> None:
        works = [found(one) for one in ("bulk_export_declared", "bulk_kick_off_accepted", "bulk_files_sound")]
        one = only(BULK, *works, found("bulk_job_deleted", "absent", message="DELETE answered 404 while it ran."))
        assert (one.state, span(one)) == ("L2", (2, 2))
        assert one.requirements[2].why == "DELETE answered 404 while it ran."
        assert one.requirements[2].findings == ("bulk_job_deleted",)

    def test_a_statement_that_was_not_given_leaves_prior_authorization_unknown(self) -> None:
        one = only("""
            criteria:
              - id: S8.WF.PA.3
                levels:
                  1: {volumes: {how: attested, missing: a clearinghouse statement., ceiling: 3}}
        """)
        assert (one.state, span(one)) == ("?", (0, 4))
        assert one.requirements[0].why == "No document was given: a clearinghouse statement."

    def test_immunizations_held_but_reporting_unknown_stays_at_level_one(self) -> None:
        one = only(
            """
            criteria:
              - id: S8.BASE.7
                levels:
                  1: {declared: {met_by: {is: {probe: immunization_declared}}}}
                  2:
                    holds: {met_by: {is: {probe: immunization_search}}}
                    reports:
                      how: attested
                      missing: a registry letter
                      met_by: {attested: {classes: [E2, E3], document: a registry letter}}
            """,
            found("immunization_declared"),
            found("immunization_search"),
        )
        assert (one.state, span(one)) == ("L1+?", (1, 4))
        assert [line.truth for line in one.requirements[:3]] == ["true", "true", "unknown"]

    @pytest.mark.parametrize(
        ("environment", "state"),
        [
            ("sandbox", "would_apply"),
            ("reference", "would_apply"),
            ("undeclared", "would_apply"),
            ("production", "suspected"),
        ],
    )
    def test_open_patient_data_is_a_gate_on_production_only(self, environment: str, state: str) -> None:
        assert gate_of(ran(found("patient_data_protected", "absent"), environment=environment)).state == state


class TestLevels:
    LADDER = """
    criteria:
      - id: S8.STD.1
        levels:
          1: {a: {met_by: {is: {probe: a}}}}
          2: {b: {met_by: {is: {probe: b}}}}
          3: {c: {met_by: {is: {probe: c}}, conditional: true}}
          4: {d: {met_by: {is: {probe: d}}}}
    """

    @pytest.mark.parametrize(
        ("outcomes", "state", "interval"),
        [
            ("pppp", "L4", (4, 4)),
            ("pppa", "L3", (3, 3)),
            ("pppu", "L3+?", (3, 4)),
            ("upppp", "?", (0, 4)),
            ("uapp", "?", (0, 1)),
            ("apuu", "L0", (0, 0)),
            ("puau", "L1+?", (1, 2)),
            ("ppnp", "L2", (2, 2)),
            ("pnpp", "L1+?", (1, 4)),
            ("uuuu", "?", (0, 4)),
        ],
    )
    def test_the_ladder(self, outcomes: str, state: str, interval: tuple[int, int]) -> None:
        words = {"p": "present", "a": "absent", "u": "unknown", "n": "not_applicable"}
        one = only(self.LADDER, *(found(p, words[o]) for p, o in zip("abcd", outcomes, strict=False)))
        assert (one.state, span(one)) == (state, interval)

    def test_a_conditional_requirement_leaves_a_level_that_keeps_another(self) -> None:
        model = """
        criteria:
          - id: S8.STD.1
            levels:
              1: {a: {met_by: {is: {probe: a}}}, b: {met_by: {is: {probe: b}}, conditional: true}}
        """
        one = only(model, found("a"), found("b", "not_applicable"))
        assert (one.state, span(one)) == ("L1+?", (1, 4))
        assert one.requirements[1].truth == "not_applicable"

    def test_no_finding_and_a_faulty_probe_are_no_answers(self) -> None:
        model = """
        criteria:
          - id: S8.STD.1
            levels:
              1: {a: {met_by: {is: {probe: a}}}, b: {met_by: {is: {probe: b}}}}
        """
        one = only(model, found("b", "absent", reason="bug"))
        assert (one.state, span(one)) == ("?", (0, 4))
        assert [line.reasons for line in one.requirements[:2]] == [("not_recorded",), ("bug",)]
        assert one.requirements[0].why == "The run holds no finding of a."

    @pytest.mark.parametrize(
        ("requirement", "class_", "truth"),
        [
            ("{}", "E4", "true"),
            ("{}", "E3", "true"),
            ("{}", "E2", "unknown"),
            ("{ceiling: 3}", "E2", "true"),
            ("{ceiling: 2}", "E4", "unknown"),
        ],
    )
    def test_weak_evidence_cannot_support_a_high_level(self, requirement: str, class_: str, truth: str) -> None:
        asked = {"met_by": {"is": {"probe": "a"}}, **loaded(requirement)}
        model = dumped({"criteria": [{"id": "S8.STD.1", "levels": {3: {"a": asked}}}]})
        line = {one.id: one for one in only(model, found("a", **{"class": class_})).requirements}["S8.STD.1/L3/a"]
        assert line.truth == truth

    def test_weak_evidence_can_still_refute(self) -> None:
        model = "criteria: [{id: S8.STD.1, levels: {3: {a: {ceiling: 2, met_by: {is: {probe: a}}}}}}]"
        assert span(only(model, found("a", "absent", **{"class": "E1"}))) == (0, 2)

    def test_the_next_step_is_what_was_refuted_before_what_is_unknown(self) -> None:
        model = """
        criteria:
          - id: S8.STD.1
            levels:
              1: {a: {met_by: {is: {probe: a}}}, b: {met_by: {is: {probe: b}}}, c: {met_by: {is: {probe: c}}}}
        """
        assert only(model, found("a"), found("c", "absent")).next_step == "To reach L1: c holds."
        assert only(model, found("a")).next_step == "To reach L1: b holds."

    def test_a_gap_says_what_is_missing(self) -> None:
        model = """
        criteria:
          - id: S8.STD.3
            levels: {1: {pairs: {how: gap, missing: needs credentials, waits_for: P.USC.pair}}}
        """
        assert only(model).requirements[0].why == "Missing: needs credentials (P.USC.pair)."


class TestRules:
    @pytest.mark.parametrize(
        ("cells", "truth"),
        [
            (["shown"] * 19 + ["refuted"], "true"),
            (["shown"] * 18 + ["refuted"] * 2, "false"),
            (["shown"] * 18 + ["untested"] * 2, "unknown"),
            (["shown"] * 18 + ["refuted", "untested"], "unknown"),
            (["shown"] * 18 + ["refuted", "refuted", "undeclared_works"], "false"),
            (["shown"] * 19 + ["refuted", "undeclared_works"], "true"),
            (["undeclared_works"], "unknown"),
            ([], "unknown"),
        ],
    )
    def test_a_share_of_declared_claims(self, cells: list[str], truth: str) -> None:
        matrix = [cell(f"c{n}", one, declared=one != "undeclared_works") for n, one in enumerate(cells)]
        rule = Rule.model_validate({"share": {"probe": "m", "at_least": "95/100"}})
        assert said_of(rule, found("m", values={"cells": matrix})).truth == truth

    def test_a_share_is_of_what_was_declared_and_works_unasked_is_no_part_of_it(self) -> None:
        odd = [cell("a", "shown"), cell("b", "refuted", declared=False), cell("c", "undeclared_works")]
        rule = Rule.model_validate({"share": {"probe": "m", "at_least": "1/1"}})
        said = said_of(rule, found("m", values={"cells": odd}))
        assert said.truth == "true"
        assert said.leaves[0].why.startswith("1 of 1 declared claims")

    def test_a_share_names_the_reasons_of_what_it_could_not_test(self) -> None:
        matrix = [cell("a", "untested", reason="untested_sample"), cell("b", "untested", reason="needs_patient_data")]
        rule = Rule.model_validate({"share": {"probe": "m", "of": "pairs", "at_least": "1/2"}})
        (leaf,) = said_of(rule, found("m", values={"pairs": matrix})).leaves
        assert leaf.reasons == ("needs_patient_data", "untested_sample")
        assert leaf.why == "0 of 2 declared claims were shown and 2 could not be tested; the rule asks for 1/2."

    @pytest.mark.parametrize("cells", [None, "many", [{"claim": 1}], [3]])
    def test_cells_that_are_none_decide_nothing(self, cells: Any) -> None:
        rule = Rule.model_validate({"share": {"probe": "m", "at_least": "0/1"}})
        assert said_of(rule, found("m", values={"cells": cells})).truth == "unknown"

    @pytest.mark.parametrize(
        ("wanted", "outcome", "truth"),
        [
            ("present", "not_applicable", "not_applicable"),
            ("absent", "absent", "true"),
            ("absent", "present", "false"),
            ("absent", "unknown", "unknown"),
            ("not_applicable", "not_applicable", "true"),
            ("unknown", "unknown", "unknown"),
        ],
    )
    def test_an_outcome_that_is_asked_for(self, wanted: str, outcome: str, truth: str) -> None:
        rule = Rule.model_validate({"is": {"probe": "a", "outcome": wanted}})
        assert said_of(rule, found("a", outcome)).truth == truth

    def test_only_the_leaves_that_decide_are_named(self) -> None:
        rule = Rule.model_validate({"all": [{"is": {"probe": p}} for p in "abc"]})
        said = said_of(rule, found("a"), found("b", "absent"), found("c", "unknown"))
        assert (said.truth, [leaf.probe for leaf in said.leaves]) == ("false", ["b"])

    def test_a_series_waits_for_history(self) -> None:
        assert said_of({"series": {"probe": "a"}}, found("a")).truth == "unknown"


def gate_of(*runs: ScoredRun, rule: str = "{is: {probe: patient_data_protected, outcome: absent}}") -> GateScore:
    model = book(f"criteria: [{{id: S8.STD.1}}]\ngates: [{{id: S8.GATE.3, met_by: {rule}}}]")
    return scored(runs, model).gates[0]


class TestGates:
    @pytest.mark.parametrize(
        ("outcome", "state"),
        [("present", "clean"), ("unknown", "untested"), ("not_applicable", "not_applicable"), ("absent", "suspected")],
    )
    def test_states(self, outcome: str, state: str) -> None:
        assert gate_of(ran(found("patient_data_protected", outcome))).state == state

    def test_no_finding_and_no_rule_are_untested(self) -> None:
        assert gate_of(ran()).state == "untested"
        (gate,) = scored(
            ran(), book("criteria: [{id: S8.STD.1}]\ngates: [{id: S8.GATE.7, missing: no probe yet}]")
        ).gates
        assert (gate.state, gate.why) == ("untested", "Missing: no probe yet.")

    def test_one_base_is_enough(self) -> None:
        clean = ran(found("patient_data_protected"))
        fires = ran(found("patient_data_protected", "absent"), subject=OTHER)
        gate = gate_of(clean, fires)
        assert (gate.state, gate.why) == ("suspected", f"At {OTHER}: patient_data_protected is absent.")

    def test_one_untested_base_is_not_passed(self) -> None:
        assert gate_of(ran(found("patient_data_protected")), ran(subject=OTHER)).state == "untested"

    def test_a_sandbox_beside_production_does_not_fire(self) -> None:
        fires = ran(found("patient_data_protected", "absent"), subject=OTHER, environment="sandbox")
        assert gate_of(ran(found("patient_data_protected")), fires).state == "would_apply"


SOURCED: dict[str, Any] = {
    "public_sources": dict.fromkeys(("prior_auth_customary", "services", "country", "population_size"), "a public page")
}


class TestApplicability:
    MODEL = """
    criteria:
      - id: S8.WF.PA.3
        block: WF
        applies: where prior authorization is customary.
        applies_if: {prior_auth_customary: [true]}
        presumed: {prior_auth_customary: [US]}
      - id: S8.BASE.5
        applies: where it prescribes
        applies_if: {services: [prescribes], country: [US, CA]}
      - id: S8.STD.6
        applies: from 1,000 patients
        applies_from: {population_size: 1000}
    """

    @pytest.mark.parametrize(
        ("facts", "applies"),
        [
            ({}, [True, True, True]),
            ({"prior_auth_customary": False, "country": "DE"}, [False, False, True]),
            ({"prior_auth_customary": False, "country": "US"}, [True, True, True]),
            ({"prior_auth_customary": False}, [True, True, True]),
            ({"services": ["has_lab"], "country": "US"}, [True, False, True]),
            ({"services": ["has_lab", "prescribes"]}, [True, True, True]),
            ({"population_size": 999}, [True, True, False]),
            ({"population_size": 1000}, [True, True, True]),
        ],
    )
    def test_by_the_facts_alone(self, facts: dict[str, Any], applies: list[bool]) -> None:
        assert [one.applies for one in scored(ran(**facts, **SOURCED), book(self.MODEL)).criteria] == applies

    def test_a_core_criterion_applies_where_nobody_can_check_the_fact(self) -> None:
        facts: dict[str, Any] = {
            "prior_auth_customary": False, "services": ["has_lab"], "population_size": 12, "country": "DE",
        }  # fmt: skip
        assert all(one.applies for one in scored(ran(**facts), book(self.MODEL)).criteria)
        besides = self.MODEL.replace("applies:", "core: false\n        applies:")
        assert not any(one.applies for one in scored(ran(**facts), book(besides)).criteria)

    def test_says_why_not_and_has_no_level(self) -> None:
        one, two, three = scored(
            ran(prior_auth_customary=False, services=["has_lab"], country="CA", population_size=12, **SOURCED),
            book(self.MODEL),
        ).criteria
        assert (one.state, one.level, one.requirements, one.next_step) == ("n/a", None, (), None)
        assert one.not_applicable_because == (
            "The provider file gives prior_auth_customary as no; "
            "the criterion applies: where prior authorization is customary. Source: a public page."
        )
        assert two.not_applicable_because == (
            "The provider file gives services as has_lab; the criterion applies: where it prescribes. "
            "Source: a public page."
        )
        assert three.not_applicable_because == (
            "The provider file gives population_size as 12; the criterion applies: from 1,000 patients. "
            "Source: a public page."
        )

    def test_it_applies_if_it_applies_at_one_base(self) -> None:
        runs = [ran(country="DE", prior_auth_customary=False, **SOURCED), ran(subject=OTHER)]
        assert scored(runs, book(self.MODEL)).criteria[0].applies


def met(criterion: str, low: int, high: int | None = None, **more: Any) -> dict[str, Any]:
    """A criterion whose level is surely `low` and at most `high`, by probes that always answer the same."""
    answers = {level: "yes" if level <= low else "open" if level <= (high or low) else "no" for level in (1, 2, 3, 4)}
    levels = {level: {"fixed": {"met_by": {"is": {"probe": probe}}}} for level, probe in answers.items()}
    return {"id": criterion, "levels": levels, **more}


FIXED = (found("yes"), found("no", "absent"), found("open", "unknown", reason="no_data"))


def summed(blocks: dict[str, int], *criteria: dict[str, Any], **facts: Any) -> MaturityScore:
    return scored(ran(*FIXED, **facts), book(dumped({"blocks": blocks, "criteria": list(criteria)}, sort_keys=False)))


NEVER: dict[str, Any] = {"applies": "elsewhere", "applies_if": {"country": ["US"]}, "core": False}


class TestPoints:
    def test_weighted_mean_rounded_half_to_even(self) -> None:
        result = summed({"STD": 100}, met("S8.STD.1", 2, weight=3), met("S8.STD.2", 0, 4, weight=1))
        # low 25·(3·2+0)/4 = 37.5 -> 38, high 25·(3·2+1·4)/4 = 62.5 -> 62
        assert span(result.blocks[0]) == (38, 62)
        assert (result.blocks[0].applicable, result.blocks[0].known, result.blocks[0].floor) == (2, 1, 0)

    def test_the_total_is_rounded_once(self) -> None:
        result = summed(
            {"STD": 1, "TRN": 1},
            met("S8.STD.1", 1, weight=1),
            met("S8.STD.2", 0, weight=2),
            met("S8.TRN.1", 1, weight=1, block="TRN"),
            met("S8.TRN.2", 0, weight=3, block="TRN"),
        )
        # 25/3 -> 8 and 25/4 -> 6, but (25/3 + 25/4) / 2 = 7.29 -> 7
        assert [span(one) for one in result.blocks] == [(8, 8), (6, 6)]
        assert result.points is not None
        assert (result.points.low, result.points.high) == (7, 7)

    def test_a_block_in_which_nothing_applies_hands_its_share_on(self) -> None:
        result = summed(
            {"STD": 25, "OPS": 75}, met("S8.STD.1", 2), met("S8.OPS.1", 4, block="OPS", **NEVER), country="DE"
        )
        assert result.blocks[1].points is None
        assert (result.blocks[1].floor, result.blocks[1].applicable) == (None, 0)
        assert result.points is not None
        assert result.points.low == 50

    def test_extensions_and_preconditions_stand_beside(self) -> None:
        result = summed(
            {"BASE": 100},
            met("S8.BASE.0", 4, block="BASE", precondition=True),
            met("S8.BASE.1", 1, block="BASE"),
            met("S8.BASE.5", 3, block="BASE", extension=True, core=False),
            met("S8.BASE.6", 2, 3, block="BASE", extension=True, core=False),
        )
        (base,) = result.blocks
        assert (span(base), base.floor, base.applicable) == ((25, 25), 1, 1)
        assert base.extension_points is not None
        # 25·(3+2)/2 = 62.5 -> 62 and 25·(3+3)/2 = 75
        assert (base.extension_points.low, base.extension_points.high) == (62, 75)

    def test_a_shadow_criterion_weighs_nothing(self) -> None:
        result = summed({"STD": 100}, met("S8.STD.1", 2), met("S8.STD.2", 4, weight=0))
        assert span(result.blocks[0]) == (50, 50)

    def test_a_block_that_is_not_listed_is_a_fault(self) -> None:
        with pytest.raises(ValueError, match=r"S8.STD.1 lies in the block STD, which test_book does not list."):
            summed({"TRN": 100}, met("S8.STD.1", 2))

    def test_a_shadow_workflow_has_a_level_and_no_share(self) -> None:
        result = summed(
            {"WF": 100},
            met("S8.WF.PAY.1", 2, block="WF"),
            met("S8.WF.NEW.1", 4, block="WF", weight=0),
        )
        assert [one.state for one in result.workflows] == ["L2", "L4"]
        assert span(result.blocks[0]) == (50, 50)

    def test_workflows_share_their_block_equally(self) -> None:
        result = summed(
            {"WF": 100},
            met("S8.WF.PAY.1", 4, block="WF"),
            met("S8.WF.PAY.2", 0, block="WF", weight=1, extension=True),
            met("S8.WF.PA.1", 0, block="WF", weight=2),
            met("S8.WF.PA.3", 4, block="WF"),
            met("S8.WF.ROI.1", 1, 2, block="WF"),
            met("S8.WF.VC.1", 4, block="WF", **NEVER),
            country="DE",
        )
        assert [(one.id, one.state) for one in result.workflows] == [
            ("S8.WF.PAY", "L4"),
            ("S8.WF.PA", "L3"),
            ("S8.WF.ROI", "L1+?"),
            ("S8.WF.VC", "n/a"),
        ]
        # 25·(4+3+1)/3 = 66.67 and 25·(4+3+2)/3 = 75
        assert span(result.blocks[0]) == (67, 75)


class TestCoverage:
    def test_each_criterion_counts_by_how_its_level_is_known(self) -> None:
        model = """
        blocks: {STD: 100}
        criteria:
          - id: S8.STD.1
            levels: {1: {a: {met_by: {is: {probe: shown}}}}}
          - id: S8.STD.2
            levels: {1: {a: {met_by: {is: {probe: declared}}}}, 2: {b: {met_by: {is: {probe: shown}}}}}
          - id: S8.STD.4
            levels: {1: {a: {met_by: {is: {probe: declared}}}}}
          - id: S8.STD.5
            levels: {1: {a: {met_by: {is: {probe: gone}}}}}
          - {id: S8.STD.6, weight: 1}
          - {id: S8.STD.7, weight: 3, extension: true, levels: {1: {a: {met_by: {is: {probe: shown}}}}}}
        """
        findings = (found("shown"), found("declared", basis="declared"), found("gone", "absent"))
        # Known by asking: .1 at L1, .2 at L2 and .5 refuted, 9 of 13; declared only: .4, 3 of 13; unknown: .6.
        # 69.23, 0, 23.08, 7.69 -> the floors sum to 99, and the largest remainder is that of the unknown.
        assert scored(ran(*findings), book(model)).coverage == {
            "probed": 69,
            "attested": 0,
            "declared_only": 23,
            "unknown": 8,
        }

    def test_nothing_applicable_is_nothing_known(self) -> None:
        result = summed({"STD": 100}, met("S8.STD.1", 4, **NEVER), country="DE")
        assert result.coverage == {"probed": 0, "attested": 0, "declared_only": 0, "unknown": 100}
        assert result.points is None

    @DEEP
    @given(st.lists(st.fractions(min_value=0, max_value=50), min_size=4, max_size=4).filter(any))
    def test_percents_sum_to_one_hundred(self, shares: list[Fraction]) -> None:
        percents = hundredths(dict(zip(KINDS, shares, strict=True)))
        assert sum(percents.values()) == 100
        assert all(
            abs(Fraction(100 * share, sum(shares)) - percent) < 1
            for share, percent in zip(shares, percents.values(), strict=True)
        )


class TestSeveralRuns:
    @pytest.mark.parametrize(
        ("across", "here", "there", "truth"),
        [
            ("all", "present", "present", "true"),
            ("all", "present", "absent", "false"),
            ("all", "unknown", "absent", "false"),
            ("all", "present", "unknown", "unknown"),
            ("all", "present", "not_applicable", "unknown"),
            ("any", "present", "absent", "true"),
            ("any", "present", "unknown", "true"),
            ("any", "unknown", "absent", "unknown"),
            ("any", "absent", "absent", "false"),
        ],
    )
    def test_over_all_bases(self, across: str, here: str, there: str, truth: str) -> None:
        model = book(
            f"criteria: [{{id: S8.STD.1, levels: {{1: {{a: {{across: {across}, met_by: {{is: {{probe: a}}}}}}}}}}}}]"
        )
        runs = [ran(found("a", here)), ran(found("a", there), subject=OTHER)]
        line = scored(runs, model).criteria[0].requirements[0]
        assert line.truth == truth
        assert scored(runs[::-1], model).criteria[0].requirements[0] == line

    def test_each_reason_names_its_base(self) -> None:
        model = book("criteria: [{id: S8.STD.1, levels: {1: {a: {met_by: {is: {probe: a}}}}}}]")
        runs = [ran(found("a")), ran(found("a", "absent", message="Not there."), subject=OTHER)]
        assert scored(runs, model).criteria[0].requirements[0].why == f"At {OTHER}: Not there."

    def test_production_decides_where_there_is_some(self) -> None:
        model = book("criteria: [{id: S8.STD.1, levels: {1: {a: {met_by: {is: {probe: a}}}}}}]")
        runs = [ran(found("a", "absent")), ran(found("a"), subject=OTHER, environment="sandbox")]
        card = score(runs, [model, profile_of("a")], {}, as_of=AS_OF)
        assert card.environment == "production"
        assert card.maturity is not None
        assert card.maturity.criteria[0].state == "L0"
        assert card.profile is not None
        assert card.profile.counts.asked == 1
        assert (card.subjects, len(card.findings)) == ((OTHER, BASE), 2)

    def test_the_environment_is_the_least_known(self) -> None:
        runs = [ran(environment="sandbox"), ran(subject=OTHER, environment="undeclared")]
        assert score(runs, [], {}, as_of=AS_OF).environment == "undeclared"

    def test_the_gap_names_the_base(self) -> None:
        matrix = {"cells": [cell("Patient.read", "refuted")]}
        runs = [ran(found("m", values=matrix)), ran(found("m", values=matrix), subject=OTHER)]
        assert profiled(runs, "m").gap.refuted_claims == (f"Patient.read at {OTHER}", f"Patient.read at {BASE}")


class TestFaultyInput:
    def test_no_run(self) -> None:
        with pytest.raises(ValueError, match=r"^There is no run to score\.$"):
            score([], [], {}, as_of=AS_OF)

    def test_two_runs_of_one_subject(self) -> None:
        with pytest.raises(ValueError, match=r"^Two runs look at .*: a score takes one run of each base\.$"):
            score([ran(), ran()], [], {}, as_of=AS_OF)

    def test_a_finding_about_somebody_else(self) -> None:
        one = ran()
        stray = ScoredRun(one.run, one.facts, (found("a").model_copy(update={"subject": OTHER}),), {})
        with pytest.raises(ValueError, match=r"but its finding of a is about https://fhir\.clinic\.example/r4\.$"):
            score([stray], [], {}, as_of=AS_OF)

    def test_two_findings_of_one_probe(self) -> None:
        with pytest.raises(ValueError, match=r"holds two different findings of a\.$"):
            score([ran(found("a"), found("a", "absent"))], [], {}, as_of=AS_OF)
        assert len(score([ran(found("a"), found("a"))], [], {}, as_of=AS_OF).findings) == 1

    def test_two_models_of_one_kind(self) -> None:
        with pytest.raises(ValueError, match=r"one model of a kind"):
            score([ran()], [profile_of("a"), profile_of("b")], {}, as_of=AS_OF)


class TestProfile:
    def test_counts_and_headline(self) -> None:
        matrix = [
            cell("Patient.read", "shown"),
            cell("Patient.search", "refuted"),
            cell("Claim.read", "untested", reason="untested_sample"),
            cell("Group.read", "untested", reason="needs_patient_data"),
            cell("Flag.read", "undeclared_works", declared=False),
            cell("List.read", "refuted", declared=False),
        ]
        findings = (
            found("a"),
            found("b", "absent"),
            found("c", "unknown", reason="needs_jobs"),
            found("d", "not_applicable"),
            found("e", "present", reason="bug"),
            found("m", "absent", values={"cells": matrix}),
            found("in_no_family", "absent"),
        )
        profile = profiled([ran(*findings)], "a", "b", "c", "d", "e", "f", "m")
        assert profile.headline == (
            "Asked 7 things: 3 shown, 2 refuted, 2 could not be tested. "
            "1 more declared claim lies outside the sample that was tried."
        )
        assert profile.counts.model_dump() == {
            "asked": 7,
            "shown": 3,
            "refuted": 2,
            "untested": 2,
            "not_applicable": 2,
            "not_permitted": 2,
            "outside_sample": 1,
        }
        assert profile.unknown_reasons == {
            "bug": 1,
            "needs_jobs": 1,
            "needs_patient_data": 1,
            "not_recorded": 1,
            "untested_sample": 1,
        }
        assert profile.gap.model_dump() == {
            "declared": 4,
            "tested": 2,
            "refuted": 1,
            "untested": 2,
            "undeclared_works": 1,
            "refuted_claims": ("Patient.search",),
        }
        assert [(one.id, one.counts.asked) for one in profile.families][-2:] == [("f", 1), ("m", 3)]

    def test_one_thing(self) -> None:
        assert profiled([ran(found("a"))], "a").headline == "Asked 1 thing: 1 shown, 0 refuted, 0 could not be tested."

    def test_three_fixes_by_effort_then_weight_then_id(self) -> None:
        model = book("""
            criteria:
              - id: S8.STD.1
                levels:
                  1: {x: {met_by: {is: {probe: c}}}, y: {met_by: {any: [{is: {probe: c}}, {is: {probe: hard}}]}}}
                  2: {x: {met_by: {is: {probe: b}}}}
        """)
        sheets = {"a": sheet(), "b": sheet(), "c": sheet(), "d": sheet(), "hard": sheet("high"), "fine": sheet()}
        absent = [found(probe, "absent") for probe in ("hard", "d", "a", "b", "c", "without_sheet")]
        profile = profiled([ran(found("fine"), *absent)], "a", sheets=sheets, model=model)
        assert [one.probe for one in profile.fixes] == ["c", "b", "a"]
        assert profiled([ran(*absent)], "a", sheets=sheets).fixes[0].probe == "a"

    def test_nobody_is_told_to_mend_what_is_merely_allowed(self) -> None:
        sheets = {"a": sheet(strengths=("MAY", "MAY")), "b": sheet(strengths=("MAY", "SHOULD"))}
        profile = profiled([ran(found("a", "absent"), found("b", "absent"))], "a", sheets=sheets)
        assert [one.probe for one in profile.fixes] == ["b"]

    @pytest.mark.parametrize(
        ("country", "us_core", "told"),
        [
            ("US", "absent", ["a", "us_core_declared"]),
            (None, "present", ["a"]),
            ("CA", "present", ["a"]),
            (None, "absent", []),
            (None, "unknown", []),
            ("NO", "absent", []),
        ],
    )
    def test_nobody_abroad_is_told_to_mend_what_one_country_expects(
        self, country: str | None, us_core: str, told: list[str]
    ) -> None:
        sheets = {"a": sheet(country="US"), "us_core_declared": sheet(country="US")}
        us = found("us_core_declared", us_core, reason="no_data" if us_core == "unknown" else None)
        profile = profiled([ran(found("a", "absent"), us, country=country)], "a", sheets=sheets)
        assert [one.probe for one in profile.fixes] == told

    def test_each_base_is_looked_at_for_what_its_country_expects(self) -> None:
        abroad = ran(found("a", "absent", message="Not there."), subject=OTHER)
        at_home = ran(found("a", "absent", message="Not here."), country="US")
        (fix,) = profiled([abroad, at_home], "a", sheets={"a": sheet(country="US")}).fixes
        assert fix.what == f"At {BASE}: Not here."

    def test_a_fix_carries_its_proof(self) -> None:
        exchange = asked(
            "https://fhir.hospital.example/r4/Patient?_id=p'1&_summary=count",
            accept="application/fhir+json",
            Authorization="[redacted]",
            **{"User-Agent": "prober", "X-Request-Id": "run.x"},
        )
        broken = found("a", "absent", citations=[{"exchange": "x.1"}], evidence=["w.1", "x.1"], message="It fails.")
        (fix,) = profiled([ran(broken, exchanges=[exchange])], "a", sheets={"a": sheet()}).fixes
        assert (fix.what, fix.fix, fix.who_acts, fix.evidence) == (
            "It fails.",
            "Switch it on.",
            "vendor",
            ("w.1", "x.1"),
        )
        assert fix.curl == (
            "curl -g -i -H 'Accept: application/fhir+json' -H \"Authorization: Bearer $TOKEN\" "
            "'https://fhir.hospital.example/r4/Patient?_id=p'\"'\"'1&_summary=count'"
        )

    @pytest.mark.parametrize(
        "exchange",
        [
            {"method": "POST", "url": "https://fhir.hospital.example/r4"},
            {"url": "https://user:secret@fhir.hospital.example/r4"},
            {"url": "https://fhir.hospital.example/r4\n; rm"},
            {"url": "--config=/etc/passwd"},
            {"url": "file:///etc/passwd"},
        ],
    )
    def test_no_command_from_anything_but_a_plain_get(self, exchange: dict[str, str]) -> None:
        broken = found("a", "absent", citations=[{"exchange": "x.1"}])
        (fix,) = profiled([ran(broken, exchanges=[asked(**exchange)])], "a", sheets={"a": sheet()}).fixes
        assert fix.curl is None

    def test_no_command_without_a_recorded_citation(self) -> None:
        broken = found("a", "absent", citations=[{"exchange": "gone.1"}])
        assert profiled([ran(broken)], "a", sheets={"a": sheet()}).fixes[0].curl is None


def asked(url: str, method: str = "GET", **headers: str) -> Exchange:
    return Exchange(id="x.1", observation="o", method=method, url=url, request_headers=tuple(headers.items()))


PROBES = ("a", "b", "c", "d")
OUTCOMES = ("present", "absent", "not_applicable", "unknown")
LEAVES = st.one_of(
    st.builds(lambda p, o: {"is": {"probe": p, "outcome": o}}, st.sampled_from(PROBES), st.sampled_from(OUTCOMES)),
    st.builds(lambda n: {"share": {"probe": "m", "at_least": f"{n}/4"}}, st.integers(0, 4)),
    st.just({"attested": {"classes": ["E3"], "document": "a letter"}}),
)
RULES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda word, parts: {word: parts}, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=5,
)
REQUIREMENTS = st.fixed_dictionaries(
    {"met_by": RULES, "conditional": st.booleans(), "across": st.sampled_from(["all", "any"])},
    optional={"ceiling": st.integers(1, 4)},
)
LEVELS = st.fixed_dictionaries(
    {level: st.dictionaries(st.sampled_from(["x", "y"]), REQUIREMENTS, min_size=1) for level in (1, 2, 3, 4)}
)
IDS = ("S8.STD.1", "S8.STD.2", "S8.WF.PDS.1", "S8.WF.PDS.2", "S8.WF.PDS.4", "S8.WF.ROI.1", "S8.WF.ROI.2", "S8.WF.XX.1")


@st.composite
def books(draw: st.DrawFn) -> MaturityModel:
    chosen = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=4, unique=True))
    criteria = [
        {
            "id": one,
            "block": "WF" if ".WF." in one else "STD",
            "weight": draw(st.integers(0, 3)),
            "core": draw(st.booleans()),
            "extension": draw(st.booleans()),
            "levels": draw(LEVELS),
        }
        for one in chosen
    ]
    gates = [{"id": "S8.GATE.1", "met_by": draw(RULES)}]
    return book(dumped({"blocks": {"STD": 60, "WF": 40}, "criteria": criteria, "gates": gates}))


CELLS = st.lists(st.sampled_from(["shown", "refuted", "untested", "undeclared_works"]), max_size=5)


@st.composite
def servers(draw: st.DrawFn, subject: str = BASE) -> ScoredRun:
    findings = [
        found(probe, draw(st.sampled_from(OUTCOMES)), **{"class": draw(st.sampled_from(["E1", "E2", "E4"]))})
        for probe in draw(st.lists(st.sampled_from(PROBES), unique=True))
    ]
    cells = [cell(str(n), one, declared=one != "undeclared_works") for n, one in enumerate(draw(CELLS))]
    findings.append(found("m", draw(st.sampled_from(OUTCOMES)), values={"cells": cells}))
    return ran(*findings, subject=subject, environment=draw(st.sampled_from(["production", "sandbox"])))


def ends(card: Scorecard) -> list[tuple[int, int] | None]:
    """Every interval of a scorecard, in a fixed order."""
    result = card.maturity
    assert result is not None
    levels = [*(one.level for one in result.criteria), *(one.level for one in result.workflows)]
    points = [result.points, *(one.points for one in result.blocks), *(one.extension_points for one in result.blocks)]
    return [(one.low, one.high) if one else None for one in (*levels, *points)]


EXAMPLES = settings(
    max_examples=examples(40), derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
PROFILE = profile_of(*PROBES, "m")


class TestProperties:
    @EXAMPLES
    @given(books(), servers(), servers(OTHER), st.randoms(use_true_random=False))
    def test_order_does_not_matter(
        self, model: MaturityModel, one: ScoredRun, other: ScoredRun, chance: random.Random
    ) -> None:
        straight = score([one, other], [model, PROFILE], {}, as_of=AS_OF).line()
        mixed = list(one.findings)
        chance.shuffle(mixed)
        again = ScoredRun(one.run, one.facts, tuple(mixed), one.exchanges)
        assert score([other, again], [PROFILE, model], {}, as_of=AS_OF).line() == straight

    @EXAMPLES
    @given(books(), st.lists(servers(), min_size=2, max_size=5))
    def test_what_was_scored_before_changes_nothing(self, model: MaturityModel, runs: list[ScoredRun]) -> None:
        for run in runs:
            warm = score([run], [model, PROFILE], {}, as_of=AS_OF).line()
            findings = tuple(one.model_copy(deep=True) for one in run.findings)
            # Another copy of the book, and of the findings, is one of which nothing is kept.
            cold: list[Model] = [model.model_copy(), PROFILE.model_copy()]
            assert score([ScoredRun(run.run, run.facts, findings, {})], cold, {}, as_of=AS_OF).line() == warm

    @EXAMPLES
    @given(books(), servers(), st.data())
    def test_knowing_more_never_widens_an_interval(
        self, model: MaturityModel, before: ScoredRun, data: st.DataObject
    ) -> None:
        known = {one.source.probe: one for one in before.findings}
        learnt = [
            one if one.verdict.outcome != "unknown" or not data.draw(st.booleans()) else refined(one, data)
            for one in before.findings
        ]
        learnt += [found(one, data.draw(st.sampled_from(OUTCOMES))) for one in PROBES if one not in known]
        after = ScoredRun(before.run, before.facts, tuple(learnt), {})
        pairs = zip(
            ends(score([before], [model], {}, as_of=AS_OF)), ends(score([after], [model], {}, as_of=AS_OF)), strict=True
        )
        for was, now in pairs:
            assert (was is None) == (now is None)
            assert was is None or now is None or was[0] <= now[0] <= now[1] <= was[1]

    @EXAMPLES
    @given(books(), st.lists(st.sampled_from([BASE, OTHER]), min_size=1, unique=True), st.data())
    def test_everything_stays_in_bounds(self, model: MaturityModel, subjects: list[str], data: st.DataObject) -> None:
        runs = [data.draw(servers(one)) for one in subjects]
        card = score(runs, [model, PROFILE], {}, as_of=AS_OF)
        assert card.maturity is not None
        assert card.profile is not None
        assert card.maturity.label is None
        assert all(one is None or 0 <= one[0] <= one[1] <= 100 for one in ends(card))
        assert sum(card.maturity.coverage.values()) == 100
        for counts in (card.profile.counts, *(one.counts for one in card.profile.families)):
            assert counts.asked == counts.shown + counts.refuted + counts.untested
        whole = card.profile.counts
        assert sum(card.profile.unknown_reasons.values()) == whole.untested + whole.not_permitted
        assert sum(one.counts.asked for one in card.profile.families) == whole.asked
        assert card.profile.gap.declared == card.profile.gap.tested + card.profile.gap.untested
        for criterion in card.maturity.criteria:
            assert (criterion.state == "L0") <= any(line.truth == "false" for line in criterion.requirements)
            assert all(line.why for line in criterion.requirements)


class TestKept:
    def test_what_is_kept_goes_with_its_object(self) -> None:
        worked: list[str] = []

        def work(finding: Finding) -> str:
            worked.append(finding.source.probe)
            return f"about {finding.source.probe}"

        once = kept(work)
        first, second = found("a"), found("b")
        assert [once(first), once(second), once(first)] == ["about a", "about b", "about a"]
        assert worked == ["a", "b"]
        del first
        # Whichever of them gets the identity that came free, nothing old is said of it.
        assert [once(found(name)) for name in "cdef"] == [f"about {name}" for name in "cdef"]
        assert once(second) == "about b"
        assert worked == ["a", "b", "c", "d", "e", "f"]

    def test_a_matrix_under_another_name_is_a_part_of_what_is_remembered(self) -> None:
        rule = {"share": {"probe": "m", "of": "pairs", "at_least": "1/2"}}
        model = book(
            yaml.safe_dump({"criteria": [{"id": "S8.STD.1", "block": "STD", "levels": {1: {"a": {"met_by": rule}}}}]})
        )
        states = [
            scored(ran(found("m", values={"cells": [], "pairs": [cell("a", result)]})), model).criteria[0].state
            for result in ("shown", "refuted", "shown")
        ]
        assert states == ["L1+?", "L0", "L1+?"]


def refined(finding: Finding, data: st.DataObject) -> Finding:
    outcome = data.draw(st.sampled_from(["present", "absent", "not_applicable"]))
    if finding.source.probe == "m" and outcome == "not_applicable":
        outcome = "present"
    verdict = finding.verdict.model_copy(update={"outcome": outcome})
    return finding.model_copy(update={"verdict": verdict})


ELSEWHERE = """
import pickle, sys
from pathlib import Path
from prober.score import ScoredRun, score

run, facts, findings, models = pickle.loads(Path(sys.argv[1]).read_bytes())
card = score([ScoredRun(run, facts, findings[::-1], {})], models[::-1], {}, as_of=sys.argv[2])
sys.stdout.buffer.write(card.line().encode())
"""


@DEEP
def test_equal_bytes_in_another_place(tmp_path: Path) -> None:
    here = ran(*FIXED, found("ıİ", "absent"), found("m", values={"cells": [cell("Ä", "untested"), cell("b", "shown")]}))
    model = book(
        dumped(
            {"blocks": {"STD": 60, "WF": 40}, "criteria": [met("S8.STD.1", 1, 3), met("S8.WF.ROI.1", 2, block="WF")]}
        )
    )
    profile = profile_of("yes", "no", "open", "m", "ıİ")
    inputs = tmp_path / "inputs"
    inputs.write_bytes(pickle.dumps((here.run, here.facts, here.findings, [model, profile])))
    wanted = score([here], [model, profile], {}, as_of=AS_OF).line().encode()
    for seed, zone, locale in (("1", "Asia/Kolkata", "tr_TR.UTF-8"), ("2", "America/St_Johns", "C")):
        place = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale, "PYTHONUTF8": "0"}
        ended = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, str(inputs), AS_OF],
            env=place,
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        )
        assert ended.stdout == wanted


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.name)
def test_no_float_no_division_no_clock_in_the_source(path: Path) -> None:
    banned = {"time", "random", "os", "locale", "socket", "httpx", "math"}
    clocks = {"now", "utcnow", "today", "fromtimestamp"}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
        assert not (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
        assert not (isinstance(node, ast.Name) and node.id == "float")
        assert not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in clocks)
        if isinstance(node, ast.Import):
            assert not banned & {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in banned
