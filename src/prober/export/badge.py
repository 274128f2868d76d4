"""The badge: counts and a day, and never a label, a level or anything that could be taken for a certificate.

An SVG of its own, and the JSON that the endpoint badge of shields.io reads. Both are grey, whatever they count: a
colour would be a judgement.
"""

from xml.sax.saxutils import escape

from prober.export.bundle import counts
from prober.export.text import as_json, clean, first_moment
from prober.nouns.run import Environment
from prober.render.report import Report

NAME = "prober"
OWN_RULES = "own rules"
_CAVEAT: dict[str, str] = {"sandbox": "sandbox", "reference": "sandbox", "undeclared": "environment undeclared"}
_CHARACTER = 7
"""Pixels that one character of the fixed-width font takes; `textLength` makes it so wherever the badge is drawn."""

_SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{all}">
<title>{all}</title>
<rect width="{width}" height="20" fill="#666"/>
<rect width="{split}" height="20" fill="#444"/>
<g fill="#fff" font-family="DejaVu Sans Mono,Consolas,monospace" font-size="11">
<text x="6" y="14" textLength="{name_length}" lengthAdjust="spacingAndGlyphs">{name}</text>
<text x="{begin}" y="14" textLength="{length}" lengthAdjust="spacingAndGlyphs">{message}</text>
</g>
</svg>
"""


def exported(report: Report, *, released: bool) -> dict[str, bytes]:
    """`badge.svg` and `badge.json`. `released` is False where the rules are not those of a released version."""
    message = told(report, released=released)
    endpoint = {"schemaVersion": 1, "label": NAME, "message": message, "color": "lightgrey"}
    return {"badge.svg": _svg(message), "badge.json": as_json(endpoint)}


def told(report: Report, *, released: bool) -> str:
    """For example `171 shown · 19 refuted · 24 untested, 2026-11-26`, and what takes away from it."""
    card = report.card
    number = counts(report)
    day = first_moment(card.as_of, *(one.run.started for one in report.subjects))[:10]
    # What this run had no permit to ask is untested as well, for whoever sees nothing but the badge.
    untested = number.untested + number.not_permitted
    parts = [f"{number.shown} shown · {number.refuted} refuted · {untested} untested", day]
    caveat = _caveat(card.environment)
    return clean(", ".join([*parts, *([caveat] if caveat else []), *([] if released else [OWN_RULES])]))


def _caveat(environment: Environment | str) -> str | None:
    return None if environment == "production" else _CAVEAT.get(environment, _CAVEAT["undeclared"])


def _svg(message: str) -> bytes:
    split = len(NAME) * _CHARACTER + 12
    length = len(message) * _CHARACTER
    text = _SVG.format(
        width=split + length + 12,
        split=split,
        begin=split + 6,
        name=escape(NAME),
        name_length=len(NAME) * _CHARACTER,
        length=length,
        message=escape(message),
        all=escape(f"{NAME}: {message}", {'"': "&quot;"}),
    )
    return text.encode("utf-8", "replace")
