"""The coverage ledger: the probes that decide a requirement, the document that would, or what is missing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from prober.nouns.model import Availability, CapabilityProfile, Gate, MaturityModel, Requirement, Rule

How = Literal["probed", "attested", "gap"]


@dataclass(frozen=True)
class Row:
    """One requirement and what stands behind it.

    `by` holds probe ids and the documents that count beside them (probed), the document and the catalogue entry that
    will decide it as well (attested), or what is missing and the catalogue entry that it waits for (gap).
    """

    block: str
    criterion: str
    level: int
    requirement: str
    how: How
    by: tuple[str, ...]


@dataclass(frozen=True)
class Tally:
    """How many requirements of one block are probed, attested, or a gap."""

    block: str
    probed: int
    attested: int
    gap: int

    @property
    def total(self) -> int:
        """All requirements of the block."""
        return self.probed + self.attested + self.gap


def ledger(model: MaturityModel, probes: Iterable[str]) -> tuple[Row, ...]:
    """One row per requirement, in the order of the model. `probes` are the ids (or the sheets by id) of all probes.

    ValueError if a requirement or a gate names a probe that is not among them.
    """
    known = frozenset(probes)
    for owner, rule in _rules(model):
        lost = sorted(rule.probes() - known)
        if lost:
            raise ValueError(f"{owner} of the model {model.id} names the probe {lost[0]}, and there is no such probe.")
    return tuple(
        Row(criterion.block, criterion.id, level, requirement.id, requirement.how, _by(requirement))
        for criterion in model.criteria
        for level, requirements in sorted(criterion.levels.items())
        for requirement in requirements
    )


def summary(rows: Iterable[Row]) -> tuple[Tally, ...]:
    """The tally of each block, in the order in which the blocks first come."""
    ways: dict[str, list[How]] = {}
    for row in rows:
        ways.setdefault(row.block, []).append(row.how)
    return tuple(
        Tally(block, how.count("probed"), how.count("attested"), how.count("gap")) for block, how in ways.items()
    )


def unplaced(model: MaturityModel | CapabilityProfile, probes: Iterable[str]) -> tuple[str, ...]:
    """The ids of the probes that the model never names, sorted."""
    if isinstance(model, CapabilityProfile):
        named = {probe for family in model.families for probe in family.probes}
    else:
        named = {probe for _, rule in _rules(model) for probe in rule.probes()}
    return tuple(sorted(set(probes) - named))


def as_text(rows: Sequence[Row]) -> str:
    """The ledger for a terminal: one line per requirement, then the tallies."""
    width = max((len(row.requirement) for row in rows), default=0)
    lines = [f"{row.requirement:<{width}}  {row.how:<8}  {'; '.join(row.by)}" for row in rows]
    table = [("Block", "Probed", "Attested", "Gap", "All"), *_tallies(rows)]
    sums = [f"{block:<8}" + "".join(f"{cell:>10}" for cell in cells) for block, *cells in table]
    return "\n".join([*lines, "", *sums]) + "\n"


def as_markdown(rows: Sequence[Row]) -> str:
    """The tallies and the ledger as two Markdown tables."""
    tallies = _table(("Block", "Probed", "Attested", "Gap", "All"), _tallies(rows))
    lines = _table(("Requirement", "How", "By"), ((row.requirement, row.how, "; ".join(row.by)) for row in rows))
    return f"{tallies}\n{lines}"


def as_page(model: MaturityModel, probes: Iterable[str]) -> str:
    """The whole document: disclaimer, tallies, ledger, gates, and the probes that the model never names."""
    known = tuple(probes)
    gates = _table(("Gate", "Caps at", "By"), ((gate.id, gate.cap, "; ".join(_gate_by(gate))) for gate in model.gates))
    spare = ", ".join(unplaced(model, known)) or "none"
    parts = (
        f"# Coverage: {model.title}\n",
        f"{model.disclaimer.strip()}\n",
        f"Model {model.id}, version {model.version}. Each requirement is *probed* (probes decide it), *attested* (a "
        "document would decide it) or a *gap* (nothing decides it yet, and it stays unknown).\n",
        as_markdown(ledger(model, known)),
        "## Gates\n",
        gates,
        f"Probes that no requirement and no gate names: {spare}.\n",
    )
    return "\n".join(parts)


def _rules(model: MaturityModel) -> Iterator[tuple[str, Rule]]:
    for criterion in model.criteria:
        for requirements in criterion.levels.values():
            for one in requirements:
                here = (one.met_by, one.elsewhere.met_by if one.elsewhere is not None else None)
                yield from ((one.id, rule) for rule in here if rule is not None)
    yield from ((gate.id, gate.met_by) for gate in model.gates if gate.met_by is not None)


def _by(requirement: Requirement) -> tuple[str, ...]:
    missing = (requirement.missing.rstrip("."),) if requirement.missing else ()
    waits = (f"waits for {requirement.waits_for}",) if requirement.waits_for else ()
    if requirement.how == "gap":
        return (*missing, *waits)
    if requirement.how == "attested":
        later = (f"later also {requirement.waits_for}",) if requirement.waits_for else ()
        return (*missing, *later)
    return _leaves(requirement.met_by) if requirement.met_by is not None else ()


def _gate_by(gate: Gate) -> tuple[str, ...]:
    seen = _leaves(gate.met_by) if gate.met_by is not None else ()
    return (*seen, f"missing: {gate.missing}") if gate.missing else seen


def _leaves(rule: Rule) -> tuple[str, ...]:
    probes = tuple(sorted(rule.probes()))
    kinds = ("availability" if isinstance(one, Availability) else "latency" for one in rule.polled())
    series = tuple(f"history: {kind}" for kind in dict.fromkeys(kinds))
    return probes + series + tuple(f"document: {one.rstrip('.')}" for one in _documents(rule))


def _documents(rule: Rule) -> Iterator[str]:
    if rule.attested is not None:
        yield rule.attested.document
    for inner in (*(rule.all or ()), *(rule.any or ())):
        yield from _documents(inner)


def _tallies(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    tallies = summary(rows)
    every = Tally(
        "All", sum(one.probed for one in tallies), sum(one.attested for one in tallies), sum(one.gap for one in tallies)
    )
    return [(one.block, str(one.probed), str(one.attested), str(one.gap), str(one.total)) for one in (*tallies, every)]


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    body = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in (head, *lines))
    first, *rest = body
    return "\n".join([first, "|" + " --- |" * len(head), *rest]) + "\n"
