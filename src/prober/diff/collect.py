"""Reads out of a run everything that is so of its target, as facts under keys that mean the same on every night."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from prober.diff.answers import Found, Index, index_of, pages_in_order, published_in, smart_in, statement_in
from prober.diff.families import (
    DECLARED,
    LISTED,
    NONE,
    SERVED,
    SYSTEM,
    WITHHELD,
    Group,
    areas,
    band,
    label_value,
)
from prober.diff.pages import pages_in
from prober.nouns.base import JSON, canonical
from prober.nouns.evidence import Exchange, Transport
from prober.nouns.facts import Fact, Facts
from prober.nouns.finding import Finding
from prober.nouns.run import Run
from prober.nouns.scorecard import LabelScore, MaturityScore, Scorecard
from prober.observations import (
    BrandBundle,
    BrandEntry,
    CapabilityStatement,
    SmartConfiguration,
    brands_answer,
    cannot_tell,
    closed,
    is_for_everybody,
    items,
    openid_configuration,
    published_keys,
    resolved,
    text,
)

MOST_PER_AREA = 10_000
"""Facts of one kind: of more, the first in the order of their keys are kept. The most known here are 2,900."""
LONGEST_TYPE, LONGEST_NAME, LONGEST_VALUE = 64, 300, 1_000
"""Characters of a type's name in a key, of a key's last part, and of a value. What is longer ends with its hash."""
MOST_BYTES = 2_400
"""Bytes of a value, or of a place in an answer, as UTF-8: an index of PostgreSQL takes no more than 2,700."""
FEWEST_SAMPLES = 2
SHORTEST_PLACEHOLDER = 25
"""Characters: a shorter text holds no placeholder, and need not be cut."""

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
EXPORT = "export"
_HL7 = "http://hl7.org/fhir/"
_LISTS = {
    "capabilities": "smart_capability",
    "scopes_supported": "scope",
    "grant_types_supported": "grant_type",
    "code_challenge_methods_supported": "code_challenge_method",
    "response_types_supported": "response_type",
    "token_endpoint_auth_methods_supported": "token_auth_method",
    "token_endpoint_auth_signing_alg_values_supported": "token_signing_alg",
}
_ADDRESSES = ("_endpoint", "_uri", "_url", "_bundle")
_URI = "urn:ietf:rfc:3986"
UNNAMED = "[unnamed]"
_PORTS = {"http": 80, "https": 443}
_PLACEHOLDER = re.compile(
    r"(?<![0-9A-Za-z])[px]_?[0-9a-f]{24}(?![0-9a-f])|urn:uuid:[0-9a-fA-F-]{36}|urn:oid:2\.25\.[0-9]{1,39}"
)
_THUMBPRINT: Mapping[str, tuple[str, ...]] = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
}
"""The members that make a thumbprint (RFC 7638 section 3.2, RFC 8037 section 2). A symmetric key has none: it is
secret."""


class _Collector:
    """Gathers facts; the first of two under one key stays."""

    def __init__(self) -> None:
        self.facts: dict[str, tuple[str, str, str]] = {}
        """Key -> value, exchange, pointer: nouns are made of those that stay, once."""
        self.seen: set[str] = set()

    def saw(self, *groups: Group) -> None:
        self.seen.update(areas(*groups))

    def add(self, key: str, value: str, exchange: str = "", pointer: str = "") -> None:
        if key not in self.facts:
            self.facts[key] = (value, exchange, pointer)

    def cap(self) -> None:
        """Leave out what is too much, and say so; and what no database takes."""
        for key, (value, exchange, pointer) in list(self.facts.items()):
            if "\0" in key or "\0" in value or len(value) > MOST_BYTES // 4 or len(pointer) > MOST_BYTES // 4:
                del self.facts[key]
                self.add(_storable(key), _storable(value), exchange, pointer)
            if "\0" in pointer or len(pointer) > MOST_BYTES // 4:
                kept = _storable(key)
                self.facts[kept] = (*self.facts[kept][:2], "")
        counts = Counter(key.partition("/")[0] for key in self.facts)
        for area, count in counts.items():
            if count > MOST_PER_AREA:
                keys = sorted(key for key in self.facts if key.partition("/")[0] == area)
                for key in keys[MOST_PER_AREA:]:
                    del self.facts[key]
                self.add(f"capped/{area}", f"{count} found, {MOST_PER_AREA} kept")


def facts_of(
    run: Run, exchanges: Mapping[str, Exchange], findings: Sequence[Finding], card: Scorecard | None, *, digest: str
) -> Facts:
    """Everything that this run tells about its target. Without findings, or without a card, these are not seen.

    `digest` is the run's `collected_digest`. Pure: equal evidence gives equal facts, whatever the order of things in
    it, and nothing that a server sent makes it fail or grow without bounds.
    """
    into, index = _Collector(), index_of(exchanges.values())
    statement = statement_in(index, has_credentials=run.has_credentials)
    if statement is not None:
        into.saw("statement")
        _statement(into, statement, run.subject)
    _authorization(into, index, run, stated=statement is not None)
    _connection(into, index, run.started)
    _latency(into, index)
    for url, value, shown in pages_in(pages_in_order(index)):
        into.saw("page")
        into.add(_key("page", url), _value(value), shown)
    if findings:
        into.saw("finding")
        _findings(into, findings, run.subject)
    if card is not None and card.maturity is not None:
        into.saw("score")
        _score(into, card.maturity)
    into.cap()
    return Facts.trusted(
        schema_="prober/facts/1",
        subject=run.subject,
        environment=run.environment,
        depth=run.plan.depth,
        run=run.id,
        started=run.started,
        digest=digest,
        seen=tuple(sorted(into.seen)),
        facts=tuple(_nouns(into.facts)),
    )


def _nouns(found: Mapping[str, tuple[str, str, str]]) -> Iterator[Fact]:
    """What `Fact.trusted` would make, for the thousands of facts of a large statement in a third of the time."""
    new, put, names = Fact.__new__, object.__setattr__, set(Fact.model_fields)
    for key in sorted(found):
        value, exchange, pointer = found[key]
        one = new(Fact)
        put(one, "__dict__", {"key": key, "value": value, "exchange": exchange, "pointer": pointer})
        put(one, "__pydantic_fields_set__", names)
        put(one, "__pydantic_extra__", None)
        put(one, "__pydantic_private__", None)
        yield one


def _statement(into: _Collector, statement: CapabilityStatement, base: str) -> None:
    exchange, document = statement.answer.id, statement.json
    into.add("statement/document", SERVED, exchange)
    for name in ("fhirVersion", "status", "kind"):
        if found := text(document.get(name)):
            into.add(f"statement/{name}", _value(found), exchange, f"/{name}")
    _members(into, document, "software", ("name", "version"), exchange)
    implementation = document.get("implementation")
    if isinstance(implementation, dict):
        _address(into, "implementation/url", "implementation/host", implementation.get("url"), base, exchange)
    for member, area in (("format", "format"), ("patchFormat", "patch_format")):
        for at, one in _texts(document.get(member)):
            into.add(_key(area, _media_type(one)), DECLARED, exchange, f"/{member}/{at}")
    for member, area in (("instantiates", "instantiates"), ("implementationGuide", "implementation_guide")):
        _canonicals(into, (area,), document.get(member), exchange, f"/{member}")
    if statement.rest_index is not None:
        _rest(into, statement, base)


def _members(into: _Collector, document: dict[str, JSON], member: str, names: Sequence[str], exchange: str) -> None:
    inner = document.get(member)
    for name in names:
        if isinstance(inner, dict) and (found := text(inner.get(name))):
            into.add(f"{member}/{name}", _value(found), exchange, f"/{member}/{name}")


def _rest(into: _Collector, statement: CapabilityStatement, base: str) -> None:
    exchange, rest, root = statement.answer.id, statement.rest, f"/rest/{statement.rest_index}"
    _declared(into, SYSTEM, rest, exchange, root)
    raw = items(rest.get("resource"))
    for one in statement.resources:
        pointer = f"{root}/resource/{one.index}"
        into.add(_key("type", one.type), DECLARED, exchange, pointer)
        _declared(into, one.type, raw[one.index], exchange, pointer)
        _canonicals(
            into, ("profile", one.type), raw[one.index].get("supportedProfile"), exchange, f"{pointer}/supportedProfile"
        )
    security = statement.security
    if isinstance(security.get("cors"), bool):
        into.add("security/cors", "true" if security["cors"] else "false", exchange, f"{root}/security/cors")
    for at, service in _objects(security.get("service")):
        codes = [text(coding.get("code")) for _, coding in _objects(service.get("coding"))]
        for code in [code for code in codes if code] or [text(service.get("text"))]:
            if code:
                into.add(_key("security_service", code), DECLARED, exchange, f"{root}/security/service/{at}")
    for at, extension in _objects(security.get("extension")):
        if extension.get("url") == OAUTH_URIS:
            for place, part in _objects(extension.get("extension")):
                key = _key("oauth_uri", text(part.get("url")))
                pointer = f"{root}/security/extension/{at}/extension/{place}/valueUri"
                host = _key("oauth_host", text(part.get("url")))
                _address(into, key, host, part.get("valueUri"), base, exchange, pointer)


def _declared(into: _Collector, type_: str, member: dict[str, JSON], exchange: str, pointer: str) -> None:
    """Interactions, search parameters and operations of a type, or of the system.

    Thousands of times in a large statement, so what `add`, `_name` and `text` do stands here in the loop.
    """
    where, facts = _part(type_, LONGEST_TYPE), into.facts
    for name, area, inner in (("interaction", "interaction", "code"), ("searchParam", "search_param", "name")):
        start, place = f"{area}/{where}/", f"{pointer}/{name}/"
        for at, one in enumerate(items(member.get(name))):
            found = one.get(inner) if isinstance(one, dict) else None
            if isinstance(found, str) and found:
                key = start + (found if len(found) < SHORTEST_PLACEHOLDER else _name(found))
                if key not in facts:
                    facts[key] = (DECLARED, exchange, f"{place}{at}")
    for at, one in _objects(member.get("operation")):
        if found := _operation(type_, text(one.get("name")), text(one.get("definition"))):
            into.add(f"operation/{where}/{_name(found)}", DECLARED, exchange, f"{pointer}/operation/{at}")


def _operation(type_: str, name: str, definition: str) -> str:
    """Which operation it is: by a definition that HL7 publishes, because names vary (export, group-export, $export)."""
    plain = _without_type(name.removeprefix("$"), type_)
    if plain == EXPORT or not definition.startswith(_HL7):
        return plain
    tail = definition.partition("|")[0].rpartition("/")[2]
    return plain if tail.endswith(f"-{plain}") else _without_type(tail, type_)


def _without_type(name: str, type_: str) -> str:
    return name.removeprefix(f"{type_}-").removeprefix(f"{type_.lower()}-")


def _canonicals(into: _Collector, area: tuple[str, ...], value: JSON, exchange: str, pointer: str) -> None:
    """Canonical URLs, each with the versions under which it stands there."""
    versions: dict[str, set[str]] = {}
    places: dict[str, int] = {}
    for at, one in _texts(value):
        url, bar, version = one.partition("|")
        versions.setdefault(url, set()).add(version if bar else "")
        places.setdefault(url, at)
    start = "/".join([area[0], *(_part(one, LONGEST_TYPE) for one in area[1:])])
    for url, found in versions.items():
        named = ", ".join(sorted(one for one in found if one))
        into.add(
            f"{start}/{_name(url)}",
            _value(f"version {named}") if named else DECLARED,
            exchange,
            f"{pointer}/{places[url]}",
        )


def _authorization(into: _Collector, index: Index, run: Run, *, stated: bool) -> None:
    """The SMART configuration, and what it leads to. That there is none is seen only where a FHIR server was seen."""
    smart, base = smart_in(index), run.subject
    if isinstance(smart, Exchange):
        if stated:
            into.saw("smart")
            into.add("smart/document", NONE, smart.id)
        return
    if smart is None:
        return
    into.saw("smart")
    _smart(into, smart, base)
    if smart.url("issuer") and (openid := published_in(index, openid_configuration.name)):
        into.saw("openid")
        _openid(into, openid, base)
    if smart.url("jwks_uri") and (jwks := published_in(index, published_keys.name)):
        _keys(into, jwks)
    if smart.url("user_access_brand_bundle") and (brands := published_in(index, brands_answer.name, resource="Bundle")):
        _brands(into, brands, smart, base, synthetic=run.synthetic)


def _smart(into: _Collector, smart: SmartConfiguration, base: str) -> None:
    exchange = smart.answer.id
    into.add("smart/document", SERVED, exchange)
    if issuer := smart.url("issuer"):
        into.add("smart/issuer", _value(_plain_url(issuer)), exchange, "/issuer")
    for member, area in _LISTS.items():
        for at, one in _texts(smart.json.get(member)):
            into.add(_key(area, one), DECLARED, exchange, f"/{member}/{at}")
    _addresses(into, "endpoint", "endpoint_host", smart.json, base, exchange)


def _openid(into: _Collector, found: Found, base: str) -> None:
    exchange = found.answer.id
    into.add("openid/document", found.state, exchange)
    if issuer := text(found.document.get("issuer")):
        into.add("openid/issuer", _value(_plain_url(issuer)), exchange, "/issuer")
    for at, one in _texts(found.document.get("id_token_signing_alg_values_supported")):
        pointer = f"/id_token_signing_alg_values_supported/{at}"
        into.add(_key("id_token_signing_alg", one), DECLARED, exchange, pointer)
    _addresses(into, "openid_endpoint", "openid_host", found.document, base, exchange)


def _addresses(into: _Collector, area: str, hosts: str, document: dict[str, JSON], base: str, exchange: str) -> None:
    for name, value in document.items():
        if name.endswith(_ADDRESSES):
            _address(into, _key(area, name), _key(hosts, name), value, base, exchange, f"/{_escaped(name)}")


def _address(
    into: _Collector,
    key: str,
    host_key: str,
    value: JSON,
    base: str,
    exchange: str,
    pointer: str = "/implementation/url",
) -> None:
    """An address as it is declared, and the host that it leads to as a fact of its own."""
    if not text(value):
        return
    into.add(key, _value(_plain_url(text(value))), exchange, pointer)
    host = host_of(resolved(base, text(value)) or "")
    if host:
        into.add(host_key, _value(host), exchange, pointer)


def _keys(into: _Collector, found: Found) -> None:
    if found.state == SERVED and not isinstance(found.document.get("keys"), list):
        return
    into.saw("jwks")
    exchange = found.answer.id
    into.add("jwks/document", found.state, exchange)
    for at, key in _objects(found.document.get("keys")):
        told = [_value(text(key.get("kty")) or "unknown kind")[:60]]
        told += [f"{name} {_value(text(key.get(name)))[:80]}" for name in ("kid", "use", "alg") if text(key.get(name))]
        into.add(_key("jwks_key", thumbprint(key)), _value(", ".join(told)), exchange, f"/keys/{at}")


def _brands(into: _Collector, found: Found, smart: SmartConfiguration, base: str, *, synthetic: bool) -> None:
    """What a bundle of brands lists. Of one that was not kept as it was served, nothing is compared."""
    if not (synthetic or is_for_everybody(found.document)):
        return
    into.saw("brands")
    exchange = found.answer.id
    into.add("brands/document", found.state, exchange)
    if found.state == NONE:
        return
    bundle = BrandBundle(smart, found.answer, found.document, base)
    own = next((f"{one.pointer}/address" for one in bundle.endpoints if bundle.is_base(one)), "")
    into.add("brands/own_base", LISTED if own else NONE, exchange, own)
    names: dict[str, dict[str, str]] = {}
    for one in bundle.brands:
        names.setdefault(_brand_key(one), {}).setdefault(text(one.json.get("name")), one.pointer)
    versions: dict[str, dict[str, str]] = {}
    for one in bundle.endpoints:
        if one.address and not bundle.is_base(one):
            for version in one.fhir_versions or ("",):
                versions.setdefault(_plain_url(one.address), {}).setdefault(version, one.pointer)
    for key, told in names.items():
        _listed(into, _key("brand", key), told, exchange)
    for address, told in versions.items():
        _listed(
            into,
            _key("brand_endpoint", address),
            {f"FHIR {one}" if one else "": at for one, at in told.items()},
            exchange,
        )
        if host := host_of(address):
            into.add(_key("brand_host", host), LISTED, exchange, next(iter(told.values())))


def _listed(into: _Collector, key: str, told: Mapping[str, str], exchange: str) -> None:
    """A fact of several entries under one key: all that they say, in an order that is not theirs."""
    said = ", ".join(sorted(one for one in told if one))
    into.add(key, _value(said) if said else LISTED, exchange, next(iter(told.values())))


def _brand_key(brand: BrandEntry) -> str:
    """What is the same of a brand on every night: the address by which the guide has it known, another identifier, or
    its name."""
    first = min(brand.identifiers, key=lambda one: (one[0] != _URI, one), default=None)
    if first is None:
        return text(brand.json.get("name")) or UNNAMED
    system, value = first
    return value if system in ("", _URI) else f"{system}|{value}"


def thumbprint(key: dict[str, JSON]) -> str:
    """The thumbprint of a public key (RFC 7638); of a key that has none, a hash of its kid and kty."""
    names = _THUMBPRINT.get(text(key.get("kty")), ())
    members = {name: text(key.get(name)) for name in names}
    if not names or not all(one and one == _calm(one) for one in members.values()):
        members = {name: _calm(text(key.get(name))) for name in ("kid", "kty")}
    digest = hashlib.sha256(canonical(members).encode("utf-8", "replace")).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _connection(into: _Collector, index: Index, started: str) -> None:
    """The version of TLS and the certificate: as the handshake showed them, else as the statement came."""
    shown = [*index.get("modern_tls", ()), *index.get("metadata_answer", ())]
    for one in shown:
        if one.transport.tls_version:
            into.seen.add("tls")
            into.add("tls/version", _value(one.transport.tls_version), one.id)
            break
    for one in shown:
        if one.transport.certificate_sha256:
            into.seen.update(("certificate", "certificate_name"))
            _certificate(into, one.transport, one.id, started)
            break


def _certificate(into: _Collector, transport: Transport, exchange: str, started: str) -> None:
    into.add("certificate/sha256", _value(transport.certificate_sha256 or ""), exchange)
    if transport.certificate_issuer:
        into.add("certificate/issuer", _value(transport.certificate_issuer), exchange)
    for name in transport.certificate_names:
        into.add(_key("certificate_name", name), "there", exchange)
    ends, now = _moment(transport.certificate_not_after), _moment(started)
    if ends is not None:
        into.add("certificate/not_after", ends.date().isoformat(), exchange)
        if now is not None:
            into.add("certificate/state", "expired" if ends < now else "valid", exchange)


def _moment(written: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(written or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _latency(into: _Collector, index: Index) -> None:
    """The band of the median time to the first byte: what answers_promptly looks at."""
    samples = [one for one in index.get("answer_samples", ()) if one.timings.first_byte is not None]
    told = [one for one in samples if closed(one) or cannot_tell(one, with_token=False) is None]
    if len(told) < FEWEST_SAMPLES:
        return
    middle = sorted(told, key=lambda one: (one.timings.first_byte or 0, one.id))[len(told) // 2]
    into.saw("latency")
    into.add("latency/metadata", band(middle.timings.first_byte or 0), middle.id)


def _findings(into: _Collector, findings: Sequence[Finding], subject: str) -> None:
    for one in findings:
        if one.subject != subject:
            continue
        verdict = one.verdict
        outcome = f"unknown: {verdict.reason}" if verdict.reason and verdict.outcome == "unknown" else verdict.outcome
        cited = verdict.citations[0] if verdict.citations else None
        exchange = cited.exchange if cited else one.evidence[-1] if one.evidence else ""
        into.add(_key("finding", one.source.probe), outcome, exchange, _value(cited.pointer) if cited else "")


def _score(into: _Collector, score: MaturityScore) -> None:
    into.add(_key("rule_book", score.model), score.version)
    for one in score.criteria:
        level = one.level
        into.add(_key("criterion", one.id), f"{level.low}..{level.high}" if level is not None else "n/a")
    for gate in score.gates:
        into.add(_key("gate", gate.id), gate.state)
    if score.label is not None:
        into.add("label/name", _label(score.label))


def _label(label: LabelScore) -> str:
    """The label and its place. Labels without conditions are below all that have some."""
    names = list(dict.fromkeys(one.label for one in label.conditions))
    step = {name: place for place, name in enumerate(names, start=2)}
    return label_value(label.name, step.get(label.name, 1), step.get(label.at_most, 1), len(names) + 1)


def host_of(url: str) -> str:
    """Host and port of an address in lower case, without a port that goes without saying; empty if there is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    shown = f"[{host}]" if ":" in host else host
    return shown if port in (None, _PORTS.get(parts.scheme)) else f"{shown}:{port}"


