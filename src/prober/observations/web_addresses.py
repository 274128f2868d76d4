"""Reads the URLs that strangers write, without ever failing: where they lead, and whether two lead to one place."""

import ipaddress
from urllib.parse import SplitResult, urljoin, urlsplit

from prober.nouns.evidence import Exchange
from prober.session.addresses import is_loopback_as_written

_PORTS = {"http": 80, "https": 443}
_INTERNAL_ENDINGS = (".internal", ".local", ".localdomain", ".lan", ".corp", ".intranet", ".private", ".home.arpa")


def resolved(base: str, url: str) -> str | None:
    """The absolute http or https URL that `url` means on the page of `base`, or None if it means none.

    SMART App Launch 2.2.0, conformance.html, has clients read a relative URL against the FHIR base.
    """
    try:
        absolute = urljoin(f"{base}/", url.strip())
    except ValueError:
        return None
    return absolute if is_absolute(absolute) else None


def is_absolute(url: str) -> bool:
    """True for an http or https URL with a host, without user name and password."""
    parts = _parts(url)
    return parts is not None and parts.scheme in _PORTS and bool(parts.hostname) and "@" not in parts.netloc


def is_https(url: str) -> bool:
    """True for an absolute https URL."""
    return is_absolute(url) and url.lower().startswith("https:")


def host_of(url: str) -> str:
    """The host in lower case; empty if there is none."""
    parts = _parts(url)
    return (parts.hostname or "") if parts is not None else ""


def on_loopback(url: str) -> bool:
    """True if the host, as written, is `localhost` or a loopback address."""
    return is_loopback_as_written(host_of(url))


def is_internal(url: str) -> bool:
    """True if the host can mean nothing to the outside: a private address, a name without a dot, an internal domain."""
    host = host_of(url)
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_INTERNAL_ENDINGS)


def origin_of(url: str) -> str:
    """Scheme, host and port without anything that could name somebody; empty if the URL is not absolute."""
    parts = _parts(url)
    if parts is None or not is_absolute(url):
        return ""
    return f"{parts.scheme}://{parts.netloc.lower()}"


def difference(url: str, other: str) -> str | None:
    """What two URLs differ in ("scheme", "host", "port", "path"), or None if they mean the same place."""
    one, two = _parts(url), _parts(other)
    if one is None or two is None:
        return "path"
    if (one.hostname or "") != (two.hostname or ""):
        return "host"
    if one.scheme != two.scheme:
        return "scheme"
    if _port(one) != _port(two):
        return "port"
    return None if (one.path.rstrip("/"), one.query) == (two.path.rstrip("/"), two.query) else "path"


def in_clear(url: str) -> str:
    """The same address over plain http: port 80, or the port that the URL itself names."""
    parts = _parts(url)
    return f"http://{parts.netloc}{parts.path}" if parts is not None else ""


def leads_away(answer: Exchange) -> bool:
    """True for a redirect to another host or port, or back from https to http."""
    location = answer.header("location") or ""
    target = resolved(answer.url, location)
    if target is None:
        return False
    found = difference(answer.url, target)
    return found in ("host", "port") or (found == "scheme" and not is_https(target))


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError:
        return None
    return parts
