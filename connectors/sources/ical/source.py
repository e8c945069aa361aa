"""The iCalendar source: fetches the feed's text, judges whether it is whole, and gives its meetings."""

import asyncio
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from connectors.answers import Answer, CutBody, place
from connectors.documents import Documents
from connectors.http import Wire
from connectors.sources.ical.charsets import is_utf8
from connectors.sources.ical.cursor import Kept, pack, unpack
from connectors.sources.ical.feed import Reader, contexts
from connectors.sources.ical.settings import IcalSettings, locate
from connectors.sources.ical.text import Feed, open_feed, without_dtstamp
from connectors.sources.ical.values import Unreadable
from sync.errors import CredentialsRefused, OutsideError, Unreachable
from sync.model import Document, Finding, MeetingKey, Window, content_digest
from sync.ports import Fetched
from sync.snapshot import Snapshot, Trouble

MAX_BYTES = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Body:
    """A body as it came, or `reason` why there is none. `kept` is set when the server said: unchanged (304);
    `cut` says how it broke off when it did."""

    raw: bytes = field(default=b"", repr=False)
    charset: str = ""
    etag: str = ""
    modified: str = ""
    kept: Kept | None = field(default=None, repr=False)
    reason: str = ""
    refused: bool = False
    cut: str = ""


