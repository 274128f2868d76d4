"""Verifies a bundle offline: its form, its hashes, its signature, its ledger, and whether its scores follow from it."""

import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from prober import __version__
from prober.archive import (
    ATTESTATIONS,
    BLOBS,
    EXCHANGES,
    FINDINGS,
    HISTORY,
    MEASUREMENTS,
    MODEL,
    PROVIDER,
    RUN,
    SCORECARD,
    RunFolder,
    collected_digest,
)
from prober.audit.derive import Held, findings_of, history_of, models_of, other_probes, scored
from prober.audit.seal import (
    DOCUMENTS,
    FACTS,
    KNOWN_ANSWERS,
    LEDGER,
    MODELS,
    RUNS,
    Material,
    attested_in,
    committed_to,
    contents_of,
    files_of,
    known_answers,
    missing_runs,
    package_digest,
    predicate_of,
    rated_of,
    sealed_document,
    sealed_model,
    window_of,
)
from prober.bundle import bag, bodies, chain, container, envelope
from prober.keys import key_id, parse_public
from prober.ledger import file_name
from prober.library import LoadedProbe
from prober.mistake import BadFolder, Mistake, Refused
from prober.nouns.attestation import Attestation
from prober.nouns.base import Noun, canonical
from prober.nouns.bundle import BundleFacts
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding
from prober.nouns.history import kind_of_line
from prober.nouns.ledger import LedgerExtract
from prober.nouns.measurement import is_measurement
from prober.nouns.model import Model
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import Run
from prober.nouns.scorecard import Scorecard

