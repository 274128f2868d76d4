"""CSV (RFC 4180): the findings and the criteria as tables, for spreadsheets and statistics."""

from collections.abc import Sequence

from prober.export.bundle import Told, everything
from prober.export.text import clean, said
from prober.nouns.model import Model
from prober.nouns.scorecard import CriterionScore, MaturityScore
from prober.render.cells import table
from prober.render.disclaimer import DISCLAIMER
from prober.render.report import Report
from prober.render.words import KNOWLEDGE, MEANING, WHO, fate_of

FINDINGS = (
    "subject",
    "run",
    "environment",
    "probe",
    "question",
    "outcome",
    "fate",
    "reason",
    "reason_meaning",
    "basis",
    "class",
    "weight",
    "message",
    "who_acts",
    "to_do",
    "rests_on",
    "exchanges",
    "evidence",
    "bodies",
)
CRITERIA = (
    "rule_book",
    "version",
    "criterion",
    "title",
    "block",
    "weight",
    "core",
    "extension",
    "precondition",
    "applies",
    "state",
    "level_at_least",
    "level_at_most",
    "knowledge",
    "evidence_class",
    "confidence",
    "freshness",
    "next_expiry",
    "conflict",
    "probes",
    "next_step",
    "disclaimer",
)


def exported(report: Report, models: Sequence[Model]) -> dict[str, bytes]:
    """`findings.csv`, and `criteria.csv` where the scorecard has criteria."""
    files = {"findings.csv": table(FINDINGS, (_finding(one) for one in everything(report, models)))}
    maturity = report.card.maturity
    if maturity is not None:
        rows = (_criterion(one, maturity) for one in sorted(maturity.criteria, key=lambda one: one.id))
        files["criteria.csv"] = table(CRITERIA, rows)
    return files


def _finding(told: Told) -> tuple[str, ...]:
    finding, sheet = told.finding, told.sheet
    verdict, run = finding.verdict, told.subject.run
    return (
        clean(finding.subject),
        clean(run.id),
        run.environment,
        told.probe,
        said(told.title),
        verdict.outcome,
        fate_of(finding),
        verdict.reason or "",
        MEANING[verdict.reason] if verdict.reason else "",
        finding.basis,
        finding.class_,
        str(told.weight),
        said(verdict.message),
        WHO[sheet.who_acts] if sheet else "",
        said(sheet.remediation.text) if sheet else "",
        clean("; ".join(f"{one.guide} {one.version}, {one.section}" for one in sheet.citations)) if sheet else "",
        " ".join(one.exchange for one in told.proofs),
        " ".join(one.uri for one in told.proofs),
        " ".join(dict.fromkeys(one.body for one in told.proofs if one.body)),
    )


def _criterion(one: CriterionScore, maturity: MaturityScore) -> tuple[str, ...]:
    probes = {probe for requirement in one.requirements for probe in requirement.findings}
    return (
        clean(maturity.model),
        clean(maturity.version),
        clean(one.id),
        said(one.title),
        clean(one.block),
        str(one.weight),
        _yes(one.core),
        _yes(one.extension),
        _yes(one.precondition),
        _yes(one.applies),
        clean(one.state),
        # A level that nothing is known of is empty and not 0: a statistic would take the 0 for a result.
        str(one.level.low) if one.level is not None and one.state != "?" else "",
        str(one.level.high) if one.level is not None and one.state != "?" else "",
        KNOWLEDGE[one.knowledge],
        one.evidence_class or "",
        one.confidence or "",
        one.freshness or "",
        one.next_expiry or "",
        _yes(one.conflict),
        " ".join(clean(probe) for probe in sorted(probes)),
        said(one.next_step) if one.next_step else "",
        DISCLAIMER,
    )


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"
