"""Can the results of a search be walked page by page, each record once?"""

from dataclasses import dataclass

from prober.api import Exchange, Seen, Session, Verdict, absent, observation, present, probe, unknown
from prober.observations import known_patient, not_there, resolved, searchset, told

MOST_PAGES = 5
PAGE = 2
REFUSALS = (200, 400, 422)
"""Statuses under which something else than a searchset is a fault: a success, or a request that is called wrong."""


@dataclass(frozen=True)
class Pages:
    """The first pages of one search. `returned`: a next link led to a page that had been walked before."""

    answers: tuple[Exchange, ...]
    returned: bool


@observation(
    asks=("GET [base]/Patient?_count=2 or GET [base]/Observation?patient={id}&_count=2", "GET [next page]"),
    requests=MOST_PAGES,
    permits=("active", "patient_data"),
    family="patient",
    needs=(known_patient,),
)
async def searchset_pages(session: Session) -> Pages:
    """A search in pages of two: of all patients where they are synthetic, else of one test patient's observations."""
    patient = (await session.see(known_patient)).value
    if session.synthetic:
        first = await session.get("Patient?_count=2")
    else:
        first = await session.get("Observation?patient={id}&_count=2", id=patient.id)
    pages, followed = [told(session, first)], set[str]()
    while len(pages) < MOST_PAGES:
        bundle = searchset(pages[-1])
        link = resolved(session.base, bundle.link("next")) if bundle and bundle.link("next") else None
        if link is None or link in followed:
            return Pages(tuple(pages), returned=link is not None)
        followed.add(link)
        pages.append(told(session, await session.follow(link, of=pages[-1])))
    return Pages(tuple(pages), returned=False)


@probe(searchset_pages)
def judge(seen: Seen[Pages]) -> Verdict:
    if seen.value.returned:
        return absent("The next link leads to a page that was walked before.", seen.value.answers[-1].cite("/link"))
    walked: set[tuple[str, str]] = set()
    for page in seen.value.answers:
        bundle = searchset(page)
        if bundle is None and page.status not in REFUSALS and not not_there(page):
            return unknown("no_data", f"A page of a search was answered with status {page.status}.", page.cite())
        if bundle is None:
            return absent(f"A page of a search is no searchset (status {page.status}).", page.cite())
        if len(bundle.matches) > PAGE and page is seen.value.answers[0]:
            return absent("The first page holds more records than were asked for with _count.", page.cite("/entry"))
        again = [one for one in bundle.matches if (one.type, one.id) in walked]
        if again:
            message = "A record that stood on an earlier page comes again on a later one."
            return absent(message, page.cite(f"/entry/{again[0].index}"))
        walked.update((one.type, one.id) for one in bundle.matches)
    cited = [page.cite("/link") for page in seen.value.answers]
    if len(cited) == 1:
        return unknown("no_data", "All results stand on one page, so there was nothing to walk.", cited[0])
    return present("The results are walked page by page, each record once.", *cited)
