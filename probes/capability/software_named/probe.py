"""Does the server say which software it is, and in which version?"""

from prober.api import Seen, Verdict, absent, present, probe
from prober.observations import (
    CapabilityStatement,
    capability_statement,
)


@probe(capability_statement)
def judge(seen: Seen[CapabilityStatement]) -> Verdict:
    statement = seen.value
    software = statement.json.get("software")
    given = software if isinstance(software, dict) else {}
    missing = [name for name in ("name", "version") if not (isinstance(given.get(name), str) and given[name].strip())]
    if not missing:
        return present("The server names its software and the version.", statement.cite("/software"))
    proof = statement.cite("/software" if "software" in statement.json else "")
    return absent(
        f"The server does not give software.{' and software.'.join(missing)}.", proof, values={"missing": missing}
    )
