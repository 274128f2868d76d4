"""The declared reads and searches put to the test: a stated sample of the types, one search and one read each."""

import asyncio
import hashlib
from dataclasses import dataclass

from prober.nouns.evidence import Exchange
from prober.nouns.fhir import R4_TYPES
from prober.observations.answers import searchset
from prober.observations.capability_statement import CapabilityStatement, DeclaredResource, capability_statement
from prober.session.observation import observation
from prober.session.session import Session

MOST_TYPES = 40
GUIDE_TYPES = frozenset(
    """
    AllergyIntolerance CarePlan CareTeam Condition Coverage Device DiagnosticReport DocumentReference Encounter Endpoint
    Goal HealthcareService Immunization Location Media Medication MedicationDispense MedicationRequest
    MedicationStatement Observation Organization Practitioner PractitionerRole Procedure Provenance Questionnaire
    QuestionnaireResponse RelatedPerson ServiceRequest Specimen ValueSet
    """.split()  # noqa: SIM905 - a list of 31 names reads better as text
)
"""The types, beside Patient, of the server statements of US Core 6.1.0 and International Patient Access 1.0.0."""

PATIENT_PARAMETERS = ("patient", "subject")


@dataclass(frozen=True)
class TriedType:
    """A declared type: what came of one search and one read of it. None: not asked.

    `restricted` says that the search asked for one patient's records, `sampled` that the type is in the sample, and
    `with_token` that this run carries credentials.
    """

    declared: DeclaredResource
    sampled: bool
    search: Exchange | None = None
    read: Exchange | None = None
    read_id: str = ""
    restricted: bool = False
    with_token: bool = False


@observation(
    asks=("GET [base]/{type}?_count=1 or ?patient={id}&_count=1", "GET [base]/{type}/{id}"),
    requests=2 * MOST_TYPES,
    share=3,
    chain=2,
    permits=("active", "patient_data"),
    family="declared",
    needs=(capability_statement,),
)
async def declared_interactions(session: Session) -> tuple[TriedType, ...]:
    """Every declared type, and what came of a search and a read of those in the sample, in the order of asking."""
    statement = (await session.see(capability_statement)).value
    types = _in_order(statement)
    most = min(MOST_TYPES, session.budget // 3 // 2)
    asked = [one for one in types if one.type in R4_TYPES][:most]
    tried = await asyncio.gather(*(_try(session, one) for one in asked))
    names = {one.type for one in asked}
    return (*tried, *(TriedType(one, sampled=False) for one in types if one.type not in names))


def _in_order(statement: CapabilityStatement) -> tuple[DeclaredResource, ...]:
    """Patient, then the types of the guides, then the rest; both by the SHA-256 of their names, each type once."""

    def place(one: DeclaredResource) -> tuple[int, str]:
        rank = 0 if one.type == "Patient" else 1 if one.type in GUIDE_TYPES else 2
        return rank, hashlib.sha256(one.type.encode("utf-8", "surrogatepass")).hexdigest()

    first = {one.type: one for one in reversed(statement.resources)}
    return tuple(sorted(first.values(), key=place))


async def _try(session: Session, declared: DeclaredResource) -> TriedType:
    """One search, and a read of what it found first: only an id that this server gave can refute a read."""
    search = await _search(session, declared)
    bundle = searchset(search) if search is not None else None
    ids = [one.id for one in bundle.matches if one.type == declared.type and one.id] if bundle else []
    read = await session.attempt(f"{declared.type}/{{id}}", id=ids[0]) if ids else None
    return TriedType(
        declared,
        sampled=True,
        search=search,
        read=read,
        read_id=ids[0] if ids else "",
        restricted=not session.synthetic,
        with_token=session.has_credentials,
    )


async def _search(session: Session, declared: DeclaredResource) -> Exchange | None:
    """Synthetic data: any one record. Real data: only what belongs to a configured test patient, else nothing."""
    if session.synthetic:
        return await session.attempt(f"{declared.type}?_count=1")
    if not session.patients:
        return None
    if declared.type == "Patient":
        return await session.attempt("Patient?_id={id}&_count=1", id=session.patients[0])
    named = next((one for one in PATIENT_PARAMETERS if one in declared.search_params), None)
    if named is None:
        return None
    return await session.attempt(f"{declared.type}?{named}={{id}}&_count=1", id=session.patients[0])
