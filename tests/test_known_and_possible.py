"""By what a level is known and what it could still become, on the rule book that ships."""

from typing import Any

import pytest

from prober.library import load_model, shipped_models
from prober.nouns.attestation import Attestation
from prober.nouns.finding import Finding, Outcome, Reason
from prober.nouns.model import MaturityModel
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import AuthorizationNote, Plan, Run, Tool
from prober.nouns.scorecard import CriterionScore, MaturityScore
from prober.score import ScoredRun, score

BASE = "https://fhir.hospital.example/r4"
ENTITY = "Example Hospital"
AS_OF = "2026-11-23T12:00:00.000000Z"
DECLARED = {"bulk_export_declared", "us_core_declared", "smart_app_launch_sets", "g10_capabilities_complete"}
JOB = {
    "bulk_kick_off_accepted": "present",
    "bulk_status_reported": "present",
    "bulk_files_sound": "present",
    "bulk_manifest_sound": "present",
    "bulk_errors_empty": "present",
    "bulk_counts_match": "present",
    "bulk_export_not_empty": "present",
    "bulk_files_protected": "present",
    "bulk_kick_off_protected": "present",
}


@pytest.fixture(scope="module")
def book() -> MaturityModel:
    model = load_model(next(path for path in shipped_models() if path.stem == "stage8_proposal"))
    assert isinstance(model, MaturityModel)
    return model


def found(probe: str, outcome: str, reason: Reason | None = None) -> Finding:
    return Finding.model_validate(
        {
            "source": {"probe": probe, "digest": "d" * 64},
            "subject": BASE,
            "verdict": {"outcome": outcome, "message": f"{probe} is {outcome}.", "reason": reason},
            "basis": "declared" if probe in DECLARED else "demonstrated",
            "evidence": [],
        }
    )


def document(id_: str, requirements: list[str], **more: Any) -> Attestation:
    """A document of a third party (E3), on the third quarter of 2026."""
    return Attestation.model_validate(
        {
            "id": id_,
            "requirements": requirements,
            "claim": f"The {id_} says so",
            "kind": "volume",
            "class": "E3",
            "issuer": "Example Clearinghouse",
            "signer_role": "account manager",
            "issued": "2026-10-05",
            "period": {"start": "2026-07-01", "end": "2026-09-30"},
            "entity": ENTITY,
            "document": {"title": id_, "sha256": "a" * 64, "third_party": "Example Clearinghouse"},
            **more,
        }
    )


def scored(
    book: MaturityModel,
    findings: tuple[Finding, ...] = (),
    attested: tuple[Attestation, ...] = (),
    environment: str = "production",
) -> MaturityScore:
    run = Run.model_validate(
        {
            "id": "20261123T120000Z-00000001",
            "subject": BASE,
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
    facts = ProviderFacts(organisation=ENTITY, country="US")
    maturity = score([ScoredRun(run, facts, findings, {}, attested)], [book], {}, as_of=AS_OF).maturity
    assert maturity is not None
    return maturity


def one(maturity: MaturityScore, id_: str) -> CriterionScore:
    return next(each for each in maturity.criteria if each.id == id_)


def ends(criterion: CriterionScore) -> tuple[int, int]:
    assert criterion.level is not None
    return criterion.level.low, criterion.level.high


def test_a_job_log_speaks_where_nothing_was_to_be_seen_and_for_no_more(book: MaturityModel) -> None:
    counts = {"bulk_jobs_accepted": "3", "bulk_jobs_finished": "3", "bulk_lines": "90", "bulk_lines_unparsed": "0"}
    names = [f"S8.STD.5/L2/{name}" for name in ("kick_off", "finishes", "parses")]
    log = document("job-log", names, values=counts)
    declared = found("bulk_export_declared", "present")
    unseen = tuple(found(probe, "unknown", "needs_credentials") for probe in JOB)
    export = one(scored(book, (declared, *unseen), (log,)), "S8.STD.5")
    assert (export.state, export.conflict) == ("L2+?", False)
    refuted = tuple(found(probe, "absent" if probe == "bulk_files_sound" else JOB[probe]) for probe in JOB)
    export = one(scored(book, (declared, *refuted), (log,)), "S8.STD.5")
    assert (export.state, export.conflict) == ("L1", True)


class TestPriorAuthorization:
    """PA.3: 41 percent of the prior authorizations of a quarter went by X12 278."""

    def statement(self, end: str) -> tuple[Attestation, ...]:
        shape = {
            "form": "x12",
            "sets": [{"set": "278", "version": "005010X217", "electronic": 410, "total": 1000}],
        }
        names = [f"S8.WF.PA.3/{name}" for name in ("L1/declared", "L2/first", "L3/share")]
        return (document("statement", names, shape=shape, issued=end, period={"start": end, "end": end}),)

    @pytest.mark.parametrize(("end", "state"), [("2025-11-23", "L2"), ("2025-11-22", "?")])
    def test_past_three_hundred_and_sixty_five_days_it_is_unknown(
        self, book: MaturityModel, end: str, state: str
    ) -> None:
        submission = one(scored(book, attested=self.statement(end)), "S8.WF.PA.3")
        assert submission.state == state
        if state == "?":
            assert ends(submission) == (0, 4)
            assert {line.reasons for line in submission.requirements if line.id.endswith("L2/first")} == {("expired",)}


@pytest.mark.parametrize("outcome", ["present", "absent", "unknown"])
def test_a_declared_profile_is_known_only_with_a_document_beside_it(book: MaturityModel, outcome: Outcome) -> None:
    """A declaration is not counted as known. A policy beside it makes it attested, since nothing was probed."""
    seen = (found("us_core_declared", outcome, "timed_out" if outcome == "unknown" else None),)
    policy = document("policy", ["S8.BASE.2/L1/claimed"], kind="policy", **{"class": "E1"})
    alone = one(scored(book, seen), "S8.BASE.2").knowledge
    assert alone == ("declared_only" if outcome == "present" else "unknown")
    assert one(scored(book, seen, (policy,)), "S8.BASE.2").knowledge == "attested"


def test_low_confidence_may_always_rise(book: MaturityModel) -> None:
    """At most means: if everything unknown turned out well. Other nights and better documents may yet come."""
    policy = document("charter", ["S8.GOV.1/L1/owner"], kind="policy", **{"class": "E1"})
    below = document("minutes", ["S8.GOV.1/L2/charter"], kind="record", answer="no")
    for attested in ((policy,), (policy, below)):
        maturity = scored(book, attested=attested)
        assert one(maturity, "S8.GOV.1").confidence == "low"
        assert maturity.label is not None
        sure = next(each for each in maturity.label.conditions if each.id == "core_confidence")
        assert (sure.holds, sure.could_hold) == (False, True)
