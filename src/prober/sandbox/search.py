"""The searches of the sandbox: parameters by type, matching, and the searchset with its pages."""

import json
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from prober.sandbox.data import Store
from prober.sandbox.outcome import Json, Refusal

DEFAULT_PAGE = 10
LARGEST_PAGE = 100
CURSOR = "_cursor"

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Parameter:
    """A search parameter: its R4 type and the elements that it looks at, as dotted paths."""

    kind: str
    paths: tuple[str, ...]


def _token(*paths: str) -> Parameter:
    return Parameter("token", paths)


def _string(*paths: str) -> Parameter:
    return Parameter("string", paths)


def _date(*paths: str) -> Parameter:
    return Parameter("date", paths)


def _reference(*paths: str) -> Parameter:
    return Parameter("reference", paths)


COMMON: Mapping[str, Parameter] = MappingProxyType({"_id": _token("id"), "_lastUpdated": _date("meta.lastUpdated")})
RESULT_PARAMETERS = ("_count", "_summary")

_SUBJECT = {"patient": _reference("subject"), "subject": _reference("subject")}
_NAMES = {
    "name": _string("name.family", "name.given", "name.prefix"),
    "family": _string("name.family"),
    "given": _string("name.given"),
}
_ADDRESS = _string("address.line", "address.city", "address.state", "address.postalCode", "address.country")

