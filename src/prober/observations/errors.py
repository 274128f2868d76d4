"""How a server refuses: a type, an id and a search parameter that do not exist."""

from prober.nouns.evidence import Exchange, Trouble
from prober.observations.answers import told
from prober.observations.patient import known_patient
from prober.session.observation import observation
from prober.session.session import Session

NO_SUCH_TYPE = "NoSuchType/x"
NO_SUCH_PATIENT = "Patient/prober-no-such-patient"
"""A valid FHIR id that no server gives out, so that nobody's record can be met by chance."""


@observation(asks=(f"GET [base]/{NO_SUCH_TYPE}",), permits=("active",), family="errors")
async def unknown_type_answer(session: Session) -> Exchange:
    """What a read of a resource type that does not exist answers."""
    return told(session, await session.get(NO_SUCH_TYPE))


@observation(asks=(f"GET [base]/{NO_SUCH_PATIENT}",), permits=("active",), family="errors")
async def ghost_answer(session: Session) -> Exchange:
    """What a read of a patient who cannot exist answers."""
    return told(session, await session.get(NO_SUCH_PATIENT))


@observation(
    asks=("GET [base]/Patient?_id={id}&prober-no-such-parameter=x (Prefer: handling=strict)",),
    permits=("active", "patient_data"),
    family="errors",
    needs=(known_patient,),
)
async def strict_search_answer(session: Session) -> Exchange:
    """What a strict search with a parameter that does not exist answers; it can find the known patient at most."""
    patient = (await session.see(known_patient)).value
    answer = await session.get(
        "Patient?_id={id}&prober-no-such-parameter=x", headers={"Prefer": "handling=strict"}, id=patient.id
    )
    return told(session, answer)


@observation(
    requests=0, permits=("active",), family="errors", needs=(unknown_type_answer, ghost_answer, strict_search_answer)
)
async def error_answers(session: Session) -> tuple[Exchange, ...]:
    """The answers to all three mistakes, as far as they came."""
    seen = [await session.try_see(one) for one in (unknown_type_answer, ghost_answer, strict_search_answer)]
    answers = tuple(one.value for one in seen if not isinstance(one, Trouble))
    if not answers and isinstance(seen[0], Trouble):
        session.trouble(seen[0].reason, seen[0].message)
    return answers
