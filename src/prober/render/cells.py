"""Tables as CSV (RFC 4180) that a spreadsheet opens without taking any cell for a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

_FORMULA = re.compile(r"\s*[=+\-@\t\r\n\x00\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet may read as a formula or a command (CWE-1236), blanks before it included."""
_NUMBER = re.compile(r"-[0-9]+(\.[0-9]+)?")


def guarded(text: str) -> str:
    """The text with an apostrophe before it if a spreadsheet could take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, figures: bool = False) -> bytes:
    """The table, every cell of it in quotes. In a table of `figures`, prober's own, a negative number stays one."""
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([cell if figures and _NUMBER.fullmatch(cell) else guarded(cell) for cell in row] for row in rows)
    return written.getvalue().encode("utf-8", "replace")
