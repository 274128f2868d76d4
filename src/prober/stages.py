"""What each command does once its words are understood: stages over run folders, progress, exit codes."""

import asyncio
import difflib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prober.archive import FINDINGS, SCORECARD, RunFolder, check_place
from prober.clock import Clock, SystemClock
from prober.library import LoadedProbe, check_model, load_model, load_probes, shipped_models
from prober.mistake import BadFolder, Mistake
from prober.nouns.attestation import Attestation
from prober.nouns.model import MaturityModel
from prober.nouns.provider import Provider
from prober.nouns.scorecard import Scorecard
from prober.pipeline import (
    Collected,
    Prepared,
    collect,
    exit_code,
    judge_folder,
    keys_inside,
    label_named,
    refuse_other_probes,
    score_folders,
    surely_below,
)
from prober.render.report import Report, Subject
from prober.render.visible import visible_json
from prober.score.workflows import BLOCK as WORKFLOWS
from prober.supplement import supplemented

if TYPE_CHECKING:
    from prober.session.live import Progress

Say = Callable[[str], None]
REPORTS = ("report.html", "report.md")


def run_stage(
    prepared: Sequence[Prepared],
    *,
    out: Path | None,
    whole: bool,
    fail_under: str | None,
    as_of: str | None,
    as_json: bool,
    say: Say,
) -> int:
    """`prober run` and `prober collect`. The exit code."""
    from prober.render.terminal import summary

    _check_threshold(fail_under, prepared)
    clock = SystemClock()
    root = out or _default_folder(prepared, clock)
    check_place(root, "--out", empty=True)
    _keep_keys_outside(prepared[0].options.custodian, root)
    places = [root] if len(prepared) == 1 else [root / _place(number, one) for number, one in enumerate(prepared, 1)]
    collected = asyncio.run(_collect_all(prepared, places, clock))
    folders = [one.folder for one in collected]
    bugs = any(one.bugs for one in collected)
    heed_sigterm()
    if not whole:
        for one in collected:
            done = one.run.done
            sent = done.requests if done else 0
            say(f"{one.folder.path} holds {sent} requests of a budget of {one.run.plan.budget}.")
        return exit_code((), [one.run for one in collected], bugs, False)
    try:
        probes = prepared[0].probes
        for folder in folders:
            judge_folder(folder, probes)
        card = score_folders(folders, probes, as_of=as_of)
        _write_card(root, folders, probes, card, as_of)
        below = surely_below(card, fail_under) if fail_under else False
        code = exit_code([card], [one.run for one in collected], bugs, below)
        report = load_report(root, folders, probes, card)
        paths = write_reports(root, report)
    except KeyboardInterrupt:
        again = " && ".join(f"prober judge {folder.path} && prober score {folder.path}" for folder in folders)
        print(f"prober: Interrupted; the evidence is kept. Go on with: {again}", file=sys.stderr)
        return 3
    if as_json:
        say(visible_json(card.line()))
    else:
        say(summary(report, width=_width()))
        say(f"The report is {paths[0]}; the evidence lies beside it. Exit code {code}.")
    return code


@dataclass(frozen=True)
class Supplements:
    """What a score may rely on beside the runs: a file of attestations, and run folders of earlier nights."""

    attestations: Path | None = None
    provider: Path | None = None
    history: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return self.attestations is not None or bool(self.history)


def score_stage(
    runs: Sequence[Path],
    model: Path | None,
    as_of: str | None,
    out: Path | None,
    fail_under: str | None,
    extra: Iterable[Path],
    as_json: bool,
    say: Say,
    more: Supplements = Supplements(),
) -> int:
    """`prober score`. The exit code."""
    from prober.render.terminal import summary

    probes = load_probes(extra)
    folders = [RunFolder.open(one) for one in runs]
    if more:
        return _score_with_more(folders, model, as_of, out, fail_under, probes, as_json, say, more)
    if out is None and len(folders) > 1:
        raise Mistake("Several runs give one scorecard of the provider; say with --out DIR where it is to lie.")
    if out is None and model is not None:
        raise Mistake("Another rule book gives another scorecard; say with --out DIR where it is to lie.")
    card = score_folders(folders, probes, model=model, as_of=as_of)
    below = surely_below(card, fail_under) if fail_under else False
    if out is None:
        refuse_other_probes(folders[0], probes, "score")
        _refuse_other_models(folders[0], card)
        folders[0].write_scorecard(card)
    else:
        RunFolder.create_plain(out).write_scorecard(card)
    root = out or folders[0].path
    say(visible_json(card.line()) if as_json else summary(load_report(root, folders, probes, card), width=_width()))
    return exit_code([card], [folder.run() for folder in folders], False, below)


