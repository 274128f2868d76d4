"""The order of the stages, written once: collect, judge, score, render, each over the run folder."""

import asyncio
import hashlib
import os
import platform
import re
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from prober import __version__
from prober.archive import RUN, RunFolder, check_place, collected_digest, copy_for_rejudging, evidence_digest
from prober.clock import Clock, instant, new_run_id
from prober.handwriting import read_text
from prober.judge import judge
from prober.library import LoadedProbe, check_model, load_model, load_probes, parse_model, shipped_models
from prober.mistake import Mistake
from prober.nouns.attestation import Attestation
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding, Reason
from prober.nouns.history import apart
from prober.nouns.measurement import surroundings_in
from prober.nouns.model import CapabilityProfile
from prober.nouns.pages import each_page, home_of
from prober.nouns.provider import Provider, ProviderFacts
from prober.nouns.run import (
    REASON_FOR_PERMIT,
    AuthorizationNote,
    Depth,
    Done,
    Ending,
    Environment,
    Pace,
    Permit,
    Plan,
    PlannedObservation,
    Run,
    Surroundings,
    Tool,
)
from prober.nouns.scorecard import Interval, MaturityScore, Scorecard
from prober.permission import Decision, Wish, checked_base, decide
from prober.score import ScoredRun, advised, score
from prober.session.observation import Observation, heights
from prober.session.session import Facts, Round

if TYPE_CHECKING:
    from prober.session.live import Progress

BUDGETS: Mapping[Depth, int] = {"discovery": 40, "standard": 300, "full": 900}
SHORTEST_DEADLINE = 60
"""Seconds."""
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")


@dataclass(frozen=True)
class Options:
    """What the command line said; every name is that of the option."""

    target: str
    provider: Provider | None = None
    authorization: Path | None = None
    authorized_by: str | None = None
    sandbox: bool = False
    permits: tuple[str, ...] = ()
    depth: Depth = "standard"
    pace: Pace | None = None
    budget: int | None = None
    deadline: int | None = None
    bearer_env: str | None = None
    ca_file: Path | None = None
    proxy: str | None = None
    resolve: Path | None = None
    custodian: Path | None = None
    probes: tuple[Path, ...] = ()
    model: Path | None = None
    allow_http: bool = False
    contact: str | None = None
    ledger: Path | None = None
    """Where the ledger of runs lies; None: where this user's always lies."""
    attestations: tuple[Attestation, ...] = ()
    surroundings_measured: tuple[Mapping[str, object], ...] = ()
    """Lines for measurements.jsonl that were measured before the run: control, maintenance, vantage."""
    only: frozenset[str] | None = None
    """The ids of the probes to run; None: all."""
    without: frozenset[Permit] = frozenset()
    """Permits that this run does without, though they were granted."""


@dataclass(frozen=True)
class Prepared:
    """A run that has been checked and planned; nothing has been sent."""

    options: Options
    base: str
    decision: Decision
    plan: Plan
    probes: Mapping[str, LoadedProbe]
    models: tuple[str, ...]
    model_digests: Mapping[str, str]
    token: str | None = field(repr=False)
    resolve: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Collected:
    """What the collect stage did."""

    folder: RunFolder
    run: Run
    bugs: tuple[str, ...]


def prepare(options: Options, clock: Clock) -> Prepared:
    """Check everything that the user gave and plan the run. Raises Mistake; nothing is sent, nothing is written.

    ValueError for measured surroundings that are none.
    """
    surroundings_in(options.surroundings_measured)
    base = checked_base(options.target, allow_http=options.allow_http)
    token = _token(options)
    wish = Wish(
        base=base,
        provider=options.provider,
        authorization=options.authorization,
        authorized_by=options.authorized_by,
        sandbox=options.sandbox,
        permits=options.permits,
        has_token=token is not None,
        discovery_only=options.depth == "discovery",
    )
    decision = decide(wish, clock.utc())
    decision = replace(decision, permits=tuple(one for one in decision.permits if one not in options.without))
    resolve = read_resolve(options.resolve)
    if options.ca_file is not None:
        _check_ca(options.ca_file)
    if options.custodian is not None:
        check_place(options.custodian, "--custodian")
        for place in (options.custodian.absolute(), *options.custodian.absolute().parents):
            if (place / RUN).exists():
                raise Mistake(keys_inside(options.custodian, place))
    probes = load_probes(options.probes)
    models, digests = load_models(options.model, probes)
    if options.only is not None:
        probes = {id_: one for id_, one in probes.items() if id_ in options.only}
    plan = make_plan(probes, decision, options)
    return Prepared(options, base, decision, plan, probes, models, digests, token, resolve)


