"""What a bundle says of itself (data/bundle.json), and what its signature covers."""

from typing import Annotated, Literal

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.run import Ending, Environment

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Role = Literal["provider", "vendor", "independent", "not_stated"]
Contents = Literal["synthetic", "real", "public"]


class SealedRun(Noun):
    """One run in a bundle. `ending` is None where the run was killed before it could say how it ended."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$")
    subject: str
    environment: Environment
    started: str
    ended: str | None = None
    ending: Ending | None = None
    requests: int | None = Field(default=None, description="None where the run was killed.")
    model: Sha256 = Field(description="SHA-256 of the file in data/models that holds its rule books, word for word.")
    evidence: Sha256 = Field(description="SHA-256 over what was collected: the run and its exchanges.")
    ledger: int | None = Field(default=None, description="Which run against this base it was, by the ledger.")


class RunBy(Noun):
    """Who ran the probes: the party that is judged, the one that made its software, or neither."""

    role: Role = "not_stated"
    name: str | None = Field(default=None, max_length=200)


class SealedPeriod(Noun):
    """The first and the last day of a period, as UTC days: every run of it lies in the bundle."""

    first: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    last: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


class SealedModel(Noun):
    """A rule book or profile that the scorecard rests on. `released`: it is one that prober ships, unaltered."""

    id: str
    version: str
    digest: Sha256
    released: bool


class SealedDocument(Noun):
    """A document behind an attestation. `copied`: it is public and lies in data/documents by its hash."""

    attestation: str
    title: str
    sha256: Sha256
    copied: bool
    inspected: str | None = Field(default=None, description="Who inspected it; None: not inspected.")


class Waiver(Noun):
    """Somebody's decision to live with a finding for a while. It changes no finding and no score."""

    about: str = Field(description="The id of a probe, a criterion or a gate.", max_length=120)
    reason: str = Field(min_length=1, max_length=500)
    owner: str = Field(min_length=1, max_length=200)
    expires: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


class WaiverFile(Noun):
    """waivers.yaml."""

    schema_: Literal["prober/waivers/1"] = Field(default="prober/waivers/1", alias="schema")
    waivers: tuple[Waiver, ...] = ()


class BundleFacts(Noun):
    """data/bundle.json. It names no time of sealing: the same runs, sealed again, give the same bytes."""

    schema_: Literal["prober/bundle/1"] = Field(default="prober/bundle/1", alias="schema")
    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,100}$", description="The folder in the container.")
    prober: str = Field(description="Version of prober that sealed it.")
    package: Sha256 = Field(description="SHA-256 over the source files of prober that judge, score and seal.")
    runs: tuple[SealedRun, ...] = Field(min_length=1)
    rated: tuple[str, ...] = Field(description="The runs that the scorecard rests on; the others are its history.")
    period: SealedPeriod | None = None
    contents: Contents
    run_by: RunBy = RunBy()
    models: tuple[SealedModel, ...] = ()
    documents: tuple[SealedDocument, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    committed: bool = Field(description="Whether every withheld original is committed to, so that parts can be proved.")
    signer: Sha256 = Field(description="SHA-256 of the public key (SubjectPublicKeyInfo, DER) that signs the bundle.")


class Disclosed(Noun):
    """One value of an original that was withheld, with what it takes to see that it belongs to it.

    `value` is its canonical JSON text, `salt` the salt of this one leaf, `path` the audit path from it to the root that
    the exchange's commitment names (RFC 6962 section 2.1.1), all as hex.
    """

    pointer: str
    value: str
    salt: Sha256
    index: int = Field(ge=0)
    size: int = Field(ge=1)
    path: tuple[Sha256, ...]


class Disclosure(Noun):
    """A disclosure file: kept values of one exchange, proved to belong to the original that was not stored."""

    schema_: Literal["prober/disclosure/1"] = Field(default="prober/disclosure/1", alias="schema")
    run: str
    exchange: str
    values: tuple[Disclosed, ...] = Field(min_length=1)


class Subject(Noun):
    """What the statement is about: a file, and its digest."""

    name: str
    digest: dict[Literal["sha256"], Sha256]


class Predicate(Noun):
    """What is said of it: the runs, and what they were found to be worth."""

    bundle: str
    subjects: tuple[str, ...]
    runs: tuple[str, ...]
    as_of: str | None
    models: dict[str, Sha256]
    scorecard: Sha256 | None
    prober: str


class Statement(Noun):
    """The in-toto Statement that is signed (in-toto Attestation Framework, Statement v1)."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(default="https://in-toto.io/Statement/v1", alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1, max_length=1)
    predicate_type: Literal["urn:prober:bundle:1"] = Field(default="urn:prober:bundle:1", alias="predicateType")
    predicate: Predicate
