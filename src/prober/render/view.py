"""What every report says, worked out once before it is laid out: statements with their proofs, in a fixed order."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote

from pydantic import ValidationError

from prober.nouns.evidence import Exchange
from prober.nouns.finding import Cell, Citation, Finding, Reason
from prober.nouns.run import PlannedObservation
from prober.nouns.scorecard import (
    AttestationLine,
    BlockScore,
    ConditionScore,
    CriterionScore,
    Fix,
    GateScore,
    LabelScore,
    RequirementScore,
    Step,
    StepPart,
)
from prober.nouns.sheet import Sheet
from prober.render import words
from prober.render.report import Report, Subject
from prober.render.visible import shortened, visible

MOST_PROOFS = 3
"""Proofs beside a statement; a finding names all of its citations in its own place."""
MOST_HEADERS = 24
MOST_LINK = 90
"""Characters of a request that name it."""
TELLING = frozenset(
    (
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "allow",
        "cache-control",
        "content-encoding",
        "content-length",
        "content-location",
        "content-type",
        "date",
        "etag",
        "expires",
        "last-modified",
        "link",
        "location",
        "retry-after",
        "server",
        "strict-transport-security",
        "transfer-encoding",
        "vary",
        "www-authenticate",
        "x-powered-by",
        "x-progress",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-request-id",
    )
)
"""The headers of an answer that say something; any that a finding cites is shown as well."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Proof:
    """The way from a statement to an exchange. `anchor` is None where the run folder lacks that exchange."""

    anchor: str | None
    exchange: str
    pointer: str
    request: str
    answer: str


@dataclass(frozen=True)
class CellView:
    """One cell of a matrix finding."""

    claim: str
    declared: bool
    result: str
    reason: Reason | None
    proof: Proof | None
    found_nothing: bool = False

    @property
    def why(self) -> str:
        """Why it could not be tested, or how little was shown; empty if it was shown or refuted for good."""
        if self.found_nothing:
            return words.FOUND_NOTHING
        return words.MEANING[self.reason] if self.reason else ""


@dataclass(frozen=True)
class FindingView:
    """One finding as it is shown."""

    anchor: str
    probe: str
    question: str
    subject: str
    fate: str
    message: str
    reason: Reason | None
    basis: str
    evidence_class: str
    proofs: tuple[Proof, ...]
    cells: tuple[CellView, ...]
    sheet: Sheet | None


@dataclass(frozen=True)
class Group:
    """The findings of one family."""

    title: str
    findings: tuple[FindingView, ...]


@dataclass(frozen=True)
class FixView:
    """One thing to fix next."""

    fix: Fix
    question: str
    finding: str | None
    proofs: tuple[Proof, ...]


@dataclass(frozen=True)
class RefutedClaim:
    """A claim that was declared and not found so."""

    claim: str
    proof: Proof | None


@dataclass(frozen=True)
class Unknown:
    """A reason why something stayed unknown, how often, what would resolve it, and where it is said."""

    reason: Reason
    count: int
    meaning: str
    remedy: str
    findings: tuple[FindingView, ...]


@dataclass(frozen=True)
class RequirementView:
    """One requirement with its proofs and the findings that decided it."""

    score: RequirementScore
    level: str
    answer: str
    findings: tuple[FindingView, ...]
    proofs: tuple[Proof, ...]


@dataclass(frozen=True)
class CriterionView:
    """One criterion with one sentence why it stands where it stands."""

    score: CriterionScore
    why: str
    proofs: tuple[Proof, ...]
    requirements: tuple[RequirementView, ...]


@dataclass(frozen=True)
class PartView:
    """One requirement of a step with the findings and the proofs of what was seen."""

    part: StepPart
    findings: tuple[FindingView, ...]
    proofs: tuple[Proof, ...]


@dataclass(frozen=True)
class StepView:
    """One step to the next label."""

    step: Step
    parts: tuple[PartView, ...]


