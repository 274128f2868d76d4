"""What a rule of a book says about one run, in Kleene's three values."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import pairwise

from prober.documents.fitting import is_top_letter
from prober.documents.freshness import SEEN, SERIES, Age, age_of
from prober.nouns.finding import Basis, Cell, EvidenceClass, Finding, Reason
from prober.nouns.model import Attested, Availability, Is, Latency, Rule, Series, Share
from prober.nouns.polls import SampleKind
from prober.nouns.scorecard import Truth
from prober.polls import figures
from prober.score.look import Look, Offer

KLEENE: tuple[Truth, ...] = ("false", "unknown", "true")
SUPPORTS: dict[EvidenceClass, int] = {"E0": 1, "E1": 1, "E2": 2, "E3": 3, "E4": 4}
"""The highest level that evidence of a class can support, unless the requirement says otherwise."""

FEW = 5
"""Fewer tested things than this are a small sample."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One thing that a rule looked at, and what it saw there."""

    why: str
    probe: str | None = None
    attestation: str | None = None
    reasons: tuple[Reason, ...] = ()
    basis: Basis | None = None
    class_: EvidenceClass | None = None
    age: Age | None = None
    weakened: tuple[str, ...] = ()
    """What lowers the confidence in it, in words."""


@dataclass(frozen=True, slots=True)
class Said:
    """A truth, with the leaves that decided it. In a conflict a document says otherwise than what was seen."""

    truth: Truth
    leaves: tuple[Leaf, ...]
    conflict: bool = False


def decide(rule: Rule, look: Look, asked: str, level: int = 0) -> Said:
    """The truth of a rule in one run; `asked` is the id of the requirement or gate, for which documents are offered.

    `level` is the level to be supported: a finding of a class too weak for it leaves the leaf unknown; 0 asks nothing.
    A rule of which every leaf is not applicable is not applicable.
    """
    if rule.is_ is not None:
        return _is(rule.is_, look, level)
    if rule.attested is not None:
        return _attested(rule.attested, look, asked)
    if rule.all is not None:
        return combined([decide(one, look, asked, level) for one in rule.all], all_of)
    if rule.any is not None:
        return _any(rule.any, look, asked, level)
    if rule.share is not None:
        return _share(rule.share, look, level)
    if rule.series is not None:
        return _series(rule.series, look)
    if rule.availability is not None:
        return _availability(rule.availability, look)
    return _latency(rule.latency, look) if rule.latency is not None else Said("unknown", ())


def combined(parts: Iterable[Said], join: Callable[[Iterable[Truth]], Truth]) -> Said:
    """Several truths as one, resting on those leaves that agree with it."""
    known = tuple(parts)
    truth = join(one.truth for one in known)
    leaves = tuple(dict.fromkeys(leaf for one in known if one.truth == truth for leaf in one.leaves))
    return Said(truth, leaves, any(one.conflict for one in known))


def all_of(truths: Iterable[Truth]) -> Truth:
    """The least of the truths; what is not applicable drops out."""
    return min((one for one in truths if one != "not_applicable"), key=KLEENE.index, default="not_applicable")


def any_of(truths: Iterable[Truth]) -> Truth:
    """The greatest of the truths; what is not applicable drops out."""
    return max((one for one in truths if one != "not_applicable"), key=KLEENE.index, default="not_applicable")


def _any(rules: tuple[Rule, ...], look: Look, asked: str, level: int) -> Said:
    """The greatest truth. Of a document about the very fact that a probe looks at, only one of the two is asked: what
    was seen wins, and where nothing was to be seen the document speaks for it.
    """
    parts = [(one, decide(one, look, asked, level)) for one in rules]
    same = [said for one, said in parts if one.attested is not None and one.attested.same_fact]
    others = [(one, said) for one, said in parts if one.attested is None or not one.attested.same_fact]
    seen = {said.truth for one, said in others if one.attested is None} - {"unknown"}
    if not same or not (seen or any(one.truth in ("true", "false") for one in same)):
        return combined([said for _, said in parts], any_of)
    if not seen:
        routes = [said for one, said in others if one.attested is not None]
        return combined([*same, *routes], any_of)
    said = combined([one for _, one in others], any_of)
    decided = any_of(seen)
    contradicted = any(one.truth in ("true", "false") and one.truth != decided for one in same)
    agreeing = [leaf for one in same if one.truth == said.truth == decided for leaf in one.leaves]
    return Said(said.truth, (*said.leaves, *agreeing), said.conflict or contradicted)


def _is(form: Is, look: Look, level: int) -> Said:
    outcome, reason = look.outcome(form.probe)
    finding = look.finding(form.probe)
    leaf = _leaf(form.probe, finding, reason, look)
    if outcome == "unknown":
        return Said("unknown", (leaf,))
    if outcome == form.outcome:
        return _supported(leaf, finding, level)
    return Said("not_applicable" if outcome == "not_applicable" else "false", (leaf,))


