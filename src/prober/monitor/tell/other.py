"""A message through Apprise, which speaks to some hundred services: the extra prober[alerts], loaded only here."""

import asyncio
import importlib.util
from typing import TYPE_CHECKING

from prober.mistake import Mistake
from prober.monitor.tell.outcome import Limits, NotSent, Sent
from prober.monitor.tell.quiet import quiet_apprise
from prober.monitor.tell.secrets import Secrets, value_of
from prober.monitor.tell.words import render_text
from prober.nouns.incident import Message
from prober.nouns.monitor import Recipient

if TYPE_CHECKING:
    from apprise import Apprise


def check_apprise(recipient: Recipient, secrets: Secrets) -> str:
    """The Apprise URL. Raises Mistake if the extra is missing, or the variable with the URL."""
    if importlib.util.find_spec("apprise") is None:
        raise Mistake(
            f"{recipient.name}: this recipient needs Apprise, which is not installed; "
            "it comes with the extra prober[alerts], or by `pip install apprise`."
        )
    return value_of(recipient.apprise or "", secrets)


async def send_apprise(message: Message, recipient: Recipient, *, secrets: Secrets, limits: Limits) -> Sent | NotSent:
    """Hand the message to Apprise. Raises Mistake where the recipient cannot be used as it is written down."""
    url = check_apprise(recipient, secrets)
    subject, body = render_text(message)
    service = await asyncio.to_thread(_service, url)
    if service is None:
        raise Mistake(f"{recipient.name}: Apprise does not know this kind of address; see its documentation.")
    try:
        async with asyncio.timeout(limits.deadline_seconds):
            taken = await service.async_notify(body=body, title=subject)
    except TimeoutError:
        return NotSent(
            f"Apprise did not finish for {recipient.name} within {limits.deadline_seconds:g} seconds.", again=True
        )
    except Exception as error:
        # Its text may hold the address; its kind is enough.
        return NotSent(f"Apprise failed for {recipient.name} ({type(error).__name__}).", again=True)
    return Sent() if taken else NotSent(f"The service of {recipient.name} did not take the message.", again=True)


def _service(url: str) -> "Apprise | None":
    quiet_apprise()
    import apprise

    # Its own escapes and formats would change the words.
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="prober", interpret_escapes=False))
    try:
        known = service.add(url)
    except Exception:
        return None
    return service if known else None
