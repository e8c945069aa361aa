"""What an entry's ATTACH lines give: documents, or a finding that says what was left out without its address."""

import base64
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.ical import attachments
from sync.model import Document, Meeting
from tests.unit.ical.support import calendar, event, read, read_with, reader

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 3
IN_BASE64 = base64.b64encode(PDF).decode()
BINARY = "ENCODING=BASE64;VALUE=BINARY"
MIB = 1024 * 1024


def attached(*lines: str) -> tuple[Document, ...]:
    one = read(event(*lines)).one
    assert one.findings == ()
    return one.documents


def left_out(*lines: str) -> list[str]:
    one = read(event(*lines)).one
    assert {finding.code for finding in one.findings} == {"document-skipped"}
    return [finding.message for finding in one.findings]


def folded(line: str, end: str = "\r\n", size: int = 75) -> str:
    pieces = [line[:size], *(" " + line[at : at + size - 1] for at in range(size, len(line), size - 1))]
    return end.join(pieces)


DRIVE = "https://drive.google.com/file/d/1aB_c/view?usp=drive_web"
LINKED = [
    (f"ATTACH;FILENAME=Agenda.pdf;FMTTYPE=application/pdf:{DRIVE}", "Agenda.pdf", "application/pdf", DRIVE),
    (f"ATTACH;FILENAME=A;FMTTYPE=application/vnd.google-apps.x:{DRIVE}", "A", "application/vnd.google-apps.x", DRIVE),
    ("ATTACH;X-FILENAME=Plan.docx:https://x.org/owa/a?id=1", "Plan.docx", "", "https://x.org/owa/a?id=1"),
    ("ATTACH;X-APPLE-FILENAME=Plan.key:https://x.org/1", "Plan.key", "", "https://x.org/1"),
    ("ATTACH;X-FILENAME=b;FILENAME=a:https://x.org/1", "a", "", "https://x.org/1"),
    ("ATTACH;MANAGED-ID=aUN;SIZE=102;FMTTYPE=TEXT/HTML;FILENAME=a.htm:https://x.org/1", "a.htm", "text/html", "https://x.org/1"),
    ("ATTACH:https://x.org/docs/My%20plan%20%E2%9C%93.pdf?key=1", "My plan ✓.pdf", "", "https://x.org/docs/My%20plan%20%E2%9C%93.pdf?key=1"),
    ("ATTACH:https://x.org", "", "", "https://x.org"),
    ("ATTACH:https://x.org/docs/", "", "", "https://x.org/docs/"),
    ("ATTACH:https://x.org/a%0Ab%00c.pdf", "abc.pdf", "", "https://x.org/a%0Ab%00c.pdf"),
    ("ATTACH:https://x.org/a/..%2F..%2Fetc%2Fpasswd", "../../etc/passwd", "", "https://x.org/a/..%2F..%2Fetc%2Fpasswd"),
    ("ATTACH:http://x.org:8080/a.pdf#page=2", "a.pdf", "", "http://x.org:8080/a.pdf#page=2"),
    ("ATTACH:HTTPS://X.org/a.pdf", "a.pdf", "", "HTTPS://X.org/a.pdf"),
    ("ATTACH: <https://x.org/a.pdf> ", "a.pdf", "", "https://x.org/a.pdf"),
    ("ATTACH:https://x.org/my plan.pdf", "my plan.pdf", "", "https://x.org/my%20plan.pdf"),
    ("ATTACH:https://x.org/a\\,b\\;c.pdf", "a,b;c.pdf", "", "https://x.org/a,b;c.pdf"),
    ("ATTACH;VALUE=URI;ENCODING=BASE64:https://x.org/a.pdf", "a.pdf", "", "https://x.org/a.pdf"),
    ("attach;filename=a.pdf;fmttype=Application/PDF:https://x.org/1", "a.pdf", "application/pdf", "https://x.org/1"),
    ('ATTACH;FILENAME="a; b: c, d.txt":https://x.org/1', "a; b: c, d.txt", "", "https://x.org/1"),
    ('ATTACH;FMTTYPE="text/plain;charset=x":https://x.org/1', "1", "text/plain", "https://x.org/1"),
    ('ATTACH;FILENAME="a ^^ ^\'b^\'.pdf":https://x.org/1', 'a ^ "b".pdf', "", "https://x.org/1"),
    ("ATTACH;FILENAME=a, b.pdf:https://x.org/1", "a, b.pdf", "", "https://x.org/1"),
    ('ATTACH;FILENAME="C:\\temp\\a.pdf":https://x.org/1', "C:\\temp\\a.pdf", "", "https://x.org/1"),
    ("ATTACH;FILENAME=a\x07\x1bb\x85.pdf:https://x.org/1", "ab.pdf", "", "https://x.org/1"),
    ("ATTACH;FILENAME=\x01;X-FILENAME=b:https://x.org/1", "b", "", "https://x.org/1"),
    ("ATTACH;FMTTYPE=pdf;FILENAME=../../x:https://x.org/1", "../../x", "", "https://x.org/1"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "name", "media_type", "url"), LINKED)
