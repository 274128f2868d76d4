"""The command line: parse, call, print. It decides nothing."""

import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prober import cli_attest, cli_bundle, cli_history, cli_model, cli_monitor
from prober.cli_parts import complain, instant_of, one_of, say, whole
from prober.mistake import Mistake, Refused, place_of

if TYPE_CHECKING:
    from prober.library import LoadedProbe
    from prober.pipeline import Options, Prepared

app = typer.Typer(
    name="prober",
    help="Ask a healthcare provider's FHIR endpoints whether they are interoperable, and keep the evidence.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_attest.app)
app.add_typer(cli_model.app)
app.add_typer(cli_bundle.app)
app.add_typer(cli_monitor.app)
app.add_typer(cli_history.app)

INTERRUPTED = 130
"""What Typer makes of Ctrl-C: 128 and the number of the signal."""
DEPTHS = ("discovery", "standard", "full")
PACES = ("polite", "sandbox")


def _seconds(option: str, most: int) -> Callable[[str], float]:
    def parsed(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= most:
            raise Mistake(f"{option} {text}: give seconds from 0 to {most}, for example 0.1.")
        return number

    return parsed


def _proxy(text: str) -> str:
    from prober.permission import checked_proxy

    return checked_proxy(text)


def _header_text(text: str) -> str:
    """Text that may stand in the User-Agent header."""
    if not text.isascii() or not text.isprintable() or len(text) > 200 or set(text) & set("()\\"):
        raise Mistake("--contact: give a mail address or a URL: at most 200 plain characters, no parentheses.")
    return text


Target = Annotated[
    str | None, typer.Argument(metavar="URL", help="The FHIR base URL, for example https://fhir.example.org/r4.")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The run folder to make (new or empty).")]
ProviderFile = Annotated[Path | None, typer.Option("--provider", metavar="FILE", help="provider.yaml.")]
AttestationsFile = Annotated[
    Path | None,
    typer.Option(
        "--attestations", metavar="FILE", help="What people attest; else attestations.yaml beside the provider file."
    ),
]
AuthorizationFile = Annotated[
    Path | None, typer.Option("--authorization", metavar="FILE", help="The authorization statement.")
]
AuthorizedBy = Annotated[
    str | None,
    typer.Option("--authorized-by", metavar="TEXT", help='For a public test server: "NAME, ROLE, WHY".'),
]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Say that the target is a sandbox and its data synthetic.")]
PermitNames = Annotated[
    list[str] | None,
    typer.Option(
        "--permit",
        metavar="NAME",
        help="Allow only these: active, credentials, patient_data, jobs, negative_auth, writes.",
    ),
]
Depth = Annotated[
    str,
    typer.Option(
        "--depth",
        metavar="NAME",
        parser=one_of("--depth", DEPTHS),
        help="How much may be asked: discovery, standard or full (about 40, 300 or 900 requests).",
    ),
]
Pace = Annotated[
    str | None,
    typer.Option(
        "--pace",
        metavar="NAME",
        parser=one_of("--pace", PACES),
        help="How fast: polite (one request per second) or sandbox (eight at a time, for sandboxes only).",
    ),
]
Budget = Annotated[
    int | None,
    typer.Option("--budget", metavar="N", parser=whole("--budget", 1, 100_000), help="The most requests."),
]
Deadline = Annotated[
    int | None,
    typer.Option(
        "--deadline", metavar="SECONDS", parser=whole("--deadline", 1, 86_400), help="Seconds for the whole run."
    ),
]
BearerEnv = Annotated[
    str | None, typer.Option("--bearer-env", metavar="NAME", help="The environment variable that holds a token.")
]
CaFile = Annotated[Path | None, typer.Option("--ca-file", metavar="FILE", help="PEM of a private authority.")]
Proxy = Annotated[str | None, typer.Option("--proxy", metavar="URL", parser=_proxy, help="An http proxy.")]
Resolve = Annotated[
    Path | None, typer.Option("--resolve", metavar="FILE", help="Addresses for names, as in a hosts file.")
]
CustodianFolder = Annotated[
    Path | None, typer.Option("--custodian", metavar="DIR", help="Where keys that open commitments are kept.")
]
LedgerFolder = Annotated[
    Path | None,
    typer.Option("--ledger", metavar="DIR", help="Where the ledger of runs lies (or PROBER_LEDGER)."),
]
FailUnder = Annotated[
    str | None,
    typer.Option("--fail-under", metavar="WHAT", help="End with 1 if surely below, e.g. Candidate or S8.STD.1=L2."),
]
ProbeFolders = Annotated[list[Path] | None, typer.Option("--probes", metavar="DIR", help="More probe folders.")]
ModelFile = Annotated[Path | None, typer.Option("--model", metavar="FILE", help="Another rule book.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="INSTANT", parser=instant_of, help="Score as of this instant."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print scorecard.json instead of the summary.")]
AllowHttp = Annotated[bool, typer.Option("--allow-http", help="Allow plain http to a host that is not loopback.")]
Contact = Annotated[
    str | None,
    typer.Option(
        "--contact",
        metavar="TEXT",
        parser=_header_text,
        help="Whom the server's operator may ask; in User-Agent.",
    ),
]
RunFolders = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")]
OneRun = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def main() -> None:
    """Run the command line; every mistake is one sentence on stderr and exit code 2, a fault of prober's own is 4."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its escape instead of nothing at all.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(prog_name="prober", standalone_mode=False)
    except Mistake as mistake:
        complain(str(mistake))
        code = 2
    except Refused as refused:
        from prober.render.visible import visible

        complain(f"Refused: {visible(str(refused))}")
        code = 1
    except typer.Exit as ended:
        code = ended.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except SystemExit:
        # Typer ends so when the reader of its help went away.
        code = 0
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            complain(_misuse(error))
            code = 2
        else:
            # The text of an exception may hold what a server sent, so only its type and place are told.
            complain(f"Prober failed with {place_of(error)}; please report this.")
            code = 4
    if code == INTERRUPTED:
        complain("Interrupted.")
        code = 3
    sys.exit(code or 0)


@app.callback(invoke_without_command=True)
def about(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Ask a healthcare provider's FHIR endpoints whether they are interoperable, and keep the evidence."""
    if version:
        from prober import __version__

        say(f"prober {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


@app.command()
def run(
    target: Target = None,
    out: Out = None,
    provider: ProviderFile = None,
    attestations: AttestationsFile = None,
    authorization: AuthorizationFile = None,
    authorized_by: AuthorizedBy = None,
    sandbox: Sandbox = False,
    permit: PermitNames = None,
    depth: Depth = "standard",
    pace: Pace = None,
    budget: Budget = None,
    deadline: Deadline = None,
    bearer_env: BearerEnv = None,
    ca_file: CaFile = None,
    proxy: Proxy = None,
    resolve: Resolve = None,
    custodian: CustodianFolder = None,
    ledger: LedgerFolder = None,
    fail_under: FailUnder = None,
    probes: ProbeFolders = None,
    model: ModelFile = None,
    as_of: AsOf = None,
    json: AsJson = False,
    allow_http: AllowHttp = False,
    contact: Contact = None,
) -> None:
    """Collect, judge, score and render: everything, for one target or for all bases of a provider file."""
    _probe(locals(), whole=True)


@app.command()
def collect(
    target: Target = None,
    out: Out = None,
    provider: ProviderFile = None,
    attestations: AttestationsFile = None,
    authorization: AuthorizationFile = None,
    authorized_by: AuthorizedBy = None,
    sandbox: Sandbox = False,
    permit: PermitNames = None,
    depth: Depth = "standard",
    pace: Pace = None,
    budget: Budget = None,
    deadline: Deadline = None,
    bearer_env: BearerEnv = None,
    ca_file: CaFile = None,
    proxy: Proxy = None,
    resolve: Resolve = None,
    custodian: CustodianFolder = None,
    ledger: LedgerFolder = None,
    probes: ProbeFolders = None,
    model: ModelFile = None,
    allow_http: AllowHttp = False,
    contact: Contact = None,
) -> None:
    """Ask the server and keep the evidence; judge nothing yet."""
    _probe(locals(), whole=False)


@app.command()
def judge(
    run: OneRun,
    probes: ProbeFolders = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Judge into a copy.")] = None,
) -> None:
    """Judge a run folder again, without a network."""
    from prober.archive import RunFolder
    from prober.library import load_probes
    from prober.pipeline import judge_folder

    findings = judge_folder(RunFolder.open(run), load_probes(probes or ()), out)
    say(f"{len(findings)} findings are in {(out or run) / 'findings.jsonl'}.")


@app.command()
def score(
    runs: RunFolders,
    model: ModelFile = None,
    as_of: AsOf = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where scorecard.json is written.")] = None,
    fail_under: FailUnder = None,
    attestations: AttestationsFile = None,
    provider: ProviderFile = None,
    history: Annotated[
        list[Path] | None,
        typer.Option("--history", metavar="RUN", help="An earlier run of the same base to rely on (repeat it)."),
    ] = None,
    probes: ProbeFolders = None,
    json: AsJson = False,
) -> None:
    """Score one run, or several runs of one provider, without a network."""
    from prober.stages import Supplements, score_stage

    more = Supplements(attestations, provider, tuple(history or ()))
    raise typer.Exit(score_stage(runs, model, as_of, out, fail_under, probes or (), json, say, more))


@app.command("next")
def next_steps(runs: RunFolders, as_of: AsOf = None, probes: ProbeFolders = None) -> None:
    """Print the smallest set of steps to the next label, and who takes each of them."""
    from prober.stages import next_stage

    say(next_stage(runs, probes or (), as_of))


@app.command()
def render(runs: RunFolders, out: Out = None, probes: ProbeFolders = None) -> None:
    """Write report.html and report.md from scored run folders, without a network."""
    from prober.stages import render_stage

    for path in render_stage(runs, out, probes or ()):
        say(f"{path}")


@app.command()
def plan(
    target: Target = None,
    provider: ProviderFile = None,
    authorization: AuthorizationFile = None,
    authorized_by: AuthorizedBy = None,
    sandbox: Sandbox = False,
    permit: PermitNames = None,
    depth: Depth = "standard",
    pace: Pace = None,
    budget: Budget = None,
    deadline: Deadline = None,
    bearer_env: BearerEnv = None,
    probes: ProbeFolders = None,
    allow_http: AllowHttp = False,
) -> None:
    """Print what a run would ask, at most, and with which permits. Nothing is sent."""
    from prober.render.terminal import plan_text

    for prepared in _prepared(locals()):
        decision = prepared.decision
        say(plan_text(prepared.base, prepared.plan, decision.environment, decision.permits, decision.note))


@app.command("list")
def list_probes(probes: ProbeFolders = None) -> None:
    """List the probes."""
    from prober.library import load_probes
    from prober.render.terminal import probe_list

    say(probe_list([(one.id, one.family, one.sheet) for one in load_probes(probes or ()).values()]))


@app.command()
def explain(
    id: Annotated[
        str, typer.Argument(metavar="ID", help="A probe's or a criterion's id, for example patient_read or S8.GOV.1.")
    ],
    run: Annotated[
        list[Path] | None, typer.Option("--run", metavar="RUN", help="For a criterion: where these runs stand on it.")
    ] = None,
    model: ModelFile = None,
    probes: ProbeFolders = None,
) -> None:
    """Explain a probe (what, why, citation, what counts, how to fix), or a criterion with its ladder."""
    from prober.library import load_probes
    from prober.render.terminal import explanation
    from prober.stages import explain_criterion

    if "." in id:
        say(explain_criterion(id, run or (), model, probes or ()))
        return
    one = _found(id, load_probes(probes or ()))
    say(explanation(one.id, one.family, one.sheet, one.probe.inputs_closure()))


@app.command()
def new(
    id: Annotated[str, typer.Argument(metavar="ID", help="The new probe's id, in snake_case.")],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="The family folder to make it in.")] = Path(),
) -> None:
    """Make a new probe folder whose three files fail until they are filled in."""
    from prober.scaffold import new_probe

    for path in new_probe(id, into):
        say(f"{path}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of probes.")],
    fixtures: Annotated[
        Path | None, typer.Option("--fixtures", metavar="DIR", help="Fixtures; else `fixtures` beside the folder.")
    ] = None,
) -> None:
    """Apply the rules of the house to a folder of probes, and run their cases."""
    from prober.workbench import check_folder

    complaints = check_folder(folder, fixtures)
    for complaint in complaints:
        typer.echo(complaint, err=True)
    if complaints:
        raise typer.Exit(2)
    say("Every probe here keeps the rules of the house, and every case gives its outcome.")


