"""The refusals of the sandbox: one exception, and the OperationOutcome that it becomes."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


class Refusal(Exception):
    """An answer other than success: HTTP status, issue code of FHIR R4's issue-type, sentence, extra headers."""

    def __init__(self, status: int, code: str, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.headers = dict(headers or {})


def operation_outcome(code: str, sentence: str) -> Json:
    """An OperationOutcome with one error issue (FHIR R4, operationoutcome.html)."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code, "diagnostics": sentence}]}
