"""A message as a POST of JSON to a web address."""

import hashlib
import hmac
from dataclasses import dataclass

from prober.clock import Clock
from prober.monitor.tell.outcome import Limits, NotSent, Sent
from prober.monitor.tell.secrets import Secrets, value_of
from prober.monitor.tell.web import NoAnswer, ask, check_address, proxy_of
from prober.monitor.tell.words import in_short, plain_id, render_json
from prober.nouns.incident import Message
from prober.nouns.monitor import Recipient

SIGNATURE = "Prober-Signature"
"""`sha256=` and the HMAC-SHA256 (RFC 2104) of the body under the recipient's secret, in hex."""
_MAY_PASS = frozenset({408, 425, 429})
"""Refusals that speak of this moment: too slow, too early, too many."""


@dataclass(frozen=True)
class TooLong:
    """The other side would take a shorter one (RFC 9110, section 15.5.14)."""


def check_webhook(recipient: Recipient, secrets: Secrets) -> tuple[str, str | None]:
    """Address, and proxy on the way. Raises Mistake where the recipient cannot be used as it is written down."""
    url = value_of(recipient.webhook or "", secrets)
    check_address(url, f"The webhook of {recipient.name}")
    if recipient.secret is not None:
        secrets(recipient.secret)
    return url, proxy_of(recipient.proxy, url, recipient.name, secrets)


def signature(body: bytes, secret: str) -> str:
    """The value of the signature header."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


async def send_webhook(
    message: Message, recipient: Recipient, *, clock: Clock, secrets: Secrets, limits: Limits
) -> Sent | NotSent:
    """POST the message, and where the other side finds it too long, a short form of it, once.

    Raises Mistake where the recipient cannot be used as it is written down.
    """
    url, proxy = check_webhook(recipient, secrets)
    who = f"The webhook of {recipient.name}"

    async def post(one: Message) -> Sent | NotSent | TooLong:
        body = render_json(one)
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": plain_id(one)}
        if recipient.secret is not None:
            headers[SIGNATURE] = signature(body, secrets(recipient.secret))
        answer = await ask("POST", url, content=body, headers=headers, clock=clock, limits=limits, proxy=proxy)
        if isinstance(answer, NoAnswer):
            return NotSent(f"{who} {answer.why}.", again=True)
        if 200 <= answer.status < 300:
            return Sent()
        if 300 <= answer.status < 400:
            return NotSent(
                f"{who} answered {answer.status} and leads elsewhere, which prober does not follow; give the new "
                "address.",
                again=False,
            )
        if answer.status == 413:
            return TooLong()
        again = answer.status >= 500 or answer.status in _MAY_PASS
        wait = answer.wait if answer.status in (429, 503) else None
        return NotSent(f"{who} answered {answer.status}.", again=again, after_seconds=wait)

    outcome = await post(message)
    if isinstance(outcome, TooLong):
        outcome = await post(in_short(message))
    if isinstance(outcome, TooLong):
        return NotSent(f"{who} answered 413, that the message is too long, also to a short form of it.", again=False)
    return outcome
