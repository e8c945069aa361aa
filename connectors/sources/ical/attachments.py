"""ATTACH to documents (RFC 5545 section 3.8.1.1): addresses to fetch them from, or their content in base64.

Names come from FILENAME (RFC 8607 section 4.3; Google), X-FILENAME (Exchange, Outlook) or X-APPLE-FILENAME. An
attachment that cannot be taken costs itself only, and a finding says so without its address, which is often a secret.
"""

import binascii
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import SplitResult, unquote, urlsplit

from connectors.sources.ical.lines import Line
from sync.model import Document, Finding

MAX_DOCUMENTS = 50
"""Of one entry; what comes behind them is left out."""
MAX_INLINE = 10 * 1024 * 1024
"""Bytes (decoded) of one document that the calendar itself carries."""
MAX_INLINE_TOGETHER = 25 * 1024 * 1024
"""Bytes (decoded) of all that one entry carries."""

OURS = "X-CONVENER-KIND"
"""The parameter of an attachment that convener has put there itself: what came of a meeting is no document for it."""

_MAX_ADDRESS = 8192
_MAX_SAID = 10
"""Findings about single attachments of one entry; the others are counted."""
_NAME_PARAMETERS = ("FILENAME", "X-FILENAME", "X-APPLE-FILENAME")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+-]{0,15}):")
_MEDIA_TYPE = re.compile(r"\s*([A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127})\s*(?:;.*)?", re.DOTALL)
_SPACE = b" \t\r\n"
_DAMAGED = "its content is damaged"
_TOO_LARGE = f"it is larger than {MAX_INLINE // 1024**2} MiB"


class _Skipped(ValueError):
    """One attachment is left out; the message is the reason for people."""


def documents(lines: Iterable[Line]) -> tuple[tuple[Document, ...], tuple[Finding, ...]]:
    """The documents of an entry's ATTACH lines, in order, each once; and what was left out of them and why."""
    found: dict[str, Document] = {}
    skipped: dict[str, None] = {}
    room, beyond = MAX_INLINE_TOGETHER, 0
    for line in lines:
        if OURS in line.parameters:
            continue
        if len(found) == MAX_DOCUMENTS:
            beyond += 1
            continue
        try:
            document = _document(line, room)
        except _Skipped as error:
            skipped[f"{_called(line)} is left out: {error}"] = None
            continue
        if found.setdefault(document.identity, document) is document:
            room -= len(document.content)
    return tuple(found.values()), _findings(list(skipped), beyond)


def _findings(skipped: list[str], beyond: int) -> tuple[Finding, ...]:
    messages = skipped[:_MAX_SAID]
    if len(skipped) > _MAX_SAID:
        messages.append(f"{len(skipped) - _MAX_SAID} more attachments are left out for such reasons")
    if beyond:
        messages.append(f"{beyond} more attachments are left out: an entry may have {MAX_DOCUMENTS} documents")
    return tuple(Finding("document-skipped", message) for message in messages)


def _document(line: Line, room: int) -> Document:
    """Raises _Skipped."""
    if not line.value.strip():
        raise _Skipped("it is empty or cannot be read")
    return _inline(line, room) if _carries_content(line) else _linked(line)


def _carries_content(line: Line) -> bool:
    kind = line.parameters.get("VALUE", "").strip().upper()
    encoding = line.parameters.get("ENCODING", "").strip().upper()
    return kind == "BINARY" or (encoding in ("BASE64", "B") and kind != "URI")


def _inline(line: Line, room: int) -> Document:
    """A document whose content stands in the calendar; `room` is how many bytes the entry may still carry."""
    if not line.value.isascii():
        raise _Skipped(_DAMAGED)
    if len(line.value) > 2 * MAX_INLINE:  # much too large, even if many of its characters are blanks
        raise _Skipped(_TOO_LARGE)
    packed = line.value.encode().translate(None, _SPACE)
    size = len(packed) // 4 * 3 - packed[-2:].count(b"=")
    if size > MAX_INLINE:
        raise _Skipped(_TOO_LARGE)
    if size > room:
        raise _Skipped(f"the entry's attachments are together larger than {MAX_INLINE_TOGETHER // 1024**2} MiB")
    try:
        content = binascii.a2b_base64(packed, strict_mode=True)
    except binascii.Error as error:
        raise _Skipped(_DAMAGED) from error
    if len(packed) % 4:  # which the library forgives when it is a "=" too many
        raise _Skipped(_DAMAGED)
    return Document(_given_name(line), _media_type(line), content)


def _linked(line: Line) -> Document:
    """A document behind an http(s) address."""
    text = (line.text if len(line.value) <= _MAX_ADDRESS else line.value).strip().strip("<>\"'").strip()
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise _Skipped("it has no address that can be fetched")
    if scheme[1].lower() not in ("http", "https"):
        raise _Skipped(f"its address begins with {scheme[1].lower()}: and only http and https are fetched")
    if len(text) > _MAX_ADDRESS:
        raise _Skipped("its address is too long")
    parts = _parts(text)
    name = _given_name(line) or _printable(unquote(parts.path.rpartition("/")[2]))
    # blanks are what people leave in paths; everything else stays as it is written
    return Document(name, _media_type(line), url=text.replace(" ", "%20"))


def _parts(address: str) -> SplitResult:
    """The address' parts. Raises _Skipped for one that nothing can be fetched from."""
    if _printable(address) != address:
        raise _Skipped("its address is not a valid one")
    try:
        parts = urlsplit(address)
        usable = bool(parts.hostname) and parts.port != 0 and " " not in parts.netloc
    except ValueError as error:
        raise _Skipped("its address is not a valid one") from error
    if not usable:
        raise _Skipped("its address is not a valid one")
    if "@" in parts.netloc:
        raise _Skipped("its address carries a name or a password to log in with")
    return parts


def _given_name(line: Line) -> str:
    return next((name for key in _NAME_PARAMETERS if (name := _printable(line.parameters.get(key, "")))), "")


def _media_type(line: Line) -> str:
    match = _MEDIA_TYPE.fullmatch(line.parameters.get("FMTTYPE", ""))
    return match[1].lower() if match else ""


def _printable(text: str) -> str:
    """Without control characters; otherwise as it came, but for blanks around it."""
    if text.isprintable():
        return text.strip()
    return "".join(character for character in text if unicodedata.category(character) != "Cc").strip()


def _called(line: Line) -> str:
    name = _given_name(line)
    return f"the attachment {name[:60]!r}" if name else "an attachment"
