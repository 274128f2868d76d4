"""Addresses of published pages, as the user names them under `doc_urls` of the provider file."""

from urllib.parse import urldefrag, urljoin, urlsplit

MOST_PAGES = 20
"""More pages than this are not looked at, and a provider file may not name more."""
LONGEST_ADDRESS = 2_000
"""Characters."""


def address_fault(url: str) -> str | None:
    """What is wrong with the address of a page, as a sentence with its remedy; None if nothing is.

    No sentence repeats the address: what is wrong with it may be that it holds a password.
    """
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > LONGEST_ADDRESS:
        return "this address is too long, or holds blanks or characters that a URL must percent-encode; correct it."
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        return "this is not the address of a page; write it whole, as https://www.example.org/interoperability."
    if "@" in parts.netloc:
        return (
            "this address holds a user name or password, and a published page needs none; remove what stands before @."
        )
    return None


def each_page(urls: tuple[str, ...]) -> tuple[str, ...]:
    """The pages that these addresses lead to, each once. What follows # is for browsers, and no server hears of it."""
    return tuple(dict.fromkeys(urldefrag(one).url for one in urls))


def home_of(url: str) -> str:
    """The folder that the page lies in: what the user wrote of the way there, without the page itself."""
    return urljoin(url, ".").rstrip("/")


def robots_of(url: str) -> str:
    """Where the site of this page says what programs may read (RFC 9309, section 2.3)."""
    return urljoin(url, "/robots.txt")
