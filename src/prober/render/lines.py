"""Plain text in lines of a width, and the disclaimer in every block of it that needs one."""

import textwrap
from collections.abc import Iterable, Sequence

from prober.render.disclaimer import DISCLAIMER, claims, disclaimed
from prober.render.visible import shortened, visible

NARROWEST, WIDEST = 40, 120


class Lines:
    """Text broken into lines of a width. Every string passes `visible` on its way."""

    def __init__(self, width: int) -> None:
        self.width = max(NARROWEST, min(width, WIDEST))

    def text(self, text: str, indent: int = 0) -> list[str]:
        """A paragraph."""
        return self.row(" " * indent, text)

    def row(self, head: str, text: str) -> list[str]:
        """A paragraph that hangs beside its head."""
        head = visible(head)
        return textwrap.wrap(
            shortened(visible(text)),
            self.width,
            initial_indent=head,
            subsequent_indent=" " * min(len(head), self.width // 2),
            break_long_words=False,
            break_on_hyphens=False,
        ) or [head.rstrip()]

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Names and what they stand for, in two columns."""
        longest = max(len(name) for name, _ in pairs)
        return [line for name, text in pairs for line in self.row(f"{name:<{longest}}  ", text)]

    def table(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """Rows with a head: the first column to the left, the others to the right."""
        shown = [[visible(cell) for cell in row] for row in rows]
        widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
        return [
            "  ".join(
                cell.ljust(wide) if column == 0 else cell.rjust(wide)
                for column, (cell, wide) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in shown
        ]


def joined(blocks: Iterable[list[str]], lines: Lines) -> str:
    """Blocks with a blank line between them; each that needs the disclaimer gets it."""
    return whole(guarded(block, lines) for block in blocks)


def whole(blocks: Iterable[list[str]]) -> str:
    """Blocks with a blank line between them."""
    return "\n\n".join("\n".join(block) for block in blocks if block)


def guarded(block: list[str], lines: Lines) -> list[str]:
    """The block, with the disclaimer below it if its words need it."""
    text = "\n".join(block)
    return [*block, *lines.text(DISCLAIMER)] if claims(text) and not disclaimed(text) else block
