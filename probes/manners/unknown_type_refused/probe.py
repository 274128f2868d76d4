"""Does the server refuse a resource type that does not exist?"""

from prober.api import Exchange, Seen, Verdict, absent, present, probe, unknown
from prober.observations import explained, not_there, unknown_type_answer

REFUSALS = (400, 422)
"""Beside what says that there is no such thing: the statuses that call the request itself wrong."""


@probe(unknown_type_answer)
def judge(seen: Seen[Exchange]) -> Verdict:
    answer = seen.value
    status = answer.status or 0
    values = {"status": status, "explained": explained(answer)}
    if status in REFUSALS or not_there(answer):
        message = f"The server refuses a resource type that does not exist (status {status})."
        return present(message, answer.cite(), values=values)
    if 200 <= status < 300:
        what = "a web page" if answer.media == "html" else "a success"
        message = f"Asked for a resource type that does not exist, the server answers with {what} (status {status})."
        return absent(message, answer.cite(), values=values)
    message = f"The server neither answers nor refuses a resource type that does not exist (status {status})."
    return unknown("no_data", message, answer.cite(), values=values)
