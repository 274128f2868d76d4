"""SMART discovery: what a server says about authorization (SMART App Launch 2.2.0, conformance.html)."""

from dataclasses import dataclass

from prober.nouns.base import JSON
from prober.nouns.evidence import Exchange
from prober.nouns.finding import Citation
from prober.observations.answers import not_there
from prober.observations.capability_statement import items, text
from prober.observations.disguises import refuse_disguise
from prober.observations.web_addresses import leads_away
from prober.session.observation import observation
from prober.session.session import Session
from prober.session.withheld import closed

PATH = ".well-known/smart-configuration"
VOCABULARY = frozenset(
    {
        "launch-ehr",
        "launch-standalone",
        "authorize-post",
        "client-public",
        "client-confidential-symmetric",
        "client-confidential-asymmetric",
        "sso-openid-connect",
        "context-banner",
        "context-style",
        "context-ehr-patient",
        "context-ehr-encounter",
        "context-standalone-patient",
        "context-standalone-encounter",
        "permission-offline",
        "permission-online",
        "permission-patient",
        "permission-user",
        "permission-v1",
        "permission-v2",
        "smart-app-state",
    }
)
"""The capabilities that SMART App Launch 2.2.0 defines, experimental ones included (conformance.html, Capabilities)."""


@dataclass(frozen=True)
class SmartConfiguration:
    """The SMART configuration document of a server. Members of the wrong type read as not there."""

    answer: Exchange
    json: dict[str, JSON]

    @property
    def capabilities(self) -> frozenset[str]:
        """The capabilities that are text."""
        return frozenset(text(one) for one in items(self.json.get("capabilities")) if text(one))

    @property
    def grant_types(self) -> frozenset[str]:
        """`grant_types_supported`."""
        return frozenset(text(one) for one in items(self.json.get("grant_types_supported")) if text(one))

    @property
    def offers_app_launch(self) -> bool:
        """True if it declares an app launch, or the authorization_code grant."""
        return bool(self.capabilities & {"launch-ehr", "launch-standalone"}) or "authorization_code" in self.grant_types

    def declares(self, capability: str) -> bool:
        """True if this capability is among `capabilities`."""
        return capability in self.capabilities

    def texts(self, name: str) -> frozenset[str]:
        """The texts in a member that should be an array of strings."""
        return frozenset(text(one) for one in items(self.json.get(name)) if text(one))

    def url(self, name: str) -> str:
        """A member that should be a URL, as text; empty if it is not there."""
        return text(self.json.get(name))

    def cite(self, pointer: str = "") -> Citation:
        """A place in the document."""
        return self.answer.cite(pointer)


@observation(asks=(f"GET [base]/{PATH}",), requests=1)
async def smart_answer(session: Session) -> Exchange:
    """What the SMART configuration address answers, whatever it is."""
    return await session.get(PATH, accept="application/json", bearer="none")


@observation(needs=(smart_answer,), requests=0)
async def smart_configuration(session: Session) -> SmartConfiguration | None:
    """The SMART configuration, or None if the server says that there is none."""
    answer = (await session.see(smart_answer)).value
    if how := closed(answer):
        session.trouble("protected", f"The server asks for a login before it shows its SMART configuration ({how}).")
    if leads_away(answer):
        session.trouble("no_data", "The server redirects its SMART configuration to another host.")
    if not_there(answer):
        return None
    if answer.status != 200:
        message = f"Status {answer.status} neither shows a SMART configuration nor says that there is none."
        session.trouble("no_data", message)
    refuse_disguise(session, answer, "its SMART configuration")
    if "resourceType" in answer.document:
        session.trouble("masquerade", "What the server serves at the SMART address is a FHIR resource.")
    return SmartConfiguration(answer, answer.document)
