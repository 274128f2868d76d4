"""The metrics of the monitor, the small server that shows them, and the dashboard and the rules over them."""

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.clock import VirtualClock
from prober.export.prometheus import METRICS as OF_A_RUN
from prober.mistake import Mistake
from prober.monitor.listen import Listener, address_of
from prober.monitor.metrics import (
    KINDS,
    METRICS,
    Availability,
    LookStanding,
    MonitorStanding,
    Standing,
    page,
    text,
)
from prober.nouns.incident import Incident

ROOT = Path(__file__).parents[1]
NOW = "2026-11-26T02:30:00Z"
MONITOR = MonitorStanding(now=NOW, last_round="2026-11-26T02:20:00.500000Z", round_us=61_500_000, messages_pending=2)


def incident(kind: str, **more: Any) -> Incident:
    whole = {"id": kind, "target": "main", "title": "t", "keys": (), "kind": kind, "began": NOW, "opened": NOW, **more}
    return Incident.model_validate(whole)


MAIN = Standing(
    target="main",
    looks=(
        LookStanding(
            look="nightly",
            last="2026-11-26T02:10:00Z",
            up=True,
            availability=(Availability("30d", 2_999, 3_000), Availability("1d", 0, 0)),
            latency_us={"0.5": 81_000, "0.95": 240_250},
            findings={"present": 31, "absent": 4, "unknown": 2},
        ),
        LookStanding(look="hourly", last="2026-11-26T02:00:00Z", up=False),
    ),
    certificate_ends="2026-12-10T02:29:59Z",
    incidents=(
        incident("outage"),
        incident("change"),
        incident("change", waived_by="Ops until 2026-12-31"),
        incident("gate", private=True),
        incident("blind", closed=NOW),
    ),
    levels={"S8.STD.1": 2},
    blind_nights=0,
)


