"""More of bundles: whole periods, parts of originals that are disclosed, what lies in one, and the commands."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.samples import DEEP

from prober.archive import RunFolder, collected_digest
from prober.audit.seal import Wish, period_of, seal
from prober.audit.verify import Verified, verify
from prober.clock import SystemClock, VirtualClock
from prober.keys import Signer, new_key, own_key, public_pem
from prober.ledger import Ledger
from prober.library import load_probes
from prober.mistake import Mistake
from prober.nouns.provider import Provider
from prober.nouns.scorecard import Scorecard
from prober.pipeline import Options, prepare
from prober.sandbox import Sandbox
from prober.stages import run_stage
from prober.supplement import supplemented

HELD = "S8.STD.2/L4/held"
NIGHTS = 30


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return new_key(tmp_path / "key.pem", VirtualClock())


def checked(path: Path, signer: Signer) -> Verified:
    found = verify(path, load_probes(), signer.public, {})
    assert found.underived is None
    return found


def inside(path: Path, ending: str) -> bytes:
    with zipfile.ZipFile(path) as box:
        return box.read(next(name for name in box.namelist() if name.endswith(ending)))


def truth(card: Scorecard, requirement: str) -> str:
    assert card.maturity is not None
    return next(str(one.truth) for row in card.maturity.criteria for one in row.requirements if one.id == requirement)


def a_month(place: Path, recorded: Path, *, nights: int = NIGHTS, killed: int = 0) -> Ledger:
    """A run every night of October, by the ledger; one of them may have been killed before its end."""
    ledger = Ledger(place / "ledger")
    for night in range(1, nights + 1):
        path = place / "runs" / f"{night:02}"
        shutil.copytree(recorded, path)
        folder = RunFolder.open(path)
        day = f"2026-10-{night:02}T02:00"
        times = {"started": f"{day}:00.000000Z", "ended": f"{day}:09.000000Z", "as_of": f"{day}:09.000000Z"}
        run = folder.run().model_copy(update={"id": f"202610{night:02}T020000Z-0000000a", **times})
        entry = ledger.began(run)
        if night == killed:
            folder.write_run(run.model_copy(update={"ended": None, "as_of": None, "done": None}))
            for name in ("findings.jsonl", "scorecard.json"):
                (path / name).unlink()
            continue
        folder.write_run(run)
        entry.ended(times["ended"], "complete", collected_digest(folder))
    return ledger


@DEEP
def test_a_period_holds_every_run_and_its_series_counts(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path]
) -> None:
    ledger = a_month(tmp_path, scored_run("leader"), killed=12)
    wish = Wish((tmp_path / "runs",), signer, period=period_of("2026-10-01..2026-10-30"), ledger=ledger.folder)
    sealed = seal(wish, load_probes(), tmp_path / "month.zip")
    found = checked(sealed.path, signer)
    assert len(found.facts.runs) == NIGHTS
    assert found.facts.rated == ("20261030T020000Z-0000000a",)
    assert [one.ending for one in found.facts.runs].count(None) == 1
    assert truth(found.card, HELD) == "true"
    page = inside(sealed.path, "README.html").decode()
    assert "Run 30 of 30 against this base since 2026-10-01" in page
    assert "Every run from 2026-10-01 to 2026-10-30, also those that were aborted." in page
    # Bodies that are the same every night lie in it once.
    assert sealed.size < sealed.raw / 3
    # One run alone knows of no series, whatever nights there were.
    alone = seal(Wish((tmp_path / "runs" / "30",), signer, ledger=ledger.folder), load_probes(), tmp_path / "one.zip")
    assert truth(checked(alone.path, signer).card, HELD) == "unknown"


@DEEP
def test_a_short_period_holds_its_aborted_run_too_and_decides_no_series(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path]
) -> None:
    ledger = a_month(tmp_path, scored_run("laggard"), nights=3, killed=2)
    wish = Wish((tmp_path / "runs",), signer, period=period_of("2026-10-01..2026-10-03"), ledger=ledger.folder)
    found = checked(seal(wish, load_probes(), tmp_path / "x.zip").path, signer)
    assert [one.ending for one in found.facts.runs] == ["complete", None, "complete"]
    assert found.facts.rated == ("20261003T020000Z-0000000a",)
    assert truth(found.card, HELD) != "true"


@DEEP
def test_a_period_without_one_of_its_runs_is_not_sealed(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path]
) -> None:
    ledger = a_month(tmp_path, scored_run("laggard"), nights=4)
    shutil.rmtree(tmp_path / "runs" / "02")
    wish = Wish((tmp_path / "runs",), signer, period=period_of("2026-10-01..2026-10-04"), ledger=ledger.folder)
    with pytest.raises(Mistake, match="has a run of this period that was not given: 20261002T020000Z"):
        seal(wish, load_probes(), tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()
    after = replace(wish, period=period_of("2026-10-03..2026-10-04"))
    assert len(checked(seal(after, load_probes(), tmp_path / "y.zip").path, signer).facts.runs) == 2


@DEEP
def test_a_run_scored_with_earlier_nights_is_sealed_with_them_only(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path]
) -> None:
    ledger = a_month(tmp_path, scored_run("laggard"), nights=2)
    nights = [RunFolder.open(tmp_path / "runs" / name) for name in ("01", "02")]
    with_history = supplemented(nights[1], tmp_path / "with", None, [nights[0]])
    wish = Wish((with_history.path,), signer, ledger=ledger.folder)
    with pytest.raises(Mistake, match="was scored with the run 20261001T020000Z-0000000a before it"):
        seal(wish, load_probes(), tmp_path / "x.zip")
    both = replace(wish, runs=(nights[0].path, with_history.path), period=period_of("2026-10-01..2026-10-02"))
    found = checked(seal(both, load_probes(), tmp_path / "x.zip").path, signer)
    assert [one.id[:8] for one in found.facts.runs] == ["20261001", "20261002"]


def test_a_period_that_no_ledger_counts_is_not_sealed(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path]
) -> None:
    a_month(tmp_path, scored_run("laggard"), nights=2)
    wish = Wish((tmp_path / "runs",), signer, period=period_of("2026-10-01..2026-10-02"), ledger=tmp_path / "none")
    with pytest.raises(Mistake, match="is in no ledger that was found"):
        seal(wish, load_probes(), tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-10-01", "the first and the last day"),
        ("2026-10-02..2026-10-01", "the first and the last day"),
        ("2026-10-01..2026-13-01", "the first and the last day"),
        ("20261001..20261002", "the first and the last day"),
        ("..", "the first and the last day"),
    ],
)
def test_what_is_no_period_is_told(text: str, sentence: str) -> None:
    with pytest.raises(Mistake, match=sentence):
        period_of(text)


@DEEP
def test_several_bases_are_one_bundle_and_two_nights_of_one_base_are_not(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path]
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    shutil.copytree(scored_run("laggard"), first)
    shutil.copytree(scored_run("leader_tls"), second)
    wish = Wish((first, second), signer, ledger=tmp_path / "none")
    folders = [RunFolder.open(one) for one in (first, second)]
    assert folders[0].run().subject != folders[1].run().subject
    found = checked(seal(wish, load_probes(), tmp_path / "x.zip").path, signer)
    assert len(found.card.subjects) == len(found.facts.rated) == 2
    with pytest.raises(Mistake, match="was given twice"):
        seal(replace(wish, runs=(first, first)), load_probes(), tmp_path / "y.zip")
    folders[1].write_run(folders[0].run().model_copy(update={"id": "another"}))
    with pytest.raises(Mistake, match="look at the same base"):
        seal(wish, load_probes(), tmp_path / "y.zip")


def test_a_run_that_never_ended_is_not_rated(tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path]) -> None:
    shutil.copytree(scored_run("laggard"), tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    folder.write_run(folder.run().model_copy(update={"ended": None, "done": None, "as_of": None}))
    with pytest.raises(Mistake, match="never ended"):
        seal(Wish((folder.path,), signer, ledger=tmp_path / "none"), load_probes(), tmp_path / "x.zip")


def attested(tmp_path: Path, recorded: Path) -> tuple[RunFolder, str, str]:
    """A run with two documents, of which one is public."""
    for name, content in (("public.txt", "We meet monthly."), ("private.txt", "Minutes: canary-private-77")):
        (tmp_path / "papers" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "papers" / name).write_text(content)
    digests = [
        hashlib.sha256((tmp_path / "papers" / name).read_bytes()).hexdigest() for name in ("public.txt", "private.txt")
    ]
    from prober.nouns.attestation import Attestation

    def one(id_: str, digest: str, *, public: bool) -> Attestation:
        return Attestation.model_validate(
            {
                "id": id_,
                "requirements": ["S8.GOV.1/L1/group"],
                "claim": "A council meets every month.",
                "kind": "record",
                "class": "E2",
                "issuer": "Example Hospital",
                "signer_role": "CIO",
                "issued": "2026-10-01",
                "entity": "Example Hospital",
                "document": {"title": f"The {id_} charter", "sha256": digest, "public": public},
                "inspected": {"by": "A. Auditor", "role": "auditor", "on": "2026-11-01"} if public else None,
            }
        )

    source = RunFolder.open(recorded)
    given = (one("open", digests[0], public=True), one("closed", digests[1], public=False))
    return supplemented(source, tmp_path / "with", given, []), digests[0], digests[1]


def test_public_documents_are_copied_and_private_ones_only_named(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path]
) -> None:
    folder, public, private = attested(tmp_path, scored_run("laggard"))
    wish = Wish((folder.path,), signer, ledger=tmp_path / "none", documents=(tmp_path / "papers",))
    sealed = seal(wish, load_probes(), tmp_path / "x.zip")
    found = checked(sealed.path, signer)
    assert {(one.attestation, one.copied, one.inspected) for one in found.facts.documents} == {
        ("open", True, "A. Auditor, auditor, 2026-11-01"),
        ("closed", False, None),
    }
    assert inside(sealed.path, f"data/documents/{public}") == b"We meet monthly."
    assert b"canary-private-77" not in sealed.path.read_bytes()
    page = inside(sealed.path, "README.html").decode()
    assert private in page
    assert "not inspected" in page


@DEEP
def test_waivers_are_shown_and_change_no_score(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path]
) -> None:
    waiver = {"about": "jwks_published", "reason": "Vendor release in May.", "owner": "CIO", "expires": "2027-05-31"}
    (tmp_path / "waivers.yaml").write_text(yaml.safe_dump({"schema": "prober/waivers/1", "waivers": [waiver]}))
    plain = Wish((scored_run("laggard"),), signer, ledger=tmp_path / "none")
    without = seal(plain, load_probes(), tmp_path / "a.zip")
    waived = seal(replace(plain, waivers=tmp_path / "waivers.yaml"), load_probes(), tmp_path / "b.zip")
    assert inside(waived.path, "data/scorecard.json") == inside(without.path, "data/scorecard.json")
    assert "Vendor release in May." in inside(waived.path, "README.html").decode()
    assert checked(waived.path, signer).facts.waivers[0].owner == "CIO"


@DEEP
def test_own_rules_are_announced_on_the_first_page(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path], prober: Callable[..., Any]
) -> None:
    shutil.copytree(scored_run("laggard"), tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    texts = folder.models()
    assert "weight: 3" in texts[1]
    folder.write_models((texts[0], texts[1].replace("weight: 3", "weight: 2", 1)))
    sealed = seal(Wish((folder.path,), signer, ledger=tmp_path / "none"), load_probes(), tmp_path / "x.zip")
    assert [one.released for one in checked(sealed.path, signer).facts.models] == [True, False]
    assert "<strong>Own rules.</strong>" in inside(sealed.path, "README.html").decode()
    (tmp_path / "pub.pem").write_bytes(public_pem(signer.public))
    assert "Own rules: stage8_proposal" in prober("verify", sealed.path, "--key", tmp_path / "pub.pem").out
    assert "own rules" in prober("export", sealed.path, "--as", "badge", "--out", tmp_path / "badge").out or (
        "own rules" in (tmp_path / "badge" / "badge.svg").read_text()
    )


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of what counts as real data, with a custodian: run/ and held/."""
    place = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch, Sandbox() as box:
        patch.setenv("REAL_TOKEN", box.token)
        provider = Provider(
            organisation="Example",
            environment="production",
            fhir_bases=(box.base_url,),
            test_patients=("example-patient-01",),
        )
        options = Options(
            target=box.base_url,
            provider=provider,
            bearer_env="REAL_TOKEN",
            deadline=60,
            custodian=place / "held",
            ledger=place / "ledger",
        )
        prepared = prepare(options, SystemClock())
        quick = replace(prepared, plan=prepared.plan.model_copy(update={"pace": "sandbox"}))
        run_stage(
            [quick], out=place / "run", whole=True, fail_under=None, as_of=None, as_json=False, say=lambda _: None
        )
    return place


