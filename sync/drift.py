"""What a drift check concludes from what a vendor shows. Pure.

A session that a look does not show is not therefore gone: a list can be cut, empty by mistake, or another account's.
That it is gone is believed at once when a complete list and a question for this very session agree, and otherwise when
two checks in a row came to it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sync.change import FieldDiff
from sync.echo import as_sent, shown_fields
from sync.effects import vanished
from sync.guard import crowd
from sync.ledger.drift import Drift, DriftCheck, Held, Kind, Outcome
from sync.ledger.records import Link, LinkState
from sync.model import Capabilities, Session, Window
from sync.ports import Listing
from sync.report import Exit, worst
from sync.route import Route

BELIEVED_AFTER = 2
"""Checks in a row that did not see a session, before it is taken for gone without a second witness."""

SOON_AGAIN = timedelta(minutes=15)
"""When a check is made again that could not conclude everything (if that is sooner than its turn)."""

Told = Mapping[tuple[object, ...], Outcome]
"""What the last check found, by identity."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look at a vendor showed. `listed` are the sessions of its list, by reference; `asked` are those that the
    list lacks and that were asked for one by one, None for one that the vendor does not know. `complete`: what the list
    lacks is not there; `sure`: what is absent is so by two witnesses."""

    listed: Mapping[str, Session]
    asked: Mapping[str, Session | None]
    complete: bool
    sure: bool

    def session(self, ref: str | None) -> Session | None:
        """The session as it is shown, None when it is absent or nobody can tell."""
        return self.listed.get(str(ref)) or self.asked.get(str(ref))

    def lacks(self, ref: str | None) -> bool:
        """Whether the vendor seems not to have it."""
        return str(ref) in self.asked and self.session(ref) is None


def sight_of(listing: Listing | None, asked: Mapping[str, Session | None], window: Window, *, asks: bool) -> Sight:
    """What list and questions show together; `listing` is None where the vendor has no list, `asks` whether it can be
    asked for one session. A list that lacks a session which exists and belongs on it is not complete."""
    listed = {session.ref: session for session in listing.sessions} if listing else {}
    lacking = any(one is not None and one.ref not in listed and _within(one, window) for one in asked.values())
    complete = listing is not None and listing.complete and not lacking
    return Sight(listed, asked, complete, complete and asks)


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be done. `repair`: what is found is put right; `update` are the fields that the vendor can change (None:
    all, because a session that cannot be changed is replaced)."""

    repair: bool
    update: frozenset[str] | None

    @classmethod
    def of(cls, route: Route, capabilities: Capabilities) -> "Policy":
        """The route's policy at a vendor that can do this."""
        replaces = route.on_unsupported_update == "replace"
        return cls(route.drift == "repair", None if replaces else capabilities.update)

    def changes(self, name: str) -> bool:
        """Whether there is a way to give the field another value."""
        return self.update is None or name in self.update


def watched(link: Link, vendor: str, now: datetime, busy: Iterable[str]) -> bool:
    """Whether a check looks at the link: its session is believed to be there, it is not over, no call for it is open
    (`busy` are the keys as text), and nobody has to decide about it first."""
    settled = link.state is LinkState.LIVE and link.session is not None and link.vendor == vendor
    return settled and link.end > now and str(link.key) not in busy


def judged(link: Link, sight: Sight, policy: Policy, told: Told) -> tuple[Link, list[Drift]]:
    """The link after the look, and what is found about it. Where it is to be repaired the link has what the vendor
    shows, so that the next plan sees the difference to the calendar; with what nothing can be done about, the plan
    says so once. A missing session is only counted here: see `without`."""
    session = sight.session(link.session)
    if session is None:
        if not sight.lacks(link.session):
            return link, []
        counted = replace(link, missing=link.missing + 1)
        believed = sight.sure or counted.missing >= BELIEVED_AFTER
        return counted, [_drift("missing", link, outcome="reported" if believed else "suspected")]
    differences = _differences(link, session)
    # What somebody made by hand because the vendor has no call for it is as the calendar wants it.
    by_hand = [diff for diff in differences if link.stale.get(diff.name) == diff.after]
    found = list(_changes(link, [diff for diff in differences if diff not in by_hand], policy, told))
    taken = [diff for one in found if policy.repair and one.outcome != "returned" for diff in one.fields]
    after = _showing(replace(link, missing=0), [*by_hand, *taken])
    if session.join_url and link.join_url is not None and session.join_url != link.join_url:
        # Nothing can bring the old one back: what people are given has to be the one that works.
        other = FieldDiff("join link", link.join_url or None, session.join_url)
        found.append(_drift("join_link", link, other, outcome="repaired"))
        after = replace(after, join_url=session.join_url)
    return after, found


def held_back(missing: int, watched: int, route: Route, *, force: bool) -> str:
    """Why so many sessions that are gone at once are not believed to be, "" when they are: an account that is not let
    see its sessions any more looks the same, and each one made anew has another join link."""
    if force or crowd(missing, watched, route, "sessions") is None:
        return ""
    return f"{missing} of {watched} sessions are gone at once; `--force` believes it all the same"


def why_held(unresolved: Iterable[Drift], route: str) -> str:
    """What the last check held back, in words; "" when it held nothing back."""
    number = sum(one.outcome == "held" for one in unresolved)
    if not number:
        return ""
    return (
        f"{number} sessions were gone at once at the last drift check; "
        f"`convener reconcile {route} --drift --force` believes it all the same"
    )


def without(link: Link, route: Route) -> Link:
    """The link whose session is believed to be gone: made anew by the next pass, or set aside."""
    return replace(vanished(link, repair=route.drift == "repair"), missing=0)


