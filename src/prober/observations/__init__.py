"""What can be seen: one file per thing. An observation moves here when a second probe needs it."""

from prober.observations.capability_statement import CapabilityStatement, capability_statement, metadata_answer
from prober.observations.smart_configuration import SmartConfiguration, smart_answer, smart_configuration

__all__ = [
    "CapabilityStatement",
    "SmartConfiguration",
    "capability_statement",
    "metadata_answer",
    "smart_answer",
    "smart_configuration",
]
