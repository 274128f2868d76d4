"""The command line where documents, earlier nights and labels come in: what a provider and an auditor do with it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.samples import some_rows

from prober.archive import RunFolder
from prober.library import load_probes
from prober.pipeline import judge_folder, load_models
from prober.sandbox import Sandbox

FIXTURES = Path(__file__).parents[1] / "fixtures"
ENTITY = "Example Hospital"
AS_OF = "2026-11-24T00:00:00Z"


Call = Callable[..., Any]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of the leader on production, judged once; each test works on a copy."""
    return _run(tmp_path_factory.mktemp("judged") / "run", "leader").path


@pytest.fixture
def recorded(desk: Path, judged: Path) -> Path:
    """The same as a run of a provider."""
    shutil.copytree(judged, desk / "run")
    folder = RunFolder.open(desk / "run")
    facts = folder.provider().model_copy(update={"organisation": ENTITY, "country": "US", "declared": True})
    folder.write_provider(facts)
    return folder.path


def _again(judged: Path, place: Path, **changes: str) -> RunFolder:
    """The same night, said to have been another one."""
    shutil.copytree(judged, place)
    folder = RunFolder.open(place)
    folder.write_run(folder.run().model_copy(update=changes))
    return folder


def _run(place: Path, recording: str) -> RunFolder:
    shutil.copytree(FIXTURES / recording, place)
    folder = RunFolder.open(place)
    probes = load_probes()
    texts, digests = load_models(None, probes)
    folder.write_models(texts)
    made = {"probes": {id_: one.digest for id_, one in probes.items()}, "models": digests}
    folder.write_run(folder.run().model_copy(update={"environment": "production", **made}))
    judge_folder(folder, probes)
    return folder


def _attest(desk: Path, base: str) -> Path:
    (desk / "charter.txt").write_text("The council meets every month.\n")
    digest = hashlib.sha256((desk / "charter.txt").read_bytes()).hexdigest()
    (desk / "provider.yaml").write_text(
        f"schema: prober/provider/1\norganisation: {ENTITY}\ncountry: US\nenvironment: production\n"
        f"fhir_bases: [{base}]\n"
    )
    path = desk / "attestations.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "schema": "prober/attestations/1",
                "attestations": [
                    {
                        "id": "charter",
                        "requirements": ["S8.GOV.1/L1/owner", "S8.GOV.1/L2/charter"],
                        "claim": "A council owns interoperability",
                        "kind": "policy",
                        "class": "E2",
                        "issuer": ENTITY,
                        "signer_role": "Chief information officer",
                        "issued": "2026-06-01",
                        "entity": ENTITY,
                        "document": {"title": "Charter", "file": "charter.txt", "sha256": digest},
                    }
                ],
            }
        )
    )
    return path


def test_documents_are_added_to_a_copy_and_the_run_stays_as_it_is(recorded: Path, desk: Path, prober: Call) -> None:
    _attest(desk, RunFolder(recorded).run().subject)
    before = {path.name: path.read_bytes() for path in recorded.iterdir() if path.is_file()}
    ended = prober(
        "score", recorded, "--attestations", "attestations.yaml", "--out", "more", "--as-of", AS_OF, "--json"
    )
    assert ended.code == 0, ended.err
    assert {path.name: path.read_bytes() for path in recorded.iterdir() if path.is_file()} == before
    council = next(one for one in json.loads(ended.out)["maturity"]["criteria"] if one["id"] == "S8.GOV.1")
    assert (council["state"], council["knowledge"]) == ("L1+?", "attested")
    copy = RunFolder.open(desk / "more")
    assert copy.run().parent is not None
    assert [one.id for one in copy.attestations()] == ["charter"]
    assert "report.html" in {path.name for path in copy.path.iterdir()}
    again = prober("score", "more", "--as-of", AS_OF, "--json")
    assert again.out == ended.out


def test_more_to_rely_on_needs_a_place_of_its_own(recorded: Path, desk: Path, prober: Call) -> None:
    _attest(desk, RunFolder(recorded).run().subject)
    ended = prober("score", recorded, "--attestations", "attestations.yaml")
    assert ended.code == 2
    assert "say with --out DIR where it is to lie" in ended.err


def test_a_faulty_file_of_attestations_is_told_before_anything_is_sent(desk: Path, prober: Call) -> None:
    with Sandbox() as box:
        path = _attest(desk, box.base_url)
        path.write_text(path.read_text().replace(ENTITY, "Another Hospital"))
        ended = prober("run", "--provider", "provider.yaml", "--out", "out")
        assert ended.code == 2
        assert "attestations.yaml:" in ended.err
        assert not (desk / "out").exists()
        assert box.log == []


