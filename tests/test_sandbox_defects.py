"""Every planted defect shows what its sentence says, and the healthy sandbox shows none of them."""

import gzip
import json
import socket
import ssl
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from prober.sandbox import DEFECTS, Sandbox

SLOW = 0.25
WAIT = {"Prefer": "respond-async"}


class Visitor:
    """A client of one sandbox, with the token or without."""

    def __init__(self, box: Sandbox, verify: ssl.SSLContext | bool = False) -> None:
        self.box = box
        self.http = httpx.Client(base_url=box.base_url, trust_env=False, verify=verify)

    def open(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers={"authorization": f"Bearer {self.box.token}", **headers})

    def metadata(self) -> Any:
        return self.open("/metadata").json()

    def smart(self) -> Any:
        return self.open("/.well-known/smart-configuration").json()

    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.box.base_url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def kick_off(self) -> str:
        started = self.get("/Group/cohort-1/$export?_type=Patient", **WAIT)
        assert started.status_code == 202
        return str(started.headers["content-location"])

    def manifest(self) -> Any:
        status = self.kick_off()
        self.get(status)
        return self.get(status).json()

    def raw(self, most: int) -> bytes:
        """Up to `most` bytes of the answer to /metadata as they come off the wire."""
        with socket.create_connection(self.address(), timeout=5) as connection:
            connection.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = bytearray()
            while len(received) < most and (more := connection.recv(65536)):
                received += more
        return bytes(received)


Shows = Callable[[Visitor], bool]
SHOWS: dict[str, Shows] = {}


def shows(check: Shows) -> Shows:
    SHOWS[check.__name__] = check
    return check


@contextmanager
def visit(*defects: str, tls: bool = False) -> Iterator[Visitor]:
    with Sandbox(defects=defects, tls=tls, slow_seconds=SLOW) as box:
        verify = ssl.create_default_context(cafile=box.ca_file) if tls else False
        visitor = Visitor(box, verify)
        with visitor.http:
            yield visitor


@pytest.fixture(scope="module")
def healthy() -> Iterator[Visitor]:
    with visit() as visitor:
        yield visitor


@pytest.fixture(scope="module")
def healthy_tls() -> Iterator[Visitor]:
    with visit(tls=True) as visitor:
        yield visitor


def is_outcome(answer: httpx.Response) -> bool:
    return "json" in answer.headers["content-type"] and answer.json()["resourceType"] == "OperationOutcome"


def brands(visitor: Visitor) -> list[dict[str, Any]]:
    entries = visitor.open(visitor.smart()["user_access_brand_bundle"]).json()["entry"]
    return [entry["resource"] for entry in entries]


@shows
def brands_dangling(visitor: Visitor) -> bool:
    resources = brands(visitor)
    named = {one["reference"] for brand in resources for one in brand.get("endpoint", [])}
    there = {f"Endpoint/{one['id']}" for one in resources if one["resourceType"] == "Endpoint"}
    return named < there


@shows
def brands_missing(visitor: Visitor) -> bool:
    return visitor.open(visitor.smart()["user_access_brand_bundle"]).status_code == 404


@shows
def brands_primary_unknown(visitor: Visitor) -> bool:
    named = visitor.smart()["user_access_brand_identifier"]
    return not any(named in one.get("identifier", []) for one in brands(visitor))


@shows
def brands_without_base(visitor: Visitor) -> bool:
    return visitor.box.base_url not in {
        one.get("address") for one in brands(visitor) if one["resourceType"] == "Endpoint"
    }


@shows
def broken_json(visitor: Visitor) -> bool:
    try:
        visitor.metadata()
    except json.JSONDecodeError:
        return True
    return False


@shows
def connection_reset(visitor: Visitor) -> bool:
    try:
        visitor.raw(1)
    except ConnectionResetError:
        return True
    return False


@shows
def count_with_entries(visitor: Visitor) -> bool:
    return "entry" in visitor.get("/Patient?_summary=count").json()