def _share(form: Share, look: Look, level: int) -> Said:
    outcome, reason = look.outcome(form.probe)
    finding = look.finding(form.probe)
    if outcome == "not_applicable" or reason in ("bug", "not_recorded", "expired"):
        truth: Truth = "not_applicable" if outcome == "not_applicable" else "unknown"
        return Said(truth, (_leaf(form.probe, finding, reason, look),))
    claims = [cell for cell in look.cells(form.probe, form.of) if cell.declared and cell.result != "undeclared_works"]
    if not claims:
        return Said("unknown", (_leaf(form.probe, finding, reason or "no_data", look),))
    shown = sum(cell.result == "shown" for cell in claims)
    untested = [cell for cell in claims if cell.result == "untested"]
    why = (
        f"{shown} of {len(claims)} declared claims were shown and {len(untested)} could not be tested; "
        f"the rule asks for {form.at_least}."
    )
    reasons = tuple(sorted({cell.reason or "not_recorded" for cell in untested}))
    wanted = Fraction(form.at_least)
    leaf = _leaf(form.probe, finding, None, look, why)
    if Fraction(shown, len(claims)) >= wanted:
        return _supported(leaf, finding, level)
    if Fraction(shown + len(untested), len(claims)) < wanted:
        return Said("false", (leaf,))
    return Said("unknown", (Leaf(why=why, probe=form.probe, reasons=reasons, basis=leaf.basis),))


def _attested(form: Attested, look: Look, asked: str) -> Said:
    offers = look.offers.get(asked, ())
    if not offers:
        return _without_document(form, look, asked)
    gate = asked in look.book.gates
    said = [_of_offer(form, one, gate=gate) for one in offers]
    truths = {one.truth for one in said}
    if truths >= {"true", "false"}:
        leaves = tuple(leaf for one in said if one.truth != "unknown" for leaf in one.leaves)
        # The cautious answer: a requirement is not shown, and a gate was seen to fire.
        return Said("true" if gate else "false", leaves, conflict=True)
    decided: Truth = next((one for one in ("false", "true", "unknown") if one in truths), "unknown")
    return Said(decided, tuple(leaf for one in said if one.truth == decided for leaf in one.leaves))


def _without_document(form: Attested, look: Look, asked: str) -> Said:
    aside = look.set_aside.get(asked, ())
    if not aside:
        return Said("unknown", (Leaf(why=no_document(form)),))
    expired: tuple[Reason, ...] = ("expired",) if any(one.state == "expired" for one in aside) else ()
    why = " ".join(f"The document {one.attestation.id} does not count. {one.why}" for one in aside)
    return Said("unknown", (Leaf(why=why, reasons=expired),))


def no_document(form: Attested) -> str:
    """The sentence for a rule to which nobody offered a document."""
    return f"No document was given: {form.document.rstrip('.')}."


def _of_offer(form: Attested, offer: Offer, *, gate: bool) -> Said:
    """What one document says. A bare no refutes a requirement; that a gate held, only what the rule asks for shows."""
    one = offer.attestation
    claim = one.claim.rstrip(".")
    if one.answer == "no" and (not gate or offer.class_ in form.classes):
        return Said("false", (_document(offer, f"{one.issuer} states that it is not so: {claim}."),))
    if offer.class_ not in form.classes:
        wanted = " or ".join(form.classes)
        why = f"The document {one.id} is of class {offer.class_}, and this asks for {wanted}: {claim}."
        return Said("unknown", (_document(offer, why),))
    if not (form.stage_letter and is_top_letter(one) and offer.class_ == "E3"):
        missing = [name for name in form.values if _name_of(name) not in offer.values]
        failed = [name for name in form.values if name not in missing and not _holds(name, form, offer)]
        if failed:
            stated = ", ".join(_bound_words(name, form, offer) for name in failed)
            return Said("false", (_document(offer, f"{claim}: {stated}."),))
        if missing:
            names = ", ".join(_name_of(name) for name in missing)
            return Said("unknown", (_document(offer, f"The document {one.id} does not state {names}."),))
    return Said("true", (_document(offer, f"{claim} ({one.issuer}, {one.class_})."),))


def _holds(bound: str, form: Attested, offer: Offer) -> bool:
    given, wanted = offer.values[_name_of(bound)], Fraction(form.values[bound])
    return given >= wanted if bound.endswith("_at_least") else given <= wanted


def _name_of(bound: str) -> str:
    return bound.removesuffix("_at_least").removesuffix("_at_most")


