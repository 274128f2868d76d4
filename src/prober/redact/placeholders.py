"""Placeholders that say nothing of what they stand for, are equal when that is equal, and prove whose they are."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b

PLACEHOLDER = re.compile(r"[px]_?([0-9a-f]{16})([0-9a-f]{8})")
ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
HTTP_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([0-9]{4})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
URN_UUID = re.compile(r"urn:uuid:([0-9a-f]{8})-([0-9a-f]{4})-4([0-9a-f]{3})-8([0-9a-f]{3})-([0-9a-f]{12})")
URN_OID = re.compile(r"urn:oid:2\.25\.([1-9][0-9]{0,38})")
FEWEST_DAYS, SPREAD_DAYS = 30, 366
DAY, MINUTE = 86_400, 60
NEAR = timedelta(days=2)
FEWEST_APART, SPREAD_APART = timedelta(days=400), timedelta(days=3_000)


def octets(text: str) -> bytes:
    """The UTF-8 of a text in which lone surrogates may stand."""
    return text.encode("utf-8", "surrogatepass")


class Seal:
    """Makes placeholders under one run's key, recognises its own, and shifts dates by the run's secret time.

    A placeholder is a letter and 24 hexadecimal digits: 64 bits that stand for the value and 32 that only this key
    could have put behind them. Two values get the same one with a chance of 2^-64; a stranger guesses one with 2^-32.
    """

    def __init__(self, key: bytes, now: datetime | None = None) -> None:
        self._now = now
        self._key = blake2b(key, digest_size=32, person=b"prober redact").digest()
        self._days = FEWEST_DAYS + self._secret("days") % SPREAD_DAYS
        # At least a minute away from the time that it was: a moment to the second is as good as a name.
        self._seconds = MINUTE + self._secret("seconds") % (DAY - 2 * MINUTE)

    def _secret(self, what: str) -> int:
        return int.from_bytes(blake2b(what.encode(), key=self._key, digest_size=8, person=b"dates").digest())

    def _proof(self, digest: str) -> str:
        return blake2b(digest.encode(), key=self._key, digest_size=4, person=b"proof").hexdigest()

    def _digits(self, value: str) -> str:
        digest = blake2b(octets(value), key=self._key, digest_size=8, person=b"value").hexdigest()
        return digest + self._proof(digest)

    def made(self, text: str) -> bool:
        """Whether the text is a placeholder of this run."""
        match = PLACEHOLDER.fullmatch(text)
        return match is not None and match[2] == self._proof(match[1])

    def text(self, value: str) -> str:
        """A placeholder for any text; a text of nothing but white space has nothing to hide and keeps its class."""
        if self.made(value) or not value:
            return value
        return f"x{self._digits(value)}" if value.strip() else " "

    def id(self, value: str) -> str:
        """A placeholder that is a FHIR id where the value is one, and is none where the value is none."""
        if self.made(value) or not value:
            return value
        return f"{'p' if ID.fullmatch(value) else 'p_'}{self._digits(value)}"

    def base64(self, value: str) -> str:
        """A placeholder that is valid base64."""
        try:
            if self.made(base64.b64decode(value[:64], validate=True).decode("ascii")):
                return value
        except (binascii.Error, ValueError):
            pass
        return base64.b64encode(self.text(value).encode()).decode() if value.strip() else value[:1]

    def uuid(self, value: str) -> str:
        """A placeholder that is a valid `urn:uuid:`."""
        match = URN_UUID.fullmatch(value)
        digits = "".join(match.groups())[:24] if match else ""
        if self.made(f"x{digits}") and self._uuid(digits) == value:
            return value
        return self._uuid(self._digits(value))

    def _uuid(self, digits: str) -> str:
        d = digits + blake2b(digits.encode(), key=self._key, digest_size=3, person=b"spare").hexdigest()
        return f"urn:uuid:{d[:8]}-{d[8:12]}-4{d[12:15]}-8{d[15:18]}-{d[18:30]}"

    def oid(self, value: str) -> str:
        """A placeholder that is a valid `urn:oid:`."""
        match = URN_OID.fullmatch(value)
        if match and self.made(f"x{int(match[1]):024x}"):
            return value
        return f"urn:oid:2.25.{int(self._digits(value), 16)}"

    def date(self, value: str) -> str:
        """The date shifted into the past at the same precision and in the same zone.

        What is not a date gets a placeholder that is none either. Shifting again shifts further: a date carries no
        mark, and needs none, because replay reuses what is stored and never redacts.
        """
        match = DATE.fullmatch(value)
        if match is None:
            return self.text(value)
        year, month, day, hour = int(match[1]), match[2], match[3], match[4]
        try:
            if hour:
                return self._moment(match)
            if day:
                then = date(year, int(month), int(day))
                apart = self._apart(datetime(then.year, then.month, then.day, 12, tzinfo=UTC), "day")
                return (then - (apart or timedelta(days=self._days))).isoformat()
            if month:
                months = year * 12 + date(year, int(month), 1).month - 1 - round(self._days / 30.436875)
                return date(months // 12, months % 12 + 1, 1).isoformat()[:7]
            # A year that stayed the same would be the year itself.
            return f"{date(year - max(1, round(self._days / 365.2425)), 1, 1).year:04d}"
        except (ValueError, OverflowError):
            return self.text(value)

    def _moment(self, match: re.Match[str]) -> str:
        day, second, fraction = "-".join(match.group(1, 2, 3)), match[6], match[7]
        # FHIR allows the leap second, which no datetime holds.
        then = f"{day}T{match[4]}:{match[5]}:{'59' if second == '60' else second or '00'}"
        shown = self._earlier(then, match[8] or "Z").isoformat(timespec="seconds" if second else "minutes")
        return f"{shown}{f'.{self._fraction(fraction, then)}' if fraction else ''}{match[8] or ''}"

    def _earlier(self, moment: str, zone: str) -> datetime:
        apart = self._apart(datetime.fromisoformat(moment + zone), "moment")
        return datetime.fromisoformat(moment) - (apart or timedelta(days=self._days, seconds=self._seconds))

    def _apart(self, then: datetime, what: str) -> timedelta | None:
        """How far a moment goes that is about now, each another way; None for every other moment.

        That a search was answered now is no secret, so such a moment, shifted like all others, would tell the shift.
        """
        if self._now is None or abs(then - self._now) > NEAR:
            return None
        second = round(then.timestamp())
        apart = FEWEST_APART + timedelta(seconds=self._secret(f"{what} {second}") % int(SPREAD_APART.total_seconds()))
        return timedelta(days=apart.days) if what == "day" else apart

    def _fraction(self, digits: str, then: str) -> str:
        """Other digits of a second, as many. They wrap around: what is equal to the second stays so."""
        count = 10 ** len(digits)
        further = 1 + self._secret(f"{len(digits)} digits, {then}") % (count - 1)
        return f"{(int(digits) + further) % count:0{len(digits)}d}"

    def http_date(self, value: str) -> str:
        """An HTTP date (RFC 9110, 5.6.7) shifted like any other; another form gets a placeholder."""
        match = HTTP_DATE.fullmatch(value)
        if match is None:
            return self.text(value)
        try:
            day = f"{match[3]}-{MONTHS.index(match[2]) + 1:02d}-{match[1]}"
            then = self._earlier(f"{day}T{match[4]}:{match[5]}:{'59' if match[6] == '60' else match[6]}", "Z")
        except (ValueError, OverflowError):
            return self.text(value)
        return (
            f"{WEEKDAYS[then.weekday()]}, {then.day:02d} {MONTHS[then.month - 1]} {then.year:04d} {then:%H:%M:%S} GMT"
        )
