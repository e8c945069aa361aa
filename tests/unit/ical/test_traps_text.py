"""Traps of real calendars, one test each: how the text itself is written, coded, folded and cut."""

import base64
import quopri
import random
from contextlib import suppress

import pytest

from connectors.sources.ical.text import open_feed
from connectors.sources.ical.values import Unreadable
from sync.model import Participant
from tests.unit.ical.support import Result, calendar, event, read, read_with, reader

TITLE = "SUMMARY:Zürich – Besprechung"
GOOD = calendar(event(TITLE), event("SUMMARY:plain", uid="b"))


def titles(found: Result) -> dict[str, str]:
    assert found.rejected == []
    assert found.defect == ""
    return {one.key.uid: one.title for one in found.meetings}


def both(body: bytes, charset: str = "") -> tuple[str, list[str]]:
    """The title with characters beyond ASCII, and the findings; the plain one beside it must have none."""
    found = read_with(reader(), body, charset=charset)
    assert titles(found)["b"] == "plain"
    assert [one.findings for one in found.meetings if one.key.uid == "b"] == [()]
    (one,) = (one for one in found.meetings if one.key.uid == "a")
    return one.title, [f"{finding.code}: {finding.message}" for finding in one.findings]


def test_not_utf8_but_windows_1252() -> None:
    title, findings = both(GOOD.encode("cp1252"))
    assert title == "Zürich – Besprechung"
    assert findings == ["charset-assumed: its text is not UTF-8: it is read as Windows-1252, which is a guess"]


@pytest.mark.parametrize(
    ("declared", "codec"), [("windows-1251", "cp1251"), ("ISO-8859-15", "iso8859-15"), ("gbk", "gbk")]
)
def test_not_utf8_but_in_the_declared_charset(declared: str, codec: str) -> None:
    text = {"cp1251": "Встреча", "iso8859-15": "Grüße €", "gbk": "会议"}[codec]
    title, findings = both(GOOD.replace("Zürich – Besprechung", text).encode(codec), declared)
    assert title == text
    assert findings == [f"charset-assumed: its text is not UTF-8: it is read as {codec}, as declared"]


@pytest.mark.parametrize(
    "declared", ["iso-8859-1", "windows-1252", "gbk", "bogus", "utf-8", "us-ascii", "rot13", "punycode"]
)
def test_utf8_although_the_server_declares_something_else(declared: str) -> None:
    assert both(GOOD.encode(), declared) == ("Zürich – Besprechung", [])


def test_utf8_cut_within_a_character_is_not_taken_for_the_declared_charset() -> None:
    body = (GOOD + "X-END:ü").encode()[:-1]
    found = read_with(reader(), body, charset="iso-8859-1")
    assert found.defect
    assert "Zürich – Besprechung" in {one.title for one in found.meetings}


def test_a_charset_that_does_not_fit_is_as_none() -> None:
    title, findings = both(GOOD.encode("cp1252"), "ascii")
    assert title == "Zürich – Besprechung"
    assert "Windows-1252" in findings[0]
    assert both(GOOD.encode("cp1252"), "euc-jp")[0] == "Zürich – Besprechung"


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16(codec: str) -> None:
    title, findings = both(GOOD.encode(codec))
    assert title == "Zürich – Besprechung"
    assert findings == [f"charset-assumed: its text is not UTF-8: it is read as {codec}, as declared"]


@pytest.mark.parametrize("codec", ["iso2022_jp", "utf-7"])
def test_charsets_of_seven_bits_are_read_as_declared(codec: str) -> None:
    text = GOOD.replace("Zürich – Besprechung", "会議").encode(codec)
    assert titles(read_with(reader(), text, charset=codec))["a"] == "会議"


def test_bom() -> None:
    assert both(b"\xef\xbb\xbf" + GOOD.encode()) == ("Zürich – Besprechung", [])
    assert both(b"\xef\xbb\xbf" + GOOD.encode(), "iso-8859-1") == ("Zürich – Besprechung", [])


def test_nul() -> None:
    assert both(GOOD.encode().replace(b"Besp", b"Be\0sp")) == ("Zürich – Besprechung", [])


