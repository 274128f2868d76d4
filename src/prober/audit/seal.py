"""Seals runs into a bundle: everything that a score rests on, in one file of one legal form, signed."""

import hashlib
import io
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import prober
from prober.archive import (
    ATTESTATIONS,
    BLOBS,
    EXCHANGES,
    FINDINGS,
    HISTORY,
    LARGEST_MODEL,
    MEASUREMENTS,
    MODEL,
    PROVIDER,
    RUN,
    SCORECARD,
    RunFolder,
    collected_digest,
    read_plainly,
)
from prober.audit.derive import Held, findings_of, history_of, models_of, other_probes, package_files, scored
from prober.bundle import bag, bodies, chain, container, envelope
from prober.clock import instant
from prober.files import replace_file
from prober.handwriting import load_yaml
from prober.keys import Signer
from prober.ledger import Ledger, file_name
from prober.library import LoadedProbe, all_shipped_models, load_model
from prober.mistake import BadFolder, Mistake
from prober.nouns.attestation import Attestation
from prober.nouns.bundle import (
    BundleFacts,
    Contents,
    Predicate,
    RunBy,
    SealedDocument,
    SealedModel,
    SealedPeriod,
    SealedRun,
    Waiver,
    WaiverFile,
)
from prober.nouns.finding import Finding
from prober.nouns.history import Remembered, apart
from prober.nouns.ledger import LedgerExtract
from prober.nouns.model import Model
from prober.nouns.run import Run
from prober.nouns.scorecard import Scorecard
from prober.render import bundle_page

FACTS, KNOWN_ANSWERS = "bundle.json", "known-answers.json"
RUNS, MODELS, DOCUMENTS, LEDGER = "runs", "models", "documents", "ledger"
VERIFIER, PAGE = "verify.py", "README.html"
WINDOW = timedelta(days=90)
"""How far back a bundle counts the runs against its base."""
LARGEST_DOCUMENT = 64 * 2**20
"""Bytes."""
SUFFIX = ".prober.zip"


@dataclass(frozen=True)
class Wish:
    """What is to be sealed, and with what beside it."""

    runs: tuple[Path, ...]
    signer: Signer
    period: SealedPeriod | None = None
    run_by: RunBy = field(default_factory=RunBy)
    ledger: Path | None = None
    documents: tuple[Path, ...] = ()
    """Folders in which the public documents of attestations lie."""
    waivers: Path | None = None


@dataclass(frozen=True)
class Material:
    """Everything from which the files of a bundle are made, and nothing else is."""

    facts: BundleFacts
    held: Mapping[str, Held]
    findings: Mapping[str, tuple[Finding, ...]]
    history: Mapping[str, tuple[Remembered, ...]]
    models: Sequence[Model]
    card: Scorecard
    ledgers: Mapping[str, LedgerExtract]
    known_answers: bytes
    bodies: Mapping[str, bytes]
    """The stored bodies as they lie in the bundle, by file name. What packed them is not part of the material."""
    documents: Mapping[str, bytes] = field(default_factory=dict)
    """Public documents by their SHA-256."""


@dataclass(frozen=True)
class Sealed:
    """A bundle that lies on the disk."""

    path: Path
    facts: BundleFacts
    size: int
    raw: int
    """Bytes of the evidence as it lay in the run folders."""


def seal(wish: Wish, probes: Mapping[str, LoadedProbe], out: Path | None) -> Sealed:
    """Seal runs into one file; the same runs, ledger and options give the same bytes. Raises Mistake."""
    held = _opened(wish)
    rated = rated_of(held, wish.period)
    material = _material(wish, held, rated, probes)
    content = packed(files_of(material), material, wish.signer)
    path = out or rated[-1].folder.path.parent / f"{material.facts.name}{SUFFIX}"
    _write(path, content)
    raw = sum(_size(one.folder.path) for one in held.values())
    return Sealed(path, material.facts, len(content), raw)


def packed(files: Mapping[str, bytes], material: Material, signer: Signer) -> bytes:
    """The bytes of the container of these files, with the signature over them."""
    signature = envelope.signed(files, predicate_of(material), signer)
    whole = io.BytesIO()
    name = material.facts.name
    try:
        container.write({f"{name}/{file}": content for file, content in {**files, **signature}.items()}, whole)
    except ValueError as error:
        raise Mistake(f"This cannot be sealed: {error}") from error
    return whole.getvalue()


