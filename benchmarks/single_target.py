"""How near a run comes to its floor: the sandbox with 100 ms added to every answer. Prints ratios of one run.

    python benchmarks/single_target.py

It ends with 1 if a figure is past its bound; on a busy machine that says something about the machine.

floor = the larger of (the longest chain of requests that depend on each other x 100 ms, with the waits that the server
asked for) and (requests x 100 ms / concurrency).
"""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from prober.archive import RunFolder
from prober.clock import SystemClock
from prober.library import LoadedProbe, load_probes
from prober.nouns.evidence import Exchange
from prober.pipeline import Options, collect, judge_folder, prepare, score_folders
from prober.render import html, markdown
from prober.sandbox import Sandbox
from prober.session.pace import SANDBOX
from prober.session.session import retry_after_seconds
from prober.stages import load_report

LATENCY = 0.1
TOKEN = "PROBER_BENCHMARK_TOKEN"
HELP_RUNS = 5
EXCHANGES = 300
OVER: list[str] = []
"""The figures past their bounds."""


def floor(exchanges: Mapping[str, Exchange], probes: Mapping[str, LoadedProbe]) -> tuple[float, float, int]:
    """(seconds of the longest chain, seconds of the whole load, requests on the chain)."""
    asked: dict[str, int] = defaultdict(int)
    waits: dict[str, float] = defaultdict(float)
    for one in exchanges.values():
        asked[one.observation] += 1
        if one.status in (202, 429, 503) and one.method == "GET":
            waits[one.observation] += retry_after_seconds(one) or 0
    observations = {one.name: one for loaded in probes.values() for one in loaded.probe.inputs_closure()}
    known: dict[str, tuple[float, int]] = {}

    def path(name: str) -> tuple[float, int]:
        if name not in known:
            one = observations[name]
            below = max((path(need.name) for need in one.needs), default=(0.0, 0))
            own = min(one.chain, asked[name])
            known[name] = (below[0] + own * LATENCY + waits[name], below[1] + own)
        return known[name]

    longest = max((path(name) for name in observations), default=(0.0, 0))
    return longest[0], len(exchanges) * LATENCY / SANDBOX.at_once, longest[1]


def bounded(what: str, value: float, most: float, text: str) -> None:
    """Print one figure with its bound."""
    OVER.extend([what] if value > most else [])
    print(f"{what:<32} {text} (at most {most:g})")


def measure(folder: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "prober.cli", "sandbox", "--port", "0", "--latency", str(LATENCY)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert server.stdout is not None
        base = server.stdout.readline().split(" at ")[1].split(" ")[0]
        os.environ[TOKEN] = server.stdout.readline().split(": ")[1].strip()
        clock = SystemClock()
        prepared = prepare(Options(target=base, bearer_env=TOKEN), clock)
        started = time.perf_counter()
        collected = asyncio.run(collect(prepared, folder / "run", clock))
        collecting = time.perf_counter() - started
        memory = peak_of_a_run(base, folder / "memory")
    finally:
        server.terminate()
        server.wait()
    probes = load_probes()
    exchanges = collected.folder.exchanges()
    chain, load, length = floor(exchanges, probes)
    lowest = max(chain, load)
    print(f"requests                         {len(exchanges)}")
    print(f"longest chain                    {length} requests, {chain:.2f} s with the waits asked for")
    print(f"load at {SANDBOX.at_once} at a time              {load:.2f} s")
    ratio = collecting / lowest
    bounded("collect, times the floor", ratio, 1.5, f"{ratio:.2f} ({collecting:.2f} s)")
    bounded("peak memory of `prober run`, MB", memory, 150, f"{memory:.0f}")
    measure_stages([collected.folder], probes)
    measure_stages(many_runs(folder, len(exchanges)), probes)


def many_runs(folder: Path, exchanges: int) -> list[RunFolder]:
    """As many runs, each of a server of its own, as it takes to have 300 exchanges."""
    folders = []
    for number in range(-(-EXCHANGES // exchanges)):
        with Sandbox() as box:
            os.environ[TOKEN] = box.token
            clock = SystemClock()
            prepared = prepare(Options(target=box.base_url, bearer_env=TOKEN), clock)
            folders.append(asyncio.run(collect(prepared, folder / f"many-{number}", clock)).folder)
    return folders


def measure_stages(folders: list[RunFolder], probes: Mapping[str, LoadedProbe]) -> None:
    started = time.perf_counter()
    for one in folders:
        judge_folder(one, probes)
    card = score_folders(folders, probes)
    report = load_report(folders[0].path.parent, folders, probes, card)
    pages = len(html.page(report)) + len(markdown.page(report))
    took = time.perf_counter() - started
    count = sum(len(one.exchanges()) for one in folders)
    bounded("judge, score, render, seconds", took, 2.0, f"{took:.2f} for {count} exchanges")
    print(f"size of both reports             {pages / 1000:.0f} kB")


def peak_of_a_run(base: str, folder: Path) -> float:
    """Megabytes: the largest resident set of one whole `prober run` in a process of its own."""
    script = (
        "import resource, sys\n"
        "from prober import cli\n"
        f"sys.argv = ['prober', 'run', {base!r}, '--bearer-env', {TOKEN!r}, '--out', {str(folder)!r}, '--json']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return int(done.stderr.strip().splitlines()[-1]) / 1000


def measure_help() -> None:
    def wall(*arguments: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        return time.perf_counter() - started

    bare = statistics.median(wall("-c", "pass") for _ in range(HELP_RUNS))
    helped = statistics.median(wall("-m", "prober.cli", "--help") for _ in range(HELP_RUNS))
    bounded("prober --help, seconds", helped, 0.4, f"{helped:.2f}, {helped / bare:.1f} x a bare Python")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        measure(Path(scratch))
    measure_help()
    print(f"peak memory of this process      {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB")
    sys.exit(bool(OVER))
