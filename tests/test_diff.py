"""The table of changes: each made to a recorded server, told by one key, and judged as the rules say.

The quick tests compare what is declared, which takes no judging. The long ones judge and score every changed server
again, and hold every finding, level and gate that follows against what is listed here.
"""

import asyncio
import base64
import copy
import functools
import json
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.samples import DEEP, some

from prober.archive import RunFolder, collected_digest
from prober.casebook import Case, Change, ChangedServer, Remembered, changed, read_cases, remember
from prober.clock import SystemClock
from prober.diff import FAMILIES, UNMAPPED, compare, facts_of, judgement_of, same_value, words
from prober.diff.answers import index_of, published_in, smart_in, statement_in
from prober.diff.collect import LONGEST_VALUE, thumbprint
from prober.diff.families import area_of, criteria_probes
from prober.diff.page import page
from prober.judge import judge
from prober.library import LoadedProbe, built_in_probes, load_model, load_probes, shipped_models
from prober.nouns.evidence import Exchange, Seen
from prober.nouns.facts import Delta, Facts
from prober.nouns.finding import Finding
from prober.nouns.model import MaturityModel
from prober.nouns.provider import Provider
from prober.nouns.run import Run
from prober.nouns.scorecard import Scorecard
from prober.observations import (
    brands_answer,
    capability_statement,
    openid_configuration,
    published_keys,
    smart_configuration,
)
from prober.pipeline import Options, collect, judge_folder, prepare, score_folders
from prober.redact import Redactor
from prober.sandbox import Sandbox, brands
from prober.score import ScoredRun, score
from prober.session.ask import Ask
from prober.session.observation import Observation
from prober.session.session import Facts as RunFacts
from prober.session.session import Round

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
CONSEQUENCES = Path(__file__).parent / "golden" / "diff_consequences.json"
METADATA, SMART = "/metadata", "/.well-known/smart-configuration"
JWKS, OPENID, BRANDS = "/auth/jwks", "/auth/.well-known/openid-configuration", "/brands"
BRANDED = "leader, branded"
"""A recorded server that publishes the brands of the sandbox, and a second endpoint."""
IMAGING = "https://imaging.prober.example/fhir"
OTHER = {"system": "urn:oid:1", "value": "2"}
Exchanges = dict[str, Exchange]


@dataclass(frozen=True)
class Server:
    """A recorded server: its run, what the run may know, and what it answered."""

    run: Run
    facts: RunFacts
    exchanges: Exchanges


@functools.cache
def recorded(name: str) -> Server:
    if name == BRANDED:
        return branded(recorded("leader"))
    folder, was = RunFolder.open(FIXTURES / name), remembered(name)
    return Server(folder.run(), was.facts, dict(was.exchanges))


def branded(server: Server) -> Server:
    """The server as it would have answered, had it linked a bundle of brands."""
    origin = server.facts.base.removesuffix("/fhir")
    bundle = brands.bundle(server.facts.base, frozenset())
    hospital, _, own = (entry["resource"] for entry in bundle["entry"])
    bundle["entry"].append({"resource": {**own, "id": "imaging", "address": IMAGING}})
    hospital["endpoint"].append({"reference": "Endpoint/imaging"})
    linked = {"user_access_brand_bundle": origin + BRANDS, "user_access_brand_identifier": brands.primary(frozenset())}
    served = Change(text=json.dumps(bundle), headers={"content-type": "application/fhir+json"})
    linking = smart(lambda it: it.update(linked))(server)
    listening = Listening(server.facts, linking.exchanges, {origin + BRANDS: served})
    asyncio.run(observed(listening))
    return replace(linking, exchanges={**linking.exchanges, **listening.heard})


@functools.cache
def probes() -> Mapping[str, LoadedProbe]:
    return load_probes(())


@functools.cache
def rule_book() -> MaturityModel:
    model = load_model(shipped_models()[1])
    assert isinstance(model, MaturityModel)
    return model


def told(server: Server, findings: tuple[Finding, ...] = (), card: Scorecard | None = None) -> Facts:
    return facts_of(server.run, server.exchanges, findings, card, digest="0" * 64)


def judged(server: Server) -> Facts:
    """The facts of this server with everything that the probes and the rule book make of it."""
    loaded = {id_: (one.probe, one.sheet, one.digest) for id_, one in probes().items()}
    done = asyncio.run(judge(loaded, server.facts, server.exchanges))
    assert done.bugs == ()
    provider = RunFolder.open(FIXTURES / "leader").provider().model_copy(update={"environment": server.run.environment})
    scored = ScoredRun(server.run, provider, done.findings, server.exchanges, (), ())
    sheets = {id_: one.sheet for id_, one in probes().items()}
    card = score([scored], [rule_book()], sheets, as_of=server.run.started)
    return told(server, done.findings, card)


@functools.cache
def before(name: str, environment: str) -> Facts:
    return judged(in_environment(recorded(name), environment))


def in_environment(server: Server, environment: str) -> Server:
    return replace(server, run=server.run.model_copy(update={"environment": environment}))


# What may be done to a recorded server.

Edit = Callable[[Server], Server]


def answers(path: str, change: Change | Callable[[Exchange], Exchange], observation: str = "") -> Edit:
    """Changes every answer from this address, or only that of one observation."""

    def edit(server: Server) -> Server:
        fitting = [
            id_
            for id_, one in server.exchanges.items()
            if one.url.endswith(path) and (not observation or one.observation == observation)
        ]
        assert fitting, path
        made = {
            id_: changed(server.exchanges[id_], change) if isinstance(change, Change) else change(server.exchanges[id_])
            for id_ in fitting
        }
        # Whoever asks for rest is asked once more.
        again = {
            f"{id_[:-1]}2": one.model_copy(update={"id": f"{id_[:-1]}2", "occurrence": 2})
            for id_, one in made.items()
            if one.status in (429, 503) and one.observation != "answer_samples"
        }
        return replace(server, exchanges={**server.exchanges, **made, **again})

    return edit


def document(path: str, change: Callable[[Any], object]) -> Edit:
    """Changes the document that is served at this address."""

    def made(exchange: Exchange) -> Exchange:
        if exchange.status != 200 or not isinstance(exchange.document, dict):
            return exchange
        value = copy.deepcopy(exchange.document)
        result = change(value)
        return changed(exchange, Change(text=json.dumps(value if result is None else result)))

    return answers(path, made)


def statement(change: Callable[[Any], object]) -> Edit:
    return document(METADATA, change)


def smart(change: Callable[[Any], object]) -> Edit:
    return document(SMART, change)


def listed(place: str, value: Any) -> Edit:
    return document(BRANDS, put(place, value))


def renumbered(entry: Any, **changes: Any) -> Any:
    """A further entry like this one."""
    return {"resource": {**entry["resource"], "id": "another", **changes}}


def resource(type_: str, change: Callable[[Any], object]) -> Edit:
    return statement(lambda it: change(next(one for one in it["rest"][0]["resource"] if one["type"] == type_)))


def without(items: list[Any], gone: Callable[[Any], bool]) -> None:
    kept = [one for one in items if not gone(one)]
    assert len(kept) < len(items)
    items[:] = kept


