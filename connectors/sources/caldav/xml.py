"""The XML of WebDAV (RFC 4918), CalDAV (RFC 4791) and their synchronisation (RFC 6578): what is asked, what came back.

Answers are read without building a tree: of whatever a server sends only the few properties that are used are kept,
and an answer counts when it is well-formed to its last tag.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from sync.errors import Unreachable

DAV, CAL, SERVER = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}", "{http://calendarserver.org/ns/}"

TYPE, NAME, ETAG = DAV + "resourcetype", DAV + "displayname", DAV + "getetag"
TOKEN, CTAG = DAV + "sync-token", SERVER + "getctag"
PRINCIPAL, OWNER, HOME = DAV + "current-user-principal", DAV + "owner", CAL + "calendar-home-set"
KINDS, DATA = CAL + "supported-calendar-component-set", CAL + "calendar-data"
OUTBOX, ADDRESSES = CAL + "schedule-outbox-URL", CAL + "calendar-user-address-set"
_KEPT = frozenset(
    {TYPE, NAME, ETAG, TOKEN, CTAG, PRINCIPAL, OWNER, HOME, KINDS, DATA, OUTBOX, ADDRESSES},
)
COLLECTION, CALENDAR = DAV + "collection", CAL + "calendar"
_INSIDE = frozenset({COLLECTION, CALENDAR})

MAX_RESPONSES = 100_000
MAX_ELEMENTS = 1_500_000
MAX_DEPTH = 50
_MAX_HREFS = 100
"""Addresses that one property may hold."""

_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r"))
"""No XML, but some servers put them into calendar-data as they were stored."""


class NotXml(Unreachable):
    """The answer is no multistatus, or not the whole of one."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property that the server has: its text, the addresses in it, and (of a resourcetype) what it is; of a
    supported-calendar-component-set the names of the components."""

    text: str = field(default="", repr=False)
    hrefs: tuple[str, ...] = ()
    inside: frozenset[str] = frozenset()


_NOTHING = Property()


@dataclass(slots=True)
class Response:
    """What a multistatus says of one resource: a `status` for the whole of it (0: none), or its properties."""

    href: str = ""
    status: int = 0
    properties: dict[str, Property] = field(default_factory=dict)

    def get(self, name: str) -> Property:
        """The property, an empty one where the server has none."""
        return self.properties.get(name, _NOTHING)

    @property
    def there(self) -> bool:
        """Whether the resource could be read."""
        return self.status == 0 or 200 <= self.status < 300

    @property
    def is_collection(self) -> bool:
        """Whether it holds others."""
        return COLLECTION in self.get(TYPE).inside

    @property
    def is_calendar(self) -> bool:
        """Whether it is a calendar for meetings (RFC 4791 sections 4.2 and 5.2.3)."""
        kinds = self.properties.get(KINDS)
        return CALENDAR in self.get(TYPE).inside and (kinds is None or not kinds.inside or "VEVENT" in kinds.inside)


@dataclass(slots=True)
class Multistatus:
    """A whole answer (RFC 4918 section 13); `token` is the sync-token that it ends with (RFC 6578 section 6.2)."""

    responses: list[Response] = field(default_factory=list)
    token: str = ""


def parse(body: bytes) -> Multistatus:
    """Read an answer to its last tag. Raises NotXml."""
    if b"\0" not in body[:4]:
        body = body.translate(None, _CONTROLS)
    reader = _Reader()
    parser = DefusedXMLParser(target=reader, forbid_dtd=True)
    try:
        parser.feed(body)
        parser.close()
    except ParseError as error:
        raise NotXml(f"the answer is no whole XML (line {error.position[0]})") from error
    except DefusedXmlException as error:
        raise NotXml("the answer declares a document type, which is refused") from error
    except (ValueError, LookupError) as error:
        raise NotXml("the answer is in an encoding that cannot be read") from error
    return reader.found


class _Reader:
    """What the parser calls. The path is multistatus / response / propstat / prop / property / what is inside."""

    def __init__(self) -> None:
        self.found = Multistatus()
        self._path: list[str] = []
        self._elements = 0
        self._text: list[str] = []
        self._status = 0
        self._stated: dict[str, Property] = {}
        self._hrefs: list[str] = []
        self._inside: set[str] = set()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        depth = len(self._path)
        self._elements += 1
        if depth >= MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise NotXml("the answer has more elements than can be")
        if depth == 0 and tag != DAV + "multistatus":
            raise NotXml("the answer is another document than a multistatus")
        self._path.append(tag)
        self._text.clear()
        if depth == 1 and tag == DAV + "response":
            if len(self.found.responses) >= MAX_RESPONSES:
                raise NotXml(f"the answer names more than {MAX_RESPONSES} resources")
            self.found.responses.append(Response())
        elif depth == 2 and tag == DAV + "propstat":
            self._status, self._stated = 0, {}
        elif depth == 4:
            self._hrefs.clear()
            self._inside.clear()
        elif depth == 5 and tag in _INSIDE:
            self._inside.add(tag)
        elif depth == 5 and tag == CAL + "comp" and len(self._inside) < _MAX_HREFS:
            self._inside.add(attributes.get("name", "").upper())

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        text = "".join(self._text)
        self._text.clear()
        del self._path[-1]
        path, responses = self._path, self.found.responses
        if len(path) == 1 and tag == TOKEN:
            self.found.token = text.strip()
        elif len(path) < 2 or path[1] != DAV + "response":
            return
        elif len(path) == 2:
            self._of_response(responses[-1], tag, text)
        elif path[2] == DAV + "propstat":
            self._of_propstat(tag, text)

    def _of_response(self, response: Response, tag: str, text: str) -> None:
        if tag == DAV + "href" and not response.href:
            response.href = text.strip()
        elif tag == DAV + "status":
            response.status = _status(text)
        elif tag == DAV + "propstat" and 200 <= self._status < 300:
            response.properties.update(self._stated)

    def _of_propstat(self, tag: str, text: str) -> None:
        depth = len(self._path)
        if depth == 3 and tag == DAV + "status":
            self._status = _status(text)
        elif depth == 4 and self._path[3] == DAV + "prop" and tag in _KEPT:
            self._stated[tag] = Property(text, tuple(self._hrefs), frozenset(self._inside))
        elif depth == 5 and tag == DAV + "href" and len(self._hrefs) < _MAX_HREFS:
            self._hrefs.append(text.strip())


def _status(line: str) -> int:
    """The code in `HTTP/1.1 404 Not Found`; 500 when there is none."""
    parts = line.split()
    code = parts[1] if len(parts) > 1 else ""
    return int(code) if code.isascii() and code.isdigit() and len(code) == 3 else 500


def propfind(*names: str) -> bytes:
    """Ask for these properties."""
    return _document("D:propfind", _properties(names))


def sync_collection(token: str) -> bytes:
    """Ask what changed since `token` (RFC 6578 section 3.2). Never with a limit: there are servers that leave out what
    is beyond it for good."""
    asked = f"<D:sync-token>{escape(token)}</D:sync-token><D:sync-level>1</D:sync-level>"
    return _document("D:sync-collection", asked + _properties([ETAG, TYPE]))


def multiget(hrefs: Iterable[str]) -> bytes:
    """Ask for these resources whole (RFC 4791 section 7.9)."""
    names = "".join(f"<D:href>{escape(href)}</D:href>" for href in hrefs)
    return _document("C:calendar-multiget", _properties([ETAG, DATA]) + names)


def with_uid(uid: str) -> bytes:
    """Ask for the resources that hold an event whose UID contains `uid` (RFC 4791 section 7.8.6)."""
    match = f'<C:text-match collation="i;octet">{escape(uid)}</C:text-match>'
    event = f'<C:comp-filter name="VEVENT"><C:prop-filter name="UID">{match}</C:prop-filter></C:comp-filter>'
    rest = f'<C:filter><C:comp-filter name="VCALENDAR">{event}</C:comp-filter></C:filter>'
    return _document("C:calendar-query", _properties([ETAG]) + rest)


_PREFIXES = {DAV: "D:", CAL: "C:", SERVER: "S:"}


def _properties(names: Iterable[str]) -> str:
    inside = ""
    for name in names:
        space, brace, local = name.partition("}")
        inside += f"<{_PREFIXES[space + brace]}{local}/>"
    return f"<D:prop>{inside}</D:prop>"


def _document(root: str, inside: str) -> bytes:
    spaces = f'xmlns:D="{DAV[1:-1]}" xmlns:C="{CAL[1:-1]}" xmlns:S="{SERVER[1:-1]}"'
    return f'<?xml version="1.0" encoding="utf-8"?>\n<{root} {spaces}>{inside}</{root}>'.encode()
