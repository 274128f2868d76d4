"""attestations.yaml: what people state with documents, for the requirements that no machine can see from outside."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from prober.nouns.base import Noun

DocumentKind = Literal[
    "policy",
    "record",
    "volume",
    "metrics",
    "letter",
    "assessment",
    "certificate",
    "listing",
    "result",
    "page",
]
"""What a document is, which decides how long it stays fresh (the rule book's rows, see `prober.documents`):

policy (charter, policy, contract, catalogue) - record (minutes, access review, audit report) - volume (operational
log extract, message and acknowledgement counts) - metrics (published yearly figures) - letter (of a registry, network
or partner) - assessment (security assessment, penetration test) - certificate (with its own last day) - listing
(product listing, such as CHPL: it speaks for the product) - result (of a test suite run against an endpoint, such as
Inferno) - page (a public page that a person read and confirmed).
"""
DocumentClass = Literal["E0", "E1", "E2", "E3"]


def _of_the_calendar(day: str) -> str:
    try:
        date.fromisoformat(day)
    except ValueError as error:
        raise ValueError(f"{day} is not a day of the calendar; correct it.") from error
    return day


Day = Annotated[
    str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"), AfterValidator(_of_the_calendar)
]
Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
Count = Annotated[int, Field(ge=0, le=10**15, strict=True)]
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,12}(/[1-9][0-9]{0,11})?$")]
"""A whole number, or a fraction such as 41/100: nothing here is ever rounded."""
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*$"
"""Text on one line in which everything can be seen: a report prints it, and a person must be able to check it."""
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=PLAIN)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=PLAIN)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=PLAIN)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=PLAIN)]
Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=PLAIN)]


class Period(Noun):
    """The days that a document covers, both included."""

    start: Day
    end: Day

    @model_validator(mode="after")
    def _forwards(self) -> "Period":
        if self.end < self.start:
            raise ValueError(f"The period ends on {self.end}, before it starts on {self.start}; correct its days.")
        return self


class Interface(Noun):
    """One row of an HL7 v2 interface inventory with the counts of its period."""

    partner: Title
    events: tuple[Word, ...] = Field(min_length=1, description="Trigger events, for example ORU^R01.")
    version: Word
    guide: Title | None = None
    transport: Word
    sent: Count
    accepted: Count = Field(description="Acknowledged AA.")
    errors: Count = Field(description="Acknowledged AE.")
    rejected: Count = Field(description="Acknowledged AR.")


class Hl7v2(Noun):
    """Interface inventory and acknowledgement counts."""

    form: Literal["hl7v2"]
    interfaces: tuple[Interface, ...] = Field(min_length=1)


class X12Set(Noun):
    """One transaction set of a clearinghouse statement."""

    set: Literal["270", "275", "276", "278", "835", "837"]
    version: Word
    electronic: Count = Field(description="Transactions that went electronically.")
    total: Count = Field(description="All of the period, by portal, fax and paper too.")
    accepted: Count | None = None
    rejected: Count | None = None


class X12(Noun):
    """A clearinghouse's transaction summary per set and version."""

    form: Literal["x12"]
    sets: tuple[X12Set, ...] = Field(min_length=1)


class Ncpdp(Noun):
    """A prescription network's volume report by message type."""

    form: Literal["ncpdp"]
    script_version: Word
    new_prescriptions: Count
    renewals: Count = 0
    changes: Count = 0
    cancellations: Count = 0
    benefit_checks: Count = 0
    drug_authorizations: Count = 0
    permissible: Count = Field(description="All prescriptions of the period that could have gone electronically.")


class Direct(Noun):
    """A HISP statement: Direct messages sent, what became of them, and received."""

    form: Literal["direct"]
    accredited: bool
    sent: Count
    delivered: Count
    failed: Count
    received: Count


class ExchangeMonth(Noun):
    """One month of a network's dashboard."""

    month: Month
    inbound: Count
    outbound: Count
    total: Count = Field(description="All transactions, for example XCPD, XCA and XDS.b.")
    failed: Count


class Network(Noun):
    """The dashboard of an exchange or network, by month."""

    form: Literal["network"]
    vendors: Count | None = Field(default=None, description="Vendors whose systems the partners use.")
    months: tuple[ExchangeMonth, ...] = Field(min_length=1)


TYPES = ("fhir_api", "non_fhir_api", "hl7v2", "x12", "cda_direct", "ncpdp", "dicom", "file", "other")
ConnectionType = Literal["fhir_api", "non_fhir_api", "hl7v2", "x12", "cda_direct", "ncpdp", "dicom", "file", "other"]


class DailyTransactions(Noun):
    """The average of one month, in transactions a day."""

    month: Month
    avg: Count


class DataType(Noun):
    """One of the most common data types, with its share of all transactions."""

    system: Word
    type: Name
    share: Amount


class Metrics(Noun):
    """The yearly figures of transparency (schema of this project)."""

    form: Literal["metrics"]
    definitions: dict[Literal["system", "transaction"], Sentence] = Field(default_factory=dict)
    connected_systems: Count | None = None
    connections_by_type: dict[ConnectionType, Count] | None = None
    overlap_declared: bool = Field(default=False, description="One system may stand under several types.")
    daily_transactions: tuple[DailyTransactions, ...] = ()
    top_data_types: tuple[DataType, ...] = ()


class StageLetter(Noun):
    """A validation letter or certificate of a maturity stage."""

    form: Literal["stage_letter"]
    facility: Title
    model: Name = Field(description="For example EMRAM or O-EMRAM, or the equal of a national scheme.")
    stage: Count


class ConfirmedPage(Noun):
    """A public page that a person read: no rule that looks for words may claim more than level 1 by itself."""

    form: Literal["page"]
    url: str = Field(pattern=r"^https://[^\s@]+$", max_length=500)
    confirmed_by: Name = Field(description="Role or name of the person who read it.")
    confirmed_on: Day


class Product(Noun):
    """A product listing. It speaks for the product, never for its use at this provider."""

    form: Literal["product"]
    listing: Sentence
    number: Name
    edition: Word
    criteria: tuple[Word, ...]
    retrieved: Day


class SuiteResult(Noun):
    """What an independent test suite reported about one endpoint: counts of its tests by result."""

    form: Literal["suite"]
    suite: Title
    version: Word | None = None
    base: Address
    passed: Count
    failed: Count
    skipped: Count = 0
    omitted: Count = 0
    errors: Count = 0


Shape = Annotated[
    Hl7v2 | X12 | Ncpdp | Direct | Network | Metrics | StageLetter | ConfirmedPage | Product | SuiteResult,
    Field(discriminator="form"),
]


class Document(Noun):
    """The file behind an attestation. It is named by its hash, and copied nowhere unless it is public."""

    title: Title
    file: Sentence | None = Field(default=None, description="Path beside attestations.yaml; checked against the hash.")
    sha256: Sha256
    public: bool = False
    third_party: Title | None = Field(
        default=None,
        description="Who other than the provider signed it, or from whom it was fetched. Without one it is E2 at most.",
    )


class Inspection(Noun):
    """An auditor's sign-off: until it is recorded, a private document reads as not inspected."""

    by: Name
    role: Name
    on: Day


NOBODY_ELSE = frozenset({"self", "me", "us", "ourselves", "provider", "theprovider", "none", "na", "own"})
"""Words for the provider itself, as they are compared: small letters and digits only."""


def _name(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


class Attestation(Noun):
    """One statement by a person, for exactly the requirements and gates that it names."""

    schema_: Literal["prober/attestation/1"] = Field(default="prober/attestation/1", alias="schema")
    id: str = Field(pattern="^[a-z0-9][a-z0-9_-]*$", max_length=100)
    requirements: tuple[Annotated[str, Field(pattern=r"^[A-Z0-9.]+(/L[1-4]/[a-z0-9_]+)?$")], ...] = Field(
        min_length=1,
        description="Ids of requirements, or of gates. For a gate the answer yes says that it was seen to fire, and no "
        "that it was tried and held.",
    )
    claim: Sentence = Field(description="What is claimed, in one sentence.")
    answer: Literal["yes", "no"] = Field(default="yes", description="no: the provider states that it is not so.")
    kind: DocumentKind
    class_: DocumentClass = Field(alias="class")
    issuer: Title = Field(description="Who issued the document.")
    signer_role: Name
    issued: Day
    period: Period | None = None
    valid_until: Day | None = Field(default=None, description="The last day of a certificate, from the certificate.")
    entity: Title = Field(description="The legal entity that the document is about.")
    bases: tuple[Address, ...] = Field(
        default=(), description="The FHIR bases that it is about; none: the whole entity."
    )
    values: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], Amount] = Field(default_factory=dict)
    shape: Shape | None = None
    document: Document | None = None
    inspected: Inspection | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Attestation":
        if self.document is None and self.class_ != "E0":
            raise ValueError(f"{self.id}: only a bare claim (E0) goes without a document; name it with its SHA-256.")
        if self.kind == "certificate" and self.valid_until is None:
            raise ValueError(f"{self.id}: a certificate has a last day; give it as valid_until.")
        if self.kind in ("volume", "metrics") and self.period is None:
            raise ValueError(f"{self.id}: a {self.kind} document covers a period; give its start and end.")
        if self.kind == "listing" and self.class_ not in ("E0", "E1"):
            raise ValueError(f"{self.id}: a product listing speaks for the product only, so it is E1 at most.")
        party = self.document.third_party if self.document is not None else None
        if self.class_ == "E3" and (party is None or _name(party) in {_name(self.entity), *NOBODY_ELSE}):
            raise ValueError(
                f"{self.id}: E3 needs a document that somebody other than the provider signed or that was fetched "
                "from them; name them as third_party, or call it E2."
            )
        return self


class AttestationFile(Noun):
    """attestations.yaml."""

    schema_: Literal["prober/attestations/1"] = Field(default="prober/attestations/1", alias="schema")
    attestations: tuple[Attestation, ...] = ()

    @field_validator("attestations", mode="before")
    @classmethod
    def _none_yet(cls, given: object) -> object:
        # A worksheet whose blocks are all still comments says `attestations:` and nothing under it.
        return () if given is None else given
