"""A TLS handshake for its own sake: what came of it, and whose doing that was."""

import ssl

import anyio
from anyio.abc import ByteStream

from prober.session.addresses import normal_name
from prober.session.dial import Attempt, Tap, secure
from prober.session.tls import facts_of, is_alert, reason_of
from prober.session.wire import Handshake, Limits


async def shake_hands(
    stream: ByteStream, context: ssl.SSLContext, host: str, limits: Limits, attempt: Attempt
) -> Handshake:
    """Tries TLS over this connection and hangs up; the connection is closed in any case."""
    tap = Tap(stream)
    try:
        secured = await secure(tap, context, normal_name(host), limits.connect_seconds, attempt)
    except TimeoutError:
        return Handshake("timed_out", f"The TLS handshake with {host} did not end in time.")
    except ssl.SSLCertVerificationError as error:
        return Handshake(
            "certificate_invalid",
            f"The certificate of {host} is not accepted: {error.verify_message.rstrip('.')}.",
            verify_code=error.verify_code,
            verify_message=error.verify_message,
        )
    except ssl.SSLError as error:
        if tap.spoke and is_alert(error, tap.first_byte):
            return Handshake("refused_by_server", f"The host {host} refused with an alert ({reason_of(error)}).")
        return Handshake("local_error", f"This machine's TLS library ended the handshake ({reason_of(error)}).")
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        if tap.spoke:
            return Handshake("refused_by_server", f"The host {host} hung up on the TLS hello.")
        return Handshake("unreachable", f"The host {host} hung up before it had heard anything.")
    except ValueError:
        return Handshake("local_error", "The host's name cannot be used in a TLS handshake.")
    facts = facts_of(secured)
    await secured.aclose()
    return Handshake("accepted", f"The host {host} accepted {facts.version}.", tls=facts)
