"""What follows the plan in a pass: documents go in; the feed, the mails and the source tell of the join links; and
beside the passes, because it may take hours, artifacts come out, of which the source is told.

Nothing here is a step of a plan: the calendar asks for the meetings, the clock and the outside for all this.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.artifacts.hand_over import HandOver
from sync.artifacts.harvest import Harvester
from sync.artifacts.pull import Progress, Puller
from sync.artifacts.retain import Retention
from sync.errors import ArchiveError
from sync.gate import VendorGate
from sync.ledger.records import Link
from sync.ledger.store import Ledger
from sync.links_back.mailing import Mailing
from sync.links_back.publish import Publisher
from sync.links_back.tell import Teller
from sync.links_back.write_back import WritingBack
from sync.model import Capabilities, Meeting, MeetingKey
from sync.occurrences import keep, keys_with_a_session
from sync.outlets import Archive, Contents, Mailer, WritableSource
from sync.ports import Clock, Log, Source
from sync.route import Route
from sync.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where things go: artifacts into the `archive`; join links into the `publisher`'s feed, into mails and back to the
    `source`, which is told of the artifacts, too (None: not wanted). `archive_url` is where people reach the archive,
    "" for nowhere."""

    archive: Archive
    contents: Contents
    retention: Retention = field(default_factory=Retention)
    publisher: Publisher | None = None
    mailer: Mailer | None = None
    source: WritableSource | None = None
    archive_url: str = ""
    said: set[str] = field(default_factory=set)
    """The troubles that the log was told of and that are not over yet."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The rest of a pass of one route."""

    route: Route
    source: Source
    gate: VendorGate
    ledger: Ledger
    clock: Clock
    log: Log
    capabilities: Capabilities
    concurrency: int
    outlets: Outlets
    respect_backoff: bool
    force: bool
    progress: Progress
    done: Counter[str] = field(default_factory=Counter)
    """How many log lines of each name told of something done."""

    async def run(self, snapshot: Snapshot, wishes: Mapping[MeetingKey, Meeting]) -> int:
        """What belongs to the pass; how many things did not work and are tried again, or wait for a person."""
        links = {link.key: link for link in await self.ledger.links(self.route.name)}
        await self._keep_occurrences(snapshot, links)
        lacking = await self._documents(wishes, links)
        with self.gate.passing():
            if self.outlets.publisher is not None and not self.gate.stopped:
                written = await self.outlets.publisher.publish(self.ledger, links.values())
                self.done["feed.failed"] += not written  # also when it was said before
                lacking += not written
            lacking += await self._mails({str(link.key): link for link in links.values()})
        return lacking + await self._write_back(snapshot, wishes, links)

    def _say(self, event: str, /, **fields: Any) -> None:
        self.done[event] += 1
        self.log(event, **fields)

    def _say_once(self, event: str, /, **fields: Any) -> None:
        """Only the first time, until it is over."""
        self.done[event] += 1
        if event not in self.outlets.said:
            self.outlets.said.add(event)
            self.log(event, **fields)

    async def _keep_occurrences(self, snapshot: Snapshot, links: Mapping[MeetingKey, Link]) -> None:
        table, now = self.ledger.occurrences, self.clock.now()
        known = {str(one.key): one for one in await table.since(self.route.name, now)}
        unknown = [key for key in keys_with_a_session(self.route, snapshot.meetings, links) if key not in known]
        known |= {str(one.key): one for one in await table.named(self.route.name, unknown)}
        kept = keep(self.route, self.capabilities, snapshot, links, known, now, force=self.force)
        await table.save(*kept.changed)
        if kept.held:
            self._say_once("guard.held", route=self.route.name, held=kept.held, reason=kept.reason)
        elif "guard.held" in self.outlets.said:
            self.outlets.said.remove("guard.held")

    async def _documents(self, wishes: Mapping[MeetingKey, Meeting], links: Mapping[MeetingKey, Link]) -> int:
        hand_over = HandOver(
            self.route.name,
            self.source,
            self.gate,
            self.ledger,
            self.clock,
            self._say,
            self.capabilities,
            self.concurrency,
        )
        return await hand_over.run(wishes, links.values(), respect_backoff=self.respect_backoff)

    async def harvest(self) -> int:
        """Looks, retention and manifests; how many artifacts did not come. An archive that cannot be used is one
        trouble, and no reason to stop."""
        archive, artifacts = self.outlets.archive, self.ledger.artifacts
        puller = Puller(artifacts, archive, self.outlets.contents, self.gate, self.clock, self._say, self.progress)
        harvester = Harvester(self.route, self.capabilities, self.ledger, puller, self.concurrency)
        lacking = await harvester.run(at_once=not self.respect_backoff)
        try:
            await self.outlets.retention.apply(artifacts, archive, self.clock, self.log)
            await harvester.write_manifests()
            lacking += await self._tell()
        except ArchiveError as error:
            self._say_once("archive.failed", route=self.route.name, reason=str(error))
            lacking += 1
        else:
            if "archive.failed" in self.outlets.said:
                self.outlets.said.remove("archive.failed")
                self._say("archive.recovered", route=self.route.name)
        return lacking

    async def _write_back(
        self, snapshot: Snapshot, wishes: Mapping[MeetingKey, Meeting], links: Mapping[MeetingKey, Link]
    ) -> int:
        if self.outlets.source is None:
            return 0
        writing = WritingBack(self.ledger, self.outlets.source, self.gate, self.clock, self._say, self.route)
        upcoming = await self.ledger.occurrences.since(self.route.name, self.clock.now())
        by_text = {str(key): link for key, link in links.items()}
        return await writing.run(snapshot, wishes, upcoming, by_text, respect_backoff=self.respect_backoff)

    async def _tell(self) -> int:
        """The source is told of what is in the archive, and of nothing that retention has just removed."""
        if self.outlets.source is None:
            return 0
        archive, address = self.outlets.archive, self.outlets.archive_url
        teller = Teller(
            self.ledger, self.outlets.source, archive, address, self.gate, self.clock, self._say, self.route
        )
        return await teller.run(respect_backoff=self.respect_backoff)

    async def _mails(self, links: Mapping[str, Link]) -> int:
        """Invitations, where convener mails and not the vendor."""
        if self.outlets.mailer is None or self.route.invite != "email" or self.capabilities.vendor_mail:
            return 0
        mailing = Mailing(
            self.ledger,
            self.outlets.mailer,
            self.clock,
            self._say,
            self.route,
            self.capabilities,
            lambda: self.gate.stopped is not None,
        )
        upcoming = await self.ledger.occurrences.since(self.route.name, self.clock.now())
        return await mailing.run(upcoming, links, respect_backoff=self.respect_backoff)