def files_of(material: Material) -> dict[str, bytes]:
    """Every file of the bundle but the signature, by its name in the bag: a pure function of the material."""
    payload: dict[str, bytes] = {
        FACTS: _text(material.facts.line()),
        SCORECARD: _text(material.card.line()),
        KNOWN_ANSWERS: material.known_answers,
    }
    for id_, one in material.held.items():
        payload |= _files_of_run(one, material.findings[id_], material.history[id_])
    for subject, extract in material.ledgers.items():
        payload[f"{LEDGER}/{file_name(subject)}.json"] = _text(extract.line())
    payload |= {f"{BLOBS}/{name}": content for name, content in material.bodies.items()}
    payload |= {f"{DOCUMENTS}/{digest}": content for digest, content in material.documents.items()}
    last = max(one.run.as_of or one.run.started for one in material.held.values())
    info = {
        "Bag-Software-Agent": f"prober {material.facts.prober}",
        "Bagging-Date": last[:10],
        "External-Identifier": material.facts.name,
    }
    tags = {VERIFIER: verifier(), PAGE: bundle_page.readme(material.facts, _shown(material), payload).encode()}
    return bag.bagged(payload, tags, info)


def predicate_of(material: Material) -> Predicate:
    """What the signed statement says of the bundle."""
    return Predicate(
        bundle=material.facts.name,
        subjects=material.card.subjects,
        runs=tuple(one.id for one in material.facts.runs),
        as_of=material.card.as_of,
        models=material.card.models,
        scorecard=hashlib.sha256(_text(material.card.line())).hexdigest(),
        prober=material.facts.prober,
    )


def verifier() -> bytes:
    """The short program in the bundle that checks it without prober."""
    return Path(__file__).with_name("check_bundle.py").read_bytes()


@lru_cache(maxsize=1)
def known_answers() -> bytes:
    """What this version of prober catches, as it ships."""
    return Path(prober.__file__).with_name("known_answers.json").read_bytes()


@lru_cache(maxsize=1)
def package_digest() -> str:
    """SHA-256 over the files of prober itself, by their names: what judged, scored and sealed."""
    package = Path(prober.__file__).parent
    digest = hashlib.sha256()
    for path in package_files(package):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def released_digests() -> frozenset[str]:
    """The digests of the models that this prober ships."""
    return frozenset(load_model(path).fingerprint() for path in all_shipped_models())


def window_of(facts: BundleFacts) -> str:
    """The instant from which a bundle counts runs: 90 days before its last one began, or the period's first day."""
    last = max(one.started for one in facts.runs)
    since = instant(datetime.fromisoformat(last) - WINDOW)
    return min(since, f"{facts.period.first}T00:00:00.000000Z") if facts.period else since


def _opened(wish: Wish) -> dict[str, Held]:
    """The runs that are to be sealed, by id and in the order of their beginning."""
    found: dict[str, Held] = {}
    for path in _folders(wish.runs):
        one = Held.of(RunFolder.open(path))
        if wish.period is not None and not wish.period.first <= one.run.started[:10] <= wish.period.last:
            continue
        if one.run.id in found:
            raise Mistake(f"{path}: the run {one.run.id} was given twice ({found[one.run.id].folder.path}); drop one.")
        found[one.run.id] = one
    if not found:
        raise Mistake("No run lies in this period; name another one, or the folder that holds the runs.")
    return dict(sorted(found.items(), key=lambda item: (item[1].run.started, item[0])))


def _folders(given: Iterable[Path]) -> Iterable[Path]:
    for path in given:
        if (path / RUN).is_file():
            yield path
            continue
        inside = sorted(one.parent for one in path.rglob(RUN)) if path.is_dir() else []
        if not inside:
            raise BadFolder(f"{path}: this is not a run folder and holds none; make one with `prober run`.")
        yield from inside


