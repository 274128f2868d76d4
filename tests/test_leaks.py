"""Canaries: whatever a hostile server plants, no token is ever kept or told, and nothing of real people."""

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.samples import some

from prober.archive import RunFolder
from prober.clock import SystemClock
from prober.nouns.finding import Finding
from prober.nouns.provider import Provider
from prober.pipeline import Options, prepare
from prober.stages import run_stage

TOKEN = "tk.ZmFrZS10b2tlbg+/9_-~canarytoken77Q"
PATIENT, GROUP, SECOND = "mary-canary-77", "canary-group-5", "john-canary-78"
FAMILY, GIVEN, MRN, PHONE = "Zzyzxowitz", "Qwertyanna", "MRN-998877-Q", "555-0199-4477"
BORN, STREET, MAIL = "1931-07-13", "Nonesuch Alley 13", "qw.zzyzx@canary.example"
PEOPLE = (PATIENT, GROUP, SECOND, FAMILY, GIVEN, MRN, PHONE, BORN, STREET, MAIL, "canary.example")
NAME = f"{GIVEN} {FAMILY}"


def encodings(secret: str) -> set[str]:
    """The secret in every dress that a server could give it."""
    raw = secret.encode()
    dressed = {secret, raw.hex(), raw.hex().upper(), quote(secret, safe="")}
    dressed |= {"".join(f"%{byte:02{case}}" for byte in raw) for case in "xX"}
    dressed |= {"".join(f"\\u{byte:04x}" for byte in raw), "".join(f"&#{byte};" for byte in raw)}
    dressed |= {"".join(f"&#x{byte:x};" for byte in raw), json.dumps(secret)[1:-1]}
    for lead in range(3):
        # Base64 of a longer text that holds the secret: what stays the same whatever stands around it.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(b"x" * lead + raw).decode().rstrip("=")
            dressed.add(whole[(0, 2, 3)[lead] : len(whole) - 1])
    return dressed


def planted(secret: str) -> list[str]:
    """Whole texts in which a server could give a secret back."""
    around = [b"x" * lead + secret.encode() + b"y" * tail for lead in range(3) for tail in range(3)]
    return [
        *sorted(one for one in encodings(secret) if not one.isalnum() or one.isdigit() or len(one) > 60),
        *(encode(one).decode() for one in around for encode in (base64.b64encode, base64.urlsafe_b64encode)),
    ]


def outcome(text: str) -> dict[str, Any]:
    return {
        "resourceType": "OperationOutcome",
        "id": PATIENT,
        "text": {"status": "generated", "div": f"<div>{text}</div>"},
        "issue": [{"severity": "error", "code": "processing", "diagnostics": text, "details": {"text": text}}],
    }


