"""Does the server begin its answer to a simple request within three seconds?"""

from prober.api import Exchange, Seen, Verdict, absent, present, probe, unknown
from prober.observations import answer_samples, cannot_tell, closed

AT_MOST = 3_000_000
"""Microseconds from the end of the request to the first byte of the answer; making the connection does not count."""


@probe(answer_samples)
def judge(seen: Seen[tuple[Exchange, ...]]) -> Verdict:
    samples = seen.value
    # A closed door is an answer too: how long the server took for it is what is asked here.
    answered = [one for one in samples if closed(one) or cannot_tell(one, with_token=False) is None]
    times = sorted(one.timings.first_byte for one in answered if one.timings.first_byte is not None)
    if len(times) < 2:
        reason, message = next(
            (hidden for one in samples if (hidden := cannot_tell(one, with_token=False))),
            ("no_data", "Too few answers came with a time."),
        )
        return unknown(reason, message, *(one.cite() for one in samples))
    cited = [one.cite() for one in answered]
    if times[len(times) // 2] > AT_MOST:
        return absent("The server takes more than three seconds to begin its answer to a simple request.", *cited)
    return present("The server begins its answer to a simple request within three seconds.", *cited)
