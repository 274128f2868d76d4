"""JUnit XML, in the shape that Jenkins' and Maven's schemas share: the findings as test cases, for CI servers.

No standard says what JUnit XML is. The elements and attributes used here are those of Jenkins' junit-10.xsd.
"""

import xml.etree.ElementTree as Xml
from collections import Counter
from collections.abc import Sequence

from prober.export.bundle import Told, of_subject, profile_model, subjects
from prober.export.text import between, clean, first_moment, said, seconds
from prober.nouns.model import Model
from prober.render.disclaimer import DISCLAIMER
from prober.render.report import Report, Subject
from prober.render.words import ENVIRONMENT, MEANING

WORD = {"present": "", "absent": "failure", "not_applicable": "skipped", "unknown": "skipped"}
"""The element that says how a test case ended; none for one that passed."""


def exported(report: Report, models: Sequence[Model]) -> dict[str, bytes]:
    """`junit.xml`, with one suite for each FHIR base."""
    root = Xml.Element("testsuites", name="prober")
    together: Counter[str] = Counter()
    for subject in subjects(report):
        findings = of_subject(subject, report, models)
        suite = _suite(subject, report, findings, _families(models))
        together.update({name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")})
        root.append(suite)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(together[name]))
    Xml.indent(root)
    return {"junit.xml": Xml.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"}


def word(told: Told) -> str:
    """`failure`, `skipped`, `error`, or nothing: a bug of prober itself is the only error."""
    return "error" if told.finding.verdict.reason == "bug" else WORD[told.finding.verdict.outcome]


def _suite(subject: Subject, report: Report, findings: Sequence[Told], families: dict[str, str]) -> Xml.Element:
    run = subject.run
    ended = Counter(word(one) for one in findings)
    suite = Xml.Element(
        "testsuite",
        name=clean(run.subject),
        tests=str(len(findings)),
        failures=str(ended["failure"]),
        errors=str(ended["error"]),
        skipped=str(ended["skipped"]),
        # The schema wants an instant without a zone; prober's are UTC.
        timestamp=first_moment(run.started, report.card.as_of)[:19],
    )
    taken = between(run.started, run.ended)
    if taken is not None:
        suite.set("time", seconds(taken))
    properties = Xml.SubElement(suite, "properties")
    for name, value in (
        ("run", run.id),
        ("as_of", report.card.as_of),
        ("environment", ENVIRONMENT[run.environment]),
        ("prober", run.tool.prober),
        ("disclaimer", DISCLAIMER),
    ):
        Xml.SubElement(properties, "property", name=name, value=clean(value))
    for one in findings:
        suite.append(_case(one, families))
    return suite


def _case(told: Told, families: dict[str, str]) -> Xml.Element:
    verdict = told.finding.verdict
    family = families.get(told.finding.source.probe)
    case = Xml.Element("testcase", classname=f"prober.{family}" if family else "prober", name=told.probe)
    element = word(told)
    if element:
        ending = Xml.SubElement(case, element, message=said(verdict.message), type=verdict.reason or verdict.outcome)
        ending.text = said(_why(told))
    lines = [said(told.title), said(verdict.message)]
    for one in told.proofs:
        lines += [f"{clean(one.told)}", f"  {one.uri}", *([f"  {one.body}"] if one.body else [])]
    Xml.SubElement(case, "system-out").text = "\n".join(lines)
    return case


def _why(told: Told) -> str:
    verdict = told.finding.verdict
    if verdict.reason:
        return MEANING[verdict.reason]
    if verdict.outcome == "absent" and told.sheet:
        return told.sheet.remediation.text
    return verdict.message


def _families(models: Sequence[Model]) -> dict[str, str]:
    profile = profile_model(models)
    return {probe: clean(one.id) for one in profile.families for probe in one.probes} if profile else {}
