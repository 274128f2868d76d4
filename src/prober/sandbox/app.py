"""The sandbox as an ASGI application: which request gets which answer, healthy or defective."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Set
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from secrets import compare_digest
from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from prober.sandbox import brands, bulk, pages, smart, statement
from prober.sandbox.data import PATIENT_IDS, Store, store
from prober.sandbox.hostile import HOSTILE, reset
from prober.sandbox.log import Log
from prober.sandbox.outcome import Json, Refusal, operation_outcome
from prober.sandbox.search import searchset

FHIR_JSON = "application/fhir+json"
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_JSON_TYPES = {FHIR_JSON, "application/json", "text/json", "application/*", "*/*"}
_JSON_FORMATS = {FHIR_JSON, "application/json", "text/json", "json"}
_LOGIN_PAGE = (
    "<!doctype html><html lang=en><head><meta charset=utf-8><title>Please sign in</title></head>"
    "<body><form method=post><label>User <input name=user></label></form></body></html>"
)
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Content-Location, ETag, Last-Modified, Location, Retry-After, "
    "WWW-Authenticate, X-Progress, X-Request-Id",
}
_PREFLIGHT = {
    "access-control-allow-methods": "GET, HEAD, POST, DELETE, OPTIONS",
    "access-control-allow-headers": "Accept, Authorization, Content-Type, Prefer, X-Request-Id",
    "access-control-max-age": "600",
}

Handler = Callable[[Request], Awaitable[Response]]


def as_json(
    content: Json, status: int = 200, media_type: str = FHIR_JSON, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, media_type)


def only(request: Request, *methods: str) -> None:
    """Raises Refusal 405 for any other method."""
    if request.method not in methods:
        raise Refusal(405, "not-supported", f"{request.method} is not possible here.", {"Allow": ", ".join(methods)})


def _acceptable(request: Request) -> None:
    wanted = request.query_params.get("_format")
    if wanted is not None:
        if wanted.replace(" ", "+").partition(";")[0] not in _JSON_FORMATS:
            raise Refusal(406, "not-supported", "This server speaks only JSON.")
        return
    accepted = request.headers.get("accept", "*/*").lower().split(",")
    if not any(media.partition(";")[0].strip() in _JSON_TYPES for media in accepted):
        raise Refusal(406, "not-supported", "This server speaks only JSON.")


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Application:
    """One running sandbox: its addresses, its token, its defects and its jobs. This is the healthy one, `leader`.

    The other personas are its subclasses in vendors.py.
    """

    AUTHORIZES = True
    """Whether there is an authorization server beside the FHIR server."""
    TRAITS: Set[str] = frozenset()
    """The defects that belong to the persona itself, without having been planted."""
    PAUSE = 0.0
    """Seconds that the persona takes over each answer, beside any latency that was asked for."""

    def __init__(
        self, *, origin: str, token: str, defects: Set[str], log: Log, delay: float, dead_port: int | None
    ) -> None:
        self._origin = origin
        self._base = f"{origin}/fhir"
        self._token = token
        self._defects = self.TRAITS | defects
        self._log = log
        self._delay = self.PAUSE + delay
        self._addresses: Mapping[str, str] = smart.endpoints(origin, dead_port)
        self._store = self._records()
        self._jobs = bulk.Jobs()
        self._metadata_asked = False
        handlers: dict[str, Handler] = {
            "/fhir/metadata": self._metadata,
            "/fhir/.well-known/smart-configuration": self._smart_configuration,
            "/fhir/$versions": self._versions,
            "/fhir/$export": self._export,
            "/fhir/Patient/$export": self._export,
            "/fhir/Group/{group}/$export": self._export,
            "/fhir/bulk/{job}": self._export_status,
            "/fhir/bulk/{job}/{file}": self._export_file,
            "/fhir/{kind}/_search": self._search,
            "/fhir/{kind}": self._search,
            "/fhir/{kind}/{identity}": self._read,
        }
        if self.AUTHORIZES:
            handlers |= {
                brands.PATH: self._brands,
                "/auth/.well-known/openid-configuration": self._openid_configuration,
                "/auth/jwks": self._keys,
                "/auth/authorize": self._page,
                "/auth/manage": self._page,
                "/auth/token": self._issue,
                "/auth/introspect": self._client_only,
                "/auth/revoke": self._client_only,
            }
        handlers |= {"/robots.txt": self._robots, **dict.fromkeys(pages.ADDRESSES, self._published)}
        handlers["/{anything:path}"] = self._nothing
        self._router = Router(
            [Route(path, self._guarded(handler), methods=_METHODS) for path, handler in handlers.items()],
            redirect_slashes=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        place = self._log.arrived(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._log.answered(place, message["status"])
                added = MutableHeaders(raw=message["headers"])
                added.update({} if "no_cors" in self._defects else _CORS)
                if "x-request-id" in headers:
                    added["x-request-id"] = headers["x-request-id"]
            await send(message)

        if self._delay:
            await asyncio.sleep(self._delay)
        await self._answer(scope, receive, answer)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "throttled" in self._defects:
            refusal = Refusal(429, "throttled", "Too many requests.", {"Retry-After": "1"})
            await self._refused(refusal)(scope, receive, send)
        elif scope["path"] == "/fhir/metadata" and "connection_reset" in self._defects:
            reset(scope["state"]["transport"])
        elif scope["path"] == "/fhir/metadata" and (planted := sorted(HOSTILE.keys() & self._defects)):
            await self._attack(planted[0], receive, send)
        else:
            await self._router(scope, receive, send)

    async def _attack(self, name: str, receive: Receive, send: Send) -> None:
        text = json.dumps(self._statement(), separators=(",", ":"))
        attack = asyncio.ensure_future(HOSTILE[name](text, send))
        # uvicorn swallows what is sent to a client that left, so an endless answer has to be stopped from here.
        left = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({attack, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (attack, left):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            if request.method == "OPTIONS" and "no_cors" not in self._defects:
                return Response(status_code=204, headers=_PREFLIGHT)
            try:
                return await handler(request)
            except Refusal as refusal:
                return self._refused(refusal)

        return guarded

    def _refused(self, refusal: Refusal) -> Response:
        if "errors_bare" in self._defects:
            return Response(f"Error {refusal.status}\n", refusal.status, refusal.headers, "text/plain")
        return as_json(operation_outcome(refusal.code, refusal.sentence), refusal.status, FHIR_JSON, refusal.headers)

    def _holds_token(self, request: Request) -> bool:
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not credential:
            return False
        known = compare_digest(credential.encode(), self._token.encode())
        return known or "garbage_bearer_accepted" in self._defects

    def _admit(self, request: Request, exception: str) -> None:
        """Lets in whoever holds the token, and when the defect `exception` is planted whoever shows none at all."""
        offered = "authorization" in request.headers
        if self._holds_token(request) or (exception in self._defects and not offered):
            return
        challenge = 'Bearer realm="prober sandbox"' + (', error="invalid_token"' if offered else "")
        raise Refusal(401, "login", "This needs a valid bearer token.", {"WWW-Authenticate": challenge})

    def _records(self) -> Store:
        return store()

    def _statement(self) -> Json:
        return statement.capability_statement(self._base, self._addresses, self._defects)

    async def _metadata(self, request: Request) -> Response:
        only(request, "GET", "HEAD")
        first, self._metadata_asked = not self._metadata_asked, True
        if "retry_after_epoch" in self._defects and first:
            raise Refusal(429, "throttled", "Too many requests.", {"Retry-After": str(int(time.time()) + 1)})
        if "metadata_login" in self._defects:
            self._admit(request, "")
        if "metadata_login_page" in self._defects:
            return HTMLResponse(_LOGIN_PAGE)
        if "metadata_server_error" in self._defects:
            raise Refusal(500, "exception", "The statement could not be made.")
        if "metadata_operation_outcome" in self._defects:
            return as_json(operation_outcome("processing", "The statement could not be made."))
        if "metadata_xml_only" in self._defects:
            return Response(statement.as_xml(self._base), media_type="application/fhir+xml")
        if "metadata_dstu2" in self._defects:
            return as_json(statement.conformance(self._base), media_type="application/json+fhir")
        _acceptable(request)
        if "duplicate_keys" in self._defects:
            return Response(statement.with_duplicate_keys(self._statement()), media_type=FHIR_JSON)
        return as_json(self._statement())

    async def _smart_configuration(self, request: Request) -> Response:
        only(request, "GET", "HEAD")
        if "smart_missing" in self._defects:
            raise Refusal(404, "not-found", "There is no such document.")
        if "smart_login" in self._defects:
            self._admit(request, "")
        if "smart_html" in self._defects:
            return HTMLResponse(_LOGIN_PAGE)
        document = smart.configuration(self._origin, self._addresses, statement.RESOURCE_TYPES, self._defects)
        return as_json(document, media_type="application/json")

    async def _versions(self, request: Request) -> Response:
        only(request, "GET", "HEAD")
        _acceptable(request)
        accepted = request.headers.get("accept", "*/*")
        plain = "application/json" in accepted and FHIR_JSON not in accepted
        return as_json(statement.versions(plain), media_type="application/json" if plain else FHIR_JSON)

    async def _openid_configuration(self, request: Request) -> Response:
        only(request, "GET", "HEAD")
        return as_json(smart.openid_configuration(self._addresses, self._defects), media_type="application/json")

    async def _keys(self, request: Request) -> Response:
        only(request, "GET", "HEAD")
        if "jwks_missing" in self._defects:
            raise Refusal(404, "not-found", "There is no such document.")
        keys = await asyncio.to_thread(smart.key_set, self._defects)
        return as_json(keys, media_type="application/json")

    async def _brands(self, request: Request) -> Response:
        only(request, "GET", "HEAD")
        if "brands_missing" in self._defects:
            raise Refusal(404, "not-found", "There is no such document.")
        return as_json(brands.bundle(self._base, self._defects), headers={"ETag": brands.ETAG})

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(smart.AUTHORIZE_PAGE)

    async def _robots(self, request: Request) -> Response:
        only(request, "GET", "HEAD")
        return pages.robots()

    async def _published(self, request: Request) -> Response:
        only(request, "GET", "HEAD")
        return pages.page(request.url.path, self._defects)

    async def _issue(self, request: Request) -> Response:
        error = smart.token_error(await request.body())
        return as_json(error, 400, "application/json", {"Cache-Control": "no-store", "Pragma": "no-cache"})

    async def _client_only(self, request: Request) -> Response:
        return as_json(
            {"error": "invalid_client"}, 401, "application/json", {"WWW-Authenticate": 'Basic realm="clients"'}
        )

    async def _nothing(self, request: Request) -> Response:
        if request.url.path.startswith("/fhir"):
            self._admit(request, "open_patient_data")
        raise Refusal(404, "not-supported", "This server does not know that address.")

    def _known_type(self, request: Request) -> str:
        kind = str(request.path_params["kind"])
        if kind not in self._store or (kind == "Immunization" and "declared_type_missing" in self._defects):
            raise Refusal(404, "not-supported", f"This server does not know the type or operation {kind!r}.")
        return kind

    def _enters_unknown_type(self, request: Request) -> bool:
        return "unknown_type_accepted" in self._defects and request.path_params["kind"] not in self._store

    async def _search(self, request: Request) -> Response:
        if self._enters_unknown_type(request):
            return HTMLResponse(_LOGIN_PAGE)
        self._admit(request, "open_patient_data")
        kind = self._known_type(request)
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        if request.url.path.endswith("/_search"):
            only(request, "POST")
            pairs += parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        else:
            only(request, "GET", "HEAD")
        _acceptable(request)
        strict = "handling=strict" in request.headers.get("prefer", "").replace(" ", "")
        return as_json(searchset(self._store, kind, pairs, self._base, strict=strict, defects=self._defects))

    async def _read(self, request: Request) -> Response:
        if self._enters_unknown_type(request):
            return HTMLResponse(_LOGIN_PAGE)
        self._admit(request, "open_patient_data")
        kind, identity = self._known_type(request), str(request.path_params["identity"])
        if identity.startswith("$"):
            raise Refusal(404, "not-supported", f"This server does not know the operation {identity!r}.")
        only(request, "GET", "HEAD")
        _acceptable(request)
        if kind == "Patient" and "patient_read_error" in self._defects:
            raise Refusal(500, "exception", "The record could not be read.")
        resource = self._store[kind].get(identity)
        if resource is None:
            missing = Refusal(404, "not-found", f"There is no {kind} with that id.")
            if "ghost_id_answered" in self._defects:
                return as_json(operation_outcome(missing.code, missing.sentence))
            raise missing
        if kind == "Patient" and "read_wrong_id" in self._defects:
            resource = self._store[kind][PATIENT_IDS[PATIENT_IDS.index(identity) - 1]]
        if "etag_missing" in self._defects:
            return as_json(resource)
        changed = datetime.fromisoformat(resource["meta"]["lastUpdated"]).astimezone(UTC)
        version = f'W/"{resource["meta"]["versionId"]}"'
        return as_json(resource, headers={"ETag": version, "Last-Modified": format_datetime(changed, usegmt=True)})

    async def _export(self, request: Request) -> Response:
        self._admit(request, "open_export")
        only(request, "GET", "POST")
        if "export_not_found" in self._defects:
            raise Refusal(404, "not-supported", "This server does not know that operation.")
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        if request.method == "POST":
            pairs += bulk.from_parameters(await request.body(), request.headers.get("content-type", ""))
        group = request.path_params.get("group")
        level = "Group" if group else "Patient" if request.url.path.startswith("/fhir/Patient/") else "system"
        query = f"?{request.url.query}" if request.url.query else ""
        url = f"{self._origin}{request.url.path}{query}"
        job = bulk.kick_off(self._store, level, group, pairs, request.headers.get("prefer", ""), url)
        self._jobs.add(job)
        address = f"/fhir/bulk/{job.identity}"
        if "export_relative_location" not in self._defects:
            address = self._origin + address
        return Response(status_code=202, headers={"content-location": address})

    async def _export_status(self, request: Request) -> Response:
        self._admit(request, "open_export")
        job = self._jobs.get(str(request.path_params["job"]))
        if request.method == "DELETE" and "delete_refused" not in self._defects:
            self._jobs.delete(job.identity)
            return Response(status_code=202)
        only(request, "GET", "HEAD")
        before = self._jobs.polled(job.identity)
        if before == 0 or "export_never_ends" in self._defects:
            epoch = before == 0 and "retry_after_epoch" in self._defects
            wait = str(int(time.time()) + 1) if epoch else "1"
            return Response(status_code=202, headers={"retry-after": wait, "x-progress": "in progress"})
        document = bulk.manifest(job, f"{self._base}/bulk/{job.identity}", self._defects)
        return as_json(document, media_type="application/json")

    async def _export_file(self, request: Request) -> Response:
        if "export_files_open" not in self._defects:
            self._admit(request, "")
        only(request, "GET", "HEAD")
        job = self._jobs.get(str(request.path_params["job"]))
        text = bulk.file_text(job, str(request.path_params["file"]), self._defects)
        return Response(text, media_type=bulk.NDJSON)
