"""Simulated nights against the real sandbox: what happened is scripted, and the monitor tells that and nothing else."""

from datetime import datetime

import pytest
from tests.nights import Inbox, Story, no_export, no_search_by, other_token_host, restless, software

pytestmark = pytest.mark.history


def incidents(story: Story) -> list[tuple[str, int, int | None, str | None]]:
    """Kind, day of opening, day of closing and why, of every incident."""

    def day(instant: str | None) -> int | None:
        return None if instant is None else (datetime.fromisoformat(instant) - story.first).days + 1

    with story.history() as history:
        found = history.incidents()
    return [(one.kind, day(one.opened) or 0, day(one.closed), one.closed_because) for one in found]


@pytest.mark.deep
def test_sixty_nights_give_the_incidents_that_happened_and_no_others(story: Story, told: Inbox) -> None:
    maintenance = f"""
maintenance:
  - begins: "{story.day(50, hours=1).isoformat()}"
    ends: "{story.day(50, hours=5).isoformat()}"
    announced: "{story.day(47).isoformat()}"
    where: https://status.example.org/planned
"""
    story.config += maintenance
    story.start(certificate_days=40)
    script = story.script

    def night_of(day: int) -> None:
        """What the server is like from the midnight of this day on."""
        edits = [restless(story)]
        if day >= 5:
            edits.append(software("2.0.0" if day >= 40 else "1.1.0"))
        if 11 <= day < 15:
            edits.append(no_export)
        if day >= 17:
            edits.append(other_token_host)
        if day in (36, 38, 40, 42):
            edits.append(no_search_by("Immunization", "date"))
        if day == 45:
            # Gone when prober looks, back when it looks again ten minutes later.
            gone = no_search_by("Encounter", "date")
            until = story.day(45, hours=2, minutes=10)
            edits.append(lambda path, document: gone(path, document) if story.clock.utc() < until else None)
        script.edits = edits
        script.status = 429 if 20 <= day <= 26 else None
        script.headers = ((b"retry-after", b"1"),) if 20 <= day <= 26 else ()

    for day in range(1, 61):
        night_of(day)
        if day == 33:
            story.stop()
            story.start(certificate_days=90)
        for hours, minutes in ((0, 1), (2, 5), (8, 1), (16, 1)):
            now = story.day(day, hours=hours, minutes=minutes)
            outage = story.day(8, hours=6) <= now < story.day(9, hours=6)
            planned = story.day(50, hours=1) <= now < story.day(50, hours=5)
            if outage or planned:
                script.status = 503
            elif script.status == 503:
                script.status = None
            if story.day(53, hours=1) <= now < story.day(56):
                # Neither the monitor nor the server was there, and nobody knows about the server.
                continue
            assert story.round(now) == 0, story.said
    assert incidents(story) == [
        ("outage", 8, 9, "recovered"),
        ("change", 11, 16, "recovered"),
        ("change", 17, 47, "accepted"),
        ("blind", 22, 28, "recovered"),
        ("certificate", 27, 33, "recovered"),
        ("flapping", 36, 47, "recovered"),
    ]
