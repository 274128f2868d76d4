"""What is wrong with a model as a whole: what each of its parts by itself cannot tell. Pure functions."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pydantic import TypeAdapter, ValidationError

from prober.documents.freshness import ROW, SEEN, SERIES
from prober.documents.shapes import GIVEN
from prober.nouns.model import (
    Availability,
    CapabilityProfile,
    Condition,
    Criterion,
    Label,
    Latency,
    MaturityModel,
    Requirement,
    Rule,
)
from prober.nouns.provider import Provider, ProviderFacts
from prober.polls import figures

Place = tuple[str | int, ...]
"""Where in the file: names of mappings and numbers of list items, as `prober.handwriting.parse` counts them."""

WHOLE = 100
FACTS = frozenset(Provider.model_fields) & frozenset(ProviderFacts.model_fields) - {"schema_"}
"""The facts of a provider file that a run keeps, so that whether a criterion applies can rest on them."""
OWN_LAST_DAY = ROW["certificate"]
"""The row that needs no bounds: a certificate counts through its own last day."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, or worth a remark: where it stands, and a sentence with the remedy."""

    place: Place
    sentence: str


def faults(model: MaturityModel | CapabilityProfile, probes: Iterable[str]) -> tuple[Fault, ...]:
    """Everything that is wrong with a model, in the order of its parts. `probes` are the ids of all probes."""
    known = frozenset(probes)
    found = _profile_faults(model, known) if isinstance(model, CapabilityProfile) else _book_faults(model, known)
    return tuple(dict.fromkeys(found))


def remarks(model: MaturityModel | CapabilityProfile) -> tuple[Fault, ...]:
    """What is not wrong, but what the author of a model may not have meant."""
    return () if isinstance(model, CapabilityProfile) else tuple(_book_remarks(model))


def _profile_faults(model: CapabilityProfile, known: frozenset[str]) -> Iterator[Fault]:
    yield from _twice(((("families", number, "id"), one.id) for number, one in enumerate(model.families)), "id")
    met: set[str] = set()
    for number, family in enumerate(model.families):
        for index, probe in enumerate(family.probes):
            place = ("families", number, "probes", index)
            if probe in met:
                yield Fault(place, f"the probe {probe} stands in two places; keep one of them.")
            met.add(probe)
            if probe not in known:
                yield _no_probe(place, probe, known)


def _book_faults(model: MaturityModel, known: frozenset[str]) -> Iterator[Fault]:
    yield from _blocks(model)
    yield from _ids(model)
    for number, criterion in enumerate(model.criteria):
        yield from _criterion(model, criterion, ("criteria", number), known)
    labels = [one.name for one in model.labels]
    for number, gate in enumerate(model.gates):
        place: Place = ("gates", number)
        if gate.met_by is not None:
            yield from _rule(gate.met_by, (*place, "met_by"), gate.id, known)
            if gate.met_by.polled():
                yield Fault(
                    (*place, "met_by"),
                    f"{gate.id} rests on polls, and a gate is what each run sees by itself; let it name probes.",
                )
        if labels and gate.cap not in labels:
            near = _near(gate.cap, labels, "name one of `labels`.")
            yield Fault((*place, "cap"), f"{gate.id} caps at {gate.cap}, which is no label; {near}")
    yield from _workflows(model)
    yield from _rows(model)
    yield from _labels(model)


def _blocks(model: MaturityModel) -> Iterator[Fault]:
    total = sum(one.weight for one in model.blocks)
    if total != WHOLE:
        yield Fault(("blocks",), f"the weights of the blocks sum to {total}; let them sum to {WHOLE}.")


def _ids(model: MaturityModel) -> Iterator[Fault]:
    yield from _twice(((("blocks", number, "id"), one.id) for number, one in enumerate(model.blocks)), "id")
    yield from _twice(((("criteria", number, "id"), one.id) for number, one in enumerate(model.criteria)), "id")
    yield from _twice((((*place, "id"), asked.id) for place, _, _, asked in requirements(model)), "id")
    yield from _twice(((("gates", number, "id"), one.id) for number, one in enumerate(model.gates)), "id")
    yield from _twice(((("workflows", number, "id"), one.id) for number, one in enumerate(model.workflows)), "id")
    yield from _twice(((("labels", number, "name"), one.name) for number, one in enumerate(model.labels)), "label")


def requirements(model: MaturityModel) -> Iterator[tuple[Place, Criterion, int, Requirement]]:
    """Every requirement with its place, its criterion and its level."""
    for number, criterion in enumerate(model.criteria):
        for level, members in criterion.levels.items():
            for index, asked in enumerate(members):
                yield ("criteria", number, "levels", str(level), index), criterion, level, asked


