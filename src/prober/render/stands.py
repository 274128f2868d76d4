"""Where a provider stands in the proposal, for the first page in the terminal."""

from collections import Counter

from prober.nouns.scorecard import MaturityScore
from prober.render import words
from prober.render.disclaimer import DISCLAIMER
from prober.render.guide import step_lines, why_not_lines
from prober.render.lines import Lines
from prober.render.view import View

MOST_LACKING = 6
MOST_SWAPS = 3
MOST_ATTESTATIONS = 8


def proposal(view: View, lines: Lines) -> list[list[str]]:
    """Points, then the label and what blocks the next one, the first steps, and what does not agree or expires."""
    maturity = view.card.maturity
    if maturity is None:
        return []
    blocks = [
        _points(view, maturity, lines),
        _label(view, lines),
        _left_out(view, lines),
        _steps(view, maturity, lines),
        _gates(view, lines),
        _conflicts(view, lines),
        _attestations(view, lines),
        _expiring(view, lines),
    ]
    return [*blocks, _swaps(maturity, lines)]


def _points(view: View, maturity: MaturityScore, lines: Lines) -> list[str]:
    rows = [["", "points", "extensions", "known", "floor"]]
    rows += [
        [
            one.title,
            words.interval(one.points),
            words.interval(one.extension_points),
            f"{one.known}/{one.applicable}",
            words.floor(one.floor),
        ]
        for one in maturity.blocks
    ]
    rows.append(["Together", words.interval(maturity.points), "", "", ""])
    block = [
        *lines.text(words.LEADS if view.leads else words.FOLLOWS),
        *lines.text(DISCLAIMER),
        *lines.table(rows),
        *lines.text(f"Known of what counts: {words.coverage_text(maturity.coverage)}."),
    ]
    equal = words.sensitivity(maturity.points_equal_blocks)
    return [*block, *lines.text(equal)] if equal else block


def _label(view: View, lines: Lines) -> list[str]:
    block = lines.pairs(view.label_facts)
    if not view.blocking or view.label is None:
        return block
    block += lines.text(words.blocks(view.label))
    for one in view.blocking:
        named = words.lacking(one, MOST_LACKING)
        block += lines.row("  - ", f"{one.text} Now: {one.now}{f' Lacking: {named}.' if named else ''}")
    return block


def _left_out(view: View, lines: Lines) -> list[str]:
    if not view.core_left_out:
        return []
    block = lines.text(words.CORE_LEFT_OUT)
    for one in view.core_left_out:
        block += lines.row("  - ", f"{one.title} ({one.id}). {one.not_applicable_because or ''}".rstrip())
    return block


def _steps(view: View, maturity: MaturityScore, lines: Lines) -> list[str]:
    if maturity.next is None or not (view.steps or view.why_not):
        return []
    first = view.steps[: words.STEPS_IN_FULL]
    block = lines.text(words.steps_heading(maturity.next))
    for position, one in enumerate(first, 1):
        block += step_lines(position, one.step, lines)
    if len(view.steps) > len(first):
        more = words.number(len(view.steps) - len(first), "more step")
        block += lines.text(f"And {more}; `prober next` tells all of them.")
    return [*block, *why_not_lines(maturity.next, lines)]


def _gates(view: View, lines: Lines) -> list[str]:
    if not view.gates:
        return []
    held = Counter(gate.state for gate in view.gates)
    counted = "; ".join(f"{count} {state}" for state, count in held.items())
    block = lines.text(f"Gates: {counted}. {words.UNTESTED_GATE}")
    for one in view.gates:
        if one.score.state in words.FIRING:
            held_down = f"; {words.cap(one.score)}" if one.score.cap else ""
            said = f"{one.score.title} ({one.score.id}): {one.state}{held_down}. {one.score.why}"
            block += lines.row("  - ", f"{said} {words.last_seen(one.score)}".rstrip())
    return block


def _conflicts(view: View, lines: Lines) -> list[str]:
    if not view.conflicts:
        return []
    block = lines.text(words.CONFLICTS)
    for one in view.conflicts:
        block += lines.row("  - ", f"{one.score.title} ({one.score.id})")
        for line in one.requirements:
            block += lines.text(f"{line.id}: {words.TRUTH[line.truth]}{words.marks(line)}. {line.why}", indent=4)
    return block


def _attestations(view: View, lines: Lines) -> list[str]:
    """How many count and how many nobody inspected; by name only those that do not count."""
    if not view.attestations:
        return []
    told = [one.line for one in view.attestations]
    held = Counter(words.ATTESTATION[one.state] for one in told)
    counted = "; ".join(f"{count} {state}" for state, count in held.items())
    unseen = sum(one.inspected is None for one in told)
    block = lines.text(f"Attestations: {counted}. Not inspected: {unseen} of {len(told)}.")
    others = [one for one in told if one.state != "counts"]
    for one in others[:MOST_ATTESTATIONS]:
        said = f"{one.title} ({one.kind}, class {one.class_}, by {one.issuer}; {words.inspected(one)})"
        block += lines.row("  - ", f"{one.id}: {said}: {words.became(one)}")
    more = len(others) - MOST_ATTESTATIONS
    return [*block, f"  - and {more} more"] if more > 0 else block


def _expiring(view: View, lines: Lines) -> list[str]:
    if not view.expiring:
        return []
    block = lines.text("What expires next")
    for one in view.expiring[: words.SOONEST]:
        block += lines.row("  - ", f"{one.day}: {one.what} ({one.id}), {one.now}")
    more = len(view.expiring) - words.SOONEST
    return [*block, f"  - and {more} more later"] if more > 0 else block


def _swaps(maturity: MaturityScore, lines: Lines) -> list[str]:
    block = [line for one in maturity.swaps[:MOST_SWAPS] for line in lines.text(words.swap(one))]
    more = len(maturity.swaps) - MOST_SWAPS
    return [*block, *lines.text(words.more_swaps(more))] if more > 0 else block
