"""What can be seen: one file per thing. An observation moves here when a second probe needs it."""

from prober.observations.answers import (
    Match,
    Searchset,
    cannot_tell,
    explained,
    issue_members,
    moment,
    refuted,
    searchset,
    shows_patients,
    told,
)
from prober.observations.bulk_export import (
    BulkJob,
    ExportedFile,
    ExportManifest,
    ExportScope,
    FinishedExport,
    bulk_job,
    declared_exports,
    export_manifest,
    export_scope,
    finished_export,
    kick_off,
    status_address,
    untold_file,
)
from prober.observations.capability_statement import (
    CapabilityStatement,
    capability_statement,
    items,
    metadata_answer,
    text,
)
from prober.observations.declared_interactions import TriedType, declared_interactions
from prober.observations.errors import error_answers, ghost_answer, strict_search_answer, unknown_type_answer
from prober.observations.patient import KnownPatient, known_patient, patient_read_answer, patient_search_answer
from prober.observations.promptness import answer_samples
from prober.observations.smart_configuration import SmartConfiguration, smart_answer, smart_configuration
from prober.observations.versions import versions_answer
from prober.observations.web_addresses import is_absolute, resolved

__all__ = [
    "BulkJob",
    "CapabilityStatement",
    "ExportManifest",
    "ExportScope",
    "ExportedFile",
    "FinishedExport",
    "KnownPatient",
    "Match",
    "Searchset",
    "SmartConfiguration",
    "TriedType",
    "answer_samples",
    "bulk_job",
    "cannot_tell",
    "capability_statement",
    "declared_exports",
    "declared_interactions",
    "error_answers",
    "explained",
    "export_manifest",
    "export_scope",
    "finished_export",
    "ghost_answer",
    "is_absolute",
    "issue_members",
    "items",
    "kick_off",
    "known_patient",
    "metadata_answer",
    "moment",
    "patient_read_answer",
    "patient_search_answer",
    "refuted",
    "resolved",
    "searchset",
    "shows_patients",
    "smart_answer",
    "smart_configuration",
    "status_address",
    "strict_search_answer",
    "text",
    "told",
    "unknown_type_answer",
    "untold_file",
    "versions_answer",
]
