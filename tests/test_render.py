"""What people read: golden pages, hostile strings, the disclaimer, and links that all lead somewhere."""

import hashlib
import json
import os
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.nouns.base import Noun, canonical
from prober.nouns.evidence import Exchange, Failure, Timings, Transport
from prober.nouns.finding import Cell, Citation, Finding, Reason, Source, Verdict
from prober.nouns.provider import ProviderFacts
from prober.nouns.run import AuthorizationNote, Done, Permit, Plan, PlannedObservation, Run, Tool
from prober.nouns.scorecard import (
    AttestationLine,
    BlockScore,
    ConditionScore,
    Counts,
    CriterionScore,
    FacetScore,
    FamilyScore,
    FindingLine,
    Fix,
    Gap,
    GateScore,
    Interval,
    LabelScore,
    MaturityScore,
    NextSteps,
    ProfileScore,
    RequirementScore,
    Scorecard,
    Step,
    StepPart,
    SwapLine,
    WorkflowScore,
)
from prober.nouns.sheet import Remediation, Sheet, SpecCitation
from prober.render import html, markdown, words
from prober.render.disclaimer import DISCLAIMER, PROPOSAL, claims, disclaimed
from prober.render.report import Report, Subject
from prober.render.terminal import explanation, next_text, plan_text, probe_list, summary
from prober.render.view import View
from prober.render.visible import excerpt, shortened, visible, visible_json, visible_lines

GOLDEN = Path(__file__).parent / "golden" / "render"
BASE = "https://fhir.example.org/r4"
OTHER = "https://fhir.example.org/second"
HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    "\x1b[31m\u202eevil\u202c\x00]]>--><!-- `${x}` ``` [a](javascript:x)"
)

GUIDE = SpecCitation(
    guide="hl7.fhir.r4.core",
    version="4.0.1",
    section="3.1.0.1",
    url="https://hl7.org/fhir/R4/http.html",
    strength="SHOULD",
)


def sheet(title: str, catalogue: str) -> Sheet:
    return Sheet(
        title=title,
        catalogue=catalogue,
        why="An app relies on it.",
        how="Asks once, without credentials.",
        counts="Present when the answer has status 200, absent when it has 404.",
        risk="Apps break.",
        basis="demonstrated",
        citations=(GUIDE,),
        remediation=Remediation(effort="low", text="Serve the document below the FHIR base, without a login."),
        who_acts="vendor",
    )


SHEETS = {
    "capability_statement_served": sheet("Does the server publish a CapabilityStatement?", "P.CAP.1"),
    "declared_interactions_shown": sheet("Does the server do what it declares?", "P.CAP.6"),
    "smart_configuration_served": sheet("Does the server publish a SMART configuration?", "P.SMART.1"),
    "versions_listed": sheet("Does the server list its versions?", "P.CAP.2"),
    "patient_read": sheet("Can a patient be read?", "P.PAT.1"),
    "bulk_kick_off_accepted": sheet("Does the server accept an export job?", "P.BULK.1"),
}


def exchange(id_: str, template: str, *, status: int | None = 200, body: object = None, **more: Any) -> Exchange:
    content = json.dumps(body).encode() if body is not None else b""
    given: dict[str, Any] = {
        "id": id_,
        "observation": "capability_answer",
        "method": "GET",
        "url": f"{BASE}/{template}",
        "request_headers": (("Accept", "application/fhir+json"), ("User-Agent", "prober/0.1.0 (+a@example.org)")),
        "status": status,
        "headers": (("Content-Type", "application/fhir+json"), ("X-Unimportant", "1")) if status else (),
        "body": hashlib.sha256(content).hexdigest() if content else None,
        "media": "json" if content else "none",
        "parsed": bool(content),
        "wire_bytes": len(content),
        "decoded_bytes": len(content),
        "started": "2026-11-23T12:00:01Z",
        "timings": Timings(dns=100, connect=1200, tls=3400, send=50, first_byte=41_250, body=300, total=46_300),
        "transport": Transport(
            address="192.0.2.7",
            http_version="HTTP/1.1",
            tls_version="TLSv1.3",
            cipher="TLS_AES_256_GCM_SHA384",
            certificate_subject="CN=fhir.example.org",
            certificate_issuer="CN=Example CA",
            certificate_names=("fhir.example.org",),
            certificate_not_after="2027-01-31T00:00:00Z",
        ),
        "content": content,
    }
    return Exchange(**{**given, **more})


EXCHANGES = (
    exchange("aaaaaaaaaaaaaaaa.1", "metadata", body={"resourceType": "CapabilityStatement", "status": "active"}),
    exchange("bbbbbbbbbbbbbbbb.1", ".well-known/smart-configuration", status=404, observation="smart_answer"),
    exchange(
        "cccccccccccccccc.1",
        "Observation?_count=1",
        status=405,
        observation="declared_interactions",
        body={"resourceType": "OperationOutcome", "issue": [{"diagnostics": "x" * 1500}]},
    ),
    exchange(
        "dddddddddddddddd.1",
        "Patient/p1",
        status=None,
        observation="patient_answer",
        failure=Failure(reason="timed_out", kind="read_timeout", message="No byte came for 10 seconds."),
    ),
    exchange("eeeeeeeeeeeeeeee.1", "Patient?_id=p1", observation="patient_answer", body={"resourceType": "Bundle"}),
)


def finding(probe: str, verdict: Verdict, subject: str = BASE, evidence: tuple[str, ...] = ()) -> Finding:
    cited = tuple(dict.fromkeys(one.exchange for one in verdict.citations))
    return Finding(
        source=Source(probe=probe, digest="0" * 64),
        subject=subject,
        verdict=verdict,
        basis="demonstrated",
        evidence=tuple(sorted({*cited, *evidence})),
    )


def unknown(reason: Reason, message: str, *cited: str) -> Verdict:
    citations = tuple(Citation(exchange=one) for one in cited)
    return Verdict(outcome="unknown", reason=reason, message=message, citations=citations)


CELLS = (
    Cell(claim="Observation search-type", declared=True, result="refuted", exchange="cccccccccccccccc.1"),
    Cell(claim="Patient read", declared=True, result="untested", reason="timed_out", exchange="dddddddddddddddd.1"),
    Cell(claim="Patient search-type", declared=True, result="shown", exchange="eeeeeeeeeeeeeeee.1"),
    Cell(claim="Patient vread", declared=False, result="undeclared_works", exchange="eeeeeeeeeeeeeeee.1"),
    Cell(claim="Provenance create", declared=True, result="untested", reason="needs_writes"),
)


