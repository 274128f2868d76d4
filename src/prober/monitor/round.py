"""A round: every look that is due is made once, recorded with all that follows from it, and told.

What comes due while a round is at work is made by it too, so that a poll of every five minutes does not wait for the
last of a night's looks. From time to time, and at once when a gate of safety fired, what is to be told goes out.

Whatever ends a round, the next one goes on where it was: slots that are recorded are done, run folders that are whole
are recorded without asking again, and messages wait in the history until they are sent.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import nlargest
from pathlib import Path

from prober.archive import RunFolder
from prober.clock import Clock, instant
from prober.diff.families import HOSTS, area_of
from prober.handwriting import line_of
from prober.history.store import AHEAD, History, HistoryLost, Recorded, Told
from prober.mistake import BadFolder, Mistake, place_of
from prober.monitor import clocks, news
from prober.monitor.consider import AVAILABILITY, FOLLOW, Before, Considered, Policy, consider
from prober.monitor.digest import of_a_night
from prober.monitor.line import Line
from prober.monitor.looking import Looked, Task, ask, assess, finished, put_aside
from prober.monitor.news import Note
from prober.monitor.retention import CUT
from prober.monitor.settings import RUNS, Settings, by_members
from prober.monitor.slots import Slot, due_from, missed, slot_at
from prober.monitor.troubles import not_looked_at
from prober.monitor.watched import fingerprint, rewatched
from prober.nouns.base import canonical
from prober.nouns.facts import Change
from prober.nouns.incident import Incident
from prober.nouns.look import Look
from prober.nouns.monitor import LookPlan, Target

Say = Callable[[str], None]
Meanwhile = Callable[[], Awaitable[None]]
TELL_EVERY = timedelta(minutes=5)
"""How long what is to be told waits at most for a round to end."""
LONGEST_ROUND = timedelta(hours=1)
"""A daemon begins no more looks then, so that what belongs between two rounds is done."""
LONGEST_UNSEEN = 15.0
"""Seconds after which, while looks are being made, it is seen again what came due."""
SECOND_LOOK_HOURS = 6
"""A suspicion that is older is settled by the next look of its kind instead."""
REMEMBERED_DAYS = 60
"""How far back a digest looks for what another kind of look has told already."""
_NIGHT, _TOLD, _CLOCKS, _UNWATCHED = "digest.night", "digest.told", "digest.clocks", "digest.unwatched"
_WATCHED = "watched"
_EVER = "9999"
_NIGHTS = ("night", "week")
FOLDERS_BACK = 4
"""How many of the latest slots are searched for run folders that a kill kept out of the history."""
_PROBES_OF = {
    AVAILABILITY: ("capability_statement_served",),
    "smart": ("smart_configuration_served",),
    "jwks": ("jwks_published",),
    "brands": ("brands_served", "brands_list_base"),
    "brand": ("brands_served",),
    "brand_endpoint": ("brands_sound",),
    "brand_host": ("brands_sound",),
    "tls": ("tls_modern",),
    "certificate": ("certificate_valid",),
    "latency": ("answers_promptly",),
    "page": ("pages_open",),
    "gate": (),
}
"""The probes that look again at facts of an area; of any other area it is the CapabilityStatement's."""


@dataclass
class Done:
    """What a round did."""

    looks: int = 0
    failed: int = 0
    bugs: int = 0
    unfinished: bool = False
    opened: int = 0
    closed: int = 0
    recovered: int = 0
    """Looks whose evidence an earlier round had collected and not recorded."""
    next_due: datetime | None = None
    metrics: str = ""
    """The text of the metrics, once they were written."""
    by_plan: dict[tuple[str, str], int] = field(default_factory=dict)


