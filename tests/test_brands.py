"""User-access brands (SMART App Launch 2.2.0): the many ways in which a bundle can be wrong, and what is kept."""

import asyncio
import functools
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import DEEP, examples, some

from prober.casebook import Case, Change, outcome_of, remember
from prober.library import load_probes
from prober.nouns.finding import Finding
from prober.observations import is_for_everybody
from prober.redact import Redactor
from prober.sandbox import Sandbox

FIXTURES = Path(__file__).parent.parent / "fixtures"
BASE, BRANDS = "http://127.0.0.1:8480/fhir", "http://127.0.0.1:8480/brands"
EXTENSIONS = "http://hl7.org/fhir/StructureDefinition"
HL7 = "http://terminology.hl7.org/CodeSystem"
NONE = {"coding": [{"system": f"{HL7}/endpoint-payload-type", "code": "none"}]}
WEBSITE = {"system": "url", "value": "https://a.example"}
IDENTIFIER = {"system": "urn:ietf:rfc:3986", "value": "https://a.example"}
URN = "urn:uuid:5e1b3c1c-0000-4000-8000-000000000001"
GONE = object()
"""Stands for a member that is taken out."""

Json = dict[str, Any]


def with_(plain: Json, changes: Json) -> Json:
    return {name: value for name, value in {**plain, **changes}.items() if value is not GONE}


def brand(identity: str = "a", **changes: Any) -> Json:
    plain = {
        **{"resourceType": "Organization", "id": identity, "name": identity.upper(), "telecom": [WEBSITE]},
        "identifier": [{"system": IDENTIFIER["system"], "value": f"https://{identity}.example"}],
        "endpoint": [{"reference": "Endpoint/e"}],
    }
    return with_(plain, changes)


def endpoint(identity: str = "e", **changes: Any) -> Json:
    plain = {
        **{"resourceType": "Endpoint", "id": identity, "status": "active", "address": BASE},
        "connectionType": {"system": f"{HL7}/endpoint-connection-type", "code": "hl7-fhir-rest"},
        "extension": [{"url": f"{EXTENSIONS}/endpoint-fhir-version", "valueCode": "4.0.1"}],
        "contact": [{"system": "url", "value": "https://developers.example"}],
        "payloadType": [NONE],
    }
    return with_(plain, changes)


def bundle(*resources: Json, urls: tuple[str, ...] = (), **changes: Any) -> Json:
    changed = "2026-02-01T08:00:00Z"
    entries = [{"resource": one} for one in resources]
    for entry, url in zip(reversed(entries), urls, strict=False):
        entry["fullUrl"] = url  # type: ignore[assignment]
    plain = {"resourceType": "Bundle", "type": "collection", "meta": {"lastUpdated": changed}, "timestamp": changed}
    return with_({**plain, "entry": entries}, changes)


def absent_because(code: Any) -> Json:
    return {"extension": [{"url": f"{EXTENSIONS}/data-absent-reason", "valueCode": code}]}


def portal(*references: Any) -> Json:
    inner = [{"url": "portalEndpoint", "valueReference": one} for one in references]
    return {"url": f"{EXTENSIONS}/organization-portal", "extension": inner}


def judged(probe: str, document: Any, identifier: Any = GONE, **facts: Any) -> Finding:
    named = {
        "user_access_brand_bundle": BRANDS,
        "user_access_brand_identifier": None if identifier is GONE else identifier,
    }
    case = Case(
        fixture="leader",
        expect="present",
        change={
            ".well-known/smart-configuration": Change(body=named),
            BRANDS: Change(headers={"content-type": "application/fhir+json"}, text=json.dumps(document)),
        },
        **facts,
    )
    finding, bugs = asyncio.run(outcome_of(case, probes()[probe], remembered()))
    assert bugs == ()
    return finding


probes = functools.cache(lambda: load_probes(()))
remembered = functools.cache(lambda: remember(FIXTURES / "leader"))

