"""`prober monitor`: look at many targets again and again."""

from pathlib import Path
from typing import Annotated

import typer

from prober.cli_parts import complain, say

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
