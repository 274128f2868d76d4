"""What the three OSCAL documents have in common: metadata, properties, and the UUIDs by which they find each other."""

from collections.abc import Iterable
from typing import Any

from prober.export.bundle import subjects
from prober.export.names import named
from prober.export.oscal.controls import RuleBook
from prober.export.text import clean, first_moment
from prober.nouns.run import Run
from prober.render.disclaimer import DISCLAIMER
from prober.render.report import Report

VERSION = "1.2.1"
NAMESPACE = "urn:prober:oscal"
"""The namespace of prober's own properties (OSCAL, prop/@ns)."""


def metadata(title: str, book: RuleBook, report: Report) -> dict[str, Any]:
    """The metadata of a document. It was last changed when the evidence was scored: no clock is asked."""
    return {
        "title": clean(title),
        "last-modified": as_of(report),
        "version": clean(f"{book.id} {book.version}"),
        "oscal-version": VERSION,
        "props": [prop("rule-book", book.id), prop("rule-book-version", book.version)],
        "remarks": DISCLAIMER,
    }


def as_of(report: Report) -> str:
    """The instant of the score."""
    return first_moment(report.card.as_of, *(one.run.started for one in report.subjects))


def prop(name: str, value: str) -> dict[str, str]:
    """A property of prober's own."""
    return {"name": name, "ns": NAMESPACE, "value": clean(value)}


def props(pairs: Iterable[tuple[str, str | None]]) -> list[dict[str, str]]:
    """Properties of those pairs that have a value."""
    return [prop(name, value) for name, value in pairs if value]


def catalog_uuid(book: RuleBook, report: Report) -> str:
    """The catalog of a rule book, as it was last changed: OSCAL wants another UUID for another content."""
    return named("oscal catalog", book.digest, as_of(report))


def plan_uuid(book: RuleBook, report: Report) -> str:
    """The assessment plan of these runs."""
    return named("oscal plan", book.digest, *_runs(report))


def results_uuid(book: RuleBook, report: Report) -> str:
    """The results of these runs as of an instant."""
    return named("oscal results", book.digest, as_of(report), *_runs(report))


def component_uuid(run: Run) -> str:
    """The FHIR base that a run asked."""
    return named("oscal component", run.subject)


def tool_uuid(report: Report) -> str:
    """Prober itself, in the version or versions that made the runs."""
    return named("oscal tool", *tools(report))


def tools(report: Report) -> list[str]:
    """The versions of prober that made the runs."""
    return sorted({one.run.tool.prober for one in report.subjects})


def _runs(report: Report) -> list[str]:
    return [one.run.id for one in subjects(report)]