@app.command()
def coverage(
    model: ModelFile = None,
    probes: ProbeFolders = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The whole ledger as Markdown.")] = False,
) -> None:
    """Print which requirement is decided by a probe, by a document, or by nothing yet."""
    from prober.stages import coverage_text

    say(coverage_text(model, probes or (), markdown=markdown))


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make.")] = Path("provider.yaml"),
    authorization: Annotated[
        Path | None, typer.Option("--authorization", metavar="FILE", help="Also make an authorization statement.")
    ] = None,
    monitor: Annotated[
        Path | None, typer.Option("--monitor", metavar="FILE", help="Make a monitoring configuration instead.")
    ] = None,
) -> None:
    """Write a commented provider.yaml to fill in, and if wished an authorization statement or a monitor.yaml."""
    from prober.scaffold import new_authorization_file, new_monitor_file, new_provider_file

    if monitor is not None:
        new_monitor_file(monitor)
        say(f"{monitor} is ready to be filled in; then run `prober monitor --config {monitor} --once`.")
        return
    new_provider_file(path)
    if authorization is not None:
        new_authorization_file(authorization)
        say(f"{authorization} is ready to be filled in and signed.")
    and_so = f" --authorization {authorization}" if authorization else ""
    say(f"{path} is ready to be filled in; then run `prober run --provider {path}{and_so}`.")


