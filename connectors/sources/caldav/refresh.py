"""From the last state of a calendar to its present one, with as few questions as can be trusted.

The server's own word on what changed (RFC 6578) is taken when it answers the question plainly. On any doubt about it,
and every so many reads, the whole calendar is listed with its validators: servers forget deletions, and several answer
a token that they do not know any more with whatever they have (RFC 6578 section 3.8 wants an error there).
"""

from dataclasses import dataclass, field, replace

import httpx

from connectors.answers import BodyTooLarge
from connectors.sources.caldav.cursor import Resource, State
from connectors.sources.caldav.dav import Dav, canonical
from connectors.sources.caldav.xml import CTAG, DATA, ETAG, TOKEN, TYPE, NotXml, Response, multiget, sync_collection
from connectors.sources.ical.text import normalise
from sync.errors import OutsideError, RateLimited, Unreachable

BATCH = 50
"""Resources that are asked for at once."""
MAX_KEPT = 100 * 1024 * 1024
"""Bytes of all resources' texts together."""
_MOST_SPLITS = 64
"""Batches of one read that are asked for again in halves, because their answer is too large or no XML."""

_MOST_ALONE = 20
"""Resources of one read that are asked for by themselves, because the answer for many leaves them out."""


@dataclass(slots=True)
class Look:
    """What the server showed: the resources with their validators ("" where it gave none), those that it could not
    show, and those that are gone for certain. `every`: all that there is was listed; `reason` why that is not proved.
    """

    token: str = ""
    ctag: str = ""
    every: bool = False
    shown: dict[str, tuple[str, str]] = field(default_factory=dict)
    withheld: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fresh:
    """The present state; `reason` says why it is not provably the whole of it, "" when it is. `unchanged` since the
    last state."""

    state: State
    reason: str = ""
    unchanged: bool = False


