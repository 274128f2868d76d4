"""Which addresses prober may call: public ones, and those of the hosts that the user named."""

import asyncio
import ipaddress
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import NoReturn

from prober.session.wire import NetworkFailure

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str], Awaitable[tuple[str, ...]]]

# IANA IPv4 Special-Purpose Address Registry and the multicast blocks. Written out because `is_global` of the standard
# library differs between Python versions and calls multicast global.
_CLOSED_V4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
# IANA IPv6: only 2000::/3 is global unicast; mapped, NAT64, unique local, link-local and multicast lie outside it.
_OPEN_V6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    ipaddress.IPv6Network(block)
    for block in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
# Nobody's server: a filter that answers 0.0.0.0 for a name would otherwise lead to this machine itself.
_NEVER = tuple(
    ipaddress.ip_network(block) for block in ("0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/128", "ff00::/8")
)
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def is_public(address: Address) -> bool:
    """Whether the address is globally reachable unicast, by the IANA special-purpose registries.

    IPv6 forms that carry an IPv4 address (mapped, 6to4, NAT64, Teredo) never are.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in block for block in _CLOSED_V4)
    return address.scope_id is None and address in _OPEN_V6 and not any(address in block for block in _CLOSED_V6)


def is_loopback_as_written(host: str) -> bool:
    """Whether the host is `localhost` or a loopback literal: a name that merely leads to loopback is not."""
    literal = _literal(host)
    if literal is None:
        return host.lower() == "localhost"
    return any(literal in block for block in _LOOPBACK if block.version == literal.version)


def normal_name(host: str) -> str:
    """The one spelling under which a host is known here: lower case, ASCII, without brackets or final dot."""
    name = host.strip("[]").rstrip(".").lower()
    if not name.isascii():
        # Only here: observations lean on this module, and whoever judges or lists them sends nothing.
        import httpx

        with suppress(httpx.InvalidURL):
            name = httpx.URL(scheme="http", host=name).raw_host.decode("ascii")
    return name


async def system_lookup(host: str) -> tuple[str, ...]:
    """The addresses that this machine's resolver gives, in its order of preference.

    A thread of its own, not an executor's: a resolver that hangs must never hold up the end of the process.

    Raises OSError or UnicodeError if the name does not resolve.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def settle(addresses: tuple[str, ...], error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def look() -> None:
        addresses: tuple[str, ...] = ()
        error: Exception | None = None
        try:
            rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            addresses = tuple(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as trouble:
            error = trouble
        with suppress(RuntimeError):  # the loop has ended; nobody waits any more
            loop.call_soon_threadsafe(settle, addresses, error)

    threading.Thread(target=look, name="prober-lookup", daemon=True).start()
    return await found


class AddressBook:
    """Resolves each host once, keeps what it found, and refuses addresses that nobody named.

    `resolve` answers for the names it lists instead of DNS (hosts-file style); ValueError if it holds anything but
    numeric addresses. `named_hosts` are the hosts that the user named.
    """

    def __init__(
        self, resolve: Mapping[str, tuple[str, ...]], named_hosts: Iterable[str], lookup: Lookup = system_lookup
    ) -> None:
        self._given = {normal_name(host): tuple(map(_numeric, listed)) for host, listed in resolve.items()}
        self._named = frozenset(map(normal_name, named_hosts))
        self._lookup = lookup
        self._known: dict[str, tuple[Address, ...]] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def is_named(self, host: str) -> bool:
        return normal_name(host) in self._named

    def is_given(self, host: str) -> bool:
        """Whether `resolve` answers for this host."""
        return normal_name(host) in self._given

    def needs_lookup(self, host: str) -> bool:
        """Whether the next call of `permitted` will ask the resolver about this host."""
        name = normal_name(host)
        return _literal(name) is None and name not in self._given and name not in self._known

    async def permitted(self, host: str) -> tuple[str, ...]:
        """The numeric addresses to connect to, all of them permitted.

        Raises NetworkFailure: `dns` if the host does not resolve, `address_refused` if one of its addresses is neither
        public nor an address of a named host.
        """
        name = normal_name(host)
        if _literal(name) is None and _NUMERIC_LABEL.fullmatch(name.rpartition(".")[2]):
            raise NetworkFailure("address_refused", "The host is a number that is not written as an IP address.")
        found = await self._addresses(name)
        if any(address in block for address in found for block in _NEVER if address.version == block.version):
            raise NetworkFailure(
                "address_refused",
                f"The host {name} leads to an address that is no server's (unspecified or multicast).",
            )
        if name in self._named:
            return tuple(map(str, found))
        closed = {address for address in found if not is_public(address)}
        if closed and not closed <= await self._pinned():
            raise NetworkFailure(
                "address_refused",
                f"The host {name} leads to an address that is not public and that nobody named; nothing was sent.",
            )
        return tuple(map(str, found))

    async def _pinned(self) -> frozenset[Address]:
        """Every address of every named host."""
        answers = await asyncio.gather(*map(self._addresses, sorted(self._named)), return_exceptions=True)
        return frozenset(address for found in answers if not isinstance(found, BaseException) for address in found)

    async def _addresses(self, name: str) -> tuple[Address, ...]:
        literal = _literal(name)
        if literal is not None:
            return (literal,)
        if name in self._given:
            return self._given[name] or _nowhere(name)
        async with self._turns[name]:
            if name not in self._known:
                self._known[name] = await self._ask(name)
            return self._known[name]

    async def _ask(self, name: str) -> tuple[Address, ...]:
        try:
            found = tuple(map(_numeric, await self._lookup(name)))
        except (OSError, ValueError):  # UnicodeError, for labels no DNS knows, is a ValueError
            found = ()
        return found or _nowhere(name)


def _nowhere(name: str) -> NoReturn:
    raise NetworkFailure("dns", f"The name {name} does not resolve.")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _numeric(text: str) -> Address:
    address = _literal(text)
    if address is None:
        raise ValueError(f"{text!r} is not a numeric address.")
    return address
