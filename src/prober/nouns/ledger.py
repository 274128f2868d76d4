"""The ledger: a line when a run against a base begins and one when it ends, never altered, each naming the last."""

from typing import Literal

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.bundle import Sha256
from prober.nouns.run import Depth, Ending, Environment


class LedgerLine(Noun):
    """One line of the ledger of one FHIR base.

    `number` counts the lines from 1 and `ordinal` the runs; `runs` is how many runs had begun by then. `previous` is
    the leaf hash of the line before it.
    """

    schema_: Literal["prober/ledger-line/1"] = Field(default="prober/ledger-line/1", alias="schema")
    number: int = Field(ge=1)
    previous: Sha256 | None
    event: Literal["began", "ended"]
    run: str
    ordinal: int = Field(ge=1, description="Which run of this ledger the line is about.")
    runs: int = Field(ge=1)
    subject: str
    time: str = Field(description="UTC instant at which the run began or ended.")
    environment: Environment | None = Field(default=None, description="Of a run that begins.")
    depth: Depth | None = Field(default=None, description="Of a run that begins.")
    ending: Ending | None = Field(default=None, description="Of a run that ended.")
    evidence: Sha256 | None = Field(
        default=None,
        description="Of a run that ended: SHA-256 over what was collected: the run and its exchanges.",
    )


class LedgerExtract(Noun):
    """data/ledger/<base>.json: the end of a ledger, and the hashes that stand for what came before.

    `peaks` are the roots of the largest full trees over the first `before` lines (RFC 6962 section 2.1), as hex.
    """

    schema_: Literal["prober/ledger-extract/1"] = Field(default="prober/ledger-extract/1", alias="schema")
    subject: str
    before: int = Field(ge=0)
    peaks: tuple[Sha256, ...] = ()
    lines: tuple[LedgerLine, ...]
    previous: str | None = Field(description="The signed checkpoint before the last: a signed note.")
    checkpoint: str = Field(description="The signed checkpoint over all these lines: a signed note.")