class Refresh:
    """One reading of the calendar at `url`. `before` is its last state, None when there is none."""

    def __init__(self, dav: Dav, url: httpx.URL, before: State | None, full_every: int) -> None:
        self._dav = dav
        self._url = url
        self._own = canonical(url.raw_path.decode("ascii")).rstrip("/")
        self._before = before or State()
        self._known = before is not None
        self._full_every = full_every
        self._splits = 0
        self._alone_left = _MOST_ALONE

    async def run(self) -> Fresh:
        """Raises OutsideError when the server does not say what there is; what could not be read of it is in the
        result."""
        before = self._before
        whole = all(one.text is not None for one in before.resources.values())
        look = None
        if self._known and whole and before.polls + 1 < self._full_every:
            if before.token:
                look = await self._changes()
            elif before.ctag:
                look = await self._tag()
        polls = before.polls + 1 if look else 0
        look = look or await self._everything()
        after = State(look.token, look.ctag, polls, {} if look.every else dict(before.resources))
        for key in look.gone:
            after.resources.pop(key, None)
        asked: dict[str, tuple[str, str]] = {}
        for key, (href, etag) in look.shown.items():
            kept = before.resources.get(key)
            if kept is not None and kept.text is not None and etag and kept.etag == etag:
                after.resources[key] = kept
            else:
                asked[key] = (href, etag)
                after.resources[key] = self._unread(key, href)
        for key, href in look.withheld.items():
            after.resources[key] = self._unread(key, href)
        reason = look.reason
        try:
            await self._fetch(asked, after)
        except OutsideError as error:
            reason = str(error)
        if self._known and not reason and _same(before, after):
            after.resources, after.packed = before.resources, before.packed
            return Fresh(after, unchanged=True)
        after.resources = dict(sorted(after.resources.items()))
        return Fresh(after, reason)

    async def _changes(self) -> Look | None:
        """What changed since the token; None on any doubt whether that is all."""
        before = self._before
        try:
            said = await self._dav.report(self._url, sync_collection(before.token), 0)
        except RateLimited:
            raise
        except OutsideError:
            return None  # the token is not known any more, or the question is not: the list will say what is wrong
        look = Look(said.token, before.ctag)
        for one in said.responses:
            key = self._key(one)
            if key == self._own:
                if not one.there:
                    return None  # 507: cut short (RFC 6578 section 3.6)
            elif one.status == 404:
                look.gone.add(key)
            elif not one.there:
                return None
            elif not one.is_collection:
                kept, etag = before.resources.get(key), one.get(ETAG).text.strip()
                if kept is not None and etag and kept.etag == etag:
                    return None  # not a change: it tells all it has, and not what was deleted
                look.shown[key] = (one.href, etag)
        moved_on = look.token != before.token
        if not look.token or look.gone & look.shown.keys() or (moved_on and not look.gone and not look.shown):
            return None
        return look

    async def _tag(self) -> Look | None:
        """Nothing new, when the collection's tag says so; None otherwise."""
        token, ctag = await self._stamps()
        return Look("", ctag) if ctag and ctag == self._before.ctag and not token else None

    async def _stamps(self) -> tuple[str, str]:
        own = await self._dav.one(self._url, TOKEN, CTAG)
        return own.get(TOKEN).text.strip(), own.get(CTAG).text.strip()

    async def _everything(self) -> Look:
        """All that there is. Its token and tag are asked for first: what changes meanwhile is told of again."""
        token, ctag = await self._stamps()
        found = await self._dav.properties(self._url, ETAG, TYPE, depth=1)
        look = Look(token, ctag, every=True)
        if not found.said.responses:
            look.reason = "the server lists nothing, not even the calendar itself"
        for one in found.said.responses:
            key = self._key(one)
            if one.status == 507 or (key == self._own and not one.there):
                look.reason = "the server did not list the whole calendar"
            elif key == self._own or one.is_collection:
                continue
            elif one.there:
                look.shown[key] = (one.href, one.get(ETAG).text.strip())
            else:
                look.withheld[key] = one.href
        return look

    async def _fetch(self, asked: dict[str, tuple[str, str]], after: State) -> None:
        """Read these resources. One that the answer leaves out is there all the same, as far as anybody knows."""
        batches = [list(asked)[at : at + BATCH] for at in range(0, len(asked), BATCH)]
        size = sum(len(one.text or b"") for one in after.resources.values())
        while batches:
            batch = batches.pop(0)
            try:
                said = await self._dav.report(self._url, multiget(asked[key][0] for key in batch), 1)
            except (BodyTooLarge, NotXml):
                self._splits += 1
                if self._splits > _MOST_SPLITS:
                    raise
                if len(batch) > 1:
                    half = len(batch) // 2
                    batches[:0] = [batch[:half], batch[half:]]
                continue
            answers = {self._key(one): one for one in said.responses if one.there}
            for key in batch:
                href, etag = asked[key]
                answer = answers.get(key, Response())
                data = answer.get(DATA).text.encode("utf-8", "surrogatepass") or await self._alone(href)
                one = self._read(key, href, answer.get(ETAG).text.strip() or etag, data)
                after.resources[key] = one
                size += len(one.text or b"")
            if size > MAX_KEPT:
                raise Unreachable(f"the calendar is larger than {MAX_KEPT // 1024**2} MiB")

    async def _alone(self, href: str) -> bytes:
        """A resource that the server left out, asked for by itself: there are names that it gets wrong in a list."""
        self._alone_left -= 1
        if self._alone_left < 0:
            return b""
        try:
            return (await self._dav.get(self._dav.url(href, self._url))).body
        except RateLimited:
            raise
        except OutsideError:
            return b""

    def _read(self, key: str, href: str, etag: str, data: bytes) -> Resource:
        if not data.strip():
            return self._unread(key, href)
        kept = self._before.resources.get(key)
        text = normalise(data, "utf-8")
        if kept is not None and kept.text == text:
            return replace(kept, href=href, etag=etag)
        return Resource(href, etag, kept.uids if kept else (), text)

    def _unread(self, key: str, href: str) -> Resource:
        kept = self._before.resources.get(key)
        return Resource(href, "", kept.uids if kept else (), None)

    def _key(self, response: Response) -> str:
        key = canonical(response.href)
        return key.rstrip("/") if key.rstrip("/") == self._own else key


def _same(before: State, after: State) -> bool:
    """Whether nothing at all differs but token, tag and count."""
    if before.resources.keys() != after.resources.keys():
        return False
    pairs = ((one, after.resources[key]) for key, one in before.resources.items())
    return all(a is b or (a.text is not None and (a.text, a.etag) == (b.text, b.etag)) for a, b in pairs)
