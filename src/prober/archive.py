"""The only door to run folders on disk: what lies in one, how it is written safely, and how it is read back."""

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from prober.files import replace_file
from prober.mistake import BadFolder
from prober.nouns.attestation import Attestation
from prober.nouns.base import Noun, canonical
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding
from prober.nouns.history import HistoryLine, Remembered, apart, in_order, kind_of_line
from prober.nouns.measurement import is_measurement, surroundings_in
from prober.nouns.polls import PollDay
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import Run
from prober.nouns.scorecard import Scorecard

RUN, PROVIDER, MODEL = "run.json", "provider.json", "model.yaml"
EXCHANGES, BLOBS, MEASUREMENTS = "exchanges.jsonl", "blobs", "measurements.jsonl"
FINDINGS, SCORECARD = "findings.jsonl", "scorecard.json"
ATTESTATIONS, HISTORY = "attestations.jsonl", "history.jsonl"
LARGEST_FILE = 64 * 2**20
"""Bytes: prober never writes a larger file into a run folder."""
LARGEST_MODEL = 4 * 2**20
MOST_HELD = 256 * 2**20
"""Bytes: all stored bodies of a run together."""
_BETWEEN_MODELS = "---\n"
_BETWEEN = re.compile(f"^{_BETWEEN_MODELS}", re.MULTILINE)
_ID = re.compile(rb',"id":"([0-9a-f]{16}\.[0-9]+)"')
_STARTED = re.compile(rb',"started":"([^"\\]*)"')
N = TypeVar("N", bound=Noun)
T = TypeVar("T")


