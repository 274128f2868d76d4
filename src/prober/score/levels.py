"""From truths to levels: which criteria apply, what each requirement came to, and how far up the ladder that is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from operator import itemgetter

from prober.documents.fitting import is_swapped, rule_of, text_of
from prober.documents.freshness import Age
from prober.nouns.model import Criterion, MaturityModel, Requirement, Rule
from prober.nouns.provider import ProviderFacts
from prober.nouns.scorecard import CriterionScore, FacetScore, GateScore, Interval, RequirementScore, SwapLine, Truth
from prober.score.look import Book, Look
from prober.score.marks import Mark, mark_of
from prober.score.rules import NO_POLLS, Leaf, Said, all_of, any_of, decide, no_document
from prober.score.scope import number_of, sentences
from prober.score.standing import NOTHING_KNOWN, Standing, standing_of

MOST_KNOWN = 4_000
NOT_THERE = -1
"""The number of a finding that a run does not hold."""
Tokens = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Judged:
    """A criterion with its score."""

    criterion: Criterion
    score: CriterionScore

    @cached_property
    def mark(self) -> Mark:
        """The score without the words."""
        return mark_of(self.score)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the runs said together about a requirement; `leaves` keeps the subject beside each leaf."""

    truth: Truth
    leaves: tuple[tuple[str, Leaf], ...]
    conflict: bool = False


@dataclass(frozen=True)
class Asked:
    """A requirement as it reads for this provider, with what its rule looks at."""

    requirement: Requirement
    level: int
    rule: Rule | None
    text: str
    swapped: bool
    probes: frozenset[str]
    polled: bool = False
    """Whether it rests on the polls of earlier runs."""

    @cached_property
    def said(self) -> Callable[[Tokens], object]:
        """What its probes said, of all that was."""
        return _of(self.probes)

    @cached_property
    def unanswered(self) -> tuple[Answer, RequirementScore]:
        """What is said where no probe decides it and nobody offered a document."""
        leaf = Leaf(why=self._nothing, reasons=("no_data",) if self.polled else ())
        line = RequirementScore(
            id=self.requirement.id,
            text=self.text,
            how=self.requirement.how,
            truth="unknown",
            why=leaf.why,
            reasons=leaf.reasons,
            swapped=self.swapped,
        )
        return Answer("unknown", (("", leaf),)), line

    @property
    def _nothing(self) -> str:
        asked = self.requirement
        if self.rule is not None:
            missing = [no_document(one) for one in self.rule.documents()]
            return " ".join(dict.fromkeys([NO_POLLS, *missing] if self.polled else missing))
        what = (asked.missing or "").rstrip(".")
        if asked.how == "attested":
            return f"No document was given: {what}."
        return f"Missing: {what} ({asked.waits_for})." if asked.waits_for else f"Missing: {what}."


class Ladders:
    """The criteria of one book as they read in one country, made once for many scores."""

    def __init__(self, model: MaturityModel, country: str | None) -> None:
        listed = {block.id for block in model.blocks}
        for criterion in model.criteria:
            if criterion.block not in listed:
                raise ValueError(f"{criterion.id} lies in the block {criterion.block}, which {model.id} does not list.")
        self.book = Book(model)
        self.asked: dict[str, tuple[Asked, ...]] = {
            criterion.id: tuple(
                _asked(one, level, country) for level in sorted(criterion.levels) for one in criterion.levels[level]
            )
            for criterion in model.criteria
        }
        self.probes_of: dict[str, frozenset[str]] = {
            criterion: frozenset().union(*(one.probes for one in asked)) for criterion, asked in self.asked.items()
        }
        self.swapped = {
            criterion: tuple(one.requirement for one in asked if one.swapped)
            for criterion, asked in self.asked.items()
            if any(one.swapped for one in asked)
        }
        """The requirements that read otherwise than in the country of their norm, by criterion."""
        self.swap_lines: dict[tuple[str, ...], tuple[SwapLine, ...]] = {}
        self.probes = frozenset().union(*self.probes_of.values(), *self.book.probes_of_gates.values())
        self.said_to = {criterion: _of(probes) for criterion, probes in self.probes_of.items()}
        """What the probes of a criterion said, of all that was; the next one does the same for gates."""
        self.said_to_gate = {gate: _of(probes) for gate, probes in self.book.probes_of_gates.items()}
        self.conditional = tuple(at for at, one in enumerate(model.criteria) if one.applies_if or one.applies_from)
        named = {fact for one in model.criteria for fact in (*one.applies_if, *one.applies_from)}
        self.facts = (*sorted(named), "country")
        self.reasons: dict[tuple[str, ...], tuple[str | None, ...]] = {}
        """Why criteria do not apply, by the facts of a provider that decide it."""
        self.still: dict[tuple[str | None, ...], tuple[Judged | None, ...]] = {}
        """By the reasons why criteria do not apply: the criteria that no run could change, the others left out."""
        self.gates: dict[tuple[object, ...], GateScore] = {}
        """Gates that never fired, by what was looked at."""
        self._ages: dict[Age | None, int] = {}
        # Never begun anew: a run that is being scored keeps the numbers that it was given.
        self._free = count()
        self.answers: dict[tuple[object, ...], tuple[Answer, RequirementScore]] = {}
        """The same for requirements."""
        self.known: dict[tuple[object, ...], Judged] = {}
        """Scores already worked out, by all that they hang on: in a fleet most servers give most answers alike."""

    def tokens(self, look: Look) -> Tokens:
        """For each probe that the book reads, numbers for all that its finding says and for its age: the same for the
        same, in whichever run."""
        if not look.tokens:
            findings = look.run.by_probe
            before, age = None, self._numbered(None)
            for probe in self.probes:
                # Nearly all that a run saw is of one age, which need not be looked up for each of its findings.
                now = look.age(probe)
                if now is not before:
                    before, age = now, self._numbered(now)
                finding = findings.get(probe)
                look.tokens[probe] = (number_of(finding) if finding is not None else NOT_THERE, age)
        return look.tokens

    def remember(self, key: tuple[object, ...], judged: Judged) -> Judged:
        """Keep a score for the next run that says the same; how many are kept is bounded."""
        if len(self.known) >= MOST_KNOWN or len(self._ages) >= MOST_KNOWN:
            self.known.clear()
            self.gates.clear()
            self.answers.clear()
            self._ages.clear()
        self.known[key] = judged
        return judged

    def _numbered(self, age: Age | None) -> int:
        if age not in self._ages:
            self._ages[age] = next(self._free)
        return self._ages[age]


