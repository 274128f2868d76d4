"""What one run has to say to the rules of a book: its findings with their age, and the documents that count there."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cached_property

from prober.documents.fitting import kind_fits
from prober.documents.freshness import ROW, SEEN, Age, age_of, age_of_document, day_of
from prober.documents.shapes import values_of
from prober.nouns.attestation import Attestation, DocumentClass
from prober.nouns.finding import Cell, Finding, Outcome, Reason
from prober.nouns.history import HistoryLine
from prober.nouns.model import Attested, Criterion, FreshnessRow, MaturityModel
from prober.nouns.polls import PollDay
from prober.score.scope import ScoredRun, outcome_of


@dataclass(frozen=True)
class Offer:
    """A document that counts for one requirement: its class there, its age, and whether it is about a product only."""

    attestation: Attestation
    class_: DocumentClass
    age: Age
    values: Mapping[str, Fraction]
    product: bool = False


@dataclass(frozen=True)
class SetAside:
    """A document that does not count for a requirement, and why."""

    attestation: Attestation
    state: str
    why: str
    age: Age | None = None


class Book:
    """A rule book read once for many scores: its requirements by id, with their criterion and level."""

    def __init__(self, model: MaturityModel) -> None:
        self.model = model
        self.criterion_of: dict[str, Criterion] = {
            asked.id: criterion
            for criterion in model.criteria
            for level in criterion.levels.values()
            for asked in level
        }
        self.gates = frozenset(gate.id for gate in model.gates)
        rules = [asked.met_by for one in model.criteria for level in one.levels.values() for asked in level]
        self.turning = Counter(probe for rule in rules if rule is not None for probe in rule.probes())
        """How many requirements turn on each probe."""
        self.probes_of_gates = {gate.id: gate.met_by.probes() if gate.met_by else frozenset() for gate in model.gates}
        self.documents: dict[str, tuple[Attested, ...]] = {
            asked.id: tuple(
                one
                for rule in (asked.met_by, asked.elsewhere.met_by if asked.elsewhere else None)
                if rule is not None
                for one in rule.documents()
            )
            for criterion in model.criteria
            for level in criterion.levels.values()
            for asked in level
        }

    def row(self, name: str) -> FreshnessRow | None:
        """A row of the freshness table; None where the book has none of that name."""
        return self.model.freshness.get(name)

    def fits(self, one: Attestation, requirement: str) -> bool:
        """Whether a document of this kind is what the requirement's criterion can rest on."""
        criterion = self.criterion_of.get(requirement)
        if criterion is None:
            return True
        return kind_fits(one.kind, one.class_, criterion, self.documents[requirement])


