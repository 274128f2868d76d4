"""The sandbox when it is healthy: it serves what it declares, refuses properly, and starts and stops quickly."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given
from hypothesis import strategies as st
from tests.samples import DEEP, some

from prober.archive import RunFolder
from prober.clock import SystemClock
from prober.library import load_probes
from prober.nouns.finding import Finding
from prober.pipeline import Options, collect, judge_folder, prepare
from prober.sandbox import DEFECTS, PERSONAS, Sandbox, serve
from prober.sandbox.data import GROUP_MEMBERS, store
from prober.sandbox.outcome import Refusal
from prober.sandbox.search import PARAMETERS, interval, searchset
from prober.sandbox.vendors import APPLICATIONS, Laggard, Typical

Json = dict[str, Any]
FIXTURES = Path(__file__).parent.parent / "fixtures"
GOLDEN = Path(__file__).parent / "golden"
BASE = "http://sandbox.example/fhir"
KINDS = sorted(store())


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def outsider(box: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=box.base_url, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def client(box: Sandbox) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {box.token}"}
    with httpx.Client(base_url=box.base_url, trust_env=False, headers=headers) as client:
        yield client


def valid(resource: Json) -> Json:
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return resource


def refused(answer: httpx.Response, status: int) -> Json:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    outcome = valid(answer.json())
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["diagnostics"].endswith(".")
    return outcome


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


@DEEP
def test_every_record_is_valid_r4_and_refers_only_to_records_that_are_there() -> None:
    held = {f"{kind}/{identity}" for kind, records in store().items() for identity in records}
    for kind, records in store().items():
        for identity, record in records.items():
            valid(record)
            assert (record["resourceType"], record["id"]) == (kind, identity)
            assert {"versionId", "lastUpdated"} <= record["meta"].keys()
            assert kind == "Group" or record["meta"]["profile"]
            assert set(references(record)) <= held


def test_each_patient_has_a_record_of_every_clinical_type(client: httpx.Client, box: Sandbox) -> None:
    assert len(box.patient_ids) == 12
    for kind in KINDS:
        if "patient" in PARAMETERS[kind]:
            for patient in box.patient_ids:
                assert client.get(f"/{kind}", params={"patient": patient, "_summary": "count"}).json()["total"] >= 1


def test_the_statement_is_valid_stable_and_open_to_everybody(outsider: httpx.Client, box: Sandbox) -> None:
    answer = outsider.get("/metadata", headers={"Origin": "https://app.example"})
    statement = valid(answer.json())
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (statement["kind"], statement["fhirVersion"]) == ("instance", "4.0.1")
    assert statement["implementation"]["url"] == box.base_url
    assert statement["software"].keys() == {"name", "version"}
    assert any("us-core-server|6.1.0" in canonical for canonical in statement["instantiates"])
    assert statement["rest"][0]["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert outsider.get("/metadata").json() == statement


def test_declared_profiles_are_exactly_those_that_records_claim(outsider: httpx.Client) -> None:
    for declared in outsider.get("/metadata").json()["rest"][0]["resource"]:
        claimed = {
            profile for record in store()[declared["type"]].values() for profile in record["meta"].get("profile", [])
        }
        assert set(declared.get("supportedProfile", [])) == claimed


@DEEP
def test_every_declared_read_and_search_parameter_works(outsider: httpx.Client, client: httpx.Client) -> None:
    declared = outsider.get("/metadata").json()["rest"][0]["resource"]
    assert sorted(resource["type"] for resource in declared) == KINDS
    values = {
        "reference": {"patient": "example-patient-01", "subject": "Patient/example-patient-01"},
        "string": {"family": "Ex", "given": "A", "name": "", "address-state": "MA", "address-postalcode": "00"},
    }
    samples = {
        ("Patient", "name"): "specimen",
        ("Practitioner", "family"): "Invented",
        ("Practitioner", "given"): "Nora",
        ("Practitioner", "name"): "Invented",
        ("Organization", "name"): "Make-Believe",
        ("Location", "name"): "make-believe",
        ("Organization", "address"): "Nowhere",
        ("Location", "address"): "Nowhere",
        ("Location", "address-city"): "Nowhere",
        ("Encounter", "location"): "Location/example-location-01",
        ("Group", "member"): "Patient/example-patient-01",
    }
    for resource in declared:
        kind = resource["type"]
        first = next(iter(store()[kind].values()))
        assert client.get(f"/{kind}/{first['id']}").json() == first
        for parameter in resource["searchParam"]:
            name = parameter["name"]
            value = samples.get((kind, name)) or values.get(parameter["type"], {}).get(name)
            if value is None:
                value = "ge1900" if parameter["type"] == "date" else _value_of(kind, name)
            answer = client.get(f"/{kind}", params={name: value}, headers={"Prefer": "handling=strict"})
            bundle = valid(answer.json())
            assert answer.status_code == 200, answer.text
            assert bundle["total"] >= 1, (kind, name, value)
            assert f"{name}=" in bundle["link"][0]["url"]


def _value_of(kind: str, name: str) -> str:
    words = name.lstrip("_").split("-")
    member = words[0] + "".join(word.title() for word in words[1:])
    value = next(record[member] for record in store()[kind].values() if member in record)
    value = value[0] if isinstance(value, list) else value
    if isinstance(value, str):
        return value
    if "reference" in value:
        return str(value["reference"])
    coded = value["coding"][0] if "coding" in value else value
    return f"{coded['system']}|{coded.get('code', coded.get('value'))}"


def test_a_read_carries_version_and_date_that_agree_with_meta(client: httpx.Client) -> None:
    answer = client.get("/Patient/example-patient-03")
    meta = valid(answer.json())["meta"]
    assert answer.headers["etag"] == f'W/"{meta["versionId"]}"'
    assert parsedate_to_datetime(answer.headers["last-modified"]) == datetime.fromisoformat(meta["lastUpdated"])


@pytest.mark.parametrize(
    "path", ["/Patient", "/Patient/example-patient-01", "/NoSuchType/x", "/Group/cohort-1/$export"]
)
@pytest.mark.parametrize("authorization", [None, "Bearer made-up", "Bearer", "Basic YTpi"])
def test_nothing_but_discovery_is_given_without_the_token(
    outsider: httpx.Client, path: str, authorization: str | None
) -> None:
    answer = outsider.get(path, headers={"authorization": authorization} if authorization else {})
    refused(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Patient/no-such-patient", 404),
        ("GET", "/Patient/$everything", 404),
        ("GET", "/NoSuchType", 404),
        ("GET", "/NoSuchType/x", 404),
        ("GET", "/Patient/example-patient-01/_history", 404),
        ("GET", "/", 404),
        ("POST", "/Patient", 405),
        ("PUT", "/Patient/example-patient-01", 405),
        ("PATCH", "/Patient/example-patient-01", 405),
        ("DELETE", "/Patient/example-patient-01", 405),
        ("POST", "/metadata", 405),
        ("GET", "/Patient?birthdate=soon", 400),
        ("GET", "/Patient?birthdate=2026-02-31", 400),
        ("GET", "/Patient?birthdate=lt0001-01-01T00:00:00%2B23:00", 400),
        ("GET", "/Patient?gender:not=male", 400),
        ("GET", "/Patient?_count=many", 400),
        ("GET", "/Patient?_cursor=made-up", 400),
        ("GET", "/Patient?_format=xml", 406),
        ("GET", "/NoSuchType/%00", 404),
        ("GET", "/Group/nobody/$export", 404),
    ],
)
def test_refusals_have_the_right_status_and_an_outcome(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    refused(client.request(method, path, headers={"Prefer": "respond-async"}), status)


@pytest.mark.parametrize("path", ["/metadata", "/Patient", "/Patient/example-patient-01", "/$versions"])
def test_only_json_is_spoken(client: httpx.Client, path: str) -> None:
    refused(client.get(path, headers={"accept": "application/fhir+xml"}), 406)
    for accept in ("application/fhir+json;fhirVersion=4.0", "text/html, */*;q=0.1", "application/json"):
        assert client.get(path, headers={"accept": accept}).status_code == 200


def test_an_unknown_parameter_is_ignored_unless_handling_is_strict(client: httpx.Client) -> None:
    lenient = client.get("/Patient", params={"shoe-size": "42", "gender": "female"})
    assert lenient.json()["link"][0]["url"] == f"{client.base_url}Patient?gender=female"
    strict = client.get("/Patient", params={"shoe-size": "42"}, headers={"Prefer": "handling=strict"})
    assert "shoe-size" in refused(strict, 400)["issue"][0]["diagnostics"]


def test_search_by_id_by_get_and_by_post_find_the_same(client: httpx.Client, box: Sandbox) -> None:
    by_get = client.get("/Patient", params={"_id": box.patient_ids[4]}).json()
    by_post = client.post("/Patient/_search", data={"_id": box.patient_ids[4]}).json()
    assert by_get == valid(by_post)
    assert [entry["resource"]["id"] for entry in by_get["entry"]] == [box.patient_ids[4]]
    assert by_get["entry"][0]["fullUrl"] == f"{box.base_url}/Patient/{box.patient_ids[4]}"
    assert by_get["entry"][0]["search"] == {"mode": "match"}


def test_summary_count_and_count_zero_give_a_total_and_no_entry(client: httpx.Client) -> None:
    for query in ("_summary=count", "_count=0"):
        bundle = client.get(f"/Patient?{query}").json()
        assert (bundle["total"], "entry" in bundle, len(bundle["link"])) == (12, False, 1)


def test_next_links_walk_through_everything_once(client: httpx.Client, box: Sandbox) -> None:
    seen, url = [], "/Patient?_count=5"
    for _ in range(3):
        bundle = valid(client.get(url).json())
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        assert client.get(links["self"]).json() == bundle
        url = links.get("next", "")
    assert (seen, url) == (list(box.patient_ids), "")


@given(st.sampled_from(KINDS), st.integers(1, 200))
def test_pages_of_any_size_partition_the_result(kind: str, size: int) -> None:
    seen: list[str] = []
    pairs = [("_count", str(size))]
    while pairs:
        bundle = searchset(store(), kind, pairs, BASE)
        assert len(bundle["entry"]) <= min(size, 100)
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        pairs = [("_cursor", following[0].partition("_cursor=")[2])] if following else []
    assert seen == list(store()[kind])


@given(st.sampled_from(KINDS), st.text(max_size=12), st.text(max_size=40), st.booleans())
def test_any_parameter_gives_a_searchset_or_a_refusal(kind: str, name: str, value: str, strict: bool) -> None:
    for known in [name, "_cursor", "_count", "_lastUpdated", "_id", *PARAMETERS[kind]]:
        found = {"type": "searchset"}
        with suppress(Refusal):
            found = searchset(store(), kind, [(known, value)], BASE, strict=strict)
        assert found["type"] == "searchset"


@given(st.datetimes(min_value=datetime(1800, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_an_instant_lies_in_the_interval_of_each_of_its_shorter_forms(instant: datetime) -> None:
    text = instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for shorter in (text[:4], text[:7], text[:10], text[:19] + "Z", text):
        prefix, start, end = interval(f"ge{shorter}")
        assert prefix == "ge"
        assert start <= instant < end


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("Patient?gender=female", 6),
        ("Patient?gender=http://hl7.org/fhir/administrative-gender|female", 0),
        ("Patient?birthdate=1945", 1),
        ("Patient?birthdate=lt1955", 2),
        ("Patient?birthdate=ge1955-03-06&birthdate=le1960", 2),
        ("Patient?family=spec", 2),
        ("Patient?family:exact=spec", 0),
        ("Patient?family:contains=PECIM", 2),
        ("Patient?name=ada,bruno", 2),
        ("Observation?patient=example-patient-01", 3),
        ("Observation?subject=Patient/example-patient-01&category=laboratory", 1),
        ("Observation?code=http://loinc.org|29463-7", 12),
        ("Observation?code=http://snomed.info/sct|29463-7", 0),
        ("Observation?code=http://loinc.org|", 36),
        ("Condition?patient=example-patient-02&category=problem-list-item", 1),
        ("Encounter?patient=example-patient-02&date=2026-01-05", 1),
        ("Encounter?date=gt2026-01-15T10:00:00Z", 0),
        ("Encounter?date=sa2026-01-14", 1),
        ("Patient?_lastUpdated=gt2026-02-12", 1),
        ("Patient?name=", 12),
    ],
)
def test_searches_find_what_they_name(client: httpx.Client, query: str, total: int) -> None:
    assert client.get(f"/{query}").json()["total"] == total


def test_a_reference_may_be_written_as_the_absolute_url(client: httpx.Client, box: Sandbox) -> None:
    answer = client.get("/Procedure", params={"patient": f"{box.base_url}/Patient/example-patient-07"})
    assert answer.json()["total"] == 1


def test_the_smart_configuration_satisfies_both_launch_families(outsider: httpx.Client) -> None:
    answer = outsider.get("/.well-known/smart-configuration", headers={"accept": "application/fhir+xml"})
    document = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    origin = str(outsider.base_url).removesuffix("/fhir/")
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri")) or name == "issuer":
            assert value.startswith(f"{origin}/"), name
    assert {"launch-ehr", "launch-standalone", "permission-user", "sso-openid-connect"} <= set(document["capabilities"])
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert {"RS384", "ES384"} == set(document["token_endpoint_auth_signing_alg_values_supported"])
    assert any(scope.startswith("patient/Condition.rs?category=") for scope in document["scopes_supported"])
    assert outsider.get(document["authorization_endpoint"]).headers["content-type"].startswith("text/html")
    assert outsider.post(document["introspection_endpoint"], data={"token": "x"}).status_code == 401
    assert outsider.post(document["revocation_endpoint"], data={"token": "x"}).status_code == 401
    known = outsider.get(document["issuer"] + "/.well-known/openid-configuration").json()
    assert known["issuer"] == document["issuer"]
    assert "RS256" in known["id_token_signing_alg_values_supported"]
    keys = outsider.get(document["jwks_uri"]).json()["keys"]
    assert [key["kty"] for key in keys] == ["RSA", "EC"]
    assert len({key["kid"] for key in keys}) == 2
    assert not {"d", "p", "q"} & {member for key in keys for member in key}


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "invalid_client"),
        ({"grant_type": "authorization_code", "code": "made-up"}, "invalid_grant"),
    ],
)
def test_the_token_endpoint_answers_the_error_of_oauth(outsider: httpx.Client, form: Json, error: str) -> None:
    url = outsider.get("/.well-known/smart-configuration").json()["token_endpoint"]
    answer = outsider.post(url, data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["cache-control"] == "no-store"


def test_versions_are_listed_in_both_shapes(outsider: httpx.Client) -> None:
    listed = valid(outsider.get("/$versions").json())
    assert listed["parameter"][0] == {"name": "version", "valueCode": "4.0"}
    plain = outsider.get("/$versions", headers={"accept": "application/json"})
    assert plain.json() == {"versions": ["4.0"], "default": "4.0"}


def test_a_browser_may_ask_beforehand(outsider: httpx.Client) -> None:
    asked = {"origin": "https://app.example", "access-control-request-method": "GET"}
    answer = outsider.options("/Patient/example-patient-01", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in answer.headers["access-control-allow-headers"]


def finish(client: httpx.Client, started: httpx.Response) -> tuple[str, Json]:
    assert started.status_code == 202, started.text
    status = started.headers["content-location"]
    assert urlsplit(status).netloc
    first = client.get(status)
    assert (first.status_code, first.headers["retry-after"], first.headers["x-progress"]) == (202, "1", "in progress")
    second = client.get(status)
    assert second.status_code == 200
    assert second.headers["content-type"] == "application/json"
    return status, second.json()


def test_an_export_runs_from_kick_off_to_deletion(client: httpx.Client, outsider: httpx.Client, box: Sandbox) -> None:
    url = f"{box.base_url}/Group/{box.group_id}/$export?_type=Patient"
    status, manifest = finish(client, client.get(url, headers={"Prefer": "respond-async"}))
    assert manifest["request"] == url
    assert manifest["requiresAccessToken"] is True
    assert manifest["error"] == []
    assert datetime.fromisoformat(manifest["transactionTime"]).tzinfo is not None
    (output,) = manifest["output"]
    assert (output["type"], output["count"]) == ("Patient", 3)
    refused(outsider.get(output["url"]), 401)
    refused(outsider.get(status), 401)
    exported = client.get(output["url"])
    assert exported.headers["content-type"] == "application/fhir+ndjson"
    lines = [valid(json.loads(line)) for line in exported.text.splitlines()]
    assert [line["id"] for line in lines] == list(GROUP_MEMBERS)
    assert client.delete(status).status_code == 202
    for gone in (client.get(status), client.get(output["url"]), client.delete(status)):
        refused(gone, 404)


@pytest.mark.parametrize(
    ("path", "patients"), [("/Group/cohort-1/$export", 3), ("/Patient/$export", 12), ("/$export", 12)]
)
def test_an_export_holds_its_patients_and_all_that_they_refer_to(
    client: httpx.Client, path: str, patients: int
) -> None:
    _, manifest = finish(client, client.post(path, headers={"Prefer": "respond-async"}))
    held: set[str] = set()
    wanted: set[str] = set()
    for output in manifest["output"]:
        lines = client.get(output["url"]).text.splitlines()
        assert len(lines) == output["count"]
        for line in lines:
            record = json.loads(line)
            held.add(f"{record['resourceType']}/{record['id']}")
            wanted.update(references(record))
    assert wanted <= held
    assert sum(reference.startswith("Patient/") for reference in held) == patients
    assert ("Group/cohort-1" in held) == (path == "/$export")


def test_a_kick_off_honours_its_parameters_by_get_and_post(client: httpx.Client) -> None:
    wait = {"Prefer": "respond-async"}
    query = {"_since": "2026-02-12T08:00:00.000Z", "_outputFormat": "ndjson"}
    _, by_get = finish(client, client.get("/Patient/$export", params=query, headers=wait))
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_since", "valueInstant": query["_since"]},
            {"name": "_outputFormat", "valueString": "ndjson"},
        ],
    }
    _, by_post = finish(client, client.post("/Patient/$export", json=body, headers=wait))
    counts = [{entry["type"]: entry["count"] for entry in manifest["output"]} for manifest in (by_get, by_post)]
    assert counts[0] == counts[1]
    assert counts[0]["Patient"] == 1
    assert "Practitioner" not in counts[0]


@pytest.mark.parametrize(
    ("query", "prefer"),
    [
        ("", ""),
        ("_type=NoSuchType", "respond-async"),
        ("_outputFormat=csv", "respond-async"),
        ("_since=yesterday", "respond-async"),
        ("_since=2026-02-31T00:00:00Z", "respond-async"),
        ("_typeFilter=Patient%3Fgender%3Dmale", "respond-async"),
    ],
)
def test_a_wrong_kick_off_is_refused(client: httpx.Client, query: str, prefer: str) -> None:
    refused(client.get(f"/Patient/$export?{query}", headers={"Prefer": prefer}), 400)


@pytest.mark.parametrize("body", ["no json", "[]", '{"parameter": 5}', '{"parameter": [{"name": "_type"}]}'])
def test_a_kick_off_with_a_wrong_body_is_refused(client: httpx.Client, body: str) -> None:
    headers = {"Prefer": "respond-async", "content-type": "application/fhir+json"}
    refused(client.post("/Patient/$export", content=body, headers=headers), 400)


def test_a_lenient_kick_off_leaves_out_what_it_does_not_know(client: httpx.Client) -> None:
    headers = {"Prefer": "respond-async, handling=lenient"}
    started = client.get("/Patient/$export?_type=Patient,NoSuchType&_elements=id", headers=headers)
    _, manifest = finish(client, started)
    assert [entry["type"] for entry in manifest["output"]] == ["Patient"]


def test_the_log_holds_every_request_with_its_headers() -> None:
    with Sandbox(token="known") as box, httpx.Client(trust_env=False) as client:
        answer = client.get(f"{box.base_url}/Patient?gender=male", headers={"X-Request-Id": "run.one"})
        assert answer.headers["x-request-id"] == "run.one"
        client.get(f"{box.base_url}/metadata")
        first, second = box.log
    assert (first.method, first.path, first.query, first.status) == ("GET", "/fhir/Patient", "gender=male", 401)
    assert first.headers["x-request-id"] == "run.one"
    assert (second.path, second.status) == ("/fhir/metadata", 200)
    assert first.at <= second.at <= time.monotonic()
    assert "known" not in repr(first)


def test_tokens_differ_unless_given_and_latency_delays_every_answer() -> None:
    assert Sandbox().token != Sandbox().token
    with Sandbox(token="known", latency=0.15) as box, httpx.Client(trust_env=False) as client:
        began = time.monotonic()
        answer = client.get(f"{box.base_url}/Patient", headers={"authorization": "Bearer known"})
        assert answer.status_code == 200
        assert time.monotonic() - began >= 0.15


def test_starting_and_stopping_take_less_than_a_third_of_a_second() -> None:
    starts, ends = [], []
    for _ in range(3):
        began = time.monotonic()
        with Sandbox(tls=True):
            started = time.monotonic()
        starts.append(started - began)
        ends.append(time.monotonic() - started)
    # The machine may be busy with something else: the best of three says what the sandbox itself needs.
    assert min(starts) < 0.3
    assert min(ends) < 0.3


def test_a_port_in_use_is_an_os_error_and_leaves_nothing_behind() -> None:
    with Sandbox() as box:
        port = urlsplit(box.base_url).port
        assert port is not None
        with pytest.raises(OSError), Sandbox(port=port):
            pass
    with Sandbox(port=port) as again:
        assert httpx.get(f"{again.base_url}/metadata", trust_env=False).status_code == 200


def test_serve_says_when_it_is_ready_and_ends_when_told() -> None:
    end, met = threading.Event(), []

    def ready(box: Sandbox) -> None:
        met.append(httpx.get(f"{box.base_url}/metadata", trust_env=False).status_code)
        end.set()

    serve(Sandbox(), ready, end)
    assert met == [200]


@DEEP
def test_serve_ends_on_sigterm_and_cleans_up(tmp_path: Path) -> None:
    program = (
        "from prober.sandbox import Sandbox, serve; serve(Sandbox(tls=True), lambda b: print(b.ca_file, flush=True))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        assert Path(run.stdout.readline().strip()).read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
        run.terminate()
        assert run.wait(5) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_catalogue_loads_without_a_web_server() -> None:
    program = (
        "import sys, prober.sandbox as s; s.DEFECTS; print({'starlette', 'uvicorn', 'asyncio'} & sys.modules.keys())"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_a_mistaken_name_is_answered_with_the_nearest_ones() -> None:
    with pytest.raises(ValueError, match=r"no defect 'open_patients'.*open_patient_data"):
        Sandbox(defects=("open_patients",))
    with pytest.raises(ValueError, match=r"no persona 'leder'.*leader"):
        Sandbox(persona="leder")
    with pytest.raises(ValueError, match="only over TLS"):
        Sandbox(defects=("certificate_expired",))


def test_every_persona_is_played_by_an_application() -> None:
    assert list(APPLICATIONS) == list(PERSONAS)
    assert all(re.fullmatch(r"[A-Z].*\.", sentence) for sentence in PERSONAS.values())


@pytest.mark.parametrize("persona", [name for name in PERSONAS if name != "leader"])
def test_defects_are_planted_only_in_the_healthy_persona(persona: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^Defects are planted only in the persona leader, and this one is {persona}\.$"
    ):
        Sandbox(persona=persona, defects=("no_cors",))


def outcomes_of(findings: Iterable[Finding]) -> dict[str, str]:
    """Probe -> outcome, with its reason."""
    verdicts = {one.source.probe: one.verdict for one in findings}
    return {name: f"{one.outcome} ({one.reason})" if one.reason else one.outcome for name, one in verdicts.items()}


@pytest.fixture(scope="module")
def whole_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Per persona: the outcome of every probe in one whole run, with its reason."""
    place = tmp_path_factory.mktemp("personas")

    async def run(persona: str) -> dict[str, str]:
        with Sandbox(persona=persona) as box:
            os.environ["PERSONA_TOKEN"] = box.token
            prepared = prepare(Options(target=box.base_url, bearer_env="PERSONA_TOKEN"), SystemClock())
            collected = await collect(prepared, place / persona, SystemClock())
        assert collected.bugs == ()
        findings = await asyncio.to_thread(judge_folder, collected.folder, prepared.probes)
        return outcomes_of(findings)

    async def all_runs() -> dict[str, dict[str, str]]:
        return dict(zip(PERSONAS, await asyncio.gather(*map(run, PERSONAS)), strict=True))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(place / "state"))
        patch.setenv("PERSONA_TOKEN", "")
        return asyncio.run(all_runs())


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_whole_run_of_a_persona_ends_as_its_character_says(
    persona: str, whole_runs: dict[str, dict[str, str]]
) -> None:
    """The golden outcomes stand in golden/personas.yaml: what each persona is, probe by probe."""
    golden = yaml.safe_load((GOLDEN / "personas.yaml").read_text(encoding="utf-8"))
    assert whole_runs[persona] == golden[persona]


