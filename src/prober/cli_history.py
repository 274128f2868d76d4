"""The command line of what changes over time: parse, call, print."""

from pathlib import Path
from typing import Annotated

import typer

from prober.cli_parts import one_of, say

app = typer.Typer(add_completion=False, rich_markup_mode=None)

FAIL_ON = ("regression", "any")


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="The earlier run: a run folder, or a bundle.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The later run.")],
    earlier: Annotated[
        list[Path] | None,
        typer.Option("--earlier", metavar="RUN", help="A run before A: what is back as it was is told (repeat it)."),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="KIND",
            parser=one_of("--fail-on", FAIL_ON),
            help="End with 1 if there is a regression, or any change at all: regression or any.",
        ),
    ] = None,
    across: Annotated[
        bool, typer.Option("--across", help="Compare two servers, for example staging and production.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the differences as one line of JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print them as Markdown, for a pull request.")] = False,
) -> None:
    """Say what changed from one run to another: what got worse, what got better, and where the proof lies."""
    from prober.audit.differing import diff_command

    code = diff_command(
        a,
        b,
        earlier=earlier or (),
        fail_on=fail_on,
        across=across,
        as_json=json,
        markdown=markdown,
        say=say,
    )
    raise typer.Exit(code)