def rated_of(held: Mapping[str, Held], period: SealedPeriod | None) -> list[Held]:
    """The runs that the scorecard rests on: the last whole one of each base. Without a period there is one of each.

    A monitor looks often and asks little: a run that asked less than half of what the fullest one asked, or only for
    discovery where others asked more, is history for those.
    """
    last: dict[str, Held] = {}
    fullest = {
        subject: max(len(one.run.probes) for one in held.values() if one.run.subject == subject)
        for subject in {one.run.subject for one in held.values()}
    }
    whole = [one for one in held.values() if 2 * len(one.run.probes) >= fullest[one.run.subject]]
    deep = {one.run.subject for one in whole if one.run.plan.depth != "discovery" and one.run.ended is not None}
    for one in held.values():
        subject = one.run.subject
        if period is None and subject in last:
            raise Mistake(
                f"{one.folder.path} and {last[subject].folder.path} look at the same base; "
                "seal them as a period with --period FROM..TO."
            )
        if period is not None and (one not in whole or (subject in deep and one.run.plan.depth == "discovery")):
            continue
        if one.run.ended is not None or subject not in last:
            last[subject] = one
    unfinished = next((one for one in last.values() if one.run.ended is None), None)
    if unfinished is not None:
        raise Mistake(f"{unfinished.folder.path}: this run never ended, so there is nothing to rate; run it again.")
    return sorted(last.values(), key=lambda one: one.run.started)


def _material(
    wish: Wish, held: Mapping[str, Held], rated: Sequence[Held], probes: Mapping[str, LoadedProbe]
) -> Material:
    findings = {id_: _findings(one, probes) for id_, one in held.items()}
    history = {id_: history_of(one, list(held.values()), findings) if one in rated else () for id_, one in held.items()}
    models = _same_models(rated)
    try:
        card = scored(rated, findings, history, models, probes)
    except ValueError as error:
        raise Mistake(f"{rated[-1].folder.path}: this cannot be scored: {error}") from error
    _refuse_outside_history(rated, held, history)
    subjects = sorted({one.run.subject for one in held.values()})
    runs = tuple(_sealed_run(one, wish.ledger) for one in held.values())
    attested = attested_in(rated)
    documents = _public_documents(attested, wish.documents)
    facts = BundleFacts(
        name=rated[-1].run.id if len(held) == 1 else f"{rated[-1].run.id}-and-{len(held) - 1}-more",
        prober=prober.__version__,
        package=package_digest(),
        runs=runs,
        rated=tuple(one.run.id for one in rated),
        period=wish.period,
        contents=contents_of(one.run for one in held.values()),
        run_by=wish.run_by,
        models=tuple(sealed_model(one) for one in models),
        documents=tuple(sealed_document(one, documents) for one in attested if one.document is not None),
        waivers=_waivers(wish.waivers),
        committed=all(committed_to(one) for one in held.values()),
        signer=wish.signer.id,
    )
    ledger = Ledger(wish.ledger)
    listed = {one.subject for one in runs if one.ledger is not None}
    uncounted = next((one for one in runs if one.ledger is None), None)
    if wish.period is not None and uncounted is not None:
        raise Mistake(
            f"The run {uncounted.id} is in no ledger that was found, so nobody can say that these are all the runs of "
            "the period; name the folder of the ledger with --ledger."
        )
    since = window_of(facts)
    extracts = {one: ledger.extract(one, wish.signer, since) for one in subjects if one in listed}
    for extract in extracts.values():
        _refuse_missing(extract, facts)
    packed = _packed_bodies(held.values())
    return Material(facts, held, findings, history, models, card, extracts, known_answers(), packed, documents)


def _findings(one: Held, probes: Mapping[str, LoadedProbe]) -> tuple[Finding, ...]:
    """The findings of a run, judged anew. Raises Mistake where those beside it do not follow from the evidence."""
    other = other_probes(one.run, probes)
    if other is not None:
        raise Mistake(
            f"{one.folder.path}: this run was made with other probes ({other} differs), so its findings cannot be "
            f"derived here; judge it anew with `prober judge {one.folder.path} --out DIR` and score that, "
            f"or use prober {one.run.tool.prober}."
        )
    found = findings_of(one, probes)
    if one.folder.has(FINDINGS) and one.folder.findings() != found:
        raise Mistake(
            f"{one.folder.path / FINDINGS}: these findings do not follow from the evidence beside them; "
            f"make them anew with `prober judge {one.folder.path}` and score the run again."
        )
    return found


def _same_models(rated: Sequence[Held]) -> list[Model]:
    texts = {read_plainly(one.folder.path / MODEL, LARGEST_MODEL) for one in rated}
    if len(texts) > 1:
        raise Mistake("These runs were made with different rule books, so they have no scorecard together.")
    return models_of(rated[0].folder)


