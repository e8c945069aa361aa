"""From the bytes of a feed to its VEVENT blocks, and the verdict whether the text proves itself whole.

Nothing is parsed here: one pass over the BEGIN and END lines (RFC 5545 section 3.6) finds the components, and
whatever is not balanced, or goes on after the last END:VCALENDAR, makes the text incomplete. HTTP clients hand over
half a body without an error, so this is the only proof of completeness there is. What is absurdly large ends here,
before it costs memory.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from connectors.sources.ical.charsets import decode, to_utf8
from connectors.sources.ical.saved_mail import calendar_of_mail, is_mail
from connectors.sources.ical.values import Unreadable

MAX_ENTRIES = 250_000
"""VEVENTs (and VCALENDARs) of one text; real calendars have a tenth of it."""
MAX_COMPONENTS = 1_000_000
"""Components of all kinds of one text."""
MAX_DEPTH = 100
"""How deep components may be nested: real calendars need three levels."""

_MARK = re.compile(rb"\n((?i:BEGIN|END)):([^\n]*(?:\n[ \t][^\n]*)*)")
_FOLD = re.compile(rb"(?<![\r\n])[\r\n]+[ \t]")
_UID = re.compile(rb"\n(?i:UID)(?=[:;\s])([^\n]*(?:\n[\r\n]*[ \t][^\n]*)*)")
_DTSTAMP = re.compile(rb"\n(?i:DTSTAMP)[;:][^\n]*(?:\n[ \t][^\n]*)*")
_NAMES = {name.encode(): name for name in ("VEVENT", "VALARM", "VTIMEZONE", "STANDARD", "DAYLIGHT", "VCALENDAR")}


@dataclass(slots=True)
class Calendar:
    """One VCALENDAR: the bytes of its own properties and of its VTIMEZONE blocks."""

    own: list[bytes] = field(default_factory=list)
    zones: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Block:
    """One VEVENT: where it lies in the text (from the line feed before BEGIN on) and its nested components."""

    begin: int
    end: int
    calendar: int
    nested: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class Feed:
    """A scanned text. `defect` says why it is not provably whole, "" when it is. `charset` is what it was in when
    that is known and not UTF-8. `mail`: it came as a mail, which is about one meeting and not about all. `apart`:
    its calendars are texts of their own, so that a zone means what its own calendar says of it."""

    text: bytes
    calendars: list[Calendar] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    defect: str = ""
    charset: str = ""
    mail: bool = False
    apart: bool = False

    def line_of(self, block: Block) -> int:
        """The 1-based line of the block's BEGIN:VEVENT."""
        return self.text.count(b"\n", 0, block.begin + 1)

    def bytes_of(self, block: Block) -> bytes:
        """The block's text, from the line feed before BEGIN:VEVENT on."""
        return self.text[block.begin : block.end]

    def uid_of(self, block: Block) -> str | None:
        """The UID as written ("" when there is none), None when its line cannot be read."""
        at = block.begin
        while match := _UID.search(self.text, at, block.end):
            at = match.end()
            before = bisect_right(block.nested, (match.start(), at)) - 1
            if before < 0 or block.nested[before][1] <= match.start():
                return _uid_value(match[1])
        return ""


def _uid_value(raw: bytes) -> str | None:
    rest = decode(unfold(raw)).strip()
    if rest.startswith(";"):
        rest = re.sub(r'^;(?:"[^"]*"|[^":])*', "", rest)
    if not rest.startswith(":"):
        return None
    rest = rest[1:].strip()
    return re.sub(r"\\([\\,;])", r"\1", rest) if "\\" in rest else rest


def open_feed(body: bytes, charset: str) -> Feed:
    """The feed in a body as it came, also when that is a saved mail; `charset` as declared, "" when it is not.

    Raises Unreadable when it is no calendar at all, or larger than a calendar can be.
    """
    mail = is_mail(body)
    if mail:
        body, charset = calendar_of_mail(body)
    text, was_in = to_utf8(body, charset)
    feed = scan(_tidy(text))
    feed.charset, feed.mail = was_in, mail
    return feed


def normalise(body: bytes, charset: str) -> bytes:
    """The text with UTF-8 or single-byte characters, without byte order mark and NUL, its lines ended by LF.

    A line feed is put in front, so that every line starts behind one. CR before LF stays where it is.
    """
    return _tidy(to_utf8(body, charset)[0])


def _tidy(body: bytes) -> bytes:
    if b"\0" in body:
        body = body.replace(b"\0", b"")
    if b"\r" in body and b"\n" not in body:
        body = body.replace(b"\r", b"\n")
    return b"\n" + body


def unfold(raw: bytes) -> bytes:
    """Folded lines put together (RFC 5545 section 3.1), before decoding: a fold may split a character."""
    return _FOLD.sub(b"", raw) if b"\n " in raw or b"\n\t" in raw else raw


def without_dtstamp(raw: bytes) -> bytes:
    """The text without its DTSTAMP lines, which several servers set to the time of each request."""
    return _DTSTAMP.sub(b"", raw)


