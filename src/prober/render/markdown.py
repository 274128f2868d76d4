"""The report as Markdown."""

from prober.render.report import Report
from prober.render.terminal import summary


def page(report: Report) -> str:
    """The report as Markdown."""
    return f"```\n{summary(report, 100)}\n```\n"
