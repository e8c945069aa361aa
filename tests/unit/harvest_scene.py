"""A made-up vendor with artifacts, a real ledger and a real archive folder, for the tests of looking and fetching."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors import media
from connectors.archive import open_archive
from sync.artifacts.harvest import Harvester
from sync.artifacts.pull import Puller
from sync.artifacts.retain import Retention
from sync.errors import OutsideError, Unreachable
from sync.gate import VendorGate
from sync.ledger.records import Link, Occurrence, Pulled
from sync.ledger.store import Ledger
from sync.model import Artifact, Capabilities, Meeting
from sync.occurrences import keep
from sync.outlets import Archive
from sync.ports import Download
from sync.snapshot import Snapshot
from tests.clock import ManualClock
from tests.unit.builders import FULL, HOUR, NOW, ROUTE, link_of, meeting

MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(range(256)) * 40
LOOKS = tuple(timedelta(minutes=m) for m in (5, 30, 120))
RECORDS = replace(FULL, recordings_pull=True)
ENDED = meeting("m1", NOW - HOUR, HOUR)
"""It has just ended when the clock starts."""


def a_recording(ref: str = "7", content: bytes = MP4, **more: Any) -> Artifact:
    return Artifact("recording", ref, "s-m1@example.com", f"Recording {ref}", "video/mp4", size=len(content), **more)


@dataclass
class Vendor:
    """`left` and `contents` are what a session left; `listing` and `opening` are errors that come first; a download
    breaks at the next of `breaks` (bytes of that answer), `resumes` as the vendor's server can, `validator` names the
    version."""

    left: list[Artifact] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    listing: list[BaseException] = field(default_factory=list)
    opening: list[BaseException] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    resumes: bool = True
    ignores_version: bool = False
    validator: str = '"v1"'
    media_type: str = "video/mp4"
    more: str = ""
    tells_size: bool = True
    looked: int = 0
    opened: list[int] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)
    """Happens while the vendor is asked what there is."""

    def leave(self, artifact: Artifact, content: bytes = MP4) -> None:
        self.left = [one for one in self.left if (one.kind, one.ref) != (artifact.kind, artifact.ref)] + [artifact]
        self.contents[artifact.ref] = content

    async def artifacts(self, ref: str) -> tuple[Artifact, ...]:
        self.looked += 1
        await asyncio.sleep(0)
        await self.meanwhile()
        if self.listing:
            raise self.listing.pop(0)
        return tuple(one for one in self.left if one.session_ref == ref)

    @asynccontextmanager
    async def download(self, artifact: Artifact, *, start: int = 0, validator: str = "") -> AsyncIterator[Download]:
        if self.opening:
            raise self.opening.pop(0)
        content = self.contents[artifact.ref]
        same = self.ignores_version or validator == self.validator
        goes_on = self.resumes and same and validator != "" and start <= len(content)
        begin = start if goes_on else 0
        self.opened.append(begin)
        size = len(content) if self.tells_size else None
        yield Download(self._chunks(content[begin:]), begin, size, self.validator, self.media_type, self.more)

    async def _chunks(self, content: bytes) -> AsyncIterator[bytes]:
        end = self.breaks.pop(0) if self.breaks else len(content)
        for at in range(0, min(end, len(content)), 1000):
            await asyncio.sleep(0)
            yield content[at : min(at + 1000, end)]
        if end < len(content):
            raise Unreachable("the connection broke")


class Scene:
    """One route, whose meetings have sessions; `look` is what a pass does about artifacts."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self.folder = folder / "archive"
        self.archive: Archive = open_archive(str(self.folder), folder)
        self.vendor = Vendor()
        self.clock = ManualClock()
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.capabilities: Capabilities = RECORDS
        self.retention = Retention()
        self.route = replace(ROUTE, looks=LOOKS)

    async def hold(self, *meetings: Meeting, links: list[Link] | None = None) -> None:
        """The calendar shows the meetings, and each has its session."""
        window = self.route.window(self.clock.now())
        held = links if links is not None else [link_of(one) for one in meetings]
        await self.ledger.save_links(held, self.clock.now())
        known = {str(one.key): one for one in await self.ledger.occurrences.since(ROUTE.name, NOW - 9 * HOUR)}
        snapshot = Snapshot("sales", window, meetings)
        by_key = {link.key: link for link in held}
        kept = keep(self.route, self.capabilities, snapshot, by_key, known, self.clock.now())
        await self.ledger.occurrences.save(*kept.changed)

    async def look(self, *, at_once: bool = False) -> int:
        self.gate = gate = VendorGate("main", self.vendor, self.clock, 5.0)  # type: ignore[arg-type]
        puller = Puller(self.ledger.artifacts, self.archive, media, gate, self.clock, self._say)
        harvester = Harvester(self.route, self.capabilities, self.ledger, puller, 4)
        lacking = await harvester.run(at_once=at_once)
        await self.retention.apply(self.ledger.artifacts, self.archive, self.clock, self._say)
        await harvester.write_manifests()
        return lacking

    async def pulled(self) -> list[Pulled]:
        return await self.ledger.artifacts.pulled(ROUTE.name)

    async def occurrence(self, key: str = "sales:m1@example.com") -> Occurrence:
        (one,) = await self.ledger.occurrences.named(ROUTE.name, [key])
        return one

    def files(self) -> dict[str, bytes]:
        """Every file of the archive by its name."""
        found = {file.name: file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}
        return dict(sorted(found.items()))

    def recordings(self) -> list[bytes]:
        return [content for name, content in self.files().items() if name != "meeting.json"]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.log if event == name]

    def _say(self, event: str, /, **fields: Any) -> None:
        self.log.append((event, fields))


def broken(*errors: OutsideError) -> list[BaseException]:
    return list(errors)
