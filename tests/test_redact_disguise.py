"""A secret that a server gives back in another spelling is not kept: not in a body, a header, a URL or a message."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable
from functools import reduce
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.redact import RedactedBody, Redactor
from prober.redact.disguise import bare, layers, spellings

KEY = bytes(range(32))
TOKEN = "Zq7XkLm9Tr4vBn2WpYc8"
RAW = TOKEN.encode()


def each(form: str) -> Callable[[str], str]:
    return lambda text: "".join(form.format(byte) for byte in text.encode())


SPELLINGS: dict[str, Callable[[str], str]] = {
    "lower case": str.lower,
    "upper case": str.upper,
    "as a host": lambda s: f"https://{s.lower()}.invalid/",
    "in hexadecimal with colons": lambda s: ":".join(f"{byte:02x}" for byte in s.encode()),
    "in hexadecimal with spaces": lambda s: " ".join(f"{byte:02X}" for byte in s.encode()),
    "in numbers": lambda s: str(list(s.encode())),
    "base64 of base64": lambda s: base64.b64encode(base64.b64encode(s.encode())).decode(),
    "base64 of base64 of more": lambda s: base64.b64encode(b"x" + base64.b64encode(b"yy" + s.encode() + b"z")).decode(),
    "base64 of lower case": lambda s: base64.b64encode(s.lower().encode()).decode(),
    "base64 in lines": lambda s: "\n".join(
        base64.b64encode(f"Bearer {s}".encode()).decode()[n : n + 8] for n in range(0, 40, 8)
    ),
    "base32": lambda s: base64.b32encode(s.encode()).decode(),
    "base32 of more": lambda s: base64.b32encode(b"xyz" + s.encode()).decode().lower(),
    "percent, five times": lambda s: reduce(lambda text, _: quote(text, safe=""), range(5), each("%{:02x}")(s)),
    "percent of some": lambda s: s.replace("7", "%25252537").replace("k", "%6B"),
    "percent u": each("%u{:04x}"),
    "backslash x": each("\\x{:02x}"),
    "backslash u with braces": each("\\u{{{:x}}}"),
    "backslash u, eight digits": each("\\U{:08x}"),
    "octal": each("\\{:03o}"),
    "entities with zeros": each("&#{:010};"),
    "hexadecimal entities with zeros": each("&#x{:08x};"),
    "entities of entities": each("&amp;amp;#{};"),
    "printable": each("={:02X}"),
    "printable, broken": lambda s: f"{s[:9]}=\r\n{s[9:]}",
    "spaced": " ".join,
    "unseen between": "\u200b".join,
    "wide": lambda s: "".join(chr(ord(one) + 0xFEE0) for one in s),
    "bold": lambda s: "".join(chr(ord(one) - 97 + 0x1D41A) if one.islower() else one for one in s),
    "in two strings": lambda s: f'{s[:10]}","{s[10:]}',
    "backwards": lambda s: s[::-1],
    "all but the end": lambda s: s[:-3],
    "all but the beginning": lambda s: s[3:],
    "several at once": lambda s: each("%25{:02X}")(each("\\u{:04x}")(s)),
}


def redactor(*, synthetic: bool = True) -> Redactor:
    return Redactor(KEY, synthetic=synthetic, secrets=[TOKEN])


@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize("name", list(SPELLINGS))
def test_a_secret_in_disguise_goes_with_all_that_holds_it(name: str, synthetic: bool) -> None:
    spelled = SPELLINGS[name](TOKEN)
    one = redactor(synthetic=synthetic)
    document = {"resourceType": "CapabilityStatement", "name": f"say {spelled} to me"}
    kept = [
        one.body(json.dumps(document, ensure_ascii=ascii).encode(), kind, public=True).data
        for ascii in (True, False)
        for kind in ("application/json", "text/plain", "application/octet-stream")
    ]
    kept += [one.body(f"<html>{spelled}</html>".encode(), "text/html", public=True).data]
    kept += [
        one.text(f"say {spelled} to me").encode(),
        one.url(f"https://fhir.example/{spelled}", public=True).encode(),
    ]
    kept += [repr(one.headers([("Location", spelled), (spelled, "x")], response=True)).encode()]
    kept += [one.public_text(spelled).encode()]
    core = spelled[3:-3]
    for data in kept:
        assert core.encode() not in data
        assert json.dumps(core)[1:-1].encode() not in data


def test_a_body_with_a_disguised_secret_says_why_nothing_of_it_is_there() -> None:
    body = redactor().body(b'{"name": "zq7xklm9tr4vbn2wpyc8"}', "application/json")
    assert body == RedactedBody(b"", "json", False, "a secret of this run shows in it in disguise", "unparseable")
    plain = redactor().body(b'{"name": "Zq7XkLm9Tr4vBn2WpYc8"}', "application/json")
    assert plain.parsed
    assert plain.withheld is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-32-le", "utf-7"])
def test_a_secret_in_a_wide_encoding_goes(encoding: str) -> None:
    for kind in ("text/plain", "application/octet-stream", "application/json", "text/html", "application/xml"):
        data = f"it is {TOKEN}.".encode(encoding)
        assert TOKEN.encode(encoding)[-40:] not in redactor().body(data, kind).data


PACKED = {
    "gzip": gzip.compress(RAW),
    "zlib": zlib.compress(RAW),
    "bzip2": bz2.compress(RAW),
    "xz": lzma.compress(RAW),
    "zip": b"PK\x03\x04" + RAW,
    "PDF": b"%PDF-1.4 " + RAW.lower(),
    "control characters": b"text \x02 and more",
}


@pytest.mark.parametrize(
    "kind", ["application/octet-stream", "text/plain", "application/json", "text/html", "", "image/png"]
)
@pytest.mark.parametrize("name", list(PACKED))
def test_nothing_of_an_archive_is_kept_because_nobody_knows_what_is_in_it(name: str, kind: str) -> None:
    body = redactor().body(PACKED[name], kind)
    assert (body.data, body.parsed) == (b"", False)
    assert body.note
    assert redactor().body(b"<html>" + PACKED[name], "text/html").data in (b"", b"<html>" + PACKED["PDF"])


def test_spellings_are_no_words_that_stand_in_any_text() -> None:
    assert min(map(len, spellings(TOKEN))) >= 8
    assert bare(b"A-b\x00C \xff9") == b"abc9"
    assert list(layers(b"plain")) == [b"plain"]


@settings(derandomize=True, deadline=None, max_examples=examples(150))
@given(
    st.lists(st.sampled_from([name for name in SPELLINGS if "base64 in" not in name]), min_size=1, max_size=2),
    st.text(max_size=30),
)
def test_a_text_without_the_secret_is_left_alone(names: list[str], around: str) -> None:
    other = "aB3dE5gH7jK9mN1pQ"
    text = around.join(["<", *(SPELLINGS[name](other) for name in names), ">"])
    one = Redactor(KEY, synthetic=True, secrets=[TOKEN])
    assert one.text(text) == Redactor(KEY, synthetic=True).text(text)
