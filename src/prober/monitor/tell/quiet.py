"""Libraries that write addresses into the log, and addresses may be secret: what they say there is dropped."""

import logging

_WEB = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
_APPRISE = ("apprise", "urllib3.connectionpool", "urllib3.util.retry")


def _dropped(_: logging.LogRecord) -> bool:
    return False


def quiet_web() -> None:
    """Keep the web client silent, whatever level the log has."""
    _quiet(_WEB)


def quiet_apprise() -> None:
    """The same for Apprise and what it asks with."""
    _quiet(_APPRISE)


def _quiet(names: tuple[str, ...]) -> None:
    # A filter of a logger is not asked for what its children say, so each is named.
    for name in names:
        logging.getLogger(name).addFilter(_dropped)
