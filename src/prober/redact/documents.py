"""The exact lists that no FHIR package holds: the JSON documents round FHIR, their codes, and the words of URLs."""

from __future__ import annotations

from collections.abc import Mapping

ANYTHING = "?"


def exact(words: str) -> frozenset[str]:
    """The set of the words in a text."""
    return frozenset(words.split())


OVERRIDES: Mapping[str, str] = {
    "Attachment.contentType": "mime",
    "Bundle.entry.request.ifMatch": "etag",
    "Bundle.entry.request.ifNoneMatch": "etag",
    "Bundle.entry.request.url": "uri",
    "Bundle.entry.response.etag": "etag",
    "Bundle.entry.response.status": "status",
    "Bundle.link.relation": "one:relation",
    "Bundle.link.url": "link",
    "Bundle.total": "count",
    "Extension.url": "extension",
    "OperationOutcome.issue.details": "#details",
    "OperationOutcome.issue.diagnostics": "prose",
    "OperationOutcome.issue.expression": "path",
    "OperationOutcome.issue.location": "path",
    "Parameters.parameter.name": "one:parameter",
    "Reference.reference": "reference",
    "Reference.type": "kind",
    "CodeableConcept.coding": "Coding",
}

SHAPES: Mapping[str, Mapping[str, str]] = {
    "#details": {"id": "id", "extension": "Extension", "coding": "Coding", "text": "prose"},
    # Bulk Data Access STU2 and STU3, "Complete Status".
    "#manifest": {
        "transactionTime": "instant-kept",
        "request": "link",
        "requiresAccessToken": "boolean",
        "outputOrganizedBy": "kind",
        "output": "#manifest.file",
        "deleted": "#manifest.file",
        "error": "#manifest.file",
        "link": "#manifest.link",
        "extension": ANYTHING,
    },
    "#manifest.file": {
        "type": "kind",
        "url": "link",
        "count": "count",
        "continuesInFile": "link",
        "extension": ANYTHING,
    },
    "#manifest.link": {"relation": "one:relation", "url": "link"},
    # RFC 6749, 5.1, and SMART App Launch STU2.2, "token response".
    "#token": {
        "access_token": "secret",
        "refresh_token": "secret",
        "id_token": "secret",
        "token_type": "one:token_type",
        "expires_in": "count",
        "scope": "scope",
        "patient": "id",
        "encounter": "id",
        "fhirContext": "#token.context",
        "fhirUser": "reference",
        "need_patient_banner": "boolean",
        "smart_style_url": "link",
        "tenant": "id",
        "intent": "string",
    },
    "#token.context": {
        "reference": "reference",
        "type": "kind",
        "canonical": "uri",
        "role": "uri",
        "identifier": "Identifier",
    },
    # RFC 6749, 5.2.
    "#error": {
        "error": "prose",
        "error_description": "prose",
        "error_uri": "link",
        "message": "prose",
        "path": "link",
        "timestamp": "instant",
        "status": "count",
    },
    # SMART App Launch STU2.2, "Metadata".
    "#smart": {
        "issuer": "link",
        "jwks_uri": "link",
        "authorization_endpoint": "link",
        "token_endpoint": "link",
        "registration_endpoint": "link",
        "management_endpoint": "link",
        "introspection_endpoint": "link",
        "revocation_endpoint": "link",
        "userinfo_endpoint": "link",
        "smart_app_state_endpoint": "link",
        "user_access_brand_bundle": "link",
        "user_access_brand_identifier": "Identifier",
        "associated_endpoints": "#smart.endpoint",
        "grant_types_supported": "one:grant_type",
        "response_types_supported": "one:response_type",
        "scopes_supported": "scope",
        "capabilities": "one:capability",
        "code_challenge_methods_supported": "one:challenge",
        "token_endpoint_auth_methods_supported": "one:client_auth",
        "token_endpoint_auth_signing_alg_values_supported": "one:algorithm",
        "id_token_signing_alg_values_supported": "one:algorithm",
        "subject_types_supported": "one:subject_type",
    },
    "#smart.endpoint": {"url": "link", "capabilities": "one:capability"},
    # RFC 7517 and 7518; the private members are credentials.
    "#jwks": {"keys": "#jwks.key"},
    "#jwks.key": {
        "kty": "one:kty",
        "use": "one:key_use",
        "key_ops": "one:key_ops",
        "alg": "one:algorithm",
        "crv": "one:curve",
        "kid": "id",
        "n": "string",
        "e": "string",
        "x": "string",
        "y": "string",
        "d": "secret",
        "p": "secret",
        "q": "secret",
        "dp": "secret",
        "dq": "secret",
        "qi": "secret",
        "k": "secret",
    },
    # CDS Hooks 2.0, "Discovery".
    "#services": {"services": "#services.service"},
    "#services.service": {
        "hook": "one:hook",
        "id": "id",
        "title": "prose",
        "description": "prose",
        "usageRequirements": "prose",
    },
}
# A document of its kind holds one of these members.
KINDS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"access_token"}), "#token"),
    (frozenset({"transactionTime", "requiresAccessToken", "output"}), "#manifest"),
    (frozenset({"token_endpoint", "authorization_endpoint", "capabilities", "jwks_uri"}), "#smart"),
    (frozenset({"keys"}), "#jwks"),
    (frozenset({"services"}), "#services"),
    (frozenset({"error", "error_description"}), "#error"),
)

