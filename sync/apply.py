"""Carrying out a guarded plan: each step is written ahead, done once, and recorded; one bad meeting stops no other."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby

from sqlalchemy.exc import SQLAlchemyError

from sync.change import Action, Change, FieldDiff, Result
from sync.degrade import held_fields, wish_digest
from sync.echo import echoes
from sync.effects import failed, new_link, noted, payload_of, recorded, sends, vanished, with_personal_link
from sync.errors import ConfigurationError, Gone, LedgerError, OutsideError, Refused, UnknownOutcome
from sync.gate import VendorGate
from sync.ledger.records import Intent, Link, LinkState
from sync.ledger.store import Ledger
from sync.model import Capabilities, Finding, MeetingKey, content_digest
from sync.ports import Clock, Log, Unfindable
from sync.route import Route
from sync.settle import Outcome, Settler, with_vendor_ids


@dataclass(slots=True)
class Applier:
    """Applies the changes of one route. `concurrency` meetings at a time; removals after everything else."""

    route: Route
    ledger: Ledger
    gate: VendorGate
    settler: Settler
    clock: Clock
    log: Log
    capabilities: Capabilities
    concurrency: int = 8
    on_step: Callable[[Change], None] = lambda _change: None
    links: dict[MeetingKey, Link] = field(default_factory=dict)

    async def apply(self, changes: Iterable[Change]) -> list[Change]:
        """The changes with their results; those that are not `planned` pass through untouched."""
        results: list[Change] = []
        for _, phase in groupby(changes, key=lambda change: change.action is Action.CANCEL):
            slots = asyncio.Semaphore(self.concurrency)
            async with asyncio.TaskGroup() as tasks:
                meetings = [list(steps) for _, steps in groupby(phase, key=lambda change: change.key)]
                running = [tasks.create_task(self._meeting(slots, steps)) for steps in meetings]
            results += [change for task in running for change in task.result()]
        return results

    async def _meeting(self, slots: asyncio.Semaphore, steps: list[Change]) -> list[Change]:
        async with slots:
            done: list[Change] = []
            for step in steps:
                # After a step that did not work the meeting's later ones would build on a guess.
                stuck = bool(done) and _stops_the_rest(done[-1])
                if step.result is not Result.PLANNED:
                    done.append(step)
                elif stuck:
                    done.append(_marked(step, Result.DEFERRED, "waits", "an earlier step of this meeting did not work"))
                else:
                    done.append(await self._fenced(step))
                self.on_step(done[-1])
            return done

    async def _fenced(self, change: Change) -> Change:
        """One step; a defect of ours in it fails this meeting only (its intent, if open, is looked up later)."""
        try:
            return await self._step(change)
        except (SQLAlchemyError, ConfigurationError, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001 - the fence between meetings; logged as a defect and reported
            self._say("meeting.defect", change, action=change.action.value, reason=f"{type(error).__name__}: {error}")
            return _marked(change, Result.FAILED, "defect", f"a defect of convener: {type(error).__name__}")

    async def _step(self, change: Change) -> Change:
        if self.gate.halted:
            return _marked(change, Result.DEFERRED, "vendor-halted", self.gate.halted)
        if change.action is Action.CREATE:
            return await self._create(change)
        if change.action is not Action.REPLACE:
            return await self._write(change, change.action)
        removed = await self._write(change, Action.CANCEL)
        return removed if removed.result is not Result.DONE else await self._create(change)

    async def _create(self, change: Change) -> Change:
        """The creation, and the fields that take a call of their own after it."""
        made = await self._write(change, Action.CREATE)
        held = held_fields(change.wish, self.capabilities).items() if change.wish else ()
        late = tuple(FieldDiff(n, None, value) for n, value in held if n in self.capabilities.set_after_create)
        if made.result is not Result.DONE or not late:
            return made
        await self._ask_for_the_link(change)
        filled = await self._write(replace(made, fields=late), Action.UPDATE)
        return replace(filled, fields=change.fields)

    async def _ask_for_the_link(self, change: Change) -> None:
        """What follows a creation may need the join link; a creation need not have told it."""
        link = self.links[change.key]
        if link.join_url is not None:
            return
        try:
            session = await self.gate.call(lambda: self.gate.connector.get(str(link.session)))
        except OutsideError:
            return  # the next step says what is wrong
        if session is not None and session.join_url:
            await self._keep(change, replace(link, join_url=session.join_url))

    async def _write(self, change: Change, action: Action, *, repeat: bool = False) -> Change:
        link = await self._link(change)
        if not sends(change, action, link, self.capabilities):
            return await self._note(change, action, link)
        try:
            if action in (Action.ROLE, Action.UNINVITE):
                link = await self._with_ids(change, link)
        except OutsideError as error:
            return await self._not_done(change, link, error)
        person = change.person.email if change.person else None
        if action is Action.ROLE and person not in {p.email for p in link.invitees}:
            await self._keep(change, link)
            return _marked(
                change, Result.DEFERRED, "not-registered", "removed at the vendor; registered anew next pass"
            )
        payload = payload_of(change, action, link, self.capabilities, mail=self._mails)
        intent = await self.ledger.open_intent(
            link,
            action,
            self.clock.now(),
            participant=person,
            payload=payload,
            recorded=link is self.links.get(change.key),
        )
        try:
            recorded_link = await self.gate.call(lambda: self._call(change, action, intent, link))
        except ConfigurationError:
            await self.ledger.settle(intent, "no effect", self.clock.now())
            raise
        except UnknownOutcome as error:
            return await self._unknown(change, action, intent, link, str(error), repeat=repeat)
        except Gone:
            return await self._gone(change, intent, link)
        except OutsideError as error:
            await self.ledger.settle(intent, "no effect", self.clock.now())
            return await self._not_done(change, link, error)
        await self._record(change, action, intent, recorded_link)
        return replace(change, result=Result.DONE, session=recorded_link.session)

    async def _call(self, change: Change, action: Action, intent: Intent, link: Link) -> Link:
        """The one vendor write of a step, and the link as it is afterwards."""
        connector, mail = self.gate.connector, self._mails
        session, wish, person = str(link.session), change.wish, change.person
        if action is Action.CANCEL:
            await connector.delete(session)
        elif action is Action.CREATE and wish:
            made = await connector.create(wish, link.marker, mail=mail)
            new = recorded(intent, link, session=made.ref)
            return replace(new, join_url=made.join_url, echo=echoes(new.applied, made))
        elif action is Action.UPDATE and wish:
            fields = frozenset(diff.name for diff in change.fields) & self.capabilities.update
            await connector.update(session, wish, fields, join_url=link.join_url or None)
        elif action is Action.INVITE and person:
            invitee = await connector.invite(session, person, mail=mail)
            return with_personal_link(recorded(intent, link, ref=invitee.ref), invitee)
        elif person:
            ref = next((p.ref for p in link.invitees if p.email == person.email), None)
            if action is Action.UNINVITE and ref is not None:
                await connector.uninvite(session, ref)
            elif action is Action.ROLE:
                if ref is None:
                    raise Refused("the vendor's id of this participant is not known")
                await connector.change_role(session, ref, person)
        return recorded(intent, link)

    async def _note(self, change: Change, action: Action, link: Link) -> Change:
        """A step for which the vendor has no call: only the ledger learns of it, and the log says so."""
        link = noted(change, action, link, self.capabilities)
        await self._keep(change, link)
        if action is Action.CANCEL:
            self._say("session.retired", change, session=link.session, reason=change.reason)
        elif action is Action.INVITE:
            self._log_done(change, action, link)
        else:
            what = [diff.name for diff in change.fields] if change.person is None else [change.person.email]
            self._say("session.stale", change, session=link.session, action=action.value, changed=what)
        return replace(change, result=Result.DONE, session=link.session)

    async def _record(self, change: Change, action: Action, intent: Intent, link: Link) -> None:
        before = self.links.get(change.key)
        recovered = before is not None and before.problem is not None
        await self.ledger.settle(intent, "done", self.clock.now(), link)
        self.links[change.key] = link
        self._log_done(change, action, link)
        if recovered:
            self._say("meeting.recovered", change)

    async def _with_ids(self, change: Change, link: Link) -> Link:
        """Invitees that came with the session's creation are known by address only: ask for their ids once."""
        person = next((p for p in link.invitees if change.person and p.email == change.person.email), None)
        if person is None or person.ref is not None:
            return link
        listed = await self.gate.call(lambda: self.gate.connector.invitees(str(link.session)))
        if isinstance(listed, Unfindable):
            return link
        link = replace(link, invitees=with_vendor_ids(link.invitees, listed))
        if person.email not in {invitee.email.lower() for invitee in listed}:
            # Removed at the vendor by somebody: nothing to remove, and a role needs a new registration.
            link = replace(link, invitees=tuple(p for p in link.invitees if p.email != person.email))
        return link

    async def _unknown(
        self, change: Change, action: Action, intent: Intent, link: Link, why: str, *, repeat: bool
    ) -> Change:
        """Never a blind repeat: look first, repeat once when it is certainly absent."""
        self._say("intent.unsettled", change, action=action.value, reason=why)
        settled = await self.settler.settle(intent, link)
        self.links[change.key] = settled.link
        if settled.outcome is Outcome.FOUND and action is Action.CREATE and not _as_wished(intent, settled.link):
            return _marked(change, Result.DEFERRED, "adopted", "an earlier attempt was found; the next pass updates it")
        if settled.outcome is Outcome.FOUND:
            self._log_done(change, action, settled.link)
            return replace(change, result=Result.DONE, session=settled.link.session)
        if settled.outcome is Outcome.LATER:
            return _marked(change, Result.DEFERRED, "unsettled", f"{why}; {settled.why}")
        if settled.outcome is Outcome.IN_DOUBT:
            self._say("meeting.in_doubt", change, reason=settled.why)
            return _marked(change, Result.IN_DOUBT, "in-doubt", settled.why)
        if action is not Action.CREATE and not settled.link.has_session:
            return self._lost(change, settled.link)
        if repeat:
            return await self._failed(change, settled.link, why)
        return await self._write(change, action, repeat=True)

    async def _gone(self, change: Change, intent: Intent, link: Link) -> Change:
        """404 on a write: believed only when a look at the session confirms it."""
        if not link.has_session:
            await self.ledger.settle(intent, "no effect", self.clock.now())
            return await self._failed(change, link, "the vendor answers 404 to a creation: is its address right?")
        try:
            session = await self.gate.call(lambda: self.gate.connector.get(str(link.session)))
        except OutsideError as error:
            await self.ledger.settle(intent, "no effect", self.clock.now())
            return await self._not_done(change, link, error)
        if session is not None:
            await self.ledger.settle(intent, "no effect", self.clock.now())
            return await self._failed(change, link, "the vendor does not know what the step is about (404)")
        lost = vanished(link, repair=self.route.drift == "repair")
        await self.ledger.settle(intent, "gone", self.clock.now(), lost)
        return self._lost(change, lost)

    def _lost(self, change: Change, link: Link) -> Change:
        self.links[change.key] = link
        self._say("session.vanished", change, session=change.session)
        return _marked(change, Result.DEFERRED, "vanished", "the session is gone at the vendor; the next pass decides")

    async def _not_done(self, change: Change, link: Link, error: OutsideError) -> Change:
        """The step had no effect. Only a refusal is the meeting's own fault."""
        if isinstance(error, Refused):
            return await self._failed(change, link, str(error))
        return _marked(change, Result.DEFERRED, "vendor-trouble", str(error))

    async def _failed(self, change: Change, link: Link, why: str) -> Change:
        digest = wish_digest(change.wish, self.capabilities) if change.wish else content_digest(change.key)
        worse = failed(link, why, digest, self.clock.now())
        await self._keep(change, worse)
        if worse.state is LinkState.QUARANTINED:
            self._say("meeting.quarantined", change, reason=why)
        elif worse.attempts == 1:
            self._say("meeting.failed", change, action=change.action.value, attempt=worse.attempts, reason=why)
        return _marked(change, Result.FAILED, "failed", why)

    async def _keep(self, change: Change, link: Link) -> None:
        await self.ledger.save_link(link, self.clock.now())
        self.links[change.key] = link

    async def _link(self, change: Change) -> Link:
        """The link that the step works on; a new one, or an old one made ready, when there is no session."""
        link = self.links.get(change.key)
        if link is not None and (link.has_session or change.wish is None):
            return link
        if change.wish is None:
            raise ValueError("a step without a session needs a wish")
        marker = link.marker if link and self.capabilities.marker != "none" else ""
        if not marker and self.capabilities.marker != "none":
            marker = await self.ledger.new_marker(self.route.name, change.key)
        fresh = new_link(change, change.wish, self.route.name, self.route.vendor, marker)
        if link is None:
            return fresh
        state = LinkState.PENDING if link.state is LinkState.CANCELLED else link.state
        return replace(
            fresh,
            state=state,
            attempts=link.attempts,
            retry_at=link.retry_at,
            problem=link.problem,
            problem_digest=link.problem_digest,
            lost=link.lost,
        )

    @property
    def _mails(self) -> bool:
        return self.route.invite == "email" and self.capabilities.vendor_mail

    def _log_done(self, change: Change, action: Action, link: Link) -> None:
        event = {
            Action.CREATE: "session.created",
            Action.UPDATE: "session.updated",
            Action.CANCEL: "session.deleted",
            Action.INVITE: "invitee.added",
            Action.UNINVITE: "invitee.removed",
            Action.ROLE: "invitee.role_changed",
        }[action]
        extra: dict[str, object] = {}
        if action is Action.UPDATE:
            extra["changed"] = [diff.name for diff in change.fields]
        if action is Action.CANCEL:
            extra["reason"] = change.reason
        self._say(event, change, session=link.session, **extra)

    def _say(self, event: str, change: Change, **fields: object) -> None:
        self.log(event, route=self.route.name, vendor=self.route.vendor, key=str(change.key), **fields)


def _as_wished(intent: Intent, link: Link) -> bool:
    """Whether an adopted session shows what this very attempt sent."""
    sent = {email: role for email, _, role in intent.payload.get("people", ())}
    have = {person.email: person.role.value for person in link.invitees}
    return dict(link.applied) == intent.payload["fields"] and have == sent


def _stops_the_rest(step: Change) -> bool:
    """Whether later steps would build on a guess; a doubt about one participant leaves the others alone."""
    if step.result is Result.IN_DOUBT:
        return step.person is None
    return step.result in (Result.FAILED, Result.DEFERRED)


def _marked(change: Change, result: Result, code: str, message: str) -> Change:
    return replace(change, result=result, findings=(*change.findings, Finding(code, message)))
