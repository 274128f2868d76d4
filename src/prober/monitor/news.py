"""The words of what is told: one message for an incident that opens or closes, one digest for a night."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Literal

from prober.nouns.facts import Change
from prober.nouns.incident import Incident, Message
from prober.nouns.look import Look
from prober.render.visible import shortened

MOST_LINES, MOST_CARRIED = 20, 200
"""Lines of one target in a message, the rest of which is counted; and changes of an incident that go with it."""
_MOST_NAMED, _LONGEST_NAMED = 4, 60
"""Values that a sentence names, and the characters of one."""
MOST_TOLD, MOST_NOTES, MOST_CHARACTERS = 100, 20, 20_000
"""Lines of changes in a whole digest, lines about the watching itself, and characters of the former: what is longer is
read by nobody, and refused by many a service."""
TOLD_LATER = "told"
"""Stands in the id of a message about an incident of which others were told before."""
_LONGEST_CUT = 300
_TELLING = {"regression": 0, "improvement": 1, "neutral": 2}
Note = tuple[str | None, str]
"""A line of a digest about the watching itself, with the target that it is about; None: about all."""
_LOOKED_AT_NO_MORE = (
    "The configuration looks at this no more, so its incident is closed; whether it is over is not known."
)
_LOOKED_AT_AGAIN = "The configuration looks at this again, so its incident is open again."
_LIVES = {
    "short": "The certificate is near its end",
    "expired": "The certificate has expired",
    "enough": "The certificate lasts long enough",
}


def own_words(key: str, before: str | None, after: str | None) -> str:
    """One sentence about a reading of the monitor's own keys."""
    if key == "availability":
        return "The server does not answer as it should." if after == "down" else "The server answers again."
    if key == "certificate_life":
        return f"{_LIVES.get(after or '', 'The certificate is another one')}."
    if key == "sight":
        if after == "clear":
            return "Prober can look again."
        return f"Prober could see nothing of the server for some nights ({(after or 'no answer').replace('_', ' ')})."
    return f"{key} was {before or 'not there'} and is {after or 'not there'} now."


def alternating_words(noun: str, values: Collection[str | None], days: int, *, hint: bool = True) -> str:
    """What is told of a fact that goes back and forth between these values (None: not there), with a hint why."""
    named = sorted("nothing" if one is None else one for one in values)
    shown = f"{', '.join(named[:-1])} and {named[-1]}"
    if len(named) > _MOST_NAMED or any(len(one) > _LONGEST_NAMED for one in named):
        shown = f"{len(named)} values"
    why = ", as where several servers answer in turn" if hint else ""
    rest = "a day" if days == 1 else f"{days} days"
    return (
        f"{noun[0].upper()}{noun[1:]} goes back and forth between {shown}{why}. It is told again when it is something "
        f"else, or changes after {rest} of rest."
    )


def opened_message(incident: Incident, look: Look, *, waiver_over: bool = False) -> Message:
    """What is told when an incident opens. A waiver that ran out makes it heard, too."""
    lines = [_line(change) for change in incident.changes[:MOST_LINES]]
    rest = len(incident.changes) - MOST_LINES
    lines += [f"{rest} more changes are in the history."] if rest > 0 else []
    again = f", seen again {_minute(incident.opened)}" if incident.opened != incident.began else ""
    lines.append(f"First seen {_minute(incident.began)}{again}.")
    lines += ["The waiver that kept this silent has run out."] if waiver_over else []
    lines.append(_proof(look))
    return Message(
        id=f"{incident.id}.{'waiver' if waiver_over else 'opened'}",
        kind=_kind(incident, "opened"),
        target=incident.target,
        private=incident.private,
        time=look.began,
        title=incident.title,
        lines=tuple(lines),
        incidents=(_in_message(incident),),
    )


def more_message(incident: Incident, changes: Sequence[Change], look: Look) -> Message:
    """What is told when more of an incident is confirmed than was told of it."""
    return Message(
        id=f"{incident.id}.{look.run}",
        kind=_kind(incident, "opened"),
        target=incident.target,
        private=incident.private,
        time=look.began,
        title=f"{incident.target}: more belongs to an incident that is open",
        lines=(*(_line(change) for change in changes[:MOST_LINES]), f"The incident: {incident.title}.", _proof(look)),
        incidents=(_in_message(incident),),
    )


def confirmed_message(incident: Incident, look: Look) -> Message:
    """What is told when a gate that was suspected is confirmed."""
    return Message(
        id=f"{incident.id}.confirmed",
        kind=_kind(incident, "opened"),
        target=incident.target,
        private=incident.private,
        time=look.began,
        title=f"Confirmed: {incident.title}",
        lines=("It was seen again, and caps the label now.", _proof(look)),
        incidents=(_in_message(incident),),
    )


