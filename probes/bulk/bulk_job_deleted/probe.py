"""Can an export be deleted when its files have been fetched?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import BulkJob, bulk_job, cannot_tell

GONE = (404, 410)


@probe(bulk_job)
def judge(seen: Seen[BulkJob | None]) -> Verdict:
    job = seen.value
    if job is None:
        return not_applicable("The server declares no bulk export.")
    ended, after = job.ended, job.after
    if ended is None or after is None:
        return unknown("no_data", "No export was accepted, so there was none to delete.", job.kick_off.cite())
    values = {"status": ended.status, "complete": job.complete, "gone": after.status in GONE}
    if hidden := cannot_tell(ended, with_token=job.with_token):
        return unknown(*hidden, ended.cite(), values=values)
    if ended.status in GONE and job.complete:
        message = f"The export was complete and is not deleted on request but by the server (status {ended.status})."
        return present(message, ended.cite(), values=values)
    if ended.status not in (200, 202, 204):
        return absent(f"Deleting an export is refused (status {ended.status}).", ended.cite(), values=values)
    if hidden := cannot_tell(after, with_token=job.with_token):
        return unknown(*hidden, after.cite(), values=values)
    if after.status not in GONE and not 200 <= (after.status or 0) < 300:
        message = f"Whether the deleted export is gone cannot be told from status {after.status}."
        return unknown("no_data", message, ended.cite(), after.cite(), values=values)
    if after.status not in GONE:
        message = f"The deleted export still answers (status {after.status})."
        return absent(message, ended.cite(), after.cite(), values=values)
    return present("An export is deleted on request, and gone afterwards.", ended.cite(), after.cite(), values=values)
