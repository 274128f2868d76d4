"""A message as a mail, through the SMTP server that the configuration names (RFC 5321, RFC 3207, RFC 8314)."""

import asyncio
import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from prober.export.text import first_moment, moment
from prober.mistake import Mistake
from prober.monitor.tell.outcome import Limits, NotSent, Sent
from prober.monitor.tell.secrets import Secrets
from prober.monitor.tell.words import plain_id, render_text
from prober.nouns.incident import Message
from prober.nouns.monitor import MailServer, Recipient
from prober.session.addresses import is_loopback_as_written
from prober.session.tls import request_context

# A plain dot-atom address (RFC 5322, section 3.4.1): no names, no quotes, nothing that a header could be bent with.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_EPOCH = "1970-01-01T00:00:00Z"
_GRACE_SECONDS = 2.0
"""How long a thread gets to notice that its connection was cut."""


def check_mail(recipient: Recipient, mail: MailServer | None, secrets: Secrets) -> MailServer:
    """The server to use. Raises Mistake where recipient or server cannot be used as they are written down."""
    if mail is None:
        raise Mistake(f"{recipient.name}: a recipient by mail needs a mail server; add `mail:` to the configuration.")
    for what, address in ((recipient.name, recipient.mail or ""), ("mail.sender", mail.sender)):
        if not _ADDRESS.fullmatch(address):
            raise Mistake(f"{what}: this is no plain mail address; give one such as fhir-team@example.org.")
    if mail.security == "none" and not is_loopback_as_written(mail.host):
        raise Mistake("mail.security: without encryption mails go only to loopback; give starttls or tls.")
    if (mail.user is None) != (mail.password is None):
        raise Mistake("mail: `user` and `password` belong together; give both, or neither.")
    if mail.password is not None:
        secrets(mail.password)
    if mail.ca_file is not None:
        _context(mail)
    return mail


def as_mail(message: Message, recipient: Recipient, mail: MailServer) -> EmailMessage:
    """The mail, the same bytes every time: its `Message-ID` is the message's id, so that a repeat is recognised.

    Source: RFC 5322; RFC 3834 section 5 for `Auto-Submitted`. Raises Mistake for an address that is none.
    """
    subject, body = render_text(message)
    made = EmailMessage(policy=SMTP)
    made["From"] = _address(mail.sender)
    made["To"] = _address(recipient.mail or "")
    made["Subject"] = subject
    # The time of the message, not of the attempt: a repeat is the same mail.
    made["Date"] = format_datetime(moment(first_moment(message.time, _EPOCH)) or moment(_EPOCH))  # type: ignore[arg-type]
    made["Message-ID"] = f"<{plain_id(message)}@prober.invalid>"
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made.set_content(body, charset="utf-8", cte="quoted-printable")
    return made


async def send_mail(
    message: Message, recipient: Recipient, mail: MailServer | None, *, secrets: Secrets, limits: Limits
) -> Sent | NotSent:
    """Hand the mail to the server. Raises Mistake where recipient or server cannot be used as they are written down."""
    server = check_mail(recipient, mail, secrets)
    attempt = _Attempt(server, as_mail(message, recipient, server), recipient, secrets, limits)
    working = asyncio.ensure_future(asyncio.to_thread(attempt.run))
    done, _ = await asyncio.wait({working}, timeout=limits.deadline_seconds)
    if not done:
        # A thread cannot be ended, but its connection can be cut, and then it ends by itself.
        attempt.cut()
        await asyncio.wait({working}, timeout=_GRACE_SECONDS)
        working.add_done_callback(_forget)
        return attempt.late()
    return working.result()


def _forget(working: "asyncio.Future[Sent | NotSent]") -> None:
    if not working.cancelled():
        working.exception()


def _address(text: str) -> Address:
    return Address(addr_spec=text)


def _context(mail: MailServer) -> ssl.SSLContext:
    try:
        return request_context(mail.ca_file, None)
    except ValueError as error:
        raise Mistake(f"mail.ca_file: {error} Give a PEM file of your authority.") from error


