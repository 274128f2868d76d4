"""However much a body holds, reading it takes a second or so: the limits are counted before anything is parsed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.samples import DEEP, some

from prober.nouns.evidence import MOST_MEMBERS, crowded, parse_json
from prober.redact import RedactedBody, Redactor

KEY = bytes(range(32))
SECRET = "Zq7XkLm9Tr4vBn2WpYc8"
LARGEST = 8 * 2**20 - 64
SECONDS = 3.0
"""Twice what one exchange may cost, for a machine that does other things too."""
JSON, NDJSON, XML, TEXT, HTML = (
    "application/fhir+json",
    "application/fhir+ndjson",
    "application/fhir+xml",
    "text/plain",
    "text/html",
)
STATEMENT = b'{"resourceType":"CapabilityStatement","x":['
OUTCOME = b'{"resourceType":"OperationOutcome","issue":[{"diagnostics":"'
LINK = b'{"resourceType":"Bundle","link":[{"url":"http://fhir.example/?'


def filled(before: bytes, unit: bytes, after: bytes, size: int = LARGEST) -> bytes:
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


FLOODS = {
    "members": (filled(STATEMENT, b"{},", b"{}]}"), JSON, "members"),
    "lines": (filled(b"", b"{\n", b""), NDJSON, "members"),
    "empty lines": (filled(b"", b"\n", b""), NDJSON, "lines"),
    "elements": (filled(b"<a>", b"<b/>", b"</a>"), XML, "elements"),
    "escapes": (filled(b"", b"%25", b""), TEXT, "escapes or credentials"),
    "credentials": (filled(b"", b"Bearer abcdefgh1 ", b""), TEXT, "escapes or credentials"),
}
REAL_FLOODS = {
    "words": (filled(OUTCOME, b"z q ", b'"}]}'), JSON, "words"),
    "parameters": (filled(LINK, b"a=b&", b'"}]}'), JSON, "words"),
    "values": (b"[" + b",".join(b'"v%d"' % n for n in range(MOST_MEMBERS - 2)) + b"]", JSON, "words"),
}
SHAPES = {
    **{name: (data, kind) for name, (data, kind, _) in (FLOODS | REAL_FLOODS).items()},
    **{
        unit: (filled(b"", unit.encode(), b""), kind)
        for unit in (
            "eyJ",
            "eyJaaaa.",
            "://a@",
            "?token=a",
            '"\\u00',
            '"key" : "',
            "&#x",
            "&#65;",
            "\\",
            "\\x41",
            "=41",
        )
        for kind in (JSON, TEXT)
    },
    **{
        unit: (filled(b"", unit.encode(), b""), TEXT)
        for unit in ("ａ", "\ufdfa", "a\u200b", "é ", "<!-- ", "type     ")
    },
    "few escapes": (filled(b"&#x" * 60_000, b"a", b""), TEXT),
    "keys": (b"{" + b",".join(b'"k%d":"v%d"' % (n, n) for n in range(MOST_MEMBERS - 2)) + b"}", JSON),
    "keys of keys": (filled(b'{"keys":[', b'{"kty":"RSA","d":"a"},', b"{}]}", 1_500_000), JSON),
}


def redacted(data: bytes, kind: str, *, synthetic: bool, public: bool = True) -> RedactedBody:
    one = Redactor(KEY, synthetic=synthetic, secrets=[SECRET])
    one.body(b'{"resourceType":"Patient"}', JSON)  # the tables are read once, whoever comes first
    began = time.process_time()
    body = one.body(data, kind, public=public)
    parse_json(data)
    assert time.process_time() - began < SECONDS
    return body


@pytest.mark.parametrize("name", list(FLOODS))
def test_a_flood_is_not_read(name: str) -> None:
    data, kind, what = FLOODS[name]
    body = redacted(data, kind, synthetic=True)
    assert (body.data, body.parsed, body.withheld) == (b"", False, "too_large")
    assert body.note == f"{len(data)} bytes hold more {what} than prober reads"


@pytest.mark.parametrize("name", some(REAL_FLOODS, every=3))
def test_a_flood_of_what_must_be_looked_at_word_by_word_is_not_kept(name: str) -> None:
    data, kind, what = REAL_FLOODS[name]
    body = redacted(data, kind, synthetic=False, public=False)
    assert (body.data, body.withheld) == (b"", "too_large")
    assert body.note == f"{len(data)} bytes hold more {what} than prober reads"


@pytest.mark.deep
@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize("name", list(SHAPES))
def test_no_shape_of_eight_megabytes_takes_longer(name: str, synthetic: bool, public: bool) -> None:
    data, kind = SHAPES[name]
    assert isinstance(redacted(data, kind, synthetic=synthetic, public=public), RedactedBody)


@DEEP
def test_the_largest_statement_known_is_read() -> None:
    blobs = (Path(__file__).parent.parent / "fixtures" / "hapi" / "blobs").iterdir()
    data = max(blobs, key=lambda path: path.stat().st_size).read_bytes()
    assert len(data) > 1_700_000
    for synthetic in (True, False):
        assert redacted(data, JSON, synthetic=synthetic) == RedactedBody(data, "json", True, None)
    real = redacted(data, JSON, synthetic=False, public=False)
    assert (real.parsed, real.withheld) == (True, None)
    assert parse_json(data) is not None


def test_what_is_crowded_counts_as_unparseable() -> None:
    most = b"[" + b"1," * (MOST_MEMBERS - 1) + b"1]"
    assert not crowded(most)
    assert parse_json(most) == [1] * MOST_MEMBERS
    one_more = b"[" + b"1," * MOST_MEMBERS + b"1]"
    assert crowded(one_more)
    assert parse_json(one_more) is None


def test_a_large_searchset_of_real_people_is_kept_redacted() -> None:
    patient = {
        "resourceType": "Patient",
        "text": {"status": "generated", "div": f"<div>{'a few words ' * 60}</div>"},
        "name": [{"family": "Canary", "given": ["Mary"]}],
        "managingOrganization": {"reference": "Organization/1"},
    }
    entry = [{"fullUrl": f"https://x.example/Patient/{n}", "resource": {**patient, "id": f"{n}"}} for n in range(2_000)]
    data = json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entry}).encode()
    body = redacted(data, JSON, synthetic=False, public=False)
    assert (body.parsed, body.withheld) == (True, None)
    assert b"anary" not in body.data
    assert len(json.loads(body.data)["entry"]) == len(entry)
