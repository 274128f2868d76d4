"""Do CapabilityStatement and SMART configuration name the same authorization endpoints?"""

from prober.api import JSON, Seen, Verdict, absent, not_applicable, present, probe
from prober.observations import (
    CapabilityStatement,
    SmartConfiguration,
    capability_statement,
    smart_configuration,
)

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
MEMBERS = {
    "authorize": "authorization_endpoint",
    "token": "token_endpoint",
    "introspect": "introspection_endpoint",
    "manage": "management_endpoint",
    "register": "registration_endpoint",
    "revoke": "revocation_endpoint",
}


@probe(capability_statement, smart_configuration)
def judge(stated: Seen[CapabilityStatement], seen: Seen[SmartConfiguration | None]) -> Verdict:
    statement, smart = stated.value, seen.value
    given = oauth_uris(statement)
    if not given:
        return not_applicable("The CapabilityStatement names no authorization endpoints.", statement.cite_rest())
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    differing = [
        name
        for name, (_, url) in sorted(given.items())
        if url != smart.url(MEMBERS[name]) and (smart.url(MEMBERS[name]) or name in ("authorize", "token"))
    ]
    proof = [statement.cite_rest(given[name][0]) for name in differing or sorted(given)]
    proof += [smart.cite(f"/{MEMBERS[name]}") for name in differing or sorted(given) if MEMBERS[name] in smart.json]
    if differing:
        named: list[JSON] = list(differing)
        message = f"Statement and SMART configuration disagree about the address of {' and '.join(differing)}."
        return absent(message, *proof, values={"differing": named})
    return present("Statement and SMART configuration name the same authorization endpoints.", *proof)


def oauth_uris(statement: CapabilityStatement) -> dict[str, tuple[str, JSON]]:
    """JSON pointer (from the server part) and address of each known part of the oauth-uris extension."""
    found: dict[str, tuple[str, JSON]] = {}
    for at, extension in _objects(statement.security.get("extension")):
        if extension.get("url") == OAUTH_URIS:
            for place, part in _objects(extension.get("extension")):
                if part.get("url") in MEMBERS:
                    pointer = f"/security/extension/{at}/extension/{place}"
                    found[part["url"]] = (pointer, part.get("valueUri"))
    return found


def _objects(value: JSON) -> list[tuple[int, dict[str, JSON]]]:
    return [(at, one) for at, one in enumerate(value if isinstance(value, list) else []) if isinstance(one, dict)]
