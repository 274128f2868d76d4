"""Did the export finish without files that could not be exported?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import ExportManifest, export_manifest


@probe(export_manifest)
def judge(seen: Seen[ExportManifest | None]) -> Verdict:
    export = seen.value
    if export is None:
        return not_applicable("The server declares no bulk export.")
    errors = export.json.get("error")
    if not isinstance(errors, list):
        return unknown("no_data", "The manifest has no list of errors.", export.answer.cite())
    if errors:
        return absent("The export finished, but its manifest lists errors or remarks.", export.answer.cite("/error"))
    return present("The export finished, and its manifest lists no errors.", export.answer.cite("/error"))
