"""A flood of canaries: every string that a server says is one, as plausible as can be, and nobody finds any later.

A canary looks like what stood in its place: it is a code under the system that stood there, the last step, the query,
the fragment or the version of a URL that is well known, a date of the calendar, an id, base64, narrative. The flood
runs through a server and the whole of prober, and then every file and every word that it left or said is searched. The
quick flood is made of the sandbox's records and a recorded server's answers; the deep one is every string of the
examples that HL7 publishes with FHIR R4.
"""

import base64
import gc
import gzip
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

import pytest
from tests.samples import DEEP

from prober import cli
from prober.archive import RunFolder
from prober.clock import SystemClock
from prober.nouns.provider import Provider
from prober.nouns.run import Environment
from prober.pipeline import Options, prepare
from prober.redact import Redactor
from prober.sandbox.data import store
from prober.stages import run_stage

Json = Any
FIXTURES = Path(__file__).parent.parent / "fixtures"
BASE = "http://fhir.example/fhir"

MARK = "qzv"
"""Every word that is planted begins so, and goes on with six letters from a to j: its number."""
DIGITS = "7319"
"""Every number that is planted begins so, also inside of OIDs and UUIDs."""
FRACTION = "731973197"
"""The fraction of every second that is planted."""
FIRST_YEAR = 2400
"""Every date that is planted lies in a January of a leap year from here on: shifted by a month or a year, none does."""

DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T.*)?)?)?")
TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?")
REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]+")
BASE64 = frozenset({"data", "hash", "certificate", "value64"})
COUNTS = frozenset({"total", "count"})
"""Numbers that a server says about itself and that verdicts rest on: they stay."""


class Canaries:
    """Plants canaries. Codings keep their systems, and so does everything that has one, while `systems` is true."""

    def __init__(self, *, systems: bool = True) -> None:
        self.planted = 0
        self.systems = systems

    def word(self) -> str:
        self.planted += 1
        return MARK + f"{self.planted % 1_000_000:06d}".translate(str.maketrans("0123456789", "abcdefghij"))

    def number(self) -> str:
        self.planted += 1
        return f"{DIGITS}{self.planted % 100_000:05d}"

    def date(self, like: str) -> str:
        """A date of the same precision."""
        self.planted += 1
        day = f"{FIRST_YEAR + 4 * (self.planted % 1900)}-01-{self.planted % 31 + 1:02d}"
        zone = re.search(r"Z|[+-]\d\d:\d\d\Z", like[10:])
        return f"{day}T{self.time()}{zone[0] if zone else ''}" if "T" in like else day[: len(like)]

    def time(self) -> str:
        self.planted += 1
        return f"07:31:1{self.planted % 10}.{FRACTION}"

    def http_date(self) -> str:
        self.planted += 1
        return f"Sat, 15 Jan {FIRST_YEAR + 4 * (self.planted % 1900)} 07:31:1{self.planted % 10} GMT"

    def base64(self) -> str:
        return base64.b64encode(f"{self.word()} {self.number()}".encode()).decode()

    def xhtml(self) -> str:
        return (
            f'<div xmlns="http://www.w3.org/1999/xhtml" id="{self.word()}"><!-- {self.word()} -->'
            f'<p title="{self.word()}">{self.word()}<img src="data:image/png;base64,{self.base64()}"/></p></div>'
        )

    def uri(self, like: str) -> str:
        """A URI that is as well known as the one that stood there, but for one place."""
        if like.startswith("urn:uuid:"):
            self.planted += 1
            return f"urn:uuid:{DIGITS}0000-0000-4000-8000-{self.planted:012d}"
        if like.startswith("urn:oid:"):
            return f"urn:oid:2.16.840.1.113883.{self.number()}"
        if not re.match(r"https?://", like):
            return f"{like}:{self.word()}"
        forms = ("/{0}", "|{0}", "#{0}", "?_id={0}", "-{0}", "|4.0.1-{0}", "?{0}", "/_history/{0}", "/{1}", "?code={1}")
        self.planted += 1
        at = self.planted % (len(forms) + 2)
        if at < len(forms):
            return like + forms[at].format(self.word(), self.number())
        return (
            f"{like.rpartition('/')[0]}/{self.word()}"
            if at == len(forms)
            else like.replace("//", f"//{self.word()}.", 1)
        )

    def reference(self, like: str) -> str:
        kind = like.partition("/")[0]
        self.planted += 1
        forms = (
            "{0}/{1}",
            "{0}/{2}",
            "{0}/{1}/_history/{2}",
            "{0}?identifier=http://hl7.org/fhir/sid/us-npi|{1}",
            "#{1}",
        )
        return forms[self.planted % len(forms)].format(kind, self.word(), self.number())

    def text(self, name: str, like: str) -> str:
        """A canary in place of this text, under this name."""
        if name == "resourceType" or (name == "system" and self.systems):
            return like
        if name == "div":
            return self.xhtml()
        if DATE.fullmatch(like):
            return self.date(like)
        if TIME.fullmatch(like):
            return self.time()
        if like.startswith("urn:") or "://" in like[:10]:
            return self.uri(like)
        if REFERENCE.fullmatch(like) or like.startswith("#"):
            return self.reference(like)
        if name in BASE64:
            return self.base64()
        if name == "id":
            return self.word() if self.planted % 3 else self.number()
        forms = (
            ("{0}", "{2}-{0}", "{1}", "{2}{0}", "{0}") if " " not in like else ("{0}", "{2} {0}", "{0} {1}", "{2}{0}")
        )
        return forms[self.planted % len(forms)].format(self.word(), self.number(), like[:60])

    def plant(self, value: Json, name: str = "") -> Json:
        """The value with a canary in place of every string and number in it, and a strange member in every resource."""
        if isinstance(value, dict):
            planted = {key: self.plant(inner, key) for key, inner in value.items()}
            if "resourceType" in value:
                planted[self.word()] = {"extra": self.word(), self.word(): [self.word(), int(self.number())]}
            return planted
        if isinstance(value, list):
            return [self.plant(one, name) for one in value]
        if isinstance(value, str):
            return self.text(name, value)
        if value is None or isinstance(value, bool) or name in COUNTS:
            return value
        return int(self.number()) if isinstance(value, int) else float(f"{self.number()}.25")