def _criterion(model: MaturityModel, one: Criterion, place: Place, known: frozenset[str]) -> Iterator[Fault]:
    blocks = [block.id for block in model.blocks]
    if one.block not in blocks:
        yield Fault((*place, "block"), f"{one.id} lies in the block {one.block}, which `blocks` does not list.")
    standing = [name for name in ("core", "extension", "precondition") if dict(one)[name]]
    if len(standing) > 1:
        yield Fault(
            (*place, standing[1]),
            f"{one.id} is {' and '.join(standing)} at once; let it be one of them at most.",
        )
    yield from _applicability(one, place)
    yield from _facets(one, place)
    for index, row in enumerate(one.freshness):
        if model.freshness and row not in model.freshness and row != OWN_LAST_DAY:
            near = _near(row, model.freshness, "add the row, or name another.")
            yield Fault(
                (*place, "freshness", index),
                f"{one.id} names the freshness row {row}, which the table `freshness` lacks; {near}",
            )
    for level, members in one.levels.items():
        for index, asked in enumerate(members):
            yield from _requirement(one, level, asked, (*place, "levels", str(level), index), known)


def _requirement(
    criterion: Criterion, level: int, asked: Requirement, place: Place, known: frozenset[str]
) -> Iterator[Fault]:
    if not asked.id.startswith(f"{criterion.id}/L{level}/"):
        yield Fault(
            (*place, "id"),
            f"{asked.id} stands at level {level} of {criterion.id}; let its id begin with {criterion.id}/L{level}/.",
        )
    if asked.ceiling is not None and asked.ceiling < level:
        yield Fault(
            (*place, "ceiling"),
            f"{asked.id} has the ceiling {asked.ceiling}, below its own level {level}, so nothing could ever show it; "
            "raise the ceiling or move the requirement.",
        )
    if asked.met_by is not None:
        yield from _rule(asked.met_by, (*place, "met_by"), asked.id, known)
    if asked.elsewhere is not None and asked.elsewhere.met_by is not None:
        yield from _rule(asked.elsewhere.met_by, (*place, "elsewhere", "met_by"), asked.id, known)


def _rule(rule: Rule, place: Place, owner: str, known: frozenset[str]) -> Iterator[Fault]:
    for name, members in (("all", rule.all), ("any", rule.any)):
        for index, inner in enumerate(members or ()):
            yield from _rule(inner, (*place, name, index), owner, known)
    for name, form in (("is", rule.is_), ("share", rule.share), ("series", rule.series)):
        if form is not None and form.probe not in known:
            yield _no_probe((*place, name, "probe"), form.probe, known)
    if rule.share is not None:
        yield from _above_one(rule.share.at_least, (*place, "share", "at_least"), owner)
    if rule.series is not None and rule.series.at_least > rule.series.nights:
        yield Fault(
            (*place, "series", "at_least"),
            f"{owner} asks for {rule.series.at_least} of {rule.series.nights} nights, which is more than there are; "
            "lower it.",
        )
    if rule.availability is not None:
        yield from _availability(rule.availability, (*place, "availability"), owner)
    if rule.latency is not None:
        yield from _latency(rule.latency, (*place, "latency"), owner)
    if rule.attested is not None:
        for name, value in rule.attested.values.items():
            if _value_name(name).endswith("share"):
                yield from _above_one(value, (*place, "attested", "values", name), owner)


def _availability(form: Availability, place: Place, owner: str) -> Iterator[Fault]:
    if form.at_least is None:
        if form.polls == 1 and not form.maintenance_minutes_a_month:
            yield Fault(place, f"{owner} asks nothing of the polls; state at_least, polls or maintenance.")
    else:
        wanted = Fraction(form.at_least)
        yield from _above_one(form.at_least, (*place, "at_least"), owner)
        if wanted == 1 and form.bound == "wilson":
            yield Fault(
                (*place, "at_least"),
                f"{owner} asks for a lower bound of {form.at_least}, which no number of polls reaches; lower it, or "
                "say `bound: share`.",
            )
        elif wanted < 1 and form.bound == "wilson" and 1 < form.polls < (least := figures.least_polls(wanted)):
            yield Fault(
                (*place, "polls"),
                f"{owner} counts on {form.polls} polls, and even if all of them are up their lower bound is below "
                f"{form.at_least}; ask for at least {least}.",
            )
    most = form.days * figures.LOOKS_A_DAY
    if form.polls > most:
        yield Fault(
            (*place, "polls"),
            f"{owner} asks for {form.polls} polls in {form.days} days, and one every five minutes makes {most}; "
            "lower it.",
        )


