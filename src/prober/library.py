"""Finds, loads and checks what people write: probe folders, models, provider files, authorization statements."""

import hashlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from prober.faults import Fault, faults, remarks
from prober.handwriting import explain, line_of, load_yaml, parse, read_text
from prober.mistake import Mistake
from prober.nouns.model import CapabilityProfile, MaturityModel, Model
from prober.nouns.pages import MOST_PAGES, address_fault
from prober.nouns.provider import Authorization, Provider
from prober.nouns.sheet import Sheet
from prober.verdict import Probe

PROBE_FILES = ("probe.yaml", "probe.py", "cases.yaml")


_ID = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class LoadedProbe:
    """A probe folder: id (the folder's name), family (its parent's name), what it judges, its sheet and digest."""

    id: str
    family: str
    folder: Path
    probe: Probe
    sheet: Sheet
    digest: str


def built_in_probes() -> Path:
    """The folder of the probes that ship with prober: inside the wheel, or beside `src` in a checkout."""
    inside = _PACKAGE / "_probes"
    return inside if inside.is_dir() else _PACKAGE.parent.parent / "probes"


def probe_folders(extra: Iterable[Path] = ()) -> Iterator[Path]:
    """Every probe folder: built in, then installed plug-ins (group `prober.probes`), then the folders that were named.

    Nothing is picked up from the working directory unasked: loading a probe runs its code.
    """
    yield from _folders_in(built_in_probes())
    for place in _plug_ins():
        yield from _folders_in(place)
    for folder in extra:
        if not folder.is_dir():
            raise Mistake(
                f"{folder}: this is not a folder of probes; name one that holds <family>/<probe id>/ folders."
            )
        found_any = False
        for one in _folders_in(folder):
            found_any = True
            yield one
        if not found_any:
            raise Mistake(f"{folder}: no probe was found here; a probe is a folder with {', '.join(PROBE_FILES)}.")


# What is installed stays the same while prober runs, and looking for it reads a file of every package.
@cache
def _plug_ins() -> tuple[Path, ...]:
    found = (
        importlib.util.find_spec(plug_in.value)
        for plug_in in sorted(entry_points(group="prober.probes"), key=lambda one: one.value)
    )
    return tuple(Path(place) for one in found if one is not None for place in one.submodule_search_locations or ())


def _folders_in(root: Path) -> Iterator[Path]:
    if (root / "probe.py").is_file():
        yield root
        return
    yield from sorted(path.parent for path in root.rglob("probe.py") if "__pycache__" not in path.parts)


def load_probes(extra: Iterable[Path] = ()) -> dict[str, LoadedProbe]:
    """All probes by id. Raises Mistake for the first folder that is not a probe, and for an id that is used twice."""
    probes: dict[str, LoadedProbe] = {}
    for folder in probe_folders(extra):
        one = load_probe(folder)
        if one.id in probes:
            raise Mistake(f"{folder}: the probe id {one.id} is taken by {probes[one.id].folder}; rename this folder.")
        probes[one.id] = one
    return dict(sorted(probes.items()))


def load_probe(folder: Path) -> LoadedProbe:
    """One probe folder. Raises Mistake naming the file and the remedy."""
    for name in PROBE_FILES:
        if not (folder / name).is_file():
            raise Mistake(f"{folder / name}: this file is missing; a probe folder holds {', '.join(PROBE_FILES)}.")
    return _loaded(folder, folder.resolve(), folder_digest(folder))


@lru_cache(maxsize=1_024)
def _loaded(folder: Path, whole: Path, digest: str) -> LoadedProbe:
    """The probe of these contents, whose code runs once in a process however often it is asked for."""
    # `prober check .` must find the name of the folder as well.
    if not _ID.fullmatch(whole.name):
        raise Mistake(
            f"{folder}: a probe's folder is named in snake_case after the capability that it shows, "
            "for example patient_read; rename it."
        )
    sheet = load_yaml(folder / "probe.yaml", Sheet)
    return LoadedProbe(whole.name, whole.parent.name, folder, _load_code(folder), sheet, digest)


def _load_code(folder: Path) -> Probe:
    path = folder / "probe.py"
    # A private name: probes are never importable, so that they cannot lean on one another.
    name = f"_prober_probe_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}_{folder.name}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise Mistake(f"{path}: Python cannot load this file.")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        line = _line_in(error, path)
        words = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
        # Where this machine keeps the module helps nobody.
        words = re.sub(r" \(/[^)]*\)$", "", words)
        what = f"{type(error).__name__}: {words}" if words else type(error).__name__
        raise Mistake(f"{path}:{line}: this probe cannot be loaded, mend this line ({what}).") from error
    judges = {one_name: value for one_name, value in vars(module).items() if isinstance(value, Probe)}
    if not judges:
        raise Mistake(f"{path}:1: no function here is marked @probe; mark the one that judges.")
    if len(judges) > 1:
        second = _line_with(path, sorted(judges)[1])
        raise Mistake(f"{path}:{second}: a second function is marked @probe; give it a probe folder of its own.")
    return next(iter(judges.values()))


