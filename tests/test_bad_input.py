"""Every mistake is one sentence with its place and its remedy and exit code 2; nothing is written, nothing is sent.

`tests/bad/` holds one mistake per file or folder, its exact message beside it.
"""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.samples import some, some_rows

from prober import cli
from prober.handwriting import DEEPEST, LARGEST_FILE, parse
from prober.library import built_in_probes, load_authorization, load_provider
from prober.mistake import Mistake
from prober.permission import checked_base

BAD = Path(__file__).parent / "bad"
FIXTURES = Path(__file__).parent.parent / "fixtures"
ATTEST = Path(__file__).parent / "attest"
STRANGER = "https://fhir.example.org/r4"
SECRET = "hunter2"
COMMANDS: dict[str, Callable[[str, str], list[str]]] = {
    "provider": lambda _, file: ["run", "--provider", file],
    "authorization": lambda _, file: ["run", STRANGER, "--authorization", file],
    "model": lambda base, file: ["run", base, "--model", file],
    "book": lambda _, file: ["model", "check", file],
    "resolve": lambda base, file: ["run", base, "--resolve", file],
    "ca_file": lambda base, file: ["run", base, "--ca-file", file],
    "probes": lambda base, folder: ["run", base, "--probes", folder],
    "check": lambda _, folder: ["check", folder, "--fixtures", str(FIXTURES)],
    "attestations": lambda _, file: [
        *("attest", "check", file, "--as-of", "2026-11-23T12:00:00Z"),
        *("--provider", str(ATTEST / "provider.yaml"), "--model", str(ATTEST / "book.yaml")),
    ],
}
"""How each kind of file reaches prober; the base is that of a server on loopback that nobody may ask."""

MESSAGES = sorted(BAD.glob("*/*.message"))


