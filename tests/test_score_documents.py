"""Documents in a score: which of them count, for how long, and what a contradiction with what was seen comes to."""

from datetime import date
from typing import Any

import pytest
import yaml

from prober.nouns.attestation import Attestation
from prober.nouns.finding import Finding
from prober.nouns.history import HistoryLine
from prober.nouns.model import MaturityModel
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import AuthorizationNote, Plan, Run, Tool
from prober.nouns.scorecard import AttestationLine, CriterionScore, GateScore, MaturityScore
from prober.score import ScoredRun, score

BASE = "https://fhir.hospital.example/r4"
OTHER = "https://fhir.clinic.example/r4"
ENTITY = "Example Hospital"
AS_OF = "2026-11-23T12:00:00.000000Z"

FRESHNESS = """
X: {title: seen, unit: days, fresh: 7, stale: 30, expired: 90}
D: {title: policy, unit: months, fresh: 12, stale: 24, expired: 36}
V: {title: volume, unit: days, fresh: 90, stale: 180, expired: 365}
R: {title: letter, unit: months, fresh: 12, stale: 18, expired: 24}
T: {title: result, unit: days, fresh: 90, stale: 180, expired: 365}
L: {title: listing, unit: days, fresh: 1, stale: 30, expired: 90}
Z: {title: certificate, unit: months, fresh: 36, stale: 36, expired: 36}
"""


def found(probe: str, outcome: str = "present", *, subject: str = BASE, **more: Any) -> Finding:
    return Finding.model_validate(
        {
            "source": {"probe": probe, "digest": "d" * 64},
            "subject": subject,
            "verdict": {"outcome": outcome, "message": f"{probe} is {outcome}.", "values": more.pop("values", {}),
                        "reason": more.pop("reason", "no_data" if outcome == "unknown" else None)},
            "basis": "demonstrated",
            "evidence": [],
            **more,
        }
    )  # fmt: skip


def ran(*findings: Finding, subject: str = BASE, environment: str = "production", started: str = AS_OF,
        attested: tuple[Attestation, ...] = (), history: tuple[HistoryLine, ...] = (),
        **facts: Any) -> ScoredRun:  # fmt: skip
    run = Run.model_validate(
        {
            "id": f"20261123T120000Z-{len(subject):08x}",
            "subject": subject,
            "environment": environment,
            "synthetic": False,
            "loopback": False,
            "started": started,
            "authorization": AuthorizationNote(form="none", statement="None was given."),
            "plan": Plan(depth="standard", budget=300, deadline_seconds=600, pace="polite", observations=()),
            "tool": Tool(prober="0", python="3", httpx="0", openssl="3", platform="any"),
            "probes": {},
            "models": {},
        }
    )
    own = tuple(one.model_copy(update={"subject": subject}) for one in findings)
    known = ProviderFacts.model_validate({"organisation": ENTITY, **facts})
    return ScoredRun(run, known, own, {}, attested, history)


def book(rule: str, *, level: int = 1, more: str = "", **criterion: Any) -> MaturityModel:
    """A rule book of one criterion, S8.GOV.1, whose requirement `asked` of this level has this rule."""
    asked: dict[int, list[dict[str, Any]]] = {
        at: [{"id": f"S8.GOV.1/L{at}/later", "text": "Later.", "how": "gap", "missing": "no probe yet"}]
        for at in (1, 2, 3, 4)
    }
    requirement = {"id": f"S8.GOV.1/L{level}/asked", "text": "It is so.", "met_by": yaml.safe_load(rule)}
    probed = "probe" in rule
    requirement |= {"how": "probed"} if probed else {"how": "attested", "missing": "A document.", "ceiling": 4}
    asked[level] = [requirement]
    return MaturityModel.model_validate(
        {
            "id": "test_book",
            "version": "1.0.0",
            "title": "A rule book for tests",
            "disclaimer": "Nobody endorses it.",
            "blocks": [{"id": "GOV", "title": "Governance", "weight": 100}],
            "freshness": yaml.safe_load(FRESHNESS),
            "criteria": [
                {
                    "id": "S8.GOV.1",
                    "title": "A criterion",
                    "intent": "To test.",
                    "sources": [{"ref": "ours", "text": "Ours.", "status": "ours"}],
                    "block": "GOV",
                    "weight": 3,
                    "core": True,
                    "extension": False,
                    "applies": "Always.",
                    "modes": ["A"],
                    "document": "A document.",
                    "freshness": ["D", "V", "X", "R"],
                    "observability": "none",
                    **criterion,
                    "levels": asked,
                }
            ],
            **yaml.safe_load(more or "{}"),
        }
    )


