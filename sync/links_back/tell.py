"""The source is told of each artifact that has come into the archive: once, when it is as it will be in the end.

Telling twice would show, so an attempt of unknown outcome is looked for before it is made again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import PurePosixPath
from typing import Literal, cast
from urllib.parse import quote

from sync.gate import VendorGate
from sync.ledger.records import Occurrence, Pulled
from sync.ledger.store import Ledger
from sync.ledger.write_backs import WriteBack, WriteState
from sync.links_back.writer import SourceWriter
from sync.model import content_digest
from sync.outlets import Archive, Archived, WritableSource
from sync.ports import Clock, Log
from sync.route import Route

MOST_HANDED = 10 * 1024**2
"""Bytes: the largest artifact whose content the source is given; of a larger one it is told where it is."""

TOLD_WITHIN = timedelta(days=31)
"""What was stored longer ago is not told any more: a source is not flooded when its first route may write to it."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells a route's source what came into the archive. `address` is where people reach that, "" for nowhere."""

    ledger: Ledger
    target: WritableSource
    archive: Archive
    address: str
    gate: VendorGate
    clock: Clock
    log: Log
    route: Route

    async def run(self, *, respect_backoff: bool) -> int:
        """Tell what is due; of how many artifacts the source does not know. Raises ArchiveError."""
        table, now = self.ledger.write_backs, self.clock.now()
        stored = {identity(one): one for one in await self.ledger.artifacts.stored(self.route.name, now - TOLD_WITHIN)}
        known = {(str(row.key), row.thing): row for row in await table.artifacts(self.route.name)}
        rows = {row.thing: row for row in known.values()}
        await table.drop(row for row in rows.values() if not row.is_over and row.thing not in stored)
        wanting = {thing: one for thing, one in stored.items() if _is_wanting(one, rows.get(thing))}
        if not wanting:
            return 0
        occurrences = await self._occurrences(wanting)
        writer = SourceWriter(table, self.gate, self.clock, self.log, self.route.name, self.route.source, known)
        lacking = 0
        for thing, artifact in wanting.items():
            one, row = occurrences.get(artifact.key), rows.get(thing)
            if one is None or (artifact.more and one.look_at is not None):
                continue  # a person made us forget it, or it is still to change
            waits = respect_backoff and row is not None and row.retry_at is not None and row.retry_at > now
            if waits or writer.stopped:
                lacking += 1
                continue
            lacking += not await self._tell(artifact, one, row, writer)
        writer.finish()
        return lacking

    async def _occurrences(self, artifacts: Mapping[str, Pulled]) -> Mapping[str, Occurrence]:
        keys = {one.key for one in artifacts.values()}
        return {str(one.key): one for one in await self.ledger.occurrences.named(self.route.name, keys)}

    async def _tell(self, artifact: Pulled, one: Occurrence, row: WriteBack | None, writer: SourceWriter) -> bool:
        """Whether it is over: the source was told, or has no place for it."""
        small = artifact.size is not None and artifact.size <= MOST_HANDED
        content = await self.archive.read(artifact.path, MOST_HANDED) if small else None
        told = _archived(artifact, self.address, content)
        row = row or WriteBack(
            self.route.name,
            one.key,
            identity(artifact),
            one.end,
            WriteState.WAITING,
            artifact.sha256,
            told.name,
            attempts=0,
        )
        again = row.wanted != artifact.sha256  # another version: the earlier one was told, or nobody needs it
        doubted = not again and (row.doubted or row.state is WriteState.TRYING)
        ahead = replace(
            row,
            state=WriteState.TRYING,
            wanted=artifact.sha256,
            attempts=1 if again else row.attempts + 1,
            doubted=doubted,
            retry_at=None,
        )
        after = await writer.write(ahead, partial(self.target.add_artifact, one.key, told, doubted=doubted))
        if after.state is WriteState.DONE:
            self.log(
                "artifact.told",
                route=self.route.name,
                source=self.route.source,
                key=artifact.key,
                kind=artifact.kind,
                path=artifact.path,
            )
        return after.is_over


def identity(artifact: Pulled) -> str:
    """What it is known by among all that a source was told."""
    return content_digest(artifact.vendor, artifact.session, artifact.kind, artifact.ref)


def _is_wanting(artifact: Pulled, row: WriteBack | None) -> bool:
    """Whether the source is still to be told; what it refused for good waits for a person."""
    if row is None or row.wanted != artifact.sha256:
        return True
    return not row.is_over and not row.is_given_up


def _archived(artifact: Pulled, address: str, content: bytes | None) -> Archived:
    return Archived(
        kind=cast(Literal["recording", "document", "attendance"], artifact.kind),
        name=PurePosixPath(artifact.path).name,
        media_type=artifact.media_type,
        size=artifact.size or 0,
        path=artifact.path,
        url=f"{address.rstrip('/')}/{quote(artifact.path)}" if address else "",
        duration=artifact.duration,
        content=content,
    )
