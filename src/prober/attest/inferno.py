"""Reads the results of the Inferno framework: `inferno execute --outputter json`, or its API's list of results.

A result of Inferno also holds requests, inputs and outputs with tokens and patient data. Nothing is taken of it but ids
of tests and suites, results, days, and the input `url` where it equals a base of the provider file.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from prober.attest.imports import Offer, built, json_of
from prober.attest.writing import free_id
from prober.mistake import Mistake
from prober.nouns.attestation import Attestation
from prober.nouns.base import JSON

_ID = re.compile(r"[A-Za-z0-9_.-]{1,300}")
_WHAT = "the output of `inferno execute --outputter json`, or the results of a session from Inferno's API"
UNFINISHED = frozenset({"wait", "running", "cancel"})
COUNTED = {"pass": "passed", "fail": "failed", "skip": "skipped", "omit": "omitted", "error": "errors"}


@dataclass(frozen=True)
class Suite:
    """What is taken from a file of results: nothing else of it goes any further."""

    suite: str
    base: str
    day: date
    counts: Mapping[str, int]
    optional: int


def read_suite(content: bytes, source: Path, bases: Sequence[str]) -> Suite:
    """The counts of the required tests of one suite, run against one of these bases. Raises Mistake."""
    value = json_of(content, source, _WHAT)
    results = value.get("results") if isinstance(value, dict) else value
    found = [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []
    tests = _latest(found)
    if not tests:
        raise Mistake(f"{source}: no result of a test is in this file; name {_WHAT}.")
    said = Counter(one["result"] for one in tests if one.get("optional") is not True)
    if unfinished := sum(said[one] for one in UNFINISHED):
        raise Mistake(f"{source}: {unfinished} tests were waiting or cancelled; finish the run and export it again.")
    if not sum(said.values()):
        raise Mistake(f"{source}: every test in this file is optional, so it says nothing; run the whole suite.")
    if not said["pass"] + said["fail"] + said["error"]:
        raise Mistake(
            f"{source}: every required test was skipped or omitted, so nothing was tested; run the suite again."
        )
    suite = _suite(value, found, tests, source)
    return Suite(
        suite=suite,
        base=_base(found, source, bases),
        day=_day(tests, source),
        counts={name: said[result] for result, name in COUNTED.items()},
        optional=sum(one.get("optional") is True for one in tests),
    )


def from_inferno(
    content: bytes,
    source: Path,
    bases: Sequence[str],
    offer: Offer,
    *,
    file: str | None,
    version: str | None,
    taken: frozenset[str],
) -> Attestation:
    """The results as an attestation: of class E3 where somebody other than the provider stands behind them."""
    suite = read_suite(content, source, bases)
    told = ", ".join(f"{count} {name}" for name, count in suite.counts.items() if count)
    beside = f" Its {suite.optional} optional tests are not counted." if suite.optional else ""
    return built(
        {
            "id": free_id(f"inferno-{suite.suite}-{suite.day}", taken),
            "requirements": offer.requirements,
            "claim": f"Inferno ran {suite.suite} against this base; of its required tests: {told}.{beside}",
            "kind": "result",
            "class": "E3" if offer.third_party else "E2",
            "issuer": offer.third_party or offer.entity,
            "signer_role": offer.signer_role,
            "issued": str(suite.day),
            "entity": offer.entity,
            "bases": [suite.base],
            "shape": {"form": "suite", "suite": suite.suite, "version": version, "base": suite.base, **suite.counts},
            "document": {
                "title": f"Results of the Inferno suite {suite.suite}",
                "file": file,
                "sha256": hashlib.sha256(content).hexdigest(),
                "third_party": offer.third_party,
            },
        },
        str(source),
    )


def _latest(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The last result of each test: groups and suites only sum theirs up, and a test that ran again counts once."""
    latest: dict[str, Mapping[str, Any]] = {}
    for one in found:
        test, result = one.get("test_id"), one.get("result")
        if not isinstance(test, str) or not _ID.fullmatch(test):
            continue
        if not isinstance(result, str) or result not in {*COUNTED, *UNFINISHED}:
            continue
        if test not in latest or _moment(one) >= _moment(latest[test]):
            latest[test] = one
    return list(latest.values())


def _suite(value: JSON, found: Sequence[Mapping[str, Any]], tests: Sequence[Mapping[str, Any]], source: Path) -> str:
    """The id of the suite: an id of a test begins with it."""
    named = {one["test_suite_id"] for one in [*found, value] if isinstance(one, dict) and _is_id(one, "test_suite_id")}
    suites = named | {str(one["test_id"]).partition("-")[0] for one in tests}
    if len(suites) != 1:
        raise Mistake(f"{source}: this file holds results of {len(suites)} suites; export each suite by itself.")
    return next(iter(suites))[:100]


def _is_id(one: Mapping[str, Any], name: str) -> bool:
    return isinstance(one.get(name), str) and _ID.fullmatch(one[name]) is not None


def _base(found: Sequence[Mapping[str, Any]], source: Path, bases: Sequence[str]) -> str:
    """The base in the provider's own spelling. What the file says instead is not repeated: it may hold a secret."""
    given = {url.strip().rstrip("/") for one in found for url in _urls(one)}
    if not given:
        raise Mistake(f"{source}: no result in this file has the input `url`, so nobody knows which base was tested.")
    if len(given) > 1:
        raise Mistake(f"{source}: this file is about {len(given)} addresses; export the run of each base by itself.")
    base = next((base.rstrip("/") for base in bases if base.rstrip("/") in given), None)
    if base is None:
        raise Mistake(f"{source}: the suite ran against another FHIR base than those that the provider file lists.")
    return base


def _urls(one: Mapping[str, Any]) -> Iterator[str]:
    inputs = one.get("inputs")
    for given in inputs if isinstance(inputs, list) else ():
        if isinstance(given, dict) and given.get("name") == "url" and isinstance(given.get("value"), str):
            yield given["value"]


def _day(tests: Sequence[Mapping[str, Any]], source: Path) -> date:
    latest = max(map(_moment, tests))
    if latest == _NEVER:
        raise Mistake(f"{source}: no result in this file has the time at which it was made.")
    return latest.date()


_NEVER = datetime.min.replace(tzinfo=UTC)


def _moment(one: Mapping[str, Any]) -> datetime:
    for name in ("updated_at", "created_at"):
        text = one.get(name)
        if isinstance(text, str) and len(text) <= 40:
            try:
                moment = datetime.fromisoformat(text)
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
            except (ValueError, OverflowError):
                continue
    return _NEVER
