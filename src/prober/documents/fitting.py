"""Which document may speak for what: by its kind, the row of freshness that a criterion rests on, and its class."""

from collections.abc import Iterable, Mapping

from prober.documents.freshness import SEEN
from prober.nouns.attestation import Attestation, DocumentClass, DocumentKind, Shape
from prober.nouns.model import Attested, Criterion, Requirement, Rule

RESTS_ON: Mapping[DocumentKind, str] = {
    "policy": "D",
    "record": "M",
    "volume": "V",
    "metrics": "Y",
    "letter": "R",
    "assessment": "S",
    "certificate": "Z",
    "result": "X",
    "page": "X",
}
"""The row of a criterion that a document of each kind speaks to. A listing speaks to all of them, for the product."""
TOP_STAGE = 7
"""The stage whose letter some rules take instead of other documents."""
FORMS: Mapping[str, tuple[DocumentKind, ...]] = {
    "hl7v2": ("volume", "record", "letter"),
    "x12": ("volume", "record", "letter"),
    "ncpdp": ("volume", "record", "letter"),
    "direct": ("volume", "record", "letter"),
    "network": ("volume", "record", "letter"),
    "metrics": ("metrics",),
    "stage_letter": ("certificate", "letter"),
    "page": ("page",),
    "product": ("listing",),
    "suite": ("result",),
}
"""The kinds of document that each typed shape may stand in."""


def is_swapped(asked: Requirement, country: str | None) -> bool:
    """Whether another text stands in the requirement's place: a national norm holds in its own countries only. Where
    nobody said which country it is, nothing is taken away."""
    return asked.elsewhere is not None and country is not None and country not in asked.elsewhere.countries


def rule_of(asked: Requirement, country: str | None) -> Rule | None:
    """The rule of a requirement in this country."""
    swap = asked.elsewhere
    return swap.met_by if swap is not None and swap.met_by and is_swapped(asked, country) else asked.met_by


def text_of(asked: Requirement, country: str | None) -> str:
    """The requirement as it reads in this country."""
    return asked.elsewhere.text if asked.elsewhere is not None and is_swapped(asked, country) else asked.text


def kinds_for(criterion: Criterion, wanted: Iterable[Attested]) -> tuple[DocumentKind, ...]:
    """The kinds of document that may speak to a requirement of this criterion, without the listing."""
    rules = tuple(wanted)
    fitting = [kind for kind, row in RESTS_ON.items() if row in _rows(criterion)]
    if any("E0" in one.classes or "E1" in one.classes for one in rules):
        fitting.append("policy")
    if any(one.stage_letter for one in rules):
        fitting.append("certificate")
    return tuple(kind for kind in RESTS_ON if kind in fitting)


def kind_fits(kind: DocumentKind, class_: DocumentClass, criterion: Criterion, wanted: Iterable[Attested]) -> bool:
    """Whether a document of this kind and class may speak to the criterion at all."""
    if kind == "listing" or (kind == "policy" and class_ in ("E0", "E1")):
        return True
    if kind == "certificate" and any(one.stage_letter for one in wanted):
        return True
    return RESTS_ON[kind] in _rows(criterion)


def _rows(criterion: Criterion) -> frozenset[str]:
    """The rows of a criterion. Where prober may look at all, a page and a test suite's result may show the same."""
    return frozenset(criterion.freshness) | ({SEEN} if set(criterion.modes) - {"A"} else frozenset())


def shape_fits(shape: Shape, kind: DocumentKind) -> bool:
    """Whether a document of this kind may hold this typed shape: a test suite's counts are no letter."""
    return kind in FORMS[shape.form]


def same_scope(one: Attestation, other: Attestation) -> bool:
    """Whether two attestations speak of the same thing at least in part: the same entity, and a base in common."""
    bases = {base.rstrip("/") for base in one.bases}, {base.rstrip("/") for base in other.bases}
    return one.entity == other.entity and (not all(bases) or bool(bases[0] & bases[1]))


def is_top_letter(one: Attestation) -> bool:
    """Whether it is a letter of the highest stage, which a rule that says so takes as it stands."""
    return one.shape is not None and one.shape.form == "stage_letter" and one.shape.stage >= TOP_STAGE