def _latency(form: Latency, place: Place, owner: str) -> Iterator[Fault]:
    if form.at_most_us is None and form.samples == 1 and not form.hours:
        yield Fault(place, f"{owner} asks nothing of the times; state at_most_us, samples or hours.")
    if form.each_hour > 1 and not form.hours:
        yield Fault(
            (*place, "each_hour"), f"{owner} counts samples of each hour and names no number of `hours`; add it."
        )
    for index, kind in enumerate(form.kinds):
        if kind in form.kinds[:index]:
            yield Fault((*place, "kinds", index), f"{owner} names the kind {kind} twice; name it once.")


def _above_one(fraction: str, place: Place, owner: str) -> Iterator[Fault]:
    if Fraction(fraction) > 1:
        yield Fault(place, f"{owner} asks for the share {fraction}, and no share is more than 1/1; lower it.")


def _applicability(one: Criterion, place: Place) -> Iterator[Fault]:
    for part in ("applies_if", "applies_from"):
        for fact in dict(one)[part]:
            if fact not in FACTS:
                near = _near(fact, FACTS, f"name one of {', '.join(sorted(FACTS))}.")
                yield Fault((*place, part, fact), f"{one.id} applies by {fact}, which no provider file gives; {near}")
    for fact, values in one.applies_if.items():
        for index, value in enumerate(values):
            if fact in FACTS and not _can_be(fact, value):
                yield Fault(
                    (*place, "applies_if", fact, index),
                    f"{one.id} applies where {fact} is {value!r}, which no provider file can say; correct it.",
                )
    for fact, least in one.applies_from.items():
        if fact in FACTS and not _can_be(fact, least):
            yield Fault(
                (*place, "applies_from", fact),
                f"{one.id} applies from a number of {fact}, which is no number; use `applies_if`.",
            )
    for fact in one.presumed:
        if fact not in one.applies_if:
            yield Fault(
                (*place, "presumed", fact),
                f"{one.id} presumes {fact}, which its `applies_if` does not name; add it there, or remove it here.",
            )


def _can_be(fact: str, value: Any) -> bool:
    """Whether a provider file can give this value, alone or as a member of a list."""
    adapter: TypeAdapter[Any] = TypeAdapter(ProviderFacts.model_fields[fact].rebuild_annotation())
    for candidate in (value, (value,)):
        try:
            adapter.validate_python(candidate, strict=True)
        except ValidationError:
            continue
        return True
    return False


def _facets(one: Criterion, place: Place) -> Iterator[Fault]:
    used: set[str] = set()
    for level, members in one.levels.items():
        for index, asked in enumerate(members):
            if asked.facet is None:
                continue
            used.add(asked.facet)
            if asked.facet not in one.facets:
                near = _near(asked.facet, one.facets, f"add it to `facets` of {one.id}.")
                yield Fault(
                    (*place, "levels", str(level), index, "facet"),
                    f"{asked.id} belongs to the facet {asked.facet}, which {one.id} does not declare; {near}",
                )
    for facet in one.facets:
        if facet not in used:
            yield Fault(
                (*place, "facets", facet),
                f"{one.id} declares the facet {facet}, to which no requirement belongs; use it, or remove it.",
            )


def _workflows(model: MaturityModel) -> Iterator[Fault]:
    criteria = [one.id for one in model.criteria]
    for number, one in enumerate(model.workflows):
        place: Place = ("workflows", number)
        named: list[tuple[Place, str]] = [((*place, "lead"), one.lead)] if one.lead is not None else []
        named += [((*place, "may_lag", index), name) for index, name in enumerate(one.may_lag)]
        named += [((*place, "best_of", index), name) for index, name in enumerate(one.best_of)]
        named += [((*place, "at_level_4", "also", name), name) for name in one.at_level_4.also]
        for where, name in named:
            if name not in criteria:
                yield _nothing(where, f"the workflow {one.id}", "criterion", name, criteria)


def _rows(model: MaturityModel) -> Iterator[Fault]:
    for name, row in model.freshness.items():
        if not row.fresh <= row.stale <= row.expired:
            yield Fault(
                ("freshness", name),
                f"the freshness row {name} goes {row.fresh}, {row.stale}, {row.expired}; let `fresh`, `stale` and "
                "`expired` grow in this order.",
            )


