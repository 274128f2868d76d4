"""The differences of two runs as text for a terminal and as Markdown for a pull request: regressions first."""

from collections.abc import Sequence

from prober.nouns.facts import Change, Delta, Judgement, Side
from prober.render.disclaimer import DISCLAIMER, claims, disclaimed
from prober.render.lines import Lines, joined
from prober.render.markup import plain, table
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
            shown, grouped = _grouped(changes)
            told = [line for one in shown for line in _change(one, lines)]
            told += [line for text in grouped for line in lines.row("  - ", text)]
            blocks.append([f"{_HEADINGS[judgement]}:", *told])
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
            shown, grouped = _grouped(changes)
            rows = table(_COLUMNS, map(_row, shown[:MOST_ROWS])) if shown else []
            blocks.append([f"#### {_HEADINGS[judgement]}", *rows])
            blocks += [[plain(text)] for text in grouped]
            if len(shown) > MOST_ROWS:
                blocks.append([f"There are {len(shown) - MOST_ROWS} more."])
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


def _grouped(changes: Sequence[Change]) -> tuple[list[Change], list[str]]:
    """What is told one by one, and the sentences about what a night with little sight leaves open, by its reason."""
    unsure: dict[str, list[str]] = {}
    shown = []
    for one in changes:
        area, _, name = one.key.partition("/")
        word, colon, reason = (one.after.value or "").partition(": ")
        if one.judgement == "neutral" and area == "finding" and word == "unknown" and colon:
            unsure.setdefault(f"These could not be told ({reason})", []).append(name)
        elif one.judgement == "neutral" and area == "criterion" and ".." in (one.after.value or ""):
            unsure.setdefault("Of these levels something else is sure now", []).append(
                f"{name} {one.before.value} → {one.after.value}"
            )
        else:
            shown.append(one)
    return shown, [f"{what}: {', '.join(names)}." for what, names in unsure.items()]


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
    value = "not there" if side.value is None else plain(shortened(side.value, MOST_VALUE))
    pointer = f" at {plain(side.pointer)}" if side.pointer else ""
    return f"{value}<br>exchange {plain(side.exchange)}{pointer}" if side.exchange else value


def _guarded(block: list[str]) -> list[str]:
    text = "\n".join(block).replace("\\", "")
    return [block[0], "", f"> {DISCLAIMER}", *block[1:]] if claims(text) and not disclaimed(text) else block