class Watch:
    """Sees every connection, name lookup and opening for writing in this process, by whatever library."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "os.mkdir") or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        ):
            self._note(event, arguments)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        # Python keeps the bytecode of a probe that it loaded, whether prober likes it or not.
        if "__pycache__" not in str(arguments):
            self.seen.append(f"{event} {arguments!r}")


WATCH = Watch()
# A hook can never be taken away, so there is one, and it sleeps between the tests.
sys.addaudithook(WATCH)


@dataclass
class Desk:
    """A folder with nothing but what the user wrote, and a server on loopback that nobody may ask."""

    folder: Path
    base: str
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    done: list[str] = field(default_factory=list)

    def put(self, source: Path) -> None:
        target = self.folder / source.name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)

    def complaint(self, *arguments: str) -> str:
        """What prober says on stderr; asserts that it ends with 2, prints nothing, writes nothing and asks nobody."""
        before = self._files()
        self.monkeypatch.setattr(sys, "argv", ["prober", *arguments])
        WATCH.seen.clear()
        WATCH.on = True
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            WATCH.on = False
        out, err = self.capsys.readouterr()
        assert ended.value.code == 2, err
        assert out == ""
        assert WATCH.seen == []
        assert self._files() == before
        return err

    def _files(self) -> list[Path]:
        return [path for path in sorted(self.folder.parent.rglob("*")) if "__pycache__" not in path.parts]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # What Python itself keeps of a probe that it compiled is not written by prober.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in [name for name in os.environ if name.startswith("PROBER_")]:
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield Desk(folder, f"http://127.0.0.1:{server.getsockname()[1]}/r4", monkeypatch, capsys)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_every_mistake_has_its_message_and_every_message_its_mistake() -> None:
    for kind in COMMANDS:
        files = [path for path in (BAD / kind).iterdir() if path.suffix != ".message"]
        names = sorted(path.stem if path.is_file() else path.name for path in files)
        assert names == sorted(path.stem for path in (BAD / kind).glob("*.message")), kind
        assert len(names) == len(set(names)) > 0


@pytest.mark.parametrize("message", some(MESSAGES, every=8), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_mistake_in_a_file_gives_its_message(message: Path, desk: Desk) -> None:
    source = next(path for path in message.parent.glob(f"{message.stem}*") if path != message)
    desk.put(source)
    said = desk.complaint(*COMMANDS[message.parent.name](desk.base, source.name))
    plain = said.replace(str(built_in_probes()), "<probes>").replace(str(FIXTURES), "<fixtures>")
    assert plain == message.read_text(encoding="utf-8")
    assert SECRET not in said
    assert_is_a_sentence(said)


def assert_is_a_sentence(said: str) -> None:
    assert said.count("\n") == 1
    assert said.endswith((".\n", "?\n"))
    assert said.isprintable() or said[:-1].isprintable()
    assert len(said) < 400


OPTIONS: list[tuple[str, list[str], str]] = [
    ("no target", ["run"], "No target was given; name a FHIR base URL, or a provider file with --provider."),
    (
        "a target without scheme",
        ["run", "fhir.example.org/r4"],
        "fhir.example.org/r4: this is not a whole URL; write it with its scheme, as https://fhir.example.org/r4.",
    ),
    (
        "a target of another scheme",
        ["run", "ftp://fhir.example.org/r4"],
        "ftp://fhir.example.org/r4: the target is a FHIR base URL, for example https://fhir.example.org/r4.",
    ),
    (
        "a target without host",
        ["run", "https:///r4"],
        "https:///r4: the target is a FHIR base URL, for example https://fhir.example.org/r4.",
    ),
    (
        "a target with a broken address",
        ["run", "https://[::1/r4"],
        "https://[::1/r4: this is not a URL; write it as https://fhir.example.org/r4.",
    ),
    (
        "a target with a port in words",
        ["run", "https://fhir.example.org:https/r4"],
        "The target: the port is not a number from 1 to 65535; correct it or leave it out.",
    ),
    (
        "a target with a port too large",
        ["run", "https://fhir.example.org:99999/r4"],
        "The target: the port is not a number from 1 to 65535; correct it or leave it out.",
    ),
    (
        "a target with a password",
        ["run", f"https://probe:{SECRET}@fhir.example.org/r4"],
        "The target holds a user name or password; remove it, and give a token with --bearer-env instead.",
    ),
    (
        "a target with a password and no scheme",
        ["run", f"probe:{SECRET}@fhir.example.org/r4"],
        "The target holds a user name or password; remove it, and give a token with --bearer-env instead.",
    ),
    (
        "a target with a password and one slash",
        ["run", f"https:/probe:{SECRET}@fhir.example.org/r4"],
        "The target holds a user name or password; remove it, and give a token with --bearer-env instead.",
    ),
    (
        "a target with a password and a broken address",
        ["run", f"https://probe:{SECRET}@[fhir.example.org/r4"],
        "The target holds a user name or password; remove it, and give a token with --bearer-env instead.",
    ),
    (
        "a target with a password and no host",
        ["run", f"https://probe:{SECRET}"],
        "The target: the port is not a number from 1 to 65535; correct it or leave it out.",
    ),
    (
        "a target that was pasted twice",
        ["run", f"https://https://probe:{SECRET}@fhir.example.org/r4"],
        "The target holds a second //; write the URL once, as https://fhir.example.org/r4.",
    ),
    (
        "a target with a query",
        ["run", f"https://fhir.example.org/r4?token={SECRET}"],
        "https://fhir.example.org/r4: a FHIR base URL has no query and no fragment; remove what follows ? or #.",
    ),
    (
        "a target with a fragment",
        ["run", f"https://fhir.example.org/r4#access_token={SECRET}"],
        "https://fhir.example.org/r4: a FHIR base URL has no query and no fragment; remove what follows ? or #.",
    ),
    (
        "a target of another scheme with a query",
        ["run", f"ftp://fhir.example.org/r4?token={SECRET}"],
        "ftp://fhir.example.org/r4: the target is a FHIR base URL, for example https://fhir.example.org/r4.",
    ),
    (
        "a target with a blank",
        ["run", "https://fhir.example.org/my r4"],
        "The target holds blanks or characters that a URL must percent-encode; write it in plain ASCII.",
    ),
    (
        "a target with an escape sequence",
        ["run", "https://fhir.example.org/\x1b[31mr4"],
        "The target holds blanks or characters that a URL must percent-encode; write it in plain ASCII.",
    ),
    (
        "a target beyond ASCII",
        ["run", "https://fhir.münchen.example/r4"],
        "The target holds blanks or characters that a URL must percent-encode; write it in plain ASCII.",
    ),
    (
        "a target that is a document",
        ["run", "https://fhir.example.org/r4/metadata"],
        "https://fhir.example.org/r4/metadata: give the FHIR base itself, without its document's name.",
    ),
    (
        "a stranger in plain http",
        ["run", "http://fhir.example.org/r4"],
        "http://fhir.example.org/r4: this target is plain http; use https, or say --allow-http if that is meant.",
    ),
    (
        "a private address in plain http",
        ["run", "http://10.0.0.1/r4"],
        "http://10.0.0.1/r4: this target is plain http; use https, or say --allow-http if that is meant.",
    ),
    (
        "a name that only looks like loopback",
        ["run", "http://127.0.0.1.example.org/r4"],
        "http://127.0.0.1.example.org/r4: this target is plain http; use https, or say --allow-http if that is meant.",
    ),
    ("two targets", ["run", "BASE", "BASE"], "Got unexpected extra arguments (BASE); see `prober run --help`."),
    (
        "an unknown permit",
        ["run", "BASE", "--permit", "everything"],
        "--permit everything: there is no such permit; name one of "
        "active, credentials, patient_data, jobs, negative_auth, writes.",
    ),
    (
        "a permit that nobody granted",
        ["run", STRANGER, "--permit", "active"],
        "--permit active: this target is not on this machine, so more than public discovery needs a statement; "
        'add --authorization FILE, or for a public test server --authorized-by "NAME, ROLE, WHY".',
    ),
    (
        "patient data by the short statement",
        ["run", STRANGER, "--authorized-by", "A, B, C", "--permit", "patient_data"],
        "--permit patient_data: the short statement covers this only together with --sandbox; use --authorization.",
    ),
    (
        "a permit beyond the statement",
        ["run", STRANGER, "--authorization", "good.yaml", "--permit", "jobs"],
        "--permit jobs: the authorization statement does not grant it; it grants active, credentials, patient_data.",
    ),
    (
        "writing without the provider's word",
        ["run", "BASE", "--permit", "writes"],
        "--permit writes: writing also needs `writes: true` in the provider file of a declared sandbox.",
    ),
    (
        "a short statement of one word",
        ["run", STRANGER, "--authorized-by", "me"],
        '--authorized-by: say "NAME, ROLE, WHY", three things with commas between them.',
    ),
    (
        "both forms of the statement",
        ["run", STRANGER, "--authorization", "good.yaml", "--authorized-by", "A, B, C"],
        "--authorization and --authorized-by are two forms of one statement; give one of them.",
    ),
    (
        "a statement that is not there",
        ["run", STRANGER, "--authorization", "none.yaml"],
        "none.yaml: there is no such file; check the path.",
    ),
    (
        "a statement about other patients",
        ["run", "--provider", "provider.yaml", "--authorization", "good.yaml"],
        "good.yaml:10: the provider file names a test patient that this statement does not cover; "
        "add it to `test_patients` in both, or remove it from the provider file.",
    ),
    (
        "a sandbox that is production",
        ["run", "--provider", "production.yaml", "--sandbox"],
        "--sandbox: the provider file says that this is production; correct one of the two.",
    ),
    (
        "a token that nobody authorized",
        ["run", STRANGER, "--bearer-env", "PROBER_TEST_TOKEN"],
        "A token was given, but nobody authorized its use; add --authorization FILE with the mode `credentials`, or "
        'for a public test server --authorized-by "NAME, ROLE, WHY".',
    ),
    (
        "a variable that is not set",
        ["run", "BASE", "--bearer-env", "PROBER_NO_TOKEN"],
        "--bearer-env PROBER_NO_TOKEN: no environment variable of this name is set; "
        "put the token into one and give its name.",
    ),
    (
        "the token instead of a variable",
        ["run", "BASE", "--bearer-env", SECRET],
        "--bearer-env: no environment variable of this name is set; put the token into one and give its name.",
    ),
    (
        "a variable that holds no token",
        ["run", "BASE", "--bearer-env", "PROBER_TEST_WORDS"],
        "--bearer-env PROBER_TEST_WORDS: this environment variable holds blanks or other characters that no token has; "
        "mend it.",
    ),
    (
        "sandbox pace for a stranger",
        ["run", STRANGER, "--pace", "sandbox"],
        "--pace sandbox: only a declared sandbox or this machine's loopback is asked at that pace.",
    ),
    ("an unknown pace", ["run", "BASE", "--pace", "fast"], "--pace fast: give one of polite, sandbox."),
    ("an unknown depth", ["run", "BASE", "--depth", "deep"], "--depth deep: give one of discovery, standard, full."),
    (
        "no seconds at all",
        ["run", "BASE", "--deadline", "0"],
        "--deadline 0: give a whole number from 1 to 86400.",
    ),
    (
        "half a second",
        ["run", "BASE", "--deadline", "0.5"],
        "--deadline 0.5: give a whole number from 1 to 86400.",
    ),
    (
        "seconds in words",
        ["run", "BASE", "--deadline", "5m"],
        "--deadline 5m: give a whole number from 1 to 86400.",
    ),
    (
        "a budget below zero",
        ["run", "BASE", "--budget", "-1"],
        "--budget -1: give a whole number from 1 to 100000.",
    ),
    (
        "an instant without time zone",
        ["run", "BASE", "--as-of", "2026-01-01"],
        "--as-of 2026-01-01: give an instant with its time zone, for example 2026-12-31T00:00:00Z.",
    ),
    (
        "an instant in words",
        ["run", "BASE", "--as-of", "yesterday"],
        "--as-of yesterday: give an instant with its time zone, for example 2026-12-31T00:00:00Z.",
    ),
    (
        "a threshold without level",
        ["run", "BASE", "--fail-under", "S8.STD.1"],
        "--fail-under S8.STD.1: say a label, or a criterion, workflow or block and a level, for example S8.STD.1=L2.",
    ),
    (
        "a threshold of level five",
        ["run", "BASE", "--fail-under", "S8.STD.1=L5"],
        "--fail-under S8.STD.1=L5: say a label, or a criterion, workflow or block and a level, "
        "for example S8.STD.1=L2.",
    ),
    (
        "a threshold in words",
        ["run", "BASE", "--fail-under", "good"],
        "--fail-under good: say a label, or a criterion, workflow or block and a level, for example S8.STD.1=L2.",
    ),
    (
        "a threshold of a criterion that is not there",
        ["run", "BASE", "--fail-under", "S8.STD.17=L2"],
        "--fail-under S8.STD.17=L2: the rule book has no criterion, workflow or block called S8.STD.17; "
        "did you mean S8.STD.7?",
    ),
    (
        "a folder that is not empty",
        ["run", "BASE", "--out", "full"],
        "--out full: this folder is not empty; name a new one.",
    ),
    (
        "a folder that is a file",
        ["run", "BASE", "--out", "good.yaml"],
        "--out good.yaml: good.yaml is a file, not a folder; name another place.",
    ),
    (
        "a custodian that is a file",
        ["run", "BASE", "--custodian", "good.yaml"],
        "--custodian good.yaml: good.yaml is a file, not a folder; name another place.",
    ),
    (
        "a proxy with a password and no scheme",
        ["run", "BASE", "--proxy", f"probe:{SECRET}@proxy.example:3128"],
        "--proxy: this is not the URL of an http proxy; write it as http://proxy.example:3128.",
    ),
    (
        "a proxy of another scheme",
        ["run", "BASE", "--proxy", "socks5://proxy.example:1080"],
        "--proxy: this is not the URL of an http proxy; write it as http://proxy.example:3128.",
    ),
    (
        "a contact that is a header",
        ["run", "BASE", "--contact", "me\r\nAuthorization: x"],
        "--contact: give a mail address or a URL: at most 200 plain characters, no parentheses.",
    ),
    (
        "a provider file that is not there",
        ["run", "--provider", "none.yaml"],
        "none.yaml: there is no such file; check the path.",
    ),
    ("a provider file that is a folder", ["run", "--provider", "full"], "full: this is a folder; name a file."),
    (
        "a provider file of five million bytes",
        ["run", "--provider", "huge.yaml"],
        f"huge.yaml: this file is larger than {LARGEST_FILE} bytes; it was not written for prober.",
    ),
    (
        "a provider file without end",
        ["run", "--provider", "/dev/zero"],
        f"/dev/zero: this file is larger than {LARGEST_FILE} bytes; it was not written for prober.",
    ),
    (
        "an authority that is not there",
        ["run", "BASE", "--ca-file", "none.pem"],
        "--ca-file none.pem: this file cannot be read (No such file or directory); check the path.",
    ),
    (
        "an authority that is a folder",
        ["run", "BASE", "--ca-file", "full"],
        "--ca-file full: this file cannot be read (Is a directory); check the path.",
    ),
    (
        "a rule book that is not there",
        ["run", "BASE", "--model", "none.yaml"],
        "none.yaml: there is no such file; check the path.",
    ),
    (
        "probes that are not there",
        ["run", "BASE", "--probes", "none"],
        "none: this is not a folder of probes; name one that holds <family>/<probe id>/ folders.",
    ),
    (
        "an option with a letter missing",
        ["run", "BASE", "--dept", "full"],
        "No such option: --dept; did you mean --depth?",
    ),
    ("an option that is not there", ["run", "BASE", "--zzz"], "No such option: --zzz; see `prober run --help`."),
    ("a command that is not there", ["frobnicate"], "No such command 'frobnicate'; see `prober --help`."),
    ("a command with a letter missing", ["lst"], "No such command 'lst'; did you mean 'list'?"),
    ("explain without an id", ["explain"], "Missing argument 'ID'; see `prober explain --help`."),
    (
        "explain with a typing error",
        ["explain", "patient_reed"],
        "patient_reed: there is no probe of this name; did you mean patient_read?",
    ),
    (
        "explain of something else",
        ["explain", "zzz"],
        "zzz: there is no probe of this name; see `prober list`.",
    ),
    (
        "a new probe in camel case",
        ["new", "PatientRead"],
        "PatientRead: a probe's id is in snake_case and names a capability, for example patient_read.",
    ),
    ("a new probe that is there", ["new", "full"], "full: this folder is there already; choose another id."),
    (
        "a provider file to make that is there",
        ["init", "good.yaml"],
        "good.yaml: this file is there already; name another one.",
    ),
    (
        "a provider file to make in no folder",
        ["init", "none/provider.yaml"],
        "none/provider.yaml: there is no folder none; make it first, or name another file.",
    ),
    (
        "judging what is no run",
        ["judge", "full"],
        "full: this is not a run folder, it has no run.json; make one with `prober run`.",
    ),
    (
        "scoring what is no run",
        ["score", "none"],
        "none: this is not a run folder, it has no run.json; make one with `prober run`.",
    ),
    (
        "rendering what is no run",
        ["render", "full"],
        "full: this is not a run folder, it has no run.json; make one with `prober run`.",
    ),
    (
        "checking a folder without probes",
        ["check", "full"],
        "full: no probe was found here; make one with `prober new ID`.",
    ),
    (
        "checking a file",
        ["check", "good.yaml"],
        "good.yaml: this is not a folder; name one that holds probe folders.",
    ),
    (
        "the ledger of a file that is not there",
        ["coverage", "--model", "none.yaml"],
        "none.yaml: there is no such file; check the path.",
    ),
    (
        "a sandbox with an unknown defect",
        ["sandbox", "--defect", "everything"],
        "--defect: There is no defect 'everything'; the nearest are etag_missing, smart_missing.",
    ),
    (
        "a sandbox that plays nobody",
        ["sandbox", "--persona", "nobody"],
        "--persona nobody: there is no such persona; choose leader, typical, laggard.",
    ),
    (
        "a defect in a persona that has its own",
        ["sandbox", "--persona", "laggard", "--defect", "no_cors"],
        "--defect: Defects are planted only in the persona leader, and this one is laggard.",
    ),
    (
        "a sandbox on a port too large",
        ["sandbox", "--port", "99999"],
        "--port 99999: give a whole number from 0 to 65535.",
    ),
    (
        "a sandbox of negative patience",
        ["sandbox", "--latency", "-1"],
        "--latency -1: give seconds from 0 to 60, for example 0.1.",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "sentence"), some_rows((row[1:] for row in OPTIONS), every=4), ids=[row[0] for row in OPTIONS]
)
def test_a_mistake_in_a_target_or_an_option_gives_its_sentence(
    arguments: list[str], sentence: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBER_TEST_TOKEN", "abc.def")
    monkeypatch.setenv("PROBER_TEST_WORDS", "not a token")
    write_good_files(desk.folder)
    said = desk.complaint(*(desk.base if one == "BASE" else one for one in arguments))
    assert said.replace(desk.base, "BASE") == f"prober: {sentence}\n"
    assert SECRET not in said
    assert_is_a_sentence(said)


@given(
    st.sampled_from(
        ["", "https://", "HTTPS://", "http:", "http:/", "https:///", "//", "ftp://", "https://[", "a b", "?"]
    ),
    st.sampled_from([f"probe:{SECRET}@", f":{SECRET}@", f"probe:{SECRET}%40", f"probe:{SECRET}", f"@{SECRET}@"]),
    st.sampled_from(["", "fhir.example.org", "fhir.example.org/r4", "[::1", ":99999", "/metadata", "é", "//x", "\\x"]),
    st.booleans(),
)
def test_no_message_about_a_target_repeats_a_password(scheme: str, user: str, rest: str, allow_http: bool) -> None:
    with pytest.raises(Mistake) as told:
        checked_base(scheme + user + rest, allow_http=allow_http)
    assert SECRET not in str(told.value)


def write_good_files(folder: Path) -> None:
    (folder / "good.yaml").write_text(AUTHORIZATION, encoding="utf-8")
    (folder / "provider.yaml").write_text(f"{PROVIDER}test_patients: ['somebody-else']\n", encoding="utf-8")
    (folder / "production.yaml").write_text(f"{PROVIDER}environment: production\n", encoding="utf-8")
    (folder / "huge.yaml").write_bytes(b"#" * (LARGEST_FILE + 1))
    (folder / "full").mkdir()
    (folder / "full" / "something").write_text("here\n", encoding="utf-8")


PROVIDER = f"""schema: prober/provider/1
organisation: Example Health
fhir_bases:
  - {STRANGER}
