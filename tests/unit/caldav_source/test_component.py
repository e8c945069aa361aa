"""Editing a VEVENT where it stands: what changes, and that nothing else does."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.caldav.component import Component, put_artifact, put_link, shows
from sync.outlets import Archived

LINK, FORMER = "https://meet.vendor.example/j/2?a=b;c", "https://meet.vendor.example/j/1"
TAPE = Archived("recording", "Tape", "video/mp4", 1, "a.mp4", "https://archive.example/a.mp4")


def vevent(*lines: str, end: str = "\r\n") -> bytes:
    return end.join(["BEGIN:VEVENT", "UID:a", *lines, "END:VEVENT"]).encode()


def after(text: bytes, link: str = LINK, former: str = "") -> list[str]:
    component = Component(text)
    changed = put_link(component, link, former)
    assert changed == (component.text != text)
    assert not put_link(component, link, former), "doing it again changes nothing"
    return component.text.decode().replace("\r\n ", "").split("\r\n")


ADDED = [
    f"CONFERENCE;VALUE=URI;FEATURE=VIDEO:{LINK}",
    f"URL:{LINK}",
    "LOCATION:" + LINK.replace(";", "\\;"),
    "X-CONVENER-JOIN-URL:" + LINK.replace(";", "\\;"),
]


def test_a_link_is_put_behind_the_properties_and_in_front_of_the_alarms() -> None:
    alarm = ["BEGIN:VALARM", "LOCATION:", "URL:", "END:VALARM"]
    assert after(vevent("SUMMARY:x", *alarm)) == ["BEGIN:VEVENT", "UID:a", "SUMMARY:x", *ADDED, *alarm, "END:VEVENT"]


def test_without_a_link_only_the_former_one_goes() -> None:
    text = vevent(f"URL:{FORMER}", "LOCATION:Room", f"CONFERENCE:{FORMER}", "CONFERENCE:https://zoom.us/j/1", "URL:")
    kept = ["LOCATION:Room", "CONFERENCE:https://zoom.us/j/1", "URL:"]
    assert after(text, "", FORMER) == ["BEGIN:VEVENT", "UID:a", *kept, "END:VEVENT"]
    assert after(text, "", LINK) == text.decode().split("\r\n")
    assert after(text, "", "") == text.decode().split("\r\n")


def test_what_is_marked_as_ours_is_replaced_also_when_nobody_remembers_it() -> None:
    text = vevent(f"URL:{FORMER}", f"LOCATION:{FORMER}", f"X-CONVENER-JOIN-URL;VALUE=URI:{FORMER}", "X-OTHER:1")
    found = after(text)
    assert FORMER not in "".join(found)
    assert found[2:5] == [ADDED[1], ADDED[2], ADDED[3]]
    assert found[5:7] == ["X-OTHER:1", ADDED[0]]


@pytest.mark.parametrize("room", ["LOCATION:Room", "location;LANGUAGE=de:Raum", "LOCATION:Room\\nand more"])
def test_a_location_of_a_persons_is_kept(room: str) -> None:
    assert after(vevent(room)) == ["BEGIN:VEVENT", "UID:a", room, ADDED[0], ADDED[1], ADDED[3], "END:VEVENT"]


@pytest.mark.parametrize("empty", ["LOCATION:", "LOCATION: ", "location;LANGUAGE=de:"])
def test_an_empty_location_is_filled(empty: str) -> None:
    assert after(vevent(empty))[2] == ADDED[2]


def test_a_link_with_a_comma_is_no_conference() -> None:
    link = "https://meet.vendor.example/a,b"
    found = after(vevent(), link)
    assert not any(line.startswith("CONFERENCE") for line in found)
    assert f"URL:{link}" in found
    assert any(line.startswith("CONFERENCE") for line in after(vevent(f"CONFERENCE;VALUE=URI:{link}"), link)) is False


def test_the_former_link_goes_from_wherever_it_is_doubled() -> None:
    found = after(vevent(f"CONFERENCE:{FORMER}", f"CONFERENCE:{FORMER}", f"URL:{FORMER}"), LINK, FORMER)
    assert found == ["BEGIN:VEVENT", "UID:a", ADDED[0], ADDED[1], ADDED[2], ADDED[3], "END:VEVENT"]


def test_lines_are_ended_and_folded_as_iCalendar_wants() -> None:  # noqa: N802
    link = "https://meet.vendor.example/" + "ü€😀" * 40
    for end in ("\r\n", "\n"):
        component = Component(vevent("SUMMARY:x", end=end))
        put_link(component, link, "")
        for piece in component.text.split(end.encode()):
            assert len(piece) <= 75
            assert b"\r" not in piece
            piece.decode()
        assert shows(component, link)
        assert component.text.endswith(b"END:VEVENT")


def muted(*lines: str) -> list[str]:
    component = Component(vevent(*lines))
    component.mute()
    assert all(len(piece) <= 75 for piece in component.text.split(b"\r\n") if b"SCHEDULE" in piece)
    return component.text.decode().replace("\r\n ", "").split("\r\n")[2:-1]


def test_the_server_is_told_to_leave_invitations_to_us() -> None:
    long = f"ATTENDEE;CN={'n' * 60};PARTSTAT=ACCEPTED:mailto:a@client.example"
    assert muted(
        "ORGANIZER:mailto:b@client.example", long, "attendee;cn=x:mailto:c@client.example", "COMMENT:ATTENDEE:"
    ) == [
        "ORGANIZER;SCHEDULE-AGENT=CLIENT:mailto:b@client.example",
        long.replace("ATTENDEE;", "ATTENDEE;SCHEDULE-AGENT=CLIENT;"),
        "attendee;SCHEDULE-AGENT=CLIENT;cn=x:mailto:c@client.example",
        "COMMENT:ATTENDEE:",
    ]


@pytest.mark.parametrize("agent", ["SCHEDULE-AGENT=SERVER", "schedule-agent=none", 'SCHEDULE-AGENT="CLIENT"'])
def test_what_somebody_said_about_invitations_stays(agent: str) -> None:
    line = f"ATTENDEE;{agent};CN=x:mailto:a@client.example"
    assert muted(line, "BEGIN:VALARM", "ATTENDEE:mailto:x@client.example", "END:VALARM") == [
        line,
        "BEGIN:VALARM",
        "ATTENDEE:mailto:x@client.example",
        "END:VALARM",
    ]


def test_a_folded_line_is_muted_without_touching_its_folds() -> None:
    text = b'BEGIN:VEVENT\r\nATTENDEE;CN="a\r\n b";PARTSTAT=ACC\r\n\tEPTED:mailto:a@client.example\r\nEND:VEVENT'
    component = Component(text)
    component.mute()
    assert component.text == text.replace(b"ATTENDEE;", b"ATTENDEE;SCHEDULE-AGENT=CLIENT;")


def test_an_artifact_is_attached_with_its_name_and_kind() -> None:
    component = Component(vevent())
    assert put_artifact(component, TAPE)
    assert not put_artifact(component, TAPE)
    line = 'ATTACH;X-CONVENER-KIND=recording;FMTTYPE=video/mp4;FILENAME="Tape":https://archive.example/a.mp4'
    assert component.text.replace(b"\r\n ", b"").decode().split("\r\n")[2] == line


@pytest.mark.parametrize("name", ['a"b', "a\r\nEND:VEVENT", "a:b;c,d", "^n", "\x00\x07", ""])
def test_an_artifacts_name_cannot_break_out_of_its_line(name: str) -> None:
    component = Component(vevent())
    put_artifact(component, Archived("document", name, "x/y\r\nA:b", 1, "a", TAPE.url))
    lines = component.text.replace(b"\r\n ", b"").decode().split("\r\n")
    assert len(lines) == 4
    assert re.fullmatch(
        r'ATTACH;X-CONVENER-KIND=document(;FILENAME="[^"\r\n]*")?:https://archive.example/a.mp4', lines[2]
    )


LINES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=60)


@given(st.lists(LINES, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_every_other_byte_stays_and_ours_can_be_taken_out_again(lines: list[str], end: str) -> None:
    body = [f"X-A:{line}" if index % 2 else f"X-A;P=1:{line}{end} {line}" for index, line in enumerate(lines)]
    text = vevent(*body, end=end)
    component = Component(text)
    put_link(component, LINK, "")
    assert shows(component, LINK)
    put_link(component, "", LINK)
    assert component.text == text


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd(junk: bytes) -> None:
    text = b"BEGIN:VEVENT\r\n" + junk + b"\r\nEND:VEVENT"
    component = Component(text)
    assert component.text == text
    put_link(component, LINK, FORMER)
    component.mute()
