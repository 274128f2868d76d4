"""Do the operations that the server declares work, as far as they can be tried safely?"""

from prober.api import (
    Cell,
    Citation,
    Exchange,
    Seen,
    Trouble,
    Verdict,
    absent,
    either,
    not_applicable,
    present,
    probe,
    unknown,
)
from prober.observations import (
    BulkJob,
    CapabilityStatement,
    bulk_job,
    capability_statement,
    closed,
    declared_exports,
    not_there,
    refuted,
    versions_answer,
)

VERSIONS = "http://hl7.org/fhir/OperationDefinition/CapabilityStatement-versions"


@probe(capability_statement, either(versions_answer), either(bulk_job))
def judge(
    statement: Seen[CapabilityStatement], versions: Seen[Exchange] | Trouble, job: Seen[BulkJob | None] | Trouble
) -> Verdict:
    named = any(name.removeprefix("$") == "versions" or at == VERSIONS for name, at in statement.value.operations)
    cells = [versions_cell(named, versions)]
    cells += [export_cell(one.level, job) for one in declared_exports(statement.value)]
    cells = sorted(
        (one for one in cells if one.declared or one.result == "undeclared_works"), key=lambda one: one.claim
    )
    values = {"cells": [one.model_dump(mode="json") for one in cells]}
    claims = [one for one in cells if one.declared]
    wrong = [one for one in claims if one.result == "refuted"]
    shown = [one for one in claims if one.result == "shown"]
    cited = [Citation(exchange=one.exchange) for one in wrong or shown or claims if one.exchange is not None]
    if not claims:
        return not_applicable("The server declares no operation that can be tried safely.", values=values)
    if wrong:
        return absent(f"A declared operation is not there: {wrong[0].claim}.", *cited, values=values)
    if shown:
        return present("Each declared operation that could be tried works.", *cited, values=values)
    message = "None of the declared operations could be tried."
    return unknown(claims[0].reason or "no_data", message, *cited, values=values)


def versions_cell(declared: bool, seen: Seen[Exchange] | Trouble) -> Cell:
    """What became of $versions, declared or not."""
    claim = "$versions"
    if isinstance(seen, Trouble):
        return Cell(claim=claim, declared=declared, result="untested", reason=seen.reason)
    answer = seen.value
    if closed(answer):
        return Cell(claim=claim, declared=declared, result="untested", exchange=answer.id, reason="protected")
    if not_there(answer):
        return Cell(claim=claim, declared=declared, result="refuted", exchange=answer.id)
    document = answer.document if answer.status == 200 and isinstance(answer.document, dict) else {}
    if document.get("resourceType") != "Parameters" and "versions" not in document:
        return Cell(claim=claim, declared=declared, result="untested", exchange=answer.id, reason="no_data")
    return Cell(claim=claim, declared=declared, result="shown" if declared else "undeclared_works", exchange=answer.id)


def export_cell(level: str, seen: Seen[BulkJob | None] | Trouble) -> Cell:
    """What the one kick-off of this run says of the export at this level; other levels are outside the sample."""
    claim = f"$export ({level})"
    if isinstance(seen, Trouble):
        return Cell(claim=claim, declared=True, result="untested", reason=seen.reason)
    job = seen.value
    if job is None or job.scope.level != level:
        return Cell(claim=claim, declared=True, result="untested", reason="untested_sample")
    if job.kick_off.status == 202:
        return Cell(claim=claim, declared=True, result="shown", exchange=job.kick_off.id)
    if refuted(job.kick_off):
        return Cell(claim=claim, declared=True, result="refuted", exchange=job.kick_off.id)
    return Cell(claim=claim, declared=True, result="untested", exchange=job.kick_off.id, reason="no_data")
