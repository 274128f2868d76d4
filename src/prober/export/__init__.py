"""Evidence in, bytes out: findings and scores in the formats that other people's tools read."""

from collections.abc import Callable, Mapping, Sequence

from prober.export import badge, har, junit, oscal, prometheus, sarif, tables, testreport
from prober.nouns.model import Model
from prober.render.report import Report

_MAKERS: Mapping[str, Callable[[Report, Sequence[Model]], dict[str, bytes]]] = {
    "oscal": oscal.exported,
    "sarif": sarif.exported,
    "junit": junit.exported,
    "csv": tables.exported,
    "testreport": testreport.exported,
    "har": har.exported,
    "prometheus": prometheus.exported,
}
EXPORTS: tuple[str, ...] = (*_MAKERS, "badge")
"""The names of the exports. docs/exports.md says what each is for."""


def exported(kind: str, report: Report, models: Sequence[Model], *, released: bool = True) -> dict[str, bytes]:
    """The files of one export, by name. The same evidence gives the same bytes: no clock, no chance.

    `models` are those that the scorecard was made with. `released` says whether the rules are those of a released
    version; only the badge shows it. Raises ValueError for a kind that is not in EXPORTS, for a rule book that was not
    given, and where the evidence names no time at all.
    """
    if kind == "badge":
        return badge.exported(report, released=released)
    if kind not in _MAKERS:
        raise ValueError(f"There is no export {kind!r}; there are {', '.join(EXPORTS)}.")
    return _MAKERS[kind](report, models)
