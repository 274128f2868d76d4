"""Prometheus text exposition format 0.0.4, as far as prober writes it: gauges with a help text, sorted samples."""

from collections.abc import Iterable, Mapping, Sequence

from prober.export.text import clean

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of the format (Prometheus, Exposition formats)."""

Labels = Sequence[tuple[str, str]]


class Samples:
    """The samples of each metric. `metrics` gives every name that may be used, with its help text."""

    def __init__(self, metrics: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._by_metric: dict[str, list[tuple[str, str]]] = {name: [] for name in metrics}

    def add(self, metric: str, labels: Labels, value: int | str) -> None:
        """One sample. `value` is a whole number, or a decimal one as text. Raises KeyError for an unknown metric."""
        inside = ",".join(f'{name}="{escaped(text)}"' for name, text in labels)
        self._by_metric[metric].append((f"{{{inside}}}" if inside else "", str(value)))

    def text(self, comments: Iterable[str] = ()) -> str:
        """The whole file; metrics without a sample are left out."""
        lines = [f"# {one}" for one in comments]
        for metric, help_ in self._metrics.items():
            told = self._by_metric[metric]
            if told:
                lines += [f"# HELP {metric} {help_}", f"# TYPE {metric} gauge"]
                lines += [f"{metric}{labels} {value}" for labels, value in sorted(told)]
        return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """A label value: backslash, quotation mark and line feed are escaped, other controls became visible before."""
    return clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
