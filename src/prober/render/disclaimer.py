"""The words that keep a report from being taken for more than it is, put where they are needed."""

import re

PROPOSAL = "the Stage 8 that the blog Nonstop Interop proposed in 2022; HIMSS has not proposed, reviewed or endorsed it"
DISCLAIMER = (
    f"Stage 8 in this report is {PROPOSAL}. Nothing here is a certificate or an ONC certification, "
    "and the levels, weights and thresholds are this project's own."
)
"""Stands in every block that could be read as an official judgement."""

_CLAIMING = re.compile(
    r"\b(?:HIMSS|Stage\s*8|met|certified|compliant|(?:meets|exceeds)\s+the\s+proposal['\u2019]s\s+criteria)\b",
    re.IGNORECASE,
)


def claims(text: str) -> bool:
    """True if a text, whoever wrote it, holds a word that must not stand without the disclaimer."""
    return _CLAIMING.search(text) is not None


def disclaimed(text: str) -> bool:
    """True if the text names the proposal as what it is. Line breaks do not matter."""
    return PROPOSAL in " ".join(text.split())
