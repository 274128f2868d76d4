"""monitor.yaml: what is looked at, when, how deeply, and who is told."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from prober.nouns.base import Noun
from prober.nouns.run import Depth

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NightlyPermit = Literal["active", "credentials", "patient_data", "jobs", "writes"]
"""Tests with tokens that must be refused (`negative_auth`) never run by schedule."""


class LookPlan(Noun):
    """One kind of look: how often, how deeply, and with which permits.

    `every` is `night`, `week`, or minutes that divide a day without a rest.
    """

    every: Literal["night", "week"] | Annotated[int, Field(ge=5, le=1440)] = "night"
    at: TimeOfDay = "02:00"
    on: Weekday = "sunday"
    depth: Depth = "standard"
    permits: tuple[NightlyPermit, ...] | None = Field(
        default=None, description="None: what the target allows, less `jobs` and `writes`, which are named to be used."
    )
    probes: tuple[str, ...] | None = Field(default=None, description="Only these probes; None: all.")
    budget: int | None = Field(default=None, ge=1, le=100_000)

    @model_validator(mode="after")
    def _whole_slots(self) -> "LookPlan":
        if isinstance(self.every, int) and 1440 % self.every:
            raise ValueError("`every` in minutes must divide a day without a rest: 5, 10, 15, 20, 30, 60 and so on.")
        return self


class Target(Noun):
    """One FHIR base to look at. Paths are relative to the monitoring configuration."""

    name: Name
    base: str
    was: tuple[Name, ...] = Field(default=(), description="Earlier names, so that its history is found.")
    moved_from: tuple[str, ...] = Field(default=(), description="Earlier bases, so that its history goes on.")
    provider: str | None = None
    attestations: str | None = None
    authorization: str | None = None
    authorized_by: str | None = None
    sandbox: bool = False
    bearer: str | None = Field(default=None, pattern="^env:[A-Za-z_][A-Za-z0-9_]*$")
    ca_file: str | None = None
    proxy: str | None = None
    resolve: str | None = None
    allow_http: bool = False
    looks: tuple[Name, ...] | None = Field(default=None, description="None: every kind of look.")
    waivers: str | None = Field(
        default=None, description="waivers.yaml: what stays silent, why, who says so, how long."
    )


class Maintenance(Noun):
    """A window in which a failure is planned: one from instant to instant, or every week on local time."""

    targets: tuple[Name, ...] = Field(default=(), description="Empty: all.")
    begins: str | None = Field(default=None, description="A UTC instant.")
    ends: str | None = None
    on: Weekday | None = None
    at: TimeOfDay | None = None
    minutes: int | None = Field(default=None, ge=1, le=1440)
    announced: str | None = Field(default=None, description="The UTC instant at which it was announced in public.")
    where: str | None = Field(
        default=None, pattern=r"^https?://[!#-\[\]-~]{1,500}$", description="The public page that announced it."
    )

    @model_validator(mode="after")
    def _one_form(self) -> "Maintenance":
        once = (self.begins, self.ends)
        weekly = (self.on, self.at, self.minutes)
        if (all(once) and not any(weekly)) or (all(weekly) and not any(once)):
            return self
        raise ValueError("A maintenance window has `begins` and `ends`, or `on`, `at` and `minutes`.")


class AlertRules(Noun):
    """When something is told. Looks are those of one kind."""

    second_look_minutes: int = Field(
        default=10, ge=0, le=120, description="How long prober waits before it looks again at what got worse."
    )
    confirm_looks: int = Field(default=2, ge=1, le=10, description="Bad looks in a row that open an incident.")
    clear_looks: int = Field(default=2, ge=1, le=10, description="Good looks in a row that close it.")
    flap_turns: int = Field(default=6, ge=2, le=50, description="Turns between good and bad that are flapping ...")
    flap_days: int = Field(default=7, ge=1, le=90, description="... within so many days.")
    calm_looks: int = Field(default=5, ge=1, le=100, description="Looks in a row without a turn that end it.")
    accept_days: int = Field(
        default=30, ge=1, le=365, description="After so many days a change for the worse counts as how things are now."
    )
    blind_nights: int = Field(default=3, ge=1, le=30, description="Nights in a row without sight that are told.")
    certificate_days: int = Field(
        default=14,
        ge=1,
        le=90,
        description="Warn so many days before a certificate ends, or below a third of its life.",
    )
    quiet: tuple[TimeOfDay, TimeOfDay] | None = Field(
        default=None, description="Local hours in which only gates are told at once; the rest follows when they end."
    )


class Recipient(Noun):
    """Who is told, and how. What is secret in an address is named by reference: `env:NAME`."""

    name: Name
    webhook: str | None = Field(default=None, description="An https URL, or env:NAME.")
    mail: str | None = None
    apprise: str | None = Field(default=None, description="An Apprise URL, as env:NAME.")
    secret: str | None = Field(
        default=None,
        pattern="^env:[A-Za-z_][A-Za-z0-9_]*$",
        description="Signs what a webhook is sent (HMAC-SHA256), so that it can tell who sent it.",
    )
    proxy: str | None = Field(
        default=None,
        repr=False,
        description="The http proxy on the way to a webhook, or env:NAME if it has a password.",
    )
    kinds: tuple[Literal["opened", "closed", "digest", "gate", "monitor"], ...] = ("opened", "closed", "digest")
    targets: tuple[Name, ...] = Field(default=(), description="Empty: all.")
    private: bool = Field(default=False, description="May be told of gates of safety: the authorization's contact.")

    @model_validator(mode="after")
    def _one_way(self) -> "Recipient":
        if sum(one is not None for one in (self.webhook, self.mail, self.apprise)) != 1:
            raise ValueError(f"{self.name}: a recipient has exactly one of webhook, mail, apprise.")
        if self.secret is not None and self.webhook is None:
            raise ValueError(f"{self.name}: `secret` signs what a webhook is sent; this recipient is none.")
        if self.proxy is not None and self.mail is not None:
            raise ValueError(
                f"{self.name}: mail goes by SMTP, which knows no `proxy`; name a mail server within reach."
            )
        if self.proxy is not None and self.webhook is None:
            raise ValueError(f"{self.name}: `proxy` is for a webhook; Apprise goes its own way.")
        return self


class MailServer(Noun):
    """The SMTP server that mails go through."""

    host: str
    port: int = Field(default=587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str
    user: str | None = None
    password: str | None = Field(default=None, pattern="^env:[A-Za-z_][A-Za-z0-9_]*$")
    ca_file: str | None = None


class Heartbeat(Noun):
    """How others can see that the monitor itself lives: a file that it touches, a URL that it asks."""

    file: str | None = None
    url: str | None = Field(default=None, description="An https URL, or env:NAME.")
    proxy: str | None = Field(
        default=None, repr=False, description="The http proxy on the way to `url`, or env:NAME if it has a password."
    )

    @model_validator(mode="after")
    def _on_the_way(self) -> "Heartbeat":
        if self.proxy is not None and self.url is None:
            raise ValueError("heartbeat: `proxy` is on the way to `url`, and there is none.")
        return self


class Retention(Noun):
    """How long run folders are kept. What the database holds of them stays: every change, and a line for each look."""

    nights: int = Field(default=120, ge=30, le=3_650, description="Days that nightly and weekly run folders stay.")
    polls: int = Field(default=35, ge=1, le=3_650, description="Days that the folders of more frequent looks stay.")
    keep_changes: bool = Field(default=True, description="Run folders on either side of a change stay for ever.")


class Monitor(Noun):
    """monitor.yaml."""

    schema_: Literal["prober/monitor/1"] = Field(default="prober/monitor/1", alias="schema")
    state: str = Field(
        default="state", description="The folder of runs, history, feed and lock; relative to this file."
    )
    database: str | None = Field(
        default=None, pattern="^env:[A-Za-z_][A-Za-z0-9_]*$", description="PostgreSQL URL; None: SQLite in `state`."
    )
    time_zone: str = Field(default="UTC", description="An IANA name, for nights, weeks, quiet hours and maintenance.")
    contact: str | None = None
    at_once: int = Field(
        default=8,
        ge=1,
        le=64,
        description="How many targets are looked at together. Where a plan is of minutes, a quarter is spared for it.",
    )
    jitter_minutes: int = Field(
        default=0, ge=0, le=120, description="How far each target's look is spread by its name."
    )
    vantage: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="What the place is called that looks."
    )
    control: str | None = Field(
        default=None, description="A host and port that is surely there, such as the clinic's own gateway:443."
    )
    model: str | None = None
    looks: dict[Name, LookPlan] = Field(min_length=1)
    targets: tuple[Target, ...] = Field(min_length=1)
    maintenance: tuple[Maintenance, ...] = ()
    alerts: AlertRules = AlertRules()
    recipients: tuple[Recipient, ...] = ()
    mail: MailServer | None = None
    heartbeat: Heartbeat = Heartbeat()
    feed: bool = Field(default=True, description="Whether an Atom feed is written into the state folder.")
    metrics: bool = Field(default=True, description="Whether a Prometheus text file is written into the state folder.")
    retention: Retention = Retention()
