"""Does the server accept the start of a bulk export, and say where it can be followed?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import BulkJob, bulk_job, is_absolute, not_there


@probe(bulk_job)
def judge(seen: Seen[BulkJob | None]) -> Verdict:
    job = seen.value
    if job is None:
        return not_applicable("The server declares no bulk export.")
    answer, status = job.kick_off, job.kick_off.status or 0
    values = {"level": job.scope.level, "status": status}
    location = answer.header("content-location")
    if not_there(answer):
        message = f"The declared export ({job.scope.level}) is not there (status {status})."
        return absent(message, answer.cite(), values=values)
    if status in (400, 422):
        message = "The server refuses an export that is limited to patients, and it may: supporting _type is optional."
        return unknown("no_data", message, answer.cite(), values=values)
    if not 200 <= status < 300:
        message = f"The start of an export is answered with status {status}, which neither accepts nor refuses it."
        return unknown("no_data", message, answer.cite(), values=values)
    if status != 202:
        message = f"The start of an export is answered with status {status} instead of 202."
        return absent(message, answer.cite(), values=values)
    if location is None:
        return absent("An accepted export has no Content-Location to follow it by.", answer.cite(), values=values)
    if not is_absolute(location):
        message = "The Content-Location of an accepted export is not an absolute URL."
        return absent(message, answer.cite("#content-location"), values=values)
    message = f"The server accepts an export ({job.scope.level}) and says where it can be followed."
    return present(message, answer.cite("#content-location"), values=values)