def read(content: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What the parser of others reads: the value of each sample."""
    parser = pytest.importorskip("prometheus_client.parser", reason="scripts/test installs prometheus-client.")
    found = {}
    for family in parser.text_string_to_metric_families(content):
        assert family.type == "gauge"
        assert family.documentation == METRICS[family.name].help
        for one in family.samples:
            assert tuple(sorted(one.labels)) == tuple(sorted(METRICS[family.name].labels))
            key = (family.name, tuple(sorted(one.labels.items())))
            assert key not in found
            found[key] = one.value
    return found


def of(samples: Mapping[Any, float], metric: str, **labels: str) -> float | None:
    return samples.get((metric, tuple(sorted(labels.items()))))


def test_metrics_say_how_things_stand() -> None:
    told = read(text(MONITOR, [MAIN]))
    assert of(told, "prober_up", target="main", look="nightly") == 1
    assert of(told, "prober_up", target="main", look="hourly") == 0
    # 2999 of 3000 is 0.99966…, and is not rounded up.
    assert of(told, "prober_availability_ratio", target="main", look="nightly", window="30d") == 0.999666
    assert of(told, "prober_availability_looks", target="main", look="nightly", window="30d") == 3_000
    assert of(told, "prober_latency_seconds", target="main", look="nightly", quantile="0.95") == 0.24025
    assert of(told, "prober_look_age_seconds", target="main", look="nightly") == 1_200
    assert of(told, "prober_findings", target="main", look="nightly", outcome="absent") == 4
    assert of(told, "prober_findings", target="main", look="nightly", outcome="not_applicable") == 0
    assert of(told, "prober_certificate_days", target="main") == 13
    assert of(told, "prober_incidents_open", target="main", kind="outage") == 1
    assert of(told, "prober_incidents_open", target="main", kind="change") == 1
    assert of(told, "prober_incidents_waived", target="main", kind="change") == 1
    assert of(told, "prober_incidents_open", target="main", kind="blind") == 0
    assert of(told, "prober_criterion_level", target="main", criterion="S8.STD.1") == 2
    assert of(told, "prober_blind_nights", target="main") == 0
    at = datetime(2026, 11, 26, 2, 20, 0, 500_000, tzinfo=UTC).timestamp()
    assert of(told, "prober_last_round_timestamp_seconds") == at
    assert of(told, "prober_round_seconds") == 61.5
    assert of(told, "prober_targets") == 1
    assert of(told, "prober_messages_pending") == 2
    assert {name for name, _ in told} == set(METRICS)


def test_a_private_incident_is_in_no_metric() -> None:
    told = read(text(MONITOR, [MAIN]))
    assert of(told, "prober_incidents_open", target="main", kind="gate") == 0
    without = replace(MAIN, incidents=tuple(one for one in MAIN.incidents if not one.private))
    assert text(MONITOR, [MAIN]) == text(MONITOR, [without])


def test_what_is_not_known_has_no_sample() -> None:
    told = read(text(MonitorStanding(now=NOW), [Standing(target="main", looks=(LookStanding(look="nightly"),))]))
    names = {name for name, _ in told}
    always = {"prober_monitor_info", "prober_written_timestamp_seconds", "prober_targets", "prober_messages_pending"}
    assert names == always | {"prober_incidents_open", "prober_incidents_waived"}
    empty = LookStanding(look="nightly", availability=(Availability("30d", 0, 0),))
    told = read(text(MONITOR, [Standing(target="main", looks=(empty,))]))
    assert of(told, "prober_availability_ratio", target="main", look="nightly", window="30d") is None
    assert of(told, "prober_availability_looks", target="main", look="nightly", window="30d") == 0


@pytest.mark.parametrize(
    ("ends", "days"),
    [
        ("2026-11-26T02:30:00Z", 0),
        ("2026-11-26T02:29:59Z", -1),
        ("2026-11-27T02:30:00Z", 1),
        ("2026-11-24T02:30:00Z", -2),
    ],
)
def test_days_of_a_certificate_are_whole_ones(ends: str, days: int) -> None:
    told = read(text(MONITOR, [Standing(target="main", certificate_ends=ends)]))
    assert of(told, "prober_certificate_days", target="main") == days


@given(st.text(max_size=30), st.integers(0, 10**9), st.integers(1, 10**9))
@settings(max_examples=examples(40), deadline=None)
def test_whatever_a_target_is_called_the_text_stays_whole(name: str, up: int, decided: int) -> None:
    look = LookStanding(look=name, up=True, availability=(Availability("30d", up, decided),))
    content = text(MONITOR, [replace(MAIN, target=name, looks=(look,))])
    told = read(content)
    (ratio,) = [value for (metric, _), value in told.items() if metric == "prober_availability_ratio"]
    assert (ratio == 1) == (up >= decided)
    for line in content.removesuffix("\n").split("\n"):
        assert line.startswith(("# ", "prober_"))


def test_the_page_of_the_metrics_is_up_to_date() -> None:
    """Write it anew with `python -m prober.monitor.metrics > docs/monitoring-metrics.md`."""
    assert (ROOT / "docs" / "monitoring-metrics.md").read_text(encoding="utf-8") == page()


def test_a_name_that_exports_use_as_well_has_the_same_help_there() -> None:
    both = set(METRICS) & set(OF_A_RUN)
    assert both == {"prober_findings"}
    assert {name: METRICS[name].help for name in both} == {name: OF_A_RUN[name] for name in both}


# The server


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 11, 26, 2, 30, tzinfo=UTC))


@pytest.fixture
def listener(clock: VirtualClock) -> Iterator[Listener]:
    with Listener("127.0.0.1", 0, clock) as one:
        yield one


def get(listener: Listener, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type") or "", answer.read()
    finally:
        connection.close()


def test_the_server_shows_what_it_was_last_given(listener: Listener, clock: VirtualClock) -> None:
    assert get(listener, "/metrics")[0] == get(listener, "/healthz")[0] == 503
    listener.show("prober_targets 1\n", clock.utc() + timedelta(minutes=5))
    assert get(listener, "/metrics") == (200, "text/plain; version=0.0.4; charset=utf-8", b"prober_targets 1\n")
    assert get(listener, "/metrics?name=x")[2] == b"prober_targets 1\n"
    assert get(listener, "/metrics", "HEAD")[2] == b""
    assert get(listener, "/healthz")[0] == 200
    assert get(listener, "/")[0] == get(listener, "/metrics/x")[0] == 404
    assert get(listener, "/metrics", "POST")[0] == 405
    listener.show("prober_targets 2\n", clock.utc() + timedelta(minutes=5))
    assert get(listener, "/metrics")[2] == b"prober_targets 2\n"


def test_a_loop_that_stands_still_is_not_alive(listener: Listener, clock: VirtualClock) -> None:
    import asyncio

    listener.show("", clock.utc() + timedelta(minutes=5))
    asyncio.run(clock.sleep(300))
    assert get(listener, "/healthz")[0] == 200
    asyncio.run(clock.sleep(1))
    assert get(listener, "/healthz")[::2] == (503, b"The monitor has been silent for too long.\n")


def test_whoever_says_nothing_or_too_much_keeps_nobody_else_away(listener: Listener, clock: VirtualClock) -> None:
    listener.show("prober_targets 1\n", clock.utc())
    silent = [socket.create_connection(("127.0.0.1", listener.port), timeout=5) for _ in range(10)]
    try:
        assert get(listener, "/metrics")[0] == 200
        with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as one:
            answer = b""
            with suppress(ConnectionError):
                one.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
                answer = one.recv(100)
            assert not answer or answer.startswith(b"HTTP/1.1 431 ")
        for nonsense in (b"\x16\x03\x01\r\n\r\n", b"GET http://x/ HTTP/1.1\r\n\r\n", b"GET /metrics\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as one:
                one.sendall(nonsense)
                assert one.recv(100).startswith(b"HTTP/1.1 400 ")
        more = [socket.create_connection(("127.0.0.1", listener.port), timeout=5) for _ in range(7)]
        # There is room for sixteen at once; the one after that is sent away at once.
        assert [one.recv(1) for one in more[-1:]] == [b""]
        for one in (*silent, *more):
            one.close()
        for _ in range(50):
            with suppress(ConnectionError, http.client.HTTPException):
                if get(listener, "/metrics")[0] == 200:
                    break
        else:
            pytest.fail("The server did not recover.")
    finally:
        for one in silent:
            one.close()


def test_the_thread_ends_with_its_context_also_while_somebody_hangs_on(clock: VirtualClock) -> None:
    with Listener("127.0.0.1", 0, clock) as one:
        hanging = socket.create_connection(("127.0.0.1", one.port))
        assert get(one, "/")[0] == 404
        assert [each for each in threading.enumerate() if each.name == "prober-listen"]
    with hanging:
        assert not [each for each in threading.enumerate() if each.name == "prober-listen"]
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", one.port))


def test_an_address_that_is_taken_is_a_mistake(listener: Listener, clock: VirtualClock) -> None:
    with pytest.raises(Mistake, match=f"--listen 127.0.0.1:{listener.port}: this address cannot be bound"):
        Listener("127.0.0.1", listener.port, clock).__enter__()


def test_an_address_is_loopback_unless_another_is_named() -> None:
    assert address_of(":9464") == ("127.0.0.1", 9_464)
    assert address_of("0.0.0.0:9464") == ("0.0.0.0", 9_464)
    assert address_of("[::1]:80") == ("::1", 80)
    assert address_of("localhost:0") == ("localhost", 0)
    for wrong in ("", "9464", "x:", "x:99999", "a b:1", "::1:80", "http://x:80"):
        with pytest.raises(Mistake, match="give a host and a port"):
            address_of(wrong)


# The dashboard and the rules

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_:][A-Za-z0-9_:]*|[0-9][0-9.a-z]*|[{}()\[\],]|[=!~<>+*/%^-]+|\S')
_FUNCTIONS = {"absent", "min", "max", "sum", "time"}
_GROUPING = {"by", "without", "on", "ignoring"}
_OPERATORS = {"and", "or", "unless", "bool"}


def names_in(expression: str) -> Iterator[tuple[str, str | None]]:
    """Each metric of a PromQL expression with each label that is asked of it, and None for the metric itself.

    Raises ValueError for a word whose part it does not know: a query that is not understood is not checked.
    """
    tokens = _TOKEN.findall(expression)
    grouped: list[str] = []
    metrics: list[str] = []
    at = 0
    while at < len(tokens):
        word, after = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
        at += 1
        if not re.match("[A-Za-z_]", word):
            continue
        if word in _GROUPING and after == "(":
            end = tokens.index(")", at)
            grouped += [one for one in tokens[at + 1 : end] if one != ","]
            at = end + 1
        elif (word in _FUNCTIONS and (after == "(" or after in _GROUPING)) or word in _OPERATORS:
            continue
        elif word.startswith("prober_"):
            metrics.append(word)
            yield word, None
            if after == "{":
                end = tokens.index("}", at)
                yield from ((word, one) for one in tokens[at + 1 : end] if re.match("[A-Za-z_]", one))
                at = end + 1
        else:
            raise ValueError(f"{word} in {expression}")
    yield from ((metric, label) for metric in metrics for label in grouped)


def undocumented(expression: str) -> list[tuple[str, str | None]]:
    return [
        (metric, label)
        for metric, label in names_in(expression)
        if metric not in METRICS or (label is not None and label not in METRICS[metric].labels)
    ]


def board() -> dict[str, Any]:
    read_: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "prober.json").read_text(encoding="utf-8"))
    return read_


def rules() -> list[dict[str, Any]]:
    whole = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    assert set(whole) == {"groups"}
    (group,) = whole["groups"]
    assert set(group) == {"name", "rules"}
    found: list[dict[str, Any]] = group["rules"]
    return found


def queries() -> list[str]:
    """Every expression, with variables replaced as Grafana does."""
    shown = [target["expr"] for panel in board()["panels"] for target in panel["targets"]]
    asked = [one["query"]["query"] for one in board()["templating"]["list"] if one["type"] == "query"]
    inside = [re.fullmatch(r"label_values\((.*), (\w+)\)", one) for one in asked]
    labels = [f"sum by ({one[2]}) ({one[1]})" for one in inside if one is not None]
    assert len(labels) == len(asked)
    alarms = [one["expr"] for one in rules()]
    values = {one["name"]: one["current"].get("value", ".*") for one in board()["templating"]["list"]}
    replaced = [
        re.sub(r"\$(\w+)", lambda hit: str(values[hit[1]]).replace("$__all", ".*"), one) for one in shown + labels
    ]
    return replaced + alarms


@pytest.mark.parametrize("query", queries())
def test_every_query_asks_only_for_what_is_documented(query: str) -> None:
    assert undocumented(query) == []
    assert any(label is None for _, label in names_in(query))


@pytest.mark.parametrize(
    "query",
    ["prober_ups", 'prober_up{job="x"}', "sum by (kind) (prober_up)", "prober_up + on(quantile) prober_targets"],
)
def test_a_query_for_anything_else_would_be_found(query: str) -> None:
    assert undocumented(query)


def test_a_query_that_is_not_understood_is_not_taken_for_a_good_one() -> None:
    with pytest.raises(ValueError, match="rate"):
        list(names_in("rate(prober_up[5m])"))


@pytest.mark.deep
@pytest.mark.parametrize("query", queries())
def test_every_query_is_promql(query: str) -> None:
    parser = pytest.importorskip("promql_parser", reason="scripts/test-deep installs promql-parser.")
    parser.parse(query)
    with pytest.raises(ValueError):
        parser.parse(f"{query} )")


def test_the_dashboard_shows_what_it_should() -> None:
    titles = {one["title"] for one in board()["panels"]}
    for word in ("Up", "Availability", "Error budget", "95th", "Certificate", "incidents", "Age of the last", "alive"):
        assert any(word in title for title in titles), word
    assert len({one["id"] for one in board()["panels"]}) == len(board()["panels"])
    for panel in board()["panels"]:
        box = panel["gridPos"]
        assert box["x"] + box["w"] <= 24
        assert panel["description"].endswith(".")
        for target in panel["targets"]:
            labels = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
            for metric in re.findall(r"prober_\w+", target["expr"]):
                assert set(labels) <= set(METRICS[metric].labels)


def test_the_rules_have_what_prometheus_requires_and_name_known_labels() -> None:
    names = [one["alert"] for one in rules()]
    assert {"ProberMonitorSilent", "FhirCertificateEnding", "FhirServerDown"} <= set(names)
    assert len(set(names)) == len(names)
    for one in rules():
        assert set(one) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[0-9]+[mhd]", one.get("for", "1m"))
        assert one["labels"]["severity"] in {"critical", "warning"}
        assert set(one["annotations"]) == {"summary", "description"}
        for label in re.findall(r"\$labels\.(\w+)", json.dumps(one["annotations"])):
            (metric,) = {name for name, _ in names_in(one["expr"])}
            assert label in METRICS[metric].labels


def test_kinds_and_windows_in_queries_are_ones_that_exist() -> None:
    for query in queries():
        for name, value in re.findall(r'(kind|quantile|window)="([^"]*)"', query):
            assert value in {"kind": KINDS, "quantile": ("0.5", "0.95"), "window": ("30d",)}[name]
