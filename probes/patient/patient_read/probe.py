"""Can one patient's record be read by its id?"""

from prober.api import Exchange, Seen, Verdict, absent, present, probe, unknown
from prober.observations import KnownPatient, known_patient, not_there, patient_read_answer, refuted


@probe(known_patient, patient_read_answer)
def judge(known: Seen[KnownPatient], seen: Seen[Exchange]) -> Verdict:
    patient, answer = known.value, seen.value
    status = answer.status or 0
    if status in (404, 410) and not patient.listed:
        message = f"The configured test patient is not on this server (status {status})."
        return unknown("no_data", message, answer.cite())
    if refuted(answer) or (patient.listed and not_there(answer)):
        return absent(f"The server does not let a patient be read (status {status}).", answer.cite())
    if status != 200:
        return unknown("no_data", f"A read of the patient was answered with status {status}.", answer.cite())
    if answer.resource_type != "Patient":
        what = "an OperationOutcome" if answer.resource_type == "OperationOutcome" else "no Patient"
        return absent(f"A read of the patient gives {what} under status 200.", answer.cite())
    if answer.document.get("id") != patient.id:
        return absent("A read of one patient gives the record of another.", answer.cite("/id"))
    return present("The patient's record is read by its id.", answer.cite("/id"))