def values(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """The stored Patients of a run by exchange."""
    return {
        id_: one.document
        for id_, one in folder.exchanges().items()
        if one.resource_type == "Patient" and one.status == 200
    }


@DEEP
def test_a_kept_value_is_proved_to_belong_to_the_withheld_original(
    real: Path, tmp_path: Path, signer: Signer, prober: Callable[..., Any]
) -> None:
    sealed = seal(Wish((real / "run",), signer, ledger=real / "ledger"), load_probes(), tmp_path / "x.zip")
    found = checked(sealed.path, signer)
    assert found.facts.contents == "real"
    assert found.facts.committed
    assert "treat the whole bundle as patient data" in inside(sealed.path, "README.html").decode()
    exchange, patient = next(iter(values(RunFolder.open(real / "run")).items()))
    (tmp_path / "pub.pem").write_bytes(public_pem(signer.public))
    proof = tmp_path / "proof.json"
    asked = ("--exchange", exchange, "--custodian", real / "held")
    made = prober(
        "bundle", "disclose", sealed.path, *asked, "--pointer", "/resourceType", "--pointer", "/gender", "--out", proof
    )
    assert made.code == 0, made.err
    key = ("--key", tmp_path / "pub.pem")
    told = prober("verify", sealed.path, *key, "--disclosure", proof)
    assert told.code == 0
    assert f'Disclosed  /gender of {exchange} is "{patient["gender"]}", as in the withheld original.' in told.out
    # What was withheld cannot be disclosed: its placeholder is not a value of the original.
    withheld = prober("bundle", "disclose", sealed.path, *asked, "--pointer", "/birthDate")
    assert withheld.code == 2
    assert "a placeholder stands in its place" in withheld.err
    (key_file,) = (real / "held").glob("*.key")
    assert key_file.read_text().strip().encode() not in sealed.path.read_bytes()
    for change in (
        {"value": '"male"' if patient["gender"] != "male" else '"female"'},
        {"salt": "0" * 64},
        {"index": 0},
        {"pointer": "/birthDate"},
    ):
        disclosure = json.loads(proof.read_text())
        disclosure["values"][1].update(change)
        (tmp_path / "false.json").write_text(json.dumps(disclosure))
        refused = prober("verify", sealed.path, *key, "--disclosure", tmp_path / "false.json")
        assert refused.code in (1, 2)
        assert "Disclosed" not in refused.out


@DEEP
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--exchange", "0000000000000000.1", "--pointer", "/gender"), "no exchange of this id"),
        (("--exchange", "EXCHANGE", "--pointer", "/nothing/0"), "has nothing there"),
        (("--exchange", "EXCHANGE", "--pointer", "/name"), "not one value but a structure"),
    ],
)
def test_what_cannot_be_disclosed_is_told(
    real: Path,
    tmp_path: Path,
    signer: Signer,
    prober: Callable[..., Any],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    sealed = seal(Wish((real / "run",), signer, ledger=real / "ledger"), load_probes(), tmp_path / "x.zip")
    exchange = next(iter(values(RunFolder.open(real / "run"))))
    said = [one.replace("EXCHANGE", exchange) for one in arguments]
    ended = prober("bundle", "disclose", sealed.path, "--custodian", real / "held", *said)
    assert ended.code == 2
    assert sentence in ended.err


@DEEP
def test_without_a_custodian_nothing_can_be_disclosed_and_the_words_say_why(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path], prober: Callable[..., Any]
) -> None:
    sealed = seal(Wish((scored_run("leader"),), signer, ledger=tmp_path / "none"), load_probes(), tmp_path / "x.zip")
    exchange = next(id_ for id_, one in RunFolder.open(scored_run("leader")).exchanges().items() if one.body)
    given = ("--exchange", exchange, "--pointer", "/resourceType", "--custodian", tmp_path)
    ended = prober("bundle", "disclose", sealed.path, *given)
    assert ended.code == 2
    assert "kept no commitment to the original" in ended.err


