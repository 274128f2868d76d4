"""The words of a message: plain sentences, the most important first. Equal messages are equal bytes.

Titles and lines may hold what a server said, so everything is made visible before it is put into a line of its own.
"""

import hashlib
import re

from prober.export.text import clean
from prober.nouns.base import JSON, canonical
from prober.nouns.facts import Change, Side
from prober.nouns.incident import Incident, Message, Post
from prober.render.disclaimer import DISCLAIMER, claims
from prober.render.visible import shortened

ABOUT = "This is monitoring by prober."
"""Stands in every message, once."""
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PLAIN = re.compile(r"[!-~]{0,100}")
_LONGEST_SUBJECT = 160
_MOST_CHANGES = 20
"""Changes of an incident that are written out: the others are counted."""
_MOST_INCIDENTS = 50
_SHORT_LINE, _SHORT_INCIDENTS = 200, 5
"""Characters of a line, and incidents that are named, where a message has to be short."""
_NEUTRAL = {
    "opened": "something changed for the worse",
    "closed": "an incident was closed",
    "digest": "what changed",
    "gate": "a gate needs attention",
    "monitor": "a word about the monitoring itself",
}
"""What a subject says where the title would need the disclaimer, for which a subject has no room."""
_CLOSED = {
    "recovered": "it recovered",
    "accepted": "this counts as how things are now",
    "removed": "it is not looked at any more",
}


def is_private(message: Message) -> bool:
    """Whether only recipients with `private: true` may get it: it says so, or anything in it does."""
    return message.private or any(
        incident.private or any(change.private for change in incident.changes) for incident in message.incidents
    )


def plain_id(message: Message) -> str:
    """The message's id where it may stand in a header as it is, else 32 hex digits of its SHA-256."""
    if _PLAIN_ID.fullmatch(message.id):
        return message.id
    return hashlib.sha256(message.id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def render_text(message: Message) -> tuple[str, str]:
    """Subject and body as plain text. The body has lines of at most some 2000 characters and ends with a line feed."""
    blocks = [[clean(message.title)]]
    told = [clean(line) for line in message.lines]
    if told:
        blocks.append(told)
    said = "\n".join(blocks[0] + told)
    blocks += [_incident(one, said) for one in message.incidents[:_MOST_INCIDENTS]]
    left = len(message.incidents) - _MOST_INCIDENTS
    if left > 0:
        blocks.append([f"There {'is 1 more incident' if left == 1 else f'are {left} more incidents'}."])
    if is_private(message):
        blocks.append(["This message is private: it goes only to those whom the authorization names."])
    blocks.append([f"{ABOUT} Message {clean(message.id)}, {clean(message.time)}."])
    body = "\n\n".join("\n".join(block) for block in blocks) + "\n"
    if claims(body):
        body += f"\n{DISCLAIMER}\n"
    return _subject(message), body


def render_json(message: Message) -> bytes:
    """The message as canonical JSON with `schema` and `text`, by the published schema `message`, in UTF-8."""
    subject, body = render_text(message)
    post = Post(**dict(message), text="").model_dump(mode="json", by_alias=True)
    # Its lines were made harmless one by one, so it alone keeps line feeds.
    whole = {**_harmless(post), "text": f"{subject}\n\n{body}"}
    return (canonical(whole) + "\n").encode()


def in_short(message: Message) -> Message:
    """The same message for a place that takes no long one: what it is about, how much of it there was, where to read
    it."""
    told = [shortened(line, _SHORT_LINE) for line in message.lines[:1]]
    left = len(message.lines) - len(told)
    parts = [_number(left, "more line")] if left else []
    if message.incidents:
        listed = ", ".join(clean(one.id) for one in message.incidents[:_SHORT_INCIDENTS])
        parts.append(f"{_number(len(message.incidents), 'incident')} ({listed})")
    if parts:
        told.append(f"This place takes no long message. Left out here: {' and '.join(parts)}.")
    whole = f"`prober history {message.target}`" if message.target else "`prober history`"
    told.append(f"All of it is in the history: read it with {whole}.")
    title = shortened(message.title, _SHORT_LINE)
    return message.model_copy(
        update={"title": title, "lines": tuple(told), "incidents": (), "private": is_private(message)}
    )


def _number(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"


def _harmless(value: JSON) -> JSON:
    """The same value in which every string is one line without anything unseen; what is empty stays so."""
    match value:
        case str():
            # Most of them are names and instants, of which there may be thousands.
            return value if _PLAIN.fullmatch(value) else clean(value)
        case list():
            return [_harmless(one) for one in value]
        case dict():
            return {name: _harmless(one) for name, one in value.items()}
        case _:
            return value


def _subject(message: Message) -> str:
    title = _NEUTRAL[message.kind] if claims(message.title) else clean(message.title)
    words = f"{message.target}: {title}" if message.target else title
    return f"[prober] {shortened(clean(words), _LONGEST_SUBJECT)}"


def _incident(one: Incident, said: str) -> list[str]:
    """An incident and where it can be seen, without what the message has said already."""
    head = f"Incident {clean(one.id)} ({clean(one.target)}, {one.kind})"
    title = clean(one.title)
    lines = [f"{head}:" if title in said else f"{head}: {title}"]
    if not said.count("\n"):
        lines.append(f"  {_course(one)}")
    if one.waived_by is not None:
        lines.append(f"  Waived: {clean(one.waived_by)}.")
    for change in one.changes[:_MOST_CHANGES]:
        lines += _change(change, said)
    left = len(one.changes) - _MOST_CHANGES
    if left > 0:
        lines.append(f"  There {'is 1 more change' if left == 1 else f'are {left} more changes'}.")
    return lines if len(lines) > 1 else [lines[0].removesuffix(":")]


def _course(one: Incident) -> str:
    when = f"First seen {clean(one.began)}, confirmed {clean(one.opened)}"
    if one.closed is not None:
        why = f" because {_CLOSED[one.closed_because]}" if one.closed_because else ""
        when += f", closed {clean(one.closed)}{why}"
    return f"{when}."


def _change(one: Change, said: str) -> list[str]:
    what = clean(one.what)
    lines = [] if what in said else [f"  {what}"]
    return [*lines, f"  {clean(one.key)}: {_side(one.before)}, then {_side(one.after)}."]


def _side(side: Side) -> str:
    value = "not there" if side.value is None else shortened(clean(side.value), 200)
    exchange = f", exchange {clean(side.exchange)}" if side.exchange else ""
    return f"{value} (run {clean(side.run)}{exchange})"
