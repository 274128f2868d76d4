"""The sandbox from the command line: serve it, and prove on it that every planted defect is caught."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import RootModel

from prober import __version__
from prober.audit.seal import Wish, seal
from prober.clock import SystemClock
from prober.handwriting import load_yaml
from prober.keys import new_key, public_pem, signer_from
from prober.library import load_probes
from prober.mistake import Mistake
from prober.nouns.base import Noun, canonical
from prober.nouns.bundle import RunBy
from prober.nouns.finding import Finding, Outcome, Reason
from prober.nouns.provider import Provider
from prober.pipeline import Options, collect, judge_folder, prepare
from prober.sandbox import DEFECTS, PERSONAS, Sandbox, serve

AT_ONCE = 4
DEADLINE = 90
"""Seconds for one faulty server: far more than any needs, so that a busy machine tells the same."""
DRIP_DEADLINE = 12
"""Seconds for the one server that is caught by running out of time."""
SLOW_SECONDS = 3.2
"""A little over what the probe allows, so that the demonstration is short."""
SLOW = ("export_never_ends", "slow_answers", "slow_drip")
"""The defects that are caught by waiting: begun first, so that the others are probed meanwhile."""

Say = Callable[[str], None]


class Catch(Noun):
    """How a defect shows: the probe that names it, and the outcome and reason that it then has."""

    probe: str
    outcome: Outcome
    reason: Reason | None = None


class Catches(RootModel[dict[str, Catch]]):
    """defects.yaml."""


@dataclass(frozen=True)
class Row:
    """A line of the table defect × caught."""

    defect: str
    sentence: str
    probe: str
    expected: str
    on_healthy: str
    on_faulty: str
    says: str
    caught: bool


def expected_catches() -> Mapping[str, Catch]:
    """The catch of every planted defect. Raises Mistake if the file is not right."""
    return load_yaml(Path(__file__).with_name("defects.yaml"), Catches).root


def serve_sandbox(
    persona: str, defects: Iterable[str], port: int, tls: bool, latency: float, list_defects: bool, say: Say
) -> int:
    """`prober sandbox`. The exit code."""
    if list_defects:
        width = max(len(name) for name in DEFECTS)
        for name, defect in DEFECTS.items():
            say(f"{name:<{width}}  {defect.sentence}")
        return 0
    if persona not in PERSONAS:
        raise Mistake(f"--persona {persona}: there is no such persona; choose {', '.join(PERSONAS)}.")
    try:
        box = Sandbox(persona=persona, defects=tuple(defects), tls=tls, port=port, latency=latency)
    except ValueError as error:
        raise Mistake(f"--defect: {error}") from error

    def ready(running: Sandbox) -> None:
        say(f"The sandbox plays {persona} at {running.base_url} (Ctrl-C ends it).")
        say(f"Its bearer token: {running.token}")
        ca = f" --ca-file {running.ca_file}" if running.ca_file else ""
        if running.ca_file:
            say(f"Its throw-away authority: {running.ca_file}")
        say(f"Probe it: PROBER_TOKEN={running.token} prober run {running.base_url} --bearer-env PROBER_TOKEN{ca}")

    try:
        serve(box, ready)
    except OSError as error:
        raise Mistake(f"--port {port}: the sandbox cannot listen there ({error.strerror}).") from error
    return 0


def demonstrate(out: Path | None, defects: bool, say: Say) -> int:
    """`prober demo`: the healthy persona with its report, then every defect. The exit code."""
    from prober.stages import run_stage

    root = out or Path("prober-demo")
    # The demonstration's own servers end with it: a job left there is no concern of the user's journal.
    state = tempfile.TemporaryDirectory(prefix="prober-demo-state-")
    os.environ["XDG_STATE_HOME"] = state.name
    token_name = "PROBER_DEMO_TOKEN"  # noqa: S105 - the name of a variable
    say("A healthy server first: the built-in sandbox, persona leader.\n")
    with Sandbox() as box:
        os.environ[token_name] = box.token
        ledger = root / "ledger"
        prepared = prepare(Options(target=box.base_url, bearer_env=token_name, ledger=ledger), SystemClock())
        code = run_stage(
            [prepared], out=root / "leader", whole=True, fail_under=None, as_of=None, as_json=False, say=say
        )
    if not code:
        say("\nIts evidence, sealed so that somebody else can check it.\n")
        _seal(root, ledger, say)
    if code or not defects:
        return code
    say("\nNow every planted defect, one faulty server each, and the probe that catches it.\n")
    rows = table(sorted(DEFECTS))
    say(as_text(rows))
    return 0 if all(row.caught for row in rows) else 4


def _seal(root: Path, ledger: Path, say: Say) -> None:
    """Seal the demonstration's run with a key of its own, which is worth nothing elsewhere."""
    key = root / "demo-key.pem"
    signer = signer_from(str(key)) if key.exists() else new_key(key, SystemClock())
    wish = Wish(runs=(root / "leader",), signer=signer, run_by=RunBy(name="prober demo"), ledger=ledger)
    sealed = seal(wish, load_probes(), root / "leader.prober.zip")
    public = root / "demo-key.pub.pem"
    public.write_bytes(public_pem(signer.public))
    say(f"The bundle is {sealed.path}; README.html in it says how to check it. With prober:")
    say(f"prober verify {sealed.path} --key {public}")


