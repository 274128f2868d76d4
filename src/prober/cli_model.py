"""The command line of rule books: parse, call, print."""

import typer

app = typer.Typer(name="model", help="Check a rule book, and see what another one would change.")
