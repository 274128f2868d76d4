"""What may be added to a run after it ended: documents that people attested, and the nights before it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prober.archive import FINDINGS, RunFolder, copy_for_rejudging, evidence_digest
from prober.mistake import BadFolder
from prober.nouns.attestation import Attestation
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Finding
from prober.nouns.history import HistoryLine, Remembered
from prober.nouns.polls import PollDay
from prober.polls.days import days_of
from prober.polls.looking import poll_of


def supplemented(
    source: RunFolder, target: Path, attestations: tuple[Attestation, ...] | None, earlier: Sequence[RunFolder]
) -> RunFolder:
    """A copy of a run with more to rely on; it names its parent. Without new attestations it keeps those it has.

    Raises BadFolder if the target cannot be made, the run has no findings, or an earlier run is no earlier look at the
    same base.
    """
    findings = _judged(source).findings()
    copy = copy_for_rejudging(source, target, evidence_digest(source))
    copy.write_findings(findings)
    given = source.attestations() if attestations is None else attestations
    if given:
        copy.write_attestations(given)
    lines = {(one.run, one.probe): one for one in source.history()}
    lines.update({(one.run, one.probe): one for folder in earlier for one in remembered(folder, source)})
    days = _with_days(source, remembered_polls(earlier, source))
    if lines or days:
        copy.write_history([*lines.values(), *days])
    return copy


def _with_days(source: RunFolder, new: Iterable[PollDay]) -> list[Remembered]:
    """The days of polls that a run remembers already, and these beside them. Two sets of runs of one day cannot be
    added up, because nobody could tell which of them are in both. Raises BadFolder."""
    held = {(one.subject, one.environment, one.day): one for one in source.poll_days()}
    for one in new:
        known = held.setdefault((one.subject, one.environment, one.day), one)
        if known.root != one.root:
            raise BadFolder(
                f"{source.path}: this run remembers polls of {one.day} already, and they are of other runs than those "
                "that are named now; name all runs of that day, for the run as it was first scored."
            )
    return list(held.values())


def remembered_polls(
    earlier: Iterable[RunFolder], later: RunFolder, exchanges: Mapping[str, Mapping[str, Exchange]] | None = None
) -> tuple[PollDay, ...]:
    """The polls of earlier runs, a line for each of their days; a run that did not begin before `later`, or that looked
    at another base, is none of them. `exchanges` holds those of each run by its id, where they were read already.

    Raises BadFolder for what prober did not write.
    """
    now = later.run()
    polls = []
    for folder in earlier:
        run = folder.run()
        if run.subject == now.subject and run.started < now.started:
            seen = exchanges[run.id] if exchanges is not None else folder.exchanges()
            try:
                poll = poll_of(run, seen, folder.measurements())
            except ValueError as error:
                raise BadFolder(f"{folder.path}: this run holds what prober does not write.") from error
            polls.append((evidence_digest(folder, seen), poll))
    try:
        return days_of(polls)
    except ValueError as error:
        raise BadFolder(f"{later.path}: an earlier run was named twice, with other evidence; name it once.") from error


def remembered(
    earlier: RunFolder, later: RunFolder, findings: tuple[Finding, ...] | None = None
) -> Iterable[HistoryLine]:
    """What an earlier run of the same base saw, a line for each probe; `findings` where they are not in its folder.

    Raises BadFolder if it is no earlier look at that base.
    """
    run, now = earlier.run(), later.run()
    if run.subject != now.subject:
        raise BadFolder(f"{earlier.path}: this run looked at {run.subject}, not at {now.subject}; leave it out.")
    if run.started >= now.started:
        raise BadFolder(f"{earlier.path}: this run did not begin before {later.path}; leave it out.")
    digest = evidence_digest(earlier)
    return [
        HistoryLine(
            run=run.id,
            subject=run.subject,
            environment=run.environment,
            time=run.started,
            digest=digest,
            probe=finding.source.probe,
            outcome=finding.verdict.outcome,
            reason=finding.verdict.reason,
        )
        for finding in (_judged(earlier).findings() if findings is None else findings)
    ]


def _judged(folder: RunFolder) -> RunFolder:
    if not folder.has(FINDINGS):
        raise BadFolder(f"{folder.path / FINDINGS}: this file is missing; make it with `prober judge {folder.path}`.")
    return folder
