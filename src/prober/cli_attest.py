"""The command line of attestations: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prober.cli_parts import complain, moment_of, say
from prober.mistake import Mistake

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from prober.attest.imports import Offer, Target
    from prober.attest.worksheet import Standing
    from prober.nouns.attestation import Attestation
    from prober.nouns.model import MaturityModel
    from prober.nouns.provider import Provider

app = typer.Typer(name="attest", help="State with documents what no machine can see from outside.")

KINDS = ("inferno", "chpl", "csv")


def _kind(text: str) -> str:
    if text not in KINDS:
        raise Mistake(f"{text}: give one of {', '.join(KINDS)}.")
    return text


def _day(text: str) -> str:
    from datetime import date

    try:
        return str(date.fromisoformat(text))
    except ValueError as error:
        raise Mistake(f"--retrieved {text}: give a day, for example 2026-10-31.") from error


def _as_of(text: str) -> str:
    """The day, in UTC, of an instant."""
    return moment_of(text).date().isoformat()


File = Annotated[Path, typer.Argument(metavar="FILE", help="attestations.yaml.")]
ProviderFile = Annotated[Path | None, typer.Option("--provider", metavar="FILE", help="provider.yaml.")]
ModelFile = Annotated[Path | None, typer.Option("--model", metavar="FILE", help="Another rule book.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="INSTANT", parser=_as_of, help="As of this instant instead of now."),
]


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make.")] = Path("attestations.yaml"),
    provider: ProviderFile = None,
    run: Annotated[
        list[Path] | None, typer.Option("--run", metavar="RUN", help="A scored run: what it shows is not asked again.")
    ] = None,
    model: ModelFile = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also make a spreadsheet.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Ask for level 4 as well.")] = False,
) -> None:
    """Write a worksheet that holds the questions that are still open and that a document can answer."""
    from prober.attest.book import Book
    from prober.attest.worksheet import as_csv, as_yaml, questions

    rules, who = _model(model), _provider(provider)
    for one in (path, csv):
        if one is not None and one.exists():
            raise Mistake(f"{one}: this file is there already; name another one.")
    standing = _standing(rules, who, run or ())
    book = Book(rules, who.country if who else None)
    open_ = questions(book, standing, up_to=4 if all_ else 3)
    _write(path, as_yaml(open_, book, standing, entity=who.organisation if who else None))
    if csv is not None:
        _write(csv, as_csv(open_, book))
        say(f"{csv} holds the same as a spreadsheet; read it back with `prober attest import csv {csv} --into {path}`.")
    say(f"{path} holds {len(open_)} open questions; fill some in, then run `prober attest check {path}`.")


@app.command()
def check(path: File, provider: ProviderFile = None, model: ModelFile = None, as_of: AsOf = None) -> None:
    """Name every fault of a file of attestations with its line, or else what its author should know."""
    from prober.attest.reading import read_attestations

    who = _provider(provider)
    reading = read_attestations(path, _model(model), who, today=_today(as_of))
    _faults(reading.faults)
    for remark in reading.remarks:
        say(remark)
    if who is None:
        say("No provider file was given, so nobody checked whom and which FHIR bases the documents are about.")
    say(_summary(reading.attestations, len(reading.remarks)))


@app.command()
def status(path: File, provider: ProviderFile = None, model: ModelFile = None, as_of: AsOf = None) -> None:
    """Print what expires when, soonest first, and what no document speaks for from then on."""
    from prober.attest.reading import read_attestations
    from prober.attest.status import rows, table

    today, rules = _today(as_of), _model(model)
    reading = read_attestations(path, rules, _provider(provider), today=today)
    _faults(reading.faults)
    say(f"As of {today}:")
    for line in table(rows(reading.attestations, rules, today)):
        say(line)


@app.command("import")
def import_(
    kind: Annotated[str, typer.Argument(metavar="KIND", parser=_kind, help="inferno, chpl or csv.")],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The file to read.")],
    into: Annotated[Path, typer.Option("--into", metavar="FILE", help="attestations.yaml; made if it is not there.")],
    provider: ProviderFile = None,
    model: ModelFile = None,
    for_: Annotated[
        list[str] | None, typer.Option("--for", metavar="REQUIREMENT", help="What it is offered for; again for more.")
    ] = None,
    third_party: Annotated[
        str | None,
        typer.Option("--third-party", metavar="NAME", help="Who other than the provider ran and signed the tests."),
    ] = None,
    signer_role: Annotated[
        str | None, typer.Option("--signer-role", metavar="TEXT", help="The role of who signs the results.")
    ] = None,
    suite_version: Annotated[
        str | None, typer.Option("--suite-version", metavar="TEXT", help="The version of the test suite.")
    ] = None,
    retrieved: Annotated[
        str | None,
        typer.Option("--retrieved", metavar="DAY", parser=_day, help="The day on which a listing was fetched."),
    ] = None,
    number: Annotated[
        str | None, typer.Option("--number", metavar="NUMBER", help="The product's number, if a file holds several.")
    ] = None,
    as_of: AsOf = None,
) -> None:
    """Add Inferno's results, a CHPL product listing, or a filled-in spreadsheet to a file of attestations."""
    from prober.attest.imports import Offer, Target, add

    who = _provider(provider)
    target = Target(into, _model(model), who, _today(as_of))
    if kind == "csv":
        new = _from_sheet(source, target)
    else:
        if who is None:
            raise Mistake("--provider is missing: the provider file says whom and which FHIR bases this is about.")
        if not for_:
            raise Mistake("--for is missing: name the requirements that this is offered for, see `prober coverage`.")
        offer = Offer(tuple(for_), who.organisation.strip(), third_party, signer_role)
        new = [
            _from_inferno(source, target, offer, suite_version)
            if kind == "inferno"
            else _from_chpl(source, target, offer, retrieved, number)
        ]
    remarks = add(new, target, source) if new else ()
    for remark in remarks:
        say(remark)
    say(f"{into} has {len(new)} attestations more." if len(new) != 1 else f"{into} has one attestation more.")