def put(name: str, value: Any) -> Callable[[Any], None]:
    """Sets a member; a name with dots leads inward."""

    def change(it: Any) -> None:
        *way, last = name.split(".")
        inner = functools.reduce(lambda value, step: value[int(step) if step.isdecimal() else step], way, it)
        if value is None:
            del inner[last]
        else:
            inner[int(last) if isinstance(inner, list) else last] = value

    return change


def drop(member: str, name: str) -> Callable[[Any], None]:
    """Takes one out of a list of texts, or of objects that are known by name, code or definition."""

    def gone(one: Any) -> bool:
        return one == name or (isinstance(one, dict) and name in (one.get("name"), one.get("code")))

    return lambda it: without(it[member], gone)


def add(member: str, *values: Any) -> Callable[[Any], None]:
    return lambda it: it.setdefault(member, []).extend(values)


def both(*edits: Edit) -> Edit:
    return lambda server: functools.reduce(lambda made, edit: edit(made), edits, server)


def transport(**update: Any) -> Edit:
    def edit(server: Server) -> Server:
        return replace(
            server,
            exchanges={
                id_: one.model_copy(update={"transport": one.transport.model_copy(update=update)})
                if one.transport.tls_version
                else one
                for id_, one in server.exchanges.items()
            },
        )

    return edit


def every_connection(**update: Any) -> Edit:
    def edit(server: Server) -> Server:
        exchanges = {
            id_: one.model_copy(update={"transport": one.transport.model_copy(update=update)})
            for id_, one in server.exchanges.items()
        }
        return replace(server, exchanges=exchanges)

    return edit


def slow(microseconds: int) -> Edit:
    def edit(one: Exchange) -> Exchange:
        return one.model_copy(update={"timings": one.timings.model_copy(update={"first_byte": microseconds})})

    return answers(METADATA, edit, "answer_samples")


def later(**apart: int) -> Edit:
    """The same server, looked at so much later."""

    def moved(written: str) -> str:
        moment = datetime.fromisoformat(written) + timedelta(**apart)
        return moment.isoformat().replace("+00:00", "Z")

    def edit(server: Server) -> Server:
        run = server.run.model_copy(update={"started": moved(server.run.started), "id": f"{server.run.id}x"})
        exchanges = {
            id_: one.model_copy(update={"started": moved(one.started)}) if one.started else one
            for id_, one in server.exchanges.items()
        }
        return replace(server, run=run, exchanges=exchanges)

    return edit


RENEWED = {"certificate_sha256": "1f" * 32, "certificate_not_after": "2027-06-30T00:00:00Z"}
NEW_TYPE = {"type": "Schedule", "interaction": [{"code": "read"}], "searchParam": [{"name": "date", "type": "date"}]}
_NUMBERS = ec.derive_private_key(20261126, ec.SECP384R1()).public_key().public_numbers()
NEW_KEY = {
    **{"kty": "EC", "kid": "new", "use": "sig", "alg": "ES384", "crv": "P-384"},
    **{
        name: base64.urlsafe_b64encode(number.to_bytes(48, "big")).decode().rstrip("=")
        for name, number in (("x", _NUMBERS.x), ("y", _NUMBERS.y))
    },
}
US_CORE = "http://hl7.org/fhir/us/core"
LOGIN_PAGE = Change(text="<html><form><input type=password></form></html>", headers={"content-type": "text/html"})
OPEN = Change(status=200, text='{"entries":true,"json":true,"resource_type":"Bundle","total_over_zero":true}')


@dataclass(frozen=True)
class Row:
    """One change: its name, what is done, the keys that must tell it with their judgement, and what follows from it."""

    name: str
    edit: Edit
    told: Mapping[str, str]
    follows: Mapping[str, str] = field(default_factory=dict)
    server: str = "leader"
    environment: str = "sandbox"
    unseen: tuple[str, ...] = ()
    private: tuple[str, ...] = ()


def worse(*keys: str) -> dict[str, str]:
    return dict.fromkeys(keys, "regression")


def better(*keys: str) -> dict[str, str]:
    return dict.fromkeys(keys, "improvement")


def neither(*keys: str) -> dict[str, str]:
    return dict.fromkeys(keys, "neutral")


