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
    # A server without versions has nothing to put into an ETag, and FHIR lets it be.
    unversioned = tag is None and not version
    missing = ["ETag"] if tag is None and version else []
    missing += ["Last-Modified"] if header is None else []
    if missing:
        return absent(f"A read carries no {' and no '.join(missing)}.", answer.cite(), values={"missing": missing})
    if version and (tag or "").removeprefix("W/").strip('"') != version:
        return absent("The ETag of a read is not the version in its meta.", answer.cite("#etag"))
    if moment(header or "") is None:
        return absent("The Last-Modified of a read is no HTTP date.", answer.cite("#last-modified"))
    if changed and moment(header or "") != changed:
        return absent("The Last-Modified of a read is not the instant in its meta.", answer.cite("#last-modified"))
    if unversioned:
        message = "A read says since when the record stands, and the record carries no version."
        return present(message, answer.cite("#last-modified"))
    message = "A read gives the version of the record and since when it stands."
    return present(message, answer.cite("#etag"), answer.cite("#last-modified"))
