"""Finds, loads and checks what people write: probe folders, models, provider files, authorization statements."""

import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from prober.mistake import Mistake
from prober.nouns.model import CapabilityProfile, MaturityModel, Model
from prober.nouns.provider import Authorization, Provider
from prober.nouns.sheet import Sheet
from prober.verdict import Probe

N = TypeVar("N", bound=BaseModel)
PROBE_FILES = ("probe.yaml", "probe.py", "cases.yaml")
LARGEST_FILE = 4 * 2**20
"""Bytes: a larger file was not written by a person for prober."""

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
    for plug_in in sorted(entry_points(group="prober.probes"), key=lambda one: one.value):
        found = importlib.util.find_spec(plug_in.value)
        for place in (found.submodule_search_locations or ()) if found else ():
            yield from _folders_in(Path(place))
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
    if not _ID.fullmatch(folder.name):
        raise Mistake(f"{folder}: a probe's folder is named in snake_case after the capability that it shows.")
    sheet = load_yaml(folder / "probe.yaml", Sheet)
    return LoadedProbe(folder.name, folder.parent.name, folder, _load_code(folder), sheet, folder_digest(folder))


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
    except Exception as error:
        del sys.modules[name]
        line = _line_in(error, path)
        raise Mistake(f"{path}:{line}: this probe cannot be loaded ({type(error).__name__}: {error}).") from error
    judges = [value for value in vars(module).values() if isinstance(value, Probe)]
    if len(judges) != 1:
        raise Mistake(f"{path}: a probe file has exactly one function marked @probe, this one has {len(judges)}.")
    return judges[0]


def _line_in(error: Exception, path: Path) -> int:
    if isinstance(error, SyntaxError) and error.lineno:
        return error.lineno
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
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


def load_model(path: Path) -> CapabilityProfile | MaturityModel:
    """A model file. Raises Mistake naming file, line and remedy."""
    return parse_model(_read(path), path)


def parse_model(text: str, path: Path) -> CapabilityProfile | MaturityModel:
    """A model from its text; `path` is for the messages."""
    value, lines = _parse(text, path)
    try:
        return _MODEL.validate_python(value)
    except ValidationError as error:
        raise Mistake(_explain(error, path, lines)) from error


_MODEL: TypeAdapter[CapabilityProfile | MaturityModel] = TypeAdapter(Model)


def check_model(model: CapabilityProfile | MaturityModel, probes: Iterable[str], path: Path) -> None:
    """Raises Mistake if the model names a probe that is not there, or an id twice."""
    known = set(probes)
    if isinstance(model, CapabilityProfile):
        named = [probe for family in model.families for probe in family.probes]
        twice = {probe for probe in named if named.count(probe) > 1}
        if twice:
            raise Mistake(f"{path}: the probe {min(twice)} stands in two families; keep it in one.")
    else:
        requirements = [requirement for one in model.criteria for level in one.levels.values() for requirement in level]
        ids = [one.id for one in requirements] + [one.id for one in model.criteria]
        twice = {id_ for id_ in ids if ids.count(id_) > 1}
        if twice:
            raise Mistake(f"{path}: the id {min(twice)} stands twice; ids name one thing only.")
        rules = [*(one.met_by for one in requirements), *(gate.met_by for gate in model.gates)]
        named = [probe for rule in rules if rule is not None for probe in sorted(rule.probes())]
    missing = sorted(set(named) - known)
    if missing:
        raise Mistake(f"{path}: the model names the probe {missing[0]}, which does not exist; see `prober list`.")


def load_yaml(path: Path, noun: type[N]) -> N:
    """A YAML file as a noun. Raises Mistake naming file, line and remedy for the first thing that is wrong."""
    value, lines = _parse(_read(path), path)
    try:
        return noun.model_validate(value)
    except ValidationError as error:
        raise Mistake(_explain(error, path, lines)) from error


def load_provider(path: Path) -> Provider:
    """provider.yaml. Raises Mistake."""
    return load_yaml(path, Provider)


def load_authorization(path: Path) -> Authorization:
    """An authorization statement. Raises Mistake."""
    return load_yaml(path, Authorization)


def load_cases(path: Path) -> list[Mapping[str, Any]]:
    """cases.yaml: a list of mappings. Raises Mistake."""
    value, _ = _parse(_read(path), path)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value) or not value:
        raise Mistake(f"{path}: this file holds a list of cases, each with `fixture` and `expect`.")
    return value


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise Mistake(f"{path}: this file is larger than {LARGEST_FILE} bytes; it was not written for prober.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{path}: this file cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise Mistake(f"{path}: this file is not UTF-8 text (byte {error.start}).") from error


# Composing in C is several times faster; where PyYAML was built without it, the result is the same.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Safe YAML in which an unquoted date stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _parse(text: str, path: Path) -> tuple[Any, dict[tuple[Any, ...], int]]:
    """The YAML value, and the line of each place in it. Aliases and repeated keys are refused.

    Aliases are looked for in the composed tree, before anything is built from it: a small file could otherwise expand
    without end.
    """
    loader = _Loader(text)
    lines: dict[tuple[Any, ...], int] = {}
    try:
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _note_lines(node, (), lines, set())
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise Mistake(f"{path}:{line}: this is not valid YAML: {error.problem}.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Mistake(f"{path}:1: this is not valid YAML ({type(error).__name__}).") from error
    finally:
        loader.dispose()


def _note_lines(node: Any, place: tuple[Any, ...], lines: dict[tuple[Any, ...], int], met: set[int]) -> None:
    if id(node) in met:
        raise yaml.MarkedYAMLError(problem="aliases are not allowed here", problem_mark=node.start_mark)
    met.add(id(node))
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        keys: set[Any] = set()
        for key, value in node.value:
            if key.value in keys:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
            keys.add(key.value)
            inner = (*place, key.value)
            _note_lines(value, inner, lines, met)
            lines[inner] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note_lines(value, (*place, index), lines, met)


def _explain(error: ValidationError, path: Path, lines: Mapping[tuple[Any, ...], int]) -> str:
    """One sentence about the first mistake, in the order of the file."""

    def line(place: tuple[Any, ...]) -> int:
        where = tuple(str(part) if not isinstance(part, int) else part for part in place)
        while where and where not in lines:
            where = where[:-1]
        return lines.get(where, 1)

    def clean(place: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(part for part in place if part not in ("maturity", "profile"))

    problems = sorted(error.errors(include_url=False), key=lambda one: line(clean(one["loc"])))
    first = problems[0]
    place = clean(first["loc"])
    name = ".".join(str(part) for part in place) or "the file"
    kind, given = first["type"], first.get("input")
    if kind == "missing":
        text = f"`{name}` is missing; add it"
    elif kind == "extra_forbidden":
        text = f"`{name}` is not known here; check its spelling or remove it"
    elif kind == "value_error":
        text = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    else:
        shown = f" (it is {given!r})" if isinstance(given, str | int | bool) and len(str(given)) <= 60 else ""
        message = first["msg"]
        text = f"`{name}` is not right{shown}: {message[0].lower()}{message[1:]}"
    return f"{path}:{line(place)}: {text}."
