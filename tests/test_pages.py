"""Published pages from end to end: what is asked of whom, what is kept, what is said, and what a change means."""

import asyncio
import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import DEEP, examples
from tests.test_monitor_consider import AREAS, World

from prober.archive import RunFolder, collected_digest
from prober.casebook import read_cases, remember
from prober.clock import SystemClock
from prober.diff import compare, facts_of, judgement_of, words
from prober.library import built_in_probes, load_probes
from prober.nouns.evidence import Exchange, Failure
from prober.nouns.facts import Facts
from prober.nouns.finding import Finding
from prober.nouns.pages import MOST_PAGES, address_fault, each_page, home_of, robots_of
from prober.nouns.provider import Provider
from prober.observations import PublishedPage, published_pages
from prober.observations.published_pages import page_label
from prober.permission import Wish, decide
from prober.pipeline import BUDGETS, Options, Prepared, collect, judge_folder, make_plan, prepare
from prober.reduce import Page, Robots
from prober.sandbox import Sandbox
from prober.session.observation import Observation

FIXTURES = Path(__file__).parent.parent / "fixtures"
PAGE = "https://www.hospital.example/interoperability"
KEY = f"page/{PAGE}"


# What is kept of a page.


def kept_of(body: bytes, *, step: int = 7) -> dict[str, Any]:
    one = Page()
    for at in range(0, len(body), step):
        one.feed(body[at : at + step])
        if one.enough:
            break
    kept = one.finish(complete=not one.enough)
    assert isinstance(kept, dict)
    return kept


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<!doctype html><title> A  page </title><p>Some words", {"form": "html", "text": 14, "password": False}),
        (b"\xef\xbb\xbf \n<html><input name=a type='password'>", {"form": "html", "password": True}),
        (b"<html><INPUT TYPE = PASSWORD>", {"password": True}),
        (b"<html><p>input type=password</p>", {"password": False}),
        (b"<html><input type=text placeholder=password>", {"password": False}),
        (b"<html><script>var words = 1 < 2;</script><style>p {}</style>Word", {"text": 4, "script": True}),
        (b"<html><script>it never ends", {"text": 0, "script": True}),
        (b"%PDF-1.7\n...", {"form": "pdf"}),
        (b'{"openapi": "3.1.0"}', {"form": "json"}),
        (b"plain words", {"form": "other", "title": None}),
        (b"", {"form": "other", "bytes": 0, "text": 0, "title": None}),
    ],
)
def test_what_is_told_of_a_page(body: bytes, told: dict[str, Any]) -> None:
    kept = kept_of(body)
    assert {name: kept[name] for name in told} == told


@given(st.binary(max_size=400), st.integers(1, 400))
def test_no_word_of_a_page_is_kept_however_it_comes(words_: bytes, step: int) -> None:
    page = b"<html><title>Jane Roe</title><p>Jane Roe was here</p>" + words_
    kept = kept_of(page, step=step)
    assert kept == kept_of(page, step=len(page))
    assert "Jane" not in json.dumps(kept)
    assert set(kept) == {"reducer", "bytes", "form", "text", "password", "script", "title"}
    assert kept["title"] == kept_of(b"<title>\n Jane\tRoe\n</title>")["title"]
    assert kept["title"] != kept_of(b"<title>John Roe</title>")["title"]


@pytest.mark.parametrize("piece", [b"<", b"<script", b"<input ", b"<title>", b"<!--", b"</script><script>", b"a<b "])
def test_only_the_beginning_is_read_and_no_flood_takes_long(piece: bytes) -> None:
    one = Page()
    while not one.enough:
        one.feed(piece * 1_000)
    kept = one.finish(complete=False)
    assert isinstance(kept, dict)
    assert kept["bytes"] == Page.ENOUGH


# What programs may read.


def refused(robots: str, *paths: str) -> list[str]:
    pages = tuple(f"https://www.hospital.example{path}" for path in paths)
    one = Robots(pages)
    one.feed(robots.encode())
    kept = one.finish(complete=True)
    assert isinstance(kept, dict)
    assert kept.keys() == {"reducer", "refused"}
    return [paths[at] for at in kept["refused"]]


