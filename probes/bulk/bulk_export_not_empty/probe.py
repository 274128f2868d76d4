"""Does the export hold any records?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import UNREAD, ExportManifest, export_manifest, unread_lines, untold_file


@probe(export_manifest)
def judge(seen: Seen[ExportManifest | None]) -> Verdict:
    export = seen.value
    if export is None:
        return not_applicable("The server declares no bulk export.")
    if not isinstance(export.json.get("output"), list):
        return unknown("no_data", "The manifest has no list of files.", export.answer.cite())
    told = [one for one in export.job.files if untold_file(one, export.job) is None]
    answers = [one.answer for one in told if one.answer is not None and one.answer.status == 200]
    kept = [one for one in answers if isinstance(one.document, dict)]
    full = [one for one in kept if one.document.get("types")]
    if full:
        return present("The export holds records.", *(one.cite("/types") for one in full))
    left = next((one for one in export.job.files if one.answer not in kept), None)
    if left is not None:
        reason, message = untold_file(left, export.job) or ("no_data", "A listed file could not be read.")
        return unknown(reason, message, export.answer.cite(f"/output/{left.index}"))
    large = next((one.answer for one in told if unread_lines(one) and one.answer is not None), None)
    if large is not None:
        return unknown(*UNREAD, large.cite("/unread_lines/0"))
    return absent("The export finished without a single record.", export.answer.cite("/output"))