def document(id_: str = "charter", **more: Any) -> Attestation:
    given = {
        "id": id_,
        "requirements": ["S8.GOV.1/L1/asked"],
        "claim": f"The {id_} says so",
        "kind": "volume",
        "class": "E2",
        "issuer": "Example Hospital",
        "signer_role": "chair",
        "issued": "2026-10-15",
        "period": {"start": "2026-09-01", "end": "2026-09-30"},
        "entity": ENTITY,
        "document": {"title": id_, "sha256": "a" * 64},
        **more,
    }
    return Attestation.model_validate({key: value for key, value in given.items() if value is not None})


def scored(model: MaturityModel, *runs: ScoredRun, as_of: str = AS_OF) -> MaturityScore:
    card = score(runs, [model], {}, as_of=as_of)
    assert card.maturity is not None
    return card.maturity


def only(rule: str, *attested: Attestation, findings: tuple[Finding, ...] = (), **more: Any) -> CriterionScore:
    as_of = more.pop("as_of", AS_OF)
    return scored(book(rule), ran(*findings, attested=attested, **more), as_of=as_of).criteria[0]


def line(rule: str, *attested: Attestation, **more: Any) -> AttestationLine:
    as_of = more.pop("as_of", AS_OF)
    (found_line,) = scored(book(rule), ran(attested=attested, **more), as_of=as_of).attestations
    return found_line


PLAIN = "{attested: {classes: [E2, E3], document: A report.}}"
SHARE = "{attested: {classes: [E2, E3], values: {share_at_least: 50/100}, document: A report.}}"


class TestWhatCounts:
    def test_a_document_of_the_right_class_counts(self) -> None:
        one = only(PLAIN, document())
        assert (one.state, one.knowledge, one.evidence_class) == ("L1+?", "attested", "E2")
        assert one.requirements[0].attestations == ("charter",)

    def test_without_one_it_is_unknown_and_says_which(self) -> None:
        assert only(PLAIN).requirements[0].why == "No document was given: A report."

    @pytest.mark.parametrize(
        ("more", "why"),
        [
            ({"entity": "Another Hospital"}, "It is about another legal entity (Another Hospital)"),
            ({"bases": ["https://elsewhere.example/r4"]}, f"It is about another FHIR base than {BASE}."),
            ({"issued": "2027-01-01", "period": {"start": "2026-11-01", "end": "2026-12-01"}}, "dated after the day"),
            ({"kind": "metrics"}, "A document of the kind metrics is not what S8.GOV.1 can rest on."),
        ],
    )
    def test_what_is_rejected_says_why(self, more: dict[str, Any], why: str) -> None:
        said = line(PLAIN, document(**more))
        assert said.state == "rejected"
        assert why in said.why
        asked = only(PLAIN, document(**more)).requirements[0]
        assert asked.truth == "unknown"
        assert why in asked.why

    def test_a_run_without_a_legal_entity_takes_no_document(self) -> None:
        assert line(PLAIN, document(), organisation=None).state == "rejected"

    def test_its_own_base_is_the_right_one_with_and_without_a_slash(self) -> None:
        assert only(PLAIN, document(bases=[f"{BASE}/"])).requirements[0].truth == "true"

    def test_a_weak_class_leaves_it_unknown(self) -> None:
        one = only(PLAIN, document(kind="policy", **{"class": "E1"}))
        assert one.requirements[0].truth == "unknown"
        assert "is of class E1, and this asks for E2 or E3" in one.requirements[0].why
        assert line(PLAIN, document(kind="policy", **{"class": "E1"})).state == "unused"

    def test_the_provider_may_state_that_it_is_not_so(self) -> None:
        one = only(PLAIN, document(answer="no"))
        assert (one.state, one.requirements[0].truth) == ("L0", "false")


