"""Which addresses may be called: the registries as properties, and the book of names on top of them."""

import asyncio
import ipaddress
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.session.addresses import AddressBook, is_loopback_as_written, is_public, normal_name, system_lookup
from prober.session.wire import NetworkFailure


class Resolver:
    """A resolver with a fixed or changing opinion, which counts how often it is asked."""

    def __init__(self, answers: Mapping[str, list[tuple[str, ...]]]) -> None:
        self.answers = {name: list(each) for name, each in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        await asyncio.sleep(0)
        known = self.answers.get(host)
        if not known:
            raise OSError("no such name")
        return known.pop(0) if len(known) > 1 else known[0]


def book(answers: Mapping[str, list[tuple[str, ...]]], *named: str) -> tuple[AddressBook, Resolver]:
    resolver = Resolver(answers)
    return AddressBook({}, named, resolver), resolver


def kind_of(addresses: AddressBook, host: str) -> str:
    try:
        asyncio.run(addresses.permitted(host))
    except NetworkFailure as failure:
        return failure.kind
    return "permitted"


@given(st.ip_addresses(v=4))
def test_no_public_ipv4_is_special(address: ipaddress.IPv4Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not any((address.is_multicast, address.is_reserved, address.is_loopback, address.is_unspecified))


@given(st.ip_addresses(v=6))
def test_no_public_ipv6_is_special(address: ipaddress.IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not any((address.is_multicast, address.is_reserved, address.is_loopback, address.is_unspecified))
        assert address.ipv4_mapped is None
        assert address.sixtofour is None
        assert address.teredo is None


@given(st.ip_addresses(v=4))
def test_no_ipv6_clothing_makes_an_ipv4_address_public(address: ipaddress.IPv4Address) -> None:
    low = int(address)
    for text in (
        f"::ffff:{address}",
        f"::{address}",
        f"64:ff9b::{address}",
        f"64:ff9b:1::{address}",
        f"2002:{low >> 16:x}:{low & 0xFFFF:x}::1",
        f"2001:0:{low >> 16:x}:{low & 0xFFFF:x}::",
    ):
        assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.170",
        "192.168.1.1",
        "198.19.0.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "64:ff9b::8.8.8.8",
        "::ffff:8.8.8.8",
    ],
)
def test_a_closed_address_needs_a_name(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    assert kind_of(AddressBook({}, []), text) == "address_refused"


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1"])
def test_a_public_address_needs_none(text: str) -> None:
    assert kind_of(AddressBook({}, []), text) == "permitted"


@pytest.mark.parametrize(
    "text", ["2130706433", "127.1", "127.0.1", "0x7f000001", "0x7f.1", "017700000001", "example.0x", "1.2.3.4.5", "08"]
)
def test_a_number_that_is_no_address_is_refused_even_if_named(text: str) -> None:
    resolver = Resolver({text: [("127.0.0.1",)]})
    assert kind_of(AddressBook({}, [text], resolver), text) == "address_refused"
    assert resolver.asked == []


@pytest.mark.parametrize("text", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"])
def test_nobodys_address_is_refused_even_if_named(text: str) -> None:
    assert (
        kind_of(AddressBook({"blocked.example": (text,)}, ["blocked.example"]), "blocked.example") == "address_refused"
    )


def test_one_closed_address_among_public_ones_is_enough_to_refuse() -> None:
    addresses, _ = book({"mixed.example": [("8.8.8.8", "10.0.0.1")]})
    assert kind_of(addresses, "mixed.example") == "address_refused"


def test_a_name_resolves_once_and_stays_there() -> None:
    addresses, resolver = book({"turning.example": [("8.8.8.8",), ("127.0.0.1",)]})

    async def ask() -> list[tuple[str, ...]]:
        return list(await asyncio.gather(*(addresses.permitted("turning.example") for _ in range(8))))

    assert asyncio.run(ask()) == [("8.8.8.8",)] * 8
    assert resolver.asked == ["turning.example"]


def test_a_failed_lookup_is_not_remembered() -> None:
    addresses, resolver = book({})
    assert kind_of(addresses, "late.example") == "dns"
    resolver.answers["late.example"] = [("8.8.8.8",)]
    assert kind_of(addresses, "late.example") == "permitted"


def test_what_a_named_host_resolves_to_is_open_to_other_names() -> None:
    addresses, resolver = book(
        {
            "fhir.hospital.example": [("10.0.0.5",)],
            "files.hospital.example": [("10.0.0.5",)],
            "other.hospital.example": [("10.0.0.6",)],
            "both.hospital.example": [("10.0.0.5", "10.0.0.6")],
        },
        "FHIR.hospital.example.",
        "gone.hospital.example",
    )
    assert kind_of(addresses, "files.hospital.example") == "permitted"
    assert kind_of(addresses, "other.hospital.example") == "address_refused"
    assert kind_of(addresses, "both.hospital.example") == "address_refused"
    assert kind_of(addresses, "10.0.0.5") == "permitted"
    assert kind_of(addresses, "::ffff:10.0.0.5") == "address_refused"
    assert kind_of(addresses, "fhir.hospital.example") == "permitted"
    assert resolver.asked.count("fhir.hospital.example") == 1


def test_the_given_addresses_come_before_dns_and_pass_the_same_rule() -> None:
    resolver = Resolver({})
    given_addresses = {"Named.example": ("127.0.0.1",), "stranger.example": ("127.0.0.2",), "empty.example": ()}
    addresses = AddressBook(given_addresses, ["named.example"], resolver)
    assert kind_of(addresses, "named.EXAMPLE") == "permitted"
    assert kind_of(addresses, "stranger.example") == "address_refused"
    assert kind_of(addresses, "empty.example") == "dns"
    assert resolver.asked == []


def test_given_addresses_must_be_numbers() -> None:
    with pytest.raises(ValueError, match=r"'localhost' is not a numeric address\."):
        AddressBook({"a.example": ("localhost",)}, [])


def test_the_machines_own_resolver() -> None:
    assert {ipaddress.ip_address(each).is_loopback for each in asyncio.run(system_lookup("localhost"))} == {True}


def test_a_name_that_no_dns_can_hold_does_not_resolve() -> None:
    assert kind_of(AddressBook({}, []), f"{'x' * 64}.example") == "dns"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost.example", False),
        ("mapped.example", False),
        ("8.8.8.8", False),
        ("::ffff:127.0.0.1", False),
    ],
)
def test_loopback_is_what_is_written_as_loopback(host: str, loopback: bool) -> None:
    assert is_loopback_as_written(host) is loopback


def test_one_spelling_per_host() -> None:
    assert normal_name("Klinik-Süd.Example.") == "xn--klinik-sd-x9a.example"
    assert normal_name("[::1]") == "::1"