def table(names: Iterable[str], *, at_once: int = AT_ONCE) -> tuple[Row, ...]:
    """Probe the healthy persona and each faulty one; say for each defect whether its probe caught it."""
    catches = expected_catches()
    wanted = {name: catches[name] for name in names}
    with tempfile.TemporaryDirectory(prefix="prober-demo-") as scratch:
        return asyncio.run(_table(wanted, Path(scratch), at_once))


async def _table(wanted: Mapping[str, Catch], scratch: Path, at_once: int) -> tuple[Row, ...]:
    places = asyncio.Semaphore(at_once)

    async def probe(name: str, defects: tuple[str, ...], tls: bool, only: frozenset[str]) -> dict[str, Finding]:
        async with places:
            return await _findings(scratch / name, defects, tls, only)

    plain = frozenset(one.probe for name, one in wanted.items() if not DEFECTS[name].needs_tls)
    secure = frozenset(one.probe for name, one in wanted.items() if DEFECTS[name].needs_tls)
    names = sorted(wanted, key=lambda name: name not in SLOW)
    *faulty, healthy, healthy_tls = await asyncio.gather(
        *(probe(name, (name,), DEFECTS[name].needs_tls, frozenset({wanted[name].probe})) for name in names),
        probe("healthy", (), False, plain),
        probe("healthy-tls", (), True, secure),
    )
    found = dict(zip(names, faulty, strict=True))
    return tuple(
        _row(name, catch, (healthy_tls if DEFECTS[name].needs_tls else healthy)[catch.probe], found[name][catch.probe])
        for name, catch in wanted.items()
    )


async def _findings(folder: Path, defects: tuple[str, ...], tls: bool, only: frozenset[str]) -> dict[str, Finding]:
    if not only:
        return {}
    with Sandbox(defects=defects, tls=tls, slow_seconds=SLOW_SECONDS) as box:
        name = f"PROBER_TOKEN_{folder.name.upper().replace('-', '_')}"
        os.environ[name] = box.token
        try:
            deadline = DRIP_DEADLINE if "slow_drip" in defects else DEADLINE
            options = Options(
                target=box.base_url,
                provider=Provider(organisation="The sandbox", fhir_bases=(box.base_url,), doc_urls=box.pages),
                bearer_env=name,
                ca_file=box.ca_file,
                only=only,
                deadline=deadline,
                ledger=folder.with_name("ledger"),
            )
            prepared = prepare(options, SystemClock())
        finally:
            del os.environ[name]
        collected = await collect(prepared, folder, SystemClock())
    findings = await asyncio.to_thread(judge_folder, collected.folder, prepared.probes)
    shutil.rmtree(folder)
    return {one.source.probe: one for one in findings}


def _row(name: str, catch: Catch, healthy: Finding, faulty: Finding) -> Row:
    got = (faulty.verdict.outcome, faulty.verdict.reason)
    caught = got == (catch.outcome, catch.reason) and healthy.verdict.outcome in ("present", "not_applicable")
    return Row(
        defect=name,
        sentence=DEFECTS[name].sentence,
        probe=catch.probe,
        expected=_words(catch.outcome, catch.reason),
        on_healthy=_words(healthy.verdict.outcome, healthy.verdict.reason),
        on_faulty=_words(*got),
        says=faulty.verdict.message,
        caught=caught,
    )


def _words(outcome: Outcome, reason: Reason | None) -> str:
    return f"{outcome} ({reason})" if reason else outcome


def as_text(rows: Iterable[Row]) -> str:
    """The table for a terminal."""
    many = list(rows)
    width = max(len(row.defect) for row in many)
    probes = max(len(row.probe) for row in many)
    lines = [
        f"{row.defect:<{width}}  {row.probe:<{probes}}  {'caught' if row.caught else 'MISSED':<6}  {row.on_faulty}"
        for row in many
    ]
    caught = sum(row.caught for row in many)
    return "\n".join([*lines, "", f"{caught} of {len(many)} planted defects were caught."])


def as_answers(rows: Iterable[Row], digests: Mapping[str, str]) -> str:
    """The table for bundles: what this version of prober caught, with the digest of the probe that caught it."""
    told = [
        {
            "defect": row.defect,
            "what": row.sentence,
            "probe": row.probe,
            "digest": digests[row.probe],
            "on_healthy": row.on_healthy,
            "on_faulty": row.on_faulty,
            "caught": row.caught,
        }
        for row in rows
    ]
    return canonical({"schema": "prober/known-answers/1", "prober": __version__, "rows": told}) + "\n"


def as_markdown(rows: Iterable[Row]) -> str:
    """The table for the documentation."""
    many = list(rows)
    lines = [
        "| defect | what is planted | probe | on the healthy server | on the faulty one |",
        "|---|---|---|---|---|",
        *(f"| `{row.defect}` | {row.sentence} | `{row.probe}` | {row.on_healthy} | {row.on_faulty} |" for row in many),
    ]
    return "\n".join(lines) + "\n"
