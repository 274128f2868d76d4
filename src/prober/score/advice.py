"""What brings a provider to the next label: the fewest steps, then the least effort, ordered by what each one gains."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

from prober.documents.fitting import rule_of
from prober.nouns.finding import EvidenceClass, Finding
from prober.nouns.model import Attested, Condition, Criterion, Gate, Label, MaturityModel, Requirement, Rule, Workflow
from prober.nouns.scorecard import (
    ConditionScore,
    CriterionScore,
    GateScore,
    LabelScore,
    MaturityScore,
    NextSteps,
    RequirementScore,
    Step,
    StepPart,
)
from prober.nouns.sheet import Effort, Sheet
from prober.score.gates import CLEARS
from prober.score.profile import curl
from prober.score.scope import ScoredRun
from prober.score.standing import BEGINS, STEPS
from prober.score.workflows import level_of, workflow_of

_CLEARS = f"The gate is open again after {CLEARS} runs in a row in which it does not fire."
UNITS: Mapping[Effort, int] = {"low": 1, "medium": 2, "high": 4}
TOP = 4

Gains = tuple[int, ...]
Cost = tuple[int, int, tuple[str, ...]]
"""How many steps, how much effort, and which: compared in this order, so the smallest set is always the same one."""


@dataclass(frozen=True)
class Raise:
    """A criterion raised to a level: what it needs, and whether it is known afterwards."""

    score: CriterionScore
    level: int
    parts: tuple[StepPart, ...]
    known: bool

    @property
    def id(self) -> str:
        return f"{self.score.id}=L{self.level}"

    @property
    def effort(self) -> int:
        return sum(UNITS[one.effort] for one in self.parts)


@dataclass(frozen=True)
class Choice:
    """What may be chosen for one group of criteria that stand or fall together, and what it brings."""

    raises: tuple[Raise, ...]
    gains: Gains

    @property
    def cost(self) -> Cost:
        taken = [one for one in self.raises if one.parts]
        return len(taken), sum(one.effort for one in taken), tuple(one.id for one in taken)


@dataclass
class Needs:
    """What the next label asks for: the least level of single criteria, and sums that have to be reached."""

    least: dict[str, int] = field(default_factory=dict)
    sums: list[tuple[Condition, int]] = field(default_factory=list)


def advise(
    maturity: MaturityScore, model: MaturityModel, runs: Sequence[ScoredRun], sheets: Mapping[str, Sheet]
) -> NextSteps | None:
    """The steps to the next label; None where the book has no labels.

    Steps raise criteria, by what no requirement of the level can do without; what else blocks the label (gates, stale
    evidence, too little confidence) is a step of its own. Requirements that nothing decides yet cannot be a step: they
    are named in `why_not`, and the steps go as far as they can.
    """
    label = maturity.label
    if label is None:
        return None
    if label.next is None:
        return NextSteps(now=label.shown, target=None, reachable=True)
    return _Advisor(maturity, model, runs, sheets, label).steps(
        next(one for one in model.labels if one.name == label.next)
    )


class _Advisor:
    def __init__(
        self,
        maturity: MaturityScore,
        model: MaturityModel,
        runs: Sequence[ScoredRun],
        sheets: Mapping[str, Sheet],
        label: LabelScore,
    ) -> None:
        self.label = label
        self.model = model
        self.runs = runs
        self.sheets = sheets
        self.gates = {one.id: (one, gate) for one in maturity.gates for gate in model.gates if gate.id == one.id}
        self.criteria = {one.id: one for one in model.criteria}
        self.asked = {asked.id: asked for one in model.criteria for level in one.levels.values() for asked in level}
        self.scores = {one.id: one for one in maturity.criteria if one.applies}
        self.rolls = {one.id: one for one in model.workflows}
        self.country = runs[0].facts.country

    def steps(self, target: Label) -> NextSteps:
        wanted = [one for label in self._up_to(target) for one in label.conditions]
        needs, stuck = self._needs(wanted)
        raises, short = self._cheapest(needs)
        steps = [self._step(one) for one in raises if one.parts]
        others = [one for one in (self._other(blocking) for blocking in self.label.blocking) if one is not None]
        others += self._evidence_steps(wanted, raises)
        waits = {one.id for one in wanted if _waits(one)}
        told = [f"{one.text} {one.now}" for one in self.label.blocking if one.id in waits]
        why_not = tuple(dict.fromkeys((*stuck, *short, *told)))
        ordered = sorted((*steps, *others), key=lambda one: (-Fraction(one.gain, max(1, one.effort)), one.id))
        return NextSteps(
            now=self.label.shown,
            target=target.name,
            reachable=not why_not,
            why_not=why_not,
            steps=tuple(ordered),
        )

    def _up_to(self, target: Label) -> list[Label]:
        labels = list(self.model.labels)
        return labels[: labels.index(target) + 1]

    def _counting(self) -> list[CriterionScore]:
        return [one for one in self.scores.values() if not one.extension and not one.precondition]

    def _needs(self, conditions: Iterable[Condition]) -> tuple[Needs, list[str]]:
        """The levels and sums that the conditions ask for; what a criterion cannot reach at all is told instead."""
        needs = Needs()
        stuck: list[str] = []
        core = [one for one in self._counting() if one.core]
        for one in conditions:
            if one.criteria is not None and one.criteria.at_least is None:
                self._at_least(needs, stuck, one.criteria.ids, one.criteria.level)
            elif one.core is not None and one.core.share is None:
                self._at_least(needs, stuck, [score.id for score in core], one.core.level)
            elif one.block is not None:
                ids = [score.id for score in core if score.block == one.block.block]
                self._at_least(needs, stuck, ids, one.block.level)
            elif one.core_known:
                # What is refuted is known: this asks for nothing but an answer.
                self._at_least(needs, stuck, [score.id for score in core if score.state == "?"], 1)
            elif one.core_confidence is not None:
                self._at_least(needs, stuck, [score.id for score in core if score.confidence is None], 1)
            elif one.criteria is not None or one.core is not None or one.workflows is not None or one.known is not None:
                needs.sums.append((one, self._sum_needed(one)))
        return needs, stuck

    def _at_least(self, needs: Needs, stuck: list[str], ids: Iterable[str], level: int) -> None:
        for id_ in ids:
            score = self.scores.get(id_)
            if score is None or _low(score) >= level:
                continue
            gap = self._gap(score, level)
            if gap is not None:
                stuck.append(gap)
                level_reached = max((one.level for one in self._raises(score)), default=_low(score))
                needs.least[id_] = max(needs.least.get(id_, 0), min(level, level_reached))
            else:
                needs.least[id_] = max(needs.least.get(id_, 0), level)

    def _gap(self, score: CriterionScore, level: int) -> str | None:
        """Why a criterion cannot be brought to a level by anybody's steps now; None if it can."""
        empty = next((at for at in range(1, level + 1) if not _left(score, at)), None)
        if empty is not None:
            return (
                f"{score.id} cannot be brought to level {level}: nothing of its level {empty} applies here, since what "
                "it depends on is not declared."
            )
        for line in self._wanting(score, level):
            if not self._can_be_shown(line):
                asked = self.asked[line.id]
                waits = f" (it waits for {asked.waits_for})" if asked.waits_for else ""
                return f"{line.id} cannot be shown yet: {line.why.rstrip('.')}{waits}."
        return None

    def _sum_needed(self, condition: Condition) -> int:
        counting = self._counting()
        if condition.known is not None:
            return _ceiling(Fraction(condition.known) * sum(one.weight for one in counting))
        if condition.core is not None:
            share = Fraction(condition.core.share or "0")
            return _ceiling(share * sum(one.weight for one in counting if one.core))
        if condition.workflows is not None:
            applying = len({workflow for workflow in self._workflows() if self._rolled(workflow, {}) is not None})
            return applying if condition.workflows.at_least is None else min(condition.workflows.at_least, applying)
        there = [id_ for id_ in (condition.criteria.ids if condition.criteria else ()) if id_ in self.scores]
        return min(condition.criteria.at_least or 0, len(there)) if condition.criteria else 0

    def _workflows(self) -> list[str]:
        return list(dict.fromkeys(workflow_of(one.id) for one in self.scores.values() if one.block == "WF"))

    def _rolled(self, workflow: str, raised: Mapping[str, int]) -> int | None:
        levels = {
            id_: raised.get(id_, _low(score)) for id_, score in self.scores.items() if workflow_of(id_) == workflow
        }
        roll: Workflow | None = self.rolls.get(workflow)
        return level_of(roll, levels) if roll is not None else min(levels.values(), default=None)

    def _raises(self, score: CriterionScore) -> list[Raise]:
        """Where a criterion can be brought, from where it stands upwards, each with all that it needs."""
        found = [Raise(score, _low(score), (), score.knowledge in ("probed", "attested"))]
        for level in range(_low(score) + 1, TOP + 1):
            wanting = self._wanting(score, level)
            if not _left(score, level) or not all(self._can_be_shown(line) for line in wanting):
                break
            parts = tuple(self._part(line) for line in wanting)
            found.append(Raise(score, level, parts, level > 1 or any(self._makes_known(line) for line in wanting)))
        return found

    def _wanting(self, score: CriterionScore, level: int) -> list[RequirementScore]:
        return [line for line in score.requirements if _level_of(line) <= level and line.truth in ("false", "unknown")]

    def _can_be_shown(self, line: RequirementScore) -> bool:
        """Whether a step can show it: not a gap, not a series of nights or polls, which takes its time, and not what
        its own evidence cannot support."""
        asked = self.asked[line.id]
        rule = self._rule(asked)
        supported = asked.ceiling is None or asked.ceiling >= _level_of(line)
        return line.how != "gap" and rule is not None and supported and not _has_series(rule)

    def _rule(self, asked: Requirement) -> Rule | None:
        return rule_of(asked, self.country)

    def _makes_known(self, line: RequirementScore) -> bool:
        rule = self._rule(self.asked[line.id])
        if rule is None:
            return False
        shown = [self.sheets[one] for one in rule.probes() if one in self.sheets]
        return bool(rule.documents()) or any(one.basis == "demonstrated" for one in shown)

    def _cheapest(self, needs: Needs) -> tuple[list[Raise], list[str]]:
        """The smallest set of raises by which every level and every sum is reached, over all groups."""
        groups = [self._choices(group, needs) for group in self._groups()]
        floor = [tuple(min(one.gains[at] for one in group) for at in range(len(needs.sums))) for group in groups]
        least = [sum(one[at] for one in floor) for at in range(len(needs.sums))]
        most = [sum(max(one.gains[at] for one in group) for group in groups) for at in range(len(needs.sums))]
        short = [
            f"{condition.text.rstrip('.')}: at most {most[at]} of the {needed} that are needed can be reached now."
            for at, (condition, needed) in enumerate(needs.sums)
            if most[at] < needed
        ]
        wanted = tuple(max(0, min(needed, most[at]) - least[at]) for at, (_, needed) in enumerate(needs.sums))
        best: dict[Gains, tuple[Cost, tuple[Raise, ...]]] = {tuple(0 for _ in wanted): ((0, 0, ()), ())}
        for group, base in zip(groups, floor, strict=True):
            best = _extended(best, group, base, wanted)
        cost, raises = best[wanted]
        return [one for one in raises if one.id in cost[2]], short

    def _groups(self) -> list[list[CriterionScore]]:
        """Criteria that a roll-up joins are chosen together, any other one by itself."""
        own = [[one] for id_, one in sorted(self.scores.items()) if one.block != "WF" and not one.extension]
        joined = []
        for workflow in self._workflows():
            roll = self.rolls.get(workflow)
            members = [
                one
                for id_, one in sorted(self.scores.items())
                if workflow_of(id_) == workflow and (not one.extension or (roll and id_ in roll.criteria()))
            ]
            joined.append(members)
        return [group for group in (*own, *joined) if group]

    def _choices(self, group: Sequence[CriterionScore], needs: Needs) -> list[Choice]:
        """Every way to raise the members of a group; of two that bring the same, the cheaper one."""
        ways = [[one for one in self._raises(score) if one.level >= needs.least.get(score.id, 0)] for score in group]
        kept: dict[Gains, Choice] = {}
        for combination in product(*ways):
            choice = Choice(combination, self._gains(combination, needs))
            held = kept.get(choice.gains)
            if held is None or choice.cost < held.cost:
                kept[choice.gains] = choice
        return sorted(kept.values(), key=lambda one: one.cost)

    def _gains(self, combination: Sequence[Raise], needs: Needs) -> Gains:
        levels = {one.score.id: one.level for one in combination}
        workflow = workflow_of(combination[0].score.id) if combination[0].score.block == "WF" else None
        rolled = self._rolled(workflow, levels) if workflow is not None else None
        return tuple(_gain(condition, combination, rolled) for condition, _ in needs.sums)

    def _step(self, one: Raise) -> Step:
        workflow = workflow_of(one.score.id)
        served = [blocking.text for blocking in self.label.blocking if {one.score.id, workflow} & {*blocking.lacking}]
        return Step(
            id=one.id,
            title=f"Bring {one.score.id} ({one.score.title}) to level {one.level}.",
            why=" ".join(served) or "The label above asks for it.",
            gain=one.score.weight * (one.level - _low(one.score)),
            effort=one.effort,
            parts=one.parts,
        )

    def _part(self, line: RequirementScore) -> StepPart:
        asked, criterion = self.asked[line.id], self.criteria[line.id.split("/")[0]]
        rule = self._rule(asked)
        probes = sorted(rule.probes() if rule is not None else ())
        sheets = [(probe, self.sheets[probe]) for probe in probes if probe in self.sheets]
        if sheets:
            return self._probed(line, sheets, rule)
        documents = rule.documents() if rule is not None else ()
        return StepPart(
            requirement=line.id,
            text=line.text,
            truth=line.truth,
            how=line.how,
            seen=line.why,
            missing=" ".join(_document_words(one) for one in documents),
            who_acts=criterion.who_acts,
            effort="high" if line.truth == "false" else _effort_of(documents),
            fix=f"Where it is so already, attest it with such a document. Where it is not, bring it about: {line.text}",
            citation=_source_words(criterion),
        )

    def _probed(self, line: RequirementScore, sheets: Sequence[tuple[str, Sheet]], rule: Rule | None) -> StepPart:
        refuted = line.truth == "false"
        named = [(probe, sheet) for probe, sheet in sheets if probe in line.findings] or list(sheets)
        probe, sheet = named[0]
        cited = sheet.citations[0]
        besides = " ".join(_document_words(one) for one in (rule.documents() if rule is not None else ()))
        unsaid = "Let prober see it: nothing was refuted, and what would show it was not to be seen."
        return StepPart(
            requirement=line.id,
            text=line.text,
            truth=line.truth,
            how=line.how,
            seen=line.why,
            missing=f"{sheet.counts}{f' Or a document. {besides}' if besides and not refuted else ''}",
            who_acts=sheet.who_acts if refuted else "provider",
            effort=sheet.remediation.effort if refuted else "low",
            fix=" ".join(dict.fromkeys(one.remediation.text for _, one in named)) if refuted else unsaid,
            citation=f"{cited.guide} {cited.version}, {cited.section}",
            reasons=line.reasons,
            findings=line.findings,
            curl=self._curl(probe),
        )

    def _curl(self, probe: str) -> str | None:
        for run in self.runs:
            finding: Finding | None = run.by_probe.get(probe)
            for citation in finding.verdict.citations if finding is not None else ():
                exchange = run.exchanges.get(citation.exchange)
                if exchange is not None:
                    return curl(exchange)
        return None

    def _other(self, blocking: ConditionScore) -> Step | None:
        """What blocks the label beside levels: a gate, the environment, stale or weak evidence."""
        form = next((one for label in self.model.labels for one in label.conditions if one.id == blocking.id), None)
        levels = form is not None and (form.criteria or form.core or form.block or form.workflows or form.known)
        if levels or (form is not None and (form.core_known or form.core_confidence or form.evidence or _waits(form))):
            return None
        parts = [self._gate_part(*self.gates[id_]) for id_ in blocking.lacking if id_ in self.gates]
        parts += [
            self._evidence_part(self.scores[id_], blocking.text) for id_ in blocking.lacking if id_ in self.scores
        ]
        return Step(
            id=blocking.id if not blocking.lacking or blocking.id != "gate" else f"gate={blocking.lacking[0]}",
            title=blocking.text,
            why=blocking.now,
            gain=0,
            effort=sum(UNITS[one.effort] for one in parts) or 1,
            parts=tuple(parts),
        )

    def _evidence_steps(self, conditions: Iterable[Condition], raises: Sequence[Raise]) -> list[Step]:
        """A step for each condition about the evidence that would fail once the criteria are raised.

        A raise may mend it, and may also break it: what a server shows by itself is E4, and the document that carries
        the next level may be the provider's own. Evidence of a third party also mends the confidence in it.
        """
        raised = {one.score.id: one for one in raises if one.parts}
        mended: set[str] = set()
        found = []
        for condition in sorted(conditions, key=lambda one: one.evidence is None):
            weak = self._weak(condition, raised, mended)
            if weak:
                found.append(self._evidence_step(condition, weak))
            if condition.evidence is not None:
                mended.update(one.id for one in weak)
        return found

    def _weak(self, condition: Condition, raised: Mapping[str, Raise], mended: set[str]) -> list[CriterionScore]:
        """The core criteria whose evidence has to become better: all of low confidence, or the fewest for a share."""
        core = [one for one in self._counting() if one.core]
        if condition.core_confidence is not None:
            least = STEPS.index(condition.core_confidence)
            return [one for one in core if self._confidence(one, raised, mended) < least]
        if condition.evidence is None:
            return []
        weak = [one for one in core if self._class(one, raised) not in condition.evidence.classes]
        resting = sum(one.weight for one in core if one not in weak)
        needed = Fraction(condition.evidence.share) * sum(one.weight for one in core)
        chosen: list[CriterionScore] = []
        for one in sorted(weak, key=lambda one: (self._class(one, raised) is None, -one.weight, one.id)):
            if resting < needed:
                chosen.append(one)
                resting += one.weight
        return sorted(chosen, key=core.index)

    def _evidence_step(self, condition: Condition, weak: Sequence[CriterionScore]) -> Step:
        now = [one.now for one in self.label.blocking if one.id == condition.id]
        parts = tuple(self._evidence_part(one, condition.text) for one in weak)
        return Step(
            id=condition.id,
            title=condition.text,
            why=now[0] if now else "The other steps may rest on documents that nobody but the provider signed.",
            gain=0,
            effort=sum(UNITS[one.effort] for one in parts),
            parts=parts,
        )

    def _class(self, score: CriterionScore, raised: Mapping[str, Raise]) -> EvidenceClass | None:
        """The weakest class that a criterion rests on once it is raised, by the least that its rules ask."""
        one = raised.get(score.id)
        if one is None:
            return score.evidence_class
        classes: list[EvidenceClass] = [_least_class(rule) for _, rule in self._at(score, one.level)]
        return min(classes, default=None)

    def _confidence(self, score: CriterionScore, raised: Mapping[str, Raise], mended: set[str]) -> int:
        """The confidence in a criterion once it is raised and its evidence mended, as a place in STEPS."""
        one = raised.get(score.id)
        if one is None and score.id not in mended:
            return STEPS.index(score.confidence) if score.confidence is not None else len(STEPS)
        class_ = "E3" if score.id in mended else self._class(score, raised)
        seen = any(rule.probes() for _, rule in self._at(score, one.level if one is not None else _low(score)))
        down = (seen and not all(run.history for run in self.runs)) + (
            seen and all(run.run.environment in ("sandbox", "reference") for run in self.runs)
        )
        return BEGINS[class_ or "E0"] - down

    def _at(self, score: CriterionScore, level: int) -> list[tuple[RequirementScore, Rule]]:
        here = [line for line in score.requirements if _level_of(line) == level]
        rules = [(line, self._rule(self.asked[line.id])) for line in here if line.truth != "not_applicable"]
        return [(line, rule) for line, rule in rules if rule is not None]

    def _gate_part(self, score: GateScore, gate: Gate) -> StepPart:
        sheets = [(one, self.sheets[one]) for one in score.findings if one in self.sheets]
        documents = gate.met_by.documents() if gate.met_by is not None else ()
        texts = [sheet.remediation.text for _, sheet in sheets]
        efforts = [sheet.remediation.effort for _, sheet in sheets]
        acting = [sheet.who_acts for _, sheet in sheets]
        untested = score.state == "untested"
        return StepPart(
            requirement=gate.id,
            text=gate.text,
            truth="unknown" if untested else "true",
            how="probed" if sheets else "attested" if documents else "gap",
            seen=score.why,
            missing=" ".join(_document_words(one) for one in documents) or f"It has to hold: {gate.title}.",
            who_acts=acting[0] if acting else "provider",
            effort="low" if untested and sheets else max(efforts, key=lambda one: UNITS[one], default="high"),
            fix=" ".join((*texts, _CLEARS)) if texts and not untested else "Have it tested.",
            citation="This project's own rule: a gate holds a label down and changes no level.",
            findings=score.findings,
            curl=self._curl(score.findings[0]) if score.findings else None,
        )

    def _evidence_part(self, score: CriterionScore, text: str) -> StepPart:
        because = " ".join(score.confidence_because)
        return StepPart(
            requirement=f"{score.id}",
            text=text,
            truth="false",
            how="attested" if score.knowledge == "attested" else "probed",
            seen=f"{score.id} rests on evidence of class {score.evidence_class or 'none'}. {because}".strip(),
            missing="Newer evidence, or evidence of a party other than the provider.",
            who_acts="provider",
            effort="medium",
            fix="Run prober again on other nights, renew the document, or have it confirmed by a third party.",
            citation=_source_words(self.criteria[score.id]),
        )


