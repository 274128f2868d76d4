"""Does a read say which version of the record it gave, and since when that version stands?"""

from prober.api import Exchange, Seen, Verdict, absent, present, probe, unknown
from prober.observations import moment, patient_read_answer, text


@probe(patient_read_answer)
def judge(seen: Seen[Exchange]) -> Verdict:
    answer = seen.value
    if answer.status != 200 or answer.resource_type != "Patient":
        return unknown("no_data", "The patient could not be read, so there are no headers to look at.", answer.cite())
    meta = answer.document.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    version, tag = text(meta.get("versionId")), answer.header("etag")
    changed, header = moment(text(meta.get("lastUpdated"))), answer.header("last-modified")
    if tag is None or header is None:
        missing = [name for name, value in (("ETag", tag), ("Last-Modified", header)) if value is None]
        return absent(f"A read carries no {' and no '.join(missing)}.", answer.cite(), values={"missing": missing})
    if version and tag.removeprefix("W/").strip('"') != version:
        return absent("The ETag of a read is not the version in its meta.", answer.cite("#etag"))
    if moment(header) is None:
        return absent("The Last-Modified of a read is no HTTP date.", answer.cite("#last-modified"))
    if changed and moment(header) != changed:
        return absent("The Last-Modified of a read is not the instant in its meta.", answer.cite("#last-modified"))
    message = "A read gives the version of the record and since when it stands."
    return present(message, answer.cite("#etag"), answer.cite("#last-modified"))