def test_bare_cr() -> None:
    assert both(GOOD.replace("\r\n", "\r").encode()) == ("Zürich – Besprechung", [])


@pytest.mark.parametrize("every", [2, 3])
def test_mixed_line_endings(every: int) -> None:
    lines = GOOD.split("\r\n")
    mixed = "".join(line + ("\n" if at % every else "\r\n") for at, line in enumerate(lines))
    assert both(mixed.encode()) == ("Zürich – Besprechung", [])
    doubled = GOOD.replace("\r\n", "\r\r\n")
    assert both(doubled.encode()) == ("Zürich – Besprechung", [])


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_separators_of_other_standards_are_data(character: str) -> None:
    found = read(event(f"SUMMARY:one{character}DTSTART:19700101T000000Z", "DESCRIPTION:x"))
    assert found.one.title == f"one{character}DTSTART:19700101T000000Z"


def test_broken_folding() -> None:
    lines = ["DESCRIPTION:first line", "second line of it", "", "third", "X-OWN:y", "more", TITLE]
    one = read(event(*lines)).one
    assert (one.description, one.title) == ("first linesecond line of itthird", "Zürich – Besprechung")


def test_folding_within_a_character_and_by_a_tab() -> None:
    body = calendar(event("SUMMARY:Zürich")).encode().replace("ü".encode(), b"\xc3\r\n\t\xbc")
    assert read_with(reader(), body).one.title == "Zürich"


@pytest.mark.parametrize("glue", ["", "\r\n\r\n", "\n \n"])
def test_several_vcalendars(glue: str) -> None:
    text = (
        calendar(event())
        + glue
        + calendar("X-WR-TIMEZONE:Asia/Tokyo", event(uid="b", start=":20261201T090000", end=None))
    )
    found = read_with(reader(), text)
    assert {one.key.uid: one.start.hour for one in found.meetings} == {"a": 9, "b": 0}
    assert found.defect == ""


def test_text_after_the_end_is_read_past_but_proves_nothing() -> None:
    found = read_with(reader(), GOOD + "<!-- 3 ms -->")
    assert found.printed() == ["s:a", "s:b"]
    assert found.defect == "other text behind END:VCALENDAR"


@pytest.mark.parametrize("cut", ["END:VCALENDAR", "END:VEVENT\r\nEND:VCALENDAR", "BEGIN:VEVENT\r\nUID:b"])
def test_truncated(cut: str) -> None:
    found = read_with(reader(), GOOD[: GOOD.rindex(cut)])
    assert found.defect
    assert "s:a" in found.printed()


