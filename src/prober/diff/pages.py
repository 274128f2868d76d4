"""Published pages as facts: what became of each, when that is for the worse, and the sentence about it."""

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from prober.nouns.evidence import Exchange
from prober.nouns.facts import Judgement
from prober.observations.published_pages import elsewhere, form_of, is_page_label, standing_of

OPEN, IN_CLEAR, ELSEWHERE, GONE, LOGIN = "open", "in clear", "elsewhere", "gone", "login"
_RANKS = {OPEN: 2, IN_CLEAR: 1, ELSEWHERE: 0, GONE: 0, LOGIN: 0}
_NOW = {
    OPEN: "is open to anybody",
    IN_CLEAR: "is served over plain http",
    ELSEWHERE: "sends its readers to another host",
    GONE: "is gone",
    LOGIN: "asks for a login",
}
_FORMS = {"html": "HTML", "json": "JSON", "pdf": "PDF", "other": "something else"}
_THEN = {
    OPEN: "it was open to anybody",
    IN_CLEAR: "it was served over plain http",
    ELSEWHERE: "it sent its readers to another host",
    GONE: "it was gone",
    LOGIN: "it asked for a login",
}


def pages_in(exchanges: Iterable[Exchange]) -> Iterator[tuple[str, str, str]]:
    """The address of each page that could be seen, what became of it, and the exchange that shows it.

    `exchanges` are those of `published_pages`, in the order in which they followed one another. What became of a page
    is a word and, after a colon, what it says that it is or the host that it leads to.
    """
    ways: dict[str, list[Exchange]] = {}
    for one in exchanges:
        label = one.label.partition(">")[0]
        if is_page_label(label):
            ways.setdefault(label, []).append(one)
    for way in ways.values():
        first, last = way[0], way[-1]
        standing = standing_of(first.url, last)
        if ">" in first.label or standing is None:
            continue
        if standing == "elsewhere":
            yield first.url, f"{ELSEWHERE}: {urlsplit(elsewhere(last)).netloc.lower()}", last.id
        else:
            word = {"open": OPEN, "in_clear": IN_CLEAR, "gone": GONE, "login": LOGIN}[standing]
            yield first.url, f"{word}: {form_of(last)}" if word == OPEN else word, last.id


def judge_page(_: Sequence[str], before: str | None, after: str | None) -> Judgement:
    """A page that nobody can open any more is for the worse, and so is one that leads to another host than before."""
    was, now = _rank(before), _rank(after)
    if was is None or now is None:
        return "neutral"
    if was == now:
        moved = before != after and _word(before) == _word(after) == ELSEWHERE
        return "regression" if moved else "neutral"
    return "regression" if now < was else "improvement"


def page_words(parts: Sequence[str], was: str, now: str) -> str:
    """One sentence about a page that is not what it was."""
    page = f"The published page {parts[-1]}"
    if _word(was) == _word(now):
        before, after = was.partition(": ")[2], now.partition(": ")[2]
        if _word(now) == ELSEWHERE:
            return f"{page} sends its readers to the host {after} now; before, it sent them to {before}."
        return f"{page} comes as {_FORMS.get(after, after)} now; before, it came as {_FORMS.get(before, before)}."
    return f"{page} {_NOW.get(_word(now), now)}{_to(now)}; before, {_THEN.get(_word(was), was)}{_to(was)}."


def _to(value: str) -> str:
    word, _, host = value.partition(": ")
    return f" ({host})" if word == ELSEWHERE and host else ""


def _word(value: str | None) -> str:
    return (value or "").partition(": ")[0]


def _rank(value: str | None) -> int | None:
    return _RANKS.get(_word(value))
