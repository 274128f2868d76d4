"""The words of the wire: what is sent, what may be spent on it, what came back, and why nothing came back."""

from dataclasses import dataclass, field, replace
from typing import Literal

FailureKind = Literal[
    "dns",
    "refused",
    "reset",
    "connect_timeout",
    "read_timeout",
    "total_timeout",
    "tls",
    "certificate",
    "address_refused",
    "too_large",
    "too_expanded",
    "encoding",
    "protocol",
    "headers_too_large",
    "proxy",
]
HandshakeOutcome = Literal[
    "accepted", "refused_by_server", "local_error", "unreachable", "timed_out", "certificate_invalid"
]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class WireRequest:
    """One request as it goes out; its repr shows the method alone, because all else may hold secrets."""

    method: str
    url: str = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Limits:
    """What one request may cost: seconds, and body bytes before and after decoding.

    `connect_seconds` holds for name lookup and TCP together, and again for the TLS handshake. With `stop_after` the
    connection is closed after that many decoded bytes and the answer is marked truncated.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    total_seconds: float = 60.0
    wire_bytes: int = 8 * 2**20
    decoded_bytes: int = 8 * 2**20
    stop_after: int | None = None


@dataclass(frozen=True)
class TlsFacts:
    """What the handshake showed; times are UTC instants in ISO form, `sha256` is the certificate's fingerprint."""

    version: str
    cipher: str
    alpn: str | None
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: str
    not_after: str
    sha256: str


@dataclass(frozen=True)
class Timings:
    """Microseconds of each phase, one after the other; None where a phase did not happen.

    On a connection used before, `dns`, `connect` and `tls` are None. `first_byte` runs from the last byte of the
    request to the first of the answer, `body` from there to the last byte, `total` over everything. `loop_lag` is the
    longest time for which this process kept its own event loop waiting meanwhile: an estimate of our own error.
    """

    dns: int | None = None
    connect: int | None = None
    tls: int | None = None
    send: int | None = None
    first_byte: int | None = None
    body: int | None = None
    total: int | None = None
    loop_lag: int | None = None


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of any status. Header names are as the server wrote them, values are decoded as latin-1.

    `wire_bytes` counts the body as it came, `decoded_bytes` after decoding. `address` is the numeric address that the
    connection went to: the proxy's where there is a proxy. `reused` says that the connection had served before.
    """

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    wire_bytes: int
    decoded_bytes: int
    truncated: bool
    http_version: str
    address: str
    tls: TlsFacts | None
    timings: Timings
    reused: bool = False


@dataclass(frozen=True)
class Handshake:
    """How a connection without HTTP went; `detail` is a sentence, the verify fields are OpenSSL's."""

    outcome: HandshakeOutcome
    detail: str
    tls: TlsFacts | None = None
    verify_code: int | None = None
    verify_message: str | None = None
    address: str | None = None
    timings: Timings = Timings()


@dataclass(frozen=True)
class Circumstances:
    """What is known of a failed request besides its failure."""

    address: str | None = None
    tls: TlsFacts | None = None
    timings: Timings = Timings()
    status: int | None = None
    headers: Headers = field(default=(), repr=False)
    reused: bool = False


class NetworkFailure(Exception):
    """No usable answer: its kind, and a plain sentence that holds neither URL queries nor header values.

    `status` and `headers` are there if the answer had begun. `reused` says that the request went out on a connection
    that had served before, which the server may have been closing at that moment.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        circumstances: Circumstances = Circumstances(),
        verify_code: int | None = None,
        verify_message: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.message = message
        self.address = circumstances.address
        self.tls = circumstances.tls
        self.timings = circumstances.timings
        self.status = circumstances.status
        self.headers = circumstances.headers
        self.reused = circumstances.reused
        self.verify_code = verify_code
        self.verify_message = verify_message

    def under(self, circumstances: Circumstances) -> "NetworkFailure":
        """The same failure with all that is known around it, free of the exception that led to it."""
        return NetworkFailure(
            self.kind,
            self.message,
            circumstances=replace(
                circumstances, tls=self.tls or circumstances.tls, address=self.address or circumstances.address
            ),
            verify_code=self.verify_code,
            verify_message=self.verify_message,
        )
