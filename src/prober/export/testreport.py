"""FHIR R4 TestReport (4.0.1): the findings as tests, for those who keep test results in a FHIR server."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from prober.export.bundle import Proof, Told, file_name, of_subject, subjects
from prober.export.names import named
from prober.export.text import as_json, clean, first_moment, said
from prober.nouns.finding import Outcome
from prober.nouns.model import Model
from prober.render.disclaimer import DISCLAIMER
from prober.render.report import Report, Subject
from prober.render.words import ENVIRONMENT, MEANING, fate_of

RESULT: dict[Outcome, str] = {"present": "pass", "absent": "fail", "not_applicable": "skip", "unknown": "skip"}
"""Outcome -> TestReportActionResult of the assertion; a bug of prober itself is an `error`."""

_URIS = "urn:ietf:rfc:3986"


def exported(report: Report, models: Sequence[Model]) -> dict[str, bytes]:
    """`TestReport-<run id>.json` for each FHIR base."""
    return {
        f"{file_name('TestReport', one.run.id)}.json": as_json(_resource(one, report, models))
        for one in subjects(report)
    }


def result(told: Told) -> str:
    """What the assertion of a finding came to."""
    return "error" if told.finding.verdict.reason == "bug" else RESULT[told.finding.verdict.outcome]


def overall(findings: Sequence[Told]) -> str:
    """`fail` if anything was refuted, `pass` if all that applies was shown, else `pending`: unknown is no pass."""
    outcomes = [one.finding.verdict.outcome for one in findings]
    if "absent" in outcomes:
        return "fail"
    return "pass" if "present" in outcomes and "unknown" not in outcomes else "pending"


def _resource(subject: Subject, report: Report, models: Sequence[Model]) -> dict[str, Any]:
    run = subject.run
    findings = of_subject(subject, report, models)
    complete = run.done is not None and run.done.ending == "complete"
    resource: dict[str, Any] = {
        "resourceType": "TestReport",
        "id": file_name("prober", run.id)[:64],
        "identifier": {"system": _URIS, "value": f"urn:uuid:{named('test report', run.id, run.subject)}"},
        "name": clean(f"prober {run.id}"),
        "status": "completed" if complete else "stopped",
        "testScript": _script(subject, models),
        "result": overall(findings),
        "text": _narrative(subject, findings),
        "tester": clean(f"prober {run.tool.prober}"),
        "issued": first_moment(report.card.as_of, run.ended, run.started),
        "participant": [
            {
                "type": "test-engine",
                "uri": f"urn:uuid:{named('prober')}",
                "display": clean(f"prober {run.tool.prober}"),
            },
            {"type": "server", "uri": _uri(run.subject), "display": clean(subject.facts.organisation or run.subject)},
        ],
    }
    if findings:
        # An empty array is no valid FHIR.
        resource["test"] = [_test(one) for one in findings]
    return resource


def _narrative(subject: Subject, findings: Sequence[Told]) -> dict[str, str]:
    """The words for a person: how many of each, in which environment, and the disclaimer."""
    fates = Counter(fate_of(one.finding) for one in findings)
    counted = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items())) or "no findings"
    lines = (f"{subject.run.subject}: {counted}.", ENVIRONMENT[subject.run.environment], DISCLAIMER)
    paragraphs = "".join(f"<p>{escape(clean(line))}</p>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>'}


def _script(subject: Subject, models: Sequence[Model]) -> dict[str, Any]:
    """What stands for the TestScript, which there is none of: the probes and the models, named and not resolvable."""
    books = sorted(f"{one.id} {one.version}" for one in models)
    probes = sorted(f"{id_}={digest}" for id_, digest in subject.run.probes.items())
    return {
        "type": "TestScript",
        "identifier": {"system": _URIS, "value": f"urn:uuid:{named('test script', *books, *probes)}"},
        "display": clean(f"The {len(probes)} probes of prober {subject.run.tool.prober}, read by {', '.join(books)}"),
    }


def _test(told: Told) -> dict[str, Any]:
    verdict = told.finding.verdict
    reason = f" {MEANING[verdict.reason]}" if verdict.reason else ""
    verdict_action: dict[str, Any] = {"result": result(told), "message": said(f"{verdict.message}{reason}")}
    if told.proofs:
        # The detail of an assertion is a string in R4, that of an operation a uri.
        verdict_action["detail"] = told.proofs[0].uri
    actions = [
        {"operation": {"result": _asked(told, one.exchange), "message": _message(one), "detail": one.uri}}
        for one in told.proofs
    ]
    return {
        "name": told.probe,
        "description": said(told.title),
        "action": [*actions, {"assert": verdict_action}],
    }


def _asked(told: Told, exchange: str) -> str:
    """An operation passed if the server answered it, whatever it answered. One without an answer is a warning."""
    found = told.subject.exchanges.get(exchange)
    answered = found is not None and (found.status is not None or found.failure is None)
    return "pass" if answered else "warning"


def _message(proof: Proof) -> str:
    return said(f"{proof.told}. Stored body: {proof.body}." if proof.body else f"{proof.told}.")


def _uri(text: str) -> str:
    return clean(text).replace(" ", "%20")