def _bound_words(bound: str, form: Attested, offer: Offer) -> str:
    asks = "at least" if bound.endswith("_at_least") else "at most"
    name = _name_of(bound)
    return f"{name.replace('_', ' ')} is {offer.values[name]}, and this asks for {asks} {form.values[bound]}"


def _document(offer: Offer, why: str) -> Leaf:
    one = offer.attestation
    weakened = ("It is about the product, not about its use at this provider.",) if offer.product else ()
    return Leaf(why=why, attestation=one.id, basis="attested", class_=offer.class_, age=offer.age, weakened=weakened)


def _series(form: Series, look: Look) -> Said:
    """Nights are decided if any look of the night was; a night fails if any of its decided looks did.

    A probe whose precondition was declared on no night leaves the rule out.
    """
    nights: dict[str, bool] = {}
    now = look.outcome(form.probe)[0]
    earlier = [(one.time, one.outcome) for one in look.nights.get(form.probe, ())]
    for time, outcome in (*earlier, (look.run.run.started, now)):
        if outcome not in ("unknown", "not_applicable"):
            nights[time[:10]] = nights.get(time[:10], True) and outcome == form.outcome
    finding = look.finding(form.probe)
    if now == "not_applicable" and not nights:
        return Said("not_applicable", (_leaf(form.probe, finding, None, look),))
    days = sorted(nights)[-form.nights :]
    last = [nights[day] for day in days]
    failures = last.count(False)
    in_a_row = any(not one and not other for one, other in pairwise(last))
    spread = (date.fromisoformat(days[-1]) - date.fromisoformat(days[0])).days if days else 0
    over = f" over at least {form.spread_days} days" if form.spread_days else ""
    why = (
        f"{len(last) - failures} of the last {len(last)} decided nights passed, over {spread} days; this asks for "
        f"{form.at_least} of {form.nights}{over}{', and two failures follow each other' if in_a_row else ''}."
    )
    leaf = _leaf(form.probe, finding, None, look, why)
    if in_a_row or failures > form.nights - form.at_least:
        return Said("false", (leaf,))
    if len(last) < form.nights or spread < (form.spread_days or 0):
        return Said("unknown", (Leaf(why=leaf.why, probe=form.probe, reasons=("no_data",), basis=leaf.basis),))
    return Said("true", (leaf,))


NO_POLLS = "No polls of earlier runs are remembered beside this run (history.jsonl)."
"""The sentence for a rule over polls where there are none."""
SAMPLES_A_DAY = 1_440
"""So many samples of one kind a missing night could still bring: a look brings several."""


def _availability(form: Availability, look: Look) -> Said:
    """Whether the polls reach what is asked for; both figures, the polls and what was left out are told."""
    here = figures.availability(look.polls, last=form.days, leave_out_planned=form.maintenance_minutes_a_month > 0)
    if not here.days:
        undecided = sum(one.undecided for one in look.polls)
        why = f"{NO_POLLS} {undecided} were undecided." if undecided else NO_POLLS
        return Said("unknown", (Leaf(why=why, reasons=("no_data",)),))
    enough = len(here.days) >= form.days and here.polls >= form.polls
    truth: Truth = "true" if enough else "unknown"
    if form.at_least is not None:
        wanted = Fraction(form.at_least)
        missing = max(form.polls - here.polls, (form.days - len(here.days)) * figures.LOOKS_A_DAY, 0)
        if not _reaches(form, here.up + missing, here.polls + missing, wanted):
            truth = "false"
        elif not _reaches(form, here.up, here.polls, wanted):
            truth = "unknown"
    if here.most_planned > form.maintenance_minutes_a_month > 0:
        truth = "false"
    return _of_polls(truth, _availability_words(form, here), here.days, look)


def _reaches(form: Availability, up: int, polls: int, wanted: Fraction) -> bool:
    if form.bound == "share":
        return up >= polls * wanted
    return figures.wilson_reaches(up, polls, wanted)


def _availability_words(form: Availability, here: figures.Availability) -> str:
    share = figures.percent(here.share) if here.share is not None else "0.0000"
    low = figures.percent(here.low) if here.low is not None else "0.0000"
    asks = [f"{form.days} days"]
    if form.polls > 1:
        asks.append(f"{form.polls} polls")
    if form.at_least is not None:
        what = "the lower bound" if form.bound == "wilson" else "the share"
        asks.append(f"{what} to be at least {form.at_least}")
    if form.maintenance_minutes_a_month:
        months = ", ".join(f"{count} minutes in {month}" for month, count in here.planned_minutes.items())
        left = (
            f" Planned maintenance left out: {here.left_out} polls, {months or 'no minutes'}; "
            f"{form.maintenance_minutes_a_month} minutes a month are allowed."
        )
    else:
        left = " No maintenance was left out."
    undecided = f" {here.undecided} more were undecided." if here.undecided else ""
    return (
        f"{here.up} of {here.polls} decided polls on {len(here.days)} days ({here.days[0]} to {here.days[-1]}) found "
        f"it up: {share} percent, with the lower Wilson bound {low} percent (95 percent, two-sided, z = 1.959964). "
        f"This asks for {_and(asks)}.{left}{undecided} Looked at from {', '.join(here.vantage)}."
    )


