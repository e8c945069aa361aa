"""The iCalendar source by the contract of all sources: a feed over real loopback HTTP."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.sources.ical import IcalSettings, IcalSource
from tests.calendars import Entry, calendar
from tests.contract.source import START, ManyMeetings, SourceContract
from tests.feed_server import Asked, Server, answer, serving


class FeedScene:
    """A person edits a calendar, which is published as a feed."""

    looks = 1

    def __init__(self, server: Server) -> None:
        self.server = server
        self.entries: dict[str, Entry] = {}
        self._publish()

    def source(self) -> IcalSource:
        settings = IcalSettings.model_validate(
            {"type": "ical", "url": f"{self.server.url}/feed.ics", "timeout": "300ms"}
        )
        return IcalSource("feed", settings, Path("/"))

    def add(self, title: str, start: datetime, *, people: Sequence[tuple[str, str]] = ()) -> str:
        uid = f"{len(self.entries)}@example.com"
        named = tuple(f'ATTENDEE;CN="{name}":mailto:{email}' for email, name in people)
        self.entries[uid] = Entry(uid, start, title=title, organizer="", people=(), extra=named)
        self._publish()
        return uid

    def change(self, uid: str, *, title: str | None = None, start: datetime | None = None) -> None:
        before = self.entries[uid]
        self.entries[uid] = replace(before, title=title or before.title, start=start or before.start)
        self._publish()

    def cancel(self, uid: str) -> None:
        self.entries[uid] = replace(self.entries[uid], cancelled=True)
        self._publish()

    def delete(self, uid: str) -> None:
        del self.entries[uid]
        self._publish()

    def many(self, count: int) -> None:
        for n in range(count):
            self.entries[str(n)] = Entry(str(n), START + timedelta(minutes=4) * n, title=str(n), people=())
        self._publish()

    @contextmanager
    def breaking(self, kind: str, after: int = 0) -> Iterator[None]:
        whole = calendar(self.entries.values()).encode()

        over = asyncio.Event()

        async def silence(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
            await over.wait()

        self.server.script = {
            "500": answer(b"", 500),
            "401": answer(b"", 401),
            "hang": silence,
            "truncate": answer(whole[: len(whole) // 2]),
            "garbage": answer(b"<!DOCTYPE html><html>Maintenance</html>"),
            "empty": answer(b""),
        }[kind]
        yield
        over.set()
        self._publish()

    def _publish(self) -> None:
        self.server.answer(calendar(self.entries.values()).encode())


@pytest.fixture
async def scene() -> AsyncIterator[FeedScene]:
    async with serving() as server:
        yield FeedScene(server)


class TestIcalSource(SourceContract, ManyMeetings):
    pass
