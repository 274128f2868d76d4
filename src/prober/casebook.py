"""A probe's proof: remembered servers, at most a few changes to each, and the outcome that must follow."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from prober.archive import RunFolder
from prober.handwriting import line_of
from prober.judge import judge
from prober.library import LoadedProbe, load_cases
from prober.mistake import BadFolder, Mistake
from prober.nouns.base import JSON, Noun
from prober.nouns.evidence import Exchange, Failure, Media
from prober.nouns.finding import Finding, Outcome, Reason
from prober.nouns.run import Permit
from prober.session.ask import Ask
from prober.session.observation import Observation
from prober.session.replay import Replay
from prober.session.session import Facts

_MEDIA: Mapping[str, Media] = {
    "application/json": "json",
    "application/fhir+json": "json",
    "application/fhir+ndjson": "ndjson",
    "application/fhir+xml": "xml",
    "application/xml": "xml",
    "text/html": "html",
}


class Change(Noun):
    """What a case changes in one answer. `body` is a JSON merge patch (RFC 7386), `text` replaces the body."""

    status: int | None = None
    headers: dict[str, str | None] = Field(default_factory=dict)
    body: JSON = None
    text: str | None = None
    failure: Reason | None = None
    tls: dict[str, JSON] = Field(default_factory=dict)

    @property
    def patches_body(self) -> bool:
        """True if `body` was given, even as null (which empties it)."""
        return "body" in self.model_fields_set


class Case(Noun):
    """One case. `change` maps ``[METHOD ]path[ @label]`` (path relative to the base, or a URL) to a change."""

    fixture: str
    expect: Outcome
    reason: Reason | None = None
    says: str | None = Field(default=None, description="Words that the message must hold.")
    values: dict[str, JSON] = Field(default_factory=dict, description="Values that the verdict must hold.")
    why: str | None = None
    change: dict[str, Change] = Field(default_factory=dict)
    permits: tuple[Permit, ...] | None = None
    synthetic: bool | None = None
    has_credentials: bool | None = None
    pages: tuple[str, ...] | None = Field(default=None, description="The published pages that the provider names.")

    @model_validator(mode="after")
    def _reason_only_with_unknown(self) -> "Case":
        if (self.expect == "unknown") != (self.reason is not None):
            raise ValueError("A case says `reason` exactly when it expects unknown; add it or remove it.")
        return self


@dataclass(frozen=True)
class Remembered:
    """A fixture: the facts of its run, and its exchanges by id."""

    facts: Facts
    exchanges: Mapping[str, Exchange]


def read_cases(path: Path) -> tuple[Case, ...]:
    """cases.yaml. Raises Mistake naming file and case."""
    cases: list[Case] = []
    for number, raw in enumerate(load_cases(path), start=1):
        try:
            cases.append(Case.model_validate(raw))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            line = line_of(path, number - 1)
            words = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
            words = f"{words[0].lower()}{words[1:]}"
            what = f"`{place}` is not right: {words}" if first["loc"] else words
            raise Mistake(f"{path}:{line}: case {number}: {what}.") from error
    return tuple(cases)


def remember(folder: Path) -> Remembered:
    """A fixture folder (a run folder). Raises Mistake if it is none."""
    try:
        run_folder = RunFolder.open(folder)
        run, provider = run_folder.run(), run_folder.provider()
        exchanges = run_folder.exchanges()
    except BadFolder as error:
        raise Mistake(str(error)) from error
    facts = Facts(
        base=run.subject,
        synthetic=run.synthetic,
        permits=frozenset(run.permits),
        has_credentials=run.has_credentials,
        budget=run.plan.budget,
        patients=provider.patients,
        groups=provider.groups,
        pages=provider.doc_urls,
        refused={one.observation: one.refused_because or "budget" for one in run.plan.observations if not one.granted},
    )
    return Remembered(facts, exchanges)


async def outcome_of(
    case: Case, probe: LoadedProbe, remembered: Remembered, delay: Callable[[], int] = lambda: 0
) -> tuple[Finding, tuple[str, ...]]:
    """The finding that this case gives, and the bugs met. `delay` shuffles the schedule."""
    facts = replace(
        remembered.facts,
        permits=remembered.facts.permits if case.permits is None else frozenset(case.permits),
        synthetic=remembered.facts.synthetic if case.synthetic is None else case.synthetic,
        has_credentials=(remembered.facts.has_credentials if case.has_credentials is None else case.has_credentials),
        pages=remembered.facts.pages if case.pages is None else case.pages,
    )
    server = ChangedServer(facts, remembered.exchanges, case.change, delay)
    judged = await judge({probe.id: (probe.probe, probe.sheet, probe.digest)}, facts, {}, server=server)
    return judged.findings[0], judged.bugs


def disagreement(case: Case, finding: Finding) -> str | None:
    """One sentence about how the finding differs from what the case expects; None if it does not."""
    verdict = finding.verdict
    if verdict.outcome != case.expect or verdict.reason != case.reason:
        wanted = f"{case.expect} ({case.reason})" if case.reason else case.expect
        got = f"{verdict.outcome} ({verdict.reason})" if verdict.reason else verdict.outcome
        return f"expected {wanted}, but it is {got}: {verdict.message}"
    if case.says is not None and case.says not in verdict.message:
        return f"expected the words {case.says!r} in: {verdict.message}"
    for name, value in case.values.items():
        if verdict.values.get(name) != value:
            return f"expected the value {name}={value!r}, but it is {verdict.values.get(name)!r}"
    return None


class ChangedServer(Replay):
    """A remembered server with changes. A change of something never asked becomes the answer to it."""

    def __init__(
        self,
        facts: Facts,
        exchanges: Mapping[str, Exchange],
        changes: Mapping[str, Change],
        delay: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(facts, exchanges, delay)
        self._changes = {self._key(name): change for name, change in changes.items()}

    async def exchange(
        self, ask: Ask, *, observation: Observation[Any], arguments: tuple[str, ...], id: str
    ) -> Exchange:
        recorded = await super().exchange(ask, observation=observation, arguments=arguments, id=id)
        url = self.identity_url(ask)
        if ask.bearer == "run" and not self._facts.has_credentials:
            recorded = without_token(recorded)
        change = self._changes.get((ask.method, url, ask.label)) or self._changes.get((ask.method, url, None))
        return recorded if change is None else changed(recorded, change)

    def _key(self, name: str) -> tuple[str, str, str | None]:
        place, _, label = name.partition(" @")
        method, _, path = place.rpartition(" ")
        url = path if "://" in path else f"{self._facts.base}/{path}" if path else self._facts.base
        return method or "GET", url, label or None


def without_token(exchange: Exchange) -> Exchange:
    """This exchange as a run without credentials would have asked for it."""
    kept = tuple((name, value) for name, value in exchange.request_headers if name.lower() != "authorization")
    return exchange.model_copy(update={"request_headers": kept})


def changed(exchange: Exchange, change: Change) -> Exchange:
    """This exchange with the change made."""
    if change.failure is not None:
        failure = Failure(reason=change.failure, kind=change.failure, message="The case says that no answer came.")
        return exchange.model_copy(update={"failure": failure, "status": None, "headers": (), "content": b""})
    headers: dict[str, str | None] = {name.lower(): value for name, value in exchange.headers}
    headers.update({name.lower(): value for name, value in change.headers.items()})
    kept = tuple((name, value) for name, value in headers.items() if value is not None)
    content = exchange.content
    if change.text is not None:
        content = change.text.encode()
    elif change.patches_body:
        content = b"" if change.body is None else json.dumps(merged(exchange.document, change.body)).encode()
    updated = exchange.model_copy(
        update={
            "failure": None,
            "status": change.status or exchange.status or 200,
            "headers": kept,
            "content": content,
            "body": hashlib.sha256(content).hexdigest() if content else None,
            "transport": exchange.transport.model_copy(update=change.tls),
        }
    )
    if content != exchange.content or change.headers:
        media = _MEDIA.get(updated.content_type, "text" if updated.content_type else exchange.media)
        shape = media if content else "none"
        parsed = updated.document is not None if shape == "json" else bool(content)
        updated = updated.model_copy(update={"media": shape, "parsed": parsed, "note": None})
    return updated


def merged(value: JSON, patch: JSON) -> JSON:
    """JSON merge patch: RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), change)
    return result
