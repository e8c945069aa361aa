"""What kind of file the first bytes tell of, and what is believed when they tell nothing."""

import io
import random
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.media import extension_of, informative, looks_like_a_page, media_type_of, type_of_name


def zipped(*names: str, method: int = zipfile.ZIP_DEFLATED, content: str = "x" * 100) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name in names:
            file.writestr(name, content)
    return buffer.getvalue()


OFFICE = "application/vnd.openxmlformats-officedocument."
ODT = "application/vnd.oasis.opendocument.text"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(30)
DOCX = zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
MATROSKA = b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\xf2\x81\4B\xf3\x81\x08B\x82"

BY_CONTENT = {
    "pdf": (PDF, "application/pdf", ".pdf"),
    "pdf behind blanks": (b"\xef\xbb\xbf\r\n" + PDF, "application/pdf", ".pdf"),
    "png": (PNG, "image/png", ".png"),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1" + bytes(30), "image/jpeg", ".jpg"),
    "gif": (b"GIF89a" + bytes(30), "image/gif", ".gif"),
    "webp": (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(30), "image/webp", ".webp"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(30), "audio/wav", ".wav"),
    "docx": (DOCX, OFFICE + "wordprocessingml.document", ".docx"),
    "xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"), OFFICE + "spreadsheetml.sheet", ".xlsx"),
    "pptx": (zipped("ppt/presentation.xml"), OFFICE + "presentationml.presentation", ".pptx"),
    "odt": (zipped("mimetype", method=zipfile.ZIP_STORED, content=ODT), ODT, ".odt"),
    "zip": (zipped("a.txt", "sword/a"), "application/zip", ".zip"),
    "mp4": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "video/mp4", ".mp4"),
    "mov": (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", "video/quicktime", ".mov"),
    "m4a": (b"\0\0\0\x20ftypM4A \0\0\2\0", "audio/mp4", ".m4a"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic", ".heic"),
    "webm": (MATROSKA + b"\x84webm" + bytes(30), "video/webm", ".webm"),
    "mkv": (MATROSKA + b"\x88matroska" + bytes(30), "video/x-matroska", ".mkv"),
    "mp3": (b"ID3\3\0\0\0\0\0\x21TT2" + bytes(30), "audio/mpeg", ".mp3"),
    "rtf": (b"{\\rtf1\\ansi hello}", "application/rtf", ".rtf"),
    "ole": (OLE, "application/x-ole-storage", ""),
    "gzip": (b"\x1f\x8b\x08" + bytes(30), "application/gzip", ".gz"),
    "html": (b"<!DOCTYPE html>\n<html><body>x</body></html>", "text/html", ".html"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "image/svg+xml", ".svg"),
    "svg with a head": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg>', "image/svg+xml", ".svg"),
    "xml": (b'<?xml version="1.0"?><a href="x"/>', "application/xml", ".xml"),
    "json": (b'{"a": 1}', "application/json", ".json"),
    "json list": (b'[{"a": 1}]', "application/json", ".json"),
    "text": (b"Minutes of the meeting, on Monday\n", "text/plain", ".txt"),
    "text that begins as others do": (b"BM is fine, MZ too, PK and {others}", "text/plain", ".txt"),
    "text cut in a character": ("Zürich"[:2].encode()[:-1], "text/plain", ".txt"),
    "empty": (b"", "application/octet-stream", ""),
    "blank": (b" \n", "application/octet-stream", ""),
    "binary": (bytes(range(256)), "application/octet-stream", ""),
}


@pytest.mark.parametrize("kind", BY_CONTENT)
def test_the_content_says_what_it_is(kind: str) -> None:
    head, media_type, extension = BY_CONTENT[kind]
    assert media_type_of(head, "", "") == media_type
    assert extension_of(media_type) == extension
    assert media_type_of(head[:4096], "application/octet-stream", "download.bin") == media_type


@pytest.mark.parametrize(
    ("head", "declared", "name", "expected"),
    [
        (PDF, "image/png", "x.docx", "application/pdf"),
        (b"<html>", "application/pdf", "x.pdf", "text/html"),
        (OLE, "", "x.XLS", "application/vnd.ms-excel"),
        (OLE, "application/msword", "x.xls", "application/msword"),
        (OLE, "application/pdf", "x.pdf", "application/x-ole-storage"),
        (zipped("a"), "", "x.docx", OFFICE + "wordprocessingml.document"),
        (zipped("a"), "application/epub+zip", "", "application/epub+zip"),
        (zipped("a"), "image/png", "", "application/zip"),
        (DOCX, "application/zip", "x.zip", OFFICE + "wordprocessingml.document"),
        (b"OggS\0\2", "audio/ogg", "", "audio/ogg"),
        (b"<html>", "application/xhtml+xml", "", "application/xhtml+xml"),
        (b"hello", "Text/Markdown; charset=utf-8", "x.txt", "text/markdown"),
        (b"hello", "nonsense", "x.csv", "text/csv"),
        (b"hello", "application/octet-stream", "X.CSV", "text/csv"),
        (b"", "video/mp4", "", "video/mp4"),
        (b"", "", "x.mp4", "video/mp4"),
        (b'{"a"', "text/plain", "", "text/plain"),
    ],
)
def test_what_is_said_counts_where_the_content_leaves_it_open(
    head: bytes, declared: str, name: str, expected: str
) -> None:
    assert media_type_of(head, declared, name) == expected


@pytest.mark.parametrize(
    "head",
    [
        b"<!doctype html>",
        b"<!DOCTYPE  HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>",
        b"<html>",
        b"  \r\n\t<HtMl lang=en>",
        b"\xef\xbb\xbf<html>",
        "<html>".encode("utf-16"),
        b"\xfe\xff" + "\n<html >".encode("utf-16-be"),
        b"<!-- a --> <!-- b\n-->\n<head>",
        b'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html PUBLIC "x">',
        b"<script>location='/login'</script>",
        b"<title>Sign in</title>",
        b"<body/>",
        b"<meta charset=utf-8>",
        b"<h1>Not found</h1>",
        b"<br />\n<b>Warning</b>: mysql_connect()",
    ],
)
def test_a_page_is_known_in_any_spelling(head: bytes) -> None:
    assert looks_like_a_page(head)
    assert media_type_of(head, "application/pdf", "x.pdf") == "text/html"


@pytest.mark.parametrize(
    "head",
    [b"", b"<", b"html", b"<htmlx>", b"<!-- html", b"text <html>", b"<?xml version='1.0'?><a>", b"<svg>", b"<p", PDF],
)
def test_other_texts_are_no_pages(head: bytes) -> None:
    assert not looks_like_a_page(head)


def test_random_bytes_are_nothing_in_particular() -> None:
    seeded = random.Random(4)
    assert {media_type_of(seeded.randbytes(512), "", "") for _ in range(2000)} == {"application/octet-stream"}


@given(st.binary(max_size=300), st.text(max_size=30), st.text(max_size=30))
def test_there_is_an_answer_for_everything(head: bytes, declared: str, name: str) -> None:
    assert "/" in media_type_of(head, declared, name)
    assert extension_of(declared) == "" or extension_of(declared).startswith(".")
    looks_like_a_page(head)


@pytest.mark.parametrize("piece", [b"PK\x03\x04", b"<!-- -->", b"<!--", b"<?xml ", b" ", b"{", b"\xc3\xbc"])
def test_a_long_head_takes_no_time(piece: bytes) -> None:
    begun = time.process_time()
    media_type_of(piece * (8_000_000 // len(piece)), "", "")
    assert time.process_time() - begun < 1


def test_names_and_types_that_are_not_known_are_said_to_be() -> None:
    assert [type_of_name(name) for name in ("a", ".", "a.", "a.unheard-of", "", "a.pdf.", "a.PdF")] == [
        *[""] * 6,
        "application/pdf",
    ]
    assert [extension_of(kind) for kind in ("", "x", "application/x-unheard-of", "application/octet-stream")] == [
        ""
    ] * 4
    assert extension_of("Video/MP4; codecs=avc1") == ".mp4"
    assert extension_of("application/epub+zip") == ".epub"
    assert [informative(kind) for kind in ("", "x", "Application/Octet-Stream", "IMAGE/PNG;a=b")] == [
        "",
        "",
        "",
        "image/png",
    ]
