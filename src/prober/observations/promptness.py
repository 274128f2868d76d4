"""How soon a server answers, and how it asks for rest: a few looks at /metadata, each as it came."""

from prober.nouns.evidence import Exchange
from prober.session.observation import observation
from prober.session.session import Session

SAMPLES = ("first", "second", "third")


@observation(asks=("GET [base]/metadata",), requests=len(SAMPLES))
async def answer_samples(session: Session) -> tuple[Exchange, ...]:
    """Three looks at /metadata one after the other, without repeats, whatever came of them."""
    return tuple([await session.sample("metadata", label=label) for label in SAMPLES])
