"""The command line of rule books: parse, call, print."""

from pathlib import Path
from typing import Annotated

import typer

from prober.cli_parts import complain, say

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
        raise typer.Exit(digests_stage(digests, say))
    say(list_text())


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A rule book or a profile.")],
    probes: ProbeFolders = None,
) -> None:
    """Check a model file: every fault with its line and its remedy."""
    from prober.rulebooks.commands import check_stage

    raise typer.Exit(check_stage(file, probes or (), say, complain))


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

    raise typer.Exit(diff_stage(a, b, corpus, probes or (), say))
