"""One request to an address of the user's own: a total deadline, no redirect, little of the answer read.

Its words never hold the address, which may be secret, nor anything that the other side wrote.
"""

import asyncio
import email.utils
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from urllib.parse import urlsplit

import httpx

from prober import __version__
from prober.clock import Clock
from prober.mistake import Mistake
from prober.monitor.tell.outcome import Limits
from prober.monitor.tell.quiet import quiet_web
from prober.monitor.tell.secrets import Secrets, value_of
from prober.permission import checked_proxy
from prober.session.addresses import is_loopback_as_written
from prober.session.tls import request_context


@dataclass(frozen=True)
class Answer:
    """What came back, as far as anybody needs it. `wait` is what Retry-After asked for, in seconds, capped."""

    status: int
    wait: int | None


@dataclass(frozen=True)
class NoAnswer:
    """Why nothing came back, as the end of a sentence."""

    why: str


def check_address(url: str, what: str) -> None:
    """Raise Mistake unless this is an https URL, or http to loopback. `what` names it in words that hold no secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        host, parts = "", None
    if parts is None or not host or parts.scheme not in ("https", "http"):
        raise Mistake(f"{what}: this is no web address; give one that begins with https://.")
    if parts.scheme == "http" and not is_loopback_as_written(host):
        raise Mistake(f"{what}: prober sends messages over https alone; give an address that begins with https://.")


def proxy_of(text: str | None, url: str, what: str, secrets: Secrets) -> str | None:
    """The proxy on the way to this address, or None. Raises Mistake for one that cannot be gone by.

    One with a password comes by reference, and nothing goes by a proxy that could read it.
    """
    if text is None:
        return None
    found = value_of(text, secrets)
    try:
        checked_proxy(found)
        httpx.Proxy(found)
    except (Mistake, ValueError, httpx.InvalidURL):
        # From here on the words of others would hold the address.
        raise Mistake(
            f"The proxy of {what}: this is not the URL of an http proxy; write it as http://proxy.example:3128."
        ) from None
    if found == text and "@" in urlsplit(text).netloc:
        raise Mistake(f"The proxy of {what}: its name and password belong into a variable; write `proxy: env:NAME`.")
    if urlsplit(url).scheme != "https":
        raise Mistake(f"The proxy of {what}: only https goes by a proxy, which could read anything else.")
    return found


async def ask(
    method: str,
    url: str,
    *,
    content: bytes | None,
    headers: Mapping[str, str],
    clock: Clock,
    limits: Limits,
    proxy: str | None = None,
) -> Answer | NoAnswer:
    """Send one request. Nothing is raised for what the other side, or the proxy, does or leaves undone."""
    sent = {"User-Agent": f"prober/{__version__}", "Accept-Encoding": "identity", "Accept": "*/*", **headers}
    status: int | None = None
    wait: int | None = None
    quiet_web()
    try:
        async with asyncio.timeout(limits.deadline_seconds):
            # Reading the authorities takes longer than a loop should stand still.
            trusted = await asyncio.to_thread(request_context, None, None)
            async with (
                httpx.AsyncClient(
                    verify=trusted,
                    proxy=proxy,
                    trust_env=False,
                    follow_redirects=False,
                    timeout=limits.deadline_seconds,
                ) as client,
                client.stream(method, url, content=content, headers=sent) as response,
            ):
                status = response.status_code
                wait = _wait(response.headers.get("retry-after"), clock, limits)
                await _drain(response, limits)
    except TimeoutError:
        failure = f"did not answer within {limits.deadline_seconds:g} seconds"
    except httpx.TimeoutException:
        failure = "did not answer in time"
    except httpx.ConnectError as error:
        way = "cannot be reached" if proxy is None else "cannot be reached, or its proxy cannot"
        failure = "shows a certificate that cannot be trusted" if _untrusted(error) else way
    except httpx.ProxyError:
        failure = "cannot be reached, because its proxy opens no way to it"
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError, OSError):
        failure = "broke off, or spoke no HTTP"
    # What comes after the status changes nothing: the other side has said whether it took the message.
    return Answer(status, wait) if status is not None else NoAnswer(failure)


async def _drain(response: httpx.Response, limits: Limits) -> None:
    read = 0
    async for part in response.aiter_raw():
        read += len(part)
        if read >= limits.answer_bytes:
            return


def _wait(header: str | None, clock: Clock, limits: Limits) -> int | None:
    """Seconds by RFC 9110, section 10.2.3: a number or a date. None if there is neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:12]), limits.wait_seconds)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0, round((until - clock.utc()).total_seconds())), limits.wait_seconds)


def _untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
