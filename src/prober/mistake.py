"""The two kinds of words for what the user must mend; light, so that the command line loads nothing else for them."""


class Mistake(Exception):
    """A mistake in what the user gave: one sentence with file, line and remedy. The exit code is 2."""


class BadFolder(Mistake):
    """A run folder that cannot be used: one sentence with the file and the remedy."""
