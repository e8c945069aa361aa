"""Text as iCalendar carries it (RFC 5545), for all calendars that we write."""

import re

from icalendar.prop import vText

# RFC 5545 section 3.1 allows no CONTROL but the tab; C1 controls and lone surrogates are no text either.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?")
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})


def ical_text(value: str) -> vText:
    """The text as the value of a property, with line ends as LF and without what may not stand in a calendar."""
    return _Text(_NO_TEXT.sub("", _LINE_END.sub("\n", value)))


class _Text(vText):
    """TEXT (RFC 5545 section 3.3.11). The library's own escaping takes a backslash before an N for a line break, and
    `C:\\New` would come out as two lines."""

    def to_ical(self) -> bytes:
        return str(self).translate(_ESCAPES).encode()
