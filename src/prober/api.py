"""Everything that a probe may import, and nothing else."""

from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange, Seen, Trouble
from prober.nouns.finding import Cell, Citation, Reason, Verdict
from prober.session.observation import Observation, observation
from prober.session.session import Session, retry_after_seconds
from prober.verdict import Probe, absent, either, not_applicable, present, probe, unknown
from prober.witness import r4b_problems

__all__ = [
    "JSON",
    "Cell",
    "Citation",
    "Exchange",
    "Observation",
    "Probe",
    "Reason",
    "Seen",
    "Session",
    "Trouble",
    "Verdict",
    "absent",
    "either",
    "not_applicable",
    "observation",
    "present",
    "probe",
    "r4b_problems",
    "retry_after_seconds",
    "unknown",
]
