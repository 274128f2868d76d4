"""The messages as an Atom feed (RFC 4287): equal messages are equal bytes, and no private one is ever in it."""

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from prober.export.names import named
from prober.export.text import clean, first_moment
from prober.files import replace_file
from prober.monitor.tell.words import is_private, render_text
from prober.nouns.incident import Message

MOST_ENTRIES = 200
_EPOCH = "1970-01-01T00:00:00Z"


def feed(messages: Iterable[Message], *, title: str, self_url: str) -> str:
    """The feed of the last 200 messages that are not private, the newest first.

    `title` is the feed's name, `self_url` where it can be fetched; the feed's id follows from that, an entry's from
    that and the message's id (UUIDs of version 5), so that a reader knows again what it has seen, and takes no message
    of another monitor for it.
    """
    public: dict[str, Message] = {one.id: one for one in messages if not is_private(one)}
    newest = sorted(public.values(), key=lambda one: (first_moment(one.time, _EPOCH), one.id), reverse=True)
    shown = newest[:MOST_ENTRIES]
    updated = first_moment(shown[0].time if shown else None, _EPOCH)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"  <id>urn:uuid:{named('feed', self_url)}</id>",
        f"  <title>{escape(clean(title))}</title>",
        f"  <updated>{updated}</updated>",
        f'  <link rel="self" type="application/atom+xml" href={quoteattr(clean(self_url))}/>',
        "  <author><name>prober</name></author>",
        "  <generator>prober</generator>",
    ]
    for one in shown:
        lines += _entry(one, self_url)
    lines.append("</feed>")
    return "\n".join(lines) + "\n"


def write_feed(path: Path, messages: Iterable[Message], *, title: str, self_url: str) -> None:
    """Write the feed in one step. Raises OSError; the old file then stays."""
    replace_file(path, feed(messages, title=title, self_url=self_url).encode("utf-8"))


def _entry(one: Message, self_url: str) -> list[str]:
    subject, body = render_text(one)
    when = first_moment(one.time, _EPOCH)
    target = [f'    <category term={quoteattr(clean(one.target))} label="target"/>'] if one.target else []
    return [
        "  <entry>",
        f"    <id>urn:uuid:{named('message', self_url, one.id)}</id>",
        f"    <title>{escape(subject)}</title>",
        f"    <updated>{when}</updated>",
        f"    <published>{when}</published>",
        f'    <category term={quoteattr(one.kind)} label="kind"/>',
        *target,
        f'    <content type="text">{escape(body)}</content>',
        "  </entry>",
    ]