@shows
def declared_type_missing(visitor: Visitor) -> bool:
    declared = {resource["type"] for resource in visitor.metadata()["rest"][0]["resource"]}
    search = visitor.get("/Immunization?patient=example-patient-01")
    read = visitor.get("/Immunization/example-immunization-01")
    return "Immunization" in declared and all(
        answer.status_code == 404 and answer.json()["issue"][0]["code"] == "not-supported" for answer in (search, read)
    )


@shows
def deep_json(visitor: Visitor) -> bool:
    return b"[" * 100_000 in visitor.raw(1 << 20)


@shows
def delete_refused(visitor: Visitor) -> bool:
    status, token = visitor.kick_off(), {"authorization": f"Bearer {visitor.box.token}"}
    return visitor.http.delete(status, headers=token).status_code == 405 and visitor.get(status).status_code == 202


@shows
def double_gzip(visitor: Visitor) -> bool:
    head, _, body = visitor.raw(1 << 20).partition(b"\r\n\r\n")
    if b"content-encoding: gzip, gzip" not in head.lower():
        return False
    return bool(json.loads(gzip.decompress(gzip.decompress(body)))["resourceType"] == "CapabilityStatement")


@shows
def duplicate_keys(visitor: Visitor) -> bool:
    pairs = json.loads(visitor.open("/metadata").text, object_pairs_hook=list)
    return [value for name, value in pairs if name == "status"] == ["draft", "active"]


@shows
def endless_body(visitor: Visitor) -> bool:
    return len(visitor.raw(2 << 20)) >= 2 << 20


@shows
def errors_bare(visitor: Visitor) -> bool:
    answers = [visitor.get("/NoSuchType/x"), visitor.open("/Patient"), visitor.get("/Patient/nobody")]
    return all(answer.headers["content-type"].startswith("text/plain") for answer in answers)


@shows
def etag_missing(visitor: Visitor) -> bool:
    return not {"etag", "last-modified"} & visitor.get("/Patient/example-patient-01").headers.keys()


@shows
def export_empty(visitor: Visitor) -> bool:
    return bool(visitor.manifest()["output"] == [])


@shows
def export_file_in_error(visitor: Visitor) -> bool:
    listed = visitor.manifest()["error"]
    return bool(listed) and json.loads(visitor.get(listed[0]["url"]).text)["resourceType"] == "OperationOutcome"


@shows
def export_files_open(visitor: Visitor) -> bool:
    manifest = visitor.manifest()
    return manifest["requiresAccessToken"] is True and visitor.open(manifest["output"][0]["url"]).status_code == 200


@shows
def export_never_ends(visitor: Visitor) -> bool:
    status = visitor.kick_off()
    return [visitor.get(status).status_code for _ in range(4)] == [202] * 4


@shows
def export_not_found(visitor: Visitor) -> bool:
    paths = ("/$export", "/Patient/$export", "/Group/cohort-1/$export")
    return all(visitor.get(path, **WAIT).status_code == 404 for path in paths)


@shows
def export_relative_location(visitor: Visitor) -> bool:
    location = visitor.kick_off()
    return location.startswith("/") and visitor.get(visitor.box.base_url[:-5] + location).status_code == 202


@shows
def garbage_bearer_accepted(visitor: Visitor) -> bool:
    garbage = visitor.open("/Patient", authorization="Bearer garbage")
    return garbage.status_code == 200 and visitor.open("/Patient").status_code == 401


@shows
def ghost_id_answered(visitor: Visitor) -> bool:
    answer = visitor.get("/Patient/nobody")
    return answer.status_code == 200 and is_outcome(answer)


