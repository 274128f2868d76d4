"""The report as Markdown, for repositories and tickets: the same statements as on the HTML page."""

from collections.abc import Iterable, Sequence

from prober.nouns.evidence import Exchange
from prober.nouns.scorecard import Counts
from prober.render import words
from prober.render.disclaimer import DISCLAIMER, claims, disclaimed
from prober.render.markdown_stands import details, first_page, next_steps
from prober.render.markup import MOST_HEADER, code, fenced, finding_links, link, links, plain, table, where
from prober.render.report import Report, Subject
from prober.render.view import Evidence, FindingView, FixView, Shown, Unknown, View
from prober.render.visible import excerpt, shortened, visible

MOST_BODY = 1024
"""Bytes of a body that are shown."""
COUNTED = ("asked", "shown", "refuted", "untested")


def page(report: Report) -> str:
    """The report as Markdown, the same bytes for the same report."""
    view = View(report)
    profile = [_gap(view), _fixes(view)] if view.card.profile else []
    head = [_head(view), _short(view)]
    if view.leads:
        blocks = [*head, next_steps(view), _profile(view), *profile, details(view), _untested(view)]
    else:
        stands = [_follows(view), next_steps(view), details(view)] if view.card.maturity else []
        blocks = [*head, *profile, _untested(view), *stands]
    blocks += [_findings(view), _asked(view), *(_evidence(part, view) for part in view.evidence)]
    return "\n\n".join("\n".join(_guarded(block)) for block in blocks if block) + "\n"


def _follows(view: View) -> list[str]:
    return [f"## {words.FOLLOWS}", *first_page(view)]


def _profile(view: View) -> list[str]:
    return ["## The FHIR capability profile", *_headline(view)]


def _guarded(block: list[str]) -> list[str]:
    """A block with the disclaimer below its heading, if its words need it."""
    text = "\n".join(block).replace("\\", "")
    return [block[0], "", f"> {DISCLAIMER}", *block[1:]] if claims(text) and not disclaimed(text) else block


def _head(view: View) -> list[str]:
    return ["# FHIR capability report", "", *(f"**{plain(one.run.subject)}**" for one in view.report.subjects)]


def _short(view: View) -> list[str]:
    block = ["## In short"]
    for subject in view.report.subjects:
        block += ["", *_whom(subject, view)]
    block.append(f"- As of: {plain(view.card.as_of)}")
    return [*block, *(first_page(view) if view.leads else _headline(view))]


def _headline(view: View) -> list[str]:
    profile = view.card.profile
    if profile is None:
        return ["", "This scorecard holds no capability profile."]
    names = (*COUNTED, *words.besides(profile.counts))
    besides = [words.BESIDES[name].capitalize() for name in names[len(COUNTED) :]]
    head = ("Family", "Asked", "Shown", "Refuted", "Not tested", *besides)
    rows = [(plain(one.title), *_counts(one.counts, names)) for one in profile.families]
    rows.append(("**Together**", *_counts(profile.counts, names)))
    return ["", f"**{plain(profile.headline)}**", "", words.WHAT_THE_WORDS_MEAN, *table(head, rows)]


def _whom(subject: Subject, view: View) -> list[str]:
    run = subject.run
    lines = [f"- FHIR base: {plain(run.subject)}"] if view.several else []
    if subject.facts.organisation:
        lines.append(f"- Provider: {plain(subject.facts.organisation)}")
    lines += [
        f"- Environment: {words.ENVIRONMENT[run.environment]}",
        f"- Authorization: {plain(run.authorization.statement)}",
        f"- Permits: {words.permits(run.permits)}",
        f"- Requests: {words.requests(run)}",
        f"- Time: {plain(words.time(run))}",
    ]
    early = run.done is None or run.done.ending != "complete"
    return [*lines, f"- Ended early: {words.ending(run)}"] if early else lines


def _counts(counts: Counts, names: Sequence[str]) -> list[str]:
    return [str(getattr(counts, name)) for name in names]


