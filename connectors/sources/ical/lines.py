"""One component's text to its content lines: name, parameters and value (RFC 5545 section 3.1)."""

import re
from dataclasses import dataclass, field

from icalendar.parser import Contentline, split_on_unescaped_comma, unescape_backslash

from connectors.sources.ical.charsets import decode
from connectors.sources.ical.text import unfold
from connectors.sources.ical.values import Unreadable

_EASY = re.compile(r"([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:\"[^\"^\\]*\"|(?:[^\",;:^\\ \t][^\",;:^\\]*)?))*):")
_EASY_PARAMETER = re.compile(r";([A-Za-z0-9-]+)=(?:\"([^\"]*)\"|([^;\"]*))")
_LOOSE = re.compile(r"[A-Za-z0-9-]+((?:;[A-Za-z0-9-]+=(?:\"[^\"]*\"|[^\";:])*)*)\s*:")
_LOOSE_PARAMETER = re.compile(r";([A-Za-z0-9-]+)=((?:\"[^\"]*\"|[^\";:])*)")
_CARET = {"^^": "^", "^n": "\n", "^'": '"'}
_NAME = re.compile(r"\s*([A-Za-z0-9-]+)\s*[;:]")
_TEXTS = frozenset({"SUMMARY", "DESCRIPTION", "LOCATION", "COMMENT"})
_TIMES = frozenset({"DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "EXDATE", "RDATE"})
MAX_LINE = 512 * 1024
"""Characters of one unfolded line that is looked at; an ATTACH has its own limits (`attachments.py`)."""
_LONG_ENOUGH = 65_536
"""Characters up to which broken folding is mended; what follows is dropped."""
_HARMLESS = frozenset({"CATEGORIES", "URL", "CONFERENCE", "SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "METHOD"})


@dataclass(frozen=True, slots=True)
class Line:
    """A content line; `value` is as written (escapes and all), parameter names are upper case."""

    name: str
    value: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The value as TEXT (RFC 5545 section 3.3.11)."""
        return str(unescape_backslash(self.value))

    @property
    def texts(self) -> list[str]:
        """The value as a list of TEXT, as CATEGORIES has it."""
        return [part.strip() for part in split_on_unescaped_comma(self.value) if part.strip()]


def read_lines(raw: bytes, wanted: frozenset[str], prefixes: tuple[str, ...] = ()) -> list[Line]:
    """The wanted properties of the component `raw` itself, in order; those of components inside are left out.

    A line without a colon is what broken folding leaves: it belongs to the text in front of it. Raises
    Unreadable when a wanted line cannot be read.
    """
    found: list[Line] = []
    depth = 0
    for piece in decode(unfold(raw)).split("\n"):
        match = _NAME.match(piece)
        if not match:
            if depth == 1:
                _continue_text(found, piece)
            continue
        name = match[1].upper()
        if name == "BEGIN":
            depth += 1
        elif name == "END":
            depth -= 1
        elif depth == 1 and (name in wanted or (prefixes and name.startswith(prefixes))):
            found.append(_parse_or_skip(piece.rstrip("\r"), name))
        elif depth == 1:
            found.append(Line("", ""))  # so that a broken continuation is not taken for the line before this one
    return [line for line in found if line.name]


def _parse_or_skip(piece: str, name: str) -> Line:
    try:
        return parse_line(piece, name)
    except Unreadable:
        if name == "ATTACH":
            return Line(name, "")  # it costs itself only, and that is said
        if name in _HARMLESS or name.startswith("X-"):
            return Line("", "")
        raise


def parse_line(piece: str, name: str) -> Line:
    """One unfolded content line. Raises Unreadable, also for one that is absurdly long."""
    if len(piece) > MAX_LINE and name != "ATTACH":
        raise Unreadable(f"its {name} line is longer than {MAX_LINE // 1024} KiB")
    easy = _EASY.match(piece)
    if easy:
        value = piece[easy.end() :]
        parameters = {key.upper(): quoted or plain for key, quoted, plain in _EASY_PARAMETER.findall(easy[2])}
    else:
        value, parameters = (_parse_attachment if name == "ATTACH" else _parse_with_library)(piece, name)
    if name in _TIMES and ":" in value:
        # TZID=tzone://Microsoft/Utc:20260101T090000 without its quotes: a time itself has no colon
        head, _, value = value.rpartition(":")
        parameters["TZID"] = f"{parameters.get('TZID', '')}:{head}"
    return Line(name, value, parameters)


def _parse_attachment(piece: str, name: str) -> tuple[str, dict[str, str]]:
    """An ATTACH whose parameters are unusual: by our own means, because the library walks over every character of a
    value that may be megabytes of base64. Raises Unreadable."""
    loose = _LOOSE.match(piece.lstrip())
    if loose is None:
        raise Unreadable(f"its {name} line cannot be read")
    parameters = {
        # RFC 6868: a caret keeps what may not stand in a parameter
        key.upper(): re.sub(r"\^[\^n']", lambda caret: _CARET[caret[0]], value.replace('"', "")).strip()
        for key, value in _LOOSE_PARAMETER.findall(loose[1])
    }
    return piece.lstrip()[loose.end() :], parameters


def _parse_with_library(piece: str, name: str) -> tuple[str, dict[str, str]]:
    try:
        _, found, value = Contentline(piece).raw_parts()  # type: ignore[no-untyped-call]
    except ValueError as error:
        if name in ("ATTENDEE", "ORGANIZER") and (at := piece.lower().find("mailto:")) >= 0:
            return piece[at:], {}  # the person counts, the broken parameters do not
        if name in _TEXTS and ":" in piece:
            return piece.partition(":")[2], {}
        raise Unreadable(f"its {name} line cannot be read") from error
    parameters = {
        str(key).upper(): ",".join(map(str, item)) if isinstance(item, list) else str(item)
        for key, item in found.items()
    }
    return value, parameters


def _continue_text(found: list[Line], piece: str) -> None:
    if found and found[-1].name == "ATTACH" and piece.strip():
        # half an address or half a content is none
        found[-1] = Line("ATTACH", "", found[-1].parameters)
    elif found and found[-1].name in _TEXTS and piece.strip() and len(found[-1].value) < _LONG_ENOUGH:
        last = found[-1]
        found[-1] = Line(last.name, last.value + piece.rstrip("\r"), last.parameters)
