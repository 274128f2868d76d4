"""What stands where a JSON document should be: named for what it is, so that its owner knows what to look for."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Reason
from prober.redact.pages import asks_for_login, is_application
from prober.session.session import Session

LONGEST_NAME = 40
"""Characters of a stranger's name that a message may hold."""

_CONFORMANCE = re.compile(rb"<(?:\w+:)?(CapabilityStatement|Conformance)\b")


@dataclass(frozen=True)
class Disguise:
    """A word for machines, a noun phrase for people, and the reason why nothing behind it can be told."""

    kind: str
    words: str
    reason: Reason


def disguise_of(answer: Exchange) -> Disguise | None:
    """What this answer is if it is not a JSON object that can be read; None if it is one."""
    if isinstance(answer.document, dict):
        return None
    if answer.media == "html":
        return _page(answer)
    if answer.media == "xml":
        found = _CONFORMANCE.search(answer.content)
        words = f"a {found[1].decode()} in XML" if found else "XML"
        return Disguise("xml", words, "unparseable")
    if answer.media in ("json", "ndjson"):
        return _json(answer)
    if answer.media == "none" and not answer.content and answer.note is None:
        return Disguise("empty", "an empty body", "unparseable")
    return Disguise("text", "text that is not JSON", "masquerade")


def _page(answer: Exchange) -> Disguise:
    if asks_for_login(answer.content, answer.note):
        return Disguise("login_page", "a login page", "masquerade")
    if is_application(answer.content, answer.note):
        return Disguise("web_application", "the page of a web application", "masquerade")
    return Disguise("web_page", "a web page", "masquerade")


def _json(answer: Exchange) -> Disguise:
    if answer.parsed and answer.document is not None:
        return Disguise("not_an_object", "JSON that is not an object", "masquerade")
    if "nested too deeply" in (answer.note or "") or _reads_but_too_deep(answer.content):
        return Disguise("too_deep", "JSON that is nested too deeply to be read", "unparseable")
    return Disguise("broken_json", "broken JSON", "unparseable")


def _reads_but_too_deep(content: bytes) -> bool:
    try:
        return bool(json.loads(content))
    except RecursionError:
        return True
    except ValueError:
        return False


def refuse_disguise(session: Session, answer: Exchange, wanted: str) -> None:
    """End the observation if the answer under status 200 is no JSON object: there is nothing to read behind it."""
    disguise = disguise_of(answer)
    if disguise is not None:
        session.trouble(disguise.reason, f"Where {wanted} should be the server answers with {disguise.words}.")


def has_duplicate_keys(content: bytes) -> bool:
    """True if an object in this JSON text names a member twice. The text must be readable as JSON."""
    found = False

    def pairs(members: Sequence[tuple[str, JSON]]) -> None:
        nonlocal found
        found = found or len({name for name, _ in members}) < len(members)

    json.loads(content.decode("utf-8-sig"), object_pairs_hook=pairs)
    return found


def shortened(name: str) -> str:
    """A stranger's name, cut so that it fits into a sentence, and only what can be printed of it."""
    printable = "".join(one if one.isprintable() else "?" for one in name[: LONGEST_NAME + 1])
    return printable if len(printable) <= LONGEST_NAME else f"{printable[:LONGEST_NAME]}…"