@shows
def gzip_bomb(visitor: Visitor) -> bool:
    head, _, body = visitor.raw(4 << 20).partition(b"\r\n\r\n")
    if b"content-encoding: gzip\r\n" not in head.lower() + b"\r\n" or len(body) > 2 << 20:
        return False
    # Unpacking all of it would take seconds: the size in the trailer and a sample stand for the rest.
    sample = zlib.decompressobj(31).decompress(body, 8 << 20)
    return sample == bytes(8 << 20) and int.from_bytes(body[-4:], "little") == 1 << 30


@shows
def header_flood(visitor: Visitor) -> bool:
    return len(visitor.raw(4 << 20).partition(b"\r\n\r\n")[0]) > 2 << 20


@shows
def internal_implementation_url(visitor: Visitor) -> bool:
    return bool(
        urlsplit(visitor.metadata()["implementation"]["url"]).hostname != urlsplit(visitor.box.base_url).hostname
    )


@shows
def jwks_missing(visitor: Visitor) -> bool:
    return visitor.open(visitor.smart()["jwks_uri"]).status_code == 404


@shows
def jwks_private(visitor: Visitor) -> bool:
    return all("d" in key for key in visitor.open(visitor.smart()["jwks_uri"]).json()["keys"])


@shows
def manifest_broken(visitor: Visitor) -> bool:
    manifest = visitor.manifest()
    wrong = "request" not in manifest and "error" not in manifest and manifest["requiresAccessToken"] == "true"
    return wrong and all(entry["url"].startswith("/") for entry in manifest["output"])


@shows
def metadata_dstu2(visitor: Visitor) -> bool:
    return bool(visitor.metadata()["resourceType"] == "Conformance")


@shows
def metadata_login(visitor: Visitor) -> bool:
    return visitor.open("/metadata").status_code == 401 and visitor.get("/metadata").status_code == 200


@shows
def metadata_login_page(visitor: Visitor) -> bool:
    answer = visitor.open("/metadata")
    return answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")


@shows
def metadata_operation_outcome(visitor: Visitor) -> bool:
    answer = visitor.open("/metadata")
    return answer.status_code == 200 and is_outcome(answer)


@shows
def metadata_server_error(visitor: Visitor) -> bool:
    return visitor.open("/metadata").status_code == 500


@shows
def metadata_stu3(visitor: Visitor) -> bool:
    return bool(visitor.metadata()["fhirVersion"] == "3.0.1")


@shows
def metadata_xml_only(visitor: Visitor) -> bool:
    answer = visitor.open("/metadata", accept="application/fhir+json")
    return answer.headers["content-type"].startswith("application/fhir+xml") and "<CapabilityStatement" in answer.text


@shows
def national_core_missing(visitor: Visitor) -> bool:
    return "/us/core/" not in visitor.open("/metadata").text


@shows
def ndjson_truncated(visitor: Visitor) -> bool:
    output = visitor.manifest()["output"][0]
    *whole, last = visitor.get(output["url"]).text.splitlines()
    for line in whole:
        json.loads(line)
    try:
        json.loads(last)
    except json.JSONDecodeError:
        return bool(len(whole) + 1 == output["count"])
    return False


@shows
def ndjson_wrong_count(visitor: Visitor) -> bool:
    output = visitor.manifest()["output"][0]
    return bool(len(visitor.get(output["url"]).text.splitlines()) + 1 == output["count"])


@shows
def no_cors(visitor: Visitor) -> bool:
    paths = ("/metadata", "/.well-known/smart-configuration", "/Patient")
    answers = [visitor.open(path, origin="https://app.example") for path in paths]
    return not any("access-control-allow-origin" in answer.headers for answer in answers)


@shows
def open_export(visitor: Visitor) -> bool:
    started = visitor.open("/Group/cohort-1/$export", **WAIT)
    if started.status_code != 202:
        return False
    return visitor.http.delete(started.headers["content-location"]).status_code == 202


@shows
def open_patient_data(visitor: Visitor) -> bool:
    answer = visitor.open("/Patient?_summary=count")
    kept = visitor.open("/Patient?_summary=count", authorization="Bearer garbage").status_code == 401
    return kept and answer.status_code == 200 and answer.json()["total"] == 12