def test_an_address_is_a_document_to_fetch(line: str, name: str, media_type: str, url: str) -> None:
    assert attached(line) == (Document(name, media_type, url=url),)


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("size", [75, 20, 10_000])
def test_content_in_the_calendar_is_decoded_however_it_is_folded(end: str, size: int) -> None:
    line = f"ATTACH;FMTTYPE=application/pdf;{BINARY};X-FILENAME=plan.pdf:{IN_BASE64}"
    text = calendar(event("MARK")).replace("\r\n", end).replace("MARK", folded(line, end, size))
    for same in (text, text.replace(f"{end} ", f"{end}\t")):
        assert read_with(reader(), same).one.documents == (Document("plan.pdf", "application/pdf", PDF),)


@pytest.mark.parametrize("blank", ["\r\n  ", "\r\n\t\t", "\r\n \r\n ", "  ", "\r\n\r\n "])
def test_blanks_in_content_are_of_no_meaning(blank: str) -> None:
    text = blank.join(IN_BASE64[at : at + 60] for at in range(0, len(IN_BASE64), 60))
    assert attached(f"ATTACH;{BINARY}:{blank}{text}{blank}") == (Document("", "", PDF),)


@pytest.mark.parametrize(
    "parameters",
    [
        BINARY,
        "VALUE=BINARY",
        "ENCODING=BASE64",
        "encoding=base64;value=binary",
        "ENCODING=b;VALUE=BINARY",
        f'{BINARY};FILENAME="^x, "',
    ],
)
def test_content_is_known_by_its_parameters(parameters: str) -> None:
    (document,) = attached(f"ATTACH;{parameters}:{IN_BASE64}")
    assert (document.content, document.url) == (PDF, None)


@given(st.binary(min_size=1, max_size=2000), st.sampled_from(["\r\n", "\n"]), st.integers(5, 200))
def test_any_content_comes_back_equal(content: bytes, end: str, size: int) -> None:
    line = f"ATTACH;{BINARY};FILENAME=x:{base64.b64encode(content).decode()}"
    text = calendar(event("MARK")).replace("\r\n", end).replace("MARK", folded(line, end, size))
    assert read_with(reader(), text).one.documents == (Document("x", "", content),)


