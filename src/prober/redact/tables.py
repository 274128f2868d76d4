"""The exact lists by which names, codes and URLs are kept, compiled from FHIR packages and read once, when needed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from prober.redact import documents


@dataclass(frozen=True)
class Tables:
    """What may stay. `types` maps a type to its elements and what each holds; `codes` are the required value sets."""

    types: Mapping[str, Mapping[str, str]]
    resources: frozenset[str]
    names: frozenset[str]
    codes: tuple[frozenset[str], ...]
    systems: Mapping[str, frozenset[str]]
    canonicals: frozenset[str]
    versions: frozenset[str]
    extension_parts: frozenset[str]
    operations: frozenset[str]
    operation_parameters: frozenset[str]
    search_parameters: Mapping[str, tuple[str, ...]]
    token_codes: Mapping[str, int]


@cache
def tables() -> Tables:
    """The packaged lists (FHIR R4 4.0.1 and the guides named in scripts/generate-redaction-tables)."""
    raw = json.loads(gzip.decompress(files("prober.redact").joinpath("tables.json.gz").read_bytes()))
    types: dict[str, dict[str, str]] = raw["types"]
    for path, what in documents.OVERRIDES.items():
        parent, _, name = path.rpartition(".")
        types[parent][name] = what
    types.update({name: dict(elements) for name, elements in documents.SHAPES.items()})
    return Tables(
        types=types,
        resources=frozenset(raw["resources"]),
        names=frozenset(name for parent, elements in types.items() if parent[0] != "#" for name in elements),
        codes=tuple(frozenset(codes) for codes in raw["codes"]),
        systems={url: frozenset(codes) for url, codes in raw["systems"].items()},
        canonicals=frozenset(raw["canonicals"]) | documents.CANONICALS,
        versions=frozenset(raw["versions"]) | documents.VERSIONS,
        extension_parts=frozenset(raw["extension_parts"]) | documents.EXTENSION_PARTS,
        operations=frozenset(f"${code}" for code in raw["operations"]) | documents.OPERATIONS,
        operation_parameters=frozenset(raw["operation_parameters"]) | documents.OPERATION_PARAMETERS,
        search_parameters={name: tuple(kinds) for name, kinds in raw["search_parameters"].items()},
        token_codes=raw["token_codes"],
    )
