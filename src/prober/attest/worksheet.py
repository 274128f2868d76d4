"""The worksheet: the questions that a provider still has open and that a document can answer, ready to be filled in."""

import csv
import io
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prober.attest.book import Asked, Book
from prober.attest.words import CLASSES, KINDS, bounds, either, lasting, plain
from prober.documents.fitting import FORMS, kinds_for
from prober.handwriting import TO_FILL_IN
from prober.nouns.attestation import DocumentKind
from prober.nouns.model import Criterion, Level

WIDTH = 116
GUIDE = ("requirement", "question", "document", "kinds", "classes", "states", "lasts")
"""The columns of the spreadsheet that say what is asked; an import reads the first of them and no other."""
TO_FILL = (
    *("id", "claim", "answer", "kind", "class", "issuer", "signer_role", "issued", "period_start", "period_end"),
    *("valid_until", "entity", "bases", "values", "title", "file", "sha256", "public", "third_party"),
)
"""The columns that a person fills in. A row in which all of them are empty stays a question."""


@dataclass(frozen=True)
class Standing:
    """Where a provider stands: the level of each criterion, what is settled, and what does not apply, with why."""

    levels: Mapping[str, int] = field(default_factory=dict)
    settled: frozenset[str] = frozenset()
    not_applicable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """A requirement that is open, with the kinds of document that may answer it."""

    asked: Asked
    criterion: Criterion
    level: Level
    kinds: tuple[DocumentKind, ...]


def questions(book: Book, standing: Standing, *, up_to: Level) -> tuple[Question, ...]:
    """What is open in the criteria that apply: each level above the present one, through `up_to`."""
    return tuple(
        Question(asked, asked.criterion, asked.level, kinds)
        for asked in book.asked.values()
        if asked.criterion is not None
        and asked.level is not None
        and (kinds := kinds_for(asked.criterion, asked.wanted))
        and asked.wanted
        and asked.criterion.id not in standing.not_applicable
        and asked.id not in standing.settled
        and standing.levels.get(asked.criterion.id, 0) < asked.level <= up_to
    )


def as_yaml(open_: Sequence[Question], book: Book, standing: Standing, *, entity: str | None) -> str:
    """The worksheet as a file of attestations that is valid and empty: every block in it is a comment."""
    rows = [*_head(book), "schema: prober/attestations/1", "attestations:"]
    criterion = None
    for one in open_:
        if one.criterion is not criterion:
            criterion = one.criterion
            rows += ["", *_about(criterion, standing)]
        rows += ["##", *_question(one, book), *_form(one, entity)]
    if not open_:
        rows += ["## Nothing is open that a document could answer."]
    return "\n".join(rows) + "\n"


