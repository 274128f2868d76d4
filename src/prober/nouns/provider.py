"""provider.yaml: the applicability facts of the provider and where its endpoints are."""

from typing import Annotated, Literal

from pydantic import Field

from prober.nouns.base import Noun
from prober.nouns.pages import MOST_PAGES
from prober.nouns.run import Environment

Setting = Literal["inpatient", "outpatient", "both"]
Service = Literal["prescribes", "vaccinates", "has_lab", "telehealth", "schedules_visits", "refers"]
PaymentModel = Literal["insurer_billed", "single_payer", "self_pay"]


class Provider(Noun):
    """The provider profile (criteria.md 0.5). Only `organisation` and one FHIR base are needed."""

    schema_: Literal["prober/provider/1"] = Field(default="prober/provider/1", alias="schema")
    organisation: str
    country: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    setting: Setting | None = None
    services: tuple[Service, ...] = ()
    payment_model: PaymentModel | None = None
    patient_payments_customary: bool | None = None
    prior_auth_customary: bool | None = None
    environment: Environment = "undeclared"
    fhir_bases: tuple[str, ...] = Field(min_length=1)
    cds_bases: tuple[str, ...] = ()
    doc_urls: tuple[str, ...] = Field(
        default=(), description=f"Published pages, at most {MOST_PAGES}; each is asked for without a token."
    )
    metrics_url: str | None = None
    brands_url: str | None = None
    hie: tuple[str, ...] = ()
    test_patients: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    population_size: int | None = Field(default=None, ge=0)
    public_sources: dict[str, Annotated[str, Field(min_length=12)]] = Field(
        default_factory=dict,
        description="Fact of this file -> the named public source that anybody can check it against. Without one, a "
        "core criterion that the fact would rule out applies all the same.",
    )
    allow_hosts: tuple[str, ...] = ()
    bearer: str | None = Field(default=None, pattern="^env:[A-Za-z_][A-Za-z0-9_]*$")
    writes: bool = False


class ProviderFacts(Noun):
    """provider.json: what a run keeps of the provider file. No patient ids, no reference to a secret.

    `patients` and `groups` hold the run's placeholders, which replay needs to rebuild the same requests.
    """

    schema_: Literal["prober/provider-facts/1"] = Field(default="prober/provider-facts/1", alias="schema")
    organisation: str | None = None
    country: str | None = None
    setting: Setting | None = None
    services: tuple[Service, ...] = ()
    payment_model: PaymentModel | None = None
    patient_payments_customary: bool | None = None
    prior_auth_customary: bool | None = None
    environment: Environment = "undeclared"
    fhir_bases: tuple[str, ...] = ()
    population_size: int | None = None
    public_sources: dict[str, str] = Field(default_factory=dict)
    declared: bool = Field(default=False, description="True when a provider file was given.")
    doc_urls: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class Authorization(Noun):
    """The statement that permits more than public discovery (decision file: authorization to probe)."""

    schema_: Literal["prober/authorization/1"] = Field(default="prober/authorization/1", alias="schema")
    grantor: str
    grantor_role: str
    legal_entity: str
    grantee: str
    bases: tuple[str, ...] = Field(min_length=1)
    hosts: tuple[str, ...] = ()
    modes: tuple[Literal["active", "credentials", "patient_data", "jobs", "negative_auth", "writes"], ...] = Field(
        min_length=1
    )
    test_patients: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    not_before: str
    not_after: str
    requests_per_second: int = Field(default=1, ge=1, le=50)
    terms_version: str
    terms_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    data_basis: str
    emergency_contact: str
    document_sha256: str = Field(pattern="^[0-9a-f]{64}$")
