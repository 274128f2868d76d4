"""Does the CapabilityStatement hold what every one of them must?"""

from prober.api import JSON, Seen, Verdict, absent, present, probe
from prober.observations import (
    CapabilityStatement,
    capability_statement,
)

JSON_FORMATS = ("json", "application/json", "application/fhir+json")


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    faults = faults_of(statement.json, has_server=statement.rest_index is not None)
    if not faults:
        return present("The CapabilityStatement holds everything that it must.", statement.cite())
    names: list[JSON] = sorted(faults)
    proof = [statement.cite(f"/{name}" if name in statement.json else "") for name in sorted(faults)]
    words = "; ".join(faults[name] for name in sorted(faults))
    return absent(f"The CapabilityStatement breaks its own rules: {words}.", *proof, values={"faults": names})


def faults_of(document: dict[str, JSON], *, has_server: bool) -> dict[str, str]:
    """For each element that is wrong, what is wrong with it."""
    formats = document.get("format")
    listed = (
        [one.partition(";")[0].strip() for one in formats if isinstance(one, str)] if isinstance(formats, list) else []
    )
    kind = document.get("kind")
    rules = {
        "kind": (kind == "instance", "kind is not instance"),
        "implementation": (
            kind != "instance" or isinstance(document.get("implementation"), dict),
            "an instance has no implementation",
        ),
        "status": (document.get("status") in ("draft", "active", "retired", "unknown"), "status is missing or no code"),
        "date": (isinstance(document.get("date"), str) and bool(document["date"].strip()), "date is missing"),
        "format": (any(one in JSON_FORMATS for one in listed), "format does not name JSON"),
        "rest": (has_server, "no rest part has the mode server"),
    }
    return {name: words for name, (right, words) in rules.items() if not right}
