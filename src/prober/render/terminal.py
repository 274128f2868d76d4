"""What the terminal shows: the summary of a report, a plan before anything is asked, and what a probe is about."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from prober.nouns.run import AuthorizationNote, Environment, Permit, Plan, PlannedObservation
from prober.nouns.scorecard import Counts
from prober.nouns.sheet import Sheet
from prober.render import words
from prober.render.guide import criterion_text, next_text
from prober.render.lines import Lines, joined
from prober.render.report import Report, Subject
from prober.render.stands import proposal
from prober.render.view import FixView, Proof, Unknown, View
from prober.render.visible import visible

PLAIN_WIDTH = 100
MOST_CLAIMS = 5
COUNTED = ("asked", "shown", "refuted", "untested")
COLUMNS = {
    "untested": "not tested",
    "outside_sample": "unsampled",
    "not_permitted": "no permit",
    "not_applicable": "n/a",
}


class Asked(Protocol):
    """What is told of an observation."""

    @property
    def name(self) -> str: ...
    @property
    def asks(self) -> tuple[str, ...]: ...
    @property
    def requests(self) -> int: ...
    @property
    def permits(self) -> tuple[Permit, ...]: ...
    @property
    def summary(self) -> str: ...


def summary(report: Report, width: int) -> str:
    """The first page of a report as plain text, at most `width` columns where words and commands allow it."""
    view, lines = View(report), Lines(width)
    whom = [_whom(one, report.card.as_of, lines) for one in report.subjects]
    profile = [_headline(view, lines), _families(view, lines), _gap(view, lines), _fixes(view, lines)]
    unknown = [
        _unknown(view.unknowns, "What could not be tested, and what would resolve it", lines),
        _unknown(view.not_permitted, "What this run was not permitted to ask, and what would permit it", lines),
    ]
    stands = proposal(view, lines)
    return joined([*whom, *stands, *profile, *unknown] if view.leads else [*whom, *profile, *unknown, *stands], lines)


def plan_text(
    base: str, plan: Plan, environment: Environment, permits: Sequence[Permit], note: AuthorizationNote
) -> str:
    """What a run would ask at most, in the order in which the budget is allotted. Nothing was sent."""
    lines = Lines(PLAIN_WIDTH)
    granted = [one for one in plan.observations if one.granted]
    refused = [one for one in plan.observations if not one.granted]
    head = [
        *lines.text(f"Plan for {base}. Nothing has been sent."),
        *lines.pairs(
            [
                ("Environment", words.ENVIRONMENT[environment]),
                ("Authorization", note.statement),
                ("Permits", words.listed(tuple(permits), "none: public discovery only")),
                ("Depth", plan.depth),
                ("Requests", f"at most {plan.most_requests} of a budget of {plan.budget}"),
                ("Deadline", f"{plan.deadline_seconds} seconds"),
                ("Pace", words.PACE[plan.pace]),
            ]
        ),
    ]
    asked = [f"Asks ({words.number(len(granted), 'observation')})", *(_planned(granted, lines))]
    blocks = [head, asked]
    for reason in dict.fromkeys(one.refused_because for one in refused if one.refused_because):
        left_out = [one for one in refused if one.refused_because == reason]
        blocks.append(
            [
                f"Leaves out ({words.number(len(left_out), 'observation')})",
                *lines.text(f"{words.MEANING[reason]} {words.REMEDY[reason]}", indent=2),
                *_planned(left_out, lines),
            ]
        )
    return joined(blocks, lines)


def probe_list(probes: Iterable[tuple[str, str, Sheet]]) -> str:
    """The probes by family: id, question and catalogue entry. `probes` are (id, family, sheet)."""
    lines = Lines(PLAIN_WIDTH)
    by_family: dict[str, list[tuple[str, Sheet]]] = {}
    for id_, family, sheet in probes:
        by_family.setdefault(family, []).append((id_, sheet))
    longest = max((len(id_) for held in by_family.values() for id_, _ in held), default=0)
    blocks = []
    for family in sorted(by_family):
        rows = [
            lines.row(f"  {id_:<{longest}}  ", f"{sheet.title} ({sheet.catalogue})")
            for id_, sheet in sorted(by_family[family], key=lambda pair: pair[0])
        ]
        blocks.append([visible(family), *(line for row in rows for line in row)])
    count = sum(len(held) for held in by_family.values())
    blocks.append(
        lines.text(f"{words.number(count, 'probe')}. `prober explain ID` says what one of them asks and why.")
    )
    return joined(blocks, lines)


def explanation(id_: str, family: str, sheet: Sheet, observations: Iterable[Asked]) -> str:
    """What a probe asks, why, what it rests on, what counts, how to fix what is missing, and who acts."""
    lines = Lines(PLAIN_WIDTH)
    blocks = [
        lines.text(sheet.title),
        lines.pairs(
            [
                ("Probe", f"{id_} ({family}, {sheet.catalogue}, {sheet.lifecycle})"),
                ("Why", sheet.why),
                ("How", sheet.how),
                ("What counts", sheet.counts),
                ("If it is missing", sheet.risk),
                ("How to fix", f"{sheet.remediation.text} (Effort: {sheet.remediation.effort}.)"),
                ("Who acts", f"{words.WHO[sheet.who_acts]}"),
                ("Evidence", words.BASIS[sheet.basis]),
            ]
        ),
    ]
    rests = ["Rests on"]
    for one in sheet.citations:
        mark = ", not checked in the primary text" if one.unverified else ""
        rests += lines.text(
            f"{one.guide} {one.version}, {one.section} ({words.STRENGTH[one.strength]}{mark})", indent=2
        )
        rests += [f"    {visible(one.url)}"]
    blocks.append(rests)
    asks = ["Asks"]
    for seen in observations:
        needs = f"; needs the permit {words.listed(seen.permits)}" if seen.permits else ""
        most = words.number(seen.requests, "request")
        asks += lines.text(f"{seen.name}: {seen.summary} (at most {most}{needs})", indent=2)
        asks += [f"    {visible(template)}" for template in seen.asks]
    blocks.append(asks)
    return joined(blocks, lines)


def _whom(subject: Subject, as_of: str, lines: Lines) -> list[str]:
    run = subject.run
    pairs = [("FHIR base", run.subject)]
    if subject.facts.organisation:
        pairs.append(("Provider", subject.facts.organisation))
    pairs += [
        ("Environment", words.ENVIRONMENT[run.environment]),
        ("Authorization", run.authorization.statement),
        ("Permits", words.listed(run.permits, "none: public discovery only")),
        ("Requests", words.requests(run)),
        ("Time", words.time(run)),
    ]
    if run.done is None or run.done.ending != "complete":
        pairs.append(("Ended early", words.ending(run)))
    return lines.pairs([*pairs, ("As of", as_of)])


def _headline(view: View, lines: Lines) -> list[str]:
    profile = view.card.profile
    if profile is None:
        return lines.text("This scorecard holds no capability profile.")
    return [*(["The FHIR capability profile"] if view.leads else []), *lines.text(profile.headline)]


def _families(view: View, lines: Lines) -> list[str]:
    profile = view.card.profile
    if profile is None:
        return []
    names = (*COUNTED, *words.besides(profile.counts))
    head = ["", *(COLUMNS.get(name, name) for name in names)]
    rows = [[one.title, *_counted(one.counts, names)] for one in profile.families if _any(one.counts)]
    rows.append(["Together", *_counted(profile.counts, names)])
    return lines.table([head, *rows])


def _any(counts: Counts) -> bool:
    return bool(counts.asked or words.besides(counts))


def _counted(counts: Counts, names: Sequence[str]) -> list[str]:
    return [str(getattr(counts, name)) for name in names]


def _gap(view: View, lines: Lines) -> list[str]:
    if view.card.profile is None:
        return []
    block = lines.text(f"Declared and shown. {words.gap_sentence(view.card.profile.gap)}")
    for one in view.refuted_claims[:MOST_CLAIMS]:
        block += lines.row("  - ", f"{one.claim}{_where(one.proof)}")
    more = len(view.refuted_claims) - MOST_CLAIMS
    return [*block, f"  - and {more} more"] if more > 0 else block


def _fixes(view: View, lines: Lines) -> list[str]:
    if not view.fixes:
        return []
    block = [words.PROFILE_FIXES if view.leads else "To fix next"]
    for position, one in enumerate(view.fixes, 1):
        block += _one_fix(position, one, lines)
    return block


def _one_fix(position: int, one: FixView, lines: Lines) -> list[str]:
    block = lines.row(f"  {position}. ", one.fix.what)
    block += lines.text(f"To do: {one.fix.fix}", indent=5)
    block += lines.text(f"Who acts: {words.WHO[one.fix.who_acts]}. Effort: {one.fix.effort}.", indent=5)
    for proof in one.proofs[:1]:
        block += lines.text(f"Proof: {proof.request}, {proof.answer} (exchange {proof.exchange}).", indent=5)
    if one.fix.curl:
        block.append(f"     {visible(one.fix.curl)}")
    return block


def _where(proof: Proof | None) -> str:
    return f" ({proof.answer}, exchange {proof.exchange})" if proof else ""


def _unknown(unknowns: Sequence[Unknown], title: str, lines: Lines) -> list[str]:
    if not unknowns:
        return []
    widest = max(len(str(one.count)) for one in unknowns)
    rows = [lines.row(f"  {one.count:>{widest}}  ", f"{one.meaning} {one.remedy}") for one in unknowns]
    return [*lines.text(title), *(line for row in rows for line in row)]


def _planned(observations: Sequence[PlannedObservation], lines: Lines) -> list[str]:
    block = []
    for one in observations:
        permits = f", permit {words.listed(one.permits)}" if one.permits else ""
        block += lines.text(f"{one.observation}: at most {words.number(one.requests, 'request')}{permits}", indent=2)
        block += [f"      {visible(template)}" for template in one.asks]
    return block


__all__ = ["criterion_text", "explanation", "next_text", "plan_text", "probe_list", "summary"]