@DEEP
def test_the_commands_seal_verify_and_judge_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scored_run: Callable[[str], Path], prober: Callable[..., Any]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PROBER_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(scored_run("laggard"), tmp_path / "run")
    assert "There is no key to sign with" in prober("bundle", "run").err
    new_key(own_key(), VirtualClock())
    made = prober("bundle", "run", "--out", "b.zip", "--run-by", "vendor: ACME")
    assert made.code == 0
    assert "ACME: the vendor of the software that is looked at" in inside(tmp_path / "b.zip", "README.html").decode()
    told = prober("verify", "b.zip")
    assert told.code == 0
    assert "trusted as your own key" in told.out
    assert "in no ledger that the sealer had" in told.out
    again = prober("rejudge", "b.zip", "--out", "again")
    assert again.code == 0
    assert "the same scorecard, byte for byte" in again.out
    assert (tmp_path / "again" / "scorecard.json").read_bytes() == inside(tmp_path / "b.zip", "data/scorecard.json")
    for wrong, sentence in (
        (("bundle", "run", "--run-by", "nobody"), "say provider, vendor or independent"),
        (("bundle", "nowhere"), "holds none"),
        (("bundle", "run", "--documents", "nowhere"), "not a folder"),
        (("verify", "nowhere.zip"), "not a file"),
        (("verify", "run"), "not a file"),
        (("verify", "b.zip", "--key", "b.zip"), "too large to be a key"),
        (("export", "b.zip", "--as", "oscal"), "say with --out DIR"),
        (("export", "b.zip", "--as", "pdf"), "give one of oscal"),
    ):
        ended = prober(*wrong)
        assert ended.code == 2, wrong
        assert sentence in ended.err
    without = prober("bundle")
    assert without.code == 2
    assert "Missing argument" in without.err


