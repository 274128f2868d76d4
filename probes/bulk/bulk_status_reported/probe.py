"""Does the server report how an export is doing, until it is done?"""

from prober.api import Exchange, Seen, Verdict, absent, not_applicable, present, probe, retry_after_seconds, unknown
from prober.observations import BulkJob, bulk_job, cannot_tell, still_running

LONGEST_PROGRESS = 100
"""X-Progress is shorter than this."""


@probe(bulk_job)
def judge(seen: Seen[BulkJob | None]) -> Verdict:
    job = seen.value
    if job is None:
        return not_applicable("The server declares no bulk export.")
    if not job.polls:
        return unknown("no_data", "No export was accepted, so there is no status to ask for.", job.kick_off.cite())
    last = job.polls[-1]
    for poll in job.polls:
        if fault := fault_of(poll):
            return absent(fault[0], poll.cite(fault[1]))
    if last.status == 202 or (still_running(last) and last.status not in (429, 503)):
        message = "The export was still in progress when prober stopped waiting."
        return unknown("job_unfinished", message, last.cite())
    if hidden := cannot_tell(last, with_token=job.with_token):
        return unknown(*hidden, last.cite())
    if last.status != 200:
        message = f"The status address of an accepted export answers {last.status}."
        return absent(message, last.cite())
    return present("The server reports how the export is doing, until it is done.", last.cite())


def fault_of(poll: Exchange) -> tuple[str, str] | None:
    """What is wrong with an answer of an export in progress, and the header that shows it."""
    if poll.status not in (202, 429, 503):
        return None
    if poll.header("retry-after") is not None and retry_after_seconds(poll) is None:
        return "The Retry-After of a status answer is neither a number of seconds nor a date ahead.", "#retry-after"
    if len(poll.header("x-progress") or "") >= LONGEST_PROGRESS:
        return "The X-Progress of a status answer is not shorter than 100 characters.", "#x-progress"
    return None
