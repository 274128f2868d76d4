"""The proofs beside a bundle: a timestamp by an authority of our own, and a signature with a throw-away SSH key."""

import importlib.util
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from prober.archive import MODEL, RunFolder
from prober.audit import authority, ssh, timestamp
from prober.audit import verify as whole
from prober.audit.beside import Sentence, check_beside
from prober.audit.commands import verify_command
from prober.audit.seal import Wish, seal
from prober.bundle import container
from prober.clock import SystemClock
from prober.keys import load_public, new_key, public_pem
from prober.library import load_probes, shipped_models
from prober.mistake import Mistake, Refused
from prober.pipeline import judge_folder

ROOT = Path(__file__).parent.parent
needs_tsa = pytest.mark.skipif(
    importlib.util.find_spec("rfc3161_client") is None or shutil.which("openssl") is None,
    reason="needs the extra tsa (rfc3161-client), and openssl to play the authority",
)
needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
Prober = Callable[..., Any]

# `certs` is left out on purpose: openssl does not sort that SET, and rfc3161-client rejects one that is not sorted.
_TSA = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256
ess_cert_id_alg = sha256
"""
_EXTENSIONS = """
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
"""


@dataclass
class Authority:
    """A timestamp authority on loopback. `mood` is how it answers; `asked` is what it was sent."""

    folder: Path
    url: str = ""
    mood: str = "good"
    asked: list[tuple[str | None, bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def openssl(self, command: str) -> None:
        subprocess.run(["openssl", *command.split()], cwd=self.folder, check=True, capture_output=True)

    def reply(self, query: bytes) -> bytes:
        (self.folder / "query").write_bytes(query)
        self.openssl("ts -reply -config tsa.cnf -queryfile query -out reply")
        return (self.folder / "reply").read_bytes()

    def query(self, path: Path, digest: str = "sha256") -> bytes:
        self.openssl(f"ts -query -data {path} -{digest} -cert -out made")
        return (self.folder / "made").read_bytes()


def _certificates(folder: Path) -> None:
    new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    (folder / "ext").write_text(_EXTENSIONS)
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(_TSA.format(folder=folder))
    for command in (
        f"req -x509 {new} -keyout ca.key -out ca.pem -subj /CN=Root -days 2",
        f"req -x509 {new} -keyout other.key -out other.pem -subj /CN=Other -days 2",
        f"req {new} -keyout tsa.key -out tsa.csr -subj /O=Test/CN=Clock",
        "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -days 2 -extfile ext",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, one: Authority, *rest: Any) -> None:
        self.one = one
        super().__init__(*rest)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["Content-Length"]))
        self.one.asked.append((self.headers["Content-Type"], query))
        mood = self.one.mood
        if mood == "hangs":
            self.one.over.wait(10)
        elif mood == "endless":
            self._begin(200, "application/timestamp-reply", None)
            try:
                while not self.one.over.is_set():
                    self.wfile.write(b"x" * 65_536)
            except OSError:
                return
        elif mood == "html":
            self._answer(200, "text/html", b"<h1>Welcome to the hotel</h1>")
        elif mood == "lies":
            self._answer(200, "application/timestamp-reply", b"<h1>Welcome to the hotel</h1>")
        elif mood == "moved":
            self._answer(302, "text/plain", b"", location="https://elsewhere.example/tsa")
        elif mood == "broken":
            self._answer(503, "text/plain", b"later")
        else:
            (self.one.folder / "another").write_bytes(b"another file")
            made = {
                "good": lambda: query,
                "of another file": lambda: self.one.query(self.one.folder / "another"),
                "rejects": lambda: self.one.query(self.one.folder / "another", "sha512"),
                "replays": lambda: self.one.query(self.one.folder / "bundle"),
            }[mood]()
            self._answer(200, "application/timestamp-reply", self.one.reply(made))

    def _answer(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self._begin(status, kind, len(body), **headers)
        self.wfile.write(body)

    def _begin(self, status: int, kind: str, length: int | None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    one = Authority(tmp_path_factory.mktemp("tsa"))
    _certificates(one.folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, one))
    server.daemon_threads = True
    one.url = f"http://127.0.0.1:{server.server_address[1]}/tsa"
    thread = threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True)
    thread.start()
    yield one
    one.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def tsa(_served: Authority) -> Authority:
    _served.mood = "good"
    _served.asked.clear()
    return _served


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A file in the form of a bundle; what it says is of no matter here."""
    return _bundle(tmp_path / "one.prober.zip", b"one")


