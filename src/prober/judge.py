"""From what was seen to findings: every probe judges a replay of the run folder, never a live server."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prober.nouns.evidence import Exchange, Seen, Trouble
from prober.nouns.finding import Citation, Finding, Source, Verdict
from prober.nouns.sheet import Sheet
from prober.session.replay import Replay
from prober.session.session import Exchanger, Facts, Round
from prober.verdict import Either, Probe


class Judged:
    """The findings of one pass, sorted by probe id, and the bugs that were met on the way."""

    def __init__(self, findings: tuple[Finding, ...], bugs: tuple[str, ...]) -> None:
        self.findings = findings
        self.bugs = bugs


async def judge(
    probes: Mapping[str, tuple[Probe, Sheet, str]],
    facts: Facts,
    exchanges: Mapping[str, Exchange],
    delay: Callable[[], int] = lambda: 0,
    server: Exchanger | None = None,
) -> Judged:
    """Judge recorded evidence. `probes` maps an id to the probe, its sheet and the digest of its folder.

    The result depends on nothing but the arguments: not on the schedule (`delay` shuffles it), not on the clock.
    `server` answers instead of the plain replay where a test changes what was recorded.
    """
    round_ = Round(server or Replay(facts, exchanges, delay))
    bugs: list[str] = []
    findings = await asyncio.gather(
        *(
            _finding(round_, id_, one, sheet, digest, facts.base, bugs)
            for id_, (one, sheet, digest) in sorted(probes.items())
        )
    )
    return Judged(tuple(findings), (*round_.bugs, *bugs))


async def _finding(
    round_: Round, id_: str, probe: Probe, sheet: Sheet, digest: str, subject: str, bugs: list[str]
) -> Finding:
    seen = await asyncio.gather(*(round_.see(one) for one in probe.observations))
    verdict = _trouble(probe, seen)
    if verdict is None:
        try:
            verdict = probe.judge(*seen)
        except Exception as error:
            # Only the type is told: the text of an exception may hold what a patient's record held.
            bugs.append(f"{type(error).__name__} in probe {id_}")
            verdict = Verdict(outcome="unknown", reason="bug", message=f"Prober failed with {type(error).__name__}.")
    evidence = sorted({exchange for one in seen for exchange in one.exchanges})

    def finding(verdict: Verdict) -> Finding:
        return Finding(
            source=Source(probe=id_, digest=digest),
            subject=subject,
            verdict=verdict,
            basis=sheet.basis,
            evidence=tuple(evidence),
        )

    found = finding(verdict)
    try:
        found.line().encode()
    except ValueError as error:  # a float, or half of a surrogate pair, that a probe took over from a server's JSON
        bugs.append(f"{type(error).__name__} in the verdict of probe {id_}")
        words = "Prober cannot write down what this probe found."
        found = finding(Verdict(outcome="unknown", reason="bug", message=words))
    return found


def _trouble(probe: Probe, seen: Iterable[Seen[Any] | Trouble]) -> Verdict | None:
    for wanted, one in zip(probe.inputs, seen, strict=True):
        if isinstance(one, Trouble) and not isinstance(wanted, Either):
            cited = tuple(Citation(exchange=exchange) for exchange in one.exchanges[-1:])
            return Verdict(outcome="unknown", reason=one.reason, message=one.message, citations=cited)
    return None
