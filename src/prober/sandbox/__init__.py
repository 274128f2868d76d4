"""A small FHIR R4 server of our own, healthy or with planted defects, for trying probes on."""

from typing import TYPE_CHECKING, Any

from prober.sandbox.defects import DEFECTS, PERSONAS, Defect

if TYPE_CHECKING:
    from prober.sandbox.server import Logged, Sandbox, serve

__all__ = ["DEFECTS", "PERSONAS", "Defect", "Logged", "Sandbox", "serve"]


def __getattr__(name: str) -> Any:
    # The catalogue is wanted for help texts, where loading a web server would be a waste.
    if name in ("Logged", "Sandbox", "serve"):
        from prober.sandbox import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