def findings(subject: str = BASE) -> tuple[Finding, ...]:
    return (
        finding(
            "bulk_kick_off_accepted",
            unknown("needs_jobs", "This run was not permitted to start an export job."),
            subject,
        ),
        finding(
            "capability_statement_served",
            Verdict(
                outcome="present",
                message="The server publishes a CapabilityStatement.",
                citations=(
                    Citation(exchange="aaaaaaaaaaaaaaaa.1", pointer="/resourceType"),
                    Citation(exchange="aaaaaaaaaaaaaaaa.1", pointer="#X-Unimportant"),
                ),
            ),
            subject,
        ),
        finding(
            "declared_interactions_shown",
            Verdict(
                outcome="absent",
                message="1 of 2 declared interactions that were tried was refused.",
                values={"cells": [cell.model_dump(mode="json") for cell in CELLS]},
            ),
            subject,
            tuple(cell.exchange for cell in CELLS if cell.exchange),
        ),
        finding(
            "patient_read",
            unknown("timed_out", "The patient could not be read in time.", "dddddddddddddddd.1"),
            subject,
        ),
        finding(
            "smart_configuration_served",
            Verdict(
                outcome="absent",
                message="The SMART configuration is not there: status 404.",
                citations=(Citation(exchange="bbbbbbbbbbbbbbbb.1"),),
            ),
            subject,
        ),
        finding(
            "versions_listed",
            Verdict(outcome="not_applicable", message="The server does not declare $versions."),
            subject,
        ),
    )


PLAN = Plan(
    depth="standard",
    budget=300,
    deadline_seconds=360,
    pace="polite",
    observations=(
        PlannedObservation(
            observation="capability_answer", asks=("GET [base]/metadata",), requests=1, chain=1, height=3
        ),
        PlannedObservation(
            observation="declared_interactions",
            asks=("GET [base]/{type}?_count=1", "GET [base]/{type}/{id}"),
            requests=80,
            chain=2,
            permits=("active",),
            height=2,
        ),
        PlannedObservation(
            observation="export_job",
            asks=("GET [base]/Group/{group}/$export?_type=Patient",),
            requests=20,
            chain=20,
            permits=("active", "jobs"),
            height=20,
            granted=False,
            refused_because="needs_jobs",
        ),
    ),
)
NOTE = AuthorizationNote(form="short", statement="A. Example, integration lead, test of our own server")


def run(subject: str = BASE) -> Run:
    return Run(
        id="20261123T120000Z-0123abcd",
        subject=subject,
        environment="sandbox",
        synthetic=True,
        loopback=False,
        started="2026-11-23T12:00:00Z",
        ended="2026-11-23T12:00:09Z",
        as_of="2026-11-23T12:00:09Z",
        permits=("active", "patient_data"),
        authorization=NOTE,
        plan=PLAN,
        done=Done(requests=71, refused=2, ending="complete"),
        tool=Tool(prober="0.1.0", python="3.11.9", httpx="0.28.1", openssl="OpenSSL 3.0.2", platform="Linux"),
        probes=dict.fromkeys(SHEETS, "0" * 64),
        models={"capability_profile": "1" * 64, "stage8_proposal": "2" * 64},
    )


def counts(
    shown: int, refuted: int, untested: int, not_applicable: int = 0, not_permitted: int = 0, outside_sample: int = 0
) -> Counts:
    return Counts(
        asked=shown + refuted + untested,
        shown=shown,
        refuted=refuted,
        untested=untested,
        not_applicable=not_applicable,
        not_permitted=not_permitted,
        outside_sample=outside_sample,
    )


PROFILE = ProfileScore(
    model="capability_profile",
    version="0.1.0",
    headline="Asked 7 things: 3 shown, 2 refuted, 2 could not be tested.",
    counts=counts(3, 2, 2, 1, 2, outside_sample=3),
    families=(
        FamilyScore(
            id="describes_itself",
            title="Describes itself",
            counts=counts(1, 0, 0, 1),
            probes=("capability_statement_served", "versions_listed"),
        ),
        FamilyScore(
            id="authorization",
            title="Authorization",
            counts=counts(0, 1, 0),
            probes=("smart_configuration_served",),
        ),
        FamilyScore(
            id="reads_and_searches",
            title="Reads and searches",
            counts=counts(2, 1, 2, 0, 1, outside_sample=3),
            probes=("patient_read", "declared_interactions_shown"),
        ),
        FamilyScore(id="bulk", title="Bulk", counts=counts(0, 0, 0, 0, 1), probes=("bulk_kick_off_accepted",)),
    ),
    gap=Gap(
        declared=4, tested=2, refuted=1, untested=2, undeclared_works=1, refuted_claims=("Observation search-type",)
    ),
    unknown_reasons={"needs_jobs": 1, "needs_writes": 1, "timed_out": 2},
    fixes=(
        Fix(
            probe="smart_configuration_served",
            what="The SMART configuration is not there: status 404.",
            fix="Serve the document below the FHIR base, without a login.",
            effort="low",
            who_acts="vendor",
            evidence=("bbbbbbbbbbbbbbbb.1",),
            curl="curl -g -i -H 'Accept: application/json' https://fhir.example.org/r4/.well-known/smart-configuration",
        ),
        Fix(
            probe="declared_interactions_shown",
            what="1 of 2 declared interactions that were tried was refused.",
            fix="Serve the document below the FHIR base, without a login.",
            effort="medium",
            who_acts="provider",
            evidence=("cccccccccccccccc.1",),
        ),
    ),
)


def criterion(id_: str, title: str, level: Interval | None, state: str, **more: Any) -> CriterionScore:
    given: dict[str, Any] = {
        "id": id_,
        "title": title,
        "block": id_.split(".")[1],
        "weight": 3,
        "core": True,
        "extension": False,
        "precondition": False,
        "applies": level is not None,
        "level": level,
        "state": state,
        "requirements": (),
    }
    return CriterionScore(**{**given, **more})


MEETS = "Meets the proposal's criteria (self-assessed)"
BLOCKING = (
    ConditionScore(
        id="core_shown",
        label=MEETS,
        text="Every core criterion is at level 2.",
        holds=False,
        could_hold=True,
        now="S8.STD.1 is at L1.",
        lacking=("S8.STD.1", "S8.WF.VC", "S8.GATE.2", "S8.NOWHERE.1", "S8.STD.6", "S8.STD.5", "S8.BASE.0", "S8.GOV.1"),
    ),
    ConditionScore(
        id="gate",
        label=MEETS,
        text="No gate holds the label down.",
        holds=False,
        could_hold=False,
        now="S8.GATE.3 is confirmed.",
        lacking=("S8.GATE.3",),
    ),
)
LABEL = LabelScore(
    name="Emerging",
    shown="Sandbox: Emerging",
    meaning="At least half of what counts is known, one way or the other.",
    at_most=MEETS,
    next=MEETS,
    blocking=BLOCKING,
    conditions=BLOCKING,
    capped_by=("S8.GATE.3",),
    uncapped="Sandbox: Candidate",
    if_all_apply="Sandbox: Not rated",
    withheld_because="The gate S8.GATE.3 is still being repaired.",
)


def part(requirement: str, **more: Any) -> StepPart:
    given: dict[str, Any] = {
        "requirement": requirement,
        "text": "Somebody is named as the owner.",
        "truth": "unknown",
        "how": "attested",
        "seen": "No document was given: A statement that names the owner.",
        "missing": "A statement that names the owner (class E1, E2, E3).",
        "who_acts": "provider",
        "effort": "low",
        "fix": "Attest it with such a document.",
        "citation": "P2 possible-himss-stage-8-20221214 (blog)",
    }
    return StepPart(**{**given, **more})


