"""What can be told of a web page without keeping it: whether it asks for a login, and whether a program makes it."""

from __future__ import annotations

import re

LOGIN = re.compile(
    rb"login-form|type\s{0,8}=\s{0,8}[\"']?password"
    rb"|name\s{0,8}=\s{0,8}[\"']?(?:j_password|passwd|password|SAMLRequest|SAMLResponse)\b|SAMLRequest"
    rb"|openid-connect/auth|/oauth2?/(?:v[0-9]/)?authorize|/saml2?/sso|sign[ -]?in\b|log[ -]?(?:in|on)\b",
    re.I,
)
SCRIPT = re.compile(rb"<script\b", re.I)


def told_of(page: bytes) -> str:
    """The note that stands for a page that may not be kept."""
    login, script = ("yes" if sign.search(page) else "no" for sign in (LOGIN, SCRIPT))
    return f"HTML of {len(page)} bytes, login-form: {login}, script: {script}"


def asks_for_login(page: bytes, note: str | None) -> bool:
    """Whether the page, or the note that stands for it, is one where somebody is to log in."""
    return "login-form: yes" in (note or "") or LOGIN.search(page) is not None


def is_application(page: bytes, note: str | None) -> bool:
    """Whether the page, or the note that stands for it, says that a program in the browser makes what is seen."""
    return "script: yes" in (note or "") or SCRIPT.search(page) is not None