def _line_in(error: BaseException, path: Path) -> int:
    if isinstance(error, SyntaxError) and error.lineno:
        return error.lineno
    line, trace = 1, error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve():
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of the probe's three files, line endings as they are."""
    digest = hashlib.sha256()
    for name in PROBE_FILES:
        content = (folder / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def shipped_models() -> tuple[Path, Path]:
    """The two models that ship: the FHIR capability profile and the Stage 8 proposal."""
    return _PACKAGE / "models" / "capability_profile.yaml", _PACKAGE / "models" / "stage8_proposal.yaml"


def all_shipped_models() -> tuple[Path, ...]:
    """Every model that ships: the two that a run takes by itself, then the others by name."""
    first = shipped_models()
    return (*first, *(path for path in sorted((_PACKAGE / "models").glob("*.yaml")) if path not in first))


def load_model(path: Path) -> CapabilityProfile | MaturityModel:
    """A model file. Raises Mistake naming file, line and remedy."""
    return parse_model(read_text(path), path)


def parse_model(text: str, path: Path) -> CapabilityProfile | MaturityModel:
    """A model from its text; `path` is for the messages."""
    sound = _sound_model(text)
    if sound is not None:
        return sound
    value, lines = parse(text, path)
    try:
        return _MODEL.validate_python(value)
    except ValidationError as error:
        raise Mistake(explain(error, path, lines)) from error


# By the text alone: every run folder keeps a copy of its models, so the same text is met at many paths.
@lru_cache(maxsize=32)
def _sound_model(text: str) -> CapabilityProfile | MaturityModel | None:
    try:
        return _MODEL.validate_python(parse(text, Path())[0])
    except (Mistake, ValidationError):
        return None


_MODEL: TypeAdapter[CapabilityProfile | MaturityModel] = TypeAdapter(Model)


def check_model(model: CapabilityProfile | MaturityModel, probes: Iterable[str], path: Path) -> None:
    """Raises Mistake for the first thing that is wrong with the model as a whole."""
    if found := faults_in(model, probes, path):
        raise Mistake(found[0])


def faults_in(model: CapabilityProfile | MaturityModel, probes: Iterable[str], path: Path) -> tuple[str, ...]:
    """Everything that is wrong with the model as a whole, each a sentence with file and line, in their order."""
    return _placed(faults(model, probes), path)


def remarks_on(model: CapabilityProfile | MaturityModel, path: Path) -> tuple[str, ...]:
    """What is worth a remark without being wrong, each a sentence with file and line."""
    return _placed(remarks(model), path)


def _placed(found: Iterable[Fault], path: Path) -> tuple[str, ...]:
    held = tuple(found)
    # A book without faults, the usual one, is not parsed a second time for its lines.
    lines = parse(read_text(path), path)[1] if held else {}

    def line(fault: Fault) -> int:
        place = fault.place
        while place and place not in lines:
            place = place[:-1]
        return lines[place] if place else 1

    return tuple(f"{path}:{line(one)}: {one.sentence}" for one in sorted(held, key=line))


def _line_with(path: Path, word: str) -> int:
    """The last line that holds this word: where a name stands twice, the later place is the one to mend."""
    whole = re.compile(rf"(?<![\w./]){re.escape(word)}(?![\w./])")
    lines = [number for number, line in enumerate(read_text(path).splitlines(), start=1) if whole.search(line)]
    return lines[-1] if lines else 1


def load_provider(path: Path, check_base: Callable[[str], object] = str) -> Provider:
    """provider.yaml. Raises Mistake, also where `check_base` raises one for a FHIR base."""
    provider = load_yaml(path, Provider, form=True)
    for number, base in enumerate(provider.fhir_bases):
        try:
            check_base(base)
        except Mistake as mistake:
            raise Mistake(f"{path}:{line_of(path, 'fhir_bases', number)}: {mistake}") from mistake
        if base.rstrip("/") in [earlier.rstrip("/") for earlier in provider.fhir_bases[:number]]:
            line = line_of(path, "fhir_bases", number)
            raise Mistake(f"{path}:{line}: this FHIR base stands twice; remove one of them.")
    _check_pages(provider.doc_urls, path)
    return provider


def _check_pages(urls: tuple[str, ...], path: Path) -> None:
    if len(urls) > MOST_PAGES:
        line = line_of(path, "doc_urls", MOST_PAGES)
        raise Mistake(f"{path}:{line}: prober looks at no more than {MOST_PAGES} pages; name those that matter most.")
    for number, url in enumerate(urls):
        fault = address_fault(url)
        if fault is None and _holds_a_credential(url):
            fault = "the query of this address looks like a credential, and a published page needs none; remove it."
        if fault is not None:
            raise Mistake(f"{path}:{line_of(path, 'doc_urls', number)}: {fault}")


def _holds_a_credential(url: str) -> bool:
    """Whether redaction would take something out of an address that is for everybody."""
    from prober.redact import Redactor

    return Redactor(bytes(32), synthetic=True).url(url, public=True) != url


def load_authorization(path: Path) -> Authorization:
    """An authorization statement. Raises Mistake."""
    return load_yaml(path, Authorization, form=True)


def load_cases(path: Path) -> list[Mapping[str, Any]]:
    """cases.yaml: a list of mappings. Raises Mistake."""
    value, _ = parse(read_text(path), path)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value) or not value:
        raise Mistake(f"{path}:1: this file holds a list of cases, each with `fixture` and `expect`.")
    return value
