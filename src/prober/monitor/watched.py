"""Whether a configuration still looks at what an open incident is about: only a look can close it as over.

An incident that no look of the configuration could see any more is closed as *removed*: not as over, since nobody
knows. The courses of its keys stay as they are, so where its target or plan is put back, the same incident is open
again, under the same id, and goes on with the next look.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from prober.history.store import History
from prober.monitor.consider import AVAILABILITY, CERTIFICATE, OF_LITTLE, UNDECIDED
from prober.monitor.course import SIGHT
from prober.monitor.settings import Settings
from prober.nouns.base import canonical
from prober.nouns.facts import Facts
from prober.nouns.incident import Incident, KeyState
from prober.nouns.monitor import LookPlan

STATEMENT = "capability_statement_served"
_ACTIVE = ("open", "clearing", "flapping")


@dataclass(frozen=True)
class Rewatched:
    """Incidents that nobody looks at any more, now closed, and those that somebody looks at again, now open."""

    closed: tuple[Incident, ...]
    again: tuple[Incident, ...]


def fingerprint(settings: Settings, now: datetime) -> str:
    """What the answer rests on, as hex digits: who looks at what, and the day, as looks show what they cannot see."""
    plans = {
        target.name: {
            name: plan.model_dump(mode="json", include={"every", "depth", "permits", "probes"})
            for name, plan in settings.plans_of(target).items()
        }
        for target in settings.monitor.targets
    }
    return hashlib.sha256(f"{canonical(plans)}\n{now.date()}".encode()).hexdigest()


def rewatched(settings: Settings, history: History, now: str) -> Rewatched:
    """What is to be closed and opened again, as it is now; nothing is written."""
    plans = {one.name: settings.plans_of(one) for one in settings.monitor.targets}
    states: dict[str, dict[str, KeyState]] = {}
    standing: dict[tuple[str, str], tuple[Facts, ...]] = {}

    def is_watched(one: Incident) -> bool | None:
        """None where nothing of it has a course any more."""
        if one.target not in states:
            states[one.target] = history.states(one.target)
        courses = states[one.target]
        active = [key for key in one.keys if key in courses and courses[key].course in _ACTIVE]
        for name, plan in plans.get(one.target, {}).items():
            if (one.target, name) not in standing:
                standing[one.target, name] = history.standing(one.target, name)
            if any(covers(plan, key, standing[one.target, name]) for key in active):
                return True
        return False if active else None

    over = {"closed": now, "closed_because": "removed"}
    return Rewatched(
        tuple(one.model_copy(update=over) for one in history.incidents(open_only=True) if is_watched(one) is False),
        tuple(
            one.model_copy(update={"closed": None, "closed_because": None})
            for one in history.unwatched()
            if is_watched(one)
        ),
    )


def covers(plan: LookPlan, key: str, standing: Sequence[Facts]) -> bool:
    """Whether looks of this plan, whose facts so far are `standing`, can see this key.

    A plan that has not seen the target well so far counts as one that can, as far as its probes allow: an incident is
    rather left open than closed too early.
    """
    area, _, name = key.partition("/")
    if key in (AVAILABILITY, CERTIFICATE):
        return True
    if key == SIGHT:
        return plan.every in ("night", "week") and (plan.probes is None or STATEMENT in plan.probes)
    if plan.probes is not None and (area not in OF_LITTLE or (area == "finding" and name not in plan.probes)):
        return False
    facts = {fact.key: fact.value for one in standing for fact in one.facts}
    if area == "finding":
        # What a permit is missing for is not found out by another look.
        return not facts.get(f"{UNDECIDED}/{name}", "").startswith("needs_")
    seen = _areas(standing)
    if not seen - {"finding", UNDECIDED}:
        return True
    return area in seen and not (area == "gate" and facts.get(key) == "untested")


def _areas(standing: Iterable[Facts]) -> set[str]:
    return {area for one in standing for area in one.seen}
