"""Small builders for unit tests: each gives a sound thing, and the test changes what it is about."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sync.change import Change, Plan
from sync.degrade import held_fields
from sync.ledger.records import Intent, Link, LinkState, Registered
from sync.model import Capabilities, Meeting, MeetingKey, Participant, Role
from sync.plan import Situation, make_plan
from sync.route import Route
from sync.snapshot import Snapshot
from tests.clock import START

NOW = START
HOUR = timedelta(hours=1)
SOON = NOW + timedelta(days=1)

FULL = Capabilities(
    name="the vendor",
    session="scheduled",
    marker="metadata",
    holds=frozenset({"title", "start", "end"}),
    update=frozenset({"title", "start", "end"}),
    create_invites=True,
    vendor_mail=True,
)
"""A vendor that can do everything that planning asks for."""

ROUTE = Route("sales", "sales", "main")

JON = Participant("jon@example.com", "Jon Doe")
MARA = Participant("mara@example.com", "Mara Moe", Role.MODERATOR)


def key(name: str = "m1", source: str = "sales") -> MeetingKey:
    return MeetingKey(source, f"{name}@example.com")


def meeting(name: str = "m1", start: datetime = SOON, length: timedelta = HOUR, **values: Any) -> Meeting:
    """A wish of one hour, tomorrow, with one participant."""
    wish = Meeting(key(name), f"Meeting {name}", start, start + length, (JON,))
    return replace(wish, **values)


def link_of(wish: Meeting, capabilities: Capabilities = FULL, **values: Any) -> Link:
    """The live link of a wish that was applied as it is."""
    link = Link(
        route="sales",
        key=wish.key,
        vendor="main",
        marker=f"convener/test/{wish.key.uid}",
        state=LinkState.LIVE,
        session=f"s-{wish.key.uid}",
        title=wish.title,
        start=wish.start,
        end=wish.end,
        join_url="https://vendor.example/join",
        applied=held_fields(wish, capabilities),
        invitees=tuple(Registered(p.email, p.name, p.role, f"i-{p.email}") for p in wish.participants),
    )
    return replace(link, **values)


def situation(
    wishes: Iterable[Meeting] = (), links: Iterable[Link] = (), *, snapshot: Snapshot | None = None, **values: Any
) -> Situation:
    """What planning looks at, the snapshot complete and holding the wishes unless another one is given."""
    route: Route = values.pop("route", ROUTE)
    now: datetime = values.pop("now", NOW)
    wanted, linked = list(wishes), list(links)
    window = route.window(now)
    known = frozenset(link.key for link in linked)
    return Situation(
        route=route,
        capabilities=values.pop("capabilities", FULL),
        now=now,
        window=window,
        snapshot=snapshot or Snapshot("sales", window, tuple(wanted), asked=known),
        wishes={wish.key: wish for wish in wanted},
        left=values.pop("left", {}),
        links={link.key: link for link in linked},
        **values,
    )


def planned(wishes: Iterable[Meeting] = (), links: Iterable[Link] = (), **values: Any) -> Plan:
    return make_plan(situation(wishes, links, **values))


def the_change(plan: Plan) -> Change:
    (change,) = plan.changes
    return change


def actions(plan: Plan) -> list[str]:
    """`action` of each step, with the participant where there is one."""
    return [f"{c.action.value} {c.person.email}" if c.person else c.action.value for c in plan.changes]


def intent_of(link: Link, action: str, payload: dict[str, Any], **values: Any) -> Intent:
    intent = Intent(1, link.route, str(link.key), link.vendor, action, None, link.marker, link.session, payload, NOW)
    return replace(intent, **values)