class TestValues:
    @pytest.mark.parametrize(
        ("values", "truth"),
        [
            ({"share": "41/100"}, "false"),
            ({"share": "50/100"}, "true"),
            ({"share": "1/2"}, "true"),
            ({"count": "50"}, "unknown"),
            ({}, "unknown"),
        ],
    )
    def test_a_bound_is_compared_as_a_fraction(self, values: dict[str, str], truth: str) -> None:
        assert only(SHARE, document(values=values)).requirements[0].truth == truth

    def test_what_is_out_of_bounds_is_said_in_numbers(self) -> None:
        one = only(SHARE, document(values={"share": "41/100"}))
        assert one.requirements[0].why == "The charter says so: share is 41/100, and this asks for at least 50/100."

    def test_a_shape_gives_its_values(self) -> None:
        rule = (
            "{attested: {classes: [E2, E3], document: A statement., "
            "values: {prior_authorizations_electronic_share_at_least: 50/100}}}"
        )
        shape = {"form": "x12", "sets": [{"set": "278", "version": "005010X217", "electronic": 41, "total": 100}]}
        assert only(rule, document(shape=shape)).requirements[0].truth == "false"
        shape["sets"][0]["electronic"] = 50  # type: ignore[index]
        assert only(rule, document(shape=shape)).requirements[0].truth == "true"

    @pytest.mark.parametrize(("end", "truth"), [("2026-08-23", "true"), ("2026-08-22", "false")])
    def test_the_age_of_a_document_is_a_value(self, end: str, truth: str) -> None:
        rule = "{attested: {classes: [E2], values: {age_months_at_most: '3'}, document: Minutes.}}"
        given = document(period={"start": "2026-08-01", "end": end})
        assert only(rule, given).requirements[0].truth == truth

    def test_a_stage_letter_counts_without_the_values(self) -> None:
        rule = "{attested: {classes: [E3], values: {months_at_least: '3'}, stage_letter: true, document: A letter.}}"
        letter = {"form": "stage_letter", "facility": "Main", "model": "EMRAM", "stage": 7}
        given: dict[str, Any] = {
            "kind": "certificate", "class": "E3", "valid_until": "2027-06-30", "period": None,
            "document": {"title": "letter", "sha256": "b" * 64, "third_party": "The issuer"},
        }  # fmt: skip
        assert only(rule, document(shape=letter, **given)).requirements[0].truth == "true"
        assert only(rule, document(shape={**letter, "stage": 6}, **given)).requirements[0].truth == "unknown"
        assert line(rule, document(shape=letter, **given), as_of="2027-07-01T00:00:00Z").state == "expired"


class TestAge:
    @pytest.mark.parametrize(
        ("day", "state", "freshness"),
        [
            ("2026-12-29", "counts", "fresh"),
            ("2026-12-30", "counts", "stale"),
            ("2027-09-30", "counts", "stale"),
            ("2027-10-01", "expired", "expired"),
        ],
    )
    def test_it_grows_stale_and_expires_by_its_row(self, day: str, state: str, freshness: str) -> None:
        said = line(PLAIN, document(), as_of=f"{day}T00:00:00.000000Z")
        assert (said.state, said.freshness, said.last_day) == (state, freshness, "2027-09-30")

    def test_what_expired_is_unknown_and_never_a_no(self) -> None:
        one = only(PLAIN, document(), as_of="2027-10-01T00:00:00.000000Z")
        assert (one.state, one.requirements[0].truth) == ("?", "unknown")
        assert one.requirements[0].reasons == ("expired",)

    def test_what_was_seen_expires_as_well(self) -> None:
        rule, seen = "{is: {probe: a}}", (found("a"),)
        later = "2027-02-22T00:00:00.000000Z"
        assert only(rule, findings=seen, as_of="2027-02-21T00:00:00.000000Z").state == "L1+?"
        assert only(rule, findings=seen, as_of=later).requirements[0].reasons == ("expired",)

    def test_a_newer_one_of_its_kind_takes_its_place(self) -> None:
        old = document("august", values={"share": "90/100"}, period={"start": "2026-08-01", "end": "2026-08-31"})
        new = document("september", values={"share": "41/100"})
        result = scored(book(SHARE), ran(attested=(old, new)))
        assert result.criteria[0].requirements[0].truth == "false"
        assert {one.id: one.state for one in result.attestations} == {"august": "superseded", "september": "counts"}

    def test_the_last_day_of_a_level_is_that_of_its_oldest_document(self) -> None:
        assert only(PLAIN, document()).next_expiry == "2027-09-30"


