"""Is the manifest of a finished export what the guide asks for?"""

import re
from collections.abc import Iterator

from prober.api import JSON, Seen, Verdict, absent, not_applicable, present, probe
from prober.observations import FinishedExport, finished_export, is_absolute, items, text

INSTANT = re.compile(
    r"[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
    r"(Z|[+-](0\d|1[0-4]):[0-5]\d)"
)


@probe(finished_export)
def judge(seen: Seen[FinishedExport | None]) -> Verdict:
    if seen.value is None:
        return not_applicable("The server declares no bulk export.")
    answer = seen.value.answer
    if not isinstance(answer.document, dict):
        return absent("The export is complete, but where its manifest should be is no JSON object.", answer.cite())
    if answer.content_type != "application/json":
        return absent("The manifest is not served as application/json.", answer.cite("#content-type"))
    faults = list(faults_of(answer.document))
    values = {"faults": [pointer for pointer, _ in faults]}
    if faults:
        cited = [answer.cite(pointer) for pointer, _ in faults]
        return absent(f"The manifest is not sound: {faults[0][1]}.", *cited, values=values)
    return present("The manifest of the export is sound.", answer.cite(), values=values)


def faults_of(manifest: dict[str, JSON]) -> Iterator[tuple[str, str]]:
    """Each member that breaks the guide: its place and what is wrong."""
    if not INSTANT.fullmatch(text(manifest.get("transactionTime"))):
        yield "/transactionTime", "transactionTime is not an instant"
    if not is_absolute(text(manifest.get("request"))):
        yield "/request", "request is not the URL of the kick-off"
    if not isinstance(manifest.get("requiresAccessToken"), bool):
        yield "/requiresAccessToken", "requiresAccessToken is not a boolean"
    for name in ("output", "error"):
        if not isinstance(manifest.get(name), list):
            yield f"/{name}", f"{name} is not a list"
        for index, entry in enumerate(items(manifest.get(name))):
            if not isinstance(entry, dict) or not text(entry.get("type")):
                yield f"/{name}/{index}/type", f"a file under {name} has no type"
            elif not is_absolute(text(entry.get("url"))):
                yield f"/{name}/{index}/url", f"a file under {name} has no absolute URL"