def _kind(incident: Incident, plain: Literal["opened", "closed"]) -> Literal["opened", "closed", "gate"]:
    """Gates are told at once, also in quiet hours."""
    return "gate" if incident.kind == "gate" or incident.private else plain


def closed_message(incident: Incident, look: Look) -> Message:
    """What is told when an incident closes."""
    accepted = incident.closed_because == "accepted"
    if accepted:
        line = "It has lasted so long that it counts as how things are now; it is told no more."
    else:
        line = f"It was first seen {_minute(incident.began)} and is over since {_minute(incident.closed or '')}."
    return Message(
        id=f"{incident.id}.closed",
        kind=_kind(incident, "closed"),
        target=incident.target,
        private=incident.private,
        time=look.began,
        title=f"{'Accepted' if accepted else 'Over'}: {incident.title}",
        lines=(line, _proof(look)),
        incidents=(_in_message(incident),),
    )


def still_open_message(incident: Incident, names: Sequence[str], now: str) -> Message:
    """What is told of a gate that is open already to recipients of these names, who may be told of it from now on."""
    seen = f"It was first seen {_minute(incident.began)} and is open since {_minute(incident.opened)}."
    return Message(
        id=f"{incident.id}.{TOLD_LATER}.{'+'.join(names)}",
        kind="gate",
        target=incident.target,
        private=incident.private,
        time=now,
        title=f"Still open: {incident.title}",
        lines=(seen, "You are told of it now because the configuration did not name you for it before."),
        incidents=(_in_message(incident),),
    )


def unwatched_message(incident: Incident, now: str, *, again: bool) -> Message:
    """What is told at once of a private incident that nobody looks at any more, or that somebody looks at again."""
    return Message(
        id=f"{incident.id}.{'again' if again else 'removed'}.{now}",
        kind="gate",
        target=incident.target,
        private=True,
        time=now,
        title=f"{'Looked at again' if again else 'Looked at no more'}: {incident.title}",
        lines=(_LOOKED_AT_AGAIN if again else _LOOKED_AT_NO_MORE,),
        incidents=(_in_message(incident),),
    )


def unwatched_note(incident: Incident, *, again: bool) -> str:
    """The same of a public incident, as one line of a digest."""
    return f"{incident.title}. {_LOOKED_AT_AGAIN if again else _LOOKED_AT_NO_MORE}"


def limited(notes: Sequence[Note]) -> list[Note]:
    """The notes without those of one target that are too many; how many that are is told."""
    kept: list[Note] = []
    counts = Counter(target for target, _ in notes)
    seen: Counter[str | None] = Counter()
    for target, words in notes:
        seen[target] += 1
        if seen[target] <= MOST_LINES:
            kept.append((target, words))
        elif seen[target] == counts[target]:
            kept.append((target, f"{target}: {counts[target] - MOST_LINES} more of these are in the history."))
    return kept


