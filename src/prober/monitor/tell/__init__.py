"""How messages reach people (webhook, mail, Apprise, feed), and how the monitor shows that it lives."""

from prober.monitor.tell.beat import heartbeat
from prober.monitor.tell.feed import feed, write_feed
from prober.monitor.tell.outcome import LIMITS, Limits, NotSent, Sent
from prober.monitor.tell.secrets import Secrets, from_environment
from prober.monitor.tell.send import check_recipients, send, wants
from prober.monitor.tell.words import is_private, render_json, render_text

__all__ = [
    "LIMITS",
    "Limits",
    "NotSent",
    "Secrets",
    "Sent",
    "check_recipients",
    "feed",
    "from_environment",
    "heartbeat",
    "is_private",
    "render_json",
    "render_text",
    "send",
    "wants",
    "write_feed",
]