@pytest.mark.parametrize(
    ("robots", "paths", "closed"),
    [
        ("", ["/a"], []),
        ("User-agent: *\nDisallow: /", ["/", "/a"], ["/", "/a"]),
        ("User-agent: *\nDisallow:", ["/a"], []),
        ("user-AGENT : *  # all\r\n DISALLOW : /a # this\r\n", ["/a/b", "/b"], ["/a/b"]),
        ("User-agent: *\nDisallow: /\n\nUser-agent: prober\nDisallow: /b", ["/a", "/b"], ["/b"]),
        ("User-agent: other\nUser-agent: Prober\nDisallow: /a\nUser-agent: x\nDisallow: /b", ["/a", "/b"], ["/a"]),
        ("User-agent: prober\nDisallow: /a\n\nUser-agent: prober\nDisallow: /b", ["/a", "/b"], ["/a", "/b"]),
        ("User-agent: other\nDisallow: /", ["/a"], []),
        ("User-agent: *\nAllow: /a/b\nDisallow: /a", ["/a/b/c", "/a/c"], ["/a/c"]),
        ("User-agent: *\nDisallow: /a\nAllow: /a", ["/a"], []),
        ("User-agent: *\nDisallow: /*.pdf$", ["/a.pdf", "/a.pdf?x=1", "/a.pdf/b"], ["/a.pdf"]),
        ("User-agent: *\nDisallow: /a*b*c", ["/a1b2c3", "/acb"], ["/a1b2c3"]),
        ("User-agent: *\nDisallow: /a$", ["/a", "/ab"], ["/a"]),
        ("User-agent: *\nDisallow: /*?*edition=", ["/a?edition=3", "/a"], ["/a?edition=3"]),
        ("User-agent: *\nDisallow: /%7Eme", ["/~me", "/you"], ["/~me"]),
        ("Disallow: /\nUser-agent: *\nSitemap: https://x.example/\nDisallow: /b", ["/a", "/b"], ["/b"]),
        ("\ufeffUser-agent: *\nDisallow: /a", ["/a"], ["/a"]),
        ("<!doctype html><title>Not found</title>", ["/a"], []),
    ],
)
def test_robots_are_read_as_the_standard_says(robots: str, paths: list[str], closed: list[str]) -> None:
    assert refused(robots, *paths) == closed


@given(st.text(max_size=300), st.text("/*$ab%?", max_size=12), st.text("/ab%?", max_size=12))
def test_no_robots_are_too_strange(text: str, pattern: str, path: str) -> None:
    assert refused(text, f"/{path}") in ([], [f"/{path}"])
    assert refused(f"User-agent: *\nDisallow: {pattern}", f"/{path}") in ([], [f"/{path}"])
    assert refused(f"User-agent: *\nDisallow: {pattern}\nAllow: /", f"/{path}") in ([], [f"/{path}"])


def test_a_flood_of_robots_is_read_to_a_bound() -> None:
    one = Robots((PAGE,) * MOST_PAGES)
    while not one.enough:
        one.feed(b"User-agent: *\nDisallow: /a*b*c*d*e*f\n" * 1_000)
    assert one.finish(complete=False) == {"reducer": "robots/1", "refused": []}


# Addresses.


@pytest.mark.parametrize(
    "url", ["", "/a", "ftp://a.example/", "https:///", "https://a:b@c.example/", "https://[", "https://a.example:0/"]
)
def test_what_is_no_address_of_a_page_is_said_without_repeating_it(url: str) -> None:
    fault = address_fault(url)
    assert fault is not None
    assert not url or url not in fault


