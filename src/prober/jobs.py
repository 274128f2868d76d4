"""The job journal: export jobs that a run started, kept outside the run folder until they are deleted."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prober.files import replace_file

if TYPE_CHECKING:
    from prober.session.network import Network

Say = Callable[[str], None]


def journal_folder() -> Path:
    """Where journals lie: below XDG_STATE_HOME, or ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "prober" / "jobs"


@dataclass(frozen=True)
class Surroundings:
    """What it takes to reach the server of a killed run again. It holds no secret."""

    base: str = ""
    hosts: tuple[str, ...] = ()
    """Hosts besides the base's own whose jobs this run was allowed to follow."""
    allow_http: bool = False
    resolve: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    token_mark: str | None = None
    """Tells, to whoever holds the token of that run, that it is the one; None: the run had no token."""


def token_mark(token: str, run_id: str) -> str:
    """A mark of this token that says nothing to anybody who does not hold it."""
    return hashlib.sha256(f"prober job journal\0{run_id}\0{token}".encode()).hexdigest()


class JobJournal:
    """The raw status URLs of one run's jobs, in a file that only its owner can read; gone when the last job is."""

    def __init__(self, run_id: str, folder: Path | None = None, surroundings: Surroundings = Surroundings()) -> None:
        self._path = (folder or journal_folder()) / f"{run_id}.json"
        self._surroundings = surroundings
        self._urls: list[str] = []

    def ready(self) -> bool:
        """True if a job could be remembered now: no job is started that a killed run would leave unknown."""
        trial = self._path.with_suffix(".trial")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(trial, os.O_WRONLY | os.O_CREAT, 0o600))
            trial.unlink()
        except OSError:
            return False
        return True

    def started(self, url: str) -> None:
        """Remember a job before anything else happens to it. OSError if that cannot be written."""
        self._urls.append(url)
        self._write()

    def ended(self, url: str) -> None:
        """Forget a job that is deleted."""
        if url in self._urls:
            self._urls.remove(url)
            self._write()

    def _write(self) -> None:
        if not self._urls:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        listed = json.dumps({**asdict(self._surroundings), "jobs": self._urls})
        replace_file(self._path, listed.encode("utf-8"), mode=0o600, lasting=False)


def left_behind(folder: Path | None = None) -> tuple[str, ...]:
    """The ids of the runs whose jobs were never deleted: they were killed, or the server refused."""
    place = folder or journal_folder()
    return tuple(sorted(path.stem for path in place.glob("*.json"))) if place.is_dir() else ()


async def delete_left_behind(
    contact: str | None,
    ca_file: str | None,
    token: str | None,
    say: Say,
    *,
    folder: Path | None = None,
    base: str | None = None,
) -> int:
    """Ask once, politely, for the deletion of every job in the journals; `say` gets a sentence for each.

    A job that is gone leaves its journal, and an empty journal is removed. What a run would not follow as the address
    of a job is not asked here either; with `base` only the jobs of runs against that one are looked at. The token goes
    only to the base of a run that had this very token, or, if all jobs lie on one server, to that server. Returns 0 if
    every job is gone, else 3.
    """
    place = folder or journal_folder()
    journals = {run_id: _read(place / f"{run_id}.json") for run_id in left_behind(place)}
    only_one = len({_origin(one.base) for one, _ in filter(None, journals.values())}) == 1
    gone = True
    for run_id, journal in journals.items():
        path = place / f"{run_id}.json"
        if journal is None:
            say(f"{path}: this journal cannot be read; delete its jobs by hand, then the file.")
            gone = False
            continue
        surroundings, urls = journal
        if base is not None and surroundings.base != base:
            continue
        known = token is not None and surroundings.token_mark == token_mark(token, run_id)
        bearer = token if known or only_one else None
        jobs, others = _sorted(surroundings, urls)
        if others:
            say(
                f"{path}: this journal names addresses that are no export jobs; nothing is sent there. Delete the file."
            )
        left = (*others, *await _delete(surroundings, jobs, bearer, contact=contact, ca_file=ca_file, say=say))
        gone = gone and not left
        rest = JobJournal(run_id, place, surroundings)
        for url in left:
            rest.started(url)
        if not left:
            path.unlink(missing_ok=True)
    return 0 if gone else 3


def _read(path: Path) -> tuple[Surroundings, tuple[str, ...]] | None:
    """A journal and its status URLs; None if the file is not what prober wrote."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        urls = tuple(str(url) for url in found.pop("jobs"))
        resolve = {str(name): tuple(map(str, listed)) for name, listed in found.pop("resolve").items()}
        hosts = tuple(map(str, found.pop("hosts", ())))
        return Surroundings(resolve=resolve, hosts=hosts, **found), urls
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _sorted(surroundings: Surroundings, urls: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The addresses of jobs, and those that a run would not have followed."""
    from prober.session.export_addresses import why_no_job

    refused = {url for url in urls if why_no_job(url, surroundings.base, surroundings.hosts) is not None}
    return tuple(url for url in urls if url not in refused), tuple(url for url in urls if url in refused)


async def _delete(
    surroundings: Surroundings,
    urls: tuple[str, ...],
    token: str | None,
    *,
    contact: str | None,
    ca_file: str | None,
    say: Say,
) -> tuple[str, ...]:
    """The URLs of the jobs that are still there afterwards."""
    from prober import __version__
    from prober.clock import SystemClock
    from prober.session.network import Network

    clock = SystemClock()
    try:
        network = Network(
            clock=clock,
            user_agent=f"prober/{__version__} (+{contact or 'contact not given; see --contact'})",
            ca_file=ca_file,
            resolve=surroundings.resolve,
            named_hosts=[urlsplit(surroundings.base).hostname or "", *surroundings.hosts],
            allow_http=surroundings.allow_http,
        )
    except (OSError, ValueError):
        say("--ca-file: this is not a file of PEM certificates.")
        return urls
    left: list[str] = []
    try:
        for number, url in enumerate(urls):
            if number:
                await clock.sleep(1)
            at_home = _origin(url) is not None and _origin(url) == _origin(surroundings.base)
            words = await _delete_one(network, url, token if at_home else None)
            host = urlsplit(url).netloc
            say(f"A job at {host} is deleted." if words is None else f"A job at {host} is still there: {words}")
            if words is not None:
                left.append(url)
    finally:
        await network.close()
    return tuple(left)


async def _delete_one(network: "Network", url: str, token: str | None) -> str | None:
    """None if the job is gone, else a sentence about why it is not."""
    from prober.session.live import GONE
    from prober.session.network import Limits, NetworkFailure, WireRequest

    bearer = (("Authorization", f"Bearer {token}"),) if token is not None else ()
    request = WireRequest("DELETE", url, (("Accept", "application/fhir+json"), *bearer))
    try:
        answer = await network.send(request, Limits(total_seconds=30))
    except NetworkFailure as failure:
        return failure.message
    if answer.status in GONE:
        return None
    hint = "; give its token with --bearer-env" if answer.status in (401, 403) and token is None else ""
    return f"the server answered with status {answer.status}{hint}."


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    with suppress(ValueError):
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    return None