MISSED_BY_THE_PEER = [
    Row(
        "$export of Group is withdrawn", resource("Group", drop("operation", "export")), worse("operation/Group/export")
    ),
    Row(
        "a search parameter is withdrawn",
        resource("Patient", drop("searchParam", "birthdate")),
        worse("search_param/Patient/birthdate"),
    ),
    Row("a format is withdrawn", statement(drop("format", "json")), worse("format/json")),
    Row(
        "implementation.url moves",
        statement(put("implementation.url", "http://10.0.0.5/fhir")),
        worse("implementation/host"),
        follows=worse("finding/implementation_url_matches"),
    ),
    Row("the status is retired", statement(put("status", "retired")), worse("statement/status")),
    Row(
        "the token address of the statement moves",
        statement(put("rest.0.security.extension.0.extension.1.valueUri", "http://auth.example.net/auth/token")),
        worse("oauth_host/token"),
        follows=worse("finding/smart_agrees_with_statement"),
    ),
    Row(
        "the token address of SMART moves",
        smart(put("token_endpoint", "http://auth.example.net/auth/token")),
        worse("endpoint_host/token_endpoint"),
        follows=worse("finding/smart_agrees_with_statement", "finding/smart_urls_absolute"),
    ),
    Row(
        "a SMART capability is withdrawn",
        smart(drop("capabilities", "launch-ehr")),
        worse("smart_capability/launch-ehr"),
        follows=worse("finding/g10_capabilities_complete"),
    ),
]
STATEMENT = [
    Row(
        "security is removed",
        statement(put("rest.0.security", None)),
        worse("security/cors", "security_service/SMART-on-FHIR", "oauth_uri/authorize", "oauth_uri/token"),
        follows=worse("finding/smart_declared"),
    ),
    Row(
        "a resource type is removed",
        statement(lambda it: without(it["rest"][0]["resource"], lambda one: one["type"] == "Immunization")),
        worse("type/Immunization"),
    ),
    Row(
        "a resource type is removed with its $export",
        statement(lambda it: without(it["rest"][0]["resource"], lambda one: one["type"] == "Group")),
        worse("type/Group", "operation/Group/export"),
    ),
    Row(
        "a resource type is added",
        statement(lambda it: add("resource", NEW_TYPE)(it["rest"][0])),
        better("type/Schedule"),
    ),
    Row(
        "an interaction is removed", resource("Patient", drop("interaction", "read")), worse("interaction/Patient/read")
    ),
    Row(
        "an interaction is added",
        resource("Patient", add("interaction", {"code": "vread"})),
        better("interaction/Patient/vread"),
    ),
    Row(
        "a system interaction is added",
        statement(lambda it: add("interaction", {"code": "batch"})(it["rest"][0])),
        better("interaction/system/batch"),
    ),
    Row(
        "a search parameter is added",
        resource("Patient", add("searchParam", {"name": "phone", "type": "token"})),
        better("search_param/Patient/phone"),
    ),
    Row(
        "a profile is withdrawn",
        resource("Patient", put("supportedProfile", [])),
        worse(f"profile/Patient/{US_CORE}/StructureDefinition/us-core-patient"),
    ),
    Row(
        "a profile gets a version",
        resource("Patient", put("supportedProfile", [f"{US_CORE}/StructureDefinition/us-core-patient|6.1.0"])),
        neither(f"profile/Patient/{US_CORE}/StructureDefinition/us-core-patient"),
    ),
    Row(
        "the implementation guide gets another version",
        statement(put("implementationGuide", [f"{US_CORE}/ImplementationGuide/hl7.fhir.us.core|7.0.0"])),
        neither(f"implementation_guide/{US_CORE}/ImplementationGuide/hl7.fhir.us.core"),
    ),
    Row(
        "an instantiated statement is withdrawn",
        statement(drop("instantiates", "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data")),
        worse("instantiates/http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"),
    ),
    Row("the FHIR version is another one", statement(put("fhirVersion", "5.0.0")), worse("statement/fhirVersion")),
    Row(
        "the kind is another one",
        statement(put("kind", "capability")),
        worse("statement/kind"),
        follows=worse("finding/statement_sound", "criterion/S8.STD.1"),
    ),
    Row(
        "the software is named no more",
        statement(put("software", None)),
        worse("software/name", "software/version"),
        follows=worse("finding/software_named"),
    ),
    Row("the software has another version", statement(put("software.version", "1.0.1")), neither("software/version")),
    Row("web pages are kept out", statement(put("rest.0.security.cors", False)), worse("security/cors")),
    Row(
        "a security service is added",
        statement(lambda it: it["rest"][0]["security"]["service"].append({"coding": [{"code": "Certificates"}]})),
        better("security_service/Certificates"),
    ),
    Row(
        "a format of patches is added",
        statement(put("patchFormat", ["application/json-patch+json"])),
        better("patch_format/application/json-patch+json"),
    ),
    Row(
        "implementation.url gets another path",
        statement(put("implementation.url", "http://127.0.0.1:8480/r4")),
        neither("implementation/url"),
        follows=worse("finding/implementation_url_matches"),
    ),
]
AUTHORIZATION = [
    Row("a scope is withdrawn", smart(drop("scopes_supported", "system/*.rs")), worse("scope/system/*.rs")),
    Row("a scope is added", smart(add("scopes_supported", "patient/Task.rs")), neither("scope/patient/Task.rs")),
    Row("passwords are taken", smart(add("grant_types_supported", "password")), worse("grant_type/password")),
    Row(
        "a grant type is withdrawn",
        smart(drop("grant_types_supported", "client_credentials")),
        worse("grant_type/client_credentials"),
        follows=worse("finding/g10_capabilities_complete"),
    ),
    Row(
        "a plain code challenge is taken",
        smart(add("code_challenge_methods_supported", "plain")),
        worse("code_challenge_method/plain"),
        follows=worse("finding/pkce_s256_only"),
    ),
    Row(
        "S256 is withdrawn",
        smart(put("code_challenge_methods_supported", [])),
        worse("code_challenge_method/S256"),
        follows=worse("finding/pkce_s256_only"),
    ),
    Row(
        "a signing algorithm is withdrawn",
        smart(drop("token_endpoint_auth_signing_alg_values_supported", "ES384")),
        worse("token_signing_alg/ES384"),
    ),
    Row(
        "private_key_jwt is withdrawn",
        smart(drop("token_endpoint_auth_methods_supported", "private_key_jwt")),
        worse("token_auth_method/private_key_jwt"),
        follows=worse("finding/smart_asymmetric_fields", "criterion/S8.STD.8"),
    ),
    Row("the issuer is another one", smart(put("issuer", "http://127.0.0.1:8480/auth2")), worse("smart/issuer")),
    Row("an address is withdrawn", smart(put("revocation_endpoint", None)), worse("endpoint/revocation_endpoint")),
    Row(
        "an address is added",
        smart(put("registration_endpoint", "http://127.0.0.1:8480/auth/register")),
        better("endpoint/registration_endpoint"),
    ),
    Row(
        "an address has another path",
        smart(put("management_endpoint", "http://127.0.0.1:8480/auth/manage2")),
        neither("endpoint/management_endpoint"),
    ),
    Row(
        "the token address goes in clear",
        smart(put("token_endpoint", "http://127.0.0.1:8480/auth/token")),
        worse("endpoint/token_endpoint"),
        server="leader_tls",
        follows=worse("finding/smart_agrees_with_statement"),
    ),
    Row(
        "the SMART configuration is gone",
        answers(SMART, Change(status=404, body=None)),
        worse("smart/document"),
        unseen=("openid", "jwks"),
        follows=worse("finding/smart_configuration_served", "criterion/S8.STD.2"),
    ),
    Row(
        "a key is rotated",
        document(JWKS, lambda it: {"keys": [it["keys"][0], NEW_KEY]}),
        neither(f"jwks_key/{thumbprint(NEW_KEY)}", "jwks_key/0ufMStzy9l0WOzn1gQgWogFyWBlmOHo62QcX7KNisbc"),
    ),
    Row(
        "the key set is gone",
        answers(JWKS, Change(status=404, body=None)),
        worse("jwks/document"),
        follows=worse("finding/jwks_published"),
    ),
    Row(
        "id tokens may be signed by nobody",
        document(OPENID, add("id_token_signing_alg_values_supported", "none")),
        worse("id_token_signing_alg/none"),
    ),
    Row(
        "the OpenID configuration names another host for its keys",
        document(OPENID, put("jwks_uri", "http://keys.example.net/auth/jwks")),
        worse("openid_host/jwks_uri"),
    ),
]
LISTED = [
    Row(
        "the brand bundle is gone",
        answers(BRANDS, Change(status=404, body=None)),
        worse("brands/document"),
        follows=worse("finding/brands_served"),
        server=BRANDED,
    ),
    Row(
        "this base is no longer among the endpoints of brands",
        listed("entry.2.resource.address", "https://imaging.prober.example/old"),
        worse("brands/own_base") | better("brand_endpoint/https://imaging.prober.example/old"),
        follows=worse("finding/brands_list_base"),
        server=BRANDED,
    ),
    Row(
        "an endpoint of brands moved to another host",
        listed("entry.3.resource.address", "https://imaging.prober.net/fhir"),
        worse("brand_host/imaging.prober.example") | neither("brand_host/imaging.prober.net"),
        server=BRANDED,
    ),
    Row(
        "an endpoint of brands has another path",
        listed("entry.3.resource.address", f"{IMAGING}/r4"),
        worse(f"brand_endpoint/{IMAGING}") | better(f"brand_endpoint/{IMAGING}/r4"),
        server=BRANDED,
    ),
    Row(
        "an endpoint of brands speaks another FHIR",
        listed("entry.3.resource.extension.0.valueCode", "5.0.0"),
        neither(f"brand_endpoint/{IMAGING}"),
        server=BRANDED,
    ),
    Row(
        "an endpoint that no brand refers to is added",
        document(BRANDS, lambda it: it["entry"].append(renumbered(it["entry"][3], address=f"{IMAGING}/r5"))),
        better(f"brand_endpoint/{IMAGING}/r5"),
        follows=worse("finding/brands_sound"),
        server=BRANDED,
    ),
    Row(
        "a brand is added",
        document(
            BRANDS,
            lambda it: it["entry"].append(renumbered(it["entry"][1], identifier=[OTHER])),
        ),
        better("brand/urn:oid:1|2"),
        server=BRANDED,
    ),
    Row(
        "a brand is withdrawn",
        document(BRANDS, lambda it: it["entry"].remove(it["entry"][1])),
        worse("brand/https://clinic.prober.example"),
        server=BRANDED,
    ),
    Row(
        "a brand has another name",
        listed("entry.1.resource.name", "Imaginary Clinic"),
        neither("brand/https://clinic.prober.example"),
        server=BRANDED,
    ),
    Row(
        "the brands are no longer linked",
        smart(put("user_access_brand_bundle", None)),
        worse("endpoint/user_access_brand_bundle"),
        server=BRANDED,
        unseen=("brands", "brand", "brand_endpoint", "brand_host"),
    ),
]
CONNECTION = [
    Row("TLS 1.2 instead of 1.3", transport(tls_version="TLSv1.2"), worse("tls/version"), server="leader_tls"),
    Row("the certificate is renewed", transport(**RENEWED), neither("certificate/sha256"), server="leader_tls"),
    Row("the certificate has expired", later(days=90), worse("certificate/state"), server="leader_tls"),
    Row(
        "the certificate is for one name less",
        transport(certificate_names=("localhost", "127.0.0.1")),
        neither("certificate_name/::1"),
        server="leader_tls",
    ),
    Row("answers take seconds", slow(2_500_000), worse("latency/metadata")),
]
HAPI = [
    Row(
        "HAPI: $export of the system is withdrawn",
        statement(lambda it: drop("operation", "export")(it["rest"][0])),
        worse("operation/system/export"),
        server="hapi",
    ),
    Row(
        "HAPI: a type is removed",
        statement(lambda it: without(it["rest"][0]["resource"], lambda one: one["type"] == "Task")),
        worse("type/Task"),
        server="hapi",
    ),
    Row(
        "HAPI: a search parameter is withdrawn",
        resource("Observation", drop("searchParam", "code")),
        worse("search_param/Observation/code"),
        server="hapi",
    ),
    Row("HAPI: a release", statement(put("software.version", "8.9.0")), neither("software/version"), server="hapi"),
]
ANSWERS = [
    Row(
        "a patient can be read no more",
        answers("/Patient/example-patient-01", Change(status=404, body=None)),
        {},
        follows=worse("finding/patient_read", "finding/declared_interactions_shown", "criterion/S8.STD.1"),
    ),
    Row("reading a patient fails", answers("/Patient/example-patient-01", Change(status=500, body=None)), {}),
    Row(
        "patients are open to all",
        answers("/Patient?_summary=count", OPEN),
        {},
        environment="production",
        # The criteria that rest on the open door would tell the public of it by their fallen levels.
        private=("gate/S8.GATE.3", "finding/patient_data_protected", "criterion/S8.GOV.4", "criterion/S8.STD.2"),
        follows=worse("finding/patient_data_protected", "finding/garbage_bearer_refused", "gate/S8.GATE.3"),
    ),
    Row(
        "the statement is behind a rate limit",
        answers(METADATA, Change(status=429, body=None)),
        {},
        unseen=("statement", "type", "operation", "search_param", "security_service", "oauth_host"),
        follows=worse("finding/throttling_explained", "criterion/S8.OPS.3"),
    ),
    Row(
        "the SMART configuration fails",
        answers(SMART, Change(status=503, body=None)),
        {},
        unseen=("smart", "smart_capability", "endpoint", "endpoint_host", "openid", "jwks_key"),
    ),
    Row(
        "the statement is a login page",
        answers(METADATA, LOGIN_PAGE),
        {},
        unseen=("statement", "interaction", "software"),
        follows=worse("finding/capability_statement_served", "criterion/S8.STD.1"),
    ),
]
TABLE = [*MISSED_BY_THE_PEER, *STATEMENT, *AUTHORIZATION, *LISTED, *CONNECTION, *HAPI, *ANSWERS]


