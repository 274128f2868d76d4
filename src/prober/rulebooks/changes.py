"""What changed between two versions of a model, as sentences, and the least version step that each change asks for.

PATCH: only words. MINOR: something beside what there was, by which no existing result changes. MAJOR: anything by which
evidence that exists could come to another level, label or weight.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from prober.nouns.base import Noun, canonical
from prober.nouns.model import (
    Attested,
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
from prober.rulebooks.substance import WORDING, substance, widened
from prober.rulebooks.versions import Step
from prober.score.workflows import BLOCK as WORKFLOWS
from prober.score.workflows import workflow_of

N = TypeVar("N", bound=Noun)
STANDING = ("core", "extension", "precondition")
APPLICABILITY = ("applies_if", "applies_from", "presumed")


@dataclass(frozen=True)
class Change:
    """One thing that is otherwise in the new version: the part of the book, what, and the step that it asks for."""

    part: str
    about: str
    sentence: str
    step: Step

    def __str__(self) -> str:
        return f"{self.about}: {self.sentence}"


def changes(old: MaturityModel | CapabilityProfile, new: MaturityModel | CapabilityProfile) -> tuple[Change, ...]:
    """Everything that changed, part by part in the order of the book; nothing for models that say the same."""
    if isinstance(old, MaturityModel) and isinstance(new, MaturityModel):
        found = list(_books(old, new))
    elif isinstance(old, CapabilityProfile) and isinstance(new, CapabilityProfile):
        found = list(_profiles(old, new))
    else:
        found = [Change("Whole", new.id, f"the kind was {old.kind} and is {new.kind}.", Step.MAJOR)]
    return (*_members("Whole", new.id, old, new, ("title", "disclaimer")), *found)


def least_step(found: Iterable[Change]) -> Step:
    """The step that all these changes together ask for."""
    return max((one.step for one in found), default=Step.NONE)


def _books(old: MaturityModel, new: MaturityModel) -> Iterator[Change]:
    def plain(part: str, member: str, id_: str = "id", added: Step = Step.MAJOR) -> Iterator[Change]:
        before = {dict(one)[id_]: one for one in dict(old)[member]}
        after = {dict(one)[id_]: one for one in dict(new)[member]}
        yield from _keyed(part, before, after, lambda _: added, lambda name, a, b: _noun(part, name, a, b))

    yield from _keyed(
        "Blocks",
        {one.id: one for one in old.blocks},
        {one.id: one for one in new.blocks},
        lambda block: Step.MAJOR if block.weight else Step.MINOR,
        lambda name, a, b: _noun("Blocks", name, a, b),
    )
    yield from _keyed(
        "Criteria",
        {one.id: one for one in old.criteria},
        {one.id: one for one in new.criteria},
        lambda criterion: Step.MINOR if _in_the_shadow(criterion, new) else Step.MAJOR,
        lambda name, a, b: _criterion(a, b, quiet=_in_the_shadow(a, old) and _in_the_shadow(b, new)),
    )
    yield from plain("Gates", "gates")
    yield from plain("Workflows", "workflows")
    yield from _keyed(
        "Freshness",
        old.freshness,
        new.freshness,
        lambda _: Step.MAJOR,
        lambda name, a, b: _noun("Freshness", name, a, b),
    )
    yield from _labels(old.labels, new.labels)
    yield from _order(old, new, ("blocks", "criteria", "gates", "workflows"))


def _profiles(old: CapabilityProfile, new: CapabilityProfile) -> Iterator[Change]:
    yield from _keyed(
        "Families",
        {one.id: one for one in old.families},
        {one.id: one for one in new.families},
        lambda _: Step.MAJOR,
        lambda name, a, b: _noun("Families", name, a, b),
    )
    yield from _order(old, new, ("families",))


def _keyed(
    part: str,
    old: Mapping[str, N],
    new: Mapping[str, N],
    added: Callable[[N], Step],
    changed: Callable[[str, N, N], Iterable[Change]],
) -> Iterator[Change]:
    for name, one in old.items():
        if name not in new:
            yield Change(part, name, "it went away.", Step.MAJOR)
        else:
            yield from changed(name, one, new[name])
    for name, one in new.items():
        if name not in old:
            yield Change(part, name, "it is new.", added(one))


def _noun(part: str, about: str, old: Noun, new: Noun) -> Iterator[Change]:
    yield from _members(part, about, old, new, tuple(type(old).model_fields))


def _members(part: str, about: str, old: Noun, new: Noun, names: Sequence[str]) -> Iterator[Change]:
    """A change for each of these members: of its substance, or only of its words or their order."""
    before, after = dict(old), dict(new)
    for name in names:
        one, other = before[name], after[name]
        if one == other:
            continue
        words = name.replace("_", " ")
        wording = name in WORDING.get(type(old), frozenset())
        if wording or substance(one) == substance(other):
            yield Change(part, about, f"the words of `{words}` changed.", Step.PATCH)
        else:
            yield Change(part, about, f"`{words}` was {shown(one)} and is {shown(other)}.", Step.MAJOR)


def _criterion(old: Criterion, new: Criterion, *, quiet: bool) -> Iterator[Change]:
    rest = [name for name in type(old).model_fields if name not in ("levels", "facets", "id")]
    yield from _members("Criteria", new.id, old, new, rest)
    if sorted(old.facets) != sorted(new.facets):
        was, is_ = shown(sorted(old.facets)), shown(sorted(new.facets))
        yield Change("Criteria", new.id, f"the facets were {was} and are {is_}.", Step.MAJOR)
    elif old.facets != new.facets:
        yield Change("Criteria", new.id, "the words of the facets changed.", Step.PATCH)
    yield from _keyed(
        "Requirements",
        {asked.id: asked for level in sorted(old.levels) for asked in old.levels[level]},
        {asked.id: asked for level in sorted(new.levels) for asked in new.levels[level]},
        lambda _: Step.MINOR if quiet else Step.MAJOR,
        lambda _, a, b: _requirement(a, b),
    )
    levels = [
        level
        for level in sorted(old.levels)
        if {asked.id for asked in old.levels[level]} == {asked.id for asked in new.levels[level]}
        and [asked.id for asked in old.levels[level]] != [asked.id for asked in new.levels[level]]
    ]
    for level in levels:
        yield Change("Criteria", new.id, f"the order of the requirements of level {level} changed.", Step.PATCH)


def _in_the_shadow(one: Criterion, book: MaturityModel) -> bool:
    """Whether nothing hangs on a criterion: it weighs nothing, is not core, and no label or workflow asks for it."""
    named = {id_ for workflow in book.workflows for id_ in workflow.criteria()}
    named.update(id_ for label in book.labels for it in label.conditions if it.criteria for id_ in it.criteria.ids)
    # Where the book names no roll-up, a criterion of the workflows makes a workflow of its own.
    alone = one.block == WORKFLOWS and workflow_of(one.id) not in {workflow.id for workflow in book.workflows}
    return one.weight == 0 and not one.core and one.id not in named and not alone


def _requirement(old: Requirement, new: Requirement) -> Iterator[Change]:
    plain = [name for name in type(old).model_fields if name not in ("how", "met_by", "elsewhere", "id")]
    dormant = old.met_by is None and (old.elsewhere is None or old.elsewhere.met_by is None)
    for one in _members("Requirements", new.id, old, new, plain):
        # As long as nothing decided a requirement, how far it would have carried decided nothing either.
        asleep = dormant and one.step is Step.MAJOR and "`facet`" not in one.sentence
        yield Change(one.part, one.about, one.sentence, Step.MINOR) if asleep else one
    if old.how != new.how:
        yield Change("Requirements", new.id, f"it was {_how(old)} and is {_how(new)}.", Step.MINOR)
    if old.met_by != new.met_by:
        yield _met_by(new.id, "the rule", old.met_by, new.met_by)
    if old.elsewhere != new.elsewhere:
        yield _elsewhere(old, new)


def _how(one: Requirement) -> str:
    return "a gap" if one.how == "gap" else one.how


def _met_by(about: str, what: str, old: Rule | None, new: Rule | None) -> Change:
    if old is None and new is not None:
        return Change("Requirements", about, f"{what} is new: {rule_words(new)}.", Step.MINOR)
    if new is None:
        return Change("Requirements", about, f"{what} went away.", Step.MAJOR)
    assert old is not None
    if substance(old) == substance(new):
        return Change("Requirements", about, f"the words or the order of {what} changed.", Step.PATCH)
    words = f"{what} was {rule_words(old)} and is {rule_words(new)}."
    if widened(old, new):
        return Change("Requirements", about, f"there is a further way beside it; {words}", Step.MINOR)
    return Change("Requirements", about, words, Step.MAJOR)


def _elsewhere(old: Requirement, new: Requirement) -> Change:
    """Only a rule of its own makes a requirement another one elsewhere; without one it but reads otherwise."""
    one = old.elsewhere if old.elsewhere is not None and old.elsewhere.met_by is not None else None
    other = new.elsewhere if new.elsewhere is not None and new.elsewhere.met_by is not None else None
    if substance(one) == substance(other):
        return Change("Requirements", new.id, "the words of what is asked elsewhere changed.", Step.PATCH)
    was = _swap_words(one.countries, one.met_by) if one is not None else "the same as at home"
    is_ = _swap_words(other.countries, other.met_by) if other is not None else "the same as at home"
    return Change("Requirements", new.id, f"what is asked elsewhere was {was} and is {is_}.", Step.MAJOR)


def _swap_words(countries: Sequence[str], rule: Rule | None) -> str:
    return f"outside {', '.join(countries)} {rule_words(rule) if rule is not None else 'the same'}"


def _labels(old: Sequence[Label], new: Sequence[Label]) -> Iterator[Change]:
    before, after = {one.name: one for one in old}, {one.name: one for one in new}
    yield from _keyed("Labels", before, after, lambda _: Step.MAJOR, _label)
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        yield Change("Labels", "labels", f"their order was {shown(kept)} and is another one.", Step.MAJOR)


def _label(name: str, old: Label, new: Label) -> Iterator[Change]:
    yield from _members("Labels", name, old, new, ("meaning", "suspected_gate_blocks"))
    before, after = {one.id: one for one in old.conditions}, {one.id: one for one in new.conditions}

    def condition(id_: str, a: Condition, b: Condition) -> Iterator[Change]:
        yield from _noun("Labels", f"{name}, condition {id_}", a, b)

    for one in _keyed("Labels", before, after, lambda _: Step.MAJOR, condition):
        about = one.about if one.about.startswith(f"{name}, ") else f"{name}, condition {one.about}"
        yield Change(one.part, about, one.sentence, one.step)
    if sorted(before) == sorted(after) and list(before) != list(after):
        yield Change("Labels", name, "the order of its conditions changed.", Step.PATCH)


def _order(old: Noun, new: Noun, members: Sequence[str]) -> Iterator[Change]:
    for member in members:
        before, after = [one.id for one in dict(old)[member]], [one.id for one in dict(new)[member]]
        kept = [id_ for id_ in before if id_ in after]
        if kept != [id_ for id_ in after if id_ in before]:
            yield Change("Whole", member, "the order changed.", Step.PATCH)


def shown(value: Any) -> str:
    """A value of a model in one line, without its wording."""
    if isinstance(value, Rule):
        return rule_words(value)
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int):
        return str(value)
    bare = substance(value)
    if isinstance(bare, list) and all(isinstance(one, str) for one in bare):
        return ", ".join(str(one) for one in value) or "nothing"
    return canonical(bare) if bare else "nothing"


def rule_words(rule: Rule) -> str:
    """A rule in words, without the names of its documents."""
    if rule.is_ is not None:
        return f"{rule.is_.probe} is {rule.is_.outcome}"
    if rule.share is not None:
        of = "" if rule.share.of == "cells" else f" of its {rule.share.of}"
        return f"{rule.share.at_least}{of} of {rule.share.probe}"
    if rule.series is not None:
        one = rule.series
        return f"{one.probe} is {one.outcome} on {one.at_least} of {one.nights} nights"
    if rule.availability is not None:
        return _availability_words(rule.availability)
    if rule.latency is not None:
        return _latency_words(rule.latency)
    if rule.attested is not None:
        return _document_words(rule.attested)
    joined = " and " if rule.all is not None else " or "
    return f"({joined.join(rule_words(one) for one in (rule.all or rule.any or ()))})"


def _availability_words(one: Availability) -> str:
    figure = "lower Wilson bound" if one.bound == "wilson" else "share"
    goal = f"at least {one.at_least} up by the {figure}" if one.at_least is not None else "polls"
    polls = f", {one.polls} polls" if one.polls > 1 else ""
    allowed = one.maintenance_minutes_a_month
    left = f", at most {allowed} minutes of maintenance a month left out" if allowed else ", no maintenance left out"
    return f"{goal} over {one.days} days{polls}{left}"


def _latency_words(one: Latency) -> str:
    of = " and of ".join(one.kinds) or "all answers"
    goal = f" is at most {one.at_most_us} microseconds" if one.at_most_us is not None else " is known"
    samples = f", {one.samples} samples" if one.samples > 1 else ""
    spread = f", {one.each_hour} in each of {one.hours} hours" if one.hours else ""
    return f"percentile {one.percentile} of {of}{goal} over {one.nights} nights{samples}{spread}"


def _document_words(one: Attested) -> str:
    bounds = [f"{_bound(name)} {value}" for name, value in sorted(one.values.items())]
    told = f" with {' and '.join(bounds)}" if bounds else ""
    also = " about the same fact" if one.same_fact else ""
    letter = ", or a valid stage letter" if one.stage_letter else ""
    return f"a document of class {' or '.join(one.classes)}{also}{told}{letter}"


def _bound(name: str) -> str:
    return name.replace("_", " ")
