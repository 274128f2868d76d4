"""Says which documents are for everybody: by their shape, because an address alone promises nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from prober.redact.documents import SHAPES, exact
from prober.redact.json_bodies import Json, Members, objects
from prober.redact.tables import tables
from prober.redact.xml_bodies import FHIR, Node, nodes

Shape: TypeAlias = "Mapping[str, Shape | None]"
"""The members of a document that are for everybody; None: a plain value, or a list of such."""

# What anybody may read without signing in; another resource type under a public address is somebody's data.
PUBLIC_TYPES = exact(
    "CapabilityStatement Conformance OperationOutcome TerminologyCapabilities StructureDefinition OperationDefinition "
    "SearchParameter CompartmentDefinition ImplementationGuide ValueSet CodeSystem ConceptMap NamingSystem "
    "GraphDefinition "
    "MessageDefinition StructureMap Parameters Organization Endpoint"
)
# An OperationOutcome may be about whoever asked, and Parameters may be anything.
PUBLIC_DOCUMENTS = PUBLIC_TYPES - {"OperationOutcome", "Parameters"}
PUBLISHED_BUNDLES = frozenset({"collection", "document"})
VERSIONS: Shape = {"versions": None, "default": None}
IDENTIFIER: Shape = dict.fromkeys(("use", "system", "value"))
ENDPOINT: Shape = dict.fromkeys(SHAPES["#smart.endpoint"])
KEY: Shape = dict.fromkeys([*SHAPES["#jwks.key"], "oth", "x5u", "x5c", "x5t", "x5t#S256"])
KEYS: Shape = {"keys": KEY}
# SMART App Launch STU2.2, "Metadata"; OpenID Connect Discovery 1.0, 3; RFC 8414, 2; UDAP Security STU1, "Discovery".
CONFIGURATION: Shape = {
    **dict.fromkeys(SHAPES["#smart"]),
    **dict.fromkeys(
        exact(
            "response_modes_supported acr_values_supported claims_supported claim_types_supported "
            "claims_locales_supported ui_locales_supported display_values_supported service_documentation "
            "op_policy_uri op_tos_uri "
            "claims_parameter_supported request_parameter_supported request_uri_parameter_supported "
            "require_request_uri_registration end_session_endpoint check_session_iframe frontchannel_logout_supported "
            "frontchannel_logout_session_supported backchannel_logout_supported backchannel_logout_session_supported "
            "id_token_encryption_alg_values_supported id_token_encryption_enc_values_supported "
            "userinfo_signing_alg_values_supported userinfo_encryption_alg_values_supported "
            "userinfo_encryption_enc_values_supported request_object_signing_alg_values_supported "
            "request_object_encryption_alg_values_supported request_object_encryption_enc_values_supported "
            "revocation_endpoint_auth_methods_supported revocation_endpoint_auth_signing_alg_values_supported "
            "introspection_endpoint_auth_methods_supported introspection_endpoint_auth_signing_alg_values_supported "
            "device_authorization_endpoint pushed_authorization_request_endpoint "
            "require_pushed_authorization_requests backchannel_authentication_endpoint "
            "tls_client_certificate_bound_access_tokens dpop_signing_alg_values_supported "
            "authorization_response_iss_parameter_supported mtls_endpoint_aliases signed_metadata "
            "udap_versions_supported udap_profiles_supported udap_authorization_extensions_supported "
            "udap_authorization_extensions_required udap_certifications_supported udap_certifications_required "
            "registration_endpoint_jwt_signing_alg_values_supported"
        )
    ),
    "associated_endpoints": ENDPOINT,
    "user_access_brand_identifier": IDENTIFIER,
}


def is_published(value: Json) -> bool:
    """Whether the document is a FHIR resource for everybody, and so is every resource in it."""
    if not isinstance(value, Members):
        return False
    kinds = value.all("resourceType")
    if kinds == ["Parameters"]:
        names = [name for one in _items(value, "parameter") for name in one.all("name")]
        return bool(names) and all(name in ("version", "default") for name in names)
    root = len(kinds) == 1 and isinstance(kinds[0], str) and kinds[0] in PUBLIC_DOCUMENTS | {"Bundle"}
    return root and all(map(_public_object, objects(value)))


def _items(value: Members, name: str) -> list[Members]:
    found = [inner for one in value.all(name) if isinstance(one, list) for inner in one]
    return [inner for inner in found if isinstance(inner, Members)]


def _public_object(members: Members) -> bool:
    for kind in members.all("resourceType"):
        if not isinstance(kind, str):
            return False
        if kind == "Bundle":
            if not all(isinstance(form, str) and form in PUBLISHED_BUNDLES for form in members.all("type")):
                return False
        elif kind not in PUBLIC_TYPES:
            return False
    return True


def shape_of(value: Json) -> Shape | None:
    """The shape of a document without a resource type that is for everybody; None if it has no such shape."""
    if not isinstance(value, Members) or value.all("resourceType"):
        return None
    names = value.names()
    if names & frozenset(CONFIGURATION):
        return CONFIGURATION
    if _items(value, "keys"):
        return KEYS
    return VERSIONS if "versions" in names else None


def is_published_xml(root: Node) -> bool:
    """Whether the document is a FHIR resource for everybody, and so is every resource in it."""
    if root.space != FHIR or root.name not in PUBLIC_DOCUMENTS:
        return False
    kinds = tables().resources
    return all(node.name in PUBLIC_TYPES or node.name not in kinds for node in nodes(root))
