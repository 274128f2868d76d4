"""What people read from the history: the same words, the same numbers, whatever database holds it."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest
from tests.conftest import Ended
from tests.hindsights import AWAY, BASE, FIRST, NOW, configured, seeded
from tests.nights import Database
from tests.samples import DEEP

from prober.archive import RunFolder
from prober.clock import instant
from prober.history.store import History, HistoryLost, sqlite_url
from prober.mistake import Mistake
from prober.monitor.hindsight import Asked
from prober.monitor.reading import Screen, history_stage, sla_stage, trend_stage
from prober.render.disclaimer import claims, disclaimed
from prober.render.hindsight import Parts, lasting
from prober.render.sparks import BLOCKS, PLAIN, ink_for, spark

GOLDEN = Path(__file__).parent / "golden" / "hindsight"
Open = Callable[..., History]


def golden(name: str, content: bytes) -> None:
    path = GOLDEN / name
    if os.environ.get("PROBER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert content == path.read_bytes(), f"{name} differs; PROBER_GOLDEN=write writes it anew."


class Reader:
    """A configuration and its seeded history."""

    def __init__(self, place: Path, database: Database) -> None:
        self.place = place
        more = "" if database.is_file else "database: env:PROBER_DATABASE\n"
        self.config = configured(place, more)

    def history(self, *, parts: Parts | None = None, as_json: bool = False, **asked: object) -> str:
        said: list[str] = []
        screen = Screen(100, "utf-8", as_json)
        history_stage(self.config, Asked(**asked), parts or Parts(), screen, said.append, NOW)  # type: ignore[arg-type]
        return "\n".join(said) + "\n"

    def trend(self, *, encoding: str = "utf-8", as_json: bool = False, csv: Path | None = None, days: int = 70) -> str:
        said: list[str] = []
        screen = Screen(100, encoding, as_json)
        goal = Fraction(99, 100)
        trend_stage(self.config, "main", days=days, goal=goal, csv=csv, screen=screen, say=said.append, clock=NOW)
        return "\n".join(said) + "\n"

    def sla(self, out: Path, first: str = "2026-01-05", last: str = "2026-03-15") -> dict[str, bytes]:
        period = (date.fromisoformat(first), date.fromisoformat(last))
        goal = Fraction(99, 100)
        sla_stage(self.config, "main", period=period, goal=goal, out=out, say=lambda _: None, clock=NOW)
        return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture
def reader(tmp_path: Path, database: Database, open_history: Open) -> Reader:
    with open_history() as history:
        seeded(history)
    return Reader(tmp_path, database)


@pytest.mark.history
def test_what_is_printed_is_this(reader: Reader, tmp_path: Path) -> None:
    golden("overview.txt", reader.history().encode())
    golden("target.txt", reader.history(target="main").encode())
    golden("night.txt", reader.history(night="2026-02-14").encode())
    golden("trend.txt", reader.trend().encode())
    golden("trend_plain.txt", reader.trend(encoding="ascii").encode("ascii"))
    reader.trend(csv=tmp_path / "trend.csv")
    golden("trend.csv", (tmp_path / "trend.csv").read_bytes())
    files = reader.sla(tmp_path / "out")
    golden("sla.csv", files["sla.csv"])
    golden("sla.html", files["sla.html"])
    # What is told about the parts of a target and as JSON rests on the same history.
    only = reader.history(parts=Parts(changes=False, rest=False), target="main", changes=False)
    assert only.startswith("Incidents")
    assert "Changes" not in only
    looks = reader.history(parts=Parts(False, False, True, rest=False), target="main", looks=True, last=3)
    assert len(looks.splitlines()) >= 4
    for name, text in (
        ("hindsight", reader.history(target="main", looks=True, as_json=True)),
        ("hindsight", reader.history(as_json=True)),
        ("trend", reader.trend(as_json=True)),
    ):
        published = Path(__file__).parents[1] / "schemas" / f"{name}.schema.json"
        jsonschema.validate(json.loads(text), json.loads(published.read_text()))
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert reader.sla(tmp_path / "again") == files
    told = json.loads(reader.history(target="main", as_json=True, since=date(2026, 2, 1)))
    assert "\u202eis certified" in told["incidents"][-1]["title"]
    # Of what began before February only the gap that reaches into it is told; on 14 February the monitor did run.
    assert [(one["plan"], one["first"], one["last"], one["looks"], one["monitor_ran"]) for one in told["gaps"]] == [
        ("polls", "2026-01-26T00-00Z", "2026-02-04T00-00Z", len(AWAY), False),
        ("nightly", "2026-01-26", "2026-02-04", len(AWAY), False),
        ("polls", "2026-02-14T00-00Z", "2026-02-14T00-00Z", 1, True),
    ]
    check_page(files["sla.html"].decode())
    check_gaps(json.loads(reader.trend(as_json=True)))
    check_cells(files["sla.csv"], (tmp_path / "trend.csv").read_bytes())


def check_page(page: str) -> None:
    """No outside resource, nothing of a stranger as markup, and no claim without the disclaimer."""
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert "A gate fired" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    for section in re.findall(r"<section.*?</section>", page, re.S):
        text = re.sub("<[^>]*>", " ", section)
        assert disclaimed(text) or not claims(text)


def check_gaps(told: dict[str, object]) -> None:
    """A week without polls is a gap: no share, no latency, no findings, and never a zero."""
    weeks = told["weeks"]
    assert isinstance(weeks, list)
    gaps = [one for one in weeks if one["polled"]["days_with_polls"] == 0]
    assert [one["polled"]["first"] for one in gaps] == ["2026-01-26"]
    assert {(one["polled"]["share"], one["findings"], one["label"]) for one in gaps} == {(None, None, None)}
    assert [one["begins_book"] for one in weeks if one["begins_book"]] == ["2.0.0"]
    # Days at a level are counted from the new rule book on.
    assert {one["criterion"]: one["days"] for one in told["held"]} == {"S8.STD.1": 25, "S8.OPS.2": 25}  # type: ignore[attr-defined]


def check_cells(*tables: bytes) -> None:
    for content in tables:
        rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
        assert len({len(row) for row in rows}) == 1
        assert not any(re.match(r"\s*[=+@\t\r]", cell) for row in rows for cell in row)


@pytest.mark.history
def test_the_figures_are_those_counted_by_hand(tmp_path: Path, database: Database, open_history: Open) -> None:
    with open_history() as history:
        seeded(history, 20)
    told = json.loads(Reader(tmp_path, database).trend(as_json=True))
    # Forty looks on twenty days: 12 and 13 at night and 12 at noon down, 18 twice undecided.
    whole = told["whole"]
    assert (whole["up"], whole["down"], whole["undecided"], whole["left_out"]) == (35, 3, 2, 0)
    assert whole["undecided_because"] == {"rate_limited": 2}
    assert whole["share"] == "92.1052"
    # 38 polls allow 0.38 failures, and three failed: 1 - 3 / 0.38.
    assert whole["budget_left"] == "-689.4737"


@pytest.mark.history
def test_reading_works_beside_a_writer_and_never_writes(tmp_path: Path, database: Database, open_history: Open) -> None:
    writer = open_history()
    seeded(writer, 3)
    reader = Reader(tmp_path, database)
    with writer._writing() as connection:
        connection.exec_driver_sql("UPDATE about SET value = value")
        assert "main" in reader.history()
        assert "availability" in reader.trend()
    with History.read(database.url, shown="the history") as reading:
        with pytest.raises(TypeError):
            reading.round_began(instant(NOW.utc()))
        assert reading.poll_days("main", since="2026-01-01", before=instant(NOW.utc()))
        with pytest.raises(HistoryLost), reading._reading() as connection:
            connection.exec_driver_sql("DELETE FROM looks")
    with writer._reading() as connection:
        # Whoever only reads rolls no day up.
        assert connection.exec_driver_sql("SELECT count(*) FROM days").scalar() == 0


@pytest.mark.history
def test_days_that_are_rolled_up_are_not_read_again_and_the_others_are(open_history: Open) -> None:
    history = open_history()
    seeded(history, 20)
    whole = {"since": "2026-01-01", "before": "2026-03-01T00:00:00.000000Z"}
    made = history.poll_days("main", **whole)
    assert history.poll_days("main", **whole) == made
    with history._writing() as connection:
        connection.exec_driver_sql("UPDATE looks SET polls = NULL")
        connection.exec_driver_sql("DELETE FROM days WHERE day IN ('2026-01-07', '2026-01-20')")
    left = history.poll_days("main", **whole)
    assert [one.day for one in made if one not in left] == ["2026-01-07", "2026-01-20"]


def test_a_history_that_is_not_there_yet_is_told(tmp_path: Path, prober: Callable[..., Ended]) -> None:
    path = configured(tmp_path)
    for command in (("history",), ("history", "main"), ("trend", "main")):
        ended = prober(*command, "--config", path)
        assert ended.code == 2
        assert "there is no history yet" in ended.err
    assert [one.name for one in tmp_path.iterdir()] == ["monitor.yaml"]
    (tmp_path / "state").mkdir()
    with closing(sqlite3.connect(tmp_path / "state" / "history.db")):
        pass
    assert "there is no history yet" in prober("history", "--config", path).err


@DEEP
def test_a_target_that_nobody_knows_and_a_night_that_never_was_are_told(
    tmp_path: Path, prober: Callable[..., Ended]
) -> None:
    path = configured(tmp_path)
    (tmp_path / "state").mkdir()
    with History.open(sqlite_url(tmp_path / "state" / "history.db"), shown="it") as history:
        seeded(history, 1)
    for arguments, words in (
        (("history", "nobody"), "it knows main"),
        (("trend", "nobody"), "it knows main"),
        (("trend", "other"), "there is no look at this target yet"),
        (("history", "--night", "2020-01-01"), "no look of this name"),
        (("history", "--since", "2026-01-01"), "Name the target"),
        (("history", "main", "--since", "yesterday"), "--since yesterday: give a day"),
        (("history", "main", "--last", "0"), "--last 0: give a whole number"),
        (("history", "main", "--rebuild"), "stand alone"),
        (("history", "--bundle", str(path)), ""),
        (("trend", "main", "--goal", "101"), "--goal 101: give percent"),
        (("trend", "main", "--sla", "2026-01-01"), "--sla writes"),
        (("trend", "main", "--sla", "2026-02-01..2026-01-01", "--out", "x"), "the first and the last day"),
        (("trend", "main", "--sla", "2020-01-01..2020-01-31", "--out", "x"), "nobody looked"),
        (("trend", "main", "--out", "x"), "--sla FROM..TO"),
    ):
        ended = prober(*arguments, "--config", path)
        assert ended.code in (1, 2), arguments
        assert words in ended.err, arguments
        assert ended.out == ""


def test_sparks_show_gaps_and_breaks() -> None:
    assert spark([1, 2, None, 8], BLOCKS, breaks=[3]) == "▁▂·┊█"
    assert spark([1, 2, None, 8], PLAIN, breaks=[3]) == "12.|8"
    assert spark([5, 5, None], BLOCKS) == "██·"
    assert spark([None, None], BLOCKS) == "··"
    assert ink_for("utf-8") is BLOCKS
    assert ink_for("ascii") is ink_for("latin-1") is ink_for(None) is ink_for("no such thing") is PLAIN


def test_durations_are_told_in_their_two_largest_units() -> None:
    assert lasting(0) == "less than a minute"
    assert lasting(61) == "1 minute"
    assert lasting(86_400 * 2 + 3_600 * 3 + 59) == "2 days 3 hours"
    assert lasting(int(timedelta(hours=5).total_seconds())) == "5 hours"


def test_a_base_and_a_day_of_this_story_are_those_of_the_goldens() -> None:
    """Goldens say nothing if the story they tell is altered unseen."""
    assert BASE in (GOLDEN / "target.txt").read_text(encoding="utf-8")
    assert FIRST.date().isoformat() in (GOLDEN / "trend.txt").read_text(encoding="utf-8")


def test_nobody_reads_what_a_newer_prober_wrote(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with History.open(sqlite_url(path), shown="it") as history, history._writing() as connection:
        connection.exec_driver_sql("UPDATE about SET value = '99'")
    with pytest.raises(HistoryLost, match="newer prober"):
        History.read(sqlite_url(path), shown="it")
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE about SET value = '0'")
        file.commit()
    with pytest.raises(Mistake, match="no history yet"):
        History.read(sqlite_url(path), shown="it")


@pytest.mark.deep
@pytest.mark.history
def test_a_bundle_is_noted_by_its_hash_and_shown_with_its_target(
    tmp_path: Path,
    database: Database,
    open_history: Open,
    prober: Callable[..., Ended],
    scored_run: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "keys"))
    run = shutil.copytree(scored_run("laggard"), tmp_path / "run")
    subject = RunFolder.open(run).run().subject
    reader = Reader(tmp_path, database)
    reader.config.write_text(reader.config.read_text().replace(f'"{BASE}"', f'"{subject}"'))
    assert prober("keys", "new").code == 0
    assert prober("bundle", run, "--out", tmp_path / "b.prober.zip").code == 0
    with open_history() as history:
        seeded(history, 1)
    refused = prober("history", "--bundle", tmp_path / "b.prober.zip", "--config", reader.config)
    assert (refused.code, "no target of the history is" in refused.err) == (2, True)
    with open_history() as history:
        history.know("main", subject, moved_from=[BASE])
    for _ in range(2):
        noted = prober("history", "--bundle", tmp_path / "b.prober.zip", "--config", reader.config)
        assert noted.code == 0, noted.err
    digest = hashlib.sha256((tmp_path / "b.prober.zip").read_bytes()).hexdigest()
    assert digest in noted.out
    shown = prober("history", "main", "--config", reader.config, "--json")
    (kept,) = json.loads(shown.out)["bundles"]
    assert (kept["sha256"], kept["subjects"], len(kept["runs"])) == (digest, [subject], 1)
    assert digest in prober("history", "main", "--config", reader.config).out.replace("\n", " ")
    content = bytearray((tmp_path / "b.prober.zip").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "altered.prober.zip").write_bytes(content)
    for name, code in (("altered.prober.zip", 1), ("monitor.yaml", 1), ("nothing.zip", 2)):
        assert prober("history", "--bundle", tmp_path / name, "--config", reader.config).code == code
