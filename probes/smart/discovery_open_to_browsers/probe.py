"""May an app that runs in a browser read the discovery documents?"""

from prober.api import (
    Exchange,
    Reason,
    Seen,
    Session,
    Trouble,
    Verdict,
    absent,
    either,
    not_applicable,
    observation,
    present,
    probe,
    unknown,
)
from prober.observations import (
    SmartConfiguration,
    closed,
    disguise_of,
    smart_configuration,
)

ORIGIN = "https://app.prober.example"
ALLOWED = "access-control-allow-origin"
HEADER = f"#{ALLOWED}"
DOCUMENTS = {"metadata": "application/fhir+json", ".well-known/smart-configuration": "application/json"}


@observation(
    asks=tuple(f"GET [base]/{document} with Origin {ORIGIN}" for document in DOCUMENTS),
    chain=1,
    permits=("active",),
)
async def answers_to_browsers(session: Session) -> dict[str, Exchange]:
    """What both discovery documents answer to a page of another origin."""
    headers = {"Origin": ORIGIN}
    return {
        document: await session.get(document, accept=accept, headers=headers, bearer="none")
        for document, accept in DOCUMENTS.items()
    }


@probe(answers_to_browsers, either(smart_configuration))
def judge(seen: Seen[dict[str, Exchange]], declared: Seen[SmartConfiguration | None] | Trouble) -> Verdict:
    smart = None if isinstance(declared, Trouble) else declared.value
    if smart is not None and smart.capabilities and not smart.declares("client-public"):
        message = "The server does not declare public clients, so no app runs in a browser alone."
        return not_applicable(message, smart.cite("/capabilities"))
    served = {name: one for name, one in seen.value.items() if one.status == 200 and disguise_of(one) is None}
    if not served:
        answer = seen.value["metadata"]
        reason: Reason = "protected" if closed(answer) else "no_data"
        return unknown(reason, "Neither discovery document is served, so there is nothing to open.", answer.cite())
    shut = {name: one for name, one in served.items() if one.header(ALLOWED) not in ("*", ORIGIN)}
    if shut:
        message = f"A page of another origin may not read {' and '.join(shut)}."
        proof = [one.cite(HEADER if one.header(ALLOWED) is not None else "") for one in shut.values()]
        return absent(message, *proof, values={"closed": list(shut)})
    proof = [one.cite(HEADER) for one in served.values()]
    return present("Apps in a browser may read the discovery documents.", *proof)
