"""The command line of rule books: parse, call, print."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="model", help="Check a rule book, and see what another one would change.")

ProbeFolders = Annotated[list[Path] | None, typer.Option("--probes", metavar="DIR", help="More probe folders.")]


@app.command("list")
def list_models(
    digests: Annotated[
        Path | None,
        typer.Option(
            "--digests", metavar="FILE", help="Add to this file the digest of the rules of every new version."
        ),
    ] = None,
) -> None:
    """List the models that ship, with what each holds."""
    from prober.rulebooks.commands import digests_stage, list_text

    if digests is not None:
        raise typer.Exit(digests_stage(digests, _say))
    _say(list_text())


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A rule book or a profile.")],
    probes: ProbeFolders = None,
) -> None:
    """Check a model file: every fault with its line and its remedy."""
    from prober.rulebooks.commands import check_stage

    raise typer.Exit(check_stage(file, probes or (), _say, _complain))


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="The older version: a file, or the id of a shipped model.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The newer version.")],
    corpus: Annotated[
        Path | None, typer.Option("--corpus", metavar="DIR", help="Fixtures to score; else those that ship.")
    ] = None,
    probes: ProbeFolders = None,
) -> None:
    """Compare two versions of a model, and end with 1 if the newer number is too small a step."""
    from prober.rulebooks.commands import diff_stage

    raise typer.Exit(diff_stage(a, b, corpus, probes or (), _say))


def _say(text: str) -> None:
    """Print to stdout. A reader that went away (`| head`) changes neither what is done nor the exit code."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        # Nothing may be left for the interpreter to flush into the closed pipe when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _complain(text: str) -> None:
    typer.echo(f"prober: {text}", err=True)
