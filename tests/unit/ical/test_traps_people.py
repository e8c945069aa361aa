"""Traps of real calendars, one test each: calendar users, their names, and links to conferences."""

import base64

import pytest

from sync.model import Participant, Role
from tests.unit.ical.support import event, read


def people(*lines: str) -> list[Participant]:
    return list(read(event(*lines)).one.participants)


@pytest.mark.parametrize("kind", ["ROOM", "RESOURCE", "room"])
def test_cutype_room_and_resource(kind: str) -> None:
    assert people(f"ATTENDEE;CUTYPE={kind};CN=Hall:mailto:hall@x.org") == []
    assert people("ATTENDEE;CUTYPE=GROUP;CN=All:mailto:all@x.org") == [Participant("all@x.org", "All")]


def test_partstat_declined() -> None:
    (ann,) = people("ATTENDEE;PARTSTAT=DECLINED:mailto:ann@x.org")
    assert ann.declined
    assert not people("ATTENDEE;PARTSTAT=TENTATIVE:mailto:ann@x.org")[0].declined


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("CHAIR", Role.MODERATOR),
        ("REQ-PARTICIPANT", Role.PARTICIPANT),
        ("OPT-PARTICIPANT", Role.PARTICIPANT),
        ("NON-PARTICIPANT", Role.OBSERVER),
        ("X-GUEST", Role.PARTICIPANT),
    ],
)
def test_role(role: str, expected: Role) -> None:
    assert people(f"ATTENDEE;ROLE={role};RSVP=TRUE:mailto:ann@x.org")[0].role is expected


@pytest.mark.parametrize(
    "value",
    [
        "mailto:ann@x.org",
        "MAILTO:ann@x.org",
        "MailTo:Ann@X.Org",
        "mailto: ann@x.org ",
        "ann@x.org",
        " ann@x.org",
        "mailto:<ann@x.org>",
        "mailto:ann%40x.org",
    ],
)
def test_mailto_in_any_case_with_blanks_or_missing(value: str) -> None:
    assert people(f"ATTENDEE:{value}") == [Participant("ann@x.org")]


def test_mailto_invalid_nomail() -> None:
    assert people("ATTENDEE;CN=Ann:invalid:nomail", "ORGANIZER:invalid:nomail") == []


def test_mailto_of_an_email_parameter() -> None:
    assert people("ATTENDEE;EMAIL=ann@x.org:urn:uuid:8c2e") == [Participant("ann@x.org")]
    assert people("ATTENDEE:urn:uuid:8c2e") == []


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ('CN="Vogt, Ann"', "Vogt, Ann"),
        ('CN="Vogt; Ann"', "Vogt; Ann"),
        ('CN="Ann: Sales"', "Ann: Sales"),
        ("CN=Ann/Sales", "Ann/Sales"),
        ("CN=^'Ann^' Vogt", '"Ann" Vogt'),
        ("CN=A^^B", "A^B"),
        ('CN="Ann^nVogt"', "Ann Vogt"),
        ("CN='Ann'", "'Ann'"),
        ('CN="x "Ann" y"', ""),  # quotes in quotes: the person counts, the name is lost
        ("CN=", ""),
    ],
)
def test_cn_with_punctuation_quotes_and_carets(parameter: str, name: str) -> None:
    found = read(event(f"ATTENDEE;{parameter};ROLE=REQ-PARTICIPANT:mailto:ann@x.org"), event(uid="b"))
    assert found.rejected == []
    assert [one.participants for one in found.meetings if one.key.uid == "a"] == [(Participant("ann@x.org", name),)]


@pytest.mark.parametrize(
    ("line", "link"),
    [
        ("CONFERENCE;VALUE=URI;FEATURE=AUDIO,VIDEO;LABEL=x:https://v.example.com/1", "https://v.example.com/1"),
        ("CONFERENCE;VALUE=URI;LABEL=\"a:b\":https://v.example.com/1", "https://v.example.com/1"),
        ("LOCATION:https://us02web.zoom.us/j/1?pwd=2", "https://us02web.zoom.us/j/1?pwd=2"),
        ("DESCRIPTION:Join\\nhttps://teams.microsoft.com/l/meetup-join/1\\nbye", "https://teams.microsoft.com/l/meetup-join/1"),
        ("DESCRIPTION:-::~\\nhttps://meet.google.com/abc-defg-hij.", "https://meet.google.com/abc-defg-hij"),
    ],
)  # fmt: skip
def test_conference_and_links_in_text(line: str, link: str) -> None:
    assert read(event(line)).one.conference_links == (link,)


def test_conference_by_telephone_is_no_link() -> None:
    assert read(event("CONFERENCE;VALUE=URI;FEATURE=PHONE:tel:+1-555-0100")).one.conference_links == ()


def test_attach_inline_and_as_uri() -> None:
    content = base64.b64encode(b"agenda" * 200_000).decode()
    lines = [
        f"ATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY;FILENAME=a.txt:{content}",
        "ATTACH;FMTTYPE=application/pdf:https://x.example.com/b.pdf",
    ]
    one = read(event(*lines, "SUMMARY:x")).one
    assert [(document.name, len(document.content)) for document in one.documents] == [
        ("a.txt", 1_200_000),
        ("b.pdf", 0),
    ]
    assert one.title == "x"


def test_attach_that_is_damaged_costs_itself_only() -> None:
    one = read(event("ATTACH;ENCODING=BASE64;VALUE=BINARY:@@@", "SUMMARY:x")).one
    assert (one.title, one.documents) == ("x", ())
    assert [finding.code for finding in one.findings] == ["document-skipped"]


@pytest.mark.parametrize("first", [True, False])
def test_valarm_with_uid_duration_and_description(first: bool) -> None:
    inner = [
        "UID:alarm",
        "DURATION:PT9H",
        "DESCRIPTION:ring",
        "SUMMARY:wake",
        "ATTENDEE:mailto:al@x.org",
        "ATTACH:https://x.org/ring",
    ]
    alarm = "\r\n".join(["BEGIN:VALARM", "TRIGGER:-PT5M", "REPEAT:2", *inner, "END:VALARM"])  # fmt: skip
    own = ["UID:a", "DTSTART:20261201T090000Z", "DURATION:PT1H", "SUMMARY:own"]
    parts = [alarm, *own] if first else [*own, alarm]
    one = read("\r\n".join(["BEGIN:VEVENT", *parts, "END:VEVENT"])).one
    assert (str(one.key), one.title, one.description, one.participants) == ("s:a", "own", "", ())
    assert (one.end - one.start).seconds == 3600
    assert one.documents == ()
