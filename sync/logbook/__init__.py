"""The stable list of log lines: name, level, fields, what it means, what to do about it, when to alert.

`docs/logs.md` holds the same list for people; a test compares the two, and the code that logs, with this one.
"""

from sync.logbook import meetings, outlets, passes, process
from sync.logbook.line import Line

__all__ = ["LINES", "Line"]

LINES: dict[str, Line] = process.LINES | passes.LINES | meetings.LINES | outlets.LINES