def _score_with_more(
    folders: Sequence[RunFolder],
    model: Path | None,
    as_of: str | None,
    out: Path | None,
    fail_under: str | None,
    probes: Mapping[str, LoadedProbe],
    as_json: bool,
    say: Say,
    more: Supplements,
) -> int:
    """Score copies of the runs that hold what was added: the runs themselves are evidence and stay as they are."""
    from prober.render.terminal import summary

    if out is None:
        raise Mistake("Documents and earlier nights give another scorecard; say with --out DIR where it is to lie.")
    check_place(out, "--out", empty=True)
    book = model_of_run(folders[0], model)
    given = load_attested(more.attestations, book, _provider_for(more)) if more.attestations is not None else None
    earlier = [RunFolder.open(one) for one in more.history]
    lost = [one for one in earlier if one.run().subject not in {folder.run().subject for folder in folders}]
    if lost:
        raise Mistake(f"{lost[0].path}: this run looked at {lost[0].run().subject}, which is not scored here.")
    copies = [
        supplemented(
            folder,
            out if len(folders) == 1 else out / f"{number:02d}-{urlsplit(folder.run().subject).hostname or 'target'}",
            given,
            [one for one in earlier if one.run().subject == folder.run().subject],
        )
        for number, folder in enumerate(folders, 1)
    ]
    card = score_folders(copies, probes, model=model, as_of=as_of)
    RunFolder(out).write_scorecard(card)
    report = load_report(out, copies, probes, card)
    write_reports(out, report)
    below = surely_below(card, fail_under) if fail_under else False
    say(visible_json(card.line()) if as_json else summary(report, width=_width()))
    return exit_code([card], [folder.run() for folder in copies], False, below)


def _provider_for(more: Supplements) -> Provider | None:
    """The provider file that says which entity the documents are about: the one named, else the one beside them."""
    from prober.library import load_provider

    beside = more.attestations.parent / "provider.yaml" if more.attestations is not None else None
    path = more.provider or (beside if beside is not None and beside.is_file() else None)
    return load_provider(path) if path is not None else None


def load_attested(path: Path, book: MaturityModel, provider: Provider | None) -> tuple[Attestation, ...]:
    """The attestations of a file, checked against the rule book and the provider file. Raises Mistake."""
    from prober.attest.reading import load_attestations

    return load_attestations(path, book, provider, today=SystemClock().utc().date())


def model_of_run(folder: RunFolder | None, model: Path | None) -> MaturityModel:
    """The rule book that a score uses: the one named, else that of the run, else the one that ships."""
    from prober.library import parse_model

    if model is not None or folder is None:
        loaded = load_model(model or shipped_models()[1])
        books = [loaded] if isinstance(loaded, MaturityModel) else []
    else:
        parsed = [parse_model(text, folder.path / "model.yaml") for text in folder.models()]
        books = [one for one in parsed if isinstance(one, MaturityModel)]
    if not books:
        raise Mistake("There is no rule book of levels here, and attestations belong to one; name it with --model.")
    return books[0]


def next_stage(runs: Sequence[Path], extra: Iterable[Path], as_of: str | None) -> str:
    """`prober next`: the steps to the next label, from scored or judged run folders."""
    from prober.render.terminal import next_text

    folders = [RunFolder.open(one) for one in runs]
    for folder in folders:
        if not folder.has(FINDINGS):
            raise Mistake(f"{folder.path / FINDINGS}: this file is missing; make it with `prober judge`.")
    card = score_folders(folders, load_probes(extra), as_of=as_of)
    maturity = card.maturity
    if maturity is None or maturity.label is None or maturity.next is None:
        raise Mistake(f"{folders[0].path}: this run was scored without a rule book that has labels.")
    return next_text(maturity.next, maturity.label, _width())


