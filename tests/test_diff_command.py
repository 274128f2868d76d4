"""`prober diff` as people and pipelines meet it: what is printed, how it ends, and what is refused."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prober.archive import BLOBS, EXCHANGES, RUN
from prober.nouns.facts import Change, Delta, Kind, Side
from prober.render.delta import markdown, terminal

FIXTURES = Path(__file__).parent.parent / "fixtures"
GOLDEN = Path(__file__).parent / "golden" / "render"
Prober = Callable[..., Any]


def night(place: Path, name: str, run: str, change: Callable[[Any], object] | None = None, **facts: Any) -> Path:
    """A copy of a recording as the run of another night, with a change of its statement."""
    folder = Path(shutil.copytree(FIXTURES / name, place / run))
    lines = [json.loads(line) for line in (folder / EXCHANGES).read_text().splitlines()]
    for line in lines:
        if change is not None and line["url"].endswith("/metadata") and line["status"] == 200:
            document = json.loads((folder / BLOBS / line["body"]).read_bytes())
            change(document)
            content = json.dumps(document).encode()
            line["body"] = hashlib.sha256(content).hexdigest()
            (folder / BLOBS / line["body"]).write_bytes(content)
        if change is None and facts.get("throttled") and line["url"].endswith("/metadata"):
            line.update(status=429, body=None, media="none", parsed=False)
    facts.pop("throttled", None)
    text = [json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for line in lines]
    (folder / EXCHANGES).write_text("\n".join(text) + "\n")
    told = json.loads((folder / RUN).read_text())
    told.update(id=run, **facts)
    (folder / RUN).write_text(json.dumps(told))
    return folder


def without_export(statement: Any) -> None:
    for resource in statement["rest"][0]["resource"]:
        resource.pop("operation", None)


def another_release(statement: Any) -> None:
    statement["software"]["version"] = "1.0.1"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return night(tmp_path, "leader", "first", started="2026-11-01T02:00:00.000000Z")


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return night(tmp_path, "leader", "second", without_export, started="2026-11-02T02:00:00.000000Z")


def test_what_got_worse_comes_first_with_its_proof(prober: Prober, first: Path, second: Path) -> None:
    ended = prober("diff", first, second)
    assert (ended.code, ended.err) == (0, "")
    head, _, rest = ended.out.partition("For the worse:\n")
    assert "2 changes: 2 for the worse" in head
    assert "holds no findings" in head
    assert "The operation $export of Group is no longer declared." in rest
    exchange = next(
        one["id"]
        for line in (first / EXCHANGES).read_text().splitlines()
        if (one := json.loads(line))["observation"] == "metadata_answer"
    )
    assert f"declared (run first, exchange {exchange} at /rest/0/resource/13/operation/0)" in " ".join(rest.split())
    assert f"not there (run second, exchange {exchange})" in " ".join(rest.split())


def test_pipelines_end_by_what_they_ask(prober: Prober, first: Path, second: Path, tmp_path: Path) -> None:
    release = night(tmp_path, "leader", "release", another_release, started="2026-11-03T02:00:00.000000Z")
    assert prober("diff", first, second).code == 0
    assert prober("diff", first, second, "--fail-on", "regression").code == 1
    assert prober("diff", first, second, "--fail-on", "any").code == 1
    assert prober("diff", first, release, "--fail-on", "any").code == 1
    # A release is no regression, but without findings nobody can say that there is none.
    assert prober("diff", first, release, "--fail-on", "regression").code == 3
    ended = prober("diff", first, second, "--fail-on", "never")
    assert (ended.code, ended.out) == (2, "")


def test_a_throttled_night_is_no_withdrawal(prober: Prober, first: Path, tmp_path: Path) -> None:
    blind = night(tmp_path, "leader", "blind", throttled=True, started="2026-11-02T02:00:00.000000Z")
    ended = prober("diff", first, blind, "--fail-on", "any", "--json")
    delta = Delta.model_validate_json(ended.out)
    assert ended.code == 3
    assert delta.changes == ()
    assert {"statement", "type", "interaction"} <= set(delta.not_compared)


def test_json_is_one_line_of_the_published_form(prober: Prober, first: Path, second: Path) -> None:
    import jsonschema

    ended = prober("diff", first, second, "--json")
    assert ended.out.count("\n") == 1
    schema = json.loads((FIXTURES.parent / "schemas" / "diff.schema.json").read_text())
    jsonschema.validate(json.loads(ended.out), schema)
    delta = Delta.model_validate_json(ended.out)
    assert {one.key for one in delta.changes} == {"operation/Group/export", "operation/Patient/export"}
    assert delta.line() + "\n" == ended.out


def test_what_is_back_is_told(prober: Prober, first: Path, second: Path, tmp_path: Path) -> None:
    third = night(tmp_path, "leader", "third", started="2026-11-03T02:00:00.000000Z")
    ended = prober("diff", second, third, "--earlier", first)
    assert "It is again as the run first saw it." in ended.out
    assert "It is again" not in prober("diff", second, third).out
    ended = prober("diff", second, third, "--earlier", third)
    assert (ended.code, "did not begin before" in ended.err) == (2, True)


def test_two_servers_are_compared_only_when_asked(prober: Prober, first: Path, tmp_path: Path) -> None:
    def another_address(statement: Any) -> None:
        statement["implementation"]["url"] = "http://127.0.0.1:9000/fhir"

    moved = night(
        tmp_path, "leader", "moved", another_address, subject="http://127.0.0.1:9000/fhir", environment="production"
    )
    ended = prober("diff", first, moved)
    assert (ended.code, ended.out) == (2, "")
    assert "--across" in ended.err
    delta = json.loads(prober("diff", first, moved, "--across", "--json").out)
    told = {one["key"] for one in delta["changes"]}
    assert not {key for key in told if key.startswith("implementation")}
    words = " ".join(prober("diff", first, moved, "--across").out.split())
    assert "These are two servers" in words
    assert "gates and label are not compared" in words


def test_runs_of_another_depth_are_told(prober: Prober, first: Path, second: Path) -> None:
    run = json.loads((second / RUN).read_text())
    run["plan"]["depth"] = "discovery"
    (second / RUN).write_text(json.dumps(run))
    assert "One run was of the depth standard and the other discovery" in " ".join(
        prober("diff", first, second).out.split()
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [("nowhere", "there is nothing here"), ("empty", "is not a run folder"), ("nights", "holds several runs")],
)
def test_what_is_no_run_is_refused(name: str, says: str, prober: Prober, first: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    shutil.copytree(first, tmp_path / "nights" / "one")
    for arguments in ((tmp_path / name, first), (first, tmp_path / name)):
        ended = prober("diff", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert says in ended.err
        assert len(ended.err.splitlines()) == 1
    assert prober("diff", first, first, "--json", "--markdown").code == 2


def side(value: str | None) -> Side:
    return Side(run="r1", started="2026-11-01T02:00:00Z", value=value, exchange="0123456789abcdef.1", pointer="/a/0")


EVIL = "]( https://evil.example )<script>|`\x1b[31m\u202e@somebody"


def some() -> Delta:
    def change(key: str, judgement: Any, before: str | None, after: str | None, **more: Any) -> Change:
        kind: Kind = "added" if before is None else "withdrawn" if after is None else "altered"
        what = f"What {key} says changed."
        return Change(
            key=key, kind=kind, judgement=judgement, what=what, before=side(before), after=side(after), **more
        )

    return Delta(
        subject="https://fhir.example.org/r4",
        before="r1",
        after="r2",
        changes=(
            change("gate/S8.GATE.3", "regression", "clean", "suspected", private=True),
            change(
                "operation/Group/export", "regression", "declared", None, criteria=tuple(f"S8.A.{n}" for n in range(9))
            ),
            change(f"scope/{EVIL}", "regression", EVIL, None),
            change("type/Task", "improvement", None, "declared", returned="r0"),
            change("finding/patient_read", "neutral", "present", "unknown: rate_limited"),
            change("finding/patient_photo", "neutral", "absent", "unknown: rate_limited"),
            change("criterion/S8.STD.1", "neutral", "2..2", "0..2"),
            change("software/version", "neutral", "1", "2"),
        ),
        not_compared=("certificate", "tls"),
    )


@pytest.mark.parametrize(
    ("name", "text"), [("diff.txt", terminal(some(), ["A note."], 100)), ("diff.md", markdown(some(), ["A note."]))]
)
def test_the_differences_look_like_this(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("PROBER_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{name} differs; PROBER_GOLDEN=write writes it anew."
    assert not {"\x1b", "\u202e"} & set(text)


def test_a_comment_tells_the_public_of_no_open_door() -> None:
    text = markdown(some(), [])
    assert "GATE" not in text
    assert "told to the contact of the authorization alone: 1" in text
    assert "<script" not in text
    assert "https://evil" not in text


@pytest.mark.deep
def test_bundles_and_scored_runs_are_compared(
    prober: Prober, scored_run: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    run = shutil.copytree(scored_run("leader"), tmp_path / "run")
    assert prober("keys", "new").code == 0
    sealed = prober("bundle", run, "--out", tmp_path / "night.prober.zip")
    assert sealed.code == 0, sealed.err
    bundle = tmp_path / "night.prober.zip"
    for pair in ((bundle, run), (run, bundle), (bundle, bundle)):
        ended = prober("diff", *pair, "--fail-on", "any")
        assert ended.code == 0, ended.out + ended.err
        assert "nothing changed" in ended.out
        assert "was not verified; `prober verify" in " ".join(ended.out.split())
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(bytes(content))
    assert prober("diff", bundle, run).code == 1
