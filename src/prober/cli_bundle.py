"""The commands for evidence that somebody else is to believe: bundle, verify, rejudge, keys, ledger."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from prober.cli_parts import one_of, say, say_of_strangers

SEAL = "seal"
EXPORTS = ("oscal", "sarif", "junit", "csv", "testreport", "har", "prometheus", "badge")
"""Here again, so that the help loads nothing; a test holds them together."""


class SealUnlessNamed(TyperGroup):
    """`prober bundle RUN` seals; `prober bundle disclose` is a command of its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, "-h", "--help"}:
            args = [SEAL, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(add_completion=False, rich_markup_mode=None)
bundle = typer.Typer(
    name="bundle",
    cls=SealUnlessNamed,
    help="Seal runs into a signed evidence bundle (prober bundle RUN...), or disclose a part of an original.",
    rich_markup_mode=None,
)
keys = typer.Typer(name="keys", help="Make, show and trust the keys that sign bundles.")
ledger = typer.Typer(name="ledger", help="Check the ledger of runs, and sign checkpoints of it.")
app.add_typer(bundle)
app.add_typer(keys)
app.add_typer(ledger)

Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle, NAME.prober.zip.")]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="WHERE", help="The key that signs: a file, env:NAME or exec:COMMAND. Else your own."),
]
PublicKey = Annotated[
    Path | None, typer.Option("--public-key", metavar="FILE", help="The public key of a signer that is a command.")
]
SignedBy = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="The public key that must have signed it.")
]
LedgerFolder = Annotated[
    Path | None,
    typer.Option("--ledger", metavar="DIR", help="Where the ledger of runs lies (or PROBER_LEDGER)."),
]
Checkpoint = Annotated[
    Path | None, typer.Option("--checkpoint", metavar="FILE", help="An earlier checkpoint to hold the ledger against.")
]
TsaCa = Annotated[
    Path | None,
    typer.Option("--tsa-ca", metavar="FILE", help="Root certificates of timestamp authorities to trust, in PEM."),
]
ProbeFolders = Annotated[list[Path] | None, typer.Option("--probes", metavar="DIR", help="More probe folders.")]
Base = Annotated[str, typer.Argument(metavar="URL", help="The FHIR base whose ledger it is.")]


@bundle.command(SEAL)
def seal(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, or folders that hold some.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The bundle to write.")] = None,
    key: Key = None,
    public_key: PublicKey = None,
    period: Annotated[
        str | None, typer.Option("--period", metavar="FROM..TO", help="Seal every run of these days, as one series.")
    ] = None,
    run_by: Annotated[
        str | None,
        typer.Option("--run-by", metavar="ROLE: NAME", help="Who ran the probes: provider, vendor or independent."),
    ] = None,
    ledger: LedgerFolder = None,
    documents: Annotated[
        list[Path] | None, typer.Option("--documents", metavar="DIR", help="Where the public documents lie.")
    ] = None,
    waivers: Annotated[
        Path | None, typer.Option("--waivers", metavar="FILE", help="waivers.yaml: shown, and changing no score.")
    ] = None,
    probes: ProbeFolders = None,
) -> None:
    """What `prober bundle RUN...` does: seal runs into a signed file that anybody can verify and score again."""
    from prober.audit.commands import KeyWords, seal_command

    seal_command(
        runs,
        out=out,
        key=KeyWords(key, public_key),
        period=period,
        run_by=run_by,
        ledger=ledger,
        documents=documents or (),
        waivers=waivers,
        probes=probes or (),
        say=say,
    )


@bundle.command()
def disclose(
    bundle: Bundle,
    exchange: Annotated[str, typer.Option("--exchange", metavar="ID", help="The exchange whose original it is.")],
    pointer: Annotated[list[str], typer.Option("--pointer", metavar="POINTER", help="A value, for example /gender.")],
    custodian: Annotated[Path, typer.Option("--custodian", metavar="DIR", help="Where the keys of the run are kept.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The disclosure to write.")] = None,
) -> None:
    """Prove that a value kept in a bundle belongs to the withheld original, and show nothing else of it."""
    from prober.audit.commands import disclose_command

    disclose_command(bundle, custodian=custodian, exchange=exchange, pointers=pointer, out=out, say=say)