def _extended(
    best: Mapping[Gains, tuple[Cost, tuple[Raise, ...]]], group: Sequence[Choice], base: Gains, wanted: Gains
) -> dict[Gains, tuple[Cost, tuple[Raise, ...]]]:
    following: dict[Gains, tuple[Cost, tuple[Raise, ...]]] = {}
    for sums, ((steps, effort, ids), taken) in best.items():
        for choice in group:
            more_steps, more_effort, more_ids = choice.cost
            reached = tuple(min(wanted[at], sums[at] + choice.gains[at] - base[at]) for at in range(len(wanted)))
            cost = (steps + more_steps, effort + more_effort, (*ids, *more_ids))
            held = following.get(reached)
            if held is None or cost < held[0]:
                following[reached] = (cost, (*taken, *choice.raises))
    return following


def _gain(condition: Condition, combination: Sequence[Raise], rolled: int | None) -> int:
    """What a combination of raises adds to the sum of one condition, what stands already included."""
    counting = [one for one in combination if not one.score.extension and not one.score.precondition]
    if condition.known is not None:
        return sum(one.score.weight for one in counting if one.known)
    if condition.core is not None:
        return sum(one.score.weight for one in counting if one.score.core and one.level >= condition.core.level)
    if condition.workflows is not None:
        return int(rolled is not None and rolled >= condition.workflows.level)
    if condition.criteria is None:
        return 0
    form = condition.criteria
    return sum(
        one.score.id in form.ids
        and one.level >= form.level
        and not (form.fresh and not one.parts and one.score.freshness != "fresh")
        for one in combination
    )