def test_attestations_beside_the_provider_file_go_into_the_run(desk: Path, prober: Call) -> None:
    with Sandbox() as box:
        _attest(desk, box.base_url)
        path = desk / "provider.yaml"
        # A sandbox is asked at its own pace.
        path.write_text(path.read_text().replace("environment: production", "environment: sandbox"))
        ended = prober(
            "run", "--provider", "provider.yaml", "--depth", "discovery", "--pace", "sandbox", "--out", "out", "--json"
        )
    assert ended.code == 0, ended.err
    (line,) = json.loads(ended.out)["maturity"]["attestations"]
    assert (line["id"], line["state"], line["inspected"]) == ("charter", "counts", None)
    assert [one.id for one in RunFolder(desk / "out").attestations()] == ["charter"]
    assert not list((desk / "out").rglob("charter.txt")), "a document that is not public is copied nowhere"


def test_an_earlier_night_is_relied_on_and_only_an_earlier_one(
    judged: Path, recorded: Path, desk: Path, prober: Call
) -> None:
    run = RunFolder(recorded).run()
    _again(judged, desk / "before", id="20261122T020000Z-0000beef", started="2026-11-22T02:00:00.000000Z")
    ended = prober("score", recorded, "--history", "before", "--out", "more", "--as-of", AS_OF, "--json")
    assert ended.code == 0, ended.err
    lines = RunFolder(desk / "more").history()
    assert {one.run for one in lines} == {"20261122T020000Z-0000beef"}
    assert {one.probe for one in lines} == set(load_probes())
    statement = next(one for one in json.loads(ended.out)["maturity"]["criteria"] if one["id"] == "S8.STD.1")
    assert "It was seen in a single night." not in statement["confidence_because"]
    later = _again(judged, desk / "later", id="20261125T020000Z-0000beef", started="2026-11-25T02:00:00.000000Z")
    ended = prober("score", recorded, "--history", later.path, "--out", "wrong")
    assert ended.code == 2
    assert f"did not begin before {recorded}" in ended.err
    assert run == RunFolder(recorded).run()


def test_the_next_steps_name_the_label_and_the_disclaimer(recorded: Path, prober: Call) -> None:
    ended = prober("next", recorded, "--as-of", AS_OF)
    assert ended.code == 0, ended.err
    assert "Above it" in ended.out
    assert "HIMSS has not proposed, reviewed or endorsed it" in " ".join(ended.out.split())


def test_a_criterion_is_explained_with_and_without_a_run(recorded: Path, prober: Call) -> None:
    plain = prober("explain", "S8.GOV.1")
    assert plain.code == 0, plain.err
    assert "Here" not in plain.out
    here = prober("explain", "S8.STD.1", "--run", recorded)
    assert here.code == 0, here.err
    assert "Here" in here.out
    ended = prober("explain", "S8.GOV.11")
    assert (ended.code, ended.out) == (2, "")
    assert (
        ended.err
        == "prober: S8.GOV.11: the rule book stage8_proposal has no criterion of this name; did you mean S8.GOV.1?\n"
    )


@pytest.mark.parametrize(
    ("label", "code"),
    some_rows(
        [("Emerging", 3), ("emerging", 3), ("Meets", 3), ("Exceeds the proposal's criteria (self-assessed)", 3)],
        every=4,
    ),
)
def test_a_label_may_be_the_threshold(label: str, code: int, recorded: Path, desk: Path, prober: Call) -> None:
    prober("score", recorded, "--as-of", AS_OF)
    ended = prober("score", recorded, "--as-of", AS_OF, "--fail-under", label)
    assert ended.code == code, ended.err


def test_a_label_that_no_turn_of_luck_can_reach_ends_with_1(recorded: Path, prober: Call) -> None:
    folder = RunFolder(recorded)
    lost = [
        one.model_copy(update={"verdict": one.verdict.model_copy(update={"outcome": "absent", "reason": None})})
        if one.source.probe == "smart_configuration_served"
        else one
        for one in folder.findings()
    ]
    folder.write_findings(tuple(lost))
    assert prober("score", recorded, "--as-of", AS_OF, "--fail-under", "Progressing").code == 1
    assert prober("score", recorded, "--as-of", AS_OF, "--fail-under", "Emerging").code == 3


def test_a_label_that_the_book_lacks_is_told(recorded: Path, prober: Call) -> None:
    ended = prober("score", recorded, "--as-of", AS_OF, "--fail-under", "Gold")
    assert ended.code == 2
    assert "say a label of the rule book (Emerging, Progressing, Candidate," in ended.err