def _from_inferno(source: Path, target: "Target", offer: "Offer", version: str | None) -> "Attestation":
    from prober.attest.files import read_source
    from prober.attest.imports import name_beside, taken_ids
    from prober.attest.inferno import from_inferno

    if offer.signer_role is None:
        raise Mistake("--signer-role is missing: say in which role somebody stands behind these results.")
    bases = target.provider.fhir_bases if target.provider else ()
    return from_inferno(
        read_source(source),
        source,
        bases,
        offer,
        file=name_beside(source, target.path),
        version=version,
        taken=taken_ids(target),
    )


def _from_chpl(
    source: Path, target: "Target", offer: "Offer", retrieved: str | None, number: str | None
) -> "Attestation":
    from prober.attest.chpl import from_chpl
    from prober.attest.files import read_source
    from prober.attest.imports import name_beside, taken_ids

    if retrieved is None:
        raise Mistake("--retrieved is missing: give the day on which the listing was fetched.")
    return from_chpl(
        read_source(source),
        source,
        offer,
        retrieved=retrieved,
        number=number,
        file=name_beside(source, target.path),
        taken=taken_ids(target),
    )


def _from_sheet(source: Path, target: "Target") -> "list[Attestation]":
    from prober.attest.files import read_source
    from prober.attest.imports import taken_ids
    from prober.attest.spreadsheet import read_sheet

    entity = target.provider.organisation.strip() if target.provider else None
    sheet = read_sheet(read_source(source), source, target.path.parent, entity=entity, taken=taken_ids(target))
    _faults(sheet.faults)
    if sheet.empty:
        say(f"{sheet.empty} rows are still open.")
    return list(sheet.attestations)


def _standing(model: "MaturityModel", provider: "Provider | None", runs: "Iterable[Path]") -> "Standing":
    """Where the provider stands: by its scored runs, and where there is none by the facts of the provider file."""
    from prober.archive import SCORECARD, RunFolder
    from prober.attest.worksheet import Standing

    scores = []
    for path in runs:
        folder = RunFolder.open(path)
        if not folder.has(SCORECARD):
            raise Mistake(f"{path / SCORECARD}: this run is not scored yet; do so with `prober score {path}`.")
        score = folder.scorecard().maturity
        if score is None or score.model != model.id:
            raise Mistake(f"{path / SCORECARD}: this score is not by {model.id}; name its rule book with --model.")
        scores.append({one.id: one for one in score.criteria})
    if not scores:
        return Standing(not_applicable=_not_applicable(model, provider) if provider else {})
    names = [one.id for one in model.criteria if all(one.id in score for score in scores)]
    every = {name: [score[name] for score in scores] for name in names}
    settled = [
        {asked.id for one in score.values() for asked in one.requirements if asked.truth in ("true", "not_applicable")}
        for score in scores
    ]
    return Standing(
        levels={
            name: min(one.level.low for one in ones if one.level is not None)
            for name, ones in every.items()
            if any(one.level is not None for one in ones)
        },
        settled=frozenset.intersection(*map(frozenset, settled)),
        not_applicable={
            name: ones[0].not_applicable_because or ""
            for name, ones in every.items()
            if not any(o.applies for o in ones)
        },
    )


def _not_applicable(model: "MaturityModel", provider: "Provider") -> dict[str, str]:
    """Criteria that the facts of the provider file rule out, with the reason."""
    from prober.nouns.provider import ProviderFacts
    from prober.score.levels import not_applicable_because

    given = provider.model_dump(include=set(ProviderFacts.model_fields) - {"schema_"})
    facts = ProviderFacts(**given, declared=True)
    reasons = {one.id: not_applicable_because(one, [facts]) for one in model.criteria}
    return {name: because for name, because in reasons.items() if because is not None}


def _model(path: Path | None) -> "MaturityModel":
    from prober.library import load_model, shipped_models
    from prober.nouns.model import MaturityModel

    model = load_model(path or shipped_models()[1])
    if not isinstance(model, MaturityModel):
        raise Mistake(f"{path}: this model counts what was seen and takes no documents; name one of `kind: maturity`.")
    return model


def _provider(path: Path | None) -> "Provider | None":
    from functools import partial

    from prober.library import load_provider
    from prober.permission import checked_base

    return load_provider(path, partial(checked_base, allow_http=True)) if path is not None else None


def _today(as_of: str | None) -> "date":
    from datetime import date

    from prober.clock import SystemClock

    return date.fromisoformat(as_of) if as_of is not None else SystemClock().utc().date()


def _summary(attestations: "Iterable[Attestation]", remarks: int) -> str:
    found = list(attestations)
    asked = len({id_ for one in found for id_ in one.requirements})
    seen = sum(one.inspected is not None for one in found)
    return (
        f"Read: attestations {len(found)}, requirements that they name {asked}, inspected documents {seen}, "
        f"faults 0, remarks {remarks}."
    )


def _faults(faults: "Iterable[str]") -> None:
    """Tell every fault on stderr; with any, the command ends here."""
    found = list(faults)
    for fault in found:
        complain(fault)
    if found:
        raise typer.Exit(2)


def _write(path: Path, text: str) -> None:
    from prober.attest.writing import replace_text

    replace_text(path, text)
