"""Does the server tell clients with a key pair how they may sign in?"""

from prober.api import JSON, Seen, Verdict, absent, not_applicable, present, probe
from prober.observations import (
    SmartConfiguration,
    smart_configuration,
)

METHODS = "token_endpoint_auth_methods_supported"
ALGORITHMS = "token_endpoint_auth_signing_alg_values_supported"


@probe(smart_configuration)
def judge(seen: Seen[SmartConfiguration | None]) -> Verdict:
    smart = seen.value
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    if not smart.declares("client-confidential-asymmetric"):
        message = "The server does not declare clients that sign in with a key pair."
        return not_applicable(message, smart.cite("/capabilities" if "capabilities" in smart.json else ""))
    fields = {
        METHODS: "private_key_jwt" in smart.texts(METHODS),
        ALGORITHMS: bool({"RS384", "ES384"} & smart.texts(ALGORITHMS)),
    }
    faults: list[JSON] = [name for name, right in fields.items() if not right]
    if not faults:
        return present(
            "The server says how clients with a key pair sign in.",
            smart.cite(f"/{METHODS}"),
            smart.cite(f"/{ALGORITHMS}"),
        )
    proof = [smart.cite(f"/{name}" if name in smart.json else "") for name in faults]
    words = {METHODS: "does not list private_key_jwt", ALGORITHMS: "lists neither RS384 nor ES384"}
    message = f"Clients with a key pair are declared, but {' and '.join(f'{name} {words[name]}' for name in faults)}."
    return absent(message, *proof, values={"faults": faults})
