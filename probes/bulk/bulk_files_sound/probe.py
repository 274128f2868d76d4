"""Are the exported files what they should be: one resource of the stated type on each line?"""

from prober.api import Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import UNREAD, ExportedFile, ExportManifest, export_manifest, unread_lines, untold_file

NDJSON = "application/fhir+ndjson"


@probe(export_manifest)
def judge(seen: Seen[ExportManifest | None]) -> Verdict:
    export = seen.value
    if export is None:
        return not_applicable("The server declares no bulk export.")
    files = export.job.files
    if not files:
        return unknown(
            "no_data", "The manifest lists no file, so there is none to read.", export.answer.cite("/output")
        )
    open_questions = [(one, why) for one in files if (why := untold_file(one, export.job)) is not None]
    for one in files:
        fault = None if untold_file(one, export.job) else fault_of(one)
        if fault is not None:
            place = one.answer.cite(fault[1]) if one.answer else export.answer.cite(f"/output/{one.index}")
            return absent(fault[0], place)
    unread = next((one.answer for one in files if unread_lines(one) and one.answer is not None), None)
    if not open_questions and unread is not None:
        return unknown(*UNREAD, unread.cite("/unread_lines/0"))
    if open_questions:
        one, why = open_questions[0]
        return unknown(*why, *([one.answer.cite()] if one.answer else []))
    cited = [one.answer.cite() for one in files if one.answer is not None]
    return present("Each line of the exported files is one resource of the stated type.", *cited)


def fault_of(one: ExportedFile) -> tuple[str, str] | None:
    """What is wrong with this file, and where it shows."""
    if one.answer is None:
        return "A listed file has no web address.", ""
    if one.answer.status != 200:
        return f"A listed file is not there (status {one.answer.status}).", ""
    if one.answer.content_type != NDJSON:
        return f"An exported file is not served as {NDJSON}.", "#content-type"
    kept = one.answer.document if isinstance(one.answer.document, dict) else {}
    if kept.get("bad"):
        return "A line of an exported file is not a FHIR resource in JSON.", "/bad_lines/0"
    if kept.get("of_other_type"):
        return "An exported file holds resources of another type than the manifest says.", "/types"
    return None
