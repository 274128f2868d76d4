"""`prober monitor`: one round, or round after round until it is told to stop."""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from prober.clock import Clock, SystemClock, instant
from prober.history.store import History, HistoryAway, HistoryLost
from prober.jobs import delete_left_behind, left_behind
from prober.mistake import Mistake, place_of
from prober.monitor.listen import Listener
from prober.monitor.rereading import InForce
from prober.monitor.retention import clear_away
from prober.monitor.round import Done, Round
from prober.monitor.settings import LOCK, Settings, check_ways, load_settings
from prober.monitor.tell import from_environment
from prober.monitor.telling import beat, held_back, publish, rest, send_pending

Say = Callable[[str], None]
MESSAGES_KEPT_DAYS, MESSAGES_KEPT_LOOKS = 400, 400
"""Messages stay for so many days and for so many looks at each target: a clock that jumps ahead makes none old."""
AGAIN = timedelta(minutes=1)
"""A database that is gone is asked for again after so long."""
LONGEST_REST = timedelta(minutes=5)
"""The daemon wakes at least so often: to send what waits, and to show that it lives."""


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
LATE = timedelta(hours=2)
"""A round may take so long before `/healthz` calls the monitor silent."""


class NotNow(Mistake):
    """Nothing is wrong with what the user gave, but it cannot be done now."""


class Busy(NotNow):
    """Another monitor is at work on the same state."""


def monitor_stage(
    config: Path, *, once: bool, listen: tuple[str, int] | None, say: Say, complain: Say, clock: Clock | None = None
) -> int:
    """`prober monitor`. The exit code: 0 all that was due is done, 3 some of it could not be, 4 prober's own fault.

    Raises Mistake where the configuration, the state folder or the database is not right.
    """
    clock = clock or SystemClock()
    settings = load_settings(config, clock.utc().date())
    check_ways(settings, from_environment)
    try:
        with locked(settings, clock):
            return asyncio.run(_run(settings, clock, once=once, listen=listen, say=say, complain=complain))
    except NotNow as why:
        complain(str(why))
    except HistoryAway as away:
        complain(f"{away} Nothing that was collected is lost: the next round goes on with it.")
    return 3


