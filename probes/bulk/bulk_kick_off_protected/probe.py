"""Does the server refuse to start an export for somebody who shows no token?"""

from prober.api import Exchange, Seen, Session, Verdict, absent, not_applicable, observation, present, probe, unknown
from prober.observations import export_scope, kick_off, status_address


@observation(
    asks=("GET [base]/{level}/$export?_type=Patient (no token)", "DELETE [job]"),
    permits=("active", "patient_data", "jobs"),
    family="bulk",
    needs=(export_scope,),
)
async def export_without_token(session: Session) -> Exchange | None:
    """What the start of an export answers without a token; if one is started all the same, it is deleted at once."""
    scope = (await session.see(export_scope)).value
    if scope is None:
        return None
    answer = await kick_off(session, scope, bearer="none", label="without token")
    job = status_address(session, answer)
    if job is not None:
        await session.end_job(job, label="without token")
    return answer


@probe(export_without_token)
def judge(seen: Seen[Exchange | None]) -> Verdict:
    answer = seen.value
    if answer is None:
        return not_applicable("The server declares no bulk export.")
    status = answer.status or 0
    values = {"status": status}
    if 400 <= status < 500:
        message = f"Without a token the server refuses to start an export (status {status})."
        return present(message, answer.cite(), values=values)
    if 200 <= status < 300:
        message = f"The server starts an export for anybody, without a token (status {status})."
        return absent(message, answer.cite("#content-location"), values=values)
    message = f"Without a token the start of an export is answered with status {status}."
    return unknown("no_data", message, answer.cite(), values=values)