def keys_inside(custodian: Path, run: Path) -> str:
    """The sentence for a custodian's folder that lies in a run folder."""
    return f"--custodian {custodian}: this lies in the run folder {run}, so its keys would go with it; name another."


def load_models(extra: Path | None, probes: Mapping[str, LoadedProbe]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The texts of the models of a run (the capability profile, then the rule book) and their digests by id.

    `extra` takes the place of the shipped model of its kind.
    """
    profile, book = shipped_models()
    if extra is not None and isinstance(load_model(extra), CapabilityProfile):
        profile = extra
    elif extra is not None:
        book = extra
    texts: list[str] = []
    digests: dict[str, str] = {}
    for path in (profile, book):
        text, id_, digest = _checked_model(read_text(path), path, tuple(probes))
        texts.append(text)
        digests[id_] = digest
    return tuple(texts), digests


# A demonstration, and a provider file with many bases, prepare many runs with the same two models.
@lru_cache(maxsize=8)
def _checked_model(text: str, path: Path, probes: tuple[str, ...]) -> tuple[str, str, str]:
    """The text of a model as a run keeps it, its id and its digest. Raises Mistake for a faulty one."""
    model = parse_model(text, path)
    check_model(model, probes, path)
    # A run keeps its models in one file with this mark between them.
    kept = re.sub(r"\A((?:[ \t]*(?:#.*)?\n)*)---[ \t]*\n", r"\1", text)
    return kept, model.id, model.fingerprint()


def make_plan(probes: Mapping[str, LoadedProbe], decision: Decision, options: Options) -> Plan:
    """Every observation in the fixed order in which the budget is allotted, with what it may ask."""
    wanted: dict[str, Observation[Any]] = {}
    for loaded in probes.values():
        for one in loaded.probe.inputs_closure():
            if wanted.setdefault(one.name, one) is not one:
                raise Mistake(
                    f"{loaded.folder / 'probe.py'}: another observation is called {one.name} too; rename this one."
                )
    budget = options.budget or BUDGETS[options.depth]
    tall = heights(tuple(wanted.values()))
    order = sorted(wanted.values(), key=lambda one: (len(one.permits), -tall[one.name], one.name))
    pages = len(_pages(options.provider))
    left = budget
    planned: list[PlannedObservation] = []
    for one in order:
        most = one.most_requests(budget, pages)
        refused = _refused(one, decision.permits)
        if refused is None and most > left:
            refused = "budget"
        if refused is None:
            left -= most
        planned.append(
            PlannedObservation(
                observation=one.name,
                asks=one.asks,
                requests=most,
                chain=one.chain,
                permits=one.permits,
                height=tall[one.name],
                granted=refused is None,
                refused_because=refused,
            )
        )
    pace: Pace = options.pace or ("sandbox" if decision.synthetic else "polite")
    if pace == "sandbox" and not decision.synthetic:
        raise Mistake("--pace sandbox: only a declared sandbox or this machine's loopback is asked at that pace.")
    longest = max(tall.values(), default=1)
    granted = sum(one.requests for one in planned if one.granted)
    per_request = 1 if pace == "polite" else 0
    deadline = options.deadline or max(SHORTEST_DEADLINE, granted * per_request + longest * 5)
    return Plan(depth=options.depth, budget=budget, deadline_seconds=deadline, pace=pace, observations=tuple(planned))


def _refused(observation: Observation[Any], permits: Sequence[Permit]) -> Reason | None:
    missing = next((permit for permit in observation.permits if permit not in permits), None)
    return REASON_FOR_PERMIT[missing] if missing is not None else None


async def collect(
    prepared: Prepared,
    folder: Path,
    clock: Clock,
    *,
    progress: Callable[["Progress"], None] = lambda _: None,
    stopping: asyncio.Event | None = None,
) -> Collected:
    """Ask the server. Whatever happens, what was seen lies redacted in the run folder.

    Raises BadFolder if the folder cannot be used, or Mistake if the ledger cannot be written; then nothing was sent.
    """
    from prober import jobs
    from prober.commitment import Custodian
    from prober.ledger import Ledger
    from prober.redact import Redactor
    from prober.session.live import Door, DoorSettings
    from prober.session.network import Network
    from prober.session.pace import POLITE, SANDBOX, Pacing
    from prober.session.wire import Limits

    options, decision, plan = prepared.options, prepared.decision, prepared.plan
    run_id = new_run_id(clock)
    key = clock.random_bytes(32)
    secrets = [prepared.token] if prepared.token else []
    redactor = Redactor(key, synthetic=decision.synthetic, secrets=secrets, now=clock.utc())
    for kept in {prepared.base, "http" + prepared.base.removeprefix("https").removeprefix("http")}:
        # The probe of plain http asks at the same address in clear.
        redactor.keep_base(kept)
    provider = options.provider
    for host in sorted({*decision.hosts, *(provider.allow_hosts if provider else ())}):
        redactor.keep_host(host)
    for page in _pages(provider):
        redactor.keep_base(home_of(page))
    patients = provider.test_patients if provider else ()
    groups = provider.groups if provider else ()
    run_folder = RunFolder.create(folder)
    custodian = Custodian.create(options.custodian, run_id, clock) if options.custodian else None
    run = _run(prepared, run_id, clock)
    run_folder.write_models(prepared.models)
    run_folder.write_provider(
        _provider_facts(
            provider,
            decision,
            prepared.base,
            tuple(redactor.value(one, "id") for one in patients),
            tuple(redactor.value(one, "id") for one in groups),
            tuple(redactor.url(one, public=True) for one in _pages(provider)),
        )
    )
    if options.attestations:
        run_folder.write_attestations(options.attestations)
    if options.surroundings_measured:
        # Before the first request: a run that is killed keeps what it was told of its surroundings.
        run_folder.measure(options.surroundings_measured)
    run_folder.write_run(run)
    pacing = SANDBOX if plan.pace == "sandbox" else POLITE
    if decision.requests_per_second is not None and plan.pace == "polite":
        pacing = Pacing(at_once=POLITE.at_once, gap_us=max(POLITE.gap_us, 1_000_000 // decision.requests_per_second))
    agent = f"prober/{__version__} (+{options.contact or 'contact not given; see --contact'})"
    settings = DoorSettings(
        run_id=run_id,
        facts=_live_facts(prepared, patients, groups),
        pacing=pacing,
        deadline_us=clock.monotonic_us() + _seconds(plan, decision.note, clock) * 1_000_000,
        heights={one.observation: one.height for one in plan.observations},
        allotted={one.observation: one.requests for one in plan.observations if one.granted},
        # One answer that drips without end must not use up the time of all others.
        limits=Limits(total_seconds=min(60.0, plan.deadline_seconds / 2)),
        token=prepared.token,
        user_agent=agent,
        hosts=decision.hosts,
    )
    named = {urlsplit(prepared.base).hostname or "", *(provider.allow_hosts if provider else ())}
    network = Network(
        clock=clock,
        ca_file=str(options.ca_file) if options.ca_file else None,
        proxy=options.proxy,
        resolve=prepared.resolve,
        named_hosts=named,
        allow_http=options.allow_http,
        user_agent=agent,
    )
    door = Door(
        settings,
        network=network,
        redactor=redactor,
        recorder=run_folder,
        journal=jobs.JobJournal(
            run_id,
            surroundings=jobs.Surroundings(
                base=prepared.base,
                hosts=tuple(sorted(decision.hosts)),
                allow_http=options.allow_http,
                resolve=prepared.resolve,
                token_mark=jobs.token_mark(prepared.token, run_id) if prepared.token else None,
            ),
        ),
        clock=clock,
        key=key,
        commit=custodian.commit if custodian else lambda _: None,
        progress=progress,
    )
    round_ = Round(door)
    # Before the first request: a run that is aborted, or whose folder is thrown away, stays in the ledger.
    entry = Ledger(options.ledger).began(run)
    started_us = clock.monotonic_us()
    try:
        await _look_at_everything(round_, prepared.probes, door.stop, stopping)
    finally:
        try:
            await door.clean_up()
        finally:
            await door.close()
            interrupted = stopping is not None and stopping.is_set()
            not_begun = tuple(one.observation for one in plan.observations if one.refused_because == "budget")
            reason: Reason | None = door.ended_by or ("budget" if not_begun else None)
            ending: Ending = "interrupted" if interrupted else _ending(reason)
            ended = instant(clock.utc())
            done = Done(requests=door.sent, refused=door.refused, ending=ending, not_begun=not_begun)
            run = run.model_copy(update={"ended": ended, "as_of": ended, "done": done})
            if door.broken is None:
                run_folder.measure(
                    (
                        *options.surroundings_measured,
                        {"kind": "run", "requests": door.sent, "budget": plan.budget},
                        {"kind": "wall", "microseconds": clock.monotonic_us() - started_us},
                    )
                )
                run_folder.close()
                run_folder.write_run(run)
                entry.ended(ended, ending, collected_digest(run_folder))
    if door.broken is not None:
        raise door.broken
    return Collected(run_folder, run, tuple(round_.bugs))


async def _look_at_everything(
    round_: Round, probes: Mapping[str, LoadedProbe], stop: Callable[[], None], stopping: asyncio.Event | None
) -> None:
    wanted = {one.name: one for loaded in probes.values() for one in loaded.probe.observations}
    looking = asyncio.gather(*(round_.see(one) for _, one in sorted(wanted.items())))
    if stopping is None:
        await looking
        return

    async def stop_when_told() -> None:
        await stopping.wait()
        stop()

    waiting = asyncio.create_task(stop_when_told())
    await looking
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


def judge_folder(folder: RunFolder, probes: Mapping[str, LoadedProbe], out: Path | None = None) -> tuple[Finding, ...]:
    """Judge a run folder again. Raises Mistake if other probes made its findings, unless `out` names a new folder."""
    if out is None:
        refuse_other_probes(folder, probes, "judge")
    else:
        digests = {id_: one.digest for id_, one in probes.items()}
        folder = copy_for_rejudging(folder, out, evidence_digest(folder))
        folder.write_run(folder.run().model_copy(update={"probes": digests}))
    loaded = {id_: (one.probe, one.sheet, one.digest) for id_, one in probes.items()}
    judged = asyncio.run(judge(loaded, replay_facts(folder), folder.exchanges()))
    folder.write_findings(judged.findings)
    return judged.findings


def refuse_other_probes(folder: RunFolder, probes: Mapping[str, LoadedProbe], doing: str) -> None:
    """Raises Mistake if a run folder was made with other probes than these: its results would be overwritten."""
    made = folder.run().probes
    digests = {id_: one.digest for id_, one in probes.items()}
    different = sorted(id_ for id_ in {*digests, *made} if digests.get(id_) != made.get(id_))
    if different:
        raise Mistake(
            f"{folder.path}: this run was made with other probes ({different[0]} differs); "
            f"{doing} it into a new folder with --out DIR."
        )


def replay_facts(folder: RunFolder) -> Facts:
    """What observations may know of a recorded run."""
    run, provider = folder.run(), folder.provider()
    return Facts(
        base=run.subject,
        synthetic=run.synthetic,
        permits=frozenset(run.permits),
        has_credentials=run.has_credentials,
        budget=run.plan.budget,
        patients=provider.patients,
        groups=provider.groups,
        pages=provider.doc_urls,
        refused=_refusals(run.plan),
    )


def score_folders(
    folders: Sequence[RunFolder],
    probes: Mapping[str, LoadedProbe],
    *,
    model: Path | None = None,
    as_of: str | None = None,
) -> Scorecard:
    """Score one run, or several runs of one provider, from their folders alone."""
    runs = [scored_run(folder) for folder in folders]
    texts = load_models(model, probes)[0] if model is not None else folders[0].models()
    models = [parse_model(text, folders[0].path / "model.yaml") for text in texts]
    at = as_of or max(one.run.as_of or one.run.started for one in runs)
    sheets = {id_: one.sheet for id_, one in probes.items()}
    try:
        return advised(score(runs, models, sheets, as_of=at), runs, models, sheets)
    except ValidationError:
        raise
    except ValueError as error:
        raise Mistake(f"{folders[0].path}: this cannot be scored: {error}") from error


def scored_run(folder: RunFolder) -> ScoredRun:
    """What a score takes from a run folder."""
    return ScoredRun(
        folder.run(),
        folder.provider(),
        folder.findings(),
        folder.exchange_index(),
        folder.attestations(),
        *apart(folder.remembered()),
    )


def exit_code(cards: Iterable[Scorecard], runs: Iterable[Run], bugs: bool, below: bool | None) -> int:
    """0 done, 1 surely below, 3 could not tell, 4 prober's own fault; the first of 4, 1, 3 wins (2 came earlier).

    `below` is True if the threshold is surely missed, None if it lies inside the interval or could not be told.
    """
    findings = [line for card in cards for line in card.findings]
    if bugs or any(line.reason == "bug" for line in findings):
        return 4
    if below:
        return 1
    unseen = any(line.probe == "capability_statement_served" and line.outcome == "unknown" for line in findings)
    cut_short = any(run.done is None or run.done.ending != "complete" for run in runs)
    return 3 if unseen or cut_short or below is None else 0


def surely_below(card: Scorecard, what: str) -> bool | None:
    """Is the provider below this threshold (`ID=Ln`, or a label)? None if it cannot be told. Raises Mistake."""
    name, equals, level = what.partition("=")
    if not equals and card.maturity is not None:
        return _below_label(card.maturity, what)
    if not re.fullmatch(r"L[1-4]", level):
        raise Mistake(f"--fail-under {what}: say a criterion, workflow or block and a level, for example S8.STD.1=L2.")
    needed = int(level[1])
    if card.maturity is None:
        raise Mistake("--fail-under: this run was scored without a rule book of levels.")
    for criterion in card.maturity.criteria:
        if criterion.id == name:
            return _below(criterion.level, needed) if criterion.level is not None else False
    for block in card.maturity.blocks:
        if block.id == name:
            return _below(block.points, 25 * needed) if block.points is not None else False
    for workflow in card.maturity.workflows:
        if workflow.id == name:
            return _below(workflow.level, needed) if workflow.level is not None else False
    raise Mistake(
        f"--fail-under {what}: the rule book has no criterion, workflow or block called {name}; see `prober coverage`."
    )


def label_named(what: str, names: Sequence[str]) -> str | None:
    """The label that somebody means: by its whole name, or by its first word, in any case."""
    wanted = what.strip().casefold()
    return next((one for one in names if wanted in (one.casefold(), one.split()[0].casefold())), None)


def _below_label(maturity: MaturityScore, what: str) -> bool | None:
    """Sure only where not even everything unknown could bring the label there."""
    label = maturity.label
    names = list(dict.fromkeys(one.label for one in label.conditions)) if label is not None else []
    wanted = label_named(what, names)
    if label is None or wanted is None:
        raise Mistake(
            f"--fail-under {what}: say a label of the rule book ({', '.join(names) or 'it has none'}), or a criterion, "
            "workflow or block and a level, for example S8.STD.1=L2."
        )
    height = {name: position for position, name in enumerate(names)}
    if height.get(label.name, -1) >= height[wanted]:
        return False
    return True if height.get(label.at_most, -1) < height[wanted] else None


def _below(interval: Interval, needed: int) -> bool | None:
    if interval.high < needed:
        return True
    return None if interval.low < needed else False


def read_resolve(path: Path | None) -> dict[str, tuple[str, ...]]:
    """A hosts file: address, then names. Raises Mistake naming file and line."""
    import ipaddress

    if path is None:
        return {}
    found: dict[str, list[str]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            address = str(ipaddress.ip_address(words[0]))
        except ValueError as error:
            raise Mistake(f"{path}:{number}: {words[0]!r} is not an address; write `ADDRESS NAME`.") from error
        if len(words) == 1:
            raise Mistake(f"{path}:{number}: no name follows the address; write `ADDRESS NAME`.")
        for name in words[1:]:
            found.setdefault(name.lower(), []).append(address)
    return {name: tuple(addresses) for name, addresses in found.items()}


def _token(options: Options) -> str | None:
    name = options.bearer_env
    if name is None and options.provider is not None and options.provider.bearer is not None:
        name = options.provider.bearer.removeprefix("env:")
    if name is None:
        return None
    value = os.environ.get(name, "").strip()
    # Somebody may have written the token itself, so only what looks like a variable is repeated.
    shown = f"--bearer-env {name}" if re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", name) else "--bearer-env"
    if not value:
        raise Mistake(
            f"{shown}: no environment variable of this name is set; put the token into one and give its name."
        )
    if not _TOKEN.fullmatch(value):
        raise Mistake(
            f"{shown}: this environment variable holds blanks or other characters that no token has; mend it."
        )
    return value


def _check_ca(path: Path) -> None:
    try:
        content = path.read_bytes()
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError as error:
        what = "holds a broken certificate" if b"BEGIN CERTIFICATE" in content else "holds no certificate"
        raise Mistake(
            f"--ca-file {path}: this file {what}; give PEM, the lines from BEGIN CERTIFICATE to END CERTIFICATE."
        ) from error
    except OSError as error:
        raise Mistake(f"--ca-file {path}: this file cannot be read ({error.strerror}); check the path.") from error


def _run(prepared: Prepared, run_id: str, clock: Clock) -> Run:
    import httpx

    decision = prepared.decision
    note: AuthorizationNote = decision.note
    return Run(
        id=run_id,
        subject=prepared.base,
        environment=decision.environment,
        synthetic=decision.synthetic,
        loopback=decision.loopback,
        started=instant(clock.utc()),
        permits=decision.permits,
        has_credentials="credentials" in decision.permits,
        authorization=note,
        plan=prepared.plan,
        tool=Tool(
            prober=__version__,
            python=platform.python_version(),
            httpx=httpx.__version__,
            openssl=ssl.OPENSSL_VERSION,
            platform=platform.system(),
        ),
        surroundings=_surroundings(prepared),
        probes={id_: one.digest for id_, one in prepared.probes.items()},
        models=dict(prepared.model_digests),
    )


def _surroundings(prepared: Prepared) -> Surroundings:
    from prober.session.tls import trust_store

    options = prepared.options
    return Surroundings(
        trust_store=trust_store(str(options.ca_file) if options.ca_file else None),
        ca_file=hashlib.sha256(options.ca_file.read_bytes()).hexdigest() if options.ca_file else None,
        proxy=urlsplit(options.proxy).netloc.rpartition("@")[2] if options.proxy else None,
        resolved=dict(prepared.resolve),
        clock="the machine's own clock; what the server's clock said stands in the Date headers of its answers",
    )


def _live_facts(prepared: Prepared, patients: tuple[str, ...], groups: tuple[str, ...]) -> Facts:
    decision = prepared.decision
    return Facts(
        base=prepared.base,
        synthetic=decision.synthetic,
        permits=frozenset(decision.permits),
        has_credentials="credentials" in decision.permits,
        budget=prepared.plan.budget,
        patients=patients,
        groups=groups,
        pages=_pages(prepared.options.provider),
        refused=_refusals(prepared.plan),
    )


def _pages(provider: Provider | None) -> tuple[str, ...]:
    return each_page(provider.doc_urls) if provider is not None else ()


def _refusals(plan: Plan) -> dict[str, Reason]:
    return {one.observation: one.refused_because for one in plan.observations if one.refused_because is not None}


def _seconds(plan: Plan, note: AuthorizationNote, clock: Clock) -> int:
    """How long the run may take: never past the end of its authorization."""
    if note.not_after is None:
        return plan.deadline_seconds
    left = (datetime.fromisoformat(note.not_after) - clock.utc()).total_seconds()
    return max(0, min(plan.deadline_seconds, int(left)))


def _ending(reason: Reason | None) -> Ending:
    if reason == "budget":
        return "budget"
    return "complete" if reason is None else "deadline"


def _provider_facts(
    provider: Provider | None,
    decision: Decision,
    base: str,
    patients: tuple[str, ...],
    groups: tuple[str, ...],
    pages: tuple[str, ...],
) -> ProviderFacts:
    if provider is None:
        return ProviderFacts(environment=decision.environment, fhir_bases=(base,))
    return facts_of(provider, decision.environment, patients, groups, pages)


def facts_of(
    provider: Provider,
    environment: Environment,
    patients: tuple[str, ...],
    groups: tuple[str, ...],
    pages: tuple[str, ...] = (),
) -> ProviderFacts:
    """What a run keeps of a provider file; `patients` and `groups` are placeholders, `pages` are without secrets."""
    return ProviderFacts(
        organisation=provider.organisation,
        country=provider.country,
        setting=provider.setting,
        services=provider.services,
        payment_model=provider.payment_model,
        patient_payments_customary=provider.patient_payments_customary,
        prior_auth_customary=provider.prior_auth_customary,
        environment=environment,
        fhir_bases=provider.fhir_bases,
        population_size=provider.population_size,
        public_sources=provider.public_sources,
        declared=True,
        doc_urls=pages,
        patients=patients,
        groups=groups,
    )


__all__ = [
    "BUDGETS",
    "Collected",
    "Exchange",
    "Options",
    "Prepared",
    "collect",
    "exit_code",
    "facts_of",
    "judge_folder",
    "load_models",
    "make_plan",
    "prepare",
    "replay_facts",
    "score_folders",
    "scored_run",
    "surely_below",
]
