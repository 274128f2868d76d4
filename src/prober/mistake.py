"""The two kinds of words for what the user must mend; light, so that the command line loads nothing else for them."""

from pathlib import Path


class Mistake(Exception):
    """A mistake in what the user gave: one sentence with file, line and remedy. The exit code is 2."""


class BadFolder(Mistake):
    """A run folder that cannot be used: one sentence with the file and the remedy."""


class Refused(Exception):
    """A bundle, a disclosure or a ledger is not what it says it is: one sentence that names the first thing wrong."""


def place_of(error: BaseException) -> str:
    """The type of an exception and where it was raised: its text may hold what a server sent, so it is never told."""
    trace, place = error.__traceback__, "an unknown place"
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"
