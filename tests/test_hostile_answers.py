"""Whatever a server puts where an answer should be, no probe fails on it, and a started export is deleted."""

import asyncio
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.casebook import Remembered, remember
from prober.judge import judge
from prober.library import LoadedProbe, load_probes
from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange
from prober.session.ask import Ask
from prober.session.observation import Observation
from prober.session.replay import Replay
from prober.session.session import Facts, Round

FIXTURES = Path(__file__).parent.parent / "fixtures"
WORDS = ("", "Patient", "searchset", "Bundle", "http://127.0.0.1:8480/fhir/x", "http://[", "/x", "2026-01-01T00:00:00Z")

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("id", "url", "code")), inner),
    max_leaves=5,
)
statuses = st.sampled_from((200, 200, 200, 202, 204, 302, 400, 401, 404, 429, 500, 501, 503))


@cache
def leader() -> Remembered:
    return remember(FIXTURES / "leader")


@cache
def probes() -> Mapping[str, LoadedProbe]:
    return load_probes()


def _names_a_job(answer: Exchange) -> bool:
    return answer.header("content-location") is not None


class Hostile(Replay):
    """The healthy server with one thing wrong in every document: what stands at a random place is something else."""

    def __init__(self, facts: Facts, exchanges: Mapping[str, Exchange], data: st.DataObject) -> None:
        super().__init__(facts, exchanges)
        self._data = data
        self.started = 0
        self.deleted = 0

    async def exchange(
        self, ask: Ask, *, observation: Observation[Any], arguments: tuple[str, ...], id: str
    ) -> Exchange:
        answer = await super().exchange(ask, observation=observation, arguments=arguments, id=id)
        document = json.loads(json.dumps(answer.document))
        if self._data.draw(st.booleans()):
            document = self._spoilt(document)
        status = answer.status if self._data.draw(st.booleans()) else self._data.draw(statuses)
        self.started += ask.purpose == "job" and bool(ask.template) and status == 202 and _names_a_job(answer)
        self.deleted += ask.method == "DELETE"
        content = b"" if document is None else json.dumps(document).encode()
        return answer.model_copy(update={"content": content, "status": status})

    def _spoilt(self, value: JSON) -> JSON:
        """Something else at a place some steps down, often near the end of a way that the document has."""
        if not isinstance(value, dict | list) or not value or self._data.draw(st.integers(0, 5)) == 0:
            return self._data.draw(values)
        keys = sorted(value) if isinstance(value, dict) else list(range(len(value)))
        key = self._data.draw(st.sampled_from(keys))
        value[key] = self._spoilt(value[key])
        return value


def judge_a_stranger(data: st.DataObject) -> None:
    remembered = leader()
    server = Hostile(remembered.facts, remembered.exchanges, data)
    loaded = {id_: (one.probe, one.sheet, one.digest) for id_, one in probes().items()}
    judged = asyncio.run(judge(loaded, remembered.facts, {}, server=server))
    assert judged.bugs == ()
    for finding in judged.findings:
        assert finding.line()
        assert finding.verdict.message.endswith(".")


@given(data=st.data())
@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
def test_no_probe_fails_on_what_a_stranger_sends(data: st.DataObject) -> None:
    judge_a_stranger(data)


@pytest.mark.deep
@given(data=st.data())
@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
def test_no_probe_fails_on_whatever_a_stranger_sends(data: st.DataObject) -> None:
    judge_a_stranger(data)


@given(data=st.data())
@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
def test_a_started_export_is_always_deleted(data: st.DataObject) -> None:
    remembered = leader()
    server = Hostile(remembered.facts, remembered.exchanges, data)
    round_ = Round(server)
    look = next(one for one in probes()["bulk_job_deleted"].probe.observations if one.name == "bulk_job")
    asyncio.run(round_.see(look))
    assert not round_.bugs
    assert server.deleted == server.started