OTHER = [
    ("ATTACH:cid:part1.0001@x.org", "an attachment", "cid:"),
    ("ATTACH;X-FILENAME=a.pdf:CID:part1@x.org", "the attachment 'a.pdf'", "cid:"),
    ("ATTACH:file:///etc/passwd", "an attachment", "file:"),
    ("ATTACH:ftp://x.org/secret", "an attachment", "ftp:"),
    ("ATTACH:mailto:secret@x.org", "an attachment", "mailto:"),
    ("ATTACH:javascript:alert(secret)", "an attachment", "javascript:"),
    ("ATTACH:data:text/plain;base64,c2VjcmV0", "an attachment", "data:"),
    ("ATTACH:secret/plan.pdf", "an attachment", "no address"),
    ('ATTACH;FILENAME=C:\\temp\\"secret".pdf:https://x.org/1', "the attachment 'C'", "no address"),
    ("ATTACH://x.org/secret", "an attachment", "no address"),
    ("ATTACH:https:///secret", "an attachment", "not a valid"),
    ("ATTACH:https://[broken/secret", "an attachment", "not a valid"),
    ("ATTACH:https://x.org:99999/secret", "an attachment", "not a valid"),
    ("ATTACH:https://x y.org/secret", "an attachment", "not a valid"),
    ("ATTACH:https://x.org/secret\x01", "an attachment", "not a valid"),
    ("ATTACH:https://x.org/secret\\nHost: y", "an attachment", "not a valid"),
    ("ATTACH:https://ann:secret@x.org/a.pdf", "an attachment", "log in"),
    ("ATTACH:https://x.org/" + "secret" * 2000, "an attachment", "too long"),
    ("ATTACH:", "an attachment", "empty or cannot be read"),
    ("ATTACH;X=\"a:https://x.org/secret", "an attachment", "cannot be read"),
    ("ATTACH;FILENAME=a.pdf:https://x.org/sec\r\nret.pdf", "the attachment 'a.pdf'", "cannot be read"),
    (f"ATTACH;{BINARY}:{IN_BASE64[:-1]}", "an attachment", "damaged"),
    (f"ATTACH;{BINARY}:{IN_BASE64[:-3]}", "an attachment", "damaged"),
    (f"ATTACH;{BINARY}:={IN_BASE64[1:]}", "an attachment", "damaged"),
    (f"ATTACH;{BINARY}:{IN_BASE64}AAAA=", "an attachment", "damaged"),
    (f"ATTACH;{BINARY}:AA==AAAA", "an attachment", "damaged"),
    (f"ATTACH;{BINARY}:AA!AAAA=", "an attachment", "damaged"),
    (f"ATTACH;{BINARY}:AAÄAAAA=", "an attachment", "damaged"),
    (f"ATTACH;{BINARY}:{IN_BASE64[:40]}\r\n{IN_BASE64[40:]}", "an attachment", "cannot be read"),
    (f"ATTACH;{BINARY}: ", "an attachment", "empty"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "who", "why"), OTHER)
def test_what_cannot_be_taken_costs_itself_only_and_is_said(line: str, who: str, why: str) -> None:
    one = read(event(line, "ATTACH:https://x.org/good.pdf", "SUMMARY:x")).one
    assert [document.name for document in one.documents] == ["good.pdf"]
    assert one.title == "x"
    (finding,) = one.findings
    assert finding.code == "document-skipped"
    assert finding.message.startswith(f"{who} is left out: ")
    assert why in finding.message
    assert "secret" not in finding.message
    assert "x.org" not in finding.message


def inline(size: int, name: str = "x") -> str:
    return f"ATTACH;{BINARY};FILENAME={name}:{base64.b64encode(name.encode() * (size // len(name))).decode()}"


def test_content_up_to_ten_mebibytes_is_taken() -> None:
    (document,) = attached(inline(10 * MIB))
    assert len(document.content) == 10 * MIB
    for size in (10 * MIB + 1, 11 * MIB, 40 * MIB):
        assert "'x'" in left_out(inline(size))[0]
        assert "larger than 10 MiB" in left_out(inline(size))[0]


def test_an_entry_carries_at_most_25_mebibytes() -> None:
    one = read(event(*(inline(9 * MIB, name) for name in "abcd"), "ATTACH:https://x.org/e")).one
    assert [document.name for document in one.documents] == ["a", "b", "e"]
    assert [f.message.partition(" is left")[0] for f in one.findings] == ["the attachment 'c'", "the attachment 'd'"]
    assert "together larger than 25 MiB" in one.findings[0].message


def test_an_entry_has_at_most_fifty_documents() -> None:
    one = read(event(*(f"ATTACH:https://x.org/{number}" for number in range(60)))).one
    assert [document.name for document in one.documents] == [str(number) for number in range(50)]
    assert [finding.message for finding in one.findings] == [
        "10 more attachments are left out: an entry may have 50 documents"
    ]


def test_many_bad_attachments_are_counted_and_not_listed() -> None:
    messages = left_out(*(f"ATTACH;FILENAME={number}:cid:{number}" for number in range(5000)))
    assert len(messages) == 11
    assert messages[-1] == "4990 more attachments are left out for such reasons"


def test_a_document_that_stands_there_twice_is_one() -> None:
    lines = ["ATTACH;FILENAME=a:https://x.org/1", "ATTACH;FILENAME=b:https://x.org/1"]
    content = [f"ATTACH;{BINARY};FILENAME={name}:{IN_BASE64}" for name in "cd"]
    assert [document.name for document in attached(lines[0], content[0], *lines, *content)] == ["a", "c"]


