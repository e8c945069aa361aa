"""After a meeting's end: looking for what it left, at the times of the route's schedule, until it is found or given up.

The schedule is kept with the occurrence in the ledger, so a restart loses no look. A look that failed is no look.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from sync.artifacts.manifest import manifest
from sync.artifacts.places import folder_of, stem_of
from sync.artifacts.pull import Puller
from sync.errors import ArchiveError, ConfigurationError, LedgerError, OutsideError
from sync.gate import Halted
from sync.ledger.records import Occurrence, Pulled, PulledState
from sync.ledger.store import Ledger
from sync.model import Artifact, Capabilities
from sync.route import Route

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=6)
PATIENCE = timedelta(days=7)
"""How long after its last look what cannot be listed or fetched is still tried."""

FEWEST_FAILURES = 3

UNFINISHED = (PulledState.LISTED, PulledState.STORING)


@dataclass(slots=True)
class Harvester:
    """Makes the looks that are due for one route; `concurrency` sessions at a time."""

    route: Route
    capabilities: Capabilities
    ledger: Ledger
    puller: Puller
    concurrency: int

    async def run(self, *, at_once: bool) -> int:
        """Make them (`at_once`: those that failed, too); how many artifacts or looks did not come."""
        due: dict[str, list[Occurrence]] = {}
        for one in await self.ledger.occurrences.due(self.route.name, self._now, at_once=at_once):
            due.setdefault(one.session, []).append(one)
        slots = asyncio.Semaphore(self.concurrency)

        async def look(session: str, occurrences: list[Occurrence]) -> int:
            async with slots:
                return await self._fenced(session, occurrences)

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(look(session, occurrences)) for session, occurrences in due.items()]
        return sum(task.result() for task in running)

    async def write_manifests(self) -> None:
        """Write those that are due: when an artifact came or went. Raises ArchiveError."""
        archive = self.puller.archive
        for one in await self.ledger.occurrences.unlisted(self.route.name):
            pulled = await self.ledger.artifacts.of_meeting(one.route, str(one.key))
            path = f"{one.folder}/meeting.json"
            if any(record.state is not PulledState.REMOVED for record in pulled):
                await archive.write(path, manifest(one, pulled))
            else:
                await archive.remove(path)
            await self.ledger.occurrences.listed(one)

    async def _fenced(self, session: str, due: list[Occurrence]) -> int:
        """A defect of ours in one session's look stops no other."""
        try:
            return await self._look(session, due)
        except Halted:
            return len(due)  # nothing was learned: they stay due
        except (SQLAlchemyError, ConfigurationError, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001 - the fence between sessions, as in `apply`
            return await self._not_looked(due, f"a defect of convener: {type(error).__name__}: {error}")

    async def _look(self, session: str, due: list[Occurrence]) -> int:
        gate = self.puller.gate
        try:
            listed = await gate.call(lambda: gate.connector.artifacts(session))
        except Halted:
            raise
        except OutsideError as error:
            return await self._not_looked(due, str(error))
        records = {(r.kind, r.ref): r for r in await self.ledger.artifacts.of_session(self.route.vendor, session)}
        neighbours = await self.ledger.occurrences.at(self.route.name, session)
        for artifact in listed:
            record = records.get((artifact.kind, artifact.ref))
            if record is None:
                record = await self._first_seen(artifact, _meeting_of(artifact, neighbours, due[-1]))
            records[artifact.kind, artifact.ref] = await self._artifact(artifact, record)
        lacking = 0
        for one in await self.ledger.occurrences.named(self.route.name, [str(one.key) for one in due]):
            if one.session == session:  # and has not been given another one meanwhile
                lacking += await self._conclude(one, [r for r in records.values() if r.key == str(one.key)])
        return lacking

    async def _artifact(self, artifact: Artifact, record: Pulled) -> Pulled:
        """Its record after what can be done about it now; a defect of ours in one stops no other."""
        try:
            if _is_wanted(artifact, record):
                return await self.puller.pull(artifact, record)
        except (Halted, SQLAlchemyError, ConfigurationError, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001 - the fence between artifacts, as in `apply`
            why = f"a defect of convener: {type(error).__name__}"
            record = replace(record, attempts=record.attempts + 1, problem=why)
            await self.ledger.artifacts.save_pulled(record)
            return record
        if record.state is PulledState.LISTED and (artifact.more, artifact.status) != (record.more, record.status):
            record = replace(record, more=artifact.more, status=artifact.status)
            await self.ledger.artifacts.save_pulled(record)
        return record

    async def _first_seen(self, artifact: Artifact, meeting: Occurrence) -> Pulled:
        """List it, with its place in the archive, which stays whatever it is renamed to."""
        (meeting,) = await self.ledger.occurrences.named(meeting.route, [str(meeting.key)])
        folder = meeting.folder or folder_of(meeting.route, meeting.start, meeting.title, str(meeting.key))
        record = Pulled(
            route=self.route.name,
            key=str(meeting.key),
            vendor=meeting.vendor,
            session=meeting.session,
            kind=artifact.kind,
            ref=artifact.ref,
            name=artifact.name,
            stem=stem_of(folder, artifact.kind, artifact.ref, artifact.name),
            state=PulledState.LISTED,
            seen_at=self._now,
            media_type=artifact.media_type,
            size=artifact.size,
            duration=artifact.duration,
            created=artifact.created,
            status=artifact.status,
            more=artifact.more,
        )
        await self.ledger.artifacts.save_pulled(record, folder=folder)
        return record

    async def _conclude(self, one: Occurrence, records: list[Pulled]) -> int:
        """Whether there is anything more to look for, and when; how many of its artifacts did not come."""
        failed = [r for r in records if r.problem and (r.state in UNFINISHED or _may_change(r))]
        waiting = [r for r in records if r.state in UNFINISHED or _may_change(r)]
        if self._has_come(records) and not waiting:
            await self._over(one, records, found=True)
            return 0
        if failed and not self._is_out_of_patience(one):
            wait = min(FIRST_WAIT * 2 ** min(one.failures, 10), LONGEST_WAIT)
            again = replace(one, look_at=self._now + wait, failures=one.failures + 1, problem=failed[0].problem)
            await self.ledger.occurrences.save_looks(again)
            return len(failed)
        early = one.looks < len(self.route.looks) and one.end + self.route.looks[one.looks] > self._now
        looks = one.looks if early else one.looks + 1  # a hint from outside costs none of the schedule's
        while looks < len(self.route.looks) and one.end + self.route.looks[looks] <= self._now:
            looks += 1  # missed while nobody looked: this look stands for them
        if looks < len(self.route.looks):
            next_at = one.end + self.route.looks[looks]
            await self.ledger.occurrences.save_looks(replace(one, looks=looks, look_at=next_at, failures=0, problem=""))
            return len(failed)
        await self._over(one, records, found=False)
        return len(failed)

    def _has_come(self, records: Iterable[Pulled]) -> bool:
        """Whether what the looks are for is there: a report of who attended says nothing about a recording."""
        kinds = {record.kind for record in records}
        return "recording" in kinds if self.capabilities.recordings_pull else bool(kinds)

    async def _over(self, one: Occurrence, records: list[Pulled], *, found: bool) -> None:
        for record in records:
            if record.state in UNFINISHED or (_may_change(record) and record.problem):
                await self._give_up(one, record)
        looks = one.looks + 1
        await self.ledger.occurrences.save_looks(replace(one, looks=looks, look_at=None, failures=0, problem=""))
        stored = sum(r.state is PulledState.STORED for r in records)
        self._say("looks.finished", one, looks=looks, stored=stored, outcome="found" if found else "no more looks")

    async def _give_up(self, one: Occurrence, record: Pulled) -> None:
        """What is there of it stays: the unsigned document, the note that refers to the recording."""
        problem = record.problem or record.more or "it was never ready"
        state = PulledState.GIVEN_UP if record.state in UNFINISHED else record.state
        with suppress(ArchiveError):  # a rest that cannot be removed now is no reason not to say so
            await self.puller.archive.drop(record.stem)
        await self.ledger.artifacts.save_pulled(replace(record, state=state, problem=problem))
        self._say("artifact.given_up", one, kind=record.kind, reason=problem)

    def _is_out_of_patience(self, one: Occurrence) -> bool:
        """Not at the first failure, however late it comes: nobody may have looked for a while."""
        return self._now > self._last_look(one) + PATIENCE and one.failures >= FEWEST_FAILURES

    async def _not_looked(self, due: list[Occurrence], why: str) -> int:
        """A listing that failed is never "none": it is made again, with growing waits."""
        for one in due:
            if self._is_out_of_patience(one):
                await self.ledger.occurrences.save_looks(replace(one, look_at=None, problem=why))
                self._say("looks.given_up", one, reason=why)
                continue
            wait = min(FIRST_WAIT * 2 ** min(one.failures, 10), LONGEST_WAIT)
            later = replace(one, look_at=self._now + wait, failures=one.failures + 1, problem=why)
            await self.ledger.occurrences.save_looks(later)
            if not one.failures:
                self._say("looks.failed", one, reason=why)
        return len(due)

    def _last_look(self, one: Occurrence) -> datetime:
        return one.end + max(self.route.looks, default=timedelta(0))

    @property
    def _now(self) -> datetime:
        return self.puller.clock.now()

    def _say(self, event: str, one: Occurrence, **fields: object) -> None:
        self.puller.log(event, route=one.route, vendor=one.vendor, key=str(one.key), session=one.session, **fields)


def _may_change(record: Pulled) -> bool:
    """Whether what is stored is not what it will be in the end."""
    return record.state is PulledState.STORED and bool(record.more)


def _is_wanted(artifact: Artifact, record: Pulled) -> bool:
    """Whether its content has to be fetched now: it is not there yet, or not as it will be in the end."""
    if record.state in (*UNFINISHED, PulledState.GIVEN_UP):
        return artifact.ready or record.state is PulledState.STORING
    if record.state is PulledState.REMOVED or not record.more:
        return False
    # What its vendor still waits for is fetched again when the vendor says something else of it.
    return record.more != artifact.more or record.status != artifact.status


def _meeting_of(artifact: Artifact, occurrences: list[Occurrence], looked_for: Occurrence) -> Occurrence:
    """The occurrence that an artifact belongs to: in a room, the one during which it was made, or the nearest."""
    made = artifact.created
    if made is None or not occurrences:
        return looked_for
    return min(occurrences, key=lambda one: max(one.start - made, made - one.end, timedelta(0)))
