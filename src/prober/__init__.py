"""prober asks a healthcare provider's FHIR endpoints whether they are interoperable, and keeps the evidence."""

__version__ = "0.1.0"