def _plain_url(url: str) -> str:
    """The address without the name and password that somebody wrote into it."""
    return re.sub(r"(?i)^(https?://)[^/?#]*@", r"\1", url.strip())


def _media_type(written: str) -> str:
    """A media type in lower case, without its parameters save `fhirVersion`."""
    name, *parameters = (one.strip().lower() for one in written.split(";"))
    return "; ".join([name, *sorted(one for one in parameters if one.startswith("fhirversion"))])


def _key(area: str, name: str) -> str:
    return f"{area}/{_name(name)}"


def _name(text_: str) -> str:
    return _cut(_calm(text_), LONGEST_NAME)


def _part(text_: str, most: int) -> str:
    return _cut(_calm(text_).replace("~", "~0").replace("/", "~1"), most)


def _value(text_: str) -> str:
    return _cut(_calm(text_), LONGEST_VALUE)


def _cut(text_: str, most: int) -> str:
    if len(text_) <= most:
        return text_
    digest = hashlib.sha256(text_.encode("utf-8", "replace")).hexdigest()
    return f"{text_[: most - 15]}… {digest[:12]}"


def _storable(text_: str) -> str:
    """The text without the one character that PostgreSQL refuses, and in no more bytes than its index takes."""
    plain = text_.replace("\0", "\N{REPLACEMENT CHARACTER}")
    held = plain.encode("utf-8", "replace")
    if len(held) <= MOST_BYTES:
        return plain
    return f"{held[: MOST_BYTES - 20].decode('utf-8', 'ignore')}… {hashlib.sha256(held).hexdigest()[:12]}"


def _calm(text_: str) -> str:
    """The text without placeholders of redaction, which are others in every run."""
    return text_ if len(text_) < SHORTEST_PLACEHOLDER else _PLACEHOLDER.sub(WITHHELD, text_)


def _texts(value: JSON) -> Iterator[tuple[int, str]]:
    return ((at, one) for at, one in enumerate(items(value)) if isinstance(one, str) and one)


def _objects(value: JSON) -> Iterator[tuple[int, dict[str, JSON]]]:
    return ((at, one) for at, one in enumerate(items(value)) if isinstance(one, dict))


def _escaped(name: str) -> str:
    """A step of a JSON pointer (RFC 6901 section 3)."""
    return _cut(name.replace("~", "~0").replace("/", "~1"), LONGEST_NAME)
