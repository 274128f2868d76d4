"""Text and bytes for files of other people's formats: harmless strings, instants, decimal seconds, stable JSON."""

import json
import re
from datetime import UTC, datetime, timedelta

from prober.clock import instant
from prober.nouns.base import JSON
from prober.render.disclaimer import DISCLAIMER, claims, disclaimed
from prober.render.visible import shortened, visible

_OUTSIDE_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """One line of text that no format can choke on, at most 2000 characters of it.

    Control characters, lone surrogates and what turns a line around become visible names, so what is left are
    characters that XML 1.0 (fifth edition, section 2.2) and UTF-8 allow. Markup is not escaped: each format does that.
    """
    return shortened(_OUTSIDE_XML.sub("\ufffd", visible(text))).strip() or "-"


def said(text: str) -> str:
    """The same for a sentence that is shown by itself: it carries the disclaimer if its words need it."""
    line = clean(text)
    return f"{line} {DISCLAIMER}" if claims(line) and not disclaimed(line) else line


def as_json(value: JSON) -> bytes:
    """JSON with sorted members, one to a line, in UTF-8 (RFC 8259). Half a surrogate pair becomes a question mark."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", "replace")


def moment(text: str | None) -> datetime | None:
    """The instant that a text names (RFC 3339, or a date, which means its first moment); None if it names none."""
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def first_moment(*texts: str | None) -> str:
    """The first of these texts that names an instant, written in the one form in which prober writes times.

    Raises ValueError if none does: an export never asks a clock for a time that the evidence lacks.
    """
    for text in texts:
        read = moment(text)
        if read is not None:
            return instant(read)
    raise ValueError("The evidence names no time at all, so there is none to export.")


def between(begin: str | None, end: str | None) -> int | None:
    """Whole microseconds from one instant to another; None if one of them is not known, or they are the wrong way."""
    first, last = moment(begin), moment(end)
    if first is None or last is None or last < first:
        return None
    return (last - first) // timedelta(microseconds=1)


def seconds(microseconds: int) -> str:
    """Whole microseconds as decimal seconds. No float is involved, so no locale and no rounding is."""
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"
