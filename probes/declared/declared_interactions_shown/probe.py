"""Do the reads and searches that the server declares work?"""

from collections.abc import Iterator
from typing import Literal

from prober.api import Cell, Citation, Exchange, Reason, Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import TriedType, cannot_tell, declared_interactions, passing, refuted, searchset, shortened

EXERCISED = ("read", "search-type")
Result = Literal["shown", "refuted", "untested"]


@probe(declared_interactions)
def judge(seen: Seen[tuple[TriedType, ...]]) -> Verdict:
    cells = sorted((cell for one in seen.value for cell in cells_of(one)), key=lambda cell: cell.claim)
    others = {code for one in seen.value for code in one.declared.interactions} - set(EXERCISED)
    claims = [cell for cell in cells if cell.declared]
    wrong = [cell for cell in claims if cell.result == "refuted"]
    right = [cell for cell in claims if cell.result == "shown"]
    empty = sum(cell.reason is not None for cell in right)
    values = {
        "cells": [cell.model_dump(mode="json") for cell in cells],
        "not_exercised": sorted(map(shortened, others)),
        "without_content": empty,
    }
    if not claims:
        return not_applicable("The server declares no read and no search.", values=values)
    if wrong:
        message = f"Of the declared reads and searches {len(wrong)} do not work, for example: {wrong[0].claim}."
        return absent(message, *cited(wrong), values=values)
    if right:
        message = "Each declared read and search that could be tried works."
        if empty:
            message += f" But {empty} of these {len(right)} found no record, so what they would hold is unknown."
        return present(message, *cited(right), values=values)
    reasons = sorted(cell.reason or "no_data" for cell in claims if cell.reason != "untested_sample")
    message = "None of the declared reads and searches could be tried."
    return unknown(reasons[0] if reasons else "untested_sample", message, *cited(claims), values=values)


def cited(cells: list[Cell]) -> list[Citation]:
    """At most five of the exchanges that these cells rest on."""
    return [Citation(exchange=cell.exchange) for cell in cells if cell.exchange is not None][:5]


def cells_of(one: TriedType) -> Iterator[Cell]:
    """A cell for each declared interaction, and for each that works without being declared."""
    for interaction, answer, (result, reason) in (
        ("read", one.read, read_result(one)),
        ("search-type", one.search, search_result(one)),
    ):
        claim = f"{shortened(one.declared.type)} {interaction}"
        exchange = answer.id if answer is not None else None
        if interaction in one.declared.interactions:
            yield Cell(claim=claim, declared=True, result=result, exchange=exchange, reason=reason)
        elif result == "shown":
            yield Cell(claim=claim, declared=False, result="undeclared_works", exchange=exchange, reason=reason)


def search_result(one: TriedType) -> tuple[Result, Reason | None]:
    """A search is refuted if the server says that it does not do it, or finds records of other types only.

    400 and 403 may mean "name a patient". A search that finds nothing is shown with the reason no_data.
    """
    answer = one.search
    if answer is None:
        return "untested", "needs_patient_data" if one.sampled else "untested_sample"
    if trouble := passing(answer):
        return "untested", trouble[0]
    wants_patient = answer.status == 400 or (answer.status == 403 and one.with_token)
    if wants_patient and not one.restricted and not refuted(answer):
        return "untested", "needs_patient_data"
    if hidden := cannot_tell(answer, with_token=one.with_token):
        return "untested", hidden[0]
    if refuted(answer):
        return "refuted", None
    bundle = searchset(answer)
    if bundle is None:
        return "untested", "masquerade" if answer.status == 200 else "no_data"
    types = {match.type for match in bundle.matches}
    if types == {one.declared.type}:
        return "shown", None
    if one.declared.type in types:
        return "untested", "masquerade"
    return ("refuted", None) if types else ("shown", "no_data")


def read_result(one: TriedType) -> tuple[Result, Reason | None]:
    """A read is refuted only with an id that this server gave to the same token in this run."""
    answer: Exchange | None = one.read
    if answer is None:
        result, reason = search_result(one)
        return "untested", "no_data" if result in ("shown", "refuted") else reason
    if hidden := cannot_tell(answer, with_token=one.with_token):
        return "untested", hidden[0]
    if refuted(answer):
        return "refuted", None
    if answer.status != 200:
        return "untested", "no_data"
    if answer.resource_type == one.declared.type:
        return ("shown", None) if answer.document.get("id") == one.read_id else ("refuted", None)
    return "untested", "masquerade"
