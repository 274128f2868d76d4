"""What a probe concludes: a verdict with its citations, and the finding that the engine makes of it."""

from typing import Literal, get_args

from pydantic import Field

from prober.nouns.base import JSON, Noun

Outcome = Literal["present", "absent", "not_applicable", "unknown"]
Basis = Literal["declared", "demonstrated", "attested"]
EvidenceClass = Literal["E0", "E1", "E2", "E3", "E4"]
Reason = Literal[
    "unreachable",
    "timed_out",
    "server_error",
    "rate_limited",
    "unavailable",
    "protected",
    "denied",
    "address_refused",
    "too_large",
    "unparseable",
    "job_unfinished",
    "masquerade",
    "needs_authorization",
    "needs_credentials",
    "needs_patient_data",
    "needs_jobs",
    "needs_negative_auth",
    "needs_writes",
    "budget",
    "deadline",
    "untested_sample",
    "no_data",
    "not_recorded",
    "expired",
    "bug",
]
REASONS: tuple[str, ...] = get_args(Reason)
CellResult = Literal["shown", "refuted", "untested", "undeclared_works"]


class Citation(Noun):
    """A place in the evidence: an exchange, and in it a JSON pointer or ``#header-name`` (empty: the whole answer)."""

    exchange: str
    pointer: str = ""


class Cell(Noun):
    """One claim of a matrix probe and what became of it."""

    claim: str
    declared: bool
    result: CellResult
    exchange: str | None = None
    reason: Reason | None = None


class Verdict(Noun):
    """What a probe says: an outcome, one plain sentence, where it can be seen, and typed values."""

    outcome: Outcome
    message: str
    citations: tuple[Citation, ...] = ()
    values: dict[str, JSON] = Field(default_factory=dict)
    reason: Reason | None = None


class Source(Noun):
    """Who says so: a probe with the digest of its folder, or an attestation."""

    probe: str
    digest: str


class Finding(Noun):
    """A verdict about a subject with the evidence that it rests on. It holds no time, run id or number of tries."""

    schema_: Literal["prober/finding/1"] = Field(default="prober/finding/1", alias="schema")
    source: Source
    subject: str
    verdict: Verdict
    basis: Basis
    class_: EvidenceClass = Field(default="E4", alias="class")
    evidence: tuple[str, ...]