N = TypeVar("N", bound=Noun)
MOST_UNPACKED = 2**30
"""Bytes: all stored bodies of a bundle together, unpacked."""
_LINES: Mapping[str, type[Noun]] = {
    EXCHANGES: Exchange,
    FINDINGS: Finding,
    ATTESTATIONS: Attestation,
}
_WHOLE: Mapping[str, type[Noun]] = {RUN: Run, PROVIDER: ProviderFacts}
_INSTANT = re.compile(r"(?!0000)\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
_NEEDED = frozenset({RUN, PROVIDER, EXCHANGES, FINDINGS})
_ALLOWED = frozenset({*_NEEDED, MEASUREMENTS, ATTESTATIONS, HISTORY})


@dataclass(frozen=True)
class Verified:
    """What held. `underived` says why the scores were not derived again; None: they were, byte for byte."""

    facts: BundleFacts
    card: Scorecard
    signer: str
    entries: int
    requests: int
    ledgers: Mapping[str, LedgerExtract]
    since: str
    """The instant from which its runs are counted."""
    underived: str | None = None


class Opened:
    """A bundle whose form, hashes and signature hold. Its runs lie unpacked in a folder that ends with it."""

    def __init__(self, path: Path, accept: Callable[[str], None]) -> None:
        """Open and check a bundle. Raises Refused, naming the first thing that is wrong; Mistake if there is no file.

        `accept` is told the id of the key that signed it, and may refuse it, before anything in the bundle is read.
        """
        if not path.is_file():
            raise Mistake(f"{path}: this is not a file; name a bundle, as `prober bundle` writes it.")
        try:
            box = container.Container(path)
        except OSError as error:
            raise Mistake(f"{path}: this bundle cannot be read ({error.strerror}); check the path.") from error
        folder = next(iter(box), "").partition("/")[0]
        outside = next((name for name in box if not name.startswith(f"{folder}/")), None)
        if outside is not None or not len(box):
            raise Refused(f"The entry {outside} lies outside the folder of the bundle." if outside else "It is empty.")
        self.files: Mapping[str, memoryview] = {name.removeprefix(f"{folder}/"): box[name] for name in box}
        bag.check(self.files, envelope.OUTSIDE)
        self.statement, self.signer = envelope.check(self.files)
        accept(self.signer)
        self.facts = self._facts()
        if self.facts.name != folder:
            raise Refused(f"The bundle calls itself {self.facts.name}, and its folder is {folder}.")
        if self.facts.signer != self.signer:
            raise Refused(
                f"The bundle says that the key {self.facts.signer} signs it, and another one did: {self.signer}."
            )
        self.card = _noun(bytes(self._payload(SCORECARD)), Scorecard, SCORECARD)
        self._scratch = tempfile.TemporaryDirectory(prefix="prober-bundle-")
        try:
            self.held = self._unpacked(Path(self._scratch.name))
        except BaseException as error:
            self._scratch.cleanup()
            if isinstance(error, BadFolder | ValueError | OverflowError):
                raise Refused("A run in the bundle holds what prober does not write.") from error
            raise

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    @property
    def rated(self) -> list[Held]:
        """The runs that the scorecard rests on."""
        return [self.held[id_] for id_ in self.facts.rated]

    @cached_property
    def models(self) -> list[Model]:
        """The rule books that the scorecard was made with. Raises Refused if their file is not one of models."""
        try:
            return models_of(self.rated[0].folder)
        except Mistake as error:
            raise Refused(f"{MODELS}/{self.facts.runs[0].model}.yaml does not hold rule books.") from error

    def findings(self) -> dict[str, tuple[Finding, ...]]:
        """The findings as they were sealed, by run."""
        return {id_: one.folder.findings() for id_, one in self.held.items()}

    def material(self, ledgers: Mapping[str, LedgerExtract]) -> Material:
        """What this bundle was made from, read back from it."""
        return Material(
            self.facts,
            self.held,
            self.findings(),
            {id_: one.folder.remembered() for id_, one in self.held.items()},
            self.models,
            self.card,
            ledgers,
            bytes(self._payload(KNOWN_ANSWERS)),
            {name: bytes(content) for name, content in self.below(BLOBS).items()},
            {name: bytes(content) for name, content in self.below(DOCUMENTS).items()},
        )

    def ledgers(self, public: Ed25519PublicKey) -> dict[str, LedgerExtract]:
        """The ledgers in the bundle by base, each whole and signed by this key. Raises Refused."""
        found: dict[str, LedgerExtract] = {}
        for name, content in self.below(LEDGER).items():
            extract = _noun(bytes(content), LedgerExtract, f"{LEDGER}/{name}")
            if name != f"{file_name(extract.subject)}.json":
                raise Refused(f"{LEDGER}/{name} is the ledger of another base than its name says.")
            chain.check(extract, public)
            found[extract.subject] = extract
        return found

    def _payload(self, name: str) -> memoryview:
        try:
            return self.files[bag.PAYLOAD + name]
        except KeyError as error:
            raise Refused(f"{bag.PAYLOAD}{name} is missing.") from error

    def below(self, folder: str) -> dict[str, memoryview]:
        """The files in a folder of the payload, by their names in it."""
        start = f"{bag.PAYLOAD}{folder}/"
        return {name.removeprefix(start): content for name, content in self.files.items() if name.startswith(start)}

    def _facts(self) -> BundleFacts:
        content = bytes(self._payload(FACTS))
        try:
            schema = json.loads(content)["schema"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Refused(f"{FACTS} does not say what it is.") from error
        if schema != "prober/bundle/1":
            raise Refused(f"The bundle has the form {str(schema)[:60]!r}; this prober reads prober/bundle/1 only.")
        facts = _noun(content, BundleFacts, FACTS)
        if set(facts.rated) - {one.id for one in facts.runs} or not facts.rated:
            raise Refused(f"{FACTS} says that the scorecard rests on a run that is not in the bundle.")
        return facts

    def _unpacked(self, scratch: Path) -> dict[str, Held]:
        """The runs as run folders, which share one folder of bodies."""
        shared = scratch / BLOBS
        shared.mkdir()
        known = {one.id for one in self.facts.runs}
        if len(known) < len(self.facts.runs):
            raise Refused(f"{FACTS} names a run twice.")
        for name in sorted(set(self.below(MODELS)) - {f"{one.model}.yaml" for one in self.facts.runs}):
            raise Refused(f"{MODELS}/{name} holds rule books that no run was scored with.")
        for name in self.below(RUNS):
            run, slash, file = name.partition("/")
            if not slash or run not in known or file not in _ALLOWED:
                raise Refused(f"{RUNS}/{name} is not a file that a bundle has.")
        held: dict[str, Held] = {}
        needed: set[str] = set()
        uses: Counter[str] = Counter()
        for number, one in enumerate(self.facts.runs):
            files = self.below(f"{RUNS}/{one.id}")
            missing = sorted(_NEEDED - set(files))
            if missing:
                raise Refused(f"{RUNS}/{one.id}/{missing[0]} is missing.")
            place = scratch / f"run-{number}"
            place.mkdir()
            (place / BLOBS).symlink_to(shared)
            for file, content in files.items():
                where = f"{RUNS}/{one.id}/{file}"
                if file in _LINES or file == HISTORY:
                    lines = _lines(bytes(content), _LINES.get(file), where)
                    used = [one.body for one in lines if isinstance(one, Exchange) and one.body]
                    needed |= set(used)
                    uses.update(used)
                elif file == MEASUREMENTS:
                    _objects(bytes(content), where)
                elif file in _WHOLE:
                    _noun(bytes(content), _WHOLE[file], where)
                (place / file).write_bytes(content)
            (place / MODEL).write_bytes(self._rules(one.model))
        self._unpack_bodies(shared, needed)
        if sum(count * (shared / body).stat().st_size for body, count in uses.items()) > MOST_UNPACKED:
            raise Refused(f"The answers of all runs together are larger than {MOST_UNPACKED} bytes.")
        for number, one in enumerate(self.facts.runs):
            held[one.id] = Held.of(RunFolder.open(scratch / f"run-{number}"))
            _check_run(held[one.id], one.model_dump())
        return held

    def _rules(self, digest: str) -> memoryview:
        rules = self._payload(f"{MODELS}/{digest}.yaml")
        if hashlib.sha256(rules).hexdigest() != digest:
            raise Refused(f"{MODELS}/{digest}.yaml is not the file that its name says: its SHA-256 is another one.")
        return rules

    def _unpack_bodies(self, shared: Path, needed: set[str]) -> None:
        left = MOST_UNPACKED
        there: set[str] = set()
        for name, content in self.below(BLOBS).items():
            digest = name.removesuffix(".gz")
            if digest not in needed or digest in there:
                raise Refused(f"{BLOBS}/{name} is a body that no exchange has.")
            body = bodies.opened(name, content)
            left -= len(body)
            if left < 0:
                raise Refused(f"The stored bodies unpack to more than {MOST_UNPACKED} bytes.")
            (shared / digest).write_bytes(body)
            there.add(digest)
        for digest in sorted(needed - there):
            raise Refused(f"The stored body {digest} is missing.")


def verify(
    path: Path,
    probes: Mapping[str, LoadedProbe],
    expected: Ed25519PublicKey | None,
    trusted: Mapping[str, str],
    more: Iterable[Callable[["Opened"], None]] = (),
) -> Verified:
    """Verify a bundle. Raises Refused, naming the first thing that is wrong.

    `expected` is the key that must have signed it; without one it must be among the `trusted`, names by their ids.
    `more` are checks of what came with the bundle, made when all that lies in it holds.
    """
    try:
        return _verify(path, probes, lambda signer: _check_key(signer, expected, trusted), more)
    except BadFolder as error:
        raise Refused(f"A run in the bundle is not one: {error}") from error
    except (ValueError, OverflowError) as error:
        # Whoever holds the key can sign what no prober writes, such as an instant that is none.
        raise Refused("The bundle holds values that prober does not write.") from error


def _verify(
    path: Path,
    probes: Mapping[str, LoadedProbe],
    accept: Callable[[str], None],
    more: Iterable[Callable[[Opened], None]],
) -> Verified:
    with Opened(path, accept) as bundle:
        public = parse_public(bytes(bundle.files[envelope.KEY]))
        if public is None:
            raise Refused(f"{envelope.KEY} is not a public key.")
        ledgers = bundle.ledgers(public)
        _check_ledgers(bundle, ledgers)
        _check_documents(bundle)
        _check_models(bundle)
        _check_facts(bundle)
        material = bundle.material(ledgers)
        if bundle.statement.predicate != predicate_of(material):
            raise Refused("The signed statement says something else than the files of the bundle.")
        underived = _derive(bundle, material, probes)
        for check in more:
            check(bundle)
        return Verified(
            facts=bundle.facts,
            card=bundle.card,
            signer=bundle.signer,
            entries=len(bundle.files),
            requests=sum(len(one.exchanges) for one in bundle.held.values()),
            ledgers=ledgers,
            since=window_of(bundle.facts),
            underived=underived,
        )


def _check_key(signer: str, expected: Ed25519PublicKey | None, trusted: Mapping[str, str]) -> None:
    if expected is not None and key_id(expected) != signer:
        raise Refused(f"It was signed by the key {signer}, not by the one that was expected, {key_id(expected)}.")
    if expected is None and signer not in trusted:
        raise Refused(
            f"It was signed by the key {signer}, which you do not trust. Ask whoever sealed it for the id of their "
            "key, in another way than with the bundle, and then name the key with --key or `prober keys trust`."
        )


def _check_run(one: Held, said: Mapping[str, object]) -> None:
    run = one.run
    told = {
        "id": run.id,
        "subject": run.subject,
        "environment": run.environment,
        "started": run.started,
        "ended": run.ended,
        "ending": run.done.ending if run.done else None,
        "requests": run.done.requests if run.done else None,
        "model": hashlib.sha256((one.folder.path / MODEL).read_bytes()).hexdigest(),
        "evidence": collected_digest(one.folder),
    }
    for moment in (run.started, run.ended, run.as_of):
        if moment is not None and not _INSTANT.fullmatch(moment):
            raise Refused(f"The run {run.id} names a time that is not an instant as prober writes it.")
    for name, value in told.items():
        if said[name] != value:
            raise Refused(f"{FACTS} says otherwise of the run {said['id']} than its own files: {name} differs.")


def _check_ledgers(bundle: Opened, ledgers: Mapping[str, LedgerExtract]) -> None:
    facts = bundle.facts
    extra = sorted(set(ledgers) - {one.subject for one in facts.runs if one.ledger is not None})
    if extra:
        raise Refused(f"There is a ledger of {extra[0]}, and no run in it lies in the bundle.")
    since = window_of(facts)
    for extract in ledgers.values():
        if extract.before and not (extract.lines and extract.lines[0].time < since):
            raise Refused(
                f"The ledger of {extract.subject} begins too late in the bundle: runs before it are not counted."
            )
    for one in facts.runs:
        own = ledgers.get(one.subject)
        if (
            one.ledger is None
            and facts.period is None
            and (own is None or all(line.run != one.id for line in own.lines))
        ):
            continue
        began = next((line for line in own.lines if line.run == one.id), None) if own else None
        if own is None or began is None or began.event != "began" or began.ordinal != one.ledger:
            raise Refused(f"The run {one.id} is not number {one.ledger} of the ledger in the bundle.")
        run = bundle.held[one.id].run
        if (began.time, began.environment, began.depth) != (run.started, run.environment, run.plan.depth):
            raise Refused(f"The run {one.id} began otherwise than the ledger in the bundle says.")
        end = chain.ended(own, one.id)
        if end is not None and end.evidence != one.evidence:
            raise Refused(f"The evidence of the run {one.id} is not what the ledger says it was when the run ended.")
    for extract in ledgers.values():
        for missing in missing_runs(extract, facts):
            raise Refused(f"The run {missing} of the period is missing: the ledger lists it, and the bundle lacks it.")


def _check_documents(bundle: Opened) -> None:
    listed = {one.sha256 for one in bundle.facts.documents if one.copied}
    there = bundle.below(DOCUMENTS)
    for name in sorted(listed ^ set(there)):
        raise Refused(f"The document {name} is {'missing' if name in listed else 'not one that the bundle lists'}.")
    for name, content in there.items():
        if hashlib.sha256(content).hexdigest() != name:
            raise Refused(f"The document {name} is not the one that its name says: its SHA-256 is another one.")


def _check_models(bundle: Opened) -> None:
    told = {one.id: (one.version, one.digest) for one in bundle.facts.models}
    if told != {one.id: (one.version, one.fingerprint()) for one in bundle.models}:
        raise Refused(f"{FACTS} names other rule books than those in the bundle.")


def _check_facts(bundle: Opened) -> None:
    """What a bundle says of itself follows from what lies in it: whoever holds the key could have said otherwise."""
    facts, held = bundle.facts, bundle.held
    try:
        rated = rated_of(held, facts.period)
    except Mistake as error:
        raise Refused(f"{FACTS} does not fit the runs in the bundle: {error}") from error
    outside = [
        one.id for one in facts.runs if facts.period and not facts.period.first <= one.started[:10] <= facts.period.last
    ]
    if outside:
        raise Refused(f"The run {outside[0]} does not lie in the period of the bundle.")
    attested = [one for one in attested_in(rated) if one.document is not None]
    follows = {
        "runs": tuple(sorted(held, key=lambda id_: (held[id_].run.started, id_))),
        "rated": tuple(one.run.id for one in rated),
        "contents": contents_of(one.run for one in held.values()),
        "committed": all(committed_to(one) for one in held.values()),
        "documents": tuple(sealed_document(one, bundle.below(DOCUMENTS)) for one in attested),
    }
    said = {**dict(facts), "runs": tuple(one.id for one in facts.runs)}
    for name, value in follows.items():
        if said[name] != value:
            raise Refused(f"{FACTS} says otherwise than what lies in the bundle: {name} differs.")
    if facts.package == package_digest() and facts.prober != __version__:
        raise Refused(f"{FACTS} names another version of prober than the files that sealed it have.")
    if facts.package == package_digest() and facts.models != tuple(sealed_model(one) for one in bundle.models):
        raise Refused(f"{FACTS} says that rule books are released which are not, or the other way round.")


def _derive(bundle: Opened, material: Material, probes: Mapping[str, LoadedProbe]) -> str | None:
    """Derive everything again. Why that could not be told, or None. Raises Refused where something does not follow."""
    facts = bundle.facts
    for one in bundle.held.values():
        if (other := other_probes(one.run, probes)) is not None:
            return f"not re-derived: needs prober {facts.prober} (the probe {other} is another one here)"
    difference = _difference(bundle, material, probes)
    if facts.package != package_digest():
        # Of what another prober wrote, the page and the rest cannot be made again here, whatever the scores do.
        scores = f"here {difference}" if difference else "the findings and the scorecard come out the same here"
        which = "with the files that sealed it" if facts.prober == __version__ else facts.prober
        return f"not re-derived as a whole: needs prober {which}; {scores}"
    if difference is None:
        return None
    raise Refused(f"{difference[0].upper()}{difference[1:]}.")


def _difference(bundle: Opened, material: Material, probes: Mapping[str, LoadedProbe]) -> str | None:
    """The first thing in the bundle that does not follow from its evidence."""
    findings = {}
    for id_, one in bundle.held.items():
        findings[id_] = findings_of(one, probes)
        for found, sealed in zip(findings[id_], material.findings[id_], strict=False):
            if found != sealed:
                return f"the finding of {sealed.source.probe} in the run {id_} does not follow from its evidence"
        if len(findings[id_]) != len(material.findings[id_]):
            return f"the run {id_} has not the findings that follow from its evidence"
    others = list(bundle.held.values())
    history = {
        id_: history_of(one, others, findings) if id_ in bundle.facts.rated else () for id_, one in bundle.held.items()
    }
    for id_, lines in history.items():
        if lines != material.history[id_]:
            return f"the history of the run {id_} is not what the other runs in the bundle saw"
    try:
        card = scored(bundle.rated, findings, history, material.models, probes)
    except ValueError:
        return "the runs of the bundle cannot be scored"
    if card.line() != bundle.card.line():
        return "the scorecard does not follow from the findings"
    if bundle.facts.package == package_digest():
        return _other_file(bundle, files_of(material))
    return None


def _other_file(bundle: Opened, made: Mapping[str, bytes]) -> str | None:
    """The first file that sealing would write otherwise."""
    summed = {bag.INFO, bag.MANIFEST, bag.TAG_MANIFEST}
    # What is summed up over the others comes last, so that the file that differs is the one that is named.
    if bytes(bundle.files[bag.PAYLOAD + KNOWN_ANSWERS]) != known_answers():
        return f"the file {KNOWN_ANSWERS} is not that of this prober"
    for name in sorted({*made, *bundle.files} - set(envelope.OUTSIDE), key=lambda one: (one in summed, one)):
        if name not in made:
            return f"the file {name} is not one that a bundle has"
        if bytes(bundle.files.get(name, b"")) != made[name]:
            return f"the file {name} is not what the other files of the bundle say"
    return None


def _noun(content: bytes, noun: type[N], where: str) -> N:
    try:
        one = noun.model_validate_json(content)
    except ValidationError as error:
        raise Refused(f"{where} is not what prober writes.") from error
    # Canonical text, whatever members it has; that it has all of them is seen when the files are made anew.
    try:
        legal = f"{canonical(json.loads(content))}\n".encode() == content
    except (ValueError, RecursionError):
        legal = False
    if not legal:
        raise Refused(f"{where} is not written in its one legal form.")
    return one


def _objects(content: bytes, where: str) -> None:
    """Canonical lines, an object of numbers and words each, or what was noted of the surroundings."""
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            legal = is_measurement(line.decode())
        except UnicodeDecodeError:
            legal = False
        if not legal:
            raise Refused(f"{where}:{number}: this line is not a measurement as prober writes it.")
    if content and not content.endswith(b"\n"):
        raise Refused(f"{where} does not end with a whole line.")


def _lines(content: bytes, noun: type[Noun] | None, where: str) -> list[Noun]:
    """The lines of a file; without a noun those of history.jsonl, of which each says what it is."""
    lines = content.split(b"\n")
    if lines.pop():
        raise Refused(f"{where} does not end with a whole line.")
    found = []
    for number, line in enumerate(lines, start=1):
        kind = noun if noun is not None else kind_of_line(line.decode("utf-8", "replace"))
        found.append(_noun(line + b"\n", kind, f"{where}:{number}"))
    return found