@contextmanager
def locked(settings: Settings, clock: Clock) -> Iterator[None]:
    """Be the only monitor of this state folder. Raises Busy if there is another one, Mistake if it cannot be used."""
    path = settings.state / LOCK
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise NotNow(f"{path}: this file cannot be made ({error.strerror}); make room.") from error
        raise Mistake(f"{path}: the state folder cannot be used ({error.strerror}); name another one.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
            raise Busy(f"{path}: another monitor is at work ({holder or 'it says nothing of itself'}).") from None
        with contextlib.suppress(OSError):
            # Who holds it is only for people; the lock itself is what counts, and it goes with its process.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}, since {instant(clock.utc())}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


async def _run(
    settings: Settings,
    clock: Clock,
    *,
    once: bool,
    listen: tuple[str, int] | None,
    say: Say,
    complain: Say,
) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            # Elsewhere than in the main thread nobody sends signals.
            loop.add_signal_handler(number, stopping.set)
    force = InForce(settings, from_environment)
    if not once:
        force.listen(loop)
    await _delete_jobs(settings, complain)
    if once:
        with _opened(settings) as history:
            done = await one_round(settings, history, clock, stopping, complain, wait_for_second=True)
            held = held_back(settings, history, clock.utc())
        say(_said(done, settings))
        if held is not None:
            (complain if held.missed else say)(held.words)
        return _code(done)
    with Listener(*listen, clock) if listen is not None else contextlib.nullcontext() as listener:
        say(f"Watching {_targets(settings)} until it is told to stop.")
        if listener is not None:
            listener.show("", clock.utc() + LATE)
        while not stopping.is_set():
            try:
                with _opened(force.settings) as history:
                    return await _watch(force, history, clock, stopping, listener, say, complain)
            except HistoryAway as away:
                complain(f"{away} The monitor waits for it.")
                await rest(clock, clock.utc() + AGAIN, stopping)
    return 0


def _opened(settings: Settings) -> History:
    """The history, for this monitor alone. Raises HistoryLost and Busy."""
    history = settings.history(check=True)
    try:
        if not history.take_lock():
            raise Busy(
                "Another monitor writes into this database, perhaps on another machine; let it finish. After a broken "
                "connection it may be an earlier one of this monitor, which the database gives up by itself."
            )
    except BaseException:
        history.close()
        raise
    return history


async def _watch(
    force: InForce,
    history: History,
    clock: Clock,
    stopping: asyncio.Event,
    listener: Listener | None,
    say: Say,
    complain: Say,
) -> int:
    """Round after round. What goes wrong in one is said, and the next one tries again.

    Between two rounds the configuration is read again, if that was asked for.
    """
    metrics, bugs = "", False
    await beat(force.settings, history, clock, from_environment, complain)
    while not stopping.is_set():
        force.renew(history, clock, say, complain)
        settings = force.settings
        wake = clock.utc() + LONGEST_REST
        try:
            done = await one_round(
                settings,
                history,
                clock,
                stopping,
                complain,
                wait_for_second=False,
                enough=force.asked,
                shown=lambda text: listener.show(text, clock.utc() + LATE) if listener is not None else None,
            )
            metrics = done.metrics
            bugs = bugs or bool(done.bugs)
            if done.looks or done.failed or done.bugs:
                say(_said(done, settings))
            wake = min(wake, done.next_due or wake)
        except HistoryLost as lost:
            # What was collected lies in the run folders; a database that comes back gets it then.
            complain(f"{lost} The monitor goes on and tries again.")
            wake = clock.utc() + AGAIN
        except Mistake:
            raise
        except Exception as error:
            bugs = True
            complain(f"Prober failed with {place_of(error)}; please report this. The monitor goes on and tries again.")
        if listener is not None:
            listener.show(metrics, wake + LATE)
        await rest(clock, wake, stopping, force.asked)
    return 4 if bugs else 0


async def one_round(
    settings: Settings,
    history: History,
    clock: Clock,
    stopping: asyncio.Event,
    complain: Say,
    *,
    wait_for_second: bool,
    enough: asyncio.Event | None = None,
    shown: Callable[[str], None] = lambda text: None,
) -> Done:
    """A round with all that follows: sending, feed, metrics, heartbeat, and the removal of what is past its time.

    The first four also while it lasts; `shown` then takes the text of the metrics. With `enough` set no look is begun.
    """
    began = clock.monotonic_us()
    if not history.take_lock():
        raise HistoryAway("The connection broke, and another monitor writes into this database now; let it finish.")

    async def meanwhile() -> None:
        await send_pending(settings, history, clock, from_environment, complain, stopping)
        shown(await asyncio.to_thread(publish, settings, history, clock, None, complain))
        await beat(settings, history, clock, from_environment, complain)

    round_ = Round(settings, history, clock, complain, stopping, meanwhile=meanwhile, enough=enough)
    done = await round_.run(wait_for_second=wait_for_second)
    await send_pending(settings, history, clock, from_environment, complain, stopping)
    if done.looks:
        clear_away(settings, history, clock)
        since = history.look_back(MESSAGES_KEPT_LOOKS * len(settings.monitor.targets))
        if since is not None:
            history.forget_rounds(min(since, instant(clock.utc() - timedelta(days=MESSAGES_KEPT_DAYS))))
    done.metrics = publish(settings, history, clock, clock.monotonic_us() - began, complain)
    await beat(settings, history, clock, from_environment, complain)
    return done


async def _delete_jobs(settings: Settings, complain: Say) -> None:
    """What a killed run started on a server is deleted first."""
    if not left_behind():
        return
    for target in settings.monitor.targets:
        token = os.environ.get(target.bearer.removeprefix("env:"), "") if target.bearer else ""
        ca_file = str(settings.path.parent / target.ca_file) if target.ca_file else None
        await delete_left_behind(settings.monitor.contact, ca_file, token or None, complain, base=target.base)


def _code(done: Done) -> int:
    if done.bugs:
        return 4
    return 3 if done.failed or done.unfinished else 0


def _said(done: Done, settings: Settings) -> str:
    if not (done.looks or done.failed or done.bugs or done.unfinished):
        due = f" The next look is due {_minute(done.next_due)}." if done.next_due else ""
        return f"Nothing is due for {_targets(settings)}.{due}"
    parts = [f"{done.looks} {'look' if done.looks == 1 else 'looks'} done"]
    parts += [f"{done.failed} could not be made"] if done.failed else []
    parts += [f"prober itself failed in {done.bugs}"] if done.bugs else []
    parts += [f"{done.recovered} of them from before a kill"] if done.recovered else []
    parts.append(f"{done.opened} {'incident' if done.opened == 1 else 'incidents'} opened, {done.closed} closed")
    cut = " It was stopped before all of it was done; the next round goes on." if done.unfinished else ""
    due = f" The next look is due {_minute(done.next_due)}." if done.next_due else ""
    return f"{'; '.join(parts)}.{cut}{due}"


def _targets(settings: Settings) -> str:
    count = len(settings.monitor.targets)
    return "1 target" if count == 1 else f"{count} targets"


def _minute(moment: datetime | None) -> str:
    return f"{instant(moment)[:16].replace('T', ' ')} UTC" if moment is not None else ""
