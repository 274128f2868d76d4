"""How the base's host speaks TLS: today's versions, those that should be gone, and what it says without any."""

from dataclasses import dataclass

from prober.nouns.evidence import Exchange
from prober.nouns.finding import Reason
from prober.observations.capability_statement import metadata_answer, text
from prober.observations.web_addresses import in_clear, is_https, on_loopback
from prober.session.observation import observation
from prober.session.session import Session

OLD_VERSIONS = {"TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1"}
"""The versions that RFC 8996 retired, by the names under which they are offered."""

_UNDECIDED: dict[str, Reason] = {"timed_out": "timed_out", "unreachable": "unreachable"}


@dataclass(frozen=True)
class Hello:
    """How one handshake went: `outcome` and `detail` as the wire told them, `version` as it was offered."""

    version: str
    exchange: Exchange

    @property
    def outcome(self) -> str:
        """accepted, refused_by_server, local_error, unreachable, timed_out or certificate_invalid."""
        return self._told("outcome")

    @property
    def detail(self) -> str:
        """One sentence about what happened, with the TLS library's own word for an error."""
        return self._told("detail")

    @property
    def verify_message(self) -> str:
        """What is wrong with the certificate in the TLS library's words; empty if nothing is."""
        return self._told("verify_message")

    @property
    def undecided(self) -> Reason | None:
        """Why this handshake tells nothing about the server; None if it does tell something."""
        if self.exchange.failure is not None:
            return self.exchange.failure.reason
        if self.outcome == "local_error":
            return "no_data"
        return _UNDECIDED.get(self.outcome)

    def _told(self, name: str) -> str:
        document = self.exchange.document
        return text(document.get(name)) if isinstance(document, dict) else ""


@dataclass(frozen=True)
class ModernTls:
    """The handshake at the base. Where the base is plain http there is none, but what the base answered in clear."""

    loopback: bool
    hello: Hello | None
    clear: Exchange | None = None


@dataclass(frozen=True)
class InClear:
    """What answers without TLS where the base is: its own port in clear, or port 80 of its host."""

    base_is_plain: bool
    loopback: bool
    answer: Exchange | None


@observation(
    asks=("HANDSHAKE [base host] (TLS 1.2 or later)",), requests=1, family="transport", needs=(metadata_answer,)
)
async def modern_tls(session: Session) -> ModernTls:
    """The TLS handshake of today with the base's host, certificate checked."""
    loopback = on_loopback(session.base)
    if not is_https(session.base):
        return ModernTls(loopback, None, None if loopback else (await session.see(metadata_answer)).value)
    return ModernTls(loopback, Hello("modern", await session.handshake("modern")))


@observation(
    asks=tuple(f"HANDSHAKE [base host] ({name} only)" for name in OLD_VERSIONS.values()),
    chain=1,
    permits=("active",),
    family="transport",
)
async def old_tls(session: Session) -> tuple[Hello, ...]:
    """Handshakes that offer TLS 1.0 and TLS 1.1 alone; none where the base is plain http."""
    if not is_https(session.base):
        return ()
    return tuple([Hello(version, await session.handshake(version)) for version in OLD_VERSIONS])


@observation(
    asks=("GET [base in clear]/metadata",),
    requests=1,
    permits=("active",),
    family="transport",
    needs=(metadata_answer,),
)
async def plain_http(session: Session) -> InClear:
    """What the base answers over plain http, at its own port or at port 80."""
    loopback = on_loopback(session.base)
    if is_https(session.base):
        return InClear(False, loopback, await session.in_clear(f"{in_clear(session.base)}/metadata"))
    return InClear(True, loopback, None if loopback else (await session.see(metadata_answer)).value)