def judge_all(model: MaturityModel, looks: Sequence[Look], ladders: Ladders) -> tuple[Judged, ...]:
    """The scores of all criteria, in the order of the book.

    Where nobody attested anything, those that no probe decides are the same for all providers to whom the same applies.
    """
    if len(looks) != 1 or not looks[0].run.alone:
        return tuple(judge(criterion, looks, ladders) for criterion in model.criteria)
    facts = looks[0].run.facts
    # The same facts are those of most servers of a fleet: nobody said anything about them.
    key = (*tuple(repr(getattr(facts, name, None)) for name in ladders.facts), repr(facts.public_sources))
    reasons = ladders.reasons.get(key)
    if reasons is None:
        reasons = tuple(not_applicable_because(model.criteria[at], [facts]) for at in ladders.conditional)
        if len(ladders.reasons) >= MOST_KNOWN:
            ladders.reasons.clear()
        ladders.reasons[key] = reasons
    if reasons not in ladders.still:
        if len(ladders.still) >= MOST_KNOWN:
            ladders.still.clear()
        out = {at for at, because in zip(ladders.conditional, reasons, strict=True) if because is not None}
        ladders.still[reasons] = tuple(
            None if ladders.probes_of[criterion.id] and at not in out else judge(criterion, looks, ladders)
            for at, criterion in enumerate(model.criteria)
        )
    return tuple(
        known if known is not None else _applying(criterion, looks, ladders)
        for known, criterion in zip(ladders.still[reasons], model.criteria, strict=True)
    )


def judge(criterion: Criterion, looks: Sequence[Look], ladders: Ladders, *, forced: bool = False) -> Judged:
    """The score of one criterion over the runs that decide; a `forced` one is taken to apply."""
    because = None if forced else not_applicable_because(criterion, [look.run.facts for look in looks])
    if because is not None:
        left_out = (criterion.id, because)
        known = ladders.known.get(left_out)
        if known is None:
            none = _scored(criterion, because, None, "n/a", (), None, NOTHING_KNOWN)
            known = ladders.remember(left_out, Judged(criterion, none))
        return known
    return _applying(criterion, looks, ladders)


def _applying(criterion: Criterion, looks: Sequence[Look], ladders: Ladders) -> Judged:
    """The score of one criterion that applies."""
    key = _key(criterion, looks, ladders)
    if key is None:
        return Judged(criterion, _judged(criterion, ladders.asked[criterion.id], looks, None))
    known = ladders.known.get(key)
    if known is None:
        score = _judged(criterion, ladders.asked[criterion.id], looks, ladders)
        known = ladders.remember(key, Judged(criterion, score))
    return known


def _key(criterion: Criterion, looks: Sequence[Look], ladders: Ladders) -> tuple[object, ...] | None:
    """All that the score of a criterion hangs on, in one run without documents and history; None in any other."""
    if len(looks) != 1 or not looks[0].run.alone:
        return None
    if not ladders.probes_of[criterion.id]:
        return (criterion.id,)
    look = looks[0]
    return (criterion.id, look.run.run.environment, ladders.said_to[criterion.id](ladders.tokens(look)))


