"""What the authorization server publishes beside the SMART configuration: its keys and its OpenID configuration."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange
from prober.observations.capability_statement import text
from prober.observations.smart_configuration import SmartConfiguration, smart_configuration
from prober.observations.web_addresses import resolved
from prober.session.observation import observation
from prober.session.session import Session

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1: whoever knows one of these can sign in the server's name."""

SMALLEST_RSA_BITS = 2048
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{1,4096}")
_CURVES: Mapping[str, Callable[[], ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


@dataclass(frozen=True)
class Published:
    """A document that the SMART configuration leads to; `answer` is None if it leads nowhere."""

    smart: SmartConfiguration | None
    answer: Exchange | None


@observation(asks=("GET [jwks_uri]",), requests=1, needs=(smart_configuration,))
async def published_keys(session: Session) -> Published:
    """What `jwks_uri` of the SMART configuration answers, whatever it is."""
    return await published(session, "jwks_uri")


@observation(asks=("GET [issuer]/.well-known/openid-configuration",), requests=1, needs=(smart_configuration,))
async def openid_configuration(session: Session) -> Published:
    """What the issuer's OpenID configuration answers (OpenID Connect Discovery 1.0, section 4.1)."""
    return await published(session, "issuer", suffix="/.well-known/openid-configuration")


async def published(session: Session, member: str, *, suffix: str = "", accept: str = "application/json") -> Published:
    """What the address in that member of the SMART configuration answers; the observation needs smart_configuration.

    Raises Troubled where the configuration could not be seen, where the member is no address, and for no answer.
    """
    smart = (await session.see(smart_configuration)).value
    named = smart.url(member) if smart is not None else ""
    if not named:
        return Published(smart, None)
    url = resolved(session.base, named)
    if url is None:
        session.trouble("no_data", f"The `{member}` of the SMART configuration is not an address that can be asked.")
    if suffix and ("?" in url or "#" in url):
        # OpenID Connect Discovery 1.0, section 3: an issuer has neither. Asked as it stands it could be any address.
        session.trouble(
            "no_data", f"The `{member}` holds a query or a fragment, which no issuer has; it was not asked."
        )
    return Published(smart, await session.public(url.rstrip("/") + suffix if suffix else url, accept=accept))


def key_fault(key: JSON) -> str | None:
    """What keeps a JSON Web Key from being used as a public key, as words after "it"; None if nothing does.

    RFC 7517 section 4, RFC 7518 sections 6.2 and 6.3. A key of a type that is not known here is left alone.
    """
    if not isinstance(key, dict):
        return "is not an object"
    kind = text(key.get("kty"))
    if not kind:
        return "has no kty"
    if kind == "RSA":
        return _rsa_fault(key)
    return _ec_fault(key) if kind == "EC" else None


def _rsa_fault(key: dict[str, JSON]) -> str | None:
    modulus, exponent = _number(key.get("n")), _number(key.get("e"))
    if modulus is None or exponent is None:
        return "has no readable n and e"
    if modulus.bit_length() < SMALLEST_RSA_BITS:
        return f"is shorter than {SMALLEST_RSA_BITS} bits"
    try:
        rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return "is not a possible RSA key"
    return None


def _ec_fault(key: dict[str, JSON]) -> str | None:
    curve = _CURVES.get(text(key.get("crv")))
    if curve is None:
        return None if text(key.get("crv")) else "has no crv"
    x, y = _number(key.get("x")), _number(key.get("y"))
    if x is None or y is None:
        return "has no readable x and y"
    try:
        ec.EllipticCurvePublicNumbers(x, y, curve()).public_key()
    except ValueError:
        return "is no point of its curve"
    return None


def _number(value: JSON) -> int | None:
    """The unsigned integer in base64url without padding; None if it is none."""
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value) or len(value) % 4 == 1:
        return None
    return int.from_bytes(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)), "big")
