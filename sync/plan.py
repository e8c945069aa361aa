"""Planning: from what is wanted and what was last applied to the ordered steps between them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sync.degrade import held_fields, wish_digest
from sync.ledger.records import Link, LinkState, Registered
from sync.model import Capabilities, Finding, Meeting, MeetingKey, Participant, Window, content_digest
from sync.route import Route
from sync.snapshot import Snapshot


class Action(StrEnum):
    """What a step does. The last three concern one participant."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    CANCEL = "cancel"
    INVITE = "invite"
    UNINVITE = "uninvite"
    ROLE = "role"


class LinkEffect(StrEnum):
    """What a step does to the join link."""

    NEW = "new"
    KEPT = "kept"
    RETIRED = "retired"
    NONE = "none"


class Result(StrEnum):
    """How a step stands."""

    PLANNED = "planned"
    DONE = "done"
    HELD = "held"
    FAILED = "failed"
    DEFERRED = "deferred"
    IN_DOUBT = "in_doubt"


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """One field's value before (None: there was none) and after."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One step for one meeting. `wish` is the meeting as the vendor shall hold it (None for a removal by
    absence); `person` the participant concerned; `by_absence` whether the guard counts it."""

    key: MeetingKey
    action: Action
    reason: str
    link: LinkEffect
    title: str
    start: datetime
    result: Result = Result.PLANNED
    session: str | None = None
    person: Participant | None = None
    fields: tuple[FieldDiff, ...] = ()
    findings: tuple[Finding, ...] = ()
    wish: Meeting | None = None
    by_absence: bool = False

    @property
    def identity(self) -> str:
        """Digest of what the step does, equal for equal steps of two plans."""
        fields = [(f.name, f.before, f.after) for f in self.fields]
        who = (self.person.email, self.person.role.value) if self.person else ""
        return content_digest(self.key, self.action, self.link, self.session, who, fields)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in the order in which they are taken, and how many meetings need none."""

    changes: tuple[Change, ...]
    noop: int = 0
    quarantined: int = 0

    @property
    def digest(self) -> str:
        """Equal for plans that do the same."""
        return content_digest(*sorted(change.identity for change in self.changes))


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that planning looks at. `wishes` are degraded to the vendor; `left` says why a meeting of the
    snapshot is not the route's; `unsettled` are the keys with an open intent."""

    route: Route
    capabilities: Capabilities
    now: datetime
    window: Window
    snapshot: Snapshot
    wishes: Mapping[MeetingKey, Meeting]
    left: Mapping[MeetingKey, Finding]
    links: Mapping[MeetingKey, Link]
    unsettled: frozenset[str] = frozenset()
    respect_backoff: bool = False


_ORDER = {action: position for position, action in enumerate(Action)}


def make_plan(now_is: Situation) -> Plan:
    """All steps, removals last, so that a broken pass leaves too much rather than too little."""
    changes: list[Change] = []
    noop = 0
    for key in {**now_is.links, **now_is.wishes}:
        steps = _defer(now_is, key, list(_steps(now_is, now_is.wishes.get(key), now_is.links.get(key))))
        changes += steps
        noop += not steps and _counts_as_meeting(now_is, key)
    changes.sort(key=lambda c: (c.action is Action.CANCEL, c.start, str(c.key), _ORDER[c.action], _email(c)))
    quarantined = sum(link.state is LinkState.QUARANTINED for link in now_is.links.values())
    return Plan(tuple(changes), noop, quarantined)


def _email(change: Change) -> str:
    return change.person.email if change.person else ""


def _counts_as_meeting(s: Situation, key: MeetingKey) -> bool:
    link, wish = s.links.get(key), s.wishes.get(key)
    if link is not None and link.has_session:
        return link.end > s.now
    return wish is not None and not wish.cancelled and wish.end > s.now and s.window.overlaps(wish.start, wish.end)


def _steps(s: Situation, wish: Meeting | None, link: Link | None) -> Iterable[Change]:
    if link is None or not link.has_session:
        return _creation(s, wish, link)
    if link.end <= s.now and (wish is None or wish.cancelled or wish.end <= s.now):
        return []  # it is over: whatever the calendar says now, there is nothing left to keep in step
    if wish is None:
        return _absence(s, link)
    if wish.cancelled:
        return [_cancel(link, "cancelled in the calendar", wish=wish)]
    return _adjustment(s, wish, link)


def _creation(s: Situation, wish: Meeting | None, link: Link | None) -> Iterable[Change]:
    if wish is None or wish.cancelled or wish.end <= s.now or not s.window.overlaps(wish.start, wish.end):
        return []
    reason = "new in the calendar"
    if link is not None and link.state is LinkState.CANCELLED:
        reason = "wanted again by the calendar"
    elif link is not None and link.problem:
        reason = f"not made yet: {link.problem}"
    fields = [FieldDiff(name, None, value) for name, value in held_fields(wish, s.capabilities).items()]
    if wish.participants:
        fields.append(FieldDiff("participants", None, ", ".join(f"{p.email} ({p.role})" for p in wish.participants)))
    creation = Change(
        wish.key,
        Action.CREATE,
        reason,
        LinkEffect.NEW,
        wish.title,
        wish.start,
        fields=tuple(fields),
        findings=wish.findings,
        wish=wish,
    )
    return [creation, *_first_invitations(s, wish)]


def _first_invitations(s: Situation, wish: Meeting) -> Iterable[Change]:
    """Everybody, one by one, where the vendor does not take them along with a new session."""
    for person in () if s.capabilities.create_invites else wish.participants:
        yield Change(
            wish.key,
            Action.INVITE,
            "participant of a new session",
            LinkEffect.KEPT,
            wish.title,
            wish.start,
            person=person,
            fields=(FieldDiff("role", None, person.role),),
            wish=wish,
        )