def explain_criterion(id_: str, runs: Sequence[Path], model: Path | None, extra: Iterable[Path]) -> str:
    """`prober explain CRITERION`: its ladder, with the provider's own position where runs are given. Raises Mistake."""
    from prober.render.terminal import criterion_text

    folders = [RunFolder.open(one) for one in runs]
    book = model_of_run(folders[0] if folders else None, model)
    criterion = next((one for one in book.criteria if one.id == id_), None)
    if criterion is None:
        near = difflib.get_close_matches(id_, [one.id for one in book.criteria], n=1)
        hint = f"did you mean {near[0]}?" if near else "see `prober coverage`."
        raise Mistake(f"{id_}: the rule book {book.id} has no criterion of this name; {hint}")
    score = None
    if folders:
        card = score_folders(folders, load_probes(extra), model=model)
        score = next((one for one in (card.maturity.criteria if card.maturity else ()) if one.id == id_), None)
    return criterion_text(criterion, score, _width())


def render_stage(runs: Sequence[Path], out: Path | None, extra: Iterable[Path]) -> tuple[Path, ...]:
    """`prober render`: the paths written."""
    probes = load_probes(extra)
    folders = [RunFolder.open(one) for one in runs]
    for folder in folders:
        for name in (FINDINGS, SCORECARD):
            if not folder.has(name):
                raise Mistake(f"{folder.path / name}: this file is missing; make it with `prober judge` and `score`.")
    if out is None:
        refuse_other_probes(folders[0], probes, "render")
    card = folders[0].scorecard() if len(folders) == 1 else score_folders(folders, probes)
    root = folders[0].path if out is None else RunFolder.create_plain(out).path
    return write_reports(root, load_report(root, folders, probes, card))


def write_reports(root: Path, report: Report) -> tuple[Path, ...]:
    """Write the HTML and the Markdown report."""
    from prober.render import html, markdown

    folder = RunFolder(root)
    return tuple(
        folder.write_report(name, text)
        for name, text in zip(REPORTS, (html.page(report), markdown.page(report)), strict=True)
    )


def load_report(root: Path, folders: Sequence[RunFolder], probes: Mapping[str, LoadedProbe], card: Scorecard) -> Report:
    """Everything that a renderer may show, read back from disk; `root` is where the report is to lie."""
    subjects = tuple(
        Subject(folder.run(), folder.provider(), folder.findings(), folder.exchanges(), _way(root, folder))
        for folder in folders
    )
    return Report(card, subjects, {id_: one.sheet for id_, one in probes.items()})


def coverage_text(model: Path | None, extra: Iterable[Path], *, markdown: bool) -> str:
    """`prober coverage`: the ledger of a rule book."""
    from prober.coverage import as_page, as_text, ledger

    path = model or shipped_models()[1]
    loaded = load_model(path)
    if not isinstance(loaded, MaturityModel):
        raise Mistake(f"{path}: this is a profile without levels, so there is no ledger of requirements.")
    probes = load_probes(extra)
    check_model(loaded, probes, path)
    return as_page(loaded, probes) if markdown else f"{loaded.disclaimer}\n\n{as_text(ledger(loaded, probes))}"


def cleanup_stage(contact: str | None, ca_file: Path | None, bearer_env: str | None, say: Say) -> int:
    """`prober cleanup`: delete the jobs of killed runs. The exit code is 3 if one could not be deleted."""
    from prober.jobs import delete_left_behind, left_behind

    if not left_behind():
        say("No run left an export job behind.")
        return 0
    token = os.environ.get(bearer_env, "") if bearer_env else ""
    return asyncio.run(delete_left_behind(contact, str(ca_file) if ca_file else None, token or None, say))


