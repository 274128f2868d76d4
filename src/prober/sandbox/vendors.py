"""The personas that are not healthy: what `typical` and `laggard` say, serve and refuse."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from prober.sandbox import smart
from prober.sandbox.app import Application, as_json, only
from prober.sandbox.data import US_CORE, Store
from prober.sandbox.outcome import Json, Refusal
from prober.sandbox.search import COMMON, PARAMETERS
from prober.sandbox.statement import BULK, FHIR_VERSION, OAUTH_URIS, security

OLD_US_CORE = "3.1.1"
_OLD_PROFILES: Mapping[str, tuple[str, ...]] = {
    "Patient": ("us-core-patient",),
    "Observation": ("us-core-observation-lab", "us-core-smokingstatus"),
    "Condition": ("us-core-condition",),
    "AllergyIntolerance": ("us-core-allergyintolerance",),
    "Immunization": ("us-core-immunization",),
    "MedicationRequest": ("us-core-medicationrequest",),
    "Encounter": ("us-core-encounter",),
    "DocumentReference": ("us-core-documentreference",),
    "Procedure": ("us-core-procedure",),
    "DiagnosticReport": ("us-core-diagnosticreport-lab",),
    "Practitioner": ("us-core-practitioner",),
    "Organization": ("us-core-organization",),
    "Location": ("us-core-location",),
    "Group": (),
}
_UNSEARCHED = {"DocumentReference": 501, "Procedure": 405}
"""Declared types of `typical` whose search is refused, and the status that it is refused with."""
_ADDRESSES = ("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint")
_CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "client-public",
    "client-confidential-symmetric",
    "sso-openid-connect",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-patient",
    "permission-user",
    "permission-v1",
)
"""Enough for each launch, yet without POST, banner, style and the scopes of version 2 that (g)(10) asks for as well."""
_AUTH_METHODS = ("client_secret_basic", "client_secret_post")
_GRANTS = ("authorization_code", "refresh_token")
_COPIED_SECURITY: Json = {
    "extension": [
        {
            "url": OAUTH_URIS,
            "extension": [
                {"url": "authorize", "valueUri": "https://login.vendor.example/oauth2/authorize"},
                {"url": "token", "valueUri": "https://login.vendor.example/oauth2/token"},
            ],
        }
    ],
    "service": [{"coding": [{"system": "http://hl7.org/fhir/restful-security-service", "code": "SMART-on-FHIR"}]}],
}
"""What `laggard` copied of its vendor: the endpoints of before SMART discovery, and the code system of FHIR STU3."""
_FEW_TYPES = ("Patient", "AllergyIntolerance", "Condition", "Observation")
_NOT_FOUND_PAGE = (
    "<!doctype html><html lang=en><head><meta charset=utf-8><title>404</title></head>"
    "<body><h1>Page not found</h1><p>The page that you asked for is not here.</p></body></html>"
)


class Typical(Application):
    """The vendor-hosted R4 server of an ordinary community hospital.

    It declares US Core 3.1.1 and enough of SMART for each kind of launch, protects its patients, and reads and
    searches the core types. Two declared types cannot be searched, bulk export is declared for groups but not
    licensed, unknown types are answered by a gateway in plain text, and `$versions` is not known.

    The export is declared because one statement serves all customers of the vendor, and it is refused with 403 because
    each customer has to order it. That is a plainer fault than a broken export, and it leaves a probe with nothing to
    judge but the refusal.
    """

    def _records(self) -> Store:
        return _without_profiles(super()._records())

    def _statement(self) -> Json:
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2024-11-18T00:00:00Z",
            "publisher": "An invented vendor",
            "kind": "instance",
            "instantiates": [f"http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server|{OLD_US_CORE}"],
            "software": {"name": "Community EHR API", "version": "2024.4.2"},
            "implementation": {"description": "The hospital that answers at this address", "url": self._base},
            "fhirVersion": FHIR_VERSION,
            "format": ["application/fhir+json", "json"],
            "implementationGuide": [f"http://hl7.org/fhir/us/core/ImplementationGuide/hl7.fhir.us.core|{OLD_US_CORE}"],
            "rest": [
                {
                    "mode": "server",
                    "security": security(self._addresses, self._defects),
                    "resource": [_typical_resource(kind) for kind in _OLD_PROFILES],
                }
            ],
        }

    async def _smart_configuration(self, request: Request) -> Response:
        only(request, "GET", "HEAD")
        document: Json = {
            **{name: self._addresses[name] for name in _ADDRESSES},
            "grant_types_supported": list(_GRANTS),
            "response_types_supported": ["code"],
            "scopes_supported": _typical_scopes(),
            "token_endpoint_auth_methods_supported": list(_AUTH_METHODS),
            "code_challenge_methods_supported": ["S256"],
            "capabilities": list(_CAPABILITIES),
        }
        return as_json(document, media_type="application/json")

    async def _openid_configuration(self, request: Request) -> Response:
        only(request, "GET", "HEAD")
        document = smart.openid_configuration(self._addresses, self._defects)
        for name in (
            "introspection_endpoint",
            "revocation_endpoint",
            "token_endpoint_auth_signing_alg_values_supported",
        ):
            del document[name]
        document |= {
            "grant_types_supported": list(_GRANTS),
            "token_endpoint_auth_methods_supported": list(_AUTH_METHODS),
        }
        return as_json(document, media_type="application/json")

    async def _brands(self, request: Request) -> Response:
        raise Refusal(404, "not-supported", "There is no such document.")

    async def _versions(self, request: Request) -> Response:
        raise Refusal(404, "not-supported", "This server does not know the operation '$versions'.")

    async def _search(self, request: Request) -> Response:
        kind = str(request.path_params["kind"])
        if kind in _UNSEARCHED:
            self._admit(request, "")
            sentence = f"This server does not search the type {kind!r} yet."
            status = _UNSEARCHED[kind]
            raise Refusal(status, "not-supported", sentence, {"Allow": ""} if status == 405 else None)
        return await super()._search(request)

    async def _read(self, request: Request) -> Response:
        if request.path_params["kind"] not in self._store:
            # The gateway in front of the server lets through only the types that it was told of.
            return PlainTextResponse("no route matched\n", 404)
        return await super()._read(request)

    async def _export(self, request: Request) -> Response:
        self._admit(request, "")
        if "group" not in request.path_params:
            raise Refusal(404, "not-supported", "This server does not know that operation.")
        raise Refusal(403, "forbidden", "Bulk export is not part of the license of this organization.")


class Laggard(Application):
    """A server that was installed and then left alone.

    Its statement is the vendor's: another host, bare types, no profiles, and OAuth as it was declared before there was
    SMART discovery. It has no SMART configuration, few types, no bulk export, takes its time over each answer, answers
    what it does not know with a page for people, and ignores what it does not understand in a search. It is behind and
    not dangerous: patients are read and searched only with a token.
    """

    AUTHORIZES = False
    TRAITS = frozenset({"etag_missing", "no_cors", "strict_ignored"})
    PAUSE = 0.2

    def _records(self) -> Store:
        records = _without_profiles(super()._records())
        return {kind: records[kind] for kind in _FEW_TYPES}

    def _statement(self) -> Json:
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2019-06-03",
            "kind": "instance",
            "software": {"name": "FHIR Server"},
            "implementation": {"description": "FHIR Server", "url": "https://fhir.vendor.example/r4"},
            "fhirVersion": FHIR_VERSION,
            "format": ["json"],
            "rest": [
                {
                    "mode": "server",
                    "security": _COPIED_SECURITY,
                    "resource": [{"type": kind} for kind in _FEW_TYPES],
                }
            ],
        }

    def _refused(self, refusal: Refusal) -> Response:
        if refusal.code == "not-supported":
            return HTMLResponse(_NOT_FOUND_PAGE, refusal.status, refusal.headers)
        return super()._refused(refusal)

    async def _smart_configuration(self, request: Request) -> Response:
        raise Refusal(404, "not-supported", "There is no such document.")

    async def _versions(self, request: Request) -> Response:
        raise Refusal(404, "not-supported", "There is no such operation.")

    async def _export(self, request: Request) -> Response:
        self._admit(request, "")
        raise Refusal(404, "not-supported", "There is no such operation.")


APPLICATIONS: Mapping[str, type[Application]] = {"leader": Application, "typical": Typical, "laggard": Laggard}


def _without_profiles(store: Store) -> Store:
    """The same records as a server keeps them that says of none which profile it follows."""
    return {
        kind: {
            identity: {**item, "meta": {name: value for name, value in item["meta"].items() if name != "profile"}}
            for identity, item in records.items()
        }
        for kind, records in store.items()
    }


def _typical_resource(kind: str) -> Json:
    declared: Json = {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "versioned",
        "searchParam": [
            {"name": name, "type": parameter.kind} for name, parameter in {**COMMON, **PARAMETERS[kind]}.items()
        ],
    }
    if profiles := _OLD_PROFILES[kind]:
        declared["supportedProfile"] = [f"{US_CORE}/{name}" for name in profiles]
    if kind == "Group":
        declared["operation"] = [{"name": "export", "definition": f"{BULK}/OperationDefinition/group-export"}]
    return declared


def _typical_scopes() -> list[str]:
    kinds = [kind for kind in _OLD_PROFILES if kind != "Group"]
    scopes = ["openid", "fhirUser", "launch", "launch/patient", "offline_access"]
    return scopes + [f"{level}/{kind}.read" for level in ("patient", "user") for kind in kinds]
