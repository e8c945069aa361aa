"""The vendors' capabilities in words: for `convener vendors` and for the table in docs/vendors.md. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any

from daemon.settings import Settings, vendor_plugin
from sync.drift import comparable
from sync.model import Capabilities, Limits, Role

_FIELDS = ("title", "start", "end", "description", "location", "organizer", "participant")
_SESSIONS = {"scheduled": "a session", "room": "a standing room", "call": "a call without a time"}
_MARKERS = {
    "external_id": "an id of ours",
    "metadata": "a field that nobody sees",
    "title": "a short mark in the title",
    "none": "nothing: never found again",
}


def is_compared(settings: Settings, route: str) -> bool:
    """Whether drift checks can be made of the route: its vendor shows what it holds."""
    plugin = vendor_plugin(settings.vendors[settings.routes[route].vendor].type)
    return plugin is not None and comparable(plugin.capabilities)


def capability_rows(vendors: Sequence[Capabilities]) -> list[tuple[str, list[str]]]:
    """Label and one cell for each vendor; rows that say nothing of any of them are left out."""
    rows = [(label, [say(one) for one in vendors]) for label, say in _ROWS]
    return [(label, cells) for label, cells in rows if set(cells) != {""}]


def capabilities_document(kind: str, capabilities: Capabilities) -> dict[str, Any]:
    """One vendor's capabilities as JSON types: sets as sorted lists, durations in seconds."""
    return {"type": kind} | {field.name: _plain(getattr(capabilities, field.name)) for field in fields(capabilities)}


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(str(one) for one in value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Limits):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _names(given: Iterable[str]) -> str:
    names = set(given)
    return ", ".join(name for name in _FIELDS if name in names)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _change(one: Capabilities) -> str:
    if not one.update:
        return "nothing"
    relinks = _names(one.relinks_on)
    return _names(one.update) + (f"; a new join link with {relinks}" if relinks else "; the join link stays")


def _people(one: Capabilities) -> str:
    if not one.invite:
        return "not registered" + (": each gets a personal link" if one.mints_links else "")
    limit = one.limits.participants
    does = [f"{limit} at most" if limit else "", "with the session" if one.create_invites else "one by one"]
    does += ["removed" if one.uninvite else "never removed", "listed" if one.list_invitees else "never listed"]
    return ", ".join(word for word in does if word)


def _roles(one: Capabilities) -> str:
    if not (one.invite or one.mints_links):
        return ""
    roles = ", ".join(role.value for role in Role if role in one.roles)
    apart = "; moderators are the account's own people" if one.hosts_apart else ""
    changes = "" if len(one.roles) == 1 or one.change_role or one.mints_links else "; never changed"
    return roles + changes + apart


def _mail(one: Capabilities) -> str:
    if not one.vendor_mail:
        return "no"
    return "on request" + (f"; then also {one.mails_besides}" if one.mails_besides else "")


def _personal(one: Capabilities) -> str:
    if not one.personal_links:
        return "no"
    if not one.mints_links:
        return "given by the vendor"
    life = one.limits.link_life
    when = f" when the start is nearer than {span(life)}" if life else ""
    again = f", anew when {_names(one.personal_relinks_on)} change" if one.personal_relinks_on else ""
    return f"made on request{when}{again}"


def span(life: timedelta) -> str:
    """`5 days`, `12 hours`."""
    days = life / timedelta(days=1)
    number, unit = (days, "day") if days >= 1 else (days * 24, "hour")
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def _lost_create(one: Capabilities) -> str:
    if one.marker == "none":
        return "repeated once, then a person is asked"
    return "looked for, then made again"


def _limits(one: Capabilities) -> str:
    limits = [f"title {one.limits.title} characters" if one.limits.title else ""]
    limits += ["whole minutes" if one.limits.whole_minutes else ""]
    return ", ".join(limit for limit in limits if limit) or "none known"


_ROWS: tuple[tuple[str, Callable[[Capabilities], str]], ...] = (
    ("a meeting becomes", lambda one: _SESSIONS[one.session]),
    ("it stores", lambda one: _names(one.holds) or "nothing of the meeting"),
    ("it can change", _change),
    ("limits", _limits),
    ("it can remove it", lambda one: _yes(one.delete)),
    ("it lists them", lambda one: _yes(one.list)),
    ("ours is known by", lambda one: _MARKERS[one.marker]),
    ("a lost creation is", _lost_create),
    ("participants", _people),
    ("roles", _roles),
    ("it mails", _mail),
    ("personal links", _personal),
    ("host link on demand", lambda one: _yes(one.host_links)),
    ("recordings", lambda one: _yes(one.recordings_pull)),
    ("attendance", lambda one: _yes(one.attendance_pull)),
    ("documents to it", lambda one: _yes(one.documents_push)),
    ("documents from it", lambda one: _yes(one.documents_pull)),
)
