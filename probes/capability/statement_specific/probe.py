"""Does the statement say what this server can do with each resource type?"""

from prober.api import Seen, Verdict, absent, present, probe
from prober.observations import (
    CapabilityStatement,
    capability_statement,
)


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    listed = statement.resources
    if not listed:
        return absent("The statement lists no resource types.", statement.cite_rest())
    bare = [one for one in listed if not one.interactions]
    silent = [one for one in listed if "search-type" in one.interactions and not one.search_params]
    searched = [one for one in listed if one.search_params]
    values = {"types": len(listed), "without_interactions": len(bare), "searches_without_parameters": len(silent)}
    if 2 * len(bare) > len(listed):
        proof = statement.cite_rest(f"/resource/{bare[0].index}")
        return absent("Most of the listed types name no interaction.", proof, values=values)
    if not searched:
        return absent("No listed type names a search parameter.", statement.cite_rest("/resource"), values=values)
    proof = statement.cite_rest("/resource")
    return present("The statement says what each type can do and how it can be searched.", proof, values=values)
