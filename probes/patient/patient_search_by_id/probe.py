"""Does a search for one patient by its id find exactly that patient?"""

from prober.api import Exchange, Seen, Verdict, absent, present, probe, unknown
from prober.observations import KnownPatient, known_patient, patient_search_answer, refuted, searchset


@probe(known_patient, patient_search_answer)
def judge(known: Seen[KnownPatient], seen: Seen[Exchange]) -> Verdict:
    patient, answer = known.value, seen.value
    bundle = searchset(answer)
    if bundle is None:
        status = answer.status or 0
        if status == 200:
            return absent("A search for the patient gives no searchset under status 200.", answer.cite())
        if refuted(answer) or status in (400, 422):
            return absent(f"The server does not search for a patient by id (status {status}).", answer.cite())
        return unknown("no_data", f"The search was answered with status {status}.", answer.cite())
    others = [one for one in bundle.matches if (one.type, one.id) != ("Patient", patient.id)]
    if others:
        message = "A search for one patient by its id returns other records."
        return absent(message, answer.cite(f"/entry/{others[0].index}"))
    if not bundle.matches and not patient.listed:
        return unknown("no_data", "The configured test patient is not found on this server.", answer.cite())
    if len(bundle.matches) != 1:
        times = "does not find it" if not bundle.matches else "finds it more than once"
        return absent(f"A search for a patient whom the server knows {times}.", answer.cite("/entry"))
    if not bundle.link("self"):
        return absent("The searchset has no self link that says what was searched for.", answer.cite("/link"))
    return present("A search by id finds exactly the patient.", answer.cite(f"/entry/{bundle.matches[0].index}"))
