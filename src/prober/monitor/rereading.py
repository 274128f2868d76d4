"""The configuration that a daemon goes by: read when it starts, and again when it is asked to (SIGHUP)."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from prober.clock import Clock
from prober.history.store import History, moved_without_a_word
from prober.mistake import Mistake, place_of
from prober.monitor.settings import Settings, check_ways, load_settings
from prober.monitor.tell import Secrets

Say = Callable[[str], None]
STAYS = "The configuration that was read before stays in force."


class InForce:
    """The settings that are in force. They change between rounds, never within one.

    `asked` is set while somebody wants them to be read again.
    """

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self.settings = settings
        self.asked = asyncio.Event()
        self._secrets = secrets

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read it again at SIGHUP, where there is such a signal."""
        hangup = getattr(signal, "SIGHUP", None)
        if hangup is not None:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                # Elsewhere than in the main thread nobody sends signals.
                loop.add_signal_handler(hangup, self.asked.set)

    def renew(self, history: History, clock: Clock, say: Say, complain: Say) -> None:
        """Read it again if that was asked for. A mistake in it is told, and changes nothing."""
        if not self.asked.is_set():
            return
        self.asked.clear()
        try:
            new = load_settings(self.settings.path, clock.utc().date())
            check_ways(new, self._secrets)
            check_change(self.settings, new, history)
        except Mistake as mistake:
            complain(f"{mistake} {STAYS}")
        except Exception as error:
            complain(f"Prober failed with {place_of(error)}; please report this. {STAYS}")
        else:
            self.settings = new
            count = len(new.monitor.targets)
            targets = "1 target" if count == 1 else f"{count} targets"
            say(f"The configuration was read again; it watches {targets} from now on.")


def check_change(old: Settings, new: Settings, history: History) -> None:
    """Raise Mistake for what a monitor that is at work cannot take over: another place, or a base that moved unsaid."""
    path = new.path
    if new.state.resolve() != old.state.resolve():
        raise Mistake(f"{path}: `state` is another folder now, which only a restart of the monitor can take over.")
    if new.monitor.database != old.monitor.database:
        raise Mistake(f"{path}: `database` is another one now, which only a restart of the monitor can take over.")
    known = history.targets()
    for target in new.monitor.targets:
        base = next((known[name] for name in (target.name, *target.was) if name in known), target.base)
        if base != target.base and base not in target.moved_from:
            raise Mistake(f"{path}: {moved_without_a_word(target.name, base, target.base)}")