"""
AUTHORIZATION = f"""schema: prober/authorization/1
grantor: Dana Example
grantor_role: Chief Information Officer
legal_entity: Example Health
grantee: Prober Example Ltd.
bases:
  - {STRANGER}/
hosts: [login.example.org]
modes: [active, credentials, patient_data]
test_patients: [test-1]
not_before: 2020-01-01T00:00:00Z
not_after: 2999-12-31T00:00:00Z
terms_version: "2026-01"
terms_sha256: {"0123456789abcdef" * 4}
data_basis: Synthetic test patients.
emergency_contact: +1 555 0100
document_sha256: {"0123456789abcdef" * 4}
"""


def test_what_is_right_is_taken(tmp_path: Path) -> None:
    """The files of the table above are good: an unquoted instant, a base with a slash, another line end, a mark."""
    authorization = tmp_path / "authorization.yaml"
    authorization.write_text(AUTHORIZATION, encoding="utf-8")
    assert load_authorization(authorization).not_after == "2999-12-31T00:00:00Z"
    provider = tmp_path / "provider.yaml"
    for text in (PROVIDER, f"\ufeff{PROVIDER}", PROVIDER.replace("\n", "\r\n"), f"---\n{PROVIDER}...\n"):
        provider.write_bytes(text.encode())
        assert load_provider(provider).fhir_bases == (STRANGER,)


def test_a_provider_file_may_come_through_a_pipe() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as file:
        file.write(PROVIDER)
    try:
        assert load_provider(Path(f"/dev/fd/{reader}")).organisation == "Example Health"
    finally:
        os.close(reader)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "a:\n- "])
def test_nesting_never_ends_the_process(opening: str) -> None:
    """Composing 50,000 levels in C overflows the stack, which no exception reports."""
    with pytest.raises(Mistake, match=f"nested more than {DEEPEST} levels"):
        parse(opening * 50_000 if "\n" not in opening else nested_blocks(50_000), Path("deep.yaml"))


def nested_blocks(levels: int) -> str:
    return "".join(f"{' ' * min(level, 100)}- \n" for level in range(levels))


def test_a_bare_prober_shows_its_help(desk: Desk) -> None:
    assert "Commands:" in desk.complaint()
