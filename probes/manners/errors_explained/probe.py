"""Do refusals say what was wrong, in a form that a program can read?"""

from prober.api import Exchange, Seen, Verdict, absent, present, probe, unknown
from prober.observations import error_answers, explained, issue_members


@probe(error_answers)
def judge(seen: Seen[tuple[Exchange, ...]]) -> Verdict:
    answers = seen.value
    refusals = [one for one in answers if 400 <= (one.status or 0) < 500 or one.status == 501]
    hidden = [one for one in answers if one.status == 200 and issue_members(one, "severity") & {"error", "fatal"}]
    bare = [one for one in refusals if not explained(one)]
    values = {"refusals": len(refusals), "explained": len(refusals) - len(bare)}
    if hidden:
        message = "An error comes under status 200, where a program takes it for a success."
        return absent(message, *(one.cite("/issue") for one in hidden), values=values)
    if bare:
        message = f"{len(bare)} of {len(refusals)} refusals carry no OperationOutcome."
        return absent(message, *(one.cite() for one in bare), values=values)
    if not refusals:
        message = "The server refused nothing that it should have refused, so there is no refusal to read."
        return unknown("no_data", message, *(one.cite() for one in answers), values=values)
    message = "Each refusal carries an OperationOutcome."
    return present(message, *(one.cite("/issue") for one in refusals), values=values)
