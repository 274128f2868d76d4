"""The pages that the provider publishes, as whoever has no login sees them; and what became of each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prober.nouns.evidence import Exchange
from prober.nouns.finding import Citation, Reason
from prober.nouns.pages import MOST_PAGES, each_page, robots_of
from prober.observations.web_addresses import difference, is_https, on_loopback, resolved
from prober.session.observation import observation
from prober.session.session import Session
from prober.session.withheld import closed, passing

SMALLEST_PAGE = 2_048
"""Bytes: of less nobody can tell what it says, because a program in the browser may make the rest."""
MOST_TEXT_OF_A_LOGIN = 2_000
"""Bytes that a person reads: a page with more of them says something, though it also has a field for a password."""

GONE = frozenset({404, 410})
_SHARE = 4
_LOGIN_STEPS = frozenset({"login", "authorize"})
"""Steps of a path that mean a login. Only words that redaction keeps, so that evidence of any kind tells the same."""

Standing = Literal["open", "in_clear", "gone", "login", "elsewhere"]
Form = Literal["html", "json", "pdf", "other"]


@dataclass(frozen=True)
class PublishedPage:
    """A page that the provider file names: the last answer on the way to it, or why it was not asked for."""

    url: str
    answer: Exchange | None
    withheld: tuple[Reason, str] | None = None

    @property
    def why_unseen(self) -> tuple[Reason, str] | None:
        """Why nothing can be told of this page; None if something can."""
        return None if self._seen else self.withheld or _unseen(self.answer)

    @property
    def standing(self) -> Standing | None:
        """What became of the page; None if nothing can be told of it."""
        return standing_of(self.url, self.answer) if self.answer is not None and self.withheld is None else None

    @property
    def form(self) -> Form:
        """What the page says that it is."""
        return form_of(self.answer) if self.answer is not None else "other"

    @property
    def size(self) -> int:
        """Bytes of its beginning, as far as prober reads."""
        return _number(self.answer, "bytes")

    @property
    def leads_to(self) -> str:
        """The address of another host that its readers are sent to; empty if there is none."""
        return elsewhere(self.answer) if self.answer is not None else ""

    def cite(self) -> Citation:
        """What shows it. ValueError if the page was not asked for."""
        if self.answer is None:
            raise ValueError("This page was not asked for.")
        return self.answer.cite()

    @property
    def _seen(self) -> bool:
        return self.standing is not None


@observation(
    asks=("GET [doc_url]", "GET [its host]/robots.txt"),
    requests=2,
    of_each_page=True,
    share=_SHARE,
    chain=2,
)
async def published_pages(session: Session) -> tuple[PublishedPage, ...]:
    """The pages under `doc_urls` of the provider file, each asked for once and without a token."""
    pages = each_page(session.pages)[:MOST_PAGES]
    asked = _affordable(pages, session.budget // _SHARE)
    sites = list(dict.fromkeys(robots_of(one) for one in asked))
    told = await asyncio.gather(
        *(session.page(site, reducer="robots/1", label=f"robots-{at}") for at, site in enumerate(sites, start=1))
    )
    robots = dict(zip(sites, told, strict=True))

    async def look(at: int, url: str) -> PublishedPage:
        if url not in asked:
            return PublishedPage(url, None, ("untested_sample", "The budget of requests has no room for this page."))
        withheld = _kept_out(robots[robots_of(url)], session.pages, url)
        if withheld is not None and not (_in_clear(url) and withheld[0] == "address_refused"):
            return PublishedPage(url, None, withheld)
        return PublishedPage(url, await session.page(url, reducer="page/1", label=page_label(at)))

    return tuple(await asyncio.gather(*(look(at, url) for at, url in enumerate(pages, start=1))))


def page_label(number: int) -> str:
    """The label of the requests for the page in this place of the list."""
    return f"page-{number}"


def is_page_label(label: str) -> bool:
    """Whether this is the label of the requests for a page."""
    return label.startswith("page-")


def _affordable(pages: Sequence[str], most: int) -> tuple[str, ...]:
    """The first pages that so many requests are enough for, with one for each site."""
    found: list[str] = []
    sites: set[str] = set()
    for url in pages:
        sites.add(robots_of(url))
        if len(found) + 1 + len(sites) > most:
            break
        found.append(url)
    return tuple(found)


def _kept_out(robots: Exchange, pages: Sequence[str], url: str) -> tuple[Reason, str] | None:
    """Why the page may not be asked for. RFC 9309, section 2.3.1: no such file is leave, a silent site is none."""
    why = passing(robots)
    if why is not None:
        return why[0], f"What programs may read there could not be learned from robots.txt. {why[1]}"
    kept = robots.document if robots.status == 200 and isinstance(robots.document, dict) else {}
    refused = kept.get("refused")
    places = [at for at, one in enumerate(pages) if each_page((one,)) == (url,)]
    if isinstance(refused, list) and any(at in refused for at in places):
        return "protected", "The robots.txt of its site asks programs not to read this page."
    return None


def standing_of(url: str, answer: Exchange) -> Standing | None:
    """What became of the page at `url`, by the last answer on the way to it; None if that cannot be told."""
    why = passing(answer)
    if why is not None:
        # Nothing is sent in clear to another machine, and nothing needs to be: the address itself says it.
        return "in_clear" if _in_clear(url) and why[0] == "address_refused" else None
    if answer.status in GONE:
        return "gone"
    if answer.status == 401 or _asks_for_password(answer) or _leads_to_login(url, answer):
        return "login"
    if elsewhere(answer):
        return "elsewhere"
    if _in_clear(_redirect(answer)):
        return "in_clear"
    if answer.status != 200:
        return None
    return "in_clear" if _in_clear(answer.url) else "open"


def _in_clear(url: str) -> bool:
    """Whether this is an address of plain http on another machine; on this one nothing can listen in."""
    return bool(url) and not is_https(url) and not on_loopback(url)


def elsewhere(answer: Exchange) -> str:
    """The address on another host that this answer redirects to; empty if it does not."""
    target = _redirect(answer)
    return target if target and difference(answer.url, target) in ("host", "port") else ""


def form_of(answer: Exchange) -> Form:
    """What the answer says that it is, by its media type."""
    media = answer.content_type
    if media in ("text/html", "application/xhtml+xml"):
        return "html"
    if media == "application/json" or media.endswith("+json"):
        return "json"
    return "pdf" if media == "application/pdf" else "other"


def _redirect(answer: Exchange) -> str:
    location = answer.header("location")
    if answer.status not in (301, 302, 303, 307, 308) or not location:
        return ""
    return resolved(answer.url, location) or ""


def _asks_for_password(answer: Exchange) -> bool:
    kept = answer.document
    return isinstance(kept, dict) and kept.get("password") is True and _number(answer, "text") < MOST_TEXT_OF_A_LOGIN


def _leads_to_login(url: str, answer: Exchange) -> bool:
    """Whether a redirect leads, or has led, to an address that says in a step of its path that it is a login."""
    here = answer.url if ">" in answer.label else ""
    new = _steps(here) | _steps(_redirect(answer))
    return bool((new - _steps(url)) & _LOGIN_STEPS)


def _steps(url: str) -> frozenset[str]:
    return frozenset(url.partition("?")[0].partition("#")[0].lower().split("/"))


def _number(answer: Exchange | None, name: str) -> int:
    kept = answer.document if answer is not None else None
    found = kept.get(name) if isinstance(kept, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def _unseen(answer: Exchange | None) -> tuple[Reason, str]:
    if answer is None:
        return "not_recorded", "This page was not asked for."
    why = passing(answer)
    if why is not None:
        return why
    how = closed(answer)
    if how is not None:
        return "protected", f"The page is closed to prober ({how}), which may be a login or a guard against programs."
    return "no_data", f"Status {answer.status} neither shows a page nor says that there is none."