def changes(delta: Delta) -> dict[str, str]:
    return {one.key: one.judgement for one in delta.changes}


def row_parameters(table: list[Row], quick: Callable[[Row], bool]) -> list[Any]:
    return [pytest.param(row, id=row.name, marks=() if quick(row) else DEEP) for row in table]


def test_the_table_has_all_that_the_peer_missed_and_more() -> None:
    assert len(MISSED_BY_THE_PEER) == 8
    assert len(TABLE) >= 40
    assert len({row.name for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    "row", row_parameters(TABLE, lambda row: TABLE.index(row) % 4 == 0 or row.name == "HAPI: a release")
)
def test_a_change_is_told_by_its_key(row: Row) -> None:
    was = recorded(row.server)
    delta = compare(told(was), told(row.edit(was)), model=rule_book())
    assert changes(delta) == dict(row.told)
    assert set(row.unseen) <= set(delta.not_compared)
    for one in delta.changes:
        assert one.what == one.what.strip()
        assert one.what.endswith(".")
        for side in (one.before, one.after):
            assert side.exchange in was.exchanges, one
            assert side.value is not None or not side.pointer
        assert bool(one.criteria) == (area_of(one.key) not in UNMAPPED)


@pytest.mark.parametrize("row", row_parameters(TABLE, lambda row: row.name == "a patient can be read no more"))
def test_a_change_is_told_with_all_that_follows_from_it(row: Row) -> None:
    was = before(row.server, row.environment)
    delta = compare(was, judged(in_environment(row.edit(recorded(row.server)), row.environment)), model=rule_book())
    found = changes(delta)
    assert {key: found.get(key) for key in row.told} == dict(row.told)
    others = {key: judgement for key, judgement in found.items() if key not in row.told}
    assert {key: judgement for key, judgement in others.items() if judgement != "neutral"} == dict(row.follows)
    assert {one.key for one in delta.changes if one.private} == set(row.private)
    # What is only unknown now, or less sure, is listed in a file of its own.
    unsure = sorted(key for key, judgement in others.items() if judgement == "neutral")
    listed = json.loads(CONSEQUENCES.read_text(encoding="utf-8")) if CONSEQUENCES.exists() else {}
    if os.environ.get("PROBER_GOLDEN") == "write":
        listed[row.name] = unsure
        CONSEQUENCES.write_text(json.dumps(listed, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert unsure == listed[row.name]


# What is no change at all.


def every_body(change: Callable[[Any], Any], *, raw: bool = False) -> Edit:
    """Writes every JSON document of the server otherwise."""

    def made(one: Exchange) -> Exchange:
        if one.status != 200 or not isinstance(one.document, dict) or one.reduced:
            return one
        return one.model_copy(update={"content": change(one.content if raw else copy.deepcopy(one.document))})

    return lambda server: replace(server, exchanges={id_: made(one) for id_, one in server.exchanges.items()})


def every_header(change: Callable[[tuple[tuple[str, str], ...]], Any]) -> Edit:
    def edit(server: Server) -> Server:
        exchanges = {
            id_: one.model_copy(update={"headers": tuple(change(one.headers))}) for id_, one in server.exchanges.items()
        }
        return replace(server, exchanges=exchanges)

    return edit


def reordered(value: Any, *, arrays: bool) -> Any:
    if isinstance(value, dict):
        return {name: reordered(one, arrays=arrays) for name, one in reversed(value.items())}
    if isinstance(value, list):
        return [reordered(one, arrays=arrays) for one in (reversed(value) if arrays else value)]
    return value


def dumped(**how: Any) -> Callable[[Any], bytes]:
    return lambda value: json.dumps(value, **how).encode()


def escaped(value: Any) -> bytes:
    """Every character of every text as an escape."""

    def text(written: str) -> str:
        return '"' + "".join(f"\\u{ord(one):04x}" for one in written) + '"'

    def write(inner: Any) -> str:
        if isinstance(inner, dict):
            return "{" + ",".join(f"{text(name)}:{write(one)}" for name, one in inner.items()) + "}"
        if isinstance(inner, list):
            return "[" + ",".join(map(write, inner)) + "]"
        return text(inner) if isinstance(inner, str) else json.dumps(inner)

    return write(value).encode()


def doubled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: doubled(one) for name, one in value.items()}
    return [doubled(one) for one in value] * 2 if isinstance(value, list) else value


def header(name: str, value: str) -> Edit:
    return every_header(lambda headers: (*(one for one in headers if one[0].lower() != name), (name, value)))


def jitter(server: Server) -> Server:
    dice = random.Random(5)
    exchanges = {}
    for id_, one in server.exchanges.items():
        timings = one.timings.model_copy(
            update={
                name: value + dice.randrange(300_000)
                for name, value in one.timings.model_dump().items()
                if value is not None
            }
        )
        exchanges[id_] = one.model_copy(update={"timings": timings})
    return replace(server, exchanges=exchanges)


def redacted(number: int) -> Edit:
    """The same answers under the rules for real data and another run's key."""

    def edit(server: Server) -> Server:
        redactor = Redactor(bytes([number]) * 32, synthetic=False)
        redactor.keep_base(server.facts.base)

        def made(one: Exchange) -> Exchange:
            public = one.observation in {
                *("metadata_answer", "answer_samples", "answers_to_browsers", "smart_answer"),
                *("published_keys", "openid_configuration", "versions_answer", "brands_answer"),
            }
            body = redactor.body(one.content, one.header("content-type") or "", public=public and one.status == 200)
            return one.model_copy(
                update={
                    "url": redactor.url(one.url, public=public),
                    "headers": redactor.headers(one.headers, response=True, public=public),
                    "content": body.data,
                    "media": body.media,
                    "note": body.note,
                }
            )

        return replace(server, exchanges={id_: made(one) for id_, one in server.exchanges.items()})

    return edit


def repeated_after_rest(server: Server) -> Server:
    """Each document only came on the second try."""
    exchanges = {}
    for id_, one in server.exchanges.items():
        if one.observation in ("metadata_answer", "smart_answer", "published_keys", "brands_answer"):
            exchanges[id_] = changed(one, Change(status=429, body=None))
            id_ = f"{id_[:-1]}2"
        exchanges[id_] = one.model_copy(update={"id": id_})
    return replace(server, exchanges=exchanges)


def redirected(server: Server) -> Server:
    """The statement lies one step further."""
    exchanges = {}
    for id_, one in server.exchanges.items():
        if one.observation == "metadata_answer":
            exchanges[id_] = changed(one, Change(status=301, body=None, headers={"location": "/fhir/metadata/"}))
            further = {"id": "ffffffffffffffff.1", "label": ">1", "url": f"{one.url}/"}
            exchanges["ffffffffffffffff.1"] = one.model_copy(update=further)
        else:
            exchanges[id_] = one
    return replace(server, exchanges=exchanges)


def another_poll(server: Server) -> Server:
    polls = [one for one in server.exchanges.values() if one.observation == "bulk_job" and one.status == 202]
    more = {f"{number:016x}.1": one for number, one in enumerate(polls)}
    return replace(server, exchanges={**server.exchanges, **more})


def other_ids(value: Any) -> Any:
    """Every instance has another id."""
    if isinstance(value, dict):
        return {
            name: f"other-{one}" if name == "id" and isinstance(one, str) else other_ids(one)
            for name, one in value.items()
        }
    return [other_ids(one) for one in value] if isinstance(value, list) else value


def renamed_run(server: Server) -> Server:
    return replace(server, run=server.run.model_copy(update={"id": "20300101T000000Z-00000000"}))


NARRATIVE = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">z</div>'}
HARMLESS: dict[str, Edit] = {
    "member order": every_body(lambda it: dumped()(reordered(it, arrays=False))),
    "array order": every_body(lambda it: dumped()(reordered(it, arrays=True))),
    "blanks": every_body(dumped(separators=(" , ", " : "))),
    "pretty printing": every_body(dumped(indent=4)),
    "escapes": every_body(escaped),
    "raw characters": every_body(dumped(ensure_ascii=False)),
    "a byte order mark": every_body(lambda it: b"\xef\xbb\xbf" + it, raw=True),
    "a trailing line feed": every_body(lambda it: it + b"\r\n\r\n", raw=True),
    "duplicates": both(statement(doubled), smart(doubled)),
    "the date of the statement": statement(put("date", "2030-01-01T00:00:00Z")),
    "the id and meta of the statement": statement(lambda it: it.update(id="another", meta={"versionId": "9"})),
    "publisher, contact and words": statement(
        lambda it: it.update(publisher="x", contact=[], description="y", text=NARRATIVE)
    ),
    "documentation": resource("Patient", put("documentation", "Another text.")),
    "ids of instances": every_body(lambda it: dumped()(other_ids(it))),
    "the order of headers": every_header(lambda headers: tuple(reversed(headers))),
    "the case of headers": every_header(lambda headers: tuple((name.title(), value) for name, value in headers)),
    "Date": header("date", "Tue, 01 Jan 2030 00:00:00 GMT"),
    "ETag": answers(METADATA, Change(headers={"etag": 'W/"77"'})),
    "request ids": header("x-request-id", "20300101T000000Z-00000000.ffff"),
    "a charset": every_header(
        lambda headers: (
            (name, f"{value};charset=UTF-8" if value.endswith("json") else value) for name, value in headers
        )
    ),
    "gzip": both(header("content-encoding", "gzip"), header("vary", "Accept-Encoding")),
    "latency jitter": jitter,
    "a second try": repeated_after_rest,
    "a redirect": redirected,
    "polls": another_poll,
    "the run's id": renamed_run,
    "ten days later": later(days=10),
    "the key of redaction": redacted(1),
    "another key of redaction": redacted(2),
    "the order of exchanges": lambda it: replace(it, exchanges=dict(reversed(it.exchanges.items()))),
    "the address that answered": every_connection(address="192.0.2.7", http_version="HTTP/2"),
    "another cipher": every_connection(cipher="TLS_CHACHA20_POLY1305_SHA256"),
    "$export by the guide's own name": resource("Group", put("operation.0.name", "group-export")),
    "$export with a dollar": resource("Group", put("operation.0.name", "$export")),
    "a format with a parameter": statement(put("format.0", "application/fhir+json; charset=utf-8")),
    "a name and password in an address": smart(
        lambda it: it.update(token_endpoint=it["token_endpoint"].replace("://", "://me:secret@"))
    ),
}
HARMLESS_TO_BRANDS: dict[str, Edit] = {
    "the timestamp of the brands": listed("timestamp", "2030-01-01T00:00:00Z"),
    "the id and meta of the brands": document(
        BRANDS, lambda it: it.update(id="other", meta={"lastUpdated": "2030-01-01T00:00:00Z"})
    ),
    "the meta of a brand": listed("entry.0.resource.meta", {"lastUpdated": "2030-01-01T00:00:00Z"}),
    "an address, a logo and words of a brand": document(
        BRANDS, lambda it: it["entry"][0]["resource"].update(address=[], alias=["Other"], text=NARRATIVE)
    ),
    "the name of an endpoint": listed("entry.3.resource.name", "Another name"),
    "a slash at the end of this base": document(
        BRANDS, lambda it: put("entry.2.resource.address", it["entry"][2]["resource"]["address"] + "/")(it)
    ),
    "a slash at the end of an endpoint": listed("entry.3.resource.address", f"{IMAGING}/"),
    "a further identifier": document(
        BRANDS,
        lambda it: it["entry"][0]["resource"]["identifier"].insert(0, OTHER),
    ),
    "entries twice": document(BRANDS, doubled),
    "URLs of entries": document(BRANDS, lambda it: [entry.pop("fullUrl", None) for entry in it["entry"]] and None),
}
NOT_JUDGED_ALIKE = {"a byte order mark", "a name and password in an address"}
"""These break a rule of a guide, and a probe says so: what is declared is the same all the same."""
ASKED_OTHERWISE = {"ids of instances", "the key of redaction", "another key of redaction", "a redirect"}
"""With these other requests are made, which no recording holds; a live test below makes them."""


def test_there_are_at_least_twenty_kinds_of_harmless_variation() -> None:
    assert len(HARMLESS) >= 20
    assert set(HARMLESS) >= NOT_JUDGED_ALIKE | ASKED_OTHERWISE


@pytest.mark.parametrize(
    "name", [name if place % 4 == 0 else pytest.param(name, marks=DEEP) for place, name in enumerate(HARMLESS)]
)
@pytest.mark.parametrize("server", ["leader_tls", pytest.param("leader", marks=DEEP)])
def test_harmless_variation_is_no_change(name: str, server: str) -> None:
    was = recorded(server)
    varied = HARMLESS[name](was)
    assert varied != was or list(varied.exchanges) != list(was.exchanges)
    for one, other in ((was, varied), (varied, was)):
        delta = compare(told(one), told(other), model=rule_book())
        assert delta.changes == ()
        assert set(delta.not_compared) == set(compare(told(was), told(was)).not_compared)


@pytest.mark.parametrize("name", some((*HARMLESS_TO_BRANDS, *HARMLESS), every=5))
def test_harmless_variation_of_brands_is_no_change(name: str) -> None:
    was = recorded(BRANDED)
    varied = {**HARMLESS, **HARMLESS_TO_BRANDS}[name](was)
    assert varied != was or list(varied.exchanges) != list(was.exchanges)
    for one, other in ((was, varied), (varied, was)):
        delta = compare(told(one), told(other), model=rule_book())
        assert delta.changes == ()
        assert "brands" not in delta.not_compared


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "array order" else DEEP)
        for name in HARMLESS
        if name not in NOT_JUDGED_ALIKE | ASKED_OTHERWISE
    ],
)
def test_harmless_variation_changes_no_finding_and_no_level(name: str) -> None:
    was = recorded("leader_tls")
    delta = compare(before("leader_tls", "sandbox"), judged(HARMLESS[name](was)), model=rule_book())
    assert delta.changes == ()