def step(criterion: str, level: int, gain: int, *parts: StepPart) -> Step:
    return Step(
        id=f"{criterion}=L{level}",
        title=f"Bring {criterion} to level {level}.",
        why="Every core criterion is at level 2.",
        gain=gain,
        effort=len(parts) or 1,
        parts=parts,
    )


SMART_PART = part(
    "S8.STD.1/L2/smart",
    text="The SMART configuration is published.",
    truth="false",
    how="probed",
    seen="The SMART configuration is not there: status 404.",
    missing="Present when the answer has status 200.",
    who_acts="vendor",
    fix="Serve the document below the FHIR base, without a login.",
    citation="hl7.fhir.r4.core 4.0.1, 3.1.0.1",
    reasons=("timed_out",),
    findings=("smart_configuration_served",),
    curl="curl -g -i https://fhir.example.org/r4/.well-known/smart-configuration",
)
NEXT = NextSteps(
    now="Sandbox: Emerging",
    target=MEETS,
    reachable=False,
    why_not=("S8.STD.1/L3/jwks cannot be shown yet: Missing: no probe yet (it waits for P.SMART.3).",),
    steps=(
        step("S8.STD.1", 2, 3, SMART_PART),
        step("S8.GOV.1", 2, 2, part("S8.GOV.1/L2/minutes"), part("S8.GOV.1/L1/owner", effort="high")),
        Step(id="gate=S8.GATE.3", title="Close patient data to the public.", why="It is confirmed.", gain=0, effort=1),
        step("S8.STD.6", 1, 1, part("S8.STD.6/L1/claimed", missing="A statement on the fourth step.")),
    ),
)


def attestation(id_: str, state: str, **more: Any) -> AttestationLine:
    given: dict[str, Any] = {
        "id": id_,
        "title": "Minutes of the council",
        "kind": "record",
        "class": "E2",
        "issuer": "Example Hospital",
        "sha256": "ab12" * 16,
        "public": False,
        "inspected": None,
        "state": state,
        "last_day": "2027-03-01",
        "requirements": ("S8.GOV.1/L1/owner", "S8.GOV.1/L2/minutes"),
    }
    return AttestationLine(**{**given, **more})


ATTESTATIONS = (
    attestation("old-minutes", "expired", why="It counted until 2025-01-01.", last_day="2025-01-01"),
    attestation("claim", "rejected", why="It is about another entity.", sha256=None, last_day=None, **{"class": "E0"}),
    attestation("minutes", "counts", freshness="fresh", inspected="A. Auditor, auditor, 2026-09-09"),
    attestation("minutes-old", "superseded"),
    attestation("scan", "unused", kind="result", **{"class": "E3"}),
)
GATES = (
    GateScore(
        id="S8.GATE.1",
        title="The way to production is encrypted",
        state="clean",
        why="The certificate is valid.",
        cap="Progressing",
        findings=("capability_statement_served",),
    ),
    GateScore(
        id="S8.GATE.2",
        title="Old versions of TLS are refused",
        state="untested",
        why="Missing: no probe yet.",
        cap="Progressing",
    ),
    GateScore(
        id="S8.GATE.3",
        title="Patient data are closed to the public",
        state="confirmed",
        why="A patient was read without a token.",
        cap="Emerging",
        private_alert=True,
        attestations=("scan",),
        last_seen="2026-11-22T03:00:00Z",
    ),
    GateScore(id="S8.GATE.4", title="A token opens its own", state="suspected", why="Seen once.", cap="Emerging"),
    GateScore(id="S8.GATE.5", title="Launches are protected", state="would_apply", why="PKCE is not offered."),
    GateScore(id="S8.GATE.6", title="Bulk files are closed", state="not_applicable", why="There are no bulk files."),
)

MATURITY = MaturityScore(
    model="stage8_proposal",
    version="0.1.0",
    disclaimer=f"These criteria follow {PROPOSAL}. This is not an ONC certification.",
    label=LABEL,
    points=Interval(low=60, high=64),
    points_equal_blocks=Interval(low=40, high=71),
    attestations=ATTESTATIONS,
    swaps=(
        SwapLine(
            norm="US Core 6.1.0", instead="the national core", requirements=("S8.STD.1/L2/smart", "S8.STD.6/L1/claimed")
        ),
        *(SwapLine(norm=f"X12 {set_}", instead="national claims", requirements=()) for set_ in ("837", "835", "276")),
    ),
    next=NEXT,
    coverage={"probed": 20, "attested": 0, "declared_only": 5, "unknown": 75},
    blocks=(
        BlockScore(id="BASE", title="Baseline", points=None, applicable=0, known=0, floor=None),
        BlockScore(
            id="STD",
            title="Standards",
            points=Interval(low=12, high=88),
            extension_points=Interval(low=0, high=100),
            applicable=2,
            known=1,
            floor=0,
        ),
    ),
    workflows=(
        WorkflowScore(
            id="S8.WF.VC", title="Virtual care", level=Interval(low=0, high=4), state="?", criteria=("S8.WF.VC.1",)
        ),
        WorkflowScore(id="S8.WF.PA", title="Prior authorization", level=None, state="n/a", criteria=("S8.WF.PA.1",)),
    ),
    criteria=(
        criterion(
            "S8.BASE.0",
            "Stage 7 is held",
            Interval(low=0, high=4),
            "?",
            precondition=True,
            core=False,
            requirements=(
                RequirementScore(
                    id="S8.BASE.0/L1/claimed",
                    text="The provider says that it holds stage 6 or 7.",
                    how="attested",
                    truth="unknown",
                    why="No document was given: a HIMSS letter.",
                ),
            ),
        ),
        criterion(
            "S8.STD.1",
            "The server describes itself",
            Interval(low=1, high=1),
            "L1",
            next_step="To reach L2: The SMART configuration is published.",
            knowledge="probed",
            evidence_class="E4",
            confidence="medium",
            confidence_because=("It rests on evidence of class E4, which begins at high.", "It was seen in one night."),
            freshness="fresh",
            next_expiry="2027-02-21",
            conflict=True,
            facets=(
                FacetScore(id="says", title="It says what it does", level=Interval(low=1, high=1), state="L1"),
                FacetScore(id="does", title="It does what it says", level=Interval(low=1, high=4), state="L1+?"),
            ),
            requirements=(
                RequirementScore(
                    id="S8.STD.1/L1/statement",
                    text="A CapabilityStatement is published.",
                    how="probed",
                    truth="true",
                    why="The server publishes a CapabilityStatement.",
                    findings=("capability_statement_served",),
                ),
                RequirementScore(
                    id="S8.STD.1/L2/smart",
                    text="The SMART configuration is published.",
                    how="probed",
                    truth="false",
                    why="The SMART configuration is not there: status 404.",
                    findings=("smart_configuration_served",),
                    attestations=("scan", "unheard-of"),
                    conflict=True,
                    swapped=True,
                ),
                RequirementScore(
                    id="S8.STD.1/L3/jwks",
                    text="The keys are published.",
                    how="gap",
                    truth="unknown",
                    why="Missing: no probe yet (P.SMART.3).",
                ),
            ),
        ),
        criterion("S8.STD.6", "Other routes", Interval(low=0, high=4), "?", core=False, extension=True, weight=1),
        criterion(
            "S8.GOV.1",
            "A council exists",
            Interval(low=1, high=4),
            "L1+?",
            block="STD",
            knowledge="attested",
            evidence_class="E2",
            confidence="low",
            freshness="stale",
            next_expiry="2026-12-24",
        ),
        *(
            criterion(
                f"S8.STD.{number}",
                f"Made up {number}",
                Interval(low=1, high=1),
                "L1",
                core=False,
                extension=True,
                knowledge="declared_only",
                evidence_class="E1",
                freshness="fresh",
                next_expiry=f"2027-01-{number}",
            )
            for number in range(11, 16)
        ),
        criterion(
            "S8.STD.5",
            "Bulk export",
            None,
            "n/a",
            not_applicable_because="The provider file gives population_size as 10; the criterion applies: from 500 on.",
        ),
    ),
    gates=GATES,
)