@dataclass(frozen=True)
class AttestationView:
    """One attestation; `anchor` is where its row stands."""

    anchor: str
    line: AttestationLine


@dataclass(frozen=True)
class Expiry:
    """The last day of one document, or of what the level of one criterion rests on; `anchor` may be empty."""

    day: str
    what: str
    id: str
    now: str
    anchor: str


@dataclass(frozen=True)
class ConflictView:
    """A criterion of which two pieces of evidence say different things, and the requirements where they do."""

    score: CriterionScore
    requirements: tuple[RequirementScore, ...]


@dataclass(frozen=True)
class BlockView:
    """One block with its criteria; preconditions stand apart."""

    score: BlockScore
    criteria: tuple[CriterionView, ...]


@dataclass(frozen=True)
class GateView:
    """One gate with the proofs of its state."""

    score: GateScore
    state: str
    proofs: tuple[Proof, ...]


@dataclass(frozen=True)
class NotDone:
    """An observation that was planned and not begun, or refused beforehand."""

    planned: PlannedObservation
    why: str


@dataclass(frozen=True)
class Shown:
    """An exchange of the appendix. `request` is its method and URL, cut to a readable length."""

    anchor: str
    request: str
    exchange: Exchange
    headers: tuple[tuple[str, str], ...]
    more_headers: int
    blob: str | None
    cited_by: tuple[FindingView, ...]


@dataclass(frozen=True)
class Evidence:
    """The exchanges of one run: those that a statement cites, and the others."""

    subject: Subject
    cited: tuple[Shown, ...]
    others: tuple[Shown, ...]