@pytest.mark.parametrize("recording", [*PERSONAS, "open_records"])
def test_a_recording_of_the_sandbox_says_what_a_live_run_says(recording: str, tmp_path: Path) -> None:
    """Record them anew with scripts/record-fixtures."""
    shutil.copytree(FIXTURES / recording, tmp_path / recording)
    folder, probes = RunFolder.open(tmp_path / recording), load_probes()
    folder.write_run(folder.run().model_copy(update={"probes": {name: one.digest for name, one in probes.items()}}))
    said = outcomes_of(judge_folder(folder, probes))
    golden = yaml.safe_load((GOLDEN / "personas.yaml").read_text(encoding="utf-8"))
    faults = dict.fromkeys(("patient_data_protected", "bulk_files_sound"), "absent")
    wanted = golden[recording] if recording in PERSONAS else golden["leader"] | faults
    # The sandbox links its brands only since these were recorded, and the scores of fixtures/providers are worked out
    # for the day of the recordings.
    unlinked = dict.fromkeys(("brands_list_base", "brands_served", "brands_sound"), "not_applicable")
    assert said == wanted | unlinked


def test_no_persona_but_a_faulty_leader_shows_patients_without_a_token(
    whole_runs: dict[str, dict[str, str]],
) -> None:
    for outcomes in whole_runs.values():
        assert outcomes["patient_data_protected"] == outcomes["garbage_bearer_refused"] == "present"


