"""Finds what looks like a token or a key in a file of attestations, where no such thing belongs."""

import re

from prober.redact.scrub import BEARER, CREDENTIAL_KEYS, JWT, PARAMETER, USERINFO

_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_NAMED = re.compile(
    rb"(?<![\w-])(?:" + CREDENTIAL_KEYS.encode() + rb")\s{0,8}[:=]\s{0,8}(?=[\w.~+/=-]*?[0-9])[\w.~+/=-]{8,}", re.I
)


def lines_with_secrets(text: str) -> tuple[int, ...]:
    """The numbers of the lines, from 1, that hold what looks like a token, a key or a password; comments count."""
    return tuple(number for number, line in enumerate(text.split("\n"), start=1) if looks_secret(line))


def looks_secret(text: str) -> bool:
    """Whether a text holds a JSON Web Token, a bearer value, a URL with a password, or a credential by its name."""
    # Within quotes a bearer value is JSON to the pattern, and looked at elsewhere.
    data = re.sub(r"[\"']", " ", text).encode("utf-8", "replace")
    return any(one.search(data) for one in (JWT, BEARER, USERINFO, PARAMETER, _PRIVATE_KEY, _NAMED))
