"""The OSCAL catalog: a group for each block, a control for each criterion, an objective for each requirement."""

from itertools import groupby
from typing import Any

from prober.export.oscal.common import catalog_uuid, metadata, prop, props
from prober.export.oscal.controls import Control, Group, Objective, RuleBook
from prober.render.report import Report

FILE = "oscal-catalog.json"


def document(book: RuleBook, report: Report) -> dict[str, Any]:
    """The whole document."""
    told = metadata(book.title, book, report)
    told["remarks"] = f"{book.disclaimer} {told['remarks']}"
    return {
        "catalog": {
            "uuid": catalog_uuid(book, report),
            "metadata": told,
            "groups": [_group(one) for one in book.groups],
        }
    }


def _group(group: Group) -> dict[str, Any]:
    return {"id": group.id, "title": group.title, "controls": [_control(one) for one in group.controls]}


def _control(control: Control) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": control.id,
        "title": control.title,
        "parts": [
            {"id": f"{control.id}.statement", "name": "statement", "prose": control.statement},
            {"id": f"{control.id}.guidance", "name": "guidance", "prose": control.guidance},
            *(_level(control, level, list(asked)) for level, asked in groupby(control.objectives, lambda o: o.level)),
        ],
    }
    if control.props:
        told["props"] = props(control.props)
    return told


def _level(control: Control, level: int, asked: list[Objective]) -> dict[str, Any]:
    return {
        "id": f"{control.id}.L{level}",
        "name": "assessment-objective",
        "title": f"Level {level}",
        "props": [prop("level", str(level))],
        "parts": [_objective(one) for one in asked],
    }


def _objective(asked: Objective) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": asked.id,
        "name": "assessment-objective",
        "prose": f"{asked.text} Decided by: {asked.how}",
    }
    if asked.probes:
        told["props"] = [prop("probe", one) for one in sorted(asked.probes)]
    return told
