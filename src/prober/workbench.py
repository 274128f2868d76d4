"""`prober check`: the rules of the house for anybody's probes, and their cases run."""

import ast
import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

from prober.casebook import Remembered, disagreement, outcome_of, read_cases, remember
from prober.handwriting import TO_FILL_IN, line_of
from prober.library import PROBE_FILES, LoadedProbe, built_in_probes, load_probe
from prober.mistake import Mistake

MODULES = frozenset(
    {
        "prober.api",
        "prober.observations",
        "base64",
        "collections",
        "collections.abc",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "ipaddress",
        "itertools",
        "json",
        "operator",
        "re",
        "string",
        "typing",
        "urllib.parse",
    }
)
"""All that a probe may import: the words of prober, and standard modules that cannot look at the world."""

WORLDLY = frozenset({"open", "print", "input", "eval", "exec", "compile", "__import__", "globals"})
"""Functions of Python whose call would make a judgement depend on something outside the evidence."""
CLOCKS = frozenset({"now", "utcnow", "today"})
"""Methods that tell the time."""


def check_folder(folder: Path, fixtures: Path | None = None) -> list[str]:
    """What is wrong with the probes below this folder, one sentence each; empty if nothing is."""
    if not folder.is_dir():
        raise Mistake(f"{folder}: this is not a folder; name one that holds probe folders.")
    places = sorted({path.parent for name in ("probe.py", "probe.yaml") for path in folder.rglob(name)})
    if not places:
        raise Mistake(f"{folder}: no probe was found here; make one with `prober new ID`.")
    own = fixtures or _fixtures_beside(folder)
    complaints: list[str] = []
    for place in places:
        try:
            probe = load_probe(place)
        except Mistake as mistake:
            complaints.append(str(mistake))
            continue
        complaints += [*check_rules(probe), *check_cases(probe, own)]
    return complaints


def check_rules(probe: LoadedProbe) -> Iterator[str]:
    """The rules that can be read off the three files."""
    yield from _unfilled(probe.folder)
    source = (probe.folder / "probe.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    if ast.get_docstring(tree) is None:
        yield f"{probe.folder / 'probe.py'}:1: the first line says, as a docstring, what the probe asks."
    for line, what in _forbidden(tree):
        yield f"{probe.folder / 'probe.py'}:{line}: {what}; a probe reads only what its observations saw."
    sheet, path = probe.sheet, probe.folder / "probe.yaml"
    if not sheet.title.endswith("?"):
        yield f"{path}:{line_of(path, 'title')}: the title is a question, so it ends in a question mark."
    texts = {"why": sheet.why, "how": sheet.how, "counts": sheet.counts, "risk": sheet.risk}
    texts["remediation.text"] = sheet.remediation.text
    for name, text in texts.items():
        if not text.rstrip().endswith("."):
            yield f"{path}:{line_of(path, *name.split('.'))}: `{name}` is a full sentence, so it ends in a period."
    for number, citation in enumerate(sheet.citations):
        if not citation.url.startswith("https://"):
            yield f"{path}:{line_of(path, 'citations', number, 'url')}: a citation's address begins with https://."


def _unfilled(folder: Path) -> Iterator[str]:
    for name in PROBE_FILES:
        path = folder / name
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if TO_FILL_IN in line:
                yield f"{path}:{number}: this is still to be filled in."


def check_cases(probe: LoadedProbe, fixtures: Path) -> Iterator[str]:
    """Whether the cases show what they must, and come out as they say."""
    path = probe.folder / "cases.yaml"
    try:
        cases = read_cases(path)
    except Mistake as mistake:
        yield str(mistake)
        return
    source = (probe.folder / "probe.py").read_text(encoding="utf-8")
    words = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    shown = {case.expect for case in cases}
    for word in ("present", "absent", "not_applicable"):
        if word in words and word not in shown:
            yield f"{path}:1: the probe can say {word}, but no case shows it; add one."
    if "unknown" not in shown:
        yield f"{path}:1: no case shows that the probe says unknown when it could not tell; add one."
    remembered: dict[str, Remembered] = {}
    for number, case in enumerate(cases, start=1):
        try:
            if case.fixture not in remembered:
                remembered[case.fixture] = remember(_fixture(fixtures, case.fixture))
        except Mistake as mistake:
            yield f"{path}:{line_of(path, number - 1)}: case {number}: {mistake}"
            continue
        finding, bugs = asyncio.run(outcome_of(case, probe, remembered[case.fixture]))
        wrong = bugs[0] if bugs else disagreement(case, finding)
        if wrong:
            yield f"{path}:{line_of(path, number - 1)}: case {number}: {wrong}"


def _forbidden(tree: ast.Module) -> Iterable[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."]
            for name in names:
                if name not in MODULES:
                    yield node.lineno, f"this imports {name}"
        if isinstance(node, ast.Call):
            # `re.compile` is a method and harmless; `compile` is not.
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in (WORLDLY if isinstance(node.func, ast.Name) else CLOCKS):
                yield node.lineno, f"this calls {called}()"
        if isinstance(node, ast.Try):
            yield node.lineno, "this catches exceptions, which the engine does"


def _fixtures_beside(folder: Path) -> Path:
    for place in (folder / "fixtures", *(parent / "fixtures" for parent in folder.resolve().parents)):
        if place.is_dir():
            return place
    return folder / "fixtures"


def _fixture(fixtures: Path, name: str) -> Path:
    own = fixtures / name
    if own.is_dir():
        return own
    shipped = built_in_probes().parent / ("_fixtures" if built_in_probes().name == "_probes" else "fixtures") / name
    if shipped.is_dir():
        return shipped
    raise Mistake(f"the fixture {name} is not in {fixtures}; record it, or name the folder with --fixtures.")