def _judged(
    criterion: Criterion, asked: Sequence[Asked], looks: Sequence[Look], ladders: Ladders | None
) -> CriterionScore:
    """The score of a criterion; with `ladders` one look decides it, and what was answered is not asked again."""
    found = [_answered(one, looks, ladders) for one in asked]
    lines = [line for _, line in found]
    answers = [(one, said) for one, (said, _) in zip(asked, found, strict=True)]
    truths = _by_level(answers)
    height = ladder(truths)
    state = state_of(height, refuted="false" in truths[1])
    standing = standing_of(height.low, state, answers, looks, conflict=any(said.conflict for _, said in answers))
    facets = tuple(_facet(id_, title, answers) for id_, title in criterion.facets.items())
    return _scored(criterion, None, height, state, tuple(lines), next_step(height.low, answers), standing, facets)


def _answered(asked: Asked, looks: Sequence[Look], ladders: Ladders | None) -> tuple[Answer, RequirementScore]:
    speaks = asked.polled and any(look.run.polls for look in looks)
    if not asked.probes and not speaks and (ladders is not None or not _offered(asked, looks)):
        return asked.unanswered
    if ladders is None:
        said = over_runs(asked, looks)
        return said, _line(asked, said, several=len(looks) > 1)
    key = (asked.requirement.id, asked.said(ladders.tokens(looks[0])))
    known = ladders.answers.get(key)
    if known is None:
        said = over_runs(asked, looks)
        known = ladders.answers[key] = (said, _line(asked, said, several=False))
    return known


def over_runs(asked: Asked, looks: Sequence[Look]) -> Answer:
    """True if true on every base, false if false on one, else unknown; with `across: any` the other way round."""
    here = [(look.subject, in_one_run(asked, look)) for look in looks]
    if len(here) == 1:
        subject, said = here[0]
        return Answer(said.truth, tuple((subject, leaf) for leaf in said.leaves), said.conflict)
    truth = (any_of if asked.requirement.across == "any" else all_of)(said.truth for _, said in here)
    leaves = tuple((subject, leaf) for subject, said in here if said.truth == truth for leaf in said.leaves)
    return Answer(truth, leaves, any(said.conflict for _, said in here))


def in_one_run(asked: Asked, look: Look) -> Said:
    """What one run says about a requirement of this level."""
    if asked.rule is None:
        return Said("unknown", tuple(leaf for _, leaf in asked.unanswered[0].leaves))
    ceiling = asked.requirement.ceiling
    said = decide(asked.rule, look, asked.requirement.id, asked.level if ceiling is None else 0)
    if said.truth == "not_applicable" and not asked.requirement.conditional:
        return Said("unknown", said.leaves)
    if said.truth == "true" and ceiling is not None and ceiling < asked.level:
        return Said("unknown", (Leaf(why=f"Such evidence supports level {ceiling} at most."), *said.leaves))
    return said


def ladder(truths: Mapping[int, Sequence[Truth]]) -> Interval:
    """The level that is surely reached, and the level that is reached if every unknown is true.

    A level left with no requirement is not reached, nor is any above it.
    """
    return Interval(low=_climb(truths, {"true"}), high=_climb(truths, {"true", "unknown"}))


def state_of(height: Interval, *, refuted: bool) -> str:
    """`L2`, `L2+?`, or `?`. It is `L0` only if a requirement of the first level is false, never for want of knowing."""
    if height.low == 0:
        return "L0" if refuted else "?"
    return f"L{height.low}+?" if height.high > height.low else f"L{height.low}"


def not_applicable_because(criterion: Criterion, facts: Sequence[ProviderFacts]) -> str | None:
    """Why the criterion does not apply, from the provider's facts alone; None if it applies.

    It applies unless, for every run, one of the facts that it names is given with another value. A core criterion
    also applies where no public source is named against which anybody could check that fact.
    """
    if not criterion.applies_if and not criterion.applies_from:
        return None
    reasons = [_ruled_out(criterion, one) for one in facts]
    given = [one for one in reasons if one is not None]
    return given[0] if len(given) == len(reasons) else None


def next_step(low: int, answers: Sequence[tuple[Asked, Answer]]) -> str | None:
    """What the next level lacks first: a refuted requirement before an unknown one."""
    wanting = [
        (asked, said) for asked, said in answers if asked.level == low + 1 and said.truth in ("false", "unknown")
    ]
    if not wanting:
        return None
    asked, _ = min(wanting, key=lambda pair: pair[1].truth != "false")
    return f"To reach L{low + 1}: {asked.text.rstrip('.')}."


