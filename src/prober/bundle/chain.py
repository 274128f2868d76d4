"""Whether lines of a ledger follow one another, and whether the end of a ledger is what its checkpoints say."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from prober import merkle
from prober.bundle import note
from prober.mistake import Refused
from prober.nouns.ledger import LedgerExtract, LedgerLine


@dataclass
class Chain:
    """Lines of one ledger as they follow. What came before the first of them may be known by its hashes alone."""

    subject: str
    front: merkle.Front
    _last: LedgerLine | None = None
    _hash: str | None = None
    _begun: dict[str, LedgerLine] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def add(self, line: LedgerLine) -> None:
        """The next line. Raises Refused if it does not follow the one before it."""
        what = f"Line {line.number} of the ledger"
        if line.subject != self.subject:
            raise Refused(f"{what} is about another base.")
        if line.number != self.front.size + 1:
            raise Refused(f"{what} stands where line {self.front.size + 1} belongs: a line was removed or added.")
        if (line.number == 1 or self._hash is not None) and line.previous != self._hash:
            raise Refused(f"{what} does not follow the line before it: one of them was altered.")
        runs = self._last.runs if self._last else (0 if line.number == 1 else None)
        if line.event == "began":
            self._began(line, runs, what)
        else:
            self._ends(line, runs, what)
        self._last, self._hash = line, merkle.leaf_hash(line.line().encode()).hex()
        self.front.add(bytes.fromhex(self._hash))

    def _began(self, line: LedgerLine, runs: int | None, what: str) -> None:
        if line.ordinal != line.runs or (runs is not None and line.runs != runs + 1) or line.run in self._begun:
            raise Refused(f"{what} does not count the runs as the lines before it do.")
        self._begun[line.run] = line

    def _ends(self, line: LedgerLine, runs: int | None, what: str) -> None:
        if runs is not None and line.runs != runs:
            raise Refused(f"{what} does not count the runs as the lines before it do.")
        began = self._begun.get(line.run)
        if line.run in self._ended or (began is not None and began.ordinal != line.ordinal):
            raise Refused(f"{what} ends a run that is not open.")
        self._ended.add(line.run)


def check(extract: LedgerExtract, public: Ed25519PublicKey) -> None:
    """Raises Refused if the lines do not follow one another or the checkpoints are not of them and of this key."""
    try:
        front = merkle.Front(extract.before, (bytes.fromhex(one) for one in extract.peaks))
    except ValueError as error:
        raise Refused("The hashes that stand for the beginning of the ledger do not fit their number.") from error
    last = note.opened(extract.checkpoint, public)
    earlier = note.opened(extract.previous, public) if extract.previous is not None else None
    for one in (last, *([earlier] if earlier else [])):
        if one.origin != note.origin_of(extract.subject):
            raise Refused("A checkpoint of the ledger is about another base.")
    chain = Chain(extract.subject, front)
    seen = {front.size: front.root}
    for line in extract.lines:
        chain.add(line)
        if earlier is not None and front.size == earlier.size:
            seen[front.size] = front.root
    seen[front.size] = front.root
    if last.size != front.size or last.root != front.root:
        raise Refused("The lines of the ledger are not those that its checkpoint was signed over.")
    if earlier is not None and seen.get(earlier.size) != earlier.root:
        raise Refused("The ledger is not the one of the checkpoint before: lines were removed or altered since.")


def covers(extract: LedgerExtract, said: note.Checkpoint) -> bool | None:
    """Whether a checkpoint that somebody kept is of the beginning of this ledger; None: it is older than these lines.

    Raises Refused if it is of other lines, or of more than there are.
    """
    front = merkle.Front(extract.before, (bytes.fromhex(one) for one in extract.peaks))
    if said.size < extract.before:
        return None
    for line in extract.lines:
        if front.size == said.size:
            break
        front.add(merkle.leaf_hash(line.line().encode()))
    if front.size != said.size:
        raise Refused(f"A checkpoint was signed over {said.size} lines of the ledger and {front.size} are left.")
    if front.root != said.root:
        raise Refused(f"The first {said.size} lines of the ledger are not those that a checkpoint was signed over.")
    return True


def told(extract: LedgerExtract, run: str, since: str) -> tuple[int, int] | None:
    """Which run it is among those begun since that instant, and how many those are; None: it is not one of them.

    "Run 7 of 7" is what a bundle says of it.
    """
    begun = [line for line in extract.lines if line.event == "began" and line.time >= since]
    return next(((place, len(begun)) for place, line in enumerate(begun, 1) if line.run == run), None)


def ended(extract: LedgerExtract, run: str) -> LedgerLine | None:
    """The line that says how a run ended; None if it never did, or before these lines."""
    return next((line for line in extract.lines if line.event == "ended" and line.run == run), None)
