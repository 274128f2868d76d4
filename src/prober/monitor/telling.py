"""After a round: what waits is sent, and the feed, the metrics and the heartbeat are written anew."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from prober.clock import Clock, instant
from prober.files import replace_file
from prober.history.store import History, Pending, Told
from prober.mistake import place_of
from prober.monitor import metrics, news
from prober.monitor.settings import FEED, METRICS, Settings
from prober.monitor.standing import standings
from prober.monitor.tell import NotSent, Secrets, Sent, heartbeat, send, write_feed
from prober.monitor.troubles import given_up
from prober.nouns.base import canonical
from prober.nouns.incident import Message
from prober.nouns.monitor import Recipient

Say = Callable[[str], None]
FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=6)
MOST_TRIES = 20
"""Tries of one message to one recipient, over some days; then it is given up and said so."""
FEED_TITLE = "prober: what changed"
_DAY, _AT_WORK = 24 * 60, timedelta(hours=1)
_CONFIDANTS, _FEED_ID = "confidants", "feed.id"


async def send_pending(
    settings: Settings,
    history: History,
    clock: Clock,
    secrets: Secrets,
    say: Say,
    stopping: asyncio.Event | None = None,
) -> int:
    """Send every message whose time has come. How many were taken.

    In quiet hours only gates are sent, whenever the others became due: a try that failed is not made again in them. A
    recipient who does not take one message gets the others later: a webhook that hangs holds nobody up. A kill
    between the sending and its note in the history repeats the message under the same id. With `stopping` set, what is
    under way is ended and noted, and the rest waits.
    """
    _tell_newcomers(settings, history, clock.utc())
    by_recipient: dict[str, list[Pending]] = {}
    lost: dict[str, list[tuple[Message, str]]] = {}
    for one in history.pending(instant(clock.utc())):
        by_recipient.setdefault(one.recipient, []).append(one)
    recipients = {one.name: one for one in settings.monitor.recipients}
    sent = 0
    writing = asyncio.Lock()

    async def to(name: str, listed: list[Pending]) -> None:
        nonlocal sent
        recipient = recipients.get(name)
        for one in listed:
            if stopping is not None and stopping.is_set():
                return
            if one.message.kind != "gate" and settings.quiet_until(clock.utc()) is not None:
                continue
            if recipient is None:
                async with writing:
                    history.delivered(one, state="failed", due=instant(clock.utc()), why="There is no such recipient.")
                say(f"The message {one.message.id} is told to nobody: there is no recipient called {name} any more.")
                continue
            outcome = await _attempt(settings, one, recipient, clock, secrets)
            now = clock.utc()
            async with writing:
                if not isinstance(outcome, NotSent):
                    history.delivered(one, state="sent", due=instant(now), why=None)
                    sent += 1
                    continue
                again = outcome.again and one.tries + 1 < MOST_TRIES
                due = instant(now + _wait(one.tries, outcome.after_seconds))
                history.delivered(one, state="waiting" if again else "failed", due=due, why=outcome.reason)
            if not again:
                lost.setdefault(name, []).append((one.message, outcome.reason))
            later = "It is tried again later." if again else "It is not tried again."
            if outcome.again and not again:
                later = f"It was tried {MOST_TRIES} times and is given up."
            say(f"The message {one.message.id} did not reach {name}: {outcome.reason} {later}")
            if again:
                return

    await asyncio.gather(*(to(name, listed) for name, listed in sorted(by_recipient.items())))
    if lost:
        history.tell(given_up(settings, lost, clock.utc()))
    return sent


def _tell_newcomers(settings: Settings, history: History, now: datetime) -> None:
    """Have recipients told of open gates who may be told of them only since the configuration was altered."""
    after = {one.name: sorted(one.targets) for one in settings.monitor.recipients if one.private}
    marked = history.mark(_CONFIDANTS)
    before: dict[str, list[str]] = json.loads(marked) if marked is not None else after
    if marked is not None and before == after:
        return
    messages: list[Told] = []
    for one in history.incidents(open_only=True) if before != after else ():
        if one.waived_by is not None or not (one.private or one.kind == "gate"):
            continue
        names = [name for name in after if not _covers(before.get(name), one.target)]
        message = news.still_open_message(one, names, instant(now))
        told = [pair for pair in settings.recipients(message, now) if pair[0] in names]
        if told:
            messages.append((message, tuple(told)))
    history.tell(messages, marks={_CONFIDANTS: canonical(after)})


def _covers(targets: Sequence[str] | None, target: str) -> bool:
    """Whether a recipient limited to these targets (none of them: to none; None: no recipient) is told of this one."""
    return targets is not None and (not targets or target in targets)


@dataclass(frozen=True)
class HeldBack:
    """What waits for the end of the quiet hours, in words. `missed`: some of it has waited for one end before."""

    words: str
    missed: bool


def held_back(settings: Settings, history: History, now: datetime) -> HeldBack | None:
    """What a single round leaves unsent because it is quiet; somebody has to begin another one when that is over."""
    wake, quiet = settings.quiet_until(now), settings.monitor.alerts.quiet
    if wake is None or quiet is None:
        return None
    waiting = [one for one in history.pending(instant(wake)) if one.message.kind != "gate"]
    if not waiting:
        return None
    begins, ends = (time.fromisoformat(one) for one in quiet)
    minutes = ((ends.hour - begins.hour) * 60 + ends.minute - begins.minute) % _DAY or _DAY
    # A round that was at work when the quiet hours began has missed nothing.
    before = instant(wake - timedelta(minutes=minutes) - _AT_WORK)
    missed = [one.due for one in waiting if one.due < before and one.tries == 0]
    one = len(waiting) == 1
    words = (
        f"{'One message waits' if one else f'{len(waiting):,} messages wait'} until "
        f"{instant(wake)[:16].replace('T', ' ')} UTC, when the quiet hours end."
    )
    if missed:
        since = min(missed)[:16].replace("T", " ")
        words += f" {'It' if one else 'Some of them'} could have been sent since {since} UTC, but nothing ran then."
    words += (
        " Run `prober monitor --once` again after that, for example every hour, or take the daemon: nothing but gates "
        "is ever sent in quiet hours."
    )
    return HeldBack(words, bool(missed))


async def _attempt(
    settings: Settings, one: Pending, recipient: Recipient, clock: Clock, secrets: Secrets
) -> Sent | NotSent:
    """One try. What prober itself does wrong in it is no reason to tell nobody anything."""
    try:
        return await send(one.message, recipient, settings.monitor.mail, clock=clock, secrets=secrets)
    except Exception as error:
        return NotSent(f"Prober failed with {place_of(error)}; please report this.", again=True)


def _wait(tries: int, after_seconds: int | None) -> timedelta:
    doubled = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries, 10))
    return doubled if after_seconds is None else max(timedelta(seconds=after_seconds), timedelta(minutes=1))


def publish(settings: Settings, history: History, clock: Clock, round_us: int | None, say: Say) -> str:
    """Write the feed and the metrics. The text of the metrics; what could not be written is said."""
    now = instant(clock.utc())
    monitor = settings.monitor
    last = history.last_round(now)
    standing = metrics.MonitorStanding(
        now=now, last_round=last[1] if last else None, round_us=round_us, messages_pending=history.waiting()
    )
    text = metrics.text(standing, standings(settings, history, now))
    if monitor.feed:
        url = f"urn:prober:feed:{_feed_id(history, clock)}"
        messages = _for_all(history.messages())
        _written(
            settings.state / FEED, lambda path: write_feed(path, messages, title=FEED_TITLE, self_url=url), "feed", say
        )
    if monitor.metrics:
        _written(settings.state / METRICS, lambda path: replace_file(path, text.encode()), "file of metrics", say)
    return text


def _feed_id(history: History, clock: Clock) -> str:
    """What no other monitor's feed is called, drawn once: a name made of paths would be another one's too, or tell
    them."""
    known = history.mark(_FEED_ID)
    if known is None:
        known = clock.random_bytes(16).hex()
        history.tell((), marks={_FEED_ID: known})
    return known


def _written(path: Path, write: Callable[[Path], None], what: str, say: Say) -> None:
    try:
        write(path)
    except OSError as error:
        say(f"{path}: the {what} cannot be written ({error.strerror}); the old one stays until the next round.")


def _for_all(messages: Sequence[Message]) -> list[Message]:
    """The messages without those for some recipients alone: what they say stands in another one for all."""
    return [one for one in messages if not _is_for_some(one)]


def _is_for_some(message: Message) -> bool:
    parts = message.id.split(".")
    if message.kind == "digest" or parts[0] == "failed":
        return len(parts) > 3
    return message.kind == "gate" and news.TOLD_LATER in parts


async def beat(settings: Settings, history: History, clock: Clock, secrets: Secrets, say: Say) -> None:
    """Show that the monitor lives."""
    last = history.last_round(instant(clock.utc()))
    failed = await heartbeat(
        settings.monitor.heartbeat,
        settings.state,
        last_round=last[1] if last else None,
        clock=clock,
        secrets=secrets,
    )
    for why in failed:
        say(why)


async def rest(clock: Clock, until: datetime, stopping: asyncio.Event, waking: asyncio.Event | None = None) -> None:
    """Sleep until an instant, or until the monitor is to stop or to wake. In short steps, so that a clock that is put
    forward or back, or a machine that slept, is noticed: a clock that is put back makes no rest longer than it was to
    be."""
    longest = clock.monotonic_us() + max(0, int((until - clock.utc()).total_seconds() * 1_000_000))
    events = [stopping] if waking is None else [stopping, waking]
    while not any(one.is_set() for one in events):
        left = min((until - clock.utc()).total_seconds(), (longest - clock.monotonic_us()) / 1_000_000)
        if left <= 0:
            return
        waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(clock.sleep(min(left, 30.0)))]
        waiting += [asyncio.ensure_future(one.wait()) for one in events]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
            with suppress(asyncio.CancelledError):
                await one


def summary_of(found: Mapping[str, int]) -> str:
    """Counts as a phrase: `2 looks, 1 failed`."""
    return ", ".join(f"{count} {what}" for what, count in found.items() if count)
