"""Beginnings: a new probe folder whose files fail until they are filled in, and a commented provider file."""

import re
from pathlib import Path

from prober.mistake import Mistake

_PROBE = '''"""{question}"""

from prober.api import Seen, Verdict, absent, present, probe
from prober.observations import CapabilityStatement, capability_statement


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    # FILL IN the question in line 1, what is seen, and what that means. A probe that asks whether the statement says
    # when it was published would go on:
    #
    # if isinstance(statement.json.get("date"), str):
    #     return present("The CapabilityStatement says when it was published.", statement.cite("/date"))
    # return absent("The CapabilityStatement does not say when it was published.", statement.cite())
    raise NotImplementedError
'''

_SHEET = """title: FILL IN a question that ends in a question mark
catalogue: FILL IN the catalogue entry, for example P.CAP.1
why: FILL IN why anybody should care.
how: FILL IN what is asked.
counts: FILL IN what makes it present, and what makes it absent.
risk: FILL IN what happens to people when it is absent.
basis: declared   # declared (the server says so) or demonstrated (the server does so)
citations:
  - guide: hl7.fhir.r4.core
    version: 4.0.1
    section: FILL IN the section that asks for it
    url: "https://hl7.org/fhir/R4/capabilitystatement.html"
    strength: MUST   # MUST, SHOULD, MAY or ours
remediation:
  effort: low   # low, medium or high
  text: FILL IN what to do.
who_acts: vendor   # provider, vendor or network
lifecycle: experimental
"""

_CASES = """# A remembered server, at most a few changes, the expected outcome. `prober check` runs them all.
- {fixture: leader, expect: present}
- fixture: leader
  expect: absent
  # A JSON merge patch of the answer; null removes a member, for example {date: null}.
  change: {metadata: {body: {FILL IN: null}}}
- fixture: leader
  expect: unknown
  reason: timed_out
  change: {metadata: {failure: timed_out}}
"""

_PROVIDER = """# The provider profile. Fill in what is known; what is not said stays unknown and is held against nobody.
schema: prober/provider/1
organisation: FILL IN
# country: US                 # two letters; decides which national norms apply
# setting: both               # inpatient, outpatient or both
# services: [prescribes, vaccinates, has_lab, telehealth, schedules_visits, refers]
# payment_model: insurer_billed            # insurer_billed, single_payer or self_pay
# patient_payments_customary: true
# prior_auth_customary: true
# population_size: 120000
environment: undeclared       # production, sandbox, reference or undeclared
fhir_bases:
  - FILL IN, for example https://fhir.example.org/r4
# cds_bases: []
# doc_urls: [https://example.org/interoperability]    # published pages, at most 20; without a login
# metrics_url: https://example.org/interoperability/metrics.json
# brands_url: https://example.org/brands.json
# hie: []
# Where anybody can check a fact above that rules a core criterion out; without a source the criterion applies.
# public_sources: {prior_auth_customary: "a named public text, with its address"}
# Patients that exist for testing. Their ids never enter a run folder.
# test_patients: []
# groups: []
# Other hosts that belong to this provider (token endpoint, export files).
# allow_hosts: []
# A token by reference: the name of an environment variable.
# bearer: env:PROBER_TOKEN
# Writing needs this, a declared sandbox, and --permit writes.
# writes: false
"""


