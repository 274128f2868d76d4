"""Nothing that could name a patient survives redaction, and what a verdict rests on does."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples, some

from prober.redact import RedactedBody, Redactor
from prober.redact.documents import EXACT
from prober.redact.tables import tables
from prober.redact.words import WORDS

KEY = bytes(range(32))
BASE = "https://fhir.example.org/r4"
JSON = "application/fhir+json"
ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
quick = settings(derandomize=True, deadline=None, max_examples=examples(60))


def redactor(*, synthetic: bool = False, key: bytes = KEY) -> Redactor:
    made = Redactor(key, synthetic=synthetic)
    made.keep_base(BASE)
    return made


def redacted(value: Any, *, content_type: str = JSON, public: bool = False) -> Any:
    return json.loads(redactor().body(json.dumps(value).encode(), content_type, public=public).data)


class Flood:
    """Builds resources in which every leaf is a canary that is valid for its place."""

    def __init__(self) -> None:
        self.planted: list[str] = []

    def plant(self, text: str, watched: str | None = None) -> str:
        self.planted.append(watched or text)
        return text

    def leaf(self, holds: str) -> Any:
        n = len(self.planted)
        word = f"zq{n}canary"
        if holds == "boolean":
            return n % 2 == 0
        if holds in ("decimal", "integer", "positiveInt", "unsignedInt"):
            return int(self.plant(str(730_000_000 + n)))
        if holds in ("date", "dateTime", "instant"):
            day = f"{1850 + n % 150}-{n // 150 % 12 + 1:02d}-{n // 1800 % 28 + 1:02d}"
            return self.plant(day if holds == "date" else f"{day}T05:06:07.{n % 1000:03d}+02:00")
        if holds == "base64Binary":
            return self.plant(base64.b64encode(word.encode()).decode())
        if holds in ("uri", "url", "canonical", "extension", "kind", "link"):
            prefixes = (
                "http://hl7.org/fhir/StructureDefinition/",
                f"{BASE}/Patient/",
                "http://loinc.org/",
                "urn:x:",
                "",
            )
            return prefixes[n % len(prefixes)] + self.plant(word)
        if holds == "oid":
            return self.plant(f"urn:oid:1.2.{730_000_000 + n}")
        if holds == "uuid":
            return self.plant(f"urn:uuid:73000000-0000-4000-8000-{n:012d}")
        if holds == "reference":
            return f"Patient/{self.plant(word)}"
        if holds == "xhtml":
            return f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{self.plant(word)}</p></div>'
        if holds in ("path", "prose", "status"):
            return f"Patient.name {self.plant(word)} is not found"
        if holds == "etag":
            return f'W/"{self.plant(word)}"'
        return self.plant(word)

    def build(self, kind: str, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for name, holds in tables().types[kind].items():
            if holds == "Resource":
                continue
            if holds not in tables().types:
                built[name] = self.leaf(holds)
            elif depth and not (name in ("extension", "modifierExtension") and depth < 3):
                built[name] = [self.build(holds, depth - 1)]
            if kind == "Coding":
                built["system"] = "http://terminology.hl7.org/CodeSystem/v2-0203"
        return built

    def resource(self, kind: str, depth: int = 3) -> dict[str, Any]:
        return {
            "resourceType": kind,
            **self.build(kind, depth),
            self.plant(f"zqname{kind}"): {"x": self.leaf("string")},
        }


def survivors(flood: Flood, data: bytes) -> list[str]:
    text = data.decode()
    shown = set(re.findall(r"[\w:.+=/-]+", text)) | set(re.findall(r"\w+", text))
    marked = "canary" in text or "zqname" in text or "73000" in text
    return [planted for planted in flood.planted if planted in shown or (marked and planted in text)]


@pytest.mark.parametrize("kind", some(sorted(tables().resources), every=6))
def test_no_canary_of_any_resource_type_survives(kind: str) -> None:
    flood = Flood()
    body = redactor().body(json.dumps(flood.resource(kind)).encode(), JSON)
    assert (body.media, body.parsed) == ("json", True)
    assert json.loads(body.data)["resourceType"] == kind
    assert survivors(flood, body.data) == []


def xml(kind: str, name: str, value: Any, out: list[str]) -> None:
    if isinstance(value, list):
        for item in value:
            xml(kind, name, item, out)
    elif isinstance(value, dict):
        if "resourceType" in value:
            name = value["resourceType"]
        out.append(f"<{name}" + (' xmlns="http://hl7.org/fhir"' if "resourceType" in value else ""))
        if name in ("extension", "modifierExtension"):
            out.append(f" url={quoteattr(value['url'])}")
        out.append(">")
        for key, inner in value.items():
            if key not in ("resourceType", "url" if name.endswith("xtension") else ""):
                xml(kind, key, inner, out)
        out.append(f"</{name}>")
    elif name == "div":
        out.append(value)
    else:
        text = ("false", "true")[value] if isinstance(value, bool) else str(value)
        out.append(f"<{name} value={quoteattr(text)}/>")


@pytest.mark.parametrize("kind", ["Patient", "Observation", "Bundle", "Claim", "OperationOutcome", "Questionnaire"])
def test_no_canary_in_xml_survives_and_its_skeleton_does(kind: str) -> None:
    flood = Flood()
    out: list[str] = ["<?xml version='1.0' encoding='UTF-8'?><!-- zqcommentcanary -->"]
    xml(kind, kind, flood.resource(kind), out)
    body = redactor().body("".join(out).encode(), "application/fhir+xml")
    assert (body.media, body.parsed) == ("xml", True)
    assert body.data.startswith(f'<{kind} xmlns="http://hl7.org/fhir">'.encode())
    assert survivors(flood, body.data) == []
    assert b"canary" not in body.data
    again = redactor().body(body.data, "application/fhir+xml")
    moments = re.compile(rb"[0-9-]{10}(T[0-9:.]+)?")
    assert moments.sub(b"", again.data) == moments.sub(b"", body.data)


WORD = st.integers(0, 10**6).map(lambda n: f"zq{n}canary")
AROUND = st.sampled_from(
    [
        "{}",
        "Patient/{}",
        "http://hl7.org/fhir/{}",
        "urn:uuid:{}",
        "the {} is",
        "{}|4.0.1",
        "#{}",
        'W/"{}"',
        "é{}",
        "{}é",
        " {} ",
    ]
)
LEAF = st.builds(lambda around, word: around.format(word), AROUND, WORD)
NAME = st.one_of(
    st.sampled_from(sorted(tables().names)),
    st.sampled_from(["resourceType", "_birthDate", "fhir_comments", "access_token", "keys", "output", "error"]),
    WORD,
)
DOCUMENT = st.recursive(
    st.one_of(LEAF, st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(NAME, inner, max_size=6),
        st.builds(
            lambda kind, rest: {"resourceType": kind, **rest},
            st.sampled_from(sorted(tables().resources)),
            st.dictionaries(NAME, inner, max_size=6),
        ),
    ),
    max_leaves=40,
)


@quick
@given(DOCUMENT)
def test_no_canary_of_any_json_survives_and_redacting_again_changes_nothing(document: Any) -> None:
    body = redactor().body(json.dumps(document, ensure_ascii=False).encode(), JSON)
    assert body.parsed
    assert b"canary" not in body.data
    assert redactor().body(body.data, JSON) == body


@quick
@given(
    st.lists(LEAF, min_size=1, max_size=8).map(" ".join),
    st.sampled_from([" ", "\n", "'", "/", ": ", "\u2028", "\x1b["]),
)
def test_no_canary_in_a_text_survives_and_redacting_again_changes_nothing(text: str, glue: str) -> None:
    shown = redactor().text(glue.join((text, text)))
    assert "canary" not in shown
    assert redactor().text(shown) == shown


URLS = st.builds(
    lambda start, path, query, fragment: start + "/".join(path) + ("?" + "&".join(query) if query else "") + fragment,
    st.sampled_from(
        ["", "/", BASE + "/", BASE + "?", "https://other.example:8443/", "http://user:zq1canary@other.example/"]
    ),
    st.lists(st.one_of(LEAF, st.sampled_from(["Patient", "_history", "$everything", "metadata"])), max_size=4),
    st.lists(
        st.builds(
            "{}={}".format,
            st.one_of(
                st.sampled_from(sorted(tables().search_parameters)),
                st.sampled_from(
                    [
                        "_id:exact",
                        "_has:Observation:patient:code",
                        "_type",
                        "_since",
                        "_typeFilter",
                        "_include",
                        "scope",
                    ]
                ),
                WORD,
            ),
            LEAF,
        ),
        max_size=4,
    ),
    st.one_of(st.just(""), LEAF.map("#{}".format)),
)


@quick
@given(URLS)
def test_no_canary_in_a_url_survives_and_redacting_again_changes_nothing(url: str) -> None:
    shown = redactor().url(url)
    assert "canary" not in shown
    assert redactor().url(shown) == shown


HEADER_NAMES = """
accept allow cache-control content-disposition content-language content-length content-location content-type cookie
date etag expires last-modified link location ratelimit-limit retry-after server set-cookie strict-transport-security
traceparent vary via warning www-authenticate x-other x-powered-by x-progress x-request-id authorization
access-control-allow-origin access-control-allow-headers content-security-policy origin if-match prefer
"""


@quick
@given(
    st.lists(
        st.tuples(
            st.sampled_from(HEADER_NAMES.split()),
            st.one_of(LEAF, LEAF.map("Bearer {}".format), LEAF.map('a="{}", b=c'.format)),
        ),
        max_size=8,
    )
)
def test_no_canary_in_a_header_survives_and_redacting_again_changes_nothing(headers: list[tuple[str, str]]) -> None:
    shown = redactor().headers(headers, response=True)
    assert "canary" not in repr(shown)
    assert redactor().headers(shown, response=True) == shown
    asked = [(name, value) for name, value in headers if name != "x-request-id"]
    assert "canary" not in repr(redactor().headers(asked, response=False))


def test_every_line_of_ndjson_is_redacted_and_a_broken_one_shows() -> None:
    whole = b'{"resourceType":"Patient","id":"zq1canary"}\r\n\n{"resourceType":"Patient","id":"zq2canary"}\n'
    whole += b'{"resourceType":"Pat'
    body = redactor().body(whole, "application/fhir+ndjson")
    lines = body.data.split(b"\n")
    assert [len(lines), lines[1], lines[3]] == [4, b"", b"!"]
    assert b"canary" not in body.data
    assert (body.media, body.parsed) == ("ndjson", False)
    assert body.note == f"line 4 unparseable at byte {len(whole) - 4} of {len(whole)}; 1 of 4 lines"
    assert redactor().body(body.data, "application/fhir+ndjson").data == body.data


def test_ndjson_under_another_name_is_recognised() -> None:
    body = redactor().body(b'{"resourceType":"Patient"}\n{"resourceType":"Group"}\n', "application/octet-stream")
    assert (body.media, body.data) == ("ndjson", b'{"resourceType":"Patient"}\n{"resourceType":"Group"}\n')


@pytest.mark.parametrize(
    ("page", "note"),
    [
        ("<!DOCTYPE html><p>Hello zq1canary</p>", "HTML of 37 bytes, login-form: no, script: no"),
        ("<html><script src=zq1canary></script>", "HTML of 37 bytes, login-form: no, script: yes"),
        ("<html><form><input name=u><input type='password'></form>", "HTML of 56 bytes, login-form: yes, script: no"),
    ],
)
def test_of_html_only_its_kind_stays(page: str, note: str) -> None:
    assert redactor().body(page.encode(), "application/fhir+json") == RedactedBody(b"", "html", False, note)


def test_a_body_that_does_not_parse_keeps_where_it_broke_and_nothing_else() -> None:
    body = redactor().body('{"name":"zqé", "x" 1}'.encode(), JSON)
    assert body == RedactedBody(b"", "json", False, "unparseable at byte 20 of 22")
    assert redactor().body(b'<Patient><a value="zqcanary"/>', "application/fhir+xml") == RedactedBody(
        b"", "xml", False, "unparseable at byte 30 of 30"
    )


def test_what_verdicts_rest_on_stays() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 17,
        "link": [{"relation": "next", "url": f"{BASE}?_getpages=abc&_count=2"}],
        "entry": [
            {
                "fullUrl": f"{BASE}/Patient/abc",
                "search": {"mode": "match"},
                "resource": {
                    "resourceType": "Patient",
                    "id": "abc",
                    "meta": {
                        "versionId": "7",
                        "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|6.1.0"],
                        "tag": [
                            {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
                        ],
                    },
                    "gender": "female",
                    "active": True,
                    "multipleBirthInteger": 3,
                    "extension": [
                        {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueDecimal": 1.5}
                    ],
                },
            }
        ],
    }
    shown = redacted(bundle)
    entry, patient = shown["entry"][0], shown["entry"][0]["resource"]
    assert [shown["resourceType"], shown["type"], shown["total"]] == ["Bundle", "searchset", 17]
    assert shown["link"][0]["relation"] == "next"
    assert re.fullmatch(rf"{BASE}\?_getpages=x[0-9a-f]{{24}}&_count=2", shown["link"][0]["url"])
    assert entry["search"] == {"mode": "match"}
    assert entry["fullUrl"] == f"{BASE}/Patient/{patient['id']}" == redactor().url(f"{BASE}/Patient/abc")
    assert ID.fullmatch(patient["id"])
    assert patient["meta"]["profile"] == bundle["entry"][0]["resource"]["meta"]["profile"]  # type: ignore[index]
    assert patient["meta"]["tag"] == bundle["entry"][0]["resource"]["meta"]["tag"]  # type: ignore[index]
    assert [patient["gender"], patient["active"], patient["multipleBirthInteger"]] == ["female", True, 1]
    assert patient["extension"][0] == {**bundle["entry"][0]["resource"]["extension"][0], "valueDecimal": 1.0}  # type: ignore[index]
    etag = dict(redactor().headers([("ETag", 'W/"7"')], response=True))["ETag"]
    assert etag == f'W/"{patient["meta"]["versionId"]}"'


def test_an_operation_outcome_keeps_its_sense() -> None:
    shown = redacted(
        {
            "resourceType": "OperationOutcome",
            "issue": [
                {
                    "severity": "error",
                    "code": "not-found",
                    "details": {"text": "Resource Patient/abc is not known"},
                    "diagnostics": "HAPI-2001: John Smith is not found",
                    "expression": ["Patient.name[0].given"],
                }
            ],
        }
    )["issue"][0]
    assert [shown["severity"], shown["code"]] == ["error", "not-found"]
    assert shown["details"]["text"] == f"Resource Patient/{redactor().value('abc', 'id')} is not known"
    assert re.fullmatch(r"HAPI-2001: x\w{24} x\w{24} is not found", shown["diagnostics"])
    assert shown["expression"] == ["Patient.name[0].given"]


def test_a_bulk_manifest_keeps_counts_types_and_its_moment() -> None:
    manifest = {
        "transactionTime": "2026-11-23T10:00:00.000Z",
        "request": f"{BASE}/$export?_type=Patient",
        "requiresAccessToken": True,
        "output": [{"type": "Patient", "url": "https://files.example/zq/1.ndjson", "count": 12}],
        "error": [],
        "who": "zqcanary",
    }
    one = redactor()
    shown = json.loads(one.body(json.dumps(manifest).encode(), "application/json").data)
    assert {k: shown[k] for k in ("transactionTime", "request", "requiresAccessToken", "error")} == {
        k: manifest[k] for k in ("transactionTime", "request", "requiresAccessToken", "error")
    }
    assert [shown["output"][0]["type"], shown["output"][0]["count"]] == ["Patient", 12]
    assert shown["output"][0]["url"] == one.url("https://files.example/zq/1.ndjson")
    assert "canary" not in json.dumps(shown)
    assert one.url(f"{BASE}/$export?_since=2026-11-23T10:00:00.000Z").endswith("_since=2026-11-23T10:00:00.000Z")


def test_duplicate_keys_byte_order_mark_and_number_forms_stay_visible() -> None:
    data = b'\xef\xbb\xbf{"resourceType":"Patient","id":"a","id":"b","zz":1,"zz":2.50}'
    body = redactor().body(data, JSON)
    assert body.data.startswith(b'\xef\xbb\xbf{"resourceType":"Patient","id":"p')
    assert body.data.count(b'"id":') == 2
    assert re.search(rb'"(x\w{24})":1,"\1":1.0}', body.data)


def test_invalid_ids_dates_and_codes_stay_invalid() -> None:
    shown = redacted({"resourceType": "Patient", "id": "not_an_id", "birthDate": "25.12.1974", "gender": "M"})
    assert not ID.fullmatch(shown["id"])
    assert not re.fullmatch(r"[0-9-]+", shown["birthDate"])
    assert shown["gender"] not in ("M", "male", "female", "other", "unknown")


def test_every_element_of_the_tables_holds_something_that_is_known() -> None:
    known = tables()
    assert len(known.resources) == 146
    primitives = {holds for elements in known.types.values() for holds in elements.values()} - set(known.types)
    codes = {holds for holds in primitives if holds.startswith("code:")}
    assert {int(holds[5:]) for holds in codes} <= set(range(len(known.codes)))
    lists = {holds for holds in primitives if holds.startswith("one:")}
    assert {holds[4:] for holds in lists} <= set(EXACT)
    assert known.codes[int(known.types["Patient"]["gender"][5:])] == {"male", "female", "other", "unknown"}
    assert not [holds for holds in primitives if "." in holds]


def test_race_and_religion_are_no_codes_to_keep() -> None:
    systems = tables().systems
    assert not [
        url for url in systems if re.search(r"(?i)/v3-(race|ethnicity|religiousaffiliation|tribalentityus)$", url)
    ]


COMMON_NAMES = """
james mary robert patricia john jennifer michael linda david elizabeth william barbara richard susan joseph jessica
thomas sarah charles karen smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez
gonzalez wilson anderson taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez lewis
robinson walker young king wright scott torres nguyen hill flores green adams nelson baker hall rivera campbell
mitchell carter roberts will may mark grant rose grace page case field day long max trace cross small short miles dean
frank drew chase summer april june august sky faith hope joy art pat bill rob sue gene dale glen lane price banks
"""


def test_no_kept_word_is_a_common_name() -> None:
    assert sorted(WORDS & set(COMMON_NAMES.split())) == []


@quick
@given(
    st.lists(st.text(min_size=1, max_size=20).filter(str.strip), min_size=2, max_size=20, unique=True),
    st.sampled_from(["id", "token", "text", "uri"]),
)
def test_placeholders_are_injective_and_stay_when_redacted_again(values: list[str], kind: str) -> None:
    one = redactor()
    shown = [one.value(value, kind) for value in values]
    assert len(set(shown)) == len(values)
    assert [one.value(value, kind) for value in shown] == shown
    assert kind != "id" or all(ID.fullmatch(s) for v, s in zip(values, shown, strict=True) if ID.fullmatch(v))


def test_a_placeholder_of_another_run_is_redacted_like_anything_else() -> None:
    foreign = redactor(key=b"other" * 7).value("abc", "id")
    assert redactor().value(foreign, "id") != foreign
    assert redactor().value("p" + "0" * 24, "id") != "p" + "0" * 24


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("1974", r"\d{4}"),
        ("1974-12", r"\d{4}-\d\d"),
        ("1974-12-25", r"\d{4}-\d\d-\d\d"),
        ("2020-02-03T04:05:06.789+02:00", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+02:00"),
        ("2020-02-03T04:05:06.7Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\dZ"),
        ("2020-02-03T04:05:06Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        ("2020-02-03T04:05-05:00", r"\d{4}-\d\d-\d\dT\d\d:\d\d-05:00"),
        ("2016-12-31T23:59:60Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    ],
)
@pytest.mark.parametrize("key", [bytes([number]) * 32 for number in range(8)])
def test_dates_move_into_the_past_with_their_time_and_keep_their_precision(
    value: str, pattern: str, key: bytes
) -> None:
    shown = redactor(key=key).value(value, "date")
    assert re.fullmatch(pattern, shown)
    assert shown[: len("2020-02-03")] < value[: len("2020-02-03")]
    assert "T" not in value or shown[11:16] != value[11:16]
    assert "." not in value or shown[19:23] != value[19:23]
    assert "T" not in value or redactor(key=b"another key of 32 random bytes..").value(value, "date") != shown


@pytest.mark.parametrize("value", ["2020-02-03T25:05:06Z", "2020-02-30T04:05:06Z", "2020-13", "0000-01-01", "0001"])
def test_what_is_no_date_of_the_calendar_is_none_afterwards(value: str) -> None:
    assert re.fullmatch(r"x[0-9a-f]{24}", redactor().value(value, "date"))


def test_dates_of_one_run_keep_their_distance_also_in_headers() -> None:
    one = redactor()
    stored = one.value("2020-02-03T04:05:06Z", "date")
    header = dict(one.headers([("Last-Modified", "Mon, 03 Feb 2020 04:05:06 GMT")], response=True))["Last-Modified"]
    assert parsedate_to_datetime(header) == datetime.fromisoformat(stored)
    later, elsewhere = one.value("2020-02-03T04:05:16.5Z", "date"), one.value("2020-02-03T06:05:06+02:00", "date")
    assert (datetime.fromisoformat(later).replace(microsecond=0) - datetime.fromisoformat(stored)).seconds == 10
    assert datetime.fromisoformat(elsewhere) == datetime.fromisoformat(stored)
    earlier = one.value("2020-02-01", "date"), one.value("2020-02-03", "date")
    assert (date.fromisoformat(earlier[1]) - date.fromisoformat(earlier[0])).days == 2


def test_a_moment_that_anybody_knows_does_not_tell_how_far_the_others_were_shifted() -> None:
    """HAPI stamps a searchset with the time of the search, which `Date` says in clear."""
    now = datetime(2026, 11, 26, 4, 5, 6, tzinfo=UTC)
    for number in range(20):
        one = Redactor(bytes([number]) * 32, synthetic=False, now=now)
        ways = set()
        for minutes in (-2_000, -1, 0, 1, 2_000):
            then = now + timedelta(minutes=minutes)
            shown = datetime.fromisoformat(one.value(then.isoformat(), "date"))
            header = dict(one.headers([("Last-Modified", format_datetime(then, usegmt=True))], response=True))
            assert parsedate_to_datetime(header["Last-Modified"]) == shown
            elsewhere = then.astimezone(timezone(timedelta(hours=5)))
            assert datetime.fromisoformat(one.value(elsewhere.isoformat(), "date")) == shown
            ways.add(then - shown)
        long_ago = now - timedelta(days=9_000)
        usual = long_ago - datetime.fromisoformat(one.value(long_ago.isoformat(), "date"))
        assert len({*ways, usual}) == 6
        days = [date(2026, 11, 26) - timedelta(days=before) for before in (0, 9_000)]
        shifted = {(day - date.fromisoformat(one.value(day.isoformat(), "date"))).days for day in days}
        assert len(shifted) == 2


def walk(value: Any) -> Iterator[Any]:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inner)


CAPABILITIES = {
    "resourceType": "CapabilityStatement",
    "software": {"name": "zq"},
    "rest": [{"mode": "server", "n": 1.50}],
}


def test_a_public_document_stays_byte_for_byte() -> None:
    data = json.dumps(CAPABILITIES, indent=3).encode()
    assert redactor().body(data, JSON, public=True) == RedactedBody(data, "json", True, None)


@pytest.mark.parametrize(
    "clinical",
    [
        {"resourceType": "Patient", "name": [{"family": "zqcanary"}]},
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": {"resourceType": "Endpoint", "name": "zqcanary"}}],
        },
        {**CAPABILITIES, "contained": [{"resourceType": "Patient", "id": "zqcanary"}]},
    ],
)
def test_a_clinical_resource_under_a_public_address_is_real_data(clinical: dict[str, Any]) -> None:
    assert "zqcanary" not in json.dumps(redacted(clinical, public=True))
    xml_body = b'<Patient xmlns="http://hl7.org/fhir"><id value="zqcanary"/></Patient>'
    assert b"canary" not in redactor().body(xml_body, "application/xml", public=True).data


def test_a_published_brand_bundle_stays() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": {"resourceType": "Organization", "name": "zq"}}],
    }
    assert redacted(bundle, public=True) == bundle


def test_private_keys_in_a_public_key_set_go_but_show() -> None:
    keys = {
        "keys": [
            {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "k1", "d": "c2VjcmV0", "p": "cA", "oth": [{"r": "zq"}]}
        ]
    }
    shown = redacted(keys, public=True)["keys"][0]
    assert list(shown) == list(keys["keys"][0])
    assert [shown[k] for k in ("kty", "n", "kid")] == ["RSA", "AQAB", "k1"]
    assert all(re.fullmatch(r"x[0-9a-f]{24}", shown[k]) for k in ("d", "p", "oth"))


def test_synthetic_bodies_stay_byte_for_byte() -> None:
    for data, kind in [
        (b'{ "resourceType" : "Patient", "id":"a", "id" : "b", "x": 1.50 }\n', JSON),
        (b'{"broken": ', JSON),
        ("Grüße, but no JSON".encode(), "application/octet-stream"),
        (b"<a><b/></a>\n", "application/xml"),
        (b"{}\n{}\r\n\n", "application/fhir+ndjson"),
        (b"<html><title>Login</title>", "text/html"),
    ]:
        assert redactor(synthetic=True).body(data, kind).data == data
    assert redactor(synthetic=True).url(f"{BASE}/Patient/abc?name=Smith") == f"{BASE}/Patient/abc?name=Smith"
    assert redactor(synthetic=True).text("John Smith is here") == "John Smith is here"


def test_headers_keep_what_probes_read() -> None:
    one = redactor()
    one.keep("https://prober.example")
    given_headers = [
        ("Content-Type", "application/fhir+json; fhirVersion=4.0; charset=UTF-8"),
        ("Retry-After", "1700000000000"),
        ("WWW-Authenticate", 'Bearer realm="zqcanary", error="invalid_token"'),
        ("Set-Cookie", "JSESSIONID=zqcanary; Path=/zqcanary; HttpOnly; Secure"),
        ("Link", f'<{BASE}?page=2>; rel="next"; title="zqcanary"'),
        ("X-Zqcanary", "1"),
        ("Access-Control-Allow-Origin", "https://prober.example"),
        ("X-Progress", "exporting Patient, 40 of zqcanary"),
    ]
    shown = one.headers(given_headers, response=True)
    assert "canary" not in repr(shown)
    named = dict(shown)
    assert named["Content-Type"] == "application/fhir+json; fhirVersion=4.0; charset=UTF-8"
    assert named["Retry-After"] == "1700000000000"
    assert re.fullmatch(r'Bearer realm="x\w{24}", error="invalid_token"', named["WWW-Authenticate"])
    assert named["Set-Cookie"] == "JSESSIONID; HttpOnly; Secure"
    assert named["Link"] == f'<{BASE}?page=2>; rel="next"'
    assert named["Access-Control-Allow-Origin"] == "https://prober.example"
    assert named["prober-dropped-headers"] == "1"


@pytest.mark.parametrize("value", ["Exporting zq1canary", "zq1canary " * 9, "zq1canary" * 13, "zq1canary " * 30])
def test_progress_stays_on_its_side_of_the_length_that_is_allowed(value: str) -> None:
    one = redactor()
    (shown,) = one.headers([("X-Progress", value)], response=True)
    assert (len(shown[1]) < 100) == (len(value) < 100)
    assert "canary" not in shown[1]
    assert one.headers([shown], response=True) == (shown,)


def test_a_constant_of_prober_and_the_users_base_stay() -> None:
    one = redactor()
    one.keep("prober-no-such-id")
    assert one.url(f"{BASE}/Patient/prober-no-such-id") == f"{BASE}/Patient/prober-no-such-id"
    assert (
        one.text(f"Cannot connect to {BASE}, host fhir.example.org.")
        == f"Cannot connect to {BASE}, host fhir.example.org."
    )
    assert "fhir.example.org" not in redactor(key=KEY).text("host zq.fhir.example.org")


@pytest.mark.parametrize(
    "url",
    [
        f"{BASE}/metadata",
        f"{BASE}/.well-known/smart-configuration",
        f"{BASE}/Patient?_summary=count",
        f"{BASE}/Observation?category=vital-signs&status=final&_count=5&_sort=-date&_include=Observation:patient",
        f"{BASE}/Observation?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs",
        f"{BASE}/Group/$export?_type=Patient,Observation&_outputFormat=application/fhir%2Bndjson",
        f"{BASE}/Patient?gender=female&active=true&name:missing=true",
    ],
)
def test_a_url_that_names_nobody_stays(url: str) -> None:
    assert redactor().url(url) == url


def test_a_url_and_a_body_speak_of_the_same_patient() -> None:
    one = redactor()
    patient = one.value("abc", "id")
    assert one.url(f"{BASE}/Patient/abc/_history/1").startswith(f"{BASE}/Patient/{patient}/_history/p")
    assert (
        one.url(f"{BASE}/Observation?patient=abc&subject=Patient/abc")
        == f"{BASE}/Observation?patient={patient}&subject=Patient/{patient}"
    )
    assert one.url(f"{BASE}/Patient?identifier=http://hl7.org/fhir/sid/us-ssn|1").endswith(f"us-ssn|{one.value('1')}")