# What holds for any two runs.

JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["Patient", "read", "server", "x" * 400]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "code", "name", "url", "extension", "valueUri", "definition", "mode", "keys", "kty"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
STATEMENT_MEMBERS = (
    *("rest", "rest.0", "rest.0.resource", "rest.0.resource.0", "rest.0.resource.0.interaction", "rest.0.operation"),
    *("rest.0.resource.0.searchParam", "rest.0.resource.0.supportedProfile", "rest.0.resource.0.type", "format"),
    *("rest.0.security", "rest.0.security.extension", "rest.0.security.service", "software", "implementation"),
    *("implementation.url", "fhirVersion", "status", "kind", "instantiates", "implementationGuide", "patchFormat"),
)
SMART_MEMBERS = (
    *("issuer", "jwks_uri", "token_endpoint", "capabilities", "scopes_supported", "grant_types_supported"),
    *("code_challenge_methods_supported", "token_endpoint_auth_signing_alg_values_supported", "odd_endpoint"),
)


BRAND_MEMBERS = (
    *("entry", "entry.0", "entry.0.resource", "entry.0.resource.identifier", "entry.0.resource.name", "type"),
    *("entry.2.resource.address", "entry.2.resource.extension", "entry.3.resource.address", "entry.3.resource.id"),
)
ODDITIES = st.tuples(
    st.lists(st.tuples(st.sampled_from(STATEMENT_MEMBERS), JSONS), max_size=2),
    st.lists(st.tuples(st.sampled_from(SMART_MEMBERS), JSONS), max_size=2),
    st.none() | JSONS,
    st.lists(st.tuples(st.sampled_from(BRAND_MEMBERS), JSONS), max_size=2),
)
"""Odd things in a statement, in a SMART configuration, in place of the keys of a key set, and in a bundle of brands."""