def letters_in_base64() -> list[bytes]:
    """What of the mark stays the same in base64, wherever it stands: four letters at least."""
    found = []
    for lead in range(3):
        ends = [base64.b64encode(b"x" * lead + f"{MARK}{end * 6}".encode()) for end in "aj"]
        begins = [base64.b64encode(other * lead + f"{MARK}aaaaaa".encode()) for other in (b"x", b"\xff")]
        same = [at for at in range(12) if len({one[at] for one in (*ends, *begins)}) == 1]
        found.append(bytes(ends[0][at] for at in same))
    return found


WORD = MARK.encode() + rb"[a-j]{6}"
LEAP = rb"(?:2[4-9]|[3-9][0-9])(?:[02468][048]|[13579][26])"
# Each begins with what is quick to find. The digits of placeholders are hexadecimal, and a few of so many are these by
# chance: a number counts where it stands for itself.
SIGNS = tuple(
    re.compile(sign)
    for sign in (
        rb"%s(?<![0-9A-Za-z]%s)(?<!:[0-9]{2}[.]%s)[0-9]{5}(?![0-9A-Fa-f])".replace(b"%s", DIGITS.encode()),
        # Of the many other fractions of a second that are shown, some begin with the same digits by chance.
        FRACTION.encode(),
        DIGITS.encode() + rb"0000-0000-4000",
        rb"-01(?<=[^0-9A-Za-z]%s-01)(?![0-9])" % LEAP,
        rb"[:=\[] ?\"%s\"" % LEAP,
        rb"Jan %s" % LEAP,
        rb"07:31:1[0-9]",
        *map(re.escape, letters_in_base64()),
        b"\0".join(MARK.encode()[at : at + 1] for at in range(3)),
        MARK[::-1].encode() + rb"(?<=[a-j]{6}%s)" % MARK[::-1].encode(),
    )
)
# In lower case.
LOW_SIGNS = tuple(
    re.compile(sign)
    for sign in (
        WORD,
        rb"q(?:[\W_]|%[0-9a-f]{2}){1,3}z(?:[\W_]|%[0-9a-f]{2}){1,3}v(?:[\W_]|%[0-9a-f]{2}){0,3}[a-j]",
        rb"%s(?:6[1-9a]){6}" % MARK.encode().hex().encode(),
        *(
            "".join(form.format(byte) for byte in MARK.encode()).encode()
            for form in ("%{:02x}", "&#0*{};?", "&#x0*{:x};?")
        ),
        *(
            re.escape("".join(form.format(byte) for byte in MARK.encode())).encode()
            for form in ("\\u{:04x}", "\\x{:02x}")
        ),
    )
)
PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ")


def canaries_in(data: bytes) -> list[bytes]:
    """Every canary that shows in these bytes, with what stands around it; also in disguise, or in what is packed."""
    low = data.lower()
    hits = [hit for sign in SIGNS for hit in sign.finditer(data)] + [
        hit for sign in LOW_SIGNS for hit in sign.finditer(low)
    ]
    found = [data[max(0, hit.start() - 60) : hit.end() + 20] for hit in hits]
    return [*found, b"packed: " + data[:20]] if data.startswith(PACKED) else found


def check(place: Path, told: str, *, besides: Path | None = None) -> int:
    """Nothing that lies in this folder, no name of a file and nothing that was said shows a canary. How much it was."""
    size = len(told)
    assert canaries_in(told.encode("utf-8", "surrogatepass"))[:5] == []
    for path in sorted(place.rglob("*")):
        assert canaries_in(os.fsencode(path.relative_to(place))) == []
        if path.is_file() and (besides is None or not path.is_relative_to(besides)):
            data = path.read_bytes()
            assert canaries_in(data)[:5] == [], path
            size += len(data)
    return size


