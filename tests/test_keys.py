"""Keys that sign: where they may come from, that nothing of them is told, and which are trusted."""

import base64
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from prober.clock import SystemClock, VirtualClock
from prober.keys import Signer, key_id, load_public, new_key, own_key, public_pem, signer_from, trust, trusted, verifies
from prober.mistake import Mistake


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def signer(home: Path) -> Signer:
    return new_key(home / "key.pem", VirtualClock())


def test_a_new_key_is_its_owners_alone_and_is_never_overwritten(home: Path) -> None:
    made = new_key(home / "deep" / "key.pem", SystemClock())
    assert stat.S_IMODE((home / "deep" / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "deep").stat().st_mode) == 0o700
    assert signer_from(str(home / "deep" / "key.pem")).id == made.id
    with pytest.raises(Mistake, match="never overwritten"):
        new_key(home / "deep" / "key.pem", SystemClock())


def test_the_id_is_what_openssl_says_it_is(home: Path, signer: Signer) -> None:
    (home / "pub.pem").write_bytes(public_pem(signer.public))
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", "pub.pem", "-outform", "DER"], cwd=home, capture_output=True, check=True
    )
    told = subprocess.run(["sha256sum"], input=der.stdout, capture_output=True, check=True).stdout.decode()
    assert told.startswith(f"{signer.id} ")


def test_a_key_in_the_environment_signs_as_the_file_does(
    home: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBER_SIGNING_KEY", (home / "key.pem").read_text())
    assert signer_from("env:PROBER_SIGNING_KEY").sign(b"x") == signer.sign(b"x")


@pytest.mark.parametrize("form", ["raw", "base64"])
def test_an_outside_command_signs(home: Path, signer: Signer, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "pub.pem").write_bytes(public_pem(signer.public))
    script = home / "sign.sh"
    encode = "" if form == "raw" else " | base64 -w0"
    sign = f"openssl pkeyutl -sign -inkey {home / 'key.pem'} -rawin -in in -out out"
    script.write_text(f"#!/bin/sh\ncat >in\n{sign}\ncat out{encode}\n")
    script.chmod(0o700)
    monkeypatch.chdir(home)
    outside = signer_from(f"exec:{script}", home / "pub.pem")
    assert outside.id == signer.id
    assert outside.sign(b"content") == signer.sign(b"content")


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("env:1x", "not the name of a variable"),
        ("env:PROBER_NOTHING", "no variable of this name"),
        ("nowhere.pem", "cannot be read"),
        ("words.pem", "no private key in PEM"),
        ("huge.pem", "too large to be a key"),
        ("ec.pem", "of another kind"),
        ("locked.pem", "has a passphrase"),
        ("open.pem", "others can read this key"),
        ("exec:true", "name the public one with --public-key"),
        (None, "There is no key to sign with"),
    ],
)
def test_what_is_no_key_is_told_in_a_sentence_that_repeats_nothing_of_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, where: str | None, sentence: str
) -> None:
    monkeypatch.chdir(home)
    secret = Ed25519PrivateKey.generate()
    ec = generate_private_key(SECP256R1())
    pem = {
        "words.pem": b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0LWNhbmFyeQ==\n-----END PRIVATE KEY-----\n",
        "huge.pem": b"x" * 20_000,
        "ec.pem": ec.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "locked.pem": secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw")),
        "open.pem": secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    for name, content in pem.items():
        (home / name).write_bytes(content)
        (home / name).chmod(0o644 if name == "open.pem" else 0o600)
    with pytest.raises(Mistake, match=sentence) as told:
        signer_from(where)
    said = str(told.value)
    for content in pem.values():
        for line in content.decode().splitlines():
            assert "BEGIN" in line or "END" in line or line not in said


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("exec:", "no command follows"),
        ("exec:/nowhere/at/all", "cannot be run"),
        ("exec:false", "ended with 1"),
        ("exec:echo '*'", "wrote no signature"),
        ("exec:head -c 64 /dev/zero", "not return an Ed25519 signature"),
    ],
)
def test_an_outside_command_that_does_not_sign_is_told(home: Path, signer: Signer, command: str, sentence: str) -> None:
    (home / "pub.pem").write_bytes(public_pem(signer.public))
    with pytest.raises(Mistake, match=sentence):
        signer_from(command, home / "pub.pem").sign(b"content")


def test_a_signature_is_of_one_key_over_one_content(home: Path, signer: Signer) -> None:
    other = new_key(home / "other.pem", VirtualClock(seed=2))
    signature = signer.sign(b"content")
    assert verifies(signer.public, signature, b"content")
    assert not verifies(signer.public, signature, b"Content")
    assert not verifies(other.public, signature, b"content")


def test_trust_is_given_by_name_and_never_silently_changed(home: Path, signer: Signer) -> None:
    assert trusted() == {}
    trust(signer.public, "auditor@example.org")
    assert trusted() == {signer.id: "auditor@example.org"}
    other = new_key(home / "other.pem", VirtualClock(seed=2))
    with pytest.raises(Mistake, match="another key is trusted under this name"):
        trust(other.public, "auditor@example.org")
    with pytest.raises(Mistake, match="plain characters"):
        trust(other.public, "../evil")
    own = new_key(own_key(), VirtualClock(seed=3))
    assert trusted() == {signer.id: "auditor@example.org", own.id: "your own key"}


def test_a_private_key_is_no_public_one(home: Path, signer: Signer) -> None:
    with pytest.raises(Mistake, match="this is a private key"):
        load_public(home / "key.pem")
    (home / "words.pem").write_text("hello")
    with pytest.raises(Mistake, match="no Ed25519 public key"):
        load_public(home / "words.pem")


def test_the_commands_say_what_they_did_and_nothing_of_the_key(home: Path, prober: Callable[..., Any]) -> None:
    made = prober("keys", "new")
    assert made.code == 0
    own = signer_from(None)
    assert made.out.splitlines()[-1] == own.id
    private = load_pem_private_key(own_key().read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    secret = private.private_bytes_raw()
    shown = prober("keys", "show", own_key())
    assert shown.out == f"{own.id}\n{public_pem(own.public).decode()}"
    assert base64.b64encode(secret).decode() not in made.out + shown.out
    (home / "theirs.pem").write_bytes(public_pem(new_key(home / "x.pem", VirtualClock(seed=5)).public))
    assert prober("keys", "trust", home / "theirs.pem").code == 0
    listed = prober("keys", "show").out.splitlines()
    assert [line.split("  ")[1] for line in listed] == ["theirs", "your own key"]
    assert key_id(load_public(home / "theirs.pem")) == listed[0].split("  ")[0]
    assert prober("keys", "new").code == 2
