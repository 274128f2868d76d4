"""Checks this evidence bundle without prober: python3 verify.py [ID OF THE KEY THAT YOU EXPECT].

It needs Python 3.8 or newer and, for the signature, openssl. It compares every file with the manifests, the manifests
with the signed statement, and the signature with the key. It does not derive the scores: `prober verify` does.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
from typing import NoReturn

ROOT = os.path.dirname(os.path.abspath(__file__))
UNLISTED = {"tagmanifest-sha256.txt", "attestation.dsse.json", "attestation.pae", "attestation.sig", "signer.pem"}
OPENSSL = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "signer.pem", "-rawin", "-in", "attestation.pae"]


def read(name: str) -> bytes:
    with open(os.path.join(ROOT, *name.split("/")), "rb") as file:
        return file.read()


def refuse(sentence: str) -> NoReturn:
    sys.exit("REFUSED: " + sentence)


def listed(manifest: str) -> "dict[str, str]":
    lines = read(manifest).decode("ascii").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def main() -> None:
    payload, tags = listed("manifest-sha256.txt"), listed("tagmanifest-sha256.txt")
    found = set()
    for folder, folders, names in os.walk(ROOT):
        for name in names + [one for one in folders if os.path.islink(os.path.join(folder, one))]:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                refuse(name + " is a link.")
            found.add(os.path.relpath(path, ROOT).replace(os.sep, "/"))
    for name in sorted(found ^ ({*payload, *tags} | UNLISTED)):
        refuse(name + (" was added." if name in found else " is missing."))
    for name, digest in sorted({**payload, **tags}.items()):
        if hashlib.sha256(read(name)).hexdigest() != digest:
            refuse(name + " was altered.")
    envelope = json.loads(read("attestation.dsse.json"))
    body, kind = base64.b64decode(envelope["payload"], validate=True), envelope["payloadType"].encode()
    if read("attestation.pae") != b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body):
        refuse("attestation.pae is not what the envelope says.")
    if read("attestation.sig") != base64.b64decode(envelope["signatures"][0]["sig"], validate=True):
        refuse("attestation.sig is not the signature of the envelope.")
    digest = hashlib.sha256(read("tagmanifest-sha256.txt")).hexdigest()
    subject = {"name": "tagmanifest-sha256.txt", "digest": {"sha256": digest}}
    if json.loads(body)["subject"] != [subject]:
        refuse("The signed statement is about other files.")
    pem = [line for line in read("signer.pem").decode("ascii").splitlines() if not line.startswith("-----")]
    key = hashlib.sha256(base64.b64decode("".join(pem))).hexdigest()
    if len(sys.argv) > 1 and sys.argv[1] != key:
        refuse("It was signed by another key, " + key + ".")
    command = [*OPENSSL, "-sigfile", "attestation.sig"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)  # noqa: S603
    if done.returncode:
        refuse("openssl does not accept the signature.")
    print(f"All {len(found)} files are those that were signed, by the key {key}.")
    if len(sys.argv) == 1:
        print("Compare that id with the one that you were told of in another way.")


if __name__ == "__main__":
    main()
