"""Reducers: the same small value however the bytes came, whatever they were, in flat memory."""

import json
import time
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.samples import DEEP, examples

from prober import reduce
from prober.nouns.base import canonical
from prober.reduce import LONGEST_LINE, OpenData, people_of, reduced_text, reducer

KEY = b"k" * 32


def reduced(name: str, pieces: Iterable[bytes], *, complete: bool = True) -> Any:
    """What the door makes of these pieces: it stops reading when the reducer has enough."""
    one = reducer(name, KEY)
    try:
        for piece in pieces:
            one.feed(piece)
            if one.enough:
                break
        return json.loads(reduced_text(one.finish(complete=complete)))
    finally:
        one.close()


def cut(body: bytes, at: list[int]) -> list[bytes]:
    places = sorted({place % (len(body) + 1) for place in at})
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


def line(kind: object = "Patient", id_: object = "1", **more: object) -> bytes:
    return json.dumps({"resourceType": kind, "id": id_, **more}).encode()


LINES = st.one_of(
    st.builds(line, st.sampled_from(["Patient", "Group", "Mary", "", None, 7]), st.sampled_from(["1", "2", 3, None])),
    st.sampled_from([b"", b" ", b"\r", b"null", b"[]", b"{}", b'"x"', b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", b"NaN"]),
    st.sampled_from(
        [b'{"resourceType":[]}', b'{"resourceType":{"a":1}}', b'{"resourceType":"Patient","id":"\\ud800"}']
    ),
    st.binary(max_size=20),
)
FILES = st.builds(
    lambda lines, end: b"\n".join(lines) + end, st.lists(LINES, max_size=12), st.sampled_from([b"", b"\n"])
)


@settings(max_examples=examples(300), deadline=None)
@given(body=FILES, at=st.lists(st.integers(0, 10_000), max_size=8))
def test_any_chunking_of_a_file_gives_the_same_reduction(body: bytes, at: list[int]) -> None:
    whole = reduced("ndjson/1:Patient", [body])
    assert reduced("ndjson/1:Patient", cut(body, at)) == whole
    assert reduced("ndjson/1:Patient", [bytes([byte]) for byte in body]) == whole
    assert whole["bytes"] == len(body)
    assert whole["lines"] == sum(bool(one.strip()) for one in body.split(b"\n"))
    assert whole["ends_with_newline"] == (not body or body.endswith(b"\n"))
    assert whole["bad"] + sum(whole["types"].values()) == whole["lines"]


@settings(max_examples=examples(300), deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=80),
        st.builds(
            lambda *parts: b"".join(parts),
            *[
                st.sampled_from(
                    [b'"total"', b":", b" 12", b"0", b",", b'"entry":[', b'"resourceType":"Bundle",', b"{", b"}", b"x"]
                )
            ]
            * 6,
        ),
    ),
    at=st.lists(st.integers(0, 100), max_size=6),
    padding=st.integers(0, 3000),
)
@example(body=b'{"total":5,"entry":[', at=[], padding=0)
@example(body=b'"total":5}', at=[9], padding=2038)
def test_any_chunking_of_an_answer_gives_the_same_reduction(body: bytes, at: list[int], padding: int) -> None:
    body = b" " * padding + body + b' ,"entry":[]' * 3
    whole = reduced("open-data/1", [body])
    assert reduced("open-data/1", cut(body, at)) == whole
    assert reduced("open-data/1", [bytes([byte]) for byte in body]) == whole


@pytest.mark.parametrize(
    ("body", "total_over_zero", "kind", "entries"),
    [
        (b'{"resourceType":"Bundle","type":"searchset","total":3}', True, "Bundle", False),
        (b'{"resourceType":"Bundle","total" : 0 ,"entry":[]}', False, "Bundle", False),
        (b'{"resourceType":"Bundle","entry":[{"resource":{}}]}', None, "Bundle", True),
        (b'{"resourceType":"Bundle","total":12', None, "Bundle", False),
        (b'{"resourceType":"Bundle","total":0.5}', None, "Bundle", False),
        (b'{"resourceType":"Bundle","total":-1}', None, "Bundle", False),
        (b'{"resourceType":"Bundle","total":"3"}', None, "Bundle", False),
        (b'{"resourceType":"Mary","total":1}', True, None, False),
        (b'{"text":"\\"total\\":3"}', None, None, False),
        (b'\xef\xbb\xbf {"resourceType":"OperationOutcome"}', None, "OperationOutcome", False),
        (b"<Bundle/>", None, None, False),
        (b"", None, None, False),
    ],
)
def test_whether_an_answer_holds_data(
    body: bytes, total_over_zero: bool | None, kind: str | None, entries: bool
) -> None:
    kept = reduced("open-data/1", [body])
    assert (kept["total_over_zero"], kept["resource_type"], kept["entries"]) == (total_over_zero, kind, entries)


