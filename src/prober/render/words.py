"""The plain words for what the nouns say in one: reasons and their remedies, outcomes, who acts, environments."""

from collections.abc import Mapping, Sequence
from typing import Literal

from prober.nouns.evidence import Exchange, Timings, Transport
from prober.nouns.finding import CellResult, EvidenceClass, Finding, Outcome, Reason
from prober.nouns.model import Attested, Availability, Criterion, Latency, NormStatus, Requirement, Rule, Series
from prober.nouns.polls import SampleKind
from prober.nouns.run import REASON_FOR_PERMIT, Ending, Permit, Run
from prober.nouns.scorecard import (
    AttestationLine,
    ConditionScore,
    Counts,
    CriterionScore,
    Gap,
    GateScore,
    GateState,
    Interval,
    LabelScore,
    NextSteps,
    RequirementScore,
    Step,
    SwapLine,
    Truth,
)
from prober.nouns.sheet import WhoActs

NEEDS_PERMIT: frozenset[Reason] = frozenset(REASON_FOR_PERMIT.values())

MEANING: Mapping[Reason, str] = {
    "unreachable": "The server could not be reached.",
    "timed_out": "No whole answer came in time.",
    "server_error": "The server answered with an error of its own (a 5xx status).",
    "rate_limited": "The server asked for fewer requests.",
    "unavailable": "The server said that it is unavailable for now.",
    "protected": "The server wants a login for this.",
    "denied": "The server refused this to the credentials that were given.",
    "address_refused": "A link led to an address that nobody named, so prober did not follow it.",
    "too_large": "The answer was larger than prober reads.",
    "unparseable": "An answer that this rests on could not be read as what it claims to be.",
    "job_unfinished": "The export job did not end while prober waited.",
    "masquerade": "Something else answered in the server's place, such as a login page under status 200.",
    "needs_authorization": "Needs somebody's authorization to ask.",
    "needs_credentials": "Needs a token.",
    "needs_patient_data": "Needs the permit to read data of test patients.",
    "needs_jobs": "Needs the permit to start an export job.",
    "needs_negative_auth": "Needs the permit to try tokens that are meant to be refused.",
    "needs_writes": "Needs the permit to write.",
    "budget": "The budget of requests did not reach so far.",
    "deadline": "The time for the run was over.",
    "untested_sample": "Not in the sample that was tried.",
    "no_data": "The server showed too little to tell.",
    "not_recorded": "The run folder holds no evidence for it.",
    "expired": "The evidence is too old to count.",
    "bug": "Prober itself failed here, which says nothing about the server.",
}

REMEDY: Mapping[Reason, str] = {
    "unreachable": "Check the address and the network in between, then run again.",
    "timed_out": "Run again at a quieter hour, or ask the operator why the answer takes so long.",
    "server_error": "The operator looks into the server's log at the cited request, then run again.",
    "rate_limited": "Run again later, or agree with the operator on a higher rate.",
    "unavailable": "Run again when the server is back.",
    "protected": "Give a token with --bearer-env NAME.",
    "denied": "Ask the operator for a token with the scope or role that is missing.",
    "address_refused": "If the address is the provider's own, name its host under allow_hosts in the provider file.",
    "too_large": "Ask the operator whether an answer of this size is meant.",
    "unparseable": "Mend the answer that is cited, then run again.",
    "job_unfinished": "Run again with a longer --deadline SECONDS, or with a smaller Group.",
    "masquerade": "Name the address behind the login page or proxy, or give a token with --bearer-env NAME.",
    "needs_authorization": (
        'Give --authorization FILE, or for a public test server --authorized-by "NAME, ROLE, WHY".'
    ),
    "needs_credentials": "Give a token with --bearer-env NAME.",
    "needs_patient_data": (
        "Name test patients in the provider file and give --authorization FILE that covers patient_data; "
        "for synthetic data say --sandbox."
    ),
    "needs_jobs": "Give --authorization FILE that covers jobs; for synthetic data say --sandbox.",
    "needs_negative_auth": "Give --permit negative_auth; the authorization must cover it as well.",
    "needs_writes": "On a declared sandbox, set `writes: true` in the provider file and give --permit writes.",
    "budget": "Give a larger --budget N, or --depth full.",
    "deadline": "Give a longer --deadline SECONDS.",
    "untested_sample": "The finding states the sample. That of reads and searches grows with --budget N.",
    "no_data": (
        "Each finding says what was missing, such as a CapabilityStatement, a fuller list, "
        "or a test patient with such data."
    ),
    "not_recorded": "Run again with this version of prober.",
    "expired": "Give newer evidence.",
    "bug": "Please report it to the project.",
}

