"""The exports of every fixture, held against a heavy validator: compliance-trestle, by others, for OSCAL."""

from pathlib import Path

import pytest

from prober.export import exported
from prober.library import load_model, load_probes, shipped_models
from prober.render.report import Report, Subject
from prober.rulebooks.corpus import load_corpus
from prober.score import score

pytestmark = pytest.mark.deep
ROOT = Path(__file__).parent.parent


def test_trestle_reads_the_oscal_of_every_fixture(tmp_path: Path) -> None:
    reason = "compliance-trestle is not installed; scripts/test-deep installs it."
    catalog = pytest.importorskip("trestle.oscal.catalog", reason=reason)
    plan = pytest.importorskip("trestle.oscal.assessment_plan", reason=reason)
    results = pytest.importorskip("trestle.oscal.assessment_results", reason=reason)
    probes = load_probes()
    sheets = {id_: one.sheet for id_, one in probes.items()}
    models = [load_model(path) for path in shipped_models()[:2]]
    corpus = load_corpus(ROOT / "fixtures", probes)
    assert len(corpus) >= 10
    for one in corpus:
        card = score([one.scored_run()], models, sheets, as_of=one.as_of)
        report = Report(card, (Subject(one.run, one.facts, one.findings, one.exchanges),), sheets)
        for name, content in exported("oscal", report, models).items():
            (tmp_path / name).write_bytes(content)
        read = {
            "oscal-catalog.json": catalog.Catalog,
            "oscal-assessment-plan.json": plan.AssessmentPlan,
            "oscal-assessment-results.json": results.AssessmentResults,
        }
        for name, kind in read.items():
            document = kind.oscal_read(tmp_path / name)
            assert document is not None, (one.name, name)
            assert document.metadata.oscal_version.root.root == "1.2.1"
