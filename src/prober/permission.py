"""What may be asked of whom: decided before the first request from the target, the authorization and the options."""

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from prober.mistake import Mistake
from prober.nouns.provider import Authorization, Provider
from prober.nouns.run import PERMITS, AuthorizationNote, Environment, Permit

_LOOPBACK_V4 = ipaddress.IPv4Network("127.0.0.0/8")
_LOOPBACK_V6 = ipaddress.IPv6Address("::1")

NAMED_ONLY: frozenset[Permit] = frozenset({"negative_auth", "writes"})
"""Permits that nothing grants by default: they must be named with --permit each time."""


@dataclass(frozen=True)
class Decision:
    """What this run may do, and on whose word."""

    environment: Environment
    synthetic: bool
    loopback: bool
    permits: tuple[Permit, ...]
    note: AuthorizationNote
    hosts: frozenset[str]
    requests_per_second: int | None


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    base: str
    provider: Provider | None
    authorization: Path | None
    authorized_by: str | None
    sandbox: bool
    permits: tuple[str, ...]
    has_token: bool
    discovery_only: bool


def is_loopback(base: str) -> bool:
    """True if the host, as written, is `localhost` or a loopback address. A name that resolves to one is not."""
    host = urlsplit(base).hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Not `is_loopback`: versions of Python disagree about IPv6 forms that carry an IPv4 address.
    return address in _LOOPBACK_V4 if address.version == 4 else address == _LOOPBACK_V6