_MONITOR = """# What prober looks at by itself, when, how deeply, and who is told. `prober monitor --once` does what is
# due now; `prober monitor` goes on until it is told to stop. Paths are relative to this file.
schema: prober/monitor/1
state: state                   # run folders, history, feed, metrics and lock
# database: env:PROBER_DATABASE    # a PostgreSQL URL by reference; without it the history is a SQLite file in `state`
time_zone: UTC                 # an IANA name such as America/Chicago: nights, weeks, quiet hours and maintenance
# contact: it@example.org      # whom an operator may ask; it stands in every request
# vantage: datacentre-north    # what the place is called that looks
# A host and port that is surely there: without it a silent server is not called down, since the fault may be here.
# control: gateway.example.org:443
# jitter_minutes: 30           # the daemon spreads the looks over so many minutes; with --once all are made at once

looks:
  hourly: {every: 60, depth: discovery}
  nightly: {every: night, at: "02:00", depth: standard}
  # One bulk export in a week. Permits that start jobs or write are named; tests with tokens that must be refused never
  # run by schedule.
  # weekly: {every: week, on: sunday, at: "03:30", depth: full, permits: [active, credentials, patient_data, jobs]}

targets:
  - name: FILL IN a short name in lower case
    base: FILL IN, for example https://fhir.example.org/r4
    # provider: provider.yaml
    # attestations: attestations.yaml
    # authorization: statement.yaml
    # bearer: env:PROBER_TOKEN
    # looks: [hourly, nightly] # without this: every kind above
    # waivers: waivers.yaml    # what stays silent, why, who says so, until when; it changes no score
    # was: [old-name]          # goes on with the history under an earlier name,
    # moved_from: [https://old.example.org/r4]    # or of an earlier base

# maintenance:
#   - {begins: "2026-12-05T22:00:00Z", ends: "2026-12-06T01:00:00Z",
#      announced: "2026-12-01T08:00:00Z", where: "https://status.example.org/planned"}
#   - {on: sunday, at: "01:00", minutes: 90}

# alerts: {second_look_minutes: 10, clear_looks: 2, quiet: ["22:00", "06:00"]}
# recipients:
#   - {name: operations, webhook: "env:PROBER_WEBHOOK", kinds: [opened, closed, monitor]}
#   # proxy: http://proxy.example.org:3128 goes with a webhook and with the heartbeat's url; with a password: env:NAME
#   - {name: lead, mail: lead@example.org, kinds: [digest]}
#   - {name: safety, mail: safety@example.org, kinds: [gate], private: true}
# mail: {host: smtp.example.org, sender: prober@example.org, user: prober, password: "env:PROBER_SMTP_PASSWORD"}
# heartbeat: {file: heartbeat.json, url: "env:PROBER_HEARTBEAT"}
# retention: {nights: 120, polls: 35}
"""


_AUTHORIZATION = """# Who permits what on which server, and until when; signed by whoever operates it. It is checked
# before the first request and sealed in the run, and its short form stands on the report's first page.
schema: prober/authorization/1
grantor: FILL IN the name of the person who permits it
grantor_role: FILL IN
legal_entity: FILL IN the legal entity that operates the server
grantee: FILL IN who may probe
bases: [FILL IN the exact FHIR base URL]
hosts: []                      # other hosts: token endpoint, export files
modes: [active, credentials, patient_data]   # also: jobs, negative_auth, writes
test_patients: []              # ids that exist for testing; nobody else is ever read outside a sandbox
groups: []                     # Groups whose members are all listed above
not_before: FILL IN, for example 2026-12-01T00:00:00Z
not_after: FILL IN, for example 2026-12-31T00:00:00Z
requests_per_second: 1
terms_version: FILL IN the version of the terms of use that were accepted
terms_sha256: FILL IN the SHA-256 of those terms
data_basis: FILL IN the legal basis on which test data are read
emergency_contact: FILL IN whom to call when something goes wrong
document_sha256: FILL IN the SHA-256 of the signed document
"""


def new_probe(id_: str, into: Path) -> tuple[Path, ...]:
    """Make the folder of a new probe; the paths of its files. Raises Mistake if the name is taken or not right."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", id_):
        raise Mistake(f"{id_}: a probe's id is in snake_case and names a capability, for example patient_read.")
    folder = into / id_
    if folder.exists():
        raise Mistake(f"{folder}: this folder is there already; choose another id.")
    question = f"{id_.replace('_', ' ').capitalize()}?"
    contents = {"probe.py": _PROBE.format(question=question), "probe.yaml": _SHEET, "cases.yaml": _CASES}
    try:
        folder.mkdir(parents=True)
        for name, content in contents.items():
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{folder}: the folder cannot be made ({error.strerror}).") from error
    return tuple(folder / name for name in contents)


def new_authorization_file(path: Path) -> None:
    """Write the commented authorization statement. Raises Mistake if something is there already."""
    _write_new(path, _AUTHORIZATION)


def new_monitor_file(path: Path) -> None:
    """Write the commented monitoring configuration. Raises Mistake if something is there already."""
    _write_new(path, _MONITOR)


def new_provider_file(path: Path) -> None:
    """Write the commented provider file. Raises Mistake if something is there already."""
    _write_new(path, _PROVIDER)


def _write_new(path: Path, text: str) -> None:
    if path.exists():
        raise Mistake(f"{path}: this file is there already; name another one.")
    if not path.parent.is_dir():
        raise Mistake(f"{path}: there is no folder {path.parent}; make it first, or name another file.")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{path}: this file cannot be written ({error.strerror}).") from error