class TestContradictions:
    SAME = "{any: [{is: {probe: a}}, {attested: {classes: [E2, E3], same_fact: true, document: A log.}}]}"
    OTHER_ROUTE = "{any: [{is: {probe: a}}, {attested: {classes: [E2, E3], document: A feed.}}]}"

    @pytest.mark.parametrize(
        ("outcome", "truth", "conflict"),
        [("absent", "false", True), ("present", "true", False), ("unknown", "true", False)],
    )
    def test_a_document_never_outranks_what_was_seen(self, outcome: str, truth: str, conflict: bool) -> None:
        one = only(self.SAME, document(), findings=(found("a", outcome),))
        assert (one.requirements[0].truth, one.conflict) == (truth, conflict)

    def test_the_day_of_the_document_does_not_matter(self) -> None:
        fresh = document(issued="2026-11-23", period={"start": "2026-11-01", "end": "2026-11-23"})
        one = only(self.SAME, fresh, findings=(found("a", "absent"),), started="2026-11-01T00:00:00.000000Z")
        assert (one.requirements[0].truth, one.conflict) == ("false", True)

    def test_a_no_of_the_document_against_a_sight_is_a_conflict_too(self) -> None:
        one = only(self.SAME, document(answer="no"), findings=(found("a"),))
        assert (one.requirements[0].truth, one.conflict) == ("true", True)

    @pytest.mark.parametrize(("answer", "truth"), [("yes", "true"), ("no", "false")])
    def test_where_nothing_was_to_be_seen_the_document_speaks_for_the_fact(self, answer: str, truth: str) -> None:
        one = only(self.SAME, document(answer=answer), findings=(found("a", "unknown"),))
        assert (one.requirements[0].truth, one.conflict) == (truth, False)

    def test_what_was_not_declared_is_not_applicable_whatever_a_document_says(self) -> None:
        one = only(self.SAME, document(), findings=(found("a", "not_applicable"),))
        assert one.requirements[0].truth == "unknown"

    def test_another_route_stands_for_itself(self) -> None:
        one = only(self.OTHER_ROUTE, document(), findings=(found("a", "absent"),))
        assert (one.requirements[0].truth, one.conflict) == ("true", False)

    def test_two_documents_that_contradict_each_other_do_not_count_for_it(self) -> None:
        letter: dict[str, Any] = {"kind": "letter", "period": None, "values": {"share": "90/100"}}
        one = only(SHARE, document(values={"share": "41/100"}), document("letter", **letter))
        assert (one.requirements[0].truth, one.conflict) == ("false", True)

    def test_a_conflict_lowers_the_confidence_and_never_the_level(self) -> None:
        one = only(self.SAME, document(answer="no"), findings=(found("a"),))
        assert "Evidence contradicts it." in one.confidence_because
        assert one.state == "L1+?"