@DEEP
@pytest.mark.parametrize("persona", some(["laggard", "typical"], every=2))
def test_what_a_weaker_persona_serves_is_valid(persona: str) -> None:
    with (
        Sandbox(persona=persona) as running,
        httpx.Client(base_url=running.base_url, trust_env=False) as outsider,
    ):
        token = {"authorization": f"Bearer {running.token}"}
        statement = valid(outsider.get("/metadata").json())
        for declared in statement["rest"][0]["resource"]:
            assert outsider.get(f"/{declared['type']}").status_code == 401
            answer = outsider.get(f"/{declared['type']}?_count=1", headers=token)
            if answer.status_code == 200:
                assert "profile" not in valid(answer.json())["entry"][0]["resource"]["meta"]
            else:
                refused(answer, {"DocumentReference": 501, "Procedure": 405}[declared["type"]])


def test_typical_declares_a_group_export_and_refuses_it() -> None:
    with (
        Sandbox(persona="typical") as running,
        httpx.Client(base_url=running.base_url, trust_env=False) as outsider,
    ):
        headers = {"authorization": f"Bearer {running.token}", "prefer": "respond-async"}
        refused(outsider.get("/Group/cohort-1/$export", headers={"prefer": "respond-async"}), 401)
        assert refused(outsider.get("/Group/cohort-1/$export", headers=headers), 403)["issue"][0]["code"] == "forbidden"
        refused(outsider.get("/Patient/$export", headers=headers), 404)
        refused(outsider.get("/$versions"), 404)
        assert outsider.get("/NoSuchType/x", headers=headers).headers["content-type"].startswith("text/plain")


