"""Do the hosts of the declared authorization endpoints take connections?"""

from dataclasses import dataclass

from prober.api import (
    JSON,
    Exchange,
    Seen,
    Session,
    Trouble,
    Verdict,
    absent,
    not_applicable,
    observation,
    present,
    probe,
    unknown,
)
from prober.observations import (
    Hello,
    SmartConfiguration,
    metadata_answer,
    origin_of,
    resolved,
    smart_configuration,
)

MEMBERS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
TRIES = 2
DEAD = ("unreachable", "refused_by_server", "certificate_invalid")
ANSWERED = ("server_error", "rate_limited", "unavailable", "too_large", "unparseable")
"""Reasons that say: something is there and answered."""


@dataclass(frozen=True)
class Endpoints:
    """The declared endpoints by member, each with the tries to connect to its host. Equal hosts share their tries."""

    smart: SmartConfiguration | None
    base_answers: bool
    tries: dict[str, tuple[Exchange, ...]]


@observation(
    asks=tuple(f"CONNECT [{member}], at most {TRIES} times" for member in MEMBERS),
    requests=len(MEMBERS) * TRIES,
    permits=("active",),
    family="authorization",
    needs=(metadata_answer, smart_configuration),
)
async def endpoint_connections(session: Session) -> Endpoints:
    """Connections to the hosts of the authorization, token and key endpoints; nothing is requested there."""
    smart = (await session.see(smart_configuration)).value
    base = await session.try_see(metadata_answer)
    by_origin: dict[str, tuple[Exchange, ...]] = {}
    tries: dict[str, tuple[Exchange, ...]] = {}
    for member in MEMBERS:
        url = resolved(session.base, smart.url(member)) if smart is not None and smart.url(member) else None
        if url is not None:
            origin = origin_of(url)
            by_origin[origin] = by_origin.get(origin) or await _connect(session, origin)
            tries[member] = by_origin[origin]
    answers = not isinstance(base, Trouble) or base.reason in ANSWERED
    return Endpoints(smart, answers, tries)


async def _connect(session: Session, origin: str) -> tuple[Exchange, ...]:
    first = await session.connect(origin)
    if Hello("", first).outcome == "accepted":
        return (first,)
    await session.wait(1)
    return first, await session.connect(origin)


@probe(endpoint_connections)
def judge(seen: Seen[Endpoints]) -> Verdict:
    endpoints = seen.value
    if endpoints.smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    if not endpoints.tries:
        return not_applicable("The SMART configuration names no endpoints.", endpoints.smart.cite())
    hellos = {member: [Hello("", one) for one in tries] for member, tries in endpoints.tries.items()}
    dead = [member for member, tries in hellos.items() if all(one.outcome in DEAD for one in tries)]
    if dead and endpoints.base_answers:
        proof = [one.exchange.cite("/outcome") for member in dead for one in hellos[member]]
        listed: list[JSON] = list(dead)
        return absent(f"No connection can be made to {' and '.join(dead)}.", *proof, values={"dead": listed})
    undecided = [tries[-1] for tries in hellos.values() if tries[-1].outcome != "accepted"]
    if undecided:
        message = "A connection to one of the declared endpoints could not be judged."
        return unknown(undecided[0].undecided or "unreachable", message, undecided[0].exchange.cite())
    proof = [tries[-1].exchange.cite("/outcome") for tries in hellos.values()]
    return present("The hosts of the declared authorization endpoints take connections.", *dict.fromkeys(proof))
