"""What `prober bundle`, `verify`, `rejudge`, `keys` and `ledger` do and say once their words are understood."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prober.archive import RunFolder
from prober.audit.seal import Sealed, Wish, period_of, seal
from prober.bundle import chain, note
from prober.clock import SystemClock
from prober.keys import (
    Signer,
    key_id,
    load_public,
    new_key,
    own_key,
    public_pem,
    signer_from,
    trust,
    trusted,
    trusted_folder,
)
from prober.ledger import Ledger
from prober.library import load_probes
from prober.mistake import Mistake, Refused
from prober.nouns.bundle import BundleFacts, Role, RunBy
from prober.nouns.ledger import LedgerExtract

Say = Callable[[str], None]
ROLES: dict[str, Role] = {"provider": "provider", "vendor": "vendor", "independent": "independent"}
LARGEST_NOTE = 4096


@dataclass(frozen=True)
class KeyWords:
    """How the command line names the key that signs."""

    key: str | None = None
    public_key: Path | None = None

    def signer(self) -> Signer:
        """The signer. Raises Mistake."""
        return signer_from(self.key, self.public_key)


def seal_command(
    runs: Sequence[Path],
    *,
    out: Path | None,
    key: KeyWords,
    period: str | None,
    run_by: str | None,
    ledger: Path | None,
    documents: Iterable[Path],
    waivers: Path | None,
    probes: Iterable[Path],
    say: Say,
) -> Sealed:
    """`prober bundle RUN...`."""
    wish = Wish(
        runs=tuple(runs),
        signer=key.signer(),
        period=period_of(period) if period else None,
        run_by=_run_by(run_by),
        ledger=ledger,
        documents=tuple(documents),
        waivers=waivers,
    )
    sealed = seal(wish, load_probes(probes), out)
    facts = sealed.facts
    say(f"{sealed.path}: {_thousands(sealed.size)} bytes, made of {_thousands(sealed.raw)} bytes of evidence.")
    say(f"Signed by the key {facts.signer}.")
    for line in _told(facts):
        say(line)
    return sealed


def verify_command(
    path: Path,
    *,
    key: Path | None,
    checkpoint: Path | None,
    disclosures: Sequence[Path],
    probes: Iterable[Path],
    say: Say,
    tsa_ca: Path | None = None,
    ssh_signers: Path | None = None,
    ssh_identity: str | None = None,
) -> int:
    """`prober verify`. The exit code: 0 it holds, 3 not everything could be told. Raises Refused where it does not."""
    from prober.audit import disclose
    from prober.audit.beside import check_beside
    from prober.audit.verify import verify

    expected = load_public(key) if key is not None else None
    names = trusted()
    given = [disclose.read(one) for one in disclosures]
    found = verify(path, load_probes(probes), expected, names, [partial(disclose.check, one) for one in given])
    proofs = check_beside(path, tsa_ca=tsa_ca, ssh_signers=ssh_signers, ssh_identity=ssh_identity)
    facts = found.facts
    whose = "the key that you named" if expected is not None else f"trusted as {names[found.signer]}"
    say(f"{path} holds:")
    say(f"Form       {found.entries} files in the one legal form of a bundle.")
    say("Hashes     Every file is the one that the manifests name, and none is left over.")
    say(f"Signature  By the key {found.signer}, {whose}.")
    for subject, extract in sorted(found.ledgers.items()):
        since = found.since
        many = len(extract.lines) + extract.before
        rated = next(one.id for one in facts.runs if one.subject == subject and one.id in facts.rated)
        place = chain.told(extract, rated, since)
        counted = f"run {place[0]} of {place[1]} since {since[:10]}" if place else f"{rated} began before {since[:10]}"
        say(f"Ledger     {subject}: {counted}; {many} lines up to a signed checkpoint.")
    for one in facts.runs:
        if one.ledger is None:
            say(f"Ledger     {one.id} is in no ledger that the sealer had: other runs may have been left out.")
    code = 0
    if checkpoint is not None:
        code = _compare(checkpoint, found.ledgers.values(), say)
    if found.underived is None:
        probes_asked = len(found.card.findings)
        say(f"Derived    {found.requests} exchanges, {probes_asked} findings, the scorecard: the same, byte for byte.")
    else:
        say(f"Derived    {found.underived[0].upper()}{found.underived[1:]}.")
        code = 3
    for shown in given:
        for value in shown.values:
            say(f"Disclosed  {value.pointer} of {shown.exchange} is {value.value}, as in the withheld original.")
    for proof in proofs:
        say(f"{proof}")
        code = code if proof.checked else 3
    for line in _told(facts):
        say(line)
    return code


def rejudge_command(path: Path, *, model: Path | None, out: Path | None, probes: Iterable[Path], say: Say) -> int:
    """`prober rejudge`. The exit code."""
    from prober.audit.rejudge import rejudge

    found = rejudge(path, load_probes(probes), model, out)
    say(f"The bundle is signed by the key {found.signer}; whether that is one to trust, `prober verify` tells.")
    if found.same:
        say("Judged and scored again: the same scorecard, byte for byte.")
    for other in found.findings:
        say(f"Finding {other.probe} in {other.run}: {other.old} → {other.new}, because {other.why}.")
    for result in found.results:
        say(f"{result}")
        criterion = result.about.removesuffix(" level")
        for reason in found.reasons.get(criterion, ()):
            say(f"    because {reason}")
    if not found.same and not found.findings and not found.results:
        say("No result is another one; only words or digests in the scorecard differ.")
    if out is not None:
        say(f"The scorecard is in {out}.")
    return 0


def disclose_command(
    path: Path, *, custodian: Path, exchange: str, pointers: Sequence[str], out: Path | None, say: Say
) -> None:
    """`prober bundle disclose`."""
    from prober.audit.disclose import disclose, text_of

    found = disclose(path, custodian, exchange, pointers)
    if out is None:
        say(text_of(found).rstrip("\n"))
        return
    try:
        out.write_text(text_of(found), encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{out}: this cannot be written ({error.strerror}); name another file.") from error
    say(f"{out} proves {len(found.values)} kept values; check it with `prober verify {path} --disclosure {out}`.")


def export_command(path: Path, *, kind: str, out: Path | None, probes: Iterable[Path], say: Say) -> None:
    """`prober export`: of a bundle, or of a run folder that has not been sealed yet."""
    from prober.audit.exporting import exported_from

    files = exported_from(path, kind, load_probes(probes))
    if out is None:
        if len(files) > 1:
            raise Mistake(f"--as {kind} gives {len(files)} files ({', '.join(files)}); say with --out DIR where to.")
        (content,) = files.values()
        say(content.decode().removesuffix("\n"))
        return
    folder = RunFolder.create_plain(out)
    for name, content in files.items():
        say(f"{folder.write_report(name, content.decode())}")


def new_key_command(path: Path | None, say: Say) -> None:
    """`prober keys new`."""
    place = path or own_key()
    signer = new_key(place, SystemClock())
    say(f"{place} holds a new private key; keep it to yourself. Its id, to tell to whoever checks your bundles:")
    say(signer.id)


def show_key_command(path: Path | None, say: Say) -> None:
    """`prober keys show`: a public key with its id, of a private or a public file; without one, all that are known."""
    if path is not None:
        content = path.read_bytes() if path.is_file() else b""
        public = signer_from(str(path)).public if b"PRIVATE KEY" in content else load_public(path)
        say(key_id(public))
        say(public_pem(public).decode().rstrip("\n"))
        return
    known = trusted()
    if not known:
        say(f"There is no key yet: `prober keys new` makes {own_key()}, and `prober keys trust` adds somebody's.")
    for id_, name in sorted(known.items(), key=lambda item: item[1]):
        say(f"{id_}  {name}")


def trust_command(path: Path, name: str | None, say: Say) -> None:
    """`prober keys trust`."""
    public = load_public(path)
    trust(public, name or path.stem.replace(" ", "-"))
    say(f"Bundles that the key {key_id(public)} signed are accepted from now on.")
    say(f"To end that, remove its file from {trusted_folder()}.")


def verify_ledger_command(
    subjects: Sequence[str], *, folder: Path | None, checkpoint: Path | None, key: Path | None, say: Say
) -> int:
    """`prober ledger verify`. The exit code. Raises Refused."""
    ledger = Ledger(folder)
    known = ledger.subjects()
    unknown = next((one for one in subjects if one not in known), None)
    if unknown is not None:
        raise Mistake(f"{unknown}: there is no ledger of this base in {ledger.folder}; see `prober ledger verify`.")
    if not known:
        say(f"No run was ever begun by the ledger in {ledger.folder}.")
        return 0
    if checkpoint is not None:
        if key is None:
            raise Mistake("--checkpoint: name the key that signed it with --key.")
        said = note.opened(_note(checkpoint), load_public(key))
        ours = [one for one in known if note.origin_of(one) == said.origin]
        if not ours:
            raise Refused(f"{checkpoint} is about {said.origin}, and there is no such ledger in {ledger.folder}.")
        ledger.hold_against(ours[0], said)
    for subject in subjects or known:
        lines = ledger.lines(subject)
        ledger.check(subject)
        runs = lines[-1].runs if lines else 0
        signed = len(ledger.checkpoints(subject))
        say(f"{subject}: {runs} runs in {len(lines)} lines, each as it was written; {signed} signed checkpoints hold.")
    return 0


def checkpoint_command(subject: str, *, folder: Path | None, key: KeyWords, say: Say) -> None:
    """`prober ledger checkpoint`: a signed note to give away, so that nobody can shorten the ledger unseen."""
    ledger = Ledger(folder)
    if subject not in ledger.subjects():
        raise Mistake(f"{subject}: there is no ledger of this base in {ledger.folder}; see `prober ledger verify`.")
    ledger.check(subject)
    say(ledger.checkpoint(subject, key.signer()).rstrip("\n"))


def _compare(path: Path, ledgers: Iterable[LedgerExtract], say: Say) -> int:
    """Hold a checkpoint that somebody kept against the ledgers of a bundle. Raises Refused if they differ."""
    said = note.read(_note(path))
    for extract in ledgers:
        if note.origin_of(extract.subject) != said.origin:
            continue
        held = chain.covers(extract, said)
        if held is None:
            say(f"Checkpoint {path} is older than the part of the ledger in this bundle, so they cannot be compared.")
            return 3
        say(f"Checkpoint {path}: its {said.size} lines are the first of this ledger.")
        return 0
    raise Refused(f"{path} is about {said.origin}, and this bundle has no ledger of it.")


def _note(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(LARGEST_NOTE)
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"{path}: this checkpoint cannot be read; check the path.") from error


def _told(facts: BundleFacts) -> list[str]:
    """What whoever handles the bundle must know first."""
    told = []
    for one in facts.models:
        if not one.released:
            told.append(f"Own rules: {one.id} {one.version} is not in a form that prober released.")
    if facts.contents == "real":
        told.append("It holds redacted answers about real people: treat it as patient data.")
    unseen = sum(one.inspected is None for one in facts.documents)
    if unseen:
        told.append(f"Documents: {unseen} of {len(facts.documents)} are named by their hash and were not inspected.")
    return told


def _run_by(text: str | None) -> RunBy:
    """`ROLE` or `ROLE: NAME`. Raises Mistake."""
    if text is None:
        return RunBy()
    role, _, name = text.partition(":")
    if role.strip() not in ROLES:
        raise Mistake(f"--run-by {text}: say provider, vendor or independent, and if wished a name: 'vendor: ACME'.")
    return RunBy(role=ROLES[role.strip()], name=name.strip()[:200] or None)


def _thousands(number: int) -> str:
    return f"{number:,}"
