"""One message to one recipient. Which messages are still to be sent is the outbox's business, not this one's."""

from collections.abc import Sequence

from prober.clock import Clock
from prober.mistake import Mistake
from prober.monitor.tell.mail import check_mail, send_mail
from prober.monitor.tell.other import check_apprise, send_apprise
from prober.monitor.tell.outcome import LIMITS, Limits, NotSent, Sent
from prober.monitor.tell.secrets import Secrets
from prober.monitor.tell.webhook import check_webhook, send_webhook
from prober.monitor.tell.words import is_private
from prober.nouns.incident import Message
from prober.nouns.monitor import MailServer, Recipient


def wants(recipient: Recipient, message: Message) -> bool:
    """Whether the recipient is to get this message: by its kind, its target, and whether it is private."""
    if is_private(message) and not recipient.private:
        return False
    if message.kind not in recipient.kinds:
        return False
    return not recipient.targets or message.target is None or message.target in recipient.targets


def check_recipients(recipients: Sequence[Recipient], mail: MailServer | None, secrets: Secrets) -> None:
    """Raise Mistake for the first recipient that could not be told anything: to be asked before the first look."""
    for one in recipients:
        if one.webhook is not None:
            check_webhook(one, secrets)
        elif one.mail is not None:
            check_mail(one, mail, secrets)
        else:
            check_apprise(one, secrets)


async def send(
    message: Message,
    recipient: Recipient,
    mail: MailServer | None,
    *,
    clock: Clock,
    secrets: Secrets,
    limits: Limits = LIMITS,
) -> Sent | NotSent:
    """Try once to tell the recipient. Nothing is raised for what the other side or the configuration does wrong.

    It takes no longer than `limits.deadline_seconds` and a moment, twice that where a webhook wants a short form. A
    private message is refused here for whoever may not be told, whatever the outbox thought.
    """
    if is_private(message) and not recipient.private:
        return NotSent(
            f"{recipient.name} may not be told what is private (`private: true` is missing), so nothing was sent.",
            again=False,
        )
    try:
        if recipient.webhook is not None:
            return await send_webhook(message, recipient, clock=clock, secrets=secrets, limits=limits)
        if recipient.mail is not None:
            return await send_mail(message, recipient, mail, secrets=secrets, limits=limits)
        return await send_apprise(message, recipient, secrets=secrets, limits=limits)
    except Mistake as mistake:
        return NotSent(str(mistake), again=False)
