"""What may be asked of whom: decided before the first request from the target, the authorization and the options."""

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from prober.mistake import Mistake
from prober.nouns.provider import Authorization, Provider
from prober.nouns.run import PERMITS, AuthorizationNote, Environment, Permit

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
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_base(text: str, *, allow_http: bool) -> str:
    """A FHIR base URL without trailing slash. Raises Mistake for anything that is not plainly one."""
    base = text.strip().rstrip("/")
    try:
        parts = urlsplit(base)
        _ = parts.port
    except ValueError as error:
        raise Mistake(f"{text}: this is not a URL ({error}).") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Mistake(f"{text}: the target is a FHIR base URL, for example https://fhir.example.org/r4.")
    if parts.username is not None or parts.password is not None:
        raise Mistake("The target holds a user name or password; give a token with --bearer-env instead.")
    if parts.query or parts.fragment:
        raise Mistake(f"{parts.scheme}://{parts.netloc}{parts.path}: a FHIR base URL has no query and no fragment.")
    if any(character.isspace() or ord(character) < 32 for character in base) or not base.isascii():
        raise Mistake("The target holds blanks or characters that a URL must percent-encode.")
    if base.endswith(("/metadata", "/smart-configuration")):
        raise Mistake(f"{base}: give the FHIR base itself, without its document's name.")
    if parts.scheme == "http" and not allow_http and not is_loopback(base):
        raise Mistake(f"{base}: this target is plain http; use https, or say --allow-http if that is meant.")
    return base


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
            "A token was given, but nobody authorized its use; add --authorization FILE or --authorized-by TEXT."
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
        raise Mistake("--sandbox: the provider file says that this is production; one of the two is wrong.")
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
    from prober.library import load_authorization

    one: Authorization = load_authorization(path)
    if wish.base not in {base.rstrip("/") for base in one.bases}:
        raise Mistake(f"{path}: this statement does not cover {wish.base}; it names {', '.join(one.bases)}.")
    start, end = _moment(one.not_before, path, "not_before"), _moment(one.not_after, path, "not_after")
    if not start <= now <= end:
        raise Mistake(f"{path}: this statement holds from {one.not_before} to {one.not_after}, which is not now.")
    if wish.provider is not None:
        for kind, wanted, covered in (
            ("test patient", wish.provider.test_patients, one.test_patients),
            ("Group", wish.provider.groups, one.groups),
        ):
            if not set(wanted) <= set(covered):
                raise Mistake(f"{path}: the provider file names a {kind} that this statement does not cover.")
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


def _moment(text: str, path: Path, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Mistake(f"{path}: `{name}` is not an instant such as 2026-12-31T00:00:00Z (it is {text!r}).") from error
    if moment.tzinfo is None:
        raise Mistake(f"{path}: `{name}` has no time zone; write it as 2026-12-31T00:00:00Z.")
    return moment


def _named(names: Iterable[str]) -> tuple[Permit, ...]:
    by_name: dict[str, Permit] = {permit: permit for permit in PERMITS}
    found: list[Permit] = []
    for name in names:
        if name not in by_name:
            raise Mistake(f"--permit {name}: there is no such permit; the permits are {', '.join(PERMITS)}.")
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
