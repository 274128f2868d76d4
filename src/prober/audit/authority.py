"""Asking a timestamp authority over HTTP, through the same careful wire as everything that prober sends.

Source: RFC 3161 section 3.4.
"""

import asyncio
from urllib.parse import urlsplit

from prober.audit.timestamp import LARGEST, Request, plain
from prober.mistake import Mistake
from prober.session.network import Answer, Limits, Network, NetworkFailure, WireRequest

LIMITS = Limits(connect_seconds=10, read_seconds=20, total_seconds=30, wire_bytes=LARGEST, decoded_bytes=LARGEST)
_ASKED, _ANSWERED = "application/timestamp-query", "application/timestamp-reply"


def ask(url: str, request: Request, ca_file: str | None) -> bytes:
    """The authority's response, whatever it says. One request; redirects are not followed.

    Raises Mistake if there is none: the network failed, or the answer is not a timestamp response by its own word.
    """
    return asyncio.run(_ask(url, request, ca_file))


async def _ask(url: str, request: Request, ca_file: str | None) -> bytes:
    from prober import __version__
    from prober.clock import SystemClock

    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if not host:
        raise Mistake(
            "--tsa: this is not the URL of a timestamp authority; give one that begins with https:// or http://."
        )
    try:
        network = Network(
            clock=SystemClock(),
            user_agent=f"prober/{__version__}",
            ca_file=ca_file,
            # The user named this host, so it may lie in their own network.
            named_hosts=[host],
            # Many authorities speak only in clear. Nothing secret is sent, a hash and a random number, and the answer
            # is a signature, which no connection has to vouch for.
            allow_http=True,
        )
    except (OSError, ValueError) as error:
        raise Mistake("--ca-file: this is not a file of PEM certificates.") from error
    headers = (("Content-Type", _ASKED), ("Accept", _ANSWERED))
    try:
        answer = await network.send(WireRequest("POST", url, headers, request.content), LIMITS)
    except NetworkFailure as failure:
        raise Mistake(f"The authority at {plain(host)} gave no timestamp: {failure.message}") from failure
    finally:
        await network.close()
    return _response(answer, plain(host))


def _response(answer: Answer, host: str) -> bytes:
    if 300 <= answer.status < 400:
        raise Mistake(
            f"The authority at {host} points elsewhere (status {answer.status}); name with --tsa the URL that it means."
        )
    if answer.status != 200:
        raise Mistake(f"The authority at {host} gave no timestamp: it answered with status {answer.status}.")
    kinds = [value for name, value in answer.headers if name.lower() == "content-type"]
    kind = kinds[0].partition(";")[0].strip().lower() if kinds else ""
    if kind != _ANSWERED:
        what = plain(kind)[:80] or "something without a type"
        raise Mistake(f"What answers at {host} is no timestamp authority: it sent {what}, not {_ANSWERED}.")
    return answer.body