@DEEP
def test_another_rule_book_changes_what_it_changes_and_says_why(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path], prober: Callable[..., Any]
) -> None:
    run = RunFolder.open(scored_run("leader"))
    sealed = seal(Wish((run.path,), signer, ledger=tmp_path / "none"), load_probes(), tmp_path / "x.zip")
    book = run.models()[1]
    asked = "met_by: {is: {probe: software_named}}"
    assert asked in book
    (tmp_path / "own.yaml").write_text(book.replace(asked, "met_by: {is: {probe: software_named, outcome: absent}}"))
    ended = prober("rejudge", sealed.path, "--model", tmp_path / "own.yaml")
    assert ended.code == 0, ended.err
    assert "byte for byte" not in ended.out
    lines = ended.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("S8.STD.1 level"))
    assert lines[at + 1] == "    because S8.STD.1/L4/software: true → false"


@DEEP
def test_exports_of_a_bundle_and_of_its_run_are_the_same(
    tmp_path: Path, signer: Signer, scored_run: Callable[[str], Path], prober: Callable[..., Any]
) -> None:
    from prober.cli_bundle import EXPORTS
    from prober.export import EXPORTS as ALL

    assert EXPORTS == ALL
    run = scored_run("laggard")
    sealed = seal(Wish((run,), signer, ledger=tmp_path / "none"), load_probes(), tmp_path / "x.zip")
    for kind in ("junit", "har", "badge"):
        for source, name in ((sealed.path, "bundle"), (run, "run")):
            assert prober("export", source, "--as", kind, "--out", tmp_path / name / kind).code == 0
        made = sorted((tmp_path / "bundle" / kind).iterdir())
        assert made
        for path in made:
            assert path.read_bytes() == (tmp_path / "run" / kind / path.name).read_bytes()
    printed = prober("export", sealed.path, "--as", "junit").out
    assert printed == (tmp_path / "bundle" / "junit" / "junit.xml").read_text().rstrip("\n") + "\n"


def test_what_this_version_catches_is_in_the_package_and_up_to_date() -> None:
    """Write it anew with `scripts/record-defects`."""
    import prober
    from prober.playground import expected_catches

    told = json.loads(Path(prober.__file__).with_name("known_answers.json").read_text())
    probes = load_probes()
    assert {row["defect"]: row["probe"] for row in told["rows"]} == {
        defect: catch.probe for defect, catch in expected_catches().items()
    }
    assert all(row["caught"] for row in told["rows"])
    assert {row["probe"]: row["digest"] for row in told["rows"]} == {
        row["probe"]: probes[row["probe"]].digest for row in told["rows"]
    }
    page = (Path(__file__).parents[1] / "docs" / "defects.md").read_text()
    for row in told["rows"]:
        assert (
            f"| `{row['defect']}` | {row['what']} | `{row['probe']}` | {row['on_healthy']} | {row['on_faulty']} |"
            in page
        )