@app.command()
def cleanup(
    contact: Contact = None,
    ca_file: CaFile = None,
    bearer_env: BearerEnv = None,
) -> None:
    """Delete export jobs that a killed run left behind on a server."""
    from prober.stages import cleanup_stage

    raise typer.Exit(cleanup_stage(contact, ca_file, bearer_env, say))


@app.command()
def sandbox(
    persona: Annotated[str, typer.Option("--persona", help="Play leader, typical or laggard.")] = "leader",
    defect: Annotated[list[str] | None, typer.Option("--defect", metavar="NAME", help="Plant a defect.")] = None,
    port: Annotated[
        int, typer.Option("--port", metavar="N", parser=whole("--port", 0, 65_535), help="0 picks a free port.")
    ] = 8480,
    tls: Annotated[bool, typer.Option("--tls", help="Serve https from a throw-away authority.")] = False,
    latency: Annotated[
        float,
        typer.Option(
            "--latency", metavar="SECONDS", parser=_seconds("--latency", 60), help="Seconds added to every answer."
        ),
    ] = 0.0,
    list_defects: Annotated[bool, typer.Option("--list", help="List the defects and end.")] = False,
) -> None:
    """Serve the built-in sandbox on this machine until Ctrl-C: healthy, with planted defects, or as a weaker server."""
    from prober.playground import serve_sandbox

    raise typer.Exit(serve_sandbox(persona, defect or [], port, tls, latency, list_defects, say))


