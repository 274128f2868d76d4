"""Does the server declare a national core's profiles, or the International Patient Access guide?"""

from collections.abc import Iterator

from prober.api import JSON, Seen, Verdict, absent, present, probe
from prober.observations import (
    CapabilityStatement,
    capability_statement,
    items,
    text,
)

BASES = {
    "http://fhir.ch/ig/ch-core": "CH Core",
    "http://fhir.de": "the German base profiles",
    "http://hl7.org.au/fhir": "AU Base or AU Core",
    "http://hl7.org.nz/fhir": "NZ Base",
    "http://hl7.org/fhir/ca/baseline": "CA Baseline",
    "http://hl7.org/fhir/ca/core": "CA Core+",
    "http://hl7.org/fhir/us/core": "US Core",
    "http://hl7.org/fhir/uv/ipa": "International Patient Access",
    "http://jpfhir.jp/fhir/core": "JP Core",
    "http://nictiz.nl/fhir": "the Dutch core profiles",
    "https://fhir.hl7.org.uk": "UK Core",
    "https://gematik.de/fhir/isik": "ISiK",
    "https://hl7.fr/ig/fhir/core": "FR Core",
    "https://www.ehealth.fgov.be/standards/fhir": "the Belgian core profiles",
}
"""Where the canonical URLs of each guide lie. AU Core lies below AU Base."""


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    found: dict[str, str] = {}
    cores: set[str] = set()
    for pointer, canonical in _canonicals(statement):
        for base, core in BASES.items():
            if canonical == base or canonical.startswith(f"{base}/"):
                found.setdefault(canonical, pointer)
                cores.add(core)
    if not found:
        return absent(
            "The statement names neither a national core nor the International Patient Access guide.",
            statement.cite(),
            values={"canonicals": 0, "cores": []},
        )
    values: dict[str, JSON] = {"canonicals": len(found), "cores": sorted(cores)}
    proof = statement.cite(next(iter(found.values())))
    return present(f"The statement names {', '.join(sorted(cores))}.", proof, values=values)


def _canonicals(statement: CapabilityStatement) -> Iterator[tuple[str, str]]:
    """Every canonical that can name a guide, without its version, and the place where it stands."""
    for member in ("instantiates", "imports", "implementationGuide"):
        yield from _listed(f"/{member}", statement.json.get(member))
    place = f"/rest/{statement.rest_index}/resource"
    for index, one in enumerate(items(statement.rest.get("resource"))):
        if isinstance(one, dict):
            yield from _listed(f"{place}/{index}/supportedProfile", one.get("supportedProfile"))
            yield f"{place}/{index}/profile", _unversioned(one.get("profile"))


def _listed(pointer: str, value: JSON) -> Iterator[tuple[str, str]]:
    for index, one in enumerate(items(value)):
        yield f"{pointer}/{index}", _unversioned(one)


def _unversioned(value: JSON) -> str:
    return text(value).partition("|")[0]
