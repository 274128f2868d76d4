"""What a bundle says of itself, read only after its form, hashes and signature were found right."""

import hashlib
from pathlib import Path

from prober.audit.verify import Opened
from prober.nouns.bundle import BundleFacts

_BLOCK = 2**20


def bundle_facts(path: Path) -> tuple[BundleFacts, str]:
    """The facts of a bundle, whoever signed it, and the SHA-256 of its file. Raises Mistake and Refused."""
    with Opened(path, lambda _: None) as opened:
        facts = opened.facts
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return facts, digest.hexdigest()
