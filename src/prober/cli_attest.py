"""The command line of attestations: parse, call, print."""

import typer

app = typer.Typer(name="attest", help="State with documents what no machine can see from outside.")
