"""One artifact into the archive: received in pieces, checked, and given its name only when it is whole."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from sync.errors import ArchiveError, CredentialsRefused, OutsideError, RateLimited, Refused, Unreachable
from sync.gate import Halted, VendorGate
from sync.ledger.artifacts import Artifacts
from sync.ledger.records import Pulled, PulledState
from sync.model import Artifact
from sync.outlets import Archive, Contents, Incoming, Stored
from sync.ports import Clock, Download, Log

TRIES = 5
"""How often a download that breaks is gone on with in one pass, as long as each piece brings it further."""

Progress = Callable[[str, int, int | None], None]
"""Told of each piece: the artifact's name, the bytes so far, and those of the whole where they are known."""


@dataclass(slots=True)
class _Work:
    """What is known of one download while it goes on: the record as the ledger has it, and how far each try came."""

    record: Pulled
    begun: int = 0
    size: int = 0


@dataclass(slots=True)
class Puller:
    """Fetches artifacts for one route. What was received stays, so that the next try or pass goes on with it."""

    artifacts: Artifacts
    archive: Archive
    contents: Contents
    gate: VendorGate
    clock: Clock
    log: Log
    progress: Progress = lambda _name, _done, _total: None

    async def pull(self, artifact: Artifact, record: Pulled) -> Pulled:
        """The record as it is then: stored, or as it was, with what went wrong. Raises Halted."""
        work = _Work(record)
        try:
            if record.state is PulledState.STORING and (done := await self._interrupted(record)):
                return done
            return await self._fetch(artifact, work)
        except (OutsideError, ArchiveError) as error:
            if isinstance(error, (RateLimited, CredentialsRefused)):
                self.gate.tell(error)  # it is the account's trouble, and nothing is held against the artifact
                raise Halted(str(error)) from error
            if isinstance(error, Halted):
                raise
            known = work.record
            worse = replace(known, attempts=known.attempts + 1, problem=str(error) or type(error).__name__)
            await self.artifacts.save_pulled(worse)
            if worse.attempts == 1:
                self._say("artifact.failed", worse, reason=worse.problem)
            return worse

    async def _interrupted(self, record: Pulled) -> Pulled | None:
        """One that was whole when an earlier pass ended: it only lacks its name, or not even that."""
        expected = Stored(record.size or 0, record.sha256)
        if await self.archive.stored(record.path) == expected:
            await self.archive.drop(record.stem)
            return await self._name(record)
        async with self.archive.incoming(record.stem) as part:
            whole = part.size == expected.size and await part.seal() == expected
        if not whole:
            return None
        await self.archive.publish(record.stem, record.path)
        return await self._name(record)

    async def _fetch(self, artifact: Artifact, work: _Work) -> Pulled:
        for attempt in range(TRIES):
            try:
                return await self._receive(artifact, work)
            except (Refused, RateLimited, CredentialsRefused):
                raise
            except OutsideError:
                if self.gate.halted or attempt == TRIES - 1 or work.size <= work.begun:
                    raise
        raise Unreachable("the download breaks again and again")

    async def _receive(self, artifact: Artifact, work: _Work) -> Pulled:
        async with AsyncExitStack() as stack:
            part = await stack.enter_async_context(self.archive.incoming(work.record.stem))
            if part.size and not work.record.validator:
                await part.restart()
            work.begun = work.size = part.size
            opened = self.gate.connector.download(artifact, start=part.size, validator=work.record.validator)
            download = await stack.enter_async_context(opened)
            if download.start != part.size:
                await part.restart()
                if download.start:
                    raise Unreachable("the server goes on in another place than it was asked to")
                work.begun = 0
            elif download.start and download.validator and download.validator != work.record.validator:
                await part.restart()
                raise Unreachable("the server goes on with another version than it was asked for")
            if download.validator != work.record.validator:
                work.record = replace(work.record, validator=download.validator)
                await self.artifacts.save_pulled(work.record)  # before the bytes that it stands for
            try:
                await self._write(part, download, artifact)
            finally:
                work.size = part.size
            return await self._store(stack, part, download, artifact, work)

    async def _write(self, part: Incoming, download: Download, artifact: Artifact) -> None:
        async for chunk in download.chunks:
            if self.gate.halted:
                raise Halted(self.gate.halted)
            await part.write(chunk)
            self.progress(artifact.name or artifact.ref, part.size, download.size or artifact.size)
        expected = artifact.size if download.size is None else download.size
        if expected is not None and part.size != expected:
            size = part.size
            if size > expected:
                await part.restart()
            raise Unreachable(f"{size} bytes came instead of {expected}")

    async def _store(
        self, stack: AsyncExitStack, part: Incoming, download: Download, artifact: Artifact, work: _Work
    ) -> Pulled:
        media_type = await self._media_type(part, download, artifact)
        whole = await part.seal()
        await stack.aclose()
        now = self.clock.now()
        record = replace(
            work.record,
            media_type=media_type,
            status=artifact.status,
            more=download.more or artifact.more,
            validator="",
            attempts=0,
            problem="",
        )
        if record.state is PulledState.STORED and record.sha256 == whole.sha256:
            await self.archive.drop(record.stem)
            await self.artifacts.save_pulled(record)
            return record
        path = record.stem + self.contents.extension_of(media_type)
        if record.path and record.path != path:
            await self.archive.remove(record.path)  # before it is forgotten where it was
        work.record = replace(
            record, state=PulledState.STORING, path=path, size=whole.size, sha256=whole.sha256, stored_at=now
        )
        await self.artifacts.save_pulled(work.record)
        await self.archive.publish(record.stem, path)
        return await self._name(work.record)

    async def _media_type(self, part: Incoming, download: Download, artifact: Artifact) -> str:
        """What it is by its content. Raises Unreachable for what is certainly not the artifact."""
        if not part.size:
            raise Unreachable("nothing came")
        promised = self.contents.media_type_of(b"", artifact.media_type, artifact.name)
        page = self.contents.looks_like_a_page(part.head)
        if page and (artifact.kind == "recording" or promised not in ("text/html", "application/octet-stream")):
            await part.restart()
            raise Unreachable(f"a web page came instead of the {artifact.kind}")
        return self.contents.media_type_of(part.head, download.media_type or artifact.media_type, artifact.name)

    async def _name(self, record: Pulled) -> Pulled:
        """Everything is in its place: say so."""
        done = replace(record, state=PulledState.STORED, validator="", attempts=0, problem="")
        await self.artifacts.save_pulled(done)
        self._say("artifact.stored", done, kind=done.kind, bytes=done.size, path=done.path)
        return done

    def _say(self, event: str, record: Pulled, **fields: object) -> None:
        self.log(event, route=record.route, vendor=record.vendor, key=record.key, session=record.session, **fields)
