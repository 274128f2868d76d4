"""The job journal: export jobs that a run started, kept outside the run folder until they are deleted."""

import json
import os
from pathlib import Path


def journal_folder() -> Path:
    """Where journals lie: below XDG_STATE_HOME, or ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "prober" / "jobs"


class JobJournal:
    """The raw status URLs of one run's jobs, in a file that only its owner can read; gone when the last job is."""

    def __init__(self, run_id: str, folder: Path | None = None) -> None:
        self._path = (folder or journal_folder()) / f"{run_id}.json"
        self._urls: list[str] = []

    def started(self, url: str) -> None:
        """Remember a job before anything else happens to it."""
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
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(self._urls, file)


def left_behind(folder: Path | None = None) -> tuple[str, ...]:
    """The ids of the runs whose jobs were never deleted: they were killed."""
    place = folder or journal_folder()
    return tuple(sorted(path.stem for path in place.glob("*.json"))) if place.is_dir() else ()
