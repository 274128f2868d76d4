"""The rule book from the side of documents: what a document can decide, and what it must say for that."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from prober.documents.fitting import rule_of, text_of
from prober.nouns.model import Attested, Criterion, Gate, Level, MaturityModel, Rule


@dataclass(frozen=True)
class Asked:
    """A requirement (or a gate, which has no criterion and no level) and the documents that count for it."""

    id: str
    text: str
    wanted: tuple[Attested, ...]
    criterion: Criterion | None = None
    level: Level | None = None
    missing: str | None = None

    @property
    def why_no_document(self) -> str:
        """Why no document decides this, where none does."""
        if self.missing:
            return f"the rule book says what is missing: {self.missing.rstrip('.')}"
        return "what counts there is what is seen on the server"


@dataclass(frozen=True)
class Book:
    """A rule book as it reads in one country (None: not known)."""

    model: MaturityModel
    country: str | None = None

    @cached_property
    def asked(self) -> dict[str, Asked]:
        """Every requirement and gate by id, in the order of the rule book."""
        return {one.id: one for one in (*self._requirements(), *map(_of_gate, self.model.gates))}

    def near(self, id_: str) -> str | None:
        """The id that somebody may have meant."""
        return next(iter(difflib.get_close_matches(id_, self.asked, n=1)), None)

    def unknown(self, id_: str) -> str:
        """The sentence about an id that the rule book does not have."""
        near = self.near(id_)
        hint = f"did you mean {near}?" if near else "see `prober coverage`."
        return f"{self.model.id} {self.model.version} has no requirement and no gate called {id_}; {hint}"

    def _requirements(self) -> Iterator[Asked]:
        for criterion in self.model.criteria:
            for level, requirements in sorted(criterion.levels.items()):
                for one in requirements:
                    wanted = _documents(rule_of(one, self.country))
                    yield Asked(one.id, text_of(one, self.country), wanted, criterion, level, one.missing)


def _of_gate(gate: Gate) -> Asked:
    return Asked(gate.id, gate.text, _documents(gate.met_by), missing=gate.missing)


def _documents(rule: Rule | None) -> tuple[Attested, ...]:
    """Where a document counts: not where the rule takes nothing but what prober saw itself."""
    wanted = rule.documents() if rule is not None else ()
    return tuple(one for one in wanted if set(one.classes) != {"E4"})