FATE: Mapping[Outcome, str] = {
    "present": "shown",
    "absent": "refuted",
    "not_applicable": "not applicable",
    "unknown": "not tested",
}
CELL: Mapping[CellResult, str] = {
    "shown": "shown",
    "refuted": "refuted",
    "untested": "not tested",
    "undeclared_works": "works, though not declared",
}
FOUND_NOTHING = "It found no record, so what it would hold is unknown."
TRUTH: Mapping[Truth, str] = {"true": "yes", "false": "no", "unknown": "unknown", "not_applicable": "not applicable"}
WHO: Mapping[WhoActs, str] = {
    "provider": "the provider",
    "vendor": "the vendor of the server",
    "network": "the network",
}
PERMIT: Mapping[Permit, str] = {
    "active": "ask beyond public discovery",
    "credentials": "use a token",
    "patient_data": "read data of test patients",
    "jobs": "start an export job",
    "negative_auth": "try tokens that are meant to be refused",
    "writes": "write",
}
GATE: Mapping[GateState, str] = {
    "confirmed": "confirmed, seen again",
    "suspected": "suspected, seen once",
    "would_apply": "would apply on production",
    "untested": "not tested",
    "clean": "tested, nothing seen",
    "not_applicable": "not applicable",
}
ENDING: Mapping[Ending, str] = {
    "complete": "Every observation that was allowed had its turn.",
    "deadline": "The run ended at its deadline.",
    "budget": "The run ended when its budget of requests was spent.",
    "interrupted": "The run was interrupted; what was seen until then counts.",
    "failed": "The run ended early because prober failed.",
}
NOT_ENDED = "The run did not end by itself; what was seen until then counts."
ENVIRONMENT: Mapping[str, str] = {
    "production": "Production.",
    "sandbox": "Sandbox: the data are synthetic, and nothing here is to be compared with production.",
    "reference": "Sandbox: a reference server with synthetic data, and nothing here is to be compared with production.",
    "undeclared": "Undeclared: nobody said whether this is production or a sandbox.",
}
KNOWLEDGE: Mapping[str, str] = {
    "probed": "probed",
    "attested": "attested by a document",
    "declared_only": "declared only",
    "unknown": "unknown",
}
BESIDES: Mapping[str, str] = {
    "outside_sample": "outside the sample",
    "not_permitted": "not permitted",
    "not_applicable": "not applicable",
}
"""What is counted but is not part of what was asked."""
PACE: Mapping[str, str] = {
    "polite": "polite: at most one request per second and two at a time for each host",
    "sandbox": "sandbox: at most eight requests at a time",
}
BASIS: Mapping[str, str] = {
    "declared": "what the server declares of itself",
    "demonstrated": "what the server was seen to do",
    "attested": "what a document says",
}
STRENGTH: Mapping[str, str] = {
    "MUST": "MUST",
    "SHOULD": "SHOULD",
    "MAY": "MAY",
    "ours": "our own expectation, in no specification",
}
CLASS: Mapping[EvidenceClass, str] = {
    "E0": "the bare word of the provider",
    "E1": "a policy, contract or screenshot of the provider's own",
    "E2": "an operational record of the provider's own",
    "E3": "signed by, or fetched from, somebody other than the provider",
    "E4": "what prober saw itself",
}
NORM: Mapping[NormStatus, str] = {
    "blog": "a blog post",
    "published": "a published guide or standard, no law by itself",
    "in_force": "in force",
    "final": "final, and binding only from a later day",
    "proposed": "proposed",
    "expired": "expired",
    "ours": "this project's own choice",
}
ROW: Mapping[str, str] = {
    "X": "what prober saw itself",
    "A": "a series of availability or latency, from its last day",
    "Y": "published yearly figures, from the end of their period",
    "V": "operational volumes and logs, from the end of their period",
    "D": "charters, policies and catalogues, from their last review",
    "M": "minutes, reviews and audit reports",
    "R": "letters of a registry, network or partner",
    "S": "security assessments and penetration tests",
    "Z": "certificates, through their own last day",
    "L": "product listings and directory entries",
    "T": "results of a test suite",
    "P": "public pages that a person read",
}
"""The kinds of evidence that grow old at a pace of their own, by the letter of their row in the rule book."""
ATTESTATION: Mapping[Literal["counts", "expired", "superseded", "rejected", "unused"], str] = {
    "counts": "counting",
    "expired": "expired",
    "superseded": "superseded by a newer one",
    "rejected": "not counting",
    "unused": "of no effect here",
}
AGE_UNKNOWN = "age unknown"
DOCUMENT = "Document"
CONFLICTS = "What was seen and what was attested do not agree"
WHAT_GATES_ARE = "A gate says that a fault is grave enough to hold the label down. It changes no level."
WHAT_ATTESTATIONS_ARE = (
    "What people stated with documents. A document that nobody but the provider has looked at reads as not inspected."
)
UNTESTED_GATE = "An untested gate is not passed."
FIRING = ("confirmed", "suspected", "would_apply")
CORE_LEFT_OUT = "Core criteria that do not apply"
PROFILE_FIXES = "To fix next, by the capability profile"
STEPS_IN_FULL = 3
SOONEST = 5
IF_ALL_APPLY = "With the core criteria that do not apply counted as if they did, it would be: {label}."
LEADS = "Where the provider stands in the proposal"
FOLLOWS = "What more a provider would have to show"
NO_LABEL = "This rule book gives no label."
WHAT_THE_WORDS_MEAN = (
    "Shown: the server did it. Refuted: prober looked for it as the specification says and did not find it so; a "
    "server that was not made for something is refuted there as well, and that alone is no fault. "
    "Not tested: unknown, which counts neither for nor against the server."
)