class TestProducts:
    RULE = "{attested: {classes: [E3], document: A listing and a record.}}"

    def listing(self) -> Attestation:
        shape = {
            "form": "product", "listing": "A list", "number": "1", "edition": "2015", "criteria": ["g10"],
            "retrieved": "2026-11-23",
        }  # fmt: skip
        return document("listing", kind="listing", period=None, issued="2026-11-23", shape=shape, **{"class": "E1"})

    def test_a_listing_alone_speaks_for_the_product(self) -> None:
        assert only(self.RULE, self.listing()).requirements[0].truth == "unknown"

    def test_together_with_a_record_of_the_provider_it_counts_as_third_party(self) -> None:
        one = only(self.RULE, self.listing(), document())
        assert (one.requirements[0].truth, one.evidence_class) == ("true", "E3")
        assert "It is about the product, not about its use at this provider." in one.confidence_because


class TestConfidence:
    SEEN = "{is: {probe: a}}"

    def night(self, day: str, outcome: str = "present") -> HistoryLine:
        return remembered("a", outcome, f"{day}T02:00:00.000000Z")

    def test_one_night_is_less_than_two(self) -> None:
        assert only(self.SEEN, findings=(found("a"),)).confidence == "medium"
        assert only(self.SEEN, findings=(found("a"),), history=(self.night("2026-11-22"),)).confidence == "high"

    def test_a_sandbox_is_less_than_production(self) -> None:
        history = (remembered("a", "present", "2026-11-22T02:00:00.000000Z", environment="sandbox"),)
        one = only(self.SEEN, findings=(found("a"),), environment="sandbox", history=history)
        assert one.confidence == "medium"

    def test_few_things_tested_are_less_than_many(self) -> None:
        cells = [{"claim": str(n), "declared": True, "result": "shown"} for n in range(4)]
        few = only(self.SEEN, findings=(found("a", values={"cells": cells}),), history=(self.night("2026-11-22"),))
        assert few.confidence == "medium"
        assert "Only 4 of its claims could be tested." in few.confidence_because

    @pytest.mark.parametrize(("class_", "confidence"), [("E0", "low"), ("E1", "low"), ("E2", "medium"), ("E3", "high")])
    def test_it_begins_with_the_class(self, class_: str, confidence: str) -> None:
        rule = "{attested: {classes: [E0, E1, E2, E3], document: Any.}}"
        given = document(document={"title": "a", "sha256": "a" * 64, "third_party": "Somebody"}, **{"class": class_})
        assert only(rule, given).confidence == confidence

    def test_a_bare_claim_is_declared_and_not_known(self) -> None:
        rule = "{attested: {classes: [E0, E1, E2, E3], document: Any.}}"
        assert only(rule, document(document=None, **{"class": "E0"})).knowledge == "declared_only"


def remembered(
    probe: str, outcome: str, time: str, *, subject: str = BASE, environment: str = "production"
) -> HistoryLine:
    return HistoryLine.model_validate(
        {
            "run": f"{time[:10]}-{time[11:16]}",
            "subject": subject,
            "environment": environment,
            "time": time,
            "digest": "e" * 64,
            "probe": probe,
            "outcome": outcome,
            "reason": "no_data" if outcome == "unknown" else None,
        }
    )


