"""What is wrong with attestations, and what their author should know: each a sentence with its place in the file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from prober.attest.book import Asked, Book
from prober.attest.files import sha256_beside
from prober.attest.words import either
from prober.documents.fitting import is_top_letter, kind_fits, kinds_for, same_scope, shape_fits
from prober.documents.freshness import ROW, age_of_document, day_of
from prober.documents.shapes import faults_of, from_shape, values_of
from prober.nouns.attestation import Attestation, Metrics
from prober.nouns.model import Attested
from prober.nouns.provider import Provider

Place = tuple[Any, ...]


@dataclass(frozen=True)
class Note:
    """A sentence about a place: within one attestation, or with its number before it within the file."""

    place: Place
    text: str


@dataclass(frozen=True)
class Desk:
    """All that a check looks at beside the attestation itself."""

    book: Book
    provider: Provider | None
    today: date
    folder: Path


def faults_in(one: Attestation, desk: Desk) -> Iterator[Note]:
    """What is wrong with one attestation by itself."""
    for check in (_requirements, _days, _scope, _shape, _file):
        yield from check(one, desk)


def faults_between(all_: Sequence[tuple[int, Attestation]]) -> Iterator[Note]:
    """What is wrong between attestations: the later one is told. Ids twice, documents twice, contradictions."""
    ids: dict[str, Attestation] = {}
    offered: dict[tuple[str, str], Attestation] = {}
    for at, (number, one) in enumerate(all_):
        if one.id in ids:
            yield Note((number, "id"), f"the id {one.id} stands twice; give one of them another id.")
        ids.setdefault(one.id, one)
        for position, asked in enumerate(one.requirements):
            if one.document is not None:
                earlier = offered.setdefault((one.document.sha256, asked), one)
                if earlier is not one:
                    yield Note(
                        (number, "requirements", position),
                        f"{one.id} offers the same document for {asked} as {earlier.id}; keep one of them.",
                    )
                    continue
            for _, other in all_[:at]:
                if against := _contradiction(one, other, asked):
                    yield Note((number, "requirements", position), against)
                    break


def remarks_on(one: Attestation, all_: Iterable[Attestation], desk: Desk) -> Iterator[Note]:
    """What the author of an attestation should know although nothing is wrong with it."""
    if one.shape is not None and isinstance(one.shape, Metrics):
        for fault in faults_of(one.shape):
            yield Note(("shape",), f"{one.id}: {fault} This stands in the way of level 3.")
    if one.document is not None and one.document.file is None:
        what = "is to be public, and" if one.document.public else "is not beside this file, so"
        then = "it has no `file` to be copied from." if one.document.public else "its hash was not checked."
        yield Note(("document",), f"{one.id}: the document {what} {then}")
    if one.period is not None and one.issued < one.period.end and one.kind in ("volume", "metrics"):
        yield Note(("issued",), f"{one.id}: the document was issued before the period that it counts had ended.")
    row = desk.book.model.freshness.get(ROW[one.kind])
    age = age_of_document(one, row, desk.today)
    if age.state == "expired":
        yield Note(("issued",), f"{one.id}: this document counts no more; its last day was {age.last_day}.")
    for position, id_ in enumerate(one.requirements):
        asked = desk.book.asked[id_]
        for text in (*_weak(one, asked, all_), *(_values(one, asked, desk.today) if one.answer == "yes" else ())):
            yield Note(("requirements", position), f"{one.id}: {text}")


def _requirements(one: Attestation, desk: Desk) -> Iterator[Note]:
    for position, id_ in enumerate(one.requirements):
        place = ("requirements", position)
        asked = desk.book.asked.get(id_)
        if id_ in one.requirements[:position]:
            yield Note(place, f"{id_} stands twice in {one.id}; remove one of them.")
        elif asked is None:
            yield Note(place, desk.book.unknown(id_))
        elif not asked.wanted:
            yield Note(place, f"no document decides {id_}, since {asked.why_no_document}; remove it from {one.id}.")
        elif asked.criterion is not None and not kind_fits(one.kind, one.class_, asked.criterion, asked.wanted):
            kinds = either(kinds_for(asked.criterion, asked.wanted) or ("listing",))
            yield Note(place, f"a document of kind {one.kind} does not speak to {id_}; what counts there is a {kinds}.")


def _days(one: Attestation, desk: Desk) -> Iterator[Note]:
    def ahead(day: str) -> bool:
        return date.fromisoformat(day) > desk.today

    if ahead(one.issued):
        yield Note(("issued",), f"{one.id} was issued on {one.issued}, which lies in the future; correct the day.")
    if one.period is not None and ahead(one.period.end):
        yield Note(
            ("period", "end"),
            f"{one.id} covers a period that ends on {one.period.end}, which lies in the future; "
            "a document speaks for days that have passed.",
        )
    if one.valid_until is not None and one.valid_until < one.issued:
        yield Note(("valid_until",), f"{one.id} was issued after the last day of its validity; correct the days.")
    if one.inspected is not None:
        if ahead(one.inspected.on):
            yield Note(("inspected", "on"), f"{one.id} was inspected on a day in the future; correct the day.")
        elif one.inspected.on < one.issued:
            yield Note(("inspected", "on"), f"{one.id} was inspected before it was issued; correct the days.")
    if one.shape is not None and one.shape.form == "page" and ahead(one.shape.confirmed_on):
        yield Note(("shape", "confirmed_on"), f"{one.id} was confirmed on a day in the future; correct the day.")
    if one.shape is not None and one.shape.form == "product" and ahead(one.shape.retrieved):
        yield Note(("shape", "retrieved"), f"{one.id} was retrieved on a day in the future; correct the day.")


def _scope(one: Attestation, desk: Desk) -> Iterator[Note]:
    if one.shape is not None and one.shape.form == "suite" and _bare(one.bases) != _bare([one.shape.base]):
        yield Note(
            ("bases",) if one.bases else ("shape",),
            f"{one.id}: a test suite speaks for the one FHIR base that it ran against; name just that one in `bases`.",
        )
    if desk.provider is None:
        return
    if one.entity != desk.provider.organisation.strip():
        yield Note(
            ("entity",),
            f"{one.id} is about {one.entity}, and the provider file is about {desk.provider.organisation}; "
            "a document of another legal entity does not count.",
        )
    known = _bare(desk.provider.fhir_bases)
    for position, base in enumerate(one.bases):
        if base.rstrip("/") not in known:
            yield Note(
                ("bases", position),
                f"{one.id} is about a FHIR base that the provider file does not list; correct it, or add it there.",
            )


def _shape(one: Attestation, desk: Desk) -> Iterator[Note]:
    if one.shape is not None and not shape_fits(one.shape, one.kind):
        yield Note(("kind",), f"{one.id}: the shape {one.shape.form} does not fit a document of kind {one.kind}.")
    if one.kind == "page" and (one.shape is None or one.shape.form != "page"):
        yield Note(("kind",), f"{one.id}: say who read the page and when, with a shape of the form page.")
    if one.kind == "listing" and (one.shape is None or one.shape.form != "product"):
        yield Note(("kind",), f"{one.id}: say which product is listed where, with a shape of the form product.")
    given = dict(from_shape(one.shape)) if one.shape is not None else {}
    for name, value in one.values.items():
        if name in given and given[name] != Fraction(value):
            text = f"{one.id}: {name} is {value} here and {given[name]} in the shape; correct one."
            yield Note(("values", name), text)
    # What yearly figures lack in themselves is a finding about them, and is told as a remark.
    if one.shape is not None and not isinstance(one.shape, Metrics):
        for fault in faults_of(one.shape):
            yield Note(("shape",), f"{one.id}: {fault} Correct the counts.")


def _file(one: Attestation, desk: Desk) -> Iterator[Note]:
    if one.document is None or one.document.file is None:
        return
    try:
        found = sha256_beside(desk.folder, one.document.file)
    except ValueError as error:
        yield Note(("document", "file"), f"{one.id}: {error}")
        return
    if found != one.document.sha256:
        yield Note(
            ("document", "sha256"),
            f"{one.id}: the SHA-256 of {one.document.file} is {found}; "
            "correct it if that is the document, or bring back the file.",
        )


def _contradiction(one: Attestation, other: Attestation, asked: str) -> str | None:
    """What two attestations of one kind say differently of the same days."""
    same_days = one.period == other.period and day_of(one) == day_of(other)
    if asked not in other.requirements or one.kind != other.kind or not same_days or not same_scope(one, other):
        return None
    if one.answer != other.answer:
        return f"{one.id} says {one.answer} to {asked} and {other.id} says {other.answer} for the same days; keep one."
    mine, yours = values_of(one, day_of(one)), values_of(other, day_of(one))
    for name in sorted(mine.keys() & yours.keys()):
        if mine[name] != yours[name]:
            return (
                f"{one.id} states {name} {mine[name]} for {asked} and {other.id} states {yours[name]} "
                "for the same days; keep one."
            )
    return None


def _weak(one: Attestation, asked: Asked, all_: Iterable[Attestation]) -> Iterator[str]:
    classes = sorted({name for rule in asked.wanted for name in rule.classes if name != "E4"})
    if one.class_ in classes:
        return
    if one.kind == "listing" and "E3" in classes:
        beside = any(
            asked.id in other.requirements and other.class_ == "E2" and same_scope(one, other) for other in all_
        )
        if not beside:
            yield (
                f"a product listing alone carries level 1, so it does not count for {asked.id} without a document of "
                "the provider of class E2 beside it."
            )
        return
    yield f"class {one.class_} does not carry {asked.id}, which takes {either(classes)}; there it does not count."


def _values(one: Attestation, asked: Asked, today: date) -> Iterator[str]:
    """The bounds that a document leaves open or misses, by the place of the rule that it comes closest to."""
    if _as_it_stands(one, asked.wanted) or one.kind == "listing":
        return
    fitting = [rule for rule in asked.wanted if one.class_ in rule.classes]
    if not fitting:
        return
    stated = values_of(one, today)
    open_ = min((tuple(_missed(rule, stated)) for rule in fitting), key=len)
    yield from (f"{text} for {asked.id}." for text in open_)


def _missed(rule: Attested, stated: dict[str, Fraction]) -> Iterator[str]:
    for bound, limit in rule.values.items():
        name, _, side = bound.rpartition("_at_")
        if name not in stated:
            yield f"the document states no {name}, which must be at {side} {limit}"
            continue
        within: Callable[[Fraction], bool] = stated[name].__ge__ if side == "least" else stated[name].__le__
        if not within(Fraction(limit)):
            yield f"the document states {name} {stated[name]}, and it must be at {side} {limit}"


def _as_it_stands(one: Attestation, wanted: Iterable[Attested]) -> bool:
    """A stage letter counts without the values that the rule asks of other documents."""
    return is_top_letter(one) and any(rule.stage_letter for rule in wanted)


def _bare(bases: Iterable[str]) -> set[str]:
    return {base.rstrip("/") for base in bases}
