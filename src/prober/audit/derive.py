"""From evidence to the scorecard of a bundle: the same steps whether it is sealed, verified or judged again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from prober.archive import MODEL, RunFolder
from prober.judge import judge
from prober.library import LoadedProbe, parse_model
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding
from prober.nouns.history import Remembered, apart, in_order
from prober.nouns.model import Model
from prober.nouns.run import Run
from prober.nouns.scorecard import Scorecard
from prober.pipeline import replay_facts
from prober.score import ScoredRun, advised, score
from prober.supplement import remembered, remembered_polls


@dataclass(frozen=True)
class Held:
    """One run of a bundle: its folder, and what was read from it."""

    folder: RunFolder
    run: Run

    @cached_property
    def exchanges(self) -> Mapping[str, Exchange]:
        """Its exchanges by id, with their stored bodies. Raises BadFolder for what prober did not write."""
        return self.folder.exchanges()

    @classmethod
    def of(cls, folder: RunFolder) -> "Held":
        return cls(folder, folder.run())


def other_probes(run: Run, probes: Mapping[str, LoadedProbe]) -> str | None:
    """The first probe that this run was made with and that is another one here, or is missing; None if none is."""
    return next((id_ for id_, digest in sorted(run.probes.items()) if _digest(probes, id_) != digest), None)


def findings_of(one: Held, probes: Mapping[str, LoadedProbe]) -> tuple[Finding, ...]:
    """What the probes of a run find in its stored evidence; other probes that are here are not asked."""
    loaded = {
        id_: (probes[id_].probe, probes[id_].sheet, probes[id_].digest) for id_ in one.run.probes if id_ in probes
    }
    return asyncio.run(judge(loaded, replay_facts(one.folder), one.exchanges)).findings


def history_of(
    one: Held, others: Sequence[Held], findings: Mapping[str, tuple[Finding, ...]]
) -> tuple[Remembered, ...]:
    """What the earlier runs of the same bundle and base saw, for a run that the scorecard rests on."""
    earlier = [
        other for other in others if other.run.subject == one.run.subject and other.run.started < one.run.started
    ]
    lines = [line for other in earlier for line in remembered(other.folder, one.folder, findings[other.run.id])]
    seen = {other.run.id: other.exchanges for other in earlier}
    return in_order([*lines, *remembered_polls([other.folder for other in earlier], one.folder, seen)])


def models_of(folder: RunFolder) -> list[Model]:
    """The models that a run was scored with. Raises Mistake if its file is not one of models."""
    return list(_parsed(folder.models()))


@lru_cache(maxsize=4)
def _parsed(texts: tuple[str, ...]) -> tuple[Model, ...]:
    """Kept, because reading a rule book takes as long as judging a run, and the runs of a series have the same one."""
    return tuple(parse_model(text, Path(MODEL)) for text in texts)


def scored(
    rated: Sequence[Held],
    findings: Mapping[str, tuple[Finding, ...]],
    history: Mapping[str, tuple[Remembered, ...]],
    models: Sequence[Model],
    probes: Mapping[str, LoadedProbe],
) -> Scorecard:
    """The scorecard of a bundle, as of the end of its last rated run. ValueError if they cannot be scored together."""
    runs = [
        ScoredRun(
            one.run,
            one.folder.provider(),
            findings[one.run.id],
            one.exchanges,
            one.folder.attestations(),
            *apart(history[one.run.id]),
        )
        for one in rated
    ]
    sheets = {id_: one.sheet for id_, one in probes.items()}
    as_of = max(one.run.as_of or one.run.started for one in rated)
    return advised(score(runs, models, sheets, as_of=as_of), runs, models, sheets)


def _digest(probes: Mapping[str, LoadedProbe], id_: str) -> str | None:
    return probes[id_].digest if id_ in probes else None


def package_files(package: Path) -> list[Path]:
    """The files of prober itself that decide what it finds: all but its probes and fixtures, which are named apart."""
    return sorted(
        path
        for path in package.rglob("*")
        if path.is_file() and not {"__pycache__", "_probes", "_fixtures"} & set(path.relative_to(package).parts)
    )
