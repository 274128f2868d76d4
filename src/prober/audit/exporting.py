"""Hands the evidence of a bundle, or of a run folder, to the exports."""

from collections.abc import Mapping
from pathlib import Path

from prober.archive import FINDINGS, SCORECARD, RunFolder
from prober.audit.derive import Held, models_of
from prober.audit.seal import released_digests
from prober.audit.verify import Opened
from prober.export import exported
from prober.library import LoadedProbe
from prober.mistake import BadFolder, Mistake
from prober.nouns.model import Model
from prober.nouns.scorecard import Scorecard
from prober.render.report import Report, Subject


def exported_from(path: Path, kind: str, probes: Mapping[str, LoadedProbe]) -> dict[str, bytes]:
    """The files of an export by name. Raises Mistake, and Refused where a bundle does not hold."""
    if path.is_dir():
        folder = RunFolder.open(path)
        for name in (FINDINGS, SCORECARD):
            if not folder.has(name):
                raise BadFolder(f"{path / name}: this file is missing; make it with `prober judge` and `score`.")
        return _exported(path, kind, folder.scorecard(), [Held.of(folder)], models_of(folder), probes)
    with Opened(path, lambda _: None) as bundle:
        return _exported(path, kind, bundle.card, bundle.rated, bundle.models, probes)


def _exported(
    path: Path, kind: str, card: Scorecard, rated: list[Held], models: list[Model], probes: Mapping[str, LoadedProbe]
) -> dict[str, bytes]:
    subjects = tuple(Subject(one.run, one.folder.provider(), one.folder.findings(), one.exchanges) for one in rated)
    report = Report(card, subjects, {id_: one.sheet for id_, one in probes.items()})
    released = all(one.fingerprint() in released_digests() for one in models)
    try:
        return exported(kind, report, models, released=released)
    except ValueError as error:
        raise Mistake(f"{path}: this cannot be exported: {error}") from error