@settings(max_examples=examples(100), deadline=None)
@given(st.binary(max_size=5000))
def test_of_an_open_answer_no_more_than_2_kb_is_ever_held(body: bytes) -> None:
    one = OpenData()
    one.feed(body * 3)
    assert len(one._read) <= OpenData.ENOUGH
    assert set(json.loads(reduced_text(one.finish(complete=False)))) == {
        "reducer",
        "resource_type",
        "total_over_zero",
        "entries",
        "json",
    }


def test_repeated_ids_are_counted_within_their_type() -> None:
    body = b"\n".join([line("Patient", "a"), line("Patient", "b"), line("Group", "a"), line("Patient", "a")] * 2)
    kept = reduced("ndjson/1", [body])
    assert kept["types"] == {"Group": 2, "Patient": 6}
    assert kept["repeated_ids"] == 5


@pytest.mark.parametrize("in_memory", [1, 2, 7, 64])
def test_spilled_hashes_count_the_same(in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduce, "HASHES_IN_MEMORY", in_memory)
    ids = [f"p{number * number % 90}" for number in range(300)]
    body = b"\n".join(line("Patient", id_) for id_ in ids) + b"\n"
    assert reduced("ndjson/1", [body])["repeated_ids"] == len(ids) - len(set(ids))


def test_hashes_are_keyed_and_never_kept() -> None:
    kept = reduced("ndjson/1:Patient", [line("Patient", "mary-canary", name="Mary Canary") + b"\n"])
    assert "anary" not in canonical(kept)
    assert kept["complete"] is True
    assert reduced("ndjson/1", [b""], complete=False)["complete"] is False


@pytest.mark.parametrize(
    ("hostile", "what"),
    [
        (b"{", "the line is not JSON"),
        (b"nul", "the line is not JSON"),
        (b"[" * 100_000, "the line is not JSON"),
        (b'{"resourceType":"Patient","n":' + b"9" * 5000 + b"}", "the line is not JSON"),
        (b"\xff\xfe", "the line is not UTF-8"),
        (b"[]", "the line is not a FHIR resource"),
        (b"null", "the line is not a FHIR resource"),
        (b'{"resourceType":["Patient"]}', "the line is not a FHIR resource"),
        (b'{"resourceType":"Mary"}', "the line is not a FHIR resource"),
    ],
    ids=range(9),
)
def test_a_hostile_line_is_named_by_its_number_and_the_next_is_read(hostile: bytes, what: str) -> None:
    body = line() + b"\n" + hostile + b"\n" + line(id_="2")
    for size in (len(body), 65_536):
        kept = reduced("ndjson/1:Patient", [body[at : at + size] for at in range(0, len(body), size)])
        assert kept["bad_lines"] == [{"line": 2, "what": what}]
        assert (kept["lines"], kept["types"], kept["ends_with_newline"]) == (3, {"Patient": 2}, False)


def test_a_line_that_prober_does_not_read_is_neither_good_nor_bad() -> None:
    body = line() + b"\n" + b"x" * (LONGEST_LINE + 1) + b"\nx\n" + line(id_="2") + b"\n"
    for size in (len(body), 65_536):
        kept = reduced("ndjson/1:Patient", [body[at : at + size] for at in range(0, len(body), size)])
        assert (kept["unread"], kept["bad"], kept["lines"], kept["types"]) == (1, 1, 4, {"Patient": 2})
        assert kept["unread_lines"] == [{"line": 2, "what": "the line is longer than prober reads"}]
        assert kept["bad_lines"] == [{"line": 3, "what": "the line is not JSON"}]