SOUND: dict[str, tuple[Json, Any]] = {
    "a brand without endpoints": (bundle(brand(endpoint=GONE)), GONE),
    "a primary brand without a system": (bundle(brand(), endpoint()), {"value": "https://a.example"}),
    "one brand and its name": (bundle(brand(), endpoint()), IDENTIFIER),
    "who was asked and did not answer": (
        bundle(
            brand(
                name=GONE, _name=absent_because("asked-declined"), telecom=[{"_value": absent_because("asked-unknown")}]
            ),
            endpoint(),
        ),
        GONE,
    ),
    "a reference by URL to an entry without one": (
        bundle(brand(endpoint=[{"reference": "https://f.example/Endpoint/e"}]), endpoint()),
        GONE,
    ),
    "a reference by UUID": (bundle(brand(endpoint=[{"reference": URN}]), endpoint(id=GONE), urls=(URN,)), GONE),
    "a reference to a version": (bundle(brand(endpoint=[{"reference": "Endpoint/e/_history/2"}]), endpoint()), GONE),
    "a portal": (bundle(brand(extension=[7, {"url": 7}, portal({"reference": "Endpoint/e"}, 7)]), endpoint()), GONE),
    "a second contact": (
        bundle(brand(), endpoint(contact=[{"system": "email", "value": "a@b.example"}, WEBSITE])),
        GONE,
    ),
    "nothing in it": (bundle(entry=GONE), GONE),
    "entries that are none": (bundle(entry=[7, None, {"resource": 7}, {"resource": {"resourceType": 7}}]), GONE),
}
FAULTS: list[tuple[str, Json, Any]] = [
    *(("last_updated", bundle(brand(), endpoint(), meta=one), GONE) for one in (GONE, [7], {"lastUpdated": 7})),
    *(("name", bundle(brand(name=one), endpoint()), GONE) for one in (GONE, 7, " ", {"a": 1})),
    *(
        ("website", bundle(brand(telecom=one), endpoint()), GONE)
        for one in (GONE, 7, [7], [{"system": "phone", "value": "555"}], [{"system": "url", "value": 7}])
    ),
    ("website", bundle(brand(telecom=[WEBSITE, WEBSITE]), endpoint()), GONE),
    *(
        ("reference", bundle(brand(endpoint=[one]), endpoint()), GONE)
        for one in (7, {"reference": 7}, {"reference": "Endpoint/other"}, {"reference": "Endpoint/"}, {"display": "E"})
    ),
    (
        "reference",
        bundle(
            brand(endpoint=[{"reference": "https://g.example/Endpoint/e"}]),
            endpoint(),
            urls=("https://f.example/Endpoint/e",),
        ),
        GONE,
    ),
    ("portal", bundle(brand(extension=[portal({"reference": "Endpoint/f"})]), endpoint()), GONE),
    *(("address", bundle(brand(), endpoint(address=one)), GONE) for one in (GONE, 7, " ")),
    *(("status", bundle(brand(), endpoint(status=one)), GONE) for one in (GONE, 7)),
    *(
        ("connection_type", bundle(brand(), endpoint(connectionType=one)), GONE)
        for one in (GONE, 7, {"code": "hl7-fhir-rest"}, {"system": f"{HL7}/endpoint-connection-type", "code": "x"})
    ),
    *(
        ("fhir_version", bundle(brand(), endpoint(extension=one)), GONE)
        for one in (GONE, 7, [7], [{"url": f"{EXTENSIONS}/endpoint-fhir-version", "valueCode": 4}])
    ),
    *(
        ("contact", bundle(brand(), endpoint(contact=one)), GONE)
        for one in (GONE, 7, [7], [{"system": "email", "value": "a@b.example"}], [{"system": "url", "value": 7}])
    ),
    *(
        ("payload_type", bundle(brand(), endpoint(payloadType=one)), GONE)
        for one in (GONE, 7, [7], [NONE, NONE], [{"coding": [{"code": "none"}]}])
    ),
    ("unreferenced", bundle(brand(), endpoint(), endpoint("f")), GONE),
    ("unreferenced", bundle(endpoint()), GONE),
    ("absent_reason", bundle(brand(_alias=[absent_because("unknown")]), endpoint()), GONE),
    ("absent_reason", bundle(brand(), endpoint(_name=absent_because(7))), GONE),
    ("no_identifier", bundle(brand(), brand("b"), endpoint()), GONE),
    *(
        ("identifier_value", bundle(brand(), endpoint()), one)
        for one in (7, [7], {}, {"system": "urn:ietf:rfc:3986"}, {"value": 7})
    ),
    ("identifier", bundle(brand(), endpoint()), {"system": "urn:oid:1.2.3", "value": "https://a.example"}),
    ("identifier", bundle(brand(identifier=[7, {"value": 7}]), endpoint()), IDENTIFIER),
    ("identifier", bundle(brand(), brand("b", identifier=[IDENTIFIER]), endpoint()), IDENTIFIER),
]