def _absence(s: Situation, link: Link) -> Iterable[Change]:
    if link.key in s.left:
        if not s.snapshot.complete:
            return []
        return [_cancel(link, f"no longer the route's: {s.left[link.key].message}", by_absence=True)]
    if s.snapshot.proves_absent(link.key, link.in_window(s.window)):
        return [_cancel(link, "no longer in the calendar", by_absence=True)]
    return []


def _cancel(link: Link, reason: str, *, by_absence: bool = False, wish: Meeting | None = None) -> Change:
    return Change(
        link.key,
        Action.CANCEL,
        reason,
        LinkEffect.RETIRED,
        link.title,
        link.start,
        session=link.session,
        by_absence=by_absence,
        findings=wish.findings if wish else (),
        wish=wish,
    )


def _adjustment(s: Situation, wish: Meeting, link: Link) -> Iterable[Change]:
    diffs = [
        FieldDiff(name, link.applied.get(name), value)
        for name, value in held_fields(wish, s.capabilities).items()
        if link.applied.get(name) != value
    ]
    fixed = [diff for diff in diffs if diff.name not in s.capabilities.update]
    if fixed and s.route.on_unsupported_update == "replace":
        yield _replacement(link, wish, diffs, fixed)
        yield from _first_invitations(s, wish)
        return
    possible = [diff for diff in diffs if diff.name in s.capabilities.update]
    if possible:
        yield _update(s, wish, link, possible, fixed)
    yield from _people(s, wish, link)


def _update(s: Situation, wish: Meeting, link: Link, diffs: list[FieldDiff], fixed: list[FieldDiff]) -> Change:
    findings = list(wish.findings)
    if fixed:
        names = " and ".join(diff.name for diff in fixed)
        findings.append(Finding("update-unsupported", f"the vendor cannot change {names}: the session keeps the old"))
    relinks = any(diff.name in s.capabilities.relinks_on for diff in diffs)
    return Change(
        link.key,
        Action.UPDATE,
        f"{_names(diffs)} changed in the calendar",
        LinkEffect.NEW if relinks else LinkEffect.KEPT,
        wish.title,
        wish.start,
        session=link.session,
        fields=tuple(diffs),
        findings=tuple(findings),
        wish=wish,
    )


def _replacement(link: Link, wish: Meeting, diffs: list[FieldDiff], fixed: list[FieldDiff]) -> Change:
    names = _names(fixed)
    warning = Finding("new-link", f"the vendor cannot change {names}: a new session replaces it, with a new join link")
    return Change(
        link.key,
        Action.REPLACE,
        f"{_names(diffs)} changed in the calendar",
        LinkEffect.NEW,
        wish.title,
        wish.start,
        session=link.session,
        fields=tuple(diffs),
        findings=(*wish.findings, warning),
        wish=wish,
    )


def _names(diffs: list[FieldDiff]) -> str:
    names = [diff.name for diff in diffs]
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def _people(s: Situation, wish: Meeting, link: Link) -> Iterable[Change]:
    wanted = {person.email: person for person in wish.participants}
    known = {person.email: person for person in link.invitees}

    def row(action: Action, person: Participant, reason: str, *fields: FieldDiff) -> Change:
        return Change(
            link.key, action, reason, LinkEffect.KEPT, wish.title, wish.start,
            session=link.session, person=person, fields=fields, wish=wish,
        )  # fmt: skip

    for email, person in wanted.items():
        have = known.get(email)
        if have is None:
            yield row(Action.INVITE, person, "new among the participants", FieldDiff("role", None, person.role))
        elif have.role is not person.role and s.capabilities.change_role:
            yield row(Action.ROLE, person, "role changed in the calendar", FieldDiff("role", have.role, person.role))
    for email, have in known.items():
        if email not in wanted and s.capabilities.uninvite:
            gone = Participant(email, have.name, have.role)
            yield row(Action.UNINVITE, gone, "no longer among the participants", FieldDiff("role", have.role, None))


def _defer(s: Situation, key: MeetingKey, steps: list[Change]) -> list[Change]:
    """Steps of a meeting that is set aside wait, with the reason and the way out on each."""
    link = s.links.get(key)
    if not steps or link is None:
        return steps
    why = None
    if str(key) in s.unsettled:
        why = Finding("unsettled", "an earlier call ended with an unknown outcome; it is looked up first")
    elif link.state is LinkState.QUARANTINED and not _mended(s, key, link):
        why = Finding("quarantined", f"{link.problem}; `convener retry '{key}'` releases it")
    elif link.state is LinkState.IN_DOUBT:
        why = Finding("in-doubt", f"{link.problem}; `convener adopt` or `convener retry '{key}'` releases it")
    elif s.respect_backoff and link.retry_at is not None and link.retry_at > s.now:
        why = Finding("backoff", f"{link.problem}; tried again at {link.retry_at:%H:%M:%S} UTC")
    if why is None:
        return steps
    return [replace(step, result=Result.DEFERRED, findings=(*step.findings, why)) for step in steps]


def _mended(s: Situation, key: MeetingKey, link: Link) -> bool:
    """Whether the meeting reads differently now than when it was set aside."""
    wish = s.wishes.get(key)
    return wish is not None and link.problem_digest not in (None, wish_digest(wish, s.capabilities))


def registered(person: Participant, ref: str | None = None) -> Registered:
    """The ledger's record of a participant as made known to the vendor."""
    return Registered(person.email, person.name, person.role, ref)
