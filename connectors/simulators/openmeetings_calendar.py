"""The appointments of the OpenMeetings stand-in (service calendar), and the mails that go out because of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connectors.simulators import openmeetings_rooms as rooms
from connectors.simulators.openmeetings_doors import Form, result
from connectors.simulators.openmeetings_json import (
    Problem,
    java_error,
    no_value,
    opt_flag,
    opt_number,
    opt_text,
    plain,
    read_object,
)
from connectors.simulators.openmeetings_state import COLUMN, Mail, SimAppointment, SimMember, SimUser, Store
from connectors.simulators.openmeetings_text import instant, sanitised, stamp

REMINDERS = ("NONE", "EMAIL", "ICAL")
NEW_ROOM_CAPACITY = 50
REMIND = timedelta(minutes=15)


# Writing


def save(store: Store, sid: str, form: Form) -> str:
    """POST /calendar: without an id a new one, with an id a full replacement of everything."""
    wish = _converted(store, form.get("appointment"))
    user = store.demand(sid, "ROOM")
    data = wish.data
    owner = data.get("owner")
    if "SOAP" not in store.rights_of(user) and owner is not None and opt_number(owner, "id") != user.id:
        raise Problem(500, "error.notallowed")
    before = _before(store, data)
    members = _members(store, user, data, before)
    title, location = opt_text(data, "title") or "", opt_text(data, "location") or ""
    if len(title) > COLUMN or len(location) > COLUMN:
        raise java_error("Data truncation: Data too long for column")
    if store.options.choke_on and store.options.choke_on in title:
        raise java_error(None)
    room = _room(store, data, title)
    description = opt_text(data, "description") or ""
    now = store.options.clock().replace(microsecond=0)  # as the database keeps it
    after = SimAppointment(
        id=before.id if before else store.next_id("appointment"),
        title=title,
        start=wish.start,
        end=wish.end,
        room_id=room,
        owner_id=user.id if owner is None else _known_user(store, opt_number(owner, "id")),
        location=location,
        description=sanitised(description) if store.options.sanitises else description,
        reminder=opt_text(data, "reminder", None),
        ical_id=(opt_text(data, "icalId") or "") if before else store.new_key(),
        inserted=wish.inserted if before else now,
        language_id=opt_number(data, "languageId", 0) or 0,
        connected=opt_flag(data, "connectedEvent"),
        reminder_sent=opt_flag(data, "reminderEmailSend"),
        password_protected=opt_flag(data, "passwordProtected"),
        deleted=opt_flag(data, "deleted"),
        members=members,
    )
    store.appointments[after.id] = after
    store.touch()
    if after.owner_id is None:  # saved by now, and only then the server stumbles
        raise java_error('Cannot invoke "org.apache.openmeetings.db.entity.user.User.getId()" because "u" is null')
    _notify(store, before, after)
    return plain({"appointmentDTO": as_json(store, after)})


def delete(store: Store, sid: str, number: int) -> str:
    """DELETE /calendar/{id}: the members go, and the room with it when it is an appointment's."""
    user = store.demand(sid)
    one, rights = store.appointments.get(number), store.rights_of(user)
    if not rights & {"SOAP", "ADMIN"} and not ("ROOM" in rights and one and one.owner_id == user.id):
        raise Problem(500, "error.notallowed")
    if one is None or one.deleted:
        raise java_error("Bad id")
    before = replace(one)
    one.deleted, one.members = True, []
    room = store.rooms.get(one.room_id)
    if room and room.appointment:
        room.deleted = True
    store.touch()
    _notify(store, before, one)
    return result("Deleted")


@dataclass(frozen=True, slots=True)
class _Wish:
    data: dict[str, Any]
    start: datetime
    end: datetime
    inserted: datetime | None


def _converted(store: Store, text: str | None) -> _Wish:
    """The JSON as it comes in. Without start or end, or with no JSON at all, the converter itself breaks."""
    try:
        data = read_object(text or "")
        data = data.get("appointmentDTO", data)
        times = [opt_text(data, name) for name in ("start", "end")]
    except (ValueError, AttributeError):
        raise Problem(500, body="html") from None
    start, end = times
    if not start or not end:
        raise Problem(500, body="html")
    try:
        if data.get("room") is not None:
            rooms.checked(data["room"])
        REMINDERS.index(data.get("reminder") or "NONE")
        inserted, zone = opt_text(data, "inserted"), store.options.tz
        return _Wish(data, instant(start, zone), instant(end, zone), instant(inserted, zone) if inserted else None)
    except ValueError:
        raise no_value(400) from None


def _before(store: Store, data: dict[str, Any]) -> SimAppointment | None:
    number = opt_number(data, "id")
    if number is None:
        return None
    one = store.appointments.get(number)
    if one is None or one.deleted:
        raise java_error('Cannot invoke "org.apache.openmeetings.db.entity.calendar.Appointment.setId(java.lang.Long)"')
    return one


def _room(store: Store, data: dict[str, Any], title: str) -> int:
    """The room's id: made anew without one, overwritten where the JSON says appointment, left alone otherwise."""
    given = data.get("room")
    if given is None:
        raise java_error('Cannot invoke "org.apache.openmeetings.db.dto.room.RoomDTO.getId()" because "dto" is null')
    number = opt_number(given, "id")
    if number is None:
        return rooms.new_room(store, {**given, "name": title, "capacity": NEW_ROOM_CAPACITY}).id
    room = store.room(number)
    if opt_flag(given, "appointment"):
        rooms.fill(store, room, {**given, "isPublic": False})
    return room.id


def _known_user(store: Store, number: int | None) -> int | None:
    return number if number in store.users else None


