"""Does the reference Python model of FHIR accept the CapabilityStatement?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, r4b_problems
from prober.observations import (
    CapabilityStatement,
    capability_statement,
)


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    if not statement.fhir_version.startswith(("4.0", "4.3")):
        return not_applicable("The statement is not one of FHIR R4 or R4B.", statement.cite("/fhirVersion"))
    problems = r4b_problems(statement.json)
    if problems:
        places = ", ".join(problems[:3])
        return absent(
            f"The model refuses the CapabilityStatement at {places}.",
            *(statement.cite(_pointer(problem)) for problem in problems[:3]),
            values={"problems": list(problems)},
        )
    return present("The model accepts the CapabilityStatement.", statement.cite())


def _pointer(problem: str) -> str:
    """``CapabilityStatement.rest.0.mode`` as a JSON pointer, as far as its names are known."""
    known = problem.partition("(")[0].strip(".").split(".")[1:]
    return "".join(f"/{part}" for part in known)
