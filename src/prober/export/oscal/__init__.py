"""OSCAL 1.2.1 (NIST): the criteria as catalog and assessment plan, the run as results, each linked to the one before.

There is no profile and no system security plan. A profile is reached only through such a plan, and prober knows nothing
of the security of the system that it looked at: to write one would be to invent it. The assessment plan must import one
all the same, and points to a resource of its own that says that there is none.
"""

from collections.abc import Sequence

from prober.export.oscal import catalog, plan, results
from prober.export.oscal.controls import rule_book
from prober.export.text import as_json
from prober.nouns.model import Model
from prober.render.report import Report


def exported(report: Report, models: Sequence[Model]) -> dict[str, bytes]:
    """The three documents. Where the scorecard has no criteria, the questions of the probes are the controls."""
    book = rule_book(report, models)
    return {
        catalog.FILE: as_json(catalog.document(book, report)),
        plan.FILE: as_json(plan.document(book, report, models)),
        results.FILE: as_json(results.document(book, report, models)),
    }
