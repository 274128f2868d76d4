"""The ledger of runs: which were begun against a base, and how they ended, so that none can be left out unseen.

One file for each FHIR base, outside every run folder. A line is only ever added: before the first request of a run, and
when it has ended. Every line names the leaf hash of the line before it; a signed checkpoint says how many lines there
were and what their root was (RFC 6962), so whoever holds an earlier one sees what was removed or altered since.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from prober import merkle
from prober.bundle import note
from prober.bundle.chain import Chain
from prober.keys import Signer
from prober.mistake import Mistake, Refused
from prober.nouns.ledger import LedgerExtract, LedgerLine
from prober.nouns.run import Ending, Run

VARIABLE = "PROBER_LEDGER"
_TAIL = 16_384
"""Bytes that surely hold the last line."""
Make = Callable[[int, str | None, int], LedgerLine]
"""A line, of its number, the leaf hash of the line before it, and the number of runs begun so far."""


def ledger_folder() -> Path:
    """Where ledgers lie: the folder named by PROBER_LEDGER, or below XDG_STATE_HOME, or ~/.local/state."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "prober" / "ledger"


def file_name(subject: str) -> str:
    """The name of a base's ledger: its host, to be found, and a hash of the whole, to be unmistakable."""
    host = subject.partition("://")[2].partition("/")[0]
    plain = "".join(character if character.isalnum() or character in ".-" else "_" for character in host)
    return f"{plain[:80]}-{hashlib.sha256(subject.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Entry:
    """A run that began, by its line in the ledger; `ended` writes the other one."""

    ledger: "Ledger"
    line: LedgerLine

    def ended(self, time: str, ending: Ending, evidence: str) -> None:
        """Add the line that says how this run ended, and what evidence it had then. Raises Mistake."""
        one = self.line
        self.ledger.add(
            one.subject,
            lambda number, previous, runs: LedgerLine(
                number=number,
                previous=previous,
                event="ended",
                run=one.run,
                ordinal=one.ordinal,
                runs=runs,
                subject=one.subject,
                time=time,
                ending=ending,
                evidence=evidence,
            ),
        )