def fate(outcome: Outcome, reason: Reason | None) -> str:
    """What became of a finding, in the words of the counts."""
    return "not permitted" if outcome == "unknown" and reason in NEEDS_PERMIT else FATE[outcome]


def fate_of(finding: Finding) -> str:
    """The same for a finding."""
    return fate(finding.verdict.outcome, finding.verdict.reason)


def number(count: int, thing: str, things: str = "") -> str:
    """`1 request`, `2 requests`."""
    return f"{count} {thing if count == 1 else things or thing + 's'}"


def besides(counts: Counts) -> tuple[str, ...]:
    """The names of the counts beside what was asked that are not zero."""
    return tuple(name for name in BESIDES if getattr(counts, name))


def requests(run: Run) -> str:
    """How much of the budget was used."""
    if run.done is None:
        return f"An unknown number of a budget of {run.plan.budget}."
    return f"{run.done.requests} of a budget of {run.plan.budget}."


def time(run: Run) -> str:
    """From when to when a run asked."""
    return f"{run.started} to {run.ended or 'an unknown end'}"


def ending(run: Run) -> str:
    """How the run ended."""
    return ENDING[run.done.ending] if run.done else NOT_ENDED


def permits(granted: tuple[Permit, ...]) -> str:
    """What a run was permitted."""
    return f"{listed(tuple(PERMIT[one] for one in granted), 'none; only public discovery documents were read')}."


def listed(names: Sequence[str], none: str = "none") -> str:
    """Names with commas between them."""
    return ", ".join(names) or none


def milliseconds(microseconds: int) -> str:
    """Integer microseconds as milliseconds with one decimal place, cut and not rounded."""
    return f"{microseconds // 1000}.{microseconds % 1000 // 100} ms"


def answer_of(exchange: Exchange) -> str:
    """What came back, in two words: `status 404` or the kind of failure."""
    if exchange.status is not None:
        return f"status {exchange.status}"
    return exchange.failure.kind.replace("_", " ") if exchange.failure else "no answer"