EXAMPLE = {
    "resourceType": "Patient",
    "id": "a",
    "meta": {
        "lastUpdated": "2020-01-01T00:00:00.5+01:00",
        "profile": ["http://hl7.org/fhir/StructureDefinition/Patient"],
    },
    "text": {"status": "generated", "div": "<div>a</div>"},
    "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "1", "type": {"text": "of the type"}}],
    "name": [{"family": "Smith"}],
    "birthDate": "1970-01-01",
    "deceasedDateTime": "1970",
    "gender": "male",
    "maritalStatus": {"coding": [{"system": "http://loinc.org", "code": "M", "display": "Married"}]},
    "managingOrganization": {"reference": "Organization/1"},
    "photo": [{"contentType": "image/png", "data": "QUJD"}],
    "extension": [{"url": "urn:oid:1.2.3"}, {"url": "urn:uuid:x", "valueDecimal": 1.5, "valueInteger": 7}],
}


def test_the_search_finds_each_canary_that_is_planted() -> None:
    flood = Canaries(systems=False)
    leaves: list[Json] = []

    def collect(value: Json) -> None:
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            collect(inner)
        if not isinstance(value, dict | list):
            leaves.append(value)

    for _ in range(40):
        for name, value in flood.plant(EXAMPLE).items():
            if name not in EXAMPLE:
                leaves.append(name)
            collect(value if name != "resourceType" else [])
    assert len(leaves) > 40 * len(EXAMPLE)
    for leaf in leaves:
        assert canaries_in(json.dumps({"of": leaf}).encode()), leaf


@pytest.mark.parametrize("around", ["{}", "Patient/{}", "the {} is", "x{}x"])
def test_the_search_finds_a_canary_in_any_dress(around: str) -> None:
    for number in (0, 77, 123_456, 999_999):
        flood = Canaries()
        flood.planted = number
        raw = around.format(flood.word()).encode()
        dresses = [
            *(raw, raw.upper(), raw.title(), raw.hex().encode(), raw[::-1]),
            *(base64.b64encode(b"y" * lead + raw) for lead in range(3)),
            *(base64.urlsafe_b64encode(b"\xff" * lead + raw) for lead in range(3)),
            *(
                "".join(form.format(byte) for byte in raw).encode()
                for form in ("%{:02X}", "\\u{:04x}", "&#{};", "&#x{:X};")
            ),
            *(raw.decode().encode(code) for code in ("utf-16-le", "utf-16-be", "utf-8-sig")),
            gzip.compress(raw),
        ]
        for dressed in dresses:
            assert canaries_in(dressed), dressed


def test_the_search_finds_nothing_in_placeholders() -> None:
    redactor = Redactor(bytes(32), synthetic=False)
    shown = " ".join(redactor.value(f"{number}", kind) for number in range(5_000) for kind in ("id", "text", "date"))
    assert canaries_in(shown.encode()) == []


READ = ("json", "xml", "ndjson", "gzip", "refusal")
"""Shapes of which something is kept, so that what is kept is searched."""
UNREAD = ("page", "cut", "broken", "redirect", "plain", "mislabelled")
PAGE = 350_000
"""Bytes of resources on one page: more words than prober looks at in one body would be kept nowhere."""

Page = tuple[str, list[bytes]]
"""A shape, and the documents that are told in it."""


def in_pages(documents: Iterable[bytes], most: int = PAGE) -> list[Page]:
    """Every document on a page of a shape that is read; and now and then the first of a page in another shape too."""
    bundles: list[list[bytes]] = [[]]
    size = 0
    for one in documents:
        if bundles[-1] and size + len(one) > most:
            bundles.append([])
            size = 0
        bundles[-1].append(one)
        size += len(one)
    pages = [(READ[at % len(READ)], bundle) for at, bundle in enumerate(bundles)]
    return pages + [(shape, bundles[at % len(bundles)][:2]) for at, shape in enumerate(UNREAD * 2)]


def xml_of(value: Json, name: str, out: list[str]) -> None:
    if isinstance(value, list):
        for one in value:
            xml_of(one, name, out)
    elif isinstance(value, dict):
        kind = value.get("resourceType")
        inside = name if isinstance(kind, str) and name else ""
        name = kind if isinstance(kind, str) else name
        out.append(f"<{inside}>" if inside else "")
        out.append(f"<{name}" + (' xmlns="http://hl7.org/fhir"' if kind else ""))
        attributes = [key for key in ("url", "id") if isinstance(value.get(key), str) and not kind]
        out.extend(f" {key}={quoteattr(value[key])}" for key in attributes)
        out.append(">")
        for key, inner in value.items():
            if key != "resourceType" and key not in attributes:
                xml_of(inner, key.removeprefix("_"), out)
        out.append(f"</{name}>" + (f"</{inside}>" if inside else ""))
    elif name == "div" and isinstance(value, str) and value.startswith("<div"):
        out.append(value)
    elif value is not None:
        out.append(f"<{name} value={quoteattr(('false', 'true')[value] if isinstance(value, bool) else str(value))}/>")