@dataclass(frozen=True, slots=True)
class Stray:
    """A session with a marker of ours that is not the one of its meeting. `owner` is whose marker it is."""

    kind: Kind
    session: Session
    owner: Held | None


def strays(
    sight: Sight, held: Iterable[Held], open_markers: frozenset[str], installation: str, route: str, now: datetime
) -> Iterator[Stray]:
    """Sessions of ours beside those of the ledger, for this route; none from a list that is not complete.

    What is not certainly ours, or another route's, or waited for by an open call (`open_markers`), is left out.
    """
    known = list(held)
    taken = {one.session for one in known if one.live}
    owners = _owners(known, sight)
    for session in sight.listed.values() if sight.complete else ():
        marker = session.marker
        if not marker or session.ref in taken or marker in open_markers:
            continue
        owner = owners.get(marker)
        if owner is None:
            if _is_ours(marker, installation):
                yield Stray("orphan", session, None)
        elif owner.route != route:
            continue
        elif owner.live:
            if sight.session(owner.session) is not None:
                yield Stray("double", session, owner)
            elif sight.lacks(owner.session):
                yield Stray("orphan", session, owner)
        elif owner.session != session.ref:
            yield Stray("orphan", session, owner)
        elif owner.end > now:
            yield Stray("leftover", session, owner)


def meant_for(marker: str, digest: str) -> bool:
    """Whether a marker of ours was made for the meeting with that digest of route and key (`Ledger.new_marker`)."""
    return marker.split("/")[2:3] == [digest]


def comparable(capabilities: Capabilities) -> bool:
    """Whether the vendor shows anything that could be compared; where it does not, there are no checks."""
    return capabilities.list or capabilities.reads_back


def due(last: DriftCheck | None, first_pass: datetime | None, every: timedelta, now: datetime) -> datetime:
    """When a route is to be checked. One that never was waits for its turn from its first pass on."""
    if last is None:
        return (first_pass or now) + every
    return last.checked_at + (every if last.complete else min(every, SOON_AGAIN))


def still_pending(last: DriftCheck | None, links: Iterable[Link], found: Iterable[Drift]) -> list[Drift]:
    """Of the last check, the changes that no pass has set right yet: they look applied, and are remembered for what the
    plan says about them."""
    by_key = {str(link.key): link for link in links}
    now_found = {one.key for one in found if one.kind == "changed"}
    return [
        replace(one, pending=True)
        for one in (last.found if last else ())
        if one.kind == "changed" and one.key in by_key and one.key not in now_found
        if all(by_key[one.key].applied.get(diff.name) == diff.after for diff in one.fields)
    ]


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One check of one route. `compared` sessions were looked at; `problem` says what could not be, `unreachable`
    whether because the vendor cannot be reached or refuses the account; `note` why nothing is compared at all."""

    route: str
    vendor: str
    compared: int = 0
    found: tuple[Drift, ...] = ()
    problem: str = ""
    unreachable: bool = False
    held_reason: str = ""
    note: str = ""

    def exit(self) -> Exit:
        """The exit code of the check alone: what is left to a person, or could not be looked at, is not done."""
        exits = [Exit.DONE]
        if self.problem:
            exits.append(Exit.UNREACHABLE if self.unreachable else Exit.PARTIAL)
        if self.held_reason:
            exits.append(Exit.HELD)
        if any(one.outcome in ("reported", "returned") for one in self.found):
            exits.append(Exit.PARTIAL)
        return worst(exits)


def _within(session: Session, window: Window) -> bool:
    """Whether a list of the window has to show it."""
    return session.start is None or session.end is None or window.overlaps(session.start, session.end)


def _differences(link: Link, session: Session) -> list[FieldDiff]:
    """The fields that the vendor shows otherwise than they were sent, its own spelling left out."""
    shown = {n: v for n, v in shown_fields(session).items() if n in link.applied and link.echo.get(n) != v}
    read = as_sent(link.applied, session)
    return [FieldDiff(n, link.applied[n], v) for n, v in shown.items() if read[n] != link.applied[n]]


def _changes(link: Link, differences: list[FieldDiff], policy: Policy, told: Told) -> Iterator[Drift]:
    """Those that can be set right, and those that cannot."""
    if fields := [diff for diff in differences if policy.changes(diff.name)]:
        drift = _drift("changed", link, *fields)
        # Two that disagree would take turns for ever; and a server may have a reason for what it shows.
        again = told.get(drift.identity) in ("repaired", "returned")
        repaired: Outcome = "returned" if again else "repaired"
        yield replace(drift, outcome=repaired) if policy.repair else drift
    if fields := [diff for diff in differences if not policy.changes(diff.name)]:
        yield _drift("changed", link, *fields)


def _showing(link: Link, fields: list[FieldDiff]) -> Link:
    """The link with these fields as the vendor shows them."""
    shown = {diff.name: diff.after or "" for diff in fields}
    echo = {name: value for name, value in link.echo.items() if name not in shown}
    return replace(link, applied={**link.applied, **shown}, echo=echo)


def _drift(kind: Kind, link: Link, *fields: FieldDiff, outcome: Outcome = "reported") -> Drift:
    return Drift(kind, str(link.key), str(link.session), link.title, outcome, fields)


def _owners(held: Iterable[Held], sight: Sight) -> dict[str, Held]:
    """Whose marker it is: as the ledger has it, or as a live session shows it where only a short form is shown."""
    owners: dict[str, Held] = {}
    for one in sorted(held, key=lambda one: one.live):
        session = sight.listed.get(one.session) if one.live and one.session else None
        owners |= {marker: one for marker in (one.marker, session.marker if session else None) if marker}
    return owners


def _is_ours(marker: str, installation: str) -> bool:
    return marker.startswith(f"convener/{installation}/")