class View:
    """A report's statements. Everything is sorted, and nothing but the report is read."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.card = report.card
        self._several = len(report.subjects) > 1
        production = [index for index, one in enumerate(report.subjects) if one.run.environment == "production"]
        self._deciding = frozenset(production or range(len(report.subjects)))

    @property
    def several(self) -> bool:
        """Whether more than one base was looked at."""
        return self._several

    @cached_property
    def findings(self) -> tuple[tuple[int, FindingView], ...]:
        """Every finding with the number of its run, by question within a run's order."""
        found = [
            (index, self._finding(index, finding))
            for index, subject in enumerate(self.report.subjects)
            for finding in subject.findings
        ]
        return tuple(sorted(found, key=lambda pair: (pair[1].probe, pair[0])))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The findings by family of the profile; those of no family last."""
        families = self.card.profile.families if self.card.profile else ()
        listed = {probe for family in families for probe in family.probes}
        groups = [
            Group(
                family.title,
                tuple(one for probe in family.probes for _, one in self.findings if one.probe == probe),
            )
            for family in families
        ]
        rest = tuple(one for _, one in self.findings if one.probe not in listed)
        groups.append(Group("Others" if families else "All findings", rest))
        return tuple(group for group in groups if group.findings)

    @cached_property
    def fixes(self) -> tuple[FixView, ...]:
        """The fixes of the profile with the proofs of what was seen."""
        return tuple(self._fix(one) for one in (self.card.profile.fixes if self.card.profile else ()))

    @cached_property
    def refuted_claims(self) -> tuple[RefutedClaim, ...]:
        """The refuted claims of the profile's gap, each with the exchange that showed it."""
        proofs: dict[str, Proof | None] = {}
        for index, finding in self.findings:
            if index in self._deciding:
                for cell in finding.cells:
                    if cell.declared and cell.result == words.CELL["refuted"]:
                        where = f"{cell.claim} at {finding.subject}" if len(self._deciding) > 1 else cell.claim
                        proofs[where] = proofs.get(where) or cell.proof
        claims = self.card.profile.gap.refuted_claims if self.card.profile else ()
        return tuple(RefutedClaim(claim, proofs.get(claim)) for claim in claims)

    @cached_property
    def unknowns(self) -> tuple[Unknown, ...]:
        """What could not be tested, by reason, the most frequent first; without what needs a permit."""
        return tuple(one for one in self._unknowns if one.reason not in words.NEEDS_PERMIT)

    @cached_property
    def not_permitted(self) -> tuple[Unknown, ...]:
        """What this run had no permit to find out, by permit."""
        return tuple(one for one in self._unknowns if one.reason in words.NEEDS_PERMIT)

    @cached_property
    def not_applicable(self) -> tuple[FindingView, ...]:
        """The findings whose precondition was not declared."""
        return tuple(one for _, one in self.findings if one.fate == words.FATE["not_applicable"])

    @property
    def leads(self) -> bool:
        """Whether the proposal leads the first page: where a provider file says whose endpoints these are."""
        return self.card.maturity is not None and any(one.facts.declared for one in self.report.subjects)

    @property
    def label(self) -> LabelScore | None:
        """The headline label."""
        return self.card.maturity.label if self.card.maturity else None

    @cached_property
    def label_facts(self) -> tuple[tuple[str, str], ...]:
        """All that is said of the label, by name; what blocks the label above it stands apart."""
        label = self.label
        if label is None:
            return (("Label", words.NO_LABEL),)
        facts = [("Label", f"{label.shown}. {label.meaning}"), ("At most", words.at_most(label))]
        if label.next is None:
            facts.append(("Above it", f"{words.HIGHEST}."))
        if label.capped_by:
            titles = {one.score.id: one.score.title for one in self.gates}
            named = [f"{id_} ({titles[id_]})" if id_ in titles else id_ for id_ in label.capped_by]
            otherwise = f" Otherwise it would be: {label.uncapped}." if label.uncapped else ""
            facts.append(("Held down by", f"{words.listed(named)}.{otherwise}"))
        if label.if_all_apply:
            facts.append(("If all applied", words.IF_ALL_APPLY.format(label=label.if_all_apply)))
        if label.withheld_because:
            facts.append(("Not public", f"No public rendering may show this label. {label.withheld_because}"))
        return tuple(facts)

    @property
    def blocking(self) -> tuple[ConditionScore, ...]:
        """What the label above lacks."""
        return self.label.blocking if self.label else ()

    @property
    def core_left_out(self) -> tuple[CriterionScore, ...]:
        """The core criteria that do not apply: each is told on the first page."""
        return tuple(one for one in self._criteria if one.core and not one.applies)

    @cached_property
    def steps(self) -> tuple[StepView, ...]:
        """The steps to the label above, with their proofs."""
        following = self.card.maturity.next if self.card.maturity else None
        return tuple(StepView(one, tuple(map(self._part, one.parts))) for one in (following.steps if following else ()))

    @property
    def why_not(self) -> tuple[str, ...]:
        """Why the label above cannot be reached now."""
        following = self.card.maturity.next if self.card.maturity else None
        return following.why_not if following else ()

    @cached_property
    def attestations(self) -> tuple[AttestationView, ...]:
        """The attestations, those that count first."""
        lines = self.card.maturity.attestations if self.card.maturity else ()
        order = list(words.ATTESTATION)
        ordered = sorted(lines, key=lambda one: (order.index(one.state), one.id))
        return tuple(AttestationView(self.attestation_anchor(one.id), one) for one in ordered)

    @property
    def expiring(self) -> tuple[Expiry, ...]:
        """The last days of the documents that count and of the evidence behind the criteria, the soonest first."""
        dated = [
            Expiry(one.next_expiry, one.title, one.id, one.freshness or words.AGE_UNKNOWN, self.place_of(one.id))
            for one in self._criteria
            if one.next_expiry
        ]
        dated += [
            Expiry(
                one.line.last_day,
                f"{words.DOCUMENT}: {one.line.title}",
                one.line.id,
                one.line.freshness or words.AGE_UNKNOWN,
                one.anchor,
            )
            for one in self.attestations
            if one.line.last_day and one.line.state == "counts"
        ]
        return tuple(sorted(dated, key=lambda one: (one.day, one.id, one.what)))

    @property
    def conflicts(self) -> tuple[ConflictView, ...]:
        """What was seen and what was attested, where they do not agree."""
        found = [ConflictView(one, tuple(line for line in one.requirements if line.conflict)) for one in self._criteria]
        return tuple(one for one in found if one.requirements or one.score.conflict)

    @cached_property
    def preconditions(self) -> tuple[CriterionView, ...]:
        """The preconditions of the rule book, which stand apart."""
        return tuple(self._criterion(one) for one in self._criteria if one.precondition)

    @cached_property
    def blocks(self) -> tuple[BlockView, ...]:
        """The blocks of the rule book with their criteria."""
        maturity = self.card.maturity
        return tuple(
            BlockView(
                block,
                tuple(self._criterion(one) for one in self._criteria if one.block == block.id and not one.precondition),
            )
            for block in (maturity.blocks if maturity else ())
        )

    @cached_property
    def gates(self) -> tuple[GateView, ...]:
        """The gates, those that fire first; they count on any run."""
        everywhere = frozenset(range(len(self.report.subjects)))
        gates = self.card.maturity.gates if self.card.maturity else ()
        order = list(words.GATE)
        return tuple(
            GateView(one, words.GATE[one.state], self._proofs_of(one.findings, everywhere))
            for one in sorted(gates, key=lambda gate: order.index(gate.state))
        )

    @cached_property
    def evidence(self) -> tuple[Evidence, ...]:
        """The appendix, one part for each run."""
        return tuple(self._evidence(index, subject) for index, subject in enumerate(self.report.subjects))

    def not_done(self, subject: Subject) -> tuple[NotDone, ...]:
        """What was planned and not done in one run, in the order of the plan."""
        not_begun = subject.run.done.not_begun if subject.run.done else ()
        return tuple(
            NotDone(one, words.MEANING[one.refused_because or "deadline"])
            for one in subject.run.plan.observations
            if not one.granted or one.observation in not_begun
        )

    def version_of(self, model: str) -> str:
        """The version of a model of the scorecard; empty if it scored nothing."""
        scored = (self.card.profile, self.card.maturity)
        return next((one.version for one in scored if one and one.model == model), "")

    def anchor(self, index: int, exchange: str) -> str:
        """The anchor of an exchange of the run of this number."""
        return self._name("x", index, exchange)

    def attestation_anchor(self, id_: str) -> str:
        """The anchor of an attestation's row; empty if the scorecard lists no such attestation."""
        lines = self.card.maturity.attestations if self.card.maturity else ()
        return f"a-{_UNSAFE.sub('_', id_)}" if any(one.id == id_ for one in lines) else ""

    def place_of(self, id_: str) -> str:
        """The anchor of a criterion, workflow or gate of the proposal; empty if the page has no such place."""
        maturity = self.card.maturity
        if maturity is None:
            return ""
        blocks = {one.id for one in maturity.blocks}
        criteria = {one.id for one in maturity.criteria if one.precondition or one.block in blocks}
        places = {"c": criteria, "w": {one.id for one in maturity.workflows}, "g": {one.id for one in maturity.gates}}
        return next((f"{kind}-{id_}" for kind, ids in places.items() if id_ in ids), "")

    def _part(self, part: StepPart) -> PartView:
        findings = tuple(
            one for probe in part.findings for index, one in self._by_probe.get(probe, ()) if index in self._deciding
        )
        return PartView(part, findings, self._proofs_of(part.findings, self._deciding)[:MOST_PROOFS])

    def _name(self, kind: str, index: int, id_: str) -> str:
        return f"{kind}{index + 1 if self._several else ''}-{_UNSAFE.sub('_', id_)}"

    def _request(self, index: int, exchange: Exchange) -> str:
        """Method and URL, without the base where there is only one."""
        base, url = self.report.subjects[index].run.subject, exchange.url
        where = url[len(base) :] if url.startswith(f"{base}/") and not self._several else url
        return shortened(visible(f"{exchange.method} {where}"), MOST_LINK)

    @property
    def _criteria(self) -> tuple[CriterionScore, ...]:
        return self.card.maturity.criteria if self.card.maturity else ()

    @cached_property
    def _by_probe(self) -> Mapping[str, tuple[tuple[int, FindingView], ...]]:
        found: dict[str, list[tuple[int, FindingView]]] = {}
        for index, finding in self.findings:
            found.setdefault(finding.probe, []).append((index, finding))
        return {probe: tuple(pairs) for probe, pairs in found.items()}

    @cached_property
    def _unknowns(self) -> tuple[Unknown, ...]:
        counts: Counter[Reason] = Counter()
        places: dict[Reason, dict[str, FindingView]] = {}
        for _, finding in self.findings:
            for reason in _reasons_of(finding):
                counts[reason] += 1
                places.setdefault(reason, {})[finding.anchor] = finding
        counted = {**counts, **(self.card.profile.unknown_reasons if self.card.profile else {})}
        return tuple(
            Unknown(reason, count, words.MEANING[reason], words.REMEDY[reason], tuple(places.get(reason, {}).values()))
            for reason, count in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
        )

    def _finding(self, index: int, finding: Finding) -> FindingView:
        verdict, sheet = finding.verdict, self.report.sheets.get(finding.source.probe)
        return FindingView(
            anchor=self._name("f", index, finding.source.probe),
            probe=finding.source.probe,
            question=sheet.title if sheet else finding.source.probe,
            subject=finding.subject,
            fate=words.fate_of(finding),
            message=verdict.message,
            reason=verdict.reason,
            basis=finding.basis,
            evidence_class=finding.class_,
            proofs=self._citations(index, finding),
            cells=tuple(self._cell(index, one) for one in _cells(finding)),
            sheet=sheet,
        )

    def _citations(self, index: int, finding: Finding) -> tuple[Proof, ...]:
        """What the verdict cites; if it cites nothing, its first refuted cells, or what it rests on first."""
        cited = finding.verdict.citations
        if not cited:
            refuted = [one.exchange for one in _cells(finding) if one.result == "refuted" and one.exchange]
            cited = tuple(Citation(exchange=one) for one in (refuted or finding.evidence)[:MOST_PROOFS])
        return tuple(dict.fromkeys(self._proof(index, one) for one in cited))

    def _cell(self, index: int, cell: Cell) -> CellView:
        untested = cell.result == "untested"
        return CellView(
            claim=cell.claim,
            declared=cell.declared,
            result="not permitted" if untested and cell.reason in words.NEEDS_PERMIT else words.CELL[cell.result],
            reason=cell.reason if untested else None,
            proof=self._proof(index, Citation(exchange=cell.exchange)) if cell.exchange else None,
            found_nothing=cell.result in ("shown", "undeclared_works") and cell.reason == "no_data",
        )

    def _proof(self, index: int, citation: Citation) -> Proof:
        subject = self.report.subjects[index]
        exchange = subject.exchanges.get(citation.exchange)
        if exchange is None:
            return Proof(None, citation.exchange, citation.pointer, "", "not in this run folder")
        return Proof(
            self.anchor(index, citation.exchange),
            citation.exchange,
            citation.pointer,
            self._request(index, exchange),
            words.answer_of(exchange),
        )

    def _proofs_of(self, probes: Iterable[str], runs: frozenset[int]) -> tuple[Proof, ...]:
        """The first proof of each finding of these probes, each exchange once."""
        found: dict[str, Proof] = {}
        for probe in probes:
            for index, finding in self._by_probe.get(probe, ()):
                if index in runs:
                    for proof in finding.proofs[:1]:
                        found.setdefault(proof.anchor or proof.exchange, proof)
        return tuple(found.values())

    def _fix(self, fix: Fix) -> FixView:
        seen = [
            (index, one)
            for index, one in self._by_probe.get(fix.probe, ())
            if index in self._deciding and one.fate == words.FATE["absent"]
        ]
        sheet = self.report.sheets.get(fix.probe)
        return FixView(
            fix,
            sheet.title if sheet else fix.probe,
            seen[0][1].anchor if seen else None,
            tuple(dict.fromkeys(proof for _, one in seen for proof in one.proofs[:MOST_PROOFS])),
        )

    def _criterion(self, score: CriterionScore) -> CriterionView:
        requirements = tuple(self._requirement(one) for one in score.requirements)
        decisive = _decisive(score, requirements)
        return CriterionView(
            score=score,
            why=score.not_applicable_because
            or (decisive.score.why if decisive else "No requirement is left to judge."),
            proofs=decisive.proofs if decisive else (),
            requirements=requirements,
        )

    def _requirement(self, score: RequirementScore) -> RequirementView:
        findings = tuple(
            one for probe in score.findings for index, one in self._by_probe.get(probe, ()) if index in self._deciding
        )
        return RequirementView(
            score=score,
            level=_level_of(score),
            answer=words.TRUTH[score.truth],
            findings=findings,
            proofs=self._proofs_of(score.findings, self._deciding),
        )

    def _evidence(self, index: int, subject: Subject) -> Evidence:
        cited: dict[str, _Cited] = {}
        for number, finding in self.findings:
            if number == index:
                cells = [cell.proof for cell in finding.cells if cell.proof]
                for proof in [*finding.proofs, *cells]:
                    here = cited.setdefault(proof.exchange, _Cited())
                    here.findings[finding.anchor] = finding
                    if proof.pointer.startswith("#"):
                        here.headers.add(proof.pointer[1:].lower())
        ordered = sorted(subject.exchanges.values(), key=_order)
        return Evidence(
            subject,
            tuple(self._shown(index, one, cited[one.id]) for one in ordered if one.id in cited),
            tuple(self._shown(index, one, _Cited()) for one in ordered if one.id not in cited),
        )

    def _shown(self, index: int, exchange: Exchange, cited: "_Cited") -> Shown:
        telling = TELLING | cited.headers
        headers = tuple(pair for pair in exchange.headers if pair[0].lower() in telling)[:MOST_HEADERS]
        stored = exchange.body is not None and _DIGEST.fullmatch(exchange.body)
        return Shown(
            anchor=self.anchor(index, exchange.id),
            request=self._request(index, exchange),
            exchange=exchange,
            headers=headers,
            more_headers=len(exchange.headers) - len(headers),
            blob=f"{quote(self.report.subjects[index].place)}blobs/{exchange.body}" if stored else None,
            cited_by=tuple(cited.findings.values()),
        )


