"""Compares two runs of a target: what came, what went, what is another one, and what nobody can say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prober.diff.collect import host_of
from prober.diff.families import (
    FAMILIES,
    HOSTS,
    NONE,
    Value,
    area_of,
    areas,
    criteria_probes,
    is_export,
    judgement_of,
    parts_of,
    same_value,
)
from prober.diff.wording import words
from prober.nouns.facts import Change, Delta, Fact, Facts, Judgement, Kind, Side
from prober.nouns.model import MaturityModel, Rule

OWN_HOST, OWN_BASE = "[base host]", "[base]"
JUDGED: tuple[Judgement, ...] = ("regression", "improvement", "neutral")
"""In the order in which changes are told."""
_FIRED = frozenset({"suspected", "confirmed", "would_apply"})
_OF_A_TYPE = ("interaction", "search_param", "operation", "profile")
_CALLED = {
    "interaction": ("interaction", "interactions"),
    "search_param": ("search parameter", "search parameters"),
    "operation": ("operation", "operations"),
    "profile": ("profile", "profiles"),
    "brand_endpoint": ("endpoint", "endpoints"),
}
_BY_ENVIRONMENT = ("gate", "label")


@dataclass(frozen=True)
class _Book:
    """What a rule book says of its probes: the criteria that rest on each, and those behind a gate that is private."""

    criteria: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    private_probes: frozenset[str] = frozenset()
    private_gates: Mapping[str, frozenset[str]] | None = None
    """With the probes that each rests on; None where no rule book says which gates are private."""

    @classmethod
    def of(cls, model: MaturityModel | None) -> "_Book":
        """Read once for the many targets of a night, which all have the same rule book."""
        if model is None:
            return cls()
        if not _last_read or _last_read[0][0] is not model:
            _last_read[:] = [(model, cls._read(model))]
        return _last_read[0][1]

    @classmethod
    def _read(cls, model: MaturityModel) -> "_Book":
        criteria: dict[str, dict[str, None]] = {}
        for criterion in model.criteria:
            for asked in (one for level in criterion.levels.values() for one in level):
                rules = (asked.met_by, asked.elsewhere.met_by if asked.elsewhere else None)
                for probe in _probes(rules):
                    criteria.setdefault(probe, {})[criterion.id] = None
        private = [gate for gate in model.gates if gate.private_alert]
        return cls(
            {probe: tuple(found) for probe, found in criteria.items()},
            frozenset(_probes(gate.met_by for gate in private)),
            {gate.id: frozenset(_probes([gate.met_by])) for gate in private},
        )


_last_read: list[tuple[MaturityModel, _Book]] = []


@dataclass
class _Difference:
    """A fact that differs. `with_it` are facts that went or came along and are told in the same sentence."""

    key: str
    before: Fact | None
    after: Fact | None
    with_it: list["_Difference"] = field(default_factory=list)

    @property
    def values(self) -> tuple[Value, Value]:
        return (self.before.value if self.before else None, self.after.value if self.after else None)

    @property
    def kind(self) -> Kind:
        return "added" if self.before is None else "withdrawn" if self.after is None else "altered"


def compare(before: Facts, after: Facts, *, earlier: Sequence[Facts] = (), model: MaturityModel | None = None) -> Delta:
    """What changed from one run to another, in the order of regressions, improvements, and the rest.

    `earlier` are runs before `before`, in any order: a value that one of them had is told as returned. `model` tells
    which criteria rest on a change and which gates are private; without one, every gate that fires is private.
    Only what both runs could look at is compared. Pure.
    """
    was, now = _mapped(before, after), _mapped(after, before)
    seen, not_compared = _common(before, after, was, now)
    differences: dict[str, _Difference] = {}
    for key in sorted(_differing(was, now)):
        area, one, other = area_of(key), was.get(key), now.get(key)
        if area not in seen:
            continue
        if area in ("finding", "page") and (one is None or other is None):
            # Only one of the runs asked or could see this, which says nothing of the server.
            not_compared.append(key)
        elif not _beyond_a_cap(key, one, other, was, now):
            differences[key] = _Difference(key, one, other)
    told = _told(differences)
    book = _Book.of(model) if told else _Book()
    sides = _Sides(before, after, was, now, _latest_first(earlier, before) if told else ())
    changes = [_change(one, sides, book) for one in told]
    return Delta.trusted(
        schema_="prober/diff/1",
        subject=after.subject,
        before=before.run,
        after=after.run,
        changes=tuple(sorted(changes, key=lambda one: (JUDGED.index(one.judgement), one.key))),
        not_compared=tuple(sorted(not_compared)),
    )


def _mapped(facts: Facts, other: Facts) -> dict[str, Fact]:
    """Facts by key. Between two bases, what each says of its own host is not a difference."""
    found = {one.key: one for one in facts.facts}
    if facts.subject == other.subject:
        return found
    host = host_of(facts.subject)
    return {key: _relative(one, facts.subject, host) for key, one in found.items()}


def _relative(fact: Fact, base: str, host: str) -> Fact:
    value = fact.value
    area = area_of(fact.key)
    if area in HOSTS.values() or fact.key == "implementation/host":
        value = OWN_HOST if value == host else value
    elif value == base or value.startswith(f"{base}/"):
        value = OWN_BASE + value[len(base) :]
    elif "://" in value and host:
        value = value.replace(f"://{host}/", f"://{OWN_HOST}/")
        value = value.removesuffix(host) + OWN_HOST if value.endswith(f"://{host}") else value
    return fact if value == fact.value else fact.model_copy(update={"value": value})


def _common(
    before: Facts, after: Facts, was: Mapping[str, Fact], now: Mapping[str, Fact]
) -> tuple[set[str], list[str]]:
    """The areas that can be compared, and those that cannot."""
    seen = set(before.seen) & set(after.seen)
    if before.environment != after.environment:
        seen -= set(_BY_ENVIRONMENT)
    if _books(was) != _books(now):
        seen -= set(areas("score")) - {"rule_book"}
    seen |= {"capped"} if "statement" in seen or "smart" in seen else set()
    return seen, [area for area in FAMILIES if area not in seen and area != "capped"]


def _books(facts: Mapping[str, Fact]) -> set[tuple[str, str]]:
    """The rule books with their major versions: another one of these makes levels another thing."""
    return {(key, one.value.partition(".")[0]) for key, one in facts.items() if key.startswith("rule_book/")}


def _differing(was: Mapping[str, Fact], now: Mapping[str, Fact]) -> Iterable[str]:
    for key in was.keys() | now.keys():
        one, other = was.get(key), now.get(key)
        if one is None or other is None or not same_value(key, one.value, other.value):
            yield key


def _beyond_a_cap(
    key: str, one: Fact | None, other: Fact | None, was: Mapping[str, Fact], now: Mapping[str, Fact]
) -> bool:
    """True where a fact is missing only because its side has more facts of the kind than are kept."""
    side = now if other is None else was if one is None else None
    area = area_of(key)
    if side is None or f"capped/{area}" not in side:
        return False
    return key > max((have for have in side if area_of(have) == area), default="")


def _told(differences: dict[str, _Difference]) -> list[_Difference]:
    """The differences that are told by themselves. What follows from another one is told with it."""
    told = []
    for key, one in differences.items():
        parent = _parent(key, one, differences)
        if parent is not None:
            parent.with_it.append(one)
        elif not _follows(key, one, differences):
            told.append(one)
    return told


def _parent(key: str, one: _Difference, differences: Mapping[str, _Difference]) -> _Difference | None:
    area = area_of(key)
    if area in _OF_A_TYPE and not is_export(key):
        above = differences.get(f"type/{parts_of(key)[0]}")
        return above if above is not None and above.kind == one.kind else None
    family = FAMILIES.get(area)
    if family is not None and family.group in ("smart", "openid", "jwks", "brands") and one.kind != "altered":
        above = differences.get(f"{family.group}/document")
        if above is None and area == "brand_endpoint":
            above = differences.get(f"brand_host/{host_of(parts_of(key)[-1])}")
        return above if above is not one else None
    if key in ("certificate/not_after", "certificate/issuer"):
        return differences.get("certificate/sha256")
    return None


def _follows(key: str, one: _Difference, differences: Mapping[str, _Difference]) -> bool:
    """True for what an address and its host would say twice."""
    area = area_of(key)
    if area in HOSTS.values() or key == "implementation/host":
        return one.kind != "altered"
    host = "implementation/host" if key == "implementation/url" else _host_key(key)
    moved = differences.get(host) if host else None
    before, after = one.values
    if moved is None or moved.kind != "altered" or before is None or after is None:
        return False
    # The host alone is another one: that is what the fact about the host says.
    return _without_host(before) == _without_host(after)


def _host_key(key: str) -> str | None:
    area = area_of(key)
    return f"{HOSTS[area]}/{parts_of(key)[-1]}" if area in HOSTS else None


def _without_host(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return scheme + "://" + rest.partition("/")[2] if mark else url


@dataclass(frozen=True)
class _Sides:
    """Both runs, and those before them from the latest on."""

    before: Facts
    after: Facts
    was: Mapping[str, Fact]
    now: Mapping[str, Fact]
    earlier: Sequence[tuple[Facts, Mapping[str, Fact]]]

    def side(self, one: _Difference, *, later: bool) -> Side:
        facts, found, fact = (self.after, self.now, one.after) if later else (self.before, self.was, one.before)
        proof = fact or _where(one.key, found)
        return Side.trusted(
            run=facts.run,
            started=facts.started,
            value=fact.value if fact else None,
            exchange=proof.exchange if proof else "",
            pointer=fact.pointer if fact else "",
        )

    def returned(self, one: _Difference) -> str | None:
        """The run that last saw the value that is back now."""
        _, value = one.values
        for facts, found in self.earlier:
            if area_of(one.key) in facts.seen:
                fact = found.get(one.key)
                if same_value(one.key, fact.value if fact else None, value):
                    return facts.run
        return None

    def last_told(self, key: str) -> Value:
        """What an earlier run found out where `before` could not tell."""
        for _, found in self.earlier:
            fact = found.get(key)
            if fact is not None and not fact.value.startswith("unknown"):
                return fact.value
        return None


def _where(key: str, facts: Mapping[str, Fact]) -> Fact | None:
    """Where it can be seen that something is not there: the document in which it would stand."""
    family = FAMILIES.get(area_of(key))
    if family is None:
        return None
    group = {"tls": "tls/version"}.get(family.group, f"{family.group}/document")
    return facts.get(group)


def _latest_first(earlier: Sequence[Facts], before: Facts) -> list[tuple[Facts, dict[str, Fact]]]:
    ordered = sorted(earlier, key=lambda one: (one.started, one.run), reverse=True)
    return [(one, _mapped(one, before)) for one in ordered if one.run != before.run]


def _change(one: _Difference, sides: _Sides, book: _Book) -> Change:
    before, after = one.values
    judgement = judgement_of(one.key, before, after)
    if area_of(one.key) == "finding" and before is not None and before.startswith("unknown"):
        # The night before could not tell: what the last one that could tell said is what it is held against.
        judgement = judgement_of(one.key, sides.last_told(one.key), after)
    return Change.trusted(
        key=one.key,
        kind=one.kind,
        judgement=judgement,
        what=words(one.key, before, after) + _along(one),
        criteria=_criteria([one, *one.with_it], book),
        before=sides.side(one, later=False),
        after=sides.side(one, later=True),
        returned=sides.returned(one),
        private=_private(one, sides, book),
    )


def _along(one: _Difference) -> str:
    """What came or went along, counted; the last day of a new certificate."""
    found: dict[str, int] = {}
    for other in one.with_it:
        area = area_of(other.key)
        if other.key == "certificate/not_after" and other.after is not None:
            return f" Its last day is {other.after.value}."
        if one.key.startswith(("type/", "brand_host/")):
            found[area] = found.get(area, 0) + 1
    if one.key.endswith("/document") and one.with_it:
        count = len(one.with_it)
        went = "went" if one.values[1] == NONE else "came"
        return f" With it {went} {count} {'statement' if count == 1 else 'statements'} that it made."
    if not found:
        return ""
    parts = [f"{count} {_CALLED[area][count != 1]}" for area, count in sorted(found.items())]
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f" With it {'went' if one.kind == 'withdrawn' else 'came'} {listed}."


def _criteria(differences: Iterable[_Difference], book: _Book) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for one in differences:
        if area_of(one.key) == "criterion":
            found[parts_of(one.key)[-1]] = None
        for probe in criteria_probes(one.key):
            found.update(dict.fromkeys(book.criteria.get(probe, ())))
    return tuple(sorted(found))


def _private(one: _Difference, sides: _Sides, book: _Book) -> bool:
    """Whether it would tell the public of an open door: a gate of safety that fires or fired, or what it rests on."""
    area, name = area_of(one.key), parts_of(one.key)[-1]
    if area == "gate":
        secret = book.private_gates is None or name in book.private_gates
        return secret and bool(_FIRED.intersection(filter(None, one.values)))
    if area == "finding":
        return name in book.private_probes and "absent" in one.values
    if area == "criterion":
        return name in _telling(book, sides.was, sides.now)
    if area == "label":
        return any(
            fact.value in _FIRED and (book.private_gates is None or parts_of(key)[-1] in book.private_gates)
            for facts in (sides.was, sides.now)
            for key, fact in facts.items()
            if area_of(key) == "gate"
        )
    return False


def private_gates(model: MaturityModel | None) -> Mapping[str, frozenset[str]]:
    """The gates of a rule book that are told privately, each with the probes that it rests on."""
    return _Book.of(model).private_gates or {}


def resting_on(model: MaturityModel | None, probes: Iterable[str]) -> frozenset[str]:
    """The criteria of a rule book that rest on any of these probes."""
    book = _Book.of(model)
    return frozenset(name for probe in probes for name in book.criteria.get(probe, ()))


def private_keys(model: MaturityModel | None) -> frozenset[str]:
    """The keys of all facts that may ever tell of an open door, whatever they say now: the findings that a private gate
    rests on, decided or not, and the criteria that rest on these. Something public that counts them only while they say
    nothing would tell by that when they do."""
    book = _Book.of(model)
    criteria = {name for probe in book.private_probes for name in book.criteria.get(probe, ())}
    findings = {f"{area}/{probe}" for area in ("finding", "undecided") for probe in book.private_probes}
    return frozenset(findings | {f"criterion/{name}" for name in criteria})


def _telling(book: _Book, *facts: Mapping[str, Fact]) -> frozenset[str]:
    said_no = [
        probe
        for probe in book.private_probes
        if any((fact := one.get(f"finding/{probe}")) is not None and fact.value == "absent" for one in facts)
    ]
    return frozenset(name for probe in said_no for name in book.criteria.get(probe, ()))


def _probes(rules: Iterable[Rule | None]) -> Iterable[str]:
    return sorted({probe for rule in rules if rule is not None for probe in rule.probes()})
