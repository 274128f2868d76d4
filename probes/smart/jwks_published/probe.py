"""Does the server publish its keys, all of them usable and none of them secret?"""

from prober.api import JSON, Exchange, Seen, Verdict, absent, not_applicable, present, probe, unknown
from prober.observations import (
    PRIVATE_MEMBERS,
    Published,
    closed,
    disguise_of,
    key_fault,
    not_there,
    published_keys,
)


@probe(published_keys)
def judge(seen: Seen[Published]) -> Verdict:
    smart, answer = seen.value.smart, seen.value.answer
    if smart is None:
        return not_applicable("The server publishes no SMART configuration.")
    if answer is None and smart.declares("sso-openid-connect"):
        return absent("Sign-on by OpenID Connect is declared, but no jwks_uri is named.", smart.cite("/capabilities"))
    if answer is None:
        return not_applicable("The SMART configuration names no jwks_uri.", smart.cite())
    if closed(answer):
        return unknown("protected", "The server asks for a login before it shows its keys.", answer.cite())
    if not_there(answer):
        return absent(f"There is no key set where jwks_uri points (status {answer.status}).", answer.cite())
    if answer.status != 200:
        message = f"Status {answer.status} neither shows a key set nor says that there is none."
        return unknown("no_data", message, answer.cite())
    disguise = disguise_of(answer)
    if disguise is not None:
        return absent(f"Where the key set should be, the server answers with {disguise.words}.", answer.cite())
    keys = answer.document.get("keys")
    if not isinstance(keys, list) or not keys:
        return absent("The key set holds no keys.", answer.cite("/keys" if "keys" in answer.document else ""))
    return _keys(answer, keys)


def _keys(answer: Exchange, keys: list[JSON]) -> Verdict:
    private = [at for at, key in enumerate(keys) if isinstance(key, dict) and PRIVATE_MEMBERS & key.keys()]
    if private:
        message = "The key set gives private keys away: whoever reads it can sign in the server's name."
        return absent(message, *(answer.cite(f"/keys/{at}") for at in private), values={"fault": "private_key"})
    for at, key in enumerate(keys):
        fault = key_fault(key)
        if fault is not None:
            message = f"A key in the key set cannot be used: it {fault}."
            return absent(message, answer.cite(f"/keys/{at}"), values={"fault": "unusable_key"})
    names = [key.get("kid") for key in keys]
    if len(keys) > 1 and not (all(isinstance(one, str) and one for one in names) and len(set(names)) == len(names)):
        message = "The key set holds several keys, and not each has a kid of its own."
        return absent(message, answer.cite("/keys"), values={"fault": "kid"})
    return present("The server publishes a key set whose keys can all be used.", answer.cite("/keys"))
