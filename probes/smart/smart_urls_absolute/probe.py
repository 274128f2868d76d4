"""Is every address in the SMART configuration absolute and https?"""

from prober.api import JSON, Seen, Verdict, absent, not_applicable, present, probe
from prober.observations import (
    SmartConfiguration,
    is_absolute,
    is_https,
    on_loopback,
    smart_configuration,
)

NAMES = ("issuer", "jwks_uri", "user_access_brand_bundle")


@probe(smart_configuration)
def judge(seen: Seen[SmartConfiguration | None]) -> Verdict:
    smart = seen.value
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    addresses = addresses_in(smart.json)
    if not addresses:
        return not_applicable("The SMART configuration names no addresses.", smart.cite())
    relative = sorted(place for place, url in addresses.items() if not (isinstance(url, str) and is_absolute(url)))
    if relative:
        message = f"{_named(relative)} of the SMART configuration must be absolute URLs and are not."
        return absent(message, *map(smart.cite, relative), values={"relative": _names(relative)})
    plain = sorted(place for place, url in addresses.items() if not (is_https(url) or on_loopback(url)))
    if plain:
        message = f"{_named(plain)} of the SMART configuration do not use https."
        return absent(message, *map(smart.cite, plain), values={"plain_http": _names(plain)})
    return present("Every address in the SMART configuration is absolute and protected.", *map(smart.cite, addresses))


def addresses_in(document: dict[str, JSON]) -> dict[str, JSON]:
    """JSON pointer and value of every member that holds an address."""
    own = {f"/{name}": value for name, value in document.items() if name in NAMES or name.endswith("_endpoint")}
    others = document.get("associated_endpoints")
    nested = {
        f"/associated_endpoints/{at}/url": one.get("url")
        for at, one in enumerate(others if isinstance(others, list) else [])
        if isinstance(one, dict)
    }
    return {**own, **nested}


def _names(places: list[str]) -> list[JSON]:
    return [place.removeprefix("/") for place in places]


def _named(places: list[str]) -> str:
    first = places[0].removeprefix("/")
    return first if len(places) == 1 else f"{first} and {len(places) - 1} more addresses"
