"""What one entry says: people, texts, links, and the ways in which its text is broken in the wild."""

import time

import pytest

from sync.model import Participant, Role
from tests.unit.ical.support import calendar, event, read, read_with, reader

ATTENDEE = "ATTENDEE;CN=Ann:mailto:ann@x.org"


def people(*lines: str) -> list[Participant]:
    return list(read(event(*lines)).one.participants)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (ATTENDEE, Participant("ann@x.org", "Ann")),
        ("ATTENDEE:MAILTO:Ann@X.ORG", Participant("ann@x.org")),
        ("ATTENDEE: mailto: ann@x.org ", Participant("ann@x.org")),
        ("ATTENDEE:ann@x.org", Participant("ann@x.org")),
        ("ATTENDEE:mailto:<ann@x.org>", Participant("ann@x.org")),
        ("ATTENDEE:mailto:ann%2Bx@x.org?subject=1", Participant("ann+x@x.org")),
        ("ATTENDEE;EMAIL=Ann@x.org:urn:uuid:1-2", Participant("ann@x.org")),
        ("ATTENDEE;EMAIL=ann@x.org:invalid:nomail", Participant("ann@x.org")),
        ('ATTENDEE;CN="Ann, B; C: D":mailto:ann@x.org', Participant("ann@x.org", "Ann, B; C: D")),
        ("ATTENDEE;CN=^'Ann^' ^^:mailto:ann@x.org", Participant("ann@x.org", '"Ann" ^')),
        ('ATTENDEE;CN="Ann "the" Man":mailto:ann@x.org', Participant("ann@x.org")),
        ("ATTENDEE;CN=ann@x.org:mailto:ann@x.org", Participant("ann@x.org")),
        ("ATTENDEE;LANGUAGE=de-DE:mailto:ann@x.org", Participant("ann@x.org", language="de-DE")),
        ("ATTENDEE;ROLE=CHAIR:mailto:ann@x.org", Participant("ann@x.org", role=Role.MODERATOR)),
        ("ATTENDEE;ROLE=opt-participant:mailto:ann@x.org", Participant("ann@x.org")),
        ("ATTENDEE;ROLE=NON-PARTICIPANT:mailto:ann@x.org", Participant("ann@x.org", role=Role.OBSERVER)),
        ("ATTENDEE;CUTYPE=GROUP:mailto:ann@x.org", Participant("ann@x.org")),
        ("ATTENDEE;PARTSTAT=DECLINED:mailto:ann@x.org", Participant("ann@x.org", declined=True)),
        ("attendee;partstat=declined:mailto:ann@x.org", Participant("ann@x.org", declined=True)),
        ("ATTENDEE;X-NUM=0;RSVP=TRUE;CN=Änn:mailto:ann@x.org", Participant("ann@x.org", "Änn")),
        ("ORGANIZER;CN=Ann:mailto:ann@x.org", Participant("ann@x.org", "Ann", Role.MODERATOR)),
    ],
)
def test_a_calendar_user_is_a_participant(line: str, expected: Participant) -> None:
    assert people(line) == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "ATTENDEE:invalid:nomail",
        "ATTENDEE:urn:uuid:1",
        "ATTENDEE:mailto:",
        "ATTENDEE:mailto:somebody",
        "ATTENDEE:",
        "ATTENDEE;CUTYPE=ROOM:mailto:room@x.org",
        "ATTENDEE;CUTYPE=resource:mailto:beamer@x.org",
        "ATTENDEE:https://x.org/@ann",
    ],
)
def test_rooms_and_those_without_an_address_are_left_out(line: str) -> None:
    assert people(line) == []


def test_one_address_is_one_participant_with_the_strongest_role() -> None:
    found = people("ATTENDEE;ROLE=NON-PARTICIPANT:mailto:ann@x.org", ATTENDEE, "ATTENDEE;ROLE=CHAIR:MAILTO:ANN@x.org")
    assert found == [Participant("ann@x.org", "Ann", Role.MODERATOR)]


def test_the_organizer_is_a_moderator_listed_or_not() -> None:
    one = read(event("ORGANIZER:mailto:Boss@x.org", ATTENDEE, "ATTENDEE;CN=Bo;PARTSTAT=DECLINED:mailto:boss@x.org")).one
    assert one.organizer == "boss@x.org"
    assert one.participants == (
        Participant("boss@x.org", "Bo", Role.MODERATOR, declined=True),
        Participant("ann@x.org", "Ann"),
    )


def test_an_attendee_line_without_any_address_to_find_rejects_the_entry() -> None:
    found = read(event('ATTENDEE;CN="x "y" z":urn:x'), event(uid="b"))
    assert found.printed() == ["s:b"]
    assert "ATTENDEE" in found.rejected[0].reason


