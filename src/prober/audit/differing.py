"""What `prober diff` does: reads two runs, from folders or bundles, and says how their target changed."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prober.archive import FINDINGS, MODEL, RUN, SCORECARD, RunFolder, collected_digest
from prober.audit.derive import models_of
from prober.audit.verify import Opened
from prober.diff import compare, facts_of
from prober.mistake import Mistake
from prober.nouns.facts import Delta, Facts
from prober.nouns.model import MaturityModel
from prober.nouns.run import Run
from prober.nouns.scorecard import Scorecard
from prober.render import delta as page
from prober.render.visible import visible_json

Say = Callable[[str], None]
REGRESSION, ANY = "regression", "any"


@dataclass(frozen=True)
class Look:
    """One side: the run, what it tells, and the rule book it was scored with. `sealed` says that it lay in a bundle."""

    path: Path
    run: Run
    facts: Facts
    model: MaturityModel | None
    sealed: bool


def diff_command(
    a: Path,
    b: Path,
    *,
    earlier: Sequence[Path],
    fail_on: str | None,
    across: bool,
    as_json: bool,
    markdown: bool,
    say: Say,
) -> int:
    """`prober diff`. The exit code."""
    if as_json and markdown:
        raise Mistake("--json and --markdown are two forms of the same; give one of them.")
    with ExitStack() as open_:
        after_subjects = _subjects(b)
        before = open_.enter_context(_looked(a, after_subjects))
        after = open_.enter_context(_looked(b, (before.run.subject,)))
        _refuse_other_subjects(before, after, across=across)
        more = [open_.enter_context(_looked(one, (before.run.subject,))) for one in earlier]
        _refuse_strangers(before, more)
        delta = compare(
            before.facts, after.facts, earlier=[one.facts for one in more], model=after.model or before.model
        )
    if as_json:
        say(visible_json(delta.line()))
    elif markdown:
        say(page.markdown(delta, notes(before, after)).removesuffix("\n"))
    else:
        say(page.terminal(delta, notes(before, after), shutil.get_terminal_size((100, 24)).columns))
    return exit_code(delta, fail_on)


def exit_code(delta: Delta, fail_on: str | None) -> int:
    """1 if there is a change of the kind that --fail-on names, 3 if that could not be told, else 0."""
    if fail_on is None:
        return 0
    if any(fail_on == ANY or one.judgement == REGRESSION for one in delta.changes):
        return 1
    return 3 if {"statement", "finding"}.intersection(delta.not_compared) else 0


def notes(before: Look, after: Look) -> list[str]:
    """What a reader must know of the two runs to read the changes rightly."""
    one, other = before.run, after.run
    told = [
        f"{look.path} is a bundle, and was not verified; `prober verify {look.path}` does that."
        for look in (before, after)
        if look.sealed
    ]
    if one.subject != other.subject:
        told.append(f"These are two servers: {one.subject} and {other.subject}.")
    if one.environment != other.environment:
        told.append(
            f"One is {one.environment} and the other {other.environment}: gates and label are not compared, because "
            "they mean something else there."
        )
    if one.plan.depth != other.plan.depth:
        told.append(
            f"One run was of the depth {one.plan.depth} and the other {other.plan.depth}: what only one of them asked "
            "is unknown to the other, and is no change of the server."
        )
    if set(one.permits) != set(other.permits):
        told.append("The runs had different permits: what only one of them was allowed to ask is unknown to the other.")
    if one.tool.prober != other.tool.prober or (one.probes and other.probes and one.probes != other.probes):
        told.append(
            "The runs were judged by different versions of prober or of its probes: a finding may differ by that."
        )
    if one.started > other.started:
        told.append("The first run is the later one, so that what came reads as what went.")
    told += [
        f"{look.path} holds no {what}, so {these} are not compared."
        for look in (before, after)
        for area, what, these in (
            ("finding", "findings", "findings"),
            ("criterion", "score by a rule book", "levels, gates and label"),
        )
        if area not in look.facts.seen
    ]
    return told


@contextmanager
def _looked(path: Path, wanted: Sequence[str]) -> Iterator[Look]:
    """One side. Of a bundle with several bases it is the rated run of a wanted one. Raises Mistake and Refused."""
    if not path.exists():
        raise Mistake(f"{path}: there is nothing here; name a run folder or a bundle.")
    if path.is_dir():
        if not (path / RUN).is_file() and any(path.glob(f"*/{RUN}")):
            raise Mistake(f"{path}: this folder holds several runs; name one of them, such as {_first_in(path)}.")
        folder = RunFolder.open(path)
        card = folder.scorecard() if folder.has(SCORECARD) else None
        yield _look(path, folder, card, sealed=False)
        return
    with Opened(path, lambda _: None) as bundle:
        fitting = [one for one in bundle.rated if one.run.subject in wanted] or bundle.rated
        if len(fitting) > 1:
            bases = ", ".join(sorted({one.run.subject for one in fitting}))
            raise Mistake(f"{path}: this bundle rates several runs ({bases}); unpack it and name one of their folders.")
        yield _look(path, fitting[0].folder, bundle.card, sealed=True)


def _subjects(path: Path) -> tuple[str, ...]:
    """The base that a run folder is about; nothing for a bundle, which may be about several."""
    return (RunFolder.open(path).run().subject,) if (path / RUN).is_file() else ()


def _first_in(path: Path) -> str:
    return str(min(path.glob(f"*/{RUN}")).parent)


def _look(path: Path, folder: RunFolder, card: Scorecard | None, *, sealed: bool) -> Look:
    findings = folder.findings() if folder.has(FINDINGS) else ()
    run = folder.run()
    facts = facts_of(run, folder.exchanges(), findings, card, digest=collected_digest(folder))
    models = models_of(folder) if folder.has(MODEL) else []
    books = [one for one in models if isinstance(one, MaturityModel)]
    return Look(path, run, facts, books[0] if books else None, sealed)


def _refuse_other_subjects(before: Look, after: Look, *, across: bool) -> None:
    one, other = before.run.subject, after.run.subject
    if one != other and not across:
        raise Mistake(
            f"{after.path}: this run looked at {other}, and {before.path} at {one}; two servers are compared with "
            "--across alone."
        )


def _refuse_strangers(before: Look, earlier: Sequence[Look]) -> None:
    for one in earlier:
        if one.run.subject != before.run.subject:
            raise Mistake(f"--earlier {one.path}: this run looked at {one.run.subject}; leave it out.")
        if one.run.started >= before.run.started and one.run.id != before.run.id:
            raise Mistake(f"--earlier {one.path}: this run did not begin before {before.path}; leave it out.")
