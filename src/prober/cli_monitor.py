"""The command line of the monitor: look at many targets again and again, and read what came of it."""

import shutil
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prober.cli_parts import complain, day_of, days_of, say, say_of_strangers, share_of, whole

if TYPE_CHECKING:
    from prober.monitor.reading import Screen

app = typer.Typer()


@app.command()
def monitor(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="The monitoring configuration; else monitor.yaml.")
    ] = Path("monitor.yaml"),
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end; for cron and timers.")] = False,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Serve /metrics and /healthz there, as long as it runs."),
    ] = None,
) -> None:
    """Look at every target when it is due, keep the history, and tell what really changed."""
    from prober.mistake import Mistake
    from prober.monitor.commands import monitor_stage
    from prober.monitor.listen import address_of

    if once and listen is not None:
        raise Mistake("--listen: a single round ends too soon to be asked; leave it out, or leave out --once.")
    address = address_of(listen) if listen is not None else None
    raise typer.Exit(monitor_stage(config, once=once, listen=address, say=say, complain=_complain_of_strangers))


def _complain_of_strangers(text: str) -> None:
    """Words that may come from a server move no cursor."""
    from prober.render.visible import visible

    complain(visible(text))


Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The monitoring configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON instead.")]


@app.command()
def history(
    target: Annotated[
        str | None, typer.Argument(metavar="[TARGET]", help="The name of a target. Else all, a line each.")
    ] = None,
    config: Config = Path("monitor.yaml"),
    incidents: Annotated[bool, typer.Option("--incidents", help="Print only the incidents of the target.")] = False,
    changes: Annotated[bool, typer.Option("--changes", help="Print only its changes, with the proof of each.")] = False,
    looks: Annotated[bool, typer.Option("--looks", help="Print only its looks.")] = False,
    since: Annotated[
        date | None, typer.Option("--since", metavar="DATE", parser=day_of("--since"), help="Leave out what is older.")
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--last", metavar="N", parser=whole("--last", 1, 100_000), help="Of each list the last N."),
    ] = None,
    night: Annotated[
        str | None, typer.Option("--night", metavar="SLOT", help="What changed in one night, at every target.")
    ] = None,
    json: AsJson = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make a lost history anew from the run folders.")] = False,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="FILE", help="Note a sealed bundle that was handed over.")
    ] = None,
) -> None:
    """Say how the targets of the monitor stand, and what happened to one of them."""
    from prober.mistake import Mistake
    from prober.monitor import reading
    from prober.monitor.hindsight import Asked
    from prober.render.hindsight import Parts

    lists = incidents or changes or looks
    if rebuild or bundle is not None:
        if target is not None or lists or json or night or since or last or (rebuild and bundle is not None):
            raise Mistake("--rebuild and --bundle stand alone, beside --config.")
        if bundle is None:
            raise typer.Exit(reading.rebuild_stage(config, say_of_strangers, _complain_of_strangers))
        from prober.audit.facts import bundle_facts

        facts, digest = bundle_facts(bundle)
        reading.bundle_stage(config, facts, digest, bundle.name, say_of_strangers)
        return
    if target is None and (lists or since is not None or last is not None):
        raise Mistake("Name the target whose history it is: prober history TARGET.")
    if night is not None and (lists or since is not None or last is not None):
        raise Mistake("--night prints what changed in that night; it goes with TARGET, --config and --json alone.")
    asked = Asked(target, since, last, night, incidents or not lists, changes or not lists, looks)
    parts = Parts(asked.incidents, asked.changes, asked.looks, rest=not lists)
    reading.history_stage(config, asked, parts, _screen(json), say)


@app.command()
def trend(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The name of a target.")],
    config: Config = Path("monitor.yaml"),
    days: Annotated[
        int, typer.Option("--days", metavar="N", parser=whole("--days", 1, 3_660), help="How far back; else 365.")
    ] = 365,
    goal: Annotated[
        str | None,
        typer.Option("--goal", metavar="PERCENT", help="The availability that was promised, for example 99.9."),
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the series as a table, too.")] = None,
    json: AsJson = False,
    sla: Annotated[
        str | None,
        typer.Option("--sla", metavar="FROM..TO", help="Write a report of these UTC days instead, into --out."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where the report is written.")] = None,
) -> None:
    """Show how a target went over time: availability, latency, findings, label, levels and certificate by weeks."""
    from prober.mistake import Mistake
    from prober.monitor import reading

    promised = share_of("--goal", goal) if goal is not None else None
    if sla is None:
        if out is not None:
            raise Mistake("--out is where a report is written; give its period by --sla FROM..TO.")
        reading.trend_stage(config, target, days=days, goal=promised, csv=csv, screen=_screen(json), say=say)
        return
    if out is None or csv is not None or json:
        raise Mistake("--sla writes sla.html and sla.csv into the folder that --out names; it goes without the others.")
    period = days_of("--sla", sla)
    reading.sla_stage(config, target, period=period, goal=promised, out=out, say=say_of_strangers)


def _screen(as_json: bool) -> "Screen":
    from prober.monitor.reading import Screen

    return Screen(shutil.get_terminal_size((100, 24)).columns, sys.stdout.encoding, as_json)
