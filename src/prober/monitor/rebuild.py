"""`prober history --rebuild`: the history is made anew from the run folders, by the very code that made it at first.

Nothing is sent, and nothing is told again: the messages of then are kept as told. What ran under another configuration
is weighed by the one of today.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from prober.clock import Clock, instant
from prober.history.store import History
from prober.mistake import BadFolder, Mistake
from prober.monitor.looking import Looked, finished, remembered
from prober.monitor.round import Round, task_of
from prober.monitor.settings import RUNS, Settings
from prober.nouns.monitor import LookPlan, Target


@dataclass
class Rebuilt:
    """How many looks were found, and the folders that could not be read, each with the reason."""

    looks: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """A run folder and the look that it holds."""

    path: Path
    target: Target
    plan_name: str
    plan: LookPlan
    slot: str
    part: int
    started: str
    subject: str


async def rebuild(settings: Settings, history: History, clock: Clock) -> Rebuilt:
    """Replay every finished run folder in the order in which they were started.

    Raises Mistake where there are none, or where the history holds looks already. A kill leaves a history that only
    this goes on with.
    """
    if not history.is_rebuilding() and not history.is_empty():
        raise Mistake(
            f"{history.shown}: this history holds looks, and is made anew only where it is lost; move it away first."
        )
    done = Rebuilt()
    found = sorted(_places(settings, done), key=_turn)
    if not found and not done.unread:
        raise Mistake(f"{settings.state / RUNS}: there are no run folders here to make a history of.")
    history.rebuilding(True)
    quiet = _without_recipients(settings)
    rounds = Round(quiet, history, clock, lambda _: None)
    for one in found:
        chain = _names(settings, one.target.name)
        if any(history.look_of(name, one.plan_name, one.slot, one.part) is not None for name in chain):
            done.looks += 1
            continue
        known = history.targets()
        bases = [known[name] for name in chain if name in known]
        history.know(one.target.name, one.subject, [name for name in chain if name != one.target.name], bases)
        try:
            looked = _looked(one, quiet, history)
        except (Mistake, BadFolder, ValueError) as error:
            done.unread.append((_shown(settings, one.path), str(error)))
            continue
        history.round_began(looked.look.began)
        await rounds.record(looked)
        history.round_ended(looked.look.began, looked.look.ended, 1, 0)
        done.looks += 1
    # What the configuration of today looks at no more is closed as of now: no folder tells when that began.
    rounds.watch(instant(clock.utc()))
    rounds.forget_notes()
    rounds.tell_digests()
    history.rebuilding(False)
    return done


def _turn(one: _Place) -> tuple[str, int, str, bool]:
    """The order in which looks were made. On a clock that stands still the short ones of a target come first."""
    return one.started, one.part, one.target.name, not isinstance(one.plan.every, int)


def _looked(one: _Place, settings: Settings, history: History) -> Looked:
    folder = finished(one.path)
    if folder is None:
        raise Mistake("This run was cut short.")
    task = task_of(one.target, one.plan_name, one.plan, one.slot, one.part, one.path)
    return remembered(task, folder, settings, history)


def _places(settings: Settings, done: Rebuilt) -> Iterator[_Place]:
    """Every run folder below the state folder; those that are no look of this configuration are noted."""
    by_name = _by_name(settings)
    for path in sorted((settings.state / RUNS).glob("*/*/*")):
        slot, _, second = path.name.partition(".")
        if not path.is_dir() or ".cut-" in path.name:
            continue
        target = by_name.get(path.parent.parent.name)
        plan = settings.monitor.looks.get(path.parent.name)
        if target is None or plan is None:
            what = "target" if target is None else "kind of look"
            name = path.parent.parent.name if target is None else path.parent.name
            done.unread.append((_shown(settings, path), f"The configuration names no {what} {name}."))
            continue
        try:
            folder = finished(path)
        except (BadFolder, Mistake, OSError) as error:
            done.unread.append((_shown(settings, path), str(error)))
            continue
        if folder is None:
            done.unread.append((_shown(settings, path), "This run was cut short, or its run.json cannot be read."))
            continue
        run = folder.run()
        part = 1 if second else 0
        yield _Place(path, target, path.parent.name, plan, slot, part, run.started, run.subject)


def _by_name(settings: Settings) -> Mapping[str, Target]:
    """The targets by the names under which their runs may lie, the earlier ones too."""
    found = {one.name: one for one in settings.monitor.targets}
    for one in settings.monitor.targets:
        for old in one.was:
            found[old] = one.model_copy(update={"name": old})
    return found


def _names(settings: Settings, name: str) -> tuple[str, ...]:
    """All names that the target of this name has or had."""
    return next((one.name, *one.was) for one in settings.monitor.targets if name in (one.name, *one.was))


def _without_recipients(settings: Settings) -> Settings:
    """The same settings in which nobody is told anything, and waivers count for earlier names too."""
    waivers = dict(settings.waivers)
    for one in settings.monitor.targets:
        waivers |= dict.fromkeys(one.was, settings.waivers.get(one.name, ()))
    return replace(settings, monitor=settings.monitor.model_copy(update={"recipients": ()}), waivers=waivers)


def _shown(settings: Settings, path: Path) -> str:
    return str(path.relative_to(settings.state))
