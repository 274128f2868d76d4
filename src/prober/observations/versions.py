"""The FHIR versions that a server speaks (FHIR R4, capabilitystatement-operation-versions.html)."""

from prober.nouns.evidence import Exchange
from prober.session.observation import observation
from prober.session.session import Session


@observation(asks=("GET [base]/$versions",))
async def versions_answer(session: Session) -> Exchange:
    """What `GET [base]/$versions` answers, whatever it is."""
    return await session.get("$versions", bearer="none")