class Planter:
    """The hostile server: `shape` is the dress of all that it says about people; tokens come back in every dress."""

    def __init__(self, shape: str) -> None:
        self.shape = shape
        self.origin = ""
        self.with_token = 0

    @property
    def base(self) -> str:
        return f"{self.origin}/fhir"

    def statement(self) -> dict[str, Any]:
        interactions = [{"code": "read"}, {"code": "search-type"}]
        export = [{"name": "export", "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export"}]
        resources: list[dict[str, Any]] = [
            {"type": kind, "interaction": interactions, "searchParam": [{"name": "patient", "type": "reference"}]}
            for kind in ("Patient", "Observation", "Condition", "Encounter")
        ]
        resources.append({"type": "Group", "interaction": interactions, "operation": export})
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-01-01",
            "kind": "instance",
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [{"mode": "server", "resource": resources}],
        }

    def patient(self) -> dict[str, Any]:
        return {
            "resourceType": "Patient",
            "id": PATIENT,
            "meta": {"versionId": MRN, "lastUpdated": f"{BORN}T00:00:00Z", "tag": [{"system": MAIL, "code": NAME}]},
            "text": {"status": "generated", "div": f"<div xmlns='http://www.w3.org/1999/xhtml'>{NAME}</div>"},
            "identifier": [{"system": f"https://canary.example/{MRN}", "value": MRN}],
            "name": [
                {"family": FAMILY, "given": [GIVEN], "_family": {"extension": [{"url": MAIL, "valueString": NAME}]}}
            ],
            "birthDate": BORN,
            "telecom": [{"system": "phone", "value": PHONE}, {"system": "email", "value": MAIL}],
            "address": [{"line": [STREET], "city": FAMILY, "postalCode": MRN}],
            "contained": [{"resourceType": FAMILY, NAME: NAME}],
            FAMILY: {GIVEN: [NAME, {NAME: PHONE}]},
            "generalPractitioner": [{"reference": f"Practitioner/{SECOND}", "display": NAME}],
        }

    def bundle(self) -> dict[str, Any]:
        follow = f"{self.base}/Observation?patient={PATIENT}&name={FAMILY}&_cursor={quote(NAME)}"
        entries = [{"fullUrl": f"{self.base}/Patient/{PATIENT}", "resource": self.patient()}]
        entries.append({"fullUrl": f"urn:{MRN}", "resource": {**self.patient(), "resourceType": "Observation"}})
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": 2,
            "link": [
                {"relation": "self", "url": follow},
                {"relation": "next", "url": follow},
                {"relation": NAME, "url": MAIL},
            ],
            "entry": entries,
        }

    def about_people(self, path: str) -> tuple[int, str, bytes]:
        whole = self.bundle() if "?" in path else self.patient()
        if path.startswith("/fhir/Group/") and "?" not in path:
            members = [{"entity": {"reference": f"Patient/{PATIENT}", "display": NAME}}]
            whole = {"resourceType": "Group", "id": GROUP, "name": NAME, "member": members}
        text = json.dumps(whole).encode()
        name = f"<{FAMILY}>{NAME}</{FAMILY}><!-- {MRN} -->"
        xml = f'<Patient xmlns="http://hl7.org/fhir"><id value="{PATIENT}"/>{name}</Patient>'
        html = f"<!doctype html><html><title>{NAME}</title><body>{PHONE} {BORN}</body></html>".encode()
        shapes: dict[str, Callable[[], tuple[int, str, bytes]]] = {
            "json": lambda: (200, "application/fhir+json", text),
            "xml": lambda: (200, "application/fhir+xml", xml.encode()),
            "html": lambda: (200, "text/html", html),
            "text": lambda: (200, "text/plain", f"{NAME} {MRN}".encode()),
            "ndjson": lambda: (200, "application/fhir+ndjson", text + b"\n" + NAME.encode() + b"\n" + text),
            "broken": lambda: (200, "application/fhir+json", text[:-40]),
            "mislabelled": lambda: (200, f"application/{FAMILY}; name={quote(NAME)}", text),
            "error": lambda: (500, "application/fhir+json", json.dumps(outcome(f"{NAME} at {path}")).encode()),
            "refusal": lambda: (403, "application/fhir+json", json.dumps(outcome(f"not {NAME}")).encode()),
            "trace": lambda: (500, "text/html", b"<pre>NullPointer: " + text + b"</pre>"),
            "redirect": lambda: (302, "text/html", html),
            "throttled": lambda: (429, "text/html", html),
            "odd": lambda: (299, "", text),
        }
        return shapes[self.shape]()

    def answer(self, path: str, reflected: str) -> tuple[int, str, bytes, dict[str, str]]:
        headers = {
            "X-Patient-Name": NAME,
            "X-Reflected": reflected,
            "Set-Cookie": f"session={TOKEN}; path=/{FAMILY}",
            "WWW-Authenticate": f'Bearer realm="{NAME}", error="{FAMILY}", error_description="{NAME} {TOKEN}"',
            "ETag": f'W/"{MRN}"',
            "Last-Modified": NAME,
            "Warning": f'199 - "{NAME}"',
            "Link": f'<{self.base}/Patient/{PATIENT}?t={TOKEN}>; rel="next"; title="{NAME}"',
            "Server": NAME,
            "Via": f"1.1 {FAMILY}",
            "Content-Disposition": f"attachment; filename={FAMILY}.pdf",
            "Retry-After": "0" if self.shape == "throttled" else NAME,
            "X-Progress": f"{NAME} of 3",
            "Access-Control-Allow-Origin": f"https://portal.example/{PATIENT}",
            "Content-Language": FAMILY,
            "Vary": NAME,
        }
        if path.startswith("/fhir/metadata"):
            if self.shape in ("error", "trace"):
                return (*self.about_people(path), headers)
            return 200, "application/fhir+json", json.dumps(self.statement()).encode(), headers
        if "smart-configuration" in path:
            document = {
                "capabilities": [],
                "jwks_uri": f"{self.origin}/keys?token={TOKEN}",
                "issuer": f"{self.origin}/x",
            }
            return 200, "application/json", json.dumps(document).encode(), headers
        if "$export" in path:
            return (
                202,
                "",
                b"",
                {**headers, "Content-Location": f"{self.base}/job/{PATIENT}?t={quote(TOKEN)}&n={FAMILY}"},
            )
        if path.startswith("/fhir/job/"):
            output = [
                {"type": NAME, "url": f"{self.base}/file/{PATIENT}?t={TOKEN}", "count": 1},
                {"type": "Patient", "url": NAME},
            ]
            manifest = {
                "transactionTime": NAME,
                "request": path,
                "requiresAccessToken": True,
                "output": output,
                "error": [],
            }
            return 200, "application/json", json.dumps(manifest).encode(), headers
        if path.startswith("/fhir/file/"):
            lines = [json.dumps(self.patient()), NAME, json.dumps({"resourceType": NAME, "id": PATIENT})]
            return 200, "application/fhir+ndjson", "\n".join(lines).encode(), headers
        status, kind, body = self.about_people(path)
        if status == 302:
            headers["Location"] = (
                f"{self.base}/Patient/{PATIENT}/{quote(NAME)}?name={FAMILY}&access_token={quote(TOKEN)}#{MRN}"
            )
        reflection = f" {reflected} {TOKEN} {' '.join(planted(TOKEN))} "
        if self.shape in ("text", "html", "trace"):
            body += reflection.encode()
        elif self.shape == "json":
            document = json.loads(body)
            document["implicitRules"] = reflection
            body = json.dumps(document).encode()
        return status, kind, body, headers

    @contextmanager
    def serving(self) -> Iterator["Planter"]:
        planter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                reflected = self.headers.get("Authorization", "")
                planter.with_token += TOKEN in reflected
                status, kind, body, headers = planter.answer(self.path, reflected)
                self.send_response(status, NAME)
                for name, value in headers.items():
                    self.send_header(name, value)
                if kind:
                    self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

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


