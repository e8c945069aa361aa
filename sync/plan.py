"""Planning: from what is wanted and what was last applied to the ordered steps between them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sync.change import Action, Change, FieldDiff, LinkEffect, Plan, Result, names_of, with_articles
from sync.degrade import PEOPLE, PEOPLE_CODES, held_fields, instant_text, people_findings, wish_digest
from sync.ledger.records import DOUBT, GONE, Link, LinkState, Registered
from sync.model import Capabilities, Finding, Meeting, MeetingKey, Participant, Window
from sync.route import Route
from sync.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that planning looks at. `wishes` are degraded to the vendor; `left` says why a meeting of the
    snapshot is not the route's; `unsettled` are the keys with an open intent, `looked_for` those of the links whose
    artifacts are still looked for, `drifted` the values that somebody gave at the vendor, by key and name of the field
    (the keys as text)."""

    route: Route
    capabilities: Capabilities
    now: datetime
    window: Window
    snapshot: Snapshot
    wishes: Mapping[MeetingKey, Meeting]
    left: Mapping[MeetingKey, Finding]
    links: Mapping[MeetingKey, Link]
    unsettled: frozenset[str] = frozenset()
    looked_for: frozenset[str] = frozenset()
    respect_backoff: bool = False
    drifted: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


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
        # It is over: whatever the calendar says now, there is nothing left to keep in step.
        kept = s.capabilities.retention
        known = wish is not None or s.snapshot.proves_absent(link.key, window_covers=True)
        wait = str(link.key) in s.looked_for  # what it left is fetched before it is removed
        outlived = kept is not None and known and not wait and s.now >= link.end + kept
        return [_cancel(s, link, _outlived(kept))] if outlived and kept is not None else []
    if wish is None:
        return _absence(s, link)
    if wish.cancelled:
        return [_cancel(s, link, "cancelled in the calendar", wish=wish)]
    return _adjustment(s, wish, link)


def _creation(s: Situation, wish: Meeting | None, link: Link | None) -> Iterable[Change]:
    if wish is None or wish.cancelled or wish.end <= s.now or not s.window.overlaps(wish.start, wish.end):
        return []
    reason = "new in the calendar"
    if link is not None and link.state is LinkState.CANCELLED:
        reason = "wanted again by the calendar"
    elif link is not None and link.problem:
        reason = f"not made yet: {link.problem}"
    shown = {"title": wish.title, "start": instant_text(wish.start), "end": instant_text(wish.end)}
    fields = [FieldDiff(n, None, value) for n, value in (shown | held_fields(wish, s.capabilities)).items() if value]
    if wish.participants and s.capabilities.create_invites:
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
        return [_cancel(s, link, f"no longer the route's: {s.left[link.key].message}", by_absence=True)]
    if link.key.recurrence_id is not None and replace(link.key, recurrence_id=None) in s.wishes:
        return [_cancel(s, link, "its series has one room for all now", by_absence=True)]
    if s.snapshot.proves_absent(link.key, link.in_window(s.window)):
        return [_cancel(s, link, "no longer in the calendar", by_absence=True)]
    return []


def _cancel(s: Situation, link: Link, reason: str, *, by_absence: bool = False, wish: Meeting | None = None) -> Change:
    return Change(
        link.key,
        Action.CANCEL,
        reason,
        LinkEffect.RETIRED,
        link.title,
        link.start,
        session=link.session,
        by_absence=by_absence,
        findings=(*(_without_what_is_known(wish) if wish else ()), *_stays_at_the_vendor(s)),
        wish=wish,
    )


def _without_what_is_known(wish: Meeting) -> list[Finding]:
    """What the vendor never stores was said when the session was made."""
    return [finding for finding in wish.findings if finding.code != "field-unsupported"]


def _stays_at_the_vendor(s: Situation) -> Iterable[Finding]:
    if not s.capabilities.delete:
        what = f"{s.capabilities.name} cannot remove a {_SESSION[s.capabilities.session]}"
        yield Finding("delete-unsupported", f"{what}: its link is retired here, but it goes on working")


_SESSION = {"scheduled": "session", "room": "room", "call": "call"}


def _outlived(kept: timedelta) -> str:
    days = kept / timedelta(days=1)
    return f"it ended more than {f'{days:g} days' if days >= 1 else f'{days * 24:.3g} hours'} ago (retention)"


def _adjustment(s: Situation, wish: Meeting, link: Link) -> Iterable[Change]:
    replaces = s.route.on_unsupported_update == "replace" and wish.end > s.now
    diffs = []
    for name, value in held_fields(wish, s.capabilities).items():
        # What was said once to be stale is not said in every pass.
        known = not replaces and name not in s.capabilities.update and link.stale.get(name) == value
        if link.applied.get(name) != value and not known:
            diffs.append(FieldDiff(name, link.applied.get(name), value))
    fixed = [diff for diff in diffs if diff.name not in s.capabilities.update]
    if fixed and replaces:
        yield _replacement(s, link, wish, diffs, fixed)
        yield from _first_invitations(s, wish)
        return
    told = people_findings(wish)
    if diffs:
        yield _update(s, wish, link, diffs, fixed)
    elif told and link.stale.get(PEOPLE) != told:
        yield _who_is_left_out(wish, link, told)
    yield from _people(s, wish, link)


def _who_is_left_out(wish: Meeting, link: Link, told: str) -> Change:
    """Nothing can be done about it, but it has not been said yet."""
    return Change(
        link.key,
        Action.UPDATE,
        "who takes part changed in the calendar",
        LinkEffect.KEPT,
        wish.title,
        wish.start,
        session=link.session,
        fields=(FieldDiff(PEOPLE, link.stale.get(PEOPLE), told),),
        findings=tuple(finding for finding in wish.findings if finding.code in PEOPLE_CODES),
        wish=wish,
        unsupported=True,
    )


