"""What is told of prober's own troubles: one message for a cause, however many targets or messages it is about."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from prober.clock import instant
from prober.history.store import Told
from prober.monitor.settings import Settings
from prober.monitor.tell import is_private
from prober.nouns.incident import Message

MOST_NAMED, MOST_REASONS = 20, 5
GIVEN_UP = "given-up."
"""How the ids of messages begin that are about messages which reached nobody."""


def not_looked_at(settings: Settings, causes: Mapping[str, Sequence[str]], now: datetime) -> list[Told]:
    """What is told of targets that could not be looked at: by cause, once a day.

    There is one message of all targets, and one for each set of targets that a recipient is limited to.
    """
    monitor = settings.monitor
    limits: dict[tuple[str, ...], frozenset[str] | None] = {(): None}
    limits |= {tuple(sorted(one.targets)): frozenset(one.targets) for one in monitor.recipients if one.targets}
    made: list[Told] = []
    for why, names in causes.items():
        for scope, within in limits.items():
            mine = sorted({name for name in names if within is None or name in within})
            if not mine:
                continue
            message = _not_looked_at(why, mine, scope, now)
            limited = {one.name for one in monitor.recipients if tuple(sorted(one.targets)) == scope}
            told = settings.recipients(message, now)
            made.append((message, tuple(pair for pair in told if pair[0] in limited)))
    return made


def _not_looked_at(why: str, names: Sequence[str], scope: Sequence[str], now: datetime) -> Message:
    cause = hashlib.sha256(why.encode("utf-8", "replace")).hexdigest()[:16]
    one = len(names) == 1
    which = [] if one else [f"They are {_listed(names)}."]
    return Message(
        id=f"failed.{cause}.{instant(now)[:10]}" + (f".{'+'.join(scope)}" if scope else ""),
        kind="monitor",
        target=names[0] if one else None,
        time=instant(now),
        title=f"{names[0] if one else f'{len(names):,} targets'} could not be looked at",
        lines=(why, *which, f"This says nothing about the {'server' if one else 'servers'}."),
    )


def _listed(names: Sequence[str]) -> str:
    left = len(names) - MOST_NAMED
    if left > 1:
        return f"{', '.join(names[:MOST_NAMED])}, and {left:,} more"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def given_up(settings: Settings, lost: Mapping[str, Sequence[tuple[Message, str]]], now: datetime) -> list[Told]:
    """What is told of messages that did not reach a recipient and are not tried again, each with the reason.

    It goes to whoever is told of the monitoring, and to that recipient. Nothing is told of such a message itself, or
    there would be no end of it.
    """
    made: list[Told] = []
    for name, listed in sorted(lost.items()):
        for private in (False, True):
            mine = [(one, why) for one, why in listed if is_private(one) == private]
            mine = [(one, why) for one, why in mine if not one.id.startswith(GIVEN_UP)]
            if mine:
                message = _given_up(name, mine, private, now)
                told = dict(settings.recipients(message, now))
                told |= dict(settings.addressed(message, (name,), now))
                made.append((message, tuple(told.items())))
    return made


def _given_up(name: str, listed: Sequence[tuple[Message, str]], private: bool, now: datetime) -> Message:
    count = "One message" if len(listed) == 1 else f"{len(listed):,} messages"
    reasons = list(dict.fromkeys(why for _, why in listed))[:MOST_REASONS]
    where = "What it told is" if len(listed) == 1 else "What they told is"
    return Message(
        id=f"{GIVEN_UP}{name}.{instant(now)}" + (".private" if private else ""),
        kind="monitor",
        private=private,
        time=instant(now),
        title=f"{count} did not reach {name} and {'is' if len(listed) == 1 else 'are'} given up",
        lines=(*reasons, f"{where} in the history: see `prober history`."),
    )
