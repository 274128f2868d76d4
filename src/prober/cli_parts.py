"""What every part of the command line says and reads in the same way."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import typer

from prober.clock import instant
from prober.mistake import Mistake


def say(text: object) -> None:
    """Print to stdout. A reader that went away (`| head`) changes neither what is done nor the exit code."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        # Nothing may be left for the interpreter to flush into the closed pipe when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def complain(text: str) -> None:
    """Print to stderr, as prober."""
    typer.echo(f"prober: {text}", err=True)


def say_of_strangers(text: object) -> None:
    """Print one line that may hold words of a file that somebody else wrote: nothing in it moves the cursor."""
    from prober.render.visible import visible

    say(visible(str(text)))


def moment_of(text: str) -> datetime:
    """The instant that --as-of gives, in UTC. Raises Mistake."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Mistake(f"--as-of {text}: give an instant with its time zone, for example 2026-12-31T00:00:00Z.")
    return moment.astimezone(UTC)


def instant_of(text: str) -> str:
    """The same in the one form in which prober writes a time."""
    return instant(moment_of(text))


def one_of(option: str, names: tuple[str, ...]) -> Callable[[str], str]:
    """A parser of one of these words. It raises Mistake for any other."""

    def parsed(text: str) -> str:
        if text not in names:
            raise Mistake(f"{option} {text}: give one of {', '.join(names)}.")
        return text

    return parsed
