"""The proposal in the Markdown report: its first page, the steps to the next label, and everything behind them."""

from prober.nouns.scorecard import CriterionScore, MaturityScore
from prober.render import words
from prober.render.markup import code, fenced, finding_links, links, plain, table
from prober.render.view import CriterionView, PartView, RequirementView, StepView, View
from prober.render.visible import visible

MOST_LACKING = 12


def first_page(view: View) -> list[str]:
    """Points, how much is known, and at the end the label with what blocks the next one."""
    maturity = view.card.maturity
    if maturity is None:
        return []
    rows = [
        (
            plain(one.title),
            words.interval(one.points),
            words.interval(one.extension_points),
            f"{one.known} of {one.applicable}",
            words.floor(one.floor),
        )
        for one in maturity.blocks
    ]
    rows.append(("**Together**", words.interval(maturity.points), "", "", ""))
    block = ["", f"> {plain(maturity.disclaimer)}"]
    block += table(("Block", "Points", "Extensions", "Known", "Floor"), rows)
    block += ["", f"Known of what counts: {words.coverage_text(maturity.coverage)}."]
    equal = words.sensitivity(maturity.points_equal_blocks)
    block += ["", equal] if equal else []
    return [*block, *_label(view), *_left_out(view)]


def next_steps(view: View) -> list[str]:
    """Every step to the next label: the first ones in full, the others in a table."""
    maturity = view.card.maturity
    if maturity is None or maturity.next is None:
        return []
    block = ["## The steps to the next label", "", f"{plain(words.steps_heading(maturity.next))}."]
    if view.steps:
        block += ["", words.ORDER]
    for position, one in enumerate(view.steps[: words.STEPS_IN_FULL], 1):
        block += ["", *_step(position, one)]
    others = [
        (
            str(position),
            plain(one.step.title),
            words.gain(one.step),
            "; ".join(plain(p.part.missing) for p in one.parts),
        )
        for position, one in enumerate(view.steps, 1)
        if position > words.STEPS_IN_FULL
    ]
    if others:
        block += ["", "### Further steps", *table(("Step", "What", "Gain", "What is missing"), others)]
    if view.why_not:
        block += ["", f"### {words.WHY_NOT}", ""]
        block += [f"- {plain(one)}" for one in view.why_not]
    return block


def details(view: View) -> list[str]:
    """Everything behind the first page: gates, conflicts, documents, what expires, and every criterion."""
    maturity = view.card.maturity
    if maturity is None:
        return []
    block = ["## The proposal in detail", "", f"> {plain(maturity.disclaimer)}"]
    if maturity.workflows:
        rows = [(plain(one.title), f"{plain(one.state)} {words.span(one.level)}") for one in maturity.workflows]
        block += ["", "### Workflows", *table(("Workflow", "Level"), rows)]
    block += [*_gates(view), *_conflicts(view), *_attestations(view), *_expiring(view), *_swaps(maturity)]
    if view.preconditions:
        block += ["", "### Preconditions", ""]
        block += [
            f"- {plain(one.score.title)}: {words.held(one.score)}. {plain(one.why)}" for one in view.preconditions
        ]
    for part in view.blocks:
        if part.criteria:
            block += ["", f"### {plain(part.score.title)}"]
            for one in part.criteria:
                block += ["", *_criterion(one, view)]
    return block


def _label(view: View) -> list[str]:
    block = ["", *(f"- {name}: {plain(text)}" for name, text in view.label_facts)]
    if not view.blocking or view.label is None:
        return block
    block += ["", f"{plain(words.blocks(view.label))}:", ""]
    for one in view.blocking:
        named = words.lacking(one, MOST_LACKING)
        block.append(f"- {plain(one.text)} Now: {plain(one.now)}{f' Lacking: {plain(named)}.' if named else ''}")
    return block


def _left_out(view: View) -> list[str]:
    if not view.core_left_out:
        return []
    told = [f"- {plain(one.title)} ({one.id}). {plain(one.not_applicable_because or '')}" for one in view.core_left_out]
    return ["", f"{words.CORE_LEFT_OUT}:", "", *told]


def _step(position: int, one: StepView) -> list[str]:
    lines = [
        f"### {position}. {plain(one.step.title)}",
        "",
        f"- Why: {plain(one.step.why)}",
        f"- Gain: {words.gain(one.step)}.",
    ]
    for part in one.parts:
        lines += ["", *_part(part)]
    return lines