class IcalSource:
    """A feed behind an address, or a file. Implements the port `Source`."""

    def __init__(self, name: str, settings: IcalSettings, base: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.name = name
        self._where = locate(settings.url.get_secret_value(), base)
        self._origin = content_digest(
            self._where, settings.timezone, settings.all_day, settings.tentative, settings.max_occurrences
        )
        self._max_bytes = max_bytes
        self._settings = settings
        self._reader = Reader(name, settings)
        self._one_at_a_time = asyncio.Lock()
        self._wire = Wire(
            timeout=settings.timeout.total_seconds(), max_bytes=max_bytes, allow_private=settings.allow_private
        )
        self._documents = Documents(timeout=settings.timeout.total_seconds(), allow_private=settings.allow_private)

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()
        await self._documents.close()

    async def document(self, document: Document, validator: str) -> Fetched | None:
        """What an entry's attachment holds now; see the port `Source`. Never with the feed's own credentials."""
        return await self._documents.fetch(document, validator)

    async def check(self) -> tuple[Finding, ...]:
        """Read once. Raises CredentialsRefused or Unreachable when there is no calendar to read."""
        body = await self._get(None)
        here = str(self._where) if isinstance(self._where, Path) else place(self._where)
        if body.reason:
            raise (CredentialsRefused if body.refused else Unreachable)(f"{here}: {body.reason}")
        try:
            return await asyncio.to_thread(self._findings, body)
        except Unreadable as error:
            raise Unreachable(f"{here}: {error}") from error

    def _findings(self, body: _Body) -> tuple[Finding, ...]:
        """What a person should know of the feed as a whole. Raises Unreadable."""
        feed = open_feed(body.raw, body.charset)
        findings = []
        if feed.defect:
            findings.append(Finding("feed-incomplete", f"{feed.defect}: nothing is removed because of this feed"))
        if not feed.blocks:
            findings.append(Finding("feed-empty", "the calendar has no entries"))
        if feed.charset or not is_utf8(feed.text):
            read_as = f"{feed.charset}, as declared" if feed.charset else "Windows-1252 where it is not"
            findings.append(Finding("charset-assumed", f"the calendar is not in UTF-8: it is read as {read_as}"))
        doubts = dict.fromkeys(context.doubt for context in contexts(feed, self._settings) if context.doubt)
        return (*findings, *(Finding("timezone-assumed", doubt) for doubt in doubts))

    async def fetch(self, cursor: bytes | None, window: Window, known: Collection[MeetingKey]) -> Snapshot:
        """One read. Never raises for what the outside does: the snapshot says what went wrong."""
        async with self._one_at_a_time:
            kept = await asyncio.to_thread(unpack, cursor, self._origin, self._max_bytes + 1)
            body = await self._get(kept if kept and (kept.etag or kept.modified) else None)
            if body.reason:
                return self._unreadable(window, body.reason)
            return await asyncio.to_thread(self._evaluate, body, kept, window, frozenset(known))

    def _evaluate(self, body: _Body, kept: Kept | None, window: Window, known: frozenset[MeetingKey]) -> Snapshot:
        try:
            feed = open_feed(body.raw, body.charset)
            if body.cut:
                feed = replace(feed, defect=body.cut)
            sizes = self._sizes(kept) if feed.defect else None
            reading = self._reader.read(feed, window, known, sizes)
        except Unreadable as error:
            return self._unreadable(window, body.cut or str(error))
        unchanged, next_cursor = False, None
        if not feed.defect:
            unchanged, next_cursor = self._next(body, feed.text, kept)
        return Snapshot(
            source=self.name,
            window=window,
            meetings=tuple(reading.meetings),
            asked=frozenset(key for key in known if key.source == self.name),
            rejected=tuple(reading.rejected),
            unproved=reading.unproved,
            trouble=Trouble.PARTIAL if feed.defect else Trouble.NONE,
            reason=feed.defect,
            cursor=next_cursor,
            unchanged=unchanged,
        )

    def _next(self, body: _Body, text: bytes, kept: Kept | None) -> tuple[bool, bytes]:
        """Whether a whole text says the same as the kept one, and the next cursor."""
        if body.kept is not None:
            return True, body.kept.packed
        content = hashlib.sha256(without_dtstamp(text)).hexdigest()
        fresh = Kept(self._origin, body.charset, body.etag, body.modified, content, body.raw)
        unchanged = kept is not None and kept.content == content
        if kept is not None and (kept.body, kept.etag, kept.modified, kept.charset) == (
            body.raw,
            body.etag,
            body.modified,
            body.charset,
        ):
            return unchanged, kept.packed
        return unchanged, pack(fresh)

    def _sizes(self, kept: Kept | None) -> dict[str, int]:
        """How many entries each UID had in the last whole text."""
        sizes: dict[str, int] = {}
        if kept is None:
            return sizes
        try:
            feed: Feed = open_feed(kept.body, kept.charset)
        except Unreadable:
            return sizes
        for block in feed.blocks:
            if uid := feed.uid_of(block):
                sizes[uid] = sizes.get(uid, 0) + 1
        return sizes

    def _unreadable(self, window: Window, reason: str) -> Snapshot:
        return Snapshot(self.name, window, trouble=Trouble.UNREADABLE, reason=reason)

    async def _get(self, kept: Kept | None) -> _Body:
        if isinstance(self._where, Path):
            return await asyncio.to_thread(self._from_file, self._where)
        try:
            answer = await self._ask(kept)
            if answer.status == 304 and kept is None:
                answer = await self._ask(None)
        except CutBody as error:
            return _broken(error)
        except OutsideError as error:
            return _Body(reason=_short(str(error)), refused=isinstance(error, CredentialsRefused))
        if answer.status == 304 and kept is not None:
            return _Body(kept.body, kept.charset, kept.etag, kept.modified, kept)
        if answer.status != 200:
            return _Body(reason=f"answered {answer.status}", refused=answer.status in (401, 403))
        headers = answer.headers
        return _Body(
            answer.body,
            _charset(headers.get("content-type", "")),
            headers.get("etag", ""),
            headers.get("last-modified", ""),
        )

    async def _ask(self, kept: Kept | None) -> Answer:
        headers = {"Accept": "text/calendar, */*;q=0.5"}
        if kept is not None and kept.etag:
            headers["If-None-Match"] = kept.etag
        if kept is not None and kept.modified:
            headers["If-Modified-Since"] = kept.modified
        return await self._wire.read(str(self._where), headers=headers, redirects=True, raw_status=True)

    def _from_file(self, path: Path) -> _Body:
        try:
            with path.open("rb") as file:
                raw = file.read(self._max_bytes + 1)
        except FileNotFoundError:
            return _Body(reason=f"there is no file {path}")
        except OSError as error:
            return _Body(reason=f"{path} cannot be read ({error.strerror or type(error).__name__})")
        except ValueError:
            return _Body(reason="the path is not a valid one")
        if len(raw) > self._max_bytes:
            return _Body(reason=f"the file is larger than {self._max_bytes} bytes")
        return _Body(raw)


def _broken(error: CutBody) -> _Body:
    """What came before the connection broke is a part of the calendar, when it is that at all."""
    part = error.partial
    if part is None or part.status != 200 or not part.body.strip():
        return _Body(reason=_short(str(error)))
    return _Body(part.body, _charset(part.headers.get("content-type", "")), cut=_short(str(error)))


def _charset(content_type: str) -> str:
    match = re.search(r";\s*charset\s*=\s*\"?([\w.:-]+)", content_type, re.IGNORECASE)
    return match[1].lower() if match else ""


def _short(message: str) -> str:
    """The client's message without its `GET scheme://host: ` in front."""
    return re.sub(r"^[A-Z]+ \S+: ", "", message)
