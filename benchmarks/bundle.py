"""How long it takes to seal and to verify a run of 300 exchanges, and how large it becomes. Prints figures of one run.

    python benchmarks/bundle.py

The run is the recording of HAPI in fixtures/, filled up to 300 exchanges with more of its own answers (the small ones
altered a little, so that each body is another one). Sealing judges and scores it and writes the bundle; verifying reads
it back, checks it, and judges and scores it again. Both are timed from the run folder or the file to the end, in this
one process, after the probes and modules are loaded; each is the quickest of five. It ends with 1 if either takes a
second or more; on a busy machine that says something about the machine.
"""

import hashlib
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from prober.archive import RunFolder
from prober.audit.seal import Wish, seal
from prober.audit.verify import verify
from prober.clock import VirtualClock
from prober.keys import new_key
from prober.library import load_probes
from prober.pipeline import judge_folder, load_models, score_folders

EXCHANGES = 300
LARGE = 65_536
"""Bytes."""
BOUND = 1.0
"""Seconds for each of the two."""
TIMES = 5
FIXTURE = Path(__file__).parent.parent / "fixtures" / "hapi"


def a_run(place: Path) -> RunFolder:
    """A judged and scored run of so many exchanges."""
    shutil.copytree(FIXTURE, place)
    folder, probes = RunFolder.open(place), load_probes()
    texts, digests = load_models(None, probes)
    folder.write_models(texts)
    made = {"probes": {id_: one.digest for id_, one in probes.items()}, "models": digests}
    folder.write_run(folder.run().model_copy(update=made))
    known = list(folder.exchanges().values())
    for number in range(EXCHANGES - len(known)):
        one = known[number % len(known)]
        # A server's large documents are the same whenever they are asked for; its small answers are all different.
        altered = one.body is not None and len(one.content) < LARGE
        content = one.content + b" " * (number + 1) if altered else one.content
        body = hashlib.sha256(content).hexdigest() if content else None
        folder.record(one.model_copy(update={"id": f"{number:016x}.1", "body": body, "content": b""}), content)
    folder.close()
    judge_folder(folder, probes)
    folder.write_scorecard(score_folders([folder], probes))
    return folder


def quickest(what: Callable[[], object]) -> float:
    """Seconds of the quickest of several times."""
    found = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        what()
        found.append(time.perf_counter() - begun)
    return min(found)


def main() -> None:
    probes = load_probes()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        folder = a_run(place / "run")
        signer = new_key(place / "key.pem", VirtualClock())
        wish = Wish((folder.path,), signer, ledger=place / "ledger")
        sealed = seal(wish, probes, place / "b.zip")
        sealing = quickest(lambda: seal(wish, probes, place / "b.zip"))
        verifying = quickest(lambda: verify(place / "b.zip", probes, signer.public, {}))
        judging = quickest(lambda: judge_folder(folder, probes))
    print(f"exchanges                        {EXCHANGES:8d}")
    print(f"judging alone                    {judging:8.2f} s")
    print(f"sealing                          {sealing:8.2f} s (at most {BOUND:g}), {sealing / judging:.1f} x judging")
    print(f"verifying                        {verifying:8.2f} s (at most {BOUND:g}), {verifying / judging:.1f} x")
    print(f"evidence as it lay in the folder {sealed.raw:8d} bytes")
    print(f"bundle                           {sealed.size:8d} bytes, {sealed.size / sealed.raw:.2f} x the evidence")
    print(f"peak memory                      {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:8d} MiB")
    sys.exit(max(sealing, verifying) >= BOUND)


if __name__ == "__main__":
    main()