def gap_sentence(gap: Gap) -> str:
    """Declared against shown, in one or two sentences of counts."""
    if not gap.declared and not gap.undeclared_works:
        return "No single claim of the server was put to the test."
    said = (
        f"Of {number(gap.declared, 'declared claim')}: {gap.tested - gap.refuted} shown, "
        f"{gap.refuted} refuted, {gap.untested} not tested."
    )
    return f"{said} Besides, {gap.undeclared_works} worked without being declared." if gap.undeclared_works else said


NARROW = 5
"""Points: in an interval as narrow as this a single figure says what there is to say."""


def interval(points: Interval | None) -> str:
    """Points as `20-85`; as `about 62 (60-64)` where they are nearly one figure, and as it where they are."""
    if points is None:
        return "n/a"
    if points.low == points.high:
        return str(points.low)
    ends = f"{points.low}-{points.high}"
    narrow = points.high - points.low <= NARROW
    return f"about {(points.low + points.high) // 2} ({ends})" if narrow else ends


def sensitivity(equal: Interval | None) -> str:
    """How far the total hangs on the weights of the blocks; empty where it was not worked out."""
    if equal is None:
        return ""
    return f"With every block weighing the same: {interval(equal)}. No label rests on the weights of the blocks."


def blocks(label: LabelScore) -> str:
    """The heading of what stands between the label and the one above it."""
    return f"What blocks the label above, {label.next}"


HIGHEST = "There is no label above this one"
WHY_NOT = "Why the label above cannot be reached now"


def at_most(label: LabelScore) -> str:
    """How far the label could rise."""
    return f"If everything unknown turned out well: at most {label.at_most}."


def swap(one: SwapLine) -> str:
    """What was not asked for, and what was instead."""
    return f"Not asked for here: {one.norm}. Asked for instead: {one.instead}."


def more_swaps(count: int) -> str:
    """That there are more of them than were told."""
    are = "is" if count == 1 else "are"
    return f"There {are} {number(count, 'more norm')} like that; the report names all of them."


def lacking(one: ConditionScore, most: int) -> str:
    """The criteria, workflows or gates that a condition lacks, at most so many of them by name."""
    if not one.lacking:
        return ""
    more = len(one.lacking) - most
    return f"{listed(one.lacking[:most])}{f' and {more} more' if more > 0 else ''}"


def inspected(line: AttestationLine) -> str:
    """Who inspected a document, or that nobody did."""
    return f"inspected by {line.inspected}" if line.inspected else "not inspected"


def short_digest(line: AttestationLine) -> str:
    """The first twelve digits of the SHA-256 of a document; a dash where there is none."""
    return line.sha256[:12] if line.sha256 else "-"


def became(line: AttestationLine) -> str:
    """What became of an attestation, how fresh it is where that says more, and why."""
    return f"{ATTESTATION[line.state]}{freshness(line)}. {line.why}".rstrip()


def freshness(line: AttestationLine) -> str:
    """How fresh a document is, to stand behind its state; empty where that says nothing more."""
    return f", {line.freshness}" if line.freshness and line.freshness != line.state else ""


def last_seen(gate: GateScore) -> str:
    """When a gate was last seen to fire; empty if it never was."""
    return f"Last seen {gate.last_seen}." if gate.last_seen else ""


def attested(gate: GateScore) -> str:
    """Which attestations a gate rests on; empty if on none."""
    return f"Attested by {listed(gate.attestations)}." if gate.attestations else ""


def cap(gate: GateScore) -> str:
    """The label that a gate allows at most while it is confirmed."""
    return f"at most {gate.cap} while confirmed" if gate.cap else ""


def floor(level: int | None) -> str:
    """The level that all core criteria of a block surely reach. Level 0 is no level, and not a verdict: it says so."""
    if level is None:
        return "n/a"
    return f"L{level}" if level else "not shown"


def coverage_text(coverage: dict[str, int]) -> str:
    """The shares of what is known, in percent."""
    return ", ".join(f"{coverage[kind]} % {text}" for kind, text in KNOWLEDGE.items() if kind in coverage)


def span(level: Interval | None) -> str:
    """A level as the interval that it is; empty where nothing applies."""
    if level is None:
        return ""
    if level.low == level.high:
        return f"level {level.low}"
    return f"level {level.low} to {level.high}"