def as_csv(open_: Sequence[Question], book: Book) -> str:
    """The same questions as a spreadsheet, a row each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*GUIDE, *TO_FILL))
    for one in open_:
        guide = (
            one.asked.id,
            one.asked.text,
            " Or: ".join(dict.fromkeys(rule.document for rule in one.asked.wanted)),
            ", ".join(one.kinds),
            ", ".join(_classes(one)),
            " Or: ".join("; ".join(bounds(rule)) for rule in one.asked.wanted if rule.values),
            "; ".join(f"{kind}: {lasting(kind, book.model)}" for kind in one.kinds),
        )
        writer.writerow((*map(_harmless, guide), *("" for _ in TO_FILL)))
    return text.getvalue()


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    shown = plain(cell)
    return f"'{shown}" if shown[:1] in ("=", "+", "-", "@") else shown


def _head(book: Book) -> Iterator[str]:
    yield from _prose(
        f"Attestations for {book.model.id} {book.model.version}: {book.model.title}. Below stands every question that "
        "is still open and that a document can answer."
    )
    yield "##"
    yield from _prose(
        "To answer one, remove the single # at the beginning of its lines (lines with two ## then stay comments), "
        f"write what is true in place of each {TO_FILL_IN}, and remove the lines that are not needed. Then run "
        "`prober attest check` on this file. One document may answer several requirements: list them together."
    )
    yield "##"
    yield from _prose(
        "A document lies beside this file and is named with its SHA-256 (`sha256sum FILE`); it is copied nowhere "
        "unless you say `public: true`. Write no patient data, no token and no password into this file."
    )
    yield "##"
    yield from _prose(
        "The classes of evidence: " + "; ".join(f"{name} is {words}" for name, words in CLASSES.items()) + "."
    )
    yield "##"
    yield from _prose(book.model.disclaimer)


def _about(criterion: Criterion, standing: Standing) -> Iterator[str]:
    yield "## " + "=" * (WIDTH - 3)
    yield from _prose(f"{criterion.id}: {criterion.title}")
    level = standing.levels.get(criterion.id)
    now = "Nothing was looked at yet." if level is None else f"It is at level {level} now."
    yield from _prose(f"{now} It applies: {criterion.applies}")


def _question(one: Question, book: Book) -> Iterator[str]:
    yield from _prose(f"{one.asked.id}: {one.asked.text}")
    for rule in one.asked.wanted:
        yield from _prose(f"  What counts: {rule.document.rstrip('.')}. Class: {either(_of(rule.classes))}.")
        for bound in bounds(rule):
            yield from _prose(f"  It says that {bound}.")
    for kind in one.kinds:
        yield from _prose(f"  As `{kind}` ({KINDS[kind]}): {lasting(kind, book.model)}.")


def _form(one: Question, entity: str | None) -> Iterator[str]:
    """The block to be filled in, a comment until somebody answers."""
    classes = _classes(one)
    kind = one.kinds[0] if len(one.kinds) == 1 else f"{TO_FILL_IN} one of {either(one.kinds)}"
    rows = [
        f"- id: {re.sub('[^a-z0-9]+', '-', one.asked.id.lower())}",
        f"  requirements: [{one.asked.id}]",
        f"  claim: {TO_FILL_IN} what the document shows, in one sentence",
        "  # answer: 'no'               # only if the document says that it is not so",
        f"  kind: {kind}",
        f"  class: {classes[0] if len(classes) == 1 else f'{TO_FILL_IN} {either(classes)}'}",
        f"  issuer: {TO_FILL_IN} who issued the document",
        f"  signer_role: {TO_FILL_IN} the role of who signed it",
        f"  issued: {TO_FILL_IN} a day such as 2026-10-31",
    ]
    if {"volume", "metrics"} & set(one.kinds):
        rows.append(f"  period: {{start: {TO_FILL_IN} a day, end: {TO_FILL_IN} a day}}    # the days that are counted")
    if "certificate" in one.kinds:
        rows.append(f"  valid_until: {TO_FILL_IN} the last day of a certificate")
    rows.append(
        f"  entity: {_quoted(entity) if entity else f'{TO_FILL_IN} the legal entity that the document is about'}"
    )
    rows.append("  # bases: [https://fhir.example.org/r4]     # only if it is about some of the FHIR bases")
    names = dict.fromkeys(name.rpartition("_at_")[0] for rule in one.asked.wanted for name in rule.values)
    stated = [name for name in names if name != "age_months"]
    if stated:
        rows.append("  values:                      # or a typed shape that gives them")
        rows += [f"    {name}: {TO_FILL_IN} a number or fraction in quotes" for name in stated]
    if forms := [form for form, kinds in FORMS.items() if set(kinds) & set(one.kinds) and form in _STATING]:
        rows.append(f"  # shape: {{form: …}}           # typed shapes that may stand here: {', '.join(forms)}")
    rows.append(
        "  document:" + ("                    # a bare claim of class E0 goes without" if "E0" in classes else "")
    )
    rows += [
        f"    title: {TO_FILL_IN} the title of the document",
        f"    file: {TO_FILL_IN} its path beside this file",
        f"    sha256: {TO_FILL_IN} its SHA-256",
        "    # public: true             # only if it may be copied and published",
    ]
    if classes == ["E3"]:
        rows.append(f"    third_party: {TO_FILL_IN} who other than the provider signed it")
    elif "E3" in classes:
        rows.append("    # third_party: NAME        # who other than the provider signed it: class E3 needs it")
    yield from (f"# {row}" for row in rows)


_STATING = frozenset({"hl7v2", "x12", "ncpdp", "direct", "network", "metrics", "stage_letter", "page", "suite"})


def _classes(one: Question) -> list[str]:
    return sorted({name for rule in one.asked.wanted for name in _of(rule.classes)})


def _of(classes: Sequence[str]) -> list[str]:
    return [name for name in classes if name != "E4"]


def _quoted(text: str) -> str:
    escaped = plain(text).replace("'", "''")
    return f"'{escaped}'"


def _prose(text: str) -> list[str]:
    inside = plain(text)
    indent = "  " if text.startswith("  ") else ""
    return textwrap.wrap(
        inside,
        WIDTH,
        initial_indent=f"## {indent}",
        subsequent_indent=f"## {indent}{'  ' if indent else ''}",
        break_on_hyphens=False,
        break_long_words=False,
    ) or ["##"]
