"""The report as one HTML file: no script, no outside resource, and every string of a server escaped and visible."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from prober.nouns.evidence import Exchange
from prober.nouns.scorecard import Counts, Interval
from prober.render import charts, words
from prober.render.disclaimer import DISCLAIMER, claims, disclaimed
from prober.render.report import Report
from prober.render.view import View
from prober.render.visible import excerpt, shortened, visible, visible_lines

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_BODY = 1024
"""Bytes of a body that the page shows."""
MOST_HEADER = 500
"""Characters."""
FOOTER = (
    "These are counts of what prober asked and saw at one time. They are no stage and no grade. Whatever could not be "
    "asked counts neither for nor against the server. Made by prober; everything it rests on lies in the run folder, "
    "and the same evidence always gives the same report."
)
MOST_CLAIMS = 6
"""Refuted claims before the reader has to open the rest."""
_CODE = re.compile(r"`([^`]{1,40})`|(--[a-z-]{2,20}(?: [A-Z]+\b)?)")
COVERAGE_STYLE = {"probed": "shown", "attested": "attested", "declared_only": "maybe", "unknown": "untested"}


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    id: str
    short: str
    title: str
    template: str


@dataclass(frozen=True)
class Section:
    """A section with its finished body, and the disclaimer if its words need it."""

    id: str
    short: str
    title: str
    body: Markup
    disclaimer: str


SHORT = Part("short", "In short", "In short", "short.html")
GAP = Part("gap", "Declared and shown", "Declared and shown", "gap.html")
FIXES = Part("fixes", "To fix next", "To fix next", "fixes.html")
PROFILE = Part("profile", "Capability profile", "The FHIR capability profile", "profile.html")
PROFILE_FIXES = Part("fixes", "Profile: to fix", words.PROFILE_FIXES, "fixes.html")
UNTESTED = Part(
    "untested", "What could not be tested", "What could not be tested, and what would resolve it", "untested.html"
)
PROPOSAL = Part("proposal", "What more to show", words.FOLLOWS, "stands.html")
STEPS = Part("next", "Next steps", "The steps to the next label", "steps.html")
DETAIL = Part("detail", "The proposal in detail", "The proposal in detail", "proposal.html")
FINDINGS = Part("findings", "Every finding", "Every finding", "findings.html")
ASKED = Part("asked", "How it was asked", "How it was asked", "asked.html")
EVIDENCE = Part("evidence", "Evidence", "Evidence", "evidence.html")


def page(report: Report) -> str:
    """The report as HTML, the same bytes for the same report.

    Its links lead to its own anchors and to stored bodies, nowhere else.
    """
    view = View(report)
    sections = [_section(part, view) for part in _parts(view)]
    head = rendered("head.html", view=view, disclaimer="")
    if needs_disclaimer(head):
        head = rendered("head.html", view=view, disclaimer=DISCLAIMER)
    return assembled("FHIR capability report", "report", head, sections, FOOTER)


def assembled(
    title: str, kind: str, head: Markup, sections: Sequence[Section], footer: str, style_sheets: Sequence[str] = ()
) -> str:
    """A whole page of these parts: its style and nothing else comes with it. `kind` is what the page calls itself.

    `style_sheets` are templates whose rules follow those of every page.
    """
    style = "".join(_style(one) for one in ("page.css", *style_sheets))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    whole = rendered(
        "page.html",
        title=title,
        kind=kind,
        footer=footer,
        head=head,
        sections=sections,
        style=trusted(style),
        style_hash=trusted(f"sha256-{digest}"),
        patterns=trusted(charts.PATTERNS),
    )
    return str(whole)


def rendered(template: str, **given: object) -> Markup:
    """A template of this room, filled in; every string that it prints is escaped and made visible."""
    return trusted(_room().get_template(template).render(**given))


def trusted(text: str) -> Markup:
    """Text that this room wrote or escaped itself. Nothing else becomes Markup."""
    return Markup(text)  # noqa: S704


def _parts(view: View) -> tuple[Part, ...]:
    maturity = view.card.maturity
    steps = (STEPS,) if maturity and maturity.next else ()
    if view.leads:
        behind = (GAP, PROFILE_FIXES) if view.card.profile else ()
        return (SHORT, *steps, PROFILE, *behind, DETAIL, UNTESTED, FINDINGS, ASKED, EVIDENCE)
    profile = (GAP, FIXES) if view.card.profile else ()
    proposal = (PROPOSAL, *steps, DETAIL) if maturity else ()
    return (SHORT, *profile, UNTESTED, *proposal, FINDINGS, ASKED, EVIDENCE)


def _section(part: Part, view: View) -> Section:
    return filled(part, view=view)


def filled(part: Part, **given: object) -> Section:
    """A section whose template is filled in, with the disclaimer if its words need it."""
    body = rendered(part.template, **given)
    return Section(part.id, part.short, part.title, body, DISCLAIMER if needs_disclaimer(body) else "")


def needs_disclaimer(body: str) -> bool:
    """Whether a piece of a page holds words that must not stand without the disclaimer."""
    text = unescape(re.sub("<[^>]*>", " ", body))
    return claims(text) and not disclaimed(text)


@lru_cache(maxsize=1)
def _room() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    room = Environment(
        loader=PackageLoader("prober.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_harmless,
    )
    room.filters["prose"] = _prose
    room.globals.update(
        words=words,
        most_claims=MOST_CLAIMS,
        number=words.number,
        interval=words.interval,
        floor=words.floor,
        gap_sentence=words.gap_sentence,
        permits=words.permits,
        requests=words.requests,
        ending=words.ending,
        span=words.span,
        held=words.held,
        gates_tested=words.gates_tested,
        swatch=lambda style: trusted(charts.swatch(style)),
        counts_bar=_counts_bar,
        points_bar=_points_bar,
        coverage_bar=_coverage_bar,
        coverage_style=COVERAGE_STYLE,
        ladder=lambda level: trusted(charts.ladder(level, words.span(level) or "Does not apply")),
        timing=words.timing,
        transport=words.transport,
        certificate=words.certificate,
        header_lines=_header_lines,
        body=_body,
        body_words=lambda exchange: words.body_kept(exchange, MOST_BODY),
        request_body=lambda exchange: _preformatted(visible_lines(exchange.request_body[:MOST_BODY])),
    )
    return room


def _style(name: str) -> str:
    loader = _room().loader
    return loader.get_source(_room(), name)[0] if loader else ""


def _harmless(value: object) -> object:
    """Every string that a template prints passes here; what is Markup was made harmless where it was made."""
    return shortened(visible(value)) if isinstance(value, str) and not isinstance(value, Markup) else value


def _preformatted(text: str) -> Markup:
    """Escaped for the inside of an element, where quotation marks may stay as they are: bodies are full of them."""
    return trusted(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _prose(text: str) -> Markup:
    """Our own prose, in which backticks and options of the command line mark what is code."""
    safe = str(escape(shortened(visible(text))))
    return trusted(_CODE.sub(lambda hit: f'<code class="nowrap">{hit[1] or hit[2]}</code>', safe))


def _counts_bar(counts: Counts, title: str) -> Markup:
    parts = [("shown", counts.shown), ("refuted", counts.refuted), ("untested", counts.untested)]
    said = f"{counts.shown} shown, {counts.refuted} refuted, {counts.untested} not tested"
    return trusted(charts.stacked(parts, f"{visible(title)}: {said}"))


def _points_bar(points: Interval | None, title: str) -> Markup:
    said = "nothing that counts applies" if points is None else f"at least {points.low}, at most {points.high} of 100"
    return trusted(charts.ranged(points, f"{visible(title)}: {said}"))


def _coverage_bar(coverage: dict[str, int]) -> Markup:
    parts = [(COVERAGE_STYLE[kind], coverage[kind]) for kind in words.KNOWLEDGE if kind in coverage]
    return trusted(charts.stacked(parts, f"{words.coverage_text(coverage)}"))


def _header_lines(headers: tuple[tuple[str, str], ...]) -> Markup:
    lines = (f"{visible(name)}: {shortened(visible(value), MOST_HEADER)}" for name, value in headers)
    return _preformatted("\n".join(lines))


def _body(exchange: Exchange) -> Markup:
    return _preformatted(excerpt(exchange.content, MOST_BODY))
