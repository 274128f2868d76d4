"""The plain names of what goes wrong, told without the bytes that the libraries below quote."""

import re

import httpcore

from prober.session.wire import Limits, NetworkFailure


def failure_of(
    error: BaseException, limits: Limits, *, spoke: bool, head_arrived: bool, tunnelling: bool = False
) -> NetworkFailure | None:
    """The plain name of what went wrong, or None for what is no affair of the network: cancellation and bugs.

    `spoke` says whether the server had sent anything, `head_arrived` whether that was a whole head, and `tunnelling`
    whether it was the proxy that was spoken to.
    """
    failure: NetworkFailure
    match error:
        case NetworkFailure():
            failure = error
        case TimeoutError():
            return NetworkFailure("total_timeout", f"The whole took more than {limits.total_seconds:g} seconds.")
        case httpcore.ProxyError():
            status = re.match(r"[0-9]{3}", str(error))
            return NetworkFailure("proxy", proxy_words(int(status[0]) if status else None))
        case httpcore.RemoteProtocolError():
            failure = _broken_rules(str(error), spoke=spoke, head_arrived=head_arrived)
        case httpcore.LocalProtocolError():
            failure = NetworkFailure("protocol", "The request cannot be written as HTTP.")
        case _:
            return None
    if tunnelling and failure.kind in ("read_timeout", "reset", "protocol", "headers_too_large"):
        return NetworkFailure("proxy", f"The proxy failed to open a tunnel. {failure.message}")
    return failure


def _broken_rules(said: str, *, spoke: bool, head_arrived: bool) -> NetworkFailure:
    """What h11 and httpcore say about a server's HTTP, told without the bytes that they quote."""
    if said.startswith("Server disconnected") and not spoke:
        return NetworkFailure("reset", "The server closed the connection without any answer.")
    if said.startswith("Receive buffer too long") and not head_arrived:
        return NetworkFailure("headers_too_large", "The answer's head is larger than 100 KiB.")
    if said.startswith("peer closed connection"):
        return NetworkFailure("protocol", "The server closed the connection before the whole body had come.")
    return NetworkFailure("protocol", "The server's answer is not valid HTTP/1.1.")


def proxy_words(status: int | None) -> str:
    """What a proxy's answer to CONNECT means; None stands for no answer."""
    if status is None:
        return "The proxy did not answer the request for a tunnel in time or in HTTP."
    if status == 407:
        return "The proxy wants credentials that it was not given."
    return f"The proxy refused a tunnel with status {status}."