def scan(text: bytes) -> Feed:
    """Find calendars, zones and events in a normalised text.

    Raises Unreadable when it is no calendar at all, or has more than MAX_ENTRIES or MAX_COMPONENTS.
    """
    _must_be_calendar(text)
    # counted at once, because that costs nothing; the scanner counts those in other notations
    _bounded(text.count(b"\nBEGIN:VEVENT"), MAX_ENTRIES, "entries")
    _bounded(text.count(b"\nBEGIN:"), MAX_COMPONENTS, "components")
    feed = Feed(text)
    scanner = _Scanner(feed)
    for match in _MARK.finditer(text):
        name = _NAMES.get(match[2].rstrip()) or decode(unfold(match[2])).strip().upper()
        if match[1][:1] in b"Bb":
            scanner.begin(name, match.start(), match.end())
        else:
            scanner.finish(name, match.start(), match.end())
        if scanner.too_deep:
            return feed
    scanner.close()
    return feed


def _must_be_calendar(text: bytes) -> None:
    head = text[:4096].lstrip()[:512].upper() or text.lstrip()[:512].upper()
    if not head:
        raise Unreadable("an empty body instead of a calendar")
    if re.match(rb"BEGIN:VCALENDAR\s*$", head.split(b"\n", 1)[0]):
        return
    if head.startswith((b"<!DOCTYPE HTML", b"<HTML", b"<HEAD", b"<BODY", b"<BR", b"<!--")) or b"<HTML" in head:
        raise Unreadable("HTML instead of a calendar")
    if head.startswith(b"<"):
        raise Unreadable("XML instead of a calendar")
    if head.startswith((b"{", b"[")):
        raise Unreadable("JSON instead of a calendar")
    if b"BEGIN:VCALENDAR" in text[:65536].upper():
        raise Unreadable("other text in front of the calendar")
    raise Unreadable("no calendar: it does not start with BEGIN:VCALENDAR")


def _bounded(number: int, most: int, what: str) -> None:
    if number > most:
        raise Unreadable(f"more than {most:,} {what}: a calendar must be smaller than that")


class _Scanner:
    """Keeps the stack of open components; a plain list, so that no nesting is too deep."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._open: list[tuple[str, int]] = []
        self._nested: list[tuple[int, int]] = []
        self._nested_from = 0
        self._behind = 0
        """Where the last component of depth one or the calendar's head ended: own properties start here."""
        self._components = 0
        self.too_deep = False
        """The rest of the text is not looked at."""

    def begin(self, name: str, start: int, end: int) -> None:
        self._components += 1
        _bounded(self._components, MAX_COMPONENTS, "components")
        depth = len(self._open)
        if depth == MAX_DEPTH:
            self.too_deep = True
            self._fault(f"components are nested more than {MAX_DEPTH} deep: what follows is not read")
            return
        if name == "VEVENT" and any(open_name == "VEVENT" for open_name, _ in self._open[1:2]):
            self._fault("a VEVENT begins before the one in front of it has ended")
            del self._open[1:]
            self._behind = start
            depth = 1
        if depth == 0:
            self._outside(start)
            if name == "VCALENDAR":
                self._feed.calendars.append(Calendar())
                _bounded(len(self._feed.calendars), MAX_ENTRIES, "calendars")
            else:
                self._fault(f"{name[:40]} outside of a calendar")
            self._behind = end
        elif depth == 1:
            self._own(start)
            self._nested = []
        elif depth == 2:
            self._nested_from = start
        self._open.append((name, start))

    def finish(self, name: str, start: int, end: int) -> None:
        if not self._open or self._open[-1][0] != name:
            if any(open_name == name for open_name, _ in self._open):
                self._fault(f"{self._open[-1][0][:40]} has no END")
                self._unwind(name)
            else:
                self._fault(f"END:{name[:40]} without its BEGIN")
            self._behind = end
            return
        if len(self._open) == 1:
            self._own(start)
        _, begin = self._open.pop()
        depth = len(self._open)
        if depth == 2:
            self._nested.append((self._nested_from, end))
        elif depth == 1:
            self._component(name, begin, end)
            self._behind = end
        elif depth == 0:
            self._behind = end

    def close(self) -> None:
        if self._open:
            self._fault("the calendar ends without END:VCALENDAR", first=True)
        else:
            self._outside(len(self._feed.text))

    def _component(self, name: str, begin: int, end: int) -> None:
        if self._open[0][0] != "VCALENDAR":
            return
        if name == "VEVENT":
            block = Block(begin, end, len(self._feed.calendars) - 1, tuple(self._nested))
            self._feed.blocks.append(block)
            _bounded(len(self._feed.blocks), MAX_ENTRIES, "entries")
        elif name == "VTIMEZONE":
            self._feed.calendars[-1].zones.append(self._feed.text[begin:end])

    def _unwind(self, name: str) -> None:
        """Go on behind a wrong END: components that it closes are dropped, they may lack anything."""
        for depth in range(len(self._open) - 1, -1, -1):
            if self._open[depth][0] == name:
                del self._open[depth:]
                return

    def _own(self, until: int) -> None:
        piece = self._feed.text[self._behind : until]
        if self._feed.calendars and self._open[0][0] == "VCALENDAR" and piece.strip():
            self._feed.calendars[-1].own.append(piece)

    def _outside(self, until: int) -> None:
        if self._feed.text[self._behind : until].strip():
            self._fault("other text behind END:VCALENDAR")

    def _fault(self, reason: str, *, first: bool = False) -> None:
        if first or not self._feed.defect:
            self._feed.defect = reason