class Texts:
    """Nouns by the exact text that they were read from, so that a text which comes again is not read again.

    What a server is found to do says neither when nor in which run, so most lines are those of the night before. Nouns
    are frozen, so it is one and the same that is handed out. Only what was read whole and without a fault is kept, and
    only from its second time on: of a thousand servers that have no line in common nothing piles up.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._once: set[int] = set()
        self._held: dict[tuple[type[Noun], str | bytes], Noun] = {}
        self.size = 0
        """Characters or bytes of the texts that are kept."""

    def read(self, noun: type[N], text: str | bytes) -> N:
        """The noun that this text is. ValidationError if it is none."""
        known = self._held.get((noun, text))
        if known is not None:
            return known  # type: ignore[return-value]
        one = noun.model_validate_json(text)
        if hash(text) not in self._once:
            if len(self._once) >= MOST_ONCE:
                self._once.clear()
            self._once.add(hash(text))
        elif len(text) <= self._most:
            if self.size + len(text) > self._most:
                self._held.clear()
                self.size = 0
            self._held[noun, text] = one
            self.size += len(text)
        return one


MOST_ONCE = 100_000
MOST_KEPT = 4 * 2**20
"""Characters of text whose nouns are kept: the findings of some hundred runs."""
_texts = Texts(MOST_KEPT)


class RunFolder:
    """A run on disk. Everything in it is redacted; nothing outside it is needed to judge and score it again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._exchanges: int | None = None

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """A new, empty run folder. Raises BadFolder if something lies there already or it cannot be made."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise BadFolder(f"{path}: this folder is not empty; name a new one with --out.")
            (path / BLOBS).mkdir()
        except OSError as error:
            raise BadFolder(f"{path}: the run folder cannot be made ({error.strerror}).") from error
        return cls(path)

    @classmethod
    def create_plain(cls, path: Path) -> "RunFolder":
        """A new, empty folder for a scorecard and reports alone. Raises BadFolder."""
        folder = cls.create(path)
        (path / BLOBS).rmdir()
        return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run folder. Raises BadFolder if it is none."""
        if not (path / RUN).is_file():
            raise BadFolder(f"{path}: this is not a run folder, it has no {RUN}; make one with `prober run`.")
        return cls(path)

    def write_run(self, run: Run) -> None:
        self._write(RUN, run.line() + "\n")

    def write_provider(self, facts: ProviderFacts) -> None:
        self._write(PROVIDER, facts.line() + "\n")

    def write_models(self, texts: tuple[str, ...]) -> None:
        """The exact texts of the models, one YAML document each."""
        self._write(MODEL, _BETWEEN_MODELS.join(text.rstrip("\n") + "\n" for text in texts))

    def record(self, exchange: Exchange, content: bytes) -> None:
        """Append one redacted exchange, its body as a blob first, so that a kill leaves no line without its blob."""
        if exchange.body is not None:
            blob = self.path / BLOBS / exchange.body
            if not blob.exists():
                self._write(f"{BLOBS}/{exchange.body}", content)
        if self._exchanges is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._exchanges = self._on_disk(EXCHANGES, lambda: os.open(self.path / EXCHANGES, flags, 0o644))
        descriptor, line = self._exchanges, (exchange.line() + "\n").encode()
        self._on_disk(EXCHANGES, lambda: _write_all(descriptor, line))

    def measure(self, lines: tuple[Mapping[str, object], ...]) -> None:
        """What was measured of the run itself, and what its surroundings were, one JSON object per line."""
        self._write(MEASUREMENTS, "".join(canonical(dict(line)) + "\n" for line in lines))

    def close(self) -> None:
        """Make sure that everything recorded is on the disk."""
        if self._exchanges is not None:
            descriptor, self._exchanges = self._exchanges, None
            try:
                self._on_disk(EXCHANGES, lambda: os.fsync(descriptor))
            finally:
                os.close(descriptor)

    def write_findings(self, findings: tuple[Finding, ...]) -> None:
        self._write(FINDINGS, "".join(one.line() + "\n" for one in findings))

    def write_attestations(self, attestations: tuple[Attestation, ...]) -> None:
        """What people attested, in the order of its ids; without any there is no such file."""
        lines = sorted(attestations, key=lambda one: one.id)
        self._write(ATTESTATIONS, "".join(one.line() + "\n" for one in lines))

    def write_history(self, lines: Iterable[Remembered]) -> None:
        """What earlier runs saw, in the order of time, and after that their polls by days."""
        self._write(HISTORY, "".join(one.line() + "\n" for one in in_order(lines)))

    def write_scorecard(self, card: Scorecard) -> None:
        self._write(SCORECARD, card.line() + "\n")

    def write_report(self, name: str, text: str) -> Path:
        self._write(name, text)
        return self.path / name

    def run(self) -> Run:
        return self._noun(RUN, Run)

    def provider(self) -> ProviderFacts:
        return self._noun(PROVIDER, ProviderFacts)

    def models(self) -> tuple[str, ...]:
        """The texts of the models that this run was scored with."""
        return tuple(_BETWEEN.split(self._read(MODEL, LARGEST_MODEL).removesuffix("\n") + "\n"))

    def exchanges(self) -> dict[str, Exchange]:
        """All exchanges by id, with their stored bodies. Raises BadFolder if a body is not what its name says.

        A last line that a kill cut off is passed over: it was not finished evidence.
        """
        if not self.has(EXCHANGES):
            return {}
        found: dict[str, Exchange] = {}
        held = 0
        lines = read_plainly(self.path / EXCHANGES, LARGEST_FILE).split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                exchange = Exchange.model_validate_json(line)
            except ValidationError as error:
                if number == len(lines):
                    break
                raise BadFolder(f"{self.path / EXCHANGES}:{number}: this line is not an exchange.") from error
            content = self.blob(exchange.body)
            held += len(content)
            if held > MOST_HELD:
                raise BadFolder(f"{self.path / BLOBS}: the stored bodies are larger than prober ever writes.")
            found[exchange.id] = exchange.model_copy(update={"content": content})
        return found

    def exchange_index(self) -> "ExchangeIndex":
        """The exchanges without their bodies, for whoever needs their times and the words of few: a score."""
        return ExchangeIndex(self)

    def blob(self, name: str | None) -> bytes:
        """A stored body. Raises BadFolder if it is missing or was altered."""
        if name is None:
            return b""
        if len(name) != 64 or not all(character in "0123456789abcdef" for character in name):
            raise BadFolder(f"{self.path}: {name!r} is not the name of a stored body.")
        if not os.path.lexists(self.path / BLOBS / name):
            raise BadFolder(f"{self.path / BLOBS / name}: this stored body is missing.")
        content = read_plainly(self.path / BLOBS / name, LARGEST_FILE)
        if hashlib.sha256(content).hexdigest() != name:
            raise BadFolder(f"{self.path / BLOBS / name}: this stored body was altered, its hash is another one.")
        return content

    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._lines(FINDINGS, Finding, "finding"))

    def attestations(self) -> tuple[Attestation, ...]:
        """What people attested; nothing where the run folder has no such file."""
        return tuple(self._lines(ATTESTATIONS, Attestation, "attestation")) if self.has(ATTESTATIONS) else ()

    def remembered(self) -> tuple[Remembered, ...]:
        """All of history.jsonl in the order of its lines; nothing where the run folder has no such file."""
        if not self.has(HISTORY):
            return ()
        return tuple(self._lines(HISTORY, kind_of_line, "line of history"))

    def history(self) -> tuple[HistoryLine, ...]:
        """What earlier runs saw, a line for each run and probe."""
        return apart(self.remembered())[0]

    def poll_days(self) -> tuple[PollDay, ...]:
        """The polls of earlier runs, a line for each day."""
        return apart(self.remembered())[1]

    def measurements(self) -> tuple[Mapping[str, object], ...]:
        """What was measured of the run and of its surroundings; nothing where there is no such file.

        Raises BadFolder for a line that prober does not write.
        """
        if not self.has(MEASUREMENTS):
            return ()
        lines = self._read(MEASUREMENTS).removesuffix("\n").split("\n")
        for number, line in enumerate(lines, start=1):
            if line and not is_measurement(line):
                raise BadFolder(f"{self.path / MEASUREMENTS}:{number}: this line is not a measurement.")
        return tuple(json.loads(line) for line in lines if line)

    def scorecard(self) -> Scorecard:
        return self._noun(SCORECARD, Scorecard)

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def _lines(self, name: str, noun: type[N] | Callable[[str], type[N]], called: str) -> Iterator[N]:
        text = self._read(name).removesuffix("\n")
        lines = text.split("\n") if text else []
        for number, line in enumerate(lines, start=1):
            try:
                yield _texts.read(noun if isinstance(noun, type) else noun(line), line)
            except ValidationError as error:
                article = "an" if called[0] in "aeiou" else "a"
                raise BadFolder(f"{self.path / name}:{number}: this line is not {article} {called}.") from error

    def _noun(self, name: str, noun: type[N]) -> N:
        try:
            return noun.model_validate_json(self._read(name))
        except ValidationError as error:
            raise BadFolder(f"{self.path / name}: this file is not what prober wrote ({_first(error)}).") from error

    def _read(self, name: str, most: int = LARGEST_FILE) -> str:
        try:
            return read_plainly(self.path / name, most).decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadFolder(f"{self.path / name}: this file is not UTF-8 text.") from error

    def _write(self, name: str, content: str | bytes) -> None:
        target = self.path / name
        data = content.encode("utf-8") if isinstance(content, str) else content

        self._on_disk(name, lambda: replace_file(target, data, lasting=False))

    def _on_disk(self, name: str, write: Callable[[], T]) -> T:
        try:
            return write()
        except OSError as error:
            target = self.path / name
            raise BadFolder(
                f"{target}: this file cannot be written ({error.strerror}); make room, or use another folder."
            ) from error