def _bundle(path: Path, content: bytes) -> Path:
    with path.open("wb") as file:
        container.write({"a.txt": content}, file)
    return path


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


@pytest.fixture
def stamped(bundle: Path, tsa: Authority) -> Path:
    _beside(bundle, ".tsr").write_bytes(tsa.reply(tsa.query(bundle)))
    return bundle


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return _key(tmp_path / "id")


def _key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


def _signers(path: Path, key: Path, name: str = "auditor@example.org") -> Path:
    path.write_text(f"{name} {key.with_suffix('.pub').read_text()}")
    return path


def _flipped(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def _only(found: tuple[Sentence, ...]) -> Sentence:
    (one,) = found
    return one


def test_a_bundle_with_nothing_beside_it_needs_no_word(bundle: Path) -> None:
    assert check_beside(bundle, tsa_ca=None, ssh_signers=None) == ()


# Timestamps.


@needs_tsa
def test_an_authority_is_asked_and_its_timestamp_holds(bundle: Path, tsa: Authority, prober: Prober) -> None:
    done = prober("bundle", "stamp", bundle, "--tsa", tsa.url, "--tsa-ca", tsa.ca)
    assert (done.code, done.err) == (0, "")
    assert tsa.asked[0][0] == "application/timestamp-query"
    assert bundle.read_bytes() not in tsa.asked[0][1]
    assert len(tsa.asked[0][1]) < 100
    found = _only(check_beside(bundle, tsa_ca=tsa.ca, ssh_signers=None))
    assert found.checked
    assert re.fullmatch(
        r"Timestamp  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ by CN=Clock,O=Test: the bundle existed then\.", str(found)
    )
    tsa.openssl(f"ts -verify -data {bundle} -in {_beside(bundle, '.tsr')} -CAfile ca.pem")


@needs_tsa
def test_a_timestamp_is_fetched_by_somebody_who_has_a_network(
    bundle: Path, tsa: Authority, tmp_path: Path, prober: Prober
) -> None:
    query, answer = tmp_path / "one.tsq", tmp_path / "answer.tsr"
    assert prober("bundle", "stamp", bundle, "--request", query).code == 0
    answer.write_bytes(tsa.reply(query.read_bytes()))
    done = prober("bundle", "stamp", bundle, "--response", answer)
    assert done.code == 0
    assert "Its signature was not checked" in done.out
    assert _beside(bundle, ".tsr").read_bytes() == answer.read_bytes()
    assert _only(check_beside(bundle, tsa_ca=tsa.ca, ssh_signers=None)).checked


@needs_tsa
@pytest.mark.parametrize(
    ("mood", "words"),
    [
        ("of another file", "it is a timestamp of another file"),
        ("replays", "it answers another request than this one"),
        ("rejects", "the authority rejected the request (status 2"),
        ("lies", "it is not a timestamp response in DER"),
        ("html", "it sent text/html, not application/timestamp-reply"),
        ("moved", "points elsewhere (status 302)"),
        ("broken", "it answered with status 503"),
        ("hangs", "gave no timestamp"),
        ("endless", "gave no timestamp"),
    ],
)
def test_an_authority_that_gives_no_timestamp_is_one_sentence(
    mood: str, words: str, bundle: Path, tsa: Authority, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority, "LIMITS", replace(authority.LIMITS, total_seconds=0.4 if mood == "hangs" else 10))
    tsa.mood = mood
    shutil.copy(bundle, tsa.folder / "bundle")
    done = prober("bundle", "stamp", bundle, "--tsa", tsa.url)
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1
    assert not _beside(bundle, ".tsr").exists()
    assert len(tsa.asked) == 1


def test_the_largest_answer_and_the_longest_wait_are_small() -> None:
    assert authority.LIMITS.wire_bytes == authority.LIMITS.decoded_bytes == 65_536
    assert authority.LIMITS.total_seconds == 30


@needs_tsa
@pytest.mark.parametrize(
    "url", ["ftp://tsa.example", "tsa.example", "http://", "http://[", "https://me:secret@tsa.example/", ""]
)
def test_an_authority_that_cannot_be_asked_is_one_sentence(url: str, bundle: Path, prober: Prober) -> None:
    done = prober("bundle", "stamp", bundle, "--tsa", url)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "secret" not in done.err


@needs_tsa
def test_nothing_is_written_where_the_authority_is_not_the_expected_one(
    bundle: Path, tsa: Authority, prober: Prober
) -> None:
    done = prober("bundle", "stamp", bundle, "--tsa", tsa.url, "--tsa-ca", tsa.folder / "other.pem")
    assert done.code == 2
    assert "no authority that you trust signed it" in done.err
    assert not _beside(bundle, ".tsr").exists()


@needs_tsa
def test_an_earlier_timestamp_is_never_overwritten(stamped: Path, tsa: Authority, prober: Prober) -> None:
    before = _beside(stamped, ".tsr").read_bytes()
    done = prober("bundle", "stamp", stamped, "--tsa", tsa.url)
    assert (done.code, tsa.asked) == (2, [])
    assert "never overwritten" in done.err
    assert _beside(stamped, ".tsr").read_bytes() == before


@pytest.mark.parametrize("words", [(), ("--tsa", "https://tsa.example", "--request", "one.tsq")])
def test_a_timestamp_is_got_in_one_of_three_ways(words: tuple[str, ...], bundle: Path, prober: Prober) -> None:
    done = prober("bundle", "stamp", bundle, *words)
    assert done.code == 2
    assert "--request FILE.tsq" in done.err


@pytest.mark.parametrize("content", [None, b"", b"a letter"])
def test_only_a_bundle_is_stamped_or_signed(content: bytes | None, tmp_path: Path, prober: Prober) -> None:
    path = tmp_path / "letter.txt"
    if content is not None:
        path.write_bytes(content)
    for words in (("stamp", path, "--request", tmp_path / "x.tsq"), ("ssh-sign", path, "--ssh-key", path)):
        done = prober("bundle", *words)
        assert done.code == 2
        assert "name a bundle" in done.err or "not a bundle" in done.err


@needs_tsa
def test_a_timestamp_of_another_bundle_is_refused(stamped: Path, tmp_path: Path, tsa: Authority) -> None:
    other = _bundle(tmp_path / "two.prober.zip", b"two")
    shutil.copy(_beside(stamped, ".tsr"), _beside(other, ".tsr"))
    for ca in (None, tsa.ca):
        with pytest.raises(Refused, match=r"^two\.prober\.zip\.tsr is no timestamp of this bundle: .* another file\.$"):
            check_beside(other, tsa_ca=ca, ssh_signers=None)


@needs_tsa
def test_a_timestamp_under_another_root_is_refused(stamped: Path, tsa: Authority) -> None:
    with pytest.raises(Refused, match="no authority that you trust"):
        check_beside(stamped, tsa_ca=tsa.folder / "other.pem", ssh_signers=None)


@needs_tsa
def test_an_altered_timestamp_is_refused_or_says_the_same(stamped: Path, tsa: Authority) -> None:
    """Some bytes of CMS are signed by nobody and decide nothing; no byte may change what is said."""
    place = _beside(stamped, ".tsr")
    content = place.read_bytes()
    said = check_beside(stamped, tsa_ca=tsa.ca, ssh_signers=None)
    refused = 0
    for at in range(0, len(content), 7):
        place.write_bytes(content)
        _flipped(place, at)
        try:
            assert check_beside(stamped, tsa_ca=tsa.ca, ssh_signers=None) == said
        except Refused:
            refused += 1
    assert refused > 0.9 * len(content) / 7


@needs_tsa
@pytest.mark.parametrize("content", [b"", b"<html>", bytes.fromhex("30053003020100"), b"0" * 70_000])
def test_what_is_no_timestamp_is_refused(content: bytes, bundle: Path, tsa: Authority) -> None:
    _beside(bundle, ".tsr").write_bytes(content)
    for ca in (None, tsa.ca):
        with pytest.raises(Refused, match=r"^one\.prober\.zip\.tsr is "):
            check_beside(bundle, tsa_ca=ca, ssh_signers=None)


@needs_tsa
def test_a_timestamp_without_a_root_to_trust_was_not_checked(stamped: Path) -> None:
    found = _only(check_beside(stamped, tsa_ca=None, ssh_signers=None))
    assert not found.checked
    assert "its signature was not checked" in found.text


def test_a_timestamp_without_the_extra_was_not_checked(
    bundle: Path, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timestamp, "installed", lambda: False)
    _beside(bundle, ".tsr").write_bytes(b"whatever")
    found = _only(check_beside(bundle, tsa_ca=None, ssh_signers=None))
    assert not found.checked
    assert "pip install 'rfc3161-client>=1.0.9'" in found.text
    done = prober("bundle", "stamp", bundle, "--request", bundle.with_name("one.tsq"))
    assert done.code == 2
    assert "pip install 'rfc3161-client>=1.0.9'" in done.err


def test_a_proof_that_was_taken_away_is_missed_by_whoever_asked_for_it(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "signers").write_text("")
    found = check_beside(bundle, tsa_ca=tmp_path / "ca.pem", ssh_signers=tmp_path / "signers")
    assert [one.checked for one in found] == [False, False]
    assert "There is no one.prober.zip.tsr beside the bundle" in found[0].text


@needs_tsa
def test_a_root_that_cannot_be_used_is_a_mistake(stamped: Path, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("a letter")
    for name, words in (("letter", "certificates in PEM"), ("missing", "cannot be read")):
        with pytest.raises(Mistake, match=words):
            check_beside(stamped, tsa_ca=tmp_path / name, ssh_signers=None)


# SSH signatures.


@needs_ssh
def test_an_ssh_signature_of_an_allowed_signer_holds(bundle: Path, key: Path, tmp_path: Path, prober: Prober) -> None:
    done = prober("bundle", "ssh-sign", bundle, "--ssh-key", key)
    assert (done.code, done.err) == (0, "")
    signers = _signers(tmp_path / "signers", key)
    for identity in (None, "auditor@example.org"):
        found = _only(check_beside(bundle, tsa_ca=None, ssh_signers=signers, ssh_identity=identity))
        assert found.checked
        assert re.fullmatch(
            r"SSH        Signed by auditor@example\.org, with the ED25519 key SHA256:\S{43}\.", str(found)
        )
    before = _beside(bundle, ".sig").read_bytes()
    assert prober("bundle", "ssh-sign", bundle, "--ssh-key", key).code == 2
    assert _beside(bundle, ".sig").read_bytes() == before


@needs_ssh
def test_an_ssh_signature_without_allowed_signers_tells_the_key_and_was_not_checked(bundle: Path, key: Path) -> None:
    _beside(bundle, ".sig").write_bytes(ssh.sign(bundle, key))
    found = _only(check_beside(bundle, tsa_ca=None, ssh_signers=None))
    assert not found.checked
    assert "ED25519 key SHA256:" in found.text


@needs_ssh
def test_an_ssh_signature_of_another_file_or_purpose_or_altered_is_refused(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    signers = _signers(tmp_path / "signers", key)
    place = _beside(bundle, ".sig")
    good = ssh.sign(bundle, key)
    elsewhere = ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", "file"]
    wrong = (
        ssh.sign(_bundle(tmp_path / "two.prober.zip", b"two"), key),
        subprocess.run(elsewhere, input=bundle.read_bytes(), capture_output=True, check=True).stdout,
        good.replace(good[200:204], bytes(reversed(good[200:204]))),
        b"",
        b"a letter",
    )
    for content in wrong:
        place.write_bytes(content)
        for allowed in (None, signers):
            with pytest.raises(Refused, match=r"^one\.prober\.zip\.sig is no signature of this bundle"):
                check_beside(bundle, tsa_ca=None, ssh_signers=allowed)
    place.write_bytes(good)
    _flipped(bundle, len(bundle.read_bytes()) - 1)
    with pytest.raises(Refused, match="altered"):
        check_beside(bundle, tsa_ca=None, ssh_signers=signers)


@needs_ssh
def test_an_ssh_signature_with_another_key_or_by_another_signer_is_refused(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    _beside(bundle, ".sig").write_bytes(ssh.sign(bundle, key))
    with pytest.raises(Refused, match="not one that anybody has in"):
        check_beside(bundle, tsa_ca=None, ssh_signers=_signers(tmp_path / "signers", _key(tmp_path / "other")))
    with pytest.raises(Refused, match=r"not one that somebody@example\.org has in"):
        check_beside(
            bundle,
            tsa_ca=None,
            ssh_signers=_signers(tmp_path / "signers", key),
            ssh_identity="somebody@example.org",
        )
    (tmp_path / "signers").write_text(f'auditor@example.org namespaces="git" {key.with_suffix(".pub").read_text()}')
    with pytest.raises(Refused, match="not one that anybody has in"):
        check_beside(bundle, tsa_ca=None, ssh_signers=tmp_path / "signers")


def test_without_ssh_keygen_nothing_is_signed_and_nothing_counts_as_checked(
    bundle: Path, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "installed", lambda: False)
    done = prober("bundle", "ssh-sign", bundle, "--ssh-key", bundle)
    assert done.code == 2
    assert "needs ssh-keygen" in done.err
    _beside(bundle, ".sig").write_bytes(b"whatever")
    assert not _only(check_beside(bundle, tsa_ca=None, ssh_signers=None)).checked


def test_an_ssh_keygen_that_is_too_old_says_nothing_about_a_signature(
    bundle: Path, tmp_path: Path, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    old = tmp_path / "bin" / "ssh-keygen"
    old.write_text("#!/bin/sh\necho usage >&2\nexit 1\n")
    old.chmod(0o700)
    monkeypatch.setenv("PATH", str(old.parent))
    assert "too old" in prober("bundle", "ssh-sign", bundle, "--ssh-key", bundle).err
    _beside(bundle, ".sig").write_bytes(b"whatever")
    found = _only(check_beside(bundle, tsa_ca=None, ssh_signers=None))
    assert (found.checked, "too old" in found.text) == (False, True)


@needs_ssh
def test_what_is_no_ssh_key_signs_nothing(bundle: Path, tmp_path: Path, prober: Prober) -> None:
    (tmp_path / "letter").write_text("a letter")
    (tmp_path / "letter").chmod(0o600)
    for name, words in (("letter", "ssh-keygen did not sign"), ("missing", "this is not a file")):
        done = prober("bundle", "ssh-sign", bundle, "--ssh-key", tmp_path / name)
        assert done.code == 2
        assert words in done.err
        assert done.err.count("\n") == 1
        assert not _beside(bundle, ".sig").exists()


def test_words_about_ssh_that_lead_nowhere_are_mistakes(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="--ssh-signers"):
        check_beside(bundle, tsa_ca=None, ssh_signers=None, ssh_identity="auditor@example.org")
    with pytest.raises(Mistake, match="this is not a file"):
        check_beside(bundle, tsa_ca=None, ssh_signers=tmp_path / "missing")


# What `prober verify` makes of them.


@pytest.fixture(scope="module")
def _sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A real bundle and the public key of whoever sealed it."""
    folder = tmp_path_factory.mktemp("sealed")
    probes = load_probes()
    shutil.copytree(ROOT / "fixtures" / "leader", folder / "stored")
    shutil.copy(shipped_models()[0], folder / "stored" / MODEL)
    judge_folder(RunFolder.open(folder / "stored"), probes, folder / "run")
    signer = new_key(folder / "key.pem", SystemClock())
    seal(Wish(runs=(folder / "run",), signer=signer), probes, folder / "real.prober.zip")
    (folder / "public.pem").write_bytes(public_pem(signer.public))
    return folder / "real.prober.zip", folder / "public.pem"


@pytest.fixture
def verify(_sealed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Verifies a copy of that bundle: the exit code, and what was said. What lies within it is looked at only once."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "real.prober.zip"
    shutil.copy(_sealed[0], path)
    found = whole.verify(path, load_probes(), load_public(_sealed[1]), {})
    monkeypatch.setattr(whole, "verify", lambda *_: found)

    def call(**words: Any) -> tuple[int, str]:
        said: list[str] = []
        code = verify_command(
            path, key=_sealed[1], checkpoint=None, disclosures=(), probes=(), say=said.append, **words
        )
        return code, "\n".join(said)

    return call


@needs_tsa
@needs_ssh
def test_verify_ends_well_only_if_all_that_lies_beside_was_checked(
    verify: Callable[..., Any], tsa: Authority, key: Path, tmp_path: Path
) -> None:
    path = tmp_path / "real.prober.zip"
    assert verify()[0] == 0
    _beside(path, ".tsr").write_bytes(tsa.reply(tsa.query(path)))
    _beside(path, ".sig").write_bytes(ssh.sign(path, key))
    signers = _signers(tmp_path / "signers", key)
    code, said = verify(tsa_ca=tsa.ca, ssh_signers=signers)
    assert code == 0
    assert "\nTimestamp  " in said
    assert "\nSSH        Signed by auditor@example.org" in said
    assert verify(tsa_ca=tsa.ca)[0] == 3
    assert verify(ssh_signers=signers, ssh_identity="auditor@example.org")[0] == 3
    with pytest.raises(Refused, match=r"real\.prober\.zip\.tsr"):
        verify(tsa_ca=tsa.folder / "other.pem")