def _part(one: PartView) -> list[str]:
    part = one.part
    lines = [
        f"**{plain(part.text)}** ({plain(part.requirement)})",
        "",
        f"- Seen: {plain(part.seen)}",
        f"- Missing: {plain(part.missing)}",
        f"- Who acts: {words.WHO[part.who_acts]}. Effort: {part.effort}.",
        f"- To do: {plain(part.fix)}",
    ]
    lines += [f"- What would resolve it: {words.MEANING[why]} {plain(words.REMEDY[why])}" for why in part.reasons]
    lines.append(f"- Rests on: {plain(part.citation)}")
    if one.proofs:
        lines.append(f"- Proof: {links(one.proofs)}")
    return [*lines, "", *fenced(visible(part.curl))] if part.curl else lines


def _gates(view: View) -> list[str]:
    if not view.gates:
        return []
    rows = [
        (
            f"{plain(one.score.title)} ({plain(one.score.id)})",
            one.state,
            plain(words.cap(one.score)),
            plain(" ".join(filter(None, (one.score.why, words.last_seen(one.score), words.attested(one.score))))),
            links(one.proofs),
        )
        for one in view.gates
    ]
    head = ["", "### Gates", "", f"{words.WHAT_GATES_ARE} {words.gates_tested([one.score for one in view.gates])}"]
    return [*head, *table(("Gate", "State", "Holds the label at", "Why", "Proof"), rows)]


def _conflicts(view: View) -> list[str]:
    if not view.conflicts:
        return []
    block = ["", f"### {words.CONFLICTS}", ""]
    for one in view.conflicts:
        block.append(f"- {plain(one.score.title)} ({plain(one.score.id)})")
        block += [
            f"  - {plain(line.id)}: {words.TRUTH[line.truth]}{plain(words.marks(line))}. {plain(line.why)}"
            for line in one.requirements
        ]
    return block


def _attestations(view: View) -> list[str]:
    if not view.attestations:
        return []
    rows = [
        (
            plain(one.line.id),
            plain(one.line.title),
            f"{one.line.kind}, {one.line.class_}",
            plain(one.line.issuer),
            code(one.line.sha256) if one.line.sha256 else "-",
            plain(words.inspected(one.line)),
            plain(words.became(one.line)),
            plain(one.line.last_day or ""),
            plain(words.listed(one.line.requirements)),
        )
        for one in view.attestations
    ]
    head = ("Id", "Document", "Kind and class", "Issuer", "SHA-256", "Inspected", "State", "Last day", "Requirements")
    return ["", "### Attestations", "", words.WHAT_ATTESTATIONS_ARE, *table(head, rows)]


def _expiring(view: View) -> list[str]:
    if not view.expiring:
        return []
    rows = [(plain(one.day), f"{plain(one.what)} ({plain(one.id)})", one.now) for one in view.expiring]
    return ["", "### What expires next", *table(("Last day", "Criterion or document", "Now"), rows)]


def _swaps(maturity: MaturityScore) -> list[str]:
    if not maturity.swaps:
        return []
    return ["", "### Norms of another country", "", *(f"- {plain(words.swap(one))}" for one in maturity.swaps)]


def _criterion(one: CriterionView, view: View) -> list[str]:
    score = one.score
    kind = ", core" if score.core else ", extension" if score.extension else ""
    lines = [f"#### {plain(score.title)} ({plain(score.id)}{kind})", ""]
    if not score.applies:
        return [*lines, f"Not applicable. {plain(one.why)}"]
    lines.append(f"{plain(score.state)}, {words.span(score.level)}. {plain(one.why)}")
    lines += ["", *_axes(score)]
    if score.next_step:
        lines += ["", f"Next step. {plain(score.next_step)}"]
    if not one.requirements:
        return lines
    return [*lines, *table(("Requirement", "Answer", "Why", "Proof"), (_row(item, view) for item in one.requirements))]


def _axes(score: CriterionScore) -> list[str]:
    lines = [f"- Known how: {words.how_known(score)}"]
    if score.confidence:
        lines.append(f"- Confidence: {plain(words.trust(score))}")
    if score.freshness:
        lines.append(f"- Freshness: {plain(words.age(score))}")
    if score.conflict:
        lines.append(f"- Conflict: {words.CONFLICT}")
    return [
        *lines,
        *(f"- Facet: {plain(one.title)}: {plain(one.state)}, {words.span(one.level)}" for one in score.facets),
    ]


def _row(item: RequirementView, view: View) -> tuple[str, str, str, str]:
    findings = f"Findings: {finding_links(item.findings, view)}" if item.findings else ""
    return (
        f"{plain(item.score.text)} ({plain(item.score.id)})",
        f"{item.answer}{plain(words.marks(item.score))}",
        plain(item.score.why),
        "; ".join(filter(None, (links(item.proofs), findings))),
    )