def _has_series(rule: Rule) -> bool:
    return bool(rule.series or rule.polled()) or any(_has_series(one) for one in (*(rule.all or ()), *(rule.any or ())))


def _level_of(line: RequirementScore) -> int:
    return int(line.id.split("/")[1][1])


def _left(score: CriterionScore, level: int) -> bool:
    """Whether a level has any requirement left: one with none is never reached, and nor is any above it."""
    return any(line.truth != "not_applicable" for line in score.requirements if _level_of(line) == level)


def _waits(condition: Condition) -> bool:
    """Whether a condition asks for time, or for more of the server to be tested, rather than for a step."""
    return condition.no_gate_for_days is not None or condition.gap_at_most is not None


def _low(score: CriterionScore) -> int:
    return score.level.low if score.level is not None else 0


def _ceiling(share: Fraction) -> int:
    return -(-share.numerator // share.denominator)


def _effort_of(documents: Sequence[Attested]) -> Effort:
    """A statement or policy is little work, an operational record more, a third party's word the most."""
    weakest = min((one.classes[0] for one in documents), default="E2")
    return "low" if weakest in ("E0", "E1") else "medium" if weakest == "E2" else "high"


def _least_class(rule: Rule) -> EvidenceClass:
    """The weakest class of evidence by which a rule can be true; what prober sees itself is E4."""
    classes: list[EvidenceClass] = [one.classes[0] for one in rule.documents()]
    return "E4" if rule.probes() else min(classes, default="E4")


def _document_words(one: Attested) -> str:
    bounds = [
        f"{name.rsplit('_at_', 1)[0].replace('_', ' ')} at {name.rsplit('_at_', 1)[1]} {value}"
        for name, value in one.values.items()
    ]
    classes = ", ".join(class_ for class_ in one.classes if class_ != "E0")
    stated = f" It states {', '.join(bounds)}." if bounds else ""
    return f"{one.document.rstrip('.')} (class {classes}).{stated}"


def _source_words(criterion: Criterion) -> str:
    source = criterion.sources[0]
    return f"{source.ref} ({source.status.replace('_', ' ')}{', unverified' if source.unverified else ''})"
