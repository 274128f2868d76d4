"""The OSCAL assessment results: an observation for each finding of a probe, a finding for each requirement decided.

OSCAL has two words for a finding, `satisfied` and `not-satisfied`. Only a requirement that is true or false gets one.
What is unknown or does not apply is an observation and nothing more.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from prober.export.bundle import Told, everything, exchange_at, subjects
from prober.export.names import named
from prober.export.oscal import plan
from prober.export.oscal.common import (
    as_of,
    component_uuid,
    metadata,
    plan_uuid,
    prop,
    props,
    results_uuid,
    tool_uuid,
)
from prober.export.oscal.controls import RuleBook, objective_id
from prober.export.text import clean, first_moment, moment, said
from prober.nouns.model import Model
from prober.nouns.scorecard import AttestationLine, CriterionScore, MaturityScore, RequirementScore
from prober.render.report import Report, Subject
from prober.render.words import CLASS, MEANING, fate_of

FILE = "oscal-assessment-results.json"
SATISFIED = "Satisfied is OSCAL's word: the requirement of this catalog is true by the evidence named, and no more."
PRIVATE = "A document decides it that the provider did not make public."
NOT_SATISFIED = "Not satisfied is OSCAL's word: the requirement of this catalog is false by the evidence named."


def document(book: RuleBook, report: Report, models: Sequence[Model]) -> dict[str, Any]:
    """The whole document."""
    told = tuple(everything(report, models))
    catalog_id = named("oscal catalog resource", book.digest)
    maturity = report.card.maturity
    observations = [_observation(one, report) for one in told]
    if maturity is not None:
        observations += [_attested(one, report) for one in sorted(maturity.attestations, key=lambda one: one.id)]
        observations += [one for score in maturity.criteria for one in _undecided(score, report)]
    findings = list(_of_criteria(maturity, told) if maturity is not None else _of_probes(book, told))
    result: dict[str, Any] = {
        "uuid": named("oscal result", results_uuid(book, report)),
        "title": clean(f"What prober saw, by {book.id} {book.version}"),
        "description": said(
            "Every finding of every probe with the exchange that proves it, and every requirement that is decided."
        ),
        "start": min(first_moment(one.run.started, report.card.as_of) for one in report.subjects),
        "reviewed-controls": plan.reviewed(catalog_id),
    }
    ended = [first_moment(one.run.ended) for one in report.subjects if moment(one.run.ended) is not None]
    if ended and max(ended) >= result["start"]:
        result["end"] = max(ended)
    if observations:
        result["observations"] = observations
    if findings:
        result["findings"] = findings
    return {
        "assessment-results": {
            "uuid": results_uuid(book, report),
            "metadata": metadata(f"Results by {book.id} {book.version}", book, report),
            "import-ap": {"href": plan.FILE, "remarks": f"The assessment plan {plan_uuid(book, report)}."},
            "results": [result],
            "back-matter": {
                "resources": [
                    plan.catalog_resource(book, catalog_id),
                    *(_evidence(one) for one in subjects(report)),
                ]
            },
        }
    }


def observation_uuid(told: Told) -> str:
    """The observation that a finding of a probe is."""
    return named("oscal observation", told.subject.run.id, told.finding.subject, told.finding.source.probe)


def _observation(told: Told, report: Report) -> dict[str, Any]:
    finding, verdict = told.finding, told.finding.verdict
    reason = f" {MEANING[verdict.reason]}" if verdict.reason else ""
    observation: dict[str, Any] = {
        "uuid": observation_uuid(told),
        "title": told.title,
        "description": said(f"{verdict.message}{reason}"),
        "props": props(
            (
                ("probe", finding.source.probe),
                ("outcome", verdict.outcome),
                ("fate", fate_of(finding)),
                ("reason", verdict.reason),
                ("basis", finding.basis),
                ("evidence-class", finding.class_),
            )
        ),
        "methods": ["TEST"],
        "types": ["control-objective"],
        "origins": [
            {
                "actors": [{"type": "tool", "actor-uuid": tool_uuid(report)}],
                "related-tasks": [{"task-uuid": named("oscal task", told.subject.run.id, told.subject.run.subject)}],
            }
        ],
        "subjects": [{"subject-uuid": component_uuid(told.subject.run), "type": "component"}],
        "collected": _collected(told, report),
    }
    if told.proofs:
        observation["relevant-evidence"] = [
            {
                "href": one.uri,
                "description": said(one.told),
                **({"links": [{"href": one.body, "rel": "related", "text": "The stored body"}]} if one.body else {}),
            }
            for one in told.proofs
        ]
    return observation


def _collected(told: Told, report: Report) -> str:
    """When the last of the exchanges began; where none is known, when the run did."""
    found = [told.subject.exchanges.get(one.exchange) for one in told.proofs]
    begun = [first_moment(one.started) for one in found if one is not None and moment(one.started) is not None]
    return max(begun) if begun else first_moment(told.subject.run.started, report.card.as_of)


def _attested(line: AttestationLine, report: Report) -> dict[str, Any]:
    """A document that somebody attested. Its words stay out unless it is public: they are the provider's to show."""
    named_so = f"{line.title}, issued by {line.issuer}" if line.public else f"A document of the kind {line.kind}"
    why = line.why if line.public else ""
    return {
        "uuid": _attestation_uuid(line.id),
        "title": said(f"Attested: {line.id}"),
        "description": said(f"{named_so}. Class {line.class_}: {CLASS[line.class_]}. State: {line.state}. {why}"),
        "props": props(
            (
                ("attestation", line.id),
                ("kind", line.kind),
                ("evidence-class", line.class_),
                ("state", line.state),
                ("sha256", line.sha256),
                ("last-day", line.last_day),
            )
        ),
        "methods": ["EXAMINE"],
        "types": ["control-objective"],
        "collected": as_of(report),
    }


