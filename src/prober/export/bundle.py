"""What an export tells: every finding with the places in the evidence bundle that prove it, in a fixed order."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from prober.bundle import bodies
from prober.export.text import clean
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding
from prober.nouns.model import CapabilityProfile, MaturityModel, Model
from prober.nouns.scorecard import Counts
from prober.nouns.sheet import Sheet
from prober.render.report import Report, Subject
from prober.render.words import NEEDS_PERMIT, answer_of

HEAVIEST = 3
"""The greatest weight that a criterion can have."""
_UNFIT = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Proof:
    """One exchange behind a finding. `uri` and `body` are relative to the root of the evidence bundle.

    `pointers` are the places in the answer that the finding cites. `body` and `what` say nothing where the report
    lacks the exchange.
    """

    exchange: str
    pointers: tuple[str, ...]
    uri: str
    body: str | None
    what: str

    @property
    def told(self) -> str:
        """What it is, and where in it to look."""
        return f"{self.what} {' '.join(self.pointers)}".rstrip()


@dataclass(frozen=True)
class Told:
    """One finding with all that is told beside it.

    `weight` is that of the heaviest criterion that reads the probe, and the greatest of all if a gate does.
    """

    subject: Subject
    finding: Finding
    sheet: Sheet | None
    proofs: tuple[Proof, ...]
    weight: int

    @property
    def probe(self) -> str:
        """The id of the probe."""
        return clean(self.finding.source.probe)

    @property
    def title(self) -> str:
        """The question of the probe; its id where nobody knows its sheet any more."""
        return clean(self.sheet.title) if self.sheet else self.probe


def exchange_at(run: str, exchange: str) -> str:
    """Where an exchange lies: the file in the bundle, with the id of the exchange as fragment (RFC 3986, section 4.1).

    The line of the file whose `id` this is holds the exchange.
    """
    return f"data/runs/{_segment(run)}/exchanges.jsonl#{_segment(exchange)}"


def body_at(exchange: Exchange | None) -> str | None:
    """Where the stored body of an exchange lies in the bundle, by its SHA-256; None if it has none."""
    if exchange is None or exchange.body is None:
        return None
    return f"data/blobs/{_segment(bodies.file_name(exchange.body, len(exchange.content)))}"


def file_name(*parts: str) -> str:
    """A file name of these parts in which nothing is left that means something to a file system."""
    return "-".join(_UNFIT.sub("-", part).strip("-.")[:80] or "unnamed" for part in parts)


def subjects(report: Report) -> tuple[Subject, ...]:
    """The subjects in the order of their runs."""
    return tuple(sorted(report.subjects, key=lambda one: (one.run.subject, one.run.id)))


def everything(report: Report, models: Sequence[Model]) -> Iterator[Told]:
    """Every finding of every subject, by subject and probe."""
    weights = _weights(models)
    for subject in subjects(report):
        yield from _of(subject, report, weights)


def of_subject(subject: Subject, report: Report, models: Sequence[Model]) -> tuple[Told, ...]:
    """The findings of one subject, by probe."""
    return tuple(_of(subject, report, _weights(models)))


def maturity_model(report: Report, models: Sequence[Model]) -> MaturityModel | None:
    """The rule book behind the scorecard's criteria; None where it has none. ValueError if it is not among these."""
    score = report.card.maturity
    if score is None:
        return None
    for one in models:
        if isinstance(one, MaturityModel) and one.id == score.model:
            return one
    raise ValueError(f"The scorecard was made with the rule book {score.model}, which was not given.")


def profile_model(models: Sequence[Model]) -> CapabilityProfile | None:
    """The first capability profile among the models."""
    return next((one for one in models if isinstance(one, CapabilityProfile)), None)


def counts(report: Report) -> Counts:
    """The counts of the capability profile; those of the findings where the scorecard has no profile."""
    if report.card.profile is not None:
        return report.card.profile.counts
    found = [one.verdict for subject in report.subjects for one in subject.findings]
    barred = sum(one.outcome == "unknown" and one.reason in NEEDS_PERMIT for one in found)
    number = {name: sum(one.outcome == name for one in found) for name in ("present", "absent", "unknown")}
    untested = number["unknown"] - barred
    return Counts(
        asked=number["present"] + number["absent"] + untested,
        shown=number["present"],
        refuted=number["absent"],
        untested=untested,
        not_applicable=len(found) - sum(number.values()),
        not_permitted=barred,
    )


def request_of(exchange: Exchange) -> str:
    """`GET https://… : status 404`."""
    return clean(f"{exchange.method} {exchange.url}: {answer_of(exchange)}")


def _of(subject: Subject, report: Report, weights: dict[str, int]) -> Iterator[Told]:
    for finding in sorted(subject.findings, key=_place):
        probe = finding.source.probe
        yield Told(subject, finding, report.sheets.get(probe), _proofs(finding, subject), weights.get(probe, 0))


def _place(finding: Finding) -> tuple[str, str, str, str]:
    return finding.source.probe, finding.subject, finding.verdict.outcome, finding.verdict.message


def _proofs(finding: Finding, subject: Subject) -> tuple[Proof, ...]:
    """What the finding cites comes first, in its order; the rest of its evidence follows by id."""
    cited: dict[str, list[str]] = {}
    for one in finding.verdict.citations:
        pointers = cited.setdefault(one.exchange, [])
        if one.pointer and one.pointer not in pointers:
            pointers.append(one.pointer)
    rest = sorted(set(finding.evidence) - set(cited))
    return tuple(_proof(id_, cited.get(id_, []), subject) for id_ in (*cited, *rest))


def _proof(id_: str, pointers: Sequence[str], subject: Subject) -> Proof:
    exchange = subject.exchanges.get(id_)
    return Proof(
        exchange=clean(id_),
        pointers=tuple(clean(one) for one in pointers),
        uri=exchange_at(subject.run.id, id_),
        body=body_at(exchange),
        what=request_of(exchange) if exchange is not None else f"exchange {clean(id_)}",
    )


def _weights(models: Sequence[Model]) -> dict[str, int]:
    weights: dict[str, int] = {}
    for model in (one for one in models if isinstance(one, MaturityModel)):
        for gate in model.gates:
            # A gate is for faults that are grave enough to hold a label down, so none weighs more.
            weights |= dict.fromkeys(gate.met_by.probes() if gate.met_by else (), HEAVIEST)
        for criterion in model.criteria:
            for requirement in (one for level in criterion.levels.values() for one in level):
                rules = [requirement.met_by, requirement.elsewhere.met_by if requirement.elsewhere else None]
                for probe in sorted(frozenset().union(*(rule.probes() for rule in rules if rule is not None))):
                    weights[probe] = max(criterion.weight, weights.get(probe, 0))
    return weights


def _segment(text: str) -> str:
    # A segment of dots would lead out of the folder (RFC 3986, section 5.2.4), encoded or not.
    return quote(text, safe="", errors="replace").lstrip(".") or "_"