class ExchangeIndex(Mapping[str, Exchange]):
    """The exchanges of a run by id, without bodies, each read only when asked for; `started` tells when each began.

    The file is read when it is first asked for. Raises BadFolder for what prober did not write.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    @cached_property
    def started(self) -> Mapping[str, str]:
        """When each exchange began, by its id."""
        return {id_: started for id_, (_, started) in self._all.items()}

    def lines(self) -> Mapping[str, bytes]:
        """Each exchange as the line it has on disk, by its id."""
        return {id_: line for id_, (line, _) in self._all.items()}

    @cached_property
    def _content(self) -> bytes:
        path = self._folder.path / EXCHANGES
        return read_plainly(path, LARGEST_FILE) if self._folder.has(EXCHANGES) else b""

    @cached_property
    def _all(self) -> Mapping[str, tuple[bytes, str]]:
        found: dict[str, tuple[bytes, str]] = {}
        lines = self._content.split(b"\n")
        for number, line in enumerate(lines, start=1):
            # Canonical text holds no other member of these names, and no string can look like one: its quotes are
            # escaped. So two searches do for a line what reading it whole does, in a hundredth of the time.
            id_, started = _ID.search(line), _STARTED.search(line)
            if id_ and started and line.endswith(b"}"):
                found[id_[1].decode()] = (line, started[1].decode())
            elif line and (one := self._read_whole(line, number, last=number == len(lines))) is not None:
                found[one.id] = (line, one.started)
        return found

    def _read_whole(self, line: bytes, number: int, *, last: bool) -> Exchange | None:
        try:
            return Exchange.model_validate_json(line)
        except ValidationError as error:
            if last:
                # A kill cut it off: it was not finished evidence.
                return None
            raise BadFolder(f"{self._folder.path / EXCHANGES}:{number}: this line is not an exchange.") from error

    def __getitem__(self, id_: str) -> Exchange:
        line = self._line(id_)
        try:
            return _texts.read(Exchange, line)
        except ValidationError as error:
            raise BadFolder(f"{self._folder.path / EXCHANGES}: the exchange {id_} is not one.") from error

    def _line(self, id_: str) -> bytes:
        """The line of one exchange; most scores ask for one or two, so the others are not looked at."""
        at = self._content.find(f',"id":"{id_}"'.encode())
        end = self._content.find(b"\n", at)
        if at < 0 or end < 0:
            return self._all[id_][0]
        return self._content[self._content.rfind(b"\n", 0, at) + 1 : end]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def read_plainly(path: Path, most: int) -> bytes:
    """The content of a plain file of at most `most` bytes. Raises BadFolder for a link, a pipe, a device, or more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else str(error.strerror)
        raise BadFolder(f"{path}: this file cannot be read ({why}).") from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise BadFolder(f"{path}: this is not a plain file, so prober did not write it.")
        if facts.st_size > most:
            raise BadFolder(f"{path}: this file is larger than {most} bytes, so prober did not write it.")
        # One call reads what there is at once; a second one sees whether that was all.
        content = os.read(descriptor, facts.st_size + 1)
        while len(content) <= most and (more := os.read(descriptor, 65_536)):
            content += more
        return content[:most]
    finally:
        os.close(descriptor)


