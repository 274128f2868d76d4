"""Says which parts of a URL may stay: where it points, what it asks for, but never whom it is about."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, unquote_plus

from prober.redact import documents
from prober.redact.placeholders import Seal
from prober.redact.tables import Tables, tables

ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,19})://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.S)
HOST = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
SCHEMES = frozenset({"http", "https", "ftp", "ftps", "sftp", "ws", "wss", "mllp", "file"})
PREFIXED_DATE = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.S)
SCOPE = re.compile(r"(?:patient|user|system)/([A-Za-z]{1,50}|\*)\.(?:read|write|\*|c?r?u?d?s?)")
UUID = re.compile(r"urn:uuid:[0-9a-fA-F-]{36}")
OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+")
QUERY_SAFE = "/:,|$*._-~"
LONGEST = 65_536
LONGEST_PARAMETER = 200


class Kept:
    """What the user and prober itself wrote and redaction leaves alone: bases, their hosts, and constants."""

    def __init__(self) -> None:
        self.bases: tuple[str, ...] = ()
        self.hosts: frozenset[str] = frozenset()
        self._names: frozenset[str] = frozenset()
        self.constants: set[str] = set()

    def add_base(self, base: str) -> None:
        """Remember a FHIR base; the longest one that fits is the one that counts."""
        base = base.strip().rstrip("/")
        match = ABSOLUTE.fullmatch(base)
        if match is None:
            return
        host = match[2].rpartition("@")[2]
        if HOST.fullmatch(host):
            bases = {*self.bases, base, f"{match[1]}://{host}{match[3]}"}
            self.bases = tuple(sorted(bases, key=lambda known: (-len(known), known)))
            self.add_host(host)

    def add_host(self, host: str) -> None:
        """Remember a host that the user named; what is no host is ignored."""
        written = f"[{host}]" if host.count(":") > 1 and host[0] != "[" else host
        match = HOST.fullmatch(written)
        if match is not None:
            self.hosts |= {written.lower()}
            self._names |= {match[1].lower()}

    def knows(self, host: str) -> bool:
        """Whether the user named this host, at whatever port."""
        match = HOST.fullmatch(host)
        return match is not None and match[1].lower() in self._names

    def base_of(self, url: str) -> str:
        """The base that the URL lies under, or an empty text."""
        for base in self.bases:
            if url.startswith(base) and (len(url) == len(base) or url[len(base)] in "/?#"):
                return base
        return ""

    def path_of(self, path: str) -> str:
        """The path of a base that an absolute path lies under, or an empty text."""
        for base in self.bases:
            match = ABSOLUTE.fullmatch(base)
            prefix = match[3] if match else ""
            if prefix and path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] in "/?#"):
                return prefix
        return ""


class UrlGate:
    """Gates URLs, references and query strings under one run's seal."""

    def __init__(self, seal: Seal, kept: Kept) -> None:
        self._seal = seal
        self._kept = kept

    @property
    def _tables(self) -> Tables:
        return tables()

    def url(self, url: str) -> str:
        """A URL whose path, query and fragment are gated; a host that nobody named becomes one of `.invalid`."""
        if self._seal.made(url) or url in self._kept.constants:
            return url
        if len(url) > LONGEST:
            return self._seal.text(url)
        base = self._kept.base_of(url)
        if base:
            return base + self._rest(url[len(base) :])
        match = ABSOLUTE.fullmatch(url)
        if match is None:
            prefix = self._kept.path_of(url)
            return prefix + self._rest(url[len(prefix) :])
        scheme, authority, rest = match[1], match[2], url[match.end(2) :]
        if scheme.lower() not in SCHEMES:
            return self._seal.text(url)
        return f"{scheme}://{self._authority(authority)}{self._rest(rest)}"

    def _authority(self, authority: str) -> str:
        user, at, host = authority.rpartition("@")
        if not self._kept.knows(host) and not self._sealed_host(host):
            host = f"{self._seal.text(host)}.invalid" if host.strip() else ""
        return f"{self._seal.text(user)}@{host}" if at else host

    def _sealed_host(self, host: str) -> bool:
        name, dot, rest = host.partition(".")
        return rest == "invalid" and bool(dot) and self._seal.made(name)

    def _rest(self, rest: str) -> str:
        before, hash_mark, fragment = rest.partition("#")
        path, mark, query = before.partition("?")
        kind = ""
        segments = []
        for segment in path.split("/"):
            gated = self.segment(segment)
            kind = segment if segment in self._tables.resources else kind
            segments.append(gated)
        text = "/".join(segments)
        if mark:
            text += f"?{self.query(query, kind)}"
        if hash_mark:
            text += f"#{self._fragment(fragment)}"
        return text

    def _fragment(self, fragment: str) -> str:
        return self.query(fragment, "") if "=" in fragment else self.segment(fragment)

    def segment(self, segment: str) -> str:
        """One step of a path: kept if it is on an exact list, otherwise a placeholder that is an id."""
        if segment in ("", ".", "..") or segment in documents.PATH_WORDS or segment in self._tables.resources:
            return segment
        plain = unquote(segment, errors="surrogateescape")
        if plain in self._kept.constants or plain in self._tables.operations:
            return segment
        if plain.startswith("$") and len(plain) > 1:
            return "$" + self._seal.text(plain[1:])
        return self._seal.id(plain)

    def reference(self, value: str) -> str:
        """A FHIR reference: the type stays, whom it names does not."""
        if value.startswith("#"):
            return "#" + self._seal.id(value[1:])
        if ABSOLUTE.fullmatch(value) or value.startswith("urn:"):
            return self.uri(value)
        kind, slash, _ = value.partition("/")
        if slash and kind in self._tables.resources:
            return self._rest(value)
        return self._seal.id(value) if not slash else self._seal.text(value)

    def uri(self, value: str) -> str:
        """Any URI: a published canonical stays, a URL keeps its host only if the user named it."""
        if value in self._tables.canonicals or value in self._kept.constants:
            return value
        canonical, bar, version = value.partition("|")
        if bar and canonical in self._tables.canonicals:
            return f"{canonical}|{version if version in self._tables.versions else self._seal.text(version)}"
        canonical, mark, fragment = value.partition("#")
        if mark and canonical in self._tables.canonicals:
            return f"{canonical}#{self._seal.id(fragment)}"
        if UUID.fullmatch(value):
            return self._seal.uuid(value)
        if OID.fullmatch(value):
            return self._seal.oid(value)
        if ABSOLUTE.fullmatch(value) or self._kept.base_of(value):
            return self.url(value)
        kind, slash, _ = value.partition("/")
        if (
            value.startswith("#")
            or (slash and kind in self._tables.resources)
            or kind.split("?")[0] in self._tables.resources
        ):
            return self.reference(value) if "?" not in value else self._rest(value)
        return self._seal.text(value)

    def query(self, query: str, kind: str, *, nested: bool = False) -> str:
        """A query string or form, name by name, in its order; a filter inside a filter is not looked into."""
        return "&".join(self._pair(pair, kind, nested) for pair in query.split("&"))

    def _pair(self, pair: str, kind: str, nested: bool) -> str:
        raw_name, equals, raw_value = pair.partition("=")
        name = unquote_plus(raw_name, errors="surrogateescape")
        gated_name = self.parameter(name)
        shown = raw_name if gated_name == name else quote(gated_name, safe=QUERY_SAFE, errors="surrogatepass")
        if not equals:
            return shown
        value = unquote_plus(raw_value, errors="surrogateescape")
        gated = self._argument(kind, name, value, nested)
        return f"{shown}={raw_value if gated == value else quote(gated, safe=QUERY_SAFE, errors='surrogatepass')}"

    def _name(self, name: str) -> bool:
        return (
            name in self._tables.search_parameters
            or name in documents.CLOSED_PARAMETERS
            or name in documents.INTEGER_PARAMETERS
            or name in documents.URI_PARAMETERS
            or name in documents.DATE_PARAMETERS
            or name in documents.OTHER_PARAMETERS
            or name in self._tables.operation_parameters
        )

    def parameter(self, name: str) -> str:
        """The name of a parameter with its modifiers and chains; each part stays only if it is on an exact list."""
        if not name or self._name(name) or name in self._kept.constants or len(name) > LONGEST_PARAMETER:
            return name if len(name) <= LONGEST_PARAMETER else self._seal.text(name)
        parts = re.split(r"([:.])", name)
        return "".join(part if part in ("", ":", ".") else self._name_part(part) for part in parts)

    def _name_part(self, part: str) -> str:
        known = self._name(part) or part in documents.MODIFIERS or part in self._tables.resources
        return part if known or part in self._kept.constants else self._seal.text(part)

    def _argument(self, kind: str, full_name: str, value: str, nested: bool) -> str:
        if not value or value in self._kept.constants or self._seal.made(value):
            return value
        name, _, modifier = full_name.partition(":")
        if full_name.startswith("_has:") or "." in name:
            name, modifier = re.split(r"[:.]", full_name)[-1], ""
        if modifier == "missing":
            return value if value in ("true", "false") else self._seal.text(value)
        if name in documents.CLOSED_PARAMETERS:
            return value if value in documents.CLOSED_PARAMETERS[name] else self._seal.text(value)
        if name in documents.INTEGER_PARAMETERS:
            return value if re.fullmatch(r"[0-9]{1,5}", value) else self._seal.text(value)
        if name == "_typeFilter":
            kind, mark, query = value.partition("?")
            if nested or not mark or kind not in self._tables.resources:
                return self._seal.text(value)
            return f"{kind}?{self.query(query, kind, nested=True)}"
        if name == "scope":
            return " ".join(self.scope(scope) for scope in value.split(" "))
        return ",".join(self._item(kind, name, modifier, item) for item in re.split(r"(?<!\\),", value))

    def scope(self, scope: str) -> str:
        """One OAuth scope (SMART App Launch STU2.2, "Scopes for requesting FHIR resources")."""
        match = SCOPE.fullmatch(scope)
        if scope in documents.SCOPE_WORDS or (match and (match[1] == "*" or match[1] in self._tables.resources)):
            return scope
        return self._seal.text(scope)

    def _item(self, kind: str, name: str, modifier: str, item: str) -> str:
        if not item:
            return item
        if name in ("_type", "_elements", "_sort", "_include", "_revinclude"):
            return self._control(name, item)
        if name in documents.URI_PARAMETERS:
            return self.uri(item)
        kinds = self._tables.search_parameters.get(name, ())
        if name in documents.DATE_PARAMETERS or "date" in kinds:
            prefix, date = PREFIXED_DATE.fullmatch(item).groups()  # type: ignore[union-attr]
            return (prefix or "") + self._seal.date(date)
        if "reference" in kinds and modifier != "identifier":
            return self.reference(item)
        if name == "_id":
            return self._seal.id(item)
        if "token" in kinds or modifier == "identifier":
            return self._token(kind, name, item)
        return self.uri(item) if "uri" in kinds else self._seal.text(item)

    def _token(self, kind: str, name: str, item: str) -> str:
        parts = item.split("|")
        index = self._tables.token_codes.get(f"{kind}.{name}")
        if len(parts) == 1:
            member = index is not None and item in self._tables.codes[index]
            return item if member or item in ("true", "false") else self._seal.text(item)
        system = self.uri(parts[0]) if parts[0] else ""
        kept = parts[1] in self._tables.systems.get(parts[0], frozenset())
        return "|".join((system, parts[1] if kept else self._seal.text(parts[1]), *map(self._seal.text, parts[2:])))

    def _control(self, name: str, item: str) -> str:
        if name == "_type":
            known = item in self._tables.resources
        elif name == "_elements":
            known = all(step in self._tables.names or step in self._tables.resources for step in item.split("."))
        elif name == "_sort":
            known = self._name(item.removeprefix("-"))
        else:
            known = all(self._name(step) or step in self._tables.resources or step == "*" for step in item.split(":"))
        return item if known else self._seal.text(item)
