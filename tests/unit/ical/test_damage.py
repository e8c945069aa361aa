"""Damaged texts: none of them raises, and none that was cut passes for a whole one."""

import random

import pytest

from connectors.sources.ical.text import normalise, scan
from connectors.sources.ical.values import Unreadable
from tests.unit.ical.support import calendar, event, read_with, reader
from tests.unit.ical.test_real_calendars import FOLDER
from tests.unit.ical.test_zones import CUSTOM

TEXT = calendar(
    CUSTOM,
    "X-WR-TIMEZONE:Europe/Berlin",
    event("SUMMARY:One", "ATTENDEE;CN=Ann:mailto:ann@x.org", "BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nEND:VALARM"),
    event("RRULE:FREQ=DAILY;COUNT=3", uid="b", start=";TZID=Customized Time Zone:20261201T090000", end=None),
    event("RECURRENCE-ID:20261202T080000Z", "DESCRIPTION:more\r\n  text", uid="b"),
).encode()


def test_no_prefix_of_a_calendar_passes_for_a_whole_one() -> None:
    whole = len(TEXT.rstrip())
    for size in range(1, whole):
        try:
            assert scan(normalise(TEXT[:size], "")).defect, size
        except Unreadable:
            continue
    assert scan(normalise(TEXT[:whole], "")).defect == ""


def test_no_calendar_with_a_hole_over_a_component_border_passes_for_a_whole_one() -> None:
    lines = TEXT.split(b"\r\n")
    for at, line in enumerate(lines):
        if line.startswith((b"BEGIN:", b"END:")):
            try:
                assert scan(normalise(b"\r\n".join(lines[:at] + lines[at + 1 :]), "")).defect, line
            except Unreadable:
                assert at == 0


@pytest.mark.parametrize("seed", range(8))
def test_random_damage_never_raises(seed: int) -> None:
    pick = random.Random(seed)
    texts = [TEXT, *(path.read_bytes() for path in sorted(FOLDER.glob("*.ics")))]
    scraps = [
        b"\r\n",
        b":",
        b";",
        b'"',
        b"\0",
        b"\xff",
        b"99999999",
        b"BEGIN:VEVENT\r\n",
        b"END:VEVENT\r\n",
        b"\r\n ",
        b"=",
    ]
    source = reader(all_day=True)
    for _ in range(60):
        body = bytearray(pick.choice(texts))
        for _ in range(pick.randint(1, 6)):
            at = pick.randrange(len(body) + 1)
            kind = pick.random()
            if kind < 0.4:
                body[at:at] = pick.choice(scraps)
            elif kind < 0.7:
                del body[at : at + pick.randint(1, 30)]
            else:
                start = pick.randrange(len(body) + 1)
                body[at:at] = body[start : start + pick.randint(1, 60)]
        try:
            read_with(source, bytes(body), known=["s:b@20261202T080000Z", "s:a"])
        except Unreadable:
            continue
