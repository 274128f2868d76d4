"""Evidence bundles: sealed, verified and derived again, and refused for every single thing that is not as it was."""

import base64
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from tests.samples import DEEP, some

from prober import merkle
from prober.archive import RunFolder, collected_digest
from prober.audit.seal import Wish, seal
from prober.audit.verify import Verified, verify
from prober.bundle import bag, container, envelope
from prober.clock import VirtualClock
from prober.keys import Signer, new_key, public_pem
from prober.ledger import Ledger, file_name
from prober.library import load_probes
from prober.mistake import Mistake, Refused
from prober.nouns.bundle import Statement

EXCHANGES = "exchanges.jsonl"


def a_key(folder: Path, seed: int = 1) -> Signer:
    path = folder / f"key-{seed}.pem"
    path.unlink(missing_ok=True)
    return new_key(path, VirtualClock(datetime(2026, 1, 1, tzinfo=UTC), seed))


@dataclass(frozen=True)
class Bench:
    """A sealed run, what it was sealed with, and its files."""

    path: Path
    run: Path
    signer: Signer
    name: str
    files: Mapping[str, bytes]

    def again(self, place: Path, files: Mapping[str, bytes]) -> Path:
        """The bundle with other files, in a container that is as it should be."""
        whole = BytesIO()
        container.write({f"{self.name}/{file}": content for file, content in files.items()}, whole)
        place.write_bytes(whole.getvalue())
        return place

    def resealed(self, place: Path, changed: Mapping[str, bytes], signer: Signer | None = None, name: str = "") -> Path:
        """The bundle with other files in data/, its manifests made anew, and signed: by this key or by another."""
        payload = {one.removeprefix(bag.PAYLOAD): content for one, content in self.files.items() if bag.PAYLOAD in one}
        tags = {one: self.files[one] for one in ("README.html", "verify.py")}
        info = dict(line.split(": ", 1) for line in self.files[bag.INFO].decode().splitlines())
        del info["Payload-Oxum"]
        for one, content in changed.items():
            (payload if one not in tags else tags)[one] = content
        files = bag.bagged({one: content for one, content in payload.items() if content != GONE}, tags, info)
        signed = json.loads(self.files[envelope.ENVELOPE])
        predicate = Statement.model_validate_json(base64.b64decode(signed["payload"])).predicate
        if "scorecard.json" in changed:
            digest = hashlib.sha256(changed["scorecard.json"]).hexdigest()
            predicate = predicate.model_copy(update={"scorecard": digest})
        return self.again(place, {**files, **envelope.signed(files, predicate, signer or self.signer)})

    def data(self, ending: str) -> str:
        """The name, below data/, of the first file that ends so."""
        return next(one.removeprefix(bag.PAYLOAD) for one in self.files if one.endswith(ending) and "data/" in one)

    def text(self, ending: str) -> str:
        return self.files[bag.PAYLOAD + self.data(ending)].decode()


GONE = b"\0gone"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, scored_run: Callable[[str], Path]) -> Bench:
    place = tmp_path_factory.mktemp("bench")
    run = place / "run"
    shutil.copytree(scored_run("typical"), run)
    folder = RunFolder.open(run)
    entry = Ledger(place / "ledger").began(folder.run())
    entry.ended(folder.run().ended or "", "complete", collected_digest(folder))
    signer = a_key(place)
    sealed = seal(Wish((run,), signer, ledger=place / "ledger"), load_probes(), place / "b.prober.zip")
    box = container.Container(sealed.path)
    files = {name.partition("/")[2]: bytes(content) for name, content in box.items()}
    return Bench(sealed.path, run, signer, sealed.facts.name, files)


def checked(path: Path, signer: Signer) -> Verified:
    return verify(path, load_probes(), signer.public, {})


def refusal(path: Path, signer: Signer) -> str:
    with pytest.raises(Refused) as refused:
        checked(path, signer)
    return str(refused.value)


def test_a_bundle_holds_and_its_scores_follow_from_it(bench: Bench) -> None:
    found = checked(bench.path, bench.signer)
    assert found.underived is None
    assert found.signer == bench.signer.id == found.facts.signer
    assert found.card.line() + "\n" == (bench.run / "scorecard.json").read_text()
    assert [one.ledger for one in found.facts.runs] == [1]
    assert all(one.released for one in found.facts.models)


