"""The corpus: recorded servers and providers with their documents, judged once and ready to be scored by any model."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prober.archive import RUN, RunFolder
from prober.handwriting import load_yaml, parse, read_text
from prober.judge import judge
from prober.library import LoadedProbe, built_in_probes, load_provider
from prober.mistake import BadFolder, Mistake
from prober.nouns.attestation import Attestation, AttestationFile
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding
from prober.nouns.history import HistoryLine, apart
from prober.nouns.model import Model
from prober.nouns.polls import PollDay
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import Run
from prober.nouns.scorecard import Scorecard
from prober.nouns.sheet import Sheet
from prober.pipeline import facts_of, replay_facts
from prober.score import ScoredRun, score

ABOUT, PROVIDER, ATTESTATIONS = "about.yaml", "provider.yaml", "attestations.yaml"


@dataclass(frozen=True)
class Recorded:
    """One fixture: what a run saw, with what a provider says about itself where the fixture is one of a provider."""

    name: str
    folder: Path
    run: Run
    facts: ProviderFacts
    findings: tuple[Finding, ...]
    exchanges: Mapping[str, Exchange]
    as_of: str
    attestations: tuple[Attestation, ...] = ()
    history: tuple[HistoryLine, ...] = ()
    polls: tuple[PollDay, ...] = ()

    def scored_run(self) -> ScoredRun:
        """What this fixture contributes to a score."""
        return ScoredRun(
            self.run, self.facts, self.findings, self.exchanges, self.attestations, self.history, self.polls
        )

    def scored_with(self, model: Model, sheets: Mapping[str, Sheet]) -> Scorecard:
        """The scorecard under this model alone. Raises Mistake if it cannot be scored."""
        try:
            return score([self.scored_run()], [model], sheets, as_of=self.as_of)
        except ValueError as error:
            raise Mistake(f"{self.folder}: this cannot be scored with {model.id}: {error}") from error


@dataclass(frozen=True)
class _Judged:
    """A recording, read and judged."""

    run: Run
    facts: ProviderFacts
    findings: tuple[Finding, ...]
    exchanges: Mapping[str, Exchange]


def shipped_corpus() -> Path:
    """The fixtures of a checkout, or those that came with the wheel."""
    probes = built_in_probes()
    return probes.parent / ("_fixtures" if probes.name == "_probes" else "fixtures")


def load_corpus(folder: Path, probes: Mapping[str, LoadedProbe]) -> tuple[Recorded, ...]:
    """Every fixture at or below this folder, by name. A recording is judged once, however many fixtures rest on it.

    A fixture is a folder with `about.yaml`: either a recording (a run folder), or a provider with `provider.yaml`, its
    attestations and its history, whose `about.yaml` names a recording. Raises Mistake.
    """
    if not folder.is_dir():
        raise Mistake(f"{folder}: this is not a folder; name one with fixtures.")
    places = sorted(path.parent for path in folder.rglob(ABOUT))
    if not places:
        raise Mistake(f"{folder}: no fixture was found here; a fixture is a folder with {ABOUT}.")
    judged: dict[Path, _Judged] = {}
    return tuple(_fixture(place, _name(place, folder), probes, judged) for place in places)


def _name(place: Path, root: Path) -> str:
    inside = place.relative_to(root).as_posix()
    return place.resolve().name if inside == "." else inside


def _fixture(place: Path, name: str, probes: Mapping[str, LoadedProbe], judged: dict[Path, _Judged]) -> Recorded:
    about = _about(place / ABOUT)
    own = (place / RUN).is_file()
    recording = place if own else _recording(place, about)
    key = recording.resolve()
    if key not in judged:
        judged[key] = _judge(recording, probes)
    seen = judged[key]
    as_of = str(about.get("as_of") or seen.run.as_of or seen.run.started)
    if own:
        return Recorded(name, place, seen.run, seen.facts, seen.findings, seen.exchanges, as_of)
    provider = load_provider(place / PROVIDER)
    documents = place / ATTESTATIONS
    return Recorded(
        name,
        place,
        seen.run.model_copy(update={"environment": provider.environment}),
        facts_of(provider, provider.environment, seen.facts.patients, seen.facts.groups),
        seen.findings,
        seen.exchanges,
        as_of,
        load_yaml(documents, AttestationFile).attestations if documents.is_file() else (),
        *apart(RunFolder(place).remembered()),
    )


def _about(path: Path) -> Mapping[str, Any]:
    value, _ = parse(read_text(path), path)
    if not isinstance(value, dict):
        raise Mistake(f"{path}:1: this file does not begin with `name: value` lines; write them.")
    return value


def _recording(place: Path, about: Mapping[str, Any]) -> Path:
    named = about.get("recording")
    if not isinstance(named, str):
        raise Mistake(
            f"{place / ABOUT}:1: `recording` is missing; name the folder of a recording, for example ../../leader."
        )
    return place / named


def _judge(recording: Path, probes: Mapping[str, LoadedProbe]) -> _Judged:
    try:
        folder = RunFolder.open(recording)
        run, facts, exchanges = folder.run(), folder.provider(), folder.exchanges()
        known = replay_facts(folder)
    except BadFolder as error:
        raise Mistake(str(error)) from error
    loaded = {id_: (one.probe, one.sheet, one.digest) for id_, one in probes.items()}
    return _Judged(run, facts, asyncio.run(judge(loaded, known, exchanges)).findings, exchanges)
