"""Does the server list the FHIR versions that it speaks?"""

from prober.api import JSON, Exchange, Seen, Verdict, absent, present, probe, unknown
from prober.observations import (
    closed,
    disguise_of,
    not_there,
    versions_answer,
)


@probe(versions_answer)
def judge(seen: Seen[Exchange]) -> Verdict:
    answer = seen.value
    if closed(answer):
        return unknown("protected", "The server asks for a login before it lists its FHIR versions.", answer.cite())
    if not_there(answer):
        return absent(f"The server does not offer $versions (status {answer.status}).", answer.cite())
    if answer.status != 200:
        message = f"Status {answer.status} neither lists FHIR versions nor says that $versions is not offered."
        return unknown("no_data", message, answer.cite())
    disguise = disguise_of(answer)
    if disguise is not None:
        return absent(f"Asked for its FHIR versions, the server answers with {disguise.words}.", answer.cite())
    versions = listed_versions(answer.document)
    if not versions:
        return absent("The answer to $versions lists no FHIR version.", answer.cite())
    shown = [one for one in versions if len(one) <= 10]
    return present("The server lists the FHIR versions that it speaks.", answer.cite(), values={"versions": shown})


def listed_versions(document: dict[str, JSON]) -> tuple[str, ...]:
    """The versions in a Parameters resource or in the plain JSON form, sorted, each once."""
    plain = document.get("versions")
    parameters = document.get("parameter") if document.get("resourceType") == "Parameters" else None
    named = [
        one.get("valueCode") or one.get("valueString")
        for one in (parameters if isinstance(parameters, list) else [])
        if isinstance(one, dict) and one.get("name") == "version"
    ]
    listed = [*(plain if isinstance(plain, list) else []), *named]
    return tuple(sorted({one for one in listed if isinstance(one, str) and one}))