@shows
def openid_issuer_differs(visitor: Visitor) -> bool:
    issuer = visitor.smart()["issuer"]
    return bool(visitor.open(f"{issuer}/.well-known/openid-configuration").json()["issuer"] != issuer)


def pages(visitor: Visitor) -> list[list[str]]:
    """The ids on at most five pages of the patients."""
    found: list[list[str]] = []
    url = "/Patient?_count=5"
    while url and len(found) < 5:
        bundle = visitor.get(url).json()
        found.append([entry["resource"]["id"] for entry in bundle["entry"]])
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
    return found


@shows
def paging_duplicates(visitor: Visitor) -> bool:
    found = pages(visitor)
    return len(found) == 3 and all(later[0] == earlier[-1] for earlier, later in pairwise(found))


@shows
def paging_loop(visitor: Visitor) -> bool:
    found = pages(visitor)
    return found == [found[0]] * 5


@shows
def page_gone(visitor: Visitor) -> bool:
    return visitor.open(visitor.box.pages[0]).status_code == 404


@shows
def page_login(visitor: Visitor) -> bool:
    page = visitor.open(visitor.box.pages[0])
    return page.status_code == 200 and 'type="password"' in page.text


@shows
def page_server_error(visitor: Visitor) -> bool:
    return all(visitor.open(page).status_code == 500 for page in visitor.box.pages)


@shows
def patient_read_error(visitor: Visitor) -> bool:
    search = visitor.get("/Patient?_id=example-patient-01")
    return search.status_code == 200 and visitor.get("/Patient/example-patient-01").status_code == 500


@shows
def read_wrong_id(visitor: Visitor) -> bool:
    return all(visitor.get(f"/Patient/{name}").json()["id"] != name for name in visitor.box.patient_ids)


@shows
def redirect_loop(visitor: Visitor) -> bool:
    answer = visitor.open("/metadata")
    return answer.is_redirect and answer.headers["location"] == str(answer.url)


@shows
def retry_after_epoch(visitor: Visitor) -> bool:
    with visit(*visitor.box.defects) as fresh:
        first, second = fresh.open("/metadata"), fresh.open("/metadata")
        status = fresh.kick_off()
        poll, finished = fresh.get(status), fresh.get(status)
    assert (second.status_code, poll.status_code, finished.status_code) == (200, 202, 200)
    waits = [int(answer.headers.get("retry-after", 0)) for answer in (first, poll)]
    return first.status_code == 429 and all(abs(wait - time.time()) < 60 for wait in waits)


@shows
def search_ignores_id(visitor: Visitor) -> bool:
    return bool(visitor.get("/Patient?_id=example-patient-01").json()["total"] == 12)


@shows
def slow_answers(visitor: Visitor) -> bool:
    began = time.monotonic()
    visitor.open("/metadata")
    return time.monotonic() - began >= SLOW


@shows
def slow_drip(visitor: Visitor) -> bool:
    received, end = b"", time.monotonic() + 0.5
    with socket.create_connection(visitor.address(), timeout=0.5) as connection:
        connection.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with suppress(TimeoutError):
            while time.monotonic() < end and (more := connection.recv(65536)):
                received += more
    return 1 <= len(received.partition(b"\r\n\r\n")[2]) <= 5


@shows
def smart_asymmetric_incomplete(visitor: Visitor) -> bool:
    document = visitor.smart()
    return (
        "client-confidential-asymmetric" in document["capabilities"]
        and "private_key_jwt" not in document["token_endpoint_auth_methods_supported"]
        and "token_endpoint_auth_signing_alg_values_supported" not in document
    )


@shows
def smart_capabilities_string(visitor: Visitor) -> bool:
    return isinstance(visitor.smart()["capabilities"], str)