def _update(s: Situation, wish: Meeting, link: Link, diffs: list[FieldDiff], fixed: list[FieldDiff]) -> Change:
    findings = _without_what_is_known(wish)
    # Shown are the fields that change; when none does, those that should.
    shown = [diff for diff in diffs if diff not in fixed] or fixed
    changing = {diff.name for diff in diffs if diff not in fixed}
    if fixed:
        what, old = with_articles(fixed), f"old one{'s' * (len(fixed) > 1)}"
        stays = f"{s.capabilities.name} cannot change {what}: the session keeps its {old}"
        findings.append(Finding("update-unsupported", f"{stays}; replacing it would change the join link"))
    if changing & s.capabilities.personal_relinks_on and s.capabilities.mints_links:
        findings.append(Finding("new-personal-links", "the participants' personal links are made anew"))
    return Change(
        link.key,
        Action.UPDATE,
        _why(s, link, shown),
        LinkEffect.NEW if changing & s.capabilities.relinks_on else LinkEffect.KEPT,
        wish.title,
        wish.start,
        session=link.session,
        fields=tuple(shown),
        findings=tuple(findings),
        wish=wish,
        unsupported=not changing,
    )


def _replacement(s: Situation, link: Link, wish: Meeting, diffs: list[FieldDiff], fixed: list[FieldDiff]) -> Change:
    names = names_of(fixed)
    warning = Finding(
        "new-link", f"{s.capabilities.name} cannot change {names}: a new session replaces it, with a new join link"
    )
    return Change(
        link.key,
        Action.REPLACE,
        _why(s, link, diffs),
        LinkEffect.NEW,
        wish.title,
        wish.start,
        session=link.session,
        fields=tuple(diffs),
        findings=(*wish.findings, warning, *_stays_at_the_vendor(s)),
        wish=wish,
    )


def _why(s: Situation, link: Link, diffs: list[FieldDiff]) -> str:
    """Where the fields changed: the calendar did not mean what somebody did at the vendor."""
    seen = s.drifted.get(str(link.key), {})
    there = [diff for diff in diffs if diff.before is not None and seen.get(diff.name) == diff.before]
    here = [diff for diff in diffs if diff not in there]
    both = ((here, "in the calendar"), (there, "at the vendor"))
    return " and ".join(f"{names_of(fields)} changed {where}" for fields, where in both if fields)


def _people(s: Situation, wish: Meeting, link: Link) -> Iterable[Change]:
    wanted = {person.email: person for person in wish.participants}
    known = {person.email: person for person in link.invitees}
    can = s.capabilities

    def row(action: Action, person: Participant, reason: str, field: FieldDiff, *findings: Finding) -> Change:
        return Change(
            link.key, action, reason, LinkEffect.KEPT, wish.title, wish.start,
            session=link.session, person=person, fields=(field,), findings=findings, wish=wish,
            unsupported=action is not Action.INVITE and any(f.code.endswith("-unsupported") for f in findings),
        )  # fmt: skip

    mails = [finding for finding in wish.findings if finding.code in ("mail-unsupported", "mail-by-vendor")]
    for email, person in wanted.items():
        have = known.get(email)
        if have is None:
            yield row(Action.INVITE, person, "new among the participants", FieldDiff("role", None, person.role), *mails)
        elif have.stale == GONE:
            reason = "among the participants again; the vendor still has them"
            yield row(Action.INVITE, person, reason, FieldDiff("role", None, have.role))
        if have is not None and have.stale == DOUBT:
            reason = "its registration has an unknown outcome"
            doubt = Finding("in-doubt", f"{reason}; `convener retry '{link.key}'` registers {email} once more")
            step = row(Action.INVITE, person, reason, FieldDiff("role", None, person.role), doubt)
            yield replace(step, result=Result.DEFERRED)
        elif have is not None and person.role not in (have.role, have.stale):
            changed = FieldDiff("role", have.role, person.role)
            yield row(Action.ROLE, person, "role changed in the calendar", changed, *_role_findings(s, person, have))
    takes_the_place = can.invite and can.limits.participants == 1 and bool(wanted.keys() - known.keys())
    for email, have in known.items():
        if email in wanted or have.stale == GONE or takes_the_place:
            continue
        reason, left = "no longer among the participants", FieldDiff("role", have.role, None)
        yield row(Action.UNINVITE, Participant(email, have.name, have.role), reason, left, *_stays(s, have))


def _role_findings(s: Situation, person: Participant, have: Registered) -> Iterable[Finding]:
    name = s.capabilities.name
    if s.capabilities.change_role:
        return
    if not s.capabilities.mints_links:
        yield Finding("role-change-unsupported", f"{name} cannot change a role: {person.email} stays {have.role}")
    elif have.personal_link:
        yield Finding("new-personal-links", f"{person.email} gets a new personal link; the old one keeps its role")


def _stays(s: Situation, have: Registered) -> Iterable[Finding]:
    name = s.capabilities.name
    if not s.capabilities.uninvite and (s.capabilities.invite or have.personal_link):
        what = f"{name} cannot remove a participant: {have.email} can still join with what they were given"
        yield Finding("uninvite-unsupported", what)
    elif s.capabilities.mints_links and have.personal_link:
        yield Finding("personal-link-stays", f"{name} cannot take back the personal link of {have.email}")


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