@dataclass
class _Cited:
    """Who cites an exchange, and which of its headers."""

    findings: dict[str, FindingView] = field(default_factory=dict)
    headers: set[str] = field(default_factory=set)


def _order(exchange: Exchange) -> tuple[object, ...]:
    return (exchange.observation, exchange.arguments, exchange.label, exchange.url, exchange.occurrence, exchange.id)


def _cells(finding: Finding) -> tuple[Cell, ...]:
    cells = finding.verdict.values.get("cells")
    if not isinstance(cells, list | tuple):
        return ()
    try:
        return tuple(Cell.model_validate(cell) for cell in cells)
    except ValidationError:
        return ()


def _reasons_of(finding: FindingView) -> tuple[Reason, ...]:
    """A reason for each thing that stayed unknown: the cells of a matrix, else the finding itself."""
    if finding.cells:
        return tuple(cell.reason for cell in finding.cells if cell.declared and cell.reason)
    return (finding.reason,) if finding.reason else ()


def _level_of(score: RequirementScore) -> str:
    return score.id.split("/")[1]


def _decisive(score: CriterionScore, requirements: tuple[RequirementView, ...]) -> RequirementView | None:
    """The requirement that holds the criterion where it is: of the next level a refuted one before an unknown one."""
    low = score.level.low if score.level else 0
    here = [one for one in requirements if one.level == f"L{min(low + 1, 4)}"]
    for truth in ("false", "unknown", "true"):
        for one in here:
            if one.score.truth == truth:
                return one
    return requirements[0] if requirements else None