def _asked(requirement: Requirement, level: int, country: str | None) -> Asked:
    rule = rule_of(requirement, country)
    return Asked(
        requirement,
        level,
        rule,
        text_of(requirement, country),
        is_swapped(requirement, country),
        rule.probes() if rule is not None else frozenset(),
        bool(rule is not None and rule.polled()),
    )


def _of(probes: Iterable[str]) -> Callable[[Tokens], object]:
    """Takes the tokens of these probes, of which there may be none, out of all."""
    names = sorted(probes)
    return itemgetter(*names) if names else lambda _: ()


def _offered(asked: Asked, looks: Sequence[Look]) -> bool:
    id_ = asked.requirement.id
    return any(look.run.attestations and (id_ in look.offers or id_ in look.set_aside) for look in looks)


def _by_level(answers: Sequence[tuple[Asked, Answer]]) -> dict[int, list[Truth]]:
    truths: dict[int, list[Truth]] = {1: [], 2: [], 3: [], 4: []}
    for asked, said in answers:
        truths[asked.level].append(said.truth)
    return truths


def _climb(truths: Mapping[int, Sequence[Truth]], allowed: set[Truth]) -> int:
    height = 0
    for level in sorted(truths):
        left = [one for one in truths[level] if one != "not_applicable"]
        if not left or not allowed.issuperset(left):
            break
        height = level
    return height


def _facet(id_: str, title: str, answers: Sequence[tuple[Asked, Answer]]) -> FacetScore:
    own = [(asked, said) for asked, said in answers if asked.requirement.facet in (None, id_)]
    truths = _by_level(own)
    height = ladder(truths)
    return FacetScore(id=id_, title=title, level=height, state=state_of(height, refuted="false" in truths[1]))


def _line(asked: Asked, said: Answer, several: bool) -> RequirementScore:
    # The members are our own and of the right types, and there are hundreds of lines in a score.
    return RequirementScore.trusted(
        id=asked.requirement.id,
        text=asked.text,
        how=asked.requirement.how,
        truth=said.truth,
        why=sentences(((subject, leaf.why) for subject, leaf in said.leaves), several=several),
        findings=tuple(sorted({leaf.probe for _, leaf in said.leaves if leaf.probe})),
        attestations=tuple(sorted({leaf.attestation for _, leaf in said.leaves if leaf.attestation})),
        reasons=tuple(sorted({reason for _, leaf in said.leaves for reason in leaf.reasons})),
        conflict=said.conflict,
        swapped=asked.swapped,
    )


def _scored(
    criterion: Criterion,
    because: str | None,
    height: Interval | None,
    state: str,
    lines: tuple[RequirementScore, ...],
    step: str | None,
    standing: Standing,
    facets: tuple[FacetScore, ...] = (),
) -> CriterionScore:
    return CriterionScore.trusted(
        id=criterion.id,
        title=criterion.title,
        block=criterion.block,
        weight=criterion.weight,
        core=criterion.core,
        extension=criterion.extension,
        precondition=criterion.precondition,
        applies=because is None,
        not_applicable_because=because,
        level=height,
        state=state,
        requirements=lines,
        facets=facets,
        next_step=step,
        knowledge=standing.knowledge,
        evidence_class=standing.evidence_class,
        confidence=standing.confidence,
        confidence_because=standing.because,
        freshness=standing.freshness,
        next_expiry=standing.last_day,
        conflict=standing.conflict,
    )


def _ruled_out(criterion: Criterion, facts: ProviderFacts) -> str | None:
    wanting = [fact for fact in sorted(criterion.applies_if) if not _fits(criterion, fact, facts)]
    wanting += [fact for fact, least in sorted(criterion.applies_from.items()) if _below(least, fact, facts)]
    if criterion.core:
        wanting = [fact for fact in wanting if facts.public_sources.get(fact)]
    if not wanting:
        return None
    fact = wanting[0]
    given = ", ".join(_word(one) for one in _given(facts, fact))
    source = f" Source: {facts.public_sources[fact].rstrip('.')}." if facts.public_sources.get(fact) else ""
    return f"The provider file gives {fact} as {given}; the criterion applies: {criterion.applies.rstrip('.')}.{source}"


def _fits(criterion: Criterion, fact: str, facts: ProviderFacts) -> bool:
    given = _given(facts, fact)
    countries = criterion.presumed.get(fact, ())
    # Who leaves the country out gains nothing by it.
    presumed = bool(countries) and (facts.country is None or facts.country in countries)
    return presumed or not given or any(one in criterion.applies_if[fact] for one in given)


def _below(least: int, fact: str, facts: ProviderFacts) -> bool:
    return any(isinstance(one, int) and one < least for one in _given(facts, fact))


def _given(facts: ProviderFacts, fact: str) -> tuple[str | bool | int, ...]:
    value = getattr(facts, fact, None)
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _word(value: str | bool | int) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
