"""Invitations as mails: what calendars read in them, and that hostile text stays text."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.headerregistry import Address
from typing import Any

import pytest
import vobject
from icalendar import Calendar

from connectors import itip
from sync.errors import Refused
from sync.model import Role
from sync.outlets import Invitation
from tests.unit.mail_server import Letter

SENDER = Address("Sales", addr_spec="sales@example.com")
INVITATION = Invitation(
    method="REQUEST",
    uid="0123456789abcdef@convener",
    sequence=0,
    message_id="fedcba9876543210",
    email="jon@example.com",
    name="Jon Doe",
    role=Role.PARTICIPANT,
    title="Quarterly review",
    start=datetime(2026, 12, 1, 9, tzinfo=UTC),
    end=datetime(2026, 12, 1, 10, tzinfo=UTC),
    location="",
    description="Please bring the numbers.",
    organizer="Mara Moe",
    made_at=datetime(2026, 11, 23, 6, tzinfo=UTC),
    link="https://vendor.example/room/1?guest=jon#in",
)
CANCELLATION = replace(INVITATION, method="CANCEL", sequence=3, link="", description="")


def letter(invitation: Invitation = INVITATION, **values: Any) -> Letter:
    return Letter(itip.message(replace(invitation, **values), SENDER).as_bytes())


class TestContents:
    def test_the_mail_says_whom_it_is_from_and_to_and_that_a_machine_wrote_it(self) -> None:
        mail = letter().mail
        assert str(mail["From"]) == "Sales <sales@example.com>"
        assert str(mail["To"]) == "Jon Doe <jon@example.com>"
        assert str(mail["Subject"]) == "Invitation: Quarterly review"
        assert str(mail["Message-ID"]) == "<fedcba9876543210@example.com>"
        assert str(mail["Auto-Submitted"]) == "auto-generated"
        assert mail["Date"].datetime == INVITATION.made_at

    @pytest.mark.parametrize("invitation", [INVITATION, CANCELLATION])
    def test_the_content_type_repeats_the_method(self, invitation: Invitation) -> None:
        one = letter(invitation)
        part = one.calendar_part
        assert part["Content-Type"].params["method"] == one.method == invitation.method
        assert part["Content-Type"].params["component"] == "VEVENT"
        assert part.get_content_charset() == "utf-8"
        assert [p.get_content_type() for p in one.mail.iter_parts()] == ["text/plain", "text/calendar"]

    def test_the_calendar_has_what_an_invitation_needs(self) -> None:
        event = letter().event
        assert event["UID"] == INVITATION.uid
        assert event["SEQUENCE"] == 0
        assert event["DTSTAMP"].dt == INVITATION.made_at
        assert (event["DTSTART"].dt, event["DTEND"].dt) == (INVITATION.start, INVITATION.end)
        assert event["SUMMARY"] == "Quarterly review"
        assert event["STATUS"] == "CONFIRMED"
        assert event["ORGANIZER"] == "mailto:sales@example.com"
        assert event["CONFERENCE"] == event["URL"] == event["LOCATION"] == INVITATION.link
        assert dict(event["CONFERENCE"].params) | {"LABEL": ""} == {"VALUE": "URI", "FEATURE": "VIDEO", "LABEL": ""}
        assert INVITATION.link in event["DESCRIPTION"]
        assert "bring the numbers" in event["DESCRIPTION"]
        assert event["ORGANIZER"].params["CN"] == "Mara Moe"
        assert letter(organizer="").event["ORGANIZER"].params["CN"] == "Sales"

    @pytest.mark.parametrize(
        ("role", "shown"),
        [
            (Role.MODERATOR, "CHAIR"),
            (Role.PARTICIPANT, "REQ-PARTICIPANT"),
            (Role.OBSERVER, "NON-PARTICIPANT"),
        ],
    )
    def test_the_addressee_is_the_only_attendee(self, role: Role, shown: str) -> None:
        one = letter(role=role)
        assert one.ics.count("ATTENDEE") == 1
        attendee = one.event["ATTENDEE"]
        assert attendee == "mailto:jon@example.com"
        assert attendee.params["ROLE"] == shown
        assert (attendee.params["RSVP"], attendee.params["PARTSTAT"]) == ("FALSE", "NEEDS-ACTION")
        assert attendee.params["CN"] == "Jon Doe"
        assert letter(name="").event["ATTENDEE"].params["CN"] == "jon@example.com"

    def test_the_text_says_what_when_how_and_who(self) -> None:
        text = letter().text
        for said in ("Quarterly review", "Tuesday 01 December 2026, 09:00 – 10:00 UTC", INVITATION.link, "Mara Moe"):
            assert said in text

    def test_times_are_told_in_utc_and_a_night_has_two_days(self) -> None:
        tokyo = timezone(timedelta(hours=9))
        start = datetime(2026, 12, 2, 8, tzinfo=tokyo)
        one = letter(start=start, end=start + timedelta(hours=2))
        assert "Tuesday 01 December 2026, 23:00 – Wednesday 02 December 2026, 01:00 UTC" in one.text
        assert "DTSTART:20261201T230000Z" in one.ics

    def test_the_calendars_own_place_is_kept(self) -> None:
        one = letter(location="Room 5; first floor")
        assert one.event["LOCATION"] == "Room 5; first floor"
        assert "Where: Room 5; first floor" in one.text
        assert one.link == INVITATION.link

    def test_a_change_and_a_cancellation_say_so(self) -> None:
        assert str(letter(sequence=1).mail["Subject"]) == "Updated: Quarterly review"
        one = letter(CANCELLATION)
        assert str(one.mail["Subject"]) == "Cancelled: Quarterly review"
        assert one.event["STATUS"] == "CANCELLED"
        assert one.event["SEQUENCE"] == 3
        assert not {"CONFERENCE", "URL", "LOCATION"} & set(one.event)
        assert "http" not in one.everything

    @pytest.mark.parametrize("sequence", [0, 2])
    def test_an_invitation_without_a_link_says_that_it_follows(self, sequence: int) -> None:
        one = letter(link="", sequence=sequence)
        assert one.text.replace("\r", "").endswith("Please bring the numbers.\n\nYour link to join follows.\n")
        assert one.event["DESCRIPTION"] == "Your link to join follows.\n\nPlease bring the numbers."
        assert one.event["DTSTART"].dt == INVITATION.start
        assert not {"CONFERENCE", "URL", "LOCATION"} & set(one.event)
        assert "pass it on" not in one.text
        assert "follows" not in letter(sequence=sequence).everything
        assert "follows" not in letter(CANCELLATION).everything

    def test_the_same_mail_is_the_same_bytes_but_for_the_boundary(self) -> None:
        def bare() -> bytes:
            return re.sub(rb"=+\d+=+", b"", itip.message(INVITATION, SENDER).as_bytes())

        assert bare() == bare()


NASTY = [
    "line\r\nBcc: eve@evil.example",
    "line\nBcc: eve@evil.example",
    "line\rBcc: eve@evil.example",
    "\x00nul\x1b[31m\x85\u2028Bcc: eve@evil.example\u2029",
    "\r\n\r\n<html>",
    "END:VEVENT\r\nBEGIN:VEVENT\r\nATTENDEE:mailto:eve@evil.example",
    'quoted "text" \\ ; , : ^n',
    '"; ROLE=CHAIR:mailto:eve@evil.example',
    "=?utf-8?q?Bcc=3A_eve=40evil=2Eexample?=",
    "Jon <eve@evil.example>, Eve",
    "Ünïcödé 会議 👩‍👩‍👧 " * 3,
    "half a pair \ud83d",
    "x" * 5000,
    "ö" * 5000,
    "word " * 3000,
    "\u202emoc.live\u202c",
    "\r\n",
    "",
]


class TestHostileText:
    @pytest.mark.parametrize("text", NASTY, ids=lambda text: ascii(text)[:30])
    @pytest.mark.parametrize("field", ["name", "title", "location", "description", "organizer"])
    def test_it_adds_no_header_no_property_and_no_person(self, field: str, text: str) -> None:
        plain, one = letter(), letter(**{field: text})
        assert one.mail.keys() == plain.mail.keys()
        assert [a.addr_spec for a in one.mail["To"].addresses] == ["jon@example.com"]
        assert [a.addr_spec for a in one.mail["From"].addresses] == ["sales@example.com"]
        assert set(one.event) == set(plain.event)
        assert len(one.calendar.subcomponents) == 1
        assert one.event["ATTENDEE"] == "mailto:jon@example.com"
        assert one.event["ORGANIZER"] == "mailto:sales@example.com"
        assert one.event["ATTENDEE"].params["ROLE"] == "REQ-PARTICIPANT"
        assert one.calendar_part["Content-Type"].params["method"] == "REQUEST"
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", one.text + one.ics + str(one.mail["Subject"]))

    @pytest.mark.parametrize("text", NASTY, ids=lambda text: ascii(text)[:30])
    def test_it_stays_within_what_mail_can_carry(self, text: str) -> None:
        raw = letter(name=text, title=text, location=text, description=text).raw
        assert raw.isascii()
        assert max(len(line) for line in raw.split(b"\r\n")) <= 998, "RFC 5322 section 2.1.1"
        assert b"\n" not in raw.replace(b"\r\n", b"")
        assert len(raw) < 100_000

    def test_what_people_write_is_read_as_it_was_written(self) -> None:
        name, title = 'Jörg "Jojo" Müller, 会議', "Ünïcödé; 会議, \\ ^ : 👩‍👩‍👧"
        one = letter(name=name, title=title)
        assert one.mail["To"].addresses[0].display_name == name
        assert str(one.mail["Subject"]) == f"Invitation: {title}"
        assert one.event["SUMMARY"] == title
        assert one.event["ATTENDEE"].params["CN"] == name
        assert Calendar.from_ical(one.ics).to_ical().decode() == one.ics.replace("\r\n", "\n").replace("\n", "\r\n")

    @pytest.mark.parametrize("text", [r"C:\New\nothing; a, b", r"\N", r"\\N \n \, \; end", r"\\\server\New"])
    def test_a_backslash_ends_no_line(self, text: str) -> None:
        one = letter(title=text, location=text, description=text, link="")
        assert (one.event["SUMMARY"], one.event["LOCATION"]) == (text, text)
        assert one.event["DESCRIPTION"] == f"Your link to join follows.\n\n{text}"
        (event,) = vobject.readOne(one.ics).vevent_list
        assert (event.summary.value, event.location.value) == (text, text)

    @pytest.mark.parametrize(
        "link",
        [
            "javascript:alert(1)",
            "https://v.example/\r\nATTENDEE:mailto:eve@evil.example",
            "https://v.example/ x",
            'https://v.example/"x',
            "https://",
            "//v.example/",
            "https://v.example/\x00",
        ],
    )
    def test_a_link_that_is_no_web_address_is_refused(self, link: str) -> None:
        with pytest.raises(Refused, match="not a web address") as caught:
            letter(link=link)
        assert "v.example" not in str(caught.value)


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "wire"),
        [
            ("jon@example.com", "jon@example.com"),
            ("jon.o'doe+x_y-z=1@mail.example.co.uk", "jon.o'doe+x_y-z=1@mail.example.co.uk"),
            ("jon@bücher.example", "jon@xn--bcher-kva.example"),
            ("jon@localhost", "jon@localhost"),
        ],
    )
    def test_plain_ones_are_taken(self, text: str, wire: str) -> None:
        assert itip.address(text) == wire
        assert letter(email=text).to == wire

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "@",
            "jon",
            "jon@",
            "@example.com",
            "jon@@example.com",
            "jon@example..com",
            "jon@-example.com",
            "jon@exa_mple-.com",
            "jon@[127.0.0.1]",
            "jon doe@example.com",
            "jon@example.com ",
            "jon@exam ple.com",
            "jon,eve@example.com",
            "jon@example.com,eve@example.com",
            "jon;eve@example.com",
            "<jon@example.com>",
            "jon@example.com>",
            '"jon doe"@example.com',
            "jon(comment)@example.com",
            "mailto:jon@example.com",
            "jon\\@example.com",
            "jon\r\nDATA@example.com",
            "jon@example.com\r\nRCPT TO:<eve@example.com>",
            "jon@example.com\n",
            "jo\x00n@example.com",
            "jo\x7fn@example.com",
            "jo\x85n@example.com",
            "jo\u202en@example.com",
            "jo\u2028n@example.com",
            "jo\ud83dn@example.com",
            "j" * 65 + "@example.com",
            "jon@" + "e" * 64 + ".com",
            "jon@" + "example." * 40 + "com",
        ],
        ids=lambda text: ascii(text)[:30],
    )
    @pytest.mark.parametrize("utf8", [False, True])
    def test_hostile_ones_are_refused_and_not_quoted(self, text: str, utf8: bool) -> None:
        with pytest.raises(Refused) as caught:
            itip.address(text, utf8=utf8)
        assert "jon" not in str(caught.value)
        with pytest.raises(Refused):
            letter(email=text)

    def test_a_local_part_beyond_ascii_needs_a_server_that_takes_it(self) -> None:
        assert itip.address("jörg@example.com", utf8=True) == "jörg@example.com"
        with pytest.raises(Refused, match="SMTPUTF8"):
            itip.address("jörg@example.com")
        raw = itip.message(replace(INVITATION, email="jörg@example.com"), SENDER, utf8=True).as_bytes()
        assert "To: Jon Doe <jörg@example.com>\r\n".encode() in raw, "RFC 6532: as it is"