def gap_at(subjects: tuple[str, ...]) -> Gap:
    claims = tuple(f"Observation search-type at {one}" for one in subjects)
    return PROFILE.gap.model_copy(update={"refuted": len(claims), "refuted_claims": claims})


def report(subjects: tuple[str, ...] = (BASE,), *, declared: bool = True, maturity: MaturityScore = MATURITY) -> Report:
    lines = tuple(
        FindingLine(
            probe=one.source.probe,
            subject=one.subject,
            outcome=one.verdict.outcome,
            reason=one.verdict.reason,
            message=one.verdict.message,
        )
        for subject in subjects
        for one in findings(subject)
    )
    card = Scorecard(
        subjects=subjects,
        runs=tuple(run(one).id for one in subjects),
        as_of="2026-11-23T12:00:09Z",
        environment="sandbox",
        models={"capability_profile": "1" * 64, "stage8_proposal": "2" * 64},
        profile=PROFILE if len(subjects) == 1 else PROFILE.model_copy(update={"gap": gap_at(subjects)}),
        maturity=maturity,
        findings=lines,
    )
    shown = tuple(
        Subject(
            run=run(one),
            facts=ProviderFacts(organisation="Example Hospital" if declared else None, declared=declared),
            findings=findings(one),
            exchanges={one.id: one for one in EXCHANGES},
            place="" if len(subjects) == 1 else f"0{number}-fhir.example.org/",
        )
        for number, one in enumerate(subjects, 1)
    )
    return Report(card, shown, SHEETS)


def hostile(text: str = HOSTILE) -> Report:
    """The report of a server that puts this text wherever it can."""
    whole = report()
    subject = whole.subjects[0]
    evil = {
        one.id: one.model_copy(
            update={
                "url": f"{BASE}/{text}",
                "headers": tuple((name, text) for name in ("Content-Type", "ETag", "Location", text)),
                "content": text.encode("utf-8", "replace") * 3,
                "note": text,
                "label": text,
                "failure": Failure(reason="unreachable", kind="reset", message=text),
                "transport": Transport(certificate_subject=text, certificate_issuer=text, cipher=text, address=text),
            }
        )
        for one in subject.exchanges.values()
    }
    judged = tuple(
        one.model_copy(update={"verdict": one.verdict.model_copy(update={"message": text, "values": _evil(one, text)})})
        for one in subject.findings
    )
    fixes = tuple(one.model_copy(update={"what": text, "curl": text}) for one in PROFILE.fixes)
    gap = PROFILE.gap.model_copy(update={"refuted_claims": (f"{text} read",)})
    criteria = tuple(
        one.model_copy(
            update={
                "requirements": tuple(
                    item.model_copy(update={"why": text, "attestations": (text,), "conflict": True})
                    for item in one.requirements
                ),
                "confidence_because": (text,),
                "next_step": text,
                "not_applicable_because": None if one.applies else text,
            }
        )
        for one in MATURITY.criteria
    )
    card = whole.card.model_copy(
        update={
            "profile": PROFILE.model_copy(update={"fixes": fixes, "gap": gap}),
            "maturity": MATURITY.model_copy(update={"criteria": criteria, **_evil_proposal(text)}),
        }
    )
    facts = ProviderFacts(organisation=text, declared=True)
    evil_subject = replace(subject, exchanges=evil, findings=judged, facts=facts, place=f"{text}/")
    return Report(card, (evil_subject,), whole.sheets)


def _evil_proposal(text: str) -> dict[str, object]:
    """What people wrote: attestations, and everything of the proposal that repeats them."""
    part_ = {"seen": text, "missing": text, "fix": text, "text": text, "citation": text, "curl": text}
    steps = tuple(
        one.model_copy(
            update={"title": text, "why": text, "parts": tuple(item.model_copy(update=part_) for item in one.parts)}
        )
        for one in NEXT.steps
    )
    blocking = tuple(one.model_copy(update={"text": text, "now": text, "lacking": (text,)}) for one in BLOCKING)
    written = {"title": text, "issuer": text, "inspected": text, "why": text, "requirements": (text,)}
    lines = tuple(one.model_copy(update=written) for one in ATTESTATIONS)
    evil_id = attestation("evil", "counts").model_copy(update={**written, "id": text, "sha256": text, "last_day": text})
    return {
        "attestations": (*lines, evil_id),
        "gates": tuple(one.model_copy(update={"why": text, "last_seen": text}) for one in GATES),
        "swaps": (SwapLine(norm=text, instead=text, requirements=(text,)),),
        "label": LABEL.model_copy(update={"blocking": blocking, "withheld_because": text, "capped_by": (text,)}),
        "next": NEXT.model_copy(update={"steps": steps, "why_not": (text,)}),
    }


def _evil(one: Finding, text: str) -> dict[str, object]:
    return {"cells": [{**cell, "claim": f"{text} read"} for cell in one.verdict.values.get("cells", [])]}


