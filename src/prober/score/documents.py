"""What became of each document that somebody attested: whether it counts, for what, and until when."""

from collections.abc import Sequence

from prober.documents.freshness import ROW, age_of_document
from prober.nouns.attestation import Attestation
from prober.nouns.scorecard import AttestationLine, CriterionScore, GateScore
from prober.score.look import Look

ORDER = ("counts", "unused", "superseded", "expired", "rejected")
"""What is said of a document of which several things are true: the first of these."""


def lines(
    looks: Sequence[Look], criteria: Sequence[CriterionScore], gates: Sequence[GateScore]
) -> tuple[AttestationLine, ...]:
    """One line for each attestation of the deciding runs, by its id."""
    if not any(look.run.attestations for look in looks):
        return ()
    used: dict[str, list[str]] = {}
    for criterion in criteria:
        for line in criterion.requirements:
            for id_ in line.attestations:
                if line.truth in ("true", "false"):
                    used.setdefault(id_, []).append(line.id)
    for gate in gates:
        for id_ in gate.attestations:
            used.setdefault(id_, []).append(gate.id)
    known = {one.id: one for look in looks for one in look.run.attestations}
    return tuple(_line(known[id_], looks, tuple(used.get(id_, ()))) for id_ in sorted(known))


def _line(one: Attestation, looks: Sequence[Look], used: tuple[str, ...]) -> AttestationLine:
    age = age_of_document(one, looks[0].book.row(ROW[one.kind]), looks[0].today)
    state, why = ("counts", "") if used else _why_not(one, looks)
    document = one.document
    return AttestationLine.trusted(
        id=one.id,
        title=document.title if document is not None else one.claim,
        kind=one.kind,
        class_=one.class_,
        issuer=one.issuer,
        sha256=document.sha256 if document is not None else None,
        public=document is not None and document.public,
        inspected=f"{one.inspected.by}, {one.inspected.role}, {one.inspected.on}" if one.inspected else None,
        state=state,
        why=why,
        freshness=age.state,
        last_day=age.last_day.isoformat(),
        requirements=used,
    )


def _why_not(one: Attestation, looks: Sequence[Look]) -> tuple[str, str]:
    found: dict[str, str] = {}
    for look in looks:
        for requirement in one.requirements:
            if any(offer.attestation.id == one.id for offer in look.offers.get(requirement, ())):
                found.setdefault("unused", "What it states decides none of the requirements that it names.")
            for aside in look.set_aside.get(requirement, ()):
                if aside.attestation.id == one.id:
                    found.setdefault(aside.state, aside.why)
    state = next((name for name in ORDER if name in found), "unused")
    return state, found.get(state, "The rule book asks for no document at the requirements that it names.")
