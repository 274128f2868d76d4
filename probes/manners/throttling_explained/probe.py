"""If the server asks for rest, does it say for how long?"""

from prober.api import Exchange, Seen, Verdict, absent, not_applicable, present, probe, retry_after_seconds, unknown
from prober.observations import answer_samples


@probe(answer_samples)
def judge(seen: Seen[tuple[Exchange, ...]]) -> Verdict:
    asked = [one for one in seen.value if one.status in (429, 503)]
    silent = [one for one in asked if retry_after_seconds(one) is None]
    failed = [one for one in seen.value if one.failure is not None]
    if silent:
        message = "The server asks for rest without saying in Retry-After for how long."
        if any(one.header("retry-after") for one in silent):
            message = "The server asks for rest, but its Retry-After is neither a number of seconds nor a date ahead."
        return absent(message, *(one.cite("#retry-after") for one in silent))
    if asked:
        message = "The server asks for rest and says in Retry-After for how long."
        return present(message, *(one.cite("#retry-after") for one in asked))
    if len(failed) == len(seen.value):
        why = failed[0].failure
        return unknown(why.reason if why else "unreachable", "No look at /metadata was answered.", failed[0].cite())
    return not_applicable("The server asked for no rest.", *(one.cite() for one in seen.value))
