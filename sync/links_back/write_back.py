"""Join links go back to the source that the meetings came from: written ahead, written once each, recorded.

Writing a link a second time does no harm, so one of unknown outcome is simply written again; when another one is
wanted by then, it is taken away first, where it stands.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from functools import partial

from sync.gate import VendorGate
from sync.ledger.records import Link, Occurrence
from sync.ledger.store import Ledger
from sync.ledger.write_backs import WriteBack, WriteState
from sync.links_back.write_plan import Due, Situation, due_links, next_step
from sync.links_back.writer import SourceWriter
from sync.model import MeetingKey
from sync.outlets import WritableSource
from sync.ports import Clock, Log
from sync.route import Route
from sync.snapshot import Snapshot, Trouble

KEPT = timedelta(days=180)
"""So long after a meeting's end it is remembered what stands at its source: it may be put off, and then it is ours."""

AT_A_TIME = 4
"""Writes to a source that are under way together."""


class WritingBack:
    """Writes the join links of one route back, for which the configuration wants it."""

    def __init__(
        self, ledger: Ledger, target: WritableSource, gate: VendorGate, clock: Clock, log: Log, route: Route
    ) -> None:
        self._ledger = ledger
        self._target = target
        self._gate = gate
        self._clock = clock
        self._log = log
        self._route = route

    async def run(
        self,
        snapshot: Snapshot,
        taken: Collection[MeetingKey],
        occurrences: Iterable[Occurrence],
        links: Mapping[str, Link],
        *,
        respect_backoff: bool,
    ) -> int:
        """Write what is due; how many meetings lack their link at the source. `taken` are the keys that the route wants
        sessions for, `occurrences` the route's that have not ended, `links` the route's by key as text."""
        if snapshot.trouble is Trouble.UNREADABLE:
            return 0  # nothing is known of the meetings, and the source is in trouble anyway
        table, route, now = self._ledger.write_backs, self._route.name, self._clock.now()
        rows = await table.links(self._route.source)
        known = {(str(row.key), row.thing): row for row in rows if row.route == route}
        shown = frozenset(meeting.key for meeting in snapshot.meetings if not meeting.cancelled)
        situation = Situation(route, list(occurrences), links, shown, taken, now, respect_backoff)
        plan = due_links(situation, rows)
        await table.save(*plan.settled)
        known |= {(str(row.key), row.thing): row for row in plan.settled}
        if any(row.ends_at < now - KEPT for row in known.values()):
            await table.drop_ended(route, now - KEPT)
        if not plan.due:
            return plan.wait
        writer = SourceWriter(table, self._gate, self._clock, self._log, route, self._route.source, known)
        lacking = await self._all(plan.due, writer)
        writer.finish()
        return plan.wait + lacking

    async def _all(self, due: Collection[Due], writer: SourceWriter) -> int:
        """The first one goes alone, so that a source that takes nothing is asked once."""
        first, *rest = due
        lacking = await self._one(first, writer)
        slots = asyncio.Semaphore(AT_A_TIME)

        async def in_turn(one: Due) -> bool:
            async with slots:
                return await self._one(one, writer)

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(in_turn(one)) for one in rest]
        return lacking + sum(task.result() for task in running)

    async def _one(self, due: Due, writer: SourceWriter) -> bool:
        """Whether the meeting lacks its link afterwards."""
        step: Due | WriteBack = due
        while isinstance(step, Due):
            if writer.stopped:
                return True
            call = partial(self._target.write_link, step.row.key, step.link, step.former)
            row = await writer.write(step.row, call, clears=step.clears)
            if row.state is WriteState.DONE and not step.clears:
                self._say(step)
            if row.wanted == due.then or row.state is WriteState.WAITING:
                return not row.is_over
            step = next_step(row, due.then, due.others, due.start)
        await writer.keep(step)
        return not step.is_over

    def _say(self, done: Due) -> None:
        replaced = done.former not in ("", done.link)
        outcome = ("replaced" if done.link else "removed") if replaced else "written"
        self._log(
            "link.written_back",
            route=self._route.name,
            source=self._route.source,
            key=str(done.row.key),
            outcome=outcome,
        )
