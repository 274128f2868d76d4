"""Small bars drawn by hand as SVG: patterns tell the parts apart, a title says the numbers, a table stands beside."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from prober.nouns.scorecard import Interval

LEVELS = 4
FULL = 100


def stacked(parts: Sequence[tuple[str, int]], title: str) -> str:
    """A bar of parts, each a style's name and a count, over the whole width. The parts sum to the whole."""
    whole = sum(count for _, count in parts)
    edges = [0]
    for _, count in parts:
        edges.append(edges[-1] + count)
    rects = [
        _rect(style, start, end, whole)
        for (style, _), (start, end) in zip(parts, pairwise(edges), strict=True)
        if end > start
    ]
    return _svg("bar", title, rects)


def ranged(points: Interval | None, title: str) -> str:
    """A bar from 0 to 100: solid up to what is sure, patterned up to what is possible."""
    rects = []
    if points is not None:
        spans = (("sure", 0, points.low), ("maybe", points.low, points.high))
        rects = [_rect(style, start, end, FULL) for style, start, end in spans if end > start]
    return _svg("bar", title, rects)


def ladder(level: Interval | None, title: str) -> str:
    """Four rungs: solid where the level is sure, patterned where it is possible, empty where it is neither."""
    rects = []
    for rung in range(1, LEVELS + 1):
        style = "none" if level is None or rung > level.high else "sure" if rung <= level.low else "maybe"
        rects.append(f'<rect class="{style}" x="{(rung - 1) * 17 + 1}" y="1" width="14" height="10"/>')
    return _svg("ladder", title, rects, ' width="68" height="12"')


def squares(days: Sequence[tuple[str, str]], title: str, offset: int = 0) -> str:
    """A square for each day, with a title of its own, on a line of 31; the first stands `offset` squares to the right.

    `none` is an empty one: a day on which nobody looked.
    """
    drawn = [
        f'<g><title>{escape(words)}</title><rect class="{style}" x="{(offset + place) * _STEP + 1}" y="1" '
        f'width="{_STEP - 3}" height="{_STEP - 3}"/></g>'
        for place, (style, words) in enumerate(days)
    ]
    return _svg("days", title, drawn, f' viewBox="0 0 {31 * _STEP} {_STEP}"')


_STEP = 16


def swatch(style: str) -> str:
    """A square of a style, for legends; the words stand beside it."""
    return f'<svg class="swatch" aria-hidden="true" width="12" height="12"><rect class="{style}" {_WHOLE}/></svg>'


PATTERNS = (
    '<svg class="patterns" aria-hidden="true" width="0" height="0"><defs>'
    '<pattern id="p-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="p-back" width="6" height="6"/><rect class="p-refuted" width="3" height="6"/></pattern>'
    '<pattern id="p-dots" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect class="p-back" width="6" height="6"/><circle class="p-unknown" cx="3" cy="3" r="1.4"/></pattern>'
    '<pattern id="p-lines" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<rect class="p-back" width="5" height="5"/><rect class="p-shown" width="1.2" height="5"/></pattern>'
    '<pattern id="p-bands" width="4" height="4" patternUnits="userSpaceOnUse">'
    '<rect class="p-back" width="4" height="4"/><rect class="p-shown" width="4" height="2.4"/></pattern>'
    "</defs></svg>"
)
"""The patterns of all bars, once for each page."""

_WHOLE = 'width="100%" height="100%"'


def _rect(style: str, start: int, end: int, whole: int) -> str:
    return f'<rect class="{style}" x="{_percent(start, whole)}" width="{_percent(end - start, whole)}" height="100%"/>'


def _percent(part: int, whole: int) -> str:
    hundredths = part * 10_000 // whole
    return f"{hundredths // 100}.{hundredths % 100:02d}%"


def _svg(style: str, title: str, rects: Sequence[str], size: str = "") -> str:
    return f'<svg class="{style}" role="img"{size}><title>{escape(title)}</title>{"".join(rects)}</svg>'
