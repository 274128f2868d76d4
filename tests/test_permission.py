"""Who may be asked what: decided before the first request, with one exact sentence for every refusal."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.clock import VirtualClock
from prober.mistake import Mistake
from prober.nouns.provider import Provider
from prober.nouns.run import PERMITS, Environment, Permit
from prober.permission import Wish, checked_base, decide, is_loopback
from prober.pipeline import Options, _seconds, prepare
from prober.session.addresses import is_loopback_as_written

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
AWAY, HERE = "https://fhir.example/r4", "http://127.0.0.1:8480/fhir"
SHORT = "Ada Example, operator, to learn"
ALL_BUT_NAMED: tuple[Permit, ...] = ("active", "credentials", "patient_data", "jobs")
NO_TOKEN: tuple[Permit, ...] = ("active", "patient_data", "jobs")

STATEMENT = """
grantor: Ada Example
grantor_role: CIO
legal_entity: Example Hospital
grantee: Bruno Example
bases: ["https://fhir.example/r4", "https://fhir.example/stu3/"]
hosts: [files.example]
modes: [active, credentials, patient_data]
test_patients: [p1, p2]
groups: [g1]
not_before: 2026-06-01T00:00:00Z
not_after: 2026-06-02T00:00:00+02:00
terms_version: "1"
terms_sha256: "{zeros}"
data_basis: synthetic records
emergency_contact: "+00 000"
document_sha256: "{zeros}"
""".replace("{zeros}", "0" * 64)


def wish(base: str = AWAY, **changes: Any) -> Wish:
    plain = Wish(
        base=base,
        provider=None,
        authorization=None,
        authorized_by=None,
        sandbox=False,
        permits=(),
        has_token=False,
        discovery_only=False,
    )
    return replace(plain, **changes)


def provider(environment: Environment = "undeclared", **changes: Any) -> Provider:
    return Provider(organisation="Example", fhir_bases=(AWAY,), environment=environment, **changes)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("[::1]", True),
        ("[0:0:0:0:0:0:0:1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.1", False),
        ("127.0.1", False),
        ("2130706433", False),
        ("0x7f000001", False),
        ("0x7f.0.0.1", False),
        ("0177.0.0.1", False),
        ("127.0.0.1.", False),
        ("localhost.", False),
        ("localhost.localdomain", False),
        ("localhost.example", False),
        ("ip6-localhost", False),
        ("0.0.0.0", False),
        ("[::]", False),
        ("[::ffff:127.0.0.1]", False),
        ("[::ffff:7f00:1]", False),
        ("[64:ff9b::7f00:1]", False),
        ("[fe80::1]", False),
        ("128.0.0.1", False),
        ("10.0.0.1", False),
        ("fhir.example", False),
        ("127.0.0.1.example", False),
        ("127.0.0.1@fhir.example", False),
    ],
)
def test_loopback_is_what_is_written_as_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(f"https://{host}/fhir") is loopback
    assert is_loopback(f"https://{host}:8443/fhir") is loopback


@settings(max_examples=examples(200), deadline=None)
@given(st.one_of(st.ip_addresses().map(str), st.from_regex(r"[0-9a-fx.:%]{1,20}", fullmatch=True)))
def test_the_wire_and_the_permission_mean_the_same_by_loopback(host: str) -> None:
    written = f"[{host}]" if ":" in host else host
    try:
        decided = is_loopback(f"https://{written}/")
    except ValueError:
        return
    assert decided == is_loopback_as_written(host.lower())


CASES: list[tuple[dict[str, Any], tuple[Permit, ...], str, Environment, bool]] = [
    ({}, (), "none", "undeclared", False),
    ({"sandbox": True}, (), "none", "sandbox", True),
    ({"provider": provider("reference")}, (), "none", "reference", True),
    ({"provider": provider("production")}, (), "none", "production", False),
    ({"authorized_by": SHORT}, ("active",), "short", "undeclared", False),
    ({"authorized_by": SHORT, "has_token": True}, ("active", "credentials"), "short", "undeclared", False),
    ({"authorized_by": SHORT, "sandbox": True}, NO_TOKEN, "short", "sandbox", True),
    ({"authorized_by": SHORT, "sandbox": True, "has_token": True}, ALL_BUT_NAMED, "short", "sandbox", True),
    ({"authorized_by": SHORT, "permits": ("active",), "sandbox": True}, ("active",), "short", "sandbox", True),
    ({"authorized_by": SHORT, "discovery_only": True}, (), "short", "undeclared", False),
    ({"base": HERE}, NO_TOKEN, "loopback", "sandbox", True),
    ({"base": HERE, "has_token": True}, ALL_BUT_NAMED, "loopback", "sandbox", True),
    ({"base": HERE, "permits": ("negative_auth",)}, ("negative_auth",), "loopback", "sandbox", True),
    ({"base": HERE, "provider": provider("production")}, NO_TOKEN, "loopback", "production", False),
    ({"base": HERE, "discovery_only": True, "has_token": True}, (), "loopback", "sandbox", True),
    ({"base": HERE, "provider": provider("sandbox", writes=True)}, NO_TOKEN, "loopback", "sandbox", True),
    (
        {"base": HERE, "provider": provider("sandbox", writes=True), "permits": ("active", "writes")},
        ("active", "writes"),
        "loopback",
        "sandbox",
        True,
    ),
]


@pytest.mark.parametrize(("given_", "permits", "form", "environment", "synthetic"), CASES, ids=range(len(CASES)))
def test_what_may_be_asked(
    given_: dict[str, Any], permits: tuple[Permit, ...], form: str, environment: Environment, synthetic: bool
) -> None:
    decision = decide(wish(**given_), NOW)
    assert decision.permits == permits
    assert (decision.note.form, decision.environment, decision.synthetic) == (form, environment, synthetic)


def statement(folder: Path, text: str = STATEMENT) -> Path:
    path = folder / "authorization.yaml"
    path.write_text(text)
    return path


def test_a_statement_grants_its_modes_and_is_sealed_in_the_run(tmp_path: Path) -> None:
    path = statement(tmp_path)
    decision = decide(wish(authorization=path, has_token=True), NOW)
    assert decision.permits == ("active", "credentials", "patient_data")
    assert decision.hosts == {"fhir.example", "files.example"}
    assert decision.note.grantor == "Ada Example, CIO, Example Hospital"
    assert decision.note.sha256 is not None
    assert len(decision.note.sha256) == 64
    assert decide(wish("https://fhir.example/stu3", authorization=path), NOW).permits == ("active", "patient_data")


@pytest.mark.parametrize(
    ("now", "held"),
    [
        ("2026-05-31T23:59:59Z", False),
        ("2026-06-01T00:00:00Z", True),
        ("2026-06-01T22:00:00Z", True),
        ("2026-06-01T22:00:01Z", False),
    ],
)
def test_a_statement_holds_in_its_window(now: str, held: bool, tmp_path: Path) -> None:
    asked = wish(authorization=statement(tmp_path))
    moment = datetime.fromisoformat(now)
    if held:
        assert decide(asked, moment).permits
        return
    with pytest.raises(Mistake, match=r"this statement (holds only from|expired at) 2026-06-0"):
        decide(asked, moment)


def test_a_run_ends_with_its_authorization(tmp_path: Path) -> None:
    clock = VirtualClock(start=datetime(2026, 6, 1, 21, 59, 30, tzinfo=UTC))
    options = Options(target=AWAY, authorization=statement(tmp_path), deadline=600)
    prepared = prepare(options, clock)
    assert prepared.plan.deadline_seconds == 600
    assert _seconds(prepared.plan, prepared.decision.note, clock) == 30
    unbounded = prepare(Options(target=HERE, deadline=600), clock)
    assert _seconds(unbounded.plan, unbounded.decision.note, clock) == 600


NOT_HERE = "this target is not on this machine, so more than public discovery needs a statement"
SANDBOX_ONLY = "the short statement covers this only together with --sandbox"
NOT_GRANTED = "the authorization statement does not grant it; it grants"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    *(({"permits": (permit,)}, f"--permit {permit}: ", NOT_HERE) for permit in PERMITS),
    ({"sandbox": True, "permits": ("patient_data",)}, "--permit patient_data: ", NOT_HERE),
    ({"authorized_by": SHORT, "permits": ("patient_data",)}, "--permit patient_data: ", SANDBOX_ONLY),
    ({"authorized_by": SHORT, "permits": ("jobs",)}, "--permit jobs: ", SANDBOX_ONLY),
    (
        {"authorized_by": SHORT, "sandbox": True, "permits": ("negative_auth",)},
        "--permit negative_auth: ",
        f"{NOT_GRANTED} active, credentials, patient_data, jobs",
    ),
    ({"base": HERE, "permits": ("writes",)}, "--permit writes: ", "`writes: true` in the provider file"),
    ({"base": HERE, "permits": ("everything",)}, "--permit everything: ", "there is no such permit"),
    ({"has_token": True}, "A token was given, ", "--authorization FILE"),
    ({"sandbox": True, "provider": provider("production")}, "--sandbox: ", "the provider file says"),
    *(
        ({"authorized_by": text}, "--authorized-by: ", '"NAME, ROLE, WHY"')
        for text in ("", "Ada", "Ada, CIO", "Ada, , why", ", , ", " ,CIO,why")
    ),
    ({"authorized_by": SHORT, "authorization": Path("a.yaml")}, "--authorization and --authorized-by", "one of them"),
]


@pytest.mark.parametrize(("given_", "begins", "says"), REFUSED, ids=range(len(REFUSED)))
def test_what_may_not_be_asked_is_said_in_one_sentence(given_: dict[str, Any], begins: str, says: str) -> None:
    with pytest.raises(Mistake) as refused:
        decide(wish(**given_), NOW)
    message = str(refused.value)
    assert message.startswith(begins)
    assert says in message
    assert message.endswith(".")


@pytest.mark.parametrize(
    ("old", "new", "given_", "sentence"),
    [
        (
            "",
            "",
            {"base": "https://other.example/r4"},
            "this statement does not cover https://other.example/r4",
        ),
        ("", "", {"base": "https://fhir.example/r4/x"}, "this statement does not cover https://fhir.example/r4/x"),
        ("", "", {"base": "https://fhir.example:8443/r4"}, "this statement does not cover"),
        ("", "", {"permits": ("jobs",)}, "does not grant it; it grants active, credentials, patient_data"),
        ("00:00:00Z", "00:00:00", {}, "`not_before` has no time zone"),
        ("2026-06-01T00", "June T00", {}, "`not_before` is not an instant"),
        (
            "",
            "",
            {"provider": provider(test_patients=("p1", "p3"))},
            "names a test patient that this statement does not",
        ),
        ("", "", {"provider": provider(groups=("g2",))}, "names a Group that this statement does not cover"),
    ],
)
def test_a_statement_that_does_not_fit_sends_nothing(
    old: str, new: str, given_: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = statement(tmp_path, STATEMENT.replace(old, new) if old else STATEMENT)
    with pytest.raises(Mistake) as refused:
        decide(wish(authorization=path, **given_), NOW)
    assert sentence in str(refused.value)


def test_who_is_not_in_the_statement_is_not_named_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(Mistake) as refused:
        decide(wish(authorization=statement(tmp_path), provider=provider(test_patients=("mary-canary",))), NOW)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://fhir.example/r4/", "https://fhir.example/r4"),
        ("  https://fhir.example/r4  ", "https://fhir.example/r4"),
        ("https://fhir.example", "https://fhir.example"),
        ("http://127.0.0.1:8480/fhir", "http://127.0.0.1:8480/fhir"),
        ("http://[::1]:8480/fhir", "http://[::1]:8480/fhir"),
        ("http://localhost/fhir", "http://localhost/fhir"),
    ],
)
def test_a_base_is_kept_as_it_is_written(text: str, base: str) -> None:
    assert checked_base(text, allow_http=False) == base


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "this is not a whole URL"),
        ("fhir.example/r4", "this is not a whole URL"),
        ("ftp://fhir.example/r4", "URL"),
        ("https://", "this is not a whole URL"),
        ("https://:443/r4", "URL"),
        ("https://fhir.example:99999/r4", "the port is not a number"),
        ("https://[::1/r4", "this is not a URL"),
        ("https://ada:secret@fhir.example/r4", "The target holds a user name or password"),
        ("https://fhir.example/r4?x=1", "has no query and no fragment"),
        ("https://fhir.example/r4#x", "has no query and no fragment"),
        ("https://fhir.example/r 4", "blanks or characters"),
        ("https://fhir.example/\u00fc", "blanks or characters"),
        ("https://fhir.example/r4/metadata", "give the FHIR base itself"),
        ("http://fhir.example/r4", "say --allow-http if that is meant"),
        ("http://127.1/r4", "say --allow-http if that is meant"),
        ("http://2130706433/r4", "say --allow-http if that is meant"),
        ("http://localhost./r4", "say --allow-http if that is meant"),
        ("http://[::ffff:127.0.0.1]/r4", "say --allow-http if that is meant"),
    ],
)
def test_what_is_no_base_is_told_so(text: str, words: str) -> None:
    with pytest.raises(Mistake, match=words) as refused:
        checked_base(text, allow_http=False)
    assert "secret" not in str(refused.value)


@settings(max_examples=examples(300), deadline=None)
@given(st.text(max_size=40).map(lambda text: f"https://{text}") | st.text(max_size=40))
def test_no_target_whatever_makes_prober_fail(text: str) -> None:
    try:
        base = checked_base(text, allow_http=True)
    except Mistake:
        return
    assert base.isascii()
    decide(wish(base), NOW)


@settings(max_examples=examples(200), deadline=None)
@given(
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["production", "sandbox", "reference", "undeclared"]),
    st.sets(st.sampled_from(PERMITS)),
)
def test_nobody_is_asked_more_than_was_granted(
    sandbox: bool, has_token: bool, short: bool, environment: Environment, permits: set[Permit]
) -> None:
    asked = wish(
        sandbox=sandbox,
        has_token=has_token,
        authorized_by=SHORT if short else None,
        provider=provider(environment),
        permits=tuple(sorted(permits)),
    )
    try:
        decision = decide(asked, NOW)
    except Mistake:
        return
    if not short:
        assert decision.permits == ()
    if not decision.synthetic:
        assert not {"patient_data", "jobs"} & set(decision.permits)
    assert "credentials" not in decision.permits or has_token
    assert not {"negative_auth", "writes"} & set(decision.permits)
    if permits:
        assert set(decision.permits) <= permits
