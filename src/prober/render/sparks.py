"""Small charts of one line of characters: a column for each value, a mark for a gap, a bar for a break."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Value = int | Fraction | None


@dataclass(frozen=True)
class Ink:
    """The characters that a terminal can show."""

    steps: str
    gap: str
    broken: str


BLOCKS = Ink("▁▂▃▄▅▆▇█", "·", "┊")
PLAIN = Ink("12345678", ".", "|")


def ink_for(encoding: str | None) -> Ink:
    """Blocks where the encoding has them, else digits."""
    try:
        f"{BLOCKS.steps}{BLOCKS.gap}{BLOCKS.broken}".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return BLOCKS


def spark(
    values: Sequence[Value], ink: Ink, *, low: Value = None, high: Value = None, breaks: Sequence[int] = ()
) -> str:
    """A column for each value between `low` and `high` (else the least and the greatest one); None is a gap.

    Before each place in `breaks` a bar is drawn: what stands left of it is not to be compared with what follows. Where
    all values are the same, the columns are full, since nothing is less than anything; nothing at all is the lowest.
    """
    known = [one for one in values if one is not None]
    least = low if low is not None else min(known, default=0)
    most = high if high is not None else max(known, default=0)
    drawn = []
    for place, value in enumerate(values):
        drawn += [ink.broken] if place in breaks else []
        drawn.append(ink.gap if value is None else _step(value, least, most, ink))
    return "".join(drawn)


def _step(value: int | Fraction, least: int | Fraction, most: int | Fraction, ink: Ink) -> str:
    last = len(ink.steps) - 1
    if most <= least:
        return ink.steps[last if value else 0]
    place = Fraction(value - least) / Fraction(most - least) * last
    return ink.steps[max(0, min(last, round(place)))]
