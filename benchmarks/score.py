"""How long it takes to score stored runs, as a fleet or a change of the rule book asks for. Prints figures of one run.

    python benchmarks/score.py

A thousand run folders are made from the recordings in fixtures/: each is a copy in which one finding in twenty, by
chance with a fixed seed, is turned over, so that the runs differ as those of a fleet do. Reading a run (run.json,
provider.json, findings.jsonl, the times in exchanges.jsonl) and scoring it with both models is what is timed, in this
one process and on one core; reading the models once comes first and is printed beside it, and so is writing. Most lines
of these runs come again in others, as those of one server do night after night, and are read once; a thousand servers
that have no line in common take about twice as long.
It ends with 1 if the thousand take longer than their bound; on a busy machine that says something about the machine.
"""

import gc
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from prober.archive import RunFolder
from prober.library import load_probes, parse_model
from prober.nouns.finding import Finding
from prober.pipeline import judge_folder, load_models, scored_run
from prober.score import advised, score

RUNS = 1_000
BOUND = 3.0
"""Seconds for all of them."""
ONE_IN = 20
FEW = 20
FIXTURES = Path(__file__).parent.parent / "fixtures"
TURNED = {"present": "absent", "absent": "present", "unknown": "present", "not_applicable": "unknown"}


def turned(finding: Finding, chance: random.Random) -> Finding:
    """The finding, or one in twenty times the contrary of it."""
    if chance.randrange(ONE_IN):
        return finding
    outcome = TURNED[finding.verdict.outcome]
    reason = "timed_out" if outcome == "unknown" else None
    return finding.model_copy(
        update={"verdict": finding.verdict.model_copy(update={"outcome": outcome, "reason": reason})}
    )


def fleet(root: Path, models: tuple[str, ...]) -> list[RunFolder]:
    """The run folders, from the recordings in turn. Bodies are shared by hard links: a score reads none of them."""
    probes = load_probes()
    chance = random.Random(8)
    judged = []
    for recording in sorted(path.parent for path in FIXTURES.glob("*/run.json")):
        first = root / recording.name
        shutil.copytree(recording, first)
        folder = RunFolder(first)
        run = folder.run().model_copy(update={"probes": {id_: one.digest for id_, one in probes.items()}})
        folder.write_run(run)
        folder.write_models(models)
        judge_folder(folder, probes)
        judged.append(folder)
    folders = []
    for number in range(RUNS):
        source = judged[number % len(judged)]
        place = root / f"{number:04d}"
        shutil.copytree(source.path, place, copy_function=os.link)
        folder = RunFolder(place)
        (place / "findings.jsonl").unlink()
        folder.write_findings(tuple(turned(one, chance) for one in source.findings()))
        folders.append(folder)
    return folders


def main() -> None:
    probes = load_probes()
    sheets = {id_: one.sheet for id_, one in probes.items()}
    begun = time.perf_counter()
    texts, _ = load_models(None, probes)
    models = [parse_model(text, Path("model.yaml")) for text in texts]
    reading = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as scratch:
        folders = fleet(Path(scratch), texts)
        # The models stay to the end: the collector of garbage need not walk through them again for every run.
        gc.freeze()
        loading = scoring = 0.0
        for folder in folders:
            begun = time.perf_counter()
            run = scored_run(folder)
            read = time.perf_counter()
            score([run], models, sheets, as_of=run.run.as_of or run.run.started)
            loading, scoring = loading + read - begun, scoring + time.perf_counter() - read
        few = [scored_run(folder) for folder in folders[:FEW]]
        cards = [score([run], models, sheets, as_of=run.run.as_of or run.run.started) for run in few]
        begun = time.perf_counter()
        for folder, card in zip(folders, cards, strict=False):
            folder.write_scorecard(card)
        writing = (time.perf_counter() - begun) / FEW
        begun = time.perf_counter()
        for run, card in zip(few, cards, strict=True):
            advised(card, [run], models, sheets)
        advising = (time.perf_counter() - begun) / FEW
    whole = loading + scoring
    print(f"reading the models once          {reading:6.2f} s")
    print(f"reading {RUNS} runs               {loading:6.2f} s")
    print(f"scoring {RUNS} runs               {scoring:6.2f} s")
    print(f"both                             {whole:6.2f} s (at most {BOUND:g}), {whole / reading:.1f} x the models")
    print(f"writing one scorecard            {1000 * writing:6.0f} ms")
    print(f"advice for one run               {1000 * advising:6.0f} ms")
    print(f"peak memory                      {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:6d} MiB")
    sys.exit(whole > BOUND)


if __name__ == "__main__":
    main()
