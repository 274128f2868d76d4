"""Are exported files closed to somebody who shows no token?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import ExportManifest, cannot_tell, export_manifest


@probe(export_manifest)
def judge(seen: Seen[ExportManifest | None]) -> Verdict:
    export = seen.value
    if export is None:
        return not_applicable("The server declares no bulk export.")
    needed = export.answer.cite("/requiresAccessToken")
    if export.json.get("requiresAccessToken") is False:
        return not_applicable("The manifest says that the files need no token.", needed)
    answer = export.job.without_token
    if answer is None:
        message = "No file was listed that could be asked for without a token."
        return unknown("no_data", message, export.answer.cite("/output"))
    if answer.status in (401, 403, 404):
        return present(f"Without a token an exported file is refused (status {answer.status}).", needed, answer.cite())
    if hidden := cannot_tell(answer, with_token=False):
        return unknown(*hidden, answer.cite())
    if answer.status == 200 and isinstance(answer.document, dict) and answer.document.get("record"):
        message = "An exported file is given to anybody, though its manifest says that a token is required."
        return absent(message, needed, answer.cite("/record"))
    if answer.status == 200:
        message = "Without a token something comes in place of an exported file, but no record."
        return unknown("masquerade", message, answer.cite())
    return unknown("no_data", f"Without a token a file is answered with status {answer.status}.", answer.cite())