def test_texts_are_unescaped_and_unfolded() -> None:
    lines = ("SUMMARY;LANGUAGE=de:Über\\, all\\; \\nx", "DESCRIPTION:one\r\n  two\r\n\tthree", "LOCATION:here")
    one = read(event(*lines, "CATEGORIES:A,B\\,C", "CATEGORIES: D ,A")).one
    assert (one.title, one.description, one.location) == ("Über, all; \nx", "one twothree", "here")
    assert one.categories == ("A", "B,C", "D")
    assert read(event()).one.title == ""


def test_a_fold_may_split_a_character() -> None:
    text = calendar(event("SUMMARY:Zürich")).encode().replace("ü".encode(), b"\xc3\r\n \xbc")
    assert read_with(reader(), text).one.title == "Zürich"


@pytest.mark.parametrize(
    ("codec", "charset"), [("cp1252", ""), ("iso-8859-1", "iso-8859-1"), ("utf-8", "bogus"), ("cp1251", "windows-1251")]
)
def test_other_encodings_are_read(codec: str, charset: str) -> None:
    title = "Привет" if codec == "cp1251" else "Zürich"
    text = calendar(event(f"SUMMARY:{title}")).encode(codec)
    assert read_with(reader(), text, charset=charset).one.title == title


@pytest.mark.parametrize(
    "change",
    [
        ("BEGIN:VEVENT", "begin:vevent"),
        ("BEGIN:VEVENT", "BEGIN:VEVENT  "),
        ("END:VEVENT", "end:vEvent\t"),
        ("SUMMARY", "summary"),
        ("\r\n", "\n"),
        ("\r\n", "\r"),
        ("SUMMARY:", "\0SUMMARY:"),
        ("END:VEVENT\r\n", "END:VEVENT\n"),
        ("SUMMARY:", "ATTACH;ENCODING=BASE64;VALUE=BINARY:" + "A" * 1_100_000 + "\r\nSUMMARY:"),
        ("SUMMARY:", "DESCRIPTION:first\r\nsecond without colon\r\nSUMMARY:"),
        ("SUMMARY:", "\r\n\r\nSUMMARY:"),
        ("SUMMARY:", "no colon here\r\nSUMMARY:"),
        ("SUMMARY:", "X-BROKEN;A=\"b:c\r\nSUMMARY:"),
        ("SUMMARY:", "CATEGORIES;A=\"b\"c:d\r\nSUMMARY:"),
        ("SUMMARY:", "\x0b\x0c\x85 colonless\r\nSUMMARY:"),
    ],
)  # fmt: skip
def test_untidy_texts_are_read(change: tuple[str, str]) -> None:
    found = read_with(reader(), calendar(event("SUMMARY:x")).replace(*change))
    assert found.defect == ""
    assert found.one.title == "x"


def test_a_line_without_a_colon_goes_on_with_the_text_in_front() -> None:
    assert read(event("DESCRIPTION:first\r\nsecond", "SUMMARY:x")).one.description == "firstsecond"
    assert read(event("STATUS:CONFIRMED\r\nnonsense")).one.title == ""


def test_line_separators_of_unicode_are_data() -> None:
    assert read(event("SUMMARY:a\u2028b\x85c\x0bd")).one.title == "a\u2028b\x85c\x0bd"


def test_what_is_inside_an_alarm_does_not_leak_into_the_entry() -> None:
    lines = ["UID:other", "DURATION:PT9H", "DESCRIPTION:ring", "SUMMARY:z", "ATTENDEE:mailto:z@x.org"]
    alarm = "\r\n".join(["BEGIN:VALARM", *lines, "END:VALARM"])
    body = f"BEGIN:VEVENT\r\n{alarm}\r\nUID:a\r\nDTSTART:20261201T090000Z\r\nSUMMARY:x\r\nEND:VEVENT"
    one = read(body).one
    assert (one.key.uid, one.title, one.description, one.participants) == ("a", "x", "", ())
    assert one.start == one.end


def test_other_components_are_skipped() -> None:
    others = [
        f"BEGIN:{name}\r\nUID:{name}\r\nDTSTART:x\r\nEND:{name}" for name in ("VTODO", "VJOURNAL", "VFREEBUSY", "X-Y")
    ]
    assert read(*others, event()).printed() == ["s:a"]


def test_nesting_is_no_recursion_and_costs_nothing_within_its_limit() -> None:
    nest = "BEGIN:X\r\n" * 98 + "END:X\r\n" * 98
    found = read(nest.rstrip(), event(), event(nest.rstrip(), uid="b"))
    assert found.defect == ""
    assert found.printed() == ["s:a", "s:b"]
    assert read_with(reader(), calendar("BEGIN:X\r\n" * 98)).defect


def test_entries_without_uid_have_a_stable_one_of_their_own() -> None:
    first, second = event("SUMMARY:x").replace("UID:a\r\n", ""), event("SUMMARY:y").replace("UID:a", "UID: ")
    keys = read(first, second).printed()
    assert len(keys) == 2
    assert all(key.startswith("s:no-uid-") for key in keys)
    assert read(second, first, event(uid="z")).printed()[:2] == keys
    assert read(first.replace("SUMMARY:x", "DESCRIPTION:n\r\nSUMMARY:x")).printed()[0] in keys


