"""What the sandbox publishes for SMART App Launch: discovery, OpenID configuration, keys, token errors."""

from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from prober.sandbox import brands
from prober.sandbox.outcome import Json

CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
_HL7 = "http://terminology.hl7.org/CodeSystem"
_GRANULAR = {
    "Condition": (
        f"{_HL7}/condition-category|encounter-diagnosis",
        f"{_HL7}/condition-category|problem-list-item",
        "http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern",
    ),
    "Observation": (
        f"{_HL7}/observation-category|laboratory",
        f"{_HL7}/observation-category|social-history",
        f"{_HL7}/observation-category|survey",
        f"{_HL7}/observation-category|vital-signs",
        "http://hl7.org/fhir/us/core/CodeSystem/us-core-category|sdoh",
    ),
}
_GRANTS = ("authorization_code", "client_credentials", "refresh_token")
_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
_SIGNING = ("RS384", "ES384")


def endpoints(origin: str, dead_port: int | None = None) -> dict[str, str]:
    """The absolute URLs of the authorization server at `origin`; two lie on `dead_port` when that is given."""
    issuer = f"{origin}/auth"
    scheme, _, authority = origin.partition("://")
    host = authority.rpartition(":")[0]
    launch = issuer if dead_port is None else f"{scheme}://{host}:{dead_port}/auth"
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "authorization_endpoint": f"{launch}/authorize",
        "token_endpoint": f"{launch}/token",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "management_endpoint": f"{issuer}/manage",
    }


def _scopes(resource_types: Sequence[str]) -> list[str]:
    scopes = ["openid", "fhirUser", "launch", "launch/patient", "launch/encounter", "offline_access"]
    for level in ("patient", "user", "system"):
        scopes += [f"{level}/*.rs", f"{level}/*.read"]
        scopes += [f"{level}/{kind}.rs" for kind in resource_types]
    for level in ("patient", "user"):
        for kind, categories in _GRANULAR.items():
            scopes += [f"{level}/{kind}.rs?category={category}" for category in categories]
    return scopes


def configuration(origin: str, addresses: Mapping[str, str], resource_types: Sequence[str], defects: Set[str]) -> Json:
    """The document at .well-known/smart-configuration (SMART App Launch 2.2.0, conformance.html)."""
    document: Json = {
        **addresses,
        "user_access_brand_bundle": f"{origin}{brands.PATH}",
        "user_access_brand_identifier": brands.primary(defects),
        "grant_types_supported": list(_GRANTS),
        "response_types_supported": ["code"],
        "scopes_supported": _scopes(resource_types),
        "token_endpoint_auth_methods_supported": list(_AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(_SIGNING),
        "code_challenge_methods_supported": ["S256"],
        "capabilities": list(CAPABILITIES),
    }
    if "smart_no_token_endpoint" in defects:
        del document["token_endpoint"]
    if "smart_plain_pkce" in defects:
        document["code_challenge_methods_supported"] = ["S256", "plain"]
    if "smart_unknown_capability" in defects:
        document["capabilities"].append("launch-hovercraft")
    if "smart_capability_withdrawn" in defects:
        document["capabilities"].remove("permission-patient")
    if "smart_asymmetric_incomplete" in defects:
        document["token_endpoint_auth_methods_supported"].remove("private_key_jwt")
        del document["token_endpoint_auth_signing_alg_values_supported"]
    if "smart_relative_urls" in defects:
        for name in addresses:
            if name in document:
                document[name] = "/" + document[name].split("/", 3)[3]
    if "smart_capabilities_string" in defects:
        document["capabilities"] = " ".join(document["capabilities"])
    return document


def openid_configuration(addresses: Mapping[str, str], defects: Set[str]) -> Json:
    """The document at {issuer}/.well-known/openid-configuration (OpenID Connect Discovery 1.0, section 3)."""
    issuer = addresses["issuer"]
    return {
        "issuer": f"{issuer}-of-somebody-else" if "openid_issuer_differs" in defects else issuer,
        "authorization_endpoint": addresses["authorization_endpoint"],
        "token_endpoint": addresses["token_endpoint"],
        "jwks_uri": addresses["jwks_uri"],
        "introspection_endpoint": addresses["introspection_endpoint"],
        "revocation_endpoint": addresses["revocation_endpoint"],
        "grant_types_supported": list(_GRANTS),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": list(_AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(_SIGNING),
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "fhirUser", "offline_access"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "fhirUser"],
    }


def _unpadded(number: int, size: int | None = None) -> str:
    from base64 import urlsafe_b64encode

    octets = number.to_bytes(size or (number.bit_length() + 7) // 8, "big")
    return urlsafe_b64encode(octets).decode().rstrip("=")


@cache
def _signing_keys() -> tuple[Any, Any]:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    return rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())


def key_set(defects: Set[str]) -> Json:
    """The JSON Web Key Set of this process (RFC 7517; RFC 7518 sections 6.2 and 6.3): one RSA and one P-384 key."""
    rsa_key, ec_key = _signing_keys()
    rsa_numbers, ec_numbers = rsa_key.private_numbers(), ec_key.private_numbers()
    rsa_jwk: Json = {
        "kty": "RSA",
        "kid": "sandbox-rsa",
        "use": "sig",
        "alg": "RS256",
        "n": _unpadded(rsa_numbers.public_numbers.n),
        "e": _unpadded(rsa_numbers.public_numbers.e),
    }
    ec_jwk: Json = {
        "kty": "EC",
        "kid": "sandbox-ec",
        "use": "sig",
        "alg": "ES384",
        "crv": "P-384",
        "x": _unpadded(ec_numbers.public_numbers.x, 48),
        "y": _unpadded(ec_numbers.public_numbers.y, 48),
    }
    if "jwks_private" in defects:
        rsa_jwk["d"] = _unpadded(rsa_numbers.d)
        ec_jwk["d"] = _unpadded(ec_numbers.private_value, 48)
    return {"keys": [rsa_jwk, ec_jwk]}


def token_error(body: bytes) -> Json:
    """The RFC 6749 section 5.2 error for a token request: no client is registered, so nothing is ever issued."""
    form = parse_qs(body.decode("utf-8", "replace"))
    grant = form.get("grant_type", [""])[0]
    if not grant:
        return {"error": "invalid_request", "error_description": "The request has no grant_type."}
    if grant not in _GRANTS:
        return {"error": "unsupported_grant_type", "error_description": "This server does not offer that grant type."}
    if grant == "client_credentials":
        return {"error": "invalid_client", "error_description": "No such client is registered here."}
    return {"error": "invalid_grant", "error_description": "No such grant was given by this server."}


AUTHORIZE_PAGE = (
    "<!doctype html><html lang=en><head><meta charset=utf-8><title>Sign in to the sandbox</title></head>"
    "<body><h1>Sign in to the sandbox</h1><p>No app is registered with this server yet.</p></body></html>"
)
