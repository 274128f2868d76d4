"""How two runs of a target differ, in the words of FHIR: what went, what came, what is only written otherwise."""
