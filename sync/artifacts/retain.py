"""How long the archive keeps its files: by age, by total size, for ever when nothing is said.

Only files that the ledger lists are removed, and the ledger goes on listing them, so that they are not fetched again.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from sync.ledger.artifacts import Artifacts
from sync.ledger.records import Pulled, PulledState
from sync.outlets import Archive
from sync.ports import Clock, Log


@dataclass(frozen=True, slots=True)
class Retention:
    """`max_age` since a file was stored; `max_size` of all files together, in bytes."""

    max_age: timedelta | None = None
    max_size: int | None = None

    async def apply(self, artifacts: Artifacts, archive: Archive, clock: Clock, log: Log) -> None:
        """Remove what is too old, and then the oldest while there is too much. Raises ArchiveError."""
        if self.max_age is not None:
            before = clock.now() - self.max_age
            for record in await artifacts.in_archive(before):
                await _remove(record, "age", artifacts, archive, log)
        if self.max_size is None:
            return
        total = await artifacts.bytes_in_archive()
        if total <= self.max_size:
            return
        for record in await artifacts.in_archive():
            await _remove(record, "size", artifacts, archive, log)
            total -= record.size or 0
            if total <= self.max_size:
                return


async def _remove(record: Pulled, why: str, artifacts: Artifacts, archive: Archive, log: Log) -> None:
    await archive.remove(record.path)  # first: what is forgotten would never be removed
    await artifacts.save_pulled(replace(record, state=PulledState.REMOVED))
    log("artifact.removed", route=record.route, key=record.key, kind=record.kind, path=record.path, reason=why)