def _undecided(score: CriterionScore, report: Report) -> Iterator[dict[str, Any]]:
    """What of a criterion is unknown or does not apply: said, so that its absence is not read as a result."""
    left = [one for one in score.requirements if one.truth in ("unknown", "not_applicable")]
    if score.applies and not left:
        return
    why = score.not_applicable_because or "Some of its requirements are unknown or do not apply."
    yield {
        "uuid": named("oscal undecided", score.id, as_of(report), *(one.run.id for one in subjects(report))),
        "title": said(f"{score.id}: what is not decided"),
        "description": said(f"The criterion is: {score.title}. {why} Its state is {score.state}."),
        "props": [
            prop("criterion", score.id),
            prop("state", score.state),
            *(prop(one.truth.replace("_", "-"), objective_id(one.id)) for one in left),
        ],
        "methods": ["EXAMINE"],
        "types": ["control-objective"],
        "collected": as_of(report),
    }


def _of_criteria(score: MaturityScore, told: Sequence[Told]) -> Iterator[dict[str, Any]]:
    by_probe: dict[str, list[str]] = {}
    for one in told:
        by_probe.setdefault(one.finding.source.probe, []).append(observation_uuid(one))
    public = {one.id: one.public for one in score.attestations}
    for criterion in score.criteria:
        for asked in criterion.requirements if criterion.applies else ():
            if asked.truth in ("true", "false"):
                related = [uuid for probe in asked.findings for uuid in by_probe.get(probe, [])]
                related += [_attestation_uuid(one) for one in asked.attestations if one in public]
                seen = asked.why if all(public.get(one, False) for one in asked.attestations) else PRIVATE
                yield _finding(asked, seen, list(dict.fromkeys(related)), told)


def _finding(asked: RequirementScore, seen: str, related: list[str], told: Sequence[Told]) -> dict[str, Any]:
    # A title that is the requirement itself would read as a fact where it is false.
    why = f"Asked: {asked.text} Seen: {seen}"
    return _decided(objective_id(asked.id), asked.id, why, asked.truth == "true", related, told)


def _of_probes(book: RuleBook, told: Sequence[Told]) -> Iterator[dict[str, Any]]:
    """With the probes as controls a finding is the outcome of one probe at one base."""
    objectives = {probe: asked for one in book.controls for asked in one.objectives for probe in asked.probes}
    for one in told:
        asked, outcome = objectives.get(one.finding.source.probe), one.finding.verdict.outcome
        if asked is not None and outcome in ("present", "absent"):
            related = [observation_uuid(one)]
            yield _decided(asked.id, one.title, one.finding.verdict.message, outcome == "present", related, told)


def _decided(
    objective: str, title: str, why: str, truth: bool, related: list[str], told: Sequence[Told]
) -> dict[str, Any]:
    runs = sorted({one.subject.run.id for one in told})
    finding: dict[str, Any] = {
        "uuid": named("oscal finding", objective, *(related or runs)),
        "title": clean(title),
        "description": said(why),
        "target": {
            "type": "objective-id",
            "target-id": objective,
            "status": {
                "state": "satisfied" if truth else "not-satisfied",
                "reason": "pass" if truth else "fail",
                "remarks": SATISFIED if truth else NOT_SATISFIED,
            },
        },
    }
    if related:
        finding["related-observations"] = [{"observation-uuid": one} for one in related]
    return finding


def _evidence(subject: Subject) -> dict[str, Any]:
    run = subject.run
    href = exchange_at(run.id, "").partition("#")[0]
    return {
        "uuid": named("oscal evidence", run.id, run.subject),
        "title": clean(f"The exchanges of run {run.id}"),
        "description": "Every request and what came back, redacted. Each link to evidence names one line by its id.",
        "rlinks": [{"href": href}],
    }


def _attestation_uuid(id_: str) -> str:
    return named("oscal attestation", id_)