class FloodServer:
    """A server that says nothing but canaries, page after page, in one shape after the other."""

    def __init__(self, pages: Sequence[Page], flood: Canaries | None = None) -> None:
        self.pages = pages
        self.flood = flood or Canaries()
        self.patient, self.group = self.flood.word(), self.flood.word()
        self.origin = ""
        self.told: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def base(self) -> str:
        return f"{self.origin}/fhir"

    def provider(self, environment: Environment = "production") -> Provider:
        return Provider(
            organisation="Example",
            environment=environment,
            fhir_bases=(self.base,),
            test_patients=(self.patient,),
            groups=(self.group,),
            doc_urls=(f"{self.origin}/pages/steps", f"{self.origin}/pages/limits?edition=3"),
        )

    def statement(self) -> Json:
        interactions = [{"code": "read"}, {"code": "search-type"}]
        export = {"name": "export", "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export"}
        kinds = ("Patient", "Observation", "Condition", "Encounter", "Group")
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-01-01",
            "kind": "instance",
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [
                {
                    "mode": "server",
                    "resource": [
                        {"type": kind, "interaction": interactions, "operation": [export] if kind == "Group" else []}
                        for kind in kinds
                    ],
                }
            ],
        }

    def headers(self) -> dict[str, str]:
        """Every header that prober knows, and one that it does not, with canaries wherever one may stand."""
        f = self.flood
        return {
            "Set-Cookie": f"JSESSIONID={f.word()}; Path=/{f.word()}; Domain={f.word()}.hl7.org; HttpOnly",
            "WWW-Authenticate": f'Bearer realm="{f.word()}", error="{f.word()}", nonce={f.number()}, '
            f'error_description="{f.word()} is expired", scope="patient/{f.word()}.read", '
            f'authorization_uri="http://hl7.org/fhir/{f.word()}"',
            "Proxy-Authenticate": f"Basic realm={f.word()}, {f.word()}",
            "ETag": f'W/"{f.word()}"',
            "Last-Modified": f.http_date(),
            "Expires": f.http_date(),
            "Sunset": f.http_date(),
            "Deprecation": f.http_date(),
            "Retry-After": f.word(),
            "Warning": f'199 - "{f.word()} of Patient/{f.word()}"',
            "Link": f'<{self.base}/Patient/{f.word()}?name={f.word()}>; rel="next"; title="{f.word()}"',
            "Content-Location": f"{self.base}/Patient/{f.word()}/_history/{f.number()}?x={f.word()}",
            "Server": f"HAPI FHIR {f.word()}",
            "Via": f"1.1 {f.word()}",
            "X-Powered-By": f"HAPI FHIR 6.0 {f.word()}",
            "X-Progress": f"exporting {f.word()}, 40 of 100",
            "X-Request-Id": f.word(),
            "X-Correlation-Id": f.number(),
            "X-Trace-Id": f.word(),
            "Traceparent": f"00-{f.word()}-{f.word()}-01",
            "X-Cache": f"HIT from {f.word()}",
            "Content-Disposition": f'attachment; filename="{f.word()}.json"',
            "Content-Language": f.word(),
            "Content-Security-Policy": f"default-src {f.word()}.hl7.org",
            "Strict-Transport-Security": f"max-age=1; {f.word()}",
            "Cache-Control": f"private, {f.word()}={f.number()}",
            "Access-Control-Allow-Origin": f"https://{f.word()}.hl7.org",
            "Access-Control-Allow-Headers": f"accept, {f.word()}",
            "Allow": f"GET, {f.word()}",
            "Vary": f.word(),
            "Alt-Svc": f'h2="{f.word()}.hl7.org:443"',
            "Accept-Patch": f"application/{f.word()}",
            "Preference-Applied": f"return={f.word()}",
            "Age": f.number(),
            "X-Total-Count": f.number(),
            "RateLimit-Reset": f"{f.number()}.25",
            f"X-{f.word()}": f.word(),
        }

    def resources(self, page: Sequence[bytes]) -> list[Json]:
        self.flood.systems = self.flood.planted % 4 != 0
        return [self.flood.plant(json.loads(one)) for one in page]

    def bundle(self, resources: Iterable[Json]) -> Json:
        f = self.flood
        entries = [
            {"fullUrl": f"{self.base}/Patient/{f.word()}", "resource": one, "response": {"etag": f'W/"{f.word()}"'}}
            for one in resources
        ]
        following = f"{self.base}/Observation?patient={f.word()}&name={f.word()}&_getpages={f.word()}"
        links = [{"relation": "next", "url": following}, {"relation": f.word(), "url": f.word()}]
        return {"resourceType": "Bundle", "type": "searchset", "total": 2, "link": links, "entry": entries}

    def page(self, number: int) -> tuple[int, dict[str, str], bytes]:
        f, (shape, documents) = self.flood, self.pages[number]
        self.told[shape] += 1
        resources = self.resources(documents)
        whole = self.bundle(resources)
        text = json.dumps(whole).encode()
        if shape == "xml":
            out: list[str] = [f"<?xml version='1.0'?><!-- {f.word()} --><?{f.word()} {f.word()}?>"]
            xml_of(whole, "", out)
            return 200, {"Content-Type": "application/fhir+xml"}, "".join(out).encode()
        if shape == "gzip":
            return 200, {"Content-Type": "application/fhir+json", "Content-Encoding": "gzip"}, gzip.compress(text, 1)
        if shape == "ndjson":
            lines = [json.dumps(one) for one in resources] + [f.word()]
            return 200, {"Content-Type": "application/fhir+ndjson"}, "\n".join(lines).encode()
        if shape == "page":
            page = (
                f"<!doctype html><title>{f.word()}</title><script>{f.word()}</script><pre>{escape(text.decode())}</pre>"
            )
            return 500, {"Content-Type": f"text/html; {f.word()}={f.word()}"}, page.encode()
        if shape == "refusal":
            issues = [
                {
                    "severity": "error",
                    "code": "invalid",
                    "diagnostics": f"{f.word()} of Patient/{f.word()}",
                    "details": {"text": f"{f.word()} is not found"},
                    "expression": [f"Patient.name.{f.word()}"],
                }
            ]
            outcome = {"resourceType": "OperationOutcome", "id": f.word(), "issue": issues, "contained": resources}
            return 422, {"Content-Type": "application/fhir+json"}, json.dumps(outcome).encode()
        if shape == "redirect":
            away = f"{self.base}/Patient/{f.word()}/{f.word()}?name={f.word()}&identifier=http://loinc.org|{f.word()}#{f.word()}"
            return 302, {"Content-Type": "text/html", "Location": away}, f"<html>{f.word()}</html>".encode()
        if shape == "plain":
            return 404, {"Content-Type": "text/plain"}, text[:30_000] + f.word().encode()
        if shape == "mislabelled":
            return 200, {"Content-Type": f"image/{f.word()}; name={f.word()}"}, text
        if shape == "broken":
            return 200, {"Content-Type": f"application/fhir+json; charset={f.word()}"}, text[: len(text) * 2 // 3]
        return 200, {"Content-Type": "application/fhir+json"}, text

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        f = self.flood
        numbered = re.search(r"_offset=(\d+)", path)
        if numbered:
            return self.page(int(numbered[1]))
        json_ = {"Content-Type": "application/fhir+json"}
        if path.startswith("/fhir/metadata"):
            return 200, json_, json.dumps(self.statement()).encode()
        if "smart-configuration" in path:
            return 200, json_, json.dumps({"person": f.word(), "error": f.word(), "message": f.word()}).encode()
        if "$export" in path:
            return 202, {"Content-Location": f"{self.base}/job/{f.word()}?name={f.word()}"}, b""
        if path.startswith("/fhir/job/"):
            output = [{"type": "Patient", "url": f"{self.base}/file/{f.word()}?name={f.word()}", "count": 2}]
            manifest = {
                "transactionTime": "2026-01-01T00:00:00Z",
                "request": f"{self.base}/{f.word()}",
                "requiresAccessToken": True,
                "output": output,
                "error": [{"type": f.word(), "url": f.word()}],
                f.word(): f.word(),
            }
            return 200, {"Content-Type": "application/json"}, json.dumps(manifest).encode()
        if path.startswith("/fhir/file/"):
            mine = {**f.plant(EXAMPLE), "id": self.patient}
            lines = [json.dumps(mine), f.word(), json.dumps({"resourceType": f.word()}), json.dumps(f.plant(EXAMPLE))]
            return 200, {"Content-Type": "application/fhir+ndjson"}, "\n".join(lines).encode()
        if path.startswith("/fhir/Group/"):
            members = [{"entity": {"reference": f"Patient/{self.patient}", "display": f.word()}}]
            group = {"resourceType": "Group", "id": self.group, "name": f.word(), "member": members}
            return 200, json_, json.dumps(group).encode()
        found = {**f.plant(EXAMPLE), "id": self.patient}
        return 200, json_, json.dumps(self.bundle([found]) if "?" in path else found).encode()

    @contextmanager
    def serving(self) -> Iterator["FloodServer"]:
        flood = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with flood.lock:
                    status, headers, body = flood.answer(self.path)
                    headers = flood.headers() | headers
                    reason = flood.flood.word()
                numbered = re.search(r"_offset=(\d+)", self.path)
                cut = numbered is not None and flood.pages[int(numbered[1])][0] == "cut"
                self.send_response(status, reason)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if cut else body)
                self.close_connection = cut

            def do_DELETE(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


PROBE = '''"""Whether anything comes of many pages."""

from prober.api import Exchange, Seen, Session, Verdict, absent, observation, present, probe

PAGES = {pages}
FAULT = {fault!r}


@observation(
    asks=("GET [base]/Observation?patient={{id}}&_offset=…",),
    requests=2 * PAGES + 1,
    permits=("active", "patient_data"),
)
async def many_pages(session: Session) -> list[Exchange]:
    """The pages of one search, whatever they are."""
    wanted = (f"Observation?patient={{{{id}}}}&_offset={{number}}" for number in range(PAGES))
    answers = [await session.attempt(one, id=session.patients[0]) for one in wanted]
    if FAULT == "an observation":
        raise ValueError(answers[0].content, answers[0].headers)
    return answers


@probe(many_pages)
def judge(seen: Seen[list[Exchange]]) -> Verdict:
    read = [one for one in seen.value if one.parsed]
    if FAULT == "a probe":
        raise ValueError(read[0].content, read[0].headers)
    if not read:
        return absent("No page could be read.", seen.value[0].cite())
    shown = [one.header("server") for one in read][:5]
    return present("Pages were read.", read[-1].cite("/entry/0/resource/id"), values={{"servers": shown}})
'''


def probe_folder(place: Path, pages: int, fault: str = "") -> Path:
    """A probe that asks for so many pages, in a folder of its own."""
    shipped = FIXTURES.parent / "probes" / "patient" / "patient_read"
    folder = place / "flooded"
    shutil.copytree(shipped, folder, ignore=shutil.ignore_patterns("probe.py", "__pycache__"))
    (folder / "probe.py").write_text(PROBE.format(pages=pages, fault=fault), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


Told = Callable[[], str]


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Told:
    """All that was said since the last time: on the terminal and in the log."""
    caplog.set_level(logging.DEBUG)
    return lambda: "".join(capfd.readouterr()) + caplog.text


def begun(
    server: FloodServer,
    place: Path,
    *,
    environment: Environment = "production",
    fault: str = "",
    custodian: bool = True,
    only: frozenset[str] | None = None,
) -> Callable[[Callable[[str], None]], int]:
    """A run that is ready to go; a run on real data goes as fast as one on the sandbox."""
    options = Options(
        target=server.base,
        provider=server.provider(environment),
        bearer_env="FLOOD_TOKEN",
        probes=(probe_folder(place.parent / "probes", len(server.pages), fault),),
        budget=1000 + 3 * len(server.pages),
        deadline=900,
        custodian=place / "held" if custodian else None,
        only=only,
    )
    prepared = prepare(options, SystemClock())
    quick = replace(prepared, plan=prepared.plan.model_copy(update={"pace": "sandbox"}))
    return lambda say: run_stage(
        [quick], out=place / "run", whole=True, fail_under=None, as_of=None, as_json=False, say=say
    )


def flooded(
    pages: Sequence[Page], place: Path, monkeypatch: pytest.MonkeyPatch, told: Told, *, custodian: bool = True
) -> FloodServer:
    """Run prober against the flood under the rules for real data, and search everything."""
    server = FloodServer(pages)
    monkeypatch.setenv("FLOOD_TOKEN", f"tk-{server.flood.word()}-{server.flood.word()}")
    said: list[str] = []
    with server.serving():
        begun(server, place, custodian=custodian)(said.append)
    assert check(place.parent, "\n".join(said) + told(), besides=place.parent / "probes") > 100_000
    check_that_it_was_read(server, RunFolder.open(place / "run"))
    return server


def check_that_it_was_read(server: FloodServer, folder: RunFolder) -> None:
    """Nothing leaks from what is not kept: so the pages that can be read were read, and kept to the end."""
    stored = [one for one in folder.exchanges().values() if one.observation == "many_pages"]
    assert [one.note for one in stored if one.failure is not None and one.failure.kind == "withheld"] == []
    kept = Counter(one.media for one in stored if len(one.content) > 100 and one.status in (200, 422))
    assert kept["xml"] == server.told["xml"] > 0
    assert kept["ndjson"] == server.told["ndjson"] > 0
    assert kept["json"] >= sum(server.told[shape] for shape in ("json", "gzip", "refusal", "mislabelled")) > 0
    findings = folder.findings()
    assert [one.source.probe for one in findings if one.verdict.reason == "bug"] == []
    assert next(one for one in findings if one.source.probe == "flooded").verdict.outcome == "present"


def recorded() -> Iterator[bytes]:
    """What a server said that was not made for prober, except its largest documents."""
    for path in sorted((FIXTURES / "hapi" / "blobs").iterdir()):
        data = path.read_bytes()
        if len(data) < 30_000 and data.lstrip()[:1] == b"{":
            yield data


def test_no_canary_comes_through_the_whole_of_prober(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    server = flooded(in_pages(documents(), 60_000), tmp_path / "place", monkeypatch, told)
    assert set(server.told) == {*READ, *UNREAD}
    assert server.flood.planted > 10_000


ENOUGH = frozenset({"flooded", "patient_read", "bulk_counts_match", "bulk_job_deleted"})
"""Probes of which each asks for something else."""


class Secrets(Canaries):
    """Plants nothing but one secret, now and then, in every dress that anybody could undo."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        raw = secret.encode()
        self.dresses = [
            *(secret, f"Bearer {secret}", f"x{secret}y", quote(secret, safe=""), raw.hex(), secret[::-1]),
            *(base64.b64encode(b"x" * lead + raw).decode() for lead in range(3)),
            base64.b64encode(base64.b64encode(raw)).decode(),
            *("".join(form.format(byte) for byte in raw) for form in ("%{:02X}", "\\u{:04x}", "&#{};", "&#x{:x};")),
        ]

    def word(self) -> str:
        self.planted += 1
        turn, rest = divmod(self.planted, 20)
        return f"harmless{self.planted}" if rest else self.dresses[turn % len(self.dresses)]

    def number(self) -> str:
        self.planted += 1
        return f"99{self.planted:05d}"

    def date(self, like: str) -> str:
        return like

    def uri(self, like: str) -> str:
        return f"{like}/{self.word()}"

    def time(self) -> str:
        return "12:00:00"

    def http_date(self) -> str:
        return "Mon, 03 Feb 2020 04:05:06 GMT"


def documents() -> list[bytes]:
    """What the quick flood is made of."""
    records = [one for kind in store().values() for one in kind.values()]
    return [*(json.dumps(one).encode() for one in records), *recorded()]


@DEEP
@pytest.mark.parametrize("environment", ["sandbox", pytest.param("production", marks=pytest.mark.deep)])
def test_no_secret_comes_through_in_any_dress(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    words = Canaries()
    secret = f"tk.{words.word()}-{words.word()}~{words.word()}"
    assert all(
        canaries_in(dressed.encode()) for dressed in Secrets(secret).dresses if dressed != Secrets(secret).dresses[9]
    )
    pages = in_pages(documents()[:60:3], 3_000)
    server = FloodServer(pages, Secrets(secret))
    monkeypatch.setenv("FLOOD_TOKEN", secret)
    said: list[str] = []
    with server.serving():
        begun(server, tmp_path / "place", environment=environment, only=ENOUGH)(said.append)
    check(tmp_path, "\n".join(said) + told(), besides=tmp_path / "probes")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "place" / "run" / "blobs").iterdir())
    # Synthetic data are kept as they are, so the secret had every chance.
    assert (b"harmless" in kept) == (environment == "sandbox")
    assert set(server.told) == {*READ, *UNREAD}


FAULTS: dict[str, tuple[str, type[Exception]]] = {
    "the redaction of bodies": ("prober.redact.Redactor.body", ValueError),
    "the redaction of headers": ("prober.redact.Redactor.headers", ValueError),
    "the redaction of addresses": ("prober.redact.Redactor.url", ValueError),
    "the network": ("prober.session.network.Network.send", RuntimeError),
    "the reducer": ("prober.reduce.Ndjson.feed", UnicodeError),
    "the journal of jobs": ("prober.jobs.JobJournal.started", OSError),
    "the commitments": ("prober.commitment.Custodian.commit", OSError),
    "the evidence": ("prober.archive.RunFolder.record", OSError),
    "the findings": ("prober.archive.RunFolder.write_findings", RuntimeError),
    "the report": ("prober.render.html.page", KeyError),
    "an observation": ("", ValueError),
    "a probe": ("", ValueError),
}
QUICK_FAULTS = {"the evidence", "an observation"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK_FAULTS else pytest.mark.deep) for name in FAULTS]
)
def test_no_canary_comes_through_a_fault_of_prober(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    """Whatever breaks, and whatever its exception quotes, only its type and its place are told."""
    place, kind = FAULTS[name]
    server = FloodServer([(shape, documents()[:2]) for shape in (*READ, *UNREAD)])
    monkeypatch.setenv("FLOOD_TOKEN", f"tk-{server.flood.word()}-{server.flood.word()}")
    met: list[str] = []

    def broken(*_: Any, **__: Any) -> None:
        met.append(server.flood.word())
        raise kind(f"{met[-1]} has the id {server.flood.number()} and was born on {server.flood.date('1970-01-01')}")

    with server.serving():
        run = begun(server, tmp_path / "place", fault=name, only=ENOUGH)
        if place:
            monkeypatch.setattr(place, broken)
        monkeypatch.setattr(cli, "app", lambda **_: run(print))
        with pytest.raises(SystemExit) as ended:
            cli.main()
    # What an exception held that nobody fetched would be told now.
    gc.collect()
    said = told()
    take_journals(server, tmp_path)
    check(tmp_path, said, besides=tmp_path / "probes")
    assert bool(met) == bool(place)
    assert ended.value.code in (0, 3, 4)
    assert said.strip()
    if not place:
        findings = RunFolder.open(tmp_path / "place" / "run").findings()
        assert next(one for one in findings if one.source.probe == "flooded").verdict.reason == "bug"


def take_journals(server: FloodServer, place: Path) -> int:
    """The jobs that could not be deleted stand in a journal, where they must: their addresses, and nothing else."""
    left = list((place / "state").rglob("*.json"))
    for path in left:
        assert path.stat().st_mode & 0o077 == 0
        journal = json.loads(path.read_text())
        assert all(one.startswith(f"{server.base}/job/") for one in journal.pop("jobs"))
        assert canaries_in(json.dumps(journal).encode()) == []
        path.unlink()
    return len(left)


@pytest.mark.deep
def test_a_job_that_cannot_be_ended_leaves_its_address_in_the_journal_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    server = FloodServer([("json", documents()[:2])])
    monkeypatch.setenv("FLOOD_TOKEN", f"tk-{server.flood.word()}-{server.flood.word()}")
    monkeypatch.setattr("prober.session.live.GONE", frozenset())
    said: list[str] = []
    with server.serving():
        begun(server, tmp_path / "place", only=ENOUGH)(said.append)
    assert take_journals(server, tmp_path) == 1
    check(tmp_path, "\n".join(said) + told(), besides=tmp_path / "probes")


CORPUS = "hl7.fhir.r4.examples@4.0.1"
INTEGRITY = "DXBdIZOeQaSKIgCU7w6HOC7sw/6BzylmipLkBW4f//pT+Bc94x+8LImwTdvaNThPJoOzpBzvxAzNqjeu3X/zLw=="
"""SHA-512 of the package, as its registry states it."""
PARTS = 4


def sound(archive: Path) -> bool:
    return base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == INTEGRITY


@pytest.fixture(scope="module")
def corpus() -> Path:
    """The examples of FHIR R4, fetched once by npm into a folder outside of the repository."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prober-tests"
    archive = cache / "hl7.fhir.r4.examples-4.0.1.tgz"
    if not archive.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip(f"The examples of FHIR R4 ({CORPUS}) are fetched by npm, and there is no npm here.")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            # The folder of the test is not the place for what npm leaves behind.
            done = subprocess.run(
                [npm, "pack", CORPUS, "--pack-destination", scratch, "--silent"],
                cwd=scratch,
                env={**os.environ, "TMPDIR": scratch},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            fetched = list(Path(scratch).glob("*.tgz"))
            if done.returncode or not fetched:
                pytest.skip(f"npm could not fetch {CORPUS}: {done.stderr.strip()[-300:]}")
            assert sound(fetched[0]), f"{CORPUS} is not the package that it was."
            fetched[0].replace(archive)
    assert sound(archive), f"{archive} is damaged; delete it."
    return archive


def examples(archive: Path, part: int | None = None) -> Iterator[bytes]:
    """Every resource of the package that falls to this part. A definition that stands in a collection and alone counts
    once: large collections are taken apart, and what they hold comes if it has not come already."""
    seen: set[tuple[str, str]] = set()
    with tarfile.open(archive) as packed:
        files = [one for one in packed if one.isfile() and one.name.endswith(".json") and one.name.count("/") == 1]
        for one in sorted(files, key=lambda one: (one.size > PAGE and "/Bundle-" in one.name, one.name)):
            stream = packed.extractfile(one)
            resource = json.load(stream) if stream else {}
            parts = [resource]
            if one.size > PAGE and resource.get("resourceType") == "Bundle":
                parts = [entry["resource"] for entry in resource["entry"] if "resource" in entry]
            for each in parts:
                name = (each.get("resourceType", ""), each.get("id", one.name))
                if name not in seen:
                    seen.add(name)
                    if part in (None, len(seen) % PARTS) and each.get("resourceType"):
                        yield json.dumps(each).encode()


@pytest.mark.deep
@pytest.mark.parametrize("part", range(PARTS))
def test_no_canary_in_any_example_of_fhir_comes_through(
    part: int, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    pages = in_pages(examples(corpus, part))
    server = flooded(pages, tmp_path / "place", monkeypatch, told, custodian=False)
    assert server.flood.planted > 200_000


PEOPLE = frozenset({"Patient", "Person", "Practitioner", "RelatedPerson"})
NAMING = frozenset({"family", "given", "text", "line", "city", "postalCode", "value", "birthDate", "display", "id"})


def strings(value: Json, name: str = "") -> Iterator[tuple[str, str]]:
    """Every string in a value, with the name under which it stands."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, name)


@pytest.mark.deep
def test_nothing_that_names_a_person_of_the_examples_stays(corpus: Path) -> None:
    """The values themselves, not canaries in their place: a name may be a word that stays elsewhere."""
    redactor = Redactor(bytes(32), synthetic=False)
    redactor.keep_base(BASE)
    looked_at = 0
    for data in examples(corpus):
        resource = json.loads(data)
        if resource["resourceType"] not in PEOPLE:
            continue
        shown = json.loads(redactor.body(data, "application/fhir+json").data)
        # Codes and published addresses are kept by exact lists, so only what people write is compared.
        left = {value for name, value in strings(shown) if name in NAMING}
        names = {value for name, value in strings(resource) if name in NAMING and len(value) > 2}
        looked_at += len(names)
        assert names & left == set()
    assert looked_at > 400
