"""A second witness for resources: does the reference Python model of FHIR R4B accept them? Loaded only when asked."""

from prober.nouns.base import JSON

MOST_PROBLEMS = 10
LONGEST_NAME = 40


def r4b_problems(document: JSON) -> tuple[str, ...]:
    """Where the model refuses this resource, as element paths (at most ten); empty if it accepts it.

    `fhir.resources` has no plain R4, and its default classes are R5, which refuse most R4 content: R4B is the nearest.
    It is one witness more, never the gate to reading, and its messages are not repeated: they may quote a patient.
    """
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    kind = document.get("resourceType") if isinstance(document, dict) else None
    if not isinstance(kind, str):
        return ("resourceType",)
    try:
        get_fhir_model_class(kind).model_validate(document)
    except ValidationError as error:
        places = [".".join(_name(part) for part in one["loc"]) for one in error.errors(include_url=False)]
        return tuple(dict.fromkeys([f"{kind}.{place}" if place else kind for place in places]))[:MOST_PROBLEMS]
    except Exception:
        # An unknown resourceType inside a Bundle, or deep nesting, raises whatever the library happens to raise.
        return (kind if kind.isascii() and kind.isalpha() and len(kind) <= LONGEST_NAME else "resourceType",)
    return ()


def _name(part: str | int) -> str:
    text = str(part)
    return text if text.isascii() and text.isalnum() and len(text) <= LONGEST_NAME else "(an unknown element)"