class Ledger:
    """The ledgers of all bases, in one folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or ledger_folder()

    def began(self, run: Run) -> Entry:
        """Add the line of a run that is about to send its first request. Raises Mistake if it cannot be written."""
        line = self.add(
            run.subject,
            lambda number, previous, runs: LedgerLine(
                number=number,
                previous=previous,
                event="began",
                run=run.id,
                ordinal=runs + 1,
                runs=runs + 1,
                subject=run.subject,
                time=run.started,
                environment=run.environment,
                depth=run.plan.depth,
            ),
        )
        return Entry(self, line)

    def add(self, subject: str, make: Make) -> LedgerLine:
        """Add one line, made of its number, the leaf hash before it and the number of runs so far. Raises Mistake."""
        path = self._path(subject)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "rb+", buffering=0) as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                size = _without_torn_end(descriptor)
                last = _last_line(descriptor, size)
                before = _parsed(last, path) if last else None
                line = make(
                    before.number + 1 if before else 1,
                    merkle.leaf_hash(last).hex() if last else None,
                    before.runs if before else 0,
                )
                file.write((line.line() + "\n").encode())
                os.fsync(descriptor)
        except OSError as error:
            raise Mistake(
                f"{path}: the ledger of runs cannot be written ({error.strerror}); "
                "make room, or name another folder with --ledger."
            ) from error
        return line

    def lines(self, subject: str) -> tuple[LedgerLine, ...]:
        """Every line of a base's ledger; none where there is no ledger. Raises Refused for a line that is not one."""
        return tuple(_parsed(raw, self._path(subject)) for raw in self._raw(subject))

    def subjects(self) -> tuple[str, ...]:
        """The bases that have a ledger here. Raises Refused for a file whose first line is none."""
        found = []
        for path in sorted(self.folder.glob("*.jsonl")) if self.folder.is_dir() else ():
            with path.open("rb") as file:
                first = file.readline(_TAIL)
            found += [_parsed(first.rstrip(b"\n"), path).subject] if first.endswith(b"\n") else []
        return tuple(found)

    def check(self, subject: str) -> int:
        """How many lines the ledger of a base has. Raises Refused, naming the first line that is not as it was."""
        path = self._path(subject)
        raws = self._raw(subject)
        chain = Chain(subject, merkle.Front())
        roots = [merkle.EMPTY]
        for number, raw in enumerate(raws, start=1):
            line = _parsed(raw, path)
            if line.line().encode() != raw:
                raise Refused(f"{path}:{number}: this line is not written as prober writes it.")
            try:
                chain.add(line)
            except Refused as refused:
                raise Refused(f"{path}:{number}: {refused}") from refused
            roots.append(chain.front.root)
        for text in self.checkpoints(subject):
            said = note.read(text)
            if said.size >= len(roots):
                raise Refused(f"{path}: a checkpoint was signed over {said.size} lines and {len(raws)} are left.")
            if roots[said.size] != said.root:
                raise Refused(f"{path}: the first {said.size} lines are not those that a checkpoint was signed over.")
        return len(raws)

    def hold_against(self, subject: str, said: note.Checkpoint) -> None:
        """Raises Refused if a checkpoint that somebody kept is not of the beginning of this ledger."""
        leaves = [merkle.leaf_hash(raw) for raw in self._raw(subject)]
        path = self._path(subject)
        if said.size > len(leaves):
            raise Refused(f"{path}: the checkpoint was signed over {said.size} lines and {len(leaves)} are left.")
        if merkle.root(leaves[: said.size]) != said.root:
            raise Refused(f"{path}: the first {said.size} lines are not those that the checkpoint was signed over.")

    def checkpoints(self, subject: str) -> tuple[str, ...]:
        """The signed notes over a base's ledger, oldest first."""
        path = self._notes(subject)
        if not path.is_file():
            return ()
        try:
            return tuple(str(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
        except (ValueError, OSError) as error:
            raise Refused(f"{path}: this file does not hold signed checkpoints.") from error

    def checkpoint(self, subject: str, signer: Signer) -> str:
        """The signed note over the ledger as it is now; it is kept. Without a new line it is the last one again."""
        leaves = [merkle.leaf_hash(raw) for raw in self._raw(subject)]
        text = note.signed(note.Checkpoint(note.origin_of(subject), len(leaves), merkle.root(leaves)), signer)
        if text not in self.checkpoints(subject):
            try:
                descriptor = os.open(self._notes(subject), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                with os.fdopen(descriptor, "a", encoding="utf-8") as file:
                    file.write(json.dumps(text) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise Mistake(f"{self._notes(subject)}: this cannot be written ({error.strerror}).") from error
        return text

    def extract(self, subject: str, signer: Signer, since: str) -> LedgerExtract:
        """What a bundle carries: every line since this instant, hashes for those before, and two checkpoints."""
        self.check(subject)
        raws = self._raw(subject)
        lines = [_parsed(raw, self._path(subject)) for raw in raws]
        current = self.checkpoint(subject, signer)
        earlier = [(note.read(one).size, one) for one in self.checkpoints(subject) if one != current]
        own = [(size, one) for size, one in earlier if size < len(lines) and note.is_of(one, signer.public)]
        before_size, previous = own[-1] if own else (0, None)
        first = next((at for at, line in enumerate(lines) if line.time >= since), len(lines))
        # One line from before that instant shows that none was left out since.
        first = max(0, min(first - 1, before_size) if previous else first - 1)
        front = merkle.Front()
        for raw in raws[:first]:
            front.add(merkle.leaf_hash(raw))
        return LedgerExtract(
            subject=subject,
            before=first,
            peaks=tuple(peak.hex() for peak in front.peaks),
            lines=tuple(lines[first:]),
            previous=previous,
            checkpoint=current,
        )

    @contextmanager
    def _reading(self, subject: str) -> Iterator[int]:
        descriptor = os.open(self._path(subject), os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield descriptor
        finally:
            os.close(descriptor)

    def _raw(self, subject: str) -> list[bytes]:
        if not self._path(subject).is_file():
            return []
        with self._reading(subject) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
            whole = file.read()
        # What follows the last line end was cut off by a kill: it never was a line.
        return whole.split(b"\n")[:-1]

    def _path(self, subject: str) -> Path:
        return self.folder / f"{file_name(subject)}.jsonl"

    def _notes(self, subject: str) -> Path:
        return self.folder / f"{file_name(subject)}.checkpoints"


def _parsed(raw: bytes, path: Path) -> LedgerLine:
    try:
        return LedgerLine.model_validate_json(raw)
    except ValidationError as error:
        raise Refused(f"{path}: this ledger has a line that prober did not write.") from error


def _without_torn_end(descriptor: int) -> int:
    """The length of the file up to its last line end; what a kill cut off behind it is no line, and goes."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL, max(0, size - _TAIL))
    whole = size - len(tail) + tail.rfind(b"\n") + 1
    if whole < size:
        os.ftruncate(descriptor, whole)
    return whole


def _last_line(descriptor: int, size: int) -> bytes:
    tail = os.pread(descriptor, min(size, _TAIL), max(0, size - _TAIL)).removesuffix(b"\n")
    return tail.rpartition(b"\n")[2]