class _Attempt:
    """One conversation with the mail server, in a thread of its own."""

    def __init__(
        self, mail: MailServer, content: EmailMessage, recipient: Recipient, secrets: Secrets, limits: Limits
    ) -> None:
        self._mail = mail
        self._content = content
        self._recipient = recipient
        self._limits = limits
        self._password = secrets(mail.password) if mail.password is not None else None
        # Reading the authorities from the disk takes a while, and a Mistake must not be lost in a thread.
        self._tls = _context(mail) if mail.security != "none" else None
        self._server: smtplib.SMTP | None = None
        self._offered = False
        self._taken = False

    def run(self) -> Sent | NotSent:
        try:
            self._converse()
        except Exception as error:
            return self._failed(error)
        return Sent()

    def cut(self) -> None:
        """End the connection from outside, whatever the thread waits for."""
        sock = self._server.sock if self._server is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                # By the base class: the one of TLS would take away the state that the thread is using.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def late(self) -> Sent | NotSent:
        """What became of an attempt that took too long."""
        if self._taken:
            return Sent()
        within = f"within {self._limits.deadline_seconds:g} seconds"
        if self._offered:
            return NotSent(
                f"The mail server did not say {within} whether it took the mail to {self._recipient.name}; "
                "a repeat has the same Message-ID.",
                again=True,
            )
        return NotSent(f"The mail server did not finish {within}.", again=True)

    def _converse(self) -> None:
        with self._connected() as server:
            here = server.sock.getsockname()[0] if server.sock is not None else "127.0.0.1"
            # RFC 5321, section 4.1.4: an address where there is no name that means anything to others.
            server.local_hostname = f"[IPv6:{here.split('%')[0]}]" if ":" in here else f"[{here}]"
            if self._mail.security == "starttls":
                server.starttls(context=self._tls)
            if self._mail.user is not None and self._password is not None:
                server.login(self._mail.user, self._password)
            self._offered = True
            server.send_message(self._content, self._mail.sender, [self._recipient.mail or ""])
            self._taken = True

    def _connected(self) -> "contextlib.AbstractContextManager[smtplib.SMTP]":
        remember: Callable[[smtplib.SMTP], None] = self._remember
        timeout = self._limits.deadline_seconds
        # With a name given, smtplib asks no DNS for the name of this machine.
        host, port = self._mail.host, self._mail.port
        if self._mail.security == "tls":
            made: smtplib.SMTP = _tls(remember)(host, port, "prober", timeout=timeout, context=self._tls)
        else:
            made = _plain(remember)(host, port, "prober", timeout=timeout)
        return _Closing(made)

    def _remember(self, server: smtplib.SMTP) -> None:
        self._server = server

    def _failed(self, error: Exception) -> Sent | NotSent:
        name = self._recipient.name
        match error:
            case smtplib.SMTPRecipientsRefused():
                code = next((answer[0] for answer in error.recipients.values()), 550)
                return NotSent(f"The mail server refused the recipient {name} ({code}).", again=_passing(code))
            case smtplib.SMTPSenderRefused():
                return NotSent(f"The mail server refused the sender ({error.smtp_code}).", _passing(error.smtp_code))
            case smtplib.SMTPAuthenticationError():
                return NotSent(
                    f"The mail server refused user and password ({error.smtp_code}).", _passing(error.smtp_code)
                )
            case smtplib.SMTPNotSupportedError():
                return NotSent(
                    "The mail server does not offer what the configuration asks for (STARTTLS, or a way to log in); "
                    "nothing was sent.",
                    again=False,
                )
            case smtplib.SMTPServerDisconnected():
                if self._offered:
                    return NotSent(
                        f"The mail server broke off before it said whether it took the mail to {name}.", again=True
                    )
                return NotSent("The mail server broke off.", again=True)
            case smtplib.SMTPResponseException():
                return NotSent(f"The mail server answered {error.smtp_code}.", _passing(error.smtp_code))
            case ssl.SSLCertVerificationError():
                return NotSent("The mail server shows a certificate that cannot be trusted.", again=True)
            case TimeoutError():
                return self.late()
            case smtplib.SMTPException():
                return NotSent("The mail server does not offer what is needed to send a mail.", again=False)
            case OSError():
                return NotSent("The mail server cannot be reached, or broke off.", again=True)
            case _:
                # Its text may hold anything; its kind is enough.
                return NotSent(f"The mail could not be sent ({type(error).__name__}).", again=False)


def _passing(code: int) -> bool:
    """Whether a refusal is a transient one (RFC 5321, section 4.2.1); what is no SMTP code at all may be."""
    return not 500 <= code <= 599


class _Closing(contextlib.AbstractContextManager[smtplib.SMTP]):
    """Says QUIT where the mail was taken; what the server answers then cannot untake it."""

    def __init__(self, server: smtplib.SMTP) -> None:
        self._server = server

    def __enter__(self) -> smtplib.SMTP:
        return self._server

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._server.quit()
        self._server.close()


def _plain(remember: Callable[[smtplib.SMTP], None]) -> type[smtplib.SMTP]:
    """A class of connections that tells of itself before it connects, so that the connection can be cut."""

    class Remembered(smtplib.SMTP):
        def connect(self, *where: object, **more: object) -> tuple[int, bytes]:
            remember(self)
            return super().connect(*where, **more)  # type: ignore[arg-type]

    return Remembered


def _tls(remember: Callable[[smtplib.SMTP], None]) -> type[smtplib.SMTP_SSL]:
    class Remembered(smtplib.SMTP_SSL):
        def connect(self, *where: object, **more: object) -> tuple[int, bytes]:
            remember(self)
            return super().connect(*where, **more)  # type: ignore[arg-type]

    return Remembered