def held(score: CriterionScore) -> str:
    """A precondition: held, not held, or not shown."""
    if score.level is None or score.state == "?":
        return "not shown"
    return "held" if score.level.low >= 3 else "not held" if score.level.high == 0 else "not shown"


def gates_tested(gates: Sequence[GateScore]) -> str:
    """How many gates this run could look at."""
    untested = sum(one.state == "untested" for one in gates)
    return f"{len(gates) - untested} of {len(gates)} were tested or do not apply. {UNTESTED_GATE}"


def kind_of(criterion: Criterion | CriterionScore) -> str:
    """What a criterion counts for: core, extension, precondition, or none of these."""
    if criterion.precondition:
        return "a precondition, which stands apart and counts for no points"
    if criterion.extension:
        return "an extension, which no label rests on"
    return "core" if criterion.core else "not core"


def decided_by(asked: Requirement, rule: Rule | None) -> str:
    """How a requirement is decided: by which probes and documents, or that nothing decides it yet."""
    waits = f" It waits for {asked.waits_for}." if asked.waits_for else ""
    if asked.how == "gap" or rule is None:
        return f"Nothing decides it yet: {(asked.missing or 'no probe yet').rstrip('.')}.{waits}"
    return f"{rule_text(rule)}.{waits}"


def rule_text(rule: Rule) -> str:
    """A rule in words, without its full stop."""
    if rule.is_ is not None:
        return f"{rule.is_.probe} is {FATE[rule.is_.outcome]}"
    if rule.share is not None:
        return f"at least {rule.share.at_least} of what {rule.share.probe} looks at is shown"
    if rule.series is not None:
        return f"{rule.series.probe} is {_nights(rule.series)}"
    if rule.availability is not None:
        return _availability(rule.availability)
    if rule.latency is not None:
        return _latency(rule.latency)
    if rule.attested is not None:
        return _document(rule.attested)
    if rule.all is not None:
        series = [one.series for one in rule.all if one.series is not None]
        if len(series) == len(rule.all) > 1 and len({_nights(one) for one in series}) == 1:
            return f"each of {listed(tuple(one.probe for one in series))} is {_nights(series[0])}"
        return "; and ".join(_inside(one) for one in rule.all)
    return "; or ".join(_inside(one) for one in rule.any or ())


def _nights(one: Series) -> str:
    spread = f", over at least {number(one.spread_days, 'day')}" if one.spread_days else ""
    return (
        f"{FATE[one.outcome]} in at least {one.at_least} of the last {one.nights} decided nights{spread}, "
        "and never failed twice in a row"
    )


def _availability(one: Availability) -> str:
    polls = f" and at least {number(one.polls, 'decided poll')}" if one.polls > 1 else ""
    goal = ""
    if one.at_least is not None:
        figure = "the lower Wilson bound of the share" if one.bound == "wilson" else "the share"
        goal = f", of which {figure} that found it up is at least {one.at_least}"
    minutes = one.maintenance_minutes_a_month
    left = (
        f"; maintenance announced in public 48 hours before is left out, at most {number(minutes, 'minute')} a month"
        if minutes
        else "; no maintenance is left out"
    )
    return f"polls of the last {number(one.days, 'day')}{polls}{goal}{left}"


SAMPLED: dict[SampleKind, str] = {
    "statement": "the CapabilityStatement",
    "read": "reads",
    "search": "searches",
    "smart": "the SMART configuration",
}
"""What a time to first byte was taken of."""


def _latency(one: Latency) -> str:
    what = (
        f"of {listed(tuple(SAMPLED[kind] for kind in one.kinds))}, each by itself," if one.kinds else "of all answers"
    )
    goal = f" with percentile {one.percentile} at most {seconds(one.at_most_us)}" if one.at_most_us is not None else ""
    samples = f", at least {number(one.samples, 'sample')}" if one.samples > 1 else ""
    spread = f", {one.each_hour} or more in each of {number(one.hours, 'hour')} of the day" if one.hours else ""
    return f"times to first byte {what} over the last {number(one.nights, 'night')}{goal}{samples}{spread}"