def test_an_attachment_of_an_alarm_is_a_sound_and_no_document() -> None:
    sound = "BEGIN:VALARM\r\nACTION:AUDIO\r\nATTACH;FMTTYPE=audio/basic:https://x.org/bell.aud\r\nEND:VALARM"
    assert attached(sound, "ATTACH:https://x.org/a.pdf", sound) == (Document("a.pdf", "", url="https://x.org/a.pdf"),)
    broken = "BEGIN:VALARM\r\nATTACH:cid:1\r\nEND:VALARM"
    assert read(event(broken)).one.findings == ()
    calendars = calendar("BEGIN:VTODO\r\nUID:t\r\nATTACH:https://x.org/a.pdf\r\nEND:VTODO", event())
    assert read_with(reader(), calendars).one.documents == ()


def names(meetings: list[Meeting]) -> dict[str, list[str]]:
    return {one.start.strftime("%d"): [document.name for document in one.documents] for one in meetings}


def test_an_override_has_the_attachments_that_it_has_itself() -> None:
    master = event("RRULE:FREQ=DAILY;COUNT=3", "ATTACH:https://x.org/a", "ATTACH:cid:1")
    second = event("RECURRENCE-ID:20261202T090000Z", "ATTACH:https://x.org/b", start=":20261202T090000Z", end=None)
    third = event("RECURRENCE-ID:20261203T090000Z", start=":20261203T090000Z", end=None)
    found = read(master, second, third).meetings
    assert names(found) == {"01": ["a"], "02": ["b"], "03": []}
    assert [one.start.day for one in found if one.findings] == [1]


def test_the_rest_of_a_series_has_the_attachments_of_its_new_word() -> None:
    master = event("RRULE:FREQ=DAILY;COUNT=3", "ATTACH:https://x.org/a")
    onwards = event(
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20261202T090000Z",
        "ATTACH:https://x.org/b",
        start=":20261202T090000Z",
        end=":20261202T100000Z",
    )
    assert names(read(master, onwards).meetings) == {"01": ["a"], "02": ["b"], "03": ["b"]}


def test_a_changed_attachment_changes_its_entry_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.sources.ical import feed

    parsed: list[int] = []
    real = feed.read_group

    def counting(parts: object, budget: object) -> object:
        parsed.append(1)
        return real(parts, budget)  # type: ignore[arg-type]

    monkeypatch.setattr(feed, "read_group", counting)
    source = reader()

    def text(content: bytes) -> str:
        line = folded(f"ATTACH;{BINARY}:{base64.b64encode(content).decode()}")
        return calendar(*(event(line if number == 3 else "SUMMARY:x", uid=f"u{number}") for number in range(9)))

    read_with(source, text(PDF))
    read_with(source, text(PDF))
    assert len(parsed) == 9
    found = read_with(source, text(PDF + b"!")).meetings
    assert len(parsed) == 10
    assert [one.documents[0].content for one in found if one.documents] == [PDF + b"!"]


def test_a_large_attachment_costs_in_proportion() -> None:
    unusual = 'FILENAME="a, ^^.pdf"'
    line = f"ATTACH;{BINARY};{unusual}:{base64.b64encode(bytes(range(256)) * 4 * 8 * 1024).decode()}"
    text = calendar(event(folded(line))).encode()
    begun = time.process_time()
    (document,) = read_with(reader(), text).one.documents
    assert time.process_time() - begun < 3
    assert (len(document.content), document.name) == (8 * MIB, "a, ^.pdf")
    tracemalloc.start()
    try:
        read_with(reader(), text)
        assert tracemalloc.get_traced_memory()[1] < 9 * len(text)
    finally:
        tracemalloc.stop()


def test_entries_without_attachments_cost_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(attachments, "_document", never)
    assert len(read(*(event("SUMMARY:x", uid=f"u{number}") for number in range(1000))).meetings) == 1000


def test_what_is_secret_is_in_no_text_form() -> None:
    one = read(event("ATTACH:https://x.org/geheim", f"ATTACH;{BINARY}:{IN_BASE64}")).one
    assert "geheim" not in repr(one.documents[0]).replace("name='geheim'", "")
    assert "PDF" not in repr(one.documents[1])