class Round:
    """One pass over everything that is due."""

    def __init__(
        self,
        settings: Settings,
        history: History,
        clock: Clock,
        say: Say,
        stopping: asyncio.Event | None = None,
        *,
        meanwhile: Meanwhile | None = None,
        enough: asyncio.Event | None = None,
    ) -> None:
        """`meanwhile` sends and shows how things stand while looks are being made. With `enough` set no look is begun
        any more; what is under way is finished, and the rest is due in the next round."""
        self._settings = settings
        self._history = history
        self._clock = clock
        self._say = say
        self._stopping = stopping or asyncio.Event()
        self._asked_to_end = enough or asyncio.Event()
        self._enough = False
        self._left_over = False
        self._meanwhile = meanwhile
        self._telling: asyncio.Task[None] | None = None
        self._urgent = False
        self._writing = asyncio.Lock()
        self.done = Done()
        self._jitter = settings.monitor.jitter_minutes
        self._began = self._last_told = clock.utc()
        self._troubles: dict[str, list[str]] = {}

    async def run(self, *, wait_for_second: bool) -> Done:
        """Make every due look. With `wait_for_second` the second looks are waited for; else a later round makes them.

        Raises HistoryLost where the history cannot be written any more: what was collected is recorded later.
        """
        # A timer comes once: a single round spreads nothing, or it would miss whoever is due a little later.
        self._jitter = 0 if wait_for_second else self._settings.monitor.jitter_minutes
        self._began = self._last_told = self._clock.utc()
        began = instant(self._began)
        self._know_targets()
        marks = self.watch(began)
        # With the beginning of the round or not at all, so that a kill between them tells nobody twice.
        self._history.round_began(began, [*self._clock_put_back(began), *self._absence(began)], marks)
        await self._pick_up()
        while not self._stopping.is_set():
            await self._make(round_lasts=None if wait_for_second else LONGEST_ROUND)
            now = self._clock.utc()
            later = self._second_looks(now, due=False)
            if not wait_for_second or not later or self._stopping.is_set() or self._enough:
                break
            await self._rest((min(self._second_due(one) for one in later) - now).total_seconds())
        self.tell_digests()
        self.done.unfinished = self.done.unfinished or self._stopping.is_set()
        now = self._clock.utc()
        self.done.next_due = now if self._left_over else self.next_due(now)
        self._was_at_work()
        return self.done

    def _was_at_work(self) -> None:
        """Keep that the monitor was at work until now: should it be killed, the next round knows since when."""
        failed = self.done.failed + self.done.bugs
        self._history.round_ended(instant(self._began), instant(self._clock.utc()), self.done.looks, failed)

    def _know_targets(self) -> None:
        path = self._settings.path
        known = self._history.targets()
        for number, target in enumerate(self._settings.monitor.targets):
            if known.get(target.name) == target.base:
                continue
            try:
                self._history.know(target.name, target.base, target.was, target.moved_from)
            except HistoryLost:
                raise
            except Mistake as mistake:
                raise Mistake(f"{path}:{line_of(path, 'targets', number)}: {mistake}") from mistake

    def watch(self, now: str) -> dict[str, str]:
        """Close the incidents that the configuration looks at no more, and open those again that it does.

        The mark that spares asking again; where something changed it is kept already, else with the next thing.
        """
        of = fingerprint(self._settings, datetime.fromisoformat(now))
        if of == self._history.mark(_WATCHED):
            return {}
        changed = rewatched(self._settings, self._history, now)
        if not (changed.closed or changed.again):
            return {_WATCHED: of}
        notes: list[Note] = [(target, words) for target, words in json.loads(self._history.mark(_UNWATCHED) or "[]")]
        messages: list[Told] = []
        for again, listed in ((False, changed.closed), (True, changed.again)):
            for one in listed:
                if one.private:
                    message = news.unwatched_message(one, now, again=again)
                    messages.append((message, self._settings.recipients(message, datetime.fromisoformat(now))))
                elif one.waived_by is None:
                    notes.append((one.target, news.unwatched_note(one, again=again)))
            for target, count in sorted(Counter(one.target for one in listed).items()):
                self._say(self._about_watching(target, count, again=again))
        marks = {_WATCHED: of, _UNWATCHED: canonical([list(one) for one in notes])}
        self._history.rewatch(changed.closed, changed.again, messages, marks)
        return {}

    def forget_notes(self) -> None:
        """Tell nothing of the watching as it was until now: it was told then, or it shows itself again."""
        self._history.tell((), marks={_CLOCKS: "{}", _UNWATCHED: "[]"})

    def _about_watching(self, target: str, count: int, *, again: bool) -> str:
        incidents = "incident is" if count == 1 else f"{count} incidents are"
        if again:
            return f"{target} is looked at again, so its {incidents} open again."
        if all(one.name != target for one in self._settings.monitor.targets):
            return f"{target} is not in the configuration any more, so its open {incidents} closed."
        return f"{target}: no kind of look sees any more what was wrong, so its open {incidents} closed."

    def next_due(self, now: datetime) -> datetime | None:
        """When there is something to do again, as far as is known now."""
        monitor = self._settings.monitor
        due: list[datetime] = [self._second_due(one) for one in self._second_looks(now, due=False)]
        for name, plan in monitor.looks.items():
            slot = slot_at(plan, self._settings.zone, now)
            upcoming = slot_at(plan, self._settings.zone, slot.ends)
            for target in monitor.targets:
                if target.looks is None or name in target.looks:
                    here = due_from(slot, target.name, name, self._jitter)
                    due.append(here if here > now else due_from(upcoming, target.name, name, self._jitter))
        return min(due, default=None)

    # What is due

    def _due(self, now: datetime) -> list[Task]:
        monitor, tasks = self._settings.monitor, []
        for name, plan in monitor.looks.items():
            slot = slot_at(plan, self._settings.zone, now)
            done = self._history.slots_done(name, slot.name)
            for target in monitor.targets:
                if target.name in done or (target.looks is not None and name not in target.looks):
                    continue
                if (target.name, f"{name}/{slot.name}") in self.done.by_plan:
                    # It failed in this round already.
                    continue
                if due_from(slot, target.name, name, self._jitter) <= now:
                    tasks.append(Task(target, name, plan, slot))
        return tasks

    def _second_looks(self, now: datetime, *, due: bool = True) -> list[Task]:
        """Looks again at what a look found worse, once for each slot: those that are due, or those that will be."""
        suspects = self._history.suspects()
        if not suspects:
            return []
        targets = {one.name: one for one in self._settings.monitor.targets}
        latest = self._history.latest(suspects)
        tasks = []
        for name, states in suspects.items():
            target = targets.get(name)
            if target is None:
                continue
            for plan_name, plan in self._settings.plans_of(target).items():
                if isinstance(plan.every, int) and plan.every <= self._wait.total_seconds() // 60 * 3:
                    # The next look of such a plan is soon enough.
                    continue
                last = latest.get((name, plan_name))
                if last is None or last.part != 0 or not self._is_recent(last, now):
                    continue
                keys = [one.key for one in states if one.since == last.began and one.key != "sight"]
                task = self._second(target, plan_name, plan, last, keys)
                if task is None or (name, f"{plan_name}/{task.slot.name}.2") in self.done.by_plan:
                    continue
                if (self._second_due(task) <= now) == due:
                    tasks.append(task)
        return tasks

    def _second(self, target: Target, name: str, plan: LookPlan, last: Look, keys: Sequence[str]) -> Task | None:
        if not keys:
            return None
        probes = frozenset(probe for key in keys for probe in _probes_of(key)) & set(self._settings.probes)
        began = datetime.fromisoformat(last.began)
        slot = Slot(last.slot, datetime.fromisoformat(last.ended), began)
        return Task(target, name, plan, slot, part=1, only=probes or frozenset({"capability_statement_served"}))

    @property
    def _wait(self) -> timedelta:
        return timedelta(minutes=self._settings.monitor.alerts.second_look_minutes)

    def _second_due(self, task: Task) -> datetime:
        """The slot of a second look begins when the first one ended."""
        return task.slot.begins + self._wait

    def _is_recent(self, last: Look, now: datetime) -> bool:
        return timedelta() <= now - datetime.fromisoformat(last.ended) < timedelta(hours=SECOND_LOOK_HOURS)

    # Making looks

    async def _make(self, *, round_lasts: timedelta | None) -> None:
        """Make every look that is due, or comes due meanwhile, until nothing is left that is due."""
        monitor = self._settings.monitor
        line = Line(monitor.at_once, has_short=any(isinstance(one.every, int) for one in monitor.looks.values()))
        running: dict[asyncio.Task[None], Task] = {}
        until = self._began + round_lasts if round_lasts is not None else None
        check = self._clock.utc()
        failure: BaseException | None = None
        while True:
            now = self._clock.utc()
            self._enough = self._asked_to_end.is_set() or (until is not None and now >= until)
            try:
                if failure is not None or self._stopping.is_set() or self._enough:
                    self._put_off(line)
                elif now >= check or not running:
                    check = self._let_wait(line, now)
                self._tell_meanwhile(now)
            except Exception as error:
                # What is under way is finished first: its evidence is recorded by a later round.
                failure = failure or error
                self._put_off(line)
            while (task := line.take()) is not None:
                running[asyncio.ensure_future(self._one(task))] = task
            if not running:
                break
            # Real seconds, not the clock's: it is only looked again whether something came due.
            await asyncio.wait(
                running,
                timeout=min(LONGEST_UNSEEN, max(0.05, (check - now).total_seconds())),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for ended in [one for one in running if one.done()]:
                line.done(running.pop(ended))
                failure = failure or ended.exception()
        if self._telling is not None:
            await self._telling
        if failure is not None:
            raise failure

    def _put_off(self, line: Line) -> None:
        """What waits in the line is due in the next round."""
        for task in line.clear():
            self._left_over = True
            del self.done.by_plan[self._marked(task)]

    def _let_wait(self, line: Line, now: datetime) -> datetime:
        """Put what is due into the line. When the next look will be due."""
        tasks = [*self._due(now), *self._second_looks(now)]
        for task in tasks:
            self._mark(task)
        line.add(sorted(tasks, key=lambda one: one.target.name))
        # A look that is still to be made may have to be made again, and that comes due after it. To find out what is
        # due is a question to the history about every target, so it is not asked without a pause.
        due = min(self.next_due(now) or now + self._wait, now + self._wait)
        return max(due, now + timedelta(seconds=LONGEST_UNSEEN))

    def _tell_meanwhile(self, now: datetime) -> None:
        """Send what waits, and show that the monitor lives, beside the looks that are being made."""
        if self._telling is not None and self._telling.done():
            ended, self._telling = self._telling, None
            ended.result()
        if self._meanwhile is None or self._telling is not None:
            return
        if not self._urgent and timedelta() <= now - self._last_told < TELL_EVERY:
            return
        self._urgent, self._last_told = False, now
        self._was_at_work()
        self._telling = asyncio.ensure_future(self._meanwhile())

    async def _one(self, task: Task) -> None:
        there = finished(self._settings.state / task.place) is not None
        try:
            folder = await ask(task, self._settings, self._clock, self._stopping)
            if folder is None:
                self.done.unfinished = True
                return
            looked = await asyncio.to_thread(assess, task, folder, self._settings, self._history)
            await self.record(looked)
        except HistoryLost:
            raise
        except Exception as error:
            self._stumbled(task, error)
            return
        self.done.recovered += there

    def _mark(self, task: Task) -> None:
        self.done.by_plan[self._marked(task)] = 1

    def _marked(self, task: Task) -> tuple[str, str]:
        return task.target.name, f"{task.name}/{task.slot.name}" + (f".{task.part + 1}" if task.part else "")

    def _stumbled(self, task: Task, error: Exception) -> bool:
        """A look that could not be made or understood holds up no other. Whether it may be made anew at once."""
        if isinstance(error, BadFolder) and not isinstance(error.__cause__, OSError):
            # Evidence that cannot be read is no look: it stays beside the next one.
            put_aside(self._settings.state / task.place)
            self._failed(task, str(error))
            return True
        if isinstance(error, Mistake):
            self._failed(task, str(error))
        elif isinstance(error, OSError):
            self._failed(task, f"A file cannot be read or written ({error.strerror or type(error).__name__}).")
        else:
            self.done.bugs += 1
            self.done.failed -= 1
            self._failed(task, f"Prober itself failed with {place_of(error)}; please report this.")
        return False

    def _failed(self, task: Task, why: str) -> None:
        """A look that could not be made is prober's own trouble, never the target's."""
        self.done.failed += 1
        why = by_members(why)
        self._say(f"{task.target.name}: the {task.name} look of {task.slot.name} could not be made. {why}")
        # Told at the end of the round: what one cause keeps from a thousand targets is one message.
        self._troubles.setdefault(why, []).append(task.target.name)

    def _considered(self, looked: Looked, now: datetime) -> Considered:
        """Consider a look and keep it with all that follows from it."""
        look = looked.look
        standing, states, incidents = self._history.before(look.target, look.plan)
        before = Before(
            standing=standing,
            states=states,
            incidents=incidents,
            earlier=lambda keys: self._history.earlier(look.target, look.plan, keys),
        )
        policy = Policy(
            rules=self._settings.monitor.alerts,
            send=lambda message: self._settings.recipients(message, now),
            waivers=self._settings.waivers.get(look.target, ()),
            model=self._settings.model,
            nightly=frozenset(name for name, one in self._settings.monitor.looks.items() if one.every in _NIGHTS),
        )
        considered = consider(look, looked.facts, before, policy)
        self._history.record(considered.recorded)
        return considered

    async def record(self, looked: Looked) -> None:
        """Keep a look with all that follows from it, after the looks that were recorded before."""
        async with self._writing:
            look = looked.look
            # In a thread: what a server says may be so much that the other looks would seem slow meanwhile.
            considered = await asyncio.to_thread(self._considered, looked, self._clock.utc())
            self._note_clock(looked)
            self._urgent = self._urgent or any(one.private for one, _ in considered.recorded.messages)
            self.done.looks += 1
            fresh = [one for one in considered.recorded.incidents if one.closed is None and one.opened == look.began]
            self.done.opened += len(fresh)
            for message, recipients in considered.recorded.messages:
                if message.private and not recipients:
                    self._say(
                        f"{look.target}: a gate of safety fired or cleared, and no recipient may be told (`private: "
                        f"true`); see `prober history {look.target}`."
                    )
            self.done.closed += sum(one.closed is not None for one in considered.recorded.incidents)

    def _note_clock(self, looked: Looked) -> None:
        """Note for the digest that the clocks of server and monitor differ, or forget it when they agree again."""
        before = clocks.read_notes(self._history.mark(_CLOCKS)) if looked.ahead is not None else {}
        after = clocks.noted(before, looked.look.target, looked.ahead)
        if after != before:
            self._history.tell((), marks={_CLOCKS: clocks.written(after)})
        if after.keys() - before.keys() and looked.ahead is not None:
            for _, words in news.clock_notes({looked.look.target: looked.ahead}, targets=1):
                self._say(words)

    async def _pick_up(self) -> None:
        """Record what an earlier round had collected when it was killed."""
        for target, name, plan, path in self._left_behind():
            slot_name, _, second = path.name.partition(".")
            part = 1 if second else 0
            found = finished(path)
            if found is None:
                continue
            task = task_of(target, name, plan, slot_name, part, found.path)
            try:
                looked = await asyncio.to_thread(assess, task, found, self._settings, self._history)
            except HistoryLost:
                raise
            except Exception as error:
                if not self._stumbled(task, error):
                    self._mark(task)
                continue
            newest = next(iter(reversed(self._history.looks(target.name, plan=name, most=1))), None)
            if newest is not None and newest.began > looked.look.began:
                # Too late to be compared with anything; that it was made is kept.
                async with self._writing:
                    self._history.record(Recorded(looked.look))
            else:
                try:
                    await self.record(looked)
                except HistoryLost:
                    raise
                except Exception as error:
                    self._stumbled(task, error)
                    self._mark(task)
                    continue
            self.done.recovered += 1

    def _left_behind(self) -> list[tuple[Target, str, LookPlan, Path]]:
        """The latest run folders of each target that are not recorded, in the order in which they were made.

        One question for all targets of a kind of look: there are thousands of folders, and as a rule none was left.
        """
        found = []
        for name, plan in self._settings.monitor.looks.items():
            latest: list[tuple[Target, str]] = []
            for target in self._settings.monitor.targets:
                if target.looks is not None and name not in target.looks:
                    continue
                try:
                    names = os.listdir(self._settings.state / RUNS / target.name / name)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                there = nlargest(FOLDERS_BACK, (one for one in names if CUT not in one))
                latest += [(target, one) for one in reversed(there)]
            slots = {folder.partition(".")[0] for _, folder in latest}
            recorded = self._history.recorded(name, slots) if slots else frozenset()
            for target, folder in latest:
                slot_name, _, second = folder.partition(".")
                if (target.name, slot_name, 1 if second else 0) not in recorded:
                    path = self._settings.state / RUNS / target.name / name / folder
                    found.append((target, name, plan, path))
        return found

    async def _rest(self, seconds: float) -> None:
        """Wait, or end the waiting when the monitor is to stop."""
        sleeping = asyncio.ensure_future(self._clock.sleep(max(0.0, seconds)))
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for one in (sleeping, stopping):
            one.cancel()
        await asyncio.gather(sleeping, stopping, return_exceptions=True)

    # Telling

    def _clock_put_back(self, now: str) -> list[Told]:
        """That the history knows a round of the future: the clock is wrong now, or it was then."""
        last = self._history.last_round()
        moment = datetime.fromisoformat(now)
        if last is None or datetime.fromisoformat(last[0]) <= moment + AHEAD:
            return []
        message = news.clock_put_back(last[0], now)
        return [(message, self._settings.recipients(message, moment))]

    def _absence(self, now: str) -> list[Told]:
        """That the monitor itself did not run, with how many looks are missing between the last round and this one."""
        last = self._history.last_round(now)
        if last is None:
            return []
        zone, moment = self._settings.zone, datetime.fromisoformat(now)
        at_work = max(last[0], last[1] or "")
        known = self._history.last_slots()
        count = 0
        for name, plan in self._settings.monitor.looks.items():
            if name in known:
                before = slot_at(plan, zone, datetime.fromisoformat(at_work))
                gone = missed(plan, zone, before.name, slot_at(plan, zone, moment))
                count += gone * sum(name in self._settings.plans_of(one) for one in self._settings.monitor.targets)
        if not count:
            return []
        message = news.absence(at_work, now, count, now)
        return [(message, self._settings.recipients(message, moment))]

    def tell_digests(self) -> None:
        """One message for each night that brought changes which are no incidents, when nobody is left to be looked at.

        It is of all kinds of look together. Without a plan for every night it is of a day, and comes with the first
        round of the next one. What was told is marked in the history with the message, so that no change is told twice
        and none is left out.
        """
        now = self._clock.utc()
        if self._troubles:
            self._history.tell(not_looked_at(self._settings, self._troubles, now))
        night = self._night(now)
        if night is None or night == self._history.mark(_NIGHT):
            return
        told = int(self._history.mark(_TOLD) or 0)
        listed = self._history.changes(since=told)
        marks = {_NIGHT: night}
        last = max((number for number, _, _ in listed), default=told)
        marks |= {_TOLD: str(last)} if listed else {}
        notes = self._notes(now, marks)
        messages: list[Told] = []
        if listed or notes:
            messages = self._digests(night, last, self._worth_telling(listed), notes, now)
        self._history.tell(messages, marks=marks)

    def _notes(self, now: datetime, marks: dict[str, str]) -> list[Note]:
        """What a digest says of the watching itself, each sentence with the target that it is about (None: all).

        What is to be remembered of that once it is told goes into `marks`.
        """
        unwatched: list[Note] = [
            (target, words) for target, words in json.loads(self._history.mark(_UNWATCHED) or "[]")
        ]
        if unwatched:
            marks[_UNWATCHED] = "[]"
        apart = clocks.read_notes(self._history.mark(_CLOCKS))
        names = {one.name for one in self._settings.monitor.targets}
        due = {name: one for name, one in apart.items() if name in names and one.is_due(now)}
        if due:
            marks[_CLOCKS] = clocks.written(clocks.told(apart, due, instant(now)))
        ahead = {name: timedelta(seconds=one.ahead) for name, one in due.items()}
        return [*news.clock_notes(ahead, len(names)), *news.limited(unwatched)]

    def _night(self, now: datetime) -> str | None:
        """The night that is over: every target was looked at, and again where that was needed. None while it is not."""
        zone, monitor = self._settings.zone, self._settings.monitor
        nights = {name: slot_at(plan, zone, now) for name, plan in monitor.looks.items() if plan.every == "night"}
        if not nights:
            return now.astimezone(zone).date().isoformat()
        if any(self._some_are_to_come(name, slot, now) for name, slot in nights.items()):
            return None
        if not any(self._history.slots_done(name, slot.name) for name, slot in nights.items()):
            return None
        return max(slot.name for slot in nights.values())

    def _some_are_to_come(self, name: str, slot: Slot, now: datetime) -> bool:
        """Whether a target of this plan is still to be looked at in this slot, or looked at again."""
        done = self._history.slots_done(name, slot.name)
        waiting = {
            one.name
            for one in self._settings.monitor.targets
            if name in self._settings.plans_of(one)
            and one.name not in done
            and (one.name, f"{name}/{slot.name}") not in self.done.by_plan
        }
        return bool(waiting) or any(task.name == name for task in self._second_looks(now, due=False))

    def _worth_telling(self, listed: Sequence[tuple[int, str, Change]]) -> dict[str, list[Change]]:
        """What changed in all and is told by no incident, by target. Two kinds of look tell the same change once."""
        if not listed:
            return {}
        rules = self._settings.monitor.alerts
        first = min(change.after.started for _, _, change in listed)
        number = min(number for number, _, _ in listed)
        days = max(REMEMBERED_DAYS, 2 * rules.flap_days)
        since = instant(datetime.fromisoformat(first) - timedelta(days=days))
        earlier = [
            seen
            for target in sorted({target for _, target, _ in listed})
            for seen in self._history.changes(target=target, began=since)
            if seen[0] < number
        ]
        telling: dict[str, list[_Telling]] = {}
        for one in (*self._history.incidents(open_only=True), *self._history.incidents(closed_since=first)):
            telling.setdefault(one.target, []).append(_Telling.of(one))
        found: dict[str, list[Change]] = {}
        for target, change in of_a_night(earlier, listed, rules):
            area = change.key.partition("/")[0]
            is_news = change.judgement != "regression" or area in FOLLOW
            if is_news and not any(one.tells(change) for one in telling.get(target, ())):
                found.setdefault(target, []).append(change)
        return found

    def _digests(
        self,
        night: str,
        last: int,
        changes: Mapping[str, Sequence[Change]],
        notes: Sequence[Note],
        now: datetime,
    ) -> list[Told]:
        """One digest for all, and one for each set of targets that a recipient is limited to."""
        monitor = self._settings.monitor
        names = {one.name for one in monitor.targets}
        open_now = [
            one.target
            for one in self._history.incidents(open_only=True)
            if not one.private and one.waived_by is None and one.target in names
        ]
        scopes = {(): names} | {
            tuple(sorted(one.targets)): set(one.targets) for one in monitor.recipients if one.targets
        }
        made: list[Told] = []
        for scope, within in scopes.items():
            mine = {target: listed for target, listed in changes.items() if target in within}
            count = sum(target in within for target in open_now)
            about = [words for target, words in notes if not scope or target is None or target in within]
            message = news.digest(night, last, instant(now), mine, count, scope, about)
            if message is not None:
                told = self._settings.recipients(message, now)
                limited = {one.name for one in monitor.recipients if tuple(sorted(one.targets)) == scope}
                made.append((message, tuple(pair for pair in told if pair[0] in limited)))
        return made


@dataclass(frozen=True)
class _Telling:
    """What an incident tells of, and while it was open. An address whose host moved goes with its host."""

    began: str
    closed: str
    keys: frozenset[str]

    @classmethod
    def of(cls, incident: Incident) -> "_Telling":
        hosts = {key.partition("/")[2] for key in incident.keys if area_of(key) in HOSTS.values()}
        return cls(incident.began, incident.closed or _EVER, frozenset(hosts.union(incident.keys)))

    def tells(self, change: Change) -> bool:
        is_open = self.began <= change.after.started <= self.closed
        return is_open and (change.key in self.keys or change.key.partition("/")[2] in self.keys)


def task_of(target: Target, name: str, plan: LookPlan, slot: str, part: int, path: Path) -> Task:
    """The look whose run folder lies at this place."""
    run = RunFolder.open(path).run()
    began = datetime.fromisoformat(run.started)
    only = frozenset(run.probes) if part else None
    return Task(target, name, plan, Slot(slot, began, began), part, only)


def _probes_of(key: str) -> Iterable[str]:
    area, _, name = key.partition("/")
    if area == "finding":
        return (name,)
    return _PROBES_OF.get(area, ("capability_statement_served",))
