"""The pages that the provider of the sandbox publishes, and what it lets programs read."""

import json
from collections.abc import Set

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from prober.sandbox.outcome import Json, Refusal

ADDRESSES = ("/pages/interoperability", "/pages/openapi.json", "/pages/message-guide.pdf")
ROBOTS = "User-agent: *\nDisallow: /auth/\n"
_STEPS = (
    ("Patients", "Choose an app, sign in at the portal of the clinic, and say which records the app may read."),
    (
        "Peer institutions",
        "Write to the interoperability office; the agreement and the test access come within a week.",
    ),
    ("Vendors", "Register the app with its redirect addresses and its keys, and test it against the sandbox first."),
    ("Limits", "Ten requests a second for each client. Whoever is told to wait is told for how long."),
    ("Errors", "Every error is an OperationOutcome that says what was wrong with the request, in one plain sentence."),
    ("Versions", "Nothing that is published is withdrawn without ninety days of notice on this page."),
)
_LOGIN = (
    "<!doctype html><html lang=en><head><meta charset=utf-8><title>Sign in</title></head><body><h1>Sign in</h1>"
    "<form method=post action=/auth/session><label>User <input name=user></label>"
    '<label>Password <input name="secret" type="password"></label><button>Go</button></form></body></html>'
)


def page(path: str, defects: Set[str]) -> Response:
    """The page at this path. Raises Refusal where it is gone or cannot be made."""
    if "page_server_error" in defects:
        raise Refusal(500, "exception", "The page could not be made.")
    if path == ADDRESSES[0] and "page_gone" in defects:
        raise Refusal(404, "not-found", "There is no such page.")
    if path == ADDRESSES[0] and "page_login" in defects:
        return HTMLResponse(_LOGIN)
    if path == ADDRESSES[1]:
        return Response(json.dumps(_description()), media_type="application/json")
    return Response(_guide(), media_type="application/pdf") if path == ADDRESSES[2] else HTMLResponse(_connecting())


def robots() -> Response:
    """What programs may read (RFC 9309)."""
    return PlainTextResponse(ROBOTS)


def _connecting() -> str:
    parts = "".join(f"<h2>{title}</h2><p>{words}</p><p>{_AT_LENGTH}</p>" for title, words in _STEPS)
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>Connecting to the example clinic</title></head>"
        f"<body><h1>Connecting to the example clinic</h1>{parts}</body></html>"
    )


_AT_LENGTH = (
    "Questions about this part are answered by the interoperability office of the example clinic within two working "
    "days. What is said here holds for the test system and for the system in use alike, and a change of it is "
    "announced here before it is made."
)


def _description() -> Json:
    paths = {
        f"/fhir/{kind}": {
            "get": {
                "summary": f"Searches {kind}",
                "description": _AT_LENGTH,
                "responses": {"200": {"description": "A Bundle of type searchset"}},
            }
        }
        for kind in ("AllergyIntolerance", "Condition", "Immunization", "MedicationRequest", "Observation", "Patient")
    }
    return {"openapi": "3.1.0", "info": {"title": "Example clinic", "version": "1.0.0"}, "paths": paths}


def _guide() -> bytes:
    """As much of a PDF as it takes to be one: a page without words, and remarks that make it as long as a guide."""
    remarks = "".join(f"% {title}: {_AT_LENGTH}\n" for title, _ in _STEPS * 2)
    objects = (
        "1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj\n2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj\n"
        "3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]>> endobj\n"
    )
    return f"%PDF-1.7\n{remarks}{objects}trailer <</Root 1 0 R>>\n%%EOF\n".encode("ascii")
