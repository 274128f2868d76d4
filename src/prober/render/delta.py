"""The differences of two runs as text for a terminal and as Markdown for a pull request: regressions first."""

from collections.abc import Sequence

from prober.nouns.facts import Change, Delta, Judgement, Side
from prober.render.disclaimer import DISCLAIMER, claims, disclaimed
from prober.render.lines import Lines, joined
from prober.render.markup import code, plain, table
from prober.render.visible import shortened

JUDGED: tuple[Judgement, ...] = ("regression", "improvement", "neutral")
_HEADINGS: dict[Judgement, str] = {
    "regression": "For the worse",
    "improvement": "For the better",
    "neutral": "Neither",
}
MOST_CRITERIA = 6
MOST_VALUE = 200
MOST_ROWS = 100
"""Rows of one table of a comment: what reads comments cuts long ones."""


def terminal(delta: Delta, notes: Sequence[str], width: int) -> str:
    """Every change with its criteria, both values, and where the proof of both lies."""
    lines = Lines(width)
    head = [*lines.text(f"{delta.subject}: {counted(delta)}"), *(line for note in notes for line in lines.text(note))]
    blocks = [head]
    for judgement in JUDGED:
        changes = [one for one in delta.changes if one.judgement == judgement]
        if changes:
            blocks.append([f"{_HEADINGS[judgement]}:", *(line for one in changes for line in _change(one, lines))])
    if delta.not_compared:
        blocks.append(lines.text(f"Not compared, since not both runs could look: {', '.join(delta.not_compared)}."))
    return joined(blocks, lines)


def markdown(delta: Delta, notes: Sequence[str]) -> str:
    """The same as a comment on a pull request. What only the authorization's contact may be told is counted alone."""
    public = [one for one in delta.changes if not one.private]
    blocks = [["### What changed", "", f"{plain(delta.subject)}: {counted(delta)}"]]
    blocks += [[plain(note)] for note in notes]
    for judgement in JUDGED:
        changes = [one for one in public if one.judgement == judgement]
        if changes:
            blocks.append([f"#### {_HEADINGS[judgement]}", *table(_COLUMNS, map(_row, changes[:MOST_ROWS]))])
            if len(changes) > MOST_ROWS:
                blocks.append([f"There are {len(changes) - MOST_ROWS} more."])
    if len(public) < len(delta.changes):
        count = len(delta.changes) - len(public)
        blocks.append([f"Changes that are told to the contact of the authorization alone: {count}."])
    if delta.not_compared:
        blocks.append([f"Not compared, since not both runs could look: {plain(', '.join(delta.not_compared))}."])
    return "\n\n".join("\n".join(_guarded(block)) for block in blocks) + "\n"


def counted(delta: Delta) -> str:
    """One sentence about how much changed."""
    if not delta.changes:
        return "nothing changed."
    counts = {judgement: sum(one.judgement == judgement for one in delta.changes) for judgement in JUDGED}
    return (
        f"{_number(len(delta.changes))}: {counts['regression']} for the worse, {counts['improvement']} for the better, "
        f"{counts['neutral']} neither."
    )


_COLUMNS = ("What", "Criteria", "Before", "After")


def _number(count: int) -> str:
    return "one change" if count == 1 else f"{count} changes"


def _change(one: Change, lines: Lines) -> list[str]:
    told = [*lines.row("  - ", one.what)]
    if one.private:
        told += lines.text("To be told to the contact of the authorization alone.", 4)
    if one.returned is not None:
        told += lines.text(f"It is again as the run {one.returned} saw it.", 4)
    if one.criteria:
        told += lines.row("    criteria: ", _criteria(one.criteria))
    return [*told, *lines.row("    before: ", _side(one.before)), *lines.row("    after:  ", _side(one.after))]


def _side(side: Side) -> str:
    value = "not there" if side.value is None else shortened(side.value, MOST_VALUE)
    proof = f", exchange {side.exchange}" if side.exchange else ""
    pointer = f" at {side.pointer}" if side.pointer else ""
    return f"{value} (run {side.run}{proof}{pointer})"


def _criteria(criteria: Sequence[str]) -> str:
    more = f" and {len(criteria) - MOST_CRITERIA} more" if len(criteria) > MOST_CRITERIA else ""
    return ", ".join(criteria[:MOST_CRITERIA]) + more


def _row(one: Change) -> tuple[str, ...]:
    back = f" It is again as the run {one.returned} saw it." if one.returned is not None else ""
    return (plain(one.what + back), plain(_criteria(one.criteria)), _cell(one.before), _cell(one.after))


def _cell(side: Side) -> str:
    value = "not there" if side.value is None else code(shortened(side.value, MOST_VALUE))
    return f"{value}<br>exchange {code(f'{side.exchange}{side.pointer}')}" if side.exchange else value


def _guarded(block: list[str]) -> list[str]:
    text = "\n".join(block).replace("\\", "")
    return [block[0], "", f"> {DISCLAIMER}", *block[1:]] if claims(text) and not disclaimed(text) else block