def _labels(model: MaturityModel) -> Iterator[Fault]:
    for number, label in enumerate(model.labels):
        place: Place = ("labels", number)
        if number == 0 and label.conditions:
            yield Fault(
                (*place, "conditions"),
                f"the first label {label.name} has conditions, so a provider could have none; "
                "put one without conditions before it.",
            )
        yield from _twice(
            (((*place, "conditions", index, "id"), one.id) for index, one in enumerate(label.conditions)),
            "condition",
            f" of {label.name}",
        )
        for index, one in enumerate(label.conditions):
            yield from _condition(model, label, one, (*place, "conditions", index))


def _condition(model: MaturityModel, label: Label, one: Condition, place: Place) -> Iterator[Fault]:
    whose = f"the condition {one.id} of {label.name}"
    criteria, gates = [item.id for item in model.criteria], [item.id for item in model.gates]
    if one.criteria is not None:
        for index, name in enumerate(one.criteria.ids):
            if name not in criteria:
                yield _nothing((*place, "criteria", "ids", index), whose, "criterion", name, criteria)
        yield from _more_than(one.criteria.at_least, len(one.criteria.ids), "criteria", whose, place)
    if one.block is not None and one.block.block not in [item.id for item in model.blocks]:
        yield _nothing((*place, "block", "block"), whose, "block", one.block.block, [item.id for item in model.blocks])
    if one.workflows is not None:
        if not model.workflows:
            yield Fault((*place, "workflows"), f"{whose} asks for workflows, and this book lists none; add them.")
        else:
            yield from _more_than(one.workflows.at_least, len(model.workflows), "workflows", whose, place)
    for index, name in enumerate(one.gates_tested or ()):
        if name not in gates:
            yield _nothing((*place, "gates_tested", index), whose, "gate", name, gates)
    shares: Mapping[tuple[str, ...], str | None] = {
        ("known",): one.known,
        ("gap_at_most",): one.gap_at_most,
        ("core", "share"): one.core.share if one.core is not None else None,
        ("evidence", "share"): one.evidence.share if one.evidence is not None else None,
    }
    for inside, share in shares.items():
        if share is not None:
            yield from _above_one(share, (*place, *inside), whose)


def _more_than(asked: int | None, there: int, what: str, whose: str, place: Place) -> Iterator[Fault]:
    if asked is not None and asked > there:
        yield Fault((*place, what, "at_least"), f"{whose} asks for {asked} of {there} {what}; lower it.")


def _book_remarks(model: MaturityModel) -> Iterator[Fault]:
    if not model.freshness:
        yield Fault((), "this book has no table `freshness`, so what prober sees never grows old.")
    for row in model.freshness:
        if row not in ROW.values() and row not in (SEEN, SERIES):
            yield Fault(("freshness", row), f"no kind of document grows old by the freshness row {row}.")
    if model.gates and not model.labels:
        yield Fault(("gates",), "this book has no labels, so its gates cap nothing.")
    for number, criterion in enumerate(model.criteria):
        bare = [level for level, members in criterion.levels.items() if all(asked.how == "gap" for asked in members)]
        if bare:
            yield Fault(
                ("criteria", number, "levels", str(bare[0])),
                f"nothing reaches level {bare[0]} of {criterion.id} yet, since every requirement of it is a gap.",
            )
    stated = sorted(
        {_value_name(bound) for rule in _all_rules(model) for one in rule.documents() for bound in one.values} - GIVEN
    )
    if stated:
        yield Fault((), f"no typed shape gives these values, so a document states them itself: {', '.join(stated)}.")


def _all_rules(model: MaturityModel) -> Iterator[Rule]:
    for _, _, _, asked in requirements(model):
        if asked.met_by is not None:
            yield asked.met_by
        if asked.elsewhere is not None and asked.elsewhere.met_by is not None:
            yield asked.elsewhere.met_by
    yield from (gate.met_by for gate in model.gates if gate.met_by is not None)


def _value_name(bound: str) -> str:
    return bound.removesuffix("_at_least").removesuffix("_at_most")


def _twice(named: Iterable[tuple[Place, str]], what: str, whose: str = "") -> Iterator[Fault]:
    met: set[str] = set()
    for place, name in named:
        if name in met:
            yield Fault(place, f"the {what} {name}{whose} stands twice; give one of them another {place[-1]}.")
        met.add(name)


def _nothing(place: Place, whose: str, what: str, name: str, known: Iterable[str]) -> Fault:
    near = _near(name, known, "correct it or remove it.")
    return Fault(place, f"{whose} names the {what} {name}, which this book does not have; {near}")


def _no_probe(place: Place, probe: str, known: Iterable[str]) -> Fault:
    return Fault(
        place, f"the model names the probe {probe}, which does not exist; {_near(probe, known, 'see `prober list`.')}"
    )


def _near(name: str, known: Iterable[str], otherwise: str) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else otherwise