def _latency(form: Latency, look: Look) -> Said:
    """Whether each kind of answer comes as soon as is asked for."""
    parts = [_latency_of(form, (kind,), look) for kind in form.kinds] or [_latency_of(form, (), look)]
    return combined(parts, all_of)


def _latency_of(form: Latency, kinds: tuple[SampleKind, ...], look: Look) -> Said:
    what = f"answers of the kind {kinds[0]}" if kinds else "answers of any kind"
    here = figures.times(look.polls, kinds, last=form.nights)
    value = here.percentile(form.percentile)
    if value is None:
        why = f"No times of {what} are remembered." if look.polls else NO_POLLS
        return Said("unknown", (Leaf(why=why, reasons=("no_data",)),))
    spread = sum(count >= form.each_hour for count in here.hours)
    enough = len(here.days) >= form.nights and here.samples >= form.samples and spread >= form.hours
    truth: Truth = "true" if enough else "unknown"
    if form.at_most_us is not None and value > form.at_most_us:
        missing = max(form.samples - here.samples, (form.nights - len(here.days)) * SAMPLES_A_DAY, 0)
        total = here.samples + missing
        # By nearest rank so many may be slower, were every sample that is missing a fast one.
        slower = total - -(-form.percentile * total // 100)
        truth = "false" if here.above(form.at_most_us) > slower else "unknown"
    asks = [f"{form.nights} nights"]
    if form.samples > 1:
        asks.append(f"{form.samples} samples")
    if form.hours:
        asks.append(f"at least {form.each_hour} in each of {form.hours} hours of the day")
    if form.at_most_us is not None:
        asks.append(f"at most {form.at_most_us} microseconds")
    why = (
        f"The {form.percentile}th percentile of the time to first byte, without connecting, of {here.samples} {what} "
        f"on {len(here.days)} nights ({here.days[0]} to {here.days[-1]}) is {value} microseconds; {spread} hours of "
        f"the day hold {form.each_hour} or more. This asks for {_and(asks)}. Looked at from {', '.join(here.vantage)}."
    )
    return _of_polls(truth, why, here.days, look)


def _of_polls(truth: Truth, why: str, days: tuple[str, ...], look: Look) -> Said:
    """A series grows old from its last day on, and counts no more when it has expired."""
    row = look.book.row(SERIES) or look.book.row(SEEN)
    age = age_of(date.fromisoformat(days[-1]), row, look.today) if row is not None else None
    if age is not None and age.state == "expired":
        why = f"The last poll is of {days[-1]}, so this series counted until {age.last_day.isoformat()}."
        return Said("unknown", (Leaf(why=why, reasons=("expired",)),))
    reasons: tuple[Reason, ...] = ("no_data",) if truth == "unknown" else ()
    return Said(truth, (Leaf(why=why, reasons=reasons, basis="demonstrated", class_="E4", age=age),))


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _supported(leaf: Leaf, finding: Finding | None, level: int) -> Said:
    if finding is None or SUPPORTS[finding.class_] >= level:
        return Said("true", (leaf,))
    weak = f"Evidence of class {finding.class_} supports level {SUPPORTS[finding.class_]} at most: {leaf.why}"
    return Said("unknown", (Leaf(why=weak, probe=leaf.probe, basis=leaf.basis, class_=leaf.class_),))


def _leaf(probe: str, finding: Finding | None, reason: Reason | None, look: Look, why: str | None = None) -> Leaf:
    if finding is None:
        return Leaf(why=f"The run holds no finding of {probe}.", probe=probe, reasons=(reason,) if reason else ())
    return Leaf(
        why=why or finding.verdict.message,
        probe=probe,
        reasons=(reason,) if reason else (),
        basis=finding.basis,
        class_=finding.class_,
        age=look.age(probe),
        weakened=_weakened(look.cells(probe, "cells")),
    )


def _weakened(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """What lowers the confidence in a matrix finding: few tested claims, or none that brought data."""
    tested = [cell for cell in cells if cell.result in ("shown", "refuted")]
    if not cells:
        return ()
    few = (f"Only {len(tested)} of its claims could be tested.",) if len(tested) < FEW else ()
    shown = [cell for cell in tested if cell.result == "shown"]
    empty = bool(shown) and all(cell.reason == "no_data" for cell in shown)
    return (*few, "What was found held no data.") if empty else few