class TestSeries:
    RULE = "{series: {probe: a}}"

    def truth(self, nights: str, now: str = "present") -> str:
        """`nights` before this one, oldest first: p(assed), f(ailed), u(ndecided)."""
        words = {"p": "present", "f": "absent", "u": "unknown"}
        first = date(2026, 11, 23).toordinal() - len(nights)
        lines = tuple(
            remembered("a", words[one], f"{date.fromordinal(first + number)}T02:00:00.000000Z")
            for number, one in enumerate(nights)
        )
        return only(self.RULE, findings=(found("a", now),), history=lines).requirements[0].truth

    @pytest.mark.parametrize(
        ("nights", "truth"),
        [
            ("p" * 29, "true"),
            ("p" * 28, "unknown"),
            ("p" * 28 + "u", "unknown"),
            ("u" * 5 + "p" * 29, "true"),
            ("f" + "p" * 28, "true"),
            ("fpf" + "p" * 26, "true"),
            ("fpfpf" + "p" * 24, "false"),
            ("ff" + "p" * 27, "false"),
            ("ff" + "p" * 30, "true"),
            ("f" + "u" + "f" + "p" * 27, "false"),
            ("", "unknown"),
        ],
    )
    def test_enough_of_the_last_decided_nights(self, nights: str, truth: str) -> None:
        assert self.truth(nights) == truth

    def test_what_was_never_declared_leaves_the_series_out(self) -> None:
        rule = "{all: [{series: {probe: a}}, {is: {probe: b}}]}"
        findings = (found("a", "not_applicable"), found("b"))
        assert only(rule, findings=findings).requirements[0].truth == "true"

    @pytest.mark.parametrize(("first", "truth"), [("2026-09-24", "true"), ("2026-09-25", "unknown")])
    def test_nights_may_have_to_lie_apart(self, first: str, truth: str) -> None:
        rule = "{series: {probe: a, nights: 3, at_least: 3, spread_days: 60}}"
        lines = tuple(remembered("a", "present", f"{day}T02:00:00.000000Z") for day in (first, "2026-10-20"))
        assert only(rule, findings=(found("a"),), history=lines).requirements[0].truth == truth

    def test_a_night_with_one_failed_look_failed(self) -> None:
        lines = tuple(remembered("a", "present", f"2026-10-{day:02d}T02:00:00.000000Z") for day in range(1, 30))
        again = tuple(remembered("a", "absent", f"2026-10-{day:02d}T03:00:00.000000Z") for day in (3, 4))
        one = only(self.RULE, findings=(found("a"),), history=(*again, *lines))
        assert one.requirements[0].truth == "false"

    def test_another_base_and_another_environment_are_no_nights(self) -> None:
        lines = [remembered("a", "present", f"2026-10-{day:02d}T02:00:00.000000Z") for day in range(1, 30)]
        for other in ({"subject": OTHER}, {"environment": "sandbox"}):
            moved = tuple(one.model_copy(update=other) for one in lines)
            assert only(self.RULE, findings=(found("a"),), history=moved).requirements[0].truth == "unknown"


GATE = (
    "gates: [{id: S8.GATE.3, title: Closed, text: It caps., cap: Emerging, met_by: {is: {probe: a, outcome: absent}}}]"
)


def gate_after(*looks: tuple[str, str], environment: str = "production", **more: Any) -> GateScore:
    """The gate after earlier looks (instant, outcome) and one last look, which is this run."""
    *before, (now, outcome) = looks
    history = tuple(remembered("a", said, time, environment=environment) for time, said in before)
    run = ran(found("a", outcome, **more), started=now, history=history, environment=environment)
    return scored(book(PLAIN, more=GATE), run).gates[0]


def at(time: str) -> str:
    return f"2026-11-{time}:00.000000Z"


class TestGatesOverTime:
    def test_seen_once_it_is_suspected(self) -> None:
        assert gate_after((at("23T12:00"), "absent")).state == "suspected"

    @pytest.mark.parametrize(("before", "state"), [("23T11:50", "confirmed"), ("23T11:51", "suspected")])
    def test_seen_again_ten_minutes_later_it_is_confirmed(self, before: str, state: str) -> None:
        assert gate_after((at(before), "absent"), (at("23T12:00"), "absent")).state == state

    @pytest.mark.parametrize(
        ("looks", "state"),
        [
            ("aap", "confirmed"),
            ("aapp", "confirmed"),
            ("aappp", "clean"),
            ("appp", "clean"),
            ("app", "suspected"),
            ("aappap", "confirmed"),
            ("aapuupp", "clean"),
            ("aappu", "confirmed"),
            ("aapppa", "suspected"),
            ("pppp", "clean"),
            ("uuu", "untested"),
            ("au", "suspected"),
        ],
    )
    def test_three_clean_runs_in_a_row_clear_it(self, looks: str, state: str) -> None:
        words = {"a": "absent", "p": "present", "u": "unknown"}
        course = [(at(f"{10 + number}T02:00"), words[one]) for number, one in enumerate(looks)]
        assert gate_after(*course).state == state

    def test_it_says_when_it_was_last_seen(self) -> None:
        gate = gate_after((at("10T02:00"), "absent"), (at("11T02:00"), "present"))
        assert gate.last_seen == at("10T02:00")
        assert gate.why.startswith(f"It was last seen on {at('10T02:00')}, and 3 clean runs in a row have not followed")

    def test_elsewhere_than_on_production_it_would_apply(self) -> None:
        looks = ((at("10T02:00"), "absent"), (at("11T02:00"), "absent"))
        assert gate_after(*looks, environment="sandbox").state == "would_apply"

    def test_an_expired_certificate_is_confirmed_at_once(self) -> None:
        rule = "{is: {probe: a, outcome: absent}}"
        gates = f"gates: [{{id: S8.GATE.1, title: T, text: T., cap: Emerging, confirm_at_once: true, met_by: {rule}}}]"
        for fault, state in (("expired", "confirmed"), ("wrong_host", "suspected")):
            run = ran(found("a", "absent", values={"fault": fault}))
            assert scored(book(PLAIN, more=gates), run).gates[0].state == state


