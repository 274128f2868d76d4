"""How much of a long test the quick command runs, and how the deep one runs all of it.

A test that has many rows runs some of them in `scripts/test` and the others in `scripts/test-deep`. A property is tried
on some examples in the first and on all that its test asks for in the second, which sets PROBER_SAMPLES=whole.
"""

import os
from collections.abc import Iterable
from typing import Any

import pytest

DEEP = pytest.mark.deep
_WHOLE = os.environ.get("PROBER_SAMPLES") == "whole"


def examples(whole: int) -> int:
    """How many examples of a property are tried now: all in the deep tests, a few in the quick ones."""
    return whole if _WHOLE else max(5, whole // 5)


def some(values: Iterable[Any], *, every: int) -> list[Any]:
    """The values as parameters, each `every`-th of them quick and the others deep."""
    return [pytest.param(value, marks=() if number % every == 0 else DEEP) for number, value in enumerate(values)]


def some_rows(rows: Iterable[tuple[Any, ...]], *, every: int) -> list[Any]:
    """The rows of several values as parameters, each `every`-th of them quick and the others deep."""
    return [pytest.param(*row, marks=() if number % every == 0 else DEEP) for number, row in enumerate(rows)]
