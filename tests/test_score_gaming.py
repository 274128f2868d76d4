"""Ways to look better than one is, and that none of them works."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from prober.documents.fitting import rule_of
from prober.documents.freshness import age_of_document
from prober.documents.shapes import values_of
from prober.library import load_model, load_probes, shipped_models
from prober.nouns.attestation import Attestation
from prober.nouns.finding import Finding
from prober.nouns.history import HistoryLine
from prober.nouns.model import MaturityModel
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import AuthorizationNote, Plan, Run, Tool
from prober.nouns.scorecard import CriterionScore, MaturityScore
from prober.score import ScoredRun, score

BASE = "https://fhir.hospital.example/r4"
ENTITY = "Example Hospital"
AS_OF = "2026-11-23T12:00:00.000000Z"


@pytest.fixture(scope="module")
def book() -> MaturityModel:
    model = load_model(shipped_models()[1])
    assert isinstance(model, MaturityModel)
    return model


def document(id_: str, *requirements: str, **more: Any) -> Attestation:
    given = {
        "id": id_,
        "requirements": list(requirements),
        "claim": f"The {id_} says so",
        "kind": "record",
        "class": "E2",
        "issuer": ENTITY,
        "signer_role": "chair",
        "issued": "2026-11-01",
        "entity": ENTITY,
        "document": {"title": id_, "sha256": "a" * 64},
        **more,
    }
    return Attestation.model_validate({key: value for key, value in given.items() if value is not None})


def third(id_: str, *requirements: str, **more: Any) -> Attestation:
    paper = {"title": id_, "sha256": "b" * 64, "third_party": "Test House"}
    return document(id_, *requirements, **{"class": "E3", "issuer": "Test House", "document": paper, **more})


def bare(id_: str, *requirements: str, **more: Any) -> Attestation:
    return document(id_, *requirements, **{"class": "E0", "kind": "policy", "document": None, **more})


def scored(
    book: MaturityModel,
    *documents: Attestation,
    findings: tuple[Finding, ...] = (),
    history: tuple[HistoryLine, ...] = (),
    country: str | None = "US",
    as_of: str = AS_OF,
) -> MaturityScore:
    run = Run.model_validate(
        {
            "id": "20261123T120000Z-00000001",
            "subject": BASE,
            "environment": "production",
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
    facts = ProviderFacts(organisation=ENTITY, country=country, declared=True)
    card = score([ScoredRun(run, facts, findings, {}, documents, history)], [book], {}, as_of=as_of)
    assert card.maturity is not None
    return card.maturity


def one(maturity: MaturityScore, id_: str) -> CriterionScore:
    return next(each for each in maturity.criteria if each.id == id_)


def gate(maturity: MaturityScore, id_: str) -> tuple[str, str]:
    return next((each.state, each.why) for each in maturity.gates if each.id == id_)


def found(probe: str, outcome: str = "present") -> Finding:
    return Finding.model_validate(
        {
            "source": {"probe": probe, "digest": "d" * 64},
            "subject": BASE,
            "verdict": {"outcome": outcome, "message": f"{probe} is {outcome}."},
            "basis": "demonstrated",
            "evidence": [],
        }
    )


def night(probe: str, day: str, outcome: str = "present") -> HistoryLine:
    return HistoryLine(
        run=f"{day}-night",
        subject=BASE,
        environment="production",
        time=f"{day}T02:00:00.000000Z",
        digest="e" * 64,
        probe=probe,
        outcome=outcome,  # type: ignore[arg-type]
    )


class TestGates:
    @pytest.mark.parametrize("id_", ["S8.GATE.2", "S8.GATE.4", "S8.GATE.8"])
    def test_a_bare_no_passes_none(self, id_: str, book: MaturityModel) -> None:
        assert gate(scored(book, bare("word", id_, answer="no")), id_)[0] == "untested"

    def test_a_third_party_that_tried_it_does(self, book: MaturityModel) -> None:
        tried = third("assessment", "S8.GATE.4", kind="assessment", answer="no")
        assert gate(scored(book, tried), "S8.GATE.4")[0] == "clean"

    def test_of_two_third_parties_the_graver_one_counts_and_is_told(self, book: MaturityModel) -> None:
        fired = third("one", "S8.GATE.4", kind="assessment")
        held = third("other", "S8.GATE.4", kind="letter", answer="no")
        state, why = gate(scored(book, fired, held, bare("word", "S8.GATE.4", answer="no")), "S8.GATE.4")
        assert state == "confirmed"
        assert why.startswith("The evidence contradicts itself, and the graver answer counts.")

    def test_a_newer_bare_word_does_not_take_the_place_of_an_assessment(self, book: MaturityModel) -> None:
        fired = third("assessment", "S8.GATE.4", kind="policy")
        word = bare("word", "S8.GATE.4", answer="no", issued="2026-11-20")
        assert gate(scored(book, fired, word), "S8.GATE.4")[0] == "confirmed"

    def test_a_suspicion_caps_no_lower_than_a_confirmation(self, book: MaturityModel) -> None:
        assert {each.cap for each in book.gates if each.id == "S8.GATE.8"} == {"Candidate"}
        names = [each.name for each in book.labels]
        blocked = next(at for at, each in enumerate(book.labels) if each.suspected_gate_blocks)
        assert names.index("Candidate") == blocked


class TestClasses:
    @pytest.mark.parametrize("party", [ENTITY, "example hospital", "self", "Me", "the provider"])
    def test_nobody_is_his_own_third_party(self, party: str) -> None:
        with pytest.raises(ValidationError, match="somebody other than the provider"):
            third("x", "S8.GOV.1/L1/owner", document={"title": "x", "sha256": "a" * 64, "third_party": party})

    def test_a_listing_without_its_product_lifts_nothing(self, book: MaturityModel) -> None:
        volume = document(
            "claims",
            "S8.WF.PA.3/L1/declared",
            kind="volume",
            period={"start": "2026-09-01", "end": "2026-09-30"},
        )
        listing = bare("listing", "S8.WF.PA.3/L1/declared", kind="listing", issued="2026-11-23")
        assert one(scored(book, volume, listing), "S8.WF.PA.3").evidence_class == "E2"

    def test_a_newer_weaker_document_never_buries_a_better_one(self, book: MaturityModel) -> None:
        denied = third("auditor", "S8.GOV.1/L2/charter", answer="no", issued="2026-11-01")
        owner = document("owner", "S8.GOV.1/L1/owner", kind="policy", **{"class": "E1"})
        own = document("own", "S8.GOV.1/L2/charter", issued="2026-11-20")
        council = one(scored(book, denied, owner, own), "S8.GOV.1")
        assert (council.state, council.conflict) == ("L1", True)
        granted = third("auditor", "S8.GOV.1/L2/charter", issued="2026-11-01")
        word = bare("word", "S8.GOV.1/L2/charter", kind="record", issued="2026-11-20")
        lines = {line.id: line.truth for line in one(scored(book, granted, owner, word), "S8.GOV.1").requirements}
        assert lines["S8.GOV.1/L2/charter"] == "true"

    def test_saying_no_to_everything_makes_nothing_known(self, book: MaturityModel) -> None:
        first = [
            asked.id
            for criterion in book.criteria
            for asked in criterion.levels[1]
            if asked.met_by is not None and asked.met_by.documents()
        ]
        maturity = scored(book, bare("no-to-all", *first, answer="no"))
        assert maturity.coverage["attested"] == 0
        assert maturity.label is not None
        assert maturity.label.name == "Not rated"


class TestDates:
    def test_a_certificate_counts_no_longer_than_its_row(self, book: MaturityModel) -> None:
        letter = third(
            "letter",
            "S8.BASE.0/L3/letter_stage_7",
            kind="certificate",
            issued="2010-01-01",
            valid_until="2099-12-31",
            shape={"form": "stage_letter", "facility": "Main", "model": "EMRAM", "stage": 7},
        )
        age = age_of_document(letter, book.freshness["Z"], date(2026, 11, 23))
        assert (age.state, age.last_day) == ("expired", date(2013, 1, 1))

    def test_a_policy_does_not_grow_younger_by_the_years_that_it_covers(self, book: MaturityModel) -> None:
        old = document(
            "old", "S8.GOV.1/L1/owner", kind="policy", issued="2010-01-01",
            period={"start": "2010-01-01", "end": "2026-11-20"},
        )  # fmt: skip
        assert age_of_document(old, book.freshness["D"], date(2026, 11, 23)).state == "expired"

    def test_nights_of_years_ago_prove_no_month_and_raise_no_confidence(self, book: MaturityModel) -> None:
        probes = sorted(load_probes())
        findings = tuple(found(probe) for probe in probes)
        old = tuple(night(probe, f"2019-01-{day:02d}") for probe in probes for day in range(1, 30))
        before, after = scored(book, findings=findings), scored(book, findings=findings, history=old)
        assert before.line() == after.line()

    def test_a_contrary_night_makes_this_one_no_surer(self, book: MaturityModel) -> None:
        findings = tuple(found(probe) for probe in sorted(load_probes()))
        contrary = tuple(night(probe, "2026-11-22", "absent") for probe in sorted(load_probes()))
        same = tuple(night(probe, "2026-11-22") for probe in sorted(load_probes()))
        alone = one(scored(book, findings=findings), "S8.STD.1").confidence
        assert one(scored(book, findings=findings, history=contrary), "S8.STD.1").confidence == alone == "medium"
        assert one(scored(book, findings=findings, history=same), "S8.STD.1").confidence == "high"

    def test_no_score_is_of_a_day_before_its_run(self, book: MaturityModel) -> None:
        with pytest.raises(ValueError, match="after the day of the score"):
            scored(book, as_of="2020-01-01T00:00:00Z")


class TestFigures:
    def test_a_written_value_does_not_override_what_the_counts_say(self) -> None:
        months = [{"month": "2026-10", "inbound": 1, "outbound": 1, "total": 4, "failed": 4}]
        network = document(
            "network", "S8.BASE.1/L3/failures_reported", kind="volume", values={"failed_share": "1/100"},
            period={"start": "2026-10-01", "end": "2026-10-31"}, shape={"form": "network", "months": months},
        )  # fmt: skip
        assert values_of(network, date(2026, 11, 23))["failed_share"] == 1


class TestFacts:
    def test_leaving_the_country_out_takes_no_norm_away(self, book: MaturityModel) -> None:
        assert scored(book, country=None).swaps == ()
        assert scored(book, country="DE").swaps != ()
        swapped = next(
            asked for each in book.criteria for asked in each.levels[1] if asked.elsewhere and asked.elsewhere.met_by
        )
        assert rule_of(swapped, None) == swapped.met_by
        assert rule_of(swapped, "DE") != swapped.met_by

    def test_a_public_source_has_a_name(self) -> None:
        from prober.nouns.provider import Provider

        with pytest.raises(ValidationError, match="at least 12"):
            Provider(organisation="A", fhir_bases=(BASE,), public_sources={"setting": "x"})