class Page(HTMLParser):
    """What stands in a page: its elements in balance, its ids and links, and the text of each region."""

    EMPTY = frozenset({"meta", "br", "rect", "circle"})
    REGIONS = frozenset({"header", "nav", "section", "footer"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.regions: list[list[str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs)
        self.tags.append(tag)
        self.attributes |= set(given)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "xlink:href")]
        if tag in self.REGIONS:
            self.regions.append([])
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.regions and self.REGIONS & set(self.open):
            self.regions[-1].append(data)


def same_as_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("PROBER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    assert text == path.read_bytes().decode(), f"{name} differs; PROBER_GOLDEN=write writes it anew."


def explained() -> str:
    class Observed:
        name = "smart_answer"
        asks = ("GET [base]/.well-known/smart-configuration",)
        requests = 1
        permits: tuple[Permit, ...] = ("active",)
        summary = "What the SMART configuration address answers."

    return explanation("smart_configuration_served", "smart", SHEETS["smart_configuration_served"], [Observed()])


def everything(one: Report) -> dict[str, str]:
    """Every rendering of a report."""
    return {
        "summary.txt": summary(one, 100),
        "narrow.txt": summary(one, 60),
        "report.md": markdown.page(one),
        "report.html": html.page(one),
    }


TWO = (BASE, OTHER)
BARE = report().card.model_copy(update={"profile": None, "maturity": None})
UNLABELLED = MATURITY.model_copy(update={"label": None, "next": None, "points_equal_blocks": None})
REPORTS = {
    "one": report(),
    "two": report(TWO),
    "undeclared": report(declared=False),
    "unlabelled": report(maturity=UNLABELLED),
    "bare": Report(BARE, report().subjects, {}),
    "hostile": hostile(),
    "claiming": hostile("HIMSS Stage 8 met, certified and compliant."),
}


@pytest.mark.parametrize("name", ["summary.txt", "narrow.txt", "report.md", "report.html"])
def test_the_whole_output_is_as_it_was_read_and_agreed(name: str) -> None:
    same_as_golden(name, everything(report())[name])


def test_two_bases_make_one_report() -> None:
    same_as_golden("two.txt", summary(report(TWO), 100))
    same_as_golden("two.md", markdown.page(report(TWO)))


def test_without_a_provider_file_the_profile_is_the_headline() -> None:
    same_as_golden("undeclared.txt", summary(REPORTS["undeclared"], 100))


def test_plan_list_and_explanation_are_as_they_were_read_and_agreed() -> None:
    same_as_golden("plan.txt", plan_text(BASE, PLAN, "sandbox", ("active",), NOTE))
    same_as_golden("list.txt", probe_list([(id_, "family", SHEETS[id_]) for id_ in reversed(SHEETS)]))
    same_as_golden("explanation.txt", explained())


@pytest.mark.parametrize("name", list(REPORTS))
def test_the_same_report_gives_the_same_bytes_in_whatever_order_it_was_read(name: str) -> None:
    one = REPORTS[name]
    turned = Report(
        one.card,
        tuple(
            replace(
                subject,
                findings=tuple(reversed(subject.findings)),
                exchanges=dict(reversed(list(subject.exchanges.items()))),
            )
            for subject in one.subjects
        ),
        dict(reversed(list(one.sheets.items()))),
    )
    assert everything(turned) == everything(one)


@pytest.mark.parametrize("name", list(REPORTS))
def test_html_is_well_formed_and_links_only_to_its_own_anchors_and_stored_bodies(name: str) -> None:
    page = Page(html.page(REPORTS[name]))
    assert len(page.ids) == len(set(page.ids))
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors <= set(page.ids)
    others = {link for link in page.links if not link.startswith("#")}
    assert all(re.fullmatch(r"[A-Za-z0-9%_.~/-]*blobs/[0-9a-f]{64}", unescape(link)) for link in others)
    assert all(not link.startswith("/") for link in others)


@pytest.mark.parametrize("name", list(REPORTS))
def test_markdown_links_only_to_its_own_anchors_and_stored_bodies(name: str) -> None:
    page = rendered_markdown(markdown.page(REPORTS[name]))
    anchors = {unescape(link)[1:] for link in page.links if link.startswith("#")}
    assert anchors <= set(page.ids)
    others = {link for link in page.links if not link.startswith("#")}
    assert all(re.fullmatch(r"[A-Za-z0-9%_.~/-]*blobs/[0-9a-f]{64}", link) for link in others)


def rendered_markdown(text: str) -> Page:
    from markdown_it import MarkdownIt

    return Page(MarkdownIt("commonmark").enable("table").render(text))


def test_every_cited_exchange_has_an_anchor_and_every_statement_a_link_to_it() -> None:
    text = html.page(report())
    page = Page(text)
    cited = {
        *(citation.exchange for one in findings() for citation in one.verdict.citations),
        *(cell.exchange for cell in CELLS if cell.exchange),
    }
    assert {f"x-{one}" for one in cited} <= set(page.ids)
    for one in findings():
        start = text.index(f'id="f-{one.source.probe}"')
        statement = text[start : text.index("</article>", start)]
        assert not one.evidence or 'href="#x-' in statement
    begin = text.index('<ol class="fixes">')
    fixes = text[begin : text.index("</ol>", begin)].split("<li>")[1:]
    assert len(fixes) == 2
    assert all('href="#x-' in fix for fix in fixes)
    for requirement in ("S8.STD.1/L1/statement", "S8.STD.1/L2/smart"):
        row = text[text.index(f">{requirement}<") :]
        assert 'href="#x-' in row[: row.index("</tr>")]


def test_an_exchange_that_the_folder_lacks_is_named_without_a_link() -> None:
    subject = report().subjects[0]
    lacking = Report(report().card, (replace(subject, exchanges={}),), SHEETS)
    assert not [link for link in Page(html.page(lacking)).links if link.startswith("#x-")]
    assert "exchange bbbbbbbbbbbbbbbb.1, not in this run folder" in html.page(lacking)
    assert "#x-" not in markdown.page(lacking)


@pytest.mark.parametrize("name", list(REPORTS))
def test_no_block_says_more_than_it_may_without_the_disclaimer(name: str) -> None:
    one = REPORTS[name]
    for region in Page(html.page(one)).regions:
        text = "".join(region)
        assert disclaimed(text) or not claims(text), text[:200]
    for block in re.split(r"\n(?=##? )", markdown.page(one)):
        text = unescape(block.replace("\\", ""))
        assert disclaimed(text) or not claims(text), text[:200]
    for width in (40, 60, 100, 120):
        for block in summary(one, width).split("\n\n"):
            assert disclaimed(block) or not claims(block), block


def test_probes_that_speak_of_certification_carry_the_disclaimer() -> None:
    bold = SHEETS["patient_read"].model_copy(update={"title": "Is the server certified?", "why": "It is compliant."})
    for text in (probe_list([("patient_read", "patient", bold)]), explanation("patient_read", "patient", bold, ())):
        for block in text.split("\n\n"):
            assert disclaimed(block) or not claims(block), block


def test_a_report_without_claiming_words_does_not_carry_the_disclaimer_everywhere() -> None:
    assert html.page(REPORTS["bare"]).count(PROPOSAL) == 0
    assert PROPOSAL in DISCLAIMER


def test_nothing_looks_like_a_certificate_or_an_accusation() -> None:
    accusing = re.compile(r"violat|breach|illegal|\bseal\b|medal|badge|\bgrade [A-F]\b|congratul", re.IGNORECASE)
    for name in ("one", "two", "undeclared", "unlabelled", "bare"):
        for text in everything(REPORTS[name]).values():
            assert not accusing.search(text)
        assert not {"img", "script", "link", "iframe", "object", "form"} & set(Page(html.page(REPORTS[name])).tags)
    assert all(words.NO_LABEL in text for text in everything(REPORTS["unlabelled"]).values())
    assert not any(words.NO_LABEL in text for text in everything(report()).values())


def test_the_proposal_leads_where_a_provider_file_was_given_and_follows_where_none_was() -> None:
    for name, leading in (("one", True), ("undeclared", False)):
        for kind, text in everything(REPORTS[name]).items():
            plain_text = " ".join(unescape(re.sub("<[^>]*>|[*]", " ", text)).split())
            stands = plain_text.index("With every block weighing the same")
            assert (stands < plain_text.index(PROFILE.headline)) is leading, (name, kind)
            assert (words.FOLLOWS in plain_text) is not leading, (name, kind)
            assert (words.PROFILE_FIXES in plain_text) is leading, (name, kind)
    assert not View(REPORTS["bare"]).leads


def flat(text: str) -> str:
    """A rendering without its markup and line breaks."""
    inline = re.sub("</?(?:a|span|strong|code)[^>]*>", "", text.replace("\\", ""))
    return " ".join(unescape(re.sub("<[^>]*>", " ", inline)).split())


@pytest.mark.parametrize("name", ["one", "undeclared"])
def test_every_rendering_tells_the_label_what_blocks_the_next_and_what_holds_it_down(name: str) -> None:
    for text in map(flat, everything(REPORTS[name]).values()):
        assert text.index("Sandbox: Emerging. At least half") > text.index("about 62 (60-64)")
        for said in (
            f"What blocks the label above, {MEETS}",
            f"at most {MEETS}.",
            "Every core criterion is at level 2. Now: S8.STD.1 is at L1. Lacking: S8.STD.1, S8.WF.VC",
            "S8.GATE.3 (Patient data are closed to the public). Otherwise it would be: Sandbox: Candidate.",
            "counted as if they did, it would be: Sandbox: Not rated.",
            "No public rendering may show this label. The gate S8.GATE.3 is still being repaired.",
            "With every block weighing the same: 40-71. No label rests on the weights of the blocks.",
            words.UNTESTED_GATE,
            words.CORE_LEFT_OUT,
            "Not asked for here: US Core 6.1.0. Asked for instead: the national core.",
        ):
            assert said in text, said


@pytest.mark.parametrize("name", ["one", "undeclared"])
def test_every_rendering_tells_the_steps_and_why_the_label_cannot_be_reached(name: str) -> None:
    rendered = everything(REPORTS[name])
    for text in map(flat, rendered.values()):
        steps = [text.index(one.title) for one in NEXT.steps[:3]]
        assert steps == sorted(steps)
        for said in (
            f"Towards the label {MEETS}, which cannot be reached now: 4 steps",
            SMART_PART.seen,
            SMART_PART.missing,
            SMART_PART.fix,
            SMART_PART.citation,
            SMART_PART.curl or "",
            words.REMEDY["timed_out"],
            NEXT.why_not[0],
        ):
            assert said in text, said
    for kind, text in rendered.items():
        assert ("A statement on the fourth step." in flat(text)) is kind.startswith("report")
    assert "And 1 more step; `prober next` tells all of them." in rendered["summary.txt"]


def test_the_highest_label_says_that_there_is_none_above_it() -> None:
    highest = LABEL.model_copy(update={"next": None, "blocking": (), "shown": MEETS})
    none = NextSteps(now=MEETS, target=None, reachable=True)
    whole = report(maturity=MATURITY.model_copy(update={"label": highest, "next": none}))
    for text in map(flat, everything(whole).values()):
        assert f"{words.HIGHEST}." in text
        assert f"{words.HIGHEST}.." not in text
        assert "What blocks the label above" not in text


def test_a_document_tells_its_whole_digest_and_how_fresh_it_is() -> None:
    assert f'title="{"ab12" * 16}">ab12ab12ab12</span>' in html.page(report())
    assert f"`{'ab12' * 16}`" in markdown.page(report())
    assert "ab12" * 16 not in summary(report(), 100)
    for text in (flat(html.page(report())), flat(markdown.page(report()))):
        assert "counting, fresh." in text.lower()
        assert "expired, expired" not in text.lower()


def test_a_requirement_and_a_gate_name_what_decided_them() -> None:
    page, source = html.page(report()), markdown.page(report())
    finding = page[page.index(">S8.STD.1/L1/statement<") :]
    assert '<a href="#f-capability_statement_served">' in finding[: finding.index("</tr>")]
    gate = page[page.index('<tr id="g-S8.GATE.3">') :]
    assert '<a href="#a-scan">scan</a>' in gate[: gate.index("</tr>")]
    rows = source.splitlines()
    assert any("(S8.STD.1/L1/statement) |" in row and "(#f-capability_statement_served)" in row for row in rows)
    assert any("(S8.GATE.3) |" in row and "Attested by scan." in row for row in rows)


def test_a_label_that_is_not_known_without_its_gates_is_not_named() -> None:
    capped = report(maturity=MATURITY.model_copy(update={"label": LABEL.model_copy(update={"uncapped": None})}))
    for text in map(flat, everything(capped).values()):
        assert "S8.GATE.3 (Patient data are closed to the public)." in text
        assert "Otherwise it would be" not in text


def test_conflicts_attestations_and_what_expires_are_told() -> None:
    for text in map(flat, everything(report()).values()):
        for said in (
            words.CONFLICTS,
            "S8.STD.1/L2/smart: no",
            "not inspected",
            "It counted until 2025-01-01.",
            "It is about another entity.",
            "2026-12-24",
        ):
            assert said in text, said
    assert "and 3 more later" in summary(report(), 100)
    assert "1 not counting; 1 of no effect here. Not inspected: 4 of 5." in flat(summary(report(), 100))
    for text in (html.page(report()), markdown.page(report())):
        assert "2027-02-21" in text
        assert "ab12ab12ab12" in text
        assert "inspected by A. Auditor, auditor, 2026-09-09" in text


def test_the_terminal_names_a_few_documents_that_do_not_count_and_counts_the_others() -> None:
    many = tuple(
        attestation(f"paper-{number:02}", "rejected", why="It is about another entity.") for number in range(20)
    )
    text = summary(report(maturity=MATURITY.model_copy(update={"attestations": many})), 100)
    assert "Attestations: 20 not counting. Not inspected: 20 of 20." in text
    assert text.count("It is about another entity.") == 8
    assert "  - and 12 more" in text


def test_the_soonest_expires_first_and_what_counts_stands_before_what_does_not() -> None:
    view = View(report())
    days = [one.day for one in view.expiring]
    assert days == sorted(days)
    assert days[0] == "2026-12-24"
    states = [one.line.state for one in view.attestations]
    assert states == ["counts", "expired", "superseded", "rejected", "unused"]
    assert [one.score.state for one in view.gates] == list(words.GATE)


def test_a_document_that_counts_stands_in_the_calendar_and_no_other_does() -> None:
    listed = {one.id: one for one in View(report()).expiring}
    assert listed["minutes"].day == "2027-03-01"
    assert not {"old-minutes", "claim", "minutes-old", "scan"} & set(listed)
    soon = attestation("letter", "counts", last_day="2026-11-30", freshness="stale")
    maturity = MATURITY.model_copy(update={"attestations": (soon,)})
    texts = everything(report(maturity=maturity))
    for name, text in texts.items():
        calendar = flat(text).split("What expires next", 1)[1]
        assert calendar.index("2026-11-30") < calendar.index("2026-12-24"), name
        assert "Document: Minutes of the council" in calendar
    assert '<a href="#a-letter">Document: Minutes of the council</a>' in texts["report.html"]


def test_every_criterion_is_told_on_all_axes() -> None:
    for text in (flat(html.page(report())), flat(markdown.page(report()))):
        for said in (
            "probed, class E4 (what prober saw itself)",
            "medium. It rests on evidence of class E4, which begins at high. It was seen in one night.",
            "fresh; all of it counts through 2027-02-21",
            "stale; all of it counts through 2026-12-24",
            words.CONFLICT,
            "It does what it says: L1+?, level 1 to 4",
        ):
            assert said in text, said


def test_an_attestation_is_linked_where_it_is_listed_and_named_where_it_is_not() -> None:
    text = html.page(report())
    row = text[text.index(">S8.STD.1/L2/smart</span><br>") :]
    row = row[: row.index("</tr>")]
    assert '<a href="#a-scan">scan</a>, unheard-of' in row
    assert '<span class="tag tag-conflict">conflict</span>' in row
    assert "As it reads outside the country of its norm." in row


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(60, 60, "60"), (60, 64, "about 62 (60-64)"), (60, 65, "about 62 (60-65)"), (60, 66, "60-66"), (0, 100, "0-100")],
)
def test_a_single_figure_stands_only_where_the_interval_is_narrow(low: int, high: int, said: str) -> None:
    assert words.interval(Interval(low=low, high=high)) == said


