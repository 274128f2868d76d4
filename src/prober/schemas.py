"""The published JSON Schemas, generated from the nouns: what a file of prober may hold."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from prober.nouns.attestation import Attestation, AttestationFile
from prober.nouns.bundle import BundleFacts, Disclosure, Statement, WaiverFile
from prober.nouns.facts import Delta, Facts
from prober.nouns.finding import Finding
from prober.nouns.hindsight import Hindsight, Trend
from prober.nouns.history import HistoryLine
from prober.nouns.incident import Post
from prober.nouns.ledger import LedgerExtract, LedgerLine
from prober.nouns.model import Model
from prober.nouns.monitor import Monitor
from prober.nouns.polls import PollDay
from prober.nouns.provider import Authorization, Provider
from prober.nouns.run import Run
from prober.nouns.scorecard import Scorecard
from prober.nouns.sheet import Sheet


def schemas() -> Mapping[str, str]:
    """File name -> JSON Schema (2020-12), as committed in `schemas/`."""
    nouns: dict[str, TypeAdapter[Any]] = {
        "provider": TypeAdapter(Provider),
        "authorization": TypeAdapter(Authorization),
        "attestations": TypeAdapter(AttestationFile),
        "attestation": TypeAdapter(Attestation),
        "history": TypeAdapter(HistoryLine),
        "polls": TypeAdapter(PollDay),
        "finding": TypeAdapter(Finding),
        "scorecard": TypeAdapter(Scorecard),
        "model": TypeAdapter(Model),
        "probe-sheet": TypeAdapter(Sheet),
        "run": TypeAdapter(Run),
        "bundle": TypeAdapter(BundleFacts),
        "statement": TypeAdapter(Statement),
        "ledger-line": TypeAdapter(LedgerLine),
        "ledger-extract": TypeAdapter(LedgerExtract),
        "disclosure": TypeAdapter(Disclosure),
        "waivers": TypeAdapter(WaiverFile),
        "message": TypeAdapter(Post),
        "facts": TypeAdapter(Facts),
        "diff": TypeAdapter(Delta),
        "hindsight": TypeAdapter(Hindsight),
        "trend": TypeAdapter(Trend),
        "monitor": TypeAdapter(Monitor),
    }
    return {f"{name}.schema.json": _text(name, adapter) for name, adapter in nouns.items()}


def _text(name: str, adapter: TypeAdapter[Any]) -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:prober:schema:{name}:1",
        **adapter.json_schema(by_alias=True),
    }
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """`python -m prober.schemas DIR` writes the schemas into that folder."""
    import sys
    from pathlib import Path

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