class Look:
    """One run on one day, as the rules look at it."""

    def __init__(self, run: ScoredRun, book: Book, today: date) -> None:
        self.run = run
        self.book = book
        self.today = today
        self.subject = run.run.subject
        self._ages: dict[str, Age | None] = {}
        self._ages_of_days: dict[str, Age] = {}
        self.tokens: dict[str, tuple[int, int]] = {}

    def finding(self, probe: str) -> Finding | None:
        return self.run.by_probe.get(probe)

    def outcome(self, probe: str) -> tuple[Outcome, Reason | None]:
        """The outcome of a probe with its reason; what was seen too long ago is unknown, because it expired."""
        outcome, reason = outcome_of(self.run.by_probe.get(probe))
        age = self.age(probe)
        return ("unknown", "expired") if age is not None and age.state == "expired" else (outcome, reason)

    def age(self, probe: str) -> Age | None:
        """The age of a finding; None where there is none, or the book has no row for what prober sees."""
        if self._everywhere is not None:
            return self._everywhere
        if probe not in self._ages:
            finding, row = self.run.by_probe.get(probe), self.book.row(SEEN)
            self._ages[probe] = None if finding is None or row is None else self._aged(finding, row)
        return self._ages[probe]

    @cached_property
    def _everywhere(self) -> Age | None:
        """The age of all that was seen, where the run fell on one day and the book has a row for it."""
        row, day = self.book.row(SEEN), self.run.one_day
        return age_of(date.fromisoformat(day), row, self.today) if row is not None and day is not None else None

    def cells(self, probe: str, member: str) -> tuple[Cell, ...]:
        return self.run.cells(probe, member)

    @cached_property
    def offers(self) -> Mapping[str, tuple[Offer, ...]]:
        """The documents that count, by requirement, in the order of their ids."""
        return self._sorted[0]

    @cached_property
    def set_aside(self) -> Mapping[str, tuple[SetAside, ...]]:
        """The documents that do not count, by requirement, with the reason."""
        return self._sorted[1]

    @cached_property
    def nights(self) -> Mapping[str, Sequence[HistoryLine]]:
        """What earlier runs of this base in this environment saw, by probe, in the order of time."""
        found: dict[str, list[HistoryLine]] = {}
        row = self.book.row(SEEN)
        for line in sorted(self.run.history, key=lambda one: (one.time, one.run, one.probe)):
            here = line.subject == self.subject and line.environment == self.run.run.environment
            day = date.fromisoformat(line.time[:10])
            # What prober saw on an earlier night grows old as what it saw in this one does.
            counts = day <= self.today and (row is None or age_of(day, row, self.today).state != "expired")
            if here and counts and line.run != self.run.run.id:
                found.setdefault(line.probe, []).append(line)
        return found

    @cached_property
    def polls(self) -> tuple[PollDay, ...]:
        """The polls of earlier runs of this base in this environment, up to the day of the score."""
        environment, until = self.run.run.environment, self.today.isoformat()
        return tuple(
            one
            for one in self.run.polls
            if one.subject == self.subject and one.environment == environment and one.day <= until
        )

    def _aged(self, finding: Finding, row: FreshnessRow) -> Age | None:
        day = self.run.seen_on(finding)[:10]
        if day not in self._ages_of_days:
            self._ages_of_days[day] = age_of(date.fromisoformat(day), row, self.today)
        return self._ages_of_days[day]

    @cached_property
    def _sorted(self) -> tuple[dict[str, tuple[Offer, ...]], dict[str, tuple[SetAside, ...]]]:
        offers: dict[str, list[Offer]] = {}
        aside: dict[str, list[SetAside]] = {}
        for one in sorted(self.run.attestations, key=lambda one: one.id):
            why = self._rejected(one)
            age = age_of_document(one, self.book.row(ROW[one.kind]), self.today)
            values: dict[str, Fraction] | None = None
            for requirement in one.requirements:
                if why is None and not self.book.fits(one, requirement):
                    reason = f"A document of the kind {one.kind} is not what {requirement.split('/')[0]} can rest on."
                    aside.setdefault(requirement, []).append(SetAside(one, "rejected", reason))
                elif why is not None:
                    aside.setdefault(requirement, []).append(SetAside(one, "rejected", why))
                elif age.state == "expired":
                    reason = f"It counted until {age.last_day.isoformat()}."
                    aside.setdefault(requirement, []).append(SetAside(one, "expired", reason, age))
                else:
                    values = values if values is not None else values_of(one, self.today)
                    product = one.kind == "listing"
                    offers.setdefault(requirement, []).append(Offer(one, one.class_, age, values, product))
        for requirement, given in offers.items():
            newest, older = _newest(given)
            aside.setdefault(requirement, []).extend(
                SetAside(one.attestation, "superseded", "A newer document of its kind takes its place.", one.age)
                for one in older
            )
            offers[requirement] = _with_products(newest)
        return {key: tuple(held) for key, held in offers.items()}, {key: tuple(held) for key, held in aside.items()}

    def _rejected(self, one: Attestation) -> str | None:
        entity, base = self.run.facts.organisation, self.subject
        if entity is None:
            return "The run names no legal entity, so no document can be about it."
        if one.entity != entity:
            return f"It is about another legal entity ({one.entity}) than the provider file names ({entity})."
        if one.bases and base.rstrip("/") not in [named.rstrip("/") for named in one.bases]:
            return f"It is about another FHIR base than {base}."
        if day_of(one) > self.today or date.fromisoformat(one.issued) > self.today:
            return "It is dated after the day of the score."
        return None


def _newest(given: Sequence[Offer]) -> tuple[list[Offer], list[Offer]]:
    """The newest offer of each kind, and the others. Of the same day the smaller hash comes first."""
    kept: dict[str, list[Offer]] = {}
    older: list[Offer] = []
    for one in sorted(given, key=_age_then_hash):
        held = kept.setdefault(one.attestation.kind, [])
        # Of one day both are looked at: they may contradict each other, and that is to be seen. So are a newer one and
        # an older of a better class: nobody's bare word takes the place of a third party's.
        day = day_of(one.attestation)
        if any(day_of(other.attestation) > day and other.class_ >= one.class_ for other in held):
            older.append(one)
        else:
            held.append(one)
    return [one for held in kept.values() for one in held], older


def _age_then_hash(one: Offer) -> tuple[int, str, str]:
    document = one.attestation.document
    return (-day_of(one.attestation).toordinal(), document.sha256 if document else "", one.attestation.id)


def _with_products(given: Iterable[Offer]) -> list[Offer]:
    """A product listing is E1 by itself; with an operational record of this provider beside it, the two are E3."""
    offers = list(given)
    operational = [one for one in offers if one.class_ == "E2" and not one.product]
    if not operational:
        return [Offer(one.attestation, _least(one), one.age, one.values, one.product) for one in offers]
    joint: list[Offer] = []
    for one in offers:
        if one.product and one.class_ == "E1" and one.attestation.shape is not None:
            joint.append(Offer(one.attestation, "E3", one.age, operational[0].values, product=True))
        else:
            joint.append(one)
    return joint


def _least(one: Offer) -> DocumentClass:
    return min(one.class_, "E1") if one.product else one.class_