def _refuse_outside_history(
    rated: Sequence[Held], held: Mapping[str, Held], history: Mapping[str, tuple[Remembered, ...]]
) -> None:
    """What a score rests on must be in the bundle: earlier nights and polls too."""
    for one in rated:
        for line in one.folder.history():
            if line.run not in held:
                raise Mistake(
                    f"{one.folder.path / HISTORY}: this run was scored with the run {line.run} before it; seal all of "
                    "them together with --period FROM..TO and the folder that holds them."
                )
        days = {day.day: day for day in apart(history[one.run.id])[1]}
        for day in one.folder.poll_days():
            sealed = days.get(day.day)
            # More runs of that day may be sealed than it was scored with, as more nights may be.
            if sealed is None or sealed.runs < day.runs or (sealed.runs == day.runs and sealed != day):
                raise Mistake(
                    f"{one.folder.path / HISTORY}: this run was scored with polls of {day.day} that are not those of "
                    "the runs of that day which are sealed here; seal all of them together with --period FROM..TO and "
                    "the folder that holds them."
                )


def _sealed_run(one: Held, ledger: Path | None) -> SealedRun:
    run = one.run
    digest = collected_digest(one.folder)
    lines = [line for line in Ledger(ledger).lines(run.subject) if line.run == run.id]
    end = next((line for line in lines if line.event == "ended"), None)
    if end is not None and end.evidence != digest:
        raise Mistake(
            f"{one.folder.path / EXCHANGES}: this evidence was altered after the run ended: the ledger holds another "
            "SHA-256 of it, so it is not sealed."
        )
    return SealedRun(
        id=run.id,
        subject=run.subject,
        environment=run.environment,
        started=run.started,
        ended=run.ended,
        ending=run.done.ending if run.done else None,
        requests=run.done.requests if run.done else None,
        model=hashlib.sha256(read_plainly(one.folder.path / MODEL, LARGEST_MODEL)).hexdigest(),
        evidence=digest,
        ledger=lines[0].ordinal if lines else None,
    )


def _refuse_missing(extract: LedgerExtract, facts: BundleFacts) -> None:
    """A bundle of a period holds every run of it."""
    missing = missing_runs(extract, facts)
    if missing:
        raise Mistake(
            f"The ledger has a run of this period that was not given: {missing[0]}. A bundle of a period holds every "
            "run of it, also those that were aborted; name the folder that holds them all, or a shorter period."
        )


def missing_runs(extract: LedgerExtract, facts: BundleFacts) -> tuple[str, ...]:
    """Runs that the ledger lists in the period of a bundle and that are not in it; none for a bundle without one."""
    period, there = facts.period, {one.id for one in facts.runs}
    if period is None:
        return ()
    return tuple(
        line.run
        for line in extract.lines
        if line.event == "began" and period.first <= line.time[:10] <= period.last and line.run not in there
    )


def attested_in(rated: Sequence[Held]) -> list[Attestation]:
    """What people attested in these runs, by id."""
    found = {one.id: one for held in rated for one in held.folder.attestations()}
    return [found[id_] for id_ in sorted(found)]


def _public_documents(attested: Iterable[Attestation], folders: Iterable[Path]) -> dict[str, bytes]:
    """The documents that are marked public, by SHA-256, from the folders that were named. Private ones are not read."""
    wanted = {one.document.sha256 for one in attested if one.document is not None and one.document.public}
    found: dict[str, bytes] = {}
    for folder in folders:
        if not folder.is_dir():
            raise Mistake(f"--documents {folder}: this is not a folder; name the one with the public documents.")
        for path in sorted(folder.rglob("*")):
            if wanted - set(found) and path.is_file() and path.stat().st_size <= LARGEST_DOCUMENT:
                content = read_plainly(path, LARGEST_DOCUMENT)
                digest = hashlib.sha256(content).hexdigest()
                if digest in wanted:
                    found[digest] = content
    return dict(sorted(found.items()))


def sealed_document(one: Attestation, copied: Container[str]) -> SealedDocument:
    """What a bundle says of the document of an attestation; `copied` are the SHA-256 of those that lie in it."""
    document = one.document
    if document is None:
        raise ValueError(f"{one.id} names no document.")
    seen = one.inspected
    return SealedDocument(
        attestation=one.id,
        title=document.title,
        sha256=document.sha256,
        copied=document.sha256 in copied,
        inspected=f"{seen.by}, {seen.role}, {seen.on}" if seen else None,
    )


