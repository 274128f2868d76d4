"""One patient whom prober may look at: who it is, how the server reads it, and how it finds it."""

from dataclasses import dataclass

from prober.nouns.evidence import Exchange
from prober.observations.answers import get_fhir, searchset, told
from prober.session.observation import observation
from prober.session.session import Session


@dataclass(frozen=True)
class KnownPatient:
    """The id of a patient, and the search by which this server itself listed it in this run (None: configured)."""

    id: str
    listing: Exchange | None = None

    @property
    def listed(self) -> bool:
        """True if this server itself listed the patient in this run, under the same token."""
        return self.listing is not None


@observation(asks=("GET [base]/Patient?_count=1",), requests=1, permits=("active", "patient_data"), family="patient")
async def known_patient(session: Session) -> KnownPatient:
    """A configured test patient; where the data are synthetic and none is configured, the first that is listed."""
    if session.patients:
        return KnownPatient(session.patients[0])
    if not session.synthetic:
        session.trouble("needs_patient_data", "The provider file names no test patient, so prober looks at nobody.")
    answer = told(session, await session.get("Patient?_count=1"))
    bundle = searchset(answer)
    found = [one.id for one in bundle.matches if one.type == "Patient" and one.id] if bundle else []
    if not found:
        session.trouble("no_data", "The server lists no patient whom prober could look at.")
    return KnownPatient(found[0], answer)


@observation(
    asks=("GET [base]/Patient/{id}",),
    requests=2,
    chain=1,
    permits=("active", "patient_data"),
    family="patient",
    needs=(known_patient,),
)
async def patient_read_answer(session: Session) -> Exchange:
    """What a read of the known patient answers."""
    patient = (await session.see(known_patient)).value
    return await get_fhir(session, "Patient/{id}", id=patient.id)


@observation(
    asks=("GET [base]/Patient?_id={id}",),
    requests=2,
    chain=1,
    permits=("active", "patient_data"),
    family="patient",
    needs=(known_patient,),
)
async def patient_search_answer(session: Session) -> Exchange:
    """What a search for the known patient by its id answers."""
    patient = (await session.see(known_patient)).value
    return await get_fhir(session, "Patient?_id={id}", id=patient.id)