EXACT: Mapping[str, frozenset[str]] = {
    "relation": frozenset({"self", "next", "previous", "prev", "first", "last", "alternate", "search", "related"}),
    "token_type": frozenset({"Bearer", "bearer", "DPoP", "dpop"}),
    "error": exact(
        "invalid_request invalid_client invalid_grant unauthorized_client unsupported_grant_type invalid_scope "
        "access_denied unsupported_response_type server_error temporarily_unavailable invalid_token insufficient_scope "
        "invalid_target login_required consent_required interaction_required unsupported_token_type"
    ),
    "grant_type": exact(
        "authorization_code client_credentials refresh_token implicit password "
        "urn:ietf:params:oauth:grant-type:jwt-bearer urn:ietf:params:oauth:grant-type:device_code "
        "urn:ietf:params:oauth:grant-type:token-exchange"
    ),
    "response_type": frozenset({"code", "token", "id_token", "code id_token", "code token", "id_token token"}),
    "challenge": frozenset({"S256", "plain"}),
    "client_auth": exact(
        "client_secret_basic client_secret_post client_secret_jwt private_key_jwt tls_client_auth "
        "self_signed_tls_client_auth none"
    ),
    "assertion_type": frozenset({"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}),
    "algorithm": exact(
        "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519 HS256 HS384 HS512 none RSA-OAEP "
        "RSA-OAEP-256 RSA1_5 A128KW A256KW dir ECDH-ES"
    ),
    "subject_type": frozenset({"public", "pairwise"}),
    "kty": frozenset({"RSA", "EC", "OKP", "oct"}),
    "key_use": frozenset({"sig", "enc"}),
    "key_ops": exact("sign verify encrypt decrypt wrapKey unwrapKey deriveKey deriveBits"),
    "curve": frozenset({"P-256", "P-384", "P-521", "secp256k1", "Ed25519", "Ed448", "X25519", "X448"}),
    "capability": exact(
        "launch-ehr launch-standalone authorize-post client-public client-confidential-symmetric "
        "client-confidential-asymmetric sso-openid-connect context-passthrough-banner context-passthrough-style "
        "context-banner context-style context-ehr-patient context-ehr-encounter context-standalone-patient "
        "context-standalone-encounter permission-offline permission-online permission-patient permission-user "
        "permission-v1 permission-v2 smart-app-state user-access-brands dpop backend-services"
    ),
    "hook": exact(
        "patient-view order-select order-sign order-dispatch appointment-book encounter-start encounter-discharge "
        "allergyintolerance-create medication-refill problem-list-item-create"
    ),
    "currency": exact("USD EUR GBP CHF CAD AUD NZD JPY CNY SEK NOK DKK ISK PLN CZK HUF INR KRW BRL MXN ZAR SGD"),
    "mime": exact(
        "application/json application/xml application/fhir+json application/fhir+xml application/fhir+ndjson "
        "application/fhir+turtle application/ndjson application/x-ndjson application/jsonl application/json+fhir "
        "application/xml+fhir application/json-patch+json application/jwt application/jose+json "
        "application/jwk-set+json "
        "application/problem+json application/pdf application/octet-stream application/x-www-form-urlencoded "
        "application/zip application/gzip application/dicom application/hl7-v3+xml "
        "application/hl7-sda+xml application/cda+xml "
        "application/soap+xml application/xhtml+xml application/rtf application/javascript text/html text/plain "
        "text/xml "
        "text/css text/csv text/rtf text/json text/turtle text/markdown text/cql text/fhirpath text/cql-identifier "
        "image/jpeg image/png image/gif image/tiff image/svg+xml image/bmp audio/basic audio/mpeg audio/mp4 audio/wav "
        "video/mp4 video/mpeg multipart/form-data multipart/related multipart/mixed json xml html ttl */* "
    ),
    "parameter": frozenset(),
}

SCOPE_WORDS = exact(
    "openid fhirUser profile offline_access online_access launch launch/patient launch/encounter launch/practitioner "
    "email phone address user/*.* patient/*.* system/*.* smart/orchestrate_launch"
)

CANONICALS = exact(
    """http://hl7.org/fhir http://www.w3.org/1999/xhtml
http://hl7.org/fhir/sid/us-ssn http://hl7.org/fhir/sid/us-npi http://hl7.org/fhir/sid/us-mbi http://hl7.org/fhir/sid/us-medicare
http://hl7.org/fhir/sid/icd-10 http://hl7.org/fhir/sid/icd-10-cm http://hl7.org/fhir/sid/icd-9-cm http://hl7.org/fhir/sid/ndc
http://hl7.org/fhir/sid/cvx http://hl7.org/fhir/sid/mvx http://hl7.org/fhir/sid/icpc-2 http://hl7.org/fhir/ndfrt
http://www.cms.gov/Medicare/Coding/ICD10 http://terminology.hl7.org/NamingSystem/npi
http://snomed.info/sct http://loinc.org http://unitsofmeasure.org http://www.nlm.nih.gov/research/umls/rxnorm
http://www.ama-assn.org/go/cpt http://dicom.nema.org/resources/ontology/DCM
urn:ietf:bcp:13 urn:ietf:bcp:47 urn:ietf:rfc:3986 urn:iso:std:iso:3166 urn:iso:std:iso:4217
urn:oid:2.16.840.1.113883.6.238 urn:oid:2.16.840.1.113883.4.1 urn:oid:2.16.840.1.113883.4.6
http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris
http://fhir-registry.smarthealthit.org/StructureDefinition/capabilities
http://hl7.org/fhir/smart-app-launch/StructureDefinition/user-access-brand
http://hl7.org/fhir/smart-app-launch/StructureDefinition/user-access-endpoint
http://hl7.org/fhir/smart-app-launch/StructureDefinition/organization-brand
http://hl7.org/fhir/smart-app-launch/StructureDefinition/organization-portal
http://hl7.org/fhir/smart-app-launch/StructureDefinition/smart-app-state-basic
http://hl7.org/fhir/smart-app-launch/CodeSystem/smart-codes
http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data
http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export
http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export
http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export
http://www.hl7.org/fhir/bulk-data/CapabilityStatement-bulk-data.html
http://hl7.org/fhir/OperationDefinition/Patient-everything
http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription
http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4"""
)
VERSIONS = exact(
    "1.0.2 3.0.1 3.0.2 4.0.0 4.0.1 4.3.0 5.0.0 3.1.1 4.0.0 5.0.1 6.1.0 7.0.0 8.0.0 1.0.0 1.1.0 2.0.0 2.1.0 2.2.0"
)
EXTENSION_PARTS = exact("token authorize register manage introspect revoke ombCategory detailed text")
OPERATIONS = exact(
    "$export $everything $validate $versions $docref $match $member-match $metadata $summary $import $bulk-publish "
    "$export-poll-status $get-resource-counts $reindex $graphql $meta $lastn"
)
OPERATION_PARAMETERS = exact("_type _since _outputFormat _elements _typeFilter patient version default result message")

PATH_WORDS = exact(
    "_history _search metadata .well-known smart-configuration openid-configuration oauth-authorization-server jwks "
    "jwks.json jwks_uri certs keys oauth2 oauth openid openid-connect protocol connect auth authorize authorization "
    "token "
    "introspect revoke revocation register registration manage userinfo logout login fhir FHIR baseDstu2 "
    "baseDstu3 baseR4 "
    "baseR5 r4 R4 r4b R4B r5 R5 stu3 STU3 DSTU2 dstu2 4_0_0 4_0_1 api v1 v2 v3 v4 open public bulk bulkdata export "
    "files file jobs job status bulkstatus export-poll-status output download manifest cds-services brands robots.txt "
    "security.txt favicon.ico realms tenant tenants server hapi-fhir-jpaserver interconnect"
)

# Search parameters that FHIR defines outside SearchParameter resources, and the words of paging, bulk data and OAuth.
CLOSED_PARAMETERS: Mapping[str, frozenset[str]] = {
    "_summary": frozenset({"true", "text", "data", "count", "false"}),
    "_total": frozenset({"none", "estimate", "accurate"}),
    "_contained": frozenset({"true", "false", "both"}),
    "_containedType": frozenset({"container", "contained"}),
    "_pretty": frozenset({"true", "false"}),
    "_bundletype": frozenset({"searchset", "history", "batch-response", "transaction-response"}),
    "_format": EXACT["mime"],
    "_outputFormat": EXACT["mime"],
    "includeAssociatedData": frozenset({"LatestProvenanceResources", "RelevantProvenanceResources"}),
    "response_type": EXACT["response_type"],
    "grant_type": EXACT["grant_type"],
    "code_challenge_method": EXACT["challenge"],
    "client_assertion_type": EXACT["assertion_type"],
    "error": EXACT["error"],
    "token_type": EXACT["token_type"],
    "mode": frozenset({"full", "normative", "terminology"}),
}
INTEGER_PARAMETERS = exact("_count _page _offset _skip _getpagesoffset page offset count _maxresults expires_in")
URI_PARAMETERS = exact("redirect_uri aud iss resource jku error_uri")
DATE_PARAMETERS = frozenset({"_since", "_until", "_at", "_lastUpdated"})
OTHER_PARAMETERS = exact(
    "_type _typeFilter _elements _sort _include _revinclude _has _list _filter _text _content _query "
    "organizeOutputBy "
    "allowPartialManifests _getpages _cursor cursor ct _id start end _after _before "
    "client_id client_secret client_assertion scope state launch code code_challenge code_verifier refresh_token "
    "access_token id_token token nonce prompt error_description username password assertion subject_token device_code "
    "sig se sp sv sr st X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires X-Amz-SignedHeaders X-Amz-Signature "
    "X-Amz-Security-Token Expires Signature Policy Key-Pair-Id AWSAccessKeyId"
)
MODIFIERS = exact(
    "missing exact contains text not above below in not-in of-type ofType identifier iterate recurse type"
)
