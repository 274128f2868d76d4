"""How two runs of a target differ, in the words of FHIR: what went, what came, what is only written otherwise."""

from prober.diff.collect import facts_of
from prober.diff.comparing import compare
from prober.diff.families import FAMILIES, UNMAPPED, judgement_of, same_value
from prober.diff.wording import words

__all__ = ["FAMILIES", "UNMAPPED", "compare", "facts_of", "judgement_of", "same_value", "words"]
