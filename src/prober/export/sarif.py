"""SARIF 2.1.0 (OASIS, errata 01): the findings as results of a tool, for code scanning dashboards."""

import hashlib
from collections.abc import Sequence
from typing import Any

from prober.export.bundle import Proof, Told, of_subject, subjects
from prober.export.names import named
from prober.export.text import as_json, clean, first_moment, said
from prober.nouns.finding import Outcome
from prober.nouns.model import Model
from prober.nouns.sheet import Sheet
from prober.render.disclaimer import DISCLAIMER
from prober.render.report import Report, Subject
from prober.render.words import MEANING, WHO, fate_of

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
BUNDLE = "EVIDENCE"
"""The uriBaseId (section 3.4.4) below which all evidence lies: the root of the evidence bundle, wherever that is."""

KIND: dict[Outcome, str] = {
    "present": "pass",
    "absent": "fail",
    "not_applicable": "notApplicable",
    # Section 3.27.9: the tool concluded that there was insufficient information to decide whether a problem exists.
    # A run that was not permitted to ask says this as well. `notApplicable` would say that the question makes no sense.
    "unknown": "open",
}
_LEVEL = {3: "error", 2: "warning"}


def exported(report: Report, models: Sequence[Model]) -> dict[str, bytes]:
    """`prober.sarif`, with one run for each FHIR base (section 3.14)."""
    runs = [_run(one, report, models) for one in subjects(report)]
    return {"prober.sarif": as_json({"$schema": SCHEMA, "version": "2.1.0", "runs": runs})}


def level(told: Told) -> str:
    """The level of a result (section 3.27.10): `none` unless something was refuted, else by the criterion's weight."""
    if told.finding.verdict.outcome != "absent":
        return "none"
    return _LEVEL.get(told.weight, "note")


def _run(subject: Subject, report: Report, models: Sequence[Model]) -> dict[str, Any]:
    findings = of_subject(subject, report, models)
    rules = list(dict.fromkeys(one.probe for one in findings))
    by_probe = {one.probe: one for one in findings}
    run = subject.run
    return {
        "tool": {
            "driver": {
                "name": "prober",
                "version": clean(run.tool.prober),
                "rules": [_rule(by_probe[probe]) for probe in rules],
                "properties": {"disclaimer": DISCLAIMER},
            }
        },
        "automationDetails": {"id": f"prober/{clean(run.id)}", "guid": named("sarif", run.id, run.subject)},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(subject, report, findings)],
        "originalUriBaseIds": {BUNDLE: {"description": {"text": "The root of the evidence bundle of this export."}}},
        "results": [_result(one, rules.index(one.probe)) for one in findings],
        "properties": {
            "subject": clean(run.subject),
            "environment": run.environment,
            "as_of": clean(report.card.as_of),
        },
    }


def _invocation(subject: Subject, report: Report, findings: Sequence[Told]) -> dict[str, Any]:
    run = subject.run
    broken = [one for one in findings if one.finding.verdict.reason == "bug"]
    told: dict[str, Any] = {
        "executionSuccessful": run.done is not None and run.done.ending == "complete" and not broken,
        "startTimeUtc": first_moment(run.started, report.card.as_of),
    }
    if run.ended:
        told["endTimeUtc"] = first_moment(run.ended, report.card.as_of)
    if broken:
        told["toolExecutionNotifications"] = [
            {
                "level": "warning",
                "associatedRule": {"id": one.probe},
                "message": {"text": said(f"{MEANING['bug']} {one.finding.verdict.message}")},
            }
            for one in broken
        ]
    return told


def _rule(told: Told) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": told.probe, "name": told.probe, "shortDescription": {"text": said(told.title)}}
    if told.sheet is None:
        return rule
    sheet, cited = told.sheet, told.sheet.citations[0]
    return {
        **rule,
        "fullDescription": {"text": said(sheet.why)},
        "help": {"text": said(_help(sheet))},
        "helpUri": clean(cited.url),
        "defaultConfiguration": {"level": _LEVEL.get(told.weight, "note")},
        "properties": {
            "catalogue": clean(sheet.catalogue),
            "basis": sheet.basis,
            "weight": told.weight,
            "citations": [
                clean(f"{one.guide} {one.version}, {one.section} ({one.strength}) {one.url}") for one in sheet.citations
            ],
        },
    }


def _help(sheet: Sheet) -> str:
    cited = "; ".join(f"{one.guide} {one.version}, {one.section}" for one in sheet.citations)
    return f"{sheet.counts} To do: {sheet.remediation.text} Who acts: {WHO[sheet.who_acts]}. Rests on: {cited}."


def _result(told: Told, index: int) -> dict[str, Any]:
    finding, verdict = told.finding, told.finding.verdict
    reason = f" {MEANING[verdict.reason]}" if verdict.reason else ""
    base = {"fullyQualifiedName": clean(finding.subject), "kind": "resource"}
    location: dict[str, Any] = {"logicalLocations": [base]}
    if told.proofs:
        location["physicalLocation"] = _physical(told.proofs[0].uri)
    result: dict[str, Any] = {
        "ruleId": told.probe,
        "ruleIndex": index,
        "kind": KIND[verdict.outcome],
        "level": level(told),
        "message": {"text": said(f"{verdict.message}{reason}")},
        "locations": [location],
        "guid": named("sarif result", told.subject.run.id, finding.subject, finding.source.probe, verdict.message),
        "partialFingerprints": {"proberQuestion/v1": _fingerprint(finding.source.probe, finding.subject)},
        "properties": {
            "fate": fate_of(finding),
            "basis": finding.basis,
            "class": finding.class_,
            **({"reason": verdict.reason} if verdict.reason else {}),
        },
    }
    if told.proofs:
        result["relatedLocations"] = [_related(number, one) for number, one in enumerate(told.proofs, start=1)]
    return result


def _related(number: int, proof: Proof) -> dict[str, Any]:
    related = {"id": number, "message": {"text": said(proof.told)}, "physicalLocation": _physical(proof.uri)}
    return {**related, "properties": {"body": proof.body}} if proof.body else related


def _physical(uri: str) -> dict[str, Any]:
    return {"artifactLocation": {"uri": uri, "uriBaseId": BUNDLE}}


def _fingerprint(probe: str, subject: str) -> str:
    """The same question to the same base in every run, so that a dashboard sees what changed (section 3.27.17)."""
    return hashlib.sha256(f"{probe}\n{subject}".encode("utf-8", "replace")).hexdigest()
