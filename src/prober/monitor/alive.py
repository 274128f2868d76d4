"""`python -m prober.monitor.alive FILE SECONDS`: ends with 0 if the heartbeat file is no older than that, else with 1.

For the health check of a container, which has no other way to ask. It loads next to nothing.
"""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

from prober.clock import Clock, SystemClock

_LARGEST = 4_096
_AHEAD = timedelta(minutes=5)
"""A clock that was set back is no proof of life, but seconds between two machines are none of death."""


def alive(path: Path, seconds: int, clock: Clock) -> str | None:
    """None if the heartbeat file was written no more than so many seconds ago; else one sentence that says why not."""
    try:
        with path.open("rb") as file:
            read = json.loads(file.read(_LARGEST))
        at = datetime.fromisoformat(read["at"])
        age = clock.utc() - at
    except OSError as error:
        return f"{path}: the heartbeat file cannot be read ({error.strerror})."
    except (ValueError, TypeError, KeyError):
        return f"{path}: this is no heartbeat file of prober."
    if age > timedelta(seconds=seconds):
        return f"{path}: the last heartbeat was {int(age.total_seconds())} seconds ago, and {seconds} are allowed."
    if age < -_AHEAD:
        return f"{path}: the last heartbeat lies in the future, so the clock was set back."
    return None


def main(arguments: list[str]) -> int:
    """The exit code; what is wrong is printed to stderr."""
    if len(arguments) != 2 or not arguments[1].isascii() or not arguments[1].isdigit():
        print("Give the heartbeat file and a number of seconds.", file=sys.stderr)
        return 2
    why = alive(Path(arguments[0]), int(arguments[1]), SystemClock())
    if why is not None:
        print(why, file=sys.stderr)
    return 0 if why is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