def seconds(microseconds: int) -> str:
    """A duration in seconds, with as many places as it needs."""
    whole, rest = divmod(microseconds, 1_000_000)
    places = f"{rest:06d}".rstrip("0")
    return number(whole, "second") if not places else f"{whole}.{places} seconds"


def _inside(rule: Rule) -> str:
    return f"({rule_text(rule)})" if rule.all is not None or rule.any is not None else rule_text(rule)


def _document(one: Attested) -> str:
    bounds = [f"{name.replace('_', ' ')} {value}" for name, value in one.values.items()]
    states = f" It states {listed(tuple(bounds))}." if bounds else ""
    letter = " A valid Stage 7 letter counts without these figures." if one.stage_letter and bounds else ""
    wins = " What a probe sees of the same fact wins over it." if one.same_fact else ""
    said = f"a document of class {either(one.classes)}: {one.document.rstrip('.')}.{states}{letter}{wins}"
    return said.removesuffix(".")


def either(names: Sequence[str]) -> str:
    """`E1, E2 or E3`."""
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def how_known(score: CriterionScore) -> str:
    """How the level that a criterion has is known, and by what class of evidence."""
    if score.evidence_class is None or score.knowledge == "unknown":
        return KNOWLEDGE[score.knowledge]
    return f"{KNOWLEDGE[score.knowledge]}, class {score.evidence_class} ({CLASS[score.evidence_class]})"


def trust(score: CriterionScore) -> str:
    """The confidence with every reason; empty where there is none."""
    return f"{score.confidence}. {' '.join(score.confidence_because)}".rstrip() if score.confidence else ""


def age(score: CriterionScore) -> str:
    """How fresh the evidence is, and through which day all of it counts; empty where there is none."""
    if score.freshness is None:
        return ""
    return f"{score.freshness}; all of it counts through {score.next_expiry}" if score.next_expiry else score.freshness


def marks(score: RequirementScore) -> str:
    """What sets a requirement apart: its attestations, that it was swapped, and that there is a conflict."""
    told = (
        f"; attested by {listed(score.attestations)}" if score.attestations else "",
        "; as it reads outside the country of its norm" if score.swapped else "",
        "; in conflict" if score.conflict else "",
    )
    return "".join(told)


CONFLICT = "What was seen and what was attested do not agree, or two documents do not."


def gain(step: Step) -> str:
    """What a step brings, and what it costs."""
    return f"{f'{step.gain} of weight' if step.gain else 'no weight'}, for {number(step.effort, 'unit')} of effort"


def steps_heading(steps: NextSteps) -> str:
    """What the steps lead to, and whether all the way."""
    if steps.target is None:
        return HIGHEST
    count = number(len(steps.steps), "step")
    if steps.reachable:
        return f"To reach the label {steps.target}: {count}"
    return f"Towards the label {steps.target}, which cannot be reached now: {count}"


UNITS = "A low effort is one unit, a medium one two, and a high one four."
ORDER = f"The steps are the fewest that do, and what gains most for its effort comes first. {UNITS}"


def timing(timings: Timings) -> str:
    """How long it took, with the phases that are known."""
    phases = [("first byte", timings.first_byte), ("connect", timings.connect), ("TLS", timings.tls)]
    told = [f"{name} {milliseconds(value)}" for name, value in phases if value is not None]
    return f"{milliseconds(timings.total)}{f' ({listed(tuple(told))})' if told else ''}"


def transport(transport: Transport) -> str:
    """The connection in a few"""
    parts = (transport.address, transport.http_version, transport.tls_version, transport.cipher)
    return ", ".join(part for part in parts if part)


def certificate(transport: Transport) -> str:
    """Whose certificate it was, by whom, until when."""
    issuer = transport.certificate_issuer or "an unnamed authority"
    return f"{transport.certificate_subject}, issued by {issuer}, valid until {transport.certificate_not_after}"


def body_kept(exchange: Exchange, most: int) -> str:
    """How much of a body is stored and shown."""
    size = len(exchange.content)
    kept = f"Body, {size} bytes" if size <= most else f"Body, the first {most} of {size} bytes"
    reduced = f", reduced in flight by {exchange.reduced}" if exchange.reduced else ""
    cut = ", cut off by prober at its limit" if exchange.truncated else ""
    return f"{kept}{reduced}{cut}."
