"""The criteria of a rule book, or else the questions of the probes, as controls with objectives."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prober.export.bundle import maturity_model, profile_model
from prober.export.text import clean, said
from prober.nouns.model import CapabilityProfile, Criterion, MaturityModel, Model, Requirement
from prober.nouns.sheet import Sheet
from prober.render.report import Report
from prober.render.words import NORM, decided_by, kind_of

_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class Objective:
    """One requirement: what is asked, and the probes that decide it."""

    id: str
    text: str
    how: str
    level: int
    probes: frozenset[str]


@dataclass(frozen=True)
class Control:
    """One criterion."""

    id: str
    title: str
    statement: str
    guidance: str
    props: tuple[tuple[str, str], ...]
    objectives: tuple[Objective, ...]

    @property
    def probes(self) -> frozenset[str]:
        """Every probe that decides anything of it."""
        return frozenset().union(*(one.probes for one in self.objectives))


@dataclass(frozen=True)
class Group:
    """A block of criteria, or a family of probes."""

    id: str
    title: str
    controls: tuple[Control, ...]


@dataclass(frozen=True)
class RuleBook:
    """What the catalog, the plan and the results share."""

    id: str
    version: str
    title: str
    disclaimer: str
    digest: str
    groups: tuple[Group, ...]

    @property
    def controls(self) -> tuple[Control, ...]:
        """Every control, in the order of the groups."""
        return tuple(one for group in self.groups for one in group.controls)


def token(text: str) -> str:
    """An id that OSCAL takes: letters, digits, dot, hyphen and underscore, and no digit at its beginning."""
    fit = _UNFIT.sub("_", text)
    return fit if fit[:1].isalpha() or fit[:1] == "_" else f"_{fit}"


def objective_id(requirement: str) -> str:
    """`S8.STD.2/L3/jwks` as an OSCAL token."""
    return token(requirement.replace("/", "."))


def rule_book(report: Report, models: Sequence[Model]) -> RuleBook:
    """The rule book of the scorecard; without one the capability profile. ValueError where neither was given."""
    maturity = maturity_model(report, models)
    if maturity is not None:
        return _of_criteria(maturity)
    profile = profile_model(models)
    if profile is None:
        raise ValueError("OSCAL needs a rule book or a capability profile, and neither was given.")
    return _of_probes(profile, report.sheets)


def _of_criteria(model: MaturityModel) -> RuleBook:
    groups = tuple(
        Group(
            token(block.id), clean(block.title), tuple(_control(one) for one in model.criteria if one.block == block.id)
        )
        for block in model.blocks
    )
    return RuleBook(
        model.id, model.version, clean(model.title), said(model.disclaimer), model.fingerprint(), _filled(groups)
    )


def _control(criterion: Criterion) -> Control:
    sources = "; ".join(f"{one.ref} ({NORM[one.status]})" for one in criterion.sources)
    return Control(
        id=token(criterion.id),
        title=clean(criterion.title),
        statement=said(criterion.intent),
        guidance=said(f"It is {kind_of(criterion)}. Applies: {criterion.applies} Rests on: {sources}."),
        props=(
            ("core", _yes(criterion.core)),
            ("extension", _yes(criterion.extension)),
            ("observability", criterion.observability),
            ("precondition", _yes(criterion.precondition)),
            ("weight", str(criterion.weight)),
            ("who-acts", criterion.who_acts),
        ),
        objectives=tuple(
            _objective(one, level) for level in sorted(criterion.levels) for one in criterion.levels[level]
        ),
    )


def _objective(asked: Requirement, level: int) -> Objective:
    rules = [asked.met_by, asked.elsewhere.met_by if asked.elsewhere else None]
    probes = frozenset().union(*(rule.probes() for rule in rules if rule is not None))
    return Objective(
        objective_id(asked.id), said(asked.text), said(f"{decided_by(asked, asked.met_by)}"), level, probes
    )


def _of_probes(profile: CapabilityProfile, sheets: Mapping[str, Sheet]) -> RuleBook:
    groups = tuple(
        Group(token(family.id), clean(family.title), tuple(_question(one, sheets.get(one)) for one in family.probes))
        for family in profile.families
    )
    return RuleBook(
        profile.id, profile.version, clean(profile.title), said(profile.disclaimer), profile.fingerprint(), groups
    )


def _question(probe: str, sheet: Sheet | None) -> Control:
    title = clean(sheet.title) if sheet else clean(probe)
    asked = said(sheet.counts) if sheet else title
    return Control(
        id=token(probe),
        title=title,
        statement=said(sheet.why) if sheet else title,
        guidance=said(sheet.how) if sheet else title,
        props=(),
        objectives=(Objective(token(f"{probe}.shown"), asked, f"{clean(probe)} is shown.", 1, frozenset((probe,))),),
    )


def _filled(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    return tuple(one for one in groups if one.controls)


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"
