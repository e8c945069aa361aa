"""One pass for one route, from reading the source to the finished run. Read this page first.

    settle what earlier runs left open -> fetch -> select -> degrade -> plan -> guard -> apply -> record -> follow up

Everything that decides is a pure function elsewhere (`route`, `degrade`, `plan`, `guard`); everything that touches
the outside is handed in (`Source`, `VendorGate` with its connector, `Ledger`, `Clock`, `Log`).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sync.apply import Applier
from sync.artifacts.pull import Progress
from sync.change import Change, Result
from sync.degrade import degrade, for_route
from sync.drift import DriftReport, comparable, why_held
from sync.drift_check import DriftCheckup, due_at
from sync.errors import OutsideError
from sync.follow_up import FollowUp, Outlets
from sync.gate import VendorGate
from sync.guard import Verdict, guard
from sync.keep_up import finish_sessions, tidy
from sync.ledger.records import Link, LinkState
from sync.ledger.store import Ledger
from sync.links_back.echo import all_without_ours
from sync.memory import log_run, remember_source, remember_vendor
from sync.model import Capabilities, Finding, MeetingKey
from sync.personal import Minter
from sync.plan import Situation, make_plan
from sync.ports import Clock, Log, Source
from sync.rekey import moved_occurrences
from sync.report import RouteReport
from sync.rooms import in_rooms
from sync.route import Route, select
from sync.settle import Settler
from sync.snapshot import Snapshot
from sync.wake import narrowed, next_wake


@dataclass(frozen=True, slots=True)
class Options:
    """How a pass is made. `approved` are the step identities of a saved plan, None when there is none. `foresight`: the
    source is read so far beyond the route's window, to know when the next meetings enter it."""

    mode: Literal["plan", "dry-run", "apply"] = "apply"
    force: bool = False
    respect_backoff: bool = False
    approved: frozenset[str] | None = None
    foresight: timedelta = timedelta(0)
    on_plan: Callable[[int], None] = lambda _steps: None
    on_step: Callable[[Change], None] = lambda _change: None
    on_bytes: Progress = lambda _name, _done, _total: None

    @property
    def writes(self) -> bool:
        """Whether anything may be written, at the vendor or in the ledger."""
        return self.mode == "apply"


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Makes passes for one route. `settle_after` and `concurrency` are the vendor's settings."""

    route: Route
    source: Source
    gate: VendorGate
    ledger: Ledger
    clock: Clock
    log: Log
    settle_after: timedelta
    concurrency: int
    outlets: Outlets

    @property
    def capabilities(self) -> Capabilities:
        """What the vendor can do for this route."""
        return for_route(self.gate.connector.capabilities, self.route)

    async def run(self, options: Options) -> RouteReport:
        """One pass. Raises nothing for what the outside does: the report says it."""
        if not options.writes:
            return await self._pass(options)
        started = self.clock.now()
        before = await self.ledger.last_run(self.route.name)
        number = await self.ledger.start_run(self.route.name, started)
        report = await self._pass(options)
        code = report.exit()
        await self.ledger.finish_run(number, self.clock.now(), code, report.counts, report.held_reason)
        await self.ledger.steps.record(self.route.name, report.changes, self.clock.now())
        held = report.counts["held"]  # what a drift check held back, it has said itself
        if held and not (before and before.reason == report.held_reason):
            self.log("guard.held", route=self.route.name, held=held, reason=report.held_reason)
        duration = round((self.clock.now() - started).total_seconds() * 1000)
        log_run(self.log, report, number, duration)
        return replace(report, run=number)

    async def harvest(self, report: RouteReport, options: Options) -> RouteReport:
        """Look for the artifacts that are due and fetch them, after the pass of the report: what comes of it is added.

        It may take hours and runs beside other passes, but beside no other harvest.
        """
        if not options.writes:
            return report
        followed = Counter(report.followed)
        await self.gate.begin((await self.ledger.vendor(self.gate.name)).cooldown_until)
        lacking = await self._follow_up(options, followed).harvest()
        after = replace(
            report,
            waiting=report.waiting + lacking,
            followed=dict(followed),
            vendor_trouble=self.gate.trouble or report.vendor_trouble,
            vendor_reason=self.gate.reason or report.vendor_reason,
        )
        if self.gate.trouble:
            await remember_vendor(self.ledger, self.gate, self.clock, self.log)
        if after.run is not None and after.exit() is not report.exit():
            await self.ledger.amend_run(after.run, after.exit())
        return after

    async def check_drift(self, options: Options) -> DriftReport:
        """Compare what the vendor holds with what was last applied, right before a pass, which repairs what is found:
        same lock, same gate. Raises nothing for what the outside does, ValueError for options that write nothing."""
        if not options.writes:
            raise ValueError("a drift check writes to the ledger")
        can, log = self.capabilities, self.log
        checkup = DriftCheckup(
            self.route, self.ledger, self.gate, self.clock, log, can, self.concurrency, options.force
        )
        return await checkup.run(self._wanted)

    async def drift_due(self, every: timedelta) -> datetime | None:
        """When the next drift check is due, None where the vendor shows nothing that could be compared."""
        return await due_at(self.ledger, self.route.name, self.capabilities, every, self.clock.now())

    async def _wanted(self) -> Situation:
        """What the calendar wants now; nothing is remembered of this read."""
        reading, links = Options(mode="plan"), await self._links()
        snapshot, _ = await self._read(links, reading)
        return await self._situation(snapshot, links, frozenset(), frozenset(), reading)

    async def _pass(self, options: Options) -> RouteReport:
        await self.gate.begin((await self.ledger.vendor(self.gate.name)).cooldown_until)
        settler = Settler(
            self.route, self.ledger, self.gate, self.clock, self.log, self.settle_after, self.capabilities
        )
        lacking, followed = 0, Counter[str]()
        unsettled = await self._unsettled(settler, options)
        links = await self._links()
        looked_for = await self.ledger.occurrences.looked_for(self.route.name)
        snapshot, beyond = await self._read(links, options)
        situation = await self._situation(snapshot, links, unsettled, looked_for, options)
        situation = await self._rekeyed(situation, options)
        verdict = guard(make_plan(situation), situation.links.values(), self.route, situation.now, force=options.force)
        changes = list(verdict.plan.changes)
        if options.approved is not None:
            changes = [_only_approved(change, options.approved) for change in changes]
        if options.writes:
            options.on_plan(len(changes))
            changes = await self._apply(settler, changes, situation.links, options)
            await finish_sessions(self.route, self.ledger, self.gate, self.clock, self.log, self.concurrency)
            await tidy(situation, frozenset(c.key for c in changes if c.result is not Result.DONE), self.ledger)
            lacking = await self._personal_links()
            lacking += await self._follow_up(options, followed).run(situation.snapshot, situation.wishes)
            await self._probe(options)
            await remember_vendor(self.ledger, self.gate, self.clock, self.log)
        report = await self._report(options, snapshot, verdict, changes, situation.left, lacking, followed)
        return replace(report, wake_at=await self._next_wake(beyond)) if options.writes else report

    async def _unsettled(self, settler: Settler, options: Options) -> frozenset[str]:
        """The keys whose earlier calls still have an unknown outcome, after looking (unless nothing may be written)."""
        if options.writes:
            return await settler.settle_all({str(key): link for key, link in (await self._links()).items()})
        return frozenset(intent.key for intent in await self.ledger.undecided(self.route.name))

    async def _probe(self, options: Options) -> None:
        """A vendor that was in trouble is asked how it is, when nothing else was asked of it: else nobody would know
        that it is well again."""
        if not options.respect_backoff or self.gate.answered or self.gate.trouble:
            return
        if (await self.ledger.vendor(self.gate.name)).problem:
            with suppress(OutsideError):  # the gate has noted it
                await self.gate.call(self.gate.connector.check)

    async def _read(self, links: Mapping[MeetingKey, Link], options: Options) -> tuple[Snapshot, tuple[datetime, ...]]:
        """The source as it is now, and when the meetings beyond the window start."""
        now = self.clock.now()
        state = await self.ledger.source(self.route.source)
        # A room that is to be removed some time after its end is looked for as long: its series may go on.
        kept = self.capabilities.retention is not None
        known = frozenset(key for key, link in links.items() if link.has_session and (link.end > now or kept))
        window = self.route.window(now)
        read = replace(window, end=window.end + options.foresight)
        snapshot = await self.gate.unless_stopped(self.source.fetch(state.cursor, read, known))
        # Asked for after the read: what another route writes meanwhile is in the ledger before it can be read.
        snapshot = all_without_ours(snapshot, await self.ledger.write_backs.ours(self.route.source))
        if options.writes:
            await remember_source(self.ledger, self.route, snapshot, self.clock, self.log)
        return narrowed(snapshot, window, known)

    async def _next_wake(self, beyond: tuple[datetime, ...]) -> datetime | None:
        links, now = (await self._links()).values(), self.clock.now()
        return await next_wake(self.route, self.capabilities, self.ledger, links, beyond, self.settle_after, now)

    async def _situation(
        self,
        snapshot: Snapshot,
        links: Mapping[MeetingKey, Link],
        unsettled: frozenset[str],
        looked_for: frozenset[str],
        options: Options,
    ) -> Situation:
        linked = frozenset(key for key, link in links.items() if link.has_session)
        capabilities, now = self.capabilities, self.clock.now()
        selection = select(self.route, snapshot.meetings, linked)
        if self.route.series == "room" and capabilities.session == "room":
            selection = in_rooms(self.route, snapshot.meetings, linked, now)
        drift = await self.ledger.drift.last(self.route.name)
        return Situation(
            route=self.route,
            capabilities=capabilities,
            now=now,
            window=snapshot.window,
            snapshot=snapshot,
            wishes={key: degrade(meeting, capabilities, self.route) for key, meeting in selection.taken.items()},
            left=selection.left,
            links=links,
            unsettled=unsettled,
            looked_for=looked_for,
            respect_backoff=options.respect_backoff,
            drifted=drift.changed_at_the_vendor() if drift else {},
        )

    async def _rekeyed(self, s: Situation, options: Options) -> Situation:
        """Sessions of a series that was moved keep their join links under the occurrences' new keys."""
        moved = moved_occurrences(s.links, s.wishes, s.snapshot, s.window, s.now, s.unsettled)
        if not moved:
            return s
        links = {key: link for key, link in s.links.items() if key not in moved.values()}
        renamed = [replace(links.pop(old), key=new) for old, new in moved.items()]
        if options.writes:
            await self.ledger.rekey(self.route.name, moved, self.clock.now())
            for old, new in moved.items():
                self.log("meeting.rekeyed", route=self.route.name, key=str(new), was=str(old))
        return replace(s, links={**links, **{link.key: link for link in renamed}})

    async def _apply(
        self, settler: Settler, changes: list[Change], links: Mapping[MeetingKey, Link], options: Options
    ) -> list[Change]:
        applier = Applier(
            self.route,
            self.ledger,
            self.gate,
            settler,
            self.clock,
            self.log,
            self.capabilities,
            self.concurrency,
            options.on_step,
            dict(links),
        )
        return await applier.apply(changes)

    async def _personal_links(self) -> int:
        """Make the personal links that are due; how many meetings still lack one."""
        repair = self.route.drift == "repair"
        minter = Minter(self.ledger, self.gate, self.clock, self.log, self.capabilities, self.concurrency, repair)
        return await minter.make(await self.ledger.links(self.route.name))

    def _follow_up(self, options: Options, followed: Counter[str]) -> FollowUp:
        return FollowUp(
            self.route,
            self.source,
            self.gate,
            self.ledger,
            self.clock,
            self.log,
            self.capabilities,
            self.concurrency,
            self.outlets,
            options.respect_backoff,
            options.force,
            options.on_bytes,
            followed,
        )

    async def _links(self) -> dict[MeetingKey, Link]:
        return {link.key: link for link in await self.ledger.links(self.route.name)}

    async def _report(
        self,
        options: Options,
        snapshot: Snapshot,
        verdict: Verdict,
        changes: list[Change],
        left: Mapping[MeetingKey, Finding],
        lacking: int,
        followed: Mapping[str, int],
    ) -> RouteReport:
        links = (await self._links()).values()
        open_keys = {intent.key for intent in await self.ledger.undecided(self.route.name)}
        now = self.clock.now()
        drift = await self.ledger.drift.last(self.route.name) if options.writes else None
        unresolved = drift.unresolved if drift and comparable(self.capabilities) else ()
        aside = {
            str(link.key)
            for link in links
            if link.state in (LinkState.QUARANTINED, LinkState.IN_DOUBT) or (link.in_doubt and link.end > now)
        }
        return RouteReport(
            route=self.route.name,
            source=self.route.source,
            vendor=self.route.vendor,
            mode=options.mode,
            snapshot=snapshot,
            changes=tuple(changes),
            digest=verdict.plan.digest,
            noop=verdict.plan.noop,
            quarantined=sum(link.state is LinkState.QUARANTINED for link in links),
            waiting=len(open_keys | aside) + lacking,
            held_reason=verdict.reason or why_held(unresolved, self.route.name),
            unresolved=unresolved,
            vendor_trouble=self.gate.trouble,
            vendor_reason=self.gate.reason or "",
            left=dict(left),
            followed=dict(followed),
        )


def _only_approved(change: Change, approved: frozenset[str]) -> Change:
    if change.result is not Result.PLANNED or change.identity in approved:
        return change
    why = Finding("not-in-plan", "the saved plan does not hold this step: plan again")
    return replace(change, result=Result.DEFERRED, findings=(*change.findings, why))
