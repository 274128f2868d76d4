"""What every part of the command line says and reads in the same way."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import typer

from prober.clock import instant
from prober.mistake import Mistake

MOST_DAYS = 3_660


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


def day_of(option: str) -> Callable[[str], date]:
    """A parser of days. It raises Mistake for anything else."""

    def parsed(text: str) -> date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise Mistake(f"{option} {text}: give a day, for example 2026-01-31.") from None

    return parsed


def days_of(option: str, text: str) -> tuple[date, date]:
    """The first and the last day of `FROM..TO`. Raises Mistake."""
    first, _, last = text.partition("..")
    try:
        days = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        days = (date.max, date.min)
    if days[0] > days[1]:
        raise Mistake(f"{option} {text}: give the first and the last day, for example 2026-01-01..2026-03-31.")
    if days[1] - days[0] > timedelta(days=MOST_DAYS):
        raise Mistake(f"{option} {text}: give no more than ten years.")
    return days


def share_of(option: str, text: str) -> Fraction:
    """A share that is given in percent. Raises Mistake."""
    try:
        share = Fraction(Decimal(text)) / 100
    except (ArithmeticError, ValueError):
        share = Fraction(0)
    if not 0 < share <= 1 or len(text) > 12:
        raise Mistake(f"{option} {text}: give percent above 0 and up to 100, for example 99.9.")
    return share


def whole(option: str, least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers that says, in the words of this command line, what to write instead."""

    def parsed(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise Mistake(f"{option} {text}: give a whole number from {least} to {most}.")
        return number

    return parsed


def one_of(option: str, names: tuple[str, ...]) -> Callable[[str], str]:
    """A parser of one of these words. It raises Mistake for any other."""

    def parsed(text: str) -> str:
        if text not in names:
            raise Mistake(f"{option} {text}: give one of {', '.join(names)}.")
        return text

    return parsed