def _members(store: Store, user: SimUser, data: dict[str, Any], before: SimAppointment | None) -> list[SimMember]:
    """The people: those with an id must be of this very appointment, the others are new."""
    known = {member.id: member for member in before.members} if before else {}
    members = []
    for given in data.get("meetingMembers") or []:
        number = opt_number(given, "id")
        if number is None:
            members.append(SimMember(store.next_id("member"), _person(store, user, given.get("user") or {}).id))
        elif number in known:
            members.append(known[number])
        else:
            raise java_error("Weird guest from different appointment is passed")
    return members


def _person(store: Store, user: SimUser, given: dict[str, Any]) -> SimUser:
    number = opt_number(given, "id")
    if number is not None:
        if number not in store.users:
            raise java_error('Cannot invoke "org.apache.openmeetings.db.entity.user.User.getId()" because "u" is null')
        return store.users[number]
    if given.get("type") == "EXTERNAL":
        found = store.external(opt_text(given, "externalId", None), opt_text(given, "externalType", None))
        if found:
            return found
    email = opt_text(given.get("address") or {}, "email") or ""
    return store.contact(email, opt_text(given, "firstname") or "", opt_text(given, "lastname") or "", user)


# Mail


def _notify(store: Store, before: SimAppointment | None, after: SimAppointment) -> None:
    """Everybody hears of what concerns them, the owner too; nobody does without a reminder."""
    if after.reminder in (None, "NONE"):
        return
    changed = before is None or any(
        getattr(before, name) != getattr(after, name) for name in ("title", "description", "location", "start", "end")
    )
    old = {member.id: member for member in before.members} if before else {}
    for member in after.members:
        if member.id not in old:
            _mail(store, after, member.user_id, "create")
        elif changed:
            _mail(store, after, member.user_id, "update")
    kept = {member.id for member in after.members}
    for member in old.values():
        if member.id not in kept:
            _mail(store, after, member.user_id, "cancel")
    kind = "create" if before is None else "cancel" if after.deleted else "update" if changed else ""
    if kind and after.owner_id:
        _mail(store, after, after.owner_id, kind)


def remind(store: Store) -> None:
    """The server's own job: those whose appointment starts within a quarter of an hour are reminded, once."""
    now = store.options.clock()
    for one in store.appointments.values():
        soon = now <= one.start <= now + REMIND
        if soon and not one.deleted and not one.reminder_sent and one.reminder in ("EMAIL", "ICAL"):
            one.reminder_sent = True
            for member in one.members:
                _mail(store, one, member.user_id, "reminder")


def _mail(store: Store, one: SimAppointment, user: int, kind: str) -> None:
    email = store.users[user].email
    method = "" if one.reminder != "ICAL" else "CANCEL" if kind == "cancel" else "REQUEST"
    if email:
        store.mails.append(Mail(email, kind, one.id, method))


# Reading


def of_room(store: Store, sid: str, number: int) -> str:
    """GET /calendar/room/{roomid}: the user's own one; nothing is 204, whatever the room."""
    user = store.demand(sid, "ROOM")
    for one in store.appointments.values():
        if (one.room_id, one.owner_id, one.deleted) == (number, user.id, False):
            return plain({"appointmentDTO": as_json(store, one)})
    raise Problem(204, body="none")


def in_range(store: Store, sid: str, first: str, last: str) -> str:
    """GET /calendar/{start}/{end}: the user's own ones and those that they are invited to."""
    try:
        start, end = instant(first, store.options.tz), instant(last, store.options.tz)
    except ValueError:
        raise no_value(404) from None
    user = store.demand(sid, "ROOM")
    near = [one for one in store.appointments.values() if not one.deleted and _touches(one, start, end)]
    own = [as_json(store, one) for one in near if one.owner_id == user.id]
    invited = [one for one in near if one.owner_id != user.id and user.id in _user_ids(one.members)]
    others = [as_json(store, one) | {"connectedEvent": True} for one in invited]
    return plain({"appointmentDTO": own + others})


def as_json(store: Store, one: SimAppointment) -> dict[str, Any]:
    """AppointmentDTO as the plain writer has it. The room comes without its files and groups."""
    zone = store.options.tz
    room = {**rooms.room_json(store.rooms[one.room_id]), "files": [], "externalType": None}
    room["public"] = room.pop("isPublic")
    return {
        "id": one.id,
        "title": one.title,
        "location": one.location,
        "start": stamp(one.start, zone),
        "end": stamp(one.end, zone),
        "description": one.description,
        "owner": _user_json(store.users[one.owner_id]) if one.owner_id else None,
        "inserted": stamp(one.inserted, zone) if one.inserted else None,
        "deleted": one.deleted,
        "reminder": one.reminder,
        "room": {"hiddenElements": [], **room},
        "icalId": one.ical_id,
        "meetingMembers": [{"id": who.id, "user": _user_json(store.users[who.user_id])} for who in one.members],
        "languageId": one.language_id,
        "passwordProtected": one.password_protected,
        "connectedEvent": one.connected,
        "reminderEmailSend": one.reminder_sent,
    }


def _user_json(user: SimUser) -> dict[str, Any]:
    return {
        "id": user.id,
        "login": user.login,
        "firstname": user.firstname,
        "lastname": user.lastname,
        "rights": list(user.rights),
        "languageId": 1,
        "address": {"email": user.email, "deleted": False, "inserted": {"date": 29, "time": 1630191589000}},
        "type": user.type,
        "externalId": user.external_id,
        "externalType": user.external_type,
    }


def _touches(one: SimAppointment, start: datetime, end: datetime) -> bool:
    return start <= one.start <= end or start <= one.end <= end or (one.start < start and one.end > end)


def _user_ids(members: Iterable[SimMember]) -> set[int]:
    return {member.user_id for member in members}