def test_no_events() -> None:
    found = read()
    assert (found.meetings, found.rejected, found.defect) == ([], [], "")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "an empty body"),
        ("\r\n \r\n", "an empty body"),
        ("<!DOCTYPE html><html>", "HTML"),
        ('{"error": 1}', "JSON"),
        ("<?xml version='1.0'?>", "XML"),
        ("<br />\n<b>Warning</b>: x", "HTML"),
        ("Warning: x in y\n" + GOOD, "in front"),
        ("Sign in", "BEGIN:VCALENDAR"),
    ],
)
def test_html_json_or_a_php_warning_with_200(body: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        open_feed(body.encode(), "")


REQUEST = calendar("METHOD:REQUEST", event(TITLE, "ATTENDEE;CN=Ann:mailto:ann@x.org", "ORGANIZER:mailto:bo@x.org"))
MAIL = """\
Received: from a.example.com by b.example.com; Sun, 22 Nov 2026 10:00:00 +0000
From: Bo <bo@x.org>
Subject: =?utf-8?q?Einladung?=
 folded
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

--outer
Content-Type: multipart/alternative; boundary="inner"

--inner
Content-Type: text/plain; charset=utf-8

BEGIN:VCALENDAR is only mentioned here
--inner
Content-Type: text/calendar; charset={charset}; method=REQUEST
Content-Transfer-Encoding: {encoding}

{content}
--inner--
--outer
Content-Type: application/ics; name="invite.ics"
Content-Disposition: attachment; filename="invite.ics"
Content-Transfer-Encoding: base64

{attached}
--outer--
"""


def mail(text: str, encoding: str = "base64", charset: str = "utf-8") -> bytes:
    raw = text.encode(charset)
    coded = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring, "8bit": lambda body: body}[
        encoding
    ](raw)
    head, _, rest = MAIL.format(
        charset=charset, encoding=encoding, content="\0", attached=base64.encodebytes(raw).decode()
    ).partition("\0")
    return head.encode() + coded + rest.encode()


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_itip_mail_saved_as_ics(encoding: str, ending: str) -> None:
    body = mail(REQUEST, encoding)
    found = read_with(reader(), body if ending == "\n" else body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert found.defect == ""
    one = found.one
    assert (one.title, str(one.key), one.findings) == ("Zürich – Besprechung", "s:a", ())
    assert one.participants == (Participant("ann@x.org", "Ann"), *one.participants[1:])
    assert one.organizer == "bo@x.org"


def test_itip_mail_in_another_charset() -> None:
    found = read_with(reader(), mail(REQUEST, "quoted-printable", "windows-1252"))
    assert (found.one.title, found.said()) == ("Zürich – Besprechung", ["charset-assumed"])


def test_itip_mail_is_about_its_own_meeting_only() -> None:
    known = ["s:a", "s:other", "s:a@20261202T090000Z"]
    assert read_with(reader(), mail(REQUEST), known).unproved == ["s:a@20261202T090000Z", "s:other"]
    gone = read_with(reader(), mail(REQUEST.replace("REQUEST", "CANCEL")), known)
    assert sorted(str(one.key) for one in gone.meetings if one.cancelled) == ["s:a", "s:a@20261202T090000Z"]
    assert gone.unproved == ["s:other"]
    reply = read_with(reader(), mail(REQUEST.replace("REQUEST", "REPLY")), known)
    assert (reply.meetings, reply.unproved) == ([], sorted(known))


def test_itip_mail_with_the_calendar_attached_only() -> None:
    raw = mail(REQUEST).replace(b"text/calendar", b"text/x-other")
    assert read_with(reader(), raw).one.title == "Zürich – Besprechung"
    with pytest.raises(Unreadable, match="a mail without a calendar"):
        open_feed(raw.replace(b"application/ics", b"image/png").replace(b"invite.ics", b"invite.png"), "")


def test_itip_mail_whose_parts_are_nested_without_end() -> None:
    parts = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number) for number in range(3000)
    )
    with pytest.raises(Unreadable, match="a mail that cannot be read"):
        open_feed(b"MIME-Version: 1.0\n" + parts, "")


def test_itip_mail_that_is_cut_proves_nothing() -> None:
    body = mail(REQUEST, "8bit")
    found = read_with(reader(), body[: body.index(b"END:VCALENDAR")], ["s:other"])
    assert found.defect


@pytest.mark.parametrize("seed", range(4))
def test_itip_mail_that_is_damaged_never_raises_anything_else(seed: int) -> None:
    pick, whole = random.Random(seed), mail(REQUEST, "quoted-printable")
    scraps = [
        b"\r\n",
        b"\n\n",
        b";",
        b'"',
        b"=?x?b?",
        b"\xff",
        b"*0*=",
        b"--inner",
        b"charset*9" + b"9" * 5000 + b"=x;",
    ]
    for _ in range(100):
        body = bytearray(whole)
        for _ in range(pick.randint(1, 5)):
            at = pick.randrange(len(body))
            if pick.random() < 0.5:
                body[at:at] = pick.choice(scraps)
            else:
                del body[at : at + pick.randint(1, 40)]
        with suppress(Unreadable):
            read_with(reader(), bytes(body))


def test_itip_mail_with_a_parameter_that_the_library_chokes_on() -> None:
    body = mail(REQUEST).replace(b"text/calendar;", b"text/calendar; x*" + b"9" * 5000 + b"=x;")
    with pytest.raises(Unreadable, match="a mail that cannot be read"):
        open_feed(body, "")