@bundle.command("stamp")
def stamp(
    bundle: Bundle,
    tsa: Annotated[str | None, typer.Option("--tsa", metavar="URL", help="The timestamp authority to ask.")] = None,
    request: Annotated[
        Path | None, typer.Option("--request", metavar="FILE.tsq", help="Write the request instead of sending it.")
    ] = None,
    response: Annotated[
        Path | None, typer.Option("--response", metavar="FILE.tsr", help="Take an answer that was fetched elsewhere.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="More CAs to trust for https, in PEM.")
    ] = None,
    tsa_ca: TsaCa = None,
) -> None:
    """Get a trusted timestamp (RFC 3161) of a bundle file; it lies beside the bundle as NAME.tsr."""
    from prober.audit.beside_commands import stamp_command

    stamp_command(bundle, tsa=tsa, request=request, response=response, ca_file=ca_file, tsa_ca=tsa_ca, say=say)


@bundle.command("ssh-sign")
def ssh_sign(
    bundle: Bundle,
    key: Annotated[Path, typer.Option("--ssh-key", metavar="FILE", help="Your SSH key, as for ssh-keygen -Y sign.")],
) -> None:
    """Sign a bundle file with an SSH key as well; the signature lies beside the bundle as NAME.sig."""
    from prober.audit.beside_commands import ssh_sign_command

    ssh_sign_command(bundle, key=key, say=say)


@app.command()
def verify(
    bundle: Bundle,
    key: SignedBy = None,
    checkpoint: Checkpoint = None,
    disclosure: Annotated[
        list[Path] | None, typer.Option("--disclosure", metavar="FILE", help="A disclosure to hold against it.")
    ] = None,
    tsa_ca: TsaCa = None,
    ssh_signers: Annotated[
        Path | None,
        typer.Option("--ssh-signers", metavar="FILE", help="Allowed signers, for an SSH signature beside it."),
    ] = None,
    ssh_identity: Annotated[
        str | None, typer.Option("--ssh-identity", metavar="NAME", help="The one of them who must have signed.")
    ] = None,
    probes: ProbeFolders = None,
) -> None:
    """Verify a bundle offline: form, hashes, signature, ledger, and that its scores follow from its evidence."""
    from prober.audit.commands import verify_command

    code = verify_command(
        bundle,
        key=key,
        checkpoint=checkpoint,
        disclosures=disclosure or (),
        probes=probes or (),
        say=say_of_strangers,
        tsa_ca=tsa_ca,
        ssh_signers=ssh_signers,
        ssh_identity=ssh_identity,
    )
    raise typer.Exit(code)


@app.command()
def rejudge(
    bundle: Bundle,
    model: Annotated[Path | None, typer.Option("--model", metavar="FILE", help="Another rule book.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where the scorecard is written.")] = None,
    probes: ProbeFolders = None,
) -> None:
    """Judge and score a bundle again, and print what changes and why."""
    from prober.audit.commands import rejudge_command

    raise typer.Exit(rejudge_command(bundle, model=model, out=out, probes=probes or (), say=say_of_strangers))


@app.command("export")
def export_evidence(
    evidence: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle, or a scored run folder.")],
    kind: Annotated[
        str,
        typer.Option("--as", metavar="FORMAT", parser=one_of("--as", EXPORTS), help=f"One of {', '.join(EXPORTS)}."),
    ],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The folder to make. Else print.")] = None,
    probes: ProbeFolders = None,
) -> None:
    """Write what a bundle holds in a format that other people's tools read; docs/exports.md says what each is for."""
    from prober.audit.commands import export_command

    export_command(evidence, kind=kind, out=out, probes=probes or (), say=say)


@keys.command("new")
def new_key(
    path: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="The file to make. Else your own key.")] = None,
) -> None:
    """Make an Ed25519 key in a file that only you can read, and print its id."""
    from prober.audit.commands import new_key_command

    new_key_command(path, say)


@keys.command("show")
def show_key(
    path: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A key file. Else all that are known.")] = None,
) -> None:
    """Print the id and the public half of a key, or the ids of all keys that are trusted."""
    from prober.audit.commands import show_key_command

    show_key_command(path, say)


@keys.command("trust")
def trust_key(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Somebody's public key.")],
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="What to call it.")] = None,
) -> None:
    """Accept bundles that this key signed, from now on."""
    from prober.audit.commands import trust_command

    trust_command(path, name, say)


@ledger.command("verify")
def verify_ledger(
    bases: Annotated[list[str] | None, typer.Argument(metavar="[URL]...", help="Bases. Else all.")] = None,
    ledger: LedgerFolder = None,
    checkpoint: Checkpoint = None,
    key: SignedBy = None,
) -> None:
    """Check that no line of the ledger of runs was altered or removed."""
    from prober.audit.commands import verify_ledger_command

    raise typer.Exit(
        verify_ledger_command(bases or (), folder=ledger, checkpoint=checkpoint, key=key, say=say_of_strangers)
    )


@ledger.command("checkpoint")
def checkpoint_ledger(base: Base, ledger: LedgerFolder = None, key: Key = None, public_key: PublicKey = None) -> None:
    """Sign a checkpoint of a ledger, to be given to somebody who will compare it later."""
    from prober.audit.commands import KeyWords, checkpoint_command

    checkpoint_command(base, folder=ledger, key=KeyWords(key, public_key), say=say)