def test_an_entry_whose_uid_cannot_be_read_makes_the_snapshot_incomplete() -> None:
    found = read(event(uid="b"), event().replace("UID:a", "UID;a"))
    assert [(one.uid, one.line) for one in found.rejected] == [(None, 9)]


@pytest.mark.parametrize(
    ("line", "uid"), [('UID;X="a:b":q', "q"), ("UID:a\r\n b", "ab"), ("UID: q ", "q"), ("uid:q\\,r", "q,r")]
)
def test_uids_in_every_notation(line: str, uid: str) -> None:
    assert read(event().replace("UID:a", line)).one.key.uid == uid


LINKS = [
    ("CONFERENCE;VALUE=URI;FEATURE=VIDEO:https://video.example.com/42", "https://video.example.com/42"),
    ("X-GOOGLE-CONFERENCE:https://meet.google.com/abc-defg-hij", "https://meet.google.com/abc-defg-hij"),
    ("X-MICROSOFT-SKYPETEAMSMEETINGURL:https://teams.microsoft.com/l/meetup-join/1", "https://teams.microsoft.com/l/meetup-join/1"),
    ("X-MICROSOFT-ONLINEMEETINGEXTERNALLINK:https://x.example.com/9", "https://x.example.com/9"),
    ("LOCATION:https://us02web.zoom.us/j/123?pwd=x", "https://us02web.zoom.us/j/123?pwd=x"),
    ("URL:https://acme.webex.com/meet/ann", "https://acme.webex.com/meet/ann"),
    ("DESCRIPTION:Join (https://teams.live.com/meet/93?p=q).", "https://teams.live.com/meet/93?p=q"),
    ("DESCRIPTION:<a href=\"https://meet.jit.si/Room\">x</a>", "https://meet.jit.si/Room"),
    ("DESCRIPTION:at https://global.gotomeeting.com/join/123456789\\nbye", "https://global.gotomeeting.com/join/123456789"),
    ("DESCRIPTION:https://whereby.com/room", "https://whereby.com/room"),
    ("DESCRIPTION:https://bluejeans.com/123456", "https://bluejeans.com/123456"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "link"), LINKS)
def test_links_of_conferences_are_found(line: str, link: str) -> None:
    assert read(event(line)).one.conference_links == (link,)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/agenda",
        "https://zoom.us",
        "https://support.zoom.us/hc/en-us",
        "https://zoom.us.evil.example/j/1",
        "https://notzoom.us/j/1",
        "https://meet.google.com/",
        "https://www.webex.com/downloads.html",
        "https://whereby.com/information/faq",
        "sip:123@x.zoom.us tel:+1",
        "https://[broken/j/1",
    ],
)
def test_other_links_are_not(text: str) -> None:
    assert read(event(f"DESCRIPTION:{text}", f"LOCATION:{text}")).one.conference_links == ()


def test_unchanged_entries_are_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.sources.ical import feed

    parsed: list[int] = []
    real = feed.read_group

    def counting(parts: object, budget: object) -> object:
        parsed.append(1)
        return real(parts, budget)  # type: ignore[arg-type]

    monkeypatch.setattr(feed, "read_group", counting)
    source = reader()

    def text(stamp: str, changed: str) -> str:
        return calendar(
            *(event(f"DTSTAMP:{stamp}", "SUMMARY:" + (changed if n == 7 else "x"), uid=f"u{n}") for n in range(50))
        )

    assert len(read_with(source, text("20261101T000000Z", "x")).meetings) == 50
    assert len(parsed) == 50
    assert len(read_with(source, text("20261102T000000Z", "x")).meetings) == 50
    assert len(parsed) == 50
    assert "new" in {one.title for one in read_with(source, text("20261103T000000Z", "new")).meetings}
    assert len(parsed) == 51
    read_with(source, calendar())
    read_with(source, text("20261103T000000Z", "new"))
    assert len(parsed) == 101


def test_single_entries_far_from_the_window_are_not_parsed() -> None:
    far = event("SUMMARY;broken", start=":20200101T090000Z", end=":20200101T100000Z")
    assert read(far, event(uid="b")).rejected == []
    assert [one.uid for one in read(far, known=["s:a"]).rejected] == ["a"]
    long = event(start=":20200101T090000Z", end=":20300101T100000Z")
    assert read(long).printed() == ["s:a"]


def test_huge_entries_cost_time_in_proportion() -> None:
    alarms = "\r\n".join(["BEGIN:VALARM\r\nUID:x\r\nEND:VALARM"] * 20_000)
    lines = "\r\n".join(["DESCRIPTION:x", *["no colon"] * 50_000])
    begun = time.process_time()
    found = read(f"BEGIN:VEVENT\r\n{alarms}\r\n" + event(lines).removeprefix("BEGIN:VEVENT\r\n"))
    assert found.printed() == ["s:a"]
    assert time.process_time() - begun < 3