@app.command()
def demo(
    out: Out = None,
    defects: Annotated[bool, typer.Option("--defects/--no-defects", help="Also plant every defect.")] = True,
) -> None:
    """Probe the sandbox's healthy persona and its faulty ones; print which defect was caught by which probe."""
    from prober.playground import demonstrate

    raise typer.Exit(demonstrate(out, defects, say))


def _probe(given: dict[str, Any], *, whole: bool) -> None:
    from prober.stages import run_stage

    prepared = _prepared(given)
    code = run_stage(
        prepared,
        out=given["out"],
        whole=whole,
        fail_under=given.get("fail_under"),
        as_of=given.get("as_of"),
        as_json=bool(given.get("json")),
        say=say,
    )
    raise typer.Exit(code)


def _prepared(given: dict[str, Any]) -> list["Prepared"]:
    from prober.clock import SystemClock
    from prober.library import load_provider
    from prober.permission import checked_base
    from prober.pipeline import prepare

    check_base = partial(checked_base, allow_http=given["allow_http"])
    provider = load_provider(given["provider"], check_base) if given["provider"] else None
    attested = _attested(given, provider)
    if given["target"]:
        targets = [given["target"]]
    elif provider is not None:
        targets = list(provider.fhir_bases)
    else:
        raise Mistake("No target was given; name a FHIR base URL, or a provider file with --provider.")
    return [prepare(_options(given, target, provider, attested), SystemClock()) for target in targets]