@shows
def smart_capability_withdrawn(visitor: Visitor) -> bool:
    return "permission-patient" not in visitor.smart()["capabilities"]


@shows
def smart_dead_endpoints(visitor: Visitor) -> bool:
    document = visitor.smart()
    dead = 0
    for name in ("authorization_endpoint", "token_endpoint"):
        try:
            visitor.open(document[name])
        except httpx.ConnectError:
            dead += 1
    return dead == 2 and visitor.open(document["jwks_uri"]).status_code == 200


def oauth_uris(visitor: Visitor) -> dict[str, str]:
    (extension,) = visitor.metadata()["rest"][0]["security"].get("extension", [{"extension": []}])
    return {item["url"]: item["valueUri"] for item in extension["extension"]}


@shows
def smart_disagrees(visitor: Visitor) -> bool:
    document = visitor.smart()
    declared = {"authorize": document["authorization_endpoint"], "token": document["token_endpoint"]}
    return oauth_uris(visitor) != declared


@shows
def smart_html(visitor: Visitor) -> bool:
    answer = visitor.open("/.well-known/smart-configuration")
    return answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")


@shows
def smart_login(visitor: Visitor) -> bool:
    path = "/.well-known/smart-configuration"
    return visitor.open(path).status_code == 401 and visitor.get(path).status_code == 200


@shows
def smart_missing(visitor: Visitor) -> bool:
    return visitor.open("/.well-known/smart-configuration").status_code == 404


@shows
def smart_no_token_endpoint(visitor: Visitor) -> bool:
    return "token_endpoint" not in visitor.smart()


@shows
def smart_not_declared(visitor: Visitor) -> bool:
    return "service" not in visitor.metadata()["rest"][0]["security"] and not oauth_uris(visitor)


@shows
def smart_plain_pkce(visitor: Visitor) -> bool:
    return "plain" in visitor.smart()["code_challenge_methods_supported"]


@shows
def smart_relative_urls(visitor: Visitor) -> bool:
    document = visitor.smart()
    return all(document[name].startswith("/auth") for name in document if name.endswith(("_endpoint", "_uri")))


@shows
def smart_unknown_capability(visitor: Visitor) -> bool:
    return "launch-hovercraft" in visitor.smart()["capabilities"]


@shows
def statement_boilerplate(visitor: Visitor) -> bool:
    statement = visitor.metadata()
    bare = not any(
        {"interaction", "searchParam", "supportedProfile"} & resource.keys()
        for resource in statement["rest"][0]["resource"]
    )
    return bare and "instantiates" not in statement and "version" not in statement["software"]


@shows
def statement_unsound(visitor: Visitor) -> bool:
    statement = visitor.metadata()
    return statement["kind"] == "capability" and not {"date", "format"} & statement.keys()


@shows
def strict_ignored(visitor: Visitor) -> bool:
    return visitor.get("/Patient?shoe-size=42", prefer="handling=strict").status_code == 200


@shows
def throttled(visitor: Visitor) -> bool:
    answers = [visitor.open(path) for path in ("/metadata", "/.well-known/smart-configuration")]
    answers.append(visitor.get("/Patient"))
    return all((answer.status_code, answer.headers.get("retry-after")) == (429, "1") for answer in answers)


@shows
def unknown_type_accepted(visitor: Visitor) -> bool:
    answer = visitor.open("/NoSuchType/x")
    return answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")


def handshake_problem(visitor: Visitor) -> str:
    try:
        visitor.open("/metadata")
    except httpx.ConnectError as problem:
        return str(problem)
    return ""


@shows
def certificate_expired(visitor: Visitor) -> bool:
    return "certificate has expired" in handshake_problem(visitor)


@shows
def certificate_unknown_issuer(visitor: Visitor) -> bool:
    return "unable to get local issuer" in handshake_problem(visitor) or "self-signed" in handshake_problem(visitor)


@shows
def certificate_wrong_host(visitor: Visitor) -> bool:
    return "mismatch" in handshake_problem(visitor)


