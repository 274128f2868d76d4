"""What may be added to a run after it ended: documents that people attested, and the nights before it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from prober.archive import FINDINGS, RunFolder, copy_for_rejudging, evidence_digest
from prober.mistake import BadFolder
from prober.nouns.attestation import Attestation
from prober.nouns.finding import Finding
from prober.nouns.history import HistoryLine


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
    if lines:
        copy.write_history(tuple(lines.values()))
    return copy


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
