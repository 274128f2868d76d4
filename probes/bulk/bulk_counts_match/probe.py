"""Do the exported files hold as many records as the manifest says?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import ExportManifest, export_manifest, untold_file


@probe(export_manifest)
def judge(seen: Seen[ExportManifest | None]) -> Verdict:
    export = seen.value
    if export is None:
        return not_applicable("The server declares no bulk export.")
    counted = [one for one in export.job.files if one.count is not None]
    if not counted:
        return not_applicable("The manifest gives no counts.", export.answer.cite("/output"))
    read = [one for one in counted if one.answer is not None and isinstance(one.answer.document, dict)]
    read = [one for one in read if one.answer is not None and one.answer.status == 200]
    read = [one for one in read if untold_file(one, export.job) is None]
    for one in read:
        if one.answer is not None and one.answer.document.get("lines") != one.count:
            message = "An exported file does not hold as many records as the manifest says."
            return absent(message, export.answer.cite(f"/output/{one.index}/count"), one.answer.cite("/lines"))
    if len(read) < len(counted):
        left = next(one for one in counted if one not in read)
        reason, message = untold_file(left, export.job) or ("no_data", "A file with a count could not be read.")
        return unknown(reason, message, export.answer.cite(f"/output/{left.index}"))
    cited = [one.answer.cite("/lines") for one in read if one.answer is not None]
    return present("The exported files hold as many records as the manifest says.", *cited)