def digest(
    night: str,
    last: int,
    time: str,
    changes: Mapping[str, Sequence[Change]],
    open_count: int,
    scope: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Message | None:
    """What changed in a night without being an incident; None where there is nothing to tell.

    `last` is the number of the last look that is in it, `scope` the targets that it is limited to (none: all). `notes`
    are about the watching itself, and come first. Where there is too much of it, the most telling is in it, and how
    much is left out.
    """
    public = {
        target: listed for target in sorted(changes) if (listed := [one for one in changes[target] if not one.private])
    }
    lines = [*_first(notes), *_in_full(public)]
    if not lines:
        return None
    if len(lines) > MOST_TOLD or sum(map(len, lines)) > MOST_CHARACTERS:
        lines = [*_first(notes), *_most_telling(public, night)]
    count = len(public)
    targets = "one target" if count == 1 else f"{count:,} targets"
    still = {0: "No incident is open.", 1: "One incident is open."}.get(open_count, f"{open_count} incidents are open.")
    return Message(
        id=f"digest.{night}.{last}" + (f".{'+'.join(scope)}" if scope else ""),
        kind="digest",
        time=time,
        title=f"Changes of {night} at {targets}" if count else f"A word about the monitoring, {night}",
        lines=(*lines, still),
    )


def _first(notes: Sequence[str]) -> list[str]:
    left = len(notes) - MOST_NOTES
    if left <= 1:
        return list(notes)
    told = f"{left:,} more sentences about the watching are left out; `prober history` says how each target stands."
    return [*notes[:MOST_NOTES], told]


def _in_full(changes: Mapping[str, Sequence[Change]]) -> list[str]:
    """The first changes of every target, with how many more it has."""
    lines = []
    for target, listed in changes.items():
        lines += [f"{target}: {_line(one)}" for one in listed[:MOST_LINES]]
        rest = len(listed) - MOST_LINES
        lines += [f"{target}: {rest} more changes are in the history."] if rest > 0 else []
    return lines


def _most_telling(changes: Mapping[str, Sequence[Change]], night: str) -> list[str]:
    """As many changes as a digest may have: what got worse first, and of equal ones some of every target."""
    ranked = sorted(
        (_TELLING[one.judgement], place, target)
        for target, listed in changes.items()
        for place, one in enumerate(listed)
    )
    chosen: dict[tuple[str, int], str] = {}
    room = MOST_CHARACTERS
    for _, place, target in ranked[:MOST_TOLD]:
        line = shortened(f"{target}: {_line(changes[target][place])}", _LONGEST_CUT)
        room -= len(line)
        if room < 0:
            break
        chosen[target, place] = line
    left = Counter(target for _, place, target in ranked if (target, place) not in chosen)
    count = left.total()
    if count:
        more = "One more change" if count == 1 else f"{count:,} more changes"
        where = "one target" if len(left) == 1 else f"{len(left):,} targets"
        tail = [
            f"{more} at {where} {'is' if count == 1 else 'are'} left out here and kept in the history: `prober history "
            f"--night {night}` shows those of a night, `prober history NAME` those of a target."
        ]
    else:
        tail = []
    return [*(chosen[one] for one in sorted(chosen)), *tail]


def clock_notes(ahead: Mapping[str, timedelta], targets: int) -> list[Note]:
    """What is told of servers whose clock is so far ahead of the monitor's (below zero: behind), of so many targets.

    Each sentence with the target that it is about; None where it is about the monitor. Most servers rarely err
    together, so where most differ by the same, it is the monitor that is wrong.
    """
    if len(ahead) > 1 and 2 * len(ahead) > targets and max(ahead.values()) - min(ahead.values()) <= timedelta(days=1):
        one = min(ahead.values(), key=abs)
        words = (
            f"The clocks of {len(ahead)} servers agree with each other and are {_days(one)} the clock of this "
            "monitor, so it is probably the monitor's that is wrong: set it right. Nothing is said of certificates "
            "until then."
        )
        return [(None, words)]
    if len(ahead) == 1 and targets > 1:
        wrong = "This was seen at no other target, so it is probably the server's that is wrong."
    else:
        wrong = "One of the two is wrong."
    return [
        (
            target,
            f"{target}: the clock of the server is {_days(one)} the clock of this monitor. {wrong} Nothing is said of "
            "its certificate until they agree.",
        )
        for target, one in sorted(ahead.items())
    ]


def _days(ahead: timedelta) -> str:
    days = abs(ahead) // timedelta(days=1)
    return f"{days} {'day' if days == 1 else 'days'} {'ahead of' if ahead > timedelta() else 'behind'}"


def absence(began: str, ended: str, count: int, time: str) -> Message:
    """That the monitor itself did not run for a while: no server is to blame for what is missing."""
    looks = "One look is" if count == 1 else f"{count} looks are"
    return Message(
        id=f"absence.{began}",
        kind="monitor",
        time=time,
        title="The monitor itself did not run for a while",
        lines=(
            f"Between {_minute(began)} and {_minute(ended)} prober did not look. {looks} missing, and they count "
            "neither for nor against anybody.",
        ),
    )


def clock_put_back(ahead: str, now: str) -> Message:
    """That the clock of the machine stands before what the history has seen already."""
    return Message(
        id=f"clock.{ahead}",
        kind="monitor",
        time=now,
        title="The clock of the monitor was put back",
        lines=(
            f"It is {_minute(now)} by the clock of this machine, and the history holds a round of {_minute(ahead)}: "
            "the clock was wrong then, or it is wrong now. Check it.",
            "What was looked at already is not looked at again, and what waits to be told is told.",
        ),
    )


def _in_message(incident: Incident) -> Incident:
    """The incident as a message carries it: of thousands of changes the first; its title says how many there are."""
    if len(incident.changes) <= MOST_CARRIED:
        return incident
    first = incident.changes[:MOST_CARRIED]
    return incident.model_copy(update={"changes": first, "keys": tuple(sorted(one.key for one in first))})


def _line(change: Change) -> str:
    criteria = f" ({', '.join(change.criteria[:4])})" if change.criteria else ""
    back = " It was so before." if change.returned is not None else ""
    return f"{change.what}{criteria}{back}"


def _proof(look: Look) -> str:
    return f"The evidence is the run {look.run}" + (f" in {look.folder}." if look.folder else ".")


def _minute(instant: str) -> str:
    return f"{instant[:10]} {instant[11:16]} UTC"
