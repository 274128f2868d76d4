"""The worked examples by which the proposal's rule book was agreed, on the book that ships."""

from typing import Any

import pytest

from prober.library import load_model, load_probes, shipped_models
from prober.nouns.attestation import Attestation
from prober.nouns.finding import Finding
from prober.nouns.model import MaturityModel
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import AuthorizationNote, Plan, Run, Tool
from prober.nouns.scorecard import CriterionScore, MaturityScore
from prober.score import ScoredRun, score

BASE = "https://fhir.hospital.example/r4"
ENTITY = "Example Hospital"
AS_OF = "2026-11-23T12:00:00.000000Z"
BULK = (
    "bulk_kick_off_accepted", "bulk_status_reported", "bulk_files_sound", "bulk_manifest_sound", "bulk_errors_empty",
    "bulk_export_not_empty", "bulk_kick_off_protected",
)  # fmt: skip


@pytest.fixture(scope="module")
def proposal() -> MaturityModel:
    model = load_model(shipped_models()[1])
    assert isinstance(model, MaturityModel)
    return model


def found(probe: str, outcome: str = "present", **more: Any) -> Finding:
    reason = more.pop("reason", "timed_out" if outcome == "unknown" else None)
    basis = more.pop("basis", "demonstrated")
    assert probe in load_probes(), f"the probe {probe} is one that ships"
    return Finding.model_validate(
        {
            "source": {"probe": probe, "digest": "d" * 64},
            "subject": BASE,
            "verdict": {"outcome": outcome, "message": f"{probe} is {outcome}.", "reason": reason},
            "basis": basis,
            "evidence": [],
        }
    )


def document(id_: str, requirements: list[str], **more: Any) -> Attestation:
    given = {
        "id": id_,
        "requirements": requirements,
        "claim": f"The {id_} says so",
        "kind": "volume",
        "class": "E3",
        "issuer": "The clearinghouse",
        "signer_role": "Account manager",
        "issued": "2026-10-15",
        "period": {"start": "2026-07-01", "end": "2026-09-30"},
        "entity": ENTITY,
        "document": {"title": id_, "sha256": "a" * 64, "third_party": "The clearinghouse"},
        **more,
    }
    return Attestation.model_validate(given)


def scored(
    model: MaturityModel,
    *findings: Finding,
    documents: tuple[Attestation, ...] = (),
    environment: str = "production",
    as_of: str = AS_OF,
) -> MaturityScore:
    run = Run.model_validate(
        {
            "id": "20261123T120000Z-00000001",
            "subject": BASE,
            "environment": environment,
            "synthetic": environment != "production",
            "loopback": False,
            "started": as_of,
            "authorization": AuthorizationNote(form="none", statement="None was given."),
            "plan": Plan(depth="standard", budget=300, deadline_seconds=600, pace="polite", observations=()),
            "tool": Tool(prober="0", python="3", httpx="0", openssl="3", platform="any"),
            "probes": {},
            "models": {},
        }
    )
    facts = ProviderFacts(organisation=ENTITY, country="US", declared=True)
    card = score([ScoredRun(run, facts, findings, {}, documents)], [model], {}, as_of=as_of)
    assert card.maturity is not None
    return card.maturity


def criterion(maturity: MaturityScore, id_: str) -> CriterionScore:
    return next(one for one in maturity.criteria if one.id == id_)


def stands(one: CriterionScore) -> tuple[str, int, int]:
    assert one.level is not None
    return one.state, one.level.low, one.level.high


class TestBulkExport:
    def test_declared_and_no_credential_is_level_one_and_never_zero(self, proposal: MaturityModel) -> None:
        refused = [found(one, "unknown", reason="needs_credentials") for one in (*BULK, "bulk_job_deleted")]
        declared = found("bulk_export_declared", basis="declared")
        one = criterion(scored(proposal, declared, *refused), "S8.STD.5")
        assert stands(one) == ("L1+?", 1, 4)
        unknown = [line for line in one.requirements if line.id.startswith("S8.STD.5/L2/")]
        assert {line.truth for line in unknown} == {"unknown"}
        assert {line.reasons for line in unknown} == {("needs_credentials",)}

    def test_a_job_that_cannot_be_deleted_is_level_two_with_the_finding(self, proposal: MaturityModel) -> None:
        works = [found(one) for one in BULK]
        declared = found("bulk_export_declared", basis="declared")
        maturity = scored(proposal, declared, *works, found("bulk_job_deleted", "absent"))
        one = criterion(maturity, "S8.STD.5")
        assert stands(one) == ("L2", 2, 2)
        deleted = next(line for line in one.requirements if line.id == "S8.STD.5/L3/deleted")
        assert (deleted.truth, deleted.findings) == ("false", ("bulk_job_deleted",))