def test_an_address_is_asked_once_and_without_what_servers_never_hear() -> None:
    assert each_page((f"{PAGE}#steps", PAGE, f"{PAGE}#limits", f"{PAGE}?a=1")) == (PAGE, f"{PAGE}?a=1")
    assert home_of("https://a.example/b/c?d=/e/f") == "https://a.example/b"
    assert home_of("https://a.example") == home_of("https://a.example/") == "https://a.example"
    assert robots_of("https://a.example:8443/b/c") == "https://a.example:8443/robots.txt"


# The plan.


def planned(pages: int, depth: Any) -> int:
    base = "https://fhir.hospital.example/r4"
    urls = tuple(f"https://www{at}.hospital.example/" for at in range(pages))
    provider = Provider(organisation="Example", fhir_bases=(base,), doc_urls=urls)
    options = Options(target=base, provider=provider, depth=depth)
    wish = Wish(base, provider, None, None, False, (), False, depth == "discovery")
    plan = make_plan(load_probes(), decide(wish, SystemClock().utc()), options)
    row = next(one for one in plan.observations if one.observation == published_pages.name)
    assert row.granted
    assert not [one for one in plan.observations if one.refused_because == "budget"]
    return row.requests


def test_pages_take_no_budget_where_there_are_none_and_a_quarter_at_most() -> None:
    assert [planned(count, "standard") for count in (0, 1, MOST_PAGES)] == [0, 2, 2 * MOST_PAGES]
    assert planned(MOST_PAGES, "discovery") == BUDGETS["discovery"] // 4


# The whole way, against a real server.


def provider_of(box: Sandbox, *, real: bool, pages: tuple[str, ...] | None = None) -> Provider:
    return Provider(
        organisation="Example",
        environment="production" if real else "undeclared",
        fhir_bases=(box.base_url,),
        doc_urls=box.pages if pages is None else pages,
    )


def ran(
    place: Path, box: Sandbox, monkeypatch: pytest.MonkeyPatch, provider: Provider, **more: Any
) -> tuple[Prepared, RunFolder, Finding]:
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    monkeypatch.setenv("PAGES_TOKEN", box.token)
    only = frozenset({"pages_open", "smart_configuration_served"})
    options = Options(target=box.base_url, provider=provider, bearer_env="PAGES_TOKEN", only=only, **more)
    prepared = prepare(options, SystemClock())
    quick = replace(prepared, plan=prepared.plan.model_copy(update={"pace": "sandbox"}))
    collected = asyncio.run(collect(quick, place, SystemClock()))
    assert collected.bugs == ()
    findings = judge_folder(collected.folder, prepared.probes)
    return prepared, collected.folder, next(one for one in findings if one.source.probe == "pages_open")


def facts_in(folder: RunFolder) -> dict[str, str]:
    found = facts_of(folder.run(), folder.exchanges(), folder.findings(), None, digest=collected_digest(folder))
    return {one.key: one.value for one in found.facts if one.key.startswith("page/")}