def heed_sigterm() -> None:
    """From now on SIGTERM ends prober as Ctrl-C does. While it collects, both are heard by the event loop instead."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _keep_keys_outside(custodian: Path | None, root: Path) -> None:
    if custodian is not None and custodian.absolute().is_relative_to(root.absolute()):
        raise Mistake(keys_inside(custodian, root))


async def _collect_all(prepared: Sequence[Prepared], places: Sequence[Path], clock: Clock) -> list[Collected]:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    collected: list[Collected] = []
    for one, place in zip(prepared, places, strict=True):
        if stopping.is_set() and collected:
            break
        with _ProgressLine(one) as line:
            collected.append(await collect(one, place, clock, progress=line, stopping=stopping))
    return collected


class _ProgressLine:
    """One line on stderr that says what is being asked now; silent when stderr is not a terminal."""

    def __init__(self, prepared: Prepared) -> None:
        self._host = urlsplit(prepared.base).netloc
        self._shown = sys.stderr.isatty()
        plan = prepared.plan
        if self._shown:
            print(
                f"Asking {self._host}: at most {plan.most_requests} of {plan.budget} requests, "
                f"{plan.deadline_seconds} seconds.",
                file=sys.stderr,
            )

    def __enter__(self) -> "_ProgressLine":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, now: "Progress") -> None:
        if self._shown:
            text = f"{now.sent}/{now.budget} requests: {now.observation}"
            print(f"\r\x1b[K{text[:78]}", end="", file=sys.stderr, flush=True)


def _write_card(
    root: Path, folders: Sequence[RunFolder], probes: Mapping[str, LoadedProbe], card: Scorecard, as_of: str | None
) -> None:
    if len(folders) == 1:
        folders[0].write_scorecard(card)
        return
    for folder in folders:
        folder.write_scorecard(score_folders([folder], probes, as_of=as_of))
    RunFolder(root).write_scorecard(card)


def _refuse_other_models(folder: RunFolder, card: Scorecard) -> None:
    if card.models != folder.run().models:
        raise BadFolder(f"{folder.path}: this run was scored with another rule book; score it with --out DIR.")


def _check_threshold(what: str | None, prepared: Sequence[Prepared]) -> None:
    """A faulty threshold is told before anything is sent."""
    if what is None:
        return
    from prober.library import parse_model

    name, equals, level = what.partition("=")
    models = [parse_model(text, Path("model.yaml")) for text in prepared[0].models]
    books = [model for model in models if isinstance(model, MaturityModel)]
    known = {
        id_
        for model in books
        for id_ in [
            *(one.id for one in model.criteria),
            *(one.id for one in model.blocks),
            *(one.id.rpartition(".")[0] for one in model.criteria if one.block == WORKFLOWS),
        ]
    }
    labels = [label.name for book in books for label in book.labels if label.conditions]
    if not equals and label_named(what, labels):
        return
    if level not in ("L1", "L2", "L3", "L4"):
        raise Mistake(
            f"--fail-under {what}: say a label, or a criterion, workflow or block and a level, for example S8.STD.1=L2."
        )
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "see `prober coverage`."
        raise Mistake(f"--fail-under {what}: the rule book has no criterion, workflow or block called {name}; {hint}")


def _default_folder(prepared: Sequence[Prepared], clock: Clock) -> Path:
    host = (urlsplit(prepared[0].base).hostname or "target").replace(":", "_")
    return Path("prober-runs") / f"{host}-{clock.utc().strftime('%Y%m%dT%H%M%SZ')}"


def _place(number: int, prepared: Prepared) -> str:
    host = (urlsplit(prepared.base).hostname or "target").replace(":", "_")
    return f"{number:02d}-{host}"


def _way(root: Path, folder: RunFolder) -> str:
    """Where a run folder lies, seen from the folder of the report; empty if it is the same."""
    way = os.path.relpath(folder.path, root).replace(os.sep, "/")
    return "" if way == "." else f"{way}/"


def _width() -> int:
    import shutil

    return min(shutil.get_terminal_size((100, 24)).columns, 120)


__all__ = [
    "Supplements",
    "cleanup_stage",
    "coverage_text",
    "explain_criterion",
    "load_attested",
    "load_report",
    "model_of_run",
    "next_stage",
    "render_stage",
    "run_stage",
    "score_stage",
    "write_reports",
]
