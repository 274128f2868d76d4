"""HAR 1.2 (HTTP Archive): the exchanges as they are stored, for whoever wants to see them as a browser shows traffic.

Nothing is restored: headers, addresses and bodies are redacted here exactly as they are in the run folder. What is
prober's own stands in `_prober`, since HAR keeps names with an underscore for that.
"""

import base64
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from prober.export.bundle import body_at, exchange_at, subjects
from prober.export.text import as_json, clean, first_moment
from prober.nouns.evidence import Exchange
from prober.nouns.model import Model
from prober.render.disclaimer import DISCLAIMER
from prober.render.report import Report, Subject

UNKNOWN = -1
"""What HAR writes for a size or a duration that is not known. 0 would be a measurement that nobody made."""

COMMENT = (
    "What prober asked and what it was answered, redacted as it is stored. A duration of -1 was not measured, `time` "
    f"is the sum of the others, and an entry with status 0 had no answer. {DISCLAIMER}"
)


def exported(report: Report, models: Sequence[Model]) -> dict[str, bytes]:
    """`exchanges.har`, with one page for each run. `models` are not asked: these are facts, and no judgement."""
    runs = subjects(report)
    log = {
        "version": "1.2",
        "creator": {"name": "prober", "version": clean(", ".join(sorted({one.run.tool.prober for one in runs})))},
        "pages": [_page(one, report) for one in runs],
        "entries": [entry for one in runs for entry in _entries(one, report)],
        "comment": COMMENT,
    }
    return {"exchanges.har": as_json({"log": log})}


def _page(subject: Subject, report: Report) -> dict[str, Any]:
    run = subject.run
    return {
        "id": run.id,
        "title": clean(run.subject),
        "startedDateTime": first_moment(run.started, report.card.as_of),
        "pageTimings": {},
    }


def _entries(subject: Subject, report: Report) -> list[dict[str, Any]]:
    made = [(_started(one, subject, report), one) for one in subject.exchanges.values()]
    return [_entry(one, at, subject) for at, one in sorted(made, key=lambda pair: (pair[0], pair[1].id))]


def _started(exchange: Exchange, subject: Subject, report: Report) -> str:
    return first_moment(exchange.started, subject.run.started, report.card.as_of)


def _entry(exchange: Exchange, started: str, subject: Subject) -> dict[str, Any]:
    timings = _timings(exchange)
    # `ssl` is a part of `connect` (HAR 1.2, timings), so it is not counted again.
    known = [value for name, value in timings.items() if name != "ssl" and value != UNKNOWN]
    entry: dict[str, Any] = {
        "pageref": subject.run.id,
        "startedDateTime": started,
        "time": _milliseconds(sum(known)),
        "request": _request(exchange),
        "response": _response(exchange),
        "cache": {},
        "timings": {name: UNKNOWN if value == UNKNOWN else _milliseconds(value) for name, value in timings.items()},
        "_prober": _own(exchange, subject),
    }
    if exchange.transport.address:
        entry["serverIPAddress"] = exchange.transport.address
    return entry


def _timings(exchange: Exchange) -> dict[str, int]:
    """Microseconds, or UNKNOWN. HAR counts the TLS handshake as part of `connect`; prober measures them apart."""
    taken = exchange.timings
    connect = None if taken.connect is None else taken.connect + (taken.tls or 0)
    known = {
        "dns": taken.dns,
        "connect": connect,
        "ssl": taken.tls,
        "send": taken.send,
        "wait": taken.first_byte,
        "receive": taken.body,
    }
    return {"blocked": UNKNOWN, **{name: UNKNOWN if value is None else value for name, value in known.items()}}


def _milliseconds(microseconds: int) -> float | int:
    """The double that is nearest to the thousandth, which JSON writes with at most three decimal places."""
    return microseconds // 1000 if microseconds % 1000 == 0 else microseconds / 1000


def _request(exchange: Exchange) -> dict[str, Any]:
    request: dict[str, Any] = {
        "method": exchange.method,
        "url": exchange.url,
        "httpVersion": exchange.transport.http_version or "",
        "cookies": [],
        "headers": _pairs(exchange.request_headers),
        "queryString": _pairs(_query(exchange.url)),
        "headersSize": UNKNOWN,
        "bodySize": 0 if exchange.request_body is None else len(exchange.request_body.encode("utf-8", "replace")),
    }
    if exchange.request_body is not None:
        kind = next((value for name, value in exchange.request_headers if name.lower() == "content-type"), "")
        request["postData"] = {"mimeType": kind, "params": [], "text": exchange.request_body}
    return request


def _response(exchange: Exchange) -> dict[str, Any]:
    answered = exchange.status is not None
    return {
        "status": exchange.status or 0,
        "statusText": _phrase(exchange.status),
        "httpVersion": (exchange.transport.http_version or "") if answered else "",
        "cookies": [],
        "headers": _pairs(exchange.headers),
        "content": _content(exchange),
        "redirectURL": exchange.header("location") or "",
        "headersSize": UNKNOWN,
        "bodySize": exchange.wire_bytes if answered else UNKNOWN,
    }


def _content(exchange: Exchange) -> dict[str, Any]:
    """The body as it is stored; base64 where it is no UTF-8 text. `size` is what came before prober reduced it."""
    content: dict[str, Any] = {"size": exchange.decoded_bytes, "mimeType": exchange.header("content-type") or ""}
    if not exchange.content:
        return content
    try:
        content["text"] = exchange.content.decode("utf-8")
    except UnicodeDecodeError:
        content |= {"text": base64.b64encode(exchange.content).decode("ascii"), "encoding": "base64"}
    return content


def _own(exchange: Exchange, subject: Subject) -> dict[str, Any]:
    failure = exchange.failure
    told: dict[str, Any] = {
        "exchange": exchange.id,
        "evidence": exchange_at(subject.run.id, exchange.id),
        "observation": exchange.observation,
        "label": exchange.label or None,
        "body": body_at(exchange),
        "reduced": exchange.reduced,
        "truncated": exchange.truncated or None,
        "failure": {"reason": failure.reason, "kind": failure.kind, "message": failure.message} if failure else None,
        "total_microseconds": exchange.timings.total,
        "waited_microseconds": exchange.timings.waited,
        "tls_version": exchange.transport.tls_version,
    }
    return {name: value for name, value in told.items() if value is not None}


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []


def _phrase(status: int | None) -> str:
    """The phrase of RFC 9110 for the status: what the server wrote there is not stored."""
    try:
        return HTTPStatus(status or 0).phrase
    except ValueError:
        return ""
