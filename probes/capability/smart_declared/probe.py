"""Does the CapabilityStatement say that SMART on FHIR protects the server?"""

from prober.api import JSON, Seen, Verdict, absent, present, probe
from prober.observations import (
    CapabilityStatement,
    capability_statement,
)

SYSTEM = "http://terminology.hl7.org/CodeSystem/restful-security-service"
CODE = "SMART-on-FHIR"


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    services = statement.security.get("service")
    codings = [
        (f"/security/service/{at}/coding/{place}", coding)
        for at, service in enumerate(services if isinstance(services, list) else [])
        for place, coding in enumerate(_codings(service))
        if isinstance(coding, dict) and coding.get("code") == CODE
    ]
    exact = [pointer for pointer, coding in codings if coding.get("system") == SYSTEM]
    if exact:
        return present("The statement declares SMART on FHIR as a security service.", statement.cite_rest(exact[0]))
    if codings:
        message = f"The statement names {CODE} under another code system than FHIR R4 binds."
        return absent(message, statement.cite_rest(f"{codings[0][0]}/system"))
    place = "/security" if statement.security else ""
    return absent("The statement does not declare SMART on FHIR as a security service.", statement.cite_rest(place))


def _codings(service: JSON) -> list[JSON]:
    codings = service.get("coding") if isinstance(service, dict) else None
    return codings if isinstance(codings, list) else []
