"""monitor.yaml, read and checked: everything that a round needs to know before it asks anybody."""

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from prober.attest.reading import load_attestations
from prober.clock import instant
from prober.diff import FAMILIES
from prober.handwriting import line_of, load_yaml
from prober.history.store import History, HistoryLost, sqlite_url
from prober.library import LoadedProbe, load_model, load_probes, load_provider, shipped_models
from prober.mistake import Mistake
from prober.monitor.consider import OWN
from prober.monitor.control import control_address
from prober.monitor.slots import quiet_until
from prober.monitor.tell import Secrets, check_recipients
from prober.monitor.tell.beat import check_heartbeat
from prober.nouns.bundle import Waiver, WaiverFile
from prober.nouns.incident import Message
from prober.nouns.model import MaturityModel
from prober.nouns.monitor import LookPlan, Monitor, Recipient, Target
from prober.nouns.run import PERMITS, Permit
from prober.permission import checked_base, checked_proxy
from prober.pipeline import Options

DATABASE, LOCK, RUNS, FEED, METRICS = "history.db", "monitor.lock", "runs", "feed.atom", "prober.prom"
_USUAL: frozenset[Permit] = frozenset({"active", "credentials", "patient_data"})
"""What a look may do whose plan names no permits: it starts no job and writes nothing."""

_OPTIONS = {
    "--allow-http": "`allow_http: true`",
    "--bearer-env": "`bearer`",
    "--ca-file": "`ca_file`",
    "--proxy": "`proxy`",
}
"""What the words for a single run call by its option, and this file by its name."""


@dataclass(frozen=True)
class Settings:
    """A monitoring configuration whose files were read and found right."""

    monitor: Monitor
    path: Path
    zone: ZoneInfo
    probes: Mapping[str, LoadedProbe] = field(repr=False)
    model: MaturityModel | None = field(repr=False)
    waivers: Mapping[str, tuple[Waiver, ...]] = field(repr=False)

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.path.parent / self.monitor.state

    def plans_of(self, target: Target) -> Mapping[str, LookPlan]:
        """The kinds of look that a target gets."""
        return {name: plan for name, plan in self.monitor.looks.items() if target.looks is None or name in target.looks}

    def options(self, target: Target, plan: LookPlan, only: frozenset[str] | None, today: date) -> Options:
        """What a look at this target may ask. Raises Mistake; only probes named in `only` run where it is given."""
        check_base = partial(checked_base, allow_http=target.allow_http)
        provider = load_provider(self._beside(target.provider), check_base) if target.provider else None
        attested = (
            load_attestations(self._beside(target.attestations), self.model, provider, today=today)
            if target.attestations and self.model is not None
            else ()
        )
        wanted = _USUAL if plan.permits is None else frozenset[Permit](plan.permits)
        chosen = only if only is not None else frozenset(plan.probes) if plan.probes is not None else None
        return Options(
            target=target.base,
            provider=provider,
            attestations=attested,
            authorization=self._beside(target.authorization) if target.authorization else None,
            authorized_by=target.authorized_by,
            sandbox=target.sandbox,
            permits=tuple(plan.permits or ()) if "writes" in wanted else (),
            without=frozenset(PERMITS) - wanted,
            depth=plan.depth,
            budget=plan.budget,
            bearer_env=target.bearer.removeprefix("env:") if target.bearer else None,
            ca_file=self._beside(target.ca_file) if target.ca_file else None,
            proxy=checked_proxy(target.proxy) if target.proxy else None,
            resolve=self._beside(target.resolve) if target.resolve else None,
            model=self._beside(self.monitor.model) if self.monitor.model else None,
            allow_http=target.allow_http,
            contact=self.monitor.contact,
            only=chosen,
        )

    def history(self, *, check: bool = False, rebuilding: bool = False) -> History:
        """The history, opened. Raises Mistake where it cannot be."""
        if self.monitor.database is not None:
            name = self.monitor.database.removeprefix("env:")
            url, shown = secret(self.monitor.database), f"The database of {name}"
            return History.open(url, shown=shown, check=check, rebuilding=rebuilding)
        try:
            self.state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Mistake(f"{self.state}: the state folder cannot be made ({error.strerror}).") from error
        path = self.state / DATABASE
        _check_file(path, self.state / RUNS)
        return History.open(sqlite_url(path), shown=str(path), check=check, rebuilding=rebuilding)

    def read_history(self) -> History:
        """The history, opened to be read: nothing is made, written or locked. Raises Mistake where there is none."""
        if self.monitor.database is not None:
            name = self.monitor.database.removeprefix("env:")
            return History.read(secret(self.monitor.database), shown=f"The database of {name}")
        path = self.state / DATABASE
        return History.read(sqlite_url(path), shown=str(path))

    def recipients(self, message: Message, now: datetime) -> tuple[tuple[str, str], ...]:
        """Who is told this message, each with the instant from which on: a gate at once, others after quiet hours."""
        return self.addressed(message, (one.name for one in self.monitor.recipients if _is_told(one, message)), now)

    def addressed(self, message: Message, names: Iterable[str], now: datetime) -> tuple[tuple[str, str], ...]:
        """The same for recipients that are named: those of them that may be told it."""
        due = instant((self.quiet_until(now) if message.kind != "gate" else None) or now)
        may = {one.name for one in self.monitor.recipients if one.private or not message.private}
        return tuple((name, due) for name in names if name in may)

    def quiet_until(self, now: datetime) -> datetime | None:
        """When the quiet hours end in which this instant lies; None outside of them."""
        return quiet_until(self.monitor.alerts.quiet, self.zone, now)

    def _beside(self, name: str) -> Path:
        return self.path.parent / name


