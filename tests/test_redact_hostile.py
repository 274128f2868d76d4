"""Redaction answers every input, however hostile, without raising and in time that grows with its length only."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples, some

from prober.redact import RedactedBody, Redactor

KEY = bytes(range(32))
MEDIA = [
    "application/fhir+json",
    "application/fhir+ndjson",
    "application/fhir+xml",
    "text/html",
    "text/plain",
    "",
    "image/png",
]
DEEP = 100_000
HOSTILE = {
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "open lists": b"[" * DEEP,
    "deep elements": b"<a>" * 70_000 + b"</a>" * 70_000,
    "not a number": b'{"resourceType":"Patient","x":NaN}',
    "infinity": b'["NaN",-Infinity]',
    "huge integer": b'{"x":' + b"9" * 100_000 + b"}",
    "lone surrogates": b'{"resourceType":"Patient","id":"\\ud800","\\udfff":"\\ud83d"}',
    "bad utf-8": b'{"resourceType":"Patient","id":"\xff\xfe"}',
    "utf-16": '{"resourceType":"Patient"}'.encode("utf-16"),
    "control characters": b'{"resourceType":"Patient","id":"a\x00b"}',
    "many duplicates": b"{" + b",".join(b'"id":"%d"' % n for n in range(5_000)) + b"}",
    "quotes": b'"' * 50_001,
    "backslashes": b'"' + b"\\" * 50_001,
    "token starts": b"eyJ" * 50_000,
    "dotted tokens": b"eyJa." * 50_000,
    "addresses": b"://" * 100_000,
    "address starts": b"a" * 200_000 + b"://",
    "queries": b"?code=a" * 30_000 + b"state=",
    "bearers": b"Bearer " * 30_000,
    "markup": b"<" * 200_000,
    "comments": b"<!--" * 50_000,
    "spaces": b" " * 300_000 + b"x",
    "percents": b"%25" * 20_000,
    "entities": b"&#x25;" * 10_000,
    "laughs": b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>',
    "inclusion": b'<!DOCTYPE l SYSTEM "file:///etc/hostname"><l/>',
    "attributes": b"<a " + b" ".join(b'a%d="x"' % n for n in range(5_000)) + b"/>",
    "one long string": b'{"resourceType":"OperationOutcome","issue":[{"diagnostics":"' + b"abc zq " * 50_000 + b'"}]}',
    "other encoding": b'<?xml version="1.0" encoding="no-such"?><a/>',
}


@pytest.mark.parametrize("name", some(HOSTILE, every=3))
@pytest.mark.parametrize(
    ("synthetic", "public"),
    [
        (True, False),
        (False, True),
        pytest.param(True, True, marks=pytest.mark.deep),
        pytest.param(False, False, marks=pytest.mark.deep),
    ],
)
def test_no_body_is_too_hostile(name: str, synthetic: bool, public: bool) -> None:
    one = Redactor(KEY, synthetic=synthetic, secrets=["not-in-there-at-all"])
    for media in MEDIA:
        body = one.body(HOSTILE[name], media, public=public)
        assert isinstance(body, RedactedBody)
        assert one.body(body.data, media, public=public).data == body.data


@pytest.mark.parametrize(
    ("name", "media", "note"),
    [
        ("deep lists", "application/json", "unparseable at byte 200 of 200000: nested too deeply"),
        ("deep elements", "application/xml", "unparseable at byte 600 of 490000: nested too deeply"),
        ("not a number", "application/json", "unparseable at byte 30 of 34"),
        ("infinity", "application/json", "unparseable at byte 7 of 17"),
        ("bad utf-8", "application/json", "unparseable at byte 32 of 36: not UTF-8"),
        ("laughs", "application/xml", "unparseable at byte 12 of 61: document type refused"),
    ],
)
def test_the_note_says_where_and_why(name: str, media: str, note: str) -> None:
    body = Redactor(KEY, synthetic=False).body(HOSTILE[name], media)
    assert (body.data, body.parsed) == (b"", False)
    assert body.note == note


def test_two_hundred_levels_are_read_and_one_more_is_not() -> None:
    one = Redactor(KEY, synthetic=False)
    assert one.body(b"[" * 200 + b"]" * 200, "application/json").parsed
    assert not one.body(b"[" * 201 + b"]" * 201, "application/json").parsed
    assert one.body(b"[" * 200 + b"]" * 200, "application/json", public=True).parsed
    assert not one.body(b"[" * 201 + b"]" * 201, "application/json", public=True).parsed


@settings(derandomize=True, deadline=None, max_examples=examples(150))
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda s: s.encode("utf-8", "surrogatepass"))),
    st.sampled_from(MEDIA),
    st.booleans(),
    st.booleans(),
)
def test_any_bytes_are_answered(data: bytes, media: str, synthetic: bool, public: bool) -> None:
    one = Redactor(KEY, synthetic=synthetic, secrets=["zyxw", "\ud800xyz"])
    body = one.body(data, media, public=public)
    assert one.body(body.data, media, public=public).data == body.data


ANY_TEXT = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("/?&=#:%@\\\"'<>|,.-_ \ud800x0aP")), max_size=80)


@settings(derandomize=True, deadline=None, max_examples=examples(200))
@given(ANY_TEXT, st.booleans())
def test_any_text_is_answered(text: str, synthetic: bool) -> None:
    one = Redactor(KEY, synthetic=synthetic, secrets=["zyxw"])
    one.keep_base(text)
    one.keep_base("https://[::1]:8080/fhir")
    for shown in (one.url(text), one.text(text), one.url(text, public=True)):
        assert isinstance(shown, str)
    assert one.url(one.url(text)) == one.url(text)
    assert one.text(one.text(text)) == one.text(text)
    for kind in ("id", "token", "text", "uri", "date", "no such kind"):
        assert isinstance(one.value(text, kind), str)
    for response in (True, False):
        one.headers([(text, text), ("Link", text), ("WWW-Authenticate", text), ("Set-Cookie", text)], response=response)


def test_a_key_of_any_length_will_do() -> None:
    assert Redactor(b"", synthetic=False).value("a") != Redactor(b"k" * 999, synthetic=False).value("a")


def test_a_secret_that_fills_the_whole_body_goes() -> None:
    one = Redactor(KEY, synthetic=True, secrets=["aaaa"])
    assert b"aaaa" not in one.body(b"a" * 2_000_000, "text/plain").data


def test_a_filter_inside_a_filter_inside_a_filter_is_not_followed() -> None:
    url = "https://fhir.example/$export?_typeFilter=Patient?_typeFilter=Patient?_typeFilter=Patient?name=zqcanary"
    assert "canary" not in Redactor(KEY, synthetic=False).url(url)


def test_a_large_bundle_comes_through_whole() -> None:
    dice = random.Random(7)
    entry = [
        {"resource": {"resourceType": "Patient", "id": f"{dice.random()}", "gender": "male"}} for _ in range(5_000)
    ]
    body = Redactor(KEY, synthetic=False).body(
        json.dumps({"resourceType": "Bundle", "entry": entry}).encode(), MEDIA[0]
    )
    shown = json.loads(body.data)["entry"]
    assert len({one["resource"]["id"] for one in shown}) == len(entry)
    assert {one["resource"]["gender"] for one in shown} == {"male"}
