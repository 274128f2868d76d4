"""The catalogue of planted defects: what each one makes the sandbox do wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

_IN_CLEAR = {
    "brands_dangling": "The brand bundle lists an endpoint that no brand refers to.",
    "brands_missing": "The brand bundle that the SMART configuration names answers 404.",
    "brands_primary_unknown": "The SMART configuration names as its primary brand one that the brand bundle lacks.",
    "brands_without_base": "The brand bundle lists another FHIR base instead of the server's own.",
    "broken_json": "The CapabilityStatement is cut off in the middle of its JSON.",
    "connection_reset": "The connection is reset instead of an answer to /metadata.",
    "count_with_entries": "A search with _summary=count still returns the entries.",
    "declared_type_missing": "Immunization is declared, yet every request for it answers 404 not-supported.",
    "deep_json": "The CapabilityStatement holds 100,000 nested arrays.",
    "delete_refused": "Deleting an export answers 405 and the export stays.",
    "double_gzip": "The CapabilityStatement is compressed twice: Content-Encoding: gzip, gzip.",
    "duplicate_keys": "The CapabilityStatement has the member status twice with different values.",
    "endless_body": "The body of /metadata never ends.",
    "errors_bare": "Every error is a line of plain text instead of an OperationOutcome.",
    "etag_missing": "A read carries neither ETag nor Last-Modified.",
    "export_empty": "The export finishes with no output file.",
    "export_file_in_error": "The manifest lists a file under error.",
    "export_files_open": "Exported files are given to anybody, though the manifest says that a token is required.",
    "export_never_ends": "The export stays in progress for ever.",
    "export_not_found": "Every declared export operation answers 404.",
    "export_relative_location": "The Content-Location of an accepted export is a relative URL.",
    "garbage_bearer_accepted": "Any bearer token at all opens the patient data.",
    "ghost_id_answered": "Reading an id that does not exist answers 200 with an OperationOutcome.",
    "gzip_bomb": "The answer to /metadata is one megabyte that unpacks to one gigabyte of zeros.",
    "header_flood": "The answer to /metadata has two megabytes of headers.",
    "internal_implementation_url": "The CapabilityStatement gives an internal host in implementation.url.",
    "jwks_missing": "The key set that jwks_uri names answers 404.",
    "jwks_private": "The published key set contains the private halves of its keys.",
    "manifest_broken": "The manifest has no instant, no request, no error list, a textual boolean and relative URLs.",
    "metadata_dstu2": "The answer to /metadata is a DSTU2 Conformance resource.",
    "metadata_login": "The CapabilityStatement answers 401 without a token.",
    "metadata_login_page": "The answer to /metadata is a login page in HTML under status 200.",
    "metadata_operation_outcome": "The answer to /metadata is an OperationOutcome under status 200.",
    "metadata_server_error": "The answer to /metadata is status 500.",
    "metadata_stu3": "The CapabilityStatement says that it is FHIR 3.0.1.",
    "metadata_xml_only": "The CapabilityStatement comes as XML whatever the request accepts.",
    "national_core_missing": "The CapabilityStatement names no guide of a country and no profile of one.",
    "ndjson_truncated": "The last line of every exported file is cut off in the middle.",
    "ndjson_wrong_count": "The manifest counts one line more than each file has.",
    "no_cors": "No answer carries CORS headers.",
    "open_export": "An export is started for anybody, without a token.",
    "open_patient_data": "Reads and searches are answered without a token.",
    "openid_issuer_differs": "The OpenID configuration names another issuer than the SMART configuration.",
    "paging_duplicates": "Every page after the first begins with the last entry of the page before.",
    "paging_loop": "The next link of every page points to that same page.",
    "page_gone": "A page that the provider publishes answers 404.",
    "page_login": "A page that the provider publishes is a login page under status 200.",
    "page_server_error": "Every page that the provider publishes answers status 500.",
    "patient_read_error": "Reading a Patient answers status 500.",
    "read_wrong_id": "Reading one Patient returns another one.",
    "redirect_loop": "The answer to /metadata is a redirect to /metadata.",
    "retry_after_epoch": "The first answers of /metadata (429) and of an export status have Retry-After as an epoch.",
    "search_ignores_id": "A search by _id returns every record of the type.",
    "slow_answers": "Every answer comes after four seconds.",
    "slow_drip": "The CapabilityStatement comes at one byte every 0.2 seconds.",
    "smart_asymmetric_incomplete": "Asymmetric clients are declared without private_key_jwt and without algorithms.",
    "smart_capabilities_string": "The capabilities of the SMART configuration are one string instead of a list.",
    "smart_capability_withdrawn": "The SMART configuration lacks permission-patient, which every launch set needs.",
    "smart_dead_endpoints": "The authorization and token endpoints lie on a port that refuses connections.",
    "smart_disagrees": "The CapabilityStatement gives other OAuth endpoints than the SMART configuration.",
    "smart_html": "The SMART configuration is an HTML page under status 200.",
    "smart_login": "The SMART configuration answers 401 without a token.",
    "smart_missing": "The SMART configuration answers 404.",
    "smart_no_token_endpoint": "The SMART configuration has no token_endpoint.",
    "smart_not_declared": "The CapabilityStatement does not declare SMART-on-FHIR.",
    "smart_plain_pkce": "The SMART configuration offers the PKCE method plain.",
    "smart_relative_urls": "The endpoints of the SMART configuration are relative URLs.",
    "smart_unknown_capability": "The SMART configuration lists a capability that HL7 does not know.",
    "statement_boilerplate": "The CapabilityStatement lists bare types: no interactions, searches or profiles.",
    "statement_unsound": "The CapabilityStatement is of kind capability and has no date and no format.",
    "strict_ignored": "An unknown search parameter is ignored in spite of Prefer: handling=strict.",
    "throttled": "Every request answers 429 with Retry-After: 1.",
    "unknown_type_accepted": "A type that does not exist answers 200 with an HTML page.",
}
_OVER_TLS = {
    "certificate_expired": "The certificate of the server expired yesterday.",
    "certificate_unknown_issuer": "The certificate of the server was signed by an authority that nobody trusts.",
    "certificate_wrong_host": "The certificate of the server names another host.",
    "plain_http_fhir": "The port of the server also answers FHIR over unencrypted http.",
    "tls10_accepted": "The server accepts TLS 1.0.",
    "tls11_accepted": "The server accepts TLS 1.1.",
}


@dataclass(frozen=True)
class Defect:
    """A planted defect: its name, a sentence on what goes wrong, and whether it shows only over TLS."""

    name: str
    sentence: str
    needs_tls: bool = False


DEFECTS: Mapping[str, Defect] = MappingProxyType(
    {name: Defect(name, sentence, name in _OVER_TLS) for name, sentence in sorted({**_IN_CLEAR, **_OVER_TLS}.items())}
)
HEALTHY = "leader"
"""The persona that has no fault of its own."""
PERSONAS: Mapping[str, str] = MappingProxyType(
    {
        "leader": "A healthy FHIR R4 server with US Core patients, SMART discovery and bulk export.",
        "typical": "The vendor-hosted server of a community hospital: older US Core, SMART launches, no bulk export.",
        "laggard": "A server left as the vendor copied it: bare types, no SMART discovery, but closed without a token.",
    }
)


def planted(names: Iterable[str], tls: bool, persona: str = HEALTHY) -> frozenset[str]:
    """The checked set of defect names.

    Raises ValueError for an unknown name, for one that needs TLS without it, and for any in a persona that is not
    healthy, where nobody could tell the defect from what is wrong anyhow.
    """
    chosen = frozenset([names] if isinstance(names, str) else names)
    for name in sorted(chosen):
        if name not in DEFECTS:
            raise ValueError(_unknown("defect", name, DEFECTS))
        if DEFECTS[name].needs_tls and not tls:
            raise ValueError(f"The defect {name!r} shows only over TLS; start the sandbox with TLS.")
    if chosen and persona != HEALTHY:
        raise ValueError(f"Defects are planted only in the persona {HEALTHY}, and this one is {persona}.")
    return chosen


def known_persona(name: str) -> str:
    """The name itself; ValueError when no persona is called so."""
    if name not in PERSONAS:
        raise ValueError(_unknown("persona", name, PERSONAS))
    return name


def _unknown(what: str, name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.4) or list(known)[:3]
    return f"There is no {what} {name!r}; the nearest are {', '.join(near)}."
