"""`prober history` and `prober trend`: read, or make anew, what the monitor keeps."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path

from prober.clock import Clock, SystemClock
from prober.files import replace_file
from prober.mistake import Mistake
from prober.monitor.commands import Busy, locked
from prober.monitor.hindsight import Asked, hindsight, sla, trend
from prober.monitor.rebuild import rebuild
from prober.monitor.settings import Settings, load_settings
from prober.nouns.bundle import BundleFacts
from prober.nouns.hindsight import KeptBundle
from prober.render import hindsight as words
from prober.render import sla as page
from prober.render.series import sla_csv, trend_csv
from prober.render.sparks import ink_for
from prober.render.visible import visible_json

Say = Callable[[str], None]
LONGEST_DAYS = 3_660


@dataclass(frozen=True)
class Screen:
    """Where it is printed: how wide, and in which encoding. `as_json`: not for people."""

    width: int
    encoding: str | None
    as_json: bool


def history_stage(
    config: Path, asked: Asked, parts: words.Parts, screen: Screen, say: Say, clock: Clock | None = None
) -> None:
    """`prober history`. Raises Mistake where there is no history, or nobody of that name in it."""
    clock = clock or SystemClock()
    settings = load_settings(config, clock.utc().date())
    with settings.read_history() as history:
        told = hindsight(settings, history, asked, clock.utc())
    if screen.as_json:
        say(visible_json(told.line()))
    elif asked.target is not None and asked.night is None:
        say(words.one_target(told, parts, screen.width))
    elif asked.night is not None:
        say(words.night(told, screen.width))
    else:
        say(words.overview(told, screen.width))


def trend_stage(
    config: Path,
    target: str,
    *,
    days: int,
    goal: Fraction | None,
    csv: Path | None,
    screen: Screen,
    say: Say,
    clock: Clock | None = None,
) -> None:
    """`prober trend`. Raises Mistake where there is no history, or nobody of that name in it."""
    clock = clock or SystemClock()
    settings = load_settings(config, clock.utc().date())
    with settings.read_history() as history:
        told = trend(settings, history, target, days=days, goal=goal, now=clock.utc())
    if csv is not None:
        _write(csv, trend_csv(told))
    if screen.as_json:
        say(visible_json(told.line()))
    else:
        say(words.course(told, ink_for(screen.encoding), screen.width))
        if csv is not None:
            say(f"\nThe series is written to {csv}.")


def sla_stage(
    config: Path,
    target: str,
    *,
    period: tuple[date, date],
    goal: Fraction | None,
    out: Path,
    say: Say,
    clock: Clock | None = None,
) -> None:
    """`prober trend --sla`: the report of a period, as a page and as a table."""
    clock = clock or SystemClock()
    settings = load_settings(config, clock.utc().date())
    with settings.read_history() as history:
        told = sla(settings, history, target, *period, goal)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(f"{out}: this folder cannot be made ({error.strerror}); name another one.") from error
    _write(out / "sla.csv", sla_csv(told))
    _write(out / "sla.html", page.page(told).encode())
    say(f"{target} from {period[0]} to {period[1]}: {words.in_words(told.whole)}")
    say(f"The report is {out / 'sla.html'}, its figures are in {out / 'sla.csv'}.")


def rebuild_stage(config: Path, say: Say, complain: Say, clock: Clock | None = None) -> int:
    """`prober history --rebuild`. The exit code: 0 all folders were read, 3 some were not, or a monitor is at work."""
    clock = clock or SystemClock()
    settings = load_settings(config, clock.utc().date())
    try:
        with locked(settings, clock), settings.history(check=True, rebuilding=True) as history:
            if not history.take_lock():
                raise Busy("A monitor writes into this database, perhaps on another machine; let it finish.")
            done = asyncio.run(rebuild(settings, history, clock))
    except Busy as busy:
        complain(str(busy))
        return 3
    looks = "1 look" if done.looks == 1 else f"{done.looks} looks"
    say(f"The history was made anew from the run folders of {looks}. Nothing was sent.")
    for folder, why in done.unread:
        say(f"{folder} could not be read: {why}")
    return 3 if done.unread else 0


def bundle_stage(
    config: Path, facts: BundleFacts, sha256: str, name: str, say: Say, clock: Clock | None = None
) -> None:
    """`prober history --bundle`: note a bundle that was handed over. Raises Mistake where none of its runs is of a
    target."""
    clock = clock or SystemClock()
    settings = load_settings(config, clock.utc().date())
    subjects = tuple(sorted({one.subject for one in facts.runs}))
    with settings.read_history() as reader:
        owner = _owner(settings, reader.targets(), subjects)
    if owner is None:
        raise Mistake(f"{name}: this bundle is about {', '.join(subjects)}, and no target of the history is.")
    kept = KeptBundle(
        sha256=sha256,
        name=name,
        subjects=subjects,
        runs=tuple(one.id for one in facts.runs),
        first=min(one.started for one in facts.runs),
        last=max(one.ended or one.started for one in facts.runs),
        signer=facts.signer,
    )
    with settings.history() as history:
        history.keep_bundle(owner, sha256, kept.runs, kept.line())
    runs = "1 run" if len(kept.runs) == 1 else f"{len(kept.runs)} runs"
    say(f"Noted {name}, SHA-256 {sha256}, with {runs} of {owner}.")


def _owner(settings: Settings, bases: dict[str, str], subjects: tuple[str, ...]) -> str | None:
    """The first target that one of these bases is or was."""
    moved = {one.name: one.moved_from for one in settings.monitor.targets}
    for name, base in bases.items():
        if {base, *moved.get(name, ())} & set(subjects):
            return name
    return None


def _write(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise Mistake(f"{path}: this file cannot be written ({error.strerror}); name another place.") from error
