"""Says which headers may stay, and which part of the value of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from prober.redact import documents
from prober.redact.documents import exact
from prober.redact.placeholders import HTTP_DATE, Seal
from prober.redact.texts import TextGate
from prober.redact.urls import HOST, Kept, UrlGate

Header = tuple[str, str]
DROPPED = "prober-dropped-headers"

LONGEST_PROGRESS = 100
"""X-Progress is shorter than this (Bulk Data Access 2.0.0, "Response - In-Progress Status")."""
INTEGER = re.compile(r"-?[0-9]{1,16}")
COUNT = re.compile(r"[0-9]{1,10}")
SMALL = re.compile(r"-?[0-9]{1,7}(?:\.[0-9]{1,3})?")
"""Fewer digits than a telephone number or an insurance number has."""
COUNTING = exact("max-age s-maxage stale-while-revalidate stale-if-error timeout max")
SEPARATORS = re.compile(r"([,;=\s\"]+)")
AUTH_SCHEMES = exact("bearer basic digest negotiate ntlm dpop hoba mutual oauth aws4-hmac-sha256")
COOKIES = exact(
    "jsessionid asp.net_sessionid phpsessid session sessionid sid awsalb awsalbcors awselb arraffinity "
    "arraffinitysamesite "
    "__cf_bm cf_clearance bigipserver incap_ses visid_incap csrftoken xsrf-token connect.sid laravel_session route"
)
COOKIE_ATTRIBUTES = exact("secure httponly samesite=lax samesite=strict samesite=none partitioned")
KEPT_WORDS = exact(
    """
    get head post put patch delete options trace connect true false null nosniff
    deny sameorigin close keep-alive upgrade
    chunked gzip deflate br zstd compress identity bytes none inline attachment no-cache no-store no-transform
    must-revalidate proxy-revalidate private public must-understand immutable max-age s-maxage stale-while-revalidate
    stale-if-error includesubdomains preload charset utf-8 iso-8859-1 us-ascii fhirversion 1.0 3.0 4.0 4.3 5.0
    q 0.9 0.8 0.7
    0.5 1 0 timeout max return=minimal return=representation return=operationoutcome return minimal representation
    operationoutcome handling strict lenient respond-async respond-sync no-referrer origin same-origin strict-origin
    strict-origin-when-cross-origin no-referrer-when-downgrade unsafe-url mode block en en-us de fr es * */*
    accept accept-encoding accept-language accept-charset authorization content-type content-length content-location
    content-encoding cookie set-cookie etag expires if-match if-none-match if-modified-since if-none-exist last-modified
    link location cache-control date host origin pragma prefer preference-applied range referer retry-after server te
    traceparent transfer-encoding user-agent vary www-authenticate x-correlation-id x-forwarded-for x-forwarded-host
    x-forwarded-proto x-forwarded-port x-progress x-request-id x-requested-with x-provenance x-total-count
    access-control-request-method access-control-request-headers accept-patch 2.0 h2 h3
    """
) | frozenset(mime.lower() for mime in documents.EXACT["mime"])
PUBLIC_CREDENTIALS = re.compile(
    r"(?i)(token|secret|cookie|session|api-?key|signature|credential|passw|authenticat|authoriz)"
)


class HeaderGate:
    """Gates headers by their exact names; a name that is on no list is dropped and counted."""

    def __init__(self, seal: Seal, kept: Kept, urls: UrlGate, texts: TextGate) -> None:
        self._seal = seal
        self._kept = kept
        self._urls = urls
        self._texts = texts
        both: dict[str, Callable[[str], str]] = {
            "cache-control": self._counted,
            "connection": self._words,
            "content-encoding": self._words,
            "content-length": self._length,
            "content-type": self._words,
            "date": self._moment,
            "pragma": self._words,
            "traceparent": seal.text,
            "tracestate": seal.text,
            "transfer-encoding": self._words,
            "x-correlation-id": seal.text,
            "x-request-id": seal.text,
            "authorization": self._authorization,
            "proxy-authorization": self._authorization,
        }
        self._request: dict[str, Callable[[str], str]] = {
            **both,
            "accept": self._words,
            "accept-encoding": self._words,
            "accept-language": self._words,
            "access-control-request-headers": self._words,
            "access-control-request-method": self._words,
            "cookie": self._cookie,
            "host": self._host,
            "if-match": self.etag,
            "if-modified-since": seal.http_date,
            "if-none-exist": lambda value: self._urls.query(value, ""),
            "if-none-match": self.etag,
            "if-unmodified-since": seal.http_date,
            "origin": self._origin,
            "prefer": self._words,
            "range": self._words,
            "referer": self._urls.url,
            "te": self._words,
            "user-agent": _whole,
            "x-request-id": _whole,
        }
        self._response: dict[str, Callable[[str], str]] = {
            **both,
            "accept-patch": self._words,
            "accept-post": self._words,
            "accept-ranges": self._words,
            "access-control-allow-credentials": self._words,
            "access-control-allow-headers": self._words,
            "access-control-allow-methods": self._words,
            "access-control-allow-origin": self._origin,
            "access-control-expose-headers": self._words,
            "access-control-max-age": self._integer,
            "age": self._integer,
            "allow": self._words,
            "alt-svc": seal.text,
            "cf-ray": seal.text,
            "content-disposition": self._words,
            "content-language": self._words,
            "content-location": self._urls.url,
            "content-security-policy": seal.text,
            "deprecation": seal.http_date,
            "etag": self.etag,
            "expires": self._expiry,
            "keep-alive": self._counted,
            "last-modified": seal.http_date,
            "link": self._link,
            "location": self._urls.url,
            "permissions-policy": seal.text,
            "preference-applied": self._words,
            "proxy-authenticate": self._challenge,
            "ratelimit-limit": self._integer,
            "ratelimit-remaining": self._integer,
            "ratelimit-reset": self._integer,
            "referrer-policy": self._words,
            "retry-after": self._moment,
            "server": texts.text,
            "set-cookie": self._set_cookie,
            "strict-transport-security": self._counted,
            "sunset": seal.http_date,
            "vary": self._words,
            "via": seal.text,
            "warning": texts.text,
            "www-authenticate": self._challenge,
            "x-amz-request-id": seal.text,
            "x-amzn-requestid": seal.text,
            "x-cache": texts.text,
            "x-content-type-options": self._words,
            "x-frame-options": self._words,
            "x-powered-by": texts.text,
            "x-progress": self._progress,
            "x-ratelimit-limit": self._integer,
            "x-ratelimit-remaining": self._integer,
            "x-ratelimit-reset": self._integer,
            "x-total-count": self._integer,
            "x-trace-id": seal.text,
            "x-xss-protection": self._words,
            DROPPED: self._integer,
        }

    def headers(self, headers: Sequence[Header], *, response: bool, whole: bool) -> tuple[Header, ...]:
        """The gated headers in their order, and last how many were dropped.

        With whole=True (public or synthetic) every header stays but those that carry a credential.
        """
        gates = self._response if response else self._request
        kept: list[Header] = []
        dropped = 0
        for name, value in headers:
            low = name.lower()
            if low == DROPPED:
                dropped += int(value) if re.fullmatch(r"[0-9]{1,9}", value) else 1
            elif whole:
                kept.append((name, self._whole(low, value)))
            elif low in gates:
                kept.append((name, value if value in self._kept.constants else gates[low](value)))
            else:
                dropped += 1
        if dropped:
            kept.append((DROPPED, str(dropped)))
        return tuple(kept)

    def _whole(self, name: str, value: str) -> str:
        if name in ("set-cookie", "cookie", "authorization", "proxy-authorization"):
            return (self._response | self._request)[name](value)
        if name.startswith("access-control-") or name in ("www-authenticate", "proxy-authenticate", "vary", "allow"):
            return value
        return self._seal.text(value) if PUBLIC_CREDENTIALS.search(name) else value

    def etag(self, value: str) -> str:
        """An entity tag: weakness and quotes stay, and what it holds becomes the id that meta.versionId becomes."""
        match = re.fullmatch(r'(W/)?"([^"]*)"', value, re.S)
        if value == "*" or not value:
            return value
        return f'{match[1] or ""}"{self._seal.id(match[2])}"' if match else self._seal.id(value)

    def _words(self, value: str) -> str:
        parts = SEPARATORS.split(value)
        return "".join(self._one(part) if at % 2 == 0 else part for at, part in enumerate(parts))

    def _one(self, part: str) -> str:
        if not part or part.lower() in KEPT_WORDS or part in self._kept.constants:
            return part
        return self._seal.text(part)

    def _counted(self, value: str) -> str:
        """Directives, some of which count seconds: a number stays only behind the name of such a one."""
        parts = SEPARATORS.split(value)
        shown = []
        for at, part in enumerate(parts):
            counts = at >= 2 and parts[at - 1] == "=" and parts[at - 2].strip().lower() in COUNTING
            shown.append(part if at % 2 or (counts and COUNT.fullmatch(part)) else self._one(part))
        return "".join(shown)

    def _integer(self, value: str) -> str:
        return value if SMALL.fullmatch(value.strip()) else self._seal.text(value)

    def _length(self, value: str) -> str:
        return value if COUNT.fullmatch(value.strip()) else self._seal.text(value)

    def _moment(self, value: str) -> str:
        plain = value.strip()
        return value if INTEGER.fullmatch(plain) or HTTP_DATE.fullmatch(plain) else self._seal.text(value)

    def _expiry(self, value: str) -> str:
        return value if value.strip() in ("0", "-1") else self._seal.http_date(value)

    def _host(self, value: str) -> str:
        return value if HOST.fullmatch(value) else self._seal.text(value)

    def _origin(self, value: str) -> str:
        return value if value in ("*", "null") else self._urls.url(value)

    def _authorization(self, value: str) -> str:
        scheme, space, rest = value.partition(" ")
        if not space or scheme.lower() not in AUTH_SCHEMES:
            return self._seal.text(value)
        return f"{scheme} {self._seal.text(rest)}"

    def _cookie(self, value: str) -> str:
        return "; ".join(self._cookie_name(pair.partition("=")[0].strip()) for pair in value.split(";") if pair.strip())

    def _cookie_name(self, name: str) -> str:
        return name if name.lower() in COOKIES else self._seal.text(name)

    def _set_cookie(self, value: str) -> str:
        first, *attributes = value.split(";")
        kept = [a.strip() for a in attributes if re.sub(r"\s", "", a).lower() in COOKIE_ATTRIBUTES]
        return "; ".join((self._cookie_name(first.partition("=")[0].strip()), *kept))

    def _challenge(self, value: str) -> str:
        """Schemes and the names of their parameters (RFC 9110, 11.6.1); values stay only where they are error codes."""
        return CHALLENGE_PART.sub(self._challenge_part, value)

    def _challenge_part(self, match: re.Match[str]) -> str:
        name, value = match["name"], match["value"]
        if name is None:
            word = match[0]
            return word if word.lower() in AUTH_SCHEMES or self._seal.made(word) else self._seal.text(word)
        shown = name if name.lower() in CHALLENGE_NAMES else self._seal.text(name)
        plain = value.strip('"')
        if name.lower() == "error" and plain in documents.EXACT["error"]:
            gated = plain
        elif name.lower() == "scope":
            gated = " ".join(self._urls.scope(scope) for scope in plain.split(" "))
        elif name.lower() in ("authorization_uri", "resource_metadata", "as_uri", "error_uri"):
            gated = self._urls.url(plain)
        elif name.lower() == "error_description":
            gated = self._texts.text(plain).replace('"', "'")
        else:
            gated = self._seal.text(plain)
        quote = '"' if value[:1] == '"' else ""
        return f"{shown}={quote}{gated}{quote}"

    def _progress(self, value: str) -> str:
        """Words that stay on their side of the length that Bulk Data allows, though placeholders have their own."""
        gated = self._texts.text(value)
        if (len(gated) < LONGEST_PROGRESS) == (len(value) < LONGEST_PROGRESS):
            return gated
        shown = self._seal.text(value)
        return shown if len(value) < LONGEST_PROGRESS else " ".join([shown] * (LONGEST_PROGRESS // len(shown)))

    def _link(self, value: str) -> str:
        """Links with their relation (RFC 8288); other parameters go."""
        links = []
        for match in LINK.finditer(value):
            relation = RELATION.search(match[2])
            known = relation is not None and relation[1] in documents.EXACT["relation"]
            links.append(f"<{self._urls.url(match[1])}>" + (f'; rel="{relation[1]}"' if relation and known else ""))
        return ", ".join(links) if links or not value else self._seal.text(value)


def _whole(value: str) -> str:
    return value


LINK = re.compile(r"<([^<>]*+)>([^<>]*+)")
RELATION = re.compile(r"\brel=\"?([A-Za-z0-9:/._-]{1,80})\"?")
CHALLENGE_NAMES = exact(
    "realm error error_description error_uri scope charset algorithm nonce opaque qop stale authorization_uri "
    "resource_metadata as_uri algs domain"
)
CHALLENGE_PART = re.compile(r'(?P<name>[A-Za-z0-9_-]{1,40})=(?P<value>"(?:[^"\\]++|\\.)*+"|[^\s,"]++)|[^\s,=]++', re.S)
