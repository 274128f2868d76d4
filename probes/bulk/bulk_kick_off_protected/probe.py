"""Does the server refuse to start an export for somebody who shows no token?"""

from dataclasses import dataclass

from prober.api import Exchange, Seen, Session, Verdict, absent, not_applicable, observation, present, probe, unknown
from prober.observations import export_scope, kick_off, status_address

UNDECIDED = (407, 451)
"""A gateway's door and a legal one: neither says what the server does with somebody who has no token."""


@dataclass(frozen=True)
class Start:
    """What the start of an export answered, and whether it named a job that can be followed and ended."""

    answer: Exchange
    named: bool


@observation(
    asks=("GET [base]/{level}/$export?_type=Patient (no token)", "DELETE [job]"),
    permits=("active", "patient_data", "jobs"),
    family="bulk",
    needs=(export_scope,),
)
async def export_without_token(session: Session) -> Start | None:
    """What the start of an export answers without a token; if one is started all the same, it is deleted at once."""
    scope = (await session.see(export_scope)).value
    if scope is None:
        return None
    answer = await kick_off(session, scope, bearer="none", label="without token")
    job = status_address(session, answer)
    if job is None:
        return Start(answer, named=False)
    ended = await session.end_job(job, label="without token")
    return Start(answer, named=ended.failure is None or ended.failure.reason != "address_refused")


@probe(export_without_token)
def judge(seen: Seen[Start | None]) -> Verdict:
    if seen.value is None:
        return not_applicable("The server declares no bulk export.")
    answer = seen.value.answer
    status = answer.status or 0
    values = {"status": status}
    if status in UNDECIDED:
        message = f"Without a token the door is closed before an export could be started (status {status})."
        return unknown("protected", message, answer.cite(), values=values)
    if 400 <= status < 500:
        message = f"Without a token the server refuses to start an export (status {status})."
        return present(message, answer.cite(), values=values)
    if seen.value.named:
        message = f"The server starts an export for anybody, without a token (status {status})."
        return absent(message, answer.cite("#content-location"), values=values)
    if status == 202 and answer.header("content-location") is not None:
        message = "Without a token the start of an export is accepted, but what it names is no address of an export."
        return unknown("address_refused", message, answer.cite("#content-location"), values=values)
    # Of a page that may not be kept only a note is there.
    if status == 200 and (answer.content or answer.note):
        message = "Without a token something else than the start of an export comes under status 200."
        return unknown("masquerade", message, answer.cite(), values=values)
    message = f"Without a token the start of an export is answered with status {status}, and no export is named."
    return unknown("no_data", message, answer.cite(), values=values)
