"""What a server withholds on a bad day or behind a door: it never counts as something that the server lacks."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.samples import some

from prober.casebook import Change, Remembered, changed, remember
from prober.judge import judge
from prober.library import load_probes
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding, Reason
from prober.observations import not_there, refuted
from prober.session.ask import Ask
from prober.session.observation import Observation
from prober.session.replay import Replay
from prober.session.withheld import cannot_tell, closed, passing

FIXTURE = Path(__file__).parent.parent / "fixtures" / "leader"
PASSING_STATUSES: dict[int, Reason] = {
    408: "timed_out",
    421: "unavailable",
    423: "unavailable",
    425: "unavailable",
    429: "rate_limited",
    500: "server_error",
    502: "server_error",
    503: "unavailable",
    504: "server_error",
    599: "server_error",
}
PASSING_CODES: dict[str, Reason] = {
    "throttled": "rate_limited",
    "transient": "unavailable",
    "lock-error": "unavailable",
    "no-store": "unavailable",
    "incomplete": "unavailable",
    "too-costly": "unavailable",
    "timeout": "server_error",
    "exception": "server_error",
}
CLOSED_STATUSES = (401, 403, 407, 451, 498, 499)
CLOSED_CODES = ("security", "login", "unknown", "expired", "forbidden", "suppressed")


def outcome(*codes: str, severity: str = "error") -> str:
    issues = [{"severity": severity, "code": code} for code in codes]
    return json.dumps({"resourceType": "OperationOutcome", "issue": issues})


def answer(status: int, text: str = "") -> Exchange:
    return Exchange(id="x", observation="o", method="GET", url="u", status=status, content=text.encode())


@pytest.mark.parametrize(("status", "reason"), PASSING_STATUSES.items())
def test_a_status_of_a_bad_day_has_its_reason(status: int, reason: Reason) -> None:
    for with_token in (True, False):
        why = cannot_tell(answer(status), with_token=with_token)
        assert why is not None
        assert why[0] == reason
        assert why[1].endswith(f"{status}).") or why[1].endswith(f"{status}.")


@pytest.mark.parametrize("status", [200, 400, 404, 405, 410, 422])
@pytest.mark.parametrize(("code", "reason"), PASSING_CODES.items())
def test_a_code_of_a_bad_day_has_its_reason_whatever_the_status(status: int, code: str, reason: Reason) -> None:
    one = answer(status, outcome("processing", code))
    why = passing(one)
    assert why is not None
    assert why[0] == reason
    assert code in why[1]
    assert not refuted(one)
    assert not not_there(one)


@pytest.mark.parametrize("status", CLOSED_STATUSES)
def test_a_closed_door_is_protected_or_denied(status: int) -> None:
    protected, denied = (cannot_tell(answer(status), with_token=one) for one in (False, True))
    assert protected is not None
    assert denied is not None
    assert (protected[0], denied[0]) == ("protected", "denied")
    assert not refuted(answer(status))


@pytest.mark.parametrize("code", CLOSED_CODES)
def test_a_door_may_be_closed_under_another_status(code: str) -> None:
    one = answer(404, outcome(code))
    assert closed(one) == f"status 404, issue code {code}"
    assert not not_there(one)


@pytest.mark.parametrize("status", [404, 405, 410, 501])
def test_a_plain_no_is_a_no(status: int) -> None:
    for text in ("", "<html></html>", outcome("processing"), outcome("not-found"), "[]"):
        assert cannot_tell(answer(status, text), with_token=True) is None
        assert refuted(answer(status, text))
        assert not_there(answer(status, text))


@pytest.mark.parametrize("code", ["throttled", "exception", "login", "forbidden"])
def test_who_says_not_supported_means_it(code: str) -> None:
    assert refuted(answer(400, outcome(code, "not-supported")))


def test_not_found_says_that_a_record_is_not_there_but_refutes_no_interaction() -> None:
    assert not_there(answer(400, outcome("not-found")))
    assert not refuted(answer(400, outcome("not-found")))


@pytest.mark.parametrize("status", [200, 302, 400, 406, 409, 414, 415, 418, 422])
def test_any_other_status_is_judged_and_refutes_nothing(status: int) -> None:
    assert cannot_tell(answer(status), with_token=True) is None
    assert not not_there(answer(status))


def test_remarks_and_what_is_under_way_are_no_errors() -> None:
    for severity in ("warning", "information", "success"):
        assert passing(answer(200, outcome("incomplete", severity=severity))) is None
        assert closed(answer(404, outcome("suppressed", severity=severity))) is None
    assert passing(answer(202, outcome("throttled"))) is None
    assert passing(answer(200, json.dumps({"resourceType": "Bundle", "issue": [{"code": "throttled"}]}))) is None


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["login", "throttled", "error"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["code", "severity"]), inner),
    max_leaves=8,
)


@given(status=st.integers(100, 599), issue=ODD)
def test_no_outcome_whatever_makes_it_fail(status: int, issue: object) -> None:
    one = answer(status, json.dumps({"resourceType": "OperationOutcome", "issue": issue}))
    why = cannot_tell(one, with_token=False)
    assert why is None or not (refuted(one) or not_there(one))


class BadDay(Replay):
    """A remembered server of which everything, or everything but /metadata, is answered in one way."""

    def __init__(self, remembered: Remembered, change: Change, *, metadata_too: bool) -> None:
        super().__init__(remembered.facts, remembered.exchanges, lambda: 0)
        self._change = change
        self._metadata_too = metadata_too

    async def exchange(
        self, ask: Ask, *, observation: Observation[Any], arguments: tuple[str, ...], id: str
    ) -> Exchange:
        recorded = await super().exchange(ask, observation=observation, arguments=arguments, id=id)
        spared = ask.template == "metadata" and not self._metadata_too
        return recorded if spared or ask.method in ("HANDSHAKE", "CONNECT") else changed(recorded, self._change)


@pytest.fixture(scope="module")
def leader() -> Remembered:
    return remember(FIXTURE)


@pytest.fixture(scope="module")
def probes() -> dict[str, Any]:
    return {one.id: (one.probe, one.sheet, one.digest) for one in load_probes().values()}


JSON_HEADERS = {
    "content-type": "application/fhir+json",
    "content-location": None,
    "location": None,
    "retry-after": "1",
}
BAD_DAYS = {
    **{
        str(status): Change(status=status, text="", headers=JSON_HEADERS)
        for status in (*PASSING_STATUSES, *CLOSED_STATUSES)
    },
    **{
        f"{status}-{code}": Change(status=status, text=outcome(code), headers=JSON_HEADERS)
        for status in (400, 404)
        for code in (*PASSING_CODES, *CLOSED_CODES)
    },
    **{f"200-{code}": Change(status=200, text=outcome(code), headers=JSON_HEADERS) for code in PASSING_CODES},
    **{
        str(status): Change(status=status, text=outcome("processing"), headers=JSON_HEADERS)
        for status in (402, 409, 414, 418, 431)
    },
}


@pytest.mark.parametrize("metadata_too", [False, True], ids=["all-but-metadata", "all"])
@pytest.mark.parametrize("day", some(BAD_DAYS, every=3))
def test_on_a_bad_day_no_probe_finds_anything_missing(
    leader: Remembered, probes: dict[str, Any], day: str, metadata_too: bool
) -> None:
    server = BadDay(leader, BAD_DAYS[day], metadata_too=metadata_too)
    judged = asyncio.run(judge(probes, leader.facts, {}, server=server))
    findings: tuple[Finding, ...] = judged.findings
    missing = {one.source.probe: one.verdict.message for one in findings if one.verdict.outcome == "absent"}
    assert missing == {}
    assert not judged.bugs