def _gap(view: View) -> list[str]:
    profile = view.card.profile
    block = ["## Declared and shown", "", words.gap_sentence(profile.gap) if profile else ""]
    if view.refuted_claims:
        block += ["", "Declared, and not found so when it was tried:", ""]
        block += [f"- {plain(one.claim)}{f': {link(one.proof)}' if one.proof else ''}" for one in view.refuted_claims]
    return block


def _fixes(view: View) -> list[str]:
    block = [f"## {words.PROFILE_FIXES if view.leads else 'To fix next'}", ""]
    if not view.fixes:
        return [*block, "Nothing that was tried was refuted, so there is nothing to fix that this run could see."]
    block.append("What takes the least effort comes first. Nothing here says that anybody broke a rule.")
    for position, one in enumerate(view.fixes, 1):
        block += ["", *_fix(position, one)]
    return block


def _fix(position: int, one: FixView) -> list[str]:
    lines = [
        f"### {position}. {plain(one.question)}",
        "",
        f"- Seen: {plain(one.fix.what)}",
        f"- To do: {plain(one.fix.fix)}",
        f"- Who acts: {words.WHO[one.fix.who_acts]}. Effort: {one.fix.effort}.",
    ]
    if one.proofs:
        lines.append(f"- Proof: {links(one.proofs)}")
    return [*lines, "", *fenced(visible(one.fix.curl))] if one.fix.curl else lines


def _untested(view: View) -> list[str]:
    block = ["## What could not be tested, and what would resolve it"]
    block += _reasons(view.unknowns, view) if view.unknowns else ["", "Everything that was asked could be told."]
    block += ["", "### Not permitted"]
    none = ["", "Nothing was left out for want of a permit."]
    block += _reasons(view.not_permitted, view) if view.not_permitted else none
    block += ["", "### Not applicable"]
    if not view.not_applicable:
        return [*block, "", "Every question applied."]
    rows = [
        (f"[{plain(one.question)}](#{one.anchor}){where(one, view)}", plain(one.message)) for one in view.not_applicable
    ]
    return [*block, *table(("Question", "Why it does not apply"), rows)]


def _reasons(unknowns: Sequence[Unknown], view: View) -> list[str]:
    rows = [(str(one.count), one.meaning, plain(one.remedy), finding_links(one.findings, view)) for one in unknowns]
    return table(("Things", "Why", "What would resolve it", "Findings"), rows)


def _findings(view: View) -> list[str]:
    block = ["## Every finding"]
    for group in view.groups:
        block += ["", f"### {plain(group.title)}"]
        for one in group.findings:
            block += ["", *_finding(one, view)]
    return block


def _finding(one: FindingView, view: View) -> list[str]:
    lines = [
        f'<a id="{one.anchor}"></a>',
        "",
        f"**{one.fate.capitalize()}.** {plain(one.question)}{where(one, view)} {plain(one.message)}",
    ]
    if one.reason:
        lines += ["", f"What would resolve it: {plain(words.REMEDY[one.reason])}"]
    if one.proofs:
        lines += ["", f"Seen in: {links(one.proofs)}"]
    if one.sheet:
        rests = "; ".join(f"{item.guide} {item.version}, {item.section}" for item in one.sheet.citations)
        lines += ["", f"Rests on: {plain(rests)}"]
    if one.cells:
        rows = [
            (
                plain(cell.claim),
                "yes" if cell.declared else "no",
                f"{cell.result}{f'. {cell.why}' if cell.why else ''}",
                link(cell.proof) if cell.proof else "",
            )
            for cell in one.cells
        ]
        lines += table(("Claim", "Declared", "Result", "Proof"), rows)
    return lines