@pytest.mark.parametrize("name", [MEETS, "Exceeds the proposal's criteria (self-assessed)"])
def test_the_names_of_the_highest_labels_need_the_disclaimer(name: str) -> None:
    assert claims(f"Label: Sandbox: {name}.")
    assert claims(name.replace(" proposal's ", "\n  proposal\u2019s "))
    assert not claims("The proposal's criteria follow.")
    for text in everything(report(maturity=MATURITY.model_copy(update={"disclaimer": "Ours."}))).values():
        assert PROPOSAL in flat(text)


UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
ALLOWED_IN_MARKDOWN = {
    *("a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "li", "p", "pre", "span", "strong", "ul"),
    *("table", "tbody", "td", "th", "thead", "tr"),
}


@pytest.mark.parametrize("name", ["hostile", "claiming"])
def test_what_a_server_wrote_stays_text(name: str) -> None:
    for text in everything(REPORTS[name]).values():
        assert not UNSEEN.search(text)
    page = Page(html.page(REPORTS[name]))
    assert set(page.tags) == set(Page(html.page(report())).tags)
    assert not [one for one in page.attributes if one.startswith("on") or one == "style"]
    assert set(rendered_markdown(markdown.page(REPORTS[name])).tags) <= ALLOWED_IN_MARKDOWN


@given(st.text(alphabet=st.sampled_from([*"<>&\"'`*_[](){}|#!~$\\ \n\r\tab1:/-=+.@", "\x1b", "\u202e", "é", "\ud800"])))
def test_any_text_stays_text_in_markdown(text: str) -> None:
    source = "\n".join(
        [f"- {markdown.plain(text)} end", "", f"- {markdown.code(text)} end", "", *markdown.fenced(visible_lines(text))]
    )
    page = rendered_markdown(source)
    assert set(page.tags) <= {"ul", "li", "code", "pre", "p", "span"}
    assert not page.links


@pytest.mark.parametrize("text", ["1) a", "1. a", "- a", "+ a", "  - a", "---", "===", "12345678.", "* a", "# a"])
def test_no_text_begins_a_list_a_rule_or_a_heading(text: str) -> None:
    assert rendered_markdown(f"- {markdown.plain(text)}").tags == ["ul", "li"]
    assert rendered_markdown(markdown.plain(text)).tags == ["p"]


@pytest.mark.parametrize("text", ["a@evil.example", "@user", "mailto:a@evil.example", "xmpp:a@evil.example/x", "@a@b@"])
def test_no_text_calls_anybody_or_becomes_a_mail_address(text: str) -> None:
    assert markdown.plain(text) == text.replace("@", "<span>@</span>")
    rendered = rendered_markdown(f"- see {markdown.plain(text)} there")
    assert rendered.tags == ["ul", "li", *["span"] * text.count("@")]


@given(st.text())
def test_visible_text_holds_nothing_unseen_and_keeps_the_rest(text: str) -> None:
    assert not UNSEEN.search(visible(text))
    assert not re.search("[\n\t]", visible(text))
    visible(text).encode()
    if text.isprintable():
        assert visible(text) == text


@given(st.dictionaries(st.text(), st.lists(st.text())))
def test_visible_json_says_the_same_and_holds_nothing_unseen(value: dict[str, list[str]]) -> None:
    shown = visible_json(canonical(value))
    assert json.loads(shown) == value
    assert not UNSEEN.search(shown)
    shown.encode()


def test_unseen_characters_of_json_are_escaped_and_nothing_else() -> None:
    told = "\x1b[31m\u202e\x7f\ud800\U000e0041 é 中"
    escapes = "\\u001b[31m\\u202e\\u007f\\ud800\\udb40\\udc41 é 中"
    assert visible_json(canonical({"a": told})) == f'{{"a":"{escapes}"}}'


def test_unseen_characters_get_names() -> None:
    assert visible("a\x1b[31m\u202eb\x00\n\x7f\ud800") == "a␛[31m[U+202E]b␀␊␡[U+D800]"
    assert visible_lines("a\r\nb\tc\rd") == "a\nb\tc␍d"
    assert excerpt(b"\xff\xfeab", 3) == "\ufffd\ufffda"
    assert shortened("abcdef", 4) == "abcd… (2 more characters)"


def test_the_page_allows_its_own_style_and_nothing_else() -> None:
    import base64

    text = html.page(report())
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in text
    assert "</" not in style
    assert "http" not in style


@pytest.mark.parametrize("name", ["one", "two", "undeclared", "unlabelled", "bare"])
def test_headings_and_landmarks_are_in_order(name: str) -> None:
    page = Page(html.page(REPORTS[name]))
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    landmarks = ["header", "nav", "main", "footer"]
    assert [tag for tag in page.tags if tag in landmarks] == landmarks


def test_every_picture_has_a_title_or_is_hidden() -> None:
    pictures = re.findall(r"<svg[^>]*>(?:<title>([^<]*)</title>)?", html.page(report()))
    shown = re.findall(r'<svg[^>]*role="img"[^>]*>', html.page(report()))
    assert len([title for title in pictures if title]) == len(shown) > 5


def test_colours_are_readable() -> None:
    """WCAG 2.1, 1.4.3: at least 4.5 to 1 for text, on the page and on the tinted ground, by day and by night."""
    text = html.page(report())
    for block in re.findall(r":root \{(.*?)\}", text, re.DOTALL)[:2]:
        colours = dict(re.findall(r"--([a-z]+): #([0-9a-f]{6})", block))
        for ground in ("paper", "wash", "mark"):
            for ink in ("ink", "soft", "link", "shown", "refuted", "unknown"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_keep_their_width_except_commands_and_long_words(width: int) -> None:
    for line in summary(report(), width).splitlines():
        assert len(line) <= max(width, 80) or "curl" in line
    assert "\x1b" not in summary(hostile(), width)


def test_every_reason_has_a_meaning_and_a_remedy_in_whole_sentences() -> None:
    from prober.nouns.finding import REASONS

    assert set(words.MEANING) == set(words.REMEDY) == set(REASONS)
    for text in (*words.MEANING.values(), *words.REMEDY.values(), *words.ENVIRONMENT.values(), *words.ENDING.values()):
        assert text.endswith(".")
        assert not claims(text)


def test_a_run_that_was_cut_short_says_so_on_the_first_page() -> None:
    subject = report().subjects[0]
    killed = replace(subject, run=subject.run.model_copy(update={"done": None, "ended": None}))
    late = subject.run.model_copy(
        update={"done": Done(requests=3, refused=0, ending="deadline", not_begun=("declared_interactions",))}
    )
    for one, said in ((killed, words.NOT_ENDED), (replace(subject, run=late), words.ENDING["deadline"])):
        whole = Report(report().card, (one,), SHEETS)
        for text in (summary(whole, 120), markdown.page(whole), html.page(whole)):
            assert said in text
    assert "declared_interactions" in {one.planned.observation for one in View(whole).not_done(whole.subjects[0])}


def test_a_claim_that_was_shown_without_content_says_so() -> None:
    cells = [Cell(claim="Basic search-type", declared=True, result="shown", reason="no_data")]
    matrix = Verdict(
        outcome="present", message="All.", values={"cells": [one.model_dump(mode="json") for one in cells]}
    )
    subject = replace(report().subjects[0], findings=(finding("declared_interactions_shown", matrix, BASE, ()),))
    whole = Report(report().card, (subject,), SHEETS)
    for text in (html.page(whole), markdown.page(whole)):
        assert "It found no record, so what it would hold is unknown." in text


def test_a_report_of_300_exchanges_stays_small_and_quick() -> None:
    import time

    many = {
        f"{number:016x}.1": exchange(f"{number:016x}.1", f"Patient/{number}", body=["x" * 2000])
        for number in range(300)
    }
    cells = [Cell(claim=f"Type{n} read", declared=True, result="shown", exchange=id_) for n, id_ in enumerate(many)]
    matrix = Verdict(
        outcome="present", message="All.", values={"cells": [one.model_dump(mode="json") for one in cells]}
    )
    subject = replace(
        report().subjects[0],
        exchanges=many,
        findings=(finding("declared_interactions_shown", matrix, BASE, tuple(many)),),
    )
    whole = Report(report().card, (subject,), SHEETS)
    html.page(report())
    took = []
    for _ in range(3):
        begun = time.process_time()
        text = html.page(whole)
        took.append(time.process_time() - begun)
    assert len(text.encode()) < 1_500_000
    assert min(took) < 0.5


TEXTS = st.sampled_from(
    ["", "Seen.", "<b>&\"'|`", "\x1b[31m\u202eevil", "Meets the proposal's criteria", "certified", "- 1. # a\nb"]
)
DAYS = st.none() | st.sampled_from(["2026-12-24", "2027-03-01"])
PROBES = st.lists(st.sampled_from(["patient_read", "smart_configuration_served", "unheard_of"]), max_size=2).map(tuple)
CRITERIA = ("S8.STD.1", "S8.GOV.1", "S8.BASE.0")
MEANT: dict[type[Noun], dict[str, st.SearchStrategy[Any]]] = {
    AttestationLine: {"id": st.sampled_from(["letter", "scan"]), "last_day": DAYS},
    BlockScore: {"id": st.sampled_from(["STD", "GOV"])},
    CriterionScore: {
        "id": st.sampled_from(CRITERIA),
        "block": st.sampled_from(["STD", "GOV", "ELSEWHERE"]),
        "next_expiry": DAYS,
    },
    GateScore: {"id": st.sampled_from(["S8.GATE.1", "S8.GATE.3"]), "findings": PROBES},
    RequirementScore: {
        "id": st.sampled_from([f"{one}/L{level}/shown" for one in CRITERIA for level in (1, 4)]),
        "findings": PROBES,
    },
    StepPart: {"findings": PROBES},
    WorkflowScore: {"id": st.sampled_from(["S8.WF.VC", "S8.WF.PA"])},
    MaturityScore: {"disclaimer": st.just(f"These criteria follow {PROPOSAL}.")},
}
"""What a name or a day must look like to mean anything; all else may be anything of its type."""


def any_noun(kind: type[Noun]) -> st.SearchStrategy[Any]:
    """Such a noun, each of its members given or left at nothing."""
    if kind is Interval:
        ends = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(sorted)
        return ends.map(lambda pair: Interval(low=pair[0], high=pair[1]))
    meant = MEANT.get(kind, {})
    members = {name: meant.get(name, any_of(field.annotation)) for name, field in kind.model_fields.items()}
    return st.builds(kind, **members)


def any_of(annotation: Any) -> st.SearchStrategy[Any]:
    """A value of this type."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is str:
        return TEXTS
    if annotation is int:
        return st.integers(0, 4)
    if origin in (Union, UnionType):
        return st.one_of([any_of(one) for one in inner])
    if origin is tuple:
        least = st.sampled_from([0, 1, 1])
        return least.flatmap(
            lambda size: st.lists(any_of(inner[0]), min_size=size, max_size=2, unique_by=_name).map(tuple)
        )
    if origin is dict:
        return st.just({"probed": 40, "attested": 30, "declared_only": 10, "unknown": 20}) | st.just({})
    if isinstance(annotation, type) and issubclass(annotation, Noun):
        return st.deferred(lambda: any_noun(annotation))
    return st.from_type(annotation)


def _name(one: Any) -> Any:
    return getattr(one, "id", one)


def without_claims(text: str, parts: list[str]) -> None:
    """No part holds a word that needs the disclaimer without it."""
    assert not UNSEEN.search(text)
    for part in parts:
        assert disclaimed(part) or not claims(part), part[:300]


@settings(
    max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(
    maturity=st.none() | any_noun(MaturityScore),
    profile=st.sampled_from([None, PROFILE]),
    declared=st.booleans(),
)
def test_any_scorecard_is_rendered_whole(
    maturity: MaturityScore | None, profile: ProfileScore | None, declared: bool
) -> None:
    whole = report()
    card = whole.card.model_copy(update={"maturity": maturity, "profile": profile})
    subject = whole.subjects[0]
    facts = subject.facts.model_copy(update={"declared": declared})
    one = Report(card, (replace(subject, facts=facts),), whole.sheets)

    written = html.page(one)
    page = Page(written)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    without_claims(written, ["".join(region) for region in page.regions])

    source = markdown.page(one)
    without_claims(source, [unescape(part.replace("\\", "")) for part in re.split(r"\n(?=##? )", source)])

    told = summary(one, 60)
    without_claims(told, told.split("\n\n"))
    if maturity is not None and maturity.next is not None and maturity.label is not None:
        steps = next_text(maturity.next, maturity.label, 60)
        assert disclaimed(steps)
        without_claims(steps, [])
