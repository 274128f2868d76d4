"""Takes out of an exchange, before it reaches disk, log or traceback, everything that is not known to be harmless."""

from prober.redact.redactor import RedactedBody, Redactor

__all__ = ["RedactedBody", "Redactor"]