def _asked(view: View) -> list[str]:
    block = ["## How it was asked"]
    for subject in view.report.subjects:
        run = subject.run
        block += ["", *([f"### {plain(run.subject)}", ""] if view.several else [])]
        block += [
            f"- Run: {plain(run.id)}, {plain(run.started)} to {plain(run.ended or 'an unknown end')}",
            f"- Requests: {words.requests(run)} The plan allowed at most {run.plan.most_requests}.",
            f"- End: {words.ending(run)}",
            f"- Depth and pace: {run.plan.depth}; {words.PACE[run.plan.pace]}; "
            f"deadline {run.plan.deadline_seconds} seconds",
            f"- Made with: prober {plain(run.tool.prober)}, Python {plain(run.tool.python)}, "
            f"httpx {plain(run.tool.httpx)}, {plain(run.tool.openssl)}, {plain(run.tool.platform)}",
        ]
        if run.parent:
            block.append(f"- Judged again from: {plain(run.parent)}")
        left = view.not_done(subject)
        if left:
            rows = [(code(one.planned.observation), str(one.planned.requests), one.why) for one in left]
            block += ["", "Planned, and not done:", *table(("Observation", "Requests", "Why not"), rows)]
        else:
            block += ["", "Everything that was planned was done."]
    models = [
        (plain(model), plain(view.version_of(model)), code(digest))
        for model, digest in sorted(view.card.models.items())
    ]
    return [*block, *table(("Model", "Version", "SHA-256"), models)]


def _evidence(part: Evidence, view: View) -> list[str]:
    where = f" at {plain(part.subject.run.subject)}" if view.several else ""
    block = [
        f"## Evidence{where}",
        "",
        "Everything here was redacted before it was written to disk. Long bodies are cut after 1 KB.",
    ]
    for one in part.cited:
        block += ["", *_exchange(one, view)]
    if part.others:
        rows = [
            (
                code(one.request),
                plain(words.answer_of(one.exchange)),
                code(one.exchange.observation),
                code(one.exchange.id),
            )
            for one in part.others
        ]
        block += [
            "",
            "### Exchanges that no finding cites",
            *table(("Request", "Answer", "Asked by", "Exchange"), rows),
        ]
    return block


def _exchange(one: Shown, view: View) -> list[str]:
    exchange = one.exchange
    lines = [
        f'<a id="{one.anchor}"></a>',
        "",
        f"### {plain(one.request)}: {plain(words.answer_of(exchange))}",
        "",
        f"- Exchange {code(exchange.id)}, asked by {code(exchange.observation)}"
        f"{f', {plain(exchange.label)}' if exchange.label else ''}",
    ]
    if exchange.started:
        lines.append(f"- Sent {plain(exchange.started)}, took {words.timing(exchange.timings)}")
    connection = words.transport(exchange.transport)
    if connection:
        lines.append(f"- Connection: {plain(connection)}")
    if exchange.transport.certificate_subject:
        lines.append(f"- Certificate: {plain(words.certificate(exchange.transport))}")
    if exchange.failure:
        lines.append(f"- No answer: {plain(exchange.failure.message)}")
    if exchange.note:
        lines.append(f"- Note: {plain(exchange.note)}")
    lines.append(f"- Proves: {finding_links(one.cited_by, view)}")
    if exchange.content:
        link = f" [The whole stored body]({one.blob})" if one.blob else ""
        lines.append(f"- {words.body_kept(exchange, MOST_BODY)}{link}")
    return [*lines, "", *fenced(_dialogue(one, exchange))]


def _dialogue(one: Shown, exchange: Exchange) -> str:
    """Request and answer as they would stand on the wire, redacted."""
    lines = [visible(f"{exchange.method} {exchange.url}"), *_header_lines(exchange.request_headers)]
    if exchange.request_body:
        lines += ["", excerpt(exchange.request_body.encode("utf-8", "replace"), MOST_BODY)]
    if exchange.status is not None:
        lines += ["", str(exchange.status), *_header_lines(one.headers)]
    if exchange.content:
        lines += ["", excerpt(exchange.content, MOST_BODY)]
    return "\n".join(lines)


def _header_lines(headers: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{visible(name)}: {shortened(visible(value), MOST_HEADER)}" for name, value in headers]


__all__ = ["code", "fenced", "page", "plain"]
