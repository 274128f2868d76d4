"""No secret of a run and nothing that looks like a credential survives, whatever it is wrapped in."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.redact import Redactor

KEY = bytes(range(32))
SECRETS = ["sEcr3t/tok+en==&\"<'é\\x", "plain-secret-0123456789-plain-secret", "日本語-パスワード"]
WRAPS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "url": lambda s: quote(s, safe=""),
    "url keeping slashes": quote,
    "form": quote_plus,
    "lower case url": lambda s: "".join(f"%{b:02x}" for b in s.encode()),
    "upper case url": lambda s: "".join(f"%{b:02X}" for b in s.encode()),
    "url twice": lambda s: quote(quote(s, safe=""), safe=""),
    "json": lambda s: json.dumps(s)[1:-1],
    "json without ascii": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "json twice": lambda s: json.dumps(json.dumps(s))[1:-1],
    "json with slashes": lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
    "json, every character": lambda s: "".join(f"\\u{ord(c):04X}" for c in s),
    "html": html.escape,
    "html decimal": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "html hexadecimal": lambda s: "".join(f"&#x{ord(c):x};" for c in s),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for urls": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "basic": lambda s: base64.b64encode(b"client:" + s.encode()).decode(),
    "basic of another length": lambda s: base64.b64encode(b"client1:" + s.encode() + b"!").decode(),
    "hexadecimal": lambda s: s.encode().hex(),
    "base64 in url": lambda s: quote(base64.b64encode(s.encode()).decode(), safe=""),
}


def shown_forms(secret: str) -> list[bytes]:
    """What must not be found, beyond the very text that was put in: the heart of the secret in each wrap."""
    raw = secret.encode()
    return [raw, quote(secret, safe="").encode(), raw.hex().encode(), base64.b64encode(raw).rstrip(b"=")[:-2]]


@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize("wrap", list(WRAPS))
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_goes_from_everything_in_every_encoding(secret: str, wrap: str, synthetic: bool) -> None:
    wrapped = WRAPS[wrap](secret)
    core = wrapped[4:-4].encode()
    one = Redactor(KEY, synthetic=synthetic, secrets=[secret])
    outputs = [
        one.text(f"it said {wrapped} to me").encode(),
        one.url(f"https://fhir.example/{wrapped}?x={wrapped}#{wrapped}").encode(),
        repr(
            one.headers([("X-Powered-By", wrapped), ("Location", f"/{wrapped}"), (wrapped, "x")], response=True)
        ).encode(),
        one.value(wrapped).encode(),
    ]
    for media in (
        "application/json",
        "text/html",
        "text/plain",
        "application/xml",
        "application/octet-stream",
        "application/fhir+ndjson",
    ):
        for public in (True, False):
            for body in (
                wrapped,
                f'{{"x":"{wrapped}"}}',
                f'{{"resourceType":"CapabilityStatement","name":{json.dumps(wrapped)}}}',
            ):
                outputs.append(one.body(body.encode(), media, public=public).data)
    for output in outputs:
        assert core not in output
        assert not [form for form in shown_forms(secret) if form in output]


def test_a_secret_in_utf_16_goes() -> None:
    one = Redactor(KEY, synthetic=True, secrets=["plain-secret"])
    for encoding in ("utf-16-le", "utf-16-be"):
        data = "it is plain-secret.".encode(encoding)
        assert "plain-secret".encode(encoding) not in one.body(data, "application/octet-stream").data


def test_every_encoding_of_a_secret_gets_one_placeholder_and_its_surroundings_stay() -> None:
    one = Redactor(KEY, synthetic=True, secrets=["s3cret/value"])
    data = b'{ "a" : "s3cret\\/value", "b": "s3cret%2Fvalue", "c": "\\u00733cret/value" }'
    shown = one.body(data, "application/json").data
    placeholder = one.text("s3cret/value").encode()
    assert shown == b'{ "a" : "%b", "b": "%b", "c": "%b" }' % ((placeholder,) * 3)
    assert one.body(shown, "application/json").data == shown


JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"RS384"}', b'{"sub":"zq"}', b"sig" * 9)
)


@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        f"{JWT}",
        f"token {JWT}, and more",
        f'{{"x":"{JWT}"}}',
        f"a=%3D{JWT}",
        "Authorization: Bearer abcdef-0123456789",
        "Authorization: Basic dXNlcjpwYXNzd29yZDEyMw==",
        "https://joe:abcdef-0123456789@fhir.example/x",
        '{"access_token": "abcdef-0123456789"}',
        '{"access\\u005ftoken":"abcdef-0123456789"}',
        '{"client_secret":"abcdef-0123456789","token_type":"Bearer"}',
        "https://files.example/1?X-Amz-Signature=abcdef-0123456789&x=1",
        "https://app.example/back?state=1&code=abcdef-0123456789",
        "https://app.example/back?code=abcdef-0123456789&state=1",
        "grant_type=x&client_assertion=abcdef-0123456789",
        "grant_type=authorization_code&code=abcdef-0123456789",
    ],
)
def test_what_looks_like_a_credential_goes_even_from_synthetic_and_public_data(text: str, synthetic: bool) -> None:
    one = Redactor(KEY, synthetic=synthetic)
    outputs = [
        one.text(text).encode(),
        one.url(text, public=True).encode(),
        one.body(text.encode(), "text/plain", public=True).data,
        one.body(text.encode(), "application/json", public=True).data,
        one.body(text.encode(), "application/json").data,
        repr(one.headers([("Server", text), ("Link", f"<{text}>")], response=True, public=True)).encode(),
    ]
    for output in outputs:
        assert not [
            leak
            for leak in (JWT[:40].encode(), JWT[-30:].encode(), b"abcdef-0123456789", b"dXNlcjpw")
            if leak in output
        ]


def test_credentials_in_headers_show_their_scheme_only() -> None:
    for synthetic in (True, False):
        one = Redactor(KEY, synthetic=synthetic, secrets=["tok-0123456789"])
        shown = dict(
            one.headers(
                [
                    ("Authorization", "Bearer tok-0123456789"),
                    ("Cookie", "sid=abc-0123456789; JSESSIONID=abc-0123456789"),
                ],
                response=False,
                public=synthetic,
            )
        )
        assert shown == {"Authorization": f"Bearer {one.text('tok-0123456789')}", "Cookie": "sid; JSESSIONID"}
        assert one.headers([("X-Api-Key", "abc-0123456789")], response=False, public=True)[0][1] != "abc-0123456789"


def test_a_token_answer_keeps_what_it_grants() -> None:
    answer = {
        "access_token": "abcdef",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "system/*.read patient/Zq.rs",
        "patient": "p1",
    }
    shown = json.loads(Redactor(KEY, synthetic=False).body(json.dumps(answer).encode(), "application/json").data)
    assert [shown["token_type"], shown["expires_in"]] == ["Bearer", 300]
    assert "abcdef" not in json.dumps(shown)
    kept = json.loads(Redactor(KEY, synthetic=True).body(json.dumps(answer).encode(), "application/json").data)
    assert {**kept, "access_token": "abcdef"} == answer
    assert kept["access_token"] != "abcdef"


@settings(derandomize=True, deadline=None, max_examples=examples(80))
@given(
    st.text(min_size=4, max_size=60).filter(lambda s: len(s.strip()) >= 4),
    st.lists(st.sampled_from(list(WRAPS)), min_size=1, max_size=3),
    st.text(max_size=20),
)
def test_any_secret_in_any_text_goes(secret: str, wraps: list[str], around: str) -> None:
    one = Redactor(KEY, synthetic=True, secrets=[secret])
    text = around.join(["<", *(WRAPS[wrap](secret) for wrap in wraps if wrap != "json, every character"), ">"])
    assert secret not in one.text(text) or secret in one.text("<>" + around)