def checked_base(text: str, *, allow_http: bool) -> str:
    """A FHIR base URL without trailing slash. Raises Mistake for anything that is not plainly one.

    No message repeats a user name, a password or a query: they may be secrets.
    """
    base = text.strip().rstrip("/")
    if not base.isascii() or not base.isprintable() or " " in base:
        raise Mistake("The target holds blanks or characters that a URL must percent-encode; write it in plain ASCII.")
    if "@" in _authority(base):
        raise Mistake(
            "The target holds a user name or password; remove it, and give a token with --bearer-env instead."
        )
    # What follows a colon may be a password whose host was forgotten.
    plain = (
        "@" not in base
        and "%40" not in base
        and re.fullmatch(r"[^:]*(:\d*)?|\[[0-9A-Fa-f:.]*(\](:\d*)?)?", _authority(base))
    )
    shown = re.split(r"[?#]", base)[0] if plain and base[:1] not in ("?", "#", "") else "The target"
    if "://" not in base:
        raise Mistake(f"{shown}: this is not a whole URL; write it with its scheme, as https://fhir.example.org/r4.")
    try:
        parts = urlsplit(base)
    except ValueError as error:
        raise Mistake(f"{shown}: this is not a URL; write it as https://fhir.example.org/r4.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Mistake(f"{shown}: the target is a FHIR base URL, for example https://fhir.example.org/r4.")
    try:
        _ = parts.port
    except ValueError as error:
        raise Mistake("The target: the port is not a number from 1 to 65535; correct it or leave it out.") from error
    if parts.query or parts.fragment or base.endswith(("?", "#")):
        raise Mistake(f"{shown}: a FHIR base URL has no query and no fragment; remove what follows ? or #.")
    if "//" in parts.path:
        raise Mistake("The target holds a second //; write the URL once, as https://fhir.example.org/r4.")
    if base.endswith(("/metadata", "/smart-configuration")):
        raise Mistake(f"{shown}: give the FHIR base itself, without its document's name.")
    if parts.scheme == "http" and not allow_http and not is_loopback(base):
        raise Mistake(f"{shown}: this target is plain http; use https, or say --allow-http if that is meant.")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"


def _authority(url: str) -> str:
    """What stands where the host should, even where the scheme or its slashes are wrong."""
    return re.split(r"[/?#\\]", re.sub(r"^([a-zA-Z][a-zA-Z0-9+.-]*:)?[/\\]+", "", url))[0]


def checked_proxy(text: str) -> str:
    """The URL of an http proxy. Raises Mistake, which never repeats it: it may hold a password."""
    wanted = "--proxy: this is not the URL of an http proxy; write it as http://proxy.example:3128."
    try:
        parts = urlsplit(text)
        good = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise Mistake(wanted) from error
    if not good or not text.isascii() or not text.isprintable() or " " in text or parts.path not in ("", "/"):
        raise Mistake(wanted)
    return text


def decide(wish: Wish, now: datetime) -> Decision:
    """What this run may do. Raises Mistake for a permit that nobody granted; then nothing has been sent."""
    environment, synthetic, loopback = _environment(wish)
    granted, note, hosts, rate = _grant(wish, now, loopback=loopback, synthetic=synthetic)
    wanted = _named(wish.permits)
    for permit in wanted:
        if permit not in granted:
            raise Mistake(_not_granted(permit, note))
    if "writes" in wanted and not (synthetic and wish.provider is not None and wish.provider.writes):
        raise Mistake("--permit writes: writing also needs `writes: true` in the provider file of a declared sandbox.")
    if wish.has_token and "credentials" not in granted:
        raise Mistake(
            "A token was given, but nobody authorized its use; add --authorization FILE with the mode `credentials`, "
            'or for a public test server --authorized-by "NAME, ROLE, WHY".'
        )
    permits = [permit for permit in PERMITS if permit in granted and (permit in wanted or permit not in NAMED_ONLY)]
    if wanted:
        permits = [permit for permit in permits if permit in wanted]
    if wish.discovery_only:
        permits = []
    if not wish.has_token:
        permits = [permit for permit in permits if permit != "credentials"]
    return Decision(environment, synthetic, loopback, tuple(permits), note, hosts, rate)


def _environment(wish: Wish) -> tuple[Environment, bool, bool]:
    loopback = is_loopback(wish.base)
    declared = wish.provider.environment if wish.provider is not None else "undeclared"
    if wish.sandbox and declared == "production":
        raise Mistake("--sandbox: the provider file says that this is production; correct one of the two.")
    environment: Environment = declared
    if environment == "undeclared" and (wish.sandbox or loopback):
        environment = "sandbox"
    return environment, environment in ("sandbox", "reference"), loopback


def _grant(
    wish: Wish, now: datetime, *, loopback: bool, synthetic: bool
) -> tuple[frozenset[Permit], AuthorizationNote, frozenset[str], int | None]:
    own_hosts = {urlsplit(wish.base).hostname or ""}
    allowed = own_hosts | set(wish.provider.allow_hosts if wish.provider else ())
    if wish.authorization is not None and wish.authorized_by is not None:
        raise Mistake("--authorization and --authorized-by are two forms of one statement; give one of them.")
    if wish.authorization is not None:
        return _from_file(wish, wish.authorization, now, allowed)
    if wish.authorized_by is not None:
        parts = [part.strip() for part in wish.authorized_by.split(",", 2)]
        if len(parts) != 3 or not all(parts):
            raise Mistake('--authorized-by: say "NAME, ROLE, WHY", three things with commas between them.')
        modes: frozenset[Permit] = frozenset({"active", "credentials"})
        if synthetic:
            modes |= {"patient_data", "jobs"}
        note = AuthorizationNote(form="short", statement=wish.authorized_by, modes=_ordered(modes), grantor=parts[0])
        return modes, note, frozenset(allowed), None
    if loopback:
        everything: frozenset[Permit] = frozenset(PERMITS)
        statement = "The target is on this machine's loopback address, so nobody else's server is asked."
        return everything, AuthorizationNote(form="loopback", statement=statement), frozenset(allowed), None
    statement = "Nobody authorized more than reading this server's public discovery documents."
    return frozenset(), AuthorizationNote(form="none", statement=statement), frozenset(allowed), None


def _from_file(
    wish: Wish, path: Path, now: datetime, allowed: set[str]
) -> tuple[frozenset[Permit], AuthorizationNote, frozenset[str], int]:
    from prober.handwriting import line_of
    from prober.library import load_authorization

    one: Authorization = load_authorization(path)
    if wish.base not in _covered(one, path):
        named = ", ".join(one.bases)
        raise Mistake(
            f"{path}:{line_of(path, 'bases')}: this statement does not cover {wish.base}, it covers {named}; "
            "ask one of these, or get a statement for this target."
        )
    start, end = _moment(one.not_before, path, "not_before"), _moment(one.not_after, path, "not_after")
    if end <= start:
        line = line_of(path, "not_after")
        raise Mistake(f"{path}:{line}: `not_after` is not later than `not_before`; correct one of them.")
    if now < start:
        line = line_of(path, "not_before")
        raise Mistake(f"{path}:{line}: this statement holds only from {one.not_before}; wait, or get another one.")
    if now > end:
        line = line_of(path, "not_after")
        raise Mistake(f"{path}:{line}: this statement expired at {one.not_after}; get a new one from {one.grantor}.")
    if wish.provider is not None:
        for kind, place, wanted, covered in (
            ("test patient", "test_patients", wish.provider.test_patients, one.test_patients),
            ("Group", "groups", wish.provider.groups, one.groups),
        ):
            if not set(wanted) <= set(covered):
                raise Mistake(
                    f"{path}:{line_of(path, place)}: the provider file names a {kind} that this statement does not "
                    f"cover; add it to `{place}` in both, or remove it from the provider file."
                )
    modes: frozenset[Permit] = frozenset(one.modes)
    note = AuthorizationNote(
        form="file",
        statement=f"{one.grantor}, {one.grantor_role} of {one.legal_entity}, authorized {one.grantee}.",
        modes=_ordered(modes),
        grantor=f"{one.grantor}, {one.grantor_role}, {one.legal_entity}",
        grantee=one.grantee,
        not_before=one.not_before,
        not_after=one.not_after,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    return modes, note, frozenset(allowed | set(one.hosts)), one.requests_per_second


def _covered(one: Authorization, path: Path) -> frozenset[str]:
    from prober.handwriting import line_of

    bases: set[str] = set()
    for number, base in enumerate(one.bases):
        try:
            bases.add(checked_base(base, allow_http=True))
        except Mistake as mistake:
            raise Mistake(f"{path}:{line_of(path, 'bases', number)}: {mistake}") from mistake
    return frozenset(bases)


def _moment(text: str, path: Path, name: str) -> datetime:
    from prober.handwriting import line_of

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Mistake(
            f"{path}:{line_of(path, name)}: `{name}` is not an instant (it is {text!r}); "
            "write it as 2026-12-31T00:00:00Z."
        ) from error
    if moment.tzinfo is None:
        raise Mistake(
            f"{path}:{line_of(path, name)}: `{name}` has no time zone (it is {text!r}); "
            "write it as 2026-12-31T00:00:00Z."
        )
    return moment


def _named(names: Iterable[str]) -> tuple[Permit, ...]:
    by_name: dict[str, Permit] = {permit: permit for permit in PERMITS}
    found: list[Permit] = []
    for name in names:
        if name not in by_name:
            raise Mistake(f"--permit {name}: there is no such permit; name one of {', '.join(PERMITS)}.")
        found.append(by_name[name])
    return tuple(found)


def _not_granted(permit: Permit, note: AuthorizationNote) -> str:
    if note.form == "none":
        return (
            f"--permit {permit}: this target is not on this machine, so more than public discovery needs a statement; "
            'add --authorization FILE, or for a public test server --authorized-by "NAME, ROLE, WHY".'
        )
    if note.form == "short" and permit in ("patient_data", "jobs"):
        return f"--permit {permit}: the short statement covers this only together with --sandbox; use --authorization."
    return f"--permit {permit}: the authorization statement does not grant it; it grants {', '.join(note.modes)}."


def _ordered(modes: Iterable[Permit]) -> tuple[Permit, ...]:
    return tuple(permit for permit in PERMITS if permit in set(modes))
