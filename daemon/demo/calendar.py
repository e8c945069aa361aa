"""The demonstration's calendar."""

import base64
from datetime import datetime, timedelta

KICK_OFF = "Project kick-off"
AGENDA = b"1. Hello\n2. What we want\n3. Who does what\n"


def demo_calendar(now: datetime, offer: str, *, edited: bool) -> str:
    """A realistic calendar, relative to `now`, as CRLF text; `offer` is the address of an attached document."""
    began, ends = now - timedelta(minutes=30), now + timedelta(minutes=-1 if edited else 30)
    monday = (now + timedelta(days=7 - now.weekday())).date()
    day = [(monday + timedelta(days=n)).strftime("%Y%m%d") for n in range(30)]
    title = "Product webinar: what is new, and why" if edited else "Product webinar"
    talk = "1630" if edited else "1500"
    person = "Omar Haddad:mailto:omar@example.net" if edited else "Lee Chan:mailto:lee@example.net"
    lines = f"""\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//convener//demo//EN
X-WR-TIMEZONE:Europe/Berlin
BEGIN:VEVENT
UID:weekly-review@example.com
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART;TZID=Europe/Berlin:{day[0]}T090000
DTEND;TZID=Europe/Berlin:{day[0]}T093000
RRULE:FREQ=WEEKLY;COUNT=4
SUMMARY:Weekly sales review
ORGANIZER;CN=Mara Vogt:mailto:mara@example.com
ATTENDEE;CN=Jon Berg;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED:mailto:jon@example.com
ATTENDEE;CN=Ana Ruiz;ROLE=OPT-PARTICIPANT:MAILTO:ana@example.com
ATTENDEE;CN=Room 4;CUTYPE=ROOM:mailto:room4@example.com
END:VEVENT
BEGIN:VEVENT
UID:weekly-review@example.com
RECURRENCE-ID;TZID=Europe/Berlin:{day[7]}T090000
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART;TZID=Europe/Berlin:{day[8]}T140000
DTEND;TZID=Europe/Berlin:{day[8]}T144500
SUMMARY:Weekly sales review (moved: bank holiday)
ORGANIZER;CN=Mara Vogt:mailto:mara@example.com
ATTENDEE;CN=Jon Berg:mailto:jon@example.com
END:VEVENT
BEGIN:VEVENT
UID:weekly-review@example.com
RECURRENCE-ID;TZID=Europe/Berlin:{day[14]}T090000
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART;TZID=Europe/Berlin:{day[14]}T090000
DTEND;TZID=Europe/Berlin:{day[14]}T093000
STATUS:CANCELLED
SUMMARY:Weekly sales review
END:VEVENT
BEGIN:VEVENT
UID:webinar-2@example.com
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART;TZID=America/New_York:{day[2]}T{talk}00
DURATION:PT1H
SUMMARY:{title}
ORGANIZER;CN=Priya Nair:mailto:priya@example.com
ATTENDEE;CN=Sam Ode;ROLE=CHAIR:mailto:sam@example.com
ATTENDEE;CN={person}
ATTENDEE;CN=Press desk;ROLE=NON-PARTICIPANT:mailto:press@example.org
END:VEVENT
BEGIN:VEVENT
UID:support-call-77@example.com
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART:{day[3]}T080000Z
DTEND:{day[3]}T083000Z
SUMMARY:Support call: migration & roll-out
{"STATUS:CANCELLED" if edited else "STATUS:CONFIRMED"}
ORGANIZER;CN=Support:mailto:support@example.com
ATTENDEE;CN=Kim Larsen:mailto:kim@example.org
END:VEVENT
BEGIN:VEVENT
UID:kick-off@example.com
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART:{began:%Y%m%dT%H%M%SZ}
DTEND:{ends:%Y%m%dT%H%M%SZ}
SUMMARY:{KICK_OFF}
ORGANIZER;CN=Mara Vogt:mailto:mara@example.com
ATTENDEE;CN=Jon Berg:mailto:jon@example.com
ATTACH;FMTTYPE=application/pdf;FILENAME=offer.pdf:{offer}
ATTACH;FMTTYPE=text/plain;FILENAME=agenda.txt;ENCODING=BASE64;VALUE=BINARY:{base64.b64encode(AGENDA).decode()}
END:VEVENT
END:VCALENDAR
"""
    return lines.replace("\n", "\r\n")
