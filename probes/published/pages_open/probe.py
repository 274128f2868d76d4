"""Can anybody read the pages that the provider publishes?"""

from urllib.parse import urlsplit

from prober.api import Citation, Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import SMALLEST_PAGE, PublishedPage, published_pages

_MOST_NAMED = 3
_FAULTS = {
    "gone": "is gone",
    "login": "asks for a login",
    "in_clear": "is served over plain http",
}


@probe(published_pages)
def judge(seen: Seen[tuple[PublishedPage, ...]]) -> Verdict:
    pages = seen.value
    if not pages:
        return not_applicable("No published pages were named under doc_urls of the provider file.")
    faulty = [one for one in pages if one.standing in _FAULTS]
    if faulty:
        told = "; ".join(f"the page {_named(one)} {_FAULTS[one.standing or '']}" for one in faulty[:_MOST_NAMED])
        more = f"; and so it is with {len(faulty) - _MOST_NAMED} more" if len(faulty) > _MOST_NAMED else ""
        values = {"pages": len(pages), "fault": faulty[0].standing, "faulty": len(faulty)}
        return absent(f"{told[0].upper()}{told[1:]}{more}.", *_cites(faulty), values=values)
    for one in pages:
        if one.why_unseen is not None:
            reason, why = one.why_unseen
            return unknown(reason, f"The page {_named(one)} could not be seen. {why}", *_cites([one]))
    for one in pages:
        doubt = _doubt(one)
        if doubt is not None:
            return unknown("no_data", f"The page {_named(one)} {doubt}.", one.cite())
    what = "The page that the provider publishes is" if len(pages) == 1 else "The pages that the provider publishes are"
    return present(f"{what} open to anybody.", *_cites(pages), values={"pages": len(pages)})


def _doubt(page: PublishedPage) -> str | None:
    if page.standing == "elsewhere":
        return "sends its readers to another host, which was not asked; name the address there under doc_urls"
    if page.form == "other":
        return "is neither HTML nor JSON nor PDF by its media type"
    if page.size <= SMALLEST_PAGE:
        return f"holds no more than {SMALLEST_PAGE} bytes, and what a program makes of it in a browser was not seen"
    return None


def _named(page: PublishedPage) -> str:
    """Where it lies, without the query that may follow."""
    parts = urlsplit(page.url)
    path = parts.path if len(parts.path) <= 80 else f"{parts.path[:80]}…"
    return f"{parts.netloc}{path}"


def _cites(pages: list[PublishedPage] | tuple[PublishedPage, ...]) -> list[Citation]:
    return [one.cite() for one in pages if one.answer is not None]
