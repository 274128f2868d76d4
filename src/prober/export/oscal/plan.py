"""The OSCAL assessment plan: whom prober was to ask, and each probe as an activity with the criteria that it serves."""

from collections.abc import Iterable, Sequence
from typing import Any

from prober.export.bundle import Told, everything, subjects
from prober.export.names import named
from prober.export.oscal import catalog
from prober.export.oscal.common import component_uuid, metadata, plan_uuid, prop, tool_uuid, tools
from prober.export.oscal.controls import Control, RuleBook
from prober.export.text import clean, first_moment, said
from prober.nouns.model import Model
from prober.render.report import Report, Subject
from prober.render.words import ENVIRONMENT, requests

FILE = "oscal-assessment-plan.json"
NO_PLAN = (
    "There is no system security plan. OSCAL asks for one here. Prober looked at a FHIR server from outside and knows "
    "nothing of the controls inside the system, so it names the catalog that the server was held against instead."
)


def document(book: RuleBook, report: Report, models: Sequence[Model]) -> dict[str, Any]:
    """The whole document."""
    told = _one_of_each(everything(report, models))
    none, catalog_id = named("oscal no plan", book.digest), named("oscal catalog resource", book.digest)
    activities = [_activity(one, book, catalog_id) for one in told]
    definitions: dict[str, Any] = {"components": _components(report)}
    if activities:
        definitions["activities"] = activities
    plan = {
        "uuid": plan_uuid(book, report),
        "metadata": metadata(f"How prober assessed by {book.id} {book.version}", book, report),
        "import-ssp": {"href": f"#{none}", "remarks": NO_PLAN},
        "local-definitions": definitions,
        "reviewed-controls": reviewed(catalog_id),
        "assessment-subjects": [
            {
                "type": "component",
                "include-subjects": [{"subject-uuid": one, "type": "component"} for one in _bases(report)],
            }
        ],
        "assessment-assets": _assets(report),
        "back-matter": {
            "resources": [
                {"uuid": none, "title": "No system security plan", "description": NO_PLAN},
                catalog_resource(book, catalog_id),
            ]
        },
    }
    if activities:
        plan["tasks"] = [_task(one, told, report) for one in subjects(report)]
    return {"assessment-plan": plan}


def reviewed(catalog_id: str) -> dict[str, Any]:
    """Every control and objective of the catalog, which the link names."""
    return {
        "links": [{"href": f"#{catalog_id}", "rel": "reference"}],
        "control-selections": [{"include-all": {}}],
        "control-objective-selections": [{"include-all": {}}],
    }


def catalog_resource(book: RuleBook, uuid: str) -> dict[str, Any]:
    """The resource that leads to the catalog beside the document."""
    return {
        "uuid": uuid,
        "title": clean(f"The catalog of {book.id} {book.version}"),
        "rlinks": [{"href": catalog.FILE, "media-type": "application/json"}],
    }


def activity_uuid(probe: str) -> str:
    """The activity that a probe is."""
    return named("oscal activity", probe)


def _one_of_each(told: Iterable[Told]) -> list[Told]:
    found: dict[str, Told] = {}
    for one in told:
        found.setdefault(one.finding.source.probe, one)
    return [found[probe] for probe in sorted(found)]


def _bases(report: Report) -> list[str]:
    return list(dict.fromkeys(component_uuid(one.run) for one in subjects(report)))


def _components(report: Report) -> list[dict[str, Any]]:
    """One component for each FHIR base. Of its status prober knows only that it was asked: OSCAL calls that `other`."""
    by_uuid = {component_uuid(one.run): _component(one) for one in subjects(report)}
    return [by_uuid[uuid] for uuid in _bases(report)]


def _component(subject: Subject) -> dict[str, Any]:
    run, facts = subject.run, subject.facts
    return {
        "uuid": component_uuid(run),
        "type": "service",
        "title": clean(run.subject),
        "description": said(f"A FHIR base of {facts.organisation or 'a provider that nobody named'}."),
        "props": [prop("environment", run.environment)],
        "status": {"state": "other", "remarks": ENVIRONMENT[run.environment]},
    }


def _assets(report: Report) -> dict[str, Any]:
    uuid, title = tool_uuid(report), f"prober {', '.join(tools(report))}"
    return {
        "components": [
            {
                "uuid": uuid,
                "type": "software",
                "title": clean(title),
                "description": "Asks FHIR servers, judges their answers, and keeps the evidence.",
                "status": {"state": "operational"},
            }
        ],
        "assessment-platforms": [
            {
                "uuid": named("oscal platform", uuid),
                "title": clean(title),
                "uses-components": [{"component-uuid": uuid}],
            }
        ],
    }


def _activity(told: Told, book: RuleBook, catalog_id: str) -> dict[str, Any]:
    probe, sheet = told.finding.source.probe, told.sheet
    activity: dict[str, Any] = {
        "uuid": activity_uuid(probe),
        "title": told.title,
        "description": said(f"{sheet.how} {sheet.counts}") if sheet else told.title,
        "props": [{"name": "method", "value": "TEST"}, prop("probe", probe)],
    }
    serves = [one for one in book.controls if probe in one.probes]
    if serves:
        activity["related-controls"] = _selected(serves, probe, catalog_id)
    return activity


def _selected(controls: Sequence[Control], probe: str, catalog_id: str) -> dict[str, Any]:
    objectives = [asked.id for one in controls for asked in one.objectives if probe in asked.probes]
    return {
        "links": [{"href": f"#{catalog_id}", "rel": "reference"}],
        "control-selections": [{"include-controls": [{"control-id": one.id} for one in controls]}],
        "control-objective-selections": [{"include-objectives": [{"objective-id": one} for one in objectives]}],
    }


def _task(subject: Subject, told: Sequence[Told], report: Report) -> dict[str, Any]:
    run = subject.run
    start = first_moment(run.started, report.card.as_of)
    asked = {one.source.probe for one in subject.findings}
    base = {
        "type": "component",
        "include-subjects": [{"subject-uuid": component_uuid(run), "type": "component"}],
    }
    return {
        "uuid": named("oscal task", run.id, run.subject),
        "type": "action",
        "title": clean(f"Run {run.id}"),
        "description": said(f"{requests(run)} {run.authorization.statement}"),
        "timing": {"within-date-range": {"start": start, "end": first_moment(run.ended, start)}},
        "associated-activities": [
            {"activity-uuid": activity_uuid(one.finding.source.probe), "subjects": [base]}
            for one in told
            if one.finding.source.probe in asked
        ],
    }