def test_laggard_declares_oauth_as_its_vendor_did_and_takes_its_time() -> None:
    with (
        Sandbox(persona="laggard") as running,
        httpx.Client(base_url=running.base_url, trust_env=False) as outsider,
    ):
        answer = outsider.get("/metadata")
        declared = answer.json()["rest"][0]["security"]
        assert answer.elapsed.total_seconds() >= Laggard.PAUSE > Typical.PAUSE == 0
        (extension,) = declared["extension"]
        named = {part["url"]: urlsplit(part["valueUri"]).hostname for part in extension["extension"]}
        assert named == dict.fromkeys(("authorize", "token"), "login.vendor.example")
        assert declared["service"][0]["coding"][0]["system"] == "http://hl7.org/fhir/restful-security-service"
        assert outsider.get("/.well-known/smart-configuration").status_code == 404


@DEEP
def test_laggard_answers_what_it_does_not_know_with_a_page() -> None:
    with (
        Sandbox(persona="laggard") as running,
        httpx.Client(base_url=running.base_url, trust_env=False) as outsider,
    ):
        token = {"authorization": f"Bearer {running.token}"}
        origin = running.base_url.removesuffix("/fhir")
        for path in ("/NoSuchType/x", "/Encounter", "/Patient/$export", "/$versions", f"{origin}/auth/token"):
            answer = outsider.get(path, headers=token)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
        assert outsider.get("/.well-known/smart-configuration").status_code == 404


def test_the_catalogues_are_sorted_sentences() -> None:
    assert list(DEFECTS) == sorted(DEFECTS)
    assert list(PERSONAS) == ["leader", "typical", "laggard"]
    for name, defect in DEFECTS.items():
        assert defect.name == name
        assert re.fullmatch(r"[A-Z].*\.", defect.sentence)