LABELS = """
labels:
  - {name: Not rated, meaning: Too little is known.}
  - name: Emerging
    meaning: Something is known.
    conditions: [{id: known, text: Half is known., known: 50/100}]
  - name: Candidate
    meaning: More.
    suspected_gate_blocks: true
    conditions: [{id: core, text: Every core criterion is at level 1., core: {level: 1}}]
"""


class TestLabels:
    def label(self, *runs: ScoredRun) -> Any:
        gate = yaml.safe_load(GATE)["gates"][0]
        more = yaml.safe_dump({**yaml.safe_load(LABELS), "gates": [gate]})
        return scored(book(PLAIN, more=more), *runs).label

    def test_nothing_known_is_not_rated_and_could_be_all(self) -> None:
        label = self.label(ran(found("a")))
        assert (label.name, label.at_most, label.next) == ("Not rated", "Candidate", "Emerging")
        assert [one.now for one in label.blocking] == ["0 of 3 of the weight is known."]

    def test_the_highest_whose_conditions_hold(self) -> None:
        label = self.label(ran(found("a"), attested=(document(),)))
        assert (label.name, label.next, label.blocking) == ("Candidate", None, ())

    def test_a_suspected_gate_blocks_the_upper_ones_and_a_confirmed_one_caps(self) -> None:
        fires = found("a", "absent")
        label = self.label(ran(fires, attested=(document(),)))
        assert (label.name, label.uncapped, label.capped_by) == ("Emerging", "Candidate", ("S8.GATE.3",))
        assert label.at_most == "Candidate"
        assert [one.lacking for one in label.blocking] == [("S8.GATE.3",)]
        again = (remembered("a", "absent", at("22T12:00")),)
        label = self.label(ran(fires, attested=(document(),), history=again))
        assert (label.name, label.at_most) == ("Emerging", "Emerging")

    def test_an_undeclared_environment_is_never_rated(self) -> None:
        label = self.label(ran(found("a"), attested=(document(),), environment="undeclared"))
        assert (label.name, label.at_most) == ("Not rated", "Not rated")
        assert label.blocking[0].id == "environment"

    def test_a_sandbox_says_so(self) -> None:
        label = self.label(ran(found("a"), attested=(document(),), environment="sandbox"))
        assert (label.name, label.shown) == ("Candidate", "Sandbox: Candidate")

    def test_what_patient_data_hang_on_is_withheld_for_ninety_days(self) -> None:
        gate = {**yaml.safe_load(GATE)["gates"][0], "private_alert": True}
        model = book(PLAIN, more=yaml.safe_dump({**yaml.safe_load(LABELS), "gates": [gate]}))
        history = (remembered("a", "absent", at("22T12:00")),)
        run = ran(found("a", "unknown"), attested=(document(),), history=history)
        for as_of, withheld in (("2027-02-20T00:00:00Z", True), ("2027-02-21T00:00:00Z", False)):
            label = scored(model, run, as_of=as_of).label
            assert label is not None
            assert (label.withheld_because is not None) == withheld