PARAMETERS: Mapping[str, Mapping[str, Parameter]] = MappingProxyType(
    {
        "Patient": {
            "identifier": _token("identifier"),
            **_NAMES,
            "birthdate": _date("birthDate"),
            "gender": _token("gender"),
        },
        "Observation": {
            **_SUBJECT,
            "category": _token("category"),
            "code": _token("code"),
            "date": _date("effectiveDateTime"),
            "status": _token("status"),
        },
        "Condition": {
            **_SUBJECT,
            "category": _token("category"),
            "clinical-status": _token("clinicalStatus"),
            "code": _token("code"),
            "encounter": _reference("encounter"),
            "onset-date": _date("onsetDateTime"),
            "recorded-date": _date("recordedDate"),
        },
        "AllergyIntolerance": {"patient": _reference("patient"), "clinical-status": _token("clinicalStatus")},
        "Immunization": {
            "patient": _reference("patient"),
            "date": _date("occurrenceDateTime"),
            "status": _token("status"),
        },
        "MedicationRequest": {
            **_SUBJECT,
            "authoredon": _date("authoredOn"),
            "encounter": _reference("encounter"),
            "intent": _token("intent"),
            "status": _token("status"),
        },
        "Encounter": {
            **_SUBJECT,
            "class": _token("class"),
            "date": _date("period"),
            "identifier": _token("identifier"),
            "location": _reference("location.location"),
            "status": _token("status"),
            "type": _token("type"),
        },
        "DocumentReference": {
            **_SUBJECT,
            "category": _token("category"),
            "date": _date("date"),
            "period": _date("context.period"),
            "status": _token("status"),
            "type": _token("type"),
        },
        "Procedure": {
            **_SUBJECT,
            "code": _token("code"),
            "date": _date("performedDateTime"),
            "status": _token("status"),
        },
        "DiagnosticReport": {
            **_SUBJECT,
            "category": _token("category"),
            "code": _token("code"),
            "date": _date("effectiveDateTime"),
            "status": _token("status"),
        },
        "Practitioner": {"identifier": _token("identifier"), **_NAMES},
        "Organization": {"name": _string("name"), "address": _ADDRESS},
        "Location": {
            "name": _string("name"),
            "address": _ADDRESS,
            "address-city": _string("address.city"),
            "address-postalcode": _string("address.postalCode"),
            "address-state": _string("address.state"),
        },
        "Group": {"identifier": _token("identifier"), "member": _reference("member.entity")},
    }
)
_MODIFIERS = {"string": ("exact", "contains")}
_DATE_SHAPE = re.compile(
    r"(?P<prefix>eq|ne|gt|lt|ge|le|sa|eb)?(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(?P<fraction>\.\d+)?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)


def _elements(value: Any, path: str) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _elements(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        head, _, rest = path.partition(".")
        if head in value:
            yield from _elements(value[head], rest)


def interval(text: str) -> tuple[str, datetime, datetime]:
    """The comparison prefix of a date parameter and the half-open UTC interval that it names.

    FHIR R4, search.html#date. Raises ValueError for anything that is not a date.
    """
    shape = _DATE_SHAPE.fullmatch(text.replace(" ", "+"))
    if shape is None:
        raise ValueError(text)
    given = shape.groupdict()
    offset = timedelta()
    if given["zone"] not in (None, "Z"):
        hours, minutes = given["zone"][1:].split(":")
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if given["zone"][0] == "-" else 1)
    start = datetime(
        int(given["year"]),
        int(given["month"] or 1),
        int(given["day"] or 1),
        int(given["hour"] or 0),
        int(given["minute"] or 0),
        int(given["second"] or 0),
        round(float(given["fraction"] or 0) * 1_000_000) % 1_000_000,
        tzinfo=UTC,
    )
    if given["month"] is None:
        width = timedelta(days=366 if monthrange(start.year, 2)[1] == 29 else 365)
    elif given["day"] is None:
        width = timedelta(days=monthrange(start.year, start.month)[1])
    elif given["hour"] is None:
        width = timedelta(days=1)
    elif given["second"] is None:
        width = timedelta(minutes=1)
    elif given["fraction"] is None:
        width = timedelta(seconds=1)
    else:
        width = timedelta(milliseconds=1)
    start -= offset
    return given["prefix"] or "eq", start, start + width


def _recorded(value: Any) -> tuple[datetime, datetime]:
    if isinstance(value, dict):
        return interval(value["start"])[1], interval(value["end"])[2]
    _, start, end = interval(value)
    return start, end


def _date_matches(value: Any, wanted: str) -> bool:
    prefix, low, high = interval(wanted)
    start, end = _recorded(value)
    inside = low <= start and end <= high
    return {
        "eq": inside,
        "ne": not inside,
        "gt": end > high,
        "ge": end > high or inside,
        "lt": start < low,
        "le": start < low or inside,
        "sa": start >= high,
        "eb": end <= low,
    }[prefix]


def _codes(value: Any) -> Iterator[tuple[str | None, str | None]]:
    if isinstance(value, dict) and "coding" in value:
        for coding in value["coding"]:
            yield coding.get("system"), coding.get("code")
    elif isinstance(value, dict):
        yield value.get("system"), value.get("code", value.get("value"))
    else:
        yield None, str(value)


def _token_matches(value: Any, wanted: str) -> bool:
    system, bar, code = wanted.rpartition("|")
    for held_system, held_code in _codes(value):
        if bar and system and held_system != system:
            continue
        if bar and not system and held_system is not None:
            continue
        if not code or held_code == code:
            return True
    return False


def _string_matches(value: str, wanted: str, modifier: str) -> bool:
    if modifier == "exact":
        return value == wanted
    if modifier == "contains":
        return wanted.casefold() in value.casefold()
    return value.casefold().startswith(wanted.casefold())


def _reference_matches(value: Json, wanted: str, name: str, base: str) -> bool:
    if "/" not in wanted:
        held = str(value.get("reference", ""))
        kind, _, identity = held.partition("/")
        return identity == wanted and (name != "patient" or kind == "Patient")
    return bool(value.get("reference") == wanted.removeprefix(f"{base}/"))


def _matches(resource: Json, name: str, parameter: Parameter, modifier: str, wanted: str, base: str) -> bool:
    for path in parameter.paths:
        for value in _elements(resource, path):
            for choice in wanted.split(","):
                if parameter.kind == "date":
                    found = _date_matches(value, choice)
                elif parameter.kind == "token":
                    found = _token_matches(value, choice)
                elif parameter.kind == "string":
                    found = _string_matches(str(value), choice, modifier)
                else:
                    found = _reference_matches(value, choice, name, base)
                if found:
                    return True
    return False


@dataclass(frozen=True)
class _Request:
    filters: tuple[tuple[str, str], ...]
    page: int
    offset: int
    count_only: bool
    accepted: tuple[tuple[str, str], ...]


def _cursor(accepted: Pairs, offset: int) -> str:
    text = json.dumps([offset, list(accepted)], separators=(",", ":")).encode()
    return urlsafe_b64encode(zlib.compress(text)).decode().rstrip("=")


def _from_cursor(cursor: str) -> tuple[int, list[tuple[str, str]]]:
    try:
        text = zlib.decompressobj().decompress(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), 65536)
        offset, pairs = json.loads(text)
        return int(offset), [(str(name), str(value)) for name, value in pairs]
    except (ValueError, TypeError, zlib.error) as problem:
        raise Refusal(400, "invalid", "The page link is not one that this server gave.") from problem


