"""Which characters the bytes of a feed stand for.

A calendar is written in UTF-8 (RFC 5545 section 6), and many are not. In this order: a byte order mark, UTF-8, the
charset that the server or the mail declares, and piece by piece Windows-1252. UTF-8 goes before the declared charset
because servers declare their default one without having looked, and other text is practically never valid UTF-8.
"""

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    # without a mark: what begins with the B of BEGIN in two bytes
    (b"B\0E\0", "utf-16-le"),
    (b"\0B\0E", "utf-16-be"),
)
_UTF8 = frozenset({"utf-8", "ascii"})
_NO_TEXT = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-8-sig"})
"""Codecs that are none of a text, or that take time out of proportion; what has the mark of UTF-8 is seen by it."""
_SEVEN_BITS = re.compile(r"(?:iso2022|utf-?7|hz)", re.IGNORECASE)
"""Charsets whose bytes are valid UTF-8 whatever they stand for."""


def to_utf8(body: bytes, declared: str) -> tuple[bytes, str]:
    """The body in UTF-8, and the charset that it was in: "" when it is UTF-8 already, or when nothing is known that
    fits, so that `decode` has to read it piece by piece. A byte order mark is taken away."""
    for mark, codec in _MARKS:
        if body.startswith(mark):
            return body.decode(codec, "replace").encode("utf-8", "replace"), codec
    body = body.removeprefix(codecs.BOM_UTF8)
    charset = _codec(declared)
    if charset in _UTF8 or not charset:
        return body, ""
    if not _SEVEN_BITS.match(charset) and not charset.startswith(("utf-16", "utf-32")) and is_utf8(body):
        return body, ""
    try:
        return body.decode(charset).encode("utf-8", "replace"), charset
    except (UnicodeError, ValueError):
        return body, ""


def is_utf8(raw: bytes) -> bool:
    """Whether the bytes are UTF-8; the last character may be cut off."""
    if raw.isascii():
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return False
    return True


def decode(raw: bytes) -> str:
    """UTF-8, else Windows-1252: what calendars without a declared charset are written in."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _codec(declared: str) -> str:
    """The codec's name, "" when there is none of that name that a text may be in."""
    try:
        name = codecs.lookup(declared.strip().strip("\"'")).name.replace("_", "-")
        b"".decode(name)  # refuses codecs that are not of a text
    except (LookupError, ValueError, UnicodeError):
        return ""
    return "" if name in _NO_TEXT else name
