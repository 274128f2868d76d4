"""What is secret in an address: named in the configuration as `env:NAME`, and looked up only when it is used."""

import os
from collections.abc import Callable

from prober.mistake import Mistake

Secrets = Callable[[str], str]
"""Gives the value of a reference such as `env:PROBER_WEBHOOK`. Raises Mistake, in whose words no value stands."""


def from_environment(reference: str) -> str:
    """The value of the environment variable that `env:NAME` names. Raises Mistake if there is none, or it is empty."""
    name = reference.removeprefix("env:")
    value = os.environ.get(name, "").strip()
    if not value:
        raise Mistake(f"{reference}: no variable of this name is set; put the secret into {name} and start again.")
    return value


def value_of(text: str, secrets: Secrets) -> str:
    """The text itself, or what it refers to if it is a reference. Raises Mistake."""
    return secrets(text) if text.startswith("env:") else text
