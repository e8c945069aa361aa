"""An iTIP mail that was saved as a file: the calendar in it (RFC 6047 section 2: a part of type text/calendar)."""

import re
from email import message_from_bytes
from email.message import Message

from connectors.sources.ical.values import Unreadable

MAX_MAIL = 40 * 1024 * 1024
"""Bytes: a larger text is not tried as a mail."""

_HEAD = re.compile(rb"(?:From [^\n]*\n)?(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+\r?\n")
_MIME = re.compile(rb"(?im)^MIME-Version[ \t]*:")
_SURPRISES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What the library raises for a mail that nobody would write; parts within parts without end are one."""
_LONGEST_HEAD = 65_536


def is_mail(body: bytes) -> bool:
    """Whether the bytes begin as a mail (RFC 5322) of several parts or types (RFC 2045 section 4) does."""
    head = _HEAD.match(body[:_LONGEST_HEAD]) if body[:6].upper() != b"BEGIN:" and len(body) <= MAX_MAIL else None
    return head is not None and _MIME.search(head[0]) is not None


def calendar_of_mail(body: bytes) -> tuple[bytes, str]:
    """The bytes of the first calendar in the mail and the charset that it declares.

    Raises Unreadable when there is none. A mail often has the same calendar twice, to be shown and to be saved.
    """
    try:
        found = _calendar(message_from_bytes(body))
    except _SURPRISES as error:
        raise Unreadable("a mail that cannot be read") from error
    if found is None:
        raise Unreadable("a mail without a calendar")
    return found


def _calendar(message: Message) -> tuple[bytes, str] | None:
    parts = list(message.walk())
    for wanted in (_shown, _attached):
        for part in parts:
            content = part.get_payload(decode=True) if wanted(part) else None
            if isinstance(content, bytes):
                return content, str(part.get_content_charset() or "")
    return None


def _shown(part: Message) -> bool:
    return part.get_content_type() == "text/calendar"


def _attached(part: Message) -> bool:
    return part.get_content_type() == "application/ics" or (part.get_filename() or "").lower().endswith(".ics")
