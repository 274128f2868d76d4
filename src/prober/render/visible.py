"""Text of strangers made harmless to look at: nothing in it is invisible, turns the line around, or is endless."""

import json
import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]"
)
_BREAKS = re.compile(r"[\t\n]")
MOST_CHARACTERS = 2000


def visible(text: str) -> str:
    """The text on one line, with control, bidirectional and other unseen characters replaced by visible names."""
    return _BREAKS.sub(_name, visible_lines(text))


def visible_lines(text: str) -> str:
    """The same for text of several lines: line feeds and tabs stay."""
    return _UNSEEN.sub(_name, text.replace("\r\n", "\n"))


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """At most so many characters, and how many were left out."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"


def visible_json(text: str) -> str:
    """JSON that says the same, with its unseen characters written as escapes."""
    return _UNSEEN.sub(lambda hit: json.dumps(hit.group())[1:-1], text)


def excerpt(content: bytes, most: int) -> str:
    """The beginning of a body, at most so many bytes of it, as visible text of several lines."""
    return visible_lines(content[:most].decode("utf-8", errors="replace"))


def _name(hit: re.Match[str]) -> str:
    point = ord(hit.group())
    if point < 0x20:
        return chr(0x2400 + point)
    return "\u2421" if point == 0x7F else f"[U+{point:04X}]"