def check_place(path: Path, option: str, *, empty: bool = False) -> None:
    """Raises BadFolder if no folder can be made there, or if it must be `empty` and is not; nothing is made."""
    try:
        if empty and path.is_dir() and any(path.iterdir()):
            raise BadFolder(f"{option} {path}: this folder is not empty; name a new one.")
    except OSError as error:
        raise BadFolder(f"{option} {path}: this folder cannot be read ({error.strerror}); name another one.") from error
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise BadFolder(f"{option} {path}: {nearest} is a file, not a folder; name another place.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise BadFolder(f"{option} {path}: nothing may be written in {nearest}; name another place.")


def copy_for_rejudging(source: RunFolder, target: Path, parent: str) -> RunFolder:
    """A copy of the evidence of a run that names its parent; its findings and scores are made anew."""
    copy = RunFolder.create(target)
    for exchange in source.exchanges().values():
        copy.record(exchange, exchange.content)
    copy.close()
    if measured := source.measurements():
        copy.measure(measured)
    copy.write_provider(source.provider())
    copy.write_models(source.models())
    copy.write_run(source.run().model_copy(update={"parent": parent}))
    return copy


def collected_digest(folder: RunFolder) -> str:
    """SHA-256 over what was collected: the run, the provider's facts and the exchanges by id, each a canonical line.

    It says what was asked and seen, whatever is made of it later, so the digests of probes and models and the name of a
    parent are left out. The bodies are in it by their hashes. What was noted of the surroundings is in it, where there
    is any: whether a silent server was down hangs on it.
    """
    run = folder.run().model_copy(update={"parent": None, "probes": {}, "models": {}})
    lines = (line for _, line in sorted(folder.exchange_index().lines().items()))
    facts = folder.provider().line().encode()
    return hashlib.sha256(b"\n".join([run.line().encode(), facts, *lines, *_surroundings(folder)])).hexdigest()


def evidence_digest(folder: RunFolder, exchanges: Mapping[str, Exchange] | None = None) -> str:
    """SHA-256 over the run, its exchanges in the order of their ids and its surroundings: the name of a parent run.

    `exchanges` are those of the run, where they were read already.
    """
    digest = hashlib.sha256(folder.run().line().encode())
    for id_, exchange in sorted((folder.exchanges() if exchanges is None else exchanges).items()):
        digest.update(f"\n{id_}\n{exchange.line()}".encode())
    for line in _surroundings(folder):
        digest.update(b"\n" + line)
    return digest.hexdigest()


def _surroundings(folder: RunFolder) -> list[bytes]:
    """What was noted of the surroundings, a canonical line each, in the order of the file."""
    return [one.line().encode() for one in surroundings_in(folder.measurements())]


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _first(error: ValidationError) -> str:
    place = error.errors(include_url=False, include_input=False)[0]["loc"]
    return ".".join(str(part) for part in place) or "the whole file"