def sealed_model(one: Model) -> SealedModel:
    """What a bundle says of a rule book."""
    digest = one.fingerprint()
    return SealedModel(id=one.id, version=one.version, digest=digest, released=digest in released_digests())


def _waivers(path: Path | None) -> tuple[Waiver, ...]:
    if path is None:
        return ()
    found = load_yaml(path, WaiverFile).waivers
    return tuple(sorted(found, key=lambda one: (one.about, one.expires, one.owner)))


def contents_of(runs: Iterable[Run]) -> Contents:
    """Whose data these runs may hold."""
    many = list(runs)
    if all(one.synthetic for one in many):
        return "synthetic"
    return "real" if any(one.permits and not one.synthetic for one in many) else "public"


def committed_to(one: Held) -> bool:
    """Whether every original of a run is committed to."""
    return all(exchange.commitment is not None for exchange in one.exchanges.values() if exchange.body is not None)


def _files_of_run(one: Held, findings: tuple[Finding, ...], history: tuple[Remembered, ...]) -> dict[str, bytes]:
    """The files of one run but its bodies, each line in its canonical form."""
    folder, place = one.folder, f"{RUNS}/{one.run.id}"
    rules = read_plainly(folder.path / MODEL, LARGEST_MODEL)
    exchanges = one.exchanges
    files = {
        f"{place}/{RUN}": _text(one.run.line()),
        f"{place}/{PROVIDER}": _text(folder.provider().line()),
        # All runs of a fleet's night have the same ones.
        f"{MODELS}/{hashlib.sha256(rules).hexdigest()}.yaml": rules,
        f"{place}/{EXCHANGES}": b"".join(_text(exchange.line()) for exchange in exchanges.values()),
        f"{place}/{FINDINGS}": b"".join(_text(finding.line()) for finding in findings),
    }
    if folder.has(MEASUREMENTS):
        files[f"{place}/{MEASUREMENTS}"] = read_plainly(folder.path / MEASUREMENTS, LARGEST_DOCUMENT)
    if attestations := folder.attestations():
        lines = sorted(attestations, key=lambda attestation: attestation.id)
        files[f"{place}/{ATTESTATIONS}"] = b"".join(_text(line.line()) for line in lines)
    if history:
        files[f"{place}/{HISTORY}"] = b"".join(_text(line.line()) for line in history)
    return files


def _packed_bodies(held: Iterable[Held]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for one in held:
        for exchange in one.exchanges.values():
            if exchange.body is not None:
                name = bodies.file_name(exchange.body, len(exchange.content))
                if name not in found:
                    found[name] = bodies.stored(exchange.content)
    return found


def _shown(material: Material) -> bundle_page.Shown:
    since = window_of(material.facts)
    counted = {
        one.id: chain.told(material.ledgers[one.subject], one.id, since)
        for one in material.facts.runs
        if one.subject in material.ledgers
    }
    return bundle_page.Shown(
        runs={id_: one.run for id_, one in material.held.items()},
        addresses={
            id_: sorted({address for exchange in one.exchanges.values() if (address := exchange.transport.address)})
            for id_, one in material.held.items()
        },
        card=material.card,
        counted={id_: place for id_, place in counted.items() if place is not None},
        answers=material.known_answers,
    )


def _text(line: str) -> bytes:
    return f"{line}\n".encode()


def _size(folder: Path) -> int:
    names = (RUN, PROVIDER, MODEL, EXCHANGES, FINDINGS, SCORECARD, MEASUREMENTS, ATTESTATIONS, HISTORY)
    files = [folder / name for name in names if (folder / name).is_file()]
    return sum(path.stat().st_size for path in [*files, *(folder / BLOBS).iterdir()])


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise Mistake(
            f"{path}: the bundle cannot be written ({error.strerror}); name another file with --out."
        ) from error


def period_of(text: str) -> SealedPeriod:
    """The period of ``--period FROM..TO``, two UTC days. Raises Mistake."""
    first, dots, last = text.partition("..")
    try:
        ordered = dots and date.fromisoformat(first) <= date.fromisoformat(last)
    except ValueError:
        ordered = False
    if not ordered or len(first) != 10 or len(last) != 10:
        raise Mistake(f"--period {text}: give the first and the last day, for example 2026-08-01..2026-10-31.")
    return SealedPeriod(first=first, last=last)
