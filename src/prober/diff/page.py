"""The page about the rules of `prober diff`, written from the rules themselves."""

from collections.abc import Iterable

from prober.diff.collect import MOST_PER_AREA
from prober.diff.comparing import JUDGED
from prober.diff.families import BANDS, FAMILIES, SLOWEST, UNMAPPED, Family, judgement_of
from prober.diff.wording import words
from prober.nouns.facts import Judgement

_TITLES: dict[Judgement, str] = {"regression": "For the worse", "improvement": "For the better", "neutral": "Neither"}

IGNORED = (
    "the order of members and of arrays, blanks, escapes, pretty printing, a byte order mark, a trailing line feed, "
    "what is listed twice",
    "`date`, `id`, `meta`, `text`, `publisher`, `contact`, `description` and `documentation` of a statement",
    "headers: their order, `Date`, `ETag`, request ids, a charset, the encoding of the body, a redirect on the way",
    "ids of instances and of jobs, links of searches, how often a job was asked for its status",
    "the run: its id, its time, how long it took, the key of its redaction. Where a placeholder of redaction stands in "
    "a value, `[withheld]` is compared instead",
    "days that a certificate still has, as long as it is the same one and has not expired",
    "latency within a band and from a band to its neighbour",
    "a finding that only one of the runs has, because a probe is new or is gone",
    "what stands on a published page, and a page that only one of the runs could see",
)

_HEAD = """# What `prober diff` compares

`prober diff A B` reads two runs of one server (run folders, or bundles) and says what changed: for the worse, for the
better, or neither. It asks nothing and judges nothing again. Each run is turned into *facts*: a key that means the
same on every night (`search_param/Patient/birthdate`), a value (`declared`), and the exchange and JSON pointer that
prove it.

- **Seen or not.** The part of a key before its first slash is its *area*. An area is compared only if both runs could
  look there. A rate limit, a server error, a time-out or a closed door makes an area unseen, and what is unseen is
  never withdrawn. A server that is seen and has no SMART configuration is a seen absence.
- **Told once.** What belongs to a type or a document that came or went is told with it, save `$export`, which is
  told by itself. An address whose host moved is told as the move of its host. A new certificate is one change.
- **Returned.** With `--earlier RUN`, a value that one of these runs had while A had another is told as returned.
- **Only what is sure.** A level falls if it is now surely lower than it surely was. An interval that grew wider because
  less could be seen is neither better nor worse; the same holds for the label. A finding that goes to `unknown`
  *could not be told*. What follows an unknown night is held against the last of the `--earlier` runs that could tell.
- **Safety.** A change of a gate that asks for a private alert, of the findings behind it, and of the label while such a
  gate fires, is marked `private`: it is for the contact that the authorization names, and `--markdown` only counts it.
- **Two servers.** With `--across`, each side's own host and base are compared as `[base host]` and `[base]`.

| option | what it does |
|---|---|
| `--fail-on regression`, `any` | ends with 1 if there is such a change, with 3 if that could not be told |
| `--json` | one line, `schemas/diff.schema.json` |
| `--markdown` | a comment for a pull request |
| `--earlier RUN` | a run before A; give it again for more |
| `--across` | compares two servers |
"""


def page() -> str:
    """docs/diff.md."""
    blocks = [
        _HEAD.rstrip("\n"),
        "## What is ignored\n\n" + "\n".join(f"- {one};" for one in IGNORED[:-1]) + f"\n- {IGNORED[-1]}.",
        "## Bands of latency\n\nThe median time to the first byte of three answers of `/metadata`: "
        + ", ".join([*(words_ for _, words_ in BANDS), SLOWEST])
        + ". A change is told if at least a whole band lies between the two.",
        f"## Limits\n\nOf one area {MOST_PER_AREA} facts are kept, in the order of their keys; of more, a fact "
        "`capped/AREA` tells, and what lies beyond the last one kept is not compared. Long texts are cut and end with "
        "a part of their hash.",
        "## The rules\n\nEach row is a kind of facts with changes of every sort, as `prober diff` tells them. The "
        "probes are those whose findings rest on it, and so lead to the criteria that a change moves.\n\n"
        + "\n".join(_table()),
    ]
    return "\n\n".join(blocks) + "\n"


def _table() -> Iterable[str]:
    yield "| area | what it is | " + " | ".join(_TITLES[one] for one in JUDGED) + " | probes |"
    yield "|---|---|---|---|---|---|"
    for family in FAMILIES.values():
        cells = [f"`{family.area}`", family.title, *(_samples(family, one) for one in JUDGED), _probes(family)]
        yield f"| {' | '.join(cells)} |"


def _samples(family: Family, judgement: Judgement) -> str:
    told = [words(*one) for one in family.samples if judgement_of(*one) == judgement]
    return "<br>".join(one.replace("|", "\\|") for one in told) or "–"


def _probes(family: Family) -> str:
    if family.area in UNMAPPED:
        return "none"
    return ", ".join(f"`{one}`" for one in family.probes) or "each its own"


def main() -> None:
    """`python -m prober.diff.page FILE` writes the page."""
    import sys
    from pathlib import Path

    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
