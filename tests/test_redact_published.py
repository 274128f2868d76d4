"""An address of public documents promises nothing: what is kept whole has the shape of such a document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prober.redact import RedactedBody, Redactor

KEY = bytes(range(32))
BASE = "https://fhir.example.org/r4"
NAME = "Quibblesworth"


def redactor() -> Redactor:
    one = Redactor(KEY, synthetic=False)
    one.keep_base(BASE)
    one.keep_host("files.example.org")
    return one


PUBLISHED: list[dict[str, Any]] = [
    {"resourceType": "CapabilityStatement", "software": {"name": "zq"}, "rest": [{"mode": "server"}]},
    {"resourceType": "Conformance", "publisher": "zq"},
    {"issuer": "https://zq.example", "token_endpoint": "https://zq.example/token", "capabilities": ["zq"]},
    {"issuer": "https://zq.example", "claims_supported": ["sub"], "jwks_uri": "https://zq.example/keys"},
    {
        "capabilities": ["zq"],
        "user_access_brand_identifier": {"system": "urn:ietf:rfc:3986", "value": "https://zq.example"},
    },
    {"udap_versions_supported": ["1"], "token_endpoint": "https://zq.example/token"},
    {"capabilities": ["launch-ehr"], "associated_endpoints": [{"url": "https://zq.example", "capabilities": ["zq"]}]},
    {"keys": [{"kty": "RSA", "kid": "zq", "n": "AQAB", "e": "AQAB", "x5c": ["zq"], "x5t#S256": "zq"}]},
    {"versions": ["4.0", "zq"], "default": "4.0"},
    {"resourceType": "Parameters", "parameter": [{"name": "version", "valueCode": "4.0"}]},
    {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": {"resourceType": "Endpoint", "name": "zq"}}],
    },
]


@pytest.mark.parametrize("document", PUBLISHED, ids=range(len(PUBLISHED)))
def test_a_document_of_a_published_shape_stays_byte_for_byte(document: dict[str, Any]) -> None:
    data = json.dumps(document, indent=2).encode()
    assert redactor().body(data, "application/json", public=True) == RedactedBody(data, "json", True, None)


SOMEBODYS: list[Any] = [
    {"name": [{"family": NAME}], "birthDate": "1953-11-07"},
    {"person": NAME},
    {"keys": [NAME]},
    {"keys": [{"person": NAME}]},
    {"keys": {"person": NAME}},
    {"keys": [{"kty": {"person": NAME}}]},
    {"issuer": "https://zq.example", "person": NAME},
    {"issuer": "https://zq.example", NAME: 1},
    {"issuer": {"person": NAME}},
    {"capabilities": [{"person": NAME}]},
    {"capabilities": ["launch-ehr"], "user_access_brand_identifier": {"value": "1", "assigner": {"display": NAME}}},
    {"capabilities": ["launch-ehr"], "associated_endpoints": [{"url": "https://zq.example", "person": NAME}]},
    {"versions": ["4.0"], "name": NAME},
    {"resourceType": "Parameters", "parameter": [{"name": "patient", "valueString": NAME}]},
    {"resourceType": "Parameters", "parameter": []} | {"x": NAME},
    {"resourceType": "OperationOutcome", "issue": [{"diagnostics": f"not for {NAME}"}]},
    {"resourceType": "Patient", "name": [{"family": NAME}]},
    {"resourceType": ["CapabilityStatement"], "name": NAME},
    {"resourceType": "Bundle", "type": ["collection"], "entry": [{"resource": {"name": NAME}}]},
    {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": {"name": NAME}}]},
    [{"resourceType": "CapabilityStatement", "name": NAME}],
    NAME,
]


@pytest.mark.parametrize("document", SOMEBODYS, ids=range(len(SOMEBODYS)))
def test_what_has_no_such_shape_is_somebodys_data(document: Any) -> None:
    body = redactor().body(json.dumps(document).encode(), "application/json", public=True)
    assert body.parsed
    assert NAME.encode() not in body.data
    if isinstance(document, dict):
        assert len(json.loads(body.data)) == len(document)
        assert json.loads(body.data).get("issuer", "") in ("https://zq.example", "") or isinstance(
            document["issuer"], dict
        )


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (f"<html><title>Welcome {NAME}</title>", "text/html"),
        (f"Welcome {NAME}", "text/plain"),
        (f'<person xmlns="http://hl7.org/fhir"><name value="{NAME}"/></person>', "application/fhir+xml"),
        (f"<CapabilityStatement><name>{NAME}</name></CapabilityStatement>", "application/xml"),
        (f'<p xmlns="urn:x" name="{NAME}"/>', "application/xml"),
    ],
)
def test_a_page_or_a_text_is_no_published_document(data: str, kind: str) -> None:
    assert NAME.encode() not in redactor().body(data.encode(), kind, public=True).data


def test_a_statement_in_xml_stays() -> None:
    data = b'<CapabilityStatement xmlns="http://hl7.org/fhir"><name value="zq"/></CapabilityStatement>'
    assert redactor().body(data, "application/fhir+xml", public=True).data == data


STRANGE = [
    b'{"resourceType":[]}',
    b'{"resourceType":{}}',
    b'{"resourceType":null}',
    b'{"resourceType":1e999}',
    b'{"resourceType":"Bundle","type":[]}',
    b'{"resourceType":"Bundle","type":[{}],"type":{}}',
    b'{"resourceType":"Bundle","resourceType":[]}',
    b'{"resourceType":"Parameters","parameter":{"name":[]}}',
    b'{"resourceType":"Parameters","parameter":[{"name":[]},1]}',
    b'{"keys":[{"kty":[],"d":[1]}]}',
    b'{"issuer":[[[]]],"keys":[]}',
    b'{"kty":[],"d":[1]}',
]


@pytest.mark.parametrize("data", STRANGE)
def test_no_type_that_is_no_text_is_too_strange(data: bytes) -> None:
    for synthetic in (True, False):
        for public in (True, False):
            for kind in ("application/json", "application/fhir+ndjson"):
                body = Redactor(KEY, synthetic=synthetic).body(data, kind, public=public)
                assert body.parsed
                assert not synthetic or body.data == data or b'"d"' in data


def test_hosts_that_nobody_named_are_nobodys_business() -> None:
    one = redactor()
    strange = f"https://{NAME}.example/fhir/Patient/1"
    headers = [
        ("Location", strange),
        ("Content-Location", strange),
        ("Link", f'<{strange}>; rel="next"'),
        ("WWW-Authenticate", f'Bearer authorization_uri="{strange}"'),
        ("Access-Control-Allow-Origin", strange),
    ]
    bundle = {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next", "url": strange}]}
    manifest = {"transactionTime": "2026-01-01T00:00:00Z", "output": [{"type": "Patient", "url": strange}]}
    shown = repr(one.headers(headers, response=True)) + one.url(strange) + one.value(strange, "uri")
    shown += "".join(
        one.body(json.dumps(each).encode(), "application/json").data.decode() for each in (bundle, manifest)
    )
    assert NAME.lower() not in shown.lower()
    assert shown.count(".invalid") == len(headers) + 4


@pytest.mark.parametrize(
    ("host", "stays"),
    [
        ("fhir.example.org", True),
        ("FHIR.example.org:8443", True),
        ("files.example.org:8080", True),
        ("example.org", False),
        ("x.fhir.example.org", False),
        ("fhir.example.org.evil.example", False),
        ("fhir.example.org:80:80", False),
        ("", True),
    ],
)
def test_a_host_that_the_user_named_stays_at_any_port(host: str, stays: bool) -> None:
    shown = redactor().url(f"https://{host}/metadata")
    assert (shown == f"https://{host}/metadata") is stays
    assert redactor().url(shown) == shown


@pytest.mark.parametrize("host", ["::1", "[::1]", "127.0.0.1", "localhost"])
def test_a_host_may_be_an_address(host: str) -> None:
    one = Redactor(KEY, synthetic=False)
    one.keep_host(host)
    written = host if host[0] == "[" or ":" not in host else f"[{host}]"
    assert one.url(f"http://{written}:8080/metadata") == f"http://{written}:8080/metadata"


@pytest.mark.parametrize("host", ["", "a b", "x/y", "a@b"])
def test_what_is_no_host_is_not_kept(host: str) -> None:
    one = Redactor(KEY, synthetic=False)
    one.keep_host(host)
    assert one.url("http://other.example/metadata") != "http://other.example/metadata"


def test_what_stands_among_keys_and_is_none_hides_none_of_them() -> None:
    keys = [{"kty": "RSA", "n": "AQAB"}, NAME, 5, None]
    shown = json.loads(redactor().body(json.dumps({"keys": keys}).encode(), "application/json", public=True).data)
    assert shown["keys"][0] == keys[0]
    assert [type(one) for one in shown["keys"]] == [dict, str, int, type(None)]
    assert NAME not in shown["keys"]
