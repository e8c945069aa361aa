"""Words for people on the status page. Pure.

What calendars and vendors say is hostile until it has gone through here: secrets and the tails of URLs are hidden, what
a browser would obey instead of show is replaced, and it is cut. (That it cannot be markup is the template's doing.)
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from daemon.render import printable
from daemon.telemetry import Redaction
from sync.degrade import instant_text

TITLE, REASON, NAME = 140, 320, 80
"""Characters that are shown of each."""

_LONGEST_COMMAND = 600
_MINUTE, _HOUR, _DAY = 60, 3600, 86400

Shown = Callable[[str, int], str]
"""A text made fit to be shown, at most so many characters of it."""


@dataclass(frozen=True, slots=True)
class When:
    """An instant: for machines (ISO 8601), for people to the minute, and as seen from now."""

    iso: str
    absolute: str
    relative: str


def shown_with(redaction: Redaction) -> Shown:
    """Makes texts fit to be shown."""

    def shown(text: str, limit: int) -> str:
        # Cleaned before it is cut: half a secret would not be recognised any more.
        plain = " ".join(printable(redaction.clean(text)).split())
        return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"

    return shown


def when(at: datetime, now: datetime) -> When:
    """`3 min ago`, `in 2 h`."""
    seconds = (at - now).total_seconds()
    span = span_of(abs(seconds))
    relative = "now" if span == "a moment" else f"in {span}" if seconds > 0 else f"{span} ago"
    return When(instant_text(at), f"{at:%a %d %b %Y %H:%M} UTC", "just now" if -_MINUTE < seconds <= 0 else relative)


def span_of(seconds: float) -> str:
    """`40 s`, `3 min`, `2 h 5 min`, `4 days`: in one or two units, cut, not rounded."""
    whole = int(seconds)
    if whole < 1:
        return "a moment"
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        hours, minutes = whole // _HOUR, whole % _HOUR // _MINUTE
        return f"{hours} h {minutes} min" if minutes and hours < 6 else f"{hours} h"
    days = whole // _DAY
    return "1 day" if days == 1 else f"{days} days"


def duration(span: timedelta) -> str:
    """How long a meeting lasts: `45 min`, `1 h 30 min`."""
    minutes = int(span.total_seconds()) // _MINUTE
    hours, rest = divmod(minutes, 60)
    return " ".join(
        part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else "") if part
    )


def count(number: int, one: str, several: str = "") -> str:
    """`1 meeting`, `3 meetings`."""
    return f"{number:,} {one if number == 1 else several or one + 's'}".replace(",", "\u202f")


def command(verb: str, operand: str, *rest: str) -> str | None:
    """A command line for a person's shell, about a route or a meeting; None when it would be taken for something else,
    or no browser shows it as it has to be typed."""
    text = shlex.join(["convener", verb, operand, *rest])
    sound = printable(text) == text and len(text) <= _LONGEST_COMMAND and not operand.startswith("-")
    return text if sound else None


def safe_link(url: str | None) -> str | None:
    """A join link that a browser may be sent to, None for anything else."""
    if not url or not re.fullmatch(r"[\x21-\x7e\u00a1-\uffff]{1,2000}", url) or printable(url) != url:
        return None
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    except ValueError:
        return None
    return url if sound else None
