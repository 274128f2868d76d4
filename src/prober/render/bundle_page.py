"""README.html of a bundle: what lies in it, what was found, what was not done, and how to check it without prober."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from prober.nouns.bundle import BundleFacts, SealedRun
from prober.nouns.run import PlannedObservation, Run
from prober.nouns.scorecard import Scorecard
from prober.render import words
from prober.render.disclaimer import DISCLAIMER
from prober.render.html import Part, assembled, filled, needs_disclaimer, rendered

WHAT = Part("what", "What this is", "What this is", "bundle_what.html")
CHECK = Part("check", "Check it", "How to check it without prober", "bundle_check.html")
FOUND = Part("found", "What was found", "What was found", "bundle_found.html")
NOT_DONE = Part("not-done", "Not done", "What was not done, and why", "bundle_not_done.html")
AROUND = Part("around", "Circumstances", "The circumstances", "bundle_around.html")
PROVES = Part("proves", "What it proves", "What this proves, and what it does not", "bundle_proves.html")
FILES = Part("files", "Files", "What lies where", "bundle_files.html")
PARTS = (WHAT, CHECK, FOUND, NOT_DONE, AROUND, PROVES, FILES)
FOOTER = (
    "Nothing here is a certificate. Made by prober out of the files of this bundle; the same files give the same page, "
    "and `prober verify` refuses a bundle whose page says otherwise."
)
ROLES = {
    "provider": "the provider that is looked at",
    "vendor": "the vendor of the software that is looked at",
    "independent": "somebody who is neither the provider nor its vendor",
    "not_stated": "not stated",
}
CONTENTS = {
    "synthetic": "The data of the server were declared synthetic. Whole bodies are kept, secrets aside.",
    "public": "Only public discovery documents were asked for. What else came along was redacted before it was stored.",
    "real": "These are answers about real people, redacted before they were stored. Hashes in this bundle were made "
    "under keys that are not in it, but they stand for patient data: treat the whole bundle as patient data.",
}


@dataclass(frozen=True)
class Shown:
    """What the page shows beside the facts of the bundle, read from its files."""

    runs: Mapping[str, Run]
    addresses: Mapping[str, Sequence[str]]
    """The addresses that answered, by run."""
    card: Scorecard
    counted: Mapping[str, tuple[int, int]]
    """By run: which one it is of how many that were begun in the last 90 days or since the period's first day."""
    answers: bytes
    """known-answers.json."""


@dataclass(frozen=True)
class NotDone:
    """Observations that were planned and not made, for one reason."""

    run: str
    why: str
    observations: tuple[PlannedObservation, ...]


class BundleView:
    """The words of the page."""

    def __init__(self, facts: BundleFacts, shown: Shown, files: Mapping[str, bytes]) -> None:
        self.facts = facts
        self.shown = shown
        self.card = shown.card
        self.roles, self.contents = ROLES, CONTENTS
        self.altered = tuple(one for one in facts.models if not one.released)
        self.several = len(facts.runs) > 1
        self.count, self.size = len(files), sum(map(len, files.values()))
        self.folders = _folders(files)
        told = json.loads(shown.answers)
        self.caught = sum(1 for row in told["rows"] if row["caught"])
        self.planted = len(told["rows"])

    def place(self, one: SealedRun) -> str:
        """Which run it is, as far as the ledger tells."""
        if one.id not in self.shown.counted:
            return "It is in no ledger that the sealer had, so how many other runs there were is not shown."
        place, of = self.shown.counted[one.id]
        since = f"since {self.facts.period.first}" if self.facts.period else "in the 90 days before it began"
        return f"Run {place} of {of} against this base {since}, by the sealer's ledger."

    def ending(self, one: SealedRun) -> str:
        """How the run ended, in words."""
        return words.ending(self.shown.runs[one.id])

    @property
    def rated(self) -> tuple[Run, ...]:
        return tuple(self.shown.runs[id_] for id_ in self.facts.rated)

    @property
    def not_done(self) -> tuple[NotDone, ...]:
        """What was planned and not done, by run and reason; only of the runs that the scorecard rests on."""
        found: dict[tuple[str, str], list[PlannedObservation]] = {}
        for run in self.rated:
            not_begun = run.done.not_begun if run.done else ()
            for one in run.plan.observations:
                if not one.granted or one.observation in not_begun:
                    found.setdefault((run.id, words.MEANING[one.refused_because or "deadline"]), []).append(one)
        return tuple(NotDone(run, why, tuple(many)) for (run, why), many in found.items())

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(sorted({urlsplit(one.subject).netloc for one in self.facts.runs}))


def readme(facts: BundleFacts, shown: Shown, files: Mapping[str, bytes]) -> str:
    """The page, the same bytes for the same bundle; `files` are its payload by name."""
    view = BundleView(facts, shown, files)
    head = rendered("bundle_head.html", view=view, disclaimer=DISCLAIMER)
    sections = [filled(part, view=view, disclaimer=DISCLAIMER) for part in PARTS]
    return assembled("Evidence bundle", "bundle", head, sections, FOOTER)


def _folders(files: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """The folders below data/ and how many files lie in each."""
    found: dict[str, int] = {}
    for name in files:
        folder = name.rpartition("/")[0]
        if folder:
            found[folder] = found.get(folder, 0) + 1
    return tuple(sorted(found.items()))


__all__ = ["Shown", "needs_disclaimer", "readme"]
