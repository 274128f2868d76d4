"""Runs the sandbox: a listening socket, a thread with an event loop of its own, and a quick end."""

import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Self

from prober.sandbox.data import GROUP_ID, PATIENT_IDS
from prober.sandbox.defects import known_persona, planted
from prober.sandbox.log import Log, Logged

if TYPE_CHECKING:
    from prober.sandbox.app import Application
    from prober.sandbox.listener import Listener

__all__ = ["Logged", "Sandbox", "serve"]


class Sandbox:
    """A FHIR server on this machine, running between entering and leaving the `with` block.

    `latency` and `slow_seconds` (the defect slow_answers) are seconds before each answer; `port` 0 takes a free one;
    a certificate lasts `certificate_days` from now on; without `dated` no answer says what time it is (`Date`).
    Raises ValueError for an unknown persona or defect, for a defect of another persona than `leader`, and for one that
    needs `tls`; entering raises OSError
    when the address cannot be bound, and ImportError without the packages of the extra prober[sandbox].
    """

    def __init__(
        self,
        persona: str = "leader",
        defects: Iterable[str] = (),
        tls: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0.0,
        token: str | None = None,
        slow_seconds: float = 4.0,
        certificate_days: int = 60,
        dated: bool = True,
    ) -> None:
        self.persona = known_persona(persona)
        self.defects = planted(defects, tls, self.persona)
        self.token = token or token_urlsafe(24)
        self.group_id = GROUP_ID
        self.patient_ids: Sequence[str] = PATIENT_IDS
        self.ca_pem: bytes | None = None
        self.ca_file: Path | None = None
        self._tls = tls
        self._certificate_days = certificate_days
        self._dated = dated
        self._host = host
        self._port = port
        self._delay = latency + (slow_seconds if "slow_answers" in self.defects else 0.0)
        self._log = Log()
        self._origin = ""
        self._held: list[socket.socket] = []
        self._folder: TemporaryDirectory[str] | None = None
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """The FHIR base, without a trailing slash; empty until the sandbox is entered."""
        return f"{self._origin}/fhir" if self._origin else ""

    @property
    def pages(self) -> tuple[str, ...]:
        """The addresses of the pages that the provider publishes; empty until the sandbox is entered."""
        from prober.sandbox.pages import ADDRESSES

        return tuple(f"{self._origin}{path}" for path in ADDRESSES) if self._origin else ()

    @property
    def log(self) -> list[Logged]:
        """Every request so far, in the order of arrival."""
        return self._log.entries()

    def __enter__(self) -> Self:
        from prober.sandbox.listener import Listener

        try:
            listening = self._bind(self._port)
            context = self._prepare_tls() if self._tls else None
            self._listener = Listener(
                self._application(listening), listening, context, "plain_http_fhir" in self.defects, self._dated
            )
            self._thread = threading.Thread(target=self._listener.run, name="prober-sandbox", daemon=True)
            self._thread.start()
            self._listener.wait_until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None and self._thread is not None:
            self._listener.stop()
            self._thread.join()
        for held in self._held:
            held.close()
        if self._folder is not None:
            self._folder.cleanup()
        self._held, self._folder, self._listener, self._thread = [], None, None, None

    def _bind(self, port: int) -> socket.socket:
        family, kind, protocol, _, address = socket.getaddrinfo(
            self._host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        self._held.append(bound)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        return bound

    def _prepare_tls(self) -> ssl.SSLContext:
        from prober.sandbox import tls

        self._folder = TemporaryDirectory(prefix="prober-sandbox-")
        folder = Path(self._folder.name)
        context, self.ca_pem = tls.prepare(folder, self._host, self.defects, self._certificate_days)
        self.ca_file = folder / "authority.pem"
        self.ca_file.write_bytes(self.ca_pem)
        return context

    def _application(self, listening: socket.socket) -> "Application":
        from prober.sandbox.vendors import APPLICATIONS

        host = f"[{self._host}]" if ":" in self._host else self._host
        self._origin = f"{'https' if self._tls else 'http'}://{host}:{listening.getsockname()[1]}"
        # A port that is bound but never listens refuses connections, and nobody else can take it meanwhile.
        dead = self._bind(0).getsockname()[1] if "smart_dead_endpoints" in self.defects else None
        return APPLICATIONS[self.persona](
            origin=self._origin,
            token=self.token,
            defects=self.defects,
            log=self._log,
            delay=self._delay,
            dead_port=dead,
        )


def serve(sandbox: Sandbox, ready: Callable[[Sandbox], None], stop: threading.Event | None = None) -> None:
    """Runs the sandbox until SIGINT, SIGTERM or `stop`; calls `ready` once it answers, to print its addresses.

    Signals are watched only when this is called from the main thread.
    """
    end = stop or threading.Event()
    watched = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, lambda *_: end.set()) for number in watched}
    try:
        with sandbox:
            ready(sandbox)
            end.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