@pytest.mark.parametrize("real", [True, False])
def test_each_page_is_asked_once_without_a_token_and_not_kept(
    real: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox() as box:
        pages = (*box.pages, f"{box.pages[0]}?edition=3")
        _, folder, finding = ran(tmp_path / "run", box, monkeypatch, provider_of(box, real=real, pages=pages))
        asked = [one for one in box.log if one.path.startswith("/pages") or one.path == "/robots.txt"]
    assert (finding.verdict.outcome, finding.verdict.values) == ("present", {"pages": 4})
    assert sorted((one.path, one.query) for one in asked) == [
        ("/pages/interoperability", ""),
        ("/pages/interoperability", "edition=3"),
        ("/pages/message-guide.pdf", ""),
        ("/pages/openapi.json", ""),
        ("/robots.txt", ""),
    ]
    assert not any(name.lower() == "authorization" for one in asked for name in one.headers)
    assert folder.provider().doc_urls == pages
    kept = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"interoperability office" not in kept
    assert b"Connecting to the example" not in kept
    assert facts_in(folder) == {
        f"page/{box.pages[0]}": "open: html",
        f"page/{box.pages[1]}": "open: json",
        f"page/{box.pages[2]}": "open: pdf",
        f"page/{box.pages[0]}?edition=3": "open: html",
    }


@pytest.mark.parametrize(
    ("defect", "outcome", "value"),
    [
        ("page_gone", "absent", "gone"),
        pytest.param("page_login", "absent", "login", marks=DEEP),
        pytest.param("page_server_error", "unknown", None, marks=DEEP),
        pytest.param("throttled", "unknown", None, marks=DEEP),
    ],
)
def test_a_defect_is_told_by_the_probe_and_by_the_facts(
    defect: str, outcome: str, value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(defects=(defect,)) as box:
        _, folder, finding = ran(tmp_path / "run", box, monkeypatch, provider_of(box, real=True))
    assert finding.verdict.outcome == outcome
    assert facts_in(folder).get(f"page/{box.pages[0]}") == value


def test_what_the_site_asks_programs_not_to_read_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as box:
        page = f"{box.base_url.removesuffix('/fhir')}/auth/manage"
        _, folder, finding = ran(tmp_path / "run", box, monkeypatch, provider_of(box, real=True, pages=(page,)))
        assert [one.path for one in box.log if one.path.startswith("/auth")] == []
    assert (finding.verdict.outcome, finding.verdict.reason) == ("unknown", "protected")
    assert facts_in(folder) == {}


def test_a_record_is_no_page_and_a_private_host_is_not_asked_unless_it_was_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = tmp_path / "hosts"
    # Loopback is the target's own address here, so another one stands for the private network.
    addresses.write_text("10.0.0.7 docs.hospital.example\n", encoding="utf-8")
    with Sandbox() as box:
        record = f"{box.base_url}/Patient/{box.patient_ids[0]}"
        provider = provider_of(box, real=True, pages=(record,))
        _, _, finding = ran(tmp_path / "record", box, monkeypatch, provider)
        assert finding.verdict.reason == "needs_authorization"
        inside = box.pages[0].replace("http://127.0.0.1", "https://docs.hospital.example")
        provider = provider_of(box, real=True, pages=(inside,))
        _, _, finding = ran(tmp_path / "inside", box, monkeypatch, provider, resolve=addresses)
        assert finding.verdict.reason == "address_refused"
        assert not any(one.path.startswith(("/fhir/Patient", "/pages")) for one in box.log)


def test_a_secret_of_the_run_in_an_address_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as box:
        pages = (f"{box.pages[0]}?edition={box.token}",)
        ran(tmp_path / "run", box, monkeypatch, provider_of(box, real=True, pages=pages))
        kept = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert box.token.encode() not in kept


# What a change of a page means.


def shown(*answers: Exchange, run: str = "a") -> Facts:
    was = RunFolder.open(FIXTURES / "leader").run()
    found = {one.id: one for one in answers}
    return facts_of(was.model_copy(update={"id": run}), found, (), None, digest="0" * 64)


def answer(
    status: int = 200,
    *,
    url: str = PAGE,
    media: str = "text/html",
    location: str = "",
    number: int = 1,
    hop: int = 0,
    failure: str = "",
    **kept: Any,
) -> Exchange:
    content = {"reducer": "page/1", "bytes": 9_000, "text": 5_000, "password": False} | kept
    label = page_label(number) + (f">{hop}" if hop else "")
    return Exchange(
        id=f"{number:08x}{hop:08x}.1",
        observation=published_pages.name,
        label=label,
        method="GET",
        url=url,
        status=None if failure else status,
        headers=(("content-type", media), *((("location", location),) if location else ())),
        content=json.dumps(content).encode() if status == 200 and not failure else b"",
        failure=Failure(reason="timed_out", kind=failure, message="Nothing came.") if failure else None,
    )


OPEN = answer()
LOGIN = answer(text=200, password=True)
GONE = answer(404)
AWAY, FURTHER = (answer(301, location=f"https://{host}.example/") for host in ("docs", "help"))
CHANGES: dict[str, tuple[tuple[Exchange, ...], tuple[Exchange, ...], str]] = {
    "gone": ((OPEN,), (GONE,), "regression"),
    "gone for good": ((OPEN,), (answer(410),), "regression"),
    "a login instead": ((OPEN,), (LOGIN,), "regression"),
    "a login by its status": ((OPEN,), (answer(401),), "regression"),
    "a redirect to a login": (
        (OPEN,),
        (answer(302, location="/login"), answer(hop=1, url="https://www.hospital.example/login")),
        "regression",
    ),
    "another host": ((OPEN,), (AWAY,), "regression"),
    "yet another host": ((AWAY,), (FURTHER,), "regression"),
    "back": ((GONE,), (OPEN,), "improvement"),
    "open again": ((LOGIN,), (OPEN,), "improvement"),
    "home again": ((AWAY,), (OPEN,), "improvement"),
    "gone behind a login": ((GONE,), (LOGIN,), "neutral"),
    "another form": ((OPEN,), (answer(media="application/pdf"),), "neutral"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_page_is_told_and_judged(name: str) -> None:
    before, after, judgement = CHANGES[name]
    (change,) = compare(shown(*before), shown(*after, run="b")).changes
    assert (change.key, change.judgement, change.kind) == (KEY, judgement, "altered")
    assert change.what.startswith(f"The published page {PAGE} ")
    assert change.what.endswith(".")
    assert change.before.exchange == before[-1].id
    assert change.after.exchange == after[-1].id


PLAIN = answer(url="http://www.hospital.example/interoperability")
HARMLESS: dict[str, tuple[Exchange, ...]] = {
    "another content": (answer(bytes=70_000, text=60_000, title="0" * 64, script=True),),
    "another charset": (answer(media="Text/HTML; charset=iso-8859-1"),),
    "Last-Modified": (OPEN.model_copy(update={"headers": (*OPEN.headers, ("last-modified", "today"))}),),
    "a redirect on the way": (
        answer(302, location="/other"),
        answer(hop=1, url="https://www.hospital.example/other"),
    ),
    "another place in the list": (OPEN.model_copy(update={"label": page_label(7), "id": "0" * 16 + ".1"}),),
    "asked twice": (answer(429), OPEN.model_copy(update={"id": OPEN.id.replace(".1", ".2")})),
    "a page that came to the list": (OPEN, answer(404, url=f"{PAGE}/new", number=2)),
    "a page that left the list": (answer(url=f"{PAGE}/new", number=2),),
    "a server error": (answer(500),),
    "no rest": (answer(503),),
    "a time-out": (answer(failure="read_timeout"),),
    "a guard against programs": (answer(403),),
    "no page asked for": (),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_says_nothing_of_the_page_is_no_change(name: str) -> None:
    for facts in ((shown(OPEN), shown(*HARMLESS[name], run="b")), (shown(*HARMLESS[name], run="b"), shown(OPEN))):
        assert compare(*facts).changes == ()


def test_the_host_of_a_stranger_is_no_news_of_the_night() -> None:
    """Redaction gives it another name in every run."""
    one, two = (answer(301, location=f"https://p{digit * 24}.invalid/x") for digit in "ab")
    assert compare(shown(one), shown(two, run="b")).changes == ()


@given(st.sampled_from([OPEN, LOGIN, GONE, AWAY, FURTHER, PLAIN]), st.sampled_from([OPEN, LOGIN, GONE, AWAY, FURTHER]))
def test_what_is_for_the_worse_one_way_is_not_for_the_worse_back_save_for_hosts(one: Exchange, two: Exchange) -> None:
    there, back = (
        [change.judgement for change in compare(*facts).changes]
        for facts in ((shown(one), shown(two)), (shown(two), shown(one)))
    )
    opposite = {"regression": "improvement", "improvement": "regression", "neutral": "neutral"}
    assert [opposite[judgement] for judgement in there] == back or {one, two} == {AWAY, FURTHER}


def test_values_of_a_later_prober_are_told_as_they_are() -> None:
    assert judgement_of(KEY, "open: html", "melted") == "neutral"
    assert words(KEY, "open: html", "melted").endswith("melted; before, it was open to anybody.")


FOLDER = built_in_probes() / "published" / "pages_open"


@functools.cache
def seen_of_cases() -> list[tuple[tuple[PublishedPage, ...], dict[str, str]]]:
    """For each case: what the observation saw, and the facts about pages that are read from the same exchanges."""
    from prober.casebook import Case, ChangedServer
    from prober.nouns.evidence import Seen
    from prober.session.ask import Ask
    from prober.session.session import Round

    heard: dict[str, Exchange] = {}

    class Listening(ChangedServer):
        async def exchange(
            self, ask: Ask, *, observation: Observation[Any], arguments: tuple[str, ...], id: str
        ) -> Exchange:
            heard[id] = await super().exchange(ask, observation=observation, arguments=arguments, id=id)
            return heard[id]

    async def look(case: Case) -> tuple[PublishedPage, ...]:
        was = remember(FIXTURES / case.fixture)
        server = Listening(replace(was.facts, pages=case.pages or ()), was.exchanges, case.change)
        seen = await Round(server).see(published_pages)
        assert isinstance(seen, Seen)
        return seen.value

    found = []
    for case in read_cases(FOLDER / "cases.yaml"):
        heard.clear()
        pages = asyncio.run(look(case))
        facts = {one.key: one.value for one in shown(*heard.values()).facts}
        found.append((pages, facts))
    return found


def test_the_facts_are_those_that_the_observation_saw() -> None:
    words_ = {"open": "open", "in_clear": "in clear", "gone": "gone", "login": "login", "elsewhere": "elsewhere"}
    for pages, facts in seen_of_cases():
        told = {key: value.partition(":")[0] for key, value in facts.items() if key.startswith("page/")}
        assert told == {f"page/{one.url}": words_[one.standing] for one in pages if one.standing is not None}
    assert {one.standing for pages, _ in seen_of_cases() for one in pages} == {*words_, None}


# Night after night.


class Pages(World):
    """The world with a page in it, which a look may be unable to see."""

    def _facts(self, look: Any, values: Any, run: str | None = None) -> Facts:
        return super()._facts(look, values, run).model_copy(update={"seen": (*AREAS, "page")})


def test_a_page_that_could_not_be_seen_is_what_it_was_and_confirms_nothing() -> None:
    world = Pages()
    world.look({KEY: "open: html"})
    unseen = world.look({KEY: None})
    assert unseen.facts is not None
    assert {one.key: one.value for one in unseen.facts.facts}[KEY] == "open: html"
    assert (unseen.delta is None or unseen.delta.changes == (), world.suspects) == (True, ())
    world.look({KEY: "gone"})
    assert world.suspects == (KEY,)
    world.look({KEY: None}, hours=24)
    assert world.open_incidents() == []
    world.look({KEY: "gone"})
    (incident,) = world.open_incidents()
    assert incident.keys == (KEY,)
    world.look({KEY: None})
    assert [one.closed for one in world.incidents.values()] == [None]
    for _ in range(3):
        world.look({KEY: "open: html"})
    assert world.open_incidents() == []


def test_a_page_that_was_taken_off_the_list_stands_as_it_was_and_is_no_news() -> None:
    world = Pages()
    world.look({KEY: "open: html", f"{KEY}/other": "open: html"})
    for _ in range(3):
        assert world.look({KEY: "open: html"}).incidents == ()
    assert world.standing[f"{KEY}/other"] == "open: html"


@settings(max_examples=examples(100))
@given(st.lists(st.sampled_from(["open: html", "gone", "login", None]), max_size=8))
def test_nights_that_see_nothing_change_no_story(values: list[str | None]) -> None:
    def opened(story: list[str | None]) -> list[str]:
        world = Pages()
        world.look({KEY: "open: html"})
        for value in story:
            world.look({KEY: value})
        return sorted(one.kind for one in world.incidents.values())

    assert opened(values) == opened([one for one in values if one is not None])