def odd_server(oddities: Any) -> Server:
    """A recorded server with these oddities; what finds no place any more is passed over."""
    server = recorded(BRANDED)
    in_statement, in_smart, keys, in_brands = oddities
    in_bundle = functools.partial(document, BRANDS)
    for edit, members in ((statement, in_statement), (smart, in_smart), (in_bundle, in_brands)):
        for member, value in members:
            try:
                server = edit(put(member, value))(server)
            except (TypeError, KeyError, IndexError, ValueError, AttributeError):
                continue
    return server if keys is None else document(JWKS, put("keys", keys))(server)


MIRRORED = {"added": "withdrawn", "withdrawn": "added", "altered": "altered"}


@pytest.mark.parametrize("examples", [5, pytest.param(300, marks=DEEP)])
def test_any_two_servers_can_be_compared_both_ways(examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(ODDITIES, ODDITIES, st.integers(0, 1_000))
    def both_ways(one: Any, other: Any, seed: int) -> None:
        hold_both_ways(odd_server(one), odd_server(other), seed)

    both_ways()


def hold_both_ways(one: Server, other: Server, seed: int) -> None:
    was, now = told(one), told(other)
    assert compare(was, was).changes == compare(now, now).changes == ()
    forth, back = compare(was, now, model=rule_book()), compare(now, was, model=rule_book())
    assert {change.key: change.kind for change in forth.changes} == {
        change.key: MIRRORED[change.kind] for change in back.changes
    }
    assert {change.key: (change.before, change.after) for change in forth.changes} == {
        change.key: (change.after, change.before) for change in back.changes
    }
    shuffled = now.model_copy(update={"facts": tuple(random.Random(seed).sample(now.facts, len(now.facts)))})
    assert compare(was, shuffled, model=rule_book()) == forth
    # What went and came back is told as returned, by every key.
    again = compare(now_as(now, "y"), now_as(was, "z"), earlier=[was])
    assert all(change.returned == was.run for change in again.changes)
    for noun in (was, now, forth):
        assert type(noun).model_validate_json(noun.line()) == noun
    assert [fact.key for fact in now.facts] == sorted({fact.key for fact in now.facts})
    for change in forth.changes:
        assert words(change.key, change.before.value, change.after.value) in change.what


def now_as(facts: Facts, run: str) -> Facts:
    return facts.model_copy(update={"run": run})


def test_a_flood_of_declarations_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prober.diff.collect.MOST_PER_AREA", 300)
    many = [{"name": f"p{number:06}", "type": "token"} for number in range(700)]
    huge = [{"type": "T" * 5_000, "interaction": [{"code": "c/" * 9_000}], "searchParam": [{"name": "x"}] * 50}]
    flooded = statement(put("rest.0.resource", [{"type": "Patient", "searchParam": many}, *huge]))
    was = told(flooded(recorded("leader")))
    params = [fact for fact in was.facts if fact.key.startswith("search_param/")]
    assert len(params) == 300
    assert {fact.key: fact.value for fact in was.facts if fact.key.startswith("capped/")} == {
        "capped/search_param": "705 found, 300 kept"
    }
    assert Facts.model_validate_json(was.line()) == was
    assert all(len(fact.key) <= 400 and len(fact.value) <= LONGEST_VALUE for fact in was.facts)
    # One more in front pushes the last one out, and that one is not taken for withdrawn.
    more = told(both(flooded, resource("Patient", add("searchParam", {"name": "a-first"})))(recorded("leader")))
    assert changes(compare(was, more)) == {
        "search_param/Patient/a-first": "improvement",
        "capped/search_param": "neutral",
    }


def test_what_one_night_could_not_tell_is_held_against_the_night_before_it() -> None:
    def night(number: int, outcome: str) -> Facts:
        run = recorded("leader").run.model_copy(
            update={"id": f"run-{number}", "started": f"2026-11-0{number}T02:00:00Z"}
        )
        facts = told(replace(recorded("leader"), run=run))
        return facts.model_copy(
            update={
                "seen": ("finding",),
                "facts": (facts.facts[0].model_copy(update={"key": "finding/patient_read", "value": outcome}),),
            }
        )

    first, blind, third = night(1, "present"), night(2, "unknown: rate_limited"), night(3, "absent")
    assert changes(compare(first, blind)) == {"finding/patient_read": "neutral"}
    assert changes(compare(blind, third)) == {"finding/patient_read": "neutral"}
    (change,) = compare(blind, third, earlier=[first]).changes
    assert (change.judgement, change.returned) == ("regression", None)
    (change,) = compare(blind, night(4, "present"), earlier=[first]).changes
    assert (change.judgement, change.returned) == ("neutral", "run-1")


def test_a_new_probe_and_a_new_rule_book_are_no_change_of_the_server() -> None:
    was = before("leader", "sandbox")
    kept = [fact for fact in was.facts if fact.key not in ("finding/patient_read", "criterion/S8.STD.1")]
    fewer = was.model_copy(update={"facts": tuple(kept)})
    delta = compare(fewer, was)
    assert "finding/patient_read" in delta.not_compared
    assert changes(delta) == {"criterion/S8.STD.1": "neutral"}
    book = tuple(
        fact.model_copy(update={"value": "99.0.0"}) if area_of(fact.key) == "rule_book" else fact for fact in kept
    )
    delta = compare(fewer, was.model_copy(update={"facts": book}))
    assert {area_of(key) for key in changes(delta)} == {"rule_book"}
    assert {"criterion", "gate", "label"} <= set(delta.not_compared)


def test_the_order_of_labels_and_bands_decides_and_what_is_unsure_does_not() -> None:
    low, high = "Emerging (step 2, at most 2 of 6)", "Progressing (step 3, at most 4 of 6)"
    assert judgement_of("label/name", high, low) == "regression"
    assert judgement_of("label/name", low, high) == "improvement"
    assert judgement_of("label/name", high, "Not rated (step 1, at most 6 of 6)") == "neutral"
    assert same_value("latency/metadata", "under 0.5 s", "0.5 to 1 s")
    assert judgement_of("latency/metadata", "under 0.5 s", "0.5 to 1 s") == "neutral"
    assert judgement_of("criterion/S8.STD.1", "3..3", "0..3") == "neutral"
    assert judgement_of("criterion/S8.STD.1", "3..3", "2..2") == "regression"
    assert judgement_of("nobody/knows", "a", "b") == "neutral"


def test_facts_of_a_later_prober_are_compared_as_they_are() -> None:
    was = told(recorded("leader"))
    (first, *rest) = was.facts
    later_ = was.model_copy(
        update={
            "seen": (*was.seen, "badge"),
            "facts": (first.model_copy(update={"key": "badge/logo", "value": "a"}), first, *rest),
        }
    )
    newer = later_.model_copy(update={"facts": (later_.facts[0].model_copy(update={"value": "b"}), first, *rest)})
    (change,) = compare(later_, newer, model=rule_book()).changes
    assert (change.judgement, change.criteria, change.what) == (
        "neutral",
        (),
        "The fact badge/logo changed from a to b.",
    )
    assert compare(was, later_).changes == ()


def test_of_real_data_only_a_bundle_of_brands_that_was_kept_is_compared() -> None:
    mixed = document(BRANDS, lambda it: it["entry"].append({"resource": {"resourceType": "Location", "name": "x"}}))
    server = mixed(recorded(BRANDED))
    assert "brand" in told(server).seen
    real = replace(server, run=server.run.model_copy(update={"synthetic": False}))
    assert not {"brands", "brand", "brand_endpoint", "brand_host"}.intersection(told(real).seen)
    assert compare(told(real), told(recorded(BRANDED))).changes == ()


def test_private_keys_and_secrets_stay_out_of_facts() -> None:
    secret = "s3cret-part-of-a-key"
    keys = [
        {"kty": "oct", "kid": "one", "k": secret},
        {"kty": "RSA", "kid": "two", "d": secret, "n": "AQAB", "e": "AQAB"},
    ]
    server = both(
        document(JWKS, lambda it: it.update(keys=keys)),
        smart(put("token_endpoint", f"https://user:{secret}@auth.example.net/token")),
        statement(put("implementation.url", f"https://user:{secret}@fhir.example.net/r4")),
    )(recorded("leader"))
    facts = told(server)
    assert secret not in facts.line()
    assert {"jwks_key", "endpoint_host"} <= {area_of(fact.key) for fact in facts.facts}
    assert thumbprint(keys[0]) == thumbprint({**keys[0], "k": "another"})


# What the facts rest on.


class Listening(ChangedServer):
    """Keeps what it answered, as a run folder would."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.heard: Exchanges = {}

    async def exchange(
        self, ask: Ask, *, observation: Observation[Any], arguments: tuple[str, ...], id: str
    ) -> Exchange:
        answer = await super().exchange(ask, observation=observation, arguments=arguments, id=id)
        self.heard[id] = answer
        return answer


OBSERVED = (capability_statement, smart_configuration, published_keys, openid_configuration, brands_answer)


async def observed(server: Listening) -> list[Any]:
    round_ = Round(server)
    found = [await round_.see(one) for one in OBSERVED]
    return [one.value if isinstance(one, Seen) else one for one in found]


FOLDERS = sorted(path.parent for path in built_in_probes().rglob("probe.py"))
TELLING = {"smart_configuration_served", "capability_statement_served", "jwks_published", "brands_list_base"}


@pytest.mark.parametrize(
    "folder", [pytest.param(one, id=one.name, marks=() if one.name in TELLING else DEEP) for one in FOLDERS]
)
def test_the_documents_are_those_that_the_observations_see(folder: Path) -> None:
    for case in read_cases(folder / "cases.yaml"):
        hold_the_documents(case)


def hold_the_documents(case: Case) -> None:
    was = remembered(case.fixture)
    has = was.facts.has_credentials if case.has_credentials is None else case.has_credentials
    facts = replace(was.facts, has_credentials=has)
    server = Listening(facts, was.exchanges, case.change)
    statement_, smart_, keys, openid, listed_ = asyncio.run(observed(server))
    index = index_of(server.heard.values())
    found = statement_in(index, has_credentials=has)
    assert (found.json if found else None) == getattr(statement_, "json", None)
    seen = smart_in(index)
    if isinstance(seen, Exchange):
        assert smart_ is None
    else:
        assert (seen.json if seen else None) == getattr(smart_, "json", None)
        assert (seen is None) == (smart_ is not None and not hasattr(smart_, "json"))
    documents = (
        *(("published_keys", keys, None), ("openid_configuration", openid, None)),
        ("brands_answer", listed_, "Bundle"),
    )
    for name, published, kind in documents:
        shown = published_in(index, name, resource=kind)
        if shown is not None:
            assert shown.answer == published.answer


@functools.cache
def remembered(name: str) -> Remembered:
    return remember(FIXTURES / name)


@pytest.mark.parametrize("name", ["leader", "leader_tls", "typical", pytest.param("hapi", marks=DEEP)])
def test_what_is_declared_means_the_same_as_for_the_probes(name: str) -> None:
    server = recorded(name)
    found = statement_in(index_of(server.exchanges.values()), has_credentials=server.facts.has_credentials)
    assert found is not None
    facts = {fact.key for fact in told(server).facts}
    declared = {f"type/{one.type}" for one in found.resources}
    declared |= {f"interaction/{one.type}/{code}" for one in found.resources for code in one.interactions}
    declared |= {f"search_param/{one.type}/{code}" for one in found.resources for code in one.search_params}
    areas = ("type/", "interaction/", "search_param/")
    assert {key for key in facts if key.startswith(areas) and "/system/" not in key} == declared
    profiles = {key.split("/", 2)[2] for key in facts if key.startswith("profile/")}
    assert profiles == set(found.profiles)


# Real servers, asked twice: other keys of redaction, other ids, other times.


def live(place: Path, box: Sandbox, monkeypatch: pytest.MonkeyPatch, *, real: bool) -> Facts:
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    monkeypatch.setenv("DIFF_TOKEN", box.token)
    provider = Provider(
        organisation="Example",
        environment="production",
        fhir_bases=(box.base_url,),
        test_patients=tuple(box.patient_ids),
        groups=(box.group_id,),
        doc_urls=box.pages,
    )
    pages_alone = Provider(organisation="Example", fhir_bases=(box.base_url,), doc_urls=box.pages)
    options = Options(
        target=box.base_url, provider=provider if real else pages_alone, bearer_env="DIFF_TOKEN", ca_file=box.ca_file
    )
    prepared = prepare(options, SystemClock())
    quick_ = replace(prepared, plan=prepared.plan.model_copy(update={"pace": "sandbox"}))
    folder = asyncio.run(collect(quick_, place, SystemClock())).folder
    judge_folder(folder, probes())
    card = score_folders([folder], probes())
    return facts_of(folder.run(), folder.exchanges(), folder.findings(), card, digest=collected_digest(folder))


@DEEP
@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("tls", [True, False])
def test_the_same_server_asked_twice_has_not_changed(
    real: bool, tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(tls=tls) as box:
        first = live(tmp_path / "one", box, monkeypatch, real=real)
        second = live(tmp_path / "two", box, monkeypatch, real=real)
    delta = compare(first, second, model=rule_book())
    assert delta.changes == ()
    assert len(first.facts) > 400
    assert not {"statement", "smart", "jwks", "finding", "criterion"}.intersection(delta.not_compared)


LIVE: dict[str, dict[str, str]] = {
    "brands_dangling": worse("finding/brands_sound") | neither("brand_host/forgotten.prober.example"),
    "brands_missing": worse("brands/document", "finding/brands_served"),
    "brands_without_base": worse("brands/own_base", "finding/brands_list_base"),
    "certificate_expired": worse("certificate/state", "finding/certificate_valid"),
    "internal_implementation_url": worse("implementation/host", "finding/implementation_url_matches"),
    "jwks_missing": worse("jwks/document", "finding/jwks_published"),
    "metadata_server_error": neither("finding/software_named"),
    "metadata_stu3": worse("statement/fhirVersion"),
    "open_patient_data": worse("finding/patient_data_protected"),
    "page_server_error": neither("finding/pages_open"),
    "patient_read_error": neither("finding/patient_read"),
    "smart_capability_withdrawn": worse("smart_capability/permission-patient"),
    "smart_dead_endpoints": worse("endpoint_host/token_endpoint", "finding/smart_endpoints_answer"),
    "smart_missing": worse("smart/document", "finding/smart_configuration_served"),
    "smart_no_token_endpoint": worse("endpoint/token_endpoint", "finding/smart_required_fields"),
    "smart_plain_pkce": worse("code_challenge_method/plain", "finding/pkce_s256_only"),
    "throttled": neither("finding/patient_read"),
}
"""Planted defect -> changes that must be among those that are told."""


@DEEP
@pytest.mark.parametrize("defect", LIVE)
def test_a_defect_of_a_live_server_is_told(defect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = defect == "certificate_expired"
    with Sandbox(tls=tls) as box:
        healthy = live(tmp_path / "one", box, monkeypatch, real=False)
    port = urlsplit(box.base_url).port or 0
    with Sandbox(defects=(defect,), port=port, tls=tls) as box:
        faulty = live(tmp_path / "two", box, monkeypatch, real=False)
    delta = compare(healthy, faulty, model=rule_book())
    assert LIVE[defect].items() <= changes(delta).items()
    if defect in ("throttled", "metadata_server_error"):
        assert not any(change.kind == "withdrawn" for change in delta.changes)
        assert {"statement", "type", "operation"} <= set(delta.not_compared)


# The rules and their page.


def test_every_kind_of_fact_leads_to_its_probes_or_says_that_none_reads_it() -> None:
    mapped = {probe for family in FAMILIES.values() for probe in family.probes}
    mapped |= set(criteria_probes("operation/Patient/everything"))
    assert mapped <= set(probes())
    for area, family in FAMILIES.items():
        assert bool(family.probes) != (area in UNMAPPED or area == "finding"), area
        assert family.samples
        assert all(area_of(key) == area for key, _, _ in family.samples)


def test_every_fact_is_of_a_known_kind_and_every_kind_has_one_or_a_row() -> None:
    keys = {area_of(fact.key) for name in ("leader", "leader_tls", "hapi") for fact in told(recorded(name)).facts}
    keys |= {area_of(fact.key) for fact in before("leader", "sandbox").facts}
    keys |= {area_of(key) for row in TABLE for key in row.told}
    # Published pages have their rows in test_pages.py.
    assert keys | {"capped", "page"} == set(FAMILIES)


def test_the_page_is_written_from_the_rules() -> None:
    """Write it anew with `python -m prober.diff.page docs/diff.md`."""
    assert (ROOT / "docs" / "diff.md").read_text(encoding="utf-8") == page()
