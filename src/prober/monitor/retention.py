"""Run folders past their time go; what the history holds of them stays, and so does what somebody may still ask for.

A folder is put aside under another name before anything in it is removed, so that at its own place it is whole or not
there; and it is noted as gone after it went. Killed at any point, the next time goes on: a folder that is gone already
is noted, and one that was put aside is removed.
"""

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path, PurePosixPath

from prober.clock import Clock, instant
from prober.history.store import History
from prober.monitor.settings import RUNS, Settings
from prober.nouns.incident import Incident

CUT = ".cut-"
"""What the name of a folder holds after its slot where a killed run left it."""
GONE = f"{CUT}gone"
"""The mark of a folder that is being removed."""
AT_ONCE = 100
"""So many folders are removed before they are noted together."""


def clear_away(settings: Settings, history: History, clock: Clock) -> int:
    """Remove run folders past their time. How many were removed.

    These stay: the latest of each kind of look, those in a bundle that was noted, those that an open incident names,
    and where the configuration says so those on either side of a change. A folder that cannot be removed stays for
    the next time, and nothing is removed through a symbolic link.
    """
    keep = settings.monitor.retention
    now = clock.utc()
    known = {target.name for target in settings.monitor.targets}
    told = _named_in(history.incidents(open_only=True))
    removed = 0
    for name, plan in settings.monitor.looks.items():
        before = now - timedelta(days=keep.polls if isinstance(plan.every, int) else keep.nights)
        past = [
            one
            for one in history.folders(name, instant(before), keep_changes=keep.keep_changes)
            if one.target in known and (one.target, one.run) not in told
        ]
        for start in range(0, len(past), AT_ONCE):
            gone = [one.number for one in past[start : start + AT_ONCE] if remove(settings.state, one.folder)]
            history.folder_gone(gone)
            removed += len(gone)
        for target in settings.monitor.targets:
            _clear_cut(settings.state, f"{RUNS}/{target.name}/{name}", before.date())
    return removed


def remove(state: Path, folder: str) -> bool:
    """Remove a folder below the state folder. True where it is not there any more, or was not before."""
    place = PurePosixPath(folder)
    if place.is_absolute() or ".." in place.parts or len(place.parts) < 2:
        return False
    try:
        if not _is_within(state, place.parts[:-1]):
            return False
        path = state / place
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return False
        aside = _aside(path)
        os.rename(path, aside)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    # What cannot be removed now has its mark and is removed another time; at its place it is gone.
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _is_within(state: Path, parts: Iterable[str]) -> bool:
    """Whether the way down is made of folders alone. Raises FileNotFoundError where it ends."""
    path = state
    for part in parts:
        path = path / part
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return False
    return True


def _aside(path: Path) -> Path:
    number = 0
    while os.path.lexists(aside := path.with_name(f"{path.name}{GONE}{number or ''}")):
        number += 1
    return aside


def _clear_cut(state: Path, place: str, before: date) -> None:
    """Remove what killed runs left here long ago, and what was only put aside when a removal was killed."""
    try:
        if not _is_within(state, PurePosixPath(place).parts):
            return
        names = [name for name in os.listdir(state / place) if CUT in name]
    except OSError:
        return
    for name in names:
        path = state / place / name
        if not (GONE in name or _day_of(name) < before) or path.is_symlink():
            continue
        shutil.rmtree(path, ignore_errors=True)


def _day_of(name: str) -> date:
    """The day of the slot whose folder this is; the last of all for a name that is none of ours."""
    try:
        return date.fromisoformat(name[:10])
    except ValueError:
        return date.max


def _named_in(incidents: Iterable[Incident]) -> frozenset[tuple[str, str]]:
    """Target and run of everything that these incidents point at."""

    def sides() -> Iterator[tuple[str, str]]:
        for one in incidents:
            for change in one.changes:
                yield one.target, change.before.run
                yield one.target, change.after.run

    return frozenset(sides())
