"""The kinds of facts: what each is called, what reads it, and when a change of it is for the worse."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prober.diff.pages import judge_page
from prober.nouns.facts import Judgement
from prober.observations import is_internal

Group = Literal["statement", "smart", "openid", "jwks", "brands", "tls", "latency", "page", "finding", "score"]
Value = str | None
Judge = Callable[[Sequence[str], Value, Value], Judgement]
Sample = tuple[str, Value, Value]

WITHHELD = "[withheld]"
"""Stands where a placeholder of redaction stood: placeholders differ from run to run, and say nothing."""
SYSTEM = "system"
"""Stands where the name of a type stands, for what is declared of the whole system."""
DECLARED, SERVED, LISTED, NONE = "declared", "served", "listed", "none"

BANDS = (
    (500_000, "under 0.5 s"),
    (1_000_000, "0.5 to 1 s"),
    (2_000_000, "1 to 2 s"),
    (4_000_000, "2 to 4 s"),
    (8_000_000, "4 to 8 s"),
    (16_000_000, "8 to 16 s"),
)
"""Bands of latency: up to so many microseconds, in words. Neighbours count as the same: see `same_value`."""
SLOWEST = "16 s or more"

_TLS = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_STATUSES = ("unknown", "retired", "draft", "active")
_GATES = ("clean", "suspected", "confirmed")


@dataclass(frozen=True)
class Family:
    """All facts whose keys begin with the same word, the area.

    `segments` is how many parts such a key has: the last one may hold slashes of its own. `probes` are those that read
    what is declared there; `samples` are changes of every kind that there are, for the documentation.
    """

    area: str
    group: Group
    title: str
    noun: Callable[[Sequence[str]], str]
    judge: Judge
    samples: tuple[Sample, ...]
    segments: int = 2
    probes: tuple[str, ...] = ()
    there: str = DECLARED


def judgement_of(key: str, before: Value, after: Value) -> Judgement:
    """Whether it is for the worse that the fact under this key went from one value to the other (None: not there)."""
    family = FAMILIES.get(area_of(key))
    if family is None or before == after:
        return "neutral"
    return family.judge(parts_of(key), before, after)


def same_value(key: str, before: Value, after: Value) -> bool:
    """Whether two values mean the same: equal ones, neighbouring bands of latency, and one label however sure it is."""
    if before == after:
        return True
    if area_of(key) == "label":
        was, now = step_of(before), step_of(after)
        return was is not None and now is not None and _label_name(before) == _label_name(after)
    return area_of(key) == "latency" and abs(_band(before) - _band(after)) == 1


def area_of(key: str) -> str:
    """The part of a key before its first slash."""
    return key.partition("/")[0]


def parts_of(key: str) -> tuple[str, ...]:
    """The parts of a key after its area; slashes inside the last one stay."""
    family = FAMILIES.get(area_of(key))
    return tuple(key.split("/", family.segments - 1 if family else 1)[1:]) or ("",)


def criteria_probes(key: str) -> tuple[str, ...]:
    """The ids of the probes whose findings rest on the fact under this key."""
    area, parts = area_of(key), parts_of(key)
    if area == "finding":
        return parts
    if area == "operation":
        return _BULK if is_export(key) else ("declared_operations_shown", "statement_sound")
    return FAMILIES[area].probes if area in FAMILIES else ()


def is_export(key: str) -> bool:
    """True for the key of an operation that begins a bulk export, at whichever level."""
    return area_of(key) == "operation" and parts_of(key)[-1] == "export"


def bounds(value: Value) -> tuple[int, int] | None:
    """The two numbers of `low..high`; None if the value is no interval."""
    low, dots, high = (value or "").partition("..")
    return (int(low), int(high)) if dots and low.isdecimal() and high.isdecimal() else None


def step_of(value: Value) -> tuple[int, int] | None:
    """The place of a label among the labels of its rule book, and the highest that it could still reach."""
    name, mark, rest = (value or "").rpartition(" (step ")
    words = rest.removesuffix(")").replace(",", "").split()
    if not (name and mark and len(words) == 6 and words[0].isdecimal() and words[3].isdecimal()):
        return None
    return int(words[0]), int(words[3])


def _label_name(value: Value) -> str:
    return (value or "").rpartition(" (step ")[0]


def label_value(name: str, step: int, most: int, count: int) -> str:
    """A label with its place: `NAME (step 2, at most 3 of 5)`."""
    return f"{name} (step {step}, at most {most} of {count})"


def band(microseconds: int) -> str:
    """The band of latency that a duration lies in."""
    return next((words for most, words in BANDS if microseconds < most), SLOWEST)


def _band(value: Value) -> int:
    names = [*(words for _, words in BANDS), SLOWEST]
    return names.index(value) if value in names else -9


def _capability(_: Sequence[str], before: Value, after: Value) -> Judgement:
    if before is None:
        return "improvement"
    return "regression" if after is None else "neutral"


def _neutral(_: Sequence[str], __: Value, ___: Value) -> Judgement:
    return "neutral"


def _only_withdrawn(_: Sequence[str], __: Value, after: Value) -> Judgement:
    return "regression" if after is None else "neutral"


def _moved(_: Sequence[str], before: Value, after: Value) -> Judgement:
    """Clients are sent, and may send their secrets, to another host: until somebody confirms it, that is no good."""
    return "neutral" if before is None or after is None else "regression"


def _address(parts: Sequence[str], before: Value, after: Value) -> Judgement:
    if before is None or after is None:
        return _capability(parts, before, after)
    secure = [one.lower().startswith("https:") for one in (before, after)]
    return ("regression" if secure[0] else "improvement") if secure[0] != secure[1] else "neutral"


def _risky(*names: str) -> Judge:
    """A capability, save that these names are better not offered."""

    def judge(parts: Sequence[str], before: Value, after: Value) -> Judgement:
        if parts[-1] in names:
            before, after = after, before
        return _capability(parts, before, after)

    return judge


def _ranked(names: Sequence[str]) -> Judge:
    """From the worst to the best; a name that is not among them is neither."""

    def judge(parts: Sequence[str], before: Value, after: Value) -> Judgement:
        if before is None or after is None:
            return _capability(parts, before, after)
        if before not in names or after not in names:
            return "neutral"
        return "regression" if names.index(after) < names.index(before) else "improvement"

    return judge


def _statement(parts: Sequence[str], before: Value, after: Value) -> Judgement:
    if parts == ("status",):
        return _ranked(_STATUSES)(parts, before, after)
    if parts == ("fhirVersion",) and before and after:
        r4 = [one.startswith("4.0") for one in (before, after)]
        return ("regression" if r4[0] else "improvement") if r4[0] != r4[1] else "neutral"
    if parts == ("kind",) and before and after:
        return "regression" if before == "instance" else "improvement" if after == "instance" else "neutral"
    return _capability(parts, before, after)


def _implementation(parts: Sequence[str], before: Value, after: Value) -> Judgement:
    if parts == ("host",) and before and after:
        found_out = is_internal(f"https://{before}") and not is_internal(f"https://{after}")
        return "improvement" if found_out else "regression"
    return _moved(parts, before, after) if parts == ("host",) else _address(parts, before, after)


def _security(parts: Sequence[str], before: Value, after: Value) -> Judgement:
    return _ranked(("false", "true"))(parts, before, after)


def _document(parts: Sequence[str], before: Value, after: Value) -> Judgement:
    if parts == ("issuer",) and before and after:
        # Whoever signs is somebody else: until it is confirmed, that is no good. A step to https is.
        return "improvement" if "https" + before.removeprefix("http") == after else "regression"
    if parts == ("issuer",):
        return _capability(parts, before, after)
    return _ranked((NONE, SERVED))(parts, before, after)


def _brands(parts: Sequence[str], before: Value, after: Value) -> Judgement:
    return _ranked((NONE, LISTED if parts == ("own_base",) else SERVED))(parts, before, after)


def _certificate(parts: Sequence[str], before: Value, after: Value) -> Judgement:
    return _ranked(("expired", "valid"))(parts, before, after) if parts == ("state",) else "neutral"


def _latency(_: Sequence[str], before: Value, after: Value) -> Judgement:
    apart = _band(after) - _band(before)
    if before is None or after is None or abs(apart) < 2:
        return "neutral"
    return "regression" if apart > 0 else "improvement"


def _finding(_: Sequence[str], before: Value, after: Value) -> Judgement:
    if after == "absent" and before in ("present", "not_applicable"):
        return "regression"
    return "improvement" if after == "present" and before in ("absent", "not_applicable") else "neutral"


def _level(_: Sequence[str], before: Value, after: Value) -> Judgement:
    """Only what is sure counts: an interval that grew wider, because less could be seen, is neither."""
    return _sure(bounds(before), bounds(after))


def _label(_: Sequence[str], before: Value, after: Value) -> Judgement:
    return _sure(step_of(before), step_of(after))


def _sure(was: tuple[int, int] | None, now: tuple[int, int] | None) -> Judgement:
    if was is None or now is None:
        return "neutral"
    if now[1] < was[0]:
        return "regression"
    return "improvement" if now[0] > was[0] else "neutral"


def _gate(_: Sequence[str], before: Value, after: Value) -> Judgement:
    was, now = ("suspected" if one == "would_apply" else one for one in (before, after))
    if now not in _GATES:
        return "neutral"
    if was not in _GATES:
        return "neutral" if now == "clean" else "regression"
    if was == now:
        return "neutral"
    return "regression" if _GATES.index(now) > _GATES.index(was) else "improvement"


def _of(what: str) -> Callable[[Sequence[str]], str]:
    """The noun of a thing that belongs to a type, or to the whole system."""

    def noun(parts: Sequence[str]) -> str:
        where = "the whole system" if parts[0] == SYSTEM else parts[0]
        return f"the {what} {parts[-1]} of {where}"

    return noun


def _named(what: str) -> Callable[[Sequence[str]], str]:
    return lambda parts: f"the {what} {parts[-1]}"


def _from(words: Mapping[str, str], other: str) -> Callable[[Sequence[str]], str]:
    return lambda parts: words.get(parts[-1], f"{other} {parts[-1]}")


def _operation(parts: Sequence[str]) -> str:
    return _of("operation")((*parts[:-1], f"${parts[-1]}"))


def _simple(key: str, *, altered: tuple[str, str] | None = None) -> tuple[Sample, ...]:
    found: tuple[Sample, ...] = ((key, DECLARED, None), (key, None, DECLARED))
    return (*found, (key, *altered)) if altered else found


def _url(key: str) -> tuple[Sample, ...]:
    old, new = "https://auth.example.org/a", "https://auth.example.org/b"
    return ((key, old, None), (key, old, "http" + old[5:]), (key, None, old), (key, old, new))


def _host(key: str) -> tuple[Sample, ...]:
    return ((key, "auth.example.org", "auth.example.net"),)


_US_CORE = "http://hl7.org/fhir/us/core"
_BULK = ("bulk_export_declared", "bulk_kick_off_accepted", "bulk_kick_off_protected", "declared_operations_shown")
_SMART = ("smart_configuration_served", "smart_required_fields")
_ADDRESSES = ("smart_urls_absolute", "smart_endpoints_answer", "smart_agrees_with_statement")

_ALL = (
    Family(
        *("statement", "statement", "What the CapabilityStatement says of itself"),
        _from(
            {
                "document": "the CapabilityStatement",
                "fhirVersion": "the FHIR version of the CapabilityStatement",
                "status": "the status of the CapabilityStatement",
                "kind": "the kind of the CapabilityStatement",
            },
            "the member of the CapabilityStatement",
        ),
        _statement,
        (
            ("statement/status", "active", "retired"),
            ("statement/fhirVersion", "4.0.1", "5.0.0"),
            ("statement/kind", "instance", "capability"),
            ("statement/status", "draft", "active"),
            ("statement/fhirVersion", "4.0.0", "4.0.1"),
        ),
        probes=("statement_parses_as_r4", "statement_sound", "statement_specific", "fhir_version_supported"),
    ),
    Family(
        *("software", "statement", "The software that the statement names"),
        _from({"name": "the name of the software", "version": "the version of the software"}, "the software's"),
        _capability,
        (
            ("software/name", "Example", None),
            ("software/name", None, "Example"),
            ("software/version", "8.8.0", "8.9.0"),
        ),
        probes=("software_named",),
    ),
    Family(
        *("implementation", "statement", "Where the statement says that it speaks for (`implementation.url`)"),
        _from(
            {"url": "the address in implementation.url", "host": "the host of implementation.url"},
            "the implementation's",
        ),
        _implementation,
        (
            ("implementation/url", "https://fhir.example.org/r4", None),
            ("implementation/host", "fhir.example.org", "fhir.internal"),
            ("implementation/host", "fhir.internal", "fhir.example.org"),
            ("implementation/url", "https://fhir.example.org/r4", "https://fhir.example.org/fhir"),
        ),
        probes=("implementation_url_matches",),
    ),
    Family(
        *("type", "statement", "Resource types; what belongs to a type that comes or goes is told with it"),
        _named("resource type"),
        _capability,
        _simple("type/Patient"),
        probes=("declared_interactions_shown", "statement_sound"),
    ),
    Family(
        *("interaction", "statement", "Interactions of a type, and of the system"),
        _of("interaction"),
        _capability,
        _simple("interaction/Patient/read"),
        segments=3,
        probes=("declared_interactions_shown",),
    ),
    Family(
        *("search_param", "statement", "Search parameters"),
        _of("search parameter"),
        _capability,
        _simple("search_param/Patient/birthdate"),
        segments=3,
        probes=("statement_sound",),
    ),
    Family(
        *("operation", "statement", "Operations; a published definition tells which one it is, whatever its name"),
        _operation,
        _capability,
        _simple("operation/Group/export"),
        segments=3,
        probes=_BULK,
    ),
    Family(
        *("profile", "statement", "Supported profiles; the value is the version that is named"),
        _of("profile"),
        _capability,
        _simple(
            f"profile/Patient/{_US_CORE}/StructureDefinition/us-core-patient",
            altered=("version 5.0.1", "version 6.1.0"),
        ),
        segments=3,
        probes=("us_core_declared", "national_core_declared"),
    ),
    Family(
        *("format", "statement", "Formats, without their parameters"),
        _named("format"),
        _capability,
        _simple("format/application/fhir+json"),
        probes=("statement_sound",),
    ),
    Family(
        *("patch_format", "statement", "Formats of patches"),
        _named("patch format"),
        _capability,
        _simple("patch_format/application/json-patch+json"),
    ),
    Family(
        *("instantiates", "statement", "CapabilityStatements that it instantiates; the value is the version"),
        _named("instantiated CapabilityStatement"),
        _capability,
        _simple(
            "instantiates/http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data",
            altered=("version 1.0.0", "version 2.0.0"),
        ),
        probes=("us_core_declared", "national_core_declared", "bulk_export_declared"),
    ),
    Family(
        *("implementation_guide", "statement", "Implementation guides; the value is the version"),
        _named("implementation guide"),
        _capability,
        _simple(
            f"implementation_guide/{_US_CORE}/ImplementationGuide/hl7.fhir.us.core",
            altered=("version 5.0.1", "version 6.1.0"),
        ),
        probes=("us_core_declared", "national_core_declared"),
    ),
    Family(
        *("security", "statement", "Access from web pages (`cors`)"),
        _from({"cors": "access from web pages (cors)"}, "the security member"),
        _security,
        (("security/cors", "true", "false"), ("security/cors", "false", "true")),
        probes=("discovery_open_to_browsers",),
    ),
    Family(
        *("security_service", "statement", "Security services"),
        _named("security service"),
        _capability,
        _simple("security_service/SMART-on-FHIR"),
        probes=("smart_declared",),
    ),
    Family(
        *("oauth_uri", "statement", "Authorization addresses of the statement (`oauth-uris`)"),
        _named("statement's authorization address"),
        _address,
        _url("oauth_uri/token"),
        probes=("smart_declared", "smart_agrees_with_statement"),
    ),
    Family(
        *("oauth_host", "statement", "Their hosts, until somebody confirms the new one"),
        lambda parts: f"the host of the statement's authorization address {parts[-1]}",
        _moved,
        _host("oauth_host/token"),
        probes=("smart_agrees_with_statement",),
    ),
    Family(
        *("capped", "statement", "Kinds of facts of which there are more than prober compares"),
        lambda parts: f"the note that not all facts of the kind {parts[-1]} are compared",
        _neutral,
        (("capped/search_param", None, "10001 found, 10000 kept"),),
        there="there",
    ),
    Family(
        *("smart", "smart", "The SMART configuration; what stands in it is told with it"),
        _from({"document": "the SMART configuration", "issuer": "the issuer of the SMART configuration"}, "its"),
        _document,
        (
            ("smart/document", SERVED, NONE),
            ("smart/issuer", "https://auth.example.org", "https://auth.example.net"),
            ("smart/document", NONE, SERVED),
        ),
        probes=_SMART,
    ),
    Family(
        *("smart_capability", "smart", "SMART capabilities"),
        _named("SMART capability"),
        _capability,
        _simple("smart_capability/launch-ehr"),
        probes=("g10_capabilities_complete", "smart_app_launch_sets", "smart_capabilities_known"),
    ),
    Family(
        *("scope", "smart", "Scopes"),
        _named("scope"),
        _only_withdrawn,
        _simple("scope/patient/*.rs"),
        probes=("granular_scopes_declared",),
    ),
    Family(
        *("grant_type", "smart", "Grant types; `implicit` and `password` are better not offered"),
        _named("grant type"),
        _risky("implicit", "password"),
        (*_simple("grant_type/client_credentials"), *_simple("grant_type/password")),
        probes=("smart_required_fields",),
    ),
    Family(
        *("code_challenge_method", "smart", "Code challenge methods; `plain` is better not offered"),
        _named("code challenge method"),
        _risky("plain"),
        (*_simple("code_challenge_method/S256"), *_simple("code_challenge_method/plain")),
        probes=("pkce_s256_only",),
    ),
    Family(
        *("response_type", "smart", "Response types"),
        _named("response type"),
        _risky("token", "id_token", "id_token token"),
        _simple("response_type/code"),
    ),
    Family(
        *("token_auth_method", "smart", "How clients may authenticate at the token endpoint"),
        _named("client authentication method"),
        _capability,
        _simple("token_auth_method/private_key_jwt"),
        probes=("smart_asymmetric_fields",),
    ),
    Family(
        *("token_signing_alg", "smart", "Signing algorithms at the token endpoint; `none` is better not offered"),
        _named("signing algorithm"),
        _risky("none"),
        (*_simple("token_signing_alg/ES384"), *_simple("token_signing_alg/none")),
        probes=("smart_asymmetric_fields",),
    ),
    Family(
        *("endpoint", "smart", "Addresses in the SMART configuration"),
        _named("SMART address"),
        _address,
        _url("endpoint/token_endpoint"),
        probes=_ADDRESSES,
    ),
    Family(
        *("endpoint_host", "smart", "Their hosts, until somebody confirms the new one"),
        lambda parts: f"the host of the SMART address {parts[-1]}",
        _moved,
        _host("endpoint_host/token_endpoint"),
        probes=_ADDRESSES,
    ),
    Family(
        *("openid", "openid", "The OpenID configuration"),
        _from({"document": "the OpenID configuration", "issuer": "the issuer of the OpenID configuration"}, "its"),
        _document,
        (
            ("openid/document", SERVED, NONE),
            ("openid/issuer", "https://auth.example.org", "https://auth.example.net"),
            ("openid/document", NONE, SERVED),
        ),
        probes=("openid_configuration_matches",),
    ),
    Family(
        *("openid_endpoint", "openid", "Addresses in the OpenID configuration"),
        _named("OpenID address"),
        _address,
        _url("openid_endpoint/userinfo_endpoint"),
        probes=("openid_configuration_matches",),
    ),
    Family(
        *("openid_host", "openid", "Their hosts, until somebody confirms the new one"),
        lambda parts: f"the host of the OpenID address {parts[-1]}",
        _moved,
        _host("openid_host/userinfo_endpoint"),
        probes=("openid_configuration_matches",),
    ),
    Family(
        *("id_token_signing_alg", "openid", "Algorithms that sign id tokens; `none` is better not offered"),
        _named("algorithm for id tokens"),
        _risky("none"),
        (*_simple("id_token_signing_alg/RS256"), *_simple("id_token_signing_alg/none")),
        probes=("openid_configuration_matches",),
    ),
    Family(
        *("jwks", "jwks", "The key set at `jwks_uri`"),
        _from({"document": "the key set"}, "its"),
        _document,
        (("jwks/document", SERVED, NONE), ("jwks/document", NONE, SERVED)),
        probes=("jwks_published",),
    ),
    Family(
        *("jwks_key", "jwks", "Public keys by their thumbprint (RFC 7638): keys are rotated"),
        lambda parts: f"the public key with the thumbprint {parts[-1]}",
        _neutral,
        (
            ("jwks_key/qrg9nHnS0fM6", None, "RSA, kid 2026-11, use sig, alg RS384"),
            ("jwks_key/qrg9nHnS0fM6", "RSA, kid 2026-11, use sig, alg RS384", None),
        ),
        probes=("jwks_published",),
        there="published",
    ),
    Family(
        *("brands", "brands", "The bundle of user-access brands, and whether the base is in it"),
        _from({"document": "the brand bundle", "own_base": "this base"}, "the brand bundle's"),
        _brands,
        (
            ("brands/document", SERVED, NONE),
            ("brands/own_base", LISTED, NONE),
            ("brands/document", NONE, SERVED),
            ("brands/own_base", NONE, LISTED),
        ),
        probes=("brands_served", "brands_list_base"),
    ),
    Family(
        *("brand", "brands", "Brands by their identifier, else by their name; the value is the name"),
        _named("brand"),
        _capability,
        (
            ("brand/https://hospital.example.org", "General Hospital", None),
            ("brand/https://hospital.example.org", None, "General Hospital"),
            ("brand/https://hospital.example.org", "General Hospital", "University Hospital"),
        ),
        probes=("brands_served", "brands_sound"),
        there=LISTED,
    ),
    Family(
        *(
            "brand_host",
            "brands",
            "Hosts of the endpoints of brands; endpoints that come or go with one are told with it",
        ),
        _named("host of endpoints of brands"),
        _only_withdrawn,
        (("brand_host/fhir.example.org", LISTED, None), ("brand_host/fhir.example.net", None, LISTED)),
        probes=("brands_sound",),
        there=LISTED,
    ),
    Family(
        *("brand_endpoint", "brands", "Other endpoints of brands; the value is the version of FHIR"),
        _named("endpoint of brands"),
        _capability,
        (
            ("brand_endpoint/https://fhir.example.org/r4", "FHIR 4.0.1", None),
            ("brand_endpoint/https://fhir.example.org/r4", None, "FHIR 4.0.1"),
            ("brand_endpoint/https://fhir.example.org/r4", "FHIR 4.0.1", "FHIR 4.0.1, FHIR 5.0.0"),
        ),
        probes=("brands_sound",),
        there=LISTED,
    ),
    Family(
        *("tls", "tls", "The version of TLS that was agreed on"),
        _from({"version": "the version of TLS"}, "the TLS member"),
        _ranked(_TLS),
        (("tls/version", "TLSv1.3", "TLSv1.2"), ("tls/version", "TLSv1.2", "TLSv1.3")),
        probes=("tls_modern",),
    ),
    Family(
        *("certificate", "tls", "The certificate; its last day is told with a new one"),
        _from(
            {
                "sha256": "the certificate",
                "issuer": "the issuer of the certificate",
                "not_after": "the last day of the certificate",
                "state": "the state of the certificate",
            },
            "the certificate's",
        ),
        _certificate,
        (
            ("certificate/state", "valid", "expired"),
            ("certificate/state", "expired", "valid"),
            ("certificate/sha256", "9d82…", "1f4c…"),
            ("certificate/issuer", "CN=One", "CN=Two"),
        ),
        probes=("certificate_valid",),
    ),
    Family(
        *("certificate_name", "tls", "Names in the certificate"),
        _named("certificate's name"),
        _neutral,
        (("certificate_name/fhir.example.org", "there", None), ("certificate_name/fhir.example.org", None, "there")),
        probes=("certificate_valid",),
        there="there",
    ),
    Family(
        *("latency", "latency", "How soon an answer begins, as a band; neighbouring bands count as the same"),
        lambda _: "the time until /metadata begins to answer",
        _latency,
        (("latency/metadata", "under 0.5 s", "1 to 2 s"), ("latency/metadata", "1 to 2 s", "under 0.5 s")),
        probes=("answers_promptly",),
        there="measured",
    ),
    Family(
        *("page", "page", "Published pages (`doc_urls`) by their addresses; only what both runs saw is compared"),
        _named("published page"),
        judge_page,
        (
            ("page/https://www.example.org/connect", "open: html", "gone"),
            ("page/https://www.example.org/connect", "open: html", "login"),
            ("page/https://www.example.org/connect", "open: html", "elsewhere: docs.example.net"),
            ("page/https://www.example.org/connect", "gone", "open: html"),
            ("page/https://www.example.org/connect", "open: html", "open: pdf"),
        ),
        probes=("pages_open",),
        there="there",
    ),
    Family(
        *("finding", "finding", "Findings of the probes; `unknown` is neither yes nor no"),
        lambda parts: f"the finding of {parts[-1]}",
        _finding,
        (
            ("finding/patient_read", "present", "absent"),
            ("finding/patient_read", "not_applicable", "absent"),
            ("finding/patient_read", "absent", "present"),
            ("finding/patient_read", "present", "unknown: timed_out"),
            ("finding/patient_read", "unknown: timed_out", "absent"),
        ),
        there="there",
    ),
    Family(
        *("criterion", "score", "Levels of the criteria, at least and at most; only what is sure counts"),
        lambda parts: f"the level of {parts[-1]}",
        _level,
        (
            ("criterion/S8.STD.1", "2..2", "1..1"),
            ("criterion/S8.STD.1", "1..2", "2..2"),
            ("criterion/S8.STD.1", "2..2", "0..2"),
            ("criterion/S8.STD.1", "2..2", "n/a"),
        ),
        there="there",
    ),
    Family(
        *("gate", "score", "Gates; `would_apply` counts as suspected"),
        lambda parts: f"the gate {parts[-1]}",
        _gate,
        (
            ("gate/S8.GATE.3", "clean", "suspected"),
            ("gate/S8.GATE.3", "untested", "suspected"),
            ("gate/S8.GATE.3", "confirmed", "clean"),
            ("gate/S8.GATE.3", "clean", "untested"),
        ),
        there="there",
    ),
    Family(
        *("label", "score", "The label, with its step and the highest one that is still possible"),
        lambda _: "the label",
        _label,
        (
            ("label/name", label_value("Progressing", 3, 3, 5), label_value("Emerging", 2, 2, 5)),
            ("label/name", label_value("Emerging", 2, 3, 5), label_value("Progressing", 3, 3, 5)),
            ("label/name", label_value("Progressing", 3, 3, 5), label_value("Not rated", 1, 3, 5)),
        ),
        there="there",
    ),
    Family(
        *("rule_book", "score", "The rule book; under another major version levels, gates and label are not compared"),
        lambda parts: f"the rule book {parts[-1]}",
        _neutral,
        (("rule_book/stage8_proposal", "1.0.0", "1.1.0"),),
        there="there",
    ),
)

FAMILIES: Mapping[str, Family] = {one.area: one for one in _ALL}
"""Every kind of fact by its area."""

UNMAPPED = frozenset({"patch_format", "capped", "response_type", "criterion", "gate", "label", "rule_book"})
"""Areas that no probe reads: what is declared there moves no criterion, or is itself what the score says."""

HOSTS: Mapping[str, str] = {"oauth_uri": "oauth_host", "endpoint": "endpoint_host", "openid_endpoint": "openid_host"}
"""Areas of addresses, and the area that holds the host of each."""


def areas(*groups: Group) -> tuple[str, ...]:
    """The areas of these groups, in their order."""
    return tuple(one.area for one in _ALL if one.group in groups)
