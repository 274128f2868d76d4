"""Markdown made of text: nothing that a stranger wrote becomes markup, HTML or a link."""

import re
from collections.abc import Iterable, Sequence

from prober.render.view import FindingView, Proof, View
from prober.render.visible import shortened, visible

MOST_HEADER = 500
"""Characters."""
_SPECIAL = re.compile(r"[\\`*_{}\[\]#|~$]")
_LIST = re.compile(r"^(\s*)(?=[-+=])|^(\s*[0-9]{1,9})(?=[.)](?:\s|$))")
"""What would begin a list, a rule or a heading at the start of a line."""
# Mail addresses and mentions are looked for after entities were read: only an element keeps their parts apart.
_AUTOLINK = (("://", "&#58;//"), ("www.", "www&#46;"), ("@", "<span>@</span>"))


def plain(text: str) -> str:
    """Text as it is: nothing in it is markup, HTML or a link, and it stays on one line."""
    safe = shortened(visible(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    safe = _SPECIAL.sub(lambda hit: f"\\{hit.group()}", safe)
    safe = _LIST.sub(lambda hit: f"{hit.group()}\\", safe)
    for found, instead in _AUTOLINK:
        safe = safe.replace(found, instead)
    return safe


def code(text: str) -> str:
    """Text as a code span that it cannot end by itself."""
    inner = shortened(visible(text), MOST_HEADER).replace("|", "\\|")
    longest = max((len(hit) for hit in re.findall("`+", inner)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {inner} {fence}" if longest else f"{fence}{inner}{fence}"


def fenced(text: str) -> list[str]:
    """Lines as a code block that they cannot end by themselves."""
    longest = max((len(hit) for hit in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", text, fence]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table below an empty line; its cells are Markdown already."""
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(' --- ' for _ in head)}|"]
    return ["", *lines, *(f"| {' | '.join(row)} |" for row in rows)]


def link(proof: Proof) -> str:
    """The way from a statement to its exchange."""
    pointer = f" {code(proof.pointer)}" if proof.pointer else ""
    if proof.anchor is None:
        return f"exchange {plain(proof.exchange)}, {plain(proof.answer)}"
    return f"[{plain(proof.request)}: {plain(proof.answer)}](#{proof.anchor}){pointer}"


def links(proofs: Iterable[Proof]) -> str:
    """The same for several."""
    return ", ".join(link(one) for one in proofs)


def where(finding: FindingView, view: View) -> str:
    """At which base, where there are several."""
    return f" (at {plain(finding.subject)})" if view.several else ""


def finding_links(findings: Iterable[FindingView], view: View) -> str:
    """Links to findings by the name of their probe."""
    return ", ".join(f"[{plain(one.probe)}](#{one.anchor}){where(one, view)}" for one in findings)