def load_settings(path: Path, today: date) -> Settings:
    """Read monitor.yaml and what it names. Raises Mistake naming file, line and remedy."""
    monitor = load_yaml(path, Monitor, form=True)
    probes = load_probes()
    try:
        zone = ZoneInfo(monitor.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Mistake(
            f"{path}:{line_of(path, 'time_zone')}: {monitor.time_zone!r} is no time zone; write an IANA name such as "
            "America/Chicago."
        ) from error
    _check_names(path, monitor, probes)
    try:
        book = load_model(path.parent / monitor.model if monitor.model else shipped_models()[1])
    except Mistake as mistake:
        raise Mistake(f"{path}:{line_of(path, 'model')}: {mistake}") from mistake
    waivers: dict[str, tuple[Waiver, ...]] = {}
    settings = Settings(monitor, path, zone, probes, book if isinstance(book, MaturityModel) else None, waivers)
    for number, target in enumerate(monitor.targets):
        try:
            checked_base(target.base, allow_http=target.allow_http)
            for name in (target.authorization, target.ca_file, target.resolve):
                if name is not None and not (path.parent / name).is_file():
                    raise Mistake(f"{path.parent / name}: there is no such file; check the path.")
            if target.waivers:
                waivers[target.name] = _waivers(path.parent / target.waivers, probes, settings.model)
            for plan in settings.plans_of(target).values():
                settings.options(target, plan, None, today)
        except Mistake as mistake:
            words = by_members(str(mistake))
            raise Mistake(f"{path}:{line_of(path, 'targets', number)}: target {target.name}: {words}") from mistake
    return settings


def by_members(words: str) -> str:
    """The words for a single run, with what the configuration calls the same in place of its options."""
    for option, member in _OPTIONS.items():
        words = words.replace(option, member)
    return words


def _waivers(path: Path, probes: Mapping[str, LoadedProbe], model: MaturityModel | None) -> tuple[Waiver, ...]:
    """waivers.yaml. Raises Mistake for a waiver about nothing: nobody would notice that it silences nothing."""
    found = load_yaml(path, WaiverFile).waivers
    known = set(probes)
    if model is not None:
        known.update([one.id for one in model.criteria], [one.id for one in model.gates])
    for number, one in enumerate(found):
        area, slash, _ = one.about.partition("/")
        if one.about in known or (slash and area in {*FAMILIES, *OWN}) or one.about in OWN:
            continue
        near = difflib.get_close_matches(one.about, sorted(known), n=1)
        hint = f"did you mean {near[0]}?" if near else "name a probe, a criterion, a gate, or the key of a fact."
        raise Mistake(f"{path}:{line_of(path, 'waivers', number)}: there is no {one.about!r} to waive; {hint}")
    return found


def secret(reference: str) -> str:
    """What `env:NAME` names. Raises Mistake where it is not set; its value is never repeated."""
    name = reference.removeprefix("env:")
    value = os.environ.get(name, "").strip()
    if not value:
        raise Mistake(f"{name}: no environment variable of this name is set, and the monitor needs what it holds.")
    return value


def check_ways(settings: Settings, secrets: Secrets) -> None:
    """Raise Mistake, with file and line, for the first way of telling somebody that cannot be gone."""
    path, monitor = settings.path, settings.monitor
    for number, one in enumerate(monitor.recipients):
        try:
            check_recipients([one], monitor.mail, secrets)
        except Mistake as mistake:
            raise Mistake(f"{path}:{line_of(path, 'recipients', number)}: {mistake}") from mistake
    try:
        check_heartbeat(monitor.heartbeat, secrets)
    except Mistake as mistake:
        raise Mistake(f"{path}:{line_of(path, 'heartbeat')}: {mistake}") from mistake


def _check_file(path: Path, runs: Path) -> None:
    """Refuse as the history what SQLite would take for one and should not."""
    if path.is_symlink():
        raise HistoryLost(
            f"{path}: this is a link, and the lock of this folder would not guard what it leads to; "
            "name the folder of the history itself as `state`."
        )
    if path.is_dir():
        raise HistoryLost(f"{path}: this is a folder, and the history is a file; move the folder away.")
    if path.is_file() and path.stat().st_size == 0 and runs.is_dir():
        # SQLite would begin a new history here, as if there had never been a night.
        raise HistoryLost(
            f"{path}: this file is empty, and there are run folders beside it: the history was lost. Remove it and "
            "make it anew from the run folders with `prober history --rebuild`."
        )


def host_of(base: str) -> str:
    """What is asked at one pace: the host of a base."""
    return urlsplit(base).hostname or ""


def _check_names(path: Path, monitor: Monitor, probes: Mapping[str, LoadedProbe]) -> None:
    def refuse(place: tuple[str | int, ...], words: str) -> None:
        raise Mistake(f"{path}:{line_of(path, *place)}: {words}")

    names = [one.name for one in monitor.targets]
    known = set(names)
    taken: dict[str, str] = {}
    for number, target in enumerate(monitor.targets):
        place = ("targets", number)
        if names.count(target.name) > 1:
            refuse(place, f"two targets are called {target.name}; give each a name of its own.")
        for old in target.was:
            if old in known:
                refuse(place, f"`was` names {old}, which is the name of a target here; remove it.")
            if taken.setdefault(old, target.name) != target.name:
                refuse(place, f"{target.name} and {taken[old]} cannot both have been {old}; correct `was`.")
        for plan in target.looks or ():
            if plan not in monitor.looks:
                refuse(place, f"there is no kind of look called {plan}; name one of {', '.join(monitor.looks)}.")
    for name, one in monitor.looks.items():
        for probe in one.probes or ():
            if probe not in probes:
                refuse(("looks", name), f"there is no probe called {probe}; see `prober list`.")
    for kind in ("maintenance", "recipients"):
        listed: Sequence[Any] = getattr(monitor, kind)
        for number, one in enumerate(listed):
            for target_name in one.targets:
                if target_name not in known:
                    refuse((kind, number), f"there is no target called {target_name}.")
    if len({one.name for one in monitor.recipients}) < len(monitor.recipients):
        refuse(("recipients",), "two recipients have the same name; give each a name of its own.")
    if monitor.mail is None and any(one.mail for one in monitor.recipients):
        refuse(("recipients",), "a recipient has a mail address, but `mail` names no server to send by.")
    for number, window in enumerate(monitor.maintenance):
        for text in (window.begins, window.ends, window.announced):
            if text is not None and not _is_instant(text):
                refuse(("maintenance", number), f"{text!r} is no instant; write it as 2026-12-31T00:00:00Z.")
        if window.begins and window.ends:
            begins, ends = (datetime.fromisoformat(one) for one in (window.begins, window.ends))
            if begins >= ends:
                refuse(("maintenance", number), "this window ends before it begins; correct `begins` or `ends`.")
    if monitor.control is not None:
        try:
            control_address(monitor.control)
        except Mistake as mistake:
            refuse(("control",), str(mistake))


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_told(one: Recipient, message: Message) -> bool:
    if message.private and not one.private:
        return False
    if one.targets and message.target is not None and message.target not in one.targets:
        return False
    # A gate is told to whoever is told of incidents, unless it is private.
    as_gate = message.kind == "gate" and (one.private or "opened" in one.kinds)
    return message.kind in one.kinds or as_gate
