"""Scorecards and evidence as text, Markdown and HTML: what a person reads."""
