"""The report as one HTML file."""

from html import escape

from prober.render.report import Report
from prober.render.terminal import summary


def page(report: Report) -> str:
    """The report as HTML."""
    return f"<!doctype html><html lang='en'><title>Report</title><pre>{escape(summary(report, 100))}</pre></html>\n"