def _whole_number(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,9}", value):
        raise Refusal(400, "invalid", f"The value of {name} is not a whole number.")
    return int(value)


def _read(kind: str, pairs: Pairs, strict: bool) -> _Request:
    known = {**COMMON, **PARAMETERS[kind]}
    filters: list[tuple[str, str]] = []
    accepted: list[tuple[str, str]] = []
    page, offset, count_only = DEFAULT_PAGE, 0, False
    cursors = [value for name, value in pairs if name == CURSOR]
    if cursors:
        offset, pairs = _from_cursor(cursors[0])
    for name, value in pairs:
        stem, _, modifier = name.partition(":")
        if name == "_format" or (not value and not strict):
            continue
        if name == "_count":
            asked = _whole_number(name, value)
            page, count_only = max(1, min(asked, LARGEST_PAGE)), count_only or asked == 0
        elif name == "_summary" and value in ("count", "false"):
            count_only = count_only or value == "count"
        elif stem in known:
            if modifier and modifier not in _MODIFIERS.get(known[stem].kind, ()):
                raise Refusal(400, "not-supported", f"The search parameter {stem} has no modifier {modifier!r} here.")
            _check_value(name, known[stem], value)
            filters.append((name, value))
        elif strict:
            raise Refusal(400, "not-supported", f"This server does not know the search parameter {name!r} for {kind}.")
        else:
            continue
        accepted.append((name, value))
    return _Request(tuple(filters), page, offset, count_only, tuple(accepted))


def _check_value(name: str, parameter: Parameter, value: str) -> None:
    if parameter.kind != "date":
        return
    for choice in value.split(","):
        try:
            interval(choice)
        except (ValueError, OverflowError) as problem:
            raise Refusal(400, "invalid", f"The value of {name} is not a date.") from problem


def searchset(
    store: Store, kind: str, pairs: Pairs, base: str, *, strict: bool = False, defects: Set[str] = frozenset()
) -> Json:
    """The searchset Bundle for one type (FHIR R4, http.html#search, search.html).

    `pairs` are the decoded parameters in order. Raises Refusal for a value or modifier that cannot be honoured,
    and for an unknown parameter when `strict` is set (`Prefer: handling=strict`).
    """
    request = _read(kind, pairs, strict and "strict_ignored" not in defects)
    known = {**COMMON, **PARAMETERS[kind]}
    found = list(store[kind].values())
    for name, wanted in request.filters:
        stem, _, modifier = name.partition(":")
        if stem == "_id" and "search_ignores_id" in defects:
            continue
        found = [item for item in found if _matches(item, stem, known[stem], modifier, wanted, base)]
    query = urlencode(request.accepted, quote_via=quote, safe=":|,/")
    address = f"{base}/{kind}"
    own = f"{address}?{query}" if query else address
    if request.offset:
        own = f"{address}?{CURSOR}={_cursor(request.accepted, request.offset)}"
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "link": [{"relation": "self", "url": own}],
    }
    start, end = request.offset, request.offset + request.page
    if request.count_only and "count_with_entries" not in defects:
        return bundle
    if "paging_loop" in defects:
        bundle["link"].append({"relation": "next", "url": own})
    elif end < len(found):
        bundle["link"].append({"relation": "next", "url": f"{address}?{CURSOR}={_cursor(request.accepted, end)}"})
    if "paging_duplicates" in defects and start:
        start -= 1
    entries = [
        {"fullUrl": f"{address}/{item['id']}", "resource": item, "search": {"mode": "match"}}
        for item in found[start:end]
    ]
    if entries:
        bundle["entry"] = entries
    return bundle