def test_only_a_few_bad_lines_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = reduced("ndjson/1", [b"x\n" * 500])
    assert (kept["bad"], len(kept["bad_lines"])) == (500, reduce.BAD_LINES_NAMED)
    monkeypatch.setattr(reduce, "LONGEST_LINE", 9)
    kept = reduced("ndjson/1", [(b"x" * 10 + b"\n") * 500])
    assert (kept["bad"], kept["unread"], len(kept["unread_lines"])) == (0, 500, reduce.BAD_LINES_NAMED)


@pytest.mark.parametrize("name", ["ndjson/2", "open-data/2", "", "ndjson/1:Mary Canary"])
def test_there_is_no_other_reducer(name: str) -> None:
    with pytest.raises(KeyError):
        reducer(name, KEY)


def test_a_long_line_in_single_bytes_costs_no_more_than_its_length() -> None:
    began = time.process_time()
    kept = reduced("ndjson/1", [b"x"] * 300_000)
    assert kept["bad"] == 1
    assert time.process_time() - began < 3


def streamed(lines: int, name: str = "ndjson/1:Patient") -> tuple[Any, int, float]:
    """The reduction of a file of that many patients, the most memory it took, and seconds per line."""
    chunk = 500
    tracemalloc.start()
    began = time.process_time()
    one = reducer(name, KEY)
    try:
        for start in range(0, lines, chunk):
            one.feed(b"".join(line(id_=f"p{number}", note="x" * 200) + b"\n" for number in range(start, start + chunk)))
        kept = one.finish(complete=True)
    finally:
        one.close()
    seconds, (_, most) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept, most, seconds / lines


@DEEP
def test_memory_is_flat_however_long_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduce, "HASHES_IN_MEMORY", 1024)
    _, short, _ = streamed(2_000)
    kept, long, _ = streamed(12_000)
    assert (kept["lines"], kept["repeated_ids"]) == (12_000, 0)
    assert long < short + 200_000
    assert long < 2_000_000


@pytest.mark.deep
def test_memory_is_flat_for_a_million_lines() -> None:
    kept, most, _ = streamed(1_000_000)
    assert (kept["lines"], kept["repeated_ids"]) == (1_000_000, 0)
    assert most < 10_000_000


def test_reading_stops_at_the_first_record_of_somebody_else() -> None:
    """Outside synthetic data an export is read no further than the first line about a patient who is not listed."""
    lines = [
        {"resourceType": "Patient", "id": "known"},
        {"resourceType": "Patient", "id": "stranger", "name": "Canary"},
    ]
    kept_of = reducer("ndjson/1:Patient", b"k" * 32, frozenset({"known"}))
    for line in lines:
        kept_of.feed(json.dumps(line).encode() + b"\n")
    assert kept_of.enough
    kept = kept_of.finish(complete=False)
    assert kept["somebody_else"] is True
    assert kept["types"] == {"Patient": 1}
    assert "stranger" not in json.dumps(kept)


@pytest.mark.parametrize(
    ("resource", "people"),
    [
        ({"resourceType": "Patient", "id": "a"}, ("a",)),
        ({"resourceType": "Observation", "subject": {"reference": "Patient/a"}}, ("a",)),
        ({"resourceType": "Coverage", "beneficiary": {"reference": "https://x.example/fhir/Patient/b"}}, ("b",)),
        ({"resourceType": "Organization", "id": "o"}, ()),
        ({"resourceType": "Observation", "subject": "Patient/a", "patient": {"reference": 7}}, ()),
    ],
)
def test_whom_a_resource_is_about(resource: dict[str, Any], people: tuple[str, ...]) -> None:
    assert people_of(resource) == people


@pytest.mark.parametrize(
    ("content", "record"),
    [
        (b'{"resourceType":"Patient","id":"a"}\n{"resourceType"', True),
        (b"<!doctype html><html></html>", False),
        (b"", False),
        (b'{"message":"login"}\n{"resourceType":"Patient"}', False),
    ],
)
def test_a_file_without_a_token_is_only_looked_at(content: bytes, record: bool) -> None:
    kept_of = reducer("opened/1", b"k" * 32)
    for at in range(len(content)):
        kept_of.feed(content[at : at + 1])
        if kept_of.enough:
            break
    assert kept_of.finish(complete=False) == {"reducer": "opened/1", "record": record}
