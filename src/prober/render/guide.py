"""What the terminal tells a provider that wants to rise: the steps to the next label, and the ladder of a criterion.

Each text is one block about the proposal, so the disclaimer stands at its head, always and once.
"""

from prober.nouns.model import Criterion, Requirement
from prober.nouns.scorecard import CriterionScore, LabelScore, NextSteps, RequirementScore, Step, StepPart
from prober.render import words
from prober.render.disclaimer import DISCLAIMER
from prober.render.lines import Lines, whole
from prober.render.visible import visible


def next_text(steps: NextSteps, label: LabelScore, width: int) -> str:
    """Every step to the next label, with what was seen, what is missing, who acts and what to do."""
    lines = Lines(width)
    blocks = [_standing(steps, label, lines), lines.text(DISCLAIMER)]
    blocks += [step_lines(position, one, lines) for position, one in enumerate(steps.steps, 1)]
    return whole([*blocks, why_not_lines(steps, lines)])


def step_lines(position: int, step: Step, lines: Lines) -> list[str]:
    """One step with all of its parts."""
    block = lines.row(f"{position}. ", step.title)
    block += lines.text(f"Why: {step.why}", indent=3)
    block += lines.text(f"Gain: {words.gain(step)}.", indent=3)
    for part in step.parts:
        block += _part(part, lines)
    return block


def why_not_lines(steps: NextSteps, lines: Lines) -> list[str]:
    """What no step of the provider can mend now; nothing where every step is open."""
    if not steps.why_not:
        return []
    block = lines.text(words.WHY_NOT)
    return [*block, *(line for one in steps.why_not for line in lines.row("  - ", one))]


def criterion_text(criterion: Criterion, score: CriterionScore | None, width: int) -> str:
    """What a criterion is about, where it comes from, and its ladder; with a score also where the provider stands."""
    lines = Lines(width)
    blocks = [
        [*lines.text(f"{criterion.title} ({criterion.id})"), *lines.text(criterion.intent)],
        lines.text(DISCLAIMER),
        _facts(criterion, lines),
        _sources(criterion, lines),
    ]
    if score is not None:
        blocks.append(_position(score, lines))
    said = {one.id: one for one in score.requirements} if score is not None else {}
    for level, asked in sorted(criterion.levels.items()):
        block = lines.text(f"Level {level}{_reached(level, score)}")
        for one in asked:
            block += _requirement(one, said.get(one.id), lines)
        blocks.append(block)
    return whole(blocks)


def _standing(steps: NextSteps, label: LabelScore, lines: Lines) -> list[str]:
    pairs = [("Label now", f"{label.shown}. {label.meaning}")]
    if steps.target is None:
        return lines.pairs([*pairs, ("Above it", f"{words.HIGHEST}.")])
    count = words.number(len(steps.steps), "step")
    can = (
        f"It can be reached with {count}."
        if steps.reachable
        else f"It cannot be reached now, for the reasons at the end; {count} can be taken towards it."
    )
    pairs.append(("Above it", f"{steps.target}. {can}"))
    if not steps.steps:
        return lines.pairs(pairs)
    return lines.pairs([*pairs, ("Order", words.ORDER)])


def _part(part: StepPart, lines: Lines) -> list[str]:
    block = lines.row("   - ", f"{part.text} ({part.requirement})")
    block += lines.text(f"Seen: {part.seen}", indent=5)
    block += lines.text(f"Missing: {part.missing}", indent=5)
    block += lines.text(f"Who acts: {words.WHO[part.who_acts]}. Effort: {part.effort}.", indent=5)
    block += lines.text(f"To do: {part.fix}", indent=5)
    for reason in part.reasons:
        block += lines.text(f"What would resolve it: {words.MEANING[reason]} {words.REMEDY[reason]}", indent=5)
    block += lines.text(f"Rests on: {part.citation}", indent=5)
    return [*block, f"     {visible(part.curl)}"] if part.curl else block


def _facts(criterion: Criterion, lines: Lines) -> list[str]:
    document = "None; only what prober sees counts." if criterion.document == "-" else criterion.document
    pairs = [
        ("Counts as", f"{words.kind_of(criterion)}; weight {criterion.weight} in the block {criterion.block}"),
        ("Applies", criterion.applies),
        ("Document", document),
        ("Grows old", "; ".join(words.ROW.get(row, row) for row in criterion.freshness)),
        ("Who acts", words.WHO[criterion.who_acts]),
    ]
    pairs += [("Facet", f"{title} ({facet})") for facet, title in criterion.facets.items()]
    return lines.pairs(pairs)


def _sources(criterion: Criterion, lines: Lines) -> list[str]:
    block = ["Comes from"]
    for one in criterion.sources:
        mark = "; unverified, not read in a primary text" if one.unverified else ""
        block += lines.row("  - ", f"{one.ref} ({words.NORM[one.status]}, as of {one.as_of}{mark}): {one.text}")
    return block


def _position(score: CriterionScore, lines: Lines) -> list[str]:
    if not score.applies:
        return lines.pairs([("Here", f"It does not apply. {score.not_applicable_because or ''}".rstrip())])
    pairs = [("Here", f"{score.state}, {words.span(score.level)}"), ("Known how", words.how_known(score))]
    if score.confidence:
        pairs.append(("Confidence", words.trust(score)))
    if score.freshness:
        pairs.append(("Freshness", words.age(score)))
    if score.conflict:
        pairs.append(("Conflict", words.CONFLICT))
    pairs += [("Facet", f"{one.title}: {one.state}, {words.span(one.level)}") for one in score.facets]
    return lines.pairs([*pairs, ("Next step", score.next_step)] if score.next_step else pairs)


def _reached(level: int, score: CriterionScore | None) -> str:
    if score is None or score.level is None:
        return ""
    reached = level <= score.level.low
    return ": surely reached" if reached else ": possible" if level <= score.level.high else ": not reached"


def _requirement(asked: Requirement, said: RequirementScore | None, lines: Lines) -> list[str]:
    facet = f", for the facet {asked.facet}" if asked.facet else ""
    block = lines.row("  - ", f"{asked.text} ({asked.id}{facet})")
    block += lines.text(f"Decided by: {words.decided_by(asked, asked.met_by)}", indent=4)
    if asked.conditional:
        block += lines.text("Where there is no occasion for it, it is passed over.", indent=4)
    if asked.ceiling is not None and asked.how == "attested":
        block += lines.text(f"A document carries it to level {asked.ceiling} at most.", indent=4)
    if asked.elsewhere is not None:
        other = asked.elsewhere
        block += lines.text(f"Outside {words.listed(other.countries)}, instead of {other.norm}: {other.text}", indent=4)
        block += lines.text(f"Decided there by: {words.decided_by(asked, other.met_by or asked.met_by)}", indent=4)
    if said is not None:
        block += lines.text(f"Here: {words.TRUTH[said.truth]}{words.marks(said)}. {said.why}", indent=4)
    return block