def everything(place: Path) -> str:
    """All that lies in a folder: names and contents."""
    return "\n".join(
        f"{path.name}\n{path.read_bytes().decode('latin-1')}" for path in sorted(place.rglob("*")) if path.is_file()
    )


def run(planter: Planter, place: Path, environment: Any) -> tuple[str, tuple[Finding, ...]]:
    """Everything that a run left behind or said."""
    said: list[str] = []
    provider = Provider(
        organisation="Example",
        environment=environment,
        fhir_bases=(planter.base,),
        test_patients=(PATIENT,),
        groups=(GROUP,),
        doc_urls=(f"{planter.origin}/pages/steps", f"{planter.origin}/pages/limits?edition=3"),
    )
    options = Options(
        target=planter.base, provider=provider, bearer_env="LEAK_TOKEN", deadline=20, custodian=place / "held"
    )
    prepared = prepare(options, SystemClock())
    quick = replace(prepared, plan=prepared.plan.model_copy(update={"pace": "sandbox"}))
    run_stage([quick], out=place / "run", whole=True, fail_under=None, as_of=None, as_json=False, say=said.append)
    assert planter.with_token
    return "\n".join(said), RunFolder.open(place / "run").findings()


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LEAK_TOKEN", TOKEN)


SHAPES = ["json", "redirect"]
MORE_SHAPES = ["xml", "html", "broken", "error", "text", "ndjson", "mislabelled", "refusal", "trace", "odd"]


def check_token(text: str) -> None:
    found = sorted(dressed for dressed in encodings(TOKEN) if dressed in text)
    assert not found


def check_people(text: str) -> None:
    low = text.lower()
    for canary in PEOPLE:
        dresses = {
            canary,
            quote(canary),
            canary.encode().hex(),
            base64.b64encode(canary.encode()).decode().rstrip("=")[:-1],
        }
        for dressed in dresses:
            assert dressed.lower() not in low, (
                f"{dressed!r} in {low[max(0, low.find(dressed.lower()) - 300) :][:400]!r}"
            )


@pytest.mark.parametrize("shape", [*SHAPES, *(pytest.param(one, marks=pytest.mark.deep) for one in MORE_SHAPES)])
def test_nothing_of_real_people_and_no_token_is_kept_or_told(
    shape: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Planter(shape).serving() as planter:
        said, findings = run(planter, tmp_path, "production")
    told = said + "".join(capfd.readouterr()) + caplog.text
    check_token(everything(tmp_path) + told)
    check_people(everything(tmp_path) + told)
    assert not [one.source.probe for one in findings if one.verdict.reason == "bug"]
    assert not list((tmp_path / "state").rglob("*.json"))


@pytest.mark.parametrize("shape", some(["json", "redirect"], every=2))
def test_no_token_is_kept_of_synthetic_data_either(
    shape: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Planter(shape).serving() as planter:
        said, _ = run(planter, tmp_path, "sandbox")
    check_token(everything(tmp_path) + said + "".join(capfd.readouterr()) + caplog.text)
    # The canaries are there to be found: synthetic bodies are kept whole.
    assert shape != "json" or FAMILY in everything(tmp_path)


def test_the_check_itself_finds_a_token_and_a_person_in_any_dress() -> None:
    for dressed in encodings(TOKEN):
        with pytest.raises(AssertionError):
            check_token(f"abc{dressed}def")
    wrapped = base64.b64encode(f"Authorization: Bearer {TOKEN}!".encode()).decode()
    with pytest.raises(AssertionError):
        check_token(wrapped)
    for canary in PEOPLE:
        with pytest.raises(AssertionError):
            check_people(canary.upper())