def test_the_same_run_gives_the_same_bytes_wherever_it_is_sealed(bench: Bench, tmp_path: Path) -> None:
    shutil.copytree(bench.run, tmp_path / "elsewhere")
    shutil.copytree(bench.run.parent / "ledger", tmp_path / "ledger")
    wish = Wish((tmp_path / "elsewhere",), bench.signer, ledger=tmp_path / "ledger")
    seal(wish, load_probes(), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bench.path.read_bytes()


@DEEP
def test_another_locale_time_zone_and_hash_seed_seal_and_derive_the_same(bench: Bench, tmp_path: Path) -> None:
    strange = {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "77"}
    script = "import sys; from prober import cli; sys.argv = ['prober', 'rejudge', *sys.argv[1:]]; cli.main()"
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", script, str(bench.path), "--out", str(out)],
        env={**os.environ, **strange},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the same scorecard, byte for byte" in done.stdout
    assert (out / "scorecard.json").read_bytes() == bench.files["data/scorecard.json"]


Damage = Callable[[Bench, Path], Path]


def flipped(ending: str) -> Damage:
    """One byte in the middle of a file is another one; container and checksum are made to fit."""

    def damage(bench: Bench, place: Path) -> Path:
        name = next(one for one in bench.files if one.endswith(ending))
        content = bytearray(bench.files[name])
        content[len(content) // 2] ^= 1
        return bench.again(place, {**bench.files, name: bytes(content)})

    return damage


def files(**changes: bytes | None) -> Damage:
    """Files of the bag replaced, added or (None) removed, by names in which `__` stands for a slash and `_` a dot."""

    def damage(bench: Bench, place: Path) -> Path:
        named = {name.replace("__", "/").replace("_", "."): content for name, content in changes.items()}
        kept = {**bench.files, **{name: content for name, content in named.items() if content is not None}}
        return bench.again(
            place, {name: one for name, one in kept.items() if name not in named or named[name] is not None}
        )

    return damage


def renamed(bench: Bench, place: Path) -> Path:
    kept = dict(bench.files)
    kept["data/scores.json"] = kept.pop("data/scorecard.json")
    return bench.again(place, kept)


def swapped(bench: Bench, place: Path) -> Path:
    kept = dict(bench.files)
    one, other = (f"data/{bench.data(ending)}" for ending in (EXCHANGES, "findings.jsonl"))
    kept[one], kept[other] = kept[other], kept[one]
    return bench.again(place, kept)


def older_signature(bench: Bench, place: Path) -> Path:
    """The signature of an earlier sealing of the same run, which named a waiver less."""
    changed = json.loads(bench.files["data/bundle.json"])
    changed["run_by"] = {"role": "vendor", "name": None}
    other = bench.resealed(place, {"bundle.json": line(changed)})
    later = {name.partition("/")[2]: bytes(one) for name, one in container.Container(other).items()}
    return bench.again(place, {**later, **{name: bench.files[name] for name in envelope.OUTSIDE}})


def bomb(bench: Bench, place: Path) -> Path:
    """A stored body that unpacks to more than any body has, signed by the right key."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(66)) + packer.flush()
    whole = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + packed + bytes(8)
    name = bench.data(".gz")
    return bench.resealed(place, {name: whole})


def line(value: object) -> bytes:
    return (json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


def insider(ending: str, change: Callable[[str], str], **more: bytes) -> Damage:
    """A file of the payload changed by whoever holds the key: every manifest fits and the signature is right."""

    def damage(bench: Bench, place: Path) -> Path:
        name = ending if ending in ("README.html", "verify.py") else bench.data(ending)
        before = bench.files.get(name, bench.files.get(bag.PAYLOAD + name, b"")).decode()
        after = change(before)
        assert after != before
        return bench.resealed(place, {name: after.encode(), **more})

    return damage


def outsider(bench: Bench, place: Path) -> Path:
    """Findings edited, and everything signed anew by another key."""
    changed = bench.text("findings.jsonl").replace('"outcome":"absent"', '"outcome":"present"', 1)
    facts = json.loads(bench.files["data/bundle.json"])
    other = a_key(place.parent, seed=9)
    facts["signer"] = other.id
    edited = {bench.data("findings.jsonl"): changed.encode(), "bundle.json": line(facts)}
    return bench.resealed(place, edited, signer=other)


def recomputed(bench: Bench, place: Path) -> Path:
    """The score edited and all manifests made anew, by somebody without the key."""
    edited = re.sub(b'"low":[0-9]+', b'"low":77', bench.files["data/scorecard.json"], count=1)
    made = {name.partition("/")[2]: bytes(one) for name, one in _boxed(bench, place, {"scorecard.json": edited})}
    return bench.again(place, {**made, **{name: bench.files[name] for name in envelope.OUTSIDE}})


def _boxed(bench: Bench, place: Path, changed: Mapping[str, bytes]) -> list[tuple[str, memoryview]]:
    return list(container.Container(bench.resealed(place, changed)).items())


def cut(bench: Bench, place: Path) -> Path:
    place.write_bytes(bench.path.read_bytes()[:-100])
    return place


def ledger_file(change: Callable[[Any], object]) -> Damage:
    def damage(bench: Bench, place: Path) -> Path:
        name = next(one for one in bench.files if one.startswith("data/ledger/")).removeprefix("data/")
        extract = json.loads(bench.files[f"data/{name}"])
        change(extract)
        return bench.resealed(place, {name: line(extract)})

    return damage


def facts(**changes: object) -> Damage:
    def damage(bench: Bench, place: Path) -> Path:
        told = json.loads(bench.files["data/bundle.json"])
        told.update(changes)
        return bench.resealed(place, {"bundle.json": line(told)})

    return damage


def measured(content: bytes) -> Damage:
    def damage(bench: Bench, place: Path) -> Path:
        name = bench.data("/run.json").replace("run.json", "measurements.jsonl")
        return bench.resealed(place, {name: content})

    return damage


def leaf(one: Any) -> str:
    return merkle.leaf_hash(line(one).rstrip(b"\n")).hex()


def run_facts(**changes: object) -> Damage:
    def damage(bench: Bench, place: Path) -> Path:
        told = json.loads(bench.files["data/bundle.json"])
        told["runs"] = [{**one, **changes} for one in told["runs"]]
        return bench.resealed(place, {"bundle.json": line(told)})

    return damage


def facts_of_models(**changes: object) -> Damage:
    def damage(bench: Bench, place: Path) -> Path:
        told = json.loads(bench.files["data/bundle.json"])
        told["models"] = [{**one, **changes} for one in told["models"]]
        return bench.resealed(place, {"bundle.json": line(told)})

    return damage


def _pop(lines: str) -> str:
    return "".join(f"{one}\n" for one in lines.splitlines()[:-1])


DAMAGED: Mapping[str, tuple[Damage, str]] = {
    "flipped_run": (flipped("/run.json"), "run.json was altered"),
    "flipped_provider": (flipped("/provider.json"), "provider.json was altered"),
    "flipped_exchanges": (flipped("/exchanges.jsonl"), "exchanges.jsonl was altered"),
    "flipped_findings": (flipped("/findings.jsonl"), "findings.jsonl was altered"),
    "flipped_scorecard": (flipped("scorecard.json"), "data/scorecard.json was altered"),
    "flipped_models": (flipped(".yaml"), ".yaml was altered"),
    "flipped_body": (flipped(".gz"), ".gz was altered"),
    "flipped_facts": (flipped("bundle.json"), "data/bundle.json was altered"),
    "flipped_known_answers": (flipped("known-answers.json"), "data/known-answers.json was altered"),
    "flipped_page": (flipped("README.html"), "README.html was altered"),
    "flipped_verifier": (flipped("verify.py"), "verify.py was altered"),
    "flipped_bag_info": (flipped("bag-info.txt"), "bag-info.txt was altered"),
    "flipped_bagit": (flipped("bagit.txt"), "bagit.txt is not that of a bag"),
    "flipped_envelope": (flipped("attestation.dsse.json"), "attestation."),
    "flipped_statement": (flipped("attestation.pae"), "attestation.pae is not what the other files"),
    "flipped_signature": (flipped("attestation.sig"), "attestation.sig is not what the other files"),
    "flipped_key": (flipped("signer.pem"), "attestation.dsse.json is not what the other files of the signature say"),
    "flipped_manifest": (flipped("/manifest-sha256.txt"[1:]), "manifest-sha256.txt"),
    "file_added": (files(data__extra_txt=b"x"), "data/extra.txt is in no manifest: it was added"),
    "tag_file_added": (files(NOTE_txt=b"x"), "NOTE.txt is in no manifest: it was added"),
    "file_removed": (files(data__scorecard_json=None), "data/scorecard.json is missing"),
    "file_renamed": (renamed, "data/scorecard.json is missing"),
    "files_swapped": (swapped, "was altered"),
    "page_removed": (files(README_html=None), "README.html is missing"),
    "signature_stripped": (
        files(**{"attestation_dsse_json": None, "attestation_pae": None, "attestation_sig": None}),
        "attestation.dsse.json is missing: the bundle is not signed, or its signature was taken away",
    ),
    "signature_older": (older_signature, "The signature is about other files"),
    "cut_off": (cut, "The file is cut off"),
    "bomb": (bomb, "unpacks to more than"),
    "score_edited": (recomputed, "The signature is about other files"),
    "findings_edited_and_signed_by_another": (outsider, "It was signed by the key"),
    "insider_findings": (
        insider("findings.jsonl", lambda text: text.replace('"outcome":"absent"', '"outcome":"present"', 1)),
        "does not follow from its evidence",
    ),
    "insider_finding_dropped": (insider("findings.jsonl", _pop), "has not the findings that follow"),
    "insider_score": (
        insider("scorecard.json", lambda text: re.sub('"low":[0-9]+', '"low":77', text, count=1)),
        "The scorecard does not follow from the findings",
    ),
    "insider_page": (
        insider("README.html", lambda text: text.replace("refuted", "shown", 1)),
        "README.html is not what the other files of the bundle say",
    ),
    "insider_verifier": (
        insider("verify.py", lambda text: text.replace("was altered", "is fine")),
        "verify.py is not what the other files of the bundle say",
    ),
    "insider_exchange_dropped": (insider("exchanges.jsonl", _pop), "is a body that no exchange has"),
    "insider_time": (
        insider("/run.json", lambda text: text.replace('"as_of":"2', '"as_of":"1', 1)),
        "says otherwise of the run",
    ),
    "insider_spacing": (
        insider("/run.json", lambda text: text.replace(",", ", ", 1)),
        "not written in its one legal form",
    ),
    "insider_no_line_end": (insider("findings.jsonl", lambda text: text[:-1]), "does not end with a whole line"),
    "insider_rule_book": (
        insider(".yaml", lambda text: text.replace("weight: 3", "weight: 2", 1)),
        "its SHA-256 is another",
    ),
    "future_schema": (facts(schema="prober/bundle/2"), "this prober reads prober/bundle/1 only"),
    "schema_missing": (insider("bundle.json", lambda _: "[]\n"), "does not say what it is"),
    "rated_elsewhere": (facts(rated=["20200101T000000Z-00000000"]), "rests on a run that is not in the bundle"),
    "own_rules_called_released": (facts(models=[]), "names other rule books than those in the bundle"),
    "own_rules_said_to_be_released": (
        facts_of_models(released=False),
        "says that rule books are released which are not, or the other way round",
    ),
    "ledger_begins_late": (
        ledger_file(lambda one: one.update(before=1, peaks=[leaf(one["lines"].pop(0))])),
        "begins too late in the bundle",
    ),
    "ledger_denied": (run_facts(ledger=None), "no run in it lies in the bundle"),
    "run_with_a_strange_id": (run_facts(id="../blobs"), "is not what prober writes"),
    "insider_known_answers": (
        insider("known-answers.json", lambda text: text.replace('"caught":true', '"caught":false', 1)),
        "known-answers.json is not that of this prober",
    ),
    "insider_measurements": (measured(b"Jane Doe\n"), "is not a measurement as prober writes it"),
    "other_version": (facts(prober="99.0"), "names another version of prober"),
    "contents": (facts(contents="public"), "contents differs"),
    "commitments": (facts(committed=True), "committed differs"),
    "documents": (
        facts(documents=[{"attestation": "a", "title": "t", "sha256": "0" * 64, "copied": False, "inspected": "me"}]),
        "documents differs",
    ),
    "period": (facts(period={"first": "2020-01-01", "last": "2020-01-02"}), "does not lie in the period"),
    "other_name": (facts(name="another"), "The bundle calls itself another"),
    "other_signer": (facts(signer="0" * 64), "and another one did"),
    "ledger_line_removed": (
        ledger_file(lambda one: one["lines"].pop()),
        "not those that its checkpoint was signed over",
    ),
    "ledger_line_altered": (
        ledger_file(lambda one: one["lines"][0].update(time="2020-01-01T00:00:00.000000Z")),
        "does not follow the line before it",
    ),
    "ledger_evidence_altered": (
        ledger_file(lambda one: one["lines"][-1].update(evidence="0" * 64)),
        "not those that its checkpoint was signed over",
    ),
    "ledger_number": (
        ledger_file(lambda one: one["lines"][0].update(number=2)),
        "a line was removed or added",
    ),
    "ledger_peaks": (ledger_file(lambda one: one.update(before=3)), "do not fit their number"),
    "checkpoint_altered": (
        ledger_file(lambda one: one.update(checkpoint=str(one["checkpoint"]).replace("\n2\n", "\n1\n"))),
        "was not signed by the key of this bundle",
    ),
    "checkpoint_no_note": (ledger_file(lambda one: one.update(checkpoint="2 lines")), "is not a signed note"),
}


@pytest.mark.parametrize("name", some(DAMAGED, every=4))
def test_a_damaged_bundle_is_refused_for_what_is_wrong_with_it(
    name: str,
    bench: Bench,
    tmp_path: Path,
) -> None:
    damage, sentence = DAMAGED[name]
    path = damage(bench, tmp_path / f"{name}.prober.zip")
    said = refusal(path, bench.signer)
    assert sentence in said
    assert said.endswith((".", "missing."))


def test_every_damage_has_a_sentence_of_its_own_on_the_command_line(
    bench: Bench, tmp_path: Path, prober: Callable[..., Any]
) -> None:
    (tmp_path / "key.pem").write_bytes(public_pem(bench.signer.public))
    for name in ("file_added", "signature_stripped", "insider_score", "future_schema", "cut_off"):
        path = DAMAGED[name][0](bench, tmp_path / f"{name}.prober.zip")
        ended = prober("verify", path, "--key", tmp_path / "key.pem")
        assert ended.code == 1
        assert ended.out == ""
        assert ended.err.startswith("prober: Refused: ")
        assert ended.err.count("\n") == 1


def test_files_of_another_bundle_do_not_fit(bench: Bench, tmp_path: Path, scored_run: Callable[[str], Path]) -> None:
    other = seal(Wish((scored_run("laggard"),), bench.signer, ledger=tmp_path), load_probes(), tmp_path / "o.zip")
    theirs = {name.partition("/")[2]: bytes(one) for name, one in container.Container(other.path).items()}
    card = bench.again(tmp_path / "x.zip", {**bench.files, "data/scorecard.json": theirs["data/scorecard.json"]})
    assert "data/scorecard.json was altered" in refusal(card, bench.signer)
    taken = {name: theirs[name] for name in envelope.OUTSIDE}
    signature = bench.again(tmp_path / "y.zip", {**bench.files, **taken})
    assert "It belongs to another bundle" in refusal(signature, bench.signer)


def test_an_unknown_key_is_refused_until_it_is_named_or_trusted(bench: Bench) -> None:
    probes = load_probes()
    with pytest.raises(Refused, match="which you do not trust"):
        verify(bench.path, probes, None, {})
    assert verify(bench.path, probes, None, {bench.signer.id: "somebody"}).signer == bench.signer.id


def test_another_package_never_passes_as_derived_whatever_it_hides(bench: Bench, tmp_path: Path) -> None:
    """Whoever holds the key could name any digest, so that the page cannot be made again: that does not pass."""
    told = json.loads(bench.files["data/bundle.json"])
    changed = {"bundle.json": line({**told, "package": "0" * 64}), "README.html": b"<h1>All is well</h1>"}
    found = checked(bench.resealed(tmp_path / "x.zip", changed), bench.signer)
    assert found.underived is not None
    assert found.underived.startswith("not re-derived as a whole: needs prober with the files that sealed it")


def test_other_probes_leave_the_scores_underived_and_everything_else_checked(bench: Bench, tmp_path: Path) -> None:
    probes = dict(load_probes())
    first = next(iter(probes))
    del probes[first]
    found = verify(bench.path, probes, bench.signer.public, {})
    assert found.underived is not None
    assert found.underived.startswith("not re-derived: needs prober ")
    assert first in found.underived
    damaged = DAMAGED["flipped_body"][0](bench, tmp_path / "x.zip")
    with pytest.raises(Refused):
        verify(damaged, probes, bench.signer.public, {})


def test_evidence_that_changed_after_the_run_is_not_sealed(bench: Bench, tmp_path: Path) -> None:
    shutil.copytree(bench.run, tmp_path / "run")
    path = tmp_path / "run" / EXCHANGES
    path.write_text(path.read_text().replace('"started":"2026', '"started":"2025', 1))
    with pytest.raises(Mistake, match="altered after the run ended"):
        seal(Wish((tmp_path / "run",), bench.signer, ledger=bench.run.parent / "ledger"), load_probes(), None)
    (tmp_path / "run" / "findings.jsonl").write_text(_pop((bench.run / "findings.jsonl").read_text()))
    with pytest.raises(Mistake, match="do not follow from the evidence"):
        seal(Wish((tmp_path / "run",), bench.signer, ledger=tmp_path / "none"), load_probes(), None)


def test_a_run_that_no_ledger_knows_says_so(bench: Bench, tmp_path: Path) -> None:
    sealed = seal(Wish((bench.run,), bench.signer, ledger=tmp_path / "none"), load_probes(), tmp_path / "x.zip")
    assert sealed.facts.runs[0].ledger is None
    page = {name.partition("/")[2]: bytes(one) for name, one in container.Container(sealed.path).items()}["README.html"]
    assert b"in no ledger that the sealer had" in page
    assert checked(sealed.path, bench.signer).ledgers == {}


@DEEP
def test_the_page_counts_the_runs_that_the_ledger_knows(bench: Bench, tmp_path: Path) -> None:
    """Seven runs were made; whoever seals the seventh, or only the best of them, says that there were seven."""
    ledger = Ledger(tmp_path / "ledger")
    run = RunFolder.open(bench.run).run()
    for day in range(1, 7):
        ledger.began(run.model_copy(update={"id": f"earlier-{day}", "started": f"2026-11-0{day}T00:00:00.000000Z"}))
    ledger.began(run).ended(run.ended or "", "complete", collected_digest(RunFolder.open(bench.run)))
    sealed = seal(Wish((bench.run,), bench.signer, ledger=tmp_path / "ledger"), load_probes(), tmp_path / "x.zip")
    page = bytes(container.Container(sealed.path)[f"{sealed.facts.name}/README.html"])
    assert b"Run 7 of 7 against this base" in page
    assert checked(sealed.path, bench.signer).facts.runs[0].ledger == 7
    later = run.model_copy(update={"id": "later", "started": "2026-12-30T00:00:00.000000Z"})
    ledger.began(later)
    sealed = seal(Wish((bench.run,), bench.signer, ledger=tmp_path / "ledger"), load_probes(), tmp_path / "y.zip")
    assert b"Run 7 of 8 against this base" in bytes(
        container.Container(sealed.path)[f"{sealed.facts.name}/README.html"]
    )
    (extract,) = checked(sealed.path, bench.signer).ledgers.values()
    assert extract.previous is not None


def mutations(count: int, bench: Bench, place: Path) -> None:
    """So many bundles with one byte that is another one, in the file itself or beneath a container made to fit."""
    chance = random.Random(4)
    content = bench.path.read_bytes()
    names = sorted(bench.files)
    probes = load_probes()
    for number in range(count):
        if number % 10:
            other = bytearray(content)
            at = chance.randrange(len(other))
            other[at] = (other[at] + chance.randrange(1, 256)) % 256
            place.write_bytes(bytes(other))
        else:
            name = chance.choice(names)
            inner = bytearray(bench.files[name] or b"\0")
            at = chance.randrange(len(inner))
            inner[at] = (inner[at] + chance.randrange(1, 256)) % 256
            bench.again(place, {**bench.files, name: bytes(inner)})
        with pytest.raises(Refused):
            verify(place, probes, bench.signer.public, {})


def test_no_mutation_of_a_single_byte_is_accepted(bench: Bench, tmp_path: Path) -> None:
    mutations(200, bench, tmp_path / "x.zip")


@DEEP
def test_no_mutation_of_ten_thousand_is_accepted(bench: Bench, tmp_path: Path) -> None:
    mutations(10_000, bench, tmp_path / "x.zip")


def test_the_ledger_in_the_bundle_is_named_after_its_base(bench: Bench) -> None:
    run = RunFolder.open(bench.run).run()
    assert f"data/ledger/{file_name(run.subject)}.json" in bench.files
