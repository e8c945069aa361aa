"""A CalDAV server as they should be, of one calendar in memory, that can be made to do what some real ones do."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, unescape

from connectors.sources.caldav import CalDavSettings, CalDavSource
from tests.dav_http import Asked, Reply, serving

PATH = "/dav/team/"
PRINCIPAL = "/dav/me/"
_SPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"'


def multistatus(*responses: str, token: str = "", head: str = "") -> bytes:
    end = f"<D:sync-token>{token}</D:sync-token>" if token else ""
    text = "".join(responses)
    return f'<?xml version="1.0" encoding="utf-8"?>{head}<D:multistatus {_SPACES}>{text}{end}</D:multistatus>'.encode()


def response(href: str, *properties: str, status: int = 0) -> str:
    said = f"<D:status>HTTP/1.1 {status} X</D:status>" if status else ""
    if properties:
        said += f"<D:propstat><D:prop>{''.join(properties)}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    return f"<D:response><D:href>{escape(href)}</D:href>{said}</D:response>"


@dataclass
class Stored:
    text: str
    etag: str
    revision: int


@dataclass
class StandIn:
    """`respond_first` may answer in the server's place. `tokens`, `tags`: it has sync-tokens, ctags. `forgets`: it
    answers every token with everything, and tells of no deletion ("everything"), or with nothing at all ("nothing").
    `lost`: deletions that it does not tell of. `missing`: paths that a multiget leaves out and a GET refuses;
    `cut` says where a 507 stands: "sync", "list" or nowhere. `principal` holds further properties of the account.
    `stuck`: a PUT takes effect, and no answer comes."""

    url: str = ""
    tokens: bool = True
    tags: bool = True
    etags: bool = True
    forgets: str = ""
    cut: str = ""
    lost: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    principal: tuple[str, ...] = ()
    stuck: bool = False
    asked: list[Asked] = field(default_factory=list)
    respond_first: Callable[[Asked], Reply | None] = lambda _asked: None
    stored: dict[str, Stored] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    revision: int = 0

    def put(self, name: str, text: str) -> None:
        self.revision += 1
        self.deleted.pop(PATH + name, None)
        self.stored[PATH + name] = Stored(text, f'"{self.revision}"', self.revision)

    def delete(self, name: str) -> None:
        self.revision += 1
        del self.stored[PATH + name]
        self.deleted[PATH + name] = self.revision

    def kinds(self) -> list[str]:
        """What was asked since the last time."""
        kinds = [one.kind for one in self.asked]
        self.asked.clear()
        return kinds

    async def respond(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if self.stuck and asked.method == "PUT":
            self._put(asked)
            await asyncio.sleep(3600)
        if reply := self.respond_first(asked):
            return reply
        answer = getattr(self, f"_{asked.kind.lower().replace('-', '_')}", None)
        reply = answer(asked) if answer else Reply(405)
        assert isinstance(reply, Reply)
        return reply

    def _propfind(self, asked: Asked) -> Reply:
        if asked.path == PRINCIPAL:
            return Reply(207, multistatus(response(PRINCIPAL, *self.principal)))
        if asked.path != PATH:
            return Reply(404)
        own = ["<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>", "<D:displayname>Team</D:displayname>"]
        own.append(f"<D:current-user-principal><D:href>{PRINCIPAL}</D:href></D:current-user-principal>")
        own += [f"<D:sync-token>t{self.revision}</D:sync-token>"] if self.tokens else []
        own += [f"<S:getctag>c{self.revision}</S:getctag>"] if self.tags else []
        members = [self._member(path) for path in self.stored] if asked.headers["depth"] == "1" else []
        members += [response(PATH, status=507)] if self.cut == "list" and members else []
        return Reply(207, multistatus(response(PATH, *own), *members))

    def _member(self, path: str) -> str:
        etag = f"<D:getetag>{escape(self.stored[path].etag)}</D:getetag>" if self.etags else ""
        return response(path, "<D:resourcetype/>", etag)

    def _sync_collection(self, asked: Asked) -> Reply:
        if not self.tokens:
            return Reply(501)
        found = re.search(rb"<D:sync-token>t(\d+)</D:sync-token>", asked.body)
        if self.forgets:
            every = self.stored if self.forgets == "everything" else {}
            return Reply(207, multistatus(*map(self._member, every), token=f"t{self.revision}"))
        if not found or int(found[1]) > self.revision:
            return Reply(403)
        since = int(found[1])
        said = [self._member(path) for path, one in self.stored.items() if one.revision > since]
        gone = (path for path, at in self.deleted.items() if at > since and path not in self.lost)
        said += [response(path, status=404) for path in gone]
        said += [response(PATH, status=507)] if self.cut == "sync" else []
        return Reply(207, multistatus(*said, token=f"t{self.revision}"))

    def _calendar_multiget(self, asked: Asked) -> Reply:
        said = []
        for href in re.findall(r"<D:href>([^<]*)</D:href>", asked.body.decode()):
            one = self.stored.get(unescape(href))
            if one is None:
                said.append(response(unescape(href), status=404))
            elif unescape(href) not in self.missing:
                etag = f"<D:getetag>{escape(one.etag)}</D:getetag>" if self.etags else ""
                data = f"<C:calendar-data>{escape(one.text)}</C:calendar-data>"
                said.append(response(unescape(href), etag, data))
        return Reply(207, multistatus(*said))

    def _get(self, asked: Asked) -> Reply:
        one = self.stored.get(asked.path)
        if one is None or asked.path in self.missing:
            return Reply(404)
        kind = {"Content-Type": "text/calendar; charset=utf-8"}
        return Reply(200, one.text.encode(), kind | ({"ETag": one.etag} if self.etags else {}))

    def _put(self, asked: Asked) -> Reply:
        one = self.stored.get(asked.path)
        if one is None or asked.headers.get("if-match") != one.etag:
            return Reply(412)
        self.put(asked.path.removeprefix(PATH), asked.body.decode())
        return Reply(204)


@asynccontextmanager
async def a_calendar() -> AsyncIterator[StandIn]:
    server = StandIn()
    async with serving(server.respond) as server.url:
        yield server


def source(server: StandIn, **given: object) -> CalDavSource:
    table = {"type": "caldav", "url": server.url + PATH, "timeout": "5s", **given}
    return CalDavSource("cal", CalDavSettings.model_validate(table))