class TestPriorAuthorization:
    LINES = (
        "S8.WF.PA.3/L1/declared", "S8.WF.PA.3/L2/first", "S8.WF.PA.3/L3/share",
    )  # fmt: skip

    def statement(self) -> Attestation:
        shape = {"form": "x12", "sets": [{"set": "278", "version": "005010X217", "electronic": 41, "total": 100}]}
        return document("clearinghouse", list(self.LINES), shape=shape)

    def test_forty_one_percent_is_level_two(self, proposal: MaturityModel) -> None:
        one = criterion(scored(proposal, documents=(self.statement(),)), "S8.WF.PA.3")
        assert stands(one) == ("L2", 2, 2)
        assert (one.evidence_class, one.knowledge) == ("E3", "attested")
        share = next(line for line in one.requirements if line.id == "S8.WF.PA.3/L3/share")
        assert "prior authorizations electronic share is 41/100" in share.why

    @pytest.mark.parametrize(("as_of", "state"), [("2027-09-30", "L2"), ("2027-10-01", "?")])
    def test_the_same_statement_after_a_year_is_unknown_and_not_zero(
        self, as_of: str, state: str, proposal: MaturityModel
    ) -> None:
        late = scored(proposal, documents=(self.statement(),), as_of=f"{as_of}T12:00:00.000000Z")
        one = criterion(late, "S8.WF.PA.3")
        assert one.state == state
        assert one.level is not None
        assert one.level.high == (2 if state == "L2" else 4)


class TestDailyTransactions:
    LINES = (
        "S8.TRN.6/L1/internal", "S8.TRN.6/L2/public", "S8.TRN.6/L2/period", "S8.TRN.6/L3/definition",
        "S8.TRN.6/L3/twelve_months", "S8.TRN.6/L3/recent", "S8.TRN.6/L3/history",
    )  # fmt: skip

    def figures(self, months: int, **definitions: str) -> Attestation:
        shape = {
            "form": "metrics",
            "connected_systems": 41,
            "definitions": definitions,
            "daily_transactions": [
                {"month": f"2026-{month:02d}", "avg": 1000 + month} for month in range(1, months + 1)
            ],
        }
        return document(
            "figures",
            list(self.LINES),
            kind="metrics",
            **{"class": "E2"},
            shape=shape,
            issued="2026-11-01",
            period={"start": "2025-11-01", "end": "2026-10-31"},
        )

    def test_a_yearly_total_is_level_one(self, proposal: MaturityModel) -> None:
        one = criterion(scored(proposal, documents=(self.figures(0),)), "S8.TRN.6")
        assert stands(one) == ("L1", 1, 1)

    def test_twelve_months_without_a_definition_are_level_two(self, proposal: MaturityModel) -> None:
        one = criterion(scored(proposal, documents=(self.figures(12),)), "S8.TRN.6")
        assert stands(one) == ("L2", 2, 2)

    def test_twelve_months_with_a_definition_go_further(self, proposal: MaturityModel) -> None:
        figures = self.figures(12, transaction="One request that was answered.")
        one = criterion(scored(proposal, documents=(figures,)), "S8.TRN.6")
        assert one.level is not None
        assert one.level.low == 3


class TestImmunizations:
    def test_held_and_not_known_to_be_reported_is_unknown_above_level_one(self, proposal: MaturityModel) -> None:
        coded = document(
            "suite",
            ["S8.BASE.7/L2/holds"],
            kind="result",
            period=None,
            bases=[BASE],
            shape={"form": "suite", "suite": "us_core", "base": BASE, "passed": 12, "failed": 0},
        )
        declared = found("us_core_declared", basis="declared")
        one = criterion(scored(proposal, declared, documents=(coded,)), "S8.BASE.7")
        assert stands(one) == ("L1+?", 1, 4)
        assert {facet.id: (facet.state, facet.level.low) for facet in one.facets} == {
            "holds": ("L2", 2),
            "reports": ("L1+?", 1),
        }


class TestOpenRecords:
    @pytest.mark.parametrize(
        ("environment", "state"),
        [("sandbox", "would_apply"), ("reference", "would_apply"), ("production", "suspected")],
    )
    def test_open_records_are_a_gate_on_production_only(
        self, environment: str, state: str, proposal: MaturityModel
    ) -> None:
        maturity = scored(proposal, found("patient_data_protected", "absent"), environment=environment)
        gate = next(one for one in maturity.gates if one.id == "S8.GATE.3")
        assert gate.state == state
