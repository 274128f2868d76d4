"""The two kinds of words for what the user must mend; light, so that the command line loads nothing else for them."""


class Mistake(Exception):
    """A mistake in what the user gave: one sentence with file, line and remedy. The exit code is 2."""


class BadFolder(Mistake):
    """A run folder that cannot be used: one sentence with the file and the remedy."""


class Refused(Exception):
    """A bundle, a disclosure or a ledger is not what it says it is: one sentence that names the first thing wrong."""
