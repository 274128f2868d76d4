"""What `prober model` does once its words are understood: list, check and compare rule books."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from prober.faults import requirements
from prober.library import (
    all_shipped_models,
    check_model,
    faults_in,
    load_model,
    load_probes,
    remarks_on,
)
from prober.mistake import Mistake
from prober.nouns.model import CapabilityProfile, MaturityModel
from prober.render.disclaimer import DISCLAIMER, claims, disclaimed
from prober.render.visible import visible
from prober.rulebooks.changes import Change, changes, least_step
from prober.rulebooks.corpus import load_corpus, shipped_corpus
from prober.rulebooks.rescore import Rescored, rescore
from prober.rulebooks.versions import Step, at_least, read_register, shipped, step_between, with_new

Say = Callable[[str], None]
WIDTH = 100
HOW: tuple[tuple[Literal["probed", "attested", "gap"], str], ...] = (
    ("probed", "probed"),
    ("attested", "attested"),
    ("gap", "not decided by anything yet"),
)


def list_text() -> str:
    """`prober model list`: the models that ship, each with what it holds and with its own disclaimer."""
    return "\n\n".join(_model_text(load_model(path)) for path in all_shipped_models())


def digests_stage(path: Path, say: Say) -> int:
    """`prober model list --digests FILE`: a line for each new version. Raises Mistake if an old one's rules changed."""
    text = with_new(read_register(path), shipped())
    path.write_text(text, encoding="utf-8")
    say(f"{path} names every version of the models that ship.")
    return 0


def check_stage(path: Path, extra: Iterable[Path], say: Say, complain: Say) -> int:
    """`prober model check`: every fault on a line of its own; the exit code is 2 if there is one."""
    model = load_model(path)
    found = faults_in(model, load_probes(extra), path)
    for sentence in found:
        complain(sentence)
    if found:
        return 2
    for sentence in remarks_on(model, path):
        say(f"Remark: {visible(sentence)}")
    say(_with_disclaimer(f"{path}: {visible(model.id)} {model.version} has no fault: {_holds(model)}"))
    return 0


def _model_text(model: MaturityModel | CapabilityProfile) -> str:
    kind = "levels" if isinstance(model, MaturityModel) else "counts"
    lines = [f"{model.id} {model.version} ({model.kind}: {kind})"]
    for text in (f"{model.title}.", _holds(model), model.disclaimer):
        lines += textwrap.wrap(visible(text.strip()), WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines)


def _holds(model: MaturityModel | CapabilityProfile) -> str:
    if isinstance(model, CapabilityProfile):
        probes = sum(len(family.probes) for family in model.families)
        return f"{_number(len(model.families), 'family', 'families')} with {_number(probes, 'probe')}."
    asked = Counter(one.how for _, _, _, one in requirements(model))
    ways = ", ".join(f"{asked[how]} {words}" for how, words in HOW)
    return (
        f"{_number(len(model.criteria), 'criterion', 'criteria')}; "
        f"{_number(sum(asked.values()), 'requirement')}: {ways}."
    )


def _number(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


@dataclass(frozen=True)
class Comparison:
    """Two versions of a model: what changed in the book, what would change for whom, and what that asks for."""

    old: MaturityModel | CapabilityProfile
    new: MaturityModel | CapabilityProfile
    changes: tuple[Change, ...]
    rescored: tuple[Rescored, ...]

    @property
    def step(self) -> Step:
        """The least step that the new version has to take."""
        moved = any(one.existing for fixture in self.rescored for one in fixture.differences)
        return Step.MAJOR if moved else least_step(self.changes)

    @property
    def enough(self) -> bool:
        """Whether the new version takes at least that step."""
        taken = step_between(self.old.version, self.new.version)
        return taken is not None and taken >= self.step


def compare(a: str, b: str, corpus: Path | None, extra: Iterable[Path]) -> Comparison:
    """Two versions of a model compared over a corpus. Raises Mistake if they are not two versions of one."""
    probes = load_probes(extra)
    models = []
    for name in (a, b):
        path = _path_of(name)
        model = load_model(path)
        check_model(model, probes, path)
        models.append(model)
    old, new = models
    if old.id != new.id:
        raise Mistake(
            f"{b}: this is the model {new.id}, and {a} is {old.id}; name two versions of one model, "
            "with the same `id` in both files."
        )
    fixtures = load_corpus(corpus or shipped_corpus(), probes)
    sheets = {id_: one.sheet for id_, one in probes.items()}
    return Comparison(old, new, changes(old, new), rescore(fixtures, old, new, sheets))


def diff_stage(a: str, b: str, corpus: Path | None, extra: Iterable[Path], say: Say) -> int:
    """`prober model diff`: 0 if the new version takes the step that its changes ask for, 1 if it does not."""
    comparison = compare(a, b, corpus, extra)
    say(diff_text(comparison))
    return 0 if comparison.enough else 1


def diff_text(one: Comparison) -> str:
    """The comparison in three parts: the book, the corpus, the version."""
    blocks = [
        f"{one.old.id} {one.old.version} → {one.new.version}",
        _book_text(one.changes),
        _corpus_text(one.rescored),
        _version_text(one),
    ]
    return _with_disclaimer("\n\n".join(blocks))


def _book_text(found: Sequence[Change]) -> str:
    if not found:
        return "In the book nothing changed."
    lines = [f"In the book {_number(len(found), 'thing')} changed:"]
    for part in dict.fromkeys(change.part for change in found):
        lines.append(f"  {part}")
        lines += [f"    {change.step.name}  {visible(str(change))}" for change in found if change.part == part]
    return "\n".join(lines)


def _corpus_text(found: Sequence[Rescored]) -> str:
    lines = [f"{_number(len(found), 'fixture was', 'fixtures were')} scored with both versions:"]
    for one in found:
        if not one.differences:
            lines.append(f"  {visible(one.name)}: nothing changes.")
            continue
        lines.append(f"  {visible(one.name)}: {_number(len(one.differences), 'result changes', 'results change')}.")
        lines += [f"    {visible(str(difference))}" for difference in one.differences]
    return "\n".join(lines)


def _version_text(one: Comparison) -> str:
    old, new, step = one.old.version, one.new.version, one.step
    moved = [fixture.name for fixture in one.rescored if any(item.existing for item in fixture.differences)]
    why = ", since results of the corpus change" if moved and least_step(one.changes) < Step.MAJOR else ""
    if step is Step.NONE:
        asked = "Nothing changed, so no step is needed"
    else:
        asked = f"These changes ask for a {step.name} step{why}"
    if one.enough:
        return f"{asked}; the version {new} takes it." if step is not Step.NONE else f"{asked}."
    if step_between(old, new) is None:
        return f"{asked}; the version {new} is older than {old}, so name the older book first, or correct the version."
    return f"{asked}; the version {new} is too small a step after {old}, so make it {at_least(old, step)} or higher."


def _path_of(name: str) -> Path:
    """The file of this name, or the shipped model of this id. Raises Mistake."""
    path = Path(name)
    if path.exists():
        return path
    ids = {load_model(one).id: one for one in all_shipped_models()}
    if name in ids:
        return ids[name]
    near = get_close_matches(name, ids, n=1)
    hint = f"did you mean {near[0]}?" if near else "check the path, or see `prober model list`."
    raise Mistake(f"{name}: there is no such file, and no model of this id ships; {hint}")


def _with_disclaimer(text: str) -> str:
    """The text, after the disclaimer where it uses words that must not stand without it."""
    return f"{DISCLAIMER}\n\n{text}" if claims(text) and not disclaimed(text) else text
