"""What a run is: whom it asks, what it may ask, what it planned, and what it was made with."""

from typing import Literal

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.finding import Reason

Permit = Literal["active", "credentials", "patient_data", "jobs", "negative_auth", "writes"]
PERMITS: tuple[Permit, ...] = ("active", "credentials", "patient_data", "jobs", "negative_auth", "writes")
Environment = Literal["production", "sandbox", "reference", "undeclared"]
Depth = Literal["discovery", "standard", "full"]
Pace = Literal["polite", "sandbox"]
Ending = Literal["complete", "deadline", "budget", "interrupted", "failed"]

REASON_FOR_PERMIT: dict[Permit, Reason] = {
    "active": "needs_authorization",
    "credentials": "needs_credentials",
    "patient_data": "needs_patient_data",
    "jobs": "needs_jobs",
    "negative_auth": "needs_negative_auth",
    "writes": "needs_writes",
}


class PlannedObservation(Noun):
    """What one observation may ask at most: request templates, number of requests, longest chain, permits."""

    observation: str
    asks: tuple[str, ...]
    requests: int
    chain: int
    permits: tuple[Permit, ...] = ()
    height: int = Field(description="Requests on the longest chain that begins here and follows what depends on it.")
    granted: bool = True
    refused_because: Reason | None = None


class Plan(Noun):
    """The whole plan of a run, in the fixed order in which the budget is allotted."""

    depth: Depth
    budget: int
    deadline_seconds: int
    pace: Pace
    observations: tuple[PlannedObservation, ...]

    @property
    def most_requests(self) -> int:
        """The most requests that the granted observations may make together."""
        return sum(one.requests for one in self.observations if one.granted)


class AuthorizationNote(Noun):
    """The short form of the authorization statement, as it is sealed in the run and shown on the first page."""

    form: Literal["none", "loopback", "short", "file"]
    statement: str
    modes: tuple[Permit, ...] = ()
    grantor: str | None = None
    grantee: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    sha256: str | None = None


class Done(Noun):
    """What was done of the plan."""

    requests: int
    refused: int
    ending: Ending
    not_begun: tuple[str, ...] = ()


class Surroundings(Noun):
    """What stood between prober and the server: whom it trusted, and through what it went."""

    trust_store: str = Field(description="SHA-256 of the authorities that were trusted, with the file of --ca-file.")
    ca_file: str | None = Field(default=None, description="SHA-256 of the file of private authorities.")
    proxy: str | None = Field(default=None, description="Host and port of the proxy.")
    resolved: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Addresses that the user gave for names; DNS was not asked for these."
    )
    clock: str = Field(description="What told the time.")


class Tool(Noun):
    """What the run was made with."""

    prober: str
    python: str
    httpx: str
    openssl: str
    platform: str


class Run(Noun):
    """run.json: the facts of a run. `ended` is None while it runs, or when it was killed."""

    schema_: Literal["prober/run/1"] = Field(default="prober/run/1", alias="schema")
    id: str
    subject: str
    environment: Environment
    synthetic: bool
    loopback: bool
    started: str
    ended: str | None = None
    as_of: str | None = None
    permits: tuple[Permit, ...] = ()
    has_credentials: bool = False
    authorization: AuthorizationNote
    plan: Plan
    done: Done | None = None
    surroundings: Surroundings | None = Field(default=None, description="None in runs of prober before 0.4.")
    tool: Tool
    probes: dict[str, str] = Field(description="Digest of each probe folder, by id.")
    models: dict[str, str] = Field(description="Digest of each model, by id.")
    parent: str | None = None
