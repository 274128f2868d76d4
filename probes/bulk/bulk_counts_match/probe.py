"""Do the exported files hold as many records as the manifest says?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import UNREAD, ExportedFile, ExportManifest, export_manifest, unread_lines, untold_file


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
        if one.answer is not None and not may_match(one):
            message = "An exported file does not hold as many records as the manifest says."
            return absent(message, export.answer.cite(f"/output/{one.index}/count"), one.answer.cite("/lines"))
    if len(read) < len(counted):
        left = next(one for one in counted if one not in read)
        reason, message = untold_file(left, export.job) or ("no_data", "A file with a count could not be read.")
        return unknown(reason, message, export.answer.cite(f"/output/{left.index}"))
    large = next((one.answer for one in read if unread_lines(one) and one.answer is not None), None)
    if large is not None:
        return unknown(*UNREAD, large.cite("/unread_lines/0"))
    cited = [one.answer.cite("/lines") for one in read if one.answer is not None]
    return present("The exported files hold as many records as the manifest says.", *cited)


def may_match(one: ExportedFile) -> bool:
    """True if the file may hold as many records as counted: of a line that was not read nobody knows what it holds."""
    lines = one.answer.document.get("lines") if one.answer is not None else None
    return isinstance(lines, int) and one.count is not None and lines - unread_lines(one) <= one.count <= lines