def _attested(given: dict[str, Any], provider: Any) -> tuple[Any, ...]:
    """The attestations that were named, or that lie beside the provider file, where this command takes any."""
    if "attestations" not in given:
        return ()
    path = given["attestations"]
    if path is None:
        path = given["provider"].with_name("attestations.yaml") if given["provider"] else None
        if path is None or not path.is_file():
            return ()
    from prober.stages import load_attested, model_of_run

    return load_attested(path, model_of_run(None, _book(given.get("model"))), provider)


def _book(model: Path | None) -> Path | None:
    """The file of a rule book, if that is what was named: a run may also be given another capability profile."""
    from prober.library import load_model
    from prober.nouns.model import CapabilityProfile

    return None if model is None or isinstance(load_model(model), CapabilityProfile) else model


def _options(given: dict[str, Any], target: str, provider: Any, attested: tuple[Any, ...]) -> "Options":
    from prober.pipeline import Options

    return Options(
        target=target,
        provider=provider,
        attestations=attested,
        authorization=given["authorization"],
        authorized_by=given["authorized_by"],
        sandbox=given["sandbox"],
        permits=tuple(given["permit"] or ()),
        depth=given["depth"],
        pace=given["pace"],
        budget=given["budget"],
        deadline=given["deadline"],
        bearer_env=given["bearer_env"],
        ca_file=given.get("ca_file"),
        proxy=given.get("proxy"),
        resolve=given.get("resolve"),
        custodian=given.get("custodian"),
        ledger=given.get("ledger"),
        probes=tuple(given["probes"] or ()),
        model=given.get("model"),
        allow_http=given["allow_http"],
        contact=given.get("contact"),
    )


def _found(id_: str, probes: "dict[str, LoadedProbe]") -> "LoadedProbe":
    import difflib

    if id_ in probes:
        return probes[id_]
    near = difflib.get_close_matches(id_, probes, n=1)
    hint = f"did you mean {near[0]}?" if near else "see `prober list`."
    raise Mistake(f"{id_}: there is no probe of this name; {hint}")


def _misuse(error: Any) -> str:
    """A mistake in the words of the command line, as one sentence with the remedy."""
    import difflib

    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "prober"
    given, names = getattr(error, "option_name", ""), getattr(error, "possibilities", None) or ()
    near = next(iter(difflib.get_close_matches(given, names, n=1)), "")
    text, _, guess = str(error.message if near else error.format_message()).partition(" Did you mean ")
    plain = text.partition(" (Possible options")[0].strip().rstrip(".").replace("argument(s)", "arguments")
    near = near or guess.strip(" ?")
    return f"{plain}; did you mean {near}?" if near else f"{plain}; see `{command} --help`."


if __name__ == "__main__":
    main()