@pytest.mark.parametrize("name", some(SOUND, every=4))
def test_what_the_guide_allows_is_sound(name: str) -> None:
    finding = judged("brands_sound", *SOUND[name])
    assert finding.verdict.outcome == "present", finding.verdict.message


@pytest.mark.parametrize("row", some(range(len(FAULTS)), every=7))
def test_each_rule_that_is_broken_is_named(row: int) -> None:
    fault, document, identifier = FAULTS[row]
    verdict = judged("brands_sound", document, identifier).verdict
    assert (verdict.outcome, verdict.values["fault"]) == ("absent", fault), verdict.message
    (place,) = verdict.citations
    assert place.pointer.startswith("/") or fault in ("last_updated", "no_identifier")


WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["Organization", "Endpoint/e", "Bundle", "", "url"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resourceType", "resource", "entry", "endpoint", "reference", "extension", "telecom"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=examples(100), deadline=None, database=None)
@given(st.sampled_from(["brand", "endpoint", "bundle"]), st.data())
def test_no_shape_of_anything_is_a_bug(where: str, data: st.DataObject) -> None:
    """`judged` holds that no probe failed; here it is fed with members of every wrong type."""
    plain = {"brand": brand(), "endpoint": endpoint(), "bundle": bundle(brand(), endpoint())}[where]
    member, value = data.draw(st.sampled_from(sorted(plain))), data.draw(WILD)
    odd = {**plain, member: value}
    document = odd if where == "bundle" else bundle(*([odd, endpoint()] if where == "brand" else [brand(), odd]))
    for probe in ("brands_served", "brands_sound", "brands_list_base"):
        judged(probe, document, data.draw(WILD))


@DEEP
def test_a_huge_bundle_is_judged_in_one_pass() -> None:
    many = [endpoint(f"e{number}") for number in range(3_000)]
    one = brand(endpoint=[{"reference": f"Endpoint/e{number}"} for number in range(3_000)])
    assert judged("brands_sound", bundle(one, *many)).verdict.values["endpoints"] == 3_000


def test_the_published_bundle_is_kept_and_whatever_may_be_a_record_is_not() -> None:
    redactor = Redactor(bytes(32), synthetic=False)
    for document, public in (
        (bundle(brand(name="zqcanary"), endpoint()), True),
        (bundle(brand(name="zqcanary"), {"resourceType": "Patient", "id": "zqcanary"}), False),
        (bundle(brand(name="zqcanary", contained=[{"resourceType": "Location", "name": "zqcanary"}])), False),
        (bundle(brand(name="zqcanary"), type="searchset"), False),
    ):
        kept = redactor.body(json.dumps(document).encode(), "application/fhir+json", public=True).data
        assert (b"zqcanary" in kept) == public
        assert is_for_everybody(document) == is_for_everybody(json.loads(kept)) == public
        if not public:
            finding = judged("brands_sound", json.loads(kept), synthetic=False)
            assert (finding.verdict.outcome, finding.verdict.reason) == ("unknown", "no_data")
            # What it is can be told all the same.
            served = judged("brands_served", json.loads(kept), synthetic=False).verdict
            assert served.outcome == ("absent" if document["type"] == "searchset" else "present")


def test_the_sandbox_serves_what_the_guide_asks_for() -> None:
    with Sandbox() as box:
        smart = httpx.get(f"{box.base_url}/.well-known/smart-configuration").json()
        answer = httpx.get(smart["user_access_brand_bundle"])
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["etag"].startswith("W/")
    finding = judged("brands_sound", answer.json(), smart["user_access_brand_identifier"])
    assert finding.verdict.values == {"brands": 2, "endpoints": 1}
    assert judged("brands_served", answer.json()).verdict.outcome == "present"