@shows
def plain_http_fhir(visitor: Visitor) -> bool:
    assert visitor.open("/metadata").status_code == 200
    try:
        return visitor.raw(1 << 20).startswith(b"HTTP/1.1 200")
    except ConnectionResetError:
        return False


def accepts(visitor: Visitor, version: ssl.TLSVersion) -> bool:
    context = ssl.create_default_context(cafile=visitor.box.ca_file)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(visitor.address(), timeout=5) as connection:
        try:
            with context.wrap_socket(connection, server_hostname="127.0.0.1") as secured:
                return secured.version() == version.name.replace("_", ".")
        except (ssl.SSLError, ConnectionResetError):
            return False


@shows
def tls10_accepted(visitor: Visitor) -> bool:
    assert accepts(visitor, ssl.TLSVersion.TLSv1_2)
    assert accepts(visitor, ssl.TLSVersion.TLSv1_3)
    return accepts(visitor, ssl.TLSVersion.TLSv1)


@shows
def tls11_accepted(visitor: Visitor) -> bool:
    assert accepts(visitor, ssl.TLSVersion.TLSv1_2)
    return accepts(visitor, ssl.TLSVersion.TLSv1_1)


def test_every_defect_has_a_test() -> None:
    assert sorted(SHOWS) == list(DEFECTS)


@pytest.mark.parametrize("name", sorted(SHOWS))
def test_the_defect_shows(name: str) -> None:
    if (name == "tls10_accepted" and not ssl.HAS_TLSv1) or (name == "tls11_accepted" and not ssl.HAS_TLSv1_1):
        pytest.skip("The OpenSSL of this Python has no such old TLS.")
    with visit(name, tls=DEFECTS[name].needs_tls) as visitor:
        assert SHOWS[name](visitor)


@pytest.mark.parametrize("name", sorted(SHOWS))
def test_the_healthy_sandbox_does_not_have_it(name: str, healthy: Visitor, healthy_tls: Visitor) -> None:
    assert not SHOWS[name](healthy_tls if DEFECTS[name].needs_tls else healthy)


def test_defects_that_go_together_all_show() -> None:
    names = ("open_patient_data", "smart_plain_pkce", "etag_missing", "ndjson_wrong_count", "paging_duplicates")
    with visit(*names) as visitor:
        assert all(SHOWS[name](visitor) for name in names)


@pytest.mark.skipif(not (ssl.HAS_TLSv1 and ssl.HAS_TLSv1_1), reason="The OpenSSL of this Python has no old TLS.")
def test_old_versions_can_both_be_accepted_or_only_one() -> None:
    with visit("tls10_accepted", "tls11_accepted", tls=True) as visitor:
        assert tls10_accepted(visitor)
        assert tls11_accepted(visitor)
    with visit("tls10_accepted", tls=True) as visitor:
        assert not tls11_accepted(visitor)


@pytest.mark.parametrize("name", ["endless_body", "slow_drip", "slow_answers"])
def test_a_hanging_answer_does_not_delay_the_end(name: str) -> None:
    with Sandbox(defects=(name,)) as box:
        parts = urlsplit(box.base_url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as connection:
            connection.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n")
            while not box.log:
                time.sleep(0.005)
            began = time.monotonic()
            box.__exit__(None, None, None)
            assert time.monotonic() - began < 0.3


def test_an_endless_answer_ends_when_its_reader_leaves() -> None:
    with visit("endless_body") as visitor:
        visitor.raw(1 << 16)
        began = time.monotonic()
        assert visitor.smart()["capabilities"]
        assert time.monotonic() - began < 1


def test_a_connection_that_says_nothing_does_not_hold_up_a_port_that_takes_both() -> None:
    with visit("plain_http_fhir", tls=True) as visitor, socket.create_connection(visitor.address(), timeout=5):
        assert visitor.open("/metadata").status_code == 200
