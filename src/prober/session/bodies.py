"""Bodies as they come off the wire: which codings are taken, and inflation in steps that no bomb can exceed."""

import zlib
from collections.abc import Iterator
from typing import Protocol

from prober.session.wire import Headers, NetworkFailure

STEP = 64 * 1024
"""Bytes: the most that one step of inflation may produce."""

MOST_MEMBERS = 1000
"""Members of one gzip body: each costs far more time than the twenty bytes that an empty one takes."""

_GZIP = frozenset({"gzip", "x-gzip"})


class Decoder(Protocol):
    """Turns wire bytes into body bytes, a step at a time."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded pieces of this data; what is not asked for is not decoded."""

    def finish(self) -> None:
        """Raises NetworkFailure `encoding` if the data ended before their own end."""


class Plain:
    """A body without any coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        """Nothing can be missing: the framing has already been checked."""


class Gunzip:
    """A gzip body (RFC 1952), of one member or several; zero padding behind the last is tolerated."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)
        self._begun = False
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._begun = self._begun or bool(data)
        while True:
            if self._member.eof:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._members += 1
                if self._members > MOST_MEMBERS:
                    raise NetworkFailure("encoding", "The answer's gzip data have more members than prober inflates.")
                self._member = zlib.decompressobj(31)
            piece = self._inflate(data)
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece  # and come again even without data: output may be pending inside zlib
            elif not data:
                return

    def _inflate(self, data: bytes) -> bytes:
        try:
            return self._member.decompress(data, STEP)
        except zlib.error:
            raise NetworkFailure("encoding", "The answer says it is gzip, but it cannot be inflated.") from None

    def finish(self) -> None:
        if self._begun and not self._member.eof:
            raise NetworkFailure("encoding", "The answer's gzip data end before they are complete.")


def values_of(headers: Headers, name: str) -> list[str]:
    """Every value of a list header, split at commas, in lower case, without empty members."""
    joined = ",".join(value for key, value in headers if key.lower() == name)
    return [part for part in (value.strip().lower() for value in joined.split(",")) if part]


def decoder_for(headers: Headers) -> Decoder:
    """The decoder that the answer's Content-Encoding asks for (RFC 9110, 8.4).

    Raises NetworkFailure `encoding` for stacked codings and for any that prober never offered.
    """
    codings = [coding for coding in values_of(headers, "content-encoding") if coding != "identity"]
    if not codings:
        return Plain()
    if len(codings) > 1:
        raise NetworkFailure("encoding", "The answer stacks several content codings, which prober refuses to undo.")
    if codings[0] not in _GZIP:
        raise NetworkFailure("encoding", "The answer uses a content coding that prober did not offer.")
    return Gunzip()


def declared_length(headers: Headers) -> int | None:
    """The Content-Length, or None if there is none that can be read."""
    values = set(values_of(headers, "content-length"))
    text = values.pop() if len(values) == 1 else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
